"""A storefront that places the planned orders and does not give up: each order has one key for all its tries."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from tests.acceptance.storm.plan import Plan, PlannedOrder

#: Threads that place orders; a few may hang on a web that is down while the others go on.
THREADS = 16
#: Seconds that one try may take, and that an order is tried for.
TRY_SECONDS = 15
PATIENCE_SECONDS = 90
#: Share of the orders that are placed once more after they were accepted.
REPEATED = 0.05


class Storefront:
    """Places every order of a plan at its time. `url()` is where the router leads just now.

    `notify_url` says where the order of a number wants to be told of.
    """

    def __init__(
        self,
        plan: Plan,
        url: Callable[[], str],
        headers: Mapping[str, str],
        notify_url: Callable[[int], str | None],
    ) -> None:
        self._notify_url = notify_url
        self._orders = iter(plan.orders)
        self._seed = plan.seed
        self._url, self._headers = url, headers
        self._lock = threading.Lock()
        self._began = 0.0
        #: The id of each order that was accepted, by number.
        self.accepted: dict[int, str] = {}
        #: What the storefront would complain about.
        self.complaints: list[str] = []
        self.retries = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(THREADS)]

    def open(self) -> None:
        """Begin now."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def is_done(self) -> bool:
        """Whether every order was accepted or given up."""
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update(self._headers)
            while order := self._next():
                time.sleep(max(0.0, self._began + order.at_seconds - time.monotonic()))
                self._place(session, order)

    def _next(self) -> PlannedOrder | None:
        with self._lock:
            return next(self._orders, None)

    def _place(self, session: requests.Session, order: PlannedOrder) -> None:
        first = self._insist(session, order)
        if first is None:
            return
        self.accepted[order.number] = str(first.json()["id"])
        if random.Random(f"{self._seed}/{order.number}").random() < REPEATED:
            again = self._insist(session, order)
            if again is None or again.content != first.content:
                self._complain(order, "the same key got another answer")

    def _insist(self, session: requests.Session, order: PlannedOrder) -> requests.Response | None:
        """The answer that accepts the order; anything but 201 and "try again" is a complaint."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = self._try(session, order)
            if answer is not None and answer.status_code == 201:
                return answer
            if answer is not None and answer.status_code < 500:
                return self._complain(order, f"{answer.status_code} {answer.text}")
            with self._lock:
                self.retries += 1
            time.sleep(0.5)
        return self._complain(order, f"not accepted within {PATIENCE_SECONDS} s")

    def _try(self, session: requests.Session, order: PlannedOrder) -> requests.Response | None:
        """None where the order may have been accepted or not."""
        body = {"productId": order.product, "packageId": "60", "userIdentifier": order.user}
        if url := self._notify_url(order.number):
            body["notifyUrl"] = url
        headers = {"Idempotency-Key": f"storm-{self._seed}-{order.number}"}
        try:
            return session.post(f"{self._url()}/orders", json=body, headers=headers, timeout=TRY_SECONDS)
        except requests.RequestException:
            return None

    def _complain(self, order: PlannedOrder, what: str) -> Any:
        self.complaints.append(f"order {order.number} ({order.words}): {what}")
