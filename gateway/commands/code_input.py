"""Codes that a person gives, by a prompt or on standard input, never as arguments.

What a line may be: `models.code_lines`. No error repeats what was given.
"""

import sys

import typer

from gateway.commands.context import Problem
from models import code_lines
from models.code_lines import InvalidLine
from models.codes import Code


def prompted(order_id: str) -> list[Code]:
    """The codes of an order from a prompt, up to an empty line; what is not a code is asked for again."""
    found: list[Code] = []
    while True:
        ask = f"Code {len(found) + 1} of order {order_id} (leave empty for {'no more' if found else 'none'})"
        line: str = typer.prompt(ask, default="", show_default=False, hide_input=True, err=True)
        if not line.strip():
            return found
        try:
            found.append(code_lines.code_in(line.strip()))
        except InvalidLine as error:
            typer.echo(f"error: {error}", err=True)


def piped() -> list[Code]:
    """The codes on standard input, one a line. Raises Problem."""
    try:
        return code_lines.codes_in(sys.stdin.read())
    except UnicodeDecodeError:
        raise Problem("standard input is not UTF-8 text") from None
    except InvalidLine as error:
        raise Problem(str(error)) from None
