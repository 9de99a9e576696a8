"""Configured provider accounts, and how each is doing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from models.db import database, sealed
from models.db.prepared import Prepared

#: Failed calls in a row after which a provider counts as down.
BREAKER_THRESHOLD = 5
#: Name of the credential that callbacks are verified with.
CALLBACK_SECRET = "callback_secret"


class CallbackFormat(StrEnum):
    """What the body of a callback is: the values of `--callback-format`."""

    #: The words of the provider's protocol.
    PROTOCOL = "protocol"
    #: The neutral JSON; see `gateway.callbacks.neutral`.
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Provider:
    """One account with one provider."""

    id: str
    #: Which protocol it speaks: a name of `gateway.providers.ADAPTERS`.
    adapter: str
    base_url: str
    #: How its callbacks are verified: a name of `gateway.callbacks.verifiers.VERIFIERS`.
    callback: str
    credentials: dict[str, str] = field(repr=False)
    #: Calls at the same time, over all workers.
    max_concurrency: int = 8
    #: Calls a minute, over all workers; None is without limit.
    max_per_minute: int | None = None
    #: What this kind of callback needs to know, such as the header of the signature.
    callback_options: Mapping[str, str] = field(default_factory=dict)
    #: Networks from which it may call back, in CIDR notation; any address if empty.
    callback_allow: tuple[str, ...] = ()
    #: None reads both: an earlier version, which let nobody choose, added the provider.
    callback_format: CallbackFormat | None = None

    def secrets(self) -> list[str]:
        """The callback secrets that are valid now; several during a rotation."""
        return self.credentials.get(CALLBACK_SECRET, "").split()


@dataclass(frozen=True, slots=True)
class Assigned:
    """The provider of an order, and the state of both: what a worker needs to see whether there is work to do."""

    provider: Provider
    #: The order's `externalStatus`.
    status: str
    #: Whether the order's plan is due.
    is_due: bool
    #: Failed calls to the provider in a row.
    failures: int

    @property
    def is_down(self) -> bool:
        return self.failures >= BREAKER_THRESHOLD


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


def save(provider: Provider) -> None:
    """Add the provider, or replace the one with the same id."""
    values = {
        "id": provider.id,
        "adapter": provider.adapter,
        "base_url": provider.base_url,
        "callback": provider.callback,
        "credentials": sealed.seal(json.dumps(provider.credentials), _owner(provider.id)),
        "max_concurrency": provider.max_concurrency,
        "max_per_minute": provider.max_per_minute,
        "callback_options": json.dumps(dict(provider.callback_options)),
        "callback_allow": list(provider.callback_allow),
        "callback_format": provider.callback_format.value if provider.callback_format else None,
    }
    database.rows(SAVE, values)


def find(provider_id: str) -> Provider | None:
    """The provider with its credentials in clear, or None. Raises sealed.Unsealable."""
    row = database.row(FIND, (provider_id,))
    return _provider(row) if row else None


def of_order(order_id: str) -> Assigned | None:
    """The provider that an order is routed to; None if either does not exist. Raises sealed.Unsealable."""
    row = database.row(OF_ORDER, (order_id,))
    if row is None:
        return None
    status, is_due, failures = row.pop("status"), row.pop("is_due"), row.pop("failures")
    return Assigned(_provider(row), status, is_due, failures)


def every() -> list[Provider]:
    """All providers by id. Raises sealed.Unsealable."""
    return [_provider(row) for row in database.rows(f"SELECT {COLUMNS} FROM providers ORDER BY id")]


def keys_open_anything() -> bool:
    """Whether ENCRYPTION_KEYS opens anything that is sealed: credentials, or one of the last callbacks.

    If it does, credentials that do not open are a fault of their provider; if not, the keys of this process are wrong.
    """
    return any(sealed.opens(row["value"]) for row in database.rows(SEALED))


def _provider(row: dict[str, Any]) -> Provider:
    opened = sealed.unseal(row["credentials"], _owner(row["id"]))
    try:
        credentials = json.loads(opened)
    except ValueError:
        raise sealed.Unsealable("the credentials are damaged: they are not JSON") from None
    chosen = row["callback_format"]
    read = {
        "credentials": credentials,
        "callback_allow": tuple(row["callback_allow"]),
        "callback_format": CallbackFormat(chosen) if chosen else None,
    }
    return Provider(**{**row, **read})


def _owner(provider_id: str) -> str:
    return f"provider:{provider_id}"


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


NAMES = (
    *("id", "adapter", "base_url", "callback", "credentials", "max_concurrency", "max_per_minute"),
    *("callback_options", "callback_allow", "callback_format"),
)
COLUMNS = ", ".join(NAMES)
FIND = Prepared(f"SELECT {COLUMNS} FROM providers WHERE id = %s")
OF_ORDER = Prepared(f"""
SELECT {", ".join(f"p.{name}" for name in NAMES)},
    o."externalStatus" AS status, COALESCE(o."nextCheckAt" <= now(), false) AS is_due,
    COALESCE(h.failures, 0) AS failures
FROM product_orders AS o JOIN providers AS p ON p.id = o."providerId"
    LEFT JOIN provider_health AS h ON h.provider_id = p.id
WHERE o.id = %s
""")
#: Any sealed values, a few of each kind: evidence of which keys this database was written with.
SEALED = """
(SELECT credentials AS value FROM providers WHERE credentials LIKE 'sealed:%%' ORDER BY id LIMIT 100)
UNION ALL
SELECT outcome FROM (SELECT outcome FROM callback_events ORDER BY id DESC LIMIT 10) AS recent
WHERE outcome LIKE 'sealed:%%'
"""
SAVE = f"""
INSERT INTO providers ({COLUMNS})
VALUES (%(id)s, %(adapter)s, %(base_url)s, %(callback)s, %(credentials)s, %(max_concurrency)s, %(max_per_minute)s,
    %(callback_options)s, %(callback_allow)s::text[], %(callback_format)s)
ON CONFLICT (id) DO UPDATE SET adapter = excluded.adapter, base_url = excluded.base_url,
    callback = excluded.callback, credentials = excluded.credentials,
    max_concurrency = excluded.max_concurrency, max_per_minute = excluded.max_per_minute,
    callback_options = excluded.callback_options, callback_allow = excluded.callback_allow,
    callback_format = excluded.callback_format, updated_at = now()
"""
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
