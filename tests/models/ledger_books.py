"""Writes a history of `account` into the database as the gateway would have, and follows the chain at every sweep."""

import random
import uuid
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from models import balance_ledger, balances
from models.db import database
from tests import factories
from tests.models.account import START, Ask, Ends, Foreign, History, Send, history, moment, money

#: Longest time of a call, in seconds.
GRACE_SECONDS = 60.0
#: Seconds between two sweeps.
SWEEP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A gap that was shown, and when first: seconds since START."""

    at: float
    gap: balances.Gap


@dataclass
class Outcome:
    """What became of one history."""

    history: History
    shown: list[Shown] = field(default_factory=list)
    lost: int = 0

    @property
    def seconds_to_show(self) -> float | None:
        """From the purchase that is not ours to the first gap; None if none was shown."""
        if not self.shown or not self.history.foreign:
            return None
        return self.shown[0].at - self.history.foreign[0].at


def run(
    seed: int, orders: int, foreign: Foreign = Foreign.NEVER, sweep_seconds: float = SWEEP_SECONDS
) -> Outcome:
    """Let a history happen, sweep by sweep."""
    rng = random.Random(seed)
    outcome = Outcome(history(rng, orders, foreign=foreign))
    books = Books(outcome.history)
    known: set[int] = set()
    now = 0.0
    while now < outcome.history.ends + 2 * sweep_seconds:
        now += sweep_seconds
        books.write_until(now)
        followed = balance_ledger.follow(factories.SANDBOX, GRACE_SECONDS, moment(now))
        outcome.lost += bool(followed and followed.is_lost)
        for standing in balances.standings(factories.SANDBOX):
            if standing.gap and standing.gap.id not in known:
                known.add(standing.gap.id)
                outcome.shown.append(Shown(now, standing.gap))
    return outcome


class Books:
    """The rows of one history, written up to a moment."""

    def __init__(self, made: History) -> None:
        self._made = made
        self._sends: dict[int, list[Send]] = defaultdict(list)
        for send in made.sends:
            self._sends[send.order].append(send)
        self._changes = sorted((at, send.order) for send in made.sends for at in _times(send))
        events = (event for sends in self._sends.values() for event in _events(sends))
        self._events = sorted(events, key=lambda event: event["at_s"])
        self._readings = sorted(self._all_readings(), key=lambda reading: reading["answered_s"])
        self._written = (0, 0, 0)
        for name in ("created_at", "updated_at"):
            database.rows(f"UPDATE referans.providers SET {name} = %s", (START,))

    def write_until(self, now: float) -> None:
        changes = bisect(self._changes, (now, len(self._sends)))
        events = bisect(self._events, now, key=lambda event: event["at_s"])
        readings = bisect(self._readings, now, key=lambda reading: reading["answered_s"])
        before, self._written = self._written, (changes, events, readings)
        orders = {order for _, order in self._changes[before[0] : changes]}
        for sql, rows in (
            (ORDERS, [self._order(order, now) for order in sorted(orders)]),
            (EVENTS, self._events[before[1] : events]),
            (READINGS, self._readings[before[2] : readings]),
        ):
            if rows:
                database.rows(sql, database.arrays(rows))

    def _order(self, number: int, now: float) -> dict[str, Any]:
        sends = [send for send in self._sends[number] if send.began <= now]
        send = sends[-1]
        is_known = now >= send.learned
        has_ended = now >= send.ended
        is_lost = send.ends in (Ends.FOUND, Ends.SENT_AGAIN)
        status = "pending"
        if is_known:
            answered = send.ends in (Ends.ACCEPTED, Ends.WITHOUT_COST)
            status = "failed" if send.ends is Ends.REFUSED else "sent" if answered else "completed"
        until = None if has_ended and send.ends is not Ends.KILLED else moment(send.began + GRACE_SECONDS)
        return {
            "id": _id(number),
            "package": str(send.package),
            "status": status,
            "created": moment(sends[0].began - 0.001),
            "claimed": moment(sends[0].began),
            "sent": moment(sends[0].began) if is_known and send.ends is not Ends.REFUSED else None,
            "until": until,
            "may_be_known": len(sends) > 1 or (has_ended and is_lost),
        }

    def _all_readings(self) -> Iterator[dict[str, Any]]:
        for send in self._made.sends:
            if send.has_reading:
                cost = None if send.ends is Ends.WITHOUT_COST else money(send.price)
                yield _reading(send, _id(send.order), cost)
        for ask in self._made.asks:
            yield _reading(ask, None, money(0))


def _reading(told: Send | Ask, order: str | None, cost: Any) -> dict[str, Any]:
    return {
        "order": order,
        "began": moment(told.began),
        "answered_s": told.ended,
        "answered": moment(told.ended),
        "cost": cost,
        "remaining": money(told.remaining),
    }


def _times(send: Send) -> tuple[float, ...]:
    return send.began, send.ended, send.learned


def _events(sends: list[Send]) -> Iterator[dict[str, Any]]:
    order = _id(sends[0].order)
    for send in sends:
        came_from = "not_sent" if send is sends[0] else "pending"
        yield _event(order, send.began, "dispatch", came_from, "pending")
    last = sends[-1]
    sources = {Ends.FOUND: "poll", Ends.CALLED_BACK: "callback", Ends.KILLED: "callback"}
    ends = {Ends.ACCEPTED: "sent", Ends.WITHOUT_COST: "sent", Ends.REFUSED: "failed"}
    yield _event(
        order, last.learned, sources.get(last.ends, "dispatch"), "pending", ends.get(last.ends, "completed")
    )


def _event(order: str, at: float, source: str, came_from: str, to: str) -> dict[str, Any]:
    return {"order": order, "at_s": at, "at": moment(at), "source": source, "from": came_from, "to": to}


def _id(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


ORDERS = f"""
INSERT INTO product_orders AS o (id, "productId", "packageId", quantity, "routeParams", "placedByGateway", "providerId",
    "externalStatus", "createdAt", "claimedAt", "sentAt", "sendingUntil", "mayBeKnown")
