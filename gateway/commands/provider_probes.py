"""The checks of `gateway doctor` on providers."""

import re
from collections.abc import Sequence

from gateway import log, outbound, providers
from gateway.commands.printing import counted
from gateway.commands.probes import PROBE_SECONDS, Finding, Status
from gateway.commands.provider_options import is_in_clear
from gateway.providers import kinds
from gateway.providers.base import ProviderError
from gateway.settings import Settings
from models import (
    balances,
    callback_shares,
    catalogue_watches,
    gauges,
    provider,
    provider_counts,
    provider_health,
    stock,
)
from models.callback_shares import Told
from models.catalogue_watches import Watch
from models.db import database, sealed
from models.gauges import ProviderGauge
from models.provider import Provider
from models.provider_counts import Conflicts, Count, Counted
from models.provider_health import GATEWAY, Health

#: Refusals within an hour from which a provider needs a look; one now and then is business.
MANY_REFUSALS = 5
#: Why a callback was refused, where its secret is not the reason: its address, or that none are accepted at all.
NOT_ALLOWED, NO_CALLBACKS = re.compile("is not on the allow-list$"), re.compile("^no callbacks are accepted")
#: Seconds after which a watched catalogue, which is read once a day, has not been read for too long.
STALE_SECONDS = 3 * 86_400


def known() -> list[ProviderGauge]:
    """Every configured provider, without its credentials."""
    with database.session():
        return gauges.providers()


def state(account: ProviderGauge, *, call: bool) -> list[Finding]:
    """Whether the provider can be used and gets orders. With `call`, it is asked for its balance."""
    name = f"provider {account.id}"
    with database.session():
        found = provider_health.health(account.id)
        try:
            usable = provider.find(account.id)
        except sealed.Unsealable as error:
            cure = f"enter them again: gateway providers rotate {account.id}"
            return [Finding(name, Status.FAILED, f"its credentials cannot be read: {error}", cure)]
    if usable is None:
        return []
    if fault := providers.fault(usable, outbound.Client()):
        return [Finding(name, Status.FAILED, fault, f"change it: gateway providers set {account.id} …")]
    finding = (
        _obstacle(account, found, is_noticed=providers.asks_balance(usable.adapter))
        or _warning(account, found)
        or Finding(name, Status.OK, _well(account))
    )
    return [_asked(usable, finding) if call else finding]


def _obstacle(account: ProviderGauge, found: Health | None, *, is_noticed: bool) -> Finding | None:
    """What keeps orders from the provider; None if nothing does. `is_noticed`: it is asked for our balance."""
    name = f"provider {account.id}"
    if found and found.paused_at:
        return _paused(account, found, is_noticed)
    if found and found.down:
        cure = (
            f"ask its operator; to try it: gateway providers test {account.id}; {_wrong_credentials(account)}"
        )
        return Finding(name, Status.FAILED, f"down, {_failures(found)}", cure)
    if not account.has_balance:
        return Finding(name, Status.FAILED, "its balance is used up", _top_up(account, is_noticed))
    return None


def _warning(account: ProviderGauge, found: Health | None) -> Finding | None:
    """What may keep orders from the provider soon; None if nothing does."""
    name, cure = f"provider {account.id}", f"see: gateway providers test {account.id}"
    if found and found.failures:
        other = f"{cure}; {_wrong_credentials(account)}"
        return Finding(name, Status.WARNING, f"up, but {_failures(found)}", other)
    if found and found.account_refusals:
        many = (
            "the last order" if found.account_refusals == 1 else f"{found.account_refusals} orders in a row"
        )
        refused = f"up, but it refused {many} because of our account: {_error(found)}"
        balance = f"{cure}; without balance: pay in there; {_wrong_credentials(account)}"
        return Finding(name, Status.WARNING, refused, balance)
    if account.is_low:
        return Finding(name, Status.WARNING, f"{_well(account)}, which is low", _top_up(account))
    return None


def _paused(account: ProviderGauge, found: Health, is_noticed: bool) -> Finding:
    name, reason = f"provider {account.id}", log.mask(found.pause_reason or "")
    resume = f"gateway providers resume {account.id}"
    if found.paused_by != GATEWAY:
        paused = f"paused by {found.paused_by}: {reason}"
        return Finding(name, Status.WARNING, paused, f"when it may have orders again: {resume}")
    paused = f"it refuses our account, so the gateway has paused it: {reason}"
    if not account.has_balance:
        return Finding(name, Status.FAILED, paused, _top_up(account, is_noticed))
    right = f"put the account right there, or its credentials here: gateway providers rotate {account.id}"
    then = f"it is asked again by itself; at once: {resume}" if is_noticed else f"then: {resume}"
    return Finding(name, Status.FAILED, paused, f"{right}; {then}")


