"""What a person decides about an order: its end, its codes, or that it is sent again.

A decision is made on what the person saw. If the order has changed since, nothing happens and the person is told, so
that of two who decide at the same instant one does. Every decision stands on the timeline, with name and reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.said import Said
from models import choosing, order, texts, timeline
from models.claims import FORGET_FORMER
from models.codes import Code
from models.db import database, sealed
from models.order import CODES, COLUMNS, COST_AMOUNT, COST_CURRENCY, HAS_CODE, VERSION, Order, open_codes
from models.outcome import Arrival, Outcome, from_json, owner
from models.placing import new_referans, with_fresh_references
from models.route import Route, limit_of
from models.status import (
    IS_DECIDED,
    IS_NOWHERE,
    IS_OPEN,
    IS_OURS,
    WAS_CLAIMED,
    Attention,
    ExternalStatus,
    FailureReason,
    Kind,
    Result,
    Source,
    kind_of,
    lowered,
)

#: A decision plans nothing, so the order timeout plays no part in settling it.
NO_TIMEOUT = 0.0
#: Seconds after a decision in which another person's counts as made at the same instant.
SAME_INSTANT_SECONDS = 1


class NotPossible(Exception):
    """The decision cannot be made; the message says why and what to do."""

    def __init__(self, said: Said) -> None:
        super().__init__(said)


class NothingToAccept(NotPossible):
    """No outcome is kept as a conflict."""


class ChangedMeanwhile(NotPossible):
    """The order has changed since the person saw it: another person, or its provider, came first."""


class NoSuchRoute(NotPossible):
    """No route leads from the order's package to the provider that was named."""


class MayBuyTwice(NotPossible):
    """A provider may have the order: sending it again may buy it twice."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a decision."""

    order: Order
    #: The order's externalStatus before.
    came_from: str
    #: False: it was so already; only the timeline says more.
    changed: bool


