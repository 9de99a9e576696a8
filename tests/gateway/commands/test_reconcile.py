"""`gateway reconcile`."""

import json
from pathlib import Path

from tests import factories
from tests.gateway.commands.conftest import Models, Run


def test_a_statement_is_compared_and_read_so_the_next_time(cli: Run, models: Models, tmp_path: Path) -> None:
    with models():
        factories.add_provider()
        order = factories.sent()
        factories.put(order, gatewayCostAmount=2, gatewayCostCurrency="USD")
    file = tmp_path / "may.csv"
    file.write_text(f"Nr;Bedel;Hal\n{order['provider_referans']};2,50;bitti\n999999999999999;1,00;bitti\n")
    found = cli("reconcile", "sandbox", str(file))
    assert (found.code, "no column says which order" in found.err) == (1, True)

    found = cli("reconcile", "sandbox", str(file), "--referans", "Nr", "--amount", "bedel", "--state", "Hal",
                "--kind", "bitti=completed", "--json")  # fmt: skip
    assert found.code == 1
    said = json.loads(found.out)
    assert {each["finding"]: each["count"] for each in said["summary"]} == {"unknown": 1, "state": 1}
    assert said["lines"]["unknown"][0]["referans"] == "999999999999999"

    found = cli("reconcile", "sandbox", str(file))
    assert "unknown: they have it, we have not." in found.out and "999999999999999" in found.out
    assert "--reason" in cli("reconcile", "sandbox", str(file), "--take-costs").err
    assert "takes WORD=completed" in cli("reconcile", "sandbox", str(file), "--kind", "bitti").err


def test_their_costs_are_taken(cli: Run, models: Models, tmp_path: Path) -> None:
    with models():
        factories.add_provider()
        order = factories.sent()
        factories.put(order, gatewayCostAmount=2, gatewayCostCurrency="USD")
    file = tmp_path / "may.csv"
    file.write_text(f"referans,amount\n{order['provider_referans']},2.50\n")
    assert "cost" in cli("reconcile", "sandbox", str(file)).out
    found = cli("reconcile", "sandbox", str(file), "--take-costs", "--reason", "their list", "--as", "rana")
    assert (found.code, "1 order: the cost is theirs now." in found.out) == (0, True)
