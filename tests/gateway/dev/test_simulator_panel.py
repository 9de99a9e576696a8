"""The simulated panel over real HTTP: its answers and the ways in which they go wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from gateway.dev.simulator import Simulator, State, pin_for
from tests.waiting import wait_until


class Dealer:
    """Talks to a simulator the way a dealer's program would."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, script: str, **params: str) -> requests.Response:
        query = {"kod": "K1", "sifre": "S1"} | params
        return self.session.get(f"{self.simulator.url}/servis/{script}.php", params=query, timeout=5)

    def text(self, script: str, **params: str) -> str:
        return self.get(script, **params).content.decode()

    def send(self, referans: str, player: str = "ali", **params: str) -> str:
        query = {"oyun": "1", "kupur": "60", "referans": referans, "oyuncu_bilgi": player} | params
        return self.text("pin_ekle", **query)

    def check(self, referans: str) -> str:
        return self.text("pin_kontrol", tahsilat_api_islem_id=referans)

    def check_when_settled(self, referans: str) -> str:
        order = self.simulator.book.get(referans)
        assert order is not None
        wait_until(lambda: order.state in (State.COMPLETED, State.FAILED))
        return self.check(referans)

    def control(self, name: str, **document: Any) -> Any:
        return self.session.post(f"{self.simulator.url}/sim/{name}", json=document, timeout=5).json()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def dealer(lines: list[str]) -> Iterator[Dealer]:
    with Simulator(
        kod="K1", sifre="S1", settle_after_seconds=0, balance=Decimal(1000), echo=lines.append
    ) as simulator:
        yield Dealer(simulator)


def test_balance(dealer: Dealer) -> None:
    answer = dealer.get("bakiye_kontrol")
    assert (answer.status_code, answer.text) == (200, "OK|1000.00")
    assert answer.headers["content-type"] == "text/html"


@pytest.mark.parametrize("script", ["bakiye_kontrol", "pin_listesi", "pin_ekle", "pin_kontrol"])
def test_an_unknown_dealer_gets_an_empty_body(dealer: Dealer, script: str) -> None:
    for wrong in ({"sifre": "S2"}, {"kod": ""}, {"kod": "K1S", "sifre": "1"}):
        answer = dealer.get(script, referans="1", **wrong)
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/", "/servis/yok.php", "/servis2/bakiye_kontrol.php"])
def test_a_wrong_address_is_an_html_page(dealer: Dealer, path: str) -> None:
    answer = requests.get(dealer.simulator.url + path, timeout=5)
    assert answer.status_code == 200
    assert answer.text.startswith("<!DOCTYPE html>")


def test_the_catalogue_mixes_numbers_and_strings(dealer: Dealer) -> None:
    catalogue = json.loads(dealer.text("pin_listesi"))
    assert (catalogue["success"], catalogue["error"]) == (True, None)
    fields = {"id", "adi", "aciklama", "oyun_id", "oyun_adi", "fiyat", "kupur", "oyun_bilgi_id"}
    assert all(set(package) == fields for package in catalogue["result"])
    for field in ("kupur", "oyun_bilgi_id", "fiyat"):
        assert len({type(package[field]) is str for package in catalogue["result"]}) == 2


def test_an_order_is_booked_charged_and_settled(dealer: Dealer) -> None:
    assert dealer.send("7") == "OK|25.50|974.50"
    assert dealer.check_when_settled("7") == f"OK|2|{pin_for('7')}|Yükleme başarılı, teşekkür ederiz"
    assert dealer.text("bakiye_kontrol") == "OK|974.50"


def test_a_package_outside_the_catalogue_has_a_price_too(dealer: Dealer) -> None:
    assert dealer.send("7", oyun="99", kupur="1") == "OK|10.12|989.88"


def test_an_order_waits_until_it_is_settled(dealer: Dealer) -> None:
    dealer.send("7", "ali+never")
    assert dealer.check("7") == "OK|1||"