@dataclass(frozen=True, slots=True)
class Prospects:
    """What may be decided about an order, as it is now."""

    #: For `seen` of the decisions.
    version: str
    #: The gateway placed it, and may send it again.
    may_be_resent: bool
    #: The provider that may have it, so that sending it again may buy it twice; None if none has it.
    holder: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Codes that we have for an order, and how they came."""

    codes: tuple[Code, ...] = field(repr=False)
    #: In words, such as "delivered" or "kept as a conflict".
    origin: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Seen(Order):
    """An order as a decision finds it."""

    version: str
    max_cost_amount: Decimal | None
    max_cost_currency: str | None
    tried_providers: list[str]
    is_ours: bool
    #: Whether it was ever given to a provider.
    was_claimed: bool
    #: Whether the last send certainly did not reach its provider.
    never_reached: bool
    #: A provider that had it under a former reference, or before it was sent again, and may have it still.
    former_holder: str | None
    #: Who decided it within the last SAME_INSTANT_SECONDS.
    just_decided_by: str | None


@dataclass(frozen=True, slots=True)
class _Former:
    """A former send of an order: a row of former_references."""

    referans: str
    provider_id: str
    external_order_id: str | None
    pin_code: str | None = field(repr=False)
    codes: list[dict[str, Any]] | None = field(repr=False)
    given_up_at: datetime


@dataclass(frozen=True, slots=True)
class _Conflict:
    """An outcome that was kept as a conflict; `detail` is it, sealed."""

    at: datetime
    detail: str = field(repr=False)


def version(order_id: str) -> str:
    """What a person sees of the order, for `seen` of the decisions below. Raises NotPossible."""
    return _look(order_id).version


def prospects(order_id: str) -> Prospects:
    """What may be decided about the order now. Raises NotPossible."""
    seen = _look(order_id)
    return Prospects(seen.version, seen.is_ours, _holder(seen))


def accept(order_id: str, *, by: str, reason: str, seen: str | None = None) -> Decision:
    """Take the newest outcome that was kept as a conflict. A failure after a delivery makes the order `reversed`.

    Raises NotPossible, sealed.Unsealable.
    """
    found = _found(order_id, by, seen)
    conflicts = database.load(_Conflict, CONFLICTS, (order_id,))
    kept = _open(conflicts[-1], _owners(found, _former(order_id))) if conflicts else None
    if kept and kept.status is ExternalStatus.FAILED and kind_of(found.external_status) is not Kind.OPEN:
        kept = replace(kept, status=ExternalStatus.REVERSED)
    if kept is None or (found.attention != Attention.CONFLICT and not _is_accepted(found, kept)):
        raise NothingToAccept(Said("order {order} has no outcome that is kept as a conflict", order=order_id))
    return _decide(found, kept, f"accepted the conflicting outcome ({kept.status})", by, reason)


def _is_accepted(found: _Seen, kept: Outcome) -> bool:
    """Whether the order is as the outcome says: it was accepted, and is accepted once more."""
    known = {code.code for code in order.codes_of(found)}
    return found.external_status == kept.status and all(code.code in known for code in kept.codes)


def complete(
    order_id: str, codes: Sequence[Code] = (), *, by: str, reason: str, seen: str | None = None
) -> Decision:
    """The order is completed, with these codes first. Raises NotPossible."""
    told = f"completed with {len(codes)} codes by a person" if codes else "completed by a person"
    if len(codes) == 1:
        told = "completed with 1 code by a person"
    outcome = Outcome(ExternalStatus.COMPLETED, codes=tuple(codes))
    return _decide(_found(order_id, by, seen), outcome, told, by, reason)


def fail(order_id: str, *, by: str, reason: str, seen: str | None = None) -> Decision:
    """The order has failed. Raises NotPossible."""
    outcome = Outcome(ExternalStatus.FAILED)
    return _decide(_found(order_id, by, seen), outcome, "failed by a person", by, reason)


def fail_unless_sent_elsewhere(order_id: str, *, by: str, reason: str, seen: str | None = None) -> Decision:
    """`fail`, but not an order that another system may still send. Raises NotPossible."""
    found = _found(order_id, by, seen)
    is_decided = lowered(found.status) in ("approved", "rejected")
    if not found.is_ours and found.external_status == ExternalStatus.NOT_SENT and not is_decided:
        raise NotPossible(
            Said(
                "order {order} was placed by another system, which has not sent it and may still do so whatever stands"
                " here; reject it there, and it will not be sent",
                order=order_id,
            )
        )
    return fail(order_id, by=by, reason=reason, seen=found.version)


def reverse(order_id: str, *, by: str, reason: str, seen: str | None = None) -> Decision:
    """The order was delivered and is taken back. Raises NotPossible."""
    outcome = Outcome(ExternalStatus.REVERSED)
    return _decide(_found(order_id, by, seen), outcome, "reversed by a person", by, reason)


def dismiss(order_id: str, *, by: str, reason: str, seen: str | None = None) -> Decision:
    """The order stays as it is, and needs no attention any more; what was kept of it stays readable.

    An order that waits for a person to fulfil or to find it goes on waiting. Raises NotPossible.
    """
    found = _found(order_id, by, seen)
    values = {"id": found.id, "seen": found.version, "by": by, "note": _note("dismissed", reason)}
    dismissed = database.row(DISMISS, values)
    if dismissed is None:
        raise _changed(_look(order_id))
    return _decision(_look(order_id), found.external_status, changed=dismissed["cleared"])


def resend(
    order_id: str,
    *,
    by: str,
    reason: str,
    provider_id: str | None = None,
    may_buy_twice: bool = False,
    seen: str | None = None,
) -> Decision:
    """Take the order's end back, and have it sent: to this provider, or else to the first one of its route.

    A provider that had it under its present reference gets it under a new one. The caller wakes a worker; if that is
    lost, the sweep finds the order. Raises NotPossible.
    """
    return with_fresh_references(lambda: _resend(order_id, provider_id, may_buy_twice, by, reason, seen))


def codes(order_id: str) -> list[Kept]:
    """Every code that we have for the order: its own, those of its former sends, and those kept as conflicts.

    Raises NotPossible, sealed.Unsealable.
    """
    seen, former = _look(order_id), _former(order_id)
    found = [Kept(tuple(order.codes_of(seen)), Said("delivered"), seen.completed_at)]
    for each in former:
        owners = [owner(each.provider_id, known_as) for known_as in (each.referans, each.external_order_id)]
        opened = open_codes(each.pin_code, each.codes, owners)
        origin = Said(
            "delivered by {provider} under {referans}, before the order was sent again",
            provider=each.provider_id,
            referans=each.referans,
        )
        found.append(Kept(tuple(opened), origin, each.given_up_at))
    owners = _owners(seen, former)
    for conflict in database.load(_Conflict, CONFLICTS, (order_id,)):
        found.append(Kept(_open(conflict, owners).codes, Said("kept as a conflict"), conflict.at))
    return [each for each in found if each.codes]


def record_reading(order_id: str, *, by: str, where: str = "on the command line") -> None:
    """Record that a person read the order's codes."""
    timeline.record(order_id, Source.OPERATOR, f"codes read {where}", by=by)


