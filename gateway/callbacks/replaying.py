"""Replay: kept callbacks are settled again, by the same statement as every outcome."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gateway.callbacks import reading
from gateway.providers import kinds
from gateway.providers.base import UnreadableCallback
from gateway.said import Said, said_by
from models import inbox, order, provider, rereading, timeline
from models.db import sealed
from models.inbox import Invalid, Kept, WholeCallback
from models.outcome import Arrival
from models.provider import Provider
from models.status import Result, Source

#: Callbacks read and settled at once.
BATCH = order.MAX_BATCH


class NoReader(Exception):
    """This version cannot read the provider's callbacks."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one callback."""

    id: int
    provider_id: str
    #: Ours, or the provider's own number; None where it could not be read.
    reference: str | None
    before: Kept
    after: Kept
    note: str
    #: It could not be tried; a person must do something first.
    failed: bool = False
    #: The order that a person's replay has changed.
    order_id: str | None = None

    @property
    def changed(self) -> bool:
        """Whether its result is another one now."""
        return self.before is not self.after


@dataclass(slots=True)
class Replay:
    """Settles kept callbacks again. A dry run reports what would be tried, and writes nothing."""

    order_timeout_seconds: float
    dry_run: bool = False
    _providers: dict[str, Provider | None] = field(default_factory=dict)

    def run(self, rows: Sequence[WholeCallback]) -> Iterator[Replayed]:
        """Replay callbacks from `inbox.find` in the order in which they came, since the first PIN stays."""
        for invalid, some in itertools.groupby(rows, key=lambda row: row.result == Kept.INVALID):
            if invalid:
                yield from map(self._read_again, some)
            else:
                yield from self._settle_again(list(some))

    def _settle_again(self, rows: list[WholeCallback]) -> list[Replayed]:
        """Each keeps its dedupe key, so a callback that is settled already changes nothing."""
        opened = [_opened(row) for row in rows]
        arrivals = [each for each in opened if isinstance(each, Arrival)]
        settled = iter([] if self.dry_run else self._settle(arrivals))
        return [
            _replayed(row, next(settled, None) if isinstance(each, Arrival) else each)
            for row, each in zip(rows, opened, strict=True)
        ]

    def _settle(self, arrivals: list[Arrival]) -> list[order.Settled]:
        return order.settle(arrivals, order_timeout_seconds=self.order_timeout_seconds) if arrivals else []

    def _read_again(self, row: WholeCallback) -> Replayed:
        try:
            account = self._provider(row.provider_id)
            received = reading.read_again(account, inbox.raw(row), row.dedupe_key)
        except (UnreadableCallback, NoReader) as error:
            return _as(row, Kept.INVALID, Said("still invalid: {error}", error=said_by(error)))
        except sealed.Unsealable as error:
            return _as(row, Kept.INVALID, said_by(error), failed=True)
        arrivals = received.arrivals
        if self.dry_run:
            return _as(row, Kept.INVALID, f"can be read now ({_counted(len(arrivals))}), would be settled")
        # Entries of a list become callbacks of their own.
        invalid = [Invalid(each.dedupe_key, each.raw, str(each)) for each in received.invalid]
        inbox.keep_invalid(row.provider_id, invalid)
        settled = rereading.settle_invalid(row.id, arrivals, self.order_timeout_seconds)
        (now,) = inbox.find([row.id])
        return _as(now, Kept(now.result), _read_note(settled), before=Kept.INVALID)

    def _provider(self, provider_id: str) -> Provider:
        """Raises NoReader, sealed.Unsealable."""
        if provider_id not in self._providers:
            self._providers[provider_id] = provider.find(provider_id)
        found = self._providers[provider_id]
        if found is None:
            raise NoReader(Said("the provider {provider} was removed", provider=provider_id))
        if kinds.find(found.adapter) is None:
            raise NoReader(Said("this version does not have the adapter {protocol}", protocol=found.adapter))
        return found


def for_person(
    found: Sequence[WholeCallback], reason: str, by: str, order_timeout_seconds: float
) -> Iterator[Replayed]:
    """Settle them again; those with another result now stand on the timelines of their orders, with name and reason."""
    for done in Replay(order_timeout_seconds).run(found):
        order_id = inbox.find([done.id])[0].order_id if done.changed else None
        if order_id:
            timeline.record(order_id, Source.OPERATOR, f"callback {done.id} replayed: {reason}", by=by)
        yield replace(done, order_id=order_id)


def _counted(orders: int) -> str:
    return "1 order" if orders == 1 else f"{orders} orders"


def _opened(row: WholeCallback) -> Arrival | str | None:
    """What a callback says; None if it was never read, a reason if it cannot be unsealed."""
    try:
        return inbox.arrival(row)
    except sealed.Unsealable as error:
        return said_by(error)


def _replayed(row: WholeCallback, came: order.Settled | str | None) -> Replayed:
    before = Kept(row.result)
    if isinstance(came, str):
        return _as(row, before, came, failed=True)
    if before is not Kept.UNMATCHED:
        return _as(row, before, Said("already settled, nothing changed"))
    if came is None:
        return _as(row, before, Said("would be settled if its order is known now"))
    if came.result is Result.UNMATCHED:
        return _as(row, before, Said("no order of this provider has this reference yet"))
    return _as(row, Kept(came.result.value), _moved(came))


def _read_note(settled: Sequence[order.Settled]) -> str:
    first = settled[0]
    what = Said("read; {error}", error=_moved(first)) if first.order_id else Said("read")
    others = ", ".join(one.result.value for one in settled[1:])
    return Said("{note}; the others in it: {results}", note=what, results=others) if others else what


def _moved(settled: order.Settled) -> Said:
    """Where an order was before, and is now."""
    return Said(
        "order {order}: {before} → {status}",
        order=settled.order_id,
        before=settled.came_from,
        status=settled.went_to,
    )


def _as(
    row: WholeCallback, after: Kept, note: str, *, before: Kept | None = None, failed: bool = False
) -> Replayed:
    standing = before or Kept(row.result)
    return Replayed(row.id, row.provider_id, row.reference, standing, after, note, failed)
