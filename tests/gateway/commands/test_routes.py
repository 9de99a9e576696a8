"""Routes, added on the command line."""

import json
from typing import Any

import pytest

from models import choosing, placing, route
from models.route import Route
from models.status import Expects
from tests import factories

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
        found = choosing.next_for("pubg", "60uc", [], tenant_id=None)
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
        assert choosing.next_for("pubg", "60uc", [], tenant_id=None) == Route(
            "first", {}, Expects.NO_CODE, field_map
        )
    listed = routed("routes", "list").out
    assert "oyuncu_bilgi={extraField} {userIdentifier}" in listed and "no-code" in listed
    [as_json] = json.loads(routed("routes", "list", "--json").out)
    assert (as_json["fieldMap"], as_json["expects"]) == (field_map, "no-code")


#: Everything that a route may say, and what each option makes of it.
EVERYTHING = (
    *("--param", "oyun=1", "--param", "kupur=60", "--map", "oyuncu_bilgi={extraField}"),
    *("--expects", "code", "--priority", "3", "--cost", "31.40", "--currency", "try"),
)


def listed(cli: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("routes", "list", "--json").out)
    return found


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ((), {}),
        (("--param", "oyun=2"), {"params": {"oyun": "2"}}),
        (("--param", "none"), {"params": {}}),
        (("--map", "musteri_tel={extraField}"), {"fieldMap": {"musteri_tel": "{extraField}"}}),
        (("--map", "none"), {"fieldMap": {}}),
        (("--expects", "auto"), {"expects": "auto"}),
        (("--priority", "-1"), {"priority": -1}),
        (("--cost", "0.5", "--currency", "USD"), {"cost": {"amount": "0.5", "currency": "USD"}}),
        (("--cost", "32"), {"cost": {"amount": "32", "currency": "TRY"}}),
        (("--cost", "none"), {"cost": None}),
    ],
)
def test_a_route_that_is_added_again_keeps_what_is_not_given(
    routed: Run, options: tuple[str, ...], changed: dict[str, Any]
) -> None:
    routed("routes", "add", "pubg", "60uc", "first", *EVERYTHING)
    [before] = listed(routed)

    added = routed("routes", "add", "pubg", "60uc", "first", *options, "--json")

    assert (added.code, listed(routed)) == (0, [before | changed])
    assert json.loads(added.out) == before | changed


def test_a_route_shows_all_that_it_says(routed: Run) -> None:
    added = routed("routes", "add", "pubg", "60uc", "first", *EVERYTHING).out
    shown = routed("routes", "list").out
    for text in ("oyun=1 kupur=60", "oyuncu_bilgi={extraField}", "code", "3", "31.40 TRY"):
        assert text in added and text in shown
    [row] = listed(routed)
    assert (row["priority"], row["cost"]) == (3, {"amount": "31.40", "currency": "TRY"})
    assert listed(routed)[0].keys() == {
        *(
            "productId",
            "packageId",
            "providerId",
            "params",
            "fieldMap",
            "expects",
            "priority",
            "position",
            "strategy",
            "weight",
            "cost",
            "tenantId",
        )
    }


def test_the_most_specific_route_wins_then_the_lower_priority_then_the_older(
    routed: Run, models: Models
) -> None:
    routed("routes", "add", "*", "*", "first", "--priority", "-9")
    routed("routes", "add", "pubg", "*", "first")
    routed("routes", "add", "pubg", "*", "second")

    def turns() -> list[str]:
        with models():
            placed = factories.place_new(placing.NewOrder("pubg", "60uc", "5123456789"))
            first = choosing.next_for("pubg", "60uc", [], tenant_id=None)
            assert first and factories.column(placed, "providerId") == first.provider_id
            second = choosing.next_for("pubg", "60uc", [first.provider_id], tenant_id=None)
            assert second
            return [first.provider_id, second.provider_id]

    assert turns() == ["first", "second"]
    routed("routes", "add", "pubg", "*", "second", "--priority", "-1")
    assert turns() == ["second", "first"]
    routed("routes", "add", "pubg", "*", "first", "--priority", "-2")
    assert turns() == ["first", "second"]
    assert [(each["productId"], each["providerId"]) for each in listed(routed)] == [
        ("pubg", "first"),
        ("pubg", "second"),
        ("*", "first"),
    ]


