"""Statements of providers, compared with our orders: what they have and we have not, and the other way round.

A line is matched by our reference, former ones too, else by the provider's own number; a line that has neither, by
player, amount and time. Money is compared exactly.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from models import texts
from models.db import database
from models.order import COST_AMOUNT, COST_CURRENCY
from models.status import WORD, kind_in_sql

#: Seconds that a step of the comparison may take.
STEP_TIMEOUT_MS = 100_000
#: Orders of one player and amount at one time that are told apart by their number only.
MOST_ALIKE = 100
#: Minutes by which the time of a line without a number may differ from ours.
NEAR_MINUTES = 15
#: Days for which a statement is kept: a year, and the time to close its books.
KEPT_DAYS = 460
#: Lines that are stored at once.
BATCH = 1_000


class Finding(StrEnum):
    """What was found of a line."""

    #: They have it, and we have not.
    UNKNOWN = "unknown"
    #: They have taken money for one order twice.
    TWICE = "twice"
    #: They say that it ended otherwise.
    STATE = "state"
    #: They have taken another amount.
    COST = "cost"
    #: We have it, and they have not.
    MISSING = "missing"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement."""

    line: int
    referans: str | None
    external_order_id: str | None
    player: str | None
    amount: Decimal | None
    currency: str | None
    #: Their word, and what it means: `completed`, `failed`, `open`, or None if that is not known. Where the sign
    #: of its amount says it: `returned` is money that was given back, `charged` what was taken by a statement without
    #: states.
    state: str | None
    kind: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement: a row of COLUMNS."""

    id: int
    provider_id: str
    name: str
    by: str
    #: `uploading`, `waiting`, `reading`, `done` or `failed`.
    state: str
    options: dict[str, Any]
    error: str | None
    lines: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """A line with what was found of it: a row of FOUND."""

    line: int
    referans: str | None
    external_order_id: str | None
    player: str | None
    amount: Decimal | None
    currency: str | None
    state: str | None
    at: datetime | None
    order_id: str | None
    order_no: int | None
    #: Ours.
    external_status: str | None
    cost: Decimal | None
    cost_currency: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How many lines have one finding, and their money: a row of SUMMARY."""

    finding: str
    currency: str | None
    count: int
    #: What they have taken, and what we have as the cost.
    amount: Decimal
    cost: Decimal


def begin(provider_id: str, name: str, by: str, options: Mapping[str, Any], state: str = "reading") -> int:
    """Begin a statement; returns its id."""
    values = {
        "provider": provider_id,
        "name": texts.clean(name, 200),
        "by": by,
        "options": database.as_json(dict(options)),
        "state": state,
    }
    return int(database.rows(BEGIN, values)[0]["id"])


def find(statement_id: int) -> Statement | None:
    """The one with this id."""
    return database.load_one(Statement, FIND, (statement_id,))


def newest(limit: int) -> list[Statement]:
    """The last ones, newest first."""
    return database.load(Statement, NEWEST, (limit,))


def remembered(provider_id: str) -> dict[str, Any]:
    """How this provider's statements were read last."""
    found = database.row(
        "SELECT options FROM referans.statement_columns WHERE provider_id = %s", (provider_id,)
    )
    return dict(found["options"]) if found else {}


def remember(provider_id: str, options: Mapping[str, Any]) -> None:
    """Read this provider's next statements so, too."""
    database.rows(REMEMBER, (provider_id, database.as_json(dict(options))))


def keep_part(statement_id: int, part: int, content: bytes) -> bool:
    """Keep a part of the file; False if no upload of it is under way."""
    return database.row(KEEP_PART, {"id": statement_id, "part": part, "content": content}) is not None


def parts_bytes(statement_id: int) -> int:
    """How many bytes of the file have come."""
    return int(database.rows(PARTS_BYTES, (statement_id,))[0]["n"])


def uploaded(statement_id: int, parts: int) -> bool:
    """The file is whole, and waits to be read; False if a part is missing."""
    return database.row(UPLOADED, {"id": statement_id, "parts": parts}) is not None


def take(statement_id: int) -> bytes | None:
    """The file, for this process to read it; None if it does not wait to be read."""
    if database.row(TAKE, (statement_id,)) is None:
        return None
    return b"".join(bytes(row["content"]) for row in database.rows(PARTS, (statement_id,)))


