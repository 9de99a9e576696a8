"""Own stock: codes loaded, and taken by orders."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg2
import pytest

from models import provider, route, stock
from models.codes import Code
from models.db import database, sealed
from models.provider import Provider
from models.status import ExternalStatus, Source
from models.stock import Level, Loaded, NewCode, Stock, Taken
from tests import factories
from tests.conftest import KEY
from tests.factories import arrival, settle
from tests.waiting import LOCK_WAITS, wait_until

OTHER_KEY = "YW5vdGhlci1rZXktdGhhdC1ubyBib3VuZCB0ZXN0IF8="
OWN = "own"


@pytest.fixture(autouse=True)
def models(emptied_database_url: str) -> Iterator[str]:
    with factories.bound(emptied_database_url, keys=[KEY]):
        provider.save(Provider(OWN, "stock", "", "none", {}))
        yield emptied_database_url


def load(*codes: str, name: str = OWN, cost: str | None = None, currency: str | None = None) -> Loaded:
    return stock.load(
        name, [NewCode(Code(each)) for each in codes], cost=cost and Decimal(cost), currency=currency
    )


def take(referans: str, quantity: int = 1, *, name: str = OWN, provider_id: str = OWN) -> list[str]:
    """The codes taken; nothing where there were too few."""
    taken = stock.take(name, quantity, provider_id=provider_id, referans=referans)
    return [each.code for each in taken.codes] if taken else []


def left(name: str = OWN) -> int:
    return next((level.available for level in stock.levels() if level.name == name), 0)


def test_no_statement_of_a_load_has_the_plain_digest_of_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a code that was loaded in clear may be the same."""
    seen: list[str] = []
    execute = database._execute
    monkeypatch.setattr(
        database, "_execute", lambda sql, values: (seen.append(str(values)), execute(sql, values))[1]
    )
    digest = hashlib.sha256(b"C-1").hexdigest()
    assert load("C-1") == Loaded(1, 0) and load("C-1") == Loaded(0, 1)
    assert not [one for one in seen if digest in one]

    database.rows("UPDATE referans.stock_codes SET code = %s, digest = %s", ('{"code": "C-1"}', digest))
    assert load("C-1") == Loaded(0, 1)


class TestTaking:
    def test_what_was_loaded_first_is_taken_first(self) -> None:
        load("C-3", "C-1")
        load("C-2")
        assert [take("1"), take("2", 2)] == [["C-3"], ["C-1", "C-2"]]

    def test_all_of_a_code_is_given(self) -> None:
        whole = Code("C-1", pin="1234", serial="S-1", expires_at="2099-12-31")
        stock.load(OWN, [NewCode(whole)])
        assert stock.take(OWN, 1, provider_id=OWN, referans="1") == Taken((whole,), None, None)

    def test_too_few_take_none(self) -> None:
        load("C-1", "C-2")
        assert take("1", 3) == []
        assert left() == 2
        assert take("2", 2) == ["C-1", "C-2"]

    def test_the_same_reference_gets_the_same_codes(self) -> None:
        load("C-1", "C-2", "C-3")
        assert take("1", 2) == take("1", 2) == take("1", 2, name="another") == ["C-1", "C-2"]
        assert left() == 1

    def test_a_reference_of_another_provider_is_another_one(self) -> None:
        load("C-1", "C-2")
        assert [take("1"), take("1", provider_id="second")] == [["C-1"], ["C-2"]]

    def test_a_code_is_taken_from_its_own_stock_only(self) -> None:
        load("C-1", name="pubg-60")
        assert take("1") == []
        assert take("1", name="pubg-60") == ["C-1"]

    def test_an_expired_code_is_not_sold(self) -> None:
        now = datetime.now(UTC)
        expired, valid = (
            NewCode(Code(name), now + timedelta(hours=hours)) for name, hours in (("old", -1), ("new", 1))
        )
        stock.load(OWN, [expired, valid])
        assert take("1") == ["new"]
        assert take("2") == []

    def test_what_was_taken_is_found_by_its_reference(self) -> None:
        load("C-1")
        take("1")
        found = stock.taken_by(OWN, "1")
        assert found and [each.code for each in found.codes] == ["C-1"]
        assert stock.taken_by(OWN, "2") is None
        assert stock.taken_by("second", "1") is None

    def test_a_code_that_another_order_holds_is_passed_over(self, models: str) -> None:
        load("C-1", "C-2")
        with closing(psycopg2.connect(models)) as other:
            other.cursor().execute("SELECT id FROM referans.stock_codes ORDER BY id LIMIT 1 FOR UPDATE")
            database.rows("SET lock_timeout = '10ms'")
            assert take("1") == ["C-2"]
            other.rollback()
        assert take("2") == ["C-1"]

    def test_an_order_is_not_refused_while_another_one_holds_what_it_then_leaves(self, models: str) -> None:
        """Only one that holds codes and takes them is a reason to refuse."""
        load("C-1")
        with closing(psycopg2.connect(models)) as other:
            other.cursor().execute("SELECT id FROM referans.stock_codes FOR UPDATE")
            database.rows("SET lock_timeout = '10ms'")
            with pytest.raises(database.UNAVAILABLE):
                take("1")
            other.rollback()
        assert take("1") == ["C-1"]

    @pytest.mark.parametrize("left_over", [0, 1])
    def test_two_sends_of_an_order_at_the_same_instant_get_the_same(
        self, models: str, left_over: int
    ) -> None:
        """The second one finds the codes of the first held, and takes others, if there are any."""
        load("C-1", *(f"C-{number + 2}" for number in range(left_over)))
        got: list[list[str]] = []

        def send_again() -> None:
            with database.session():
                got.append(take("1"))

        with closing(psycopg2.connect(models)) as first:
            first.cursor().execute(
                str(stock.TAKE), {"stock": OWN, "quantity": 1, "provider": OWN, "referans": "1"}
            )
            second = threading.Thread(target=send_again)
            second.start()
            wait_until(lambda: database.rows(LOCK_WAITS))
            first.commit()
            second.join()
        assert got == [["C-1"]]
        assert left() == left_over


