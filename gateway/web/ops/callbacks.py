"""What providers sent: each callback with its request, and settling it again."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import falcon

from gateway import broker
from gateway.callbacks import replaying
from gateway.callbacks.replaying import Replay, Replayed
from gateway.fulfilment import deeds
from gateway.web.ops import filters
from gateway.web.ops.desk import Page
from gateway.web.ops.order import order_of, request_of
from gateway.web.ops.refused import Refused
from models import inbox, provider, timeline
from models.db import database
from models.db.database import Use
from models.inbox import Filter, Kept, Place, WholeCallback
from models.person import Role
from models.status import Source

#: Callbacks of a page.
PAGE = 50
#: Callbacks that one press replays; the next press goes on behind them.
MOST_REPLAYED = 300
#: Results for which a replay may change something.
WAITING = (Kept.UNMATCHED, Kept.INVALID)


class Callbacks(Page):
    """The list, newest first; and a replay of all that match."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._show(req, resp, {name: value for name, value in req.params.items() if isinstance(value, str)})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form, chosen = req.context.form, self._chosen(req.context.form)
        wanted = self._wanted(chosen)
        reason = form.get("reason", "").strip()
        if not deeds.is_reason(reason) or wanted.result not in WAITING:
            self._show(req, resp, form, status=409, wrong="Say why, in words.")
            return
        after_id = int(form["behind"]) if form.get("behind", "").isdecimal() else 0
        with database.session(Use.REQUEST):
            done = list(self._replay(wanted, after_id, reason, req.context.visitor.name))
            extent = inbox.extent(wanted)
        became = Counter(each.after.value for each in done)
        is_all = len(done) < MOST_REPLAYED
        behind = None if is_all else done[-1].id
        self._show(req, resp, chosen, became=became, behind=behind, extent=extent)

    def _replay(self, wanted: Filter, after_id: int, reason: str, by: str) -> Iterator[Replayed]:
        """Up to MOST_REPLAYED of those that match now, oldest first."""
        extent = inbox.extent(wanted)
        left = MOST_REPLAYED
        while (
            extent
            and left
            and (found := inbox.between(wanted, after_id, extent.last_id, min(left, replaying.BATCH)))
        ):
            yield from replay(found, reason, by, self.desk.settings.order_timeout)
            after_id, left = found[-1].id, left - len(found)

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
        became: Counter[str] | None = None,
        behind: int | None = None,
        extent: inbox.Extent | None = None,
    ) -> None:
        chosen = self._chosen(given)
        wanted = self._wanted(chosen)
        with database.session(Use.LIST):
            found = inbox.page(wanted, PAGE + 1, behind=_place(given.get("after", "")))
            providers = sorted(provider.ids())
            if wanted.result in WAITING and extent is None:
                extent = inbox.extent(wanted)
        last = found[PAGE - 1] if len(found) > PAGE else None
        following = last and urlencode({**chosen, "after": _as_text(last.received_at, last.id)})
        self.desk.show(
            req,
            resp,
            "callbacks.html",
            status=status,
            callbacks=found[:PAGE],
            chosen=chosen,
            without={name: urlencode({k: v for k, v in chosen.items() if k != name}) for name in chosen},
            providers=providers,
            results=list(Kept),
            following=following,
            waiting=extent.count if extent else 0,
            can_replay=wanted.result in WAITING,
            wrong=wrong,
            became=became,
            behind=behind,
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
            [done] = replay([found], reason, by, self.desk.settings.order_timeout)
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


def replay(
    found: list[WholeCallback], reason: str, by: str, order_timeout_seconds: float
) -> Iterator[Replayed]:
    """Settle them again; those with another result now stand on the timelines of their orders, with name and reason."""
    for done in Replay(order_timeout_seconds).run(found):
        if done.changed:
            for now in inbox.find([done.id]):
                if now.order_id:
                    note = f"callback {done.id} replayed: {reason}"
                    timeline.record(now.order_id, Source.OPERATOR, note, by=by)
                    broker.wake("check_order_status", now.order_id)
        yield done
    broker.wake_notifier()


def _find(callback_id: str) -> WholeCallback:
    """Raises a 404."""
    is_id = callback_id.isdecimal() and len(callback_id) < 19
    found = inbox.find([int(callback_id)]) if is_id else []
    if not found:
        raise Refused(404, "no callback has this number; it may be past its retention")
    return found[0]


def _place(text: str) -> Place | None:
    """Where the page begins; the first page if that cannot be read."""
    try:
        at, callback_id = json.loads(base64.urlsafe_b64decode(text.encode()))
        return Place(datetime.fromisoformat(at), int(callback_id))
    except (ValueError, TypeError, OverflowError):
        return None


def _as_text(at: datetime, callback_id: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), callback_id]).encode()).decode()
