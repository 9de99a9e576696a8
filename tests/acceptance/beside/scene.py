"""One database that the older storefront made, the roles of both systems, the panel, and our processes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.dev.simulator import Simulator
from models import api_key, provider, route
from models.api_key import Scope
from models.db.migrate import migrate, sql
from tests import factories
from tests.acceptance.beside import filling, writes
from tests.acceptance.beside.filling import PACKAGE, PRODUCT, PROVIDER, TENANTS, Filled
from tests.acceptance.system import SCHEDULER, SECRET, WEB, WORKER, System, execute
from tests.conftest import KEY
from tests.models.db import psql

SCHEMA = Path(__file__).parents[2].joinpath("legacy", "schema.sql").read_text()
#: Kills of the scene are of these, in turn.
PROCESSES = {"web": WEB, "worker": WORKER, "scheduler": SCHEDULER}
#: The first check as soon as a test can wait for it. The timeout is not scaled: orders of the filling are hours old.
PACE = {
    "FIRST_CHECK_DELAY": "1",
    "BACKOFF_MIN": "1",
    "BACKOFF_MAX": "4",
    "CALLBACK_TRUST": "3",
    "CALL_TIMEOUT": "5",
    "HEARTBEAT_TIMEOUT": "3",
    "ORDER_TIMEOUT": f"{filling.ORDER_TIMEOUT_SECONDS:g}",
    "ENCRYPTION_KEYS": KEY,
    "LOG_LEVEL": "warning",
}
#: What an item costs at the simulator's panel.
PANEL_COST, PANEL_CURRENCY = "25.50", "TRY"


class Beside(System):
    """The processes of the gateway; `authorization` is a key of the tenant whose orders are handed over."""

    def _prepare(self) -> str:
        with factories.bound(self.database_url, pool_size=2, keys=[KEY]):
            provider.save(
                provider.Provider(
                    id=PROVIDER,
                    adapter="znet",
                    base_url=self.simulator.url,
                    callback="standard-webhooks",
                    credentials=factories.CREDENTIALS,
                    max_concurrency=64,
                )
            )
            route.add(PRODUCT, PACKAGE, PROVIDER, {"oyun": "1", "kupur": "60"})
            return api_key.create("shop", list(Scope), tenant_id=TENANTS[0])


@dataclass(frozen=True, slots=True)
class Roles:
    """Who works on the database: its administrator, as whom the shop's code runs too, and the gateway."""

    admin_url: str
    gateway_url: str

    @property
    def gateway(self) -> str:
        return str(urlsplit(self.gateway_url).username)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that runs."""

    roles: Roles
    system: Beside
    simulator: Simulator
    filled: list[Filled]
    #: Every order as the gateway found it, by id.
    before: Mapping[str, Mapping[str, Any]]
    #: The columns that the gateway has added to the orders table.
    columns_of_ours: frozenset[str]

    def kill(self, name: str) -> None:
        """Kill a process, its children too, and start it again as a platform does."""
        self.system.kill(name)
        self.system.start(name, PROCESSES[name], wait=False)


@contextmanager
def roles(admin_url: str, *, owns: bool) -> Iterator[Roles]:
    """An empty database whose tables will belong to a role; the gateway has that role, or one that may only connect."""
    name = urlsplit(admin_url).path.removeprefix("/")
    owner, stranger = f"shop_{name[-8:]}", f"gateway_{name[-8:]}"
    for role in (owner, stranger):
        execute(admin_url, f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    execute(admin_url, f"GRANT ALL ON SCHEMA public TO {owner}; GRANT CREATE ON DATABASE {name} TO {owner}")
    execute(admin_url, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    parts = urlsplit(admin_url)
    role = owner if owns else stranger
    gateway_url = parts._replace(netloc=f"{role}:{role}@{parts.netloc.rpartition('@')[2]}").geturl()
    try:
        yield Roles(admin_url, gateway_url)
    finally:
        for role in (owner, stranger):
            execute(
                admin_url, f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"
            )


def fill(given: Roles, ages_seconds: Sequence[float]) -> list[Filled]:
    """The older storefront's database, with its orders; from now on it is watched who writes there."""
    owner = given.gateway.replace("gateway_", "shop_")
    execute(given.admin_url, f"SET ROLE {owner}; {SCHEMA}")
    filled = filling.fill(given.admin_url, ages_seconds)
    execute(given.admin_url, "ANALYZE product_orders")
    writes.watch(given.admin_url)
    return filled


def bring_in(given: Roles, *, owns: bool) -> None:
    """The gateway's tables, beside the others."""
    if not owns:
        script = sql(given.gateway_url, role=given.gateway)
        assert psql.WAYS[-1](given.admin_url, script) == (0, "")
    done = migrate(given.gateway_url, echo=lambda line: None)
    assert bool(done) is owns, "what an administrator has run leaves nothing to do"


@contextmanager
def built(
    admin_url: str,
    redis_url: str,
    logs: Path,
    *,
    owns: bool,
    ages_seconds: Sequence[float] = filling.AGES_SECONDS,
    **env: str,
) -> Iterator[Scene]:
    """Both systems; the gateway's processes are not started yet."""
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    with (
        roles(admin_url, owns=owns) as given,
        Simulator(settle_after_seconds=1.0, echo=None, **credentials) as simulator,
    ):
        filled = fill(given, ages_seconds)
        before = filling.rows_of(admin_url)
        bring_in(given, owns=owns)
        after = filling.rows_of(admin_url)
        columns_of_ours = frozenset(next(iter(after.values()))) - frozenset(next(iter(before.values())))
        system = Beside(
            given.gateway_url, redis_url, logs, simulator, **PACE | {"ALLOW_PLAINTEXT": "0"} | env
        )
        simulator.call_back_to(f"{system.url}/callbacks/{PROVIDER}", SECRET)
        try:
            yield Scene(given, system, simulator, filled, before, columns_of_ours)
        finally:
            system.close()
