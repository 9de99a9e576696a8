"""The znet protocol: every answer of its document, as raw bytes over real HTTP, and the simulator's own."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway import outbound
from gateway.dev.simulator import Simulator
from gateway.providers import adapter_for
from gateway.providers.base import (
    About,
    InDoubt,
    NoAnswer,
    NotReached,
    ProviderError,
    QuestionRefused,
    Refused,
    Task,
    UnknownReference,
    UnreadableCallback,
)
from gateway.providers.znet import BALANCE_BYTES, CATALOGUE_BYTES, CHECK_BYTES, SEND_BYTES, Znet
from models import texts
from models.codes import Code
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus
from tests.growth import is_linear
from tests.listening import listening

PROCESSING, COMPLETED, FAILED = ExternalStatus.PROCESSING, ExternalStatus.COMPLETED, ExternalStatus.FAILED
ROUTE = {"oyun": "1", "kupur": "60"}


class Panel(ThreadingHTTPServer):
    """Answers every call with the same bytes, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.answer = 200, b""
        self.asked: dict[str, str] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Panel

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self.server.asked = {name: values[0] for name, values in query.items()}
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def panel() -> Iterator[Panel]:
    with listening(Panel()) as server:
        yield server


def ask(znet: Znet) -> Outcome:
    """What a check of one order learns, or raises."""
    [learned] = znet.check([task()])
    if isinstance(learned, ProviderError):
        raise learned
    return learned


@pytest.fixture
def znet(panel: Panel) -> Znet:
    return account(f"http://127.0.0.1:{panel.server_port}")


def account(base_url: str, kod: str = "dealer", sifre: str = "not-a-real-one") -> Znet:
    configured = Provider("panel", "znet", base_url, "token", {"kod": kod, "sifre": sifre})
    adapter = adapter_for(configured, outbound.Client(read_timeout_seconds=2, deadline_seconds=4))
    assert isinstance(adapter, Znet)
    return adapter


def task(**fields: Any) -> Task:
    return Task(
        **{"referans": "123456789012345678", "user_identifier": "5123456789", "params": ROUTE} | fields
    )


@pytest.mark.parametrize(
    ("answer", "cost", "remaining"),
    [
        (b"OK|10.12|980.88", "10.12", "980.88"),
        (b"OK|10,12|1.980,88", "10.12", "1980.88"),
        (b"OK||980.88", None, "980.88"),
        (b"OK|10.12|", "10.12", None),
        (b"OK|10.12|yok", "10.12", None),
        (b"OK|10.12|99999999999999", "10.12", None),
    ],
)
def test_an_accepted_order_tells_its_cost_and_what_remains(
    panel: Panel, znet: Znet, answer: bytes, cost: str | None, remaining: str | None
) -> None:
    panel.answer = answer
    outcome = znet.send(task())
    assert (outcome.cost, outcome.remaining) == (cost and Decimal(cost), remaining and Decimal(remaining))


def test_what_is_sent(panel: Panel, znet: Znet) -> None:
    panel.answer = b"OK|10.12|980.88"
    outcome = znet.send(task())
    assert panel.asked == {
        "kod": "dealer",
        "sifre": "not-a-real-one",
        "oyun": "1",
        "kupur": "60",
        "referans": "123456789012345678",
        "musteri_tel": "",
        "oyuncu_bilgi": "5123456789",
    }
    assert (outcome.status, outcome.cost, outcome.currency) == (ExternalStatus.SENT, Decimal("10.12"), "TRY")


@pytest.mark.parametrize(
    ("extra", "phone", "player"),
    [
        ("+905321234567", "905321234567", "5123456789"),
        ("+90 532 123 45 67", "905321234567", "5123456789"),
        ("0 (532) 123-45-67", "05321234567", "5123456789"),
        ("\u202a+٩٠ ٥٣٢ ١٢٣ ٤٥ ٦٧\u202c\n", "905321234567", "5123456789"),
        ("905321234", "905321234", "5123456789"),
        (" \u200b\n", "", "5123456789"),
        ("server 7", "", "5123456789 server 7"),
        ("12345678", "", "5123456789 12345678"),
        (None, "", "5123456789"),
    ],
)
def test_the_extra_field_goes_where_it_belongs(
    panel: Panel, znet: Znet, extra: str | None, phone: str, player: str
) -> None:
    panel.answer = b"OK|1|1"
    znet.send(task(extra_field=extra))
    assert (panel.asked["musteri_tel"], panel.asked["oyuncu_bilgi"]) == (phone, player)