def test_a_strategy_is_set_for_all_and_told_with_what_it_cannot_go_by(routed: Run) -> None:
    routed("routes", "add", "pubg", "60uc", "first", "--cost", "31", "--currency", "TRY")
    routed("routes", "add", "pubg", "60uc", "second", "--cost", "1", "--currency", "USD")
    assert (
        "once the strategy is `share`"
        in routed("routes", "add", "pubg", "60uc", "second", "--weight", "3").err
    )
    told = routed("routes", "add", "pubg", "60uc", "first", "--strategy", "cheapest")
    assert "strategy cheapest of priority 0: first, second" in told.err
    assert "costs in TRY and USD are not compared" in told.err
    assert "strategy: cheapest" in told.out

    lacking = routed("routes", "add", "pubg", "60uc", "second", "--cost", "none")
    assert "no --cost: second; until an order was completed there, it is asked last" in lacking.err
    routed("routes", "add", "pubg", "60uc", "first", "--strategy", "share")
    shared = {each["providerId"]: (each["strategy"], each["weight"]) for each in listed(routed)}
    assert shared == {"first": ("share", 1), "second": ("share", 3)}
    assert "share 3" in routed("routes", "list").out
    assert routed("routes", "add", "pubg", "60uc", "first", "--weight", "0").code == 2


def test_a_route_is_removed_alone_and_what_is_left_is_told(routed: Run, models: Models) -> None:
    routed("routes", "add", "pubg", "60uc", "first")
    routed("routes", "add", "pubg", "60uc", "second")
    routed("routes", "add", "pubg", "*", "second")

    assert routed("routes", "remove", "pubg", "60uc", "first").code == 0
    less_specific = routed("routes", "remove", "pubg", "60uc", "second").out
    assert "less specific route still leads to second" in less_specific
    last = routed("routes", "remove", "pubg", "*", "second").out
    assert "refused with a 422" in last
    assert "see: gateway routes list" in routed("routes", "remove", "pubg", "*", "second").problem
    with models():
        assert route.every() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--currency", "TRY"), "the currency of --cost, which is missing"),
        (("--cost", "none", "--currency", "TRY"), "the currency of --cost, which is missing"),
        (("--cost", "1,50"), "an amount such as 12.50"),
        (("--cost", "-1"), "an amount such as 12.50"),
        (("--cost", "1e3"), "an amount such as 12.50"),
        (("--cost", "1", "--currency", "lira!"), "the code of a currency such as TRY"),
        (("--priority", "1000001"), "--priority"),
        (("--priority", "high"), "--priority"),
    ],
)
def test_a_cost_or_priority_that_cannot_be_kept_is_refused(
    routed: Run, models: Models, options: tuple[str, ...], said: str
) -> None:
    refused = routed("routes", "add", "*", "*", "first", *options)
    assert refused.code == 2 and said in " ".join(refused.err.split())
    with models():
        assert route.every() == []


def test_a_field_that_is_the_same_in_every_order_is_taken_and_told(routed: Run, models: Models) -> None:
    """Panels of PIN codes want a player too, whoever that is."""
    added = routed("routes", "add", "*", "*", "first", "--map", "oyuncu_bilgi=pin")
    assert added.code == 0 and "oyuncu_bilgi will be the same in every order: pin" in added.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("oyuncu_bilgi", "'oyuncu_bilgi' is not FIELD=TEMPLATE"),
        ("={extraField}", "is not FIELD=TEMPLATE"),
        ("oyuncu={extraField}", "znet takes oyuncu_bilgi, musteri_tel, not 'oyuncu'"),
        ("oyuncu_bilgi={extrafield}", "unknown field `extrafield`; known fields: userIdentifier, extraField"),
        ("oyuncu_bilgi={extraField", "has a `{` without its counterpart"),
        ("musteri_tel=" + "x" * 501, "longer than 500 characters"),
        ("oyuncu_bilgi=extraField", "has `extraField` as text; write fields as {extraField}"),
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


def test_a_route_that_lacks_what_every_order_needs_says_so(routed: Run) -> None:
    assert routed("routes", "add", "pubg", "60uc", "first", "--param", "oyun=1").err == (
        "first (znet) refuses each order of this route until it has kupur:"
        " gateway routes add pubg 60uc first --param oyun=… --param kupur=…\n"
    )
    whole = routed("routes", "add", "pubg", "60uc", "first", "--param", "oyun=1", "--param", "kupur=60")
    kept = routed("routes", "add", "pubg", "60uc", "first", "--priority", "1")
    assert (whole.err, kept.err) == ("", "")


def test_a_new_provider_names_the_route_with_what_its_protocol_needs(cli: Run) -> None:
    options = ("--adapter", "znet", "--base-url", "https://b.example", "--callback", "token")
    added = cli("providers", "add", "first", *options, stdin='{"kod": "1", "sifre": "2"}')
    own = cli("providers", "add", "own", "--adapter", "stock")

    assert "gateway routes add PRODUCT PACKAGE first --param oyun=… --param kupur=…\n" in added.out
    assert own.out.endswith("Next: gateway routes add PRODUCT PACKAGE own\n")
