"""Finding an order by whatever a person has in hand."""

import uuid
from typing import Any

from models.db import database
from models.order import COLUMNS, find


def by_id_or_referans(text: str) -> dict[str, Any] | None:
    """The order with this id, or with this reference (the newest of several), as a row of COLUMNS; else None."""
    return find(text) if _is_uuid(text) else database.row(BY_REFERANS, (text,))


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


BY_REFERANS = f"""
SELECT {COLUMNS} FROM product_orders AS o WHERE o.provider_referans = %s ORDER BY o."createdAt" DESC LIMIT 1
"""
