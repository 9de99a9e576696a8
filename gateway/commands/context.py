"""Shared by commands: problems that a person can fix, and models bound to the database of the settings."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import peewee

from gateway import settings
from gateway.log import mask_error
from models import lookup, provider, tenants
from models.db import binding, database, sealed
from models.order import Order
from models.provider import Provider
from models.stuck import Limits

#: Connections of a command, which does one thing at a time.
POOL_SIZE = 2
#: Orders of one name that an error lists, and one more.
AMBIGUOUS = 6


class Problem(Exception):
    """Something that a person can fix; its text is one line that says how."""


#: How an administrator gives the role of DATABASE_URL its rights.
GRANTS = "an administrator can give the rights that gateway migrate --sql --role ROLE prints"


@contextmanager
def gateway(require: Sequence[str] = settings.OF_COMMANDS) -> Iterator[settings.Settings]:
    """The settings, with the models bound and a connection open for as long as the block runs. Raises Problem."""
    found = settings.load_or_exit(require=require)
    with bound(found, POOL_SIZE), explained(), database.session():
        yield found


def is_set_up() -> bool:
    """Whether this environment names a database."""
    return bool(os.environ.get("DATABASE_URL", "").strip())


@contextmanager
def bound(found: settings.Settings, pool_size: int) -> Iterator[None]:
    """Bind the models to the database of these settings and to its encryption keys while the block runs."""
    pool = binding.bind_from(found, pool_size=pool_size, name="referans-cli")
    try:
        yield
    finally:
        pool.close_all()


@contextmanager
def explained() -> Iterator[None]:
    """Raise the errors that any statement may have as a Problem."""
    try:
        yield
    except database.UNAVAILABLE as error:
        raise Problem(f"the database does not answer: {first_line(error)}") from None
    except database.TooSlow as error:
        raise Problem(f"{error}; narrow it, for example with --since") from None
    except peewee.ProgrammingError as error:
        if database.sqlstate(error) == database.NOT_PERMITTED:
            raise Problem(f"{first_line(error)}; {GRANTS}") from None
        raise Problem(f"the database is not ready ({first_line(error)}); run: gateway migrate") from None
    except sealed.Unsealable as error:
        raise Problem(f"{error}; {error.cure}") from None


def find_order(text: str, limits: Limits) -> Order:
    """The one order that `text` names (see `lookup.by_anything`); needs an open session. Raises Problem."""
    found = find_orders(text, limits, AMBIGUOUS)
    if len(found) > 1:
        named = ", ".join(each.id for each in found[: AMBIGUOUS - 1])
        more = ", …" if len(found) == AMBIGUOUS else ""
        raise Problem(f"{text} names several orders: {named}{more}; pass the id of one of them")
    return found[0]


def find_orders(text: str, limits: Limits, limit: int) -> list[Order]:
    """Up to `limit` orders that `text` names, newest first; needs an open session. Raises Problem if none is found."""
    found = lookup.by_anything(text, limits, limit)
    if not found:
        raise Problem(
            f"order {text} not found; it may be given by its id, number or referans, its provider's number,"
            " the storefront's reference, or the player"
        )
    return found


def find_provider(provider_id: str) -> Provider:
    """The provider with this id, its credentials included; needs an open session. Raises Problem."""
    try:
        found = provider.find(provider_id)
    except sealed.Unsealable as error:
        if not provider.are_lost(error):
            raise
        cure = f"enter them again: gateway providers rotate {provider_id}"
        raise Problem(f"the credentials of {provider_id} cannot be read: {error}; {cure}") from None
    if found is None:
        raise no_provider(provider_id)
    return found


def find_outline(provider_id: str) -> Provider:
    """The provider with this id, without its credentials; needs an open session. Raises Problem."""
    found = provider.outline(provider_id)
    if found is None:
        raise no_provider(provider_id)
    return found


def check_tenant(tenant_id: str | None) -> None:
    """Whether orders may belong to the tenant; needs an open session. Raises Problem."""
    try:
        is_known = tenant_id is None or tenants.is_known(tenant_id)
    except tenants.Unknowable as error:
        raise Problem(str(error)) from None
    if not is_known:
        raise Problem(
            f"tenant {tenant_id} not found: no row of the table that tenantId refers to has this id"
        )


def no_provider(provider_id: str) -> Problem:
    """That there is no provider with this id."""
    return Problem(f"provider {provider_id} not found; see: gateway providers list")


def change_provider(
    provider_id: str, make: Callable[[Provider], Provider], *, renews: bool = False
) -> tuple[Provider, Provider]:
    """The provider before and after `make` has changed it; needs an open session. Raises Problem.

    With `renews`, `make` gives new credentials if those that are stored are lost.
    """
    changed = provider.change(provider_id, make, renews=renews)
    if changed is None:
        raise no_provider(provider_id)
    return changed


def first_line(error: BaseException) -> str:
    """The text of an error on one line, with secrets masked."""
    text = str(error).strip()
    return mask_error(text.splitlines()[0]) if text else type(error).__name__
