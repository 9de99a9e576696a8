"""The outbox: what the storefront is to be told, and each try at it.

A notification is written by the statement that makes it true (`models.order.TELL`), and waits until it is delivered or
dead. The plan of its next try stands in the row; while a process tries it, that is the end of the claim, so that what a
killed process had claimed is tried again. Notifications of one order go one after the other: the oldest that waits.

A receiver is a scheme, host and port, or NOTIFY_URL. What a receiver that fails is spared, and when it counts as slow,
is written with the results of the tries.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from models.db import database
from models.db.prepared import Prepared
from models.order import COLUMNS, DEFAULT_RECEIVER, Order
from models.status import Attention

#: Calls to one receiver at once in one process: while it answers quickly, and while it is new, slow or failing.
MOST_CALLS, FEW_CALLS = 16, 2
#: Calls at once in one process to all receivers that the orders of one tenant name (`notifyUrl`).
MOST_CALLS_OF_TENANT = 16
#: Seconds of a claim: longer than any try, so that no other process tries the same.
CLAIM_SECONDS = 45.0
#: Calls in a row that brought no answer, after which a receiver is only tried now and then.
BREAKER_THRESHOLD = 5
#: Seconds between two such tries: the first wait, which doubles, and the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 30
#: Mean milliseconds of the last answers above which a receiver counts as slow.
SLOW_MS = 1000
#: Hours of failure after which a receiver gets nothing more until a person enables it. A notification has failed
#: DISABLING_TRIES times by then: after quiet days, one failure says little.
DISABLED_AFTER_HOURS = 120
DISABLING_TRIES = 5
#: Characters of an answer, and of an error, that are kept.
ANSWER, ERROR = 1_000, 300


class State(StrEnum):
    """Where a notification stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    #: It is not tried any more, unless a person has it delivered again.
    DEAD = "dead"


class Became(StrEnum):
    """What a try made of a notification."""

    DELIVERED = "delivered"
    #: It failed, and another try is planned.
    AGAIN = "again"
    DEAD = "dead"
    #: It was not tried, by a fault of our own.
    PUT_OFF = "put_off"


@dataclass(frozen=True, slots=True)
class Due:
    """A notification that this process has claimed: a row of CLAIM."""

    id: int
    webhook_id: UUID
    order_id: str
    type: str
    created_at: datetime
    #: None: NOTIFY_URL.
    url: str | None
    receiver: str
    #: The order as it was then, as JSON; see `order_of`.
    payload: str = field(repr=False)
    #: How often it was tried.
    tries: int
    claimed_until: datetime
    #: Whose `notifyUrl` it is: the order's tenant, "" for none; None: NOTIFY_URL.
    tenant: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """What a process has under way at a receiver, and how much that may be."""

    receiver: str
    taken: int
    most: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one try."""

    due: Due
    became: Became
    duration_ms: int
    #: HTTP status, if there was an answer, and the beginning of its body.
    status: int | None = None
    answer: str | None = None
    error: str | None = None
    #: Seconds until the next try, if there is one.
    delay_seconds: float | None = None
    #: For the timeline, if this is the end.
    note: str | None = None
    #: No answer came at all.
    is_unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as people see it: a row of SHOWN."""

    id: int
    webhook_id: UUID
    order_id: str
    #: What people know the order by, as it was then.
    order_no: str | None
    type: str
    created_at: datetime
    url: str | None
    receiver: str
    state: str
    tries: int
    next_try_at: datetime | None
    ended_at: datetime | None
    #: Of the last try.
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class WholeNotification(Notification):
    """One with the order that it tells of, as JSON."""

    payload: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try, as it is kept."""

    at: datetime
    status: int | None
    duration_ms: int
    answer: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """How a receiver does: a row of RECEIVERS."""

    receiver: str
    failing_since: datetime | None
    failures: int
    disabled_at: datetime | None
    last_error: str | None
    delivered_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications are meant; None is any."""

    states: tuple[State, ...] | None = None
    order_id: str | None = None
    #: They were made then or later; a timedelta counts back from the database's now.
    since: datetime | timedelta | None = None
    after_id: int = 0
    #: Those with a smaller number.
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How many notifications are meant, and the number of the last one."""

    count: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The outbox in figures: a row of STANDING."""

    waiting: int
    #: Seconds since the longest waiting one was made; None if none waits.
    oldest_waiting_seconds: float | None
    dead: int
    failing_receivers: int
    disabled_receivers: int


