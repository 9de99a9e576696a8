"""Where the storm takes place: servers of its own, and the processes a platform would run."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import requests

from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from gateway.dev.simulator import Simulator
from models import provider, route
from models.db.migrate import migrate
from models.status import Expects
from tests import factories, servers
from tests.acceptance import disk
from tests.acceptance.storm import plan
from tests.acceptance.storm.receivers import SECRET as SECRET_OF_RECEIVERS
from tests.acceptance.storm.receivers import Receivers
from tests.acceptance.storm.spoken import OF_CODE, Spoken
from tests.acceptance.system import BIN, SCHEDULER, SECRET, WEB, WORKER, System, with_sitecustomize
from tests.ports import free_port

CLOCK = Path(__file__).parent / "clock"
#: TRY on the account: enough for every order, and a hundred times as many.
BALANCE = Decimal(20_000_000)
#: The provider that gets what the first refuses.
BACKUP = "backup"
#: The provider whose callbacks are sent by PHP scripts, and the token in their address.
PHP, PHP_TOKEN = "php", "token-of-the-php-provider"
#: What a route says of its product at each provider.
PARAMS = {"oyun": "1", "kupur": "60"}
#: Products of which the route says whether there is a code.
ROUTES = {plan.CODE: Expects.CODE, plan.TOP_UP: Expects.NO_CODE}
#: Seconds a platform takes to start what has died.
RESTART_SECONDS = 1.0
#: Scaled like the others of `system.FAST`; the timeout is longer than any outage, so that only orders that the
#: provider never decides may time out.
PACE = {
    "FIRST_CHECK_DELAY": "1.5",
    "BACKOFF_MIN": "0.5",
    "BACKOFF_MAX": "4",
    "MAX_CHECKS": "8",
    "SLOW_CHECK_INTERVAL": "6",
    "CALLBACK_TRUST": "5",
    "LOG_LEVEL": "warning",
    "WEB_CONCURRENCY": "2",
}
#: Where asking may buy, no question begins while another may be under way: for as long as a call can take, and 5
#: seconds more. An order must be asked about some times before it fails, as it is in a day; a call is slow for 4.
PACE_WHERE_ASKING_BUYS = {"CALL_TIMEOUT": "6"}


class Stage:
    """One web, two workers, two schedulers, three providers: started by role, found again by name."""

    def __init__(
        self,
        postgres: EmbeddedPostgres,
        valkey: EmbeddedValkey,
        system: System,
        providers: Mapping[str, Simulator],
        receivers: Receivers,
        order_timeout_seconds: float,
        spoken: Spoken = OF_CODE,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.spoken = spoken
        #: Of the callbacks of each provider that speaks a described protocol.
        self._secrets = secrets or {}
        self.receivers = receivers
        self.postgres, self.valkey, self.system = postgres, valkey, system
        self.simulator, self.providers = system.simulator, providers
        self.order_timeout_seconds = order_timeout_seconds
        self.web = ""
        self.workers: list[str] = []
        self.schedulers: list[str] = []
        #: What went wrong on the stage itself, such as a process that would not end.
        self.complaints: list[str] = []
        #: When the first provider could not be reached, or answered no question: from, until (seconds since 1970).
        self.unanswered: list[tuple[float, float]] = []
        self._numbers = itertools.count(1)

    def raise_curtain(self) -> None:
        """Start everything."""
        self.web = self.start_web(self.system.port, wait=True)
        self.workers = [self.start_worker() for _ in range(2)]
        self.schedulers = [self.start_scheduler() for _ in range(2)]

    def start_web(self, port: int, *, wait: bool = False) -> str:
        """Its name."""
        name = f"web-{next(self._numbers)}"
        self.system.start(name, WEB, wait=wait, PORT=str(port))
        return name

    def start_worker(self, clock_ahead_seconds: float = 0) -> str:
        """Its name. Its clock may be off."""
        name = f"worker-{next(self._numbers)}"
        env = (
            with_sitecustomize(CLOCK, CLOCK_AHEAD_SECONDS=f"{clock_ahead_seconds:g}")
            if clock_ahead_seconds
            else {}
        )
        self.system.start(name, WORKER, **env)
        return name

    def start_scheduler(self) -> str:
        """Its name."""
        name = f"scheduler-{next(self._numbers)}"
        self.system.start(name, SCHEDULER)
        return name

    def start_operator(self, *command: str) -> str:
        """Its name; `command` is one of `gateway …`."""
        name = f"operator-{next(self._numbers)}"
        self.system.start(name, [str(BIN / "gateway"), *command])
        return name

    def request_check(self, order_id: str) -> None:
        """As the storefront's people do; nothing comes of it while the web is away."""
        url = f"{self.system.url}/orders/{order_id}/check"
        with suppress(requests.RequestException):
            requests.post(url, headers=self.system.authorization, timeout=2)

    def needing_a_person(self) -> list[tuple[str, str]]:
        """The ids of the orders that do, and why."""
        return self.rows(
            "SELECT id::text, attention FROM product_orders WHERE attention IS NOT NULL ORDER BY id"
        )

    def resolve(self, order_id: str, **decision: Any) -> None:
        """As an operator does; an order that has changed in the same moment is left alone (409)."""
        url = f"{self.system.url}/orders/{order_id}/resolve"
        with suppress(requests.RequestException):
            body = {"reason": "decided in the storm", **decision}
            answer = requests.post(url, json=body, headers=self.system.authorization, timeout=5)
            if answer.status_code not in (200, 409) and answer.status_code < 500:
                self.complaints.append(f"a decision was answered {answer.status_code} {answer.text}")

    def send_traffic_to(self, web: str, port: int) -> None:
        """What a router does once a new version is up: storefront and provider talk to it from now on."""
        self.web, self.system.port = web, port
        self.system.url = f"http://127.0.0.1:{port}"
        self.call_back()

    def call_back(self) -> None:
        """Have the providers call the web back."""
        for name, simulator in self.providers.items():
            secret, style = (PHP_TOKEN, "znet-get") if name == PHP else (SECRET, "standard-webhooks")
            secret = self._secrets.get(name, secret)
            simulator.call_back_to(f"{self.system.url}/callbacks/{name}", secret, style)

    def is_quiet(self) -> bool:
        """Whether no provider has anything left to do or to tell."""
        return all(simulator.is_quiet() for simulator in self.providers.values())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Of the storm's database. Raises psycopg2.Error, also where a fault has locked the table."""
        options = "-c lock_timeout=500"
        with (
            closing(psycopg2.connect(self.postgres.url, options=options)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetchall()

    def open_orders(self, limit: int) -> list[str]:
        """The ids of some that are not final."""
        found = self.rows(f"SELECT id::text FROM product_orders WHERE status = 'pending' LIMIT {limit}")
        return [order_id for (order_id,) in found]

    def memory_mib(self) -> dict[str, int]:
        """Of each process and its children, by name."""
        return {name: _resident_mib(pid) for name, pid in self.system.running().items()}

    def web_children(self) -> list[int]:
        """The process ids of gunicorn's own workers."""
        with suppress(psutil.Error):  # it may have ended a moment ago
            return [
                child.pid
                for child in psutil.Process(self.system.running()[self.web]).children(recursive=True)
            ]
        return []


@contextmanager
def built(
    directory: Path, *, order_timeout_seconds: float, spoken: Spoken = OF_CODE, **env: str
) -> Iterator[Stage]:
    """A stage with everything running; its data and logs are in `directory`, and nothing of it outlives the block.

    Its providers speak `spoken`.
    """
    (logs := directory / "logs").mkdir(parents=True)
    with (
        servers.postgres(directory / "postgres") as postgres,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
        ExitStack() as stack,
        Receivers() as receivers,
    ):
        migrate(postgres.url, echo=lambda line: None)
        disk.install(postgres.url)
        timeout = {"ORDER_TIMEOUT": f"{order_timeout_seconds:g}"}
        told = {
            "NOTIFY_URL": receivers.urls[0],
            "NOTIFY_SECRET": SECRET_OF_RECEIVERS,
            "NOTIFY_ALLOW_PRIVATE": "1",
        }
        providers = {name: stack.enter_context(simulator) for name, simulator in _simulators(spoken).items()}
        system = System(
            postgres.url,
            valkey.url,
            logs,
            providers[factories.SANDBOX],
            **PACE,
            **(PACE_WHERE_ASKING_BUYS if spoken.traits.ask_buys else {}),
            **timeout,
            **told,
            **env,
        )
        secrets = _add_providers(system, spoken, providers)
        stage = Stage(postgres, valkey, system, providers, receivers, order_timeout_seconds, spoken, secrets)
        try:
            stage.call_back()
            stage.raise_curtain()
            yield stage
        finally:
            stage.system.close()


def _simulators(spoken: Spoken) -> dict[str, Simulator]:
    """By the ids of their providers."""
    if spoken.is_described:
        return {name: spoken.simulator(port=free_port()) for name in (factories.SANDBOX, BACKUP)}
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    return {
        factories.SANDBOX: _simulator(**credentials),
        BACKUP: _simulator(**credentials | {"kod": BACKUP}),
        PHP: _simulator(**credentials | {"kod": PHP}),
    }


def _add_providers(system: System, spoken: Spoken, providers: Mapping[str, Simulator]) -> dict[str, str]:
    """Add the providers; the secrets of the callbacks of those that speak a described protocol."""
    if spoken.is_described:
        with factories.bound(system.database_url, pool_size=2):
            return {name: spoken.add(name, simulator.url) for name, simulator in providers.items()}
    system.add_second_provider(BACKUP, providers[BACKUP].url, kod=BACKUP)
    _add_routes(system.database_url, providers[PHP].url)
    return {}


def _add_routes(database_url: str, php_url: str) -> None:
    """A route to both providers for each of ROUTES, and the provider of PHP with its own."""
    with factories.bound(database_url, pool_size=2):
        credentials = factories.CREDENTIALS | {"kod": PHP, "callback_secret": PHP_TOKEN}
        provider.save(
            provider.Provider(
                id=PHP,
                base_url=php_url,
                adapter="znet",
                callback="token",
                credentials=credentials,
                max_concurrency=64,
            )
        )
        route.add(plan.PHP, "*", PHP, PARAMS)
        for product, expects in ROUTES.items():
            for provider_id in (factories.SANDBOX, BACKUP):
                route.add(product, "*", provider_id, PARAMS, expects=expects)


def _simulator(**credentials: str) -> Simulator:
    return Simulator(port=free_port(), settle_after_seconds=1, balance=BALANCE, echo=None, **credentials)


def _resident_mib(pid: int) -> int:
    with suppress(psutil.Error):  # it may have ended a moment ago
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) >> 20
    return 0
