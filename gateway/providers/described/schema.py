"""What a protocol file may say. Reading one compiles it: its templates, paths and patterns are ready to be used."""

import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gateway.providers.base import CEILINGS, About, Traces
from gateway.providers.described import located, places, templates
from gateway.providers.described.patterns import Pattern
from gateway.providers.described.places import Path
from gateway.providers.described.templates import Template
from models.provider import CALLBACK_SECRET

#: Bytes of a protocol file.
MAX_FILE = 128 * 1024


class BadFile(ValueError):
    """A protocol file cannot be used; the message says where and why, one line for each mistake."""


class Means(StrEnum):
    """What an answer or a callback means."""

    #: Taken, with the provider now.
    SENT = "sent"
    PROCESSING = "processing"
    COMPLETED = "completed"
    #: Delivered in part; of a single item: not delivered.
    PARTIAL = "partial"
    #: Taken, and failed at the provider.
    FAILED = "failed"
    #: Delivered, then taken back.
    REVERSED = "reversed"
    #: Not booked; `about` says what it is about.
    REFUSED = "refused"
    #: Not booked; the same call again later.
    NOT_NOW = "not_now"
    #: It may be booked, or is: to be asked about.
    IN_DOUBT = "in_doubt"
    #: There was no readable answer.
    NO_ANSWER = "no_answer"
    #: The provider does not know the order.
    UNKNOWN = "unknown"
    #: The question was not answered.
    NOTHING_LEARNED = "nothing_learned"
    #: Unless the provider's own number is known, asking again would teach nothing either: a person has to look.
    CANNOT_ASK = "cannot_ask"
    #: The whole answer is as it should be; what it says of the order stands in `lines`, or further parts.
    OK = "ok"
    #: A callback that is only a reason to ask.
    ASK = "ask"
    #: A callback about nothing.
    PING = "ping"
    #: The token is not valid any more; nothing was booked.
    TOKEN_EXPIRED = "token_expired"  # noqa: S105


def _compiled(kind: type[Any], what: str) -> BeforeValidator:
    def compile_text(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"must be {what} in quotes")
        return kind(value)

    return BeforeValidator(compile_text)


def _one_of(kind: type[StrEnum]) -> BeforeValidator:
    def choose(value: Any) -> Any:
        if value not in list(kind):
            raise ValueError(f"must be one of {', '.join(kind)}")
        return kind(value)

    return BeforeValidator(choose)


def _seconds(value: Any) -> float:
    """`90d`, `12h`, `5m` or `30s`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if not isinstance(value, str) or not value[:-1].isdecimal() or value[-1:] not in units:
        raise ValueError("must be a duration in quotes, such as 90d, 12h, 5m or 30s")
    return float(int(value[:-1]) * units[value[-1]])


def _filters(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError('must be a list of filters such as ["md5", "hex"]')
    return templates.parse_filters(value)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(places.word, value if isinstance(value, list) else [value]))


def _where(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError('must be a table such as { "data.status" = ["done", "success"] }')
    return tuple((Path(path), _words(words)) for path, words in value.items())


def _statuses(value: Any) -> tuple[str, ...]:
    """The beginnings of the HTTP statuses that are meant."""
    found = tuple(str(each).removesuffix("xx") for each in (value if isinstance(value, list) else [value]))
    if not all(each.isdecimal() and len(each) in (1, 3) for each in found):
        raise ValueError('must be a status such as 200 or "5xx", or a list of these')
    return found


_LISTED = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Text = Annotated[Template, _compiled(Template, "a template")]
Place = Annotated[Path, _compiled(Path, "a path")]
Search = Annotated[Pattern, _compiled(Pattern, "a regular expression")]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Names = Annotated[tuple[Name, ...], _LISTED]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class Value(_Part):
    """A value that is put into a request: a template, its filters, and what JSON makes of it."""

    text: Text
    filters: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_filters)] = Field((), alias="as")
    #: In JSON: a number, if it is one.
    number: bool = False

    def fill(self, values: templates.Values) -> str:
        """As text. Raises templates.BadValue."""
        return templates.apply(self.filters, self.text.fill(values), values)

    def names(self) -> frozenset[str]:
        """The values that it names."""
        signing = (argument for name, argument in self.filters if name in templates.SIGNING)
        return self.text.names | frozenset(signing)


def _value(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _tree(value: Any) -> Any:
    """A table of JSON or XML: texts are templates, tables with `text` are values, everything else is what it is."""
    if isinstance(value, str) or (isinstance(value, Mapping) and "text" in value):
        try:
            return Value.model_validate(_value(value))
        except ValidationError as error:
            raise ValueError(_said(error.errors(include_url=False)[0])) from None
    if isinstance(value, Mapping):
        return {FieldName.read(name): _tree(each) for name, each in value.items()}
    return [_tree(each) for each in value] if isinstance(value, list) else value


class FieldName(NamedTuple):
    """The name of a field in a request, which may have places."""

    name: Template
    #: Whether the field is left out if its value is empty; written `name?`.
    may_be_left_out: bool
    #: As the file has it.
    said: str

    @classmethod
    def read(cls, said: str) -> "FieldName":
        """Raises templates.BadTemplate."""
        return cls(Template(said.removesuffix("?")), said.endswith("?"), said)


def _table(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")
    return _tree(value)


Filled = Annotated[Value, BeforeValidator(_value)]
Pairs = Annotated[Mapping[FieldName, Any], BeforeValidator(_table)]


class Decryption(_Part):
    """AES in CBC mode with PKCS#7 padding; the text is base64, as often as `base64` says."""

    key: Filled
    iv: Filled
    base64: Annotated[int, Field(ge=1, le=3)] = 1