def claim(
    room: int, held: Sequence[Held], *, has_default: bool, of_tenants: Mapping[str, int] | None = None
) -> list[Due]:
    """Claim notifications that are due, one of each receiver after the other; of each order, the oldest that waits.

    At most half of `room`, so that receivers which begin to hang at the same time leave some for others. No receiver
    gets more than it may have under way, or than half of what the others leave; no tenant more than
    MOST_CALLS_OF_TENANT, of which `of_tenants` are under way. Without `has_default`, those for
    NOTIFY_URL go on waiting.
    """
    taken_by_tenants = of_tenants or {}
    values: dict[str, Any] = {
        "tenants": list(taken_by_tenants),
        "taken_by_tenants": list(taken_by_tenants.values()),
        "room": room,
        "has_default": has_default,
        "held": [each.receiver for each in held],
        "taken": [each.taken for each in held],
        "most": [each.most for each in held],
    }
    return database.load(Due, CLAIM, values)


def record(tried: Sequence[Tried]) -> list[str]:
    """Record what came of these tries: one statement. The receivers that were disabled by it.

    The failure of a try whose claim had ended changes no plan: another process has one.
    """
    given = [
        {
            "id": each.due.id,
            "claim": each.due.claimed_until.isoformat(),
            "receiver": each.due.receiver,
            "became": each.became.value,
            "delay": each.delay_seconds,
            "status": each.status,
            "duration": each.duration_ms,
            "answer": each.answer,
            "error": each.error,
            "note": each.note,
            "unanswered": each.is_unanswered,
        }
        for each in tried
    ]
    return [str(row["receiver"]) for row in database.rows(RECORD, database.arrays(given))]


def count_due() -> int:
    """How many notifications are due, those that wait behind others of their order included."""
    return int(database.rows(COUNT_DUE)[0]["n"])


def bury_disabled(limit: int) -> int:
    """Let up to `limit` notifications die that wait for a receiver which is disabled; how many."""
    return len(database.rows(BURY_DISABLED, {"limit": limit}))


def orders(order_ids: Sequence[str]) -> dict[str, Order]:
    """These orders as they are now, by id."""
    return {each.id: each for each in database.load(Order, ORDERS, (list(order_ids),))}


def order_of(payload: str) -> Order:
    """The order in a notification; what an earlier version did not write is None."""
    kept = json.loads(payload, parse_float=Decimal)
    found = {each.name: kept.get(each.name) for each in fields(Order)}
    for name in TIMES:
        if isinstance(found[name], str):
            found[name] = datetime.fromisoformat(found[name])
    return Order(**found)


def page(wanted: Filter, limit: int) -> list[Notification]:
    """Up to `limit` notifications, newest first. Raises database.TooSlow."""
    where, values = _conditions(wanted)
    if wanted.since is not None:
        where += SINCE_BY_NUMBER.format(since=_since(wanted))
    return database.load_list(Notification, PAGE.format(where=where), values | {"limit": limit})


def find(name: str) -> WholeNotification | None:
    """The notification with this number or `webhook-id`."""
    values = {
        "id": int(name) if name.isdecimal() and len(name) < 19 else None,
        "webhook_id": webhook_uuid(name),
    }
    return database.load_one(WholeNotification, FIND, values)


def webhook_id(notification: Due | Notification) -> str:
    """Its `webhook-id`: the same on every try."""
    return named(notification.webhook_id)


def named(webhook_id: UUID) -> str:
    """A `webhook-id` as it is sent."""
    return f"msg_{webhook_id.hex}"


def webhook_uuid(name: str) -> str | None:
    """What a `webhook-id` is in the database; None if it is none of ours."""
    try:
        return str(UUID(name.removeprefix("msg_")))
    except ValueError:
        return None


def deliveries(notification_id: int) -> list[Delivery]:
    """Each try at a notification, oldest first."""
    return database.load(Delivery, DELIVERIES, (notification_id,))


def receivers() -> list[Receiver]:
    """The receivers that fail or are disabled, the longest failing first."""
    return database.load(Receiver, RECEIVERS)


def standing() -> Standing:
    """The outbox in figures; they cost what waits and what is dead."""
    [found] = database.load(Standing, STANDING)
    return found