@pytest.mark.parametrize(
    ("user", "player"),
    [
        (" 512 345\u00a067 89\r\n", "5123456789"),
        ("\u202a٥١٢٣٤٥٦٧٨٩\u202c", "5123456789"),
        ("５１２３", "5123"),
        ("\x1b[31mAli\u200b  Veli\t", "Ali Veli"),
        ("şükrü#12", "şükrü#12"),
    ],
)
def test_the_players_id_is_sent_as_the_panel_knows_it(
    panel: Panel, znet: Znet, user: str, player: str
) -> None:
    panel.answer = b"OK|1|1"
    znet.send(task(user_identifier=user))
    assert (panel.asked["oyuncu_bilgi"], panel.asked["musteri_tel"]) == (player, "")


@pytest.mark.parametrize(
    ("field_map", "player", "phone"),
    [
        (
            {"oyuncu_bilgi": "{userIdentifier}", "musteri_tel": "{userIdentifier}"},
            "+90 555 111 22 33",
            "905551112233",
        ),
        ({"oyuncu_bilgi": "{extraField}", "musteri_tel": "{userIdentifier}"}, "987456", "905551112233"),
        ({"oyuncu_bilgi": "{extraField} {userIdentifier}"}, "987456 +90 555 111 22 33", ""),
        ({}, "+90 555 111 22 33 987456", ""),
    ],
)
def test_a_route_says_which_field_is_the_player(
    panel: Panel, znet: Znet, field_map: dict[str, str], player: str, phone: str
) -> None:
    panel.answer = b"OK|1|1"
    znet.send(task(user_identifier="+90 555 111 22 33", extra_field=" ٩٨٧ ٤٥٦\n", field_map=field_map))
    assert (panel.asked["oyuncu_bilgi"], panel.asked["musteri_tel"]) == (player, phone)


