"""Orders that another system has placed: followed to their end, and of what that system has, hardly anything written.

The table is the older storefront's. A trigger fails on every other write (`tests.legacy.beside.WATCH`).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import redis

from gateway import providers
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, dispatching, following, recovery, sweeping
from gateway.fulfilment.worker import CHECK, Worker
from gateway.providers.base import Task
from models import (
    claims,
    gauges,
    inbox,
    lookup,
    masking,
    order,
    plans,
    provider,
    provider_health,
    removal,
    resealing,
    resolving,
    stuck,
    unsent,
)
from models.codes import Code
from models.db import database, pins, sealed
from models.db.pins import SealPins
from models.order import Settled
from models.outcome import Arrival, Outcome
from models.resolving import NotPossible
from models.route import Route
from models.status import ExternalStatus, Source
from models.stuck import Limits
from models.tenants import EVERYTHING
from tests import factories
from tests.conftest import KEY
from tests.conftest import _database as create_database
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.orders import DAY, Hint, Queue, events, row, seconds_until_check, spoil, status
from tests.legacy import beside
from tests.legacy.beside import SHARED

SANDBOX = factories.SANDBOX
COMPLETED, FAILED, PROCESSING, REVERSED, PENDING = (
    ExternalStatus.COMPLETED,
    ExternalStatus.FAILED,
    ExternalStatus.PROCESSING,
    ExternalStatus.REVERSED,
    ExternalStatus.PENDING,
)


@pytest.fixture(scope="module")
def shared_database_url(postgres_url: str) -> Iterator[str]:
    with create_database(postgres_url) as url:
        beside.make(url)
        yield url


def sent(worker: Worker, words: str = "never", **columns: Any) -> str:
    """The id of an order that the storefront has sent to the sandbox, which makes of it what the words say."""
    order_id = beside.insert(**columns)
    known_as = row(order_id)["provider_referans"] or row(order_id)["externalOrderId"]
    found = provider.find(SANDBOX)
    assert found
    task = Task(known_as, f"player+{words}", params={"oyun": "1", "kupur": "60"})
    providers.send(found, worker.client, task)
    return order_id


def followed(worker: Worker, words: str = "never", **columns: Any) -> str:
    """One that is followed, and whose first check is due."""
    order_id = sent(worker, words, **columns)
    assert following.take_up(worker) == 1
    beside.age(order_id, 61)
    return order_id


def decide(simulator: Simulator, order_id: str, state: State, pin: str = "") -> None:
    """Let the provider end the order."""
    found = row(order_id)
    booked = simulator.book.get(found["provider_referans"] or found["externalOrderId"])
    assert booked
    simulator.book.decide(booked, state, pin, "")


def call_back(worker: Worker, order_id: str, said: ExternalStatus, *codes: str, **fields: Any) -> Settled:
    """A callback of the provider, as the web settles it."""
    found = row(order_id)
    referans = found["provider_referans"] or found["externalOrderId"]
    outcome = Outcome(said, referans, codes=tuple(map(Code, codes)), **fields)
    key = f"{order_id} {said} {codes}"
    arrival = Arrival(
        SANDBOX,
        Source.CALLBACK,
        outcome,
        dedupe_key=key,
        raw="{}",
        next_check_seconds=600,
        code_ask_seconds=0,
    )
    [settled] = worker.settle([arrival])
    return settled


def codes_of(order_id: str) -> list[str]:
    """What the order's reader is shown."""
    found = order.find(order_id)
    assert found
    return [code.code for code in order.codes_of(found)]


def theirs(order_id: str) -> dict[str, Any]:
    """Everything that the storefront has of the order, but what the gateway may write."""
    found = row(order_id)
    ours = {"adoptedAt", "codesOnly", "gatewayCostAmount", "gatewayCostCurrency", *OURS}
    return {name: value for name, value in found.items() if name not in (*SHARED, *ours)}


#: Columns that migrations of the gateway add.
OURS = (
    *(
        "pinDigest",
        "notifyUrl",
        "routeParams",
        "triedProviders",
        "claimedAt",
        "unknownCount",
        "unknownAt",
        "nextCheckAt",
    ),
    *(
        "checkCount",
        "checkRequestedAt",
        "lastCallbackAt",
        "failureReason",
        "late",
        "sendingUntil",
        "mayBeKnown",
    ),
    *("placedByGateway", "codes", "receipt", "expects", "codeAsks", "attention", "attentionAt", "reversedAt"),
    *("fieldMap", "resentAt", "checkAskedAt"),
)


# --- every way in which an order is changed


def _a_check(state: State, pin: str = "") -> Callable[[Worker, Simulator, str], None]:
    def way(worker: Worker, simulator: Simulator, order_id: str) -> None:
        decide(simulator, order_id, state, pin)
        checking.check(worker, order_id)

    return way


def _a_callback(said: ExternalStatus, *codes: str, **fields: Any) -> Callable[[Worker, Simulator, str], None]:
    def way(worker: Worker, simulator: Simulator, order_id: str) -> None:
        assert call_back(worker, order_id, said, *codes, **fields).order_id == order_id

    return way


def _a_person(decision: Callable[..., Any], *given: Any) -> Callable[[Worker, Simulator, str], None]:
    def way(worker: Worker, simulator: Simulator, order_id: str) -> None:
        decision(order_id, *given, by="a person", reason="it is so")

    return way


