"""The storefront is told: what is due is delivered, in order, and what fails is tried again."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from gateway.fulfilment import notifying
from gateway.fulfilment.notifying import CALLS, Notifier
from gateway.posting import Poster
from gateway.settings import load
from models import claims, outbox, timeline
from models.db import database, receiver
from models.outbox import MOST_CALLS, Became, Held, Tried
from models.status import ExternalStatus
from tests import factories
from tests.factories import arrival, settle
from tests.listening import listening
from tests.ports import free_port
from tests.waiting import wait_until

SECRET, NEXT_SECRET = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz", "whsec_c2Vjb25kLXNlY3JldC1vZi10ZXN0cw=="
COMPLETED, FAILED, REVERSED = ExternalStatus.COMPLETED, ExternalStatus.FAILED, ExternalStatus.REVERSED

pytestmark = pytest.mark.usefixtures("db")


@dataclass(frozen=True, slots=True)
class Request:
    """What a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Shop:
    """A receiver of notifications. `answer` is asked for the status (and headers, and body) of each answer."""

    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Any] = lambda request: 200
    url: str = ""

    def kinds(self) -> list[str]:
        return [each.document["type"] for each in self.requests]


@contextmanager
def shop_open() -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Request(self.path, headers, body, time.monotonic())
            shop.requests.append(got)
            answer = shop.answer(got)
            status, more, said = answer if isinstance(answer, tuple) else (answer, {}, b"")
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with listening(server):
        shop.url = f"http://127.0.0.1:{server.server_port}"
        yield shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    """The receiver at NOTIFY_URL."""
    with shop_open() as found:
        yield found


@pytest.fixture
def other_shop() -> Iterator[Shop]:
    with shop_open() as found:
        yield found


@pytest.fixture(autouse=True)
def with_default(db: None) -> Iterator[None]:
    receiver.bind(True)
    yield
    receiver.bind(False)


def notifier_for(shop: Shop, *, try_seconds: float = 2.0, **variables: str) -> Notifier:
    given = {"NOTIFY_URL": f"{shop.url}/hook?shop=1", "NOTIFY_SECRET": SECRET, **variables}
    return Notifier(load(given, require=()), Poster(try_seconds=try_seconds), uniform=lambda low, high: low)


def ended(
    status: ExternalStatus = COMPLETED,
    pin: str | None = "PIN-ONE-1234",
    url: str | None = None,
    tenant_id: str | None = None,
) -> dict[str, Any]:
    """An order that has ended, and of which the storefront is to be told."""
    order = factories.place(notify_url=url, tenant_id=tenant_id)
    claims.claim_dispatch(order["id"], grace_seconds=60)
    settle(arrival(order, status, pin if status is COMPLETED else None))
    return order


def make_due() -> None:
    """As if all waits were over."""
    database.rows("UPDATE referans.notifications SET next_try_at = now() WHERE state = 'waiting'")
    database.rows("UPDATE referans.receivers SET paused_until = now() WHERE paused_until IS NOT NULL")


def standing() -> list[tuple[str, int]]:
    return [(each.state, each.tries) for each in outbox.page(outbox.Filter(), 100)]


def test_a_notification_is_delivered_once_and_signed(shop: Shop) -> None:
    order = ended()
    notifier = notifier_for(shop)
    notifier.deliver()
    notifier.deliver()
    [request] = shop.requests
    assert request.path == "/hook?shop=1"
    document = Webhook(SECRET).verify(request.body, request.headers)
    assert document["type"] == "order.completed"
    assert document["data"]["id"] == order["id"]
    assert document["data"]["externalStatus"] == "completed"
    assert "pinCode" not in document["data"]
    assert b"PIN-ONE" not in request.body
    assert standing() == [("delivered", 1)]


def test_each_secret_signs_so_that_one_can_be_replaced(shop: Shop) -> None:
    ended()
    notifier_for(shop, NOTIFY_SECRET=f"{NEXT_SECRET},{SECRET}").deliver()
    [request] = shop.requests
    assert Webhook(SECRET).verify(request.body, request.headers) == Webhook(NEXT_SECRET).verify(
        request.body, request.headers
    )


