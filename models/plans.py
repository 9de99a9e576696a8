"""Plans: when something is to be done for an order.

`nextCheckAt` is the plan: set exactly while the gateway has something to do for an order. The queue only hints.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.said import Said
from models import timeline
from models.claims import MAY_ASK, SENT_AT, USUAL, Asking
from models.db import database, receiver
from models.db.prepared import Prepared
from models.order import CODES, FIRST_OF_SEVERAL, TELL, Order
from models.status import (
    FINAL_WORDS,
    GRAVE,
    IS_AT_PROVIDER,
    IS_DECIDED,
    IS_OPEN,
    IS_OURS,
    LOWERED,
    REFERENCE,
    WAS_CLAIMED,
    WORD,
    Attention,
    ExternalStatus,
    Source,
)

#: A check requested again within so many seconds is the same check: its provider is asked once.
SAME_CHECK_SECONDS = 5.0


class Requested(StrEnum):
    """What became of a request for a check."""

    #: It is planned for now.
    PLANNED = "planned"
    #: One was requested a moment ago: it is the same.
    SAME = "same"


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order whose plan is due."""

    id: str
    external_status: str
    provider_id: str | None
    next_check_at: datetime


@dataclass(frozen=True, slots=True)
class Adopted:
    """An order of another system that is followed from now on."""

    id: str
    #: Seconds until its first check; none or fewer if it is due.
    check_in_seconds: float


def due(limit: int, after: DueOrder | None) -> list[DueOrder]:
    """Up to `limit` orders whose plan is due, longest due first; those that follow `after`."""
    at, order_id = (after.next_check_at, after.id) if after else (None, None)
    return database.load(DueOrder, DUE, {"limit": limit, "at": at, "id": order_id})


def late(late_seconds: float, first_check_seconds: float, limit: int) -> list[DueOrder]:
    """Up to `limit` orders whose hint seems lost, longest due first.

    Their plan is overdue by `late_seconds`, or they were placed that long ago, are not sent, and were never put off:
    the plan of one that was just placed is `first_check_seconds` away.
    """
    return database.load(DueOrder, LATE, {"late": late_seconds, "first": first_check_seconds, "limit": limit})


def postpone(order_id: str, delay_seconds: float, order_timeout_seconds: float) -> bool:
    """Put off a due check without counting it: its provider is down. False if the order's time is up."""
    values = {"id": order_id, "delay": delay_seconds, "order_timeout": order_timeout_seconds}
    return database.row(POSTPONE, values) is not None


def request_check(
    order_id: str, asking: Asking = USUAL, same_within_seconds: float = SAME_CHECK_SECONDS
) -> Requested | None:
    """Plan a check for now, even after a callback. None if its provider cannot be asked; see `why_unasked`."""
    values = {"id": order_id, "same_within": same_within_seconds}
    found = database.row(REQUEST_CHECK, values | asking.parameters())
    return Requested(found["requested"]) if found else None


def request_named(
    provider_id: str, referans: str | None, external_order_id: str | None, asking: Asking
) -> tuple[str, bool] | None:
    """Plan a check of the order that a provider means by our reference, or else by its own number, because it says so.

    Its id, and whether a check is planned now; None if the provider has no such order. As often as it may say so, each
    order is asked about once in SAME_CHECK_SECONDS.
    """
    values = {"provider": provider_id, "referans": referans, "number": external_order_id}
    found = database.row(FIND_NAMED, values)
    if found is None:
        return None
    order_id = str(found["id"])
    is_planned = request_check(order_id, asking) is Requested.PLANNED
    if is_planned:
        timeline.record(order_id, Source.CALLBACK, f"{provider_id} has news of it, and is asked")
    return order_id, is_planned


def why_unasked(order: Order, asking: Asking = USUAL) -> Said:
    """Why no check of the order can be planned, and what to do, as a clause."""
    if order.attention == Attention.MANUAL:
        return Said("a person completes it: gateway orders complete {order}", order=order.id)
    if order.provider_id and database.row(FIND_PROVIDER, (order.provider_id,)) is None:
        return Said(
            "its provider {provider} is not configured here; see: gateway providers list",
            provider=order.provider_id,
        )
    if order.external_status != ExternalStatus.NOT_SENT and asking.buys:
        return Said("asking its provider may buy it again, and it is final or too old for that")
    if order.external_status != ExternalStatus.NOT_SENT and asking != USUAL:
        return Said("its provider cannot be asked for it; look for it in the provider's panel")
    return Said("the order was never sent, so its provider cannot be asked")


