"""Charts, drawn on the server: bars and lines over a row of values, in a box of WIDTH by HEIGHT that pages stretch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

#: The box, in units of the drawing, and the place of the ground and of the top in it.
WIDTH, HEIGHT = 300.0, 64.0
GROUND, TOP = 63.0, 2.0
#: The steps of a scale.
NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart; its texts are in English, values as the page writes them."""

    title: str
    #: The newest value, and the top of the scale.
    last: float | None
    top: float
    bars: Sequence[Bar] = ()
    #: Each the points of a line; it is interrupted where no value is known.
    lines: Sequence[str] = ()
    #: The outline of the ground between two lines, if any.
    bands: Sequence[str] = field(default=())
    #: What the values are: `count`, `share`, `seconds`, or a currency.
    unit: str = "count"


def bars(title: str, values: Sequence[float], unit: str = "count") -> Chart:
    """A bar for each value."""
    top = _nice(max(values, default=0))
    step = WIDTH / max(1, len(values))
    drawn = [
        Bar(_n(place * step + step * 0.12), _n(_y(value, top)), _n(step * 0.76), _n(GROUND - _y(value, top)))
        for place, value in enumerate(values)
        if value > 0
    ]
    return Chart(title, values[-1] if values else None, top, bars=drawn, unit=unit)


def line(
    title: str,
    values: Sequence[float | None],
    unit: str = "count",
    *,
    above: Sequence[float | None] = (),
    most: float | None = None,
) -> Chart:
    """A line through the values; with `above`, a band from it up to those; with `most`, on a scale up to that."""
    known_most = max((each for each in (*values, *above) if each is not None), default=0)
    top = _nice(known_most if most is None else most)
    parts = [_points(part, len(values), top) for part in _parts(values)]
    bands = []
    for part in _parts(values) if above else []:
        both = [(place, value) for place, value in part if above[place] is not None]
        back = [(place, above[place] or 0.0) for place, _ in reversed(both)]
        bands.append(f"{_points(both, len(values), top)} {_points(back, len(values), top)}")
    known = [each for each in values if each is not None]
    return Chart(title, known[-1] if known else None, top, lines=parts, bands=bands, unit=unit)


def _parts(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The values with their places, apart where one is missing."""
    parts: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            parts[-1].append((place, value))
        elif parts[-1]:
            parts.append([])
    return [each for each in parts if each]


def _points(part: Sequence[tuple[int, float]], many: int, top: float) -> str:
    """One alone is drawn as a short stroke."""
    step = WIDTH / max(1, many - 1)
    if len(part) == 1:
        ((place, value),) = part
        at = place * step
        return f"{_n(max(0, at - 2))},{_n(_y(value, top))} {_n(min(WIDTH, at + 2))},{_n(_y(value, top))}"
    return " ".join(f"{_n(place * step)},{_n(_y(value, top))}" for place, value in part)


def _y(value: float, top: float) -> float:
    return GROUND - (GROUND - TOP) * max(0.0, value) / top


def _nice(most: float) -> float:
    """A round number that is no less than the most."""
    if most <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(most))
    return next(step * size for step in NICE if step * size >= most * 0.999)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
