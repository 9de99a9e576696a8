"""Orders, and `settle()`: the one door through which every outcome reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from models import codes, texts
from models.codeless import HAS_NO_CODES
from models.codes import Code
from models.db import database, pins, receiver, sealed, sql
from models.db.prepared import Prepared
from models.masking import Known, ProviderText
from models.outcome import MAX_COST, Arrival, as_json, order_owner, owner
from models.status import GRAVE, IS_OURS, LOWERED, READ, WAITS_SINCE, Result, kind_in_sql, rank_in_sql

#: Outcomes in one statement; its joins grow with the square.
MAX_BATCH = 100
#: The fields by which an arrival names its order.
NAMES = ("provider_id", "order_id", "referans", "external_order_id")
#: In place of a result: nothing was done, because a code of the order has a plain digest only; see `Sealer.digests`.
WANTS_PLAIN = "wants_plain"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is shown: a row of COLUMNS."""

    id: str
    order_no: int | None
    #: The shop that it belongs to.
    tenant_id: str | None
    #: The storefront's own number for it.
    reference: str | None
    product_id: str | None
    package_id: str | None
    quantity: int | None
    user_identifier: str | None
    extra_field: str | None
    metadata: dict[str, str] | None
    status: str
    #: The word of ours that the column's reads as (`status.read`).
    external_status: str
    provider_id: str | None
    #: Our reference: what the provider knows the order by.
    provider_referans: str | None
    #: The provider's own number.
    external_order_id: str | None
    #: The first code, sealed or in clear (`models.pins`); None if it is too long for the column. See `codes_of`.
    pin_code: str | None = field(repr=False)
    #: Every code, each sealed; None if there is one that stands in `pin_code` alone. See `codes_of`.
    codes: list[dict[str, Any]] | None = field(repr=False)
    #: What proves a direct top-up; no secret.
    receipt: str | None
    #: What its provider says that it cost.
    cost_amount: Decimal | None
    cost_currency: str | None
    last_message: str | None
    created_at: datetime
    sent_at: datetime | None
    last_sync_at: datetime | None
    completed_at: datetime | None
    reversed_at: datetime | None
    duration_ms: int | None
    notify_url: str | None
    failure_reason: str | None
    #: Why a person is needed.
    attention: str | None


#: In SQL, of the order `o`: it has a code. If another hand empties "pinCode", what stands in `codes` counts no more.
HAS_CODE = """(NULLIF(o."pinCode", '') IS NOT NULL OR o."codesOnly" IS TRUE)"""
#: In SQL, of the order `o`: every code, each sealed; NULL if there is none, or one that stands in "pinCode" alone.
CODES = f"CASE WHEN {HAS_CODE} THEN o.codes END"
#: In SQL, of the order `o`: what it cost. Before that had a column of its own it stood in "costAmount" (0 if it was not
#: known), which on orders of another system has that system's own cost.
COST_AMOUNT = f"""COALESCE(o."gatewayCostAmount", CASE WHEN {IS_OURS} THEN NULLIF(o."costAmount", 0) END)"""
#: In SQL, of the order `o`: the currency of COST_AMOUNT.
COST_CURRENCY = """COALESCE(o."gatewayCostCurrency", o."costCurrency")"""
#: The fields of an Order, in SQL.
COLUMNS = f"""
    o.id::text AS id,
    o."orderNo" AS order_no,
    o."tenantId"::text AS tenant_id,
    o."orderUuid" AS reference,
    o."productId"::text AS product_id,
    o."packageId"::text AS package_id,
    o.quantity,
    o."userIdentifier" AS user_identifier,
    o."extraField" AS extra_field,
    o.metadata,
    o.status,
    {READ} AS external_status,
    o."providerId" AS provider_id,
    o.provider_referans,
    o."externalOrderId" AS external_order_id,
    o."pinCode" AS pin_code,
    {CODES} AS codes,
    o.receipt,
    {COST_AMOUNT} AS cost_amount,
    CASE WHEN {COST_AMOUNT} IS NOT NULL THEN {COST_CURRENCY} END AS cost_currency,
    o."lastMessage" AS last_message,
    o."createdAt" AS created_at,
    o."sentAt" AS sent_at,
    o."lastSyncAt" AS last_sync_at,
    o."completedAt" AS completed_at,
    o."reversedAt" AS reversed_at,
    o."durationMs" AS duration_ms,
    o."notifyUrl" AS notify_url,
    o."failureReason" AS failure_reason,
    o.attention
"""


