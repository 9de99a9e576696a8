"""The one door for outcomes: what each may do to an order, alone and under concurrency."""

import hashlib
import itertools
import threading
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from models import claims, inbox, order, placing, timeline
from models.codes import Code
from models.db import database, sealed
from models.outcome import Arrival, Outcome
from models.status import STAGES, ExternalStatus, FailureReason, Result, Source
from tests import factories
from tests.factories import age, arrival, column, put, settle
from tests.models.lifecycle_table import Claim, Standing, decide
from tests.waiting import LOCK_WAITS, wait_until

COMPLETED, FAILED, PROCESSING, SENT, PENDING = (
    ExternalStatus.COMPLETED,
    ExternalStatus.FAILED,
    ExternalStatus.PROCESSING,
    ExternalStatus.SENT,
    ExternalStatus.PENDING,
)
ONE, TWO = Code("PIN-ONE"), Code("PIN-TWO")
#: What an order has and what an outcome brings: codes that are the same, others, more, or with a serial.
CODES = ((), (ONE,), (TWO,), (ONE, TWO), (Code("PIN-ONE", serial="S-1"),))
MESSAGES = (None, "hello")
REASONS = (None, FailureReason.PROVIDER, FailureReason.TIMEOUT)
PROVIDER, TIMEOUT = FailureReason.PROVIDER, FailureReason.TIMEOUT
#: Words of the column: ours, older systems' in any case of letters, and one that nobody knows.
WORDS = (*(name for name, _, _ in STAGES), "Sent", "DONE", "forwarded")

#: Outcomes that are settled together, at most.
BATCH = 200

pytestmark = pytest.mark.usefixtures("db")


def standings() -> list[Standing]:
    """Every state that deciding can tell apart."""
    stages = itertools.product(WORDS, MESSAGES, REASONS)
    return [
        *(Standing(name, (), message, reason) for name, message, reason in stages),
        *(Standing("sent", by_hand=hand) for hand in ("approved", "rejected")),
        *(Standing(name, is_ours=False) for name in WORDS),
        *(
            Standing(name, codes, by_hand=hand, is_ours=False)
            for name, codes, hand in itertools.product(
                ("sent", "unknown", "completed", "failed", "Canceled", "reversed"),
                ((), (ONE,), (ONE, TWO)),
                ("pending", "approved", "rejected"),
            )
        ),
        *(Standing("sent", codes, quantity=number) for codes in CODES for number in (1, 2)),
        *(Standing("completed", codes, quantity=number) for codes in CODES for number in (1, 2)),
    ]


def outcomes() -> list[Claim]:
    """Every claim that deciding can tell apart."""
    return [
        *(Claim(each, (), message) for each, message in itertools.product(ExternalStatus, MESSAGES)),
        *(Claim(COMPLETED, codes) for codes in CODES),
        *(Claim(FAILED, message=message, timed_out=True) for message in MESSAGES),
        *(Claim(each, is_former=True) for each in ExternalStatus),
    ]


def test_sql_decides_as_the_table_says_for_every_combination() -> None:
    cases = list(itertools.product(standings(), outcomes()))
    orders = _orders_in([standing for standing, _ in cases])
    arrivals = [_arrival(one, claim) for one, (_, claim) in zip(orders, cases, strict=True)]

    results = _in_batches(arrivals)

    wrong = [
        (case, decide(*case), result)
        for case, result in zip(cases, results, strict=True)
        if decide(*case) != Result(result)
    ]
    assert not wrong


def _in_batches(arrivals: list[Arrival]) -> list[Any]:
    """`settle` some at a time: what thousands take together depends on what PostgreSQL has counted before."""
    return [
        result for start in range(0, len(arrivals), BATCH) for result in settle(*arrivals[start:][:BATCH])
    ]


def _arrival(one: dict[str, Any], claim: Claim) -> Arrival:
    made = arrival(
        one,
        claim.status,
        message=claim.message,
        failure_reason=TIMEOUT if claim.timed_out else PROVIDER,
        provider_id="former" if claim.is_former else factories.SANDBOX,
    )
    return replace(made, outcome=replace(made.outcome, codes=claim.codes))


