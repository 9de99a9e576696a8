"""What the core keeps to of a protocol's traits: small described protocols over real HTTP, with a book that counts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from gateway import providers
from gateway.fulfilment import checking, dispatching, probing
from gateway.fulfilment.permits import SPARE_SECONDS
from gateway.fulfilment.worker import BOOKKEEPING_SECONDS, CHECK, DISPATCH, Worker
from models import plans, provider, provider_health, resolving, stuck
from models.claims import ASKS
from models.codes import Code
from models.db import database, receiver
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from tests import factories
from tests.gateway.fulfilment.conftest import BACKUP
from tests.gateway.fulfilment.described import (
    BUYING,
    CUT,
    LOST,
    NUMBERED,
    PLAIN,
    SILENT,
    SLOW,
    Shop,
    opened,
)
from tests.gateway.fulfilment.orders import (
    DAY,
    Hint,
    Queue,
    age,
    events,
    go_down,
    place,
    put,
    row,
    seconds_until_check,
    status,
)

SANDBOX = factories.SANDBOX
HOUR = 3600

#: Opens a shop for the rest of the test: the text of its protocol, what its sends become, and its provider's id.
Opens = Callable[..., Shop]

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def opens(models: None) -> Iterator[Opens]:
    with ExitStack() as stack:

        def open_(text: str, *sends: Any, provider_id: str = SANDBOX, **fields: Any) -> Shop:
            shop = Shop(sends=list(sends) or ["open"])
            return stack.enter_context(opened(text, shop, provider_id, **fields))

        yield open_


@pytest.fixture
def told(models: None) -> Iterator[Callable[[str], list[str]]]:
    """What the storefront is told of an order."""
    receiver.bind(True)

    def types(order: str) -> list[str]:
        found = database.rows(
            "SELECT type FROM referans.notifications WHERE order_id = %s ORDER BY id", (order,)
        )
        return [each["type"].removeprefix("order.") for each in found]

    yield types
    receiver.bind(False)


def dispatched(worker: Worker, **columns: Any) -> str:
    """An order that was given to its provider."""
    order = place()
    if columns:
        put(order, **columns)
    dispatching.dispatch(worker, order)
    return order


def check(worker: Worker, order: str, after_seconds: float = 130) -> None:
    age(order, after_seconds)
    checking.check(worker, order)


def ask_now(order: str) -> plans.Requested | None:
    """What "check now" comes to."""
    return plans.request_check(order, providers.asking_of(row(order)["providerId"]))


class TestNotNow:
    def test_an_order_is_put_off_as_one_that_was_not_sent_and_sent_later(
        self, worker: Worker, opens: Opens, queue: Queue
    ) -> None:
        shop = opens(PLAIN, "later", "open")
        order = dispatched(worker)

        found = row(order)
        assert (found["externalStatus"], found["attempts"], found["claimedAt"]) == ("not_sent", 0, None)
        assert 20 < seconds_until_check(order) <= 31
        assert queue.hints() == [Hint(DISPATCH, order, 30)]
        assert events(order)[-1] == "sandbox does not take it now: later"
        age(order, 31)
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["attempts"]) == ("sent", 1)
        assert list(shop.bought.values()) == [1]

    def test_it_says_nothing_against_the_provider(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN, "later")
        for _ in range(10):
            dispatched(worker)
        health = provider_health.health(SANDBOX)
        assert health is None or (health.failures, health.down) == (0, False)

    @pytest.mark.parametrize(("said", "expected"), [("5", 5), ("7200", 7200), ("0", 1)])
    def test_the_provider_may_say_when(
        self, worker: Worker, opens: Opens, said: str, expected: float
    ) -> None:
        shop = opens(PLAIN)
        shop.says["/buy"] = [{"state": "later", "retry_after": said}]
        assert seconds_until_check(dispatched(worker)) == pytest.approx(expected, abs=5)

    @pytest.mark.parametrize("back", [SANDBOX, "another of its route"])
    def test_of_a_provider_that_is_back_it_is_sent_early_once(
        self, worker: Worker, opens: Opens, back: str
    ) -> None:
        shop = opens(PLAIN, "later")
        if back != SANDBOX:
            back = "other"
            factories.add_provider(back)
        order = dispatched(worker)
        provider_health.look_again(back)
        assert probing.take_up(worker, back) == 1
        dispatching.dispatch(worker, order)
        assert probing.take_up(worker, back) == 0
        assert shop.count("/buy") == 2 and 20 < seconds_until_check(order) <= 31

    def test_the_waits_double(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN, "later")
        order, waits = dispatched(worker), []
        for _ in range(7):
            waits.append(round(seconds_until_check(order), -1))
            age(order, waits[-1])
            dispatching.dispatch(worker, order)
        assert waits == [30, 30, 60, 120, 240, 480, 600]

    def test_one_that_waits_for_longer_than_the_timeout_fails(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN, "later")
        order = dispatched(worker)
        age(order, DAY)
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")
        assert not shop.bought

    def test_it_goes_to_another_provider_once_its_own_is_down(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN, "later")
        backup = opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        assert (status(order), row(order)["providerId"]) == ("not_sent", SANDBOX)
        provider_health.pause(SANDBOX, "holiday", by="ayşe")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
        assert list(backup.bought.values()) == [1]

    def test_a_resend_that_is_put_off_stays_in_doubt(self, worker: Worker, opens: Opens) -> None:
        """The first send may have been booked: it is asked about before it is sent once more."""
        shop = opens(PLAIN, CUT, "later", "open")
        order = dispatched(worker)
        for _ in range(ASKS):
            check(worker, order)
        assert shop.count("/buy") == 2
        assert (status(order), row(order)["mayBeKnown"], row(order)["unknownCount"]) == ("pending", True, 0)
        for _ in range(ASKS):
            check(worker, order)
        assert status(order) == "sent"
        assert list(shop.bought.values()) == [1]

    def test_an_order_that_was_put_off_needs_no_person(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN, "later")
        order = dispatched(worker)
        assert stuck.find(order, stuck.Limits.of(worker.settings)) is None

    def test_a_check_is_put_off_and_does_not_count(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN)
        order = dispatched(worker)
        shop.says["/ask"] = [{"state": "later", "retry_after": "7"}]
        check(worker, order)
        assert (status(order), row(order)["checkCount"]) == ("sent", 0)
        assert seconds_until_check(order) == pytest.approx(7, abs=5)
        health = provider_health.health(SANDBOX)
        assert health is None or health.failures == 0

    def test_a_last_check_that_is_put_off_was_not_tried(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN)
        order = dispatched(worker)
        shop.says["/ask"] = [{"state": "later"}]
        check(worker, order, DAY)
        assert status(order) == "sent"
        del shop.says["/ask"]
        shop.decide("done", "PIN-1")
        check(worker, order)
        assert status(order) == "completed"

    def test_but_not_for_ever(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN)
        order = dispatched(worker)
        shop.says["/ask"] = [{"state": "later"}]
        check(worker, order, DAY + worker.settings.slow_check_interval + 1)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")

    def test_an_ask_for_a_code_is_put_off_and_does_not_count(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN, "done")
        order = dispatched(worker)
        assert (status(order), row(order)["codeAsks"]) == ("completed", 1)
        shop.says["/ask"] = [{"state": "later"}]
        check(worker, order)
        for _ in range(2):
            assert row(order)["codeAsks"] == 1
            assert seconds_until_check(order) == pytest.approx(30, abs=5)
            put(order, checkAskedAt=None)
            assert ask_now(order) is plans.Requested.PLANNED  # which counts for none, either
            checking.check(worker, order)
        assert shop.count("/ask") == 3


class TestAskingBuys:
    @pytest.fixture
    def shop(self, opens: Opens) -> Shop:
        return opens(BUYING)

    def test_an_open_order_is_asked_about_by_the_same_call(self, worker: Worker, shop: Shop) -> None:
        order = dispatched(worker)
        shop.decide("done", "PIN-1")
        check(worker, order)
        assert status(order) == "completed"
        assert shop.calls[0] == shop.calls[1]
        assert list(shop.bought.values()) == [1]

    def test_one_whose_answer_was_lost_is_bought_once(self, worker: Worker, opens: Opens) -> None:
        shop = opens(BUYING, LOST)
        order = dispatched(worker)
        assert (status(order), row(order)["attention"]) == ("pending", None)
        check(worker, order)
        assert status(order) == "sent"
        assert list(shop.bought.values()) == [1]

    def test_one_that_was_never_booked_is_bought_by_the_question(self, worker: Worker, opens: Opens) -> None:
        shop = opens(BUYING, CUT, "open")
        order = dispatched(worker)
        check(worker, order)
        assert status(order) == "sent"
        assert list(shop.bought.values()) == [1]

    def test_a_refusal_of_the_question_sends_it_to_the_next_provider(
        self, worker: Worker, opens: Opens
    ) -> None:
        shop, backup = opens(BUYING, CUT, "no_stock"), opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        referans = row(order)["provider_referans"]
        check(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["providerId"]) == ("sent", BACKUP)
        assert (found["provider_referans"], found["triedProviders"]) == (referans, [SANDBOX])
        assert shop.count("/buy") == 2 and not shop.bought
        assert list(backup.bought.values()) == [1]

    def test_without_another_provider_it_has_failed(self, worker: Worker, opens: Opens) -> None:
        opens(BUYING, CUT, "no_player")
        order = dispatched(worker)
        check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "customer")

    def test_a_refusal_of_our_account_says_nothing_of_an_order_in_doubt(
        self, worker: Worker, opens: Opens
    ) -> None:
        """The first send may be what has used the balance up."""
        shop, backup = opens(BUYING, LOST), opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        shop.says["/buy"] = [{"state": "no_money"}]
        check(worker, order)
        assert (status(order), row(order)["providerId"], backup.bought) == ("pending", SANDBOX, {})
        health = provider_health.health(SANDBOX)
        assert health and health.paused_at

    def test_nothing_asks_about_one_in_doubt_while_its_provider_is_paused(
        self, worker: Worker, opens: Opens
    ) -> None:
        shop = opens(BUYING, CUT, "open")
        order = dispatched(worker)
        provider_health.pause(SANDBOX, "holiday", by="ayşe")
        check(worker, order)
        assert (shop.count("/buy"), status(order)) == (1, "pending")

    @pytest.mark.parametrize("state", ["no", "no_money", "no_player"])
    def test_a_refusal_about_an_order_that_it_has_ends_nothing(
        self, worker: Worker, opens: Opens, shop: Shop, queue: Queue, state: str
    ) -> None:
        """Not the asking either: the check has learned nothing, and the next one follows."""
        backup = opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        shop.says["/buy"] = [{"state": state}]
        queue.clear()
        check(worker, order)
        assert (status(order), row(order)["providerId"], backup.bought) == ("sent", SANDBOX, {})
        assert events(order)[-1].startswith("checked (1), nothing learned")
        assert [(hint.actor, hint.order_id) for hint in queue.hints()] == [(CHECK, order)]

    @pytest.mark.parametrize(
        ("text", "state"), [(BUYING, "no_stock"), (BUYING, "no_player"), (PLAIN, "no_stock")]
    )
    def test_a_refusal_ends_nothing_once_a_callback_has_said_that_the_order_was_accepted(
        self, worker: Worker, opens: Opens, text: str, state: str
    ) -> None:
        """The callback comes while the question about an order in doubt, or its send, is under way."""
        shop, backup = opens(text, LOST), opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker) if text is BUYING else place()
        outcome = Outcome(ExternalStatus.PROCESSING, row(order)["provider_referans"])
        accepted = Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}", next_check_seconds=60)
        shop.says["/buy"] = [{"state": state}]
        shop.during["/buy"] = lambda: worker.settle([accepted])
        if text is BUYING:
            check(worker, order)
        else:
            dispatching.dispatch(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["providerId"], backup.bought) == ("processing", SANDBOX, {})
        assert found["sendingUntil"] is None and found["nextCheckAt"]

    def test_nothing_asks_at_its_timeout(self, worker: Worker, opens: Opens) -> None:
        """However long its provider may be asked."""
        shop = opens(BUYING.replace('"1h"', '"90d"'))
        order = dispatched(worker)
        check(worker, order, DAY)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")
        assert shop.count("/buy") == 1
        assert "asking again may buy it again" in str(events(order)[-1])

    def test_nothing_asks_past_its_time(self, worker: Worker, shop: Shop) -> None:
        order = dispatched(worker)
        check(worker, order, HOUR + 1)
        assert (status(order), shop.count("/buy")) == ("sent", 1)
        assert seconds_until_check(order) == pytest.approx(DAY - HOUR - 1, abs=5)
        assert ask_now(order) is None

    def test_the_time_counts_from_the_first_send(self, worker: Worker, opens: Opens) -> None:
        shop = opens(BUYING, LOST)
        order = dispatched(worker)
        check(worker, order, HOUR / 2)
        assert status(order) == "sent"
        check(worker, order, HOUR / 2)
        assert shop.count("/buy") == 2

    @pytest.mark.parametrize("ended", [ExternalStatus.COMPLETED, ExternalStatus.FAILED])
    def test_nothing_asks_about_one_that_is_final(
        self, worker: Worker, shop: Shop, ended: ExternalStatus
    ) -> None:
        order = dispatched(worker)
        outcome = Outcome(ended, row(order)["provider_referans"])
        worker.settle(
            [Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}", code_ask_seconds=0)]
        )
        assert ask_now(order) is None
        # A version before this one has planned it all the same.
        put(order, nextCheckAt=row(order)["createdAt"], checkRequestedAt=row(order)["createdAt"])
        checking.check(worker, order)
        assert (status(order), shop.count("/buy")) == (ended, 1)
        assert row(order)["nextCheckAt"] is None

    @pytest.mark.parametrize(
        ("expects", "attention"), [("code", "no_code"), ("auto", None), ("no-code", None)]
    )
    @pytest.mark.parametrize("source", [Source.DISPATCH, Source.POLL, Source.CALLBACK])
    def test_no_code_is_asked_for(
        self,
        worker: Worker,
        opens: Opens,
        told: Callable[[str], list[str]],
        expects: str,
        attention: str | None,
        source: Source,
    ) -> None:
        shop = opens(BUYING, "done" if source is Source.DISPATCH else "open")
        order = dispatched(worker, expects=expects)
        if source is Source.POLL:
            shop.decide("done")
            check(worker, order)
        if source is Source.CALLBACK:
            outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"])
            worker.settle([Arrival(SANDBOX, source, outcome, code_ask_seconds=0, may_ask_for_code=False)])
        found, asked = row(order), shop.count("/buy")
        assert (found["externalStatus"], found["attention"]) == ("completed", attention)
        assert (found["nextCheckAt"], found["codeAsks"]) == (None, None)
        check(worker, order)
        assert shop.count("/buy") == asked == (2 if source is Source.POLL else 1)
        assert told(order) == ["completed"]

    def test_a_code_that_was_planned_to_be_asked_for_is_not(self, worker: Worker, shop: Shop) -> None:
        """By a callback that was kept before its order was known."""
        order = dispatched(worker, expects="code")
        outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"])
        worker.settle([Arrival(SANDBOX, Source.CALLBACK, outcome, code_ask_seconds=0)])
        assert row(order)["nextCheckAt"]
        checking.check(worker, order)
        assert (row(order)["attention"], row(order)["nextCheckAt"]) == ("no_code", None)
        assert shop.count("/buy") == 1

    def test_nothing_asks_about_one_that_went_elsewhere(self, worker: Worker, opens: Opens) -> None:
        shop = opens(BUYING, "no_stock")
        opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        assert row(order)["providerId"] == BACKUP
        check(worker, order)
        check(worker, order, DAY)
        assert shop.count("/buy") == 1

    def test_nothing_asks_about_one_that_another_system_placed(self, worker: Worker, shop: Shop) -> None:
        order = dispatched(worker)
        put(order, placedByGateway=None, routeParams=None)
        check(worker, order)
        assert shop.count("/buy") == 1
        assert ask_now(order) is None

    def test_while_a_question_is_under_way_no_other_begins(self, worker: Worker, opens: Opens) -> None:
        shop = opens(BUYING, CUT, "open")
        order = dispatched(worker)
        age(order, 61)
        seen = []

        def look() -> None:
            assert ask_now(order)
            checking.check(worker, order)
            seen.append(shop.count("/buy"))

        shop.during["/buy"] = look
        checking.check(worker, order)
        assert seen == [2]
        assert (status(order), row(order)["sendingUntil"]) == ("sent", None)


class TestCannotAsk:
    @pytest.mark.parametrize("text", [NUMBERED, SILENT])
    @pytest.mark.parametrize("lost", [LOST, CUT])
    def test_an_order_whose_answer_was_lost_waits_for_a_person(
        self, worker: Worker, opens: Opens, told: Callable[[str], list[str]], text: str, lost: object
    ) -> None:
        shop, backup = opens(text, lost), opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        found = row(order)
        assert (found["externalStatus"], found["attention"], found["nextCheckAt"]) == (
            "pending",
            "cannot_ask",
            None,
        )
        assert told(order) == ["attention"]
        assert ask_now(order) is None
        check(worker, order, 3 * DAY)
        assert (status(order), shop.count("/buy"), shop.count("/ask")) == ("pending", 1, 0)
        assert not backup.calls

    def test_one_whose_worker_was_killed_waits_for_a_person(self, worker: Worker, opens: Opens) -> None:
        shop = opens(NUMBERED)
        order = dispatched(worker)
        put(order, externalStatus="pending", externalOrderId=None, sentAt=None, mayBeKnown=False)
        check(worker, order)
        assert (status(order), row(order)["attention"]) == ("pending", "cannot_ask")
        assert shop.count("/buy") == 1

    def test_but_not_while_its_send_is_under_way(self, worker: Worker, opens: Opens) -> None:
        opens(NUMBERED)
        order = dispatched(worker)
        put(order, externalStatus="pending", externalOrderId=None, nextCheckAt=row(order)["createdAt"])
        database.rows("UPDATE product_orders SET \"sendingUntil\" = now() + interval '20 s'")
        checking.check(worker, order)
        assert row(order)["attention"] is None
        assert 10 < seconds_until_check(order) <= 20

    def test_one_that_never_reached_it_moves_on(self, worker: Worker, opens: Opens) -> None:
        opens(NUMBERED)
        database.rows("UPDATE referans.providers SET base_url = 'http://127.0.0.1:1'")
        backup = opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
        assert list(backup.bought.values()) == [1]

    def test_one_that_never_reached_it_is_sent_again(self, worker: Worker, opens: Opens) -> None:
        shop = opens(NUMBERED)
        database.rows("UPDATE referans.providers SET base_url = 'http://127.0.0.1:1'")
        order = dispatched(worker)
        assert (status(order), row(order)["attention"]) == ("pending", None)
        database.rows("UPDATE referans.providers SET base_url = %s", (shop.url,))
        check(worker, order)
        assert (status(order), list(shop.bought.values())) == ("sent", [1])

    def test_one_that_never_reached_it_fails_when_its_time_is_up(self, worker: Worker, opens: Opens) -> None:
        opens(NUMBERED)
        database.rows("UPDATE referans.providers SET base_url = 'http://127.0.0.1:1'")
        order = dispatched(worker)
        check(worker, order, DAY)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")

    def test_one_that_was_accepted_is_asked_about_by_its_number(self, worker: Worker, opens: Opens) -> None:
        shop = opens(NUMBERED)
        order = dispatched(worker)
        assert row(order)["externalOrderId"] == "N1"
        shop.decide("done", "PIN-1")
        check(worker, order)
        assert status(order) == "completed"

    def test_one_that_was_accepted_without_its_number_waits_for_a_person(
        self, worker: Worker, opens: Opens
    ) -> None:
        shop = opens(NUMBERED)
        shop.says["/buy"] = [{"state": "open"}]
        order = dispatched(worker)
        check(worker, order)
        assert (status(order), row(order)["attention"]) == ("sent", "cannot_ask")

    def test_where_nothing_can_be_asked_an_accepted_order_waits_and_then_needs_a_person(
        self, worker: Worker, opens: Opens
    ) -> None:
        opens(SILENT)
        order = dispatched(worker)
        check(worker, order)
        assert (status(order), row(order)["attention"]) == ("sent", None)
        check(worker, order, DAY)
        assert (status(order), row(order)["attention"]) == ("sent", "cannot_ask")

    def test_a_callback_ends_it(self, worker: Worker, opens: Opens, told: Callable[[str], list[str]]) -> None:
        opens(SILENT, LOST)
        order = dispatched(worker)
        outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], codes=(Code("PIN-1"),))
        worker.settle([Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}")])
        assert (status(order), row(order)["attention"]) == ("completed", None)
        assert told(order) == ["attention", "completed"]

    def test_a_callback_with_its_number_lets_it_be_asked_about(self, worker: Worker, opens: Opens) -> None:
        shop = opens(NUMBERED, LOST)
        order = dispatched(worker)
        outcome = Outcome(ExternalStatus.PROCESSING, row(order)["provider_referans"], "N1")
        worker.settle(
            [
                Arrival(
                    SANDBOX,
                    Source.CALLBACK,
                    outcome,
                    dedupe_key="1",
                    raw="{}",
                    next_check_seconds=0,
                )
            ]
        )
        assert row(order)["attention"] is None
        shop.decide("done", "PIN-1")
        check(worker, order, 700)
        assert status(order) == "completed"

    def test_a_person_who_dismisses_it_does_not_lose_sight_of_it(self, worker: Worker, opens: Opens) -> None:
        opens(NUMBERED, LOST)
        order = dispatched(worker)
        resolving.dismiss(order, by="ayşe", reason="looks later")
        assert row(order)["attention"] == "cannot_ask"

    def test_a_person_may_not_send_it_again_unawares(self, worker: Worker, opens: Opens) -> None:
        opens(NUMBERED, LOST)
        order = dispatched(worker)
        with pytest.raises(resolving.MayBuyTwice):
            resolving.resend(order, by="ayşe", reason="again")


class TestAnotherProvider:
    def test_what_the_first_one_said_of_itself_does_not_go_with_the_order(
        self, worker: Worker, opens: Opens
    ) -> None:
        shop, backup = opens(PLAIN, LOST), opens(PLAIN, provider_id=BACKUP)
        backup.says["/buy"] = [{"state": "open"}]
        order = dispatched(worker)
        outcome = Outcome(
            ExternalStatus.PENDING,
            row(order)["provider_referans"],
            "N-first",
            cost=Decimal("9.99"),
            currency="USD",
        )
        worker.settle([Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}")])
        assert row(order)["externalOrderId"] == "N-first"
        shop.book.clear()
        shop.sends = ["no_stock"]
        shop.says["/ask"] = [{"state": "unknown"}]
        for _ in range(ASKS):
            check(worker, order, 700)
        found = row(order)
        assert (found["externalStatus"], found["providerId"]) == ("sent", BACKUP)
        assert (found["externalOrderId"], found["gatewayCostAmount"], found["receipt"]) == (None, None, None)

        late = Outcome(ExternalStatus.COMPLETED, external_order_id="N-first", codes=(Code("PIN-1"),))
        worker.settle([Arrival(SANDBOX, Source.CALLBACK, late, dedupe_key="2", raw="{}")])
        assert (status(order), row(order)["attention"]) == ("sent", "conflict")

    def test_the_answer_to_the_send_brings_the_number(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN)
        order = place()
        put(order, externalOrderId="N-of-another")
        dispatching.dispatch(worker, order)
        assert row(order)["externalOrderId"] == "N1"


class TestPartial:
    def test_a_part_of_several_is_a_completion_that_a_person_looks_at(
        self, worker: Worker, opens: Opens, told: Callable[[str], list[str]]
    ) -> None:
        shop = opens(PLAIN)
        order = dispatched(worker, quantity=3)
        shop.decide("part", "PIN-1", "PIN-2")
        check(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["attention"], len(found["codes"])) == (
            "completed",
            "partial",
            2,
        )
        assert told(order) == ["completed"]

    def test_a_part_of_one_is_nothing(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN)
        order = dispatched(worker)
        shop.decide("part", "PIN-1")
        check(worker, order)
        assert (status(order), row(order)["attention"]) == ("failed", None)

    def test_nor_where_a_callback_that_knows_no_quantity_says_so(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN)
        order = dispatched(worker)
        outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], is_partial=True)
        worker.settle([Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}")])
        assert (status(order), row(order)["failureReason"]) == ("failed", "provider")


class TestRefusals:
    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            ("no_order", "provider"),
            ("no_stock", "product"),
            ("no_player", "customer"),
            ("no_money", "account"),
        ],
    )
    def test_why_an_order_failed(self, worker: Worker, opens: Opens, state: str, reason: str) -> None:
        opens(PLAIN, state)
        order = dispatched(worker)
        assert (status(order), row(order)["failureReason"]) == ("failed", reason)

    @pytest.mark.parametrize("state", ["no_order", "no_stock", "no_money"])
    def test_the_next_provider_may_take_it(self, worker: Worker, opens: Opens, state: str) -> None:
        opens(PLAIN, state)
        backup = opens(PLAIN, provider_id=BACKUP)
        order = dispatched(worker)
        assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
        assert list(backup.bought.values()) == [1]

    def test_no_other_is_asked_about_a_customers_fault(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN, "no_player")
        backup = opens(PLAIN, provider_id=BACKUP)
        assert status(dispatched(worker)) == "failed"
        assert not backup.calls

    def test_a_quantity_that_the_provider_does_not_take(self, worker: Worker, opens: Opens) -> None:
        shop = opens(PLAIN)
        assert providers.traits(f"tried_{SANDBOX}").max_quantity == 5
        assert status(dispatched(worker, quantity=6)) == "failed"
        assert not shop.calls

    def test_an_answer_that_no_rule_matches_leaves_it_in_doubt(self, worker: Worker, opens: Opens) -> None:
        shop, backup = opens(PLAIN), opens(PLAIN, provider_id=BACKUP)
        shop.says["/buy"] = [{"state": "of another version"}]
        assert status(dispatched(worker)) == "pending"
        assert not backup.calls


class TestTimeouts:
    def test_grace_lease_and_permit_are_longer_than_a_call_may_take(
        self, worker: Worker, opens: Opens, redis_client: Any
    ) -> None:
        shop = opens(SLOW)
        ttls = []
        shop.during["/buy"] = lambda: ttls.extend(
            redis_client.ttl(key) for key in redis_client.keys("referans:calls:sandbox:*")
        )
        order = place()
        claimed_for = []
        shop.during["/ask"] = lambda: claimed_for.append(seconds_until_check(order))
        dispatching.dispatch(worker, order)
        check(worker, order)
        account = provider.find(SANDBOX)
        assert account and worker.grace_seconds(account) == 90 + BOOKKEEPING_SECONDS
        assert all(90 < ttl <= 90 + SPARE_SECONDS for ttl in ttls) and ttls
        assert claimed_for[0] > 90

    def test_a_usual_protocol_keeps_the_usual_ones(self, worker: Worker, opens: Opens) -> None:
        opens(PLAIN)
        account = provider.find(SANDBOX)
        assert account and worker.grace_seconds(account) == worker.dispatch_grace_seconds


def test_an_order_says_where_to_call_back(worker_for: Any, opens: Opens) -> None:
    shop = opens(PLAIN)
    worker = worker_for(callback_url=lambda account: f"https://shop.example/callbacks/{account.id}")
    dispatched(worker)
    assert shop.calls[0][1]["back"] == f"https://shop.example/callbacks/{SANDBOX}"


def test_a_further_step_that_is_not_reached_takes_nothing_back(worker: Worker, opens: Opens) -> None:
    """What the first answer said holds: the order is neither sent again nor sent elsewhere."""
    step = '\n[steps.more]\nurl = "http://127.0.0.1:1/more"\nrules = [{ http = 200, means = "completed" }]\n'
    shop = opens(PLAIN.replace('means = "sent"', 'means = "sent"\nthen = "more"') + step)
    backup = opens(PLAIN, provider_id=BACKUP)
    order = dispatched(worker)
    assert (status(order), list(shop.bought.values()), backup.calls) == ("sent", [1], [])
    check(worker, order)
    assert (status(order), list(shop.bought.values()), backup.calls) == ("processing", [1], [])


def test_a_provider_without_a_question_for_the_balance_is_not_up_because_of_that(
    worker: Worker, opens: Opens
) -> None:
    shop = opens(PLAIN)
    go_down()
    database.rows("UPDATE referans.provider_health SET probe_at = now()")
    probing.probe(worker, SANDBOX)
    health = provider_health.health(SANDBOX)
    assert health and health.down and not shop.calls
