"""Settles booked orders when they are due, and has their callbacks sent."""

from collections.abc import Callable
from functools import partial

from gateway.dev.simulator.behaviours import FAIL_REASON
from gateway.dev.simulator.book import Book, Order, State
from gateway.dev.simulator.callbacks import outcome_messages, progress_message
from gateway.dev.simulator.courier import Courier
from gateway.dev.simulator.pins import masked, pin_for
from gateway.dev.simulator.timers import Timers

DESCRIPTION = "Yükleme başarılı, teşekkür ederiz"
DESCRIPTION_WITH_PIPES = "Yükleme başarılı | 1 adet | teşekkür ederiz"


class Fulfilment:
    """Plans each order by its behaviour. `settle_after_seconds` is the default time to its outcome."""

    def __init__(
        self,
        book: Book,
        timers: Timers,
        courier: Courier,
        settle_after_seconds: float,
        echo: Callable[[str, str], None],
    ) -> None:
        self.settle_after_seconds = settle_after_seconds
        self._book = book
        self._timers = timers
        self._courier = courier
        self._echo = echo

    def booked(self, order: Order) -> None:
        """Plan what happens to an order that was just booked."""
        behaviour = order.behaviour
        after = behaviour.after_seconds
        seconds = self.settle_after_seconds if after is None else after
        if behaviour.progress and behaviour.calls_back:
            self._timers.after(seconds / 2, partial(self._tell_progress, order))
        if behaviour.settles:
            self._timers.after(seconds, partial(self._settle_on_time, order))

    def settle(
        self, order: Order, state: State, pin: str | None = None, description: str | None = None
    ) -> None:
        """Set the outcome of a booked order now, and call back as its behaviour says.

        PROCESSING only calls back. A settled order may be given another outcome.
        """
        if state is State.PROCESSING:
            self._tell_progress(order)
            return
        pin = _pin_of(order, state) if pin is None else pin
        description = _description_of(order, state) if description is None else description
        self._book.decide(order, state, pin, description)
        self._echo("settle", f"{order.referans}  {order.player}  {state.value}, {masked(pin)}")
        self._tell_outcome(order)

    def _settle_on_time(self, order: Order) -> None:
        if order.state is State.PROCESSING and self._is_known(order):
            failed = order.behaviour.fail_reason is not None
            self.settle(order, State.FAILED if failed else State.COMPLETED)

    def _tell_progress(self, order: Order) -> None:
        if order.behaviour.calls_back:
            self._courier.deliver(order, progress_message(order))

    def _tell_outcome(self, order: Order) -> None:
        behaviour, messages = order.behaviour, outcome_messages(order)
        if behaviour.calls_back and behaviour.late_seconds:
            self._timers.after(behaviour.late_seconds, partial(self._courier.deliver, order, *messages))
        elif behaviour.calls_back:
            self._courier.deliver(order, *messages)

    def _is_known(self, order: Order) -> bool:
        return self._book.get(order.referans) is order


def _pin_of(order: Order, state: State) -> str:
    if state is State.FAILED:
        return ""
    shown_as = order.behaviour.pin_shown_as
    return pin_for(order.referans) if shown_as is None else shown_as


def _description_of(order: Order, state: State) -> str:
    reason = order.behaviour.fail_reason
    if state is State.FAILED:
        return FAIL_REASON if reason is None else reason
    return DESCRIPTION_WITH_PIPES if order.behaviour.pipes else DESCRIPTION
