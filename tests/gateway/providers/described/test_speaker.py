"""Calls that a file describes, against a server that answers as it is told."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gateway import outbound
from gateway.providers import kinds
from gateway.providers.base import (
    About,
    CannotAsk,
    InDoubt,
    NoAnswer,
    NotNow,
    NotReached,
    QuestionRefused,
    Refused,
    Task,
    UnknownReference,
)
from gateway.providers.described import schema
from gateway.providers.described.protocol import Protocol
from gateway.providers.described.speaker import Speaker, Tokens
from models import masking
from models.masking import Known
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus

FILE = """
title = "T"
source = "S"
credentials = ["key"]
params = ["product"]
fields = { number = "{user|phone}" }
TOP

[traits]
traces = "TRACES"
max_check = 10
max_quantity = 2

[send]
method = "POST"
path = "/send"
json = { ref = "{reference}", product = "{params.product}", number = "{fields.number}" }
headers = { Authorization = "Bearer {token}" }
read = { own = "id" }
rules = [
  { where = { s = "sent" }, means = "sent", then = "codes" },
  { where = { s = "refused" }, means = "refused", about = "product" },
  { where = { s = "expired" }, means = "token_expired" },
]

[check]
path = "/check"
query = { ref = "{reference}" }
rules = [
  { where = { s = "unknown" }, means = "unknown" },
  { where = { s = "later" }, means = "not_now" },
  { where = { s = "lost" }, means = "cannot_ask" },
  { where = { "type(data)" = "array" }, means = "ok" },
]

[check.lines]
each = "data"
read = { reference = "ref", own = "id" }
rules = [{ where = { s = "done" }, means = "completed" }, { where = { s = "open" }, means = "processing" }]

[check.many]
by = "BY"
query = { "ref?" = "", refs = "{references}", ids = "{owns}" }

