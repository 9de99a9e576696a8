"""Protocols, listed, tried and added on the command line."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import outbound, providers
from gateway.commands import provider_probes
from gateway.providers import kinds
from gateway.providers.base import ProviderError
from gateway.providers.described.kind import Described
from models import protocols, provider, route
from models.db import database
from tests import factories

from .conftest import Models, Run

DESCRIBED = [name for name in kinds.shipped() if name not in kinds.ADAPTERS]
FILE = """
title = "A shop"
source = "invented"
credentials = ["api_key"]
optional_credentials = ["shopId"]
params = ["item"]

[traits]
traces = "reference"

[send]
method = "POST"
path = "/buy"
form = { key = "{credentials.api_key}", item = "{params.item}", number = "{reference}" }
read = { own = "id" }
rules = [{ where = { ok = true }, means = "sent" }, { where = { ok = false }, means = "refused" }]

[check]
path = "/orders/{reference}"
rules = [{ where = { state = "done" }, means = "completed" }]
"""
SENT: dict[str, Any] = {
    "name": "taken",
    "op": "send",
    "task": {"referans": "482915736401852"},
    "given": {"credentials": {"api_key": "k-1"}, "params": {"item": "60"}, "now": 1773480413},
    "request": {
        "method": "POST",
        "path": "/buy",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "body": "key=k-1&item=60&number=482915736401852",
    },
    "response": {"status": 200, "body": '{"ok": true, "id": 7}'},
    "expect": {"result": "sent", "own": "7"},
}


@pytest.fixture(autouse=True)
def _forgets_what_was_stored() -> Iterator[None]:
    """A process knows a stored protocol for a while, and each test has a database of its own."""
    kinds.forget()
    yield
    kinds.forget()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A protocol file with its exchange beside it."""
    path = tmp_path / "myshop.toml"
    path.write_text(FILE)
    path.with_suffix(".json").write_text(json.dumps([SENT]))
    return path


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_ships_is_tried_by_its_own_samples(run: Run, name: str) -> None:
    tried = run("protocols", "try", name)
    assert (tried.code, tried.err) == (0, "")
    assert "all as they should be" in tried.out


@pytest.mark.parametrize("of", [("zdk",), ("znet",), ("zdk", "--file"), ("zdk", "--samples")])
def test_what_ships_is_shown_before_anything_is_set_up(run: Run, of: tuple[str, ...]) -> None:
    shown = run("protocols", "show", *of)
    assert (shown.code, shown.err) == (0, "") and shown.out


def test_a_file_is_tried_by_the_exchanges_beside_it(run: Run, shop: Path) -> None:
    assert run("protocols", "try", str(shop)).code == 0

    folder = shop.parent / "samples"
    folder.mkdir()
    shop.with_suffix(".json").rename(folder / "myshop.json")
    assert run("protocols", "try", str(shop)).code == 0

    (folder / "myshop.json").rename(shop.parent / "other.json")
    assert "has no sample exchanges" in run("protocols", "try", str(shop)).problem
    assert run("protocols", "try", str(shop), "--samples", str(shop.parent / "other.json")).code == 0


def test_what_differs_stands_beside_what_was_expected_and_ends_with_1(run: Run, shop: Path) -> None:
    other = SENT | {"expect": {"result": "refused", "own": "7"}, "name": "not taken"}
    shop.with_suffix(".json").write_text(json.dumps([SENT, other]))

    tried = run("protocols", "try", str(shop))
    assert tried.code == 1
    assert "refused, own 7" in tried.out and "sent, own 7" in tried.out
    assert "send, not taken: result is 'sent', expected 'refused'" in tried.out
    assert "2 exchanges, 1 of them" in tried.out

    first, second = json.loads(run("protocols", "try", str(shop), "--json").out)
    assert first["differences"] == []
    assert (second["op"], second["name"], second["expected"], second["read"]["result"]) == (
        "send",
        "not taken",
        {"result": "refused", "own": "7"},
        "sent",
    )


def test_a_request_that_differs_is_shown(run: Run, shop: Path) -> None:
    other = SENT | {"request": SENT["request"] | {"path": "/order"}}
    shop.with_suffix(".json").write_text(json.dumps([other]))
    tried = run("protocols", "try", str(shop))
    assert (tried.code, "request: path is '/buy', expected '/order'" in tried.out) == (1, True)


