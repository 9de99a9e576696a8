"""The audit of a storm finds what it is for: one order that is right, and each way in which it may be wrong."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.dev.simulator import Order, State
from gateway.dev.simulator.behaviours import parse
from tests.acceptance.storm import audit, plan
from tests.acceptance.storm.books import Books, Case, Event, Notification
from tests.acceptance.storm.receivers import Heard
from tests.acceptance.storm.spoken import Spoken

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PIN = "ABCD-1234"
ORDER_TIMEOUT_SECONDS = 100.0


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def entry(state: State = State.COMPLETED, words: str = "", **fields: Any) -> Order:
    """What a provider's book says: booked 2 s after the beginning."""
    made = Order("123456789012345", f"player+{words}", parse(words), state=state, **{"pin": PIN} | fields)
    made.requests_seen, made.times_booked, made.booked_at, made.decided_at = 1, 1, BEGAN.timestamp() + 2, 0.0
    made.sent_at.append(BEGAN.timestamp() + 1)
    return made


def refused(**fields: Any) -> Order:
    made = entry(State.UNBOOKED, "refuse", pin="", **fields)
    made.times_booked, made.booked_at, made.times_refused = 0, None, 1
    return made


def told(order: Order, status: str, answer: int | str = 200, *codes: str) -> Order:
    """`order`, whose callback with this status was answered so."""
    order.callbacks.append({"at": 0.0, "status": status, "answer": answer, "codes": list(codes)})
    return order


def event(
    seconds: float, source: str, before: str | None, after: str, message: str = "", result: str = ""
) -> Event:
    return Event(at(seconds), source, before, after, message, result or None)


PLACED = [
    event(0, "api", None, "not_sent"),
    event(1, "dispatch", "not_sent", "pending", "claimed; sending to sandbox"),
    event(2, "dispatch", "pending", "sent", "accepted by sandbox"),
]
COMPLETED = event(4, "callback", "sent", "completed", "", "applied")


def row(**columns: Any) -> dict[str, Any]:
    """A completed order, as the gateway has it."""
    right = {
        "externalStatus": "completed",
        "status": "approved",
        "failureReason": None,
        "pinCode": PIN,
        "codes": None,
        "expects": "auto",
        "attention": None,
        "productId": plan.GAME,
        "providerId": "sandbox",
        "triedProviders": [],
        "provider_referans": "123456789012345",
        "lastMessage": "",
        "claimedAt": at(1),
        "sentAt": at(2),
        "completedAt": at(4),
        "durationMs": 2000,
        "reversedAt": None,
        "nextCheckAt": None,
    }
    return right | columns


def notification(status: str, number: int = 1) -> Notification:
    return Notification(f"msg_{number}", f"order.{status}", status, "delivered")


def heard(each: Notification, at_seconds: float, *, accepted: bool = True, **fields: Any) -> Heard:
    """A call that told the storefront of it."""
    made = Heard(each.webhook_id, each.kind, "id", each.status, at_seconds, at_seconds + 0.1, accepted)
    return replace(made, **fields)


def offences(
    columns: dict[str, Any],
    entries: dict[str, Order],
    events: Sequence[Event],
    unreachable: bool = False,
    outbox: Sequence[Notification] | None = None,
    calls: Sequence[Heard] | None = None,
) -> list[str]:
    """Unless said otherwise, the storefront was told of the order's present state."""
    away = ((BEGAN.timestamp() + 90, BEGAN.timestamp() + 200),) if unreachable else ()
    outbox = [notification(row(**columns)["externalStatus"])] if outbox is None else outbox
    calls = [heard(each, 5.0) for each in outbox] if calls is None else calls
    case = Case(row(**columns), entries, list(events), list(outbox), list(calls))
    return list(audit.offences_of(case, Books({}, ORDER_TIMEOUT_SECONDS, away)))


