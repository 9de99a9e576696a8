"""Doing together what arrives at once: one statement and one commit for many callbacks, or for many orders.

What arrives while a statement is under way waits for its end and goes together in the next one; nobody waits for
company. A batch that fails is taken apart, so that one bad item fails only whoever brought it; but only after errors
that say that nothing was done, or where doing it again does no harm.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

#: Statements under way at once in one process, at most.
LANES = 2
#: Seconds after which a statement counts as held up (by a row that somebody has locked, as a rule), so that the next
#: one goes beside it. Before that one lane is faster than two: its batches are larger.
PATIENCE_SECONDS = 0.1


class Stopped(RuntimeError):
    """Whoever acted for this caller was stopped, and nobody knows how far it had come."""


class _Share(Generic[Item, Done]):
    """What one caller brought, and what became of it."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.done: list[Done] | None = None
        self.error: Exception | None = None
        #: Whether this caller has a lane, and is to act for all who wait.
        self.leads = False
        # Held until there is news; a plain lock wakes faster than an event.
        self._news = threading.Lock()
        self._news.acquire()

    def wait(self) -> None:
        self._news.acquire()

    def wake(self) -> None:
        self._news.release()

    def lead(self) -> None:
        """Act for all who wait."""
        self.leads = True
        self.wake()


class Batcher(Generic[Item, Done]):
    """`run` takes items like `do`, from any number of threads; `do` gets up to `limit` of them from all of these.

    `do` answers each item, in their order. After an error that `may_repeat` allows everybody goes alone; any other, a
    lost connection say, may have come when all was done, and is everybody's. `pause` lets callers run who are there but
    have not joined yet.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Item]], list[Done]],
        limit: int,
        *,
        may_repeat: Callable[[BaseException], bool],
        pause: Callable[[], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._do = do
        self._limit = limit
        self._may_repeat = may_repeat
        self._pause = pause
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._waiting: deque[_Share[Item, Done]] = deque()
        self._under_way = 0
        #: When the last statement began.
        self._began_at = 0.0

    def run(self, items: Sequence[Item]) -> list[Done]:
        """Do these, alone or together with others'; what became of each. Raises what doing them raises."""
        share: _Share[Item, Done] = _Share(items)
        self._join(share)
        share.wait()
        if share.leads:
            self._run_batch(share)
        if share.error:
            raise share.error
        return self._do(items) if share.done is None else share.done

    def _join(self, share: _Share[Item, Done]) -> None:
        """Wait with the others; where a lane is free, whoever waits longest takes it."""
        with self._lock:
            self._waiting.append(share)
            if not self._may_begin():
                return
            self._under_way += 1
            self._began_at = time.monotonic()
            first = self._waiting.popleft()
        first.lead()

    def _may_begin(self) -> bool:
        if self._under_way in (0, LANES):
            return not self._under_way
        return time.monotonic() - self._began_at >= self._patience_seconds

    def _gather(self, batch: list[_Share[Item, Done]]) -> list[Item]:
        """Let as many of those who wait join as fit into one statement, after whatever has arrived was read."""
        self._pause()
        room = self._limit - len(batch[0].items)
        with self._lock:
            while self._waiting and len(self._waiting[0].items) <= room:
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].items)
            self._began_at = time.monotonic()
        return [item for share in batch for item in share.items]

    def _run_batch(self, first: _Share[Item, Done]) -> None:
        """One statement for all, whose first has the lane."""
        batch = [first]
        try:
            done = iter(self._do(self._gather(batch)))
        except BaseException as error:
            if len(batch) == 1 or not self._may_repeat(error):
                for share in batch:
                    share.error = error if isinstance(error, Exception) else Stopped("within a statement")
                raise
        else:
            for share in batch:
                share.done = [next(done) for _ in share.items]
        finally:
            self._hand_on()
            for share in batch[1:]:
                share.wake()

    def _hand_on(self) -> None:
        """The lane goes to whoever waits longest, if anybody does."""
        with self._lock:
            first = self._waiting.popleft() if self._waiting else None
            if first is None:
                self._under_way -= 1
        if first:
            first.lead()
