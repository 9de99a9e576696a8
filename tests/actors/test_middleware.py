"""What surrounds every message, in a process of its own: importing `actors` reads the settings and binds the models."""

import os
import subprocess
import sys

from models import sweep_run
from models.db import database
from tests import factories

#: A worker that has just started, with a scheduler that is dead; it ends after its own sweep.
WATCHING = """
import sys, time
from actors import setup
from actors.middleware import SweepWatch
from models import sweep_run
from models.db import database

watch = SweepWatch(overdue_seconds=0.04)
watch.after_worker_boot(setup.broker, None)
while True:
    with database.session():
        last = sweep_run.last()
    if last and last.finished_at:
        break
    time.sleep(0.01)
watch.before_worker_shutdown(setup.broker, None)
"""


def test_a_worker_sweeps_by_itself_if_the_scheduler_is_dead(database_url: str, redis_url: str) -> None:
    environment = os.environ | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    subprocess.run([sys.executable, "-c", WATCHING], env=environment, timeout=30, check=True)
    with factories.bound(database_url):
        swept = sweep_run.last()
        assert swept and swept.started_by == "worker" and swept.error is None
        assert database.rows("SELECT DISTINCT started_by FROM sweeps") == [{"started_by": "worker"}]
