"""One trace for each order: from the storefront over the worker and the callback to the notification."""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import structlog
from falcon.testing import TestClient

from gateway import tracing
from gateway.dev.simulator import Simulator
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.notifying import Notifier
from gateway.fulfilment.worker import CHECK, DISPATCH
from gateway.settings import load
from gateway.tracing import OFF, Kind, Traces
from gateway.web import create_app
from models import api_key
from models.api_key import Scope
from models.db import receiver
from tests import factories
from tests.gateway.fulfilment.conftest import BACKUP, WorkerFor
from tests.gateway.fulfilment.orders import age, row
from tests.gateway.web.calls import BODY, neutral, signed
from tests.otlp import Collector, Span, collecting
from tests.ports import free_port

pytest.importorskip("opentelemetry.proto", reason="needs the extra: pip install 'referans[tracing]'")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra: referans[tracing]")

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PIN, PLAYER = "TRACE-PIN-98765", "player-5123456789"
HOOK_SECRET = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Of what the settings of OpenTelemetry say."""
    with collecting() as found:
        monkeypatch.setenv(ENDPOINT, found.url)
        yield found


@contextmanager
def traced(process: str) -> Iterator[Traces]:
    """The traces of one process; what it has is sent when the block ends."""
    traces = tracing.configure(load(require=()), process)
    assert traces is not OFF
    try:
        yield traces
    finally:
        traces.end(5)


class Story:
    """An order's life in two processes that share nothing but the database."""

    def __init__(self, worker_for: WorkerFor, redis_client: redis.Redis, web: Traces, worker: Traces) -> None:
        hook = f"http://127.0.0.1:{free_port()}/hook"
        given = {"NOTIFY_URL": hook, "NOTIFY_SECRET": HOOK_SECRET, "FIRST_CHECK_DELAY": "60"}
        self.worker = worker_for(given, traces=worker)
        self._app = create_app(self.worker.settings, redis_client, traces=web)
        self._key = api_key.create("storefront", [*Scope])

    def post(self, path: str, content: Any = None, **headers: str) -> Any:
        """On a thread of its own: a request ends with its connection closed."""
        body = json.dumps(content).encode() if content is not None else b""
        given = signed(body) if path.startswith("/callbacks") else {"Authorization": f"Bearer {self._key}"}
        client = TestClient(self._app, headers=given | headers)
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(client.simulate_post, path, body=body).result()

    def place(self, **headers: str) -> str:
        """Refused by its first provider, and taken by the second one."""
        answer = self.post("/orders", BODY | {"userIdentifier": f"{PLAYER}+never+only=other"}, **headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def message(self, actor: str, order_id: str) -> None:
        """What the worker does with a message; see `actors.middleware.Observing`."""
        work = dispatching.dispatch if actor == DISPATCH else checking.check
        with self.worker.traces.working(order_id, actor, Kind.CONSUMER, {"messaging.system": "dramatiq"}):
            work(self.worker, order_id)

    def notify(self) -> None:
        """Tell the storefront, which does not answer."""
        Notifier(self.worker.settings, measures=self.worker.measures, traces=self.worker.traces).deliver()


def tree(spans: list[Span]) -> list[tuple[str, str, str]]:
    """Process, name and the name above of each."""
    names = {one.span_id: one.name for one in spans}
    return [
        (one.resource["referans.process"], one.name, names[one.parent_id] if one.parent_id else "")
        for one in spans
    ]


def test_an_order_is_one_trace_from_the_storefront_to_its_notification(
    worker_for: WorkerFor, redis_client: redis.Redis, collector: Collector
) -> None:
    receiver.bind(True)
    began = time.time()
    credentials = factories.CREDENTIALS | {"kod": "other"}
    with (
        Simulator(echo=None, kod="other", sifre=credentials["sifre"]) as other,
        traced("web") as web,
        traced("worker") as worker,
    ):
        factories.add_provider(BACKUP, other.url, credentials=credentials)
        story = Story(worker_for, redis_client, web, worker)
        order = story.place(**{"Idempotency-Key": "once"})
        story.place(**{"Idempotency-Key": "once"})
        story.message(DISPATCH, order)
        age(order, 61)
        story.message(CHECK, order)
    with traced("web") as web, traced("worker") as worker:  # hours later, and other processes
        story = Story(worker_for, redis_client, web, worker)
        done = neutral(row(order)["provider_referans"], pin_code=PIN)
        answer = story.post(f"/callbacks/{row(order)['providerId']}", done)
        assert answer.json == {"result": "applied"}, answer.text
        story.post(f"/orders/{order}/resolve", {"externalStatus": "reversed", "reason": "was taken back"})
        story.post(f"/orders/{factories.NO_ORDER}/check")
        story.notify()
    receiver.bind(False)

    trace_id, first_id = tracing.ids(order)
    spans = collector.of(trace_id)
    assert len(spans) == len(collector.spans), "nothing belongs to another trace"
    assert tree(spans) == [
        ("web", "POST /orders", ""),
        ("web", "POST /orders", "POST /orders"),
        ("worker", "send", "dispatch_order"),
        ("worker", "send", "dispatch_order"),
        ("worker", "dispatch_order", "POST /orders"),
        ("worker", "check", "check_order_status"),
        ("worker", "check_order_status", "POST /orders"),
        ("web", "POST /callbacks/{provider_id}", "POST /orders"),
        ("web", "POST /orders/{order_id}/resolve", "POST /orders"),
        ("worker", "notify", "POST /orders"),
    ]
    assert spans[0].span_id == first_id
    assert {one.attributes["referans.order.id"] for one in spans} == {order}
    assert {(one.resource["service.name"], one.resource["service.version"]) for one in spans} == {
        ("referans", spans[0].resource["service.version"])
    }
    said = [
        (one.attributes.get("referans.provider.id"), one.attributes.get("referans.result")) for one in spans
    ]
    assert said[2:4] == [("sandbox", "refused"), (BACKUP, "accepted")]
    assert said[5] == (BACKUP, "answered")
    assert said[7] == (BACKUP, "applied")
    assert said[9] == (None, "again") and spans[9].has_failed
    assert [one.kind for one in spans][2:6] == ["client", "client", "consumer", "client"]
    assert spans[7].attributes["http.response.status_code"] == 200
    for one in spans:
        assert began <= one.began <= one.ended <= time.time()
    everything = b"".join(collector.bodies)
    for secret in (PIN, PLAYER, HOOK_SECRET, *factories.CREDENTIALS.values(), "/hook"):
        assert secret.encode() not in everything, secret


def test_what_is_not_an_order_or_fails_is_in_no_trace(
    worker_for: WorkerFor, redis_client: redis.Redis, collector: Collector
) -> None:
    with traced("web") as web:
        story = Story(worker_for, redis_client, web, OFF)
        story.post("/orders", {"productId": 1})
        story.post("/orders/not-an-id/cancel")
        story.post("/callbacks/sandbox", neutral("123456789012345"))
        story.post("/callbacks/nobody", {})
    assert collector.bodies == []


def test_of_an_order_all_spans_are_sent_or_none(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every process alike, and of about the share that is wanted."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    orders = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))) for number in range(200)]
    with traced("web") as web, traced("worker") as worker:
        for each in orders:
            web.record(each, "first", 0.0, Kind.SERVER, {}, is_first=True)
            with worker.working(each, "message", Kind.CONSUMER, {}):
                worker.record(each, "call", 0.0, Kind.CLIENT, {})
            web.record(each, "callback", 0.0, Kind.SERVER, {})
    sampled = {one.trace_id for one in collector.spans}
    assert 70 < len(sampled) < 130
    assert len(collector.spans) == 4 * len(sampled)


def test_headers_and_names_are_those_of_opentelemetry(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=of-the-collector")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-gateway")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with traced("web") as web:
        web.record(factories.NO_ORDER, "first", 1.5, Kind.SERVER, {}, is_first=True)
    [span] = collector.spans
    assert collector.headers[0]["x-token"] == "of-the-collector"
    assert span.resource["service.name"] == "shop-gateway"
    assert span.resource["deployment.environment.name"] == "test"
    assert 1.49 < span.ended - span.began < 1.51


@pytest.mark.parametrize(
    ("variables", "action"),
    [
        ({}, None),
        ({ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, None),
        ({ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({ENDPOINT: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "tracing_unsupported"),
    ],
    ids=["nothing is set", "disabled", "no exporter", "another protocol"],
)
def test_it_is_off(variables: dict[str, str], action: str | None) -> None:
    with structlog.testing.capture_logs() as lines:
        assert tracing.configure(load(variables, require=()), "web") is OFF
    assert [line["action"] for line in lines] == ([action] if action else [])


@pytest.mark.parametrize(
    "variables",
    [
        {ENDPOINT: "http://127.0.0.1:1"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_without_the_extra_the_log_says_so(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.delitem(sys.modules, "gateway.spans", raising=False)
    with structlog.testing.capture_logs() as lines:
        assert tracing.configure(load(variables, require=()), "web") is OFF
    assert [line["action"] for line in lines] == ["tracing_missing"]


def test_a_collector_that_is_away_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    traces = tracing.configure(load(require=()), "web")
    began = time.monotonic()
    for _ in range(3000):
        traces.record(factories.NO_ORDER, "check", 0.0, Kind.CLIENT, {})
    traces.end(0.2)
    assert time.monotonic() - began < 15
