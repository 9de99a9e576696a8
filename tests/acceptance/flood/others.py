"""A storefront and a provider that use the gateway as they should, and how long they wait for its answers."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from tests import factories
from tests.gateway.web import calls

#: Seconds after which an answer is not waited for any more.
PATIENCE_SECONDS = 30
#: Seconds between two requests of one of them.
PAUSE_SECONDS = 0.1
#: Connections that are kept, and clients with a new connection for each request.
KEPT, FRESH = 2, 2


@dataclass
class Waits:
    """How long answers took, in seconds, and what was no answer."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The time that `share` (0 to 1) of the answers kept to, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")

    @property
    def longest(self) -> float:
        return max(self.seconds, default=float("inf"))


class Others:
    """Place an order and call back for it, again and again, until `stop`."""

    def __init__(self, url: str, authorization: dict[str, str]) -> None:
        self.orders, self.callbacks = Waits(), Waits()
        self._url, self._authorization = url, authorization
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(kept,)) for kept in (True, False) * KEPT]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, kept: bool) -> None:
        with requests.Session() as session:
            send = session.post if kept else requests.post
            while not self._over.wait(PAUSE_SECONDS):
                self._order_and_call_back(send)

    def _order_and_call_back(self, send: Callable[..., requests.Response]) -> None:
        url = f"{self._url}/orders"
        placed = _timed(
            self.orders,
            lambda: send(url, json=calls.BODY, headers=self._authorization, timeout=PATIENCE_SECONDS),
        )
        if placed is None:
            return
        body = json.dumps(calls.neutral(placed.json()["providerReferans"], pin_code="1234")).encode()
        url, headers = f"{self._url}/callbacks/{factories.SANDBOX}", calls.signed(body)
        _timed(self.callbacks, lambda: send(url, data=body, headers=headers, timeout=PATIENCE_SECONDS))


def _timed(waits: Waits, call: Callable[[], requests.Response]) -> requests.Response | None:
    began = time.monotonic()
    try:
        answer = call()
    except requests.RequestException as error:
        waits.wrong.append(f"after {time.monotonic() - began:.1f} s: {type(error).__name__}")
        return None
    waits.seconds.append(time.monotonic() - began)
    if not answer.ok:
        waits.wrong.append(f"{answer.status_code} {answer.text[:200]}")
        return None
    return answer
