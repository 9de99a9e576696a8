"""One piece of work on several orders, in a person's name."""

import getpass
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
import typer

from gateway import broker
from gateway.commands import printing
from gateway.commands.context import Problem, find_order
from gateway.commands.invocation import as_typed
from gateway.settings import Settings
from models import resolving, stuck
from models.db import sealed
from models.order import Order
from models.status import Attention
from models.stuck import Limits

#: Time limit of a hint to the workers, in seconds.
BELL_SECONDS = 3.0
#: Long work says how far it is after so many orders.
PROGRESS_EVERY = 100


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about one order."""

    order: Order
    #: What it is now and what comes next, in a sentence.
    note: str
    #: The same for a program.
    fields: dict[str, Any]


@dataclass(slots=True)
class Batch:
    """One piece of work on several orders; one that fails does not stop the others. Needs an open session."""

    settings: Settings
    names: Sequence[str]
    json: bool
    done: list[Done] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, act: Callable[[Order], Done]) -> None:
        """Act on each order, and print what became of it. Raises Problem or typer.Exit if one failed."""
        for number, name in enumerate(self.names, start=1):
            try:
                self._one(name, act)
            except Problem as problem:
                if len(self.names) == 1:
                    raise
                self.failed[name] = str(problem)
                printing.note(f"error: {problem}")
            if number % PROGRESS_EVERY == 0 and number < len(self.names):
                printing.note(f"{number} of {len(self.names)} …")
        self._sum_up()

    def _one(self, name: str, act: Callable[[Order], Done]) -> None:
        try:
            done = act(find_order(name, Limits.of(self.settings)))
        except (resolving.NotPossible, sealed.Unsealable) as error:
            raise Problem(str(error)) from None
        self.done.append(done)
        if not self.json:
            printing.say(as_typed(done.note))

    def _sum_up(self) -> None:
        if self.json:
            failed = [{"id": name, "error": error} for name, error in self.failed.items()]
            orders = [{"id": one.order.id, **one.fields} for one in self.done]
            printing.as_json({"orders": orders, "failed": failed})
        elif len(self.names) != 1:
            printing.say(f"{len(self.done)} done, {len(self.failed)} failed")
        if self.failed:
            raise typer.Exit(1)


def chosen(ids: list[str] | None, kind: Attention | None, settings: Settings, yes: bool) -> list[str]:
    """The orders that a command is about; of a kind, their number is said first. Needs an open session.

    Raises typer.BadParameter, typer.Abort.
    """
    if bool(ids) == (kind is not None):
        raise typer.BadParameter("takes the ids of orders, or --all-stuck, but not both", param_hint="ID")
    if kind is None:
        return list(dict.fromkeys(ids or []))
    found = stuck.ids(Limits.of(settings), kind)
    orders = "1 order needs" if len(found) == 1 else f"{len(found)} orders need"
    printing.note(f"{orders} a person for this reason: {kind}")
    if found and sys.stdin.isatty() and not yes:
        typer.confirm("Go on?", abort=True, err=True)
    return found


def person(name: str | None) -> str:
    """Who decides: `name`, or the login name. Raises Problem."""
    if name and name.strip():
        return name.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Problem("this user has no login name; say who decides: --as NAME") from None


@dataclass(slots=True)
class Waker:
    """Tells workers about orders, if the queue answers; otherwise the sweep finds what is planned."""

    settings: Settings
    _is_up: bool | None = None

    def wake(self, actor_name: str, order_id: str) -> bool:
        """True if a worker was told."""
        if self._opened():
            broker.wake(actor_name, order_id)
        return self._opened() and broker.drain(BELL_SECONDS)

    def wake_notifier(self) -> bool:
        """True if a worker was told that the storefront is to be told of something."""
        if self._opened():
            broker.wake_notifier()
        return self._opened() and broker.drain(BELL_SECONDS)

    def _opened(self) -> bool:
        if self._is_up is None:
            self._is_up = self._open()
        return self._is_up

    def _open(self) -> bool:
        if not self.settings.redis_url.get_secret_value():
            return False
        try:
            broker.ping(self.settings)
        except redis.RedisError:
            return False
        broker.install(broker.Bell(broker.make_broker(self.settings, strict=True)))
        return True
