"""The inbox: found again in many ways, and settled again without harm."""

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from models import inbox, rereading
from models.codes import Code
from models.db import database
from models.inbox import Filter, Invalid, Kept, WholeCallback
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from tests import factories
from tests.factories import ORDER_TIMEOUT_SECONDS, arrival, settle
from tests.waiting import wait_until

COMPLETED, FAILED, PROCESSING = ExternalStatus.COMPLETED, ExternalStatus.FAILED, ExternalStatus.PROCESSING
#: A reference that no order has.
NOBODY = {"provider_referans": "123456789012345678"}

pytestmark = pytest.mark.usefixtures("db")


def snapshot() -> list[Any]:
    """Every row of what a callback may touch."""
    tables = ("product_orders", "referans.order_events", "referans.callback_events")
    return [database.rows(f"SELECT to_jsonb(t) AS row FROM {table} AS t ORDER BY id") for table in tables]


def everything() -> list[WholeCallback]:
    found = inbox.extent(Filter())
    return inbox.between(Filter(), 0, found.last_id, 1000) if found else []


def results() -> list[str]:
    return [row.result for row in everything()]


def kept_invalid(key: str = "invalid:1", raw: str = '{"pin": "PIN-ONE"}') -> int:
    inbox.keep_invalid(factories.SANDBOX, [Invalid(key, raw, "no reference")])
    return int(database.rows("SELECT max(id) AS id FROM referans.callback_events")[0]["id"])


def read_now(found: dict[str, Any], *, key: str = "content:1", pin: str = "PIN-ONE") -> Arrival:
    """What an invalid callback says once it can be read."""
    return arrival(found, COMPLETED, pin, dedupe_key=key, raw='{"pin": "PIN-ONE"}')


def settle_invalid(callback_id: int, *arrivals: Arrival) -> list[str]:
    return [
        one.result.value for one in rereading.settle_invalid(callback_id, arrivals, ORDER_TIMEOUT_SECONDS)
    ]


def of_every_kind() -> None:
    """A callback with each result."""
    applied, conflicting = factories.sent(), factories.sent()
    settle(
        arrival(applied, PROCESSING),
        arrival(applied, COMPLETED, "PIN-ONE"),
        arrival(applied, COMPLETED, "PIN-ONE"),
    )
    settle(
        arrival(applied, PROCESSING), arrival(conflicting, FAILED), arrival(conflicting, COMPLETED, "PIN-TWO")
    )
    settle(arrival(NOBODY, COMPLETED, "PIN-SIX"))
    kept_invalid()


# --- finding


def test_callbacks_are_found_newest_first_by_what_they_are_about() -> None:
    of_every_kind()
    factories.add_provider("other")
    settle(arrival(NOBODY, COMPLETED, provider_id="other"))

    newest = inbox.page(Filter(), 100)

    assert [row.id for row in newest] == sorted((row.id for row in newest), reverse=True)
    assert {row.result for row in newest} == set(Kept)
    for result in Kept:
        found = inbox.page(Filter(result=result), 100)
        assert found == [row for row in newest if row.result == result]
    assert [row.provider_id for row in inbox.page(Filter(provider_id="other"), 100)] == ["other"]
    ((order_id, count),) = {(row.order_id, 2) for row in newest if row.result == "conflict"}
    assert len(inbox.page(Filter(order_id=order_id), 100)) == count
    assert inbox.page(Filter(), 2) == newest[:2]


def test_callbacks_are_found_by_when_they_came() -> None:
    of_every_kind()
    database.rows(
        "UPDATE referans.callback_events SET received_at = now() - interval '2 hours' WHERE result = 'invalid'"
    )

    since = datetime.now(UTC) - timedelta(hours=1)

    assert "invalid" not in {row.result for row in inbox.page(Filter(since=since), 100)}
    assert "invalid" not in {row.result for row in inbox.page(Filter(since=timedelta(hours=1)), 100)}
    assert "invalid" in {row.result for row in inbox.page(Filter(since=timedelta(hours=3)), 100)}


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(result=Kept.CONFLICT),
        Filter(order_id=factories.NO_ORDER),
        Filter(provider_id="rare"),
        Filter(since=timedelta(minutes=1)),
        Filter(result=Kept.INVALID, since=timedelta(days=1)),
    ],
)
def test_a_list_reads_no_whole_inbox(wanted: Filter, monkeypatch: pytest.MonkeyPatch) -> None:
    database.rows("""
        INSERT INTO referans.callback_events (provider_id, dedupe_key, result, received_at, order_id)
        SELECT 'sandbox', n::text, 'applied', now() - n * interval '2 minutes', gen_random_uuid()
        FROM generate_series(1, 20000) AS n""")
    factories.analyze("referans.callback_events")

    asked: list[Any] = []
    monkeypatch.setattr(database, "load_list", lambda *given: asked.append(given))
    inbox.page(wanted, 50)
    [(_, sql, values)] = asked
    plan = "\n".join(row["QUERY PLAN"] for row in database.rows("EXPLAIN " + sql, values))

    assert "idx_callback_events" in plan or "callback_events_provider_id_dedupe_key_key" in plan
    assert "Seq Scan" not in plan


