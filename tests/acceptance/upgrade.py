"""The upgrade from the version that had its tables beside the orders table, while that version is at work.

    python -m tests.acceptance.upgrade [--orders N] [--threads N] [--rounds N]

Threads run that version's own statements, as PostgreSQL got them (tests/models/db/before), on connections that have
prepared them: one order's life after the other, what runs beside it, and a storefront that writes its orders table. In
the midst of it the tables move. No statement may fail or wait for a second, and nothing may be lost.
"""

import argparse
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from gateway.dev.servers import EmbeddedPostgres
from models.db import migrate
from models.db.database import OUTDATED
from models.db.expected import steps
from models.status import ExternalStatus
from tests import factories
from tests.models.db import before
from tests.waiting import wait_until

#: Longest time that a statement may take, in seconds, and so the longest time that writes may be stopped.
LONGEST_SECONDS = 1.0
#: Lives of orders that are told before the tables move, and after.
AROUND = 100
#: Seconds until that is given up.
PATIENCE_SECONDS = 60
PREPARED, LIFE, BESIDE = before.recorded()
#: What the version before has written, whichever schema it stands in.
CHECKSUM = """
SELECT count(*), md5(string_agg(row::text, '|' ORDER BY row::text)) FROM (
    SELECT to_jsonb(e) - %(since)s::text[] AS row FROM {events} AS e WHERE order_id IN (
        SELECT id FROM product_orders WHERE "userIdentifier" = 'old')
    UNION ALL
    SELECT to_jsonb(c) - %(since)s::text[] FROM {callbacks} AS c WHERE dedupe_key ~ '^1[0-9]{{14}}$'
    UNION ALL
    SELECT to_jsonb(o) - %(since)s::text[] - 'manualNote' FROM product_orders AS o
    WHERE "userIdentifier" = 'old') AS every
"""
#: Orders whose life was told to its end, but of which something is missing.
INCOMPLETE = """
SELECT o.id::text, (SELECT count(*) FROM referans.order_events AS e WHERE e.order_id = o.id) FROM product_orders AS o
WHERE o.id = ANY (%s::uuid[]) AND (o."externalStatus" <> 'completed' OR o."pinCode" <> 'PINPIN'
    OR (SELECT count(*) FROM referans.order_events AS e WHERE e.order_id = o.id) <> %s
    OR (SELECT count(*) FROM referans.callback_events AS c WHERE c.order_id = o.id) <> 2)
"""


@dataclass
class Load:
    """What the threads of the version before have done."""

    url: str
    stop: threading.Event = field(default_factory=threading.Event)
    finished: list[str] = field(default_factory=list)
    statements: int = 0
    #: How often a prepared statement was outdated, which that version prepares again.
    prepared_again: int = 0
    longest_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lives(self) -> None:
        """One order's life after the other."""
        with closing(self._connected()) as connection:
            while not self.stop.is_set():
                order = str(uuid.uuid4())
                for statement in LIFE:
                    self._run(connection, before.filled(statement, order))
                self.finished.append(order)

    def beside(self) -> None:
        """Sweeps, probes, health, balances and stock."""
        with closing(self._connected()) as connection:
            while not self.stop.is_set():
                order = str(uuid.uuid4())
                for statement in BESIDE:
                    self._run(connection, before.filled(statement, order))

    def storefront(self) -> None:
        """Writes of the system whose orders table it is."""
        with closing(self._connected()) as connection:
            while not self.stop.is_set():
                self._run(
                    connection,
                    """UPDATE product_orders SET "manualNote" = clock_timestamp()::text
                    WHERE provider_referans = ((10^14)::bigint + 1 + (random() * 100)::int)::text""",
                )

    def wait_for(self, lives: int) -> None:
        """Until so many more are finished."""
        before = len(self.finished)
        wait_until(lambda: len(self.finished) >= before + lives, PATIENCE_SECONDS, what="the load")

    def _connected(self) -> Any:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        self._prepare(connection)
        return connection

    def _prepare(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL")
            for statement in PREPARED:
                cursor.execute(statement)

    def _run(self, connection: Any, statement: str) -> None:
        began = time.monotonic()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error as error:
            if error.pgcode in OUTDATED:
                self.prepared_again += 1
                self._prepare(connection)
            else:
                self.errors.append(f"{error.pgcode} {error} in {statement[:200]}")
        with self._lock:
            self.statements += 1
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)


