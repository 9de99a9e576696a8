"""What `dramatiq actors` and `periodiq actors` load: the settings, the broker, then every actor."""

from actors.signals import listen_once  # isort: skip

listen_once()  # before the imports that take seconds

from actors import setup  # isort: skip  # noqa: E402  (the broker must exist before an actor is declared)
from actors import tasks  # noqa: E402

__all__ = ["setup", "tasks"]