def waits_for_default() -> bool:
    """Whether something waits for NOTIFY_URL."""
    return database.row(WAITS_FOR_DEFAULT) is not None


def count(wanted: Filter) -> int:
    """How many there are."""
    where, values = _conditions(wanted)
    return int(database.rows(COUNT.format(where=where), values)[0]["n"])


def extent(wanted: Filter, *, within_ms: int | None = None) -> Extent | None:
    """How many there are, and the number of the last one; None without any. Raises database.TooSlow."""
    where, values = _conditions(wanted)
    [found] = database.load_list(Extent, EXTENT.format(where=where), values, within_ms=within_ms)
    return found if found.count else None


def ids(wanted: Filter, limit: int) -> list[int]:
    """The numbers of up to `limit` notifications, oldest first."""
    where, values = _conditions(wanted)
    return [row["id"] for row in database.rows(IDS.format(where=where), values | {"limit": limit})]


def redeliver(notification_ids: Sequence[int], by: str) -> list[int]:
    """Have these delivered once more, as if they were new; the numbers of those there are.

    Where an order needed a person because they were dead, it does not any more. `by` stands on its timeline.
    """
    values = {"ids": list(notification_ids), "by": by}
    return [row["id"] for row in database.rows(REDELIVER, values)]


def enable(receiver: str) -> bool:
    """Let a receiver get notifications again; False if it was not disabled, and has not failed."""
    return database.row(ENABLE, (receiver,)) is not None


def purge(retention_seconds: float, limit: int) -> int:
    """Delete up to `limit` notifications that have ended, with their deliveries, older than the retention."""
    return len(database.rows(PURGE, {"retention": retention_seconds, "limit": limit}))


def made_since(after_id: int, limit: int) -> list[Due]:
    """Up to `limit` notifications made after that one, oldest first, whatever became of them."""
    return database.load(Due, MADE_SINCE, {"after": after_id, "limit": limit})


def last_id() -> int:
    """The number of the newest notification; 0 without any."""
    return int(database.rows("SELECT COALESCE(max(id), 0) AS id FROM referans.notifications")[0]["id"])


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    candidates: Mapping[str, tuple[str, Any]] = {
        "states": ("n.state = ANY (%(states)s)", wanted.states and [str(each) for each in wanted.states]),
        "order_id": ("n.order_id = %(order_id)s::uuid", wanted.order_id),
        "since": (f"n.created_at >= {_since(wanted)}", wanted.since),
        "after_id": ("n.id > %(after_id)s", wanted.after_id or None),
        "before_id": ("n.id < %(before_id)s", wanted.before_id),
    }
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    where = " AND ".join(condition for condition, _ in used.values()) or "true"
    return where, {name: value for name, (_, value) in used.items()}


def _since(wanted: Filter) -> str:
    """In SQL: the time since when they were made."""
    return "now() - %(since)s" if isinstance(wanted.since, timedelta) else "%(since)s"


#: The fields of an Order that are times.
TIMES = tuple(each.name for each in fields(Order) if "datetime" in str(each.type))
#: In SQL, of the notification `n`: the `tenant` of a Due.
_TENANT = "CASE WHEN n.url IS NOT NULL THEN COALESCE(n.payload ->> 'tenant_id', '') END"
#: The fields of a Due, in SQL.
_DUE = f"""n.id, n.webhook_id, n.order_id::text AS order_id, n.type, n.created_at, n.url, n.receiver,
    n.payload::text AS payload, n.tries, n.next_try_at AS claimed_until, {_TENANT} AS tenant"""
#: In SQL, of the notification `{of}`: its state. No index of those in one state is taken for it: where statistics were
#: made when there were hardly any, PostgreSQL goes through all of them for each order, instead of the order's own few.
_STATE = "COALESCE({of}.state, '')"
#: In SQL, of the notification `n`: it is due, and no earlier one of its order waits. It is an aggregate, so that the
#: order's own are looked at whatever statistics say: NOT EXISTS is planned as a join with all that wait, and a
#: condition on the ids as a search through all that are older.
_IS_NEXT = f"""n.state = 'waiting' AND n.next_try_at <= now() AND (
    SELECT bool_or(earlier.id < n.id) FROM referans.notifications AS earlier
    WHERE earlier.order_id = n.order_id AND {_STATE.format(of="earlier")} = 'waiting') IS NOT TRUE"""
