"""The panel's memory: every reference it has received, and the dealer's balance. No I/O; the clock is injected."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from gateway.dev.simulator.behaviours import Behaviour, words_of

#: Number of checks and callbacks kept in detail for each order; all are counted.
KEPT_DETAILS = 100


class State(StrEnum):
    """The state of an order; `unbooked` is a reference that was sent but not accepted."""

    UNBOOKED = "unbooked"
    PROCESSING = "processing"
    COMPLETED = "completed"
    #: Completed, but not all of its pieces were delivered.
    PARTIAL = "partial"
    FAILED = "failed"
    #: Delivered, then taken back and refunded.
    REVERSED = "reversed"


#: States in which the order was delivered, wholly or in part.
DELIVERED = (State.COMPLETED, State.PARTIAL)
#: States in which the dealer has the money.
REFUNDED = (State.FAILED, State.REVERSED)


@dataclass(frozen=True, slots=True)
class Code:
    """One of several codes of an order, or one with a serial."""

    code: str
    serial: str = ""


class NotBooked(Exception):
    """The order is not accepted."""


class SentBefore(NotBooked):
    """The reference was used before."""


class BalanceTooLow(NotBooked):
    """The price is higher than the dealer's balance."""


@dataclass(slots=True, eq=False)
class Order:
    """One reference; of a protocol without references, one send. Times are seconds since 1970, prices in TRY.

    Other protocols have their own currency.
    """

    referans: str
    #: `oyuncu_bilgi` as it came.
    player: str
    behaviour: Behaviour
    #: `musteri_tel` as it came.
    phone: str = ""
    #: The number that the provider gives it, the package as it came, and the pieces.
    own: str = ""
    package: str = ""
    quantity: int = 1
    #: Where its callbacks go, if the order says so.
    callback_url: str = ""
    state: State = State.UNBOOKED
    price: Decimal = Decimal(0)
    #: What was delivered, or "" where there is none; `pin_is_shown` says whether a check shows it yet.
    pin: str = ""
    pin_is_shown: bool = True
    #: All of them, where there are several or they have serials; the first one is `pin`.
    codes: tuple[Code, ...] = ()
    description: str = ""
    requests_seen: int = 0
    times_refused: int = 0
    #: Booked after it had been refused.
    relented: bool = False
    times_booked: int = 0
    times_checked: int = 0
    times_called_back: int = 0
    callbacks_delivered: int = 0
    booked_at: float | None = None
    decided_at: float | None = None
    sent_at: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_DETAILS))
    checked_at: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_DETAILS))
    #: What each of these checks found.
    checked_states: deque[State] = field(default_factory=lambda: deque(maxlen=KEPT_DETAILS))
    callbacks: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_DETAILS))

    def as_dict(self) -> dict[str, Any]:
        """The order as `/sim/orders` shows it: JSON types only, and its PIN in full."""
        return {
            "referans": self.referans,
            "player": self.player,
            "phone": self.phone,
            "own": self.own,
            "package": self.package,
            "quantity": self.quantity,
            "behaviour": words_of(self.player),
            "state": self.state.value,
            "price": f"{self.price:.2f}",
            "pin": self.pin,
            "description": self.description,
            "codes": [asdict(code) for code in self.codes],
            "requests_seen": self.requests_seen,
            "times_refused": self.times_refused,
            "times_booked": self.times_booked,
            "times_checked": self.times_checked,
            "times_called_back": self.times_called_back,
            "callbacks_delivered": self.callbacks_delivered,
            "booked_at": self.booked_at,
            "decided_at": self.decided_at,
            "sent_at": list(self.sent_at),
            "checked_at": list(self.checked_at),
            "callbacks": list(self.callbacks),
        }


