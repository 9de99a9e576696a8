"""Reading a provider's statement: a CSV or XLSX file whose columns have whatever names that provider gives them."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import chain, islice
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

from gateway.said import Said
from models.statement import Line

#: Bytes of a file, and lines of it, at most.
MAX_BYTES, MAX_LINES = 50 * 1024 * 1024, 1_000_000
#: Bytes of an XLSX file once unpacked, and of all of it but its sheets, such as their texts, which are held as a whole.
#: A small file may hold a lot.
MAX_UNPACKED, MAX_HELD = 500 * 1024 * 1024, 100 * 1024 * 1024
#: Lines of a file that is read once; a larger one is read twice, since its amounts are looked at first.
KEPT = 120_000
#: Rows after which it is said that the reading goes on.
GO_ON_EVERY = 20_000
#: Rows above the names of the columns, such as a title, at most.
MAX_ABOVE = 20
#: Characters of a cell that are kept.
MAX_CELL = 200
#: What each column is called, where nobody says it: in lower case, without blanks, dots, dashes and underscores.
NAMES: Mapping[str, tuple[str, ...]] = {
    "referans": (
        "referans",
        "reference",
        "ref",
        "tekilnumara",
        "clientref",
        "clientreference",
        "merchantreference",
    ),
    "number": (
        "orderid",
        "ordernumber",
        "orderno",
        "siparisno",
        "siparişno",
        "siparisid",
        "transactionid",
        "islemno",
    ),
    "player": (
        "player",
        "playerid",
        "oyuncu",
        "oyuncuid",
        "account",
        "userid",
        "customer",
        "oyuncubilgi",
        "gsmno",
    ),
    "amount": ("amount", "tutar", "cost", "price", "fiyat", "total", "bedel", "maliyet"),
    "currency": ("currency", "parabirimi", "döviz", "doviz"),
    "state": ("state", "status", "durum", "result", "sonuç", "sonuc"),
    "time": ("time", "date", "datetime", "tarih", "created", "createdat", "islemtarihi", "zaman"),
}
#: Words for states, in lower case; others are not compared.
COMPLETED = (
    *("completed", "complete", "success", "successful", "done", "delivered", "approved", "ok"),
    *("tamamlandı", "tamamlandi", "başarılı", "basarili", "onaylandı", "onaylandi", "مكتمل", "ناجح"),
)
FAILED = (
    *("failed", "failure", "cancelled", "canceled", "rejected", "refunded", "error", "reversed"),
    *("iptal", "iptal edildi", "başarısız", "basarisiz", "reddedildi", "iade", "فشل", "ملغى"),
)
OPEN = ("pending", "processing", "waiting", "beklemede", "bekliyor", "işlemde")
KINDS: Mapping[str, str] = {
    **dict.fromkeys(COMPLETED, "completed"),
    **dict.fromkeys(FAILED, "failed"),
    **dict.fromkeys(OPEN, "open"),
}
#: How times are written, beside ISO 8601: the day first.
TIMES = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y")
#: Encodings that are tried in turn; the last one reads anything.
ENCODINGS = ("utf-8-sig", "cp1254", "latin-1")
#: The beginning of what Excel calls Unicode text.
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
#: What may stand between the columns of a CSV file.
DELIMITERS = ",;\t|"
#: An amount that is taken away: a minus before or behind it, or brackets around it.
NEGATIVE = re.compile(r"\D*[-−(]|.*[-−]\s*$")
#: An amount in powers of ten, of which digits may be missing.
SCIENTIFIC = re.compile(r"\d[eE][+-]?\d")
#: How a spreadsheet keeps the digits of a long number in CSV.
AS_TEXT = re.compile(r'="(.*)"')


class Unreadable(ValueError):
    """The file cannot be read, and why: for the person who has chosen it."""

    def __init__(self, said: Said) -> None:
        super().__init__(said)


@dataclass(frozen=True, slots=True)
class Options:
    """How a provider's statements are read: names of columns (None: by NAMES), and what else a file does not say."""

    referans: str | None = None
    number: str | None = None
    player: str | None = None
    amount: str | None = None
    currency: str | None = None
    state: str | None = None
    time: str | None = None
    #: `,` or `.`; None: as the amounts of the file say.
    decimal: str | None = None
    #: Words for states of this provider's own: its word, and `completed`, `failed` or `open`.
    kinds: Mapping[str, str] | None = None

    def over(self, remembered: "Options") -> "Options":
        """These, and what is not said of them as it is remembered."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        merged = {
            name: getattr(remembered, name) if value is None else value for name, value in given.items()
        }
        return Options(**merged)


@dataclass(frozen=True, slots=True)
class Statement:
    """A file as it is read."""

    #: By what each is, the place of its column.
    columns: Mapping[str, int]
    #: The names of all of its columns.
    header: Sequence[str]
    lines: Iterator[Line]


def read(content: bytes, options: Options, zone: str, go_on: Callable[[], None] = lambda: None) -> Statement:
    """Raises Unreadable; while its lines are read, too. `go_on` is called now and then while it is read."""
    if len(content) > MAX_BYTES:
        raise Unreadable(Said("the file is larger than {size} MiB", size=MAX_BYTES // 1024 // 1024))
    known = _known(options)
    header, begin = _header(_rows(content, known, go_on), options)
    columns = _columns(header, options)
    rows = _cells(_rows(content, known, go_on), begin, columns)
    kept = list(islice(rows, KEPT + 1))
    amounts = _amounts((cells.get("amount") for _, cells in chain(kept, rows)), options.decimal)
    if len(kept) > KEPT:  # the file is read once more
        kept.clear()
    kinds = {_folded(word): kind for word, kind in {**KINDS, **(options.kinds or {})}.items()}
    lines = _lines(
        kept or _cells(_rows(content, known, go_on), begin, columns),
        "state" in columns,
        amounts,
        kinds,
        ZoneInfo(zone),
    )
    return Statement(columns, header, lines)


def _known(options: Options) -> set[str]:
    """The names by which a column is known, plain."""
    given = [getattr(options, name) for name in NAMES]
    return {_plain(each) for each in (*given, *(each for names in NAMES.values() for each in names)) if each}


def _rows(content: bytes, known: set[str], go_on: Callable[[], None]) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows that are not empty, with their numbers."""
    rows = _xlsx(content) if content.startswith(b"PK\x03\x04") else _csv(content, known)
    for number, row in enumerate(rows, 1):
        if number > MAX_LINES + MAX_ABOVE:
            raise Unreadable(Said("the file has more than {number} lines", number=f"{MAX_LINES:,}"))
        if number % GO_ON_EVERY == 0:
            go_on()
        if any(cell not in (None, "") for cell in row):
            yield number, row