def test_a_try_that_fails_is_made_again_with_the_same_id_and_body(shop: Shop) -> None:
    shop.answer = lambda request: 500 if len(shop.requests) < 3 else 204
    ended()
    notifier = notifier_for(shop)
    for _ in range(3):
        notifier.deliver()
        make_due()
    assert len({each.headers["webhook-id"] for each in shop.requests}) == 1
    assert len({each.body for each in shop.requests}) == 1
    assert standing() == [("delivered", 3)]
    [first, second, third] = outbox.deliveries(1)
    assert [each.status for each in (first, second, third)] == [500, 500, 204]
    assert (first.error, third.error) == ("HTTP 500", None)


def test_nothing_is_tried_before_it_is_due(shop: Shop) -> None:
    shop.answer = lambda request: 500
    ended()
    notifier_for(shop).deliver()
    notifier_for(shop).deliver()
    assert len(shop.requests) == 1
    [waits] = outbox.page(outbox.Filter(), 1)
    assert waits.next_try_at
    seconds = database.rows("SELECT EXTRACT(EPOCH FROM %s - now())::float8 AS s", (waits.next_try_at,))[0][
        "s"
    ]
    assert 0 < seconds <= 5


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (299, "delivered"),
        (300, "waiting"),
        (404, "waiting"),
        (410, "dead"),
    ],
)
def test_only_2xx_is_success_and_410_ends_it(shop: Shop, status: int, expected: str) -> None:
    shop.answer = lambda request: status
    ended()
    notifier_for(shop).deliver()
    assert standing() == [(expected, 1)]


def test_a_redirect_is_a_failure_and_is_not_followed(shop: Shop, other_shop: Shop) -> None:
    shop.answer = lambda request: (307, {"Location": other_shop.url}, b"")
    ended()
    notifier_for(shop).deliver()
    assert (standing(), other_shop.requests) == ([("waiting", 1)], [])


def test_after_ten_tries_it_is_dead_and_its_order_needs_a_person(shop: Shop) -> None:
    shop.answer = lambda request: 500
    order = ended()
    for _ in range(12):
        notifier_for(shop).deliver()
        make_due()
    assert len(shop.requests) == 10
    assert standing() == [("dead", 10)]
    assert factories.column(order, "attention") == "notification_dead"
    assert [event.source for event in timeline.events(order["id"])][-1] == "notify"


def test_a_bug_of_ours_is_a_failed_try_too_and_names_no_value(shop: Shop) -> None:
    """What was stored cannot be read, and never will be; the receiver itself is not held responsible."""
    order = ended()
    database.rows("""UPDATE referans.notifications SET payload = '{"created_at": "PIN-ONE-1234"}'""")
    for _ in range(12):
        notifier_for(shop).deliver()
        make_due()
    assert (shop.requests, standing()) == ([], [("dead", 10)])
    assert factories.column(order, "attention") == "notification_dead"
    assert {each.error for each in outbox.deliveries(1)} == {"internal error: ValueError"}
    assert database.rows("SELECT 1 FROM referans.receivers WHERE paused_until IS NOT NULL") == []


def test_that_it_is_dead_gives_way_to_a_graver_reason_and_is_not_told(shop: Shop) -> None:
    shop.answer = lambda request: 410
    order = ended()
    notifier_for(shop).deliver()
    assert len(standing()) == 1
    settle(arrival(order, FAILED))
    assert factories.column(order, "attention") == "conflict"
    notifier_for(shop).deliver()
    assert factories.column(order, "attention") == "conflict"


def test_of_one_order_the_later_one_waits_for_the_earlier_one(shop: Shop) -> None:
    order, failed = ended(), []

    def fail_once(request: Request) -> int:
        if request.document["data"]["id"] != order["id"] or failed:
            return 200
        failed.append(request)
        return 500

    shop.answer = fail_once
    settle(arrival(order, REVERSED))
    other = ended()
    notifier = notifier_for(shop)
    notifier.deliver()
    assert sorted(each.document["data"]["id"] for each in shop.requests) == sorted([order["id"], other["id"]])
    make_due()
    notifier.deliver()
    told = [each.document["type"] for each in shop.requests if each.document["data"]["id"] == order["id"]]
    assert told[-2:] == ["order.completed", "order.reversed"]
    assert [state for state, _ in standing()] == ["delivered"] * 3


