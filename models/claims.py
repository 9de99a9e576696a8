"""Claims: which worker sends or asks next. Each is one conditional UPDATE; it returns no row if another process did it,
or if nothing is due.

A claim names the provider that will be called (`provider_id`), and fails if the order has gone to another one. What
becomes of a send names its reference, too (`referans`): a person may have had the order sent again under another one.
No order goes to a provider of another tenant, even if that was no tenant's when the order was routed. What another hand
has decided is not sent any more, and what another system has placed is never sent. Nor is what waits to be sent again
while a former send has delivered it: a person decides that conflict first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from models import masking, texts, timeline
from models.codeless import HAS_NO_CODES
from models.db import database, receiver
from models.db.prepared import Prepared
from models.order import CODES, TELL
from models.route import Limit, Route, limit_of
from models.status import (
    GRAVE,
    IS_AT_PROVIDER,
    IS_DECIDED,
    IS_NOWHERE,
    IS_OPEN,
    IS_OURS,
    REFERENCE,
    WAITS_SINCE,
    WORD,
)
from models.tenants import PROVIDER_IS_OPEN, is_open_to

#: How often a provider must say that it does not know an order in doubt before it is sent again.
ASKS = 2
#: How often an order that completed without a code is asked for it, if its route does not say that it has one.
CODE_ASKS = 4
#: Orders whose checks are planned so many seconds apart are asked about together.
SAME_MOMENT_SECONDS = 0.5
#: The first number of the advisory lock of a claim of many checks, the same in every version of the gateway; the second
#: one is the provider's.
TOGETHER_LOCK = 7_261_014
#: Characters of a refusal on the timeline, so that the ids of both providers stand beside it.
MAX_REASON = texts.TIMELINE - 200


@dataclass(frozen=True, slots=True)
class Asking:
    """What must hold of an order for its provider to be asked for it: what the provider's protocol says of that."""

    #: Asking is sending again, so that only what we sent ourselves, and is open and in time, is asked about.
    buys: bool = False
    #: Seconds after the send in which it can be asked; None: always.
    within_seconds: float | None = None
    #: It can be asked by its own number only.
    needs_number: bool = False
    #: There is no question.
    never: bool = False
    #: A question about several orders names each by the provider's own number.
    many_need_number: bool = False

    def parameters(self) -> dict[str, Any]:
        """What MAY_ASK takes, and the claims of checks."""
        return {
            "buys": self.buys,
            "within": self.within_seconds,
            "needs_number": self.needs_number,
            "never_asked": self.never,
            "many_need_number": self.many_need_number,
        }


#: Of most protocols: an order can always be asked about, by our reference.
USUAL = Asking()


@dataclass(frozen=True, slots=True)
class ClaimedOrder:
    """What sending and asking need to know of an order."""

    id: str
    provider_id: str
    provider_referans: str
    external_order_id: str | None
    user_identifier: str | None
    extra_field: str | None
    #: Further inputs, by name.
    fields: dict[str, str] | None
    quantity: int | None
    #: What it may cost, all of its quantity together.
    max_cost_amount: Decimal | None
    max_cost_currency: str | None
    #: None: another system has not said it.
    created_at: datetime | None
    #: From the route: whether its orders bring a code.
    expects: str | None
    #: From the route: what the product is called at the provider.
    route_params: dict[str, str] | None
    #: From the route: templates for the provider's fields; None or empty for the protocol's own way.
    field_map: dict[str, str] | None
    external_status: str
    tenant_id: str | None
    product_id: str | None
    package_id: str | None
    #: Providers that refused it.
    tried_providers: list[str]
    check_count: int
    #: Whether its provider may know it, and is therefore asked before the order is sent again.
    may_be_known: bool
    #: When it was claimed, by the database's clock: the call begins later.
    claimed_at: datetime
    #: What it was delivered already, sealed, as in `models.order.Order`.
    pin_code: str | None = field(repr=False)
    codes: list[dict[str, Any]] | None = field(repr=False)

    def limit(self) -> Limit | None:
        """What the next provider may cost at most."""
        return limit_of(self.max_cost_amount, self.max_cost_currency, self.quantity)


@dataclass(frozen=True, slots=True)
class ClaimedCheck(ClaimedOrder):
    """An order whose check was due."""

    #: Seconds until the next check.
    next_check_seconds: float | None
    #: This is its last check: its time is up.
    expired: bool
    #: Seconds for which its time has been up; negative if it is not.
    expired_for_seconds: float
    #: Another system placed it.
    is_theirs: bool
    #: Its provider may be asked for it.
    may_ask: bool


