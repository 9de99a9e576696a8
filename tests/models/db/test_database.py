"""The pool: what it hands out works, and a connection that hangs delays no other."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass

import peewee
import psycopg2
import pytest

from models.db import database
from models.db.migrate import migrate


@pytest.fixture
def pool(database_url: str) -> Iterator[database.Pool]:
    made = database.connect(database_url, pool_size=2, name="pool-test")
    yield made
    made.close_all()


def backend(pool: database.Pool) -> int:
    """The server process that answers on a connection of the pool."""
    with pool.connection_context():
        return int(pool.execute_sql("SELECT pg_backend_pid()").fetchone()[0])


def terminate(database_url: str, pid: int) -> None:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def with_search_path(database_url: str, schema: str) -> str:
    joint = "&" if "?" in database_url else "?"
    return f"{database_url}{joint}options=-c%20search_path%3D{schema}"


def test_options_of_the_url_stand_beside_ours(database_url: str) -> None:
    made = database.connect(with_search_path(database_url, "shop"), pool_size=1)
    with made.connection_context():
        shown = [made.execute_sql(f"SHOW {name}").fetchone()[0] for name in ("search_path", "lock_timeout")]
    made.close_all()
    assert shown == ["shop", "10s"]


def test_migrations_follow_the_options_of_the_url(empty_database_url: str) -> None:
    """As the gateway does, which would otherwise not find its tables."""
    with closing(psycopg2.connect(empty_database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA shop")
        connection.commit()
        migrate(with_search_path(empty_database_url, "shop"), echo=lambda line: None)
        cursor.execute("SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname IN ('shop', 'public')")
        assert cursor.fetchall() == [("shop",)]


def test_a_connection_is_used_again(pool: database.Pool) -> None:
    assert backend(pool) == backend(pool)


def test_a_connection_whose_server_has_gone_is_replaced(pool: database.Pool, database_url: str) -> None:
    first = backend(pool)
    terminate(database_url, first)

    assert backend(pool) != first


def test_one_that_was_idle_for_long_is_asked_first(
    pool: database.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = backend(pool)
    monkeypatch.setattr(database, "PROBE_AFTER_SECONDS", 0)

    assert backend(pool) == first


@dataclass(frozen=True, slots=True)
class Number:
    number: int


#: It goes on beyond its timeout, as one may whose timeout comes true when it has found its last row.
LATE = "SET LOCAL statement_timeout = 0; SELECT 1 AS number FROM pg_sleep(0.03)"


@pytest.mark.parametrize("is_in_transaction", [False, True])
def test_none_is_used_again_whose_statement_took_as_long_as_its_timeout(
    pool: database.Pool, monkeypatch: pytest.MonkeyPatch, is_in_transaction: bool
) -> None:
    """PostgreSQL may report the timeout afterwards, as the error of whatever statement comes next."""
    monkeypatch.setattr(database, "database", pool)
    first = backend(pool)
    with pool.connection_context(), pool.atomic() if is_in_transaction else nullcontext():
        assert database.load_list(Number, LATE, {}, within_ms=20) == [Number(1)]
        assert (database.rows("SELECT pg_backend_pid()")[0]["pg_backend_pid"] == first) is is_in_transaction
    assert backend(pool) != first


def test_nor_is_one_of_any_other_slow_statement(pool: database.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "database", pool)
    monkeypatch.setattr(database, "LIST_TIMEOUT_MS", 20)
    first = backend(pool)
    with pool.connection_context():
        database.rows("SELECT 1")
    assert backend(pool) == first
    with pool.connection_context():
        database.rows("SELECT pg_sleep(0.03)")
    assert backend(pool) != first


def test_an_old_one_is_replaced(pool: database.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = backend(pool)
    monkeypatch.setattr(pool, "_stale_timeout", -1)

    assert backend(pool) != first


def test_what_was_left_open_in_a_transaction_is_rolled_back(pool: database.Pool) -> None:
    with pool.connection_context():
        pool.execute_sql("BEGIN")
        pool.execute_sql("CREATE TABLE left_open ()")

    with pool.connection_context():
        assert not pool.table_exists("left_open")


def in_threads(count: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_threads_share_few_connections(pool: database.Pool) -> None:
    seen: list[int] = []

    in_threads(16, lambda: seen.extend(backend(pool) for _ in range(20)))

    assert len(seen) == 320
    assert len(set(seen)) <= 2
    assert pool._in_use == {}


def test_without_a_free_connection_a_thread_gives_up(
    pool: database.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 0.05)
    held, done = threading.Barrier(3), threading.Event()

    def hold() -> None:
        with pool.connection_context():
            held.wait()
            done.wait()

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    held.wait()
    with pytest.raises(database.Unavailable):
        pool.connect()
    done.set()
    for thread in threads:
        thread.join()
    backend(pool)


@pytest.fixture
def shared(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[database.Pool]:
    """Bound: five connections, of which requests take two, and lists one of these."""
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 0.05)
    made = database.connect(database_url, pool_size=5, shares=database.Shares(requests=2, lists=1))
    database.bind(made)
    yield made
    made.close_all()


class Holder:
    """A thread that holds a connection until it is let go."""

    def __init__(self, use: database.Use) -> None:
        self._use = use
        self._let_go = threading.Event()
        self._has_begun = threading.Event()
        self.admitted = False
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._has_begun.wait(10)

    def _hold(self) -> None:
        try:
            with database.session(self._use):
                self.admitted = True
                self._has_begun.set()
                self._let_go.wait()
        except database.Unavailable:
            self._has_begun.set()

    def let_go(self) -> None:
        self._let_go.set()
        self._thread.join()


@contextmanager
def held(*uses: database.Use) -> Iterator[list[bool]]:
    """Whether each of these, one after the other, was given a connection."""
    holders = [Holder(use) for use in uses]
    try:
        yield [holder.admitted for holder in holders]
    finally:
        for holder in holders:
            holder.let_go()


WORK, REQUEST, LIST = database.Use.WORK, database.Use.REQUEST, database.Use.LIST


@pytest.mark.parametrize(
    ("uses", "admitted"),
    [
        ([LIST, LIST, REQUEST, REQUEST], [True, False, True, False]),
        ([REQUEST, REQUEST, REQUEST, LIST], [True, True, False, False]),
        ([LIST, REQUEST, LIST, WORK, WORK, WORK, WORK], [True, True, False, True, True, True, False]),
        ([WORK] * 6, [True] * 5 + [False]),
    ],
)
def test_reads_leave_connections_for_work_and_lists_leave_one_for_requests(
    shared: database.Pool, uses: list[database.Use], admitted: list[bool]
) -> None:
    with held(*uses) as found:
        assert found == admitted
    with held(*uses) as again:  # every place was given back
        assert again == admitted


def test_a_session_within_another_takes_no_place_of_its_own(shared: database.Pool) -> None:
    with database.session(WORK), held(LIST, REQUEST), database.session(LIST):
        assert database.rows("SELECT 1 AS one") == [{"one": 1}]


def test_without_shares_every_use_takes_every_connection(pool: database.Pool) -> None:
    database.bind(pool)
    with held(LIST, LIST) as found:
        assert found == [True, True]


def test_a_connection_that_could_not_be_opened_takes_no_place() -> None:
    pool = database.connect("postgresql://postgres@127.0.0.1:1/nothing", pool_size=1)

    for _ in range(3):
        with pytest.raises(peewee.OperationalError):
            pool.connect()


def test_a_connection_that_hangs_while_it_opens_delays_no_other(database_url: str) -> None:
    pool = database.connect(database_url, pool_size=2)
    backend(pool)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given_host, given_port = pool.connect_params["host"], pool.connect_params["port"]
        hanging = threading.Thread(target=_connect_and_fail, args=(pool,))
        with pool.connection_context():  # so that the other thread must open one of its own
            pool.connect_params |= {"host": "127.0.0.1", "port": str(silent.getsockname()[1])}
            hanging.start()
            accepted, _ = silent.accept()
            began = time.monotonic()
        backend(pool)  # the one that was just given back

        assert time.monotonic() - began < 4
        accepted.close()
    hanging.join()
    pool.connect_params |= {"host": given_host, "port": given_port}
    pool.close_all()


def _connect_and_fail(pool: database.Pool) -> None:
    with pytest.raises(database.UNAVAILABLE):
        pool.connect()


@pytest.mark.parametrize(
    ("sql", "undone"),
    [
        ("SELECT 1 / 0", True),
        ("INSERT INTO referans.order_events (order_id, source) VALUES (NULL, 'api')", True),
        ("SELECT pg_terminate_backend(pg_backend_pid())", False),
    ],
)
def test_only_postgresql_itself_says_that_nothing_was_committed(
    pool: database.Pool, sql: str, undone: bool
) -> None:
    with pool.connection_context(), pytest.raises(peewee.DatabaseError) as raised:
        pool.execute_sql(sql, ())
    assert database.was_undone(raised.value) is undone


def test_a_lost_connection_says_nothing(pool: database.Pool) -> None:
    with pool.connection_context():
        with socket.socket(fileno=os.dup(pool.connection().fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
        with pytest.raises(peewee.DatabaseError) as raised:
            pool.execute_sql("SELECT 1")
    assert not database.was_undone(raised.value)
