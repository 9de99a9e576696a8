"""Configured provider accounts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from gateway.said import Said
from models import provider_health, tenants
from models.db import database, sealed
from models.db.prepared import Prepared
from models.provider_health import Health

#: Name of the credential that callbacks are verified with.
CALLBACK_SECRET = "callback_secret"  # noqa: S105  (its name, not itself)


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
    #: Which protocol it speaks: a name that `gateway.providers.kinds` finds.
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
    #: A balance below it is warned about, in the currency of the account; None never is.
    low_balance: Decimal | None = None
    #: Codes in stock; fewer are warned about. None never are.
    low_stock: int | None = None
    #: The currency of the account, where its protocol does not say it.
    currency: str | None = None
    #: Only orders of this tenant go to it; None: those of every tenant, and of none.
    tenant_id: str | None = None

    def secrets(self) -> list[str]:
        """The callback secrets that are valid now; several during a rotation."""
        return self.credentials.get(CALLBACK_SECRET, "").split()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that orders may go to, and how it is doing."""

    provider: Provider
    health: Health


@dataclass(frozen=True, slots=True)
class Assigned(Candidate):
    """The provider of an order, and the state of both: what a worker needs to see whether there is work to do."""

    #: The order's `externalStatus`.
    status: str
    #: Whether the order's plan is due.
    is_due: bool


def save(provider: Provider) -> None:
    """Add the provider, or replace the one with the same id."""
    database.rows(SAVE, _values(provider))


def add(provider: Provider) -> bool:
    """Add the provider. False if there is one with the same id, which stays as it is."""
    return database.row(ADD, _values(provider)) is not None


def change(
    provider_id: str, make: Callable[[Provider], Provider], *, renews: bool = False
) -> tuple[Provider, Provider] | None:
    """Save what `make` makes of the provider; the provider before and after that. None if it does not exist.

    Changes made at the same time follow each other, so that each keeps what the others have changed. With `renews`,
    lost credentials count as missing, and `make` gives new ones. Raises sealed.Unsealable, and whatever `make` raises.
    """
    with database.database.atomic():
        row = database.row(FOR_CHANGE, (provider_id,))
        if row is None:
            return None
        before = _renewable(row) if renews else _provider(row)
        after = make(before)
        save(after)
    return before, after


def find(provider_id: str) -> Provider | None:
    """The provider with its credentials in clear, or None. Raises sealed.Unsealable."""
    row = database.row(FIND, (provider_id,))
    return _provider(row) if row else None


def find_renewable(provider_id: str) -> Provider | None:
    """The provider, or None. Without credentials if they are lost. Raises sealed.Unsealable if our keys are wrong."""
    row = database.row(FIND, (provider_id,))
    return _renewable(row) if row else None


def outline(provider_id: str) -> Provider | None:
    """The provider without its credentials, which are not opened; or None."""
    row = database.row(FIND, (provider_id,))
    return _outline(row) if row else None


def of_order(order_id: str) -> Assigned | None:
    """The provider that an order is routed to; None if either does not exist. Raises sealed.Unsealable.

    None also if the order was not sent yet and the provider belongs to another tenant.
    """
    row = database.row(OF_ORDER, (order_id,))
    if row is None:
        return None
    status, is_due, health = row.pop("status"), row.pop("is_due"), _health(row)
    return Assigned(_provider(row), health, status, is_due)


def candidate(provider_id: str) -> Candidate | None:
    """The provider and how it is doing; None if it does not exist. Raises sealed.Unsealable."""
    row = database.row(CANDIDATE, (provider_id,))
    if row is None:
        return None
    health = _health(row)
    return Candidate(_provider(row), health)


def ids() -> frozenset[str]:
    """The ids of all providers."""
    return frozenset(row["id"] for row in database.rows("SELECT id FROM referans.providers"))


def adapters() -> list[str]:
    """The protocols of all configured providers."""
    return [row["adapter"] for row in database.rows("SELECT DISTINCT adapter FROM referans.providers")]


def speakers(adapter: str) -> list[str]:
    """The ids of the providers that speak this protocol."""
    found = database.rows("SELECT id FROM referans.providers WHERE adapter = %s ORDER BY id", (adapter,))
    return [row["id"] for row in found]


def base_urls() -> dict[str, str]:
    """Where each provider is called, by its id."""
    return {
        row["id"]: row["base_url"]
        for row in database.rows("SELECT id, base_url FROM referans.providers ORDER BY id")
    }


