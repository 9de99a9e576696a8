"""Claims: of several workers, one sends or asks next."""

from typing import Any

import pytest

from models import claims, denied, inbox, plans, sweep_run, unsent
from models.db import database
from models.route import Route
from models.status import ExternalStatus, FailureReason, Source
from tests import factories
from tests.factories import age, arrival, column, put, settle
from tests.models.at_once import at_once

DELAYS_SECONDS = [30.0, 60.0, 120.0, 1800.0]

pytestmark = pytest.mark.usefixtures("db")


def claim_check(order: dict[str, Any]) -> claims.ClaimedCheck | None:
    return claims.claim_check(
        order["id"], DELAYS_SECONDS, trust_seconds=600, order_timeout_seconds=86400, grace_seconds=60
    )


def test_of_many_workers_one_dispatches() -> None:
    for _ in range(20):
        placed = factories.place()
        taken = at_once(6, lambda placed=placed: claims.claim_dispatch(placed["id"], 60))
        assert sum(claim is not None for claim in taken) == 1
        assert column(placed, "attempts") == 1


def test_an_order_that_another_system_made_is_never_dispatched() -> None:
    placed = factories.place()
    put(placed, nextCheckAt=None)
    assert claims.claim_dispatch(placed["id"], 60) is None


def test_of_many_workers_one_checks() -> None:
    for _ in range(20):
        placed = factories.sent()
        age(placed, 61)
        taken = at_once(6, lambda placed=placed: claim_check(placed))
        assert sum(claim is not None for claim in taken) == 1
        assert column(placed, "checkCount") == 1


def test_each_check_writes_the_next_plan_before_the_provider_is_asked() -> None:
    placed = factories.sent()
    assert claim_check(placed) is None

    waits = []
    for _ in range(6):
        age(placed, 2000)
        claimed = claim_check(placed)
        assert claimed is not None
        waits.append(round(claimed.next_check_seconds))

    assert waits == [30, 60, 120, 1800, 1800, 1800]


def test_a_recent_callback_spares_the_check() -> None:
    placed = factories.sent()
    settle(arrival(placed, ExternalStatus.PROCESSING))
    put(placed, nextCheckAt="2020-01-01")
    assert claim_check(placed) is None
    age(placed, 601)
    assert claim_check(placed) is not None


def test_a_requested_check_is_due_at_once_also_after_a_callback() -> None:
    placed = factories.sent()
    settle(arrival(placed, ExternalStatus.COMPLETED))
    assert plans.request_check(placed["id"])
    assert claim_check(placed) is not None
    assert claim_check(placed) is None
    assert column(placed, "nextCheckAt") is None


def test_a_requested_check_of_a_final_order_is_found_by_the_sweep_until_it_is_made() -> None:
    placed = factories.sent()
    settle(arrival(placed, ExternalStatus.COMPLETED, "PIN-1"))
    assert plans.due(10, None) == []
    assert plans.request_check(placed["id"])
    assert [one.id for one in plans.due(10, None)] == [placed["id"]]
    assert claim_check(placed) is not None
    assert plans.due(10, None) == []


def test_a_check_requested_again_within_seconds_is_the_same() -> None:
    placed = factories.sent()
    assert plans.request_check(placed["id"]) == "planned"
    assert plans.request_check(placed["id"]) == "same"
    assert claim_check(placed) is not None
    assert plans.request_check(placed["id"]) == "same"
    assert claim_check(placed) is None
    put(placed, checkAskedAt="2020-01-01")
    assert plans.request_check(placed["id"]) == "planned"
    assert claim_check(placed) is not None


def test_of_checks_requested_at_the_same_instant_one_is_made(database_url: str) -> None:
    placed = factories.sent()
    answers = at_once(8, lambda: plans.request_check(placed["id"]))
    assert sorted(map(str, answers)) == ["planned", *["same"] * 7]


def test_an_order_that_was_never_sent_cannot_be_checked() -> None:
    placed = factories.place()
    assert not plans.request_check(placed["id"])
    age(placed, 3600)
    assert claim_check(placed) is None


def test_the_deadline_is_planned_for_and_marks_the_last_check() -> None:
    placed = factories.sent()
    age(placed, 86400 - 10)
    claimed = claim_check(placed)
    assert claimed is not None
    assert not claimed.expired
    assert claimed.next_check_seconds <= 10

    age(placed, 11)
    last = claim_check(placed)
    assert last is not None
    assert last.expired


def test_only_two_answers_apart_allow_a_resend() -> None:
    placed = in_doubt_order()

    assert claims.unknown_to_provider(placed["id"], 30) == 1
    assert claims.unknown_to_provider(placed["id"], 30) == 1
    assert claims.claim_resend(placed["id"], 60) is None
    age(placed, 31)
    assert claims.unknown_to_provider(placed["id"], 30) == 2
    taken = at_once(6, lambda: claims.claim_resend(placed["id"], 60))

    assert sum(claim is not None for claim in taken) == 1


