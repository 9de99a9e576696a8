"""Texts and costs of every protocol: cleaned and bounded where they become an outcome, so that each is settled."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from models import claims, route, texts, timeline
from models.codes import Code
from models.db import database
from models.outcome import ACCOUNT_MESSAGE, MAX_RECEIPT, Outcome, as_json, from_json
from models.status import ExternalStatus, FailureReason, Source
from tests import factories

SENT, COMPLETED, FAILED = ExternalStatus.SENT, ExternalStatus.COMPLETED, ExternalStatus.FAILED
DIRTY = "a\x1b[31m\x00\x9b\u202e\ud800\u200b\r\nb\x07"
#: 3.9 MB.
HUGE = "ş" * 3_900_000

#: An outcome that has everything.
WHOLE = Outcome(
    ExternalStatus.COMPLETED,
    referans="123456789012345",
    external_order_id="Z-77",
    codes=(Code("PIN-ONE", "4321", "S-1", "2030-01-01"), Code("PIN-TWO")),
    unreadable_code=True,
    receipt="Ahmet",
    message="Yükleme başarılı",
    cost=Decimal("10.12"),
    remaining=Decimal("980.88"),
    currency="TRY",
    is_partial=True,
    failure_reason=FailureReason.PRODUCT,
)

COSTS = [
    ("10.12", "10.12"),
    ("10.125", "10.13"),
    ("0", "0.00"),
    ("99999999", "99999999.00"),
    ("1E-200000", None),
    ("-1E-200000", None),
    ("1E+200000", None),
    ("1E-7", "0.00"),
    ("NaN", None),
    ("sNaN", None),
    ("-Infinity", None),
    ("1000000000000", None),
    ("9" * 2_000, None),
    ("0." + "3" * 2_000, None),
]


@pytest.fixture
def claimed(db: None) -> dict[str, Any]:
    """An order that is being sent."""
    placed = factories.place()
    assert claims.claim_dispatch(placed["id"], 60)
    return placed


@pytest.mark.parametrize(("cost", "kept"), COSTS)
def test_an_accepted_order_is_sent_whatever_its_cost_says(
    claimed: dict[str, Any], cost: str, kept: str | None
) -> None:
    factories.put(claimed, costAmount=None)
    outcome = Outcome(SENT, claimed["provider_referans"], cost=Decimal(cost), currency="TRY")

    assert factories.settle(accepted(claimed, outcome)) == ["applied"]

    assert factories.column(claimed, "externalStatus") == "sent"
    assert factories.column(claimed, "costAmount") == (None if kept is None else Decimal(kept))


@pytest.mark.parametrize("cost", ["99999999.995", "100000000", "1250000000", "999999999999.99"])
def test_a_cost_that_the_storefronts_column_cannot_hold_is_kept_beside_it(
    claimed: dict[str, Any], cost: str
) -> None:
    """An order of a hundred dollars costs a hundred million rials."""
    outcome = Outcome(
        SENT, claimed["provider_referans"], cost=Decimal(cost), currency="IRR", remaining=Decimal(cost)
    )
    assert outcome.remaining == Decimal(cost)

    assert factories.settle(accepted(claimed, outcome)) == ["applied"]

    assert factories.column(claimed, "gatewayCostAmount") == Decimal(cost)
    assert factories.column(claimed, "costAmount") == 0


@pytest.mark.parametrize(
    ("currency", "kept"), [("TRY", "TRY"), (" usd\x00\n", "usd"), ("Türk Lirası", None), ("", None)]
)
def test_a_currency_that_has_no_room_is_left_out(
    claimed: dict[str, Any], currency: str, kept: str | None
) -> None:
    factories.put(claimed, costCurrency=None)
    outcome = Outcome(SENT, claimed["provider_referans"], cost=Decimal(1), currency=currency)
    assert factories.settle(accepted(claimed, outcome)) == ["applied"]
    assert factories.column(claimed, "costCurrency") == kept


def accepted(order: dict[str, Any], outcome: Outcome) -> Any:
    return factories.Arrival(factories.SANDBOX, Source.DISPATCH, outcome, order_id=order["id"])


@pytest.mark.parametrize("status", [COMPLETED, FAILED])
@pytest.mark.parametrize("source", [Source.CALLBACK, Source.POLL])
def test_what_a_provider_writes_is_kept_clean_and_bounded(
    db: None, status: ExternalStatus, source: Source
) -> None:
    order = factories.sent()
    said = factories.arrival(order, status, message=DIRTY + HUGE, source=source, order_id=order["id"])

    assert factories.settle(said) == ["applied"]

    whole, last = factories.column(order, "providerMessage"), factories.column(order, "lastMessage")
    told = timeline.events(order["id"])[-1].message or ""
    assert (len(whole), len(last), len(told)) == (texts.WHOLE, texts.LAST_MESSAGE, texts.TIMELINE)
    for text in (whole, last, told):
        assert text.startswith("a bşşş")
    if source is Source.CALLBACK:
        [kept] = database.rows("SELECT message FROM referans.callback_events")
        assert kept["message"].startswith("a bşşş") and len(kept["message"]) == texts.TIMELINE


def test_a_receipt_is_kept_clean_and_bounded(db: None) -> None:
    order = factories.sent()
    outcome = Outcome(COMPLETED, order["provider_referans"], receipt=DIRTY + HUGE)
    factories.settle(factories.Arrival(factories.SANDBOX, Source.POLL, outcome, order_id=order["id"]))
    receipt = factories.column(order, "receipt")
    assert receipt.startswith("a bşşş") and len(receipt) == MAX_RECEIPT


def test_a_text_of_which_nothing_is_left_is_none() -> None:
    outcome = Outcome(COMPLETED, "1", message="\x1b[2J\u200b \n", receipt="\u202e")
    assert (outcome.message, outcome.receipt) == (None, None)


@pytest.mark.parametrize("first", [COMPLETED, FAILED])
def test_no_event_is_longer_than_the_timeline_takes(db: None, first: ExternalStatus) -> None:
    """Also where words of ours stand in front of the provider's: conflicts, stale and late outcomes."""
    order = factories.sent()
    for status in (first, ExternalStatus.PROCESSING, COMPLETED, FAILED):
        factories.settle(factories.arrival(order, status, message=HUGE))
    timeline.record(order["id"], Source.POLL, f"checked: {HUGE}")
    lengths = [len(event.message or "") for event in timeline.events(order["id"])]
    assert max(lengths) == texts.TIMELINE


