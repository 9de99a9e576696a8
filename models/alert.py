"""Alerts: incidents, each told once when it begins and once when it is over, and the messages that tell of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models import texts
from models.db import database

#: Seconds without being seen after which an incident is over: one look that fails, or a moment's recovery, ends none.
OVER_SECONDS = 75.0
#: Seconds until a message is tried again: the last is used again.
DELAYS = (15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
#: Tries after which a message is given up: a day and a half.
MOST_TRIES = 40
#: Seconds of a claim of one message: longer than any try.
CLAIM_SECONDS = 120.0
#: Hours in which what begins again counts as flapping, and how often the time until it is over is doubled for that: up
#: to 40 minutes.
FLAPPING_HOURS, MOST_DOUBLED = 2, 5
#: Days for which what is over is kept.
KEPT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Firing:
    """Something that a person should know of now."""

    rule: str
    #: Of what: a provider, a kind of attention; empty if there is only one.
    subject: str
    #: In words, for people who may see anything of it but no secret.
    text: str
    #: The page that shows it.
    path: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One that was told: a row of COLUMNS."""

    id: int
    rule: str
    subject: str
    text: str
    path: str
    began_at: datetime
    #: None while it goes on.
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message that this process is to send: a row of CLAIM."""

    id: int
    webhook_id: UUID
    channel: str
    is_end: bool
    tries: int
    incident_id: int
    rule: str
    subject: str
    text: str
    path: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the messages to one channel do: a row of DELIVERIES."""

    channel: str
    waiting: int
    dead: int
    last_error: str | None


def take_turn(every_seconds: float, late_by_seconds: float = 0) -> bool:
    """Whether this process is to look now: the look is due, and `late_by_seconds` late at least."""
    return database.row(TAKE_TURN, {"every": every_seconds, "late": late_by_seconds}) is not None


def note(firing: Sequence[Firing], channels: Sequence[str], *, may_end: bool = True) -> tuple[int, int]:
    """Note what fires now: one statement. How many incidents have begun and have ended by that.

    Each that begins gets a message for every channel; each that ends, for those to which its beginning went. One that
    comes and goes is over later each time. `may_end` is False if not everything could be looked at.
    """
    given = [
        {
            "rule": each.rule,
            "subject": each.subject,
            "text": texts.clean(each.text, texts.TIMELINE),
            "path": each.path,
        }
        for each in firing
    ]
    values = database.arrays(given) if given else dict.fromkeys(("rule", "subject", "text", "path"), "{}")
    found = database.rows(
        NOTE, values | {"channels": list(channels), "over": OVER_SECONDS, "may_end": may_end}
    )[0]
    return int(found["began"]), int(found["ended"])


def claim(besides: Sequence[str] = ()) -> Message | None:
    """Claim a message that is due, of another channel than `besides`; None if none is.

    That of an end waits until its beginning was told, or given up.
    """
    return database.load_one(Message, CLAIM, {"besides": list(besides), "claim": CLAIM_SECONDS})


def sent(message_id: int) -> None:
    """It has arrived."""
    database.rows(SENT, (message_id,))


def failed(message: Message, error: str) -> None:
    """It has not: it is tried again, or given up."""
    delay = DELAYS[min(message.tries, len(DELAYS) - 1)]
    values = {
        "id": message.id,
        "error": error[:500],
        "delay": delay,
        "is_last": message.tries + 1 >= MOST_TRIES,
    }
    database.rows(FAILED, values)


def going_on() -> list[Incident]:
    """Those that go on, the newest first."""
    return database.load(Incident, GOING_ON)


def newest(limit: int) -> list[Incident]:
    """The last ones, newest first."""
    return database.load(Incident, NEWEST, {"limit": limit})


def deliveries() -> list[Delivery]:
    """What could not be told yet, or was given up within a day, by channel."""
    return database.load(Delivery, DELIVERIES)


def forget(limit: int) -> int:
    """Delete up to `limit` that were over KEPT_DAYS ago."""
    return len(database.rows(FORGET, {"days": KEPT_DAYS, "limit": limit}))


