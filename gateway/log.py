"""Log lines: a sentence, a stable `action` and ids, as JSON or for a console; secrets are always masked."""

import json
import logging
import os
import re
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from structlog.typing import EventDict, Processor

from gateway.settings import Settings

MASKED = "***"
#: The file descriptor of standard output.
STDOUT = 1
#: A value is masked if its name ends in one of these, at any depth.
SECRET_NAME = re.compile(
    r"(^|_)(pin|pin_?code|[sş]ifre|kod|bayi_?kodu|password|passwd|token|secret|credential|authorization"
    r"|api_?key|key|dsn|cookie)s?(_?\d{1,2})?$"
)
#: Word boundaries in a name: camelCase, and every character that is not a letter or digit.
SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
#: Secrets inside any text: fields of queries, headers, JSON and `repr`, callback paths, bearer tokens, webhook secrets,
#: our own keys, and the user part of a URL.
SECRET_TEXT = re.compile(
    r"""(?ix)
    (?P<field>
      (?: [sş]ifre(?:niz)? | token | secret | passw(?:or)?d | api[-_]?key | pin_?code | authorization
        | (?<![a-zçğıöşü]) (?: pin(?:iniz)? | kod(?:unuz)? | bayi_?kodu ) )
      (?: _?\d{1,2} )?
      \\*["']? \s* [=:] \s* (?: b(?=['"]) )? (?: (?:basic|bearer)\s+ )? )
    (?: \\*"[^"]*"? | \\*'[^']*'? | [^\s&"',;}\]]+ )
    | (?P<path> /callbacks/[^/\s?"']*/ ) [^\s?"']+
    | (?P<bearer> \bbearer\s+ ) [^\s"',]+
    | (?P<url> :// ) [^/\s@"']+ (?=@)
    | \b (?: whsec_ | rk_ ) [A-Za-z0-9+/=_-]{6,}
    """
)
#: Values in errors of PostgreSQL: a row or a key that it refuses, a value that it cannot read, and the part of the
#: statement that it quotes. A row ends where the next part of the error or of a traceback begins.
DATABASE_VALUE = re.compile(
    r"""(?x)
    (?P<row> Failing\ row\ contains\ ) [^\n]* (?: \n (?! \n | CONTEXT: | HINT: | LINE\ ) [^\n]* )*
    | (?P<key> Key\ \( [^\n()]* (?: \([^\n()]*\) [^\n()]* )* \)= ) [^\n]*
    | (?P<input> invalid\ input\ syntax\ for\ type\ [\w\ ]{1,40}:\ | malformed\ \w{1,40}\ literal:\ | Token\ ) "[^\n]*
    | (?P<line> (?: JSON\ data,\ line | LINE ) \ \d+:\ ) [^\n]*
    """
)
#: Fields of a line that tell of an error.
ERRORS = ("exception", "error")
#: Every text with a secret contains one of these; looking for them first is ten times faster than the pattern.
HINTS = ("ifre", "token", "pass", "secret", "api", "pin", "auth", "kod", "bearer", "://", "c_", "rk_")
#: A callback's path contains a token only if it continues after the provider's id.
TOKEN_PATH = re.compile(r"/callbacks/[^/\s?\"']*/", re.IGNORECASE)
#: A part of a path that is shown although nothing is known of it: shorter than any token of a callback.
HARMLESS_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
#: Ids on every line of this request or message. One variable, because structlog's own, one for each name, cost a third
#: of a line.
_ids: ContextVar[Mapping[str, Any]] = ContextVar("ids", default=MappingProxyType({}))
#: Length of the shortest text with a secret, `pin=1`, in characters.
SHORTEST = 5


def mask(text: str) -> str:
    """`text` with everything that looks like a secret masked."""
    return SECRET_TEXT.sub(_masked, text) if len(text) >= SHORTEST and _may_hold_secret(text) else text


def mask_error(text: str) -> str:
    """`mask` for the text or the traceback of an error: it may be PostgreSQL's, and quote a row or a statement."""
    return mask(DATABASE_VALUE.sub(_masked, text))


def first_segment(path: str) -> str:
    """All that is told of a path that no route takes: a callback's URL may be slightly wrong, and contain its token."""
    first = path.split("/")[1] if path.startswith("/") else ""
    return f"/{first if not first or HARMLESS_SEGMENT.fullmatch(first) else MASKED}"


def _may_hold_secret(text: str) -> bool:
    lower = text.lower()
    for hint in HINTS:  # a loop, because a generator costs more than the search itself
        if hint in lower:
            return True
    return "/callbacks/" in lower and TOKEN_PATH.search(lower) is not None


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
    return mask_error(value if isinstance(value, str) else str(value))


def mask_event(_: Any, __: str, event: EventDict) -> EventDict:
    """The last processor of every line before it is rendered."""
    texts = [value for value in event.values() if isinstance(value, str)]
    plain = len(texts) + sum(isinstance(value, (int, float)) or value is None for value in event.values())
    is_harmless = plain == len(event) and not any(map(_is_secret, event)) and event.keys().isdisjoint(ERRORS)
    if is_harmless and not _may_hold_secret("\n".join(texts)):
        return event
    return {name: _mask_value(name, value) for name, value in event.items()}


def _with_ids(_: Any, __: str, event: EventDict) -> EventDict:
    return {**_ids.get(), **event}


