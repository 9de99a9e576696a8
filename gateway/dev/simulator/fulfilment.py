"""Settles booked orders when they are due, and has their callbacks sent."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from gateway.dev.simulator.behaviours import FAIL_REASON
from gateway.dev.simulator.book import DELIVERED, Book, Code, NotBooked, Order, State
from gateway.dev.simulator.callbacks import code_message, outcome_messages, progress_message
from gateway.dev.simulator.courier import Courier
from gateway.dev.simulator.pins import digits_for, masked, pin_for
from gateway.dev.simulator.timers import Timers

DESCRIPTION = "Yükleme başarılı, teşekkür ederiz"
DESCRIPTION_WITH_PIPES = "Yükleme başarılı | 1 adet | teşekkür ederiz"
REVERSED = "İşlem iptal edildi, bakiye iade edildi"


class Fulfilment:
    """Plans each order by its behaviour. `settle_after_seconds` is the default time to its outcome."""

    def __init__(
        self,
        book: Book,
        timers: Timers,
        courier: Courier,
        settle_after_seconds: float,
        echo: Callable[[str, str], None],
        *,
        in_full: bool = False,
    ) -> None:
        self.settle_after_seconds = settle_after_seconds
        #: Whether answers say all that is known: an outcome after 0 seconds at once, and every code.
        self._in_full = in_full
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
        if behaviour.settles and not seconds and self._in_full:
            self._settle_on_time(order)
        elif behaviour.settles:
            self._timers.after(seconds, partial(self._settle_on_time, order))

    def refused(self, order: Order, price: Decimal) -> None:
        """Plan what happens to an order after its first refusal."""
        if order.behaviour.relent_after_seconds is not None:
            self._timers.after(order.behaviour.relent_after_seconds, partial(self._relent, order, price))

    def settle(
        self, order: Order, state: State, pin: str | None = None, description: str | None = None
    ) -> None:
        """Set the outcome of a booked order now, and call back as its behaviour says.

        PROCESSING only calls back. A settled order may be given another outcome.
        """
        if state is State.PROCESSING:
            self._tell_progress(order)
            return
        behaviour, given = order.behaviour, pin is not None
        if state is State.PARTIAL:
            self._book.refund(order, order.price * behaviour.lacks / order.quantity)
        pin = _pin_of(order, state) if pin is None else pin
        self._book.decide(
            order,
            state,
            pin,
            _description_of(order, state) if description is None else description,
            codes=() if given else _codes_of(order, pin),
            pin_is_shown=given
            or (not behaviour.pin_after_seconds and (self._in_full or behaviour.codes == 1)),
        )
        self._echo("settle", f"{order.referans}  {order.player}  {state.value}, {masked(pin)}")
        self._tell_outcome(order)
        if state in DELIVERED:
            self._plan_what_follows(order)

    def _settle_on_time(self, order: Order) -> None:
        if order.state is State.PROCESSING and self._is_known(order):
            self.settle(order, _outcome_of(order))

    def _relent(self, order: Order, price: Decimal) -> None:
        if not self._is_known(order):
            return
        try:
            self._book.book(order, price)
        except NotBooked:  # it was sent again meanwhile
            return
        order.relented = True
        self.settle(order, State.COMPLETED)

    def _plan_what_follows(self, order: Order) -> None:
        behaviour = order.behaviour
        if behaviour.pin_after_seconds is not None:
            self._timers.after(behaviour.pin_after_seconds, partial(self._show_pin, order))
        if behaviour.serials_after_seconds is not None:
            self._timers.after(behaviour.serials_after_seconds, partial(self._tell_again, order))
        if behaviour.reverse_after_seconds is not None:
            self._timers.after(behaviour.reverse_after_seconds, partial(self._reverse, order))

    def _show_pin(self, order: Order) -> None:
        if self._is_known(order):
            order.pin_is_shown = True
            if order.behaviour.follow:
                self._tell_again(order)

    def _tell_again(self, order: Order) -> None:
        """A second callback of the same outcome, with everything that the first one lacked."""
        if order.behaviour.calls_back and order.state in DELIVERED:
            self._courier.deliver(order, code_message(order))

    def _reverse(self, order: Order) -> None:
        if order.state in DELIVERED and self._is_known(order):
            self.settle(order, State.REVERSED)

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


def _outcome_of(order: Order) -> State:
    if order.behaviour.fail_reason is not None:
        return State.FAILED
    return State.PARTIAL if order.behaviour.lacks else State.COMPLETED


def _pin_of(order: Order, state: State) -> str:
    if state is State.REVERSED:
        return order.pin
    if state is State.FAILED or not order.behaviour.has_pin or not _pieces(order):
        return ""
    if order.behaviour.as_float:
        return digits_for(order.referans)
    return pin_for(order.referans, "relented" if order.relented else "")


def _pieces(order: Order) -> int:
    """The number of codes that are delivered."""
    return max(order.behaviour.codes, order.quantity) - order.behaviour.lacks


def _codes_of(order: Order, pin: str) -> tuple[Code, ...]:
    """All codes, where there are several or they have serials."""
    behaviour = order.behaviour
    has_serials = behaviour.serials_after_seconds is not None
    if not pin or (_pieces(order) == 1 and not has_serials):
        return ()
    found = [pin, *(pin_for(order.referans, f"code {n}") for n in range(2, _pieces(order) + 1))]
    return tuple(
        Code(code, pin_for(order.referans, f"serial {n}") if has_serials else "")
        for n, code in enumerate(found, 1)
    )


def _description_of(order: Order, state: State) -> str:
    if state is State.REVERSED:
        return REVERSED
    reason = order.behaviour.fail_reason
    if state is State.FAILED:
        return FAIL_REASON if reason is None else reason
    return DESCRIPTION_WITH_PIPES if order.behaviour.pipes else DESCRIPTION
