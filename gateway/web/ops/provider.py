"""A provider: why it gets orders or not, its balance, its callbacks, its prices and routes; pausing and resuming it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import falcon

from gateway import broker, log, providers
from gateway.callbacks import rotation
from gateway.fulfilment import deeds
from gateway.fulfilment.worker import SWEEP
from gateway.providers import kinds
from gateway.providers.base import Kind
from gateway.providers.kinds import Origin
from gateway.said import Said
from gateway.web.ops import charts, language, reports, troubles, visitors
from gateway.web.ops.charts import Chart
from gateway.web.ops.desk import Page, go
from gateway.web.ops.providers import is_stale, news, state
from gateway.web.ops.refused import Refused
from models import (
    balance_trend,
    balances,
    callback_shares,
    catalogue_watches,
    gauges,
    provider,
    provider_counts,
    provider_health,
    route,
)
from models.db import database
from models.db.database import Use
from models.person import Role
from models.provider_health import GATEWAY, Health
from models.route import ListedRoute, Strategy

logger = log.get(__name__)

#: Routes and gaps that are shown of one provider.
MOST_ROUTES, MOST_GAPS = 100, 20
#: Hours that the curve of its balance shows, and its points.
BALANCE_HOURS, BALANCE_POINTS = 168, 168
#: How often an open page looks again by itself while something is wrong: each 3 s, for half an hour.
MOST_LOOKS = 600
#: What is said once something is done, in English.
DONE = {
    "pause": "It gets no new orders until it is resumed.",
    "resume": "It gets orders again. Those that wait for it are sent within a minute.",
    "acknowledge": "The gaps are taken as seen.",
    "ask": "The next sweep asks for the balance.",
    "probe": "It is being asked. What it says is shown here within seconds.",
    "credentials": "The credentials are stored, and used from the next call on.",
}
#: What keeps orders from a provider and ends with its answer, by the names of troubles.SAID.
PROBED = ("down", "credentials", "account", "no balance")
#: Reasons that are suggested, in English.
REASONS = ("Topped up", "The provider has repaired it", "The provider gave new ones", "To be sure")
#: How routes of the same priority take turns, in English.
STRATEGIES: dict[str, str] = {
    Strategy.ORDER: "in order",
    Strategy.CHEAPEST: "cheapest first",
    Strategy.SHARE: "by shares",
}
#: Where a protocol comes from, in English.
ORIGINS = (
    "part of the gateway",
    "described by a file that ships",
    "described by a file that was added",
    "cannot be used",
)
#: How a provider can be asked for an order, in English.
ASKED: dict[str, str] = {
    "reference": "by our reference",
    "own_number": "by its own number only",
    "nothing": "not at all: only its callbacks tell",
}
#: What the body of a callback is, in English.
FORMATS: dict[str | None, str] = {
    "protocol": "in its own words",
    "neutral": "neutral format",
    None: "both formats",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A route of the provider among all of the same product, package and tenant."""

    route: ListedRoute
    #: From 1, and of how many.
    place: int
    many: int
    #: Its share of the orders, where routes share them; else None.
    share: float | None


@dataclass(frozen=True, slots=True)
class Made:
    """A callback secret that was made here, and what the provider is to be told; shown once."""

    secret: str
    url: str
    headers: Mapping[str, str]


