"""What an order does, read from the player id it was sent with.

The first word of `oyuncu_bilgi` is a name and then behaviour words, each after a `+`:
`ali+poll+after=3+check-500=1`. Words combine freely; of two that contradict each other, the later one wins.
N counts requests, S is seconds (fractions allowed), an underscore in TEXT stands for a space.

    word            what happens
    --------------  ------------------------------------------------------------------------------
    callback        settles, then calls back (the default)
    poll            settles, never calls back: only a check shows it
    late[=S]        calls back S seconds after it settled (30)
    twice           the same callback a second time, with the same webhook-id
    shuffle         calls back with "processing" after the outcome
    progress        calls back with "processing" first, half-way to the outcome
    otherpin        a second callback, with its own webhook-id and another PIN
    contradict      a second callback, with its own webhook-id, that says the opposite
    badsign         callbacks carry a wrong signature (or token)
    sameid          all its callbacks carry the same webhook-id, the reference
    php=WAY         in a znet style: called back as PHP scripts do it (WAY from the list below)
    never           never settles
    after=S         settles S seconds after it was booked
    fail[=TEXT]     is cancelled for this reason and refunded
    nopin           completes without a PIN
    dash            completes without a PIN, written as " - "
    blank=TEXT      TEXT stands wherever the PIN is not there; %XX is a byte of UTF-8
    fetch[=S]       callbacks bring no PIN; a check shows it S seconds after the outcome (0)
    follow[=S]      the same, and S seconds after the outcome (5) a second callback brings the PIN
    codes=N         completes with N codes, all in its callback; a check shows none of them
    serials[=S]     S seconds after the outcome (5) a second callback brings the serials of its codes
    float           the PIN is 16 digits, and a JSON callback writes it as a number with a fraction
    reverse[=S]     taken back and refunded S seconds after it completed (5); the callback says
                    "reversed", in a znet style durum=3
    pipes           its description contains "|"
    latin5          answers about it are bytes of windows-1254, not UTF-8
    refuse[=TEXT]   every send is refused with 3|TEXT
    refuse-account  every send is refused, in words about the dealer's account
    refuse-product  ... about the product
    refuse-customer ... about the player
    only=KOD        every send of another dealer than KOD is refused with 3|Stok yok
    relent[=S]      where a send was refused, it is booked and delivered S seconds later (5) after all
    duplicate       booked, but the answer says it had been sent before
    html[=N]        the first N sends (1) are answered with an HTML page; nothing is booked
    empty[=N]       ... with an empty body; nothing is booked
    500[=N]         ... with status 500; nothing is booked
    cut[=N]         ... by cutting the connection; nothing is booked
    cutafter        booked, then the connection is cut
    lostanswer      booked, then answered with an HTML page
    half            booked, then half of the answer and the connection is cut
    mumble          booked, then answered with an error that does not say so
    slow=S[xN]      booked at once, but the first N sends (1) are answered after S seconds
    check-html[=N]  the first N checks (1) are answered with an HTML page
    check-empty[=N] ... with an empty body
    check-500[=N]   ... with status 500
    check-cut[=N]   ... by cutting the connection
    check-half[=N]  ... with half of the answer
    check-mumble[=N] ... with an error that says nothing about the order
    check-slow=S[xN] the first N checks (1) are answered after S seconds

Protocols other than znet have more words, where their pages know such an answer:

    word            what happens
    --------------  ------------------------------------------------------------------------------
    notnow[=N]      the first N sends (1) are put off; nothing is booked
    partial[=N]     N pieces (1) are not delivered
    say=NAME        a send, or every check, is answered with the sample exchange of this name

WAY of php      the callback
    json        is JSON with the content type of a form
    multipart   is a multipart form
    query       is a POST with its fields in the query
    untyped     is a form without a content type
    latin5      is percent-encoded windows-1254
    latin5-raw  has raw bytes of windows-1254, in the style znet-get in the URL
    spaces      is a GET with raw spaces in the URL
    amp         has &amp; between its fields
    head        comes after a HEAD of its address
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

#: Seconds from the outcome to its callback for a plain `late`.
LATE_SECONDS = 30.0
#: Seconds of a plain `follow`, `serials`, `reverse` and `relent`.
SOON_SECONDS = 5.0
#: Most codes of one order.
MAX_CODES = 100
#: Most requests that one word can spoil.
MAX_FAULTS = 1000
#: Longest delay of a word, in seconds: a week.
MAX_SECONDS = 604_800.0
#: Reason of a plain `fail`.
FAIL_REASON = "Oyuncu bulunamadı"
#: Reason of a plain `refuse`.
REFUSE_REASON = "Sipariş reddedildi"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer: `failure` is a word of the table or "", the delay is in seconds."""

    failure: str = ""
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with the first requests of one kind; failures and delays count from the first."""

    failures: tuple[str, ...] = ()
    delays_seconds: tuple[float, ...] = ()

    def at(self, nth: int) -> Fault:
        """The fault of the nth request, counted from 1."""
        failure = self.failures[nth - 1] if nth <= len(self.failures) else ""
        delay = self.delays_seconds[nth - 1] if nth <= len(self.delays_seconds) else 0.0
        return Fault(failure, delay)

    def then(self, failure: str, times: int) -> "Faults":
        return replace(self, failures=self.failures + (failure,) * times)

    def delayed(self, seconds: float, times: int) -> "Faults":
        return replace(self, delays_seconds=(seconds,) * times)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The plan of one order. If `after_seconds` is None, it settles after the simulator's default time."""

    after_seconds: float | None = None
    settles: bool = True
    fail_reason: str | None = None
    has_pin: bool = True
    blank: str = ""
    #: Callbacks of the outcome bring no PIN, and a check shows it that much later. None: both bring it at once.
    pin_after_seconds: float | None = None
    follow: bool = False
    codes: int = 1
    serials_after_seconds: float | None = None
    as_float: bool = False
    reverse_after_seconds: float | None = None
    pipes: bool = False
    latin5: bool = False
    calls_back: bool = True
    late_seconds: float = 0.0
    twice: bool = False
    shuffle: bool = False
    progress: bool = False
    otherpin: bool = False
    contradict: bool = False
    badsign: bool = False
    same_id: bool = False
    php: str = ""
    relent_after_seconds: float | None = None
    refuse_reason: str | None = None
    #: What a refusal is about: account, product or customer; "" for what is not told apart.
    refuse_about: str = ""
    only_dealer: str | None = None
    #: Pieces that are not delivered.
    lacks: int = 0
    #: The sample exchange that answers a send, or checks.
    says: str = ""
    sends: Faults = field(default=Faults())
    checks: Faults = field(default=Faults())


