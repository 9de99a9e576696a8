"""Our balance with each provider as people see it, and the questions for it.

Each answer that tells the balance is kept as a reading. `models.balance_ledger` follows the chain that they form.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models import provider_health, texts
from models.db import database
from models.db.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Gap:
    """The balance fell by what is no purchase of ours, or by one that was counted twice."""

    id: int
    amount: Decimal
    currency: str | None
    #: The balance before it.
    balance: Decimal
    #: The answers between which it lies: their orders (None for a question for the balance) and when they came.
    earlier_order_id: str | None
    earlier_at: datetime | None
    later_order_id: str | None
    later_at: datetime

    def __str__(self) -> str:
        return f"{self.amount} {self.currency or ''}".strip()


@dataclass(frozen=True, slots=True)
class Standing:
    """Our balance with a provider, as last known."""

    provider_id: str
    balance: Decimal | None
    currency: str | None
    at: datetime | None
    #: Seconds since then.
    age_seconds: float | None
    #: Below it is low; None never is.
    low_balance: Decimal | None
    is_low: bool
    #: The last gap that no person has acknowledged.
    gap: Gap | None
    #: How many there are.
    gaps: int


@dataclass(frozen=True, slots=True)
class Asking:
    """A question for the balance that this process is to ask."""

    began_at: datetime
    #: An event of the timelines that is older.
    event_id: int


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer told of our balance."""

    remaining: Decimal
    currency: str | None
    #: What the send cost; 0 for a question for the balance, None if the answer did not tell it.
    cost: Decimal | None


def keep(provider_id: str, told: Told, began_at: datetime, order_id: str | None = None) -> None:
    """Keep what the answer to a send told that began at `began_at` or later: one statement.

    Answers overtake each other. The balance that is shown is that of an answer to a call which began after the one
    before was answered, or else the lower one: until then, what is bought lowers it.
    """
    database.rows(KEEP, _values(provider_id, told, began_at) | {"order": order_id, "event": None})


def keep_asked(provider_id: str, told: Told, asking: Asking, *, is_probe: bool = False) -> bool:
    """Keep the answer to a question for the balance; True if it ended the gateway's pause of the provider.

    A pause for another reason than a lack of balance is ended by its probe alone, which comes when it is due.
    """
    values = _values(provider_id, told, asking.began_at)
    database.rows(KEEP, values | {"order": None, "event": asking.event_id})
    return provider_health.balance_shown(provider_id, told.remaining, asking.began_at, is_probe=is_probe)


def _values(provider_id: str, told: Told, began_at: datetime) -> dict[str, object]:
    return {
        "provider": provider_id,
        "remaining": told.remaining,
        "currency": told.currency,
        "cost": told.cost,
        "began": began_at,
    }


def begin_asking(provider_id: str) -> Asking:
    """Begin a question that is asked for another reason than being due."""
    return database.load(Asking, BEGIN_ASKING, (provider_id,))[0]


def claim_asking(provider_id: str, every_seconds: float) -> Asking | None:
    """The question, if it is due and no other process asks it; after every `every_seconds`, or `ask_soon`."""
    return database.load_one(Asking, CLAIM_ASKING, {"id": provider_id, "every": every_seconds})


def due(every_seconds: float) -> list[str]:
    """Ids of the providers that are to be asked. Whether they can be is for the caller to see."""
    return [str(row["id"]) for row in database.rows(DUE, (every_seconds,))]


def ask_soon(provider_id: str) -> None:
    """Have the next sweep ask for the balance."""
    database.rows(ASK_SOON, (provider_id,))


def standings(provider_id: str | None = None) -> list[Standing]:
    """The balance of every provider, or of one, by id. Providers without a service have none."""
    return [
        Standing(**{name: row[name] for name in OF_PROVIDER}, gap=_gap(row), gaps=row["gaps"])
        for row in database.rows(STANDINGS, {"id": provider_id})
    ]


def warnings() -> list[Standing]:
    """Those that a person should look at: the balance is low, or has a gap."""
    return [standing for standing in standings() if standing.is_low or standing.gap]


def gaps(provider_id: str, limit: int) -> list[Gap]:
    """The provider's gaps that no person has acknowledged, the last one first."""
    return database.load(Gap, GAPS, {"id": provider_id, "limit": limit})


def acknowledge(provider_id: str, reason: str, by: str) -> int:
    """Take the provider's gaps as seen; returns how many there were."""
    values = {"id": provider_id, "reason": texts.clean(reason, texts.TIMELINE), "by": by}
    return len(database.rows(ACKNOWLEDGE, values))


