"""Every protocol that ships makes and reads its sample exchanges."""

import json
from collections.abc import Mapping
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
