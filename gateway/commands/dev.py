"""`gateway dev`: the whole system on one machine, and one order to show that it works."""

import json
import os
import shlex
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

import typer

from gateway import settings as settings_module
from gateway.commands import migrate
from gateway.commands import provider_options as option
from gateway.commands.context import Problem, bound, explained
from gateway.commands.invocation import program, short
from gateway.commands.printing import block, say
from gateway.dev import demo as storefront
from gateway.dev import parent as parents
from gateway.dev import plan as plans
from gateway.dev import sandbox, simulator, stack
from gateway.dev.demo import DemoFailed, Storefront
from gateway.dev.plan import Choice, Plan, Taken
from gateway.dev.processes import Processes
from gateway.dev.restarts import ChildEnded, Restarts
from gateway.dev.servers import ServerError
from gateway.dev.stack import NotReady
from gateway.dev.stopping import Stopped, ignore_signals, stoppable
from gateway.settings import Settings
from models.db import database

#: Lines of a demo's log that are shown when it fails.
TAIL_LINES = 30
#: Longest wait for the last lines of a process that has ended, in seconds.
LAST_LINES_SECONDS = 3.0
PAUSE_SECONDS = 0.3
#: What the orders of another protocol than znet do, one after the other.
CALLED_BACK, POLLED = "callback+after=1", "poll+after=1"
ENDINGS = (CALLED_BACK, POLLED)
#: Variables with which other commands reach this system, and show the same times.
SHARED = (
    "DATABASE_URL",
    "DATABASE_SCHEMA",
    "REDIS_URL",
    "ENCRYPTION_KEYS",
    "PUBLIC_URL",
    "TIMEZONE",
    "NOTIFY_URL",
    "NOTIFY_SECRET",
)


PROTOCOLS = (simulator.ZNET, *simulator.protocols())


def _protocol(value: str) -> str:
    return option.one_of(PROTOCOLS, value)


def dev(
    demo: bool = typer.Option(
        False, "--demo", help="Exit once the order has its PIN: with 0, or with 1 if it has none after 60 s."
    ),
    provider: str = typer.Option(
        simulator.ZNET,
        help=f"Protocol of the simulated provider: {', '.join(PROTOCOLS)}.",
        callback=_protocol,
    ),
    data: Path = typer.Option(
        Path(".data"), help="Directory for data and keys, kept between runs.", file_okay=False
    ),
    port: int = typer.Option(8000, envvar="PORT", min=1, max=65535, help="Port of the order API."),
    simulator_port: int = typer.Option(
        simulator.PORT, envvar="SIMULATOR_PORT", min=1, max=65535, help="Port of the provider simulator."
    ),
    storefront_port: int = typer.Option(
        8080, envvar="STOREFRONT_PORT", min=1, max=65535, help="Port of the example storefront."
    ),
    parent: int | None = typer.Option(
        None, hidden=True, help="Stop when this process, which started this one, ends; `make` passes itself."
    ),
) -> None:
    """Run the whole system on this machine, and show one order from start to end.

    Starts web, worker, scheduler, a simulated provider and an example storefront, and PostgreSQL and Valkey unless
    DATABASE_URL and REDIS_URL are set. Then it stays up; Ctrl-C stops every process. A process that ends is started
    again.

    With --provider it is one that speaks another protocol. Its orders are shown as they end by callback, where the
    protocol has callbacks, and by check.

    \b
    Example: gateway dev --port 8001
    Example: gateway dev --demo --provider zdk
    """
    again = "make run {variable}={port}" if parent else f"{program()} dev {{option}} {{port}}"
    try:
        directory = data.resolve()
        with stoppable(), plans.only_one(directory), ExitStack() as held:
            if parent:
                parents.follow(parent)
            choice = Choice(evade=demo, advice=again, say=say)
            plan = plans.make(directory, port, simulator_port, storefront_port, choice)
            _run(plan, demo, provider, held)
    except Stopped:
        raise typer.Exit(1 if demo else 0) from None
    except (Taken, ServerError, ChildEnded, NotReady, DemoFailed, OSError) as error:
        raise Problem(str(error)) from None