def _orders_in(wanted: list[Standing]) -> list[dict[str, Any]]:
    """One order for each standing, stored in bulk; those that have codes got them by settling."""
    rows = [
        (
            placing.new_referans(),
            "sent" if one.codes else one.status,
            "pending" if one.codes else one.by_hand,
            one.message,
            one.failure_reason,
            one.quantity,
            one.is_ours,
        )
        for one in wanted
    ]
    stored = database.rows(
        """
        INSERT INTO product_orders ("providerId", "triedProviders", provider_referans, "externalStatus", status,
            "providerMessage", "failureReason", quantity, "placedByGateway")
        SELECT 'sandbox', '{former}', *
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::boolean[])
        RETURNING id::text AS id, provider_referans
        """,
        [list(values) for values in zip(*rows, strict=True)],
    )
    by_referans = {one["provider_referans"]: one for one in stored}
    orders = [by_referans[row[0]] for row in rows]
    _in_batches(
        [
            _arrival(one, Claim(COMPLETED, has.codes))
            for one, has in zip(orders, wanted, strict=True)
            if has.codes
        ]
    )
    database.rows(
        """
        UPDATE product_orders AS o SET "externalStatus" = given.word, status = COALESCE(given.by_hand, o.status)
        FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS given (id, word, by_hand) WHERE o.id = given.id
        """,
        [
            list(values)
            for values in zip(
                *(
                    (
                        one["id"],
                        has.status,
                        None if has.is_ours and has.status == "completed" else has.by_hand,
                    )
                    for one, has in zip(orders, wanted, strict=True)
                    if has.codes
                ),
                strict=True,
            )
        ],
    )
    return orders


def test_an_order_that_is_told_of_before_it_was_sent_is_in_doubt_and_can_time_out() -> None:
    placed = factories.place()
    assert settle(arrival(placed, ExternalStatus.PENDING)) == ["applied"]
    assert claims.claim_dispatch(placed["id"], 60) is None
    assert column(placed, "claimedAt") is not None
    age(placed, 86_401)
    claimed = claims.claim_check(
        placed["id"], [60.0], trust_seconds=600, order_timeout_seconds=86_400, grace_seconds=60
    )
    assert claimed is not None and claimed.expired


def test_a_cost_that_no_column_holds_is_left_out() -> None:
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 60)
    accepted = arrival(placed, ExternalStatus.SENT, source=Source.DISPATCH)
    absurd = replace(accepted.outcome, cost=Decimal("999999999999999"), currency="TRY")

    assert settle(replace(accepted, outcome=absurd)) == ["applied"]
    assert column(placed, "costAmount") == 0


def test_a_completed_order_shows_everything_at_once() -> None:
    placed = factories.sent()

    assert settle(arrival(placed, COMPLETED, "PIN-ONE", message="tamam")) == ["applied"]

    found = order.find(placed["id"])
    assert found is not None
    assert (found.external_status, found.status, found.last_message) == ("completed", "approved", "tamam")
    assert order.codes_of(found) == [Code("PIN-ONE")]
    assert found.pin_code != "PIN-ONE"
    assert found.completed_at is not None
    assert found.duration_ms is not None
    assert column(placed, "nextCheckAt") is None


def test_a_pin_that_comes_later_is_filled_in_and_times_stay() -> None:
    placed = factories.sent()
    settle(arrival(placed, COMPLETED))
    first = column(placed, "completedAt"), column(placed, "durationMs")

    assert settle(arrival(placed, COMPLETED, "PIN-ONE")) == ["applied"]

    assert (column(placed, "completedAt"), column(placed, "durationMs")) == first


def test_the_first_pin_stays_and_the_other_is_kept_for_an_operator() -> None:
    placed = factories.sent()
    settle(arrival(placed, COMPLETED, "PIN-ONE"))

    assert settle(arrival(placed, COMPLETED, "PIN-TWO")) == ["conflict"]

    found = order.find(placed["id"])
    assert found is not None
    assert order.codes_of(found) == [Code("PIN-ONE")]
    detail = database.rows("SELECT detail FROM referans.order_events WHERE result = 'conflict'")[0]["detail"]
    assert detail.startswith("sealed:")


def test_a_serial_that_comes_later_costs_nothing_of_what_was_there() -> None:
    placed = factories.sent()
    for code in (Code("A", pin="P", expires_at="2027"), Code("A", serial="S")):
        told = arrival(placed, COMPLETED)
        assert settle(replace(told, outcome=replace(told.outcome, codes=(code,)))) == ["applied"]
    found = order.find(placed["id"])
    assert found is not None
    assert order.codes_of(found) == [Code("A", pin="P", serial="S", expires_at="2027")]


