"""Codes that a person gives, by a prompt or on standard input, never as arguments.

Each is bare, or a JSON object of `code`, `pin`, `serial` and `expires_at`. No error repeats what was given.
"""

import json
import sys
from typing import Any

import typer

from gateway.commands.context import Problem
from models import codes
from models.codes import Code

#: The fields of a JSON object; `expiresAt` is the same as `expires_at`.
FIELDS = ("code", "pin", "serial", "expires_at", "expiresAt")
#: What stands between the columns of a list that is not one bare code a line.
COLUMN_SIGNS = ",;\t"


class InvalidLine(ValueError):
    """A line is not a code; the message says why, without the code."""


def prompted(order_id: str) -> list[Code]:
    """The codes of an order from a prompt, up to an empty line; what is not a code is asked for again."""
    found: list[Code] = []
    while True:
        ask = f"Code {len(found) + 1} of order {order_id} (leave empty for {'no more' if found else 'none'})"
        line: str = typer.prompt(ask, default="", show_default=False, hide_input=True, err=True)
        if not line.strip():
            return found
        try:
            found.append(code_in(line.strip()))
        except InvalidLine as error:
            typer.echo(f"error: {error}", err=True)


def piped() -> list[Code]:
    """The codes on standard input, one a line. Raises Problem."""
    try:
        lines = sys.stdin.read().removeprefix("\ufeff").split("\n")
    except UnicodeDecodeError:
        raise Problem("standard input is not UTF-8 text") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found += [code_in(line.strip())] if line.strip() else []
        except InvalidLine as error:
            raise Problem(f"line {number} of the codes: {error}") from None
    return found


def code_in(line: str) -> Code:
    """The code in a line, which has no blanks at its ends. Raises InvalidLine."""
    if line[0] in '{["':
        return _from_json(line)
    if any(sign in line for sign in COLUMN_SIGNS):
        raise InvalidLine("a bare code has no commas, semicolons or tabs; write it as a JSON object")
    code = codes.clean(line)
    if code is None:
        raise InvalidLine("this is not a code")
    return Code(code)


def _from_json(line: str) -> Code:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidLine("this is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidLine("this is JSON, but not an object")
    if not document.keys() <= set(FIELDS):
        raise InvalidLine(f"an object takes the fields {', '.join(FIELDS[:4])} only")
    found = codes.read(document)
    if found.unreadable or len(found.codes) != 1:
        raise InvalidLine("the object has no code that can be read; write code, pin and serial as strings")
    return found.codes[0]
