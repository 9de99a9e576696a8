"""The simulator answers the request of every sample exchange with an answer of the sample's shape."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from defusedxml import ElementTree

from gateway.dev.simulator import Simulator, State
from gateway.dev.simulator.described import sheet
from gateway.dev.simulator.described.sheet import Sample
from gateway.dev.simulator.described.store import Store
from gateway.dev.simulator.described.writing import fill
from tests.waiting import wait_until

Providing = Callable[[str, str], Simulator]
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
def test_a_sample_is_answered_in_its_shape(provider: Providing, protocol: str, sample: Sample) -> None:
    words = f"poll+{words_for(protocol, sample)}"  # the samples' own address is nobody's
    simulator = provider(protocol, words)
    own = place(simulator, protocol, sample) if is_known(protocol, sample) else ""
    answer = ask(simulator, sample, own)

    assert sample.response is not None
    assert answer.status_code == sample.response["status"], answer.text
    assert missing(sample.response["body"], answer.text) == []


def words_for(protocol: str, sample: Sample) -> str:
    """What an order does so that the sample comes of itself; of what the sheet does not answer with, its name."""
    answers = sheet.load(protocol).answers
    used = {reply.sample for group, kinds in answers.items() for reply in kinds.values() if group != "any"}
    if sample.op == "check" and sample.name in used:
        return STANDING.get(sample.expect["result"], "")
    return f"say={sample.name.replace(' ', '_')}" if sample.op in ("check", "send") else ""


def is_known(protocol: str, sample: Sample) -> bool:
    """Whether the sample asks about an order that there is."""
    answers = sheet.load(protocol).answers.values()
    unknown = {kinds["unknown"].sample for kinds in answers if "unknown" in kinds}
    is_line = sample.expect["result"] == "unknown" and words_for(protocol, sample) == ""
    return sample.op == "check" and sample.name not in unknown and not is_line


@pytest.mark.parametrize("protocol", sheet.names())
def test_every_answer_of_a_sheet_can_be_written(protocol: str) -> None:
    with Simulator(protocol=protocol, default_behaviour="poll", echo=None) as simulator:
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


def place(simulator: Simulator, protocol: str, asked: Sample) -> str:
    """Send the order that the sample asks about, until it stands as the words have it; the number that it has got."""
    sends = [each for each in sheet.samples(protocol) if each.op == "send"]
    ask(
        simulator, next((each for each in sends if each.task["quantity"] == asked.task["quantity"]), sends[0])
    )
    [order] = simulator.book.orders()
    if order.behaviour.reverse_after_seconds is not None:
        wait_until(lambda: order.state is State.REVERSED)
    return order.own


def ask(simulator: Simulator, sample: Sample, own: str = "") -> requests.Response:
    """Make the call of a sample, with this number in place of its own."""
    said = json.loads(
        json.dumps(sample.request).replace(sample.task["own"] or "\0", own or sample.task["own"] or "")
    )
    return requests.request(
        said["method"],
        simulator.url + said["path"],
        params=said.get("query"),
        headers=said.get("headers"),
        data=(said.get("body") or "").encode(),
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