class Codes(_Part):
    """Where codes stand: `each` is the list of them, and the other paths are within one of it."""

    each: Place | None = None
    code: Place | None = None
    pin: Place | None = None
    serial: Place | None = None
    expires_at: Place | None = None
    decrypt: Decryption | None = None
    #: What stands there may be words instead. It is a code on a route with `--expects code` and, unless the route says
    #: `no-code`, where it looks like one; elsewhere it is this.
    otherwise: Literal["message", "receipt"] | None = None


class Read(_Part):
    """Where the parts of an answer stand."""

    reference: Place | None = None
    own: Place | None = None
    cost: Place | None = None
    currency: Place | None = None
    remaining: Place | None = None
    #: Pieces that were not delivered.
    remains: Place | None = None
    message: Place | None = None
    receipt: Place | None = None
    retry_after: Place | None = None
    #: Of balance.
    amount: Place | None = None
    #: Of a token: the token, and the seconds for which it is valid.
    token: Place | None = None
    expires_in: Place | None = None

    def beside(self, other: "Read | None") -> "Read":
        """This one, with what `other` says in its places."""
        return self.model_copy(update=dict(other.said())) if other else self

    def said(self) -> Iterator[tuple[str, Path]]:
        """The places that it names."""
        return ((name, place) for name, place in self if place is not None)


class Rule(_Part):
    """What an answer means for which everything holds that stands here; of several rules the first one counts."""

    http: Annotated[tuple[str, ...], BeforeValidator(_statuses)] = ()
    where: Annotated[tuple[tuple[Path, tuple[str, ...]], ...], BeforeValidator(_where)] = ()
    #: Searched in the text of the answer, or in what stands at `text_of`. Its named groups are read like parts of
    #: Read, and like those of Codes.
    text: Search | None = None
    text_of: Place | None = None
    means: Annotated[Means, _one_of(Means)]
    about: Annotated[About, _one_of(About)] = About.ORDER
    lacks_balance: bool = False
    retry_after: Seconds | None = None
    read: Read | None = None
    codes: Codes | None = None
    #: A further step that is made to know more. If its answer says nothing, this rule holds.
    then: Name | None = None

    @model_validator(mode="after")
    def _groups_are_parts(self) -> Self:
        known = {*Read.model_fields, *Codes.model_fields}
        if unknown := [name for name in (self.text.groups if self.text else ()) if name not in known]:
            raise ValueError(f"has the group `{unknown[0]}`, which is not a part of `read` or of `codes`")
        return self


Rules = Annotated[tuple[Rule, ...], _LISTED]


class Lines(_Part):
    """An answer about several orders, or with others beside the one asked about: where each order's line stands.

    What is said here holds within a line; what is not said is as for the whole answer.
    """

    each: Place | None = None
    #: Each name in `each` is an order's, and its value the line. Elsewhere `read` says where a line names its order.
    keys: Literal["own", "reference"] | None = None
    #: A single line of an answer about a single order is its line, whatever it names.
    alone: bool = False
    read: Read = Field(default_factory=Read)
    codes: Codes | None = None
    rules: Rules = ()

    def completed(self, of_answer: "Operation") -> Self:
        """With what the whole answer has, where nothing is said."""
        missing = {name: getattr(of_answer, name) for name in ("read", "codes", "rules")}
        return self.model_copy(
            update={name: each for name, each in missing.items() if name not in self.model_fields_set}
        )


