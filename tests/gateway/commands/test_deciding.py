"""What a person decides about orders on the command line: in whose name, why, and what comes of it."""

import getpass
import json
from typing import Any

import pytest
import redis
from cryptography.fernet import Fernet

from gateway.broker import QUEUES, queue_lengths
from models import order, provider, route, timeline
from models.codes import Code
from models.outcome import Outcome
from models.provider import Provider
from models.status import Attention, ExternalStatus, Source

from .conftest import Finished, Run
from .desk import Desk
from .terminal import at_a_terminal

WHY = ("--reason", "the panel says so", "--as", "ayşe")
Kind = dict[str, Any]


def conflict(desk: Desk, pin: str = "KLMN-2222") -> Kind:
    """Delivered, and then said to have failed."""
    found = desk.completed(pin)
    desk.settle(
        found, Outcome(ExternalStatus.FAILED, found["provider_referans"], message="iade"), Source.POLL
    )
    return found


def other_code(desk: Desk) -> Kind:
    """Delivered twice, with two codes."""
    found = desk.completed("KLMN-2222")
    code = Code("3333-4444", serial="SER-1", expires_at="2030-01-31")
    again = Outcome(ExternalStatus.COMPLETED, found["provider_referans"], codes=(code,))
    desk.settle(found, again, Source.POLL)
    return found


def state(desk: Desk, found: Kind) -> tuple[str, str | None]:
    with desk.models():
        now = order.find(found["id"])
    assert now
    return now.external_status, now.attention


def last(desk: Desk, found: Kind) -> timeline.Event:
    with desk.models():
        return timeline.events(found["id"])[-1]


def done(finished: Finished) -> list[tuple[str, str, str | None]]:
    assert finished.code == 0, finished
    orders = json.loads(finished.out)["orders"]
    return [(each["id"], each["externalStatus"], each["attention"]) for each in orders]


# --- reading the codes


def test_every_code_is_printed_with_its_origin_and_the_reading_recorded(cli: Run, desk: Desk) -> None:
    found = other_code(desk)

    plain, as_json = (
        cli("orders", "pin", found["id"], "--as", "ayşe"),
        cli("orders", "pin", found["id"], "--json"),
    )

    assert [line for line in plain.out.splitlines() if line.startswith("  ")] == [
        "  KLMN-2222",
        "  3333-4444  serial SER-1  expiresAt 2030-01-31",
    ]
    assert "delivered, 20" in plain.out and "kept as a conflict, 20" in plain.out
    codes = json.loads(as_json.out)["codes"]
    assert [(each["code"], each["serial"], each["origin"]) for each in codes] == [
        ("KLMN-2222", None, "delivered"),
        ("3333-4444", "SER-1", "kept as a conflict"),
    ]
    with desk.models():
        readings = [
            (e.source, e.by) for e in timeline.events(found["id"]) if "codes read" in (e.message or "")
        ]
    assert readings == [("operator", "ayşe"), ("operator", getpass.getuser())]


def test_where_there_is_no_code_nothing_is_recorded(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    assert "No code is known" in cli("orders", "pin", found["id"]).err
    assert "read" not in str(last(desk, found).message)


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("sealed:damaged", "restore this row from a backup"),
        (f"sealed:{Fernet(Fernet.generate_key()).encrypt(b'x').decode()}", "set ENCRYPTION_KEYS"),
    ],
    ids=["damaged", "under another key"],
)
def test_codes_that_do_not_open_are_one_line_with_the_right_cure(
    cli: Run, desk: Desk, value: str, cure: str
) -> None:
    found = desk.completed("1")
    desk.change(found, f"\"pinCode\" = '{value}'")
    problem = cli("orders", "pin", found["id"]).problem
    assert cure in problem and ("ENCRYPTION_KEYS" in problem) == ("ENCRYPTION_KEYS" in cure)


# --- deciding


def test_an_accepted_conflict_is_what_it_says_in_the_persons_name(cli: Run, desk: Desk) -> None:
    found = conflict(desk)

    accepted = cli("orders", "accept", found["id"], *WHY)

    assert accepted.out == f"order {found['id']} was completed and is reversed now; nothing is left to do\n"
    assert state(desk, found) == ("reversed", None)
    told = last(desk, found)
    assert (told.source, told.by) == ("operator", "ayşe")
    assert "the panel says so" in str(told.message)


def test_an_accepted_code_comes_first(cli: Run, desk: Desk) -> None:
    found = other_code(desk)
    cli("orders", "accept", found["id"], *WHY)
    codes = json.loads(cli("orders", "pin", found["id"], "--json").out)["codes"]
    assert [each["code"] for each in codes if each["origin"] == "delivered"] == ["3333-4444", "KLMN-2222"]


