"""Reports and exports: figures that add up, files of all that match, and nothing else waits for them."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from falcon.testing import Result

from gateway.web.ops import exports
from gateway.web.ops.exports import COLUMNS
from gateway.web.ops.refused import Refused
from models import person, report
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web.ops.browser import Browser, seen

ZONE = "Asia/Damascus"
PAID = {
    "priceAmount": Decimal("1.50"),
    "priceCurrency": "USD",
    "gatewayCostAmount": Decimal("1.205"),
    "gatewayCostCurrency": "USD",
}


def done(at: datetime, **columns: Any) -> dict[str, Any]:
    found = factories.sent()
    factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1234-ABCD"))
    ended = at + timedelta(seconds=8)
    factories.put(found, createdAt=at, completedAt=ended, lastCallbackAt=ended, **PAID | columns)
    return found


@pytest.fixture
def yesterday(pool: object) -> datetime:
    """Three orders of yesterday, one of which has failed, and one of the day before."""
    at = datetime.now(UTC) - timedelta(days=1)
    with database.session():
        for _ in range(2):
            done(at)
        failed = factories.sent()
        factories.settle(factories.arrival(failed, ExternalStatus.FAILED))
        factories.put(failed, createdAt=at)
        done(at - timedelta(days=1), **dict.fromkeys(PAID))
        report.begin(ZONE)
        while report.sum_up_next(ZONE):
            pass
    return at


def rows_of(answer: Result) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def sheet_of(answer: Result) -> list[tuple[object, ...]]:
    assert answer.status_code == 200, answer.text
    return list(openpyxl.load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))


def test_yesterday_in_figures_that_add_up(viewer: Browser, yesterday: datetime) -> None:
    text = seen(viewer.get("/ops/reports"))
    for said in (
        "Orders 3",
        "Delivered 66.7%",
        "Failed 1",
        "Time to delivery 9 s",
        "Price 3.00 USD , what customers paid",
        "Cost 2.41 USD , what providers took",
        "Margin 0.59 19.7% of the price",
        "Told by callback 100%",
        "sandbox 3 2 1 0 0 2.41 3.00 0.59 100% 9 s",
        "All 3 2 1 0 0 2.41 3.00",
    ):
        assert said in text, (said, text)


@pytest.mark.parametrize("by", list(report.By))
def test_lines_are_by_what_is_asked_for(viewer: Browser, yesterday: datetime, by: str) -> None:
    text = seen(viewer.get("/ops/reports", period="7d", by=by))
    assert "All 4 3 1" in text
    assert "1 order was delivered without a known cost and price" in text
    last = sheet_of(viewer.get("/ops/reports.xlsx", period="7d", by=by))
    place = last[0].index("orders")
    assert sum(row[place] or 0 for row in last[1:]) == 4  # type: ignore[misc, operator]
    assert last[0].index("margin") and len(last[0]) == len(last[1])


@pytest.mark.parametrize(
    ("asked", "orders"),
    [
        ({"period": "today"}, 0),
        ({"period": "30d"}, 4),
        ({"period": "nonsense"}, 3),
        ({"from": "2020-01-01", "to": "2020-01-02"}, 0),
        ({"provider": "other"}, 0),
        ({"product": "game"}, 3),
        ({"tenant": factories.TENANT}, 0),
        ({"by": "nonsense"}, 3),
    ],
    ids=str,
)
def test_a_report_is_of_what_is_asked_for(
    viewer: Browser, yesterday: datetime, asked: dict[str, str], orders: int
) -> None:
    assert f"Orders {orders} " in seen(viewer.get("/ops/reports", **asked))


@pytest.mark.parametrize(
    "asked", [{"from": "x"}, {"from": "2020-01-01", "to": "2026-01-01"}, {"to": "0001-01-01"}]
)
def test_days_that_cannot_be_read_are_refused(viewer: Browser, pool: object, asked: dict[str, str]) -> None:
    assert viewer.get("/ops/reports", **asked).status_code == 400


def test_before_the_first_sweep_the_page_says_so(viewer: Browser, pool: object) -> None:
    assert "No day is summed up yet." in seen(viewer.get("/ops/reports"))


class TestExports:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exports, "PER_SECOND", 10_000)
        monkeypatch.setattr(exports, "BATCH", 2)

    @pytest.fixture
    def orders(self, pool: object) -> list[dict[str, Any]]:
        with database.session():
            found = [done(datetime.now(UTC) - timedelta(minutes=number)) for number in range(5)]
            factories.put(found[0], userIdentifier='=HYPERLINK("http://x")', attention="no_code")
            factories.put(found[1], attention="no_code")
        return found

    def test_all_that_match_newest_first_without_codes(self, viewer: Browser, orders: list[Any]) -> None:
        answer = viewer.get("/ops/export/orders.csv")
        rows = rows_of(answer)
        assert [row["id"] for row in rows] == [each["id"] for each in orders]
        assert tuple(rows[0]) == COLUMNS
        assert rows[0]["userIdentifier"].startswith("'=HYPERLINK")
        assert (rows[0]["costAmount"], rows[0]["priceAmount"], rows[0]["priceCurrency"]) == (
            "1.205",
            "1.50",
            "USD",
        )
        assert rows[0]["createdAt"].endswith("+03:00")
        assert "PIN-1234" not in answer.text
        assert 'filename="orders-' in answer.headers["content-disposition"]

    def test_filters_are_those_of_the_list(self, viewer: Browser, orders: list[Any]) -> None:
        for query, many in {
            "player=player": 4,
            "stage=failed": 0,
            "needs=no_code": 2,
            "since=90s": 0,
        }.items():
            if query == "since=90s":
                assert viewer.get(f"/ops/export/orders.csv?{query}").status_code == 400
                continue
            assert len(rows_of(viewer.get(f"/ops/export/orders.csv?{query}"))) == many, query

    def test_as_a_spreadsheet_up_to_its_limit(
        self, viewer: Browser, orders: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = sheet_of(viewer.get("/ops/export/orders.xlsx"))
        assert len(rows) == 6 and rows[1][0] == orders[0]["id"]
        monkeypatch.setattr(exports, "MOST_XLSX", 3)
        rows = sheet_of(viewer.get("/ops/export/orders.xlsx"))
        assert len(rows) == 5 and str(rows[4][0]).startswith("There are more than")
        monkeypatch.setattr(exports, "MOST_XLSX", 5)
        assert len(sheet_of(viewer.get("/ops/export/orders.xlsx"))) == 6

    def test_few_at_the_same_time_and_a_place_is_given_back(
        self, viewer: Browser, orders: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(2 * exports.MOST_AT_ONCE):
            assert viewer.get("/ops/export/orders.csv").status_code == 200

    def test_a_reader_that_takes_nothing_loses_its_place(self) -> None:
        now = 0.0
        places = exports.Places(clock=lambda: now)
        held = [places.take(iter([b"1", b"2", b"3"])) for _ in range(exports.MOST_AT_ONCE)]
        with pytest.raises(Refused):
            places.take(iter([]))
        now = exports.IDLE_SECONDS - 1
        assert next(held[0]) == b"1"
        now += 2
        places.take(iter([]))
        with pytest.raises(exports.CutOff):
            next(held[1])
        held[1].close()
        with pytest.raises(Refused):
            places.take(iter([]))
        assert next(held[0]) == b"2"
        held[0].close()
        places.take(iter([]))

    def test_it_ends_with_the_sign_in(self, viewer: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exports, "SIGNED_IN_SECONDS", -1)
        token = viewer.cookies["referans_ops"]
        written = exports._while_signed_in(iter([b"1", b"2"]), lambda: exports._is_signed_in(token))
        assert next(written) == b"1"
        with database.session():
            person.remove("viewer")
        with pytest.raises(exports.CutOff):
            next(written)

    def test_it_is_slowed_down(self, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
        monkeypatch.setattr(exports, "PER_SECOND", 10)
        slept: list[float] = []
        batches: Any = iter([[], [], []])
        assert len(list(exports._slowly(batches, clock=lambda: 0.0, sleep=slept.append))) == 3
        assert slept == [0.1] * 3

    def test_a_stranger_gets_nothing(self, stranger: Browser, orders: list[Any]) -> None:
        for path in ("/ops/export/orders.csv", "/ops/reports.xlsx", "/ops/reports"):
            assert stranger.get(path).status_code == 303
        assert stranger.get("/ops/export/orders.pdf").status_code in (303, 404)
