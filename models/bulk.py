"""Actions on many at once: how far each is, who wanted it and why; and, of those on orders, which orders.

The orders are chosen once, when it begins. What is done about one, and that it is done, are written in one
transaction, so that a worker that is killed repeats nothing; the next one goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import peewee

from gateway import log
from gateway.said import Said
from models import listing, stuck, texts
from models.api_key import Scope
from models.db import database, sealed
from models.listing import Filter
from models.order import VERSION
from models.resolving import NotPossible
from models.stuck import Limits
from models.tenants import EVERYTHING, View

logger = log.get(__name__)

#: Seconds without progress after which the sweep wakes a worker for it.
STALLED_SECONDS = 60
#: Milliseconds in which the orders are chosen: 100,000 take three seconds on a machine that has other work.
CHOOSE_TIMEOUT_MS = 12_000
#: The class of SQLSTATEs of what a trigger of another system raises.
RAISED = "P0"
#: Days for which it is kept which orders one was about, and why some were refused; how many they were stays.
KEPT_DAYS = 90
#: Refused orders that are shown of one.
SHOWN_REFUSED = 50


class What(StrEnum):
    """What an action is about."""

    ORDERS = "orders"
    #: See `models.bulk_messages`, as for notifications.
    CALLBACKS = "callbacks"
    NOTIFICATIONS = "notifications"


class Begun(Exception):
    """The same form has begun one already: the one with the number `bulk_id`."""

    def __init__(self, bulk_id: int) -> None:
        super().__init__(bulk_id)
        self.bulk_id = bulk_id


class Changed(Exception):
    """The orders are more than the person was told, or none; `count` is how many there are now."""

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
        """In SQL: the orders `o` that are meant, from FROM on; and the values for it. Every filter narrows them."""
        condition, values = self.narrowed
        if self.kind is None:
            return f"FROM product_orders AS o WHERE {condition}", values
        of_kind = f"FROM ({stuck.ALL_OF_KIND}) AS stuck JOIN LATERAL ({stuck.BY_ID.format(id='stuck.id')}) AS o ON true"
        values = {"provider": None} | values | limits.parameters() | {"kind": self.kind}
        return f"{of_kind} WHERE {condition}", values

    @property
    def narrowed(self) -> tuple[str, dict[str, Any]]:
        """In SQL, of the order `o`: its filters, but for the kind; and the values for them."""
        if self.wanted == Filter() and self.view == EVERYTHING:
            return stuck.ALL, {}
        return listing.condition(self.wanted, self.view)


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
class Whose:
    """Whose sign-in an action is: that of a person, or of a key."""

    person_id: int | None = None
    key_id: int | None = None


#: Nobody's who signs in: it goes on whatever happens to people and keys.
ANYONE = Whose()


@dataclass(frozen=True, slots=True)
class _Taken:
    id: str
    #: The order as it was when it was chosen.
    seen: str | None


def count(about: About, limits: Limits) -> int:
    """How many orders are meant; every one is counted. Raises database.TooSlow."""
    source, values = about.source(limits)
    return database.load_list(_Number, f"SELECT count(*)::int AS n {source}", values)[0].n


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
    whose: Whose = ANYONE,
    form: str | None = None,
) -> int:
    """Choose the orders, and let it begin; returns its id.

    `form` names what was sent to begin it. Some may need nothing any more since they were counted. Raises Changed if
    they are more than expected, or none; Begun if the form was sent before.
    """
    source, values = about.source(limits)
    with database.database.atomic():
        made = {
            "action": action,
            "options": database.as_json(dict(options)),
            "about": database.as_json(dict(shown)),
            "reason": texts.clean(reason, texts.TIMELINE),
            "by": by,
            "person": whose.person_id,
            "key": whose.key_id,
            "form": form,
        }
        begun = database.load_one(_Number, BEGIN, made)
        if begun is None:
            raise begun_by(form)
        bulk_id = begun.n
        choose = CHOOSE.format(source=source)
        chosen = _chosen(choose, values | {"bulk": bulk_id})
        if chosen > expected or not chosen:
            raise Changed(chosen)
        database.rows(SET_TOTAL, {"bulk": bulk_id, "total": chosen})
    return bulk_id


def begun_by(form: str | None) -> Begun:
    """That this form has begun an action before."""
    return Begun(database.load(_Number, FIND_FORM, {"form": form})[0].n)


def _chosen(choose: str, values: Mapping[str, Any]) -> int:
    """Choose the orders; how many. Raises database.TooSlow."""
    try:
        return database.load(_Number, f"SET LOCAL statement_timeout = {CHOOSE_TIMEOUT_MS}; {choose}", values)[
            0
        ].n
    except peewee.OperationalError as error:
        if database.sqlstate(error) != database.QUERY_CANCELED:
            raise
        raise database.TooSlow("the orders could not be chosen in time") from None


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


def forget(limit: int) -> int:
    """Forget up to `limit` orders of those that ended KEPT_DAYS ago; returns how many."""
    return len(database.rows(FORGET, {"limit": limit}))


def stop(bulk_id: int) -> bool:
    """Stop it where it is; what is done stays. False if it does not run."""
    return database.row(SET_STATE, {"id": bulk_id, "from": "running", "to": "stopped"}) is not None


def go_on(bulk_id: int, by: str, whose: Whose = ANYONE) -> bool:
    """Go on with a stopped one, from here on in this name."""
    values = {"id": bulk_id, "by": by, "person": whose.person_id, "key": whose.key_id}
    return database.row(GO_ON, values) is not None


def stop_unless_allowed(bulk_id: int) -> bool:
    """Stop it if its person was removed or may only look by now, or its key was revoked; whether it was stopped."""
    return database.row(STOP_UNLESS_ALLOWED, {"id": bulk_id}) is not None


def work_on_next(bulk_id: int, work: Callable[[str, str | None], None]) -> str | None:
    """Let `work` do its part about the next order, in one transaction with the note that it is done.

    `work` takes the order's id, and what it was like when it was chosen. Returns the id; None if none is left, or it
    was stopped. If the order cannot be decided, that is noted, and nothing of it stays: one order keeps no other from
    its turn. Several workers may do this at once: each takes other orders.
    """
    with database.database.atomic():
        taken = database.load_one(_Taken, TAKE, {"bulk": bulk_id})
        if taken is None:
            return None
        note = _refusal(lambda: work(taken.id, taken.seen))
        values = {"bulk": bulk_id, "order": taken.id, "result": "refused" if note else "done", "note": note}
        database.rows(DONE, values)
    return taken.id


def _refusal(work: Callable[[], None]) -> str | None:
    """Why it could not be done, and nothing of it stays; None if it was."""
    try:
        with database.database.atomic():
            work()
    except (NotPossible, sealed.Unsealable) as refusal:
        return texts.clean(str(refusal), texts.TIMELINE) or "refused"
    except peewee.DatabaseError as error:
        is_said = (database.sqlstate(error) or "").startswith(RAISED)
        if isinstance(error, database.UNAVAILABLE) and not is_said:  # the database refuses none of it
            raise
        logger.error(
            "The database refuses an action on an order.",
            action="bulk_refused",
            error=str(error).split("\n")[0],
        )
        return Said("the database refuses it; the log says why")
    return None


def note_progress(bulk_id: int) -> bool:
    """Note that it was worked on; True if that was the end of it."""
    return database.row(PROGRESS, {"id": bulk_id}) is not None


#: Of one that is not done, its orders are counted by the primary key.
COLUMNS = """
    b.id, b.what, b.action, b.options, b.about, b.reason, b."by", b.total, b.state, b.created_at, b.ended_at,
    (b.done + c.done)::int AS done, (b.refused + c.refused)::int AS refused, b.became, b.refusal
