"""The connection pool, and running statements on it."""

import json
import re
import select
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar

import peewee
import psycopg2
from playhouse.pool import PoolConnection, PooledDatabase, PooledPostgresqlDatabase
from psycopg2 import extensions

from models.db.fair_semaphore import FairSemaphore
from models.db.prepared import Prepared

#: The schema of the gateway's own tables, as every statement names it. Where DATABASE_SCHEMA is another, a pool puts
#: that one in its place: no statement relies on a search path. `product_orders` stands where the search path finds it,
#: as it does for the other system's own statements.
SCHEMA = "referans"
#: The schema before the name of a table, also within a literal such as `'referans.routes'::regclass`.
QUALIFIER = re.compile(rf'(?<![\w."]){SCHEMA}\.(?=[a-z_"])')
#: Seconds a thread waits for a free connection before it gives up (`Unavailable`).
POOL_WAIT_SECONDS = 4
#: Statement timeout of a list, in milliseconds; the one of SESSION_OPTIONS is for everything else.
LIST_TIMEOUT_MS = 3000
#: Age in seconds at which a connection is replaced.
STALE_SECONDS = 300
#: Seconds a connection may have been idle and still be used without asking whether its server is there.
PROBE_AFTER_SECONDS = 1

#: libpq settings that keep a dead server or a stuck statement from holding a thread; milliseconds unless named.
CONNECTION_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,  # seconds
    "keepalives": 1,
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
#: Settings of each session; milliseconds.
SESSION_OPTIONS = (
    "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=10000"
    " -c idle_in_transaction_session_timeout=30000 -c plan_cache_mode=force_generic_plan"
)


class Unavailable(Exception):
    """Every connection that may be used for this is in use; nothing was asked of the database."""


class Use(Enum):
    """What a connection is wanted for. It decides how many of the pool may be used for that at the same time."""

    #: Settling, placing, and what they need: any connection that is free.
    WORK = auto()
    #: A request about one order, or about a name that may not exist: a part of the pool.
    REQUEST = auto()
    #: Lists, which read many rows: a part of that part.
    LIST = auto()


@dataclass(frozen=True, slots=True)
class Shares:
    """How many connections of a pool may be in use at the same time; the others are left for `Use.WORK`."""

    #: For `Use.REQUEST` and `Use.LIST` together.
    requests: int
    #: For `Use.LIST`.
    lists: int


class TooSlow(Exception):
    """A list took longer than LIST_TIMEOUT_MS; nothing is wrong with the database."""


#: Raised when the database is unavailable, restarting or out of connections: try again later.
#: (A deadlock is psycopg2's own error; a database that became read-only is an InternalError.)
UNAVAILABLE = (
    peewee.OperationalError,
    peewee.InterfaceError,
    peewee.InternalError,
    psycopg2.OperationalError,
    Unavailable,
)

#: Classes of SQLSTATE after which the statement may have been committed: the connection fails, or its server stops.
UNCLEAR = ("08", "57P")
#: The SQLSTATE of a statement that waited longer than `lock_timeout`.
LOCK_NOT_AVAILABLE = "55P03"
#: The SQLSTATE of a statement that took longer than `statement_timeout`.
QUERY_CANCELED = "57014"
#: The SQLSTATE of a write on a database that is read-only.
READ_ONLY = "25006"
#: The SQLSTATE of a statement for which our role lacks a right.
NOT_PERMITTED = "42501"
#: The SQLSTATEs of a prepared statement whose columns have changed since, or that does not exist any more.
OUTDATED = ("0A000", "26000")


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


#: A dataclass whose fields are the columns of a statement.
Row = TypeVar("Row", bound="Dataclass")

database = peewee.DatabaseProxy()