class Book:
    """Orders by reference. Every method is safe to call from any thread."""

    def __init__(self, balance: Decimal, clock: Callable[[], float] = time.time) -> None:
        self._opening_balance = balance
        self._balance = balance
        self._clock = clock
        self._lock = threading.Lock()
        self._orders: dict[str, Order] = {}
        self._numbered: dict[str, Order] = {}

    @property
    def balance(self) -> Decimal:
        return self._balance

    def set_balance(self, amount: Decimal) -> None:
        """Whatever it was before."""
        with self._lock:
            self._balance = amount

    def move_balance(self, amount: Decimal) -> None:
        """A deposit, or below 0 what another program bought on the dealer's account."""
        with self._lock:
            self._balance += amount

    def get(self, referans: str) -> Order | None:
        """The order sent with this reference, or None."""
        return self._orders.get(referans)

    def orders(self) -> list[Order]:
        """Every reference received, oldest first."""
        with self._lock:
            return list(self._orders.values())

    def requests_seen(self) -> dict[str, int]:
        """How often each reference was sent, whatever the answer."""
        return {order.referans: order.requests_seen for order in self.orders()}

    def bookings(self) -> dict[str, int]:
        """How often each reference was booked: more than once only where a protocol buys again."""
        return {order.referans: order.times_booked for order in self.orders()}

    def purchases(self) -> Counter[tuple[str, str]]:
        """How often each player was sold each package: 2 where an order was bought twice under whatever reference."""
        found: Counter[tuple[str, str]] = Counter()
        for order in self.orders():
            found[order.player, order.package] += order.times_booked
        return found

    def numbered(self, own: str) -> Order | None:
        """The order to which the provider gave this number, or None."""
        return self._numbered.get(own)

    def sent(self, referans: str, player: str, behaviour: Behaviour, phone: str = "", **more: Any) -> Order:
        """Record a send request. The first one fixes the player, the phone, the behaviour and `more`, by field."""
        with self._lock:
            order = self._orders.get(referans)
            if order is None:
                order = self._orders[referans] = Order(referans, player, behaviour, phone, **more)
                if order.own:
                    self._numbered[order.own] = order
            order.requests_seen += 1
            order.sent_at.append(self._clock())
            return order

    def checked(self, referans: str) -> Order | None:
        """Record a check; None for a reference that was never sent."""
        with self._lock:
            order = self._orders.get(referans)
            if order is not None:
                order.times_checked += 1
                order.checked_at.append(self._clock())
                order.checked_states.append(order.state)
            return order

    def refused(self, order: Order) -> None:
        """Record that a send was refused."""
        with self._lock:
            order.times_refused += 1

    def book(self, order: Order, price: Decimal, *, again: bool = False) -> Decimal:
        """Book the order and take its price; returns the new balance. Raises SentBefore or BalanceTooLow.

        With `again` an order that is booked already is bought a second time.
        """
        with self._lock:
            if order.times_booked and not again:
                raise SentBefore(order.referans)
            if price > self._balance:
                raise BalanceTooLow(order.referans)
            self._balance -= price
            order.price, order.times_booked, order.booked_at = price, order.times_booked + 1, self._clock()
            if order.state is State.UNBOOKED:
                order.state = State.PROCESSING
            return self._balance

    def refund(self, order: Order, amount: Decimal) -> None:
        """Give back a part of the price."""
        with self._lock:
            self._balance += amount
            order.price -= amount

    def decide(
        self,
        order: Order,
        state: State,
        pin: str,
        description: str,
        *,
        codes: tuple[Code, ...] = (),
        pin_is_shown: bool = True,
    ) -> None:
        """Set the outcome of a booked order. Taking it back refunds its price; reviving it takes the price again.

        The state is written last, so that no reader sees an outcome without its PIN.
        """
        with self._lock:
            self._balance += order.price * ((state in REFUNDED) - (order.state in REFUNDED))
            order.description, order.pin, order.decided_at = description, pin, self._clock()
            order.codes, order.pin_is_shown = codes, pin_is_shown
            order.state = state

    def called_back(self, order: Order, status: str, answer: int | str, codes: tuple[str, ...] = ()) -> bool:
        """Record a callback attempt and its answer, an HTTP status or an error. True if it was delivered.

        `codes` are those that it brought.
        """
        delivered = isinstance(answer, int) and 200 <= answer < 300
        with self._lock:
            order.times_called_back += 1
            order.callbacks_delivered += delivered
            attempt = {"at": self._clock(), "status": status, "answer": answer}
            order.callbacks.append(attempt | ({"codes": list(codes)} if codes else {}))
        return delivered

    def reset(self) -> None:
        """Forget every order and restore the opening balance."""
        with self._lock:
            self._orders.clear()
            self._numbered.clear()
            self._balance = self._opening_balance