def _timestamp(zone: ZoneInfo, log_format: str) -> Processor:
    """ISO 8601 with its offset in JSON, `22:51:24.123 +03` on a console. The zone's rules are asked once a second."""

    @lru_cache(maxsize=2)
    def around_fraction(second: int) -> tuple[str, str]:
        at = datetime.fromtimestamp(second, zone)
        return (
            (f"{at:%H:%M:%S}", f" {at:%Z}")
            if log_format == "console"
            else (at.isoformat()[:19], at.isoformat()[19:])
        )

    def add(_: Any, __: str, event: EventDict) -> EventDict:
        second, fraction = divmod(time.time_ns(), 1_000_000_000)
        before, after = around_fraction(second)
        event["timestamp"] = f"{before}.{fraction // 1_000_000:03d}{after}"
        return event

    return add


class _Output:
    """A text stream without a buffer, which a signal's handler may use while the thread that it interrupts writes.

    Python's own streams refuse that, and the handler's line is lost. Here it follows the line that was interrupted.
    Used under the lock of its handler. A lone surrogate in a provider's text is escaped, so that the line is not lost.
    """

    def __init__(self, number: int) -> None:
        """Raises OSError for one that is closed: what this process opens next would get its number, and our lines."""
        os.fstat(number)
        self._number = number
        self._waiting: deque[bytes] = deque()
        #: The thread that writes; not just whether one does, because a process that is forked meanwhile must not wait.
        self._writer = 0

    def write(self, text: str) -> None:
        """Write all of it, also to a pipe that does not block. Raises OSError, and the text is dropped then."""
        self._waiting.append(text.encode("utf-8", "backslashreplace"))
        this = threading.get_ident()
        while self._waiting and self._writer != this:
            try:
                self._writer = this
                while self._waiting:  # again: a handler may have written all of it just before
                    self._write_all(self._waiting.popleft())
            finally:
                self._writer = 0

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._number, data) :]
            except BlockingIOError:
                select.select([], [self._number], [])


class _Handler(logging.StreamHandler[_Output]):
    """Loses a line that cannot be written (a full disk, a pipe whose reader has gone); what it tells of goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """`logging` would print the line, unmasked, to standard error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class _Line:
    """Writes lines that are already rendered; errors go through `logging`, where error tracking sees them."""

    def __init__(self, name: str, handler: _Handler) -> None:
        self.name = name
        self._handler = handler
        logger = logging.getLogger(name)
        self.error, self.critical = logger.error, logger.critical

    def info(self, line: str) -> None:
        with suppress(OSError), self._handler.lock or nullcontext():
            self._handler.stream.write(f"{line}\n")

    debug = warning = info


def _without_traceback(_: Any, __: str, event: EventDict) -> EventDict:
    return {name: value for name, value in event.items() if name != "exc_info"}


class _StderrLine:
    """Writes lines that are already rendered to what is standard error now."""

    def msg(self, line: str) -> None:
        with suppress(OSError):
            print(line, file=sys.stderr)

    debug = info = warning = error = critical = msg


def _rendered(render: Processor) -> Processor:
    def finish(logger: Any, method: str, event: EventDict) -> Any:
        if method in ("error", "critical"):
            return structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, event)
        return render(logger, method, mask_event(logger, method, event))

    return finish


def configure(settings: Settings) -> None:
    """Send every line of this process, those of libraries too, to standard output in one form.

    It replaces any earlier configuration, its own too.
    """
    shared: list[Processor] = [
        _with_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _timestamp(ZoneInfo(settings.timezone), settings.log_format),
        structlog.processors.format_exc_info,
    ]
    level = getattr(logging, settings.log_level.upper())
    # By its number, because in a worker dramatiq replaces `sys.stdout` by a pipe to standard error.
    handler = _Handler(_Output(STDOUT))
    render = _renderer(settings.log_format, os.isatty(STDOUT))
    structlog.configure(
        processors=[*shared, _rendered(render)],
        logger_factory=lambda name: _Line(name, handler),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _take_over_stdlib(shared, render, handler, level)


@contextmanager
def on_stderr() -> Iterator[None]:
    """While the block runs, lines of this process go to standard error, warnings and worse only.

    For a command, whose answer stands on standard output.
    """
    before = structlog.get_config()
    render = _renderer("console", colors=False)
    structlog.configure(
        processors=[
            _with_ids,
            structlog.stdlib.add_log_level,
            _without_traceback,
            mask_event,
            render,
        ],
        logger_factory=lambda name: _StderrLine(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _take_over_stdlib(shared: list[Processor], render: Processor, handler: _Handler, level: int) -> None:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_event,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("gunicorn.error", "gunicorn.access", "dramatiq", "periodiq", "peewee"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Statements contain secrets and personal data, so they are not logged at any level.
    logging.getLogger("peewee").setLevel(max(level, logging.INFO))


def _renderer(log_format: str, colors: bool) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
    return structlog.processors.JSONRenderer(serializer=lambda event, **_: encode(event))


def get(name: str) -> Any:
    """A logger: `logger.info("A sentence.", action="stable_name", order_id=…)`."""
    return structlog.get_logger(name)


def bind(**ids: Any) -> None:
    """Add ids to every further line of this request or message."""
    _ids.set({**_ids.get(), **ids})


def clear() -> None:
    """Remove the ids; called at the end of each request and message."""
    _ids.set({})


__all__ = [
    "bind",
    "clear",
    "configure",
    "first_segment",
    "get",
    "mask",
    "mask_error",
    "mask_event",
    "on_stderr",
]
