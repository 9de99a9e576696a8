"""How each provider is doing, and whether it gets orders: its breaker, its pause, its balance.

A provider is down (its breaker is open) after BREAKER_THRESHOLD failed calls in a row, or where too many calls of the
last minutes failed (`gateway.fulfilment.permits` counts those). The first answer to a call made since closes the
breaker. A pause is set by a person, who ends it, or by the gateway after refusals about our account. That one ends once
a balance call succeeds.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models import texts
from models.db import database
from models.db.prepared import Prepared

#: Failed calls in a row after which a provider counts as down.
BREAKER_THRESHOLD = 5
#: Refusals about our account in a row after which the gateway pauses a provider, where no single one is certain.
ACCOUNT_REFUSALS = 3
#: Seconds for which a balance is known that was told: it is asked for each hour.
KNOWN_SECONDS = 7200
#: Seconds after a provider's return in which orders that wait for it are looked for.
TAKE_UP_SECONDS = 10
#: `paused_by` of the gateway's own pauses; those of people carry their name.
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Health:
    """How the last calls to a provider went, and what keeps orders from it; by default nothing does."""

    #: Failed calls in a row.
    failures: int = 0
    down: bool = False
    down_since: datetime | None = None
    #: While it is down: whether the next probe is due. None while it is up.
    probe_due: bool | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    #: None while it is not paused.
    paused_at: datetime | None = None
    #: GATEWAY, or a person's name.
    paused_by: str | None = None
    pause_reason: str | None = None
    #: False where it refused for lack of balance, or its known balance is zero.
    has_balance: bool = True
    #: Sends in a row that it refused because of our account.
    account_refusals: int = 0
    #: Since when its callbacks tell of clearly fewer deliveries than usual; None while they do not.
    callbacks_low_since: datetime | None = None

    @property
    def takes_orders(self) -> bool:
        """Whether new orders go to it: it is up and not paused. Without balance it gets them only where it must."""
        return not self.down and self.paused_at is None

    def obstacle(self) -> str | None:
        """What keeps orders from it, to be put behind its id; None if nothing does."""
        if self.paused_at is not None:
            return f"is paused by {self.paused_by}: {self.pause_reason}"
        if self.down:
            return f"is down: {self.last_error}"
        return None if self.has_balance else "has no balance left"


def health(provider_id: str) -> Health | None:
    """How the provider is doing; None if nothing was ever recorded of it."""
    return database.load_one(Health, HEALTH, (provider_id,))


def claim_probe(provider_id: str, down_seconds: float, paused_seconds: float) -> bool:
    """Whether this process is to probe the provider now, and plan the next probe.

    A provider that is down is probed every `down_seconds`, one that the gateway has paused every `paused_seconds`.
    """
    values = {"id": provider_id, "down": down_seconds, "paused": paused_seconds}
    return database.row(CLAIM_PROBE, values) is not None


def probe_soon(provider_id: str) -> bool:
    """Have a provider that is down, or that the gateway has paused, asked within seconds; False if it is neither."""
    return database.row(PROBE_SOON, (provider_id,)) is not None


def due_probes() -> list[str]:
    """The ids of the providers whose probe is due."""
    return [str(row["provider_id"]) for row in database.rows(DUE_PROBES)]


def answered(provider_id: str, *, was_asked_since: bool = True) -> bool:
    """Record that a call was answered; True if that closed the breaker.

    Only a call that was made since the breaker opened (`was_asked_since`) closes it.
    """
    found = database.row(ANSWERED, {"id": provider_id, "closes": was_asked_since})
    return found is not None and bool(found["was_down"])


def failed(provider_id: str, error: str, probe_seconds: float, *, too_many: bool = False) -> bool:
    """Record that a call got no readable answer; True if that opened the breaker.

    It opens after BREAKER_THRESHOLD in a row, or if `too_many` calls of the last minutes failed. The first probe comes
    after `probe_seconds`.
    """
    values = {"id": provider_id, "error": error[:500], "too_many": too_many, "probe": probe_seconds}
    return bool(database.rows(FAILED, values)[0]["opened"])


def pause(provider_id: str, reason: str, by: str) -> None:
    """Give the provider no new orders until `by`, or another person, resumes it. Replaces the gateway's own pause."""
    database.rows(PAUSE, {"id": provider_id, "reason": texts.clean(reason, texts.LAST_MESSAGE), "by": by})


def resume(provider_id: str, by: str) -> bool:
    """End a pause; False if there was none. GATEWAY ends only its own. What waits is then taken up."""
    return database.row(RESUME, {"id": provider_id, "by": by}) is not None


