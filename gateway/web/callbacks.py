"""Callbacks: providers tell us, and the outcome is committed before they get their 2xx."""

import json
from collections.abc import Callable, Sequence

import falcon

from gateway import log
from gateway.providers import inbound
from gateway.settings import Settings
from gateway.signatures import BadSignature
from gateway.web.batching import Batcher
from gateway.web.cache import Cache
from gateway.web.errors import Problem
from models import inbox, order, provider
from models.db import database
from models.db.text import is_storable
from models.outcome import Arrival
from models.provider import Provider
from models.status import Result

logger = log.get(__name__)

#: What a callback with several orders answers: the first of these that any of them got.
TELLING = (Result.CONFLICT, Result.APPLIED, Result.STALE, Result.DUPLICATE, Result.UNMATCHED)
#: What a callback with one order answers, ready to be sent.
ANSWERS = {result: json.dumps({"result": result.value}).encode() for result in TELLING}
#: Seconds until a changed provider is seen by those who would be let in by the old one, and by those who would not.
REMEMBER_SECONDS, LOOK_AGAIN_SECONDS = 2, 0.1


class Callbacks:
    """One endpoint for each configured provider; its adapter verifies and reads its format.

    A request has no connection of its own: what comes at once is settled together.
    """

    needs_body = True

    def __init__(self, settings: Settings, pause: Callable[[], None]) -> None:
        self._settings = settings
        self._providers = Cache(provider.find, REMEMBER_SECONDS)
        # The inbox takes a callback once, however often it is settled.
        self._batcher = Batcher(self._settle, order.MAX_BATCH, may_repeat=lambda error: True, pause=pause)

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str, token: str | None = None
    ) -> None:
        account = self._account(provider_id)
        log.bind(provider_id=account.id)
        received = self._receive(account, _as_request(req, token))
        settled = self._batcher.run(received.arrivals)
        _log(settled)
        _answer(resp, received, settled)

    on_get = on_post

    def _settle(self, arrivals: Sequence[Arrival]) -> list[order.Settled]:
        with database.session():
            return order.settle(arrivals, order_timeout_seconds=self._settings.order_timeout)

    def _account(self, provider_id: str, max_age_seconds: float | None = None) -> Provider:
        """Raises a 404."""
        found = self._providers.get(provider_id, max_age_seconds) if is_storable(provider_id) else None
        if found is None:
            raise Problem(404, "there is no provider of this id")
        return found

    def _receive(self, account: Provider, request: inbound.CallbackRequest) -> inbound.Received:
        try:
            return self._read(account, request)
        except BadSignature as error:
            logger.warning("A callback was not accepted.", action="callback_refused", reason=str(error))
            raise Problem(401, str(error)) from None
        except inbound.Unreadable as error:
            with database.session():
                inbox.keep_invalid(account.id, error.dedupe_key, error.raw, str(error))
            logger.warning("A callback could not be read.", action="callback_invalid", reason=str(error))
            raise Problem(400, f"{error}; it is kept in the inbox") from None

    def _read(self, account: Provider, request: inbound.CallbackRequest) -> inbound.Received:
        """A signature that is bad is looked at once more: the provider's secret may be new."""
        trust_seconds = self._settings.callback_trust
        try:
            return inbound.receive(account, request, trust_seconds=trust_seconds)
        except BadSignature:
            now = self._account(account.id, LOOK_AGAIN_SECONDS)
            return inbound.receive(now, request, trust_seconds=trust_seconds)


def _as_request(req: falcon.Request, token: str | None) -> inbound.CallbackRequest:
    query = {name: value if isinstance(value, str) else value[-1] for name, value in req.params.items()}
    return inbound.CallbackRequest(req.method, token, query, req.headers_lower, req.context.body)


def _log(settled: Sequence[order.Settled]) -> None:
    """What a callback with one order did stands in the line of its request; several get a line each."""
    if len(settled) == 1:
        log.bind(order_id=settled[0].order_id, result=settled[0].result.value)
    for one in settled:
        if one.result is Result.CONFLICT or one.late:
            _tell(logger.warning, one)
        elif len(settled) > 1:
            _tell(logger.info, one)


def _tell(level: Callable[..., None], one: order.Settled) -> None:
    level(
        "Callback settled.",
        action="callback",
        order_id=one.order_id,
        result=one.result.value,
        late=one.late,
    )


def _answer(resp: falcon.Response, received: inbound.Received, settled: Sequence[order.Settled]) -> None:
    results = [one.result for one in settled]
    telling = next(result for result in TELLING if result in results)
    if telling is Result.UNMATCHED:
        resp.status = falcon.HTTP_202
    elif received.acknowledgement is not None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = received.acknowledgement
        return
    if len(results) == 1:
        resp.content_type, resp.data = falcon.MEDIA_JSON, ANSWERS[telling]
    else:
        resp.media = {"result": telling.value, "results": _each(received.arrivals, results)}


def _each(arrivals: Sequence[Arrival], results: Sequence[Result]) -> list[dict[str, str | None]]:
    pairs = zip(arrivals, results, strict=True)
    return [{"provider_referans": one.outcome.referans, "result": result.value} for one, result in pairs]
