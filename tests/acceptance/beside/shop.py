"""Stands in for the older storefront's code: it places, debits, sends, decides and pays back, or hands over."""

import heapq
import importlib.util
import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import requests

from tests import factories
from tests.acceptance.beside import kinds
from tests.acceptance.beside.filling import PACKAGE, PRODUCT, PROVIDER, TENANTS
from tests.acceptance.beside.kinds import Does, Kind
from tests.acceptance.beside.scene import Scene

_spec = importlib.util.spec_from_file_location(
    "receiver", Path(__file__).parents[3] / "examples" / "receiver" / "receiver.py"
)
assert _spec and _spec.loader
#: The example that docs/moving.md shows to the shop's developers.
receiver: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(receiver)

#: USD in TRY, as frozen at an approval.
RATE = "41.250000"
#: The shop's own price of what it buys, in USD.
COST_USD = Decimal("0.25")
#: Threads that place and send, those that hand over, and those that do what is due.
SENDERS, CALLERS, CLERKS = 4, 8, 3
#: Approvals made in one statement, and for how long it holds their rows, in seconds.
BULK, BULK_SECONDS = 10, 0.2
#: Seconds for which the shop tries to hand an order over.
PATIENCE_SECONDS = 120
TRY_SECONDS = 15
PAUSE_SECONDS = 0.05
#: What the panel answers to a question about an order: under way, delivered.
UNDER_WAY, DELIVERED = "1", "2"


@dataclass(slots=True)
class ShopOrder:
    """An order of the run, of either side."""

    kind: Kind
    player: str
    price: Decimal
    #: Set once it is placed.
    order_id: str = ""
    #: What the shop sent it under; the gateway chooses its own.
    referans: str = ""
    is_handed_over: bool = False
    #: `approved`, `rejected` or `taken out`, if a person of the shop came before its end.
    decision: str | None = None
    #: The words that the shop wrote.
    said: list[str] = field(default_factory=list)
    is_overwritten: bool = False

    @property
    def is_left_to_checks(self) -> bool:
        """Whether only the gateway's checks can bring its end."""
        quiet = self.kind.does in (Does.NOTHING, Does.WORD) and not self.kind.is_older_by_seconds
        return "poll" in self.kind.words and quiet