def account_refused(
    provider_id: str,
    reason: str,
    probe_seconds: float,
    *,
    is_certain: bool,
    lacks_balance: bool,
    order_id: str | None = None,
    currency: str | None = None,
) -> bool:
    """Record that the provider refused a send because of our account; True if the gateway paused it for that.

    It does so at once where the words are certain, else at ACCOUNT_REFUSALS in a row. The pause is probed every
    `probe_seconds`; where balance was lacking at once, to learn how much there is. Where no balance is known that is
    younger than KNOWN_SECONDS, there was less than the order costs by its routes, if they say it in `currency`.
    """
    values = {
        "id": provider_id,
        "reason": texts.clean(reason, texts.LAST_MESSAGE),
        "probe": probe_seconds,
        "certain": is_certain,
        "lacks_balance": lacks_balance,
        "order": order_id,
        "currency": currency,
    }
    return bool(database.rows(ACCOUNT_REFUSED, values)[0]["paused"])


def account_accepted(provider_id: str) -> None:
    """An accepted send ends the refusals in a row about our account."""
    database.rows(ACCOUNT_ACCEPTED, (provider_id,))


def account_trouble(provider_id: str, error: str) -> None:
    """Show that a question was refused because of our account. The provider is up."""
    database.rows(ACCOUNT_TROUBLE, (provider_id, error[:500]))


def balance_shown(
    provider_id: str, amount: Decimal, began_at: datetime | None = None, *, is_probe: bool = True
) -> bool:
    """The provider was asked at `began_at` for our balance, and has told it. True if that ended the gateway's pause.

    A question that began before the pause does not. After a lack of balance it is ended only if there is more than
    before: than was known, or than was shown since. Any other pause is ended by a probe alone.
    """
    values = {"id": provider_id, "amount": amount, "began": began_at, "probe": is_probe}
    found = database.row(BALANCE_SHOWN, values)
    return found is not None and bool(found["resumed"])


def look_again(provider_id: str) -> None:
    """Have the orders that wait looked at again: something that kept them from the provider has changed."""
    database.rows(LOOK_AGAIN, (provider_id,))


def returned() -> dict[str, bool]:
    """The providers that take orders again and whose waiting orders are to be taken up, and whether for the last time.

    For TAKE_UP_SECONDS, since an order may be put off by a worker that has not seen yet that its provider is back.
    """
    return {str(row["provider_id"]): bool(row["is_over"]) for row in database.rows(RETURNED)}


def taken_up(provider_id: str) -> None:
    """The orders that waited for the provider are planned, unless it has returned once more meanwhile."""
    database.rows(TAKEN_UP, (provider_id,))


