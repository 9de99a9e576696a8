"""SQL that stands in a file of its own, beside the module that runs it."""

from collections.abc import Iterator
from importlib import resources

from models.db.prepared import Prepared


def read(name: str, *, without: str | None = None, **fragments: str) -> Prepared:
    """The statement in models/`name`; each `{fragment}` in it is replaced by the text given for it.

    `without` names parts of it that are left out: those between `-- begin NAME` and `-- end NAME`.
    """
    text = resources.files("models").joinpath(name).read_text(encoding="utf-8")
    return Prepared("".join(_kept(text, without)).format(**fragments))


def _kept(text: str, without: str | None) -> Iterator[str]:
    """Its lines; those of a part that is left out begin and end with a line of its own."""
    is_kept = True
    for line in text.splitlines(keepends=True):
        said = line.strip()
        is_kept = is_kept and said != f"-- begin {without}"
        if is_kept:
            yield line
        is_kept = is_kept or said == f"-- end {without}"
