"""What a provider said about an order, in our words, and how it reached us."""

import json
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum

from models import masking, texts
from models.codes import Code
from models.db import database
from models.status import Attention, ExternalStatus, FailureReason, Source

#: What the storefront reads where our account was refused; the provider's words stand on the timeline.
ACCOUNT_MESSAGE = "The provider cannot take orders at present."
#: On the timeline, in front of a colon and what a provider says of our account with it.
ACCOUNT_MARK = "refused our account"
#: Characters of a receipt.
MAX_RECEIPT = 1_000
#: Characters that "costCurrency" stores.
MAX_CURRENCY = 10
#: Characters of a provider's own number.
MAX_EXTERNAL_ID = 255
#: Largest cost that "costAmount", numeric(10,2), stores; a larger one is in "gatewayCostAmount" alone.
MAX_COST = 10**8 - 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a provider said about one order.

    The order is known by `referans` (ours) or, for a provider that uses only its own number, by `external_order_id`.
    The texts of every protocol and of callbacks are cleaned, bounded and masked here. A number, a cost, a balance or a
    currency that cannot be stored is left out: it must not keep the outcome from its order.
    """

    status: ExternalStatus
    referans: str | None = None
    external_order_id: str | None = None
    #: What was delivered, in the provider's order.
    codes: tuple[Code, ...] = field(default=(), repr=False)
    #: A code was there and could not be read, so the provider is to be asked for it.
    unreadable_code: bool = False
    #: What proves a direct top-up, such as the player's name; no secret.
    receipt: str | None = None
    #: It becomes a `masking.ProviderText`, unless it is one.
    message: str | None = None
    cost: Decimal | None = None
    currency: str | None = None
    #: Our balance with the provider after it, in the same currency.
    remaining: Decimal | None = None
    #: Fewer pieces were delivered than were ordered.
    is_partial: bool = False
    #: Of a failure: what its words say that it is about, if they do.
    failure_reason: FailureReason | None = None

    def __post_init__(self) -> None:
        if self.message is not None:
            numbers = (self.referans, self.external_order_id)
            message = masking.mask(self.message, codes=self.secrets(), own=numbers)
            object.__setattr__(self, "message", message or None)
        if self.external_order_id is not None and len(self.external_order_id) > MAX_EXTERNAL_ID:
            object.__setattr__(self, "external_order_id", None)
        if self.receipt is not None:
            receipt = masking.strike(texts.clean(self.receipt, masking.MAX_READ), self.secrets())
            object.__setattr__(self, "receipt", texts.clean(receipt, MAX_RECEIPT) or None)
        for name in ("cost", "remaining"):
            if (amount := getattr(self, name)) is not None:
                object.__setattr__(self, name, texts.clean_money(str(amount)))
        if self.currency is not None:
            currency = texts.visible(self.currency).strip()
            object.__setattr__(self, "currency", currency if 0 < len(currency) <= MAX_CURRENCY else None)

    def secrets(self) -> list[str]:
        """Every secret text of its codes."""
        return [text for code in self.codes for text in code.secrets()]

    def shown_message(self) -> str | None:
        """Its message for the storefront: what a provider says of our account with it is no matter of that."""
        return ACCOUNT_MESSAGE if self.failure_reason is FailureReason.ACCOUNT else self.message

    def note(self) -> str | None:
        """Its message for the timeline, marked where it is about our account."""
        if isinstance(self.message, masking.ProviderText) and self.failure_reason is FailureReason.ACCOUNT:
            return self.message.within(f"{ACCOUNT_MARK}: ")
        return self.message

    def whole_message(self) -> str | None:
        """Its message with the codes that are in it, to be kept sealed."""
        return getattr(self.message, "whole", None) or self.message


class OnlyIf(StrEnum):
    """What must hold of an order for an outcome that is our own decision, at the moment in which it is settled."""

    #: It was not sent to any provider.
    UNSENT = "unsent"
    #: It was not sent to any provider, and its time (the order timeout) is up.
    UNSENT_AND_OVERDUE = "unsent_and_overdue"
    #: Its provider has not said that it has taken it: it is not sent or in work there.
    UNTAKEN = "untaken"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An outcome on its way to its order: its source, and what to do if it is applied."""

    #: It applies only while the order is with this provider. None: whichever provider the order is with.
    provider_id: str | None
    source: Source
    outcome: Outcome
    #: Known if we asked; a callback is matched by its reference instead.
    order_id: str | None = None
    #: If it does not hold, the outcome is `unmatched`, and nothing is recorded.
    only_if: OnlyIf | None = None
    #: Callbacks only: the same key is settled once.
    dedupe_key: str | None = None
    #: Callbacks only: what came over the wire, kept sealed in the inbox.
    raw: str | None = field(default=None, repr=False)
    #: Callbacks only: the dedupe key under which `raw` is kept, for the further entries of a list.
    raw_of: str | None = None
    #: Seconds until the provider is asked again, if the order stays open. None leaves the plan as it is.
    next_check_seconds: float | None = None
    #: Its call may have bought, as a send does: with its answer, no send is under way any more.
    ends_send: bool = False
    #: Seconds until the provider is asked for the code, if the order completes without one. None: it is not asked.
    code_ask_seconds: float | None = None
    #: False where asking may buy: an order that completes without the code that it should have needs a person then.
    may_ask_for_code: bool = True
    #: Why the order failed, if this outcome fails it and does not say so itself.
    failure_reason: FailureReason = FailureReason.PROVIDER
    #: For the timeline, in place of the provider's message. The words of a provider in it are a `masking.ProviderText`.
    note: str | None = None
    #: For the timeline: the API key or the person behind it.
    by: str | None = None
    #: Why a person is needed, if this outcome applies and leaves the order open; nothing is planned for it then.
    attention: Attention | None = None
    #: A person decides: the outcome applies whatever the order's state is, and `attention` is cleared. Its codes come
    #: first, and those that the order has stay behind them.
    is_decision: bool = False
    #: The order's VERSION (models/order.py) that the decision was made on. If the order has changed since, the outcome
    #: is `unmatched`, and nothing is recorded.
    seen: str | None = None


