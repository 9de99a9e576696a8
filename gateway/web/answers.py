"""What the order API answers, as types: for its documentation, and for the test that holds every answer against them.

Answers are put together by `schemas`, which is faster.
"""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from models.status import Attention, ExternalStatus, FailureReason, Source


class _Answer(BaseModel):
    """Every field is there, unless it has a default; nothing else is."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)


class Money(_Answer):
    """An amount of money."""

    amount: Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="A decimal, such as 12.50.")]
    currency: Annotated[str, Field(description="Its code, such as TRY.")]


class Code(_Answer):
    """One code that was delivered. What it does not have is left out."""

    code: str
    pin: str = ""
    serial: str = ""
    expires_at: str = ""


class Order(_Answer):
    """An order. `pinCode` and `codes` are there only for a key with the scope `pins:read`, and not in lists."""

    id: str
    order_no: Annotated[int | None, Field(description="A number for people.")]
    tenant_id: Annotated[str | None, Field(description="The shop that it belongs to.")]
    reference: Annotated[str | None, Field(description="The storefront's own number for it.")]
    product_id: str | None
    package_id: str | None
    quantity: int | None
    user_identifier: Annotated[str | None, Field(description="The player or the account that gets it.")]
    extra_field: str | None
    metadata: Annotated[dict[str, str], Field(description="What the storefront gave it; empty if nothing.")]
    status: Annotated[str, Field(description="pending, approved or rejected.")]
    external_status: Annotated[
        ExternalStatus, Field(description="Where it stands. `completed`, `failed` and `reversed` are final.")
    ]
    failure_reason: Annotated[FailureReason | None, Field(description="Why it failed.")]
    attention: Annotated[Attention | None, Field(description="Why a person is needed.")]
    provider_id: str | None
    provider_referans: Annotated[str | None, Field(description="What its provider knows it by.")]
    external_order_id: Annotated[str | None, Field(description="The provider's own number for it.")]
    pin_code: Annotated[str | None, Field(description="The first code.")] = None
    codes: Annotated[list[Code], Field(description="Every code, the first delivered first.")] = []
    receipt: Annotated[str | None, Field(description="What proves a direct top-up; no secret.")]
    cost: Annotated[Money | None, Field(description="What its provider says that it cost.")]
    last_message: Annotated[str | None, Field(description="What its provider said last, for people.")]
    created_at: datetime
    sent_at: datetime | None
    last_sync_at: Annotated[datetime | None, Field(description="When its provider was last heard.")]
    completed_at: datetime | None
    reversed_at: datetime | None
    duration_ms: Annotated[int | None, Field(description="From sending to completion, in milliseconds.")]


class Orders(_Answer):
    """A page of orders, newest first."""

    data: list[Order]
    next_cursor: Annotated[
        str | None, Field(description="The `cursor` of the next page; null on the last one.")
    ]


class Event(_Answer):
    """One thing that happened to an order."""

    at: datetime
    source: Source
    came_from: Annotated[
        ExternalStatus | None, Field(alias="from", description="`externalStatus` before it.")
    ]
    went_to: Annotated[ExternalStatus | None, Field(alias="to", description="`externalStatus` after it.")]
    message: str | None
    by: Annotated[str | None, Field(description="The API key or the person that did it.")]


class Events(_Answer):
    """A page of a timeline, oldest first."""

    data: list[Event]
    next_cursor: Annotated[
        str | None, Field(description="The `cursor` of the next page; null on the last one.")
    ]


class Input(_Answer):
    """What an order may or must bring."""

    name: Annotated[
        str,
        Field(
            description="`userIdentifier` and `extraField` are fields of the order; any other is in `fields`."
        ),
    ]
    required: bool
    description: str


class Route(_Answer):
    """What an order of a package needs."""

    fields: list[Input]
    quantity: Annotated[int, Field(description="The most that one order may ask for.")]
    cost: Annotated[Money | None, Field(description="What one item costs; null if that is not known.")]
    available: Annotated[
        bool, Field(description="Whether a provider takes orders of it now; else they wait for one.")
    ]


class FieldError(_Answer):
    """What is wrong with one part of the input."""

    pointer: Annotated[str, Field(description="Where: a JSON pointer, or a slash and a name of the query.")]
    detail: str


class Problem(_Answer):
    """An error, as `application/problem+json` (RFC 9457)."""

    type: Annotated[str, Field(description="Its kind: the address of a page that explains it.")]
    title: str
    status: int
    detail: str
    errors: Annotated[list[FieldError], Field(description="For invalid input.")] = []
    order_id: Annotated[str, Field(description="Of a 409 at placing: the order that was first.")] = ""
