"""How far the chain of balances was followed for each provider, and what it told: the tables behind `balance_chain`.

A reading is *placed* once the chain has passed it for good. An order whose send told no balance may explain a fall;
such orders are found by what is open now, and by what the timelines say since the end of the chain.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway import log
from models import balance_chain
from models.balance_chain import CENT, Fall, Followed, Known, Step, Unanswered
from models.db import database
from models.db.prepared import Prepared
from models.status import IS_NOWHERE, IS_OPEN, IS_OURS, WAS_CLAIMED

logger = log.get(__name__)

#: In the id of an `Unanswered`, before the id of a reading.
READING = "reading "
#: Readings of one provider that are followed at a time.
MAX_READINGS = 2_000
#: Seconds after which nothing more is learned about what a send without an answer cost.
HOLD_SECONDS = 6 * 3_600
#: Seconds for which an order that was given up in doubt may still be bought.
GIVEN_UP_SECONDS = 86_400
#: Seconds from an order's first news to the answer that its send may still bring.
NEWS_SECONDS = 60
#: Seconds after a change of the provider's settings in which a call may still go to the account that it had before.
CHANGE_SECONDS = 60
#: Readings before the first that is not placed, which tell what packages cost.
PRICE_READINGS = 2_000
#: Seconds that readings are kept.
KEEP_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of one provider as far as it was followed: a row of balance_chains, or the beginning of one."""

    provider_id: str
    #: Now.
    at: datetime
    balance: Decimal | None
    currency: str | None
    since: datetime | None
    #: The last answer that is placed: its order, and when it came.
    order_id: str | None
    answered_at: datetime | None
    #: An event of the timelines that is older than the chain's end.
    event_id: int
    #: Most decimals that a balance had.
    decimals: int
    #: A reading that began before it and is not among `open_ids` came too late to be placed.
    under_way_since: datetime | None
    open_ids: list[int]
    #: What began before it may be about another account.
    valid_since: datetime

    def is_current(self, reading: "Reading") -> bool:
        """Whether the reading is about the account as it is now."""
        return reading.began_at >= self.valid_since

    def is_late(self, reading: "Reading") -> bool:
        """Whether the reading was kept after the chain had passed it."""
        horizon = self.under_way_since
        return horizon is not None and reading.began_at < horizon and reading.id not in self.open_ids


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

    def step(self) -> Step:
        return Step(self.id, self.began_at, self.answered_at, self.cost, self.remaining)

    def as_unanswered(self) -> Unanswered:
        """The same where it is not known what remained."""
        return Unanswered(f"{READING}{self.id}", self.began_at, self.answered_at, self.cost)


@dataclass(frozen=True, slots=True)
class OpenSend:
    """An order that was sent to the provider and of which no answer has told the balance."""

    order_id: str
    since: datetime
    #: When something was learned of it; None if nothing was, or if it was given up.
    until: datetime | None
    #: While its call is under way: when that began.
    under_way_since: datetime | None
    is_pending: bool
    heard_at: datetime | None
    #: Orders of the same package cost the same: its product, package, quantity and parameters.
    package: str
    #: Answers that may be missing, and those that have come and are not placed.
    missing: int
    unplaced: int


@dataclass(frozen=True, slots=True)
class Price:
    """What a send cost."""

    began_at: datetime
    answered_at: datetime
    cost: Decimal
    package: str


def with_news() -> list[str]:
    """Ids of the providers that have readings which are not placed."""
    return [str(row["provider_id"]) for row in database.rows(WITH_NEWS)]


def follow(provider_id: str, grace_seconds: float, at: datetime | None = None) -> Followed | None:
    """Follow the provider's chain as far as it is certain now, and keep what it tells; None if nothing is new.

    `grace_seconds` is the longest time that a call may take. `at` stands for now.

    The sends are looked for before the readings are: an answer that is kept in between is then there twice, which hides
    a gap until the next time. The other way round it would not be there at all, and would itself be a gap.
    """
    chain = database.load_one(Chain, CHAIN, {"id": provider_id, "at": at, "change": CHANGE_SECONDS})
    if chain is None:
        return None
    values = {"id": provider_id, "at": chain.at, "event": chain.event_id, "grace": grace_seconds}
    sends = database.load(OpenSend, OPEN_SENDS, values)
    readings = database.load(Reading, READINGS, {"id": provider_id, "at": chain.at, "limit": MAX_READINGS})
    return _Ledger(chain, sends, readings).follow() if readings else None


