"""What gunicorn loads: settings from the environment, models handed their database, the app. Connects nothing."""

import sys
import threading
from functools import partial

from gunicorn.arbiter import Arbiter

from gateway import broker, log, sentry, serving, tracing
from gateway import settings as settings_module
from gateway.fulfilment.alerting import WEB_LATE_SECONDS, Alerts
from gateway.measuring import Measures
from gateway.web import create_app, seen
from gateway.web.waiting import Waiting
from models.db import binding
from models.db.database import Shares

#: Connections of one web process: with two of them and a worker, a plan of twenty has four left for commands.
POOL_SIZE = 5
#: Three are left for settling and placing however much is read, and one for single orders however much is listed.
SHARES = Shares(requests=2, lists=1)
#: Seconds for what is still to be written, or sent, of measures and of traces, when a process ends.
LEAVE_SECONDS = 1.0

settings = settings_module.load_or_exit()
log.configure(settings)
sentry.configure(settings)
traces = tracing.configure(settings, "web")
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
#: What this process counts, and how long things take.
measures = Measures()
app = create_app(
    settings,
    broker.make_client(settings, strict=True),
    pause=serving.until_idle,
    waiting=waiting,
    measures=measures,
    traces=traces,
)
measures.begin()
serving.before_exit(partial(measures.end, LEAVE_SECONDS))
serving.before_exit(partial(traces.end, LEAVE_SECONDS))

#: Tells of it where no worker is left that could.
alerts = Alerts(settings, late_by_seconds=WEB_LATE_SECONDS)
serving.at_the_end(alerts.stop)
threading.Thread(target=alerts.run, name="alerts", daemon=True).start()
