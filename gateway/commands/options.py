"""Options and their values that several commands take."""

import getpass
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import typer

from models import provider_health, texts

T = TypeVar("T")

#: What removes a value, such as a limit.
NONE = "none"
AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,9}")
#: Characters of a reason and of a name.
MAX_REASON, MAX_NAME = 500, 100


@dataclass(frozen=True, slots=True)
class Given(Generic[T]):
    """The value of an option that was given; None where it was given to remove what is there."""

    value: T | None


def or_none(read: Callable[[str], T]) -> Callable[[str], Given[T]]:
    """A parser that takes what `read` takes, or `none`. `read` raises typer.BadParameter."""
    return lambda text: Given(None if text.strip().lower() == NONE else read(text.strip()))


def number(lowest: int) -> Callable[[str], int]:
    """A parser of whole numbers from `lowest` on that fit the database."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < lowest:
            raise typer.BadParameter(f"takes a whole number, {lowest} or more, not {text!r}")
        return int(text)

    return read


def amount(text: str) -> Decimal:
    """An amount of money as people give it to us: digits, and a point before the decimals."""
    if not AMOUNT.fullmatch(text):
        raise typer.BadParameter(f"takes an amount such as 12.50, not {text!r}")
    return Decimal(text)


def currency(text: str) -> str:
    """The code of a currency, in capitals."""
    code = text.strip().upper()
    if not CURRENCY.fullmatch(code):
        raise typer.BadParameter(f"takes the code of a currency such as TRY, not {text!r}")
    return code


def tenant(text: str) -> str:
    """The id of a tenant, in its usual form."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise typer.BadParameter(f"takes a UUID, as it stands in tenantId, not {text!r}") from None


def _words(text: str, most: int) -> str:
    cleaned = texts.clean(text, most)
    if not cleaned.strip():
        raise typer.BadParameter("must not be empty")
    return cleaned


def _name(text: str) -> str:
    """A person's name. What the gateway does by itself is told apart from what people do."""
    name = _words(text, MAX_NAME)
    if name.lower() == provider_health.GATEWAY:
        raise typer.BadParameter(f"{name} is the name under which the gateway acts by itself")
    return name


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run under a number that has no name
        return "operator"


#: Who does it, for the record.
Person = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        default_factory=_login_name,
        show_default="your login name",
        callback=_name,
        help="Who does it, for the record.",
    ),
]
#: Why it is done, for the record.
Reason = Annotated[
    str,
    typer.Option(
        metavar="TEXT", callback=lambda value: _words(value, MAX_REASON), help="Why, for the record."
    ),
]
