"""Keys of the order API, made and revoked on the command line."""

import json

from models import api_key

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