[steps.codes]
path = "/codes/{own}"
codes = { each = "codes", code = "@" }
rules = [{ where = { "type(codes)" = "array" }, means = "completed" }]
"""
TOKEN = """
[token]
method = "POST"
url = "{credentials.auth|ending:/token}"
read = { token = "token", expires_in = "seconds" }
rules = [
  { where = { "type(token)" = "string" }, means = "ok" },
  { where = { s = "refused" }, means = "refused", read = { message = "why" } },
  { where = { s = "busy" }, means = "not_now", retry_after = "60s" },
]
json = { key = "{credentials.key}", audience = "{base_url}" }
"""
CONFIRMATION = """
[steps.codes]
path = "/codes/{own}"
books = true
rules = [{ where = { s = "no stock" }, means = "refused" }, { where = { s = "busy" }, means = "not_now" }]
"""
TASKS = [Task(str(number), "+90 532 123 45 67", params={"product": "p"}) for number in range(100, 103)]


class Server:
    """Answers each path with what stands in `says`: JSON, a status, or what is called."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {}
        self.calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                call = {"query": query, "body": body, "token": self.headers.get("authorization")}
                server.calls[path].append(call)
                said = server.says.get(path, 404)
                said = said(call) if callable(said) else said
                status, text = (
                    (said, b"<html>") if isinstance(said, int) else (200, json.dumps(said).encode())
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    server.thread.join()


def speaker(
    server: Server,
    *,
    by: str = "reference",
    traces: str = "reference",
    with_token: bool = False,
    tokens: Tokens | None = None,
    step: str | None = None,
) -> Speaker:
    text = FILE.replace("BY", by).replace("TRACES", traces)
    text = text.partition("[steps.codes]")[0] + step if step else text
    text = text.replace("TOP", 'optional_credentials = ["auth"]' if with_token else "") + (
        TOKEN if with_token else ""
    )
    provider = Provider("p", "t", f"{server.url}/", "protocol", {"key": "k", "auth": server.url})
    return Speaker(
        Protocol("t", schema.load(text, "t.toml")), provider, outbound.Client(), tokens=tokens or Tokens()
    )


def test_a_second_step_brings_the_codes(server: Server) -> None:
    server.says = {"/send": {"s": "sent", "id": 7}, "/codes/7": {"codes": ["A1", "A2"]}}
    said = speaker(server).send(TASKS[0])
    assert (said.status, said.external_order_id) == (ExternalStatus.COMPLETED, "7")
    assert [each.code for each in said.codes] == ["A1", "A2"]
    assert json.loads(server.calls["/send"][0]["body"]) == {
        "ref": "100",
        "product": "p",
        "number": "905321234567",
    }


@pytest.mark.parametrize("codes", [404, 500, {"codes": None}, {"nothing": 1}])
def test_a_second_step_that_fails_takes_nothing_away(server: Server, codes: object) -> None:
    server.says = {"/send": {"s": "sent", "id": 7}, "/codes/7": codes}
    said = speaker(server).send(TASKS[0])
    assert (said.status, said.external_order_id) == (ExternalStatus.SENT, "7")


@pytest.mark.parametrize(
    ("says", "books", "raised"),
    [
        ({"s": "no stock"}, True, Refused),
        ({"s": "busy"}, True, NotNow),
        ({"s": "no stock"}, False, None),
        ({"s": "busy"}, False, None),
        ({"s": "?"}, True, None),
        (500, True, None),
    ],
)
def test_only_a_step_that_books_says_that_nothing_is_booked(
    server: Server, says: object, books: bool, raised: type[Exception] | None
) -> None:
    """Without a clear answer the order is with the provider, and is asked about by the number of its reservation."""
    server.says = {"/send": {"s": "sent", "id": 7}, "/codes/7": says}
    speaking = speaker(server, step=CONFIRMATION if books else CONFIRMATION.replace("books = true", ""))
    if raised:
        with pytest.raises(raised):
            speaking.send(TASKS[0])
    else:
        said = speaking.send(TASKS[0])
        assert (said.status, said.external_order_id) == (ExternalStatus.SENT, "7")


@pytest.mark.parametrize("own", ["", "..", None])
def test_a_second_step_that_cannot_be_made_is_no_refusal(server: Server, own: object) -> None:
    """The order is booked: that its own number cannot stand in a path must not send it to another provider."""
    server.says = {"/send": {"s": "sent", "id": own}}
    assert speaker(server).send(TASKS[0]).status is ExternalStatus.SENT


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (replace(TASKS[0], params={}), "the route lacks product"),
        (replace(TASKS[0], quantity=3), "takes at most 2 in one order, not 3"),
        (replace(TASKS[0], user_identifier="Ali"), "phone: the value is not a phone number"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_not_sent(server: Server, task: Task, told: str) -> None:
    with pytest.raises(Refused, match=told):
        speaker(server).send(task)
    assert not server.calls


def test_what_only_reads_the_answer_is_made_before_anything_is_sent(server: Server) -> None:
    """Else the order would be booked when it is found that it cannot be."""
    reading = """
        [send.lines]
        read = { reference = "ref" }
        rules = [{ where = { s = "sent" }, means = "sent" }]
        [reference]
        make = "{created_at|date:%Y%m%d:UTC}"
    """
    server.says = {"/send": {"s": "ok"}}
    text = FILE.replace('ref = "{reference}", p', "p").replace("expired", "ok").replace("token_ok", "ok")
    text = text.replace("TRACES", "reference").replace("BY", "own").replace("TOP", "") + reading
    protocol = Protocol("t", schema.load(text, "t.toml"))
    provider = Provider("p", "t", server.url, "none", {"key": "k"})
    with pytest.raises(Refused, match="date: the value does not have the form"):
        Speaker(protocol, provider, outbound.Client()).send(TASKS[0])
    assert not server.calls


def test_a_value_of_the_customer_is_the_customers_fault(server: Server) -> None:
    with pytest.raises(Refused) as error:
        speaker(server).send(replace(TASKS[0], user_identifier="Ali"))
    assert (error.value.about, error.value.is_certain) == (About.CUSTOMER, False)


def test_a_route_fills_fields_in_its_own_way(server: Server) -> None:
    server.says = {"/send": {"s": "refused"}}
    with pytest.raises(Refused):
        speaker(server).send(
            replace(TASKS[0], field_map={"number": "{zone}-{userIdentifier}"}, fields={"zone": "9"})
        )
    assert json.loads(server.calls["/send"][0]["body"])["number"] == "9-+90 532 123 45 67"


def test_several_are_asked_about_in_one_call(server: Server) -> None:
    server.says = {"/check": {"data": [{"ref": "102", "s": "done"}, {"ref": "100", "s": "open"}]}}
    first, second, third = speaker(server).check(TASKS)
    assert isinstance(first, Outcome) and first.status is ExternalStatus.PROCESSING
    assert isinstance(second, QuestionRefused), "a missing line teaches nothing"
    assert isinstance(third, Outcome) and (third.status, third.referans) == (ExternalStatus.COMPLETED, "102")
    [call] = server.calls["/check"]
    assert call["query"] == "refs=100%2C101%2C102&ids=%2C%2C"


def test_several_by_the_providers_own_numbers(server: Server) -> None:
    server.says = {"/check": {"data": [{"ref": "100", "id": 1, "s": "open"}]}}
    tasks = [replace(TASKS[0], external_order_id="1"), replace(TASKS[1], external_order_id="2"), TASKS[2]]
    first, second, third = speaker(server, by="own").check(tasks)
    assert (
        isinstance(first, Outcome)
        and isinstance(second, QuestionRefused)
        and isinstance(third, QuestionRefused)
    )
    assert [call["query"] for call in server.calls["/check"]] == ["refs=100%2C101&ids=1%2C2"]


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ({"s": "unknown"}, QuestionRefused),
        ({"s": "later"}, NotNow),
        (503, NoAnswer),
        ({"data": []}, QuestionRefused),
    ],
)
def test_an_error_about_several_is_each_ones_and_makes_none_unknown(
    server: Server, says: object, kind: type
) -> None:
    server.says = {"/check": says}
    learned = speaker(server).check(TASKS)
    assert [type(each) for each in learned] == [kind] * 3


