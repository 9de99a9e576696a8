"""What a chain of balances tells, and that it never tells of what can be explained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import balance_chain
from models.balance_chain import Followed, Known, Step, Unanswered, certain_cost

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def step(number: int, began: float, answered: float, cost: float | None, remaining: float) -> Step:
    price = None if cost is None else Decimal(str(cost))
    return Step(number, at(began), at(answered), price, Decimal(str(remaining)))


def lost(
    name: str, since: float, until: float | None, cost: float | None = None, **fields: bool
) -> Unanswered:
    price = None if cost is None else Decimal(str(cost))
    return Unanswered(name, at(since), None if until is None else at(until), price, **fields)


def follow(
    steps: Sequence[Step],
    unanswered: Sequence[Unanswered] = (),
    *,
    balance: float | None = 100,
    under_way_since: float | None = None,
) -> Followed:
    known = None if balance is None else Known(Decimal(balance), at(0))
    horizon = None if under_way_since is None else at(under_way_since)
    followed = balance_chain.follow(known, steps, None, horizon)
    return followed or told(balance_chain.follow(known, steps, unanswered, horizon))


def told(followed: Followed | None) -> Followed:
    assert followed is not None
    return followed


def gaps(followed: Followed) -> list[tuple[Decimal, int]]:
    """Amount, and the step after it, of each gap."""
    return [(fall.amount, fall.later) for fall in followed.falls if not fall.by]


def explained(followed: Followed) -> list[tuple[Decimal, tuple[str, ...]]]:
    return [(fall.amount, fall.by) for fall in followed.falls if fall.by]


class TestWhatIsNoGap:
    def test_steps_that_follow_one_another(self) -> None:
        followed = follow([step(1, 1, 2, 10, 90), step(2, 3, 4, 20, 70)])
        assert (gaps(followed), followed.placed, followed.end) == ([], (1, 2), Known(Decimal("70.00"), at(3)))

    def test_answers_that_overtook_each_other(self) -> None:
        followed = follow([step(1, 1, 9, 20, 70), step(2, 1, 4, 10, 90)])
        assert (gaps(followed), followed.placed) == ([], (2, 1))

    @pytest.mark.parametrize("amount", [10, 3])
    def test_a_rise_by_a_refund_or_a_deposit(self, amount: float) -> None:
        assert not gaps(follow([step(1, 1, 2, 10, 90), step(2, 3, 4, 10, 80 + amount)]))

    def test_a_balance_that_occurs_again(self) -> None:
        steps = [step(1, 1, 2, 10, 90), step(2, 3, 6, 10, 90), step(3, 3, 6, 10, 80)]
        assert not gaps(follow(steps))

    def test_the_first_balance_of_all(self) -> None:
        assert not gaps(follow([step(1, 1, 2, 10, 40), step(2, 3, 4, 10, 30)], balance=None))

    @pytest.mark.parametrize("cost", [None, 10, 12])
    def test_what_a_send_without_an_answer_took(self, cost: float | None) -> None:
        followed = follow([step(1, 4, 5, 10, 80)], [lost("order", 1, 3, cost)])
        assert (gaps(followed), explained(followed)) == ([], [(Decimal("10.00"), ("order",))])

    def test_what_two_of_them_took_together(self) -> None:
        followed = follow([step(1, 4, 5, 10, 60)], [lost("a", 1, 3, 10), lost("b", 2, 3, 20)])
        assert (gaps(followed), explained(followed)) == ([], [(Decimal("30.00"), ("a", "b"))])

    def test_what_more_of_them_took_than_are_tried_together(self) -> None:
        many = [lost(f"order {number}", 1, 3, 1) for number in range(20)]
        assert not gaps(follow([step(1, 4, 5, 10, 70)], many))

    def test_a_step_whose_cost_is_not_known(self) -> None:
        assert not gaps(follow([step(1, 1, 2, None, 55)]))

    @pytest.mark.parametrize("rounded", [89.99, 90.01, 89.98])
    def test_what_rounding_makes(self, rounded: float) -> None:
        assert not gaps(follow([step(1, 1, 2, 10, 90), step(2, 3, 4, 5, rounded - 5)]))

    def test_a_clock_that_went_back(self) -> None:
        assert not gaps(follow([step(1, 5, 6, 10, 90), step(2, 4.8, 4.9, 10, 80)]))


class TestGaps:
    def test_a_purchase_between_two_steps(self) -> None:
        followed = follow([step(1, 1, 2, 10, 90), step(2, 3, 4, 10, 75)])
        assert gaps(followed) == [(Decimal("5.00"), 2)]
        [gap] = followed.falls
        assert (gap.balance, gap.earlier, gap.since, gap.until) == (Decimal("90.00"), 1, at(1), at(4))

    def test_a_question_shows_one_in_a_pause(self) -> None:
        assert gaps(follow([step(1, 1, 2, 10, 90), step(2, 3600, 3601, 0, 65)])) == [(Decimal("25.00"), 2)]

    def test_a_purchase_that_was_counted_twice(self) -> None:
        assert gaps(follow([step(1, 1, 2, 10, 80)])) == [(Decimal("10.00"), 1)]

    def test_a_purchase_beside_a_deposit_with_an_answer_between(self) -> None:
        steps = [step(1, 1, 2, 10, 85), step(2, 3, 4, 10, 500)]
        assert gaps(follow(steps)) == [(Decimal("5.00"), 1)]

    def test_one_send_explains_one_fall(self) -> None:
        steps = [step(1, 2, 3, 10, 80), step(2, 4, 5, 10, 60)]
        assert len(gaps(follow(steps, [lost("order", 1, 6)]))) == 1

    def test_a_send_explains_nothing_before_it_began_or_after_it_was_known(self) -> None:
        steps = [step(1, 2, 3, 10, 80), step(2, 11, 12, 10, 70), step(3, 14, 15, 10, 50)]
        assert len(gaps(follow(steps, [lost("order", 5, 10)]))) == 2

    def test_a_send_explains_no_more_than_it_cost(self) -> None:
        followed = follow([step(1, 4, 5, 10, 77)], [lost("order", 1, 3, 10)])
        assert gaps(followed) == [(Decimal("3.00"), 1)]

    def test_several_at_once_among_many_steps(self) -> None:
        steps = [step(number, number, number + 8, 1, 99 - number) for number in range(50)]
        moved = [
            replace(
                each, remaining=each.remaining - (3 if each.id >= 20 else 0) - (4 if each.id >= 30 else 0)
            )
            for each in steps
        ]
        assert gaps(follow(moved)) == [(Decimal("3.00"), 20), (Decimal("4.00"), 30)]


class TestWhatIsCertain:
    def test_nothing_is_while_a_send_is_under_way(self) -> None:
        steps = [step(1, 1, 2, 10, 90), step(2, 3, 4, 10, 75)]
        followed = follow(steps, under_way_since=2.5)
        assert (followed.placed, gaps(followed)) == ((1,), [])
        assert gaps(follow(steps, under_way_since=4.5)) == [(Decimal("5.00"), 2)]

    def test_nor_is_what_was_answered_after_it_began(self) -> None:
        steps = [step(1, 1, 2, 10, 90), step(2, 3, 6, 10, 75)]
        followed = follow(steps, under_way_since=4)
        assert (followed.placed, gaps(followed)) == ((1,), [])

    def test_a_gap_is_told_although_another_fall_may_change(self) -> None:
        steps = [step(1, 2, 3, 10, 80), step(2, 40, 41, 10, 60)]
        followed = follow(steps, [lost("order", 1, None, is_settled=False)])
        assert (followed.placed, len(gaps(followed)), len(explained(followed))) == ((), 1, 1)

    def test_a_fall_is_settled_once_nothing_more_is_learned(self) -> None:
        assert follow([step(1, 4, 5, 10, 80)], [lost("order", 1, 3)]).placed == (1,)

    def test_a_fall_is_open_while_what_explains_it_may_be_needed_elsewhere(self) -> None:
        steps = [step(1, 4, 5, 10, 80), step(2, 6, 7, 10, 50)]
        ones = [lost("a", 1, 9, 20), lost("b", 1, 9, is_settled=False)]
        assert (gaps(follow(steps, ones)), follow(steps, ones).placed) == ([], ())

    def test_two_ends_that_are_both_possible_wait_for_more(self) -> None:
        together = [step(1, 1, 9, 10, 90), step(2, 1, 9, 0, 100)]
        followed = follow(together)
        assert (followed.placed, gaps(followed)) == ((2, 1), [])

    def test_too_many_stories_tell_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(balance_chain, "MAX_STORIES", 3)
        steps = [step(number, 1, 50, 10, 1000 * number) for number in range(1, 9)]
        followed = follow([*steps, step(9, 51, 52, 10, 5)])
        assert followed.is_lost and not followed.falls
        assert (followed.end, len(followed.placed)) == (None, 9)


class TestWhatSendsCost:
    def test_known_if_those_before_and_after_cost_the_same(self) -> None:
        prices = [(at(second), at(second + 1), Decimal(10)) for second in (1, 2, 8, 9)]
        assert certain_cost(prices, at(5)) == 10

    @pytest.mark.parametrize("times", [(1, 2, 8), (1, 8, 9), (1, 2), ()])
    def test_not_known_with_fewer(self, times: tuple[float, ...]) -> None:
        assert certain_cost([(at(second), at(second + 1), Decimal(10)) for second in times], at(5)) is None

    def test_not_known_while_the_price_changes(self) -> None:
        prices = [(at(second), at(second + 1), Decimal(10 + (second > 5))) for second in (1, 2, 8, 9)]
        assert certain_cost(prices, at(5)) is None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that moves a balance: at its index in the history, told between `began` and `answered`."""

    kind: str
    amount: int
    before: int
    after: int
    is_cost_known: bool


