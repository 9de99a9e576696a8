"""Routes, added on the command line."""

import json

import pytest

from models import route
from models.route import Route

from .conftest import Models, Run


@pytest.fixture
def routed(cli: Run) -> Run:
    """The command line, with two providers to route to."""
    for name in ("first", "second"):
        options = ("--adapter", "znet", "--base-url", "https://b.example", "--callback", "token")
        added = cli("providers", "add", name, *options, stdin='{"kod": "1", "sifre": "2"}')
        assert added.code == 0
    return cli


def test_a_route_carries_what_the_provider_calls_the_package(routed: Run, models: Models) -> None:
    added = routed("routes", "add", "pubg", "60uc", "first", "--param", "oyun=1", "--param", "oyun_adi=a=b")

    assert added.code == 0
    with models():
        found = route.next_for("pubg", "60uc", [])
    assert found == Route("first", {"oyun": "1", "oyun_adi": "a=b"})


def test_routes_are_listed_in_the_order_they_are_tried(routed: Run) -> None:
    routed("routes", "add", "*", "*", "first")
    routed("routes", "add", "pubg", "*", "first")
    routed("routes", "add", "pubg", "*", "second", "--param", "oyun_adi=x")

    listed = json.loads(routed("routes", "list", "--json").out)

    tried = [(each["productId"], each["packageId"], each["providerId"]) for each in listed]
    assert tried == [("pubg", "*", "first"), ("pubg", "*", "second"), ("*", "*", "first")]
    assert listed[1]["params"] == {"oyun_adi": "x"}
    assert "oyun_adi=x" in routed("routes", "list").out


def test_a_route_to_nobody_is_refused(routed: Run) -> None:
    assert "provider third not found" in routed("routes", "add", "*", "*", "third").problem


def test_a_param_is_a_name_and_a_value(routed: Run) -> None:
    assert routed("routes", "add", "*", "*", "first", "--param", "oyun").code == 2