Word = Callable[[Behaviour, str], Behaviour]


def parse(words: str, base: Behaviour = Behaviour(), known: Mapping[str, Word] | None = None) -> Behaviour:
    """Add words joined by `+` to `base`. Raises ValueError, which names the word that is invalid or not `known`."""
    behaviour = base
    for word in filter(None, words.split("+")):
        behaviour = _apply(behaviour, word, WORDS if known is None else known)
    return behaviour


def of_player(player: str, base: Behaviour = Behaviour()) -> Behaviour:
    """The behaviour that a player id asks for; with an invalid word the order is refused, and says why."""
    return of_words(words_of(player), base)


def of_words(words: str, base: Behaviour = Behaviour(), known: Mapping[str, Word] | None = None) -> Behaviour:
    """The same of words that stand elsewhere."""
    try:
        return parse(words, base, known)
    except ValueError as error:
        return replace(base, refuse_reason=str(error))


def words_of(player: str) -> str:
    """The words of a player id. A leading `+` is part of the name, so a phone number is only a name."""
    first = player.split(maxsplit=1)[0] if player.strip() else ""
    return first[1:].partition("+")[2]


def _apply(behaviour: Behaviour, word: str, known: Mapping[str, Word]) -> Behaviour:
    name, _, value = word.partition("=")
    if name not in known:
        raise ValueError(f"the simulator does not know the word {name!r}")
    try:
        return known[name](behaviour, value if "=" in word else DEFAULTS.get(name, ""))
    except ValueError as error:
        raise ValueError(f"the simulator cannot read {word!r}: {error}") from None


def _flag(**changes: object) -> Word:
    def apply(behaviour: Behaviour, value: str) -> Behaviour:
        if value:
            raise ValueError("takes no value")
        return replace(behaviour, **changes)  # type: ignore[arg-type]

    return apply


def _seconds(name: str) -> Word:
    return lambda behaviour, value: replace(behaviour, **{name: _duration(value)})  # type: ignore[arg-type]


def _text(name: str) -> Word:
    return lambda behaviour, value: replace(behaviour, **{name: value.replace("_", " ")})  # type: ignore[arg-type]


def _fetched(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, pin_after_seconds=_duration(value), follow=False)


def _followed(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, pin_after_seconds=_duration(value), follow=True)


def _blank(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, blank=unquote(value.replace("_", " "), errors="strict"))


def _about(about: str) -> Word:
    return _flag(refuse_about=about, refuse_reason=REFUSE_REASON)


def _refused(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, refuse_reason=value.replace("_", " "), refuse_about="")


