"""What contract section 9 promises of every order, and each order of which it does not hold."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import psycopg2
import psycopg2.extras

from gateway.dev.simulator import Order, State
from tests.acceptance.beside import filling, writes
from tests.acceptance.beside.filling import PROVIDER, TENANTS
from tests.acceptance.beside.kinds import Does
from tests.acceptance.beside.scene import PANEL_COST, PANEL_CURRENCY, PROCESSES, Scene
from tests.acceptance.beside.shop import Shop, ShopOrder
from tests.acceptance.beside.writes import Write

#: Of the columns that the older storefront has, those that the gateway may write on orders that it has not placed.
SHARED = frozenset(
    (
        *(
            "externalStatus",
            "externalOrderId",
            "provider_referans",
            "pinCode",
            "lastMessage",
            "providerMessage",
        ),
        *("sentAt", "lastSyncAt", "completedAt", "durationMs"),
    )
)
#: Those of the shop alone, also on orders that the gateway has placed.
OF_SHOP = frozenset(
    (
        *("userId", "tenantId", "orderNo", "origin", "mode", "price", "sellPriceAmount", "sellPriceCurrency"),
        *("profitAmount", "manualNote", "notes", "notesCount", "root_order_id", "chain_path", "fxLocked"),
        *("fxUsdTryAtApproval", "fxCapturedAt", "fxSource", "approvedLocalDate", "approvedLocalMonth"),
        *(
            "sellTryAtApproval",
            "costTryAtApproval",
            "profitTryAtApproval",
            "profitUsdAtApproval",
            "cost_source",
        ),
        *("cost_price_usd", "createdAt"),
    )
)
FORBIDDEN_WRITE = "column written that is not ours"
FORBIDDEN_TABLE = "other table written"
SENT_BY_US = "sent by the gateway"
SENT_AGAIN = "sent more than once"
WRONG_END = "not in its last state"
WRONG_MONEY = "wrong wallet"
WRONG_PIN = "PIN not readable or wrong"
TOUCHED = "touched without a reason"
NOT_FROZEN = "approved without its rate"
WRONG_ATTENTION = "wrong attention"
WRONG_COST = "wrong cost"
WRONG_TENANT = "wrong tenant"
OFFENCES = (
    *(FORBIDDEN_WRITE, FORBIDDEN_TABLE, SENT_BY_US, SENT_AGAIN, WRONG_END, WRONG_MONEY, WRONG_PIN, TOUCHED),
    *(NOT_FROZEN, WRONG_ATTENTION, WRONG_COST, WRONG_TENANT),
)
#: What the shop's own code takes for the end of an order.
ENDS = {State.COMPLETED: "completed", State.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Case:
    """One order: its row, what was written on it by the gateway, what the panel and the shop know of it."""

    row: Mapping[str, Any]
    writes: list[Write]
    entry: Order | None
    #: What the shop did with it in the run; None for an order of the filling.
    shop: ShopOrder | None
    moves: list[Decimal]
    #: For an order of the filling: its row as the gateway found it.
    before: Mapping[str, Any] | None

    @property
    def is_ours(self) -> bool:
        return bool(self.row["placedByGateway"])

    @property
    def status(self) -> str:
        return str(self.row["externalStatus"])

    @property
    def end(self) -> str | None:
        """Its end, by the panel."""
        return ENDS.get(self.entry.state) if self.entry else None

    @property
    def decision(self) -> str | None:
        """What the shop's people decided before its end."""
        if self.shop:
            return self.shop.decision
        decided = self.before["status"] if self.before else "pending"
        return None if decided == "pending" else str(decided)

    @property
    def is_known(self) -> bool:
        """Whether the gateway may know it: it stands at our provider, and was open when the gateway came."""
        if self.is_ours or self.shop:
            return True
        before = self.before or {}
        reference = before["provider_referans"] or before["externalOrderId"]
        is_open = before["externalStatus"].lower() not in map(str.lower, filling.FINAL_WORDS)
        return bool(
            before["providerId"] == PROVIDER
            and reference
            and is_open
            and before["externalStatus"] != "not_sent"
        )

    @property
    def is_timed_out(self) -> bool:
        """Whether its time is up without an outcome."""
        age_seconds = (
            self.before["age"] if self.before else self.shop.kind.is_older_by_seconds if self.shop else 0
        )
        return not self.is_ours and age_seconds > 0 and self.end is None and self.decision is None

    def changes(self) -> Counter[str]:
        """The columns that the gateway has changed."""
        return Counter(name for each in self.writes if each.operation == "UPDATE" for name in each.columns)

    def __str__(self) -> str:
        kind = (
            f"{self.shop.kind.name}, {self.shop.decision}"
            if self.shop
            else f"filled as {dict(self.before or {})}"
        )
        told = {
            name: self.row[name]
            for name in ("status", "externalStatus", "attention", "pinCode", "nextCheckAt")
        }
        entry = self.entry.as_dict() if self.entry else None
        lines = [f"{self.row['id']} ({kind}): {told}, wallet {self.moves}", f"    panel: {entry}"]
        return "\n".join([*lines, *(f"    {each}" for each in self.writes)])


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found at the end."""

    cases: dict[str, Case]
    #: What the gateway wrote elsewhere.
    elsewhere: list[Write]
    ours: frozenset[str]
    killed: Counter[str]
    complaints: list[str]
    deadlocks: int
    took_seconds: float = 0.0
    #: Of orders of the shop that never called back: from "sentAt" to their first check.
    first_checks_seconds: list[float] = field(default_factory=list)

    @cached_property
    def offences(self) -> dict[str, list[str]]:
        """For each offence the orders, by id."""
        raise NotImplementedError


def offences_of(case: Case, columns_of_ours: frozenset[str]) -> Iterator[str]:
    """What does not hold of one order."""
    holds = {
        FORBIDDEN_WRITE: _writes_only_what_it_may(case, columns_of_ours),
        SENT_BY_US: case.is_ours or case.entry is None or case.entry.requests_seen <= 1,
        SENT_AGAIN: case.entry is None or case.entry.times_booked <= 1,
        WRONG_END: _ends_right(case),
        WRONG_MONEY: _money_is_right(case),
        WRONG_PIN: _pin_is_right(case),
        TOUCHED: case.is_known or not case.writes,
        NOT_FROZEN: case.row["status"] != "approved"
        or bool(case.row["fxLocked"] and case.row["fxUsdTryAtApproval"]),
        WRONG_ATTENTION: case.row["attention"] == _attention(case),
        WRONG_COST: _cost_is_right(case),
        WRONG_TENANT: case.shop is None or str(case.row["tenantId"]) == TENANTS[0 if case.is_ours else 1],
    }
    yield from (name for name, is_kept in holds.items() if not is_kept)


def _writes_only_what_it_may(case: Case, columns_of_ours: frozenset[str]) -> bool:
    if any(each.operation == "DELETE" for each in case.writes):
        return False
    inserted = [each for each in case.writes if each.operation == "INSERT"]
    changed = case.changes().keys()
    if case.is_ours:
        return len(inserted) == 1 and not changed & OF_SHOP
    return not inserted and changed <= SHARED | columns_of_ours


def _ends_right(case: Case) -> bool:
    row, decision = case.row, case.decision
    if not case.is_known or decision == "taken out":
        return case.before is None or case.status == case.before["externalStatus"]
    if case.is_ours:
        end = case.end or "failed"
        return (case.status, row["status"]) == (end, "approved" if end == "completed" else "rejected")
    if decision:
        return row["status"] == decision and _is_left_or_ends(case, decision)
    if case.end:
        return (case.status, row["status"]) == (
            case.end,
            "approved" if case.end == "completed" else "rejected",
        )
    return row["status"] == "pending" and case.status in _words(case)


def _is_left_or_ends(case: Case, decision: str) -> bool:
    """What a person has decided: an end that fits is written, one that contradicts it leaves the row as it is."""
    fits = {"approved": "completed", "rejected": "failed"}[decision]
    if case.end == fits:
        return case.status == fits or not _hears(case)
    return case.status in _words(case)


def _hears(case: Case) -> bool:
    """Whether the panel has called back: what a person has decided is not asked about."""
    return bool(case.entry and case.entry.callbacks_delivered)


def _words(case: Case) -> set[str]:
    """What may stand in an order that has no end: the shop's words, or that the panel works on it."""
    said = {"sent", *case.shop.said} if case.shop else {str((case.before or {})["externalStatus"])}
    is_old = bool(case.before and case.before["age"] > filling.ORDER_TIMEOUT_SECONDS)
    return said if is_old else {*said, "processing"}


