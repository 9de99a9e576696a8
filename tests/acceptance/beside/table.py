"""The table that a run ends with, and the orders that it caught."""

from collections import Counter
from collections.abc import Iterator

from tests.acceptance.beside.audit import Audit

#: Orders shown in full for each offence.
SHOWN = 4


def table(audit: Audit) -> str:
    """What happened, in lines of a name and a figure."""
    lines = list(_lines(audit))
    width = max(len(name) for name, _ in lines)
    rule = "-" * (width + 30)
    return "\n".join([rule, *(f"{name:<{width}}  {figure}" for name, figure in lines), rule])


def _lines(audit: Audit) -> Iterator[tuple[str, str]]:
    cases, shop = audit.found.cases.values(), audit.shop
    yield "took", f"{audit.took_seconds:.0f} s"
    yield "orders there before", f"{sum(case.before is not None for case in cases)}"
    yield "  of them followed", f"{sum(case.before is not None and bool(case.writes) for case in cases)}"
    yield "orders that the shop sent", f"{len(shop.own)}"
    yield "orders that it handed over", f"{len(shop.handed_over)}"
    yield "killed", ", ".join(f"{name} {count}" for name, count in sorted(audit.killed.items()))
    for name, orders in audit.offences.items():
        yield name, f"{len(orders)}"
    yield "sum of the wallets, and what it must be", f"{audit.balance()}, {audit.owed()}"
    for kind, count in sorted(
        Counter(case.row["attention"] for case in cases if case.row["attention"]).items()
    ):
        yield f"attention {kind}", f"{count}"
    theirs, ours = (
        sum((case.changes() for case in cases if case.is_ours is which), Counter[str]())
        for which in (False, True)
    )
    yield "columns written on orders of the shop", ", ".join(sorted(theirs))
    yield "and on those of the gateway", ", ".join(sorted(ours))
    if delays := audit.first_checks_seconds():
        yield "from sending to the first check, longest", f"{delays[-1]:.1f} s"
    yield "statements of the shop that a deadlock ended", f"{shop.deadlocks}"


def offenders(audit: Audit) -> str:
    """Every complaint, and the first few orders of each offence with each side's words."""
    lines = list(audit.shop.complaints)
    for name, orders in audit.offences.items():
        for order_id in orders[:SHOWN]:
            lines.append(f"\n{name}: {audit.found.cases.get(order_id, order_id)}")
    return "\n".join(lines)