#: In SQL, of the health `h`: its breaker is open. A process of the version before opens it by `failures` alone.
IS_DOWN = f"(h.down_since IS NOT NULL OR h.failures >= {BREAKER_THRESHOLD})"
#: In SQL, of the health `h`, or of none: the provider gets no new orders.
IS_BLOCKED = f"COALESCE({IS_DOWN} OR h.paused_at IS NOT NULL, false)"
#: In SQL, of the health `h`: the gateway has paused it itself.
_IS_OWN_PAUSE = f"(h.paused_at IS NOT NULL AND h.paused_by = '{GATEWAY}')"
#: In SQL, of the health `h`, or of none: our balance there is not used up, as far as is known.
HAS_BALANCE = "COALESCE(NOT h.lacks_balance AND h.balance IS DISTINCT FROM 0, true)"
#: The fields of a Health, in SQL, of the health `h`, or of none.
COLUMNS = f"""
    COALESCE(h.failures, 0) AS failures,
    COALESCE({IS_DOWN}, false) AS down,
    h.down_since,
    CASE WHEN {IS_DOWN} THEN COALESCE(h.probe_at <= now(), true) END AS probe_due,
    h.last_error,
    h.last_error_at,
    h.paused_at,
    h.paused_by,
    h.pause_reason,
    {HAS_BALANCE} AS has_balance,
    COALESCE(h.account_refusals, 0) AS account_refusals,
    h.callbacks_low_since
"""
HEALTH = Prepared(f"SELECT {COLUMNS} FROM referans.provider_health AS h WHERE h.provider_id = %s")
#: One conditional UPDATE, so that only one of the workers sends the probe.
CLAIM_PROBE = Prepared(f"""
UPDATE referans.provider_health AS h SET probe_at = now() + make_interval(secs => CASE WHEN {IS_DOWN}
    THEN %(down)s::float8 ELSE %(paused)s::float8 END)
WHERE h.provider_id = %(id)s AND ({IS_DOWN} OR {_IS_OWN_PAUSE}) AND COALESCE(h.probe_at <= now(), true)
RETURNING h.provider_id
""")
PROBE_SOON = f"""
UPDATE referans.provider_health AS h SET probe_at = now()
WHERE h.provider_id = %s AND ({IS_DOWN} OR {_IS_OWN_PAUSE})
RETURNING h.provider_id
"""
DUE_PROBES = Prepared(f"""
SELECT h.provider_id FROM referans.provider_health AS h JOIN referans.providers AS p ON p.id = h.provider_id
WHERE ({IS_DOWN} OR {_IS_OWN_PAUSE}) AND COALESCE(h.probe_at <= now(), true)
ORDER BY h.probe_at NULLS FIRST, h.provider_id
""")
ANSWERED = Prepared(f"""
UPDATE referans.provider_health AS h SET failures = 0, down_since = NULL,
    probe_at = CASE WHEN {_IS_OWN_PAUSE} THEN h.probe_at END,
    returned_at = CASE WHEN was.down AND h.paused_at IS NULL THEN now() ELSE h.returned_at END
FROM (
    SELECT h.provider_id, {IS_DOWN} AS down FROM referans.provider_health AS h WHERE h.provider_id = %(id)s FOR UPDATE
) AS was
WHERE h.provider_id = was.provider_id AND (h.failures > 0 OR was.down) AND (%(closes)s::boolean OR NOT was.down)
RETURNING was.down AS was_down
""")
FAILED = Prepared(f"""
INSERT INTO referans.provider_health AS h (provider_id, failures, last_error, last_error_at, down_since, probe_at)
VALUES (%(id)s, 1, %(error)s, now(), CASE WHEN %(too_many)s::boolean THEN now() END,
    CASE WHEN %(too_many)s::boolean THEN now() + make_interval(secs => %(probe)s) END)
ON CONFLICT (provider_id) DO UPDATE SET failures = h.failures + 1, last_error = excluded.last_error,
    last_error_at = now(),
    down_since = COALESCE(h.down_since,
        CASE WHEN %(too_many)s::boolean OR h.failures + 1 >= {BREAKER_THRESHOLD} THEN now() END),
    probe_at = CASE
        WHEN NOT {IS_DOWN} AND (%(too_many)s::boolean OR h.failures + 1 >= {BREAKER_THRESHOLD})
        THEN now() + make_interval(secs => %(probe)s)
        ELSE h.probe_at
    END
RETURNING COALESCE(h.down_since = now(), false) AS opened
""")
PAUSE = """
INSERT INTO referans.provider_health AS h (provider_id, paused_at, paused_by, pause_reason)
VALUES (%(id)s, now(), %(by)s, %(reason)s)
ON CONFLICT (provider_id) DO UPDATE SET paused_at = now(), paused_by = excluded.paused_by,
    pause_reason = excluded.pause_reason, lacks_balance = false, paused_balance = NULL
"""
RESUME = f"""
UPDATE referans.provider_health AS h SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, lacks_balance = false,
    paused_balance = NULL, account_refusals = 0,
    returned_at = CASE WHEN {IS_DOWN} THEN h.returned_at ELSE now() END
WHERE h.provider_id = %(id)s AND h.paused_at IS NOT NULL
    AND (%(by)s::text <> '{GATEWAY}' OR h.paused_by = '{GATEWAY}')
RETURNING h.provider_id
"""
#: In SQL: this refusal about our account pauses the provider, whose health `h` is as it was before.
_PAUSES = f"(h.paused_at IS NULL AND (%(certain)s::boolean OR h.account_refusals + 1 >= {ACCOUNT_REFUSALS}))"
#: In SQL: when the gateway's own pause is probed for the first time.
_FIRST_PROBE = """(now() + make_interval(secs =>
    CASE WHEN %(lacks_balance)s::boolean THEN 0 ELSE %(probe)s::float8 END))"""
#: In SQL: what the order that was refused costs at most by its routes; NULL if they do not say it.
_COST = """(SELECT max(r.cost) * COALESCE(o.quantity, 1)
    FROM product_orders AS o JOIN referans.routes AS r ON r.product_id = o."productId"::text
        AND r.package_id = o."packageId"::text AND r.provider_id = %(id)s AND r.currency = %(currency)s::text
    WHERE o.id = %(order)s::uuid GROUP BY o.id)"""
