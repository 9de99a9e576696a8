"""What providers write in the wrong place: codes and credentials in descriptions, errors and unexpected answers.

Everything that a send, a check, a callback, a question for the balance or for the catalogue leaves behind is searched.
"""

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import redis
from falcon.testing import TestClient

from gateway import log, providers
from gateway.counting import Counts
from gateway.fulfilment import balances, checking, dispatching, routing
from gateway.fulfilment.worker import Worker
from gateway.providers.base import ProviderError
from gateway.web import create_app
from gateway.web.limits import Limits
from models import api_key, provider
from models.api_key import Scope
from models.db import database, sealed
from models.provider import CallbackFormat
from tests import factories, provider_texts
from tests.gateway.fulfilment import orders
from tests.gateway.fulfilment.conftest import Lines
from tests.gateway.providers.test_znet import Panel
from tests.gateway.web.calls import signed
from tests.listening import listening
from tests.provider_texts import (
    ANY,
    BALANCES,
    CATALOGUES,
    CHECKS,
    CODE,
    CREDENTIALS,
    SENDS,
    SPELLINGS,
    filled,
)

#: A player whose id looks like a code.
PLAYER = "player-5123456789"
Ask = Callable[..., Any]


@pytest.fixture
def wire(models: None) -> Iterator[Panel]:
    """A panel that answers any bytes; `sandbox` is it."""
    with listening(Panel()) as server:
        database.rows("TRUNCATE referans.routes, referans.providers CASCADE")
        factories.add_provider(
            base_url=f"http://127.0.0.1:{server.server_port}",
            credentials=CREDENTIALS,
            callback_format=CallbackFormat.PROTOCOL,
        )
        yield server


@pytest.fixture
def api(worker: Worker, wire: Panel, redis_client: redis.Redis) -> Iterator[Ask]:
    """GET of the API as a key with these scopes, or a callback of the sandbox with this content."""
    counts, limits = Counts(write_seconds=0.01), Limits(worker.settings, redis_client, share_seconds=0.01)
    app = create_app(worker.settings, redis_client, counts=counts, limits=limits)

    def ask_now(path: str, *scopes: Scope, content: Any = None) -> Any:
        if content is not None:
            body = json.dumps(content).encode()
            return TestClient(app).simulate_post(path, body=body, headers=signed(body))
        key = api_key.create("storefront", [Scope.ORDERS_READ, *scopes])
        return TestClient(app, headers={"Authorization": f"Bearer {key}"}).simulate_get(path)

    def ask(*asked: Any, **given: Any) -> Any:
        """On a thread of its own: a request ends with its connection closed."""
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(ask_now, *asked, **given).result()

    yield ask
    limits.drain(5)
    counts.drain(5)