def purge(limit: int) -> int:
    """Delete up to `limit` of the oldest readings whose time is over; returns how many."""
    return len(database.rows(PURGE, {"limit": limit, "keep": KEEP_SECONDS}))


class _Ledger:
    """One call of `follow`."""

    def __init__(self, chain: Chain, sends: Sequence[OpenSend], readings: Sequence[Reading]) -> None:
        current = [reading for reading in readings if chain.is_current(reading)]
        self._currency = current[-1].currency if current else chain.currency
        current = [reading for reading in current if reading.currency == self._currency]
        if chain.since and (chain.since < chain.valid_since or chain.currency != self._currency):
            chain = replace(chain, balance=None, since=None, under_way_since=None)
        self._chain = chain
        self._elsewhere = [reading for reading in readings if reading not in current]
        self._late = [reading for reading in current if chain.is_late(reading)]
        self._readings = {reading.id: reading for reading in current if reading not in self._late}
        self._is_full = len(readings) >= MAX_READINGS
        came = Counter(reading.order_id for reading in readings)
        self._sends = [send for send in sends if came[send.order_id] - send.unplaced < send.missing]
        self._may_wait = True
        self._horizon = self._under_way_since(readings[-1].id)
        self._decimals = max([chain.decimals, *(_decimals(reading.remaining) for reading in current)])
        self._unit = max(CENT, Decimal(1).scaleb(-self._decimals))

    def follow(self) -> Followed:
        followed, cut = self._follow_without_cut()
        if self._is_full and not followed.placed:  # there is no room to wait for more
            self._may_wait = False
            followed, cut = self._follow_without_cut()
        if self._is_full and not followed.placed:
            followed = Followed(tuple(self._readings), None, is_lost=True)
        with database.database.atomic():
            self._place(followed, cut)
            self._keep_gaps(followed)
            self._keep_chain(followed)
        return followed

    def _follow_without_cut(self) -> tuple[Followed, list[Reading]]:
        """Follow the chain, and a second time without balances before a gap that may have been cut off on their way."""
        followed = self._follow([])
        after_gaps = [self._readings[fall.later] for fall in followed.falls if not fall.by]
        cut = [reading for reading in after_gaps if _decimals(reading.remaining) < self._decimals]
        return (self._follow(cut), cut) if cut else (followed, [])

    def _follow(self, without: Sequence[Reading]) -> Followed:
        chain = self._chain
        known = Known(chain.balance, chain.since) if chain.balance is not None and chain.since else None
        steps = [reading.step() for reading in self._readings.values() if reading not in without]
        unanswered = [*self._unanswered(), *(each.as_unanswered() for each in (*self._late, *without))]
        followed = None
        if not unanswered:
            followed = balance_chain.follow(known, steps, None, self._horizon, self._unit)
        if followed is None:
            followed = balance_chain.follow(known, steps, unanswered, self._horizon, self._unit)
        assert followed is not None  # with those sends there is always a story
        return followed

    def _under_way_since(self, last_id: int) -> datetime | None:
        """When the first call began that may still bring an answer, or whose answer was not read this time."""
        moments = [send.under_way_since for send in self._sends if send.under_way_since]
        if self._is_full:
            left = database.row(NEXT, {"id": self._chain.provider_id, "after": last_id})
            moments += [left["at"]] if left and left["at"] else []
        return min(moments, default=None)

    def _unanswered(self) -> list[Unanswered]:
        first = min(self._readings, default=0)
        values = {"id": self._chain.provider_id, "after": first - PRICE_READINGS}
        prices = defaultdict(list)
        for price in database.load(Price, PRICES, values) if self._sends else []:
            prices[price.package].append((price.began_at, price.answered_at, price.cost))
        return [self._explanation(send, prices[send.package]) for send in self._sends]

    def _explanation(self, send: OpenSend, prices: Sequence[balance_chain.Price]) -> Unanswered:
        now = self._chain.at
        cost = balance_chain.certain_cost(prices, send.since)
        until = send.until
        if until is None and send.heard_at and not send.is_pending:
            until = send.heard_at + timedelta(seconds=GIVEN_UP_SECONDS)
        is_over = not send.is_pending and send.under_way_since is None
        is_known = cost is not None or now - send.since > timedelta(seconds=HOLD_SECONDS)
        is_settled = not self._may_wait or (is_over and is_known)
        return Unanswered(send.order_id, send.since, until, cost, is_settled)

    def _place(self, followed: Followed, cut: Sequence[Reading]) -> None:
        """Mark the readings that the chain has passed, and the sends that explain a fall in what is settled."""
        passed = followed.end.since if followed.end else None
        over = [each.id for each in (*self._late, *cut) if passed and each.answered_at < passed]
        placed = {*followed.placed, *over, *(reading.id for reading in self._elsewhere)}
        used = []
        for fall in followed.falls:
            for one in fall.by if fall.later in placed else ():
                if one.startswith(READING):
                    placed.add(int(one.removeprefix(READING)))
                else:
                    used.append(self._inferred(one, fall))
        if placed:
            database.rows(PLACE, (list(placed),))
        if used:
            database.rows(INFER, database.arrays(used))

    def _inferred(self, order_id: str, fall: Fall) -> dict[str, Any]:
        return {
            "provider": self._chain.provider_id,
            "order": order_id,
            "began": fall.since,
            "answered": fall.until,
            "cost": fall.amount,
            "remaining": fall.balance - fall.amount,
            "currency": self._currency,
        }

    def _keep_gaps(self, followed: Followed) -> None:
        """Keep every gap that is told now. One that is explained after all goes, if it was not settled."""
        gaps = [fall for fall in followed.falls if not fall.by]
        laters = [fall.later for fall in gaps]
        database.rows(WITHDRAW, {"id": self._chain.provider_id, "laters": laters})
        for fall in gaps:
            earlier = self._readings[fall.earlier] if fall.earlier is not None else None
            later = self._readings[fall.later]
            values = {
                "provider": self._chain.provider_id,
                "amount": fall.amount,
                "currency": self._currency,
                "balance": fall.balance,
                "earlier_order": earlier.order_id if earlier else self._chain.order_id,
                "earlier_at": earlier.answered_at if earlier else self._chain.answered_at,
                "later": later.id,
                "later_order": later.order_id,
                "later_at": later.answered_at,
                "final": later.id in followed.placed,
            }
            if database.rows(KEEP_GAP, values)[0]["is_new"]:
                logger.error(
                    "The balance fell by what is no purchase of ours, or by one that was counted twice.",
                    action="balance_gap",
                    provider_id=self._chain.provider_id,
                    amount=str(fall.amount),
                    currency=self._currency,
                )

    def _keep_chain(self, followed: Followed) -> None:
        end, chain = followed.end, self._chain
        last = self._readings[followed.placed[-1]] if followed.placed else None
        newest = max((self._readings[each] for each in followed.placed), key=_began_at, default=None)
        if newest and chain.since and newest.began_at < chain.since:
            newest = None
        values = {
            "id": chain.provider_id,
            "balance": end.balance if end else None,
            "since": end.since if end else None,
            "currency": self._currency,
            "order": last.order_id if last else chain.order_id,
            "answered": last.answered_at if last else chain.answered_at,
            "event": newest.event_id if newest else None,
            "event_order": newest.order_id if newest else None,
            "event_at": newest.began_at if newest else None,
            "former_event": chain.event_id,
            "decimals": self._decimals,
            "horizon": chain.at if followed.is_lost else self._horizon or chain.at,
            "open": [each for each in self._readings if each not in followed.placed],
        }
        database.rows(KEEP_CHAIN, values)