def test_several_of_which_none_has_a_number_are_not_asked_about(server: Server) -> None:
    learned = speaker(server, by="own").check(TASKS)
    assert [type(each) for each in learned] == [QuestionRefused] * 3 and not server.calls


def test_a_question_needs_only_what_it_names(server: Server) -> None:
    """A player that the provider could not take is no reason not to ask about the order."""
    server.says = {"/check": {"data": [{"ref": "100", "s": "done"}]}}
    [learned] = speaker(server).check([replace(TASKS[0], user_identifier="Ali", params={})])
    assert isinstance(learned, Outcome) and learned.status is ExternalStatus.COMPLETED


def test_one_that_is_unknown(server: Server) -> None:
    server.says = {"/check": {"s": "unknown"}}
    [learned] = speaker(server).check(TASKS[:1])
    assert isinstance(learned, UnknownReference)


def test_what_cannot_be_asked_by_our_reference_may_be_asked_by_its_own_number(server: Server) -> None:
    """So that no person has to look while the provider's own number is known."""
    server.says = {"/check": {"s": "lost"}}
    [learned] = speaker(server).check(TASKS[:1])
    assert isinstance(learned, CannotAsk)
    [learned] = speaker(server).check([replace(TASKS[0], external_order_id="7")])
    assert isinstance(learned, QuestionRefused)


def test_without_its_own_number_an_order_cannot_be_asked_about(server: Server) -> None:
    server.says = {"/check": {"data": [{"id": "7", "s": "done"}]}}
    unknown, known = speaker(server, traces="own_number", by="own").check(
        [TASKS[0], replace(TASKS[1], external_order_id="7")]
    )
    assert isinstance(unknown, CannotAsk)
    assert isinstance(known, QuestionRefused | Outcome)
    assert len(server.calls["/check"]) == 1


CATALOGUE = """
[catalogue]
path = "/list"
packages = { id = "id", name = "id", price = "price", currency = "in", params = { product = "id" } }
rules = [{ where = { "type(@)" = "array" }, means = "ok" }]
[balance]
path = "/money"
read = { amount = "amount", currency = "in" }
rules = [{ where = { "type(amount)" = "string" }, means = "ok" }]
"""


