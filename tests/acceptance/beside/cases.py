"""What each side says of every order: the rows, what the gateway wrote on them, the panel's book, the shop."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.extras

from gateway.dev.simulator import Order, State
from tests.acceptance.beside import filling, writes
from tests.acceptance.beside.filling import PROVIDER
from tests.acceptance.beside.scene import Scene
from tests.acceptance.beside.shop import Shop, ShopOrder
from tests.acceptance.beside.writes import Write

#: What is shown of an order as the gateway found it.
KNOWN = ("status", "externalStatus", "providerId", "provider_referans", "externalOrderId", "sentAt", "age")
#: The panel's states that are an end.
ENDS = {State.COMPLETED: "completed", State.FAILED: "failed", State.REVERSED: "reversed"}


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
        if self.is_ours or not self.is_known or self.end or self.decision:
            return False
        age = self.before["age"] if self.before else self.shop.kind.is_older_by_seconds if self.shop else 0
        return bool(age > filling.ORDER_TIMEOUT_SECONDS - filling.RUN_SECONDS)

    @property
    def first_check_seconds(self) -> float | None:
        """From "sentAt" to its first check; None where the panel calls back, the shop interferes, or none came."""
        if (
            not self.shop
            or self.is_ours
            or not self.shop.is_left_to_checks
            or not self.entry
            or not self.entry.checked_at
        ):
            return None
        sent_at: datetime = self.row["sentAt"]
        return self.entry.checked_at[0] - sent_at.timestamp()

    @property
    def was_accepted(self) -> bool:
        """Whether the gateway has heard that the panel took it."""
        return any((each.new or {}).get("externalStatus") == "sent" for each in self.writes)

    def changes(self) -> Counter[str]:
        """The columns that the gateway has changed."""
        return Counter(name for each in self.writes if each.operation == "UPDATE" for name in each.columns)

    def __str__(self) -> str:
        names = ("status", "externalStatus", "attention", "pinCode", "costAmount", "nextCheckAt", "adoptedAt")
        told = {name: self.row[name] for name in names}
        known = self.before and {name: self.before[name] for name in KNOWN}
        kind = f"{self.shop.kind.name}, {self.shop.decision}" if self.shop else f"filled as {known}"
        lines = [f"{self.row['key']} ({kind}): {told}, wallet {[str(move) for move in self.moves]}"]
        entry = self.entry.as_dict() if self.entry else None
        return "\n".join([*lines, f"    panel: {entry}", *(f"    {each}" for each in self.writes)])


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was found."""

    cases: dict[str, Case]
    #: What the gateway wrote on other tables of the older storefront.
    elsewhere: list[Write]
    #: The sum of the wallets, of whatever order.
    balance: Decimal


def read(scene: Scene, shop: Shop) -> Found:
    """Every order, as it is now."""
    placed, book = shop.by_id(), scene.simulator.book
    by_order: dict[str, list[Write]] = defaultdict(list)
    for each in writes.of_role(scene.roles.admin_url, scene.roles.gateway):
        by_order[each.order_id or ""].append(each)
    cases = {}
    for row in _rows(scene.roles.admin_url, ROWS):
        order_id = row["key"]
        its = placed.get(order_id)
        before = scene.before.get(order_id)
        reference = (its.referans if its else "") or row["provider_referans"] or row["externalOrderId"] or ""
        if before:
            reference = before["provider_referans"] or before["externalOrderId"] or ""
        cases[order_id] = Case(row, by_order[order_id], book.get(reference), its, row["moves"], before)
    [sums] = _rows(scene.roles.admin_url, "SELECT sum(amount) AS balance FROM wallet_moves")
    return Found(cases, by_order[""], sums["balance"])


def _rows(admin_url: str, sql: str) -> list[dict[str, Any]]:
    with (
        closing(psycopg2.connect(admin_url)) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute(sql)
        return [dict(row) for row in cursor.fetchall()]


ROWS = """
SELECT id::text AS key, o.*,
    ARRAY(SELECT amount FROM wallet_moves AS m WHERE m.order_id = o.id ORDER BY m.id) AS moves
FROM product_orders AS o
"""
