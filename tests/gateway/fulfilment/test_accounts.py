"""Refusals about our account, the product and the customer; and how the gateway's own pause is probed and ends."""

from decimal import Decimal

import pytest

from gateway.dev.simulator import Simulator
from gateway.fulfilment import balances, checking, dispatching, probing
from gateway.fulfilment.worker import Worker
from gateway.outbound import Client
from gateway.providers.znet import Znet
from models import provider_health, route
from models.balances import ask_soon
from models.db import database
from models.provider_health import Health
from models.route import Cost
from tests import factories
from tests.gateway.fulfilment.conftest import BACKUP, Lines, WorkerFor
from tests.gateway.fulfilment.orders import booked, events, go_down, place, row, sent, spoil, status

SANDBOX = factories.SANDBOX
NO_RIGHTS = "Kullanıcı_Api_Yetki"
NO_BALANCE = "yetersiz_bakiye"
#: Words that may mean our account, or this order.
UNCERTAIN = "yetkiniz_yok"


def health(provider_id: str = SANDBOX) -> Health:
    return provider_health.health(provider_id) or Health()


def dispatch(worker: Worker, words: str) -> str:
    order = place(words)
    dispatching.dispatch(worker, order)
    return order


class TestCustomer:
    @pytest.mark.usefixtures("backup")
    def test_no_other_provider_is_asked(self, worker: Worker, simulator: Simulator) -> None:
        order = dispatch(worker, "refuse=Oyuncu_bulunamadı")
        found = row(order)
        assert (found["externalStatus"], found["failureReason"]) == ("failed", "customer")
        assert (found["providerId"], found["lastMessage"]) == (SANDBOX, "Oyuncu bulunamadı")
        assert booked(simulator, order).requests_seen == 1
        assert health().takes_orders

    def test_a_player_that_is_nothing_but_blanks_is_one(self, worker: Worker, backup: str) -> None:
        """The next route may take the player from another field, so that it is asked."""
        order = str(factories.place("\u200b")["id"])
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "customer")
        assert row(order)["triedProviders"] == [SANDBOX]


