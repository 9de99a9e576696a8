"""What `dramatiq tests.acceptance.only_by_hint` loads: the actors, in a worker that does not look every few seconds.

It looks for what is to be delivered when it begins, when it is told to, and when a try that it knows of is due.
"""

from gateway.fulfilment import notifying

notifying.LOOK_SECONDS = 86_400.0

import actors  # noqa: E402  (whose notifier begins then)

__all__ = ["actors"]