def test_an_order_that_the_provider_accepted_is_never_sent_again() -> None:
    placed = factories.sent()
    put(placed, unknownCount=5)
    assert claims.claim_resend(placed["id"], 60) is None


def test_what_was_denied_of_an_accepted_order_is_not_held_against_its_next_send() -> None:
    """A person has it sent once more, and the worker is killed while it sends: it must be asked about first."""
    placed = factories.sent()
    deny(placed, claims.ASKS)
    put(placed, externalStatus="not_sent")
    claims.claim_dispatch(placed["id"], 0)
    assert not resends(placed)
    deny(placed, claims.ASKS)
    assert resends(placed)


def test_the_next_provider_takes_over_once() -> None:
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 60)
    further = Route("other", {"oyun": "2"})

    def take() -> Any:
        return claims.claim_next_provider(placed["id"], "sandbox", further, "stok yok", 60)

    taken = [claim for claim in at_once(4, take) if claim]

    assert [claim.provider_id for claim in taken] == ["other"]
    assert column(placed, "triedProviders") == ["sandbox"]


def in_doubt_order(*, never_reached: bool = False) -> dict[str, Any]:
    """Sent once, with no clear answer."""
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 60)
    claims.in_doubt(placed["id"], 30, never_reached=never_reached)
    return placed


def deny(placed: dict[str, Any], times: int = 1) -> None:
    """The provider says that it does not know the order, each time long after the last."""
    for _ in range(times):
        claims.unknown_to_provider(placed["id"], 30)
        age(placed, 31)


def resends(placed: dict[str, Any]) -> bool:
    return claims.claim_resend(placed["id"], 60) is not None


def test_what_the_provider_says_while_a_send_is_under_way_allows_no_resend() -> None:
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 60)
    assert claims.unknown_to_provider(placed["id"], 30) == 0

    claims.in_doubt(placed["id"], 30)
    deny(placed)
    assert not resends(placed), "one answer after the send, one while it was under way"
    deny(placed)
    assert resends(placed)


def test_an_order_is_not_sent_again_while_it_is_being_sent_again() -> None:
    placed = in_doubt_order()
    deny(placed, 2)
    assert resends(placed)
    put(placed, unknownCount=claims.ASKS)
    assert not resends(placed)


def test_an_order_that_was_never_reached_is_sent_again_without_asking() -> None:
    placed = in_doubt_order(never_reached=True)
    assert resends(placed)
    claims.in_doubt(placed["id"], 30, never_reached=True)
    assert resends(placed)


def test_one_unclear_send_and_the_provider_is_asked_before_every_further_one() -> None:
    placed = in_doubt_order()
    deny(placed, 2)
    assert resends(placed)
    claims.in_doubt(placed["id"], 30, never_reached=True)
    assert not resends(placed)
    deny(placed, 2)
    assert resends(placed)


def test_after_a_send_that_was_cut_off_the_provider_is_asked_too() -> None:
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 60)
    put(placed, sendingUntil="2020-01-01T00:00:00Z")
    deny(placed, 2)
    assert resends(placed)
    claims.in_doubt(placed["id"], 30, never_reached=True)
    assert not resends(placed)


def test_a_provider_that_speaks_of_an_order_knows_it() -> None:
    placed = in_doubt_order(never_reached=True)
    settle(arrival(placed, ExternalStatus.PENDING))
    assert not resends(placed)
    claims.in_doubt(placed["id"], 30, never_reached=True)
    assert not resends(placed)


def test_due_orders_come_in_pages_and_final_ones_not_at_all() -> None:
    waiting = [factories.sent() for _ in range(5)]
    done = factories.sent()
    for one in (*waiting, done):
        age(one, 61)
    settle(arrival(done, ExternalStatus.COMPLETED))

    first = plans.due(3, None)
    second = plans.due(3, first[-1])

    assert {one.id for one in first + second} == {one["id"] for one in waiting}


def test_what_is_due_is_found_by_the_partial_index() -> None:
    database.rows("""
        INSERT INTO product_orders ("externalStatus", "createdAt")
        SELECT 'completed', now() FROM generate_series(1, 20000)""")
    factories.analyze("product_orders")
    parameters = {"limit": 100, "at": None, "id": None, "late": 15, "first": 60}
    for statement in (plans.DUE, plans.LATE, denied.DENIED):
        explained = " ".join(str(row) for row in database.rows("EXPLAIN " + statement, parameters))
        assert any(
            name in explained for name in ("idx_orders_planned", "idx_orders_waiting", "idx_orders_kind")
        )
        assert "Seq Scan on product_orders" not in explained


