"""Our side and the provider's side of one protocol: its adapter, and a simulator whose own book counts purchases."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import requests

from gateway import outbound
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.described import accounts, sheet
from gateway.providers.base import ProviderError, Task, Traits
from gateway.providers.described import schema
from gateway.providers.described.protocol import Protocol
from gateway.providers.described.speaker import Speaker, Tokens
from gateway.providers.znet import Znet
from models.outcome import Outcome
from models.provider import Provider

FILES = resources.files("gateway.providers").joinpath("protocols")
DESCRIBED = sorted(each.name.removesuffix(".toml") for each in FILES.iterdir() if each.name.endswith(".toml"))
REFERANS = "482915736401852"
PLACED = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
#: An ending of the base URL, where a server's path is its own.
PATHS = {"h2h_irs": "/trx", "h2h_serpul": "/trx"}
#: Of callbacks, and of those that are signed as Standard Webhooks.
SECRET, STANDARD_SECRET = "hook-secret-of-tests", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#: Of the sandbox; a panel's package is named by two parameters.
ZNET_ACCOUNT, ZNET_ROUTE = {"kod": "sandbox", "sifre": "sandbox"}, {"oyun": "1", "kupur": "60"}


@cache
def load(name: str) -> Protocol:
    """A protocol that ships."""
    return Protocol(name, schema.load(FILES.joinpath(f"{name}.toml").read_text(), f"{name}.toml"))


@dataclass(frozen=True)
class Parties:
    """One protocol, spoken by both sides."""

    name: str
    simulator: Simulator
    adapter: Any
    provider: Provider
    traits: Traits
    task: Task

    def send(self, task: Task | None = None) -> Outcome | ProviderError:
        """What a send says."""
        try:
            said: Outcome = self.adapter.send(task or self.task)
        except ProviderError as error:
            return error
        return said

    def check(self, *tasks: Task) -> list[Outcome | ProviderError]:
        """What a check says of each."""
        return list(self.adapter.check(tasks))

    def after(self, said: Outcome | ProviderError, task: Task | None = None) -> Task:
        """The order once its send was answered so: with the provider's own number, if that came."""
        own = said.external_order_id if isinstance(said, Outcome) else None
        return replace(task or self.task, external_order_id=own)

    def purchases(self) -> int:
        """How often anything was bought, by the provider's own book."""
        return sum(self.simulator.book.purchases().values())

    def settle(self, state: str) -> None:
        """Decide the one order."""
        [order] = self.simulator.book.orders()
        asked = {"referans": order.referans, "state": state}
        requests.post(f"{self.simulator.url}/sim/settle", json=asked, timeout=5).raise_for_status()

    def fault(self, mode: str | None) -> None:
        """See `Control.set_fault`."""
        self.simulator.control.set_fault(mode)


@contextmanager
def parties(name: str, words: str = "", **options: Any) -> Iterator[Parties]:
    """Both sides. The provider's orders do what `words` say; by default they stay open."""
    is_code = name == "znet"
    secret = STANDARD_SECRET if name == "referans" else SECRET
    options = {"settle_after_seconds": 600, "callback_secret": secret, **options}
    with Simulator(protocol=name, default_behaviour=words, echo=None, **options) as simulator:
        account = ZNET_ACCOUNT if is_code else accounts.account(name, simulator.url)
        url = simulator.url + PATHS.get(name, "")
        provider = Provider("upstream", name, url, "protocol", account | {"callback_secret": secret})
        client = outbound.Client(read_timeout_seconds=5, deadline_seconds=5)
        route = ZNET_ROUTE if is_code else accounts.route(name)
        task = Task(REFERANS, "5123456789", "2201", params=route, created_at=PLACED)
        if is_code:
            yield Parties(name, simulator, Znet(provider, client), provider, Znet.TRAITS, task)
            return
        protocol = load(name)
        adapter = Speaker(protocol, provider, client, tokens=Tokens())
        yield Parties(name, simulator, adapter, provider, protocol.TRAITS, task)


def repeated(name: str) -> str:
    """What a second send under one reference does at the provider."""
    return "used" if name == "znet" else sheet.load(name).repeated


def says(name: str, kind: str, call: str = "send") -> bool:
    """Whether the provider has such an answer, as far as its page says. A question may be the send once more."""
    if name == "znet":
        return kind != "not_now"
    answers = sheet.load(name).answers
    return kind in {**answers.get("any", {}), **answers.get(call, answers["send"])}
