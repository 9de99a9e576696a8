"""Places are given in the order in which they were asked for."""

import threading

from models.db.fair_semaphore import FairSemaphore
from tests.waiting import wait_until


def test_the_longest_waiting_thread_is_next() -> None:
    semaphore, entered = FairSemaphore(1), []
    assert semaphore.acquire(0)

    def wait_and_enter(number: int) -> None:
        assert semaphore.acquire(10)
        entered.append(number)
        semaphore.release()

    threads = [threading.Thread(target=wait_and_enter, args=(number,)) for number in range(5)]
    for waiting, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda waiting=waiting: len(semaphore._waiting) == waiting)  # type: ignore[misc]
    semaphore.release()
    for thread in threads:
        thread.join()

    assert entered == [0, 1, 2, 3, 4]


def test_a_thread_that_gave_up_is_not_counted() -> None:
    semaphore = FairSemaphore(1)
    assert semaphore.acquire(0)
    assert not semaphore.acquire(0.01)
    semaphore.release()
    assert semaphore.acquire(0)
    assert not semaphore.acquire(0.01)


def test_a_place_that_is_released_while_a_thread_gives_up_is_not_lost() -> None:
    class ReleasedAtTheLastMoment(FairSemaphore):
        def _gives_up(self, turn: threading.Lock) -> bool:
            self.release()
            return super()._gives_up(turn)

    semaphore = ReleasedAtTheLastMoment(1)
    assert semaphore.acquire(0)
    assert semaphore.acquire(0.01)
    semaphore.release()
    assert semaphore.acquire(0)