@pytest.mark.parametrize(
    "fields",
    [
        {"params": {}},
        {"params": {"oyun": "1"}},
        {"quantity": 2},
        {"user_identifier": ""},
        {"user_identifier": " \n\u200b\u202a\x00"},
        {"user_identifier": "\u200b", "extra_field": "+90 555 111 22 33"},
        {"field_map": {"oyuncu_bilgi": "{extraField}"}},
        {"field_map": {"oyuncu_bilgi": "{extraField}"}, "extra_field": "\u200b"},
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    panel: Panel, znet: Znet, fields: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match="not sent"):
        znet.send(task(**fields))
    assert panel.asked == {}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("3|Kupur Bilgisi Bulunamadı", Refused),
        ("3|anything a panel may say", Refused),
        ("8|Bağlantı hatası veya yetersiz bakiye", Refused),
        ("ERROR|Invalid credentials", Refused),
        ("8|Stok yok", Refused),
        ("2|Oyun bulunamadı", Refused),
        ("1|Bayi Bilgisi Bulunamadı", Refused),
        ("99|Yetkiniz yok", Refused),
        ("ERROR|Insufficient balance", Refused),
        ("3|Oyun bakıma alındı", Refused),
        ("3|Hesap kara listeye alındı", Refused),
        ("3|Bakım çalışması devam ediyor", Refused),
        ("3|Spending limit exceeded", Refused),
        ("3|Bilinmeyen oyun", Refused),
        ("3|Lütfen sunucu seçiniz", Refused),
        ("8|Oyuncu bilgisi geçersizdir", Refused),
        ("8|Ürün satışa kapalıdır", Refused),
        ("ERROR|Unauthorized", Refused),
        ("ERROR|Wrong password", Refused),
        ("ERROR|Product not found", Refused),
        ("ERROR|Not enough balance", Refused),
        ("8|Invalid response from supplier", InDoubt),
        ("8|Tedarikçi hatalı yanıt verdi", InDoubt),
        ("8|Sunucudan geçersiz cevap", InDoubt),
        ("3|Bu referans daha önce kullanılmış", InDoubt),
        ("3|Referans numarası zaten mevcut", InDoubt),
        ("3|Bu referans daha önce gönderilmiş", InDoubt),
        ("500|Internal server error", InDoubt),
        ("8|Sistem hatası, işlem sonucu bilinmiyor", InDoubt),
        ("1|Bağlantı hatası", InDoubt),
        ("3|Bağlantı hatası", InDoubt),
        ("3|Connection error to supplier", InDoubt),
        ("3|Hata: işlem devam ediyor", InDoubt),
        ("ERROR|gateway error", InDoubt),
        ("ERROR|Unknown error", InDoubt),
        ("99|Database error", InDoubt),
        ("2|Siparis alindi, kredi", InDoubt),
        ("2|Servis bulunamadı", InDoubt),
        ("4|Daha Önce Gönderilmiş", InDoubt),
        ("8|DAHA ÖNCE GÖNDERİLDİ", InDoubt),
        ("4|", InDoubt),
        ("3|", InDoubt),
        ("3|Zaman aşımı", InDoubt),
        ("7|who knows", InDoubt),
        ("", NoAnswer),
        ("   \r\n", NoAnswer),
        ("<html>Bakım</html>", NoAnswer),
        ("OK", NoAnswer),
        ("OK|", NoAnswer),
        ("OK||", NoAnswer),
        ("OK|NaN|", NoAnswer),
        ("OK|Siparis alindi", NoAnswer),
        ("8|Bağlantı Hatası,Kullanıcı Api Yetki, Kısıtlı Ip yada Kullanıcı Bilgileri Hatalı", Refused),
        ("O", NoAnswer),
        ("Hata oluştu", NoAnswer),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1254"])
def test_answers_to_a_send(
    panel: Panel, znet: Znet, answer: str, error: type[Exception], encoding: str
) -> None:
    panel.answer = answer.encode(encoding)
    with pytest.raises(error) as raised:
        znet.send(task())
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "answer",
    [
        # Taken, whatever the number before it, also where it speaks of a balance, of stock or of cancelling.
        "1|Sipariş alındı|kalan bakiye 980.88",
        "2|İşleminiz sıraya alındı, bakiyeniz 55.10",
        "3|Siparişiniz alınmıştır, iptal edilemez",
        "3|Siparişiniz oluşturuldu",
        "3|İşlem başarılı",
        "3|Order accepted",
        "8|Bakiyenizden 10.12 TL düşüldü",
        "8|Bakiye düşüldü ama tedarikçi cevap vermedi",
        "1|Stoktan teslim edildi",
        # Under way.
        "3|İşlemde",
        "3|Kuyruğa alındı",
        "8|Yetkili onayı bekliyor",
        "3|Lütfen bekleyiniz",
        # The panel, or what stands behind it, failed, perhaps after booking.
        "3|502 Bad Gateway",
        "3|Hata oluştu",
        "3|Beklenmeyen hata",
        "3|Unknown error",
        "3|Veritabanı hatası",
        "3|Karşı servis cevap vermedi",
        "8|Geçersiz yanıt",
        "8|Stok servisi zaman aşımı",
        "8|Bakiye servisi zaman aşımı",
        "8|Şifreleme hatası",
        "3|Sonuç belirsiz",
        "3|null",
        # It has the reference.
        "3|Bu işlem daha önce yapılmış",
        "3|Bu referans numarası kullanılıyor",
        "3|Bu referans ile kayıtlı sipariş var",
        "3|Reference number is already in use",
    ],
)
def test_what_may_have_been_taken_is_never_a_refusal(panel: Panel, znet: Znet, answer: str) -> None:
    panel.answer = answer.encode()
    with pytest.raises(InDoubt):
        znet.send(task())


