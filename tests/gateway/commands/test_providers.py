"""Providers, added and tried out on the command line."""

import base64
import json

import pytest
from cryptography.fernet import Fernet

from gateway.callbacks.verifiers import VERIFIERS
from gateway.dev.simulator import Simulator
from models import provider, provider_health

from .conftest import Finished, Models, Run
from .terminal import at_a_terminal

ADD = ("providers", "add", "bayi", "--adapter", "znet", "--base-url", "https://bayi.example/")
SIGNED = ("--callback", "standard-webhooks")
TOKEN = ("--callback", "token")
SECRET = "whsec_" + base64.b64encode(b"a secret of the provider").decode()
CREDENTIALS = json.dumps({"kod": "bayi-4711", "sifre": "geheim", "callback_secret": SECRET})


def add(cli: Run, *options: str, **credentials: str) -> Finished:
    return cli(*ADD, *options, stdin=json.dumps({"kod": "bayi-4711", "sifre": "geheim", **credentials}))


def test_credentials_come_from_standard_input_and_are_never_printed(cli: Run, models: Models) -> None:
    added = cli(*ADD, *SIGNED, "--max-concurrency", "2", "--max-per-minute", "30", stdin=CREDENTIALS)

    assert added.code == 0
    assert "http://localhost:8000/callbacks/bayi" in added.out
    with models():
        found = provider.find("bayi")
    assert found is not None
    assert found.credentials == json.loads(CREDENTIALS)
    assert (found.base_url, found.max_concurrency, found.max_per_minute) == ("https://bayi.example", 2, 30)
    for shown in (added, cli("providers", "list"), cli("providers", "list", "--json")):
        assert not any(secret in shown.out + shown.err for secret in ("bayi-4711", "geheim", SECRET))


def test_credentials_are_sealed_with_the_encryption_keys(
    cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("PUBLIC_URL", "https://gateway.example")
    assert add(cli, *SIGNED).err == ""

    monkeypatch.delenv("ENCRYPTION_KEYS")
    listed = cli("providers", "list")
    assert (listed.code, "its credentials cannot be read" in listed.out) == (0, True)
    assert "stored in plain text" in cli(*ADD[:2], "other", *ADD[3:], *SIGNED, stdin=CREDENTIALS).err


def test_a_callback_secret_is_made_where_none_is_given(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://gateway.example")

    signed = json.loads(add(cli, *SIGNED, "--json", callback_secret=" ").out)
    token = json.loads(add(cli, *TOKEN, "--json", "--replace").out)

    assert len(base64.b64decode(signed["callbackSecret"].removeprefix("whsec_"))) == 32
    assert signed["callbackUrl"] == "https://gateway.example/callbacks/bayi"
    assert token["callbackUrl"] == f"https://gateway.example/callbacks/bayi/{token['callbackSecret']}"


def saved(models: Models) -> provider.Provider:
    with models():
        found = provider.find("bayi")
    assert found is not None
    return found


def test_an_hmac_is_configured_and_what_to_send_is_printed(cli: Run, models: Models) -> None:
    added = add(cli, "--callback", "hmac", "--callback-header", "X-Hub-Signature", callback_secret="any")
    assert added.code == 0 and "X-Hub-Signature: HMAC-SHA256 of {body} in hex" in added.out
    assert saved(models).callback_options == {
        "header": "X-Hub-Signature",
        "algorithm": "sha256",
        "encoding": "hex",
        "template": "{body}",
    }

    options = ("--callback-header", "X-S", "--callback-algorithm", "sha1", "--callback-encoding", "base64")
    template = "{header:X-Time}.{body}"
    changed = add(cli, "--callback", "hmac", *options, "--callback-template", template, "--replace", "--json")
    shown = json.loads(changed.out)
    assert shown["callbackOptions"] == saved(models).callback_options
    assert shown["callbackOptions"]["template"] == template
    assert shown["callbackHeaders"] == {"X-S": "HMAC-SHA1 of {header:X-Time}.{body} in base64"}
    assert saved(models).credentials["callback_secret"] == "any"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SIGNED, "neutral"),
        (TOKEN, "protocol"),
        ((*SIGNED, "--callback-format", "protocol"), "protocol"),
        ((*TOKEN, "--callback-format", "neutral"), "neutral"),
    ],
)
def test_what_callbacks_say_is_chosen(
    cli: Run, models: Models, options: tuple[str, ...], expected: str
) -> None:
    assert json.loads(add(cli, *options, "--json").out)["callbackFormat"] == expected
    assert saved(models).callback_format == expected
    add(cli, *options[:2], "--replace")
    assert saved(models).callback_format == expected


