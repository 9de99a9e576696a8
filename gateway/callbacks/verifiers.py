"""How callbacks show that they come from their provider: one class for each kind of `--callback`.

All that depends on the kind is here. Other modules ask `verifier_of(provider)`, and never for a kind's name.
To add a kind: write its class, add it to `VERIFIERS`, and test it as tests/gateway/web/test_callback_kinds.py does;
docs/extending.md has the details. tests/gateway/callbacks/test_verifiers.py checks what all kinds have in common.
"""

import base64
import re
import secrets
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, get_args

from gateway import signatures
from gateway.callbacks import contents, forms
from gateway.callbacks.requests import CallbackRequest
from gateway.providers import kinds
from gateway.providers.base import UnreadableCallback
from gateway.providers.described import callbacks as described
from gateway.providers.described.callbacks import Presented
from gateway.providers.described.kind import Described
from gateway.providers.described.schema import Verify
from gateway.said import Said
from gateway.signatures import BadSignature
from models.provider import CALLBACK_SECRET, CallbackFormat, Provider

#: Name of the credential that `basic` needs beside the callback secret.
CALLBACK_USER = "callback_user"
#: Random bytes of a secret that we make.
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the provider must be told: the URL to call, and what each header must contain."""

    url: str
    headers: Mapping[str, str]


class Verifier(ABC):
    """One kind. Its instances keep nothing: what differs between providers is in their settings."""

    #: What `--callback` takes.
    name: ClassVar[str]
    #: One line for the help text.
    summary: ClassVar[str]
    #: For the help text: options that go with it, one example each.
    examples: ClassVar[tuple[str, ...]] = ("",)
    #: Credentials that a person must give.
    credentials: ClassVar[tuple[str, ...]] = ()
    #: Whether it has a `callback_secret`, which is made where a person gives none.
    has_secret: bool = True
    #: Whether the query is as trustworthy as the body; where only the body is signed, the query is not read.
    covers_query: bool = False
    #: What the body says, unless `--callback-format` chooses.
    format: ClassVar[CallbackFormat] = CallbackFormat.PROTOCOL
    #: `WWW-Authenticate` of a 401.
    challenge: ClassVar[str | None] = None

    @abstractmethod
    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        """The id of the event, or None for a kind without ids. Raises BadSignature."""

    @abstractmethod
    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        """`headers`, completed as the provider would, with the first secret. Raises ValueError without one."""

    def new_secret(self) -> str:
        """A fresh callback secret."""
        return secrets.token_urlsafe(SECRET_BYTES)

    def check_secret(self, secret: str) -> None:
        """Raises ValueError for a callback secret that cannot work."""
        if not secret.isprintable():
            raise ValueError(Said("{name} must not contain control characters", name=CALLBACK_SECRET))

    def check_credentials(self, given: Mapping[str, str]) -> None:
        """Raises ValueError for credentials of callbacks that cannot work."""
        for secret in given.get(CALLBACK_SECRET, "").split():
            self.check_secret(secret)

    def read_options(self, given: Mapping[str, str]) -> dict[str, str]:
        """The options of `--callback-…`, completed and checked. Raises ValueError."""
        for name in given:
            raise ValueError(f"--callback {self.name} does not take --callback-{name}")
        return {}

    def url(self, provider: Provider, public_url: str) -> str:
        """Where the provider is to call back, secret included; empty if it is not to, or cannot yet."""
        return f"{public_url}/callbacks/{provider.id}"

    def instructions(
        self, provider: Provider, public_url: str, new_secret: str | None = None
    ) -> Instructions | None:
        """What to tell the provider, or None if it does not call back; `new_secret` is one that may be shown."""
        return Instructions(f"{public_url}/callbacks/{provider.id}", self._headers(provider))

    def _headers(self, provider: Provider) -> dict[str, str]:
        return {}

    def _first_secret(self, provider: Provider) -> str:
        for secret in provider.secrets():
            return secret
        make = f"gateway providers rotate {provider.id} --new-callback-secret"
        raise ValueError(f"{provider.id} has no {CALLBACK_SECRET}; make one: {make}")


class StandardWebhooks(Verifier):
    """Signed as https://www.standardwebhooks.com specifies; events have ids."""

    name = "standard-webhooks"
    summary = "signed as www.standardwebhooks.com specifies"
    format = CallbackFormat.NEUTRAL
    #: Characters; the inbox has an index over event ids.
    MAX_ID_LENGTH = 255

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        webhook_id = signatures.verify_standard_webhook(
            provider.secrets(), request.headers, request.body, now
        )
        if len(webhook_id) > self.MAX_ID_LENGTH:
            raise BadSignature(f"webhook-id is longer than {self.MAX_ID_LENGTH} characters")
        return webhook_id

    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        webhook_id = f"msg_{uuid.uuid4().hex}"
        signed = signatures.sign_standard_webhook(self._first_secret(provider), webhook_id, now, body)
        return {**headers, **signed}

    def new_secret(self) -> str:
        return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()

    def check_secret(self, secret: str) -> None:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not secret.startswith("whsec_") or not key:
            raise ValueError(Said("{name} takes `whsec_` and base64 after it", name=CALLBACK_SECRET))

    def _headers(self, provider: Provider) -> dict[str, str]:
        return {
            "webhook-id": "the id of the event, the same on every try",
            "webhook-timestamp": "Unix time in seconds",
            "webhook-signature": "v1,BASE64 of the HMAC-SHA256 of ID.TIMESTAMP.BODY",
        }