@dataclass(frozen=True, slots=True)
class ClaimedCodeAsk(ClaimedOrder):
    """A completed order whose code is to be asked for."""

    #: Seconds until it is asked for again, as the plan now says.
    next_check_seconds: float | None
    #: If this ask brings no code either, no other follows: `end_code_asks`. Until then the plan repeats it, so that an
    #: answer which we lose by a fault of ours is asked for once more.
    is_last: bool
    #: Whether it is one of the planned asks; those that are requested use up none.
    is_planned: bool
    #: An order that must have a code needs a person after the last ask; of any other that is that.
    must_have_code: bool
    #: Every ask was used up without a code, and a person is needed: do not ask.
    given_up: bool


def claim_dispatch(
    order_id: str, grace_seconds: float, provider_id: str | None = None
) -> ClaimedOrder | None:
    """Take a `not_sent` order for sending. If nothing is heard of it for `grace_seconds`, it is in doubt."""
    values = {"id": order_id, "grace": grace_seconds, "provider": provider_id}
    return database.load_one(ClaimedOrder, CLAIM_DISPATCH, values)


def claim_next_provider(
    order_id: str,
    refused_by: str,
    route: Route,
    reason: str,
    grace_seconds: float,
    referans: str | None = None,
    *,
    did: str = "refused",
) -> ClaimedOrder | None:
    """Take an order that `refused_by` refused for sending to the next provider of its route."""
    note = masking.ours(reason).within(f"{refused_by} {did}: ", f"; sending to {route}", MAX_REASON)
    return _claim_move(order_id, refused_by, route, note, grace_seconds, referans, refused=True)


def claim_unreached(
    order_id: str,
    unreached: str,
    route: Route,
    why: str,
    grace_seconds: float,
    referans: str | None = None,
    *,
    is_waiting: bool = False,
) -> ClaimedOrder | None:
    """Take an order that never reached `unreached` for sending to the next provider; `why` stands behind its id.

    With `is_waiting` it was put off to be sent later, else its send has just ended.
    """
    note = masking.ours(why).within(f"{unreached} ", f"; sending to {route}", MAX_REASON)
    return _claim_move(
        order_id, unreached, route, note, grace_seconds, referans, refused=False, is_waiting=is_waiting
    )


def find_unreached(order_id: str) -> ClaimedOrder | None:
    """The order, if it waits to be sent to a provider that its last send has not reached; else None."""
    return database.load_one(ClaimedOrder, FIND_UNREACHED, {"id": order_id, "asks": ASKS})


def _claim_move(
    order_id: str,
    former: str,
    route: Route,
    note: str,
    grace_seconds: float,
    referans: str | None,
    *,
    refused: bool,
    is_waiting: bool = False,
) -> ClaimedOrder | None:
    values = {
        "id": order_id,
        "former": former,
        "refused": refused,
        "is_waiting": is_waiting,
        "asks": ASKS,
        "provider": route.provider_id,
        "params": database.as_json(route.params),
        "expects": route.expects,
        "field_map": database.as_json(route.field_map),
        "note": note,
        "whole": timeline.sealed_whole(order_id, note),
        "grace": grace_seconds,
        "referans": referans,
    }
    return database.load_one(ClaimedOrder, CLAIM_NEXT_PROVIDER, values)


def claim_resend(
    order_id: str, grace_seconds: float, provider_id: str | None = None, referans: str | None = None
) -> ClaimedOrder | None:
    """Take an order in doubt for sending again, once its provider has said ASKS times that it does not know it."""
    values = {
        "id": order_id,
        "grace": grace_seconds,
        "asks": ASKS,
        "provider": provider_id,
        "referans": referans,
    }
    return database.load_one(ClaimedOrder, CLAIM_RESEND, values)


def claim_check(
    order_id: str,
    delays_seconds: list[float],
    *,
    starts_seconds: list[float] | None = None,
    trust_seconds: float,
    order_timeout_seconds: float,
    grace_seconds: float,
    provider_id: str | None = None,
    asking: Asking = USUAL,
) -> ClaimedCheck | None:
    """Take an order whose check is due, and write the next plan before the provider is asked.

    `delays_seconds[n]` is the wait after check n + 1; the last one repeats. Checks beside the plan, since one was
    requested or callbacks fall short, use up none of these: the wait is never one whose check starts later than now, by
    `starts_seconds` after the send. For `trust_seconds` after a callback no check is due, unless one was requested or
    the order's time is up. One whose provider may not be asked is due again when its time is up.
    """
    values = {
        "id": order_id,
        "delays": delays_seconds,
        "starts": starts_seconds,
        "trust": trust_seconds,
        "order_timeout": order_timeout_seconds,
        "grace": grace_seconds,
        "provider": provider_id,
        "asks": ASKS,
    }
    return database.load_one(ClaimedCheck, CLAIM_CHECK, values | asking.parameters())


