"""What a protocol file may say. Reading one compiles it: its templates, paths and patterns are ready to be used."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gateway.providers.base import About, Traces
from gateway.providers.described import templates
from gateway.providers.described.patterns import Pattern
from gateway.providers.described.templates import Template

#: Bytes of a protocol file.
MAX_FILE = 128 * 1024


class BadFile(ValueError):
    """A protocol file cannot be used; the message says where and why."""


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
    #: The answer to balance or catalogue is there.
    OK = "ok"
    #: A callback that is only a reason to ask.
    ASK = "ask"
    #: A callback about nothing.
    PING = "ping"
    #: The token is not valid any more; nothing was booked.
    TOKEN_EXPIRED = "token_expired"  # noqa: S105


class Path:
    """A place in the answer, as JMESPath. XML is read like JSON: elements are names, repeated ones are lists."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = jmespath.compile(text)

    def find(self, tree: Any) -> Any:
        """What stands there; None if nothing does."""
        try:
            return self._compiled.search(tree)
        except JMESPathError:  # a function that does not take what stands there
            return None


def _compiled(kind: type[Any], what: str) -> BeforeValidator:
    def compile_text(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"must be {what} in quotes")
        try:
            return kind(value)
        except JMESPathError as error:
            raise ValueError(f"is not {what}: {str(error).splitlines()[0]}") from None

    return BeforeValidator(compile_text)


def _enum(kind: type[StrEnum]) -> BeforeValidator:
    def choose(value: Any) -> Any:
        if value not in list(kind):
            raise ValueError(f"must be one of {', '.join(kind)}")
        return kind(value)

    return BeforeValidator(choose)


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_LISTED = BeforeValidator(_listed)


def _seconds(value: Any) -> Any:
    """`90d`, `12h`, `5m`, `30s`, or a number of seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if isinstance(value, str) and value[:-1].isdecimal() and value[-1] in units:
        return float(int(value[:-1]) * units[value[-1]])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError("must be a duration such as 90d, 12h, 5m or 30s")


Text = Annotated[Template, _compiled(Template, "a template")]
Place = Annotated[Path, _compiled(Path, "a path (JMESPath)")]
Search = Annotated[Pattern, _compiled(Pattern, "a regular expression")]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Names = Annotated[tuple[Name, ...], _LISTED]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


def _filters(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError('must be a list of filters such as ["md5", "hex"]')
    return templates.parse_filters(value)


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

    def plain(self, values: templates.Values) -> Any:
        """As JSON has it. Raises templates.BadValue."""
        text = self.fill(values)
        if not self.number:
            return text
        try:
            return int(text) if text.lstrip("-").isdecimal() else float(Decimal(text))
        except ArithmeticError:
            raise templates.BadValue("number: the value is not one") from None


def _value(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _tree(value: Any) -> Any:
    """A table of JSON or XML: texts are templates, tables with `text` are values, everything else is what it is."""
    if isinstance(value, str) or (isinstance(value, Mapping) and "text" in value):
        return Value.model_validate(_value(value))
    if isinstance(value, Mapping):
        return {_template_of_name(name): _tree(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_tree(each) for each in value]
    return value


def _template_of_name(name: str) -> tuple[Template, bool]:
    """A name, which may have places, and whether it is left out if its value is empty (`name?`)."""
    return Template(name.removesuffix("?")), name.endswith("?")


def _pairs(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")
    return _tree(value)


Filled = Annotated[Value, BeforeValidator(_value)]
Pairs = Annotated[Mapping[Any, Any], BeforeValidator(_pairs)]


class Decryption(_Part):
    """AES in CBC mode with PKCS#7 padding; the text is base64, as often as `base64` says."""

    key: Filled
    iv: Filled
    base64: Annotated[int, Field(ge=1, le=3)] = 1


class Codes(_Part):
    """Where codes stand: `each` is the list of them, and the other paths are within one of it."""

    each: Place | None = None
    code: Place
    pin: Place | None = None
    serial: Place | None = None
    expires_at: Place | None = None
    decrypt: Decryption | None = None
    #: What stands there may be words instead: it is a code only on a route with `--expects code`, elsewhere this.
    otherwise: Literal["message", "receipt"] | None = None


class Read(_Part):
    """Where the parts of an answer stand; of several places the first with something in it counts."""

    reference: Place | None = None
    own: Place | None = None
    cost: Place | None = None
    currency: Place | None = None
    remaining: Place | None = None
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
        return self.model_copy(update=other.model_dump(exclude_none=True)) if other else self


def _words(value: Any) -> Any:
    """What a field is compared with: one word or several, without regard to case."""
    return tuple(map(word, value)) if isinstance(value, list) else (word(value),)