class Hmac(Verifier):
    """An HMAC of the body, or of a template of headers and body, in a header."""

    name = "hmac"
    summary = "an HMAC of the body, or of a template of headers and body, in a header"
    examples = (
        "--callback-header X-Hub-Signature --callback-algorithm sha1",
        "--callback-header X-Signature --callback-template '{header:X-Timestamp}.{body}'",
    )
    #: Of `--callback-…`, where it is not given; `header` must be given.
    DEFAULTS: ClassVar[dict[str, str]] = {"algorithm": "sha256", "encoding": "hex", "template": "{body}"}
    #: A name of a header (RFC 9110, section 5.6.2).
    HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
    PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        options: Mapping[str, Any] = provider.callback_options
        presented = _present(request.headers, options["header"])
        content = self._content(options["template"], request.headers, request.body)
        signatures.verify_hmac(
            provider.secrets(), content, presented, options["algorithm"], options["encoding"]
        )
        return None

    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        options: Mapping[str, Any] = provider.callback_options
        # Headers that the template names and that are not there yet are, as a rule, timestamps.
        timestamps = {name: str(int(now.timestamp())) for name in self._named_headers(options["template"])}
        complete = {**timestamps, **headers}
        content = self._content(options["template"], complete, body)
        signature = signatures.sign_hmac(
            self._first_secret(provider), content, options["algorithm"], options["encoding"]
        )
        return {**complete, options["header"]: signature}

    def read_options(self, given: Mapping[str, str]) -> dict[str, str]:
        options = {**self.DEFAULTS, **given}
        for name, allowed in (("algorithm", signatures.Algorithm), ("encoding", signatures.Encoding)):
            if options[name] not in get_args(allowed):
                raise ValueError(f"--callback-{name} takes {', '.join(get_args(allowed))}")
        if not self.HEADER.fullmatch(options.get("header", "")):
            raise ValueError("--callback-header takes the name of the header with the signature")
        self._check_template(options["template"])
        return options

    def _check_template(self, template: str) -> None:
        """The body must be in it: what is not signed could be written by anyone."""
        placeholders = self.PLACEHOLDER.findall(template)
        headers = self._named_headers(template)
        valid = len(headers) + placeholders.count("body") == len(placeholders)
        if not valid or "body" not in placeholders or not all(map(self.HEADER.fullmatch, headers)):
            raise ValueError("--callback-template takes text with {body} and any number of {header:NAME}")

    def _named_headers(self, template: str) -> list[str]:
        """In lower case."""
        names = (name.partition(":") for name in self.PLACEHOLDER.findall(template))
        return [header.lower() for kind, _, header in names if kind == "header"]

    def _content(self, template: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """What is signed. Raises BadSignature where a header is missing."""
        values = []
        for number, piece in enumerate(self.PLACEHOLDER.split(template)):
            if number % 2 == 0:
                values.append(piece.encode())
            elif piece == "body":
                values.append(body)
            else:  # headers are bytes, which WSGI hands on as Latin-1
                header = _present(headers, piece.removeprefix("header:"))
                values.append(header.encode("latin-1", errors="backslashreplace"))
        return b"".join(values)

    def _headers(self, provider: Provider) -> dict[str, str]:
        options = provider.callback_options
        of = options["template"]
        return {options["header"]: f"HMAC-{options['algorithm'].upper()} of {of} in {options['encoding']}"}


class Token(Verifier):
    """A secret in the path, in a header or in the query, for providers that cannot sign."""

    name = "token"
    summary = "a secret in the path, in the header X-Callback-Token, or in the query as `token`"
    covers_query = True
    #: Where a token may be, besides the path and `Authorization: Bearer`.
    HEADER, FIELD = "x-callback-token", contents.TOKEN_FIELD
    #: Characters.
    MIN_LENGTH = 16

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        in_query = forms.last(request.query.get(self.FIELD, ""))
        presented = request.token or request.headers.get(self.HEADER) or in_query
        if not presented and scheme.lower() == "bearer":
            presented = bearer.strip()
        signatures.verify_token(provider.secrets(), presented)
        return None

    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        """In a header, which no log contains."""
        return {**headers, self.HEADER: self._first_secret(provider)}

    def check_secret(self, secret: str) -> None:
        plain = secret.replace("-", "").replace("_", "")
        if len(secret) < self.MIN_LENGTH or not plain.isascii() or not plain.isalnum():
            raise ValueError(
                Said(
                    "{name} takes a token of at least {number} letters, digits, - and _",
                    name=CALLBACK_SECRET,
                    number=self.MIN_LENGTH,
                )
            )

    def url(self, provider: Provider, public_url: str) -> str:
        secrets = provider.secrets()
        return f"{public_url}/callbacks/{provider.id}/{secrets[0]}" if secrets else ""

    def instructions(
        self, provider: Provider, public_url: str, new_secret: str | None = None
    ) -> Instructions | None:
        return Instructions(f"{public_url}/callbacks/{provider.id}/{new_secret or 'TOKEN'}", {})


class Basic(Verifier):
    """User name and password (RFC 7617)."""

    name = "basic"
    summary = "a user name and password in the header Authorization; needs callback_user"
    credentials = (CALLBACK_USER,)
    covers_query = True
    challenge = 'Basic realm="callbacks", charset="UTF-8"'

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        user = provider.credentials.get(CALLBACK_USER, "")
        signatures.verify_basic(user, provider.secrets(), request.headers.get("authorization"))
        return None

    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        user = provider.credentials.get(CALLBACK_USER, "")
        return {**headers, "authorization": signatures.sign_basic(user, self._first_secret(provider))}

    def check_credentials(self, given: Mapping[str, str]) -> None:
        super().check_credentials(given)
        user = given.get(CALLBACK_USER, "")
        if ":" in user or not user.isprintable():
            raise ValueError(Said("{name} must not contain colons or control characters", name=CALLBACK_USER))

    def _headers(self, provider: Provider) -> dict[str, str]:
        return {"Authorization": f"Basic BASE64 of {CALLBACK_USER}:{CALLBACK_SECRET}"}


class NoCallbacks(Verifier):
    """For providers that do not call back. Their orders are polled."""

    name = "none"
    summary = "the provider does not call back; its orders are polled"
    has_secret = False

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        raise BadSignature("no callbacks are accepted for this provider")

    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        raise ValueError(f"no callbacks are accepted for {provider.id}")

    def url(self, provider: Provider, public_url: str) -> str:
        return ""

    def instructions(
        self, provider: Provider, public_url: str, new_secret: str | None = None
    ) -> Instructions | None:
        return None


class OfProtocol(Verifier):
    """The provider's protocol has a scheme of its own, which its file describes. Made for one protocol."""

    name = "protocol"
    summary = "as the provider's protocol says; where it has a scheme of its own, that is the default"
    #: Characters; the inbox has an index over event ids.
    MAX_ID_LENGTH = StandardWebhooks.MAX_ID_LENGTH

    def __init__(self, protocol: Described | None = None, scheme: Verify | None = None) -> None:
        """For help texts, and for providers whose protocol has no scheme, both are None: nothing is accepted."""
        self._protocol = protocol
        self._scheme = scheme
        #: The kind that it is, if it is one that any protocol may have.
        self._kind = _kind_of(scheme) if scheme else None
        named = scheme.equals.names() if scheme and scheme.equals else frozenset()
        self.has_secret = self._kind is not None or f"credentials.{CALLBACK_SECRET}" in named
        self.covers_query = scheme is not None and "body" not in named
        if self._kind:
            self.covers_query = self._kind.covers_query

    def verify(self, provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
        if self._kind:
            return self._kind.verify(provider, request, now)
        if self._protocol is None:
            raise BadSignature(f"the protocol {provider.adapter} has no signature of its own")
        event_id = described.verify(self._protocol, provider, self._presented(request), now)
        if event_id and len(event_id) > self.MAX_ID_LENGTH:
            raise BadSignature(f"the id of the event is longer than {self.MAX_ID_LENGTH} characters")
        return event_id

    def _presented(self, request: CallbackRequest) -> Presented:
        """What is signed may be a field; of a callback that cannot be read there is none."""
        signed = request if self.covers_query else replace(request, query={})
        try:
            fields = contents.read_fields(signed)
        except UnreadableCallback:
            fields = {}
        return Presented(request.method, request.path, request.headers, request.body, fields)

    def sign(
        self, provider: Provider, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        if self._kind:
            return self._kind.sign(provider, headers, body, now)
        if self._protocol is None:
            raise ValueError(f"the protocol {provider.adapter} has no signature of its own")
        path = f"/callbacks/{provider.id}"
        request = CallbackRequest("POST", None, {}, {k.lower(): v for k, v in headers.items()}, body, path)
        name, value = described.signature(self._protocol, provider, self._presented(request))
        return {**headers, name: value}

    def new_secret(self) -> str:
        return self._kind.new_secret() if self._kind else super().new_secret()

    def check_secret(self, secret: str) -> None:
        if self._kind:
            return self._kind.check_secret(secret)
        return super().check_secret(secret)

    def url(self, provider: Provider, public_url: str) -> str:
        return self._kind.url(provider, public_url) if self._kind else super().url(provider, public_url)

    def instructions(
        self, provider: Provider, public_url: str, new_secret: str | None = None
    ) -> Instructions | None:
        if self._kind:
            return self._kind.instructions(provider, public_url, new_secret)
        return super().instructions(provider, public_url, new_secret)

    def _headers(self, provider: Provider) -> dict[str, str]:
        header = self._scheme.header if self._scheme else None
        return {header: f"as the document of {provider.adapter} says"} if header else {}


def _kind_of(scheme: Verify) -> Verifier | None:
    if scheme.standard_webhooks:
        return StandardWebhooks()
    return Token() if scheme.token else None


def _present(headers: Mapping[str, str], name: str) -> str:
    """Raises BadSignature where the header is missing or empty."""
    value = headers.get(name.lower())
    if not value:
        raise BadSignature(f"the header {name} is missing")
    return value


#: By what `--callback` takes. `protocol` stands here for its name and help; `verifier` makes the one of a protocol.
VERIFIERS: dict[str, Verifier] = {
    kind.name: kind for kind in (StandardWebhooks(), Hmac(), Token(), Basic(), OfProtocol(), NoCallbacks())
}


def has_scheme(adapter: str) -> bool:
    """Whether the protocol has a scheme of its own."""
    return _scheme_of(adapter) is not None


def verifier_of(provider: Provider) -> Verifier:
    """How the provider's callbacks show that they come from it."""
    return verifier(provider.callback, provider.adapter)


def verifier(callback: str, adapter: str) -> Verifier:
    """The kind of `--callback` that this is with this protocol."""
    if callback != OfProtocol.name:
        return VERIFIERS[callback]
    found = _scheme_of(adapter)
    return OfProtocol(*found) if found else VERIFIERS[callback]


def _scheme_of(adapter: str) -> tuple[Described, Verify] | None:
    kind = kinds.find(adapter)
    if not isinstance(kind, Described) or kind.file.callback is None or kind.file.callback.verify is None:
        return None
    return kind, kind.file.callback.verify
