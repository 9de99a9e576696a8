"""The chain of balances: whether what we bought explains how the balance of a provider's account moved. Pure.

Each answer to a send tells what it cost and what remained: a *step* of the balance from `cost + remaining` down to
`remaining`, at an unknown moment between the send and its answer. Steps of sends that were under way together may have
come in any order; a step that was answered before another one began came before it.

A *story* puts all steps in an order that is possible. Between two steps the balance may rise by any amount: a refund
or a deposit. It may fall only by what a send without an answer took (`Unanswered`): each of them once, within its time.
Any other fall is a *gap*: a purchase that is not ours, or one counted twice. A gap is told only where no story does
without one. So whatever can be explained is no gap.

Of the stories that have placed the same steps, only those with the lowest balance, the fewest gaps or the fewest
unanswered sends used are followed: since a rise needs no explanation, whatever can follow a higher balance can follow a
lower one. That keeps the number of stories small, and gives up none that could do without a gap.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import combinations, pairwise, takewhile
from typing import TypeAlias

#: Stories followed at a time, and over all steps, which takes some seconds; where there are more, nothing is told.
MAX_STORIES, MAX_STORIES_IN_ALL = 2_000, 200_000
#: How stories are looked for: gaps that one may have more than the best one so far, and falls that it may have
#: although a step would have gone on from its balance. The first finds each story without a gap; where there is
#: none, the second tells better where the gap lies.
BREADTH, BREADTH_OF_GAPS = (0, 2), (1, 0)
#: Sends without an answer, of known cost, that are tried together; of more, the costs do not count.
MAX_TOGETHER = 8
#: Amounts are compared as whole numbers of this many decimals: as many as `texts.clean_money` keeps.
DECIMALS = 6
#: Sends before, and after, that must have cost the same for the cost of one between them to be known.
PRICES_ALIKE = 2
#: The smallest amount that most providers' answers tell.
CENT = Decimal("0.01")


#: When a send began, when it was answered, and what it cost.
Price: TypeAlias = tuple[datetime, datetime, Decimal]


@dataclass(frozen=True, slots=True)
class Step:
    """An answer that told the balance. A question for the balance is a step that cost nothing."""

    id: int
    #: It happened between these two.
    began_at: datetime
    answered_at: datetime
    #: None: the answer did not tell it, so it may have been anything.
    cost: Decimal | None
    remaining: Decimal


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A send without an answer that told the balance: it may have taken its cost, once."""

    id: str
    since: datetime
    #: It had taken it by then, if at all. None: it still may.
    until: datetime | None
    #: What it costs; None may be any amount.
    cost: Decimal | None = None
    #: Nothing more will be learned about it.
    is_settled: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """The end of the chain so far."""

    balance: Decimal
    #: It was that, or had been, at this moment or later.
    since: datetime


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall of the balance between two steps."""

    #: Of a gap, without what a send beside it has taken.
    amount: Decimal
    #: The balance before it.
    balance: Decimal
    #: Ids of the steps on both sides; the earlier one is None where it is the end of the chain so far.
    earlier: int | None
    later: int
    #: It happened between these two.
    since: datetime
    until: datetime
    #: Ids of the sends that explain it; without any it is a gap.
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Followed:
    """What the chain tells."""

    #: Ids of the steps up to which it is settled, in the order of the story.
    placed: tuple[int, ...]
    #: Its end after those; None if the balance there is not known.
    end: Known | None
    #: Falls that are certain, also where what explains them may change: they are told again then.
    falls: tuple[Fall, ...] = ()
    #: There were too many stories, so nothing is told: the chain begins anew with what begins from now on.
    is_lost: bool = False


@dataclass(slots=True)
class _Story:
    """The steps placed so far, as bits of `placed`, and the balance after them; `before` lacks the last one."""

    placed: int
    balance: int | None
    #: The last moment at which a placed step began, and at which one was answered.
    began_at: datetime | None
    answered_at: datetime | None = None
    #: Bits of the unanswered sends that it uses.
    used: int = 0
    gaps: int = 0
    #: How much more those sends cost, where that is known, than the balance fell.
    excess: int = 0
    #: Its falls that are explained by sends of which something may still be learned: how far, and the bits of those
    #: of such sends that were possible then; sorted.
    bets: tuple[tuple[int, int], ...] = ()
    #: Falls although a step would have gone on from its balance.
    needless: int = 0
    #: The last step, and how far the balance fell before it.
    step: int = -1
    fall: int = 0
    before: "_Story | None" = field(default=None, repr=False)


def follow(
    known: Known | None,
    steps: Sequence[Step],
    unanswered: Sequence[Unanswered] | None,
    under_way_since: datetime | None,
    unit: Decimal = CENT,
) -> Followed | None:
    """Follow the chain on from `known`; None at its beginning, where the first step may be anywhere.

    Only what was answered before `under_way_since` is certain: sends that began then have no answer yet (None: there
    are none). `unit` is the smallest amount that the provider's answers tell. With None for `unanswered` only stories
    without any fall are followed, which is quick; None if there is none. That suffices where there are no such sends.
    """
    return _Chain(known, steps, unanswered, under_way_since, unit).follow()


def _covers(amount: Decimal, ones: Iterable[Unanswered], unit: Decimal) -> bool:
    """Whether these sends can have taken that much; what they cost beyond it was made up for by a rise."""
    costs = [one.cost for one in ones]
    return None in costs or sum(cost for cost in costs if cost is not None) >= amount - 2 * unit


def _together(ones: Sequence[Unanswered], amount: Decimal, unit: Decimal) -> Iterator[tuple[Unanswered, ...]]:
    """Sends of known cost that can have taken it together, none of which can be left out; of like ones the first."""
    known = [one for one in ones if not _covers(amount, [one], unit)]
    if len(known) > MAX_TOGETHER:
        yield tuple(known[:1])
        return
    seen: set[tuple[Decimal, ...]] = set()
    for count in range(2, len(known) + 1):
        for users in combinations(known, count):
            costs = tuple(sorted(one.cost or Decimal(0) for one in users))
            if (
                costs not in seen
                and sum(costs) - costs[0] < amount - 2 * unit
                and _covers(amount, users, unit)
            ):
                seen.add(costs)
                yield users


def _is_within(one: Unanswered, since: datetime | None, until: datetime | None) -> bool:
    """Whether it may have been booked between these two."""
    may_begin = until is None or one.since <= until
    return may_begin and (since is None or one.until is None or one.until >= since)


def _by_until(one: Unanswered) -> tuple[bool, datetime]:
    return one.until is None, one.until or one.since


class _Chain:
    """One call of `follow`."""

    def __init__(
        self,
        known: Known | None,
        steps: Sequence[Step],
        unanswered: Sequence[Unanswered] | None,
        under_way_since: datetime | None,
        unit: Decimal,
    ) -> None:
        self._known = known
        # What began after the first send under way cannot come before anything that is certain.
        early = [step for step in steps if under_way_since is None or step.began_at < under_way_since]
        self._steps = sorted(early, key=lambda step: (step.began_at, step.id))
        self._answered_at = _answered_at(self._steps)
        self._before = [None if s.cost is None else _whole(s.cost + s.remaining) for s in self._steps]
        self._after = [_whole(step.remaining) for step in self._steps]
        self._may_fall = unanswered is not None
        self._unanswered = sorted(unanswered or (), key=_by_until)
        self._settled = sum(1 << index for index, one in enumerate(self._unanswered) if one.is_settled)
        self._under_way_since = under_way_since
        self._unit = unit
        # Cost and both balances may each be rounded.
        self._tolerance = 2 * _whole(unit)
        self._next: dict[int, tuple[list[int], datetime]] = {}

    def follow(self) -> Followed | None:
        layers = self._layers(*BREADTH)
        if layers is None:
            return Followed(tuple(step.id for step in self._steps), None, is_lost=True)
        if not layers[-1]:
            return None
        if layers[-1][0].gaps:
            others = self._layers(*BREADTH_OF_GAPS)
            if others and others[-1][0].gaps <= layers[-1][0].gaps:
                layers = others
        return self._told_by(layers)

    def _layers(self, slack: int, needless: int) -> list[list[_Story]] | None:
        """The stories with no step, with one, and so on; the last is empty if there is none. None if too many."""
        known = self._known
        layers = [[_Story(0, _whole(known.balance), known.since) if known else _Story(0, None, None)]]
        followed = 0
        for _ in self._steps:
            layers.append(self._follow_all(layers[-1], slack, needless))
            followed += len(layers[-1])
            if len(layers[-1]) > MAX_STORIES or followed > MAX_STORIES_IN_ALL:
                return None
        return layers

    def _follow_all(self, layer: list[_Story], slack: int, most_needless: int) -> list[_Story]:
        """Every story that is one step longer, but for those that another one makes needless."""
        found: dict[int, list[_Story]] = {}
        for story in layer:
            for longer in self._longer(story, most_needless):
                rivals = found.setdefault(longer.placed, [])
                if not any(self._is_as_good(rival, longer) for rival in rivals):
                    rivals[:] = [rival for rival in rivals if not self._is_as_good(longer, rival)]
                    rivals.append(longer)
        stories = [story for rivals in found.values() for story in rivals]
        fewest = min((story.gaps for story in stories), default=0)
        return sorted(
            (story for story in stories if story.gaps <= fewest + slack), key=lambda story: story.gaps
        )

    def _is_as_good(self, one: _Story, other: _Story) -> bool:
        """Whether whatever can follow `other`, which has placed the same, can follow `one`, also once more is known.

        That needs a balance that is no higher, no more gaps, no other sends, and no other falls that are a bet.
        """
        is_lower = one.balance is None or (other.balance is not None and one.balance <= other.balance)
        if not is_lower or one.gaps > other.gaps or one.needless > other.needless:
            return False
        if one.used & ~other.used & self._settled:
            return False
        left = list(other.bets)
        for fall, possible in one.bets:
            like = next((bet for bet in left if bet[0] >= fall and not bet[1] & ~possible), None)
            if like is None:
                return False
            left.remove(like)
        return True

    def _longer(self, story: _Story, most_needless: int) -> Iterator[_Story]:
        """The story with each step that may come next. As a rule it falls only where none goes on from its balance."""
        possible, until = self._possible(story.placed)
        depths = {index: self._depth(story, index) for index in possible}
        goes_on = any(depth is not None and abs(depth) <= self._tolerance for depth in depths.values())
        may_fall = self._may_fall and (not goes_on or story.needless < most_needless)
        for index, depth in depths.items():
            if depth is None or depth <= self._tolerance:
                yield self._placed(story, index)
            elif may_fall:
                yield self._placed(story, index, fall=depth, gaps=1, needless=goes_on)
                for used in self._explanations(story, depth, until):
                    yield self._placed(story, index, fall=depth, used=used, needless=goes_on)

    def _depth(self, story: _Story, index: int) -> int | None:
        """How far the balance must fall for this step to come next, below 0 if it rises; None if any way will do."""
        before = self._before[index]
        return None if story.balance is None or before is None else story.balance - before

    def _placed(
        self,
        story: _Story,
        index: int,
        *,
        fall: int = 0,
        gaps: int = 0,
        used: int = 0,
        needless: bool = False,
    ) -> _Story:
        began_at, answered_at = self._steps[index].began_at, self._answered_at[index]
        return _Story(
            story.placed | 1 << index,
            self._after[index],
            max(story.began_at or began_at, began_at),
            max(story.answered_at or answered_at, answered_at),
            story.used | used,
            story.gaps + gaps,
            story.excess + self._excess(fall, used),
            self._bets(story, fall) if used & ~self._settled else story.bets,
            story.needless + needless,
            index,
            fall,
            story,
        )

    def _bets(self, story: _Story, fall: int) -> tuple[tuple[int, int], ...]:
        _, until = self._possible(story.placed)
        possible = sum(
            1 << index
            for index, one in enumerate(self._unanswered)
            if not one.is_settled and _is_within(one, story.began_at, until)
        )
        return tuple(sorted((*story.bets, (fall, possible))))

    def _excess(self, fall: int, used: int) -> int:
        costs = [one.cost for index, one in enumerate(self._unanswered) if used >> index & 1]
        known = [_whole(cost) for cost in costs if cost is not None]
        return max(0, sum(known) - fall) if used and len(known) == len(costs) else 0

    def _possible(self, placed: int) -> tuple[list[int], datetime]:
        """The steps that may come next, and when the first of all that are left was answered."""
        if placed not in self._next:
            index = ((placed + 1) & ~placed).bit_length() - 1
            first, found = self._answered_at[index], []
            while index < len(self._steps) and self._steps[index].began_at <= first:
                if not placed >> index & 1:
                    found.append(index)
                    first = min(first, self._answered_at[index])
                index += 1
            self._next[placed] = [index for index in found if self._steps[index].began_at <= first], first
        return self._next[placed]

    def _explanations(self, story: _Story, depth: int, until: datetime) -> Iterator[int]:
        """Ways to explain a fall that came after the story's steps and before `until`; of like ones, the first."""
        amount = _amount(depth)
        free = {
            one.id: 1 << index
            for index, one in enumerate(self._unanswered)
            if not story.used >> index & 1 and _is_within(one, story.began_at, until)
        }
        ones = [one for one in self._unanswered if one.id in free]
        seen = set()
        for one in ones:
            kind = one.cost, one.is_settled
            if kind not in seen and _covers(amount, [one], self._unit):
                yield free[one.id]
            seen.add(kind)
        for several in _together(ones, amount, self._unit):
            yield sum(free[one.id] for one in several)

    def _told_by(self, layers: list[list[_Story]]) -> Followed:
        """What the best stories tell: as far as they agree, or else as far as one goes that nothing can change."""
        fewest = layers[-1][0].gaps
        best = [story for story in layers[-1] if story.gaps == fewest]
        best.sort(
            key=lambda story: (bool(story.bets), story.balance or 0, story.used.bit_count(), story.excess)
        )
        chosen = _stories(best[0])
        is_firm = not best[0].bets and (best[0].balance or 0) <= min(story.balance or 0 for story in best)
        agreed = set(range(len(chosen))) if is_firm else _agreed([_stories(story) for story in best])
        is_certain = [
            self._is_over(story.answered_at) and story.gaps == layer[0].gaps
            for story, layer in zip(chosen, layers, strict=True)
        ]
        certain = max(place for place, is_so in enumerate(is_certain) if is_so)
        return self._told(chosen[: certain + 1], agreed)

    def _is_over(self, answered_at: datetime | None) -> bool:
        under_way = self._under_way_since
        return under_way is None or answered_at is None or answered_at < under_way

    def _told(self, stories: list[_Story], agreed: set[int]) -> Followed:
        """What a story tells. It is settled up to one of the `agreed` places, before any fall that may change."""
        last = stories[-1]
        falls = {
            later.step: self._fall_between(earlier, later, last)
            for earlier, later in pairwise(stories)
            if later.fall
        }
        may_change = self._may_change(list(falls.values()), last)
        firm = list(takewhile(lambda story: falls.get(story.step) not in may_change, stories))
        settled = stories[: max(place for place in agreed if place < len(firm)) + 1]
        end = settled[-1]
        return Followed(
            tuple(self._steps[story.step].id for story in settled[1:]),
            Known(_amount(end.balance), end.began_at)
            if end.balance is not None and end.began_at
            else self._known,
            tuple(falls.values()),
        )

    def _may_change(self, falls: list[Fall], certain: _Story) -> list[Fall]:
        """The falls whose explanation may turn out to be another one.

        Something may still be learned of a send that explains it, or that could; or what explains it can explain
        another such fall, or one that comes later, while the fall itself has another explanation.
        """
        ones = {one.id: one for one in self._unanswered}
        found = [fall for fall in falls if not all(one.is_settled for one in self._near(fall, ones))]
        following = certain.began_at
        left = [fall for fall in falls if fall not in found and self._others(fall)]
        while True:
            times = [(fall.since, fall.until) for fall in found] + [(following, None)]
            joined = [
                fall
                for fall in left
                if any(_is_within(ones[one], since, until) for one in fall.by for since, until in times)
            ]
            if not joined:
                return found
            found += joined
            left = [fall for fall in left if fall not in joined]

    def _near(self, fall: Fall, ones: Mapping[str, Unanswered]) -> list[Unanswered]:
        """What explains the fall, or if nothing does, what could if it explained nothing else."""
        if fall.by:
            return [ones[one] for one in fall.by]
        return [one for one in self._unanswered if _is_within(one, fall.since, fall.until)]

    def _others(self, fall: Fall) -> bool:
        """Whether other sends could explain the fall, too, or part of it."""
        return any(
            one.id not in fall.by and _is_within(one, fall.since, fall.until) for one in self._unanswered
        )

    def _fall_between(self, earlier: _Story, later: _Story, certain: _Story) -> Fall:
        assert earlier.balance is not None and earlier.began_at is not None
        _, until = self._possible(earlier.placed)
        by = [one for index, one in enumerate(self._unanswered) if (later.used ^ earlier.used) >> index & 1]
        amount = _amount(later.fall)
        if not by:
            amount -= self._part_of(amount, earlier.began_at, until, certain)
        return Fall(
            amount,
            _amount(earlier.balance),
            None if earlier.before is None else self._steps[earlier.step].id,
            self._steps[later.step].id,
            earlier.began_at,
            until,
            tuple(one.id for one in by),
        )

    def _part_of(self, amount: Decimal, since: datetime, until: datetime, certain: _Story) -> Decimal:
        """What sends that explain nothing else have taken of a gap, at most one of them."""
        costs = [
            one.cost
            for index, one in enumerate(self._unanswered)
            if one.cost is not None and not certain.used >> index & 1 and _is_within(one, since, until)
        ]
        return max((cost for cost in costs if cost < amount), default=Decimal(0))


