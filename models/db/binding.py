"""How a process hands the models what they work with."""

from collections.abc import Iterable

from gateway.settings import Settings
from models.db import database, pins, receiver, sealed
from models.db.database import SCHEMA, Shares
from models.db.pins import SealPins


def bind_from(
    settings: Settings, *, pool_size: int, name: str, shares: Shares | None = None
) -> database.Pool:
    """`bind` to the database, its schema and the encryption keys of these settings."""
    keys = (key.get_secret_value() for key in settings.encryption_keys)
    url, schema = settings.database_url.get_secret_value(), settings.database_schema
    seal_pins = SealPins(settings.seal_pins)
    return bind(
        url,
        keys,
        pool_size=pool_size,
        name=name,
        shares=shares,
        schema=schema,
        seal_pins=seal_pins,
        has_receiver=settings.notify_url is not None,
        tells=settings.notify_url is not None or settings.notify_secret is not None,
    )


def bind(
    url: str,
    encryption_keys: Iterable[str],
    *,
    pool_size: int,
    name: str,
    shares: Shares | None = None,
    schema: str = SCHEMA,
    seal_pins: SealPins = SealPins.AUTO,
    has_receiver: bool = False,
    tells: bool = True,
) -> database.Pool:
    """Use the database at `url`, and seal and unseal with `encryption_keys` (the first one seals).

    The gateway's own tables are those of `schema`. With `has_receiver`, notifications are written of orders without a
    `notifyUrl`, too; without `tells`, of none.
    Returns the pool, of at most `pool_size` connections; none is opened yet. `name` shows in pg_stat_activity.
    """
    pool = database.connect(url, pool_size=pool_size, shares=shares, name=name, schema=schema)
    database.bind(pool)
    sealed.bind(encryption_keys)
    pins.bind(seal_pins)
    receiver.bind(has_receiver, tells=tells)
    return pool
