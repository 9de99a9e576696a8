"""What the order API takes and shows."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gateway.inputs import http_url, storable
from gateway.web.errors import FieldError, Problem
from models import placing, status

#: Orders on a page of the list, unless told.
DEFAULT_LIMIT = 50
MAX_LIMIT = 100
#: Errors named in one answer, so that it stays small whatever came.
MAX_ERRORS = 20


def _utc(at: datetime) -> datetime:
    """A time without a zone is UTC; PostgreSQL knows fewer zones than Python."""
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is no time that we can count to") from None


def _iso_8601(text: Any) -> datetime:
    """A `+` that came unescaped in a query has turned into a space. Raises ValueError."""
    try:
        return _utc(datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text))
    except (ValueError, TypeError, AttributeError):
        raise ValueError("must be a time in ISO 8601, such as 2025-01-31T00:00:00Z") from None


def _http_url(url: str) -> str:
    http_url(url)
    return url


def read_cursor(text: Any) -> tuple[datetime, str] | None:
    """The place that a cursor names. Raises ValueError."""
    try:
        at, order_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return _utc(datetime.fromisoformat(at)), str(UUID(order_id))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("is no cursor of ours: take `nextCursor` as it is") from None


Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
OptionalText = Annotated[str, Field(max_length=255), AfterValidator(storable)] | None
Url = Annotated[str, Field(max_length=2000), AfterValidator(storable), AfterValidator(_http_url)]
Time = Annotated[datetime, BeforeValidator(_iso_8601)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True)


class PlaceOrder(_Input):
    """The body of `POST /orders`."""

    product_id: Text
    package_id: Text
    user_identifier: Text
    extra_field: OptionalText = None
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1
    notify_url: Url | None = None


class ListOrders(BaseModel):
    """The query of `GET /orders`."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)

    external_status: status.ExternalStatus | None = None
    provider_id: Text | None = None
    user_identifier: Text | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[tuple[datetime, str] | None, BeforeValidator(read_cursor)] = None


def read_order(body: Mapping[str, Any]) -> placing.NewOrder:
    """The order that a body asks for. Raises a 422 that says what is wrong, and where."""
    try:
        return placing.NewOrder(**PlaceOrder.model_validate(body).model_dump())
    except ValidationError as error:
        raise Problem(422, "the order cannot be taken as it is", _field_errors(error)) from None


def read_query(params: Mapping[str, Any]) -> ListOrders:
    """The list that a query asks for. Raises a 400 that says what is wrong, and where."""
    try:
        return ListOrders.model_validate(params)
    except ValidationError as error:
        raise Problem(400, "the query cannot be taken as it is", _field_errors(error)) from None


def _field_errors(error: ValidationError) -> list[FieldError]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [FieldError(_pointer(one["loc"]), _sentence(one["msg"])) for one in found[:MAX_ERRORS]]


def _pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:255] for part in location)


def _sentence(message: str) -> str:
    return {"Extra inputs are not permitted": "is not a field of this call"}.get(
        message, message.removeprefix("Value error, ")
    )


def cursor_after(order: Mapping[str, Any]) -> str:
    """Where the page after this order begins; opaque to callers."""
    place = json.dumps([order["createdAt"].isoformat(), order["id"]])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


#: (name in the API, column) of what an order shows, in the contract's order; `pinCode` only where it is given.
FIELDS: tuple[tuple[str, str], ...] = (
    ("id", "id"),
    ("orderNo", "orderNo"),
    ("productId", "productId"),
    ("packageId", "packageId"),
    ("quantity", "quantity"),
    ("userIdentifier", "userIdentifier"),
    ("extraField", "extraField"),
    ("status", "status"),
    ("externalStatus", "externalStatus"),
    ("providerId", "providerId"),
    ("providerReferans", "provider_referans"),
    ("externalOrderId", "externalOrderId"),
    ("pinCode", "pinCode"),
    ("lastMessage", "lastMessage"),
    ("createdAt", "createdAt"),
    ("sentAt", "sentAt"),
    ("lastSyncAt", "lastSyncAt"),
    ("completedAt", "completedAt"),
    ("durationMs", "durationMs"),
)
NO_PIN: Literal["no pin"] = "no pin"


def show_order(order: Mapping[str, Any], pin: str | None = NO_PIN) -> dict[str, Any]:
    """The order as the API shows it; with `pinCode` only where a PIN (or None) is given."""
    shown = {name: _plain(order[column]) for name, column in FIELDS}
    shown |= {"externalStatus": _status(order["externalStatus"]), "pinCode": pin}
    if pin is NO_PIN:
        del shown["pinCode"]
    return shown


def show_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """One event of a timeline."""
    return {name: _plain(event[name]) for name in ("at", "source", "from", "to", "message")}


def _status(value: str) -> str:
    """Our word for what the column holds; a word nobody knows is shown as it is."""
    return status.read(value).value if value in status.KINDS else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value
