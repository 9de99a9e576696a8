"""Speaks a described protocol with one provider: makes the calls that the file describes."""

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway import outbound
from gateway.providers.base import (
    About,
    Balance,
    CannotAsk,
    NoAnswer,
    NotReached,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    Task,
    Traces,
)
from gateway.providers.described import answers
from gateway.providers.described.answers import Answer, Meant
from gateway.providers.described.outcomes import STATUSES, WAIT_DIGITS
from gateway.providers.described.protocol import Protocol
from gateway.providers.described.requests import Call
from gateway.providers.described.schema import Catalogue, Check, Lines, Many, Means, Operation
from gateway.providers.described.templates import BadValue
from models.outcome import Outcome
from models.provider import Provider

#: Bytes of the largest answer that is read, of a catalogue and of any other call.
CATALOGUE_BYTES, ANSWER_BYTES = 16 * 1024 * 1024, 512 * 1024
#: Seconds that a call gets whose operation has used up its time: it ends before anything is sent.
SHORTEST_SECONDS = 0.001
#: Further steps of one operation, at most.
MOST_STEPS = 2
#: Seconds before its end for which a token counts as ended, and for which one counts that does not say how long.
TOKEN_MARGIN_SECONDS, TOKEN_SECONDS = 60.0, 600.0


