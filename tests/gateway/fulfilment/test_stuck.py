"""Each reason why an order needs a person, made as it comes about; and gone again where it goes by itself."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, dispatching, sweeping
from gateway.fulfilment.worker import Worker
from models import (
    listing,
    lookup,
    outbox,
    provider,
    provider_health,
    resolving,
    route,
    stuck,
    sweep_run,
    telling,
)
from models.db import database, receiver
from models.outbox import Became, Tried
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import KEPT, Attention, ExternalStatus, Source
from models.stuck import Limits, StuckOrder
from models.tenants import EVERYTHING
from tests import factories
from tests.gateway.fulfilment import described
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.orders import (
    ACCIDENTS,
    age,
    booked,
    go_down,
    place,
    put,
    row,
    sent,
    spoil,
    status,
)

SANDBOX = factories.SANDBOX
#: Longer than any wait between two asks.
LATER_SECONDS = 1000


def limits(worker: Worker) -> Limits:
    return Limits.of(worker.settings)


def seen(worker: Worker, order: str) -> str | None:
    """Why the order needs a person, by each way of asking, which must agree."""
    listed = {each.id: each.attention for each in stuck.orders(limits(worker), 100)}
    [paged] = [
        each
        for each in listing.page(listing.Filter(), EVERYTHING, limits(worker), 100).orders
        if each.id == order
    ]
    alone, shown = stuck.find(order, limits(worker)), lookup.by_id(order, EVERYTHING, limits(worker))
    assert shown
    kind = shown.attention
    assert {kind} == {listed.get(order), paged.attention, alone.attention if alone else None}
    assert stuck.counts(limits(worker)) == Counter(listed.values())
    first = stuck.longest(limits(worker), 100)
    assert listed == {each.id: each.attention for found in first.values() for each in found}
    if kind is not None:
        assert order in stuck.ids(limits(worker), Attention(kind))
    return kind


def first_ids(worker: Worker, many: int) -> dict[str, list[str]]:
    """The longest waiting ones of each kind."""
    found = stuck.longest(limits(worker), many)
    return {kind: [each.id for each in listed] for kind, listed in found.items()}


def why(worker: Worker, order: str) -> str:
    found = stuck.find(order, limits(worker))
    assert found
    return found.why


def end(worker: Worker, order: str, ended: ExternalStatus, source: Source = Source.POLL) -> None:
    outcome = Outcome(ended, row(order)["provider_referans"], message="iade")
    worker.settle([Arrival(SANDBOX, source, outcome, order_id=order)])


def completed(worker: Worker, simulator: Simulator, expects: str | None = None, code: str = "PIN-1") -> str:
    """An order that a check has found completed."""
    order = sent(worker)
    put(order, expects=expects)
    simulator.book.decide(booked(simulator, order), State.COMPLETED, code, "")
    checking.check(worker, order)
    assert status(order) == "completed"
    return order


def conflict(worker: Worker, simulator: Simulator) -> str:
    order = completed(worker, simulator)
    end(worker, order, ExternalStatus.FAILED)
    return order


def cannot_ask(worker: Worker, simulator: Simulator) -> str:
    """Its provider's own number, which alone it can be asked by, was in the answer that was lost."""
    order = place("never")
    with described.opened(described.NUMBERED, described.Shop(sends=[described.LOST])):
        dispatching.dispatch(worker, order)
    return order


def partial(worker: Worker, simulator: Simulator) -> str:
    order = sent(worker)
    put(order, quantity=2)
    outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], is_partial=True)
    worker.settle([Arrival(SANDBOX, Source.POLL, outcome, order_id=order)])
    return order


def reversed_(worker: Worker, simulator: Simulator) -> str:
    order = completed(worker, simulator)
    end(worker, order, ExternalStatus.REVERSED)
    return order


def no_code(worker: Worker, simulator: Simulator) -> str:
    order = completed(worker, simulator, expects="code", code="")
    for _ in range(worker.settings.max_checks + 1):
        age(order, LATER_SECONDS)
        checking.check(worker, order)
    return order


