"""Asking whether something is there, when it may be so far away that no answer comes at all."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerInTime

from gateway import log

logger = log.get(__name__)

#: Seconds after which something that does not answer counts as down.
ANSWER_SECONDS = 2
OK = "ok"


class Probe:
    """Asks in a thread of its own: one question at a time, whose answer all who wait for it share.

    `ask` returns what is wrong, or None; what it raises is wrong too.
    """

    def __init__(self, name: str, ask: Callable[[], str | None]) -> None:
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: Future[str | None] | None = None

    def begin(self) -> "Future[str | None]":
        """The question under way, or a new one."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=self._run, args=(self._asked,), name=self._name, daemon=True).start()
            return self._asked

    def outcome(self, asked: "Future[str | None]", deadline: float) -> str:
        """`ok`, or what is wrong, by `deadline` (monotonic); who asks is a stranger, so the log has the rest."""
        try:
            return asked.result(max(0, deadline - time.monotonic())) or OK
        except NoAnswerInTime:
            wrong: object = f"no answer within {ANSWER_SECONDS} s"
            shown = f"down: {wrong}"
        except Exception as error:
            wrong, shown = error, f"down: {type(error).__name__}"
        logger.warning("Something is down.", action="not_ready", probe=self._name, error=str(wrong).strip())
        return shown

    def _run(self, asked: "Future[str | None]") -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:
            asked.set_exception(error)