def test_the_same_reference_is_taken_once(dealer: Dealer) -> None:
    dealer.send("7")
    assert dealer.send("7").startswith("8|")
    assert "daha önce gönderil" in dealer.send("7")
    assert dealer.simulator.book.requests_seen() == {"7": 3}
    assert dealer.simulator.book.bookings() == {"7": 1}


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({"kupur": ""}, "3|Kupur Bilgisi Bulunamadı"),
        ({"oyun": ""}, "3|Oyun Bilgisi Bulunamadı"),
        ({"referans": "A7"}, "3|Referans numarası sadece rakamlardan oluşmalıdır"),
        ({"referans": ""}, "3|Referans numarası sadece rakamlardan oluşmalıdır"),
        ({"referans": "٣"}, "3|Referans numarası sadece rakamlardan oluşmalıdır"),
        ({"oyuncu_bilgi": ""}, "3|Oyuncu Bilgisi Bulunamadı"),
        ({"oyuncu_bilgi": "ali+refuse"}, "3|Sipariş reddedildi"),
        ({"oyuncu_bilgi": "ali+refuse=Stok_yok"}, "3|Stok yok"),
        ({"oyuncu_bilgi": "ali+only=somebody"}, "3|Stok yok"),
        ({"oyuncu_bilgi": "ali+pol"}, "3|the simulator does not know the word 'pol'"),
    ],
)
def test_a_refused_order_is_not_booked(dealer: Dealer, params: dict[str, str], answer: str) -> None:
    query = {"oyun": "1", "kupur": "60", "referans": "7", "oyuncu_bilgi": "ali"} | params
    assert dealer.text("pin_ekle", **query) == answer
    assert dealer.check(query["referans"]) == "3|İşlem bulunamadı"
    assert sum(dealer.simulator.book.bookings().values()) == 0


def test_an_empty_purse_refuses() -> None:
    with Simulator(kod="K1", sifre="S1", balance=Decimal("25.49"), echo=None) as simulator:
        assert Dealer(simulator).send("7") == "8|Bağlantı hatası veya yetersiz bakiye"
        assert simulator.book.balance == Decimal("25.49")


def test_a_cancelled_order_gives_a_reason_and_the_money_back(dealer: Dealer) -> None:
    dealer.send("7", "ali+fail=Hesap_yok")
    assert dealer.check_when_settled("7") == "OK|3||Hesap yok"
    assert dealer.text("bakiye_kontrol") == "OK|1000.00"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("nopin", "OK|2||Yükleme başarılı, teşekkür ederiz"),
        ("dash", "OK|2| - |Yükleme başarılı, teşekkür ederiz"),
        ("nopin+pipes", "OK|2||Yükleme başarılı | 1 adet | teşekkür ederiz"),
        ("fail=", "OK|3||"),
    ],
)
def test_odd_outcomes(dealer: Dealer, words: str, answer: str) -> None:
    dealer.send("7", f"ali+{words}")
    assert dealer.check_when_settled("7") == answer


def test_latin5_answers_are_bytes_of_windows_1254(dealer: Dealer) -> None:
    query = {"oyun": "1", "kupur": "60", "referans": "7", "oyuncu_bilgi": "ali+duplicate+latin5+fail"}
    send = dealer.get("pin_ekle", **query).content
    assert "daha önce gönderil".encode("windows-1254") in send
    wait_until(lambda: dealer.get("pin_kontrol", tahsilat_api_islem_id="7").content.startswith(b"OK|3|"))
    check = dealer.get("pin_kontrol", tahsilat_api_islem_id="7").content
    assert check.decode("windows-1254") == "OK|3||Oyuncu bulunamadı"
    with pytest.raises(UnicodeDecodeError):
        check.decode()


@pytest.mark.parametrize(
    ("word", "status", "start"), [("html", 200, "<!DOCTYPE"), ("empty", 200, ""), ("500", 500, "<html>")]
)
def test_a_send_that_fails_before_booking(dealer: Dealer, word: str, status: int, start: str) -> None:
    answer = dealer.get("pin_ekle", oyun="1", kupur="60", referans="7", oyuncu_bilgi=f"ali+{word}")
    assert (answer.status_code, answer.text[: len(start) or 1]) == (status, start)
    assert dealer.check("7") == "3|İşlem bulunamadı"
    assert dealer.send("7").startswith("OK|")
    assert dealer.simulator.book.requests_seen() == {"7": 2}


@pytest.mark.parametrize(("word", "booked"), [("cut", 0), ("cutafter", 1), ("half", 1)])
def test_a_send_whose_connection_is_cut(dealer: Dealer, word: str, booked: int) -> None:
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        dealer.send("7", f"ali+{word}")
    assert dealer.simulator.book.bookings() == {"7": booked}


def test_half_an_answer_is_half_of_its_bytes(dealer: Dealer) -> None:
    host, port = dealer.simulator.url.removeprefix("http://").split(":")
    query = "kod=K1&sifre=S1&oyun=1&kupur=60&referans=7&oyuncu_bilgi=ali%2Bhalf"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET /servis/pin_ekle.php?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        raw = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"Content-Length: 15" in head
    assert body == b"OK|25.5"


def test_an_answer_is_lost_although_the_order_was_booked(dealer: Dealer) -> None:
    assert dealer.send("7", "ali+lostanswer").startswith("<!DOCTYPE")
    assert dealer.check_when_settled("7").startswith("OK|2|")


def test_the_first_send_is_called_a_duplicate_and_booked(dealer: Dealer) -> None:
    assert "daha önce gönderil" in dealer.send("7", "ali+duplicate")
    assert dealer.simulator.book.bookings() == {"7": 1}