def _failures(found: Health) -> str:
    if not found.failures:
        return f"too many of its last calls failed: {_error(found)}"
    many = "the last call" if found.failures == 1 else f"{found.failures} calls in a row"
    return f"{many} failed: {_error(found)}"


def _error(found: Health) -> str:
    return log.mask(found.last_error or "no reason is known")


def _wrong_credentials(account: ProviderGauge) -> str:
    return f"other credentials: gateway providers rotate {account.id}"


def _top_up(account: ProviderGauge, is_noticed: bool = True) -> str:
    then = (
        "that is noticed by itself, at once with"
        if is_noticed
        else "its balance cannot be asked for, so then"
    )
    return f"pay in at {account.id}; {then}: gateway providers resume {account.id}"


def _well(account: ProviderGauge) -> str:
    if account.balance is None:
        return "up"
    return f"up, balance {account.balance:.2f} {account.currency or ''}".rstrip()


def _asked(account: Provider, finding: Finding) -> Finding:
    """`finding`, with what the provider says now when it is asked for its balance."""
    protocol = kinds.find(account.adapter)
    if protocol is None or not protocol.HAS_SERVICE:
        return finding
    client = outbound.Client(
        connect_timeout_seconds=PROBE_SECONDS / 2,
        read_timeout_seconds=PROBE_SECONDS,
        deadline_seconds=PROBE_SECONDS,
    )
    try:
        balance = providers.balance(account, client)
    except ProviderError as error:
        return Finding(
            finding.name, Status.FAILED, log.mask(str(error)), f"see: gateway providers test {account.id}"
        )
    now = f"balance {balance.amount} {balance.currency}"
    if finding.status is Status.OK:
        return Finding(finding.name, Status.OK, now)
    return Finding(finding.name, finding.status, f"{finding.detail}; asked now: {now}", finding.next)


def stocks(_: Settings) -> list[Finding]:
    """Own stock that is low, or empty though orders are routed to it."""
    with database.session():
        levels = stock.levels()
    return [
        Finding(
            f"stock {level.name}",
            Status.WARNING,
            f"{counted(level.available, 'code')} left"
            + (f", {level.expired} have expired" if level.expired else ""),
            f"load more: gateway stock load {level.name} < codes.txt",
        )
        for level in levels
        if level.is_low
    ]


def gaps(_: Settings) -> list[Finding]:
    """No provider's balance fell by what is no purchase of ours."""
    with database.session():
        found = balances.warnings()
    return [
        Finding(
            f"provider {each.provider_id}: balance",
            Status.WARNING,
            f"fell by {each.gap}, which no order of ours explains: a purchase that is not ours, or one counted twice"
            + (f"; {each.gaps} such gaps" if each.gaps > 1 else ""),
            f"see: gateway providers balance {each.provider_id}; ask for its statement of that time, then"
            f" gateway providers balance {each.provider_id} --acknowledge --reason …",
        )
        for each in found
        if each.gap
    ]


def catalogues(_: Settings) -> list[Finding]:
    """What the catalogues that are watched have changed, and those that cannot be read."""
    with database.session():
        watched = catalogue_watches.every()
    return [_of_catalogue(each) for each in watched.values() if each.attention or _is_stale(each)]


def _is_stale(watch: Watch) -> bool:
    return watch.age_seconds > STALE_SECONDS


def _of_catalogue(watch: Watch) -> Finding:
    name, provider_id = f"provider {watch.provider_id}: catalogue", watch.provider_id
    if _is_stale(watch):
        days = round(watch.age_seconds / 86_400)
        cure = f"see: gateway routes import {provider_id}; to watch it no longer: --no-watch"
        return Finding(name, Status.WARNING, f"not read for {days} days", cure)
    cure = f"see: gateway routes import {provider_id}; to take its prices, add --apply"
    return Finding(name, Status.WARNING, log.mask(watch.attention or ""), cure)


def last_hour(_: Settings) -> list[Finding]:
    """What was refused or contradictory within the last hour, by provider."""
    with database.session():
        counts = provider_counts.last_hour()
        found = [_of_callbacks(each) for each in counts if each.kind == Counted.CALLBACK_REFUSED]
        found += [_of_refusals(each) for each in counts if each.kind == Counted.ORDER_REFUSED]
        found += [_of_conflicts(each) for each in provider_counts.conflicts_last_hour()]
        found += [_of_share(each) for each in callback_shares.every().values() if each.low_since]
    return found


