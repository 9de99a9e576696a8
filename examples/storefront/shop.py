"""A small storefront: a page where a person buys a package and sees its code appear, and a receiver of notifications.

    GATEWAY_URL=http://localhost:8000 GATEWAY_KEY=rk_… NOTIFY_SECRET=whsec_… python examples/storefront/shop.py

`make run` starts it. The key stays on this server: the page talks to the shop, and the shop to the gateway. A shop of
yours keeps orders in its database and knows its customers by name; this one has a list and a cookie.
"""

import hmac
import json
import os
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from referans_client import ApiError, BadSignature, Client, NotReached, Order, verify

HOST, PORT = "127.0.0.1", int(os.environ.get("PORT", "8080"))
GATEWAY_URL = os.environ.get("GATEWAY_URL", "http://localhost:8000")
#: Of several secrets, each signs, so that one is enough.
GATEWAY_KEY, NOTIFY_SECRET = os.environ["GATEWAY_KEY"], os.environ.get("NOTIFY_SECRET", "").partition(",")[0]
#: What is sold: product and package, and what it is called.
PACKAGES = {"pubg/60uc": "60 UC", "pubg/325uc": "325 UC", "freefire/100": "100 diamonds"}
#: What a customer can do about a refusal; all others are for the shop's people, who find them in its log.
WRONG = {
    "invalid-order": "check the player's number",
    "missing-field": "check the player's number",
    "repeated-order": "you have just ordered this; look at your orders",
}
#: Seconds that one request of the page waits for a change.
WAIT_SECONDS = 20
#: Bytes of the largest body, a notification's.
MAX_BYTES = 64 * 1024
#: Nothing from elsewhere, and no script but the page's own file.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Example storefront</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="shop.css">
<script src="shop.js" defer></script></head><body><main><h1>Example storefront</h1>
<form id="buy"><p><label>Package <select name="package">OPTIONS</select></label></p>
<p><label>Player <input name="player" value="5123456789" required maxlength="255" autocomplete="off"></label></p>
<p><button>Buy</button></p></form><noscript><p>This page needs JavaScript.</p></noscript>
<section aria-live="polite"><h2>Orders</h2><ol id="orders"></ol></section></main></body></html>
"""
STYLE = """:root { color-scheme: light dark; } body { font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1rem; } input, select, button { font: inherit; padding: 0.3rem; }
li { margin: 0.6rem 0; overflow-wrap: anywhere; } .code { font: bold 1.3rem ui-monospace, monospace; }
"""
SCRIPT = """
const FINAL = ["completed", "failed", "reversed"];
const MOST_WAITING = 4;  // of the six connections that a browser has to a server: two stay free for the next order
let waiting = 0;
const WORDS = { not_sent: "placed", pending: "being sent", sent: "on its way", processing: "on its way" };

document.getElementById("buy").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target), line = document.createElement("li");
  document.getElementById("orders").prepend(line);
  line.textContent = "placing …";
  const number = crypto.randomUUID();  // the same order if the browser has to send it again
  const answer = await fetch("orders", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ package: form.get("package"), player: form.get("player"), number }),
  });
  let order = await answer.json();
  if (!answer.ok) { line.textContent = `${form.get("player")}: ${order.error}`; return; }
  while (show(line, order), !FINAL.includes(order.status)) {
    const waits = waiting < MOST_WAITING;
    waiting += waits;
    const next = await read(`orders/${order.id}?from=${waits ? order.status : "completed"}`);
    waiting -= waits;
    if (next === null || !waits) await pause(2000);
    order = next ?? order;
  }
  // A code may come later, and a delivery may be taken back: the shop is told, and its page asks the shop.
  for (let known = 0, tries = 0; order.status === "completed" && tries < 300; tries++, await pause(2000)) {
    const told = await read(`notifications/${order.id}`);
    if (told === null || told.length === known) continue;
    known = told.length;
    show(line, order = await read(`orders/${order.id}`) ?? order);
  }
});

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function read(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;  // asked again later
  }
}

