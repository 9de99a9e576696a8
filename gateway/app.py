"""What gunicorn loads: settings from the environment, models handed their database, the app. Connects nothing."""

import sys

from gunicorn.arbiter import Arbiter

from gateway import broker, log, sentry, serving
from gateway import settings as settings_module
from gateway.web import create_app, seen
from gateway.web.waiting import Waiting
from models.db import binding
from models.db.database import Shares

#: Connections of one web process: with two of them and a worker, a plan of twenty has four left for commands.
POOL_SIZE = 5
#: Three are left for settling and placing however much is read, and one for single orders however much is listed.
SHARES = Shares(requests=2, lists=1)

settings = settings_module.load_or_exit()
log.configure(settings)
sentry.configure(settings)
if not serving.is_ours():
    print(
        "error: gunicorn does not use the gateway's gunicorn.conf.py, and could answer nothing: start it in the"
        " directory with that file, or name the file with --config",
        file=sys.stderr,
    )
    raise SystemExit(Arbiter.APP_LOAD_ERROR)  # with another status gunicorn would try again, for ever
binding.bind_from(settings, pool_size=POOL_SIZE, name="referans-web", shares=SHARES)
broker.install(broker.Bell(broker.make_broker(settings, strict=True)))

waiting = Waiting(
    seen.changed,
    most=int(serving.connections() * serving.WAITING_SHARE),
    hung_up=serving.hung_up,
)
serving.at_the_end(waiting.end)
app = create_app(
    settings, broker.make_client(settings, strict=True), pause=serving.until_idle, waiting=waiting
)
