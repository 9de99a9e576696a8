"""Lists of orders on a table that is too big to be read, and what a page says when its time is up."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from models import listing
from models.db import database
from models.listing import Filter, Page, Place
from models.status import ExternalStatus
from models.stuck import Limits
from models.tenants import EVERYTHING
from tests import factories

LIMITS = Limits(sweep_period_seconds=300, max_checks=20, first_check_delay_seconds=60)
#: Many more orders than a part of a list looks at; one in a thousand has failed.
MANY = """
INSERT INTO product_orders ("externalStatus", status, "providerId", "createdAt", "userIdentifier", "orderUuid")
SELECT CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'completed' END, 'approved', 'sandbox',
    now() - make_interval(secs => n), 'player ' || n %% 500, CASE WHEN n %% 7 = 0 THEN 'cart ' || n END
FROM generate_series(1, 30000) AS n
"""
#: Orders of a provider that was used long ago only: PostgreSQL takes its share of all orders for its share of old ones.
OLD = """
INSERT INTO product_orders ("externalStatus", status, "providerId", "createdAt")
SELECT 'completed', 'approved', 'old', now() - interval '1 year' - make_interval(secs => n)
FROM generate_series(1, 12000) AS n ORDER BY md5(n::text)
"""
FAILED = Filter(ExternalStatus.FAILED, "sandbox")


@pytest.fixture
def crowded(db: None) -> None:
    """A table of orders that have ended."""
    database.rows(MANY)
    factories.analyze("product_orders")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Every statement of a list and its values."""
    found: list[tuple[str, Any]] = []
    real = database.load_list

    def note(kind: Any, sql: str, values: Any) -> Any:
        found.append((sql, values))
        return real(kind, sql, values)

    monkeypatch.setattr(database, "load_list", note)
    return found


def page(wanted: Filter, limit: int = 10, after: Place | None = None, **options: Any) -> Page:
    return listing.page(wanted, EVERYTHING, LIMITS, limit, after, **options)


def pages(wanted: Filter, limit: int, **options: Any) -> Iterator[Page]:
    after = None
    while True:
        found = page(wanted, limit, after, **options)
        yield found
        if (after := found.end) is None:
            return


def plan(sql: str, values: Any) -> str:
    return "\n".join(
        row["QUERY PLAN"] for row in database.rows(sql.replace("SELECT", "EXPLAIN SELECT", 1), values)
    )


#: The index that finds an order for a filter.
INDEXES = (
    (Filter(), "idx_orders_created"),
    (Filter(ExternalStatus.COMPLETED), "idx_orders_created"),
    (Filter(ExternalStatus.FAILED, "nobody"), "idx_orders_provider_created"),
    (Filter(provider_id="nobody"), "idx_orders_provider_created"),
    (Filter(product_id="nothing"), "idx_orders_created"),
    (Filter(user_identifier="player 3"), "idx_orders_user"),
    (Filter(ExternalStatus.FAILED, user_identifier="player 3"), "idx_orders_user"),
    (Filter(reference="cart 700"), "idx_orders_order_uuid"),
    (Filter(ExternalStatus.FAILED, reference="cart 700"), "idx_orders_order_uuid"),
)


def test_no_list_reads_the_table(crowded: None, asked: list[tuple[str, Any]]) -> None:
    for wanted, index in INDEXES:
        asked.clear()
        page(wanted, within_seconds=0)
        assert asked
        for sql, values in asked:
            explained = plan(sql, values)
            assert index in explained and "Seq Scan on product_orders" not in explained, wanted


def test_what_no_index_finds_is_found_wherever_it_stands(crowded: None) -> None:
    expected = database.rows(
        """SELECT id::text AS id FROM product_orders WHERE "externalStatus" = 'failed' ORDER BY "createdAt" DESC"""
    )
    assert len(expected) == 30
    for options in ({}, {"within_seconds": 0}):
        found = [each.id for one in pages(FAILED, 7, **options) for each in one.orders]
        assert found == [row["id"] for row in expected]


def test_a_page_whose_time_is_up_says_where_to_go_on(crowded: None, asked: list[tuple[str, Any]]) -> None:
    nothing = Filter(product_id="nothing")
    first = page(nothing, within_seconds=0)
    assert first.orders == [] and first.end
    assert len(asked) == 2
    assert [one.orders for one in pages(nothing, 10, within_seconds=0)][-1] == []
    assert page(nothing) == Page([], None)


def test_most_filters_look_at_few_orders(crowded: None, asked: list[tuple[str, Any]]) -> None:
    assert len(page(Filter(ExternalStatus.COMPLETED), 100).orders) == 100
    assert [values.get("skipped") for _, values in asked] == [listing.PARTS[0] - 1, None]


def test_the_end_of_a_part_is_found_without_all_that_is_behind_it(
    crowded: None, asked: list[tuple[str, Any]]
) -> None:
    database.rows(OLD)
    factories.analyze("product_orders")
    assert page(Filter(ExternalStatus.FAILED, "old")) == Page([], None)
    ends = [each for each in asked if "skipped" in each[1]]
    assert [values["skipped"] + 1 for _, values in ends][:3] == list(listing.PARTS)
    for each in ends:
        assert "Sort" not in plan(*each)


@pytest.mark.parametrize(
    ("seconds_an_order", "expected"),
    [
        (0, [200, 1_000, 5_000, 5_000]),
        (0.00001, [200, 1_000, 5_000, 3_800]),
        (0.0001, [200, 800]),
        (0.0005, [200, listing.LEAST_PART]),
        (0.001, [200]),
    ],
)
def test_parts_are_as_long_as_the_time_that_is_left(seconds_an_order: float, expected: list[int]) -> None:
    now = 0.0
    pace = listing.Pace(0.1, clock=lambda: now)
    looked_at = []
    while not pace.is_over and len(looked_at) < len(expected):
        looked_at.append(pace.next_part())
        now += looked_at[-1] * seconds_an_order
    assert looked_at == expected


def test_orders_that_come_meanwhile_are_neither_lost_nor_repeated(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PARTS", (2, 3))
    placed = [factories.sent()["id"] for _ in range(9)]
    found: list[str] = []
    for one in pages(Filter(ExternalStatus.SENT), 2):
        found += [each.id for each in one.orders]
        factories.sent()
    assert found == placed[::-1]


def test_a_list_that_takes_too_long_is_given_up(
    db: None, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else keeps the statement timeout of its session."""
    monkeypatch.setattr(database, "LIST_TIMEOUT_MS", 100)
    with database.session():
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE product_orders")
            with pytest.raises(database.TooSlow, match="longer than"):
                page(Filter())
        assert page(Filter()).orders == []
        assert database.rows("SHOW statement_timeout") == [{"statement_timeout": "15s"}]


def test_lists_take_turns_part_by_part(
    crowded: None, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that looks at the whole table does not keep the only connection of lists to itself."""
    pool = database.connect(database_url, pool_size=2, shares=database.Shares(requests=1, lists=1))
    monkeypatch.setattr(listing, "PARTS", (100,))
    known = database.database.obj
    database.bind(pool)
    done: list[str] = []
    try:
        slow = threading.Thread(target=lambda: [page(FAILED, 100), done.append("slow")])
        slow.start()
        page(Filter())
        done.append("quick")
        slow.join()
    finally:
        database.bind(known)
        pool.close_all()
    assert done == ["quick", "slow"]
