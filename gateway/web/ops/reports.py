"""Reports: what the days of a period came to, in figures, charts and a table that adds up; and the table as a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import falcon

from gateway.inputs import is_storable
from gateway.said import Said
from gateway.web.ops import aside, charts, filters, language, sheets
from gateway.web.ops.charts import Chart
from gateway.web.ops.counting import read_in_time
from gateway.web.ops.desk import Page
from gateway.web.ops.refused import Refused
from gateway.web.ops.sheets import Cell
from models import provider, report
from models.db import database
from models.db.database import Use
from models.person import Role
from models.report import By, Total, Wanted

#: Days of a report at most.
MOST_DAYS = 400
#: Lines that the page shows; the file has all.
MOST_LINES = 200
#: Days that the charts show at least: a day among others.
CHART_DAYS = 30
#: Periods by name, beside `from` and `to`.
PERIODS = ("today", "yesterday", "7d", "30d", "month")
#: What the lines may stand for, by their names in English.
KEYS = {
    By.PROVIDER: "Provider",
    By.PRODUCT: "Product",
    By.PACKAGE: "Package",
    By.TENANT: "Tenant",
    By.DAY: "Day",
    By.MONTH: "Month",
}
#: The columns of the file.
COLUMNS = (
    *("orders", "open", "delivered", "failed", "reversed", "deliveredByCallback"),
    *("currency", "cost", "price", "margin", "medianSeconds", "p95Seconds"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is about, as its address says."""

    period: str
    wanted: Wanted
    by: By
    #: The filters, as they were written.
    narrowed: dict[str, str]

    def query(self, **changes: str | None) -> str:
        """The query of an address with other values."""
        own = {"period": self.period} if self.period in PERIODS else {}
        if not own:
            own = {"from": str(self.wanted.first), "to": str(self.wanted.last)}
        if changes.keys() & {"period", "from"}:
            own = {}
        given = {**own, "by": self.by.value, **self.narrowed, **changes}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    @property
    def before(self) -> Wanted:
        """The period that it is compared with: as long, and just before; of one day, the same day of the week."""
        days = (self.wanted.last - self.wanted.first).days + 1
        back = timedelta(days=7 if days == 1 else days)
        return self._over(self.wanted.first - back, self.wanted.last - back)

    @property
    def around(self) -> Wanted:
        """The days that the charts show."""
        least = self.wanted.last - timedelta(days=CHART_DAYS - 1)
        return self._over(min(self.wanted.first, least), self.wanted.last)

    def _over(self, first: date, last: date) -> Wanted:
        wanted = self.wanted
        return Wanted(first, last, wanted.provider_id, wanted.product_id, wanted.tenant_id)


class Reports(Page):
    """The page."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        asked = _asked(req, _today(self.desk.settings.timezone))
        with database.session(Use.LIST), read_in_time():
            # Of days and months all are few, and the newest are shown, not the largest.
            most_timed = None if asked.by in (By.DAY, By.MONTH) else MOST_LINES
            lines = report.totals(asked.wanted, asked.by, most_timed=most_timed)
            whole, before = report.whole(asked.wanted), report.whole(asked.before)
            days = {each.key[0]: each for each in report.totals(asked.around, By.DAY)}
            providers = sorted(provider.ids())
            state = report.state()
        around = _days_of(asked.around)
        currencies = {*whole.cost, *whole.price}
        currency = max(whole.price or whole.cost, key=(whole.price or whole.cost).__getitem__, default="")
        self.desk.show(
            req,
            resp,
            "reports.html",
            asked=asked,
            lines=_ordered(lines, asked.by)[:MOST_LINES],
            left_out=max(0, len(lines) - MOST_LINES),
            whole=whole,
            only=currency if len(currencies) == 1 else None,
            before=before,
            charts=list(_charts([days.get(day, Total()) for day in around], currency)),
            around=(around[0], around[len(around) // 2], around[-1]),
            providers=providers,
            state=state,
            periods=PERIODS,
            keys=KEYS,
            today=_today(self.desk.settings.timezone),
            change=change,
            points=points,
            seconds=seconds_text,
            linked=_linked,
        )


class File(Page):
    """The table as a spreadsheet, every line of it; one row for each currency of a line."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        asked = _asked(req, _today(self.desk.settings.timezone))
        with database.session(Use.LIST), read_in_time():
            lines = _ordered(report.totals(asked.wanted, asked.by), asked.by)
        name = f"report-{asked.wanted.first}-{asked.wanted.last}-by-{asked.by}"
        keys = ("product", "package") if asked.by is By.PACKAGE else (asked.by.value,)
        rows = [[row for each in lines for row in _rows(each)]]
        resp.content_type = sheets.XLSX_TYPE
        resp.downloadable_as = f"{name}.xlsx"
        reader = self.desk.reader(req)
        resp.stream = sheets.as_xlsx(
            name if reader.code == "en" else str(reader.text("Reports")),
            [reader.column(each) for each in (*keys, *COLUMNS)],
            rows,
            is_from_right=reader.direction == "rtl",
            aside=aside.run,
        )


