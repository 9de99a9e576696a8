"""Keys of the order API: 256 random bits, stored only as a SHA-256 digest."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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
    """A key that is valid now."""

    id: int
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as a list shows it, whether valid or revoked."""

    id: int
    name: str
    #: Its first characters.
    prefix: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


def create(name: str, scopes: list[Scope]) -> str:
    """A new key, in clear this one time."""
    key = PREFIX + secrets.token_urlsafe(32)
    database.rows(CREATE, (name, key[:SHOWN], _digest(key), [scope.value for scope in scopes]))
    return key


def find(key: str) -> ApiKey | None:
    """The key, if it exists and is not revoked."""
    digest = _digest(key)
    row = database.row(FIND, (digest,))
    if row is None or not hmac.compare_digest(row["digest"], digest):
        return None
    return ApiKey(row["id"], row["name"], frozenset(row["scopes"]))


def every() -> list[ListedKey]:
    """All keys, newest first."""
    return database.load(ListedKey, EVERY)


def revoke(key_id: int) -> bool:
    """Make a key invalid from now on. False if no valid key has this id."""
    return database.row(REVOKE, (key_id,)) is not None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


FIND = Prepared("SELECT id, name, scopes, digest FROM api_keys WHERE digest = %s AND revoked_at IS NULL")
EVERY = "SELECT id, name, prefix, scopes, created_at, revoked_at FROM api_keys ORDER BY id DESC"
REVOKE = "UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL RETURNING id"
CREATE = "INSERT INTO api_keys (name, prefix, digest, scopes) VALUES (%s, %s, %s, %s)"
