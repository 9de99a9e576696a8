"""The whole system as processes: web, workers, scheduler, with the simulator beside them."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import redis
import requests

from gateway.broker import make_broker, message
from gateway.dev.child import spawn
from gateway.dev.servers import EmbeddedValkey
from gateway.dev.simulator import Simulator
from gateway.dev.stack import COMMANDS
from gateway.settings import load
from models import api_key
from models.api_key import Scope
from models.db.migrate import migrate
from tests import factories, servers
from tests.conftest import IN_CLEAR, UNLIMITED
from tests.ports import free_port
from tests.waiting import wait_until

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
#: The Procfile's commands.
WEB, WORKER, SCHEDULER = (
    [str(BIN / program), *arguments]
    for program, *arguments in (COMMANDS[name].split() for name in ("web", "worker", "scheduler"))
)
SECRET = factories.CREDENTIALS["callback_secret"]
#: A day's life of an order in half a minute.
FAST = {
    "FIRST_CHECK_DELAY": "1",
    "BACKOFF_MIN": "0.5",
    "BACKOFF_MAX": "4",
    "CALLBACK_TRUST": "3",
    "ORDER_TIMEOUT": "25",
    "SWEEP_CRON": "* * * * *",
    "WEB_CONCURRENCY": "1",
    **UNLIMITED,
    **IN_CLEAR,
}


class System:
    """Processes on one database and one queue; `start` and `kill` them by name."""

    def __init__(
        self, database_url: str, redis_url: str, logs: Path, simulator: Simulator, **env: str
    ) -> None:
        self.simulator = simulator
        self.database_url = database_url
        self.redis_url = redis_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._logs = logs
        given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PORT": str(self.port), **FAST, **env}
        self._env = {**os.environ, **given}
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._broker = make_broker(load(given), strict=True)
        self.authorization = {"Authorization": f"Bearer {self._prepare()}"}
        self._session = requests.Session()
        self._session.headers.update(self.authorization)

    def _prepare(self) -> str:
        with factories.bound(self.database_url, pool_size=2):
            factories.add_provider(base_url=self.simulator.url, max_concurrency=64)
            return api_key.create("acceptance", list(Scope))

    def add_second_provider(self, provider_id: str, base_url: str | None = None, **credentials: str) -> None:
        """Another account, at the same simulator unless `base_url` names another; tried where the first refuses."""
        with factories.bound(self.database_url, pool_size=2):
            factories.add_provider(
                provider_id,
                base_url=base_url or self.simulator.url,
                max_concurrency=64,
                credentials=factories.CREDENTIALS | credentials,
            )

    def start(self, name: str, command: list[str], *, wait: bool = True, **env: str) -> None:
        """Start a process in a group of its own; what it writes goes to a file of its name.

        The web is waited for, unless `wait` says no. `env` is added to what every process gets.
        """
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = spawn(
                command, cwd=ROOT, env=self._env | env, stdout=log, stderr=subprocess.STDOUT
            )
        if wait and command is WEB:
            self.wait_for_web(name)

    def wait_for_web(self, name: str) -> None:
        """Until it answers."""
        wait_until(lambda: web_answers(self.url), 60, what=lambda: f"the web\n{self.log(name)}")

    def running(self) -> dict[str, int]:
        """The process ids of those that were started and not taken away by `kill`, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Signal a whole group at once; nothing happens if it has ended."""
        with suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, number)

    def exit_status(self, name: str) -> int | None:
        """Of a group's first process; None while it runs."""
        return self._running[name].poll()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal a whole group at once, wait for its end, and return the exit status of its first process."""
        self.send_signal(name, number)
        return self._running.pop(name).wait(60)

    def terminate(self, name: str) -> int:
        """As a platform does: every process gets the signal, and the parent passes it on."""
        return self.kill(name, signal.SIGTERM)

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)
        self._broker.close()

    def log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(errors="replace")[-6000:]

    def place(self, user: str, **fields: Any) -> str:
        """Place an order over HTTP; its id."""
        body = {"productId": "game", "packageId": "60", "userIdentifier": user} | fields
        answer = self._session.post(f"{self.url}/orders", json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def place_without_web(self, *users: str) -> list[str]:
        """Place orders as the web does, and hint at them; their ids."""
        with factories.bound(self.database_url, pool_size=2):
            ids = [str(factories.place(user)["id"]) for user in users]
        for one in ids:
            self.enqueue("dispatch_order", one)
        return ids

    def get(self, path: str) -> Any:
        """What the API answers."""
        return self._session.get(f"{self.url}{path}", timeout=10).json()

    def sweep(self) -> None:
        """What the scheduler does at each tick."""
        self.enqueue("sweep")

    def enqueue(self, actor: str, *args: str) -> None:
        """Send a message, if the queue is there."""
        with suppress(redis.RedisError):
            self._broker.enqueue(message(actor, *args))

    def orders(self) -> dict[str, dict[str, Any]]:
        """Every order's row, by id."""
        with (
            closing(psycopg2.connect(self.database_url)) as connection,
            connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            cursor.execute("SELECT id::text AS key, * FROM product_orders")
            return {row["key"]: dict(row) for row in cursor.fetchall()}

    def wait_until_final(self, ids: Iterable[str], timeout_seconds: float, *, sweeping: bool = True) -> None:
        """Wait until every order is final, sweeping about once a second as a scaled scheduler would."""
        wanted, looks = set(ids), itertools.count()

        def unsettled() -> str:
            rows = self.orders()
            left = [
                (i, rows[i]["externalStatus"], rows[i]["userIdentifier"])
                for i in wanted
                if not _final(rows[i])
            ]
            return f"{len(left)} orders not final: {left[:5]}\n{self.log('worker')[-2000:]}"

        def settled() -> bool:
            if sweeping and next(looks) % 5 == 0:
                self.sweep()
            rows = self.orders()
            return all(_final(rows[one]) for one in wanted)

        wait_until(settled, timeout_seconds, what=unsettled, pause_seconds=0.2)


def execute(url: str, statement: str, *parameters: object) -> None:
    """Run a statement on a connection of its own."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement, parameters)


def with_sitecustomize(directory: Path, **env: str) -> dict[str, str]:
    """The environment of a process that loads `directory`'s sitecustomize at its start."""
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")])),
        **env,
    }


