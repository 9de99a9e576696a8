"""What this process works with: read from the environment once, before any actor is declared."""

import dramatiq
from dramatiq.middleware import Retries, ShutdownNotifications

from actors import middleware
from gateway import log, outbound, sentry
from gateway import settings as settings_module
from gateway.broker import make_broker
from models.db import binding

#: Connections of one worker process; each is held only while a statement runs, never while a provider is asked.
POOL_SIZE = 6

settings = settings_module.load_or_exit()
log.configure(settings)
sentry.configure(settings)
binding.bind(
    settings.database_url.get_secret_value(),
    (key.get_secret_value() for key in settings.encryption_keys),
    pool_size=POOL_SIZE,
    name="referans-worker",
)

#: The way out to providers; shared by all threads.
client = outbound.Client()

#: Seconds after which a claimed order of which nothing was heard is in doubt: longer than any call can take.
dispatch_grace_seconds = max(settings.first_check_delay, outbound.DEADLINE_SECONDS + 5)

broker = make_broker(
    settings,
    strict=False,
    middleware=[
        ShutdownNotifications(),
        Retries(min_backoff=1_000, max_backoff=30_000),
        middleware.Periodic(),
        middleware.LogContext(),
        middleware.OneShutdownSignal(),
        middleware.SweepWatch(2 * settings.sweep_period_seconds),
    ],
)
dramatiq.set_broker(broker)
