"""What providers sent: each callback with its request, and settling it again."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import falcon

from gateway import broker
from gateway.callbacks import replaying
from gateway.callbacks.replaying import Replayed
from gateway.fulfilment import deeds
from gateway.fulfilment.worker import BULK, CHECK
from gateway.said import Said
from gateway.web import schemas
from gateway.web.ops import filters, visitors
from gateway.web.ops.counting import counted, counted_in_time
from gateway.web.ops.desk import Page, begun_once, form_of, go
from gateway.web.ops.order import order_of, request_of
from gateway.web.ops.refused import Refused
from models import bulk, bulk_messages, inbox, provider, timeline
from models.bulk import What
from models.db import database
from models.db.database import Use
from models.inbox import Filter, Kept, Place, WholeCallback
from models.person import Role

#: Callbacks of a page.
PAGE = 50
#: Results for which a replay may change something.
WAITING = (Kept.UNMATCHED, Kept.INVALID)


class Callbacks(Page):
    """The list, newest first; and a replay of all that match."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._show(req, resp, filters.given(req))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form, chosen = req.context.form, self._chosen(req.context.form)
        wanted = self._wanted(chosen)
        reason = form.get("reason", "").strip()
        if not deeds.is_reason(reason) or wanted.result not in WAITING:
            self._show(req, resp, form, status=409, wrong="Say why, in words.")
            return
        last_id = form.get("last", "")
        if not last_id.isdecimal() or len(last_id) > 18:
            raise Refused(400, Said("the form cannot be read"))
        with begun_once(), database.session(Use.LIST), counted_in_time():
            upto = replace(wanted, last_id=int(last_id))
            extent = inbox.extent(upto, within_ms=database.LIST_TIMEOUT_MS)
            if extent is None:
                self._show(req, resp, chosen, status=409, wrong="None of them is left to be replayed.")
                return
            by = req.context.visitor.name
            bulk_id = bulk_messages.begin_replay(
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
        raise go(f"{visitors.ROOT}/bulk/{bulk_id}")

    def _chosen(self, given: dict[str, str]) -> dict[str, str]:
        """The filters that can be read."""
        found = {
            name: given.get(name, "").strip()[: filters.MOST] for name in ("provider", "result", "since")
        }
        if found["result"] not in list(Kept):
            found["result"] = ""
        common = filters.read(found, self.desk.settings.timezone)
        return {name: value for name, value in found.items() if value and name not in common.wrong}

    def _wanted(self, chosen: dict[str, str]) -> Filter:
        since = filters.read(chosen, self.desk.settings.timezone).wanted.created_after
        result = Kept(chosen["result"]) if "result" in chosen else None
        return Filter(chosen.get("provider"), result, None, since)

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        given: dict[str, str],
        *,
        status: int = 200,
        wrong: str | None = None,
    ) -> None:
        chosen = self._chosen(given)
        wanted = self._wanted(chosen)
        with database.session(Use.LIST):
            found = inbox.page(wanted, PAGE + 1, behind=_place(given.get("after", "")))
            providers = sorted(provider.ids())
            running = bulk.running(What.CALLBACKS)
        count = counted(
            lambda within_ms: inbox.extent(wanted, within_ms=within_ms) if wanted.result in WAITING else None
        )
        last = found[PAGE - 1] if len(found) > PAGE else None
        following = last and urlencode(
            {**chosen, "after": schemas.as_cursor([last.received_at.isoformat(), last.id])}
        )
        self.desk.show(
            req,
            resp,
            "callbacks.html",
            status=status,
            callbacks=found[:PAGE],
            chosen=chosen,
            without=filters.without_each(chosen),
            providers=providers,
            results=list(Kept),
            following=following,
            count=count,
            running=running,
            wrong=wrong,
        )


class Callback(Page):
    """One callback: what came over the wire, masked; what it did; and a replay."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response, callback_id: str) -> None:
        self._show(req, resp, callback_id)

    def on_post(self, req: falcon.Request, resp: falcon.Response, callback_id: str) -> None:
        reason = req.context.form.get("reason", "").strip()
        if not deeds.is_reason(reason):
            self._show(req, resp, callback_id, status=409, wrong="Say why, in words.")
            return
        with database.session(Use.REQUEST):
            found = _find(callback_id)
            by = req.context.visitor.name
            [done] = replaying.for_person([found], reason, by, self.desk.settings.order_timeout)
        if done.order_id:
            broker.wake(CHECK, done.order_id)
        broker.wake_notifier()
        self.desk.forget_counts()
        self._show(req, resp, callback_id, done=done)

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        callback_id: str,
        *,
        status: int = 200,
        wrong: str | None = None,
        done: Replayed | None = None,
    ) -> None:
        with database.session(Use.LIST):
            found = _find(callback_id)
            order = order_of(found)
            values: dict[str, Any] = {
                "callback": found,
                "order": order,
                "request": request_of(found, order),
                "events": [timeline.masked(each) for each in inbox.events(found)],
            }
        self.desk.show(req, resp, "callback.html", status=status, wrong=wrong, done=done, **values)


def _find(callback_id: str) -> WholeCallback:
    """Raises a 404."""
    is_id = callback_id.isdecimal() and len(callback_id) < 19
    found = inbox.find([int(callback_id)]) if is_id else []
    if not found:
        raise Refused(404, Said("no callback has this number; it may be past its retention"))
    return found[0]


def _place(text: str) -> Place | None:
    """Where the page begins; the first page if that cannot be read."""
    try:
        at, callback_id = schemas.read_place(text)
        return Place(datetime.fromisoformat(at), int(callback_id))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
