"""What surrounds every message, in a process of its own: importing `actors` reads the settings and binds the models."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gateway import tracing
from models import measurements, sweep_run
from models.db import database
from tests import factories
from tests.conftest import IN_CLEAR
from tests.otlp import Collector, collecting
from tests.waiting import wait_until

#: A worker that has just started, beside a scheduler that is dead; it ends with its standard input.
WATCHING = """
import sys
from actors import setup
from actors.middleware import Observing, SweepWatch
from gateway import broker
from gateway.measuring import CALLBACKS
from gateway.tracing import Kind

[own] = [one for one in setup.broker.middleware if isinstance(one, SweepWatch)]
print("the worker's own steps in after", own._overdue_seconds, flush=True)
print("and looks by", *(look.func.__module__ for look in own._looks), flush=True)
watch = SweepWatch(0.04, lambda: print("looked for lost hints", flush=True))
watch.after_worker_boot(setup.broker, None)
sys.stdin.read()
watch.before_worker_shutdown(setup.broker, None)

[observing] = [one for one in setup.broker.middleware if isinstance(one, Observing)]
observing.after_worker_boot(setup.broker, None)
for actor in ("dispatch_order", "sweep"):
    message = broker.message(actor, sys.argv[1])
    observing.before_process_message(setup.broker, message)
    setup.worker.traces.record(sys.argv[1], "send", 0.0, Kind.CLIENT, {})
    observing.after_process_message(setup.broker, message)
setup.worker.measures.count(CALLBACKS, "kuzey", "applied")
observing.after_worker_shutdown(setup.broker, None)
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.proto", reason="needs the extra: pip install 'referans[tracing]'")
    with collecting() as found:
        yield found


@pytest.fixture
def models(database_url: str) -> Iterator[None]:
    with factories.bound(database_url):
        yield


@pytest.fixture
def worker(
    models: None, database_url: str, redis_url: str, collector: Collector
) -> Iterator[subprocess.Popen[str]]:
    """The worker; the table of sweeps is away when it starts."""
    environment = (
        os.environ | {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LOG_FORMAT": "json"} | IN_CLEAR
    )
    pipe = subprocess.PIPE
    database.rows("ALTER TABLE referans.sweeps RENAME TO sweeps_away")
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    command = [sys.executable, "-c", WATCHING, factories.NO_ORDER]
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def swept() -> bool:
    last = sweep_run.last()
    return last is not None and last.finished_at is not None


def test_a_worker_sweeps_by_itself_if_the_scheduler_is_dead_as_soon_as_it_can(
    worker: subprocess.Popen[str], collector: Collector
) -> None:
    """When it ends, it writes what it has measured and sends its traces: messages about orders, and what they did."""
    assert worker.stdout
    assert worker.stdout.readline().strip() == "the worker's own steps in after 360.0"
    looks = ("gateway.fulfilment.recovery", "gateway.fulfilment.following")
    assert worker.stdout.readline().split()[3:] == list(looks), (
        "orders of another system are found without a sweep"
    )
    assert worker.stdout.readline().strip() == "looked for lost hints", "at once, before it waits"
    failed = next(line for line in worker.stdout if "sweep_watch_failed" in line)
    assert "it will try again" in failed and "sweeps" in failed

    database.rows("ALTER TABLE referans.sweeps_away RENAME TO sweeps")

    wait_until(swept, what="a sweep by the worker")
    assert database.rows(
        "SELECT DISTINCT started_by, error FROM referans.sweeps WHERE finished_at IS NOT NULL"
    ) == [{"started_by": "worker", "error": None}]
    worker.communicate("", timeout=60)
    assert worker.returncode == 0
    assert [each.labels for each in measurements.every()] == [["kuzey", "applied"]]
    above, below, beside = sorted(collector.spans, key=lambda one: one.began)
    trace_id, first_id = tracing.ids(factories.NO_ORDER)
    assert {one.trace_id for one in collector.spans} == {trace_id}
    assert (above.name, above.parent_id, above.kind) == ("dispatch_order", first_id, "consumer")
    assert [(one.name, one.parent_id) for one in (below, beside)] == [
        ("send", above.span_id),
        ("send", first_id),
    ]


#: A watch over providers whose first look fails, and of whose two probes one hangs and one fails at first.
PROBING = """
import sys, threading
from actors.middleware import ProviderWatch

looks, probes, gate = [], [], threading.Event()

def look(start):
    looks.append(1)
    if len(looks) == 1:
        raise RuntimeError("the first look")
    start("hangs")
    start("answers")

def probe(provider_id):
    probes.append(provider_id)
    if provider_id == "hangs":
        gate.wait()
    elif probes.count("answers") == 1:
        raise RuntimeError("the first probe")
    elif probes.count("answers") == 3:
        print("probed", probes.count("hangs"), flush=True)

watch = ProviderWatch(look, probe, every_seconds=0.01)
watch.after_worker_boot(None, None)
sys.stdin.read()
watch.before_worker_shutdown(None, None)
"""


def test_a_provider_that_hangs_delays_the_probes_of_no_other(database_url: str, redis_url: str) -> None:
    environment = (
        os.environ | {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LOG_FORMAT": "json"} | IN_CLEAR
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PROBING]
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        said = []
        for line in process.stdout:
            if line == "probed 1\n":
                break
            said.append(line)
        process.communicate("", timeout=60)
    assert [line for line in said if "provider_watch_failed" in line and "the first look" in line]
    assert [line for line in said if "provider_watch_failed" in line and "the first probe" in line]
    assert process.returncode == 0, "its end waits for a probe that hangs"


@pytest.mark.parametrize(("age_seconds", "steps_in"), [(355, False), (365, True)])
def test_it_steps_in_one_period_and_a_minute_after_the_last_sweep(
    models: None, age_seconds: int, steps_in: bool
) -> None:
    sweep_run.begin("scheduler")
    database.rows("UPDATE referans.sweeps SET started_at = now() - make_interval(secs => %s)", (age_seconds,))
    assert sweep_run.overdue(300 + sweep_run.GRACE_SECONDS) is steps_in
