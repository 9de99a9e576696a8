"""A provider: it takes orders, answers questions, and keeps its book."""

import itertools
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal

from gateway.dev.simulator import behaviours
from gateway.dev.simulator.answers import WRONG_ADDRESS, Answer, spoiled
from gateway.dev.simulator.behaviours import Behaviour, Fault
from gateway.dev.simulator.book import DELIVERED, BalanceTooLow, Book, Code, Order, SentBefore, State
from gateway.dev.simulator.described import reading
from gateway.dev.simulator.described.reading import Read
from gateway.dev.simulator.described.sheet import Lines, Reply, Sample, Sheet, load, samples
from gateway.dev.simulator.described.writing import Raw, Values, Written, fill, moment, written
from gateway.dev.simulator.pins import digits_for, masked
from gateway.dev.simulator.server import Asked

#: The answer where a protocol has none of the kind that an order's words ask for.
NO_SUCH_ANSWER = 501
#: Stands for every player.
ANYBODY = ""
#: The group of answers to whatever call.
ANY = "any"
#: Failures of a send that happen before anything is booked.
UNBOOKED = (*behaviours.UNBOOKED_FAILURES, "hang", "notnow")
#: Failures that are answers of the protocol: what each says.
SAYING = {"notnow": "not_now", "duplicate": "used", "mumble": "doubt"}
#: What a sample expects of an answer after which the provider does not have the order.
NOT_BOOKED = ("refused", "not_now")

#: What an order does that a sample answers, by what is expected of that.
SAID = {"completed": "after=0", "failed": "after=0+fail"}

Echo = Callable[[str, str], None]


