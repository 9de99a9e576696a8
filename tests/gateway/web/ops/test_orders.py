"""Finding an order, seeing its story, and doing something about it."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.web.ops import bulk as pages_of_bulk
from models import bulk
from models import timeline as timeline_of
from models.db import database
from models.status import ExternalStatus, Source
from tests import factories
from tests.gateway.web.ops.browser import Browser, seen, words

Kind = dict[str, Any]
REASON = "the panel says so"


@pytest.fixture
def delivered(pool: object) -> Kind:
    with database.session():
        found = factories.sent("5123456789")
        factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1234-ABCD"))
    return found


@pytest.fixture
def conflict(delivered: Kind) -> Kind:
    """Delivered, and then failed."""
    with database.session():
        factories.settle(factories.arrival(delivered, ExternalStatus.FAILED, message="Iptal edildi"))
    return delivered


def page(found: Kind) -> str:
    return f"/ops/orders/{found['id']}"


def do(browser: Browser, found: Kind, action: str, **fields: str) -> Any:
    """Press a button on the page as it is now."""
    text = browser.get(page(found)).text
    version = re.search(r'name="seen" value="([^"]*)"', text)
    given = {"reason": REASON, "seen": version[1] if version else "", **fields}
    return browser.post(f"{page(found)}/do/{action}", **given)


def column(found: Kind, name: str) -> Any:
    with database.session():
        return factories.column(found, name)


def timeline(found: Kind) -> list[str]:
    with database.session():
        rows = database.rows(
            "SELECT * FROM referans.order_events WHERE order_id = %s ORDER BY id", (found["id"],)
        )
    return [f"{row['source']} {row['by']}: {row['message']}" for row in rows]


# --- finding


@pytest.mark.parametrize(
    "known",
    [
        lambda order: order["id"],
        lambda order: order["provider_referans"],
        lambda order: str(order["order_no"]),
        lambda order: " 5123456789 ",
        lambda order: "CART-1",
        lambda order: "88120457",
    ],
    ids=["id", "referans", "number", "player", "reference", "provider's number"],
)
def test_a_search_for_one_order_leads_to_it(
    operator: Browser, delivered: Kind, known: Callable[[Kind], str]
) -> None:
    with database.session():
        factories.put(delivered, orderUuid="CART-1", externalOrderId="88120457", orderNo=2043915)
        factories.sent("another")
    answer = operator.get("/ops/orders", q=known(delivered | {"order_no": 2043915}))
    assert answer.status_code == 303
    assert answer.headers["location"] == page(delivered)


def test_a_search_for_several_lists_them_and_for_none_says_where_was_looked(
    operator: Browser, delivered: Kind
) -> None:
    with database.session():
        factories.sent("5123456789")
    assert "2 orders" in seen(operator.get("/ops/orders", q="5123456789"))
    assert "Where was looked" in seen(operator.get("/ops/orders", q="9999"))


def test_a_search_with_qualifiers_filters(operator: Browser, delivered: Kind) -> None:
    answer = operator.get("/ops/orders", q="provider:sandbox since:2h")
    assert answer.headers["location"] == "/ops/orders?provider=sandbox&since=2h"


@pytest.mark.parametrize(
    ("filters", "many"),
    [
        ({}, 4),
        ({"stage": "completed"}, 1),
        ({"stage": "sent", "provider": "sandbox"}, 3),
        ({"provider": "other"}, 0),
        ({"product": "game"}, 4),
        ({"tenant": factories.TENANT}, 1),
        ({"player": "late"}, 1),
        ({"since": "1h"}, 3),
        ({"until": "1h"}, 1),
        ({"since": "2020-01-01"}, 4),
        ({"needs": "conflict"}, 0),
        ({"stage": "nonsense"}, 4),
    ],
    ids=str,
)
def test_the_list_has_what_is_filtered_and_says_how_many(
    operator: Browser, delivered: Kind, filters: dict[str, str], many: int
) -> None:
    with database.session():
        factories.sent(tenant_id=factories.TENANT)
        factories.sent()
        factories.age(factories.sent("late"), 7200)
    answer = operator.get("/ops/orders", **filters)
    assert f"Orders {many} order" in seen(answer)
    assert len(re.findall(r'class="a"', answer.text)) == many
    assert ("cannot be read" in answer.text) == ("nonsense" in filters.values())


def test_pages_follow_each_other_by_key(
    operator: Browser, pool: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.ops.orders.PAGE", 2)
    with database.session():
        ids = [factories.sent()["id"] for _ in range(5)][::-1]
    found, path = [], "/ops/orders"
    while path:
        answer = operator.get(path)
        found += re.findall(r'class="a"><a href="/ops/orders/([^"]+)"', answer.text)
        following = re.search(r'class="btn" href="(/ops/orders\?after=[^"]+)"', answer.text)
        path = following[1] if following else ""
    assert found == ids


def test_of_many_it_says_more_than(operator: Browser, pool: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.ops.orders.MOST_COUNTED", 2)
    with database.session():
        for _ in range(3):
            factories.sent()
    assert "at least 3" in seen(operator.get("/ops/orders", stage="sent")), "as many as it shows"


# --- its story


def test_the_page_has_the_case_first_and_the_whole_story(operator: Browser, conflict: Kind) -> None:
    text = seen(operator.get(page(conflict)))
    assert "The provider contradicts itself" in text
    assert "5123456789" in text and conflict["provider_referans"] in text
    assert text.index("The provider contradicts itself") < text.index("What happened")
    assert "Iptal edildi" in text
    for button in (
        "Accept what came last",
        "Dismiss",
        "Complete with codes",
        "Reverse",
        "Resend",
        "Add a note",
    ):
        assert button in text


def test_no_page_has_a_code_before_it_is_asked_for(operator: Browser, conflict: Kind) -> None:
    for path in (page(conflict), "/ops/orders", "/ops/stuck", "/ops/orders?needs=conflict"):
        assert "PIN-1234" not in operator.get(path).text


def test_reading_a_code_stands_on_the_timeline_with_a_name(operator: Browser, delivered: Kind) -> None:
    operator.get(page(delivered))
    assert "PIN-1234-ABCD" in seen(operator.post(f"{page(delivered)}/codes"))
    assert "operator operator: codes read on the ops page" in timeline(delivered)


def test_a_viewer_sees_no_code_and_does_nothing(viewer: Browser, delivered: Kind) -> None:
    text = viewer.get(page(delivered)).text
    assert "Show codes" not in text and "What you can do" not in text
    viewer.get("/ops/account")
    before = timeline(delivered)
    assert viewer.post(f"{page(delivered)}/codes").status_code == 403
    assert viewer.post(f"{page(delivered)}/do/fail", reason=REASON).status_code == 403
    assert viewer.get("/ops/bulk/new", needs="conflict").status_code == 403
    assert timeline(delivered) == before


def test_what_players_and_providers_wrote_is_text(operator: Browser, pool: object) -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    with database.session():
        found = factories.sent(nasty)
        factories.settle(factories.arrival(found, ExternalStatus.FAILED, message=nasty))
        factories.put(found, orderUuid=nasty[:64], externalOrderId=nasty[:30])
    for path in (page(found), "/ops/orders", "/ops/stuck"):
        for lang in ("en", "ar"):
            text = operator.get(path, lang=lang).text
            assert "<script>alert" not in text and "<img" not in text
    for name in ("q", "player", "since", "needs", "after", "lang"):
        assert "<script>alert" not in operator.get("/ops/orders", **{name: nasty}).text


def test_an_order_that_does_not_exist_is_a_page_that_says_so(operator: Browser) -> None:
    for order_id in (factories.NO_ORDER, "nonsense"):
        answer = operator.get(f"/ops/orders/{order_id}")
        assert answer.status_code == 404
        assert "no order has this id" in words(answer)


def test_what_chose_the_provider_is_told(operator: Browser, pool: object) -> None:
    with database.session():
        found = factories.place()
        for source, message in (
            (Source.API, "placed with key shop; sandbox: cheapest at 1.20 USD of 3"),
            (Source.DISPATCH, "claimed; sending to sandbox"),
            (Source.DISPATCH, "sandbox refused: Stokta yok (0); sending to kuzey (share 1 of 4)"),
            (Source.DISPATCH, "kuzey is down: no answer; routed to dalga"),
        ):
            timeline_of.record(found["id"], source, message)
    text = seen(operator.get(page(found)))
    told = text[text.index("Route 1 route") : text.index("Facts")]
    assert "sandbox The cheapest of 3; 1.20 USD" in told
    assert "kuzey Its share is 1 of 4 sandbox refused: Stokta yok (0)" in told
    assert "dalga kuzey is down: no answer" in told
    assert "Routes of this package now sandbox the only one" in told


# --- what is done


def test_where_asking_may_buy_no_check_is_offered_nor_made(operator: Browser, delivered: Kind) -> None:
    with database.session():
        factories.add_provider(factories.SANDBOX, adapter="digiflazz", callback="token")
        factories.put(delivered, attention="no_code")
    text = seen(operator.get(page(delivered)))
    assert "Check now" not in text and "which may buy it twice" in text
    assert "Complete it with the code from the provider's panel." in text
    answer = do(operator, delivered, "check")
    assert answer.status_code == 409 and "may buy it again" in words(answer)
    assert column(delivered, "checkRequestedAt") is None


@pytest.mark.parametrize(
    ("adapter", "columns", "said"),
    [
        ("znet", {"attempts": 1}, None),
        ("smm_v2", {"attempts": 1}, "by its own number only"),
        ("smm_v2", {"externalOrderId": "7"}, None),
        ("znet", {"attention": "cannot_ask"}, "has no question"),
        ("znet", {"attention": "manual"}, "A person fulfils it"),
        ("znet", {"providerId": "gone", "placedByGateway": False}, "not configured here"),
        ("znet", {"externalStatus": "not_sent"}, "was not sent"),
    ],
)
def test_why_an_order_cannot_be_asked_about_stands_beside_what_can_be_done(
    operator: Browser, pool: object, adapter: str, columns: Kind, said: str | None
) -> None:
    with database.session():
        factories.add_provider(factories.SANDBOX, adapter=adapter, callback="token")
        found = factories.sent()
        factories.put(found, **columns)
    text = seen(operator.get(page(found)))
    assert ("Check now" in text) is (said is None)
    assert (said or "What you can do") in text


def test_the_storefront_is_told_again_from_the_page(operator: Browser, delivered: Kind) -> None:
    assert "Redeliver" not in words(operator.get(page(delivered)))
    with database.session():
        database.rows(
            "INSERT INTO referans.notifications (order_id, type, receiver, payload, state)"
            " SELECT %s, 'order.completed', 'https://shop.example', '{}', 'dead'",
            (delivered["id"],),
        )
    [path] = re.findall(r'action="(/ops/notifications/[^"]+)"', operator.get(page(delivered)).text)
    assert "It is delivered again." in seen(operator.post(path, reason=REASON))
    assert any("redelivered" in each for each in timeline(delivered))


@pytest.mark.parametrize(
    ("action", "fields", "becomes"),
    [
        ("accept", {}, "reversed"),
        ("dismiss", {}, "completed"),
        ("complete", {"codes": "PIN-5678-EFGH\r\nPIN-5679-EFGH"}, "completed"),
        ("reverse", {}, "reversed"),
        ("fail", {}, "failed"),
        ("resend", {"may_buy_twice": "yes"}, "not_sent"),
    ],
)
def test_a_decision_stands_on_the_timeline_with_name_and_reason(
    operator: Browser, conflict: Kind, action: str, fields: dict[str, str], becomes: str
) -> None:
    answer = do(operator, conflict, action, **fields)
    assert answer.status_code == 200, words(answer)
    assert column(conflict, "externalStatus") == becomes
    assert column(conflict, "attention") is None
    [last] = [each for each in timeline(conflict) if each.startswith("operator ")]
    assert last.startswith("operator operator: ") and REASON in last


def test_a_note_and_a_check_stand_there_too(operator: Browser, pool: object) -> None:
    with database.session():
        found = factories.sent()
    assert "The note stands on the timeline." in words(do(operator, found, "note"))
    assert "The provider is being asked." in words(do(operator, found, "check"))
    assert timeline(found)[-2:] == [
        f"operator operator: note: {REASON}",
        f"operator operator: check requested: {REASON}",
    ]
    assert column(found, "checkRequestedAt") is not None


@pytest.mark.parametrize("reason", ["", "  ", "…", "x" * 501])
def test_nothing_is_done_without_a_reason(operator: Browser, conflict: Kind, reason: str) -> None:
    before = timeline(conflict)
    answer = do(operator, conflict, "accept", reason=reason)
    assert answer.status_code == 409
    assert "say why" in words(answer)
    assert timeline(conflict) == before


def test_what_has_changed_since_it_was_seen_is_not_decided(operator: Browser, conflict: Kind) -> None:
    operator.get(page(conflict))
    with database.session():
        factories.put(conflict, attention=None)
    answer = do(operator, conflict, "reverse", seen="as it was before")
    assert answer.status_code == 409
    assert "look at it and decide again" in words(answer)
    assert column(conflict, "externalStatus") == "completed"


def test_what_may_buy_twice_wants_a_tick(operator: Browser, delivered: Kind) -> None:
    assert "may have it" in seen(operator.get(page(delivered)))
    answer = do(operator, delivered, "resend")
    assert answer.status_code == 409
    assert column(delivered, "externalStatus") == "completed"


def test_what_is_not_a_code_is_refused_and_not_repeated(operator: Browser, conflict: Kind) -> None:
    answer = do(operator, conflict, "complete", codes='{"nonsense": "SECRET-77"}')
    assert answer.status_code == 409
    assert "line 1" in words(answer)
    assert "SECRET-77" not in answer.text


# --- all that match


def test_of_each_kind_it_says_why_and_what_to_do(operator: Browser, conflict: Kind) -> None:
    text = seen(operator.get("/ops/stuck"))
    assert "1 order needs a person." in text
    assert "Accept if what came last is right" in text
    assert "Completed without a code" in text


def begin(browser: Browser, action: str, count: int, **filters: str) -> Any:
    browser.get("/ops/bulk/new", **filters)
    return browser.post(
        "/ops/bulk/new", follow=False, action=action, reason=REASON, count=str(count), **filters
    )


def test_an_action_on_all_first_says_how_many(operator: Browser, conflict: Kind) -> None:
    assert "This is about 1 order." in seen(operator.get("/ops/bulk/new", needs="conflict"))
    answer = begin(operator, "accept", 0, needs="conflict")
    assert answer.status_code == 409
    assert "not as many as a moment ago" in words(answer)
    with database.session():
        assert bulk.newest(5) == []

    answer = begin(operator, "accept", 1, needs="conflict")
    assert answer.headers["location"] == "/ops/bulk/2"
    text = seen(operator.get("/ops/bulk/2"))
    assert "Accept what came last: 1 order" in text and REASON in text
    assert "operator" in seen(operator.get("/ops/bulk"))


def test_so_many_are_counted_when_a_person_waits_for_it(
    operator: Browser, conflict: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_of_bulk, "MOST_COUNTED", 1)
    with database.session():
        for _ in range(3):
            factories.place("somebody")
    text = seen(operator.get("/ops/bulk/new", player="somebody"))
    assert "at least 1 orders" in text and "Count every one" in text and "Reason" not in text
    text = seen(operator.get("/ops/bulk/new", player="somebody", all="1"))
    assert "This is about 3 orders." in text and "Reason" in text


def test_it_can_be_stopped_and_gone_on_with(operator: Browser, conflict: Kind) -> None:
    begin(operator, "accept", 1, needs="conflict")
    operator.get("/ops/bulk/1")
    assert "Stopped" in seen(operator.post("/ops/bulk/1", to="stop"))
    assert "Running" in seen(operator.post("/ops/bulk/1", to="go"))


@pytest.mark.parametrize("filters", [{}, {"stage": "nonsense"}, {"nonsense": "1"}])
def test_without_a_filter_there_is_no_action_on_all(operator: Browser, filters: dict[str, str]) -> None:
    assert operator.get("/ops/bulk/new", **filters).status_code == 400
    assert begin(operator, "fail", 0, **filters).status_code == 400


def test_an_address_of_no_action_is_not_found(operator: Browser) -> None:
    for path in ("/ops/bulk/7", "/ops/bulk/x", f"/ops/bulk/{10**30}"):
        assert operator.get(path).status_code == 404


# --- what others write


@pytest.mark.parametrize(
    "after",
    [
        "[" * 2900,
        '["2026-05-14T00:00:00+00:00", 5]',
        '["2026-05-14T00:00:00+00:00", {}]',
        '[7, "x"]',
        "null",
        '["0001-01-01T00:00:00+14:00", "00000000-0000-0000-0000-000000000000"]',
    ],
    ids=range(6),
)
@pytest.mark.parametrize("path", ["/ops/orders", "/ops/callbacks"])
def test_a_cursor_that_cannot_be_read_is_the_first_page(operator: Browser, path: str, after: str) -> None:
    answer = operator.get(path, after=base64.urlsafe_b64encode(after.encode()).decode())
    assert answer.status_code == 200


def test_a_word_of_another_system_in_the_place_of_a_stage_is_text(operator: Browser, delivered: Kind) -> None:
    word = "<b onclick=x>{x}</b>"
    with database.session():
        database.rows(
            'INSERT INTO referans.order_events (order_id, source, "from", "to", message, "by")'
            " VALUES (%s, 'sweep', 'sent', %s, %s, %s)",
            (delivered["id"], word, word, word),
        )
        factories.put(delivered, lastMessage=word, productId=word, userIdentifier=word, receipt=word)
    for path in (page(delivered), f"{page(delivered)}/proof", "/ops/orders"):
        text = operator.get(path).text
        assert "<b onclick" not in text and "&lt;b onclick" in text


def test_a_form_of_a_bulk_action_begins_one_however_often_it_is_sent(
    operator: Browser, delivered: Kind
) -> None:
    with database.session():
        factories.age(delivered, 60)
    text = operator.get("/ops/bulk/new", stage="completed").text
    [form] = set(re.findall(r'name="form" value="([^"]+)"', text))
    fields = {"form": form, "stage": "completed", "count": "1", "action": "note", "reason": REASON}
    sent = [operator.post("/ops/bulk/new", follow=False, **fields) for _ in range(2)]
    assert [each.status_code for each in sent] == [303, 303]
    assert len({each.headers["location"] for each in sent}) == 1


def test_every_filter_beside_a_kind_narrows_the_list_its_count_and_its_file(
    operator: Browser, conflict: Kind
) -> None:
    for filters, many in (({"product": "game"}, 1), ({"product": "other"}, 0), ({"player": "x"}, 0)):
        chosen = {"needs": "conflict", **filters}
        assert ("5123456789" in operator.get("/ops/orders", **chosen).text.split("<tbody>")[-1]) is bool(many)
        assert operator.get("/ops/export/orders.csv", **chosen).text.count("5123456789") == many
        assert f"This is about {many} order" in seen(operator.get("/ops/bulk/new", **chosen))


def test_a_bulk_action_is_about_what_was_counted_though_orders_go_on_coming(
    operator: Browser, delivered: Kind
) -> None:
    with database.session():
        factories.age(delivered, 60)
    text = operator.get("/ops/bulk/new", since="2h").text
    assert "This is about 1 order." in seen(operator.get("/ops/bulk/new", since="2h"))
    fields = dict(re.findall(r'name="(since|until|count)" value="([^"]+)"', text))
    with database.session():
        factories.put({"id": factories.sent("new")["id"]}, createdAt=datetime.now(UTC) + timedelta(seconds=2))
    answer = operator.post("/ops/bulk/new", action="note", reason=REASON, **fields)
    assert answer.status_code == 200, words(answer)
    with database.session():
        assert [each.total for each in bulk.newest(1)] == [1]