def _look(order_id: str) -> _Seen:
    found = database.load_one(_Seen, LOOK, (order_id,))
    if found is None:
        raise NotPossible(Said("order {order} not found", order=order_id))
    return found


def _found(order_id: str, by: str, seen: str | None) -> _Seen:
    """The order as this person decides it. Raises ChangedMeanwhile."""
    found = _look(order_id)
    _check_unchanged(found, by, seen)
    return found


def _check_unchanged(found: _Seen, by: str, seen: str | None) -> None:
    """Raises ChangedMeanwhile if another person has just decided it, or if it is not as the person saw it."""
    if (seen is not None and seen != found.version) or found.just_decided_by not in (None, by):
        raise _changed(found)


def _former(order_id: str) -> list[_Former]:
    return database.load(_Former, FORMER, (order_id,))


def _owners(seen: _Seen, former: Sequence[_Former]) -> list[str]:
    """Whatever a sealed value of the order may belong to."""
    providers = {seen.provider_id, *seen.tried_providers, *(each.provider_id for each in former)}
    references = {
        *(seen.provider_referans, seen.external_order_id),
        *(known_as for each in former for known_as in (each.referans, each.external_order_id)),
    }
    return [owner(provider_id, known_as) for provider_id in providers for known_as in references]


def _open(conflict: _Conflict, owners: Sequence[str]) -> Outcome:
    return from_json(sealed.unseal(conflict.detail, *owners))


def _decide(seen: _Seen, outcome: Outcome, told: str, by: str, reason: str) -> Decision:
    decision = Arrival(
        seen.provider_id,
        Source.OPERATOR,
        replace(outcome, referans=seen.provider_referans or seen.external_order_id, external_order_id=None),
        order_id=seen.id,
        failure_reason=FailureReason.PERSON,
        note=_note(told, reason),
        by=by,
        is_decision=True,
        seen=seen.version,
    )
    [settled] = order.settle([decision], order_timeout_seconds=NO_TIMEOUT)
    if settled.result is Result.UNMATCHED:
        raise _changed(_look(seen.id))
    return _decision(_look(seen.id), seen.external_status, changed=settled.result is Result.APPLIED)


def _decision(now: _Seen, came_from: str, *, changed: bool) -> Decision:
    shown = Order(*(getattr(now, each.name) for each in fields(Order)))
    return Decision(shown, came_from, changed)