@pytest.mark.parametrize(
    "answer",
    [
        "3|Siparişiniz alınamadı, bakiye yetersiz",
        "3|İşleminiz gerçekleştirilemedi",
        "3|İşlem başarısız",
        "3|Sipariş onaylanmadı",
        "3|Order not accepted",
        "8|Siparişiniz iptal edildi, bakiyeniz iade edildi",
        "8|Bakiyeniz kalmadı",
        "8|Stok tükendi",
        "8|Limit yetersiz",
        "8|Yetkili değilsiniz",
        "3|Referans numarası mevcut değil",
        "3|Oyuncu ID hatalı, tekrar deneyiniz",
        "3|Aynı numaraya 10 dakika içinde aynı işlem yapılamaz",
    ],
)
def test_what_was_certainly_not_taken_is_a_refusal(panel: Panel, znet: Znet, answer: str) -> None:
    panel.answer = answer.encode()
    with pytest.raises(Refused):
        znet.send(task())


@pytest.mark.parametrize("cost", ["NaN", "1E-200000", "1E999999", "sNaN", "9" * 60, "", "ücretsiz", "12 TL"])
def test_a_whole_answer_is_an_order_whatever_its_cost_says(panel: Panel, znet: Znet, cost: str) -> None:
    panel.answer = f"OK|{cost}|980.88".encode()
    outcome = znet.send(task())
    assert (outcome.status, outcome.cost) == (ExternalStatus.SENT, None)


@pytest.mark.parametrize(
    ("cost", "amount"), [("10,12", "10.12"), ("1.234,50", "1234.50"), (" 10.12 ", "10.12"), ("٩٫٥", None)]
)
def test_costs_as_panels_write_them(panel: Panel, znet: Znet, cost: str, amount: str | None) -> None:
    panel.answer = f"OK|{cost}|1".encode()
    assert znet.send(task()).cost == (None if amount is None else Decimal(amount))


def test_the_reason_of_a_refusal_is_read_in_either_encoding(panel: Panel, znet: Znet) -> None:
    panel.answer = "3|Geçersiz oyuncu, ş ğ İ".encode("windows-1254")
    with pytest.raises(Refused, match="Geçersiz oyuncu, ş ğ İ"):
        znet.send(task())


@pytest.mark.parametrize(
    ("answer", "about", "is_certain", "lacks_balance"),
    [
        ("8|Bağlantı Hatası,Kullanıcı Api Yetki, Kısıtlı Ip", About.ACCOUNT, True, False),
        ("3|Yetersiz bakiye", About.ACCOUNT, True, True),
        ("8|Bağlantı hatası veya yetersiz bakiye", About.ACCOUNT, False, True),
        ("3|Stok yok", About.PRODUCT, True, False),
        ("3|Geçersiz oyuncu", About.CUSTOMER, True, False),
        ("3|anything a panel may say", About.ORDER, True, False),
    ],
)
def test_a_refusal_says_what_it_is_about(
    panel: Panel, znet: Znet, answer: str, about: About, is_certain: bool, lacks_balance: bool
) -> None:
    panel.answer = answer.encode()
    with pytest.raises(Refused) as refused:
        znet.send(task())
    found = refused.value
    assert (found.about, found.is_certain, found.lacks_balance) == (about, is_certain, lacks_balance)


@pytest.mark.parametrize("echo", ["Kullanıcı Api Yetki", "yetersiz bakiye", "STOK YOK"])
def test_what_the_customer_wrote_decides_nothing_where_a_panel_repeats_it(
    panel: Panel, znet: Znet, echo: str
) -> None:
    """A customer could have the provider paused, or an order in doubt sent to the next one."""
    panel.answer = f"3|Sipariş reddedildi: {echo}".encode()
    with pytest.raises(Refused) as refused:
        znet.send(task(user_identifier=echo))
    assert refused.value.about is About.ORDER
    panel.answer = f"3|Zaman aşımı: {echo}".encode()
    with pytest.raises(InDoubt):
        znet.send(task(user_identifier=echo))
    with pytest.raises(Refused):
        znet.send(task())


@pytest.mark.parametrize(
    ("answer", "about"),
    [
        ("3|Kullanıcı Api Yetki", About.ACCOUNT),
        ("3|Şifre yanlış", About.ACCOUNT),
        ("8|Bilinmeyen hata", About.ORDER),
    ],
)
def test_a_refused_question_says_what_it_is_about(
    panel: Panel, znet: Znet, answer: str, about: About
) -> None:
    panel.answer = answer.encode()
    for question in (lambda: ask(znet), znet.balance):
        with pytest.raises(QuestionRefused) as refused:
            question()
        assert refused.value.about is about


