"""A pooler in transaction mode, as small as the doctor needs one: it gives each transaction any idle session."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit, urlunsplit


@contextmanager
def pooled(database_url: str) -> Iterator[str]:
    """The URL of a pooler before this database."""
    parts = urlsplit(database_url)
    server = (parts.hostname or "127.0.0.1", parts.port or 5432)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        pooler = _Pooler(server)
        threading.Thread(target=pooler.accept, args=(listener,), daemon=True).start()
        user = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
        netloc = f"{user}127.0.0.1:{listener.getsockname()[1]}"
        yield urlunsplit((parts.scheme, netloc, parts.path, "sslmode=disable", ""))


class _Pooler:
    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._idle: list[socket.socket] = []

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with closing(client):
            startup = _exactly(client, 4)
            startup += _exactly(client, struct.unpack("!i", startup)[0] - 4)
            session: socket.socket | None
            session = socket.create_connection(self._server)
            session.sendall(startup)
            while not _relay(session, client).startswith(b"Z"):
                pass
            self._idle.append(session)
            session = None
            while message := _message(client):
                if message[:1] == b"X":
                    return
                session = session or self._idle.pop()
                session.sendall(message)
                while not (kind := _relay(session, client)).startswith(b"Z"):
                    pass
                if kind == b"ZI":
                    self._idle.append(session)
                    session = None


def _relay(session: socket.socket, client: socket.socket) -> bytes:
    """One message of the server to the client: its kind; of "ready", with the state of the transaction."""
    message = _message(session)
    client.sendall(message)
    if message[:1] == b"Z":
        return b"Z" + message[5:6]
    if message[:1] == b"R" and message[5:9] != b"\0\0\0\0":  # a password is asked for
        session.sendall(_message(client))
    return message[:1]


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4) if head else b""


def _exactly(source: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        chunk = source.recv(count - len(read))
        if not chunk:
            return b""
        read += chunk
    return read
