"""Reading statements: whatever columns, signs and times a provider writes."""

import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from gateway.fulfilment import statements
from gateway.fulfilment.statements import Options, Unreadable
from models.statement import Line

ZONE = "Asia/Damascus"
AT = datetime(2026, 5, 14, 0, 12, 32, tzinfo=UTC)


def lines(content: str | bytes, **options: Any) -> list[Line]:
    data = content.encode() if isinstance(content, str) else content
    return list(statements.read(data, Options(**options), ZONE).lines)


def xlsx(*rows: Any) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


WHOLE = Line(
    2, "100000000000001", "K-1", "5123456789", Decimal("1234.5"), "USD", "Tamamlandı", "completed", AT
)


@pytest.mark.parametrize(
    "content",
    [
        "Referans,Order ID,Player,Amount,Currency,Status,Date\n"
        "100000000000001,K-1,5123456789,1234.50,USD,Tamamlandı,2026-05-14 03:12:32\n",
        "referans;sipariş no;oyuncu;tutar;para birimi;durum;tarih\r\n"
        '100000000000001;K-1;5123456789;"1.234,50";USD;Tamamlandı;14.05.2026 03:12:32\r\n',
        "ref\torder_id\tplayer\tprice\tcurrency\tstate\ttime\n"
        "100000000000001\tK-1\t5123456789\t-$1,234.5\tUSD\tTamamlandı\t2026-05-14T00:12:32Z\n",
    ],
    ids=["english", "turkish", "tabs"],
)
def test_columns_are_known_by_their_names(content: str) -> None:
    assert lines(content) == [WHOLE]


def test_turkish_letters_in_the_encoding_of_windows() -> None:
    content = "referans;durum\n1;İptal\n2;BAŞARILI\n".encode("cp1254")
    assert [(each.referans, each.kind) for each in lines(content)] == [("1", "failed"), ("2", "completed")]


def test_a_spreadsheet_is_read_like_a_file() -> None:
    content = xlsx(
        ["Statement of May"],
        [],
        ["Referans", "Order ID", "Player", "Amount", "Currency", "Status", "Date"],
        ["100000000000001", "K-1", 5123456789, 1234.5, "USD", "Tamamlandı", datetime(2026, 5, 14, 3, 12, 32)],  # noqa: DTZ001
        [None, None],
    )
    [found] = lines(content)
    assert found.line == 4
    assert found == Line(4, *[getattr(WHOLE, name) for name in list(Line.__dataclass_fields__)[1:]])


def test_names_of_columns_may_be_given() -> None:
    content = "A;B;C\n1;2;12,5\n"
    [found] = lines(content, referans="b", amount="C")
    assert (found.referans, found.external_order_id, found.amount) == ("2", None, Decimal("12.5"))
    with pytest.raises(Unreadable, match=r"no column is called “D”; the columns are: A, B, C"):
        lines(content, referans="D")


def test_words_of_a_provider_may_be_given() -> None:
    found = lines("ref;state\n1;Bitti\n2;3\n", kinds={"bitti": "completed", "3": "failed"})
    assert [each.kind for each in found] == ["completed", "failed"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1,5", "2,25"], ["1.5", "2.25"]),
        (["1.234,56"], ["1234.56"]),
        (["1,234.56", "7"], ["1234.56", "7"]),
        (["1,234,567"], ["1234567"]),
        (["1.234", "1.5"], ["1.234", "1.5"]),
        (["12"], ["12"]),
        (["-3.10 USD", ""], ["3.10", None]),
    ],
)
def test_the_decimal_sign_is_that_of_the_whole_column(written: list[str], read: list[str | None]) -> None:
    content = "ref;amount\n" + "".join(f"{n};{text}\n" for n, text in enumerate(written))
    assert [each.amount for each in lines(content)] == [each and Decimal(each) for each in read]


