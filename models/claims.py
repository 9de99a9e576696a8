"""Who does what next: claims, each one conditional UPDATE. No row back means that somebody was first, or none is due.

`nextCheckAt` is the plan: set exactly while the gateway has something to do for an order. The queue only hints.
Who claims names the provider that it will call (`provider_id`): an order that has gone to another one meanwhile is
not its any more.
"""

from dataclasses import dataclass
from datetime import datetime

from models.db import database
from models.db.prepared import Prepared
from models.route import Route
from models.status import OPEN_STATUSES

#: How often a provider must say that it does not know an order in doubt before it is sent again.
ASKS = 2


@dataclass(frozen=True, slots=True)
class ClaimedOrder:
    """What sending and asking need to know of an order."""

    id: str
    provider_id: str
    provider_referans: str
    external_order_id: str | None
    user_identifier: str | None
    extra_field: str | None
    quantity: int | None
    #: From the route: what the product is called at the provider.
    route_params: dict[str, str] | None
    external_status: str
    product_id: str | None
    package_id: str | None
    #: Providers that refused it.
    tried_providers: list[str]
    check_count: int
    #: Whether its provider may have it, so that it is asked before anything is sent again.
    may_be_known: bool


@dataclass(frozen=True, slots=True)
class ClaimedCheck(ClaimedOrder):
    """An order whose check was due."""

    #: Seconds until the next check, as the plan now says.
    next_check_seconds: float | None
    #: This is its last check: its time is up.
    expired: bool


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order whose plan is due."""

    id: str
    external_status: str
    provider_id: str | None
    next_check_at: datetime


def claim_dispatch(
    order_id: str, grace_seconds: float, provider_id: str | None = None
) -> ClaimedOrder | None:
    """Take a `not_sent` order for sending. If nothing is heard of it for `grace_seconds`, it is in doubt."""
    values = {"id": order_id, "grace": grace_seconds, "provider": provider_id}
    return database.load_one(ClaimedOrder, CLAIM_DISPATCH, values)


def unsent(order_id: str) -> ClaimedOrder | None:
    """An order of ours that waits to be sent, or None."""
    return database.load_one(ClaimedOrder, UNSENT, {"id": order_id})


def reroute(order_id: str, unusable: str | None, route: Route) -> bool:
    """Give an order that was never sent to another provider of its route. False where somebody was first."""
    values = {
        "id": order_id,
        "unusable": unusable,
        "provider": route.provider_id,
        "params": database.as_json(route.params),
        "note": f"{unusable} cannot be used; routed to {route.provider_id}",
    }
    return database.row(REROUTE, values) is not None


def leave_unsent(order_id: str, delay_seconds: float, order_timeout_seconds: float) -> None:
    """Nobody can be given the order now: look again in `delay_seconds`, or when its time is up."""
    values = {"id": order_id, "delay": delay_seconds, "order_timeout": order_timeout_seconds}
    database.rows(LEAVE_UNSENT, values)


def give_up_unsent(order_id: str, order_timeout_seconds: float, reason: str) -> bool:
    """Fail an order that was never sent, where it has waited for longer than the timeout."""
    values = {"id": order_id, "order_timeout": order_timeout_seconds, "reason": reason}
    return database.row(GIVE_UP, values) is not None


def claim_next_provider(
    order_id: str, refused_by: str, route: Route, reason: str, grace_seconds: float
) -> ClaimedOrder | None:
    """Take an order that `refused_by` refused for sending to the next provider of its route."""
    values = {
        "id": order_id,
        "refused_by": refused_by,
        "provider": route.provider_id,
        "params": database.as_json(route.params),
        "note": f"{refused_by} refused: {reason}; sending to {route.provider_id}",
        "grace": grace_seconds,
    }
    return database.load_one(ClaimedOrder, CLAIM_NEXT_PROVIDER, values)


def claim_resend(order_id: str, grace_seconds: float, provider_id: str | None = None) -> ClaimedOrder | None:
    """Take an order in doubt, of which the provider has said ASKS times that it does not know it, for sending."""
    values = {"id": order_id, "grace": grace_seconds, "asks": ASKS, "provider": provider_id}
    return database.load_one(ClaimedOrder, CLAIM_RESEND, values)


def claim_check(
    order_id: str,
    delays_seconds: list[float],
    *,
    trust_seconds: float,
    order_timeout_seconds: float,
    grace_seconds: float,
    provider_id: str | None = None,
) -> ClaimedCheck | None:
    """Take an order whose check is due, and write the next plan before the provider is asked.

    `delays_seconds[n]` is the wait after check n + 1; the last one repeats. `expired` in the answer means that
    this is the last check.
    """
    values = {
        "id": order_id,
        "delays": delays_seconds,
        "trust": trust_seconds,
        "order_timeout": order_timeout_seconds,
        "grace": grace_seconds,
        "provider": provider_id,
    }
    return database.load_one(ClaimedCheck, CLAIM_CHECK, values)


def in_doubt(
    order_id: str, delay_seconds: float, *, never_reached: bool = False, provider_id: str | None = None
) -> bool:
    """The send got no clear answer: plan to ask in `delay_seconds`. False where an outcome came meanwhile.

    Where the provider was `never_reached`, and cannot know the order from before, there is nothing to ask: the order
    is then sent again.
    """
    values = {
        "id": order_id,
        "delay": delay_seconds,
        "asks": ASKS,
        "never_reached": never_reached,
        "provider": provider_id,
    }
    return database.row(IN_DOUBT, values) is not None


def unknown_to_provider(order_id: str, min_gap_seconds: float, provider_id: str | None = None) -> int:
    """Count an answer "no such reference" about an order in doubt; answers closer than the gap count once.

    While a send is under way the answer says nothing, and does not count.
    """
    found = database.row(UNKNOWN, {"id": order_id, "gap": min_gap_seconds, "provider": provider_id})
    return int(found["unknownCount"]) if found else 0


def request_check(order_id: str) -> bool:
    """Plan a check for now, also where a callback came. False where the order was never sent."""
    return database.row(REQUEST_CHECK, (order_id,)) is not None


def postpone(order_id: str, delay_seconds: float, order_timeout_seconds: float) -> bool:
    """Move a due check without counting it: its provider is down. False where it must not wait: its time is up."""
    values = {"id": order_id, "delay": delay_seconds, "order_timeout": order_timeout_seconds}
    return database.row(POSTPONE, values) is not None


def due(limit: int, after: DueOrder | None) -> list[DueOrder]:
    """Up to `limit` orders whose plan is due, longest due first, behind `after`."""
    at, order_id = (after.next_check_at, after.id) if after else (None, None)
    return database.load(DueOrder, DUE, {"limit": limit, "at": at, "id": order_id})


def adopt(order_timeout_seconds: float, limit: int) -> int:
    """Plan checks for orders that another system sent to a provider of ours; how many."""
    return len(database.rows(ADOPT, {"order_timeout": order_timeout_seconds, "limit": limit}))


#: The order is still with the provider that is meant; where none is named, whoever it is.
HIS = '(%(provider)s::text IS NULL OR o."providerId" = %(provider)s::text)'
OPEN_SQL = ", ".join(f"'{name}'" for name in OPEN_STATUSES)

#: What sending and asking need to know of an order.
TASK = """
    o.id::text AS id, o."providerId" AS provider_id, o.provider_referans, o."externalOrderId" AS external_order_id,
    o."userIdentifier" AS user_identifier, o."extraField" AS extra_field, o.quantity, o."routeParams" AS route_params,
    o."externalStatus" AS external_status, o."productId"::text AS product_id, o."packageId"::text AS package_id,
    o."triedProviders" AS tried_providers, o."checkCount" AS check_count, COALESCE(o."mayBeKnown", true) AS may_be_known