class Connection(extensions.connection):
    """A connection, and the statements that it has prepared."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.prepared: set[str] = set()
        #: It was opened while the database was read-only, and stays so when the database is not any more.
        self.is_read_only = False
        #: A statement took as long as its timeout, which then may have come true just as it ended: PostgreSQL reports
        #: that as the error of the next statement, whatever that is.
        self.is_suspect = False


class Pool(PooledPostgresqlDatabase):  # type: ignore[misc]
    """A pool that never hands out a dead connection, so that the first request after a restart succeeds.

    peewee's pool holds its locks while it connects and probes, so that one connection that hangs stops every thread.
    Here the locks guard the bookkeeping only.
    """

    def __init__(
        self, *args: Any, shares: Shares | None = None, schema: str = SCHEMA, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        #: The schema of the gateway's own tables.
        self.schema = schema
        self._shares: dict[Use, tuple[FairSemaphore, ...]] = {}
        if shares:
            requests, lists = FairSemaphore(shares.requests), FairSemaphore(shares.lists)
            self._shares = {Use.REQUEST: (requests,), Use.LIST: (lists, requests)}
        # peewee guards with this lock what is each thread's own.
        self._lock = nullcontext()
        self._places = FairSemaphore(self._max_connections)

    def _connect(self) -> Any:
        """Raises Unavailable if all are in use for too long."""
        if not self._places.acquire(POOL_WAIT_SECONDS):
            raise Unavailable(f"all {self._max_connections} connections are in use")
        try:
            created, connection = self._idle_and_alive() or (
                time.time(),
                super(PooledDatabase, self)._connect(),
            )
        except BaseException:
            self._places.release()
            raise
        with self._pool_lock:
            self._in_use[self.conn_key(connection)] = PoolConnection(created, connection, time.time())
        return connection

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Run a statement, with the gateway's tables in the schema of this pool."""
        return super().execute_sql(qualified(sql, self.schema), params)

    @contextmanager
    def share(self, use: Use) -> Iterator[None]:
        """A place among those that `use` may take, for as long as the block runs. Raises Unavailable."""
        with ExitStack() as held:
            deadline = time.monotonic() + POOL_WAIT_SECONDS
            for places in self._shares.get(use, ()):
                if not places.acquire(max(0, deadline - time.monotonic())):
                    raise Unavailable(f"all connections for this use ({use.name.lower()}) are in use")
                held.callback(places.release)
            yield

    def change_connection(self) -> None:
        """Have the session of this thread go on with another connection. Raises Unavailable."""
        self._close(self._state.conn)
        # All else of the session stays, which `set_connection` would forget.
        self._state.conn = self._connect()

    def _idle_and_alive(self) -> tuple[float, Any] | None:
        """The live connection that was returned last, and when it was made."""
        while True:
            with self._pool_lock:
                if not self._connections:
                    return None
                created, given_back, connection = self._connections.pop()
            if not self._is_stale(created) and _is_alive(connection, time.monotonic() - given_back):
                return created, connection
            self._close_raw(connection)

    def _close(self, connection: Any, close_conn: bool = False) -> None:
        is_sound = not connection.is_read_only and not connection.is_suspect
        keep = is_sound and not close_conn and self._can_reuse(connection)
        with self._pool_lock:
            held = self._in_use.pop(self.conn_key(connection), None)
            keep = keep and held is not None and not self._is_stale(held.timestamp)
            if keep:
                self._connections.append((held.timestamp, time.monotonic(), connection))
        if held:
            self._places.release()
        if not keep:
            self._close_raw(connection)


def qualified(sql: str, schema: str) -> str:
    """`sql` with the gateway's own tables in `schema`."""
    return sql if schema == SCHEMA else _moved(sql, schema)


@lru_cache(maxsize=2048)
def _moved(sql: str, schema: str) -> str:
    return QUALIFIER.sub(f'"{schema}".', sql)


def _is_alive(connection: Any, idle_seconds: float) -> bool:
    """Asks the server only if it has sent something (usually that it ends), or if the connection was idle for long."""
    try:
        silent = select.poll()
        silent.register(connection.fileno(), select.POLLIN)
        if silent.poll(0) or idle_seconds > PROBE_AFTER_SECONDS:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


class Model(peewee.Model):
    """A table of the gateway."""

    class Meta:
        database = database
        legacy_table_names = False


def connect(
    url: str,
    *,
    pool_size: int = 4,
    shares: Shares | None = None,
    name: str = "referans",
    session_options: str = SESSION_OPTIONS,
    schema: str = SCHEMA,
) -> Pool:
    """A pool of at most `pool_size` connections to `url`; none is opened yet. `name` shows in pg_stat_activity.

    `schema` holds the gateway's own tables. Without `shares`, every use may take every connection.
    `options` of the URL, such as a search_path, stand behind `session_options` and win.
    """
    parameters: dict[str, Any] = {**CONNECTION_OPTIONS, "application_name": name, **extensions.parse_dsn(url)}
    parameters["options"] = f"{session_options} {parameters.get('options', '')}".strip()
    return Pool(
        parameters.pop("dbname", None) or "postgres",
        connection_factory=Connection,
        max_connections=pool_size,
        shares=shares,
        schema=schema,
        stale_timeout=STALE_SECONDS,
        **parameters,
    )


def bind(pool: Pool) -> None:
    """Use this pool from now on; see `binding.bind`."""
    database.initialize(pool)


def is_bound() -> bool:
    """Whether this process has been given a pool."""
    return database.obj is not None


@contextmanager
def session(use: Use = Use.WORK) -> Iterator[None]:
    """A connection for this thread for as long as the block runs; nested blocks share it, whatever their use is.

    Raises Unavailable, and what psycopg2 raises.
    """
    if not database.is_closed():
        yield
    elif use is Use.WORK:
        with database.connection_context():
            yield
    else:
        with database.share(use), database.connection_context():
            yield