KINDS = st.sampled_from(["send"] * 8 + ["lost", "lost", "refund", "deposit", "ask", "unsent"])
EVENTS = st.builds(
    Event, KINDS, st.integers(1, 3), st.integers(0, 9), st.integers(0, 9), is_cost_known=st.booleans()
)


def lost_step(each: Step) -> Unanswered:
    return Unanswered(f"step {each.id}", each.began_at, each.answered_at, each.cost)


def gaps_told(events: Sequence[Event], moments: Sequence[int]) -> list[tuple[Decimal, int]]:
    """Let it all happen, one event a second, and follow the chain at each of the moments and at the end."""
    balance, steps, sends = 10_000, [], []
    for second, event in enumerate(events):
        began, answered = second - event.before, second + event.after + 0.5
        balance += {"refund": 1, "deposit": 7, "unsent": 0, "ask": 0}.get(event.kind, -1) * event.amount
        if event.kind == "send":
            steps.append(step(second, began, answered, event.amount, balance))
        elif event.kind == "ask":
            steps.append(step(second, began, answered, 0, balance))
        elif event.kind in ("lost", "unsent"):
            cost = event.amount if event.is_cost_known else None
            sends.append((lost(f"order {second}", began, answered + 20, cost), event))
    found, known, used = [], None, set[str]()
    steps.sort(key=lambda each: each.answered_at)
    steps = [replace(each, id=number) for number, each in enumerate(steps)]
    waiting = list(steps)
    for moment in [*sorted(moments), len(events) + 60]:
        now = at(moment)
        here = [each for each in waiting if each.answered_at <= now]
        under_way = [each.began_at for each in waiting if each.began_at <= now < each.answered_at]
        open_sends = [
            replace(send, until=None, cost=None, is_settled=False) if (send.until or now) > now else send
            for send, event in sends
            if send.since <= now
            and send.id not in used
            and not (event.kind == "unsent" and (send.until or now) <= now)
        ] + [
            Unanswered(f"step {each.id}", each.began_at, None, is_settled=False)
            for each in waiting
            if each.began_at <= now < each.answered_at
        ]
        horizon = min(under_way, default=None)
        followed = told(balance_chain.follow(known, here, open_sends, horizon))
        known = followed.end
        waiting = [each for each in waiting if each.id not in followed.placed]
        if followed.is_lost:  # what is under way explains what it took
            late = [each for each in waiting if each.began_at <= now]
            waiting = [each for each in waiting if each not in late]
            sends += [(lost_step(each), Event("lost", 0, 0, 0, True)) for each in late]
        used |= {one for fall in followed.falls if fall.later in followed.placed for one in fall.by}
        found += gaps(followed)
    return found


@settings(max_examples=300)
@given(events=st.lists(EVENTS, min_size=1, max_size=40), moments=st.lists(st.integers(0, 60), max_size=4))
def test_what_is_all_ours_has_no_gap(events: list[Event], moments: list[int]) -> None:
    assert gaps_told(events, moments) == []