SELECT given.id, 'game', given.package, 1, '{{}}', true, '{factories.SANDBOX}', given.status, given.created,
    given.claimed, given.sent, given.until, given.may_be_known
FROM unnest(%(id)s::uuid[], %(package)s::text[], %(status)s::text[], %(created)s::timestamptz[],
    %(claimed)s::timestamptz[], %(sent)s::timestamptz[], %(until)s::timestamptz[], %(may_be_known)s::boolean[])
    AS given (id, package, status, created, claimed, sent, until, may_be_known)
ON CONFLICT (id) DO UPDATE SET "externalStatus" = excluded."externalStatus", "sentAt" = excluded."sentAt",
    "sendingUntil" = excluded."sendingUntil", "mayBeKnown" = excluded."mayBeKnown"
"""
EVENTS = """
INSERT INTO referans.order_events (order_id, at, source, "from", "to")
SELECT given.* FROM unnest(%(order)s::uuid[], %(at)s::timestamptz[], %(source)s::text[], %(from)s::text[],
    %(to)s::text[]) AS given
"""
READINGS = f"""
INSERT INTO referans.balance_readings (provider_id, order_id, began_at, answered_at, cost, remaining, currency,
    event_id)
SELECT '{factories.SANDBOX}', given.order_id, given.began, given.answered, given.cost, given.remaining, 'TRY',
    CASE WHEN given.order_id IS NULL
        THEN COALESCE((SELECT max(e.id) FROM referans.order_events AS e WHERE e.at < given.began), 0) END
FROM unnest(%(order)s::uuid[], %(began)s::timestamptz[], %(answered)s::timestamptz[], %(cost)s::numeric[],
    %(remaining)s::numeric[]) AS given (order_id, began, answered, cost, remaining)
"""
