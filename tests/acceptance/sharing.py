"""Several providers share four worker processes: how many questions a crowd of orders costs, and who waits for whom.

    python -m tests.acceptance.sharing [--only bulk hanging rates] [--rounds 3] [--bulk-rounds 3]

`bulk`: a thousand orders wait at a provider that can be asked about a hundred at once. `hanging`: one provider
answers no call for a minute, while orders go to the other. `rates`: more orders than a provider may get in a minute.
The providers count what comes to them. Ends with exit status 1 where a figure is out of its bound.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.answers import Answer
from gateway.dev.simulator.server import Asked
from models.db.migrate import migrate
from tests import factories
from tests.acceptance.storm.spoken import Spoken
from tests.acceptance.system import WORKER, System, execute, new_directory
from tests.waiting import wait_until

WORKERS = 4
#: Orders that wait at a provider, and how many of them it can be asked about at once.
WAITING, TOGETHER = 1000, 100
#: Questions in a round, at most.
MOST_QUESTIONS = 12
#: Seconds from one round of questions to the next.
BULK_PERIOD_SECONDS = 20.0
#: Seconds that the provider that hangs answers nothing, and that a call may take.
HANG_SECONDS, CALL_SECONDS = 75.0, 60
#: Seconds in which dispatches are counted, from the moment at which orders go out at full speed.
COUNTED_SECONDS, WARM_SECONDS = 20.0, 2.0
#: Orders at the one that hangs, and at the other: more than are sent in that time. The former come one after each so
#: many of the latter, so that all calls which the one that hangs takes at once hang before the count begins.
AT_HANGING, AT_OTHER, EVERY = 100, 12_000, 40
#: Calls at once that the other one takes: more than there are threads, so that its orders wait for nothing but them.
UNBOUNDED = 64
#: Least share of the rate that the other one has beside one that does not hang.
LEAST_SHARE = 0.9
#: Calls a minute that a provider takes, orders that wait for it, and minutes that are counted.
A_MINUTE, AT_LIMITED, MINUTES = 240, 600, 2
#: Largest share by which a minute may be off.
OFF = 0.1
MINUTE_SECONDS = 60.0
A, B = factories.SANDBOX, "other"
ANSWER_SECONDS = 0.02
#: Seconds until the first check. It is the plan of an order that was placed, as the web writes it: a worker takes up by
#: it what was not sent within the tries that a message has while its provider is busy.
FIRST_CHECK_SECONDS = 600
NEW = f"""
INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
    "externalStatus", "nextCheckAt", "routeParams", "placedByGateway")
SELECT 'game', '60', 'player' || n, %s, (%s + n)::text, 'pending', 'not_sent',
    now() + interval '{FIRST_CHECK_SECONDS} s', '{{"oyun": "1", "kupur": "60"}}', true
FROM generate_series(1, %s) AS n
"""


class Panel:
    """A znet panel that costs next to nothing, in a thread of its own; it notes when each order came."""

    def __init__(self) -> None:
        self.hangs = False
        self.came_at: list[float] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def answers_after_seconds(self, head: bytes) -> float:
        if b"pin_ekle" in head:
            self.came_at.append(time.monotonic())
        return HANG_SECONDS if self.hangs else ANSWER_SECONDS

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        create = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=512)
        server = self._loop.run_until_complete(create)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()


class _Connection(asyncio.Protocol):
    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            head, self._received = self._received.partition(b"\r\n")[0], b""
            body = b"OK|1.00|100.00" if b"pin_ekle" in head else b"OK|1||"
            after = self._panel.answers_after_seconds(head)
            asyncio.get_running_loop().call_later(after, self._answer, body)

    def _answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            self._transport.write(head + body)


@dataclass
class Run:
    """Servers, and what was found to be out of its bound."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    directory: Path
    rounds: int
    bulk_rounds: int
    faults: list[str] = field(default_factory=list)

    def say(self, what: str, *, is_kept: bool) -> None:
        """A figure."""
        print(f"  {what}{'' if is_kept else '   <-- out of its bound'}", flush=True)
        if not is_kept:
            self.faults.append(what)

    @contextmanager
    def system(self, url: str, **env: str) -> Iterator[System]:
        """Workers on a database without orders, and a queue without messages; A is at `url`."""
        execute(
            self.postgres.url,
            "TRUNCATE product_orders, referans.order_events, referans.provider_health CASCADE",
        )
        with closing(redis.Redis.from_url(self.valkey.url)) as queue:
            queue.flushall()
        with Simulator(echo=None) as unused:
            system = System(self.postgres.url, self.valkey.url, self.directory, unused, **env)
            with factories.bound(self.postgres.url, pool_size=2):
                factories.add_provider(A, url)
            try:
                yield system
            finally:
                system.close()

    def place(self, system: System, provider_id: str, count: int) -> list[str]:
        """Orders that wait to be sent to a provider; their ids."""
        base = 10**14 + time.time_ns() // 1000 % 10**9 * 10**5
        execute(self.postgres.url, NEW, provider_id, base, count)
        return [key for key, row in system.orders().items() if row["providerId"] == provider_id]


