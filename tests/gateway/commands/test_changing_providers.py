"""Providers, changed one thing at a time, rotated, paused and removed on the command line."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet

from gateway.dev.simulator import Simulator
from gateway.providers import ADAPTERS
from gateway.providers.znet import Znet
from models import inbox, provider, provider_health, removal, route
from models.db import database
from models.inbox import Invalid
from models.provider import CallbackFormat, Provider
from models.status import Attention
from tests import factories
from tests.waiting import wait_until

from .conftest import Finished, Models, Run
from .test_providers import at_a_terminal

#: A token of each kind of callback that is valid for it.
OLD, NEW = "an-old-token-of-the-panel", "a-new-token-of-the-panel"
#: Every field has a value of its own, so that what is lost shows.
FULL = Provider(
    "bayi",
    "znet",
    "https://bayi.example",
    "hmac",
    {"kod": "bayi-4711", "sifre": "geheim", "callback_secret": OLD},
    3,
    30,
    {"header": "X-Sign", "algorithm": "sha1", "encoding": "base64", "template": "{body}"},
    ("203.0.113.0/24",),
    CallbackFormat.NEUTRAL,
    Decimal("500.50"),
    20,
    "TRY",
    factories.TENANT,
)
#: Options of `set` with what each changes: one field, and its value then.
CHANGES: tuple[tuple[tuple[str, ...], str, Any], ...] = (
    (("--base-url", "https://other.example/"), "base_url", "https://other.example"),
    (
        ("--callback-header", "X-Other"),
        "callback_options",
        dict(FULL.callback_options) | {"header": "X-Other"},
    ),
    (
        ("--callback-algorithm", "sha256"),
        "callback_options",
        dict(FULL.callback_options) | {"algorithm": "sha256"},
    ),
    (("--callback-encoding", "hex"), "callback_options", dict(FULL.callback_options) | {"encoding": "hex"}),
    (
        ("--callback-template", "{header:X-T}{body}"),
        "callback_options",
        dict(FULL.callback_options) | {"template": "{header:X-T}{body}"},
    ),
    (("--callback-allow", "2001:DB8::/32"), "callback_allow", ("2001:db8::/32",)),
    (("--callback-allow", "none"), "callback_allow", ()),
    (("--callback-format", "protocol"), "callback_format", "protocol"),
    (("--max-concurrency", "9"), "max_concurrency", 9),
    (("--max-per-minute", "60"), "max_per_minute", 60),
    (("--max-per-minute", "none"), "max_per_minute", None),
    (("--low-balance", "0.25"), "low_balance", Decimal("0.25")),
    (("--low-balance", "none"), "low_balance", None),
    (("--low-stock", "7"), "low_stock", 7),
    (("--low-stock", "none"), "low_stock", None),
    (("--currency", "none"), "currency", None),
    (("--tenant", factories.OTHER_TENANT), "tenant_id", factories.OTHER_TENANT),
    (("--tenant", "none"), "tenant_id", None),
)
#: What `set` does not change: `add --replace` changes the adapter, `rotate` the credentials.
NOT_SET = {"id", "adapter", "credentials"}


def saved(models: Models, provider_id: str = "bayi") -> Provider:
    with models():
        found = provider.find(provider_id)
    assert found is not None
    return found


@pytest.fixture
def full(models: Models) -> Provider:
    """A provider of which nothing has its default."""
    with models():
        provider.save(FULL)
    return FULL


class WithoutService(Znet):
    """A protocol that calls nothing."""

    HAS_SERVICE = False
    CURRENCY = None
    CREDENTIALS = ()
    OPTIONAL_CREDENTIALS = ()
    PARAMS = ()
    OPTIONAL_PARAMS = ()
    FIELDS = ()


@pytest.fixture
def without_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of such a protocol."""
    monkeypatch.setitem(ADAPTERS, "by-hand", WithoutService)
    yield "by-hand"


def test_every_field_of_a_provider_can_be_set_or_rotated() -> None:
    changed = {field for _, field, _ in CHANGES} | {"callback"} | NOT_SET
    assert changed == {each.name for each in fields(Provider)}