def _changed(now: _Seen) -> ChangedMeanwhile:
    status: str = now.external_status
    if now.attention:
        status = Said("{status} with attention {kind}", status=status, kind=now.attention)
    if not now.just_decided_by:
        return ChangedMeanwhile(
            Said(
                "order {order} changed in the same moment and is {status} now; nothing was done: look at it and decide"
                " again",
                order=now.id,
                status=status,
            )
        )
    return ChangedMeanwhile(
        Said(
            "order {order} changed by {by} in the same moment and is {status} now; nothing was done: look at it and"
            " decide again",
            order=now.id,
            by=now.just_decided_by,
            status=status,
        )
    )


def _note(told: str, reason: str) -> str:
    return texts.clean(f"{told}: {reason}", texts.TIMELINE)


def _resend(
    order_id: str,
    provider_id: str | None,
    may_buy_twice: bool,
    by: str,
    reason: str,
    seen_version: str | None,
) -> Decision:
    with database.database.atomic():
        seen = database.load_one(_Seen, LOCK, (order_id,))
        if seen is None:
            raise NotPossible(Said("order {order} not found", order=order_id))
        _check_unchanged(seen, by, seen_version)
        _check_resend(seen, may_buy_twice)
        target = _route(seen, provider_id)
        is_waiting = seen.external_status == ExternalStatus.NOT_SENT
        if is_waiting and target.provider_id == seen.provider_id:
            timeline.record(order_id, Source.OPERATOR, f"sent now, as it waits already: {reason}", by=by)
            database.rows(SEND_NOW, (order_id,))
            return _decision(seen, seen.external_status, changed=False)
        had_it = target.provider_id in seen.tried_providers or (
            seen.was_claimed and target.provider_id == seen.provider_id
        )
        referans = new_referans() if had_it or not seen.provider_referans else seen.provider_referans
        under = f" under the new reference {referans}" if had_it else ""
        values = {
            "id": order_id,
            "provider": target.provider_id,
            "params": database.as_json(target.params),
            "expects": target.expects,
            "field_map": database.as_json(target.field_map),
            "referans": referans,
            "is_new_referans": referans != seen.provider_referans,
            "may_have_it": _has_present_send(seen),
            "note": _note(f"to be sent again to {target}{under}", reason),
            "by": by,
        }
        database.rows(KEEP_FORMER, values)
        database.rows(RESEND, values)
        return _decision(_look(order_id), seen.external_status, changed=True)


def _check_resend(seen: _Seen, may_buy_twice: bool) -> None:
    """Raises NotPossible, MayBuyTwice."""
    if not seen.is_ours:
        raise NotPossible(
            Said("order {order} was placed by another system, which sends it itself", order=seen.id)
        )
    holder = _holder(seen)
    if may_buy_twice or holder is None:
        return
    raise MayBuyTwice(
        Said(
            "order {order} is {status} and {provider} may have it: sending it again may buy it twice; look for it there"
            " first, then allow it (--may-buy-twice, or mayBuyTwice: true)",
            order=seen.id,
            status=seen.external_status,
            provider=holder,
        )
    )


def _holder(seen: _Seen) -> str | None:
    """The provider that may have it, so that sending it again may buy it twice; None if it waits to be sent."""
    if seen.external_status == ExternalStatus.NOT_SENT and seen.attention is None:
        return None
    return seen.provider_id if _has_present_send(seen) else seen.former_holder


def _has_present_send(seen: _Seen) -> bool:
    """Whether the order's present provider may have it, or a provider has delivered it."""
    kind = kind_of(seen.external_status)
    if kind in (Kind.COMPLETED, Kind.REVERSED) or seen.attention == Attention.CONFLICT:
        return True
    if not seen.was_claimed or seen.attention == Attention.MANUAL:
        return False
    if kind is Kind.FAILED:
        return seen.failure_reason in (None, FailureReason.TIMEOUT, FailureReason.PERSON)
    return not (seen.external_status == ExternalStatus.PENDING and seen.never_reached)


