"""The inbox on the command line: listed, shown, settled again, and filled with a test callback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
import requests
from falcon.testing import Result, TestClient

from gateway import broker
from gateway.callbacks import neutral as neutral_format
from gateway.providers import ADAPTERS
from gateway.providers.znet import Znet
from gateway.settings import load
from gateway.web import create_app
from models import codes, inbox, order
from models.db import binding, database, sealed
from models.inbox import Invalid
from models.outcome import Outcome
from models.provider import CallbackFormat
from models.status import ExternalStatus
from tests import factories
from tests.conftest import KEY, UNLIMITED
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, neutral
from tests.ports import free_port
from tests.waiting import wait_until

from .conftest import Run

TOKEN = "token-of-the-panel"
PANEL = "panel"
PIN = "ABCD-1234-EFGH"
ROOT = Path(__file__).parents[3]
#: Seconds.
PATIENCE_SECONDS = 30


class Gateway:
    """Orders, and providers that call back over the web's own code; every value is sealed."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        settings = load(
            {
                "DATABASE_URL": database_url,
                "REDIS_URL": "redis://127.0.0.1:9/0",
                "ENCRYPTION_KEYS": KEY,
                **UNLIMITED,
            }
        )
        self._client = TestClient(create_app(settings, broker.make_client(settings, strict=True)))
        with self.bound():
            factories.add_provider()
            credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
            factories.add_provider(PANEL, callback="token", credentials=credentials)

    @contextmanager
    def bound(self) -> Iterator[None]:
        with factories.bound(self._url, pool_size=2, keys=[KEY]):
            yield

    def sent(self, provider_id: str = factories.SANDBOX) -> dict[str, Any]:
        with self.bound():
            found = factories.sent()
            factories.put(found, providerId=provider_id)
            return found

    def rename(self, found: dict[str, Any], referans: str) -> None:
        with self.bound():
            factories.put(found, provider_referans=referans)

    def standing(self, found: dict[str, Any]) -> tuple[str, str | None]:
        """Its status and PIN."""
        with self.bound():
            now = order.find(found["id"])
            assert now is not None
            return now.external_status, next((code.code for code in order.codes_of(now)), None)

    @contextmanager
    def serving(self) -> Iterator[TestClient]:
        """Without a session: the web opens and gives back its own."""
        pool = binding.bind(self._url, [KEY], pool_size=2, name="referans-test")
        yield self._client
        pool.close_all()

    def signed(self, said: Any, webhook_id: str | None = None) -> Result:
        with self.serving() as client:
            return calls.call_back(client, said, webhook_id=webhook_id)

    def by_token(self, body: bytes = b"", content_type: str = "application/json", **query: str) -> Result:
        with self.serving() as client:
            return client.simulate_request(
                "POST" if body else "GET",
                f"/callbacks/{PANEL}/{TOKEN}",
                body=body,
                params=query,
                headers={"content-type": content_type},
            )

    def snapshot(self) -> list[Any]:
        tables = ("product_orders", "referans.order_events", "referans.callback_events")
        with self.bound():
            return [
                database.rows(f"SELECT to_jsonb(t) AS row FROM {table} AS t ORDER BY id") for table in tables
            ]

    def inbox(self) -> list[str]:
        with self.bound():
            return [row["result"] for row in calls.inbox()]


