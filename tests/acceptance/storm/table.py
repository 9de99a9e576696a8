"""The one table that a storm ends with, and the timelines of the orders that it caught."""

from collections.abc import Iterator, Mapping, Sequence

from tests.acceptance.storm.audit import Audit
from tests.acceptance.storm.books import Case

#: Orders shown in full for each offence.
SHOWN = 5
#: Share of the orders that were known at least as soon as the time shown beside the longest.
MOST = 0.99


def table(*audits: Audit) -> str:
    """What happened, in lines of a name and a figure; with several storms a figure for each."""
    columns = [dict(_lines(audit)) for audit in audits]
    lines = [[name, *(column.get(name, "-") for column in columns)] for name in _names(columns)]
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    rule = "-" * (sum(widths) + 2 * len(widths))
    texts = [
        "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)) for line in lines
    ]
    return "\n".join([rule, *(text.rstrip() for text in texts), rule])


def _names(columns: Sequence[Mapping[str, str]]) -> list[str]:
    """Of all lines: one that only some columns have stands behind the line that it stands behind there."""
    names: list[str] = []
    for column in columns:
        place = 0
        for name in column:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return names


def _lines(audit: Audit) -> Iterator[tuple[str, str]]:
    if audit.spoken.is_described:
        yield "what the providers speak", audit.spoken.name
    yield "seed", f"{audit.plan.seed}"
    yield "storm, with the calm after it", f"{audit.stormed_seconds:.0f} s, {audit.took_seconds:.0f} s"
    yield "orders planned", f"{len(audit.plan.orders)}"
    yield "orders accepted", f"{len(audit.accepted)} ({audit.retries} tries repeated)"
    sources = audit.sources()
    yield "final by callback", f"{sources['callback']}"
    yield "final by check", f"{sources['poll']}"
    yield "final by sweep (timeout)", f"{sources['sweep']}"
    yield "final by the answer to the send", f"{sources['dispatch']}"
    yield "final by a person's decision", f"{sources['operator']}"
    yield "completed late, after the timeout", f"{audit.late()}"
    if audit.spoken.is_described:
        yield "bought, by the providers' books", f"{audit.bought()}"
        yield "left to a person, since nothing can be asked", f"{audit.left_to_person()}"
    for name, orders in audit.offences.items():
        yield name, f"{len(orders)}"
    taken, failed = audit.told()
    yield "notifications taken by the storefront", f"{taken} ({failed} tries refused or cut)"
    attentions = audit.attentions()
    yield "attention raised", f"{attentions.total()}"
    for kind, count in sorted(attentions.items()):
        yield f"  {kind}", f"{count}"
    if delays := audit.delays_seconds():
        yield "longest from their decision to ours", f"{delays[-1][0]:.1f} s"
        yield f"  {MOST:.0%} of the orders", f"{delays[int(MOST * (len(delays) - 1))][0]:.1f} s"
    yield "faults injected", f"{audit.injected.total()}"
    for kind, count in sorted(audit.injected.items()):
        yield f"  {kind}", f"{count}"
    for words, memory in zip(("before", "after"), audit.memory_mib, strict=True):
        yield f"memory {words}, MiB", ", ".join(f"{name} {mib}" for name, mib in sorted(memory.items()))


def offenders(audit: Audit) -> str:
    """The seed, every complaint, and the first few orders of each offence with both sides' words."""
    lines = [f"seed {audit.plan.seed}", *audit.complaints]
    for name, orders in audit.offences.items():
        lines += [
            f"\n{name}: {order_id}\n{_shown(audit.books.cases.get(order_id))}" for order_id in orders[:SHOWN]
        ]
    return "\n".join(lines)


def slowest(audit: Audit) -> str:
    """The timeline of the order that was known last."""
    delays = audit.delays_seconds()
    return _shown(audit.books.cases[delays[-1][1]]) if delays else ""


def _shown(case: Case | None) -> str:
    if case is None:
        return "  it is not in the database"
    here = f"  {case.row['userIdentifier']}: {case.ending()} here, {sorted(map(str, case.endings()))} there"
    known = [f"  {name}: {entry.as_dict()}" for name, entry in case.entries.items()]
    return "\n".join(
        [here, f"  attention: {case.row['attention']}", *known, *(f"    {event}" for event in case.events)]
    )