#: In SQL: true; the transaction does not wait for the disk when it commits. What a crash of the server then takes back
#: are the last claims and results, in their order, and those notifications come again.
_UNSYNCED = "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'"
#: Its cost follows the number of receivers for which something waits. Of a receiver that was paused because it does not
#: answer, one notification is tried once the pause is over, by one process: the row is locked, and paused anew.
CLAIM = Prepared(f"""
WITH RECURSIVE waiting AS (
    (SELECT n.receiver FROM referans.notifications AS n WHERE n.state = 'waiting' ORDER BY n.receiver LIMIT 1)
    UNION ALL
    SELECT (
        SELECT n.receiver FROM referans.notifications AS n WHERE n.state = 'waiting' AND n.receiver > waiting.receiver
        ORDER BY n.receiver LIMIT 1
    ) FROM waiting WHERE waiting.receiver IS NOT NULL
), probed AS (
    UPDATE referans.receivers AS r SET paused_until = now() + make_interval(secs => {CLAIM_SECONDS})
    WHERE r.receiver = ANY (ARRAY(
        SELECT r.receiver FROM referans.receivers AS r
        WHERE r.receiver = ANY (ARRAY(SELECT waiting.receiver FROM waiting))
          AND r.paused_until <= now() AND r.disabled_at IS NULL
          AND EXISTS (SELECT FROM referans.notifications AS n WHERE n.receiver = r.receiver AND {_IS_NEXT})
        ORDER BY r.receiver FOR UPDATE SKIP LOCKED
    ))
    RETURNING r.receiver
), open AS (
    SELECT waiting.receiver, LEAST(
        CASE WHEN probed.receiver IS NOT NULL THEN 1
            WHEN r.receiver IS NULL OR r.failures > 0 OR r.slow THEN {FEW_CALLS}
            ELSE COALESCE(held.most, {MOST_CALLS}) END - COALESCE(held.taken, 0),
        ceil((%(room)s::int - COALESCE(held.taken, 0)) / 2.0)
    )::int AS places
    FROM waiting
    LEFT JOIN referans.receivers AS r ON r.receiver = waiting.receiver
    LEFT JOIN probed ON probed.receiver = waiting.receiver
    LEFT JOIN unnest(%(held)s::text[], %(taken)s::int[], %(most)s::int[]) AS held (receiver, taken, most)
        ON held.receiver = waiting.receiver
    WHERE waiting.receiver IS NOT NULL AND r.disabled_at IS NULL
      AND (r.paused_until IS NULL OR probed.receiver IS NOT NULL)
      AND (%(has_default)s::boolean OR waiting.receiver <> '{DEFAULT_RECEIVER}')
), chosen AS (
    SELECT shared.id FROM (
        SELECT turns.*, row_number() OVER (
            PARTITION BY turns.tenant ORDER BY turns.turn, turns.next_try_at, turns.id) AS turn_of_tenant
        FROM (
            SELECT found.*, row_number() OVER (PARTITION BY open.receiver ORDER BY found.next_try_at, found.id) AS turn
            FROM open CROSS JOIN LATERAL (
                SELECT n.id, n.next_try_at, {_TENANT} AS tenant FROM referans.notifications AS n
                WHERE n.receiver = open.receiver AND {_IS_NEXT}
                ORDER BY n.next_try_at LIMIT open.places FOR UPDATE OF n SKIP LOCKED
            ) AS found
            WHERE open.places > 0
        ) AS turns
    ) AS shared
    LEFT JOIN unnest(%(tenants)s::text[], %(taken_by_tenants)s::int[]) AS share (tenant, taken)
        ON share.tenant = shared.tenant
    WHERE shared.tenant IS NULL
        OR shared.turn_of_tenant <= {MOST_CALLS_OF_TENANT} - COALESCE(share.taken, 0)
    ORDER BY shared.turn, shared.next_try_at, shared.id LIMIT ceil(%(room)s::int / 2.0)
)
UPDATE referans.notifications AS n SET next_try_at = now() + make_interval(secs => {CLAIM_SECONDS})
WHERE n.id = ANY (ARRAY(SELECT chosen.id FROM chosen)) AND {_UNSYNCED} RETURNING {_DUE}
""")
#: In SQL: raises attention for the orders of {{dead}}, and puts a {{note}} on their timelines.
_BURIED = f"""
), locked AS (
    SELECT o.id FROM product_orders AS o WHERE o.id = ANY (ARRAY(SELECT order_id FROM {{dead}}))
    ORDER BY o.id FOR UPDATE
), raised AS (
    UPDATE product_orders AS o SET attention = COALESCE(o.attention, '{Attention.NOTIFICATION_DEAD}'),
        "attentionAt" = CASE WHEN o.attention IS NULL THEN now() ELSE o."attentionAt" END
    WHERE o.id = ANY (ARRAY(SELECT locked.id FROM locked))
"""
#: One row for each receiver that it disables. The notifications of the same order that wait behind one that failed are
#: looked at when that is tried again; behind one that has ended, at once.
RECORD = Prepared(f"""
WITH given AS (
    SELECT * FROM unnest(
        %(id)s::bigint[], %(claim)s::timestamptz[], %(receiver)s::text[], %(became)s::text[], %(delay)s::float8[],
        %(status)s::int[], %(duration)s::int[], %(answer)s::text[], %(error)s::text[], %(note)s::text[],
        %(unanswered)s::boolean[]
    ) AS given (id, claim, receiver, became, delay, status, duration, answer, error, note, unanswered)
), tried AS (
    UPDATE referans.notifications AS n SET
        tries = n.tries + CASE WHEN g.became = 'put_off' THEN 0 ELSE 1 END,
        state = CASE WHEN g.became IN ('delivered', 'dead') THEN g.became ELSE 'waiting' END,
        next_try_at = CASE WHEN g.became IN ('again', 'put_off') THEN now() + make_interval(secs => g.delay) END,
        ended_at = CASE WHEN g.became IN ('delivered', 'dead') THEN now() END
    FROM given AS g
    WHERE n.id = g.id AND {_STATE.format(of="n")} = 'waiting'
      AND (g.became = 'delivered' OR n.next_try_at = g.claim) AND {_UNSYNCED}
    RETURNING n.id, n.order_id, n.state, n.tries, n.receiver, n.next_try_at, g.note
), kept AS (
    INSERT INTO referans.deliveries (notification_id, status, duration_ms, answer, error)
    SELECT id, status, duration, answer, error FROM given WHERE became <> 'put_off' ORDER BY id
), following AS (
    UPDATE referans.notifications AS n SET next_try_at = COALESCE(t.next_try_at, now())
    FROM tried AS t
    WHERE n.order_id = t.order_id AND {_STATE.format(of="n")} = 'waiting'
      AND n.id <> ALL (ARRAY(SELECT given.id FROM given))
      AND CASE
          WHEN n.id <= t.id THEN false
          WHEN t.state = 'waiting' THEN n.next_try_at < t.next_try_at
          ELSE n.next_try_at > now()
      END
), buried AS (
    SELECT order_id FROM tried WHERE state = 'dead'
{_BURIED.format(dead="buried")}
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT o.id, 'notify', o."externalStatus", o."externalStatus", t.note
    FROM tried AS t JOIN product_orders AS o ON o.id = t.order_id
    WHERE t.state <> 'waiting' AND t.note IS NOT NULL ORDER BY t.id
), results AS (
    SELECT g.receiver, bool_or(g.became = 'delivered') AS delivered, bool_and(g.unanswered) AS unanswered,
        count(*)::int AS count, max(t.tries) AS tries, avg(g.duration) > {SLOW_MS} AS slow, max(g.error) AS error
    FROM given AS g LEFT JOIN tried AS t ON t.id = g.id WHERE g.became <> 'put_off' GROUP BY g.receiver
), health AS (
    INSERT INTO referans.receivers AS r
        (receiver, failing_since, failures, last_error, delivered_at, slow, paused_until)
    SELECT receiver, CASE WHEN NOT delivered THEN now() END, CASE WHEN delivered THEN 0 ELSE count END,
        error, CASE WHEN delivered THEN now() END, slow,
        CASE WHEN unanswered AND count >= {BREAKER_THRESHOLD}
            THEN now() + make_interval(secs => {FIRST_PAUSE_SECONDS}) END
    FROM results ORDER BY receiver
    ON CONFLICT (receiver) DO UPDATE SET
        failing_since = CASE WHEN excluded.failures > 0 THEN COALESCE(r.failing_since, now()) END,
        failures = CASE WHEN excluded.failures > 0 THEN r.failures + excluded.failures ELSE 0 END,
        last_error = COALESCE(excluded.last_error, r.last_error),
        delivered_at = COALESCE(excluded.delivered_at, r.delivered_at),
        slow = excluded.slow,
        paused_until = CASE
            WHEN (SELECT unanswered FROM results WHERE results.receiver = excluded.receiver)
                AND r.failures + excluded.failures >= {BREAKER_THRESHOLD}
            THEN now() + make_interval(secs => LEAST(
                {LONGEST_PAUSE_SECONDS},
                {FIRST_PAUSE_SECONDS} * 2 ^ LEAST(10, r.failures + excluded.failures - {BREAKER_THRESHOLD})))
        END,
        disabled_at = CASE
            WHEN r.disabled_at IS NULL AND excluded.failures > 0
                AND r.failing_since < now() - interval '{DISABLED_AFTER_HOURS} hours'
                AND (SELECT tries FROM results WHERE results.receiver = excluded.receiver) >= {DISABLING_TRIES}
            THEN now()
            ELSE r.disabled_at
        END
    WHERE excluded.failures > 0 OR r.failures > 0 OR r.slow <> excluded.slow OR r.paused_until IS NOT NULL
        OR COALESCE(r.delivered_at < now() - interval '10 seconds', true)
    RETURNING receiver, disabled_at
)
SELECT receiver FROM health WHERE disabled_at = now()
""")
BURY_DISABLED = f"""
WITH found AS (
    SELECT n.id, n.order_id FROM referans.receivers AS r CROSS JOIN LATERAL (
        SELECT n.id, n.order_id FROM referans.notifications AS n
        WHERE n.receiver = r.receiver AND n.state = 'waiting' ORDER BY n.next_try_at LIMIT %(limit)s
        FOR UPDATE OF n SKIP LOCKED
    ) AS n
    WHERE r.disabled_at IS NOT NULL LIMIT %(limit)s
), buried AS (
    UPDATE referans.notifications AS n SET state = 'dead', next_try_at = NULL, ended_at = now()
    WHERE n.id = ANY (ARRAY(SELECT found.id FROM found)) RETURNING n.id, n.order_id, n.type, n.receiver
{_BURIED.format(dead="buried")}
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message)
    SELECT o.id, 'notify', o."externalStatus", o."externalStatus",
        b.type || ' is not told: ' || b.receiver || ' has failed for {DISABLED_AFTER_HOURS} h and is disabled'
    FROM buried AS b JOIN product_orders AS o ON o.id = b.order_id ORDER BY b.id
)
SELECT id FROM buried
"""
ORDERS = f"SELECT {COLUMNS} FROM product_orders AS o WHERE o.id = ANY (%s::uuid[])"
#: The fields of a Notification, in SQL.
SHOWN = """n.id, n.webhook_id, n.order_id::text AS order_id, n.payload ->> 'order_no' AS order_no, n.type, n.created_at,
    n.url, n.receiver, n.state, n.tries, n.next_try_at, n.ended_at, last.status, last.error"""
