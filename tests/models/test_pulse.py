"""What the timelines say is counted once: how orders ended, and how long it took."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import pulse, report, timeline
from models.db import database
from models.status import ExternalStatus, FailureReason, Source
from tests import factories
from tests.models.test_report import step_of

pytestmark = pytest.mark.usefixtures("db")


def count() -> None:
    """What a sweep does, as if all that has happened had happened a while ago."""
    database.rows(
        "UPDATE referans.order_events SET at = at - interval '10 minutes' WHERE at > now() - interval '5 min'"
    )
    report.begin("UTC")
    while report.note_changes("UTC"):
        pass


def counted() -> dict[tuple[str, ...], int]:
    return {
        (each.name, each.provider_id, each.label, each.further): each.value
        for each in pulse.counters()
        if each.name != "seconds"
    }


def ended(status: ExternalStatus, source: Source = Source.CALLBACK, **fields: Any) -> dict[str, Any]:
    order = factories.sent()
    pin = "PIN-1" if status is ExternalStatus.COMPLETED else None
    factories.settle(factories.arrival(order, status, pin, source=source, **fields))
    return order


def test_ends_of_orders_are_counted_once() -> None:
    report.begin("UTC")
    twice = ended(ExternalStatus.COMPLETED)
    ended(ExternalStatus.COMPLETED, Source.POLL)
    ended(ExternalStatus.FAILED)
    factories.settle(factories.arrival(twice, ExternalStatus.COMPLETED, "PIN-1"))
    factories.settle(factories.arrival(twice, ExternalStatus.FAILED))
    for _ in range(3):
        count()
    assert counted() == {
        ("orders_ended", "sandbox", "completed", "callback"): 1,
        ("orders_ended", "sandbox", "completed", "poll"): 1,
        ("orders_ended", "sandbox", "failed", "callback"): 1,
    }
    assert sum(each.value for each in pulse.counters() if each.name == "seconds") == 2


def test_the_last_day_is_told_by_who_told_and_how_long_it_took() -> None:
    report.begin("UTC")
    order = ended(ExternalStatus.COMPLETED)
    ended(ExternalStatus.FAILED, Source.SWEEP, failure_reason=FailureReason.TIMEOUT)
    ended_at = max(each.at for each in timeline.events(order["id"]))
    factories.put(order, sentAt=ended_at - timedelta(minutes=10, seconds=9))
    count()
    day = pulse.last_day(datetime.now(UTC), 48, 8)
    assert len(day.points) == 48
    assert {name: sum(counts) for name, counts in day.ended.items()} == {"callback": 1, "timeout": 1}
    [steps] = [each for each in day.durations["sandbox"] if each]
    assert steps == {step_of(9): 1}


def test_old_points_are_forgotten_and_counters_are_not() -> None:
    report.begin("UTC")
    ended(ExternalStatus.COMPLETED)
    count()
    for table in ("pulse", "pulse_durations"):
        database.rows(f"UPDATE referans.{table} SET at = at - interval '3 days'")
    before = counted()
    report.begin("UTC")
    assert (
        database.rows("SELECT at FROM referans.pulse UNION ALL SELECT at FROM referans.pulse_durations") == []
    )
    assert counted() == before
