"""Counting what goes wrong at providers, without a statement for each: whoever causes it decides how often."""

import threading

from gateway import log
from gateway.background import Rounds
from models import provider_counts
from models.db import database
from models.provider_counts import Addition, Counted

logger = log.get(__name__)

#: Seconds between two writes of one process, while there is something to write.
WRITE_SECONDS = 1.0


class Counts:
    """Adds up in memory; a thread, which exists while there is something to write, writes it about once a second.

    What a killed process had not written is not counted.
    """

    def __init__(self, write_seconds: float = WRITE_SECONDS) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, Counted], Addition] = {}
        self._failing = False
        self._rounds = Rounds("counts", self._take, self._write, delay_seconds=write_seconds)

    def add(self, provider_id: str, kind: Counted, reason: str, count: int = 1) -> None:
        """Count something at a provider that exists. Never waits and never raises."""
        with self._lock:
            known = self._waiting.get((provider_id, kind))
            so_far = known.count if known else 0
            self._waiting[provider_id, kind] = Addition(provider_id, kind, so_far + count, reason)
        self._rounds.begin()

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until everything is written; False if something is left after `timeout_seconds`."""
        return self._rounds.drain(timeout_seconds)

    def _take(self) -> dict[tuple[str, Counted], Addition]:
        with self._lock:
            taken, self._waiting = self._waiting, {}
            return taken

    def _write(self, taken: dict[tuple[str, Counted], Addition]) -> None:
        try:
            with database.session():
                provider_counts.add(list(taken.values()))
            self._failing = False
        except Exception as error:
            if not self._failing:  # once per outage
                logger.warning(
                    "What was counted at providers could not be written; it will be tried again.",
                    action="counting_failed",
                    error=str(error).strip(),
                )
            self._failing = True
            self._keep(taken)

    def _keep(self, taken: dict[tuple[str, Counted], Addition]) -> None:
        with self._lock:
            for key, addition in taken.items():
                newer = self._waiting.get(key)
                count = addition.count + (newer.count if newer else 0)
                reason = newer.reason if newer else addition.reason
                self._waiting[key] = Addition(addition.provider_id, addition.kind, count, reason)
