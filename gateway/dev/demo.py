"""Orders over the public API, as a storefront places them, and each step until they are completed."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import requests

#: The order; the sandbox takes any.
ORDER = {"productId": "pubg", "packageId": "60uc", "userIdentifier": "5123456789"}
#: Longest wait for the PIN, in seconds; the simulator takes about two.
TIMEOUT_SECONDS = 60.0
#: Longest wait for the notification after that, in seconds.
TOLD_SECONDS = 10.0
#: Seconds between two requests for its timeline.
PAUSE_SECONDS = 0.4
#: externalStatus of an order that has ended.
FINAL = ("completed", "failed")

Say = Callable[[str], None]


class DemoFailed(RuntimeError):
    """An order was not completed; the message says how far it got."""


class Storefront:
    """A client of the order API, which hears of outcomes at `is_told_at`."""

    def __init__(self, url: str, key: str, *, is_told_at: str | None = None) -> None:
        self._url = url
        self._is_told_at = is_told_at
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {key}"

    def place(self) -> dict[str, Any]:
        """Place ORDER. Raises DemoFailed, as every method here."""
        placed: dict[str, Any] = self._json("POST", "/orders", 201, json=ORDER)
        return placed

    def order(self, order_id: str) -> dict[str, Any]:
        """The order, with its PIN."""
        order: dict[str, Any] = self._json("GET", f"/orders/{order_id}", 200)
        return order

    def events(self, order_id: str) -> list[dict[str, Any]]:
        """Its timeline, oldest first."""
        answer = self._json("GET", f"/orders/{order_id}/events", 200)
        return list(answer["data"] if isinstance(answer, dict) else answer)

    def was_told(self, order_id: str) -> dict[str, Any] | None:
        """The first notification of it that has arrived."""
        if self._is_told_at is None:
            return None
        arrived = self._session.get(f"{self._is_told_at}/{order_id}", timeout=10).json()
        return arrived[0] if arrived else None

    @property
    def hears(self) -> bool:
        """Whether notifications come to where they can be seen."""
        return self._is_told_at is not None

    def _json(self, method: str, path: str, expected: int, **options: Any) -> Any:
        try:
            answer = self._session.request(method, self._url + path, timeout=10, **options)
        except requests.RequestException as error:
            raise DemoFailed(f"{method} {path} got no answer: {type(error).__name__}") from None
        if answer.status_code != expected:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


def show_one_order(
    storefront: Storefront,
    zone: ZoneInfo,
    say: Say,
    watch: Callable[[], None],
    timeout_seconds: float = TIMEOUT_SECONDS,
    *,
    needs_pin: bool = True,
) -> None:
    """Place an order and say each change of its status, with the time in `zone`, until it is completed.

    `watch` is called in between. Raises DemoFailed, where it needs one also without a PIN.
    """
    started = time.monotonic()
    placed = storefront.place()
    say(f"Placed order {placed['id']} over the order API, for player {ORDER['userIdentifier']}:")
    for event in _changes(storefront, placed["id"], watch, started + timeout_seconds):
        at = datetime.fromisoformat(event["at"]).astimezone(zone)
        move = f"{event['from'] or 'new'} → {event['to']}"
        say(f"  {at:%H:%M:%S %Z}  {move:<22}  {event['source']}: {event['message']}")
    order = storefront.order(placed["id"])
    pin, seconds = order.get("pinCode"), time.monotonic() - started
    if order["externalStatus"] != "completed" or (needs_pin and not pin):
        raise DemoFailed(f"the order is {order['externalStatus']}, without a PIN: {order['lastMessage']}")
    if pin:
        say(f"The PIN arrived {seconds:.1f} s after the order was placed: {pin}")
    else:
        receipt = f", with the receipt {order['receipt']}" if order["receipt"] else ", without a code"
        say(f"Completed {seconds:.1f} s after the order was placed{receipt}")
    if storefront.hears:
        say(_what_was_told(storefront, placed["id"], watch, time.monotonic() + TOLD_SECONDS))


def _what_was_told(storefront: Storefront, order_id: str, watch: Callable[[], None], deadline: float) -> str:
    while (told := storefront.was_told(order_id)) is None:
        watch()
        if time.monotonic() > deadline:
            return f"No notification of it has reached the example storefront within {TOLD_SECONDS:.15g} s."
        time.sleep(PAUSE_SECONDS)
    return f"The example storefront was told by a notification: {told['type']}"


def let_next_orders(simulator_url: str, words: str) -> None:
    """Tell the simulator what the next orders are to do. Raises DemoFailed."""
    try:
        requests.post(f"{simulator_url}/sim/words", json={"words": words}, timeout=10).raise_for_status()
    except requests.RequestException as error:
        raise DemoFailed(f"the simulator did not take the words {words!r}: {error}") from None


def _changes(
    storefront: Storefront, order_id: str, watch: Callable[[], None], deadline: float
) -> Iterator[dict[str, Any]]:
    seen, status = 0, None
    while status not in FINAL:
        watch()
        for event in storefront.events(order_id)[seen:]:
            seen += 1
            if event["to"] != status:
                status = event["to"]
                yield event
        if status not in FINAL and time.monotonic() > deadline:
            raise DemoFailed(f"not completed in time; the order is {status}")
        time.sleep(0 if status in FINAL else PAUSE_SECONDS)
