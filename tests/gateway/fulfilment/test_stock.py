"""Orders that are delivered from own stock, and go to the next provider once it is empty."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg2
import pytest

from gateway import providers
from gateway.dev.simulator import Simulator
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import Worker
from gateway.providers.base import Task
from gateway.providers.stock import Stock
from models import order as orders
from models import provider, provider_health, resolving, route, stock
from models.codes import Code
from models.db import database, sealed
from models.outcome import Outcome
from models.provider import Provider
from models.stock import NewCode
from tests import factories
from tests.conftest import KEY
from tests.gateway.fulfilment.orders import (
    DAY,
    OTHER_KEY,
    Queue,
    age,
    booked,
    events,
    place,
    row,
    status,
)
from tests.waiting import wait_until

SANDBOX, OWN = factories.SANDBOX, "own"


@pytest.fixture(autouse=True)
def own(models: None) -> None:
    """Own stock, which orders go to first; the sandbox is second."""
    provider.save(Provider(OWN, "stock", "", "none", {}, max_concurrency=32))
    database.rows("UPDATE referans.routes SET position = 2")
    database.rows(
        "INSERT INTO referans.routes (product_id, package_id, provider_id, position) VALUES ('*', '*', %s, 1)",
        (OWN,),
    )


def load(*codes: str, name: str = OWN) -> None:
    given = [NewCode(Code(each)) for each in codes]
    stock.load(name, given, cost=Decimal("0.85"), currency="USD")


def placed(quantity: int = 1) -> str:
    return str(factories.place("player+poll", quantity=quantity)["id"])


def codes_of(order_id: str) -> list[str]:
    found = orders.find(order_id)
    assert found
    return [code.code for code in orders.codes_of(found)]


def given_out() -> dict[str, str]:
    """Who took which code."""
    return {
        row["digest"]: row["referans"]
        for row in database.rows(
            "SELECT digest, referans FROM referans.stock_codes WHERE referans IS NOT NULL"
        )
    }


class TestDelivered:
    def test_the_order_is_completed_at_once_with_its_codes_and_their_cost(
        self, worker: Worker, queue: Queue
    ) -> None:
        load("C-1", "C-2", "C-3")
        order = placed(2)
        dispatching.dispatch(worker, order)

        found = row(order)
        assert (found["externalStatus"], found["status"], found["nextCheckAt"]) == (
            "completed",
            "approved",
            None,
        )
        assert (found["costAmount"], found["costCurrency"]) == (Decimal("1.70"), "USD")
        assert found["sentAt"] and found["completedAt"] and found["attention"] is None
        assert codes_of(order) == ["C-1", "C-2"]
        assert events(order)[-1] == "delivered by own, cost 1.70 USD"
        assert not queue.hints()

    def test_the_route_says_which_stock(self, worker: Worker) -> None:
        route.add("game", "60", OWN, {"stock": "game-60"})
        load("C-1")
        load("G-1", name="game-60")
        order = placed()
        dispatching.dispatch(worker, order)
        assert codes_of(order) == ["G-1"]

    def test_all_of_a_code_reaches_the_order(self, worker: Worker) -> None:
        whole = Code("C-1", pin="1234", serial="S-1", expires_at="2099-12-31")
        stock.load(OWN, [NewCode(whole)])
        order = placed()
        dispatching.dispatch(worker, order)
        found = orders.find(order)
        assert found and orders.codes_of(found) == [whole]


class TestTooFew:
    def test_the_order_goes_to_the_next_provider_and_takes_none(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        load("C-1")
        order = placed(2)
        dispatching.dispatch(worker, order)
        assert given_out() == {}
        assert any(
            "own refused: the stock own has fewer than 2 codes left" in event for event in events(order)
        )

    def test_one_that_goes_on_is_sent_once(self, worker: Worker, simulator: Simulator) -> None:
        order = place()
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", SANDBOX)
        assert booked(simulator, order).times_booked == 1

    def test_without_another_provider_it_has_failed(self, worker: Worker) -> None:
        database.rows("DELETE FROM referans.routes WHERE provider_id <> %s", (OWN,))
        order = placed()
        dispatching.dispatch(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["failureReason"]) == ("failed", "product")
        assert found["lastMessage"] == "the stock own is empty"

    def test_an_expired_code_is_not_sold(self, worker: Worker) -> None:
        stock.load(OWN, [NewCode(Code("C-OLD"), datetime.now(UTC) - timedelta(seconds=1))])
        order = place()
        dispatching.dispatch(worker, order)
        assert row(order)["providerId"] == SANDBOX

    def test_an_empty_stock_is_no_failure_of_a_provider(self, worker: Worker) -> None:
        for _ in range(provider_health.BREAKER_THRESHOLD):
            dispatching.dispatch(worker, place())
        health = provider_health.health(OWN)
        assert health is None or not health.down


class TestKilled:
    """Between the take and the settling: the order is `pending`, and nobody has heard of its codes."""

    @pytest.fixture
    def taken(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> str:
        load("C-1", "C-2")
        order = placed()
        with monkeypatch.context() as patch:
            patch.setattr(dispatching, "_accepted", killed)
            with pytest.raises(KeyboardInterrupt):
                dispatching.dispatch(worker, order)
        assert (status(order), len(given_out())) == ("pending", 1)
        age(order, 61)
        return order

    def test_the_check_brings_the_codes_that_it_took(self, worker: Worker, taken: str) -> None:
        checking.check(worker, taken)
        assert (status(taken), codes_of(taken)) == ("completed", ["C-1"])
        assert len(given_out()) == 1

    def test_a_second_send_brings_the_same(self, worker: Worker, taken: str) -> None:
        database.rows("""UPDATE product_orders SET "unknownCount" = 2 WHERE id = %s""", (taken,))
        checking.check(worker, taken)
        assert (status(taken), codes_of(taken)) == ("completed", ["C-1"])
        assert any("sending it again" in event for event in events(taken))

    def test_a_last_check_still_brings_them(self, worker: Worker, taken: str) -> None:
        age(taken, DAY)
        checking.check(worker, taken)
        assert (status(taken), codes_of(taken)) == ("completed", ["C-1"])

    def test_one_killed_before_it_took_is_sent_after_two_asks(
        self, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load("C-1")
        order = placed()
        with monkeypatch.context() as patch:
            patch.setattr(Stock, "send", killed)
            with pytest.raises(KeyboardInterrupt):
                dispatching.dispatch(worker, order)
        for _ in range(2):
            age(order, 61)
            checking.check(worker, order)
        assert (status(order), codes_of(order)) == ("completed", ["C-1"])


def killed(*_: object, **__: object) -> None:
    """No `except Exception` sees it, as with a signal."""
    raise KeyboardInterrupt


class TestOwnTrouble:
    """The database is ours: what it refuses puts the order off, and neither fails it nor moves it."""

    @pytest.fixture
    def order(self) -> str:
        load("C-1")
        return placed()

    @contextmanager
    def locked(self, url: str) -> Iterator[None]:
        """No statement can use the stock."""
        with closing(psycopg2.connect(url)) as other:
            other.cursor().execute("LOCK TABLE referans.stock_codes")
            database.rows("SET lock_timeout = '10ms'")
            yield
            other.rollback()
        database.rows("SET lock_timeout = '10s'")

    def test_a_send_that_cannot_use_the_stock_is_made_again(
        self, worker: Worker, emptied_database_url: str, order: str
    ) -> None:
        with self.locked(emptied_database_url):
            dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", OWN)
        assert "not sent because of a fault on our side, will send again" in events(order)[-1]
        health = provider_health.health(OWN)
        assert health is None or not health.failures

        age(order, 61)
        checking.check(worker, order)
        assert (status(order), codes_of(order)) == ("completed", ["C-1"])

    def test_a_last_check_that_cannot_use_it_ends_nothing(
        self, worker: Worker, emptied_database_url: str, order: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(dispatching, "_accepted", killed)
            with pytest.raises(KeyboardInterrupt):
                dispatching.dispatch(worker, order)
        age(order, DAY)
        with self.locked(emptied_database_url):
            checking.check(worker, order)
        assert status(order) == "pending"
        age(order, 61)
        checking.check(worker, order)
        assert (status(order), codes_of(order)) == ("completed", ["C-1"])

    def test_a_commit_without_an_answer_is_asked_about(
        self, worker: Worker, order: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The connection breaks after the statement was sent: the codes may have been taken."""
        take = stock.take

        def take_and_lose(*arguments: object, **named: object) -> object:
            take(*arguments, **named)  # type: ignore[arg-type]
            raise psycopg2.OperationalError("server closed the connection unexpectedly")

        with monkeypatch.context() as patch:
            patch.setattr(stock, "take", take_and_lose)
            dispatching.dispatch(worker, order)
        assert status(order) == "pending" and row(order)["unknownCount"] == 0
        assert "no clear answer to the send, will ask" in events(order)[-1]
        age(order, 31)
        checking.check(worker, order)
        assert (status(order), codes_of(order)) == ("completed", ["C-1"])

    def test_codes_that_the_keys_do_not_open_wait_for_the_right_keys(
        self, worker: Worker, order: str
    ) -> None:
        database.rows("UPDATE referans.providers SET credentials = '{}' WHERE id = %s", (OWN,))
        sealed.bind([OTHER_KEY])
        dispatching.dispatch(worker, order)
        assert status(order) == "pending" and "do not open" in events(order)[-1]
        age(order, DAY)
        checking.check(worker, order)
        assert status(order) == "pending"

        sealed.bind([KEY])
        age(order, 61)
        checking.check(worker, order)
        assert (status(order), codes_of(order)) == ("completed", ["C-1"])