def test_a_long_refusal_leaves_room_for_both_providers(claimed: dict[str, Any]) -> None:
    following = route.Route("backup", {})
    assert claims.claim_next_provider(claimed["id"], factories.SANDBOX, following, DIRTY + HUGE, 60)
    told = timeline.events(claimed["id"])[-1].message or ""
    assert told.startswith("sandbox refused: a bşşş") and told.endswith("ş…; sending to backup")
    assert len(told) <= texts.TIMELINE


def test_a_note_is_cleaned(db: None) -> None:
    order = factories.place()
    timeline.record(order["id"], Source.POLL, f"checked: {DIRTY}")
    assert timeline.events(order["id"])[-1].message == "checked: a b"


def test_an_outcome_is_read_as_it_was_written_but_for_its_cost_which_has_columns_of_its_own() -> None:
    assert from_json(as_json(WHOLE)) == replace(WHOLE, cost=None, remaining=None, currency=None)


def test_the_outcome_of_that_test_has_every_field() -> None:
    assert [field.name for field in fields(Outcome) if not getattr(WHOLE, field.name)] == []
    assert [field.name for field in fields(Code) if not getattr(WHOLE.codes[0], field.name)] == []


def test_what_a_later_version_says_of_an_outcome_is_left_out() -> None:
    assert from_json('{"status": "failed", "mood": "grim"}') == Outcome(FAILED)


@pytest.mark.parametrize(
    ("reason", "shown", "event"),
    [
        (FailureReason.ACCOUNT, ACCOUNT_MESSAGE, "refused our account: bakiye: -120 TL"),
        (FailureReason.PRODUCT, "bakiye: -120 TL", "bakiye: -120 TL"),
        (None, "bakiye: -120 TL", "bakiye: -120 TL"),
    ],
)
def test_what_a_provider_says_of_our_account_is_for_the_timeline_alone(
    db: None, reason: FailureReason | None, shown: str, event: str
) -> None:
    order = factories.sent()
    outcome = Outcome(FAILED, order["provider_referans"], message="bakiye: -120 TL", failure_reason=reason)
    factories.settle(factories.Arrival(factories.SANDBOX, Source.POLL, outcome, order_id=order["id"]))
    assert factories.column(order, "lastMessage") == shown == factories.column(order, "providerMessage")
    assert factories.column(order, "failureReason") == (reason or FailureReason.PROVIDER)
    assert timeline.events(order["id"])[-1].message == event


def test_an_outcome_that_an_earlier_version_kept_is_read() -> None:
    assert from_json('{"status": "completed", "pin": "PIN-ONE"}').codes == (Code("PIN-ONE"),)
