"""Orders by their id: placed, looked at, made older; and the queue as it stands."""

import json
import time
from dataclasses import dataclass
from typing import Any

import redis

from gateway.broker import NAMESPACE, QUEUES
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import Order, State
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.worker import Worker
from models import provider_health, timeline
from models.db import database
from models.db.sealed import Sealer
from models.provider_health import BREAKER_THRESHOLD
from tests import factories
from tests.waiting import wait_until

DAY = 86_400
#: A key that no test binds.
OTHER_KEY = "YW5vdGhlci1rZXktdGhhdC1ubyBib3VuZCB0ZXN0IF8="
SEALED_ELSEWHERE = Sealer([OTHER_KEY]).seal("{}", "provider:sandbox")
#: Accidents that make a provider unusable, by name.
ACCIDENTS = {
    "no-credentials": "UPDATE referans.providers SET credentials = '{}' WHERE id = %s",
    "damaged": "UPDATE referans.providers SET credentials = 'sealed:what was cut off' WHERE id = %s",
    "not-json": "UPDATE referans.providers SET credentials = 'kod=1' WHERE id = %s",
    "other-key": f"UPDATE referans.providers SET credentials = '{SEALED_ELSEWHERE}' WHERE id = %s",
    "no-adapter": "UPDATE referans.providers SET adapter = 'forgotten' WHERE id = %s",
    "no-provider": "WITH r AS (DELETE FROM referans.routes WHERE provider_id = %s RETURNING provider_id)"
    " DELETE FROM referans.providers WHERE id IN (SELECT provider_id FROM r)",
}


def place(words: str = "poll") -> str:
    """The id of a placed order, of which the simulator makes what the words say."""
    return str(factories.place(f"player+{words}")["id"])


def row(order_id: str) -> dict[str, Any]:
    """Every column of the order."""
    found = database.row("SELECT * FROM product_orders WHERE id = %s", (order_id,))
    assert found
    return found


def status(order_id: str) -> str:
    return str(row(order_id)["externalStatus"])


def put(order_id: str, **columns: Any) -> None:
    """Set columns of an order to a state that takes long to reach."""
    assignments = ", ".join(f'"{name}" = %({name})s' for name in columns)
    database.rows(f"UPDATE product_orders SET {assignments} WHERE id = %(id)s", columns | {"id": order_id})


def age(order_id: str, seconds: float) -> None:
    """Let an order be `seconds` older: each of its times is moved back."""
    names = ("createdAt", "claimedAt", "sentAt", "nextCheckAt", "lastCallbackAt", "unknownAt", "sendingUntil")
    moved = ", ".join(f'"{name}" = "{name}" - make_interval(secs => %(s)s)' for name in names)
    database.rows(f"UPDATE product_orders SET {moved} WHERE id = %(id)s", {"s": seconds, "id": order_id})


def seconds_until_check(order_id: str) -> float:
    """Seconds until the order's plan is due."""
    found = database.row(
        'SELECT EXTRACT(EPOCH FROM "nextCheckAt" - now())::float8 AS s FROM product_orders WHERE id = %s',
        (order_id,),
    )
    assert found
    return float(found["s"])


def events(order_id: str) -> list[str]:
    """What the order's timeline says, oldest first."""
    return [event.message for event in timeline.events(order_id)]


def sent(worker: Worker, words: str = "never") -> str:
    """An order that its provider has accepted, and whose first check is due."""
    order = place(words)
    dispatching.dispatch(worker, order)
    age(order, 61)
    return order


def go_down() -> None:
    """Let the sandbox fail often enough to count as down."""
    for _ in range(BREAKER_THRESHOLD):
        provider_health.failed(factories.SANDBOX, "no answer", probe_seconds=3600)


def spoil(provider_id: str, accident: str) -> None:
    """Let one of ACCIDENTS happen to a provider."""
    database.rows(ACCIDENTS[accident], (provider_id,))


def booked(simulator: Simulator, order_id: str) -> Order:
    """What the simulator has of the order."""
    found = simulator.book.get(row(order_id)["provider_referans"])
    assert found, "the simulator was never sent it"
    return found


def wait_until_decided(simulator: Simulator, order_id: str) -> None:
    """Return once the simulator has an outcome for the order."""
    wait_until(lambda: booked(simulator, order_id).state in (State.COMPLETED, State.FAILED))


def check_until_final(worker: Worker, simulator: Simulator, order_id: str, most: int = 12) -> None:
    """Let time pass and ask for the order as often as it takes, `most` times at most."""
    for _ in range(most):
        if status(order_id) in ("completed", "failed"):
            return
        if booked(simulator, order_id).state is State.PROCESSING:
            wait_until_decided(simulator, order_id)
        age(order_id, 61)
        checking.check(worker, order_id)
    raise AssertionError(f"still {status(order_id)} after {most} checks: {events(order_id)}")


@dataclass(frozen=True, slots=True)
class Hint:
    """A message in the queue."""

    actor: str
    order_id: str
    #: Seconds until it is delivered, rounded.
    delay_seconds: int


class Queue:
    """What waits in the queue."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def hints(self) -> list[Hint]:
        """Every message for an order, in no order."""
        names = [name for queue in set(QUEUES.values()) for name in (queue, f"{queue}.DQ")]
        bodies = [body for name in names for body in self._client.hvals(f"{NAMESPACE}:{name}.msgs")]  # type: ignore[union-attr]
        return [self._hint(json.loads(body)) for body in bodies]

    def clear(self) -> None:
        """Forget every message, as a queue that was restarted."""
        self._client.flushdb()

    @staticmethod
    def _hint(message: dict[str, Any]) -> Hint:
        eta = message["options"].get("eta")
        return Hint(message["actor_name"], message["args"][0], round(eta / 1000 - time.time()) if eta else 0)
