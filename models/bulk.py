"""Actions on many at once: how far each is, who wanted it and why; and, of those on orders, which orders.

The orders are chosen once, when it begins. What is done about one, and that it is done, are written in one
transaction, so that a worker that is killed repeats nothing; the next one goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from models import listing, stuck, texts
from models.db import database
from models.listing import Filter
from models.resolving import NotPossible
from models.stuck import Limits
from models.tenants import EVERYTHING, View

#: Seconds without progress after which the sweep wakes a worker for it.
STALLED_SECONDS = 60
#: Refused orders that are shown of one.
SHOWN_REFUSED = 50


class What(StrEnum):
    """What an action is about."""

    ORDERS = "orders"
    #: See `models.bulk_messages`, as for notifications.
    CALLBACKS = "callbacks"
    NOTIFICATIONS = "notifications"


class Changed(Exception):
    """The orders are not as many as the person was told; `count` is how many there are now."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


@dataclass(frozen=True, slots=True)
class About:
    """Which orders are meant: those of one kind that need a person, or those of a list."""

    kind: str | None = None
    wanted: Filter = field(default_factory=Filter)
    view: View = EVERYTHING

    def source(self, limits: Limits) -> tuple[str, dict[str, Any]]:
        """In SQL: their ids; and the values for it."""
        if self.kind is not None:
            values = limits.parameters() | {"kind": self.kind, "provider": self.wanted.provider_id}
            return stuck.ALL_OF_KIND, values
        condition, values = listing.condition(self.wanted, self.view)
        return f"SELECT o.id FROM product_orders AS o WHERE {condition}", values


@dataclass(frozen=True, slots=True)
class Bulk:
    """An action on many orders, callbacks or notifications: a row of COLUMNS."""

    id: int
    #: A value of What.
    what: str
    action: str
    options: dict[str, Any]
    #: Which ones, in words for a person: `{"kind": …}` or the filters of the list.
    about: dict[str, Any]
    reason: str
    by: str
    total: int
    #: `running`, `stopped` by a person, or `done`.
    state: str
    created_at: datetime
    ended_at: datetime | None
    done: int
    refused: int
    #: Of callbacks: by their result now, how many.
    became: dict[str, int]
    #: Why nothing could be done about the last of those that were refused; of orders see `refused`.
    refusal: str | None

    @property
    def left(self) -> int:
        """How many are left. Of callbacks some may have been settled meanwhile, and need nothing."""
        return 0 if self.state == "done" else max(0, self.total - self.done - self.refused)


@dataclass(frozen=True, slots=True)
class Refused:
    """An order about which nothing could be done, and why."""

    order_id: str
    note: str


@dataclass(frozen=True, slots=True)
class _Number:
    n: int


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


def count(about: About, limits: Limits) -> int:
    """How many orders are meant; every one is counted. Raises database.TooSlow."""
    source, values = about.source(limits)
    return database.load_list(_Number, f"SELECT count(*)::int AS n FROM ({source}) AS counted", values)[0].n


def begin(
    about: About,
    limits: Limits,
    expected: int,
    *,
    action: str,
    reason: str,
    by: str,
    shown: Mapping[str, Any],
    options: Mapping[str, Any],
) -> int:
    """Choose the orders, and let it begin; returns its id. Raises Changed unless they are as many as expected."""
    source, values = about.source(limits)
    with database.database.atomic():
        made = {
            "action": action,
            "options": database.as_json(dict(options)),
            "about": database.as_json(dict(shown)),
            "reason": texts.clean(reason, texts.TIMELINE),
            "by": by,
        }
        bulk_id = int(database.rows(BEGIN, made)[0]["id"])
        choose = CHOOSE.format(source=source)
        chosen = database.load_list(_Number, choose, values | {"bulk": bulk_id})[0].n
        if chosen != expected:
            raise Changed(chosen)
        database.rows(SET_TOTAL, {"bulk": bulk_id, "total": chosen})
    return bulk_id


def find(bulk_id: int) -> Bulk | None:
    """The one with this id."""
    return database.load_one(Bulk, FIND, {"id": bulk_id})


def newest(limit: int) -> list[Bulk]:
    """The last ones, newest first."""
    return database.load(Bulk, NEWEST, {"limit": limit})


def running(what: What = What.ORDERS) -> list[Bulk]:
    """Those that are not done."""
    return database.load(Bulk, RUNNING, {"what": what.value})


def refused(bulk_id: int) -> list[Refused]:
    """Orders about which nothing could be done, up to SHOWN_REFUSED."""
    return database.load(Refused, REFUSED, {"id": bulk_id, "limit": SHOWN_REFUSED})


def stalled(limit: int) -> list[int]:
    """Running ones on which nothing was done for STALLED_SECONDS."""
    return [int(row["id"]) for row in database.rows(STALLED, {"limit": limit})]


