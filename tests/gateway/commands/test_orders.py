"""Orders looked at and checked on the command line."""

import json
import re
from contextlib import closing
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
import redis

from gateway.broker import QUEUES, queue_lengths
from models import provider_health, timeline
from models.codes import Code
from models.db import database
from models.outcome import Outcome
from models.placing import Money
from models.status import ExternalStatus, Source
from tests import factories

from .conftest import Run
from .desk import Desk
from .terminal import at_a_terminal


def plain(screen: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", screen)


def stuck(cli: Run) -> list[tuple[str, str]]:
    listed = json.loads(cli("orders", "list", "--stuck", "--json").out)
    return [(each["id"], each["why"]) for each in listed]


def test_an_order_is_shown_with_its_timeline_and_without_its_pin(cli: Run, desk: Desk) -> None:
    found = desk.completed("1111-2222")

    by_id = json.loads(cli("orders", "show", found["id"], "--json").out)
    by_referans = cli("orders", "show", found["provider_referans"])

    assert (by_id["externalStatus"], by_id["hasPin"], by_id["codeCount"]) == ("completed", True, 1)
    assert by_id["providerReferans"] == found["provider_referans"]
    assert [event["to"] for event in by_id["events"]] == ["not_sent", "pending", "sent", "completed"]
    assert "sent → completed" in by_referans.out
    assert "1111-2222" not in str(by_id) + by_referans.out


def test_an_order_shows_how_it_ended_and_how_many_codes_it_has(cli: Run, desk: Desk) -> None:
    delivered = (Code("1111-2222", pin="PQ-4321", serial="SER-1"), Code("3333-4444"))
    found = desk.sent()
    referans = found["provider_referans"]
    desk.change(found, "quantity = 2")
    ended = Outcome(ExternalStatus.COMPLETED, referans, codes=delivered, receipt="Ali V., 5123456789")
    desk.settle(found, ended, Source.POLL)
    desk.settle(found, Outcome(ExternalStatus.REVERSED, referans, message="iade"), Source.POLL)

    as_json = json.loads(cli("orders", "show", found["id"], "--json").out)
    plain = cli("orders", "show", found["id"]).out
    listed = cli("orders", "list").out

    names = ("externalStatus", "codeCount", "receipt", "attention")
    assert [as_json[name] for name in names] == ["reversed", 2, "Ali V., 5123456789", "reversed"]
    assert as_json["reversedAt"] and "codes" not in as_json
    for name, value in (("codeCount", "2"), ("receipt", "Ali V., 5123456789"), ("attention", "reversed")):
        assert re.search(rf"^{name} +{value}$", plain, re.MULTILINE)
    assert re.search(rf"^{found['id']} +bayi +reversed +reversed +ali ", listed, re.MULTILINE)
    for secret in ("1111-2222", "PQ-4321", "SER-1", "3333-4444", "digest", "sealed"):
        assert secret not in str(as_json) + plain + listed


def test_an_order_shows_why_it_failed(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    desk.settle(found, Outcome(ExternalStatus.FAILED, found["provider_referans"]), Source.POLL)
    assert re.search(r"^failureReason +provider$", cli("orders", "show", found["id"]).out, re.MULTILINE)


def test_an_order_of_a_version_that_knew_one_code_has_one(cli: Run, desk: Desk) -> None:
    found = desk.completed("1111-2222")
    desk.change(found, "codes = NULL")
    assert json.loads(cli("orders", "show", found["id"], "--json").out)["codeCount"] == 1


#: A title, a cleared screen, a forged line, and text that reads backwards.
HOSTILE = "ali\x1b]0;owned\x07\x1b[2J\r\nadmin\x9b31m\u202eeman\u2028\x85"


def test_what_others_wrote_does_not_reach_the_terminal(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    hostile = [HOSTILE] * 3
    with desk.models():
        database.rows(
            'UPDATE product_orders SET "userIdentifier" = %s, "extraField" = %s, "externalOrderId" = %s',
            hostile,
        )
        database.rows("UPDATE referans.order_events SET message = %s", hostile[:1])

    shown = cli("orders", "show", found["id"])
    as_json = cli("orders", "show", found["id"], "--json")

    assert shown.code == as_json.code == 0
    assert (
        len(re.findall(r"^(?:userIdentifier|extraField|externalOrderId) +ali admineman $", shown.out, re.M))
        == 3
    )
    for out in (shown.out, as_json.out):
        assert not set(out) & set("\x07\x1b\r\x85\x9b\u2028\u202e")
    assert json.loads(as_json.out)["userIdentifier"] == HOSTILE


def test_what_the_storefront_gave_is_shown(cli: Run, desk: Desk) -> None:
    with desk.models():
        price = Money(Decimal("9.90"), "USD")
        given = {"fields": {"zone": "7", "server": "EU"}, "metadata": {"cart_id": "1"}, "price": price}
        found = factories.place(reference="CART-1", **given)
    shown = cli("orders", "show", "CART-1").out
    for name, value in {"reference": "CART-1", "price": "9.90 USD", "metadata": "cart_id=1"}.items():
        assert re.search(rf"^{name} +{value}$", shown, re.MULTILINE)
    assert re.search(r"^fields +(?:zone=7 server=EU|server=EU zone=7)$", shown, re.MULTILINE)
    as_json = json.loads(cli("orders", "show", found["id"], "--json").out)
    assert (as_json["fields"], as_json["metadata"]) == (given["fields"], given["metadata"])
    assert (as_json["price"], as_json["maxCost"]) == ("9.90 USD", None)


def test_events_that_say_the_same_are_not_all_shown(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    with desk.models():
        for number in range(1, 31):
            timeline.record(found["id"], Source.POLL, f"checked ({number}), nothing learned: no answer")
        timeline.record(found["id"], Source.POLL, "checked (31), nothing learned: HTTP 500")
    shown = cli("orders", "show", found["id"]).out
    assert re.findall(r"checked \((\d+)\)", shown) == ["1", "30", "31"]
    assert "… 28 more of these …" in shown
    assert len(json.loads(cli("orders", "show", found["id"], "--json").out)["events"]) == 34


@pytest.mark.parametrize("unknown", [factories.NO_ORDER, "123456789012345678", "nonsense"])
def test_an_order_that_is_not_there_is_one_line(cli: Run, unknown: str) -> None:
    assert f"order {unknown} not found" in cli("orders", "show", unknown).problem


def test_orders_are_listed_newest_first_by_status(cli: Run, desk: Desk) -> None:
    first, second, third = desk.placed(), desk.sent(), desk.placed()

    listed = json.loads(cli("orders", "list", "--json").out)
    waiting = json.loads(cli("orders", "list", "--status", "not_sent", "--json").out)
    newest = json.loads(cli("orders", "list", "--limit", "1", "--json").out)

    assert [each["id"] for each in listed] == [third["id"], second["id"], first["id"]]
    assert [each["id"] for each in waiting] == [third["id"], first["id"]]
    assert [each["id"] for each in newest] == [third["id"]]
    assert all("pinCode" not in each for each in listed)


def test_orders_are_listed_by_what_the_caller_says(cli: Run, desk: Desk) -> None:
    old, found, other = desk.sent(), desk.sent(), desk.placed()
    desk.change(old, "\"createdAt\" = now() - interval '2 days'")
    desk.change(found, "\"orderUuid\" = 'CART-1', \"userIdentifier\" = 'veli'")
    desk.change(other, "\"providerId\" = 'second', \"productId\" = 'pubg'")

    def listed(*words: str) -> list[str]:
        return [each["id"] for each in json.loads(cli("orders", "list", *words, "--json").out)]

    assert listed("--user", "veli") == listed("--reference", "CART-1") == [found["id"]]
    assert listed("--provider", "second") == listed("--product", "pubg") == [other["id"]]
    assert listed("--since", "1d") == [other["id"], found["id"]]
    assert listed("--until", "1d") == [old["id"]]
    assert listed("--status", "sent", "--since", "1d", "--user", "veli") == [found["id"]]
    assert listed("--user", "veli", "--product", "pubg") == []
    wrong = cli("orders", "list", "--until", "soon")
    assert wrong.code == 2 and "--until" in wrong.err


@pytest.mark.parametrize(
    ("table", "command"), [("product_orders", "orders"), ("referans.callback_events", "callbacks")]
)
def test_a_list_that_takes_too_long_is_one_line(
    cli: Run, database_url: str, monkeypatch: pytest.MonkeyPatch, table: str, command: str
) -> None:
    monkeypatch.setattr(database, "LIST_TIMEOUT_MS", 100)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table}")
        problem = cli(command, "list").problem
    assert problem == "the list took longer than 0.1 s; narrow it, for example with --since"


def test_the_newest_that_is_meant_is_shown_and_the_others_are_listed(cli: Run, desk: Desk) -> None:
    first, second, third = desk.sent(), desk.placed(), desk.sent()
    desk.change(second, "\"userIdentifier\" = 'veli'")

    as_json, plain = json.loads(cli("orders", "show", "ali", "--json").out), cli("orders", "show", "ali").out

    assert (as_json["id"], [each["id"] for each in as_json["others"]]) == (third["id"], [first["id"]])
    assert re.search(rf"^id +{third['id']}$", plain, re.MULTILINE)
    shown, _, others = plain.partition("Other orders that ali names (1):")
    assert first["id"] in others and first["id"] not in shown and second["id"] not in plain
    by_number = json.loads(cli("orders", "show", str(first["order_no"]), "--json").out)
    assert (by_number["id"], by_number["others"]) == (first["id"], [])


def test_an_order_that_needs_a_person_shows_why_and_what_to_do(cli: Run, desk: Desk) -> None:
    found = desk.completed("1111-2222")
    ended = Outcome(ExternalStatus.FAILED, found["provider_referans"], message="iade edildi")
    desk.settle(found, ended, Source.POLL)

    shown, listed = cli("orders", "show", "ali").out, cli("orders", "list", "--stuck")

    for out in (shown, listed.out):
        assert "its outcomes contradict each other: first completed, then failed, iade edildi" in out
        assert f": gateway orders accept {found['id']} --reason …" in out
        assert "1111-2222" not in out
    assert re.search(rf"^conflict +{found['id']} +completed +bayi +since 20", listed.out, re.MULTILINE)
    assert "1 need a person: 1 conflict" in listed.err
    [as_json] = json.loads(cli("orders", "list", "--attention", "conflict", "--json").out)
    assert as_json["attention"] == "conflict" and as_json["why"].startswith("its outcomes contradict")
    assert as_json["next"][2] == f"gateway orders accept {found['id']} --reason …"
    assert json.loads(cli("orders", "show", found["id"], "--json").out)["next"] == as_json["next"]
    assert json.loads(cli("orders", "list", "--stuck", "--provider", "second", "--json").out) == []
    assert json.loads(cli("orders", "list", "--attention", "in_doubt", "--json").out) == []


def test_advice_that_is_the_same_but_for_the_id_is_printed_once(cli: Run, desk: Desk) -> None:
    waiting, asked = [desk.placed() for _ in range(3)], [desk.sent() for _ in range(2)]
    desk.break_provider()

    listed = cli("orders", "list", "--stuck").out

    assert listed.count("  waits for bayi, which is down") == 2
    assert listed.count("  the same as above, with this id\n") == 3
    assert all(f"provider_down  {each['id']}" in listed for each in (*waiting, *asked))
    as_json = json.loads(cli("orders", "list", "--stuck", "--json").out)
    assert all(each["next"] for each in as_json)


def test_only_what_was_not_sent_is_to_be_given_to_another_provider(cli: Run, desk: Desk) -> None:
    waiting, asked = desk.placed(), desk.sent()
    desk.break_provider()

    def advised(found: dict[str, Any]) -> bool:
        shown = json.loads(cli("orders", "show", found["id"], "--json").out)
        assert shown["attention"] == "provider_down"
        return any("resend" in command for command in shown["next"])

    assert (advised(waiting), advised(asked)) == (True, False)


def test_what_needs_nobody_has_no_next_step(cli: Run, desk: Desk) -> None:
    shown = json.loads(cli("orders", "show", desk.sent()["id"], "--json").out)
    assert (shown["why"], shown["next"], shown["attention"]) == (None, [], None)


@pytest.mark.parametrize("words", [("--user", "ali"), ("--status", "sent"), ("--since", "1d")])
def test_stuck_orders_are_not_filtered_otherwise(cli: Run, words: tuple[str, ...]) -> None:
    refused = cli("orders", "list", "--stuck", *words)
    assert refused.code == 2 and "no other filter" in refused.err


def test_times_are_shown_with_their_zone(cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEZONE", "Asia/Kathmandu")
    found = desk.sent()
    time = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(.{6})")

    assert re.search(r" \d\d-\d\d \d\d:\d\d \+0545$", cli("orders", "list").out, re.MULTILINE)
    assert set(time.findall(cli("orders", "show", found["id"]).out)) == {" +0545"}
    as_json = json.loads(cli("orders", "show", found["id"], "--json").out)
    assert as_json["createdAt"].endswith("Z")


def test_an_id_in_a_list_is_whole_at_a_terminal(
    cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    found = desk.completed("1111-2222")
    desk.change(found, "\"userIdentifier\" = '5123456789'")
    listed = at_a_terminal(["orders", "list"], [])
    assert found["id"] in listed and "5123456789" in listed
    assert all(len(line) <= 100 for line in plain(listed).splitlines())


def test_a_command_is_whole_at_a_terminal(cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    found = desk.completed("1111-2222")
    ended = Outcome(ExternalStatus.FAILED, found["provider_referans"], message="iade edildi " * 20)
    desk.settle(found, ended, Source.POLL)
    for words in (["orders", "list", "--stuck"], ["orders", "show", found["id"]]):
        lines = plain(at_a_terminal(words, [])).splitlines()
        assert any(line.endswith(f"gateway orders accept {found['id']} --reason …") for line in lines)
        assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize(
    ("state", "why", "command"),
    [
        ("completed", "bayi delivered it, with 1 code", "gateway orders pin {id}"),
        ("failed", "it failed: bayi refused or cancelled it", "gateway orders resend {id} --reason …"),
        ("timeout", "it failed: there was no outcome in time", "gateway orders resend {id} --may-buy-twice"),
        ("account", "it failed: bayi refused our account", "gateway doctor"),
        ("sent", "it is on its way: bayi has not said yet how it ended", "gateway orders check {id}"),
        ("placed", "it is about to be sent to bayi", "gateway doctor"),
    ],
)
def test_an_order_that_needs_nobody_says_how_it_does_and_what_can_be_done(
    cli: Run, desk: Desk, state: str, why: str, command: str
) -> None:
    found = desk.placed() if state == "placed" else desk.sent()
    ended = ExternalStatus.COMPLETED if state == "completed" else ExternalStatus.FAILED
    if state not in ("placed", "sent"):
        codes = (Code("1111-2222"),) if state == "completed" else ()
        desk.settle(found, Outcome(ended, found["provider_referans"], codes=codes), Source.POLL)
    if state in ("timeout", "account"):
        desk.change(found, f"\"failureReason\" = '{state}'")
    shown = cli("orders", "show", found["id"]).out
    assert f"\n  {why}\n" in shown
    assert f": {command.format(id=found['id'])}" in shown


def test_what_is_advised_depends_on_what_is_wrong_with_the_provider(cli: Run, desk: Desk) -> None:
    unsent, sent = desk.placed(), desk.sent()

    def advised(order: dict[str, Any]) -> set[str]:
        document = json.loads(cli("orders", "show", order["id"], "--json").out)
        assert document["attention"] == "provider_down"
        return {" ".join(command.split()[1:3]) for command in document["next"]}

    desk.break_provider()
    down = {"providers test", "providers rotate"}
    assert (advised(unsent), advised(sent)) == (down | {"orders resend"}, down)
    with desk.models():
        provider_health.answered("bayi")
        provider_health.pause("bayi", "wrong prices", "mona")
    assert advised(unsent) == {"providers resume", "orders resend"}


#: An order of another system: what makes it one, and that nothing is planned for it.
THEIRS = '"placedByGateway" = false, "routeParams" = NULL, "nextCheckAt" = NULL, '


@pytest.mark.parametrize(
    ("columns", "why", "command"),
    [
        (
            "\"externalStatus\" = 'not_sent'",
            "sends it itself, and has not yet; its status there is pending",
            None,
        ),
        ("\"externalStatus\" = 'failed'", "it failed, as the system says that placed it", None),
        (
            "\"externalStatus\" = 'failed', \"failureReason\" = 'provider'",
            "it failed: bayi refused or cancelled it",
            None,
        ),
        (
            "\"externalStatus\" = 'sent', \"providerId\" = 'znet-b'",
            "to znet-b, which is not configured here, so nobody here asks about it",
            "gateway providers add znet-b --adapter",
        ),
        ('"externalStatus" = \'queued\', "providerId" = NULL', "names no provider", None),
        ("\"externalStatus\" = 'queued', provider_referans = NULL", "provider_referans is empty", None),
        (
            "\"externalStatus\" = 'processing'",
            "it is on its way: bayi has not said yet",
            "gateway orders check ",
        ),
    ],
)
def test_of_an_order_of_another_system_nothing_is_promised_that_is_not_done_here(
    cli: Run, desk: Desk, columns: str, why: str, command: str | None
) -> None:
    found = desk.placed()
    desk.change(found, THEIRS + columns)

    shown = cli("orders", "show", found["id"]).out

    assert why in shown and "about to be sent" not in shown and "orders resend" not in shown
    assert (command in shown) if command else ("  - " not in shown)


def test_an_order_followed_at_a_provider_that_is_gone_says_how_it_is_followed_again(
    cli: Run, desk: Desk
) -> None:
    found = desk.placed()
    desk.change(found, THEIRS + "\"externalStatus\" = 'sent', \"providerId\" = 'znet-b'")
    desk.change(found, '"nextCheckAt" = now(), "adoptedAt" = now()')

    [as_json] = json.loads(cli("orders", "list", "--attention", "no_provider", "--json").out)

    assert "another system has sent it to znet-b, which is not configured here" in as_json["why"]
    assert as_json["next"][0].startswith("gateway providers add znet-b ")
    assert "gateway doctor" not in as_json["next"]


def test_no_check_is_promised_where_the_provider_is_not_configured(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    desk.change(found, THEIRS + "\"externalStatus\" = 'sent', \"providerId\" = 'znet-b'")

    problem = cli("orders", "check", found["id"]).problem

    assert "its provider znet-b is not configured here" in problem


def test_an_order_on_its_way_is_not_stuck(cli: Run, desk: Desk) -> None:
    desk.placed(), desk.claimed(), desk.sent(), desk.completed("1")

    assert stuck(cli) == []
    assert "No order needs a person." in cli("orders", "list", "--stuck").err


def test_an_overdue_order_is_stuck(cli: Run, desk: Desk) -> None:
    waiting, asked = desk.placed(), desk.sent()
    desk.change(waiting, "\"nextCheckAt\" = now() - interval '10 minutes'")
    desk.change(asked, "\"nextCheckAt\" = now() - interval '7 minutes'")

    (first, why_first), (second, why_second) = stuck(cli)

    assert (first, second) == (waiting["id"], asked["id"])
    assert "its next step is overdue by 10 min" in why_first
    assert "its next step is overdue by 7 min" in why_second


def test_an_order_in_doubt_is_stuck_and_says_under_which_reference(cli: Run, desk: Desk) -> None:
    found = desk.claimed()
    desk.change(found, "\"claimedAt\" = now() - interval '6 minutes'")

    ((order_id, why),) = stuck(cli)

    assert order_id == found["id"]
    assert "in doubt for 6 min" in why and found["provider_referans"] in why


def test_an_order_out_of_checks_is_stuck(cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CHECKS", "3")
    found = desk.sent()
    desk.change(found, '"checkCount" = 3')
    assert [order_id for order_id, why in stuck(cli) if "after 3 checks" in why] == [found["id"]]


def test_an_order_whose_provider_is_down_is_stuck(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    desk.completed("1")
    desk.break_provider()

    ((order_id, why),) = stuck(cli)

    assert order_id == found["id"]
    assert "waits for bayi, which is down (no answer in time)" in why


def test_a_check_is_planned_for_now_noted_and_hinted_at(cli: Run, desk: Desk, queue: redis.Redis) -> None:
    found = desk.sent()

    asked = json.loads(cli("orders", "check", found["provider_referans"], "--json").out)

    assert asked == {"orders": [{"id": found["id"], "planned": True, "woken": True}], "failed": []}
    assert desk.next_check_is_due(found)
    assert queue_lengths(queue)[QUEUES["check_order_status"]] == 1
    shown = json.loads(cli("orders", "show", found["id"], "--json").out)
    assert shown["events"][-1]["source"] == "operator"

    again = cli("orders", "check", found["id"])
    assert (again.code, queue_lengths(queue)[QUEUES["check_order_status"]]) == (0, 1)
    assert "the same check" in again.out + again.err


@pytest.mark.parametrize("queue_url", ["", "redis://127.0.0.1:9/0"])
def test_a_check_is_planned_where_the_queue_is_away(
    cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch, queue_url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", queue_url)
    found = desk.sent()

    asked = cli("orders", "check", found["id"])

    assert "by the next sweep" in asked.out
    assert desk.next_check_is_due(found)


def test_an_order_that_was_never_sent_cannot_be_checked(cli: Run, desk: Desk) -> None:
    assert "was never sent" in cli("orders", "check", desk.placed()["id"]).problem


def test_an_order_that_a_person_fulfils_cannot_be_checked(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    with desk.models():
        factories.put(found, attention="manual")
    assert f"gateway orders complete {found['id']}" in cli("orders", "check", found["id"]).problem
