"""What a protocol file may say; docs/protocols.md, "Every key", explains each key.

Reading a file compiles it: templates, paths and patterns are ready to be used, and what a part inherits is in it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property, partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from gateway.providers.base import About, Traces
from gateway.providers.described import located, places
from gateway.providers.described.patterns import Pattern
from gateway.providers.described.places import Path
from gateway.providers.described.templates import PLACE, Template
from gateway.providers.described.values import (
    OF_PART,
    VALUES,
    Filled,
    Flag,
    Name,
    Table,
    Text,
    is_known,
    names_in,
    names_only,
)
from models.provider import CALLBACK_SECRET

#: Bytes of a protocol file.
MAX_FILE = 128 * 1024
#: The name of an element of XML.
ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: The name of a header.
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Mistakes of a file that are told.
MOST_TOLD = 20
#: What a call consists of: its own query and headers may name it, and callbacks' `verify`.
OF_CALL = frozenset({"method", "path", "body"})
#: Seconds of the units of a duration.
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class BadFile(ValueError):
    """A protocol file cannot be used; the message says where and why, one line for each mistake."""


class Means(StrEnum):
    """What an answer or a callback means; docs/protocols.md, "Meanings", says what comes of each."""

    SENT = "sent"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    REVERSED = "reversed"
    REFUSED = "refused"
    NOT_NOW = "not_now"
    IN_DOUBT = "in_doubt"
    NO_ANSWER = "no_answer"
    UNKNOWN = "unknown"
    NOTHING_LEARNED = "nothing_learned"
    CANNOT_ASK = "cannot_ask"
    OK = "ok"
    ASK = "ask"
    PING = "ping"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105


#: What an answer may mean of which nothing is said.
UNDECIDED = frozenset(
    {
        *(Means.PROCESSING, Means.IN_DOUBT, Means.NO_ANSWER, Means.NOTHING_LEARNED),
        *(Means.OK, Means.ASK, Means.PING),
    }
)


def _seconds(value: object, most: str) -> float:
    """`90d`, `12h`, `5m` or `30s`, and not longer than `most`."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,6}[smhd]", value):
        raise ValueError("must be a duration in quotes, such as 90d, 12h, 5m or 30s")
    seconds = int(value[:-1]) * UNITS[value[-1]]
    if most != value and seconds > _seconds(most, most):
        raise ValueError(f"must be at most {most}")
    return seconds


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(value: Any) -> frozenset[str]:
    return frozenset(map(places.word, _listed(value)))


def _statuses(value: object) -> tuple[str, ...]:
    """The beginnings of the HTTP statuses that are meant."""
    found = tuple(str(each).removesuffix("xx") for each in _listed(value))
    if not all(each.isdecimal() and len(each) in (1, 3) for each in found):
        raise ValueError('must be a status such as 200 or "5xx", or a list of these')
    return found


Place = Annotated[Path, BeforeValidator(Path)]
Search = Annotated[Pattern, BeforeValidator(Pattern)]
#: Of a call, for which a worker waits; of a wait until the next one; and of the time in which may be asked, in seconds.
CallTime = Annotated[float, BeforeValidator(partial(_seconds, most="5m")), Field(gt=0)]
Wait = Annotated[float, BeforeValidator(partial(_seconds, most="1d")), Field(gt=0)]
Period = Annotated[float, BeforeValidator(partial(_seconds, most="3650d")), Field(gt=0)]
Count = Annotated[int, Field(strict=True, ge=1)]


class _Part(BaseModel):
    model_config = OF_PART


class Decryption(_Part):
    """AES in CBC mode with PKCS#7 padding."""

    key: Filled
    iv: Filled
    base64: Annotated[Count, Field(le=3)] = 1


class _Places(_Part):
    """Where parts of an answer stand."""

    @cached_property
    def places(self) -> dict[str, Path]:
        """Those that are said, by the part's name."""
        beside = ("each", "groups", "group")
        return {name: place for name, place in self if isinstance(place, Path) and name not in beside}