def _attention(case: Case) -> str | None:
    if case.is_ours or not case.is_known or case.decision == "taken out":
        return None
    contradicts = {"approved": "failed", "rejected": "completed"}.get(case.decision or "")
    if contradicts and case.end == contradicts and _hears(case):
        return "conflict"
    return "timed_out" if case.is_timed_out else None


def _money_is_right(case: Case) -> bool:
    price = case.row["price"]
    paid = [-price, price] if case.row["status"] == "rejected" else [-price]
    return case.moves == paid


def _pin_is_right(case: Case) -> bool:
    pin = case.row["pinCode"]
    if not case.is_known or case.decision == "taken out":
        return case.before is None or pin == case.before["pinCode"]
    if case.end == "completed" and case.decision != "rejected" and (case.decision is None or _hears(case)):
        return bool(case.entry and pin == case.entry.pin)
    return pin is None


def _cost_is_right(case: Case) -> bool:
    cost = (case.row["costAmount"], case.row["costCurrency"])
    if case.is_ours:
        was_booked = case.entry is not None and case.entry.times_booked
        return cost == (Decimal(PANEL_COST), PANEL_CURRENCY) if was_booked else True
    before = case.before or {"costAmount": Decimal("0.25"), "costCurrency": "USD"}
    return cost == (before["costAmount"], before["costCurrency"])
