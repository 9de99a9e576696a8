"""The life of an order: its stages. What an outcome may do to it is decided in settle.sql. Pure.

not_sent ──claim──▶ pending ──accepted──▶ sent ──provider──▶ processing
                       │                    │                    │
                       └────────────────────┴──── outcome ───────┴──▶ completed | failed

failed (reason timeout) ──late success──▶ completed
completed ──taken back by the provider──▶ reversed
"""

from collections.abc import Iterable
from enum import StrEnum


class ExternalStatus(StrEnum):
    """Where an order stands with its provider; the values are what `externalStatus` holds."""

    #: Placed by the storefront, not given to any provider yet.
    NOT_SENT = "not_sent"
    #: Claimed for dispatch: being sent, or sent with the answer unknown (in doubt).
    PENDING = "pending"
    #: The provider has accepted it.
    SENT = "sent"
    #: The provider is working on it.
    PROCESSING = "processing"
    #: Delivered.
    COMPLETED = "completed"
    #: Not delivered: refused, cancelled or timed out (`failureReason`).
    FAILED = "failed"
    #: Delivered, then taken back by the provider.
    REVERSED = "reversed"


class Kind(StrEnum):
    """What a stage means for settling."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    REVERSED = "reversed"


class Result(StrEnum):
    """What settling one outcome did."""

    #: The order changed.
    APPLIED = "applied"
    #: Known already; nothing changed.
    DUPLICATE = "duplicate"
    #: Older than what is known; nothing changed.
    STALE = "stale"
    #: Contradicts the final state; nothing changed, kept in full for a person.
    CONFLICT = "conflict"
    #: No order of that provider has the reference (yet).
    UNMATCHED = "unmatched"


class FailureReason(StrEnum):
    """Why an order failed; only a timeout can still turn into success by itself."""

    #: The player or the number is wrong: every provider would refuse.
    CUSTOMER = "customer"
    #: Not sold, or no stock.
    PRODUCT = "product"
    #: Our account with the provider: no balance, no rights.
    ACCOUNT = "account"
    #: The provider refused, or said that it failed, for another reason.
    PROVIDER = "provider"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    #: A person decided it.
    PERSON = "person"


class Expects(StrEnum):
    """Whether a route's orders bring a code: what is done about one that completes without it."""

    #: Ask a few times; orders of the same route that ended without a code make it fewer.
    AUTO = "auto"
    #: Ask until the code is there; a person is needed if it never is.
    CODE = "code"
    #: There is no code: a direct top-up.
    NO_CODE = "no-code"


class Attention(StrEnum):
    """Why an order needs a person; of several, the first in this list is shown."""

    # Those of KEPT stand in the order's `attention` until a person decides; the others are what `models.stuck` sees of
    # an order, and go by themselves.

    #: Two outcomes contradict each other, or two providers may have delivered.
    CONFLICT = "conflict"
    #: Its provider may have it, and cannot be asked for it.
    CANNOT_ASK = "cannot_ask"
    #: Delivered, then taken back by the provider.
    REVERSED = "reversed"
    #: Completed without the code that it should have.
    NO_CODE = "no_code"
    #: Fewer pieces were delivered than were ordered.
    PARTIAL = "partial"
    #: Sent, and its answer has been unknown for five minutes.
    IN_DOUBT = "in_doubt"
    #: Another system placed it, and there was no outcome in time; what it says of itself was left as it is.
    TIMED_OUT = "timed_out"
    #: A person fulfils it.
    MANUAL = "manual"
    #: No provider is configured that could take it.
    NO_PROVIDER = "no_provider"
    #: Its providers are down, paused or without balance.
    PROVIDER_DOWN = "provider_down"
    #: Its plan was missed by a whole sweep.
    OVERDUE = "overdue"
    #: Its checks by backoff are used up, and it is asked about slowly.
    NO_ANSWER = "no_answer"
    #: What the storefront was to be told of it could not be delivered.
    NOTIFICATION_DEAD = "notification_dead"


#: What the column `attention` may hold.
KEPT = (
    Attention.CONFLICT,
    Attention.CANNOT_ASK,
    Attention.REVERSED,
    Attention.NO_CODE,
    Attention.PARTIAL,
    Attention.TIMED_OUT,
    Attention.MANUAL,
    Attention.NOTIFICATION_DEAD,
)


#: In SQL, of the order `o`: its `attention`, unless that gives way to any other.
GRAVE = f"NULLIF(o.attention, '{Attention.NOTIFICATION_DEAD}')"


class Source(StrEnum):
    """What caused an event on an order's timeline."""

    API = "api"
    DISPATCH = "dispatch"
    CALLBACK = "callback"
    POLL = "poll"
    SWEEP = "sweep"
    OPERATOR = "operator"
    NOTIFY = "notify"


#: Every word of the column that we know, older systems' words included: (name, rank, kind), in lower case. A later
#: stage has a higher rank. Any other word is not final, and has the rank of `pending`.
STAGES: tuple[tuple[str, int, Kind], ...] = (
    ("not_sent", 0, Kind.OPEN),
    ("pending", 1, Kind.OPEN),
    ("sent", 2, Kind.OPEN),
    ("processing", 3, Kind.OPEN),
    ("completed", 4, Kind.COMPLETED),
    ("done", 4, Kind.COMPLETED),
    ("delivered", 4, Kind.COMPLETED),
    ("approved", 4, Kind.COMPLETED),
    ("success", 4, Kind.COMPLETED),
    ("failed", 4, Kind.FAILED),
    ("cancelled", 4, Kind.FAILED),
    ("canceled", 4, Kind.FAILED),
    ("rejected", 4, Kind.FAILED),
    ("reject", 4, Kind.FAILED),
    ("reversed", 5, Kind.REVERSED),
)
RANKS = {name: rank for name, rank, _ in STAGES}
KINDS = {name: kind for name, _, kind in STAGES}
#: The rank of a word that is not in STAGES.
UNKNOWN_RANK = 1
#: Every word that means the end of an order.
FINAL_WORDS = tuple(name for name, _, kind in STAGES if kind is not Kind.OPEN)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


