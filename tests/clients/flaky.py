"""A proxy that loses answers, to try what a client does then.

Below `/lost` the first answer to each request is lost on its way; below `/busy` the first one is a 503 of the proxy's
own, and nothing was asked; below `/dead` no answer ever comes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import requests


@contextmanager
def proxy(target: str) -> Iterator[str]:
    """The base URL of a proxy in front of `target`."""
    seen: set[tuple[str, ...]] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, fault, path = self.path.split("/", 2)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = (fault, self.command, path, self.headers.get("Idempotency-Key", ""))
            is_first = request not in seen
            seen.add(request)
            if fault == "dead":
                return
            if fault == "busy" and is_first:
                self.send_response(503)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            headers = {name: self.headers[name] for name in self.headers if name.lower() != "host"}
            answer = requests.request(
                self.command, f"{target}/{path}", data=body, headers=headers, timeout=30
            )
            if fault == "lost" and is_first:
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
