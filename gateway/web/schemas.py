"""What the order API accepts and shows."""

import base64
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from gateway import shown
from gateway.inputs import exact, storable
from gateway.public_addresses import check_url
from gateway.settings import Settings
from gateway.web import problems
from gateway.web.errors import FieldError, Problem
from gateway.web.problems import ProblemType
from models import codes, status, texts
from models.codes import Code
from models.listing import Place
from models.placing import Money, NewOrder
from models.route import Offer
from models.timeline import Event

#: Orders on a page of the list, unless `limit` is given.
DEFAULT_LIMIT = 50
MAX_LIMIT = 100
#: Largest id of an event (a PostgreSQL bigint).
MAX_EVENT_ID = 2**63 - 1
#: Errors listed in one answer, so that it stays small.
MAX_ERRORS = 20
#: Strings in `metadata`, and inputs in `fields`.
MAX_ENTRIES = 20
#: Characters of a name in `metadata` or `fields`, and of a value in `metadata`.
MAX_NAME, MAX_METADATA = 40, 200
#: The largest quantity of an order.
MAX_QUANTITY = 1000
#: Characters of a reference.
MAX_REFERENCE = 64
#: Longest time that a request may wait for an order, in seconds.
MAX_WAIT_SECONDS = 60
#: An amount of money, and the code of its currency.
AMOUNT, CURRENCY = r"^[0-9]{1,12}(\.[0-9]{1,6})?$", r"^[A-Z][A-Z0-9]{2,9}$"
#: How alike an unknown name and a known one must be, from 0 to 1, for the known one to be suggested.
ALIKE = 0.8


def _utc(at: datetime) -> datetime:
    """A time without a zone is UTC; PostgreSQL knows fewer zones than Python."""
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _iso_8601(value: Any) -> datetime:
    """A `+` that was not escaped in a query has become a space. Raises ValueError."""
    try:
        return _utc(datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value))
    except (ValueError, TypeError, AttributeError):
        raise ValueError("must be a time in ISO 8601, such as 2025-01-31T00:00:00Z") from None


def _notify_url(value: str | None, info: ValidationInfo) -> str | None:
    """Raises ValueError, also where nothing could be sent: a storefront that waits for it must hear that."""
    if value is None:
        return None
    rules: NotifyRules = info.context or NotifyRules()
    if not rules.is_signed:
        raise ValueError(
            "this gateway sends no notifications: they are signed, and it has no NOTIFY_SECRET;"
            " leave the field out and ask for the order"
        )
    return check_url(value, allow_private=rules.allow_private)


def read_place(value: Any) -> Any:
    """What `as_cursor` was given. Raises ValueError, TypeError or RecursionError for what it did not write."""
    return json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))


