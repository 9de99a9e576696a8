"""The dealer panel: what each script of znet answers.

Source of the wording and of the order of fields: the vendor's API document as public consumers summarise it.
"""

import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal

from gateway.dev.simulator.answers import EMPTY, WRONG_ADDRESS, Answer, spoiled
from gateway.dev.simulator.behaviours import UNBOOKED_FAILURES, Behaviour, Fault, of_words, words_of
from gateway.dev.simulator.book import BalanceTooLow, Book, Order, SentBefore, State
from gateway.dev.simulator.catalogue import PACKAGES, price_of
from gateway.dev.simulator.pins import masked
from gateway.dev.simulator.server import Asked

#: Longest reference, in digits.
MAX_REFERANS_DIGITS = 40

NO_SUCH_ORDER = "3|İşlem bulunamadı"
NO_KUPUR = "3|Kupur Bilgisi Bulunamadı"
NO_OYUN = "3|Oyun Bilgisi Bulunamadı"
NO_PLAYER = "3|Oyuncu Bilgisi Bulunamadı"
BAD_REFERANS = "3|Referans numarası sadece rakamlardan oluşmalıdır"
NO_STOCK = "3|Stok yok"
#: The account may not call: the API right is not granted, or the address is not on the list.
DENIED = "8|Bağlantı Hatası,Kullanıcı Api Yetki, Kısıtlı Ip yada Kullanıcı Bilgileri Hatalı"
WRONG_PASSWORD = "3|Şifre yanlış"
#: What everything is refused with, by the mode that `/sim/faults` takes.
DENIALS = {"denied": DENIED, "password": WRONG_PASSWORD}
NO_BALANCE = "8|Bağlantı hatası veya yetersiz bakiye"
SENT_BEFORE = "8|Bu referans numarası ile daha önce gönderilmiş bir işlem var"

#: What is said of a refusal, by what it is about.
_REFUSALS = {"account": DENIED, "product": NO_STOCK, "customer": NO_PLAYER}
_STATE_NUMBER = {State.PROCESSING: 1, State.COMPLETED: 2, State.FAILED: 3, State.REVERSED: 3}

Echo = Callable[[str, str], None]