@pytest.mark.parametrize(
    ("answer", "status", "pin", "message"),
    [
        ("OK|1||", PROCESSING, None, None),
        ("OK|1||Beklemede", PROCESSING, None, "Beklemede"),
        ("OK|2|ABCD-1234|Yüklendi", COMPLETED, "ABCD-1234", "Yüklendi"),
        ("OK|2|ABCD|a|b|c", COMPLETED, "ABCD", "a|b|c"),
        ("OK|2||Yüklendi", COMPLETED, None, "Yüklendi"),
        ("OK|2| |x", COMPLETED, None, "x"),
        ("OK|2|-|x", COMPLETED, None, "x"),
        ("OK|2| - |x", COMPLETED, None, "x"),
        ("OK|2|*****|x", COMPLETED, None, "x"),
        ("OK|2|\u200b|x", COMPLETED, None, "x"),
        *[
            (f"OK|2|{word}|x", COMPLETED, None, "x")
            for word in ("null", "NULL", "None", "undefined", "N/A", "0", "--", "Yok", "yok", "boş", "[]")
        ],
        ("OK|2|ABCD|\x1b[31m\u202ered\x07", COMPLETED, "ABCD", "red"),
        ("ok|3||", FAILED, None, None),
        ("OK|3|-|iptal", FAILED, None, "iptal"),
        ("\ufeffOK|2|ABCD|x\r\n", COMPLETED, "ABCD", "x"),
    ],
)
def test_answers_to_a_check(
    panel: Panel, znet: Znet, answer: str, status: ExternalStatus, pin: str | None, message: str | None
) -> None:
    panel.answer = answer.encode()
    outcome = ask(znet)
    assert panel.asked["tahsilat_api_islem_id"] == "123456789012345678"
    assert outcome == Outcome(
        status, "123456789012345678", codes=(Code(pin),) if pin else (), message=message
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("3|İşlem bulunamadı", UnknownReference),
        ("3|Kayıt Bulunamadı", UnknownReference),
        ("3|Order not found", UnknownReference),
        ("3|Referans numarası bulunamadı", UnknownReference),
        ("3|Geçersiz referans", UnknownReference),
        ("3|Böyle bir işlem yok", UnknownReference),
        ("ERROR|No such order", UnknownReference),
        ("3|Tahsilat bulunamadı", UnknownReference),
        ("3|tahsilat_api_islem_id bulunamadı", UnknownReference),
        ("3|Bulunamadı!", UnknownReference),
        ("3|Sipariş sistemde bulunamadı", UnknownReference),
        ("3|Order id 123 not found", UnknownReference),
        ("ERROR|No order found", UnknownReference),
        ("3|Geçersiz işlem", QuestionRefused),
        ("3|Geçersiz işlem şifresi", QuestionRefused),
        ("3|Invalid transaction password", QuestionRefused),
        ("3|Geçersiz sipariş durumu", QuestionRefused),
        ("3|Invalid record type", QuestionRefused),
        ("3|Kullanıcı adına kayıt bulunamadı", QuestionRefused),
        ("3|Bu bayi koduna ait kayıt bulunamadı", QuestionRefused),
        ("3|IP için kayıt bulunamadı", QuestionRefused),
        ("3|Dealer record not found", QuestionRefused),
        ("3|Unknown transaction error", QuestionRefused),
        ("3|Unknown order state", QuestionRefused),
        ("3|Bekleyen işlem yok", QuestionRefused),
        ("3|Bayi bulunamadı", QuestionRefused),
        ("ERROR|Unknown error", QuestionRefused),
        ("5|Unknown error", QuestionRefused),
        ("2|Servis bulunamadı", QuestionRefused),
        ("1|Sunucu bulunamadı", QuestionRefused),
        ("8|Sayfa not found", QuestionRefused),
        ("99|Oyun bulunamadı", QuestionRefused),
        ("8|İşlem sırasında hata, kayıt servisi bulunamadı", QuestionRefused),
        ("3|Şifre hatalı", QuestionRefused),
        ("8|Sistem meşgul", QuestionRefused),
        ("OK|2|ABCD-12", NoAnswer),
        ("OK|9|x|y", NoAnswer),
        ("OK", NoAnswer),
        ("OK|", NoAnswer),
        ("", NoAnswer),
        ("<!DOCTYPE html>", NoAnswer),
    ],
)
def test_answers_to_a_check_that_say_nothing_of_the_order(
    panel: Panel, znet: Znet, answer: str, error: type[Exception]
) -> None:
    panel.answer = answer.encode()
    with pytest.raises(error) as raised:
        ask(znet)
    assert type(raised.value) is error