def test_a_provider_of_an_earlier_version_reads_both_until_one_is_chosen(cli: Run, models: Models) -> None:
    with models():
        provider.save(provider.Provider("bayi", "znet", "https://bayi.example", "token", {"kod": "1"}))
    for options, expected in (
        ((), None),
        (("--callback-format", "neutral"), "neutral"),
        ((), "neutral"),
        (("--callback", "standard-webhooks", "--callback-format", "protocol"), "protocol"),
    ):
        assert add(cli, *TOKEN, "--replace", *options).code == 0
        assert saved(models).callback_format == expected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("token", "--callback-format", "json"), "neutral"),
        (("hmac",), "--callback-header takes the name"),
        (("hmac", "--callback-header", "X Y"), "--callback-header takes the name"),
        (("hmac", "--callback-header", "X", "--callback-algorithm", "md5"), "sha1, sha256, sha512"),
        (("hmac", "--callback-header", "X", "--callback-encoding", "octal"), "hex, base64"),
        *[
            (("hmac", "--callback-header", "X", "--callback-template", template), "{body}")
            for template in (
                "",
                "{header:X-Time}",
                "{body}{x}",
                "{body}{header:}",
                "{body}{header:a b}",
                "{Body}",
            )
        ],
        (("token", "--callback-header", "X"), "does not take --callback-header"),
        (("basic", "--callback-algorithm", "sha1"), "does not take --callback-algorithm"),
        (("none", "--callback-allow", "203.0.113.7/24"), "203.0.113.0/24"),
        (("none", "--callback-allow", "bayi.example"), "203.0.113.0/24"),
    ],
)
def test_bad_options_of_callbacks_are_usage_errors(
    cli: Run, models: Models, options: tuple[str, ...], says: str
) -> None:
    refused = add(cli, "--callback", *options)
    assert refused.code == 2
    assert says in " ".join(refused.err.split())
    with models():
        assert provider.find("bayi") is None


def test_basic_needs_a_user_and_makes_a_password(cli: Run, models: Models) -> None:
    assert "missing credential callback_user" in add(cli, "--callback", "basic").problem
    assert "callback_user must not" in add(cli, "--callback", "basic", callback_user="a:b").problem

    added = add(cli, "--callback", "basic", callback_user="panel")

    assert added.code == 0
    password = saved(models).credentials["callback_secret"]
    assert len(password) >= 32 and f"Callback secret, shown only once: {password}" in added.out
    assert "Authorization: Basic BASE64 of callback_user:callback_secret" in added.out


def test_a_provider_that_does_not_call_back_has_no_secret_and_no_url(cli: Run, models: Models) -> None:
    assert "unknown credential callback_secret" in add(cli, "--callback", "none", callback_secret="x").problem

    added = add(cli, "--callback", "none")

    assert added.code == 0 and "/callbacks/" not in added.out and "secret" not in added.out
    assert "callback_secret" not in saved(models).credentials
    (listed,) = json.loads(cli("providers", "list", "--json").out)
    assert (listed["callbackUrl"], listed["callbackHeaders"]) == (None, {})


def test_a_secret_of_one_kind_is_not_kept_for_another(cli: Run, models: Models) -> None:
    add(cli, *SIGNED, callback_secret=SECRET)
    assert add(cli, *TOKEN, "--replace").code == 0
    assert saved(models).credentials["callback_secret"] != SECRET


def test_the_allow_list_is_kept_in_its_normal_form_and_given_as_a_whole(cli: Run, models: Models) -> None:
    listed = ("--callback-allow", "203.0.113.7", "--callback-allow", "2001:DB8::/32")
    assert add(cli, *TOKEN, *listed).code == 0
    assert saved(models).callback_allow == ("203.0.113.7/32", "2001:db8::/32")
    (shown,) = json.loads(cli("providers", "list", "--json").out)
    assert shown["callbackAllow"] == ["203.0.113.7/32", "2001:db8::/32"]
    add(cli, *TOKEN, "--replace")
    assert saved(models).callback_allow == ("203.0.113.7/32", "2001:db8::/32")
    add(cli, *TOKEN, "--replace", "--callback-allow", "198.51.100.0/24")
    assert saved(models).callback_allow == ("198.51.100.0/24",)
    add(cli, *TOKEN, "--replace", "--callback-allow", "none")
    assert saved(models).callback_allow == ()


def test_the_help_shows_each_kind_with_an_example(cli: Run) -> None:
    shown = cli("providers", "add", "--help").out
    for kind in VERIFIERS:
        assert f"\n    {kind}: " in shown and f"gateway providers add bayi … --callback {kind}" in shown


def test_an_existing_provider_is_changed_only_on_purpose(cli: Run, models: Models) -> None:
    add(cli, *SIGNED, callback_secret=SECRET)

    assert "--replace" in add(cli, *SIGNED).problem
    assert add(cli, *SIGNED, "--replace", sifre="another").code == 0

    with models():
        found = provider.find("bayi")
    assert found is not None
    assert found.credentials == {"kod": "bayi-4711", "sifre": "another", "callback_secret": SECRET}


