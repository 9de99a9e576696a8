"""A described protocol as one of the kinds of adapter (see `base.Kind`)."""

from collections.abc import Mapping
from typing import Any

from gateway import outbound
from gateway.providers.base import Said
from gateway.providers.described.protocol import Protocol
from gateway.providers.described.speaker import Speaker
from models.outcome import Outcome
from models.provider import Provider


class Described(Protocol):
    """What a protocol file describes; called with a provider and a client, it gives the adapter."""

    def __call__(self, provider: Provider, client: outbound.Client) -> Speaker:
        return Speaker(self, provider, client)

    def read_callback(self, fields: Mapping[str, Any], text: str = "") -> Said:
        return self.callback(fields, text)[1]

    def write_callback(self, outcome: Outcome) -> Mapping[str, str]:
        raise ValueError(f"a callback in the format of {self.name} cannot be made here")
