"""Providers of described protocols on the command line."""

import json
from pathlib import Path

import pytest

from gateway.providers import kinds
from models import provider
from models.provider import CallbackFormat

from .conftest import Models, Run

BASE = ("--base-url", "https://shop.example")
DIGIFLAZZ = json.dumps({"username": "u-1", "api_key": "k-1"})
ZDK = json.dumps({"api_token": "t-1"})


def test_its_own_scheme_is_the_default_and_its_secret_is_made(cli: Run, models: Models) -> None:
    added = cli("providers", "add", "digi", "--adapter", "digiflazz", *BASE, "--json", stdin=DIGIFLAZZ)
    assert added.code == 0
    shown = json.loads(added.out)
    assert shown["callbackSecret"] and "X-Hub-Signature" in shown["callbackHeaders"]
    with models():
        found = provider.find("digi")
    assert found is not None
    assert (found.callback, found.callback_format) == ("protocol", CallbackFormat.PROTOCOL)
    assert set(found.credentials) == {"username", "api_key", "callback_secret"}


def test_without_a_scheme_of_its_own_the_kind_of_callback_must_be_given(cli: Run, models: Models) -> None:
    added = cli("providers", "add", "store", "--adapter", "zdk", *BASE, stdin=ZDK)
    assert added.code == 2 and "--callback" in added.err and "none if it does not call back" in added.err
    assert (
        cli("providers", "add", "store", "--adapter", "zdk", *BASE, "--callback", "none", stdin=ZDK).code == 0
    )


@pytest.mark.parametrize("adapter", ["zdk", "znet"])
def test_no_scheme_can_be_chosen_that_the_protocol_has_not(cli: Run, adapter: str) -> None:
    added = cli("providers", "add", "x", "--adapter", adapter, *BASE, "--callback", "protocol", stdin="{}")
    assert added.code == 2 and "no scheme of its own" in added.err


def test_missing_credentials_are_named(cli: Run) -> None:
    added = cli("providers", "add", "digi", "--adapter", "digiflazz", *BASE, stdin='{"username": "u-1"}')
    assert "missing credential api_key" in added.problem


def test_its_fields_may_be_filled_by_a_route(cli: Run, models: Models) -> None:
    cli("providers", "add", "digi", "--adapter", "digiflazz", *BASE, stdin=DIGIFLAZZ)
    added = ("routes", "add", "game", "60", "digi", "--param", "sku=ML5", "--map")
    assert cli(*added, "customer_no={userIdentifier}{extraField}").code == 0
    assert "takes customer_no" in cli(*added, "player={userIdentifier}").err


def test_every_protocol_that_ships_is_offered(cli: Run) -> None:
    shown = " ".join(cli("providers", "add", "--help").out.split())
    assert all(name in shown for name in kinds.shipped())


def test_a_file_that_cannot_be_used_breaks_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.toml").write_text("title = ")
    (tmp_path / "zdk.toml").write_text((Path(str(kinds.SHIPPED)) / "zdk.toml").read_text())
    monkeypatch.setattr(kinds, "SHIPPED", tmp_path)
    kinds.forget()
    try:
        assert kinds.shipped() == ["znet", "stock", "manual", "broken", "zdk"]
        assert kinds.find("zdk") and kinds.find("broken") is None
        with pytest.raises(kinds.Unusable, match="protocol broken cannot be used"):
            kinds.get("broken")
        for unknown in ("../zdk", "unheard-of", ""):
            with pytest.raises(kinds.Unusable, match="is not known to this version"):
                kinds.get(unknown)
    finally:
        kinds.forget()
