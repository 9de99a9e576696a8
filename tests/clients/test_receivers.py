"""The receivers in docs/storefront.md, as they stand there, and the example storefront."""

import base64
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from gateway.fulfilment import messages
from models.order import Order
from tests.clients import stripped
from tests.clients.conftest import NEEDS_NODE, PYTHON, ROOT, TYPESCRIPT, Gateway
from tests.ports import free_port
from tests.waiting import wait_until

GUIDE = (ROOT / "docs/storefront.md").read_text()
SHOP = ROOT / "examples/storefront/shop.py"
SECRET = "whsec_" + base64.b64encode(b"receiver" * 4).decode()
ID = "d4b411ef-4b38-458f-ba31-4ebe1d7e772c"
ORDER = Order(
    **dict.fromkeys((each.name for each in fields(Order)), None) | {"id": ID, "external_status": "completed"}
)
#: Lines of a receiver at most.
MOST_LINES = 32


def written(name: str) -> str:
    """A file that the guide shows."""
    [found] = re.findall(rf"^```\w+\n(?:#|//) {re.escape(name)}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


@contextmanager
def started(command: list[str], log: Path, **env: str) -> Iterator[str]:
    """The base URL of a server that runs."""
    port = free_port()
    given = {**os.environ, "PORT": str(port), "NOTIFY_SECRET": SECRET, "PYTHONPATH": str(PYTHON), **env}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=given, stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url), 15, what=log)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=2).status_code)
    except requests.RequestException:
        return False


def tell(url: str, *, webhook_id: str = "msg_1", secret: str = SECRET) -> int:
    """The status with which a notification is answered."""
    now = datetime.now(UTC)
    body = messages.body("order.completed", now, ORDER)
    return requests.post(
        url, data=body, headers=messages.headers([secret], webhook_id, now, body), timeout=5
    ).status_code


def receives(url: str, log: Path) -> None:
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    assert [tell(url), tell(url), tell(url, webhook_id="msg_2"), tell(url, secret=other)] == [
        204,
        204,
        204,
        401,
    ]
    wait_until(lambda: log.read_text().count(ID) >= 2, what=log)
    assert log.read_text().count(ID) == 2, "each webhook-id is taken once"


def test_the_receiver_in_python(tmp_path: Path) -> None:
    source = written("receiver.py")
    (tmp_path / "receiver.py").write_text(
        source.replace(
            "def do_POST", "def do_GET(self) -> None:\n        self.answer(200)\n\n    def do_POST"
        )
    )
    with started([sys.executable, str(tmp_path / "receiver.py")], tmp_path / "log") as url:
        receives(url, tmp_path / "log")
    assert (tmp_path / "log").read_text().count("again: msg_1") == 1
    assert len(source.splitlines()) <= MOST_LINES


@NEEDS_NODE
def test_the_receiver_in_node(tmp_path: Path) -> None:
    (tmp_path / "receiver.ts").write_text(written("receiver.ts"))
    stripped.placed([TYPESCRIPT / "referans.ts", tmp_path / "receiver.ts"], tmp_path / "node")
    [script] = (tmp_path / "node").glob("receiver.*")
    with started(["node", str(script)], tmp_path / "log") as url:
        receives(url, tmp_path / "log")
    assert (tmp_path / "log").read_text().count("again: msg_1") == 1
    assert len(written("receiver.ts").splitlines()) <= MOST_LINES


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """The example storefront; its gateway is away."""
    env = {"GATEWAY_URL": f"http://127.0.0.1:{free_port()}", "GATEWAY_KEY": "rk_none"}
    with started([sys.executable, str(SHOP)], tmp_path / "log", **env) as url:
        yield url


def test_the_storefront_takes_notifications_and_shows_them_for_an_order(shop: str, tmp_path: Path) -> None:
    receives(f"{shop}/notifications", tmp_path / "log")
    shown = requests.get(f"{shop}/notifications/{ID}", timeout=5).json()
    assert [one["type"] for one in shown] == ["order.completed"] * 2
    assert requests.get(f"{shop}/notifications/other", timeout=5).json() == []


def test_the_storefronts_page_may_load_nothing_from_elsewhere_and_run_no_other_script(shop: str) -> None:
    page = requests.get(shop, timeout=5)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert not re.search(r"<script>|<style>| on\w+=| style=", page.text)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert requests.get(f"{shop}/{path}", timeout=5).status_code == 200
    assert "rk_none" not in page.text + requests.get(f"{shop}/shop.js", timeout=5).text