class Request(_Part):
    """How a call is made."""

    method: Literal["GET", "POST", "PUT"] = "GET"
    #: In place of base URL and `path`, for a service elsewhere.
    url: Text | None = None
    path: Text | None = None
    query: Pairs = Field(default_factory=dict)
    headers: Pairs = Field(default_factory=dict)
    form: Pairs | None = None
    body: Pairs | None = Field(None, alias="json")
    xml: Pairs | None = None
    #: The field of the form in which the XML stands.
    xml_field: Name | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and (self.form is not None or self.xml is not None):
            raise ValueError("a request has either `json`, or `form` or `xml`")
        if self.xml is not None and len(self.xml) != 1:
            raise ValueError("`xml` has exactly one outermost element")
        return self


class Operation(Request):
    """One call, and what its answer means."""

    answer: Literal["json", "xml", "text"] = "json"
    read: Read = Field(default_factory=Read)
    codes: Codes | None = None
    rules: Rules = ()
    lines: Lines | None = None
    timeout: Seconds | None = None

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("says either `path` or `url`")
        return self


class Many(Request):
    """How several orders are asked about in one call; what is not said here is as for one."""

    #: What each of them must have.
    by: Literal["own", "reference"]
    lines: Lines | None = None


class Check(Operation):
    """Asking about one order, and about several."""

    many: Many | None = None


class Packages(_Part):
    """How the lines of a catalogue are read."""

    each: Place = Field(default_factory=lambda: Path("@"))
    id: Place
    name: Place
    price: Place | None = None
    #: What `price` is for, in pieces.
    price_for: Annotated[int, Field(ge=1)] = 1
    currency: Place | None = None
    #: The parameters of a route to it.
    params: Mapping[str, Place] = Field(default_factory=dict)


class Catalogue(Operation):
    """Asking what is sold."""

    packages: Packages


class Verify(_Part):
    """How a callback shows that it comes from the provider: a value of it is the one that we make."""

    header: str | None = None
    #: Or a field of its body.
    field: Place | None = None
    prefix: str = ""
    equals: Filled | None = None
    #: Or a secret is the last part of the path.
    token: bool = False
    #: Or it is signed as www.standardwebhooks.com specifies.
    standard_webhooks: bool = False
    #: Whether a callback that was seen cannot be made into another one, of another state.
    covers_state: bool = True
    #: A moment in Unix seconds that is signed too; older ones are refused.
    timestamp: Filled | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.token, self.standard_webhooks, self.equals is not None)
        if sum(ways) != 1 or (self.equals and bool(self.header) == bool(self.field)):
            raise ValueError(
                "says one of `token = true`, `standard_webhooks = true`, or `equals` with `header` or `field`"
            )
        return self


class Reply(_Part):
    """What the sender of a callback waits for."""

    status: Annotated[int, Field(ge=200, le=299)] = 200
    body: str = ""
    type: str = "text/plain"


class Callback(_Part):
    """Callbacks in the protocol's own format."""

    verify: Verify | None = None
    #: What makes an event known again: a header, or a field.
    event_header: str | None = None
    event: Place | None = None
    read: Read = Field(default_factory=Read)
    codes: Codes | None = None
    rules: Rules
    reply: Reply | None = None


class TraitsPart(_Part):
    """What the core must know of the protocol; see `base.Traits`."""

    traces: Annotated[Traces, _one_of(Traces)]
    ask_buys: bool = False
    ask_within: Seconds | None = None
    max_check: Annotated[int, Field(ge=1, le=1000)] = 1
    timeout: Seconds | None = None
    max_quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class Reference(_Part):
    """What the provider knows an order by: `make` writes it, `read` finds our reference in it again."""

    make: Text = Field(default_factory=lambda: Template("{referans}"))
    #: `uuid`, or a pattern with a group `referans`.
    read: Literal["uuid"] | Search | None = None


