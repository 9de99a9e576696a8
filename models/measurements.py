"""What the processes have measured. Web and worker share no disk: each adds to what stands here, in batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.db import database


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one thing: a row of ALL."""

    name: str
    #: The values of its labels.
    labels: Sequence[str]
    #: Of a counter its value alone; of a histogram how many fell into each bucket.
    counts: Sequence[int]
    #: Of a histogram the sum of what was measured, in its unit.
    total: float


def add(measured: Sequence[Measured]) -> None:
    """Add all of it to what stands there: one statement."""
    fields = [
        {
            "name": each.name,
            "labels": database.array(each.labels),
            "counts": database.array(each.counts),
            "total": each.total,
        }
        for each in measured
    ]
    database.rows(ADD, database.arrays(fields))


def every() -> list[Measured]:
    """All of it, by name and labels."""
    return database.load(Measured, ALL)


#: In one order, so that two processes do not deadlock.
ADD = """
INSERT INTO referans.measurements AS m (name, labels, counts, total)
SELECT given.name, given.labels::text[], given.counts::bigint[], given.total
FROM unnest(%(name)s::text[], %(labels)s::text[], %(counts)s::text[], %(total)s::float8[])
    AS given (name, labels, counts, total)
ORDER BY given.name, given.labels
ON CONFLICT (name, labels) DO UPDATE SET
    counts = ARRAY(
        SELECT COALESCE(pair.known, 0) + COALESCE(pair.more, 0)
        FROM unnest(m.counts, excluded.counts) WITH ORDINALITY AS pair (known, more, place) ORDER BY pair.place
    ),
    total = m.total + excluded.total
"""
ALL = "SELECT name, labels, counts, total FROM referans.measurements ORDER BY name, labels"