class Codes(_Places):
    """Where codes stand: in each entry of a list, or once.

    What may be words `otherwise` is a code on a route with `--expects code` and, unless the route says `no-code`, where
    it looks like one.
    """

    each: Place | None = None
    code: Place | None = None
    pin: Place | None = None
    serial: Place | None = None
    expires_at: Place | None = None
    decrypt: Decryption | None = None
    otherwise: Literal["message", "receipt"] | None = None


class Read(_Places):
    """Where the parts of an answer stand."""

    reference: Place | None = None
    own: Place | None = None
    cost: Place | None = None
    currency: Place | None = None
    remaining: Place | None = None
    remains: Place | None = None
    message: Place | None = None
    receipt: Place | None = None
    retry_after: Place | None = None
    amount: Place | None = None
    token: Place | None = None
    expires_in: Place | None = None


class Rule(_Part):
    """What an answer means for which everything holds that stands here; of several rules the first one counts."""

    http: Annotated[tuple[str, ...], BeforeValidator(_statuses)] = ()
    where: dict[Place, Annotated[frozenset[str], BeforeValidator(_words)]] = {}
    text: Search | None = None
    text_of: Place | None = None
    means: Means
    about: About = About.ORDER
    lacks_balance: Flag = False
    retry_after: Wait | None = None
    read: Read | None = None
    then: Annotated[str, AfterValidator(partial(is_known, kind="step"))] | None = None

    @model_validator(mode="after")
    def _groups_are_parts(self) -> Self:
        known = {*Read.model_fields, *Codes.model_fields}
        if unknown := [name for name in (self.text.groups if self.text else ()) if name not in known]:
            raise ValueError(f"has the group `{unknown[0]}`, which is not a part of `read` or of `codes`")
        return self

    @model_validator(mode="after")
    def _decides_by_what_is_said(self) -> Self:
        is_anything = not self.where and self.text is None and all(each[0] == "5" for each in self.http)
        if is_anything and self.means not in UNDECIDED:
            of = "a status 5xx" if self.http else "any answer"
            raise ValueError(
                f"takes {of} for `{self.means}`, also one that a server in between has made; say what stands in it"
            )
        return self


class Lines(_Part):
    """An answer about several orders, or with others beside the one asked about: where each order's line stands.

    What is not said here is as for the whole answer.
    """

    each: Place | None = None
    keys: Literal["own", "reference"] | None = None
    alone: Flag = False
    read: Read = Read()
    codes: Codes | None = None
    rules: list[Rule] = []


class Request(_Part):
    """How a call is made."""

    method: Literal["GET", "POST", "PUT"] = "GET"
    path: Text | None = None
    url: Text | None = None
    query: Table = {}
    headers: Table = {}
    form: Table | None = None
    body: Table | None = Field(None, alias="json")
    xml: Table | None = None
    xml_field: Name | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and (self.form is not None or self.xml is not None):
            raise ValueError("a request has either `json`, or `form` or `xml`")
        if self.xml is not None and len(self.xml) != 1:
            raise ValueError("`xml` has exactly one outermost element")
        if self.xml is not None and (wrong := next(_wrong_elements(self.xml), None)):
            raise ValueError(
                f"`{wrong}` is no name of an element; a name takes letters, digits, `_`, `-` and `.`"
            )
        if self.path and self.path.text[:1] not in ("", "/", "?"):
            raise ValueError("`path` begins with `/`, or is empty: it stands behind the base URL")
        if bad := [each for each in self.headers if not HEADER.fullmatch(PLACE.sub("x", each.text.text))]:
            raise ValueError(f"`{bad[0].text.text}` is not the name of a header")
        if self.url and (joined := sorted(filter(_is_of_order, self.url.names))):
            raise ValueError(f"`url` is not encoded, so it takes nothing of an order, such as `{joined[0]}`")
        return self

    @model_validator(mode="after")
    def _names_what_is_made(self) -> Self:
        """Any other value would be empty."""
        of_callbacks = ("header.", "field.")
        for key, part in self:
            taken = OF_CALL if key in ("query", "headers") else ()
            for name in sorted(names_in(part)):
                if name.startswith(of_callbacks) or (name in OF_CALL and name not in taken):
                    where = "`query`, `headers` and `verify`" if name in OF_CALL else "`verify`"
                    key = "json" if key == "body" else key  # noqa: PLW2901
                    raise ValueError(f"`{key}` names `{name}`, which is known in {where} alone")
        return self


