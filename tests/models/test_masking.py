"""What is taken out of a provider's text, and what stays readable. Contract, section 5, "Texts of providers"."""

import base64
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest

from models import masking, texts
from models.codes import Code
from models.masking import Known, ProviderText, knowing, mask
from models.outcome import Outcome, as_json, from_json
from models.status import ExternalStatus
from tests.growth import is_linear

CODE = "WXYZ-4821-KLMN-7735"
KNOWN = Known(credentials=("Dealer&Söhne", 'Hunter"two +', "ab", "whsec_c2VjcmV0LWZvcg=="))
OWN = Known(
    own=(
        "482910573829105",
        "5123456789",
        "0532 123 45 67",
        "https://bayi-20260101.example",
        "player-99887766",
    )
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"PIN {CODE} teslim", "PIN *** teslim"),
        ("PIN WXYZ4821KLMN7735.", "PIN ***."),
        ("PIN 4821 7735 9910 2245 son", "PIN *** son"),
        ("PIN 4821 7735", "PIN ***"),
        ("AB12.CD34.EF56 ve 12345/67890", "*** ve ***"),
        ("1 2 3 4 5 6 7 8 9", "***"),
        ("4821|7735|9910|2245, 4821;7735;9910 ve AB12+CD34+EF56", "*** ve ***"),
        (
            "kod1=4821 kod_2=7735, Şifreniz: 9910, PIN kodunuz: 12345",
            "kod1=*** kod_2=***, Şifreniz: ***, PIN kodunuz: ***",
        ),
        ("OK|2|abcd1234efgh|x", "OK|2|***|x"),
        ("rakam ١٢٣٤٥٦٧٨", "rakam ***"),
        ("٤٨٢١\u200c٧٧٣٥\u200c٩٩١٠", "***"),
        ("TRX-2026-0012345", "***"),
        ("00000000-0000-4000-8000-000000000000", "***"),
        ("pin: GIFTCARD, sifre=x1", "pin: ***, sifre=***"),
        ("12345678901 TL", "*** TL"),
    ],
)
def test_what_looks_like_a_code_is_masked_and_kept_whole(text: str, shown: str) -> None:
    masked = mask(text)
    assert masked == shown
    assert masked.whole == texts.clean(text, texts.WHOLE)


@pytest.mark.parametrize(
    "text",
    [
        "Yükleme başarılı",
        "Muvaffakiyetsizleştiricileştiriveremeyebileceklerimizdenmişsinizcesine 2026",
        "25.11.2026 22:58, 25.11.26 22:58:00, 2026-11-25, 25-11-2026",
        "2026-11-25T22:58:00+03:00 ve 2026-11-25 22:58:00",
        "1.234,56 ve 1,234.56 ve 1.234.567,89",
        "12345678,90 TL, 15000000 SYP, ₺12345678, 100000.50 USD",
        "OYUN 1234 yok, STOK 100, kupür 60 UC 325 UC 1800",
        "2025 2026 sezonu, saat 22 58",
        "HTTP 500, 192.168.100.200, ERR-12",
        "Geçersiz oyuncu: ID 1234567",
        "لا يوجد رصيد كاف في الحساب",
    ],
)
def test_what_people_write_stays_readable(text: str) -> None:
    masked = mask(text)
    assert (str(masked), masked.whole) == (text, None)


@pytest.mark.parametrize(
    "text",
    [
        "482910573829105 numaralı sipariş",
        "REF-482910573829105",
        "oyuncu 5123456789, oyuncu_5123456789_TR",
        "telefon 905321234567, 05321234567, +90 532 123 4567",
        "99887766 ve player-99887766",
        "bayi-20260101.example ulaşılamıyor",
    ],
)
def test_the_orders_own_numbers_stay(text: str) -> None:
    with knowing(OWN):
        assert mask(text) == text


def test_a_number_of_the_order_with_a_code_behind_it_does_not_hide_the_code() -> None:
    with knowing(OWN):
        assert mask(f"482910573829105-{CODE}") == "***"


