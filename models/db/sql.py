"""SQL that stands in a file of its own, beside the module that runs it."""

from importlib import resources

from models.db.prepared import Prepared


def read(name: str, **fragments: str) -> Prepared:
    """The statement in models/`name`; each `{fragment}` in it is replaced by the text given for it."""
    text = resources.files("models").joinpath(name).read_text(encoding="utf-8")
    return Prepared(text.format(**fragments))