def test_a_difference_of_several_exchanges_is_told_once(run: Run, shop: Path) -> None:
    exchange = json.loads(json.dumps(SENT))
    exchange["request"]["path"] = "/sell"
    exchanges = [exchange, exchange | {"name": "again"}, exchange | {"name": "a third time"}]
    shop.with_suffix(".json").write_text(json.dumps(exchanges))
    tried = run("protocols", "try", str(shop))
    path = "request: path is '/buy', expected '/sell'"
    assert tried.out.splitlines()[-2:] == [
        f"send, taken (and 2 more): {path}",
        "3 exchanges, 3 of them not as expected.",
    ]


def stored(models: Models) -> list[str]:
    with models():
        return protocols.names()


#: What `add` refuses: of the file (what is replaced, and by what) or of its exchanges.
REFUSED = {
    "a sample that fails": (
        None,
        [SENT | {"expect": {"result": "failed"}}],
        "1 exchange of 1 not read as expected",
    ),
    "a sample that expects nothing": (None, [SENT | {"expect": {"note": None}}], "expects no `result`"),
    "no samples": (None, None, "has no sample exchanges"),
    "an empty list": (None, [], "not a list of objects"),
    "samples without a send": (None, [SENT | {"op": "balance"}], "the file has no `[balance]`"),
    "an exchange with something missing": (None, [{"name": "taken", "op": "send"}], "lacks or misspells"),
    "an exchange that is no exchange": (None, ["taken"], "not a list of objects"),
    "a moment that is none": (
        None,
        [SENT | {"task": {"referans": "1", "created_at": "today"}}],
        "cannot be run",
    ),
    "a pattern without end": (
        ("{ where = { ok = false }", "{ text = '(a+)+$'"),
        [SENT],
        "a repetition or an alternative within a repetition",
    ),
    "a key that is unknown": (
        ('path = "/buy"', 'route = "/buy"'),
        [SENT],
        "myshop.toml:13: send.route: is not known",
    ),
    "two mistakes": (('title = "A', 'titel = "A'), [SENT], "has 2 mistakes"),
    "no TOML": (('title = "', "title = '"), [SENT], "is not valid TOML"),
}


