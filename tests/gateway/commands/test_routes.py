"""Routes, added on the command line."""

import json

import pytest

from models import route
from models.route import Route
from models.status import Expects

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


def test_a_route_to_an_unknown_provider_is_refused(routed: Run) -> None:
    assert "provider third not found" in routed("routes", "add", "*", "*", "third").problem


def test_a_route_says_how_fields_are_filled_and_whether_a_code_comes(routed: Run, models: Models) -> None:
    maps = ("--map", "oyuncu_bilgi={extraField} {userIdentifier}", "--map", "musteri_tel={userIdentifier}")
    field_map = {"oyuncu_bilgi": "{extraField} {userIdentifier}", "musteri_tel": "{userIdentifier}"}

    added = routed("routes", "add", "pubg", "60uc", "first", *maps, "--expects", "no-code", "--json")

    assert (added.code, json.loads(added.out)["fieldMap"]) == (0, field_map)
    with models():
        assert route.next_for("pubg", "60uc", []) == Route("first", {}, Expects.NO_CODE, field_map)
    listed = routed("routes", "list").out
    assert "oyuncu_bilgi={extraField} {userIdentifier}" in listed and "no-code" in listed
    [as_json] = json.loads(routed("routes", "list", "--json").out)
    assert (as_json["fieldMap"], as_json["expects"]) == (field_map, "no-code")


def test_a_route_that_is_added_again_is_replaced(routed: Run, models: Models) -> None:
    routed("routes", "add", "*", "*", "first", "--map", "oyuncu_bilgi={extraField}", "--expects", "code")
    routed("routes", "add", "*", "*", "first")
    with models():
        assert route.next_for("pubg", "60uc", []) == Route("first", {}, Expects.AUTO, {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("oyuncu_bilgi", "'oyuncu_bilgi' is not FIELD=TEMPLATE"),
        ("={extraField}", "is not FIELD=TEMPLATE"),
        ("oyuncu={extraField}", "znet takes oyuncu_bilgi, musteri_tel, not 'oyuncu'"),
        ("oyuncu_bilgi={extrafield}", "unknown field `extrafield`; known fields: userIdentifier, extraField"),
        ("oyuncu_bilgi={extraField", "has a `{` without its counterpart"),
        ("musteri_tel=" + "x" * 501, "longer than 500 characters"),
    ],
)
def test_a_map_that_cannot_be_followed_is_refused(routed: Run, models: Models, given: str, said: str) -> None:
    refused = routed("routes", "add", "*", "*", "first", "--map", given)
    assert refused.code == 2 and said in " ".join(refused.err.split())
    with models():
        assert route.every() == []


def test_what_a_route_expects_is_one_of_three(routed: Run) -> None:
    assert routed("routes", "add", "*", "*", "first", "--expects", "pin").code == 2


def test_a_param_is_a_name_and_a_value(routed: Run) -> None:
    assert routed("routes", "add", "*", "*", "first", "--param", "oyun").code == 2
