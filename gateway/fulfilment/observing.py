"""Calls to providers, and what came of them: how long each took, for metrics and for the traces of its orders."""

import time
from collections.abc import Sequence

from gateway import measuring, providers
from gateway.fulfilment.worker import Worker
from gateway.measuring import Metric
from gateway.providers.base import (
    CannotAsk,
    Learned,
    NoAnswer,
    NotNow,
    NotReached,
    NotTried,
    ProviderError,
    QuestionRefused,
    Refused,
    Task,
    UnknownReference,
)
from gateway.tracing import OFF, Kind
from models.outcome import Outcome
from models.provider import Provider

#: How an error is told; the first that fits.
WORDS: tuple[tuple[type[ProviderError], str], ...] = (
    (Refused, "refused"),
    (QuestionRefused, "refused"),
    (NotNow, "not_now"),
    (NotTried, "not_tried"),
    (NotReached, "not_reached"),
    (NoAnswer, "no_answer"),
    (UnknownReference, "unknown"),
    (CannotAsk, "cannot_ask"),
)


def send(worker: Worker, account: Provider, order_id: str, task: Task) -> Outcome:
    """See `providers.send`."""
    began = time.perf_counter()
    said: Learned | None = None
    try:
        said = providers.send(account, worker.client, task)
    except ProviderError as error:
        said = error
        raise
    else:
        return said
    finally:
        if said is not None:
            _observed(worker, measuring.DISPATCHING, "send", began, account, [(order_id, said)])


def check(
    worker: Worker, account: Provider, order_ids: Sequence[str], tasks: Sequence[Task]
) -> list[Learned]:
    """See `providers.check`."""
    began = time.perf_counter()
    learned = providers.check(account, worker.client, tasks)
    said = list(zip(order_ids, learned, strict=True))
    _observed(worker, measuring.CHECKING, "check", began, account, said)
    return learned


def check_one(worker: Worker, account: Provider, order_id: str, task: Task) -> Outcome:
    """See `providers.check_one`."""
    [learned] = check(worker, account, [order_id], [task])
    if isinstance(learned, ProviderError):
        raise learned
    return learned


def _observed(
    worker: Worker,
    metric: Metric,
    name: str,
    began: float,
    account: Provider,
    learned: Sequence[tuple[str, Learned]],
) -> None:
    """One call is measured once, however many orders it was about."""
    seconds = time.perf_counter() - began
    answered = "accepted" if metric is measuring.DISPATCHING else "answered"
    words = [_word(said, answered) for _, said in learned]
    worker.measures.observe(metric, seconds, account.id, answered if answered in words else words[0])
    if worker.traces is OFF:
        return
    for (order_id, said), word in zip(learned, words, strict=True):
        attributes = {"referans.provider.id": account.id, "referans.result": word}
        if isinstance(said, Outcome):
            attributes["referans.status"] = said.status.value
        worker.traces.record(
            order_id, name, seconds, Kind.CLIENT, attributes, has_failed=isinstance(said, NoAnswer)
        )


def _word(said: Learned, answered: str) -> str:
    if isinstance(said, Outcome):
        return answered
    return next((word for kind, word in WORDS if isinstance(said, kind)), "in_doubt")
