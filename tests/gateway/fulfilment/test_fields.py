"""What a provider receives of an order: the fields of its route, from placing to the panel's own record."""

import pytest

from gateway.dev.simulator import Simulator
from gateway.fulfilment import dispatching
from gateway.fulfilment.worker import Worker
from models import route
from tests import factories
from tests.gateway.fulfilment.orders import booked, events, row, status

PHONE, PLAYER = "+90 555 111 22 33", "٩٨٧ ٤٥٦\u200b\n"


@pytest.mark.parametrize(
    ("field_map", "user", "extra", "player", "phone"),
    [
        (None, f" {PLAYER}", PHONE, "987456", "905551112233"),
        (None, PLAYER, "server 7", "987456 server 7", ""),
        (
            {"oyuncu_bilgi": "{userIdentifier}", "musteri_tel": "{userIdentifier}"},
            "0 (555) 111-22-33",
            None,
            "0 (555) 111-22-33",
            "05551112233",
        ),
        (
            {"oyuncu_bilgi": "{extraField}", "musteri_tel": "{userIdentifier}"},
            PHONE,
            PLAYER,
            "987456",
            "905551112233",
        ),
        ({"oyuncu_bilgi": "{extraField} {userIdentifier}"}, "server 7", PLAYER, "987456 server 7", ""),
    ],
)
def test_the_panel_receives_the_fields_as_the_route_says(
    worker: Worker,
    simulator: Simulator,
    field_map: dict[str, str] | None,
    user: str,
    extra: str | None,
    player: str,
    phone: str,
) -> None:
    route.add("game", "60", factories.SANDBOX, {"oyun": "1", "kupur": "60"}, field_map=field_map)
    order = str(factories.place(user, extra_field=extra)["id"])

    dispatching.dispatch(worker, order)

    sent = booked(simulator, order)
    assert (sent.player, sent.phone) == (player, phone)


def test_the_next_provider_gets_the_fields_of_its_own_route(
    worker: Worker, simulator: Simulator, backup: str
) -> None:
    route.add("game", "60", factories.SANDBOX, {"oyun": "1"}, field_map={"oyuncu_bilgi": "{extraField}"})
    own = {"oyuncu_bilgi": "{extraField}/{userIdentifier}"}
    route.add("game", "60", backup, {"oyun": "1", "kupur": "60"}, field_map=own)
    order = str(factories.place("7", extra_field="8")["id"])

    dispatching.dispatch(worker, order)

    assert row(order)["providerId"] == backup
    assert booked(simulator, order).player == "8/7"


@pytest.mark.parametrize(
    ("field_map", "user"),
    [({}, None), ({}, ""), ({}, "\u200b \n"), ({"oyuncu_bilgi": "{extraField}"}, "987456")],
)
def test_an_order_without_a_player_is_not_sent(
    worker: Worker, simulator: Simulator, field_map: dict[str, str], user: str | None
) -> None:
    route.add("game", "60", factories.SANDBOX, {"oyun": "1", "kupur": "60"}, field_map=field_map)
    order = str(factories.place(user)["id"])

    dispatching.dispatch(worker, order)

    assert (status(order), simulator.book.orders()) == ("failed", [])
    assert row(order)["failureReason"] == "customer"
    assert "sandbox refused: not sent: the player's id is empty" in events(order)[-1]
