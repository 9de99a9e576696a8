"""Keys of the order API: 256 random bits, kept only as a SHA-256 digest."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.db import database
from models.db.prepared import Prepared

#: Makes a leaked key easy to recognise, for people and for secret scanners.
PREFIX = "rk_"
#: How many characters of a key are kept in clear, so that a person can tell keys apart.
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


def every() -> list[dict[str, Any]]:
    """All keys: `{id, name, prefix, scopes, created_at, revoked_at}`, newest first."""
    return database.rows(
        "SELECT id, name, prefix, scopes, created_at, revoked_at FROM api_keys ORDER BY id DESC"
    )


def revoke(key_id: int) -> bool:
    """Make a key invalid from now on; False where there is no such valid key."""
    sql = "UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL RETURNING id"
    return database.row(sql, (key_id,)) is not None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


FIND = Prepared("SELECT id, name, scopes, digest FROM api_keys WHERE digest = %s AND revoked_at IS NULL")
CREATE = "INSERT INTO api_keys (name, prefix, digest, scopes) VALUES (%s, %s, %s, %s)"