@pytest.mark.parametrize(
    ("said", "code", "has_price"),
    [
        ("usd", "USD", True),
        (" Usd ", "USD", True),
        ("", "EUR", True),
        ("$", "", False),
        ("Türk Lirası", "", False),
    ],
)
def test_a_currency_is_a_code_and_a_price_in_any_other_words_is_none(
    server: Server, said: str, code: str, has_price: bool
) -> None:
    """`usd` and `USD` would be two currencies to whatever compares prices; `$` may be any of twenty."""
    server.says = {
        "/list": [{"id": "9", "price": "1.50", "in": said}],
        "/money": {"amount": "1.250.000.000,50", "in": said},
        "/send": {"s": "sent", "id": 7, "cost": "1.50", "in": said},
    }
    text = FILE.replace("BY", "reference").replace("TRACES", "reference").replace("TOP", 'currency = "EUR"')
    text = text.replace('read = { own = "id" }', 'read = { own = "id", cost = "cost", currency = "in" }')
    text = text.replace('headers = { Authorization = "Bearer {token}" }', "") + CATALOGUE
    account = Provider("p", "t", server.url, "none", {"key": "k"})
    spoken = Speaker(Protocol("t", schema.load(text, "t.toml")), account, outbound.Client(), tokens=Tokens())
    [package] = spoken.catalogue()
    assert (package.currency, package.price) == (code, Decimal("1.50") if has_price else None)
    assert (spoken.balance().currency, spoken.balance().amount) == (code, Decimal("1250000000.50"))
    outcome = spoken.send(TASKS[0])
    assert (outcome.currency or "", outcome.cost) == (code, Decimal("1.50"))


def test_one_token_for_many_threads(server: Server) -> None:
    server.says = {"/send": {"s": "refused"}, "/token": {"token": "t1", "seconds": 3600}}
    tokens = Tokens()
    speakers = [speaker(server, with_token=True, tokens=tokens) for _ in range(8)]

    def send(each: Speaker) -> None:
        with pytest.raises(Refused):
            each.send(TASKS[0])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, speakers))
    assert len(server.calls["/token"]) == 1
    assert json.loads(server.calls["/token"][0]["body"]) == {"key": "k", "audience": server.url}
    assert {call["token"] for call in server.calls["/send"]} == {"Bearer t1"} and len(
        server.calls["/send"]
    ) == 8


def test_a_token_that_ended_is_renewed_once(server: Server) -> None:
    numbers = iter(range(1, 9))
    server.says = {
        "/token": lambda call: {"token": f"t{next(numbers)}", "seconds": 3600},
        "/send": lambda call: {"s": "expired"} if call["token"] == "Bearer t1" else {"s": "refused"},
    }
    with pytest.raises(Refused):
        speaker(server, with_token=True).send(TASKS[0])
    assert [call["token"] for call in server.calls["/send"]] == ["Bearer t1", "Bearer t2"]


def test_a_token_that_is_never_taken_is_not_now(server: Server) -> None:
    server.says = {"/token": {"token": "t", "seconds": 3600}, "/send": {"s": "expired"}}
    with pytest.raises(NotNow):
        speaker(server, with_token=True).send(TASKS[0])
    assert len(server.calls["/send"]) == 2