def _is_of_order(name: str) -> bool:
    return name != "base_url" and not name.startswith(("credentials.", "params."))


def _wrong_elements(tree: Any) -> Iterator[str]:
    """Names in XML that are none as they stand: a value in one could become further elements."""
    for name, each in tree.items() if isinstance(tree, Mapping) else ():
        if not ELEMENT.fullmatch(name.text.text):
            yield name.text.text
        yield from _wrong_elements(each)


class Operation(Request):
    """One call, and what its answer means."""

    answer: Literal["json", "xml", "text"] = "json"
    columns: Annotated[str, Field(min_length=1)] | None = None
    read: Read = Read()
    codes: Codes | None = None
    rules: list[Rule] = []
    lines: Lines | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("says either `path` or `url`")
        if self.columns and self.answer != "text":
            raise ValueError('`columns` needs `answer = "text"`')
        if self.lines:
            _inherit(self.lines, self, ("read", "codes", "rules"))
        return self


class Step(Operation):
    """A further call. One that `books` is the one that buys: where it says that it did not, nothing is booked."""

    books: bool = False


class Many(Request):
    """How several orders are asked about in one call; what is not said here is as for one."""

    by: Literal["own", "reference"]
    lines: Lines | None = None


class Check(Operation):
    """Asking about one order, and about several."""

    many: Many | None = None

    @model_validator(mode="after")
    def _many_is_like_one(self) -> Self:
        if self.many:
            self.many.lines = self.many.lines or self.lines or Lines()
            _inherit(self.many.lines, self, ("read", "codes", "rules"))
            _inherit(self.many, self, Request.model_fields)
        return self


def _inherit(part: _Part, whole: _Part, names: Any) -> None:
    """What the part does not say is as in the whole; of tables, each field that it does not say."""
    for name in names:
        said, of_whole = getattr(part, name), getattr(whole, name)
        if name not in part.model_fields_set:
            setattr(part, name, of_whole)
        elif isinstance(said, dict) and of_whole:
            beside = {field.text.text: (field, value) for field, value in (*of_whole.items(), *said.items())}
            setattr(part, name, dict(beside.values()))


class Packages(_Places):
    """How the lines of a catalogue are read; with `groups`, those of each group, whose name goes before theirs."""

    groups: Place | None = None
    group: Place | None = None
    each: Place = Path("@")
    id: Place
    name: Place
    price: Place | None = None
    price_for: Count = 1
    currency: Place | None = None
    params: dict[str, Place] = {}

    def lines(self, tree: Any) -> list[tuple[str, Any]] | None:
        """Each line, behind the name of its group; None if there is no list."""
        listed = self.groups.find(tree) if self.groups else [tree]
        if not isinstance(listed, list):
            return None
        found = list[tuple[str, Any]]()
        for group in listed:
            lines = self.each.find(group)
            if not isinstance(lines, list) and not self.groups:
                return None
            name = self.group.text_in(group) if self.group else ""
            found += [(name, line) for line in lines] if isinstance(lines, list) else []
        return found

    @model_validator(mode="after")
    def _a_group_is_one_of_groups(self) -> Self:
        if self.group and not self.groups:
            raise ValueError("`group` is the name of one of `groups`, which are not said")
        return self


