"""Provider protocols: one file each, all of the shape of `base.Adapter`."""

from gateway import log, outbound
from gateway.providers.base import Adapter, InDoubt, NotReached, ProviderError, Task
from gateway.providers.znet import Znet
from models.outcome import Outcome
from models.provider import Provider

logger = log.get(__name__)

#: Every protocol we speak, by the name that `gateway providers add --adapter` takes.
ADAPTERS: dict[str, type[Adapter]] = {"znet": Znet}


def adapter_for(provider: Provider, client: outbound.Client) -> Adapter:
    """The adapter that speaks to `provider`. Raises KeyError for one that this version does not know."""
    return ADAPTERS[provider.adapter](provider, client)


def fault(provider: Provider, client: outbound.Client) -> str | None:
    """Why no adapter can be made of a provider's settings; None where one can."""
    try:
        adapter_for(provider, client)
    except Exception as error:
        return _described(error)
    return None


def _described(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing, or nothing that this version knows"
    return type(error).__name__


def send(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.send`. Raises ProviderError and nothing else, so that no fault of an adapter loses an order."""
    return _call("send", provider, client, task)


def check(provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    """See `Adapter.check`. Raises ProviderError and nothing else."""
    return _call("check", provider, client, task)


def _call(name: str, provider: Provider, client: outbound.Client, task: Task) -> Outcome:
    try:
        adapter = adapter_for(provider, client)
    except Exception as error:
        reason = _described(error)
        raise NotReached(
            f"nothing was sent: the settings of {provider.id} make no adapter: {reason}"
        ) from None
    try:
        outcome: Outcome = getattr(adapter, name)(task)
    except ProviderError:
        raise
    except Exception as error:
        logger.exception("An adapter failed.", action="adapter_failed", call=name)
        raise InDoubt(f"the adapter {provider.adapter} failed ({type(error).__name__})") from None
    return outcome
