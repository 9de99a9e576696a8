"""A protocol that a file describes: what calls it makes, and what comes of answers and callbacks. It calls nobody."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.providers import players
from gateway.providers.base import (
    FAILURE_REASONS,
    About,
    AskNow,
    Balance,
    CannotAsk,
    InDoubt,
    Learned,
    NoAnswer,
    NotNow,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    Reply,
    Said,
    Task,
    Traits,
    UnknownReference,
    UnreadableCallback,
)
from gateway.providers.described import answers, requests, templates
from gateway.providers.described.answers import Answer, Meant, Parts
from gateway.providers.described.patterns import Pattern
from gateway.providers.described.schema import (
    Catalogue,
    Means,
    ProtocolFile,
    Request,
    rules_of,
)
from gateway.providers.described.templates import BadValue, Made, Template
from gateway.providers.described.values import Value
from models import texts
from models.outcome import Outcome
from models.provider import CALLBACK_SECRET, Provider
from models.status import ExternalStatus, FailureReason

#: The statuses that meanings are.
STATUSES = {
    Means.SENT: ExternalStatus.SENT,
    Means.PROCESSING: ExternalStatus.PROCESSING,
    Means.COMPLETED: ExternalStatus.COMPLETED,
    Means.PARTIAL: ExternalStatus.COMPLETED,
    Means.FAILED: ExternalStatus.FAILED,
    Means.REVERSED: ExternalStatus.REVERSED,
}
#: Codes of currencies, as routes and orders name them.
CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,9}")
#: Digits of the longest wait that is kept to, in seconds.
WAIT_DIGITS = 6


class Protocol:
    """One protocol, made once of its file."""

    HAS_SERVICE = True
    NEEDS_PERSON = False

    def __init__(self, name: str, file: ProtocolFile) -> None:
        self.name = name
        self.file = file
        self.CURRENCY = file.currency
        self.CREDENTIALS = _but_of_callbacks(file.credentials)
        self.OPTIONAL_CREDENTIALS = _but_of_callbacks(file.optional_credentials)
        self.PARAMS = tuple(each for each in file.params if f"params.{each}" not in file.defaults)
        given = (*file.params, *file.optional_params)
        self.OPTIONAL_PARAMS = tuple(each for each in given if each not in self.PARAMS)
        self.FIELDS = tuple(file.fields)
        always_sent = frozenset(name for part in _parts(file.send) for name in _always_sent(part))
        self.NEEDS = tuple(each for each in self.FIELDS if f"fields.{each}" in always_sent)
        reply = file.callback.reply if file.callback else None
        self.ACKNOWLEDGEMENT = Reply(reply.body, reply.status, reply.type) if reply else None
        many = file.check.many if file.check else None
        by_own_number = many is not None and many.by == "own"
        #: What rules look for anywhere in a text, and in nothing else.
        self._words = tuple(dict.fromkeys(_words(file)))
        self.TRAITS = Traits(**dict(file.traits), many_by_own_number=by_own_number)

    def reference(self, task: Task) -> str:
        """What the provider knows the order by. Raises BadValue."""
        return self.file.reference.make.fill(
            {"referans": task.referans, "created_at": _moment(task.created_at)}
        )

    def check_words(self, task: Task) -> None:
        """Raises BadValue if the customer wrote what a rule takes for the provider's words: an answer may repeat it."""
        inputs = task.inputs()
        written = [text or "" for text in inputs.values()]
        written += [f"{task.user_identifier}{task.extra_field or ''}"]
        written += [players.fill(template, inputs) for template in task.field_map.values()]
        if any(pattern.search(text) is not None for pattern in self._words for text in written):
            raise BadValue("what the customer wrote is a word by which the provider's answers are read")

    def referans(self, reference: str) -> str | None:
        """Our reference in what the provider knows an order by; None if it is not one of ours."""
        reading = self.file.reference.read
        if reading is None:
            return reference
        if reading == "uuid":
            return templates.from_uuid(reference)
        return (reading.search(reference) or {}).get("referans")

    def values(self, provider: Provider, *tasks: Task, now: datetime | None = None) -> Made:
        """What the templates of calls may name; of several tasks `owns` and `references` are all of them.

        Each is made when it is named, which may raise BadValue.
        """
        task, file = tasks[0] if tasks else Task(""), self.file
        makers: dict[str, Callable[[str], object]] = {
            "credentials": lambda name: provider.credentials.get(
                name, file.defaults.get(f"credentials.{name}")
            ),
            "params": lambda name: task.params.get(name, file.defaults.get(f"params.{name}")),
            "fields": lambda name: (
                players.fill(task.field_map[name], task.inputs())
                if name in task.field_map
                else file.fields[name].fill(values)
            ),
            "referans": lambda _: task.referans,
            "reference": lambda _: self.reference(task),
            "references": lambda _: ",".join(map(self.reference, tasks)),
            "own": lambda _: task.external_order_id,
            "owns": lambda _: ",".join(each.external_order_id or "" for each in tasks),
            "user": lambda _: players.player(task.user_identifier),
            "extra": lambda _: players.player(task.extra_field or ""),
            "phone": lambda _: players.phone(task.extra_field or ""),
            "quantity": lambda _: task.quantity,
            "created_at": lambda _: _moment(task.created_at),
            "callback_url": lambda _: task.callback_url,
            "max_price": lambda _: task.ceilings()["max_price"],
            "max_cost": lambda _: task.ceilings()["max_cost"],
            "max_cost_currency": lambda _: task.ceilings()["max_cost_currency"],
            "base_url": lambda _: provider.base_url.rstrip("/"),
            "now": lambda _: _moment(now or datetime.now(UTC)),
        }
        values = Made(makers)
        return values

    #: The call that an operation of the file makes with these values, and what the answer to it means.
    build = staticmethod(requests.build)
    read = staticmethod(answers.meaning)

    def callback(self, fields: Mapping[str, Any], text: str = "") -> tuple[Meant | None, Said]:
        """What a callback says, and what comes of it; None for one about nothing. Raises UnreadableCallback."""
        said = self.file.callback
        if said is None:
            raise UnreadableCallback(f"the protocol {self.name} has no callbacks")
        meant = answers.first(said, Answer(200, text, True, fields), fields, Made({}))
        if meant is None:
            raise UnreadableCallback("the state of the order is not known to the protocol")
        if meant.means is Means.PING:
            return meant, None
        reference, own = meant.parts.get("reference"), meant.parts.get("own")
        referans = self.referans(reference) if reference else None
        if referans is None and own is None:
            raise UnreadableCallback("the reference is missing, or is not one of ours")
        covers_state = said.verify is None or said.verify.covers_state
        outcome = _outcome(meant, referans, self.CURRENCY, quantity=None) if covers_state else None
        return meant, outcome or AskNow(referans, own)

    def sent(self, meant: Meant | None, answer: Answer, task: Task, provider: Provider) -> Outcome:
        """What the answer to a send says. Raises Refused, NotNow, InDoubt, NoAnswer."""
        outcome = _outcome(meant, task.referans, self.CURRENCY or provider.currency, task.quantity)
        if outcome is None:
            raise not_sent(meant, answer)
        return outcome

    def checked(self, meant: Meant | None, answer: Answer, task: Task, provider: Provider) -> Learned:
        """What the answer to a check says of an order."""
        outcome = _outcome(meant, task.referans, self.CURRENCY or provider.currency, task.quantity)
        learned = outcome or not_learned(meant, answer)
        if isinstance(learned, CannotAsk) and task.external_order_id:
            return QuestionRefused("the provider does not find the order by our reference", answer.text)
        return learned

    def balance(self, meant: Meant | None, answer: Answer, provider: Provider) -> Balance:
        """Raises QuestionRefused, NotNow, NoAnswer."""
        amount = _money(meant, "amount") if meant and meant.means is Means.OK else None
        if meant is None or amount is None:
            raise not_learned(meant, answer)
        currency = _currency(meant.parts, self.CURRENCY or provider.currency) or ""
        return Balance(amount, currency, meant.parts.get("message"))

    def packages(
        self, catalogue: Catalogue, meant: Meant | None, answer: Answer, provider: Provider
    ) -> list[Package]:
        """Raises QuestionRefused, NotNow, NoAnswer."""
        described, currency = catalogue.packages, self.CURRENCY or provider.currency or ""
        listed = described.lines(answer.tree) if meant and meant.means is Means.OK else None
        if listed is None:
            raise not_learned(meant, answer)

        def package(group: str, line: Any) -> Package:
            said = {name: place.text_in(line) for name, place in described.places.items()}
            price = texts.clean_money(said.get("price", ""))
            for_one = price / described.price_for if price is not None else None
            params = {name: place.text_in(line) for name, place in described.params.items()}
            # A price in a currency that is not known is none.
            in_currency = _currency(said, currency)
            return Package(
                said["id"],
                f"{group} {said['name']}".strip(),
                for_one if in_currency is not None else None,
                in_currency or "",
                params,
            )

        return [package(group, line) for group, line in listed]


