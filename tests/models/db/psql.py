"""Running a script as psql does: by psql itself, and by a reading of it that needs no psql."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2

from gateway.dev.servers import EmbeddedPostgres

#: The exit status of psql where a script stops at an error.
STOPPED = 3


def program() -> str | None:
    """The path of psql; None if there is none here."""
    embedded = EmbeddedPostgres(Path("unused")).binaries / "psql"
    return str(embedded) if os.access(embedded, os.X_OK) else shutil.which("psql")


def by_psql(url: str, script: str) -> tuple[int, str]:
    """The exit status of psql, and what it wrote to standard error."""
    command = [program() or "psql", "--no-psqlrc", "--quiet", url]
    ran = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stderr


def by_hand(url: str, script: str) -> tuple[int, str]:
    """The same, statement by statement on one connection; without ON_ERROR_STOP it goes on after an error."""
    stops, said = False, ""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for statement in statements(script):
            if statement.startswith("\\set ON_ERROR_STOP"):
                stops = True
                continue
            try:
                connection.cursor().execute(statement)
            except psycopg2.Error as error:
                said += f"ERROR: {error}"
                if stops:
                    return STOPPED, said
    return 0, said


def statements(script: str) -> Iterator[str]:
    """What psql sends, one by one; a command of its own is a line that begins with a backslash."""
    current, is_quoted = "", False
    for line in script.splitlines(keepends=True):
        if line.startswith("\\"):
            yield line.strip()
            continue
        is_quoted ^= line.count("$$") % 2 == 1
        current += line
        if line.rstrip().endswith(";") and not is_quoted:
            yield current
            current = ""
    assert not current.strip() or all(line.startswith("--") for line in current.strip().splitlines())


#: Both ways; psql comes with the embedded server.
WAYS: list[Callable[[str, str], tuple[int, str]]] = [by_hand, *([by_psql] if program() else [])]
