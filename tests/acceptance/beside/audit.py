"""What contract section 9 promises of every order, and each order of which it does not hold."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from tests.acceptance.beside import filling
from tests.acceptance.beside.cases import Case, Found
from tests.acceptance.beside.filling import TENANTS
from tests.acceptance.beside.scene import PANEL_COST, PANEL_CURRENCY
from tests.acceptance.beside.shop import Shop

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
GIVEN_UP_UNASKED = "timed out without a check"
WRONG_FIRST_CHECK = "first check too early or too late"
LOST = "lost"
OFFENCES = (
    *(FORBIDDEN_WRITE, FORBIDDEN_TABLE, SENT_BY_US, SENT_AGAIN, WRONG_END, WRONG_MONEY, WRONG_PIN, TOUCHED),
    *(NOT_FROZEN, WRONG_ATTENTION, WRONG_COST, WRONG_TENANT, GIVEN_UP_UNASKED, WRONG_FIRST_CHECK, LOST),
)
#: Seconds within which an order is found that is to be followed, and by which a first check may come later still.
FOUND_WITHIN_SECONDS, SLACK_SECONDS = 60.0, 5.0


@dataclass(frozen=True)
class Audit:
    """What came of a run."""

    found: Found
    shop: Shop
    columns_of_ours: frozenset[str]
    first_check_seconds: float
    killed: Counter[str]
    took_seconds: float

    @cached_property
    def offences(self) -> dict[str, list[str]]:
        """For each offence the orders, by id."""
        offences: dict[str, list[str]] = {name: [] for name in OFFENCES}
        for order_id, case in self.found.cases.items():
            for name in offences_of(case, self.columns_of_ours):
                offences[name].append(order_id)
            if not self._was_checked_in_time(case):
                offences[WRONG_FIRST_CHECK].append(order_id)
        offences[FORBIDDEN_TABLE] = [str(each) for each in self.found.elsewhere]
        offences[LOST] = [each.player for each in self.shop.all() if each.order_id not in self.found.cases]
        return offences

    def is_clean(self) -> bool:
        """Whether everything holds, and the shop's own code has seen no error."""
        return (
            not any(self.offences.values())
            and self.shop.is_done()
            and not self.shop.complaints
            and self.balance() == self.owed()
        )

    def balance(self) -> Decimal:
        """The sum of the wallets."""
        return self.found.balance

    def owed(self) -> Decimal:
        """What they must be: the price of every order that was not rejected."""
        rows = [case.row for case in self.found.cases.values()]
        return -sum((row["price"] for row in rows if row["status"] != "rejected"), Decimal(0))

    def first_checks_seconds(self) -> list[float]:
        """Of orders that the panel never calls back about, from "sentAt" to their first check; shortest first."""
        delays = (case.first_check_seconds for case in self.found.cases.values())
        return sorted(delay for delay in delays if delay is not None)

    def _was_checked_in_time(self, case: Case) -> bool:
        latest = self.first_check_seconds + FOUND_WITHIN_SECONDS + SLACK_SECONDS
        delay = case.first_check_seconds
        return delay is None or self.first_check_seconds <= delay <= latest


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
        WRONG_ATTENTION: case.row["attention"] in _attentions(case),
        WRONG_COST: _cost_is_right(case),
        GIVEN_UP_UNASKED: not case.is_timed_out or case.entry is None or case.entry.times_checked > 0,
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
    if case.end == "reversed":
        end = "failed" if _failed_first(case) else "reversed"
        return case.status == end and (row["status"] == "rejected") == _failed_first(case)
    if case.end:
        return (case.status, row["status"]) == (
            case.end,
            "approved" if case.end == "completed" else "rejected",
        )
    return row["status"] == "pending" and case.status in _words(case)


def _failed_first(case: Case) -> bool:
    """Whether an order that was taken back has failed: a check asks only then, where no callback told of the delivery.

    The panel has one word for both.
    """
    return case.status == "failed"


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


def _attentions(case: Case) -> set[str | None]:
    if case.is_ours or not case.is_known or case.decision == "taken out":
        return {None}
    if case.end == "reversed":  # a conflict where the panel's two callbacks have overtaken each other
        return {"reversed", "conflict", *([None] if _failed_first(case) else [])}
    contradicts = {"approved": "failed", "rejected": "completed"}.get(case.decision or "")
    if contradicts and case.end == contradicts and _hears(case):
        return {"conflict"}
    return {"timed_out"} if case.is_timed_out else {None}


def _money_is_right(case: Case) -> bool:
    price = case.row["price"]
    paid = [-price, price] if case.row["status"] == "rejected" else [-price]
    return case.moves == paid


def _pin_is_right(case: Case) -> bool:
    pin = case.row["pinCode"]
    if not case.is_known or case.decision == "taken out":
        return case.before is None or pin == case.before["pinCode"]
    if case.end == "reversed":
        return bool(case.entry and pin in (None, case.entry.pin))
    if case.end == "completed" and case.decision != "rejected" and (case.decision is None or _hears(case)):
        return bool(case.entry and pin == case.entry.pin)
    return pin is None


def _cost_is_right(case: Case) -> bool:
    cost = (case.row["costAmount"], case.row["costCurrency"])
    if case.is_ours:  # what it costs stands in the answer to the send, which may be lost
        return cost == (Decimal(PANEL_COST), PANEL_CURRENCY) or not case.was_accepted
    before = case.before or {"costAmount": Decimal("0.25"), "costCurrency": "USD"}
    return cost == (before["costAmount"], before["costCurrency"])
