"""The allow-list of a provider, directly, behind one proxy and behind two."""

from typing import Any

import falcon
import pytest
from falcon.testing import Result, create_environ

from gateway.settings import Settings, load
from gateway.web.addresses import client_address
from tests import factories
from tests.conftest import KEY, UNLIMITED
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, neutral, result, standing
from tests.gateway.web.conftest import Client, Later

PANEL, PROXY, ROUTER, STRANGER = "203.0.113.7", "10.0.0.1", "10.0.0.2", "192.0.2.66"
TOKEN = "a-token-for-tests-only"


@pytest.fixture
def trusted_proxies() -> int:
    return 0


@pytest.fixture
def settings(database_url: str, redis_url: str, trusted_proxies: int) -> Settings:
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, **UNLIMITED}
    return load({**given, "TRUSTED_PROXIES": str(trusted_proxies)})


@pytest.fixture
def walled(order: dict[str, Any]) -> dict[str, Any]:
    """An order of a provider that may call back from its own network only."""
    allow("203.0.113.0/28", "2001:db8:1::/48")
    return order


def allow(*networks: str) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
    factories.add_provider(callback="token", credentials=credentials, callback_allow=networks)


def send(
    client: Client, peer: str, forwarded: str | None = None, *, token: str = TOKEN, **said: Any
) -> Result:
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    return client.simulate_post(
        f"/callbacks/sandbox/{token}", json=said or neutral(NOBODY), headers=headers, remote_addr=peer
    )


@pytest.mark.parametrize(
    ("trusted_proxies", "peer", "forwarded"),
    [
        (0, PANEL, None),
        (0, PANEL, STRANGER),
        (0, "::ffff:203.0.113.7", None),
        (0, "2001:db8:1::7", None),
        (1, PROXY, PANEL),
        (1, PROXY, f"{STRANGER}, {PANEL}"),
        (1, PROXY, f", {PANEL}"),
        (1, PROXY, f"unknown,{PANEL}:4711"),
        (1, PROXY, "[2001:db8:1::7]:4711"),
        (1, f"::ffff:{PROXY}", f"::ffff:{PANEL}"),
        (1, PROXY, f"[::ffff:{PANEL}]:4711"),
        (1, PANEL, None),
        (2, PROXY, f"{PANEL}, {ROUTER}"),
        (2, PROXY, f"{STRANGER}, {PANEL}, {ROUTER}"),
    ],
)
def test_the_providers_own_address_is_allowed(
    anonymous: Client, walled: dict[str, Any], peer: str, forwarded: str | None
) -> None:
    said = neutral(walled["provider_referans"])
    assert result(send(anonymous, peer, forwarded, **said)) == "applied"


@pytest.mark.parametrize(
    ("trusted_proxies", "peer", "forwarded"),
    [
        (0, STRANGER, None),
        (0, STRANGER, PANEL),
        (0, PROXY, PANEL),
        (0, "2001:db8:2::7", None),
        (0, "", None),
        (1, PROXY, STRANGER),
        (1, PROXY, f"{PANEL}, {STRANGER}"),
        (1, PROXY, f"{PANEL},{PANEL},{STRANGER}"),
        (1, PROXY, f"{PANEL}, "),
        (1, PROXY, None),
        (1, PROXY, f"{PANEL}, unknown"),
        (1, PROXY, f"{PANEL}, {ROUTER}"),
        (2, PROXY, PANEL),
        (2, STRANGER, PANEL),
        (2, PROXY, f"{PANEL}, {STRANGER}, {ROUTER}"),
    ],
)
def test_any_other_address_is_forbidden_whatever_the_client_writes(
    anonymous: Client, walled: dict[str, Any], peer: str, forwarded: str | None
) -> None:
    answer = send(anonymous, peer, forwarded, **neutral(walled["provider_referans"]))
    assert PANEL not in calls.problem(answer, 403)["detail"]
    assert calls.inbox() == [] and standing(walled) == "sent"


def test_the_address_alone_is_not_enough(anonymous: Client, walled: dict[str, Any]) -> None:
    calls.problem(send(anonymous, PANEL, token="wrong"), 401)


def test_without_a_list_every_address_may_call_back(anonymous: Client, pool: object) -> None:
    allow()
    assert send(anonymous, STRANGER).status_code == 202


def test_an_address_that_is_added_is_seen_a_tenth_of_a_second_later(
    anonymous: Client, walled: dict[str, Any], later: Later
) -> None:
    calls.problem(send(anonymous, STRANGER), 403)
    allow(STRANGER)
    later(0.1)
    assert send(anonymous, STRANGER).status_code == 202


@pytest.mark.parametrize(
    ("trusted_proxies", "peer", "forwarded", "expected"),
    [
        (0, PANEL, None, PANEL),
        (0, f"::ffff:{PANEL}", None, PANEL),
        (0, "::FFFF:CB00:7107", None, PANEL),
        (0, "2001:DB8:1:0::7", None, "2001:db8:1::7"),
        (1, PROXY, f"{PANEL}:4711", PANEL),
        (1, PROXY, f"[::ffff:{PANEL}]:4711", PANEL),
        (1, PROXY, "unknown", "unknown"),
    ],
)
def test_an_address_has_one_form(
    peer: str, forwarded: str | None, expected: str, trusted_proxies: int
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    environ = create_environ(headers=headers, remote_addr=peer)
    assert client_address(falcon.Request(environ), trusted_proxies) == expected
