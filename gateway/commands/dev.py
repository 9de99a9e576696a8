"""`gateway dev`: everything on one machine, with one order to show that it works."""

import json
import os
import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import typer

from gateway import settings as settings_module
from gateway.commands import migrate
from gateway.commands.context import Problem, bound, explained
from gateway.commands.printing import say
from gateway.dev import demo as storefront
from gateway.dev import plan as plans
from gateway.dev import sandbox, simulator, stack
from gateway.dev.demo import DemoFailed, Storefront
from gateway.dev.plan import Plan, Taken
from gateway.dev.processes import Processes
from gateway.dev.servers import ServerError
from gateway.dev.stack import ChildEnded, NotReady
from gateway.dev.stopping import Stopped, ignore_signals, stoppable
from gateway.settings import Settings
from models.db import database

#: Lines of a demo's log that are shown when it fails.
TAIL_LINES = 30
#: Seconds to get the last lines of a process that has ended.
LAST_LINES_SECONDS = 3.0
PAUSE_SECONDS = 0.3
#: What other commands need to reach what runs here.
SHARED = ("DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS", "PUBLIC_URL")


def dev(
    demo: bool = typer.Option(
        False, "--demo", help="End once the order has its PIN: 0, or 1 after 60 s without."
    ),
    data: Path = typer.Option(
        Path(".data"), help="Where data and keys are kept between runs.", file_okay=False
    ),
    port: int = typer.Option(8000, envvar="PORT", min=1, max=65535, help="Port of the order API."),
    simulator_port: int = typer.Option(
        simulator.PORT, envvar="SIMULATOR_PORT", min=1, max=65535, help="Port of the provider simulator."
    ),
) -> None:
    """Start everything here: servers, web, worker, scheduler and a simulated provider; place an order, follow it.

    PostgreSQL and Valkey are started where DATABASE_URL or REDIS_URL is not set. Ctrl-C stops every process.

    Example: gateway dev --port 8001
    """
    try:
        directory = data.resolve()
        with stoppable(), plans.only_one(directory), ExitStack() as held:
            _run(plans.make(directory, port, simulator_port, evade=demo, say=say), demo, held)
    except Stopped:
        raise typer.Exit(1 if demo else 0) from None
    except (Taken, ServerError, ChildEnded, NotReady, DemoFailed, OSError) as error:
        raise Problem(str(error)) from None


def _begin_to_stop() -> None:
    ignore_signals()
    with suppress(OSError):  # the terminal may be gone
        say("Stopping every process …")


def _run(plan: Plan, demo: bool, held: ExitStack) -> None:
    """Whatever `held` gets is stopped when it ends, the processes before the servers."""
    try:
        environ = stack.environment(os.environ, plan)
        environ |= stack.start_servers(os.environ, plan, held, say)
        secret, key = _prepare(plan, settings_module.load_or_exit(environ))
        _keep_environment(plan, environ)
        processes = held.enter_context(_demo_processes(plan, held) if demo else Processes())
        _start(plan, processes, environ, secret)
        _introduce(plan, key)
        _show_order(plan, key, processes, demo)
        _stay(processes, demo)
    except (ChildEnded, NotReady, DemoFailed) as error:
        _explain(plan, error, demo)
        raise
    finally:
        _begin_to_stop()


def _prepare(plan: Plan, settings: Settings) -> tuple[str, str]:
    """The schema brought up to date, and the sandbox and a key in it: the sandbox's callback secret, and the key."""
    url = settings.database_url.get_secret_value()
    migrate.wait_for_database(url, migrate.PATIENCE_SECONDS)
    with explained():
        migrate.apply(url)
    with bound(settings, pool_size=1), explained(), database.session():
        return sandbox.add_provider(plan.simulator_url), sandbox.development_key(plan.key_file)


def _keep_environment(plan: Plan, environ: Mapping[str, str]) -> None:
    lines = [f"{name}={shlex.quote(environ[name])}" for name in SHARED]
    stack.write_private(plan.environment_file, "\n".join(lines))


def _demo_processes(plan: Plan, held: ExitStack) -> Processes:
    """Their output goes into a file: what a newcomer is to see is the order."""
    log: IO[str] = held.enter_context(plan.log.open("w", buffering=1))

    def write(line: str) -> None:
        log.write(line + "\n")

    return Processes(echo=write, colour=False)


def _start(plan: Plan, processes: Processes, environ: Mapping[str, str], secret: str) -> None:
    say("Starting simulator, web, worker and scheduler …")
    stack.start_processes(processes, plan, environ, secret)
    stack.wait_until_ready(plan, processes)


def _introduce(plan: Plan, key: str) -> None:
    say(
        f"""
Referans runs.
  Order API   {plan.url}/orders
  Health      {plan.url}/health/ready
  Simulator   {plan.simulator_url}/sim/orders
  API key     {key}

Place an order:
  curl {plan.url}/orders -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' -d '{json.dumps(storefront.ORDER)}'
Other commands, in another terminal:
  set -a; . {shlex.quote(str(plan.environment_file))}; set +a; gateway doctor
"""
    )


def _show_order(plan: Plan, key: str, processes: Processes, demo: bool) -> None:
    try:
        storefront.show_one_order(Storefront(plan.url, key), say, lambda: stack.watch(processes))
    except DemoFailed as error:
        if demo:
            raise
        say(f"The order went wrong: {error}")


def _stay(processes: Processes, demo: bool) -> None:
    if not demo:
        say("Everything stays up; Ctrl-C stops it.")
    while not demo:
        stack.watch(processes)
        time.sleep(PAUSE_SECONDS)


def _explain(plan: Plan, error: Exception, demo: bool) -> None:
    """What a demo has not put on the screen."""
    name = ""
    if isinstance(error, ChildEnded):
        name = error.process.name
        error.process.join(LAST_LINES_SECONDS)
    if demo:
        lines = [line for line in plan.log.read_text().splitlines() if line.startswith(name)]
        say("\n".join([f"The log {plan.log} ends with:", *lines[-TAIL_LINES:]]))
