"""Keys of the order API: 256 random bits, stored only as a SHA-256 digest."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from models.db import database
from models.db.prepared import Prepared

#: Makes a leaked key easy to recognise, for people and for secret scanners.
PREFIX = "rk_"
#: Characters of a key that are stored in clear, so that a person can tell keys apart.
SHOWN = 9


class Scope(StrEnum):
    """What a key may do."""

    ORDERS_WRITE = "orders:write"
    ORDERS_READ = "orders:read"
    PINS_READ = "pins:read"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is not revoked, as it was when it was read."""

    id: int
    name: str
    scopes: frozenset[str]
    #: It places orders of this tenant and sees no others; None: it sees all, and places orders of none.
    tenant_id: str | None
    #: Until when it is valid; None: until it is revoked.
    expires_at: datetime | None = None
    #: Seconds until then, counted from the reading by the clock of the database.
    expires_in_seconds: float | None = None
    #: Whether the day of its last use, as it is stored, is today.
    is_used_today: bool = False

    @property
    def is_expired(self) -> bool:
        """Whether it was no longer valid when it was read."""
        return self.expires_in_seconds is not None and self.expires_in_seconds <= 0


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as a list shows it, whether valid, expired or revoked."""

    id: int
    name: str
    #: Its first characters.
    prefix: str
    scopes: list[str]
    tenant_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    #: In UTC.
    last_used_on: date | None


def create(
    name: str, scopes: list[Scope], valid_for: timedelta | None = None, *, tenant_id: str | None = None
) -> str:
    """A new key, in clear this one time. Without `valid_for` it is valid until it is revoked.

    Whether the tenant exists is not asked; see `tenants.is_known`.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    seconds = valid_for.total_seconds() if valid_for else None
    values = (name, key[:SHOWN], digest(key), [scope.value for scope in scopes], tenant_id, seconds)
    database.rows(CREATE, values)
    return key


def find(key: str) -> ApiKey | None:
    """The key, if it exists, is not revoked and not expired."""
    found = known_by(key, not_revoked())
    return None if found is None or found.is_expired else found


def not_revoked() -> dict[str, ApiKey]:
    """Every key that is not revoked, expired ones too, by its digest.

    All of them, since they are few: whether a key exists then needs no statement, however many wrong ones are tried.
    """
    return {row.pop("digest"): _key(row) for row in database.rows(NOT_REVOKED)}


def known_by(key: str, known: dict[str, ApiKey]) -> ApiKey | None:
    """The one of `known` (`not_revoked`) that `key` is.

    What is compared in passing are digests of it, which tell nothing of a key that is 256 random bits.
    """
    return known.get(digest(key))


def record_use(key_ids: Sequence[int]) -> None:
    """Note that these keys were used today. A key of which that is known costs no write."""
    database.rows(RECORD_USE, (list(key_ids),))


def _key(row: dict[str, Any]) -> ApiKey:
    return ApiKey(**{**row, "scopes": frozenset(row["scopes"])})


def every() -> list[ListedKey]:
    """All keys, newest first."""
    return database.load(ListedKey, EVERY)


def revoke(key_id: int) -> bool:
    """Make a key invalid from now on. False if no valid key has this id."""
    return database.row(REVOKE, (key_id,)) is not None


def digest(key: str) -> str:
    """By what a key is stored and found."""
    return hashlib.sha256(key.encode()).hexdigest()


NOT_REVOKED = Prepared("""
SELECT digest, id, name, scopes, tenant_id::text AS tenant_id, expires_at,
    EXTRACT(EPOCH FROM expires_at - now())::float8 AS expires_in_seconds,
    COALESCE(last_used_on = current_date, false) AS is_used_today
FROM referans.api_keys WHERE revoked_at IS NULL
""")
EVERY = """
SELECT id, name, prefix, scopes, tenant_id::text AS tenant_id, created_at, expires_at, revoked_at, last_used_on
FROM referans.api_keys ORDER BY id DESC
"""
REVOKE = "UPDATE referans.api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL RETURNING id"
CREATE = """
INSERT INTO referans.api_keys (name, prefix, digest, scopes, tenant_id, expires_at)
VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s::float8))
"""
RECORD_USE = """
UPDATE referans.api_keys SET last_used_on = current_date
WHERE id = ANY (%s) AND last_used_on IS DISTINCT FROM current_date
"""
