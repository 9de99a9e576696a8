"""The checks of `gateway doctor`: each probe asks one question and returns one finding."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import peewee
import redis

from gateway import broker, outbound
from gateway.commands.context import explained, first_line
from gateway.commands.printing import duration
from gateway.commands.providers import state
from gateway.dev.stack import COMMANDS
from gateway.providers import adapter_for
from gateway.providers.base import ProviderError
from gateway.settings import Settings
from models import provider, provider_health, stuck, sweep_run
from models.db import database, migrate, sealed
from models.provider import Provider

#: Time limit of a probe, in seconds.
PROBE_SECONDS = 5.0
#: Oldest supported PostgreSQL, as server_version_num.
OLDEST_POSTGRES = 130_000
VERSION = """
SELECT current_setting('server_version_num')::int AS number,
       split_part(current_setting('server_version'), ' ', 1) AS text
"""
SCHEMA_AGE = """
SELECT EXTRACT(EPOCH FROM (now() AT TIME ZONE 'UTC') - min(applied))::float8 AS seconds FROM schema_migration
"""
#: Seconds without a tick after which the scheduler counts as dead; it ticks each minute, through queue and worker.
SCHEDULER_SILENCE_SECONDS = 150.0
#: How late a sweep may be, beyond two periods, in seconds.
SWEEP_SLACK_SECONDS = 60.0
#: Highest number to which stuck orders are counted.
MOST_STUCK = 1000


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    #: Works, but needs a look.
    WARNING = "warning"
    FAILED = "failed"
    #: Unknown, because something it needs has failed.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    status: Status
    detail: str
    #: What to do about it.
    next: str | None = None


Probe = Callable[[], Finding]

#: What to do if a probe itself fails.
ADVICE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (database.UNAVAILABLE, "check that DATABASE_URL is right and the server is running"),
    ((redis.RedisError,), "check that REDIS_URL is right and the server is running"),
    ((peewee.ProgrammingError,), "run: gateway migrate"),
    ((sealed.Unsealable,), "set ENCRYPTION_KEYS to the keys that sealed it"),
)


def together(probes: Mapping[str, Probe], timeout_seconds: float = PROBE_SECONDS) -> list[Finding]:
    """Run all at once, each in a thread of its own; a probe that takes longer than the timeout has failed."""
    answers = {name: _asked(name, probe) for name, probe in probes.items()}
    return [_answer(name, answer, timeout_seconds) for name, answer in answers.items()]


def _asked(name: str, probe: Probe) -> "queue.SimpleQueue[Finding]":
    answer: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_safely(name, probe)), name=name, daemon=True).start()
    return answer


def _answer(name: str, answer: "queue.SimpleQueue[Finding]", timeout_seconds: float) -> Finding:
    try:
        return answer.get(timeout=timeout_seconds)
    except queue.Empty:
        return Finding(
            name, Status.FAILED, f"no answer within {timeout_seconds:g} s", "check whether it is overloaded"
        )


def _safely(name: str, probe: Probe) -> Finding:
    try:
        return probe()
    except Exception as error:
        advice = next((advice for kinds, advice in ADVICE if isinstance(error, kinds)), "see the logs")
        return Finding(name, Status.FAILED, first_line(error), advice)


def postgres(settings: Settings) -> Finding:
    """The database answers and is new enough."""
    name = "database"
    if not settings.database_url.get_secret_value():
        return Finding(name, Status.FAILED, "DATABASE_URL is not set", "set it to a postgresql:// URL")
    with database.session():
        row = database.rows(VERSION)[0]
    if row["number"] < OLDEST_POSTGRES:
        return Finding(
            name, Status.FAILED, f"PostgreSQL {row['text']} is too old", "upgrade to PostgreSQL 13 or later"
        )
    return Finding(name, Status.OK, f"PostgreSQL {row['text']}")


def migrations(_: Settings) -> Finding:
    """The schema is up to date."""
    with database.session():
        missing = migrate.pending(database.database.obj)
    if missing:
        return Finding("migrations", Status.FAILED, f"missing: {', '.join(missing)}", "run: gateway migrate")
    return Finding("migrations", Status.OK, "all applied")


def redis_server(settings: Settings) -> Finding:
    """The broker answers."""
    name = "broker"
    if not settings.redis_url.get_secret_value():
        return Finding(name, Status.FAILED, "REDIS_URL is not set", "set it to a redis:// or rediss:// URL")
    info: Any = broker.make_client(settings, strict=True).info("server")
    if "valkey_version" in info:
        return Finding(name, Status.OK, f"Valkey {info['valkey_version']}")
    return Finding(name, Status.OK, f"Redis {info['redis_version']}")


def workers(settings: Settings) -> Finding:
    """At least one worker is alive."""
    alive = broker.workers_alive(broker.make_client(settings, strict=True), settings.heartbeat_timeout)
    if not alive:
        return Finding("workers", Status.FAILED, "none alive", f"start one: {COMMANDS['worker']}")
    return Finding("workers", Status.OK, f"{alive} alive")


def scheduler(_: Settings) -> Finding:
    """The scheduler's tick arrives each minute, through queue and worker."""
    with database.session():
        silence = sweep_run.silence_seconds("scheduler")
    start = f"start it: {COMMANDS['scheduler']} (and a worker); it ticks each minute"
    if silence is None:
        return Finding("scheduler", Status.FAILED, "never seen", start)
    if silence >= SCHEDULER_SILENCE_SECONDS:
        return Finding("scheduler", Status.FAILED, f"silent for {duration(silence)}", start)
    return Finding("scheduler", Status.OK, f"seen {duration(silence)} ago")


