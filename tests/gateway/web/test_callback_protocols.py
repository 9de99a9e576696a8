"""Callbacks in the format of a described protocol, verified by the scheme that its file describes."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import dramatiq
import pytest
import redis
from falcon.testing import Result

from models import timeline
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.fulfilment.described import BUYING, NUMBERED, PLAIN, SECRET, SIGNED, opened
from tests.gateway.web.conftest import Client
from tests.waiting import wait_until

#: Its signature is made of the reference, and does not cover the state.
UNCOVERED = SIGNED.replace('text = "{body}"', 'text = "{field.ref}"').replace(
    "[callback.verify]\n", "[callback.verify]\ncovers_state = false\n"
)
TOKEN = SIGNED[: SIGNED.index("[callback.verify]")] + "[callback.verify]\ntoken = true\n"
REPLY = ("201 Created", "application/json", '{"seen": true}')

#: Lets the provider `sandbox` speak the protocol of a text.
Speaks = Callable[[str], None]


@pytest.fixture
def speaks(pool: database.Pool) -> Iterator[Speaks]:
    with ExitStack() as stack:

        def speak(text: str) -> None:
            with database.session():
                stack.enter_context(opened(text, callback="protocol"))

        yield speak


@pytest.fixture
def order(speaks: Speaks) -> dict[str, Any]:
    """An order that the provider has accepted, by its number `N-1`."""
    speaks(PLAIN + SIGNED)
    return sent()


def sent() -> dict[str, Any]:
    with database.session():
        placed = factories.sent()
        factories.put(placed, externalOrderId="N-1")
    return placed


def call_back(client: Client, said: dict[str, Any], *, sign: bytes | None = None, **headers: str) -> Result:
    body = json.dumps(said).encode()
    signature = hmac.digest(SECRET.encode(), sign or body, hashlib.sha256).hex()
    return client.simulate_post(
        f"/callbacks/{factories.SANDBOX}",
        body=body,
        headers={"Content-Type": "application/json", "X-Sign": f"v1={signature}", **headers},
    )


def reply(answer: Result) -> tuple[str, str, str]:
    return answer.status, answer.headers["content-type"], answer.text


def column(order: dict[str, Any], name: str) -> Any:
    with database.session():
        return factories.column(order, name)


def events(order: dict[str, Any]) -> list[str | None]:
    with database.session():
        return [event.message for event in timeline.events(order["id"])]


def kept() -> int:
    with database.session():
        return int(database.rows("SELECT count(*) AS n FROM referans.callback_events")[0]["n"])


def test_an_outcome_is_settled_and_answered_as_the_protocol_wants(
    anonymous: Client, order: dict[str, Any]
) -> None:
    said = {"ref": order["provider_referans"], "state": "done", "codes": ["PIN-1"]}
    assert reply(call_back(anonymous, said)) == REPLY
    assert column(order, "externalStatus") == "completed"


def test_one_that_names_its_own_number_only(anonymous: Client, order: dict[str, Any]) -> None:
    assert reply(call_back(anonymous, {"number": "N-1", "state": "done", "codes": ["PIN-1"]})) == REPLY
    assert column(order, "externalStatus") == "completed"


def test_the_body_is_the_protocols_whatever_words_it_shares_with_the_neutral_format(
    anonymous: Client, order: dict[str, Any]
) -> None:
    said = {
        "ref": order["provider_referans"],
        "state": "failed",
        "status": "completed",
        "provider_referans": order["provider_referans"],
        "orders": [{"provider_referans": order["provider_referans"], "status": "completed"}],
    }
    assert reply(call_back(anonymous, said)) == REPLY
    assert column(order, "externalStatus") == "failed"


@pytest.mark.parametrize("signature", ["", "v1=", f"v1={'0' * 64}"])
def test_a_wrong_signature_is_refused(anonymous: Client, order: dict[str, Any], signature: str) -> None:
    said = {"ref": order["provider_referans"], "state": "done"}
    assert call_back(anonymous, said, **{"X-Sign": signature}).status_code == 401
    assert (column(order, "externalStatus"), kept()) == ("sent", 0)


def test_the_query_is_not_read_where_only_the_body_is_signed(
    anonymous: Client, order: dict[str, Any]
) -> None:
    body = b'{"state": "done"}'
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    answer = anonymous.simulate_post(
        f"/callbacks/{factories.SANDBOX}",
        params={"ref": order["provider_referans"]},
        body=body,
        headers={"Content-Type": "application/json", "X-Sign": f"v1={signature}"},
    )
    assert answer.status_code == 400
    assert column(order, "externalStatus") == "sent"


def test_the_same_event_is_settled_once(anonymous: Client, order: dict[str, Any]) -> None:
    said = {"ref": order["provider_referans"], "state": "done", "codes": ["PIN-1"]}
    for _ in range(2):
        assert reply(call_back(anonymous, said, **{"X-Event": "7"})) == REPLY
    assert kept() == 1
    call_back(anonymous, {**said, "codes": ["PIN-2"]}, **{"X-Event": "7"})
    assert (kept(), column(order, "attention")) == (2, "conflict")


def test_a_ping_changes_nothing(anonymous: Client, order: dict[str, Any]) -> None:
    assert reply(call_back(anonymous, {"state": "hello"})) == REPLY
    assert kept() == 0


def test_a_state_that_no_rule_knows_is_kept(anonymous: Client, order: dict[str, Any]) -> None:
    answer = call_back(anonymous, {"ref": order["provider_referans"], "state": "of another version"})
    assert (answer.status_code, kept()) == (400, 1)


def test_one_of_an_order_that_is_not_known_yet_is_kept(anonymous: Client, order: dict[str, Any]) -> None:
    assert reply(call_back(anonymous, {"number": "N-2", "state": "done", "codes": ["PIN-1"]})) == REPLY
    assert (kept(), column(order, "externalStatus")) == (1, "sent")


def test_without_a_reply_of_the_protocol_it_is_answered_as_any(anonymous: Client, speaks: Speaks) -> None:
    speaks(PLAIN + SIGNED[: SIGNED.index("[callback.reply]")])
    order = sent()
    said = {"ref": order["provider_referans"], "state": "done", "codes": ["PIN-1"]}
    assert call_back(anonymous, said).json == {"result": "applied"}
    assert call_back(anonymous, {**said, "ref": "1"}).status_code == 202


def test_a_secret_in_the_path_where_the_protocol_cannot_sign(anonymous: Client, speaks: Speaks) -> None:
    speaks(PLAIN + TOKEN)
    order, path = sent(), f"/callbacks/{factories.SANDBOX}"
    body = json.dumps({"ref": order["provider_referans"], "state": "done", "codes": ["PIN-1"]})
    assert anonymous.simulate_post(f"{path}/wrong", body=body).status_code == 401
    assert anonymous.simulate_post(f"{path}/{SECRET}", body=body).status_code == 200
    assert column(order, "externalStatus") == "completed"


class TestAskNow:
    """A callback that is only a reason to ask."""

    @pytest.fixture(
        params=[(SIGNED, {"state": "news"}, None), (UNCOVERED, {"state": "done"}, "ref")],
        ids=["it says nothing else", "its signature does not cover the state"],
    )
    def said(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    def call(self, client: Client, said: Any, order: dict[str, Any]) -> Result:
        _, fields, signed = said
        sign = order["provider_referans"].encode() if signed else None
        return call_back(client, {"ref": order["provider_referans"], **fields}, sign=sign)

    def test_the_order_is_asked_about_at_once_and_nothing_else_changes(
        self, anonymous: Client, speaks: Speaks, said: Any, redis_url: str
    ) -> None:
        speaks(PLAIN + said[0])
        order = sent()
        answer = self.call(anonymous, said, order)
        assert answer.status_code in (200, 201)
        assert (column(order, "externalStatus"), column(order, "lastCallbackAt"), kept()) == ("sent", None, 0)
        with database.session():
            [found] = database.rows('SELECT "nextCheckAt" <= now() AS due FROM product_orders')
        assert found["due"]
        with redis.Redis.from_url(redis_url) as queue:
            messages: Any = wait_until(lambda: queue.hvals("referans:checks.msgs"))
        woken: dramatiq.Message[Any] = dramatiq.Message.decode(messages[0])
        assert (woken.actor_name, woken.args) == ("check_order_status", (order["id"],))
        assert events(order)[-1] == "sandbox has news of it, and is asked"

    def test_however_often_it_comes_the_provider_is_asked_once_in_a_while(
        self, anonymous: Client, speaks: Speaks, said: Any
    ) -> None:
        speaks(PLAIN + said[0])
        order = sent()
        for _ in range(5):
            self.call(anonymous, said, order)
        assert events(order).count("sandbox has news of it, and is asked") == 1

    @pytest.mark.parametrize("ended", [ExternalStatus.COMPLETED, ExternalStatus.FAILED])
    def test_an_order_that_is_final_is_asked_about_too(
        self, anonymous: Client, speaks: Speaks, said: Any, ended: ExternalStatus
    ) -> None:
        """It may have been taken back."""
        speaks(PLAIN + said[0])
        order = sent()
        with database.session():
            factories.settle(factories.arrival(order, ended, "PIN-1"))
        self.call(anonymous, said, order)
        assert column(order, "checkRequestedAt")

    @pytest.mark.parametrize("ended", [ExternalStatus.COMPLETED, ExternalStatus.FAILED])
    def test_but_not_where_asking_buys(
        self, anonymous: Client, speaks: Speaks, said: Any, ended: ExternalStatus
    ) -> None:
        speaks(BUYING + said[0])
        order = sent()
        with database.session():
            factories.settle(factories.arrival(order, ended, "PIN-1"))
        assert self.call(anonymous, said, order).status_code in (200, 201)
        assert (column(order, "checkRequestedAt"), column(order, "nextCheckAt")) == (None, None)

    def test_an_order_that_is_not_known_is_not_asked_about(
        self, anonymous: Client, speaks: Speaks, said: Any
    ) -> None:
        speaks(PLAIN + said[0])
        assert self.call(anonymous, said, {"provider_referans": "123456789012345"}).status_code in (201, 202)

    def test_one_at_another_provider_is_not_asked_about(
        self, anonymous: Client, speaks: Speaks, said: Any
    ) -> None:
        speaks(PLAIN + said[0])
        order = sent()
        with database.session():
            factories.put(order, providerId="elsewhere")
        self.call(anonymous, said, order)
        assert column(order, "checkRequestedAt") is None


class TestNoCode:
    @pytest.mark.parametrize("expects", ["code", "auto"])
    def test_where_asking_buys_a_person_is_needed_at_once(
        self, anonymous: Client, speaks: Speaks, expects: str
    ) -> None:
        speaks(BUYING + SIGNED)
        order = sent()
        with database.session():
            factories.put(order, expects=expects)
        call_back(anonymous, {"ref": order["provider_referans"], "state": "done"})
        expected = ("completed", "no_code" if expects == "code" else None, None)
        found = tuple(column(order, name) for name in ("externalStatus", "attention", "nextCheckAt"))
        assert found == expected


class TestCheckNow:
    """`POST /orders/{id}/check`."""

    @pytest.mark.parametrize(
        ("text", "columns", "status"),
        [
            (PLAIN, {}, 202),
            (BUYING, {}, 202),
            (BUYING, {"externalStatus": "completed", "status": "approved"}, 409),
            (BUYING, {"externalStatus": "failed", "status": "rejected"}, 409),
            (PLAIN, {"externalStatus": "completed", "status": "approved"}, 202),
            (NUMBERED, {}, 202),
            (NUMBERED, {"externalOrderId": None}, 409),
        ],
    )
    def test_it_is_refused_where_asking_may_buy_or_nothing_can_be_asked(
        self, client: Client, speaks: Speaks, text: str, columns: dict[str, Any], status: int
    ) -> None:
        speaks(text)
        order = sent()
        if columns:
            with database.session():
                factories.put(order, **columns)
        assert client.simulate_post(f"/orders/{order['id']}/check").status_code == status

    def test_past_the_time_in_which_asking_does_not_buy(self, client: Client, speaks: Speaks) -> None:
        speaks(BUYING)
        order = sent()
        with database.session():
            factories.age(order, 3601)
        answer = client.simulate_post(f"/orders/{order['id']}/check")
        assert answer.status_code == 409 and "may buy it again" in answer.json["detail"]