class Catalogue(Operation):
    """Asking what is sold."""

    packages: Packages


class Verify(_Part):
    """How a callback shows that it comes from the provider: a value of it is the one that we make."""

    header: str | None = None
    field: Place | None = None
    prefix: str = ""
    equals: Filled | None = None
    token: Flag = False
    standard_webhooks: Flag = False
    covers_state: Flag = True
    timestamp: Filled | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.token, self.standard_webhooks, self.equals is not None)
        if sum(ways) != 1 or (self.equals and bool(self.header) == bool(self.field)):
            raise ValueError(
                "says one of `token = true`, `standard_webhooks = true`, or `equals` with `header` or `field`"
            )
        return self

    @model_validator(mode="after")
    def _nobody_else_can_make_it(self) -> Self:
        """Any other value would be empty, and what is made without a secret everyone can make."""
        for key, value in (("equals", self.equals), ("timestamp", self.timestamp)):
            for name in sorted(value.names() if value else ()):
                if name not in OF_CALL and not name.startswith(("credentials.", "header.", "field.")):
                    raise ValueError(
                        f"`{key}` names `{name}`, which is not known of a callback; it takes `credentials.…`,"
                        " `header.…`, `field.…`, `body`, `method` and `path`"
                    )
        if self.equals and not any(name.startswith("credentials.") for name in self.equals.names()):
            raise ValueError(
                f"`equals` names no secret, so that everyone can make it; name `credentials.{CALLBACK_SECRET}`"
            )
        return self


class Reply(_Part):
    """What the sender of a callback waits for."""

    status: Annotated[Count, Field(ge=200, le=299)] = 200
    body: str = ""
    type: str = "text/plain"


class Callback(_Part):
    """Callbacks in the protocol's own format."""

    verify: Verify | None = None
    event_header: str | None = None
    event: Place | None = None
    read: Read = Read()
    codes: Codes | None = None
    rules: list[Rule]
    reply: Reply | None = None


class TraitsPart(_Part):
    """What the core must know of the protocol, by the names of `base.Traits`."""

    traces: Traces
    ask_buys: Flag = False
    ask_within_seconds: Period | None = Field(None, alias="ask_within")
    max_check: Annotated[Count, Field(le=1000)] = 1
    timeout_seconds: CallTime | None = Field(None, alias="timeout")
    max_quantity: Annotated[Count, Field(le=1000)] = 1


class Reference(_Part):
    """What the provider knows an order by."""

    make: Annotated[Text, AfterValidator(partial(names_only, ("referans", "created_at")))] = Template(
        "{referans}"
    )
    read: Literal["uuid"] | Search | None = None


def rules_of(said: Operation | Callback) -> list[Rule]:
    """Those of its lines too."""
    lines = said.lines if isinstance(said, Operation) else None
    many = said.many.lines if isinstance(said, Check) and said.many else None
    return [rule for part in (said, lines, many) if part for rule in part.rules]


