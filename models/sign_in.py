"""Sign-ins to the ops page, of people and of API keys.

The browser has a token of 256 random bits; only its SHA-256 digest is stored. A sign-in ends by itself after
IDLE_SECONDS without a request, and LONGEST_SECONDS after it began; with its person, or with its key.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from models.api_key import Scope
from models.db import database
from models.db.prepared import Prepared

#: Seconds without a request after which a sign-in ends.
IDLE_SECONDS = 12 * 3600
#: Seconds after which it ends however much it is used.
LONGEST_SECONDS = 7 * 86_400
#: Seconds until another use is written down.
SEEN_SECONDS = 60
#: Characters that are kept of what a browser calls itself.
MOST_BROWSER = 200


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that is valid: a row of FIND."""

    id: int
    #: The name of the person, or of the key.
    name: str
    #: The person's role; None for a key.
    role: str | None
    #: The key's scopes; None for a person.
    scopes: list[str] | None
    person_id: int | None
    key_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A sign-in as a list shows it: a row of EVERY."""

    id: int
    name: str
    is_key: bool
    person_id: int | None
    created_at: datetime
    seen_at: datetime
    address: str
    browser: str


def begin(address: str, browser: str, *, person_id: int | None = None, key_id: int | None = None) -> str:
    """Sign a person or a key in; returns the token, which is not stored."""
    token = secrets.token_urlsafe(32)
    values = {
        "digest": digest(token),
        "person": person_id,
        "key": key_id,
        "address": address,
        "browser": browser[:MOST_BROWSER],
    }
    database.rows(BEGIN, values)
    return token


def find(token: str) -> SignIn | None:
    """The sign-in with this token, if it is still valid. Notes that it is used, at most once in SEEN_SECONDS."""
    return database.load_one(SignIn, FIND, {"digest": digest(token)})


def every() -> list[Listed]:
    """Those that are valid, the one used last first."""
    return database.load(Listed, EVERY)


def end(sign_in_id: int, *, person_id: int | None = None) -> bool:
    """End a sign-in, only one of this person if given. False if there was none."""
    return database.row(END, {"id": sign_in_id, "person": person_id}) is not None


def forget(limit: int) -> int:
    """Delete up to `limit` that are over; returns how many."""
    return len(database.rows(FORGET, {"limit": limit}))


def digest(token: str) -> str:
    """By what a sign-in is stored and found."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """What every form of a sign-in carries, so that no other site can send one. It does not tell the token."""
    return hashlib.sha256(f"form:{token}".encode()).hexdigest()


#: In SQL, of the sign-in `s`: it is not over.
IS_CURRENT = f"""(s.seen_at > now() - make_interval(secs => {IDLE_SECONDS})
    AND s.created_at > now() - make_interval(secs => {LONGEST_SECONDS}))"""
#: The person `p` or the key `k` of the sign-in `s`. A key of a tenant sees no page, which are about all tenants.
_WHOSE = f"""
LEFT JOIN referans.people AS p ON p.id = s.person_id
LEFT JOIN referans.api_keys AS k ON k.id = s.key_id AND k.revoked_at IS NULL AND k.tenant_id IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now()) AND '{Scope.OPS}' = ANY (k.scopes)
"""
BEGIN = """
INSERT INTO referans.sign_ins (digest, person_id, key_id, address, browser)
VALUES (%(digest)s, %(person)s, %(key)s, %(address)s, %(browser)s)
"""
FIND = Prepared(f"""
WITH found AS (
    SELECT s.id, COALESCE(p.name, k.name) AS name, p.role, k.scopes, s.person_id, s.key_id, s.created_at,
        s.seen_at
    FROM referans.sign_ins AS s {_WHOSE}
    WHERE s.digest = %(digest)s AND {IS_CURRENT} AND (p.id IS NOT NULL OR k.id IS NOT NULL)
), noted AS (
    UPDATE referans.sign_ins AS s SET seen_at = now() FROM found
    WHERE s.id = found.id AND found.seen_at < now() - make_interval(secs => {SEEN_SECONDS})
)
SELECT id, name, role, scopes, person_id, key_id, created_at FROM found
""")
EVERY = f"""
SELECT s.id, COALESCE(p.name, k.name) AS name, p.id IS NULL AS is_key, s.person_id, s.created_at, s.seen_at, s.address,
    s.browser
FROM referans.sign_ins AS s {_WHOSE}
WHERE {IS_CURRENT} AND (p.id IS NOT NULL OR k.id IS NOT NULL) ORDER BY s.seen_at DESC, s.id DESC
"""
END = """
DELETE FROM referans.sign_ins WHERE id = %(id)s AND (%(person)s::bigint IS NULL OR person_id = %(person)s::bigint)
RETURNING id
"""
FORGET = f"""
DELETE FROM referans.sign_ins WHERE id IN (
    SELECT s.id FROM referans.sign_ins AS s WHERE NOT {IS_CURRENT} LIMIT %(limit)s)
RETURNING id
"""
