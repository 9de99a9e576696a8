"""The life of an order: its stages. What an outcome may do to it is decided in settle.sql. Pure.

not_sent ──claim──▶ pending ──accepted──▶ sent ──provider──▶ processing
                       │                    │                    │
                       └────────────────────┴──── outcome ───────┴──▶ completed | failed

failed (reason timeout) ──late success──▶ completed
"""

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


class Kind(StrEnum):
    """What a stage means for settling."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"


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
    """Why an order failed; only a timeout can still turn into success."""

    PROVIDER = "provider"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class Source(StrEnum):
    """What caused an event on an order's timeline."""

    API = "api"
    DISPATCH = "dispatch"
    CALLBACK = "callback"
    POLL = "poll"
    SWEEP = "sweep"
    OPERATOR = "operator"
    NOTIFY = "notify"


#: Every value the column may hold, older systems' words included: (name, rank, kind). A later stage has a higher rank.
STAGES: tuple[tuple[str, int, Kind], ...] = (
    ("not_sent", 0, Kind.OPEN),
    ("pending", 1, Kind.OPEN),
    ("queued", 1, Kind.OPEN),
    ("sent", 2, Kind.OPEN),
    ("processing", 3, Kind.OPEN),
    ("completed", 4, Kind.COMPLETED),
    ("done", 4, Kind.COMPLETED),
    ("delivered", 4, Kind.COMPLETED),
    ("failed", 4, Kind.FAILED),
    ("cancelled", 4, Kind.FAILED),
    ("rejected", 4, Kind.FAILED),
)
#: What older systems' words mean in ours.
LEGACY_STATUSES = {
    "queued": ExternalStatus.PENDING,
    "done": ExternalStatus.COMPLETED,
    "delivered": ExternalStatus.COMPLETED,
    "cancelled": ExternalStatus.FAILED,
    "rejected": ExternalStatus.FAILED,
}
RANKS = {name: rank for name, rank, _ in STAGES}
KINDS = {name: kind for name, _, kind in STAGES}
#: Not final; the partial indexes of the migrations name the same five.
OPEN_STATUSES = tuple(name for name, _, kind in STAGES if kind is Kind.OPEN)
#: The same as a list in SQL.
OPEN_SQL = ", ".join(f"'{name}'" for name in OPEN_STATUSES)


def read(value: str) -> ExternalStatus:
    """Our word for what the column holds."""
    return LEGACY_STATUSES.get(value) or ExternalStatus(value)


def spellings(status: ExternalStatus) -> list[str]:
    """Every value of the column that reads as `status`."""
    return [name for name, _, _ in STAGES if read(name) is status]