def stalled(limit: int) -> list[int]:
    """Those that wait, or were being read, and on which nothing was done for two minutes."""
    return [int(row["id"]) for row in database.rows(STALLED, (limit,))]


def add(statement_id: int, lines: Sequence[Line]) -> None:
    """Store lines, up to BATCH at once."""
    given = [asdict(each) | {"at": each.at and each.at.isoformat()} for each in lines]
    if given:
        database.rows(ADD, database.arrays(given) | {"id": statement_id, "count": len(given)})


def forget_lines(statement_id: int) -> None:
    """Begin its reading anew."""
    database.rows("DELETE FROM referans.statement_lines WHERE statement_id = %s", (statement_id,))
    database.rows("UPDATE referans.statements SET lines = 0, summary = NULL WHERE id = %s", (statement_id,))


def touch(statement_id: int) -> None:
    """It is worked on still: no other process is to begin with it."""
    database.rows(WORKED_ON, {"id": statement_id})


def compare(statement_id: int, provider_id: str) -> None:
    """Find the order of each line, and what differs; and which of our orders no line has."""
    values = {"id": statement_id, "provider": provider_id}
    for step in STEPS:
        for _ in range(MOST_ALIKE if step == BY_PLAYER else 1):
            with database.database.atomic():
                database.rows(f"SET LOCAL statement_timeout = {STEP_TIMEOUT_MS}")
                database.rows(WORKED_ON, values)
                if not database.rows(step, values):
                    break


def end(statement_id: int, error: str | None = None) -> None:
    """It is compared, or cannot be read."""
    database.rows(END, {"id": statement_id, "error": error and texts.clean(error, 1000)})
    with suppress(database.TooSlow):
        summary(statement_id)


def summary(statement_id: int) -> list[Summary]:
    """By finding and currency, as it was compared: kept once it is done, since every line and its order is read."""
    kept = database.row(KEPT_SUMMARY, (statement_id,))
    if kept and kept["summary"] is not None:
        return [
            Summary(**each | {name: Decimal(each[name]) for name in ("amount", "cost")})
            for each in kept["summary"]
        ]
    found = database.load_list(Summary, SUMMARY, {"id": statement_id})
    said = [asdict(each) | {"amount": str(each.amount), "cost": str(each.cost)} for each in found]
    database.rows(KEEP_SUMMARY, (json.dumps(said), statement_id))
    return found


def found(statement_id: int, finding: Finding, limit: int, after: int | None = None) -> list[Found]:
    """Up to `limit` lines of one finding that stand behind line `after`."""
    values = {"id": statement_id, "finding": finding.value, "limit": limit, "after": after}
    return database.load_list(Found, FOUND, values)


def take_costs(statement_id: int, by: str, reason: str) -> int:
    """Let orders whose cost differs have the cost that the statement says; how many. It stands on their timelines."""
    values = {"id": statement_id, "by": by, "reason": texts.clean(reason, texts.TIMELINE)}
    taken = int(database.rows(TAKE_COSTS, values)[0]["n"])
    database.rows("UPDATE referans.statements SET summary = NULL WHERE id = %s", (statement_id,))
    return taken


def forget(limit: int) -> int:
    """Delete up to `limit` uploads that were never finished, a day later; and those of KEPT_DAYS ago without lines."""
    return len(database.rows(FORGET, (limit,)))


def forget_old_lines(limit: int) -> int:
    """Delete up to `limit` lines of statements that were compared KEPT_DAYS ago; returns how many."""
    return len(database.rows(FORGET_LINES, (limit,)))


