"""Speaks a described protocol with one provider: makes the calls that the file describes."""

import math
import threading
import time
from collections.abc import Callable, Sequence
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
    UnknownReference,
)
from gateway.providers.described import answers
from gateway.providers.described.answers import Answer, Meant
from gateway.providers.described.protocol import Protocol, merged
from gateway.providers.described.requests import Call
from gateway.providers.described.schema import Catalogue, Means, Operation, Request
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
    """Tokens of all providers of a process, each asked for once while it is valid."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], tuple[str, float]] = {}

    def get(self, account: tuple[Any, ...]) -> str | None:
        """The token of an account, if there is a valid one."""
        with self._lock:
            token, ends_at = self._known.get(account, ("", 0.0))
        return token if ends_at > self._monotonic() else None

    def keep(self, account: tuple[Any, ...], token: str, seconds: float) -> None:
        """Keep a new one."""
        with self._lock:
            self._known[account] = token, self._monotonic() + max(0.0, seconds - TOKEN_MARGIN_SECONDS)

    def forget(self, account: tuple[Any, ...], token: str) -> None:
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
        self._account = (provider.id, *sorted(provider.credentials.items()))

    def send(self, task: Task) -> Outcome:
        """Send the order. Raises Refused, NotNow, InDoubt, NotReached, NoAnswer."""
        protocol, operation = self._protocol, self._protocol.file.send
        self._refuse_what_cannot_be(task)
        self._begin(operation)
        try:
            meant, answer = self._ask(operation, self._values(task), task.expects)
        except BadValue as error:
            raise Refused(f"not sent: {error}", About.CUSTOMER, is_certain=False) from None
        return protocol.sent(meant, answer, task, self._provider)

    def check(self, tasks: Sequence[Task]) -> list[Outcome | ProviderError]:
        """Ask about orders, in one call if they are several; what was learned of each, in their order."""
        operation = self._protocol.file.check or (
            self._protocol.file.send if self._protocol.traits.ask_buys else None
        )
        if operation is None:
            return [CannotAsk("the protocol has no question about an order") for _ in tasks]
        askable = [task for task in tasks if self._can_ask(task)]
        self._begin(operation)
        try:
            learned = self._learn(operation, askable)
        except ProviderError as error:
            learned = {task.referans: error for task in askable}
        except BadValue as error:
            refused = QuestionRefused(f"not asked: {error}")
            learned = {task.referans: refused for task in askable}
        unasked = CannotAsk("the provider's own number is not known")
        nothing = QuestionRefused("the answer has no line about the order")
        return [learned.get(task.referans, nothing) if task in askable else unasked for task in tasks]

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

    def _learn(self, operation: Operation, tasks: Sequence[Task]) -> dict[str, Outcome | ProviderError]:
        """What was learned of those that the answer speaks of, by referans. Raises ProviderError, BadValue."""
        protocol, check = self._protocol, self._protocol.file.check
        many = check.many if check and len(tasks) > 1 else None
        if many is None:
            return {task.referans: self._checked(operation, task) for task in tasks}
        named = [task for task in tasks if many.by == "reference" or task.external_order_id]
        values = self._values(*named)
        answer = self._call(operation, values, many)
        whole = protocol.read(operation, answer, values, "auto")
        if whole is not None and whole.means not in (Means.OK,):
            error = protocol.checked(whole, answer, named[0], self._provider)
            if isinstance(error, UnknownReference):  # said of no line, it teaches nothing
                return {}
            if isinstance(error, ProviderError):
                return {task.referans: error for task in named}
        found = protocol.lines(operation, many.lines, answer, named, values)
        return {
            task.referans: protocol.checked(found[task.referans], answer, task, self._provider)
            for task in named
            if task.referans in found
        }

    def _checked(self, operation: Operation, task: Task) -> Outcome | ProviderError:
        meant, answer = self._ask(operation, self._values(task), task.expects)
        if not self._protocol.traits.ask_buys:
            return self._protocol.checked(meant, answer, task, self._provider)
        try:  # it was a send
            return self._protocol.sent(meant, answer, task, self._provider)
        except ProviderError as error:
            return error

    def _values(self, *tasks: Task) -> dict[str, Any]:
        return self._protocol.values(self._provider, *tasks, now=self._now() if self._now else None)

    def _ask(self, operation: Operation, values: dict[str, Any], expects: str) -> tuple[Meant | None, Answer]:
        """What the answer means, after the further steps that its rules name. Raises NotReached, NoAnswer, BadValue."""
        answer = self._call(operation, values)
        meant = self._protocol.read(operation, answer, values, expects)
        for _ in range(MOST_STEPS):
            if meant is None or meant.rule.then is None:
                break
            step = self._protocol.file.steps[meant.rule.then]
            values |= {name: value for name, value in meant.parts.items() if name in ("own", "reference")}
            answer = self._further(step, values)
            found = self._protocol.read(step, answer, values, expects)
            meant = merged(meant, found) if found else None
        return meant, answer

    def _further(self, step: Operation, values: dict[str, Any]) -> Answer:
        """The answer to a further step. If it is not reached, the first call was made all the same."""
        try:
            return self._call(step, values)
        except NotReached as error:
            raise NoAnswer(f"the first call was answered, a further one was not: {error}") from None

    def _call(self, operation: Operation, values: dict[str, Any], many: Request | None = None) -> Answer:
        """The answer to one call; with a new token once more if the one in use has ended."""
        answer = self._call_once(operation, values, many)
        if self._protocol.file.token is None or operation is self._protocol.file.token:
            return answer
        meant = self._protocol.read(operation, answer, values, "auto")
        if meant is None or meant.means is not Means.TOKEN_EXPIRED:
            return answer
        self._tokens.forget(self._account, values["token"])
        return self._call_once(operation, values, many)

    def _call_once(self, operation: Operation, values: dict[str, Any], many: Request | None) -> Answer:
        if self._protocol.file.token is not None and operation is not self._protocol.file.token:
            values["token"] = self._token(values)
        call = self._protocol.build(operation, values, many)
        response = self._request(call, operation)
        return answers.parse(operation.answer, response.status, response.body)

    def _request(self, call: Call, operation: Operation) -> outbound.Response:
        url = call.path if "://" in call.path else f"{self._provider.base_url.rstrip('/')}{call.path}"
        size = CATALOGUE_BYTES if isinstance(operation, Catalogue) else ANSWER_BYTES
        try:
            return self._client.request(
                call.method,
                url,
                params=call.query,
                headers=call.headers,
                body=call.body,
                max_bytes=size,
                timeout_seconds=max(self._ends_at - time.monotonic(), SHORTEST_SECONDS),
            )
        except outbound.Unreachable as error:
            raise NotReached(str(error)) from None
        except outbound.OutboundError as error:
            raise NoAnswer(str(error)) from None

    def _token(self, values: dict[str, Any]) -> str:
        """A valid token; asked for if none is kept. Raises NotReached: without one nothing was sent."""
        if known := self._tokens.get(self._account):
            return known
        operation = self._protocol.file.token
        assert operation is not None
        try:
            answer = self._call_once(operation, values, None)
        except ProviderError as error:
            raise NotReached(f"no token: {error}") from None
        meant = self._protocol.read(operation, answer, values, "auto")
        token = meant.parts.get("token") if meant and meant.means is Means.OK else None
        if not token:
            raise NotReached(f"no token: the service answered HTTP {answer.http}")
        said = meant.parts.get("expires_in", "") if meant else ""
        self._tokens.keep(self._account, token, float(said) if said.isdecimal() else TOKEN_SECONDS)
        return token