def order_owner(order_id: str) -> str:
    """What a sealed text on an order's timeline belongs to, if it was kept for this order."""
    return f"order:{order_id}"


def owner(provider_id: str | None, reference: str | None) -> str:
    """What a sealed value of an order or of its callbacks belongs to."""
    return f"{provider_id}/{reference or ''}"


def as_json(outcome: Outcome) -> str:
    """What the inbox and a conflict keep of an outcome, sealed; `from_json` reads it, and masks its message again."""
    said = {
        "status": outcome.status.value,
        "referans": outcome.referans,
        "external_order_id": outcome.external_order_id,
        "codes": [code.as_dict() for code in outcome.codes],
        "unreadable_code": outcome.unreadable_code,
        "receipt": outcome.receipt,
        "is_partial": outcome.is_partial,
        "message": outcome.whole_message(),
        "failure_reason": outcome.failure_reason,
    }
    return database.as_json({name: value for name, value in said.items() if value})


def from_json(text: str) -> Outcome:
    """The outcome that `as_json` wrote, in this version or an earlier one, which had a single `pin`.

    What a later version says more is left out.
    """
    said = {name: value for name, value in json.loads(text).items() if name in _KEPT}
    codes = [Code(**each) for each in said.pop("codes", [])]
    if pin := said.pop("pin", None):
        codes.append(Code(pin))
    if reason := said.pop("failure_reason", None):
        said["failure_reason"] = FailureReason(reason)
    return Outcome(**said | {"status": ExternalStatus(said["status"]), "codes": tuple(codes)})


#: What may stand in the JSON of an outcome.
_KEPT = {"pin", *(each.name for each in fields(Outcome))}
