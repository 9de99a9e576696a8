"""What a person should be told of, as it is now. Each rule reads what pages and `gateway doctor` show as well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import peewee

from gateway import log
from gateway.said import Said
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
        since = f"{each.oldest.astimezone(ZoneInfo(settings.timezone)):%Y-%m-%d %H:%M}"
        text = (
            Said("1 order needs a person: {kind}. The oldest since {since}.", kind=each.kind, since=since)
            if each.count == 1
            else Said(
                "{orders} orders need a person: {kind}. The oldest since {since}.",
                orders=each.count,
                kind=each.kind,
                since=since,
            )
        )
        yield Firing("stuck_orders", each.kind, text, f"/ops/stuck#{each.kind}")


def _providers(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in gauges.providers():
        path = f"/ops/providers/{each.id}"
        if not each.is_up:
            text = Said("The provider {provider} is down.", provider=each.id)
            if each.words and not each.is_paused:
                text = Said("The provider {provider} is down: {error}.", provider=each.id, error=each.words)
            yield Firing("provider_down", each.id, text, path)
        elif each.is_paused and each.paused_by == GATEWAY:
            text = Said(
                "The gateway has paused the provider {provider}: {error}.", provider=each.id, error=each.words
            )
            yield Firing("provider_down", each.id, text, path)
        if not each.has_balance:
            text = Said("The provider {provider} has no balance left.", provider=each.id)
            yield Firing("balance_low", each.id, text, path)
        elif each.is_low:
            amount = f"{each.balance} {each.currency or ''}".rstrip()
            text = Said("The balance at {provider} is low: {amount}.", provider=each.id, amount=amount)
            yield Firing("balance_low", each.id, text, path)


def _balance_chains(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in balances.standings():
        if each.gaps:
            many = Said("1 gap") if each.gaps == 1 else Said("{gaps} gaps", gaps=each.gaps)
            text = Said(
                "The balance at {provider} does not add up: {many}.", provider=each.provider_id, many=many
            )
            if each.gap:
                text = Said("{note} The last: {amount}.", note=text, amount=each.gap)
            yield Firing("balance_gap", each.provider_id, text, f"/ops/providers/{each.provider_id}")


def _silent_callbacks(settings: Settings, now: datetime) -> Iterator[Firing]:
    for each in silence.silent():
        text = Said(
            "No callback of {provider} told of the last {number} deliveries; usually {share} are told so. Orders still"
            " complete, by checks.",
            provider=each.provider_id,
            number=each.delivered,
            share=f"{each.usual_share:.0%}",
        )
        yield Firing("callbacks_silent", each.provider_id, text, f"/ops/providers/{each.provider_id}")


def _scheduler(settings: Settings, now: datetime) -> Iterator[Firing]:
    silent = sweep_run.silence_seconds("scheduler")
    if silent is not None and silent > SCHEDULER_SECONDS:
        text = Said(
            "The scheduler gives no sign of life. Workers sweep by themselves as long as one is alive."
        )
        yield Firing("scheduler_dead", "", text, "/ops")


def _notifications(settings: Settings, now: datetime) -> Iterator[Firing]:
    standing = outbox.standing()
    if standing.dead or standing.disabled_receivers:
        many = (
            Said("1 notification was")
            if standing.dead == 1
            else Said("{notifications} notifications were", notifications=standing.dead)
        )
        text = Said(
            "The storefront was not told: {many} given up; {receivers} receivers disabled.",
            many=many,
            receivers=standing.disabled_receivers,
        )
        yield Firing("notification_dead", "", text, "/ops/notifications?state=dead")


def _oldest_waiting(settings: Settings, now: datetime) -> Iterator[Firing]:
    late = gauges.singles()["referans_oldest_due_seconds"][1] or 0
    if late > LATE_SECONDS + settings.sweep_period_seconds:
        text = Said(
            "Work waits: the oldest order is {minutes} minutes late. Is a worker alive?",
            minutes=round(late / 60),
        )
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
