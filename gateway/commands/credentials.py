"""A provider's credentials, from the environment, standard input or a prompt, and never from arguments."""

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import typer

from gateway.callbacks.verifiers import Verifier
from gateway.commands.context import Problem
from gateway.inputs import is_storable
from models.provider import CALLBACK_SECRET

#: In the environment a credential has this in front, and its name in capitals: CREDENTIAL_SIFRE, and
#: CREDENTIAL_MEMBERID for `memberID`.
PREFIX = "CREDENTIAL_"
#: For help texts.
WHERE = (
    f"from the environment ({PREFIX}NAME, the name in capitals), else by prompt in a terminal, else from standard"
    " input as one JSON object"
)


def names(adapter_names: Sequence[str], kind: Verifier) -> tuple[str, ...]:
    """The credentials of a provider with this adapter and kind of callback, its callback secret last."""
    return (*adapter_names, *kind.credentials, *((CALLBACK_SECRET,) if kind.has_secret else ()))


def read(
    adapter_names: Sequence[str],
    kind: Verifier,
    known: Collection[str] = (),
    *,
    optional: Sequence[str] = (),
) -> dict[str, str]:
    """The credentials of the adapter and of its callbacks that a person gives. Raises Problem.

    Those that are `known` or `optional` may be left out, and so may the callback secret.
    """
    wanted = names((*adapter_names, *optional), kind)
    if not wanted:
        return {}
    may_be_empty = {CALLBACK_SECRET: "to have one made"} | dict.fromkeys(optional, "to do without it")
    may_be_empty |= dict.fromkeys(known, "to keep it")
    given = _given(wanted, may_be_empty)
    if missing := [name for name in wanted if name not in given and name not in may_be_empty]:
        raise Problem(f"missing credential {', '.join(missing)}; {_how(wanted)}")
    _check(kind, given)
    return given


def read_some(adapter_names: Sequence[str], kind: Verifier, *, may_be_none: bool) -> dict[str, str]:
    """Those credentials that a person gives, at least one unless `may_be_none`. Raises Problem.

    If there may be none, nothing is prompted for, and standard input may be empty.
    """
    wanted = names(adapter_names, kind)
    given = _given(wanted, dict.fromkeys(wanted, "to keep it"), asks=not may_be_none)
    if not given and not may_be_none:
        raise Problem(f"no credential was given, so nothing was changed; {_how(wanted)}")
    _check(kind, given)
    return given


def _check(kind: Verifier, given: Mapping[str, str]) -> None:
    try:
        kind.check_credentials(given)
    except ValueError as error:
        raise Problem(str(error)) from None


def _given(wanted: Sequence[str], may_be_empty: Mapping[str, str], *, asks: bool = True) -> dict[str, str]:
    """What is given and not blank. `may_be_empty` tells for each name that may be left empty what that means."""
    given: Mapping[str, str]
    if from_environment := {
        _as_wanted(name.removeprefix(PREFIX), wanted): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }:
        given = from_environment
    elif sys.stdin.isatty():
        given = _prompted(wanted, may_be_empty) if asks else {}
    else:
        given = _piped(wanted, may_be_silent=not asks)
    if unknown := sorted(given.keys() - set(wanted)):
        raise Problem(f"unknown credential {', '.join(unknown)}; this provider takes {', '.join(wanted)}")
    if unstorable := [name for name, value in given.items() if not is_storable(value)]:
        raise Problem(f"credential {', '.join(unstorable)} contains an invalid character")
    return {name: value for name, value in given.items() if value.strip()}


def _as_wanted(name: str, wanted: Sequence[str]) -> str:
    """The wanted name that this one of the environment means, which has no small letters as a rule."""
    return next((each for each in wanted if each.lower() == name.lower()), name.lower())


def _prompted(names: Sequence[str], may_be_empty: Mapping[str, str]) -> dict[str, str]:
    given = {}
    for name in names:
        ask = f"{name} (leave empty {may_be_empty[name]})" if name in may_be_empty else name
        default = "" if name in may_be_empty else None
        given[name] = typer.prompt(ask, default=default, show_default=False, hide_input=True, err=True)
    return given


def _piped(names: Sequence[str], *, may_be_silent: bool) -> Mapping[str, str]:
    text = sys.stdin.buffer.read()
    if may_be_silent and not text.strip():
        return {}
    try:
        document: Any = json.loads(text)
    except ValueError:
        raise Problem(f"standard input is not JSON; {_how(names)}") from None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise Problem(f"standard input is not one JSON object of strings; {_how(names)}")
    return document


def _how(names: Sequence[str]) -> str:
    example = ", ".join(f'"{name}": "…"' for name in names)
    return (
        f"pass {{{example}}} on standard input, set {PREFIX}{names[0].upper()} and so on, or run the command in a"
        " terminal to be prompted"
    )