FAILED = {"externalStatus": "failed", "status": "rejected", "failureReason": "provider", "pinCode": None}
FAILED |= {"completedAt": None, "durationMs": None}
CONFLICT = event(5, "callback", "completed", "completed", "", "conflict")
REVERSED = {"externalStatus": "reversed", "status": "rejected", "reversedAt": at(9), "attention": "reversed"}
TAKEN_BACK = event(9, "callback", "completed", "reversed", "", "applied")
AT_BACKUP = {"providerId": "backup", "triedProviders": ["sandbox"]}
TO_BACKUP = [
    *PLACED[:2],
    event(2, "dispatch", "pending", "pending", "sandbox refused: Stok yok; sending to backup"),
    event(3, "dispatch", "pending", "sent", "accepted by backup"),
]
PASSED_OVER = [
    PLACED[0],
    event(1, "dispatch", "not_sent", "not_sent", "sandbox is down: no answer; routed to backup"),
    event(1, "dispatch", "not_sent", "pending", "claimed; sending to backup"),
    event(3, "dispatch", "pending", "sent", "accepted by backup"),
]
FROM_FORMER = event(6, "callback", "completed", "completed", "conflict: completed at sandbox", "conflict")


def relented() -> Order:
    return told(entry(words="relent", times_refused=1, relented=True), "completed", 200, "OTHER-1")


def completed() -> Order:
    return told(entry(), "completed", 200, PIN)


@pytest.mark.parametrize(
    ("columns", "entries", "events"),
    [
        pytest.param({}, {"sandbox": completed()}, [*PLACED, COMPLETED], id="completed"),
        pytest.param(
            FAILED,
            {"sandbox": refused()},
            [*PLACED[:2], event(2, "dispatch", "pending", "failed")],
            id="refused",
        ),
        pytest.param(
            {"attention": "conflict"},
            {"sandbox": told(told(entry(words="contradict"), "completed", 200, PIN), "failed")},
            [*PLACED, COMPLETED, CONFLICT],
            id="contradicted",
        ),
        pytest.param(
            REVERSED,
            {"sandbox": told(told(entry(State.REVERSED, "reverse"), "completed", 200, PIN), "reversed")},
            [*PLACED, COMPLETED, TAKEN_BACK],
            id="reversed",
        ),
        pytest.param(
            AT_BACKUP | {"attention": "conflict"},
            {"sandbox": relented(), "backup": completed()},
            [*TO_BACKUP, COMPLETED, FROM_FORMER],
            id="delivered by the former provider too",
        ),
        pytest.param(
            {"providerId": "backup"},
            {"backup": completed()},
            [*PASSED_OVER, COMPLETED],
            id="sent to the next provider because the first was down",
        ),
        pytest.param(
            {"pinCode": None, "productId": plan.CODE, "expects": "code", "attention": "no_code"},
            {"sandbox": told(entry(words="nopin", pin=""), "completed")},
            [*PLACED, COMPLETED],
            id="without a code that it should have",
        ),
    ],
)
def test_what_is_right_is_no_offence(
    columns: dict[str, Any], entries: dict[str, Order], events: list[Event]
) -> None:
    assert offences(columns, entries, events) == []