def every() -> list[Provider]:
    """All providers by id, without their credentials, which are not opened."""
    return [_outline(row) for row in database.rows(f"SELECT {COLUMNS} FROM referans.providers ORDER BY id")]


def unreadable() -> set[str]:
    """The ids of the providers whose credentials do not open."""
    found = set()
    for row in database.rows(f"SELECT {COLUMNS} FROM referans.providers"):
        try:
            _provider(row)
        except sealed.Unsealable:
            found.add(row["id"])
    return found


def are_lost(error: sealed.Unsealable) -> bool:
    """Whether credentials that do not open are lost by a fault of their own, and not because our keys are wrong."""
    return not isinstance(error, sealed.NoKeyOpens) or keys_open_anything()


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
        raise sealed.Unsealable(Said("the credentials are damaged: they are not JSON")) from None
    return _with(row, credentials)


def _renewable(row: dict[str, Any]) -> Provider:
    try:
        return _provider(row)
    except sealed.Unsealable as error:
        if not are_lost(error):
            raise
        return _outline(row)


def _outline(row: dict[str, Any]) -> Provider:
    return _with(row, {})


def _with(row: dict[str, Any], credentials: dict[str, str]) -> Provider:
    chosen, tenant_id = row["callback_format"], row["tenant_id"]
    read = {
        "credentials": credentials,
        "callback_allow": tuple(row["callback_allow"]),
        "callback_format": CallbackFormat(chosen) if chosen else None,
        "tenant_id": str(tenant_id) if tenant_id else None,
    }
    return Provider(**{**row, **read})


def _values(provider: Provider) -> dict[str, Any]:
    """The columns, by name."""
    return {
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
        "low_balance": provider.low_balance,
        "low_stock": provider.low_stock,
        "currency": provider.currency,
        "tenant_id": provider.tenant_id,
    }


def _health(row: dict[str, Any]) -> Health:
    """How the provider is doing, taken out of a row of OF_ORDER or CANDIDATE."""
    return Health(**{each.name: row.pop(each.name) for each in fields(Health)})


def _owner(provider_id: str) -> str:
    return f"provider:{provider_id}"


NAMES = (
    *("id", "adapter", "base_url", "callback", "credentials", "max_concurrency", "max_per_minute"),
    *("callback_options", "callback_allow", "callback_format", "low_balance", "low_stock", "currency"),
    "tenant_id",
)
COLUMNS = ", ".join(NAMES)
FIND = Prepared(f"SELECT {COLUMNS} FROM referans.providers WHERE id = %s")
FOR_CHANGE = f"SELECT {COLUMNS} FROM referans.providers WHERE id = %s FOR NO KEY UPDATE"
OF_ORDER = Prepared(f"""
SELECT {", ".join(f"p.{name}" for name in NAMES)},
    o."externalStatus" AS status, COALESCE(o."nextCheckAt" <= now(), false) AS is_due, {provider_health.COLUMNS}
FROM product_orders AS o JOIN referans.providers AS p ON p.id = o."providerId"
    LEFT JOIN referans.provider_health AS h ON h.provider_id = p.id
WHERE o.id = %s AND (o."externalStatus" IS DISTINCT FROM 'not_sent' OR {tenants.PROVIDER_IS_OPEN})
""")
CANDIDATE = Prepared(f"""
SELECT {", ".join(f"p.{name}" for name in NAMES)}, {provider_health.COLUMNS}
FROM referans.providers AS p LEFT JOIN referans.provider_health AS h ON h.provider_id = p.id
WHERE p.id = %s
""")
#: Any sealed values, a few of each kind: evidence of which keys this database was written with.
SEALED = """
(SELECT credentials AS value FROM referans.providers WHERE credentials LIKE 'sealed:%%' ORDER BY id LIMIT 100)
UNION ALL
SELECT outcome FROM (SELECT outcome FROM referans.callback_events ORDER BY id DESC LIMIT 10) AS recent
WHERE outcome LIKE 'sealed:%%'
UNION ALL
SELECT code FROM (SELECT code FROM referans.stock_codes ORDER BY id DESC LIMIT 10) AS loaded WHERE code LIKE 'sealed:%%'
"""
INSERT = f"""
INSERT INTO referans.providers ({COLUMNS})
VALUES ({", ".join("%(callback_allow)s::text[]" if name == "callback_allow" else f"%({name})s" for name in NAMES)})
"""
ADD = f"{INSERT} ON CONFLICT (id) DO NOTHING RETURNING id"
SAVE = f"""
{INSERT} ON CONFLICT (id) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in NAMES if name != "id")}, updated_at = now()
"""