"""
CLAIM_DISPATCH = Prepared(f"""
WITH claimed AS (
    UPDATE product_orders AS o SET "externalStatus" = 'pending', "claimedAt" = now(), attempts = attempts + 1,
        "nextCheckAt" = now() + make_interval(secs => %(grace)s),
        "sendingUntil" = now() + make_interval(secs => %(grace)s), "mayBeKnown" = false
    WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL AND {HIS}
    RETURNING o.*
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'not_sent', 'pending', 'claimed; sending to ' || "providerId" FROM claimed
)
SELECT {TASK} FROM claimed AS o
""")
UNSENT = f"""
SELECT {TASK}
FROM product_orders AS o WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL
"""
REROUTE = """
WITH routed AS (
    UPDATE product_orders SET "providerId" = %(provider)s, "routeParams" = %(params)s
    WHERE id = %(id)s AND "externalStatus" = 'not_sent' AND "providerId" = %(unusable)s
    RETURNING id
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'not_sent', 'not_sent', %(note)s FROM routed
)
SELECT id FROM routed
"""
LEAVE_UNSENT = """
UPDATE product_orders SET "nextCheckAt" = LEAST(now() + make_interval(secs => %(delay)s),
    "createdAt" + make_interval(secs => %(order_timeout)s))
WHERE id = %(id)s AND "externalStatus" = 'not_sent' AND "nextCheckAt" IS NOT NULL RETURNING id
"""
GIVE_UP = """
WITH failed AS (
    UPDATE product_orders SET "externalStatus" = 'failed', status = 'rejected', "failureReason" = 'timeout',
        "lastMessage" = left(%(reason)s, 250), "providerMessage" = %(reason)s, "nextCheckAt" = NULL
    WHERE id = %(id)s AND "externalStatus" = 'not_sent' AND "nextCheckAt" IS NOT NULL
      AND "createdAt" + make_interval(secs => %(order_timeout)s) <= now()
    RETURNING id
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'sweep', 'not_sent', 'failed', 'timeout: ' || %(reason)s FROM failed
)
SELECT id FROM failed
"""
CLAIM_NEXT_PROVIDER = Prepared(f"""
WITH claimed AS (
    UPDATE product_orders AS o SET "providerId" = %(provider)s, "routeParams" = %(params)s, attempts = attempts + 1,
        "triedProviders" = o."triedProviders" || %(refused_by)s::text, "unknownCount" = 0, "unknownAt" = NULL,
        "nextCheckAt" = now() + make_interval(secs => %(grace)s),
        "sendingUntil" = now() + make_interval(secs => %(grace)s), "mayBeKnown" = false, "lastCallbackAt" = NULL
    WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND o."providerId" = %(refused_by)s
    RETURNING o.*
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'pending', 'pending', %(note)s FROM claimed
)
SELECT {TASK} FROM claimed AS o
""")
CLAIM_RESEND = Prepared(f"""
WITH claimed AS (
    UPDATE product_orders AS o SET attempts = attempts + 1, "unknownCount" = 0, "unknownAt" = NULL,
        "nextCheckAt" = now() + make_interval(secs => %(grace)s),
        "mayBeKnown" = o."mayBeKnown" OR o."sendingUntil" IS NOT NULL,
        "sendingUntil" = now() + make_interval(secs => %(grace)s)
    WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND o."unknownCount" >= %(asks)s
      AND (o."sendingUntil" IS NULL OR o."sendingUntil" <= now()) AND {HIS}
    RETURNING o.*
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'pending', 'pending',
        'the order is not at ' || "providerId" || '; sending it again' FROM claimed
)
SELECT {TASK} FROM claimed AS o
""")
CLAIM_CHECK = Prepared(f"""
WITH claimed AS (
    UPDATE product_orders AS o SET "checkCount" = o."checkCount" + 1, "lastSyncAt" = now(), "checkRequestedAt" = NULL,
        "nextCheckAt" = CASE
            WHEN o."externalStatus" NOT IN ({OPEN_SQL}) THEN NULL
            WHEN COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => %(order_timeout)s) <= now()
            THEN now() + make_interval(secs => %(grace)s)
            ELSE LEAST(
                now() + make_interval(secs => (%(delays)s::float8[])[
                    LEAST(o."checkCount" + 1, array_length(%(delays)s::float8[], 1))]),
                COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => %(order_timeout)s)) END
    WHERE o.id = %(id)s AND o."nextCheckAt" <= now() AND o."externalStatus" <> 'not_sent' AND {HIS} AND (
        o."checkRequestedAt" IS NOT NULL
        OR o."externalStatus" IN ({OPEN_SQL}) AND (
            o."lastCallbackAt" IS NULL
            OR o."lastCallbackAt" + make_interval(secs => %(trust)s) <= now()
            OR COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => %(order_timeout)s) <= now()))
    RETURNING o.*
)
SELECT {TASK}, EXTRACT(EPOCH FROM o."nextCheckAt" - now())::float8 AS next_check_seconds,
    o."externalStatus" IN ({OPEN_SQL})
        AND COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => %(order_timeout)s) <= now() AS expired