def test_what_comes_meanwhile_is_behind_the_end() -> None:
    of_every_kind()
    extent = inbox.extent(Filter())
    assert extent is not None and extent.count == len(everything())

    settle(arrival(NOBODY, COMPLETED))

    assert len(inbox.between(Filter(), 0, extent.last_id, 1000)) == extent.count
    assert len(inbox.between(Filter(), extent.first_id, extent.last_id, 2)) == 2
    assert inbox.extent(Filter(since=datetime.now(UTC) + timedelta(days=1))) is None


def test_what_a_callback_did_is_on_its_orders_timeline() -> None:
    placed = factories.sent()
    settle(arrival(placed, PROCESSING, message="soon"))
    settle(arrival(placed, COMPLETED, "PIN-ONE", message="Enjoy"))
    settle(arrival(placed, FAILED))

    did = [[(one.went_to, one.message) for one in inbox.events(row)] for row in everything()]

    assert did == [[("processing", "soon")], [("completed", "Enjoy")], [("completed", "conflict: failed")]]


# --- settling again


def test_settling_the_whole_inbox_again_changes_nothing() -> None:
    of_every_kind()
    before = snapshot()

    for _ in range(2):
        again = [said for row in everything() if (said := inbox.arrival(row))]
        assert len(again) == len(everything()) - 1
        assert set(settle(*again)) == {"duplicate", "unmatched"}

    assert snapshot() == before


def test_an_invalid_callback_that_can_be_read_becomes_what_it_does() -> None:
    placed = factories.sent()
    kept = kept_invalid()

    assert settle_invalid(kept, read_now(placed)) == ["applied"]

    (row,) = everything()
    assert (row.id, row.result, row.order_id) == (kept, "applied", placed["id"])
    assert row.status == "completed" and row.message is None and row.settled_at
    assert "PIN-ONE" not in row.raw + row.outcome
    assert inbox.raw(row) == '{"pin": "PIN-ONE"}'
    said = inbox.arrival(row)
    assert said is not None and said.outcome.codes == (Code("PIN-ONE"),)
    assert factories.column(placed, "externalStatus") == "completed"


def test_an_invalid_callback_is_settled_once() -> None:
    placed = factories.sent()
    kept = kept_invalid()
    settle_invalid(kept, read_now(placed))
    before = snapshot()

    assert settle_invalid(kept, read_now(placed)) == ["duplicate"]
    assert settle(read_now(placed)) == ["duplicate"]

    assert snapshot() == before


def test_a_callback_that_was_read_is_not_opened_again() -> None:
    """Two operators, the second with a stale list and a newer reading, under another key."""
    placed = factories.sent()
    kept = kept_invalid()
    settle_invalid(kept, read_now(placed, key="id:first"))
    (before,) = everything()

    settle_invalid(kept, read_now(placed, key="id:second"))

    assert before in everything()


def test_an_invalid_callback_whose_event_came_again_is_a_duplicate_of_it() -> None:
    placed = factories.sent()
    kept = kept_invalid()
    settle(read_now(placed, key="id:mended"))

    assert settle_invalid(kept, read_now(placed, key="id:mended", pin="PIN-TWO")) == ["duplicate"]

    row, other = everything()
    assert (row.result, row.order_id) == ("duplicate", placed["id"])
    assert row.message == f"no reference; the same event is callback {other.id}"
    assert inbox.raw(row) == '{"pin": "PIN-ONE"}' and inbox.arrival(row) is None
    assert len(inbox.events(other)) == 1 and inbox.events(row) == []


def test_an_invalid_callback_for_an_order_that_is_not_there_waits_for_it() -> None:
    kept = kept_invalid()
    assert settle_invalid(kept, read_now(NOBODY)) == ["unmatched"]
    assert results() == ["unmatched"]

    placed = factories.sent()
    factories.put(placed, provider_referans=NOBODY["provider_referans"])
    (waiting,) = map(inbox.arrival, inbox.unmatched(10))

    assert settle(waiting) == ["applied"]
    assert [(row.id, row.result) for row in everything()] == [(kept, "applied")]


