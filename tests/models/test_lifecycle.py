"""The life of an order as a state machine: whatever happens, in whatever order and at once, the database says what
the pure table says.

Where several things happen at once, all of them have begun before any has ended: an outsider holds the order's row
until each waits for it (or has found nothing to do). What comes of them must be what comes of them one by one, in
some order.
"""

import copy
import itertools
import threading
from contextlib import closing
from datetime import datetime
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from models import inbox
from models.codes import Code
from models.db import binding, database
from models.status import KINDS, RANKS, Attention, ExternalStatus, FailureReason, Kind, Source
from tests import factories, long
from tests.models.shadow import (
    FIRST,
    QUANTITY,
    SECOND,
    Cancel,
    ClaimCheck,
    ClaimCodeAsk,
    ClaimDispatch,
    ClaimNextProvider,
    ClaimResend,
    Decide,
    Dismiss,
    GiveUp,
    InDoubt,
    LeaveToPerson,
    Operation,
    RequestCheck,
    Shadow,
    Tell,
    Unknown,
    facts,
    settle,
)
from tests.waiting import wait_until

NAME = "referans-lifecycle"
#: Lives that are tried, of up to 25 steps each.
MAX_EXAMPLES = long.either(40, 400)
STATUSES = [status for status in ExternalStatus if status is not ExternalStatus.NOT_SENT]
PROVIDERS = st.sampled_from([FIRST, FIRST, FIRST, SECOND])
ONE, TWO = Code("PIN-ONE"), Code("PIN-TWO")
CODES = st.sampled_from([(), (ONE,), (TWO,), (ONE, TWO), (Code("PIN-ONE", serial="S-1"),)])
MESSAGES = st.sampled_from([None, "hello", "again"])

callbacks = st.builds(
    Tell, st.sampled_from(STATUSES), CODES, MESSAGES, key=st.sampled_from("abcdef"), provider=PROVIDERS
)
callbacks_by_number = st.builds(
    Tell,
    st.sampled_from(STATUSES),
    CODES,
    key=st.sampled_from("uvw"),
    numbered=st.just(True),
    provider=PROVIDERS,
)
answers = st.builds(
    Tell,
    st.sampled_from(STATUSES),
    CODES,
    MESSAGES,
    source=st.sampled_from([Source.DISPATCH, Source.POLL]),
    numbered=st.booleans(),
    provider=PROVIDERS,
    next_check_seconds=st.sampled_from([None, 60.0]),
)
timeouts = st.just(
    Tell(
        ExternalStatus.FAILED,
        source=Source.SWEEP,
        failure_reason=FailureReason.TIMEOUT,
        next_check_seconds=None,
    )
)
for_a_person = st.just(
    Tell(
        ExternalStatus.SENT,
        source=Source.DISPATCH,
        next_check_seconds=60.0,
        attention=Attention.MANUAL,
    )
)
in_batches = st.one_of(callbacks, answers, timeouts, for_a_person)
steps = st.one_of(
    in_batches,
    callbacks_by_number,
    st.sampled_from(
        [
            ClaimDispatch(),
            ClaimNextProvider(),
            ClaimResend(),
            ClaimCheck(),
            ClaimCodeAsk(),
            Cancel(),
            Unknown(),
            LeaveToPerson(),
        ]
    ),
    st.builds(InDoubt, st.booleans()),
    st.builds(GiveUp, st.booleans()),
)


