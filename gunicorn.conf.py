"""Every setting of the web server; `gunicorn gateway.app:app` finds this file by itself."""

import os
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from gateway import broker, log
from gateway.settings import load_or_exit

#: Seconds a client may pause within a request; a half-sent one would hold its thread for ever (gunicorn #2086).
READ_TIMEOUT_SECONDS = 3

#: Threads that wait for clients to take their last answer.
CLOSERS = 8

settings = load_or_exit()
log.configure(settings)


class RootLogger(Logger):
    """Hands gunicorn's lines to the root logger, where secrets are masked."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        if isinstance(sys.exception(), BlockingIOError):
            self.info("A client paused for too long within its request.")
        else:
            super().exception(msg, *args, **kwargs)


class Gthread(ThreadWorker):
    """Waits for a client to take its last answer in a thread, and not where new connections are accepted.

    gunicorn's lingers there for up to two seconds, in which the whole process stands still.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._closers = ThreadPoolExecutor(max_workers=CLOSERS, thread_name_prefix="closer")

    def finish_request(self, conn: Any, fs: Any) -> None:
        close = conn.close

        def elsewhere(graceful: bool = False) -> None:
            if graceful:
                self._closers.submit(close, graceful=True)
            else:
                close()

        conn.close = elsewhere
        super().finish_request(conn, fs)


logger_class = RootLogger
loglevel = settings.log_level
# One line per request comes from the application, with its ids; gunicorn's would be a second.
accesslog = None

bind = f"0.0.0.0:{settings.port}"
workers = settings.web_concurrency
# Requests wait for the database and not for the processor: threads, twice the pool of 4 connections per process.
worker_class = Gthread
threads = 8
# Connections per process, idle ones included; the next ones wait in the backlog.
worker_connections = 1000
backlog = 512

# Seconds without a heartbeat; threads do not stop it, so this finds a process that hangs as a whole.
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
# Heartbeat files in memory, where the disk cannot hold a worker up.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


def when_ready(server: Arbiter) -> None:
    """Connections inherit the listener's read timeout."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", READ_TIMEOUT_SECONDS, 0)
        )


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """The last hints to the workers still go out."""
    broker.drain(timeout_seconds=1)
