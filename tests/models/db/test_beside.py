"""Migrations beside another system: its database, its rights, its views; and what was recorded but is not there."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from models.db import database, migrate, pin_column, script, state
from models.db.expected import columns, own_tables
from tests import factories
from tests.models.db import before, psql
from tests.models.db.conftest import LEGACY, shape
from tests.models.db.test_migrate import connected, quiet, run_legacy_queries
from tests.refusing import execute


def lacking(url: str) -> str:
    pool = database.connect(url, pool_size=1)
    with pool.connection_context():
        said = state.read(pool).in_words()
    pool.close_all()
    return said


def test_what_the_migrations_make_is_read_from_their_text(database_url: str) -> None:
    with connected(database_url) as cursor:
        cursor.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
            " WHERE table_schema = 'referans' OR table_name = 'product_orders' GROUP BY 1"
        )
        found = {name: frozenset(given) for name, given in cursor.fetchall()}
    del found["schema_migration"]
    assert columns() == found
    assert set(own_tables()) == set(found) - {"product_orders"}


def test_the_older_storefronts_database_gets_columns_and_indexes_only(legacy_database_url: str) -> None:
    execute(
        legacy_database_url,
        """INSERT INTO product_orders ("tenantId", "externalStatus", "pinCode")
        SELECT id, 'completed', 'PIN' FROM tenant""",
    )
    was = shape(legacy_database_url)

    migrate.migrate(legacy_database_url, echo=quiet)

    gone = set(was) - set(shape(legacy_database_url))
    assert [(each[1], each[2]) for each in gone] == [("product_orders", "pinCode")], "widened"
    added = [each for each in shape(legacy_database_url) if each not in was]
    assert all("referans." in each[1] + each[2] or "product_orders" in each[1] + each[2] for each in added)
    assert migrate.migrate(legacy_database_url, echo=quiet) == []
    run_legacy_queries(legacy_database_url)


#: What may use the column for codes: how it is made, dropped, and named. With each the column cannot be widened.
USERS = {
    "view": (
        'CREATE VIEW "ofShop" AS SELECT "pinCode" FROM product_orders',
        'DROP VIEW "ofShop"',
        'view "ofShop"',
    ),
    "materialized view": (
        'CREATE MATERIALIZED VIEW kept AS SELECT "pinCode" FROM product_orders',
        "DROP MATERIALIZED VIEW kept",
        "view kept",
    ),
    "trigger": (
        """CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tells AFTER UPDATE OF "pinCode" ON product_orders FOR EACH ROW EXECUTE FUNCTION told()""",
        "DROP TRIGGER tells ON product_orders",
        "trigger tells on table product_orders",
    ),
    "generated column": (
        'ALTER TABLE product_orders ADD "hasPin" boolean GENERATED ALWAYS AS ("pinCode" IS NOT NULL) STORED',
        'ALTER TABLE product_orders DROP "hasPin"',
        'generated column "hasPin"',
    ),
    "policy": (
        'CREATE POLICY hidden ON product_orders USING ("pinCode" IS NULL)',
        "DROP POLICY hidden ON product_orders",
        "policy hidden on table product_orders",
    ),
    "rule": (
        """CREATE RULE hidden AS ON UPDATE TO product_orders WHERE NEW."pinCode" = '' DO ALSO NOTHING""",
        "DROP RULE hidden ON product_orders",
        "rule hidden on table product_orders",
    ),
    "a name of two lines": (
        'CREATE VIEW "of\nDROP TABLE tenant;" AS SELECT "pinCode" FROM product_orders',
        'DROP VIEW "of\nDROP TABLE tenant;"',
        'view "of DROP TABLE tenant;"',
    ),
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("way", [None, psql.WAYS[-1]])
def test_what_uses_the_column_for_codes_keeps_it_as_it_is(
    user: str, way: Callable[[str, str], tuple[int, str]] | None, legacy_database_url: str
) -> None:
    make, drop, name = USERS[user]
    execute(legacy_database_url, make)
    because = f"because the {name} uses the column"
    said = f'"pinCode" takes 120 characters, {because}: longer codes stand in `codes` only'
    lines: list[str] = []

    text = migrate.sql(legacy_database_url, role="postgres")
    assert f"-- {said}\n" in text
    if way:
        assert way(legacy_database_url, text) == (0, "")
        assert migrate.sql(legacy_database_url) == script.NOTHING
    else:
        assert migrate.migrate(legacy_database_url, echo=lines.append)
    assert migrate.migrate(legacy_database_url, echo=lines.append) == []

    assert lines[-1] == said
    execute(legacy_database_url, drop)
    migrate.migrate(legacy_database_url, echo=quiet)
    pool = database.connect(legacy_database_url, pool_size=1)
    with pool.connection_context():
        assert pin_column.limit(pool) is None
    pool.close_all()


@pytest.mark.parametrize(
    "used",
    [
        'CREATE INDEX of_codes ON product_orders (lower("pinCode")) WHERE "pinCode" IS NOT NULL',
        'ALTER TABLE product_orders ADD CHECK (length("pinCode") < 121)',
        """ALTER TABLE product_orders ALTER "pinCode" SET DEFAULT ''""",
    ],
)
def test_what_changes_with_the_column_does_not(used: str, legacy_database_url: str) -> None:
    execute(legacy_database_url, used)
    lines: list[str] = []
    migrate.migrate(legacy_database_url, echo=lines.append)
    assert not any("pinCode" in line for line in lines)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("DROP TABLE referans.idempotency_keys", "referans.idempotency_keys"),
        ("ALTER TABLE referans.order_events DROP COLUMN whole", "referans.order_events.whole"),
        ('ALTER TABLE product_orders DROP COLUMN "resentAt"', 'product_orders."resentAt"'),
    ],
)
def test_what_is_recorded_but_not_there_is_named_and_made(database_url: str, harm: str, says: str) -> None:
    assert lacking(database_url) == ""
    was = set(shape(database_url))
    execute(database_url, harm)
    assert lacking(database_url) == f"recorded as applied, but missing: {says}"

    assert migrate.migrate(database_url, echo=quiet)

    assert lacking(database_url) == ""
    assert {each[:4] for each in was} == {each[:4] for each in shape(database_url)}


@pytest.mark.parametrize(
    "other",
    ["TABLE {schema}.stock_codes (id int, code text)", "VIEW {schema}.stock_codes AS SELECT 1 AS id"],
)
def test_a_table_of_others_in_the_schema_is_named(other: str, empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE SCHEMA shop; CREATE " + other.format(schema="shop"))
    was = shape(empty_database_url)
    with pytest.raises(migrate.InTheWay, match=r"shop\.stock_codes is not .*rename it") as raised:
        migrate.migrate(empty_database_url, schema="shop", echo=quiet)
    assert "run: gateway migrate" not in str(raised.value)
    assert shape(empty_database_url) == was


def test_the_orders_table_may_not_stand_in_the_gateways_schema(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE SCHEMA shop; CREATE TABLE shop.product_orders (id uuid PRIMARY KEY)")
    joint = "&" if "?" in empty_database_url else "?"
    url = f"{empty_database_url}{joint}options=-c%20search_path%3Dshop"
    with pytest.raises(
        migrate.InTheWay, match="product_orders stands in the schema shop: set DATABASE_SCHEMA"
    ):
        migrate.migrate(url, schema="shop", echo=quiet)


def test_who_gives_the_schema_another_name_is_told_where_the_tables_are(database_url: str) -> None:
    lines: list[str] = []
    migrate.migrate(database_url, schema="shop", echo=lines.append)
    assert "set DATABASE_SCHEMA=referans" in lines[0]
    assert not any("note" in line for line in lines[1:])


class TestRights:
    """A role that may not do what is missing is told by which statements an administrator lets it."""

    @pytest.fixture(params=["the older storefront's", "of the version before"])
    def owned(self, request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[str]:
        """A database whose tables belong to a role of their own."""
        role = f"shop_{urlsplit(empty_database_url).path[-8:]}"
        execute(empty_database_url, f"CREATE ROLE {role}; GRANT ALL ON SCHEMA public TO {role}")
        if request.param == "of the version before":
            before.migrate(empty_database_url)
        else:
            execute(empty_database_url, LEGACY)
        with connected(empty_database_url) as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} OWNER TO {role}")
        yield empty_database_url
        execute(
            empty_database_url,
            f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}",
        )

    def test_the_statements_that_it_names_are_enough(self, owned: str, stranger_url: str) -> None:
        was = shape(owned)

        with pytest.raises(migrate.NotPermitted) as raised:
            migrate.migrate(stranger_url, echo=quiet)

        said = str(raised.value)
        role = urlsplit(stranger_url).username
        assert f"gateway migrate --sql --role {role} | psql" in said and "run: gateway migrate" not in said
        assert shape(owned) == was
        given = re.search(r"give these rights: (.*); or run it all instead", said)
        assert given
        execute(owned, given[1])
        assert migrate.migrate(stranger_url, echo=quiet)
        assert migrate.migrate(stranger_url, echo=quiet) == []
        with factories.bound(stranger_url):
            factories.add_provider()

    @pytest.mark.parametrize(
        "change",
        [
            "GRANT {owner} TO {role}; ALTER ROLE {role} NOINHERIT",
            "CREATE SCHEMA referans; GRANT CREATE ON SCHEMA referans TO {role}",
            "GRANT CREATE ON SCHEMA public TO {role}",
        ],
    )
    def test_so_they_are_where_it_has_a_part_of_the_rights(
        self, owned: str, stranger_url: str, change: str
    ) -> None:
        """A role that does not inherit; one that may create where it may use nothing."""
        with connected(owned) as cursor:
            cursor.execute(
                "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'product_orders'::regclass"
            )
            owner = cursor.fetchone()[0]
        execute(owned, change.format(owner=owner, role=urlsplit(stranger_url).username))
        self.test_the_statements_that_it_names_are_enough(owned, stranger_url)

    @pytest.mark.parametrize("made", ["by the storefront", "by the version before", "by a script"])
    def test_no_statement_makes_it_a_superuser(
        self, made: str, empty_database_url: str, stranger_url: str
    ) -> None:
        role = urlsplit(stranger_url).username
        if made == "by the storefront":
            execute(empty_database_url, LEGACY)
        elif made == "by the version before":
            before.migrate(empty_database_url)
        else:
            execute(empty_database_url, LEGACY)
            assert psql.by_hand(empty_database_url, migrate.sql(stranger_url, role=role)) == (0, "")
            execute(empty_database_url, "DELETE FROM referans.schema_migration WHERE name = '0024_tenants'")

        with pytest.raises(migrate.NotPermitted) as raised:
            migrate.migrate(stranger_url, echo=quiet)

        said = str(raised.value)
        assert "which belong to postgres" in said or "which belongs to postgres" in said
        assert "GRANT" not in said and "run: gateway migrate" not in said
        assert f"gateway migrate --sql --role {role} | psql" in said
        assert psql.by_hand(empty_database_url, migrate.sql(stranger_url, role=role)) == (0, "")
        assert migrate.migrate(stranger_url, echo=quiet) == []
