"""docs/moving.md, pasted into one terminal from its first command to its last; only the values at its top are ours."""

import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
import requests

from gateway.dev.simulator import Simulator
from tests import factories
from tests.acceptance.beside.filling import PACKAGE, PRODUCT, PROVIDER, TENANTS
from tests.acceptance.beside.scene import SCHEMA
from tests.acceptance.system import BIN, ROOT, execute, web_answers
from tests.models.db import psql
from tests.ports import free_port
from tests.waiting import wait_until

TEXT = (ROOT / "docs/moving.md").read_text()
BLOCK = re.compile(r"^```console(?P<kind> way-back)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
#: What the shop's own code does from step 5 on.
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
#: What a test cannot wait for; nothing else differs from what an administrator has.
PACE = {"FIRST_CHECK_DELAY": "1", "BACKOFF_MIN": "1", "WEB_CONCURRENCY": "1", "LOG_LEVEL": "warning"}
#: Commands that say whether all is well, and cannot before the scheduler has ticked: with what they show by then.
TELLS = {"gateway doctor": "pinCode"}
ANSWER_SECONDS = 60


def commands(text: str) -> list[str]:
    """The commands of a block, each with its continuation lines; output is left out."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith("    ") and found:
            found[-1] += "\n" + line
    return found


BLOCKS = [(bool(found["kind"]), commands(found["text"])) for found in BLOCK.finditer(TEXT)]
VALUES = BLOCKS[0][1]
FORWARD = [command for is_back, block in BLOCKS[1:] for command in block if not is_back]
BACK = [command for is_back, block in BLOCKS[1:] for command in block if is_back]


def _checkout(directory: Path) -> Path:
    """The project's directory, into which commands may write."""
    (checkout := directory / "checkout").mkdir()
    for name in ("actors", "examples", "gateway", "migrations", "models", "gunicorn.conf.py"):
        (checkout / name).symlink_to(ROOT / name)
    return checkout


class Terminal:
    """A shell into which commands are pasted."""

    def __init__(self, directory: Path, env: dict[str, str]) -> None:
        self._output = directory / "terminal.log"
        path = os.pathsep.join([str(BIN), str(Path(psql.program() or "").parent), os.environ["PATH"]])
        with self._output.open("wb") as output:
            self._shell = subprocess.Popen(
                ["bash", "--norc"],
                cwd=_checkout(directory),
                env={**os.environ, **env, "PATH": path},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def paste(self, command: str) -> str:
        """What the command prints. Fails unless its exit status is 0, but for TELLS."""
        begin, mark = self.said(), f"done-{uuid.uuid4().hex}"
        assert self._shell.stdin
        self._shell.stdin.write(f"{command}\necho {mark} $?\n".encode())
        self._shell.stdin.flush()
        wait_until(
            lambda: f"{mark} " in self.said(),
            ANSWER_SECONDS,
            what=lambda: f"{command}\n{self.said()[-3000:]}",
        )
        printed, _, status = self.said()[len(begin) :].partition(f"{mark} ")
        told = next((words for tells, words in TELLS.items() if command.startswith(tells)), None)
        assert status.split()[0] == "0" or (told and told in printed), f"{command}\n{printed}"
        return printed

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def stop_processes(self) -> None:
        """What was started with `&`."""
        children = psutil.Process(self._shell.pid).children(recursive=True)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, 10)

    def close(self) -> None:
        self.stop_processes()
        self._shell.kill()
        self._shell.wait(10)


@contextmanager
def no_role_left(admin_url: str) -> Iterator[None]:
    """The document's role belongs to the whole server."""
    try:
        yield
    finally:
        with suppress(psycopg2.Error):
            execute(admin_url, "DROP OWNED BY gateway CASCADE; DROP ROLE gateway")


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def shop(admin_url: str, panel_url: str) -> None:
    """Its tables, and orders that it has sent: one will be delivered, one will fail, one is too old to be known."""
    execute(admin_url, SCHEMA)
    execute(admin_url, f"INSERT INTO tenant (id, name, code) VALUES ('{TENANTS[0]}', 'Shop', 'shop')")
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    for referans, player, age in (
        ("830000000001", "a+poll+after=0", "5 minutes"),
        ("830000000002", "b+poll+after=0+fail", "5 minutes"),
        ("830000000003", "c", "40 days"),
    ):
        fields = {"oyun": "1", "kupur": "60", "referans": referans, "oyuncu_bilgi": player}
        if player != "c":
            requests.get(f"{panel_url}/servis/pin_ekle.php", params=credentials | fields, timeout=5)
        execute(admin_url, SENT, TENANTS[0], PRODUCT, PACKAGE, player, PROVIDER, referans, age, age)
    execute(admin_url, "INSERT INTO wallet_moves (order_id, amount) SELECT id, -price FROM product_orders")


SENT = """
INSERT INTO product_orders ("tenantId", "productId", "packageId", "userIdentifier", "providerId", "externalOrderId",
    "externalStatus", price, "sentAt", "createdAt")
VALUES (%s, %s, %s, %s, %s, %s, 'unknown', 12.34, now() - %s::interval, now() - %s::interval)
"""
STANDING = """
SELECT "userIdentifier", status, "externalStatus", "fxUsdTryAtApproval" IS NOT NULL,
    (SELECT sum(amount) FROM wallet_moves WHERE order_id = o.id)::text
FROM product_orders AS o ORDER BY "userIdentifier"
"""


def test_the_values_at_its_top_are_all_that_an_administrator_fills_in() -> None:
    assert all(command.startswith("export ") for command in VALUES)
    assert "…" not in "".join(FORWARD + BACK) and "<" not in "".join(FORWARD + BACK)
    assert len(FORWARD) > 20 and len(BACK) == 2


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not (psql.program() and shutil.which("curl") and shutil.which("openssl")),
    reason="needs psql, curl and openssl",
)
def test_each_step_can_be_pasted_and_so_can_the_way_back(
    empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    parts, port = urlsplit(empty_database_url), free_port()
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    with (
        no_role_left(empty_database_url),
        Simulator(settle_after_seconds=0.2, echo=None, **credentials) as simulator,
    ):
        shop(empty_database_url, simulator.url)
        given = {
            "ADMIN_URL": empty_database_url,
            "DATABASE_URL": parts._replace(
                netloc=f"gateway:a-password@{parts.netloc.rpartition('@')[2]}"
            ).geturl(),
            "REDIS_URL": redis_url,
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PORT": str(port),
            "PANEL_URL": simulator.url,
            "CREDENTIAL_KOD": credentials["kod"],
            "CREDENTIAL_SIFRE": credentials["sifre"],
        }
        named = {name.partition("=")[0] for line in VALUES for name in shlex.split(line, comments=True)[1:]}
        assert named == set(given)
        terminal = Terminal(tmp_path, given | PACE)
        try:
            _move(terminal, empty_database_url, given["PUBLIC_URL"])
            _move_back(terminal, empty_database_url)
        finally:
            terminal.close()


#: What the gateway, or a proxy in front of it, answers one call after the other; 0 cuts the connection.
ANSWERS = [
    ([201], "placed"),
    ([0, 503, 201], "placed"),
    ([429, 201], "placed"),
    ([502, 504, 500], "ask later"),
    ([0, 0, 0], "ask later"),
    ([422], "given back"),
    ([503, 422], "given back"),
    ([503, 401, 401], "ask later"),
]


@pytest.mark.parametrize(("answers", "expected"), ANSWERS)
def test_the_code_for_the_shop_gives_money_back_only_where_nothing_was_placed(
    answers: list[int], expected: str
) -> None:
    left = list(answers)

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if status := left.pop(0):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b'{"id": "an id"}')

        def log_message(self, format: str, *args: Any) -> None:
            pass

    done: list[str] = []
    wallet = SimpleNamespace(
        take=lambda *_: None,
        give_back=lambda *_: done.append("given back"),
        name=lambda *_: done.append("placed"),
    )
    orders = SimpleNamespace(filter=lambda **_: SimpleNamespace(update=lambda **_: 1))
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        names: dict[str, Any] = {
            "requests": requests,
            "time": SimpleNamespace(sleep=lambda _: None),
            "transaction": SimpleNamespace(atomic=nullcontext),
            "wallet": wallet,
            "ask_later": lambda _: done.append("ask later"),
            "ProductOrder": SimpleNamespace(objects=orders),
            "GATEWAY": f"http://127.0.0.1:{server.server_port}",
            "KEYS": {"a tenant": "a key"},
        }
        exec(PYTHON, names)  # noqa: S102 - it is ours, and this is what it is for
        [package] = names["HANDED_OVER"]
        names["place"](1817, SimpleNamespace(id="user", tenant_id="a tenant"), PRODUCT, package, "player", 25)
        server.shutdown()
    assert (done, left) == ([expected], [])


