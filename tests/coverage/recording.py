"""Makes every process of a virtual environment record its lines, however it is started."""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: What Python does at its start: it adds a directory to `sys.path` and, if the variable is set, imports the recorder.
PTH = f"""{Path(__file__).with_name("startup")}
import os; "RECORD_LINES_IN" in os.environ and __import__("record_lines")
"""
RECORDED = re.compile(r"^(.+):(\d+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recording:
    """Where the lines below `root` are recorded."""

    root: Path
    lines: Path

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, with what another one needs to record its lines."""
        return {**os.environ, "RECORD_LINES_OF": str(self.root), "RECORD_LINES_IN": str(self.lines)}

    def has_run(self) -> dict[str, set[int]]:
        """The numbers of the lines that have run so far, by path below `root`."""
        found: dict[str, set[int]] = {}
        for file, number in RECORDED.findall(self.lines.read_text() if self.lines.exists() else ""):
            found.setdefault(file, set()).add(int(number))
        return found


@contextmanager
def recording(root: Path, lines: Path, site_packages: Path) -> Iterator[Recording]:
    """Record what runs with the virtual environment of `site_packages` and `Recording.env`, until the block ends.

    A `.pth` file does it, because a sitecustomize would hide those of the tests, or be hidden by them. If this process
    is killed, the file stays and does nothing.
    """
    pth = site_packages / f"record-lines-{uuid.uuid4().hex}.pth"
    pth.write_text(PTH)
    try:
        yield Recording(root, lines)
    finally:
        pth.unlink(missing_ok=True)
