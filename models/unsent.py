"""Orders that were not sent to any provider yet: given to another one, put off, or given up."""

from models import order
from models.claims import TASK, ClaimedOrder
from models.db import database
from models.outcome import Arrival, OnlyIf, Outcome
from models.route import Route
from models.status import ExternalStatus, FailureReason, Result, Source


def find(order_id: str) -> ClaimedOrder | None:
    """The order, if it is ours and was not sent yet; else None."""
    return database.load_one(ClaimedOrder, FIND, {"id": order_id})


def reroute(order_id: str, unusable: str | None, route: Route) -> bool:
    """Give the order to another provider of its route. False if it was sent, or is not with `unusable` any more."""
    values = {
        "id": order_id,
        "unusable": unusable,
        "provider": route.provider_id,
        "params": database.as_json(route.params),
        "expects": route.expects,
        "field_map": database.as_json(route.field_map),
        "note": f"{unusable} cannot be used; routed to {route.provider_id}",
    }
    return database.row(REROUTE, values) is not None


def put_off(order_id: str, delay_seconds: float, order_timeout_seconds: float) -> None:
    """No provider can take the order now: try again in `delay_seconds`, or when its time is up."""
    values = {"id": order_id, "delay": delay_seconds, "order_timeout": order_timeout_seconds}
    database.rows(PUT_OFF, values)


def give_up(order_id: str, order_timeout_seconds: float, reason: str) -> bool:
    """Fail the order, if it has waited for longer than the timeout. False if it has not, or was sent."""
    given_up = Arrival(
        None,
        Source.SWEEP,
        Outcome(ExternalStatus.FAILED, message=reason),
        order_id=order_id,
        only_if=OnlyIf.UNSENT_AND_OVERDUE,
        failure_reason=FailureReason.TIMEOUT,
        note=f"timeout: {reason}",
    )
    [settled] = order.settle([given_up], order_timeout_seconds=order_timeout_seconds)
    return settled.result is Result.APPLIED


FIND = f"""
SELECT {TASK}
FROM product_orders AS o WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL
"""
REROUTE = """
WITH routed AS (
    UPDATE product_orders SET "providerId" = %(provider)s, "routeParams" = %(params)s, expects = %(expects)s,
        "fieldMap" = %(field_map)s
    WHERE id = %(id)s AND "externalStatus" = 'not_sent' AND "providerId" = %(unusable)s
    RETURNING id
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'not_sent', 'not_sent', %(note)s FROM routed
)
SELECT id FROM routed
"""
PUT_OFF = """
UPDATE product_orders SET "nextCheckAt" = LEAST(now() + make_interval(secs => %(delay)s),
    "createdAt" + make_interval(secs => %(order_timeout)s))
WHERE id = %(id)s AND "externalStatus" = 'not_sent' AND "nextCheckAt" IS NOT NULL RETURNING id
"""
