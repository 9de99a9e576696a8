"""Error tracking with Sentry: needs SENTRY_DSN and the extra, `pip install 'referans[sentry]'`."""

import importlib
import importlib.util
from typing import Any
from urllib.parse import urlsplit

from gateway import log
from gateway.settings import Settings

logger = log.get(__name__)


def configure(settings: Settings) -> None:
    """Report unhandled errors, masked like log lines. Call it before the broker is made, which sentry-sdk patches."""
    if settings.sentry_dsn is None:
        return
    if importlib.util.find_spec("sentry_sdk") is None:
        logger.warning("SENTRY_DSN is set, but `referans[sentry]` is not installed.", action="sentry_missing")
        return
    sentry_sdk = importlib.import_module("sentry_sdk")
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=lambda event, hint: _masked(event),
    )


def _masked(event: dict[str, Any]) -> dict[str, Any]:
    """Of a request, its method and the first segment of its path: more may be the token of a callback."""
    request = event.get("request")
    if isinstance(request, dict):
        path = urlsplit(str(request.get("url", ""))).path
        event = {**event, "request": {"method": request.get("method"), "url": log.first_segment(path)}}
    return dict(log.mask_event(None, "", event))
