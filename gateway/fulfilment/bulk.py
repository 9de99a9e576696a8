"""Actions on many at once, worked off in the background."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import peewee

from gateway import log
from gateway.fulfilment import deeds
from gateway.fulfilment.deeds import Action, Deed
from gateway.fulfilment.worker import BULK, CHECK, Worker
from gateway.said import Said
from models import bulk, bulk_messages, inbox, outbox
from models.bulk import Bulk, What
from models.bulk_messages import Done, Range
from models.db import database
from models.inbox import Kept, WholeCallback
from models.stuck import Limits

logger = log.get(__name__)

#: Seconds of one turn; then another message goes on, so that a worker that stops waits for no more than this.
TURN_SECONDS = 5.0
#: Orders after which it is noted that the work goes on.
NOTE_EVERY = 50
#: Orders of actions of long ago that one sweep forgets at most.
FORGOTTEN = 10_000
#: Unfinished ones that one sweep wakes workers for.
MOST_STALLED = 100
#: Callbacks and notifications of one transaction. Each that could not be read is settled in one of its own: it is a
#: statement of its own, and two in one transaction might lock the orders of others in another order.
REPLAYED, REDELIVERED = 50, 200


class Replayed(Protocol):
    """What became of a callback."""

    @property
    def after(self) -> Kept:
        """What it is now."""

    @property
    def note(self) -> str:
        """Why, in words."""

    @property
    def failed(self) -> bool:
        """It could not be tried."""

    @property
    def order_id(self) -> str | None:
        """The order that was changed."""


#: Settles kept callbacks again: these, for this reason, in this name, with an order's timeout in seconds.
Replay = Callable[[Sequence[WholeCallback], str, str, float], Iterable[Replayed]]


def work(worker: Worker, bulk_id: str, replay: Replay) -> None:
    """Work on it for a turn; another message follows if there is more. May run twice at once."""
    until = worker.monotonic() + TURN_SECONDS
    with database.session():
        found = bulk.find(int(bulk_id))
        if found is None:
            return
        part = PARTS[What(found.what)]
        while is_left := not bulk.stop_unless_allowed(found.id) and part(worker, found, replay):
            if worker.monotonic() >= until:
                break
        if is_left:
            worker.hints.send([(BULK, bulk_id)])
        elif (ended := bulk.find(found.id)) and ended.state == "done":
            logger.info("An action on many is done.", action="bulk_done", bulk_id=found.id)


def _orders(worker: Worker, found: Bulk, replay: Replay) -> bool:
    """Up to NOTE_EVERY of its orders; False once none is left, or it was stopped."""
    deed, limits = _deed(found), Limits.of(worker.settings)
    wakes: list[tuple[str, str]] = []

    def act(order_id: str, seen: str | None) -> None:
        if actor := deeds.carry_out(replace(deed, seen=seen), order_id, limits):
            wakes.append((actor, order_id))

    worked_on = [bulk.work_on_next(found.id, act) for _ in range(NOTE_EVERY)]
    worker.hints.send(wakes)
    worker.tell()
    bulk.note_progress(found.id)
    return worked_on[-1] is not None


def _callbacks(worker: Worker, found: Bulk, replay: Replay) -> bool:
    """A batch of its callbacks, oldest first; False once none is left for this process."""
    wakes: list[tuple[str, str]] = []

    def act(left: Range) -> Done | None:
        size = 1 if left.callbacks.result is Kept.INVALID else REPLAYED
        batch = inbox.between(left.callbacks, left.after_id, left.last_id, size)
        if not batch:
            return None
        replayed = list(_each_if_not_all(batch, _replay))
        wakes.extend((CHECK, each.order_id) for each in replayed if each and each.order_id)
        tried = [each for each in replayed if each and not each.failed]
        failed = [each.note for each in replayed if each and each.failed]
        refused = len(batch) - len(tried)
        why = (failed or [REFUSED])[-1] if refused else None
        became = Counter(each.after.value for each in tried)
        return Done(batch[-1].id, len(tried), became, refused, why)

    def _replay(some: Sequence[WholeCallback]) -> list[Replayed]:
        return list(replay(some, found.reason, found.by, worker.settings.order_timeout))

    is_left = bulk_messages.work_on_batch(found.id, act)
    worker.hints.send(wakes)
    worker.tell()
    return is_left


def _each_if_not_all(
    batch: Sequence[WholeCallback], replay: Callable[[Sequence[WholeCallback]], list[Replayed]]
) -> Iterator[Replayed | None]:
    """Replay all at once; if the database refuses one of them, each on its own. None for each that is refused."""
    try:
        with database.database.atomic():
            done = replay(batch)
    except database.UNAVAILABLE:  # it refused none of them
        raise
    except peewee.DatabaseError as error:
        if len(batch) == 1:
            logger.error("A callback cannot be settled.", action="settle_failed", error=str(error))
            yield None
            return
        for one in batch:
            yield from _each_if_not_all([one], replay)
        return
    yield from done


#: Why nothing could be done about a callback that the database refuses.
REFUSED = Said("the database refuses what it says; the log says why")


def _notifications(worker: Worker, found: Bulk, replay: Replay) -> bool:
    """A batch of its notifications, oldest first; False once none is left for this process."""

    def act(left: Range) -> Done | None:
        ids = outbox.ids(left.notifications, REDELIVERED)
        if not ids:
            return None
        again = outbox.redeliver(ids, f"{found.by} ({found.reason})")
        return Done(ids[-1], len(again))

    is_left = bulk_messages.work_on_batch(found.id, act)
    worker.tell()
    return is_left


#: Does a part of the work on one kind; True if there is more.
PARTS: dict[What, Callable[[Worker, Bulk, Replay], bool]] = {
    What.ORDERS: _orders,
    What.CALLBACKS: _callbacks,
    What.NOTIFICATIONS: _notifications,
}


def go_on(worker: Worker) -> Iterator[int]:
    """Go on with those that nobody works on, and forget what those of long ago were about."""
    bulk.forget(FORGOTTEN)
    found = bulk.stalled(MOST_STALLED)
    worker.hints.send([(BULK, str(each)) for each in found])
    yield len(found)


def _deed(found: Bulk) -> Deed:
    return Deed(
        Action(found.action),
        found.by,
        f"{found.reason} (one of {found.total} orders)",
        provider_id=found.options.get("provider_id"),
        may_buy_twice=bool(found.options.get("may_buy_twice")),
    )
