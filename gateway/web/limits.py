"""Limits on requests: how often a key may ask, and how often an address may fail.

Each process counts by itself. What it has counted is added up in Redis in the background, at most every SHARE_SECONDS,
so that no request waits for Redis. In between, a process takes it that the others go on as before; all together let
through about a fifth too many at most, after a first moment in which they know nothing of each other. Where Redis is
away, each process counts alone. Why so: docs/decisions/0006-limits-are-shared-late.md
"""

import math
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NoReturn

import falcon
import redis

from gateway import log
from gateway.background import Rounds
from gateway.broker import NAMESPACE
from gateway.said import Said
from gateway.settings import Rate, Settings
from gateway.web import problems
from gateway.web.addresses import client_network
from gateway.web.errors import Problem
from gateway.web.problems import ProblemType

logger = log.get(__name__)

#: Seconds between two rounds in which a process adds up its counts with those of the others.
SHARE_SECONDS = 0.2
#: Parts of a rate's period; what is older than the period is forgotten part by part.
PARTS = 10
#: Periods that are remembered: what was let through in a moment in which processes did not know of each other is taken
#: back in the next ones.
PERIODS = 4
#: Addresses share so many counts in a process, and in Redis, so that any number of addresses takes no more memory. Two
#: that share one are refused together, which only those notice that fail.
SLOTS = 2**13
#: Counts that a process adds up in one round; the others wait for the next.
MAX_SHARED = 1_000
#: Parts in which it is seen how many requests the others let through for each one here.
LATELY = 3
#: For each request here, so many at most are taken to have been let through by the others since the last round.
MAX_RATIO = 15.0

#: Counts by part, a part being the time divided by its length.
Parts = dict[int, int]


@dataclass(slots=True)
class _Count:
    """What was let through for one name."""

    #: Here, and not added up yet.
    mine: Parts = field(default_factory=dict)
    #: Here, and added up.
    shared: Parts = field(default_factory=dict)
    #: By all processes, ours included, as of the last round.
    by_all: Parts = field(default_factory=dict)
    #: How many the others let through for each one here, and how many at all, when it was last near the limit.
    ratio: float = 0.0
    others: int = 0
    #: Whether anyone asked since the last round.
    is_asked: bool = False

    def free_from(self, part: int, limit: int) -> int:
        """The part from which on one more is within the limit; `part` itself if it is now.

        Within each of the last PERIODS periods, and within all of them together, no more than the rate allows: what was
        too much in one is taken from the next.
        """
        if sum(self.by_all.values()) + (1 + self.ratio) * sum(self.mine.values()) < limit:
            return part  # nearly always
        known = sorted((at, many) for at, many in self._estimated().items() if at > part - PERIODS * PARTS)
        free = part
        for periods in range(1, PERIODS + 1):
            within = [(at, many) for at, many in known if at > part - periods * PARTS]
            left = sum(many for _, many in within)
            for at, many in within:
                if left < periods * limit:
                    break
                left -= many
                free = max(free, at + periods * PARTS)
        return free

    def _estimated(self) -> dict[int, float]:
        """What was let through by all, by part; since the last round, the others are taken to go on as before."""
        found: dict[int, float] = dict(self.by_all)
        for at, many in self.mine.items():
            found[at] = found.get(at, 0) + many + min(self.ratio * many, self.others)
        return found

    def learn(self, by_all: Parts, sent: Parts, part: int, limit: int) -> None:
        """What all processes have counted, after ours were `sent`."""
        self.by_all = by_all
        self.mine = {at: many - sent.get(at, 0) for at, many in self.mine.items() if many > sent.get(at, 0)}
        shared = {at: self.shared.get(at, 0) + sent.get(at, 0) for at in {*self.shared, *sent}}
        self.shared = {at: many for at, many in shared.items() if at > part - LATELY}
        here, everywhere = (_sum(parts, part - LATELY + 1) for parts in (self.shared, by_all))
        if 2 * _sum(by_all, part - (PERIODS + 1) * PARTS) < limit:
            self.ratio, self.others = 0.0, 0
        elif here:
            self.others = max(0, everywhere - here)
            self.ratio = min(MAX_RATIO, self.others / here)


def _sum(parts: Parts, first: int) -> int:
    return sum(many for at, many in parts.items() if at >= first)