def _lacks(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, lacks=_times(value, MAX_CODES))


def _codes(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, codes=_times(value, MAX_CODES))


def _php(behaviour: Behaviour, value: str) -> Behaviour:
    if value not in WAYS:
        raise ValueError(f"takes one of {', '.join(WAYS)}")
    return replace(behaviour, php=value)


def _send_fault(failure: str) -> Word:
    return lambda b, value: replace(b, sends=b.sends.then(failure, _times(value)))


def _check_fault(failure: str) -> Word:
    return lambda b, value: replace(b, checks=b.checks.then(failure, _times(value)))


def _slow_sends(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, sends=behaviour.sends.delayed(*_delay(value)))


def _slow_checks(behaviour: Behaviour, value: str) -> Behaviour:
    return replace(behaviour, checks=behaviour.checks.delayed(*_delay(value)))


def _duration(value: str) -> float:
    seconds = float(value) if value else math.nan
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"takes seconds from 0 to {MAX_SECONDS:.0f}")
    return seconds


def _times(value: str, limit: int = MAX_FAULTS) -> int:
    times = int(value)
    if not 1 <= times <= limit:
        raise ValueError(f"takes a number from 1 to {limit}")
    return times


def _delay(value: str) -> tuple[float, int]:
    seconds, _, times = value.partition("x")
    return _duration(seconds), _times(times or "1")


#: Failures of a send after which the panel has the order nevertheless.
BOOKED_FAILURES = ("cutafter", "lostanswer", "half", "duplicate", "mumble")
#: Failures of a send that happen before anything is booked.
UNBOOKED_FAILURES = ("html", "empty", "500", "cut")
#: Failures of a check.
CHECK_FAILURES = ("html", "empty", "500", "cut", "half", "mumble")

#: What refusals are about.
ABOUT = ("account", "product", "customer")

#: The ways in which PHP scripts call back.
WAYS = ("json", "multipart", "query", "untyped", "latin5", "latin5-raw", "spaces", "amp", "head")

#: Every word of the table and what it changes.
WORDS: dict[str, Word] = {
    "callback": _flag(calls_back=True, late_seconds=0.0),
    "poll": _flag(calls_back=False),
    "late": _seconds("late_seconds"),
    "twice": _flag(twice=True),
    "shuffle": _flag(shuffle=True),
    "progress": _flag(progress=True),
    "otherpin": _flag(otherpin=True),
    "contradict": _flag(contradict=True),
    "badsign": _flag(badsign=True),
    "sameid": _flag(same_id=True),
    "php": _php,
    "never": _flag(settles=False),
    "after": _seconds("after_seconds"),
    "fail": _text("fail_reason"),
    "nopin": _flag(has_pin=False),
    "dash": _flag(has_pin=False, blank=" - "),
    "blank": _blank,
    "fetch": _fetched,
    "follow": _followed,
    "codes": _codes,
    "serials": _seconds("serials_after_seconds"),
    "float": _flag(as_float=True),
    "reverse": _seconds("reverse_after_seconds"),
    "pipes": _flag(pipes=True),
    "latin5": _flag(latin5=True),
    "refuse": _refused,
    **{f"refuse-{about}": _about(about) for about in ABOUT},
    "only": _text("only_dealer"),
    "relent": _seconds("relent_after_seconds"),
    "slow": _slow_sends,
    "check-slow": _slow_checks,
    **{word: _send_fault(word) for word in UNBOOKED_FAILURES + BOOKED_FAILURES},
    **{f"check-{word}": _check_fault(word) for word in CHECK_FAILURES},
}

#: Every word for protocols other than znet; those of PHP scripts and Turkish panels are not among them.
DESCRIBED_WORDS: dict[str, Word] = {
    **{name: word for name, word in WORDS.items() if name not in ("php", "float", "pipes", "latin5", "only")},
    "notnow": _send_fault("notnow"),
    "partial": _lacks,
    "say": _text("says"),
}

#: The value of a word without one.
DEFAULTS: dict[str, str] = {
    "late": str(LATE_SECONDS),
    "fetch": "0",
    **dict.fromkeys(("follow", "serials", "reverse", "relent"), str(SOON_SECONDS)),
    "fail": FAIL_REASON,
    "refuse": REFUSE_REASON,
    **dict.fromkeys((*UNBOOKED_FAILURES, *BOOKED_FAILURES, "notnow", "partial"), "1"),
    **{f"check-{word}": "1" for word in CHECK_FAILURES},
}

#: The table of words, for `--help`.
GRAMMAR = (__doc__ or "").partition("\n\n")[2].rstrip()
