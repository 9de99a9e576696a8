"""Processes that do things to the same order at the same instant, thousands of times: each time one wins."""

import multiprocessing
from collections import Counter
from typing import Any

import pytest

from models import resolving
from models.db import database
from models.status import ExternalStatus
from tests import factories, long
from tests.models.racing import DISCIPLINES, RACERS, race, reset

#: Orders in each discipline, and in those in which people decide.
ORDERS = long.either(60, 500)
DECIDED = long.either(120, 2000)

#: What three racers may get, sorted; and how the order ends.
ENDINGS = {
    "same_callback": ({("applied", "duplicate", "duplicate")}, {"completed"}),
    "two_pins": ({("applied", "conflict", "conflict")}, {"completed"}),
    "success_and_failure": (
        {("applied", "conflict", "duplicate"), ("applied", "conflict", "conflict")},
        {"completed", "failed"},
    ),
    # Given up first, the success is let in late; told first, giving up comes too late.
    "success_and_timeout": (
        {
            ("applied", "stale", "stale"),
            ("applied", "applied", "stale"),
            ("applied", "applied", "duplicate"),
        },
        {"completed"},
    ),
    "callback_and_check": ({("applied", "duplicate", "duplicate")}, {"completed"}),
    "dispatch_claims": ({("lost", "lost", "won")}, {"pending"}),
    "dispatch_and_cancel": ({("lost", "lost", "won")}, {"pending", "failed"}),
    "dispatch_and_give_up": ({("lost", "lost", "won")}, {"pending", "failed"}),
    "check_claims": ({("lost", "lost", "won")}, {"sent"}),
    "people": ({("decided", "told", "told")}, {"completed", "failed", "reversed"}),
    "people_who_dismiss": ({("decided", "told", "told")}, {"completed", "failed"}),
    "people_who_accept": ({("decided", "told", "told")}, {"completed"}),
    "people_who_resend": ({("decided", "told", "told")}, {"not_sent"}),
    # The provider is first, or its delivery is a conflict with what a person has decided.
    "person_and_callback": (
        {("applied", "told", "told"), ("conflict", "decided", "told")},
        {"completed", "failed", "not_sent"},
    ),
    # A worker that comes after the person finds nothing to send.
    "person_and_claim": ({("lost", "told", "won"), ("decided", "lost", "lost")}, {"pending", "failed"}),
}
UNSENT = ("dispatch_claims", "dispatch_and_cancel", "dispatch_and_give_up", "person_and_claim")
BY_PEOPLE = ("people", "person_and_callback")
#: Where either may win, as the order's end shows; of `success_and_timeout` what the racers get shows it.
OPEN = ("people", "person_and_callback", "person_and_claim", "dispatch_and_cancel", "dispatch_and_give_up")
#: How often they race at most, until each has been won by both.
ROUNDS = 6
CONFLICTS = ("people_who_accept", "people_who_dismiss")

pytestmark = pytest.mark.usefixtures("db")


@pytest.mark.timeout(300)
def test_whatever_happens_at_the_same_instant_in_several_processes_happens_once(database_url: str) -> None:
    heats: list[tuple[str, dict[str, Any]]] = []
    seen = {name: Counter[tuple[str, ...]]() for name in DISCIPLINES}
    racing = list(DISCIPLINES)
    for _ in range(ROUNDS):
        added = _heats(racing)
        for (name, _), *got in zip(added, *_results(database_url, added), strict=True):
            seen[name][tuple(sorted(got))] += 1
        heats += added
        racing = [name for name in OPEN if len({row["status"] for row in _rows(heats, name)}) == 1]
        racing += ["success_and_timeout"] if len(seen["success_and_timeout"]) == 1 else []
        if not racing:
            break

    assert {
        name: set(each) - ENDINGS[name][0] for name, each in seen.items() if set(each) - ENDINGS[name][0]
    } == {}
    assert _wrong_endings(heats) == []
    assert _told_more_than_once(heats) == []
    assert racing == [], "either has to win at times, so that they did meet"


def _heats(disciplines: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Orders to race for: one of each discipline, and again, so that the racers change all the time."""
    made = [
        (name, _order(name))
        for turn in range(max(ORDERS, DECIDED))
        for name in disciplines
        if turn < (DECIDED if name in BY_PEOPLE else ORDERS)
    ]
    reset([one["id"] for name, one in made if name == "check_claims"])
    return made


def _order(discipline: str) -> dict[str, Any]:
    made = factories.place() if discipline in UNSENT else factories.sent()
    if discipline in CONFLICTS:
        for pin in ("PIN-1", "PIN-2"):
            factories.settle(factories.arrival(made, ExternalStatus.COMPLETED, pin))
    seen = resolving.version(made["id"])
    return {"id": made["id"], "provider_referans": made["provider_referans"], "version": seen}


def _results(database_url: str, heats: list[tuple[str, dict[str, Any]]]) -> list[list[str]]:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(RACERS), context.Queue()
    racers = [
        context.Process(target=race, args=(database_url, number, heats, start, results), daemon=True)
        for number in range(RACERS)
    ]
    for racer in racers:
        racer.start()
    got = dict(results.get(timeout=280) for _ in racers)
    for racer in racers:
        racer.join(10)
    return [got[number] for number in range(RACERS)]


def _rows(heats: list[tuple[str, dict[str, Any]]], discipline: str) -> list[dict[str, Any]]:
    ids = [one["id"] for name, one in heats if name == discipline]
    return database.rows(ROWS, (ids,))


def _wrong_endings(heats: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        (name, row)
        for name, (_, statuses) in ENDINGS.items()
        for row in _rows(heats, name)
        if row["status"] not in statuses
    ]


def _told_more_than_once(heats: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Orders whose timeline has two moves into the same status, or a move that does not begin where one ended."""
    return database.rows(BROKEN, ([one["id"] for _, one in heats],))


ROWS = 'SELECT id::text AS id, "externalStatus" AS status FROM product_orders WHERE id = ANY (%s::uuid[])'
BROKEN = """
SELECT * FROM (
    SELECT order_id, "from", "to", lag("to") OVER (PARTITION BY order_id ORDER BY id) AS before
    FROM referans.order_events WHERE order_id = ANY (%s::uuid[]) AND "from" IS DISTINCT FROM "to"
) AS moves
WHERE "from" IS DISTINCT FROM before
"""