@pytest.mark.parametrize(
    ("key", "player", "told"),
    [(None, "ali\0", "check the player's number"), ("rk_none", "ali", "not sold at the moment")],
)
def test_a_customer_is_asked_to_check_the_player_only_where_that_is_wrong(
    gateway: Gateway, tmp_path: Path, key: str | None, player: str, told: str
) -> None:
    env = {"GATEWAY_URL": gateway.url, "GATEWAY_KEY": key or gateway.key}
    wanted = {"player": player, "package": "pubg/60uc", "number": "1"}
    with started([sys.executable, str(SHOP)], tmp_path / "log", **env) as url, requests.Session() as browser:
        browser.get(url, timeout=5)
        assert browser.post(f"{url}/orders", json=wanted, timeout=5).json() == {"error": told}


#: The page's script with the little of a browser that `show` needs: prints what it says of each order.
SHOWING = """
const document = { getElementById: () => ({ addEventListener() {} }), createElement: () => ({}) };
SCRIPT
for (const [status, codes] of [["completed", ["A-1"]], ["completed", []], ["reversed", []], ["failed", []]]) {
  const order = { title: "60 UC", player: "ali", status, codes };
  const print = (text, ...all) => console.log([text, ...all.map((one) => one.textContent)].join(" "));
  show({ replaceChildren: print }, order);
}
"""


@NEEDS_NODE
def test_the_storefronts_page_says_how_an_order_ended(shop: str) -> None:
    script = requests.get(f"{shop}/shop.js", timeout=5).text
    command = ["node", "-e", SHOWING.replace("SCRIPT", script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()] == [
        "here it is: A-1",
        "delivered",
        "taken back by its provider; you get your money back",
        "not delivered; you pay nothing",
    ]


#: Eight orders that never end, and a browser that counts the requests that wait for them.
WAITING = """
let submit, placed = 0, open = 0, most = 0;
const line = { prepend() {}, replaceChildren() {}, addEventListener: (_, then) => { submit = then; } };
const document = { getElementById: () => line, createElement: () => line };
globalThis.FormData = class { get() { return "x"; } };
globalThis.fetch = async (path, sent) => {
  if (path.endsWith("from=sent")) { most = Math.max(most, ++open); await new Promise(() => {}); }
  return { ok: true, json: async () => ({ id: String(sent ? placed++ : path), status: "sent", codes: [] }) };
};
SCRIPT
for (let number = 0; number < 8; number++) submit({ preventDefault() {} });
setTimeout(() => { console.log(placed, most); process.exit(); }, 200);
"""


@NEEDS_NODE
def test_orders_that_wait_leave_the_browser_a_connection_for_the_next(shop: str) -> None:
    script = requests.get(f"{shop}/shop.js", timeout=5).text
    command = ["node", "-e", WAITING.replace("SCRIPT", script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "8 4\n"


def test_an_order_of_another_browser_is_not_shown(shop: str) -> None:
    assert requests.get(f"{shop}/orders/{ID}", timeout=5).status_code == 404
    forged = requests.post(f"{shop}/orders", data="{}", headers={"Content-Type": "text/plain"}, timeout=5)
    assert forged.status_code == 400
    too_large = requests.post(f"{shop}/notifications", data=b"x" * 70_000, timeout=5)
    assert too_large.status_code == 413


@pytest.mark.parametrize("document", ["README.md", "docs/storefront.md", "clients/python/README.md"])
def test_an_example_of_the_client_in_python_runs(document: str, gateway: Gateway) -> None:
    """Against the running gateway, with its address and key in place of those that are shown."""
    text = (ROOT / document).read_text()
    [source] = [
        one for one in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "rk_…" in one
    ]
    source = re.sub(r'"https?://[^"]*"', repr(gateway.url), source).replace("rk_…", gateway.key)
    source = source.replace("cart-1817", f"cart-{uuid.uuid4().hex}")
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"completed .*[A-Z0-9-]{10}", done.stdout), done.stdout


@NEEDS_NODE
@pytest.mark.parametrize("document", ["docs/storefront.md", "clients/typescript/README.md"])
def test_an_example_of_the_client_in_typescript_runs(document: str, gateway: Gateway, tmp_path: Path) -> None:
    text = (ROOT / document).read_text()
    [source] = [
        one for one in re.findall(r"^```ts\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "rk_…" in one
    ]
    source = source.replace("http://localhost:8000", gateway.url).replace("rk_…", gateway.key)
    (tmp_path / "example.ts").write_text(source.replace("cart-1817", f"cart-{uuid.uuid4().hex}"))
    stripped.placed([TYPESCRIPT / "referans.ts", tmp_path / "example.ts"], tmp_path / "node")
    [script] = (tmp_path / "node").glob("example.*")
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"completed .*[A-Z0-9-]{10}", done.stdout), done.stdout