FROM claimed AS o
""")
IN_DOUBT = Prepared(f"""
UPDATE product_orders AS o SET "nextCheckAt" = now() + make_interval(secs => %(delay)s), "sendingUntil" = NULL,
    "unknownCount" = CASE WHEN %(never_reached)s::boolean AND NOT o."mayBeKnown" THEN %(asks)s::int ELSE 0 END,
    "unknownAt" = NULL, "mayBeKnown" = o."mayBeKnown" OR NOT %(never_reached)s::boolean
WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND {HIS} RETURNING o.id
""")
UNKNOWN = Prepared(f"""
UPDATE product_orders AS o SET
    "unknownCount" = o."unknownCount" + CASE WHEN o."unknownAt" IS NULL
        OR o."unknownAt" + make_interval(secs => %(gap)s) <= now() THEN 1 ELSE 0 END,
    "unknownAt" = CASE WHEN o."unknownAt" IS NULL
        OR o."unknownAt" + make_interval(secs => %(gap)s) <= now() THEN now() ELSE o."unknownAt" END
WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND (o."sendingUntil" IS NULL OR o."sendingUntil" <= now())
  AND {HIS}
RETURNING "unknownCount"
""")
REQUEST_CHECK = """
UPDATE product_orders SET "nextCheckAt" = now(), "checkRequestedAt" = now()
WHERE id = %s AND "externalStatus" <> 'not_sent' AND "providerId" IS NOT NULL AND provider_referans IS NOT NULL
  AND COALESCE("sentAt", "claimedAt") IS NOT NULL RETURNING id
