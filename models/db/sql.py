"""SQL that stands in a file of its own, beside the module that runs it."""

import re
from importlib import resources

from models.db.prepared import Prepared

#: A part of a statement that may be left out, between two lines of its own.
PART = re.compile(r"^ *-- begin (?P<name>\w+)\n.*?^ *-- end (?P=name)\n", re.DOTALL | re.MULTILINE)


def read(name: str, *, without: str | None = None, **fragments: str) -> Prepared:
    """The statement in models/`name`; each `{fragment}` in it is replaced by the text given for it.

    `without` names parts of it that are left out: those between `-- begin NAME` and `-- end NAME`.
    """
    text = resources.files("models").joinpath(name).read_text(encoding="utf-8")
    kept = PART.sub(lambda part: "" if part["name"] == without else part[0], text)
    return Prepared(kept.format(**fragments))
