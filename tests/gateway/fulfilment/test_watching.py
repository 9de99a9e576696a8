"""Catalogues that are watched: read once a day, and what is new in them is told; no route is changed by it."""

from dataclasses import asdict, replace
from decimal import Decimal

import pytest

from gateway import providers
from gateway.commands import provider_probes
from gateway.dev.simulator import Simulator, panel
from gateway.dev.simulator.catalogue import PACKAGES
from gateway.fulfilment import catalogues, watching
from gateway.fulfilment.worker import Worker
from gateway.providers.znet import Znet
from models import catalogue_watches, provider, route
from models.db import database
from models.route import Cost
from tests.factories import SANDBOX
from tests.gateway.fulfilment.orders import go_down

#: What the simulator asks for the package that the route leads to.
PRICE = Decimal(PACKAGES[0]["fiyat"])


def costs(amount: Decimal | str) -> None:
    route.add("*", "*", SANDBOX, cost=Cost(Decimal(amount), "TRY"))


def attention() -> str | None:
    return catalogue_watches.every()[SANDBOX].attention


def a_day_passes() -> None:
    database.rows("UPDATE referans.catalogue_watches SET next_at = next_at - interval '1 day'")


@pytest.fixture(autouse=True)
def watched(worker: Worker) -> None:
    """The catalogue of the sandbox is watched; a person has seen it as it is, and the route has its price."""
    costs(PRICE)
    account = provider.find(SANDBOX)
    assert account
    packages = providers.catalogue(account, worker.client)
    lines = catalogues.compare(account, Znet.PARAMS, packages, route.every())
    assert catalogue_watches.seen(SANDBOX, catalogues.keys(lines), None, begin=True)
    assert watching.read_due(worker) == 0
    a_day_passes()


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        ("20", "1 dearer (* * 20 → 25.50 TRY)"),
        ("30", "1 cheaper (* * 30 → 25.50 TRY)"),
        ("25.5", None),
    ],
)
def test_a_price_that_the_route_does_not_have_is_told_and_nothing_is_changed(
    worker: Worker, cost: str, told: str | None
) -> None:
    costs(cost)
    before = [asdict(each) for each in route.every()]
    assert watching.read_due(worker) == 1
    assert attention() == told
    assert [asdict(each) for each in route.every()] == before
    assert [each.detail for each in provider_probes.catalogues(worker.settings)] == ([told] if told else [])
    assert watching.read_due(worker) == 0, "it is read once a day"

    costs(PRICE)
    a_day_passes()
    watching.read_due(worker)
    assert attention() is None


def test_what_is_new_or_gone_is_told_until_a_person_has_seen_it(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [{**PACKAGES[1], "id": f"90{n}", "adi": f"Yeni {n}", "kupur": 7_000 + n} for n in range(5)]
    monkeypatch.setattr(panel, "PACKAGES", (*PACKAGES[1:], *new))
    watching.read_due(worker)
    told = "1 gone (* *); 5 new (PUBG Mobile Yeni 0, PUBG Mobile Yeni 1, PUBG Mobile Yeni 2 and 2 more)"
    assert attention() == told
    a_day_passes()
    watching.read_due(worker)
    assert attention() == told

    monkeypatch.setattr(panel, "PACKAGES", (*PACKAGES[:2], new[0]))
    a_day_passes()
    watching.read_due(worker)
    assert attention() == "1 new (PUBG Mobile Yeni 0)", "what was told before is replaced"


@pytest.mark.parametrize("trouble", ["away", "down", "refused", "removed"])
def test_a_catalogue_that_does_not_come_teaches_nothing(worker: Worker, trouble: str) -> None:
    costs("20")
    watching.read_due(worker)
    costs("30")
    a_day_passes()
    account = provider.find(SANDBOX)
    assert account
    if trouble == "away":
        provider.save(replace(account, base_url="http://127.0.0.1:1"))
    elif trouble == "down":
        go_down()
    elif trouble == "refused":
        provider.save(replace(account, credentials={**account.credentials, "sifre": "wrong"}))
    else:
        database.rows("UPDATE referans.providers SET adapter = 'forgotten'")
    assert watching.read_due(worker) == 0
    assert attention() == "1 dearer (* * 20 → 25.50 TRY)"

    database.rows("UPDATE referans.catalogue_watches SET looked_at = now() - interval '4 days'")
    [finding] = provider_probes.catalogues(worker.settings)
    assert finding.detail == "not read for 4 days"


def test_what_a_person_has_seen_while_it_was_read_counts_more(worker: Worker) -> None:
    taken = catalogue_watches.claim(SANDBOX, 3_600)
    assert taken and catalogue_watches.claim(SANDBOX, 3_600) is None, "one process reads it"
    catalogue_watches.seen(SANDBOX, ["package 1"], None, begin=False)
    catalogue_watches.read(taken, "1 new (Yeni)", 86_400)
    assert attention() is None


def test_it_is_due_again_soon_if_it_was_not_read_and_gone_with_its_provider(
    worker: Worker, simulator: Simulator
) -> None:
    assert catalogue_watches.claim(SANDBOX, watching.AGAIN_SECONDS)
    assert catalogue_watches.due() == []
    database.rows("UPDATE referans.catalogue_watches SET next_at = next_at - interval '1 hour'")
    assert catalogue_watches.due() == [SANDBOX]
    assert watching.read_due(worker) == 1
    database.rows("DELETE FROM referans.routes")
    database.rows("DELETE FROM referans.providers")
    assert catalogue_watches.every() == {}
