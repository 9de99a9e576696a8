"""What is known of each provider beside its settings and its health: its routes and our balance with it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.db import database


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands with us."""

    provider_id: str
    #: Routes that lead to it.
    routes: int
    #: Our balance as last known; None if it never was.
    balance: Decimal | None
    balance_currency: str | None
    balance_at: datetime | None
    #: Seconds since then.
    balance_age_seconds: float | None


def every() -> dict[str, Standing]:
    """Of all providers, by id."""
    return {each.provider_id: each for each in database.load(Standing, EVERY)}


EVERY = """
SELECT p.id AS provider_id, (SELECT count(*) FROM referans.routes AS r WHERE r.provider_id = p.id)::int AS routes,
    h.balance, h.balance_currency, h.balance_at, EXTRACT(EPOCH FROM now() - h.balance_at)::float8 AS balance_age_seconds
FROM referans.providers AS p LEFT JOIN referans.provider_health AS h ON h.provider_id = p.id
"""