class Store:
    """Answers the calls of a protocol from a book.

    `booked` is called with each order that it books, `refused` with each that it refuses the first time, and its price.
    """

    denials: Collection[str] = ("denied", "notnow", "token")

    def __init__(
        self,
        protocol: str,
        book: Book,
        *,
        credentials: Mapping[str, str],
        base: Behaviour,
        words: Mapping[str, str],
        booked: Callable[[Order], None],
        refused: Callable[[Order, Decimal], None],
        echo: Echo,
    ) -> None:
        self.sheet: Sheet = load(protocol)
        self.fault: Fault | None = None
        self.denial: str | None = None
        self.price = self.sheet.price
        self.credentials = dict(credentials)
        self._protocol = protocol
        self.book = book
        self._base = base
        self._words = words
        self._booked = booked
        self._refused = refused
        self._echo = echo
        self._numbers = itertools.count(self.sheet.first_number)
        self._tokens = itertools.count(1)
        self._handlers: dict[str, Callable[[Read], Answer]] = {"send": self._send, "check": self._check}
        self._written = {
            (group, kind): self._write(reply)
            for group, replies in self.sheet.answers.items()
            for kind, reply in replies.items()
        }
        self._samples = {each.name: each for each in samples(protocol)}

    def kinds(self, group: str) -> set[str]:
        """What the answers to a call can say: `refused_account`, `not_now`, `partial` …"""
        return {kind for named, kind in self._written if named in (group, ANY)}

    def reply(self, group: str, kind: str) -> Written:
        """The template of an answer. Raises KeyError."""
        return self._written.get((group, kind)) or self._written[ANY, kind]

    def answer(self, asked: Asked) -> Answer:
        """The answer to a call; an HTML page where it is none of the protocol's."""
        call = reading.read(self.sheet.calls, asked)
        if call is None:
            self._echo("refused", f"{asked.method} {asked.path} is no call of {self._protocol}")
            return WRONG_ADDRESS
        if not self._is_proven(call) or self._is_denied(call):
            self._echo("refused", f"{call.call.op}: wrong credentials, or denied")
            return self._say(call, "denied")
        handler = self._handlers.get(call.call.op, self._tell)
        return handler(call)

    def values(self, order: Order | None = None, **more: str) -> Values:
        """What templates may name."""
        known = {
            **self.credentials,
            "balance": _plain(self.book.balance),
            "price": _plain(self.price),
            "price_for_1000": _plain(self.price * 1000),
            **moment(),
            **(self.of(order) if order else {}),
            **more,
        }
        return Values(known, self.sheet.made)

    def of(self, order: Order) -> dict[str, str]:
        """What templates may name of an order, in the words of the protocol."""
        return {**_of(order), **self.said(order.state, order.description)}

    def said(self, state: State, message: str) -> dict[str, str]:
        """`$word` and `$message`."""
        reason = self.sheet.reason if message == behaviours.FAIL_REASON else message
        return {"word": self.sheet.words.get(state.value, state.value), "message": reason}

    def codes(self, codes: tuple[Code, ...], values: Values, kind: str) -> Raw:
        """`$codes`, in an answer of this content type."""
        shape = self.sheet.codes
        if shape is None:
            return Raw()
        each = [
            fill(shape.each, values.beside(n=str(n), **parts(code)), kind) for n, code in enumerate(codes, 1)
        ]
        return Raw(shape.between.join(each))

    def _is_proven(self, call: Read) -> bool:
        proves = self.sheet.proves if call.call.proves is None else call.call.proves
        values = self.values().beside(**call.values())
        return all(call.at(place) == fill(template, values) for place, template in proves.items())

    def _is_denied(self, call: Read) -> bool:
        """A new token ends the denial of the one before."""
        if self.denial == "token" and call.call.op == "token":
            self.credentials["token"] = f"{self.credentials['token']}-{next(self._tokens)}"
            self.denial = None
        return self.denial in ("denied", "token")

    def _tell(self, call: Read) -> Answer:
        """Balance, catalogue and token."""
        self._echo(call.call.op, f"{self.book.balance:.2f}" if call.call.op == "balance" else "")
        return self._spoiled(self._say(call, "ok"), self.fault or Fault())

    def _send(self, call: Read) -> Answer:
        order = self._order(call)
        if order.times_booked and self.sheet.repeated == "first":
            return self._asked(call, order)
        fault = self.fault or order.behaviour.sends.at(order.requests_seen)
        if self.denial == "notnow":
            fault = Fault("notnow")
        kind = "" if fault.failure in UNBOOKED else self._take(call, order)
        self._echo("send", f"{order.referans}  {order.player}  {kind or 'not booked'} {fault.failure}")
        return self._spoiled(self._say(call, SAYING.get(fault.failure, kind), order), fault)

    def _order(self, call: Read) -> Order:
        """The order of a send. Without a reference every send is one of its own."""
        said = call.values()
        own = fill(self.sheet.own, Values({"number": str(next(self._numbers))}, {}))
        quantity = call.at(call.call.quantity) if call.call.quantity else ""
        player, package = said.get("player", ""), said.get("package", "")
        in_names = behaviours.words_of(player) or behaviours.words_of(package)
        words = self._words.get(player) or in_names or self._words.get(ANYBODY, "")
        behaviour = behaviours.of_words(words, self._base, behaviours.DESCRIBED_WORDS)
        if sample := self._samples.get(behaviour.says):
            behaviour = behaviours.parse(SAID.get(sample.expect["result"], ""), behaviour)
        return self.book.sent(
            said.get("reference") or own,
            player,
            behaviour,
            own=own,
            package=package,
            quantity=max(1, int(quantity)) if quantity.isdecimal() else 1,
            callback_url=call.at(call.call.callback_url) if call.call.callback_url else "",
        )

    def _take(self, call: Read, order: Order) -> str:
        """What happens to a send: the kind of its answer."""
        behaviour, price = order.behaviour, self.price * order.quantity
        if order.times_booked and self.sheet.repeated == "used":
            return "used"
        sample = self._sample(call, order)
        if behaviour.refuse_reason is not None or (sample and sample.expect["result"] in NOT_BOOKED):
            self.book.refused(order)
            if order.times_refused == 1:
                self._refused(order, price)
            return f"refused_{behaviour.refuse_about}".rstrip("_")
        try:
            self.book.book(order, price, again=self.sheet.repeated == "buys")
        except BalanceTooLow:
            self.book.refused(order)
            return "no_balance"
        except SentBefore:  # by a send at the same time
            return "used" if self.sheet.repeated == "used" else order.state.value
        self._booked(order)
        return order.state.value

    def _asked(self, call: Read, order: Order | None) -> Answer:
        """The answer to a question about one order."""
        kind, fault = self._look(call, order)
        return self._spoiled(self._say(call, kind, order), fault)

    def _look(self, call: Read, order: Order | None, name: str = "") -> tuple[str, Fault]:
        """What a question finds: the kind of the answer, and what goes wrong with it."""
        if order is None:
            self._echo("check", f"{name or call.values()}  unknown")
            return "unknown", self.fault or Fault()
        self.book.checked(order.referans)
        fault = self.fault or order.behaviour.checks.at(order.times_checked)
        kind = "unknown" if order.state is State.UNBOOKED else order.state.value
        self._echo("check", f"{order.referans}  {order.player}  {kind}, {masked(order.pin)} {fault.failure}")
        return SAYING.get(fault.failure, kind), fault

    def _check(self, call: Read) -> Answer:
        place = call.call.reference or call.call.own
        find = self.book.get if call.call.reference else self.book.numbered
        names = list(filter(None, call.at(place).strip("[]").split(",")))
        if call.call.lines is None:
            return self._asked(call, find(names[0]) if names else None)
        return self._together(call, call.call.lines, {name: find(name) for name in names})

    def _together(self, call: Read, lines: Lines, orders: Mapping[str, Order | None]) -> Answer:
        """One answer about several orders, by what was asked for. What goes wrong with one goes wrong with all."""
        looked = {name: self._look(call, order, name) for name, order in orders.items()}
        fault = next((fault for _, fault in looked.values() if fault != Fault()), self.fault or Fault())
        said = {name: self._say(call, kind, orders[name]) for name, (kind, _) in looked.items()}
        for name, answer in said.items():
            if answer.status == NO_SUCH_ANSWER or self._sample(call, orders[name]):
                return answer
        each = [
            fill(lines.each, Values({"asked": name, "line": answer.text}, {}))
            for name, answer in said.items()
            if answer.text
        ]
        whole = fill(lines.whole, self.values(lines=",".join(each)))
        return self._spoiled(Answer(whole, content_type="application/json"), fault)

    def _say(self, call: Read, kind: str, order: Order | None = None, **more: str) -> Answer:
        """The answer of this kind; empty for a send that is not answered."""
        if not kind:
            return Answer("")
        group, sample = call.call.group, self._sample(call, order)
        if kind not in self.kinds(group) and not sample:
            text = f"the simulator of {self._protocol} has no answer {kind!r} to {group}\n"
            return Answer(text, status=NO_SUCH_ANSWER, content_type="text/plain")
        found = self._write(Reply(sample=sample.name)) if sample else self.reply(group, kind)
        values = self.values(order, **{**call.values(), **more, **(self.of(order) if order else {})})
        values["codes"] = self.codes(shown(order), values, found.type)
        return Answer(found.text(values), status=found.status, content_type=found.type)

    def _sample(self, call: Read, order: Order | None) -> Sample | None:
        """The sample that answers a call about this order, whatever happened to it."""
        sample = self._samples.get(order.behaviour.says) if order else None
        return sample if sample and sample.op == call.call.op else None

    def _write(self, reply: Reply) -> Written:
        return written(self._protocol, self.sheet, samples(self._protocol), reply)

    def _spoiled(self, answer: Answer, fault: Fault) -> Answer:
        return spoiled(answer, Fault("", fault.delay_seconds) if fault.failure in SAYING else fault)