def read_cursor(value: Any) -> Place:
    """Where the page that a cursor names begins. Raises ValueError."""
    try:
        at, order_id = read_place(value)
        return Place(_utc(datetime.fromisoformat(at)), str(UUID(order_id)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("is not a valid cursor; pass `nextCursor` back unchanged") from None


def read_event_cursor(value: Any) -> int:
    """The event that the cursor's page follows. Raises ValueError."""
    try:
        event_id = read_place(value)
    except (ValueError, TypeError, RecursionError):
        event_id = None
    if type(event_id) is not int or not 0 < event_id <= MAX_EVENT_ID:
        raise ValueError("is not a valid cursor; pass `nextCursor` back unchanged")
    return event_id


Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
OptionalText = Annotated[str, Field(max_length=255), AfterValidator(storable)] | None
OptionalUrl = Annotated[str, AfterValidator(storable)] | None
Time = Annotated[datetime, BeforeValidator(_iso_8601, json_schema_input_type=datetime)]


#: The body of a call.
Body = TypeVar("Body", bound=BaseModel)
#: The query of a list.
Query = TypeVar("Query", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class NotifyRules:
    """What a `notifyUrl` may be."""

    #: There is a secret that signs notifications.
    is_signed: bool = False
    #: It may lead to a private address.
    allow_private: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """By these settings."""
        return cls(bool(settings.notify_secret), settings.notify_allow_private)


#: For an order that was placed under other settings.
ANY_NOTIFY_URL = NotifyRules(is_signed=True, allow_private=True)


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True)


def _reference(value: str) -> str:
    """Raises ValueError."""
    if texts.visible(value) != value or any(character.isspace() for character in value):
        raise ValueError("must consist of visible characters, without blanks")
    return value


def _input_name(name: str) -> str:
    """Raises ValueError."""
    if name in FIELDS_OF_THEIR_OWN:
        raise ValueError("is a field of the order itself; it stands beside `fields`, not in it")
    return name


#: What is said of a value, by pydantic's type of error; its own words are for programmers of Python.
IN_WORDS = {
    "missing": "is required",
    "string_type": "must be a string, in quotes",
    "string_unicode": "contains an invalid character (NUL or a lone surrogate)",
    "int_type": "must be a whole number, without quotes",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false, without quotes",
    "dict_type": 'must be an object, such as {{"name": "text"}}',
    "model_type": 'must be an object, such as {{"amount": "12.50", "currency": "TRY"}}',
    "greater_than_equal": "must be {ge:.15g} or more",
    "less_than_equal": "must be {le:.15g} or less",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
#: The same, of what has to have a certain form.
EXAMPLES = {
    AMOUNT: 'must be a decimal in a string, such as "12.50"',
    CURRENCY: "must be a code in capital letters, such as TRY",
}
#: The same, of an amount or a currency that is not a string.
MONEY = {"amount": EXAMPLES[AMOUNT], "currency": EXAMPLES[CURRENCY]}
#: What a route may ask for that is no part of `fields`.
FIELDS_OF_THEIR_OWN = ("userIdentifier", "extraField")
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(storable)]
Metadata = Annotated[str, Field(max_length=MAX_METADATA), AfterValidator(storable)]
InputName = Annotated[Name, AfterValidator(_input_name)]
InputValue = Annotated[str, Field(max_length=255), AfterValidator(storable)]


class Amount(_Input):
    """An amount of money."""

    amount: Annotated[str, Field(pattern=AMOUNT, description="A decimal, such as 12.50.")]
    currency: Annotated[str, Field(pattern=CURRENCY, description="Its code, such as TRY.")]

    def money(self) -> Money:
        """The same as a number."""
        return Money(Decimal(self.amount), self.currency)


class PlaceOrder(_Input):
    """The body of `POST /orders`."""

    product_id: Annotated[Text, Field(description="The product, as the storefront calls it.")]
    package_id: Annotated[Text, Field(description="The package of the product.")]
    user_identifier: Annotated[
        OptionalText, Field(description="The player or the account that gets it, if it needs one.")
    ] = None
    extra_field: Annotated[
        OptionalText, Field(description="A second input, such as a server or a phone number.")
    ] = None
    fields: Annotated[
        dict[InputName, InputValue],
        Field(
            max_length=MAX_ENTRIES,
            description="Further inputs by name, as `GET /routes/{productId}/{packageId}` lists them.",
        ),
    ] = {}
    quantity: Annotated[
        int, Field(ge=1, le=MAX_QUANTITY, description="How many of it."), BeforeValidator(exact)
    ] = 1
    reference: Annotated[
        Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE), AfterValidator(_reference)] | None,
        Field(description="The storefront's own number for the order, unique in its tenant."),
    ] = None
    metadata: Annotated[
        dict[Name, Metadata],
        Field(
            max_length=MAX_ENTRIES, description="Whatever the storefront wants to find in the order again."
        ),
    ] = {}
    price: Annotated[Amount | None, Field(description="What the customer pays; for margins only.")] = None
    max_cost: Annotated[
        Amount | None,
        Field(description="What the whole order may cost; a provider that is dearer does not get it."),
    ] = None
    allow_repeat: Annotated[
        bool, Field(description="Place it even if the same player has just got the same package.")
    ] = False
    notify_url: Annotated[
        OptionalUrl,
        Field(description="Where to send notifications of it, in place of the gateway's `NOTIFY_URL`."),
        AfterValidator(_notify_url),
    ] = None

    def order(self) -> NewOrder:
        """The order that is described."""
        return NewOrder(
            product_id=self.product_id,
            package_id=self.package_id,
            user_identifier=self.user_identifier,
            extra_field=self.extra_field,
            quantity=self.quantity,
            notify_url=self.notify_url,
            fields=self.fields,
            reference=self.reference,
            metadata=self.metadata,
            price=self.price.money() if self.price else None,
            max_cost=self.max_cost.money() if self.max_cost else None,
            allow_repeat=self.allow_repeat,
        )