function show(line, order) {
  const codes = order.codes.map((code) => Object.assign(document.createElement("div"),
    { className: "code", textContent: code }));
  const said = order.status in WORDS ? WORDS[order.status] + " …"
    : order.status === "failed" ? "not delivered; you pay nothing"
    : order.status === "reversed" ? "taken back by its provider; you get your money back"
    : codes.length ? "here it is:" : "delivered";
  line.replaceChildren(`${order.title} for ${order.player}: ${said}`, ...codes);
}
"""

#: Which browser an order belongs to, and the notifications of each order. Yours stand in a database.
owners: dict[str, str] = {}
notifications: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
local = threading.local()


def gateway() -> Client:
    """A client for this thread."""
    if not hasattr(local, "client"):
        local.client = Client(GATEWAY_URL, GATEWAY_KEY)
    client: Client = local.client
    return client


def place(wanted: dict[str, Any], buyer: str) -> Order:
    """Place what the page asks for. Raises KeyError, ApiError, NotReached."""
    product, package = str(wanted["package"]).split("/") if wanted["package"] in PACKAGES else ("", "")
    if not product:
        raise KeyError("package")
    # The shop's own number for the order: asked for twice, it is placed once.
    reference = f"{buyer[:16]}-{str(wanted['number'])[:36]}"
    order = gateway().place(product, package, userIdentifier=str(wanted["player"])[:255], reference=reference)
    owners[order["id"]] = buyer
    return order


def shown(order: Order) -> dict[str, Any]:
    """What the page gets of an order: not the gateway's words, which are for the shop."""
    return {
        "id": order["id"],
        "title": PACKAGES.get(f"{order['productId']}/{order['packageId']}", "?"),
        "player": order["userIdentifier"],
        "status": order["externalStatus"],
        "codes": [one["code"] for one in order.get("codes", []) if order["externalStatus"] == "completed"],
    }


def receive(body: bytes, headers: dict[str, str]) -> None:
    """Take a notification: the moment to send a mail, or to give money back. Raises BadSignature."""
    said = verify(body, headers, NOTIFY_SECRET)
    order_id, event_id = (
        said["data"]["id"],
        {name.lower(): one for name, one in headers.items()}["webhook-id"],
    )
    if event_id not in (one["id"] for one in notifications[order_id]):  # each is sent at least once
        notifications[order_id].append({"id": event_id, "type": said["type"], "timestamp": said["timestamp"]})
        print(f"Notification {said['type']} of order {order_id} arrived.", flush=True)


class Shop(BaseHTTPRequestHandler):
    """Requests of the page, and of the gateway."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        options = "".join(f'<option value="{name}">{title}</option>' for name, title in PACKAGES.items())
        files = {"/": ("text/html", PAGE.replace("OPTIONS", options)), "/shop.css": ("text/css", STYLE)}
        files["/shop.js"] = ("text/javascript", SCRIPT)
        if path in files:
            self._send(HTTPStatus.OK, *files[path])
        elif path.startswith("/orders/"):
            self._answer(HTTPStatus.OK, lambda: shown(self._wait(path.removeprefix("/orders/"))))
        elif path.startswith("/notifications/"):
            self._answer(HTTPStatus.OK, lambda: notifications.get(path.removeprefix("/notifications/"), []))
        else:
            self._send(HTTPStatus.NOT_FOUND, "application/json", json.dumps({"error": "not found"}))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MAX_BYTES:
            self.close_connection = True  # the body is not read
            return self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(length)
        if self.path == "/notifications":
            try:
                receive(body, dict(self.headers))
                self._send(HTTPStatus.NO_CONTENT)
            except BadSignature as error:
                self._send(HTTPStatus.UNAUTHORIZED, "application/json", json.dumps({"error": str(error)}))
        # Only our own page sends JSON with its cookie: other sites may not, without asking.
        elif (
            self.path == "/orders"
            and self.headers.get("Content-Type") == "application/json"
            and self._buyer()
        ):
            self._answer(HTTPStatus.CREATED, lambda: shown(place(json.loads(body), self._buyer())))
        else:
            self._send(HTTPStatus.BAD_REQUEST, "application/json", json.dumps({"error": "reload the page"}))
        return None

    def _wait(self, order_id: str) -> Order:
        """This buyer's order as soon as it changes. Raises KeyError."""
        if not hmac.compare_digest(owners[order_id], self._buyer()):
            raise KeyError(order_id)
        known = parse_qs(urlsplit(self.path).query).get("from", ["not_sent"])[0]
        return gateway().wait(order_id, WAIT_SECONDS, changed_from=known)

    def _buyer(self) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get("buyer")
        return found.value if found else ""

    def _answer(self, status: HTTPStatus, what: Callable[[], Any]) -> None:
        try:
            self._send(status, "application/json", json.dumps(what()))
        except (KeyError, ValueError, TypeError):
            self._send(HTTPStatus.NOT_FOUND, "application/json", json.dumps({"error": "not found"}))
        except ApiError as error:
            print(f"The gateway refused: {error}", flush=True)
            wrong = WRONG.get(error.type, "not sold at the moment")
            self._send(HTTPStatus.CONFLICT, "application/json", json.dumps({"error": wrong}))
        except NotReached as error:
            print(error, flush=True)
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "application/json", json.dumps({"error": "try again"}))

    def _send(self, status: HTTPStatus, kind: str = "text/plain", text: str = "") -> None:
        self.send_response(status)
        if not self._buyer():
            self.send_header(
                "Set-Cookie", f"buyer={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Strict"
            )
        for name, value in (("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff")):
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what matters is printed where it happens."""


if __name__ == "__main__":
    print(f"The storefront is at http://{HOST}:{PORT}", flush=True)
    ThreadingHTTPServer((HOST, PORT), Shop).serve_forever()
