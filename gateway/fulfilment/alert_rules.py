"""What a person should be told of, as it is now. Each rule reads what pages and `gateway doctor` show as well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import peewee

from gateway import log
from gateway.settings import Settings
from models import balances, gauges, outbox, silence, stuck, sweep_run
from models.alert import Firing
from models.db import database
from models.provider_health import GATEWAY
from models.status import Attention
from models.stuck import Limits

logger = log.get(__name__)

#: Kinds that go by themselves: told of only if an order has waited for so many seconds.
PASSING = (
    *(Attention.IN_DOUBT, Attention.NO_PROVIDER, Attention.PROVIDER_DOWN, Attention.OVERDUE),
    Attention.NO_ANSWER,
)
PASSING_SECONDS = 900
#: Seconds without a tick after which the scheduler counts as dead; one comes each minute.
SCHEDULER_SECONDS = 180
#: Seconds, beside the period of the sweep, by which the longest waiting step may be overdue.
LATE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look has found."""

    firing: list[Firing]
    #: Every rule could be looked at; where one could not, nothing is known to be over.
    is_whole: bool


def look(settings: Settings, now: datetime) -> Looked:
    """Everything that fires; a rule that cannot be looked at keeps no other from being told. Needs an open session."""
    found: list[Firing] = []
    is_whole = True
    for rule in RULES:
        try:
            found += rule(settings, now)
        except (peewee.DatabaseError, database.TooSlow) as error:
            is_whole = False
            logger.warning(
                "A rule of alerts could not be looked at.",
                action="alert_rule_failed",
                rule=rule.__name__.strip("_"),
                error=str(error),
            )
    return Looked(found, is_whole)


def firing(settings: Settings, now: datetime) -> list[Firing]:
    """Everything that fires. Needs an open session."""
    return look(settings, now).firing


def _stuck_orders(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in stuck.summary(Limits.of(settings)):
        waited = (now - each.oldest).total_seconds()
        if each.kind == Attention.NOTIFICATION_DEAD or (each.kind in PASSING and waited < PASSING_SECONDS):
            continue
        many = "1 order needs" if each.count == 1 else f"{each.count} orders need"
        since = each.oldest.astimezone(ZoneInfo(settings.timezone))
        text = f"{many} a person: {each.kind}. The oldest since {since:%Y-%m-%d %H:%M}."
        yield Firing("stuck_orders", each.kind, text, f"/ops/stuck#{each.kind}")


def _providers(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in gauges.providers():
        path = f"/ops/providers/{each.id}"
        if not each.is_up:
            why = f": {each.words}" if each.words and not each.is_paused else ""
            yield Firing("provider_down", each.id, f"The provider {each.id} is down{why}.", path)
        elif each.is_paused and each.paused_by == GATEWAY:
            text = f"The gateway has paused the provider {each.id}: {each.words}."
            yield Firing("provider_down", each.id, text, path)
        if not each.has_balance:
            yield Firing("balance_low", each.id, f"The provider {each.id} has no balance left.", path)
        elif each.is_low:
            text = f"The balance at {each.id} is low: {each.balance} {each.currency or ''}".rstrip() + "."
            yield Firing("balance_low", each.id, text, path)


def _balance_chains(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in balances.standings():
        if each.gaps:
            last = f" The last: {each.gap}." if each.gap else ""
            many = "1 gap" if each.gaps == 1 else f"{each.gaps} gaps"
            text = f"The balance at {each.provider_id} does not add up: {many}.{last}"
            yield Firing("balance_gap", each.provider_id, text, f"/ops/providers/{each.provider_id}")


def _silent_callbacks(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in silence.silent():
        text = (
            f"No callback of {each.provider_id} told of the last {each.delivered} deliveries; usually"
            f" {each.usual_share:.0%} are told so. Orders still complete, by checks."
        )
        yield Firing("callbacks_silent", each.provider_id, text, f"/ops/providers/{each.provider_id}")


def _scheduler(settings: Settings, now: datetime) -> Iterator[Firing]:
    silent = sweep_run.silence_seconds("scheduler")
    if silent is not None and silent > SCHEDULER_SECONDS:
        text = "The scheduler gives no sign of life. Workers sweep by themselves as long as one is alive."
        yield Firing("scheduler_dead", "", text, "/ops")


def _notifications(settings: Settings, now: datetime) -> Iterator[Firing]:
    standing = outbox.standing()
    if standing.dead or standing.disabled_receivers:
        many = "1 notification was" if standing.dead == 1 else f"{standing.dead} notifications were"
        text = (
            f"The storefront was not told: {many} given up; {standing.disabled_receivers} receivers disabled."
        )
        yield Firing("notification_dead", "", text, "/ops/notifications?state=dead")


def _oldest_waiting(settings: Settings, now: datetime) -> Iterator[Firing]:
    late = gauges.singles()["referans_oldest_due_seconds"][1] or 0
    if late > LATE_SECONDS + settings.sweep_period_seconds:
        text = f"Work waits: the oldest order is {late / 60:.0f} minutes late. Is a worker alive?"
        yield Firing("oldest_waiting", "", text, "/ops")


#: In this order they are told.
RULES: tuple[Callable[[Settings, datetime], Iterator[Firing]], ...] = (
    _oldest_waiting,
    _scheduler,
    _providers,
    _stuck_orders,
    _notifications,
    _balance_chains,
    _silent_callbacks,
)