def sweep(settings: Settings) -> Finding:
    """The last sweep is recent and has succeeded; a new system may not have had one yet."""
    latest = 2 * settings.sweep_period_seconds + SWEEP_SLACK_SECONDS
    with database.session():
        last = sweep_run.last()
        is_new = database.rows(SCHEMA_AGE)[0]["seconds"] < latest
    if last is None and is_new:
        soon = f"the first one comes within {duration(settings.sweep_period_seconds)}"
        return Finding("sweep", Status.WARNING, "none yet", soon)
    start = "check that a worker is running: it sweeps even without the scheduler"
    if last is None:
        return Finding("sweep", Status.FAILED, "never run", start)
    age = duration(last.age_seconds)
    if last.error:
        return Finding("sweep", Status.FAILED, f"failed {age} ago: {last.error}", "see the worker's log")
    if last.age_seconds > latest:
        return Finding("sweep", Status.FAILED, f"the last one began {age} ago", start)
    return Finding("sweep", Status.OK, f"{age} ago, by the {last.started_by}")


def encryption(settings: Settings) -> Finding:
    """PINs and credentials are encrypted at rest."""
    if settings.encryption_keys:
        many = len(settings.encryption_keys)
        return Finding("encryption", Status.OK, f"{many} key{'s' if many > 1 else ''}")
    make = "set ENCRYPTION_KEYS to a Fernet key"
    return Finding("encryption", Status.WARNING, "PINs and credentials are stored in clear", make)


def stuck_orders(settings: Settings) -> Finding:
    """No order waits longer than it should."""
    with database.session():
        found = min(MOST_STUCK, sum(stuck.counts(stuck.Limits.of(settings)).values()))
    if not found:
        return Finding("stuck orders", Status.OK, "none")
    many = f"{found} or more" if found == MOST_STUCK else str(found)
    return Finding("stuck orders", Status.WARNING, many, "see: gateway orders list --stuck")


def providers() -> list[Provider]:
    """All configured providers. Raises Problem."""
    with explained(), database.session():
        return provider.every()


def callback_formats(accounts: Sequence[Provider]) -> Finding:
    """The format of every provider's callbacks is chosen, and not guessed from what came."""
    name = "callback formats"
    guessed = [
        account.id for account in accounts if account.callback != "none" and not account.callback_format
    ]
    if not guessed:
        return Finding(name, Status.OK, "chosen")
    choose = "gateway providers set ID --callback-format protocol|neutral"
    return Finding(name, Status.WARNING, f"read both formats: {', '.join(guessed)}", f"choose one: {choose}")


def health(account: Provider) -> Finding:
    """Whether the last calls to the provider succeeded."""
    with database.session():
        found = provider_health.health(account.id)
    name = f"provider {account.id}"
    if found is None or not found.failures:
        return Finding(name, Status.OK, state(found))
    status = Status.FAILED if found.down else Status.WARNING
    return Finding(name, status, state(found), f"see: gateway providers test {account.id}")


def balance(account: Provider) -> Finding:
    """Ask the provider for its balance."""
    name = f"provider {account.id}"
    client = outbound.Client(
        connect_timeout_seconds=PROBE_SECONDS / 2,
        read_timeout_seconds=PROBE_SECONDS,
        deadline_seconds=PROBE_SECONDS,
    )
    try:
        found = adapter_for(account, client).balance()
    except ProviderError as error:
        return Finding(name, Status.FAILED, str(error), f"see: gateway providers test {account.id}")
    return Finding(name, Status.OK, f"balance {found.amount} {found.currency}")
