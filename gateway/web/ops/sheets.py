"""Tables as files, written while their rows are read: CSV, and spreadsheets. Neither is ever held as a whole.

A text that a spreadsheet would take for a formula is none in either: players and providers choose some of them.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from xml.sax.saxutils import escape

#: What a cell may be.
Cell: TypeAlias = str | int | float | Decimal | date | datetime | None
Rows: TypeAlias = Iterable[Sequence[Sequence[Cell]]]
#: How a text begins that a spreadsheet takes for a formula.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
#: Where a further one begins for a spreadsheet that takes a semicolon between cells, as in Turkey: it then does not see
#: the quotes of a cell that does not begin a line either, and takes what follows a line break for a line of its own.
INNER_FORMULA = re.compile(r"([;\r\n][^\S\r\n]*)(?=[=+\-@＝＋－＠])")
#: What XML cannot contain.
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
#: Digits that a spreadsheet keeps of a number; more are written as text.
DIGITS = 15
#: Characters of a cell of a spreadsheet.
LONGEST = 32_767
#: What day 0 is in a spreadsheet.
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - spreadsheets have no zones
CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_csv(header: Sequence[str], batches: Rows) -> Iterator[bytes]:
    """The rows as CSV (RFC 4180), in UTF-8 with a mark, by which Excel knows it."""
    yield b"\xef\xbb\xbf" + _lines([header])
    for batch in batches:
        yield _lines([[_csv_cell(cell) for cell in row] for row in batch])


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _csv_cell(cell: Cell) -> object:
    if isinstance(cell, str):
        return INNER_FORMULA.sub(r"\1'", f"'{cell}" if FORMULA.match(cell) else cell)
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds")
    return format(cell, "f") if isinstance(cell, Decimal) else cell


def as_xlsx(
    name: str,
    header: Sequence[str],
    batches: Rows,
    *,
    is_from_right: bool = False,
    aside: Callable[[Callable[[], bytes]], bytes] = lambda compute: compute(),
) -> Iterator[bytes]:
    """The rows as a spreadsheet (ECMA-376) with one sheet. `aside` computes a part of it, perhaps in another thread.

    `is_from_right`: its first column is the right one.
    """
    begin = _BEGIN.replace("<sheetView ", '<sheetView rightToLeft="1" ') if is_from_right else _BEGIN
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in _FRAME.items():
            archive.writestr(path, content.replace("{name}", escape(_sheet_name(name))))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:

            def written(text: str) -> bytes:
                sheet.write(text.encode("utf-8", "replace"))
                return sink.take()

            yield written(begin + _row([_string(each, _BOLD) for each in header]))
            for batch in batches:
                yield aside(
                    lambda rows=batch: written("".join(_row(map(_xlsx_cell, row)) for row in rows))  # type: ignore[misc]
                )
            written(_END)
    yield sink.take()


class _Sink(io.RawIOBase):
    """What a ZIP file is written to, and taken from again, in order; it is never sought in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since it was last called."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def _sheet_name(name: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", name)[:31]


def _row(cells: Iterable[str]) -> str:
    return f"<row>{''.join(cells)}</row>"


def _xlsx_cell(cell: Cell) -> str:
    if cell is None or cell == "":
        return "<c/>"
    if isinstance(cell, str):
        return _string(cell)
    if isinstance(cell, datetime):
        return f'<c s="{_TIME}"><v>{_serial(cell):.9f}</v></c>'
    if isinstance(cell, date):
        return f'<c s="{_DAY}"><v>{cell.toordinal() - EPOCH.toordinal()}</v></c>'
    text = format(cell, "f") if isinstance(cell, Decimal) else str(cell)
    return f"<c><v>{text}</v></c>" if len(text.strip("-0.").replace(".", "")) <= DIGITS else _string(text)


def _serial(at: datetime) -> float:
    """The days since EPOCH on the clock of its own zone."""
    return (at.replace(tzinfo=None) - EPOCH).total_seconds() / 86_400


def _string(text: str, style: int = 0) -> str:
    kept = escape(NOT_XML.sub(" ", _NAMED.sub("_x005F_", text))[:LONGEST])
    return f'<c t="inlineStr" s="{style}"><is><t xml:space="preserve">{kept}</t></is></c>'


#: The beginning of what a spreadsheet takes for a character named by its number.
_NAMED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
#: Styles, by their place in styles.xml.
_BOLD, _TIME, _DAY = 1, 2, 3
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_BEGIN = (
    f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    '<sheetFormatPr defaultRowHeight="15"/><cols><col min="1" max="50" width="18"/></cols><sheetData>'
)
_END = "</sheetData></worksheet>"
_APPLICATION = "application/vnd.openxmlformats-officedocument.spreadsheetml"
#: Every part of the file but the sheet.
_FRAME = {
    "[Content_Types].xml": (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_APPLICATION}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_APPLICATION}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_APPLICATION}.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        '<sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
    ),
    "xl/styles.xml": (
        f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
        '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm:ss"/>'
        '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
        '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
        '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
        '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
        '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    ),
}