def shown(order: Order | None) -> tuple[Code, ...]:
    """The codes that an answer shows."""
    if order is None or not order.pin or not order.pin_is_shown or order.state not in DELIVERED:
        return ()
    return order.codes or (Code(order.pin),)


def _of(order: Order) -> dict[str, str]:
    """What templates may name of an order."""
    codes = shown(order)
    code = codes[0].code if codes else order.behaviour.blank
    receipt = f"NAMA/RF-{digits_for(order.referans)[:5]}" if order.state in DELIVERED else ""
    return {
        "reference": order.referans,
        "own": order.own,
        "player": order.player,
        "package": order.package,
        "quantity": str(order.quantity),
        "cost": _plain(order.price),
        "remains": str(order.behaviour.lacks),
        **(parts(codes[0]) if codes else {"code": code, "serial": "", "pin": ""}),
        "receipt": receipt,
        #: What stands in a field that has either.
        "sn": code or receipt,
    }


def parts(code: Code) -> dict[str, str]:
    """A code, its serial, and the second secret that some cards have."""
    digits = digits_for(code.code)
    return {"code": code.code, "serial": code.serial or f"SN-{digits[:8]}", "pin": digits[-4:]}


def _plain(amount: Decimal) -> str:
    """An amount without an exponent, and without zeros behind it."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
