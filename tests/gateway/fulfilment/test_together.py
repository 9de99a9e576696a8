"""Orders that are due together are asked about in one question, by one worker: a described protocol over real HTTP."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from gateway.fulfilment import checking
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import CHECK, Worker
from models import claims, plans, provider_health
from models.claims import ASKS
from models.db import database
from tests import factories
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.described import BULK, CUT, NUMBERED, Shop, opened
from tests.gateway.fulfilment.orders import DAY, Queue, age, events, go_down, put, row, status
from tests.waiting import wait_until

SANDBOX = factories.SANDBOX
#: What asks by our references, and what asks by the shop's numbers.
EACH = pytest.mark.parametrize("text", [BULK, NUMBERED], ids=["by our references", "by their numbers"])
#: How many claims wait for their turn.
WAITING_FOR_TURN = """
SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()
"""

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def shop(models: None, request: pytest.FixtureRequest) -> Iterator[Shop]:
    text = request.node.callspec.params.get("text", BULK) if hasattr(request.node, "callspec") else BULK
    with opened(text, max_concurrency=4) as shop:
        yield shop


def waiting(shop: Shop, count: int) -> list[str]:
    """Orders that the shop has accepted and whose check is due."""
    orders = [str(factories.place(f"player-{number}")["id"]) for number in range(count)]
    rows = database.rows(
        'UPDATE product_orders SET "externalStatus" = \'sent\', "claimedAt" = now(), "sentAt" = now(),'
        ' "mayBeKnown" = true, "externalOrderId" = \'N\' || provider_referans,'
        " \"nextCheckAt\" = now() - interval '1 s' RETURNING provider_referans"
    )
    for each in rows:
        referans = each["provider_referans"]
        shop.book[referans] = {"ref": referans, "number": f"N{referans}", "state": "open", "codes": []}
    return orders


def asked(shop: Shop) -> Counter[str]:
    """How often each order was asked about, by what names it."""
    questions = [fields for path, fields in shop.calls if path == "/ask"]
    named = [said.get("refs") or said.get("numbers") or said["ref"] for said in questions]
    return Counter(name for names in named for name in names.split(","))


def referans(order: str) -> str:
    return str(row(order)["provider_referans"])


@EACH
def test_those_that_are_due_are_asked_about_in_one_question(worker: Worker, shop: Shop, text: str) -> None:
    orders = waiting(shop, 5)
    shop.decide("done", "PIN-1")
    checking.check(worker, orders[3])
    assert [status(order) for order in orders] == ["completed"] * 5
    assert shop.count("/ask") == 1
    for order in orders:
        checking.check(worker, order)
    assert shop.count("/ask") == 1


@EACH
def test_a_line_that_is_missing_teaches_nothing(worker: Worker, shop: Shop, text: str) -> None:
    orders = waiting(shop, 3)
    shop.decide("done", "PIN-1")
    shop.left_out = {referans(orders[1])}
    for _ in range(3):
        checking.check(worker, orders[1])
        age(orders[1], 700)
        put(orders[0], nextCheckAt=row(orders[1])["createdAt"], externalStatus="sent", status="pending")
    found = row(orders[1])
    assert (found["externalStatus"], found["unknownCount"], found["providerId"]) == ("sent", 0, SANDBOX)
    assert "nothing in the answer is about the order" in events(orders[1])[-1]


def test_a_line_that_names_an_order_twice_teaches_nothing(worker: Worker, shop: Shop) -> None:
    orders = waiting(shop, 3)
    shop.decide("done", "PIN-1")
    shop.twice = {referans(orders[1])}
    checking.check(worker, orders[0])
    assert [status(order) for order in orders] == ["completed", "sent", "completed"]


@pytest.mark.parametrize(
    "said", [{"lines": []}, {"state": "unknown"}, {"state": "of another version"}, b"<html>"]
)
def test_an_answer_without_lines_teaches_nothing(worker: Worker, shop: Shop, said: object) -> None:
    orders = waiting(shop, 3)
    for order in orders:
        put(order, externalStatus="pending")
    shop.says["/ask"] = [said]
    for _ in range(ASKS + 1):
        checking.check(worker, orders[0])
        for order in orders:
            age(order, 700)
    assert [(status(order), row(order)["unknownCount"]) for order in orders] == [("pending", 0)] * 3
    assert not shop.bought


def test_a_line_that_says_unknown_counts_for_its_order_alone(worker: Worker, shop: Shop) -> None:
    orders = waiting(shop, 3)
    for order in orders:
        put(order, externalStatus="pending")
    del shop.book[referans(orders[1])]
    lines = [{"ref": referans(orders[1]), "state": "unknown"}, *shop.book.values()]
    shop.says["/ask"] = [{"lines": lines}]
    checking.check(worker, orders[0])
    assert [row(order)["unknownCount"] for order in orders] == [0, 1, 0]
    # Denied as often as it must be, it is sent again: alone.
    age(orders[1], 700)
    put(orders[1], unknownCount=ASKS)
    checking.check(worker, orders[1])
    assert (status(orders[1]), list(shop.bought.values())) == ("sent", [1])


def test_one_call_that_fails_is_one_failure(worker: Worker, shop: Shop) -> None:
    orders = waiting(shop, 50)
    shop.says["/ask"] = [CUT]
    checking.check(worker, orders[0])
    health = provider_health.health(SANDBOX)
    assert health and (health.failures, health.down) == (1, False)
    assert {status(order) for order in orders} == {"sent"}


def test_no_more_are_asked_about_than_the_protocol_takes(worker: Worker, shop: Shop) -> None:
    orders = waiting(shop, 130)
    checking.check(worker, orders[0])
    assert len(asked(shop)) == 100
    checking.check(worker, next(order for order in orders if not row(order)["checkCount"]))
    assert len(asked(shop)) == 130
    assert set(asked(shop).values()) == {1}


def test_what_is_not_due_or_of_another_provider_is_not_asked_about(
    worker: Worker, shop: Shop, backup: str
) -> None:
    orders = waiting(shop, 4)
    put(orders[1], nextCheckAt=None)
    put(orders[2], providerId=backup)
    database.rows(
        "UPDATE product_orders SET \"nextCheckAt\" = now() + interval '9 s' WHERE id = %s", (orders[3],)
    )
    checking.check(worker, orders[0])
    assert row(orders[0])["checkCount"] == 1
    assert [row(order)["checkCount"] for order in orders[1:]] == [0, 0, 0]


@EACH
def test_one_that_has_no_number_is_asked_about_as_the_protocol_can(
    worker: Worker, shop: Shop, text: str
) -> None:
    orders = waiting(shop, 3)
    put(orders[0], externalOrderId=None)
    checking.check(worker, orders[0])
    assert row(orders[0])["attention"] == (None if text is BULK else "cannot_ask")
    assert [row(order)["checkCount"] for order in orders[1:]] == [1, 1]


def test_those_that_were_asked_about_together_are_due_together_again(
    worker: Worker, shop: Shop, queue: Queue
) -> None:
    orders = waiting(shop, 20)
    checking.check(worker, orders[0])
    assert len({row(order)["nextCheckAt"] for order in orders}) == 1
    assert {hint.order_id for hint in queue.hints() if hint.actor == CHECK} == set(orders)


def test_those_that_were_sent_within_some_seconds_are_due_at_the_same_moment(
    worker_for: WorkerFor, shop: Shop
) -> None:
    account = checking.provider.find(SANDBOX)
    assert account
    moments = set()
    for tenths in range(50):
        worker = worker_for(clock=lambda now=1_000_020 + tenths / 10: now)
        delay = worker.first_check_seconds(account)
        assert 60 <= delay <= 66
        moments.add(round(worker.clock() + delay, 3))
    assert len(moments) <= 2


def test_those_whose_time_is_up_fail_after_the_question(worker: Worker, shop: Shop) -> None:
    orders = waiting(shop, 4)
    for order in orders[:3]:
        age(order, DAY)
    shop.book[referans(orders[0])] |= {"state": "done", "codes": ["PIN-1"]}
    checking.check(worker, orders[1])
    assert [status(order) for order in orders] == ["completed", "failed", "failed", "processing"]
    assert shop.count("/ask") == 1


def test_while_it_is_down_one_question_is_the_probe(worker: Worker, shop: Shop) -> None:
    orders = waiting(shop, 10)
    go_down()
    for order in orders:
        checking.check(worker, order)
    assert shop.count("/ask") == 0
    database.rows("UPDATE referans.provider_health SET probe_at = now()")
    for order in orders:
        put(order, nextCheckAt=row(order)["createdAt"])
    checking.check(worker, orders[0])
    assert shop.count("/ask") == 1
    health = provider_health.health(SANDBOX)
    assert health and not health.down


def test_a_thousand_cost_twelve_questions_a_round_with_four_workers(
    worker_for: WorkerFor, shop: Shop
) -> None:
    """And each of them is asked about once a round."""
    orders = waiting(shop, 1000)
    shop.delay_seconds = 0.02
    for number in range(1, 4):
        before = shop.count("/ask")
        database.rows('UPDATE product_orders SET "nextCheckAt" = now()')
        work_off([worker_for() for _ in range(4)], orders)
        assert shop.count("/ask") - before <= 12
        assert set(asked(shop).values()) == {number}
        assert len(asked(shop)) == 1000
    assert not plans.due(1, None)


def test_claims_that_begin_together_do_not_share_the_orders_among_them(worker: Worker, shop: Shop) -> None:
    """They take turns, so that the first question is full; else each would hold its own order back from it."""
    orders = waiting(shop, 100)
    first = orders[:4]
    with database.database.atomic():
        database.rows(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (claims.TOGETHER_LOCK, factories.SANDBOX)
        )
        threads = [threading.Thread(target=checking.check, args=(worker, order)) for order in first]
        for thread in threads:
            thread.start()
        wait_until(lambda: database.rows(WAITING_FOR_TURN)[0]["count"] == len(first))
    for thread in threads:
        thread.join()
    assert shop.count("/ask") == 1
    assert (len(asked(shop)), set(asked(shop).values())) == (100, {1})


def work_off(workers: Sequence[Worker], orders: Sequence[str]) -> None:
    """Let the workers take the messages of these orders, each its share of them; one that is refused comes again."""
    failed: list[BaseException] = []

    def work(worker: Worker, share: list[str]) -> None:
        try:
            while share:
                try:
                    checking.check(worker, share[0])
                except Busy:
                    share.append(share[0])
                share.pop(0)
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(worker, list(orders[number :: len(workers)])))
        for number, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
