"""Speaks a described protocol with one provider: makes the calls that the file describes."""

import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from gateway import outbound
from gateway.providers.base import (
    About,
    Balance,
    CannotAsk,
    Learned,
    NoAnswer,
    NotReached,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    Task,
    Traces,
)
from gateway.providers.described import answers, requests
from gateway.providers.described.answers import Answer, Meant
from gateway.providers.described.protocol import STATUSES, WAIT_DIGITS, Protocol, not_learned
from gateway.providers.described.schema import Catalogue, Check, Many, Means, Operation, Request
from gateway.providers.described.templates import BadValue, Made
from models import masking
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
#: What an answer about several orders may say of all of them: that the question was not answered.
OF_ALL = frozenset(
    {Means.REFUSED, Means.NOT_NOW, Means.NO_ANSWER, Means.NOTHING_LEARNED, Means.TOKEN_EXPIRED}
)
#: What only a step that books may say: the order is not booked.
NOT_BOOKED = frozenset({Means.REFUSED, Means.NOT_NOW})


def among_several(
    many: Many, whole: Meant | None, answer: Answer, of_task: Made, expects: str
) -> Meant | None:
    """What an answer about several orders says of the one of `of_task`; `whole` is what it says of all of them."""
    if whole is not None and whole.means in OF_ALL:
        return whole
    return answers.of_line(many.lines, answer, of_task, expects) if many.lines else None