def in_doubt(worker: Worker, simulator: Simulator) -> str:
    order = place("cutafter+never")
    dispatching.dispatch(worker, order)
    database.rows(
        "UPDATE product_orders SET \"claimedAt\" = now() - interval '6 min' WHERE id = %s", (order,)
    )
    return order


def timed_out(worker: Worker, simulator: Simulator) -> str:
    order = sent(worker)
    put(order, placedByGateway=None, routeParams=None)
    age(order, worker.settings.order_timeout)
    checking.check(worker, order)
    return order


def manual(worker: Worker, simulator: Simulator) -> str:
    provider.save(Provider("desk", "manual", "", "none", {}))
    route.add("game", "60", "desk", {})
    order = place()
    dispatching.dispatch(worker, order)
    return order


def no_provider(worker: Worker, simulator: Simulator) -> str:
    order = place("never")
    spoil(SANDBOX, "no-credentials")
    dispatching.dispatch(worker, order)
    return order


def provider_down(worker: Worker, simulator: Simulator) -> str:
    order = sent(worker)
    go_down()
    return order


def overdue(worker: Worker, simulator: Simulator) -> str:
    order = sent(worker)
    age(order, worker.settings.sweep_period_seconds + 1)
    return order


def no_answer(worker: Worker, simulator: Simulator) -> str:
    order = sent(worker)
    for _ in range(worker.settings.max_checks):
        age(order, worker.settings.backoff_max)
        checking.check(worker, order)
    return order


def notification_dead(worker: Worker, simulator: Simulator) -> str:
    order = completed(worker, simulator)
    database.rows(
        "INSERT INTO referans.notifications (order_id, type, receiver, payload) VALUES (%s, 'order.x', 'x', '{}')",
        (order,),
    )
    [due] = outbox.claim(1, [], has_default=True)
    outbox.record([Tried(due, Became.DEAD, 1, error="HTTP 410")])
    return order


#: How each comes about. A kind without an entry fails below.
MADE: dict[Attention, Callable[[Worker, Simulator], str]] = {
    Attention.CONFLICT: conflict,
    Attention.CANNOT_ASK: cannot_ask,
    Attention.REVERSED: reversed_,
    Attention.NO_CODE: no_code,
    Attention.PARTIAL: partial,
    Attention.IN_DOUBT: in_doubt,
    Attention.TIMED_OUT: timed_out,
    Attention.MANUAL: manual,
    Attention.NO_PROVIDER: no_provider,
    Attention.PROVIDER_DOWN: provider_down,
    Attention.OVERDUE: overdue,
    Attention.NO_ANSWER: no_answer,
    Attention.NOTIFICATION_DEAD: notification_dead,
}


def test_every_reason_is_made_here() -> None:
    assert list(MADE) == list(Attention)


@pytest.fixture
def brisk(worker_for: WorkerFor) -> Worker:
    """A worker that asks twice and then slowly."""
    return worker_for({"MAX_CHECKS": "2"})


@pytest.mark.parametrize("kind", Attention)
def test_an_order_says_why_it_needs_a_person(brisk: Worker, simulator: Simulator, kind: Attention) -> None:
    order = MADE[kind](brisk, simulator)

    assert seen(brisk, order) == kind
    assert (row(order)["attention"] is not None) == (kind in KEPT)
    assert "None" not in why(brisk, order)


@pytest.mark.parametrize("kind", [kind for kind in Attention if kind not in KEPT])
def test_a_reason_that_is_computed_is_told_once_and_the_next_one_too(
    brisk: Worker, simulator: Simulator, kind: Attention
) -> None:
    order = MADE[kind](brisk, simulator)
    assert sweeping.sweep(brisk).counts["attention_told"] == 0, "there is no receiver"  # type: ignore[union-attr]
    receiver.bind(True)
    try:
        assert [stuck.tell(limits(brisk), 100) for _ in range(2)] == [1, 0]
        [told] = outbox.made_since(0, 10)
        assert (told.type, told.order_id, told.url) == ("order.attention", order, None)
        now = outbox.order_of(told.payload)
        assert (now.attention, now.external_status) == (kind, status(order))
        assert row(order)["attention"] is None, "it goes by itself"
        resolving.fail(order, by="ayşe", reason="decided")
        assert stuck.tell(limits(brisk), 100) == 0
        assert [each.type for each in outbox.made_since(0, 10)] == ["order.attention", "order.failed"]
    finally:
        receiver.bind(False)


