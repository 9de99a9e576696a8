"""When calls show that a provider is down, and that it is back."""

import redis

from gateway import broker
from gateway.dev.simulator import Simulator
from gateway.fulfilment import asking, checking, dispatching
from gateway.fulfilment.call_window import MIN_CALLS
from gateway.fulfilment.permits import Permits
from gateway.fulfilment.worker import Worker
from gateway.settings import load
from models import provider_health
from models.db import database
from models.provider_health import BREAKER_THRESHOLD, Health
from tests import factories
from tests.gateway.fulfilment.conftest import Lines, WorkerFor
from tests.gateway.fulfilment.orders import age, go_down, place, row, sent, status

SANDBOX = factories.SANDBOX


def health() -> Health:
    return provider_health.health(SANDBOX) or Health()


def dispatch(worker: Worker, words: str) -> str:
    order = place(words)
    dispatching.dispatch(worker, order)
    return order


def test_a_healthy_provider_costs_no_row_but_that_of_its_balance(worker: Worker) -> None:
    for _ in range(3):
        order = sent(worker)
        database.rows("DELETE FROM referans.provider_health")
        checking.check(worker, order)
    dispatch(worker, "refuse")
    assert provider_health.health(SANDBOX) is None


def test_failures_in_a_row_of_sends_and_checks_open_it(worker: Worker, lines: Lines) -> None:
    orders = [sent(worker, "never+check-html") for _ in range(2)]
    for order in orders:
        checking.check(worker, order)
    for _ in range(BREAKER_THRESHOLD - 2):
        assert not health().down
        dispatch(worker, "html")
    assert health().down
    assert [line["action"] for line in lines].count("provider_down") == 1


def test_a_third_of_the_last_calls_opens_it(worker: Worker) -> None:
    for number in range(MIN_CALLS):
        assert not health().down
        dispatch(worker, "never" if number % 3 else "500")
    assert not health().down, "the last call was answered"
    dispatch(worker, "500")
    assert health().down and health().failures < BREAKER_THRESHOLD


def test_its_first_answer_closes_it_and_what_is_over_counts_no_more(worker: Worker, lines: Lines) -> None:
    for _ in range(MIN_CALLS):
        worker.permits.window.failed(SANDBOX)
    dispatch(worker, "500")
    assert health().down
    database.rows("UPDATE referans.provider_health SET probe_at = now()")
    probe = dispatch(worker, "never")
    assert status(probe) == "sent" and not health().down
    assert "provider_up" in [line["action"] for line in lines]

    dispatch(worker, "500")
    assert not health().down and health().failures == 1


def test_an_answer_to_a_call_that_was_under_way_when_it_opened_leaves_it_open(
    worker: Worker, simulator: Simulator
) -> None:
    """Else a provider of whose calls a third fails would never be down for longer than a moment."""
    order = sent(worker)
    with_breaker_closed = checking.routing.of_order(worker, order)
    assert with_breaker_closed
    go_down()
    asking.breaker.answered(worker, with_breaker_closed)
    assert health().down


def test_a_refusal_for_which_nothing_went_out_is_no_answer(worker: Worker) -> None:
    provider_health.failed(SANDBOX, "no answer", 30)
    database.rows("UPDATE referans.routes SET params = '{}'")
    order = dispatch(worker, "never")
    assert status(order) == "failed" and "not sent" in row(order)["lastMessage"]
    assert health().failures == 1


def test_while_redis_is_away_failures_in_a_row_count(worker_for: WorkerFor) -> None:
    """It went away during the calls: the permits were held before."""
    orders = [sent(worker_for(), "never+check-html") for _ in range(BREAKER_THRESHOLD)]
    with broker.make_client(load({"REDIS_URL": "redis://127.0.0.1:1"}, require=()), strict=True) as away:
        worker = worker_for()
        worker.permits.window = Permits(away).window
        for order in orders:
            checking.check(worker, order)
        assert health().down
        database.rows("UPDATE referans.provider_health SET probe_at = now()")
        age(orders[0], 61)
        checking.check(worker, orders[0])
    assert not health().down


def test_the_counts_are_of_this_redis(worker: Worker, redis_client: redis.Redis) -> None:
    dispatch(worker, "never")
    assert redis_client.keys("referans:call-window:*") == [b"referans:call-window:sandbox"]
