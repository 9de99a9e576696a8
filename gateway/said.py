"""Sentences of ours that can be said in another language: English text that remembers how it was put together."""

from collections.abc import Mapping


class Said(str):
    """A sentence in English, as the API, the command line and logs have it; pages say it in their reader's language.

    `template` is the key of its translation, with places for `values`. The names of the places say what stands there;
    see `gateway.web.ops.language`.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, **values: object) -> "Said":
        made = super().__new__(cls, template.format(**values))
        made.template, made.values = template, values
        return made

    def __deepcopy__(self, memo: object) -> "Said":
        """Itself, which does not change: a copy would take its English for a template, braces of others in it too."""
        return self


def said_by(error: BaseException) -> str:
    """What an error says: the sentence itself, so that it can be translated, if it was raised with one."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, Said) else str(error)
