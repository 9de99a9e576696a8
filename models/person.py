"""People of the ops page: a name, a role, and a password of which only an Argon2 hash is stored."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache

import argon2

from models.db import database

#: Characters of a password at least; longer than MOST is refused, so that none takes long to hash.
LEAST_PASSWORD, MOST_PASSWORD = 8, 1000
#: Characters of a name at most.
MOST_NAME = 100
#: 19 MiB and two passes, as OWASP has it: about 30 ms. Little memory, since it is that of a web process.
HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Role(StrEnum):
    """What a person may do on the ops page; each has what the one before has."""

    #: Sees everything but codes.
    VIEWER = "viewer"
    #: Decides about orders, reads codes, replays, redelivers, pauses and resumes providers.
    OPERATOR = "operator"
    #: Ends the sign-ins of others.
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class NameTaken(Exception):
    """Another person has this name."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a list shows it: a row of EVERY."""

    id: int
    name: str
    role: str
    created_at: datetime
    #: When one of their sign-ins was last used; None if none is open.
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Stored:
    id: int
    password: str = field(repr=False)


def add(name: str, role: Role, password: str) -> int:
    """Add a person; returns the id. Raises NameTaken."""
    values = {"name": name, "role": role.value, "password": HASHER.hash(password)}
    added = database.row(ADD, values)
    if added is None:
        raise NameTaken(name)
    return int(added["id"])


def every() -> list[Person]:
    """All people, by name."""
    return database.load(Person, EVERY)


def remove(name: str) -> bool:
    """Remove a person; their sign-ins end with it. False if no person has this name."""
    return database.row(REMOVE, (name,)) is not None


def hash_of(name: str) -> tuple[int, str] | None:
    """The id and the password's hash of the person with this name."""
    found = database.load_one(_Stored, FIND, (name,))
    return (found.id, found.password) if found else None


def is_password(presented: str, stored_hash: str | None) -> bool:
    """Whether `presented` is the password. Without a person it takes as long, so that no name can be told by time."""
    try:
        return HASHER.verify(stored_hash or _of_nobody(), presented) and stored_hash is not None
    except argon2.exceptions.VerificationError:
        return False


@cache
def _of_nobody() -> str:
    return HASHER.hash("\0")


ADD = """
INSERT INTO referans.people (name, role, password) VALUES (%(name)s, %(role)s, %(password)s)
ON CONFLICT (name) DO NOTHING RETURNING id
"""
EVERY = """
SELECT p.id, p.name, p.role, p.created_at,
    (SELECT max(s.seen_at) FROM referans.sign_ins AS s WHERE s.person_id = p.id) AS seen_at
FROM referans.people AS p ORDER BY p.name
"""
REMOVE = "DELETE FROM referans.people WHERE name = %s RETURNING id"
FIND = "SELECT id, password FROM referans.people WHERE name = %s"