def stop(bulk_id: int) -> bool:
    """Stop it where it is; what is done stays. False if it does not run."""
    return database.row(SET_STATE, {"id": bulk_id, "from": "running", "to": "stopped"}) is not None


def go_on(bulk_id: int) -> bool:
    """Go on with a stopped one."""
    return database.row(SET_STATE, {"id": bulk_id, "from": "stopped", "to": "running"}) is not None


def work_on_next(bulk_id: int, work: Callable[[str], None]) -> str | None:
    """Let `work` do its part about the next order, in one transaction with the note that it is done.

    Returns the order's id; None if none is left, or it was stopped. If `work` raises NotPossible, that is noted, and
    nothing of it stays. Several workers may do this at once: each takes other orders.
    """
    with database.database.atomic():
        taken = database.load(_Id, TAKE, {"bulk": bulk_id})
        if not taken:
            return None
        order_id = taken[0].id
        try:
            with database.database.atomic():
                work(order_id)
            result, note = "done", None
        except NotPossible as refusal:
            result, note = "refused", texts.clean(str(refusal), texts.TIMELINE)
        database.rows(DONE, {"bulk": bulk_id, "order": order_id, "result": result, "note": note})
    return order_id


def note_progress(bulk_id: int) -> bool:
    """Note that it was worked on; True if that was the end of it."""
    return database.row(PROGRESS, {"id": bulk_id}) is not None


#: Counts ride the primary key: they cost as much as it has orders.
COLUMNS = """
    b.id, b.what, b.action, b.options, b.about, b.reason, b."by", b.total, b.state, b.created_at, b.ended_at,
    (b.done + c.done)::int AS done, (b.refused + c.refused)::int AS refused, b.became, b.refusal
"""
_FROM = """
FROM referans.bulk_actions AS b CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE i.result = 'done') AS done, count(*) FILTER (WHERE i.result = 'refused') AS refused
    FROM referans.bulk_orders AS i WHERE i.bulk_id = b.id
) AS c
"""
FIND = f"SELECT {COLUMNS} {_FROM} WHERE b.id = %(id)s"
NEWEST = f"SELECT {COLUMNS} {_FROM} ORDER BY b.id DESC LIMIT %(limit)s"
RUNNING = f"SELECT {COLUMNS} {_FROM} WHERE b.state = 'running' AND b.what = %(what)s ORDER BY b.id"
BEGIN = """
INSERT INTO referans.bulk_actions (action, options, about, reason, "by")
VALUES (%(action)s, %(options)s, %(about)s, %(reason)s, %(by)s) RETURNING id
"""
CHOOSE = """
WITH chosen AS (
    INSERT INTO referans.bulk_orders (bulk_id, order_id) SELECT %(bulk)s, found.id FROM ({source}) AS found
    RETURNING order_id
)
SELECT count(*)::int AS n FROM chosen
"""
SET_TOTAL = "UPDATE referans.bulk_actions SET total = %(total)s WHERE id = %(bulk)s"
SET_STATE = """
UPDATE referans.bulk_actions SET state = %(to)s, worked_at = now() WHERE id = %(id)s AND state = %(from)s RETURNING id
"""
TAKE = """
SELECT i.order_id::text AS id FROM referans.bulk_orders AS i JOIN referans.bulk_actions AS b ON b.id = i.bulk_id
WHERE i.bulk_id = %(bulk)s AND b.state = 'running' AND i.result IS NULL
ORDER BY i.order_id LIMIT 1 FOR UPDATE OF i SKIP LOCKED
"""
DONE = """
UPDATE referans.bulk_orders SET result = %(result)s, note = %(note)s WHERE bulk_id = %(bulk)s AND order_id = %(order)s
"""
PROGRESS = """
WITH noted AS (
    UPDATE referans.bulk_actions AS b SET worked_at = now(),
        state = CASE WHEN is_over THEN 'done' ELSE b.state END, ended_at = CASE WHEN is_over THEN now() END
    FROM (
        SELECT NOT EXISTS (SELECT FROM referans.bulk_orders WHERE bulk_id = %(id)s AND result IS NULL) AS is_over
    ) AS now_over
    WHERE b.id = %(id)s AND b.state = 'running' RETURNING b.state
)
SELECT 1 AS one FROM noted WHERE state = 'done'
"""
REFUSED = """
SELECT order_id::text AS order_id, note FROM referans.bulk_orders WHERE bulk_id = %(id)s AND result = 'refused'
LIMIT %(limit)s
"""
STALLED = f"""
SELECT id FROM referans.bulk_actions
WHERE state = 'running' AND COALESCE(worked_at, created_at) < now() - make_interval(secs => {STALLED_SECONDS})
ORDER BY id LIMIT %(limit)s
"""