class Shop:
    """Runs in threads from `open` until `close`. `orders` of each side; the same `seed` gives the same prices."""

    def __init__(self, scene: Scene, orders: int, order_timeout_seconds: float, seed: int = 1) -> None:
        self._scene = scene
        chance = random.Random(seed)
        of_shop = itertools.islice(itertools.cycle(kinds.of_the_shop(order_timeout_seconds)), orders)
        handed_over = itertools.islice(itertools.cycle(kinds.HANDED_OVER), orders)
        self.own = [_new(kind, f"own{n}", chance) for n, kind in enumerate(of_shop)]
        self.handed_over = [_new(kind, f"over{n}", chance) for n, kind in enumerate(handed_over)]
        #: What went wrong on the shop's side.
        self.complaints: list[str] = []
        #: Statements of the shop that PostgreSQL ended, since they and one of the gateway waited for each other.
        self.deadlocks = 0
        self._references = itertools.count(820000000001)
        self._to_send, self._to_hand_over = iter(self.own), iter(self.handed_over)
        self._due: list[tuple[float, int, ShopOrder]] = []
        self._numbers = itertools.count()
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        work = [
            (self._send_all, SENDERS),
            (self._hand_over_all, CALLERS),
            (self._do_all, CLERKS),
            (self._react, 1),
        ]
        self._threads = [
            threading.Thread(target=self._guarded, args=(each,), daemon=True)
            for each, count in work
            for _ in range(count)
        ]

    def open(self) -> None:
        """Begin now."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End, with what is under way done."""
        self._closing.set()
        for thread in self._threads:
            thread.join(TRY_SECONDS + 5)

    def has_placed_all(self) -> bool:
        """Whether every order is placed, of either side."""
        return all(each.order_id for each in self.all())

    def is_done(self) -> bool:
        """Whether people and code of the shop have done what they do with each."""
        return not self._due and not self._held

    def all(self) -> list[ShopOrder]:
        """Every order, of either side."""
        return [*self.own, *self.handed_over]

    def by_id(self) -> dict[str, ShopOrder]:
        """Every order that was placed."""
        return {each.order_id: each for each in self.all() if each.order_id}

    def _guarded(self, work: Callable[[Any], None]) -> None:
        try:
            with closing(
                psycopg2.connect(self._scene.roles.admin_url, application_name="shop")
            ) as connection:
                psycopg2.extras.register_uuid(conn_or_curs=connection)
                work(connection)
        except Exception as error:
            self.complaints.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def _next(self, waiting: Iterator[ShopOrder]) -> ShopOrder | None:
        with self._lock:
            return None if self._closing.is_set() else next(waiting, None)

    def _send_all(self, connection: Any) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while order := self._next(self._to_send):
                with self._lock:
                    order.referans = str(next(self._references))
                placed = self._rows(connection, PLACE, _fields(order))
                order.order_id = placed[0][0]
                if order.kind.does is Does.OVERWRITE:
                    self._held.add(order.order_id)
                self._ask_panel(
                    session,
                    "pin_ekle.php",
                    oyun="1",
                    kupur="60",
                    referans=order.referans,
                    musteri_tel="",
                    oyuncu_bilgi=order.player,
                )
                time.sleep(order.kind.saves_after_seconds)
                column = order.kind.keeps.value
                self._rows(connection, SENT.format(column=f'"{column}"'), _fields(order))
                if order.kind.does is not Does.NOTHING:
                    self._do_later(order, order.kind.does_after_seconds)

    def _ask_panel(self, session: requests.Session, script: str, **fields: str) -> list[str]:
        credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
        answer = session.get(
            f"{self._scene.simulator.url}/servis/{script}", params=credentials | fields, timeout=TRY_SECONDS
        )
        return answer.text.split("|")

    def _hand_over_all(self, connection: Any) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update(self._scene.system.authorization)
            while order := self._next(self._to_hand_over):
                order.is_handed_over = True
                values = {"number": str(uuid.uuid4()), "price": order.price}
                self._rows(connection, TAKE_MONEY, values)
                if order_id := self._insist(session, order, values["number"]):
                    self._rows(connection, NAME_IT, values | {"id": order_id})
                    order.order_id = order_id

    def _insist(self, session: requests.Session, order: ShopOrder, key: str) -> str | None:
        """The id of the order at the gateway; the same key for all tries makes it one order."""
        body = {"productId": PRODUCT, "packageId": PACKAGE, "userIdentifier": order.player}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and not self._closing.is_set():
            try:
                answer = session.post(
                    f"{self._scene.system.url}/api-dj/orders/",
                    json=body,
                    headers={"Idempotency-Key": key},
                    timeout=TRY_SECONDS,
                )
                if answer.status_code == 201:
                    return str(answer.json()["id"])
                if answer.status_code < 500:
                    break
            except requests.RequestException:
                pass
            time.sleep(0.3)
        self.complaints.append(f"{order.player} was not handed over")
        return None

    def _do_later(self, order: ShopOrder, seconds: float) -> None:
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), order))

    def _do_all(self, connection: Any) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._closing.is_set():
                if not (due := self._take_due()):
                    time.sleep(PAUSE_SECONDS)
                elif due[0].kind.does is Does.APPROVE:
                    self._approve(connection, due)
                else:
                    self._do(connection, session, due[0])

    def _take_due(self) -> list[ShopOrder]:
        """What is to be done now: one order, or many that are approved together."""
        found: list[ShopOrder] = []
        with self._lock:
            while self._due and self._due[0][0] <= time.monotonic() and len(found) < BULK:
                if found and {found[0].kind.does, self._due[0][2].kind.does} != {Does.APPROVE}:
                    break
                found.append(heapq.heappop(self._due)[2])
                if found[0].kind.does is not Does.APPROVE:
                    break
        return found

    def _do(self, connection: Any, session: requests.Session, order: ShopOrder) -> None:
        match order.kind.does:
            case Does.WORD if self._rows(connection, SAY, {"id": order.order_id, "word": order.kind.word}):
                order.said.append(order.kind.word)
            case Does.REJECT if self._rows(connection, REJECT, {"id": order.order_id}):
                order.decision = "rejected"
            case Does.TAKE_OUT if self._rows(connection, TAKE_OUT, {"id": order.order_id}):
                order.decision = "taken out"
            case Does.ASK:
                self._ask(connection, session, order)
            case Does.OVERWRITE:
                self._overwrite(connection, order)

    def _approve(self, connection: Any, orders: list[ShopOrder]) -> None:
        ids = [each.order_id for each in orders]
        approved = self._rows(connection, APPROVE_MANY, {"ids": ids, "rate": RATE, "seconds": BULK_SECONDS})
        for each in orders:
            if (each.order_id,) in approved:
                each.decision = "approved"

    def _ask(self, connection: Any, session: requests.Session, order: ShopOrder) -> None:
        answer = self._ask_panel(session, "pin_kontrol.php", tahsilat_api_islem_id=order.referans)
        values = {"id": order.order_id, "rate": RATE, "word": "processing", "pin": (answer + [""] * 3)[2]}
        if answer[:2] == ["OK", DELIVERED]:
            self._rows(connection, DELIVER, values)
        elif answer[:2] == ["OK", UNDER_WAY]:
            self._rows(connection, SAY, values)
            self._do_later(order, 0.5)

    def _overwrite(self, connection: Any, order: ShopOrder) -> None:
        """Once the gateway has written the outcome, and before the shop has acted on it."""
        if not self._rows(connection, OVERWRITE, {"id": order.order_id}):
            self._do_later(order, 0.1)
            return
        order.is_overwritten = True
        self._held.discard(order.order_id)

    def _react(self, connection: Any) -> None:
        """As docs/moving.md says, until notifications are sent."""
        while not self._closing.is_set():
            for order_id in receiver.ended(connection, days=1000):
                if order_id not in self._held:
                    receiver.act(connection, order_id, RATE)
            time.sleep(PAUSE_SECONDS)

    def _rows(self, connection: Any, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """What the statement returns; it is repeated where PostgreSQL ended it to end a deadlock."""
        while True:
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(sql, values)
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.errors.DeadlockDetected:
                with self._lock:
                    self.deadlocks += 1


def _new(kind: Kind, name: str, chance: random.Random) -> ShopOrder:
    return ShopOrder(kind, f"{name}+{kind.words}", Decimal(chance.randrange(1, 2500)) / 100)


def _fields(order: ShopOrder) -> dict[str, Any]:
    return {
        "id": order.order_id or None,
        "tenant": TENANTS[1],
        "product": PRODUCT,
        "package": PACKAGE,
        "player": order.player,
        "price": order.price,
        "provider": PROVIDER,
        "referans": order.referans,
        "older": order.kind.is_older_by_seconds,
        "cost": COST_USD,
    }


#: In SQL: its provider has not brought it to an end, as far as the shop knows.
OPEN = """lower("externalStatus") NOT IN ('completed', 'failed', 'reversed')"""
FREEZE = """
    "approvedAt" = now(), "fxLocked" = true, "fxUsdTryAtApproval" = %(rate)s, "fxCapturedAt" = now(),
    "sellTryAtApproval" = price * %(rate)s
"""
PLACE = """
WITH placed AS (
    INSERT INTO product_orders (
        "tenantId", "userId", "productId", "packageId", "userIdentifier", price, "sellPriceAmount", "costAmount",
        cost_price_usd, "providerId", "externalStatus", attempts
    ) VALUES (
        %(tenant)s::uuid, gen_random_uuid(), %(product)s::uuid, %(package)s::uuid, %(player)s, %(price)s, %(price)s,
        %(cost)s, %(cost)s, %(provider)s, 'queued', 1
    ) RETURNING id, price
), paid AS (
    INSERT INTO wallet_moves (order_id, amount) SELECT id, -price FROM placed
)
SELECT id::text FROM placed
"""
SENT = """
WITH logged AS (
    INSERT INTO order_dispatch_log (order_id, action, result) VALUES (%(id)s::uuid, 'send', 'ok')
)
UPDATE product_orders SET {column} = %(referans)s, "externalStatus" = 'sent', "lastMessage" = 'sent',
    "sentAt" = now() - make_interval(secs => %(older)s)
WHERE id = %(id)s::uuid
"""
SAY = f"""
UPDATE product_orders SET "externalStatus" = %(word)s
WHERE id = %(id)s::uuid AND status = 'pending' AND {OPEN} RETURNING id
"""
OVERWRITE = f"""
UPDATE product_orders SET "externalStatus" = 'unknown', "lastMessage" = 'the question failed'
WHERE id = %(id)s::uuid AND status = 'pending' AND NOT {OPEN} RETURNING id
"""
TAKE_OUT = f"""
UPDATE product_orders SET "providerId" = NULL, "externalStatus" = 'not_sent', "manualNote" = 'by hand'
WHERE id = %(id)s::uuid AND status = 'pending' AND {OPEN} RETURNING id
"""
REJECT = f"""
WITH rejected AS (
    UPDATE product_orders SET status = 'rejected', "manualNote" = 'rejected by hand'
    WHERE id = %(id)s::uuid AND status = 'pending' AND {OPEN} RETURNING id, price
), paid AS (
    INSERT INTO wallet_moves (order_id, amount) SELECT id, price FROM rejected
)
SELECT id::text FROM rejected
"""
#: Holds its rows for a while, as a long request does.
APPROVE_MANY = f"""
WITH approved AS (
    UPDATE product_orders SET status = 'approved', {FREEZE}
    WHERE id = ANY (%(ids)s::uuid[]) AND status = 'pending' AND {OPEN} RETURNING id::text AS id
), pause AS MATERIALIZED (
    SELECT pg_sleep(%(seconds)s)
)
SELECT approved.id FROM approved CROSS JOIN pause
"""
DELIVER = f"""
UPDATE product_orders SET status = 'approved', {FREEZE}, "externalStatus" = 'completed', "pinCode" = %(pin)s,
    "completedAt" = now()
WHERE id = %(id)s::uuid AND status = 'pending' RETURNING id
"""
#: First the money, under a number of the shop's own.
TAKE_MONEY = "INSERT INTO wallet_moves (order_id, amount) VALUES (%(number)s::uuid, -%(price)s)"
#: Then what only the shop knows of the order. From here on it can be paid back.
NAME_IT = """
WITH named AS (
    UPDATE product_orders SET "userId" = gen_random_uuid(), price = %(price)s, "sellPriceAmount" = %(price)s,
        mode = 'handed over'
    WHERE id = %(id)s::uuid RETURNING id
)
UPDATE wallet_moves AS m SET order_id = named.id FROM named WHERE m.order_id = %(number)s::uuid
"""
