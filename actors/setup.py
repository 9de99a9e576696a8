"""What this process works with: read from the environment once, before any actor is declared."""

from functools import partial

import dramatiq
from dramatiq.middleware import Retries, ShutdownNotifications

from actors import middleware
from gateway import log, outbound, sentry, tracing
from gateway import settings as settings_module
from gateway.broker import Hints, make_broker
from gateway.callbacks.verifiers import verifier_of
from gateway.fulfilment import following, probing, recovery
from gateway.fulfilment.alerting import Alerts
from gateway.fulfilment.notifying import Notifier
from gateway.fulfilment.permits import Permits
from gateway.fulfilment.worker import Worker
from gateway.measuring import Measures
from models import sweep_run
from models.db import binding

#: Connections of one worker process; each is held only while a statement runs, never during a call to a provider.
POOL_SIZE = 6
#: Longest time between two looks after providers that get no orders, in seconds.
LOOK_SECONDS = 5

settings = settings_module.load_or_exit()
log.configure(settings)
sentry.configure(settings)
traces = tracing.configure(settings, "worker")
binding.bind_from(settings, pool_size=POOL_SIZE, name="referans-worker")

broker = make_broker(
    settings,
    strict=False,
    middleware=[
        ShutdownNotifications(),
        Retries(min_backoff=1_000, max_backoff=30_000),
        middleware.Periodic(),
        middleware.LogContext(),
    ],
)
dramatiq.set_broker(broker)

#: What this process counts, and how long things take.
measures = Measures()
#: Delivers what the storefront is to be told, in threads of its own.
notifier = Notifier(settings, measures=measures, traces=traces)
#: Shared by all threads.
worker = Worker(
    settings=settings,
    client=outbound.Client(deadline_seconds=settings.call_timeout),
    permits=Permits(broker.client, call_seconds=settings.call_timeout),
    hints=Hints(broker, longest_delay_seconds=settings.sweep_period_seconds),
    callback_url=lambda provider: verifier_of(provider).url(provider, settings.public_url),
    tell=notifier.wake,
    measures=measures,
    traces=traces,
)
broker.add_middleware(middleware.Observing(measures, traces))
broker.add_middleware(middleware.Notifying(notifier))
broker.add_middleware(middleware.Alerting(Alerts(settings)))
broker.add_middleware(
    middleware.SweepWatch(
        settings.sweep_period_seconds + sweep_run.GRACE_SECONDS,
        partial(recovery.take_up, worker),
        partial(following.take_up, worker),
    )
)
broker.add_middleware(
    middleware.ProviderWatch(
        partial(probing.look, worker),
        partial(probing.probe, worker),
        every_seconds=min(LOOK_SECONDS, settings.backoff_min / 2),
    )
)