@pytest.mark.parametrize(
    "text",
    [
        "bayi Dealer&Söhne hatalı",
        "DEALER&SÖHNE",
        "kod=Dealer%26S%C3%B6hne&sifre=Hunter%22two+%2B",
        "sifre=Hunter%22two%20%2B",
        "<b>Dealer&amp;Söhne</b> Hunter&quot;two +",
        '{"sifre": "Hunter\\"two +", "kod": "Dealer&S\\u00f6hne"}',
        "hesap ab, (ab)",
        "c2VjcmV0LWZvcg==",
    ],
)
def test_a_providers_credentials_are_struck_in_every_spelling(text: str) -> None:
    with knowing(KNOWN):
        masked = mask(f"{text} {CODE}")
    for shown in (str(masked), masked.whole or ""):
        assert not [part for part in ("Dealer", "DEALER", "Söhne", "Hunter", "c2Vj") if part in shown], shown
        assert " ab" not in shown and "(ab)" not in shown
    assert masked.whole and CODE in masked.whole, "who may read codes reads the rest"


def test_a_short_credential_is_struck_as_a_word_only() -> None:
    with knowing(KNOWN):
        assert mask("abone ab kabul") == "abone *** kabul"


@pytest.mark.parametrize(
    "text", [CODE, CODE.lower(), "WXYZ 4821 KLMN 7735", "WXYZ4821KLMN7735", "w.x.y.z:4821/klmn_7735"]
)
def test_a_known_code_is_struck_however_it_is_written(text: str) -> None:
    assert mask(f"({text})", codes=[CODE]) == "(***)"


#: Ways to write a text so that whoever sees it can read it.
ENCODINGS: dict[str, Callable[[str], str]] = {
    "percent-encoding": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "decimal references": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "hexadecimal references": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    "JSON": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
}
#: What may stand between the groups of a code.
SEAMS = ["%20", "&nbsp;", "&#8203;", "<br />", "\\u002d"]


