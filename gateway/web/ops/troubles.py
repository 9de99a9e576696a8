"""What is wrong at this moment, the gravest first: each in one sentence, with its cure and where that is done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from gateway import log
from gateway.web.ops import sentences, shapes, visitors
from gateway.web.ops.language import Reader, as_name
from models import provider_counts
from models.callback_shares import Told
from models.gauges import ProviderGauge
from models.provider_counts import Count, Counted
from models.provider_health import GATEWAY
from models.status import Attention
from models.stuck import KindCount, StuckOrder

#: How the processes are started, as the Procfile says.
WORKER = "dramatiq actors --processes 1 --threads 8 --worker-shutdown-timeout 20000"
SCHEDULER = "periodiq actors"
KEPT = "Orders are kept, and sent by themselves within a minute after."
#: By name, what is wrong and what to do, in English.
SAID: dict[str, tuple[str, str]] = {
    "queue away": (
        "Redis, the queue, does not answer: nothing is sent or checked.",
        f"Start it again at your host, or put REDIS_URL right. {KEPT}",
    ),
    "queue full": (
        "Redis, the queue, is full: nothing is sent or checked.",
        f"Give it more memory at your host (maxmemory), or delete what else is in it. {KEPT}",
    ),
    "queue refuses": (
        "Redis, the queue, takes no writes: nothing is sent or checked.",
        f"See its log at your host. If it is a replica, point REDIS_URL to the primary. {KEPT}",
    ),
    "worker": (
        "No worker is alive: nothing is sent or checked.",
        "Start the process “worker” again at your host. What waits is sent and checked by itself.",
    ),
    "worker silent": (
        "No worker was heard for {time}: nothing is sent or checked.",
        "Start the process “worker” again at your host. What waits is sent and checked by itself.",
    ),
    "scheduler": (
        "The scheduler is silent for {time}; it should be heard each minute.",
        "Start the process “scheduler” again at your host. Orders go on meanwhile: a worker sweeps in its place.",
    ),
    "scheduler never": (
        "No scheduler was ever heard.",
        "Start the process “scheduler” at your host. Orders go on meanwhile: a worker sweeps in its place.",
    ),
    "sweep": (
        "The last sweep began {time} ago; that is too long.",
        "Start the process “worker” again at your host: it sweeps, even without the scheduler.",
    ),
    "late": (
        "Work is {time} late, although all parts answer.",
        "Look for a provider that is slow, else start one more process “worker” at your host.",
    ),
    "down": (
        "{provider} does not answer since {time}: it gets no orders.",
        "It is asked again by itself, and gets orders with its first answer. See there whether address and credentials"
        " are right, or send what waits to another provider.",
    ),
    "credentials": (
        "{provider} seems to reject our credentials: it gets no orders.",
        "Ask it for the right ones, and set them on its page. Then it is asked at once.",
    ),
    "no balance": (
        "{provider} has no balance left: it gets no orders.",
        "Top it up, then press “Ask it now” on its page. Without that it is noticed by itself, some minutes later.",
    ),
    "account": (
        "{provider} refuses our account: it gets no orders.",
        "Put the account right with it, or set other credentials on its page. Then press “Ask it now” there.",
    ),
    "callbacks": (
        "Callbacks of {provider} are refused: {count} in the last hour.",
        "As a rule its secret is another than ours. Set the one it uses on its page, or have a new one made and tell"
        " it. Its orders are found by checks meanwhile.",
    ),
    "person paused": (
        "{provider} is paused by {who}: it gets no orders.",
        "Resume it on its page once the reason is gone.",
    ),
    "low": ("The balance at {provider} is low.", "Top it up before it is used up."),
    "share": (
        "Callbacks of {provider} fall short.",
        "See on its page whether it calls our address, and signs with our secret. Its orders are asked about twice as"
        " often meanwhile.",
    ),
    "stuck": ("{orders}: {kind}.", ""),
}
#: What the words of a failed call contain where credentials are its cause, as a rule; see `gateway.providers`.
OF_CREDENTIALS = ("password is wrong", "credentials", "HTTP 401", "HTTP 403")
#: Where the link of a trouble leads, in English.
LINKS = ("See {provider}", "See the order", "See them")
#: Seconds up to which silence is told in seconds.
EXACT_SECONDS = 300
#: Kinds that a provider in trouble, or a part that is not well, explains.
FOLLOWING = (Attention.PROVIDER_DOWN, Attention.OVERDUE)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that needs eyes now."""

    #: A symbol, which also names the colour.
    symbol: str
    title: Markup
    next: Markup
    #: What another system said of it.
    words: Markup | None = None
    #: What is typed where the processes run.
    command: str | None = None
    path: str | None = None
    link: Markup | None = None


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts troubles in words for one reader."""

    reader: Reader

    def of_parts(self, ill: Sequence[tuple[str, float | None]]) -> Iterator[Trouble]:
        """Parts of the gateway that are not well, by their names in SAID, each with seconds."""
        commands = {"worker": WORKER, "worker silent": WORKER, "sweep": WORKER, "late": WORKER}
        commands |= {"scheduler": SCHEDULER, "scheduler never": SCHEDULER}
        for name, seconds in ill:
            lasting = self._exactly(seconds or 0)
            yield self._told(name, "fail", command=commands.get(name), time=lasting)

    def of_providers(self, gauges: Sequence[ProviderGauge], refused: Sequence[Count]) -> Iterator[Trouble]:
        """Providers that get no orders, and those whose callbacks are refused."""
        for each in gauges:
            if name := obstacle(each):
                since = self.reader.when(each.since)
                symbol = "person" if name == "person paused" else "fail"
                yield self._of_provider(name, symbol, each.id, each.words, time=since, who=each.paused_by)
        for one in refused:
            yield self._of_provider(
                "callbacks", "person", one.provider_id, one.last_reason, "#callbacks", count=one.count
            )

    def of_stuck(self, kinds: Sequence[KindCount], alone: dict[str, list[StuckOrder]]) -> Iterator[Trouble]:
        """Orders that need a person; one alone leads to its own page."""
        for each in kinds:
            some = alone.get(each.kind, [])
            is_one = each.count == 1 and len(some) == 1
            path = f"{visitors.ROOT}/orders/{some[0].id}" if is_one else f"{visitors.ROOT}/stuck#{each.kind}"
            title = self.reader.text(
                SAID["stuck"][0],
                orders=self.reader.counted(each.count, "order needs"),
                kind=self.reader.text(shapes.kind(each.kind).word),
            )
            following = self.reader.text(sentences.advice(each.kind).next)
            link = self.reader.text(LINKS[1] if is_one else LINKS[2])
            yield Trouble("person", title, following, path=path, link=link)

    def of_warnings(self, gauges: Sequence[ProviderGauge], low: Sequence[Told]) -> Iterator[Trouble]:
        """What may keep orders from a provider soon."""
        for each in gauges:
            if each.is_low and not obstacle(each):
                yield self._of_provider("low", "person", each.id)
        for told in low:
            yield self._of_provider("share", "person", told.provider_id, anchor="#callbacks")

    def _exactly(self, seconds: float) -> Markup:
        """In seconds up to five minutes: that a minute is over is seen."""
        if seconds < EXACT_SECONDS:
            return self.reader.counted(int(seconds), "second")
        return self.reader.lasting(seconds)

    def _of_provider(
        self,
        name: str,
        symbol: str,
        provider_id: str,
        words: str | None = None,
        anchor: str = "",
        **more: Any,
    ) -> Trouble:
        shown = as_name(provider_id)
        return self._told(
            name,
            symbol,
            words=self.reader.said(log.mask(words)) if words else None,
            path=f"{visitors.ROOT}/providers/{quote(provider_id)}{anchor}",
            link=self.reader.text(LINKS[0], provider=shown),
            provider=shown,
            **more,
        )

    def _told(
        self,
        name: str,
        symbol: str,
        *,
        words: Markup | None = None,
        command: str | None = None,
        path: str | None = None,
        link: Markup | None = None,
        **values: Any,
    ) -> Trouble:
        title, following = SAID[name]
        return Trouble(
            symbol,
            self.reader.text(title, **values),
            self.reader.text(following),
            words,
            command,
            path,
            link,
        )


def obstacle(gauge: ProviderGauge) -> str | None:
    """What keeps orders from a provider, by its name in SAID; None if nothing does."""
    if gauge.is_paused and gauge.paused_by != GATEWAY:
        return "person paused"
    if not gauge.has_balance:
        return "no balance"
    if gauge.is_paused:
        return "account"
    if gauge.is_up:
        return None
    return "credentials" if is_about_credentials(gauge.words) else "down"


def is_about_credentials(words: str | None) -> bool:
    """Whether a failed call looks like one with wrong credentials."""
    return any(each in (words or "") for each in OF_CREDENTIALS)


def refused_callbacks() -> list[Count]:
    """Callbacks that were refused in the last hour, of providers of which none was accepted since.

    Once one is accepted it is over: others may call in a provider's name as long as they like. It also is once the
    provider was changed, until the next one is refused. Needs an open session.
    """
    return [
        each
        for each in provider_counts.last_hour()
        if each.kind == Counted.CALLBACK_REFUSED
        and not provider_counts.accepted_callback_since(each.provider_id, each.last_at)
        and not provider_counts.was_changed_since(each.provider_id, each.last_at)
    ]
