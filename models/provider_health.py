"""How each provider is doing: the breaker that keeps work from one that does not answer."""

from dataclasses import dataclass
from datetime import datetime

from models.db import database
from models.db.prepared import Prepared

#: Failed calls in a row after which a provider counts as down.
BREAKER_THRESHOLD = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How the last calls to a provider went."""

    #: Failed calls in a row.
    failures: int
    down: bool
    #: While it is down: whether the next probe is due. None while it is up.
    probe_due: bool | None
    last_error: str | None
    last_error_at: datetime | None


def admits(provider_id: str, probe_seconds: float) -> bool:
    """Whether a check may go out: always while the provider is up, one probe in `probe_seconds` while it is down."""
    now = health(provider_id)
    if now is None or not now.down:
        return True
    return bool(now.probe_due) and database.row(PROBE, (probe_seconds, provider_id)) is not None


def answered(provider_id: str) -> None:
    """Record that the provider gave a readable answer: it is up."""
    database.rows(ANSWERED, (provider_id,))


def failed(provider_id: str, error: str, probe_seconds: float) -> None:
    """Record that a call got no readable answer; a provider that now counts as down is probed in `probe_seconds`."""
    values = {"id": provider_id, "error": error[:500], "threshold": BREAKER_THRESHOLD, "probe": probe_seconds}
    database.rows(FAILED, values)


def health(provider_id: str) -> Health | None:
    """How the last calls to the provider went; None if none has ever failed."""
    return database.load_one(Health, HEALTH, {"id": provider_id, "threshold": BREAKER_THRESHOLD})


HEALTH = Prepared("""
SELECT failures, failures >= %(threshold)s AS down, probe_at <= now() AS probe_due, last_error, last_error_at
FROM provider_health WHERE provider_id = %(id)s
""")
#: One conditional UPDATE, so that only one of the workers sends the probe.
PROBE = Prepared("""
UPDATE provider_health SET probe_at = now() + make_interval(secs => %s)
WHERE provider_id = %s AND probe_at <= now() RETURNING provider_id
""")
ANSWERED = Prepared(
    "UPDATE provider_health SET failures = 0, probe_at = NULL WHERE provider_id = %s AND failures > 0"
)
FAILED = Prepared("""
INSERT INTO provider_health AS h (provider_id, failures, last_error, last_error_at)
VALUES (%(id)s, 1, %(error)s, now())
ON CONFLICT (provider_id) DO UPDATE SET failures = h.failures + 1, last_error = excluded.last_error,
    last_error_at = now(),
    probe_at = CASE WHEN h.failures + 1 >= %(threshold)s THEN now() + make_interval(secs => %(probe)s) END
""")
