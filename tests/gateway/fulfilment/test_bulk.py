"""Actions on many orders in the background: each order once, whoever is killed, and who wanted it stands everywhere."""

from typing import Any

import peewee
import pytest

from gateway.callbacks import replaying
from gateway.fulfilment import bulk as work_on
from gateway.fulfilment import deeds, sweeping
from gateway.fulfilment.worker import BULK, CHECK, DISPATCH, Worker
from gateway.said import Said
from models import api_key, bulk, person, resolving, stuck
from models.api_key import Scope
from models.bulk import About, Changed
from models.db import database, sealed
from models.listing import Filter
from models.person import Role
from models.status import Attention, ExternalStatus
from models.stuck import Limits
from models.tenants import EVERYTHING, View
from tests import factories

LIMITS = Limits(300, 20, 60)
REASON = "the panel says so"
ABOUT = About(kind="conflict")
ALL_SENT = About(wanted=Filter(external_status=ExternalStatus.SENT))


class Heard:
    """Hints, kept instead of sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, hints: Any) -> None:
        self.sent += hints


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def worker(worker_for: Any, heard: Heard) -> Worker:
    return worker_for(hints=heard)  # type: ignore[no-any-return]


def conflicts(many: int) -> list[str]:
    found = [factories.sent() for _ in range(many)]
    for order in found:
        factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1"))
        factories.settle(factories.arrival(order, ExternalStatus.FAILED))
    return [order["id"] for order in found]


def begin(
    about: About,
    expected: int,
    action: str,
    whose: bulk.Whose = bulk.ANYONE,
    form: str | None = None,
    **options: Any,
) -> int:
    return bulk.begin(
        about,
        LIMITS,
        expected,
        action=action,
        reason=REASON,
        by="rana",
        shown={"needs": "conflict"},
        options=options,
        whose=whose,
        form=form,
    )


def work(worker: Worker, bulk_id: int) -> None:
    work_on.work(worker, str(bulk_id), replaying.for_person)


def statuses(ids: list[str]) -> set[str]:
    rows = database.rows(
        'SELECT "externalStatus" AS s FROM product_orders WHERE id = ANY (%s::uuid[])', (ids,)
    )
    return {row["s"] for row in rows}


def events() -> list[str]:
    found = database.rows(
        "SELECT \"by\", message FROM referans.order_events WHERE source = 'operator' ORDER BY id"
    )
    return [f"{row['by']}: {row['message']}" for row in found]


def test_all_of_a_kind_are_done_about_and_each_says_who_and_why(worker: Worker) -> None:
    ids = conflicts(3)
    assert bulk.count(ABOUT, LIMITS) == 3
    bulk_id = begin(ABOUT, 3, "accept")
    work(worker, bulk_id)

    assert statuses(ids) == {"reversed"}
    assert all(each.startswith("rana: ") and f"{REASON} (one of 3 orders)" in each for each in events())
    assert len(events()) == 3
    done = bulk.find(bulk_id)
    assert done and (done.state, done.done, done.refused, done.left) == ("done", 3, 0, 0)
    assert done.ended_at is not None


def test_what_matches_a_list_is_chosen_by_its_filters(worker: Worker, heard: Heard) -> None:
    ids = [factories.sent()["id"] for _ in range(2)]
    factories.place()
    bulk_id = begin(ALL_SENT, 2, "check")
    work(worker, bulk_id)
    assert sorted(heard.sent) == sorted((CHECK, each) for each in ids)


def test_what_came_meanwhile_is_not_done_about(worker: Worker) -> None:
    conflicts(2)
    with pytest.raises(Changed) as changed:
        begin(ABOUT, 1, "accept")
    assert changed.value.count == 2
    with pytest.raises(Changed):
        begin(About(kind="no_code"), 1, "accept")
    assert bulk.newest(5) == []

    bulk_id = begin(ABOUT, 3, "dismiss")  # one was settled since they were counted
    late = conflicts(1)
    work(worker, bulk_id)
    assert database.rows("SELECT attention FROM product_orders WHERE id = %s", (late[0],)) == [
        {"attention": "conflict"}
    ]


def test_more_than_a_list_shows_are_all_done_about(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.stuck.MOST", 2)
    conflicts(5)
    bulk_id = begin(ABOUT, 5, "dismiss")
    work(worker, bulk_id)
    found = bulk.find(bulk_id)
    assert found and found.done == 5


def test_one_that_cannot_be_done_about_is_named_and_stops_no_other(worker: Worker) -> None:
    unsent = factories.place()["id"]
    factories.put({"id": unsent}, attention="conflict")
    [done] = conflicts(1)
    bulk_id = begin(ABOUT, 2, "check")
    work(worker, bulk_id)
    found = bulk.find(bulk_id)
    assert found and (found.done, found.refused, found.state) == (1, 1, "done")
    [refused] = bulk.refused(bulk_id)
    assert refused.order_id == unsent and "never sent" in refused.note
    assert statuses([done]) == {"completed"}


def test_a_worker_that_is_killed_repeats_nothing_and_another_goes_on(
    worker: Worker, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflicts(4)
    bulk_id = begin(ABOUT, 4, "note")
    carry_out, calls = deeds.carry_out, 0

    def killed_at_the_third(*given: Any) -> str | None:
        nonlocal calls
        calls += 1
        came_of_it = carry_out(*given)
        if calls == 3:
            raise KeyboardInterrupt
        return came_of_it

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(deeds, "carry_out", killed_at_the_third)
        work(worker, bulk_id)
    assert len(events()) == 2

    assert bulk.stalled(5) == []
    database.rows("UPDATE referans.bulk_actions SET created_at = now() - interval '2 minutes'")
    assert sum(work_on.go_on(worker)) == 1
    assert heard.sent == [(BULK, str(bulk_id))]
    work(worker, bulk_id)
    assert len(events()) == 4
    assert "bulk_continued" in sweeping.STEPS


def test_what_is_done_and_that_it_is_done_are_written_together(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflicts(2)
    bulk_id = begin(ABOUT, 2, "note")
    with monkeypatch.context() as patch, pytest.raises(peewee.DatabaseError):
        patch.setattr(bulk, "DONE", "SELECT 1 / 0")  # the connection is lost between the two
        work(worker, bulk_id)
    assert events() == []
    work(worker, bulk_id)
    assert len(events()) == 2


def test_it_takes_turns_and_stops_when_told(
    worker: Worker, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_on, "NOTE_EVERY", 1)
    monkeypatch.setattr(work_on, "TURN_SECONDS", 0)
    conflicts(3)
    bulk_id = begin(ABOUT, 3, "note")
    work(worker, bulk_id)
    assert heard.sent == [(BULK, str(bulk_id))]
    assert bulk.stop(bulk_id) and not bulk.stop(bulk_id)
    before = len(events())
    for _ in range(3):
        work(worker, bulk_id)
    assert len(events()) == before < 3
    assert bulk.go_on(bulk_id, "rana")
    for _ in range(5):
        work(worker, bulk_id)
    assert len(events()) == 3
    found = bulk.find(bulk_id)
    assert found and found.state == "done"


def test_a_resend_in_bulk_keeps_to_what_may_be_bought_twice(worker: Worker, heard: Heard) -> None:
    ids = [factories.sent()["id"] for _ in range(2)]
    careful = begin(ALL_SENT, 2, "resend")
    work(worker, careful)
    found = bulk.find(careful)
    assert found and found.refused == 2
    allowed = begin(ALL_SENT, 2, "resend", may_buy_twice=True)
    work(worker, allowed)
    assert statuses(ids) == {"not_sent"}
    assert sorted(heard.sent) == sorted((DISPATCH, each) for each in ids)


@pytest.mark.parametrize(
    ("action", "options"), [("resend", {"may_buy_twice": True}), ("fail", {}), ("reverse", {})]
)
def test_what_has_changed_since_it_was_chosen_is_left_alone(
    worker: Worker, heard: Heard, action: str, options: dict[str, Any]
) -> None:
    """Delivered after it was chosen, it is neither bought twice nor refunded."""
    delivered, open_ = factories.sent(), factories.sent()
    bulk_id = begin(ALL_SENT, 2, action, **options)
    factories.settle(factories.arrival(delivered, ExternalStatus.COMPLETED, pin="PIN-1"))
    work(worker, bulk_id)
    assert statuses([delivered["id"]]) == {"completed"}
    assert statuses([open_["id"]]) != {"sent"}
    found = bulk.find(bulk_id)
    assert found and (found.done, found.refused, found.state) == (1, 1, "done")
    assert "decide again" in bulk.refused(bulk_id)[0].note


def test_two_actions_on_the_same_orders_send_each_once(worker: Worker, heard: Heard) -> None:
    ids = [factories.sent()["id"] for _ in range(2)]
    both = [begin(ALL_SENT, 2, "resend", may_buy_twice=True) for _ in range(2)]
    for bulk_id in both:
        work(worker, bulk_id)
    assert sorted(heard.sent) == sorted((DISPATCH, each) for each in ids)
    assert [found.refused for each in both if (found := bulk.find(each))] == [0, 2]


def test_a_form_that_is_sent_twice_begins_one(worker: Worker) -> None:
    conflicts(1)
    first = begin(ABOUT, 1, "note", form="a-form")
    with pytest.raises(bulk.Begun) as same:
        begin(ABOUT, 1, "note", form="a-form")
    assert same.value.bulk_id == first
    assert len(bulk.newest(5)) == 1


def test_every_filter_narrows_a_kind(worker: Worker) -> None:
    first, second = conflicts(2)
    factories.put({"id": first}, productId="other-game", userIdentifier="someone", tenantId=factories.TENANT)
    for wanted, view in (
        (Filter(product_id="other-game"), EVERYTHING),
        (Filter(user_identifier="someone"), EVERYTHING),
        (Filter(), View(factories.TENANT)),
    ):
        about = About("conflict", wanted, view)
        assert bulk.count(about, LIMITS) == 1
        listed = stuck.orders(LIMITS, 10, Attention.CONFLICT, narrowed=about.narrowed)
        assert [each.id for each in listed] == [first]
    bulk_id = begin(About("conflict", Filter(product_id="other-game")), 1, "dismiss")
    work(worker, bulk_id)
    assert [factories.column({"id": each}, "attention") for each in (first, second)] == [None, "conflict"]


@pytest.mark.parametrize(
    ("becomes", "goes_on"),
    [
        ("UPDATE referans.people SET role = 'viewer'", False),
        ("DELETE FROM referans.people", False),
        ("UPDATE referans.people SET role = 'admin'", True),
    ],
)
def test_it_goes_on_for_as_long_as_its_person_may(worker: Worker, becomes: str, goes_on: bool) -> None:
    conflicts(2)
    person_id = person.add("rana", Role.OPERATOR, "correct horse")
    bulk_id = begin(ABOUT, 2, "note", whose=bulk.Whose(person_id=person_id))
    database.rows(becomes)
    work(worker, bulk_id)
    found = bulk.find(bulk_id)
    assert found and found.state == ("done" if goes_on else "stopped")
    assert len(events()) == (2 if goes_on else 0)
    if not goes_on:
        assert found.refusal and "may not do this any more" in found.refusal
        assert bulk.go_on(bulk_id, "omar")
        work(worker, bulk_id)
        assert len(events()) == 2 and all(each.startswith("omar: ") for each in events())


def test_it_stops_once_its_key_is_revoked(worker: Worker) -> None:
    conflicts(1)
    api_key.create("desk", [Scope.OPS])
    bulk_id = begin(ABOUT, 1, "note", whose=bulk.Whose(key_id=1))
    api_key.revoke(1)
    work(worker, bulk_id)
    assert events() == []


@pytest.mark.parametrize("error", [sealed.Unsealable(Said("the keys open nothing")), None])
def test_one_that_the_keys_or_the_database_refuse_keeps_no_other_from_its_turn(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    first = min(conflicts(3))
    carry_out = deeds.carry_out

    def refused(deed: deeds.Deed, order_id: str, limits: Limits) -> str | None:
        if order_id == first and error:
            raise error
        if order_id == first:
            database.rows("DO $$ BEGIN RAISE EXCEPTION 'a trigger of another system'; END $$")
        return carry_out(deed, order_id, limits)

    monkeypatch.setattr(deeds, "carry_out", refused)
    bulk_id = begin(ABOUT, 3, "dismiss")
    work(worker, bulk_id)
    found = bulk.find(bulk_id)
    assert found and (found.done, found.refused, found.state) == (2, 1, "done")
    assert [each.order_id for each in bulk.refused(bulk_id)] == [first]


def test_an_order_that_another_system_may_still_send_is_not_failed(worker: Worker) -> None:
    theirs = factories.place()
    factories.put(theirs, placedByGateway=False)
    bulk_id = begin(About(wanted=Filter(external_status=ExternalStatus.NOT_SENT)), 1, "fail")
    work(worker, bulk_id)
    assert statuses([theirs["id"]]) == {"not_sent"}
    assert "may still do so" in bulk.refused(bulk_id)[0].note


def test_where_asking_may_buy_a_final_order_is_not_asked_about(worker: Worker, heard: Heard) -> None:
    final = factories.sent()
    factories.settle(factories.arrival(final, ExternalStatus.COMPLETED, pin="PIN-1"))
    database.rows("UPDATE referans.providers SET adapter = 'digiflazz'")
    bulk_id = begin(About(wanted=Filter(external_status=ExternalStatus.COMPLETED)), 1, "check")
    work(worker, bulk_id)
    assert heard.sent == [] and factories.column(final, "checkRequestedAt") is None
    assert "may buy it again" in bulk.refused(bulk_id)[0].note


def test_which_orders_one_of_long_ago_was_about_is_forgotten_and_how_many_is_not(worker: Worker) -> None:
    conflicts(2)
    bulk_id = begin(ABOUT, 2, "note")
    work(worker, bulk_id)
    assert bulk.forget(10) == 0
    database.rows("UPDATE referans.bulk_actions SET ended_at = now() - interval '91 days'")
    assert (bulk.forget(1), bulk.forget(10), bulk.forget(10)) == (1, 1, 0)
    found = bulk.find(bulk_id)
    assert found and found.done == 2


def test_a_message_about_none_does_nothing(worker: Worker) -> None:
    work(worker, 7)


def test_what_a_person_sees_of_an_order_says_who_may_have_it(models: None) -> None:
    waiting, sent = factories.place(), factories.sent()
    assert resolving.prospects(waiting["id"]).holder is None
    assert resolving.prospects(sent["id"]).holder == "sandbox"
