"""Callbacks of providers over HTTP. An outcome is committed before its 2xx is sent."""

import json
import time
from collections.abc import Callable, Iterator, Sequence

import falcon

from gateway import broker, log, providers
from gateway.callbacks import allow_list, forms, reading
from gateway.callbacks.reading import Received
from gateway.callbacks.requests import CallbackRequest
from gateway.callbacks.verifiers import verifier_of
from gateway.counting import Counts
from gateway.measuring import CALLBACKS, SETTLING, Measures
from gateway.providers.base import AskNow, Reply, UnreadableCallback
from gateway.settings import Settings
from gateway.signatures import BadSignature
from gateway.web import problems
from gateway.web.addresses import client_address
from gateway.web.batching import Batcher
from gateway.web.cache import Cache, Snapshot
from gateway.web.errors import Problem
from gateway.web.limits import Limits
from gateway.web.waiting import Waiting
from models import inbox, order, plans, provider
from models.db import database
from models.db.database import Use
from models.inbox import Invalid, Kept
from models.outcome import Arrival
from models.provider import Provider
from models.provider_counts import Counted
from models.status import Result

logger = log.get(__name__)

#: The answer to a callback with several orders is the first of these that one of them got.
PRECEDENCE = (Result.CONFLICT, Result.APPLIED, Result.STALE, Result.DUPLICATE, Result.UNMATCHED)
#: The answer to a callback with one order, ready to be sent.
ANSWERS = {result: json.dumps({"result": result.value}).encode() for result in PRECEDENCE}
#: The answer to a message that only tries out the address.
REACHED = json.dumps({"result": "reached"}).encode()
#: The result of a callback that is only a reason to ask, and the answer to it.
ASKED = "asked"
ASK_ANSWER = json.dumps({"result": ASKED}).encode()
#: How a callback is counted that was not accepted, and one that only tries out the address.
REFUSED, TRIED = "refused", "reached"
#: Seconds until a changed provider is seen by callbacks that the former settings accept, and by those they refuse.
CACHE_SECONDS, LOOK_AGAIN_SECONDS = 2, 0.1


class NotAllowed(Exception):
    """The address is not on the provider's allow-list."""