def _says_something(value: str) -> str:
    """Raises ValueError."""
    if not any(character.isalnum() for character in value):
        raise ValueError("must say why, in words")
    return value.strip()


class GivenCode(_Input):
    """A code in a body."""

    code: str
    pin: str | None = None
    serial: str | None = None
    expires_at: str | None = None


#: The fields of a code in a body.
CODE_FIELDS = frozenset({"code", "pin", "serial", "expiresAt"})


def _pin_code(value: Any) -> tuple[Code, ...]:
    """Raises ValueError, which repeats nothing of the value."""
    found = codes.read(value)
    if value is not None and (not isinstance(value, str) or not found.codes):
        raise ValueError("must be a code as text")
    return found.codes


def _listed_codes(value: Any) -> tuple[Code, ...]:
    """Raises ValueError, which repeats nothing of the value."""
    entries = [] if value is None else value
    if not isinstance(entries, list) or not all(_is_code(each) for each in entries):
        raise ValueError("must be a list of objects of code, pin, serial and expiresAt, and of nothing else")
    found = codes.read(entries)
    if found.unreadable or len(found.codes) != len(entries):
        raise ValueError("contains something that is not a code, or the same code twice")
    return found.codes


def _is_code(entry: Any) -> bool:
    return isinstance(entry, dict) and "code" in entry and entry.keys() <= CODE_FIELDS


Why = Annotated[str, Field(max_length=500), AfterValidator(storable), AfterValidator(_says_something)]


class ResolveOrder(_Input):
    """The body of `POST /orders/{id}/resolve`."""

    reason: Annotated[Why, Field(description="Why, in words; it stands on the timeline.")]
    external_status: Annotated[
        Literal["completed", "failed", "reversed"] | None, Field(description="What the order becomes.")
    ] = None
    accept: Annotated[bool, Field(description="Take the outcome that was kept as a conflict.")] = False
    pin_code: Annotated[
        tuple[Code, ...],
        BeforeValidator(_pin_code, json_schema_input_type=str | None),
        Field(description="Of a completed order: its code, where it is one text."),
    ] = ()
    codes: Annotated[
        tuple[Code, ...],
        BeforeValidator(_listed_codes, json_schema_input_type=list[GivenCode] | None),
        Field(description="Of a completed order: its codes."),
    ] = ()

    def all_codes(self) -> list[Code]:
        """`pinCode` first; a code that stands in `codes` too counts once."""
        listed = {each.code: each for each in self.codes}
        return [listed.pop(each.code, each) for each in self.pin_code] + list(listed.values())

    def faults(self) -> list[FieldError]:
        """Fields that exclude each other."""
        found = []
        if self.accept and self.external_status:
            found.append(FieldError("/accept", "cannot be combined with externalStatus"))
        if self.external_status != "completed":
            given = [name for name, value in (("pinCode", self.pin_code), ("codes", self.codes)) if value]
            found += [FieldError(f"/{name}", "is only for externalStatus completed") for name in given]
        return found


class ResendOrder(_Input):
    """The body of `POST /orders/{id}/resend`."""

    reason: Annotated[Why, Field(description="Why, in words; it stands on the timeline.")]
    provider_id: Annotated[
        Text | None, Field(description="The provider that gets it; none: the first of its routes.")
    ] = None
    may_buy_twice: Annotated[
        bool, Field(description="Send it even where a provider may have delivered it already.")
    ] = False


