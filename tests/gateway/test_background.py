"""Work in the background; what is gathered there, and how, stands in the tests of those who gather."""

import pytest

from gateway.background import Rounds


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_fails_ends_its_thread_and_the_next_begins_another() -> None:
    waiting, done = ["bad"], []

    def take() -> list[str]:
        taken, waiting[:] = waiting[:], []
        return taken

    def work(taken: list[str]) -> None:
        if "bad" in taken:
            raise ValueError("bad")
        done.extend(taken)

    rounds = Rounds("test", take, work)
    rounds.begin()
    assert rounds.drain(30)
    waiting.append("good")
    rounds.begin()
    assert rounds.drain(30) and done == ["good"]
