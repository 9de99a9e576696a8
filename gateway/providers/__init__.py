"""Provider protocols: one file each, with the interface of `base.Adapter`."""

from gateway import log, outbound
from gateway.providers.base import Adapter, InDoubt, NotReached, ProviderError, Task
from gateway.providers.znet import Znet
from models.outcome import Outcome
from models.provider import Provider

logger = log.get(__name__)

#: Every protocol, by the name that `gateway providers add --adapter` takes.
ADAPTERS: dict[str, type[Adapter]] = {"znet": Znet}


def adapter_for(provider: Provider, client: outbound.Client) -> Adapter:
    """The adapter of `provider`. Raises KeyError for a protocol or credential that is missing."""
    return ADAPTERS[provider.adapter](provider, client)


def fault(provider: Provider, client: outbound.Client) -> str | None:
    """Why a provider's settings do not work, or None if they do."""
    try:
        adapter_for(provider, client)
    except Exception as error:
        return _described(error)
    return None


def _described(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing, or not known to this version"
    return type(error).__name__


def send(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.send`. Raises only ProviderError, so that a bug in an adapter cannot lose an order."""
    return _call("send", provider, client, task)


def check(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.check`. Raises only ProviderError."""
    return _call("check", provider, client, task)


def _call(name: str, provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    try:
        adapter = adapter_for(provider, client)
    except Exception as error:
        reason = _described(error)
        raise NotReached(f"nothing was sent: the settings of {provider.id} do not work: {reason}") from None
    try:
        outcome: Outcome = getattr(adapter, name)(task)
    except ProviderError:
        raise
    except Exception as error:
        logger.exception("An adapter failed.", action="adapter_failed", call=name)
        raise InDoubt(f"the adapter {provider.adapter} failed ({type(error).__name__})") from None
    return outcome