def _csv(content: bytes, known: set[str]) -> Iterator[Sequence[str]]:
    text = _decoded(content)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text[:20_000], known))
    except csv.Error as error:
        raise Unreadable(Said("the file is not valid CSV: {words}", words=error)) from None


def _decoded(content: bytes) -> str:
    for encoding in ("utf-16",) if content.startswith(UTF_16) else ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable(Said("the file is not text in UTF-16, as its first bytes say"))


def _delimiter(beginning: str, known: set[str]) -> str:
    """The one by which most names of columns are found; else by which most lines are parted. Titles may stand above."""
    lines = beginning.splitlines()[: MAX_ABOVE + 1]

    def likelihood(each: str) -> tuple[int, int, int]:
        try:
            named = [sum(_plain(cell) in known for cell in row) for row in csv.reader(lines, delimiter=each)]
        except csv.Error:
            named = []
        return max(named, default=0), sum(each in line for line in lines), beginning.count(each)

    return max(DELIMITERS, key=likelihood)


def _xlsx(content: bytes) -> Iterator[Sequence[Any]]:
    import openpyxl  # noqa: PLC0415 - a tenth of what a process takes to start, for what few of them ever read

    try:
        with ZipFile(io.BytesIO(content)) as archive:
            sizes = [
                (each.filename.startswith("xl/worksheets/"), each.file_size) for each in archive.infolist()
            ]
        held = sum(size for is_sheet, size in sizes if not is_sheet)
        if sum(size for _, size in sizes) > MAX_UNPACKED or held > MAX_HELD:
            raise Unreadable(Said("the file is too large once it is unpacked; save it as CSV"))
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        yield from book.worksheets[0].iter_rows(values_only=True)
    except Unreadable:
        raise
    except Exception as error:  # also what its parser of XML raises, defusedxml's among it
        raise Unreadable(
            Said("the file is not a valid XLSX file ({name})", name=type(error).__name__)
        ) from None


def _header(rows: Iterable[tuple[int, Sequence[Any]]], options: Options) -> tuple[Sequence[str], int]:
    """The names of the columns, and the number of their row: the first in which one is known or given."""
    wanted = {_plain(getattr(options, name)) for name in NAMES if getattr(options, name)}
    known = {_plain(each) for names in NAMES.values() for each in names} | wanted
    first: tuple[Sequence[str], int] | None = None
    for number, row in rows:
        names = ["" if cell is None else str(cell).strip() for cell in row]
        first = first or (names, number)
        if sum(_plain(name) in known for name in names if name) >= 2 or (
            wanted and wanted & set(map(_plain, names))
        ):
            return names, number
        if number > MAX_ABOVE:
            break
    if first is None:
        raise Unreadable(Said("the file is empty"))
    return first


