"""The web as the Procfile starts it: gunicorn with two processes, on servers that tests may stop."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from models import api_key
from models.api_key import Scope
from models.db.migrate import migrate
from tests import factories, servers
from tests.conftest import IN_CLEAR, UNLIMITED
from tests.gateway.web import calls
from tests.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
HOST = "127.0.0.1"
#: A provider that calls back with a token.
PANEL = "panel"
TOKEN = "token-of-the-panel"
#: A provider that may call back from this network only.
WALLED, WALLED_NETWORK = "walled", "198.51.100.0/24"
#: The project's configuration, with less time for slow clients, and how much of it.
BRISK = Path(__file__).parent / "brisk.py"
HEAD_SECONDS, REQUEST_SECONDS = 2.0, 4.0
#: Seconds until a test gives up on an answer.
PATIENCE_SECONDS = 15


@contextmanager
def served(directory: Path) -> Iterator["Web"]:
    """A running web on servers of its own."""
    directory.mkdir()
    directory.chmod(0o755)  # PostgreSQL runs as another user where the tests run as root
    with (
        servers.postgres(directory / "postgres", durable=False) as postgres,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
    ):
        migrate(postgres.url, echo=lambda line: None)
        web = Web(postgres, valkey, directory / "web.log")
        with web.running():
            yield web


class Web:
    """gunicorn, its two servers, and a storefront's session."""

    def __init__(self, postgres: EmbeddedPostgres, valkey: EmbeddedValkey, log: Path) -> None:
        self.postgres, self.valkey = postgres, valkey
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._log = log
        self.pid = 0
        with factories.bound(postgres.url, pool_size=2):
            factories.add_provider()
            credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
            factories.add_provider(PANEL, callback="token", credentials=credentials)
            factories.add_provider(
                WALLED, callback="token", credentials=credentials, callback_allow=(WALLED_NETWORK,)
            )
            self.key = api_key.create("storefront", list(Scope))
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.key}"

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [str(Path(sys.executable).parent / "gunicorn"), "--config", str(BRISK), "gateway.app:app"]
        given = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url, "PORT": str(self.port)}
        given |= UNLIMITED | IN_CLEAR
        given |= {"BRISK_HEAD_SECONDS": str(HEAD_SECONDS), "BRISK_REQUEST_SECONDS": str(REQUEST_SECONDS)}
        # As Heroku's buildpack sets it.
        given |= {"GUNICORN_CMD_ARGS": "--access-logfile -"}
        env = {**os.environ, **given, "WEB_CONCURRENCY": "2", "LOG_LEVEL": "debug", "TRUSTED_PROXIES": "1"}
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        self.pid = process.pid
        try:
            wait_until(self.answers, 30, what=self.log)
            yield
        finally:
            self.session.close()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/live", timeout=2).ok
        except requests.RequestException:
            return False

    def log(self) -> str:
        """All that was logged so far."""
        return self._log.read_text(errors="replace")

    def place(self, headers: dict[str, str] | None = None, **fields: Any) -> requests.Response:
        return self.session.post(
            f"{self.url}/orders", json=calls.BODY | fields, headers=headers, timeout=PATIENCE_SECONDS
        )

    def order(self, order_id: str) -> dict[str, Any]:
        answer = self.session.get(f"{self.url}/orders/{order_id}", timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def call_back(self, body: bytes, webhook_id: str | None = None) -> requests.Response:
        """A signed callback on a connection of its own."""
        headers = calls.signed(body, webhook_id=webhook_id)
        return requests.post(
            f"{self.url}/callbacks/sandbox", data=body, headers=headers, timeout=PATIENCE_SECONDS
        )

    def talk(self, *pieces: bytes, finish: bool = True) -> bytes:
        """What comes back for these bytes until the server hangs up; `finish` says that no more will follow."""
        with closing(socket.create_connection((HOST, self.port), PATIENCE_SECONDS)) as connection:
            answer = b""
            try:
                for piece in pieces:
                    connection.sendall(piece)
                if finish:
                    connection.shutdown(socket.SHUT_WR)
                while received := connection.recv(65536):
                    answer += received
            except (ConnectionResetError, BrokenPipeError):
                pass
            return answer
