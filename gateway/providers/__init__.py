"""Provider protocols: one file each, with the interface of `base.Adapter`."""

import traceback
from typing import Any

from gateway import log, outbound
from gateway.providers.base import (
    Adapter,
    Balance,
    InDoubt,
    NotReached,
    NotTried,
    Package,
    ProviderError,
    Task,
    known,
)
from gateway.providers.manual import Manual
from gateway.providers.stock import Stock
from gateway.providers.znet import Znet
from models import masking
from models.outcome import Outcome
from models.placing import Traits, traits_in_json
from models.provider import Provider

logger = log.get(__name__)

#: Every protocol, by the name that `gateway providers add --adapter` takes.
ADAPTERS: dict[str, type[Adapter]] = {"znet": Znet, "stock": Stock, "manual": Manual}

#: What placing must know of each, as `models.placing.place` takes it.
TRAITS = traits_in_json({name: Traits(kind.MOST, kind.NEEDS) for name, kind in ADAPTERS.items()})


class Misconfigured(Exception):
    """The settings of a provider do not work; the message says why."""


def adapter_for(provider: Provider, client: outbound.Client) -> Adapter:
    """The adapter of `provider`. Raises Misconfigured for a protocol or credential that is missing."""
    kind = ADAPTERS.get(provider.adapter)
    if kind is None:
        raise Misconfigured(f"the protocol {provider.adapter!r} is not known to this version")
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
    kind = ADAPTERS.get(provider.adapter)
    return kind is not None and kind.NEEDS_PERSON


def send(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.send`. Raises only ProviderError, so that a bug in an adapter cannot lose an order."""
    outcome: Outcome = _call("send", provider, client, task)
    return outcome


def check(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.check`. Raises only ProviderError."""
    outcome: Outcome = _call("check", provider, client, task)
    return outcome


def balance(provider: Provider, client: outbound.Client) -> Balance:
    """See `Adapter.balance`. Raises only ProviderError."""
    found: Balance = _call("balance", provider, client)
    return found


def catalogue(provider: Provider, client: outbound.Client) -> list[Package]:
    """See `Adapter.catalogue`. Raises only ProviderError."""
    found: list[Package] = _call("catalogue", provider, client)
    return found


def _call(name: str, provider: Provider, client: outbound.Client, *arguments: Task) -> Any:
    """Texts in the answer are masked by what is known of the provider and of the order."""
    with masking.knowing(known(provider, *arguments)):
        return _answer(name, provider, client, *arguments)


def _answer(name: str, provider: Provider, client: outbound.Client, *arguments: Task) -> Any:
    """An error of ours blames no provider: before anything was sent it is NotTried, after that InDoubt."""
    sent_before = outbound.calls_sent()
    try:
        answer = getattr(adapter_for(provider, client), name)(*arguments)
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
    return answer