def test_an_order_that_an_earlier_version_placed_beside_this_one_is_ours() -> None:
    ours, theirs = factories.sent(), factories.sent()
    for each in (ours, theirs):
        put(each, placedByGateway=None)
    put(theirs, routeParams=None)
    settle(*(arrival(each, COMPLETED, "PIN-ONE") for each in (ours, theirs)))
    assert [column(each, "placedByGateway") for each in (ours, theirs)] == [True, None]
    assert [column(each, "status") for each in (ours, theirs)] == ["approved", "pending"]


def test_a_success_after_the_timeout_is_let_in_and_flagged() -> None:
    placed = factories.sent()
    timed_out = arrival(placed, FAILED, source=Source.SWEEP, failure_reason=FailureReason.TIMEOUT)
    settle(timed_out)

    late = order.settle([arrival(placed, COMPLETED, "PIN-ONE")], order_timeout_seconds=60)[0]

    assert (late.result, late.late, late.went_to) == (Result.APPLIED, True, "completed")
    assert column(placed, "late") is True
    assert column(placed, "status") == "approved"
    assert column(placed, "failureReason") is None


def test_the_same_callback_is_settled_once() -> None:
    placed = factories.sent()
    twice = arrival(placed, PROCESSING, message="one", dedupe_key="event")

    assert settle(twice) == ["applied"]
    settle(arrival(placed, PROCESSING, message="two"))
    assert settle(twice) == ["duplicate"]

    assert column(placed, "lastMessage") == "two"
    assert len(timeline.events(placed["id"])) == 5


def test_the_dedupe_key_counts_even_where_the_content_differs() -> None:
    placed = factories.sent()
    settle(arrival(placed, PROCESSING, dedupe_key="event"))

    assert settle(arrival(placed, COMPLETED, "PIN-ONE", dedupe_key="event")) == ["duplicate"]

    assert column(placed, "externalStatus") == "processing"


def test_one_batch_may_hold_a_whole_life() -> None:
    placed, other = factories.sent(), factories.sent()
    again = arrival(placed, COMPLETED, "PIN-ONE", dedupe_key="same")

    results = settle(
        arrival(placed, PROCESSING),
        arrival(other, FAILED, message="stok yok"),
        again,
        again,
        arrival(placed, PROCESSING),
        arrival(placed, FAILED),
        arrival({"provider_referans": "404"}, COMPLETED),
    )

    assert results == ["applied", "applied", "applied", "duplicate", "stale", "conflict", "unmatched"]
    assert column(other, "lastMessage") == "stok yok"


def test_outcomes_for_one_order_take_turns_whatever_they_call_it() -> None:
    """By our reference and by the provider's number: only the statement sees that they mean the same order."""
    placed = factories.sent()
    put(placed, externalOrderId="Z-90")
    numbered = Outcome(COMPLETED, external_order_id="Z-90", codes=(ONE,))
    failed = replace(numbered, status=FAILED, codes=())

    results = settle(
        arrival(placed, PROCESSING),
        Arrival(factories.SANDBOX, Source.CALLBACK, numbered),
        Arrival(factories.SANDBOX, Source.CALLBACK, failed),
        arrival(placed, SENT),
    )

    assert results == ["applied", "applied", "conflict", "stale"]
    steps = database.rows(
        'SELECT "from", "to" FROM referans.order_events WHERE order_id = %s ORDER BY id', (placed["id"],)
    )
    assert {"from": "processing", "to": "completed"} in steps


