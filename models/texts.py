"""Texts and numbers that providers and players wrote, cleaned and bounded. Pure; every function takes linear time."""

import re
from decimal import Decimal

#: Characters of one message on the timeline.
TIMELINE = 1_000
#: Characters of a provider's whole message ("providerMessage").
WHOLE = 20_000
#: Characters of "lastMessage".
LAST_MESSAGE = 250
#: Characters of a text that `clean` looks at; a provider may send megabytes.
MAX_READ = 100_000

#: Terminal escapes (ECMA-48): CSI with its parameters; OSC, DCS, SOS, PM, APC up to BEL or ST; ESC and one letter.
#: A string without its end loses the introducer only, so that the text behind it stays.
ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*+(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*+[0-~]?"
)
#: Control characters other than blanks, lone surrogates, and characters that show nothing: Unicode's
#: Default_Ignorable_Code_Point, interlinear annotations and the empty Braille pattern; joiners stand beside it.
HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
#: Zero-width non-joiner and joiner: part of the spelling in Persian and Indic words and in emoji.
JOINERS = "\u200c\u200d"
#: A joiner that does not stand between two visible characters beyond the Latin letters.
LOOSE_JOINER = re.compile(
    f"(?<![^\x00-\u02ff\\s{JOINERS}])[{JOINERS}]|[{JOINERS}](?![^\x00-\u02ff\\s{JOINERS}])"
)
#: Latin letters and signs alone, as most texts are: nothing in them is taken out.
PLAIN = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02af]*")
#: Line ends and tabs.
BREAKS = re.compile("[\t-\r\x85\u2028\u2029]+")
#: Decimal digits of other scripts.
FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")

#: Characters of a number that are parsed.
MAX_NUMBER = 40
#: An amount this large or larger is not one, but a number of some other kind. A purse of a wholesaler in rials or dongs
#: holds billions; its columns have no bound of their own.
MAX_MONEY = 10**12
#: Decimals of an amount that are kept.
DECIMALS = 6
#: Up to three digits of exponent, so that no number takes long to write out.
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
#: Numbers in groups of three digits, by the sign between the groups.
GROUPED = {
    ",": re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?"),
    ".": re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?"),
}


def clean(text: str, limit: int) -> str:
    """`text` for people: one line of at most `limit` (1 or more) characters; a longer one ends in "…".

    Terminal escapes go whole; control, bidi and other invisible characters go; line ends and tabs become a
    space. Joiners stay inside words and emoji that are spelled with them. Of `text`, MAX_READ characters are read.
    """
    shown = one_line(text[:MAX_READ]).strip()
    if len(text) <= MAX_READ and len(shown) <= limit:
        return shown
    return shown[: limit - 1].rstrip(JOINERS).rstrip() + "…"


def one_line(text: str) -> str:
    """`text` as `clean` writes it, whole and with the blanks at its ends."""
    if PLAIN.fullmatch(text):
        return text
    return BREAKS.sub(" ", LOOSE_JOINER.sub("", HIDDEN.sub("", ESCAPE.sub("", text))))


def visible(text: str) -> str:
    """`text` without terminal escapes, control characters and invisible characters; all blanks stay."""
    return HIDDEN.sub("", ESCAPE.sub("", text)).replace("\u200c", "").replace("\u200d", "")


def fold_digits(text: str) -> str:
    """`text` with the decimal digits of other scripts (٠١٢, ０１２) as ASCII digits."""
    return FOREIGN_DIGIT.sub(lambda digit: str(int(digit[0])), text)


def clean_money(text: str) -> Decimal | None:
    """The amount in a provider's text, or None where it is not a number, too long, or not below MAX_MONEY.

    A single point or comma is the decimal sign: `12.50` and `12,50` are the same, `1.234` is less than two. Of
    both, the last is the decimal sign (`1.234,56`, `1,234.56`); several of one kind divide thousands (`1.234.567`).
    Decimals beyond the sixth are rounded. `NaN`, infinities, and exponents of more than three digits are None.
    """
    digits = fold_digits(visible(text)).strip() if len(text) <= MAX_READ else ""
    plain = _with_point(digits) if len(digits) <= MAX_NUMBER else ""
    if not NUMBER.fullmatch(plain):
        return None
    amount = Decimal(plain)
    if abs(amount) >= MAX_MONEY:
        return None
    decimals = min(DECIMALS, max(0, -int(amount.as_tuple().exponent)))
    rounded = amount.quantize(Decimal(1).scaleb(-decimals)) + 0  # never "-0" and never "1E+5"
    return rounded if abs(rounded) < MAX_MONEY else None


def _with_point(text: str) -> str:
    """`text` with a point as its decimal sign and nothing between thousands; "" if the groups are uneven."""
    if text.count(",") + text.count(".") < 2:
        return text.replace(",", ".")
    thousands = min({sign for sign in ",." if sign in text}, key=text.rindex)
    return text.replace(thousands, "").replace(",", ".") if GROUPED[thousands].fullmatch(text) else ""