def claim_checks(
    order_id: str,
    limit: int,
    delays_seconds: list[float],
    *,
    starts_seconds: list[float] | None = None,
    trust_seconds: float,
    order_timeout_seconds: float,
    grace_seconds: float,
    provider_id: str,
    asking: Asking,
) -> list[ClaimedCheck]:
    """Take up to `limit` open orders of a provider that are due and can be asked about in one question.

    The given order is among the first; then those that are due longest. What another process holds is left to it. Waits
    for another claim of this provider.
    """
    values = {
        "id": order_id,
        "limit": limit,
        "asks": ASKS,
        "delays": delays_seconds,
        "starts": starts_seconds,
        "trust": trust_seconds,
        "order_timeout": order_timeout_seconds,
        "grace": grace_seconds,
        "provider": provider_id,
    }
    return database.load(ClaimedCheck, CLAIM_CHECKS, values | asking.parameters())


def put_off_checks(
    order_ids: Sequence[str],
    delay_seconds: float,
    *,
    provider_id: str,
    order_timeout_seconds: float,
    buys: bool,
    is_planned: bool = True,
) -> None:
    """The provider answered "not now": ask again in `delay_seconds`. The check does not count.

    For a code, one that `is_planned` is taken back; of the others none was counted.
    """
    values = {
        "planned": is_planned,
        "buys": buys,
        "ids": list(order_ids),
        "delay": delay_seconds,
        "provider": provider_id,
        "order_timeout": order_timeout_seconds,
    }
    database.rows(PUT_OFF_CHECKS, values)


def put_off_send(
    order_id: str,
    note: str,
    retry_after_seconds: float | None,
    *,
    shortest_seconds: float,
    longest_seconds: float,
    order_timeout_seconds: float,
    provider_id: str,
    referans: str,
) -> float | None:
    """The provider answered "not now" to the send: the order is `not_sent` again. Seconds until it is tried again.

    Without a time of the provider's the waits double from `shortest_seconds` to `longest_seconds`, as the order grows
    older. None if the provider may have it from an earlier send, or an outcome came meanwhile: nothing was changed.
    """
    values = {
        "id": order_id,
        "note": texts.clean(note, texts.TIMELINE),
        "whole": timeline.sealed_whole(order_id, note),
        "retry_after": retry_after_seconds,
        "shortest": shortest_seconds,
        "longest": longest_seconds,
        "order_timeout": order_timeout_seconds,
        "provider": provider_id,
        "referans": referans,
    }
    found = database.row(PUT_OFF_SEND, values)
    return float(found["wait"]) if found else None


def cannot_ask(
    order_id: str, note: str, provider_id: str, referans: str, asking: Asking, *, is_mine: bool = False
) -> bool:
    """The order may be with its provider, which cannot be asked for it: a person is needed, and nothing is planned.

    False if it is final, or can be asked about after all, or while a send is under way that is not the caller's
    (`is_mine`).
    """
    values = {
        "id": order_id,
        "note": texts.clean(note, texts.TIMELINE),
        "whole": timeline.sealed_whole(order_id, note),
        "provider": provider_id,
        "referans": referans,
        "is_mine": is_mine,
        "asks": ASKS,
        "has_receiver": receiver.has_default(),
    }
    return database.row(CANNOT_ASK, values | asking.parameters()) is not None


def end_ask(order_id: str, provider_id: str, referans: str) -> None:
    """A question that may have bought has been answered, or has failed: no send is under way any more."""
    database.rows(END_ASK, {"id": order_id, "provider": provider_id, "referans": referans})


def leave_without_code(order_id: str) -> bool:
    """End the asking for a completed order's code, because asking may buy. A person is needed if it must have one."""
    return (
        database.row(LEAVE_WITHOUT_CODE, {"id": order_id, "has_receiver": receiver.has_default()}) is not None
    )


def claim_code_ask(
    order_id: str,
    delays_seconds: list[float],
    *,
    backoff_min_seconds: float,
    grace_seconds: float,
    provider_id: str | None = None,
) -> ClaimedCodeAsk | None:
    """Take a completed order that waits for its code, if it is due to be asked for, and write the next plan.

    An order that must have a code is asked for by the backoff, once for each of `delays_seconds`, and then needs a
    person. Any other is asked for CODE_ASKS times, `backoff_min_seconds` times 1, 2 and 4 apart; but only once if it
    has a receipt, or if the last orders of its route ended without a code (`codeless.HAS_NO_CODES`).
    """
    values = {
        "id": order_id,
        "delays": delays_seconds,
        "backoff_min": backoff_min_seconds,
        "grace": grace_seconds,
        "provider": provider_id,
        "has_receiver": receiver.has_default(),
    }
    return database.load_one(ClaimedCodeAsk, CLAIM_CODE_ASK, values)