def rows(sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows a statement returns, by column name."""
    names, found = _execute(sql, parameters)
    return [dict(zip(names, row, strict=True)) for row in found]


def _execute(
    sql: str, parameters: Mapping[str, Any] | Sequence[Any]
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The names of the columns that a statement returns, and its rows."""
    began = time.monotonic()
    try:
        cursor = (
            _execute_prepared(sql, parameters)
            if isinstance(sql, Prepared)
            else database.execute_sql(sql, parameters)
        )
    except peewee.InternalError as error:
        if sqlstate(error) == READ_ONLY:
            database.connection().is_read_only = True
        raise
    # No timeout is shorter, but for those of `load_list`.
    if time.monotonic() - began >= LIST_TIMEOUT_MS / 1000:
        database.connection().is_suspect = True
    if cursor.description is None:
        return (), []
    return tuple(column.name for column in cursor.description), cursor.fetchall()


def _execute_prepared(sql: Prepared, parameters: Mapping[str, Any] | Sequence[Any]) -> Any:
    known = _prepare(sql)
    try:
        return database.execute_sql(sql.execute, parameters)
    except peewee.DatabaseError as error:
        if sqlstate(error) not in OUTDATED:
            raise
        known.clear()
        if database.in_transaction():  # which has failed as a whole
            raise
    _prepare(sql)
    return database.execute_sql(sql.execute, parameters)


def _prepare(sql: Prepared) -> set[str]:
    """The names of what this connection has prepared, `sql` included."""
    known: set[str] = database.connection().prepared
    if not known:
        database.execute_sql("DEALLOCATE ALL")
    if sql.name not in known:
        database.execute_sql(sql.prepare)
        known.add(sql.name)
    return known


def row(sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> dict[str, Any] | None:
    """The first row a statement returns, or None."""
    found = rows(sql, parameters)
    return found[0] if found else None


def load(kind: type[Row], sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
    """The rows a statement returns, as the dataclass `kind`.

    Raises TypeError unless its columns are the fields of `kind`, in their order.
    """
    names, found = _execute(sql, parameters)
    expected = tuple(kind.__dataclass_fields__)
    if names != expected:
        raise TypeError(f"{kind.__name__} has the fields {expected}, the statement returns {names}")
    return [kind(*each) for each in found]


def load_beside(
    kind: type[Row], sql: str, parameters: Mapping[str, Any], further: str
) -> list[tuple[Row, Any]]:
    """`load`, and of each row the value of one `further` column, which is the last one."""
    names, found = _execute(sql, parameters)
    expected = (*kind.__dataclass_fields__, further)
    if names != expected:
        raise TypeError(f"{kind.__name__} has, with {further}, {expected}, the statement returns {names}")
    return [(kind(*each[:-1]), each[-1]) for each in found]


def load_list(
    kind: type[Row], sql: str, parameters: Mapping[str, Any], *, within_ms: int | None = None
) -> list[Row]:
    """`load`, for a list: with a statement timeout of its own, in the same round trip. Raises TooSlow.

    That is LIST_TIMEOUT_MS unless `within_ms` is given.
    """
    within_ms = LIST_TIMEOUT_MS if within_ms is None else within_ms
    began = time.monotonic()
    try:
        found = load(kind, f"SET LOCAL statement_timeout = {within_ms}; {sql}", parameters)
    except peewee.OperationalError as error:
        if sqlstate(error) != QUERY_CANCELED:
            raise
        raise TooSlow(f"the list took longer than {within_ms / 1000:.15g} s") from None
    if time.monotonic() - began >= within_ms / 1000:
        _leave_connection()
    return found


def _leave_connection() -> None:
    """Go on with another connection, since the next statement may be answered with the timeout of the last one.

    Within a transaction that cannot be; the connection is not used again after it.
    """
    database.connection().is_suspect = True
    if not database.in_transaction():
        database.change_connection()


def load_one(kind: type[Row], sql: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> Row | None:
    """The first row a statement returns, as the dataclass `kind`, or None."""
    found = load(kind, sql, parameters)
    return found[0] if found else None


def sqlstate(error: BaseException) -> str | None:
    """The error's SQLSTATE; None if it is not PostgreSQL's own, as when the connection is lost."""
    return getattr(getattr(error, "orig", error), "pgcode", None)


def constraint(error: BaseException) -> str | None:
    """The constraint or unique index that a statement violated; None for any other error."""
    return getattr(getattr(getattr(error, "orig", error), "diag", None), "constraint_name", None)


def column(error: BaseException) -> str | None:
    """The column that lacks a value which it must have; None for any other error."""
    return getattr(getattr(getattr(error, "orig", error), "diag", None), "column_name", None)


def was_undone(error: BaseException) -> bool:
    """Whether certainly nothing of the statement, or of its transaction, was committed."""
    state = sqlstate(error)
    return state is not None and not state.startswith(UNCLEAR)


def array(values: Iterable[object]) -> str:
    """`values` as one parameter for an array of their type; psycopg2's own `ARRAY[…]` is slower on both sides."""
    return f"{{{','.join(map(_element, values))}}}"


def arrays(rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """One parameter for each name of `rows`, which all have the same names: the array of its values."""
    return {name: array(row[name] for row in rows) for name in rows[0]}


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


#: A value as JSON text. The encoder is made once; `json.dumps` makes one for every call.
as_json = json.JSONEncoder(ensure_ascii=False).encode