class Tokens:
    """Tokens of all providers of a process. While one is asked for, the account's other calls wait for it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asking: dict[Hashable, threading.Lock] = {}
        self._known: dict[Hashable, tuple[str, float]] = {}

    def get(self, account: Hashable, ask: Callable[[], tuple[str, float]]) -> str:
        """A valid token. `ask` gives a new one and the seconds for which it is valid; its errors are raised."""
        with self._lock:
            asking = self._asking.setdefault(account, threading.Lock())
        with asking:
            token, ends_at = self._known.get(account, ("", 0.0))
            if self._monotonic() >= ends_at:
                token, seconds = ask()
                self._known[account] = token, self._monotonic() + max(0.0, seconds - TOKEN_MARGIN_SECONDS)
        return token

    def forget(self, account: Hashable, token: str) -> None:
        """This token is not valid any more; a newer one stays."""
        with self._lock:
            if self._known.get(account, ("", 0.0))[0] == token:
                del self._known[account]


TOKENS = Tokens()


class Speaker:
    """An adapter (see `base.Adapter`) for one provider."""

    def __init__(
        self,
        protocol: Protocol,
        provider: Provider,
        client: outbound.Client,
        *,
        tokens: Tokens = TOKENS,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._protocol = protocol
        self._provider = provider
        self._client = client
        self._tokens = tokens
        self._now = now
        #: When the operation under way must end, by the monotonic clock: all of its calls together.
        self._ends_at = math.inf
        self._account = (provider.id, provider.base_url, *sorted(provider.credentials.items()))

    def send(self, task: Task) -> Outcome:
        """Send the order. Raises Refused, NotNow, InDoubt, NotReached, NoAnswer."""
        self._refuse_what_cannot_be(task)
        self._begin(self._protocol.file.send)
        try:
            meant, answer = self._ask(self._protocol.file.send, self._values(task), task.expects)
        except BadValue as error:
            raise Refused(f"not sent: {error}", About.CUSTOMER, is_certain=False) from None
        return self._protocol.sent(meant, answer, task, self._provider)

    def check(self, tasks: Sequence[Task]) -> list[Outcome | ProviderError]:
        """Ask about orders, in one call if they are several; what was learned of each, in their order."""
        sends_again = self._protocol.file.send if self._protocol.traits.ask_buys else None
        operation = self._protocol.file.check or sends_again
        if operation is None:
            return [CannotAsk("the protocol has no question about an order") for _ in tasks]
        askable = [task for task in tasks if self._can_ask(task)]
        learned: dict[str, Outcome | ProviderError] = {
            task.referans: CannotAsk("the provider's own number is not known")
            for task in tasks
            if task not in askable
        }
        failed: ProviderError = QuestionRefused(
            "the provider's own number, by which several are asked about, is not known"
        )
        self._begin(operation)
        try:
            learned |= self._learn(operation, askable)
        except ProviderError as error:
            failed = error
        except BadValue as error:
            failed = QuestionRefused(f"not asked: {error}")
        return [learned.get(task.referans, failed) for task in tasks]

    def balance(self) -> Balance:
        """Raises QuestionRefused, NotReached, NoAnswer."""
        operation = self._protocol.file.balance
        if operation is None:
            raise QuestionRefused("the protocol has no question about the balance")
        self._begin(operation)
        meant, answer = self._ask(operation, self._values(), "auto")
        return self._protocol.balance(meant, answer, self._provider)

    def catalogue(self) -> list[Package]:
        """Raises QuestionRefused, NotReached, NoAnswer."""
        operation = self._protocol.file.catalogue
        if operation is None:
            raise QuestionRefused("the protocol has no catalogue")
        self._begin(operation)
        meant, answer = self._ask(operation, self._values(), "auto")
        return self._protocol.packages(operation, meant, answer, self._provider)

    def _begin(self, operation: Operation) -> None:
        """Every call of an operation, those for a token and further steps too, ends within the time of one."""
        seconds = operation.timeout or self._protocol.file.traits.timeout or self._client.deadline_seconds
        self._ends_at = time.monotonic() + seconds

    def _refuse_what_cannot_be(self, task: Task) -> None:
        """Raises Refused where nothing should be sent."""
        if missing := [name for name in self._protocol.file.params if not task.params.get(name)]:
            raise Refused(
                f"not sent: the route lacks {' and '.join(missing)}; set it with `gateway routes add … --param`"
            )
        most = self._protocol.traits.max_quantity
        if most is not None and task.quantity > most:
            raise Refused(f"not sent: the provider takes at most {most} in one order, not {task.quantity}")

    def _can_ask(self, task: Task) -> bool:
        traces = self._protocol.traits.traces
        return traces is Traces.REFERENCE or (traces is Traces.OWN_NUMBER and bool(task.external_order_id))

    def _learn(
        self, operation: Operation, tasks: Sequence[Task]
    ) -> Iterator[tuple[str, Outcome | ProviderError]]:
        """What was learned of each that the answer speaks of, by referans. Raises ProviderError, BadValue."""
        many = operation.many if isinstance(operation, Check) and len(tasks) > 1 else None
        if many is None:
            for task in tasks:
                yield task.referans, self._learn_one(operation, task)
            return
        named = [task for task in tasks if many.by == "reference" or task.external_order_id]
        yield from self._learn_many(operation, many, named)  # type: ignore[arg-type]

    def _learn_many(
        self, check: Check, many: Many, tasks: Sequence[Task]
    ) -> Iterator[tuple[str, Outcome | ProviderError]]:
        protocol, lines = self._protocol, many.lines or check.lines or Lines()
        values = self._values(*tasks)
        answer = self._call(check, values, many)
        of_all = protocol.of_all(check, answer, values)
        for task in tasks:
            meant = of_all or protocol.of_line(check, lines, answer, task, values)
            yield task.referans, protocol.checked(meant, answer, task, self._provider)

    def _learn_one(self, operation: Operation, task: Task) -> Outcome | ProviderError:
        try:
            meant, answer = self._ask(operation, self._values(task), task.expects)
            if not self._protocol.traits.ask_buys:
                return self._protocol.checked(meant, answer, task, self._provider)
            return self._protocol.sent(meant, answer, task, self._provider)
        except ProviderError as error:
            return error

    def _values(self, *tasks: Task) -> dict[str, Any]:
        return self._protocol.values(self._provider, *tasks, now=self._now() if self._now else None)

    def _ask(self, operation: Operation, values: dict[str, Any], expects: str) -> tuple[Meant | None, Answer]:
        """What the answer means, after the further steps that its rules name. Raises NotReached, NoAnswer, BadValue.

        A further step that teaches nothing takes nothing away from what was learned before it.
        """
        answer = self._call(operation, values)
        meant = self._protocol.read(operation, answer, values, expects)
        for _ in range(MOST_STEPS):
            if meant is None or meant.rule.then is None:
                break
            step = self._protocol.file.steps[meant.rule.then]
            values |= {name: said for name, said in meant.parts.items() if name == "own"}
            try:
                further = self._call(step, values)
            except (ProviderError, BadValue):
                break
            found = self._protocol.read(step, further, values, expects)
            if found is None or found.means not in STATUSES:
                break
            meant, answer = replace(found, parts={**meant.parts, **found.parts}), further
        return meant, answer

    def _call(self, operation: Operation, values: dict[str, Any], many: Many | None = None) -> Answer:
        """The answer to one call; with a new token once more if the one in use has ended."""
        answer = self._call_once(operation, values, many)
        if self._protocol.file.token is not None:
            meant = self._protocol.read(operation, answer, values)
            if meant is not None and meant.means is Means.TOKEN_EXPIRED:
                self._tokens.forget(self._account, values["token"])
                return self._call_once(operation, values, many)
        return answer

    def _call_once(self, operation: Operation, values: dict[str, Any], many: Many | None) -> Answer:
        if (service := self._protocol.file.token) is not None:
            values["token"] = self._tokens.get(self._account, lambda: self._new_token(service, values))
        return self._request(operation, self._protocol.build(operation, values, many))

    def _request(self, operation: Operation, call: Call) -> Answer:
        url = call.path if operation.url else f"{self._provider.base_url.rstrip('/')}{call.path}"
        try:
            response = self._client.request(
                call.method,
                url,
                params=call.query,
                headers=call.headers,
                body=call.body,
                max_bytes=CATALOGUE_BYTES if isinstance(operation, Catalogue) else ANSWER_BYTES,
                timeout_seconds=max(self._ends_at - time.monotonic(), SHORTEST_SECONDS),
            )
        except outbound.Unreachable as error:
            raise NotReached(str(error)) from None
        except outbound.OutboundError as error:
            raise NoAnswer(str(error)) from None
        return answers.parse(operation.answer, response.status, response.body, response.headers)

    def _new_token(self, service: Operation, values: dict[str, Any]) -> tuple[str, float]:
        """A token, and its seconds. Raises NotReached: without one, nothing was sent."""
        try:
            answer = self._request(service, self._protocol.build(service, values))
        except ProviderError as error:
            raise NotReached(f"no token: {error}") from None
        meant = self._protocol.read(service, answer, values)
        token = meant.parts.get("token") if meant and meant.means is Means.OK else None
        if not meant or not token:
            raise NotReached(f"no token: the service answered HTTP {answer.http}")
        said = meant.parts.get("expires_in", "")
        return token, float(said) if said.isdecimal() and len(said) <= WAIT_DIGITS + 3 else TOKEN_SECONDS
