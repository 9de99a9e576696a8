"""Checks: which orders a provider is to be asked for now, because it has not reported their outcome."""

from gateway import providers
from gateway.fulfilment import asking, routing
from gateway.fulfilment.dispatching import send_elsewhere
from gateway.fulfilment.worker import Worker
from models import claims, plans, provider, provider_health, timeline
from models.claims import ClaimedCheck, ClaimedCodeAsk
from models.db import database
from models.order import MAX_BATCH
from models.provider import Assigned, Provider
from models.status import ExternalStatus, Source, is_open

#: Orders in one question, at most: they are settled in one statement.
MOST_TOGETHER = MAX_BATCH


def check(worker: Worker, order_id: str) -> None:
    """Ask the provider, if the order's check is due; where it takes several in one question, with others that are due.

    A message that comes twice, early or late finds nothing due and ends here. Raises Busy, redis.RedisError,
    sealed.NoKeyOpens, and whatever the database raises: the order is then asked about later, and does not time out.
    """
    assigned = routing.of_order(worker, order_id)
    if assigned is None:
        _cannot_use(worker, order_id)
        return
    if _is_not_to_be_asked(worker, order_id, assigned):
        return
    with worker.one_call(assigned.provider):
        with database.session():
            if assigned.health.down and _must_wait(worker, assigned, order_id):
                return
            completed = not is_open(assigned.status)
            code_ask = _claim_code_ask(worker, order_id, assigned.provider) if completed else None
            claimed = [] if code_ask else _claim_all(worker, order_id, assigned)
        if code_ask:
            again_seconds = {order_id: asking.ask_for_code(worker, code_ask, assigned)}
        else:
            again_seconds = asking.ask_all(worker, claimed, assigned)
    for each, delay_seconds in again_seconds.items():
        if delay_seconds is not None:
            worker.hints.check_later(each, delay_seconds)


def _is_not_to_be_asked(worker: Worker, order_id: str, assigned: Assigned) -> bool:
    """Whether there is nothing to ask now: no check is due, or what is due needs no question, or has to wait."""
    if not assigned.is_due:
        return True
    if providers.needs_person(assigned.provider) and _is_left_to_person(worker, order_id):
        return True
    if not assigned.health.takes_orders and (
        _is_unsent_still(worker, order_id, assigned) or _waits_for_pause(worker, order_id, assigned)
    ):
        return True
    return not is_open(assigned.status) and _is_left_without_code(worker, order_id, assigned)


def _is_left_to_person(worker: Worker, order_id: str) -> bool:
    with database.session():
        is_left = plans.leave_to_person(order_id)
    if is_left:
        worker.tell()
    return is_left


def _is_unsent_still(worker: Worker, order_id: str, assigned: Assigned) -> bool:
    """Whether the order never reached its provider, which takes no orders now: it went to the next, or was put off."""
    if assigned.status != ExternalStatus.PENDING:
        return False
    if send_elsewhere(worker, order_id, assigned):
        return True
    settings = worker.settings
    with database.session():
        return (
            assigned.health.paused_at is not None
            and claims.find_unreached(order_id) is not None
            and plans.postpone(order_id, settings.slow_check_interval, settings.order_timeout)
        )


def _waits_for_pause(worker: Worker, order_id: str, assigned: Assigned) -> bool:
    """Whether the order's check was put off: it would be a send, and its provider is paused."""
    if assigned.health.paused_at is None or assigned.status != ExternalStatus.PENDING:
        return False
    settings = worker.settings
    with database.session():
        return providers.traits(assigned.provider.adapter).ask_buys and plans.postpone(
            order_id, settings.slow_check_interval, settings.order_timeout
        )


