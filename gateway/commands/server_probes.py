"""The checks of `gateway doctor` on the servers and on our own processes."""

from contextlib import ExitStack, closing
from typing import Any

import psycopg2

from gateway import broker
from gateway.commands.printing import counted, duration
from gateway.commands.probes import Finding, Status
from gateway.dev.stack import COMMANDS
from gateway.fulfilment.recovery import AGAIN_SECONDS, WRONG_KEYS
from gateway.settings import Settings
from models import readiness, sweep_run
from models.db import database, pin_column, pins, state
from models.db.pins import SealPins
from models.sweep_run import GRACE_SECONDS

#: Oldest supported PostgreSQL, as server_version_num.
OLDEST_POSTGRES = 130_000
#: Time limit of a connection that is opened for a check, in seconds.
CONNECT_SECONDS = 3
VERSION = """
SELECT current_setting('server_version_num')::int AS number,
       split_part(current_setting('server_version'), ' ', 1) AS text
"""
SCHEMA_AGE = """
SELECT EXTRACT(EPOCH FROM (now() AT TIME ZONE 'UTC') - min(applied))::float8 AS seconds FROM referans.schema_migration
"""
#: Seconds without a tick after which the scheduler counts as dead; it ticks each minute, through queue and worker. One
#: that is dead is named within two minutes, even if it died just after a tick.
SCHEDULER_SILENCE_SECONDS = 110.0


def postgres(settings: Settings) -> list[Finding]:
    """The database answers and is new enough."""
    name = "database"
    if not settings.database_url.get_secret_value():
        return [Finding(name, Status.FAILED, "DATABASE_URL is not set", "set it to a postgresql:// URL")]
    with database.session():
        row = database.rows(VERSION)[0]
    if row["number"] < OLDEST_POSTGRES:
        old = f"PostgreSQL {row['text']} is too old"
        return [Finding(name, Status.FAILED, old, "upgrade to PostgreSQL 13 or later")]
    return [Finding(name, Status.OK, f"PostgreSQL {row['text']}")]


def database_writes(_: Settings) -> list[Finding]:
    """The database takes what placing an order and following it writes; a row is written and rolled back."""
    name = "database writes"
    with database.session():
        if obstacle := readiness.obstacle():
            return [Finding(name, Status.FAILED, obstacle.cause, obstacle.cure)]
        readiness.write_and_undo()
    return [Finding(name, Status.OK, "written and rolled back")]


def pooler(settings: Settings) -> list[Finding]:
    """A connection keeps its PostgreSQL session, in which statements are prepared, while others are at work."""
    url = settings.database_url.get_secret_value()
    with ExitStack() as stack:
        ours, *others = (
            stack.enter_context(closing(psycopg2.connect(url, connect_timeout=CONNECT_SECONDS)))
            for _ in range(3)
        )
        ours.autocommit = True
        before = _session(ours)
        for other in others:
            _session(other)  # its transaction stays open, and keeps a session of a pooler
        after = _session(ours)
    if before != after:
        cause = "one in transaction mode stands before PostgreSQL: prepared statements are lost"
        cure = "point DATABASE_URL at PostgreSQL itself, or at a pooler in session mode"
        return [Finding("pooler", Status.FAILED, cause, cure)]
    return [Finding("pooler", Status.OK, "none in transaction mode")]


