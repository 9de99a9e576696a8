"""Whether the database takes our writes, and whether our keys open what it holds."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from models import readiness
from models.db import binding, database, migrate, sealed
from tests import factories
from tests.conftest import KEY
from tests.models.db import psql
from tests.refusing import execute, limited_role, read_only


@pytest.fixture
def role_url(database_url: str) -> Iterator[str]:
    """The database, for a role with rights that can be taken away."""
    with limited_role(database_url) as url:
        yield url


class TestWrites:
    def test_nothing_is_in_the_way(self, role_url: str) -> None:
        with factories.bound(role_url):
            assert readiness.obstacle() is None
            readiness.write_and_undo()
            assert database.rows("SELECT * FROM referans.heartbeats") == []

    def test_asking_uses_no_transaction_id_and_writes_no_row(self, role_url: str) -> None:
        with factories.bound(role_url), database.database.atomic():
            assert readiness.obstacle() is None
            assert database.row("SELECT pg_current_xact_id_if_assigned()::text AS id") == {"id": None}

    @pytest.mark.parametrize(
        "table",
        ["product_orders", "referans.order_events", "referans.idempotency_keys", "referans.callback_events"],
    )
    def test_a_right_that_was_taken_away_is_named(self, database_url: str, role_url: str, table: str) -> None:
        execute(database_url, f"REVOKE INSERT ON {table} FROM {urlsplit(role_url).username}")
        with factories.bound(role_url):
            found = readiness.obstacle()
        assert found and found.short == "writing is not permitted"
        assert found.cause.endswith(f"lacks the right: INSERT on {table}")
        assert "plan" in found.cure and "GRANT" in found.cure

    def test_the_right_to_the_schema_is_named(self, database_url: str, role_url: str) -> None:
        execute(database_url, f"REVOKE USAGE ON SCHEMA referans FROM {urlsplit(role_url).username}")
        with factories.bound(role_url):
            found = readiness.obstacle()
        assert found and found.cause.endswith("lacks the right: USAGE on the schema referans")

    @pytest.mark.parametrize(
        ("taken", "says"),
        [
            (
                'INSERT ("fieldMap"), UPDATE ("fieldMap") ON product_orders',
                'may not write "fieldMap" of product',
            ),
            (
                'UPDATE (codes, "adoptedAt") ON product_orders',
                'may not write "adoptedAt", "codes" of product',
            ),
            (
                "USAGE ON SEQUENCE product_orders_order_no_seq",
                "may not take numbers from public.product_orders_o",
            ),
        ],
    )
    def test_a_role_that_may_write_part_of_an_order_is_told_what_it_lacks(
        self, empty_database_url: str, stranger_url: str, taken: str, says: str
    ) -> None:
        """Its rights are on single columns: on none that a script without --role has added since."""
        role = urlsplit(stranger_url).username
        assert psql.by_hand(empty_database_url, migrate.sql(stranger_url, role=role)) == (0, "")
        execute(empty_database_url, f"REVOKE {taken} FROM {role}")
        with factories.bound(stranger_url):
            found = readiness.obstacle()
        assert found and says in found.cause and found.short == "writing is not permitted"
        lines: list[str] = []
        assert migrate.migrate(stranger_url, echo=lines.append) == []
        assert len(lines) == 1 and says in lines[0]
        execute(empty_database_url, found.cure.partition("give it: ")[2])
        with factories.bound(stranger_url):
            assert readiness.obstacle() is None

    def test_a_database_that_is_read_only_is_named_with_who_made_it_so(self, database_url: str) -> None:
        with read_only(database_url), factories.bound(database_url):
            found = readiness.obstacle()
        assert found and found.short == "read-only"
        assert found.cause == "read-only: default_transaction_read_only is on, by its database"

    def test_a_connection_that_was_made_read_only_is_not_kept(self, database_url: str) -> None:
        """Otherwise everything would stay read-only for minutes after the fault is mended."""
        pool = binding.bind(database_url, [], pool_size=1, name="referans-test")
        with read_only(database_url), database.session():
            assert readiness.obstacle()
        with database.session():
            assert readiness.obstacle() is None
        pool.close_all()

    def test_a_table_that_is_missing_is_no_obstacle_of_this_kind(self, empty_database_url: str) -> None:
        with factories.bound(empty_database_url), pytest.raises(Exception, match="product_orders"):
            readiness.obstacle()


class TestKeys:
    def test_where_nothing_is_sealed_no_key_is_wrong(self, database_url: str) -> None:
        for keys in ([], [KEY]):
            with factories.bound(database_url, keys=keys):
                assert not readiness.keys_open_nothing()

    @pytest.mark.parametrize("wrong", [[], ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q="]])
    def test_keys_that_open_nothing_are_wrong(self, db: None, wrong: list[str]) -> None:
        assert not readiness.keys_open_nothing()
        sealed.bind(wrong)
        assert readiness.keys_open_nothing()

    def test_one_value_under_another_key_does_not_make_them_wrong(self, db: None) -> None:
        sealed.bind(["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q="])
        factories.add_provider("elsewhere")
        sealed.bind([KEY])
        assert not readiness.keys_open_nothing()

    def test_a_value_that_is_damaged_says_nothing_of_the_keys(self, db: None) -> None:
        database.rows("UPDATE referans.providers SET credentials = 'sealed:what was cut off'")
        assert not readiness.keys_open_nothing()
