"""What the worker measures: sends and checks by what came of them, settling, and tries to notify."""

from collections import Counter

import pytest

from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.notifying import Notifier
from gateway.fulfilment.worker import Worker
from gateway.measuring import CHECKING, DISPATCHING, NOTIFYING, SETTLING, Metric
from gateway.settings import load
from models import measurements
from models.db import receiver
from tests import factories
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.described import BULK, opened
from tests.gateway.fulfilment.orders import place, sent
from tests.gateway.fulfilment.test_together import waiting
from tests.ports import free_port

SECRET = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz"


def measured(worker: Worker, metric: Metric) -> Counter[tuple[str, ...]]:
    """How often, by the values of the labels."""
    worker.measures.write()
    found = {tuple(one.labels): sum(one.counts) for one in measurements.every() if one.name == metric.name}
    return Counter(found)


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("poll", "accepted"),
        ("refuse-customer", "refused"),
        ("html", "no_answer"),
        ("500", "no_answer"),
        ("cut", "no_answer"),
    ],
)
def test_a_send_is_measured_by_what_came_of_it(worker_for: WorkerFor, words: str, result: str) -> None:
    worker = worker_for()
    dispatching.dispatch(worker, place(words))
    assert measured(worker, DISPATCHING) == {("sandbox", result): 1}


def test_a_provider_that_is_not_reached_and_a_second_hint(worker_for: WorkerFor) -> None:
    """The hint finds nothing to send, and measures nothing."""
    worker = worker_for()
    factories.add_provider(base_url=f"http://127.0.0.1:{free_port()}")
    order = place()
    for _ in range(2):
        dispatching.dispatch(worker, order)
    assert measured(worker, DISPATCHING) == {("sandbox", "not_reached"): 1}


@pytest.mark.parametrize(
    ("words", "result"), [("never", "answered"), ("never+check-html", "no_answer")], ids=["", "html"]
)
def test_a_check_is_measured_and_what_settles(worker_for: WorkerFor, words: str, result: str) -> None:
    worker = worker_for()
    checking.check(worker, sent(worker, words))
    assert measured(worker, CHECKING) == {("sandbox", result): 1}
    assert measured(worker, SETTLING) == {("worker",): 2 if result == "answered" else 1}


def test_a_question_about_many_orders_is_one(worker_for: WorkerFor) -> None:
    worker = worker_for()
    with opened(BULK, max_concurrency=4) as shop:
        checking.check(worker, waiting(shop, 5)[3])
    assert measured(worker, CHECKING) == {("sandbox", "answered"): 1}


def test_each_try_to_notify_is_measured(worker_for: WorkerFor) -> None:
    worker = worker_for()
    receiver.bind(True)
    dispatching.dispatch(worker, place("refuse-customer"))
    receiver.bind(False)
    given = {"NOTIFY_URL": f"http://127.0.0.1:{free_port()}/hook", "NOTIFY_SECRET": SECRET}
    Notifier(load(given, require=()), measures=worker.measures).deliver()
    assert measured(worker, NOTIFYING) == {("again",): 1}
