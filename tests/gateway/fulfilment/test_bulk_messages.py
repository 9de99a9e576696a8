"""Replaying all callbacks, and redelivering all notifications, that match: any number, each once, whoever is killed."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.callbacks import replaying
from gateway.fulfilment import bulk as work_on
from gateway.fulfilment.worker import BULK, CHECK, Worker
from models import bulk, bulk_messages, inbox, outbox
from models.bulk import What
from models.db import database
from models.inbox import Filter, Invalid, Kept
from models.outbox import State
from models.status import ExternalStatus
from tests import factories
from tests.gateway.fulfilment.test_bulk import Heard

REASON = "the panel had the wrong secret"
UNMATCHED = Filter(result=Kept.UNMATCHED)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def worker(worker_for: Any, heard: Heard) -> Worker:
    return worker_for(hints=heard)  # type: ignore[no-any-return]


def too_early(many: int) -> list[dict[str, Any]]:
    """Orders whose callbacks came before their reference was known."""
    found = [factories.sent() for _ in range(many)]
    for number, order in enumerate(found):
        known_as = order["provider_referans"]
        early = order | {"provider_referans": f"0{known_as[1:]}"}
        assert factories.settle(factories.arrival(early, ExternalStatus.COMPLETED, pin=f"PIN-{number}")) == [
            "unmatched"
        ]
        factories.put(order, provider_referans=early["provider_referans"])
    return found


def replay_all(wanted: Filter = UNMATCHED, last_id: int | None = None) -> int:
    extent = inbox.extent(wanted)
    assert extent
    return bulk_messages.begin_replay(
        wanted,
        extent.count,
        last_id or extent.last_id,
        reason=REASON,
        by="rana",
        shown={"result": "unmatched"},
    )


def work(worker: Worker, bulk_id: int) -> bulk.Bulk:
    work_on.work(worker, str(bulk_id), replaying.for_person)
    found = bulk.find(bulk_id)
    assert found
    return found


def notes() -> list[str]:
    rows = database.rows(
        "SELECT \"by\" || ': ' || message AS said FROM referans.order_events WHERE source = 'operator' ORDER BY id"
    )
    return [row["said"] for row in rows]


def stages(orders: list[dict[str, Any]]) -> list[str]:
    return [factories.column(each, "externalStatus") for each in orders]


def test_all_that_match_are_settled_and_each_says_who_and_why(
    worker: Worker, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_on, "REPLAYED", 2)
    orders = too_early(3)
    factories.settle(factories.arrival({"provider_referans": "912345678901234"}, ExternalStatus.COMPLETED))
    done = work(worker, replay_all())
    assert stages(orders) == ["completed"] * 3
    assert (done.state, done.done, done.left) == ("done", 4, 0)
    assert done.became == {"applied": 3, "unmatched": 1}
    assert notes() == [f"rana: callback {number} replayed: {REASON}" for number in (1, 2, 3)]
    assert sorted(heard.sent) == sorted((CHECK, each["id"]) for each in orders)


def test_what_comes_meanwhile_is_not_meant(worker: Worker) -> None:
    orders = too_early(2)
    bulk_id = replay_all(last_id=1)
    assert work(worker, bulk_id).done == 1
    assert stages(orders) == ["completed", "sent"]


def test_an_age_means_the_time_that_it_was_when_it_began(worker: Worker) -> None:
    too_early(1)
    bulk_id = replay_all(Filter(result=Kept.UNMATCHED, since=timedelta(hours=1)))
    database.rows("UPDATE referans.callback_events SET received_at = received_at - interval '59 minutes'")
    assert work(worker, bulk_id).done == 1


def test_those_that_can_be_read_by_now_are_read(worker: Worker) -> None:
    inbox.keep_invalid(factories.SANDBOX, [Invalid(f"invalid:{n}", "{}", "no reference") for n in range(3)])
    done = work(worker, replay_all(Filter(result=Kept.INVALID)))
    assert (done.state, done.done + done.refused) == ("done", 3)


def test_one_that_the_database_refuses_stops_no_other(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = too_early(3)

    def refused(found: Any, *given: Any) -> Any:
        if 2 in [each.id for each in found]:
            database.rows("SELECT 1 / 0")
        return replaying.for_person(found, *given)

    bulk_id = replay_all()
    work_on.work(worker, str(bulk_id), refused)
    done = bulk.find(bulk_id)
    assert done and (done.state, done.done, done.refused) == ("done", 2, 1)
    assert done.refusal == work_on.REFUSED
    assert stages(orders) == ["completed", "sent", "completed"]


def test_a_worker_that_is_killed_repeats_nothing_and_another_goes_on(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_on, "REPLAYED", 1)
    orders = too_early(3)
    bulk_id = replay_all()
    advance, calls = database.rows, 0

    def killed_at_the_second(sql: str, *given: Any) -> Any:
        nonlocal calls
        if sql is bulk_messages.ADVANCE:
            calls += 1
            if calls == 2:
                raise KeyboardInterrupt
        return advance(sql, *given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(database, "rows", killed_at_the_second)
        work_on.work(worker, str(bulk_id), replaying.for_person)
    assert stages(orders) == ["completed", "sent", "sent"] and len(notes()) == 1
    done = work(worker, bulk_id)
    assert stages(orders) == ["completed"] * 3 and len(notes()) == 3
    assert done.done == 3


def test_it_takes_turns_and_stops_when_told(
    worker: Worker, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_on, "REPLAYED", 1)
    monkeypatch.setattr(work_on, "TURN_SECONDS", 0)
    orders = too_early(3)
    bulk_id = replay_all()
    assert work(worker, bulk_id).done == 1
    assert (BULK, str(bulk_id)) in heard.sent
    assert bulk.stop(bulk_id)
    assert work(worker, bulk_id).done == 1
    assert bulk.go_on(bulk_id, "rana")
    while work(worker, bulk_id).state == "running":
        pass
    assert stages(orders) == ["completed"] * 3
    assert bulk.running(What.CALLBACKS) == bulk.running(What.ORDERS) == []


def test_all_that_are_given_up_are_redelivered_in_parts(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_on, "REDELIVERED", 2)
    for order in [factories.sent() for _ in range(5)]:
        factories.put(order, notifyUrl="https://shop.example/hooks", attention="notification_dead")
        factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1"))
    database.rows("UPDATE referans.notifications SET state = 'dead' WHERE id < 5")
    wanted = outbox.Filter((State.DEAD,))
    extent = outbox.extent(wanted)
    assert extent and (extent.count, extent.last_id) == (4, 4)
    bulk_id = bulk_messages.begin_redelivery(
        wanted, extent.count, extent.last_id, reason=REASON, by="rana", shown={}
    )
    database.rows("UPDATE referans.notifications SET state = 'dead' WHERE id = 5")
    done = work(worker, bulk_id)
    assert (done.state, done.done, done.left) == ("done", 4, 0)
    states = database.rows("SELECT state FROM referans.notifications ORDER BY id")
    assert [row["state"] for row in states] == ["waiting"] * 4 + ["dead"]
    assert notes()[0] == f"rana ({REASON}): order.completed is delivered again"
