"""What all kinds of `--callback` have in common: a callback as the provider is told to send it is accepted, and its
secret is stored and logged nowhere. A new kind is tested here as soon as it is in `VERIFIERS`."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import typer.main

from gateway import log
from gateway.callbacks import reading
from gateway.callbacks.requests import CallbackRequest
from gateway.callbacks.verifiers import VERIFIERS, Instructions, Verifier, verifier
from gateway.commands import providers as command
from gateway.signatures import BadSignature
from models.provider import CALLBACK_SECRET, CallbackFormat, Provider

URL = "https://gateway.example"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BODY = json.dumps({"provider_referans": "1", "status": "completed"}).encode()
#: A protocol with a scheme of its own.
PROTOCOL = "digiflazz"
#: Each kind with each of its examples.
EXAMPLES = [
    pytest.param(kind, example, id=f"{kind.name} {example}".strip())
    for kind in (verifier(name, PROTOCOL) for name in VERIFIERS)
    for example in kind.examples
]
CALLING_BACK = [each for each in EXAMPLES if each.values[0].name != "none"]


def options_of(example: str) -> dict[str, str]:
    """`--callback-header X` of an example is {"header": "X"}."""
    words = shlex.split(example)
    return {
        name.removeprefix("--callback-"): value for name, value in zip(words[::2], words[1::2], strict=True)
    }


def provider_of(kind: Verifier, example: str) -> Provider:
    credentials = dict.fromkeys(kind.credentials, "panel") | {CALLBACK_SECRET: kind.new_secret()}
    options = kind.read_options(options_of(example))
    return Provider(
        "panel",
        PROTOCOL,
        "https://panel.example",
        kind.name,
        credentials,
        callback_options=options,
        callback_format=CallbackFormat.NEUTRAL,
    )


def told_request(kind: Verifier, provider: Provider, body: bytes = BODY) -> tuple[str, CallbackRequest]:
    """The URL that the provider is told, and a callback sent to it with the headers that it is told."""
    told = kind.instructions(provider, URL, provider.secrets()[0])
    assert told is not None
    parts = urlsplit(told.url)
    path = re.fullmatch(r"/callbacks/panel(?:/([^/]+))?", parts.path)
    assert path and told.url.startswith(URL)
    headers = kind.sign(provider, {"content-type": "application/json"}, body, NOW)
    assert told.headers.keys() <= headers.keys() | {name.title() for name in headers}
    lower = {name.lower(): value for name, value in headers.items()}
    return told.url, CallbackRequest("POST", path[1], dict(parse_qsl(parts.query)), lower, body)


@pytest.mark.parametrize(("kind", "example"), CALLING_BACK)
def test_a_callback_as_the_provider_is_told_to_send_it_is_accepted(kind: Verifier, example: str) -> None:
    provider = provider_of(kind, example)
    _, request = told_request(kind, provider)
    received = reading.receive(provider, request, trust_seconds=0, now=NOW)
    assert [each.outcome.referans for each in received.arrivals] == ["1"]


@pytest.mark.parametrize(("kind", "example"), CALLING_BACK)
def test_a_callback_with_another_providers_secret_is_refused(kind: Verifier, example: str) -> None:
    _, request = told_request(kind, provider_of(kind, example))
    with pytest.raises(BadSignature):
        reading.receive(provider_of(kind, example), request, trust_seconds=0, now=NOW)


@pytest.mark.parametrize(("kind", "example"), CALLING_BACK)
def test_the_secret_of_a_callback_is_neither_stored_nor_logged(kind: Verifier, example: str) -> None:
    provider = provider_of(kind, example)
    secret = provider.secrets()[0]
    url, request = told_request(kind, provider)
    [arrival] = reading.receive(provider, request, trust_seconds=0, now=NOW).arrivals
    assert secret not in str(arrival.raw), "leave it out in `_without_token`, gateway/callbacks/reading.py"
    assert secret not in log.mask(url), "its field is not among the secrets that gateway/log.py masks"


@pytest.mark.parametrize(("kind", "example"), CALLING_BACK)
def test_while_a_secret_is_rotated_the_old_one_is_accepted(kind: Verifier, example: str) -> None:
    provider = provider_of(kind, example)
    _, request = told_request(kind, provider)
    both = {**provider.credentials, CALLBACK_SECRET: f"{kind.new_secret()} {provider.secrets()[0]}"}
    assert reading.receive(replace(provider, credentials=both), request, trust_seconds=0, now=NOW).arrivals


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_the_options_of_an_example_are_options_of_the_command(kind: Verifier, example: str) -> None:
    add: Any = typer.main.get_command(command.app)
    known = {name for parameter in add.commands["add"].params for name in parameter.opts}
    missing = {f"--callback-{name}" for name in options_of(example)} - known
    assert not missing, f"{missing} of {kind.name}: add a parameter to `add` in gateway/commands/providers.py"


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_a_secret_that_we_make_is_one_that_we_accept(kind: Verifier, example: str) -> None:
    kind.check_credentials(provider_of(kind, example).credentials)


@pytest.mark.parametrize("kind", VERIFIERS.values(), ids=list(VERIFIERS))
def test_the_readme_names_each_kind(kind: Verifier) -> None:
    readme = Path(__file__).parents[3].joinpath("README.md").read_text()
    is_named = f"`{kind.name}`" in readme or f"--callback {kind.name}" in readme
    assert is_named, f"name {kind.name} where README.md lists the kinds"


# --- what a new kind has without writing it


class Unfinished(Verifier):
    """A kind of which only half is written."""

    name = "unfinished"

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        return None


class Smallest(Unfinished):
    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        return dict(headers)


def test_a_kind_that_cannot_sign_is_not_made() -> None:
    with pytest.raises(TypeError, match=r"abstract method '?sign"):
        Unfinished()  # type: ignore[abstract]


def test_the_smallest_kind_has_a_url_without_headers_and_no_options() -> None:
    kind = Smallest()
    told = kind.instructions(provider_of(kind, ""), URL)
    assert told == Instructions(f"{URL}/callbacks/panel", {})
    with pytest.raises(ValueError, match="--callback unfinished does not take --callback-header"):
        kind.read_options({"header": "X"})


@pytest.mark.parametrize("secret", ["a\x00b", "a\x7fb", "\x1b[2J"])
@pytest.mark.parametrize(
    "kind", [VERIFIERS["hmac"], VERIFIERS["basic"], Smallest()], ids=lambda kind: kind.name
)
def test_a_secret_with_a_control_character_is_refused_and_not_repeated(kind: Verifier, secret: str) -> None:
    with pytest.raises(ValueError, match="control characters") as refused:
        kind.check_credentials({CALLBACK_SECRET: f"good {secret}"})
    assert secret not in str(refused.value)
