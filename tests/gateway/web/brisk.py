"""The project's own configuration of gunicorn, with other limits for slow clients."""

import os
import runpy

from gateway import clients

globals().update(runpy.run_path("gunicorn.conf.py"))
clients.HEAD_SECONDS = float(os.environ["BRISK_HEAD_SECONDS"])
clients.REQUEST_SECONDS = float(os.environ["BRISK_REQUEST_SECONDS"])
