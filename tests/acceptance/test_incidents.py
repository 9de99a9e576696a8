"""Incidents with real processes: the doctor names each with its cure, readiness and metrics show it, and what was put
off is taken up once it is mended.

What needs no processes (a paused provider, a low balance, a dead scheduler …) is in
tests/gateway/commands/test_doctor_incidents.py.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from gateway import signatures
from gateway.commands import doctor
from gateway.commands.probes import Finding, Status
from models import sweep_run
from models.db import database, sealed
from models.provider import CallbackFormat
from tests import factories
from tests.acceptance.system import FAST, SECRET, WEB, WORKER, System, running
from tests.conftest import KEY
from tests.ports import free_port
from tests.refusing import execute, full, limited_role
from tests.waiting import wait_until

SANDBOX = factories.SANDBOX
OTHER_KEY = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q="
#: Seconds within which what a mended fault had put off is taken up.
TAKEN_UP_SECONDS = 60


@pytest.fixture
def system(
    database_url: str, own_redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[System]:
    """Everything is well; the role of the processes is no superuser, as on a host."""
    with limited_role(database_url) as url:
        env = {"ENCRYPTION_KEYS": KEY, "ORDER_TIMEOUT": "600", "HEARTBEAT_TIMEOUT": "2", "BACKOFF_MAX": "2"}
        for name, value in {"DATABASE_URL": url, "REDIS_URL": own_redis_url, **FAST, **env}.items():
            monkeypatch.setenv(name, value)
        with running(url, own_redis_url, tmp_path, **env) as made:
            with factories.bound(url, keys=[KEY]):
                factories.add_provider(
                    base_url=made.simulator.url, max_concurrency=64, callback_format=CallbackFormat.NEUTRAL
                )
                sweep_run.beat("scheduler")
                sweep_run.end(sweep_run.begin("scheduler"), {})
            yield made


def found() -> dict[str, Finding]:
    """What the doctor finds that is not well, by the name of the line."""
    lines = doctor.examine(call=False)
    database.database.obj.close_all()
    sealed.bind([])
    return {line.name: line for line in lines if line.status is not Status.OK}


def metric(system: System, name: str, label: str = "") -> float | None:
    """A gauge of `/metrics`."""
    text = requests.get(f"{system.url}/metrics", headers=system.authorization, timeout=10).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return next((s.value for s in samples if s.name == name and "".join(s.labels.values()) == label), None)


def ready(system: System) -> str:
    """What `/health/ready` names."""
    answer = requests.get(f"{system.url}/health/ready", timeout=10)
    status = str(answer.json()["status"])
    assert (answer.status_code == 200) == (status == "ok")
    return status


def wait_for_line(name: str, *words: str) -> Finding:
    """The doctor's line, once it says these words."""

    def line() -> Finding | None:
        one = found().get(name)
        return one if one and all(word in f"{one.detail}; {one.next}" for word in words) else None

    seen = wait_until(line, 60, what=lambda: f"{name}: {words} in {found()}", pause_seconds=0.3)
    assert isinstance(seen, Finding)
    return seen


def wait_until_well(system: System) -> None:
    wait_until(
        lambda: not found() and ready(system) == "ok", 30, what=lambda: f"well: {found()}", pause_seconds=0.3
    )


def wait_for_metric(system: System, name: str, value: float, label: str = "") -> None:
    wait_until(
        lambda: metric(system, name, label) == value, 10, what=f"{name} {label} {value}", pause_seconds=0.3
    )


def call_back(system: System, document: dict[str, str], secret: str = SECRET) -> int:
    """The status of the answer to a signed callback from the sandbox."""
    body = json.dumps(document).encode()
    headers = signatures.sign_standard_webhook(secret, f"msg_{uuid.uuid4().hex}", datetime.now(UTC), body)
    url = f"{system.url}/callbacks/{SANDBOX}"
    return requests.post(url, data=body, headers=headers, timeout=10).status_code


def sent(system: System, order: str) -> bool:
    return bool(system.orders()[order]["externalStatus"] not in ("not_sent", "pending"))


def reconnect(database_url: str) -> None:
    """End every connection of the processes, so that new ones have the settings of now."""
    name = urlsplit(database_url).path.removeprefix("/")
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND pid <> pg_backend_pid()",
    )