def _move(terminal: Terminal, admin_url: str, url: str) -> None:
    printed: dict[str, str] = {}
    for command in FORWARD:
        if command.startswith("gateway doctor"):
            wait_until(lambda: web_answers(url), 60, what=terminal.said)
        printed[command] = terminal.paste(command)
        if command.startswith("psql") and "adoptedAt" in command:
            assert printed[command].strip() == "0"
    assert "up to date" in printed["gateway migrate"]
    placed = next(text for command, text in printed.items() if command.startswith("curl"))
    assert '"externalStatus": "not_sent"' in placed or '"externalStatus":"not_sent"' in placed, placed
    terminal.paste("gateway sweep")
    expected = [
        ("5123456789", "approved", "completed", False, None),
        ("a+poll+after=0", "approved", "completed", True, "-12.34"),
        ("b+poll+after=0+fail", "rejected", "failed", False, "0.00"),
        ("c", "pending", "unknown", False, "-12.34"),
    ]
    wait_until(
        lambda: rows(admin_url, STANDING) == expected,
        60,
        what=lambda: f"{rows(admin_url, STANDING)}\n{terminal.said()[-3000:]}",
    )
    assert "timed_out" in terminal.paste("gateway orders list --stuck")


def _move_back(terminal: Terminal, admin_url: str) -> None:
    provider_removed, dropped = BACK[1], BACK[0]
    terminal.paste(provider_removed)
    terminal.stop_processes()
    terminal.paste(dropped)
    assert rows(admin_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'referans'") == [(0,)]
    assert rows(admin_url, "SELECT count(*) FROM pg_roles WHERE rolname = 'gateway'") == [(0,)]
    execute(admin_url, """INSERT INTO product_orders ("tenantId") SELECT id FROM tenant""")
    execute(admin_url, "UPDATE product_orders SET status = 'approved' WHERE status = 'pending'")
