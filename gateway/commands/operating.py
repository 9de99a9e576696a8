"""`gateway providers pause`, `resume` and `remove`."""

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, find_outline, gateway, no_provider
from gateway.commands.options import Person, Reason
from gateway.commands.provider_options import Json, KnownId
from models import provider_health, removal
from models.removal import Removal


def pause(
    provider_id: KnownId,
    reason: Reason,
    by: Person,
    json: Json = False,
) -> None:
    """Give a provider no new orders until a person resumes it.

    New orders go to the next provider of their route, or wait where there is none. Orders that it has already are
    checked, and its callbacks are settled, as before. It counts from the next order on.

    Example: gateway providers pause bayi --reason "prices are wrong, Ali is calling them"
    """
    with gateway():
        find_outline(provider_id)
        provider_health.pause(provider_id, reason, by)
    if json:
        return printing.as_json({"id": provider_id, "paused": True, "paused_by": by, "pause_reason": reason})
    printing.say(f"{provider_id} is paused by {by}: {reason}")
    printing.say(f"It gets no new orders until: gateway providers resume {provider_id}")


def resume(provider_id: KnownId, by: Person, json: Json = False) -> None:
    """End the pause of a provider, a person's or the gateway's own. Orders that wait for it are sent within a minute.

    Example: gateway providers resume bayi
    """
    with gateway():
        find_outline(provider_id)
        was_paused = provider_health.resume(provider_id, by)
        obstacle = _obstacle(provider_id)
    if json:
        return printing.as_json({"id": provider_id, "paused": False, "was_paused": was_paused})
    printing.say(f"{provider_id} {'gets orders again' if was_paused else 'was not paused'}.")
    if obstacle:
        printing.say(f"But it {obstacle}; see: gateway providers test {provider_id}")


def _obstacle(provider_id: str) -> str | None:
    found = provider_health.health(provider_id)
    return found.obstacle() if found else None


def remove(
    provider_id: KnownId,
    force: bool = typer.Option(False, "--force", help="Remove it although orders wait for it."),
    json: Json = False,
) -> None:
    """Remove a provider and its routes. Its orders, their timelines and its callbacks stay.

    Refused while orders wait for it. With --force, those that were not sent go to the next provider of their route;
    nobody asks about the others any more, their callbacks are answered 404, and they fail after ORDER_TIMEOUT unless a
    person decides them: gateway orders list --stuck. Web processes know the provider for up to 2 seconds more.

    Example: gateway providers remove bayi
    """
    with gateway():
        removed = removal.remove(provider_id, even_if_awaited=force)
        if removed is None:
            raise no_provider(provider_id)
    if not removed.is_done:
        raise Problem(_refusal(provider_id, removed))
    if json:
        return printing.as_json({"id": provider_id, "removed": True, **_counts(removed)})
    printing.say(f"{provider_id} is removed, with {printing.counted(removed.routes, 'route')}.")
    if removed.waiting:
        printing.say(
            f"{_waiting(removed)} for it. Those that were not sent go to the next provider of their route; the"
            " others: gateway orders list --stuck"
        )


def _refusal(provider_id: str, refused: Removal) -> str:
    return (
        f"{_waiting(refused)} for {provider_id}, so it was not removed; to give it no new ones: gateway providers"
        f" pause {provider_id} --reason …; once these have ended, run this again, or add --force to remove it now"
    )


def _waiting(removed: Removal) -> str:
    """`3 orders wait (1 not sent, 2 sent)`."""
    waiting = removed.waiting
    kinds = {"not sent": waiting.unsent, "sent": waiting.sent, "completed and asked about": waiting.ended}
    total = sum(kinds.values())
    parts = ", ".join(f"{count} {name}" for name, count in kinds.items() if count)
    return f"{printing.counted(total, 'order')} {'waits' if total == 1 else 'wait'} ({parts})"


def _counts(removed: Removal) -> dict[str, int]:
    waiting = removed.waiting
    return {"routes": removed.routes, "unsent": waiting.unsent, "sent": waiting.sent, "ended": waiting.ended}