@pytest.fixture
def gateway(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    yield Gateway(database_url)
    sealed.bind([])


@pytest.fixture
def cli(gateway: Gateway, cli: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `gateway …` with the key that everything is sealed under."""
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    return cli


class Mended(Znet):
    """The adapter of tomorrow: it knows one more state and one more name."""

    STATES: ClassVar[dict[str, ExternalStatus]] = {"9": ExternalStatus.COMPLETED}

    @staticmethod
    def read_callback(fields: Any, text: str = "") -> Outcome:
        if fields.get("durum") in Mended.STATES:
            return Outcome(
                Mended.STATES[fields["durum"]],
                str(fields["referans"]),
                codes=codes.read(fields.get("epin")).codes,
            )
        return Znet.read_callback(fields)


@pytest.fixture
def mend(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Gives the panel's protocol the adapter of tomorrow."""
    return lambda: monkeypatch.setitem(ADAPTERS, "znet", Mended)


def replayed(cli: Run, *arguments: str) -> list[tuple[str, str]]:
    """(before, after) of each callback."""
    answer = json.loads(cli("callbacks", "replay", *arguments, "--json").out)
    return [(one["before"], one["after"]) for one in answer["callbacks"]]


def listed(cli: Run, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("callbacks", "list", *arguments, "--json").out)
    return found


def of_every_kind(gateway: Gateway) -> dict[str, Any]:
    """A callback with each result; the order that is completed."""
    completed, failed = gateway.sent(), gateway.sent()
    referans = completed["provider_referans"]
    for said in (
        neutral(referans, "processing", message="soon"),
        neutral(referans, pin_code=PIN, message=f"Your PIN is {PIN}"),
        neutral(referans, pin_code=PIN),
        neutral(referans, "processing"),
        neutral(failed["provider_referans"], "failed"),
        neutral(failed["provider_referans"], pin_code="OTHER-PIN"),
        neutral(NOBODY, pin_code="EARLY-PIN"),
        {"status": "completed", "pin_code": "LOST-PIN"},
    ):
        gateway.signed(said)
    gateway.by_token(referans="1", durum="7", pin="QUERY-PIN")
    return completed


MULTIPART = b'--b\r\nContent-Disposition: form-data; name="pin"\r\n\r\nPART-PIN\r\n--b--\r\n'
PINS = (PIN, "OTHER-PIN", "EARLY-PIN", "LOST-PIN", "QUERY-PIN")


# --- list


def test_callbacks_are_listed_newest_first_without_what_they_said(cli: Run, gateway: Gateway) -> None:
    completed = of_every_kind(gateway)

    found = listed(cli)
    table = cli("callbacks", "list")

    assert [each["result"] for each in found] == [
        *(
            "invalid",
            "invalid",
            "unmatched",
            "conflict",
            "applied",
            "stale",
            "duplicate",
            "applied",
            "applied",
        )
    ]
    assert found[0]["reason"] == "`durum` must be 1, 2 or 3"
    assert completed["provider_referans"] in table.out and "the reference is missing" in table.out
    assert not [pin for pin in PINS if pin in table.out + str(found)]


def test_callbacks_are_listed_by_provider_result_order_and_time(cli: Run, gateway: Gateway) -> None:
    completed = of_every_kind(gateway)

    by_id = listed(cli, "--order", completed["id"])
    by_referans = listed(cli, "--order", completed["provider_referans"])

    assert by_id == by_referans and {each["orderId"] for each in by_id} == {completed["id"]}
    assert len(by_id) == 4
    assert len(listed(cli, "--provider", PANEL)) == 1
    assert len(listed(cli, "--result", "applied", "--since", "15m")) == 3
    assert len(listed(cli, "--limit", "2")) == 2
    assert listed(cli, "--since", "2999-01-01T00:00") == []
    assert "No callbacks." in cli("callbacks", "list", "--provider", "nobody").err


@pytest.mark.parametrize("since", ["soon", "-1h", "3 fortnights", "2026-13-01", "", "9" * 30 + "d"])
def test_an_invalid_time_says_what_is_taken(cli: Run, since: str) -> None:
    answer = cli("callbacks", "list", "--since", since)
    assert answer.code == 2 and "takes 15m, 2h, 3d or a time" in " ".join(
        answer.err.replace("│", " ").split()
    )


def test_callbacks_of_an_order_that_is_not_there_are_one_line(cli: Run) -> None:
    assert f"order {NOBODY} not found" in cli("callbacks", "list", "--order", NOBODY).problem


# --- show


def test_a_callback_is_shown_with_its_order_and_what_it_did(cli: Run, gateway: Gateway) -> None:
    completed = of_every_kind(gateway)
    callback_id = str(listed(cli, "--order", completed["id"])[2]["id"])

    shown = json.loads(cli("callbacks", "show", callback_id, "--json").out)
    printed = cli("callbacks", "show", callback_id).out

    assert (shown["result"], shown["orderId"], shown["hasPin"]) == ("applied", completed["id"], True)
    assert shown["order"]["externalStatus"] == "completed"
    assert [(did["from"], did["to"]) for did in shown["did"]] == [("processing", "completed")]
    assert shown["raw"]["body"] == neutral(
        completed["provider_referans"], pin_code="***", message="Your PIN is ***"
    )
    assert "processing → completed" in printed and f"gateway orders show {completed['id']}" in printed


def test_no_callback_shows_a_pin_or_a_secret(cli: Run, gateway: Gateway) -> None:
    of_every_kind(gateway)
    for body, content_type in (
        (
            urlencode({"referans": NOBODY, "durum": "7", "pin": "FORM-PIN"}).encode(),
            "application/x-www-form-urlencoded",
        ),
        (b'{"pin_code": "TORN-PIN', "application/json"),
        (b'{"pin_code": "LATIN-PIN", "message": "\xfe"}', "application/json"),
        (json.dumps({"orders": [{"pins": [{"epin_code": "DEEP-PIN"}]}]}).encode(), "application/json"),
        (json.dumps({"codes": ["LIST-PIN", {"value": "OBJECT-PIN"}]}).encode(), "application/json"),
        (b'{"pin": "JSON-IN-A-FORM-PIN"}', "application/x-www-form-urlencoded"),
        (b"pin[]=BRACKET-PIN&pin[serial]=SERIAL-PIN&durum=7", "application/x-www-form-urlencoded"),
        (b"pin=UNTYPED-PIN&durum=7", ""),
        (MULTIPART, "multipart/form-data; boundary=b"),
        (MULTIPART[:-5], "multipart/form-data; boundary=b"),
    ):
        assert gateway.by_token(body, content_type).status_code == 400

    for each in listed(cli):
        shown = (
            cli("callbacks", "show", str(each["id"])).out
            + cli("callbacks", "show", str(each["id"]), "--json").out
        )
        assert "body" in shown
        assert "-PIN" not in shown and PIN not in shown and TOKEN not in shown


def test_a_callback_that_is_not_there_is_one_line(cli: Run) -> None:
    assert "callback 7 not found" in cli("callbacks", "show", "7").problem
    assert "callback 7, 8 not found" in cli("callbacks", "replay", "8", "7").problem


def test_a_callback_that_does_not_open_names_the_keys(
    cli: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.signed(neutral(NOBODY))
    monkeypatch.delenv("ENCRYPTION_KEYS")
    assert "ENCRYPTION_KEYS" in cli("callbacks", "show", "1").problem
    answer = cli("callbacks", "replay", "1")
    assert answer.code == 1 and "ENCRYPTION_KEYS is not set" in answer.out


# --- replay


def test_replaying_everything_twice_changes_nothing(cli: Run, gateway: Gateway) -> None:
    of_every_kind(gateway)
    before, kept = gateway.snapshot(), gateway.inbox()

    for _ in range(2):
        assert replayed(cli, "--since", "1d") == [(result, result) for result in kept]
        assert gateway.snapshot() == before


def test_replaying_everything_twice_changes_nothing_after_it_changed_something(
    cli: Run, gateway: Gateway, mend: Callable[[], None]
) -> None:
    of_every_kind(gateway)
    early, misread = gateway.sent(), gateway.sent(PANEL)
    gateway.rename(early, NOBODY)
    gateway.by_token(referans=misread["provider_referans"], durum="9", epin=PIN)
    mend()

    assert [pair for pair in replayed(cli, "--since", "1d") if pair[0] != pair[1]] == [
        ("unmatched", "applied"),
        ("invalid", "applied"),
    ]
    before = gateway.snapshot()
    for _ in range(2):
        assert not [pair for pair in replayed(cli, "--since", "1d") if pair[0] != pair[1]]
        assert gateway.snapshot() == before
    assert gateway.standing(early) == ("completed", "EARLY-PIN")
    assert gateway.standing(misread) == ("completed", PIN)


def test_an_unmatched_callback_is_applied_once_its_order_is_known(cli: Run, gateway: Gateway) -> None:
    gateway.signed(neutral(NOBODY, pin_code=PIN))
    assert replayed(cli, "1") == [("unmatched", "unmatched")]
    found = gateway.sent()
    gateway.rename(found, NOBODY)

    answer = cli("callbacks", "replay", "1")

    assert f"unmatched → applied: order {found['id']}: sent → completed" in answer.out
    assert "1 callback, 1 changed: 1 applied" in answer.out
    assert gateway.standing(found) == ("completed", PIN)


def test_the_callback_that_came_first_is_applied_first(
    cli: Run, gateway: Gateway, mend: Callable[[], None]
) -> None:
    found = gateway.sent(PANEL)
    gateway.by_token(referans=NOBODY, durum="9", epin="FIRST-PIN")
    gateway.by_token(referans=NOBODY, durum="2", pin="SECOND-PIN")
    gateway.rename(found, NOBODY)
    mend()

    assert replayed(cli, "2", "1") == [("invalid", "applied"), ("unmatched", "conflict")]

    assert gateway.standing(found) == ("completed", "FIRST-PIN")


@pytest.mark.parametrize("form", [True, False])
def test_an_invalid_callback_is_read_by_the_adapter_of_today(
    cli: Run, gateway: Gateway, mend: Callable[[], None], form: bool
) -> None:
    found = gateway.sent(PANEL)
    said = {"referans": found["provider_referans"], "durum": "9", "epin": PIN}
    body, content_type = (
        (urlencode(said).encode(), "application/x-www-form-urlencoded")
        if form
        else (json.dumps(said).encode(), "application/json")
    )
    assert gateway.by_token(body, content_type).status_code == 400
    assert replayed(cli, "1") == [("invalid", "invalid")]
    mend()

    assert replayed(cli, "1") == [("invalid", "applied")]

    assert gateway.standing(found) == ("completed", PIN)
    assert calls_result(gateway.by_token(body, content_type)) == "OK"
    assert gateway.inbox() == ["applied"]


def calls_result(answer: Result) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_an_invalid_event_that_came_again_mended_is_not_applied_twice(
    cli: Run, gateway: Gateway, mend: Callable[[], None]
) -> None:
    """The same id with other content is an event of its own, and contradicts."""
    found = gateway.sent()
    referans = found["provider_referans"]
    assert (
        gateway.signed({"referans": referans, "durum": "9", "epin": "WRONG-PIN"}, "event-1").status_code
        == 400
    )
    assert gateway.signed(neutral(referans, pin_code=PIN), "event-1").json == {"result": "applied"}
    mend()

    assert replayed(cli, "--since", "1h", "--result", "invalid") == [("invalid", "conflict")]

    assert gateway.standing(found) == ("completed", PIN)
    assert gateway.inbox() == ["conflict", "applied"]
    assert replayed(cli, "--since", "1h") == [("conflict", "conflict"), ("applied", "applied")]


def test_an_invalid_event_that_comes_again_after_its_replay_is_a_duplicate(
    cli: Run, gateway: Gateway, mend: Callable[[], None]
) -> None:
    found = gateway.sent()
    said = {"referans": found["provider_referans"], "durum": "9", "epin": PIN}
    gateway.signed(said, "event-1")
    mend()
    assert replayed(cli, "--since", "1h") == [("invalid", "applied")]
    assert gateway.signed(said, "event-1").text == "OK"
    assert gateway.inbox() == ["applied"]


def test_a_bad_entry_of_a_list_is_kept_and_replayed_by_itself(
    cli: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = gateway.sent(), gateway.sent()
    said = {
        "orders": [
            neutral(first["provider_referans"], pin_code=PIN),
            neutral(second["provider_referans"], "done", pin_code="OTHER-PIN"),
        ]
    }
    assert gateway.signed(said, "list").status_code == 200
    assert gateway.inbox() == ["invalid", "applied"]
    assert "OTHER-PIN" not in cli("callbacks", "show", "1").out
    assert replayed(cli, "1") == [("invalid", "invalid")]

    monkeypatch.setitem(neutral_format.STATUSES, "done", ExternalStatus.COMPLETED)
    assert replayed(cli, "--since", "1h") == [("invalid", "applied"), ("applied", "applied")]

    assert gateway.standing(first) == ("completed", PIN)
    assert gateway.standing(second) == ("completed", "OTHER-PIN")
    answer = gateway.signed(said, "list")
    assert [one["result"] for one in answer.json["results"]] == ["duplicate", "duplicate"]
    assert gateway.inbox() == ["applied", "applied"]


def test_every_entry_of_a_list_shows_the_body_which_is_kept_once(cli: Run, gateway: Gateway) -> None:
    orders = [gateway.sent() for _ in range(3)]
    said = {"orders": [neutral(one["provider_referans"], message="delivered") for one in orders]}
    bad = {"orders": [neutral(NOBODY, "gone"), *said["orders"]]}
    gateway.signed(bad, "list")

    with gateway.bound():
        kept = database.rows(
            "SELECT id, raw IS NOT NULL AS has_raw FROM referans.callback_events ORDER BY id"
        )
    assert [row["has_raw"] for row in kept] == [True, True, False, False]
    for row in kept[1:]:
        shown = json.loads(cli("callbacks", "show", str(row["id"]), "--json").out)
        assert shown["raw"]["body"] == bad
        assert "raw_of" not in shown
    assert replayed(cli, "--since", "1h")[1:] == [("applied", "applied")] * 3


def test_an_entry_whose_body_is_past_its_retention_is_shown_without_it(cli: Run, gateway: Gateway) -> None:
    orders = [gateway.sent() for _ in range(2)]
    gateway.signed({"orders": [neutral(one["provider_referans"]) for one in orders]}, "list")
    with gateway.bound():
        database.rows("DELETE FROM referans.callback_events WHERE raw_of IS NULL")
    assert json.loads(cli("callbacks", "show", "2", "--json").out)["raw"]["body"] == ""


def test_of_a_list_that_an_earlier_version_refused_the_good_entries_are_settled(
    cli: Run, gateway: Gateway
) -> None:
    found = gateway.sent()
    body = json.dumps({"orders": [neutral(NOBODY, "gone"), neutral(found["provider_referans"])]})
    raw = json.dumps({"method": "POST", "query": {}, "body": body, "id": "event-1"})
    with gateway.bound():
        inbox.keep_invalid(factories.SANDBOX, [Invalid("invalid:0123", raw, "`status` must be one of …")])

    assert replayed(cli, "1") == [("invalid", "applied")]

    assert gateway.standing(found) == ("completed", None)
    assert gateway.inbox() == ["applied", "invalid"]


def test_a_callback_of_an_earlier_version_keeps_its_key(cli: Run, gateway: Gateway) -> None:
    found = gateway.sent()
    with gateway.bound():
        old = factories.arrival(found, ExternalStatus.COMPLETED, PIN, dedupe_key="id:event-1")
        factories.settle(old)
    assert replayed(cli, "1") == [("applied", "applied")]
    assert gateway.signed(neutral(found["provider_referans"], pin_code=PIN), "event-1").json == {
        "result": "duplicate"
    }
    assert gateway.standing(found) == ("completed", PIN)


def test_bytes_that_were_no_text_are_not_taken_for_a_pin(
    cli: Run, gateway: Gateway, mend: Callable[[], None]
) -> None:
    found = gateway.sent(PANEL)
    said = f'{{"referans": "{found["provider_referans"]}", "durum": "9", "epin": "\xfe-1234"}}'
    gateway.by_token(said.encode("latin-1"))
    mend()

    assert replayed(cli, "1") == [("invalid", "invalid")]

    assert gateway.standing(found) == ("sent", None)


def test_a_dry_run_tells_and_changes_nothing(cli: Run, gateway: Gateway, mend: Callable[[], None]) -> None:
    of_every_kind(gateway)
    misread = gateway.sent(PANEL)
    gateway.by_token(referans=misread["provider_referans"], durum="9", epin=PIN)
    gateway.rename(gateway.sent(), NOBODY)
    mend()
    before = gateway.snapshot()

    answer = cli("callbacks", "replay", "--since", "1d", "--dry-run")

    assert gateway.snapshot() == before
    assert "would be settled if its order is known now" in answer.out
    assert "can be read now (1 order), would be settled" in answer.out
    assert "already settled, nothing changed" in answer.out
    assert "10 callbacks, dry run, nothing changed" in answer.out


def test_many_callbacks_are_replayed_with_progress(cli: Run, gateway: Gateway) -> None:
    with gateway.bound():
        for _ in range(3):
            strangers = [{"provider_referans": str(number)} for number in range(350)]
            factories.settle(*(factories.arrival(one, ExternalStatus.COMPLETED) for one in strangers))

    answer = cli("callbacks", "replay", "--since", "1h")

    assert answer.err == "1000 of 1050 …\n"
    assert len(answer.out.splitlines()) == 1051
    assert answer.out.splitlines()[-1] == "1050 callbacks, 0 changed: 1050 unmatched"


@pytest.mark.parametrize("arguments", [(), ("1", "--since", "1h"), ("1", "--result", "invalid")])
def test_what_to_replay_must_be_said(cli: Run, arguments: tuple[str, ...]) -> None:
    assert cli("callbacks", "replay", *arguments).code == 2


# --- send


@pytest.fixture(scope="module")
def web(
    shared_database_url: str, _redis_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of gunicorn, as the Procfile starts it: once, so that what a test changes has a name of its own."""
    path = tmp_path_factory.mktemp("web")
    port = free_port()
    given = {
        "DATABASE_URL": shared_database_url,
        "REDIS_URL": _redis_database,
        "PORT": str(port),
        "ENCRYPTION_KEYS": KEY,
    }
    with (path / "web.log").open("ab") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "gunicorn"), "gateway.app:app"],
            cwd=ROOT,
            env={**os.environ, **given, **UNLIMITED, "WEB_CONCURRENCY": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until((path / "web.log").read_text, PATIENCE_SECONDS)
        wait_until(lambda: _listens(port), PATIENCE_SECONDS, what=(path / "web.log").read_text)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def _listens(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/live", timeout=2).ok
    except requests.RequestException:
        return False


def test_a_test_callback_is_signed_sent_and_settled(cli: Run, gateway: Gateway, web: str) -> None:
    signed, by_token = gateway.sent(), gateway.sent(PANEL)

    first = cli(
        *("callbacks", "send", factories.SANDBOX, signed["provider_referans"], "--status", "completed"),
        *("--pin-from-stdin", "--message", "a test", "--url", web),
        stdin=f"{PIN}\n",
    )
    second = cli(
        *(
            "callbacks",
            "send",
            PANEL,
            by_token["provider_referans"],
            "--status",
            "failed",
            "--url",
            web,
            "--json",
        )
    )

    assert (first.code, first.out) == (0, f'HTTP 200 from {web}/callbacks/sandbox: {{"result": "applied"}}\n')
    assert gateway.standing(signed) == ("completed", PIN)
    assert json.loads(second.out) == {
        "url": f"{web}/callbacks/panel",
        "status": 200,
        "text": '{"result": "applied"}',
    }
    assert gateway.standing(by_token) == ("failed", None)
    unknown = cli("callbacks", "send", PANEL, NOBODY, "--status", "sent", "--url", web)
    assert (unknown.code, "HTTP 202" in unknown.out) == (0, True)
    assert PIN not in first.err and TOKEN not in second.out + second.err


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("hmac", {"header": "X-S", "algorithm": "sha1", "encoding": "hex", "template": "{body}"}),
        (
            "hmac",
            {
                "header": "X-S",
                "algorithm": "sha512",
                "encoding": "base64",
                "template": "{header:X-Time}.{header:content-type}.{body}",
            },
        ),
        ("basic", {}),
    ],
)
def test_a_test_callback_is_signed_as_its_kind_wants(
    cli: Run, gateway: Gateway, web: str, kind: str, options: dict[str, str]
) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": f"{TOKEN} another", "callback_user": "panel"}
    name = f"{kind}-{options.get('algorithm', 'plain')}"
    with gateway.bound():
        factories.add_provider(name, callback=kind, credentials=credentials, callback_options=options)
    found = gateway.sent(name)

    answer = cli(
        *("callbacks", "send", name, found["provider_referans"], "--status", "processing", "--url", web)
    )

    assert (answer.code, answer.err) == (0, "")
    assert gateway.standing(found) == ("processing", None)


def test_a_test_callback_is_written_in_the_format_of_the_provider(
    cli: Run, gateway: Gateway, web: str
) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
    formats = {CallbackFormat.PROTOCOL: "OK", CallbackFormat.NEUTRAL: '{"result": "applied"}'}
    for chosen, answer in formats.items():
        with gateway.bound():
            factories.add_provider(
                chosen.value, callback="token", credentials=credentials, callback_format=chosen
            )
        found = gateway.sent(chosen.value)
        sent = cli(
            *("callbacks", "send", chosen.value, found["provider_referans"], "--status", "completed"),
            *("--pin-from-stdin", "--message", "Yükleme & başarılı", "--url", web),
            stdin=f"{PIN}\n",
        )
        assert (sent.code, sent.out) == (0, f"HTTP 200 from {web}/callbacks/{chosen.value}: {answer}\n")
        assert gateway.standing(found) == ("completed", PIN)
    refused = cli("callbacks", "send", "protocol", NOBODY, "--status", "reversed", "--url", web)
    assert "no word for reversed" in refused.problem


@pytest.mark.parametrize(
    ("kind", "said"), [("none", "no callbacks are accepted"), ("token", "has no callback_secret")]
)
def test_a_test_callback_that_cannot_be_signed_is_one_line(
    cli: Run, gateway: Gateway, kind: str, said: str
) -> None:
    with gateway.bound():
        factories.add_provider(PANEL, callback=kind, credentials={"kod": "1", "sifre": "2"})
    assert said in cli("callbacks", "send", PANEL, NOBODY, "--status", "sent").problem


def test_what_the_gateway_refuses_is_a_failure(cli: Run, gateway: Gateway, web: str) -> None:
    refused = cli("callbacks", "send", factories.SANDBOX, "x" * 300, "--status", "sent", "--url", web)
    assert refused.code == 1 and "HTTP 400" in refused.out


def test_a_gateway_that_is_away_is_one_line(cli: Run) -> None:
    arguments = (
        "callbacks",
        "send",
        factories.SANDBOX,
        NOBODY,
        "--status",
        "sent",
        "--url",
        "http://127.0.0.1:9",
    )
    assert "no connection could be made; is the gateway running?" in cli(*arguments).problem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", NOBODY, "--status", "sent"), "provider nobody not found"),
        (
            (factories.SANDBOX, NOBODY, "--status", "completed", "--pin-from-stdin"),
            "standard input is empty",
        ),
    ],
)
def test_a_test_callback_that_cannot_be_sent_is_one_line(
    cli: Run, arguments: tuple[str, ...], said: str
) -> None:
    assert said in cli("callbacks", "send", *arguments).problem


def test_a_provider_never_says_that_an_order_was_not_sent(cli: Run) -> None:
    assert cli("callbacks", "send", factories.SANDBOX, NOBODY, "--status", "not_sent").code == 2
