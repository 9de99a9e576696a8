"""Orders that a person fulfils: they wait, are asked about by nobody, and do not time out."""

import pytest

from gateway.dev.simulator import Simulator
from gateway.fulfilment import checking, dispatching, sweeping
from gateway.fulfilment.worker import Worker
from gateway.providers.manual import Manual
from models import order as orders
from models import plans, provider, provider_health, resolving, route
from models.codes import Code
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import ExternalStatus, Source
from tests import factories
from tests.gateway.fulfilment.orders import DAY, Queue, age, events, place, put, row, status

SANDBOX, DESK = factories.SANDBOX, "desk"
WHO = {"by": "Samar", "reason": "bought at the counter"}


@pytest.fixture(autouse=True)
def desk(models: None) -> None:
    """A person fulfils every order."""
    provider.save(Provider(DESK, "manual", "", "none", {}))
    database.rows("DELETE FROM referans.routes")
    route.add("*", "*", DESK, {})


@pytest.fixture
def waiting(worker: Worker) -> str:
    """An order that waits for its person."""
    order = place()
    dispatching.dispatch(worker, order)
    return order


def state(order_id: str) -> tuple[str, str | None, object]:
    found = row(order_id)
    return found["externalStatus"], found["attention"], found["nextCheckAt"]


def test_a_sent_order_waits_for_a_person(waiting: str, queue: Queue) -> None:
    assert state(waiting) == ("sent", "manual", None)
    assert row(waiting)["attentionAt"] and row(waiting)["sentAt"]
    assert events(waiting)[-1] == "waits for a person to complete it"
    assert not queue.hints()


def test_time_changes_nothing(worker: Worker, waiting: str) -> None:
    age(waiting, 40 * DAY)
    sweeping.sweep(worker)
    checking.check(worker, waiting)
    assert state(waiting) == ("sent", "manual", None)


def test_the_sweep_does_not_take_it_for_an_order_of_another_system(
    worker: Worker, waiting: str, queue: Queue
) -> None:
    """Open, unplanned and sent: so are orders that another system has sent, which the sweep follows."""
    age(waiting, 3600)
    sweeping.sweep(worker)
    assert state(waiting) == ("sent", "manual", None)
    assert not queue.hints()


def test_a_check_cannot_be_requested(waiting: str) -> None:
    assert not plans.request_check(waiting)
    found = orders.find(waiting)
    assert found and plans.why_unasked(found) == f"a person completes it: gateway orders complete {waiting}"


@pytest.mark.parametrize("attention", ["manual", "conflict", None])
def test_whatever_plans_a_check_of_it_nobody_is_asked_and_its_time_is_not_up(
    worker: Worker, waiting: str, attention: str | None
) -> None:
    database.rows(
        """UPDATE product_orders SET "nextCheckAt" = now(), attention = %s WHERE id = %s""",
        (attention, waiting),
    )
    age(waiting, DAY)
    checking.check(worker, waiting)
    assert state(waiting) == ("sent", attention or "manual", None)
    assert row(waiting)["checkCount"] == 0


class TestDecided:
    def test_a_person_completes_it_with_codes(self, waiting: str) -> None:
        resolving.complete(waiting, [Code("C-1", serial="S-1")], **WHO)
        found = orders.find(waiting)
        assert state(waiting) == ("completed", None, None)
        assert found and orders.codes_of(found) == [Code("C-1", serial="S-1")]

    def test_a_person_fails_it(self, waiting: str) -> None:
        resolving.fail(waiting, **WHO)
        assert state(waiting) == ("failed", None, None)

    def test_dismissing_does_not_make_it_disappear(self, waiting: str) -> None:
        resolving.dismiss(waiting, **WHO)
        assert state(waiting) == ("sent", "manual", None)

    def test_a_person_sends_it_to_a_provider(
        self, worker: Worker, simulator: Simulator, waiting: str
    ) -> None:
        route.add("*", "*", SANDBOX, {"oyun": "1", "kupur": "60"})
        resolving.resend(waiting, provider_id=SANDBOX, **WHO)
        dispatching.dispatch(worker, waiting)
        found = row(waiting)
        assert (found["externalStatus"], found["attention"], found["providerId"]) == ("sent", None, SANDBOX)
        assert found["nextCheckAt"]

    def test_a_check_after_the_end_changes_nothing(self, worker: Worker, waiting: str) -> None:
        resolving.complete(waiting, [Code("C-1")], **WHO)
        plans.request_check(waiting)
        checking.check(worker, waiting)
        assert state(waiting) == ("completed", None, None)


def test_it_is_the_last_resort_of_a_route(worker: Worker, simulator: Simulator) -> None:
    database.rows("DELETE FROM referans.routes")
    route.add("*", "*", SANDBOX, {"oyun": "1", "kupur": "60"})
    route.add("*", "*", DESK, {})
    order = place("refuse")
    dispatching.dispatch(worker, order)
    assert (row(order)["providerId"], *state(order)) == (DESK, "sent", "manual", None)


def test_a_delivery_by_the_provider_that_had_refused_is_a_conflict_and_the_person_still_has_it(
    worker: Worker, waiting: str
) -> None:
    put(waiting, triedProviders=[SANDBOX])
    outcome = Outcome(ExternalStatus.COMPLETED, row(waiting)["provider_referans"], codes=(Code("C-1"),))
    factories.settle(Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}"))
    assert state(waiting) == ("sent", "conflict", None)
    resolving.dismiss(waiting, **WHO)
    sweeping.sweep(worker)
    checking.check(worker, waiting)
    assert state(waiting) == ("sent", "manual", None)


@pytest.mark.parametrize(
    "place_of_death", [(Manual, "send"), (dispatching, "_accepted")], ids=["before", "after"]
)
def test_a_worker_killed_while_it_hands_the_order_over(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, place_of_death: tuple[object, str]
) -> None:
    order = place()
    with monkeypatch.context() as patch:
        patch.setattr(*place_of_death, _killed)
        with pytest.raises(KeyboardInterrupt):
            dispatching.dispatch(worker, order)
    assert status(order) == "pending"
    for _ in range(2):
        age(order, 61)
        checking.check(worker, order)
    assert state(order) == ("sent", "manual", None)
    assert provider_health.health(DESK) is None or not provider_health.health(DESK).down


def _killed(*_: object, **__: object) -> None:
    """No `except Exception` sees it, as with a signal."""
    raise KeyboardInterrupt