#: `paused_balance` is the most that there can have been when balance was lacking.
ACCOUNT_REFUSED = f"""
INSERT INTO referans.provider_health AS h (provider_id, account_refusals, last_error, last_error_at, paused_at,
    paused_by, pause_reason, lacks_balance, paused_balance, probe_at)
SELECT %(id)s, 1, %(reason)s, now(), now_paused.at, CASE WHEN %(certain)s::boolean THEN '{GATEWAY}' END,
    CASE WHEN %(certain)s::boolean THEN %(reason)s::text END, %(certain)s::boolean AND %(lacks_balance)s::boolean,
    CASE WHEN %(certain)s::boolean AND %(lacks_balance)s::boolean THEN {_COST} END,
    CASE WHEN %(certain)s::boolean THEN {_FIRST_PROBE} END
FROM (SELECT CASE WHEN %(certain)s::boolean THEN now() END AS at) AS now_paused
ON CONFLICT (provider_id) DO UPDATE SET account_refusals = h.account_refusals + 1,
    last_error = excluded.last_error, last_error_at = now(),
    paused_at = CASE WHEN {_PAUSES} THEN now() ELSE h.paused_at END,
    paused_by = CASE WHEN {_PAUSES} THEN '{GATEWAY}' ELSE h.paused_by END,
    pause_reason = CASE WHEN {_PAUSES} THEN excluded.last_error ELSE h.pause_reason END,
    lacks_balance = CASE WHEN {_PAUSES} THEN %(lacks_balance)s::boolean ELSE h.lacks_balance END,
    paused_balance = CASE
        WHEN NOT ({_PAUSES} AND %(lacks_balance)s::boolean) THEN h.paused_balance
        WHEN h.balance IS NULL OR h.balance_at <= now() - make_interval(secs => {KNOWN_SECONDS})
        THEN LEAST(h.balance, {_COST})
        ELSE h.balance END,
    probe_at = CASE WHEN {_PAUSES} AND NOT {IS_DOWN} THEN {_FIRST_PROBE} ELSE h.probe_at END
RETURNING COALESCE(h.paused_at = now(), false) AS paused
"""
ACCOUNT_ACCEPTED = (
    "UPDATE referans.provider_health SET account_refusals = 0 WHERE provider_id = %s AND account_refusals > 0"
)
ACCOUNT_TROUBLE = """
INSERT INTO referans.provider_health (provider_id, last_error, last_error_at) VALUES (%s, %s, now())
ON CONFLICT (provider_id) DO UPDATE SET last_error = excluded.last_error, last_error_at = now()
"""
BALANCE_SHOWN = f"""
UPDATE referans.provider_health AS h SET
    paused_at = CASE WHEN NOT was.ends THEN h.paused_at END,
    paused_by = CASE WHEN NOT was.ends THEN h.paused_by END,
    pause_reason = CASE WHEN NOT was.ends THEN h.pause_reason END,
    lacks_balance = h.lacks_balance AND NOT was.ends,
    paused_balance = CASE WHEN NOT was.ends THEN LEAST(h.paused_balance, %(amount)s) END,
    account_refusals = CASE WHEN was.ends THEN 0 ELSE h.account_refusals END,
    returned_at = CASE WHEN was.ends AND NOT {IS_DOWN} THEN now() ELSE h.returned_at END
FROM (
    SELECT h.provider_id, NOT h.lacks_balance OR COALESCE(%(amount)s > h.paused_balance, false) AS ends
    FROM referans.provider_health AS h
    WHERE h.provider_id = %(id)s AND COALESCE(h.paused_at <= %(began)s::timestamptz, true)
        AND (h.lacks_balance OR %(probe)s::boolean) AND {_IS_OWN_PAUSE} FOR UPDATE
) AS was
WHERE h.provider_id = was.provider_id
RETURNING was.ends AS resumed
"""
LOOK_AGAIN = """
INSERT INTO referans.provider_health (provider_id, returned_at) VALUES (%s, now())
ON CONFLICT (provider_id) DO UPDATE SET returned_at = now()
"""
RETURNED = Prepared(f"""
SELECT h.provider_id, h.returned_at <= now() - make_interval(secs => {TAKE_UP_SECONDS}) AS is_over
FROM referans.provider_health AS h WHERE h.returned_at IS NOT NULL AND NOT {IS_BLOCKED}
""")
TAKEN_UP = f"""
UPDATE referans.provider_health SET returned_at = NULL
WHERE provider_id = %s AND returned_at <= now() - make_interval(secs => {TAKE_UP_SECONDS})
"""
