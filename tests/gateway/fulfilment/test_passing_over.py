"""Providers that are down, paused or without balance: their orders go to the next one, or wait and are taken up."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.dev.simulator import Simulator
from gateway.fulfilment import checking, dispatching, probing, sweeping
from gateway.fulfilment.worker import CHECK, DISPATCH, Worker
from models import claims, provider_health, removal, route, unsent
from models.db import database
from models.provider_health import Health
from models.route import Cost, Strategy
from tests import factories
from tests.gateway.fulfilment.conftest import BACKUP, Lines, WorkerFor
from tests.gateway.fulfilment.orders import (
    DAY,
    Hint,
    Queue,
    age,
    booked,
    events,
    go_down,
    place,
    put,
    row,
    seconds_until_check,
    sent,
    status,
)

SANDBOX = factories.SANDBOX


def pause() -> None:
    provider_health.pause(SANDBOX, "they change their prices", "leyla")


def refuse_account() -> None:
    provider_health.account_refused(SANDBOX, "Yetersiz bakiye", 600, is_certain=True, lacks_balance=True)


#: What keeps orders from the sandbox, with the words for the timeline.
OBSTACLES: dict[str, tuple[Callable[[], None], str]] = {
    "down": (go_down, "is down: no answer"),
    "paused": (pause, "is paused by leyla: they change their prices"),
    "without balance": (refuse_account, "is paused by gateway: Yetersiz bakiye"),
}
EACH = pytest.mark.parametrize("obstacle", OBSTACLES)


def put_in_the_way(obstacle: str) -> str:
    """Let it happen; the words for it."""
    happen, words = OBSTACLES[obstacle]
    happen()
    return words


def come_back(obstacle: str) -> None:
    """End it."""
    if obstacle == "down":
        provider_health.answered(SANDBOX)
    elif obstacle == "paused":
        provider_health.resume(SANDBOX, "leyla")
    else:
        provider_health.balance_shown(SANDBOX, Decimal(1))
        provider_health.balance_shown(SANDBOX, Decimal(2))


def look(worker: Worker) -> None:
    """What each worker does every few seconds, without the probes."""
    probing.look(worker, lambda provider_id: None)


class TestNextProvider:
    @EACH
    def test_the_order_goes_there_before_anything_is_sent(
        self, worker: Worker, simulator: Simulator, backup: str, obstacle: str
    ) -> None:
        words = put_in_the_way(obstacle)
        order = place("never")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", backup)
        assert (row(order)["triedProviders"], row(order)["attempts"]) == ([], 1)
        assert f"sandbox {words}; routed to backup" in events(order)
        assert booked(simulator, order).requests_seen == 1

    def test_the_next_is_chosen_by_the_strategy_of_the_routes(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        """The cheapest is paused; of the others the cheaper one is asked, which refuses."""
        for provider_id in ("dear", "dearest"):
            factories.add_provider(provider_id, base_url=simulator.url)
        for provider_id, cost in ((SANDBOX, "1"), ("dearest", "4"), ("dear", "3"), (backup, "2")):
            known = Cost(Decimal(cost), "TRY")
            route.add("*", "*", provider_id, strategy=Strategy.CHEAPEST, cost=known)
        pause()
        order = place("refuse")
        dispatching.dispatch(worker, order)
        told = events(order)
        assert told[0] == "placed with key tests; sandbox: cheapest at 1 TRY of 4"
        assert told[1].endswith("; routed to backup (cheapest at 2 TRY of 3)")
        assert told[3].endswith("; sending to dear (cheapest at 3 TRY of 2)")

    @EACH
    def test_orders_go_back_to_the_first_provider_once_it_is_back(
        self, worker: Worker, backup: str, obstacle: str
    ) -> None:
        put_in_the_way(obstacle)
        come_back(obstacle)
        order = place("never")
        dispatching.dispatch(worker, order)
        assert row(order)["providerId"] == SANDBOX

    def test_one_that_waits_for_the_second_goes_to_the_first_that_is_back(
        self, worker: Worker, backup: str
    ) -> None:
        order = place("never")
        put(order, providerId=backup)
        provider_health.pause(backup, "closed", "leyla")
        dispatching.dispatch(worker, order)
        assert row(order)["providerId"] == SANDBOX

    @pytest.mark.usefixtures("backup")
    def test_a_balance_of_zero_is_passed_over(self, worker: Worker) -> None:
        database.rows("INSERT INTO referans.provider_health (provider_id, balance) VALUES ('sandbox', 0)")
        order = place("never")
        dispatching.dispatch(worker, order)
        assert row(order)["providerId"] == BACKUP
        assert "sandbox has no balance left; routed to backup" in events(order)

    @pytest.mark.parametrize("second", ["none", "without balance too", "paused"])
    def test_a_balance_of_zero_alone_keeps_no_order(
        self, worker: Worker, simulator: Simulator, second: str
    ) -> None:
        """It may be a credit account, which is at zero now and then: the provider itself says what it takes."""
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, balance) VALUES ('sandbox', 0), ('backup', 0)"
        )
        if second != "none":
            factories.add_provider(BACKUP, simulator.url)
        if second == "paused":
            provider_health.pause(BACKUP, "closed", "leyla")
        order = place("never")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", SANDBOX)

    def test_after_a_refusal_those_that_take_orders_come_first_and_the_others_have_their_turn_later(
        self, worker: Worker, simulator: Simulator, backup: str, queue: Queue
    ) -> None:
        factories.add_provider("third", simulator.url)
        provider_health.pause(backup, "closed", "leyla")
        order = place("refuse")
        dispatching.dispatch(worker, order)
        assert row(order)["triedProviders"] == [SANDBOX, "third"]
        assert (status(order), row(order)["providerId"]) == ("pending", backup)
        assert booked(simulator, order).requests_seen == 2

        age(order, 31)
        checking.check(worker, order)
        assert (status(order), booked(simulator, order).times_checked) == ("pending", 0)
        assert booked(simulator, order).requests_seen == 2, "it was sent to one that is paused"

        provider_health.resume(backup, "leyla")
        queue.clear()
        look(worker)
        assert queue.hints() == [Hint(CHECK, order, 0)]
        checking.check(worker, order)
        assert (status(order), booked(simulator, order).requests_seen) == ("failed", 3)


class TestWaiting:
    """Routes with one provider."""

    @EACH
    def test_the_order_waits_and_is_taken_up_when_it_is_back(
        self, worker: Worker, simulator: Simulator, queue: Queue, obstacle: str
    ) -> None:
        put_in_the_way(obstacle)
        order = place("never")
        before = events(order)
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["attempts"], events(order)) == ("not_sent", 0, before)
        assert 1700 < seconds_until_check(order) <= 1800, "it makes no messages while it waits"
        assert not simulator.book.orders() and queue.hints() == []

        look(worker)
        assert queue.hints() == []
        come_back(obstacle)
        look(worker)
        assert queue.hints() == [Hint(DISPATCH, order, 0)]
        look(worker)
        assert queue.hints() == [Hint(DISPATCH, order, 0)], "once"
        dispatching.dispatch(worker, order)
        assert status(order) == "sent"

    @EACH
    def test_it_waits_no_longer_than_the_timeout(self, worker_for: WorkerFor, obstacle: str) -> None:
        worker = worker_for({"ORDER_TIMEOUT": "600"})
        words = put_in_the_way(obstacle)
        order = place("never")
        dispatching.dispatch(worker, order)
        assert 590 < seconds_until_check(order) <= 600
        age(order, 600)
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")
        assert events(order)[-1] == f"timeout: not sent within 600 s: sandbox {words}"

    def test_one_that_a_worker_puts_off_as_its_provider_comes_back_is_taken_up_too(
        self, worker: Worker, queue: Queue
    ) -> None:
        pause()
        order = place("never")
        assigned = checking.routing.of_order(worker, order)
        provider_health.resume(SANDBOX, "leyla")
        look(worker)
        queue.clear()
        # This worker has seen the pause, and puts the order off only now.
        dispatching._pass_over(worker, order, assigned)
        look(worker)
        assert queue.hints() == [Hint(DISPATCH, order, 0)]

    def test_more_than_one_batch_is_taken_up(self, worker_for: WorkerFor, queue: Queue) -> None:
        worker = worker_for({"SWEEP_BATCH": "2"})
        pause()
        orders = [place("never") for _ in range(5)]
        for order in orders:
            dispatching.dispatch(worker, order)
        provider_health.resume(SANDBOX, "leyla")
        look(worker)
        assert sorted(hint.order_id for hint in queue.hints()) == sorted(orders)

    def test_what_a_lost_hint_left_is_found_by_the_sweep(self, worker: Worker, queue: Queue) -> None:
        pause()
        order = place("never")
        dispatching.dispatch(worker, order)
        provider_health.resume(SANDBOX, "leyla")
        look(worker)
        queue.clear()
        sweeping.sweep(worker)
        assert queue.hints() == [Hint(DISPATCH, order, 0)]

    def test_orders_of_other_routes_are_left(self, worker: Worker, backup: str, queue: Queue) -> None:
        provider_health.pause(SANDBOX, "closed", "leyla")
        provider_health.pause(backup, "closed", "leyla")
        database.rows("DELETE FROM referans.routes WHERE provider_id = 'backup'")
        order = place("never")
        dispatching.dispatch(worker, order)
        provider_health.resume(backup, "leyla")
        look(worker)
        assert queue.hints() == []

        route.add("*", "*", backup, {"oyun": "1", "kupur": "60"})
        provider_health.look_again(backup)
        look(worker)
        assert queue.hints() == [Hint(DISPATCH, order, 0)]
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", backup)

    def test_one_order_is_the_probe_of_a_provider_that_is_down(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        go_down()
        database.rows("UPDATE referans.provider_health SET probe_at = now()")
        first, second = place("html"), place("never")
        dispatching.dispatch(worker, first)
        dispatching.dispatch(worker, second)
        assert (status(first), status(second)) == ("pending", "not_sent")
        assert [order.requests_seen for order in simulator.book.orders()] == [1]

    @pytest.mark.usefixtures("backup")
    def test_no_order_is_the_probe_where_the_route_has_another_provider(self, worker: Worker) -> None:
        go_down()
        database.rows("UPDATE referans.provider_health SET probe_at = now()")
        order = place("never")
        dispatching.dispatch(worker, order)
        assert row(order)["providerId"] == BACKUP

    def test_a_pause_holds_even_if_a_probe_is_due(self, worker: Worker, simulator: Simulator) -> None:
        go_down()
        pause()
        database.rows("UPDATE referans.provider_health SET probe_at = now()")
        dispatching.dispatch(worker, place("never"))
        assert not simulator.book.orders()


class TestNotReached:
    """Nobody can have an order for which no connection came about."""

    @pytest.fixture(autouse=True)
    def closed(self, models: None) -> None:
        factories.add_provider()  # on a port that is closed

    def test_it_goes_to_the_next_provider_at_once(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", backup)
        assert row(order)["triedProviders"] == [], "the first has not refused it"
        assert any(event.startswith("sandbox was not reached: ") for event in events(order))
        assert any(event.endswith("; sending to backup") for event in events(order))
        health = provider_health.health(SANDBOX) or Health()
        assert (health.failures, booked(simulator, order).requests_seen) == (1, 1)

    def test_what_the_next_one_refuses_may_still_go_to_the_first(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        order = place("refuse")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)
        assert row(order)["triedProviders"] == [backup]

        factories.add_provider(base_url=simulator.url)
        age(order, 31)
        checking.check(worker, order)
        assert (status(order), booked(simulator, order).requests_seen) == ("failed", 2)

    def test_where_no_provider_is_reached_it_is_tried_again_later(self, worker: Worker, queue: Queue) -> None:
        factories.add_provider(BACKUP)
        order = place("never")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["attempts"]) == ("pending", 2)
        assert 20 < seconds_until_check(order) <= 30
        assert queue.hints() == [Hint(CHECK, order, 30)]

    def test_one_that_a_provider_may_know_stays_with_it(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        factories.add_provider(base_url=simulator.url)
        order = place("html")
        dispatching.dispatch(worker, order)
        put(order, unknownCount=claims.ASKS)
        factories.add_provider()
        age(order, 31)
        checking.check(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)
        assert booked(simulator, order).requests_seen == 1

    def test_one_that_waits_for_it_goes_on_as_soon_as_another_takes_orders(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        go_down()
        factories.add_provider(BACKUP, simulator.url)
        age(order, 31)
        checking.check(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
        assert "sandbox is down: no answer; sending to backup" in events(order)

    @pytest.mark.parametrize("obstacle", ["down", "paused"])
    def test_without_another_it_is_taken_up_when_its_provider_is_back(
        self, worker: Worker, simulator: Simulator, queue: Queue, obstacle: str
    ) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        put_in_the_way(obstacle)
        age(order, 31)
        queue.clear()
        checking.check(worker, order)
        assert (queue.hints(), row(order)["attempts"]) == ([], 1)
        assert 1700 < seconds_until_check(order) <= 1800

        factories.add_provider(base_url=simulator.url)
        come_back(obstacle)
        look(worker)
        assert queue.hints() == [Hint(CHECK, order, 0)]
        checking.check(worker, order)
        assert (status(order), booked(simulator, order).requests_seen) == ("sent", 1)

    @pytest.mark.parametrize("fault", ["removed", "unreadable"])
    def test_one_whose_provider_cannot_be_used_any_more_goes_on(
        self, worker: Worker, simulator: Simulator, fault: str
    ) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        age(order, 31)
        if fault == "removed":
            removal.remove(SANDBOX, even_if_awaited=True)
        else:
            database.rows(
                "UPDATE referans.providers SET credentials = 'sealed:cut off' WHERE id = %s", (SANDBOX,)
            )
        checking.check(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)

        factories.add_provider(BACKUP, simulator.url)
        age(order, 31)
        checking.check(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
        assert "sandbox cannot be used; sending to backup" in events(order)
        assert row(order)["checkCount"] == 0, "the next provider is asked by the whole backoff"

    def test_one_that_a_provider_may_know_stays_with_it_though_that_was_removed(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        factories.add_provider(base_url=simulator.url)
        order = place("html")
        dispatching.dispatch(worker, order)
        removal.remove(SANDBOX, even_if_awaited=True)
        age(order, 31)
        checking.check(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)

    def test_a_provider_that_has_refused_it_takes_up_nothing_when_it_is_back(
        self, worker: Worker, simulator: Simulator, backup: str, queue: Queue
    ) -> None:
        order = place("refuse")
        dispatching.dispatch(worker, order)
        assert row(order)["triedProviders"] == [backup]
        queue.clear()
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, returned_at) VALUES (%s, now())", (BACKUP,)
        )
        look(worker)
        assert queue.hints() == []

    def test_its_time_runs_out_all_the_same(self, worker: Worker) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        pause()
        age(order, DAY)
        checking.check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")


class TestPaused:
    """A pause stops new orders, not questions."""

    def test_what_was_sent_is_asked_about(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        pause()
        checking.check(worker, order)
        assert booked(simulator, order).times_checked == 1

    def test_what_it_denies_is_not_sent_to_it_again(self, worker: Worker, simulator: Simulator) -> None:
        order = place("html")
        dispatching.dispatch(worker, order)
        put(order, unknownCount=claims.ASKS)
        pause()
        age(order, 31)
        checking.check(worker, order)
        assert (booked(simulator, order).requests_seen, status(order)) == (1, "pending")
        assert booked(simulator, order).times_checked == 1

        provider_health.resume(SANDBOX, "leyla")
        look(worker)
        checking.check(worker, order)
        assert booked(simulator, order).requests_seen == 2


def test_a_move_names_the_provider_that_the_order_is_with(worker: Worker, backup: str) -> None:
    order = place("never")
    found = unsent.find(order)
    assert found
    further = route.Route(backup, {})
    assert not unsent.reroute(order, "another", further, "is down")
    assert unsent.reroute(order, SANDBOX, further, "is down")
    assert claims.claim_unreached(order, backup, further, "is down", 60) is None, "it was not claimed"


def test_the_log_says_which_provider_is_back(worker: Worker, lines: Lines) -> None:
    pause()
    order = place("never")
    dispatching.dispatch(worker, order)
    provider_health.resume(SANDBOX, "leyla")
    look(worker)
    [line] = [line for line in lines if line["action"] == "taken_up"]
    assert (line["provider_id"], line["count"]) == (SANDBOX, 1)
