"""Providers: who is up, what keeps orders from one, its balance and whether that adds up, its routes."""

from typing import Any

import falcon

from gateway import log
from gateway.fulfilment import deeds
from gateway.web.ops import reports, visitors
from gateway.web.ops.desk import Page, go
from gateway.web.ops.refused import Refused
from models import balances, gauges, inbox, provider, provider_counts, provider_health, route, standing
from models.db import database
from models.db.database import Use
from models.gauges import ProviderGauge
from models.inbox import Filter
from models.person import Role
from models.provider_health import GATEWAY, Health

logger = log.get(__name__)

#: Routes and gaps that are shown of one provider.
MOST_ROUTES, MOST_GAPS = 100, 20


class Providers(Page):
    """All of them, those in trouble first."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with database.session(Use.LIST):
            known = gauges.providers()
            standings = standing.every()
            gaps = {each.provider_id: each.gaps for each in balances.standings()}
        known.sort(key=lambda each: (is_well(each) and not gaps.get(each.id), each.id))
        troubled = [each for each in known if not is_well(each) or gaps.get(each.id)]
        self.desk.show(
            req,
            resp,
            "providers.html",
            providers=known,
            standings=standings,
            gaps=gaps,
            troubled=troubled,
            state=state,
        )


class Provider(Page):
    """One of them; it is paused, resumed and its gaps are taken as seen here."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response, provider_id: str) -> None:
        self._show(req, resp, provider_id)

    def on_post(self, req: falcon.Request, resp: falcon.Response, provider_id: str) -> None:
        form, by = req.context.form, req.context.visitor.name
        reason, action = form.get("reason", "").strip(), form.get("action", "")
        if not deeds.is_reason(reason):
            self._show(req, resp, provider_id, status=409, wrong="Say why, in words.")
            return
        with database.session(Use.REQUEST):
            found = _find(provider_id)
            if action == "pause":
                provider_health.pause(found.id, reason, by)
            elif action == "resume":
                provider_health.resume(found.id, by)
            elif action == "acknowledge":
                balances.acknowledge(found.id, reason, by)
            elif action == "ask":
                balances.ask_soon(found.id)
            else:
                raise Refused(400, "the form cannot be read")
        logger.info(
            "A person has changed a provider.",
            action=f"provider_{action}",
            provider_id=found.id,
            by=by,
            reason=reason,
        )
        self.desk.forget_counts()
        raise go(f"{visitors.ROOT}/providers/{found.id}?done={action}")

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        provider_id: str,
        *,
        status: int = 200,
        wrong: str | None = None,
    ) -> None:
        with database.session(Use.LIST):
            found = _find(provider_id)
            [gauge] = [each for each in gauges.providers() if each.id == found.id]
            routes = [each for each in route.every() if each.provider_id == found.id]
            drawn, axis = reports.of_provider(found.id, self.desk.settings.timezone)
            values: dict[str, Any] = {
                "provider": found,
                "charts": drawn,
                "axis": axis,
                "gauge": gauge,
                "health": provider_health.health(found.id) or Health(),
                "balance": balances.standings(found.id)[0],
                "gaps": balances.gaps(found.id, MOST_GAPS),
                "counts": [each for each in provider_counts.last_hour() if each.provider_id == found.id],
                "last_callback": next(iter(inbox.page(Filter(found.id), 1)), None),
                "routes": routes[:MOST_ROUTES],
                "route_count": len(routes),
            }
        done = req.get_param("done") if not wrong else None
        said = DONE.get(done or "")
        self.desk.show(
            req,
            resp,
            "provider.html",
            status=status,
            wrong=wrong,
            done=said,
            state=state,
            own=GATEWAY,
            **values,
        )


#: What is said once it is done, in English.
DONE = {
    "pause": "It gets no new orders until it is resumed.",
    "resume": "It gets orders again. Those that wait for it are sent within a minute.",
    "acknowledge": "The gaps are taken as seen.",
    "ask": "The next sweep asks for the balance.",
}


def is_well(gauge: ProviderGauge) -> bool:
    """Whether nothing of it needs eyes."""
    return gauge.is_up and not gauge.is_paused and gauge.has_balance and not gauge.is_low


def state(gauge: ProviderGauge) -> tuple[str, str]:
    """Its symbol and its word."""
    if not gauge.is_up:
        return "fail", "Down"
    if gauge.is_paused:
        return "person", "Paused"
    if not gauge.has_balance:
        return "fail", "No balance"
    return ("person", "Balance low") if gauge.is_low else ("ok", "Up")


def _find(provider_id: str) -> Any:
    """The provider, without its credentials. Raises a 404."""
    found = provider.outline(provider_id)
    if found is None:
        raise Refused(404, "no provider has this id")
    return found