def end_code_asks(
    order_id: str, provider_id: str | None = None, referans: str | None = None, *, needs_person: bool = False
) -> None:
    """The last ask for the order's code brought none, and that is that; or the next claim leaves it to a person."""
    values = {"id": order_id, "provider": provider_id, "referans": referans, "needs_person": needs_person}
    database.rows(END_CODE_ASKS, values)


def in_doubt(
    order_id: str,
    delay_seconds: float,
    *,
    never_reached: bool = False,
    provider_id: str | None = None,
    referans: str | None = None,
) -> bool:
    """The send got no clear answer: plan to ask in `delay_seconds`. False if an outcome came meanwhile.

    A provider that was `never_reached`, and cannot know the order from before, is not asked: the order is sent again.
    """
    values = {
        "id": order_id,
        "delay": delay_seconds,
        "asks": ASKS,
        "never_reached": never_reached,
        "provider": provider_id,
        "referans": referans,
    }
    return database.row(IN_DOUBT, values) is not None


def unknown_to_provider(
    order_id: str, min_gap_seconds: float, provider_id: str | None = None, referans: str | None = None
) -> int:
    """Count an answer "no such reference" about an order that is open; returns how many there are now.

    Answers closer together than `min_gap_seconds` count once. While a send is under way none counts. One in doubt may
    be sent again by it; of one that its provider had accepted, people are told (`models.denied`).
    """
    values = {"id": order_id, "gap": min_gap_seconds, "provider": provider_id, "referans": referans}
    found = database.row(UNKNOWN, values)
    return int(found["unknownCount"]) if found else 0


#: The order is still with the provider that the claim names, if it names one.
WITH_PROVIDER = '(%(provider)s::text IS NULL OR o."providerId" = %(provider)s::text)'
#: And under the reference that it was sent under.
SAME_REFERANS = f"(%(referans)s::text IS NULL OR {REFERENCE} = %(referans)s::text)"
#: The send is still the order's last one.
SAME_SEND = f"{WITH_PROVIDER} AND {SAME_REFERANS}"
#: In SQL, of the order `o`: every send has ended without reaching its provider, and it is to be sent again.
IS_UNREACHED = f"""(o."externalStatus" = 'pending' AND {IS_NOWHERE} AND %(asks)s <= o."unknownCount")"""
#: In SQL, of the order `o`: no send of it is under way, as far as is known.
NO_SEND = """(o."sendingUntil" IS NULL OR o."sendingUntil" <= now())"""
#: What sending and asking need to know of an order.
TASK = f"""
    o.id::text AS id, o."providerId" AS provider_id, {REFERENCE} AS provider_referans,
    o."externalOrderId" AS external_order_id,
    o."userIdentifier" AS user_identifier, o."extraField" AS extra_field, o."inputFields" AS fields, o.quantity,
    o."maxCostAmount" AS max_cost_amount, o."maxCostCurrency" AS max_cost_currency, o."createdAt" AS created_at,
    o.expects, o."routeParams" AS route_params, o."fieldMap" AS field_map,
    o."externalStatus" AS external_status, o."tenantId"::text AS tenant_id, o."productId"::text AS product_id,
    o."packageId"::text AS package_id,
    o."triedProviders" AS tried_providers, o."checkCount" AS check_count,
    COALESCE(o."mayBeKnown", true) AS may_be_known, now() AS claimed_at, o."pinCode" AS pin_code,
    {CODES} AS codes
"""
#: In SQL, of the order `o`: it is sent by the gateway, and no other hand has decided it.
MAY_BE_SENT = f"({IS_OURS} AND NOT {IS_DECIDED})"
#: In SQL, of the order `o`: the provider that the claim gives it to, and its stock, are not another tenant's.
NEXT_IS_OPEN = is_open_to('o."tenantId"', "%(provider)s::text", "%(params)s::jsonb")
#: In SQL, of the order `o`: since when it waits for its outcome. Another system may not have said when it was sent.
SENT_AT = """COALESCE(o."sentAt", o."claimedAt", o."createdAt")"""
#: In SQL, of the order `o`: since when it is on its way, also where its send was in doubt at first.
BEGUN_AT = """COALESCE(o."claimedAt", o."sentAt", o."createdAt")"""
#: In SQL, of the order `o`: how many checks the plan can have come to by now.
_STARTED = f"""GREATEST(1, COALESCE(width_bucket(
    EXTRACT(EPOCH FROM now() - {BEGUN_AT})::float8, %(starts)s::float8[]), o."checkCount" + 1))"""
