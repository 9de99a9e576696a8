"""`notifyUrl` of a new order: taken where notifications are signed, and only if it may be called."""

import pytest
from pydantic import SecretStr

from gateway.settings import Settings
from models.db import database
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client

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
            "http://localhost:3000/",
            "http://LOCALHOST./",
            "http://shop.localhost/",
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


def test_an_order_without_it_is_as_good(client: Client) -> None:
    assert calls.place(client, notifyUrl=None)["id"]


class TestPrivate:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"notify_allow_private": True})

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_private_addresses_are_taken_if_that_is_set(self, client: Client, host: str) -> None:
        assert calls.place(client, notifyUrl=f"http://{host}:3000/hook")["id"]