#: The receiver of notifications of orders that name none: the address in NOTIFY_URL.
DEFAULT_RECEIVER = "NOTIFY_URL"
#: In SQL: writes notifications of the type {kind} for the orders `o` of {source} that have a receiver; each with the
#: order as it is now, but without its codes.
TELL = f"""INSERT INTO referans.notifications (order_id, type, url, receiver, payload)
    SELECT
        o.id,
        {{kind}},
        o."notifyUrl",
        COALESCE(lower(substring(o."notifyUrl" FROM '^[^:]+://[^/?#]+')), '{DEFAULT_RECEIVER}'),
        (SELECT to_jsonb(shown) - 'pin_code' - 'codes' FROM (SELECT {COLUMNS}) AS shown)
    FROM {{source}}
    WHERE (o."notifyUrl" IS NOT NULL OR %(has_receiver)s::boolean) AND {{kind}} IS NOT NULL"""


#: In SQL, of the order `o`: what a person who decides it has seen of it. Any change to it changes this text.
VERSION = """concat_ws('|', o."externalStatus", o.status, o.attention, o."attentionAt", o."pinDigest",
    jsonb_array_length(o.codes), o."providerId", o.provider_referans)"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one outcome."""

    result: Result
    order_id: str | None
    came_from: str | None
    went_to: str | None
    #: A success that came after the order had failed by timeout.
    late: bool = False
    #: The order completed without the code that it may have: seconds until its provider is asked for it.
    ask_in_seconds: float | None = None
    #: Whether a notification of it was written.
    told: bool = False


def find(order_id: str) -> Order | None:
    """The order with this id; None if it is unknown or not a UUID."""
    try:
        known_as = str(UUID(order_id))
    except ValueError:
        return None
    return database.load_one(Order, FIND, (known_as,))


def codes_of(order: Order) -> list[Code]:
    """The order's codes in clear, the first delivered first. Raises sealed.Unsealable."""
    references = (order.provider_referans, order.external_order_id)
    return open_codes(order.pin_code, order.codes, [owner(order.provider_id, each) for each in references])


def open_codes(
    pin_code: str | None, kept: Sequence[dict[str, Any]] | None, owners: Sequence[str]
) -> list[Code]:
    """Codes in clear: of the columns "pinCode" and `codes`, sealed for one of `owners`. Raises sealed.Unsealable.

    A code in clear that is not among the others was written by another hand, and comes first.
    """
    entries = list(kept or ())
    if pin_code and not entries:
        entries = [{"pin": pin_code}]
    found = []
    for each in entries:
        if "sealed" in each:
            code = codes.from_json(sealed.unseal(each["sealed"], *owners))
        else:
            code = Code(sealed.unseal(each["pin"], *owners))
        if "addition" in each:
            code = codes.merged(code, codes.from_json(sealed.unseal(each["addition"], *owners)))
        found.append(code)
    if pin_code and not sealed.is_sealed(pin_code) and pin_code not in [code.code for code in found]:
        found.insert(0, Code(pin_code))
    return found


def count_codes(order: Order) -> int:
    """How many codes the order has; that opens none of them."""
    return len(order.codes) if order.codes else int(bool(order.pin_code))


def settle(arrivals: Sequence[Arrival], *, order_timeout_seconds: float) -> list[Settled]:
    """Apply outcomes to their orders, and record each: one statement, one commit. What became of each, in their order.

    Several outcomes for one order take turns, and more than MAX_BATCH go in parts: each turn or part is the same
    statement again, with a commit of its own. After an error all may be settled again: those that were settled are
    then duplicates.
    """
    arrivals = _knowing_their_orders(arrivals)
    policy = pins.policy()
    settled: dict[int, Settled] = {}
    fields = [
        parameters(position, arrival, with_plain=policy.own_in_clear)
        for position, arrival in enumerate(arrivals)
    ]
    waiting = fields
    while waiting:
        values: dict[str, Any] = database.arrays(_one_turn(waiting)) | {
            "order_timeout": order_timeout_seconds,
            "own_in_clear": policy.own_in_clear,
            "theirs_in_clear": policy.theirs_in_clear,
            "pin_limit": policy.limit,
            "has_receiver": receiver.has_default(),
        }
        for row in database.rows(SETTLE if receiver.tells() else SETTLE_UNTOLD, values):
            position = row.pop("position")
            if row["result"] == WANTS_PLAIN:
                fields[position] = parameters(position, arrivals[position], with_plain=True)
            else:
                settled[position] = Settled(**row | {"result": Result(row["result"])})
        waiting = [each for each in fields if each["position"] not in settled]
    return [settled[index] for index in range(len(arrivals))]


