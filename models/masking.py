"""What providers wrote, without credentials and codes. Pure; every function takes linear time.

A text becomes a `ProviderText` where it becomes an outcome, an error or a note, for every protocol; the code that
reads a provider's answer says with `knowing` what is known at that moment. Contract, section 5, "Texts of providers".
"""

import base64
import html
import json
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

from gateway import log
from models import texts

#: Characters of the shortest secret that is struck inside other words; shorter ones match by chance.
SHORTEST_PART = 4
#: Letters and digits of the shortest secret that is found however it is grouped.
SHORTEST_GROUPED = 6
#: Characters of a token that looks like a code, and digits among them.
CODE_LENGTH, CODE_DIGITS = 8, 3
#: Digits of a phone or a player's id that may stand there with or without its country code.
PHONE_DIGITS, COUNTRY_DIGITS = 9, 4
#: Characters of a text that are looked at; of these, texts.WHOLE are shown.
MAX_READ = 2 * texts.WHOLE
#: Characters at the end of a text that was cut, in which half a code may stand.
TAIL = 64

DIGIT = re.compile(r"\d")
#: A text with something that looks like a code, or that `log.mask` masks by its name, has one of these, or BEARER.
TELLING, BEARER = re.compile(r"[\d=:/_]"), "bearer"
#: At least CODE_DIGITS digits: any other text has nothing that looks like a code.
DIGITS = re.compile(r"\d\D*\d\D*\d")
#: What stands within a token, beside letters and digits: dashes, and joiners, which show nothing.
_DASHES = "\\-\u2010-\u2015\u2212\u200c\u200d"
#: Letters, digits and dashes in one run, at least CODE_LENGTH of them.
TOKEN = re.compile(rf"(?<![\w{_DASHES}])[\w{_DASHES}]{{{CODE_LENGTH},}}")
WORD, SEAM = re.compile(rf"[\w{_DASHES}]+"), re.compile(rf"[_{_DASHES}]+")
#: What a token may begin and end with that is not of it.
EDGES = "_-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u200c\u200d"
LAST_TOKEN = re.compile(rf"[\w{_DASHES}]{{1,{TAIL}}}$")
#: A date as a token, with its hour: 2026-11-25, 25-11-2026, 2026-11-25T22, 2026-11-25T225800Z.
DATE = re.compile(
    r"(?:(?:19|20)\d\d-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])-(?:0?[1-9]|1[0-2])-(?:19|20)\d\d)(?:[T-]\d\d(?:-?\d\d){0,2}Z?)?"
)
#: What makes the digits in front of it an amount: two decimals, or a currency.
AFTER_AMOUNT = re.compile(
    r"[.,]\d{1,2}(?![\w.,]?\d)|[.,]?\d{0,2}\s?(?:(?:TL|TRY|USD|EUR|SYP|SAR|AED|lira)\b|[₺$€])", re.I
)
BEFORE_AMOUNT = re.compile(r"(?:\b(?:TL|TRY|USD|EUR|SYP|SAR|AED)|[₺$€])\s?$", re.I)
#: Digits of the largest amount.
AMOUNT = re.compile(r"\d{1,9}")
YEAR = re.compile(r"(?:19|20)\d\d")
#: What stands between the groups of a code: of small groups, which times and amounts have too, only a blank.
BLANK, BETWEEN = r"[ \t\u00a0]", r"[\s.:/·,;|+*\-\u2010-\u2015]{1,3}"


def _groups(size: int, times: int, between: str) -> str:
    """At least `times` groups of `size` capitals and digits, or letters and digits, one behind the other."""
    one = rf"(?:[A-Z\d]{{{size}}}|(?=[A-Za-z]{{0,{size - 1}}}\d)[A-Za-z\d]{{{size}}})"
    return rf"{one}(?:{between}{one}){{{times - 1},}}"


_GROUPS = (
    *((4, 3, BETWEEN), (4, 2, BLANK), (5, 2, BETWEEN), (6, 2, BETWEEN), (8, 2, BETWEEN)),
    *((3, 4, BLANK), (2, 8, BLANK), (1, 8, BLANK)),
)
#: A code in groups of one size: 1234 5678 9012, AB12.CD34.EF56, 1 2 3 4 5 6 7 8.
GROUPED = re.compile(rf"(?<!\w)(?:{'|'.join(_groups(*each) for each in _GROUPS)})(?!\w)")