def bulk(run: Run) -> None:
    """A thousand orders that a provider does not decide; in each round every order is asked about once."""
    spoken = Spoken("smm_v2")
    simulator = spoken.simulator(default_behaviour="never")
    questions: list[float] = []
    answer = simulator.face.answer

    def counted(asked: Asked) -> Answer:
        if b"action=status" in asked.body:
            questions.append(time.monotonic())
        return answer(asked)

    simulator.face.answer = counted  # type: ignore[method-assign]
    period = f"{BULK_PERIOD_SECONDS:g}"
    with (
        simulator,
        run.system(
            simulator.url,
            FIRST_CHECK_DELAY="60",
            BACKOFF_MIN=period,
            BACKOFF_MAX=period,
            ORDER_TIMEOUT="3600",
        ) as system,
    ):
        with factories.bound(run.postgres.url, pool_size=2):
            spoken.add(A, simulator.url)
        _start(system)
        ids = system.place_without_web(*(f"player{number}" for number in range(WAITING)))
        wait_until(
            lambda: _count(system, "sent") == WAITING, 60, what=lambda: f"{_count(system, 'sent')} sent"
        )
        asked_before, found = 0, _checks(system)
        for number in range(1, run.bulk_rounds + 1):
            wait_until(
                lambda number=number: min(_checks(system).values()) >= number,  # type: ignore[misc]
                90 if number == 1 else 3 * BULK_PERIOD_SECONDS,
                what=lambda number=number: f"round {number}: {Counter(_checks(system).values())}",  # type: ignore[misc]
                pause_seconds=0.2,
            )
            found = _checks(system)
            asked = len(questions) - asked_before
            asked_before = len(questions)
            is_one = set(found.values()) == {number}
            run.say(
                f"round {number}: {WAITING} orders, {asked} questions (at most {MOST_QUESTIONS});"
                f" asked about {dict(Counter(found.values()))} times",
                is_kept=asked <= MOST_QUESTIONS and is_one,
            )
        assert len(ids) == WAITING


def hanging(run: Run) -> None:
    """Dispatches to B beside A, which answers or hangs, in turns."""
    hung, other = Panel(), Panel()
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(run.rounds):
        for hangs in (False, True) if number % 2 == 0 else (True, False):
            hung.hangs = hangs
            rates[hangs].append(_rate_beside(run, hung, other))
            how = "hangs" if hangs else "answers"
            run.say(f"{rates[hangs][-1]:.1f} dispatches/s to the other while one {how}", is_kept=True)
    without, beside = (statistics.median(rates[hangs]) for hangs in (False, True))
    share = beside / without
    run.say(
        f"{beside:.1f} of {without:.1f}/s: {share:.0%} (at least {LEAST_SHARE:.0%})",
        is_kept=share > LEAST_SHARE,
    )
    for panel in (hung, other):
        panel.close()


