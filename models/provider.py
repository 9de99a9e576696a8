"""Configured provider accounts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from models.db import database, sealed
from models.db.prepared import Prepared
from models.provider_health import BREAKER_THRESHOLD

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
    """Whether ENCRYPTION_KEYS opens anything that is sealed: credentials, one of the last callbacks or of the stock.

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
UNION ALL
SELECT code FROM (SELECT code FROM stock_codes ORDER BY id DESC LIMIT 10) AS loaded WHERE code LIKE 'sealed:%%'
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
