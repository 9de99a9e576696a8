"""Providers whose catalogue is watched, and what is new in it: one text for each, which replaces the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models import texts
from models.db import database


@dataclass(frozen=True, slots=True)
class Watch:
    """A provider whose catalogue is watched."""

    provider_id: str
    #: What a person has seen of it: keys of packages, and of routes to what was gone.
    known: list[str]
    #: When it was read; None: not yet.
    looked_at: datetime | None
    #: Seconds since then, or since it is watched.
    age_seconds: float
    #: What a person should look at; None: nothing.
    attention: str | None


def every() -> dict[str, Watch]:
    """By the provider's id."""
    return {each.provider_id: each for each in database.load(Watch, EVERY)}


def seen(provider_id: str, known: Sequence[str], attention: str | None, *, begin: bool) -> bool:
    """A person has just seen the catalogue, and this is left to look at. With `begin` it is watched from now on.

    False if it is not watched.
    """
    values = {
        "id": provider_id,
        "known": list(known),
        "attention": attention and texts.clean(attention, texts.TIMELINE),
        "begin": begin,
    }
    return database.row(SEEN, values) is not None


def stop(provider_id: str) -> None:
    """Watch it no longer."""
    database.rows("DELETE FROM referans.catalogue_watches WHERE provider_id = %s", (provider_id,))


def due() -> list[str]:
    """Ids of the providers whose catalogue is to be read."""
    return [str(row["id"]) for row in database.rows(DUE)]


def claim(provider_id: str, again_seconds: float) -> Watch | None:
    """The watch, if it is due and no other process takes it; unless it is `read`, it is due again by then."""
    return database.load_one(Watch, CLAIM, {"id": provider_id, "again": again_seconds})


def read(watch: Watch, attention: str | None, next_seconds: float) -> None:
    """The catalogue was read, and this is to be looked at. What a person has seen meanwhile counts more."""
    values = {
        "id": watch.provider_id,
        "known": watch.known,
        "attention": attention and texts.clean(attention, texts.TIMELINE),
        "next": next_seconds,
    }
    database.rows(READ, values)


COLUMNS = """w.provider_id, w.known, w.looked_at,
    EXTRACT(EPOCH FROM now() - COALESCE(w.looked_at, w.since))::float8 AS age_seconds, w.attention"""
EVERY = f"SELECT {COLUMNS} FROM referans.catalogue_watches AS w ORDER BY w.provider_id"
SEEN = """
WITH begun AS (
    INSERT INTO referans.catalogue_watches (provider_id, known, next_at, looked_at, attention)
    SELECT %(id)s, %(known)s::text[], now() + interval '1 day', now(), %(attention)s WHERE %(begin)s
    ON CONFLICT (provider_id) DO NOTHING RETURNING provider_id
), renewed AS (
    UPDATE referans.catalogue_watches SET known = %(known)s::text[], attention = %(attention)s, looked_at = now()
    WHERE provider_id = %(id)s RETURNING provider_id
)
SELECT provider_id FROM begun UNION ALL SELECT provider_id FROM renewed
"""
DUE = "SELECT provider_id AS id FROM referans.catalogue_watches WHERE next_at <= now() ORDER BY next_at, provider_id"
CLAIM = f"""
UPDATE referans.catalogue_watches AS w SET next_at = now() + make_interval(secs => %(again)s)
WHERE w.provider_id = %(id)s AND w.next_at <= now() RETURNING {COLUMNS}
"""
READ = """
UPDATE referans.catalogue_watches SET attention = %(attention)s, looked_at = now(),
    next_at = now() + make_interval(secs => %(next)s)
WHERE provider_id = %(id)s AND known = %(known)s::text[]
"""