def _session(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def migrations(_: Settings) -> list[Finding]:
    """The schema is up to date."""
    with database.session():
        pool = database.database.obj
        missing = state.read(pool).in_words()
        limit = pin_column.limit(pool)
        narrow = f"; {pin_column.in_words(limit, pin_column.users(pool))}" if limit else ""
    if missing:
        return [Finding("migrations", Status.FAILED, missing, "run: gateway migrate")]
    return [Finding("migrations", Status.OK, f"all applied{narrow}")]


def encryption(settings: Settings) -> list[Finding]:
    """PINs and credentials are encrypted at rest, and our keys open them."""
    name, many = "encryption", len(settings.encryption_keys)
    with database.session():
        are_wrong = readiness.keys_open_nothing()
    if are_wrong:
        cause = "no key of ENCRYPTION_KEYS opens what is stored" if many else "ENCRYPTION_KEYS is not set"
        cure = "in every process, set it to the keys that sealed credentials and codes; a new key goes in front of them"
        return [Finding(name, Status.FAILED, f"{cause}: no order can be sent", cure)]
    if many:
        return [Finding(name, Status.OK, counted(many, "key"))]
    make = "set ENCRYPTION_KEYS to a Fernet key"
    return [Finding(name, Status.WARNING, "PINs and credentials are stored in clear", make)]


def pin_codes(settings: Settings) -> list[Finding]:
    """How codes stand in the orders table, which a storefront beside the gateway may read."""
    if not settings.encryption_keys:
        return []  # the check of the encryption says so
    choice = SealPins(settings.seal_pins)
    with database.session():
        found = pins.read(choice)
    by = "as gateway migrate has decided" if choice is SealPins.AUTO else "as SEAL_PINS says"
    own = "in clear" if found.own_in_clear else "sealed"
    both = (
        own if found.theirs_in_clear is found.own_in_clear else f"{own}, in clear on orders of another system"
    )
    return [Finding("codes", Status.OK, f'in "pinCode" {both}, {by}')]


def redis_server(settings: Settings) -> list[Finding]:
    """The broker answers."""
    name = "broker"
    if not settings.redis_url.get_secret_value():
        return [Finding(name, Status.FAILED, "REDIS_URL is not set", "set it to a redis:// or rediss:// URL")]
    info: Any = broker.make_client(settings, strict=True).info("server")
    if "valkey_version" in info:
        return [Finding(name, Status.OK, f"Valkey {info['valkey_version']}")]
    return [Finding(name, Status.OK, f"Redis {info['redis_version']}")]


def broker_writes(settings: Settings) -> list[Finding]:
    """The broker takes messages; a key is set, and goes by itself."""
    name = "broker writes"
    if obstacle := broker.obstacle(broker.make_client(settings, strict=True)):
        return [Finding(name, Status.FAILED, obstacle.cause, obstacle.cure)]
    return [Finding(name, Status.OK, "written")]


def workers(settings: Settings) -> list[Finding]:
    """At least one worker is alive."""
    alive = broker.workers_alive(broker.make_client(settings, strict=True), settings.heartbeat_timeout)
    if not alive:
        return [Finding("workers", Status.FAILED, "none alive", f"start one: {COMMANDS['worker']}")]
    return [Finding("workers", Status.OK, f"{alive} alive")]


def worker_keys(_: Settings) -> list[Finding]:
    """No worker has other keys than this process: late orders would show it, but not why."""
    with database.session():
        silence = sweep_run.silence_seconds(WRONG_KEYS)
    if silence is None or silence > AGAIN_SECONDS:
        return []
    cause = f"one runs with ENCRYPTION_KEYS that open nothing (seen {duration(silence)} ago)"
    return [Finding("worker keys", Status.FAILED, cause, "give it the keys of the others, and restart it")]


def scheduler(_: Settings) -> list[Finding]:
    """The scheduler's tick arrives each minute, through queue and worker."""
    with database.session():
        silence = sweep_run.silence_seconds("scheduler")
    start = f"start it: {COMMANDS['scheduler']}; it ticks each minute"
    if silence is None:
        return [Finding("scheduler", Status.FAILED, "never seen", start)]
    if silence >= SCHEDULER_SILENCE_SECONDS:
        return [Finding("scheduler", Status.FAILED, f"silent for {duration(silence)}", start)]
    return [Finding("scheduler", Status.OK, f"seen {duration(silence)} ago")]


def sweep(settings: Settings) -> list[Finding]:
    """The last sweep is recent and has succeeded; a new system may not have had one yet.

    GRACE_SECONDS after the scheduler missed one, a worker sweeps by itself; it is given as long to begin.
    """
    latest = settings.sweep_period_seconds + 2 * GRACE_SECONDS
    with database.session():
        last = sweep_run.last()
        is_new = database.rows(SCHEMA_AGE)[0]["seconds"] < latest
    return [_of_sweep(last, is_new, latest, settings.sweep_period_seconds)]


def _of_sweep(
    last: sweep_run.Sweep | None, is_new: bool, latest_seconds: float, period_seconds: float
) -> Finding:
    if last is None and is_new:
        return Finding(
            "sweep",
            Status.WARNING,
            "none yet",
            f"the first one comes within {duration(period_seconds)}; now: gateway sweep",
        )
    start = "restart the workers, which sweep even without the scheduler; now: gateway sweep"
    if last is None:
        return Finding("sweep", Status.FAILED, "never run", start)
    age = duration(last.age_seconds)
    if last.error:
        again = "see the worker's log; again: gateway sweep"
        return Finding("sweep", Status.FAILED, f"failed {age} ago: {last.error}", again)
    if last.age_seconds > latest_seconds:
        return Finding("sweep", Status.FAILED, f"the last one began {age} ago", start)
    return Finding("sweep", Status.OK, f"{age} ago, by the {last.started_by}")
