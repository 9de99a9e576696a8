"""How orders ended lately, and in all: counted while the sweep reads the timelines (`report.note_changes`)."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.db import database

#: Seconds that one point of a chart stands for, and days for which they are kept.
SLOT_SECONDS, KEPT_DAYS = 300, 2


@dataclass(frozen=True, slots=True)
class Counter:
    """A row of COUNTERS."""

    #: `orders_ended` (label: how; further: what told), or `seconds` (label: step).
    name: str
    provider_id: str
    label: str
    further: str
    value: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A row of LATELY."""

    point: int
    ended: str
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class Duration:
    """A row of DURATIONS."""

    point: int
    provider_id: str
    step: int
    count: int


@dataclass(slots=True)
class Day:
    """The last 24 hours: completions by who told, and times to delivery by provider, at each point."""

    points: list[datetime]
    #: Completed orders by source (`callback`, `poll` …), and orders that timed out as `timeout`; a number a point.
    ended: dict[str, list[int]] = field(default_factory=dict)
    #: By provider, at each point, how many took how long, by step; of those with the most completed orders.
    durations: dict[str, list[dict[int, int]]] = field(default_factory=dict)


def counters() -> list[Counter]:
    """Everything that was counted."""
    return database.load(Counter, COUNTERS)


def last_day(now: datetime, points: int, most_providers: int) -> Day:
    """The 24 hours before `now` in so many points, of which each is as long."""
    seconds = 86_400 / points
    begin = now - timedelta(days=1)
    day = Day([begin + timedelta(seconds=seconds * (place + 1)) for place in range(points)])

    values = {"begin": begin, "end": now, "seconds": seconds, "most": most_providers}
    for each in database.load_list(Ended, LATELY, values):
        name = "timeout" if each.ended == "failed" else each.source
        day.ended.setdefault(name, [0] * points)[each.point] += each.count
    for one in database.load_list(Duration, DURATIONS, values):
        known = day.durations.setdefault(one.provider_id, [defaultdict(int) for _ in range(points)])
        known[one.point][one.step] += one.count
    return day


def forget() -> None:
    """Delete points that no chart shows any more."""
    database.rows(f"DELETE FROM referans.pulse WHERE at < now() - interval '{KEPT_DAYS} days'")
    database.rows(f"DELETE FROM referans.pulse_durations WHERE at < now() - interval '{KEPT_DAYS} days'")


COUNTERS = "SELECT name, provider_id, label, further, value FROM referans.counters ORDER BY 1, 2, 3, 4"
_POINT = "floor(EXTRACT(EPOCH FROM p.at - %(begin)s) / %(seconds)s)::int"
#: Of failed orders those that timed out: by the sweep, or a check of it.
LATELY = f"""
SELECT {_POINT} AS point, p.ended, p.source, sum(p.count)::int AS count FROM referans.pulse AS p
WHERE p.at >= %(begin)s AND p.at < %(end)s AND (p.ended = 'completed' OR p.ended = 'failed' AND p.source = 'sweep')
GROUP BY 1, 2, 3
"""
DURATIONS = f"""
SELECT {_POINT} AS point, p.provider_id, p.step::int AS step, sum(p.count)::int AS count
FROM referans.pulse_durations AS p
WHERE p.at >= %(begin)s AND p.at < %(end)s AND p.provider_id IN (
    SELECT largest.provider_id FROM referans.pulse_durations AS largest
    WHERE largest.at >= %(begin)s AND largest.at < %(end)s
    GROUP BY 1 ORDER BY sum(largest.count) DESC, 1 LIMIT %(most)s
) GROUP BY 1, 2, 3
"""
