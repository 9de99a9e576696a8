"""What the doctor finds, with everything well and with anything down."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from cryptography.fernet import Fernet

from gateway.broker import NAMESPACE, WORKER_PREFIX
from gateway.commands import probes
from gateway.dev.simulator import Simulator
from models import provider, provider_health, sweep_run
from models.db import database
from models.provider import CallbackFormat, Provider

from .conftest import Finished, Models, Run

ACCOUNT = {"kod": "sandbox", "sifre": "sandbox"}


def box(url: str, callback_format: CallbackFormat | None = CallbackFormat.PROTOCOL) -> Provider:
    return Provider("box", "znet", url, "token", ACCOUNT, callback_format=callback_format)


@pytest.fixture
def well(cli: Run, models: Models, redis_url: str, monkeypatch: pytest.MonkeyPatch, panel: Simulator) -> Run:
    """The command line where everything is well."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    with models():
        provider.save(box(panel.url))
        sweep_run.beat("scheduler")
        sweep_run.end(sweep_run.begin("scheduler"), {"enqueued": 1})
    be_alive(redis_url)
    return cli


def be_alive(redis_url: str) -> None:
    """The sign of life of a worker."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.zadd(f"{NAMESPACE}:__heartbeats__", {f"{WORKER_PREFIX}1": time.time() * 1000})


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def report(finished: Finished) -> dict[str, tuple[str, str, str | None]]:
    checks = json.loads(finished.out)["checks"]
    return {each["name"]: (each["status"], each["detail"], each["next"]) for each in checks}


def test_all_is_well(well: Run) -> None:
    plain, found = well("doctor"), well("doctor", "--json")

    assert (plain.code, found.code) == (0, 0)
    names = ["settings", "database", "migrations", "pooler", "encryption", "codes", "broker"]
    names += ["workers", "scheduler", "sweep"]
    assert list(report(found)) == [
        *names,
        "provider box",
        "callback formats",
        "notifications",
        "stuck orders",
    ]
    assert {status for status, _, _ in report(found).values()} == {"ok"}
    assert [line.split()[0] for line in plain.out.splitlines()] == ["ok"] * 14


@pytest.mark.parametrize(
    ("choice", "is_sealed", "said"),
    [
        ("auto", None, "sealed, in clear on orders of another system, as gateway migrate has decided"),
        ("auto", True, "sealed, in clear on orders of another system, as gateway migrate has decided"),
        ("auto", False, "in clear, as gateway migrate has decided"),
        ("always", False, "sealed, as SEAL_PINS says"),
        ("never", True, "in clear, as SEAL_PINS says"),
    ],
)
def test_how_codes_stand_in_the_orders_table_is_said(
    well: Run, models: Models, monkeypatch: pytest.MonkeyPatch, choice: str, is_sealed: bool | None, said: str
) -> None:
    monkeypatch.setenv("SEAL_PINS", choice)
    with models():
        database.rows("DELETE FROM referans.installation")
        if is_sealed is not None:
            database.rows("INSERT INTO referans.installation (seal_pins) VALUES (%s)", (is_sealed,))
    assert report(well("doctor", "--json"))["codes"][:2] == ("ok", f'in "pinCode" {said}')


def test_a_provider_whose_callbacks_are_guessed_is_named(well: Run, models: Models, panel: Simulator) -> None:
    with models():
        provider.save(box(panel.url, None))
    status, detail, advice = report(well("doctor", "--json"))["callback formats"]
    assert (status, detail) == ("warning", "read both formats: box")
    assert advice and "--callback-format protocol|neutral" in advice


def test_a_provider_that_is_called_in_clear_is_named(well: Run, models: Models, panel: Simulator) -> None:
    with models():
        provider.save(box("http://panel.example:8080"))
    status, detail, advice = report(well("doctor", "--json"))["unencrypted"]
    assert status == "warning" and "box (http://panel.example:8080)" in detail and "https" in str(advice)


def test_settings_without_effect_are_named(
    well: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = "&" if "?" in database_url else "?"
    monkeypatch.setenv("DATABASE_URL", f"{database_url}{options}pgbouncer=true&schema=public\n")

    asked = well("doctor", "--json")

    assert asked.code == 0
    status, detail, _ = report(asked)["settings"]
    assert status == "warning"
    assert "ignored in DATABASE_URL: pgbouncer, schema" in detail
    assert report(asked)["database"][0] == report(asked)["migrations"][0] == "ok"


def test_a_balance_is_asked_for_only_on_request(well: Run, panel: Simulator) -> None:
    assert report(well("doctor", "--json"))["provider box"][1] == "up"
    assert report(well("doctor", "--call", "--json"))["provider box"][1] == "balance 100000.00 TRY"

    panel.control.set_fault("html")

    status, detail, advice = report(well("doctor", "--call", "--json"))["provider box"]
    assert (status, advice) == ("failed", "see: gateway providers test box")
    assert "HTML page" in detail


def test_what_stands_still_fails_and_says_how_to_start_it(
    cli: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)

    examined = cli("doctor", "--json")

    assert examined.code == 1
    found = report(examined)
    assert found["workers"][:2] == ("failed", "none alive")
    assert "dramatiq actors" in str(found["workers"][2])
    assert (
        found["scheduler"] == found["sweep"] == ("unknown", "unknown without the workers", "fix that first")
    )
    assert found["providers"][0] == found["encryption"][0] == "warning"

    be_alive(redis_url)
    status, detail, advice = report(cli("doctor", "--json"))["scheduler"]
    assert (status, detail) == ("failed", "never seen")
    assert "periodiq actors" in str(advice)


def test_a_new_system_may_not_have_swept_yet_but_an_older_one_must(
    cli: Run, models: Models, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    be_alive(redis_url)
    with models():
        database.rows("UPDATE referans.schema_migration SET applied = now() AT TIME ZONE 'UTC'")
    soon = "the first one comes within 5 min; now: gateway sweep"
    assert report(cli("doctor", "--json"))["sweep"] == ("warning", "none yet", soon)

    with models():
        database.rows("UPDATE referans.schema_migration SET applied = applied - interval '1 hour'")
    status, detail, advice = report(cli("doctor", "--json"))["sweep"]
    assert (status, detail) == ("failed", "never run")
    assert "worker" in str(advice)


def test_a_sweep_that_failed_or_is_old_is_told(well: Run, models: Models) -> None:
    """A worker has a minute to step in, and another one to begin."""
    with models():
        sweep_run.end(sweep_run.begin("worker"), {}, error="OperationalError: gone")
    assert "OperationalError: gone" in report(well("doctor", "--json"))["sweep"][1]

    with models():
        sweep_run.end(sweep_run.begin("worker"), {})
    assert report(well("doctor", "--json"))["sweep"][0] == "ok"
    for seconds, status in ((400, "ok"), (430, "failed")):
        with models():
            database.rows(
                "UPDATE referans.sweeps SET started_at = now() - make_interval(secs => %s)", (seconds,)
            )
        assert report(well("doctor", "--json"))["sweep"][0] == status
    assert report(well("doctor", "--json"))["sweep"][1] == "the last one began 7 min ago"


def test_a_provider_that_is_down_fails(well: Run, models: Models) -> None:
    with models():
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("box", "no answer in time", 30)
    examined = well("doctor", "--json")
    assert examined.code == 1
    assert report(examined)["provider box"][0] == "failed"


def test_pending_migrations_are_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    status, detail, advice = report(run("doctor", "--json"))["migrations"]
    assert (status, advice) == ("failed", "run: gateway migrate")
    assert "0001_product_orders" in detail


def test_with_both_servers_down_every_line_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hidden@127.0.0.1:9/nowhere")
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@127.0.0.1:9/0")

    examined = run("doctor", "--json")

    assert examined.code == 1
    assert "hidden" not in examined.out
    found = report(examined)
    assert (found["settings"][0], found["database"][0], found["broker"][0]) == ("ok", "failed", "failed")
    assert "DATABASE_URL" in str(found["database"][2]) and "REDIS_URL" in str(found["broker"][2])
    unknown = {name for name, (status, _, _) in found.items() if status == "unknown"}
    others = {"scheduler", "sweep", "providers", "stuck orders", "workers"}
    assert unknown == {"migrations", "pooler", "encryption"} | others
    assert all(advice for status, _, advice in found.values() if status != "ok")


def test_servers_that_never_answer_do_not_hang_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://127.0.0.1:{silent}/nowhere")
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{silent}/0")
    started = time.monotonic()

    found = report(run("doctor", "--json"))

    assert time.monotonic() - started < 1.9 * probes.PROBE_SECONDS
    assert (found["database"][0], found["broker"][0]) == ("failed", "failed")


def test_missing_settings_are_named_and_the_rest_is_still_looked_at(run: Run) -> None:
    found = report(run("doctor", "--json"))
    assert "DATABASE_URL is not set" in found["settings"][1]
    assert found["database"][0] == found["broker"][0] == "failed"


def test_a_bad_setting_is_the_only_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CHECKS", "many")
    examined = run("doctor", "--json")
    assert (examined.code, list(report(examined))) == (1, ["settings"])
    assert "MAX_CHECKS" in report(examined)["settings"][1]


def test_orders_of_another_system_at_a_provider_that_is_missing_are_named(
    well: Run, cli: Run, models: Models
) -> None:
    with models():
        for provider_id, age, word in (
            ("box", "1 min", "sent"),
            ("znet-b", "1 min", "queued"),
            ("znet-b", "2 min", "sent"),
            ("znet-c", "3 days", "sent"),
            ("znet-d", "1 min", "completed"),
            ("znet-e", "1 min", "Unknown"),
        ):
            database.rows(THEIRS, (provider_id, word, age))
    said = report(well("doctor", "--json"))["orders of others"]
    assert said[:2] == (
        "ok",
        "not followed, of the last day: 2 of provider znet-b, 1 of provider znet-e;"
        " to follow them: gateway providers add, with that id",
    )
    added = cli(
        *("providers", "add", "zent-b", "--adapter", "znet", "--base-url", "https://b.example"),
        *("--callback", "token"),
        stdin='{"kod": "1", "sifre": "2"}',
    )
    assert "not configured here: 2 znet-b, 1 znet-e" in added.err
    for missing in ("znet-b", "znet-e"):
        with models():
            provider.save(Provider(missing, "znet", "https://b.example", "token", ACCOUNT))
    assert "orders of others" not in report(well("doctor", "--json"))


THEIRS = """
INSERT INTO product_orders ("providerId", "externalStatus", provider_referans, "sentAt", status)
VALUES (%s, %s, 'DJ-' || gen_random_uuid(), now() - %s::interval, 'pending') RETURNING id
"""
