"""An order: its story on one screen, and what can be done about it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import falcon

from gateway import broker, log, providers
from gateway.callbacks import masked
from gateway.fulfilment import deeds
from gateway.fulfilment.deeds import Action, Deed
from gateway.said import Said, said_by
from gateway.web.ops import notifications, sentences, story, visitors
from gateway.web.ops.desk import Page, go
from gateway.web.ops.provider import STRATEGIES
from gateway.web.ops.refused import Refused
from models import code_lines, facts, inbox, lookup, order, outbox, provider, resolving, route, timeline
from models.api_key import Scope
from models.code_lines import InvalidLine
from models.db import database, sealed
from models.db.database import Use
from models.facts import Facts
from models.order import Order as Placed
from models.order import count_codes
from models.person import Role
from models.resolving import NotPossible, Prospects
from models.route import Alternative
from models.status import Attention, ExternalStatus
from models.tenants import EVERYTHING
from models.timeline import Event

#: Events of a timeline that are shown at most: the first and the last ones; and callbacks, the newest ones.
FIRST_EVENTS, LAST_EVENTS, MOST_CALLBACKS = 40, 160, 20


#: Characters of requests that are masked for one page at most, but for those of the first: 64 KiB take 60 ms, in which
#: the process does nothing else.
MOST_SHOWN = 30_000


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done, in English."""

    action: Action
    text: str
    hint: str
    is_danger: bool = False


BUTTONS = {
    Action.CHECK: Button(Action.CHECK, "Check now", "ask the provider"),
    Action.ACCEPT: Button(Action.ACCEPT, "Accept what came last", "it becomes the outcome"),
    Action.DISMISS: Button(Action.DISMISS, "Dismiss", "it stays as it is"),
    Action.COMPLETE: Button(Action.COMPLETE, "Complete with codes", "you have them"),
    Action.RESEND: Button(Action.RESEND, "Resend", "to a provider, again"),
    Action.FAIL: Button(Action.FAIL, "Fail", "the storefront refunds", is_danger=True),
    Action.REVERSE: Button(Action.REVERSE, "Reverse", "delivered, taken back", is_danger=True),
    Action.NOTE: Button(Action.NOTE, "Add a note", "only people here see it"),
}
#: What can be done right beneath the first sentence, at most.
MOST_FIRST = 2
#: What is said once it is done, in English.
DONE = {
    Action.CHECK: "The provider is being asked. Load the page again in a moment.",
    Action.ACCEPT: "What came last is the outcome now.",
    Action.DISMISS: "The order stays as it is, and needs no person.",
    Action.COMPLETE: "The order is completed.",
    Action.RESEND: "The order is being sent again.",
    Action.FAIL: "The order has failed.",
    Action.REVERSE: "The order is reversed.",
    Action.NOTE: "The note stands on the timeline.",
}
#: What the event of an outcome begins with that was kept as a conflict.
CONFLICT = "conflict: "
#: Kinds that a missing code explains.
INCOMPLETE = (Attention.NO_CODE, Attention.PARTIAL)
#: Notifications that may be told again.
AGAIN = (outbox.State.DEAD, outbox.State.DELIVERED)
#: Reasons that are suggested, in English.
REASONS = ("The customer asks", "The provider confirmed it", "Found in the provider's panel", "To be sure")


@dataclass(frozen=True, slots=True)
class ShownCallback:
    """A callback, with what came over the wire."""

    callback: inbox.Callback
    #: As JSON, masked; None if it cannot be opened.
    request: str | None
    #: It has a page of its own: to mask all of them here would take too long.
    is_elsewhere: bool = False


class Order(Page):
    """The page of an order."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        done = req.get_param("done") or ""
        said = DONE[Action(done)] if done in list(Action) else None
        show(self, req, resp, order_id, done=said)


class Decide(Page):
    """Something that a person does about an order."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str, action: str) -> None:
        if action not in list(Action):
            raise falcon.HTTPNotFound
        form, wanted = req.context.form, Action(action)
        try:
            with database.session(Use.REQUEST):
                found = find(self, order_id)
                wakes = deeds.carry_out(_deed(req, wanted), found.id, self.desk.limits)
        except (NotPossible, InvalidLine, sealed.Unsealable) as error:
            show(self, req, resp, order_id, status=409, wrong=said_by(error), given=form, opened=wanted)
            return
        if wakes:
            broker.wake(wakes, found.id)
        broker.wake_notifier()
        self.desk.forget_counts()
        raise go(f"{visitors.ROOT}/orders/{found.id}?done={wanted.value}")