def web_answers(url: str) -> bool:
    """Whether the web at `url` is up."""
    try:
        return requests.get(f"{url}/health/live", timeout=1).ok
    except requests.RequestException:
        return False


def _final(row: dict[str, Any]) -> bool:
    return row["externalStatus"] in ("completed", "failed")


def new_directory(run: str) -> Path:
    """A new directory for the servers and the logs of a run."""
    path = Path(tempfile.mkdtemp(prefix=f"referans-{run}-"))
    path.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
    return path


@contextmanager
def web_alone(directory: Path) -> Iterator[System]:
    """The web with the project's own configuration, on servers of its own."""
    with (
        servers.postgres(directory / "postgres") as postgres,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
    ):
        migrate(postgres.url, echo=lambda line: None)
        with running(postgres.url, valkey.url, directory, processes=["web"], LOG_LEVEL="info") as system:
            yield system


@contextmanager
def running(
    database_url: str,
    redis_url: str,
    logs: Path,
    *,
    settle_after_seconds: float = 2,
    processes: Sequence[str] = ("web", "worker"),
    **env: str,
) -> Iterator[System]:
    """Processes and the simulator, wired to each other. A test that needs no web is quicker without one."""
    credentials = {"kod": factories.CREDENTIALS["kod"], "sifre": factories.CREDENTIALS["sifre"]}
    with Simulator(settle_after_seconds=settle_after_seconds, echo=None, **credentials) as simulator:
        system = System(database_url, redis_url, logs, simulator, **env)
        simulator.call_back_to(f"{system.url}/callbacks/{factories.SANDBOX}", SECRET)
        try:
            for name in processes:
                system.start(name, {"web": WEB, "worker": WORKER}[name])
            yield system
        finally:
            system.close()