def test_a_batch_takes_no_more_statements_than_one_order_has_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order they stand in, and each arrival is sealed once."""
    orders = [factories.sent() for _ in range(15)]
    said = [arrival(one, PROCESSING, message=f"{turn}") for one in orders for turn in range(10)]
    statements: list[str] = []
    real, sealings = database.rows, itertools.count()
    seal = order.sealed.seal
    monkeypatch.setattr(database, "rows", lambda *given: statements.append("one") or real(*given))
    monkeypatch.setattr(order.sealed, "seal", lambda *given: (next(sealings), seal(*given))[1])

    assert set(settle(*said)) == {"applied"}

    assert len(statements) == 10
    assert next(sealings) == 2 * len(said)  # the outcome, and what came over the wire


def test_an_order_of_another_provider_does_not_match() -> None:
    placed = factories.sent()
    factories.add_provider("elsewhere")

    assert settle(arrival(placed, COMPLETED, "PIN-ONE", provider_id="elsewhere")) == ["unmatched"]

    assert column(placed, "externalStatus") == "sent"


def test_of_orders_with_one_reference_the_providers_own_is_meant() -> None:
    placed, newer = factories.sent(), factories.sent()
    factories.add_provider("elsewhere")
    put(newer, providerId="elsewhere", provider_referans=placed["provider_referans"], placedByGateway=None)

    assert settle(arrival(placed, COMPLETED, "PIN-ONE")) == ["applied"]

    assert (column(placed, "externalStatus"), column(newer, "externalStatus")) == ("completed", "sent")


def test_an_answer_to_a_check_counts_only_for_the_provider_that_was_asked() -> None:
    placed = factories.sent()
    outcome = Outcome(COMPLETED, placed["provider_referans"], codes=(Code("PIN-ONE"),))

    asked = Arrival("elsewhere", Source.POLL, outcome, order_id=placed["id"])

    assert settle(asked) == ["unmatched"]


def test_an_unmatched_callback_is_applied_when_its_reference_appears() -> None:
    referans = placing.new_referans()
    early = arrival({"provider_referans": referans}, COMPLETED, "PIN-ONE", dedupe_key="early")
    assert settle(early) == ["unmatched"]
    assert settle(early) == ["unmatched"]
    assert inbox.unmatched(10) == []

    placed = factories.sent()
    put(placed, provider_referans=referans)
    (waiting,) = map(inbox.arrival, inbox.unmatched(10))

    assert settle(waiting) == ["applied"]
    assert inbox.unmatched(10) == []
    assert column(placed, "externalStatus") == "completed"
    assert settle(early) == ["duplicate"]


def test_a_callback_by_the_providers_own_number_waits_for_the_number() -> None:
    placed = factories.place()
    numbered = Outcome(COMPLETED, external_order_id="Z-77", codes=(Code("PIN-ONE"),))
    callback = Arrival("sandbox", Source.CALLBACK, numbered, dedupe_key="number", raw="{}")
    assert settle(callback) == ["unmatched"]

    accepted = Outcome(SENT, placed["provider_referans"], external_order_id="Z-77")
    settle(Arrival("sandbox", Source.DISPATCH, accepted, order_id=placed["id"]))

    assert settle(*inbox.readable(inbox.waiting_for("sandbox", "Z-77"))) == ["applied"]
    found = order.find(placed["id"])
    assert found is not None
    assert order.codes_of(found) == [Code("PIN-ONE")]


def test_a_callback_that_is_not_final_puts_off_the_next_check_but_not_past_the_deadline() -> None:
    placed = factories.sent()
    settle(arrival(placed, PROCESSING, next_check_seconds=600))
    assert _seconds_to_check(placed) == pytest.approx(600, abs=5)

    settle(arrival(placed, PROCESSING, message="still", next_check_seconds=10 * 86400))
    assert _seconds_to_check(placed) == pytest.approx(86400, abs=5)


def _seconds_to_check(placed: dict[str, Any]) -> float:
    sql = 'SELECT EXTRACT(EPOCH FROM "nextCheckAt" - now())::float8 AS s FROM product_orders WHERE id = %s'
    return float(database.rows(sql, (placed["id"],))[0]["s"])


def test_a_long_message_is_cut_for_the_old_column_and_kept_whole_beside_it() -> None:
    placed = factories.sent()
    settle(arrival(placed, FAILED, message="ş" * 1000))
    assert column(placed, "lastMessage") == "ş" * 250
    assert column(placed, "providerMessage") == "ş" * 1000


def test_rows_of_older_systems_settle_too() -> None:
    placed = factories.sent()
    put(placed, externalStatus="delivered", pinCode="PIN-ONE", pinDigest=None)

    assert settle(arrival(placed, COMPLETED, "PIN-ONE")) == ["duplicate"]
    assert settle(arrival(placed, COMPLETED, "PIN-TWO")) == ["conflict"]


@pytest.mark.parametrize("round_number", range(3))
def test_many_at_the_same_instant_have_one_winner(database_url: str, round_number: int) -> None:
    orders = [factories.sent() for _ in range(40)]
    contenders = [(FAILED, None), *((COMPLETED, f"PIN-{number}") for number in range(5))]
    barrier = threading.Barrier(len(contenders))
    results: list[list[str]] = []

    def contend(status: ExternalStatus, pin: str | None) -> None:
        barrier.wait()
        with database.session():
            results.append([settle(arrival(one, status, pin))[0] for one in orders])

    threads = [threading.Thread(target=contend, args=contender) for contender in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == len(contenders)
    for of_one_order in zip(*results, strict=True):
        assert sorted(of_one_order) == ["applied"] + ["conflict"] * (len(contenders) - 1)
    events = database.rows(
        "SELECT count(*) AS n FROM referans.order_events WHERE result = 'applied' AND \"from\" <> 'pending'"
    )
    assert events[0]["n"] == len(orders)


def test_a_statement_that_waited_decides_on_what_the_first_has_committed(database_url: str) -> None:
    order = factories.sent()
    results: list[str] = []

    def deliver(pin: str) -> None:
        with database.session():
            results.extend(settle(arrival(order, COMPLETED, pin)))

    threads = [threading.Thread(target=deliver, args=(pin,)) for pin in ("PIN-ONE", "PIN-TWO")]
    _let_all_wait_for(database_url, order, threads)

    assert sorted(results) == ["applied", "conflict"]


def test_the_same_event_twice_in_one_batch_takes_turns() -> None:
    one, other = factories.sent(), factories.sent()
    unknown = {"provider_referans": placing.new_referans()}
    assert settle(
        arrival(one, COMPLETED, "PIN-ONE", dedupe_key="known"),
        arrival(other, COMPLETED, "PIN-TWO", dedupe_key="known"),
        arrival(unknown, COMPLETED, "PIN-ONE", dedupe_key="unknown"),
        arrival(unknown, COMPLETED, "PIN-ONE", dedupe_key="unknown"),
    ) == ["applied", "duplicate", "unmatched", "unmatched"]
    assert column(other, "externalStatus") == "sent"


def test_the_same_callback_on_two_connections_at_once_is_applied_once() -> None:
    orders = [factories.sent() for _ in range(40)]
    copies = [arrival(one, COMPLETED, "PIN-ONE") for one in orders]
    barrier = threading.Barrier(2)
    results: list[list[str]] = []

    def deliver() -> None:
        barrier.wait()
        with database.session():
            results.append([settle(copy)[0] for copy in copies])

    threads = [threading.Thread(target=deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [sorted(pair) for pair in zip(*results, strict=True)] == [["applied", "duplicate"]] * len(orders)


def test_batches_in_opposite_order_do_not_deadlock(database_url: str) -> None:
    orders = sorted((factories.sent() for _ in range(60)), key=lambda order: str(order["id"]))
    finished: list[int] = []

    def deliver(mine: list[dict[str, Any]]) -> None:
        with database.session():
            settle(*(arrival(one, PROCESSING, message="tamam") for one in mine))
        finished.append(1)

    threads = [threading.Thread(target=deliver, args=(mine,)) for mine in (orders, orders[::-1])]
    # In the middle, so that both have locked some of what the other wants before either goes on.
    _let_all_wait_for(database_url, orders[30], threads)

    assert len(finished) == 2


def _let_all_wait_for(database_url: str, order: dict[str, Any], threads: list[threading.Thread]) -> None:
    """Run them to their end; an outsider holds the order until each of them waits."""
    with closing(psycopg2.connect(database_url)) as outsider, outsider.cursor() as cursor:
        cursor.execute("SELECT FROM product_orders WHERE id = %s FOR UPDATE", (order["id"],))
        for thread in threads:
            thread.start()
        wait_until(lambda: len(database.rows(LOCK_WAITS)) == len(threads))
        outsider.rollback()
    for thread in threads:
        thread.join()


def test_a_callback_with_the_providers_own_number_alone_is_news_of_the_order() -> None:
    placed = factories.place()
    claims.claim_dispatch(placed["id"], 60)
    accepted = Outcome(SENT, placed["provider_referans"], external_order_id="Z-78")
    settle(Arrival("sandbox", Source.DISPATCH, accepted, order_id=placed["id"], next_check_seconds=60))
    put(placed, unknownCount=1, mayBeKnown=False)
    working = Outcome(PROCESSING, external_order_id="Z-78", cost=Decimal("1.50"), currency="TRY")
    callback = Arrival(
        "sandbox", Source.CALLBACK, working, dedupe_key="of-78", raw="{}", next_check_seconds=600
    )
    assert settle(callback) == ["applied"]
    found = {
        name: column(placed, name) for name in ("lastCallbackAt", "mayBeKnown", "unknownCount", "costAmount")
    }
    assert found["lastCallbackAt"] is not None and found["mayBeKnown"] is True
    assert (found["unknownCount"], found["costAmount"]) == (0, Decimal("1.50"))


class TestDigests:
    """How codes are compared without opening them; a plain digest tells a code to whoever tries them all."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The parameters of every statement, as the server's slow log shows them."""
        seen: list[str] = []
        execute = database._execute

        def watched(sql: str, values: Any) -> Any:
            seen.append(str(values))
            return execute(sql, values)

        monkeypatch.setattr(database, "_execute", watched)
        return seen

    @pytest.mark.parametrize("codes", CODES[1:])
    def test_no_statement_has_the_plain_digest_of_a_code(
        self, asked: list[str], codes: tuple[Code, ...]
    ) -> None:
        placed = factories.sent()
        for _ in range(2):
            told = arrival(placed, COMPLETED)
            settle(replace(told, outcome=replace(told.outcome, codes=codes)))
        assert asked and not [one for one in asked for code in codes if plain(code.code) in one]
        assert (
            column(placed, "pinDigest") == sealed.digests("PIN-ONE" if codes[0] == ONE else codes[0].code)[0]
        )

    @pytest.mark.parametrize("digest", [None, "plain"])
    @pytest.mark.parametrize(("code", "result"), [("PIN-ONE", "duplicate"), ("PIN-TWO", "conflict")])
    def test_a_code_that_was_stored_in_clear_is_compared(
        self, asked: list[str], digest: str | None, code: str, result: str
    ) -> None:
        """By the version without keys, or by the other system."""
        placed, other = factories.sent(), factories.sent()
        settle(arrival(placed, COMPLETED, "PIN-ONE"))
        put(placed, pinCode="PIN-ONE", pinDigest=digest and plain("PIN-ONE"))
        asked.clear()

        both = [
            arrival(placed, COMPLETED, code),
            arrival(other, COMPLETED, "PIN-SIX"),
            arrival(placed, FAILED),
        ]
        assert settle(*both) == [result, "applied", "conflict"]

        assert not [one for one in asked if plain("PIN-SIX") in one]
        assert [event.message for event in timeline.events(placed["id"])][-2:] == [
            f"{result}: completed",
            "conflict: failed",
        ]

    def test_one_of_several_codes_that_was_stored_in_clear_is_compared(self) -> None:
        placed = factories.place(quantity=2)
        claims.claim_dispatch(placed["id"], grace_seconds=60)
        settle(arrival(placed, SENT, source=Source.DISPATCH))
        kept = [{"pin": each, "digest": plain(each), "has_serial": False} for each in ("PIN-ONE", "PIN-TWO")]
        settle(arrival(placed, COMPLETED, "PIN-ONE"))
        put(placed, pinCode="PIN-ONE", pinDigest=plain("PIN-ONE"), codes=database.as_json(kept))
        told = arrival(placed, COMPLETED)
        assert settle(replace(told, outcome=replace(told.outcome, codes=(ONE, TWO)))) == ["duplicate"]

    def test_the_same_callback_about_a_code_in_clear_is_settled_once(self) -> None:
        placed = factories.sent()
        settle(arrival(placed, COMPLETED, "PIN-ONE"))
        put(placed, pinCode="PIN-ONE", pinDigest=None)
        told = arrival(placed, COMPLETED, "PIN-TWO", dedupe_key="again")
        assert settle(told, told) == ["conflict", "duplicate"]
        assert len(database.rows("SELECT FROM referans.callback_events WHERE dedupe_key = 'again'")) == 1


def plain(pin: str) -> str:
    return hashlib.sha256(pin.encode()).hexdigest()
