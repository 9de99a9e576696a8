"""What a player id makes an order do, and what the book keeps: no network."""

import re
from decimal import Decimal

import pytest

from gateway.dev.simulator import GRAMMAR, Book, State, pin_for
from gateway.dev.simulator.behaviours import (
    DESCRIBED_WORDS,
    WAYS,
    WORDS,
    Behaviour,
    Fault,
    of_player,
    parse,
    words_of,
)
from gateway.dev.simulator.book import BalanceTooLow, SentBefore
from gateway.dev.simulator.php import BUILDERS


def make_book(balance: str = "100", times: list[float] | None = None) -> Book:
    ticks = iter(times or [float(second) for second in range(1000)])
    return Book(Decimal(balance), clock=lambda: next(ticks))


def test_every_word_is_in_the_table_and_nothing_else() -> None:
    words, _, ways = GRAMMAR.partition("WAY of php")
    listed = re.findall(r"^ {4}([a-z0-9-]+)[\[= ]", words, re.MULTILINE)
    assert sorted(word for word in listed if not re.fullmatch(r"-+|word", word)) == sorted(
        {**WORDS, **DESCRIBED_WORDS}
    )
    assert re.findall(r"^ {4}([a-z0-9-]+) ", ways, re.MULTILINE) == list(WAYS)


def test_every_way_of_php_has_a_request_of_its_own() -> None:
    assert {*BUILDERS, "head"} == set(WAYS)


@pytest.mark.parametrize(
    ("player", "words"),
    [
        ("ali", ""),
        ("ali+poll", "poll"),
        ("ali+poll+after=3", "poll+after=3"),
        ("ali+poll 5551112233", "poll"),
        ("+905551112233", ""),
        ("", ""),
        ("  ", ""),
    ],
)
def test_words_follow_the_name(player: str, words: str) -> None:
    assert words_of(player) == words


def test_words_combine() -> None:
    behaviour = parse("poll+after=2.5+fail=Hesap_kilitli+pipes")
    assert behaviour == Behaviour(
        after_seconds=2.5, calls_back=False, fail_reason="Hesap kilitli", pipes=True
    )


def test_words_of_the_player_are_added_to_the_base() -> None:
    behaviour = of_player("ali+callback", parse("poll+after=1"))
    assert behaviour == Behaviour(after_seconds=1.0)


def test_text_in_place_of_a_pin_may_be_any_text() -> None:
    blanks = [parse(f"blank={text}").blank for text in ("N/A", "*****", "لا_يوجد", "%E2%80%8B", "")]
    assert blanks == ["N/A", "*****", "لا يوجد", "\u200b", ""]


def test_of_fetch_and_follow_the_later_one_counts() -> None:
    assert parse("follow+fetch=3") == Behaviour(pin_after_seconds=3.0)
    assert parse("fetch=3+follow") == Behaviour(pin_after_seconds=5.0, follow=True)


def test_send_faults_follow_each_other_and_then_end() -> None:
    sends = parse("html=2+cutafter").sends
    assert [sends.at(nth).failure for nth in range(1, 5)] == ["html", "html", "cutafter", ""]


def test_a_delay_goes_with_a_failure() -> None:
    checks = parse("check-slow=3x2+check-500").checks
    assert [checks.at(nth) for nth in (1, 2, 3)] == [Fault("500", 3.0), Fault("", 3.0), Fault()]


@pytest.mark.parametrize(
    "words",
    [
        "pol",
        "after",
        "after=x",
        "after=-1",
        "after=nan",
        "html=0",
        "html=x",
        "poll=1",
        "slow",
        "codes",
        "codes=0",
        "codes=101",
        "php",
        "php=perl",
        "blank=%FF",
        "reverse=x",
    ],
)
def test_what_cannot_be_read_is_refused_by_name(words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(words))):
        parse(words)
    assert repr(words) in (of_player(f"ali+{words}").refuse_reason or "")


def test_an_order_is_booked_once_and_paid_once() -> None:
    book = make_book()
    order = book.sent("1", "ali", Behaviour())
    book.book(order, Decimal(30))
    book.sent("1", "ali", Behaviour())
    with pytest.raises(SentBefore):
        book.book(order, Decimal(30))
    assert (book.balance, book.requests_seen(), book.bookings()) == (Decimal(70), {"1": 2}, {"1": 1})


def test_an_order_that_costs_more_than_the_balance_is_not_booked() -> None:
    book = make_book("10")
    order = book.sent("1", "ali", Behaviour())
    with pytest.raises(BalanceTooLow):
        book.book(order, Decimal("10.01"))
    assert (order.state, book.balance) == (State.UNBOOKED, Decimal(10))


def test_cancelling_pays_back_once_and_reviving_takes_again() -> None:
    book = make_book()
    order = book.sent("1", "ali", Behaviour())
    book.book(order, Decimal(30))
    balances = []
    for state in (State.FAILED, State.FAILED, State.COMPLETED, State.COMPLETED):
        book.decide(order, state, "", "")
        balances.append(book.balance)
    assert balances == [100, 100, 70, 70]


def test_a_reversal_pays_back_and_keeps_the_pin() -> None:
    book = make_book()
    order = book.sent("1", "ali", Behaviour())
    book.book(order, Decimal(30))
    book.decide(order, State.COMPLETED, "PIN", "")
    book.decide(order, State.REVERSED, order.pin, "")
    assert (order.state, order.pin, book.balance) == (State.REVERSED, "PIN", Decimal(100))


def test_the_book_keeps_times() -> None:
    book = make_book(times=[1.0, 2.0, 3.0, 4.0, 5.0])
    order = book.sent("1", "ali", Behaviour())
    book.book(order, Decimal(1))
    book.checked("1")
    book.decide(order, State.COMPLETED, "PIN", "")
    book.called_back(order, "completed", 503, ("PIN",))
    shown = order.as_dict()
    assert (shown["sent_at"], shown["booked_at"], shown["checked_at"], shown["decided_at"]) == (
        [1],
        2,
        [3],
        4,
    )
    assert shown["callbacks"] == [{"at": 5.0, "status": "completed", "answer": 503, "codes": ["PIN"]}]
    assert list(order.checked_states) == [State.PROCESSING]
    assert (order.times_called_back, order.callbacks_delivered) == (1, 0)


def test_a_pin_follows_from_its_reference() -> None:
    assert pin_for("123") == pin_for("123") != pin_for("124")
    assert pin_for("123") != pin_for("123", "other")
    assert re.fullmatch(r"[A-Z]{4}-\d{4}-[A-Z]{4}-\d{4}", pin_for("123"))