def _words(file: ProtocolFile) -> Iterator[Pattern]:
    for part in (file.send, file.check, file.callback, *file.steps.values()):
        for rule in rules_of(part) if part else ():
            if rule.text and not rule.where and not rule.text.is_anchored:
                yield rule.text


def _but_of_callbacks(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in names if each != CALLBACK_SECRET)


def _moment(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _parts(request: Request) -> tuple[Any, ...]:
    """Where values are put."""
    return request.path, request.url, request.query, request.headers, request.form, request.body, request.xml


def _always_sent(part: Any) -> Iterator[str]:
    """The values that a part of a request puts into every order; not those that are left out if they are empty."""
    if isinstance(part, Template):
        yield from part.names
    elif isinstance(part, Value):
        yield from part.names()
    elif isinstance(part, Mapping):
        for name, each in part.items():
            yield from () if name.may_be_left_out else _always_sent(each)
    elif isinstance(part, list):
        for each in part:
            yield from _always_sent(each)


def _currency(parts: Parts, otherwise: str | None) -> str | None:
    """The code of the currency that an answer says, in capitals; None for other words. `otherwise` if it says none."""
    code = parts.get("currency", "").upper()
    if not code:
        return otherwise
    return code if CURRENCY.fullmatch(code) else None


def _money(meant: Meant, part: str) -> Any:
    return texts.clean_money(meant.parts[part]) if part in meant.parts else None


def _outcome(
    meant: Meant | None, referans: str | None, currency: str | None, quantity: int | None
) -> Outcome | None:
    """The outcome that an answer says; None if it says none. A part of a single piece is nothing."""
    status = STATUSES.get(meant.means) if meant else None
    if meant is None or status is None:
        return None
    is_part = meant.means is Means.PARTIAL
    if is_part and quantity == 1:
        status = ExternalStatus.FAILED
    is_delivered, parts = status is ExternalStatus.COMPLETED, meant.parts
    return Outcome(
        status,
        referans,
        parts.get("own"),
        codes=meant.codes if is_delivered else (),
        unreadable_code=meant.unreadable_code and is_delivered,
        receipt=parts.get("receipt"),
        message=parts.get("message"),
        cost=_money(meant, "cost"),
        currency=_currency(parts, currency),
        remaining=_money(meant, "remaining"),
        is_partial=is_part and is_delivered,
        failure_reason=_failure_reason(status, meant.rule.about),
    )


def _failure_reason(status: ExternalStatus, about: About) -> FailureReason | None:
    return FAILURE_REASONS[about] if status is ExternalStatus.FAILED and about is not About.ORDER else None


def not_sent(meant: Meant | None, answer: Answer) -> ProviderError:
    """What the answer to a send means that says no outcome. Without a rule it is never a refusal."""
    if meant is None:
        return _unread(answer) or InDoubt(f"no rule matches the answer: {answer.text}")
    said = meant.parts.get("message") or answer.text
    if meant.means is Means.REFUSED:
        return Refused(said, meant.rule.about, lacks_balance=meant.rule.lacks_balance)
    if either := _either(meant, answer, said):
        return either
    # A page of a server in between is a failure of the provider, too.
    return InDoubt(said) if answer.is_readable else NoAnswer(f"HTTP {answer.http}", answer.text)


def not_learned(meant: Meant | None, answer: Answer) -> ProviderError:
    """What the answer to a question means that says no outcome. Without a rule nothing was learned."""
    if meant is None:
        return _unread(answer) or QuestionRefused("nothing in the answer is about the order", answer.text)
    said = meant.parts.get("message") or answer.text
    if meant.means is Means.UNKNOWN:
        return UnknownReference(said)
    if meant.means is Means.CANNOT_ASK:
        return CannotAsk(said)
    about = meant.rule.about if meant.means is Means.REFUSED else None
    return _either(meant, answer, said) or QuestionRefused(said, about=about)


def _either(meant: Meant, answer: Answer, said: str) -> ProviderError | None:
    """What means the same of a send and of a question."""
    if meant.means in (Means.NOT_NOW, Means.TOKEN_EXPIRED):
        wait = meant.parts.get("retry_after") or answer.retry_after
        is_number = wait.isdecimal() and len(wait) <= WAIT_DIGITS
        return NotNow(said, float(wait) if is_number else meant.rule.retry_after)
    return NoAnswer(f"HTTP {answer.http}", answer.text) if meant.means is Means.NO_ANSWER else None


def _unread(answer: Answer) -> NoAnswer | None:
    if answer.http >= 500 or not answer.is_readable:
        return NoAnswer(f"HTTP {answer.http}, and no answer of the protocol", answer.text)
    return None
