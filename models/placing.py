"""Placing, listing and cancelling orders: what the storefront does."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models.db import database
from models.db.prepared import Prepared
from models.order import COLUMNS
from models.route import FIRST_ROUTE
from models.status import ExternalStatus, spellings

#: Orders placed in one statement.
MAX_BATCH = 100
#: How long those wait who hold others up, for a key that somebody's open transaction holds.
IMPATIENT = "SET LOCAL lock_timeout = '200ms'"
#: Digits of a reference: znet takes digits only; eighteen fit a 64-bit integer and cannot be guessed.
REFERANS_DIGITS = 18


class NoRoute(ValueError):
    """No route leads from the product and package to a provider."""


class KeyReused(ValueError):
    """The idempotency key was used before with another body."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What the storefront asks for."""

    product_id: str
    package_id: str
    user_identifier: str
    extra_field: str | None = None
    quantity: int = 1
    notify_url: str | None = None

    def fingerprint(self) -> str:
        """The same for the same order, however its JSON was spelled."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placement:
    """An order to be placed, and who wants it."""

    new: NewOrder
    #: The API key's id and name.
    key_id: int
    made_by: str
    #: The same key and order again is the same order.
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a placement."""

    answer: str
    order_id: str
    #: False where it is the answer of an earlier request with the same idempotency key.
    is_new: bool


#: What becomes of a placement.
Result = Placed | NoRoute | KeyReused


def new_referans() -> str:
    """A reference that is unique, unguessable and digits only; it never starts with 0."""
    return str(10 ** (REFERANS_DIGITS - 1) + secrets.randbelow(9 * 10 ** (REFERANS_DIGITS - 1)))


def place(
    placements: Sequence[Placement],
    answer: Callable[[dict[str, Any]], str],
    *,
    wake_seconds: float,
    impatient: bool = False,
) -> list[Result]:
    """Store orders, their references chosen, all in one commit; what became of each, in their order.

    `answer` renders an order as a row of COLUMNS; under an idempotency key it is kept, and given again for the same key
    and order, byte for byte. A request whose key is in use waits until the other has committed. Where nobody dispatches
    an order within `wake_seconds`, the sweep will. Raises peewee.DataError where a product or package is no UUID on a
    table that wants them, and peewee.IntegrityError where that table refers to others that do not have them; impatient,
    also database.LOCK_NOT_AVAILABLE where a key stays in use.
    """
    keyed = any(each.idempotency_key for each in placements)
    with database.database.atomic() if keyed else nullcontext():
        if keyed and impatient:
            database.rows(IMPATIENT)
        placed = _insert(placements, wake_seconds)
        answers = {position: answer(row) for position, row in placed.items()}
        _keep(placements, answers)
        first = _first_answers([each for position, each in enumerate(placements) if position not in placed])
    return [
        Placed(answers[position], placed[position]["id"], is_new=True)
        if position in placed
        else _again(each, first.get((each.key_id, each.idempotency_key)))
        for position, each in enumerate(placements)
    ]


def _insert(placements: Sequence[Placement], wake_seconds: float) -> dict[int, dict[str, Any]]:
    """The rows of those that are new and have a route, by position."""
    given = [_parameters(position, each) for position, each in enumerate(placements)]
    values: dict[str, Any] = {name: database.array(each[name] for each in given) for name in given[0]}
    return {row["position"]: row for row in database.rows(PLACE, values | {"wake": wake_seconds})}


def _parameters(position: int, each: Placement) -> dict[str, Any]:
    """Product and package are there twice: as the routes have them, and as the order's table does, UUIDs perhaps."""
    new, key = each.new, each.idempotency_key
    return {
        "position": position,
        "id": uuid.uuid4(),
        "product": new.product_id,
        "product_id": new.product_id,
        "package": new.package_id,
        "package_id": new.package_id,
        "quantity": new.quantity,
        "user_identifier": new.user_identifier,
        "extra_field": new.extra_field,
        "notify_url": new.notify_url,
        "referans": new_referans(),
        "note": f"placed with key {each.made_by}",
        "key_id": each.key_id,
        "key": key,
        "fingerprint": new.fingerprint() if key else None,
    }


def _keep(placements: Sequence[Placement], answers: Mapping[int, str]) -> None:
    keyed = [(placements[position], text) for position, text in answers.items()]
    rows = [(each.key_id, each.idempotency_key, text) for each, text in keyed if each.idempotency_key]
    if rows:
        database.rows(KEEP_ANSWERS, [database.array(column) for column in zip(*rows, strict=True)])


def _first_answers(placements: Sequence[Placement]) -> dict[tuple[int, str | None], dict[str, Any]]:
    """What was answered to those whose key was used before."""
    keys = {(each.key_id, each.idempotency_key) for each in placements if each.idempotency_key}
    if not keys:
        return {}
    found = database.rows(FIRST_ANSWERS, [database.array(column) for column in zip(*keys, strict=True)])
    return {(row["api_key_id"], row["key"]): row for row in found}


def _again(placement: Placement, first: dict[str, Any] | None) -> Result:
    new = placement.new
    if first is None:
        return NoRoute(f"no route for product {new.product_id}, package {new.package_id}")
    if first["fingerprint"] != new.fingerprint():
        return KeyReused("the Idempotency-Key was used before with another body")
    return Placed(first["answer"], json.loads(first["answer"])["id"], is_new=False)


def forget_keys(retention_seconds: float, limit: int) -> int:
    """Delete up to `limit` idempotency keys older than the retention; how many went."""
    return len(database.rows(FORGET_KEYS, {"retention": retention_seconds, "limit": limit}))