def _columns(header: Sequence[str], options: Options) -> Mapping[str, int]:
    found: dict[str, int] = {}
    plain = [_plain(name) for name in header]
    for what, names in NAMES.items():
        given = getattr(options, what)
        if given and _plain(given) not in plain:
            raise Unreadable(
                Said(
                    "no column is called “{name}”; the columns are: {names}",
                    name=given,
                    names=", ".join(filter(None, header)),
                )
            )
        candidates = (_plain(given),) if given else tuple(map(_plain, names))
        place = next((plain.index(each) for each in candidates if each in plain), None)
        if place is not None and (given or place not in found.values()):
            found[what] = place
    if not {"referans", "number"} & found.keys() and not {"player", "amount", "time"} <= found.keys():
        raise Unreadable(
            Said(
                "no column says which order a line is about: name the one with our reference (referans) or with the"
                " provider's own number, or those of player, amount and time; the columns are: {names}",
                names=", ".join(filter(None, header)),
            )
        )
    return found


def _folded(text: str) -> str:
    """In lower case, with one i for the Turkish two: whose capitals are whose is not known here."""
    return text.replace("İ", "i").casefold().replace("ı", "i")


def _plain(name: str | None) -> str:
    return re.sub(r"[\s._-]+", "", _folded((name or "").strip()))


def _cells(
    rows: Iterable[tuple[int, Sequence[Any]]], begin: int, columns: Mapping[str, int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows below the names, each with its number: of each the cells of these columns."""
    for number, row in rows:
        if number > begin:
            yield number, {what: row[place] for what, place in columns.items() if place < len(row)}


@dataclass(frozen=True, slots=True)
class Amounts:
    """How the amounts of a file are written."""

    #: The decimal sign.
    decimal: str
    #: What they take is negative, and what they give back is not; otherwise it is the other way round.
    are_negative: bool


def _amounts(cells: Iterable[Any], decimal: str | None) -> Amounts:
    """How the amounts of a column are written. Raises Unreadable if `1,234` may be either."""
    negative = positive = 0
    sure, doubtful = decimal, None
    for cell in cells:
        if cell in (None, "") or isinstance(cell, bool):
            continue
        negative, positive = (negative + 1, positive) if _is_negative(cell) else (negative, positive + 1)
        if sure is None and isinstance(cell, str):
            sure, is_doubtful = _decimal(cell)
            doubtful = cell if is_doubtful else doubtful
    if sure is None and doubtful is not None:
        raise Unreadable(
            Said(
                "the amount {amount} may be read in two ways: say whether , or . is the decimal sign",
                amount=doubtful,
            )
        )
    return Amounts(sure or ".", negative > positive)


def _is_negative(cell: Any) -> bool:
    return cell < 0 if isinstance(cell, (int, float)) else bool(NEGATIVE.match(str(cell)))


def _decimal(cell: str) -> tuple[str | None, bool]:
    """The decimal sign of an amount, if it shows; else whether it has one that may be either."""
    signs = re.findall(r"[.,]", cell)
    if not signs:
        return None, False
    after = re.split(r"[.,]", cell)[-1]
    other = "." if signs[-1] == "," else ","
    if len(set(signs)) == 2 or len(re.sub(r"\D", "", after)) != 3:
        return signs[-1] if signs.count(signs[-1]) == 1 else other, False
    return (other, False) if len(signs) > 1 else (None, True)


def _amount(cell: Any, decimal: str) -> Decimal | None:
    if cell is None or isinstance(cell, bool):
        return None
    if isinstance(cell, (int, float)):
        return abs(Decimal(repr(cell)))
    if SCIENTIFIC.search(str(cell)):
        return None
    text = re.sub(r"[^\d.,]", "", str(cell)).strip(".,")
    text = text.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _time(cell: Any, zone: ZoneInfo) -> datetime | None:
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=cell.tzinfo or zone)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=zone)
    text = str(cell or "").strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = next(filter(None, (_as(text, each) for each in TIMES)), datetime.min)  # noqa: DTZ901 - no time
    return found.replace(tzinfo=found.tzinfo or zone) if found.year > 1970 else None


def _as(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007 - its zone is that of the file
    except ValueError:
        return None


def _lines(
    rows: Iterable[tuple[int, dict[str, Any]]],
    has_states: bool,
    amounts: Amounts,
    kinds: Mapping[str, str],
    zone: ZoneInfo,
) -> Iterator[Line]:
    for number, cells in rows:
        state, written = _text(cells.get("state")), cells.get("amount")
        amount = _amount(written, amounts.decimal)
        kind = kinds.get(_folded(state)) if state else None
        if amount and _is_negative(written) is not amounts.are_negative:
            kind = "returned"
        elif amount and not has_states:
            kind = "charged"
        at = _time(cells.get("time"), zone)
        yield Line(
            number,
            _text(cells.get("referans")),
            _text(cells.get("number")),
            _text(cells.get("player")),
            amount,
            _text(cells.get("currency")),
            state,
            kind,
            at and at.astimezone(UTC),
        )


def _text(cell: Any) -> str | None:
    """A number in a cell of a spreadsheet is a text here: `5123456789.0` is the player 5123456789."""
    if cell is None:
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = AS_TEXT.sub(r"\1", str(cell).strip())
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "", text).strip().removeprefix("'")[:MAX_CELL] or None
