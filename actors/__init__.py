"""What `dramatiq actors` and `periodiq actors` load: the settings, the broker, then every actor."""

from actors import setup  # isort: skip  (the broker must be there before an actor is declared)
from actors import checks, dispatch, sweep

__all__ = ["checks", "dispatch", "setup", "sweep"]