def test_a_dismissed_conflict_leaves_the_order_and_stays_readable(cli: Run, desk: Desk) -> None:
    found = other_code(desk)
    assert "is completed; nothing is left to do" in cli("orders", "dismiss", found["id"], *WHY).out
    assert state(desk, found) == ("completed", None)
    assert "3333-4444" in cli("orders", "pin", found["id"]).out
    assert "is completed as before" in cli("orders", "dismiss", found["id"], *WHY).out


@pytest.mark.parametrize(("command", "status"), [("fail", "failed"), ("reverse", "reversed")])
def test_a_person_ends_an_order(cli: Run, desk: Desk, command: str, status: str) -> None:
    found = desk.sent()
    assert done(cli("orders", command, found["id"], *WHY, "--json")) == [(found["id"], status, None)]
    assert state(desk, found) == (status, None)


CODES = 'KLMN-2222\n\n{"code": "3333", "pin": "44", "serial": "S-1", "expiresAt": "2030-01-31"}\r\n'


def test_codes_are_piped_in_bare_or_as_json(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    completed = cli("orders", "complete", found["id"], *WHY, stdin=f"\ufeff{CODES}")
    assert "is completed now" in completed.out
    assert "KLMN" not in completed.out + completed.err
    shown = json.loads(cli("orders", "pin", found["id"], "--json").out)["codes"]
    assert [(each["code"], each["pin"], each["serial"], each["expiresAt"]) for each in shown] == [
        ("KLMN-2222", None, None, None),
        ("3333", "44", "S-1", "2030-01-31"),
    ]


def test_a_top_up_is_completed_without_a_code(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    cli("orders", "complete", found["id"], *WHY)
    assert state(desk, found) == ("completed", None)
    assert "No code is known" in cli("orders", "pin", found["id"]).err


@pytest.mark.parametrize(
    "line", ["{", '{"name": "1111-SECRET"}', "[1, 2]", "null", "----", "1111;SECRET", '{"code": 1.5}']
)
def test_what_is_no_code_completes_nothing_and_is_not_repeated(cli: Run, desk: Desk, line: str) -> None:
    found = desk.sent()
    refused = cli("orders", "complete", found["id"], *WHY, stdin=f"KLMN-2222\n{line}\n")
    assert "line 2 of the codes" in refused.problem and "SECRET" not in refused.err
    assert state(desk, found) == ("sent", None)


def test_piped_codes_are_for_one_order(cli: Run, desk: Desk) -> None:
    one, other = desk.sent(), desk.sent()
    assert "for one order" in cli("orders", "complete", one["id"], other["id"], *WHY, stdin="1111").problem
    assert "for one order" in cli("orders", "complete", "--all-stuck", "manual", *WHY, stdin="1111").problem
    assert state(desk, one) == state(desk, other) == ("sent", None)


def test_at_a_terminal_codes_are_asked_for_and_not_echoed(cli: Run, desk: Desk) -> None:
    one, other = desk.sent(), desk.sent()
    screen = at_a_terminal(
        ["orders", "complete", one["id"], other["id"], *WHY], ["KLMN-2222", "null", "3333-4444", "", ""]
    )
    assert "KLMN-2222" not in screen and "2 done, 0 failed" in screen
    assert state(desk, one) == state(desk, other) == ("completed", None)
    shown = json.loads(cli("orders", "pin", one["id"], "--json").out)["codes"]
    assert [each["code"] for each in shown] == ["KLMN-2222", "3333-4444"]


# --- sending again


def failed(desk: Desk) -> Kind:
    """Refused by its provider."""
    found = desk.sent()
    desk.settle(found, Outcome(ExternalStatus.FAILED, found["provider_referans"]), Source.POLL)
    return found


@pytest.fixture
def second(desk: Desk) -> str:
    """Another provider on the route."""
    with desk.models():
        provider.save(Provider("second", "znet", "https://c.example", "token", {"kod": "1", "sifre": "2"}))
        route.add("*", "*", "second", {})
    return "second"


def test_a_failed_order_is_sent_again_and_a_worker_told(
    cli: Run, desk: Desk, second: str, queue: redis.Redis
) -> None:
    found = failed(desk)
    resent = cli("orders", "resend", found["id"], "--provider", second, *WHY)
    assert "was failed and is not_sent now; a worker sends it now to second" in resent.out
    assert queue_lengths(queue)[QUEUES["dispatch_order"]] == 1
    assert state(desk, found) == ("not_sent", None)


def test_where_the_queue_is_away_the_sweep_sends_it(cli: Run, desk: Desk) -> None:
    found = failed(desk)
    assert "the next sweep sends it to bayi" in cli("orders", "resend", found["id"], *WHY).out


def test_what_a_provider_may_have_is_sent_again_only_where_that_is_allowed(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    assert "--may-buy-twice" in cli("orders", "resend", found["id"], *WHY).problem
    assert state(desk, found) == ("sent", None)
    cli("orders", "resend", found["id"], "--may-buy-twice", *WHY)
    assert state(desk, found) == ("not_sent", None)


def test_an_order_without_a_route_there_is_not_sent(cli: Run, desk: Desk) -> None:
    found = failed(desk)
    assert "no route leads" in cli("orders", "resend", found["id"], "--provider", "nobody", *WHY).problem


# --- in whose name, and why


@pytest.mark.parametrize("command", ["accept", "dismiss", "complete", "fail", "reverse", "resend"])
@pytest.mark.parametrize("reason", [(), ("--reason", ""), ("--reason", " "), ("--reason", "…")])
def test_a_decision_wants_a_reason(cli: Run, desk: Desk, command: str, reason: tuple[str, ...]) -> None:
    found = conflict(desk)
    refused = cli("orders", command, found["id"], *reason)
    assert refused.code == 2 and "--reason" in refused.err
    assert state(desk, found) == ("completed", "conflict")


def test_without_a_name_it_is_the_login_name(cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "samar")
    found = conflict(desk)
    cli("orders", "dismiss", found["id"], "--reason", "seen", "--as", " ")
    assert last(desk, found).by == "samar"


# --- several at once


def test_one_that_fails_does_not_stop_the_others(cli: Run, desk: Desk) -> None:
    one, other, third = conflict(desk), desk.sent(), conflict(desk)

    finished = cli("orders", "accept", one["id"], other["id"], "nobody", third["id"], *WHY)

    assert finished.code == 1
    assert "has no outcome that is kept as a conflict" in finished.err and "nobody not found" in finished.err
    assert finished.out.splitlines()[-1] == "2 done, 2 failed"
    assert [state(desk, each)[0] for each in (one, other, third)] == ["reversed", "sent", "reversed"]
    as_json = json.loads(cli("orders", "accept", one["id"], other["id"], "nobody", *WHY, "--json").out)
    assert [(each["id"], each["changed"]) for each in as_json["orders"]] == [(one["id"], False)]
    assert [each["id"] for each in as_json["failed"]] == [other["id"], "nobody"]


def test_all_of_a_kind_are_decided_after_their_number_was_said(cli: Run, desk: Desk) -> None:
    made = [conflict(desk), conflict(desk)]
    doubted = desk.claimed()
    desk.change(doubted, "\"claimedAt\" = now() - interval '6 minutes'")

    finished = cli("orders", "dismiss", "--all-stuck", "conflict", *WHY)

    assert "2 orders need a person for this reason: conflict" in finished.err
    assert finished.out.splitlines()[-1] == "2 done, 0 failed"
    assert [state(desk, each) for each in made] == [("completed", None)] * 2
    assert "0 done, 0 failed" in cli("orders", "dismiss", "--all-stuck", "conflict", *WHY).out
    assert done(cli("orders", "fail", "--all-stuck", "in_doubt", *WHY, "--json")) == [
        (doubted["id"], "failed", None)
    ]


def test_at_a_terminal_all_of_a_kind_are_decided_only_when_confirmed(cli: Run, desk: Desk) -> None:
    found = conflict(desk)
    words = ["orders", "dismiss", "--all-stuck", "conflict", *WHY]

    assert "1 order needs a person" in at_a_terminal(words, ["n"])
    assert state(desk, found) == ("completed", "conflict")
    assert "1 order needs a person" in at_a_terminal(words, ["y"])
    assert state(desk, found) == ("completed", None)


def test_several_are_checked_at_once(cli: Run, desk: Desk) -> None:
    one, other, unsent = desk.sent(), desk.sent(), desk.placed()
    finished = cli("orders", "check", one["id"], other["id"], unsent["id"])
    assert (finished.code, finished.out.splitlines()[-1]) == (1, "2 done, 1 failed")
    assert desk.next_check_is_due(one) and desk.next_check_is_due(other)


@pytest.mark.parametrize("words", [(), ("--all-stuck", "conflict")])
def test_ids_or_a_kind_are_wanted_but_not_both(cli: Run, desk: Desk, words: tuple[str, ...]) -> None:
    given = ("1",) if words else ()
    refused = cli("orders", "dismiss", *given, *words, *WHY)
    assert refused.code == 2 and "--all-stuck, but not both" in refused.err


def test_a_name_of_several_orders_decides_none(cli: Run, desk: Desk) -> None:
    one, other = conflict(desk), conflict(desk)
    refused = cli("orders", "accept", "ali", *WHY)
    assert f"ali names several orders: {other['id']}, {one['id']}" in refused.problem
    assert state(desk, one) == state(desk, other) == ("completed", "conflict")
    assert cli("orders", "accept", str(one["order_no"]), *WHY).code == 0


@pytest.mark.parametrize("kind", Attention)
def test_every_kind_can_be_chosen(cli: Run, desk: Desk, kind: Attention) -> None:
    assert "0 orders need a person" in cli("orders", "check", "--all-stuck", kind).err
