"""Delivers callbacks: a few sender threads, one pooled session each, retries through the timers."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import requests

from gateway.dev.simulator import wire
from gateway.dev.simulator.book import Book, Order
from gateway.dev.simulator.callbacks import Message
from gateway.dev.simulator.pins import masked
from gateway.dev.simulator.timers import Timers

#: Seconds before the second, third, … try of a callback, and then before each.
RETRY_DELAYS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
#: Sender threads.
SENDERS = 8
#: Longest wait of `stop` for the senders' requests, in seconds.
STOP_SECONDS = 2.0
#: HTTP status of a receiver that wants no further tries.
GONE = 410


class Target(Protocol):
    """A receiver of callbacks."""

    @property
    def url(self) -> str: ...

    @property
    def style(self) -> str: ...

    @property
    def tries(self) -> int: ...

    def tells(self, message: Message) -> bool:
        """Whether there is a callback that says this."""

    def request(self, message: Message) -> wire.Request:
        """The request that carries it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages of one order; each is sent once the one before has arrived or was given up."""

    order: Order
    messages: tuple[Message, ...]
    tries: int = 0

    def rest(self) -> "Delivery | None":
        return Delivery(self.order, self.messages[1:]) if len(self.messages) > 1 else None


class Courier:
    """Delivers in the background; `deliver` never blocks. `target` may change at any time."""

    def __init__(self, book: Book, timers: Timers, echo: Callable[[str, str], None]) -> None:
        self.target: Target | None = None
        self._book = book
        self._timers = timers
        self._echo = echo
        self._waiting: queue.Queue[Delivery | None] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def deliver(self, order: Order, *messages: Message) -> None:
        """Send these messages, in this order, once a sender is free."""
        told = tuple(filter(self.target.tells, messages)) if self.target is not None else ()
        if told:
            self._waiting.put(Delivery(order, told))

    def waiting(self) -> int:
        """Deliveries that wait for a sender or are under way; retries wait in the timers."""
        return self._waiting.unfinished_tasks

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=self._run, name=f"simulator-sender-{number}", daemon=True)
            for number in range(SENDERS)
        ]
        self._stopping = False
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the requests under way; the rest is kept for the next start."""
        self._stopping = True
        for _ in self._threads:
            self._waiting.put(None)
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._stopping:
                self._take_one(session)

    def _take_one(self, session: requests.Session) -> None:
        delivery = self._waiting.get()
        if delivery is not None and self._stopping:
            self._waiting.put(delivery)
        elif delivery is not None:
            self._try(session, delivery)
        self._waiting.task_done()

    def _try(self, session: requests.Session, delivery: Delivery) -> None:
        order, message, target = delivery.order, delivery.messages[0], self.target
        if target is None or self._book.get(order.referans) is not order:
            return
        answer = wire.send(session, target.request(message))
        status = "HEAD" if message.is_head else message.state.value
        delivered = self._book.called_back(order, status, answer, message.brings)
        follow_up = self._after_try(delivery, target.tries, delivered, answer)
        self._echo("callback", f"{order.referans}  {_told(message)} -> {answer}{follow_up}")

    def _after_try(self, delivery: Delivery, tries: int, delivered: bool, answer: int | str) -> str:
        given_up = answer == GONE or delivery.tries + 1 >= tries or delivery.messages[0].is_head
        if not delivered and not given_up:
            return self._retry(delivery)
        if rest := delivery.rest():
            self._waiting.put(rest)
        return "" if delivered else ", given up"

    def _retry(self, delivery: Delivery) -> str:
        delay_seconds = RETRY_DELAYS_SECONDS[min(delivery.tries, len(RETRY_DELAYS_SECONDS) - 1)]
        again = Delivery(delivery.order, delivery.messages, delivery.tries + 1)
        self._timers.after(delay_seconds, lambda: self._waiting.put(again))
        return f", again in {delay_seconds:.15g} s"


def _told(message: Message) -> str:
    if message.is_head:
        return "HEAD"
    return f"{message.state.value}, {masked(message.pin)}{', badly signed' if message.forged else ''}"