def leave_to_person(order_id: str) -> bool:
    """Drop the plan of an order that a person fulfils: it is not asked about, and does not time out.

    False if it was not given to a person yet, or is final.
    """
    values = {"id": order_id, "has_receiver": receiver.has_default()}
    return database.row(LEAVE_TO_PERSON, values) is not None


def drop_ended(limit: int) -> int:
    """Drop plans that mean nothing any more; returns how many.

    Another system has ended the order while it was followed here, has taken it from its provider, or has decided it
    before it was sent.
    """
    return len(database.rows(DROP_ENDED, {"limit": limit}))


def adopt(first_check_seconds: float, limit: int) -> list[Adopted]:
    """Follow up to `limit` orders that another system sent to one of our providers, longest sent first of each.

    The first check of each is planned `first_check_seconds` after it was sent, by our clock if theirs runs ahead. It is
    the last one, too, of one that was sent longer ago than the timeout (`claims.claim_check`).
    """
    return database.load(Adopted, ADOPT, {"first": first_check_seconds, "limit": limit})


#: In SQL, of the order `o`: its plan means something. A final order is asked about for its code, or on request.
IS_PLANNED = f"""({IS_OPEN} AND ({IS_OURS} OR {IS_AT_PROVIDER})
    OR o."codeAsks" IS NOT NULL OR o."checkRequestedAt" IS NOT NULL)"""
#: Uses idx_orders_planned: its cost follows the number of waiting orders, never the size of the table.
DUE = Prepared(f"""
SELECT o.id::text AS id, o."externalStatus" AS external_status, o."providerId" AS provider_id,
    o."nextCheckAt" AS next_check_at
FROM product_orders AS o
WHERE o."nextCheckAt" <= now() AND o."nextCheckAt" IS NOT NULL AND {IS_PLANNED}
  AND (%(at)s::timestamptz IS NULL OR (o."nextCheckAt", o.id) > (%(at)s::timestamptz, %(id)s::uuid))
ORDER BY o."nextCheckAt", o.id LIMIT %(limit)s
""")
#: Both parts use idx_orders_planned.
LATE = f"""
SELECT found.* FROM (
    SELECT o.id::text AS id, o."externalStatus" AS external_status, o."providerId" AS provider_id,
        o."nextCheckAt" AS next_check_at
    FROM product_orders AS o
    WHERE o."nextCheckAt" <= now() - make_interval(secs => %(late)s) AND o."nextCheckAt" IS NOT NULL AND {IS_PLANNED}
    UNION ALL
    SELECT o.id::text, o."externalStatus", o."providerId", o."nextCheckAt"
    FROM product_orders AS o
    WHERE o."nextCheckAt" > now() - make_interval(secs => %(late)s)
      AND o."nextCheckAt" <= now() + make_interval(secs => %(first)s) AND o."nextCheckAt" IS NOT NULL
      AND o."externalStatus" = 'not_sent' AND {IS_OURS} AND o."createdAt" <= now() - make_interval(secs => %(late)s)
      AND o."nextCheckAt" = o."createdAt" + make_interval(secs => %(first)s)
) AS found
ORDER BY found.next_check_at, found.id LIMIT %(limit)s
"""
POSTPONE = Prepared(f"""
UPDATE product_orders AS o SET "nextCheckAt" = now() + make_interval(secs => %(delay)s)
WHERE o.id = %(id)s AND o."nextCheckAt" <= now() AND (o."codeAsks" IS NOT NULL OR {IS_OPEN}
  AND {SENT_AT} + make_interval(secs => %(order_timeout)s) > now())
RETURNING o.id
""")
#: In SQL, of the order `o`: its provider can be asked for it. Of another system's, one that is configured here.
CAN_BE_ASKED = f"""(({IS_AT_PROVIDER} AND EXISTS (SELECT FROM referans.providers AS p WHERE p.id = o."providerId")
    OR {IS_OURS} AND o."externalStatus" <> 'not_sent' AND o."providerId" IS NOT NULL
    AND o.provider_referans IS NOT NULL AND {WAS_CLAIMED})
    AND COALESCE(o.attention NOT IN ('manual', 'cannot_ask'), true) AND {MAY_ASK})"""
