"""The charts of the first page: how orders ended in the last 24 hours, and how long providers took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.web.ops import charts
from gateway.web.ops.charts import Chart
from models import pulse
from models.pulse import Day
from models.report import Total

#: Points of a chart, each a quarter of an hour, and the minutes of it.
POINTS, MINUTES = 96, 15
#: Seconds within which the sweep has counted what has happened: its period, and how long events are left alone.
COUNTED_SECONDS = 480
#: Providers that have a chart; those with the most orders.
MOST_PROVIDERS = 8
#: What told of an end, and its chart's title in English.
TOLD = {"callback": "Told by callback", "poll": "Found by a check", "timeout": "Timed out"}


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the page draws."""

    ended: Sequence[Chart]
    #: By provider.
    durations: Sequence[tuple[str, Chart]]
    #: Of the completed orders, the share of which no callback told; None without any.
    polled_share: float | None
    #: The times at the beginning, in the middle and at the end of each chart.
    axis: tuple[datetime, datetime, datetime]


def of(now: datetime) -> Pulse:
    """Reads the points of a day; they are few, however many orders there were.

    The last one is the last quarter of an hour that the sweep has counted whole.
    """
    seconds = 60 * MINUTES
    end = datetime.fromtimestamp((now.timestamp() - COUNTED_SECONDS) // seconds * seconds, now.tzinfo)
    day = pulse.last_day(end, POINTS, MOST_PROVIDERS)
    told, polled = (sum(day.ended.get(each, ())) for each in ("callback", "poll"))
    share = polled / (told + polled) if told + polled else None
    return Pulse(
        list(_ended(day)), list(_durations(day)), share, (day.points[0], day.points[POINTS // 2], end)
    )


def _ended(day: Day) -> Sequence[Chart]:
    """On one scale, but for those that timed out, which are rare."""
    rates = {name: [count / MINUTES for count in day.ended.get(name, [0] * POINTS)] for name in TOLD}
    most = max(max(rates[name]) for name in ("callback", "poll"))
    return [
        charts.line(TOLD["callback"], rates["callback"], "a minute", most=most),
        charts.line(TOLD["poll"], rates["poll"], "a minute", most=most),
        charts.bars(TOLD["timeout"], day.ended.get("timeout", [0] * POINTS)),
    ]


def _durations(day: Day) -> Sequence[tuple[str, Chart]]:
    """On one scale; a point without an order has no value."""
    shares = {
        name: [
            [Total(durations=point).seconds(share) for point in day.durations[name]] for share in (0.5, 0.95)
        ]
        for name in sorted(day.durations)
    }
    most = max((each for _, slow in shares.values() for each in slow if each is not None), default=0.0)
    return [
        (name, charts.line("Time to delivery", half, "seconds", above=slow, most=most))
        for name, (half, slow) in shares.items()
    ]
