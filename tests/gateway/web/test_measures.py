"""What the web measures: requests, and callbacks by how they were answered."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import falcon
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import broker
from gateway.counting import Counts
from gateway.measuring import BOUNDS, CALLBACKS, REQUESTS, SETTLING, Measures
from gateway.settings import Settings
from gateway.web import create_app
from gateway.web.limits import Limits
from models.api_key import Scope
from models.db import database
from tests import factories
from tests.gateway.fulfilment.described import PLAIN, SIGNED
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor
from tests.gateway.web.test_callback_protocols import Speaks, call_back, speaks

__all__ = ["speaks"]

Shown = dict[tuple[str, ...], float]


@pytest.fixture
def measures() -> Measures:
    return Measures()


@pytest.fixture
def app(settings: Settings, pool: database.Pool, measures: Measures) -> Iterator[falcon.App[Any, Any]]:
    with closing(broker.make_client(settings, strict=True)) as client:
        limits = Limits(settings, client, share_seconds=0.01)
        counts = Counts(write_seconds=0.01)
        yield create_app(settings, client, counts=counts, limits=limits, measures=measures)
        limits.drain(5)
        counts.drain(5)


def shown(client_for: ClientFor, measures: Measures) -> Shown:
    """What `/metrics` says, by name and the values of its labels."""
    measures.write()
    text = client_for(Scope.OPS).simulate_get("/metrics").text
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, *one.labels.values()): one.value for one in samples}


def callbacks(found: Shown) -> dict[str, float]:
    """How many callbacks had each result, of all providers."""
    return {labels[1]: count for (name, *labels), count in found.items() if name == f"{CALLBACKS.name}_total"}


def test_callbacks_are_counted_by_how_they_were_answered(
    anonymous: Client, client_for: ClientFor, measures: Measures
) -> None:
    """Those too that match no order, cannot be read, are refused, or say nothing; each entry of a list."""
    order, other = factories.sent(), factories.sent()
    done = calls.neutral(order["provider_referans"], pin_code="PIN-1")
    for content in (
        done,
        done,
        calls.neutral(order["provider_referans"], "processing"),
        calls.neutral(order["provider_referans"], pin_code="PIN-2"),
        calls.neutral(calls.NOBODY),
        calls.neutral(other["provider_referans"], "no word of ours"),
        b"{",
        {"type": "ping"},
        {"orders": [calls.neutral(other["provider_referans"], "processing"), {"status": "completed"}]},
    ):
        calls.call_back(anonymous, content)
    body = json.dumps(done).encode()
    calls.problem(anonymous.simulate_post("/callbacks/sandbox", body=body, headers={}), 401)
    calls.problem(anonymous.simulate_post("/callbacks/nobody", body=body, headers=calls.signed(body)), 404)
    found = shown(client_for, measures)
    assert callbacks(found) == {
        "applied": 2,
        "duplicate": 1,
        "stale": 1,
        "conflict": 1,
        "unmatched": 1,
        "invalid": 3,
        "reached": 1,
        "refused": 1,
    }
    assert found[f"{SETTLING.name}_count", "web"] == 6


def test_a_callback_that_is_a_reason_to_ask_is_counted_as_that(
    anonymous: Client, client_for: ClientFor, measures: Measures, speaks: Speaks
) -> None:
    speaks(PLAIN + SIGNED)
    with database.session():
        order = factories.sent()
    for referans in (order["provider_referans"], calls.NOBODY):
        call_back(anonymous, {"ref": referans, "state": "news"})
    assert callbacks(shown(client_for, measures)) == {"asked": 1, "unmatched": 1}


def test_requests_are_measured_by_method_route_and_class_of_status(
    client: Client, anonymous: Client, client_for: ClientFor, measures: Measures
) -> None:
    placed = calls.place(client)
    calls.place(client, "/api-dj/orders")
    for path in (f"/orders/{placed['id']}", f"/orders/{factories.NO_ORDER}", "/nowhere/42", "/nowhere/43"):
        client.simulate_get(path)
    client.simulate_get(f"/orders/{placed['id']}", params={"wait": "0.01"})
    anonymous.simulate_request("TRACE", "/orders")
    found = shown(client_for, measures)
    counts = {key[1:]: count for key, count in found.items() if key[0] == f"{REQUESTS.name}_count"}
    assert counts == {
        ("POST", "/orders", "2xx"): 1,
        ("POST", "/api-dj/orders", "2xx"): 1,
        ("GET", "/orders/{order_id}", "2xx"): 1,
        ("GET", "/orders/{order_id}", "4xx"): 1,
        ("GET", "/orders/{order_id}?wait", "2xx"): 1,
        ("GET", "other", "4xx"): 2,
        ("other", "/orders", "4xx"): 1,
    }
    placing = [
        value
        for key, value in found.items()
        if key[0] == f"{REQUESTS.name}_bucket" and key[2:] == ("POST", "/orders", "2xx")
    ]
    assert len(placing) == len(BOUNDS) + 1 and placing == sorted(placing) and placing[-1] == 1
    assert found[f"{REQUESTS.name}_sum", "POST", "/orders", "2xx"] > 0