"""
POSTPONE = Prepared(f"""
UPDATE product_orders SET "nextCheckAt" = now() + make_interval(secs => %(delay)s)
WHERE id = %(id)s AND "nextCheckAt" <= now() AND "externalStatus" IN ({OPEN_SQL})
  AND COALESCE("sentAt", "claimedAt") + make_interval(secs => %(order_timeout)s) > now()
RETURNING id
""")
#: Rides idx_orders_due: its cost follows the number of waiting orders, never the size of the table.
DUE = Prepared(f"""
SELECT o.id::text AS id, o."externalStatus" AS external_status, o."providerId" AS provider_id,
    o."nextCheckAt" AS next_check_at
FROM product_orders AS o
WHERE o."nextCheckAt" <= now() AND o."nextCheckAt" IS NOT NULL AND o."externalStatus" IN ({OPEN_SQL})
  AND (%(at)s::timestamptz IS NULL OR (o."nextCheckAt", o.id) > (%(at)s::timestamptz, %(id)s::uuid))
ORDER BY o."nextCheckAt", o.id LIMIT %(limit)s
""")
#: Rides idx_orders_unplanned. Older ones than the timeout are left to whoever sent them.
ADOPT = """
UPDATE product_orders SET "nextCheckAt" = now() WHERE id IN (
    SELECT o.id FROM product_orders AS o JOIN providers AS p ON p.id = o."providerId"
    WHERE o."nextCheckAt" IS NULL AND o."externalStatus" IN ('queued', 'sent', 'processing')
      AND o.provider_referans IS NOT NULL AND o."sentAt" > now() - make_interval(secs => %(order_timeout)s)
    ORDER BY o."sentAt" LIMIT %(limit)s FOR UPDATE OF o SKIP LOCKED)
  AND "nextCheckAt" IS NULL
RETURNING id
"""