def test_one_that_dies_lets_the_next_one_go(shop: Shop) -> None:
    shop.answer = lambda request: 410 if len(shop.requests) == 1 else 200
    settle(arrival(ended(), REVERSED))
    notifier_for(shop).deliver()
    assert shop.kinds() == ["order.completed", "order.reversed"]


def test_a_notification_shows_the_order_as_it_was(shop: Shop) -> None:
    order = ended()
    settle(arrival(order, REVERSED))
    notifier_for(shop).deliver()
    assert [each.document["data"]["externalStatus"] for each in shop.requests] == ["completed", "reversed"]


def test_orders_with_a_receiver_of_their_own_go_there(shop: Shop, other_shop: Shop) -> None:
    ended(url=f"{other_shop.url}/own")
    notifier_for(shop, NOTIFY_ALLOW_PRIVATE="1").deliver()
    assert (len(shop.requests), [each.path for each in other_shop.requests]) == (0, ["/own"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
def test_what_others_choose_may_not_lead_into_our_network(shop: Shop, other_shop: Shop, host: str) -> None:
    ended(url=other_shop.url.replace("127.0.0.1", host))
    notifier_for(shop).deliver()
    assert (other_shop.requests, standing()) == ([], [("waiting", 1)])
    [tried] = outbox.deliveries(1)
    assert tried.error == "the host leads to an address that is not public; see NOTIFY_ALLOW_PRIVATE"


def test_a_receiver_that_hangs_delays_no_other(shop: Shop, other_shop: Shop) -> None:
    is_over = threading.Event()
    other_shop.answer = lambda request: (is_over.wait(30), 200)[1]
    for _ in range(40):
        ended(url=other_shop.url)
        ended()
    notifier = notifier_for(shop, NOTIFY_ALLOW_PRIVATE="1", try_seconds=20)
    running = threading.Thread(target=notifier.run, daemon=True)
    running.start()
    try:
        wait_until(lambda: len(shop.requests) == 40, 10, what="the other receiver's notifications")
        assert len(other_shop.requests) <= 2
        wait_until(lambda: standing().count(("delivered", 1)) == 40, 10)
    finally:
        is_over.set()
        notifier.stop()
        running.join(10)
    assert not running.is_alive()


def test_several_that_begin_to_hang_leave_room_for_others(shop: Shop) -> None:
    """They were quick until now, so that each may have many calls."""
    names = [f"http://shop-{number}.example" for number in range(4)]
    database.rows("INSERT INTO referans.receivers (receiver) SELECT unnest(%s)", (names,))
    for name in names[:3] * 20:
        ended(url=name)
    held: Counter[str] = Counter()
    while due := claim_beside(held):
        held.update(due)
    assert held.total() > CALLS / 2
    ended(url=names[3])
    assert claim_beside(held) == [names[3]]


def claim_beside(held: Counter[str]) -> list[str]:
    """The receivers of what can be claimed beside what is under way."""
    under_way = [Held(name, count, MOST_CALLS) for name, count in held.items()]
    return [each.receiver for each in outbox.claim(CALLS - held.total(), under_way, has_default=True)]


def test_no_tenant_can_take_every_call_with_receivers_that_it_names(shop: Shop) -> None:
    """However many host names its orders have; what goes to NOTIFY_URL is not counted against it."""
    for number in range(40):
        ended(url=f"http://hanging-{number}.example")
    under_way = []
    while due := outbox.claim(CALLS - len(under_way), [], has_default=True, of_tenants={"": len(under_way)}):
        under_way += due
    assert len(under_way) == outbox.MOST_CALLS_OF_TENANT == CALLS / 2
    other = ended(url="http://shop.example", tenant_id=factories.TENANT)
    default = ended()
    due = outbox.claim(CALLS - len(under_way), [], has_default=True, of_tenants={"": len(under_way)})
    assert {each.order_id for each in due} == {other["id"], default["id"]}


def test_without_a_secret_nothing_is_sent_and_it_waits(shop: Shop) -> None:
    ended()
    Notifier(load({"NOTIFY_URL": shop.url}, require=())).deliver()
    assert (shop.requests, standing()) == ([], [("waiting", 0)])


def test_one_that_fails_is_spared_until_it_answers_again(shop: Shop, other_shop: Shop) -> None:
    """It gets one call now and then, and everything at once when it is back."""
    gone = other_shop.url.replace(other_shop.url.rpartition(":")[2], str(free_port()))
    for _ in range(10):
        ended(url=gone)
    notifier = notifier_for(shop, NOTIFY_ALLOW_PRIVATE="1")
    notifier.deliver()
    assert sum(tries for _, tries in standing()) < 10
    database.rows("UPDATE referans.receivers SET paused_until = now()")
    before = sum(tries for _, tries in standing())
    notifier.deliver()
    assert sum(tries for _, tries in standing()) == before + 1
    # It is back: under the same address, which only a server of this test's own can have.
    database.rows("UPDATE referans.notifications SET url = %s", (other_shop.url,))
    database.rows("UPDATE referans.receivers SET paused_until = now()")
    make_due()
    notifier.deliver()
    make_due()
    notifier.deliver()
    assert {state for state, _ in standing()} == {"delivered"}
    assert outbox.receivers() == []


def test_after_days_of_failure_it_is_disabled_and_enabled_by_a_person(shop: Shop) -> None:
    shop.answer = lambda request: 500
    orders = [ended(), ended()]
    notifier = notifier_for(shop)
    for _ in range(5):
        notifier.deliver()
        make_due()
    assert outbox.receivers()[0].disabled_at is None
    database.rows("UPDATE referans.receivers SET failing_since = now() - interval '121 hours'")
    notifier.deliver()
    assert outbox.receivers()[0].disabled_at
    assert {state for state, _ in standing()} == {"dead"}
    assert {factories.column(each, "attention") for each in orders} == {"notification_dead"}

    shop.answer = lambda request: 200
    count = len(shop.requests)
    later = ended()
    notifier.deliver()
    assert len(shop.requests) == count
    assert outbox.enable("NOTIFY_URL")
    notifier.deliver()
    assert [each.document["data"]["id"] for each in shop.requests[count:]] == [later["id"]]


def test_one_failure_after_quiet_days_disables_nothing(shop: Shop) -> None:
    shop.answer = lambda request: 500
    ended()
    notifier = notifier_for(shop)
    notifier.deliver()
    database.rows("UPDATE referans.receivers SET failing_since = now() - interval '121 hours'")
    ended()
    notifier.deliver()
    assert outbox.receivers()[0].disabled_at is None


def test_what_a_killed_process_had_claimed_is_tried_again(shop: Shop) -> None:
    ended()
    assert len(outbox.claim(10, [], has_default=True)) == 1
    notifier_for(shop).deliver()
    assert shop.requests == []
    make_due()
    notifier_for(shop).deliver()
    assert len(shop.requests) == 1


def test_a_process_that_stood_still_sends_nothing_that_another_may_have(shop: Shop) -> None:
    order = ended()
    settle(arrival(order, REVERSED))
    clock = iter([0.0, 0.0, 31.0])
    late = Notifier(
        load({"NOTIFY_URL": shop.url, "NOTIFY_SECRET": SECRET}, require=()),
        monotonic=lambda: next(clock, 31.0),
        uniform=lambda low, high: low,
    )
    late.deliver()
    assert shop.requests == []
    assert standing() == [("waiting", 0), ("waiting", 0)]


def test_the_failure_of_a_claim_that_has_ended_changes_no_plan(shop: Shop) -> None:
    ended()
    [due] = outbox.claim(10, [], has_default=True)
    make_due()
    [again] = outbox.claim(10, [], has_default=True)
    outbox.record([Tried(due, Became.AGAIN, 1, error="no answer in time", delay_seconds=5)])
    assert standing() == [("waiting", 0)]
    outbox.record([Tried(again, Became.DELIVERED, 1, status=200)])
    assert standing() == [("delivered", 1)]
    assert len(outbox.deliveries(due.id)) == 2


def test_without_notify_url_its_notifications_wait_until_it_is_set_again(shop: Shop) -> None:
    ended()
    Notifier(load({"NOTIFY_SECRET": SECRET}, require=())).deliver()
    assert standing() == [("waiting", 0)]
    notifier_for(shop).deliver()
    assert standing() == [("delivered", 1)]


def test_codes_go_along_only_where_that_is_set_and_nobody_can_read_them(shop: Shop) -> None:
    order = ended()
    notifier_for(shop, NOTIFY_WITH_PIN="1").deliver()
    data = shop.requests[0].document["data"]
    assert (data["pinCode"], data["codes"]) == ("PIN-ONE-1234", [{"code": "PIN-ONE-1234"}])
    assert order["id"] == data["id"]


def test_an_answer_is_kept_without_codes(shop: Shop) -> None:
    shop.answer = lambda request: (
        500,
        {},
        b"no such code PIN-ONE-1234, trace AB12CD34EF56 \x1b[31m" + b"x" * 9000,
    )
    order = ended()
    notifier_for(shop, NOTIFY_WITH_PIN="1").deliver()
    [tried] = outbox.deliveries(1)
    assert tried.answer
    assert len(tried.answer) <= 1000
    assert not [each for each in ("PIN-ONE-1234", "AB12CD34EF56", "\x1b") if each in tried.answer]
    assert order


def test_a_receiver_that_answers_without_end_has_answered(shop: Shop) -> None:
    shop.answer = lambda request: (200, {}, b"x" * 1_000_000)
    ended()
    notifier_for(shop).deliver()
    assert standing() == [("delivered", 1)]


def test_what_is_redelivered_comes_again_and_clears_what_a_person_was_needed_for(shop: Shop) -> None:
    shop.answer = lambda request: 410
    order = ended()
    notifier_for(shop).deliver()
    shop.answer = lambda request: 200
    assert outbox.redeliver([1, 2], by="ayşe") == [1]
    assert factories.column(order, "attention") is None
    notifier_for(shop).deliver()
    first, second = shop.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert standing() == [("delivered", 1)]


def test_old_ones_are_deleted_with_their_deliveries(shop: Shop) -> None:
    shop.answer = lambda request: 500 if "order.reversed" in str(request.body) else 200
    order = ended()
    settle(arrival(order, REVERSED))
    notifier_for(shop).deliver()
    assert outbox.purge(60, 100) == 0
    database.rows("UPDATE referans.notifications SET created_at = now() - interval '61 seconds'")
    assert outbox.purge(60, 100) == 1
    assert standing() == [("waiting", 1)]
    assert len(database.rows("SELECT 1 FROM referans.deliveries")) == 1


def test_at_the_end_what_is_under_way_is_awaited_and_nothing_else(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "LOOK_SECONDS", 3600.0)
    notifier, is_over = notifier_for(shop, try_seconds=20), threading.Event()
    shop.answer = lambda request: (is_over.wait(30), 200)[1]
    ended()
    running = threading.Thread(target=notifier.run, daemon=True)
    running.start()
    try:
        wait_until(lambda: shop.requests)
        notifier.stop()
        wait_until(notifier._news.empty)
    finally:
        is_over.set()
    running.join(30)
    assert not running.is_alive() and standing() == [("delivered", 1)]


def test_a_hint_while_it_works_makes_it_look_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a settle does that comes while a call is under way, which takes its time."""
    notifier, has_come = notifier_for(shop, try_seconds=20), threading.Event()
    monkeypatch.setattr(notifying, "LOOK_SECONDS", 3600.0)
    was_first_under_way: list[bool] = []

    def answer(request: Request) -> int:
        if len(shop.requests) == 1:
            with database.session():
                ended()
            notifier.wake()
            was_first_under_way.append(has_come.wait(15))
        has_come.set()
        return 200

    shop.answer = answer
    ended()
    running = threading.Thread(target=notifier.run, daemon=True)
    running.start()
    try:
        wait_until(lambda: was_first_under_way == [True])
    finally:
        has_come.set()
        notifier.stop()
        running.join(10)