@pytest.mark.parametrize(
    ("offence", "columns", "entries", "events"),
    [
        (audit.LOST, {"externalStatus": "sent"}, {"sandbox": completed()}, PLACED),
        (audit.WRONG_STATE, {"pinCode": "OTHER-1"}, {"sandbox": completed()}, [*PLACED, COMPLETED]),
        (audit.WRONG_STATE, {"pinCode": None}, {"sandbox": completed()}, [*PLACED, COMPLETED]),
        (audit.WRONG_STATE, {"nextCheckAt": at(9)}, {"sandbox": completed()}, [*PLACED, COMPLETED]),
        (
            audit.WRONG_STATE,
            {"lastMessage": "Y\ufffdkleme"},
            {"sandbox": told(entry(words="php=latin5", description="Yükleme"), "completed", 200, PIN)},
            [*PLACED, COMPLETED],
        ),
        (
            audit.WRONG_STATE,
            {},
            {"sandbox": told(told(entry(State.REVERSED, "reverse"), "completed", 200, PIN), "reversed")},
            [*PLACED, COMPLETED],
        ),
        (
            audit.CONFLICT_HIDDEN,
            {},
            {"sandbox": told(told(entry(words="contradict"), "completed", 200, PIN), "failed")},
            [*PLACED, COMPLETED],
        ),
        (
            audit.CONFLICT_HIDDEN,
            AT_BACKUP,
            {"sandbox": relented(), "backup": completed()},
            [*TO_BACKUP, COMPLETED],
        ),
        (audit.WRONG_ATTENTION, {"attention": "conflict"}, {"sandbox": completed()}, [*PLACED, COMPLETED]),
        (
            audit.WRONG_ATTENTION,
            {},
            {"sandbox": told(told(entry(words="contradict"), "completed", 200, PIN), "failed")},
            [*PLACED, COMPLETED, CONFLICT],
        ),
        (
            audit.WRONG_ATTENTION,
            {"attention": "conflict"},
            {"sandbox": completed()},
            [*PLACED, COMPLETED, CONFLICT],
        ),
        (
            audit.WRONG_ATTENTION,
            {"pinCode": None, "productId": plan.CODE, "expects": "code"},
            {"sandbox": told(entry(words="nopin", pin=""), "completed")},
            [*PLACED, COMPLETED],
        ),
        (audit.REROUTED, {"providerId": "backup"}, {"backup": completed()}, [*TO_BACKUP, COMPLETED]),
        (
            audit.REROUTED,
            AT_BACKUP,
            {"sandbox": replace(refused(), times_refused=0), "backup": completed()},
            [*TO_BACKUP, COMPLETED],
        ),
        (
            audit.REROUTED,
            {"providerId": "backup"},
            {"sandbox": replace(refused(), times_refused=0), "backup": completed()},
            [*PASSED_OVER, COMPLETED],
        ),
        (
            audit.CALLBACK_REFUSED,
            {},
            {"sandbox": told(completed(), "completed", 400)},
            [*PLACED, COMPLETED],
        ),
        (
            audit.WRONG_REFERENCE,
            {"provider_referans": "1" * 18},
            {"sandbox": completed()},
            [*PLACED, COMPLETED],
        ),
        (
            audit.CALLBACK_LOST,
            {},
            {"sandbox": told(told(entry(words="progress+sameid"), "processing"), "completed", 200, PIN)},
            [*PLACED, COMPLETED],
        ),
        (audit.BROKEN_TIMELINE, {}, {"sandbox": completed()}, PLACED),
    ],
)
def test_each_offence_is_found(
    offence: str, columns: dict[str, Any], entries: dict[str, Order], events: list[Event]
) -> None:
    assert offence in offences(columns, entries, events)


def test_an_order_sent_to_two_providers_that_both_took_it_was_sent_twice() -> None:
    found = offences(AT_BACKUP, {"sandbox": completed(), "backup": completed()}, [*TO_BACKUP, COMPLETED])
    assert {audit.SENT_TWICE, audit.REROUTED} <= set(found)


TIMED_OUT = FAILED | {"failureReason": "timeout"}
EXPIRED = [*PLACED, event(103, "sweep", "sent", "failed", "timeout: no outcome", "applied")]


@pytest.mark.parametrize(("checked_at", "unreachable", "is_right"), [
    (102.5, False, True), (101.9, False, False), (None, False, False), (None, True, True),
])  # fmt: skip
def test_an_order_times_out_after_a_check_that_was_tried(
    checked_at: float | None, unreachable: bool, is_right: bool
) -> None:
    waiting = entry(State.PROCESSING, "never", pin="")
    if checked_at is not None:
        waiting.checked_at.append(BEGAN.timestamp() + checked_at)
    found = offences(TIMED_OUT, {"sandbox": waiting}, EXPIRED, unreachable)
    assert (audit.EXPIRED_UNASKED in found) is not is_right


