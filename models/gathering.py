"""Settling together what arrives at once: one statement and one commit for many callbacks.

What arrives while a statement is under way waits for its end and goes together in the next one; nobody waits for
company. A batch that fails is taken apart, so that one bad outcome fails only whoever brought it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from models.order import MAX_BATCH, Settled
from models.outcome import Arrival

#: Statements under way at once in one process: a row that somebody has locked holds up no more than one of them.
LANES = 2


class _Share:
    """What one caller brought, and what became of it."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self.arrivals = arrivals
        self.settled: list[Settled] | None = None
        #: The batch that this caller is to settle for all of them; empty where there is nobody to do it.
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

    def __init__(self, settle: Callable[[Sequence[Arrival]], list[Settled]]) -> None:
        self._settle = settle
        self._lock = threading.Lock()
        self._free = LANES
        self._waiting: deque[_Share] = deque()

    def settle(self, arrivals: Sequence[Arrival]) -> list[Settled]:
        """Settle these, alone or together with others; what became of each. Raises what settling them raises."""
        share = _Share(arrivals)
        if self._begins(share):
            share.batch = [share]
        else:
            share.wait()
        if share.batch:
            self._settle_batch(share.batch)
        return self._settle(arrivals) if share.settled is None else share.settled

    def _begins(self, share: _Share) -> bool:
        """Whether there is a free lane; otherwise the share waits for one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(share)
            return False

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
        """The lane goes to whoever waits longest, with as many of those behind as fit into one statement."""
        with self._lock:
            batch: list[_Share] = []
            room = MAX_BATCH
            while self._waiting and (not batch or len(self._waiting[0].arrivals) <= room):
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].arrivals)
            if not batch:
                self._free += 1
        if batch:
            batch[0].batch = batch
            batch[0].wake()
