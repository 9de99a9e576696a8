"""A test callback: what a provider would send, signed as it would sign, over real HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO
from urllib.parse import urlencode

import typer

from gateway import outbound
from gateway.callbacks import neutral
from gateway.callbacks.verifiers import verifier_of
from gateway.commands.context import Problem
from gateway.providers import kinds
from models.outcome import Outcome
from models.provider import CallbackFormat, Provider

#: Characters of an answer that are shown.
ANSWER_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    url: str
    status: int
    text: str


def read_pin(stdin: TextIO, piped: bool, *, asks: bool) -> str | None:
    """The PIN from standard input, or from a prompt in a terminal; never from an argument."""
    if piped:
        pin = stdin.readline().strip()
        if not pin:
            raise Problem("standard input is empty; pipe the PIN in, or leave out --pin-from-stdin")
        return pin
    if not asks or not stdin.isatty():
        return None
    ask = "PIN (leave empty for none)"
    given: str = typer.prompt(ask, default="", show_default=False, hide_input=True, err=True)
    return given or None


def send(account: Provider, outcome: Outcome, base_url: str, client: outbound.Client) -> Answer:
    """POST `outcome` to the provider's endpoint at `base_url`, in the format that the provider's callbacks have.

    Raises Problem, outbound.OutboundError.
    """
    url = f"{base_url.rstrip('/')}/callbacks/{account.id}"
    try:
        content_type, body = _written(account, outcome)
        headers = verifier_of(account).sign(account, {"content-type": content_type}, body, datetime.now(UTC))
    except ValueError as error:
        raise Problem(str(error)) from None
    response = client.post(url, body, headers)
    text = response.body.decode(errors="replace").strip()
    return Answer(url, response.status, text[:ANSWER_CHARACTERS])


def _written(account: Provider, outcome: Outcome) -> tuple[str, bytes]:
    """Content type and body. Raises ValueError for an outcome that the protocol has no word for."""
    if account.callback_format is CallbackFormat.PROTOCOL:
        fields = kinds.get(account.adapter).write_callback(outcome)
        return "application/x-www-form-urlencoded", urlencode(fields).encode()
    return "application/json", neutral.write(outcome)