@pytest.mark.parametrize("kind", Attention)
def test_where_there_is_no_receiver_listening_tells_the_same(
    brisk: Worker, simulator: Simulator, kind: Attention
) -> None:
    """Of a computed reason at the end of a sweep, as a receiver is told then; once, and not of those before."""
    computed, before = telling.Computed(limits(brisk)), telling.last_event_id()
    order = MADE[kind](brisk, simulator)
    if kind in KEPT:
        told = [(each.order.id, each.order.attention) for each in telling.untold(before, 100)]
        assert (order, kind) in told or kind is Attention.NOTIFICATION_DEAD
        return
    assert not computed.new()
    expected = [("order.attention", order, kind)]
    for listening, heard in ((computed, expected), (computed, []), (telling.Computed(limits(brisk)), [])):
        sweep_run.end(sweep_run.begin("test"), {})
        assert [(each.type, each.order.id, each.order.attention) for each in listening.new()] == heard


@pytest.mark.parametrize("kind", KEPT)
def test_a_reason_that_stands_is_not_told_again_by_the_sweep(
    brisk: Worker, simulator: Simulator, kind: Attention
) -> None:
    MADE[kind](brisk, simulator)
    receiver.bind(True)
    try:
        assert stuck.tell(limits(brisk), 100) == 0
    finally:
        receiver.bind(False)


