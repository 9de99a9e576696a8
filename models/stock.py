"""Own stock: codes that the shop has bought, and which order took which.

A code is free until an order takes it. A code that was taken stays with that order whatever becomes of it, because
somebody may have seen it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import peewee

from models import codes
from models.codes import Code
from models.db import database, sealed
from models.db.prepared import Prepared

#: The adapter whose providers sell from stock.
ADAPTER = "stock"
#: The parameter of a route that names its stock; without it, the stock has the id of the route's provider.
STOCK = "stock"
#: Codes stored in one statement.
BATCH = 1_000
#: The advisory lock of a load: an arbitrary number, the same in every version of the gateway. Loads take turns, so that
#: what one has stored is known to the next, under whichever key.
LOAD_LOCK = 7_261_013
#: One code for each place in an order: of two sends of the same order, only one can take.
TAKEN_ONCE = "idx_stock_codes_taken"


class LoadUnderWay(Exception):
    """Another load holds the stock; nothing was loaded. Try again when it has ended."""


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code to be loaded."""

    code: Code
    #: From then on it is not sold. None: it does not expire.
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the codes of one load."""

    added: int
    #: Loaded before, into any stock, or twice in this load: left as they were.
    known: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The codes that an order took, in the order in which they were loaded."""

    codes: tuple[Code, ...]
    #: What all of them cost together; None if one has no cost, or another currency.
    cost: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Level:
    """How many codes of one stock can be sold."""

    name: str
    #: The providers whose orders take from it; nobody does if it is empty.
    provider_ids: list[str]
    #: Codes that an order can take.
    available: int
    #: Codes that no order took in time.
    expired: int
    #: Warn when fewer are available; the largest of its providers' `--low-stock`.
    low_stock: int | None

    @property
    def is_low(self) -> bool:
        """Fewer are available than its providers want, or none though orders are routed to it."""
        return self.available < (self.low_stock or 0) or (not self.available and bool(self.provider_ids))


@dataclass(frozen=True, slots=True)
class Stock(Level):
    """All that became of the codes of one stock."""

    #: Codes of orders that are completed.
    sold: int
    #: Codes of other orders: on their way, failed or reversed. They are not sold again.
    taken: int
    #: When the oldest available code was loaded.
    oldest_at: datetime | None
    #: What the available codes cost, by currency; codes without a cost are left out.
    cost: dict[str, str]


