"""Actions on all callbacks or notifications that match: replay, and redeliver.

What is meant is a range of numbers, and a filter; neither is copied, so that millions cost no more to begin with than
one. They are worked off in the order of their numbers, in batches. What is done about a batch, and how far the action
is by then, are written in one transaction: a worker that is killed repeats nothing, and the next one goes on.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models import bulk, texts
from models.bulk import ANYONE, Bulk, What, Whose
from models.db import database
from models.inbox import Filter as Callbacks
from models.inbox import Kept
from models.outbox import Filter as Notifications
from models.outbox import State


@dataclass(frozen=True, slots=True)
class Range:
    """What is left of an action."""

    bulk: Bulk
    #: Behind which number it goes on, and with which it ends.
    after_id: int
    last_id: int
    #: Which are meant, for `callbacks` and `notifications`.
    wanted: dict[str, Any]

    @property
    def callbacks(self) -> Callbacks:
        """Which callbacks are meant."""
        result = self.wanted["result"]
        return Callbacks(self.wanted["provider"], result and Kept(result), None, self._since)

    @property
    def notifications(self) -> Notifications:
        """Which notifications are meant, from where it goes on."""
        states = tuple(State(each) for each in self.wanted["states"])
        return Notifications(states, None, self._since, after_id=self.after_id, before_id=self.last_id + 1)

    @property
    def _since(self) -> datetime | None:
        return self.wanted["since"] and datetime.fromisoformat(self.wanted["since"])


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about a batch."""

    #: The number of its last one.
    last_id: int
    done: int
    #: By what became of them, how many.
    became: Counter[str] = field(default_factory=Counter)
    #: About how many nothing could be done, and why, of the last of them.
    refused: int = 0
    refusal: str | None = None


def begin_replay(
    wanted: Callbacks,
    count: int,
    last_id: int,
    *,
    reason: str,
    by: str,
    shown: Mapping[str, Any],
    whose: Whose = ANYONE,
    form: str | None = None,
) -> int:
    """Begin to replay the callbacks that are wanted, up to `last_id`, `count` as was said; returns its id.

    `form` names what was sent to begin it. Raises Begun if it was sent before.
    """
    meant = {"provider": wanted.provider_id, "result": wanted.result, "since": _moment(wanted.since)}
    return _begin(What.CALLBACKS, "replay", meant, count, last_id, reason, by, shown, whose, form)


def begin_redelivery(
    wanted: Notifications,
    count: int,
    last_id: int,
    *,
    reason: str,
    by: str,
    shown: Mapping[str, Any],
    whose: Whose = ANYONE,
    form: str | None = None,
) -> int:
    """Begin to redeliver the notifications that are wanted, up to `last_id`; returns its id. See `begin_replay`."""
    meant = {"states": list(wanted.states or ()), "since": _moment(wanted.since)}
    return _begin(What.NOTIFICATIONS, "redeliver", meant, count, last_id, reason, by, shown, whose, form)


def _begin(
    what: What,
    action: str,
    meant: Mapping[str, Any],
    count: int,
    last_id: int,
    reason: str,
    by: str,
    shown: Mapping[str, Any],
    whose: Whose,
    form: str | None,
) -> int:
    made = {
        "what": what.value,
        "action": action,
        "options": database.as_json(dict(meant)),
        "about": database.as_json(dict(shown)),
        "reason": texts.clean(reason, texts.TIMELINE),
        "by": by,
        "total": count,
        "last_id": last_id,
        "person": whose.person_id,
        "key": whose.key_id,
        "form": form,
    }
    begun = database.row(BEGIN, made)
    if begun is None:
        raise bulk.begun_by(form)
    return int(begun["id"])


def _moment(since: datetime | timedelta | None) -> str | None:
    """An age as the time that it means now: what is meant must not change while it is worked on."""
    if isinstance(since, timedelta):
        return str(database.rows("SELECT (now() - %s)::text AS at", (since,))[0]["at"])
    return since.isoformat() if since else None


def work_on_batch(bulk_id: int, work: Callable[[Range], Done | None]) -> bool:
    """Let `work` do its part about the next batch, in one transaction with how far the action is then.

    `work` returns None if none is left: that is its end. False if nothing is left for this process: it is over or
    stopped, or another process is working on it.
    """
    with database.database.atomic():
        taken = database.row(TAKE, {"id": bulk_id})
        found = bulk.find(bulk_id) if taken else None
        if taken is None or found is None:
            return False
        done = work(Range(found, int(taken["position"]), int(taken["last_id"]), found.options))
        if done is None:
            database.rows(END, {"id": bulk_id})
            return False
        values = {
            "id": bulk_id,
            "position": done.last_id,
            "done": done.done,
            "refused": done.refused,
            "refusal": done.refusal and texts.clean(done.refusal, texts.TIMELINE),
            "became": database.as_json(dict(Counter(found.became) + done.became)),
        }
        database.rows(ADVANCE, values)
    return True


BEGIN = """
INSERT INTO referans.bulk_actions (what, action, options, about, reason, "by", total, last_id, person_id, key_id,
    form)
VALUES (%(what)s, %(action)s, %(options)s, %(about)s, %(reason)s, %(by)s, %(total)s, %(last_id)s, %(person)s, %(key)s,
    %(form)s)
ON CONFLICT (form) WHERE form IS NOT NULL DO NOTHING RETURNING id
"""
#: One process at a time works on it.
TAKE = """
SELECT "position", last_id FROM referans.bulk_actions
WHERE id = %(id)s AND state = 'running' AND what <> 'orders' FOR UPDATE SKIP LOCKED
"""
ADVANCE = """
UPDATE referans.bulk_actions SET worked_at = now(), "position" = %(position)s, done = done + %(done)s,
    refused = refused + %(refused)s, refusal = COALESCE(%(refusal)s, refusal), became = %(became)s
WHERE id = %(id)s
"""
END = "UPDATE referans.bulk_actions SET worked_at = now(), state = 'done', ended_at = now() WHERE id = %(id)s"