COLUMNS = "a.id, a.rule, a.subject, a.text, a.path, a.began_at, a.ended_at"
TAKE_TURN = """
INSERT INTO referans.alert_turn AS t (next_at) VALUES (now() + make_interval(secs => %(every)s))
ON CONFLICT (one) DO UPDATE SET next_at = excluded.next_at WHERE t.next_at <= now() - make_interval(secs => %(late)s)
RETURNING next_at
"""
#: What is seen again keeps its first words: they are what was told.
NOTE = f"""
WITH given AS (
    SELECT * FROM unnest(%(rule)s::text[], %(subject)s::text[], %(text)s::text[], %(path)s::text[])
        AS given (rule, subject, text, path)
), seen AS (
    UPDATE referans.alerts AS a SET seen_at = now() FROM given
    WHERE a.rule = given.rule AND a.subject = given.subject AND a.ended_at IS NULL RETURNING a.id
), began AS (
    INSERT INTO referans.alerts (rule, subject, text, path) SELECT rule, subject, text, path FROM given
    ON CONFLICT (rule, subject) WHERE ended_at IS NULL DO NOTHING RETURNING id
), ended AS (
    UPDATE referans.alerts AS a SET ended_at = now()
    WHERE %(may_end)s AND a.ended_at IS NULL
      AND a.seen_at < now() - make_interval(secs => %(over)s * 2 ^ LEAST({MOST_DOUBLED}, (
          SELECT count(*) FROM referans.alerts AS former WHERE former.rule = a.rule AND former.subject = a.subject
              AND former.ended_at > now() - make_interval(hours => {FLAPPING_HOURS}))))
      AND NOT EXISTS (SELECT FROM given WHERE given.rule = a.rule AND given.subject = a.subject)
    RETURNING a.id
), told_begin AS (
    INSERT INTO referans.alert_messages (alert_id, channel, is_end)
    SELECT began.id, channel, false FROM began CROSS JOIN unnest(%(channels)s::text[]) AS channel
), told_end AS (
    INSERT INTO referans.alert_messages (alert_id, channel, is_end)
    SELECT ended.id, m.channel, true
    FROM ended JOIN referans.alert_messages AS m ON m.alert_id = ended.id AND NOT m.is_end
)
SELECT (SELECT count(*) FROM began)::int AS began, (SELECT count(*) FROM ended)::int AS ended
"""
CLAIM = """
WITH due AS (
    SELECT m.id FROM referans.alert_messages AS m
    WHERE m.state = 'waiting' AND m.next_try_at <= now() AND m.channel <> ALL (%(besides)s::text[]) AND NOT EXISTS (
        SELECT FROM referans.alert_messages AS beginning
        WHERE beginning.alert_id = m.alert_id AND beginning.channel = m.channel AND m.is_end
          AND NOT beginning.is_end AND beginning.state = 'waiting')
    ORDER BY m.next_try_at, m.id LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE referans.alert_messages AS m SET next_try_at = now() + make_interval(secs => %(claim)s)
    FROM due WHERE m.id = due.id RETURNING m.*
)
SELECT m.id, m.webhook_id, m.channel, m.is_end, m.tries, a.id AS incident_id, a.rule, a.subject, a.text, a.path,
    a.began_at, CASE WHEN m.is_end THEN a.ended_at END AS ended_at
FROM claimed AS m JOIN referans.alerts AS a ON a.id = m.alert_id ORDER BY m.id
"""
SENT = """
UPDATE referans.alert_messages SET state = 'sent', ended_at = now(), tries = tries + 1, error = NULL WHERE id = %s
"""
FAILED = """
UPDATE referans.alert_messages SET tries = tries + 1, error = %(error)s,
    state = CASE WHEN %(is_last)s THEN 'dead' ELSE state END, ended_at = CASE WHEN %(is_last)s THEN now() END,
    next_try_at = now() + make_interval(secs => %(delay)s)
WHERE id = %(id)s
"""
GOING_ON = (
    f"SELECT {COLUMNS} FROM referans.alerts AS a WHERE a.ended_at IS NULL ORDER BY a.began_at DESC, a.id DESC"
)
NEWEST = f"SELECT {COLUMNS} FROM referans.alerts AS a ORDER BY a.id DESC LIMIT %(limit)s"
DELIVERIES = """
SELECT m.channel, (count(*) FILTER (WHERE m.state = 'waiting'))::int AS waiting,
    (count(*) FILTER (WHERE m.state = 'dead'))::int AS dead,
    (array_agg(m.error ORDER BY m.id DESC) FILTER (WHERE m.error IS NOT NULL))[1] AS last_error
FROM referans.alert_messages AS m
WHERE m.state = 'waiting' AND m.tries > 0 OR m.state = 'dead' AND m.ended_at > now() - interval '1 day'
GROUP BY 1 ORDER BY 1
"""
FORGET = """
DELETE FROM referans.alerts WHERE id IN (
    SELECT id FROM referans.alerts WHERE ended_at < now() - make_interval(days => %(days)s) ORDER BY id LIMIT %(limit)s
) RETURNING id
"""