def test_an_invalid_callback_that_is_known_by_the_providers_number_is_sealed_for_it() -> None:
    kept = kept_invalid()
    outcome = Outcome(COMPLETED, external_order_id="Z-77", codes=(Code("PIN-ONE"),))
    settle_invalid(
        kept, Arrival(factories.SANDBOX, Source.CALLBACK, outcome, dedupe_key="content:1", raw="{}")
    )

    (waiting,) = inbox.readable(inbox.waiting_for(factories.SANDBOX, "Z-77"))
    row = everything()[0]

    assert waiting.outcome == outcome
    assert inbox.raw(row) == "{}"


def test_an_invalid_callback_with_several_orders_settles_each() -> None:
    first, second = factories.sent(), factories.sent()
    kept = kept_invalid()
    several = [read_now(first, key="content:1#0"), read_now(second, key="content:1#1")]

    assert settle_invalid(kept, *several) == ["applied", "applied"]
    assert settle_invalid(kept, *several) == ["duplicate", "duplicate"]

    assert [(row.order_id, row.result) for row in everything()] == [
        (first["id"], "applied"),
        (second["id"], "applied"),
    ]


def test_an_invalid_callback_settled_by_many_at_once_has_one_effect() -> None:
    orders = [factories.sent() for _ in range(20)]
    kept = [kept_invalid(f"invalid:{number}") for number in range(20)]
    barrier = threading.Barrier(4)
    said: list[list[str]] = []

    def contend(redelivered: bool) -> None:
        barrier.wait()
        with database.session():
            found = []
            for number, (callback_id, one) in enumerate(zip(kept, orders, strict=True)):
                read = read_now(one, key=f"content:{number}")
                found.append(settle(read)[0] if redelivered else settle_invalid(callback_id, read)[0])
            said.append(found)

    threads = [threading.Thread(target=contend, args=(number == 0,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [sorted(of_one) for of_one in zip(*said, strict=True)] == [["applied", *["duplicate"] * 3]] * 20
    events = database.rows("SELECT order_id FROM referans.order_events WHERE source = 'callback'")
    assert len(events) == len(orders)
    assert set(results()) <= {"applied", "duplicate"}
    assert all(factories.column(one, "externalStatus") == "completed" for one in orders)


def test_an_invalid_callback_whose_event_is_being_kept_meanwhile_is_a_duplicate_of_it(
    database_url: str,
) -> None:
    """The other transaction has the key and has not committed when this one looks for it."""
    order, callback_id = factories.sent(), kept_invalid()
    said = read_now(order)
    got: list[str] = []

    def read_again() -> None:
        with database.session():
            got.extend(settle_invalid(callback_id, said))

    thread = threading.Thread(target=read_again)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO referans.callback_events (provider_id, dedupe_key, result, order_id)"
            " VALUES ('sandbox', %s, 'applied', %s)",
            (said.dedupe_key, order["id"]),
        )
        thread.start()
        wait_until(lambda: bool(database.rows(LOCKED)), what="the reading waits for the key")
        other.commit()
    thread.join()

    assert got == ["duplicate"]
    assert results() == ["duplicate", "applied"]


LOCKED = """
SELECT FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database() AND query ~ 'UPDATE referans.callback_events'
"""


def test_among_thousands_unmatched_the_ones_whose_order_appears_are_found_and_no_others() -> None:
    strangers = [
        factories.arrival({"provider_referans": f"stranger-{number}"}, COMPLETED) for number in range(3000)
    ]
    assert set(settle(*strangers)) == {"unmatched"}
    appeared = [factories.sent() for _ in range(3)]
    for number, one in enumerate(appeared):
        factories.put(one, provider_referans=f"stranger-{1000 * number}")

    factories.analyze("referans.callback_events")
    explained = " ".join(str(row) for row in database.rows("EXPLAIN " + inbox.REAPPEARED, EVERYTHING))
    found = inbox.unmatched(100)

    assert "idx_callback_events_unmatched" in explained
    assert settle(*inbox.readable(found)) == ["applied"] * 3
    assert inbox.unmatched(100) == []
    left = inbox.extent(Filter(result=Kept.UNMATCHED))
    assert left is not None and left.count == len(strangers) - len(appeared)


EVERYTHING = {"limit": 100, "after_id": 0}