#: In SQL, of the order `o`: its time is up.
IS_EXPIRED = f"{SENT_AT} + make_interval(secs => %(order_timeout)s) <= now()"
#: In SQL, of the order `o`: its provider may be asked for it. Takes `Asking.parameters`.
MAY_ASK = f"""(NOT %(never_asked)s::boolean
    AND (NOT %(needs_number)s::boolean OR o."externalOrderId" IS NOT NULL)
    AND COALESCE({SENT_AT} + make_interval(secs => %(within)s::float8) > now(), true)
    AND (NOT %(buys)s::boolean OR {IS_OURS} AND {IS_OPEN}))"""

#: In SQL, an assignment of an order that goes to another provider: what the former one said of it means nothing there.
FORGET_FORMER = """"externalOrderId" = NULL, receipt = NULL, "gatewayCostAmount" = NULL, "gatewayCostCurrency" = NULL,
        "costAmount" = DEFAULT, "costCurrency" = DEFAULT"""

CLAIM_DISPATCH = Prepared(f"""
WITH claimed AS (
    UPDATE product_orders AS o SET "externalStatus" = 'pending', "claimedAt" = now(), attempts = attempts + 1,
        "nextCheckAt" = now() + make_interval(secs => %(grace)s),
        "sendingUntil" = now() + make_interval(secs => %(grace)s), "mayBeKnown" = false,
        "unknownCount" = 0, "unknownAt" = NULL
    WHERE o.id = %(id)s AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL AND {WITH_PROVIDER}
      AND {MAY_BE_SENT} AND o.attention IS DISTINCT FROM 'conflict' AND {PROVIDER_IS_OPEN}
    RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'not_sent', 'pending', 'claimed; sending to ' || "providerId" FROM claimed
)
SELECT {TASK} FROM claimed AS o
""")
CLAIM_NEXT_PROVIDER = Prepared(f"""
WITH former AS (
    SELECT o.id, o.provider_referans AS referans, o."externalOrderId" AS number FROM product_orders AS o
    WHERE o.id = %(id)s AND o."externalOrderId" IS NOT NULL AND o.provider_referans IS NOT NULL
), claimed AS (
    UPDATE product_orders AS o SET "providerId" = %(provider)s, "routeParams" = %(params)s,
        expects = %(expects)s, "fieldMap" = %(field_map)s, {FORGET_FORMER},
        attempts = attempts + 1, "checkCount" = 0,
        "triedProviders" = CASE WHEN %(refused)s::boolean THEN o."triedProviders" || %(former)s::text
            ELSE o."triedProviders" END, "unknownCount" = 0, "unknownAt" = NULL,
        "nextCheckAt" = now() + make_interval(secs => %(grace)s),
        "sendingUntil" = now() + make_interval(secs => %(grace)s), "mayBeKnown" = false, "lastCallbackAt" = NULL
    WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND o."providerId" = %(former)s
      AND (%(refused)s::boolean OR NOT o."mayBeKnown") AND (NOT %(is_waiting)s::boolean OR {IS_UNREACHED})
      AND {SAME_REFERANS} AND {MAY_BE_SENT} AND {NEXT_IS_OPEN}
    RETURNING o.*
), kept AS (
    INSERT INTO referans.former_references AS f (referans, provider_id, external_order_id, order_id)
    SELECT former.referans, %(former)s, former.number, former.id FROM former JOIN claimed USING (id)
    ON CONFLICT (referans, provider_id) DO UPDATE SET external_order_id = excluded.external_order_id
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, whole)
    SELECT id, 'dispatch', 'pending', 'pending', %(note)s, %(whole)s FROM claimed
)
SELECT {TASK} FROM claimed AS o
""")
FIND_UNREACHED = Prepared(f"""
SELECT {TASK} FROM product_orders AS o WHERE o.id = %(id)s AND {IS_UNREACHED} AND {MAY_BE_SENT}
""")
CLAIM_RESEND = Prepared(f"""
WITH claimed AS (
    UPDATE product_orders AS o SET attempts = attempts + 1, "unknownCount" = 0, "unknownAt" = NULL,
        "nextCheckAt" = now() + make_interval(secs => %(grace)s),
        "mayBeKnown" = o."mayBeKnown" OR o."sendingUntil" IS NOT NULL,
        "sendingUntil" = now() + make_interval(secs => %(grace)s)
    WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND o."unknownCount" >= %(asks)s
      AND {NO_SEND} AND {SAME_SEND} AND {MAY_BE_SENT}
      AND {PROVIDER_IS_OPEN}
    RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'pending', 'pending',
        'the order is not at ' || "providerId" || '; sending it again' FROM claimed
)
SELECT {TASK} FROM claimed AS o
""")
#: In SQL: what a claim of checks does with the orders `o`. One that is asked about by a call that may buy is being
#: sent.
_TAKE = f"""
    UPDATE product_orders AS o SET
        "checkCount" = o."checkCount" + CASE WHEN {MAY_ASK} THEN 1 ELSE 0 END,
        "lastSyncAt" = CASE WHEN {MAY_ASK} THEN now() ELSE o."lastSyncAt" END,
        "checkRequestedAt" = NULL,
        "sendingUntil" = CASE
            WHEN %(buys)s::boolean AND {MAY_ASK} AND NOT {IS_EXPIRED} AND NOT {IS_UNREACHED}
            THEN now() + make_interval(secs => %(grace)s)
            ELSE o."sendingUntil" END,
        "nextCheckAt" = CASE
            WHEN NOT {IS_OPEN} THEN NULL
            WHEN {IS_EXPIRED} THEN now() + make_interval(secs => %(grace)s)
            WHEN NOT {MAY_ASK} AND o."sendingUntil" > now() THEN o."sendingUntil"
            WHEN NOT {MAY_ASK} THEN {SENT_AT} + make_interval(secs => %(order_timeout)s)
            ELSE LEAST(
                GREATEST(
                    now() + make_interval(secs => (%(delays)s::float8[])[
                        LEAST(o."checkCount" + 1, {_STARTED}, array_length(%(delays)s::float8[], 1))]),
                    CASE WHEN %(buys)s::boolean THEN now() + make_interval(secs => %(grace)s) END),
                {SENT_AT} + make_interval(secs => %(order_timeout)s)) END
"""
#: In SQL, of the order `o`: its check may be made once it is due. While a call is under way that may buy, no other one
#: begins.
_MAY_BE_CHECKED = f"""{WORD} <> 'not_sent'
      AND ({IS_OURS} OR {IS_AT_PROVIDER})
      AND (NOT %(buys)s::boolean OR {NO_SEND})
      AND ({IS_OPEN} OR o."codeAsks" IS NULL) AND {WITH_PROVIDER} AND (
        o."checkRequestedAt" IS NOT NULL
        OR {IS_OPEN} AND (
            o."lastCallbackAt" IS NULL
            OR o."lastCallbackAt" + make_interval(secs => %(trust)s) <= now()
            OR {IS_EXPIRED}))"""
