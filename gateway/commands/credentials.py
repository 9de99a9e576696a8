"""A provider's credentials on their way in: from a prompt or standard input, never from arguments."""

import base64
import binascii
import json
import secrets
import sys
from collections.abc import Sequence
from typing import Any

import typer

from gateway.commands.context import Problem

#: Name of the secret that callbacks are verified with; several, parted by spaces, while one is being rotated.
CALLBACK_SECRET = "callback_secret"
#: How callbacks may be verified.
SCHEMES = ("standard-webhooks", "token")
#: Fewest characters of a token.
MIN_TOKEN_LENGTH = 16
#: Random bytes of a secret that we make.
SECRET_BYTES = 32


def read(names: Sequence[str], scheme: str) -> dict[str, str]:
    """The credentials `names`, and the callback secret where one was given. Raises Problem."""
    given = _prompted(names) if sys.stdin.isatty() else _piped(names)
    wanted = (*names, CALLBACK_SECRET)
    if unknown := sorted(given.keys() - set(wanted)):
        raise Problem(f"unknown credential {', '.join(unknown)}; this adapter takes {', '.join(wanted)}")
    if missing := [name for name in names if not given.get(name)]:
        raise Problem(f"missing credential {', '.join(missing)}; {_how(names)}")
    for secret in given.get(CALLBACK_SECRET, "").split():
        _check_secret(secret, scheme)
    return {name: value for name, value in given.items() if value}


def new_callback_secret(scheme: str) -> str:
    """A fresh secret for callbacks of that scheme."""
    if scheme == "token":
        return secrets.token_urlsafe(SECRET_BYTES)
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _prompted(names: Sequence[str]) -> dict[str, str]:
    given = {name: typer.prompt(name, hide_input=True, err=True) for name in names}
    ask = f"{CALLBACK_SECRET} (leave empty to have one made)"
    return given | {
        CALLBACK_SECRET: typer.prompt(ask, default="", show_default=False, hide_input=True, err=True)
    }


def _piped(names: Sequence[str]) -> dict[str, str]:
    try:
        document: Any = json.loads(sys.stdin.buffer.read())
    except ValueError:
        raise Problem(f"standard input is not JSON; {_how(names)}") from None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise Problem(f"standard input is not one JSON object of texts; {_how(names)}")
    return document


def _how(names: Sequence[str]) -> str:
    example = ", ".join(f'"{name}": "…"' for name in (*names, CALLBACK_SECRET))
    return f"give {{{example}}} on standard input, or run it in a terminal to be asked"


def _check_secret(secret: str, scheme: str) -> None:
    if scheme == "standard-webhooks" and not _is_signing_secret(secret):
        raise Problem(f"{CALLBACK_SECRET} takes whsec_ and base64 behind it")
    if scheme == "token" and not _is_token(secret):
        allowed = "letters, digits, - and _"
        raise Problem(f"{CALLBACK_SECRET} takes a token of at least {MIN_TOKEN_LENGTH} {allowed}")


def _is_signing_secret(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and bool(
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        )
    except binascii.Error:
        return False


def _is_token(secret: str) -> bool:
    plain = secret.replace("-", "").replace("_", "")
    return len(secret) >= MIN_TOKEN_LENGTH and plain.isascii() and plain.isalnum()