def test_an_order_without_a_plan_is_followed_however_old_it_is() -> None:
    young, old, unsent = factories.sent(), factories.sent(), factories.place()
    for one in (young, old, unsent):
        put(one, nextCheckAt=None)
    age(old, 86401)

    assert {each.id for each in plans.adopt(60, 100)} == {young["id"], old["id"]}
    assert plans.adopt(60, 100) == []
    claimed = claim_check(old)
    assert claimed is not None and claimed.expired


def test_while_its_provider_is_down_a_check_waits_but_not_past_the_timeout() -> None:
    placed = factories.sent()
    age(placed, 61)
    assert plans.postpone(placed["id"], 30, order_timeout_seconds=86400)
    assert claim_check(placed) is None
    age(placed, 86400)
    assert not plans.postpone(placed["id"], 30, order_timeout_seconds=86400)
    assert claim_check(placed) is not None


def test_only_one_sweep_runs_and_a_killed_one_blocks_no_other() -> None:
    def begun_elsewhere() -> list[bool]:
        def other() -> bool:
            with sweep_run.only_one() as mine:
                return mine

        return at_once(1, other)

    with sweep_run.only_one() as mine:
        assert mine
        assert begun_elsewhere() == [False]
    assert begun_elsewhere() == [True]


def test_old_callbacks_are_deleted_in_batches() -> None:
    placed = factories.sent()
    for _ in range(5):
        settle(arrival(placed, ExternalStatus.PROCESSING))
    database.rows("UPDATE referans.callback_events SET received_at = now() - interval '31 days'")
    settle(arrival(placed, ExternalStatus.COMPLETED))

    deleted = [inbox.purge(30 * 86400, 3) for _ in range(3)]

    assert deleted == [3, 2, 0]


def test_a_check_of_an_order_in_doubt_may_end_it() -> None:
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 0)
    assert claim_check(placed) is not None
    answer = arrival(placed, ExternalStatus.FAILED, source=Source.POLL, failure_reason=FailureReason.PROVIDER)
    assert settle(answer) == ["applied"]
    assert column(placed, "sentAt") is not None


def test_a_claim_for_a_provider_that_the_order_has_left_gets_nothing() -> None:
    placed = factories.place()
    assert claims.claim_dispatch(placed["id"], 60, "other") is None
    assert claims.claim_dispatch(placed["id"], 60, "sandbox") is not None
    assert not claims.in_doubt(placed["id"], 30, never_reached=True, provider_id="other")
    assert claims.in_doubt(placed["id"], 30, provider_id="sandbox")
    assert claims.unknown_to_provider(placed["id"], 30, "other") == 0
    put(placed, unknownCount=claims.ASKS)
    age(placed, 61)
    due = {"trust_seconds": 600, "order_timeout_seconds": 86400, "grace_seconds": 60}
    assert claims.claim_check(placed["id"], DELAYS_SECONDS, provider_id="other", **due) is None
    assert claims.claim_resend(placed["id"], 60, "other") is None
    assert claims.claim_check(placed["id"], DELAYS_SECONDS, provider_id="sandbox", **due) is not None
    assert claims.claim_resend(placed["id"], 60, "sandbox") is not None


def test_an_order_that_no_provider_can_take_makes_way_and_fails_in_the_end() -> None:
    placed = factories.place()
    age(placed, 61)
    assert [one.id for one in plans.due(10, None)] == [placed["id"]]
    assert not unsent.give_up(placed["id"], 86400, "no provider can take it")
    unsent.put_off(placed["id"], 150, 1800, 86400)
    assert plans.due(10, None) == []

    age(placed, 86400)
    assert unsent.give_up(placed["id"], 86400, "no provider can take it")
    assert (column(placed, "status"), column(placed, "failureReason"), column(placed, "nextCheckAt")) == (
        "rejected",
        "timeout",
        None,
    )


def test_an_order_that_is_being_sent_is_not_given_up() -> None:
    placed = factories.place()
    age(placed, 86401)
    claims.claim_dispatch(placed["id"], 60)
    assert not unsent.give_up(placed["id"], 86400, "no provider can take it")
    unsent.put_off(placed["id"], 150, 1800, 86400)
    assert column(placed, "externalStatus") == "pending"
    assert not unsent.reroute(placed["id"], "sandbox", Route("other", {}), "is down")


def test_an_order_that_was_claimed_before_there_was_anything_to_remember_is_asked_for() -> None:
    placed = in_doubt_order(never_reached=True)
    put(placed, mayBeKnown=None, unknownCount=0)
    claims.in_doubt(placed["id"], 30, never_reached=True)
    assert not resends(placed)