def _rows(total: Total) -> Iterator[Sequence[Cell]]:
    """Counts stand in the first row only, so that the column adds up."""
    counts: tuple[Cell, ...] = (
        *(total.orders, total.open, total.delivered, total.failed, total.reversed, total.by_callback),
    )
    times = (_rounded(total.seconds(0.5)), _rounded(total.seconds(0.95)))
    nothing: tuple[Cell, ...] = (None,) * len(counts)
    currencies = sorted({*total.cost, *total.price}) or [""]
    for place, currency in enumerate(currencies):
        money = (total.cost.get(currency), total.price.get(currency), total.margin.get(currency))
        first = place == 0
        yield (
            *total.key,
            *(counts if first else nothing),
            currency,
            *money,
            *(times if first else (None, None)),
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _asked(req: falcon.Request, today: date) -> Asked:
    """Raises a 400 for days that cannot be read, or are too many."""
    given = {name: value.strip() for name, value in filters.given(req).items()}
    by = By(given["by"]) if given.get("by") in list(By) else By.PROVIDER
    narrowed = {
        name: given[name][: filters.MOST]
        for name in ("provider", "product", "tenant")
        if given.get(name) and is_storable(given[name])
    }
    period = given.get("period", "")
    if given.get("from") or given.get("to"):
        period = ""
        first, last = _days(given)
    else:
        period = period if period in PERIODS else "yesterday"
        first, last = _period(period, today)
    wanted = Wanted(first, last, narrowed.get("provider"), narrowed.get("product"), narrowed.get("tenant"))
    return Asked(period, wanted, by, narrowed)


def _days(given: Mapping[str, str]) -> tuple[date, date]:
    try:
        first = date.fromisoformat(given.get("from") or given["to"])
        last = date.fromisoformat(given.get("to") or given["from"])
    except ValueError:
        raise Refused(400, Said("the days cannot be read; write them as 2026-05-14")) from None
    first, last = min(first, last), max(first, last)
    if (last - first).days >= MOST_DAYS or not 1900 < first.year <= last.year < 9000:
        raise Refused(400, Said("a report has up to {days} days", days=MOST_DAYS))
    return first, last


def _period(period: str, today: date) -> tuple[date, date]:
    """Its days; all but `today` and `month` end with yesterday."""
    yesterday = today - timedelta(days=1)
    if period == "today":
        return today, today
    if period == "month":
        return today.replace(day=1), today
    return yesterday - timedelta(days={"yesterday": 0, "7d": 6, "30d": 29}[period]), yesterday


def _today(zone: str) -> date:
    return language.now().astimezone(ZoneInfo(zone)).date()


def _ordered(lines: Sequence[Total], by: By) -> list[Total]:
    """Days newest first, others the largest first."""
    if by in (By.DAY, By.MONTH):
        return sorted(lines, key=lambda each: each.key, reverse=True)
    return sorted(lines, key=lambda each: (-each.orders, each.key))


def _days_of(wanted: Wanted) -> list[str]:
    return [str(day) for day in report.days_between(wanted.first, wanted.last)]


def of_provider(provider_id: str, zone: str) -> tuple[list[Chart], tuple[str, str, str]]:
    """The charts of a provider's last days, today included, and the days of their axis. Needs an open session."""
    last = _today(zone)
    wanted = Wanted(last - timedelta(days=CHART_DAYS - 1), last, provider_id)
    days = {each.key[0]: each for each in report.totals(wanted, By.DAY)}
    names = _days_of(wanted)
    drawn = list(_charts([days.get(day, Total()) for day in names], "")) if days else []
    return drawn, (names[0], names[len(names) // 2], names[-1])


def _charts(days: Sequence[Total], currency: str) -> Iterator[Chart]:
    yield charts.bars("Orders", [each.orders for each in days])
    yield charts.line("Failed", [each.failed / each.final if each.final else None for each in days], "share")
    if currency:
        margins = [float(each.margin.get(currency, Decimal())) for each in days]
        yield charts.bars("Margin", margins, currency)
    yield charts.line(
        "Time to delivery",
        [each.seconds(0.5) for each in days],
        "seconds",
        above=[each.seconds(0.95) for each in days],
    )
    told = [each.by_callback / each.delivered if each.delivered else None for each in days]
    yield charts.line("Told by callback", told, "share")


def change(now: Decimal | int, before: Decimal | int) -> float | None:
    """How much more it is than before, as a share of that; None if there was nothing to compare with."""
    return float((now - before) / before) if before else None


def points(now: Total, before: Total) -> float | None:
    """By how many points of a hundred the share of delivered orders has grown."""
    if not now.final or not before.final:
        return None
    return 100 * (now.delivered / now.final - before.delivered / before.final)


def seconds_text(reader: Any, seconds: float | None) -> Any:
    """A time to delivery in its unit."""
    return "–" if seconds is None else reader.length(max(1, round(seconds)))


def _linked(asked: Asked, total: Total) -> str | None:
    """The report of what stands behind a line; None if it would be the same."""
    key = total.key[0]
    if asked.by is By.DAY:
        return asked.query(**{"from": key, "to": key, "by": "provider"})
    if asked.by is By.MONTH:
        first = datetime.fromisoformat(f"{key}-01").date()
        last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        return asked.query(**{"from": str(first), "to": str(last), "by": "day"})
    if asked.by is By.PACKAGE or not key:
        return None
    return asked.query(**{asked.by.value: key, "by": "day" if asked.by is By.TENANT else "package"})
