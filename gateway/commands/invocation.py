"""How this command line is typed here, so that a command that is printed can be pasted."""

import re
import shlex
import shutil
import sys
from pathlib import Path

#: `gateway` in front of one of its commands; in backticks it is a name and not to be pasted.
COMMAND = re.compile(
    r"(?<![\w./`-])gateway(?= (?:migrate|dev|simulator|keys|providers|routes|orders|callbacks|notifications|listen"
    r"|stock|sweep|doctor)\b)"
)


def program() -> str:
    """`gateway` if the shell finds this one, as in an activated environment; else its path, or `python -m gateway`."""
    script = Path(sys.executable).with_name("gateway")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m gateway"
    found = shutil.which("gateway")
    return "gateway" if found and Path(found).samefile(script) else shlex.quote(short(script))


def as_typed(text: str) -> str:
    """`text`, with each command in it as it is typed here."""
    return COMMAND.sub(lambda _: program(), text)


def short(path: Path) -> str:
    """The path from the current directory if it is below it, always with a slash: without one a shell searches PATH."""
    if not path.is_relative_to(Path.cwd()):
        return str(path)
    relative = str(path.relative_to(Path.cwd()))
    return relative if "/" in relative else f"./{relative}"
