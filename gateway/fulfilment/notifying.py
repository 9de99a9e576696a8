"""Telling the storefront: what waits in the outbox is posted to its receivers.

One thread claims, hands out and records; others make the calls. What is due is claimed for all receivers at once, as
many as there are free calls, and results are recorded as they come, so that a receiver which hangs delays no other: it
has FEW_CALLS at most once a call of it is slow, and never more than half of what the others leave. All receivers that
the orders of one tenant name have half of the calls together.

Hints only make it look sooner. What others have planned is found at the latest LOOK_SECONDS after it is due.
"""

import heapq
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway import log
from gateway.fulfilment import messages, retries
from gateway.measuring import NOTIFYING, Measures
from gateway.outbound import LocalFault, OutboundError
from gateway.posting import Answer, Poster
from gateway.settings import Settings
from gateway.tracing import OFF, Kind, Traces
from models import masking, order, outbox
from models.codes import Code
from models.db import database, sealed
from models.order import Order
from models.outbox import ANSWER, ERROR, FEW_CALLS, MOST_CALLS, Became, Due, Held, Tried

logger = log.get(__name__)

#: Calls that one process has under way at once.
CALLS = 32
#: Longest time between two looks at what is due, in seconds.
LOOK_SECONDS = 5.0
#: Seconds without an answer after which a receiver counts as slow.
SLOW_SECONDS = 1.0
#: Seconds for which further results are awaited, so that they are recorded together.
GATHER_SECONDS = 0.005
#: Seconds until a notification is tried that could not be by a fault of our own, and until the database is asked again.
OWN_TROUBLE_SECONDS, DATABASE_SECONDS = 5.0, 1.0
#: Notifications of a disabled receiver that one statement lets die.
BURIED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Job:
    """A claimed notification, and what is needed to send it."""

    due: Due
    #: The order as it is now; only where codes are to be sent.
    now: Order | None
    #: When it was claimed at the earliest, by `monotonic`.
    began: float


