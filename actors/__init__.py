"""What `dramatiq actors` and `periodiq actors` load: the settings, the broker, then every actor."""

from actors import setup  # isort: skip  (the broker must exist before an actor is declared)
from actors import tasks

__all__ = ["setup", "tasks"]
