"""`gateway providers balance`: our balance with each provider, and what is wrong with it."""

from dataclasses import asdict
from typing import Any

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, find_outline, gateway
from gateway.commands.options import Person
from gateway.commands.provider_options import Json
from models import balances
from models.balances import Gap, Standing

#: Gaps of one provider that are listed.
MAX_GAPS = 20


def balance(
    by: Person,
    provider_id: str | None = typer.Argument(
        None, metavar="[ID]", help="A provider from `gateway providers list`; all without it."
    ),
    acknowledge: bool = typer.Option(False, "--acknowledge", help="Take the gaps of this provider as seen."),
    reason: str = typer.Option(
        "", metavar="TEXT", help="With --acknowledge: what they were, for the record."
    ),
    json: Json = False,
) -> None:
    """Show our balance with each provider as last known, whether it is low, and gaps in it.

    Every accepted order tells what it cost and what remains, and each hour the provider is asked. A gap is a fall of
    the balance that none of our orders explains: a purchase that is not ours, or one counted twice. Orders whose answer
    was lost, refunds and deposits are no gaps. To ask the provider now: gateway providers test ID

    A gap is shown until a person acknowledges it.

    Example: gateway providers balance bayi --acknowledge --reason "Ali bought by hand in the panel"
    """
    if acknowledge and not (provider_id and reason.strip()):
        raise typer.BadParameter("takes a provider and a --reason", param_hint="--acknowledge")
    with gateway() as settings:
        if provider_id:
            find_outline(provider_id)
        if acknowledge and provider_id:
            return _acknowledged(provider_id, balances.acknowledge(provider_id, reason, by), json)
        found = balances.standings(provider_id)
        gaps = {each.provider_id: balances.gaps(each.provider_id, MAX_GAPS) for each in found if each.gap}
    if json:
        return printing.as_json([_row(each, gaps.get(each.provider_id, [])) for each in found])
    printing.table(
        ("Provider", "Balance", "Age", "Low below", "Gaps"),
        (_cells(each) for each in found),
        empty="No providers yet. Add one: gateway providers add --help",
    )
    for each in found:
        for gap in gaps.get(each.provider_id, []):
            printing.say(_sentence(each.provider_id, gap, settings.timezone))
    if gaps:
        printing.note("When a gap is clear: gateway providers balance ID --acknowledge --reason TEXT")


def _acknowledged(provider_id: str, count: int, json: bool) -> None:
    if not count:
        raise Problem(f"{provider_id} has no gap to acknowledge")
    if json:
        return printing.as_json({"id": provider_id, "acknowledged": count})
    printing.say(f"Acknowledged {printing.counted(count, 'gap')} of {provider_id}.")


def _cells(one: Standing) -> tuple[object, ...]:
    low = f"{one.low_balance} {one.currency or ''}".strip() if one.low_balance is not None else None
    shown = f"{one.balance} {one.currency or ''}".strip() if one.balance is not None else None
    age = printing.duration(one.age_seconds) if one.age_seconds is not None else None
    return one.provider_id, f"{shown} (low)" if one.is_low else shown, age, low, one.gaps or None


def _row(one: Standing, gaps: list[Gap]) -> dict[str, Any]:
    shown = asdict(one) | {
        "id": one.provider_id,
        "gap_count": one.gaps,
        "gaps": [asdict(gap) for gap in gaps],
    }
    return {name: value for name, value in shown.items() if name not in ("provider_id", "gap")}


def _sentence(provider_id: str, gap: Gap, timezone: str) -> str:
    earlier = _answer(gap.earlier_order_id) if gap.earlier_at else "the first answer"
    since = f" at {printing.at(gap.earlier_at, timezone)}" if gap.earlier_at else ""
    return (
        f"{provider_id}: {gap} missing: a purchase that is not ours, or one counted twice. It lies between {earlier}"
        f"{since}, after which {gap.balance} remained, and {_answer(gap.later_order_id)}"
        f" at {printing.at(gap.later_at, timezone)}."
    )


def _answer(order_id: str | None) -> str:
    return f"the answer to order {order_id}" if order_id else "an answer to the question for the balance"
