"""HTTP servers of tests, each on a thread of its own."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Server = TypeVar("Server", bound=socketserver.TCPServer)

#: Seconds between two looks at whether the server is to stop.
POLL_SECONDS = 0.01
#: Connections that wait to be accepted, at most. With the five of the library, some of many at once come a second late.
BACKLOG = 128


@contextmanager
def listening(server: Server) -> Iterator[Server]:
    """Answer requests while the block runs; then close."""
    with server:
        server.socket.listen(BACKLOG)
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