def _route(seen: _Seen, provider_id: str | None) -> Route:
    """Raises NotPossible."""
    product, package = seen.product_id or "", seen.package_id or ""
    limit = limit_of(seen.max_cost_amount, seen.max_cost_currency, seen.quantity)
    found = choosing.next_for(
        product, package, [], tenant_id=seen.tenant_id, order_id=seen.id, only=provider_id, limit=limit
    )
    if (
        found is None
        and limit
        and choosing.next_for(product, package, [], tenant_id=seen.tenant_id, only=provider_id)
    ):
        raise NotPossible(
            Said(
                "order {order} may cost {amount} at most, and no provider that it may go to is known to cost so"
                " little; see: gateway routes list",
                order=seen.id,
                amount=f"{limit.amount} {limit.currency}",
            )
        )
    if found is None and provider_id:
        raise NoSuchRoute(
            Said(
                "no route leads from product {product}, package {package} to {provider}; add one: gateway routes add"
                " --help",
                product=product,
                package=package,
                provider=provider_id,
            )
        )
    if found is None:
        raise NotPossible(
            Said(
                "no route leads from product {product}, package {package} to a provider",
                product=product,
                package=package,
            )
        )
    return found


_LOOK = f"""
SELECT {COLUMNS}, {VERSION} AS version, o."maxCostAmount" AS max_cost_amount,
    o."maxCostCurrency" AS max_cost_currency, o."triedProviders" AS tried_providers,
    {IS_OURS} AS is_ours,
    {WAS_CLAIMED} AS was_claimed,
    {IS_NOWHERE} AS never_reached,
    (SELECT f.provider_id FROM referans.former_references AS f WHERE f.order_id = o.id AND f.may_have_it
        ORDER BY f.given_up_at DESC LIMIT 1) AS former_holder,
    (SELECT e."by" FROM referans.order_events AS e WHERE e.order_id = o.id AND e.source = 'operator'
        AND e.result = 'applied' AND e.at > now() - make_interval(secs => {SAME_INSTANT_SECONDS})
        ORDER BY e.id DESC LIMIT 1) AS just_decided_by
FROM product_orders AS o WHERE o.id = %s
"""
LOOK = _LOOK
LOCK = f"{_LOOK} FOR UPDATE"
CONFLICTS = """
SELECT at, detail FROM referans.order_events
WHERE order_id = %s AND result = 'conflict' AND detail IS NOT NULL ORDER BY id
"""
FORMER = """
SELECT referans, provider_id, external_order_id, pin_code, codes, given_up_at FROM referans.former_references
WHERE order_id = %s ORDER BY given_up_at, provider_id
"""
#: An open order of ours without a plan would not be seen any more: only a person can fulfil it, and it goes on waiting.
DISMISS = f"""
WITH seen AS (
    SELECT o.id, o."externalStatus" AS status, o.attention,
        {IS_OPEN} AND (o.attention = 'manual' OR o."nextCheckAt" IS NULL AND NOT {IS_DECIDED}
            AND {IS_OURS}) AS waits_for_person
    FROM product_orders AS o WHERE o.id = %(id)s AND {VERSION} = %(seen)s FOR UPDATE
), dismissed AS (
    UPDATE product_orders AS o SET attention = CASE
            WHEN seen.waits_for_person AND seen.attention = 'cannot_ask' THEN 'cannot_ask'
            WHEN seen.waits_for_person THEN 'manual'
        END,
        "attentionAt" = CASE WHEN seen.waits_for_person THEN now() END
    FROM seen
    WHERE o.id = seen.id AND seen.attention IS NOT NULL
        AND NOT (seen.waits_for_person AND seen.attention IN ('manual', 'cannot_ask'))
    RETURNING o.id
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, result, "by")
    SELECT id, 'operator', status, status, %(note)s,
        CASE WHEN attention IS NULL THEN 'duplicate' ELSE 'applied' END, %(by)s
    FROM seen
)
SELECT EXISTS (SELECT FROM dismissed) AS cleared FROM seen
"""
#: A conflict that kept it from being sent is decided thereby.
SEND_NOW = f"""
UPDATE product_orders AS o SET "nextCheckAt" = now(), attention = NULL, "attentionAt" = NULL
WHERE o.id = %s AND o."externalStatus" = 'not_sent' AND {IS_OURS}
"""
#: The sends that end here, each with what its provider calls the order; the codes stand with the present provider's.
KEEP_FORMER = f"""
INSERT INTO referans.former_references AS f (referans, provider_id, external_order_id, order_id, pin_code, codes,
    cost_amount, cost_currency, may_have_it)
SELECT o.provider_referans, o."providerId", o."externalOrderId", o.id,
    CASE WHEN {CODES} IS NULL OR starts_with(o."pinCode", 'sealed:') THEN o."pinCode" END, {CODES},
    {COST_AMOUNT}, {COST_CURRENCY},
    %(may_have_it)s
FROM product_orders AS o WHERE o.id = %(id)s AND o.provider_referans IS NOT NULL AND o."providerId" IS NOT NULL
    AND ({WAS_CLAIMED} OR {HAS_CODE})
UNION ALL
SELECT o.provider_referans, tried.provider_id, NULL, o.id, NULL, NULL, NULL, NULL, false
FROM product_orders AS o CROSS JOIN LATERAL (SELECT DISTINCT unnest(o."triedProviders") AS provider_id) AS tried
WHERE o.id = %(id)s AND o.provider_referans IS NOT NULL AND tried.provider_id IS DISTINCT FROM o."providerId"
ON CONFLICT (referans, provider_id) DO UPDATE SET
    external_order_id = COALESCE(excluded.external_order_id, f.external_order_id),
    pin_code = COALESCE(excluded.pin_code, f.pin_code), codes = COALESCE(excluded.codes, f.codes),
    cost_amount = COALESCE(excluded.cost_amount, f.cost_amount),
    cost_currency = COALESCE(excluded.cost_currency, f.cost_currency),
    may_have_it = f.may_have_it OR excluded.may_have_it, given_up_at = now()
"""
#: The order begins anew. Under the same reference its former providers stay in "triedProviders".
RESEND = f"""
WITH former AS (
    SELECT o.id, o."externalStatus" AS status FROM product_orders AS o WHERE o.id = %(id)s AND {IS_OURS}
), resent AS (
    UPDATE product_orders AS o SET
        "externalStatus" = 'not_sent', status = 'pending', "failureReason" = NULL, late = false,
        attention = NULL, "attentionAt" = NULL,
        "triedProviders" = CASE
            WHEN %(is_new_referans)s THEN '{{}}'
            WHEN NOT ({WAS_CLAIMED}) THEN o."triedProviders"
            ELSE o."triedProviders" || o."providerId"
        END,
        "providerId" = %(provider)s, provider_referans = %(referans)s, "routeParams" = %(params)s,
        expects = %(expects)s, "fieldMap" = %(field_map)s,
        {FORGET_FORMER}, "pinCode" = NULL, "pinDigest" = NULL, codes = NULL, "codesOnly" = NULL,
        "lastMessage" = NULL, "providerMessage" = NULL,
        "claimedAt" = NULL, "sentAt" = NULL, "sendingUntil" = NULL, "mayBeKnown" = NULL,
        "unknownCount" = 0, "unknownAt" = NULL, "checkCount" = 0, "checkRequestedAt" = NULL, "checkAskedAt" = NULL,
        "codeAsks" = NULL,
        "lastSyncAt" = NULL, "lastCallbackAt" = NULL, "completedAt" = NULL, "approvedAt" = NULL,
        "reversedAt" = NULL, "durationMs" = NULL, "resentAt" = now(), "nextCheckAt" = now()
    FROM former WHERE o.id = former.id
    RETURNING o.id, former.status
)
INSERT INTO referans.order_events (order_id, source, "from", "to", message, result, "by")
SELECT id, 'operator', status, 'not_sent', %(note)s, 'applied', %(by)s FROM resent
"""