def _must_wait(worker: Worker, assigned: Assigned, order_id: str) -> bool:
    """Whether the order's check was put off: its provider is down, and another check is the probe.

    One that never reached it is taken up when the provider is back.
    """
    settings = worker.settings
    if provider_health.claim_probe(assigned.provider.id, settings.backoff_min, settings.backoff_max):
        return False
    is_unreached = assigned.status == ExternalStatus.PENDING and claims.find_unreached(order_id)
    delay_seconds = settings.slow_check_interval if is_unreached else settings.backoff_min
    return plans.postpone(order_id, delay_seconds, settings.order_timeout)


def _claim(worker: Worker, order_id: str, assigned: Assigned | None) -> ClaimedCheck | None:
    settings, account = worker.settings, assigned.provider if assigned else None
    return claims.claim_check(
        order_id,
        _delays_seconds(worker, assigned),
        starts_seconds=worker.starts_seconds,
        trust_seconds=settings.callback_trust,
        order_timeout_seconds=settings.order_timeout,
        grace_seconds=worker.grace_seconds(account),
        provider_id=account.id if account else None,
        asking=providers.asking(account.adapter) if account else claims.USUAL,
    )


def _delays_seconds(worker: Worker, assigned: Assigned | None) -> list[float]:
    if assigned is None:
        return worker.delays_seconds(None)
    is_tight = assigned.health.callbacks_low_since is not None
    return worker.delays_seconds(assigned.provider, is_tight=is_tight)


def _claim_all(worker: Worker, order_id: str, assigned: Assigned) -> list[ClaimedCheck]:
    """The order and, where its provider takes several in one question, others that are due. It may have to be alone."""
    settings, account = worker.settings, assigned.provider
    most = providers.traits(account.adapter).max_check
    claimed: list[ClaimedCheck] = []
    if most > 1:
        claimed = claims.claim_checks(
            order_id,
            min(most, MOST_TOGETHER),
            _delays_seconds(worker, assigned),
            starts_seconds=worker.starts_seconds,
            trust_seconds=settings.callback_trust,
            order_timeout_seconds=settings.order_timeout,
            grace_seconds=worker.grace_seconds(account),
            provider_id=account.id,
            asking=providers.asking(account.adapter),
        )
    if not any(each.id == order_id for each in claimed) and (alone := _claim(worker, order_id, assigned)):
        claimed.append(alone)
    return claimed


def _claim_code_ask(worker: Worker, order_id: str, account: Provider | None) -> ClaimedCodeAsk | None:
    return claims.claim_code_ask(
        order_id,
        worker.backoff.delays_seconds(worker.uniform),
        backoff_min_seconds=worker.settings.backoff_min,
        grace_seconds=worker.grace_seconds(account),
        provider_id=account.id if account else None,
    )


def _is_left_without_code(worker: Worker, order_id: str, assigned: Assigned) -> bool:
    """Whether a completed order waited for its code, and its provider is not asked because asking may buy."""
    if not providers.traits(assigned.provider.adapter).ask_buys:
        return False
    with database.session():
        is_left = claims.leave_without_code(order_id)
    if is_left:
        worker.tell()
    return is_left


def _cannot_use(worker: Worker, order_id: str) -> None:
    """The provider cannot be asked, by a fault of its own. The order still fails when its time is up.

    One that never reached it goes to the next. A completed one that waits for its code has been asked for in vain.
    """
    if send_elsewhere(worker, order_id, None):
        return
    with database.session():
        claimed = _claim(worker, order_id, None)
        code_ask = None if claimed else _claim_code_ask(worker, order_id, None)
        if taken := claimed or code_ask:
            note = f"not checked: the provider {taken.provider_id} cannot be used; see: gateway doctor"
            timeline.record(order_id, Source.POLL, note)
        if code_ask and code_ask.is_last:
            claims.end_code_asks(order_id, needs_person=code_ask.must_have_code)
        account = provider.outline(claimed.provider_id) if claimed and claimed.expired else None
    if claimed and claimed.expired and not (account and asking.is_left_to_person(worker, claimed, account)):
        asking.expire(worker, [claimed], f"its provider {claimed.provider_id} could not be asked")
