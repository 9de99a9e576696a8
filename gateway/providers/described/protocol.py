"""A protocol that a file describes: what calls it makes, and what answers and callbacks mean. Makes no call itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from gateway.providers import players
from gateway.providers.base import (
    AskNow,
    Balance,
    InDoubt,
    NoAnswer,
    NotNow,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    Reply,
    Task,
    Traits,
    UnknownReference,
    UnreadableCallback,
)
from gateway.providers.described import answers, requests, templates
from gateway.providers.described.answers import Answer, Meant
from gateway.providers.described.requests import Call
from gateway.providers.described.schema import Catalogue, Lines, Means, Operation, ProtocolFile, Request
from models import texts
from models.outcome import Outcome
from models.provider import CALLBACK_SECRET, Provider
from models.status import ExternalStatus

#: The statuses that meanings are.
STATUSES = {
    Means.SENT: ExternalStatus.SENT,
    Means.PROCESSING: ExternalStatus.PROCESSING,
    Means.COMPLETED: ExternalStatus.COMPLETED,
    Means.FAILED: ExternalStatus.FAILED,
    Means.REVERSED: ExternalStatus.REVERSED,
}


class Protocol:
    """One protocol, made once of its file."""

    HAS_SERVICE = True
    NEEDS_PERSON = False

    def __init__(self, name: str, file: ProtocolFile) -> None:
        self.name = name
        self.file = file
        self.CURRENCY = file.currency
        self.CREDENTIALS = tuple(each for each in file.credentials if each != CALLBACK_SECRET)
        self.FIELDS = tuple(file.fields)
        said = file.callback.reply if file.callback else None
        self.ACKNOWLEDGEMENT = Reply(said.body, said.status, said.type) if said else None

    @cached_property
    def traits(self) -> Traits:
        """What the core must know of it."""
        said, check = self.file.traits, self.file.check
        operations = (
            self.file.send,
            check,
            self.file.balance,
            self.file.catalogue,
            *self.file.steps.values(),
        )
        timeouts = [said.timeout, *(each.timeout for each in operations if each)]
        return Traits(
            traces=said.traces,
            ask_buys=said.ask_buys,
            ask_within_seconds=said.ask_within,
            max_check=said.max_check if check and check.many and not said.ask_buys else 1,
            many_by_own_number=bool(check and check.many and check.many.by == "own"),
            timeout_seconds=max((each for each in timeouts if each), default=None),
            max_quantity=said.max_quantity,
        )

    def reference(self, task: Task) -> str:
        """What the provider knows the order by. Raises BadValue."""
        return self.file.reference.make.fill({"referans": task.referans, "created_at": _moment(task)})

    def referans(self, reference: str) -> str | None:
        """Our reference in what the provider knows an order by; None if it is not one of ours."""
        reading = self.file.reference.read
        if reading is None:
            return reference
        if reading == "uuid":
            return templates.from_uuid(reference)
        found = reading.search(reference)
        return found.get("referans") if found else None

    def values(self, provider: Provider, *tasks: Task, now: datetime | None = None) -> dict[str, Any]:
        """What the templates of calls may name; of several tasks also `owns` and `references`."""
        made: dict[str, Any] = {
            "credentials": self.credentials(provider),
            "now": (now or datetime.now(UTC)).isoformat(),
        }
        if not tasks:
            return made
        task = tasks[0]
        made |= {
            "referans": task.referans,
            "own": task.external_order_id,
            "user": players.player(task.user_identifier),
            "extra": players.player(task.extra_field or ""),
            "phone": players.phone(task.extra_field or "") or "",
            "quantity": task.quantity,
            "created_at": _moment(task),
            "callback_url": task.callback_url,
            "params": self._defaults("params") | {name: str(value) for name, value in task.params.items()},
            "reference": self.reference(task),
            "owns": ",".join(each.external_order_id or "" for each in tasks),
            "references": ",".join(self.reference(each) for each in tasks),
        }
        made["fields"] = {name: self._field(name, task, made) for name in self.file.fields}
        return made

    def _field(self, name: str, task: Task, values: Mapping[str, Any]) -> str:
        if mapped := task.field_map.get(name):
            given = {"userIdentifier": task.user_identifier, "extraField": task.extra_field, **task.fields}
            return players.fill(mapped, given)
        return self.file.fields[name].fill(values)

    def _defaults(self, group: str) -> dict[str, str]:
        begins = f"{group}."
        return {
            name.removeprefix(begins): value
            for name, value in self.file.defaults.items()
            if name.startswith(begins)
        }

    def credentials(self, provider: Provider) -> dict[str, str]:
        """The provider's credentials, with the file's values for those that are not given."""
        return self._defaults("credentials") | dict(provider.credentials)

    def request_of(self, operation: Operation, many: Request | None = None) -> Request:
        """How the call is made; for several orders with what differs from one."""
        if many is None:
            return operation
        given = {name: getattr(many, name) for name in many.model_fields_set if name in Request.model_fields}
        for name in ("query", "headers", "form", "body"):
            if name in given and getattr(operation, name):
                given[name] = {**getattr(operation, name), **given[name]}
        return operation.model_copy(update=given)

    def build(self, operation: Operation, values: templates.Values, many: Request | None = None) -> Call:
        """The call. Raises BadValue."""
        return requests.build(self.request_of(operation, many), values)

    def read(
        self, operation: Operation, answer: Answer, values: templates.Values, expects: str
    ) -> Meant | None:
        """What an answer means; None if no rule matches it."""
        return answers.meaning(
            answer, operation.rules, operation.read, operation.codes, values, expects=expects
        )

    def lines(
        self,
        operation: Operation,
        lines: Lines,
        answer: Answer,
        tasks: Sequence[Task],
        values: templates.Values,
    ) -> dict[str, Meant | None]:
        """What the line of each task means, by its referans. Those that have no line are missing."""
        found: dict[str, Meant | None] = {}
        named = _by_name(lines, answer, operation)
        for task in tasks:
            name = task.external_order_id if named.by == "own" else self.reference(task)
            if name is not None and (line := named.lines.get(name)) is not None:
                found[task.referans] = answers.meaning(
                    answer,
                    lines.rules or operation.rules,
                    operation.read,
                    operation.codes,
                    values,
                    tree=line,
                    expects=task.expects,
                )
        return found

    def callback(
        self, fields: Mapping[str, Any], text: str = ""
    ) -> tuple[Meant | None, Outcome | AskNow | None]:
        """What a callback says, and what comes of it; None for one about nothing. Raises UnreadableCallback."""
        described = self.file.callback
        if described is None:
            raise UnreadableCallback(f"the protocol {self.name} has no callbacks")
        answer = Answer(200, text, True, fields)
        meant = answers.meaning(answer, described.rules, described.read, described.codes, {})
        if meant is None:
            raise UnreadableCallback("the state of the order is not known to the protocol")
        if meant.means is Means.PING:
            return meant, None
        reference, own = meant.parts.get("reference"), meant.parts.get("own")
        referans = self.referans(reference) if reference else None
        if referans is None and own is None:
            raise UnreadableCallback("the reference is missing, or is not one of ours")
        verify = described.verify
        if meant.means is Means.ASK or (verify is not None and not verify.covers_state):
            return meant, AskNow(referans, own)
        return meant, _outcome(meant, referans, self.CURRENCY, quantity=None)

    def sent(self, meant: Meant | None, answer: Answer, task: Task, provider: Provider) -> Outcome:
        """What the answer to a send says. Raises Refused, NotNow, InDoubt, NoAnswer."""
        if meant is None or (meant.means not in STATUSES and meant.means is not Means.PARTIAL):
            raise _not_sent(meant, answer)
        return _outcome(meant, task.referans, self._currency(provider), task.quantity)

    def checked(
        self, meant: Meant | None, answer: Answer, task: Task, provider: Provider
    ) -> Outcome | ProviderError:
        """What the answer to a check says of an order."""
        if meant is None or (meant.means not in STATUSES and meant.means is not Means.PARTIAL):
            return _nothing_said(meant, answer)
        return _outcome(meant, task.referans, self._currency(provider), task.quantity)

    def balance(self, meant: Meant | None, answer: Answer, provider: Provider) -> Balance:
        """Raises QuestionRefused, NoAnswer."""
        amount = (
            texts.clean_money(meant.parts.get("amount", "")) if meant and meant.means is Means.OK else None
        )
        currency = (meant.parts.get("currency") if meant else None) or self._currency(provider)
        if meant is None or amount is None:
            error = _nothing_said(meant, answer)
            raise error if isinstance(error, QuestionRefused | NoAnswer) else QuestionRefused(str(error))
        return Balance(amount, currency or "", meant.parts.get("message"))

    def packages(
        self, operation: Catalogue, meant: Meant | None, answer: Answer, provider: Provider
    ) -> list[Package]:
        """Raises QuestionRefused, NoAnswer."""
        listed = operation.lines.each.find(answer.tree) if meant and meant.means is Means.OK else None
        if not isinstance(listed, list):
            error = _nothing_said(meant, answer)
            raise error if isinstance(error, QuestionRefused | NoAnswer) else QuestionRefused(str(error))
        return [self._package(operation, line, provider) for line in listed]

    def _package(self, operation: Catalogue, line: Any, provider: Provider) -> Package:
        said = operation.lines
        price = texts.clean_money(answers.text_at(said.price, line)) if said.price else None
        if price is not None and said.price_for != 1:
            price = price / Decimal(said.price_for)
        currency = answers.text_at(said.currency, line) if said.currency else None
        params = {name: answers.text_at(path, line) for name, path in said.params.items()}
        name = answers.text_at(said.name, line)
        return Package(
            answers.text_at(said.id, line), name, price, currency or self._currency(provider) or "", params
        )

    def _currency(self, provider: Provider) -> str | None:
        return self.CURRENCY or provider.currency


@dataclass(frozen=True, slots=True)
class _Named:
    """The lines of an answer by what names their orders."""

    by: str
    lines: Mapping[str, Any]


def _by_name(lines: Lines, answer: Answer, operation: Operation) -> _Named:
    """A line whose name stands twice is left out: it says nothing for certain."""
    listed = answer.tree if lines.each is None else lines.each.find(answer.tree)
    if lines.keys is not None:
        return _Named(lines.keys, listed if isinstance(listed, dict) else {})
    by = "reference" if operation.read.reference is not None else "own"
    place = operation.read.reference or operation.read.own
    found: dict[str, Any] = {}
    twice = set()
    for line in listed if isinstance(listed, list) else []:
        name = answers.text_at(place, line) if place else ""
        twice |= {name} & found.keys()
        found[name] = line
    return _Named(by, {name: line for name, line in found.items() if name not in twice})


def merged(first: Meant, second: Meant) -> Meant:
    """What two steps say together: the state of the second, and of both the parts."""
    return replace(second, parts={**first.parts, **second.parts})


def _moment(task: Task) -> str:
    return (task.created_at or datetime.now(UTC)).isoformat()


def _outcome(meant: Meant, referans: str | None, currency: str | None, quantity: int | None) -> Outcome:
    """A part of a single piece is nothing."""
    status = STATUSES.get(meant.means)
    is_partial = meant.means is Means.PARTIAL
    if status is None:
        status = ExternalStatus.FAILED if quantity == 1 else ExternalStatus.COMPLETED
    parts = meant.parts
    cost = texts.clean_money(parts["cost"]) if "cost" in parts else None
    return Outcome(
        status,
        referans,
        parts.get("own"),
        codes=meant.codes if status is ExternalStatus.COMPLETED else (),
        unreadable_code=meant.unreadable_code and status is ExternalStatus.COMPLETED,
        receipt=parts.get("receipt"),
        message=parts.get("message"),
        cost=cost,
        currency=parts.get("currency") or currency,
        remaining=texts.clean_money(parts["remaining"]) if "remaining" in parts else None,
        is_partial=is_partial and status is ExternalStatus.COMPLETED,
    )


def _not_sent(meant: Meant | None, answer: Answer) -> ProviderError:
    """Without a rule it is never a refusal."""
    if meant is None:
        return _unread(answer) or InDoubt(f"no rule matches the answer: {answer.text}")
    said = meant.parts.get("message") or answer.text
    if meant.means is Means.REFUSED:
        return Refused(said, meant.rule.about, lacks_balance=meant.rule.lacks_balance)
    if meant.means in (Means.NOT_NOW, Means.TOKEN_EXPIRED):
        return NotNow(said, _retry_after(meant))
    if meant.means is Means.NO_ANSWER:
        return NoAnswer(f"HTTP {answer.http}", answer.text)
    return InDoubt(said)


def _nothing_said(meant: Meant | None, answer: Answer) -> ProviderError:
    """Without a rule nothing was learned."""
    if meant is None:
        return _unread(answer) or QuestionRefused("no rule matches the answer", answer.text)
    said = meant.parts.get("message") or answer.text
    if meant.means is Means.UNKNOWN:
        return UnknownReference(said)
    if meant.means in (Means.NOT_NOW, Means.TOKEN_EXPIRED):
        return NotNow(said, _retry_after(meant))
    if meant.means is Means.NO_ANSWER:
        return NoAnswer(f"HTTP {answer.http}", answer.text)
    about = meant.rule.about if meant.means is Means.REFUSED else None
    return QuestionRefused(said, about=about)


def _unread(answer: Answer) -> NoAnswer | None:
    if answer.http >= 500 or not answer.is_readable:
        return NoAnswer(f"HTTP {answer.http}, and no answer of the protocol", answer.text)
    return None


def _retry_after(meant: Meant) -> float | None:
    said = meant.parts.get("retry_after", "")
    return float(said) if said.isdecimal() and len(said) < 7 else meant.rule.retry_after
