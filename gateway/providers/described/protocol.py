"""A protocol that a file describes: what calls it makes, and what answers and callbacks mean. Makes no call itself."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.providers import players
from gateway.providers.base import (
    AskNow,
    Balance,
    CannotAsk,
    Package,
    ProviderError,
    QuestionRefused,
    Reply,
    Task,
    Traits,
    UnreadableCallback,
)
from gateway.providers.described import answers, outcomes, requests, templates
from gateway.providers.described.answers import Answer, Meant
from gateway.providers.described.requests import Call
from gateway.providers.described.schema import (
    Catalogue,
    Check,
    Lines,
    Many,
    Means,
    Operation,
    ProtocolFile,
    Request,
    Value,
)
from gateway.providers.described.templates import Template
from models.outcome import Outcome
from models.provider import CALLBACK_SECRET, Provider

#: What an answer about several orders may say of all of them: that the question was not answered.
OF_ALL = frozenset(
    {Means.REFUSED, Means.NOT_NOW, Means.NO_ANSWER, Means.NOTHING_LEARNED, Means.TOKEN_EXPIRED}
)


class Protocol:
    """One protocol, made once of its file."""

    HAS_SERVICE = True
    NEEDS_PERSON = False

    def __init__(self, name: str, file: ProtocolFile) -> None:
        self.name = name
        self.file = file
        self.CURRENCY = file.currency
        self.CREDENTIALS = tuple(each for each in file.credentials if each != CALLBACK_SECRET)
        self.OPTIONAL_CREDENTIALS = tuple(
            each for each in file.optional_credentials if each != CALLBACK_SECRET
        )
        self.PARAMS = tuple(each for each in file.params if f"params.{each}" not in file.defaults)
        self.OPTIONAL_PARAMS = tuple(
            each for each in (*file.params, *file.optional_params) if each not in self.PARAMS
        )
        self.FIELDS = tuple(file.fields)
        always_sent = frozenset(name for part in _parts(file.send) for name in _always_sent(part))
        self.NEEDS = tuple(each for each in self.FIELDS if f"fields.{each}" in always_sent)
        reply = file.callback.reply if file.callback else None
        self.ACKNOWLEDGEMENT = Reply(reply.body, reply.status, reply.type) if reply else None
        self.traits = _traits(file)

    def reference(self, task: Task) -> str:
        """What the provider knows the order by. Raises BadValue."""
        return self.file.reference.make.fill(
            {"referans": task.referans, "created_at": _moment(task.created_at)}
        )

    def referans(self, reference: str) -> str | None:
        """Our reference in what the provider knows an order by; None if it is not one of ours."""
        reading = self.file.reference.read
        if reading is None:
            return reference
        if reading == "uuid":
            return templates.from_uuid(reference)
        return (reading.search(reference) or {}).get("referans")

    def credentials(self, provider: Provider) -> dict[str, str]:
        """The provider's credentials, with the file's values for those that are not given."""
        return self._defaults("credentials.") | dict(provider.credentials)

    def _defaults(self, group: str) -> dict[str, str]:
        said = self.file.defaults.items()
        return {name.removeprefix(group): value for name, value in said if name.startswith(group)}

    def values(self, provider: Provider, *tasks: Task, now: datetime | None = None) -> dict[str, Any]:
        """What the templates of calls may name; of several tasks also `owns` and `references`. Raises BadValue."""
        made: dict[str, Any] = {
            "credentials": self.credentials(provider),
            "base_url": provider.base_url.rstrip("/"),
            "now": _moment(now or datetime.now(UTC)),
        }
        if tasks:
            made |= self._values_of(tasks[0])
            made["owns"] = ",".join(each.external_order_id or "" for each in tasks)
            made["references"] = ",".join([made["reference"], *map(self.reference, tasks[1:])])
        return made

    def _values_of(self, task: Task) -> dict[str, Any]:
        made: dict[str, Any] = self.names(task) | {
            "referans": task.referans,
            "user": players.player(task.user_identifier),
            "extra": players.player(task.extra_field or ""),
            "phone": players.phone(task.extra_field or "") or "",
            "quantity": task.quantity,
            "created_at": _moment(task.created_at),
            "callback_url": task.callback_url,
            **task.ceilings(),
            "params": self._defaults("params.") | {name: str(value) for name, value in task.params.items()},
        }
        made["fields"] = {
            name: players.fill(task.field_map[name], task.inputs())
            if name in task.field_map
            else usual.fill(made)
            for name, usual in self.file.fields.items()
        }
        return made

    def names(self, task: Task) -> dict[str, Any]:
        """What an answer names the order by. Raises BadValue."""
        return {"reference": self.reference(task), "own": task.external_order_id}

    def build(self, operation: Operation, values: templates.Values, many: Many | None = None) -> Call:
        """The call; for several orders with what differs from one. Raises BadValue."""
        return requests.build(_for_many(operation, many) if many else operation, values)

    def read(
        self, operation: Operation, answer: Answer, values: templates.Values, expects: str = "auto"
    ) -> Meant | None:
        """What an answer means; None if no rule matches it."""
        return answers.meaning(answer, operation, self.file.rules, values, expects)

    def of_all(self, check: Check, answer: Answer, values: templates.Values) -> Meant | None:
        """What the answer about several orders says of the question itself; None if nothing."""
        meant = answers.first(answer, answer.tree, check, values, before=self.file.rules)
        return meant if meant is not None and meant.means in OF_ALL else None

    def of_line(
        self, check: Check, lines: Lines, answer: Answer, task: Task, values: templates.Values
    ) -> Meant | None:
        """What the answer about several orders says of one; None if nothing for certain."""
        return answers.of_line(answer, check, lines, {**values, **self.names(task)}, task.expects)

    def callback(
        self, fields: Mapping[str, Any], text: str = ""
    ) -> tuple[Meant | None, Outcome | AskNow | None]:
        """What a callback says, and what comes of it; None for one about nothing. Raises UnreadableCallback."""
        said = self.file.callback
        if said is None:
            raise UnreadableCallback(f"the protocol {self.name} has no callbacks")
        meant = answers.first(Answer(200, text, True, fields), fields, said, {})
        if meant is None:
            raise UnreadableCallback("the state of the order is not known to the protocol")
        if meant.means is Means.PING:
            return meant, None
        reference, own = meant.parts.get("reference"), meant.parts.get("own")
        referans = self.referans(reference) if reference else None
        if referans is None and own is None:
            raise UnreadableCallback("the reference is missing, or is not one of ours")
        covers_state = said.verify is None or said.verify.covers_state
        outcome = outcomes.outcome(meant, referans, self.CURRENCY, quantity=None) if covers_state else None
        return meant, outcome or AskNow(referans, own)

    def sent(self, meant: Meant | None, answer: Answer, task: Task, provider: Provider) -> Outcome:
        """What the answer to a send says. Raises Refused, NotNow, InDoubt, NoAnswer."""
        if outcome := self._outcome(meant, task, provider):
            return outcome
        raise outcomes.not_sent(meant, answer)

    def checked(
        self, meant: Meant | None, answer: Answer, task: Task, provider: Provider
    ) -> Outcome | ProviderError:
        """What the answer to a check says of an order."""
        if outcome := self._outcome(meant, task, provider):
            return outcome
        error = outcomes.not_learned(meant, answer)
        if isinstance(error, CannotAsk) and task.external_order_id:
            return QuestionRefused("the provider does not find the order by our reference", answer.text)
        return error

    def _outcome(self, meant: Meant | None, task: Task, provider: Provider) -> Outcome | None:
        if meant is None:
            return None
        return outcomes.outcome(meant, task.referans, self.currency(provider), task.quantity)

    def balance(self, meant: Meant | None, answer: Answer, provider: Provider) -> Balance:
        """Raises QuestionRefused, NotNow, NoAnswer."""
        return outcomes.balance(meant, answer, self.currency(provider))

    def packages(
        self, operation: Catalogue, meant: Meant | None, answer: Answer, provider: Provider
    ) -> list[Package]:
        """Raises QuestionRefused, NotNow, NoAnswer."""
        return outcomes.packages(operation.packages, meant, answer, self.currency(provider))

    def currency(self, provider: Provider) -> str | None:
        """The currency of amounts that say none."""
        return self.CURRENCY or provider.currency


def _traits(file: ProtocolFile) -> Traits:
    said, many = file.traits, file.check.many if file.check else None
    calls = (file.send, file.check, file.balance, file.catalogue, *file.steps.values())
    timeouts = (said.timeout, *(each.timeout for each in calls if each))
    return Traits(
        traces=said.traces,
        ask_buys=said.ask_buys,
        ask_within_seconds=said.ask_within,
        max_check=said.max_check,
        many_by_own_number=many is not None and many.by == "own",
        timeout_seconds=max(filter(None, timeouts), default=None),
        max_quantity=said.max_quantity,
    )


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


def _moment(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _for_many(operation: Operation, many: Many) -> Request:
    """The call about several orders: tables are put beside those of the call about one."""
    said: dict[str, Any] = {
        name: getattr(many, name) for name in many.model_fields_set & Request.model_fields.keys()
    }
    for name in ("query", "headers", "form", "body"):
        of_one = getattr(operation, name)
        if name in said and of_one:
            beside = {
                each.said.removesuffix("?"): (each, value)
                for each, value in (*of_one.items(), *said[name].items())
            }
            said[name] = dict(beside.values())
    return operation.model_copy(update=said)