def test_nothing_of_the_full_provider_has_its_default() -> None:
    bare = Provider("bayi", "znet", "https://bayi.example", "hmac", FULL.credentials)
    same = [each.name for each in fields(Provider) if getattr(FULL, each.name) == getattr(bare, each.name)]
    assert same == ["id", "adapter", "base_url", "callback", "credentials"]


@pytest.mark.parametrize(("options", "field", "value"), CHANGES)
def test_set_changes_one_thing_and_nothing_else(
    cli: Run, models: Models, full: Provider, options: tuple[str, ...], field: str, value: Any
) -> None:
    changed = cli("providers", "set", "bayi", *options)

    assert (changed.code, saved(models)) == (0, replace(full, **{field: value}))
    assert changed.out.startswith(f"{field.removesuffix('_id').replace('_', '-')}: ")
    assert not any(secret in changed.out + changed.err for secret in ("bayi-4711", "geheim", OLD))


def test_add_with_replace_keeps_what_is_not_given(cli: Run, models: Models, full: Provider) -> None:
    given = ("--adapter", "znet", "--base-url", "https://other.example", "--callback", "hmac")

    replaced = cli("providers", "add", "bayi", *given, "--replace", stdin='{"sifre": "another"}')

    assert replaced.code == 0, replaced
    credentials = {**full.credentials, "sifre": "another"}
    assert saved(models) == replace(full, base_url="https://other.example", credentials=credentials)


def test_setting_nothing_or_what_it_is_already_is_told(cli: Run, models: Models, full: Provider) -> None:
    assert cli("providers", "set", "bayi").code == 2
    assert "nothing was changed" in cli("providers", "set", "bayi", "--max-per-minute", "30").out
    assert "gateway providers list" in cli("providers", "set", "other", "--max-per-minute", "30").problem
    assert saved(models) == full


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--base-url", "http://169.254.169.254/latest"), "link-local"),
        (("--base-url", "http://2852039166"), "link-local"),
        (("--base-url", "http://0xa9.0xfe.43518"), "link-local"),
        (("--base-url", "http://[fe80::1]"), "link-local"),
        (("--base-url", "http://[::ffff:169.254.1.1]:8080"), "link-local"),
        (("--base-url", "https://kod@bayi.example"), "no user"),
        (("--base-url", "https://:sifre@bayi.example"), "no user"),
        (("--max-per-minute", "0"), "1 or more"),
        (("--max-per-minute", "many"), "1 or more"),
        (("--max-concurrency", "none"), "valid integer"),
        (("--low-balance", "1,50"), "12.50"),
        (("--low-balance", "-1"), "12.50"),
        (("--low-stock", "1.5"), "whole number"),
        (("--currency", "₺"), "code of a currency"),
        (("--currency", "USD"), "znet says itself that its amounts are in TRY"),
        (("--callback-allow", "none", "--callback-allow", "203.0.113.7"), "203.0.113.0/24"),
        (("--callback-algorithm", "md5"), "sha1, sha256, sha512"),
        (("--callback", "token", "--callback-header", "X"), "does not take --callback-header"),
    ],
)
def test_what_does_not_go_with_what_stays_is_refused(
    cli: Run, models: Models, full: Provider, options: tuple[str, ...], says: str
) -> None:
    refused = cli("providers", "set", "bayi", *options)
    assert refused.code == 2 and says in " ".join(refused.err.split()), refused
    assert saved(models) == full


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://bayi.example", True),
        ("http://10.0.0.7:8080", True),
        ("http://localhost:9000", False),
        ("http://127.1.2.3", False),
        ("http://2130706433", False),
        ("http://[::1]:9000", False),
        ("https://bayi.example", False),
    ],
)
def test_a_url_in_clear_is_warned_about_beyond_this_machine(
    cli: Run, full: Provider, url: str, warned: bool
) -> None:
    for changed in (
        cli("providers", "set", "bayi", "--base-url", url),
        cli(
            "providers",
            "add",
            "new",
            "--adapter",
            "znet",
            "--base-url",
            url,
            "--callback",
            "none",
            stdin=ACCOUNT,
        ),
    ):
        assert changed.code == 0 and ("is not encrypted" in changed.err) is warned