"""
_FROM = """
FROM referans.bulk_actions AS b CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE i.result = 'done') AS done, count(*) FILTER (WHERE i.result = 'refused') AS refused
    FROM referans.bulk_orders AS i WHERE i.bulk_id = b.id AND b.state <> 'done'
) AS c
"""
FIND = f"SELECT {COLUMNS} {_FROM} WHERE b.id = %(id)s"
NEWEST = f"SELECT {COLUMNS} {_FROM} ORDER BY b.id DESC LIMIT %(limit)s"
RUNNING = f"SELECT {COLUMNS} {_FROM} WHERE b.state = 'running' AND b.what = %(what)s ORDER BY b.id"
BEGIN = """
INSERT INTO referans.bulk_actions (action, options, about, reason, "by", person_id, key_id, form)
VALUES (%(action)s, %(options)s, %(about)s, %(reason)s, %(by)s, %(person)s, %(key)s, %(form)s)
ON CONFLICT (form) WHERE form IS NOT NULL DO NOTHING RETURNING id AS n
"""
FIND_FORM = "SELECT id AS n FROM referans.bulk_actions WHERE form = %(form)s"
CHOOSE = f"""
WITH chosen AS (
    INSERT INTO referans.bulk_orders (bulk_id, order_id, seen) SELECT %(bulk)s, o.id, {VERSION} {{source}}
    RETURNING order_id
)
SELECT count(*)::int AS n FROM chosen
"""
SET_TOTAL = "UPDATE referans.bulk_actions SET total = %(total)s WHERE id = %(bulk)s"
SET_STATE = """
UPDATE referans.bulk_actions SET state = %(to)s, worked_at = now() WHERE id = %(id)s AND state = %(from)s RETURNING id
"""
#: In SQL, of the action `b`: whose it is may do it still.
_IS_ALLOWED = f"""(
    b.person_id IS NULL AND b.key_id IS NULL
    OR EXISTS (SELECT FROM referans.people AS p WHERE p.id = b.person_id AND p.role IN ('operator', 'admin'))
    OR EXISTS (SELECT FROM referans.api_keys AS k WHERE k.id = b.key_id AND k.revoked_at IS NULL
        AND k.tenant_id IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND '{Scope.OPS}' = ANY (k.scopes))
)"""
STOP_UNLESS_ALLOWED = f"""
UPDATE referans.bulk_actions AS b SET state = 'stopped', worked_at = now(),
    refusal = b."by" || ' may not do this any more; somebody who may can go on with it'
