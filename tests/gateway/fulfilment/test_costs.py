"""What an order may cost binds every provider that it goes to, and the fields that it brings reach each of them."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.dev.simulator import Simulator
from gateway.fulfilment import dispatching
from gateway.fulfilment.worker import Worker
from models import provider_health, resolving, route, stuck
from models.placing import Money
from models.resolving import NotPossible
from models.route import Cost
from models.stuck import Limits
from tests import factories
from tests.factories import SANDBOX
from tests.gateway.fulfilment.described import PLAIN, opened
from tests.gateway.fulfilment.orders import booked, events, row, status

PANEL: dict[str, Any] = {"oyun": "1", "kupur": "60"}
LIRAS = "TRY"


def costs(**by_provider: str | None) -> None:
    for priority, (provider_id, cost) in enumerate(by_provider.items()):
        known = Cost(Decimal(cost), LIRAS) if cost else None
        route.add("game", "60", provider_id, PANEL, priority=priority, cost=known)


def limited(words: str, amount: str) -> str:
    placed = factories.place(f"player+{words}", max_cost=Money(Decimal(amount), LIRAS))
    return str(placed["id"])


@pytest.mark.parametrize(("cost", "goes"), [("10", True), ("10.01", False), (None, False)])
def test_after_a_refusal_the_order_goes_to_no_dearer_provider(
    worker: Worker, backup: str, cost: str | None, goes: bool
) -> None:
    costs(sandbox="9", backup=cost)
    order = limited("refuse=stok_yok", "10")
    dispatching.dispatch(worker, order)
    assert row(order)["providerId"] == (backup if goes else SANDBOX)
    assert status(order) == "failed"
    assert row(order)["failureReason"] == "product"


def test_a_provider_that_is_paused_is_passed_over_for_no_dearer_one(worker: Worker, backup: str) -> None:
    costs(sandbox="9", backup="11")
    order = limited("poll", "10")
    provider_health.pause(SANDBOX, by="ada", reason="closed")
    dispatching.dispatch(worker, order)
    assert (status(order), row(order)["providerId"]) == ("not_sent", SANDBOX)
    [waits] = stuck.orders(Limits(sweep_period_seconds=60, max_checks=3, first_check_delay_seconds=60), 10)
    assert (waits.id, waits.attention) == (order, "provider_down")


def test_a_person_resends_to_no_dearer_provider_either(worker: Worker, backup: str) -> None:
    costs(sandbox="9", backup="11")
    order = limited("refuse=stok_yok", "10")
    dispatching.dispatch(worker, order)
    with pytest.raises(NotPossible, match="may cost 10 TRY at most"):
        resolving.resend(order, by="ada", reason="try the other", provider_id=backup)
    assert status(order) == "failed"


def test_further_fields_reach_the_provider(worker: Worker, simulator: Simulator) -> None:
    field_map = {"oyuncu_bilgi": "{userIdentifier} {zone} {server?}", "musteri_tel": "{phone}"}
    route.add("game", "60", SANDBOX, PANEL, field_map=field_map)
    fields = {"zone": " ٢٠٠١\n", "phone": "+90 555 111 22 33", "other": "is not asked for"}
    order = str(factories.place("987456", fields=fields)["id"])
    dispatching.dispatch(worker, order)
    sent = booked(simulator, order)
    assert (sent.player, sent.phone) == ("987456 2001", "905551112233")
    assert "other" not in "".join(events(order))


#: A shop in dollars that is told what it may cost at most.
CEILING = PLAIN.replace(
    'pieces = "{quantity}"',
    'pieces = "{quantity}", "most?" = "{max_price}",'
    ' "all?" = { amount = "{max_cost}", currency = "{max_cost_currency}" }',
)


@pytest.mark.parametrize(
    ("limit", "quantity", "params", "most", "everything"),
    [
        (("10.00", "USD"), 1, {}, "10", ("10", "USD")),
        (("10.00", "USD"), 3, {}, "3.33", ("10", "USD")),
        (("0.001", "USD"), 2, {}, "0", ("0.001", "USD")),
        (("10", "USD"), 2, {"max_price": "4.5"}, "4.5", ("10", "USD")),
        (("10", "USD"), 2, {"max_price": "5.5"}, "5", ("10", "USD")),
        (("10", "USD"), 1, {"max_price": "nan"}, "10", ("10", "USD")),
        (("10", "USD"), 1, {"max_cost": "7", "max_cost_currency": "EUR"}, "10", ("10", "USD")),
        (("10", "TRY"), 1, {"max_price": "4.5"}, "4.5", None),
        (("10", "TRY"), 1, {}, None, None),
        (None, 2, {"max_price": "4.5", "max_cost": "7", "max_cost_currency": "EUR"}, "4.5", ("7", "EUR")),
    ],
)
def test_a_ceiling_is_sent_in_the_currency_of_the_account_or_not_at_all(
    worker: Worker,
    limit: tuple[str, str] | None,
    quantity: int,
    params: dict[str, str],
    most: str | None,
    everything: tuple[str, str] | None,
) -> None:
    with opened(CEILING) as shop:
        cost = Cost(Decimal("0.0001"), limit[1]) if limit else None
        route.add("game", "60", SANDBOX, params, cost=cost)
        max_cost = Money(Decimal(limit[0]), limit[1]) if limit else None
        placed = factories.place("player", max_cost=max_cost, quantity=quantity)
        dispatching.dispatch(worker, str(placed["id"]))
        [(_, told)] = shop.calls
    assert told.get("most") == most
    assert told.get("all") == (
        dict(zip(("amount", "currency"), everything, strict=True)) if everything else None
    )