class TestCost:
    def test_the_costs_are_added(self) -> None:
        load("C-1", cost="0.85", currency="USD")
        load("C-2", cost="0.90", currency="USD")
        taken = stock.take(OWN, 2, provider_id=OWN, referans="1")
        assert taken and (taken.cost, taken.currency) == (Decimal("1.75"), "USD")

    @pytest.mark.parametrize(("cost", "currency"), [("1", "TRY"), (None, None)])
    def test_what_cannot_be_added_is_no_cost(self, cost: str | None, currency: str | None) -> None:
        load("C-1", cost="1", currency="USD")
        load("C-2", cost=cost, currency=currency)
        taken = stock.take(OWN, 2, provider_id=OWN, referans="1")
        assert taken and (taken.cost, taken.currency) == (None, None)


class TestLoading:
    def test_known_codes_are_skipped_and_counted(self) -> None:
        assert load("C-1", "C-2", "C-1") == Loaded(added=2, known=1)
        assert load("C-2", "C-3") == Loaded(added=1, known=1)
        assert left() == 3

    def test_a_code_is_known_after_it_was_taken(self) -> None:
        load("C-1")
        take("1")
        assert load("C-1") == Loaded(added=0, known=1)

    def test_a_code_is_known_in_every_stock(self) -> None:
        load("C-1")
        assert load("C-1", name="another") == Loaded(added=0, known=1)

    @pytest.mark.parametrize(
        ("before", "after"), [([], [KEY]), ([KEY], [OTHER_KEY, KEY])], ids=["sealed-later", "rotated"]
    )
    def test_a_code_is_known_under_every_key(self, before: list[str], after: list[str]) -> None:
        sealed.bind(before)
        load("C-1")
        sealed.bind(after)
        assert load("C-1", "C-2") == Loaded(added=1, known=1)
        assert take("1", 2) == ["C-1", "C-2"]

    def test_codes_are_sealed(self) -> None:
        stock.load(OWN, [NewCode(Code("C-SECRET", "PIN-SECRET", "S-SECRET"))])
        [row] = database.rows("SELECT * FROM referans.stock_codes")
        assert row["code"].startswith("sealed:") and "SECRET" not in str(row)

    def test_the_code_of_another_row_does_not_open(self) -> None:
        load("C-1", "C-2")
        database.rows("UPDATE referans.stock_codes SET code = (SELECT max(code) FROM referans.stock_codes)")
        with pytest.raises(sealed.Unsealable, match="moved from another row"):
            take("1", 2)

    def test_keys_are_judged_by_codes_too(self) -> None:
        database.rows("UPDATE referans.providers SET credentials = '{}'")
        load("C-1")
        assert provider.keys_open_anything()
        sealed.bind([OTHER_KEY])
        assert not provider.keys_open_anything()

    def test_an_error_in_the_middle_loads_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stock, "BATCH", 2)

        def fail(done: int) -> None:
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            stock.load(OWN, [NewCode(Code(f"C-{number}")) for number in range(5)], progress=fail)
        assert left() == 0

    def test_loads_take_turns(self, models: str) -> None:
        with closing(psycopg2.connect(models)) as other:
            other.cursor().execute("SELECT pg_advisory_xact_lock(%s)", (stock.LOAD_LOCK,))
            database.rows("SET lock_timeout = '10ms'")
            with pytest.raises(stock.LoadUnderWay):
                load("C-1")
            other.rollback()
        assert load("C-1").added == 1