def test_a_slow_send_is_booked_before_it_is_answered(dealer: Dealer) -> None:
    query = {
        "kod": "K1",
        "sifre": "S1",
        "oyun": "1",
        "kupur": "60",
        "referans": "7",
        "oyuncu_bilgi": "ali+slow=60",
    }
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{dealer.simulator.url}/servis/pin_ekle.php", params=query, timeout=(5, 0.2))
    assert dealer.check_when_settled("7").startswith("OK|2|")


def test_the_first_checks_fail_and_the_next_one_answers(dealer: Dealer) -> None:
    dealer.send("7", "ali+check-500=1+check-html+check-empty+check-cut+check-half")
    statuses = [dealer.get("pin_kontrol", tahsilat_api_islem_id="7") for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [500, 200, 200]
    assert [answer.text[:5] for answer in statuses] == ["<html", "<!DOC", ""]
    for _ in range(2):
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            dealer.check("7")
    assert dealer.check("7").startswith("OK|2|")


def test_a_slow_check(dealer: Dealer) -> None:
    dealer.send("7", "ali+check-slow=0.2")
    begun = time.monotonic()
    dealer.check("7")
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize(
    ("mode", "status", "body"), [("empty", 200, ""), ("500", 500, "<html"), ("html", 200, "<!DOC")]
)
def test_the_whole_panel_fails_until_it_is_told_not_to(
    dealer: Dealer, mode: str, status: int, body: str
) -> None:
    dealer.control("faults", mode=mode)
    for script in ("bakiye_kontrol", "pin_listesi", "pin_kontrol"):
        answer = dealer.get(script)
        assert (answer.status_code, answer.text[:5]) == (status, body)
    assert dealer.send("7")[:5] == body
    dealer.control("faults", mode=None)
    assert dealer.simulator.book.bookings() == {"7": 0}
    assert dealer.send("7").startswith("OK|")


def test_the_whole_panel_cuts_connections(dealer: Dealer) -> None:
    dealer.control("faults", mode="cut")
    with pytest.raises(requests.ConnectionError):
        dealer.send("7")
    assert dealer.simulator.book.bookings() == {"7": 0}


def test_the_whole_panel_is_slow_and_still_books(dealer: Dealer) -> None:
    dealer.control("faults", mode="slow", seconds=0.2)
    begun = time.monotonic()
    assert dealer.send("7").startswith("OK|")
    assert time.monotonic() - begun >= 0.2


def test_the_whole_panel_hangs_and_books_nothing(dealer: Dealer) -> None:
    dealer.control("faults", mode="hang")
    query = {"kod": "K1", "sifre": "S1", "oyun": "1", "kupur": "60", "referans": "7", "oyuncu_bilgi": "ali"}
    with pytest.raises(requests.ReadTimeout):
        dealer.session.get(f"{dealer.simulator.url}/servis/pin_ekle.php", params=query, timeout=(5, 0.2))
    wait_until(lambda: dealer.simulator.book.bookings() == {"7": 0})


@pytest.mark.parametrize(
    ("mode", "send", "others"),
    [
        ("denied", "8|Bağlantı Hatası,Kullanıcı Api Yetki", ""),
        ("password", "3|Şifre yanlış", "3|Şifre yanlış"),
    ],
)
def test_the_account_is_refused(dealer: Dealer, mode: str, send: str, others: str) -> None:
    dealer.control("faults", mode=mode)
    health = requests.get(f"{dealer.simulator.url}/sim/health", timeout=5).json()
    assert health["fault"] == mode
    assert dealer.send("7").startswith(send)
    assert dealer.text("bakiye_kontrol") == others
    dealer.control("faults", mode=None)
    assert dealer.send("7").startswith("OK|")


def test_a_deposit(dealer: Dealer) -> None:
    assert dealer.control("balance", amount="12.5") == {"balance": "12.50"}
    assert dealer.text("bakiye_kontrol") == "OK|12.50"
    for invalid in ("much", None, "NaN", "Infinity"):
        assert "takes a number" in dealer.control("balance", amount=invalid)["error"]


@pytest.mark.parametrize(
    "asked", [{}, {"mode": "slwo"}, {"mode": "slow", "seconds": "5"}, {"mode": "slow", "seconds": -1}]
)
def test_a_fault_that_makes_no_sense_is_refused(dealer: Dealer, asked: dict[str, Any]) -> None:
    answer = requests.post(f"{dealer.simulator.url}/sim/faults", json=asked, timeout=5)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert dealer.send("7").startswith("OK|")


def test_orders_are_listed_with_counts_and_times(dealer: Dealer) -> None:
    dealer.send("7", "ali+never")
    dealer.send("8", "veli+html")
    dealer.send("7")
    dealer.check("7")
    listed = requests.get(f"{dealer.simulator.url}/sim/orders", timeout=5).json()["orders"]
    assert [(o["referans"], o["state"], o["requests_seen"], o["times_booked"]) for o in listed] == [
        ("7", "processing", 2, 1),
        ("8", "unbooked", 1, 0),
    ]
    assert listed[0]["behaviour"] == "never"
    assert listed[0]["booked_at"] <= listed[0]["checked_at"][0] <= time.time()
    assert requests.get(f"{dealer.simulator.url}/sim/orders/7", timeout=5).json() == listed[0]
    waiting = requests.get(f"{dealer.simulator.url}/sim/orders?state=unbooked", timeout=5).json()["orders"]
    assert [order["referans"] for order in waiting] == ["8"]


def test_an_order_is_settled_by_hand_and_again_otherwise(dealer: Dealer) -> None:
    dealer.send("7", "ali+never")
    assert dealer.control("settle", referans="7", state="completed", pin="HAND-1")["state"] == "completed"
    assert dealer.check("7") == "OK|2|HAND-1|Yükleme başarılı, teşekkür ederiz"
    dealer.control("settle", referans="7", state="failed", message="Yanlış")
    assert dealer.check("7") == "OK|3||Yanlış"
    assert dealer.text("bakiye_kontrol") == "OK|1000.00"


def test_what_cannot_be_settled_says_why(dealer: Dealer) -> None:
    dealer.send("7", "ali+never")
    dealer.send("8", "ali+html")
    assert "not found" in dealer.control("settle", referans="9", state="completed")["error"]
    assert "takes completed" in dealer.control("settle", referans="7", state="done")["error"]
    assert "not booked" in dealer.control("settle", referans="8", state="completed")["error"]


def test_reset_forgets_everything(dealer: Dealer) -> None:
    dealer.send("7", "ali+after=3600")
    dealer.control("faults", mode="html")
    dealer.control("reset")
    health = requests.get(f"{dealer.simulator.url}/sim/health", timeout=5).json()
    assert (health["orders"], health["plans_waiting"], health["fault"]) == (0, 0, None)
    assert dealer.send("7") == "OK|25.50|974.50"


def test_no_line_shows_a_pin_or_the_password(dealer: Dealer, lines: list[str]) -> None:
    dealer.send("7", "ali\n+x")
    dealer.send("8")
    dealer.check_when_settled("8")
    dealer.text("bakiye_kontrol", sifre="S1-wrong")
    printed = "\n".join(lines)
    assert pin_for("8") not in printed
    assert "S1" not in printed
    assert len(printed.splitlines()) == len(lines)
    assert {"ready", "send", "settle", "check", "refused"} <= {line.split()[2] for line in lines}


def test_a_stopped_panel_is_gone_and_comes_back_with_its_orders(dealer: Dealer) -> None:
    dealer.send("7", "ali+never")
    dealer.simulator.stop()
    with pytest.raises(requests.ConnectionError):
        dealer.check("7")
    dealer.simulator.start()
    assert dealer.check("7") == "OK|1||"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_on_a_signal(number: int) -> None:
    code = "from gateway.dev.simulator import serve; serve(port=0)"
    environ = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        assert " ready " in process.stdout.readline()
        process.send_signal(number)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, "stopped" in output) == (0, True)