class Provider(Page):
    """The page; the provider is paused, resumed and its gaps are taken as seen here."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response, provider_id: str) -> None:
        show(self, req, resp, provider_id)

    def on_post(self, req: falcon.Request, resp: falcon.Response, provider_id: str) -> None:
        form, by = req.context.form, req.context.visitor.name
        reason, action = form.get("reason", "").strip(), form.get("action", "")
        if not deeds.is_reason(reason):
            show(self, req, resp, provider_id, status=409, wrong=Said("Say why, in words."))
            return
        with database.session(Use.REQUEST):
            found = find(provider_id)
            if action == "pause":
                provider_health.pause(found.id, reason, by)
            elif action == "resume":
                provider_health.resume(found.id, by)
            elif action == "acknowledge":
                balances.acknowledge(found.id, reason, by)
            elif action == "ask" or (action == "probe" and not provider_health.probe_soon(found.id)):
                balances.ask_soon(found.id)
            elif action != "probe":
                raise Refused(400, Said("the form cannot be read"))
        logger.info(
            "A person has changed a provider.",
            action=f"provider_{action}",
            provider_id=found.id,
            by=by,
            reason=reason,
        )
        if action in ("ask", "probe"):
            broker.wake(SWEEP)
        self.desk.forget_counts()
        raise go(f"{visitors.ROOT}/providers/{found.id}?done={action}")


def show(
    page: Page,
    req: falcon.Request,
    resp: falcon.Response,
    provider_id: str,
    *,
    status: int = 200,
    wrong: str | None = None,
    made: Made | None = None,
) -> None:
    """The page of a provider, after something was done or could not be; with a secret that was made, once."""
    with database.session(Use.LIST):
        found = find(provider_id)
        [gauge] = [each for each in gauges.providers() if each.id == found.id]
        turns = list(turns_of(found.id, route.beside(found.id)))
        drawn, axis = reports.of_provider(found.id, page.desk.settings.timezone)
        watch = catalogue_watches.every().get(found.id)
        trend = balance_trend.every(found.id).get(found.id)
        values: dict[str, Any] = {
            "provider": found,
            "charts": drawn,
            "axis": axis,
            "gauge": gauge,
            "health": provider_health.health(found.id) or Health(),
            "balance": balances.standings(found.id)[0],
            "trend": trend,
            "curve": _curve(trend) if trend else None,
            "gaps": balances.gaps(found.id, MOST_GAPS),
            "counts": [each for each in provider_counts.last_hour() if each.provider_id == found.id],
            "told": callback_shares.every().get(found.id),
            "delay": callback_shares.delay(found.id),
            "last_told_at": callback_shares.last_told(found.id),
            "watch": watch,
            "news": list(news(watch)),
            "is_stale": watch is not None and is_stale(watch),
            "refused": next(
                (each for each in troubles.refused_callbacks() if each.provider_id == found.id), None
            ),
            "turns": turns[:MOST_ROUTES],
            "route_count": len(turns),
        }
    kind = kinds.find(found.adapter)
    done = req.get_param("done") if not wrong else None
    page.desk.show(
        req,
        resp,
        "provider.html",
        status=status,
        wrong=wrong,
        done=DONE.get(done or ""),
        made=made,
        probed=PROBED,
        reasons=REASONS,
        looks=_looks(req),
        obstacle=troubles.obstacle(gauge),
        credentials=rotation.takes(found, kind),
        state=state,
        own=GATEWAY,
        origin=origin(found.adapter, kind),
        traits=kind.TRAITS if kind else None,
        has_service=kind is None or kind.HAS_SERVICE,
        is_noticed=providers.asks_balance(found.adapter),
        seconds=reports.seconds_text,
        decimal=Decimal,
        curve_axis=_axis(language.now(), page.desk.settings.timezone),
        strategies=STRATEGIES,
        asked=ASKED,
        formats=FORMATS,
        **values,
    )


def turns_of(provider_id: str, listed: list[ListedRoute]) -> Iterator[Turn]:
    """The routes to the provider, each with its place among those for the same orders. `listed` is in order."""
    for _, same in groupby(listed, key=lambda each: (each.tenant_id, each.product_id, each.package_id)):
        group = list(same)
        for place, each in enumerate(group, start=1):
            if each.provider_id == provider_id:
                beside = [other.weight for other in group if other.priority == each.priority]
                shares = each.strategy == Strategy.SHARE and len(beside) > 1
                yield Turn(each, place, len(group), each.weight / sum(beside) if shares else None)


def origin(adapter: str, kind: Kind | None) -> str:
    """Where a protocol comes from, in English."""
    in_code, shipped, added, unusable = ORIGINS
    by_origin = {Origin.CODE: in_code, Origin.FILE: shipped, Origin.ADDED: added}
    return by_origin[kinds.origin(adapter)] if kind else unusable


def _looks(req: falcon.Request) -> int | None:
    """The number of the next look of an open page, which looks by itself while something is wrong; None: no more."""
    looks = min(req.get_param_as_int("looks") or 0, MOST_LOOKS)
    return looks + 1 if looks < MOST_LOOKS else None


def _curve(trend: balance_trend.Trend) -> Chart | None:
    values = trend.values(language.now(), BALANCE_HOURS, BALANCE_POINTS)
    known = sum(each is not None for each in values)
    return charts.line("Balance", values, trend.points[-1].currency or "count") if known > 1 else None


def _axis(now: datetime, zone: str) -> list[str]:
    """The days at the beginning, in the middle and at the end of the curve."""
    moments = (now - timedelta(hours=hours) for hours in (BALANCE_HOURS, BALANCE_HOURS / 2, 0))
    return [f"{each.astimezone(ZoneInfo(zone)):%m-%d}" for each in moments]


def find(provider_id: str) -> Any:
    """The provider, without its credentials. Raises a 404."""
    found = provider.outline(provider_id)
    if found is None:
        raise Refused(404, Said("no provider has this id"))
    return found
