"""Tables as files: what comes out is what went in, and no text of a player becomes a formula."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from gateway.web.ops import sheets
from gateway.web.ops.sheets import Cell

HEADER = ("name", "amount")
FORMULAS = ("=1+1", "+49", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1")


def csv_of(*rows: Sequence[Cell]) -> list[list[str]]:
    text = b"".join(sheets.as_csv(HEADER, [rows[:1], rows[1:]])).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def xlsx_of(*rows: Sequence[Cell]) -> list[tuple[object, ...]]:
    data = b"".join(sheets.as_xlsx("orders", HEADER, [rows[:1], rows[1:]]))
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return list(sheet.iter_rows(values_only=True))


def test_csv_has_what_went_in() -> None:
    at = datetime(2026, 5, 14, 0, 12, 32, tzinfo=UTC).astimezone(ZoneInfo("Asia/Damascus"))
    rows = csv_of(
        ('طلب, "x"\nz', Decimal("0.10")), (None, Decimal("-1E+3")), (at, 7), (date(2026, 5, 14), -3)
    )
    assert rows == [
        list(HEADER),
        ['طلب, "x"\nz', "0.10"],
        ["", "-1000"],
        ["2026-05-14T03:12:32+03:00", "7"],
        ["2026-05-14", "-3"],
    ]


def test_a_spreadsheet_has_what_went_in() -> None:
    at = datetime(2026, 5, 14, 0, 12, 32, tzinfo=UTC).astimezone(ZoneInfo("Asia/Damascus"))
    rows = xlsx_of(
        ("طلب <&> x", Decimal("0.10")),
        (None, Decimal("12345678901234.5678")),
        (at, 7),
        (date(2026, 5, 14), -3),
    )
    assert rows == [
        HEADER,
        ("طلب <&> x", 0.1),
        (None, "12345678901234.5678"),  # more digits than a spreadsheet keeps of a number
        (at.replace(tzinfo=None), 7),
        (at.replace(tzinfo=None, hour=0, minute=0, second=0), -3),
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_becomes_a_formula(text: str) -> None:
    [_, [cell, _]] = csv_of((text, None))
    assert cell.startswith("'") and cell.replace("'", "") == text
    data = b"".join(sheets.as_xlsx("orders", HEADER, [[(text, None)]]))
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet["A2"].data_type == "s"


@pytest.mark.parametrize("text", ["x;=1+1", "x; +49", "x\n=1", "x\r\n@SUM(A1)"])
def test_none_becomes_one_where_a_semicolon_stands_between_cells(text: str) -> None:
    """In Turkey a spreadsheet opens a CSV file so."""
    written = b"".join(sheets.as_csv(HEADER, [[("first", None), ("x", None), (text, None)]])).decode()
    cells = re.split(r"[;\r\n]", written)
    assert not any(re.match(r"\s*[=+@-]", each) for each in cells)


@pytest.mark.parametrize("text", ["PIN\x00\x1b", "\ud800", "x" * 40_000, "]]>", "_x0041_"])
def test_a_file_can_be_read_whatever_a_player_is_called(text: str) -> None:
    assert len(csv_of((text, 1))) == 2
    [_, (cell, _)] = xlsx_of((text, 1))
    assert len(str(cell)) <= sheets.LONGEST


def test_a_file_is_written_while_its_rows_are_read() -> None:
    """Memory does not grow with the number of rows."""
    read = 0

    def batches() -> "sheets.Iterator[list[tuple[str, int]]]":
        nonlocal read
        for _ in range(100):
            read += 1
            yield [(f"player-{n * 7919}", n) for n in range(1000)]

    for write in (sheets.as_csv(HEADER, batches()), sheets.as_xlsx("orders", HEADER, batches())):
        read, largest = 0, 0
        for place, part in enumerate(write):
            largest = max(largest, len(part))
            assert read <= place + 1
        assert read == 100 and largest < 200_000
