"""Provider protocols: one file each, all of the shape of `base.Adapter`."""

from gateway import outbound
from gateway.providers.base import Adapter
from gateway.providers.znet import Znet
from models.provider import Provider

#: Every protocol we speak, by the name that `gateway providers add --adapter` takes.
ADAPTERS: dict[str, type[Adapter]] = {"znet": Znet}


def adapter_for(provider: Provider, client: outbound.Client) -> Adapter:
    """The adapter that speaks to `provider`. Raises KeyError for one that this version does not know."""
    return ADAPTERS[provider.adapter](provider, client)