class Lifecycle(RuleBasedStateMachine):
    """Orders in the database, each with its shadow."""

    orders: Bundle[Shadow] = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        database.rows("TRUNCATE product_orders, referans.order_events, referans.callback_events")
        self.shadows: list[Shadow] = []
        self.completed_at: dict[str, datetime] = {}
        self.touched: set[str] = set()

    @rule(target=orders, count=st.integers(1, 2))
    def place(self, count: int) -> Any:
        placed = [factories.place(quantity=QUANTITY) for _ in range(count)]
        shadows = [Shadow(one["id"], one["provider_referans"]) for one in placed]
        self.shadows += shadows
        return multiple(*shadows)

    @rule(shadow=orders, step=steps)
    def one_thing_happens(self, shadow: Shadow, step: Operation) -> None:
        self.touched.add(shadow.id)
        assert step.run(shadow) == step.on(shadow)

    @rule(shadow=orders, together=st.lists(steps, min_size=2, max_size=4))
    def several_things_happen_at_once(self, shadow: Shadow, together: list[Operation]) -> None:
        self.touched.add(shadow.id)
        results = _at_once(shadow, together)
        seen = facts(shadow.id)
        for turn in itertools.permutations(range(len(together))):
            candidate = copy.deepcopy(shadow)
            expected = {index: together[index].on(candidate) for index in turn}
            if candidate.facts() == seen and all(expected[index] == results[index] for index in turn):
                shadow.__dict__.update(candidate.__dict__)
                return
        pytest.fail(f"no order of {together} gives {results} and {seen}")

    @rule(batch=st.lists(st.tuples(orders, in_batches), min_size=2, max_size=6))
    def many_outcomes_come_in_one_statement(self, batch: list[tuple[Shadow, Tell]]) -> None:
        self.touched |= {shadow.id for shadow, _ in batch}
        results = settle([tell.arrival(shadow) for shadow, tell in batch])
        assert results == [tell.on(shadow) for shadow, tell in batch]

    @rule(shadow=orders)
    def time_passes(self, shadow: Shadow) -> None:
        """Until the plan is due, and a send that is still under way was cut off."""
        database.rows(BECOME_DUE, (shadow.id,))
        shadow.due = shadow.planned
        shadow.sending = shadow.sending and "cut off"

    @rule(shadow=orders)
    def an_operator_asks(self, shadow: Shadow) -> None:
        self.one_thing_happens(shadow, RequestCheck())

    @rule(
        shadow=orders,
        decision=st.one_of(
            st.builds(Decide, st.just(ExternalStatus.COMPLETED), CODES),
            st.builds(Decide, st.sampled_from([ExternalStatus.FAILED, ExternalStatus.REVERSED])),
            st.just(Dismiss()),
        ),
    )
    def a_person_decides(self, shadow: Shadow, decision: Operation) -> None:
        self.one_thing_happens(shadow, decision)

    @rule()
    def a_sweep_settles_what_was_unmatched(self) -> None:
        found = inbox.unmatched(1000)
        settle([inbox.arrival(row) for row in found]) if found else None
        turns = {(row.provider_id, row.dedupe_key): turn for turn, row in enumerate(found)}
        for shadow in self.shadows:
            for tell in sorted(shadow.waiting, key=lambda one: turns.get(one.kept(shadow), 0)):
                tell.on(shadow)
            self.touched.add(shadow.id)

    @rule()
    def an_operator_replays_everything_twice(self) -> None:
        kept = database.rows(
            "SELECT id, result FROM referans.callback_events WHERE result <> 'unmatched' ORDER BY id"
        )
        arrivals = [inbox.arrival(one) for one in inbox.find([row["id"] for row in kept])]
        again = [arrival for arrival in arrivals if arrival]
        before = {shadow.id: facts(shadow.id) for shadow in self.shadows}
        for _ in range(2):
            assert set(settle(again) if again else []) <= {"duplicate", "unmatched"}
        assert {shadow.id: facts(shadow.id) for shadow in self.shadows} == before

    @invariant()
    def the_database_agrees_with_the_shadows(self) -> None:
        for shadow in self.shadows:
            if shadow.id in self.touched:
                seen = facts(shadow.id)
                assert seen == shadow.facts()
                self._holds_for_ever(shadow.id, seen)
        self.touched.clear()

    def _holds_for_ever(self, order_id: str, seen: dict[str, Any]) -> None:
        """What is promised in so many words, whatever the shadow may think."""
        is_open = KINDS[seen["externalStatus"]] is Kind.OPEN
        assert not is_open or seen["planned"] or seen["attention"], "an open order that nobody sees"
        moves = [(before, after, source) for source, before, after, _ in seen["events"] if before != after]
        assert [after for _, after, _ in moves[:-1]] == [before for before, _, _ in moves[1:]]
        assert moves[-1][1] == seen["externalStatus"]
        for before, after, source in moves[1:]:
            late = (before, after) == ("failed", "completed") and seen["late"]
            assert RANKS[after] > RANKS[before] or late or source == "operator"
        completed_at = database.rows(
            'SELECT "completedAt" AS at FROM product_orders WHERE id = %s', (order_id,)
        )[0]["at"]
        if completed_at:
            assert self.completed_at.setdefault(order_id, completed_at) == completed_at


def _at_once(shadow: Shadow, together: list[Operation]) -> list[Any]:
    """What came of each; every one of them begins before any ends."""
    results: list[Any] = [None] * len(together)
    ended: list[int] = []

    def run(index: int) -> None:
        try:
            with database.session():
                results[index] = together[index].run(shadow)
        except Exception as error:
            results[index] = error
        finally:
            ended.append(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(together))]
    with closing(_outsider()) as outsider, outsider.cursor() as cursor:
        cursor.execute("SELECT FROM product_orders WHERE id = %s FOR UPDATE", (shadow.id,))
        for thread in threads:
            thread.start()
        wait_until(
            lambda: len(ended) + _waiting() == len(threads),
            what="every thread at the lock",
            pause_seconds=0.001,
        )
        outsider.rollback()
    for thread in threads:
        thread.join()
    return results


def _outsider() -> Any:
    return psycopg2.connect(**database.database.obj.connect_params, dbname=database.database.obj.database)


def _waiting() -> int:
    return int(database.rows(WAITING, (NAME,))[0]["n"])


BECOME_DUE = """
UPDATE product_orders SET "sendingUntil" = "sendingUntil" - interval '1 hour',
    "nextCheckAt" = CASE WHEN "nextCheckAt" IS NOT NULL THEN now() - interval '1 s' END
WHERE id = %s
"""
WAITING = """
SELECT count(*) AS n FROM pg_stat_activity
WHERE application_name = %s AND wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.mark.timeout(300)
def test_an_order_lives_as_the_table_says(database_url: str) -> None:
    pool = binding.bind(database_url, [], pool_size=8, name=NAME)
    try:
        with database.session():
            factories.add_provider()
            factories.add_provider(SECOND)
            run_state_machine_as_test(  # type: ignore[no-untyped-call]
                Lifecycle,
                settings=settings(
                    max_examples=MAX_EXAMPLES,
                    stateful_step_count=25,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        pool.close_all()
