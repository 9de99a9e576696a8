"""Codes that a person gives, by a prompt or on standard input, never as arguments.

Each is bare, or a JSON object of `code`, `pin`, `serial` and `expiresAt`. No error repeats what was given.
"""

import json
import sys
from typing import Any

import typer

from gateway.commands.context import Problem
from models import codes
from models.codes import Code


def prompted(order_id: str) -> list[Code]:
    """The codes of an order from a prompt, up to an empty line. Raises Problem."""
    found: list[Code] = []
    while True:
        ask = f"Code {len(found) + 1} of order {order_id} (leave empty for {'no more' if found else 'none'})"
        line: str = typer.prompt(ask, default="", show_default=False, hide_input=True, err=True)
        if not line.strip():
            return found
        found.append(_code(len(found) + 1, line.strip()))


def piped() -> list[Code]:
    """The codes on standard input, one a line. Raises Problem."""
    try:
        lines = sys.stdin.read().removeprefix("\ufeff").splitlines()
    except UnicodeDecodeError:
        raise Problem("standard input is not UTF-8 text") from None
    return [_code(number, line.strip()) for number, line in enumerate(filter(str.strip, lines), start=1)]


def _code(number: int, line: str) -> Code:
    """Raises Problem."""
    value: Any = line
    if line[0] in '{["':
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise Problem(f"code {number} begins as JSON and is not JSON") from None
    found = codes.read(value)
    if found.unreadable or len(found.codes) != 1:
        raise Problem(
            f"code {number} is not a code: write it bare, or as an object with code, pin and serial"
        )
    return found.codes[0]