class Limiter:
    """Counts by name against one rate. Never waits."""

    def __init__(self, kind: str, rate: Rate, clock: Callable[[], float] = time.time) -> None:
        self.rate = rate
        self._kind = kind
        self._part_seconds = rate.seconds / PARTS
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}

    def take(self, name: str) -> float:
        """Count one and return 0; or the seconds until there is room again, and nothing is counted."""
        now = self._clock()
        part = int(now / self._part_seconds)
        with self._lock:
            count = self._counts.setdefault(name, _Count())
            count.is_asked = True
            free = count.free_from(part, self.rate.count)
            if free > part:
                return free * self._part_seconds - now
            count.mine[part] = count.mine.get(part, 0) + 1
            return 0.0

    def is_full(self, name: str) -> bool:
        """Whether there is no room; nothing is counted."""
        part = int(self._clock() / self._part_seconds)
        with self._lock:
            return name in self._counts and self._counts[name].free_from(part, self.rate.count) > part

    def asked(self) -> dict[str, Parts]:
        """By name, what is not added up yet of those that were asked about, up to MAX_SHARED; forgets idle ones."""
        oldest = int(self._clock() / self._part_seconds) - PERIODS * PARTS + 1
        with self._lock:
            names = [name for name, count in self._counts.items() if count.is_asked][:MAX_SHARED]
            for name in [name for name, count in self._counts.items() if not count.is_asked]:
                if not _is_recent(self._counts[name], oldest):
                    del self._counts[name]
            for name in names:
                self._counts[name].is_asked = False
            return {name: dict(self._counts[name].mine) for name in names}

    def share(self, client: redis.Redis, waiting: dict[str, Parts]) -> None:
        """Add up what is `waiting` with the counts of the other processes. Raises redis.RedisError."""
        period = int(self._clock() / self.rate.seconds)
        periods = range(period - PERIODS, period + 1)
        with client.pipeline(transaction=False) as pipeline:
            for name, parts in waiting.items():
                for part, many in parts.items():
                    pipeline.hincrby(self._key(name, part // PARTS), str(part), many)
                for one in {part // PARTS for part in parts}:
                    pipeline.expire(self._key(name, one), (PERIODS + 1) * self.rate.seconds)
            pipeline.execute()
            for name in waiting:
                for one in periods:
                    pipeline.hgetall(self._key(name, one))
            found = pipeline.execute()
        self._learn(
            waiting, [_read(found[at : at + len(periods)]) for at in range(0, len(found), len(periods))]
        )

    def _learn(self, sent: dict[str, Parts], by_all: Iterable[Parts]) -> None:
        part = int(self._clock() / self._part_seconds)
        with self._lock:
            for (name, parts), every in zip(sent.items(), by_all, strict=True):
                if name in self._counts:
                    self._counts[name].learn(every, parts, part, self.rate.count)

    def _key(self, name: str, period: int) -> str:
        return f"{NAMESPACE}:limit:{self._kind}:{name}:{period}"


def _is_recent(count: _Count, oldest: int) -> bool:
    """Whether anything of it still matters."""
    return any(at >= oldest for parts in (count.mine, count.by_all) for at in parts)


def _read(hashes: Iterable[dict[bytes, bytes]]) -> Parts:
    return {int(at): int(many) for one in hashes for at, many in one.items()}


class Sharing:
    """Adds up the counts of some limiters in Redis, in the background while someone asks."""

    def __init__(self, limiters: Iterable[Limiter], client: redis.Redis, share_seconds: float) -> None:
        self._limiters = list(limiters)
        self._client = client
        self._share_seconds = share_seconds
        self._failing = False
        self._rounds = Rounds("limits", self._take, self._share)
        self.begin, self.drain = self._rounds.begin, self._rounds.drain

    def _take(self) -> list[tuple[Limiter, dict[str, Parts]]]:
        asked = [(limiter, limiter.asked()) for limiter in self._limiters]
        return [(limiter, waiting) for limiter, waiting in asked if waiting]

    def _share(self, waiting: list[tuple[Limiter, dict[str, Parts]]]) -> None:
        try:
            for limiter, asked in waiting:
                limiter.share(self._client, asked)
            self._failing = False
        except redis.RedisError as error:
            if not self._failing:  # once per outage
                logger.warning(
                    "The queue is away; each process counts its requests alone.",
                    action="limits_not_shared",
                    error=str(error),
                )
            self._failing = True
        time.sleep(self._share_seconds)


class Limits:
    """What the web asks before it answers."""

    def __init__(self, settings: Settings, client: redis.Redis, share_seconds: float = SHARE_SECONDS) -> None:
        self._trusted_proxies = settings.trusted_proxies
        self._of_keys = Limiter("key", settings.rate_limit)
        self._of_failures = Limiter("failure", settings.rate_limit.tenth())
        self._sharing = Sharing([self._of_keys, self._of_failures], client, share_seconds)

    def request_of_key(self, key_id: int) -> None:
        """Count a request of this key. Raises a 429."""
        wait_seconds = self._of_keys.take(str(key_id))
        self._sharing.begin()
        if wait_seconds > 0:
            _refuse(
                problems.TOO_MANY_REQUESTS,
                Said("this key has made its {rate} requests", rate=self._of_keys.rate),
                wait_seconds,
            )

    def failure_from(self, req: falcon.Request) -> None:
        """Count a key, a signature or a sign-in that was wrong. Raises a 429 in place of the caller's own answer.

        Called once it is known to be wrong: what is right is never refused for others' failures.
        """
        wait_seconds = self.count_failure(req)
        if wait_seconds > 0:
            _refuse(
                problems.TOO_MANY_FAILURES,
                Said("too many wrong keys or signatures came from your address"),
                wait_seconds,
            )

    def count_failure(self, req: falcon.Request) -> float:
        """Count it, and let the caller answer; the seconds until its address may fail again, or 0."""
        wait_seconds = self._of_failures.take(self._slot(req))
        self._sharing.begin()
        return wait_seconds

    def is_failing(self, req: falcon.Request) -> bool:
        """Whether the address is past its failures, so that its next one need not cost much."""
        return self._of_failures.is_full(self._slot(req))

    def _slot(self, req: falcon.Request) -> str:
        network = client_network(req, self._trusted_proxies)
        return str(zlib.crc32(network.encode()) % SLOTS)

    def drain(self, timeout_seconds: float) -> bool:
        """See `Rounds.drain`."""
        return self._sharing.drain(timeout_seconds)


def _refuse(kind: ProblemType, why: Said, wait_seconds: float) -> NoReturn:
    seconds = max(1, math.ceil(wait_seconds))
    detail = Said("{error}; try again in {seconds} s", error=why, seconds=seconds)
    raise Problem(kind, detail, Retry_After=str(seconds))