@pytest.mark.parametrize(
    "token", ["only-letters-no-digits", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhYmNkZWYifQ.sig_na-ture"]
)
@pytest.mark.parametrize("operation", ["send", "check"])
def test_a_token_that_a_provider_repeats_is_shown_to_nobody(
    server: Server, token: str, operation: str
) -> None:
    said = {"s": "new", "message": f"the token {token} has no rights"}
    server.says = {"/token": {"token": token, "seconds": 3600}, "/send": said, "/check": said}
    with masking.knowing(Known(("k",))):
        spoken = speaker(server, with_token=True)
        if operation == "send":
            with pytest.raises(InDoubt) as error:
                spoken.send(TASKS[0])
            text = error.value.text
        else:
            [learned] = spoken.check(TASKS[:1])
            assert isinstance(learned, QuestionRefused)
            text = learned.text
    assert token.rpartition(".")[2] not in f"{text}{getattr(text, 'whole', '')}"


@pytest.mark.parametrize(
    "written",
    [
        ("12345", "gagal"),
        ("12345gagal", None),
        ("12345 GAG", "AL"),
        ("SUKSES. SN: 1234", None),
        ("1", "double"),
    ],
)
def test_an_order_cannot_speak_for_the_provider(server: Server, written: tuple[str, str | None]) -> None:
    """Servers of plain text repeat what the customer wrote: `gagal` would be a failure of what they have booked."""
    kind = kinds.get("h2h_otomax")
    names = (*kind.CREDENTIALS, "callback_secret")
    account = Provider("p", "h2h_otomax", server.url, "protocol", dict.fromkeys(names, "x-1"))
    user, extra = written
    task = Task("482915736401852", user, extra, params={"product": "ML86"})
    spoken = kind(account, outbound.Client())
    with pytest.raises(Refused, match="not sent: what the customer wrote") as error:
        spoken.send(task)
    assert error.value.about is About.CUSTOMER and not error.value.is_certain
    assert not server.calls
    with pytest.raises(NoAnswer):
        spoken.send(replace(task, user_identifier="12345", extra_field="6789"))
    assert len(server.calls["/trx"]) == 1


@pytest.mark.parametrize("says", [401, 500, {"error": "no"}, {"token": ""}, {"token": 5}])
def test_without_a_token_nothing_is_sent(server: Server, says: object) -> None:
    server.says = {"/token": says}
    with pytest.raises(NotReached, match=r"the login failed: HTTP .* without a token"):
        speaker(server, with_token=True).send(TASKS[0])
    [learned] = speaker(server, with_token=True).check(TASKS[:1])
    assert isinstance(learned, NotReached)
    assert set(server.calls) == {"/token"}


@pytest.mark.parametrize("said", [{"s": "refused", "why": "wrong password"}, {"s": "refused"}])
def test_a_login_that_is_refused_is_about_our_account(server: Server, said: dict[str, str]) -> None:
    server.says = {"/token": said}
    why = f"the login was refused: {said.get('why', 'HTTP 200')}"
    with pytest.raises(Refused, match=why) as error:
        speaker(server, with_token=True).send(TASKS[0])
    assert error.value.about is About.ACCOUNT and error.value.is_certain
    [learned] = speaker(server, with_token=True).check(TASKS[:1])
    assert isinstance(learned, QuestionRefused) and learned.about is About.ACCOUNT
    assert str(learned) == why and set(server.calls) == {"/token"}


def test_a_login_that_is_put_off_puts_the_order_off(server: Server) -> None:
    server.says = {"/token": {"s": "busy"}}
    with pytest.raises(NotNow, match="HTTP 200") as error:
        speaker(server, with_token=True).send(TASKS[0])
    assert error.value.retry_after_seconds == 60
    assert set(server.calls) == {"/token"}


def test_tokens_end_a_minute_early() -> None:
    now, asked = [0.0], []
    tokens = Tokens(lambda: now[0])

    def ask() -> tuple[str, float]:
        asked.append(now[0])
        return f"t{len(asked)}", 100.0

    assert [tokens.get("a", ask), tokens.get("a", ask), tokens.get("b", ask)] == ["t1", "t1", "t2"]
    now[0] = 39.0
    assert tokens.get("a", ask) == "t1"
    now[0] = 40.0
    assert tokens.get("a", ask) == "t3"
    tokens.forget("a", "t1")
    assert tokens.get("a", ask) == "t3", "a newer one stays"
    tokens.forget("a", "t3")
    assert tokens.get("a", ask) == "t4"


def test_a_page_that_the_file_calls_in_doubt_is_a_failure_of_the_provider_too(server: Server) -> None:
    """Else one whose answers are lost would get order after order, and a person had to look for each."""
    server.says = {"/api/v2": 503}
    provider = Provider("p", "smm_v2", server.url, "none", {"key": "k"})
    with pytest.raises(NoAnswer, match="HTTP 503"):
        kinds.get("smm_v2")(provider, outbound.Client()).send(replace(TASKS[0], params={"service": "1"}))


def test_an_answer_that_no_rule_knows_is_in_doubt(server: Server) -> None:
    server.says = {"/send": {"s": "something new"}}
    with pytest.raises(InDoubt, match="no rule matches the answer"):
        speaker(server).send(TASKS[0])