class ProtocolFile(_Part):
    """A protocol."""

    title: str
    source: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    credentials: tuple[Name, ...] = ()
    optional_credentials: tuple[Name, ...] = ()
    params: tuple[Name, ...] = ()
    optional_params: tuple[Name, ...] = ()
    defaults: dict[Annotated[str, AfterValidator(is_known)], str] = {}
    fields: dict[Name, Text] = {}
    traits: TraitsPart
    reference: Reference = Reference()
    token: Operation | None = None
    send: Operation
    check: Check | None = None
    balance: Operation | None = None
    catalogue: Catalogue | None = None
    callback: Callback | None = None
    steps: dict[Name, Step] = {}
    rules: list[Rule] = []

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.traits.ask_buys and self.check is not None:
            raise ValueError("with `ask_buys` the question is `send`, and there is no `check`")
        if self.traits.max_check > 1 and (self.check is None or self.check.many is None):
            raise ValueError("with `max_check` there is a `check.many`, which asks about several")
        self._check_traces()
        named = (self.token, self.send, self.check, self.balance, self.catalogue)
        operations = [*filter(None, named), *self.steps.values()]
        if circle := next((name for name in self.fields if self._leads_to(name, name)), None):
            raise ValueError(f"the field `{circle}` is made of itself")
        self._check_booking([rule for each in operations if each is not self.send for rule in rules_of(each)])
        for each in operations:
            each.rules = [*self.rules, *each.rules]
        return self

    def _check_traces(self) -> None:
        """An order without the provider's number is asked about by ours, or not at all. Raises ValueError."""
        if self.check is None or self.traits.traces is not Traces.REFERENCE:
            return
        named = frozenset().union(*(names_in(getattr(self.check, each)) for each in Request.model_fields))
        if "own" in named and not named & {"reference", "referans"}:
            raise ValueError(
                "`check` asks by `own` alone, which a lost answer does not bring:"
                ' `traces` must be "own_number", or `check` names `reference`'
            )

    def _leads_to(self, name: str, wanted: str, passed: frozenset[str] = frozenset()) -> bool:
        """Whether the template of a field names another one, itself or by those that it names."""
        named = {
            each.removeprefix("fields.") for each in self.fields[name].names
        } & self.fields.keys() - passed
        return wanted in named or any(self._leads_to(each, wanted, passed | named) for each in named)

    def _check_booking(self, others: list[Rule]) -> None:
        """Nothing but a send buys, and what it has tried to book is with the provider. Raises ValueError."""
        ordered = {Means.SENT, Means.PROCESSING}
        wrong = [rule for rule in rules_of(self.send) if rule.means not in ordered]
        booking = {name for name, step in self.steps.items() if step.books}
        for rule in (*self.rules, *others, *wrong):
            if rule.then in booking:
                raise ValueError(
                    f"only a rule of `send` that means `sent` or `processing` leads to `{rule.then}`, which books"
                )


def load(text: str, name: str) -> ProtocolFile:
    """The protocol that a file describes. Raises BadFile, which names file, line and key."""
    if len(text.encode()) > MAX_FILE:
        raise BadFile(f"{name}: is larger than {MAX_FILE // 1024} KiB")
    try:
        said = tomllib.loads(text)
        return ProtocolFile.model_validate(said, context=_context(said))
    except ValidationError as error:
        found = [_line(text, name, said, each) for each in error.errors(include_url=False)[:MOST_TOLD]]
        raise BadFile("\n".join(found)) from None
    except (ValueError, RecursionError) as error:  # a number may be too long for Python
        raise BadFile(f"{name}: is not valid TOML: {error}") from None


def _context(said: Mapping[str, Any]) -> dict[str, set[str]]:
    """What a file gives, by kind: values that templates may name, and steps."""

    def names(*keys: str) -> list[Any]:
        return [each for name in keys if isinstance(said.get(name), list | dict) for each in said[name]]

    of_group = {
        "credentials": [CALLBACK_SECRET, *names("credentials", "optional_credentials")],
        "params": names("params", "optional_params"),
        "fields": names("fields"),
    }
    given = {f"{group}.{each}" for group, found in of_group.items() for each in found}
    return {"value": {*VALUES, *given}, "step": {*names("steps")}}


def _line(text: str, name: str, said: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    """Where and what a mistake is; a key that is missing is named, although it leads nowhere."""
    keys = located.present(said, error["loc"])
    missing = error["loc"][-1:] if error["type"] == "missing" else ()
    told = error["msg"].removeprefix("Value error, ").replace("valid dictionary", "table")
    told = told.replace("valid tuple", "valid list")
    told = {"Extra inputs are not permitted": "is not known", "Field required": "is missing"}.get(told, told)
    shown = ".".join(map(str, (*keys, *missing))) or "the file"
    return f"{name}:{located.line_of(text, keys)}: {shown}: {told[:1].lower()}{told[1:]}"
