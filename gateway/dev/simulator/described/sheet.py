"""What a file of `simulator/protocols/` may say. Paths are dotted: `json.products.0.qty`, `headers.api-token`."""

import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

import gateway

SHEETS = Path(__file__).parents[1] / "protocols"
SAMPLES = Path(gateway.__file__).parent / "providers" / "protocols" / "samples"


class UnknownProtocol(LookupError):
    """No sheet has this name."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipe(_Part):
    """A value that is computed: JSON that several answers contain, a digest, an encoding or an encryption."""

    by: Literal["json", "md5", "sha1", "sha256", "hmac_sha1", "hmac_sha256", "base64", "aes_cbc"]
    of: str
    #: Of an HMAC or of AES: the key; with `whsec` it is base64 after `whsec_`, as Standard Webhooks has it.
    key: str = ""
    whsec: bool = False
    iv: str = ""
    to: Literal["hex", "base64", "base64url", "base64 twice"] = "hex"
    #: Only this many characters of it.
    first: int | None = None


class Reply(_Part):
    """An answer or a callback: a sample's, or one of its own; `change` replaces text of the sample by templates."""

    sample: str = ""
    #: The part of the sample's JSON that counts.
    at: str = ""
    change: Mapping[str, str] = Field(default_factory=dict)
    status: int | None = None
    type: str = ""
    body: str | None = None
    #: Of a callback with its fields in the query.
    fields: Mapping[str, str] = Field(default_factory=dict)


def _named(value: Any) -> Any:
    return {"sample": value} if isinstance(value, str) else value


class Lines(_Part):
    """How an answer tells of several orders."""

    #: Around the line of each: `$asked` is what was asked for.
    each: str = "$line"
    whole: str


class Call(_Part):
    """A request that the provider knows, and where the parts of the order stand in it."""

    op: Literal["send", "check", "balance", "catalogue", "token"]
    method: str = "GET"
    #: A part in braces is any text, which stands at `path.NAME`.
    path: str
    #: What tells it from other calls of the same path; an empty text means that nothing stands there.
    when: Mapping[str, str] = Field(default_factory=dict)
    reference: str = ""
    own: str = ""
    player: str = ""
    package: str = ""
    quantity: str = ""
    callback_url: str = ""
    #: In place of what the sheet says for all calls.
    proves: Mapping[str, str] | None = None
    #: The group of answers, if it is not that of its `op`.
    answers: str = ""
    lines: Lines | None = None

    @property
    def group(self) -> str:
        return self.answers or self.op


class Codes(_Part):
    """`$codes` in an answer: every code that is delivered."""

    each: str
    between: str = ","


class Callback(_Part):
    """How it calls back; what it says stands in `[answers.callback]`."""

    method: Literal["GET", "POST"] = "POST"
    #: Whether the secret is the last part of the path.
    token: bool = False
    headers: Mapping[str, str] = Field(default_factory=dict)
    #: What the receiver must answer, besides a status of success; and how often it is tried.
    reply: str = ""
    tries: int = 10


class Sheet(_Part):
    """A protocol, from the provider's side."""

    title: str
    currency: str
    price: Decimal
    #: `$message` of an order that fails without a reason of its own.
    reason: str = "the order failed"
    #: The number that it gives an order: `$number` counts from `first_number`.
    own: str = "$number"
    first_number: int = 90_000
    #: What a reference that it knows already means: the first order once more, an error, or a second purchase. `never`
    #: is for protocols without references.
    repeated: Literal["first", "used", "buys", "never"]
    #: Whether the answer to a send brings the outcome, unless the order says `after=S`.
    at_once: bool = False
    #: The name of the samples, if it is not the sheet's own.
    samples: str = ""
    #: Credentials that the samples do not show; `$url` is the simulator's own.
    credentials: Mapping[str, str] = Field(default_factory=dict)
    #: What every call must bring.
    proves: Mapping[str, str] = Field(default_factory=dict)
    made: Mapping[str, Recipe] = Field(default_factory=dict)
    #: `$word`, by the state of the order.
    words: Mapping[str, str] = Field(default_factory=dict)
    codes: Codes | None = None
    #: Texts of the samples, each with the template that takes its place.
    stands: Mapping[str, str] = Field(default_factory=dict)
    calls: tuple[Call, ...]
    answers: Mapping[str, Mapping[str, Annotated[Reply, BeforeValidator(_named)]]]
    callback: Callback | None = None


class Sample(BaseModel):
    """One exchange as `providers/protocols/samples/` has it; `given`, `task` and `expect` are as they are there."""

    name: str
    op: str
    given: dict[str, Any]
    task: dict[str, Any]
    request: dict[str, Any]
    response: dict[str, Any] | None
    expect: dict[str, Any]


def names() -> list[str]:
    """Every protocol that has a sheet."""
    return sorted(path.stem for path in SHEETS.glob("*.toml"))


@cache
def load(name: str) -> Sheet:
    """The sheet of a protocol. Raises UnknownProtocol."""
    if name not in names():
        raise UnknownProtocol(f"--protocol takes znet, {', '.join(names())}, not {name!r}")
    return Sheet.model_validate(tomllib.loads((SHEETS / f"{name}.toml").read_text()))


def calls_back(name: str) -> bool:
    """Whether the protocol has callbacks."""
    return load(name).callback is not None


@cache
def samples(name: str) -> tuple[Sample, ...]:
    """The sample exchanges of a protocol."""
    path = SAMPLES / f"{load(name).samples or name}.json"
    return tuple(map(Sample.model_validate, json.loads(path.read_text()))) if path.exists() else ()