class Panel:
    """Answers znet's scripts from a book.

    `booked` is called with each order that it books, `refused` with each that it refuses the first time, and its price.

    `fault` spoils every answer until it is None again; faults of single orders come from their player ids.
    """

    def __init__(
        self,
        book: Book,
        *,
        kod: str,
        sifre: str,
        base: Behaviour,
        words: Mapping[str, str],
        booked: Callable[[Order], None],
        refused: Callable[[Order, Decimal], None],
        echo: Echo,
    ) -> None:
        self.fault: Fault | None = None
        #: What every send is refused with, one of DENIALS; all other calls too, or with an empty body for `denied`.
        self.denial: str | None = None
        self.denials: Collection[str] = DENIALS
        self._book = book
        self._credentials = f"{kod}\n{sifre}".encode()
        self._base = base
        self._words = words
        self._booked = booked
        self._refused = refused
        self._echo = echo
        self._scripts: dict[str, Callable[[Mapping[str, str]], Answer]] = {
            "bakiye_kontrol.php": self._balance,
            "pin_listesi.php": self._catalogue,
            "pin_ekle.php": self._send,
            "pin_kontrol.php": self._check,
        }

    def answer(self, asked: Asked) -> Answer:
        """The answer to `GET /servis/{script}`; a wrong dealer gets an empty body, all else an HTML page."""
        script, params = asked.path.removeprefix("/servis/"), asked.query
        handler = self._scripts.get(script) if asked.method == "GET" else None
        if handler is None:
            return WRONG_ADDRESS
        if not self._is_dealer(params):
            self._echo("refused", f"{script}: unknown dealer or password, empty answer")
            return EMPTY
        if self.denial and handler != self._send:
            self._echo("refused", f"{script}: {DENIALS[self.denial]}")
            return EMPTY if self.denial == "denied" else Answer(DENIALS[self.denial])
        return handler(params)

    def _is_dealer(self, params: Mapping[str, str]) -> bool:
        presented = f"{params.get('kod', '')}\n{params.get('sifre', '')}".encode()
        return hmac.compare_digest(presented, self._credentials)

    def _balance(self, params: Mapping[str, str]) -> Answer:
        self._echo("balance", f"{self._book.balance:.2f}")
        return self._under_panel_fault(Answer(f"OK|{self._book.balance:.2f}"))

    def _catalogue(self, params: Mapping[str, str]) -> Answer:
        self._echo("catalogue", f"{len(PACKAGES)} packages")
        document = {"success": True, "result": PACKAGES, "error": None}
        return self._under_panel_fault(Answer(json.dumps(document)))

    def _under_panel_fault(self, answer: Answer) -> Answer:
        return spoiled(answer, self.fault) if self.fault else answer

    def _send(self, params: Mapping[str, str]) -> Answer:
        referans, player = params.get("referans", ""), params.get("oyuncu_bilgi", "")
        if not _is_reference(referans):
            self._echo("send", f"refused: {BAD_REFERANS}")
            return self._under_panel_fault(Answer(BAD_REFERANS))
        words = self._words.get(player) or words_of(player) or self._words.get("", "")
        behaviour = of_words(words, self._base)
        order = self._book.sent(referans, player, behaviour, params.get("musteri_tel", ""))
        fault = self.fault or order.behaviour.sends.at(order.requests_seen)
        is_unbooked = fault.failure in (*UNBOOKED_FAILURES, "hang")
        text = "" if is_unbooked else self._take(order, params)
        if fault.failure == "duplicate":
            text = SENT_BEFORE
        self._echo("send", _line(order, f"{text or 'not booked'}{_note(fault)}"))
        return spoiled(_worded(order, text), fault)

    def _take(self, order: Order, params: Mapping[str, str]) -> str:
        if self.denial:
            self._book.refused(order)
            return DENIALS[self.denial]
        price = price_of(params.get("oyun", ""), params.get("kupur", ""))
        if refusal := _refusal(order, params):
            self._book.refused(order)
            if order.times_refused == 1:
                self._refused(order, price)
            return refusal
        try:
            left = self._book.book(order, price)
        except SentBefore:
            return SENT_BEFORE
        except BalanceTooLow:
            self._book.refused(order)
            return NO_BALANCE
        self._booked(order)
        return _accepted(price, left)

    def _check(self, params: Mapping[str, str]) -> Answer:
        referans = params.get("tahsilat_api_islem_id", "")
        order = self._book.checked(referans)
        if order is None:
            self._echo("check", f"{referans[:MAX_REFERANS_DIGITS]}  {NO_SUCH_ORDER}")
            return self._under_panel_fault(Answer(NO_SUCH_ORDER))
        fault = self.fault or order.behaviour.checks.at(order.times_checked)
        self._echo("check", _line(order, f"{order.state.value}, {masked(order.pin)}{_note(fault)}"))
        return spoiled(_worded(order, _state_line(order)), fault)


def _is_reference(referans: str) -> bool:
    return referans.isascii() and referans.isdigit() and len(referans) <= MAX_REFERANS_DIGITS


def _refusal(order: Order, params: Mapping[str, str]) -> str:
    if not params.get("oyun"):
        return NO_OYUN
    if not params.get("kupur"):
        return NO_KUPUR
    if not order.player.strip():
        return NO_PLAYER
    if order.behaviour.refuse_about:
        return _REFUSALS[order.behaviour.refuse_about]
    if order.behaviour.refuse_reason is not None:
        return f"3|{order.behaviour.refuse_reason}"
    return NO_STOCK if order.behaviour.only_dealer not in (None, params.get("kod")) else ""


def _accepted(price: Decimal, left: Decimal) -> str:
    return f"OK|{price:.2f}|{left:.2f}"


def _state_line(order: Order) -> str:
    number = _STATE_NUMBER.get(order.state)
    return f"OK|{number}|{_pin_shown(order)}|{order.description}" if number else NO_SUCH_ORDER


def _pin_shown(order: Order) -> str:
    if order.state is not State.COMPLETED:
        return ""
    return order.pin if order.pin and order.pin_is_shown else order.behaviour.blank


def _worded(order: Order, text: str) -> Answer:
    answer = Answer(text)
    return replace(answer, encoding="windows-1254") if order.behaviour.latin5 else answer


def _line(order: Order, text: str) -> str:
    again = f" (request {order.requests_seen})" if order.requests_seen > 1 else ""
    return f"{order.referans}  {order.player}{again}  {text}"


def _note(fault: Fault) -> str:
    delay = f" after {fault.delay_seconds:.15g} s" if fault.delay_seconds else ""
    return f"  [{fault.failure or 'slow'}{delay}]" if fault.failure or delay else ""
