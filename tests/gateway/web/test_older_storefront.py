"""What clients of the older storefront's order API send: taken where it is an order, else answered with what to use."""

from typing import Any

import pytest

from tests.gateway.web import calls
from tests.gateway.web.conftest import Client

PATHS = ["/orders", "/api-dj/orders/"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("player", [{}, {"userIdentifier": ""}, {"userIdentifier": None}])
def test_an_order_needs_no_player(client: Client, path: str, player: dict[str, Any]) -> None:
    """Whether a provider takes it is the provider's to say: znet refuses it before it is sent."""
    answer = client.simulate_post(path, json={"productId": "game", "packageId": "60", **player})
    assert answer.status_code == 201
    assert answer.json["userIdentifier"] == player.get("userIdentifier")


@pytest.mark.parametrize("path", PATHS)
def test_the_order_of_a_caller_says_what_lists_orders_here(client: Client, path: str) -> None:
    problem = calls.problem(client.simulate_get(f"{path.rstrip('/')}/me"), 404)
    assert f"GET {path.rstrip('/')}?userIdentifier=" in problem["detail"]


@pytest.mark.parametrize("path", [*PATHS, "/orders/me", "/api-dj/orders/me"])
def test_its_token_says_what_to_send_instead(anonymous: Client, path: str) -> None:
    answer = anonymous.simulate_get(path, headers={"X-API-Token": "a-token-of-theirs"})
    detail = calls.problem(answer, 401)["detail"]
    assert "X-API-Token" in detail and "Authorization: Bearer" in detail
    assert "a-token-of-theirs" not in answer.text


def test_its_token_beside_a_key_does_no_harm(client: Client) -> None:
    assert client.simulate_get("/orders", headers={"X-API-Token": "a-token-of-theirs"}).status_code == 200
