"""The simulator answers the request of every sample exchange with an answer of the sample's shape."""

import json
import re
from typing import Any

import pytest
import requests
from defusedxml import ElementTree

from gateway.dev.simulator import Simulator
from gateway.dev.simulator.described import sheet
from gateway.dev.simulator.described.sheet import Sample
from gateway.dev.simulator.described.store import Store
from gateway.dev.simulator.described.writing import fill

#: What an order does that stands as the answer to a question says, by what is expected of the answer.
STANDING = {
    "processing": "after=600",
    "sent": "after=600",
    "completed": "after=0",
    "failed": "after=0+fail=wrong_player_id",
    "partial": "after=0+partial",
    "reversed": "after=0+reverse=0",
}
ASKED = [
    pytest.param(name, sample, id=f"{name}: {sample.name}")
    for name in sheet.names()
    for sample in sheet.samples(name)
    if sample.op != "callback"
]


@pytest.mark.parametrize(("protocol", "sample"), ASKED)
def test_a_sample_is_answered_in_its_shape(protocol: str, sample: Sample) -> None:
    words = STANDING.get(sample.expect["result"], "") if sample.op == "check" else f"say={sample.name}"
    words = words.replace(" ", "_") if sample.op in ("check", "send") else ""
    with Simulator(protocol=protocol, default_behaviour=words or "callback", echo=None) as simulator:
        if sample.op == "check" and words:
            place(simulator, protocol, sample)
        answer = ask(simulator, sample)

    assert sample.response is not None
    assert answer.status_code == sample.response["status"], answer.text
    assert missing(sample.response["body"], answer.text) == []


@pytest.mark.parametrize("protocol", [name for name in sheet.names() if sheet.samples(name)])
def test_every_answer_of_a_sheet_can_be_written(protocol: str) -> None:
    with Simulator(protocol=protocol, echo=None) as simulator:
        store = simulator.face
        assert isinstance(store, Store)
        for sample in sheet.samples(protocol):
            if sample.op == "send":
                ask(simulator, sample)
        order = simulator.book.orders()[0]
        values = store.values(order, asked="7", event="msg_1", codes="")
        for group, kinds in store.sheet.answers.items():
            for kind in kinds:
                written = store.reply(group, kind)
                text = written.text(values)
                assert written.query(values) is not None
                if "json" in written.type and text:
                    json.loads(text)
        for value in (store.sheet.callback.headers if store.sheet.callback else {}).values():
            fill(value, values.beside(body="", path="", method=""))


def place(simulator: Simulator, protocol: str, asked: Sample) -> None:
    """Send the order that the sample asks about, until it stands as the words have it."""
    sends = [each for each in sheet.samples(protocol) if each.op == "send"]
    ask(
        simulator, next((each for each in sends if each.task["quantity"] == asked.task["quantity"]), sends[0])
    )
    while len(simulator._timers) and "600" not in str(simulator.book.orders()[0].behaviour.after_seconds):
        pass


def ask(simulator: Simulator, sample: Sample) -> requests.Response:
    said = sample.request
    return requests.request(
        said["method"],
        simulator.url + said["path"],
        params=said.get("query"),
        headers=said.get("headers"),
        data=said.get("body"),
        timeout=5,
    )


def missing(wanted: str, said: str) -> list[str]:
    """What the wanted text has and the said one has not, whatever the values are."""
    if wanted[:1] in ("[", "{"):
        return of_json("", json.loads(wanted), json.loads(said))
    if wanted.startswith(("<?xml", "<API")):
        wanted_tags, tags = (
            [one.tag for one in ElementTree.fromstring(text).iter()] for text in (wanted, said)
        )
        return [tag for tag in wanted_tags if wanted_tags.count(tag) > tags.count(tag)]
    words = re.findall(r"[A-Z][A-Za-z]+", said)
    return [word for word in re.findall(r"[A-Z][A-Za-z]+", wanted)[:1] if word not in words]


def of_json(path: str, wanted: Any, said: Any) -> list[str]:
    if isinstance(wanted, dict) and isinstance(said, dict):
        return [
            each
            for name, value in wanted.items()
            for each in (of_json(f"{path}.{name}", value, said[name]) if name in said else [f"{path}.{name}"])
        ]
    if isinstance(wanted, list) and isinstance(said, list) and len(wanted) == len(said):
        return [each for one, other in zip(wanted, said, strict=True) for each in of_json(path, one, other)]
    kinds = {type(each) if not isinstance(each, float) else int for each in (wanted, said)}
    return [] if len(kinds) == 1 and list not in kinds else [f"{path}: {wanted!r} is {said!r}"]