def _answered_at(steps: Sequence[Step]) -> list[datetime]:
    """When each step was answered at the latest: one that is kept later counts as later, even if a clock went back."""
    latest: dict[int, datetime] = {}
    so_far: datetime | None = None
    for step in sorted(steps, key=lambda step: step.id):
        so_far = max(so_far or step.answered_at, step.answered_at, step.began_at)
        latest[step.id] = so_far
    return [latest[step.id] for step in steps]


def _stories(last: _Story) -> list[_Story]:
    """The story as it grew, from its beginning."""
    found = [last]
    while (before := found[-1].before) is not None:
        found.append(before)
    return found[::-1]


def _agreed(stories: Sequence[list[_Story]]) -> set[int]:
    """After how many steps all of these stories have placed the same, and none has a lower balance than the first."""
    return {
        place
        for place, (first, *others) in enumerate(zip(*stories, strict=True))
        if all(other.placed == first.placed for other in others)
        and (first.balance is None or all((other.balance or 0) >= first.balance for other in others))
    }


def _whole(amount: Decimal) -> int:
    return int(amount.scaleb(DECIMALS).to_integral_value())


def _amount(whole: int) -> Decimal:
    """With two decimals, or as many as it needs."""
    exact = Decimal(whole).scaleb(-DECIMALS)
    short = exact.quantize(CENT)
    return short if short == exact else exact.normalize()


def certain_cost(prices: Sequence[Price], at: datetime) -> Decimal | None:
    """What a send at that moment cost: `prices` are of others of the same package, oldest first.

    Known if the PRICES_ALIKE before and after it cost the same. None is any amount.
    """
    before = [cost for _, answered_at, cost in prices if answered_at < at][-PRICES_ALIKE:]
    after = [cost for began_at, _, cost in prices if began_at > at][:PRICES_ALIKE]
    alike = set(before + after)
    return alike.pop() if len(alike) == 1 and len(before) == len(after) == PRICES_ALIKE else None