class LoginRefused(QuestionRefused):
    """The provider gave no token because of our account, so that the call that needed it was not made."""

    def __init__(self, message: str) -> None:
        super().__init__(message, about=About.ACCOUNT)


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
        self, protocol: Protocol, provider: Provider, client: outbound.Client, *, tokens: Tokens = TOKENS
    ) -> None:
        self._protocol, self._file = protocol, protocol.file
        self._provider = provider
        self._client = client
        self._tokens = tokens
        #: When the operation under way must end, by the monotonic clock: all of its calls together.
        self._ends_at = math.inf
        self._account = (provider.id, provider.base_url, *sorted(provider.credentials.items()))

    def send(self, task: Task) -> Outcome:
        """Send the order. Raises Refused, NotNow, InDoubt, NotReached, NoAnswer."""
        if missing := [name for name in self._protocol.PARAMS if not task.params.get(name)]:
            lacks = f"the route lacks {' and '.join(missing)}; set it with `gateway routes add … --param`"
            raise Refused(f"not sent: {lacks}")
        most = self._file.traits.max_quantity
        if task.quantity > most:
            raise Refused(f"not sent: the provider takes at most {most} in one order, not {task.quantity}")
        try:
            self._protocol.check_words(task)
            self._protocol.reference(task)  # which is too late after the call
            meant, answer = self._ask(self._file.send, task)
        except BadValue as error:
            raise Refused(f"not sent: {error}", About.CUSTOMER, is_certain=False) from None
        except LoginRefused as error:
            raise Refused(str(error), About.ACCOUNT) from None
        return self._protocol.sent(meant, answer, task, self._provider)

    def check(self, tasks: Sequence[Task]) -> list[Learned]:
        """Ask about orders, in one call if they are several; what was learned of each, in their order."""
        askable = [task for task in tasks if self._can_ask(task)]
        check = self._file.check
        if check and check.many and len(askable) > 1:
            found = self._together(check, check.many, askable)
        else:
            found = {task.referans: self._learned(task) for task in askable}
        return [
            found.get(task.referans) or CannotAsk("nothing is known that the provider can be asked by")
            for task in tasks
        ]

    def _can_ask(self, task: Task) -> bool:
        has_question = self._file.check is not None or self._file.traits.ask_buys
        traces = self._file.traits.traces
        by_number = traces is Traces.OWN_NUMBER and bool(task.external_order_id)
        return has_question and (traces is Traces.REFERENCE or by_number)

    def _learned(self, task: Task) -> Learned:
        try:
            if self._file.check is None:
                return self._protocol.sent(*self._ask(self._file.send, task), task, self._provider)
            return self._protocol.checked(*self._ask(self._file.check, task), task, self._provider)
        except ProviderError as error:
            return error
        except BadValue as error:
            return QuestionRefused(f"not asked: {error}")

    def _together(self, check: Check, many: Many, tasks: Sequence[Task]) -> dict[str, Learned]:
        """What one answer says of each, by its referans; of one that it does not speak of, nothing was learned."""
        named = [task for task in tasks if many.by == "reference" or task.external_order_id]
        unknown = "the provider's own number, by which several are asked about, is not known"
        found: dict[str, Learned] = {task.referans: QuestionRefused(unknown) for task in tasks}
        if not named:
            return found
        try:
            self._begin()
            answer = self._call(check, self._protocol.values(self._provider, *named), many)
        except ProviderError as error:
            return {task.referans: error for task in tasks}
        except BadValue as error:
            return {task.referans: QuestionRefused(f"not asked: {error}") for task in tasks}
        whole = answers.first(check, answer, answer.tree, self._protocol.values(self._provider))
        for task in named:
            meant = among_several(
                many, whole, answer, self._protocol.values(self._provider, task), task.expects
            )
            found[task.referans] = self._protocol.checked(meant, answer, task, self._provider)
        return found

    def balance(self) -> Balance:
        """Raises QuestionRefused, NotReached, NoAnswer."""
        if self._file.balance is None:
            raise QuestionRefused("the protocol has no question about the balance")
        return self._protocol.balance(*self._ask(self._file.balance), self._provider)

    def catalogue(self) -> list[Package]:
        """Raises QuestionRefused, NotReached, NoAnswer."""
        if self._file.catalogue is None:
            raise QuestionRefused("the protocol has no catalogue")
        return self._protocol.packages(self._file.catalogue, *self._ask(self._file.catalogue), self._provider)

    def _begin(self) -> None:
        """Every call of an operation, those for a token and further steps too, ends within the time of one."""
        self._ends_at = time.monotonic() + (
            self._file.traits.timeout_seconds or self._client.deadline_seconds
        )

    def _ask(self, operation: Operation, task: Task | None = None) -> tuple[Meant | None, Answer]:
        """What the answer means, after the further steps that its rules name. Raises NotReached, NoAnswer, BadValue.

        A further step that teaches nothing takes nothing away from what was learned before it. Only a step that
        books the order can say that it is not booked.
        """
        self._begin()
        expects = task.expects if task else "auto"
        values = self._protocol.values(self._provider, *([task] if task else []))
        answer = self._call(operation, values)
        meant = self._protocol.read(operation, answer, values, expects)
        for _ in range(MOST_STEPS):
            if meant is None or meant.rule.then is None:
                break
            step = self._file.steps[meant.rule.then]
            if "own" in meant.parts:
                values["own"] = meant.parts["own"]
            try:
                further = self._call(step, values)
            except (ProviderError, BadValue):
                break
            found = self._protocol.read(step, further, values, expects)
            if found is None or found.means not in {*STATUSES, *(NOT_BOOKED if step.books else ())}:
                break
            meant, answer = replace(found, parts={**meant.parts, **found.parts}), further
        return meant, answer

    def _call(self, operation: Operation, values: Made, request: Request | None = None) -> Answer:
        """The answer to one call; with a new token once more if the one in use has ended."""
        if (service := self._file.token) is None:
            return self._request(request or operation, operation, values)
        for _ in range(2):
            values["token"] = self._tokens.get(self._account, lambda: self._new_token(service, values))
            masking.learn(values["token"])
            answer = self._request(request or operation, operation, values)
            meant = answers.first(operation, answer, answer.tree, values)
            if meant is None or meant.means is not Means.TOKEN_EXPIRED:
                break
            self._tokens.forget(self._account, values["token"])
        return answer

    def _request(self, request: Request, operation: Operation, values: Made) -> Answer:
        call = requests.build(request, values)
        try:
            response = self._client.request(
                call.method,
                call.path if operation.url else f"{self._provider.base_url.rstrip('/')}{call.path}",
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
        return answers.parse(
            operation.answer, response.status, response.body, response.headers, operation.columns
        )

    def _new_token(self, service: Operation, values: Made) -> tuple[str, float]:
        """A token, and its seconds. Raises LoginRefused, NotNow and NotReached: without one, nothing was sent."""
        try:
            answer = self._request(service, service, values)
        except ProviderError as error:
            raise NotReached(f"the login failed: {error}") from None
        meant = self._protocol.read(service, answer, values)
        # Nothing else of the answer is told: there may be a token in it.
        told = replace(answer, text=f"HTTP {answer.http}")
        if meant and meant.means is Means.REFUSED:
            raise LoginRefused(f"the login was refused: {meant.parts.get('message') or told.text}")
        if meant and meant.means is Means.NOT_NOW:
            raise not_learned(meant, told)
        token = meant.parts.get("token") if meant and meant.means is Means.OK else None
        if not meant or not token:
            raise NotReached(f"the login failed: {told.text} without a token")
        said = meant.parts.get("expires_in", "")
        return token, float(said) if said.isdecimal() and len(said) <= WAIT_DIGITS + 3 else TOKEN_SECONDS