def _a_conflict(worker: Worker, simulator: Simulator, order_id: str) -> None:
    for code in ("PIN-ONE", "PIN-TWO"):
        call_back(worker, order_id, COMPLETED, code)
    assert row(order_id)["attention"] == "conflict"


def _an_accepted_conflict(worker: Worker, simulator: Simulator, order_id: str) -> None:
    _a_conflict(worker, simulator, order_id)
    resolving.accept(order_id, by="a person", reason="the second is right")


def _a_dismissed_conflict(worker: Worker, simulator: Simulator, order_id: str) -> None:
    _a_conflict(worker, simulator, order_id)
    resolving.dismiss(order_id, by="a person", reason="the first is right")


def _a_code_that_is_asked_for(worker: Worker, simulator: Simulator, order_id: str) -> None:
    call_back(worker, order_id, COMPLETED)
    decide(simulator, order_id, State.COMPLETED, "PIN-LATE")
    checking.check(worker, order_id)
    assert codes_of(order_id) == ["PIN-LATE"]


def _a_code_that_never_comes(worker: Worker, simulator: Simulator, order_id: str) -> None:
    call_back(worker, order_id, COMPLETED)
    decide(simulator, order_id, State.COMPLETED)
    for _ in range(5):
        beside.age(order_id, DAY)
        checking.check(worker, order_id)


def _a_timeout(worker: Worker, simulator: Simulator, order_id: str) -> None:
    beside.age(order_id, DAY)
    checking.check(worker, order_id)
    assert row(order_id)["attention"] == "timed_out"


def _no_answer(worker: Worker, simulator: Simulator, order_id: str) -> None:
    factories.add_provider(base_url="http://127.0.0.1:1")
    checking.check(worker, order_id)


def _a_provider_that_cannot_be_used(worker: Worker, simulator: Simulator, order_id: str) -> None:
    spoil(SANDBOX, "no-adapter")
    checking.check(worker, order_id)


def _a_provider_that_is_down(worker: Worker, simulator: Simulator, order_id: str) -> None:
    for _ in range(5):
        provider_health.failed(SANDBOX, "no answer", probe_seconds=3600)
    checking.check(worker, order_id)


def _a_removed_provider(worker: Worker, simulator: Simulator, order_id: str) -> None:
    removal.remove(SANDBOX, even_if_awaited=True)
    checking.check(worker, order_id)
    sweeping.sweep(worker)


def _a_reference_that_is_denied(worker: Worker, simulator: Simulator, order_id: str) -> None:
    simulator.book.reset()
    for _ in range(4):
        beside.age(order_id, 3600)
        checking.check(worker, order_id)
    assert simulator.book.orders() == []


def _a_person_fulfils_it(worker: Worker, simulator: Simulator, order_id: str) -> None:
    factories.add_provider(adapter="manual", callback="none", base_url="")
    checking.check(worker, order_id)
    assert row(order_id)["attention"] == "manual"
    resolving.complete(order_id, [Code("PIN-BY-HAND")], by="a person", reason="bought")


def _own_stock(worker: Worker, simulator: Simulator, order_id: str) -> None:
    factories.add_provider(adapter="stock", callback="none", base_url="")
    checking.check(worker, order_id)


def _a_request_for_a_check(worker: Worker, simulator: Simulator, order_id: str) -> None:
    assert plans.request_check(order_id)
    checking.check(worker, order_id)


def _a_replay(worker: Worker, simulator: Simulator, order_id: str) -> None:
    call_back(worker, order_id, FAILED)
    ids = [found["id"] for found in database.rows("SELECT id FROM referans.callback_events")]
    for _ in range(2):
        arrivals = [inbox.arrival(each) for each in inbox.find(ids)]
        worker.settle([each for each in arrivals if each])


def _a_callback_before_its_reference(worker: Worker, simulator: Simulator, order_id: str) -> None:
    known_as = row(order_id)["provider_referans"]
    beside.change(order_id, "provider_referans = NULL")
    early = Outcome(COMPLETED, known_as, codes=(Code("PIN-EARLY"),))
    worker.settle(
        [Arrival(SANDBOX, Source.CALLBACK, early, dedupe_key="early", raw="{}", code_ask_seconds=0)]
    )
    beside.change(order_id, f"provider_referans = '{known_as}'")
    sweeping.sweep(worker)
    assert codes_of(order_id) == ["PIN-EARLY"]


def _a_new_key(worker: Worker, simulator: Simulator, order_id: str) -> None:
    call_back(worker, order_id, COMPLETED, "PIN-ONE")
    sealed.bind([OTHER_KEY, KEY])
    resealing.reseal()
    assert codes_of(order_id) == ["PIN-ONE"]


def _refused_to_a_person(worker: Worker, simulator: Simulator, order_id: str) -> None:
    with pytest.raises(NotPossible, match="placed by another system"):
        resolving.resend(order_id, by="a person", reason="again", may_buy_twice=True)
    assert not unsent.cancel(order_id, "tests", order_timeout_seconds=DAY)


