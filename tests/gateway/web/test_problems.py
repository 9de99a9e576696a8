"""The catalogue of problem types: complete, in use, and what each error names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway.web
from gateway.web import problems
from gateway.web.problems import CATALOGUE, ProblemType
from models.db import database
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client

WEB = Path(gateway.web.__file__).parent


#: What says which problems there are, and raises none.
DESCRIBING = {WEB / name for name in ("operations.py", "openapi.py", "examples.py")}


def named() -> Iterator[str]:
    """The names of `problems` that the web uses."""
    for path in {*WEB.rglob("*.py")} - DESCRIBING:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "problems"
            ):
                yield node.attr


def raised() -> Iterator[ast.expr]:
    """The first argument of each Problem that the web makes."""
    for path in WEB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                yield node.args[0]


def test_every_type_of_the_catalogue_is_raised_and_every_raised_one_is_in_it() -> None:
    types = {name for name, value in vars(problems).items() if isinstance(value, ProblemType)}
    assert {name for name in named() if name.isupper()} - {"OF_STATUS", "PAGES", "CATALOGUE"} == types - {
        "METHOD_NOT_ALLOWED"  # Falcon raises it; it is found by its status
    }
    assert set(problems.OF_STATUS.values()) <= set(CATALOGUE.values())
    assert len(CATALOGUE) == len(types), "two types have the same slug"


def test_no_problem_is_made_without_a_type_of_the_catalogue() -> None:
    made = list(raised())
    assert len(made) > 30
    for each in made:
        is_of_catalogue = isinstance(each, ast.Attribute) and each.attr.isupper()
        assert is_of_catalogue or (isinstance(each, ast.Name) and each.id == "kind"), ast.dump(each)


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_each_type_explains_itself(kind: ProblemType) -> None:
    assert kind.type == f"/docs/problems/{kind.slug}"
    assert kind.slug == kind.slug.lower() and " " not in kind.slug
    assert 400 <= kind.status < 600
    assert not kind.title.endswith(".") and kind.meaning.endswith(".") and kind.cure.endswith(".")


def test_an_answer_names_its_type(client: Client, anonymous: Client) -> None:
    database.rows("DELETE FROM referans.routes")
    answers = {
        "no-route": client.simulate_post("/orders", json=calls.BODY),
        "invalid-order": client.simulate_post("/orders", json={}),
        "invalid-json": client.simulate_post("/orders", body="{"),
        "unsupported-media-type": client.simulate_post(
            "/orders", body="{}", headers={"Content-Type": "text/plain"}
        ),
        "order-not-found": client.simulate_get("/orders/1"),
        "not-found": client.simulate_get("/nowhere"),
        "method-not-allowed": client.simulate_put("/orders"),
        "invalid-query": client.simulate_get("/orders?limit=0"),
        "missing-scope": client.simulate_get("/metrics"),
        "missing-key": anonymous.simulate_get("/orders"),
    }
    for slug, answer in answers.items():
        found = calls.problem(answer, CATALOGUE[slug].status)
        assert (found["type"], found["title"]) == (f"/docs/problems/{slug}", CATALOGUE[slug].title)


@pytest.mark.parametrize(
    ("headers", "slug", "said"),
    [
        ({}, "missing-key", "send an API key as Authorization: Bearer KEY"),
        ({"Authorization": "Bearer "}, "missing-key", "no key follows the word Bearer"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "wrong-authorization", "Basic is not taken here"),
        ({"Authorization": "Token abc"}, "wrong-authorization", "this scheme is not taken here"),
        (
            {"Authorization": "rk_abc"},
            "wrong-authorization",
            "the word Bearer is missing in front of the key",
        ),
        ({"X-API-Key": "rk_abc"}, "wrong-authorization", "not as X-API-Key"),
        ({"X-API-Token": "rk_abc"}, "wrong-authorization", "not as X-API-Token"),
        ({"Authorization": "Bearer rk_abc"}, "invalid-key", "the API key is not valid"),
    ],
)
def test_each_way_not_to_send_a_key_is_told_apart(
    anonymous: Client, headers: dict[str, str], slug: str, said: str
) -> None:
    answer = anonymous.simulate_get("/orders", headers=headers)
    found = calls.problem(answer, 401)
    assert (found["type"], answer.headers["www-authenticate"]) == (f"/docs/problems/{slug}", "Bearer")
    assert said in found["detail"]
    assert "Authorization: Bearer KEY" in found["detail"] or slug == "invalid-key"
    assert "rk_abc" not in answer.text and "dXNlcjpwYXNz" not in answer.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"productId": game}', "the body is not JSON: see line 1, column 15"),
        (b'{\n  "productId": "game"\n  "packageId": "60"\n}', "the body is not JSON: see line 3, column 3"),
        (b"", "the body is empty: send JSON"),
        (b'{"a": ' + b"[" * 60_000, "nested too deeply"),
        (b'{"quantity": ' + b"1" * 5000 + b"}", "a number in it has too many digits"),
        (b'{"a": 1, "a": 2}', "has an object with a name twice"),
    ],
)
def test_where_json_ends_is_said(client: Client, body: bytes, said: str) -> None:
    answer = client.simulate_post("/orders", body=body, headers={"Content-Type": "application/json"})
    assert said in calls.problem(answer, 400)["detail"]
