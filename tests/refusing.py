"""Servers that answer and take no writes from us any more, as hosts make them over a plan's limit."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg2
import redis

RIGHTS = """
CREATE ROLE {role} LOGIN PASSWORD '{role}';
GRANT USAGE ON SCHEMA public, referans TO {role};
GRANT ALL ON ALL TABLES IN SCHEMA public, referans TO {role};
GRANT ALL ON ALL SEQUENCES IN SCHEMA public, referans TO {role};
"""


@contextmanager
def limited_role(database_url: str) -> Iterator[str]:
    """The URL of the same database for a role that may read and write every table; tests are superusers otherwise."""
    role = f"referans_role_{uuid.uuid4().hex[:8]}"
    execute(database_url, RIGHTS.format(role=role))
    parts = urlsplit(database_url)
    place = parts.netloc.rpartition("@")[2]
    try:
        yield parts._replace(netloc=f"{role}:{role}@{place}").geturl()
    finally:
        execute(database_url, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@contextmanager
def read_only(database_url: str) -> Iterator[None]:
    """New sessions of the database are read-only while the block runs."""
    name = urlsplit(database_url).path.removeprefix("/")
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        execute(database_url, f"ALTER DATABASE {name} RESET default_transaction_read_only")


@contextmanager
def full(redis_url: str) -> Iterator[None]:
    """Redis has used its memory while the block runs; needs a server of the test's own."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


def execute(url: str, statements: str) -> None:
    """Run statements on a connection of their own, also where the database is read-only."""
    writing = "-c default_transaction_read_only=off"
    with closing(psycopg2.connect(url, options=writing)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statements)
