"""Own stock, loaded and listed on the command line."""

import json
import os

import pytest
from cryptography.fernet import Fernet

from gateway.commands import stock as command
from models import stock
from models.codes import Code
from models.db import database, sealed

from .conftest import Models, Run
from .terminal import typed


@pytest.fixture(autouse=True)
def own(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that sells from stock."""
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    assert cli("providers", "add", "own", "--adapter", "stock").code == 0


def taken(models: Models, many: int, name: str = "own") -> list[Code]:
    """What an order gets; the keys of the command line open it."""
    with models():
        sealed.bind([os.environ["ENCRYPTION_KEYS"]])
        found = stock.take(name, many, provider_id="own", referans="1")
        sealed.bind([])
    return list(found.codes) if found else []


def test_bare_codes_and_objects_are_loaded_in_their_order(cli: Run, models: Models) -> None:
    lines = [
        "  AAAA-1111  ",
        "",
        '{"code": "BBBB-2222", "pin": "77", "serial": "S-1", "expires_at": "2099-12-31"}',
        '{"pin": "CCCC, 3333"}\r',
    ]
    loaded = cli("stock", "load", "own", stdin="\ufeff" + "\n".join(lines))

    assert (loaded.code, loaded.out) == (0, "Loaded 3 codes into own; 3 available.\n")
    assert taken(models, 3) == [
        Code("AAAA-1111"),
        Code("BBBB-2222", "77", "S-1", "2099-12-31"),
        Code("CCCC, 3333"),
    ]


def test_known_codes_are_skipped_and_counted(cli: Run) -> None:
    cli("stock", "load", "own", stdin="A-1\nA-2\n")
    again = cli("stock", "load", "own", stdin="A-2\nA-3\nA-3\n")
    assert again.out == "Loaded 1 code into own, 2 were known already and skipped; 3 available.\n"
    assert json.loads(cli("stock", "load", "own", "--json", stdin="A-3\nA-4").out) == {
        "name": "own",
        "added": 1,
        "known": 1,
        "expired": 0,
        "available": 4,
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("N/A", "this is not a code"),
        ("------", "this is not a code"),
        ("A-2;S-2", "write it as a JSON object"),
        ("A-2\tS-2", "write it as a JSON object"),
        ('{"code": "A-2"', "this is not JSON"),
        ('"A-2"', "this is JSON, but not an object"),
        ('["A-2"]', "this is JSON, but not an object"),
        ('{"code": "A-2", "seriall": "S"}', "takes the fields code, pin, serial, expires_at only"),
        ("{}", "has no code that can be read"),
        ('{"code": ["A-2"]}', "has no code that can be read"),
        ('{"code": 1.5}', "has no code that can be read"),
        ('{"code": "A-2", "expires_at": "31.12.2027"}', "expires_at must be"),
        ('{"code": "A-2", "expires_at": 1893456000}', "expires_at must be"),
        ('{"code": "A-2", "expires_at": "9999-12-31"}', "expires_at must be"),
        ("A" * 4001, "this is not a code"),
    ],
)
def test_an_invalid_line_is_named_and_nothing_is_loaded(cli: Run, line: str, reason: str) -> None:
    problem = cli("stock", "load", "own", stdin=f"A-1\n\n{line}\n").problem
    assert problem.startswith("nothing was loaded: line 3: ") and reason in problem
    assert "A-2" not in problem and "AAAA" not in problem
    assert json.loads(cli("stock", "list", "--json").out)[0]["available"] == 0


def test_of_many_invalid_lines_the_first_are_named(cli: Run) -> None:
    problem = cli("stock", "load", "own", stdin="-\n" * 8).problem
    assert "line 5: " in problem and "line 6" not in problem and problem.endswith("; and 3 more lines")


def test_what_is_not_utf_8_is_named_by_its_line(cli: Run) -> None:
    loaded = cli("stock", "load", "own", stdin=b"A-1\nA-\xff\n")
    assert loaded.problem == "nothing was loaded: line 2 is not UTF-8 text"


def test_codes_are_sealed_and_never_printed(cli: Run, models: Models) -> None:
    shown = [
        cli("stock", "load", "own", stdin='{"code": "SECRET-1", "pin": "SECRET-2", "serial": "SECRET-3"}'),
        cli("stock", "list"),
        cli("stock", "list", "--json"),
    ]
    assert not any("SECRET" in each.out + each.err for each in shown)
    with models():
        [row] = database.rows("SELECT code FROM referans.stock_codes")
    assert row["code"].startswith("sealed:")


def test_without_keys_it_says_that_they_stand_in_clear(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCRYPTION_KEYS")
    assert "stored in plain text" in cli("stock", "load", "own", stdin="A-1").err


def test_a_stock_that_no_route_names_is_noticed(cli: Run) -> None:
    loaded = cli("stock", "load", "pubg-60", stdin="A-1")
    assert "No order takes from pubg-60 yet: gateway routes add" in loaded.err
    cli("routes", "add", "pubg", "60uc", "own", "--param", "stock=pubg-60")
    assert cli("stock", "load", "pubg-60", stdin="A-2").err == ""


def test_codes_that_have_expired_are_loaded_and_said_not_to_be_sold(cli: Run) -> None:
    lines = (
        '{"code": "A-1", "expires_at": "2020-01-01"}\n{"code": "A-2", "expiresAt": "2099-01-01T00:00:00Z"}'
    )
    loaded = cli("stock", "load", "own", stdin=lines)
    assert "1 available" in loaded.out
    assert loaded.err == "Already expired and not sold: 1 code of this load.\n"
    [listed] = json.loads(cli("stock", "list", "--json").out)
    assert (listed["available"], listed["expired"]) == (1, 1)


def test_a_date_is_valid_to_its_end_in_the_time_zone(
    cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMEZONE", "Asia/Damascus")
    cli("stock", "load", "own", stdin='{"code": "A-1", "expires_at": "2027-12-31"}')
    with models():
        [row] = database.rows("SELECT expires_at::text AS at FROM referans.stock_codes")
    assert row["at"] == "2027-12-31 21:00:00+00"


def test_the_list_shows_cost_threshold_and_age(cli: Run) -> None:
    cli("providers", "set", "own", "--low-stock", "3")
    cli("stock", "load", "own", "--cost", "0,85", "--currency", "usd", stdin="A-1\nA-2")
    listed = cli("stock", "list")
    assert "2 (low)" in listed.out and "1.70 USD" in listed.out
    [as_json] = json.loads(cli("stock", "list", "--json").out)
    assert as_json.pop("oldestAt").endswith("Z")
    assert as_json == {
        "name": "own",
        "providerIds": ["own"],
        "available": 2,
        "expired": 0,
        "lowStock": 3,
        "sold": 0,
        "taken": 0,
        "cost": {"USD": "1.70"},
        "isLow": True,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("own", "--cost", "1"), "given together"),
        (("own", "--currency", "USD"), "given together"),
        (("own", "--cost", "free", "--currency", "USD"), "an amount"),
        (("own", "--cost", "-1", "--currency", "USD"), "an amount"),
        (("own", "--cost", "1", "--currency", "$"), "3 to 10 letters"),
        (("a b",), "letters, digits"),
    ],
)
def test_options_are_checked(cli: Run, options: tuple[str, ...], said: str) -> None:
    refused = cli("stock", "load", *options, stdin="A-1")
    assert refused.code == 2 and said in " ".join(refused.err.split())


def test_a_second_load_at_the_same_time_says_so(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise stock.LoadUnderWay

    monkeypatch.setattr(stock, "load", busy)
    assert cli("stock", "load", "own", stdin="A-1").problem.startswith("another load is under way")


def test_a_long_load_shows_its_progress(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PROGRESS_EVERY", 1)
    monkeypatch.setattr(stock, "BATCH", 1)
    loaded = cli("stock", "load", "own", stdin="A-1\nA-2\nA-3")
    assert loaded.err.splitlines() == ["1 of 3 …", "2 of 3 …"]


def test_at_a_terminal_it_says_what_to_type() -> None:
    shown = typed(["stock", "load", "own"], "end with Ctrl-D.\r\n", ["A-1\n\x04"])
    assert "Loaded 1 code into own; 1 available." in shown