def test_amounts_that_may_be_read_in_two_ways_are_asked_about() -> None:
    content = "ref;amount\n1;1,234\n"
    with pytest.raises(Unreadable, match="the amount 1,234 may be read in two ways"):
        lines(content)
    assert lines(content, decimal=",")[0].amount == Decimal("1.234")
    assert lines(content, decimal=".")[0].amount == Decimal(1234)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", "no column says which order a line is about"),
        (b"player,amount\n1,2\n", "no column says which order a line is about"),
        (b"PK\x03\x04nothing", "not a valid XLSX file"),
        (b"\x00\xff", "no column says"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        lines(content)


@pytest.mark.parametrize(
    "content",
    [
        "Kuzey, ekstre\nMayıs\n\nTarih;Referans;Tutar\n14.05.2026;1;12,50\n",
        "Kuzey\n\nReferans,Tutar\n1,12.50\n",
        'sep=;\nReferans;Tutar\n1;"12,50"\n',
        'referans;tutar\n"=""1""";12,50\n',
    ],
    ids=["title", "commas", "sep", "as text"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_titles_above_and_what_excel_writes_are_read(content: str, encoding: str) -> None:
    [found] = lines(content.encode(encoding))
    assert (found.referans, found.amount) == ("1", Decimal("12.5"))


@pytest.mark.parametrize(
    ("amounts", "kinds"),
    [
        (("-10,00", "-12,50", "10,00"), ["charged", "charged", "returned"]),
        (("10,00", "12,50", "-10,00"), ["charged", "charged", "returned"]),
        (("(10.00)", "(12.50)", "10.00"), ["charged", "charged", "returned"]),
        (("10.00 TL", "12.50 TL.", "10.00-"), ["charged", "charged", "returned"]),
        (("0,00", "10,00", ""), [None, "charged", None]),
    ],
)
def test_what_goes_the_other_way_was_given_back(amounts: tuple[str, ...], kinds: list[str | None]) -> None:
    found = lines("ref;tutar\n" + "".join(f"{n};{each}\n" for n, each in enumerate(amounts)))
    assert [each.kind for each in found] == kinds
    assert all(each.amount is None or each.amount >= 0 for each in found)


def test_a_file_of_many_lines_is_read_twice_and_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "KEPT", 2)
    monkeypatch.setattr(statements, "GO_ON_EVERY", 2)
    content = b"ref;tutar\n1;1,50\n2;2,50\n3;-3,50\n4;4,50\n"
    heard: list[None] = []
    found = statements.read(content, Options(), ZONE, lambda: heard.append(None)).lines
    assert [each.kind for each in found] == ["charged", "charged", "returned", "charged"]
    assert len(heard) > 2


def test_an_amount_in_powers_of_ten_is_not_guessed_at() -> None:
    assert [each.amount for each in lines("ref;tutar\n1;1,23E+04\n2;5,00\n")] == [None, Decimal(5)]


@pytest.mark.parametrize("part", ["xl/theme/theme1.xml", "xl/worksheets/sheet1.xml"])
def test_a_small_file_that_is_large_once_unpacked_is_not_unpacked(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "MAX_UNPACKED", 2_000_000)
    monkeypatch.setattr(statements, "MAX_HELD", 1_000_000)
    source, file = zipfile.ZipFile(io.BytesIO(xlsx(["ref"], ["1"]))), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(
                name, source.read(name) + b" " * (1_500_000 * (1 + ("sheet" in part)) if name == part else 0)
            )
    assert len(file.getvalue()) < 20_000
    with pytest.raises(Unreadable, match="too large once it is unpacked"):
        lines(file.getvalue())


def test_a_bomb_of_xml_is_not_unpacked() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    source, file = zipfile.ZipFile(io.BytesIO(xlsx(["ref"], ["1"]))), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in source.namelist():
            text = source.read(name)
            if name == "xl/workbook.xml":
                text = f"{bomb}]><x>&j;</x>".encode()
            archive.writestr(name, text)
    with pytest.raises(Unreadable, match="not a valid XLSX"):
        lines(file.getvalue())