FIND_PROVIDER = "SELECT p.id FROM referans.providers AS p WHERE p.id = %s"
#: Of several requests at the same instant one plans: the others wait for its row, and then see it.
REQUEST_CHECK = f"""
WITH planned AS (
    UPDATE product_orders AS o SET "nextCheckAt" = now(), "checkRequestedAt" = now(), "checkAskedAt" = now()
    WHERE o.id = %(id)s AND {CAN_BE_ASKED}
      AND (o."checkAskedAt" IS NULL OR o."checkAskedAt" <= now() - make_interval(secs => %(same_within)s))
    RETURNING o.id
)
SELECT CASE WHEN EXISTS (SELECT FROM planned) THEN 'planned' ELSE 'same' END AS requested
FROM product_orders AS o WHERE o.id = %(id)s AND {CAN_BE_ASKED}
"""
FIND_NAMED = Prepared(f"""
SELECT found.id::text AS id FROM (
    (SELECT o.id FROM product_orders AS o
    WHERE o.provider_referans = %(referans)s::text AND o."providerId" = %(provider)s::text
    ORDER BY {FIRST_OF_SEVERAL} LIMIT 1)
    UNION ALL
    (SELECT o.id FROM product_orders AS o
    WHERE o."externalOrderId" = COALESCE(%(number)s::text, %(referans)s::text)
        AND o."providerId" = %(provider)s::text
    ORDER BY {FIRST_OF_SEVERAL} LIMIT 1)
) AS found LIMIT 1
""")
LEAVE_TO_PERSON = f"""
WITH left_to_person AS (
    UPDATE product_orders AS o SET "nextCheckAt" = NULL, "checkRequestedAt" = NULL,
        attention = COALESCE({GRAVE}, 'manual'),
        "attentionAt" = CASE WHEN {GRAVE} IS NULL THEN now() ELSE o."attentionAt" END
    WHERE o.id = %(id)s AND {IS_OPEN} AND {WORD} NOT IN ('not_sent', 'pending') RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'sweep', "externalStatus", "externalStatus", 'waits for a person to complete it'
    FROM left_to_person
), notified AS (
    {TELL.format(kind="'order.attention'", source="left_to_person AS o")} AND o."attentionAt" = now()
)
SELECT id FROM left_to_person
"""
DROP_ENDED = f"""
UPDATE product_orders SET "nextCheckAt" = NULL, "adoptedAt" = NULL WHERE id IN (
    SELECT o.id FROM product_orders AS o WHERE o."nextCheckAt" <= now()
        AND (NOT {IS_PLANNED} OR o."externalStatus" = 'not_sent' AND {IS_DECIDED})
    ORDER BY o."nextCheckAt" LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id
"""
#: In SQL, of the order `o`: another system has sent it, waits for its outcome, and has not decided it; and it is not
#: followed here since. One that needs a person is left to people unless it was sent again since. It is the condition of
#: idx_orders_to_follow.
UNFOLLOWED = f"""(o."nextCheckAt" IS NULL AND {LOWERED.format(word="o.status")} = 'pending'
    AND {WORD} NOT IN ({", ".join(f"'{word}'" for word in ("not_sent", *FINAL_WORDS))})
    AND {REFERENCE} IS NOT NULL
    AND (o."adoptedAt" IS NULL OR o."adoptedAt" < o."sentAt")
    AND (o.attention IS NULL OR o."attentionAt" < o."sentAt"))"""
#: Its cost follows the number of orders that wait to be followed. Skips what others hold, and so waits for nothing.
#: That it was sent again since is not believed of a time that is still to come: it would be so for ever.
#: What is known of an earlier send means nothing for this one, nor do codes if "pinCode" was emptied.
ADOPT = Prepared(f"""
WITH found AS (
    SELECT o.id
    FROM referans.providers AS p
    CROSS JOIN LATERAL (
        SELECT o.id FROM product_orders AS o WHERE o."providerId" = p.id AND {UNFOLLOWED}
            AND (o."sentAt" <= now() OR o."adoptedAt" IS NULL AND o.attention IS NULL)
        ORDER BY o."sentAt" LIMIT %(limit)s FOR UPDATE OF o SKIP LOCKED
    ) AS o
    LIMIT %(limit)s
), adopted AS (
    UPDATE product_orders AS o SET
        "nextCheckAt" = GREATEST(now(), LEAST(now(), {SENT_AT}) + make_interval(secs => %(first)s)),
        "adoptedAt" = now(),
        "checkCount" = 0, "unknownCount" = 0, "unknownAt" = NULL, "lastCallbackAt" = NULL, "codeAsks" = NULL,
        "failureReason" = NULL, late = false, attention = NULL, "attentionAt" = NULL,
        codes = {CODES}
    WHERE o.id = ANY (ARRAY(SELECT found.id FROM found))
    RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'sweep', "externalStatus", "externalStatus", 'followed from now on at ' || "providerId"
    FROM adopted
)
SELECT id::text AS id, EXTRACT(EPOCH FROM "nextCheckAt" - now())::float8 AS check_in_seconds FROM adopted
""")
