"""Provider protocols: each with the interface of `base.Kind`; found by `kinds`."""

import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway import log, outbound
from gateway.providers import kinds
from gateway.providers.base import (
    Adapter,
    Balance,
    InDoubt,
    Learned,
    NotReached,
    NotTried,
    Package,
    ProviderError,
    Task,
    Traces,
    Traits,
    known,
)
from gateway.providers.described.kind import Described
from models import masking
from models import provider as accounts
from models.claims import USUAL, Asking
from models.outcome import Outcome
from models.placing import Terms, terms_in_json
from models.provider import Provider

logger = log.get(__name__)

T = TypeVar("T")

#: The protocols that are code; `kinds` finds the others, too.
ADAPTERS = kinds.ADAPTERS


class Misconfigured(Exception):
    """The settings of a provider do not work; the message says why."""


def adapter_for(provider: Provider, client: outbound.Client) -> Adapter:
    """The adapter of `provider`. Raises Misconfigured for a protocol or credential that is missing."""
    try:
        kind = kinds.get(provider.adapter)
    except kinds.Unusable as error:
        raise Misconfigured(str(error)) from None
    if missing := [name for name in kind.CREDENTIALS if name not in provider.credentials]:
        raise Misconfigured(f"its credentials lack {' and '.join(missing)}")
    return kind(provider, client)


def fault(provider: Provider, client: outbound.Client) -> str | None:
    """Why a provider's settings do not work, or None if they do. An error of ours is raised as it is."""
    try:
        adapter_for(provider, client)
    except Misconfigured as error:
        return str(error)
    return None


def needs_person(provider: Provider) -> bool:
    """Whether a person fulfils the provider's orders."""
    kind = kinds.find(provider.adapter)
    return kind is not None and kind.NEEDS_PERSON


def asks_balance(adapter_name: str) -> bool:
    """Whether a protocol has a question for our balance: without one, no pause of the gateway's ends by itself."""
    kind = kinds.find(adapter_name)
    has_question = not isinstance(kind, Described) or kind.file.balance is not None
    return kind is not None and kind.HAS_SERVICE and has_question


def currency(provider: Provider) -> str | None:
    """The currency of the account: what was said of it, else that of its protocol; None if neither says it."""
    kind = kinds.find(provider.adapter)
    return provider.currency or (kind.CURRENCY if kind else None)


def traits(adapter_name: str) -> Traits:
    """What the core must know of a protocol; of one that cannot be used, what is usual."""
    kind = kinds.find(adapter_name)
    return kind.TRAITS if kind else Traits()


def asking(adapter_name: str) -> Asking:
    """What must hold of an order for a provider of this protocol to be asked for it."""
    of = traits(adapter_name)
    return Asking(
        buys=of.ask_buys,
        within_seconds=of.ask_within_seconds,
        needs_number=of.traces is Traces.OWN_NUMBER,
        never=of.traces is Traces.NOTHING,
        many_need_number=of.many_by_own_number,
    )


def asking_of(provider_id: str | None) -> Asking:
    """The same of a configured provider. Needs an open session."""
    account = accounts.outline(provider_id) if provider_id else None
    return asking(account.adapter) if account else USUAL


def terms() -> str:
    """What the protocols of the configured providers ask of an order, as `placing.place` takes it.

    Of a protocol that cannot be used nothing is said. Needs an open session.
    """
    found = ((name, kinds.find(name)) for name in accounts.adapters())
    return terms_in_json(
        {name: Terms(kind.TRAITS.max_quantity, kind.NEEDS) for name, kind in found if kind is not None}
    )


def send(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.send`. Raises only ProviderError, so that a bug in an adapter cannot lose an order."""
    return _call("send", provider, client, lambda adapter: adapter.send(task), task)


def check(provider: Provider, client: outbound.Client, tasks: Sequence[Task]) -> list[Learned]:
    """See `Adapter.check`: what was learned of each. Raises nothing: an error of the whole call is each one's."""
    try:
        learned = _call("check", provider, client, lambda adapter: adapter.check(tasks), *tasks)
    except ProviderError as error:
        return [error] * len(tasks)
    if len(learned) != len(tasks):
        return [InDoubt(f"the adapter {provider.adapter} did not speak of every order")] * len(tasks)
    return learned


def check_one(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.check`, of one order. Raises only ProviderError."""
    [learned] = check(provider, client, [task])
    if isinstance(learned, ProviderError):
        raise learned
    return learned


def balance(provider: Provider, client: outbound.Client) -> Balance:
    """See `Adapter.balance`. Raises only ProviderError."""
    return _call("balance", provider, client, lambda adapter: adapter.balance())


def catalogue(provider: Provider, client: outbound.Client) -> list[Package]:
    """See `Adapter.catalogue`. Raises only ProviderError."""
    return _call("catalogue", provider, client, lambda adapter: adapter.catalogue())


def _call(
    name: str, provider: Provider, client: outbound.Client, work: Callable[[Adapter], T], *tasks: Task
) -> T:
    """Texts in the answer are masked by what is known of the provider and of the orders."""
    with masking.knowing(known(provider, *tasks)):
        return _answer(name, provider, client, work)


def _answer(name: str, provider: Provider, client: outbound.Client, work: Callable[[Adapter], T]) -> T:
    """An error of ours blames no provider: before anything was sent it is NotTried, after that InDoubt."""
    sent_before = outbound.calls_sent()
    try:
        return work(adapter_for(provider, client))
    except Misconfigured as error:
        reason = f"nothing was sent: the settings of {provider.id} do not work: {error}"
        raise NotReached(reason) from None
    except ProviderError:
        raise
    except Exception as error:
        # The error may quote the answer.
        shown = masking.mask_lines(traceback.format_exc())
        logger.error("An adapter failed.", action="adapter_failed", call=name, exception=shown)
        detail = str(error) if isinstance(error, outbound.LocalFault) else type(error).__name__
        kind = NotTried if outbound.calls_sent() == sent_before else InDoubt
        raise kind(f"the adapter {provider.adapter} failed ({detail})") from None
