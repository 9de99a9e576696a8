"""Placing, listing and cancelling orders: what the storefront does."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models import database
from models.order import COLUMNS
from models.prepared import Prepared
from models.route import NEXT_ROUTE
from models.status import ExternalStatus, spellings

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


def new_referans() -> str:
    """A reference that is unique, unguessable and digits only; it never starts with 0."""
    return str(10 ** (REFERANS_DIGITS - 1) + secrets.randbelow(9 * 10 ** (REFERANS_DIGITS - 1)))


def place(new: NewOrder, *, wake_seconds: float, made_by: str) -> dict[str, Any]:
    """Store the order, its reference chosen, and return its row.

    Where nobody dispatches it within `wake_seconds`, the sweep will. Raises NoRoute; peewee.DataError where
    the product or package is no UUID on a table that wants them.
    """
    values = asdict(new) | {
        "product": new.product_id,
        "package": new.package_id,
        "tried": [],
        "id": str(uuid.uuid4()),
        "referans": new_referans(),
        "wake": wake_seconds,
        "note": f"placed with key {made_by}",
    }
    placed = database.row(PLACE, values)
    if placed is None:
        raise NoRoute(f"no route for product {new.product_id}, package {new.package_id}")
    return placed


def place_once(
    new: NewOrder,
    key: str,
    key_id: int,
    answer: Callable[[dict[str, Any]], str],
    *,
    wake_seconds: float,
    made_by: str,
) -> tuple[str, dict[str, Any] | None]:
    """Place the order if `key` was not used before; the answer, and the new row or None where it is a repetition.

    `answer` renders the row; what it returns is kept and given again for the same key and order, byte for
    byte. A second request with the key waits until the first has committed. Raises KeyReused, NoRoute.
    """
    with database.database.atomic():
        if database.row(RESERVE_KEY, (key_id, key, new.fingerprint())) is None:
            return _first_answer(new, key, key_id), None
        placed = place(new, wake_seconds=wake_seconds, made_by=made_by)
        text = answer(placed)
        database.rows(KEEP_ANSWER, (text, key_id, key))
        return text, placed


def _first_answer(new: NewOrder, key: str, key_id: int) -> str:
    first = database.rows(FIRST_ANSWER, (key_id, key))[0]
    if first["fingerprint"] != new.fingerprint():
        raise KeyReused("the Idempotency-Key was used before with another body")
    return str(first["answer"])


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


#: The product and package stand here twice: as the order's table has them, UUIDs perhaps, and as the routes have.
PLACE = Prepared(f"""
WITH route AS ({NEXT_ROUTE}), placed AS (
    INSERT INTO product_orders (id, "productId", "packageId", quantity, "userIdentifier", "extraField", "notifyUrl",
        "providerId", provider_referans, "routeParams", status, "externalStatus", "nextCheckAt")
    SELECT %(id)s, %(product_id)s, %(package_id)s, %(quantity)s, %(user_identifier)s, %(extra_field)s, %(notify_url)s,
        route.provider_id, %(referans)s, route.params, 'pending', 'not_sent', now() + make_interval(secs => %(wake)s)
    FROM route
    RETURNING *
), told AS (
    INSERT INTO order_events (order_id, source, "to", message) SELECT id, 'api', 'not_sent', %(note)s FROM placed
)
SELECT {COLUMNS} FROM placed AS o
""")
RESERVE_KEY = Prepared("""
INSERT INTO idempotency_keys (api_key_id, key, fingerprint) VALUES (%s, %s, %s)
ON CONFLICT (api_key_id, key) DO NOTHING RETURNING key
""")
KEEP_ANSWER = Prepared("UPDATE idempotency_keys SET answer = %s WHERE api_key_id = %s AND key = %s")
FIRST_ANSWER = "SELECT fingerprint, answer FROM idempotency_keys WHERE api_key_id = %s AND key = %s"
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
