"""People of the ops page, added and removed on the command line."""

import json

import pytest

from models import person, sign_in
from models.person import Role

from .conftest import Models, Run

PASSWORD = "correct horse"


def test_a_person_is_added_with_the_password_on_standard_input(cli: Run, models: Models) -> None:
    made = cli("operators", "add", "rana", "--role", "viewer", "--json", stdin=f"{PASSWORD}\n")

    assert json.loads(made.out) == {"id": 1, "name": "rana", "role": "viewer"}
    assert PASSWORD not in made.out + made.err
    with models():
        _, stored = person.hash_of("rana") or (0, None)
        assert person.is_password(PASSWORD, stored)
        assert not person.is_password("another one", stored)
    [listed] = json.loads(cli("operators", "list", "--json").out)
    assert (listed["name"], listed["role"], listed["seenAt"]) == ("rana", "viewer", None)


def test_a_name_is_taken_until_its_person_is_removed(cli: Run, models: Models) -> None:
    assert cli("operators", "add", "rana", "--role", "viewer", stdin=f"{PASSWORD}\n").code == 0
    again = cli("operators", "add", "rana", "--role", "admin", stdin=f"{PASSWORD}\n")
    assert "gateway operators remove rana" in again.problem
    with models():
        token = sign_in.begin("127.0.0.1", "", person_id=1)
        assert sign_in.find(token)

    assert cli("operators", "remove", "rana").code == 0
    with models():
        assert sign_in.find(token) is None
    assert "gateway operators list" in cli("operators", "remove", "rana").problem


@pytest.mark.parametrize("password", ["", "short", "x" * 1001])
def test_a_password_has_a_length(cli: Run, password: str) -> None:
    refused = cli("operators", "add", "rana", "--role", "viewer", stdin=f"{password}\n")
    assert "8 to 1000 characters" in refused.problem
    assert not password or password not in refused.err


def test_a_role_is_one_of_three_and_each_has_what_the_one_before_has(cli: Run) -> None:
    assert cli("operators", "add", "rana", "--role", "owner", stdin=f"{PASSWORD}\n").code == 2
    may = {role: [other for other in Role if role.includes(other)] for role in Role}
    assert [len(each) for each in may.values()] == [1, 2, 3]


def test_the_list_says_what_to_do_when_it_is_empty(cli: Run) -> None:
    assert "gateway operators add" in cli("operators", "list").err