def _sending(word: str) -> Callable[[Worker, Simulator, str], None]:
    """Everything that sends, tried on an order that looks as if it were to be sent."""

    def way(worker: Worker, simulator: Simulator, order_id: str) -> None:
        factories.add_provider("backup", simulator.url)
        simulator.book.reset()
        beside.change(order_id, f'"externalStatus" = \'{word}\', "unknownCount" = 2, "mayBeKnown" = false')
        route, found = Route("backup", {"oyun": "1", "kupur": "60"}), row(order_id)
        dispatching.dispatch(worker, order_id)
        assert claims.claim_dispatch(order_id, 60) is None
        assert claims.claim_resend(order_id, 60) is None
        assert claims.claim_next_provider(order_id, SANDBOX, route, "no stock", 60) is None
        assert claims.claim_unreached(order_id, SANDBOX, route, "away", 60) is None
        assert not claims.in_doubt(order_id, 30)
        assert not unsent.reroute(order_id, SANDBOX, route, "away")
        assert not unsent.give_up(order_id, 0, "no provider")
        assert not unsent.cancel(order_id, "tests", order_timeout_seconds=DAY)
        unsent.put_off(order_id, 30, 60, DAY)
        beside.change(order_id, "\"nextCheckAt\" = now() + interval '1 min'")
        assert unsent.take_up(SANDBOX, 10) == []
        beside.change(order_id, '"nextCheckAt" = now()')
        sweeping.sweep(worker)
        recovery.take_up(worker)
        checking.check(worker, order_id)
        assert row(order_id)["providerId"] == found["providerId"]
        assert simulator.book.orders() == []

    return way


OTHER_KEY = "YW5vdGhlci1rZXktdGhhdC1ubyBib3VuZCB0ZXN0IF8="
COST = {"cost": Decimal("25.50"), "currency": "TRY"}
WAYS: dict[str, Callable[[Worker, Simulator, str], None]] = {
    "a check that completes": _a_check(State.COMPLETED, "PIN-1"),
    "a check that completes without a code": _a_check(State.COMPLETED),
    "a check that fails": _a_check(State.FAILED),
    "a check that learns little": _a_check(State.PROCESSING),
    "a request for a check": _a_request_for_a_check,
    "no answer": _no_answer,
    "a provider that cannot be used": _a_provider_that_cannot_be_used,
    "a provider that is down": _a_provider_that_is_down,
    "a removed provider": _a_removed_provider,
    "a reference that is denied": _a_reference_that_is_denied,
    "a person fulfils it": _a_person_fulfils_it,
    "own stock": _own_stock,
    "a timeout": _a_timeout,
    "a callback that completes": _a_callback(COMPLETED, "PIN-1", message="tamam", **COST),
    "a callback with several codes": _a_callback(COMPLETED, "PIN-1", "PIN-2"),
    "a callback with a long code": _a_callback(COMPLETED, "P" * 500),
    "a callback that fails": _a_callback(FAILED, message="stok yok", **COST),
    "a callback that goes on": _a_callback(PROCESSING, message="m" * 1000, **COST),
    "a callback that reverses": _a_callback(REVERSED),
    "a callback of little news": _a_callback(PENDING),
    "a conflict": _a_conflict,
    "an accepted conflict": _an_accepted_conflict,
    "a dismissed conflict": _a_dismissed_conflict,
    "a code that is asked for": _a_code_that_is_asked_for,
    "a code that never comes": _a_code_that_never_comes,
    "a callback before its reference": _a_callback_before_its_reference,
    "a replay": _a_replay,
    "a person completes": _a_person(resolving.complete, [Code("PIN-P"), Code("PIN-Q")]),
    "a person fails": _a_person(resolving.fail),
    "a person reverses": _a_person(resolving.reverse),
    "a person dismisses": _a_person(resolving.dismiss),
    "resend and cancel": _refused_to_a_person,
    "a new key": _a_new_key,
    "sending what is pending": _sending("pending"),
    "sending what is not sent": _sending("not_sent"),
}


@pytest.mark.parametrize("way", WAYS)
def test_of_what_the_storefront_has_nothing_else_is_written(
    worker: Worker, simulator: Simulator, way: str
) -> None:
    order_id = followed(worker)
    before = theirs(order_id)
    WAYS[way](worker, simulator, order_id)
    after = theirs(order_id)
    assert after == before | {"createdAt": after["createdAt"]}


def test_the_trigger_sees_a_write_that_is_not_ours_to_make(worker: Worker) -> None:
    order_id = sent(worker)
    with pytest.raises(Exception, match="the gateway wrote status"):
        database.rows("UPDATE product_orders SET status = 'rejected' WHERE id = %s", (order_id,))


def test_on_our_own_orders_everything_is_written(worker: Worker, simulator: Simulator) -> None:
    placed = factories.place_new(beside.new(), beside.SHOP)["id"]
    dispatching.dispatch(worker, placed)
    call_back(worker, placed, COMPLETED, "PIN-1")
    found = row(placed)
    assert (found["status"], found["attempts"], found["costCurrency"]) == ("approved", 1, "TRY")
    assert found["approvedAt"] and found["costAmount"] == found["gatewayCostAmount"] == Decimal("25.50")


def test_of_others_the_cost_stands_in_columns_of_ours(worker: Worker) -> None:
    order_id = followed(worker)
    call_back(worker, order_id, COMPLETED, "PIN-1", **COST)
    found = row(order_id)
    assert (found["costAmount"], found["costCurrency"]) == (Decimal("0.31"), "USD")
    assert (found["gatewayCostAmount"], found["gatewayCostCurrency"]) == (Decimal("25.50"), "TRY")


