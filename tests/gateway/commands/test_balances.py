"""`gateway providers balance`."""

import json
from decimal import Decimal

import pytest

from gateway.dev.simulator import Simulator
from models import balance_ledger, balances
from models.balances import Told
from models.db import database
from tests import factories
from tests.models.account import START

from .conftest import Models, Run

CREDENTIALS = json.dumps({"kod": "sandbox", "sifre": "sandbox"})


@pytest.fixture
def bayi(cli: Run, panel: Simulator) -> str:
    added = cli(
        *("providers", "add", "bayi", "--adapter", "znet", "--base-url", panel.url, "--callback", "none"),
        *("--low-balance", "500"),
        stdin=CREDENTIALS,
    )
    assert added.code == 0, added
    return "bayi"


def keep(remaining: str) -> None:
    asking = balances.begin_asking("bayi")
    balances.keep_asked("bayi", Told(Decimal(remaining), "TRY", Decimal(0)), asking)


def gap() -> None:
    values = {
        "provider": "bayi",
        "amount": Decimal("25.50"),
        "currency": "TRY",
        "balance": Decimal("980.88"),
        "earlier_order": factories.NO_ORDER,
        "earlier_at": START,
        "later": 1,
        "later_order": None,
        "later_at": START,
        "final": True,
    }
    database.rows(balance_ledger.KEEP_GAP, values)


def test_without_a_provider_it_says_how_to_add_one(cli: Run) -> None:
    assert "providers add" in cli("providers", "balance").err


def test_what_was_never_told_is_not_shown(cli: Run, bayi: str) -> None:
    shown = cli("providers", "balance")
    assert shown.code == 0 and "bayi" in shown.out and "500 TRY" not in shown.out.replace("500", "", 1)
    [one] = json.loads(cli("providers", "balance", "--json").out)
    assert (one["id"], one["balance"], one["ageSeconds"], one["isLow"]) == ("bayi", None, None, False)


def test_a_test_call_is_kept(cli: Run, bayi: str, panel: Simulator) -> None:
    panel.book.set_balance(Decimal("980.88"))
    assert cli("providers", "test", bayi).code == 0
    [one] = json.loads(cli("providers", "balance", bayi, "--json").out)
    assert (one["balance"], one["currency"], one["lowBalance"], one["isLow"]) == (
        "980.88",
        "TRY",
        "500",
        False,
    )
    assert 0 <= one["ageSeconds"] < 60


def test_a_low_balance_is_marked(cli: Run, bayi: str, models: Models) -> None:
    with models():
        keep("499.99")
    assert "499.99 TRY (low)" in cli("providers", "balance").out
    [one] = json.loads(cli("providers", "balance", "--json").out)
    assert one["isLow"] is True


def test_a_gap_says_where_it_lies_and_what_to_do(cli: Run, bayi: str, models: Models) -> None:
    with models():
        gap()
    shown = cli("providers", "balance", bayi)
    assert "bayi: 25.50 TRY missing: a purchase that is not ours, or one counted twice." in shown.out
    assert f"the answer to order {factories.NO_ORDER} at " in shown.out
    assert "980.88 remained" in shown.out and "question for the balance" in shown.out
    assert "--acknowledge --reason" in shown.err
    [one] = json.loads(cli("providers", "balance", "--json").out)
    assert (one["gapCount"], one["gaps"][0]["amount"]) == (1, "25.50")
    assert one["gaps"][0]["earlierOrderId"] == factories.NO_ORDER


def test_it_is_shown_until_a_person_acknowledges_it(cli: Run, bayi: str, models: Models) -> None:
    with models():
        gap()
    said = cli("providers", "balance", bayi, "--acknowledge", "--reason", "bought by hand", "--as", "Ali")
    assert (said.code, said.out) == (0, "Acknowledged 1 gap of bayi.\n")
    assert "missing" not in cli("providers", "balance").out
    again = cli("providers", "balance", bayi, "--acknowledge", "--reason", "bought by hand")
    assert again.problem == "bayi has no gap to acknowledge"
    with models():
        row = database.row("SELECT acknowledged_by, reason FROM referans.balance_gaps")
    assert row == {"acknowledged_by": "Ali", "reason": "bought by hand"}


@pytest.mark.parametrize("arguments", [("bayi", "--acknowledge"), ("--acknowledge", "--reason", "x")])
def test_acknowledging_wants_a_provider_and_a_reason(cli: Run, bayi: str, arguments: tuple[str, ...]) -> None:
    assert cli("providers", "balance", *arguments).code == 2


def test_an_unknown_provider(cli: Run) -> None:
    assert "not found" in cli("providers", "balance", "nobody").problem
