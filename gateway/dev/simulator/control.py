"""The control API under /sim/, with which tests and people control the simulator. JSON in, JSON out.

GET  /sim/health                                  number of orders, balance, fault, what waits
GET  /sim/orders[?state=completed]                every reference received
GET  /sim/purchases                               how often each player was sold each package
GET  /sim/orders/<referans>                       one of them
POST /sim/faults  {"mode": "html"|"empty"|"500"|"slow"|"cut"|"hang"|"denied"|"password"|null, "seconds": 5}
                  in place of "password", protocols other than znet take "token" (denied until a new one is fetched)
                  and "notnow"
POST /sim/words   {"player"?, "words": "fail+after=3"}  what the next orders of this player do, or of all whose id has
                  no words
POST /sim/balance {"amount": "980.88"}            the dealer's balance from now on
POST /sim/balance {"deposit": "50"}               money comes in
POST /sim/balance {"purchase": "25.50"}           something else buys on the dealer's account
POST /sim/settle  {"referans", "state": "completed"|"failed"|"reversed"|"processing", "pin"?, "message"?}
                  <referans> is what the provider knows the order by: the reference as it came, or its own number
POST /sim/reset                                   deletes orders, plans, words and faults
"""

import json
from collections.abc import Callable, Collection, Mapping, MutableMapping
from decimal import Decimal
from typing import Any, Protocol

from gateway.dev.simulator.answers import Answer
from gateway.dev.simulator.behaviours import UNBOOKED_FAILURES, Fault
from gateway.dev.simulator.book import Book, Order, State
from gateway.dev.simulator.courier import Courier
from gateway.dev.simulator.fulfilment import Fulfilment
from gateway.dev.simulator.server import Asked
from gateway.dev.simulator.timers import Timers

#: Default delay of `slow`, in seconds.
SLOW_SECONDS = 5.0
#: How long a call hangs without an answer, in seconds: longer than any caller waits.
HANG_SECONDS = 120.0
#: Values of `mode` besides null and those of the provider.
MODES = (*UNBOOKED_FAILURES, "slow", "hang")


class Face(Protocol):
    """The provider's side of a protocol."""

    #: Spoils every answer until it is None again.
    fault: Fault | None
    #: Everything is refused so: one of `denials`, or None.
    denial: str | None
    denials: Collection[str]

    def answer(self, asked: Asked) -> Answer:
        """The answer to a call."""


class Invalid(ValueError):
    """The request is not valid; the message says why."""


class Unknown(LookupError):
    """Not found."""


class Control:
    """Answers /sim/ requests."""

    def __init__(
        self,
        book: Book,
        face: Face,
        words: MutableMapping[str, str],
        fulfilment: Fulfilment,
        timers: Timers,
        courier: Courier,
        echo: Callable[[str, str], None],
    ) -> None:
        self._book = book
        self._face = face
        self._words = words
        self._fulfilment = fulfilment
        self._timers = timers
        self._courier = courier
        self._echo = echo
        self._calls: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "health"): self._health,
            ("GET", "orders"): self._orders,
            ("GET", "purchases"): self._purchases,
            ("POST", "words"): self._give_words,
            ("POST", "faults"): self._faults,
            ("POST", "balance"): self._balance,
            ("POST", "settle"): self._settle,
            ("POST", "reset"): self._reset,
        }

    def answer(self, asked: Asked) -> Answer:
        """The answer to `{method} /sim/{name}`; 400 for an invalid request, 404 for an unknown order or path."""
        name = asked.path.removeprefix("/sim/").strip("/")
        try:
            return _json(self._call(asked.method, name, asked.query, asked.body))
        except Invalid as error:
            return _json({"error": str(error)}, 400)
        except Unknown as error:
            return _json({"error": str(error)}, 404)

    def set_fault(self, mode: str | None, seconds: float = SLOW_SECONDS) -> None:
        """Spoil every answer of the panel until the mode is None again. Raises Invalid."""
        modes = (*MODES, *self._face.denials)
        if mode is not None and mode not in modes:
            raise Invalid(f"mode takes one of {', '.join(modes)} or null")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86400:
            raise Invalid("seconds takes a number from 0 to 86400")
        is_denial = mode in self._face.denials
        self._face.denial = mode if is_denial else None
        self._face.fault = None if is_denial else _fault(mode, float(seconds))
        self._echo("faults", mode or "none")

    def _call(self, method: str, name: str, query: Mapping[str, str], body: bytes) -> Any:
        if method == "GET" and name.startswith("orders/"):
            return self._find(name.removeprefix("orders/")).as_dict()
        if (method, name) not in self._calls:
            raise Unknown(f"{method} /sim/{name} not found")
        return self._calls[method, name](_document(body) if method == "POST" else dict(query))

    def _health(self, asked: dict[str, Any]) -> Any:
        fault = self._face.fault
        mode = (fault.failure or "slow") if fault else self._face.denial
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

    def _purchases(self, asked: dict[str, Any]) -> Any:
        return {
            "purchases": [
                {"player": player, "package": package, "times": times}
                for (player, package), times in self._book.purchases().items()
            ]
        }

    def _give_words(self, asked: dict[str, Any]) -> Any:
        self._words[str(asked.get("player", ""))] = _text(asked, "words") or ""
        return {"status": "ok"}

    def _faults(self, asked: dict[str, Any]) -> Any:
        if "mode" not in asked:
            raise Invalid(f"mode takes one of {', '.join((*MODES, *self._face.denials))} or null")
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

    def reset(self) -> None:
        """Delete orders, plans, words and faults."""
        self._timers.clear()
        self._words.clear()
        self._book.reset()
        self.set_fault(None)
        self._echo("reset", "deleted every order")

    def _reset(self, asked: dict[str, Any]) -> Any:
        self.reset()
        return {"status": "ok"}

    def _find(self, referans: str) -> Order:
        order = self._book.get(referans) or self._book.numbered(referans)
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