def test_a_code_that_cannot_be_kept_is_asked_for(panel: Panel, znet: Znet) -> None:
    panel.answer = b"OK|2|" + b"7" * 5_000 + b"|x"
    outcome = ask(znet)
    assert (outcome.status, outcome.codes, outcome.unreadable_code) == (COMPLETED, (), True)


#: Descriptions a little shorter than the largest answer to a check and to a send.
HUGE, LONG = "açıklama " * (CHECK_BYTES // 12), "açıklama " * (SEND_BYTES // 12)


def test_a_huge_description_is_bounded(panel: Panel, znet: Znet) -> None:
    panel.answer = f"OK|2|ABCD|{HUGE}".encode()
    outcome = ask(znet)
    assert outcome.codes == (Code("ABCD"),)
    assert outcome.message and outcome.message.startswith("açıklama") and len(outcome.message) == texts.WHOLE


def test_a_reason_too_long_to_be_read_decides_nothing(panel: Panel, znet: Znet) -> None:
    """Whether it was sent before may stand at its end."""
    panel.answer = f"3|Geçersiz oyuncu {LONG} daha önce gönderilmiş".encode()
    with pytest.raises(InDoubt) as doubt:
        znet.send(task())
    panel.answer = f"3|{HUGE} İşlem bulunamadı".encode()
    with pytest.raises(QuestionRefused) as refused:
        ask(znet)
    assert max(len(str(doubt.value)), len(str(refused.value))) < 300


@pytest.mark.parametrize(
    ("call", "bound"),
    [
        (lambda znet: znet.send(task()), SEND_BYTES),
        (ask, CHECK_BYTES),
        (lambda znet: znet.balance(), BALANCE_BYTES),
        (lambda znet: znet.catalogue(), CATALOGUE_BYTES),
    ],
    ids=["send", "check", "balance", "catalogue"],
)
@pytest.mark.parametrize(
    "answer", ["OK|1|1|", "OK|2|ABCD|x", "3|Geçersiz oyuncu ", "3|İşlem bulunamadı ", "ERROR|", "{", ""]
)
def test_an_answer_past_its_bound_says_nothing(
    panel: Panel, znet: Znet, call: Callable[[Znet], Any], bound: int, answer: str
) -> None:
    """Neither a refusal nor an unknown reference: a send is in doubt, a check has taught nothing."""
    panel.answer = answer.encode().ljust(bound + 1)
    with pytest.raises(NoAnswer, match=f"HTTP 200, and the answer is larger than {bound} bytes"):
        call(znet)


@pytest.mark.parametrize("piece", ["a", "3|", "|", "bulunamadi ", "islem ", "\u200b", " ", "-", "\x1b[", "ş"])
def test_answers_take_linear_time(panel: Panel, znet: Znet, piece: str) -> None:
    def call(text: str) -> None:
        panel.answer = f"3|{text}".encode()
        with suppress(ProviderError):
            znet.send(task())
        znet.check([task()])

    assert is_linear(call, piece)


def test_what_a_panel_writes_does_not_reach_the_terminal_in_an_error(panel: Panel, znet: Znet) -> None:
    panel.answer = "3|Geçersiz \x1b[2J\x1b]0;title\x07\u202eoyuncu\r\n\tx".encode()
    with pytest.raises(Refused) as refused:
        znet.send(task())
    assert str(refused.value) == "Geçersiz oyuncu x"


@pytest.mark.parametrize("error", [InDoubt, NoAnswer, NotReached, QuestionRefused, Refused, UnknownReference])
def test_every_error_of_every_protocol_is_clean_and_bounded(error: type[ProviderError]) -> None:
    assert str(error(f"a\x1b[31m\n\x00\x9b\u202e\ud800{'b' * 5_000_000}")) == f"a {'b' * 19_997}…"


@pytest.mark.parametrize(
    "answer",
    [b"OK|2|SECRET-PIN", b"Notice: Undefined index in check.php\nOK|2|SECRET-PIN|ok", b"TAMAM|2|SECRET-PIN|"],
)
def test_no_error_shows_a_pin(panel: Panel, znet: Znet, answer: bytes) -> None:
    panel.answer = answer
    with pytest.raises(NoAnswer) as raised:
        ask(znet)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("call", [lambda z: z.send(task()), ask, lambda z: z.balance()])
def test_a_server_error_is_not_an_answer(panel: Panel, znet: Znet, call: Callable[[Znet], Any]) -> None:
    panel.status, panel.answer = 500, b"OK|1|1"
    with pytest.raises(NoAnswer, match="HTTP 500"):
        call(znet)


def test_a_panel_that_is_not_there_was_never_reached() -> None:
    with pytest.raises(NotReached) as raised:
        account("http://127.0.0.1:1").send(task())
    assert "not-a-real-one" not in str(raised.value)


def test_balance_with_and_without_a_debt(panel: Panel, znet: Znet) -> None:
    panel.answer = b"OK|12755.23"
    assert znet.balance().amount == Decimal("12755.23")
    panel.answer = b"OK|12755.23|10"
    assert znet.balance().note == "debt 10"
    panel.answer = b"3|Yetki yok"
    with pytest.raises(QuestionRefused):
        znet.balance()


def test_the_catalogue_names_what_a_route_needs(panel: Panel, znet: Znet) -> None:
    line = '{"id": 7, "adi": "60 UC", "aciklama": "", "oyun_id": "3", "oyun_adi": "PUBG", "fiyat": "25.50",'
    panel.answer = (
        f'{{"success": true, "error": null, "result": [{line} "kupur": 60, "oyun_bilgi_id": "1"}}]}}'.encode()
    )
    (package,) = znet.catalogue()
    assert (package.name, package.price, package.params) == ("PUBG 60 UC", Decimal("25.50"), ROUTE)
    panel.answer = b'{"success": false, "result": null, "error": "Yetki yok"}'
    with pytest.raises(QuestionRefused, match="Yetki yok"):
        znet.catalogue()
    panel.answer = b"<html>"
    with pytest.raises(NoAnswer):
        znet.catalogue()


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"referans": "1", "durum": "2", "pin": "P", "aciklama": "ok"}, (COMPLETED, "P", "ok")),
        ({"tahsilat_api_islem_id": "1", "durum": 3, "pin": " - "}, (FAILED, None, None)),
        ({"referans": 1, "durum": 1}, (PROCESSING, None, None)),
    ],
)
def test_callbacks_in_its_own_words(fields: dict[str, Any], outcome: tuple[Any, ...]) -> None:
    read = Znet.read_callback(fields)
    assert (read.referans, read.status, next((code.code for code in read.codes), None), read.message) == (
        "1",
        *outcome,
    )


@pytest.mark.parametrize("fields", [{}, {"durum": "2"}, {"referans": "1"}, {"referans": "1", "durum": "4"}])
def test_callbacks_that_cannot_be_read(fields: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCallback):
        Znet.read_callback(fields)


def test_the_simulator_is_understood_from_send_to_pin() -> None:
    with Simulator(
        kod="dealer", sifre="not-a-real-one", echo=None, default_behaviour="poll+after=0"
    ) as simulator:
        znet = account(simulator.url)
        assert znet.balance().amount == 100_000
        with pytest.raises(UnknownReference):
            ask(znet)
        assert znet.send(task()).cost is not None
        with pytest.raises(InDoubt):
            znet.send(task())
        assert {package.params["kupur"] for package in znet.catalogue()} >= {"60"}
        booked = simulator.book.get(task().referans)
        outcome = ask(znet)
        assert (outcome.status, outcome.codes) in ((COMPLETED, (Code(booked.pin),)), (PROCESSING, ()))
        with pytest.raises(NoAnswer, match="the dealer code or the password is wrong"):
            account(simulator.url, sifre="wrong").balance()