#: In SQL, of a word of the column, as STAGES has it. Only ASCII letters have a case here: in a Turkish database,
#: `lower` would make another word of FAILED.
LOWERED = """lower({word} COLLATE "C")"""
#: In SQL, of the order `o`: its word.
WORD = LOWERED.format(word="""COALESCE(o."externalStatus", '')""")
#: In SQL, of the order `o`: it is not final.
IS_OPEN = f"{WORD} NOT IN ({_listed(FINAL_WORDS)})"

#: In SQL, of the order `o`: people of the older storefront have decided it. While it is open, its `status` is `pending`
#: otherwise.
IS_DECIDED = f"COALESCE({LOWERED.format(word='o.status::text')}, 'pending') IN ('approved', 'rejected')"
#: In SQL, of the order `o`: the gateway placed it. Placing sets the column; a version before it wrote the route alone.
IS_OURS = """COALESCE(o."placedByGateway", o."routeParams" IS NOT NULL)"""
#: In SQL, of the order `o`: since when it waits to be sent. One that a person sends again has all its time.
WAITS_SINCE = """COALESCE(o."resentAt", o."createdAt")"""
#: In SQL, of the order `o`: it was given to a provider, which may not have got it.
WAS_CLAIMED = """COALESCE(o."claimedAt", o."sentAt") IS NOT NULL"""
#: In SQL, of the order `o`: no provider can have it, since no send ever reached one; not so while a send is under way.
IS_NOWHERE = """(o."mayBeKnown" IS FALSE AND o."sendingUntil" IS NULL)"""
#: In SQL, of the order `o`: what its provider knows it by. Other systems once kept that in the other column.
REFERENCE = """COALESCE(o.provider_referans, o."externalOrderId")"""
#: In SQL, of the order `o`: it is of another system, and at a provider that can be asked for it.
IS_AT_PROVIDER = f"""(NOT {IS_OURS} AND {WORD} <> 'not_sent' AND o."providerId" IS NOT NULL
    AND {REFERENCE} IS NOT NULL)"""


def rank_in_sql(word: str) -> str:
    """In SQL: the rank of a word as STAGES has it."""
    return f"CASE {word} {_cases((name, str(rank)) for name, rank, _ in STAGES)} ELSE {UNKNOWN_RANK} END"


def kind_in_sql(word: str) -> str:
    """In SQL: the kind of a word as STAGES has it."""
    ends = ((name, f"'{kind}'") for name, _, kind in STAGES if kind is not Kind.OPEN)
    return f"CASE {word} {_cases(ends)} ELSE '{Kind.OPEN}' END"


def _cases(values: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"WHEN '{word}' THEN {value}" for word, value in values)


def lowered(value: str | None) -> str:
    """A word of the column as STAGES has it; LOWERED says the same in SQL."""
    return value.lower() if value and value.isascii() else ""


def kind_of(value: str | None) -> Kind:
    """What a word of the column means for settling."""
    return KINDS.get(lowered(value), Kind.OPEN)


def is_open(value: str | None) -> bool:
    """Whether a word of the column says that the order is not final."""
    return kind_of(value) is Kind.OPEN


def read(value: str | None, *, was_sent: bool) -> ExternalStatus:
    """Our word for what the column holds; READ says the same in SQL.

    A word that is not known is one of another system, which has the order in hand: it may be with a provider already
    (`pending`), and is there if it was sent (`sent`). Never `not_sent`, which would say that it can still be cancelled.
    """
    word = lowered(value)
    if word not in KINDS:
        return ExternalStatus.SENT if was_sent else ExternalStatus.PENDING
    return ExternalStatus(word) if KINDS[word] is Kind.OPEN else ExternalStatus(KINDS[word].value)


def words(status: ExternalStatus) -> list[str]:
    """Every known word of the column that reads as `status`."""
    return [name for name, _, _ in STAGES if read(name, was_sent=False) is status]


#: In SQL, of the order `o`: its word is not known.
IS_UNKNOWN = f"{WORD} NOT IN ({_listed(RANKS)})"
#: In SQL, of the order `o`: our word for what the column holds.
READ = f"""CASE {
    " ".join(f"WHEN {WORD} IN ({_listed(words(status))}) THEN '{status}'" for status in ExternalStatus)
} WHEN o."sentAt" IS NULL THEN 'pending' ELSE 'sent' END"""


def reads_as(status: ExternalStatus) -> str:
    """In SQL, of the order `o`: its word reads as `status`."""
    known = f"{WORD} IN ({_listed(words(status))})"
    if status is ExternalStatus.PENDING:
        return f"""({known} OR {IS_UNKNOWN} AND o."sentAt" IS NULL)"""
    if status is ExternalStatus.SENT:
        return f"""({known} OR {IS_UNKNOWN} AND o."sentAt" IS NOT NULL)"""
    return known
