"""All settings of the web server; `gunicorn gateway.app:app` finds this file by itself."""

import gc
import os
import re
import sys
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.workers.base import Worker

from gateway import log, serving
from gateway.settings import load_or_exit

settings = load_or_exit()
log.configure(settings)


#: How gunicorn's line about a request that it cannot read begins.
INVALID = re.compile(r"Invalid request from ip=(?P<address>[^:\s]*(?::[^:\s]+)*):")


class RootLogger(Logger):
    """Passes gunicorn's lines to the root logger, which masks secrets."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def access(self, *args: object) -> None:
        """Nothing: the application logs each request itself, without what may be the token of a callback.

        `accesslog` alone does not keep it away: platforms set GUNICORN_CMD_ARGS="--access-logfile -".
        """

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Without the URL that gunicorn adds: it may contain the token of a callback."""
        if isinstance(sys.exception(), TimeoutError):
            self.info("A client paused too long within its request.")
        elif msg.startswith("Error handling request"):
            super().exception("A request failed.", **kwargs)
        else:
            super().exception(msg, *args, **kwargs)

    def warning(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Of a request that cannot be read, only why: gunicorn repeats the line, with all that is secret in it."""
        found = INVALID.match(msg)
        if found:
            reason = type(sys.exception()).__name__
            super().warning("A request from %s cannot be read: %s.", found["address"], reason, **kwargs)
        else:
            super().warning(msg, *args, **kwargs)


logger_class = RootLogger
loglevel = settings.log_level
accesslog = None

# `gateway dev` binds to the loopback addresses instead, by GUNICORN_CMD_ARGS.
bind = serving.addresses(settings.port)
workers = settings.web_concurrency
# Why greenlets: docs/decisions/0004-gevent-serves.md
worker_class = serving.Worker
# Connections per process, idle ones included. When nearly all are taken, the longest idle ones are closed.
worker_connections = serving.connections()
# Connections that wait to be accepted; beyond that the kernel drops them, and they come again after a second.
backlog = 2048

# Answers are buffered (`clients.Client`); a file sent by the kernel would overtake the buffer.
sendfile = False

# Seconds without a heartbeat after which a process is killed; anything that blocks the process stops the heartbeat.
timeout = 30
# Seconds to finish requests after SIGTERM; all processes have 25, and some of it is needed to exit.
graceful_timeout = 20
# Seconds between two requests; longer than the 90 of the router in front, so that it never uses a connection that was
# just closed. How long a request may take to arrive stands in `gateway/clients.py`.
keepalive = 95

# The parser that `serving.LenientRequest` extends; another one, where it is installed, would not ask it.
http_parser = "python"
# Bytes and headers; our longest URL is a cursor, and no proxy adds more than a few kilobytes.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# Each process opens its own database connections after the fork.
preload_app = False
# No other interface than HTTP.
control_socket_disable = True
# gunicorn itself trusts no proxy header; `gateway.web.addresses` reads X-Forwarded-For by TRUSTED_PROXIES.
forwarded_allow_ips = ""
# Heartbeat files in memory, so that a slow disk cannot delay a worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108


def pre_request(worker: Worker, req: Request) -> None:
    """gunicorn's own logs each path at level debug; the application logs it without what is secret in it."""


def when_ready(server: Arbiter) -> None:
    """Bound what the kernel keeps for connections; those that are accepted inherit it."""
    serving.bound_buffers(server.LISTENERS)


def post_worker_init(worker: Worker) -> None:
    """Exempt what exists now from garbage collection, which stopped a process for 40 ms now and then."""
    gc.collect()
    gc.freeze()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Send the last hints to the workers, and write what is left of measures."""
    from gateway import broker  # noqa: PLC0415 - above, it would be imported before the process is patched

    broker.drain(timeout_seconds=1)
    serving.leave()
