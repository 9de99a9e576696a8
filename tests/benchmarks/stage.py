"""What a benchmark runs on: durable servers of its own, tables as full as after years, and processes to measure."""

import json
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from gateway import signatures
from gateway.dev.child import spawn
from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from models import api_key
from models.api_key import Scope
from models.db.migrate import migrate
from tests import factories
from tests.acceptance.system import ROOT, web_answers
from tests.benchmarks.load import request
from tests.conftest import IN_CLEAR, UNLIMITED
from tests.ports import free_port
from tests.waiting import wait_until

SECRET = factories.CREDENTIALS["callback_secret"]


@dataclass
class Stage:
    """Servers, and what is needed to talk to the processes that run on them."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    directory: Path
    key: str

    def sql(self, statement: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own; its rows, if it has any."""
        with closing(psycopg2.connect(self.postgres.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []

    @contextmanager
    def between_vacuums(self) -> Iterator[None]:
        """Without autovacuum, which comes to tables this small every minute and takes a core for seconds."""
        self._set("autovacuum", "off")
        self.sql("VACUUM ANALYZE")
        try:
            yield
        finally:
            self._set("autovacuum", "on")

    def _set(self, name: str, value: str) -> None:
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def use_in(self) -> None:
        """A server that has run for a day uses its WAL segments again; a fresh one stops for 60 ms to make each.

        And one for such a load has no checkpoint because its WAL is full.
        """
        self._set("min_wal_size", "1GB")
        self._set("max_wal_size", "8GB")
        for _ in range(WAL_SEGMENTS):
            self.sql("SELECT pg_logical_emit_message(false, 'benchmark', ''), pg_switch_wal()")
        self.sql("CHECKPOINT")

    @contextmanager
    def process(self, name: str, command: list[str], **env: str) -> Iterator[subprocess.Popen[str]]:
        """A process for as long as the block runs; what it writes goes to a file of its name."""
        given = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url, **UNLIMITED, **IN_CLEAR}
        with (self.directory / f"{name}.log").open("ab") as log:
            running = spawn(
                command, cwd=ROOT, env=os.environ | given | env, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield running
        finally:
            running.terminate()
            running.wait(40)

    @contextmanager
    def web(self, name: str, command: list[str], path: str = "/health/live", **env: str) -> Iterator[int]:
        """A web server for as long as the block runs; its port."""
        port = free_port()
        with self.process(
            name, [word.replace("{port}", str(port)) for word in command], PORT=str(port), **env
        ):
            wait_until(lambda: web_answers(f"http://127.0.0.1:{port}"), 30, what=f"the web {name}")
            yield port

    def orders_sent(self, count: int) -> list[str]:
        """So many orders that their provider has accepted; their references."""
        return [referans for (referans,) in self.sql(SENT, (count,))]

    def numbered_orders_sent(self, count: int) -> int:
        """So many orders that their provider has accepted, their references one after the other; the one before."""
        base = 3 * 10**17 + time.time_ns() // 1000
        self.sql(NUMBERED, (base, count))
        return base

    def callbacks(self, port: int, references: list[str]) -> list[bytes]:
        """A signed callback for each, that completes it."""
        return [self._callback(port, referans) for referans in references]

    def _callback(self, port: int, referans: str) -> bytes:
        document = {"provider_referans": referans, "status": "completed", "pin_code": f"PIN-{referans}"}
        body = json.dumps(document | {"message": "Yukleme basarili"}).encode()
        signed = signatures.sign_standard_webhook(SECRET, f"msg_{uuid.uuid4().hex}", datetime.now(UTC), body)
        headers = {"Content-Type": "application/json", **signed}
        return request(f"http://127.0.0.1:{port}/callbacks/{factories.SANDBOX}", body, headers)

    def orders(self, port: int, count: int) -> list[bytes]:
        """Requests that place so many orders."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        return [
            request(
                f"http://127.0.0.1:{port}/orders",
                json.dumps({"productId": "game", "packageId": "60", "userIdentifier": f"player{n}"}).encode(),
                headers,
            )
            for n in range(count)
        ]


@contextmanager
def built(old_orders: int = 100_000) -> Iterator[Stage]:
    """A stage whose tables already hold `old_orders` final orders."""
    with tempfile.TemporaryDirectory(prefix="referans-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
        with (
            EmbeddedPostgres(directory / "postgres") as postgres,
            EmbeddedValkey(directory / "valkey") as valkey,
        ):
            migrate(postgres.url, echo=lambda line: None)
            with factories.bound(postgres.url):
                factories.add_provider()
                key = api_key.create("benchmark", list(Scope))
            stage = Stage(postgres, valkey, directory, key)
            stage.sql(OLD, (old_orders,))
            stage.sql("VACUUM ANALYZE")
            stage.use_in()
            yield stage


#: Of 16 MB; what `min_wal_size` keeps, less one that is in use.
WAL_SEGMENTS = 63
#: Orders of years ago, each with the timeline and the callback it had.
OLD = """
WITH made AS (
    INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
        "externalStatus", "pinCode", "createdAt", "sentAt", "completedAt", "durationMs")
    SELECT 'game', '60', 'player' || n, 'sandbox', (10^17)::bigint + n, 'approved', 'completed', 'PIN-' || n,
        now() - make_interval(mins => n), now() - make_interval(mins => n), now() - make_interval(mins => n), 60000
    FROM generate_series(1, %s) AS n
    RETURNING id, provider_referans, "createdAt"
), kept AS (
    INSERT INTO referans.callback_events (provider_id, dedupe_key, received_at, settled_at, result, order_id,
        referans, status)
    SELECT 'sandbox', 'id:msg_' || md5(provider_referans), "createdAt", "createdAt", 'applied', id,
        provider_referans, 'completed' FROM made
)
INSERT INTO referans.order_events (order_id, at, source, "from", "to", message, result)
SELECT id, "createdAt", 'callback', 'sent', 'completed', 'tamam', 'applied' FROM made
"""
SENT = """
INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
    "externalStatus", "claimedAt", "sentAt", "nextCheckAt", "routeParams")
SELECT 'game', '60', 'player' || n, 'sandbox',
    (2 * 10^17)::bigint + (random() * 10^17)::bigint, 'pending', 'sent', now(), now(),
    now() + interval '60 s', '{"oyun": "1", "kupur": "60"}'
FROM generate_series(1, %s) AS n
RETURNING provider_referans
"""
NUMBERED = """
INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
    "externalStatus", "claimedAt", "sentAt", "nextCheckAt", "routeParams")
SELECT 'game', '60', 'player' || n, 'sandbox', (%s + n)::text, 'pending', 'sent', now(), now(),
    now() + interval '60 s', '{"oyun": "1", "kupur": "60"}'
FROM generate_series(1, %s) AS n
"""