_WITH_LAST = """LEFT JOIN LATERAL (
    SELECT d.status, d.error FROM referans.deliveries AS d WHERE d.notification_id = n.id ORDER BY d.id DESC LIMIT 1
) AS last ON true"""
#: What `since` means in numbers, so that a list, which is in their order, ends there. Those that are made at the same
#: time get their numbers in any order.
SINCE_BY_NUMBER = """ AND n.id >= (
    SELECT COALESCE(min(first.id), 0) - 1000 FROM (
        SELECT f.id FROM referans.notifications AS f WHERE f.created_at >= {since} ORDER BY f.created_at LIMIT 1
    ) AS first)"""
PAGE = f"""
SELECT {SHOWN} FROM (
    SELECT * FROM referans.notifications AS n WHERE {{where}} ORDER BY n.id DESC LIMIT %(limit)s
) AS n {_WITH_LAST} ORDER BY n.id DESC
"""
FIND = f"""
SELECT {SHOWN}, n.payload::text AS payload FROM referans.notifications AS n {_WITH_LAST}
WHERE n.id = %(id)s OR n.webhook_id = %(webhook_id)s::uuid LIMIT 1
"""
DELIVERIES = """
SELECT at, status, duration_ms, answer, error FROM referans.deliveries WHERE notification_id = %s ORDER BY id
"""
RECEIVERS = """
SELECT r.receiver, r.failing_since, r.failures, r.disabled_at, r.last_error, r.delivered_at, (
    SELECT count(*)::int FROM referans.notifications AS n WHERE n.receiver = r.receiver AND n.state = 'waiting'
) AS waiting
FROM referans.receivers AS r WHERE r.failing_since IS NOT NULL OR r.disabled_at IS NOT NULL
ORDER BY r.failing_since NULLS LAST, r.receiver
"""
STANDING = """
SELECT waiting.count AS waiting, waiting.oldest AS oldest_waiting_seconds,
    (SELECT count(*)::int FROM referans.notifications WHERE state = 'dead') AS dead,
    health.failing AS failing_receivers, health.disabled AS disabled_receivers
FROM (
    SELECT count(*)::int AS count, EXTRACT(EPOCH FROM now() - min(created_at))::float8 AS oldest
    FROM referans.notifications WHERE state = 'waiting'
) AS waiting, (
    SELECT count(failing_since)::int AS failing, count(disabled_at)::int AS disabled FROM referans.receivers
) AS health
"""
WAITS_FOR_DEFAULT = f"""
SELECT 1 FROM referans.notifications WHERE receiver = '{DEFAULT_RECEIVER}' AND state = 'waiting' LIMIT 1
"""
COUNT_DUE = """
SELECT count(*)::int AS n FROM referans.notifications WHERE state = 'waiting' AND next_try_at <= now()
"""
COUNT = "SELECT count(*)::int AS n FROM referans.notifications AS n WHERE {where}"
EXTENT = "SELECT count(*)::int AS count, max(n.id) AS last_id FROM referans.notifications AS n WHERE {where}"
IDS = "SELECT n.id FROM referans.notifications AS n WHERE {where} ORDER BY n.id LIMIT %(limit)s"
REDELIVER = f"""
WITH again AS (
    UPDATE referans.notifications AS n SET state = 'waiting', tries = 0, next_try_at = now(), ended_at = NULL
    WHERE n.id = ANY (ARRAY(
        SELECT n.id FROM referans.notifications AS n WHERE n.id = ANY (%(ids)s::bigint[]) ORDER BY n.id FOR UPDATE
    )) RETURNING n.id, n.order_id, n.type
), locked AS (
    SELECT o.id FROM product_orders AS o
    WHERE o.id = ANY (ARRAY(SELECT again.order_id FROM again)) AND o.attention = '{Attention.NOTIFICATION_DEAD}'
      AND NOT EXISTS (
          SELECT FROM referans.notifications AS n
          WHERE n.order_id = o.id AND {_STATE.format(of="n")} = 'dead' AND n.id <> ALL (%(ids)s::bigint[]))
    ORDER BY o.id FOR UPDATE
), cleared AS (
    UPDATE product_orders AS o SET attention = NULL, "attentionAt" = NULL
    WHERE o.id = ANY (ARRAY(SELECT locked.id FROM locked))
), told AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, "by")
    SELECT o.id, 'operator', o."externalStatus", o."externalStatus", again.type || ' is delivered again', %(by)s
    FROM again JOIN product_orders AS o ON o.id = again.order_id ORDER BY again.id
)
SELECT id FROM again ORDER BY id
"""
ENABLE = """
UPDATE referans.receivers SET disabled_at = NULL, failing_since = NULL, failures = 0, paused_until = NULL
WHERE receiver = %s AND (disabled_at IS NOT NULL OR failures > 0) RETURNING receiver
"""
PURGE = """
WITH old AS (
    DELETE FROM referans.notifications WHERE id IN (
        SELECT id FROM referans.notifications
        WHERE created_at < now() - make_interval(secs => %(retention)s) AND state <> 'waiting'
        ORDER BY created_at LIMIT %(limit)s)
    RETURNING id
), deliveries AS (
    DELETE FROM referans.deliveries WHERE notification_id = ANY (ARRAY(SELECT old.id FROM old))
)
SELECT id FROM old
"""
MADE_SINCE = f"""
SELECT {_DUE.replace("n.next_try_at AS", "COALESCE(n.next_try_at, n.ended_at, now()) AS")}
FROM referans.notifications AS n WHERE n.id > %(after)s ORDER BY n.id LIMIT %(limit)s
"""
