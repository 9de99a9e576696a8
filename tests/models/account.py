"""A model of an account with a provider: eight sends at a time, lost answers, refunds, deposits, purchases of others.

What happened is known here, so a test can compare it with what the answers allow to be told.
"""

import random
from bisect import bisect
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile

#: When every history begins.
START = datetime(2026, 3, 1, tzinfo=UTC)
#: What packages cost, in cents.
PRICES = (255, 1000, 1000, 2550, 4999)
#: Seconds until an order without an answer is asked about.
CHECK_SECONDS = 30.0
#: Between steps that come right after one another, in seconds.
INSTANT = 0.000_05


class Foreign(StrEnum):
    """When somebody else buys."""

    NEVER = "never"
    #: While sends of ours are under way.
    BUSY = "busy"
    #: While nothing of ours happens.
    PAUSE = "pause"
    #: Right after a purchase of ours whose answer was lost.
    BESIDE_LOST = "beside_lost"
    #: Right after a refund.
    BESIDE_REFUND = "beside_refund"
    #: The same, but an answer of ours shows the balance in between.
    AFTER_REFUND = "after_refund"


class Ends(StrEnum):
    """What becomes of a send."""

    #: Booked, and its answer arrived.
    ACCEPTED = "accepted"
    #: Booked, and its answer arrived without the cost.
    WITHOUT_COST = "without_cost"
    REFUSED = "refused"
    #: Booked, and its answer was lost; a check finds it.
    FOUND = "found"
    #: Not booked, and its answer was lost; it is sent again after two checks, and accepted.
    SENT_AGAIN = "sent_again"
    #: Booked; a callback completes the order before the answer is there.
    CALLED_BACK = "called_back"
    #: Booked; its worker was killed before it could keep the answer.
    KILLED = "killed"


#: How often each comes.
SHARES = {
    Ends.ACCEPTED: 0.86,
    Ends.WITHOUT_COST: 0.003,
    Ends.REFUSED: 0.03,
    Ends.FOUND: 0.02,
    Ends.SENT_AGAIN: 0.01,
    Ends.CALLED_BACK: 0.07,
    Ends.KILLED: 0.007,
}


@dataclass(frozen=True, slots=True)
class Send:
    """One send of an order; times are seconds since START, amounts in cents."""

    order: int
    package: int
    ends: Ends
    began: float
    #: When the provider took its price; None if it did not.
    booked: float | None
    #: When the call ended, with an answer or without.
    ended: float
    #: When the order stopped being `pending`.
    learned: float
    #: An answer that tells the balance.
    has_reading: bool
    #: The balance after it was booked.
    remaining: int = 0

    @property
    def price(self) -> int:
        return PRICES[self.package]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for the balance."""

    began: float
    at: float
    ended: float
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """Anything else that moved the balance: a refund, a deposit, a purchase of somebody else."""

    at: float
    amount: int


@dataclass
class History:
    """Everything that happened to an account."""

    sends: list[Send] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    refunds: list[Change] = field(default_factory=list)
    deposits: list[Change] = field(default_factory=list)
    foreign: list[Change] = field(default_factory=list)

    def untold_beside(self, at: float) -> set[str]:
        """What else moves the balance between the two told balances around a moment."""
        moved = sorted(
            [(send.booked, "" if send.has_reading else "lost") for send in self.sends if send.booked]
            + [(ask.at, "") for ask in self.asks]
            + [(change.at, "refund") for change in self.refunds]
            + [(change.at, "deposit") for change in self.deposits]
        )
        place = bisect(moved, (at, ""))
        before = takewhile(bool, (kind for _, kind in reversed(moved[:place])))
        after = takewhile(bool, (kind for _, kind in moved[place:]))
        return {*before, *after}

    @property
    def ends(self) -> float:
        return max([each.learned for each in self.sends] + [each.ended for each in self.asks])


def history(
    rng: random.Random,
    orders: int,
    *,
    foreign: Foreign = Foreign.NEVER,
    workers: int = 8,
    opening: int = 100_000_00,
) -> History:
    """What happens while `workers` send that many orders, in busy spells of some minutes with pauses between."""
    made = History()
    free = [0.0] * workers
    spell_ends, pauses = rng.uniform(20, 120), []
    for order in range(orders):
        worker = min(range(workers), key=free.__getitem__)
        if free[worker] > spell_ends:
            resume = max(free) + rng.uniform(300, 6000)
            pauses.append((max(free), resume))
            free = [resume + rng.uniform(0, 1) for _ in free]
            spell_ends = resume + rng.uniform(20, 120)
            worker = min(range(workers), key=free.__getitem__)
        free[worker] = _send(rng, made, order, free[worker] + rng.uniform(0.002, 2))
    made.asks = [
        Ask(at, at + rng.uniform(0.01, 0.5), at + rng.uniform(0.5, 1)) for at in _every(3600, made.ends)
    ]
    for send in made.sends:
        if send.booked and rng.random() < 0.02:
            made.refunds.append(Change(send.booked + rng.uniform(0.5, 300), send.price))
    made.deposits = [
        Change(rng.uniform(0, made.ends), rng.randrange(1, 2_000_00)) for _ in range(2 + orders // 1000)
    ]
    if bought := _foreign(rng, made, foreign, pauses):
        made.foreign.append(bought)
    return _booked(made, opening)


def _send(rng: random.Random, made: History, order: int, began: float) -> float:
    """Add the order's sends; when its worker is free again."""
    ends = rng.choices(list(SHARES), list(SHARES.values()))[0]
    slow = rng.random() < 0.02
    ended = began + (rng.uniform(3, 20) if slow else rng.uniform(0.1, 1.5))
    booked = rng.uniform(began, ended)
    package = rng.randrange(len(PRICES))
    learned, has_reading = ended, ends in (Ends.ACCEPTED, Ends.WITHOUT_COST, Ends.CALLED_BACK)
    if ends is Ends.CALLED_BACK:
        learned = rng.uniform(booked, ended)
    if ends in (Ends.FOUND, Ends.KILLED):
        learned = ended + CHECK_SECONDS * (1 if rng.random() < 0.95 else 100) + rng.uniform(0, 3)
    if ends is Ends.SENT_AGAIN:
        again = ended + 2 * CHECK_SECONDS + rng.uniform(0, 3)
        answered = again + rng.uniform(0.02, 0.4)
        at = rng.uniform(again, answered)
        made.sends.append(Send(order, package, ends, began, None, ended, answered, False))
        made.sends.append(Send(order, package, Ends.ACCEPTED, again, at, answered, answered, True))
        return ended
    took = None if ends is Ends.REFUSED else booked
    made.sends.append(Send(order, package, ends, began, took, ended, learned, has_reading))
    return ended


