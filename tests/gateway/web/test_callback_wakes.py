"""A callback that says completed and brings no code: a worker is woken, asks the panel, and the code is filled in."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from gateway import broker, outbound
from gateway.dev.simulator import Simulator
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.permits import Permits
from gateway.fulfilment.worker import CHECK, Worker
from gateway.settings import Settings
from tests import factories
from tests.gateway.fulfilment.orders import Hint, Queue, booked, wait_until_decided
from tests.gateway.web.calls import call_back, neutral, result, standing
from tests.gateway.web.conftest import Client

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def panel(pool: object) -> Iterator[Simulator]:
    """The panel of `sandbox`."""
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    with Simulator(settle_after_seconds=0, echo=None, **credentials) as simulator:
        factories.add_provider(base_url=simulator.url)
        yield simulator


@pytest.fixture
def queue(settings: Settings) -> Iterator[Queue]:
    with closing(redis.Redis.from_url(settings.redis_url.get_secret_value())) as client:
        yield Queue(client)


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    with closing(broker.make_broker(settings, strict=True)) as dramatiq:
        hints = broker.Hints(dramatiq, longest_delay_seconds=settings.sweep_period_seconds)
        yield Worker(settings, outbound.Client(), Permits(dramatiq.client), hints)


@pytest.fixture
def delivered(panel: Simulator, worker: Worker, queue: Queue) -> dict[str, Any]:
    """An order that the panel has delivered, which nobody here knows yet."""
    order = factories.place("player+poll")
    dispatching.dispatch(worker, order["id"])
    wait_until_decided(panel, order["id"])
    queue.clear()
    return order


def woken(queue: Queue) -> list[Hint]:
    """What the queue has once every hint of the web has arrived."""
    assert broker.drain(30)
    return queue.hints()


def test_the_code_that_a_callback_does_not_bring_is_asked_for_at_once(
    trusted: Client, delivered: dict[str, Any], panel: Simulator, worker: Worker, queue: Queue
) -> None:
    assert result(call_back(trusted, neutral(delivered["provider_referans"]))) == "applied"
    assert woken(queue) == [Hint(CHECK, delivered["id"], 0)]
    assert standing(delivered) == "completed" and factories.column(delivered, "pinCode") is None

    checking.check(worker, delivered["id"])

    pin = booked(panel, delivered["id"]).pin
    assert pin and trusted.simulate_get(f"/orders/{delivered['id']}").json["pinCode"] == pin


def test_of_a_list_only_what_lacks_its_code_wakes(
    client: Client, delivered: dict[str, Any], queue: Queue
) -> None:
    with_code, open_ = factories.sent(), factories.sent()
    said = [
        neutral(with_code["provider_referans"], pin_code="1"),
        neutral(open_["provider_referans"], "processing"),
        neutral(delivered["provider_referans"], pin_code=1.5),
    ]
    assert result(call_back(client, {"orders": said})) == "applied"
    assert woken(queue) == [Hint(CHECK, delivered["id"], 0)]


def test_the_same_event_again_wakes_nobody(client: Client, delivered: dict[str, Any], queue: Queue) -> None:
    said = neutral(delivered["provider_referans"])
    call_back(client, said, webhook_id="1")
    assert len(woken(queue)) == 1
    queue.clear()
    assert result(call_back(client, said, webhook_id="1")) == "duplicate"
    assert woken(queue) == []