class ListOrders(BaseModel):
    """The query of `GET /orders`."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)

    external_status: Annotated[
        status.ExternalStatus | None, Field(description="Only those in this state.")
    ] = None
    provider_id: Annotated[
        Text | None, Field(description="Only those that this provider has or had last.")
    ] = None
    user_identifier: Annotated[Text | None, Field(description="Only those for this player.")] = None
    reference: Annotated[
        Text | None, Field(description="Only the one with this number of the storefront.")
    ] = None
    created_after: Annotated[Time | None, Field(description="Only those placed at this time or later.")] = (
        None
    )
    created_before: Annotated[Time | None, Field(description="Only those placed before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Orders on a page.")] = DEFAULT_LIMIT
    cursor: Annotated[
        Place | None,
        BeforeValidator(read_cursor, json_schema_input_type=str),
        Field(description="Where the page begins: `nextCursor` of the page before, unchanged."),
    ] = None


class NoQuery(BaseModel):
    """The query of a call that takes none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GetOrder(BaseModel):
    """The query of `GET /orders/{id}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_WAIT_SECONDS,
            allow_inf_nan=False,
            description="Seconds to wait for `externalStatus` to become another than `from`.",
        ),
    ] = None
    came_from: Annotated[
        status.ExternalStatus | None,
        Field(
            alias="from",
            description="The `externalStatus` that is known already; none: any that is not final.",
        ),
    ] = None

    def is_answered_by(self, external_status: str) -> bool:
        """Whether an order that is so need not be waited for."""
        if self.came_from is None:
            return not status.is_open(external_status)
        return external_status != self.came_from


class ListEvents(BaseModel):
    """The query of `GET /orders/{id}/events`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Most timelines are one page.
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Events on a page.")] = MAX_LIMIT
    cursor: Annotated[
        int,
        BeforeValidator(read_event_cursor, json_schema_input_type=str),
        Field(description="Where the page begins: `nextCursor` of the page before, unchanged."),
    ] = 0


def read_order(body: Mapping[str, Any], rules: NotifyRules) -> NewOrder:
    """The order that a body describes. Raises a 422 that says what is wrong, and where."""
    try:
        return PlaceOrder.model_validate(body, context=rules).order()
    except ValidationError as error:
        raise _invalid(problems.INVALID_ORDER, "the order is not valid", error, PlaceOrder) from None


def read_resolution(body: Mapping[str, Any]) -> ResolveOrder:
    """What a person decides. Raises a 422 that says what is wrong, and where."""
    found = _read(ResolveOrder, body)
    if faults := found.faults():
        raise Problem(problems.INVALID_DECISION, "the decision contradicts itself", faults)
    return found


def read_resend(body: Mapping[str, Any]) -> ResendOrder:
    """How an order is to be sent again. Raises a 422 that says what is wrong, and where."""
    return _read(ResendOrder, body)


def _read(kind: type[Body], body: Mapping[str, Any]) -> Body:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise _invalid(problems.INVALID_DECISION, "the decision is not valid", error, kind) from None


def read_query(kind: type[Query], params: Mapping[str, Any]) -> Query:
    """The list that a query describes. Raises a 400 that says what is wrong, and where."""
    if repeated := [name for name, value in params.items() if isinstance(value, list)]:
        faults = [FieldError(_pointer((name,)), "is given more than once") for name in repeated[:MAX_ERRORS]]
        raise Problem(problems.INVALID_QUERY, "the query is not valid", faults)
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise _invalid(problems.INVALID_QUERY, "the query is not valid", error, kind) from None


def _invalid(kind: ProblemType, detail: str, error: ValidationError, model: type[BaseModel]) -> Problem:
    part = "parameter" if kind is problems.INVALID_QUERY else "field"
    return Problem(kind, detail, _field_errors(error, model, part)[:MAX_ERRORS])