ACCOUNT = '{"kod": "bayi-4711", "sifre": "geheim"}'


def test_another_kind_of_callback_has_a_secret_of_its_own_printed_once(
    cli: Run, models: Models, full: Provider
) -> None:
    changed = cli("providers", "set", "bayi", "--callback", "token", "--json")

    made = json.loads(changed.out)["callbackSecret"]
    now = saved(models)
    assert now.credentials == {**full.credentials, "callback_secret": made} and made != OLD
    assert now == replace(full, callback="token", callback_options={}, credentials=now.credentials)
    assert made not in cli("providers", "list", "--json").out


def test_the_format_follows_the_kind_of_callback_unless_it_was_chosen(
    cli: Run, models: Models, full: Provider
) -> None:
    """FULL has chosen neutral with hmac, whose default is protocol."""
    cli("providers", "set", "bayi", "--callback", "standard-webhooks")
    assert saved(models).callback_format == "neutral"
    cli("providers", "set", "bayi", "--callback", "token")
    assert saved(models).callback_format == "protocol"
    cli("providers", "set", "bayi", "--callback", "standard-webhooks")
    assert saved(models).callback_format == "neutral"


def test_a_kind_that_needs_a_user_asks_for_it(cli: Run, models: Models, full: Provider) -> None:
    basic = ("providers", "set", "bayi", "--callback", "basic")

    assert "missing credential callback_user" in cli(*basic, stdin="{}").problem
    assert saved(models) == full
    assert cli(*basic, stdin='{"callback_user": "panel"}').code == 0
    now = saved(models)
    assert (now.callback, now.credentials["callback_user"], now.credentials["kod"]) == (
        "basic",
        "panel",
        "bayi-4711",
    )
    assert cli("providers", "set", "bayi", "--callback", "none").code == 0
    assert saved(models).credentials == {"kod": "bayi-4711", "sifre": "geheim"}


def test_a_secret_that_is_missing_is_made_with_the_kind_and_not_otherwise(cli: Run, models: Models) -> None:
    with models():
        provider.save(Provider("bayi", "znet", "https://bayi.example", "token", {"kod": "1", "sifre": "2"}))
    assert "secret" not in cli("providers", "set", "bayi", "--max-per-minute", "5").out
    assert "callback_secret" not in saved(models).credentials
    assert "Callback secret, shown only once" in cli("providers", "set", "bayi", "--callback", "token").out
    assert len(saved(models).secrets()) == 1


