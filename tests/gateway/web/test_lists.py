"""Lists of orders: newest first, by page, by filter."""

import base64
import itertools
import json
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from gateway.web import seen
from models import listing
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client


def walk(client: Client, **params: Any) -> list[list[str]]:
    """Every page's ids, from the first to the last."""
    pages: list[list[str]] = []
    while True:
        answer = client.simulate_get("/orders", params=params)
        assert answer.status_code == 200, answer.text
        pages.append([one["id"] for one in answer.json["data"]])
        if (cursor := answer.json["nextCursor"]) is None:
            return pages
        params["cursor"] = cursor


def listed(client: Client, **params: Any) -> list[str]:
    return list(itertools.chain(*walk(client, **params)))


def test_pages_cover_everything_once_newest_first(client: Client) -> None:
    placed = [calls.place(client)["id"] for _ in range(5)]
    assert [len(page) for page in walk(client, limit=2)] == [2, 2, 1]
    assert listed(client, limit=2) == list(reversed(placed))


def test_a_full_last_page_has_no_cursor(client: Client) -> None:
    for _ in range(4):
        calls.place(client)
    assert [len(page) for page in walk(client, limit=2)] == [2, 2]
    assert walk(client, limit=100) == [listed(client)]


def test_orders_of_the_same_instant_are_neither_lost_nor_repeated(client: Client) -> None:
    placed = {calls.place(client)["id"] for _ in range(5)}
    database.rows("UPDATE product_orders SET \"createdAt\" = '2026-01-01T00:00:00.123456Z'")
    found = listed(client, limit=2)
    assert set(found) == placed and len(found) == 5


def test_orders_placed_between_two_pages_move_nothing(client: Client) -> None:
    placed = [calls.place(client)["id"] for _ in range(3)]
    first = client.simulate_get("/orders", params={"limit": 1}).json
    calls.place(client)
    rest = listed(client, limit=1, cursor=first["nextCursor"])
    assert [first["data"][0]["id"], *rest] == list(reversed(placed))


def test_the_filters_narrow_together(client: Client) -> None:
    sent, failed, other = factories.sent("ayşe"), factories.sent("ayşe"), factories.sent("mehmet")
    factories.settle(factories.arrival(failed, ExternalStatus.FAILED))
    assert listed(client, userIdentifier="ayşe") == [failed["id"], sent["id"]]
    assert listed(client, userIdentifier="ayşe", externalStatus="sent") == [sent["id"]]
    assert listed(client, providerId="sandbox") == [other["id"], failed["id"], sent["id"]]
    assert listed(client, providerId="nobody") == []
    factories.put(other, orderUuid="CART-1")
    assert listed(client, reference="CART-1") == [other["id"]]
    assert listed(client, reference="cart-1") == []


def test_after_is_inclusive_and_before_is_not(client: Client) -> None:
    older, newer = calls.place(client), calls.place(client)
    assert listed(client, createdAfter=newer["createdAt"]) == [newer["id"]]
    assert listed(client, createdBefore=newer["createdAt"]) == [older["id"]]
    without_zone = newer["createdAt"].removesuffix("Z")
    assert listed(client, createdAfter=without_zone) == [newer["id"]]


@pytest.mark.parametrize("limit", ["1", "100"])
def test_a_page_has_one_to_a_hundred(client: Client, limit: str) -> None:
    assert client.simulate_get("/orders", params={"limit": limit}).status_code == 200


def cursor(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode()


ID = factories.NO_ORDER
BAD_CURSORS = [
    "",
    "x",
    "é",
    "////",
    cursor(b"\xff\xfe"),
    cursor([]),
    cursor({}),
    cursor(1),
    cursor("ab"),
    cursor(["2026-01-01T00:00:00", "no id"]),
    cursor(["2026-01-01T00:00:00", 7]),
    cursor([7, ID]),
    cursor([["2026"], ID]),
    cursor(["2026-01-01", ID, 1]),
    cursor(["0001-01-01T00:00:00+23:59", ID]),
    cursor(["9999-12-31T23:59:59-23:59", ID]),
    cursor(b"[" * 2900),
]


@pytest.mark.parametrize("given", BAD_CURSORS, ids=range(len(BAD_CURSORS)))
def test_an_invalid_cursor_is_refused(client: Client, given: str) -> None:
    assert calls.pointers(client.simulate_get("/orders", params={"cursor": given}), 400) == ["/cursor"]


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00-23:59"])
def test_any_zone_is_understood(client: Client, at: str) -> None:
    params = {"createdAfter": at, "cursor": cursor([at, ID])}
    assert client.simulate_get("/orders", params=params).status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=1e1", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("limit=" + "9" * 3000, "/limit"),
        ("externalStatus=queued", "/externalStatus"),
        ("externalStatus=", "/externalStatus"),
        ("externalStatus=sent&externalStatus=sent", "/externalStatus"),
        ("external_status=sent", "/external_status"),
        ("providerId=", "/providerId"),
        ("providerId=a&providerId=b", "/providerId"),
        ("providerId=a%00b", "/providerId"),
        ("userIdentifier=" + "x" * 256, "/userIdentifier"),
        ("createdAfter=yesterday", "/createdAfter"),
        ("createdAfter=2026-13-01T00:00:00Z", "/createdAfter"),
        ("createdAfter=nan", "/createdAfter"),
        ("createdBefore=0001-01-01T00:00:00%2B10:00", "/createdBefore"),
        ("createdBefore=9999-12-31T23:59:59-10:00", "/createdBefore"),
        ("offset=10", "/offset"),
        ("a/b~c=1", "/a~1b~0c"),
        ("%ff=1", "/\ufffd"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(client: Client, query: str, pointer: str) -> None:
    answer = client.simulate_get("/orders", query_string=query)
    assert calls.pointers(answer, 400) == [pointer]
    assert ("more than once" in answer.text) == ("&" in query)


@pytest.mark.parametrize("query", ["userIdentifier=%ff%fe", "userIdentifier=%", "userIdentifier=%zz", "&&&"])
def test_a_malformed_query_finds_nothing_and_breaks_nothing(client: Client, query: str) -> None:
    assert client.simulate_get("/orders", query_string=query).json == {"data": [], "nextCursor": None}


def test_a_page_whose_time_is_up_has_a_cursor(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = [calls.place(client)["id"] for _ in range(6)]
    monkeypatch.setattr(listing, "PARTS", (2,))
    monkeypatch.setattr(seen, "LIST_SECONDS", 0)
    assert [len(page) for page in walk(client, externalStatus="failed")] == [0, 0, 0, 0]
    assert list(itertools.chain(*walk(client, externalStatus="not_sent", limit=5))) == placed[::-1]


def test_a_list_that_takes_too_long_is_a_problem_that_says_what_to_do(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LIST_TIMEOUT_MS", 100)
    client.simulate_get("/orders")
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE product_orders")
        answer = client.simulate_get("/orders")
    assert "createdAfter" in calls.problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert client.simulate_get("/orders").status_code == 200


def test_the_list_of_nothing_is_empty(client: Client) -> None:
    assert client.simulate_get("/orders").json == {"data": [], "nextCursor": None}


def test_a_filter_value_is_not_run_as_sql(client: Client) -> None:
    calls.place(client)
    for value in ("' OR 1=1 --", "%s", "%(at)s", "\\"):
        assert listed(client, userIdentifier=value) == []
