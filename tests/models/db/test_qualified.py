"""Every statement names the gateway's own tables with their schema; where that has another name, the pool says so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.db import database
from models.db.prepared import Prepared

ROOT = Path(__file__).parents[3]
CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?referans\.(\w+)")
#: A word of SQL, which only the name of a table follows, and a name of ours without its schema.
BARE = r"\b(FROM|JOIN|INTO|UPDATE|TABLE|EXISTS|ONLY|ON|USING|REFERENCES|TRUNCATE|ANALYZE|COPY)\s+\"?({names})\b(?!\.)"
#: The name of a relation in a literal; or a word before it that makes it one.
LITERAL = r"'\"?({names})\"?'::regclass|to_regclass\('\"?({names})\"?'\)"


def names() -> str:
    files = [path.read_text() for path in (ROOT / "migrations").glob("*.py")]
    found = {name for text in files for name in CREATED.findall(text)} | {"schema_migration"}
    assert {"order_events", "callback_events", "providers"} <= found
    return "|".join(sorted(found))


def texts(folder: str) -> Iterator[tuple[str, str]]:
    """Every text that may be SQL: the constants of Python files, the files with SQL, and what documents show."""
    for path in sorted((ROOT / folder).rglob("*")) if "." not in folder else [ROOT / folder]:
        where = str(path.relative_to(ROOT))
        if path.suffix in (".sql", ".md"):
            yield where, path.read_text()
        elif path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    yield f"{where}:{node.lineno}", joined(node)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{where}:{node.lineno}", node.value


def joined(node: ast.JoinedStr) -> str:
    """An f-string with `{}` for what is put in."""
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{}"
        for part in node.values
    )


def bare(text: str, known: str) -> list[str]:
    found = [match[0] for match in re.finditer(BARE.format(names=known), text)]
    return found + [match[0] for match in re.finditer(LITERAL.format(names=known), text)]


#: Tables of another system, statements of a version before, and plans as PostgreSQL prints them.
OF_OTHERS = (
    "tests/legacy/",
    "tests/models/db/before/",
    "tests/models/db/test_qualified.py",
    "tests/models/db/test_moving.py",
    "docs/benchmarks.md",
)


FOLDERS = ("models", "gateway", "actors", "migrations", "tests", "docs", "README.md")


@pytest.mark.parametrize("folder", [name for name in FOLDERS if (ROOT / name).exists()])
def test_every_statement_names_the_schema(folder: str) -> None:
    known = names()
    found = [
        (where, each)
        for where, text in texts(folder)
        if not where.startswith(OF_OTHERS)
        for each in bare(text, known)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM order_events",
        "INSERT INTO order_events (a) VALUES (1)",
        'TRUNCATE "order_events"',
        "SELECT 'order_events'::regclass",
        "SELECT to_regclass('order_events')",
        "CREATE TABLE IF NOT EXISTS order_events ()",
    ],
)
def test_the_walk_sees_a_name_without_its_schema(text: str) -> None:
    assert bare(text, "order_events")
    assert not bare(text.replace("order_events", "referans.order_events").replace('"', ""), "order_events")


@pytest.mark.parametrize(
    ("sql", "moved"),
    [
        ("SELECT 1 FROM referans.routes", 'SELECT 1 FROM "shop".routes'),
        ('SELECT "referans"."routes"', 'SELECT "referans"."routes"'),
        ("SELECT 'referans.routes'::regclass", "SELECT '\"shop\".routes'::regclass"),
        ("SELECT f.referans, f.referans.x, referans", "SELECT f.referans, f.referans.x, referans"),
        ("SELECT provider_referans.x", "SELECT provider_referans.x"),
    ],
)
def test_another_schema_takes_the_place_of_the_one_in_the_text(sql: str, moved: str) -> None:
    assert database.qualified(sql, "shop") == moved
    assert database.qualified(sql, database.SCHEMA) == sql


def test_a_prepared_statement_is_moved_too(empty_database_url: str) -> None:
    made = database.connect(empty_database_url, pool_size=1, schema="order")
    database.bind(made)
    with database.session():
        database.rows('CREATE SCHEMA "order"')
        database.rows("CREATE TABLE referans.routes (id int)")
        assert database.rows(Prepared("INSERT INTO referans.routes VALUES (%s::int) RETURNING id"), (7,)) == [
            {"id": 7}
        ]
        assert database.rows('SELECT id FROM "order".routes') == [{"id": 7}]
    made.close_all()