#: Sessions of this database that wait for a lock.
WAITING_FOR_A_LOCK = """
SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def test_changes_at_the_same_time_keep_each_other(full: Provider, models: Models, database_url: str) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slowly(now: Provider) -> Provider:
        inside.set()
        assert go_on.wait(30)
        return replace(now, max_per_minute=99)

    def change(make: Callable[[Provider], Provider]) -> threading.Thread:
        def run() -> None:
            with database.session():
                provider.change("bayi", make)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with factories.bound(database_url, pool_size=3):
        first = change(slowly)
        assert inside.wait(30)
        second = change(lambda now: replace(now, low_stock=99))
        wait_until(lambda: not second.is_alive() or bool(database.rows(WAITING_FOR_A_LOCK)[0]["n"]))
        go_on.set()
        first.join()
        second.join()
    assert saved(models) == replace(full, max_per_minute=99, low_stock=99)


def test_rotate_changes_the_credentials_that_are_given(cli: Run, models: Models, full: Provider) -> None:
    rotated = cli("providers", "rotate", "bayi", stdin='{"sifre": "another", "kod": " "}')

    assert rotated.code == 0 and "changed sifre" in rotated.out and "another" not in rotated.out + rotated.err
    assert saved(models) == replace(full, credentials={**full.credentials, "sifre": "another"})


def test_a_new_callback_secret_is_valid_beside_the_old_one_until_that_is_dropped(
    cli: Run, models: Models, full: Provider
) -> None:
    rotated = cli("providers", "rotate", "bayi", stdin=json.dumps({"callback_secret": NEW}))
    assert saved(models).secrets() == [NEW, OLD]
    assert "--drop-old" in rotated.out and NEW not in rotated.out

    made = json.loads(cli("providers", "rotate", "bayi", "--new-callback-secret", "--json").out)
    assert saved(models).secrets() == [made["callbackSecret"], NEW, OLD]
    assert (made["validCallbackSecrets"], made["changed"]) == (3, ["callback_secret"])

    assert cli("providers", "rotate", "bayi", "--drop-old").code == 0
    assert saved(models).secrets() == [made["callbackSecret"]]
    assert "nothing was changed" in cli("providers", "rotate", "bayi", "--drop-old").out


def test_a_leaked_callback_secret_ends_at_once(cli: Run, models: Models, full: Provider) -> None:
    assert (
        cli("providers", "rotate", "bayi", "--drop-old", stdin=json.dumps({"callback_secret": NEW})).code == 0
    )
    assert saved(models).secrets() == [NEW]
    made = json.loads(cli("providers", "rotate", "bayi", "--drop-old", "--new-callback-secret", "--json").out)
    assert saved(models) == replace(
        full, credentials={**full.credentials, "callback_secret": made["callbackSecret"]}
    )


def test_credentials_come_from_the_environment(
    cli: Run, models: Models, full: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIAL_SIFRE", "another")
    assert cli("providers", "rotate", "bayi").code == 0
    assert saved(models).credentials == {**full.credentials, "sifre": "another"}

    monkeypatch.setenv("CREDENTIAL_KOD", "4712")
    options = ("--adapter", "znet", "--base-url", "https://b.example", "--callback", "none")
    assert cli("providers", "add", "other", *options).code == 0
    assert saved(models, "other").credentials == {"kod": "4712", "sifre": "another"}

    monkeypatch.setenv("CREDENTIAL_PASSWORD", "a typo")
    assert "unknown credential password" in cli("providers", "rotate", "bayi").problem


@pytest.mark.parametrize(
    ("options", "stdin", "says"),
    [
        ((), "", "standard input is not JSON"),
        ((), "{}", "no credential was given, so nothing was changed"),
        ((), '{"sifre": "  "}', "no credential was given, so nothing was changed"),
        ((), '{"password": "x"}', "unknown credential password"),
        ((), '{"sifre": "a\\u0000b"}', "credential sifre contains an invalid character"),
        (("--new-callback-secret",), '{"callback_secret": "x"}', "not both"),
    ],
)
def test_credentials_that_cannot_be_taken_are_refused_in_one_line(
    cli: Run, models: Models, full: Provider, options: tuple[str, ...], stdin: str, says: str
) -> None:
    assert says in cli("providers", "rotate", "bayi", *options, stdin=stdin).problem
    assert saved(models) == full


def test_a_secret_that_does_not_fit_its_kind_is_refused(cli: Run, models: Models, full: Provider) -> None:
    with models():
        provider.save(replace(full, callback="token", callback_options={}))
    assert "at least 16" in cli("providers", "rotate", "bayi", stdin='{"callback_secret": "short"}').problem
    with models():
        provider.save(
            replace(full, callback="none", callback_options={}, credentials={"kod": "1", "sifre": "2"})
        )
    for option in ("--drop-old", "--new-callback-secret"):
        assert "does not call back" in cli("providers", "rotate", "bayi", option).problem


def test_at_a_terminal_what_is_left_empty_stays(cli: Run, models: Models, full: Provider) -> None:
    screen = at_a_terminal(["providers", "rotate", "bayi"], ["", "another", ""])

    assert "kod (leave empty to keep it)" in screen and "another" not in screen
    assert saved(models) == replace(full, credentials={**full.credentials, "sifre": "another"})


def test_a_pause_says_who_and_why_until_it_is_ended(cli: Run, models: Models, full: Provider) -> None:
    assert cli("providers", "pause", "bayi").code == 2
    assert cli("providers", "pause", "bayi", "--reason", " ").code == 2

    paused = cli("providers", "pause", "bayi", "--reason", "wrong prices", "--as", "ali")

    assert (paused.code, "paused by ali: wrong prices" in paused.out) == (0, True)
    [listed] = json.loads(cli("providers", "list", "--json").out)
    assert (listed["pausedBy"], listed["pauseReason"]) == ("ali", "wrong prices")
    assert listed["pausedAt"] and listed["state"].startswith("paused by ali since 20")
    assert "paused by ali since" in cli("providers", "list").out
    assert "gets orders again" in cli("providers", "resume", "bayi", "--as", "ali").out
    assert "was not paused" in cli("providers", "resume", "bayi").out
    [listed] = json.loads(cli("providers", "list", "--json").out)
    assert (listed["pausedAt"], listed["state"]) == (None, "up")


def test_who_pauses_is_the_login_name_and_never_the_gateway(
    cli: Run, full: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "veli")
    cli("providers", "pause", "bayi", "--reason", "test")
    [listed] = json.loads(cli("providers", "list", "--json").out)
    assert listed["pausedBy"] == "veli"
    assert cli("providers", "pause", "bayi", "--reason", "test", "--as", "Gateway").code == 2
    for command in (("pause", "other", "--reason", "x"), ("resume", "other"), ("remove", "other")):
        assert "provider other not found" in cli("providers", *command).problem


def test_a_provider_that_is_resumed_and_down_is_told(cli: Run, models: Models, full: Provider) -> None:
    with models():
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("bayi", "no answer in time", 30)
        provider_health.pause("bayi", "looking into it", "ali")
    resumed = cli("providers", "resume", "bayi").out
    assert "But it is down: no answer in time" in resumed


@pytest.fixture
def routed(full: Provider, models: Models) -> Models:
    """The models, with two routes to the provider."""
    with models():
        route.add("pubg", "60uc", "bayi", {})
        route.add("*", "*", "bayi", {})
    return models


def test_a_provider_is_removed_with_its_routes_and_its_history_stays(cli: Run, routed: Models) -> None:
    with routed():
        order = factories.place(tenant_id=factories.TENANT)
        factories.put(order, externalStatus="completed", nextCheckAt=None)

    removed = cli("providers", "remove", "bayi")

    assert (removed.code, "bayi is removed, with 2 routes" in removed.out) == (0, True)
    with routed():
        assert (provider.every(), route.every()) == ([], [])
        assert factories.column(order, "providerId") == "bayi"
    assert "not found" in cli("providers", "remove", "bayi").problem


@pytest.mark.parametrize(
    ("columns", "waits"),
    [
        ({}, "1 order waits (1 not sent)"),
        ({"externalStatus": "sent"}, "1 order waits (1 sent)"),
        ({"externalStatus": "completed", "codeAsks": 1}, "1 order waits (1 completed and asked about)"),
        (
            {"externalStatus": "sent", "nextCheckAt": None, "attention": Attention.MANUAL},
            "1 order waits (1 sent)",
        ),
    ],
    ids=["unsent", "sent", "code", "manual"],
)
def test_a_provider_that_orders_wait_for_is_removed_by_force_only(
    cli: Run, routed: Models, columns: dict[str, Any], waits: str
) -> None:
    with routed():
        factories.put(
            factories.place(tenant_id=factories.TENANT), **columns or {"externalStatus": "not_sent"}
        )

    refused = cli("providers", "remove", "bayi").problem

    assert waits in refused and "gateway providers pause bayi" in refused and "--force" in refused
    with routed():
        assert (len(provider.every()), len(route.every())) == (1, 2)
    forced = cli("providers", "remove", "bayi", "--force")
    assert forced.code == 0 and waits in forced.out
    with routed():
        assert (provider.every(), route.every()) == ([], [])


def test_removing_rides_the_indexes_of_what_waits(routed: Models) -> None:
    """Its cost follows the orders that wait, never the size of the table."""
    with routed():
        database.rows("""
            INSERT INTO product_orders ("externalStatus", "providerId", "createdAt")
            SELECT 'completed', 'bayi', now() FROM generate_series(1, 5000)""")
        factories.analyze("product_orders")
        plan = database.rows(f"EXPLAIN {removal.WAITING}", {"provider": "bayi"})
    text = "\n".join(str(next(iter(line.values()))) for line in plan)
    assert "idx_orders_planned" in text and "Seq Scan" not in text, text
    assert "idx_orders_attention" in text or "idx_orders_kind" in text, text


def test_a_provider_without_a_service_has_no_url_no_credentials_and_no_callbacks(
    cli: Run, models: Models, without_service: str
) -> None:
    added = cli(
        "providers", "add", "hand", "--adapter", without_service, "--low-stock", "5", "--currency", "USD"
    )

    assert added.code == 0 and "providers test" not in added.out and "secret" not in added.out, added
    found = saved(models, "hand")
    assert (found.base_url, found.callback, found.credentials) == ("", "none", {})
    assert (found.low_stock, found.currency) == (5, "USD")
    assert "calls no service" in cli("providers", "test", "hand").problem
    assert "has no credentials" in cli("providers", "rotate", "hand").problem
    for options in (("--base-url", "https://b.example"), ("--callback", "token"), ("--low-balance", "5")):
        for command in (("set", "hand"), ("add", "another", "--adapter", without_service)):
            refused = cli("providers", *command, *options)
            assert refused.code == 2 and "calls no service" in " ".join(refused.err.split())


def test_a_provider_may_change_its_protocol_and_keeps_what_still_counts(
    cli: Run, models: Models, full: Provider, without_service: str
) -> None:
    assert (
        cli(
            "providers", "add", "bayi", "--adapter", without_service, "--replace", "--low-balance", "none"
        ).code
        == 0
    )
    now = saved(models)
    assert (now.base_url, now.callback, now.credentials) == ("", "none", {})
    assert (now.max_concurrency, now.max_per_minute, now.low_stock) == (3, 30, 20)


def test_a_test_tells_what_keeps_orders_from_the_provider(cli: Run, models: Models, panel: Simulator) -> None:
    options = ("--adapter", "znet", "--base-url", panel.url, "--callback", "none", "--low-balance", "200000")
    cli("providers", "add", "box", *options, stdin='{"kod": "sandbox", "sifre": "sandbox"}')
    cli("providers", "pause", "box", "--reason", "test", "--as", "ali")

    shown = cli("providers", "test", "box").out

    assert "below its --low-balance" in shown and "is paused by ali: test" in shown
    answer = json.loads(cli("providers", "test", "box", "--json").out)
    assert (answer["isLow"], answer["obstacle"]) == (True, "is paused by ali: test")


def test_the_list_has_routes_and_the_balance_with_its_age(cli: Run, routed: Models) -> None:
    with routed():
        provider_health.failed("bayi", "once", 30)
        database.rows(
            "UPDATE referans.provider_health SET balance = 450.5, balance_currency = 'TRY',"
            " balance_at = now() - interval '5 minutes 1 second'"
        )
    shown = cli("providers", "list").out
    assert "450.5 TRY, 5 min ago (low)" in shown and "up, but the last call failed: once" in shown
    [listed] = json.loads(cli("providers", "list", "--json").out)
    assert (listed["routes"], listed["balance"]["amount"], listed["balance"]["currency"]) == (
        2,
        "450.5",
        "TRY",
    )
    assert listed["balance"]["at"].endswith("Z")
    settings = {name for name in asdict(FULL) if name != "credentials"}
    assert len(settings) == len(fields(Provider)) - 1 and not {"credentials"} & listed.keys()


def test_refusals_about_our_account_are_shown_before_they_pause_it(
    cli: Run, models: Models, full: Provider
) -> None:
    def refused() -> str:
        with models():
            provider_health.account_refused("bayi", "yetki yok", 600, is_certain=False, lacks_balance=False)
        [listed] = json.loads(cli("providers", "list", "--json").out)
        return str(listed["state"])

    assert refused() == "refused the last order because of our account: yetki yok"
    assert refused() == "refused 2 orders in a row because of our account: yetki yok"
    assert refused().startswith("paused by gateway since 20")


@pytest.mark.parametrize(
    "command",
    [
        ("providers", "set", "bayi", "--max-per-minute", "5"),
        ("providers", "rotate", "bayi", "--new-callback-secret"),
        ("providers", "resume", "bayi"),
        ("routes", "add", "*", "*", "bayi"),
    ],
)
def test_orders_that_wait_are_looked_at_again_after_a_change(
    cli: Run, models: Models, full: Provider, command: tuple[str, ...]
) -> None:
    if "resume" in command:
        with models():
            provider_health.pause("bayi", "test", "ali")
    assert cli(*command).code == 0
    with models():
        assert "bayi" in provider_health.returned()


def test_every_command_is_explained_with_an_example(cli: Run) -> None:
    for command in ("set", "rotate", "pause", "resume", "remove", "list", "test"):
        shown: Finished = cli("providers", command, "--help")
        assert (
            f"Example: gateway providers {command}" in shown.out
            or "gateway providers rotate bayi" in shown.out
        )
    for command in ("set", "rotate"):
        assert "2 seconds" in " ".join(cli("providers", command, "--help").out.split())


class TestCredentialsThatCannotBeRead:
    """They were sealed under a key that is gone: everything else goes on, and they can be entered again."""

    @pytest.fixture(autouse=True)
    def lost(self, models: Models, full: Provider) -> None:
        with models():
            factories.add_provider("other")
            database.rows("UPDATE referans.providers SET credentials = 'sealed:cut off' WHERE id = 'bayi'")

    @pytest.mark.parametrize(
        "words",
        [
            ("providers", "pause", "bayi", "--reason", "wrong prices"),
            ("providers", "resume", "bayi"),
            ("providers", "balance", "bayi"),
            ("routes", "add", "game", "60", "bayi"),
        ],
    )
    def test_what_does_not_need_them_works(self, cli: Run, words: tuple[str, ...]) -> None:
        assert cli(*words).code == 0

    def test_a_callback_is_shown(self, cli: Run, models: Models) -> None:
        with models():
            inbox.keep_invalid("bayi", [Invalid("invalid:1", '{"body": "nonsense"}', "no reference")])
        shown = json.loads(cli("callbacks", "show", "1", "--json").out)
        assert (shown["result"], shown["raw"]["body"]) == ("invalid", "nonsense")

    def test_the_list_says_which_provider_it_is(self, cli: Run) -> None:
        listed = {each["id"]: each["state"] for each in json.loads(cli("providers", "list", "--json").out)}
        assert "cannot be read" in listed.pop("bayi") and listed == {"other": "up"}
        assert re.search(
            r"^bayi .* its credentials cannot be read; see: gateway doctor",
            cli("providers", "list").out,
            re.M,
        )

    @pytest.mark.parametrize("words", [("test",), ("set", "--max-per-minute", "5")])
    def test_what_needs_them_says_what_to_do(self, cli: Run, words: tuple[str, ...]) -> None:
        problem = cli("providers", words[0], "bayi", *words[1:]).problem
        assert "the credentials of bayi cannot be read" in problem
        assert "enter them again: gateway providers rotate bayi" in problem

    @pytest.mark.parametrize(
        "command", [("rotate", "bayi"), ("add", "bayi", "--adapter", "znet", "--replace")]
    )
    def test_they_are_entered_again(self, cli: Run, models: Models, command: tuple[str, ...]) -> None:
        assert "missing credential kod" in cli("providers", *command, stdin='{"sifre": "new"}').problem

        entered = cli("providers", *command, stdin='{"kod": "bayi-4711", "sifre": "new"}')

        assert entered.code == 0 and "Callback secret, shown only once: " in entered.out
        secret = entered.out.split("shown only once: ")[1].split()[0]
        with models():
            assert provider.find("bayi") == replace(
                FULL, credentials={"kod": "bayi-4711", "sifre": "new", "callback_secret": secret}
            )

    def test_wrong_keys_of_ours_change_nothing(
        self, cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
        assert cli("providers", "rotate", "other", stdin='{"kod": "bayi-4711", "sifre": "new"}').code == 0
        with models():
            before = database.rows("SELECT id, credentials FROM referans.providers ORDER BY id")
        monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
        entered = cli("providers", "rotate", "other", stdin='{"kod": "bayi-4711", "sifre": "new"}')
        assert "set ENCRYPTION_KEYS to the keys that sealed it" in entered.problem
        with models():
            assert database.rows("SELECT id, credentials FROM referans.providers ORDER BY id") == before
