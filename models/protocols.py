"""Protocol files that were added to the database; those that ship are not here."""

from dataclasses import dataclass

from models.db import database
from models.db.prepared import Prepared
from models.status import IS_OPEN


@dataclass(frozen=True, slots=True)
class Added:
    """A protocol file, and the sample exchanges that prove it."""

    name: str
    #: TOML.
    file: str
    #: JSON.
    samples: str


def add(name: str, file: str, samples: str) -> bool:
    """Store the file, in place of an earlier one of this name. False if there was one."""
    return database.rows(ADD, (name, file, samples))[0]["is_new"] is True


def remove(name: str) -> bool:
    """Forget the file of this name. False if there was none."""
    return bool(database.rows("DELETE FROM referans.protocols WHERE name = %s RETURNING name", (name,)))


def find(name: str) -> Added | None:
    """The protocol of this name, or None."""
    return database.load_one(Added, FIND, (name,))


def file(name: str) -> str | None:
    """The file of this name, or None."""
    row = database.row(FILE, (name,))
    return row["file"] if row else None


def names() -> list[str]:
    """The names of all, in order."""
    return [row["name"] for row in database.rows("SELECT name FROM referans.protocols ORDER BY name")]


def orders_under_way(name: str) -> int:
    """How many orders that are not final were given to providers that speak it."""
    return int(database.rows(UNDER_WAY, (name,))[0]["n"])


UNDER_WAY = f"""
SELECT count(*) AS n FROM product_orders AS o
WHERE (o."nextCheckAt" IS NOT NULL OR o.attention IS NOT NULL) AND {IS_OPEN} AND o."externalStatus" <> 'not_sent'
    AND o."providerId" IN (SELECT p.id FROM referans.providers AS p WHERE p.adapter = %s)
"""
ADD = """
INSERT INTO referans.protocols (name, file, samples) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET file = excluded.file, samples = excluded.samples, added_at = now()
RETURNING xmax = 0 AS is_new
"""
FIND = "SELECT name, file, samples FROM referans.protocols WHERE name = %s"
FILE = Prepared("SELECT file FROM referans.protocols WHERE name = %s")