def test_what_changes_while_it_is_told_is_left_to_the_next_sweep(
    worker: Worker, simulator: Simulator, emptied_database_url: str
) -> None:
    """Else its end could be told first, and that it needs a person after it."""
    order = provider_down(worker, simulator)
    put(order, notifyUrl="https://shop.example/hook")
    with closing(psycopg2.connect(emptied_database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM product_orders WHERE id = %s FOR UPDATE", (order,))
        assert cursor.rowcount == 1
        assert stuck.tell(limits(worker), 100) == 0
    assert stuck.tell(limits(worker), 100) == 1


@pytest.mark.parametrize("kind", Attention)
def test_a_decision_of_a_person_ends_every_reason(
    brisk: Worker, simulator: Simulator, kind: Attention
) -> None:
    order = MADE[kind](brisk, simulator)

    resolving.fail(order, by="ayşe", reason="decided")

    assert seen(brisk, order) is None


@pytest.mark.parametrize("kind", [kind for kind in Attention if kind in KEPT])
def test_what_stays_outweighs_what_goes_by_itself(
    brisk: Worker, simulator: Simulator, kind: Attention
) -> None:
    order = MADE[kind](brisk, simulator)
    go_down()
    assert seen(brisk, order) == kind


def test_an_order_on_its_way_needs_nobody(worker: Worker, simulator: Simulator) -> None:
    placed, asked, done = place("never"), sent(worker), completed(worker, simulator)
    doubted = place("cutafter+never")
    dispatching.dispatch(worker, doubted)

    assert [seen(worker, order) for order in (placed, asked, done, doubted)] == [None] * 4
    assert stuck.counts(limits(worker)) == {}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_an_order_that_no_provider_can_take_says_so(worker: Worker, accident: str) -> None:
    order = place("never")
    found = provider.find(SANDBOX)
    assert found
    provider.save(replace(found, id="without-a-route"))  # the keys open something
    spoil(SANDBOX, accident)
    dispatching.dispatch(worker, order)

    assert seen(worker, order) == Attention.NO_PROVIDER
    expected = "is not configured" if accident == "no-provider" else "cannot be used"
    assert f"{SANDBOX} {expected}" in why(worker, order)


def test_an_order_that_another_provider_can_take_needs_nobody(worker: Worker, backup: str) -> None:
    order = place("never")
    spoil(SANDBOX, "no-provider")
    assert seen(worker, order) is None
    dispatching.dispatch(worker, order)
    assert (status(order), seen(worker, order)) == ("sent", None)


def test_a_sent_order_whose_provider_is_gone_says_so(worker: Worker) -> None:
    order = sent(worker)
    spoil(SANDBOX, "no-provider")
    assert seen(worker, order) == Attention.NO_PROVIDER


def test_an_order_waits_for_its_provider_only_where_no_other_can_take_it(worker: Worker, backup: str) -> None:
    order = place("never")
    go_down()
    assert seen(worker, order) is None
    provider_health.pause(backup, "holiday", by="ayşe")
    assert seen(worker, order) == Attention.PROVIDER_DOWN
    assert "down (no answer)" in why(worker, order)
    provider_health.answered(SANDBOX)
    assert seen(worker, order) is None


def test_a_pause_says_who_and_why_and_holds_up_only_what_was_not_sent(worker: Worker) -> None:
    waiting, asked = place("never"), sent(worker)
    provider_health.pause(SANDBOX, "wrong prices", by="ayşe")

    assert (seen(worker, waiting), seen(worker, asked)) == (Attention.PROVIDER_DOWN, None)
    assert "is paused by ayşe (wrong prices)" in why(worker, waiting)
    provider_health.resume(SANDBOX, by="ayşe")
    assert seen(worker, waiting) is None


def test_an_order_that_was_never_reached_is_not_in_doubt(worker: Worker, simulator: Simulator) -> None:
    order = in_doubt(worker, simulator)
    put(order, mayBeKnown=False)
    assert seen(worker, order) is None
    go_down()
    assert seen(worker, order) == Attention.PROVIDER_DOWN


def test_a_code_that_is_waited_for_may_wait_for_the_provider_or_be_overdue(
    worker: Worker, simulator: Simulator
) -> None:
    order = completed(worker, simulator, expects="code", code="")
    assert seen(worker, order) is None
    age(order, 3600)
    assert seen(worker, order) == Attention.OVERDUE
    go_down()
    assert seen(worker, order) == Attention.PROVIDER_DOWN


def test_the_gravest_comes_first_and_of_one_kind_the_oldest(brisk: Worker, simulator: Simulator) -> None:
    made = [
        MADE[kind](brisk, simulator) for kind in (Attention.OVERDUE, Attention.REVERSED, Attention.CONFLICT)
    ]
    again = conflict(brisk, simulator)
    found = stuck.orders(limits(brisk), 10)
    assert [each.id for each in found] == [made[2], again, made[1], made[0]]
    assert [each.id for each in stuck.orders(limits(brisk), 1, Attention.CONFLICT)] == [made[2]]
    for many in (1, 10):
        first = first_ids(brisk, many)
        assert set(first) == {"conflict", "reversed", "overdue"}
        for kind, expected in first.items():
            assert [each.id for each in stuck.orders(limits(brisk), many, Attention(kind))] == expected
    put(again, attentionAt=None)  # it is not known since when, but when it was sent
    [expected] = stuck.orders(limits(brisk), 1, Attention.CONFLICT)
    assert first_ids(brisk, 1)["conflict"] == [expected.id] == [again]
    assert stuck.orders(limits(brisk), 10, provider_id="other") == []
    assert stuck.counts(limits(brisk)) == {"conflict": 2, "reversed": 1, "overdue": 1}


def test_a_kind_of_another_version_is_listed_and_counted_last(worker: Worker, simulator: Simulator) -> None:
    newer, known = sent(worker), reversed_(worker, simulator)
    put(newer, attention="of_a_later_version", attentionAt=row(newer)["createdAt"])
    assert [each.attention for each in stuck.orders(limits(worker), 10)] == ["reversed", "of_a_later_version"]
    assert list(stuck.counts(limits(worker)).items()) == [("reversed", 1), ("of_a_later_version", 1)]
    assert "of_a_later_version" in why(worker, newer)
    assert isinstance(stuck.find(known, limits(worker)), StuckOrder)
