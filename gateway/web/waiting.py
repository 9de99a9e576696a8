"""Requests that wait for an order to change (`GET /orders/{id}?wait=`).

None of them holds a connection or asks the database. One thread of the process, which exists while any of them waits,
asks for all of them in one statement, and wakes those whose order has changed. What this process settles itself wakes
them at once. Why so: docs/decisions/0008-one-watcher-for-all-who-wait.md
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gateway import log
from gateway.background import Rounds
from gateway.web import problems
from gateway.web.errors import Problem
from models.db import database
from models.db.database import Use
from models.status import ExternalStatus

logger = log.get(__name__)

#: Requests that may wait in one process, unless it is told how many.
MOST = 600
#: One in so many places is kept for those who hold fewer than half of them: no tenant can take them all.
KEPT_ONE_IN = 10
#: Seconds between two questions to the database: for one request, and more for each further one.
PAUSE_SECONDS, PAUSE_PER_REQUEST_SECONDS = 0.1, 0.0003
#: `Retry-After` where too many wait, in seconds.
RETRY_AFTER_SECONDS = 2

#: The orders that are waited for, each with the word that is known of it; returns the positions of those that differ.
Look = Callable[[Sequence[tuple[str, ExternalStatus | None]]], Collection[int]]
#: Whose clients, of requests given by their WSGI environments, have hung up, by position.
HungUp = Callable[[Sequence[Mapping[str, Any]]], Collection[int]]


class Place:
    """The place of one request."""

    def __init__(
        self,
        order_id: str,
        known: ExternalStatus | None,
        until: float,
        env: Mapping[str, Any],
        holder: str,
    ) -> None:
        self.order_id = order_id
        self.holder = holder
        self.known = known
        self.env = env
        self._until = until
        self._news = threading.Event()
        self._is_over = False

    def wait(self) -> bool:
        """Wait until the order may have changed. False if the wait is over: the time is up, or it was ended."""
        has_news = self._news.wait(max(0.0, self._until - time.monotonic()))
        self._news.clear()
        return has_news and not self._is_over

    def wake(self) -> None:
        """The order may have changed."""
        self._news.set()

    def end(self) -> None:
        """The wait is over."""
        self._is_over = True
        self._news.set()


class Waiting:
    """All requests of a process that wait for an order."""

    def __init__(self, look: Look, *, most: int = MOST, hung_up: HungUp = lambda environments: ()) -> None:
        self._look = look
        self._most = most
        self._hung_up = hung_up
        self._lock = threading.Lock()
        self._places: dict[str, set[Place]] = {}
        self._count = 0
        self._held: Counter[str] = Counter()
        self._has_ended = False
        self._is_failing = False
        self._rounds = Rounds("waiting requests", self._all, self._ask, delay_seconds=PAUSE_SECONDS)
        self.drain = self._rounds.drain

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    @contextmanager
    def place(
        self,
        order_id: str,
        known: ExternalStatus | None,
        seconds: float,
        env: Mapping[str, Any],
        holder: str,
    ) -> Iterator[Place]:
        """A place for a request that waits until the order's word is not `known`, or final if that is None.

        `holder` is the tenant that waits, or the key without one. Raises a 503 if no place is left that it may have.
        """
        place = Place(order_id, known, time.monotonic() + seconds, env, holder)
        self._add(place)
        try:
            yield place
        finally:
            self._remove(place)

    def tell(self, order_ids: Iterable[str | None]) -> None:
        """These orders may have changed. Never waits and never raises."""
        if not self._places:
            return
        with self._lock:
            places = [place for each in order_ids for place in self._places.get(each or "", ())]
        for place in places:
            place.wake()

    def end(self) -> None:
        """The process ends: whoever waits, or comes still, gets the present state at once."""
        self._has_ended = True
        for place in self._all():
            place.end()

    def _add(self, place: Place) -> None:
        with self._lock:
            held = self._held[place.holder]
            kept = self._most // KEPT_ONE_IN if held >= self._most / 2 else 0
            if self._count >= self._most - kept:
                detail = (
                    f"{self._count} requests wait here already, {held} of them yours;"
                    f" ask again in {RETRY_AFTER_SECONDS} s"
                )
                raise Problem(problems.TOO_MANY_WAITING, detail, Retry_After=str(RETRY_AFTER_SECONDS))
            self._count += 1
            self._held[place.holder] += 1
            self._places.setdefault(place.order_id, set()).add(place)
        if self._has_ended:
            place.end()
        self._rounds.begin()

    def _remove(self, place: Place) -> None:
        with self._lock:
            self._count -= 1
            self._held[place.holder] -= 1
            if not self._held[place.holder]:
                del self._held[place.holder]
            places = self._places[place.order_id]
            places.remove(place)
            if not places:
                del self._places[place.order_id]

    def _all(self) -> list[Place]:
        with self._lock:
            return [place for places in self._places.values() for place in places]

    def _ask(self, places: Sequence[Place]) -> None:
        """Wake those whose order has changed. While the database is away, all go on waiting."""
        time.sleep(len(places) * PAUSE_PER_REQUEST_SECONDS)
        for position in self._hung_up([place.env for place in places]):
            places[position].end()
        wanted = list({(place.order_id, place.known): None for place in places})
        try:
            with database.session(Use.REQUEST):
                changed = {wanted[position] for position in self._look(wanted)}
            self._is_failing = False
        except Exception as error:
            if not self._is_failing:  # once for each outage
                logger.warning(
                    "Orders that are waited for could not be read.", action="watch_failed", error=str(error)
                )
            self._is_failing = True
            return
        for place in places:
            if (place.order_id, place.known) in changed:
                place.wake()