def _of_share(told: Told) -> Finding:
    detail = (
        f"told of {told.told} of the last {counted(told.delivered, 'order')} delivered, usually of"
        f" {told.usual_share or 0:.0%}; its orders are asked about twice as often"
    )
    cure = (
        f"ask whether it calls our URL, and signs with our secret; another one: gateway providers rotate"
        f" {told.provider_id} --new-callback-secret"
    )
    return Finding(f"provider {told.provider_id}: callbacks", Status.WARNING, detail, cure)


def _of_callbacks(refused: Count) -> Finding:
    """If none was accepted since, the secret is wrong, as a rule; else somebody else may have called.

    Once others are accepted and no further one was refused for some minutes, it is over.
    """
    provider_id = refused.provider_id
    name, many = f"provider {provider_id}: callbacks", f"{refused.count} refused within the last hour"
    reason = log.mask(refused.last_reason)
    if not provider_counts.accepted_callback_since(provider_id, refused.last_at):
        cure = f"{_cure_of_refused(provider_id, refused.last_reason)}; orders are polled meanwhile"
        return Finding(name, Status.FAILED, f"{many}, and none accepted since: {reason}", cure)
    if not provider_counts.is_recent(refused.last_at):
        return Finding(name, Status.OK, f"{many}, but accepted since")
    cure = (
        "if its secret was just put right, this goes within minutes; else somebody else calls in its name, or it signs"
        " with several secrets: see `callback_refused` in the web's log"
    )
    return Finding(name, Status.WARNING, f"{many}, although others are accepted: {reason}", cure)


def _cure_of_refused(provider_id: str, reason: str) -> str:
    if NOT_ALLOWED.search(reason):
        return (
            f"if it calls from there: gateway providers set {provider_id} --callback-allow …, with all its addresses;"
            " if that is the address of a proxy, set TRUSTED_PROXIES"
        )
    if NO_CALLBACKS.search(reason):
        return (
            f"if it shall call back: gateway providers set {provider_id} --callback …; if not, tell it to stop, or"
            " somebody else calls"
        )
    return (
        f"the callback secret of {provider_id} is not the one it signs with, or somebody else calls: give it ours anew,"
        f" gateway providers rotate {provider_id} --new-callback-secret"
    )


def _of_conflicts(found: Conflicts) -> Finding:
    """A person has decided each conflict of the last hour."""
    name = f"provider {found.provider_id}: conflicts"
    detail = f"{counted(found.count, 'answer')} within the last hour contradicted an order"
    if not found.undecided:
        return Finding(name, Status.OK, f"{detail}, and a person has decided")
    see = f"see: gateway orders list --stuck --provider {found.provider_id}"
    return Finding(name, Status.WARNING, f"{detail}, {found.undecided} undecided", see)


def _of_refusals(refused: Count) -> Finding:
    name = f"provider {refused.provider_id}: refusals"
    many = counted(refused.count, "order")
    detail = f"{many} refused within the last hour, the last one: {log.mask(refused.last_reason)}"
    status = Status.WARNING if refused.count >= MANY_REFUSALS else Status.OK
    cure = f"see: gateway orders list --provider {refused.provider_id} --since 1h"
    return Finding(name, status, detail, cure)


def in_clear() -> list[Finding]:
    """Calls to no provider can be read on their way."""
    with database.session():
        urls = provider.base_urls()
    named = [f"{name} ({url})" for name, url in urls.items() if url and is_in_clear(url)]
    if not named:
        return []
    return [
        Finding(
            "unencrypted",
            Status.WARNING,
            f"credentials and codes can be read on their way to {', '.join(named)}",
            "if it has https: gateway providers set ID --base-url https://…",
        )
    ]


def protocols() -> list[Finding]:
    """No protocol that was added stands in for one of the same name that comes with the gateway."""
    return [
        Finding(
            f"protocol {name}",
            Status.WARNING,
            "was added, and is used in place of the one that comes with this version",
            f"compare: gateway protocols show {name} --file; to use the other one: gateway protocols remove {name}",
        )
        for name in sorted(kinds.replaced())
    ]


def callback_formats(accounts: Sequence[ProviderGauge]) -> list[Finding]:
    """The format of every provider's callbacks is chosen, and not guessed from what came."""
    name = "callback formats"
    guessed = [account.id for account in accounts if account.guesses_callbacks]
    if not guessed:
        return [Finding(name, Status.OK, "chosen")]
    choose = "gateway providers set ID --callback-format protocol|neutral"
    return [
        Finding(name, Status.WARNING, f"read both formats: {', '.join(guessed)}", f"choose one: {choose}")
    ]