class Codes(Page):
    """The codes of an order, asked for by a press of their own; the reading stands on the timeline."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        visitor = req.context.visitor
        if not visitor.may_read_codes:
            raise Refused(403, Said("this key does not have the scope {scope}", scope=Scope.PINS_READ.value))
        with database.session(Use.REQUEST):
            found = find(self, order_id)
            kept, wholes = resolving.codes(found.id), timeline.wholes(found.id)
            if kept or wholes:
                resolving.record_reading(found.id, by=visitor.name, where="on the ops page")
        self.desk.show(req, resp, "codes.html", order=found, kept=kept, wholes=wholes)


def find(page: Page, order_id: str) -> Placed:
    """The order with this id, of whatever tenant. Raises a 404."""
    found = lookup.by_id(order_id, EVERYTHING, page.desk.limits)
    if found is None:
        raise Refused(
            404, Said("no order has this id; the search finds it by anything else that you know of it")
        )
    log.bind(order_id=found.id)
    return found


def show(
    page: Page,
    req: falcon.Request,
    resp: falcon.Response,
    order_id: str,
    *,
    status: int = 200,
    done: str | None = None,
    wrong: str | None = None,
    given: dict[str, str] | None = None,
    opened: Action | None = None,
) -> None:
    """The page of an order, after something was done or could not be."""
    with database.session(Use.LIST):
        found = find(page, order_id)
        asking = providers.asking_of(found.provider_id)
        known, prospects = facts.of(found.id, asking), resolving.prospects(found.id)
        events = [timeline.masked(each) for each in timeline.ends(found.id, FIRST_EVENTS, LAST_EVENTS)]
        values: dict[str, Any] = {
            "order": found,
            "facts": known,
            "prospects": prospects,
            "price": facts.prices([found.id]).get(found.id),
            "verdict": sentences.verdict(found, known),
            "unasked": sentences.why_unasked(found, known, asking),
            "contradiction": _contradiction(found, events),
            "chapters": story.told(events),
            "choices": story.choices(events),
            "routes": _routes(found),
            "callbacks": list(_callbacks(found)),
            "notifications": (told := outbox.page(outbox.Filter(order_id=found.id), MOST_CALLBACKS)),
            "again": next((each for each in told if each.state in AGAIN), None),
            "buttons": (buttons := [BUTTONS[each] for each in possible(found, known, prospects)]),
            "first": [each for each in buttons if each.action is not Action.NOTE][:MOST_FIRST],
            "providers": sorted(provider.ids()),
        }
    page.desk.show(
        req,
        resp,
        "order.html",
        status=status,
        done=done,
        wrong=wrong,
        given=given or {},
        opened=opened,
        code_count=count_codes(found),
        reasons=REASONS,
        told_symbols=notifications.SYMBOLS,
        strategies=STRATEGIES,
        **values,
    )


def _contradiction(found: Placed, events: Sequence[Event]) -> str | None:
    """What came last and contradicts the order, in the provider's words; None if nothing does."""
    if found.attention != Attention.CONFLICT:
        return None
    told = (each.message or "" for each in reversed(events))
    return next((text.removeprefix(CONFLICT) for text in told if text.startswith(CONFLICT)), None)


def possible(found: Placed, known: Facts, prospects: Prospects) -> Iterator[Action]:
    """What can be done about the order as it is now; first what is done most."""
    is_conflict = found.attention == Attention.CONFLICT
    if is_conflict:
        yield from (Action.ACCEPT, Action.DISMISS)
    if known.can_be_asked:
        yield Action.CHECK
    is_dismissed = found.attention in RESTS and not is_conflict
    by_hand = [Action.DISMISS, Action.COMPLETE] if is_dismissed else [Action.COMPLETE]
    is_first = found.attention in INCOMPLETE and not known.can_be_asked
    yield from reversed(by_hand) if is_first else by_hand
    if prospects.may_be_resent:
        yield Action.RESEND
    if found.external_status not in (
        ExternalStatus.FAILED,
        ExternalStatus.REVERSED,
        ExternalStatus.COMPLETED,
    ):
        yield Action.FAIL
    if found.external_status == ExternalStatus.COMPLETED:
        yield Action.REVERSE
    yield Action.NOTE


#: Kinds that a dismissal ends; the others go by themselves, or wait for what a person finds.
RESTS = (
    *(Attention.CONFLICT, Attention.REVERSED, Attention.NO_CODE, Attention.TIMED_OUT),
    *("partial", "notification_dead"),
)


def _routes(found: Placed) -> list[Alternative]:
    """The routes that an order of its package may take, as they are now. Another system's orders have none here."""
    if not (found.product_id and found.package_id):
        return []
    return route.alternatives(
        found.product_id, found.package_id, tenant_id=found.tenant_id, order_id=found.id
    )


def _deed(req: falcon.Request, action: Action) -> Deed:
    """What the form says. Raises NotPossible, InvalidLine."""
    form = req.context.form
    reason = form.get("reason", "").strip()
    if not deeds.is_reason(reason):
        raise NotPossible(Said("say why, in words; up to {number} characters", number=deeds.MOST_REASON))
    return Deed(
        action,
        req.context.visitor.name,
        reason,
        seen=form.get("seen") or None,
        codes=tuple(code_lines.codes_in(form.get("codes", "").replace("\r", ""))),
        provider_id=form.get("provider") or None,
        may_buy_twice=form.get("may_buy_twice") == "yes",
    )


def _callbacks(found: Placed) -> Iterator[ShownCallback]:
    """The newest callbacks of the order, with their requests masked."""
    listed = inbox.page(inbox.Filter(order_id=found.id), MOST_CALLBACKS)
    whole = {each.id: each for each in inbox.find([each.id for each in listed])}
    left = MOST_SHOWN
    for each in listed:
        request = request_of(whole[each.id], found) if each.id in whole and left > 0 else None
        yield ShownCallback(each, request, is_elsewhere=left <= 0)
        left -= len(request or "")


def request_of(callback: inbox.WholeCallback, found: Placed | None) -> str | None:
    """What came over the wire, masked; None if it cannot be opened, or is not kept."""
    try:
        known = masked.known(callback, inbox.arrival(callback), found)
        return json.dumps(masked.raw(callback, known), ensure_ascii=False, indent=2)
    except sealed.Unsealable:
        return None


def order_of(callback: inbox.Callback) -> Placed | None:
    """The order that a callback is about."""
    return order.find(callback.order_id) if callback.order_id else None