def _gap(row: dict[str, object]) -> Gap | None:
    if row["gap_id"] is None:
        return None
    return Gap(**{name: row[f"gap_{name}"] for name in Gap.__dataclass_fields__})  # type: ignore[arg-type]


#: The fields of a Standing that are columns of STANDINGS.
OF_PROVIDER = ("provider_id", "balance", "currency", "at", "age_seconds", "low_balance", "is_low")
#: An answer to a call that began after the last one came is newer; of calls at the same time, the lower balance is.
KEEP = Prepared("""
WITH shown AS (
    INSERT INTO referans.provider_health AS h (provider_id, balance, balance_currency, balance_at)
    VALUES (%(provider)s::text, %(remaining)s::numeric, %(currency)s::text, now())
    ON CONFLICT (provider_id) DO UPDATE SET balance = excluded.balance,
        balance_currency = excluded.balance_currency, balance_at = excluded.balance_at
    WHERE h.balance IS NULL OR h.balance_at < %(began)s::timestamptz OR excluded.balance < h.balance
        OR h.balance_currency IS DISTINCT FROM excluded.balance_currency
)
INSERT INTO referans.balance_readings (provider_id, order_id, began_at, cost, remaining, currency, event_id)
VALUES (%(provider)s::text, %(order)s::uuid, %(began)s::timestamptz, %(cost)s::numeric, %(remaining)s::numeric,
    %(currency)s::text, %(event)s::bigint)
""")
_ASKING = "now() AS began_at, COALESCE((SELECT max(e.id) FROM referans.order_events AS e), 0) AS event_id"
BEGIN_ASKING = f"""
INSERT INTO referans.provider_health (provider_id, balance_asked_at) VALUES (%s, now())
ON CONFLICT (provider_id) DO UPDATE SET balance_asked_at = now()
RETURNING {_ASKING}
"""
CLAIM_ASKING = f"""
INSERT INTO referans.provider_health AS h (provider_id, balance_asked_at) VALUES (%(id)s, now())
ON CONFLICT (provider_id) DO UPDATE SET balance_asked_at = now()
WHERE h.balance_asked_at IS NULL OR h.balance_asked_at <= now() - make_interval(secs => %(every)s)
RETURNING {_ASKING}
"""
DUE = """
SELECT p.id FROM referans.providers AS p LEFT JOIN referans.provider_health AS h ON h.provider_id = p.id
WHERE h.balance_asked_at IS NULL OR h.balance_asked_at <= now() - make_interval(secs => %s) ORDER BY p.id
"""
ASK_SOON = "UPDATE referans.provider_health SET balance_asked_at = NULL WHERE provider_id = %s"
STANDINGS = """
SELECT p.id AS provider_id, h.balance, COALESCE(h.balance_currency, p.currency) AS currency, h.balance_at AS at,
    EXTRACT(EPOCH FROM now() - h.balance_at)::float8 AS age_seconds, p.low_balance,
    COALESCE(h.balance < p.low_balance, false) AS is_low,
    COALESCE(gap.n, 0)::int AS gaps, gap.id AS gap_id, gap.amount AS gap_amount, gap.currency AS gap_currency,
    gap.balance AS gap_balance, gap.earlier_order_id::text AS gap_earlier_order_id, gap.earlier_at AS gap_earlier_at,
    gap.later_order_id::text AS gap_later_order_id, gap.later_at AS gap_later_at
FROM referans.providers AS p
LEFT JOIN referans.provider_health AS h ON h.provider_id = p.id
LEFT JOIN LATERAL (
    SELECT g.*, count(*) OVER () AS n FROM referans.balance_gaps AS g
    WHERE g.provider_id = p.id AND g.acknowledged_at IS NULL ORDER BY g.later_at DESC, g.id DESC LIMIT 1
) AS gap ON true
WHERE %(id)s::text IS NULL OR p.id = %(id)s::text
ORDER BY p.id
"""
GAPS = """
SELECT id, amount, currency, balance, earlier_order_id::text AS earlier_order_id, earlier_at,
    later_order_id::text AS later_order_id, later_at
FROM referans.balance_gaps WHERE provider_id = %(id)s AND acknowledged_at IS NULL
ORDER BY later_at DESC, id DESC LIMIT %(limit)s
"""
ACKNOWLEDGE = """
UPDATE referans.balance_gaps SET acknowledged_at = now(), acknowledged_by = %(by)s, reason = %(reason)s, is_final = true
WHERE provider_id = %(id)s AND acknowledged_at IS NULL RETURNING id
"""
