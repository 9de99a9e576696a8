"""Trouble of ours puts the work off. It moves no order to another provider, fails none, and lets none time out."""

import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import peewee
import psycopg2
import pytest
import redis

from gateway import broker, outbound, providers
from gateway.dev.simulator import Simulator
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.permits import Permits
from gateway.fulfilment.worker import Worker
from gateway.names import Names
from gateway.providers.znet import Znet
from gateway.settings import load
from models import provider, provider_health, timeline
from models.db import database, sealed
from models.db.fair_semaphore import FairSemaphore
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from tests import factories
from tests.conftest import KEY
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.orders import (
    DAY,
    OTHER_KEY,
    age,
    booked,
    events,
    place,
    row,
    sent,
    spoil,
    status,
)

SANDBOX = factories.SANDBOX
Work = Callable[[Worker, str], None]
#: What is done with an order whose provider would be passed over, or whose time is up, if the trouble were its own.
BOTH = pytest.mark.parametrize("work", [dispatching.dispatch, checking.check], ids=["dispatch", "last check"])


@pytest.fixture
def order_for(worker: Worker, backup: str) -> Callable[[Work], str]:
    """An order that is to be sent, and may go to a second provider; or one whose last check is due."""

    def make(work: Work) -> str:
        if work is dispatching.dispatch:
            return place("never")
        order = sent(worker)
        age(order, DAY)
        return order

    return make


def put_off(order: str, before: object) -> bool:
    """Whether the order is as it was: with its provider, open, and its timeline without a word."""
    return (row(order), events(order)) == before


def state(order: str) -> object:
    return row(order), events(order)


def settles_later(worker: Worker, simulator: Simulator, order: str, work: Work) -> None:
    """Once the trouble is over, what was put off is done: at the provider of the order."""
    work(worker, order)
    if work is dispatching.dispatch:
        assert (status(order), row(order)["providerId"]) == ("sent", SANDBOX)
    else:
        assert status(order) == "failed"
        assert events(order)[-1].endswith("one last check included")
        assert booked(simulator, order).times_checked == 1


class TestDatabase:
    @BOTH
    def test_a_pool_that_is_full(
        self,
        worker: Worker,
        simulator: Simulator,
        order_for: Callable[[Work], str],
        monkeypatch: pytest.MonkeyPatch,
        work: Work,
    ) -> None:
        order = order_for(work)
        before = state(order)
        monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 0.01)
        monkeypatch.setattr(database.database.obj, "_places", FairSemaphore(0))
        error = elsewhere(lambda: work(worker, order))
        assert isinstance(error, database.Unavailable)
        assert isinstance(error, database.UNAVAILABLE) and not isinstance(error, ValueError)
        assert put_off(order, before)
        settles_later(worker, simulator, order, work)

    @BOTH
    @pytest.mark.parametrize("table", ["product_orders", "referans.providers", "referans.provider_health"])
    def test_a_table_that_is_locked(
        self,
        worker: Worker,
        simulator: Simulator,
        order_for: Callable[[Work], str],
        emptied_database_url: str,
        work: Work,
        table: str,
    ) -> None:
        order = order_for(work)
        before = state(order)
        database.rows("SET lock_timeout = '10ms'")
        with locked(emptied_database_url, table), pytest.raises(peewee.OperationalError):
            work(worker, order)
        assert put_off(order, before)
        settles_later(worker, simulator, order, work)

    def test_a_table_that_is_locked_after_the_last_check_went_out(
        self, worker: Worker, simulator: Simulator, emptied_database_url: str
    ) -> None:
        """What the provider said could not be stored: the order waits, and is asked about once more."""
        order = sent(worker)
        age(order, DAY)
        database.rows("SET lock_timeout = '10ms'")
        check = providers.check
        with pytest.MonkeyPatch.context() as patch, closing(psycopg2.connect(emptied_database_url)) as other:

            def check_and_lock(*arguments: object) -> object:
                outcome = check(*arguments)  # type: ignore[arg-type]
                other.cursor().execute("LOCK TABLE product_orders")
                return outcome

            patch.setattr(providers, "check", check_and_lock)
            with pytest.raises(peewee.OperationalError):
                checking.check(worker, order)
            other.rollback()
        assert status(order) == "sent"

        age(order, 61)
        checking.check(worker, order)
        assert (status(order), booked(simulator, order).times_checked) == ("failed", 2)


