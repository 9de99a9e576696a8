"""Probing whether something is available, with a deadline even if it never answers."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerInTime

from gateway import log

logger = log.get(__name__)

#: Seconds without an answer after which a probe counts as failed.
ANSWER_SECONDS = 2
OK = "ok"
Findings = Mapping[str, str]


class Probe:
    """Runs `ask` in a thread of its own, one call at a time, whose result all requests share.

    `ask` returns findings by name, `ok` or what is wrong; an exception counts as a failure of what `name` says.
    """

    def __init__(self, name: str, ask: Callable[[], Findings]) -> None:
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: Future[Findings] | None = None

    def begin(self) -> "Future[Findings]":
        """The running call, or a new one."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=self._run, args=(self._asked,), name=self._name, daemon=True).start()
            return self._asked

    def outcome(self, asked: "Future[Findings]", deadline: float) -> Findings:
        """The findings, by `deadline` (monotonic). Details go to the log: callers are not authenticated."""
        try:
            return asked.result(max(0, deadline - time.monotonic()))
        except NoAnswerInTime:
            wrong: object = f"no answer within {ANSWER_SECONDS} s"
            shown = f"down: {wrong}"
        except Exception as error:
            wrong, shown = error, f"down: {type(error).__name__}"
        logger.warning("Something is down.", action="not_ready", probe=self._name, error=str(wrong).strip())
        return {self._name: shown}

    def _run(self, asked: "Future[Findings]") -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:
            asked.set_exception(error)
