"""The connection pool, and how models are handed it."""

import json
import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import peewee
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg2.extensions import parse_dsn

#: Seconds a thread waits for a free connection before it gives up (`Unavailable`).
POOL_WAIT_SECONDS = 5
#: Seconds after which an idle connection is replaced.
STALE_SECONDS = 300

#: libpq settings that keep a dead server or a stuck statement from holding a thread; milliseconds unless named.
CONNECTION_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,  # seconds
    "keepalives": 1,
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=10000"
    " -c idle_in_transaction_session_timeout=30000",
}

#: What a caller sees when the database is away, restarting or out of connections: try again later.
UNAVAILABLE = (peewee.OperationalError, peewee.InterfaceError, MaxConnectionsExceeded)

database = peewee.DatabaseProxy()


class Pool(PooledPostgresqlDatabase):  # type: ignore[misc]
    """A pool that notices, without asking the server, that a server has gone while a connection lay idle."""

    def _is_closed(self, conn: Any) -> bool:
        if super()._is_closed(conn):
            return True
        # An idle server says nothing; what can be read now is its farewell, or the end of the stream.
        readable, _, _ = select.select([conn], [], [], 0)
        return bool(readable)


class Model(peewee.Model):
    """A table of the gateway."""

    class Meta:
        database = database
        legacy_table_names = False


def connect(url: str, *, pool_size: int = 4, name: str = "referans") -> Pool:
    """A pool of at most `pool_size` connections to `url`; none is opened yet. `name` shows in pg_stat_activity."""
    parameters: dict[str, Any] = {**CONNECTION_OPTIONS, "application_name": name, **parse_dsn(url)}
    return Pool(
        parameters.pop("dbname", None) or "postgres",
        max_connections=pool_size,
        stale_timeout=STALE_SECONDS,
        timeout=POOL_WAIT_SECONDS,
        **parameters,
    )


def bind(pool: Pool) -> None:
    """Hand every model its database."""
    database.initialize(pool)


@contextmanager
def session() -> Iterator[None]:
    """A connection for this thread for as long as the block runs; nested blocks share it."""
    if not database.is_closed():
        yield
        return
    with database.connection_context():
        yield


def rows(sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows a statement returns, by column name."""
    cursor = database.execute_sql(sql, parameters)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []


def row(sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> dict[str, Any] | None:
    """The first row a statement returns, or None."""
    found = rows(sql, parameters)
    return found[0] if found else None


def as_json(value: object) -> str:
    """`value` as a parameter for a jsonb column."""
    return json.dumps(value, ensure_ascii=False)
