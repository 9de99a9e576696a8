"""After a fault everything goes on by itself, and soon."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
import requests

from gateway import signatures
from gateway.broker import NAMESPACE
from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from models.db.migrate import migrate
from tests import factories, servers
from tests.acceptance import disk
from tests.acceptance.system import SECRET, WORKER, System, execute, running
from tests.waiting import wait_until

#: A tenth of what a deployment has.
HEARTBEAT_TIMEOUT_SECONDS = 3


def call_back(system: System, document: dict[str, str]) -> requests.Response:
    """A signed callback from the sandbox."""
    body = json.dumps(document).encode()
    headers = signatures.sign_standard_webhook(SECRET, f"msg_{uuid.uuid4().hex}", datetime.now(UTC), body)
    url = f"{system.url}/callbacks/{factories.SANDBOX}"
    return requests.post(url, data=body, headers=headers | {"Content-Type": "application/json"}, timeout=10)


def test_what_a_killed_worker_had_taken_is_taken_over_on_a_quiet_system(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """No sweep and no `recovery` helps here: messages come back once their worker's heartbeat has long been missing."""
    quiet = {
        "SWEEP_CRON": "0 * * * *",
        "ORDER_TIMEOUT": "600",
        "HEARTBEAT_TIMEOUT": f"{HEARTBEAT_TIMEOUT_SECONDS}",
    }
    with running(database_url, redis_url, tmp_path, processes=["worker"], **quiet) as system:
        execute(database_url, "INSERT INTO referans.sweeps (started_by, finished_at) VALUES ('test', now())")
        taken = system.place_without_web(*(f"player{number}+slow=20+poll+after=0" for number in range(12)))
        wait_until(lambda: len(system.simulator.book.requests_seen()) == 8, 60)
        not_sent = [one for one in taken if system.orders()[one]["externalStatus"] == "not_sent"]
        assert not_sent, "every order was taken: the test shows nothing"
        with closing(redis.Redis.from_url(redis_url)) as queue:  # `recovery` has just handed them over
            for order in taken:
                queue.set(f"{NAMESPACE}:hinted:{order}", "1", ex=300)
        system.kill("worker")
        system.start("worker", WORKER)

        wait_until(lambda: _taken(system) >= set(not_sent), HEARTBEAT_TIMEOUT_SECONDS + 30)


def _taken(system: System) -> set[str]:
    return {one for one, row in system.orders().items() if row["externalStatus"] != "not_sent"}


@pytest.fixture
def postgres(open_directory: Path, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A database server of this test's own, which keeps what it has committed."""
    with servers.postgres(open_directory / tmp_path.name / "postgres") as server:
        migrate(server.url, echo=lambda line: None)
        yield server


@pytest.fixture
def valkey(open_directory: Path, tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A queue of this test's own."""
    with EmbeddedValkey(open_directory / tmp_path.name / "valkey", durable=False) as server:
        yield server


def test_after_both_servers_came_back_everything_goes_on_without_a_restart(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    with running(postgres.url, valkey.url, tmp_path, ORDER_TIMEOUT="120") as system:
        before = [system.place(f"before{number}+after=2") for number in range(8)]
        processes = system.running()
        valkey.kill()
        postgres.kill()
        postgres.start()
        first = system.place("first+after=0")
        valkey.start()

        system.wait_until_final([*before, first], 60)

        assert system.running() == processes and system.exit_status("worker") is None
        assert {row["externalStatus"] for row in system.orders().values()} == {"completed"}
        assert set(system.simulator.book.bookings().values()) == {1}


def test_a_full_disk_is_a_clear_error_and_nothing_is_lost(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    disk.install(database_url)
    with running(database_url, redis_url, tmp_path) as system:
        order = system.place("player+poll+after=0")
        wait_until(lambda: system.orders()[order]["externalStatus"] == "sent", 60)
        disk.fill(database_url)
        body = {"productId": "game", "packageId": "60", "userIdentifier": "player"}
        placing = requests.post(f"{system.url}/orders", json=body, headers=system.authorization, timeout=10)
        said = {"provider_referans": system.orders()[order]["provider_referans"], "status": "processing"}
        callback = call_back(system, said)
        disk.free(database_url)

        for answer in (placing, callback):
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
        assert "No space left on device" in system.log("web")
        assert call_back(system, said).status_code == 200
        system.wait_until_final([order, system.place("again+after=0")], 60)
