"""`notifyUrl` of a new order: taken where notifications are signed, and only if it may be called."""

from typing import Any

import falcon
import pytest
from pydantic import SecretStr

from gateway.settings import Settings
from gateway.web.schemas import NotifyRules
from models.api_key import Scope
from models.db import database
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor

SECRET = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"notify_secret": (SecretStr(SECRET),)})


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook?from=1",
        "http://8.8.8.8:8080/",
        "https://متجر.example/",
        "https://localhost/hook",
    ],
)
def test_it_is_kept_with_the_order(client: Client, url: str) -> None:
    """A name is resolved when it is called."""
    placed = calls.place(client, notifyUrl=url)
    [kept] = database.rows('SELECT "notifyUrl" AS url FROM product_orders WHERE id = %s', (placed["id"],))
    assert kept["url"] == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1/",
            "http://10.0.0.1/",
            "https://[::1]/",
            "http://2130706433/",
            "http://100.64.1.1/",
        ),
        *(
            "https://user:word@shop.example/",
            "ftp://shop.example/",
            "shop.example/hook",
            "",
            "https://[::ffff:10.0.0.1]/",
        ),
        *(
            "http://0x7f000001/",
            "http://169.254.169.254/latest/meta-data",
            f"https://shop.example/{'x' * 2048}",
        ),
    ],
)
def test_what_may_not_be_called_is_refused_where_it_stands(client: Client, url: str) -> None:
    answer = client.simulate_post("/orders", json=calls.BODY | {"notifyUrl": url})
    assert calls.pointers(answer) == ["/notifyUrl"]
    assert "user:word" not in answer.text


class TestSettingsThatHaveChanged:
    """What was placed while its URL was allowed is placed: a repetition gets the first answer."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"notify_allow_private": True})

    @pytest.mark.parametrize(
        "today", [{"notify_allow_private": False}, {"notify_secret": ()}], ids=["public only", "unsigned"]
    )
    def test_a_repetition_gets_the_first_answer(
        self,
        client: Client,
        client_for: ClientFor,
        app: falcon.App[Any, Any],
        settings: Settings,
        today: dict[str, Any],
    ) -> None:
        body, headers = calls.BODY | {"notifyUrl": "http://10.0.0.1/"}, {"Idempotency-Key": "k"}
        first = client.simulate_post("/orders", json=body, headers=headers)
        assert first.status_code == 201
        orders = app._router.find("/orders", None)[0]
        orders._notify_rules = NotifyRules.of(settings.model_copy(update=today))
        again = client.simulate_post("/orders", json=body, headers=headers)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        for other in (body | {"quantity": 2}, body | {"quantity": 0}):
            answer = client.simulate_post("/orders", json=other, headers=headers)
            assert "/notifyUrl" in calls.pointers(answer)
        other = client_for(Scope.ORDERS_WRITE).simulate_post("/orders", json=body, headers=headers)
        assert calls.pointers(other) == ["/notifyUrl"]


def test_an_order_without_it_is_as_good(client: Client) -> None:
    assert calls.place(client, notifyUrl=None)["id"]


class TestPrivate:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"notify_allow_private": True})

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_private_addresses_are_taken_if_that_is_set(self, client: Client, host: str) -> None:
        assert calls.place(client, notifyUrl=f"http://{host}:3000/hook")["id"]
