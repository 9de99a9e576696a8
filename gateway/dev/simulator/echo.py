"""One readable line for each thing that happens."""

import threading
from collections.abc import Callable
from datetime import datetime, tzinfo

Printer = Callable[[str], object]


class Echo:
    """Prints `12:00:01.250 +03  send       text`, in whole lines, from any thread. A closed output is ignored.

    `zone` is the time zone of the times, the system's own if None.
    """

    def __init__(self, printer: Printer | None, zone: tzinfo | None = None) -> None:
        self._printer = printer
        self._zone = zone
        self._lock = threading.Lock()

    def __call__(self, action: str, text: str) -> None:
        if self._printer is None:
            return
        shown = "".join(character if character.isprintable() else "?" for character in text)
        now = datetime.now(self._zone).astimezone(self._zone)
        line = f"{now:%H:%M:%S}.{now.microsecond // 1000:03d} {now:%Z}  {action:<9}  {shown}"
        with self._lock:
            try:
                self._printer(line)
            except (OSError, ValueError):
                self._printer = None
