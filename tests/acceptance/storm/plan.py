"""What a storm consists of, all of it from one seed: which orders, when, and what breaks at which moment. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.dev.simulator.behaviours import WAYS

#: The products, each with a route of its own: whether its orders bring a code is not said, said, and denied; and
#: one whose provider calls back as PHP scripts do.
GAME, CODE, TOP_UP, PHP = "game", "code", "top-up", "php"
#: How orders for a game behave at the provider (the simulator's words), and the share of each.
OF_A_GAME = {
    "callback": 30,
    "poll": 20,
    "twice": 4,
    "late=5": 3,
    "shuffle": 3,
    "progress": 3,
    "otherpin": 4,
    "contradict": 3,
    "fail+contradict": 2,
    "badsign": 3,
    "fail": 3,
    "fail+poll": 3,
    "refuse": 3,
    "only=backup": 3,
    "only=backup+poll": 2,
    "html": 1,
    "html=2+poll": 1,
    "empty": 1,
    "500": 1,
    "cut": 1,
    "cut+poll": 1,
    "cutafter": 1,
    "cutafter+poll": 1,
    "lostanswer": 1,
    "lostanswer+poll": 1,
    "half": 1,
    "mumble": 1,
    "mumble+poll": 1,
    "check-mumble=3+poll": 1,
    "duplicate": 1,
    "duplicate+poll": 1,
    "nopin": 1,
    "dash+poll": 1,
    "pipes+poll": 1,
    "latin5+poll": 1,
    "slow=3": 1,
    "slow=3+poll": 1,
    "check-html+poll": 1,
    "check-empty+poll": 1,
    "check-500+poll": 1,
    "check-cut+poll": 1,
    "check-half+poll": 1,
    "check-slow=3+poll": 1,
    "fetch": 2,
    "fetch=1": 2,
    "fetch=1+blank=N/A": 1,
    "follow=2+blank=Yok": 1,
    "follow=2+blank=%E2%80%8B": 1,
    "follow=8+blank=null": 1,
    "blank=0+nopin": 1,
    "codes=3": 2,
    "codes=2+serials=2": 2,
    "serials=2": 1,
    "float": 2,
    "progress+sameid": 2,
    "reverse=10": 3,
    "only=backup+relent=3": 3,
    "refuse+relent=4": 1,
}
#: Of each product.
BEHAVIOURS = {
    GAME: OF_A_GAME,
    CODE: {
        "callback": 2,
        "poll": 1,
        "fetch=3": 3,
        "fetch=2+blank=*****": 2,
        "follow=6": 1,
        "nopin": 2,
        "dash+poll": 1,
        "only=backup+fetch=2": 1,
        "reverse=10+fetch=2": 1,
    },
    TOP_UP: {"nopin": 2, "nopin+poll": 1, "blank=Yok+nopin": 1, "fail": 1, "callback": 1},
    PHP: {**{f"php={way}": 1 for way in WAYS}, "php=spaces+fail": 1, "php=latin5-raw+fetch=1": 1},
}
#: Seconds after ORDER_TIMEOUT at which a late success comes.
LATE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One order of the storefront, `at_seconds` after the storm has begun."""

    number: int
    at_seconds: float
    #: What the simulator does; after a bar, what the second provider does.
    words: str
    product: str = GAME

    @property
    def user(self) -> str:
        """The player id, by which the simulator knows what to do."""
        return f"player{self.number}+{self.words.partition('|')[0]}"

    @property
    def words_of_backup(self) -> str:
        """What the second provider does, where it does something else."""
        return self.words.partition("|")[2]


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One thing that breaks, `at_seconds` after the storm has begun. `chance`, 0 to 1, decides its details."""

    at_seconds: float
    kind: str
    chance: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole storm. The same seed and numbers make the same one."""

    seed: int
    seconds: float
    orders: tuple[PlannedOrder, ...]
    faults: tuple[PlannedFault, ...]


def make(
    seed: int,
    *,
    orders: int,
    seconds: float,
    kinds: Sequence[str],
    fault_every_seconds: float,
    order_timeout_seconds: float | None,
    behaviours: Mapping[str, Mapping[str, int]] = BEHAVIOURS,
) -> Plan:
    """A storm of `seconds`. Without `order_timeout_seconds` none of its orders waits for the timeout."""
    dice = random.Random(seed)
    shares = {
        (product, words): share for product in behaviours for words, share in behaviours[product].items()
    }
    if order_timeout_seconds is not None and behaviours is BEHAVIOURS:
        shares |= {(GAME, "never"): 2, (GAME, f"after={order_timeout_seconds + LATE_SECONDS:g}"): 2}
    placed = [
        PlannedOrder(number, seconds * number / orders, words, product)
        for number, (product, words) in enumerate(_mix(dice, shares, orders))
    ]
    return Plan(seed, seconds, tuple(placed), tuple(_faults(dice, kinds, seconds, fault_every_seconds)))


def _mix(dice: random.Random, shares: dict[tuple[str, str], int], count: int) -> list[tuple[str, str]]:
    """Each behaviour once where there is room, the others by their shares."""
    names = list(shares)
    drawn = names + dice.choices(names, list(shares.values()), k=max(0, count - len(names)))
    dice.shuffle(drawn)
    return drawn[:count]


def _faults(
    dice: random.Random, kinds: Sequence[str], seconds: float, every_seconds: float
) -> list[PlannedFault]:
    """Every kind as often as every other, give or take one; all of them at least once."""
    count = max(len(kinds), round(seconds / every_seconds))
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += dice.sample(kinds, len(kinds))
    slot = seconds / count
    return [
        PlannedFault(slot * (number + 0.8 * dice.random()), kind, dice.random())
        for number, kind in enumerate(drawn[:count])
    ]
