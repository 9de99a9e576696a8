"""What gunicorn loads: settings from the environment, models handed their database, the app. Connects nothing."""

from gateway import broker, log, sentry, serving
from gateway import settings as settings_module
from gateway.web import create_app
from models.db import binding

#: Connections of one web process: two processes and a worker fit a plan of twenty.
POOL_SIZE = 4

settings = settings_module.load_or_exit()
log.configure(settings)
sentry.configure(settings)
binding.bind_from(settings, pool_size=POOL_SIZE, name="referans-web")
broker.install(broker.Bell(broker.make_broker(settings, strict=True)))

app = create_app(settings, broker.make_client(settings, strict=True), pause=serving.until_idle)
