"""A test callback: what a provider would send, signed as it would sign, over real HTTP."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

import typer

from gateway import outbound, signatures
from gateway.commands.context import Problem
from gateway.providers import inbound
from models.provider import Provider
from models.status import ExternalStatus

#: Characters of an answer that are shown.
ANSWER_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Said:
    """What the callback says of an order, in the neutral format."""

    referans: str
    status: ExternalStatus
    pin: str | None = field(default=None, repr=False)
    message: str | None = None

    def body(self) -> bytes:
        """As JSON; what there is none of is left out."""
        fields = {
            "provider_referans": self.referans,
            "status": self.status.value,
            "pin_code": self.pin,
            "message": self.message,
        }
        said = {name: value for name, value in fields.items() if value}
        return json.dumps(said, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    url: str
    status: int
    text: str


def read_pin(stdin: TextIO, piped: bool, *, asks: bool) -> str | None:
    """The PIN from standard input, or from a prompt where a person sits there; never from an argument."""
    if piped:
        pin = stdin.readline().strip()
        if not pin:
            raise Problem("standard input holds no PIN; pipe it in, or leave --pin-from-stdin away")
        return pin
    if not asks or not stdin.isatty():
        return None
    ask = "PIN (leave empty for none)"
    given: str = typer.prompt(ask, default="", show_default=False, hide_input=True, err=True)
    return given or None


def send(account: Provider, said: Said, base_url: str, client: outbound.Client) -> Answer:
    """POST it to the provider's callback endpoint at `base_url`. Raises Problem, outbound.OutboundError."""
    url = f"{base_url.rstrip('/')}/callbacks/{account.id}"
    body = said.body()
    headers = {"content-type": "application/json", **_authentic(account, body)}
    response = client.post(url, body, headers)
    text = response.body.decode(errors="replace").strip()
    return Answer(url, response.status, text[:ANSWER_CHARACTERS])


def _authentic(account: Provider, body: bytes) -> dict[str, str]:
    """What shows that it comes from the provider; a token goes in a header, where no log has it."""
    secrets = account.secrets()
    if not secrets:
        raise Problem(f"{account.id} has no callback_secret; set one with: gateway providers add --replace")
    if account.callback == "token":
        return {inbound.TOKEN_HEADER: secrets[0]}
    return signatures.sign_standard_webhook(secrets[0], f"msg_{uuid.uuid4().hex}", datetime.now(UTC), body)
