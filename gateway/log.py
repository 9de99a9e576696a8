"""Log lines: a sentence, a stable `action` and ids, as JSON or for a console; secrets masked by construction."""

import logging
import re
from datetime import datetime
from functools import lru_cache
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor

from gateway.settings import Settings

MASKED = "***"
#: Whatever stands under a name that ends like these is masked, at any depth.
SECRET_NAME = re.compile(
    r"(^|_)(pin|pin_?code|[sş]ifre|kod|bayi_?kodu|password|passwd|token|secret|credential|authorization"
    r"|api_?key|key|dsn|cookie)s?$"
)
#: Where a name has a seam: camelCase, and whatever is neither letter nor digit.
SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
#: What gives a secret away inside any text: fields of queries, headers, JSON and `repr`, callback paths,
#: bearer tokens, webhook secrets, our own keys, and the user part of a URL.
SECRET_TEXT = re.compile(
    r"""(?ix)
    (?P<field>
      (?: [sş]ifre | token | secret | passw(?:or)?d | api[-_]?key | pin_?code | authorization
        | (?<![a-zçğıöşü]) (?: pin | kod | bayi_?kodu ) )
      \\*["']? \s* [=:] \s* (?: b(?=['"]) )? (?: (?:basic|bearer)\s+ )? )
    (?: \\*"[^"]*"? | \\*'[^']*'? | [^\s&"',;}\]]+ )
    | (?P<path> /callbacks/[^/\s?"']+/ ) [^\s?/"']+
    | (?P<bearer> \bbearer\s+ ) [^\s"',]+
    | (?P<url> :// ) [^/\s@"']+ (?=@)
    | \b (?: whsec_ | rk_ ) [A-Za-z0-9+/=_-]{6,}
    """
)
#: No secret is found without one of these; looking for them first is ten times faster than the pattern.
HINTS = (
    "ifre",
    "token",
    "pass",
    "secret",
    "api",
    "pin",
    "auth",
    "kod",
    "/callbacks/",
    "bearer",
    "://",
    "c_",
    "rk_",
)
#: Characters of the shortest text that can hold one, `pin=1`.
SHORTEST = 5


def mask(text: str) -> str:
    """`text` without what looks like a secret."""
    if len(text) < SHORTEST:
        return text
    lower = text.lower()
    if not any(hint in lower for hint in HINTS):
        return text
    return SECRET_TEXT.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    kept = next((group for group in found.groupdict().values() if group), "")
    return kept + MASKED


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return bool(SECRET_NAME.search("_".join(SEAM.split(name)).lower()))


def _mask_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(name):
        return MASKED
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, dict):
        return {key: _mask_value(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_mask_value(name, each) for each in value]
    return mask(value if isinstance(value, str) else str(value))


def mask_event(_: Any, __: str, event: EventDict) -> EventDict:
    """The processor that every line passes last before it is rendered."""
    return {name: _mask_value(name, value) for name, value in event.items()}


def _timestamp(zone: ZoneInfo) -> Processor:
    def add(_: Any, __: str, event: EventDict) -> EventDict:
        event["timestamp"] = datetime.now(zone).isoformat(timespec="milliseconds")
        return event

    return add


def configure(settings: Settings) -> None:
    """Send every line of this process, the libraries' too, to standard output in one form.

    Calling it again is harmless: it takes over from whatever was there.
    """
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
    handler = logging.StreamHandler(_standard_output())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_event,
                _renderer(log_format, handler.stream.isatty()),
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


def _standard_output() -> TextIO:
    """By its number: dramatiq replaces `sys.stdout` in a worker by a pipe that ends on standard error.

    Half a surrogate pair in a provider's text is escaped, and does not cost the line.
    """
    return open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _renderer(log_format: str, colors: bool) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
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