class TestFollowed:
    """From when on, by which reference, and which are not."""

    def test_the_first_check_comes_a_while_after_it_was_sent(self, worker: Worker, queue: Queue) -> None:
        order_id = sent(worker)
        assert following.take_up(worker) == 1
        assert seconds_until_check(order_id) == pytest.approx(60, abs=5)
        assert queue.hints() == [Hint(CHECK, order_id, 60)]
        assert following.take_up(worker) == 0
        assert events(order_id) == ["followed from now on at sandbox"]

    def test_one_that_was_sent_longer_ago_is_asked_about_at_once(self, worker: Worker, queue: Queue) -> None:
        order_id = sent(worker)
        beside.age(order_id, 3600)
        assert sweeping.sweep(worker).counts["adopted"] == 1  # type: ignore[union-attr]
        assert Hint(CHECK, order_id, 0) in queue.hints()

    def test_a_queue_that_is_away_keeps_none_from_being_followed(
        self, worker_for: WorkerFor, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = sent(worker)
        beside.age(order_id, 61)

        def away(*_: Any) -> int:
            raise redis.ConnectionError("away")

        monkeypatch.setattr(type(worker.hints), "waiting", away)
        assert following.take_up(worker) == 1
        assert seconds_until_check(order_id) <= 0

    @pytest.mark.parametrize(
        "word",
        [
            *("sent", "processing", "pending", "PENDING", "Sent", "queued", "unknown", "forwarded"),
            *("manual_required", "accept", "accepted", "wait", "FAİLED"),
        ],
    )
    def test_in_any_open_word(self, worker: Worker, simulator: Simulator, word: str) -> None:
        letters = str.upper if word.isupper() else str.title if word.istitle() else str.lower
        order_id = followed(worker, externalStatus=word, status=letters("pending"))
        decide(simulator, order_id, State.COMPLETED, "PIN-1")
        checking.check(worker, order_id)
        assert (status(order_id), row(order_id)["pinCode"]) == ("completed", "PIN-1")

    @pytest.mark.parametrize(
        "word", ["Done", "DELIVERED", "approved", "success", "canceled", "Reject", "failed"]
    )
    def test_not_in_a_final_word(self, worker: Worker, word: str) -> None:
        sent(worker, externalStatus=word)
        assert following.take_up(worker) == 0

    @pytest.mark.parametrize(
        "columns",
        [
            {"status": "approved"},
            {"status": "rejected"},
            {"status": "Rejected"},
            {"providerId": "barakat"},
            {"providerId": None},
            {"externalStatus": "not_sent"},
            {"externalStatus": "NOT_SENT"},
            {"provider_referans": None, "externalOrderId": None},
        ],
    )
    def test_not_if_it_is_decided_or_not_at_a_provider_of_ours(
        self, worker: Worker, columns: dict[str, Any]
    ) -> None:
        beside.insert(**columns)
        assert following.take_up(worker) == 0

    def test_at_a_provider_whose_id_is_a_uuid(self, worker: Worker, simulator: Simulator) -> None:
        uuid = "0f3c4f1e-8f57-4c44-9d0a-0e8f4f9a2b11"
        factories.add_provider(uuid, simulator.url)
        order_id = followed(worker, providerId=uuid)
        decide(simulator, order_id, State.COMPLETED, "PIN-1")
        checking.check(worker, order_id)
        assert status(order_id) == "completed"

    def test_by_the_reference_that_stands_in_the_other_column(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order_id = followed(worker, provider_referans=None, externalOrderId="77001122")
        decide(simulator, order_id, State.COMPLETED, "PIN-1")
        checking.check(worker, order_id)
        found = row(order_id)
        assert (found["externalStatus"], found["pinCode"], codes_of(order_id)) == (
            "completed",
            "PIN-1",
            ["PIN-1"],
        )
        assert (found["provider_referans"], found["externalOrderId"]) == (None, "77001122")

    def test_a_callback_matches_that_reference(self, worker: Worker) -> None:
        order_id = sent(worker, provider_referans=None, externalOrderId="77001123", externalStatus="unknown")
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "applied"
        assert codes_of(order_id) == ["PIN-1"]

    def test_a_callback_that_came_before_that_reference_waits_for_it(self, worker: Worker) -> None:
        order_id = sent(worker, provider_referans=None, externalOrderId="77001124")
        beside.change(order_id, '"externalOrderId" = NULL')
        early = Outcome(COMPLETED, "77001124", codes=(Code("PIN-1"),))
        worker.settle([Arrival(SANDBOX, Source.CALLBACK, early, dedupe_key="e", raw="{}")])
        beside.change(order_id, "\"externalOrderId\" = '77001124'")
        sweeping.sweep(worker)
        assert codes_of(order_id) == ["PIN-1"]

    @pytest.mark.parametrize(
        "taken", ['"providerId" = NULL, "externalStatus" = \'not_sent\'', '"providerId" = NULL']
    )
    def test_no_longer_once_it_is_taken_to_manual(
        self, worker: Worker, simulator: Simulator, queue: Queue, taken: str
    ) -> None:
        order_id = followed(worker)
        beside.change(order_id, taken)
        simulator.book.reset()
        queue.clear()
        checking.check(worker, order_id)
        dispatching.dispatch(worker, order_id)
        assert stuck.counts(LIMITS) == {}
        sweeping.sweep(worker)
        assert (row(order_id)["nextCheckAt"], queue.hints(), simulator.book.orders()) == (None, [], [])
        assert events(order_id) == ["followed from now on at sandbox"]

    def test_anew_once_it_is_sent_again(self, worker: Worker, simulator: Simulator) -> None:
        order_id = followed(worker)
        call_back(worker, order_id, FAILED)
        beside.age(order_id, 60)
        beside.change(
            order_id,
            """ "externalStatus" = 'sent', "sentAt" = now(), provider_referans = '123456789012345' """,
        )
        assert following.take_up(worker) == 1
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "applied"

    @pytest.mark.parametrize("kind", ["conflict", "reversed", "timed_out"])
    def test_anew_once_it_is_sent_again_whatever_its_last_send_needed_a_person_for(
        self, worker: Worker, simulator: Simulator, kind: str
    ) -> None:
        order_id = followed(worker)
        if kind == "timed_out":
            _a_timeout(worker, simulator, order_id)
        else:
            call_back(worker, order_id, COMPLETED, "PIN-1")
            call_back(worker, order_id, REVERSED if kind == "reversed" else FAILED)
        assert row(order_id)["attention"] == kind
        beside.change(order_id, """ "externalStatus" = 'sent', "pinCode" = NULL """)
        assert following.take_up(worker) == 0
        beside.age(order_id, 60)
        beside.change(order_id, """ "sentAt" = now(), provider_referans = '123456789012345' """)
        assert following.take_up(worker) == 1
        assert call_back(worker, order_id, COMPLETED, "PIN-2").result == "applied"
        assert (codes_of(order_id), row(order_id)["attention"]) == (["PIN-2"], None)

    @pytest.mark.parametrize("ahead", ["3 hours", "30 days", "20 years"])
    def test_by_our_clock_where_theirs_runs_ahead(
        self, worker: Worker, simulator: Simulator, ahead: str
    ) -> None:
        order_id = sent(worker)
        beside.change(order_id, f"\"sentAt\" = now() + interval '{ahead}'")
        assert following.take_up(worker) == 1
        assert seconds_until_check(order_id) == pytest.approx(60, abs=5)
        decide(simulator, order_id, State.COMPLETED, "PIN-1")
        factories.put({"id": order_id}, nextCheckAt=datetime.now(UTC))
        checking.check(worker, order_id)
        assert (status(order_id), row(order_id)["durationMs"]) == ("completed", 0)

    def test_once_and_not_again_and_again_where_their_clock_runs_ahead(self, worker: Worker) -> None:
        order_id = sent(worker, pinCode="PIN-TYPED")
        beside.change(order_id, "\"sentAt\" = now() + interval '3 hours'")
        assert following.take_up(worker) == 1
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "conflict"
        assert (row(order_id)["nextCheckAt"], following.take_up(worker)) == (None, 0)
        assert row(order_id)["attention"] == "conflict"

    @pytest.mark.parametrize(("state", "end"), [(State.COMPLETED, COMPLETED), (State.FAILED, FAILED)])
    def test_anew_if_a_question_of_the_storefront_that_failed_has_written_over_its_end(
        self, worker: Worker, simulator: Simulator, state: State, end: ExternalStatus
    ) -> None:
        order_id = followed(worker)
        decide(simulator, order_id, state, "PIN-1" if end is COMPLETED else "")
        call_back(worker, order_id, end, *(["PIN-1"] if end is COMPLETED else []))
        assert following.take_up(worker) == 0
        beside.change(order_id, "\"externalStatus\" = 'unknown'")
        assert following.take_up(worker) == 1
        factories.put({"id": order_id}, nextCheckAt=datetime.now(UTC))
        checking.check(worker, order_id)
        assert (status(order_id), following.take_up(worker)) == (end, 0)

    def test_finding_them_costs_nothing_of_the_table(self, worker: Worker) -> None:
        beside.by_storefront(
            """INSERT INTO product_orders ("externalStatus", status, "providerId", provider_referans, "sentAt")
            SELECT w, CASE w WHEN 'sent' THEN 'pending' ELSE 'approved' END, CASE w WHEN 'sent' THEN 'barakat'
                ELSE 'sandbox' END, n::text, now()
            FROM generate_series(1, 5000) AS n, unnest(ARRAY['completed', 'sent']) AS w""",
            [],
        )
        beside.by_storefront("ANALYZE product_orders", [])
        found = database.rows(f"EXPLAIN {plans.ADOPT}", {"first": 60, "limit": 100})
        explained = " ".join(str(each) for each in found)
        assert "idx_orders_to_follow" in explained and "Seq Scan on product_orders" not in explained


class TestSameReference:
    """The other system has several orders with one reference, such as copies of one."""

    @pytest.mark.parametrize("column", ["provider_referans", "externalOrderId"])
    @pytest.mark.parametrize("ended", [("failed", "rejected"), ("completed", "approved")])
    @pytest.mark.parametrize("newer", ["the open one", "the other"])
    def test_a_callback_is_for_the_one_that_is_open(
        self, worker: Worker, column: str, ended: tuple[str, str], newer: str
    ) -> None:
        known_as = {"provider_referans": None} | {column: "820000000017"}
        waits = sent(worker, **known_as)
        other = beside.insert(externalStatus=ended[0], status=ended[1], **known_as)
        beside.age(other if newer == "the open one" else waits, 3600)
        settled = call_back(worker, waits, COMPLETED, "PIN-1")
        assert (settled.order_id, settled.result) == (waits, "applied")

    def test_a_reference_of_ours_is_ours(self, worker: Worker) -> None:
        placed = factories.place_new(beside.new(), beside.SHOP)["id"]
        dispatching.dispatch(worker, placed)
        copied = beside.insert(provider_referans=row(placed)["provider_referans"])
        package = str(row(placed)["packageId"])
        said = masking.mask(f"package {package} is delivered")
        assert call_back(worker, placed, COMPLETED, "PIN-1", message=said).order_id == placed
        assert (status(placed), status(copied)) == ("completed", "sent")
        assert package in row(placed)["lastMessage"], "masked by what is known of the order that it is about"


def test_a_check_is_not_requested_where_no_provider_can_be_asked(worker: Worker) -> None:
    order_id = beside.insert(providerId="barakat")
    assert plans.request_check(order_id) is None
    assert (row(order_id)["nextCheckAt"], stuck.counts(LIMITS)) == (None, {})
    found = order.find(order_id)
    assert found and "not configured here" in plans.why_unasked(found)


LIMITS = Limits(sweep_period_seconds=300, max_checks=20, first_check_delay_seconds=60)


class TestTimedOut:
    def test_one_that_is_older_than_that_is_asked_about_once(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order_id = sent(worker, externalStatus="unknown")
        beside.age(order_id, 30 * DAY)
        following.take_up(worker)
        simulator.book.reset()
        checking.check(worker, order_id)
        found = row(order_id)
        assert (found["externalStatus"], found["status"], found["nextCheckAt"]) == (
            "unknown",
            "pending",
            None,
        )
        assert (found["attention"], found["checkCount"]) == ("timed_out", 1) and found["attentionAt"]
        assert (following.take_up(worker), stuck.counts(LIMITS)) == (0, {"timed_out": 1})
        assert events(order_id)[-1].startswith(
            "timeout: no outcome within 86400 s of sending, one last check"
        )
        [waits] = stuck.orders(LIMITS, 10)
        assert (
            waits.why
            == "sandbox has not said how it ended; another system placed it, so it was left as it is"
        )

    @pytest.mark.parametrize("word", ["unknown", "Sent", "pending"])
    def test_that_the_panel_works_on_it_is_no_outcome(
        self, worker: Worker, simulator: Simulator, word: str
    ) -> None:
        order_id = sent(worker, externalStatus=word)
        beside.age(order_id, 30 * DAY)
        following.take_up(worker)
        checking.check(worker, order_id)
        found = row(order_id)
        assert (found["externalStatus"], found["attention"], found["nextCheckAt"]) == (
            word,
            "timed_out",
            None,
        )
        assert "processing" in events(order_id)[-2]

    def test_its_outcome_is_settled_as_usual(self, worker: Worker, simulator: Simulator) -> None:
        order_id = sent(worker)
        beside.age(order_id, 30 * DAY)
        decide(simulator, order_id, State.COMPLETED, "PIN-1")
        following.take_up(worker)
        checking.check(worker, order_id)
        assert (status(order_id), codes_of(order_id), row(order_id)["attention"]) == (
            "completed",
            ["PIN-1"],
            None,
        )

    @pytest.mark.parametrize("said", [COMPLETED, FAILED])
    def test_a_later_outcome_ends_it_all_the_same(
        self, worker: Worker, simulator: Simulator, said: ExternalStatus
    ) -> None:
        order_id = followed(worker)
        _a_timeout(worker, simulator, order_id)
        assert call_back(worker, order_id, said).result == "applied"
        assert (status(order_id), row(order_id)["attention"], row(order_id)["late"]) == (said, None, False)

    def test_news_plan_no_further_check(self, worker: Worker, simulator: Simulator) -> None:
        order_id = followed(worker)
        _a_timeout(worker, simulator, order_id)
        call_back(worker, order_id, PROCESSING, message="still")
        assert (row(order_id)["attention"], row(order_id)["nextCheckAt"]) == ("timed_out", None)

    def test_what_a_person_has_dismissed_is_not_followed_again(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order_id = followed(worker)
        _a_timeout(worker, simulator, order_id)
        assert resolving.dismiss(order_id, by="a person", reason="settled there").changed
        assert (following.take_up(worker), stuck.counts(LIMITS)) == (0, {})

    @pytest.mark.parametrize("decided", ["approved", "rejected", "Approved", "REJECTED"])
    def test_one_that_is_decided_meanwhile_needs_nobody(
        self, worker: Worker, simulator: Simulator, decided: str
    ) -> None:
        order_id = followed(worker)
        beside.change(order_id, f"status = '{decided}'")
        beside.age(order_id, DAY)
        checking.check(worker, order_id)
        found = row(order_id)
        assert (found["externalStatus"], found["attention"], found["nextCheckAt"]) == (
            "sent",
            None,
            None,
        )

    def test_one_that_was_sent_nobody_knows_when_is_as_old_as_its_order(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order_id = sent(worker, sentAt=None)
        assert following.take_up(worker) == 1
        call_back(worker, order_id, PROCESSING)
        assert row(order_id)["sentAt"] == row(order_id)["createdAt"]
        beside.age(order_id, DAY)
        checking.check(worker, order_id)
        assert row(order_id)["attention"] == "timed_out"


class TestDecidedByHand:
    @pytest.mark.parametrize("word", ["sent", "unknown", "completed", "done", "failed"])
    def test_a_code_that_comes_is_filled_in_where_it_was_approved(self, worker: Worker, word: str) -> None:
        order_id = sent(worker, externalStatus=word, status="approved")
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "applied"
        found = row(order_id)
        assert (found["pinCode"], found["status"], found["approvedAt"]) == ("PIN-1", "approved", None)

    @pytest.mark.parametrize("word", ["sent", "unknown", "completed", "done", "failed"])
    def test_the_code_that_stands_there_stays(self, worker: Worker, word: str) -> None:
        order_id = sent(worker, externalStatus=word, status="approved", pinCode="PIN-TYPED")
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "conflict"
        assert (row(order_id)["pinCode"], row(order_id)["externalStatus"]) == ("PIN-TYPED", word)
        assert {code.code for kept in resolving.codes(order_id) for code in kept.codes} == {
            "PIN-TYPED",
            "PIN-1",
        }

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            *((word, "rejected") for word in ("sent", "unknown", "completed", "failed", "cancelled")),
            *(("sent", status) for status in ("Rejected", "REJECTED")),
        ],
    )
    def test_a_delivery_after_it_was_rejected_is_a_conflict(
        self, worker: Worker, word: str, status: str
    ) -> None:
        order_id = sent(worker, externalStatus=word, status=status)
        before = row(order_id)
        settled = call_back(worker, order_id, COMPLETED, "PIN-1", external_order_id="Z-1", **COST)
        after = row(order_id)
        assert settled.result == "conflict" and after["attention"] == "conflict"
        changed = {name for name, value in after.items() if value != before[name]}
        assert changed.isdisjoint(before.keys() - set(OURS) - {"gatewayCostAmount", "gatewayCostCurrency"})

    @pytest.mark.parametrize("status", ["pending", "Rejected"])
    def test_what_its_system_may_still_send_is_failed_there(self, worker: Worker, status: str) -> None:
        order_id = sent(worker, externalStatus="not_sent", status=status, sentAt=None)
        if status == "pending":
            with pytest.raises(resolving.NotPossible, match="may still do so"):
                resolving.fail_unless_sent_elsewhere(order_id, by="a person", reason="out of stock")
            assert row(order_id)["externalStatus"] == "not_sent"
        else:
            assert resolving.fail_unless_sent_elsewhere(order_id, by="a person", reason="so").changed
            assert row(order_id)["externalStatus"] == "failed"


class TestPins:
    """How a code stands in "pinCode"."""

    @pytest.fixture
    def shared(self, models: None) -> None:
        """`gateway migrate` has seen columns of another system."""
        database.rows("INSERT INTO referans.installation (seal_pins) VALUES (false) ON CONFLICT DO NOTHING")
        pins.bind(SealPins.AUTO)

    @pytest.mark.parametrize(
        ("choice", "theirs_in_clear", "own_in_clear"),
        [(SealPins.AUTO, True, True), (SealPins.NEVER, True, True), (SealPins.ALWAYS, False, False)],
    )
    @pytest.mark.usefixtures("shared")
    def test_as_chosen(
        self, worker: Worker, choice: SealPins, theirs_in_clear: bool, own_in_clear: bool
    ) -> None:
        pins.bind(choice)
        order_id, placed = sent(worker), factories.place_new(beside.new(), beside.SHOP)["id"]
        dispatching.dispatch(worker, placed)
        for number, (each, in_clear) in enumerate([(order_id, theirs_in_clear), (placed, own_in_clear)]):
            code = f"PIN-{number}"
            assert call_back(worker, each, COMPLETED, code).result == "applied"
            found = row(each)
            assert (found["pinCode"] == code) is in_clear
            assert codes_of(each) == [code] and code not in str(found["codes"]) + str(found["pinDigest"])
            assert call_back(worker, each, COMPLETED, code).result == "duplicate"
            assert call_back(worker, each, COMPLETED, "PIN-OTHER").result == "conflict"

    def test_ours_are_sealed_where_nothing_was_decided(self, worker: Worker) -> None:
        database.rows("DELETE FROM referans.installation")
        pins.bind(SealPins.AUTO)
        order_id, placed = sent(worker), factories.place_new(beside.new(), beside.SHOP)["id"]
        dispatching.dispatch(worker, placed)
        for each in (order_id, placed):
            call_back(worker, each, COMPLETED, "PIN-1")
        assert row(order_id)["pinCode"] == "PIN-1"
        assert row(placed)["pinCode"].startswith("sealed:")

    @pytest.mark.usefixtures("shared")
    def test_several_codes_and_more_of_them(self, worker: Worker) -> None:
        order_id = sent(worker, quantity=3)
        call_back(worker, order_id, COMPLETED, "PIN-1", "PIN-2")
        assert call_back(worker, order_id, COMPLETED, "PIN-1", "PIN-2", "PIN-3").result == "applied"
        assert (row(order_id)["pinCode"], codes_of(order_id)) == ("PIN-1", ["PIN-1", "PIN-2", "PIN-3"])
        assert "PIN-" not in str(row(order_id)["codes"])

    @pytest.mark.usefixtures("shared")
    def test_a_person_s_code_comes_first(self, worker: Worker) -> None:
        order_id = sent(worker)
        call_back(worker, order_id, COMPLETED, "PIN-1")
        resolving.complete(order_id, [Code("PIN-NEW")], by="a person", reason="the first is used up")
        assert (row(order_id)["pinCode"], codes_of(order_id)) == ("PIN-NEW", ["PIN-NEW", "PIN-1"])

    @pytest.mark.usefixtures("shared")
    def test_a_code_that_the_storefront_has_changed_comes_first(self, worker: Worker) -> None:
        order_id = sent(worker)
        call_back(worker, order_id, COMPLETED, "PIN-1")
        beside.change(order_id, "\"pinCode\" = 'PIN-TYPED'")
        assert codes_of(order_id) == ["PIN-TYPED", "PIN-1"]

    @pytest.mark.usefixtures("shared")
    def test_a_code_that_the_storefront_has_taken_out_is_none(self, worker: Worker) -> None:
        order_id = sent(worker)
        call_back(worker, order_id, COMPLETED, "PIN-1")
        beside.change(order_id, '"pinCode" = NULL')
        assert codes_of(order_id) == []
        assert call_back(worker, order_id, COMPLETED, "PIN-2").result == "applied"
        assert (row(order_id)["pinCode"], codes_of(order_id)) == ("PIN-2", ["PIN-2"])

    @pytest.mark.usefixtures("shared")
    def test_a_new_key_leaves_what_is_in_clear(self, worker: Worker) -> None:
        order_id = sent(worker)
        call_back(worker, order_id, COMPLETED, "PIN-1")
        sealed.bind([OTHER_KEY, KEY])
        assert resealing.reseal().left == 0
        sealed.bind([OTHER_KEY])
        assert (row(order_id)["pinCode"], codes_of(order_id)) == ("PIN-1", ["PIN-1"])
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "duplicate"
        assert call_back(worker, order_id, COMPLETED, "PIN-2").result == "conflict"

    @pytest.mark.usefixtures("shared")
    def test_rotating_opens_what_was_sealed_before_that_was_chosen(self, worker: Worker) -> None:
        pins.bind(SealPins.ALWAYS)
        order_id, placed, several = (
            sent(worker),
            factories.place_new(beside.new(), beside.SHOP)["id"],
            sent(worker, quantity=2),
        )
        dispatching.dispatch(worker, placed)
        call_back(worker, order_id, COMPLETED, "PIN-1")
        call_back(worker, placed, COMPLETED, "PIN-2")
        call_back(worker, several, COMPLETED, "PIN-3", "PIN-4")
        pins.bind(SealPins.AUTO)
        assert resealing.reseal().renewed == 3
        assert [row(each)["pinCode"] for each in (order_id, placed, several)] == ["PIN-1", "PIN-2", "PIN-3"]
        assert [codes_of(each) for each in (order_id, placed)] == [["PIN-1"], ["PIN-2"]]
        assert codes_of(several) == ["PIN-3", "PIN-4"]
        assert call_back(worker, order_id, COMPLETED, "PIN-1").result == "duplicate"
        assert resealing.reseal().renewed == 0

    @pytest.mark.usefixtures("shared")
    def test_what_an_order_of_ours_had_before_it_is_sent_again_is_kept_sealed(self, worker: Worker) -> None:
        placed = factories.place_new(beside.new(), beside.SHOP)["id"]
        dispatching.dispatch(worker, placed)
        call_back(worker, placed, COMPLETED, "PIN-1")
        resolving.resend(placed, by="a person", reason="bad code", may_buy_twice=True)
        assert "PIN-1" not in str(database.rows("SELECT * FROM referans.former_references"))
        assert [code.code for kept in resolving.codes(placed) for code in kept.codes] == ["PIN-1"]

    @pytest.fixture
    def narrow(self, shared: None) -> Iterator[None]:
        """The column may not be widened."""
        database.rows('ALTER TABLE product_orders ALTER "pinCode" TYPE varchar(120)')
        yield
        database.rows('ALTER TABLE product_orders ALTER "pinCode" TYPE text')

    @pytest.mark.parametrize("choice", SealPins)
    @pytest.mark.usefixtures("narrow")
    def test_one_that_is_too_long_for_the_column_stands_beside_it(
        self, worker: Worker, choice: SealPins
    ) -> None:
        pins.bind(choice)
        order_id, long = sent(worker), "P" * 121
        assert call_back(worker, order_id, COMPLETED, long).result == "applied"
        assert (row(order_id)["pinCode"], codes_of(order_id)) == (None, [long])
        found = lookup.by_id(order_id, EVERYTHING, LIMITS)
        assert found and order.count_codes(found) == 1
        assert call_back(worker, order_id, COMPLETED, long).result == "duplicate"
        assert call_back(worker, order_id, COMPLETED, "PIN-2").result == "conflict"
        resolving.accept(order_id, by="a person", reason="it is the right one")
        assert codes_of(order_id) == ["PIN-2", long]


class TestWords:
    @pytest.mark.parametrize("sent_at", ["now()", "NULL"])
    def test_the_api_and_the_gauges_show_ours(self, worker: Worker, sent_at: str) -> None:
        order_id = sent(worker, externalStatus="forwarded")
        beside.change(order_id, f'"sentAt" = {sent_at}')
        following.take_up(worker)
        found = lookup.by_id(order_id, EVERYTHING, LIMITS)
        word = "pending" if sent_at == "NULL" else "sent"
        assert found and found.external_status == word
        assert gauges.waiting() == {word: 1}