class TestSeeing:
    def low_stock(self, threshold: int) -> None:
        database.rows("UPDATE referans.providers SET low_stock = %s", (threshold,))

    def test_a_provider_without_routes_sells_from_the_stock_of_its_name(self) -> None:
        load("C-1")
        assert stock.levels() == [Level(OWN, [OWN], available=1, expired=0, low_stock=None)]

    def test_a_route_names_its_stock(self) -> None:
        route.add("pubg", "60", OWN, {"stock": "pubg-60"})
        assert [(level.name, level.provider_ids, level.is_low) for level in stock.levels()] == [
            ("pubg-60", [OWN], True)
        ]
        load("C-1", name="pubg-60")
        load("C-2", name="nobody's")
        assert [(level.name, level.provider_ids, level.is_low) for level in stock.levels()] == [
            ("nobody's", [], False),
            ("pubg-60", [OWN], False),
        ]

    @pytest.mark.parametrize(("threshold", "is_low"), [(2, False), (3, True)])
    def test_fewer_than_the_threshold_are_low(self, threshold: int, is_low: bool) -> None:
        load("C-1", "C-2")
        self.low_stock(threshold)
        [level] = stock.levels()
        assert (level.low_stock, level.is_low) == (threshold, is_low)

    def test_what_can_no_longer_be_sold_does_not_count(self) -> None:
        gone = datetime.now(UTC) - timedelta(seconds=1)
        stock.load(OWN, [NewCode(Code("C-1"), gone), NewCode(Code("C-2"))])
        take("1")
        assert stock.levels() == [Level(OWN, [OWN], available=0, expired=1, low_stock=None)]

    def test_what_became_of_every_code(self) -> None:
        route.add("*", "*", OWN, {})
        load("C-1", "C-2", cost="1.50", currency="USD")
        load("C-3", "C-4", cost="2", currency="USD")
        load("C-5")
        completed, failed = factories.place(), factories.place()
        for order in (completed, failed):
            take(order["provider_referans"])
        settle(arrival(completed, ExternalStatus.COMPLETED, provider_id=OWN, source=Source.DISPATCH))
        settle(arrival(failed, ExternalStatus.FAILED, provider_id=OWN, source=Source.DISPATCH))
        [oldest] = database.rows("SELECT loaded_at FROM referans.stock_codes ORDER BY id OFFSET 2 LIMIT 1")
        assert stock.every() == [
            Stock(
                OWN,
                [OWN],
                available=3,
                expired=0,
                low_stock=None,
                sold=1,
                taken=1,
                oldest_at=oldest["loaded_at"],
                cost={"USD": "4"},
            )
        ]

    def test_a_stock_that_is_all_sold_is_still_listed(self) -> None:
        load("C-1", name="former")
        take("1", name="former")
        assert [(each.name, each.taken) for each in stock.every()] == [("former", 1), (OWN, 0)]


def test_taking_reads_no_more_than_it_takes() -> None:
    """By the index of the free codes, however many were sold and however many are left."""
    database.rows(MANY, (OWN, OWN))
    factories.analyze("referans.stock_codes")
    values = {"stock": OWN, "quantity": 1, "provider": OWN, "referans": "1"}
    assert len(database.rows(stock.TAKE, values)) == 1
    plan = "\n".join(row["QUERY PLAN"] for row in database.rows(f"EXPLAIN {stock.TAKE.execute}", values))
    assert "idx_stock_codes_free" in plan and "Seq Scan" not in plan, plan


MANY = """
INSERT INTO referans.stock_codes (stock, digest, code, provider_id, referans, place)
SELECT %s, n::text, '{"code": "C"}', %s, CASE WHEN n <= 30000 THEN 'sold' || n END, 1
FROM generate_series(1, 60000) AS n
"""
