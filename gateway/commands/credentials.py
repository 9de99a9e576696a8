"""A provider's credentials, from a prompt or standard input and never from arguments."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from gateway.callbacks.verifiers import Verifier
from gateway.commands.context import Problem
from models.provider import CALLBACK_SECRET


def read(adapter_names: Sequence[str], kind: Verifier) -> dict[str, str]:
    """The credentials of the adapter and of its callbacks; the callback secret only if one is given. Raises Problem."""
    required = (*adapter_names, *kind.credentials)
    wanted = (*required, CALLBACK_SECRET) if kind.has_secret else required
    if not wanted:
        return {}
    given = _prompted(wanted) if sys.stdin.isatty() else _piped(wanted)
    if unknown := sorted(given.keys() - set(wanted)):
        raise Problem(f"unknown credential {', '.join(unknown)}; this provider takes {', '.join(wanted)}")
    if missing := [name for name in required if not given.get(name, "").strip()]:
        raise Problem(f"missing credential {', '.join(missing)}; {_how(wanted)}")
    try:
        kind.check_credentials(given)
    except ValueError as error:
        raise Problem(str(error)) from None
    return {name: value for name, value in given.items() if value.strip()}


def _prompted(names: Sequence[str]) -> dict[str, str]:
    given = {}
    for name in names:
        made = name == CALLBACK_SECRET
        ask = f"{name} (leave empty to have one made)" if made else name
        default = "" if made else None
        given[name] = typer.prompt(ask, default=default, show_default=False, hide_input=True, err=True)
    return given


def _piped(names: Sequence[str]) -> Mapping[str, str]:
    try:
        document: Any = json.loads(sys.stdin.buffer.read())
    except ValueError:
        raise Problem(f"standard input is not JSON; {_how(names)}") from None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise Problem(f"standard input is not one JSON object of strings; {_how(names)}")
    return document


def _how(names: Sequence[str]) -> str:
    example = ", ".join(f'"{name}": "…"' for name in names)
    return f"pass {{{example}}} on standard input, or run the command in a terminal to be prompted"
