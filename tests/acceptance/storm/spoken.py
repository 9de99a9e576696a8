"""The protocol that the providers of a storm speak, and their accounts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from gateway.callbacks import verifiers
from gateway.dev import simulator
from gateway.dev.simulator import Simulator, accounts
from gateway.dev.simulator.described import sheet
from gateway.providers.base import Traits
from gateway.providers.described import schema
from gateway.providers.described.kind import Described
from gateway.providers.znet import Znet
from models import protocols, provider, route
from models.provider import CALLBACK_SECRET, Provider

#: The protocol that is code.
ZNET = simulator.ZNET
#: None that ships has callbacks only; this one is made of a protocol whose question is its send, which goes unasked.
ONLY_CALLBACKS, MADE_OF = "only_callbacks", "digiflazz"
#: What it says of asking, and what is put in its place.
ASKING, UNASKED = 'traces = "reference"\nask_buys = true\nask_within = "90d"\n', 'traces = "nothing"\n'
#: One of each class of reference, by its class: what is known of an order whose answer was lost.
OF_EACH_CLASS = {
    "our reference": "zdk",
    "asking buys": "digiflazz",
    "only their number": "smm_v2",
    "nothing": ONLY_CALLBACKS,
}
#: Orders that the account can pay for: in every currency an amount that the gateway reads as money.
ORDERS_PAID = 4_000
#: Direct top-ups: nothing is delivered but the top-up.
TOP_UPS = ("smm_v2", "znet_tl")
#: What an order of a described protocol does (the simulator's words), and its share; after a bar stands what it does
#: at the second provider, where the first has refused it.
BEHAVIOURS = {
    "callback": 30,
    "poll": 20,
    "twice": 4,
    "late=5": 3,
    "shuffle": 3,
    "progress": 3,
    "badsign": 3,
    "sameid+progress": 2,
    "fail": 3,
    "fail+poll": 3,
    "refuse": 2,
    "refuse-product": 2,
    "refuse-customer": 2,
    "refuse|callback": 3,
    "refuse-product|poll": 3,
    "refuse-product|lostanswer": 2,
    "notnow": 2,
    "notnow=2+poll": 2,
    "html": 2,
    "html=2+poll": 2,
    "empty": 2,
    "500": 2,
    "cut": 2,
    "cut+poll": 2,
    "cutafter": 2,
    "cutafter+poll": 2,
    "lostanswer": 2,
    "lostanswer+poll": 2,
    "lostanswer+fail": 2,
    "half": 2,
    "half+poll": 2,
    "mumble": 2,
    "mumble+poll": 2,
    "duplicate": 1,
    "duplicate+poll": 1,
    "slow=3": 2,
    "slow=3+poll": 2,
    "check-html+poll": 1,
    "check-empty+poll": 1,
    "check-500+poll": 1,
    "check-cut=2+poll": 1,
    "check-half+poll": 1,
    "check-mumble+poll": 1,
    "check-slow=3+poll": 1,
    "never": 2,
}
#: What a provider must be able to answer to a send, and to a question, for a word; the other words need nothing.
ANSWERS_TO_SEND = {
    "refuse": "refused",
    "refuse-product": "refused_product",
    "refuse-customer": "refused_customer",
    "notnow": "not_now",
    "mumble": "doubt",
    "duplicate": "used",
}
ANSWERS_TO_CHECK = {"fail": "failed", "check-mumble": "doubt"}


@dataclass(frozen=True)
class Spoken:
    """What every provider of a storm speaks. `name` is a protocol, or ONLY_CALLBACKS."""

    name: str = ZNET

    @property
    def is_described(self) -> bool:
        return self.name != ZNET

    @property
    def protocol(self) -> str:
        """The one that the simulator speaks."""
        return MADE_OF if self.name == ONLY_CALLBACKS else self.name

    @cached_property
    def traits(self) -> Traits:
        """What the gateway knows of it."""
        if not self.is_described:
            return Znet.TRAITS
        return Described(self.name, schema.load(self._file(), f"{self.name}.toml")).TRAITS

    @property
    def denials(self) -> tuple[str, ...]:
        """How the simulator says that our account does not count any more."""
        return ("denied",) if self.is_described else ("denied", "password")

    @property
    def behaviours(self) -> Mapping[str, int]:
        """Of its orders, those that its simulator can play."""
        return {
            words: share
            for words, share in BEHAVIOURS.items()
            if all(map(self._plays, re.split(r"[+|]", words)))
        }

    @property
    def calls_back(self) -> bool:
        return not self.is_described or sheet.calls_back(self.protocol)

    def simulator(self, **options: Any) -> Simulator:
        """A provider that speaks it."""
        balance = ORDERS_PAID * sheet.load(self.protocol).price
        return Simulator(
            protocol=self.protocol, echo=None, settle_after_seconds=1, balance=balance, **options
        )

    def add(self, provider_id: str, url: str) -> str:
        """Add the account at `url`, with a route for anything; the secret of its callbacks.

        Needs an open session.
        """
        if self.name == ONLY_CALLBACKS:
            protocols.add(self.name, self._file(), "[]")
        scheme = verifiers.OfProtocol if verifiers.has_scheme(self.name) else verifiers.NoCallbacks
        credentials = accounts.account(self.protocol, url)
        account = Provider(
            provider_id,
            self.name,
            url,
            scheme.name,
            {name: value for name, value in credentials.items() if name != "token"},
            callback_format=scheme.format,
            currency=sheet.load(self.protocol).currency,
            max_concurrency=64,
        )
        kind = verifiers.verifier_of(account)
        secret = kind.new_secret() if kind.has_secret else ""
        account.credentials[CALLBACK_SECRET] = secret
        provider.save(account)
        route.add(route.ANY, route.ANY, provider_id, accounts.route(self.protocol))
        return secret

    def _plays(self, word: str) -> bool:
        name, answers = word.partition("=")[0], sheet.load(self.protocol).answers
        to_any, to_send = answers.get("any", {}), answers["send"]
        sent = ANSWERS_TO_SEND.get(name, "processing") in {**to_any, **to_send}
        return sent and ANSWERS_TO_CHECK.get(name, "processing") in {
            **to_any,
            **answers.get("check", to_send),
        }

    def _file(self) -> str:
        """The file that describes it."""
        found = (
            resources.files("gateway.providers").joinpath("protocols", f"{self.protocol}.toml").read_text()
        )
        if self.name != ONLY_CALLBACKS:
            return found
        assert ASKING in found
        return found.replace(ASKING, UNASKED)


#: What speaks as the storms of znet do.
OF_CODE = Spoken()
