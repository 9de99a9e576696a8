"""What the storefront was told: each notification with its tries, and telling it again."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import falcon

from gateway import broker, log, shown
from gateway.fulfilment import deeds
from gateway.fulfilment.worker import BULK
from gateway.said import Said
from gateway.web.ops import filters, visitors
from gateway.web.ops.counting import counted, counted_in_time
from gateway.web.ops.desk import Page, begun_once, form_of, go
from gateway.web.ops.refused import Refused
from models import bulk, bulk_messages, outbox, timeline
from models.bulk import What
from models.db import database
from models.db.database import Use
from models.outbox import Filter, State, WholeNotification
from models.person import Role
from models.status import Source

logger = log.get(__name__)

#: Notifications of a page.
PAGE = 50
#: How each state looks.
SYMBOLS = {State.DELIVERED.value: "ok", State.WAITING.value: "wait", State.DEAD.value: "fail"}


class Notifications(Page):
    """The list, newest first, with the receivers that fail; and telling all that are dead again."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._show(req, resp, filters.given(req))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form, by = req.context.form, req.context.visitor.name
        if not deeds.is_reason(form.get("reason", "").strip()):
            self._show(req, resp, form, status=409, wrong="Say why, in words.")
            return
        if receiver := form.get("receiver"):
            with database.session(Use.REQUEST):
                outbox.enable(receiver)
            logger.info(
                "A person has enabled a receiver.",
                action="receiver_enabled",
                receiver=receiver,
                by=by,
                reason=form["reason"].strip(),
            )
            broker.wake_notifier()
            self._show(req, resp, form)
            return
        chosen, wanted = self._wanted(form)
        last_id = _number(form.get("last", ""))
        if last_id is None or not _may_be_redelivered(wanted):
            raise Refused(400, Said("the form cannot be read"))
        with begun_once(), database.session(Use.LIST), counted_in_time():
            extent = outbox.extent(replace(wanted, before_id=last_id + 1))
            if extent is None:
                self._show(req, resp, form, status=409, wrong="None of them is left to be redelivered.")
                return
            reason = form["reason"].strip()
            bulk_id = bulk_messages.begin_redelivery(
                wanted,
                extent.count,
                extent.last_id,
                reason=reason,
                by=by,
                shown=chosen,
                whose=req.context.visitor.whose,
                form=form_of(req),
            )
        broker.wake(BULK, str(bulk_id))
        self.desk.forget_counts()
        raise go(f"{visitors.ROOT}/bulk/{bulk_id}")

    def _wanted(self, given: Mapping[str, str]) -> tuple[dict[str, str], Filter]:
        """The filters that can be read, and what they mean."""
        chosen = {name: given.get(name, "").strip()[: filters.MOST] for name in ("state", "since")}
        if chosen["state"] not in list(State):
            chosen["state"] = ""
        read = filters.read(chosen, self.desk.settings.timezone)
        chosen = {name: value for name, value in chosen.items() if value and name not in read.wrong}
        states = (State(chosen["state"]),) if "state" in chosen else None
        return chosen, Filter(states, None, read.wanted.created_after)

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        given: Mapping[str, str],
        *,
        status: int = 200,
        wrong: str | None = None,
    ) -> None:
        chosen, wanted = self._wanted(given)
        with database.session(Use.LIST):
            found = outbox.page(replace(wanted, before_id=_number(given.get("before", ""))), PAGE + 1)
            standing, receivers = outbox.standing(), outbox.receivers()
            running = bulk.running(What.NOTIFICATIONS)
        count = counted(
            lambda within_ms: (
                outbox.extent(wanted, within_ms=within_ms) if _may_be_redelivered(wanted) else None
            )
        )
        following = urlencode({**chosen, "before": found[PAGE - 1].id}) if len(found) > PAGE else None
        self.desk.show(
            req,
            resp,
            "notifications.html",
            status=status,
            found=found[:PAGE],
            chosen=chosen,
            without=filters.without_each(chosen),
            following=following,
            standing=standing,
            receivers=receivers,
            count=count,
            running=running,
            symbols=SYMBOLS,
            wrong=wrong,
        )


class Notification(Page):
    """One of them: what it says, each try, and telling it again."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response, number: str) -> None:
        self._show(req, resp, number)

    def on_post(self, req: falcon.Request, resp: falcon.Response, number: str) -> None:
        reason, by = req.context.form.get("reason", "").strip(), req.context.visitor.name
        if not deeds.is_reason(reason):
            self._show(req, resp, number, status=409, wrong="Say why, in words.")
            return
        with database.session(Use.REQUEST):
            found = _find(number)
            outbox.redeliver([found.id], by)
            timeline.record(found.order_id, Source.OPERATOR, f"redelivered: {reason}", by=by)
        broker.wake_notifier()
        self.desk.forget_counts()
        raise go(f"{visitors.ROOT}/notifications/{found.id}?done=redeliver")

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        number: str,
        *,
        status: int = 200,
        wrong: str | None = None,
    ) -> None:
        with database.session(Use.LIST):
            found = _find(number)
            tries = outbox.deliveries(found.id)
        values: dict[str, Any] = {
            "notification": found,
            "webhook_id": outbox.webhook_id(found),
            "target": _target(found.url or self.desk.settings.notify_url),
            "tries": tries[::-1],
            "body": _body(found),
            "is_redelivered": req.get_param("done") == "redeliver" and not wrong,
        }
        self.desk.show(req, resp, "notification.html", status=status, wrong=wrong, symbols=SYMBOLS, **values)


def _may_be_redelivered(wanted: Filter) -> bool:
    """Whether all of them may be: those that are given up; of those that are delivered, those of a time."""
    return wanted.states == (State.DEAD,) or (
        wanted.states == (State.DELIVERED,) and wanted.since is not None
    )


def _find(number: str) -> WholeNotification:
    """Raises a 404."""
    found = outbox.find(number) if number.isdecimal() else None
    if found is None:
        raise Refused(404, Said("no notification has this number; it may be past its retention"))
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _target(url: str | None) -> str | None:
    """Where it goes; of a query and of credentials, nothing is shown."""
    return log.mask(url.partition("?")[0].partition("#")[0]) if url else None


def _body(found: WholeNotification) -> str:
    """What it says, without codes."""
    document = {
        "type": found.type,
        "timestamp": shown.plain(found.created_at),
        "data": shown.show_order(outbox.order_of(found.payload)),
    }
    return json.dumps(document, ensure_ascii=False, indent=2)
