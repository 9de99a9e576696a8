"""Finding orders: one by what a person has in hand, or a page of a list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.inputs import is_storable
from models.db import database
from models.order import COLUMNS, Order, find
from models.status import STAGES, ExternalStatus, words


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list; None is any."""

    external_status: ExternalStatus | None = None
    provider_id: str | None = None
    user_identifier: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def by_id_or_referans(text: str) -> Order | None:
    """The order with this id, else the newest with this referans; None if there is neither."""
    return find(text) or (database.load_one(Order, BY_REFERANS, (text,)) if is_storable(text) else None)


def page(wanted: Filter, limit: int, before: tuple[datetime, str] | None = None) -> list[Order]:
    """Up to `limit` orders, newest first, that come after the (created_at, id) `before` in that order."""
    conditions, values = _conditions(wanted)
    if before:
        conditions.append('(o."createdAt", o.id) < (%(at)s, %(id)s::uuid)')
        values |= {"at": before[0], "id": before[1]}
    where = " AND ".join(['o."createdAt" IS NOT NULL', *conditions])
    return database.load(Order, PAGE.format(where=where), values | {"limit": limit})


def _conditions(wanted: Filter) -> tuple[list[str], dict[str, Any]]:
    candidates = {
        "statuses": _status_condition(wanted.external_status),
        "provider": ('o."providerId" = %(provider)s', wanted.provider_id),
        "user": ('o."userIdentifier" = %(user)s', wanted.user_identifier),
        "after": ('o."createdAt" >= %(after)s', wanted.created_after),
        "until": ('o."createdAt" < %(until)s', wanted.created_before),
    }
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    return [condition for condition, _ in used.values()], {name: value for name, (_, value) in used.items()}


def _status_condition(wanted: ExternalStatus | None) -> tuple[str, list[str] | None]:
    """A word that we do not know reads as `pending`."""
    if wanted is ExternalStatus.PENDING:
        others = [name for name, _, _ in STAGES if name != wanted]
        return 'lower(o."externalStatus") <> ALL (%(statuses)s)', others
    return 'lower(o."externalStatus") = ANY (%(statuses)s)', words(wanted) if wanted else None


BY_REFERANS = f"""
SELECT {COLUMNS} FROM product_orders AS o WHERE o.provider_referans = %s ORDER BY o."createdAt" DESC LIMIT 1
"""
PAGE = f"""
SELECT {COLUMNS} FROM product_orders AS o WHERE {{where}} ORDER BY o."createdAt" DESC, o.id DESC LIMIT %(limit)s
"""