def _field_errors(error: ValidationError, model: type[BaseModel], part: str) -> list[FieldError]:
    """One for each field: of one that has another name, not also that it is missing under its own."""
    found = error.errors(include_url=False, include_input=False)
    known = [each.alias or name for name, each in model.model_fields.items()]
    meant: dict[tuple[int | str, ...], str | None] = {
        one["loc"]: _alike(str(one["loc"][0]), known)
        for one in found
        if one["type"] == "extra_forbidden" and len(one["loc"]) == 1
    }
    return [
        FieldError(_pointer(one["loc"]), _in_words(one, meant.get(one["loc"]), part, known))
        for one in found
        if one["type"] != "missing" or one["loc"][0] not in meant.values()
    ]


def _hint(fault: ErrorDetails, meant: str | None, known: list[str]) -> str:
    """The name that was meant or, if none is like it, all names that are known beside it."""
    if meant:
        return f"; did you mean `{meant}`?"
    if not known or len(fault["loc"]) > 1:
        return ""
    return f", which takes {', '.join(f'`{name}`' for name in known)}"


def _in_words(fault: ErrorDetails, meant: str | None, part: str, known: list[str]) -> str:
    """What is wrong with a field or a parameter, without its value."""
    if fault["type"] == "extra_forbidden":
        return f"is not a {part} of this request{_hint(fault, meant, known)}"
    limits = fault.get("ctx", {})
    if limits.get("pattern") in EXAMPLES:
        return EXAMPLES[limits["pattern"]]
    if fault["type"] == "string_type" and fault["loc"][0] in ("price", "maxCost"):
        return MONEY[str(fault["loc"][-1])]
    words = IN_WORDS.get(fault["type"])
    return words.format(**limits) if words else fault["msg"].removeprefix("Value error, ")


def _alike(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant: `productId` by `product_id`, `ProductID` and `produktId`."""
    plain = {_plain_name(each): each for each in known}
    found = difflib.get_close_matches(_plain_name(name[: 2 * MAX_NAME]), plain, n=1, cutoff=ALIKE)
    return plain[found[0]] if found else None


def _plain_name(name: str) -> str:
    return re.sub(r"[_\W]", "", name).casefold()


def _pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901). Of a name that is wrong, pydantic says so behind it."""
    parts = location[:-1] if len(location) > 2 and location[-1] == "[key]" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:255] for part in parts)


def cursor_after(place: Place) -> str:
    """Where the page after this place begins; opaque to callers."""
    return as_cursor([place.created_at.isoformat(), place.id])


def cursor_after_event(event: Event) -> str:
    """Where the page after this event begins; opaque to callers."""
    return as_cursor(event.id)


def as_cursor(place: Any) -> str:
    """A place in a list, as an address has it."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


#: The order as the API shows it.
show_order = shown.show_order


#: What the inputs are that every order has.
DESCRIPTIONS = {
    "userIdentifier": "The player or the account that gets it.",
    "extraField": "A second input, such as a server or a phone number.",
}
#: What any other one is.
FURTHER_INPUT = "A further input of this package; it stands in `fields`."


def show_route(offers: Sequence[Offer], inputs: Mapping[str, bool], most: int) -> dict[str, Any]:
    """What an order needs that may take these routes, the first one first; `inputs` by name, whether each is needed."""
    first = offers[0]
    cost = None if first.cost is None else {"amount": str(first.cost), "currency": first.currency}
    return {
        "fields": [
            {"name": name, "required": required, "description": DESCRIPTIONS.get(name, FURTHER_INPUT)}
            for name, required in inputs.items()
        ],
        "quantity": most,
        "cost": cost,
        "available": any(offer.takes_orders for offer in offers),
    }


def show_event(event: Event, sent_at: datetime | None) -> dict[str, Any]:
    """One event of the timeline of an order; what is masked in its message follows whole, if it was opened.

    `sent_at` is when the order was sent; another system's words for its state are read by that.
    """
    was_sent = sent_at is not None and sent_at <= event.at
    return {
        "at": shown.plain(event.at),
        "source": event.source,
        "from": _status(event.came_from, was_sent),
        "to": _status(event.went_to, was_sent),
        "message": f"{event.message} (whole text: {event.whole})" if event.whole else event.message,
        "by": event.by,
    }


def _status(word: str | None, was_sent: bool) -> str | None:
    return None if word is None else status.read(word, was_sent=was_sent).value
