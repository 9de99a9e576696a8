"""Every setting of the web server; `gunicorn gateway.app:app` finds this file by itself."""

import gc
import os
import sys
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from gateway import log, serving
from gateway.settings import load_or_exit

settings = load_or_exit()
log.configure(settings)


class RootLogger(Logger):
    """Hands gunicorn's lines to the root logger, where secrets are masked."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        if isinstance(sys.exception(), TimeoutError):
            self.info("A client paused for too long within its request.")
        else:
            super().exception(msg, *args, **kwargs)


logger_class = RootLogger
loglevel = settings.log_level
# One line per request comes from the application, with its ids; gunicorn's would be a second.
accesslog = None

bind = f"0.0.0.0:{settings.port}"
workers = settings.web_concurrency
# Why greenlets: docs/decisions/0004-gevent-serves.md
worker_class = serving.Worker
# Connections per process, idle ones included; the next ones wait in the backlog.
worker_connections = 1000
backlog = 512

# Answers are held until they are whole (`serving.Client`), which a file that the kernel sends would overtake.
sendfile = False

# Seconds without a heartbeat, which stops when anything in a process blocks the whole of it.
timeout = 30
# Seconds to finish requests after SIGTERM, under the 25 that all processes have, leaving some to exit.
graceful_timeout = 20
# Seconds; longer than the 90 of the router in front, so that it never reuses a connection we just closed.
keepalive = 95

# Bytes and headers; our longest URL is a cursor, and no proxy adds more than a few kilobytes.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# Each process opens its own database connections, after the fork.
preload_app = False
# No second way in.
control_socket_disable = True
# Nobody's word on who or where the client is counts; nothing here asks.
forwarded_allow_ips = ""
# Heartbeat files in memory, where the disk cannot hold a worker up.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


def post_worker_init(worker: Worker) -> None:
    """What is there now stays; looking through it for garbage stopped everybody for 40 ms now and then."""
    gc.collect()
    gc.freeze()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """The last hints to the workers still go out."""
    from gateway import broker  # noqa: PLC0415 - importing it above would be before the process is patched

    broker.drain(timeout_seconds=1)