@pytest.mark.parametrize(
    ("product", "asks", "is_right"),
    [
        (plan.GAME, 4, True),
        (plan.GAME, 2, False),
        (plan.CODE, 8, True),
        (plan.CODE, 6, False),
        (plan.TOP_UP, 0, True),
    ],
)
def test_a_code_may_be_missing_only_where_the_questions_are_used_up(
    product: str, asks: int, is_right: bool
) -> None:
    without = told(entry(words="fetch=9"), "completed")
    polls = [event(5 + n, "poll", "completed", "completed", "checked", "duplicate") for n in range(asks)]
    attention = "no_code" if product == plan.CODE else None
    columns = {"pinCode": None, "productId": product, "attention": attention}
    found = offences(columns, {"sandbox": without}, [*PLACED, COMPLETED, *polls])
    assert found == ([] if is_right else [audit.WRONG_STATE])


END, BACK = notification("completed", 1), notification("reversed", 2)


@pytest.mark.parametrize(
    ("outbox", "calls", "expected"),
    [
        ([END, BACK], [heard(END, 5), heard(BACK, 6)], []),
        ([END, BACK], [heard(END, 5, accepted=False), heard(END, 6), heard(END, 7), heard(BACK, 8)], []),
        ([END, BACK], [heard(END, 5), heard(BACK, 6), heard(END, 7), heard(BACK, 8)], []),
        ([END, BACK], [heard(END, 5)], [audit.NOT_TOLD]),
        ([END, BACK], [heard(END, 5), heard(BACK, 6, accepted=False)], [audit.NOT_TOLD]),
        ([END, BACK], [heard(BACK, 6)], [audit.NOT_TOLD, audit.TOLD_OUT_OF_ORDER]),
        ([END, BACK], [heard(BACK, 5), heard(END, 6)], [audit.TOLD_OUT_OF_ORDER]),
        (
            [END, BACK],
            [heard(END, 5, accepted=False), heard(BACK, 6), heard(END, 7)],
            [audit.TOLD_OUT_OF_ORDER],
        ),
        ([END], [heard(END, 5), heard(BACK, 6)], [audit.TOLD_UNTRUE]),
        ([BACK], [heard(BACK, 5), heard(BACK, 6, status="failed")], [audit.TOLD_UNTRUE]),
        ([], [], [audit.NOT_TOLD]),
    ],
)
def test_what_the_storefront_has_heard_is_compared(
    outbox: list[Notification], calls: list[Heard], expected: list[str]
) -> None:
    book = told(told(entry(State.REVERSED, "reverse"), "completed", 200, PIN), "reversed")
    found = offences(
        REVERSED, {"sandbox": book}, [*PLACED, COMPLETED, TAKEN_BACK], outbox=outbox, calls=calls
    )
    assert found == expected


LEFT = {"externalStatus": "pending", "status": "pending", "externalOrderId": None, "attention": "cannot_ask"}
LEFT |= {"pinCode": None, "completedAt": None, "durationMs": None}


def bought(times: int = 1, asked_at: float = 3, **fields: Any) -> Order:
    """An entry of a book, of an order that was asked about by sending it again."""
    made = entry(**fields)
    made.times_booked = times
    made.sent_at.append(BEGAN.timestamp() + asked_at)
    return made