@dataclass(frozen=True)
class Figures:
    """How an upgrade went."""

    orders: int
    lives: int
    statements: int
    prepared_again: int
    longest_seconds: float
    migrate_seconds: float
    tries: int
    errors: list[str]
    incomplete: list[str]
    is_kept: bool

    def wrong(self) -> list[str]:
        """What may not be; empty if all is well."""
        late = self.longest_seconds >= LONGEST_SECONDS
        return [
            *self.errors,
            *(f"order {each} is not complete" for each in self.incomplete),
            *([] if self.is_kept else ["what was there before has changed"]),
            *([f"a statement took {self.longest_seconds:.2f} s"] if late else []),
        ]


def upgrade(
    url: str,
    *,
    orders: int,
    threads: int,
    around: int = AROUND,
    last: str = before.LAST,
    bring: Callable[[str, Callable[[str], None]], object] | None = None,
) -> Figures:
    """Upgrade the empty database at `url`, which first gets so many orders, under load. `bring` does the upgrade."""
    before.migrate(url, last)
    _execute(url, before.FILL.format(orders=orders))
    kept = _checksum(url, "")
    load, lines = Load(url), list[str]()
    work = [*[load.lives] * threads, load.beside, load.storefront]
    running = [threading.Thread(target=each) for each in work]
    for thread in running:
        thread.start()
    try:
        load.wait_for(around)
        began = time.monotonic()
        (bring or _migrate)(url, lines.append)
        took = time.monotonic() - began
        load.wait_for(around)
    finally:
        load.stop.set()
        for thread in running:
            thread.join()
    with factories.bound(url):
        order = factories.place()
        assert factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, "PIN")) == ["applied"]
    return Figures(
        orders,
        len(load.finished),
        load.statements,
        load.prepared_again,
        load.longest_seconds,
        took,
        1 + sum("trying again" in line for line in lines),
        load.errors,
        [row[0] for row in _execute(url, INCOMPLETE, (load.finished, before.EVENTS))],
        kept == _checksum(url, "referans."),
    )


def _checksum(url: str, schema: str) -> list[Any]:
    """Of what the version before has written, without the columns that later migrations add."""
    since = [
        name for step in steps() if step.name > before.LAST for names in step.added.values() for name in names
    ]
    statement = CHECKSUM.format(events=f"{schema}order_events", callbacks=f"{schema}callback_events")
    return _execute(url, statement, {"since": since})


def _migrate(url: str, echo: Callable[[str], None]) -> None:
    migrate.migrate(url, echo=echo)


def _execute(url: str, statement: str, parameters: Any = None) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []


def _databases(server: EmbeddedPostgres, count: int) -> Iterator[str]:
    for number in range(count):
        _execute(server.url, f"CREATE DATABASE round_{number}")
        yield server.url.removesuffix("postgres") + f"round_{number}"


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10_000, help="orders that are there before")
    parser.add_argument("--threads", type=int, default=8, help="threads that place and settle orders")
    parser.add_argument("--rounds", type=int, default=5, help="upgrades, each of a database of its own")
    options = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="referans-upgrade-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
        with EmbeddedPostgres(directory / "postgres") as server:
            for url in _databases(server, options.rounds):
                found = upgrade(url, orders=options.orders, threads=options.threads)
                print(
                    f"{found.orders} orders; {found.lives} lives and {found.statements} statements under way;"
                    f" moved in {found.migrate_seconds:.2f} s ({found.tries} tries);"
                    f" longest statement {found.longest_seconds:.3f} s; {found.prepared_again} prepared again;"
                    f" wrong: {found.wrong() or 'nothing'}",
                    flush=True,
                )
                bad += bool(found.wrong())
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