WHERE b.id = %(id)s AND b.state = 'running' AND NOT {_IS_ALLOWED} RETURNING b.id
"""
GO_ON = """
UPDATE referans.bulk_actions SET state = 'running', worked_at = now(), refusal = NULL, "by" = %(by)s,
    person_id = %(person)s, key_id = %(key)s
WHERE id = %(id)s AND state = 'stopped' RETURNING id
"""
TAKE = """
SELECT i.order_id::text AS id, i.seen FROM referans.bulk_orders AS i JOIN referans.bulk_actions AS b ON b.id = i.bulk_id
WHERE i.bulk_id = %(bulk)s AND b.state = 'running' AND i.result IS NULL
ORDER BY i.order_id LIMIT 1 FOR UPDATE OF i SKIP LOCKED
"""
DONE = """
UPDATE referans.bulk_orders SET result = %(result)s, note = %(note)s WHERE bulk_id = %(bulk)s AND order_id = %(order)s
"""
PROGRESS = """
WITH noted AS (
    UPDATE referans.bulk_actions AS b SET worked_at = now(),
        state = CASE WHEN is_over THEN 'done' ELSE b.state END, ended_at = CASE WHEN is_over THEN now() END,
        done = CASE WHEN is_over THEN ended.done ELSE b.done END,
        refused = CASE WHEN is_over THEN ended.refused ELSE b.refused END
    FROM (
        SELECT NOT EXISTS (SELECT FROM referans.bulk_orders WHERE bulk_id = %(id)s AND result IS NULL) AS is_over
    ) AS now_over CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE i.result = 'done') AS done,
            count(*) FILTER (WHERE i.result = 'refused') AS refused
        FROM referans.bulk_orders AS i WHERE i.bulk_id = %(id)s AND is_over
    ) AS ended
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
FORGET = f"""
DELETE FROM referans.bulk_orders WHERE (bulk_id, order_id) IN (
    SELECT i.bulk_id, i.order_id FROM referans.bulk_actions AS b JOIN referans.bulk_orders AS i ON i.bulk_id = b.id
    WHERE b.state = 'done' AND b.ended_at < now() - make_interval(days => {KEPT_DAYS}) LIMIT %(limit)s
) RETURNING bulk_id
"""
