"""What goes wrong with our own servers and settings."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlencode, urlsplit

import redis

from tests.acceptance.canaries import secret
from tests.acceptance.canaries.scene import (
    KEY,
    NEW_KEY,
    NOBODY,
    PASSWORD,
    SIFRE,
    SOON_SECONDS,
    TOKEN,
    USER,
    WHSEC,
    Scene,
)
from tests.acceptance.canaries.secret import SECRETS
from tests.gateway.web.calls import signed
from tests.refusing import execute
from tests.waiting import wait_until

#: Where codes, texts and credentials are written.
TABLES = (
    "product_orders",
    "referans.callback_events",
    "referans.order_events",
    "referans.providers",
    "referans.stock_codes",
)
COLUMNS = (
    ("referans.order_events", "message"),
    ("referans.callback_events", "raw"),
    ("product_orders", "codes"),
)
#: The account whose checks bring a code, and a text that repeats it.
DELIVERS = "check-11"


def while_redis_is_away(scene: Scene) -> None:
    """No server, and then one that wants another password."""
    scene.valkey.stop()
    _knock(scene)
    scene.valkey.start()
    with closing(redis.Redis.from_url(scene.valkey.url)) as client:
        client.config_set("requirepass", "another one")
    _knock(scene)
    with closing(redis.Redis.from_url(scene.valkey.url, password="another one")) as client:
        client.config_set("requirepass", SECRETS["a password of Redis"])


def while_the_database_refuses(scene: Scene) -> None:
    """Rows that it does not take, columns that it does not have, and no connection at all."""
    url = scene.database_url
    for table in TABLES:
        execute(url, f"ALTER TABLE {table} ADD CONSTRAINT refuse CHECK (false) NOT VALID")
        _knock(scene)
        execute(url, f"ALTER TABLE {table} DROP CONSTRAINT refuse")
    execute(url, 'ALTER TABLE product_orders ADD CONSTRAINT refuse CHECK ("pinCode" IS NULL) NOT VALID')
    _have_one_delivered(scene)
    execute(url, "ALTER TABLE product_orders DROP CONSTRAINT refuse")
    for table, column in COLUMNS:
        execute(url, f'ALTER TABLE {table} RENAME COLUMN "{column}" TO away')
        _knock(scene)
        execute(url, f'ALTER TABLE {table} RENAME COLUMN away TO "{column}"')
    with _closed(url):
        _knock(scene)


def _have_one_delivered(scene: Scene) -> None:
    """Until a worker had an answer that it could not keep, and has asked again."""
    asked = scene.panel.accounts[DELIVERS].asked
    before, order = asked.get("check", 0), scene.place(DELIVERS)["id"]

    def asked_twice() -> bool:
        scene.system.enqueue("check_order_status", order)
        return asked.get("check", 0) >= before + 2

    wait_until(asked_twice, SOON_SECONDS, pause_seconds=0.5)


@contextmanager
def _closed(url: str) -> Iterator[None]:
    """The database takes no connections while the block runs."""
    name = urlsplit(url).path.removeprefix("/")
    server = urlsplit(url)._replace(path="/postgres").geturl()
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def _knock(scene: Scene) -> None:
    """Secrets at every door, whatever comes of it."""
    code = secret.card()
    said = {
        "provider_referans": NOBODY,
        "status": "completed",
        "pin_code": code,
        "message": scene.telling(code),
    }
    body = json.dumps(said).encode()
    nobody = scene.callers["nobody"]
    nobody("POST", "/callbacks/std", body, **signed(body, secret=WHSEC))
    nobody("POST", "/callbacks/std", b"{" + body, **signed(b"{" + body, secret=WHSEC))
    fields = {"referans": NOBODY, "durum": "2", "pin": code, "aciklama": scene.telling(code)}
    nobody("POST", f"/callbacks/tok/{TOKEN}", urlencode(fields).encode())
    order = {"productId": "plain", "packageId": "60", "userIdentifier": "5123456789"}
    scene.callers["plain"]("POST", "/orders", order)
    scene.callers["all"]("GET", "/orders")
    scene.callers["guess"]("GET", "/orders")
    nobody("GET", "/health/ready")
    scene.system.sweep()
    scene.run("stock", "load", "own-stock", stdin=code)
    scene.run("providers", "rotate", "made", stdin=json.dumps({"sifre": SIFRE}))
    scene.run("orders", "complete", "5123456789", "--reason", "by hand", stdin=code)
    scene.run("doctor")


def wrong_settings(scene: Scene) -> None:
    """What is said by a process that cannot start, or cannot read what is sealed."""
    password, of_redis = SECRETS["a password of the database"], SECRETS["a password of Redis"]
    of_sentry = SECRETS["a key of Sentry"]
    for environ in (
        {"DATABASE_URL": f"postgresql://referans:{password}@127.0.0.1:port/x"},
        {"DATABASE_URL": f"mysql://referans:{password}@127.0.0.1/x"},
        {"DATABASE_URL": f"postgresql://referans:{password}@127.0.0.1:1/x"},
        {"DATABASE_URL": f"postgresql://referans@127.0.0.1:1/x?password={password}&x"},
        {"REDIS_URL": f"http://:{of_redis}@127.0.0.1:1"},
        {"REDIS_URL": f"redis://:{of_redis}@127.0.0.1:1"},
        {"ENCRYPTION_KEYS": f"{KEY},{NEW_KEY[:-4]}"},
        {"ENCRYPTION_KEYS": NEW_KEY},
        {"SENTRY_DSN": f"http://{of_sentry}@:port"},
        {"PUBLIC_URL": f"https://{USER}:{PASSWORD}@shop.example"},
    ):
        for words in ("doctor", "providers test tok", "orders list"):
            scene.run(*words.split(), **environ)
        scene.run("orders", "pin", next(iter(scene.system.orders())), **environ)
