"""Every variable is checked at start; a bad one is named in one line that says what it takes."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsError, load, load_or_exit, notes

#: Fixed, since it names tests.
KEY = "bm90LWEta2V5LWZvci1hbnl0aGluZy1idXQtdGVzdHM="
SERVERS = {
    "DATABASE_URL": "postgres://u:p@host/name",
    "REDIS_URL": "redis://host:6379/0",
    "ALLOW_PLAINTEXT": "1",
}


def given(**variables: str) -> Settings:
    return load(SERVERS | variables)


def refusal(**variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        given(**variables)
    return str(refused.value)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = given()
    assert (settings.port, settings.web_concurrency) == (8000, 2)
    assert settings.public_url == "http://localhost:8000"
    assert settings.order_api_prefix == "/api-dj"
    assert (settings.backoff_min, settings.backoff_max, settings.max_checks) == (30, 600, 20)
    assert (settings.first_check_delay, settings.slow_check_interval) == (60, 1800)
    assert (settings.callback_trust, settings.order_timeout) == (600, 86400)
    assert (settings.sweep_cron, settings.sweep_batch) == ("*/5 * * * *", 100)
    assert settings.callback_retention == 2592000
    assert (settings.call_timeout, settings.heartbeat_timeout) == (30, 30)
    assert (settings.timezone, settings.log_format, settings.log_level) == ("Asia/Damascus", "json", "info")
    assert (settings.encryption_keys, settings.notify_url, settings.sentry_dsn) == ((), None, None)
    assert (settings.rate_limit.count, settings.rate_limit.seconds, settings.trusted_proxies) == (100, 1, 0)
    assert settings.redis_tls_verify
    assert not settings.notify_with_pin
    assert not settings.notify_allow_private


@pytest.mark.parametrize("allowed", [{}, {"ALLOW_PLAINTEXT": "0"}, {"ENCRYPTION_KEYS": " \n"}])
def test_without_keys_a_process_refuses_to_start(allowed: dict[str, str]) -> None:
    servers = {name: SERVERS[name] for name in ("DATABASE_URL", "REDIS_URL")}
    with pytest.raises(
        SettingsError, match=r"^ENCRYPTION_KEYS is not set: .*Fernet.*ALLOW_PLAINTEXT=1"
    ) as refused:
        load(servers | allowed)
    assert "\n" not in str(refused.value)
    assert not load(servers | {"ALLOW_PLAINTEXT": "1"}).encryption_keys
    assert load(servers | {"ENCRYPTION_KEYS": KEY}).encryption_keys


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/second", (100, 1)),
        ("5/minute", (5, 60)),
        ("1 / Hour", (1, 3600)),
        ("1000000000/second", (10**9, 1)),
    ],
)
def test_a_rate_is_a_number_and_a_unit(text: str, rate: tuple[int, int]) -> None:
    found = given(RATE_LIMIT=text).rate_limit
    assert (found.count, found.seconds) == rate
    assert found.tenth().count == max(1, rate[0] // 10)


@pytest.mark.parametrize(
    "text", ["100", "0/second", "-1/second", "1.5/second", "9999999999/second", "1/day", "/hour"]
)
def test_anything_else_is_no_rate(text: str) -> None:
    assert refusal(RATE_LIMIT=text).startswith("RATE_LIMIT is not valid: it takes a number from 1 to ")


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_server_is_named(name: str, value: str | None) -> None:
    environ = {key: each for key, each in SERVERS.items() if key != name}
    with pytest.raises(SettingsError, match=f"^{name} is not set: it takes a URL that begins with "):
        load(environ if value is None else environ | {name: value})


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_blanks_alone_are_missing(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set: "):
        load(SERVERS | {name: " \n"})


@pytest.mark.parametrize("blanks", ["{}\n", "{}\r\n", " {} ", "\t{}"])
def test_blanks_around_a_value_do_not_count(blanks: str) -> None:
    """Files and secret stores add them."""
    given_ones = SERVERS | {"ENCRYPTION_KEYS": KEY, "TIMEZONE": "UTC", "SENTRY_DSN": "https://a@b/1"}
    assert load({name: blanks.format(value) for name, value in given_ones.items()}) == load(given_ones)


BASE = "postgres://u:p@host/name"


@pytest.mark.parametrize(
    ("options", "kept", "ignored"),
    [
        ("?pgbouncer=true", "", "pgbouncer"),
        ("?schema=public", "", "schema"),
        (
            "?pgbouncer=true&connection_limit=5&schema=public&sslmode=require",
            "?sslmode=require",
            "pgbouncer, connection_limit, schema",
        ),
        ("?sslmode=require&sslrootcert=%2Fca.pem", "?sslmode=require&sslrootcert=%2Fca.pem", None),
        ("?ssl=true", "?ssl=true", None),
        ("?options=-c%20search_path%3Dshop", "?options=-c%20search_path%3Dshop", None),
        ("?", "", None),
        ("?&pgbouncer=&", "", "pgbouncer"),
    ],
)
def test_options_of_other_clients_are_ignored_and_named(options: str, kept: str, ignored: str | None) -> None:
    environ = SERVERS | {"DATABASE_URL": BASE + options + "\n"}
    assert load(environ).database_url.get_secret_value() == BASE + kept
    assert notes(environ) == ([f"ignored in DATABASE_URL: {ignored}"] if ignored else [])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"{BASE}?schema=shop", "its option `schema` may only be public"),
        ("postgres://u:hunter%zz@host/name", "its percent-encoding or its options are wrong"),
        (f"{BASE}?sslmode=%zz", "its percent-encoding or its options are wrong"),
        (f"{BASE}?sslmode", "its percent-encoding or its options are wrong"),
        (f"{BASE}?options=a=b", "its percent-encoding or its options are wrong"),
    ],
)
def test_a_url_that_libpq_does_not_take_is_refused_in_one_line(url: str, reason: str) -> None:
    assert refusal(DATABASE_URL=url) == (
        f"DATABASE_URL is not valid: {reason}; it takes a URL that begins with postgres:// or postgresql://"
    )


def test_a_question_mark_in_a_password_begins_no_options() -> None:
    environ = SERVERS | {"DATABASE_URL": "postgres://u:1?a=2@host/name?pgbouncer=true"}
    assert load(environ).database_url.get_secret_value() == "postgres://u:1?a=2@host/name"
    assert notes(environ) == ["ignored in DATABASE_URL: pgbouncer"]


WEBHOOK_SECRETS = ["whsec_" + base64.b64encode(each * 24).decode() for each in (b"0", b"1")]


def test_notifications_are_signed_with_every_secret() -> None:
    settings = given(NOTIFY_URL="https://shop.example", NOTIFY_SECRET=" , ".join(WEBHOOK_SECRETS))
    assert [each.get_secret_value() for each in settings.notify_secret] == WEBHOOK_SECRETS


def test_notifications_are_never_sent_unsigned() -> None:
    message = refusal(NOTIFY_URL="https://shop.example")
    assert message.startswith("NOTIFY_SECRET is not set")
    assert "whsec_" in message


@pytest.mark.parametrize(
    ("given_name", "value", "lacking"),
    [
        ("ALERT_URL", "https://shop.example", "NOTIFY_SECRET"),
        ("ALERT_TELEGRAM_TOKEN", "1:a", "ALERT_TELEGRAM_CHAT"),
        ("ALERT_TELEGRAM_CHAT", "1", "ALERT_TELEGRAM_TOKEN"),
        ("ALERT_SMTP_URL", "smtp://h", "ALERT_EMAIL"),
        ("ALERT_EMAIL", "a@b", "ALERT_SMTP_URL"),
    ],
)
def test_where_alerts_go_is_said_whole(given_name: str, value: str, lacking: str) -> None:
    assert refusal(**{given_name: value}).startswith(f"{lacking} is not set, and {given_name} is: ")


def test_what_is_not_required_may_be_missing() -> None:
    assert load({}, require=()).database_url.get_secret_value() == ""


def test_empty_is_as_good_as_unset() -> None:
    settings = given(PORT="", NOTIFY_URL="", ENCRYPTION_KEYS="", SENTRY_DSN="", REDIS_TLS_VERIFY="")
    assert settings == given()


def test_the_public_address_follows_the_port() -> None:
    assert given(PORT="9000").public_url == "http://localhost:9000"
    assert given(PORT="9000", PUBLIC_URL="https://gateway.example/").public_url == "https://gateway.example"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("DATABASE_URL", "postgresql:///name?host=/run/postgresql"),
        ("REDIS_URL", "rediss://:p@host:6380"),
        ("REDIS_TLS_VERIFY", "0"),
        ("ENCRYPTION_KEYS", f"{KEY}, {KEY}"),
        ("ORDER_API_PREFIX", "/v1/shop/"),
        ("DATABASE_SCHEMA", "_orders2"),
        ("BACKOFF_MIN", "0.05"),
        ("BACKOFF_MAX", "30"),
        ("SWEEP_CRON", "*  * * * *"),
        ("NOTIFY_RETENTION", "60"),
        ("NOTIFY_SECRET", "whsec_" + base64.b64encode(b"0" * 24).decode()),
        ("NOTIFY_WITH_PIN", "1"),
        ("ALERT_TELEGRAM_TOKEN", "123456:ABC-def"),
        ("ALERT_TELEGRAM_CHAT", "-1001234"),
        ("ALERT_SMTP_URL", "smtps://u:p@host:465?from=a@b.c"),
        ("ALERT_EMAIL", "a@b.example, c@d.example"),
        ("TIMEZONE", "Europe/Istanbul"),
        ("LOG_FORMAT", "Console"),
        ("LOG_LEVEL", "WARNING"),
        ("SENTRY_DSN", "https://abc@o1.ingest.sentry.io/2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
    ],
)
def test_good_values_are_taken(name: str, good: str) -> None:
    assert getattr(load(SERVERS | {name: good}, require=()), name.lower()) is not None


BAD = [
    *[
        ("DATABASE_URL", bad)
        for bad in ("mysql://h/d", "postgres", "postgres:h", "postgres://h:port/d", "postgres://[")
    ],
    *[("REDIS_URL", bad) for bad in ("unix:///tmp/s", "REDISS://h", "redis", "http://h", "redis://h:99999")],
    *[("PORT", bad) for bad in ("0", "65536", "http", "80.5")],
    *[("WEB_CONCURRENCY", bad) for bad in ("0", "-1", "two")],
    *[("PUBLIC_URL", bad) for bad in ("gateway.example", "ftp://h", "https://h?x=1", "https://h:port")],
    *[("ENCRYPTION_KEYS", bad) for bad in ("short", " , ", KEY + ",ключ")],
    *[
        ("DATABASE_SCHEMA", bad)
        for bad in ("public", "pg_own", "information_schema", "Shop", "a b", 'a"', "2shop", "x" * 64)
    ],
    *[("ORDER_API_PREFIX", bad) for bad in ("api", "/", "/a//b", "/a b", "/{x}")],
    *[
        (name, bad)
        for name in ("FIRST_CHECK_DELAY", "BACKOFF_MIN", "BACKOFF_MAX", "ORDER_TIMEOUT", "CALLBACK_TRUST")
        for bad in ("0", "-1", "inf", "nan", "1e12", "5 min")
    ],
    ("BACKOFF_MAX", "29"),
    *[(name, bad) for name in ("MAX_CHECKS", "SWEEP_BATCH") for bad in ("0", "1.5", "many")],
    *[
        ("SWEEP_CRON", bad)
        for bad in (
            "",
            "* *",
            "*/0 * * * *",
            "60 * * * *",
            "-5 * * * *",
            "0-9 * * * *",
            "*/5 3 * * *",
            "5, * * * *",
            "٥ * * * *",
        )
        if bad
    ],
    *[
        ("NOTIFY_URL", bad)
        for bad in ("shop.example", "ftp://h", "https://h h", "http://?x", "http://h:port")
    ],
    *[
        ("NOTIFY_SECRET", bad)
        for bad in ("whsec_", "whsec_!!", "c2VjcmV0", "whsec_ключ", ",", "whsec_c2Vj,c2Vj")
    ],
    *[("ALERT_URL", bad) for bad in ("shop.example", "ftp://h")],
    *[("ALERT_TELEGRAM_TOKEN", bad) for bad in ("123456", "abc:def", "1:a/b")],
    *[("ALERT_TELEGRAM_CHAT", bad) for bad in ("someone", "@", "12a")],
    *[("ALERT_SMTP_URL", bad) for bad in ("http://h", "smtp.shop.example")],
    *[("ALERT_EMAIL", bad) for bad in ("rana", ",", "a@b, c")],
    *[(name, "maybe") for name in ("NOTIFY_WITH_PIN", "NOTIFY_ALLOW_PRIVATE", "REDIS_TLS_VERIFY")],
    *[("TIMEZONE", bad) for bad in ("Mars/Base", "../etc/passwd", "/etc/localtime", "Asia")],
    ("LOG_FORMAT", "xml"),
    ("LOG_LEVEL", "loud"),
    ("SENTRY_DSN", "abc"),
    *[
        (f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", bad)
        for name in ("", "TRACES_")
        for bad in ("collector:4318", "grpc://h", "http://h:port")
    ],
]


@pytest.mark.parametrize(("name", "bad"), BAD)
def test_a_bad_value_is_refused_in_one_line(name: str, bad: str) -> None:
    line = refusal(**{name: bad})
    assert line.startswith(f"{name} is not valid: it takes ")
    assert not line.endswith("takes ")
    assert "\n" not in line


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_a_value_that_is_not_text_is_refused_in_one_line(name: str) -> None:
    """What is not UTF-8 in the environment comes as a lone surrogate."""
    assert refusal(**{name: "secret\udcff"}).startswith(
        f"{name} is not valid: it is not UTF-8 text; it takes "
    )


@pytest.mark.parametrize("text", ["a/" * 5_000, "\x00", "../UTC", "/etc/passwd", "a" * 10_000])
def test_a_time_zone_that_is_none_is_refused_in_one_line(text: str) -> None:
    assert refusal(TIMEZONE=text).startswith("TIMEZONE is not valid: ")


def test_a_minimum_above_the_usual_maximum_is_refused() -> None:
    assert (
        refusal(BACKOFF_MIN="700") == "BACKOFF_MAX is not valid: it takes seconds, no less than BACKOFF_MIN"
    )


@pytest.mark.parametrize(
    "name",
    [
        "DATABASE_URL",
        "REDIS_URL",
        "ENCRYPTION_KEYS",
        "NOTIFY_SECRET",
        "SENTRY_DSN",
        "ALERT_SMTP_URL",
        "ALERT_TELEGRAM_TOKEN",
    ],
)
def test_no_secret_is_shown(name: str) -> None:
    assert "hunter2" not in refusal(**{name: "x://hunter2"})


def test_secrets_are_not_in_the_repr() -> None:
    secrets = {"DATABASE_URL": "postgres://u:hunter2@h/d", "REDIS_URL": "redis://:hunter2@h"}
    shown = repr(load(secrets | {"ENCRYPTION_KEYS": KEY, "SENTRY_DSN": "https://hunter2@h/1"}))
    assert "hunter2" not in shown
    assert KEY not in shown


def test_every_variable_says_what_it_takes() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("cron", "seconds"),
    [
        ("*/5 * * * *", 300),
        ("* * * * *", 60),
        ("0 * * * *", 3600),
        ("0,30 * * * *", 1800),
        ("0,5 * * * *", 3300),
    ],
)
def test_the_sweep_period_is_the_longest_gap(cron: str, seconds: float) -> None:
    assert given(SWEEP_CRON=cron).sweep_period_seconds == seconds


def test_exit_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load_or_exit(SERVERS | {"PORT": "http"})
    assert exit_.value.code == 2
    assert capsys.readouterr() == (
        "",
        "error: PORT is not valid: it takes a whole number from 1 to 65535\n",
    )


def test_beside_what_make_run_has_started_an_error_says_how_to_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data/env").touch()
    for environ, is_told in (({}, True), (SERVERS | {"PORT": "http"}, False)):
        with pytest.raises(SystemExit):
            load_or_exit(environ)
        assert capsys.readouterr().err.endswith(": set -a; . .data/env; set +a\n") == is_told


def test_a_process_refuses_to_start_without_a_traceback(tmp_path: Path) -> None:
    code = "from gateway.settings import load_or_exit; load_or_exit()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: DATABASE_URL is not set: it takes a URL that begins with postgres:// or postgresql://"
    ]
