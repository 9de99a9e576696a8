"""What becomes of orders whose provider was removed while they waited for it: none hangs."""

from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.worker import Worker
from models import provider, removal
from tests import factories
from tests.gateway.fulfilment.orders import DAY, age, events, place, put, row, status

SANDBOX = factories.SANDBOX


def remove(provider_id: str = SANDBOX) -> None:
    removed = removal.remove(provider_id, even_if_awaited=True)
    assert removed and removed.is_done


def test_an_order_that_was_not_sent_goes_to_the_next_provider_of_its_route(
    worker: Worker, backup: str
) -> None:
    order = place()
    remove()
    dispatching.dispatch(worker, order)
    assert (status(order), row(order)["providerId"]) == ("sent", backup)


def test_an_order_that_no_provider_can_take_waits_and_fails_when_its_time_is_up(worker: Worker) -> None:
    order = place()
    remove()
    dispatching.dispatch(worker, order)
    assert status(order) == "not_sent" and row(order)["nextCheckAt"] is not None
    age(order, DAY + 1)
    dispatching.dispatch(worker, order)
    assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")


def test_an_order_that_was_sent_is_planned_until_its_time_is_up(worker: Worker) -> None:
    order = place()
    dispatching.dispatch(worker, order)
    remove()
    age(order, 61)
    checking.check(worker, order)
    assert status(order) == "sent" and row(order)["nextCheckAt"] is not None
    assert "the provider sandbox cannot be used" in str(events(order)[-1])
    age(order, DAY)
    checking.check(worker, order)
    assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")


def test_a_provider_that_is_added_again_is_asked_about_its_orders(worker: Worker) -> None:
    known = provider.find(SANDBOX)
    order = place("html+poll")
    dispatching.dispatch(worker, order)
    assert known and status(order) == "pending"
    remove()
    provider.save(known)
    age(order, 61)
    checking.check(worker, order)
    assert any("checked (1)" in str(event) for event in events(order))


def test_a_removed_provider_is_not_removed_twice(models: None) -> None:
    order = place()
    put(order, externalStatus="completed", nextCheckAt=None)
    first = removal.remove(SANDBOX, even_if_awaited=False)
    assert first and first.is_done and not first.waiting and first.routes == 1
    assert removal.remove(SANDBOX, even_if_awaited=False) is None
