"""Comparing a provider's statement with our orders: reading the file, storing its lines, finding what differs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from gateway import log
from gateway.fulfilment import statements
from gateway.fulfilment.statements import Options, Unreadable
from gateway.fulfilment.worker import RECONCILE, Worker
from models import statement
from models.db import database
from models.statement import BATCH

logger = log.get(__name__)

#: Lines of statements of long ago that one sweep forgets at most.
FORGOTTEN = 10_000
#: Statements that one sweep wakes workers for.
MOST_STALLED = 20


def compare(
    statement_id: int, content: bytes, zone: str, tell: Callable[[int], None] = lambda lines: None
) -> None:
    """Read the file and compare it; `tell` hears how many lines are stored. Raises Unreadable, and notes it."""
    found = statement.find(statement_id)
    assert found is not None
    statement.forget_lines(statement_id)
    try:
        read = statements.read(
            content, options_of(found.options), zone, lambda: statement.touch(statement_id)
        )
        stored = 0
        while batch := list(islice(read.lines, BATCH)):
            statement.add(statement_id, batch)
            stored += len(batch)
            tell(stored)
    except Unreadable as error:
        statement.end(statement_id, str(error))
        raise
    statement.compare(statement_id, found.provider_id)
    statement.remember(found.provider_id, found.options)
    statement.end(statement_id)
    logger.info(
        "A statement was compared.", action="statement_compared", statement_id=statement_id, lines=stored
    )


def options_of(kept: Mapping[str, Any]) -> Options:
    """Options as they are kept; what another version has kept beside them is left out."""
    known = Options.__dataclass_fields__
    return Options(**{name: value for name, value in kept.items() if name in known})


def as_kept(options: Options) -> dict[str, Any]:
    """Options, to be kept."""
    return {name: value for name, value in asdict(options).items() if value}


def work(worker: Worker, statement_id: str) -> None:
    """Compare an uploaded statement, unless another process does."""
    with database.session():
        content = statement.take(int(statement_id))
        if content is None:
            return
        try:
            compare(int(statement_id), content, worker.settings.timezone)
        except Unreadable as error:
            logger.info("A statement cannot be read.", action="statement_unreadable", reason=str(error))


def go_on(worker: Worker) -> Iterator[int]:
    """Wake workers for those that nobody works on, and forget those of long ago, or that were never finished."""
    statement.forget_old_lines(FORGOTTEN)
    statement.forget(worker.settings.sweep_batch)
    found = statement.stalled(MOST_STALLED)
    worker.hints.send([(RECONCILE, str(each)) for each in found])
    yield len(found)