class TestDecidedByPeople:
    @pytest.mark.parametrize("decide", [resolving.reverse, resolving.fail])
    def test_codes_of_an_order_that_a_person_ends_are_not_sold_again(
        self, worker: Worker, decide: Callable[..., object]
    ) -> None:
        load("C-1")
        order = placed()
        dispatching.dispatch(worker, order)
        decide(order, by="Samar", reason="the customer has not paid")
        assert len(given_out()) == 1
        following = place()
        dispatching.dispatch(worker, following)
        assert row(following)["providerId"] == SANDBOX

    def test_one_that_is_sent_again_gets_other_codes(self, worker: Worker) -> None:
        load("C-1", "C-2")
        order = placed()
        dispatching.dispatch(worker, order)
        resolving.resend(order, by="Samar", reason="the code was void", provider_id=OWN, may_buy_twice=True)
        dispatching.dispatch(worker, order)
        assert (status(order), codes_of(order)) == ("completed", ["C-2"])


def test_many_orders_at_once_get_a_code_each_or_go_on(worker: Worker, simulator: Simulator) -> None:
    """No code is given twice, and no order is delivered from the stock and sent to the sandbox as well."""
    load(*(f"C-{number}" for number in range(25)))
    waiting = [place() for _ in range(40)]
    queue, lock = list(waiting), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not queue:
                    return
                order = queue.pop()
            try:
                dispatching.dispatch(worker, order)
            except Busy:
                with lock:
                    queue.append(order)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: all(status(order) not in ("not_sent", "pending") for order in waiting))

    by_provider = Counter(row(order)["providerId"] for order in waiting)
    assert by_provider == {OWN: 25, SANDBOX: 15}
    delivered = [codes_of(order) for order in waiting if row(order)["providerId"] == OWN]
    assert sorted(code for codes in delivered for code in codes) == sorted(
        f"C-{number}" for number in range(25)
    )
    assert len(simulator.book.bookings()) == 15


def test_the_same_task_has_the_same_outcome_whenever_it_is_sent_or_asked_about(worker: Worker) -> None:
    account = provider.find(OWN)
    assert account
    load("C-1")
    task = Task("77")
    first: Outcome = providers.send(account, worker.client, task)
    assert (
        providers.send(account, worker.client, task)
        == first
        == providers.check_one(account, worker.client, task)
    )