def elsewhere(work: Callable[[], None]) -> BaseException | None:
    """What `work` raises in a thread of its own, which has no connection."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    with closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute(f"LOCK TABLE {table}")
        yield
        connection.rollback()  # waited for; the server notices later that a connection is closed


class TestQueue:
    @BOTH
    def test_one_that_is_away(
        self, worker_for: WorkerFor, simulator: Simulator, order_for: Callable[[Work], str], work: Work
    ) -> None:
        order = order_for(work)
        before = state(order)
        settings = load({"REDIS_URL": "redis://127.0.0.1:1"}, require=())
        with broker.make_client(settings, strict=True) as away, pytest.raises(redis.RedisError):
            work(worker_for(permits=Permits(away)), order)
        assert put_off(order, before)
        settles_later(worker_for(), simulator, order, work)


class TestKeys:
    """Keys that open nothing at all are ours to mend; one value that they do not open is its provider's."""

    @BOTH
    @pytest.mark.parametrize("keys", [[], [OTHER_KEY]], ids=["none", "wrong"])
    @pytest.mark.parametrize("providers_left", [1, 2])
    def test_keys_that_open_nothing(
        self,
        worker: Worker,
        simulator: Simulator,
        order_for: Callable[[Work], str],
        work: Work,
        keys: list[str],
        providers_left: int,
    ) -> None:
        order = order_for(work)
        if providers_left == 1:
            database.rows("DELETE FROM referans.routes WHERE provider_id <> %s", (SANDBOX,))
            database.rows("DELETE FROM referans.providers WHERE id <> %s", (SANDBOX,))
        before = state(order)
        sealed.bind(keys)
        with pytest.raises(sealed.NoKeyOpens):
            work(worker, order)
        assert put_off(order, before)
        sealed.bind([KEY])
        settles_later(worker, simulator, order, work)

    def test_an_order_whose_time_is_up_before_it_was_sent(self, worker: Worker, backup: str) -> None:
        order = place()
        age(order, DAY)
        sealed.bind([OTHER_KEY])
        with pytest.raises(sealed.NoKeyOpens):
            dispatching.dispatch(worker, order)
        assert status(order) == "not_sent"

    def test_the_only_provider_is_at_fault_if_a_callback_opens(self, worker: Worker) -> None:
        order = sent(worker)
        early = Outcome(ExternalStatus.COMPLETED, "77")
        factories.settle(Arrival(SANDBOX, Source.CALLBACK, early, dedupe_key="1", raw="{}"))
        spoil(SANDBOX, "other-key")
        assert provider.keys_open_anything()
        age(order, DAY)
        checking.check(worker, order)
        assert events(order)[-1].endswith("its provider sandbox could not be asked")

    def test_the_only_provider_is_not_at_fault_if_nothing_opens(self, worker: Worker) -> None:
        order = sent(worker)
        spoil(SANDBOX, "other-key")
        assert not provider.keys_open_anything()
        age(order, DAY)
        with pytest.raises(sealed.NoKeyOpens):
            checking.check(worker, order)
        assert status(order) == "sent"


#: Standard input, output and error: always open, so that no number below this one is free.
STANDARD_FILES = 3


@contextmanager
def out_of_files() -> Iterator[None]:
    """No file or socket can be opened, not even one whose number another thread has just set free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (STANDARD_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_names() -> Iterator[None]:
    """No name of a host is looked up, not even one that was."""
    real, names = socket.getaddrinfo, Names()

    def answer(host: str, *_: object, flags: int = 0, **__: object) -> object:
        return fail(host) if flags & socket.AI_NUMERICHOST else real("192.0.2.1", None)

    def fail(host: str, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "NAMES", names)
        patch.setattr(socket, "getaddrinfo", answer)
        assert names.addresses("other.example", 5)
        patch.setattr(socket, "getaddrinfo", fail)
        yield


class TestThisMachine:
    """What keeps a call from going out here says nothing of the provider."""

    @pytest.mark.parametrize("trouble", [out_of_files, no_names])
    def test_an_order_that_cannot_be_sent_stays_with_its_provider(
        self,
        worker_for: WorkerFor,
        simulator: Simulator,
        backup: str,
        trouble: Callable[[], AbstractContextManager[None]],
    ) -> None:
        sent(worker_for())  # which leaves a connection to the queue
        database.rows("UPDATE referans.providers SET base_url = replace(base_url, '127.0.0.1', 'localhost')")
        known = provider_health.health(SANDBOX)
        order, worker = place(), worker_for(client=outbound.Client())
        with trouble():
            dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)
        assert "not sent because of a fault on our side, will send again" in events(order)[-1]
        assert provider_health.health(SANDBOX) == known

        age(order, 31)
        checking.check(worker, order)
        assert (status(order), booked(simulator, order).requests_seen) == ("sent", 1)

    def test_a_last_check_that_cannot_go_out_ends_nothing(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        order, worker = sent(worker_for()), worker_for(client=outbound.Client())
        age(order, DAY)
        provider_health.failed(SANDBOX, "no answer", probe_seconds=30)
        with out_of_files():
            checking.check(worker, order)
        assert status(order) == "sent"
        assert events(order)[-1].startswith("not checked, nothing learned: ")
        health = provider_health.health(SANDBOX)
        assert health and health.failures == 1, "it neither failed nor answered"

        age(order, 61)
        settles_later(worker, simulator, order, checking.check)

    @pytest.mark.usefixtures("backup")
    def test_a_fault_in_the_code_of_an_adapter(
        self, worker: Worker, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ValueError("a fault of the adapter's author")

        monkeypatch.setitem(providers.ADAPTERS, "broken", type("Broken", (Znet,), {"__init__": fail}))
        order, late = place("never"), sent(worker)
        age(late, DAY)
        factories.add_provider(adapter="broken", base_url=simulator.url)
        for one, work in ((order, dispatching.dispatch), (late, checking.check)):
            before = state(one)
            with pytest.raises(ValueError, match="author"):
                work(worker, one)
            assert put_off(one, before)

    def test_the_timeline_of_a_timeout_names_no_check_that_was_not_made(self, worker: Worker) -> None:
        order = sent(worker)
        spoil(SANDBOX, "no-provider")
        age(order, DAY)
        checking.check(worker, order)
        assert status(order) == "failed"
        assert not any("last check included" in event.message for event in timeline.events(order))
