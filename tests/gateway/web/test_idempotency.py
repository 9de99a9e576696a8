"""The same key and order again is the same answer; nothing is placed twice."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from gateway.web.batching import LANES
from models import api_key, route
from models.api_key import Scope
from models.db import database
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor
from tests.waiting import LOCK_WAITS, wait_until


def post(client: Client, key: str, path: str = "/orders", **fields: Any) -> Any:
    return client.simulate_post(path, json=calls.BODY | fields, headers={"Idempotency-Key": key})


def orders() -> int:
    return len(database.rows("SELECT 1 FROM product_orders"))


def test_a_repetition_gets_the_first_answer_byte_for_byte(client: Client) -> None:
    first = post(client, "k", userIdentifier="ş😀")
    client.simulate_post(f"/orders/{first.json['id']}/cancel")
    again = post(client, "k", userIdentifier="ş😀")
    assert (again.status, again.content) == (first.status, first.content)
    for name in ("location", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (
        None,
        "true",
    )
    assert orders() == 1


def test_what_an_earlier_version_answered_is_answered_unchanged(client: Client) -> None:
    """It may have shown other fields, in another order."""
    first = post(client, "k")
    earlier = f'{{"status": "pending",  "id": "{first.json["id"]}"}}'
    database.rows("UPDATE referans.idempotency_keys SET answer = %s", (earlier,))
    again = post(client, "k")
    assert (again.text, again.headers["location"]) == (earlier, first.headers["location"])


def test_the_spelling_of_the_json_does_not_matter(client: Client) -> None:
    first = post(client, "k")
    body = json.dumps(dict(reversed(calls.BODY.items())) | {"quantity": 1}, indent=4)
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert client.simulate_post("/api-dj/orders/", body=body, headers=headers).content == first.content


def test_another_body_under_the_same_key_is_refused(client: Client) -> None:
    post(client, "k")
    found = calls.problem(post(client, "k", quantity=2), 422)
    assert "Idempotency-Key" in found["detail"]
    assert orders() == 1


def test_keys_of_different_callers_do_not_meet(client_for: ClientFor) -> None:
    one, other = client_for(Scope.ORDERS_WRITE), client_for(Scope.ORDERS_WRITE)
    assert post(one, "k").json["id"] != post(other, "k", userIdentifier="another").json["id"]


def test_requests_at_the_same_instant_place_one_order(client: Client) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: post(client, "k"), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len([answer for answer in answers if "idempotency-replayed" not in answer.headers]) == 1
    assert orders() == 1


def test_different_bodies_at_the_same_instant_place_one_order(client: Client) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: post(client, "k", userIdentifier=str(n)), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]
    assert orders() == 1


def test_a_refused_order_does_not_use_the_key_up(client: Client) -> None:
    database.rows("DELETE FROM referans.routes")
    assert post(client, "k").status_code == 422
    route.add("*", "*", "sandbox", {})
    assert post(client, "k").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb"])
def test_a_key_is_short_and_printable(client: Client, key: str) -> None:
    calls.problem(post(client, key), 400)
    assert orders() == 0


def test_without_a_key_every_request_places_an_order(client: Client) -> None:
    assert calls.place(client)["id"] != calls.place(client)["id"]


def test_the_answer_that_is_kept_holds_no_key(client: Client) -> None:
    post(client, "k")
    kept = database.rows("SELECT * FROM referans.idempotency_keys")
    assert api_key.PREFIX not in str(kept)


def test_a_request_waits_for_a_key_as_long_as_it_takes(client: Client, database_url: str) -> None:
    """The batch gives up after its lock timeout; then the request waits alone."""
    with ThreadPoolExecutor(1) as threads, closing(psycopg2.connect(database_url)) as other:
        [key_id] = [row["id"] for row in database.rows("SELECT id FROM referans.api_keys")]
        with other.cursor() as cursor:
            cursor.execute(
                "INSERT INTO referans.idempotency_keys (api_key_id, key, fingerprint) VALUES (%s, 'k', '')",
                (key_id,),
            )
        waiting = threads.submit(post, client, "k")
        longer = f"{LOCK_WAITS} AND clock_timestamp() - query_start > interval '300 ms'"
        wait_until(lambda: bool(database.rows(longer)), what="the wait outlasts the batch's lock timeout")
        other.rollback()
        answer = waiting.result()
    assert answer.status_code == 201 and "idempotency-replayed" not in answer.headers
    assert orders() == 1


def test_a_request_that_waits_for_a_key_delays_no_other(client: Client, database_url: str) -> None:
    """As many as may be under way at once wait for keys that an open transaction holds."""
    reserve = (
        "INSERT INTO referans.idempotency_keys (api_key_id, key, fingerprint)"
        " SELECT id, %s, '' FROM referans.api_keys"
    )
    keys = [f"k{number}" for number in range(LANES)]
    with ThreadPoolExecutor(LANES) as threads, closing(psycopg2.connect(database_url)) as other:
        for key in keys:
            other.cursor().execute(reserve, (key,))
        waiting = [threads.submit(post, client, key) for key in keys]
        wait_until(
            lambda: len(database.rows(LOCK_WAITS)) == LANES, what="the requests to wait for their keys"
        )
        assert calls.place(client)["id"]
        assert not any(each.done() for each in waiting)
        other.rollback()
        assert [each.result(20).status_code for each in waiting] == [201] * LANES
