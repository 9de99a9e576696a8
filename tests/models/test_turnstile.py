"""Places are given in the order in which they were asked for."""

import threading

from models.turnstile import Turnstile
from tests.waiting import wait_until


def test_who_waits_longest_is_next() -> None:
    turnstile, entered = Turnstile(1), []
    assert turnstile.enter(0)

    def wait_and_enter(number: int) -> None:
        assert turnstile.enter(10)
        entered.append(number)
        turnstile.leave()

    threads = [threading.Thread(target=wait_and_enter, args=(number,)) for number in range(5)]
    for waiting, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda waiting=waiting: len(turnstile._waiting) == waiting)  # type: ignore[misc]
    turnstile.leave()
    for thread in threads:
        thread.join()

    assert entered == [0, 1, 2, 3, 4]


def test_who_gave_up_is_not_counted() -> None:
    turnstile = Turnstile(1)
    assert turnstile.enter(0)
    assert not turnstile.enter(0.01)
    turnstile.leave()
    assert turnstile.enter(0)
    assert not turnstile.enter(0.01)