@pytest.mark.parametrize(
    ("protocol", "columns", "purchases", "events", "expected"),
    [
        ("smm_v2", LEFT, [entry(State.PROCESSING, pin="")], PLACED[:2], []),
        ("smm_v2", LEFT | {"attention": None}, [entry(State.PROCESSING, pin="")], PLACED[:2], [audit.LOST]),
        ("zdk", LEFT, [entry(State.PROCESSING, pin="")], PLACED[:2], [audit.LOST, audit.WRONG_ATTENTION]),
        (
            "smm_v2",
            LEFT,
            [entry(State.PROCESSING, pin=""), entry(State.PROCESSING, pin="")],
            PLACED[:2],
            [audit.SENT_TWICE, audit.BOUGHT_TWICE],
        ),
        ("digiflazz", {}, [bought()], [*PLACED, COMPLETED], []),
        ("digiflazz", {}, [bought(times=2)], [*PLACED, COMPLETED], [audit.BOUGHT_TWICE]),
        ("digiflazz", {}, [bought(asked_at=30)], [*PLACED, COMPLETED], [audit.ASKED_AFTER_END]),
    ],
)
def test_of_an_order_at_a_described_protocol(
    protocol: str, columns: dict[str, Any], purchases: list[Order], events: list[Event], expected: list[str]
) -> None:
    told_of = [] if columns else [notification("completed")]
    calls = [heard(each, 5.0) for each in told_of]
    case = Case(
        row(**columns),
        {"sandbox": purchases[0]},
        list(events),
        told_of,
        calls,
        spoken=Spoken(protocol),
        purchases=tuple(purchases),
    )
    assert list(audit.offences_of(case, Books({}, ORDER_TIMEOUT_SECONDS, ()))) == expected


PUT_OFF = event(1, "dispatch", "pending", "not_sent", "sandbox does not take it now: Limit")
NOT_BOOKED = [replace(refused(), times_refused=0, requests_seen=count) for count in (1, 2)]


@pytest.mark.parametrize(
    ("said", "at_sandbox", "expected"),
    [
        ("sandbox refused our account: Wrong token; sending to backup", None, []),
        ("sandbox is tired; sending to backup", None, [audit.REROUTED]),
        ("sandbox is down: no answer; routed to backup", NOT_BOOKED[0], []),
        ("sandbox is down: no answer; routed to backup", NOT_BOOKED[1], [audit.REROUTED]),
    ],
    ids=["our account", "nothing", "put off", "put off, and sent"],
)
def test_an_order_may_go_on_from_one_who_denies_our_account_or_puts_it_off(
    said: str, at_sandbox: Order | None, expected: list[str]
) -> None:
    put_off = [PUT_OFF, PASSED_OVER[2]] if at_sandbox else []
    events = [
        *PLACED[:2],
        *put_off,
        event(2, "dispatch", "pending", "pending", said),
        TO_BACKUP[-1],
        COMPLETED,
    ]
    told_of = [notification("completed")]
    entries = {"backup": bought(asked_at=2)} | ({"sandbox": at_sandbox} if at_sandbox else {})
    case = Case(
        row(**AT_BACKUP), entries, events, told_of, [heard(told_of[0], 5.0)], spoken=Spoken("digiflazz")
    )
    assert list(audit.offences_of(case, Books({}, ORDER_TIMEOUT_SECONDS, ()))) == expected


@pytest.mark.parametrize(("requests", "expected"), [(1, []), (2, [audit.SENT_TWICE])])
def test_an_order_that_was_put_off_may_end_by_a_person_before_its_next_send(
    requests: int, expected: list[str]
) -> None:
    decided = event(5, "operator", "not_sent", "failed", "failed by a person: gone", "applied")
    columns = FAILED | {"failureReason": "person", "sentAt": None, "claimedAt": None}
    events = [*PLACED[:2], PUT_OFF, decided]
    told_of = [notification("failed")]
    case = Case(
        row(**columns),
        {"sandbox": replace(refused(), times_refused=0, requests_seen=requests)},
        events,
        told_of,
        [heard(told_of[0], 5.0)],
        spoken=Spoken("zdk"),
    )
    assert list(audit.offences_of(case, Books({}, ORDER_TIMEOUT_SECONDS, ()))) == expected
