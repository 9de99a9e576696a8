"""Keys of the order API, made and revoked on the command line."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet

from models import api_key, provider
from models.db import database, sealed
from tests import factories

from .conftest import Models, Run


def test_a_new_key_is_printed_once_and_works(cli: Run, models: Models) -> None:
    made = cli("keys", "create", "shop", "--scope", "orders:write", "--scope", "orders:read", "--json")

    document = json.loads(made.out)
    with models():
        found = api_key.find(document["key"])
    assert found is not None
    assert (found.id, found.name) == (document["id"], "shop")
    assert found.scopes == {"orders:write", "orders:read"} == set(document["scopes"])
    assert document["key"] not in cli("keys", "list", "--json").out


def test_for_a_pipe_only_the_key_is_on_standard_output(cli: Run) -> None:
    made = cli("keys", "create", "shop", "--scope", "ops")

    assert made.out.startswith("rk_") and made.out.count("\n") == 1
    assert "not shown again" in made.err


def test_a_revoked_key_is_listed_as_such_and_no_longer_found(cli: Run, models: Models) -> None:
    made = json.loads(cli("keys", "create", "shop", "--scope", "ops", "--json").out)

    assert cli("keys", "revoke", str(made["id"])).code == 0

    with models():
        assert api_key.find(made["key"]) is None
    (listed,) = json.loads(cli("keys", "list", "--json").out)
    assert listed["revokedAt"].endswith("Z")
    assert "gateway keys list" in cli("keys", "revoke", str(made["id"])).problem


def test_a_key_needs_a_scope_that_exists(cli: Run) -> None:
    assert cli("keys", "create", "shop").code == 2
    refused = cli("keys", "create", "shop", "--scope", "everything")
    assert refused.code == 2
    assert "orders:write" in refused.err


def test_the_list_says_what_to_do_when_it_is_empty(cli: Run) -> None:
    listed = cli("keys", "list")
    assert (listed.code, listed.out) == (0, "")
    assert "gateway keys create" in listed.err
    assert json.loads(cli("keys", "list", "--json").out) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("12h", 43_200), ("90d", 7_776_000), (" 1d ", 86_400)]
)
def test_a_key_may_expire(cli: Run, text: str, seconds: int) -> None:
    made = json.loads(cli("keys", "create", "shop", "--scope", "ops", "--expires", text, "--json").out)
    left = datetime.fromisoformat(made["expiresAt"]) - datetime.now(UTC)
    assert timedelta(seconds=seconds - 30) < left <= timedelta(seconds=seconds)
    (listed,) = json.loads(cli("keys", "list", "--json").out)
    assert (listed["expiresAt"], listed["lastUsedOn"]) == (made["expiresAt"], None)


def test_when_a_key_expires_is_told_with_it(cli: Run) -> None:
    assert "valid until 20" in cli("keys", "create", "shop", "--scope", "ops", "--expires", "90d").err


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "1w", "1.5d", "9999d", "soon", "90 days"])
def test_any_other_expiry_is_refused(cli: Run, text: str) -> None:
    refused = cli("keys", "create", "shop", "--scope", "ops", "--expires", text)
    assert refused.code == 2 and "90d" in refused.err
    assert json.loads(cli("keys", "list", "--json").out) == []


def test_the_last_use_is_shown_to_the_day(cli: Run, models: Models) -> None:
    made = json.loads(cli("keys", "create", "shop", "--scope", "ops", "--json").out)
    assert "never" in cli("keys", "list").out
    with models():
        api_key.record_use([made["id"]])
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", cli("keys", "list").out.partition("+")[2])
    (listed,) = json.loads(cli("keys", "list", "--json").out)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", listed["lastUsedOn"])


# --- the keys that encrypt


def test_all_that_is_stored_goes_under_the_first_key(
    cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    with models():
        sealed.bind([old])
        factories.add_provider()
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{new},{old}")
    assert "1 values were sealed again, 0 were" in cli("keys", "rotate-encryption").out
    assert json.loads(cli("keys", "rotate-encryption", "--json").out)["current"] == 1
    with models():
        sealed.bind([new])
        found = provider.find(factories.SANDBOX)
    sealed.bind([])
    assert found and found.credentials == factories.CREDENTIALS


def test_what_no_key_opens_is_named(cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    with models():
        sealed.bind([Fernet.generate_key().decode()])
        factories.add_provider()
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    rotated = cli("keys", "rotate-encryption")
    assert rotated.code == 1 and "left as it is: providers sandbox credentials: no key" in rotated.err
    assert "keep the old keys" in rotated.err
    monkeypatch.delenv("ENCRYPTION_KEYS")
    assert "nothing is sealed" in cli("keys", "rotate-encryption").problem


def test_without_keys_no_command_writes_in_clear(
    cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALLOW_PLAINTEXT")
    refused = cli("stock", "load", "own", stdin="CODE-1")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: ENCRYPTION_KEYS is not set") and refused.err.count("\n") == 1
    with models():
        assert database.rows("SELECT 1 FROM referans.stock_codes") == []