def _one_turn(waiting: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of those that wait for one statement: up to MAX_BATCH, one for each order as far as names show.

    One, too, for each dedupe key of a provider.
    """
    firsts: dict[tuple[Any, ...], dict[str, Any]] = {}
    keys: set[tuple[Any, ...]] = set()
    for each in waiting:
        name, key = tuple(each[name] for name in NAMES), (each["provider_id"], each["dedupe_key"])
        if name in firsts or key in keys:
            continue
        firsts[name] = each
        if each["dedupe_key"] is not None:
            keys.add(key)
        if len(firsts) == MAX_BATCH:
            break
    return list(firsts.values())


def _knowing_their_orders(arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """The arrivals, where words of a provider were masked by their look alone: by what is known of their orders.

    That takes a statement, which only such words cost.
    """
    guessed = [position for position, arrival in enumerate(arrivals) if _is_guess(arrival)]
    if not guessed:
        return arrivals
    made = list(arrivals)
    wanted = [
        {
            "position": position,
            "provider_id": made[position].provider_id,
            "order_id": made[position].order_id,
            "referans": made[position].outcome.referans,
            "external_order_id": made[position].outcome.external_order_id,
        }
        for position in guessed
    ]
    for row in database.rows(KNOWN, database.arrays(wanted)):
        arrival = made[row["position"]]
        owners = [owner(row["provider_id"], row[each]) for each in ("provider_referans", "external_order_id")]
        known_codes = (*secrets(row["pin_code"], row["codes"], owners), *arrival.outcome.secrets())
        known = Known(codes=known_codes, own=tuple(row["own"]))
        message, note = (_knowing(text, known) for text in (arrival.outcome.message, arrival.note))
        made[row["position"]] = replace(arrival, outcome=replace(arrival.outcome, message=message), note=note)
    return made


def _is_guess(arrival: Arrival) -> bool:
    return any(
        isinstance(text, ProviderText) and text.is_guess for text in (arrival.outcome.message, arrival.note)
    )


def _knowing(text: str | None, known: Known) -> str | None:
    return text.knowing(known) if isinstance(text, ProviderText) else text


def secrets(pin_code: str | None, kept: Sequence[dict[str, Any]] | None, owners: Sequence[str]) -> list[str]:
    """Every secret text of the codes of an order, to be struck from texts; none of codes that do not open."""
    try:
        return [text for code in open_codes(pin_code, kept, owners) for text in code.secrets()]
    except sealed.Unsealable:
        return []


def parameters(position: int, arrival: Arrival, *, with_plain: bool = False) -> dict[str, Any]:
    """One element of each array that SETTLE takes.

    `with_plain` is for an order whose code was or is to be stored in clear: see `Sealer.digests`.
    """
    outcome = arrival.outcome
    belongs_to = owner(arrival.provider_id, outcome.referans or outcome.external_order_id)
    whole = getattr(arrival.note, "whole", None) or getattr(outcome.message, "whole", None)
    whole_of = order_owner(arrival.order_id) if arrival.order_id else belongs_to
    return {
        "position": position,
        "provider_id": arrival.provider_id,
        "source": arrival.source.value,
        "order_id": arrival.order_id,
        "only_if": arrival.only_if.value if arrival.only_if else None,
        "is_decision": arrival.is_decision,
        "seen": arrival.seen,
        "referans": outcome.referans,
        "external_order_id": outcome.external_order_id,
        "status": outcome.status.value,
        "pin": sealed.seal(outcome.codes[0].code, belongs_to) if outcome.codes else None,
        "clear": outcome.codes[0].code
        if outcome.codes and with_plain and pins.policy().theirs_in_clear
        else None,
        "codes": _sealed_codes(outcome.codes, belongs_to, with_plain) if outcome.codes else None,
        "has_plain": with_plain or not sealed.has_keys(),
        "unreadable_code": outcome.unreadable_code,
        "is_partial": outcome.is_partial,
        "receipt": outcome.receipt,
        "message": outcome.shown_message(),
        "note": texts.clean(arrival.note or outcome.note() or "", texts.TIMELINE) or None,
        "whole": sealed.seal(whole, whole_of) if whole else None,
        "by": arrival.by,
        "attention": arrival.attention.value if arrival.attention else None,
        "cost": outcome.cost,
        "currency": outcome.currency,
        "failure_reason": (outcome.failure_reason or arrival.failure_reason).value,
        "next_check_seconds": arrival.next_check_seconds,
        "code_ask_seconds": arrival.code_ask_seconds,
        "may_ask_for_code": arrival.may_ask_for_code,
        "ends_send": arrival.ends_send,
        "dedupe_key": arrival.dedupe_key,
        "outcome": sealed.seal(as_json(outcome), belongs_to),
        "raw": sealed.seal(arrival.raw, belongs_to) if arrival.raw is not None else None,
        "raw_of": arrival.raw_of,
    }


def _sealed_codes(delivered: Sequence[Code], belongs_to: str, with_plain: bool) -> str:
    """The codes as settle.sql compares and keeps them; one that is nothing but its text is sealed as the PIN."""
    if len(delivered) == 1 and delivered[0] == Code(delivered[0].code):
        digests = sealed.digests(delivered[0].code, with_plain=with_plain)
        return database.as_json([{"digests": digests, "has_serial": False}])
    return database.as_json(
        [
            {
                "digests": sealed.digests(each.code, with_plain=with_plain),
                "sealed": sealed.seal(codes.as_json(each), belongs_to),
                "has_serial": each.serial is not None,
            }
            for each in delivered
        ]
    )


#: In SQL, of the order `o`: the kind of its word.
_KIND = kind_in_sql(LOWERED.format(word='o."externalStatus"'))
#: In SQL: of several orders `o` with one number, what is said of it is of the first: ours, else an open one, else the
#: newest.
FIRST_OF_SEVERAL = f"""{IS_OURS} DESC, {_KIND} = 'open' DESC, o."createdAt" DESC"""
#: What is known of the order that each arrival may be about: what a text may repeat of it, and its codes.
KNOWN = Prepared(f"""
SELECT DISTINCT ON (given.position) given.position, o."providerId" AS provider_id, o.provider_referans,
    o."externalOrderId" AS external_order_id, o."pinCode" AS pin_code, {CODES} AS codes,
    array_remove(ARRAY[
        o.id::text, o."orderNo"::text, o."orderUuid"::text, o.provider_referans, o."externalOrderId",
        o."userIdentifier", o."extraField", o."productId"::text, o."packageId"::text, o."providerId"::text
    ], NULL) || ARRAY(
        SELECT COALESCE(param.value, '') FROM jsonb_each_text(COALESCE(o."routeParams", '{{}}')) AS param
    ) AS own
FROM unnest(
    %(position)s::int[], %(provider_id)s::text[], %(order_id)s::uuid[], %(referans)s::text[],
    %(external_order_id)s::text[]
) AS given (position, provider_id, order_id, referans, external_order_id)
CROSS JOIN LATERAL (
    SELECT * FROM product_orders AS o WHERE o.id = given.order_id
    UNION ALL
    SELECT * FROM product_orders AS o WHERE given.order_id IS NULL AND o.provider_referans = given.referans
    UNION ALL
    SELECT * FROM product_orders AS o
    WHERE given.order_id IS NULL AND o.provider_referans IS NULL AND o."externalOrderId" = given.referans
    UNION ALL
    SELECT * FROM product_orders AS o
    WHERE given.order_id IS NULL AND given.referans IS NULL AND o."externalOrderId" = given.external_order_id
) AS o
ORDER BY given.position, o."providerId" = given.provider_id DESC, {FIRST_OF_SEVERAL}
""")
FIND = Prepared(f"SELECT {COLUMNS} FROM product_orders AS o WHERE o.id = %s")
_SETTLE = partial(
    sql.read,
    "settle.sql",
    rank=rank_in_sql("given.said"),
    kind=kind_in_sql("given.said"),
    from_rank=rank_in_sql(LOWERED.format(word='o."externalStatus"')),
    from_kind=_KIND,
    first_of_several=FIRST_OF_SEVERAL,
    is_ours=IS_OURS,
    has_code=HAS_CODE,
    has_no_codes=HAS_NO_CODES,
    version=VERSION,
    waits_since=WAITS_SINCE,
    grave=GRAVE,
    timeline=str(texts.TIMELINE),
    last_message=str(texts.LAST_MESSAGE),
    max_cost=str(MAX_COST),
)
SETTLE = _SETTLE(
    returned="o.*",
    telling=",\n"
    + sql.read(
        "telling.sql",
        tell=TELL.format(kind="n.tells", source="moved AS o JOIN telling AS n ON n.order_id = o.id"),
    ),
    is_told="told.order_id IS NOT NULL AND NOT n.seen_before",
    join_told="LEFT JOIN told ON told.order_id = n.order_id",
)
#: The same where no notification can go out: to tell nothing costs nothing.
SETTLE_UNTOLD = _SETTLE(returned='o.id, o."externalStatus"', telling="", is_told="false", join_told="")
