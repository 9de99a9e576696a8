"""A provider's catalogue, beside the routes to it."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest

from gateway.dev.simulator import Simulator
from gateway.dev.simulator.catalogue import PACKAGES
from gateway.fulfilment import catalogues
from gateway.fulfilment.catalogues import Change
from gateway.providers.base import Package
from models.provider import Provider
from models.route import ListedRoute

from .conftest import Run

FIRST = {"oyun": str(PACKAGES[0]["oyun_bilgi_id"]), "kupur": str(PACKAGES[0]["kupur"])}


@pytest.fixture
def dealer(cli: Run, panel: Simulator) -> Run:
    """The command line, with a provider that has a catalogue and a route to its first package and one to no package."""
    account = json.dumps({"kod": "sandbox", "sifre": "sandbox"})
    options = ("--adapter", "znet", "--base-url", panel.url, "--callback", "token")
    assert cli("providers", "add", "bayi", *options, stdin=account).code == 0
    params = [part for name, value in FIRST.items() for part in ("--param", f"{name}={value}")]
    cli("routes", "add", "pubg", "first", "bayi", *params, "--cost", "0.01", "--priority", "3")
    cli("routes", "add", "pubg", "old", "bayi", "--param", "oyun=no", "--param", "kupur=longer")
    return cli


def routes(cli: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("routes", "list", "--json").out)
    return found


def test_without_apply_the_catalogue_is_only_shown(dealer: Run) -> None:
    before = routes(dealer)
    shown = dealer("routes", "import", "bayi")
    assert shown.code == 0
    assert "dearer" in shown.out and "gone" in shown.out and "add --apply" in shown.out
    assert routes(dealer) == before

    found = json.loads(dealer("routes", "import", "bayi", "--json").out)
    by_change = {change: [each for each in found if each["change"] == change] for change in Change}
    assert [each["packageId"] for each in by_change[Change.DEARER]] == ["first"]
    assert by_change[Change.DEARER][0]["was"] == {"amount": "0.01", "currency": "TRY"}
    assert [each["packageId"] for each in by_change[Change.GONE]] == ["old"]
    assert len(by_change[Change.NEW]) == len(found) - 2 > 0
    assert not any(each["applied"] for each in found)


def test_with_apply_prices_are_kept_and_new_packages_get_routes_that_no_other_order_takes(
    dealer: Run,
) -> None:
    before = {(each["productId"], each["packageId"]): each for each in routes(dealer)}
    found = json.loads(dealer("routes", "import", "bayi", "--apply", "--json").out)

    after = {(each["productId"], each["packageId"]): each for each in routes(dealer)}
    dearer = after["pubg", "first"]
    assert dearer["cost"] == next(each["now"] for each in found if each["change"] == "dearer")
    assert {**dearer, "cost": None} == {**before["pubg", "first"], "cost": None}
    assert after["pubg", "old"] == before["pubg", "old"]
    for each in (each for each in found if each["change"] == "new"):
        added = after["bayi", each["catalogueId"]]
        assert (added["params"], added["cost"]) == (each["params"], each["now"])

    again = json.loads(dealer("routes", "import", "bayi", "--apply", "--json").out)
    assert {each["change"] for each in again} == {"same", "gone"}
    assert len(routes(dealer)) == len(after)


def test_new_routes_are_of_the_product_that_is_named(dealer: Run) -> None:
    dealer("routes", "import", "bayi", "--apply", "--product", "games")
    assert {each["productId"] for each in routes(dealer)} == {"pubg", "games"}


def test_of_the_new_packages_only_those_with_a_text_are_taken(dealer: Run) -> None:
    found = json.loads(dealer("routes", "import", "bayi", "--json").out)
    names = [each["name"] for each in found if each["change"] == "new"]
    wanted = [each for each in names if names[0].lower() in each.lower()]
    assert 0 < len(wanted) < len(names)

    dealer("routes", "import", "bayi", "--apply", "--product", "games", "--only", names[0].upper())
    added = [each for each in routes(dealer) if each["productId"] == "games"]
    assert len(added) == len(wanted)
    assert "contains 'nope'" in dealer("routes", "import", "bayi", "--only", "nope").err


def test_a_provider_without_a_catalogue_says_so(cli: Run) -> None:
    cli("providers", "add", "shelf", "--adapter", "stock")
    assert "no catalogue" in cli("routes", "import", "shelf").problem
    assert "provider nope not found" in cli("routes", "import", "nope").problem


SHOP = Provider("shop", "zdk", "https://shop.example", "none", {})


def package(price: str | None, currency: str = "", item: str = "60", **params: str) -> Package:
    return Package("9", "60 UC", Decimal(price) if price else None, currency, {"product": item, **params})


def leading(cost: str | None, currency: str | None = "USD", **params: str) -> ListedRoute:
    return ListedRoute(
        "shop", {"product": "60", **params}, cost=Decimal(cost) if cost else None, currency=currency
    )


@pytest.mark.parametrize(
    ("price", "currency", "cost", "change"),
    [
        ("1.30", "USD", "1.2", Change.DEARER),
        ("1.10", "USD", "1.2", Change.CHEAPER),
        ("1.20", "USD", "1.2", Change.SAME),
        ("1.30", "TRY", "1.2", Change.PRICED),
        ("1.30", "USD", None, Change.PRICED),
        ("1.30", "", "1.2", Change.SAME),
        ("0", "USD", "1.2", Change.SAME),
        (None, "USD", "1.2", Change.SAME),
    ],
)
def test_a_price_is_compared_in_its_currency(
    price: str | None, currency: str, cost: str | None, change: Change
) -> None:
    [line] = catalogues.compare(SHOP, ["product"], [package(price, currency)], [leading(cost)])
    assert line.change is change
    assert line.is_price is (line.price is not None and change is not Change.SAME)


def test_a_package_is_known_by_what_every_route_has() -> None:
    """A store names a field for the player too, which a route may fill in another way."""
    listed, by_hand = package("1", "USD", player_field="id"), leading("1", player_field="uid")
    [line] = catalogues.compare(SHOP, ["product"], [listed], [by_hand])
    assert line.change is Change.SAME
    new, gone = catalogues.compare(SHOP, ["product"], [package("1", "USD", item="61")], [by_hand])
    assert (new.change, gone.change) == (Change.NEW, Change.GONE)


def test_catalogues_of_thousands_of_packages_are_compared_at_once() -> None:
    """Panels sell five thousand services, and the worker that reads their catalogue has other work."""
    packages = [package("1", "USD", item=str(number)) for number in range(5_000)]
    listed = [leading("1", product=str(number)) for number in range(5_000)]
    began = time.process_time()
    lines = catalogues.compare(SHOP, ["product"], packages, listed)
    assert time.process_time() - began < 2
    assert [each.change for each in lines] == [Change.SAME] * 5_000


def test_a_package_without_parameters_leads_nowhere() -> None:
    new, gone = catalogues.compare(SHOP, ["product"], [package("1", "USD", item="")], [leading("1")])
    assert (new.change, gone.change) == (Change.NEW, Change.GONE)


def test_a_catalogue_is_watched_until_a_person_ends_it(dealer: Run) -> None:
    def listed() -> dict[str, Any]:
        [found] = json.loads(dealer("providers", "list", "--json").out)
        return dict(found)

    assert "watched" not in dealer("routes", "import", "bayi").out
    assert not listed()["catalogueWatched"]

    begun = dealer("routes", "import", "bayi", "--watch")
    assert "The catalogue of bayi is watched; to end that: --no-watch." in begun.out
    told = "catalogue: 1 dearer (pubg first 0.01 → 25.50 TRY)"
    assert (listed()["catalogueWatched"], listed()["attention"]) == (True, told)
    assert "1 dearer" in dealer("providers", "list").out

    assert "watched" in dealer("routes", "import", "bayi", "--apply").out
    assert listed()["attention"] is None
    dealer("routes", "import", "bayi", "--no-watch")
    assert not listed()["catalogueWatched"]