@pytest.mark.timeout(240)
def test_of_each_server_that_takes_no_writes(system: System, database_url: str, own_redis_url: str) -> None:
    wait_until_well(system)
    name, role = urlsplit(database_url).path.removeprefix("/"), urlsplit(system.database_url).username

    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    reconnect(database_url)
    line = wait_for_line("database", "read-only")
    assert {each.name for each in found().values() if each.status is Status.FAILED} == {"database"}
    assert ready(system) == "down: database" and line.status is Status.FAILED
    wait_for_metric(system, "referans_database_writable", 0)
    execute(database_url, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    wait_until_well(system)

    execute(database_url, f"REVOKE INSERT ON ALL TABLES IN SCHEMA public, referans FROM {role}")
    wait_for_line("database", "lacks the right: INSERT on product_orders", "plan", "GRANT")
    assert ready(system) == "down: database"
    wait_for_metric(system, "referans_database_writable", 0)
    execute(database_url, f"GRANT INSERT ON ALL TABLES IN SCHEMA public, referans TO {role}")
    wait_until_well(system)

    with full(own_redis_url):
        orders = [system.place(f"player{number}+after=0") for number in range(5)]
        wait_for_line("broker", "full", "memory")
        assert ready(system) == "down: broker"
        wait_for_metric(system, "referans_broker_writable", 0)
        unknown = {each.name for each in found().values() if each.status is Status.UNKNOWN}
        assert unknown == {"workers", "scheduler", "sweep"}
        time.sleep(3)  # the consumers of the worker meet the fault
        assert not any(sent(system, order) for order in orders)
    mended = time.monotonic()
    wait_until(lambda: all(sent(system, order) for order in orders), TAKEN_UP_SECONDS, pause_seconds=0.3)
    print(f"taken up {time.monotonic() - mended:.0f} s after Redis was freed")
    wait_until_well(system)


@pytest.mark.timeout(240)
def test_of_keys_workers_providers_and_orders(system: System) -> None:
    wait_until_well(system)

    system.kill("worker")
    wait_for_line("workers", "none alive", "dramatiq actors")
    assert {each.detail for each in found().values() if each.status is Status.UNKNOWN} == {
        "unknown without the workers"
    }
    wait_for_metric(system, "referans_workers_alive", 0)

    port = str(free_port())
    system.start("web with other keys", WEB, wait=False, ENCRYPTION_KEYS=OTHER_KEY, PORT=port)
    system.start("worker with other keys", WORKER, ENCRYPTION_KEYS=OTHER_KEY)
    order = system.place("player+never")
    wait_for_line("worker keys", "ENCRYPTION_KEYS that open nothing")
    not_ready = requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=10)
    assert (not_ready.status_code, not_ready.json()["status"]) == (503, "down: encryption")
    assert system.orders()[order]["externalStatus"] == "not_sent"
    system.kill("web with other keys")
    system.kill("worker with other keys")
    system.start("worker", WORKER)
    wait_until(lambda: sent(system, order), 60, what="an order that was put off for wrong keys")

    other_secret = "whsec_" + base64.b64encode(b"another secret").decode()
    assert call_back(system, {"provider_referans": "1", "status": "completed"}, other_secret) == 401
    wait_for_line(
        "provider sandbox: callbacks", "1 refused", "none accepted since", "callback secret", "rotate"
    )
    wait_for_metric(system, "referans_provider_callbacks_refused_last_hour", 1, SANDBOX)

    referans = system.orders()[order]["provider_referans"]
    for pin in ("CODE-ONE-1", "CODE-TWO-2"):
        said = {"provider_referans": referans, "status": "completed", "pin_code": pin}
        assert call_back(system, said) == 200
    wait_for_line("stuck orders", "1 conflict", "gateway orders accept ID")
    wait_for_metric(system, "referans_orders_attention", 1, "conflict")
    wait_for_metric(system, "referans_provider_conflicts_last_hour", 1, SANDBOX)

    lost = system.place("player+never")
    wait_until(lambda: sent(system, lost), 60)
    system.simulator.book.reset()
    wait_for_line(
        "provider sandbox: unknown orders", system.orders()[lost]["provider_referans"], "ask sandbox"
    )
    wait_for_metric(system, "referans_provider_orders_unknown", 1, SANDBOX)

    system.simulator.book.set_balance(Decimal(0))
    system.place("poor1+after=0")
    wait_for_line("provider sandbox", "refused the last order because of our account", "pay in there")
    for number in (2, 3):
        system.place(f"poor{number}+after=0")
    wait_for_line("provider sandbox", "paused", "pay in at sandbox")
    wait_for_metric(system, "referans_provider_paused", 1, SANDBOX)
    # What is paid in before the gateway has seen how much is lacking, it takes for what was too little.
    wait_for_metric(system, "referans_provider_balance", 0, SANDBOX)
    system.simulator.book.set_balance(Decimal(1000))
    wait_until(lambda: "provider sandbox" not in found(), 60, what="the pause ends", pause_seconds=0.3)

    system.simulator.control.set_fault("500")
    for number in range(6):
        system.place(f"unlucky{number}+poll")
    wait_for_line("provider sandbox", "down", "gateway providers test sandbox")
    wait_for_metric(system, "referans_provider_up", 0, SANDBOX)
    system.simulator.control.set_fault(None)
    wait_for_metric(system, "referans_provider_up", 1, SANDBOX)
