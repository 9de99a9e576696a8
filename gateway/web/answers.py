"""What the API answers, as the document at `/openapi.json` describes it.

Nothing is made with these models: `gateway.shown` writes what is sent, whatever an older system has put into a row.
The tests hold every answer that they get against them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from models.status import Attention, ExternalStatus, FailureReason, Source

#: A number that is kept exactly, as text.
Amount = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", examples=["25.50"])]


class Answer(BaseModel):
    """Fields may be added in later versions; ignore those that you do not know."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Money(Answer):
    """An amount in a currency."""

    amount: Amount = Field(description="A decimal number, as text.")
    currency: str | None = Field(description="Such as `TRY`; null if the provider does not say it.")


class DeliveredCode(Answer):
    """One code that was delivered. Fields that the provider did not send are missing."""

    code: str = Field(description="What the customer redeems.")
    pin: str = Field(default="", description="The PIN that belongs to it.")
    serial: str = Field(default="", description="Its serial number.")
    expires_at: str = Field(
        default="", description="Until when it can be redeemed, as the provider wrote it."
    )


class Order(Answer):
    """An order."""

    id: UUID = Field(description="Its id in every call.")
    order_no: int | None = Field(description="A number for people; null where the table has none.")
    tenant_id: UUID | None = Field(description="The tenant that it belongs to; null for none.")
    reference: str | None = Field(description="The storefront's own number for it.")
    product_id: str | None = Field(description="As it was ordered.")
    package_id: str | None = Field(description="As it was ordered.")
    quantity: int | None = Field(description="How many items were ordered.")
    user_identifier: str | None = Field(description="The player or account that it is for.")
    extra_field: str | None = Field(description="What the storefront gave beside, such as a phone number.")
    metadata: dict[str, str] = Field(description="What the storefront gave it to keep; empty if nothing.")
    status: str = Field(
        description=(
            "`pending`, `approved` (completed) or `rejected` (failed or reversed). On orders that an older storefront"
            " placed on the same database, the word that it wrote."
        )
    )
    external_status: ExternalStatus = Field(
        description=(
            "`not_sent` → `pending` (being sent) → `sent` (the provider has it) → `processing` → `completed` or"
            " `failed`; `reversed` if the provider took a delivery back. Steps may be left out."
        )
    )
    failure_reason: FailureReason | None = Field(
        description=(
            "Why it failed: `customer` (the player or number is wrong), `product` (not sold, or no stock), `account`"
            " (our account with the provider), `provider`, `timeout`, `cancelled`, `person`. Else null."
        )
    )
    attention: Attention | None = Field(
        description="Why a person at the gateway has to look at it; null if nobody has. The storefront need not act."
    )
    provider_id: str | None = Field(description="The provider that has it, or had it last.")
    provider_referans: str | None = Field(description="The reference that the provider knows it by.")
    external_order_id: str | None = Field(description="The provider's own number for it.")
    pin_code: str | None = Field(
        default=None,
        description="The first code. Only in `GET /orders/{orderId}`, for a key with `pins:read`.",
    )
    codes: list[DeliveredCode] = Field(
        default=[],
        description="Every code. Only in `GET /orders/{orderId}`, for a key with `pins:read`; empty at first.",
    )
    receipt: str | None = Field(
        description="What the provider shows for a direct top-up, such as the player's name. No secret."
    )
    cost: Money | None = Field(description="What the provider says it cost; null if it does not say it.")
    last_message: str | None = Field(
        description="What was last said about it, for people. To decide by code, use `failureReason`."
    )
    created_at: datetime
    sent_at: datetime | None = Field(description="When a provider accepted it.")
    last_sync_at: datetime | None = Field(description="When its provider last said something of it.")
    completed_at: datetime | None = Field(description="When it was completed.")
    reversed_at: datetime | None = Field(description="When its delivery was taken back.")
    duration_ms: int | None = Field(description="Milliseconds from `sentAt` to `completedAt`.")