@pytest.fixture
def searched(worker: Worker, api: Ask, lines: Lines, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """When the test ends, all that it left behind is searched: tables, the log at debug, answers of the API."""
    caplog.set_level(logging.DEBUG)
    yield
    worker.counts.drain(5)
    for line in lines:
        provider_texts.assert_clean(line)
    for record in caplog.records:
        provider_texts.assert_clean(log.mask(record.getMessage()))
    for _, row in provider_texts.everything_kept():
        provider_texts.assert_clean(json.dumps(row, ensure_ascii=False))
    found = [str(row["id"]) for row in database.rows("SELECT id FROM product_orders")]
    for path in (
        "/orders",
        *(f"/orders/{each}" for each in found),
        *(f"/orders/{each}/events" for each in found),
    ):
        answer = api(path)
        assert answer.status_code == 200
        provider_texts.assert_clean(answer.text)


def whole_events(api: Ask, order_id: str) -> str:
    """The timeline of an order as a key of the gateway's own people sees it that may read codes."""
    answer = api(f"/orders/{order_id}/events", Scope.PINS_READ, Scope.OPS)
    assert answer.status_code == 200, answer.text
    return " ".join(event["message"] for event in answer.json["data"])


def holds_code(text: str) -> bool:
    return any(spelling in text for spelling in SPELLINGS)


def placed() -> str:
    return str(factories.place(PLAYER)["id"])


def sent(wire: Panel, worker: Worker) -> str:
    """An order that the panel has accepted, and whose first check is due."""
    wire.answer = b"OK|10.12|980.88"
    order = placed()
    dispatching.dispatch(worker, order)
    orders.age(order, 61)
    return order


@pytest.mark.parametrize(("answer", "status"), [*((each, 200) for each in SENDS), (SENDS[0], 500)])
def test_an_answer_to_a_send_shows_no_code_and_no_credential(
    wire: Panel, worker: Worker, api: Ask, searched: None, answer: str, status: int
) -> None:
    order = placed()
    wire.status, wire.answer = status, filled(answer).encode()

    dispatching.dispatch(worker, order)

    if holds_code(filled(answer)):
        assert holds_code(whole_events(api, order)), "who may read codes reads the whole text"
    assert "Hunter" not in whole_events(api, order), "a credential of the provider's is shown to nobody"


@pytest.mark.parametrize("answer", CHECKS)
def test_an_answer_to_a_check_shows_no_code_and_no_credential(
    wire: Panel, worker: Worker, api: Ask, searched: None, answer: str
) -> None:
    order = sent(wire, worker)
    wire.answer = filled(answer).encode()

    checking.check(worker, order)

    said = (
        filled(answer).removeprefix(f"OK|2|{CODE}|") if f"OK|2|{CODE}|" in filled(answer) else filled(answer)
    )
    if holds_code(said):
        assert holds_code(whole_events(api, order))
    assert "Hunter" not in whole_events(api, order)


@pytest.mark.parametrize("answer", BALANCES)
def test_a_balance_shows_no_code_and_no_credential(
    wire: Panel, worker: Worker, searched: None, answer: str
) -> None:
    wire.answer = filled(answer).encode()
    found = routing.candidate(worker, factories.SANDBOX)
    assert found
    try:
        said: object = balances.ask(worker, found)
    except ProviderError as error:
        said = error
    provider_texts.assert_clean(said)


@pytest.mark.parametrize("answer", CATALOGUES)
def test_a_catalogue_shows_no_code_and_no_credential(
    wire: Panel, worker: Worker, searched: None, answer: str
) -> None:
    wire.answer = filled(answer).encode()
    account = provider.find(factories.SANDBOX)
    assert account
    try:
        said: object = providers.catalogue(account, worker.client)
    except ProviderError as error:
        said = error
    provider_texts.assert_clean(said)


MESSAGES = [*ANY, "PIN <code> teslim edildi", "<plain>", "İptal, <spaced>", "bayi <kod> sifre <sifre>"]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_callback_shows_no_code_and_no_credential(
    wire: Panel, worker: Worker, api: Ask, searched: None, message: str
) -> None:
    for durum in ("1", "2", "3", "x"):
        order = sent(wire, worker)
        pin = {"pin": CODE} if durum == "2" else {}
        fields = {"referans": orders.row(order)["provider_referans"], "durum": durum, **pin}
        answers = [
            api(f"/callbacks/{factories.SANDBOX}", content=fields | {"aciklama": f"{filled(message)}{end}"})
            for end in ("", ".")
        ]
        assert [answer.status_code for answer in answers] == [400 if durum == "x" else 200] * 2
        provider_texts.assert_clean([answer.text for answer in answers])
        if durum != "x" and holds_code(filled(message)):
            assert holds_code(whole_events(api, order))


def test_an_unmatched_callback_shows_no_code(wire: Panel, worker: Worker, api: Ask, searched: None) -> None:
    fields = {"referans": "990000000000001", "durum": "3", "aciklama": f"İptal, {CODE}"}
    assert api(f"/callbacks/{factories.SANDBOX}", content=fields).status_code == 200


def test_a_receipt_shows_no_code_and_no_credential(
    wire: Panel, worker: Worker, api: Ask, searched: None
) -> None:
    account = provider.find(factories.SANDBOX)
    assert account
    database.rows("UPDATE referans.providers SET callback_format = 'neutral'")
    order = sent(wire, worker)
    content = {
        "provider_referans": orders.row(order)["provider_referans"],
        "status": "completed",
        "pin_code": CODE,
        "receipt": f"Ahmet {CODE} {CREDENTIALS['sifre']}",
    }
    assert api(f"/callbacks/{factories.SANDBOX}", content=content).status_code == 200
    assert orders.row(order)["receipt"] == "Ahmet *** ***"


@pytest.mark.parametrize("call", ["send", "check_one"])
def test_an_adapter_that_fails_shows_no_code(
    wire: Panel, worker: Worker, searched: None, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Its error quotes the answer, and stands with its traceback in the log."""

    def fail(*_: object) -> None:
        raise ValueError(f"no rule for {CODE} of {CREDENTIALS['kod']} {CREDENTIALS['sifre']}")

    monkeypatch.setattr("gateway.providers.znet._readable", fail)
    account = provider.find(factories.SANDBOX)
    assert account
    wire.answer = b"OK|1|1"
    with pytest.raises(ProviderError):
        getattr(providers, call)(account, worker.client, dispatching_task())


def dispatching_task() -> Any:
    return providers.Task(
        referans="482910573829105", params={"oyun": "1", "kupur": "60"}, user_identifier=PLAYER
    )


def test_the_orders_own_numbers_dates_and_amounts_stay(
    wire: Panel, worker: Worker, api: Ask, searched: None
) -> None:
    order = sent(wire, worker)
    referans = orders.row(order)["provider_referans"]
    kept = f"{referans} no: 5123456789, 25.11.2026 22:58, 2026-11-25T22:58:00, 12345678,90 TL, 1.234,56"
    api(f"/callbacks/{factories.SANDBOX}", content={"referans": referans, "durum": "1", "aciklama": kept})
    assert orders.row(order)["lastMessage"] == kept

    wire.answer = f"8|{kept} Sistem meşgul".encode()
    orders.put(order, lastCallbackAt=None)
    orders.age(order, 700)
    checking.check(worker, order)
    assert kept in orders.events(order)[-1]


def test_a_number_of_the_panel_is_masked_unless_it_is_the_orders_own(
    wire: Panel, worker: Worker, api: Ask, searched: None
) -> None:
    order = sent(wire, worker)
    referans = orders.row(order)["provider_referans"]

    def told(text: str) -> Any:
        api(f"/callbacks/{factories.SANDBOX}", content={"referans": referans, "durum": "1", "aciklama": text})
        return orders.row(order)["lastMessage"]

    assert told("TRX-2026-0012345 alındı") == "*** alındı"
    orders.put(order, externalOrderId="TRX-2026-0012345")
    assert told("TRX-2026-0012345 hazır") == "TRX-2026-0012345 hazır"


def test_a_callback_without_anything_that_looks_like_a_code_costs_no_further_statement(
    wire: Panel, worker: Worker, api: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = sent(wire, worker)
    referans = orders.row(order)["provider_referans"]
    statements: list[str] = []
    execute = database._execute
    monkeypatch.setattr(
        database, "_execute", lambda sql, values: (statements.append(sql), execute(sql, values))[1]
    )
    for text in ("Yükleme başarılı", f"{CODE} yüklendi", f"{referans} yüklendi"):
        statements.clear()
        api(
            f"/callbacks/{factories.SANDBOX}",
            content={"referans": referans, "durum": "2", "pin": CODE, "aciklama": text},
        )
        assert len([one for one in statements if "FROM referans.providers" not in one]) == 1


def test_the_whole_text_is_sealed_and_opens_on_its_own_timeline_only(
    wire: Panel, worker: Worker, api: Ask, lines: Lines
) -> None:
    order, other = sent(wire, worker), sent(wire, worker)
    wire.answer = filled("8|Sistem meşgul <code>").encode()
    checking.check(worker, order)
    kept = database.rows("SELECT whole FROM referans.order_events WHERE whole IS NOT NULL")
    assert len(kept) == 1 and kept[0]["whole"].startswith(sealed.PREFIX)

    database.rows("UPDATE referans.order_events SET order_id = %s WHERE whole IS NOT NULL", (other,))

    assert "Sistem meşgul ***" in whole_events(api, other) and not holds_code(whole_events(api, other))
    assert any(line["action"] == "unsealable" for line in lines if "action" in line)


def test_reading_a_whole_text_stands_on_the_timeline(wire: Panel, worker: Worker, api: Ask) -> None:
    order = sent(wire, worker)
    wire.answer = filled("8|Sistem meşgul <code>").encode()
    checking.check(worker, order)

    api(f"/orders/{order}/events")
    assert "codes read" not in orders.events(order)[-1]
    assert CODE in whole_events(api, order)
    assert orders.events(order)[-1] == "codes read with key storefront"


def test_the_same_text_again_changes_nothing_whoever_brings_it(wire: Panel, worker: Worker, api: Ask) -> None:
    """Texts are compared as they are kept: masked."""
    order = sent(wire, worker)
    referans = orders.row(order)["provider_referans"]
    text = f"hazırlanıyor {CODE} 5123456789 TRX-2026-0012345"
    fields = {"referans": referans, "durum": "1", "aciklama": text}
    assert api(f"/callbacks/{factories.SANDBOX}", content=fields).status_code == 200
    wire.answer = f"OK|1||{text}".encode()
    orders.put(order, lastCallbackAt=None)
    orders.age(order, 700)
    checking.check(worker, order)
    assert orders.row(order)["lastMessage"] == "hazırlanıyor *** 5123456789 ***"
    assert orders.events(order)[-1].startswith("duplicate: processing")


def test_a_code_of_letters_alone_that_the_order_has_is_struck_from_an_error(
    wire: Panel, worker: Worker, searched: None
) -> None:
    order = sent(wire, worker)
    wire.answer = "OK|2|GIFTCARDXYZ|Yüklendi".encode()
    checking.check(worker, order)
    assert orders.status(order) == "completed"

    wire.answer = "8|Sistem meşgul, GIFTCARDXYZ".encode()
    orders.put(order, checkRequestedAt="now()", nextCheckAt="2020-01-01", codeAsks=0)
    with suppress(ProviderError):
        checking.check(worker, order)
    assert "GIFTCARDXYZ" not in " ".join(orders.events(order))
    assert "Sistem meşgul, ***" in orders.events(order)[-1]
