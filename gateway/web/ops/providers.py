"""Providers: who is up, what keeps orders from one, how long its balance lasts, and whether its callbacks come."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import falcon

from gateway.web.ops import charts, language, troubles
from gateway.web.ops.charts import Chart
from gateway.web.ops.desk import Page
from models import balance_trend, balances, callback_shares, catalogue_watches, gauges, standing
from models.balance_trend import Trend
from models.catalogue_watches import Watch
from models.db import database
from models.db.database import Use
from models.gauges import ProviderGauge
from models.person import Role

#: Hours that the small curve of a balance shows, and its points.
CURVE_HOURS, CURVE_POINTS = 48, 48
#: Seconds after which a watched catalogue, which is read once a day, has not been read for too long.
STALE_SECONDS = 3 * 86_400
#: News of a catalogue, as `gateway.fulfilment.catalogues` writes them, and what each is called in English.
NEWS = re.compile(r"(?:^|; )(?P<count>\d+) (?P<change>dearer|cheaper|gone|new) \(")
CHANGES = {"dearer": "Dearer", "cheaper": "Cheaper", "gone": "No longer sold", "new": "New"}


@dataclass(frozen=True, slots=True)
class Balance:
    """How a balance moves."""

    curve: Chart
    #: How long it lasts at the pace of the last day; None if that is not known.
    lasts_seconds: float | None


@dataclass(frozen=True, slots=True)
class News:
    """Something that a watched catalogue has changed."""

    #: In English.
    word: str
    count: int
    #: The first ones, by the names that the routes and the provider have for them.
    named: str


class Providers(Page):
    """All of them, those in trouble first."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with database.session(Use.LIST):
            known = gauges.providers()
            standings = standing.every()
            gaps = {each.provider_id: each.gaps for each in balances.standings()}
            trends = curves(language.now())
            low = {name for name, each in callback_shares.every().items() if each.low_since}
            refused = {each.provider_id for each in troubles.refused_callbacks()}
            watches = catalogue_watches.every()
        by_callbacks = low | refused
        troubled = [
            each for each in known if not is_well(each) or gaps.get(each.id) or each.id in by_callbacks
        ]
        eyes = {each.id for each in troubled}
        known.sort(key=lambda each: (each.id not in eyes, each.id))
        self.desk.show(
            req,
            resp,
            "providers.html",
            providers=known,
            standings=standings,
            gaps=gaps,
            trends=trends,
            low=low,
            refused=refused,
            news={name: list(news(each)) for name, each in watches.items()},
            troubled=troubled,
            state=state,
        )


def is_well(gauge: ProviderGauge) -> bool:
    """Whether nothing of it needs eyes."""
    return gauge.is_up and not gauge.is_paused and gauge.has_balance and not gauge.is_low


#: By what keeps orders from a provider, its symbol and its word.
STATES = {
    "person paused": ("person", "Paused"),
    "no balance": ("fail", "No balance"),
    "account": ("fail", "Refuses our account"),
    "credentials": ("fail", "Rejects our credentials"),
    "down": ("fail", "Down"),
}


def state(gauge: ProviderGauge) -> tuple[str, str]:
    """Its symbol and its word."""
    if found := troubles.obstacle(gauge):
        return STATES[found]
    return ("person", "Balance low") if gauge.is_low else ("ok", "Up")


def curves(now: datetime) -> dict[str, Balance]:
    """The balance of each provider over the last CURVE_HOURS. Needs an open session."""
    return {
        name: Balance(
            charts.line("Balance", values, trend.points[-1].currency or "count"), trend.lasts_seconds
        )
        for name, trend in balance_trend.every().items()
        if (values := _moved(trend, now))
    }


def _moved(trend: Trend, now: datetime) -> list[float | None]:
    """The values of the curve; none if fewer than two are known."""
    values = trend.values(now, CURVE_HOURS, CURVE_POINTS)
    return values if sum(each is not None for each in values) > 1 else []


def news(watch: Watch | None) -> Iterator[News]:
    """What a person should look at in a watched catalogue."""
    text = watch.attention if watch and watch.attention else ""
    found = list(NEWS.finditer(text))
    for place, each in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        named = text[each.end() : end].removesuffix(")")
        yield News(CHANGES[each["change"]], int(each["count"]), named)


def is_stale(watch: Watch) -> bool:
    """Whether a watched catalogue was not read for too long."""
    return watch.age_seconds > STALE_SECONDS