def _began_at(reading: Reading) -> datetime:
    return reading.began_at


def _decimals(amount: Decimal) -> int:
    return max(0, -int(amount.as_tuple().exponent))


WITH_NEWS = (
    "SELECT DISTINCT provider_id FROM referans.balance_readings WHERE NOT is_placed ORDER BY provider_id"
)
#: A new chain begins before its first reading, and with some events before the first of that one's order.
CHAIN = Prepared("""
SELECT p.id AS provider_id, COALESCE(%(at)s::timestamptz, now()) AS at, c.balance, c.currency, c.since,
    c.order_id::text AS order_id, c.answered_at,
    COALESCE(c.event_id, first.event_id, (
        SELECT min(e.id) - 1000 FROM referans.order_events AS e WHERE e.order_id = first.order_id), 0) AS event_id,
    COALESCE(c.decimals, 0) AS decimals, c.under_way_since, COALESCE(c.open_ids, '{}') AS open_ids,
    CASE WHEN p.updated_at > p.created_at THEN p.updated_at + make_interval(secs => %(change)s) ELSE p.created_at END
        AS valid_since
FROM referans.providers AS p
LEFT JOIN referans.balance_chains AS c ON c.provider_id = p.id
LEFT JOIN LATERAL (
    SELECT r.order_id, r.event_id FROM referans.balance_readings AS r WHERE r.provider_id = p.id AND NOT r.is_placed
    ORDER BY r.began_at LIMIT 1
) AS first ON c.provider_id IS NULL
WHERE p.id = %(id)s
""")
READINGS = Prepared("""
SELECT id, order_id::text AS order_id, began_at, answered_at, cost, remaining, currency, event_id
FROM referans.balance_readings WHERE provider_id = %(id)s AND NOT is_placed AND answered_at <= %(at)s::timestamptz
ORDER BY id LIMIT %(limit)s
""")
NEXT = """
SELECT min(began_at) AS at FROM referans.balance_readings
WHERE provider_id = %(id)s AND NOT is_placed AND id > %(after)s
"""
#: In SQL, of the order `o`: another system sends it.
_IS_FOREIGN = f"NOT {IS_OURS}"
_PACKAGE = (
    """concat_ws('/', o."productId"::text, o."packageId"::text, o.quantity::text, o."routeParams"::text)"""
)
#: What is open rides idx_orders_waiting. Another system has further words for that; what is followed of it has a plan.
#: What was refused has not been bought, nor what never reached its provider.
#: An order may be bought once under each of its references, and once more by a provider that had refused it.
OPEN_SENDS = Prepared(f"""
WITH heard AS (
    SELECT e.order_id, max(e.at) AS at, bool_or(e.source NOT IN ('dispatch', 'callback', 'poll')) AS is_given_up,
        bool_or(e.result = 'conflict') AS is_conflict
    FROM referans.order_events AS e JOIN product_orders AS o ON o.id = e.order_id
    WHERE e.id > %(event)s AND (
        e."from" = 'pending' AND e."to" <> 'pending' OR e."from" = 'failed' AND e."to" = 'completed'
        OR e.result = 'conflict' OR e."from" <> e."to" AND {_IS_FOREIGN})
    GROUP BY e.order_id
), possible AS (
    SELECT o.id FROM product_orders AS o
    WHERE o."externalStatus" IN ('pending', 'sent', 'processing') AND o."providerId" = %(id)s
        AND (o."externalStatus" = 'pending' OR {_IS_FOREIGN})
    UNION
    SELECT o.id FROM product_orders AS o
    WHERE o."nextCheckAt" IS NOT NULL AND o."providerId" = %(id)s AND {_IS_FOREIGN} AND {IS_OPEN}
    UNION
    SELECT order_id FROM heard
), sent AS (
    SELECT o.*, heard.at AS heard_at, heard.is_given_up, COALESCE(former.n, 0) AS former,
        o."externalStatus" = 'pending' AND o."providerId" = %(id)s AS is_pending,
        o."providerId" = %(id)s AND {WAS_CLAIMED}
            AND NOT (o."externalStatus" = 'failed' AND o."sentAt" IS NULL)
            AND NOT (o."externalStatus" = 'pending' AND {IS_NOWHERE})
            AS is_here,
        COALESCE(heard.is_conflict AND %(id)s = ANY (o."triedProviders"), false) AS is_conflict,
        told.n AS told, told.unplaced
    FROM possible
    JOIN product_orders AS o ON o.id = possible.id
    LEFT JOIN heard ON heard.order_id = o.id
    LEFT JOIN LATERAL (
        SELECT count(*) AS n FROM referans.former_references AS f WHERE f.order_id = o.id AND f.provider_id = %(id)s
    ) AS former ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS n, count(*) FILTER (WHERE NOT r.is_placed) AS unplaced
        FROM referans.balance_readings AS r WHERE r.order_id = o.id AND r.provider_id = %(id)s
    ) AS told ON true
)
SELECT o.id::text AS order_id,
    CASE WHEN o.former > 0 OR o."claimedAt" IS NULL THEN o."createdAt" ELSE o."claimedAt" END AS since,
    CASE WHEN NOT o.is_pending AND NOT o.is_given_up THEN o.heard_at END AS until,
    CASE
        WHEN o.is_here AND o."sendingUntil" > %(at)s::timestamptz
        THEN GREATEST(o."claimedAt", o."sendingUntil" - make_interval(secs => %(grace)s))
        WHEN o.heard_at > %(at)s::timestamptz - interval '{NEWS_SECONDS} seconds' THEN o."claimedAt"
    END AS under_way_since,
    o.is_pending, o.heard_at, {_PACKAGE} AS package,
    (o.is_here::int + o.is_conflict::int + o.former - o.told)::int AS missing, o.unplaced::int
FROM sent AS o
WHERE o.is_here::int + o.is_conflict::int + o.former > o.told
""")
PRICES = f"""
SELECT r.began_at, r.answered_at, r.cost, {_PACKAGE} AS package
FROM referans.balance_readings AS r JOIN product_orders AS o ON o.id = r.order_id
WHERE r.provider_id = %(id)s AND r.id > %(after)s AND r.cost IS NOT NULL AND NOT r.is_inferred
ORDER BY r.id
"""
PLACE = "UPDATE referans.balance_readings SET is_placed = true WHERE id = ANY (%s) AND NOT is_placed"
INFER = """
INSERT INTO referans.balance_readings (provider_id, order_id, began_at, answered_at, cost, remaining, currency,
    is_inferred, is_placed)
SELECT given.*, true, true FROM unnest(%(provider)s::text[], %(order)s::uuid[], %(began)s::timestamptz[],
    %(answered)s::timestamptz[], %(cost)s::numeric[], %(remaining)s::numeric[], %(currency)s::text[]) AS given
"""
WITHDRAW = """
DELETE FROM referans.balance_gaps
WHERE provider_id = %(id)s AND NOT is_final AND NOT later_reading_id = ANY (%(laters)s)
"""
KEEP_GAP = """
INSERT INTO referans.balance_gaps AS g (provider_id, amount, currency, balance, earlier_order_id, earlier_at,
    later_reading_id, later_order_id, later_at, is_final)
VALUES (%(provider)s, %(amount)s, %(currency)s, %(balance)s, %(earlier_order)s, %(earlier_at)s, %(later)s,
    %(later_order)s, %(later_at)s, %(final)s)
ON CONFLICT (provider_id, later_reading_id) DO UPDATE SET amount = excluded.amount, balance = excluded.balance,
    earlier_order_id = excluded.earlier_order_id, earlier_at = excluded.earlier_at,
    is_final = excluded.is_final OR g.is_final
RETURNING found_at = now() AS is_new
"""
KEEP_CHAIN = """
INSERT INTO referans.balance_chains AS c (provider_id, balance, currency, since, order_id, answered_at, event_id,
    decimals, under_way_since, open_ids)
VALUES (%(id)s, %(balance)s, %(currency)s, %(since)s, %(order)s, %(answered)s, COALESCE(%(event)s::bigint, (
        SELECT max(e.id) FROM referans.order_events AS e
        WHERE e.order_id = %(event_order)s::uuid AND e.at <= %(event_at)s
    ), %(former_event)s), %(decimals)s, %(horizon)s, %(open)s)
ON CONFLICT (provider_id) DO UPDATE SET balance = excluded.balance, currency = excluded.currency,
    since = excluded.since, order_id = excluded.order_id, answered_at = excluded.answered_at,
    event_id = excluded.event_id, decimals = excluded.decimals, under_way_since = excluded.under_way_since,
    open_ids = excluded.open_ids
"""
#: Readings come in the order of their ids, so that the oldest need no index.
PURGE = """
DELETE FROM referans.balance_readings WHERE id IN (
    SELECT oldest.id FROM (SELECT id, answered_at FROM referans.balance_readings ORDER BY id LIMIT %(limit)s) AS oldest
    WHERE oldest.answered_at < now() - make_interval(secs => %(keep)s))
RETURNING id
"""
