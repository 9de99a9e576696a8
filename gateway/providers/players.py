"""Phones and player ids as people write them, and which field of a provider gets which field of an order. Pure.

Source of the default: how public clients of znet panels fill `oyuncu_bilgi` and `musteri_tel`. They differ (the player
in the user identifier, in the extra field, or in both), so a route can have a map of its own.
"""

import re
from collections.abc import Collection, Mapping

from models import texts

#: What an order has always; `fields` of the order bring further names.
NAMES = ("userIdentifier", "extraField")
#: Characters of a template.
MAX_TEMPLATE = 500

#: What people put between the digits of a phone: blanks, dashes, dots, brackets.
SEPARATORS = re.compile(r"[\s.．()（）\[\]{}\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]+")
PHONE = re.compile(r"[0-9]{9,15}")
#: A field in a template. One whose name ends in `?` may be missing in an order; any other one must be there, if the
#: provider needs what the template fills (`models.placing.NEEDED_NAME`).
FIELD = re.compile(r"\{([^{}]*)\}")
#: What a field may be called that orders bring in `fields`.
INPUT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def phone(text: str) -> str | None:
    """The digits of a phone without its leading `+` or `00`, or None where `text` is not one.

    A phone has 9 to 15 digits of any script, and only separators and invisible characters between them.
    """
    digits = SEPARATORS.sub("", texts.fold_digits(texts.visible(text)))
    digits = digits.removeprefix("+").removeprefix("＋").removeprefix("00")
    return digits if PHONE.fullmatch(digits) else None


def player(text: str) -> str:
    """A player's id as a provider takes it: ASCII digits, no invisible characters, no blanks at the ends.

    A run of blanks (line ends and tabs are blanks) becomes one space; between digits alone it goes.
    """
    words = texts.fold_digits(texts.visible(text)).split()
    together = "".join(words)
    return together if together.isascii() and together.isdecimal() else " ".join(words)


def default_fields(user_identifier: str, extra_field: str | None) -> tuple[str, str]:
    """`oyuncu_bilgi` and `musteri_tel` where the route has no map.

    The player is the user identifier. The extra field is the phone where it is one; otherwise it follows the
    player after a space, and the phone is empty.
    """
    extra = extra_field or ""
    number = phone(extra)
    if number:
        return player(user_identifier), number
    return " ".join(filter(None, (player(user_identifier), player(extra)))), ""


def mapped_fields(field_map: Mapping[str, str], fields: Mapping[str, str | None]) -> tuple[str, str]:
    """`oyuncu_bilgi` and `musteri_tel` where the route maps at least one of them.

    The other one is then the user identifier alone, or the empty phone. A phone is written as `phone` does.
    """
    number = fill(field_map.get("musteri_tel", ""), fields)
    return fill(field_map.get("oyuncu_bilgi", "{userIdentifier}"), fields), phone(number) or number


def fill(template: str, fields: Mapping[str, str | None]) -> str:
    """`template` with each `{name}` replaced by that field as `player` writes it; a missing field is empty."""
    filled = FIELD.sub(lambda found: player(fields.get(found[1].removesuffix("?")) or ""), template)
    return " ".join(filled.split())


def names_in(template: str) -> list[str]:
    """The fields that `template` names, in order, each once."""
    return list(dict.fromkeys(name.removesuffix("?") for name in FIELD.findall(template)))


def needed_in(template: str) -> list[str]:
    """Those of `names_in` that must be in an order."""
    return list(dict.fromkeys(name for name in FIELD.findall(template) if not name.endswith("?")))


def check_template(template: str, further_names: Collection[str] = ()) -> None:
    """Raises ValueError where `fill` could not do what is meant; the message names the field or the brace.

    `further_names` are those that orders bring in `fields`, beside NAMES.
    """
    if len(template) > MAX_TEMPLATE:
        raise ValueError(f"the template is longer than {MAX_TEMPLATE} characters")
    if texts.visible(template) != template:
        raise ValueError("the template contains an invisible character")
    text = FIELD.sub(" ", template)
    if brace := re.search(r"[{}]", text):
        raise ValueError(
            f"the template has a `{brace[0]}` without its counterpart; write fields as {{extraField}}"
        )
    known = [*NAMES, *further_names]
    for word in re.findall(r"\w+", text):
        if word in known:
            raise ValueError(f"the template has `{word}` as text; write fields as {{{word}}}")
    for name in names_in(template):
        if name not in known:
            raise ValueError(
                f"the template names the unknown field `{name}`; known fields: {', '.join(known)}"
            )
