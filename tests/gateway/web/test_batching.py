"""What arrives while a statement is under way goes together in the next one; each item fails only by its own fault."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.web.batching import LANES, Batcher, Stopped
from models import order
from models.db import database
from models.order import MAX_BATCH, Settled
from models.outcome import Arrival
from models.status import ExternalStatus, Result
from tests import factories
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("db")


def at_once() -> None:
    """Without a pause: the batch takes what has arrived."""


class Held:
    """Settles for real, but the first so many only when they are let go."""

    def __init__(self, count: int = 1, patience_seconds: float = 60) -> None:
        self.batches: list[int] = []
        self.let_go = threading.Event()
        self.batcher = Batcher(
            self._settle,
            MAX_BATCH,
            may_repeat=lambda error: True,
            pause=at_once,
            patience_seconds=patience_seconds,
        )
        self._count = count

    def _settle(self, arrivals: Sequence[Arrival]) -> list[Settled]:
        self.batches.append(len(arrivals))
        if len(self.batches) <= self._count:
            assert self.let_go.wait(10)
        with database.session():
            return order.settle(arrivals, order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)

    def waiting(self) -> int:
        return len(self.batcher._waiting) + len(self.batcher._large)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def settle(held: Held) -> Iterator[Callable[[Sequence[Arrival]], "Future[list[Settled]]"]]:
    """Settle in a thread of its own; the first one is held."""
    with ThreadPoolExecutor(200) as threads:

        def begin(arrivals: Sequence[Arrival]) -> "Future[list[Settled]]":
            known = len(held.batches) + held.waiting()
            future = threads.submit(held.batcher.run, arrivals)
            wait_until(lambda: len(held.batches) + held.waiting() > known)
            return future

        begin([completed()])
        yield begin
        held.let_go.set()


def completed(pin: str = "1", key: str | None = None) -> Arrival:
    return replace(
        factories.arrival(factories.sent(), ExternalStatus.COMPLETED, pin), dedupe_key=key, raw="{}"
    )


def bad() -> Arrival:
    """One that PostgreSQL refuses."""
    arrival = completed()
    return replace(arrival, outcome=replace(arrival.outcome, referans="\x00"))


def results(future: "Future[list[Settled]]") -> list[Result]:
    return [one.result for one in future.result(10)]


def test_what_waits_goes_together_and_everybody_gets_their_own(held: Held, settle) -> None:  # type: ignore[no-untyped-def]
    single, pair = completed(key="one"), [completed(), completed()]
    one, two, again = settle([single]), settle(pair), settle([single])
    held.let_go.set()
    assert results(one) == [Result.APPLIED]
    assert results(two) == [Result.APPLIED] * 2
    assert [each.order_id for each in two.result()] == [order_id(arrival) for arrival in pair]
    assert results(again) == [Result.DUPLICATE]
    assert held.batches == [1, 4]


def order_id(arrival: Arrival) -> str:
    sql = "SELECT id::text AS id FROM product_orders WHERE provider_referans = %s"
    return str(database.rows(sql, (arrival.outcome.referans,))[0]["id"])


def test_a_bad_item_fails_only_its_own_caller(held: Held, settle) -> None:  # type: ignore[no-untyped-def]
    good, wrong, other = settle([completed()]), settle([completed(), bad()]), settle([completed()])
    held.let_go.set()
    assert results(good) == results(other) == [Result.APPLIED]
    with pytest.raises(ValueError):
        wrong.result(10)


def test_a_batch_has_its_limit_but_no_caller_is_split(held: Held, settle) -> None:  # type: ignore[no-untyped-def]
    first = completed()
    many = [settle([replace(first, dedupe_key=f"k{number}")]) for number in range(MAX_BATCH + 5)]
    large = settle([replace(first, dedupe_key=f"l{number}") for number in range(10)])
    held.let_go.set()
    assert sorted(each for future in many for each in results(future))[0] == Result.APPLIED
    assert len(results(large)) == 10
    assert max(held.batches) == MAX_BATCH


def test_a_single_item_waits_for_one_large_list_at_most_and_a_list_for_one_batch(held: Held, settle) -> None:  # type: ignore[no-untyped-def]
    first = completed()
    lists = [
        settle([replace(first, dedupe_key=f"{number}/{each}") for each in range(MAX_BATCH)])
        for number in range(4)
    ]
    singles = [settle([replace(first, dedupe_key=f"single {number}")]) for number in range(MAX_BATCH + 1)]
    held.let_go.set()
    for future in [*lists, *singles]:
        assert results(future)
    assert held.batches == [1, MAX_BATCH, MAX_BATCH, MAX_BATCH, 1, MAX_BATCH, MAX_BATCH]


def test_what_comes_behind_a_statement_that_is_held_up_goes_beside_it() -> None:
    held = Held(count=1, patience_seconds=0)
    with ThreadPoolExecutor(3) as threads:
        stuck = threads.submit(held.batcher.run, [completed()])
        wait_until(lambda: held.batches)
        assert results(threads.submit(held.batcher.run, [completed()])) == [Result.APPLIED]
        assert not stuck.done()
        held.let_go.set()
        assert results(stuck) == [Result.APPLIED]


def test_no_more_go_beside_it_than_there_are_lanes() -> None:
    held = Held(count=LANES, patience_seconds=0)
    with ThreadPoolExecutor(LANES + 1) as threads:
        futures = []
        for number in range(LANES):
            futures.append(threads.submit(held.batcher.run, [completed()]))
            wait_until(lambda: len(held.batches) == number + 1)  # noqa: B023 - used at once
        futures.append(threads.submit(held.batcher.run, [completed()]))
        wait_until(lambda: held.waiting() == 1)
        held.let_go.set()
        assert [results(future) for future in futures] == [[Result.APPLIED]] * (LANES + 1)


def test_an_idle_batcher_does_not_wait() -> None:
    batches: list[int] = []

    def settle_now(arrivals: Sequence[Arrival]) -> list[Settled]:
        batches.append(len(arrivals))
        return order.settle(arrivals, order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)

    batcher = Batcher(settle_now, MAX_BATCH, may_repeat=lambda error: True, pause=at_once)
    for _ in range(3):
        assert [one.result for one in batcher.run([completed()])] == [Result.APPLIED]
    assert batches == [1, 1, 1]


def test_after_a_failure_the_lanes_are_free_again() -> None:
    def fail(arrivals: Sequence[Arrival]) -> list[Settled]:
        raise OSError("the database is away")

    batcher = Batcher(fail, MAX_BATCH, may_repeat=lambda error: True, pause=at_once)
    for _ in range(LANES * 3):
        with pytest.raises(OSError):
            batcher.run([completed()])
    assert batcher._under_way == 0


class Unclear:
    """Does what it is asked to, and then fails: the batcher cannot know that it was done."""

    def __init__(self, error: BaseException, count: int) -> None:
        self.done: list[str] = []
        self.batcher = Batcher(
            self._do, MAX_BATCH, may_repeat=lambda error: isinstance(error, ValueError), pause=at_once
        )
        self._error = error
        self._let_go = threading.Event()
        with ThreadPoolExecutor(count + 1) as threads:
            first = threads.submit(self.batcher.run, ["first"])
            wait_until(lambda: self.done)
            self.others = [threads.submit(self.batcher.run, [f"other {n}"]) for n in range(count)]
            wait_until(lambda: len(self.batcher._waiting) == count)
            self._let_go.set()
            assert first.exception(10) is None

    def _do(self, items: Sequence[str]) -> list[str]:
        self.done += items
        if items == ["first"]:
            assert self._let_go.wait(10)
        elif len(items) > 1:
            raise self._error
        return list(items)


@pytest.mark.parametrize("error", [OSError("the connection is lost"), SystemExit("stopped")])
def test_what_may_have_been_done_is_not_done_again(error: BaseException) -> None:
    unclear = Unclear(error, count=3)
    assert sorted(unclear.done) == ["first", "other 0", "other 1", "other 2"]
    assert all(isinstance(other.exception(10), (type(error), Stopped)) for other in unclear.others)
    assert unclear.batcher._under_way == 0


def test_what_was_certainly_not_done_is_done_alone() -> None:
    unclear = Unclear(ValueError("bad"), count=3)
    assert [other.result(10) for other in unclear.others] == [[f"other {n}"] for n in range(3)]