class Notifier:
    """Delivers what is due. One for each process; `wake` may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        poster: Poster | None = None,
        *,
        measures: Measures | None = None,
        traces: Traces = OFF,
        uniform: Callable[[float, float], float] = random.uniform,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._secrets = [secret.get_secret_value() for secret in settings.notify_secret]
        self._poster = poster or Poster()
        self._measures = measures or Measures()
        self._traces = traces
        self._uniform = uniform
        self._monotonic = monotonic
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        #: Results, and hints (None).
        self._news: queue.SimpleQueue[Tried | None] = queue.SimpleQueue()
        self._callers: list[threading.Thread] = []
        self._under_way: dict[int, _Job] = {}
        self._unrecorded: list[Tried] = []
        #: When the tries that this process has planned are due, by `monotonic`; a heap.
        self._planned: list[float] = []
        self._is_stopping = threading.Event()

    def wake(self) -> None:
        """Something may be due. Never waits."""
        self._news.put(None)

    def stop(self) -> None:
        """Let `run` end once what is under way has ended."""
        self._is_stopping.set()
        self.wake()

    def run(self) -> None:
        """Deliver until `stop`; what is under way then is awaited."""
        self._is_stopping.clear()
        while not self._is_stopping.is_set() or self._under_way or self._unrecorded:
            self._safely(self._round)
        self._end_callers()

    def deliver(self) -> None:
        """Deliver until nothing is due. Raises what the database raises. Not while `run` runs."""
        while self._claim() or self._under_way:
            self._await(LOOK_SECONDS)
            self._record()
        self._end_callers()

    def _round(self) -> None:
        self._record()
        while not self._is_stopping.is_set() and self._claim():
            pass
        if self._under_way or not self._is_stopping.is_set():
            self._await(self._patience_seconds())

    def _safely(self, work: Callable[[], object]) -> None:
        """Our own trouble ends nothing: the outbox has what is to be done, and what was done is kept until then."""
        try:
            work()
        except Exception as error:
            logger.warning(
                "Notifications wait for the database.",
                action="notifying_failed",
                error=f"{type(error).__name__}: {error}",
                exc_info=not isinstance(error, database.UNAVAILABLE),
            )
            self._is_stopping.wait(DATABASE_SECONDS)
            if self._is_stopping.is_set():  # what could not be recorded is tried again by another process
                self._unrecorded.clear()
                self._await(DATABASE_SECONDS)

    def _patience_seconds(self) -> float:
        next_try = self._planned[0] - self._monotonic() if self._planned else LOOK_SECONDS
        return max(0.0, min(LOOK_SECONDS, next_try))

    def _claim(self) -> bool:
        """Claim what is due, and hand it to the callers; whether more may be due, for which there is room."""
        room = CALLS - len(self._under_way)
        if not room or not self._secrets:
            return False
        while self._planned and self._planned[0] <= self._monotonic():
            heapq.heappop(self._planned)
        began = self._monotonic()  # before: the claim is no younger than this, however long its answer takes
        with database.session():
            due = outbox.claim(
                room,
                self._held(),
                has_default=self._settings.notify_url is not None,
                of_tenants=self._held_by_tenants(),
            )
            now = self._orders(due)
        self._start_callers(len(self._under_way) + len(due))
        for each in due:
            self._under_way[each.id] = job = _Job(each, now.get(each.order_id), began)
            self._jobs.put(job)
        return bool(due) and len(due) >= room / 2

    def _start_callers(self, wanted: int) -> None:
        """Raises RuntimeError if there is none, and this machine has no room for a thread."""
        while len(self._callers) < wanted:
            thread = threading.Thread(target=self._call, name="notify", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                if not self._callers:
                    raise
                return
            self._callers.append(thread)

    def _held(self) -> list[Held]:
        taken = Counter(job.due.receiver for job in self._under_way.values())
        slow = self._monotonic() - SLOW_SECONDS
        hanging = {job.due.receiver for job in self._under_way.values() if job.began < slow}
        return [
            Held(name, count, FEW_CALLS if name in hanging else MOST_CALLS) for name, count in taken.items()
        ]

    def _held_by_tenants(self) -> Counter[str]:
        tenants = (job.due.tenant for job in self._under_way.values())
        return Counter(tenant for tenant in tenants if tenant is not None)

    def _orders(self, due: Sequence[Due]) -> dict[str, Order]:
        """The orders as they are now, of those whose notifications are sent with their codes."""
        if not self._settings.notify_with_pin:
            return {}
        wanted = [each.order_id for each in due if messages.may_carry_codes(self._url(each))]
        return outbox.orders(wanted) if wanted else {}

    def _url(self, due: Due) -> str:
        return due.url or self._settings.notify_url or ""

    def _await(self, seconds: float) -> None:
        """Wait for a result or a hint; and a moment more for the results that are about to come."""
        deadline = self._monotonic() + seconds
        is_hint = False
        while True:
            try:
                wait = max(0.0, deadline - self._monotonic())
                news = self._news.get(timeout=wait) if wait else self._news.get_nowait()
            except queue.Empty:
                return
            if news is None:
                is_hint = True
            else:
                self._under_way.pop(news.due.id, None)
                self._unrecorded.append(news)
            if is_hint or not self._under_way:
                deadline = self._monotonic()
            else:
                deadline = min(deadline, self._monotonic() + GATHER_SECONDS)

    def _record(self) -> None:
        if not self._unrecorded:
            return
        tried = self._unrecorded
        with database.session():
            disabled = outbox.record(tried)
            self._unrecorded = []
            for receiver in disabled:
                logger.error(
                    "A receiver of notifications has failed for days and is disabled.",
                    action="receiver_disabled",
                    receiver=receiver,
                )
            while disabled and outbox.bury_disabled(BURIED_AT_ONCE):
                pass
        for each in tried:
            if each.delay_seconds is not None:
                heapq.heappush(self._planned, self._monotonic() + each.delay_seconds)

    def _call(self) -> None:
        """What a caller does: one try after the other."""
        while (job := self._jobs.get()) is not None:
            tried = self._tried(job)
            if tried.became is not Became.PUT_OFF:
                self._note(tried)
            self._news.put(tried)

    def _note(self, tried: Tried) -> None:
        """How long a try took, for metrics and for the trace of its order."""
        seconds = tried.duration_ms / 1000
        self._measures.observe(NOTIFYING, seconds, tried.became.value)
        if self._traces is OFF:
            return
        attributes: dict[str, str | int] = {
            "referans.notification.type": tried.due.type,
            "referans.notification.try": tried.due.tries + 1,
            "referans.result": tried.became.value,
        }
        if tried.status is not None:
            attributes["http.response.status_code"] = tried.status
        has_failed = tried.became is not Became.DELIVERED
        self._traces.record(
            tried.due.order_id, "notify", seconds, Kind.CLIENT, attributes, has_failed=has_failed
        )

    def _end_callers(self) -> None:
        for _ in self._callers:
            self._jobs.put(None)
        self._callers.clear()

    def _tried(self, job: _Job) -> Tried:
        """Never raises. A fault of this machine puts the notification off; a bug is a failed try, as it may last."""
        try:
            return self._try(job)
        except LocalFault as error:
            logger.warning("A notification is put off.", action="notify_put_off", reason=str(error))
            return Tried(job.due, Became.PUT_OFF, 0, delay_seconds=OWN_TROUBLE_SECONDS)
        except Exception as error:
            logger.exception(
                "A notification could not be sent.", action="notify_failed", order_id=job.due.order_id
            )
            tried = self._judged(job.due, None, None, f"internal error: {type(error).__name__}", 0)
            return replace(tried, is_unanswered=False)  # the receiver was not asked

    def _try(self, job: _Job) -> Tried:
        """Raises LocalFault."""
        due, began = job.due, self._monotonic()
        if began - job.began > outbox.CLAIM_SECONDS / 2:  # this process stood still: another one may have it
            return Tried(due, Became.PUT_OFF, 0, delay_seconds=OWN_TROUBLE_SECONDS)
        told, codes = outbox.order_of(due.payload), self._codes(job.now)
        content = messages.body(due.type, due.created_at, told, codes)
        headers = messages.headers(self._secrets, outbox.webhook_id(due), datetime.now(UTC), content)
        any_address = due.url is None or self._settings.notify_allow_private
        answer: Answer | None = None
        error = None
        try:
            answer = self._poster.post(self._url(due), content, headers, any_address=any_address)
        except OutboundError as failed:
            error = str(failed)[:ERROR]
        duration_ms = round(1000 * (self._monotonic() - began))
        known = [text for code in codes or () for text in code.secrets()]
        said = _readable(answer, told, known) if answer and answer.body else None
        return self._judged(due, answer, said, error, duration_ms)

    def _codes(self, now: Order | None) -> list[Code] | None:
        """The codes that go with a notification; None where none may. The storefront can still fetch them."""
        if now is None:
            return None
        try:
            return order.codes_of(now)
        except sealed.Unsealable as error:
            logger.error("A code cannot be sent.", action="unsealable", order_id=now.id, reason=str(error))
            return None

    def _judged(
        self, due: Due, answer: Answer | None, said: str | None, error: str | None, duration_ms: int
    ) -> Tried:
        tries = due.tries + 1
        status, headers = (answer.status, answer.headers) if answer else (None, {})
        became, delay_seconds = retries.after(tries, status, headers, datetime.now(UTC), self._uniform)
        if error is None and became is not Became.DELIVERED:
            error = f"HTTP {status}"
        log_it = logger.info if became is Became.DELIVERED else logger.warning
        log_it(
            "A notification was tried.",
            action="notified",
            order_id=due.order_id,
            kind=due.type,
            result=became.value,
            status=status,
            error=error,
            duration_ms=duration_ms,
        )
        return Tried(
            due,
            became,
            duration_ms,
            status,
            said,
            error,
            delay_seconds,
            _note(due, became, tries, error),
            is_unanswered=answer is None,
        )


def _readable(answer: Answer, told: Order, secrets: Sequence[str]) -> str:
    """The beginning of an answer for people, without codes."""
    own: list[Any] = [told.id, told.order_no, told.provider_referans, told.external_order_id]
    own += [told.user_identifier, told.extra_field, told.product_id, told.package_id]
    text = answer.body.decode(errors="replace")
    return str(masking.mask(text, ANSWER, codes=secrets, own=[str(each) for each in own if each is not None]))


def _note(due: Due, became: Became, tries: int, error: str | None) -> str | None:
    """What the order's timeline says of it."""
    if became is Became.DELIVERED:
        return f"{due.type} told to {due.receiver}" + (f" at try {tries}" if tries > 1 else "")
    if became is Became.DEAD:
        return f"{due.type} could not be told to {due.receiver}: {error}; no more tries after {tries}"
    return None
