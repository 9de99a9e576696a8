"""What people read, in their language: texts, counts that agree, times in TIMEZONE, ages."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from gateway.said import Said
from gateway.web.ops import stored, words_ar, words_en

#: Languages by code, each with the direction in which it is written, and its own name.
LANGUAGES = {"en": ("ltr", "English"), "ar": ("rtl", "العربية")}
_TEXTS: dict[str, dict[str, str]] = {"en": words_en.TEXTS, "ar": words_ar.TEXTS}
_COUNTED = {"en": words_en.COUNTED, "ar": words_ar.COUNTED}

#: What stands at the places of sentences, by their names: counts of something, which bring its name with them; words of
#: ours, such as states; other sentences; what a provider or a person wrote. Anything else is a name or a number.
COUNTS = {
    "orders": "order",
    "codes": "code",
    "lines": "line",
    "gaps": "gap",
    "notifications": "notification",
    "receivers": "receiver",
    "days": "day",
    "seconds": "second",
    "minutes": "minute",
    "tries": "try",
    "hours": "hour",
    "callbacks": "callback",
}
WORDS = ("status", "before", "result", "results", "kind", "role", "least", "filter")
SENTENCES = ("error", "note", "many", "cure", "why")
OTHERS = ("words", "reason")
#: What the sentence of an outcome begins with that was not simply applied.
RESULT = "{result}: "


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a page is written for."""

    code: str
    timezone: str
    now: datetime

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return LANGUAGES[self.code][0]

    @property
    def other(self) -> str:
        """The other language."""
        return next(code for code in LANGUAGES if code != self.code)

    def text(self, english: str, **values: object) -> Markup:
        """The text in the reader's language; `values` are escaped unless they are Markup.

        What is no text of ours, such as a word of another system in the place of a stage, is escaped as a whole.
        """
        said = _TEXTS[self.code].get(english, english)
        if not values and english not in _TEXTS["ar"] and english not in _TEXTS["en"]:
            return escape(english)
        shown = {name: self._beside_text(name, value) for name, value in values.items()}
        return Markup(said).format(**shown)  # noqa: S704 - ours

    def said(self, text: str | None) -> Markup:
        """A sentence that may be ours, in the reader's language; what others wrote, and what is not known, as it is."""
        if not text:
            return Markup("")
        texts = _TEXTS[self.code]
        if self.code == "en":
            return Markup("<bdi>{}</bdi>").format(text)
        found = (text.template, text.values) if isinstance(text, Said) else stored.read(text)
        if found is None or found[0] not in texts:
            return Markup("<bdi>{}</bdi>").format(text)
        values = {name: self._within_text(name, value) for name, value in found[1].items()}
        return Markup(texts[found[0]]).format(**values)  # noqa: S704 - ours

    def _within_text(self, name: str, value: object) -> Markup:
        """What stands at a place of a sentence, whose name says what it is."""
        if isinstance(value, Said) or name in SENTENCES:
            text = value if isinstance(value, str) else str(value)
            return self.words(text) if f"word {text}" in _TEXTS[self.code] else self.said(text)
        if name in COUNTS and (count := stored.whole_number(value)) is not None:
            return self.counted(count, COUNTS[name])
        if name in WORDS:
            return self.words(str(value))
        if name == "reason":
            text, among = stored.without_number(str(value))
            more = self.text(" (one of {orders})", orders=self.counted(among, "order")) if among else ""
            return Markup("<bdi>{}</bdi>{}").format(text, more)
        return Markup("<bdi>{}</bdi>").format(value) if name in OTHERS else as_name(value)

    def words(self, value: str) -> Markup:
        """A word of ours, such as a stage, or several with commas between them."""
        if ", " in value:
            return Markup("، ").join(self.words(each) for each in value.split(", "))
        texts = _TEXTS[self.code]
        known = texts.get(f"word {value}") or texts.get(value)
        return Markup(known) if known else self.said(value)  # noqa: S704 - ours

    def event(self, message: str | None, stage: str | None) -> Markup:
        """What a timeline says of an event; without words of its own it says the stage."""
        return self.words(message) if message and message == stage else self.said(message)

    def contradiction(self, text: str) -> Markup:
        """What an event says that was kept as a conflict, behind the word for that."""
        texts, found = _TEXTS[self.code], stored.read(f"conflict: {text}")
        if self.code == "en" or found is None or not found[0].startswith(RESULT):
            return self.said(text)
        values = {name: self._within_text(name, value) for name, value in found[1].items()}
        return Markup(texts[found[0]].removeprefix(RESULT)).format(**values)  # noqa: S704 - ours

    def column(self, name: str) -> str:
        """The heading of a column of a spreadsheet; in English it is the field of the API."""
        return _TEXTS[self.code].get(f"column {name}", name)

    def step(self, name: str) -> Markup:
        """What a step of a sweep does."""
        return Markup(_TEXTS[self.code].get(f"step {name}") or as_name(name))  # noqa: S704 - ours

    def _beside_text(self, name: str, value: object) -> Markup:
        """A share keeps its sign behind it, also after Arabic letters."""
        is_turned = name == "share" and self.direction == "rtl"
        return Markup('<bdi class="ltr">{}</bdi>').format(value) if is_turned else escape(value)

    def counted(self, count: int, what: str) -> Markup:
        """So many of something, such as `1 order` and `طلبان`."""
        forms = _COUNTED[self.code][what]
        form = forms.get(plural_form(self.code, count), forms["other"])
        return Markup(form).format(n=number(count))  # noqa: S704 - ours

    def local(self, at: datetime) -> datetime:
        """The time in TIMEZONE."""
        return at.astimezone(ZoneInfo(self.timezone))

    def clock(self, at: datetime) -> str:
        """The time of today, or the day and the time."""
        local, today = self.local(at), self.local(self.now).date()
        return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"

    def when(self, at: datetime | None) -> Markup:
        """`clock` as an element that has the whole time with its zone."""
        if at is None:
            return Markup("–")
        local = self.local(at)
        whole = f"{local:%Y-%m-%d %H:%M:%S} {self.zone}"
        return Markup('<time datetime="{}" title="{}"><bdi class="ltr">{}</bdi></time>').format(
            local.isoformat(timespec="seconds"), whole, self.clock(at)
        )

    @property
    def zone(self) -> str:
        """The name of TIMEZONE with its distance from UTC, such as `Damascus, UTC+3`."""
        offset = self.local(self.now).utcoffset()
        minutes = int(offset.total_seconds() // 60) if offset else 0
        hours, rest = divmod(abs(minutes), 60)
        sign = "+" if minutes >= 0 else "−"
        told = f"{sign}{hours}" + (f":{rest:02}" if rest else "") if minutes else ""
        return f"{self.timezone.rpartition('/')[2].replace('_', ' ')}, UTC{told}"

    def age(self, at: datetime | None) -> Markup:
        """How long ago, such as `5 min ago`."""
        if at is None:
            return Markup("")
        return self.text("{time} ago", time=self.lasting((self.now - at).total_seconds()))

    def length(self, seconds: float) -> Markup:
        """`lasting` where no word stands before it: Arabic then has another dual."""
        said = self.lasting(seconds)
        return Markup(words_ar.ALONE.get(said, said))  # noqa: S704 - ours

    def lasting(self, seconds: float) -> Markup:
        """A length of time in its largest unit, behind a word such as `since`."""
        seconds = max(0, int(seconds))
        if seconds < 60:
            return self.counted(seconds, "second")
        if seconds < 3600:
            return self.counted(seconds // 60, "minute")
        if seconds < 86_400:
            return self.counted(seconds // 3600, "hour")
        return self.counted(seconds // 86_400, "day")


def as_name(text: object) -> Markup:
    """What is read from left to right in both languages: numbers of orders, names of providers, words of protocols."""
    return Markup('<bdi class="ltr">{}</bdi>').format("–" if text in (None, "") else text)


def now() -> datetime:
    """The time by which a page is written."""
    return datetime.now(UTC)


def number(value: int | Decimal | float) -> str:
    """A number with its thousands set apart, in digits 0 to 9."""
    return f"{value:,}"


def money(amount: Decimal, currency: str | None) -> str:
    """An amount with at least two decimals, and its currency behind a space that does not break."""
    exponent = amount.as_tuple().exponent
    decimals = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{amount:,.{decimals}f}" + (f"\u00a0{currency}" if currency else "")


def percent(share: float | Decimal) -> str:
    """A share of one in hundredths: `97.9%`."""
    return f"{100 * share:,.1f}".removesuffix(".0") + "%"


def cents(amount: Decimal) -> Decimal:
    """A sum to two decimals, for people; files have it exactly."""
    return amount.quantize(Decimal("0.01"))


def plural_form(code: str, count: int) -> str:
    """The plural form of a count, as CLDR has it."""
    if code == "en":
        return "one" if count == 1 else "other"
    if count in (0, 1, 2):
        return ("zero", "one", "two")[count]
    rest = count % 100
    return "few" if 3 <= rest <= 10 else "many" if 11 <= rest <= 99 else "other"