class TestBalance:
    def test_answers_tell_cost_and_what_remains(self, dealer: Dealer) -> None:
        before = dealer.simulator.book.balance
        cost, remaining = (Decimal(part) for part in dealer.send("1").split("|")[1:])
        assert before - cost == remaining == dealer.simulator.book.balance

    def test_a_failed_order_is_refunded(self, dealer: Dealer) -> None:
        before = dealer.simulator.book.balance
        dealer.send("1", "ali+fail+after=0")
        dealer.check_when_settled("1")
        assert dealer.simulator.book.balance == before

    @pytest.mark.parametrize(
        ("change", "balance"),
        [({"amount": "7"}, "7.00"), ({"deposit": "5"}, "12.00"), ({"purchase": 2.5}, "4.50")],
    )
    def test_it_is_changed_by_hand(self, dealer: Dealer, change: dict[str, Any], balance: str) -> None:
        dealer.simulator.book.set_balance(Decimal(7))
        assert dealer.control("balance", **change) == {"balance": balance}
        assert dealer.text("bakiye_kontrol") == f"OK|{balance}"

    @pytest.mark.parametrize(
        "change", [{}, {"amount": "1", "deposit": "1"}, {"deposit": "much"}, {"purchase": None}]
    )
    def test_other_changes_are_refused(self, dealer: Dealer, change: dict[str, Any]) -> None:
        assert "error" in dealer.control("balance", **change)
