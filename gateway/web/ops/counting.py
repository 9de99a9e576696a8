"""What may take too long: counting all that match, and reading many days."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.said import Said
from gateway.web.ops.refused import Refused
from models.db import database
from models.db.database import Use

#: Milliseconds that the count beside a list may take.
COUNT_MS = 100
#: What a count returns.
Extent = TypeVar("Extent")


@contextmanager
def counted_in_time() -> Iterator[None]:
    """Raise what takes too long to count as a 503 that says what to do."""
    try:
        yield
    except database.TooSlow:
        detail = Said(
            "so many cannot be counted in a moment; narrow them with since and until, and take turns"
        )
        raise Refused(503, detail) from None


@contextmanager
def read_in_time() -> Iterator[None]:
    """The same of a report."""
    try:
        yield
    except database.TooSlow:
        raise Refused(503, Said("so many days cannot be read in a moment; choose fewer")) from None


@dataclass(frozen=True, slots=True)
class Counted(Generic[Extent]):
    """How many match."""

    #: None without any, and if they are too many.
    extent: Extent | None = None
    #: They cannot be counted in a moment.
    is_too_many: bool = False


def counted(count: Callable[[int], Extent | None]) -> Counted[Extent]:
    """The count that a list has beside it: of too many, the list is shown all the same.

    `count` is given the milliseconds that it may take.
    """
    try:
        with database.session(Use.LIST):
            return Counted(count(COUNT_MS))
    except database.TooSlow:
        return Counted(is_too_many=True)
