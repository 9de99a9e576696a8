"""Statements that a connection prepares once, and what happens when its server has forgotten them."""

import peewee
import pytest

from models.db import database
from models.db.prepared import Prepared

pytestmark = pytest.mark.usefixtures("db")

ANSWER = Prepared(
    "SELECT %(n)s::int AS n, 'a %%' AS text, %(n)s::int + 1 AS more, %(words)s::text[] AS words"
)
PLACES = Prepared("SELECT %s::int AS a, %s::text AS b")


def answer() -> None:
    expected = {"n": 1, "text": "a %", "more": 2, "words": ["%", "it's"]}
    assert database.rows(ANSWER, {"n": 1, "words": ["%", "it's"]}) == [expected]


def names() -> set[str]:
    return {row["name"] for row in database.rows("SELECT name FROM pg_prepared_statements")}


def test_it_takes_values_like_any_other_statement_and_is_prepared_once() -> None:
    answer()
    answer()
    assert database.rows(PLACES, (1, "it's 100%")) == [{"a": 1, "b": "it's 100%"}]
    assert {ANSWER.name, PLACES.name} <= names()


def test_other_text_has_another_name() -> None:
    assert Prepared("SELECT 1").name == Prepared("SELECT 1").name != Prepared("SELECT 2").name


def test_a_dropped_statement_is_prepared_again() -> None:
    answer()
    database.rows("DEALLOCATE ALL")
    answer()


def test_one_whose_columns_have_changed_is_prepared_again() -> None:
    every = Prepared("SELECT * FROM changing")
    database.rows("CREATE TEMP TABLE changing (a text)")
    assert database.rows(every) == []
    database.rows("ALTER TABLE changing ADD COLUMN b int")
    database.rows("INSERT INTO changing VALUES ('x', 1)")
    assert database.rows(every) == [{"a": "x", "b": 1}]
    database.rows("DROP TABLE changing")


def test_a_transaction_in_which_it_was_outdated_fails_and_the_next_succeeds() -> None:
    every = Prepared("SELECT * FROM changing")
    database.rows("CREATE TEMP TABLE changing (a text)")
    database.rows(every)
    database.rows("ALTER TABLE changing ADD COLUMN b int")
    with pytest.raises(peewee.NotSupportedError), database.database.atomic():
        database.rows(every)
    with database.database.atomic():
        assert database.rows(every) == []
    database.rows("DROP TABLE changing")


def test_any_other_error_is_told_at_once() -> None:
    with pytest.raises(peewee.DataError):
        database.rows(PLACES, ("no number", ""))
    assert database.rows(PLACES, (1, "")) == [{"a": 1, "b": ""}]
