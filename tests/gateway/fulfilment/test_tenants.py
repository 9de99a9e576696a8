"""Orders of tenants on their way: they move on only to providers that are for them."""

import pytest

from gateway.fulfilment import checking, dispatching, probing
from gateway.fulfilment.worker import Worker
from models import provider, provider_health, route
from models.provider import Provider
from tests import factories
from tests.factories import OTHER_TENANT, TENANT
from tests.gateway.fulfilment.conftest import BACKUP
from tests.gateway.fulfilment.orders import Queue, age, events, go_down, row, status

SANDBOX = factories.SANDBOX
SHOPS = {"one": TENANT, "two": OTHER_TENANT, "none": None}


@pytest.fixture(autouse=True)
def of_one(backup: str) -> None:
    """The second provider belongs to the tenant `one`; its route says nothing of it."""
    give(backup, TENANT)


def give(provider_id: str, tenant_id: str | None) -> None:
    def given(known: Provider) -> Provider:
        known_as = {name: getattr(known, name) for name in Provider.__dataclass_fields__}
        return Provider(**known_as | {"tenant_id": tenant_id})

    assert provider.change(provider_id, given)


def place(name: str, words: str) -> str:
    return str(factories.place(f"player+{words}", SHOPS[name])["id"])


@pytest.mark.parametrize("name", SHOPS)
def test_a_refused_order_goes_to_no_provider_of_another_tenant(worker: Worker, name: str) -> None:
    order = place(name, "refuse")
    dispatching.dispatch(worker, order)
    assert (row(order)["providerId"] == BACKUP) == (name == "one")
    assert (any(BACKUP in each for each in events(order))) == (name == "one")


@pytest.mark.parametrize("name", SHOPS)
def test_an_order_that_waits_is_rerouted_to_no_provider_of_another_tenant(
    worker: Worker, queue: Queue, name: str
) -> None:
    order = place(name, "never")
    go_down()
    dispatching.dispatch(worker, order)
    assert (status(order), row(order)["providerId"]) == (
        ("sent", BACKUP) if name == "one" else ("not_sent", SANDBOX)
    )
    queue.clear()
    provider_health.look_again(BACKUP)
    probing.look(worker, lambda provider_id: None)
    assert queue.hints() == []


@pytest.mark.parametrize("name", SHOPS)
def test_an_order_that_never_reached_its_provider_goes_to_none_of_another_tenant(
    worker: Worker, name: str
) -> None:
    factories.add_provider(SANDBOX, base_url="http://127.0.0.1:1")
    order = place(name, "never")
    dispatching.dispatch(worker, order)
    assert (row(order)["providerId"] == BACKUP) == (name == "one")
    if name != "one":
        go_down()
        age(order, 61)
        checking.check(worker, order)
        assert row(order)["providerId"] == SANDBOX


@pytest.mark.parametrize("name", SHOPS)
def test_an_order_whose_provider_was_given_to_another_tenant_moves_on(worker: Worker, name: str) -> None:
    factories.add_provider("third", base_url=provider.base_urls()[SANDBOX])
    order = place(name, "never")
    give(SANDBOX, TENANT)
    dispatching.dispatch(worker, order)
    assert (status(order), row(order)["providerId"]) == ("sent", SANDBOX if name == "one" else "third")


def test_a_tenants_own_route_comes_first(worker: Worker) -> None:
    route.add("*", "*", BACKUP, {"oyun": "1", "kupur": "60"}, tenant_id=TENANT)
    for name, expected in (("one", BACKUP), ("two", SANDBOX), ("none", SANDBOX)):
        order = place(name, "never")
        dispatching.dispatch(worker, order)
        assert row(order)["providerId"] == expected
