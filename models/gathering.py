"""Settling together what arrives at once: one statement and one commit for many callbacks.

What arrives while a statement is under way waits for its end and goes together in the next one; nobody waits for
company. A batch that fails is taken apart, so that one bad outcome fails only whoever brought it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from models.order import MAX_BATCH, Settled
from models.outcome import Arrival

#: Statements under way at once in one process, at most.
LANES = 2
#: Seconds after which a statement counts as held up (by a row that somebody has locked, as a rule), so that the next
#: one goes beside it. Before that one lane is faster than two: its batches are larger.
PATIENCE_SECONDS = 0.1


class _Share:
    """What one caller brought, and what became of it."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self.arrivals = arrivals
        self.settled: list[Settled] | None = None
        #: The batch that this caller is to settle for all of them; empty where somebody else does.
        self.batch: list[_Share] = []
        # Held until there is news; a plain lock wakes faster than an event.
        self._news = threading.Lock()
        self._news.acquire()

    def wait(self) -> None:
        self._news.acquire()

    def wake(self) -> None:
        self._news.release()


class Gathering:
    """`settle` takes outcomes like `order.settle`, from any number of threads."""

    def __init__(
        self,
        settle: Callable[[Sequence[Arrival]], list[Settled]],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._settle = settle
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._waiting: deque[_Share] = deque()
        self._under_way = 0
        #: When the last statement began.
        self._began_at = 0.0

    def settle(self, arrivals: Sequence[Arrival]) -> list[Settled]:
        """Settle these, alone or together with others; what became of each. Raises what settling them raises."""
        share = _Share(arrivals)
        self._join(share)
        share.wait()
        if share.batch:
            self._settle_batch(share.batch)
        return self._settle(arrivals) if share.settled is None else share.settled

    def _join(self, share: _Share) -> None:
        """Wait with the others; where a lane is free, all who wait go now."""
        with self._lock:
            self._waiting.append(share)
            if not self._may_begin():
                return
            self._under_way += 1
            first = self._next_batch()
        if first:
            first.wake()

    def _may_begin(self) -> bool:
        if self._under_way in (0, LANES):
            return not self._under_way
        return time.monotonic() - self._began_at >= self._patience_seconds

    def _settle_batch(self, batch: list[_Share]) -> None:
        """One statement for all; where it fails, everybody is left to settle alone."""
        try:
            settled = iter(self._settle([arrival for share in batch for arrival in share.arrivals]))
        except Exception:
            if len(batch) == 1:
                raise
        else:
            for share in batch:
                share.settled = [next(settled) for _ in share.arrivals]
        finally:
            self._hand_on()
            for share in batch[1:]:
                share.wake()

    def _hand_on(self) -> None:
        """The lane goes to those who wait, if there are any."""
        with self._lock:
            first = self._next_batch()
            if first is None:
                self._under_way -= 1
        if first:
            first.wake()

    def _next_batch(self) -> _Share | None:
        """Whoever waits longest, to settle for as many of those behind as fit into one statement."""
        batch: list[_Share] = []
        room = MAX_BATCH
        while self._waiting and (not batch or len(self._waiting[0].arrivals) <= room):
            batch.append(self._waiting.popleft())
            room -= len(batch[-1].arrivals)
        if not batch:
            return None
        self._began_at = time.monotonic()
        batch[0].batch = batch
        return batch[0]