_CHECK = f"""
SELECT {TASK}, EXTRACT(EPOCH FROM o."nextCheckAt" - now())::float8 AS next_check_seconds,
    {IS_OPEN} AND {IS_EXPIRED} AS expired,
    EXTRACT(EPOCH FROM now() - {SENT_AT})::float8 - %(order_timeout)s AS expired_for_seconds,
    NOT {IS_OURS} AS is_theirs,
    {MAY_ASK} AND NOT (%(buys)s::boolean AND {IS_EXPIRED}) AS may_ask
FROM claimed AS o
"""
CLAIM_CHECK = Prepared(f"""
WITH claimed AS (
    {_TAKE} WHERE o.id = %(id)s AND o."nextCheckAt" <= now() AND {_MAY_BE_CHECKED} RETURNING o.*
) {_CHECK}
""")
#: In SQL, of the order `o`: it can be asked about together with others, now. Those that are due within a moment are due
#: at the same one: clocks differ, and so do the statements that planned them. One that is to be sent again needs no
#: question.
_GOES_TOGETHER = f"""o."nextCheckAt" <= now() + make_interval(secs => {SAME_MOMENT_SECONDS}) AND {_MAY_BE_CHECKED}
      AND {IS_OPEN} AND {MAY_ASK} AND (o."externalOrderId" IS NOT NULL OR NOT %(many_need_number)s::boolean)
      AND (o."externalStatus" IS DISTINCT FROM 'pending' OR o."unknownCount" < %(asks)s)"""
