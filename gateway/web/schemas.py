"""What the order API accepts and shows."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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

from gateway import shown
from gateway.inputs import storable
from gateway.public_addresses import check_url
from gateway.settings import Settings
from gateway.web.errors import FieldError, Problem
from models import codes, status
from models.codes import Code
from models.listing import Place
from models.placing import NewOrder
from models.timeline import Event

#: Orders on a page of the list, unless `limit` is given.
DEFAULT_LIMIT = 50
MAX_LIMIT = 100
#: Largest id of an event (a PostgreSQL bigint).
MAX_EVENT_ID = 2**63 - 1
#: Errors listed in one answer, so that it stays small.
MAX_ERRORS = 20


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


def read_cursor(value: Any) -> Place:
    """Where the page that a cursor names begins. Raises ValueError."""
    try:
        at, order_id = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        return Place(_utc(datetime.fromisoformat(at)), str(UUID(order_id)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("is not a valid cursor; pass `nextCursor` back unchanged") from None


def read_event_cursor(value: Any) -> int:
    """The event that the cursor's page follows. Raises ValueError."""
    try:
        event_id = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (ValueError, TypeError, RecursionError):
        event_id = None
    if type(event_id) is not int or not 0 < event_id <= MAX_EVENT_ID:
        raise ValueError("is not a valid cursor; pass `nextCursor` back unchanged")
    return event_id


Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
OptionalText = Annotated[str, Field(max_length=255), AfterValidator(storable)] | None
OptionalUrl = Annotated[str, AfterValidator(storable)] | None
Time = Annotated[datetime, BeforeValidator(_iso_8601)]


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


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True)


class PlaceOrder(_Input):
    """The body of `POST /orders`."""

    product_id: Text
    package_id: Text
    user_identifier: OptionalText = None
    extra_field: OptionalText = None
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1
    notify_url: Annotated[OptionalUrl, AfterValidator(_notify_url)] = None


def _says_something(value: str) -> str:
    """Raises ValueError."""
    if not any(character.isalnum() for character in value):
        raise ValueError("must say why, in words")
    return value.strip()


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

    reason: Why
    external_status: Literal["completed", "failed", "reversed"] | None = None
    accept: bool = False
    pin_code: Annotated[tuple[Code, ...], BeforeValidator(_pin_code)] = ()
    codes: Annotated[tuple[Code, ...], BeforeValidator(_listed_codes)] = ()

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

    reason: Why
    provider_id: Text | None = None
    may_buy_twice: bool = False


class ListOrders(BaseModel):
    """The query of `GET /orders`."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)

    external_status: status.ExternalStatus | None = None
    provider_id: Text | None = None
    user_identifier: Text | None = None
    reference: Text | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[Place | None, BeforeValidator(read_cursor)] = None


class ListEvents(BaseModel):
    """The query of `GET /orders/{id}/events`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Most timelines are one page.
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = MAX_LIMIT
    cursor: Annotated[int, BeforeValidator(read_event_cursor)] = 0


def read_order(body: Mapping[str, Any], rules: NotifyRules) -> NewOrder:
    """The order that a body describes. Raises a 422 that says what is wrong, and where."""
    try:
        return NewOrder(**PlaceOrder.model_validate(body, context=rules).model_dump())
    except ValidationError as error:
        raise Problem(422, "the order is not valid", _field_errors(error)) from None


def read_resolution(body: Mapping[str, Any]) -> ResolveOrder:
    """What a person decides. Raises a 422 that says what is wrong, and where."""
    found = _read(ResolveOrder, body)
    if faults := found.faults():
        raise Problem(422, "the decision contradicts itself", faults)
    return found


def read_resend(body: Mapping[str, Any]) -> ResendOrder:
    """How an order is to be sent again. Raises a 422 that says what is wrong, and where."""
    return _read(ResendOrder, body)


def _read(kind: type[Body], body: Mapping[str, Any]) -> Body:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise Problem(422, "the decision is not valid", _field_errors(error)) from None


def read_query(kind: type[Query], params: Mapping[str, Any]) -> Query:
    """The list that a query describes. Raises a 400 that says what is wrong, and where."""
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise Problem(400, "the query is not valid", _field_errors(error)) from None


def _field_errors(error: ValidationError) -> list[FieldError]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    words = {"Extra inputs are not permitted": "is not a field of this request"}
    return [
        FieldError(_pointer(one["loc"]), words.get(one["msg"], one["msg"].removeprefix("Value error, ")))
        for one in found[:MAX_ERRORS]
    ]


def _pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:255] for part in location)


def cursor_after(place: Place) -> str:
    """Where the page after this place begins; opaque to callers."""
    return _cursor([place.created_at.isoformat(), place.id])


def cursor_after_event(event: Event) -> str:
    """Where the page after this event begins; opaque to callers."""
    return _cursor(event.id)


def _cursor(place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


#: The order as the API shows it.
show_order = shown.show_order


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
