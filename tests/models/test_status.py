"""Words for the state of an order: what Python makes of them, SQL makes of them, too."""

from typing import Any

import pytest

from models import status
from models.db import database
from models.status import STAGES, ExternalStatus, Kind

#: Of older systems, in any case of letters; what nobody knows; and letters that another language lowers differently.
WORDS = [
    *(written for name, _, _ in STAGES for written in (name, name.upper(), name.title())),
    *(
        "queued",
        "unknown",
        "forwarded",
        "manual_required",
        "accept",
        "Accepted",
        "wait",
        "",
        " sent",
        "sent ",
    ),
    *("FAİLED", "faıled", "delıvered", "ſent", "COMPLETED\u0307", "Готово", "تم"),
]


def in_sql(expression: str, word: str | None, sent_at: str = "now()") -> Any:
    order = f'SELECT %s::varchar AS "externalStatus", {sent_at} AS "sentAt"'
    return database.rows(f"SELECT {expression} AS found FROM ({order}) AS o", (word,))[0]["found"]


@pytest.mark.usefixtures("db")
def test_sql_and_python_agree_on_every_word() -> None:
    column = status.LOWERED.format(word='o."externalStatus"')
    for word in (*WORDS, None):
        assert in_sql(status.IS_OPEN, word) is status.is_open(word), word
        assert in_sql(status.kind_in_sql(column), word) == status.kind_of(word), word
        rank = status.RANKS.get(status.lowered(word), status.UNKNOWN_RANK)
        assert in_sql(status.rank_in_sql(column), word) == rank, word
        for sent_at, was_sent in (("now()", True), ("NULL", False)):
            shown = status.read(word, was_sent=was_sent)
            assert in_sql(status.READ, word, sent_at) == shown, word
            as_which = [each for each in ExternalStatus if in_sql(status.reads_as(each), word, sent_at)]
            assert as_which == [shown], word


@pytest.mark.usefixtures("db")
def test_the_language_of_the_database_changes_no_word() -> None:
    """In Turkish, the small letter of I has no dot."""
    collations = [
        row["collname"]
        for row in database.rows(
            "SELECT collname FROM pg_collation WHERE collname IN ('tr-x-icu', 'tr_TR.utf8')"
        )
    ]
    for collation in collations:
        expression = status.IS_OPEN.replace('o."externalStatus"', f'o."externalStatus" COLLATE "{collation}"')
        assert in_sql(expression, "FAILED") is False
    assert in_sql(status.IS_OPEN, "FAILED") is False


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("done", "Delivered", "APPROVED", "success", "completed"), Kind.COMPLETED),
        (("cancelled", "Canceled", "REJECTED", "reject", "failed"), Kind.FAILED),
        (("reversed",), Kind.REVERSED),
        (
            ("queued", "unknown", "forwarded", "manual_required", "PENDING", "Sent", "accept", "wait"),
            Kind.OPEN,
        ),
    ],
)
def test_words_of_older_systems(words: tuple[str, ...], kind: Kind) -> None:
    assert {status.kind_of(word) for word in words} == {kind}


def test_a_word_that_is_not_known_never_says_that_the_order_can_be_cancelled() -> None:
    assert status.read("queued", was_sent=False) is ExternalStatus.PENDING
    assert status.read("forwarded", was_sent=True) is ExternalStatus.SENT