def _rate_beside(run: Run, hung: Panel, other: Panel) -> float:
    """Orders a second that reach the other provider."""
    other.came_at.clear()
    with run.system(
        hung.url,
        CALL_TIMEOUT=str(CALL_SECONDS),
        FIRST_CHECK_DELAY=str(FIRST_CHECK_SECONDS),
        ORDER_TIMEOUT="3600",
    ) as system:
        with factories.bound(run.postgres.url, pool_size=2):
            factories.add_provider(B, other.url, max_concurrency=UNBOUNDED)
        at_hung, at_other = run.place(system, A, AT_HANGING), run.place(system, B, AT_OTHER)
        for number, order_id in enumerate(at_other):
            if number % EVERY == 0 and at_hung:
                system.enqueue("dispatch_order", at_hung.pop())
            system.enqueue("dispatch_order", order_id)
        _start(system)
        wait_until(lambda: len(other.came_at) > 0, 30, what="the first order")
        began = time.monotonic() + WARM_SECONDS
        time.sleep(WARM_SECONDS + COUNTED_SECONDS)  # the span that is measured
        found = sum(began <= at < began + COUNTED_SECONDS for at in other.came_at)
        assert len(other.came_at) < AT_OTHER, "too few orders to measure"
    return found / COUNTED_SECONDS


def rates(run: Run) -> None:
    """Arrivals in each minute at a provider that takes so many; every order waits from the beginning."""
    panel = Panel()
    delay = str(FIRST_CHECK_SECONDS)
    with run.system(panel.url, FIRST_CHECK_DELAY=delay, ORDER_TIMEOUT="3600") as system:
        with factories.bound(run.postgres.url, pool_size=2):
            factories.add_provider(A, panel.url, max_per_minute=A_MINUTE)
        ids = run.place(system, A, AT_LIMITED)
        for order_id in ids:
            system.enqueue("dispatch_order", order_id)
        _start(system)
        wait_until(lambda: len(panel.came_at) > 0, 30, what="the first order")
        began = panel.came_at[0]
        sweeps = threading.Event()
        while time.monotonic() < began + MINUTES * MINUTE_SECONDS:
            system.sweep()
            sweeps.wait(5)
    for number in range(MINUTES):
        since = began + number * MINUTE_SECONDS
        found = sum(since <= at < since + MINUTE_SECONDS for at in panel.came_at)
        run.say(f"minute {number + 1}: {found} of {A_MINUTE}", is_kept=abs(found / A_MINUTE - 1) <= OFF)
    most = max(sum(at <= each < at + MINUTE_SECONDS for each in panel.came_at) for at in panel.came_at)
    run.say(f"in any minute at most {most}", is_kept=most <= A_MINUTE * (1 + OFF))
    panel.close()


def _start(system: System) -> None:
    for number in range(WORKERS):
        system.start(f"worker-{number}", WORKER)


def _count(system: System, status: str) -> int:
    return sum(row["externalStatus"] == status for row in system.orders().values())


def _checks(system: System) -> dict[str, int]:
    return {key: row["checkCount"] for key, row in system.orders().items()}


PARTS: dict[str, Callable[[Run], None]] = {"bulk": bulk, "hanging": hanging, "rates": rates}


def main(given: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="What several providers and four workers cost each other.")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--rounds", type=int, default=3, help="of `hanging`: each with it and without it")
    parser.add_argument("--bulk-rounds", type=int, default=3, help="of `bulk`: each asks about every order")
    options = parser.parse_args(given)
    directory = new_directory("sharing")
    with (
        EmbeddedPostgres(directory / "postgres") as postgres,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
    ):
        migrate(postgres.url, echo=lambda line: None)
        run = Run(postgres, valkey, directory, options.rounds, options.bulk_rounds)
        for name in options.only:
            print(f"{name}:", flush=True)
            PARTS[name](run)
    if not run.faults:
        shutil.rmtree(directory, ignore_errors=True)
        return 0
    print(f"out of bounds: {'; '.join(run.faults)}\nthe logs are in {directory}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