def word(value: Any) -> str:
    """A value of JSON or TOML as it is compared."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal | float) and value == int(value):
        return str(int(value))
    return str(value).strip().casefold() if isinstance(value, str | int | float | Decimal) else "…"


def _statuses(value: Any) -> Any:
    """`200`, `"5xx"`, or a list of these: the beginnings of HTTP statuses that are meant."""
    given = value if isinstance(value, list) else [value]
    found = tuple(str(each).removesuffix("xx") for each in given)
    if not all(each.isdecimal() and len(each) in (1, 3) for each in found):
        raise ValueError('must be a status such as 200 or "5xx", or a list of these')
    return found


def _where(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError('must be a table such as { "data.status" = ["done", "success"] }')
    return tuple((_path(path), _words(words)) for path, words in value.items())


def _path(text: str) -> Path:
    try:
        return Path(text)
    except JMESPathError as error:
        raise ValueError(f"`{text}` is not a path: {str(error).splitlines()[0]}") from None


class Rule(_Part):
    """What an answer means for which everything holds that stands here; of several rules the first one counts."""

    http: Annotated[tuple[str, ...], BeforeValidator(_statuses)] = ()
    where: Annotated[tuple[tuple[Path, tuple[str, ...]], ...], BeforeValidator(_where)] = ()
    #: Searched in the text of the answer, or in what stands at `text_of`. Its named groups are read like parts of
    #: Read, and like those of Codes.
    text: Search | None = None
    text_of: Place | None = None
    means: Annotated[Means, _enum(Means)]
    about: Annotated[About, _enum(About)] = About.ORDER
    lacks_balance: bool = False
    retry_after: Seconds | None = None
    read: Read | None = None
    codes: Codes | None = None
    #: A further step that is made to know more: its answer decides.
    then: Name | None = None


Rules = Annotated[tuple[Rule, ...], _LISTED]


class Lines(_Part):
    """An answer about several orders: where its lines stand, and how each names its order."""

    each: Place | None = None
    #: Each name in `each` is an order, and its value the line.
    keys: Literal["own", "reference"] | None = None
    rules: Rules = ()


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
        if sum(each is not None for each in (self.form, self.body)) > 1:
            raise ValueError("a request has either `form` or `json`")
        if self.xml is not None and len(self.xml) != 1:
            raise ValueError("`xml` has exactly one outermost element")
        return self


class Operation(Request):
    """One call, and what its answer means."""

    answer: Literal["json", "xml", "text"] = "json"
    read: Read = Field(default_factory=Read)
    codes: Codes | None = None
    rules: Rules = ()
    timeout: Seconds | None = None


class Many(Request):
    """How several orders are asked about in one call; what is not said here is as for one."""

    #: What each of them must have.
    by: Literal["own", "reference"]
    lines: Lines


class Check(Operation):
    """Asking about one order, and about several."""

    lines: Lines | None = None
    many: Many | None = None


class Listed(_Part):
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

    lines: Listed


class Verify(_Part):
    """How a callback shows that it comes from the provider: a value of it is the one that we make."""

    header: str | None = None
    #: Or a field of its body.
    field: Place | None = None
    prefix: str = ""
    equals: Filled | None = None
    #: Or a secret is the last part of the path.
    token: bool = False
    #: Whether nobody can make another state of a callback that he has seen.
    covers_state: bool = True
    #: A moment in Unix seconds that is signed too; older ones are refused.
    timestamp: Filled | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.token == (self.equals is not None) or (self.equals and bool(self.header) == bool(self.field)):
            raise ValueError("says either `token = true`, or `equals` with `header` or `field`")
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
    read: Read = Field(default_factory=Read)
    codes: Codes | None = None
    rules: Rules
    reply: Reply | None = None


class TraitsPart(_Part):
    """What the core must know of the protocol; see `base.Traits`."""

    traces: Annotated[Traces, _enum(Traces)]
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
    credentials: Names = ()
    params: Names = ()
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


def load(text: str, name: str) -> ProtocolFile:
    """The protocol that a file describes. Raises BadFile, which names file, line and key."""
    if len(text.encode()) > MAX_FILE:
        raise BadFile(f"{name}: is larger than {MAX_FILE // 1024} KiB")
    try:
        return ProtocolFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadFile(f"{name}: is not valid TOML: {error}") from None
    except ValidationError as error:
        raise BadFile(
            "\n".join(_in_words(text, name, one) for one in error.errors(include_url=False))
        ) from None


def _in_words(text: str, name: str, error: Mapping[str, Any]) -> str:
    """One error of pydantic as `file:line: key: what is wrong`."""
    keys = [str(each) for each in error["loc"] if each not in ("function-before", "function-after")]
    said = (
        error["msg"].removeprefix("Value error, ").replace("Extra inputs are not permitted", "is not known")
    )
    return f"{name}:{_line_of(text, keys)}: {'.'.join(keys) or 'the file'}: {said[:1].lower()}{said[1:]}"


def _line_of(text: str, keys: Sequence[str]) -> int:
    """The line on which a key stands, as far as the tables of the file lead to it; 1 for the file as a whole."""
    named = [each for each in keys if not each.isdecimal()]
    found, table, counts = 1, "", Counter[str]()
    wanted = next((int(each) for each in keys if each.isdecimal()), None)
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := HEADER.match(stripped):
            table = header[1]
            counts[table] += 1
            if ".".join(named).startswith(table) and (
                wanted is None or not stripped.startswith("[[") or counts[table] == wanted + 1
            ):
                found = number
            elif wanted is not None:
                table = ""
        elif (
            named
            and (assigned := KEY.match(stripped))
            and ".".join(filter(None, (table, assigned[1].strip('"'))))
            in (".".join(named[: index + 1]) for index in range(len(named)))
        ):
            found = number
    return found


#: The header of a table, and the key of an assignment.
HEADER = re.compile(r"\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}")
KEY = re.compile(r"""([\w.?-]+|"[^"]+")\s*=""")
