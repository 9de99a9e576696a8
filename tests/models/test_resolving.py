"""What a person decides: it applies whatever the state is, is done once, and says who and why."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from models import claims, order, plans, resolving, route, timeline, unsent
from models.codes import Code
from models.db import database, sealed
from models.order import Order
from models.outcome import Outcome
from models.resolving import ChangedMeanwhile, Decision, MayBuyTwice, NothingToAccept, NotPossible
from models.route import Route
from models.status import Attention, ExternalStatus, FailureReason, Source, is_open
from tests import factories
from tests.conftest import KEY
from tests.factories import SANDBOX, arrival, column, put, settle

COMPLETED, FAILED, SENT, PROCESSING, REVERSED = (
    ExternalStatus.COMPLETED,
    ExternalStatus.FAILED,
    ExternalStatus.SENT,
    ExternalStatus.PROCESSING,
    ExternalStatus.REVERSED,
)
BACKUP = "backup"
WHY: dict[str, Any] = {"by": "Samar", "reason": "the panel says so"}
Kind = dict[str, Any]

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def sealing() -> None:
    """Values are sealed, so that one that belongs to another reference does not open."""
    sealed.bind([KEY])


def found(one: Kind) -> Order:
    shown = order.find(one["id"])
    assert shown is not None
    return shown


def codes_of(one: Kind) -> list[str]:
    return [code.code for code in order.codes_of(found(one))]


def state(one: Kind) -> tuple[str, str, str | None, str | None]:
    shown = found(one)
    return shown.external_status, shown.status, shown.failure_reason, shown.attention


def last_event(one: Kind) -> timeline.Event:
    return timeline.events(one["id"])[-1]


# --- an order in each state


def unsent_order() -> Kind:
    return factories.place()


def in_doubt() -> Kind:
    one = factories.place()
    claims.claim_dispatch(one["id"], 60)
    claims.in_doubt(one["id"], 30)
    return one


def delivered() -> Kind:
    one = factories.sent()
    settle(arrival(one, COMPLETED, "PIN-ONE"))
    return one


def without_code() -> Kind:
    one = factories.sent()
    settle(arrival(one, COMPLETED))
    return one


def refused() -> Kind:
    one = factories.sent()
    settle(arrival(one, FAILED, message="no stock"))
    return one


def timed_out() -> Kind:
    one = factories.sent()
    settle(
        arrival(one, FAILED, source=Source.SWEEP, order_id=one["id"], failure_reason=FailureReason.TIMEOUT)
    )
    return one


def taken_back() -> Kind:
    one = delivered()
    settle(arrival(one, REVERSED))
    return one


def delivered_after_failing() -> Kind:
    one = refused()
    assert settle(arrival(one, COMPLETED, "PIN-LATE")) == ["conflict"]
    return one


def failed_after_delivery() -> Kind:
    one = delivered()
    assert settle(arrival(one, FAILED, message="cancelled")) == ["conflict"]
    return one


def another_code() -> Kind:
    one = delivered()
    assert settle(arrival(one, COMPLETED, "PIN-TWO")) == ["conflict"]
    return one


def decided_by_the_storefront() -> Kind:
    one = factories.sent()
    put(one, status="approved")
    return one


def for_a_person() -> Kind:
    """It waits for a person to fulfil it."""
    one = factories.place()
    claims.claim_dispatch(one["id"], 60)
    settle(arrival(one, SENT, source=Source.DISPATCH, attention=Attention.MANUAL))
    return one


def for_a_person_but_delivered_before() -> Kind:
    """The same, and a provider that had it before has delivered it after all."""
    one = factories.place()
    claims.claim_dispatch(one["id"], 60)
    assert claims.claim_next_provider(one["id"], SANDBOX, Route(BACKUP, {}), "no stock", 60)
    settle(
        arrival(one, SENT, source=Source.DISPATCH, attention=Attention.MANUAL, provider_id=BACKUP),
    )
    assert settle(arrival(one, COMPLETED, "PIN-FORMER")) == ["conflict"]
    return one


STATES: tuple[Callable[[], Kind], ...] = (
    unsent_order,
    in_doubt,
    factories.sent,
    delivered,
    without_code,
    refused,
    timed_out,
    taken_back,
    delivered_after_failing,
    failed_after_delivery,
    another_code,
    decided_by_the_storefront,
)
DECISIONS = {
    "completed": (resolving.complete, ("completed", "approved", None, None)),
    "failed": (resolving.fail, ("failed", "rejected", "person", None)),
    "reversed": (resolving.reverse, ("reversed", "rejected", None, None)),
}
in_every_state = pytest.mark.parametrize("make", STATES, ids=lambda make: make.__name__)


@in_every_state
@pytest.mark.parametrize("word", DECISIONS)
def test_a_decision_applies_whatever_the_state_is(make: Callable[[], Kind], word: str) -> None:
    decide, ends = DECISIONS[word]
    one = make()
    before, had = found(one), codes_of(one)
    made = decide(one["id"], **WHY)

    assert isinstance(made, Decision) and made.order == found(one)
    if made.changed:
        assert state(one) == ends
    else:
        assert (state(one)[0], state(one)[3]) == (word, None) and before.external_status == word
    assert made.came_from == before.external_status
    assert column(one, "nextCheckAt") is None or not made.changed
    assert codes_of(one) == had
    event = last_event(one)
    assert (event.source, event.by, event.came_from, event.went_to) == (
        "operator",
        "Samar",
        before.external_status,
        word,
    )
    assert event.message and event.message.endswith("by a person: the panel says so")


@in_every_state
def test_codes_of_a_person_come_first_and_the_earlier_ones_are_kept(make: Callable[[], Kind]) -> None:
    one = make()
    had = codes_of(one)
    resolving.complete(one["id"], [Code("NEW-1", serial="S"), Code("NEW-2")], **WHY)
    assert codes_of(one) == ["NEW-1", "NEW-2", *had]
    resolving.complete(one["id"], [Code("NEWEST")], **WHY)
    assert codes_of(one) == ["NEWEST", "NEW-1", "NEW-2", *had]
    owner = f"{SANDBOX}/{one['provider_referans']}"
    assert sealed.unseal(column(one, "pinCode"), owner) == "NEWEST"  # what the older storefront reads
    resolving.complete(one["id"], [Code("NEW-2", serial="T")], **WHY)
    assert [(code.code, code.serial) for code in order.codes_of(found(one))][:3] == [
        ("NEW-2", "T"),
        ("NEWEST", None),
        ("NEW-1", "S"),
    ]
    assert settle(arrival(one, COMPLETED, "NEW-1")) == ["duplicate"]


def test_an_order_that_a_person_failed_is_not_completed_by_a_late_callback() -> None:
    for make in (factories.sent, timed_out, refused):
        one = make()
        resolving.fail(one["id"], **WHY)
        expected = "conflict"
        assert settle(arrival(one, COMPLETED, "PIN-LATE")) == [expected]
        assert state(one)[0] == "failed" and found(one).attention == "conflict"


def test_a_decision_says_nothing_was_sent() -> None:
    one = unsent_order()
    resolving.complete(one["id"], **WHY)
    assert column(one, "claimedAt") is None and column(one, "sentAt") is None
    assert column(one, "completedAt") is not None


# --- accepting


def test_a_delivery_after_the_failure_is_accepted_with_its_code() -> None:
    one = delivered_after_failing()
    made = resolving.accept(one["id"], **WHY)
    assert made.changed and state(one) == ("completed", "approved", None, None)
    assert codes_of(one) == ["PIN-LATE"] and column(one, "completedAt")
    assert "accepted the conflicting outcome (completed)" in str(last_event(one).message)


def test_a_failure_after_the_delivery_is_accepted_as_a_reversal() -> None:
    one = failed_after_delivery()
    resolving.accept(one["id"], **WHY)
    assert state(one) == ("reversed", "rejected", None, None) and column(one, "reversedAt")
    assert codes_of(one) == ["PIN-ONE"]


def test_another_code_that_is_accepted_comes_first() -> None:
    one = another_code()
    resolving.accept(one["id"], **WHY)
    assert codes_of(one) == ["PIN-TWO", "PIN-ONE"] and state(one)[3] is None
    for known in ("PIN-ONE", "PIN-TWO"):
        assert settle(arrival(one, COMPLETED, known)) == ["duplicate"]


def test_a_delivery_by_the_provider_that_had_the_order_before_is_accepted() -> None:
    one = factories.place()
    claims.claim_dispatch(one["id"], 60)
    assert claims.claim_next_provider(one["id"], SANDBOX, Route(BACKUP, {}), "no stock", 60)
    assert settle(arrival(one, COMPLETED, "PIN-FORMER")) == ["conflict"]
    resolving.accept(one["id"], **WHY)
    assert state(one) == ("completed", "approved", None, None) and codes_of(one) == ["PIN-FORMER"]
    assert settle(arrival(one, COMPLETED, "PIN-SECOND", provider_id=BACKUP)) == ["conflict"]


def test_the_newest_of_several_conflicts_is_accepted() -> None:
    one = another_code()
    settle(arrival(one, COMPLETED, "PIN-THREE"))
    resolving.accept(one["id"], **WHY)
    assert codes_of(one) == ["PIN-THREE", "PIN-ONE"]


@pytest.mark.parametrize("make", [another_code, failed_after_delivery, delivered_after_failing])
def test_what_was_accepted_may_be_accepted_again(make: Callable[[], Kind]) -> None:
    """The answer to the first request may have been lost."""
    one = make()
    assert resolving.accept(one["id"], **WHY).changed
    before, codes = found(one), codes_of(one)
    assert not resolving.accept(one["id"], **WHY).changed
    assert found(one) == before and codes_of(one) == codes


def test_there_must_be_something_to_accept() -> None:
    one = delivered()
    with pytest.raises(NothingToAccept):
        resolving.accept(one["id"], **WHY)
    one = another_code()
    resolving.dismiss(one["id"], **WHY)
    with pytest.raises(NothingToAccept):
        resolving.accept(one["id"], **WHY)
    assert codes_of(one) == ["PIN-ONE"]


# --- dismissing


@in_every_state
def test_a_dismissed_order_stays_as_it_is(make: Callable[[], Kind]) -> None:
    one = make()
    before = state(one)
    made = resolving.dismiss(one["id"], **WHY)
    assert state(one) == (*before[:3], None)
    assert made.changed is (before[3] is not None)
    assert (last_event(one).by, last_event(one).message) == ("Samar", "dismissed: the panel says so")


def test_an_open_order_that_waits_for_a_person_is_not_dismissed_out_of_sight() -> None:
    one = for_a_person()
    assert (found(one).attention, column(one, "nextCheckAt")) == ("manual", None)
    assert column(one, "attentionAt")
    assert not resolving.dismiss(one["id"], **WHY).changed
    assert found(one).attention == "manual"
    resolving.complete(one["id"], [Code("BY-HAND")], **WHY)
    assert state(one) == ("completed", "approved", None, None) and codes_of(one) == ["BY-HAND"]


def test_a_conflict_of_an_order_that_waits_for_a_person_is_dismissed_and_the_order_waits_on() -> None:
    one = for_a_person_but_delivered_before()
    assert (found(one).attention, column(one, "nextCheckAt")) == ("conflict", None)
    assert resolving.dismiss(one["id"], **WHY).changed
    assert found(one).attention == "manual" and column(one, "attentionAt")
    assert not resolving.dismiss(one["id"], **WHY).changed


OPERATIONS: dict[str, Callable[..., object]] = {
    "dismiss": resolving.dismiss,
    "accept": resolving.accept,
    "complete": resolving.complete,
    "fail": resolving.fail,
    "reverse": resolving.reverse,
    "resend": partial(resolving.resend, may_buy_twice=True),
    "check": lambda order_id, **why: plans.request_check(order_id),
    "leave to a person": lambda order_id, **why: plans.leave_to_person(order_id),
}


@pytest.mark.parametrize("second", [None, "dismiss", "check", "resend"])
@pytest.mark.parametrize("first", OPERATIONS)
def test_an_open_order_is_always_planned_or_needs_a_person(first: str, second: str | None) -> None:
    for make in (*STATES, for_a_person, for_a_person_but_delivered_before):
        one = make()
        for name in filter(None, (first, second)):
            with suppress(NotPossible):
                OPERATIONS[name](one["id"], **WHY)
        is_decided = make is decided_by_the_storefront
        seen = column(one, "nextCheckAt") or found(one).attention
        assert seen or is_decided or not is_open(found(one).external_status), make


# --- one decision


def test_a_decision_on_what_is_no_longer_so_is_told_and_changes_nothing() -> None:
    for act in (resolving.fail, resolving.reverse, resolving.complete, resolving.dismiss, resolving.resend):
        one = factories.sent()
        seen = resolving.version(one["id"])
        settle(arrival(one, COMPLETED, "PIN-ONE"))
        events = len(timeline.events(one["id"]))
        with pytest.raises(ChangedMeanwhile, match="completed now; nothing was done"):
            act(one["id"], **WHY, seen=seen)
        assert state(one) == ("completed", "approved", None, None)
        assert len(timeline.events(one["id"])) == events


def test_another_person_in_the_same_moment_is_told_who_was_first() -> None:
    one = factories.sent()
    resolving.fail(one["id"], **WHY)
    with pytest.raises(ChangedMeanwhile, match="changed by Samar"):
        resolving.complete(one["id"], by="Idris", reason="it came")
    assert state(one)[0] == "failed"
    database.rows("UPDATE referans.order_events SET at = at - interval '2 s'")
    resolving.complete(one["id"], by="Idris", reason="it came")
    assert state(one)[0] == "completed"


def test_what_is_decided_of_an_unknown_order_is_not_possible() -> None:
    for act in (resolving.accept, resolving.complete, resolving.fail, resolving.dismiss, resolving.resend):
        with pytest.raises(NotPossible, match="not found"):
            act(factories.NO_ORDER, **WHY)


# --- sending again


def to_backup(one: Kind, **given: Any) -> Decision:
    route.add("*", "*", BACKUP, {"oyun": "7", "kupur": "60"})
    return resolving.resend(one["id"], **WHY, provider_id=BACKUP, **given)


def backup() -> None:
    factories.add_provider(BACKUP)


MAY_HAVE_IT = (
    in_doubt,
    factories.sent,
    delivered,
    without_code,
    timed_out,
    taken_back,
    delivered_after_failing,
    failed_after_delivery,
    another_code,
)


@pytest.mark.parametrize("make", MAY_HAVE_IT, ids=lambda make: make.__name__)
def test_an_order_that_a_provider_may_have_is_sent_again_only_where_that_is_allowed(
    make: Callable[[], Kind],
) -> None:
    one = make()
    before = state(one)
    with pytest.raises(MayBuyTwice, match="may buy it twice"):
        resolving.resend(one["id"], **WHY)
    assert state(one) == before
    resolving.resend(one["id"], **WHY, may_buy_twice=True)
    assert state(one) == ("not_sent", "pending", None, None)
    assert column(one, "provider_referans") != one["provider_referans"]


def test_an_order_that_was_refused_begins_anew_under_another_reference() -> None:
    one = refused()
    made = resolving.resend(one["id"], **WHY)
    assert (made.changed, made.came_from) == (True, "failed")
    shown = found(one)
    assert state(one) == ("not_sent", "pending", None, None)
    assert shown.provider_referans != one["provider_referans"] and len(str(shown.provider_referans)) == 15
    assert (shown.sent_at, shown.completed_at, shown.external_order_id, shown.last_message) == (None,) * 4
    assert column(one, "nextCheckAt") and column(one, "checkCount") == 0
    event = last_event(one)
    assert (event.by, event.came_from, event.went_to) == ("Samar", "failed", "not_sent")
    assert str(shown.provider_referans) in str(event.message)

    assert claims.claim_dispatch(one["id"], 60)
    assert settle(arrival(one, SENT, source=Source.DISPATCH, order_id=one["id"])) == ["stale"]
    again = {**one, "provider_referans": shown.provider_referans}
    assert settle(arrival(again, COMPLETED, "PIN-NEW")) == ["applied"]
    assert codes_of(one) == ["PIN-NEW"]


def test_what_comes_under_a_former_reference_is_a_conflict() -> None:
    one = factories.sent()
    put(one, externalOrderId="Z-1")
    resolving.resend(one["id"], **WHY, may_buy_twice=True)
    assert settle(arrival(one, PROCESSING)) == ["stale"]
    assert settle(arrival(one, FAILED)) == ["stale"]
    assert state(one)[0] == "not_sent"
    assert settle(arrival(one, COMPLETED, "PIN-FIRST")) == ["conflict"]
    assert (state(one)[0], found(one).attention) == ("not_sent", "conflict")
    by_number = arrival(one, COMPLETED)
    numbered = type(by_number)(
        SANDBOX, Source.CALLBACK, Outcome(COMPLETED, external_order_id="Z-1"), dedupe_key="n", raw="{}"
    )
    assert settle(numbered) == ["conflict"]
    assert [kept.origin for kept in resolving.codes(one["id"])] == ["kept as a conflict"]

    resolving.accept(one["id"], **WHY)
    assert state(one)[0] == "completed"


def test_a_timeout_of_the_former_send_does_not_fail_the_new_one() -> None:
    one = factories.sent()
    resolving.resend(one["id"], **WHY, may_buy_twice=True)
    claims.claim_dispatch(one["id"], 60)
    expired = arrival(
        one, FAILED, source=Source.SWEEP, order_id=one["id"], failure_reason=FailureReason.TIMEOUT
    )
    assert settle(expired) == ["stale"]
    assert state(one)[0] == "pending"


def test_what_becomes_of_the_former_send_says_nothing_of_the_new_one() -> None:
    one = in_doubt()
    resolving.resend(one["id"], **WHY, may_buy_twice=True)
    claims.claim_dispatch(one["id"], 60)
    former = {"provider_id": SANDBOX, "referans": one["provider_referans"]}
    assert not claims.in_doubt(one["id"], 30, never_reached=True, **former)
    assert claims.unknown_to_provider(one["id"], 0, **former) == 0
    assert not claims.claim_next_provider(
        one["id"], SANDBOX, Route(BACKUP, {}), "no stock", 60, one["provider_referans"]
    )
    put(one, unknownCount=2, sendingUntil=None)
    assert not claims.claim_resend(one["id"], 60, **former)
    present = {"provider_id": SANDBOX, "referans": str(column(one, "provider_referans"))}
    assert claims.claim_resend(one["id"], 60, **present)


def test_a_provider_that_never_had_it_gets_it_under_the_same_reference() -> None:
    backup()
    one = refused()
    to_backup(one)
    shown = found(one)
    assert (shown.provider_id, shown.provider_referans) == (BACKUP, one["provider_referans"])
    assert column(one, "routeParams") == {"oyun": "7", "kupur": "60"}
    assert column(one, "triedProviders") == [SANDBOX]
    claims.claim_dispatch(one["id"], 60)
    assert settle(arrival(one, COMPLETED, "PIN-FORMER")) == ["conflict"]

    # Back to the first one: it had it, so it gets a new reference, and both former ones are known.
    database.rows("UPDATE referans.order_events SET at = at - interval '2 s'")
    resolving.resend(one["id"], **WHY, provider_id=SANDBOX, may_buy_twice=True)
    assert column(one, "provider_referans") != one["provider_referans"]
    assert column(one, "triedProviders") == []
    for provider_id in (SANDBOX, BACKUP):
        assert settle(arrival(one, COMPLETED, "PIN", provider_id=provider_id)) == ["conflict"]


def test_back_at_a_provider_that_had_it_it_has_a_new_reference_though_it_was_not_sent_between() -> None:
    backup()
    one = refused()
    to_backup(one)
    assert column(one, "provider_referans") == one["provider_referans"]
    resolving.resend(one["id"], **WHY, provider_id=SANDBOX)
    assert column(one, "provider_referans") != one["provider_referans"]
    assert settle(arrival(one, COMPLETED, "PIN-FORMER")) == ["conflict"]


def cancelled(one: Kind) -> None:
    unsent.cancel(one["id"], "tests", order_timeout_seconds=3600)


def refused_by_the_next(one: Kind) -> None:
    claims.claim_dispatch(one["id"], 60)
    settle(arrival(one, FAILED, source=Source.DISPATCH, order_id=one["id"], provider_id=BACKUP))


@pytest.mark.parametrize("end", [cancelled, refused_by_the_next])
def test_an_order_that_a_provider_of_a_former_send_may_have_is_sent_again_only_where_that_is_allowed(
    end: Callable[[Kind], None],
) -> None:
    backup()
    one = timed_out()
    to_backup(one, may_buy_twice=True)
    assert not resolving.resend(one["id"], **WHY, provider_id=BACKUP).changed  # it was allowed, and waits
    end(one)
    assert state(one)[0] == "failed"
    for provider_id in (None, SANDBOX, BACKUP):
        with pytest.raises(MayBuyTwice, match=f"{SANDBOX} may have it"):
            resolving.resend(one["id"], **WHY, provider_id=provider_id)
    assert resolving.resend(one["id"], **WHY, may_buy_twice=True).changed


def test_an_order_that_every_provider_refused_is_sent_again_as_often_as_a_person_likes() -> None:
    backup()
    one = refused()
    to_backup(one)
    refused_by_the_next(one)
    assert state(one)[0] == "failed"
    for _ in range(2):
        assert resolving.resend(one["id"], **WHY).changed
        cancelled(one)


def test_a_late_answer_of_a_provider_that_had_the_order_under_a_former_reference_is_not_lost() -> None:
    backup()
    one = factories.place()
    claims.claim_dispatch(one["id"], 60)
    assert claims.claim_next_provider(one["id"], SANDBOX, Route(BACKUP, {}), "no stock", 60)
    resolving.resend(one["id"], **WHY, provider_id=SANDBOX, may_buy_twice=True)
    assert column(one, "triedProviders") == []
    late = {"provider_id": BACKUP, "order_id": one["id"]}
    assert settle(arrival(one, SENT, source=Source.DISPATCH, **late)) == ["stale"]
    assert f"stale: sent at {BACKUP}, which had the order before" in str(last_event(one).message)
    assert settle(arrival(one, COMPLETED, "PIN-LATE", source=Source.POLL, **late)) == ["conflict"]
    assert found(one).attention == "conflict"


@pytest.mark.parametrize("decide", ["dismiss", "resend"])
def test_an_order_that_waits_to_be_sent_again_is_not_sent_once_its_former_send_has_delivered(
    decide: str,
) -> None:
    one = factories.sent()
    resolving.resend(one["id"], **WHY, may_buy_twice=True)
    assert settle(arrival(one, COMPLETED, "PIN-FORMER")) == ["conflict"]
    assert claims.claim_dispatch(one["id"], 60) is None
    with pytest.raises(MayBuyTwice):
        resolving.resend(one["id"], **WHY)

    OPERATIONS[decide](one["id"], **WHY)
    assert found(one).attention is None
    assert claims.claim_dispatch(one["id"], 60)


def test_an_order_that_was_never_sent_keeps_its_reference() -> None:
    one = unsent_order()
    unsent.cancel(one["id"], "tests", order_timeout_seconds=3600)
    resolving.resend(one["id"], **WHY)
    assert column(one, "provider_referans") == one["provider_referans"]
    assert state(one) == ("not_sent", "pending", None, None)
    assert database.rows("SELECT * FROM referans.former_references") == []


def test_an_order_that_waits_already_is_sent_now() -> None:
    one = unsent_order()
    put(one, nextCheckAt=None)
    made = resolving.resend(one["id"], **WHY)
    assert not made.changed and column(one, "nextCheckAt")
    backup()
    assert to_backup(one).changed
    assert (found(one).provider_id, found(one).provider_referans) == (BACKUP, one["provider_referans"])


def test_a_send_that_never_reached_its_provider_may_be_sent_again() -> None:
    one = factories.place()
    claims.claim_dispatch(one["id"], 60)
    with pytest.raises(MayBuyTwice):  # it is under way
        resolving.resend(one["id"], **WHY)
    claims.in_doubt(one["id"], 30, never_reached=True)
    assert resolving.resend(one["id"], **WHY).changed


def test_an_order_that_is_sent_again_waits_from_then_on() -> None:
    one = refused()
    factories.age(one, 90_000)
    resolving.resend(one["id"], **WHY)
    assert not unsent.give_up(one["id"], factories.ORDER_TIMEOUT_SECONDS, "no provider")
    put(one, resentAt=column(one, "createdAt"))
    assert unsent.give_up(one["id"], factories.ORDER_TIMEOUT_SECONDS, "no provider")


def test_the_codes_of_former_sends_stay_readable() -> None:
    one = another_code()
    resolving.resend(one["id"], **WHY, may_buy_twice=True)
    assert found(one).pin_code is None and codes_of(one) == []
    again = {**one, "provider_referans": column(one, "provider_referans")}
    claims.claim_dispatch(one["id"], 60)
    settle(arrival(again, COMPLETED, "PIN-NEW"))
    kept = [
        (each.origin.split()[0], [code.code for code in each.codes]) for each in resolving.codes(one["id"])
    ]
    assert kept == [("delivered", ["PIN-NEW"]), ("delivered", ["PIN-ONE"]), ("kept", ["PIN-TWO"])]


def test_an_order_of_another_system_is_not_sent() -> None:
    one = refused()
    put(one, placedByGateway=None, routeParams=None)
    with pytest.raises(NotPossible, match="another system"):
        resolving.resend(one["id"], **WHY)


def test_it_must_have_a_route() -> None:
    one = refused()
    with pytest.raises(NotPossible, match="no route leads from product game, package 60 to nowhere"):
        resolving.resend(one["id"], **WHY, provider_id="nowhere")
    assert state(one)[0] == "failed"
