"""How our balance with each provider moved lately: one point for each quarter of an hour, kept by the sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from models.db import database

#: Seconds that one point stands for, and days for which they are kept.
SLOT_SECONDS, KEPT_DAYS = 900, 8
#: Hours whose purchases say how long a balance lasts, and the fewest that say it.
SPENT_HOURS, LEAST_HOURS = 24, 2


@dataclass(frozen=True, slots=True)
class Point:
    """The last balance that was known within a slot: a row of POINTS."""

    provider_id: str
    at: datetime
    balance: Decimal
    currency: str | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The points of one provider in one currency, oldest first; there is at least one."""

    points: Sequence[Point]

    @property
    def spent_per_hour(self) -> float | None:
        """What is bought an hour: the falls of the last SPENT_HOURS; None if it never fell, or too few are known."""
        begin = self.points[-1].at - timedelta(hours=SPENT_HOURS)
        lately = [each for each in self.points if each.at >= begin]
        hours = (lately[-1].at - lately[0].at).total_seconds() / 3600
        fallen = sum(max(Decimal(0), before.balance - after.balance) for before, after in pairwise(lately))
        return float(fallen) / hours if fallen and hours >= LEAST_HOURS else None

    @property
    def lasts_seconds(self) -> float | None:
        """How long the balance lasts at this pace; None if that is not known."""
        pace = self.spent_per_hour
        return 3600 * max(0.0, float(self.points[-1].balance)) / pace if pace else None

    def values(self, end: datetime, hours: int, count: int) -> list[float | None]:
        """The balance at `count` moments of the hours before `end`; as it was until the next point, None before any."""
        step = timedelta(hours=hours) / count
        moments = (end - step * (count - 1 - place) for place in range(count))
        found, place, known = list[float | None](), 0, None
        for moment in moments:
            while place < len(self.points) and self.points[place].at <= moment:
                known, place = float(self.points[place].balance), place + 1
            found.append(known)
        return found


def note() -> int:
    """Keep the balances as they are known now; how many. Points that no chart shows any more are deleted."""
    database.rows(FORGET)
    return len(database.rows(NOTE))


def every(provider_id: str | None = None) -> dict[str, Trend]:
    """The trend of each provider, or of one, by its id; in the currency that it has now."""
    found: dict[str, list[Point]] = {}
    for each in database.load_list(Point, POINTS, {"id": provider_id}):
        found.setdefault(each.provider_id, []).append(each)
    return {
        name: Trend([each for each in points if each.currency == points[-1].currency])
        for name, points in found.items()
    }


NOTE = f"""
INSERT INTO referans.balance_points AS p (provider_id, at, balance, currency)
SELECT h.provider_id, to_timestamp(floor(EXTRACT(EPOCH FROM now()) / {SLOT_SECONDS}) * {SLOT_SECONDS}), h.balance,
    h.balance_currency
FROM referans.provider_health AS h JOIN referans.providers AS known ON known.id = h.provider_id
WHERE h.balance IS NOT NULL
ON CONFLICT (provider_id, at) DO UPDATE SET balance = excluded.balance, currency = excluded.currency
RETURNING p.provider_id
"""
FORGET = f"DELETE FROM referans.balance_points WHERE at < now() - interval '{KEPT_DAYS} days'"
POINTS = """
SELECT p.provider_id, p.at, p.balance, p.currency FROM referans.balance_points AS p
WHERE %(id)s::text IS NULL OR p.provider_id = %(id)s::text ORDER BY p.provider_id, p.at
"""