class ProtocolFile(_Part):
    """A protocol."""

    title: str
    source: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    #: Credentials that must be given, and those that may be.
    credentials: Names = ()
    optional_credentials: Names = ()
    #: Parameters that a route must have, and those that it may have.
    params: Names = ()
    optional_params: Names = ()
    #: Values of credentials and parameters that are not given, such as "credentials.auth_url".
    defaults: Mapping[str, str] = Field(default_factory=dict)
    #: Fields of the protocol that a route may fill in its own way, each with what fills it elsewhere.
    fields: Mapping[Name, Text] = Field(default_factory=dict)
    traits: TraitsPart
    reference: Reference = Field(default_factory=Reference)
    token: Operation | None = None
    send: Operation
    check: Check | None = None
    balance: Operation | None = None
    catalogue: Catalogue | None = None
    callback: Callback | None = None
    #: Further steps, by the name that `then` of a rule gives.
    steps: Mapping[Name, Operation] = Field(default_factory=dict)
    #: What is so of the answers to all calls; tried before the rules of each.
    rules: Rules = ()

    @model_validator(mode="after")
    def _traits_fit(self) -> Self:
        if self.traits.ask_buys and self.check is not None:
            raise ValueError("with `ask_buys` the question is `send`, and there is no `check`")
        if self.traits.max_check > 1 and (self.check is None or self.check.many is None):
            raise ValueError("with `max_check` there is a `check.many`, which asks about several")
        return self


#: What templates may name, beside `credentials.…`, `params.…` and `fields.…`.
VALUES = frozenset(
    {
        *(
            "referans",
            "reference",
            "references",
            "own",
            "owns",
            "user",
            "extra",
            "phone",
            "quantity",
            "created_at",
        ),
        *("callback_url", "base_url", "now", "token", "method", "path", "body"),
        *CEILINGS,
    }
)


def load(text: str, name: str) -> ProtocolFile:
    """The protocol that a file describes. Raises BadFile, which names file, line and key."""
    if len(text.encode()) > MAX_FILE:
        raise BadFile(f"{name}: is larger than {MAX_FILE // 1024} KiB")
    try:
        file = ProtocolFile.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadFile(f"{name}: is not valid TOML: {error}") from None
    except ValidationError as error:
        found = [(one["loc"], _said(one)) for one in error.errors(include_url=False)]
    else:
        found = [*_strangers(file)]
    if found:
        raise BadFile("\n".join(_line(text, name, keys, said) for keys, said in found))
    return file


def _line(text: str, name: str, keys: tuple[located.Key, ...], said: str) -> str:
    shown = ".".join(str(each) for each in keys if "function-" not in str(each))
    return f"{name}:{located.line_of(text, keys)}: {shown or 'the file'}: {said}"


def _said(error: Mapping[str, Any]) -> str:
    said = error["msg"].removeprefix("Value error, ")
    said = {"Extra inputs are not permitted": "is not known", "Field required": "is missing"}.get(said, said)
    return f"{said[:1].lower()}{said[1:]}"


def _strangers(file: ProtocolFile) -> Iterator[tuple[tuple[located.Key, ...], str]]:
    """What the file names and nothing gives: values of templates, and steps."""
    given = {
        *VALUES,
        f"credentials.{CALLBACK_SECRET}",
        *(f"credentials.{each}" for each in (*file.credentials, *file.optional_credentials)),
        *(f"params.{each}" for each in (*file.params, *file.optional_params)),
        *(f"fields.{each}" for each in file.fields),
    }
    if unknown := sorted(file.defaults.keys() - given):
        yield ("defaults", unknown[0]), "is not a credential or a parameter of the file"
    for keys, part in _parts(file, ()):
        if isinstance(part, Template | Value):
            names = part.names() if isinstance(part, Value) else part.names
            for each in sorted(names - given):
                if not each.startswith(("header.", "field.")):
                    yield keys, f"names the unknown value `{each}`"
        elif isinstance(part, Rule) and part.then is not None and part.then not in file.steps:
            yield (*keys, "then"), f"names the unknown step `{part.then}`"


def _parts(part: Any, keys: tuple[located.Key, ...]) -> Iterator[tuple[tuple[located.Key, ...], Any]]:
    """Each part of a file, with the keys that lead to it."""
    yield keys, part
    within: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(part, BaseModel) and not isinstance(part, Value):
        aliases = {name: field.alias or name for name, field in type(part).model_fields.items()}
        within = ((aliases[name], each) for name, each in part)
    elif isinstance(part, Mapping):
        within = iter(part.items())
    elif isinstance(part, list | tuple) and not isinstance(part, FieldName):
        within = iter(enumerate(part))
    for name, each in within:
        if isinstance(name, FieldName):
            yield (*keys, name.said), name.name
        yield from _parts(each, (*keys, name.said if isinstance(name, FieldName) else name))
