"""When a provider is down, paused or without balance, when that ends, and that of several workers one decides it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import psycopg2
import pytest

from models import balances, provider_health, route, unsent
from models.balances import Told
from models.db import database
from models.provider_health import ACCOUNT_REFUSALS, BREAKER_THRESHOLD, GATEWAY, Health
from models.route import Cost
from tests import factories
from tests.models.at_once import at_once
from tests.waiting import LOCK_WAITS, wait_until

SANDBOX = factories.SANDBOX


@pytest.fixture(autouse=True)
def models(emptied_database_url: str) -> Iterator[None]:
    """An empty database but for the provider `sandbox`."""
    with factories.bound(emptied_database_url):
        factories.add_provider()
        yield


def health() -> Health:
    return provider_health.health(SANDBOX) or Health()


def fail(times: int = BREAKER_THRESHOLD) -> list[bool]:
    return [provider_health.failed(SANDBOX, "no answer", 30) for _ in range(times)]


def make_due() -> None:
    database.rows("UPDATE referans.provider_health SET probe_at = now()")


def claim_probe() -> bool:
    return provider_health.claim_probe(SANDBOX, 30, 600)


def seconds_until_probe() -> float:
    return float(
        database.rows(
            "SELECT EXTRACT(EPOCH FROM probe_at - now())::float8 AS s FROM referans.provider_health"
        )[0]["s"]
    )


def refuse(
    *,
    certain: bool = True,
    lacks_balance: bool = False,
    order_id: str | None = None,
    currency: str | None = None,
) -> bool:
    return provider_health.account_refused(
        SANDBOX,
        "Yetersiz bakiye",
        600,
        is_certain=certain,
        lacks_balance=lacks_balance,
        order_id=order_id,
        currency=currency,
    )


class TestBreaker:
    def test_it_opens_with_the_fifth_failure_in_a_row(self) -> None:
        assert fail() == [False, False, False, False, True]
        assert (health().down, health().takes_orders, health().probe_due) == (True, False, False)
        assert health().down_since and 29 < seconds_until_probe() <= 30

    def test_it_opens_at_once_if_too_many_of_the_last_calls_failed(self) -> None:
        assert provider_health.failed(SANDBOX, "no answer", 30, too_many=True)
        assert health().down and health().failures == 1

    def test_an_answer_between_them_begins_the_row_anew(self) -> None:
        fail(4)
        assert not provider_health.answered(SANDBOX, was_asked_since=False)
        assert fail(4) == [False] * 4 and not health().down

    def test_the_first_answer_to_a_call_made_since_closes_it(self) -> None:
        fail()
        assert not provider_health.answered(SANDBOX, was_asked_since=False)
        assert health().down, "a call that was under way when it opened says nothing"
        assert provider_health.answered(SANDBOX)
        assert (health().down, health().failures, health().probe_due) == (False, 0, None)

    def test_further_failures_delay_no_probe(self) -> None:
        fail()
        make_due()
        assert fail(3) == [False] * 3
        assert health().probe_due

    def test_it_is_probed_once_in_that_time_by_all_workers(self) -> None:
        fail()
        assert not claim_probe()
        make_due()
        assert provider_health.due_probes() == [SANDBOX]
        assert sum(at_once(5, claim_probe)) == 1
        assert provider_health.due_probes() == []

    def test_of_workers_that_all_see_a_probe_due_one_sends_it(self, emptied_database_url: str) -> None:
        fail()
        make_due()
        with ThreadPoolExecutor(1) as thread, closing(psycopg2.connect(emptied_database_url)) as outsider:
            # Held until all have looked and want to be the one.
            outsider.cursor().execute("SELECT FROM referans.provider_health FOR UPDATE")
            claimed = thread.submit(at_once, 5, claim_probe)
            wait_until(lambda: len(database.rows(LOCK_WAITS)) == 5)
            outsider.rollback()
            assert sum(claimed.result()) == 1

    def test_a_process_of_the_version_before_opens_and_closes_it_too(self) -> None:
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, failures, probe_at) VALUES ('sandbox', 5, now())"
        )
        assert health().down and claim_probe()
        assert provider_health.answered(SANDBOX)
        fail()
        database.rows("UPDATE referans.provider_health SET failures = 0, probe_at = NULL")
        assert health().down and health().probe_due, "it is probed, and so found to be up"


class TestPause:
    def test_a_person_pauses_and_resumes(self) -> None:
        provider_health.pause(SANDBOX, "they change their prices", "leyla")
        found = health()
        assert (found.paused_by, found.pause_reason) == ("leyla", "they change their prices")
        assert found.paused_at and not found.takes_orders and not found.down
        assert found.obstacle() == "is paused by leyla: they change their prices"
        assert provider_health.resume(SANDBOX, "omar")
        assert health().takes_orders and not provider_health.resume(SANDBOX, "omar")

    def test_no_balance_and_no_refusal_ends_or_replaces_a_persons_pause(self) -> None:
        provider_health.pause(SANDBOX, "they change their prices", "leyla")
        assert not refuse()
        assert not provider_health.balance_shown(SANDBOX, Decimal(1000))
        assert not provider_health.resume(SANDBOX, GATEWAY)
        make_due()
        assert not claim_probe() and provider_health.due_probes() == []
        assert health().paused_by == "leyla"

    def test_a_person_takes_over_the_gateways_pause(self) -> None:
        assert refuse()
        provider_health.pause(SANDBOX, "until they call back", "leyla")
        assert not provider_health.balance_shown(SANDBOX, Decimal(1000))
        assert health().paused_by == "leyla"


class TestAccount:
    def test_certain_words_pause_at_once(self) -> None:
        assert refuse()
        assert (health().paused_by, health().pause_reason) == (GATEWAY, "Yetersiz bakiye")
        assert 590 < seconds_until_probe() <= 600
        assert not refuse(), "it is paused once"

    def test_words_that_are_not_certain_pause_at_the_third_in_a_row(self) -> None:
        assert [refuse(certain=False) for _ in range(ACCOUNT_REFUSALS)] == [False, False, True]

    def test_an_accepted_send_begins_the_row_anew(self) -> None:
        refuse(certain=False)
        refuse(certain=False)
        provider_health.account_accepted(SANDBOX)
        assert not refuse(certain=False) and health().takes_orders

    def test_a_balance_ends_it(self) -> None:
        refuse()
        assert provider_health.balance_shown(SANDBOX, Decimal(0))
        assert health().takes_orders and health().account_refusals == 0

    @pytest.mark.parametrize(
        ("known", "shown", "ends"),
        [
            ("100", ["100"], False),
            ("100", ["99.99", "99.99"], False),
            ("100", ["100.01"], True),
            ("100", ["40", "60"], True),
            (None, ["40"], False),
            (None, ["40", "40"], False),
            (None, ["40", "40.01"], True),
        ],
    )
    def test_after_a_lack_of_balance_only_more_than_before_ends_it(
        self, known: str | None, shown: list[str], ends: bool
    ) -> None:
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, balance) VALUES ('sandbox', %s)", (known,)
        )
        assert refuse(lacks_balance=True)
        assert not health().has_balance and provider_health.due_probes() == [SANDBOX]
        results = [provider_health.balance_shown(SANDBOX, Decimal(each)) for each in shown]
        assert results == [False] * (len(shown) - 1) + [ends]
        assert health().takes_orders is health().has_balance is ends

    @pytest.mark.parametrize(
        ("known", "hours", "currency", "shown", "ends"),
        [
            (None, 0, "USD", ["50.01"], True),
            (None, 0, "USD", ["50"], False),
            (None, 0, "USD", ["40", "41"], True),
            (None, 0, "EUR", ["50.01"], False),
            ("100", 3, "USD", ["50.01"], True),
            ("100", 3, "USD", ["50"], False),
            ("30", 3, "USD", ["40"], True),
            ("100", 1, "USD", ["50.01"], False),
        ],
    )
    def test_where_no_balance_was_known_there_was_less_than_the_order_costs(
        self, known: str | None, hours: int, currency: str, shown: list[str], ends: bool
    ) -> None:
        order = factories.place()
        route.add("game", "60", SANDBOX, {}, cost=Cost(Decimal(50), currency))
        if known:
            database.rows(
                "INSERT INTO referans.provider_health (provider_id, balance, balance_at)"
                " VALUES ('sandbox', %s, now() - make_interval(hours => %s))",
                (known, hours),
            )
        assert refuse(lacks_balance=True, order_id=order["id"], currency="USD")
        results = [provider_health.balance_shown(SANDBOX, Decimal(each)) for each in shown]
        assert results == [False] * (len(shown) - 1) + [ends]

    def test_a_question_that_began_before_the_pause_does_not_end_it(self) -> None:
        asking = balances.begin_asking(SANDBOX)
        assert refuse()
        told = Told(Decimal(5), "USD", Decimal(0))
        assert not balances.keep_asked(SANDBOX, told, asking, is_probe=True) and not health().takes_orders
        asking = balances.begin_asking(SANDBOX)
        assert balances.keep_asked(SANDBOX, told, asking, is_probe=True) and health().takes_orders

    def test_its_first_refusal_of_all_pauses_it_too(self) -> None:
        assert refuse(lacks_balance=True)
        assert not health().has_balance

    def test_while_it_is_also_down_it_is_probed_as_often_as_one_that_is_down(self) -> None:
        refuse()
        fail()
        make_due()
        claim_probe()
        assert seconds_until_probe() <= 30
        provider_health.answered(SANDBOX)
        make_due()
        assert claim_probe() and seconds_until_probe() > 30

    @pytest.mark.parametrize(("balance", "has"), [("0", False), ("0.01", True), ("-5", True), (None, True)])
    def test_a_balance_of_zero_is_none_and_one_below_is_a_credit(
        self, balance: str | None, has: bool
    ) -> None:
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, balance) VALUES ('sandbox', %s)", (balance,)
        )
        assert health().has_balance is has
        assert health().takes_orders


class TestReturn:
    @pytest.fixture(params=["answer", "person", "balance"])
    def come_back(self, request: pytest.FixtureRequest) -> Callable[[], object]:
        """A provider that gets no orders, and what ends that."""
        if request.param == "answer":
            fail()
            return lambda: provider_health.answered(SANDBOX)
        if request.param == "person":
            provider_health.pause(SANDBOX, "closed", "leyla")
            return lambda: provider_health.resume(SANDBOX, "leyla")
        refuse()
        return lambda: provider_health.balance_shown(SANDBOX, Decimal(1))

    def test_it_is_known_until_what_waited_was_taken_up(self, come_back: Callable[[], object]) -> None:
        assert provider_health.returned() == {}
        come_back()
        assert provider_health.returned() == {SANDBOX: False}
        provider_health.taken_up(SANDBOX)
        assert provider_health.returned() == {SANDBOX: False}, "a worker may not have seen it yet"
        database.rows("UPDATE referans.provider_health SET returned_at = returned_at - interval '11 s'")
        assert provider_health.returned() == {SANDBOX: True}
        provider_health.taken_up(SANDBOX)
        assert provider_health.returned() == {}

    def test_one_that_is_still_kept_from_orders_has_not_returned(self) -> None:
        fail()
        provider_health.pause(SANDBOX, "closed", "leyla")
        provider_health.answered(SANDBOX)
        assert provider_health.returned() == {}
        fail()
        provider_health.resume(SANDBOX, "leyla")
        assert provider_health.returned() == {}
        provider_health.answered(SANDBOX)
        assert provider_health.returned() == {SANDBOX: False}


def test_an_order_is_put_off_for_long_only_while_its_provider_gets_none() -> None:
    order = factories.place()
    unsent.put_off(order["id"], 150, 1800, 86400)
    assert 140 < wait_of(order) <= 150
    provider_health.pause(SANDBOX, "closed", "leyla")
    unsent.put_off(order["id"], 150, 1800, 86400)
    assert 1700 < wait_of(order) <= 1800
    unsent.put_off(order["id"], 150, 1800, 600)
    assert 590 < wait_of(order) <= 600, "not past its time"


def test_of_workers_that_take_up_the_same_orders_one_does(emptied_database_url: str) -> None:
    orders = sorted(factories.place()["id"] for _ in range(5))

    def take_up() -> list[str]:
        return [each.id for each in unsent.take_up(SANDBOX, 100)]

    with ThreadPoolExecutor(1) as thread, closing(psycopg2.connect(emptied_database_url)) as outsider:
        # Held until all have found the same orders.
        outsider.cursor().execute("SELECT FROM product_orders FOR UPDATE")
        taken = thread.submit(at_once, 4, take_up)
        wait_until(lambda: len(database.rows(LOCK_WAITS)) == 4)
        outsider.rollback()
        assert sorted(each for part in taken.result() for each in part) == orders


def wait_of(order: dict[str, object]) -> float:
    return float(
        database.rows(
            'SELECT EXTRACT(EPOCH FROM "nextCheckAt" - now())::float8 AS s FROM product_orders WHERE id = %s',
            (order["id"],),
        )[0]["s"]
    )
