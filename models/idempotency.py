"""Idempotency keys: which order each was used for, and what was answered, byte for byte."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from models.db import database
from models.db.prepared import Prepared


class Key(NamedTuple):
    """An idempotency key; those of two API keys have nothing to do with each other."""

    api_key_id: int
    key: str


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What was answered when the key was first used."""

    api_key_id: int
    key: str
    #: Of the order that it was used for.
    fingerprint: str
    #: As it was sent: an answer that was rendered again, by a later version, might have other fields.
    answer: str


def keep(answers: Iterable[tuple[Key, str]]) -> None:
    """Keep what is answered to placements, in the transaction that places them."""
    rows = [(*key, answer) for key, answer in answers]
    if rows:
        database.rows(KEEP, [database.array(column) for column in zip(*rows, strict=True)])


def first_answers(keys: Collection[Key]) -> dict[Key, FirstAnswer]:
    """What was answered under those of `keys` that were used before."""
    if not keys:
        return {}
    columns = [database.array(column) for column in zip(*keys, strict=True)]
    return {Key(one.api_key_id, one.key): one for one in database.load(FirstAnswer, FIRST_ANSWERS, columns)}


def forget(retention_seconds: float, limit: int) -> int:
    """Delete up to `limit` keys older than the retention; returns how many were deleted."""
    return len(database.rows(FORGET, {"retention": retention_seconds, "limit": limit}))


KEEP = Prepared("""
UPDATE referans.idempotency_keys AS k SET answer = kept.answer
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS kept (key_id, key, answer)
WHERE k.api_key_id = kept.key_id AND k.key = kept.key
""")
FIRST_ANSWERS = """
SELECT k.api_key_id, k.key, k.fingerprint, k.answer
FROM unnest(%s::bigint[], %s::text[]) AS asked (key_id, key)
JOIN referans.idempotency_keys AS k ON k.api_key_id = asked.key_id AND k.key = asked.key
"""
FORGET = """
DELETE FROM referans.idempotency_keys WHERE (api_key_id, key) IN (
    SELECT api_key_id, key FROM referans.idempotency_keys
    WHERE created_at < now() - make_interval(secs => %(retention)s) ORDER BY created_at LIMIT %(limit)s)
RETURNING key
"""
