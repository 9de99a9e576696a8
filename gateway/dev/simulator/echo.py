"""One readable line per thing that happens."""

import threading
from collections.abc import Callable
from datetime import datetime

Printer = Callable[[str], object]


class Echo:
    """Prints `12:00:01.250  send       text`, whole lines only, from any thread. A closed output is no error."""

    def __init__(self, printer: Printer | None) -> None:
        self._printer = printer
        self._lock = threading.Lock()

    def __call__(self, action: str, text: str) -> None:
        if self._printer is None:
            return
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="milliseconds")[11:23]
        line = f"{now}  {action:<9}  {_printable(text)}"
        with self._lock:
            try:
                self._printer(line)
            except (OSError, ValueError):
                self._printer = None


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