@pytest.mark.parametrize(
    ("stdin", "says"),
    [
        ("", "standard input is not JSON"),
        ("[1]", "one JSON object"),
        ('{"kod": 4711, "sifre": "geheim"}', "one JSON object of strings"),
        ('{"kod": "bayi-4711"}', "missing credential sifre"),
        ('{"kod": "bayi-4711", "sifre": " "}', "missing credential sifre"),
        ('{"kod": "bayi-4711", "sifre": "geheim", "password": "x"}', "unknown credential password"),
        ('{"kod": "bayi-4711", "sifre": "geheim", "callback_secret": "whsec_!"}', "base64"),
        ('{"kod": "bayi-4711", "sifre": "geheim", "callback_secret": "secret"}', "whsec_"),
    ],
)
def test_bad_credentials_are_refused_in_one_line(cli: Run, stdin: str, says: str) -> None:
    refused = cli(*ADD, *SIGNED, stdin=stdin)
    assert says in refused.problem
    assert "geheim" not in refused.err


def test_a_token_must_be_long_and_fit_an_address(cli: Run) -> None:
    assert "at least 16" in add(cli, *TOKEN, callback_secret="short").problem
    assert "at least 16" in add(cli, *TOKEN, callback_secret="a/slash/in/a/long/token").problem


@pytest.mark.parametrize(
    "arguments",
    [
        ("Bayi", "--adapter", "znet", "--base-url", "https://b.example", *SIGNED),
        ("bayi/x", "--adapter", "znet", "--base-url", "https://b.example", *SIGNED),
        ("bayi", "--adapter", "unheard-of", "--base-url", "https://b.example", *SIGNED),
        ("bayi", "--adapter", "znet", "--base-url", "ftp://b.example", *SIGNED),
        ("bayi", "--adapter", "znet", "--base-url", "https://kod:sifre@b.example", *SIGNED),
        ("bayi", "--adapter", "znet", *SIGNED),
        ("bayi", "--adapter", "znet", "--base-url", "https://b.example"),
        ("bayi", "--adapter", "znet", "--base-url", "https://b.example", "--callback", "trust"),
    ],
)
def test_bad_options_are_usage_errors(cli: Run, arguments: tuple[str, ...]) -> None:
    assert cli("providers", "add", *arguments, stdin=CREDENTIALS).code == 2


def test_the_balance_is_asked_for_through_the_adapter(cli: Run, panel: Simulator) -> None:
    account = json.dumps({"kod": "sandbox", "sifre": "sandbox"})
    cli("providers", "add", "box", "--adapter", "znet", "--base-url", panel.url, *SIGNED, stdin=account)

    assert "balance 100000.00 TRY" in cli("providers", "test", "box").out
    answer = json.loads(cli("providers", "test", "box", "--json").out)
    assert (answer["id"], answer["amount"], answer["currency"]) == ("box", "100000.00", "TRY")


def test_a_provider_that_does_not_know_us_is_told_with_what_to_check(cli: Run, panel: Simulator) -> None:
    cli("providers", "add", "box", "--adapter", "znet", "--base-url", panel.url, *SIGNED, stdin=CREDENTIALS)

    problem = cli("providers", "test", "box").problem

    assert "answer is empty" in problem and "API right" in problem
    assert "geheim" not in problem


def test_an_address_that_does_not_answer_is_one_line(cli: Run) -> None:
    closed = "http://127.0.0.1:9"
    cli("providers", "add", "gone", "--adapter", "znet", "--base-url", closed, *SIGNED, stdin=CREDENTIALS)
    assert cli("providers", "test", "gone").problem.startswith(f"gone: {closed}/")
    assert "gateway providers list" in cli("providers", "test", "unheard-of").problem


def test_the_list_shows_how_each_is_doing(cli: Run, models: Models) -> None:
    add(cli, *SIGNED)
    with models():
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("bayi", "no answer in time", 30)

    (listed,) = json.loads(cli("providers", "list", "--json").out)
    assert (listed["id"], listed["down"], listed["lastError"]) == ("bayi", True, "no answer in time")
    shown = cli("providers", "list").out
    assert "down since 20" in shown and "5 calls in a row failed: no answer in time" in shown


def test_at_a_terminal_credentials_are_asked_for_and_not_echoed(cli: Run, models: Models) -> None:
    screen = at_a_terminal([*ADD, *TOKEN], ["bayi-4711", "geheim", ""])

    assert "sifre" in screen and "Callback secret, shown only once" in screen
    assert "geheim" not in screen
    with models():
        found = provider.find("bayi")
    assert found is not None
    assert (found.credentials["kod"], found.credentials["sifre"]) == ("bayi-4711", "geheim")


@pytest.mark.parametrize(
    ("public_url", "base_url", "is_told"),
    [
        ("", "https://b.example", True),
        ("http://127.0.0.1:8000", "https://b.example", True),
        ("https://gateway.example", "https://b.example", False),
        ("", "http://127.0.0.1:8900", False),
    ],
)
def test_a_callback_url_that_the_provider_cannot_call_is_told(
    cli: Run, monkeypatch: pytest.MonkeyPatch, public_url: str, base_url: str, is_told: bool
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)
    options = ("--adapter", "znet", "--base-url", base_url, "--callback", "token")

    added = cli("providers", "add", "panel", *options, stdin='{"kod": "1", "sifre": "2"}')

    assert added.code == 0 and ("set PUBLIC_URL" in added.err) == is_told