def _every(seconds: float, until: float) -> list[float]:
    return [seconds * count + 17 for count in range(int(until / seconds) + 2)]


def _foreign(
    rng: random.Random, made: History, kind: Foreign, pauses: list[tuple[float, float]]
) -> Change | None:
    """A purchase of somebody else, where nothing but what its kind says hides it. Raises LookupError."""
    if kind is Foreign.NEVER:
        return None
    fifth = len(made.sends) // 5
    sure = [send.booked for send in made.sends[fifth:-fifth] if send.booked]
    lost = {send.booked for send in made.sends if send.ends in (Ends.FOUND, Ends.KILLED)}
    refunds = [each.at for each in made.refunds if sure[0] < each.at < sure[-1]]
    told = sorted([send.booked for send in made.sends if send.booked and send.has_reading])
    choices = {
        Foreign.BUSY: lambda: rng.choice(sure) + rng.uniform(INSTANT, 0.2),
        Foreign.PAUSE: lambda: rng.uniform(*rng.choice(pauses)),
        Foreign.BESIDE_LOST: lambda: rng.choice([at for at in sure if at in lost]) + INSTANT,
        Foreign.BESIDE_REFUND: lambda: rng.choice(refunds) + INSTANT,
        Foreign.AFTER_REFUND: lambda: told[bisect(told, rng.choice(refunds))] + INSTANT,
    }
    expected = {Foreign.BESIDE_LOST: {"lost"}, Foreign.BESIDE_REFUND: {"refund"}}.get(kind, set())
    for _ in range(500):
        at = choices[kind]()
        if made.untold_beside(at) == expected:
            return Change(at, -rng.choice((150, 777, 1000, 2550, 30000)))
    raise LookupError(f"nothing of the kind {kind} in this history")


def _booked(made: History, opening: int) -> History:
    """The same with every balance that the provider told."""
    happened: list[tuple[float, str, int]] = [
        *((send.booked, "send", index) for index, send in enumerate(made.sends) if send.booked is not None),
        *((ask.at, "ask", index) for index, ask in enumerate(made.asks)),
        *(
            (change.at, "change", change.amount)
            for changes in (made.refunds, made.deposits, made.foreign)
            for change in changes
        ),
    ]
    balance = opening
    for _, kind, value in sorted(happened):
        if kind == "send":
            balance -= made.sends[value].price
            made.sends[value] = replace(made.sends[value], remaining=balance)
        elif kind == "ask":
            made.asks[value] = replace(made.asks[value], remaining=balance)
        else:
            balance += value
    return made


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
