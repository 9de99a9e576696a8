"""Probes of what the gateway needs."""

import threading
import time

from structlog.testing import capture_logs

from gateway.web.probe import Findings, Probe


def test_without_an_answer_it_counts_as_down_and_is_not_asked_twice_at_once() -> None:
    answered = threading.Event()
    asked: list[None] = []

    def ask() -> Findings:
        asked.append(None)
        answered.wait(10)
        return {"database": "ok", "migrations": "ok"}

    probe = Probe("database", ask)
    with capture_logs() as lines:
        for _ in range(2):
            assert probe.outcome(probe.begin(), time.monotonic()) == {
                "database": "down: no answer within 2 s"
            }
    assert len(asked) == 1
    assert [line["probe"] for line in lines if line["action"] == "not_ready"] == ["database"] * 2

    answered.set()
    found = probe.outcome(probe.begin(), time.monotonic() + 10)
    assert found == {"database": "ok", "migrations": "ok"}
