"""What a provider says of our account with it is shown to people of the gateway, and to no storefront."""

from dataclasses import replace
from typing import Any

import pytest

from gateway import shown
from gateway.fulfilment import messages
from models import masking, outbox, timeline
from models.api_key import Scope
from models.outcome import ACCOUNT_MESSAGE, Outcome
from models.status import ExternalStatus, FailureReason, Source
from tests import factories
from tests.gateway.web.conftest import ClientFor

#: Words that no pattern of ours knows; a protocol's own rule has said what they are about.
UNKNOWN_WORDS = "hesap 4711 askida kaldi"


def told(client_for: ClientFor, order: dict[str, Any], *scopes: Scope) -> str:
    """Everything that a key reads of an order, as one text."""
    asked = client_for(Scope.ORDERS_READ, *scopes)
    paths = (f"/orders/{order['id']}", f"/orders/{order['id']}/events", "/orders")
    return "".join(asked.simulate_get(path).text for path in paths)


def failed(order: dict[str, Any], **fields: Any) -> None:
    """A callback says that it failed."""
    arrival = factories.arrival(order, ExternalStatus.FAILED)
    factories.settle(
        replace(arrival, outcome=Outcome(ExternalStatus.FAILED, order["provider_referans"], **fields))
    )


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("sandbox refused: Bakiye yetersiz; sending to backup", "yetersiz"),
        ("checked (1): processing, Şifre yanlış", "yanl"),
        ("sandbox: no clear answer to the send, will ask: HTTP 401: unauthorized", "unauthorized"),
        ("was not asked, as sandbox has no balance left", "no balance"),
        (f"sandbox refused our account: {UNKNOWN_WORDS}; sending to backup", "askida"),
        (f"sandbox is paused by gateway: {UNKNOWN_WORDS}; sending to backup", "askida"),
        ("sandbox is paused by ali: we have not paid 4711 TRY", "not paid"),
    ],
)
def test_the_timeline_shows_it_to_people_of_the_gateway_only(
    client_for: ClientFor, note: str, words: str
) -> None:
    order = factories.sent()
    timeline.record(order["id"], Source.DISPATCH, masking.ours(note))
    assert words not in told(client_for, order, Scope.PINS_READ)
    assert words in told(client_for, order, Scope.OPS)


def test_what_a_rule_of_its_protocol_says_is_about_our_account_counts(client_for: ClientFor) -> None:
    order = factories.sent()
    failed(order, message=UNKNOWN_WORDS, failure_reason=FailureReason.ACCOUNT)
    assert "askida" not in told(client_for, order, Scope.PINS_READ)
    assert "refused our account: hesap 4711" in told(client_for, order, Scope.OPS)


@pytest.mark.parametrize("status", [ExternalStatus.FAILED, ExternalStatus.PROCESSING])
def test_neither_the_order_nor_a_notification_has_it(client_for: ClientFor, status: ExternalStatus) -> None:
    order = factories.sent()
    factories.settle(factories.arrival(order, status, message="Bakiye yetersiz"))
    assert "yetersiz" not in told(client_for, order, Scope.PINS_READ)
    found = outbox.orders([order["id"]])[order["id"]]
    assert shown.show_order(found)["lastMessage"] == ACCOUNT_MESSAGE
    assert b"yetersiz" not in messages.body("order.failed", found.created_at, found)


def test_what_it_says_of_the_player_is_shown(client_for: ClientFor) -> None:
    order = factories.sent()
    factories.settle(factories.arrival(order, ExternalStatus.FAILED, message="Oyuncu bulunamadı"))
    assert told(client_for, order).count("Oyuncu bulunamadı") == 3