@pytest.mark.parametrize(("change", "exchanges", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_proven_is_not_added(
    cli: Run, models: Models, shop: Path, change: tuple[str, str] | None, exchanges: Any, problem: str
) -> None:
    shop.write_text(FILE.replace(*change) if change else FILE)
    if exchanges is None:
        shop.with_suffix(".json").unlink()
    else:
        shop.with_suffix(".json").write_text(json.dumps(exchanges))

    refused = cli("protocols", "add", str(shop))

    assert (refused.code, refused.out) == (1, "")
    assert problem in refused.err.splitlines()[-1]
    assert stored(models) == []


def test_files_as_windows_saves_them_are_read(cli: Run, shop: Path) -> None:
    for path in (shop, shop.with_suffix(".json")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert cli("protocols", "try", str(shop)).code == cli("protocols", "add", str(shop)).code == 0


@pytest.mark.parametrize("name", ["zdk", "znet", "stock"])
def test_the_name_of_a_protocol_that_ships_is_taken(cli: Run, models: Models, shop: Path, name: str) -> None:
    path = shop.rename(shop.with_stem(name))
    assert f"{name} comes with the gateway" in cli("protocols", "add", str(path)).problem
    assert stored(models) == []


def test_a_name_that_no_command_could_take_is_refused(cli: Run, shop: Path) -> None:
    path = shop.rename(shop.with_stem("My-Shop"))
    assert "takes up to 40 of a-z, 0-9 and _" in cli("protocols", "add", str(path)).problem


def test_a_protocol_that_was_added_is_used_like_any_other(
    cli: Run, models: Models, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = cli("protocols", "add", str(shop))
    assert (added.code, added.err) == (0, "") and "myshop is added" in added.out
    assert "--adapter myshop --base-url https://… --callback none" in added.out

    listed = {each["name"]: each for each in json.loads(cli("protocols", "list", "--json").out)}
    assert listed["myshop"] == {
        "name": "myshop",
        "from": "added",
        "replacesShipped": False,
        "title": "A shop",
        "credentials": ["api_key"],
        "optionalCredentials": ["shopId"],
        "params": ["item"],
        "optionalParams": [],
        "callbacks": False,
    }
    assert listed["zdk"]["from"] == "file" and listed["znet"]["from"] == "code"
    assert cli("protocols", "try", "myshop").code == 0
    assert cli("protocols", "show", "myshop", "--file").out.strip() == FILE.strip()
    assert json.loads(cli("protocols", "show", "myshop", "--samples").out) == [SENT]

    monkeypatch.setenv("CREDENTIAL_API_KEY", "k-1")
    monkeypatch.setenv("CREDENTIAL_SHOPID", "s-1")
    saved = cli(
        *("providers", "add", "shop", "--adapter", "myshop", "--base-url", "https://shop.example"),
        *("--callback", "none"),
    )
    assert saved.code == 0 and "--param item=…" in saved.out
    with models():
        account = provider.find("shop")
        assert account and account.credentials == {"api_key": "k-1", "shopId": "s-1"}
        assert providers.fault(account, outbound.Client()) is None


def test_one_that_is_added_again_is_replaced_in_every_process(cli: Run, models: Models, shop: Path) -> None:
    cli("protocols", "add", str(shop))
    with models():
        assert kinds.get("myshop").CURRENCY is None
    shop.write_text(f'currency = "IDR"\n{FILE}')
    assert "myshop is replaced" in cli("protocols", "add", str(shop)).out
    with models():
        deadline = time.monotonic() + 5 * kinds.STORED_SECONDS
        while kinds.get("myshop").CURRENCY != "IDR":
            assert time.monotonic() < deadline, "the process goes on with the former file"
            time.sleep(kinds.STORED_SECONDS / 10)


@pytest.mark.parametrize(
    "change",
    [
        ('traces = "reference"', 'traces = "nothing"'),
        ("[send]", '[reference]\nmake = "GW-{referans}"\n[send]'),
        ('[check]\npath = "/orders/{reference}"', '[steps.a]\npath = "/a"'),
    ],
    ids=["traces", "reference", "asking buys"],
)
@pytest.mark.parametrize("status", ["pending", "sent"])
def test_what_orders_under_way_are_known_by_is_not_replaced(
    cli: Run, models: Models, shop: Path, change: tuple[str, str], status: str
) -> None:
    """Asked for under another number the provider does not know them, and they would be sent once more."""
    cli("protocols", "add", str(shop))
    with models():
        provider.save(provider.Provider(factories.SANDBOX, "myshop", "https://shop.example", "none", {}))
        route.add("*", "*", factories.SANDBOX, {"item": "60"})
        order = factories.place()
    changed = FILE.replace(*change)
    if "steps" in changed:
        changed = changed.replace('traces = "reference"', 'traces = "reference"\nask_buys = true')
    assert changed != FILE
    sample = {
        **SENT,
        "request": {**SENT["request"], "body": SENT["request"]["body"].replace("482", "GW-482")},
    }
    samples = shop.with_name("changed.json")
    samples.write_text(json.dumps([sample if "GW-" in changed else SENT]))
    shop.write_text(changed)

    with models():
        factories.put(order, externalStatus=status)
    refused = cli("protocols", "add", str(shop), "--samples", str(samples))
    assert refused.code == 1 and "1 order under way would be asked for by another number" in refused.err
    with models():
        stored = protocols.file("myshop")
        assert stored and stored.strip() == FILE.strip()
    # What asks in the same way takes its place.
    shop.write_text(f'currency = "IDR"\n{FILE}')
    assert cli("protocols", "add", str(shop)).code == 0

    with models():
        factories.put(order, externalStatus="completed")
    shop.write_text(changed)
    assert cli("protocols", "add", str(shop), "--samples", str(samples)).code == 0


def test_one_that_a_later_version_ships_does_not_take_its_place(
    cli: Run, models: Models, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its providers speak the one that was added until a person removes it, and the list and the doctor say so."""
    cli("protocols", "add", str(shop))
    later = tmp_path / "later"
    later.mkdir()
    (later / "myshop.toml").write_text(FILE.replace("A shop", "Theirs").replace('"reference"', '"nothing"'))
    monkeypatch.setattr(kinds, "SHIPPED", later)
    kinds.forget()
    kinds._read_replaced.cache_clear()
    try:
        with models():
            provider.save(provider.Provider(factories.SANDBOX, "myshop", "https://shop.example", "none", {}))
            route.add("*", "*", factories.SANDBOX, {"item": "60"})
            order = factories.place()
            factories.put(order, externalStatus="sent")
            assert title_of("myshop") == "A shop"
            [finding] = provider_probes.protocols()
            assert finding.name == "protocol myshop" and "protocols remove myshop" in str(finding.next)
        listed = cli("protocols", "list")
        assert "gateway protocols remove myshop" in listed.err and "A shop" in listed.out
        for command in (("show", "myshop", "--file"), ("try", "myshop")):
            database.database.obj = None  # as in a process of the command's own
            kinds._read_replaced.cache_clear()
            said = cli("protocols", *command)
            assert said.code == 0 and (command[0] == "try" or said.out.strip() == FILE.strip())
        assert cli("protocols", "add", str(shop)).code == 0, "it can be mended"

        assert "1 order under way would be asked for" in cli("protocols", "remove", "myshop").err
        with models():
            factories.put(order, externalStatus="completed")
        assert "that comes with the gateway is used" in cli("protocols", "remove", "myshop").out
        kinds.forget()  # instead of 2 seconds
        with models():
            assert title_of("myshop") == "Theirs"
    finally:
        kinds._read_replaced.cache_clear()
        with models():
            database.rows("DELETE FROM referans.protocols")
            assert kinds.replaced() == frozenset()


def title_of(name: str) -> str:
    found = kinds.get(name)
    assert isinstance(found, Described)
    return found.file.title


def test_one_that_is_not_spoken_is_removed(cli: Run, models: Models, shop: Path) -> None:
    assert "was not added" in cli("protocols", "remove", "zdk").err
    cli("protocols", "add", str(shop))
    with models():
        provider.save(provider.Provider("shop", "myshop", "https://shop.example", "none", {}))
    assert "is what shop speaks" in cli("protocols", "remove", "myshop").err
    with models():
        database.rows("DELETE FROM referans.providers")
    assert cli("protocols", "remove", "myshop").code == 0
    with models():
        assert protocols.names() == []


def test_a_stored_file_that_is_broken_breaks_no_other(cli: Run, models: Models, shop: Path) -> None:
    cli("protocols", "add", str(shop))
    with models():
        protocols.add("broken", "title = 1", "[]")
        account = provider.Provider("p", "broken", "https://b.example", "none", {})

        assert kinds.find("broken") is None and kinds.find("myshop") and kinds.find("zdk")
        with pytest.raises(ProviderError, match=r"broken\.toml:1: title"):
            providers.balance(account, outbound.Client())
    listed = cli("protocols", "list")
    assert listed.code == 0 and "the file of the protocol broken cannot be used" in listed.out


def test_while_the_database_is_away_what_is_known_stays_in_use(
    cli: Run, models: Models, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "STORED_SECONDS", 0.0)
    cli("protocols", "add", str(shop))
    with models():
        known = kinds.get("myshop")
        database.rows("ALTER TABLE referans.protocols RENAME TO protocols_away")
        try:
            with pytest.raises(Exception, match="does not exist"):
                kinds.get("myshop")
        finally:
            database.rows("ALTER TABLE referans.protocols_away RENAME TO protocols")
        assert kinds.get("myshop") is known


def test_a_protocol_shows_what_it_needs_and_can_do(cli: Run) -> None:
    shown = cli("protocols", "show", "likecard")
    assert shown.code == 0
    assert "deviceId" in shown.out and "traces reference" in shown.out
    details = json.loads(cli("protocols", "show", "digiflazz", "--json").out)
    assert details["traits"]["ask_buys"] is True and details["currency"] == "IDR"
    assert "protocol nope not found" in cli("protocols", "show", "nope").problem
    assert "has no file" in cli("protocols", "show", "znet", "--file").problem


def test_its_provider_can_be_called_and_routes_say_what_they_lack(
    cli: Run, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protocol is looked for whenever it is needed, and not only while a command has the database open."""
    monkeypatch.setattr(kinds, "STORED_SECONDS", 0.0)
    cli("protocols", "add", str(shop))
    options = ("--adapter", "myshop", "--base-url", "http://127.0.0.1:1", "--callback", "none")
    assert cli("providers", "add", "shop", *options, stdin='{"api_key": "k-1"}').code == 0

    assert "no question about the balance" in cli("providers", "test", "shop").problem
    assert "no catalogue" in cli("routes", "import", "shop").problem
    lacking = cli("routes", "add", "*", "*", "shop", "--param", "itm=60")
    assert lacking.code == 0
    assert "refuses each order of this route until it has item" in lacking.err
    assert "has no use for --param itm" in lacking.err
    assert cli("routes", "add", "*", "*", "shop", "--param", "item=60").err == ""


def test_a_protocol_that_nobody_knows_is_refused(cli: Run) -> None:
    refused = cli("providers", "add", "shop", "--adapter", "nope", "--base-url", "https://s.example")
    assert refused.code == 2 and "'nope' is not known" in refused.err and "zdk" in refused.err
