"""The checks of `gateway doctor` on orders."""

from gateway.commands import advice
from gateway.commands.printing import counted
from gateway.commands.probes import Finding, Status
from gateway.settings import Settings
from models import denied, others, outbox, stuck
from models.db import database
from models.stuck import Limits

#: Commands that only look, which `gateway orders list --stuck` names.
LOOKS = ("gateway orders show", "gateway orders pin", "gateway doctor", "gateway providers test")
#: Providers that a line names, at most.
PROVIDERS = 3
#: What stands in the commands of an advice that is about no order in particular.
NAMES = {
    "id": "ID",
    "referans": "its referans",
    "provider": "PROVIDER",
    "product": "PRODUCT",
    "package": "PACKAGE",
}


def stuck_orders(settings: Settings) -> list[Finding]:
    """No order needs a person; else how many do, why, and what to do about the gravest kind."""
    name = "stuck orders"
    with database.session():
        found = stuck.counts(Limits.of(settings))
    if not found:
        return [Finding(name, Status.OK, "none")]
    detail = ", ".join(f"{count} {kind}" for kind, count in found.items())
    gravest = next(iter(found))
    steps = [
        step
        for step in advice.NEXT.get(gravest, advice.OTHERWISE)
        if not step.command.startswith(LOOKS) and step.only is None
    ]
    told = "; ".join(f"{step.when.format(**NAMES)}: {step.command.format(**NAMES)}" for step in steps)
    cure = "see: gateway orders list --stuck" + (f"; {gravest}: {told}" if told else "")
    return [Finding(name, Status.WARNING, detail, cure)]


def notifications(settings: Settings) -> list[Finding]:
    """What the storefront is to be told reaches it; else which receiver fails, or what was given up."""
    name = "notifications"
    with database.session():
        standing, failing = outbox.standing(), outbox.receivers()
    disabled = [each for each in failing if each.disabled_at]
    if standing.waiting and not settings.notify_secret:
        detail = f"{counted(standing.waiting, 'notification')} waiting that cannot be signed"
        return [
            Finding(name, Status.FAILED, detail, "set NOTIFY_SECRET again in the environment of the workers")
        ]
    if disabled:
        first = disabled[0]
        cure = f"once it is mended: gateway notifications enable {first.receiver}, then redeliver --since"
        return [Finding(name, Status.FAILED, f"{first.receiver} is disabled: {first.last_error}", cure)]
    found = [
        f"{each.receiver} has failed {each.failures} times in a row: {each.last_error}" for each in failing
    ]
    if standing.waiting and settings.notify_url is None and outbox.waits_for_default():
        found.append("some wait for NOTIFY_URL, which is not set")
    if standing.dead:
        found.append(f"{standing.dead} dead")
    if found:
        cure = (
            "see: gateway notifications list --dead" if standing.dead else "see: gateway notifications list"
        )
        again = (
            "; to have them delivered: gateway notifications redeliver --since 7d" if standing.dead else ""
        )
        return [Finding(name, Status.WARNING, "; ".join(found), cure + again)]
    where = (
        "" if settings.notify_url else "; NOTIFY_URL is not set, so only orders with a notifyUrl are told of"
    )
    return [Finding(name, Status.OK, f"{standing.waiting} waiting{where}")]


def orders_of_others(_: Settings) -> list[Finding]:
    """Which orders of another system are not followed. They may be left to that system, so that nothing is wrong."""
    with database.session():
        found = others.unfollowed()
    if not found:
        return []
    named = ", ".join(
        f"{others.bounded(each.count)} of provider {each.provider_id}" for each in found[:PROVIDERS]
    )
    more = f" and {counted(len(found) - PROVIDERS, 'other provider')}" if len(found) > PROVIDERS else ""
    detail = (
        f"not followed, of the last day: {named}{more}; to follow them: gateway providers add, with that id"
    )
    return [Finding("orders of others", Status.OK, detail)]


def denied_orders(_: Settings) -> list[Finding]:
    """No provider says that it does not know an order which was sent to it."""
    with database.session():
        found = denied.by_provider()
    return [
        Finding(
            f"provider {each.provider_id}: unknown orders",
            Status.WARNING,
            f"says that it does not know {counted(each.count, 'order')} sent to it: {each.example}"
            + (" and others" if each.count > 1 else ""),
            f"ask {each.provider_id} what became of them and of their cost: gateway orders show {each.example};"
            " then gateway orders complete ID or fail ID, with a reason",
        )
        for each in found
    ]