class Orders(Answer):
    """A page of orders, newest first."""

    data: list[Order] = Field(description="Without codes.")
    next_cursor: str | None = Field(description="For `cursor` of the next page; null on the last one.")


class Event(Answer):
    """One thing that happened to an order."""

    at: datetime
    source: Source = Field(description="What caused it.")
    from_: ExternalStatus | None = Field(alias="from", description="`externalStatus` before.")
    to: ExternalStatus | None = Field(description="`externalStatus` after.")
    message: str | None = Field(description="What happened, for people.")
    by: str | None = Field(description="The API key or the person that did it; null for the gateway itself.")


class Events(Answer):
    """A page of a timeline, oldest event first."""

    data: list[Event] = Field(description="The events.")
    next_cursor: str | None = Field(description="For `cursor` of the next page; null on the last one.")


class Input(Answer):
    """What an order of a package may or must bring."""

    name: str = Field(
        description="`userIdentifier` and `extraField` are fields of the order; any other stands in its `fields`."
    )
    required: bool
    description: str


class Route(Answer):
    """What an order of a package needs."""

    fields: list[Input]
    quantity: int = Field(description="The most that one order may ask for.")
    cost: Money | None = Field(description="What one item costs; null if that is not known.")
    available: bool = Field(description="Whether a provider takes orders of it now; else they wait for one.")


class FieldError(Answer):
    """What is wrong with one part of the input."""

    pointer: str = Field(
        description="Where: a JSON pointer into the body, or `/` and the name of a parameter."
    )
    detail: str = Field(description="What, for people. Never repeats the input.")


class Problem(Answer):
    """An error (RFC 9457). Decide by `status` and `type`; `detail` is for people, and may change."""

    type: str = Field(description="What kind of error it is: the address of a page that explains it.")
    title: str = Field(description="The kind of error in words.")
    status: int = Field(description="The status of the answer again.")
    detail: str = Field(description="What is wrong this time, and what to do about it.")
    order_id: str = Field(default="", description="Of a 409 to a new order: the order that was first.")
    errors: list[FieldError] = Field(
        default=[], description="For invalid input: each thing that is wrong, up to 20."
    )


class Reached(Answer):
    """What a callback with one order did."""

    result: Literal["applied", "duplicate", "stale", "conflict", "unmatched", "asked", "reached"] = Field(
        description=(
            "`applied`, `duplicate` (known already), `stale` (older than what is known), `conflict` (contradicts the"
            " order's end; kept for a person), `unmatched` (the reference is not known yet; kept), `asked` (only a"
            " reason to ask the provider, which is done) or `reached` (a message that only tries out the address)."
        )
    )


class OfProtocol(Answer):
    """What the provider's protocol wants as the answer to a callback."""

    model_config = ConfigDict(extra="allow")


class EntryResult(BaseModel):
    """What one entry of a list did."""

    provider_referans: str | None
    result: Literal["applied", "duplicate", "stale", "conflict", "unmatched", "invalid"]
    detail: str = Field(default="", description="Why it is `invalid`.")


class ListReached(Answer):
    """What a callback with a list of orders did."""

    result: Literal["applied", "duplicate", "stale", "conflict", "unmatched"] = Field(
        description="The first of `conflict`, `applied`, `stale`, `duplicate` and `unmatched` that an entry got."
    )
    results: list[EntryResult] = Field(description="One for each entry, in its order.")


class Live(Answer):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Answer):
    """What an order needs to be placed and handed to a worker: each `ok`, or what is wrong."""

    status: str = Field(description="`ok`, or what is down.")
    database: str
    broker: str
    migrations: str
    encryption: str


class Notification(Answer):
    """What a storefront is told, signed by Standard Webhooks."""

    type: Literal["order.completed", "order.failed", "order.reversed", "order.pin_updated", "order.attention"]
    timestamp: datetime = Field(description="When it happened.")
    data: Order = Field(description="The order as it was then; without codes, unless the gateway sends them.")


class Document(Answer):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