def _run(plan: Plan, demo: bool, protocol: str, held: ExitStack) -> None:
    """Start everything; `held` stops it, the processes before the servers."""
    try:
        environ = stack.environment(os.environ, plan, protocol)
        environ |= stack.start_servers(os.environ, plan, held, say)
        settings = settings_module.load_or_exit(environ)
        made = _prepare(plan, settings, protocol)
        lines = [f"{name}={shlex.quote(environ[name])}" for name in SHARED if name in environ]
        stack.write_private(plan.environment_file, "\n".join(lines))
        processes = held.enter_context(_demo_processes(plan, held) if demo else Processes())
        say("Starting simulator, web, worker, scheduler and storefront …")
        stack.start_processes(processes, plan, environ, made.callback_secret, made.storefront_key, protocol)
        stack.wait_until_ready(plan, processes)
        restarts = Restarts(processes)
        _introduce(plan, made.key)
        shop = Storefront(plan.url, made.key, is_told_at=plan.told_at(environ))
        zone = ZoneInfo(settings.timezone)
        for words in ENDINGS if protocol != simulator.ZNET else ("",):
            if words != CALLED_BACK or simulator.calls_back(protocol):
                _show_order(shop, restarts, zone, demo, plan.simulator_url, words)
        if not demo:
            say("Everything stays up; Ctrl-C stops it.")
        while not demo:
            restarts.look()
            time.sleep(PAUSE_SECONDS)
    except (ChildEnded, NotReady, DemoFailed) as error:
        _explain(plan, error, demo)
        raise
    finally:
        ignore_signals()
        with suppress(OSError):  # the terminal may be gone
            say("Stopping every process …")


class Secrets(NamedTuple):
    """What was made for this system."""

    callback_secret: str
    key: str
    storefront_key: str


def _prepare(plan: Plan, settings: Settings, protocol: str) -> Secrets:
    """Migrate, add the sandbox and the keys."""
    url = settings.database_url.get_secret_value()
    migrate.wait_for_database(url, migrate.PATIENCE_SECONDS)
    migrate.apply(url, settings.database_schema)
    with bound(settings, pool_size=1), explained(), database.session():
        return Secrets(
            sandbox.add_provider(plan.simulator_url, protocol),
            sandbox.key(plan.key_file, *sandbox.DEVELOPMENT),
            sandbox.key(plan.storefront_key_file, *sandbox.STOREFRONT),
        )


def _demo_processes(plan: Plan, held: ExitStack) -> Processes:
    """Their output goes into a file, so that the screen shows the order."""
    log: IO[str] = held.enter_context(plan.log.open("w", buffering=1))

    def write(line: str) -> None:
        log.write(line + "\n")

    return Processes(echo=write, colour=False)


def _introduce(plan: Plan, key: str) -> None:
    block(
        f"""
Referans is running.
  Order API   {plan.url}/orders
  Health      {plan.url}/health/ready
  Its pages   {plan.url}/docs
  Storefront  {plan.storefront_url}
  Simulator   {plan.simulator_url}/sim/orders
  API key     {key}

Place an order:
  curl {plan.url}/orders -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' -d '{json.dumps(storefront.ORDER)}'
Other commands, in another terminal in this directory:
  set -a; . {shlex.quote(short(plan.environment_file))}; set +a
  {program()} doctor
"""
    )


def _show_order(
    shop: Storefront, restarts: Restarts, zone: ZoneInfo, demo: bool, simulator_url: str, words: str
) -> None:
    try:
        if words:
            say(f"The next order ends by {'callback' if words == CALLED_BACK else 'check'}:")
            storefront.let_next_orders(simulator_url, words)
        storefront.show_one_order(shop, zone, say, restarts.look, needs_pin=not words)
    except DemoFailed as error:
        if demo:
            raise
        say(f"The order failed: {error}")


def _explain(plan: Plan, error: Exception, demo: bool) -> None:
    """Show what a demo has kept off the screen."""
    name = ""
    if isinstance(error, ChildEnded):
        name = error.process.name
        error.process.join(LAST_LINES_SECONDS)
    if demo:
        lines = [line for line in plan.log.read_text().splitlines() if line.startswith(name)]
        block("\n".join([f"The log {plan.log} ends with:", *lines[-TAIL_LINES:]]))
