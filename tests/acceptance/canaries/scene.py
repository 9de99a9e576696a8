"""The running system with its secrets in place, and whoever talks to it."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import redis

from gateway.dev.servers import EmbeddedValkey
from models import provider, route
from models.api_key import Scope
from tests import factories
from tests.acceptance.canaries import secret
from tests.acceptance.canaries.panel import Panel
from tests.acceptance.canaries.secret import SECRETS, Canary
from tests.acceptance.canaries.talk import Caller, Finished, Said, command
from tests.acceptance.system import FAST, SCHEDULER, System, running
from tests.gateway.test_sentry import Receiver
from tests.listening import listening
from tests.refusing import execute, limited_role
from tests.waiting import wait_until

KEY, NEW_KEY = SECRETS["an encryption key"], SECRETS["a new encryption key"]
KOD, SIFRE = SECRETS["a dealer code"], SECRETS["a dealer password"]
TOKEN, MISPLACED = SECRETS["a callback token"], SECRETS["a callback token in a wrong place"]
WHSEC, HMAC = SECRETS["a callback secret"], SECRETS["a secret of an HMAC"]
USER, PASSWORD = SECRETS["a user of basic"], SECRETS["a password of basic"]
DEALER = {"kod": KOD, "sifre": SIFRE}
#: Seconds for what processes do meanwhile.
SOON_SECONDS = 40
#: A reference that no order has.
NOBODY = "990000000000001"
#: As Heroku's buildpack sets it.
PLATFORM = {"GUNICORN_CMD_ARGS": "--access-logfile -", "FORWARDED_ALLOW_IPS": "*"}


@dataclass
class Scene:
    """The running system, and whoever talks to it."""

    system: System
    panel: Panel
    valkey: EmbeddedValkey
    database_url: str
    environ: dict[str, str]
    said: Said
    sentry: Receiver
    callers: dict[str, Caller] = field(default_factory=dict)
    #: Secrets that are made on the way.
    made: list[Canary] = field(default_factory=list)
    #: Codes that orders have got.
    codes: list[str] = field(default_factory=list)

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> Finished:
        """A command, and all that it prints."""
        return command(self.said, self.environ | environ, *arguments, stdin=stdin)

    def place(self, product: str, **fields: Any) -> dict[str, Any]:
        """An order, placed by a key that may not read codes."""
        body = {"productId": product, "packageId": "60", "userIdentifier": "5123456789"} | fields
        answer = self.callers["plain"]("POST", "/orders", body)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def sent(self, product: str) -> dict[str, Any]:
        """An order that its provider has."""
        placed = self.place(product)
        self.wait_for(placed["id"], "sent", "processing", "completed")
        return placed

    def wait_for(self, order_id: str, *states: str) -> None:
        wait_until(
            lambda: self.system.orders()[order_id]["externalStatus"] in states,
            SOON_SECONDS,
            what=lambda: f"{states} of {self.system.orders()[order_id]}",
        )

    def code(self, make: Callable[[], str] = secret.card) -> str:
        """A code of its own, which orders get."""
        self.codes.append(code := make())
        return code

    def telling(self, code: str) -> str:
        """A message that repeats what it should not."""
        return (
            f"PIN {code} teslim edildi ({code.replace('-', ' ')}); bayi {KOD}, sifre={quote(SIFRE)} {SIFRE}"
        )


@contextmanager
def set_up(database_url: str, directory: Path, log_directory: Path) -> Iterator[Scene]:
    """All processes, at debug, as a platform starts them, and a panel that repeats what it should not."""
    with (
        limited_role(database_url) as role_url,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
        listening(Receiver()) as sentry,
        listening(Panel(KOD, SIFRE)) as panel,
    ):
        url = _with_password(role_url, database_url, SECRETS["a password of the database"])
        redis_url = _locked(valkey, SECRETS["a password of Redis"])
        env = {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "ENCRYPTION_KEYS": KEY,
            "SENTRY_DSN": sentry.dsn.replace("public", SECRETS["a key of Sentry"]),
            "LOG_LEVEL": "debug",
            "WEB_CONCURRENCY": "1",
            "CALL_TIMEOUT": "3",
            "BACKOFF_MAX": "30",
            "ORDER_TIMEOUT": "600",
            **PLATFORM,
        }
        with running(url, redis_url, log_directory, processes=("web", "worker"), **env) as system:
            system.start("scheduler", SCHEDULER)
            environ = {**FAST, **env, "PUBLIC_URL": system.url}
            made = Scene(system, panel, valkey, database_url, environ, Said(), sentry)
            _with_callers(made)
            _with_accounts(made)
            yield made


def _with_password(role_url: str, admin_url: str, password: str) -> str:
    """The role's URL, with this password for it."""
    parts = urlsplit(role_url)
    execute(admin_url, f"ALTER ROLE {parts.username} PASSWORD '{password}'")
    return parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}").geturl()


def _locked(valkey: EmbeddedValkey, password: str) -> str:
    """The server's URL, once it wants this password."""
    with closing(redis.Redis.from_url(valkey.url)) as client:
        client.config_set("requirepass", password)
    return valkey.url.replace("://", f"://:{password}@")


SCOPES = {
    "plain": (Scope.ORDERS_WRITE, Scope.ORDERS_READ),
    "ops": (Scope.ORDERS_READ, Scope.OPS),
    "pins": (Scope.ORDERS_READ, Scope.PINS_READ),
    "all": tuple(Scope),
}


def _with_callers(scene: Scene) -> None:
    url = scene.system.url
    for who, scopes in SCOPES.items():
        options = [word for scope in scopes for word in ("--scope", scope.value)]
        made = scene.run("keys", "create", who, *options)
        key = made.out.strip()
        scene.made.append(Canary(f"the key {who}", key[len(key) // 3 :]))
        scene.callers[who] = Caller(scene.said, url, who, {"Authorization": f"Bearer {key}"})
    guess = f"rk_{secret.SECRETS['a callback token in a wrong place']}"
    scene.callers["guess"] = Caller(scene.said, url, "guess", {"Authorization": f"Bearer {guess}"})
    scene.callers["nobody"] = Caller(scene.said, url, "nobody")


def _with_accounts(scene: Scene) -> None:
    """An account for each way in which the panel misbehaves, with a route of its own."""
    with factories.bound(scene.environ["DATABASE_URL"], pool_size=2, keys=[KEY]):
        for name in scene.panel.accounts:
            credentials = {**DEALER, "callback_secret": TOKEN}
            provider.save(provider.Provider(name, "znet", scene.panel.url(name), "token", credentials))
            route.add(name, "*", name, {"oyun": "1", "kupur": "60"})
