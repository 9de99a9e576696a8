"""Appends each line of our code to a file when a process first runs it.

A `.pth` file imports this at the start of a process, before any sitecustomize, so it imports nothing of ours. A line is
written before it runs and without a buffer, so SIGKILL loses nothing. A forked child shares the file: a write with
O_APPEND is atomic.
"""

import os
import sys
import threading
from types import CodeType, FrameType
from typing import Any

#: The project's directory, with a slash at its end.
ROOT = os.environ["RECORD_LINES_OF"] + "/"
#: What the path of a recorded file begins with.
OURS = (ROOT + "actors/", ROOT + "gateway/", ROOT + "models/")
#: The file that all processes append to, a line of text for each line of code: `models/order.py:12`.
LINES = os.open(os.environ["RECORD_LINES_IN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def record(code: CodeType, number: int) -> None:
    os.write(LINES, f"{code.co_filename.removeprefix(ROOT)}:{number}\n".encode())


if sys.version_info >= (3, 12):
    monitoring = sys.monitoring
    TOOL = monitoring.COVERAGE_ID

    def on_start(code: CodeType, offset: int) -> Any:
        """Watch the lines of our functions; look at each function once."""
        if code.co_filename.startswith(OURS):
            monitoring.set_local_events(TOOL, code, monitoring.events.LINE)
        return monitoring.DISABLE

    def on_line(code: CodeType, number: int) -> Any:
        record(code, number)
        return monitoring.DISABLE

    monitoring.use_tool_id(TOOL, "lines")
    monitoring.register_callback(TOOL, monitoring.events.PY_START, on_start)
    monitoring.register_callback(TOOL, monitoring.events.LINE, on_line)
    monitoring.set_events(TOOL, monitoring.events.PY_START)
else:
    recorded: set[tuple[CodeType, int]] = set()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        return trace_lines if frame.f_code.co_filename.startswith(OURS) else None

    def trace_lines(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line" and (line := (frame.f_code, frame.f_lineno)) not in recorded:
            recorded.add(line)
            record(*line)
        return trace_lines

    threading.settrace(trace)
    sys.settrace(trace)
