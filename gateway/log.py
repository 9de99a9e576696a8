"""Log lines: a sentence, a stable `action` and ids, as JSON or for a console; secrets masked by construction."""

import logging
import re
import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor

from gateway.settings import Settings

MASKED = "***"
#: Whatever stands under a name like these is masked, at any depth.
SECRET_NAME = re.compile(
    r"(?i)^(.*_)?(pin|pin_?code|sifre|kod|password|passwd|token|secret|credentials?|authorization|api_?key|key|dsn)$"
)
#: What gives a secret away inside any text: query fields, callback paths, bearer and webhook secrets, keys, URLs.
SECRET_TEXT = re.compile(
    r"(?i)(?P<keep>\b(?:sifre|kod|bayi_kodu|token|pin|pin_?code|password|secret)(?:\"|')?\s*[=:]\s*(?:\"|')?)[^\s&\"',}]+"
    r"|(?P<path>/callbacks/[^/\s?]+/)[^\s?/\"']+"
    r"|(?P<bearer>\bbearer\s+)[^\s\"',]+"
    r"|(?P<url>://[^/\s:@]*:)[^@\s/]+(?=@)"
    r"|\b(?:whsec_|rk_)[A-Za-z0-9+/=_-]{6,}"
)


def mask(text: str) -> str:
    """`text` without what looks like a secret."""
    return SECRET_TEXT.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    kept = next((group for group in found.groupdict().values() if group), "")
    return kept + MASKED


def _mask_value(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return MASKED if SECRET_NAME.match(name) else mask(value)
    if isinstance(value, dict):
        return {key: _mask_value(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask_value(name, each) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return MASKED if SECRET_NAME.match(name) and value is not None else value
    return mask(str(value))


def mask_event(_: Any, __: str, event: EventDict) -> EventDict:
    """The processor that every line passes last before it is rendered."""
    return {name: _mask_value(name, value) for name, value in event.items()}


def _timestamp(zone: ZoneInfo) -> Processor:
    def add(_: Any, __: str, event: EventDict) -> EventDict:
        event["timestamp"] = datetime.now(zone).isoformat(timespec="milliseconds")
        return event

    return add


def configure(settings: Settings) -> None:
    """Send every line of this process, the libraries' too, to standard output in one form."""
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _timestamp(ZoneInfo(settings.timezone)),
        structlog.processors.format_exc_info,
    ]
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _take_over_stdlib(shared, settings.log_format, level)


def _take_over_stdlib(shared: list[Processor], log_format: str, level: int) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_event,
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("gunicorn.error", "gunicorn.access", "dramatiq", "periodiq", "peewee"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Statements carry what is sealed and who ordered what: never in a log, whatever the level.
    logging.getLogger("peewee").setLevel(max(level, logging.INFO))


def _renderer(log_format: str) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def get(name: str) -> Any:
    """A logger: `logger.info("A sentence.", action="stable_name", order_id=…)`."""
    return structlog.stdlib.get_logger(name)


def bind(**ids: Any) -> None:
    """Put ids on every further line of this request or message."""
    bind_contextvars(**ids)


def clear() -> None:
    """Forget them; called at the end of each request and message."""
    clear_contextvars()


__all__ = ["bind", "clear", "configure", "get", "mask", "mask_event"]