def cancel(order_id: str, made_by: str) -> bool:
    """Cancel an order that was not sent yet. False where it was (or there is none)."""
    return database.row(CANCEL, {"id": order_id, "note": f"cancelled with key {made_by}"}) is not None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list; None is any."""

    external_status: ExternalStatus | None = None
    provider_id: str | None = None
    user_identifier: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def page(wanted: Filter, limit: int, before: tuple[datetime, str] | None = None) -> list[dict[str, Any]]:
    """Up to `limit` orders, newest first, that were created before the (createdAt, id) given."""
    conditions, values = _conditions(wanted)
    if before:
        conditions.append('(o."createdAt", o.id) < (%(at)s, %(id)s::uuid)')
        values |= {"at": before[0], "id": before[1]}
    where = " AND ".join(['o."createdAt" IS NOT NULL', *conditions])
    newest = 'ORDER BY o."createdAt" DESC, o.id DESC LIMIT %(limit)s'
    sql = f"SELECT {COLUMNS} FROM product_orders AS o WHERE {where} {newest}"
    return database.rows(sql, values | {"limit": limit})


def _conditions(wanted: Filter) -> tuple[list[str], dict[str, Any]]:
    statuses = spellings(wanted.external_status) if wanted.external_status else None
    candidates = {
        "statuses": ('o."externalStatus" = ANY (%(statuses)s)', statuses),
        "provider": ('o."providerId" = %(provider)s', wanted.provider_id),
        "user": ('o."userIdentifier" = %(user)s', wanted.user_identifier),
        "after": ('o."createdAt" >= %(after)s', wanted.created_after),
        "until": ('o."createdAt" < %(until)s', wanted.created_before),
    }
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    return [condition for condition, _ in used.values()], {name: value for name, (_, value) in used.items()}


#: Keys are reserved in their own order, so that two batches with the same ones cannot wait for each other.
PLACE = Prepared(f"""
WITH incoming AS (
    SELECT i.* FROM unnest(
        %(position)s::int[], %(id)s::uuid[], %(product)s::text[], %(package)s::text[],
        COALESCE((SELECT array_agg("productId") FROM product_orders WHERE false), %(product_id)s),
        COALESCE((SELECT array_agg("packageId") FROM product_orders WHERE false), %(package_id)s),
        %(quantity)s::int[], %(user_identifier)s::text[], %(extra_field)s::text[], %(notify_url)s::text[],
        %(referans)s::text[], %(note)s::text[], %(key_id)s::bigint[], %(key)s::text[], %(fingerprint)s::text[]
    ) AS i (
        position, id, product, package, product_id, package_id, quantity, user_identifier, extra_field, notify_url,
        referans, note, key_id, key, fingerprint
    )
),
routed AS (
    SELECT i.*, route.provider_id, route.params,
        row_number() OVER (PARTITION BY i.key_id, i.key ORDER BY i.position) AS turn
    FROM incoming AS i
    CROSS JOIN LATERAL ({FIRST_ROUTE.format(product="i.product", package="i.package", usable="true")}) AS route
),
reserved AS (
    INSERT INTO idempotency_keys (api_key_id, key, fingerprint)
    SELECT key_id, key, fingerprint FROM routed WHERE key IS NOT NULL AND turn = 1 ORDER BY key_id, key
    ON CONFLICT (api_key_id, key) DO NOTHING RETURNING api_key_id, key
),
placed AS (
    INSERT INTO product_orders (id, "productId", "packageId", quantity, "userIdentifier", "extraField", "notifyUrl",
        "providerId", provider_referans, "routeParams", status, "externalStatus", "nextCheckAt")
    SELECT r.id, r.product_id, r.package_id, r.quantity, r.user_identifier, r.extra_field, r.notify_url,
        r.provider_id, r.referans, r.params, 'pending', 'not_sent', now() + make_interval(secs => %(wake)s)
    FROM routed AS r LEFT JOIN reserved ON reserved.api_key_id = r.key_id AND reserved.key = r.key
    WHERE r.key IS NULL OR (r.turn = 1 AND reserved.key IS NOT NULL)
    ORDER BY r.position
    RETURNING *
),
told AS (
    INSERT INTO order_events (order_id, source, "to", message)
    SELECT o.id, 'api', 'not_sent', i.note FROM placed AS o JOIN incoming AS i ON i.id = o.id ORDER BY i.position
)
SELECT i.position, {COLUMNS} FROM placed AS o JOIN incoming AS i ON i.id = o.id
""")
KEEP_ANSWERS = Prepared("""
UPDATE idempotency_keys AS k SET answer = kept.answer
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS kept (key_id, key, answer)
WHERE k.api_key_id = kept.key_id AND k.key = kept.key
""")
FIRST_ANSWERS = """
SELECT k.api_key_id, k.key, k.fingerprint, k.answer
FROM unnest(%s::bigint[], %s::text[]) AS asked (key_id, key)
JOIN idempotency_keys AS k ON k.api_key_id = asked.key_id AND k.key = asked.key
"""
FORGET_KEYS = """
DELETE FROM idempotency_keys WHERE (api_key_id, key) IN (
    SELECT api_key_id, key FROM idempotency_keys
    WHERE created_at < now() - make_interval(secs => %(retention)s) ORDER BY created_at LIMIT %(limit)s)
RETURNING key
"""
CANCEL = """
WITH cancelled AS (
    UPDATE product_orders SET "externalStatus" = 'failed', status = 'rejected', "failureReason" = 'cancelled',
        "lastMessage" = 'cancelled before it was sent', "nextCheckAt" = NULL
    WHERE id = %(id)s AND "externalStatus" = 'not_sent' RETURNING id
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'api', 'not_sent', 'failed', %(note)s FROM cancelled
)
SELECT id FROM cancelled
"""
