"""How far the chain of balances was followed for each provider, and what it told: the tables behind `balance_chain`.

A reading is *placed* once the chain has passed it for good. An order whose send told no balance may explain a fall; it
is found without any index of its own: what is open now, and what the timelines say since the chain's end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from models import balance_chain
from models.balance_chain import Fall, Followed, Known, Step, Unanswered
from models.db import database
from models.db.prepared import Prepared

#: Readings of one provider that are followed at a time.
MAX_READINGS = 2_000
#: Seconds after which nothing more is learned about what a send without an answer cost.
HOLD_SECONDS = 3_600
#: Seconds from an order's first news to the reading that the answer to its send may still bring.
NEWS_SECONDS = 60
#: Seconds after a change of the provider's settings in which a call may still go to the account before.
CHANGE_SECONDS = 60
#: Readings before the unplaced ones that say what packages cost.
PRICE_READINGS = 2_000
#: Where more than this many gaps, and this share of the steps, were found, the answers of the provider do not add up.
MOST_GAPS, MOST_GAPS_SHARE = 3, 0.1
#: Seconds that readings are kept.
KEEP_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of one provider: a row of balance_chains, or the beginning of one."""

    provider_id: str
    at: datetime
    balance: Decimal | None
    currency: str | None
    since: datetime | None
    #: The last answer that is placed.
    order_id: str | None
    answered_at: datetime | None
    #: An event of the timelines that is older than the chain's end.
    event_id: int
    #: Most decimals that its balances had.
    decimals: int
    #: What began before it, and is not among `open_ids`, was kept too late to be placed.
    under_way_since: datetime | None
    open_ids: list[int]
    #: Of the account as it is now; None if the provider was removed.
    valid_since: datetime | None


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer that told the balance."""

    id: int
    order_id: str | None
    began_at: datetime
    answered_at: datetime
    cost: Decimal | None
    remaining: Decimal
    currency: str | None
    event_id: int | None


@dataclass(frozen=True, slots=True)
class OpenSend:
    """An order that was sent to the provider, and whose answer told no balance, or has not come."""

    order_id: str
    since: datetime
    until: datetime | None
    #: While its call is under way: when that began.
    under_way_since: datetime | None
    is_pending: bool
    heard_at: datetime | None
    #: Of its product, package, quantity and parameters: orders that are alike in them cost the same.
    package: str


@dataclass(frozen=True, slots=True)
class Price:
    """What a send cost whose answer told it."""

    began_at: datetime
    answered_at: datetime
    cost: Decimal
    package: str


def new() -> list[str]:
    """Ids of the providers that have readings which are not placed."""
    return [str(row["provider_id"]) for row in database.rows(NEW)]


def follow(provider_id: str, grace_seconds: float, at: datetime | None = None) -> Followed | None:
    """Follow the chain of one provider as far as it is certain now, and keep what it tells; None without readings.

    Sends that may be under way are looked for before the readings are read: an answer that is kept in between is then
    there twice, which hides a gap until the next time, instead of not at all, which would be one. `grace_seconds` is the
    longest time that a call may take. `at` is now, for tests that move the time.
    """
    chain = database.load(Chain, CHAIN, {"id": provider_id, "at": at, "change": CHANGE_SECONDS})[0]
    sends = _open_sends(chain, grace_seconds)
    readings = database.load(
        Reading, READINGS, {"id": provider_id, "at": chain.at, "limit": MAX_READINGS}
    )
    if not readings:
        return None
    return _Ledger(chain, sends, readings).follow()


def purge(limit: int) -> int:
    """Delete up to `limit` of the oldest readings past their time; returns how many."""
    return len(database.rows(PURGE, {"limit": limit, "keep": KEEP_SECONDS}))


def _open_sends(chain: Chain, grace_seconds: float) -> list[OpenSend]:
    values = {"id": chain.provider_id, "at": chain.at, "event": chain.event_id, "grace": grace_seconds}
    return database.load(OpenSend, OPEN_SENDS, values)


class _Ledger:
    """One call of `follow`."""

    def __init__(self, chain: Chain, sends: Sequence[OpenSend], readings: Sequence[Reading]) -> None:
        self._chain = chain
        self._is_full = len(readings) >= MAX_READINGS
        self._current = [each for each in readings if self._is_current(each, readings[-1])]
        self._foreign = [each.id for each in readings if each not in self._current]
        self._late = [each for each in self._current if self._is_late(each)]
        self._readings = {each.id: each for each in self._current if each not in self._late}
        answered = {each.order_id for each in readings}
        self._sends = [send for send in sends if send.order_id not in answered]
        decimals = [_decimals(each.remaining) for each in self._current]
        self._decimals = max(chain.decimals, *decimals) if decimals else chain.decimals
        costs = [_decimals(each.cost) for each in self._current if each.cost]
        coarsest = min(self._decimals, max(costs, default=self._decimals), 2)
        self._unit = max(Decimal(1).scaleb(-coarsest), balance_chain.CENT)

    def follow(self) -> Followed:
        followed = self._follow(list(self._readings.values()), [])
        gaps = [fall.later for fall in followed.falls if not fall.by]
        doubtful = [self._readings[later] for later in gaps if self._may_be_cut(self._readings[later])]
        if doubtful:
            others = [each for each in self._readings.values() if each not in doubtful]
            followed = self._follow(others, doubtful)
        self._keep(followed, [each.id for each in doubtful])
        return followed
