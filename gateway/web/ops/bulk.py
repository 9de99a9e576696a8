"""Actions on all that match: first how many, then a reason, then progress that stays."""

from collections.abc import Mapping
from typing import Any

import falcon

from gateway import broker, log
from gateway.fulfilment import deeds
from gateway.fulfilment.deeds import IN_BULK, Action
from gateway.fulfilment.worker import BULK
from gateway.said import Said
from gateway.web.ops import filters, language, sentences, visitors
from gateway.web.ops.counting import counted_in_time
from gateway.web.ops.desk import Page, begun_once, form_of, go
from gateway.web.ops.filters import Chosen
from gateway.web.ops.order import BUTTONS
from gateway.web.ops.refused import Refused
from models import bulk, listing, provider
from models.bulk import Changed
from models.db import database
from models.db.database import Use
from models.listing import Count
from models.person import Role

logger = log.get(__name__)

#: Actions that a list has.
PAGE = 50
#: Orders that are counted without being asked to at most, and for how many seconds.
MOST_COUNTED, COUNT_SECONDS = 100_000, 0.1


class New(Page):
    """The sheet: what will happen to how many orders. Every order is counted."""

    least = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        timezone = self.desk.settings.timezone
        chosen = filters.of_request(req, timezone)
        if chosen.values and not chosen.wrong:
            chosen = filters.standing_still(chosen, timezone, language.now())
        action = req.get_param("action") or ""
        opened = action if action in list(IN_BULK) else None
        self._show(req, resp, chosen, opened=opened, is_whole=req.get_param("all") == "1")

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = req.context.form
        chosen = filters.read(form, self.desk.settings.timezone)
        action, reason = form.get("action", ""), form.get("reason", "").strip()
        expected = form.get("count", "")
        if action not in list(IN_BULK) or not expected.isdecimal() or len(expected) > 9:
            raise Refused(400, Said("the form cannot be read"))
        if not deeds.is_reason(reason):
            self._show(req, resp, chosen, status=409, opened=action, wrong="Say why, in words.")
            return
        options = {"provider_id": form.get("to") or None, "may_buy_twice": form.get("may_buy_twice") == "yes"}
        try:
            with begun_once(), database.session(Use.LIST), counted_in_time():
                bulk_id = bulk.begin(
                    _about(chosen).about,
                    self.desk.limits,
                    int(expected),
                    action=action,
                    reason=reason,
                    by=req.context.visitor.name,
                    shown=chosen.values,
                    options=options if action == Action.RESEND else {},
                    whose=req.context.visitor.whose,
                    form=form_of(req),
                )
        except Changed:
            wrong = "The orders are not as many as a moment ago. Nothing was done; look at the number again."
            self._show(req, resp, chosen, status=409, opened=action, wrong=wrong)
            return
        broker.wake(BULK, str(bulk_id))
        self.desk.forget_counts()
        raise go(f"{visitors.ROOT}/bulk/{bulk_id}")

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        chosen: Chosen,
        *,
        status: int = 200,
        opened: str | None = None,
        wrong: str | None = None,
        is_whole: bool = True,
    ) -> None:
        count = self._count(_about(chosen), is_whole=is_whole)
        with database.session(Use.LIST):
            providers = sorted(provider.ids())
        usual = sentences.advice(chosen.kind).bulk if chosen.kind else ("check",)
        ordered = sorted(IN_BULK, key=lambda each: (each not in usual, IN_BULK.index(each)))
        self.desk.show(
            req,
            resp,
            "bulk_new.html",
            status=status,
            chosen=chosen,
            count=count.number,
            is_least=count.is_least,
            buttons=[BUTTONS[each] for each in ordered],
            opened=opened or ordered[0],
            wrong=wrong,
            providers=providers,
        )

    def _count(self, chosen: Chosen, *, is_whole: bool) -> Count:
        """How many are meant; unless the person waits for it, only as far as can be counted in a moment."""
        if not is_whole and chosen.kind is None:
            return listing.count(chosen.wanted, chosen.view, MOST_COUNTED, within_seconds=COUNT_SECONDS)
        with database.session(Use.LIST), counted_in_time():
            return Count(bulk.count(chosen.about, self.desk.limits), is_least=False)


class Bulks(Page):
    """The last ones."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with database.session(Use.LIST):
            found = bulk.newest(PAGE)
        self.desk.show(req, resp, "bulks.html", found=found)


class Bulk(Page):
    """One of them: how far it is, what was refused and why; it can be stopped, and gone on with."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response, bulk_id: str) -> None:
        with database.session(Use.LIST):
            values = _one(bulk_id)
        self.desk.show(req, resp, "bulk.html", **values)

    def on_post(self, req: falcon.Request, resp: falcon.Response, bulk_id: str) -> None:
        with database.session(Use.REQUEST):
            found = _one(bulk_id)["bulk"]
            is_stop, visitor = req.context.form.get("to") == "stop", req.context.visitor
            is_changed = bulk.stop(found.id) if is_stop else bulk.go_on(found.id, visitor.name, visitor.whose)
        if is_changed:
            what = "stopped" if is_stop else "gone on with"
            logger.info(
                f"A person has {what} an action on many.",
                action="bulk_stopped" if is_stop else "bulk_continued",
                bulk_id=found.id,
                by=visitor.name,
            )
        if is_changed and not is_stop:
            broker.wake(BULK, str(found.id))
        raise go(f"{visitors.ROOT}/bulk/{found.id}")


def _one(bulk_id: str) -> Mapping[str, Any]:
    """Raises a 404."""
    found = bulk.find(int(bulk_id)) if bulk_id.isdecimal() and len(bulk_id) < 19 else None
    if found is None:
        raise Refused(404, Said("no bulk action has this number"))
    return {"bulk": found, "refused": bulk.refused(found.id)}


def _about(chosen: Chosen) -> Chosen:
    """The same. Raises a 400 without a filter, which would mean every order there is, or with one that is wrong."""
    if not chosen.values or chosen.wrong:
        raise Refused(400, Said("choose which orders are meant: filter the list first"))
    return chosen
