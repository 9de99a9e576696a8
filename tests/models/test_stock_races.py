"""A thousand orders take codes at once, each sent twice, in several processes of which one is killed."""

import multiprocessing
import os
import signal
from collections import Counter
from typing import Any

import pytest

from models import stock
from models.codes import Code
from models.db import database
from models.stock import NewCode
from tests import factories
from tests.conftest import KEY

OWN = "own"
ORDERS = 1_000
#: Processes; each order is sent by two of them.
RACERS = 4
#: Fewer than the orders ask for, so that the last ones compete for what is left.
CODES = 1_600
#: Orders of each racer's share before the one that is to be killed stops with a signal.
BEFORE_DEATH = 100

pytestmark = pytest.mark.usefixtures("db")
Answers = dict[str, list[str] | None]


def quantity_of(referans: str) -> int:
    return int(referans) % 3 + 1


def sell(referans: str) -> list[str] | None:
    taken = stock.take(OWN, quantity_of(referans), provider_id=OWN, referans=referans)
    return [each.code for each in taken.codes] if taken else None


def race(database_url: str, racer: int, start: Any, results: Any, *, dies: bool) -> None:
    """Take for the orders of two shares; one that dies does so right after a take."""
    share = [str(number) for number in range(ORDERS) if number % RACERS in (racer, (racer + 1) % RACERS)]
    answers: Answers = {}
    with factories.bound(database_url, pool_size=1, keys=[KEY]):
        start.wait(60)
        for referans in share:
            answers[referans] = sell(referans)
            if dies and len(answers) == BEFORE_DEATH:
                os.kill(os.getpid(), signal.SIGKILL)
    results.put(answers)


def test_no_code_is_given_to_two_orders_and_every_order_gets_its_own(database_url: str) -> None:
    codes = [f"C-{number:05}" for number in range(CODES)]
    stock.load(OWN, [NewCode(Code(each)) for each in codes])
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(RACERS), context.Queue()
    racers = [
        context.Process(
            target=race,
            args=(database_url, number, start, results),
            kwargs={"dies": number == 0},
            daemon=True,
        )
        for number in range(RACERS)
    ]
    for racer in racers:
        racer.start()
    handed_in: list[Answers] = [results.get(timeout=60) for _ in racers[1:]]
    for racer in racers:
        racer.join(10)
    assert racers[0].exitcode == -signal.SIGKILL

    said: dict[str, set[tuple[str, ...] | None]] = {}
    for answers in handed_in:
        for referans, got in answers.items():
            said.setdefault(referans, set()).add(tuple(got) if got is not None else None)
    assert len(said) == ORDERS
    assert {referans: got for referans, got in said.items() if len(got) > 1} == {}

    given = {referans: got.pop() for referans, got in said.items()}
    counts = Counter(code for got in given.values() for code in got or ())
    assert counts.most_common(1)[0][1] == 1 and set(counts) <= set(codes)
    assert {ref for ref, got in given.items() if got is not None and len(got) != quantity_of(ref)} == set()
    # What is stored is what was said, those included that the dead process had taken and did not hand in.
    assert stored() == {referans: got for referans, got in given.items() if got}
    refused = [ref for ref, got in given.items() if got is None]
    assert refused and CODES - sum(counts.values()) < max(map(quantity_of, refused))


def stored() -> dict[str, tuple[str, ...]]:
    found = database.rows("SELECT DISTINCT referans FROM referans.stock_codes WHERE referans IS NOT NULL")
    taken = {row["referans"]: stock.taken_by(OWN, row["referans"]) for row in found}
    return {ref: tuple(code.code for code in each.codes) for ref, each in taken.items() if each}
