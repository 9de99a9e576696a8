"""Codes and credentials in what providers write are printed by no command, but for those that print codes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.providers.base import NoAnswer, known
from models import order, provider, provider_health, route, timeline
from models.db import sealed
from models.masking import knowing
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from tests import factories, provider_texts
from tests.conftest import KEY
from tests.gateway.providers.test_znet import Panel
from tests.listening import listening
from tests.provider_texts import CODE, CREDENTIALS, filled

from .conftest import Run
from .desk import Models

WRITTEN = filled("8|Sistem meşgul <code>, kod <kod> sifre <sifre>")


@pytest.fixture
def wire() -> Iterator[Panel]:
    """A panel that answers any bytes."""
    with listening(Panel()) as server:
        server.answer = filled("TAMAM <code> <kod> <sifre>").encode()
        yield server


@pytest.fixture
def placed(cli: Run, models: Models, wire: Panel, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An order that its provider has cancelled and of which it wrote more, once in an answer that cannot be read."""
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    with models():
        sealed.bind([KEY])
        account = provider.Provider(
            "bayi", "znet", f"http://127.0.0.1:{wire.server_port}", "token", CREDENTIALS
        )
        provider.save(account)
        route.add("*", "*", "bayi", {"oyun": "1", "kupur": "60"})
        found = factories.sent()
        with knowing(known(account)):
            error = NoAnswer("the answer cannot be read", WRITTEN)
            outcome = Outcome(ExternalStatus.FAILED, found["provider_referans"], message=WRITTEN)
        timeline.record(found["id"], Source.POLL, error.text)
        provider_health.failed("bayi", str(error), 30)
        arrival = Arrival("bayi", Source.CALLBACK, outcome, dedupe_key="1", raw=json.dumps({"body": WRITTEN}))
        order.settle([arrival], order_timeout_seconds=86400)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        "orders list",
        "orders list --json",
        "orders show {id}",
        "orders show {id} --json",
        "providers list",
        "providers list --json",
        "providers test bayi",
        "callbacks list",
        "callbacks list --json",
        "callbacks show 1",
        "callbacks show 1 --json",
        "doctor",
        "doctor --json",
    ],
)
def test_no_command_prints_a_code_or_a_credential(cli: Run, placed: dict[str, Any], arguments: str) -> None:
    finished = cli(*arguments.format(id=placed["id"]).split())
    assert finished.out or finished.err
    provider_texts.assert_clean(finished.out + finished.err)


def test_who_reads_the_codes_reads_the_whole_texts(cli: Run, models: Models, placed: dict[str, Any]) -> None:
    finished = cli("orders", "pin", placed["id"], "--as", "ayşe")
    assert finished.out.count(f"whole text: 8|Sistem meşgul {CODE}, kod *** sifre ***") == 2
    assert "Hunter" not in finished.out

    answer = json.loads(cli("orders", "pin", placed["id"], "--json").out)
    assert [each["text"].count(CODE) for each in answer["texts"]] == [1, 1]
    with models():
        assert timeline.events(placed["id"])[-2].by == "ayşe"


def test_whoever_asks_for_it_sees_an_answer_to_providers_test_whole(cli: Run, placed: dict[str, Any]) -> None:
    finished = cli("providers", "test", "bayi", "--whole")
    assert f"bayi wrote: TAMAM {CODE} *** ***" in finished.err
    assert "the panel's answer cannot be read: text, " in finished.err