#: What may stand for other characters: a percent-encoded one, a character reference, a JSON escape or a tag.
ENCODED = re.compile(r"%[0-9a-f]{2}|&#?\w|\\[ux][0-9a-f]{2}|<[a-z/]", re.IGNORECASE)
#: A character as JSON and most programming languages escape it.
ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
#: A tag without attributes, which may stand between the groups of a code.
TAG = re.compile(r"</?[a-z][a-z0-9]{0,9}\s?/?>", re.IGNORECASE)
#: What may be base64 of a code or of a credential, in either alphabet.
BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{11,}={0,2}(?![\w+/=-])", re.ASCII)


class ProviderText(str):
    """What a provider wrote, as everybody may see it."""

    #: The provider's words with codes in them, without credentials, to be kept sealed; None if nothing was masked.
    whole: str | None = None
    #: Whether something was masked by its look alone: it may be a number of the order's own.
    is_guess = False
    #: Words of ours around it.
    before = after = ""

    def within(self, before: str, after: str = "", limit: int = texts.WHOLE) -> "ProviderText":
        """This text between words of ours; of its own, `limit` characters are shown."""
        made = ProviderText(f"{before}{texts.clean(self, limit)}{after}")
        made.whole, made.is_guess = self.whole, self.is_guess
        made.before, made.after = before + self.before, self.after + after
        return made

    def knowing(self, known: "Known") -> "ProviderText":
        """The same words once more is known: what is the order's own is shown, and its codes are struck."""
        if not self.is_guess or self.whole is None:
            return self
        return _masked(self.whole, known).within(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of where a text comes from."""

    #: Of its provider; struck from the whole text too.
    credentials: tuple[str, ...] = field(default=(), repr=False)
    #: Of its order: codes, their pins and serials.
    codes: tuple[str, ...] = field(default=(), repr=False)
    #: Numbers and names of its order: they are no codes, whatever they look like.
    own: tuple[str, ...] = ()


NOTHING = Known()
_known: ContextVar[Known] = ContextVar("known", default=NOTHING)


class knowing:  # noqa: N801  (a context manager, written as a class because that takes a fifth of the time)
    """Texts that are masked while the block runs come from there."""

    __slots__ = ("_known", "_token")

    def __init__(self, known: Known) -> None:
        self._known = known

    def __enter__(self) -> None:
        self._token = _known.set(self._known)

    def __exit__(self, *error: object) -> None:
        _known.reset(self._token)


def learn(credential: str) -> None:
    """Until the block of `knowing` ends, this is a credential too: a token that was got for the call."""
    known = _known.get()
    if known is not NOTHING and credential not in known.credentials:
        _known.set(replace(known, credentials=(*known.credentials, credential)))


def ours(text: str) -> ProviderText:
    """A text that no provider wrote, or that is masked already: nothing of it is masked."""
    return text if isinstance(text, ProviderText) else ProviderText(texts.clean(text, texts.WHOLE))


def mask(
    text: str, limit: int = texts.WHOLE, *, codes: Sequence[str] = (), own: Sequence[str | None] = ()
) -> ProviderText:
    """`text`, cleaned, with at most `limit` characters shown; one that is masked already stays as it is.

    Credentials and codes that are known are struck, and what looks like a code is masked, unless it is the order's own.
    """
    if isinstance(text, ProviderText):
        return text
    return _masked(_cleaned(text), _known.get(), codes, own, limit)


def unreadable(said: str, answer: str) -> ProviderText:
    """Words of ours about an answer that could not be read: only its shape is shown, the rest is its `whole`."""
    told = ProviderText(f"{said}: {shape(answer)}")
    told.whole = strike_credentials(texts.clean(answer, texts.WHOLE), _known.get().credentials) or None
    return told


def shape(answer: str) -> str:
    """How an answer looks: what it seems to be, its length, and its fields."""
    start = answer[:100].lstrip().lower()
    size = f"{len(answer)} characters"
    if start.startswith(("{", "[")):
        return f"JSON, {size}"
    if start.startswith("<"):
        return f"{'HTML' if 'html' in start else 'markup'}, {size}"
    bars, lines = answer.count("|"), answer.count("\n")
    more = [f"{bars + 1} fields between |"] if bars else []
    more += [f"{lines + 1} lines"] if lines else []
    return ", ".join([f"text, {size}" if answer.strip() else "empty", *more])


def strike(text: str, codes: Sequence[str] = ()) -> str:
    """`text` without the credentials and codes that are known; nothing is masked by its look."""
    known = _known.get()
    return strike_codes(strike_credentials(text, known.credentials), (*known.codes, *codes))


def strike_credentials(text: str, credentials: tuple[str, ...]) -> str:
    """`text` without these credentials, in any spelling that texts, URLs and pages have for them.

    Where one is encoded otherwise, for example in base64, it is what the encodings stand for.
    """
    return _readings(text, credentials)[0] if credentials else text


def _readings(text: str, credentials: tuple[str, ...]) -> tuple[str, str]:
    """`text` without these credentials, and what is in its encodings; see `strike_credentials`."""
    struck = _without_credentials(text, credentials)
    decoded = _decoded(struck)
    again = _without_credentials(decoded, credentials) if decoded != struck else decoded
    return (struck, decoded) if again == decoded else (again, _decoded(again))


def _without_credentials(text: str, credentials: tuple[str, ...]) -> str:
    lower = text.lower()
    for spelling, pattern in _spellings(credentials):
        if spelling in lower:
            text = pattern.sub(log.MASKED, text)
    return text


def strike_codes(text: str, codes: Sequence[str]) -> str:
    """`text` without these codes, in capitals or not, and however they are grouped."""
    if not codes:
        return text
    has_digits, grouped = DIGIT.search(text), []
    for code in sorted(codes, key=len, reverse=True) if len(codes) > 1 else codes:
        if code and code in text:
            text = _without_code(text, code)
        # Most texts are short, or have no digit: most codes cannot stand in them.
        if len(code) <= 2 * len(text) and (has_digits or not DIGIT.search(code)):
            grouped.append(code)
    return _strike_grouped(text, grouped) if grouped else text


def mask_lines(text: str) -> str:
    """`text` of several lines, such as a traceback, masked like `mask` and not cleaned."""
    return str(_masked(text[: texts.MAX_READ], _known.get(), limit=texts.MAX_READ))


def _cleaned(text: str) -> str:
    """Of a text that is too long to be read whole, half a word at its end is left out: it may be half a code."""
    cleaned = texts.clean(text, MAX_READ)
    if len(text) <= MAX_READ:
        return cleaned
    cut = cleaned.removesuffix("…")
    return f"{cut[:-TAIL]}{LAST_TOKEN.sub('', cut[-TAIL:])}…"


def _masked(
    cleaned: str,
    known: Known,
    codes: Sequence[str] = (),
    own: Sequence[str | None] = (),
    limit: int = texts.WHOLE,
) -> ProviderText:
    kept, decoded = _readings(cleaned, known.credentials)
    shown, is_guess = _hide(kept, known, codes, own)
    if decoded != kept:
        again, is_guess_again = _hide(decoded, known, codes, own)
        if again != decoded:
            kept, shown, is_guess = decoded, again, is_guess_again
    masked = ProviderText(_bounded(shown, limit))
    if shown != kept:
        masked.whole, masked.is_guess = _bounded(kept, texts.WHOLE), is_guess
    return masked


def _hide(text: str, known: Known, codes: Sequence[str], own: Sequence[str | None]) -> tuple[str, bool]:
    """`text` without codes, and whether something was masked by its look alone."""
    struck = guessed = shown = strike_codes(text, (*known.codes, *codes))
    if TELLING.search(struck) or BEARER in struck.lower():
        guessed = _mask_by_look(struck, known.own, own) if DIGITS.search(struck) else struck
        shown = log.mask(guessed)
    return shown, guessed != struck


def _decoded(text: str) -> str:
    """`text` with what percent-encoding, character references, JSON escapes and base64 stand for; tags are blanks.

    A code in any of them can be read by anyone who sees the text. Line by line, so that no line more is made.
    """
    if ENCODED.search(text):
        text = "\n".join(map(_without_encodings, text.split("\n")))
    return BASE64.sub(_from_base64, text)


def _without_encodings(line: str) -> str:
    plain = ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), html.unescape(unquote(line)))
    return texts.one_line(TAG.sub(" ", plain))


def _from_base64(found: re.Match[str]) -> str:
    """What it says, if that is text."""
    padded = found[0].rstrip("=") + "=" * (-len(found[0].rstrip("=")) % 4)
    try:
        said = base64.b64decode(padded, altchars=b"-_" if {*"-_"} & {*padded} else None).decode()
    except ValueError:
        return found[0]
    return said if said.isprintable() else found[0]


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else texts.clean(text, limit)


def _mask_by_look(text: str, known: Sequence[str], own: Sequence[str | None]) -> str:
    numbers: list[frozenset[str]] = []

    def order_numbers() -> frozenset[str]:
        if not numbers:
            numbers.append(_numbers([*known, *filter(None, own)]))
        return numbers[0]

    def token(found: re.Match[str]) -> str:
        return found[0] if _is_harmless(found) or _is_own(found[0], order_numbers()) else log.MASKED

    def groups(found: re.Match[str]) -> str:
        return found[0] if _are_words(found[0]) or _is_part(found[0], order_numbers()) else log.MASKED

    return GROUPED.sub(groups, TOKEN.sub(token, text))


def _is_harmless(found: re.Match[str]) -> bool:
    """Whether a long token is no code whatever its order is: it has too few digits, is a date or an amount."""
    token = found[0].strip(EDGES)
    if not _looks_like_code(token) or DATE.fullmatch(token):
        return True
    if not AMOUNT.fullmatch(token):
        return False
    before = found.string[max(0, found.start() - 5) : found.start()]
    return bool(AFTER_AMOUNT.match(found.string, found.end()) or BEFORE_AMOUNT.search(before))


def _looks_like_code(token: str) -> bool:
    return len(token) >= CODE_LENGTH and sum(map(str.isdecimal, token)) >= CODE_DIGITS


def _is_own(token: str, numbers: frozenset[str]) -> bool:
    """Whether a token is a number of the order, or is such numbers with words between dashes."""
    if _is_number(_squeezed(token), numbers):
        return True
    parts = SEAM.split(token)
    rest = [part for part in parts if not _is_number(_squeezed(part), numbers)]
    return len(rest) < len(parts) and not _looks_like_code("-".join(rest))


def _is_number(token: str, numbers: frozenset[str]) -> bool:
    if token in numbers:
        return True
    if not token.isdecimal() or len(token) < PHONE_DIGITS:
        return False
    return any(
        number.isdecimal()
        and len(number) >= PHONE_DIGITS
        and abs(len(number) - len(token)) <= COUNTRY_DIGITS
        and (number.endswith(token) or token.endswith(number))
        for number in numbers
    )


def _are_words(text: str) -> bool:
    """Whether groups of letters and digits are no code: years, or words with a number."""
    groups = [group for group in re.split(BETWEEN, text) if any(map(str.isdecimal, group))]
    return len(groups) < 2 or all(YEAR.fullmatch(group) for group in groups)


def _is_part(text: str, numbers: frozenset[str]) -> bool:
    squeezed = _squeezed(text)
    return any(squeezed in number for number in numbers)


def _numbers(own: Sequence[str]) -> frozenset[str]:
    """The numbers of an order as `_squeezed` writes them: each whole, and each word and token in it."""
    found = {*own}
    for text in own:
        found.update(text.split(), WORD.findall(text), SEAM.split(text))
    return frozenset(each for each in map(_squeezed, found) if len(each) >= SHORTEST_GROUPED)


def _squeezed(text: str) -> str:
    """The letters and digits of `text`, in small letters."""
    return "".join(filter(str.isalnum, texts.fold_digits(text))).lower()


@lru_cache(maxsize=256)
def _spellings(credentials: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The longest first: each in small letters, and what finds it in capitals or not."""
    found: set[str] = set()
    for secret in credentials:
        for each in filter(None, (secret, secret.removeprefix("whsec_"), texts.one_line(secret).strip())):
            written = (each, json.dumps(each)[1:-1], html.escape(each), html.escape(each, quote=False))
            found.update(written, (quote(each, safe=""), quote_plus(each), quote(each)))
    return tuple(
        (each.lower(), _finding(each)) for each in sorted(found, key=lambda each: (-len(each), each))
    )


def _finding(secret: str) -> re.Pattern[str]:
    """A short secret is found where it is a word of its own."""
    escaped = re.escape(secret)
    return re.compile(escaped if len(secret) >= SHORTEST_PART else rf"(?<!\w){escaped}(?!\w)", re.IGNORECASE)


def _without_code(text: str, code: str) -> str:
    """A short code is struck where it is a word of its own."""
    if len(code) >= SHORTEST_PART:
        return text.replace(code, log.MASKED)
    return re.sub(rf"(?<!\w){re.escape(code)}(?!\w)", log.MASKED, text)


def _strike_grouped(text: str, codes: Sequence[str]) -> str:
    places = [place for place, character in enumerate(text) if character.isalnum()]
    folded = texts.fold_digits(text)
    squeezed = "".join(folded[place].lower()[:1] for place in places)
    spans = []
    for code in codes:
        wanted = "".join(each.lower()[:1] for each in texts.fold_digits(code) if each.isalnum())
        if len(wanted) < SHORTEST_GROUPED:
            continue
        start = squeezed.find(wanted)
        while start >= 0:
            spans.append((places[start], places[start + len(wanted) - 1] + 1))
            start = squeezed.find(wanted, start + len(wanted))
    return _without(text, sorted(spans)) if spans else text


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """`text` with each span masked; spans that overlap are one."""
    pieces, end = [], 0
    for start, stop in spans:
        if start >= end:
            pieces += [text[end:start], log.MASKED]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])
