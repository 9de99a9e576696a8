"""The control API under /sim/, with which tests and people control the simulator. JSON in, JSON out.

GET  /sim/health                                  number of orders, balance, fault, what waits
GET  /sim/orders[?state=completed]                every reference received
GET  /sim/orders/<referans>                       one of them
POST /sim/faults  {"mode": "html"|"empty"|"500"|"slow"|"cut"|"hang"|"denied"|"password"|null, "seconds": 5}
POST /sim/balance {"amount": "980.88"}            the dealer's balance from now on
POST /sim/balance {"deposit": "50"}               money comes in
POST /sim/balance {"purchase": "25.50"}           something else buys on the dealer's account
POST /sim/settle  {"referans", "state": "completed"|"failed"|"reversed"|"processing", "pin"?, "message"?}
POST /sim/reset                                   deletes orders, plans and faults
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from gateway.dev.simulator.answers import Answer
from gateway.dev.simulator.behaviours import UNBOOKED_FAILURES, Fault
from gateway.dev.simulator.book import Book, Order, State
from gateway.dev.simulator.courier import Courier
from gateway.dev.simulator.fulfilment import Fulfilment
from gateway.dev.simulator.panel import DENIED, WRONG_PASSWORD, Panel
from gateway.dev.simulator.timers import Timers

#: Default delay of `slow`, in seconds.
SLOW_SECONDS = 5.0
#: How long a call hangs without an answer, in seconds: longer than any caller waits.
HANG_SECONDS = 120.0
#: Refusals of the account, by `mode`.
REFUSALS = {"denied": DENIED, "password": WRONG_PASSWORD}
#: Values of `mode` besides null.
MODES = (*UNBOOKED_FAILURES, "slow", "hang", *REFUSALS)


class Invalid(ValueError):
    """The request is not valid; the message says why."""


class Unknown(LookupError):
    """Not found."""


class Control:
    """Answers /sim/ requests."""

    def __init__(
        self,
        book: Book,
        panel: Panel,
        fulfilment: Fulfilment,
        timers: Timers,
        courier: Courier,
        echo: Callable[[str, str], None],
    ) -> None:
        self._book = book
        self._panel = panel
        self._fulfilment = fulfilment
        self._timers = timers
        self._courier = courier
        self._echo = echo
        self._calls: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "health"): self._health,
            ("GET", "orders"): self._orders,
            ("POST", "faults"): self._faults,
            ("POST", "balance"): self._balance,
            ("POST", "settle"): self._settle,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, name: str, query: Mapping[str, str], body: bytes) -> Answer:
        """The answer to `{method} /sim/{name}`; 400 for an invalid request, 404 for an unknown order or path."""
        try:
            return _json(self._call(method, name.strip("/"), query, body))
        except Invalid as error:
            return _json({"error": str(error)}, 400)
        except Unknown as error:
            return _json({"error": str(error)}, 404)

    def set_fault(self, mode: str | None, seconds: float = SLOW_SECONDS) -> None:
        """Spoil every answer of the panel until the mode is None again. Raises Invalid."""
        if mode is not None and mode not in MODES:
            raise Invalid(f"mode takes one of {', '.join(MODES)} or null")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86400:
            raise Invalid("seconds takes a number from 0 to 86400")
        self._panel.refusal = REFUSALS.get(mode or "")
        self._panel.fault = None if mode in REFUSALS else _fault(mode, float(seconds))
        self._echo("faults", mode or "none")

    def _call(self, method: str, name: str, query: Mapping[str, str], body: bytes) -> Any:
        if method == "GET" and name.startswith("orders/"):
            return self._find(name.removeprefix("orders/")).as_dict()
        if (method, name) not in self._calls:
            raise Unknown(f"{method} /sim/{name} not found")
        return self._calls[method, name](_document(body) if method == "POST" else dict(query))

    def _health(self, asked: dict[str, Any]) -> Any:
        fault = self._panel.fault
        refusals = [mode for mode, words in REFUSALS.items() if words == self._panel.refusal]
        mode = (fault.failure or "slow") if fault else next(iter(refusals), None)
        return {
            "status": "ok",
            "orders": len(self._book.orders()),
            "balance": f"{self._book.balance:.2f}",
            "fault": mode,
            "plans_waiting": len(self._timers),
            "callbacks_waiting": self._courier.waiting(),
        }

    def _orders(self, asked: dict[str, Any]) -> Any:
        wanted = asked.get("state")
        orders = [order.as_dict() for order in self._book.orders() if wanted in (None, order.state.value)]
        return {"orders": orders}

    def _faults(self, asked: dict[str, Any]) -> Any:
        if "mode" not in asked:
            raise Invalid(f"mode takes one of {', '.join(MODES)} or null")
        self.set_fault(asked["mode"], asked.get("seconds", SLOW_SECONDS))
        return {"mode": asked["mode"]}

    def _balance(self, asked: dict[str, Any]) -> Any:
        changes: dict[str, Callable[[Decimal], None]] = {
            "amount": self._book.set_balance,
            "deposit": self._book.move_balance,
            "purchase": lambda amount: self._book.move_balance(-amount),
        }
        given = [name for name in changes if name in asked]
        if len(given) != 1:
            raise Invalid(f"takes one of {', '.join(changes)}")
        [name] = given
        amount = _amount(name, asked[name])
        changes[name](amount)
        self._echo("balance", f"{name} {amount:.2f}, now {self._book.balance:.2f}")
        return {"balance": f"{self._book.balance:.2f}"}

    def _settle(self, asked: dict[str, Any]) -> Any:
        order = self._find(str(asked.get("referans", "")))
        if order.state is State.UNBOOKED:
            raise Invalid("this reference was sent but not booked")
        state = _state(asked.get("state"))
        self._fulfilment.settle(order, state, _text(asked, "pin"), _text(asked, "message"))
        return order.as_dict()

    def _reset(self, asked: dict[str, Any]) -> Any:
        self._timers.clear()
        self._book.reset()
        self.set_fault(None)
        self._echo("reset", "deleted every order")
        return {"status": "ok"}

    def _find(self, referans: str) -> Order:
        order = self._book.get(referans)
        if order is None:
            raise Unknown(f"order {referans!r} not found")
        return order


def _fault(mode: str | None, seconds: float) -> Fault | None:
    if mode is None:
        return None
    if mode == "hang":
        return Fault("hang", HANG_SECONDS)
    return Fault(delay_seconds=seconds) if mode == "slow" else Fault(mode)


def _amount(name: str, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise Invalid(f"{name} takes a number")
    return amount


def _state(name: Any) -> State:
    if name not in ("completed", "failed", "reversed", "processing"):
        raise Invalid("state takes completed, failed, reversed or processing")
    return State(name)


def _text(asked: dict[str, Any], name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{name} takes a string")
    return value


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise Invalid("the body is not JSON") from None
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object")
    return document


def _json(document: Any, status: int = 200) -> Answer:
    text = json.dumps(document, ensure_ascii=False) + "\n"
    return Answer(text, status=status, content_type="application/json")
