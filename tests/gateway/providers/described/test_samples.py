"""Every protocol that ships makes and reads its sample exchanges."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateway.commands import protocol_samples
from gateway.providers.described import answers, schema
from gateway.providers.described.kind import Described
from tests.gateway.providers.parties import DESCRIBED, FILES, load


def samples(name: str) -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = json.loads(FILES.joinpath("samples", f"{name}.json").read_text())
    return exchanges


SAMPLES = [
    pytest.param(name, each, id=f"{name}: {each['op']}: {each['name']}")
    for name in DESCRIBED
    for each in samples(name)
]


@pytest.mark.parametrize(("name", "exchange"), SAMPLES)
def test_an_exchange_is_made_and_read_as_it_says(name: str, exchange: Mapping[str, Any]) -> None:
    [ran] = protocol_samples.run(load(name), [exchange])
    assert not ran.differences


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_protocol_shows_what_matters_most(name: str) -> None:
    """That an order is taken, is refused about our account, and is in doubt; and what comes of a question."""
    read = {(each["op"], each["expect"]["result"]) for each in samples(name)}
    assert read & {("send", "sent"), ("send", "processing")}
    assert any(each["op"] == "send" and each["expect"].get("about") == "account" for each in samples(name))
    assert read & {("send", "in_doubt"), ("send", "no_answer")}
    assert [op for op, _ in read if op == "check"]


@pytest.mark.parametrize("name", [each for each in DESCRIBED if load(each).file.callback])
def test_a_protocol_with_callbacks_shows_one(name: str) -> None:
    assert [each for each in samples(name) if each["op"] == "callback"]


def test_a_code_that_cannot_be_opened_is_asked_about() -> None:
    """LikeCard's `done, code encrypted`, whose code is a placeholder that no secret opens."""
    protocol, [exchange] = (
        load("likecard"),
        [each for each in samples("likecard") if each["name"] == "done, code encrypted"],
    )
    provider, task = protocol_samples.provider_of(protocol, exchange), protocol_samples.task_of(exchange)
    answer = answers.parse("json", 200, exchange["response"]["body"].encode())
    meant = protocol.read(protocol.file.send, answer, protocol.values(provider, task))
    outcome = protocol.sent(meant, answer, task, provider)
    assert (outcome.status.value, outcome.codes, outcome.unreadable_code) == ("completed", (), True)


@pytest.mark.parametrize(
    ("params", "field"),
    [(["playerId"], "playerId"), (["server", "uid"], "uid"), (["رقم اللاعب"], ""), (None, "")],
)
def test_a_prompt_is_not_taken_for_the_name_of_a_field(params: object, field: str) -> None:
    catalogue = load("zdk").file.catalogue
    assert catalogue and catalogue.packages.params["player_field"].text_in({"params": params}) == field


def test_an_exchange_that_is_not_as_it_should_be_is_shown() -> None:
    exchange = json.loads(json.dumps(samples("zdk")[0]))
    exchange["request"]["query"]["qty"] = "2"
    exchange["expect"]["own"] = "another"
    [ran] = protocol_samples.run(load("zdk"), [exchange])
    [request, own] = ran.differences
    assert request == "request: query: qty is '1', expected '2'" and own.startswith(
        "own is 'ID_70c4e1', expected 'another'"
    )


def test_an_amount_is_compared_whatever_its_sign_is() -> None:
    exchange = json.loads(json.dumps(next(each for each in samples("zdk") if "cost" in each["expect"])))
    exchange["expect"]["cost"] = exchange["expect"]["cost"].replace(".", ",") + "0"
    assert not protocol_samples.run(load("zdk"), [exchange])[0].differences
    exchange["expect"]["cost"] = "1"
    assert protocol_samples.run(load("zdk"), [exchange])[0].differences


def test_it_is_said_why_an_answer_is_not_understood() -> None:
    exchange = next(each for each in samples("zdk") if each["op"] == "check")
    exchange = exchange | {"response": {"status": 200, "body": '{"x": 1}'}, "expect": {"result": "completed"}}
    [ran] = protocol_samples.run(load("zdk"), [exchange])
    assert ran.differences[0].startswith(
        "result is 'nothing_learned' (nothing in the answer is about the order"
    )


@pytest.mark.parametrize(("result", "books"), [("refused", "books = true"), ("nothing_learned", "")])
def test_a_step_of_a_send_says_no_more_than_it_would_to_a_provider(result: str, books: str) -> None:
    text = f"""
        title = "T"
        source = "S"
        traits = {{ traces = "own_number" }}
        send = {{ path = "/reserve", rules = [{{ where = {{ s = "yes" }}, means = "sent", then = "confirm" }}] }}
        [steps.confirm]
        path = "/confirm"
        query = {{ id = "{{own}}" }}
        {books}
        rules = [{{ where = {{ s = "no" }}, means = "refused" }}]
    """
    exchange = {
        "name": "no stock",
        "op": "send",
        "task": {"referans": "1", "own": "7"},
        "given": {"credentials": {}, "now": 1773480413},
        "request": {"method": "GET", "path": "/confirm", "query": {"id": "7"}},
        "response": {"status": 200, "body": '{"s": "no"}'},
        "expect": {"result": result},
    }
    [ran] = protocol_samples.run(Described("t", schema.load(text, "t.toml")), [exchange])
    assert not ran.differences


def test_an_exchange_without_a_part_is_named() -> None:
    with pytest.raises(protocol_samples.BadSample, match="'x' lacks or misspells 'expect'"):
        protocol_samples.run(load("zdk"), [{"name": "x", "op": "send"}])