COLUMNS = (
    's.id, s.provider_id, s.name, s."by", s.state, s.options, s.error, s.lines, s.created_at, s.ended_at'
)
BEGIN = """
INSERT INTO referans.statements (provider_id, name, "by", options, state)
VALUES (%(provider)s, %(name)s, %(by)s, %(options)s, %(state)s) RETURNING id
"""
FIND = f"SELECT {COLUMNS} FROM referans.statements AS s WHERE s.id = %s"
NEWEST = (
    f"SELECT {COLUMNS} FROM referans.statements AS s WHERE s.state <> 'uploading' ORDER BY s.id DESC LIMIT %s"
)
REMEMBER = """
INSERT INTO referans.statement_columns (provider_id, options) VALUES (%s, %s)
ON CONFLICT (provider_id) DO UPDATE SET options = excluded.options
"""
KEEP_PART = """
INSERT INTO referans.statement_parts (statement_id, part, content)
SELECT s.id, %(part)s, %(content)s FROM referans.statements AS s WHERE s.id = %(id)s AND s.state = 'uploading'
ON CONFLICT (statement_id, part) DO UPDATE SET content = excluded.content RETURNING part
"""
PARTS_BYTES = """
SELECT COALESCE(sum(length(content)), 0)::bigint AS n FROM referans.statement_parts WHERE statement_id = %s
"""
UPLOADED = """
UPDATE referans.statements AS s SET state = 'waiting', worked_at = now()
WHERE s.id = %(id)s AND s.state = 'uploading' AND %(parts)s = (
    SELECT count(*) FROM referans.statement_parts AS p WHERE p.statement_id = s.id AND p.part < %(parts)s)
RETURNING id
"""
#: A process that was killed while it read has said nothing for two minutes.
TAKE = """
UPDATE referans.statements SET state = 'reading', worked_at = now()
WHERE id = %s AND (state = 'waiting' OR state = 'reading' AND worked_at < now() - interval '2 minutes') RETURNING id
"""
PARTS = "SELECT content FROM referans.statement_parts WHERE statement_id = %s ORDER BY part"
STALLED = """
SELECT id FROM referans.statements
WHERE state IN ('waiting', 'reading') AND worked_at < now() - interval '2 minutes'
  AND EXISTS (SELECT FROM referans.statement_parts AS p WHERE p.statement_id = statements.id)
ORDER BY id LIMIT %s
"""
ADD = """
WITH added AS (
    INSERT INTO referans.statement_lines (statement_id, line, referans, external_order_id, player, amount, currency,
        state, kind, at)
    SELECT %(id)s, given.* FROM unnest(%(line)s::int[], %(referans)s::text[], %(external_order_id)s::text[],
        %(player)s::text[], %(amount)s::numeric[], %(currency)s::text[], %(state)s::text[], %(kind)s::text[],
        %(at)s::timestamptz[]) AS given
)
UPDATE referans.statements SET lines = lines + %(count)s, worked_at = now() WHERE id = %(id)s
"""
#: In SQL: the lines whose order is still to be found.
_OPEN = "l.statement_id = %(id)s AND l.order_id IS NULL"
BY_REFERANS = f"""
UPDATE referans.statement_lines AS l SET order_id = o.id, is_former = o."providerId" IS DISTINCT FROM %(provider)s
FROM product_orders AS o
WHERE {_OPEN} AND o.provider_referans = l.referans
  AND (o."providerId" = %(provider)s OR %(provider)s = ANY (o."triedProviders"))
"""
BY_FORMER = f"""
UPDATE referans.statement_lines AS l SET order_id = f.order_id, is_former = true
FROM referans.former_references AS f
WHERE {_OPEN} AND f.referans = l.referans AND f.provider_id = %(provider)s
"""
BY_NUMBER = f"""
UPDATE referans.statement_lines AS l SET order_id = o.id
FROM product_orders AS o
WHERE {_OPEN} AND o."externalOrderId" = l.external_order_id AND o."providerId" = %(provider)s
"""
BY_FORMER_NUMBER = f"""
UPDATE referans.statement_lines AS l SET order_id = f.order_id, is_former = true
FROM referans.former_references AS f
WHERE {_OPEN} AND f.external_order_id = l.external_order_id AND f.provider_id = %(provider)s
"""
#: The nearest in time, each order once. A line with a number of its own is never matched so: it may be bought by hand.
BY_PLAYER = f"""
WITH near AS (
    SELECT l.line, o.id, row_number() OVER (PARTITION BY o.id ORDER BY o.gap, l.line) AS turn,
        row_number() OVER (PARTITION BY l.line ORDER BY o.gap, o.id) AS choice
    FROM referans.statement_lines AS l
    CROSS JOIN LATERAL (
        SELECT o.id, abs(EXTRACT(EPOCH FROM COALESCE(o."sentAt", o."createdAt") - l.at)) AS gap
        FROM product_orders AS o
        WHERE o."userIdentifier" = l.player AND o."providerId" = %(provider)s AND {COST_AMOUNT} = l.amount
          AND o."createdAt" BETWEEN l.at - interval '1 day' AND l.at + interval '1 day'
    ) AS o
    WHERE {_OPEN} AND l.referans IS NULL AND l.external_order_id IS NULL AND l.player IS NOT NULL
      AND l.amount IS NOT NULL AND l.at IS NOT NULL AND o.gap <= {NEAR_MINUTES * 60}
      AND NOT EXISTS (
          SELECT FROM referans.statement_lines AS taken WHERE taken.statement_id = %(id)s AND taken.order_id = o.id)
)
UPDATE referans.statement_lines AS l SET order_id = near.id FROM near
WHERE l.statement_id = %(id)s AND l.line = near.line AND near.turn = 1 AND near.choice = 1 RETURNING l.line
"""
#: It is being compared still: no other process is to begin with it.
WORKED_ON = "UPDATE referans.statements SET worked_at = now() WHERE id = %(id)s"
#: In SQL, of a line `l` and its order `o`: how it ended with us. A provider that has it no more was refused, or has
#: refused it.
_OURS = f"CASE WHEN l.is_former THEN 'failed' ELSE {kind_in_sql(WORD)} END"
COMPARE = f"""
WITH numbered AS (
    SELECT l.line, l.order_id, o.id IS NULL AS is_unknown,
        COALESCE(l.kind, 'completed') IN ('failed', 'returned') AS took_nothing, l.kind,
        count(*) FILTER (WHERE l.kind = 'returned') OVER of_order AS returned,
        count(*) FILTER (WHERE COALESCE(l.kind, 'completed') NOT IN ('failed', 'returned')) OVER of_order AS charged,
        {_OURS} AS ours, l.is_former, l.amount, {COST_AMOUNT} AS cost, l.currency,
        {COST_CURRENCY} AS cost_currency,
        row_number() OVER (
            PARTITION BY l.order_id, COALESCE(l.kind, 'completed') IN ('failed', 'returned') ORDER BY l.line
        ) AS turn
    FROM referans.statement_lines AS l LEFT JOIN product_orders AS o ON o.id = l.order_id
    WHERE l.statement_id = %(id)s
    WINDOW of_order AS (PARTITION BY l.order_id)
), said AS (
    SELECT line, CASE
        WHEN is_unknown AND took_nothing THEN 'ok'
        WHEN is_unknown THEN 'unknown'
        WHEN NOT took_nothing AND turn > 1 + returned THEN 'twice'
        WHEN kind = 'completed' AND ours <> 'completed' AND turn > returned THEN 'state'
        WHEN kind = 'charged' AND ours NOT IN ('completed', 'open') AND turn > returned THEN 'state'
        WHEN kind = 'returned' AND ours = 'completed' AND returned >= charged THEN 'state'
        WHEN kind = 'failed' AND ours = 'completed' AND NOT EXISTS (
            SELECT FROM referans.statement_lines AS paid
            WHERE paid.statement_id = %(id)s AND paid.order_id = numbered.order_id
              AND COALESCE(paid.kind, 'completed') NOT IN ('failed', 'returned')
        ) THEN 'state'
        WHEN NOT took_nothing AND NOT is_former AND amount <> cost THEN 'cost'
        WHEN NOT took_nothing AND NOT is_former AND upper(currency) <> upper(cost_currency) THEN 'cost'
        ELSE 'ok'
    END AS finding
    FROM numbered
)
UPDATE referans.statement_lines AS l SET finding = said.finding FROM said
WHERE l.statement_id = %(id)s AND l.line = said.line
"""
#: Delivered by this provider between the first and the last order of the statement, which says itself how far it goes.
FIND_MISSING = f"""
WITH matched AS (
    SELECT min(o."sentAt") AS first, max(o."sentAt") AS last
    FROM referans.statement_lines AS l JOIN product_orders AS o ON o.id = l.order_id
    WHERE l.statement_id = %(id)s AND NOT l.is_former
)
INSERT INTO referans.statement_lines (statement_id, line, order_id, finding)
SELECT %(id)s, -row_number() OVER (ORDER BY o."sentAt", o.id), o.id, 'missing'
FROM matched JOIN product_orders AS o ON o."sentAt" BETWEEN matched.first AND matched.last
    AND o."createdAt" BETWEEN matched.first - interval '2 days' AND matched.last
WHERE o."providerId" = %(provider)s AND {kind_in_sql(WORD)} = 'completed' AND NOT EXISTS (
    SELECT FROM referans.statement_lines AS l WHERE l.statement_id = %(id)s AND l.order_id = o.id)
"""
STEPS = (
    "ANALYZE referans.statement_lines",
    *(BY_REFERANS, BY_FORMER, BY_NUMBER, BY_FORMER_NUMBER, BY_PLAYER, COMPARE, FIND_MISSING),
)
END = """
WITH dropped AS (DELETE FROM referans.statement_parts WHERE statement_id = %(id)s)
UPDATE referans.statements SET state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END,
    error = %(error)s, ended_at = now(), worked_at = now() WHERE id = %(id)s
"""
SUMMARY = f"""
SELECT l.finding, COALESCE(upper(l.currency), {COST_CURRENCY}) AS currency,
    count(*)::int AS count,
    COALESCE(sum(CASE WHEN l.kind = 'returned' THEN -l.amount ELSE l.amount END), 0) AS amount,
    COALESCE(sum({COST_AMOUNT}), 0) AS cost
FROM referans.statement_lines AS l LEFT JOIN product_orders AS o ON o.id = l.order_id
WHERE l.statement_id = %(id)s AND l.finding IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
KEPT_SUMMARY = "SELECT s.summary FROM referans.statements AS s WHERE s.id = %s"
KEEP_SUMMARY = "UPDATE referans.statements SET summary = %s WHERE id = %s AND state = 'done'"
FOUND = f"""
SELECT l.line, l.referans, l.external_order_id, l.player, l.amount, l.currency, l.state, l.at,
    l.order_id::text AS order_id, o."orderNo" AS order_no, {_OURS} AS external_status, {COST_AMOUNT} AS cost,
    {COST_CURRENCY} AS cost_currency