class Callbacks:
    """One endpoint for each configured provider.

    A request has no database connection of its own: callbacks that come at the same time are settled together.
    """

    needs_body = True
    needs_key = False

    def __init__(
        self,
        settings: Settings,
        pause: Callable[[], None],
        counts: Counts,
        limits: Limits,
        waiting: Waiting,
        measures: Measures,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._waiting = waiting
        self._providers = Cache(provider.find, CACHE_SECONDS)
        self._ids = Snapshot(provider.ids, CACHE_SECONDS)
        self._counts = counts
        self._measures = measures
        # Settling a batch again is harmless: the inbox takes each callback once.
        self._batcher = Batcher(self._settle, order.MAX_BATCH, may_repeat=lambda error: True, pause=pause)

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str, token: str | None = None
    ) -> None:
        account = self._account(req, provider_id)
        req.context.provider_id = account.id
        log.bind(provider_id=account.id)
        received = self._receive(account, req, token)
        if received.ask:
            self._ask(account, received.ask, received, req, resp)
            return
        if not received.entries:
            self._measures.count(CALLBACKS, account.id, TRIED)
            _acknowledge(resp, received, REACHED)
            return
        if received.is_list:
            self._keep(account, received.invalid)
        settled = req.context.settled = self._batcher.run(received.arrivals)
        for one in settled:
            self._measures.count(CALLBACKS, account.id, one.result.value)
        self._waiting.tell(one.order_id for one in settled)
        broker.wake(
            "check_order_status",
            *(one.order_id for one in settled if one.order_id and one.ask_in_seconds is not None),
        )
        if any(one.told for one in settled):
            broker.wake_notifier()
        _log(settled)
        _answer(resp, received, settled)

    on_get = on_head = on_post

    def _ask(
        self,
        account: Provider,
        named: AskNow,
        received: Received,
        req: falcon.Request,
        resp: falcon.Response,
    ) -> None:
        """Have the provider asked for the order, and change nothing else. Of each order, once in some seconds."""
        asking = providers.asking(account.adapter)
        with database.session(Use.REQUEST):
            found = plans.request_named(account.id, named.referans, named.external_order_id, asking)
        self._measures.count(CALLBACKS, account.id, Result.UNMATCHED.value if found is None else ASKED)
        if found is None:
            if received.acknowledgement is None:
                resp.status = falcon.HTTP_202
            _acknowledge(resp, received, ANSWERS[Result.UNMATCHED])
            return
        order_id, is_planned = found
        req.context.asked_about = order_id
        log.bind(order_id=order_id, result=ASKED)
        if is_planned:
            broker.wake("check_order_status", order_id)
        _acknowledge(resp, received, ASK_ANSWER)

    def _keep(self, account: Provider, invalid: Sequence[reading.Unreadable]) -> None:
        """Keep what cannot be read, before anything else of the same callback is settled."""
        with database.session(Use.REQUEST):
            inbox.keep_invalid(account.id, [Invalid(one.dedupe_key, one.raw, str(one)) for one in invalid])
        if invalid:
            self._measures.count(CALLBACKS, account.id, Kept.INVALID.value, count=len(invalid))
        for each in invalid:
            logger.warning("A callback could not be read.", action="callback_invalid", reason=str(each))

    def _settle(self, arrivals: Sequence[Arrival]) -> list[order.Settled]:
        began = time.perf_counter()
        with database.session():
            settled = order.settle(arrivals, order_timeout_seconds=self._settings.order_timeout)
        self._measures.observe(SETTLING, time.perf_counter() - began, "web")
        return settled

    def _account(
        self, req: falcon.Request, provider_id: str, max_age_seconds: float | None = None
    ) -> Provider:
        """Raises a 404. However many unknown ids an address tries, it makes few of them be looked for."""
        found = None
        if self._providers.last(provider_id) or self._exists(req, provider_id):
            found = self._providers.get(provider_id, max_age_seconds)
        if found is None:
            self._limits.count_failure(req)
            raise Problem(problems.PROVIDER_NOT_FOUND, "provider not found")
        return found

    def _exists(self, req: falcon.Request, provider_id: str) -> bool:
        """A provider may have just been added."""
        return provider_id in self._ids.get(LOOK_AGAIN_SECONDS if self._limits.is_failing(req) else 0)

    def _receive(self, account: Provider, req: falcon.Request, token: str | None) -> Received:
        """Raises a 400, 401, 403 or 429."""
        try:
            return self._read(account, req, token)
        except BadSignature as error:
            self._limits.failure_from(req)
            self._count_refused(account, error)
            challenge = verifier_of(account).challenge
            raise Problem(problems.INVALID_SIGNATURE, str(error), WWW_Authenticate=challenge) from None
        except NotAllowed as error:
            self._count_refused(account, error)
            detail = "callbacks for this provider are not accepted from your address"
            raise Problem(problems.ADDRESS_NOT_ALLOWED, detail) from None
        except reading.Unreadable as error:
            self._keep(account, [error])
            raise Problem(
                problems.UNREADABLE_CALLBACK, f"{error}; the callback is kept in the inbox"
            ) from None

    def _count_refused(self, account: Provider, error: Exception) -> None:
        """It is not stored, only counted: anybody may send it."""
        logger.warning("A callback was not accepted.", action="callback_refused", reason=str(error))
        self._counts.add(account.id, Counted.CALLBACK_REFUSED, str(error))
        self._measures.count(CALLBACKS, account.id, REFUSED)

    def _read(self, account: Provider, req: falcon.Request, token: str | None) -> Received:
        """What is refused is looked at once more with fresh settings: the secret may have changed."""
        try:
            query = forms.parse(req.query_string.encode("latin-1", "replace")) if req.query_string else {}
        except UnreadableCallback as error:
            raise Problem(problems.UNREADABLE_CALLBACK, str(error)) from None
        request = CallbackRequest(req.method, token, query, req.headers_lower, req.context.body, req.path)
        try:
            return self._read_as(account, req, request)
        except (BadSignature, NotAllowed):
            now = self._account(req, account.id, LOOK_AGAIN_SECONDS)
            return self._read_as(now, req, request)

    def _read_as(self, account: Provider, req: falcon.Request, request: CallbackRequest) -> Received:
        if account.callback_allow:
            address = client_address(req, self._settings.trusted_proxies)
            if not allow_list.allows(account.callback_allow, address):
                raise NotAllowed(f"the address {address!r} is not on the allow-list")
        return reading.receive(account, request, trust_seconds=self._settings.callback_trust)


def _log(settled: Sequence[order.Settled]) -> None:
    """One order is logged with its request; several get a line each."""
    if len(settled) == 1:
        log.bind(order_id=settled[0].order_id, result=settled[0].result.value)
    for one in settled:
        if one.result is Result.CONFLICT or one.late:
            _log_one(logger.warning, one)
        elif len(settled) > 1:
            _log_one(logger.info, one)


def _log_one(level: Callable[..., None], one: order.Settled) -> None:
    level(
        "Callback settled.",
        action="callback",
        order_id=one.order_id,
        result=one.result.value,
        late=one.late,
    )


def _answer(resp: falcon.Response, received: Received, settled: Sequence[order.Settled]) -> None:
    results = [one.result for one in settled]
    first = next(result for result in PRECEDENCE if result in results)
    if received.acknowledgement is None and first is Result.UNMATCHED and not received.invalid:
        resp.status = falcon.HTTP_202
    if received.is_list:
        resp.media = {"result": first.value, "results": list(_each(received.entries, iter(results)))}
    else:
        _acknowledge(resp, received, ANSWERS[first])


def _acknowledge(resp: falcon.Response, received: Received, answer: bytes) -> None:
    """As the sender's protocol wants it, else `answer`."""
    if received.acknowledgement is None:
        resp.content_type, resp.data = falcon.MEDIA_JSON, answer
    else:
        reply: Reply = received.acknowledgement
        resp.status = falcon.code_to_http_status(reply.status)
        resp.content_type, resp.text = reply.content_type, reply.body


def _each(
    entries: Sequence[Arrival | reading.Unreadable], results: Iterator[Result]
) -> Iterator[dict[str, str | None]]:
    for entry in entries:
        if isinstance(entry, Arrival):
            yield {"provider_referans": entry.outcome.referans, "result": next(results).value}
        else:
            yield {"provider_referans": None, "result": Kept.INVALID.value, "detail": str(entry)}