FILE = """
title = "T"
source = "S"
credentials = ["key"]
fields = { player = "{user}" }
[traits]
traces = "own_number"
max_check = 50
[token]
path = "/login"
read = { token = "token", expires_in = "`1800`", message = "why" }
rules = [
  { where = { s = "ok" }, means = "ok" },
  { where = { s = "no" }, means = "refused" },
  { where = { s = "busy" }, means = "not_now" },
]
[send]
path = "/buy"
query = { player = "{fields.player}", t = "{token}", back = "{callback_url}" }
headers = { X-Sign = { text = "{user}-{token} {method}{path}", as = ["hmac_sha1:credentials.key", "hex"] } }
rules = [{ where = { s = "ok" }, means = "sent" }]
[check]
path = "/state"
query = { t = "{token}", ids = "{own}" }
rules = [{ where = { s = "ok" }, means = "ok" }, { where = { s = "no" }, means = "refused", about = "account" }]
lines = { each = "orders", read = { own = "id" }, rules = [{ where = { s = "done" }, means = "completed" }] }
[check.many]
by = "own"
query = { ids = "{owns}" }
[catalogue]
path = "/list"
rules = [{ where = { s = "ok" }, means = "ok" }]
packages = { groups = "games", group = "title", each = "items[?on]", id = "no", name = "name", price = "price" }
"""
GIVEN = {
    "credentials": {"key": "k"},
    "token": "t1",
    "callback_url": "https://gw.example/c",
    "now": 1773480413,
}
TASK = {"referans": "1", "user": "Ali", "own": "7"}


def ran(op: str, path: str, answer: object, expect: dict[str, Any], **parts: Any) -> Sequence[str]:
    """Where an exchange differs."""
    request = {"method": "GET", "path": path, **parts.pop("request", {})}
    exchange = {"name": "x", "op": op, "task": TASK, "given": GIVEN, "request": request, "expect": expect}
    exchange |= {"response": {"status": 200, "body": json.dumps(answer)}, **parts}
    return protocol_samples.run(Described("t", schema.load(FILE, "t.toml")), [exchange])[0].differences


@pytest.mark.parametrize(
    ("answer", "expect"),
    [
        ({"s": "ok", "token": "t1"}, {"result": "ok", "token": "t1", "expires_in": "1800"}),
        ({"s": "no", "why": "wrong"}, {"result": "refused", "about": "account", "note": "wrong"}),
        ({"s": "busy"}, {"result": "not_now"}),
        ({"s": "ok"}, {"result": "no_answer"}),
        ({"s": "?"}, {"result": "no_answer"}),
    ],
)
def test_a_login_has_exchanges_of_its_own(answer: dict[str, str], expect: dict[str, str]) -> None:
    assert not ran("token", "/login", answer, expect)


def test_a_question_about_several_orders_has_exchanges() -> None:
    asked = {"request": {"query": {"t": "t1", "ids": "7,8"}}, "others": [{"referans": "2", "own": "8"}]}
    done = {"s": "ok", "orders": [{"id": 7, "s": "done"}]}
    assert not ran("check", "/state", done, {"result": "completed"}, **asked)
    assert not ran(
        "check",
        "/state",
        {"s": "ok", "orders": [{"id": 8, "s": "done"}]},
        {"result": "nothing_learned"},
        **asked,
    )
    refused = {"result": "nothing_learned", "about": "account"}
    assert not ran("check", "/state", {"s": "no"}, refused, **asked)
    with pytest.raises(protocol_samples.BadSample, match=r"'x' has `others`, and is no check"):
        ran("send", "/buy", {"s": "ok"}, {"result": "sent"}, **asked)


@pytest.mark.parametrize(
    ("games", "expect"),
    [
        (
            [
                {"title": "Empty"},
                {"title": "PUBG", "items": [{"no": 1, "on": False}, {"no": 2, "name": "60 UC", "on": True}]},
                {"title": "Free Fire", "items": [{"no": 3, "name": "100", "on": True}]},
            ],
            {"result": "ok", "count": 2, "id": "2", "name": "PUBG 60 UC"},
        ),
        ({"title": "PUBG"}, {"result": "nothing_learned"}),
    ],
)
def test_a_catalogue_may_stand_in_groups(games: object, expect: dict[str, Any]) -> None:
    assert not ran("catalogue", "/list", {"s": "ok", "games": games}, expect)


def test_an_exchange_has_what_a_route_and_a_provider_bring() -> None:
    """Of a signature that differs, the text is shown that it is made from."""
    request = {
        "query": {"player": "A-li", "t": "t1", "back": "https://gw.example/c"},
        "headers": {"X-Sign": "0"},
    }
    given = {"given": GIVEN | {"map": {"player": "A-li"}}, "request": request}
    [sign, made] = ran("send", "/buy", {"s": "ok"}, {"result": "sent"}, **given)
    assert sign.startswith("request: headers: x-sign is '") and sign.endswith("expected '0'")
    assert made == "request: headers: x-sign is made from 'Ali-t1 GET/buy'"


@pytest.mark.parametrize(
    ("op", "parts", "told"),
    [
        (
            "send",
            {"given": GIVEN | {"key": "x"}},
            "unknown key `given.key`; `given` takes credentials, params",
        ),
        ("send", {"task": TASK | {"player": "x"}}, "unknown key `task.player`; `task` takes referans, user"),
        ("login", {}, "the exchange 'x': `op` must be one of send, check, balance, catalogue, token or"),
    ],
)
def test_what_an_exchange_says_in_vain_is_named(op: str, parts: dict[str, Any], told: str) -> None:
    with pytest.raises(protocol_samples.BadSample) as error:
        ran(op, "/buy", {"s": "ok"}, {"result": "sent"}, **parts)
    assert told in str(error.value)