def load(
    name: str,
    given: Sequence[NewCode],
    *,
    cost: Decimal | None = None,
    currency: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Loaded:
    """Store the codes in the stock `name`, in one commit; `cost` is of each. Raises LoadUnderWay.

    A code that is known, from any stock and under any key, is skipped. `progress` is told how many were looked at.
    """
    added = 0
    with database.database.atomic():
        _wait_for_other_loads()
        with_plain = bool(database.rows(ANY_IN_CLEAR))
        for start in range(0, len(given), BATCH):
            batch = given[start : start + BATCH]
            rows = [_row(name, start + position, each, with_plain) for position, each in enumerate(batch)]
            values = database.arrays(rows) | {"stock": name, "cost": cost, "currency": currency}
            added += len(database.rows(LOAD, values))
            progress(start + len(batch))
    return Loaded(added, len(given) - added)


def take(name: str, quantity: int, *, provider_id: str, referans: str) -> Taken | None:
    """Take the `quantity` codes that were loaded first into the stock `name`; None, and none is taken, if there are
    fewer.

    Taken again under the same reference, they are the same codes. Raises sealed.Unsealable, after they were taken.
    """
    values = {"stock": name, "quantity": quantity, "provider": provider_id, "referans": referans}
    try:
        # A code that another order holds just now may become free again: only then is it waited for.
        found = database.rows(TAKE, values) or database.rows(TAKE_PATIENTLY, values)
    except peewee.IntegrityError as error:
        if database.constraint(error) != TAKEN_ONCE:
            raise
        found = []
    # A former send of the order may have taken them, or another one at the same instant.
    return _taken(found) if found else taken_by(provider_id, referans)


def taken_by(provider_id: str, referans: str) -> Taken | None:
    """The codes that were taken under this reference; None if none were. Raises sealed.Unsealable."""
    return _taken(database.rows(TAKEN_BY, {"provider": provider_id, "referans": referans}))


def levels() -> list[Level]:
    """Every stock that has codes left or orders routed to it, by name. Its cost follows the codes that are left."""
    return database.load(Level, LEVELS)


def every() -> list[Stock]:
    """Every stock by name, those included whose codes are all gone. Looks at every code and its order."""
    return database.load(Stock, EVERY)


def _wait_for_other_loads() -> None:
    try:
        database.rows("SELECT pg_advisory_xact_lock(%s)", (LOAD_LOCK,))
    except peewee.OperationalError as error:
        if database.sqlstate(error) != database.LOCK_NOT_AVAILABLE:
            raise
        raise LoadUnderWay(LoadUnderWay.__doc__) from None


def _row(name: str, position: int, new: NewCode, with_plain: bool) -> dict[str, Any]:
    """One element of each array that LOAD takes; see `Sealer.digests` for `with_plain`."""
    digests = sealed.digests(new.code.code, with_plain=with_plain)
    return {
        "position": position,
        "digests": database.array(digests),
        "digest": digests[0],
        "code": sealed.seal(codes.as_json(new.code), owner(name, digests[0])),
        "expires_at": new.expires_at.isoformat() if new.expires_at else None,
    }


def owner(name: str, digest: str) -> str:
    """What a sealed code belongs to, so that no row can be given the code of another one."""
    return f"stock:{name}/{digest}"


def _taken(rows: Sequence[dict[str, Any]]) -> Taken | None:
    if not rows:
        return None
    opened = tuple(_opened(rows))
    costs = [row["cost"] for row in rows]
    currencies = {row["currency"] for row in rows}
    if None in costs or len(currencies) > 1:
        return Taken(opened, None, None)
    return Taken(opened, sum(costs, Decimal(0)), currencies.pop())


def _opened(rows: Sequence[dict[str, Any]]) -> Iterator[Code]:
    for row in rows:
        yield codes.from_json(sealed.unseal(row["code"], owner(row["stock"], row["digest"])))


#: A code that was loaded before there were keys has a plain digest.
ANY_IN_CLEAR = "SELECT FROM referans.stock_codes WHERE NOT starts_with(code, 'sealed:') LIMIT 1"
LOAD = """
INSERT INTO referans.stock_codes (stock, digest, code, expires_at, cost, currency)
SELECT %(stock)s, given.digest, given.code, given.expires_at, %(cost)s::numeric, %(currency)s::text
FROM unnest(
    %(position)s::int[], %(digests)s::text[], %(digest)s::text[], %(code)s::text[], %(expires_at)s::timestamptz[]
) AS given (position, digests, digest, code, expires_at)
WHERE NOT EXISTS (SELECT FROM referans.stock_codes AS known WHERE known.digest = ANY (given.digests::text[]))
ORDER BY given.position
ON CONFLICT (digest) DO NOTHING
RETURNING id
"""
#: Takes the codes, all or none. It violates TAKEN_ONCE if the reference has taken some before.
_TAKE = """
WITH free AS (
    SELECT c.id FROM referans.stock_codes AS c
    WHERE c.stock = %(stock)s::text AND c.referans IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
    ORDER BY c.id LIMIT %(quantity)s::int {lock}
), chosen AS (
    SELECT array_agg(id ORDER BY id) AS ids FROM free HAVING count(*) = %(quantity)s::int
), taken AS (
    UPDATE referans.stock_codes AS c SET provider_id = %(provider)s::text, referans = %(referans)s::text,
        place = array_position(chosen.ids, c.id), taken_at = now()
    FROM chosen WHERE c.id = ANY (chosen.ids)
    RETURNING c.*
)
SELECT stock, digest, code, cost, currency FROM taken ORDER BY place
"""
TAKE = Prepared(_TAKE.format(lock="FOR UPDATE SKIP LOCKED"))
TAKE_PATIENTLY = Prepared(_TAKE.format(lock="FOR UPDATE"))
TAKEN_BY = Prepared("""
SELECT stock, digest, code, cost, currency FROM referans.stock_codes
WHERE provider_id = %(provider)s::text AND referans = %(referans)s::text ORDER BY place
""")
#: What is left in each stock, and which providers sell from it. A route names its stock, or its provider is the name.
_LEFT = f"""
free AS (
    SELECT stock AS name,
        count(*) FILTER (WHERE expires_at IS NULL OR expires_at > now()) AS available,
        count(*) FILTER (WHERE expires_at <= now()) AS expired
    FROM referans.stock_codes WHERE referans IS NULL GROUP BY stock
), seller AS (
    SELECT COALESCE(NULLIF(r.params ->> '{STOCK}', ''), p.id) AS name,
        array_agg(DISTINCT p.id ORDER BY p.id) AS provider_ids, max(p.low_stock) AS low_stock
    FROM referans.providers AS p LEFT JOIN referans.routes AS r ON r.provider_id = p.id
    WHERE p.adapter = '{ADAPTER}' GROUP BY 1
), level AS (
    SELECT name, COALESCE(seller.provider_ids, '{{}}') AS provider_ids, COALESCE(free.available, 0)::int AS available,
        COALESCE(free.expired, 0)::int AS expired, seller.low_stock
    FROM free FULL JOIN seller USING (name)
)
"""
LEVELS = f"WITH {_LEFT} SELECT * FROM level ORDER BY name"
EVERY = f"""
WITH {_LEFT}, gone AS (
    SELECT c.stock AS name,
        count(*) FILTER (WHERE o."externalStatus" = 'completed') AS sold,
        count(*) FILTER (WHERE o."externalStatus" IS DISTINCT FROM 'completed') AS taken
    FROM referans.stock_codes AS c
        LEFT JOIN product_orders AS o ON o.provider_referans = c.referans AND o."providerId" = c.provider_id
    WHERE c.referans IS NOT NULL GROUP BY c.stock
), costs AS (
    SELECT stock AS name, currency, min(loaded_at) AS oldest_at, sum(cost) AS cost FROM referans.stock_codes
    WHERE referans IS NULL AND (expires_at IS NULL OR expires_at > now()) GROUP BY stock, currency
), worth AS (
    SELECT name, min(oldest_at) AS oldest_at,
        COALESCE(jsonb_object_agg(currency, cost::text) FILTER (WHERE currency IS NOT NULL), '{{}}') AS cost
    FROM costs GROUP BY name
)
SELECT name, COALESCE(level.provider_ids, '{{}}') AS provider_ids, COALESCE(level.available, 0) AS available,
    COALESCE(level.expired, 0) AS expired, level.low_stock, COALESCE(gone.sold, 0)::int AS sold,
    COALESCE(gone.taken, 0)::int AS taken, worth.oldest_at, COALESCE(worth.cost, '{{}}') AS cost
FROM level FULL JOIN gone USING (name) LEFT JOIN worth USING (name) ORDER BY name
"""
