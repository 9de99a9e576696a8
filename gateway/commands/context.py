"""What commands share: the problem a person can put right, and models bound to the database of the settings."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import peewee

from gateway import settings
from gateway.log import mask
from models import lookup
from models.db import binding, database, sealed
from models.order import Order

#: Connections of a command; it does one thing at a time, and doctor a few.
POOL_SIZE = 2


class Problem(Exception):
    """Something that a person can put right; its text is one line that says how."""


@contextmanager
def gateway(require: Sequence[str] = ("DATABASE_URL",)) -> Iterator[settings.Settings]:
    """The settings, with the models bound and a connection open for as long as the block runs. Raises Problem."""
    found = settings.load_or_exit(require=require)
    with bound(found, POOL_SIZE), explained(), database.session():
        yield found


@contextmanager
def bound(found: settings.Settings, pool_size: int) -> Iterator[None]:
    """The models handed a pool on the database of these settings, and the keys that seal."""
    pool = binding.bind(
        found.database_url.get_secret_value(),
        (key.get_secret_value() for key in found.encryption_keys),
        pool_size=pool_size,
        name="referans-cli",
    )
    try:
        yield
    finally:
        pool.close_all()


@contextmanager
def explained() -> Iterator[None]:
    """What may go wrong with any statement, as a Problem."""
    try:
        yield
    except database.UNAVAILABLE as error:
        raise Problem(f"the database does not answer: {first_line(error)}") from None
    except peewee.ProgrammingError as error:
        raise Problem(f"the database is not ready ({first_line(error)}); run: gateway migrate") from None
    except sealed.Unsealable as error:
        raise Problem(f"{error}; set ENCRYPTION_KEYS to the keys it was sealed with") from None


def find_order(text: str) -> Order:
    """The order with this id or referans; needs an open session. Raises Problem."""
    found = lookup.by_id_or_referans(text)
    if found is None:
        raise Problem(f"order {text} not found; pass its id, or the reference that its provider knows it by")
    return found


def first_line(error: BaseException) -> str:
    """What an error says, on one line, without secrets."""
    text = str(error).strip()
    return mask(text.splitlines()[0]) if text else type(error).__name__