class TestAccount:
    @pytest.mark.parametrize("fault", ["denied", "password"])
    def test_certain_words_pause_it_and_the_order_goes_on(
        self, worker: Worker, simulator: Simulator, lines: Lines, fault: str
    ) -> None:
        with Simulator(echo=None, kod="elsewhere", sifre=factories.CREDENTIALS["sifre"]) as second:
            credentials = factories.CREDENTIALS | {"kod": "elsewhere"}
            factories.add_provider(BACKUP, second.url, credentials=credentials)
            simulator.control.set_fault(fault)
            order = dispatch(worker, "never")
            simulator.control.set_fault(None)
            assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
            assert (health().paused_by, health().takes_orders) == ("gateway", False)
            assert [line["action"] for line in lines].count("provider_paused") == 1

            following = dispatch(worker, "never")
        assert row(following)["providerId"] == BACKUP
        assert simulator.book.requests_seen() == {row(order)["provider_referans"]: 1}

    @pytest.mark.parametrize("words", [NO_RIGHTS, NO_BALANCE])
    def test_without_another_provider_the_one_refused_fails_and_those_that_follow_wait(
        self, worker: Worker, simulator: Simulator, words: str
    ) -> None:
        order, following = dispatch(worker, f"refuse={words}"), dispatch(worker, "never")
        found = row(order)
        assert (found["externalStatus"], found["failureReason"]) == ("failed", "account")
        assert found["lastMessage"] == "The provider cannot take orders at present."
        said = words.replace("_", " ")
        assert said not in f"{found['lastMessage']}{found['providerMessage']}"
        assert events(order)[-1] == f"sandbox refused our account: {said}", "operators read why"
        assert (status(following), health().pause_reason) == ("not_sent", said)
        assert booked(simulator, order).requests_seen == 1

    def test_uncertain_words_pause_it_at_the_third_in_a_row(self, worker: Worker) -> None:
        for _ in range(2):
            dispatch(worker, f"refuse={UNCERTAIN}")
        assert health().takes_orders
        dispatch(worker, "never")
        for _ in range(2):
            dispatch(worker, f"refuse={UNCERTAIN}")
        assert health().takes_orders, "an accepted send came between"
        order = dispatch(worker, f"refuse={UNCERTAIN}")
        assert row(order)["failureReason"] == "account"
        assert not health().takes_orders

    def test_a_refused_question_shows_it_and_pauses_nothing(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = sent(worker)
        simulator.control.set_fault("password")
        checking.check(worker, order)
        simulator.control.set_fault(None)
        assert "Şifre yanlış" in (health().last_error or "")
        assert health().takes_orders and not health().failures


class TestProbes:
    def make_due(self) -> None:
        database.rows("UPDATE referans.provider_health SET probe_at = now()")

    def test_a_balance_call_closes_the_breaker(self, worker: Worker, lines: Lines) -> None:
        go_down()
        probing.probe(worker, SANDBOX)
        assert health().down, "no probe was due"
        self.make_due()
        probing.probe(worker, SANDBOX)
        assert not health().down
        assert "provider_up" in [line["action"] for line in lines]

    def test_an_answer_that_is_no_balance_closes_it_too(self, worker: Worker, simulator: Simulator) -> None:
        simulator.control.set_fault("password")
        go_down()
        self.make_due()
        probing.probe(worker, SANDBOX)
        simulator.control.set_fault(None)
        assert not health().down and "Şifre yanlış" in (health().last_error or "")

    def test_one_that_fails_leaves_it_open_until_the_next(self, worker: Worker, simulator: Simulator) -> None:
        simulator.control.set_fault("html")
        go_down()
        self.make_due()
        probing.probe(worker, SANDBOX)
        assert health().down and health().probe_due is False
        simulator.control.set_fault(None)

    @pytest.mark.parametrize(
        ("fault", "ends"), [(None, True), ("html", False), ("denied", False), ("password", False)]
    )
    def test_the_gateways_pause_ends_when_a_balance_call_succeeds(
        self, worker: Worker, simulator: Simulator, lines: Lines, fault: str | None, ends: bool
    ) -> None:
        dispatch(worker, f"refuse={NO_RIGHTS}")
        self.make_due()
        simulator.control.set_fault(fault)
        probing.probe(worker, SANDBOX)
        simulator.control.set_fault(None)
        assert health().takes_orders is ends
        assert ("provider_resumed" in [line["action"] for line in lines]) is ends

    def test_after_no_balance_it_ends_with_the_deposit(self, worker: Worker, simulator: Simulator) -> None:
        simulator.book.set_balance(Decimal(7))
        dispatch(worker, f"refuse={NO_BALANCE}")
        waiting = dispatch(worker, "never")
        for _ in range(2):
            self.make_due()
            probing.probe(worker, SANDBOX)
            assert not health().takes_orders
        simulator.book.set_balance(Decimal(500))
        self.make_due()
        probing.probe(worker, SANDBOX)
        assert health().takes_orders
        probing.look(worker, lambda provider_id: None)
        dispatching.dispatch(worker, waiting)
        assert status(waiting) == "sent"

    def test_any_question_for_the_balance_ends_it(self, worker: Worker, simulator: Simulator) -> None:
        """The sweep, too, so that it is known what there was where a probe brings no answer."""
        simulator.book.set_balance(Decimal(7))
        dispatch(worker, f"refuse={NO_BALANCE}")
        for amount in (7, 500):
            assert not health().takes_orders
            simulator.book.set_balance(Decimal(amount))
            ask_soon(SANDBOX)
            assert sum(balances.ask_due(worker)) == 1
        assert health().takes_orders

    def test_a_pause_for_another_reason_is_ended_by_its_probe_alone(self, worker: Worker) -> None:
        """Else the next sweep, which asks for the balance because of the refusal, would have orders refused again."""
        dispatch(worker, f"refuse={NO_RIGHTS}")
        assert sum(balances.ask_due(worker)) == 1
        assert not health().takes_orders

    def test_after_no_balance_that_was_never_known_it_ends_with_more_than_the_order_costs(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        route.add("game", "60", SANDBOX, {}, cost=Cost(Decimal(50), str(Znet.CURRENCY)))
        database.rows("DELETE FROM referans.provider_health")
        dispatch(worker, f"refuse={NO_BALANCE}")
        simulator.book.set_balance(Decimal(500))
        self.make_due()
        probing.probe(worker, SANDBOX)
        assert health().takes_orders

    def test_how_much_there_is_is_asked_at_once(self, worker: Worker) -> None:
        dispatch(worker, f"refuse={NO_BALANCE}")
        assert provider_health.due_probes() == [SANDBOX]

    def test_a_persons_pause_is_not_probed(self, worker: Worker) -> None:
        provider_health.pause(SANDBOX, "closed", "leyla")
        self.make_due()
        probing.probe(worker, SANDBOX)
        assert health().paused_by == "leyla"

    def test_look_starts_the_probes_that_are_due(self, worker: Worker) -> None:
        started: list[str] = []
        go_down()
        probing.look(worker, started.append)
        self.make_due()
        probing.look(worker, started.append)
        assert started == [SANDBOX]

    @pytest.mark.parametrize("accident", ["damaged", "no-adapter"])
    def test_a_provider_that_cannot_be_used_is_left(self, worker: Worker, accident: str) -> None:
        go_down()
        self.make_due()
        spoil(SANDBOX, accident)
        factories.add_provider(BACKUP)  # whose credentials open
        probing.probe(worker, SANDBOX)
        assert health().down and health().probe_due is False

    def test_trouble_of_ours_says_nothing(self, worker_for: WorkerFor) -> None:
        go_down()
        self.make_due()
        before = health().failures
        client = Client()
        client.get = None  # type: ignore[method-assign,assignment]
        probing.probe(worker_for(client=client), SANDBOX)
        assert (health().down, health().failures) == (True, before)
