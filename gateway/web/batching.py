"""Batching: one statement and one commit for callbacks, or for orders, that arrive at the same time.

Items that arrive while a statement is running wait for it to end, and form the next batch; an idle batcher never waits
for more items. Callers with many items and those with few have their turns by alternation, so that no crowd of long
lists keeps a single item waiting. When a batch fails, its items are tried one by one, so that a bad item fails alone.
That is done only after errors which say that nothing was committed, or where repeating is harmless.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

#: Statements running at the same time in one process, at most.
LANES = 2
#: Seconds after which a statement counts as blocked, usually by a row lock, so that the second lane is used. Before
#: that, one lane is faster than two, since its batches are larger.
PATIENCE_SECONDS = 0.1
#: Share of a batch above which the items of one caller count as many.
LARGE_SHARE = 0.25


class Stopped(RuntimeError):
    """The caller that ran the batch was stopped; whether the batch was committed is not known."""


class _Share(Generic[Item, Done]):
    """The items of one caller, and their results."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.done: list[Done] | None = None
        self.error: Exception | None = None
        #: Whether this caller has a lane, and runs the next batch.
        self.leads = False
        # Held until there is a result or a lane; a plain lock wakes faster than an event.
        self._news = threading.Lock()
        self._news.acquire()

    def wait(self) -> None:
        self._news.acquire()

    def wake(self) -> None:
        self._news.release()

    def lead(self) -> None:
        """Let this caller run the next batch."""
        self.leads = True
        self.wake()


class Batcher(Generic[Item, Done]):
    """`run` takes items from any number of threads; `do` gets up to `limit` items of all of them.

    `do` returns one result for each item, in their order. After an error for which `may_repeat` is true, each caller's
    items are tried alone. Any other error, such as a lost connection, may have come after the commit, and is raised in
    every caller. `pause` lets callers run that are there but have not joined yet.
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
        #: Callers with many items.
        self._large: deque[_Share[Item, Done]] = deque()
        #: Whether one of those had the last turn.
        self._was_large = False
        self._under_way = 0
        #: When the last statement began.
        self._began_at = 0.0

    def run(self, items: Sequence[Item]) -> list[Done]:
        """The results of `items`, which may share a statement with those of others. Raises what `do` raises."""
        share: _Share[Item, Done] = _Share(items)
        self._join(share)
        share.wait()
        if share.leads:
            self._run_batch(share)
        if share.error:
            raise share.error
        return self._do(items) if share.done is None else share.done

    def _join(self, share: _Share[Item, Done]) -> None:
        """Join the queue; if a lane is free, the first of the queue takes it."""
        with self._lock:
            is_large = len(share.items) > LARGE_SHARE * self._limit
            (self._large if is_large else self._waiting).append(share)
            patient = time.monotonic() - self._began_at < self._patience_seconds
            if self._under_way == LANES or (self._under_way and patient):
                return
            self._under_way += 1
            self._began_at = time.monotonic()
            first = self._next()
        if first:
            first.lead()

    def _next(self) -> _Share[Item, Done] | None:
        """The caller whose turn it is, if any waits; needs the lock."""
        self._was_large = bool(self._large) and not (self._was_large and self._waiting)
        queue = self._large if self._was_large else self._waiting
        return queue.popleft() if queue else None

    def _gather(self, batch: list[_Share[Item, Done]]) -> list[Item]:
        """The items of the batch, after adding as many waiting callers as fit into one statement."""
        self._pause()
        room = self._limit - len(batch[0].items)
        with self._lock:
            while self._waiting and len(self._waiting[0].items) <= room:
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].items)
            self._began_at = time.monotonic()
        return [item for share in batch for item in share.items]

    def _run_batch(self, first: _Share[Item, Done]) -> None:
        """Run one statement for all; `first` has the lane."""
        batch = [first]
        try:
            done = iter(self._do(self._gather(batch)))
        except BaseException as error:
            if len(batch) == 1 or not self._may_repeat(error):
                for share in batch:
                    share.error = (
                        error if isinstance(error, Exception) else Stopped("the statement was interrupted")
                    )
                raise
        else:
            for share in batch:
                share.done = [next(done) for _ in share.items]
        finally:
            self._hand_on()
            for share in batch[1:]:
                share.wake()

    def _hand_on(self) -> None:
        """Give the lane to the first of the queue, or free it."""
        with self._lock:
            first = self._next()
            if first is None:
                self._under_way -= 1
        if first:
            first.lead()