FROM referans.statement_lines AS l LEFT JOIN product_orders AS o ON o.id = l.order_id
WHERE l.statement_id = %(id)s AND l.finding = %(finding)s AND (%(after)s::int IS NULL OR l.line > %(after)s::int)
ORDER BY l.line LIMIT %(limit)s
"""
TAKE_COSTS = f"""
WITH wanted AS (
    SELECT DISTINCT ON (l.order_id) l.order_id, l.line, l.amount, upper(l.currency) AS currency
    FROM referans.statement_lines AS l
    WHERE l.statement_id = %(id)s AND l.finding = 'cost' AND l.amount IS NOT NULL ORDER BY l.order_id, l.line
), locked AS (
    SELECT o.id, {COST_AMOUNT} AS cost, {COST_CURRENCY} AS currency
    FROM product_orders AS o WHERE o.id = ANY (ARRAY(SELECT wanted.order_id FROM wanted)) ORDER BY o.id FOR UPDATE
), changed AS (
    UPDATE product_orders AS o SET "gatewayCostAmount" = wanted.amount,
        "gatewayCostCurrency" = COALESCE(wanted.currency, locked.currency)
    FROM wanted JOIN locked ON locked.id = wanted.order_id WHERE o.id = wanted.order_id
    RETURNING o.id, o."externalStatus" AS status, locked.cost, wanted.amount, wanted.line
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, "by")
    SELECT id, 'operator', status, status,
        'cost ' || COALESCE(cost::text, 'unknown') || ' → ' || amount || ', as statement ' || %(id)s || ' says: '
        || %(reason)s, %(by)s
    FROM changed
), settled AS (
    UPDATE referans.statement_lines AS l SET finding = 'ok' FROM changed
    WHERE l.statement_id = %(id)s AND l.line = changed.line
)
SELECT count(*)::int AS n FROM changed
"""
FORGET = f"""
DELETE FROM referans.statements WHERE id IN (
    SELECT s.id FROM referans.statements AS s WHERE s.state = 'uploading' AND s.created_at < now() - interval '1 day'
        OR s.ended_at < now() - make_interval(days => {KEPT_DAYS})
            AND NOT EXISTS (SELECT FROM referans.statement_lines AS l WHERE l.statement_id = s.id)
    ORDER BY s.id LIMIT %s
) RETURNING id
"""
FORGET_LINES = f"""
DELETE FROM referans.statement_lines WHERE (statement_id, line) IN (
    SELECT l.statement_id, l.line FROM referans.statements AS s
    JOIN referans.statement_lines AS l ON l.statement_id = s.id
    WHERE s.ended_at < now() - make_interval(days => {KEPT_DAYS}) LIMIT %s
) RETURNING line
"""