#: Uses idx_orders_planned: its cost follows the number of orders that are due. What others hold is skipped, so that
#: each order is in one question only. Claims of one provider take turns, some milliseconds each: else those that begin
#: in the same moment share the orders among them, and ask many small questions instead of a few full ones.
CLAIM_CHECKS = Prepared(f"""
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock({TOGETHER_LOCK}, hashtext(%(provider)s::text)) AS taken
), named AS (
    SELECT o.id FROM product_orders AS o
    WHERE (SELECT turn.taken IS NOT NULL FROM turn) AND o.id = %(id)s::uuid AND {_GOES_TOGETHER}
    FOR UPDATE OF o SKIP LOCKED
), others AS (
    SELECT o.id FROM product_orders AS o
    WHERE o.id <> %(id)s::uuid AND o."nextCheckAt" IS NOT NULL AND {_GOES_TOGETHER}
    ORDER BY o."nextCheckAt", o.id LIMIT %(limit)s - (SELECT count(*) FROM named) FOR UPDATE OF o SKIP LOCKED
), claimed AS (
    {_TAKE} WHERE o.id = ANY (ARRAY(SELECT named.id FROM named UNION ALL SELECT others.id FROM others)) RETURNING o.*
) {_CHECK}
""")
PUT_OFF_CHECKS = Prepared(f"""
UPDATE product_orders AS o SET
    "checkCount" = CASE WHEN o."codeAsks" IS NULL THEN GREATEST(o."checkCount" - 1, 0) ELSE o."checkCount" END,
    "codeAsks" = GREATEST(o."codeAsks" - CASE WHEN %(planned)s::boolean THEN 1 ELSE 0 END, 0),
    "sendingUntil" = CASE WHEN NOT %(buys)s::boolean THEN o."sendingUntil" END,
    "nextCheckAt" = CASE
        WHEN {IS_OPEN} AND NOT {IS_EXPIRED}
        THEN LEAST(now() + make_interval(secs => %(delay)s), {SENT_AT} + make_interval(secs => %(order_timeout)s))
        ELSE now() + make_interval(secs => %(delay)s)
    END
WHERE o.id = ANY (%(ids)s::uuid[]) AND o."nextCheckAt" IS NOT NULL AND {WITH_PROVIDER}
  AND {WORD} <> 'not_sent'
""")
#: It waits as one that was never sent, so that it goes to another provider where its own is down by then.
PUT_OFF_SEND = Prepared(f"""
WITH put_off AS (
    UPDATE product_orders AS o SET "externalStatus" = 'not_sent', attempts = GREATEST(attempts - 1, 0),
        "claimedAt" = NULL, "sendingUntil" = NULL, "mayBeKnown" = NULL, "lastSyncAt" = now(),
        "nextCheckAt" = LEAST(
            now() + make_interval(secs => COALESCE(%(retry_after)s::float8, LEAST(%(longest)s::float8, GREATEST(
                %(shortest)s::float8,
                EXTRACT(EPOCH FROM now() - {WAITS_SINCE})::float8)))),
            {WAITS_SINCE} + make_interval(secs => %(order_timeout)s))
    WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND NOT o."mayBeKnown" AND {MAY_BE_SENT} AND {SAME_SEND}
    RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, whole)
    SELECT id, 'dispatch', 'pending', 'not_sent', %(note)s, %(whole)s FROM put_off
)
SELECT EXTRACT(EPOCH FROM o."nextCheckAt" - now())::float8 AS wait FROM put_off AS o
""")
CANNOT_ASK = Prepared(f"""
WITH left_to_person AS (
    UPDATE product_orders AS o SET "nextCheckAt" = NULL, "checkRequestedAt" = NULL, "sendingUntil" = NULL,
        "mayBeKnown" = true, attention = COALESCE({GRAVE}, 'cannot_ask'),
        "attentionAt" = CASE WHEN {GRAVE} IS NULL THEN now() ELSE o."attentionAt" END
    WHERE o.id = %(id)s AND {IS_OPEN} AND o."externalStatus" <> 'not_sent' AND {SAME_SEND} AND {IS_OURS}
      AND (%(is_mine)s::boolean OR {NO_SEND})
      AND NOT {MAY_ASK} AND NOT {IS_UNREACHED}
    RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, whole)
    SELECT id, 'dispatch', "externalStatus", "externalStatus", %(note)s, %(whole)s FROM left_to_person
), notified AS (
    {TELL.format(kind="'order.attention'", source="left_to_person AS o")} AND o."attentionAt" = now()
)
SELECT id FROM left_to_person
""")
END_ASK = Prepared(f"""
UPDATE product_orders AS o SET "sendingUntil" = NULL WHERE o.id = %(id)s AND {IS_OPEN} AND {SAME_SEND}
""")
LEAVE_WITHOUT_CODE = f"""
WITH left_alone AS (
    UPDATE product_orders AS o SET "codeAsks" = NULL, "nextCheckAt" = NULL, "checkRequestedAt" = NULL,
        attention = CASE WHEN o.expects = 'code' THEN COALESCE({GRAVE}, 'no_code') ELSE o.attention END,
        "attentionAt" = CASE WHEN o.expects = 'code' AND {GRAVE} IS NULL THEN now() ELSE o."attentionAt" END
    WHERE o.id = %(id)s AND o."codeAsks" IS NOT NULL AND o."nextCheckAt" <= now() RETURNING o.*
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'poll', "externalStatus", "externalStatus",
        'completed without its code, and not asked for it: asking ' || "providerId" || ' may buy again'
    FROM left_alone
), notified AS (
    {TELL.format(kind="'order.attention'", source="left_alone AS o")}
    AND o.attention = 'no_code' AND o."attentionAt" = now()
)
SELECT id FROM left_alone
"""
CLAIM_CODE_ASK = Prepared(f"""
WITH due AS (
    SELECT o.id, o."codeAsks" AS asks, COALESCE(o.expects = 'code', false) AS must_have_code,
        o."checkRequestedAt" IS NOT NULL AS requested,
        o.receipt IS NOT NULL OR o."codeAsks" = 0 AND {HAS_NO_CODES} AS once_only
    FROM product_orders AS o
    WHERE o.id = %(id)s AND o."nextCheckAt" <= now() AND o."codeAsks" IS NOT NULL AND {WITH_PROVIDER}
    FOR UPDATE
), planned AS (
    SELECT due.*,
        must_have_code AND asks >= array_length(%(delays)s::float8[], 1) AND NOT requested AS given_up,
        NOT requested AND asks + 1 >= CASE
            WHEN must_have_code THEN array_length(%(delays)s::float8[], 1) WHEN once_only THEN 1 ELSE {CODE_ASKS}
        END AS is_last,
        CASE
            WHEN must_have_code AND asks + 1 < array_length(%(delays)s::float8[], 1)
            THEN (%(delays)s::float8[])[asks + 1]
            WHEN NOT must_have_code AND NOT once_only AND asks + 1 < {CODE_ASKS}
            THEN %(backoff_min)s::float8 * 2 ^ asks
            ELSE %(grace)s::float8
        END AS delay
    FROM due
), claimed AS (
    UPDATE product_orders AS o SET
        "lastSyncAt" = CASE WHEN p.given_up THEN o."lastSyncAt" ELSE now() END,
        "checkRequestedAt" = NULL,
        "codeAsks" = CASE WHEN NOT p.given_up THEN p.asks + CASE WHEN p.requested THEN 0 ELSE 1 END END,
        "nextCheckAt" = CASE WHEN NOT p.given_up THEN now() + make_interval(secs => p.delay) END,
        "attentionAt" = CASE WHEN p.given_up AND {GRAVE} IS NULL THEN now() ELSE o."attentionAt" END,
        attention = CASE WHEN p.given_up THEN COALESCE({GRAVE}, 'no_code') ELSE o.attention END
    FROM planned AS p WHERE o.id = p.id
    RETURNING o.*, p.is_last, NOT p.requested AS is_planned, p.must_have_code, p.given_up
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT id, 'poll', "externalStatus", "externalStatus",
        'completed, but asking has not brought its code; a person is needed'
    FROM claimed WHERE given_up
), notified AS (
    {TELL.format(kind="'order.attention'", source="claimed AS o")}
    AND o.given_up AND o.attention = 'no_code' AND o."attentionAt" = now()
)
SELECT {TASK}, EXTRACT(EPOCH FROM o."nextCheckAt" - now())::float8 AS next_check_seconds,
    o.is_last, o.is_planned, o.must_have_code, o.given_up
FROM claimed AS o
""")
END_CODE_ASKS = Prepared(f"""
UPDATE product_orders AS o SET
    "codeAsks" = CASE WHEN %(needs_person)s::boolean THEN o."codeAsks" END,
    "nextCheckAt" = CASE WHEN %(needs_person)s::boolean THEN now() END
WHERE o.id = %(id)s AND o."codeAsks" IS NOT NULL AND o."checkRequestedAt" IS NULL AND {SAME_SEND}
""")
IN_DOUBT = Prepared(f"""
UPDATE product_orders AS o SET "nextCheckAt" = now() + make_interval(secs => %(delay)s), "sendingUntil" = NULL,
    "unknownCount" = CASE WHEN %(never_reached)s::boolean AND NOT o."mayBeKnown" THEN %(asks)s::int ELSE 0 END,
    "unknownAt" = NULL, "mayBeKnown" = o."mayBeKnown" OR NOT %(never_reached)s::boolean
WHERE o.id = %(id)s AND o."externalStatus" = 'pending' AND {SAME_SEND} AND {IS_OURS} RETURNING o.id
""")
UNKNOWN = Prepared(f"""
UPDATE product_orders AS o SET
    "unknownCount" = o."unknownCount" + CASE WHEN o."unknownAt" IS NULL
        OR o."unknownAt" + make_interval(secs => %(gap)s) <= now() THEN 1 ELSE 0 END,
    "unknownAt" = CASE WHEN o."unknownAt" IS NULL
        OR o."unknownAt" + make_interval(secs => %(gap)s) <= now() THEN now() ELSE o."unknownAt" END
WHERE o.id = %(id)s AND {IS_OPEN} AND {WORD} <> 'not_sent'
  AND {NO_SEND} AND {SAME_SEND}
RETURNING "unknownCount"
""")
