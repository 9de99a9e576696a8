"""A provider that answers everything after 50 ms and costs next to nothing.

python -m tests.benchmarks.panel PORT [SECONDS]
"""

import asyncio
import sys

ANSWER_SECONDS = 0.05
ACCEPTED, WAITING = b"OK|1.00|100.00", b"OK|1||"


class Panel(asyncio.Protocol):
    """Requests without a body, one at a time on each connection."""

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            body = ACCEPTED if b"pin_ekle" in self._received.partition(b"\r\n")[0] else WAITING
            self._received = b""
            asyncio.get_running_loop().call_later(self._answer_seconds, self._answer, body)

    def _answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            self._transport.write(head + body)


async def serve(port: int, answer_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Panel(answer_seconds), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    given = float(sys.argv[2]) if len(sys.argv) > 2 else ANSWER_SECONDS
    asyncio.run(serve(int(sys.argv[1]), given))