@pytest.mark.parametrize("code", [CODE, "GIFT-CARD-WXYZ"])
@pytest.mark.parametrize("write", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_a_code_is_masked_however_it_is_encoded(write: Callable[[str], str], code: str) -> None:
    """One that does not look like a code is struck where it is known."""
    masked = mask(f"PIN {write(code)} teslim", codes=[] if code == CODE else [code])
    assert masked == "PIN *** teslim"
    assert masked.whole == f"PIN {code} teslim"


@pytest.mark.parametrize("code", [CODE, "GIFT-CARD-WXYZ"])
@pytest.mark.parametrize("seam", SEAMS)
def test_a_code_is_masked_whatever_stands_between_its_groups(seam: str, code: str) -> None:
    codes = [] if code == CODE else [code]
    assert mask(f"PIN {code.replace('-', seam)} teslim", codes=codes) == "PIN *** teslim"


@pytest.mark.parametrize("write", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_a_credential_is_struck_however_it_is_encoded(write: Callable[[str], str]) -> None:
    """From the whole text too."""
    with knowing(Known(credentials=("pass-word-x",))):
        masked = mask(f"bayi {write('pass-word-x')} {CODE}")
    assert masked == "bayi *** ***"
    assert masked.whole == f"bayi *** {CODE}"


def test_a_credential_in_a_header_is_struck() -> None:
    header = base64.b64encode(b"dealer:pass-word-x").decode()
    with knowing(Known(credentials=("dealer", "pass-word-x"))):
        assert mask(f"Basic {header} reddedildi") == "Basic ***:*** reddedildi"


@pytest.mark.parametrize(
    "text", ["5 &lt; 6 &amp; %41, \\u0041<br>VGVzbGltIGVkaWxkaQ==", "%zz &nosuch; \\ud800 <b"]
)
def test_encodings_without_a_secret_stay_as_they_are(text: str) -> None:
    with knowing(KNOWN):
        assert mask(text) == text


def test_lines_stay_lines() -> None:
    with knowing(KNOWN):
        assert masking.mask_lines(f"a\nb%0A{quote(CODE.replace('-', ' '))}\nc") == "a\nb ***\nc"


@pytest.mark.parametrize("code", ["GIFTCARDXYZ", "482913", "AB", "şifreli-kod", "a b c d e f"])
def test_a_known_code_is_struck_that_does_not_look_like_one(code: str) -> None:
    outcome = Outcome(ExternalStatus.COMPLETED, "1", codes=(Code(code, pin=f"{code}P", serial=f"{code}S"),))
    told = replace(outcome, message=f"PIN {code}, {code}P ve {code}S bitti", receipt=f"Ahmet {code}")
    assert told.message == "PIN ***, *** ve *** bitti"
    assert told.receipt == "Ahmet ***"


def test_half_a_code_at_the_end_of_what_is_read_is_not_shown() -> None:
    """What stands in front of it is masked, and so short that the end is shown."""
    hidden = "ABCD-1234-EFGH " * (masking.MAX_READ // 10)
    for cut in range(1, len(CODE)):
        before = hidden[: masking.MAX_READ - cut - 1] + " "
        assert "WX" not in mask(f"{before}{CODE} {CODE}")


def test_a_text_is_masked_before_it_is_cut() -> None:
    for cut in range(len(CODE) + 2):
        text = f"{'y' * (texts.TIMELINE - cut - 1)} {CODE} son"
        assert not set("WXZ") & set(mask(text, texts.TIMELINE))


def test_a_text_that_is_masked_stays_so() -> None:
    once = mask(f"a {CODE}")
    assert mask(once) is once
    outcome = Outcome(ExternalStatus.FAILED, "1", message=f"a {CODE}")
    assert replace(outcome, referans="2").message == "a ***"
    assert replace(outcome, message=f"b {CODE}").message == "b ***"


def test_what_is_learned_later_shows_the_orders_own_and_keeps_the_rest() -> None:
    note = mask(f"{CODE} 5123456789").within("poll: ", "; end")
    assert note == "poll: *** ***; end"
    again = note.knowing(OWN)
    assert (str(again), again.whole) == ("poll: *** 5123456789; end", f"{CODE} 5123456789")
    shown = mask("5123456789").knowing(OWN)
    assert (str(shown), shown.whole) == ("5123456789", None)


def test_an_answer_that_cannot_be_read_shows_its_shape() -> None:
    told = masking.unreadable("cannot be read", f"TAMAM|2|{CODE}|x")
    assert (str(told), told.whole) == (
        "cannot be read: text, 29 characters, 4 fields between |",
        f"TAMAM|2|{CODE}|x",
    )
    assert told.knowing(OWN) is told


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ('{"a": 1}', "JSON, 8 characters"),
        ("<!DOCTYPE html>", "HTML, 15 characters"),
        ("<xml/>", "markup, 6 characters"),
        ("a\nb", "text, 3 characters, 2 lines"),
    ],
)
def test_shapes(answer: str, shape: str) -> None:
    assert masking.shape(answer) == shape


def test_an_outcome_is_kept_whole_where_it_is_sealed() -> None:
    outcome = Outcome(ExternalStatus.FAILED, "482910573829105", message=f"482910573829105 {CODE}")
    assert CODE in as_json(outcome) and CODE not in repr(outcome)
    again = from_json(as_json(outcome))
    assert again == outcome
    assert isinstance(again.message, ProviderText) and again.message.whole == f"482910573829105 {CODE}"


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "1234 ",
        "1 ",
        "abcdefg1-",
        "12345678.",
        "A1",
        " ",
        "- ",
        "1234 12345 ",
        "kod=",
        "://",
        "\u200c",
        "%4",
        "%41",
        "&#4",
        "&#52;",
        "\\u0034",
        "<br",
        "<br>",
        "QUJD",
    ],
)
def test_masking_takes_linear_time(piece: str) -> None:
    def work(text: str) -> None:
        with knowing(replace(KNOWN, codes=(CODE, "aaaaaaab"), own=OWN.own)):
            masking.mask_lines(text)
            masking.strike(text)

    assert is_linear(work, piece)
