"""Orders that were not sent to any provider yet: given to another one, put off, given up, or cancelled."""

from dataclasses import dataclass

from models import masking, order, texts
from models.claims import ASKS, FORGET_FORMER, MAX_REASON, TASK, ClaimedOrder
from models.db import database
from models.db.prepared import Prepared
from models.outcome import Arrival, OnlyIf, Outcome
from models.provider_health import IS_BLOCKED
from models.route import IS_FOR_ORDER, Route
from models.status import IS_OURS, WAITS_SINCE, ExternalStatus, FailureReason, Result, Source


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that waited for a provider, and is planned for now."""

    id: str
    external_status: str


def find(order_id: str) -> ClaimedOrder | None:
    """The order, if it is ours and was not sent yet; else None."""
    return database.load_one(ClaimedOrder, FIND, {"id": order_id})


def reroute(order_id: str, unusable: str, route: Route, why: str) -> bool:
    """Give the order to another provider of its route, because `unusable` cannot have it: `why` stands behind its id.

    False if it was sent, or is not with `unusable` any more.
    """
    values = {
        "id": order_id,
        "unusable": unusable,
        "provider": route.provider_id,
        "params": database.as_json(route.params),
        "expects": route.expects,
        "field_map": database.as_json(route.field_map),
        "note": f"{unusable} {texts.clean(why, MAX_REASON)}; routed to {route}",
    }
    return database.row(REROUTE, values) is not None


def put_off(
    order_id: str, delay_seconds: float, blocked_delay_seconds: float, order_timeout_seconds: float
) -> None:
    """No provider can take the order now: try again in `delay_seconds`, or when its time is up.

    If its provider is down or paused, it is `take_up` that ends the wait, and `blocked_delay_seconds` in case that was
    missed.
    """
    values = {
        "id": order_id,
        "delay": delay_seconds,
        "blocked_delay": blocked_delay_seconds,
        "order_timeout": order_timeout_seconds,
    }
    database.rows(PUT_OFF, values)


def take_up(provider_id: str, limit: int) -> list[Waiting]:
    """Plan up to `limit` orders for now that a provider may have which takes orders again.

    One that was put off since its return, by it or by the one that the order is with, is sent when that one has said.
    """
    return database.load(Waiting, TAKE_UP, {"provider": provider_id, "limit": limit, "asks": ASKS})


def give_up(order_id: str, order_timeout_seconds: float, reason: str) -> bool:
    """Fail the order, if it has waited for longer than the timeout. False if it has not, or was sent."""
    given_up = Arrival(
        None,
        Source.SWEEP,
        Outcome(ExternalStatus.FAILED, message=masking.ours(reason)),
        order_id=order_id,
        only_if=OnlyIf.UNSENT_AND_OVERDUE,
        failure_reason=FailureReason.TIMEOUT,
        note=f"timeout: {reason}",
    )
    [settled] = order.settle([given_up], order_timeout_seconds=order_timeout_seconds)
    return settled.result is Result.APPLIED


def cancel(order_id: str, made_by: str, *, order_timeout_seconds: float) -> bool:
    """Cancel an order that was not sent to any provider. False if it was, or if it does not exist."""
    cancelled = Arrival(
        None,
        Source.API,
        Outcome(ExternalStatus.FAILED, message="cancelled before it was sent"),
        order_id=order_id,
        only_if=OnlyIf.UNSENT,
        failure_reason=FailureReason.CANCELLED,
        note=f"cancelled with key {made_by}",
        by=made_by,
    )
    [settled] = order.settle([cancelled], order_timeout_seconds=order_timeout_seconds)
    return settled.result is Result.APPLIED


FIND = f"""
SELECT {TASK}
FROM product_orders AS o
WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL AND {IS_OURS}
"""
REROUTE = f"""
WITH routed AS (
    UPDATE product_orders AS o SET "providerId" = %(provider)s, "routeParams" = %(params)s, expects = %(expects)s,
        "fieldMap" = %(field_map)s, {FORGET_FORMER}
    WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."providerId" = %(unusable)s AND {IS_OURS}
    RETURNING id
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'not_sent', 'not_sent', %(note)s FROM routed
)
SELECT id FROM routed
"""
PUT_OFF = f"""
UPDATE product_orders AS o SET "nextCheckAt" = LEAST(
    now() + make_interval(secs => CASE
        WHEN EXISTS (
            SELECT FROM referans.provider_health AS h WHERE h.provider_id = o."providerId" AND {IS_BLOCKED}
        ) THEN %(blocked_delay)s::float8
        ELSE %(delay)s::float8
    END),
    {WAITS_SINCE} + make_interval(secs => %(order_timeout)s))
WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL AND {IS_OURS} RETURNING o.id
"""
#: In SQL, of the order `o`: no provider has it, and it waits for one.
_WAITS = f"""({IS_OURS} AND (
    o."externalStatus" = 'not_sent'
    OR o."externalStatus" = 'pending' AND o."unknownCount" >= %(asks)s AND o."sendingUntil" IS NULL
))"""
#: In SQL, of the order `o`: a provider has put it off since this one has returned, and is asked when it has said.
_IS_PUT_OFF = """COALESCE(o."externalStatus" = 'not_sent' AND o."lastSyncAt" >= (
    SELECT h.returned_at FROM referans.provider_health AS h WHERE h.provider_id = %(provider)s
), false)"""
#: Uses idx_orders_planned: its cost follows the number of waiting orders. Locks the rows in the order of their ids, as
#: settle.sql does; what another statement has planned meanwhile is left, whichever began first. (The index of planned
#: orders is not taken for that: PostgreSQL went through all of them once for each chosen one.)
TAKE_UP = Prepared(f"""
WITH chosen AS (
    SELECT o.id FROM product_orders AS o
    WHERE o."nextCheckAt" > now() AND {_WAITS} AND NOT {_IS_PUT_OFF} AND (
        o."providerId" = %(provider)s
        OR EXISTS (
            SELECT FROM referans.routes AS r WHERE r.provider_id = %(provider)s
                AND r.provider_id <> ALL (COALESCE(o."triedProviders", ARRAY[]::text[]))
                AND {IS_FOR_ORDER}
        )
    )
    ORDER BY o."nextCheckAt", o.id LIMIT %(limit)s
), locked AS (
    SELECT o.id FROM product_orders AS o
    WHERE o.id = ANY (ARRAY(SELECT chosen.id FROM chosen))
      AND COALESCE(o."nextCheckAt", '-infinity') > clock_timestamp() AND {_WAITS} ORDER BY o.id FOR UPDATE
)
UPDATE product_orders AS o SET "nextCheckAt" = now() FROM locked WHERE o.id = locked.id
RETURNING o.id::text AS id, o."externalStatus" AS external_status
""")
