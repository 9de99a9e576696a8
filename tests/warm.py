"""Connections that outlive a test: what is new for each test would spend most of its time on reading the catalogue."""

import time
from contextlib import suppress
from typing import Any

import peewee
import psycopg2
from psycopg2 import extensions

from gateway.providers import kinds
from models.db import database
from models.db.database import Pool

#: Connections that are kept between two tests.
MOST = 4
#: The databases of which connections are kept: those that outlive a test themselves.
_databases: set[str] = set()
#: What `run` has run last, and on which connection.
_last: list[Any] = []
_kept: dict[tuple[object, ...], list[extensions.connection]] = {}


def outlives_tests(name: str) -> None:
    """Keep connections to the database of this name from now on."""
    _databases.add(name)


def fill(pool: Pool) -> Pool:
    """Give a new pool the connections that the one before it had; each is asked whether it lives before it is used."""
    kept = _kept.get(_key(pool), [])
    while kept and len(pool._connections) < min(MOST, pool._max_connections):
        pool._connections.append((time.time(), -1e9, kept.pop()))
    return pool


def know() -> None:
    """Let this process know what it reads from a database once, so that no test is the first to ask for it."""
    with suppress(*database.UNAVAILABLE, peewee.ProgrammingError):
        kinds.replaced()


def close(pool: Pool) -> None:
    """Close a pool, and keep those of its connections that are idle."""
    if not pool.is_closed():
        pool.close()
    if pool.database in _databases:
        kept = _kept.setdefault(_key(pool), [])
        while pool._connections and len(kept) < MOST:
            kept.append(pool._connections.pop()[2])
    pool.close_all()


def _key(pool: Pool) -> tuple[object, ...]:
    return (pool.database, *(pool.connect_params[name] for name in ("host", "port", "user", "options")))


def run(url: str, statements: str) -> None:
    """Run the body of a PL/pgSQL block on a connection that is kept for it, which makes it many times faster."""
    if _last and _last[0] == (url, statements):
        try:
            _run_again(_last[1])
        except psycopg2.OperationalError:  # a test has cut it
            pass
        else:
            return
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION pg_temp.run() RETURNS void LANGUAGE plpgsql AS $run$ {statements} $run$"
        )
    if _last:
        _last[1].close()
    _last[:] = (url, statements), connection
    _run_again(connection)


def _run_again(connection: extensions.connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_temp.run()")
