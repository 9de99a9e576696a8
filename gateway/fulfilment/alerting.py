"""Alerts: looking at what fires, and telling of it. Every worker and web process may; the database lets one.

Web processes look only where no worker does: where all of them are dead, somebody must say so.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from gateway import log
from gateway.fulfilment import alert_channels, alert_rules
from gateway.fulfilment.alert_channels import Channel, NotSent
from gateway.posting import Poster
from gateway.settings import Settings
from models import alert
from models.db import database

logger = log.get(__name__)

#: Seconds between two looks of all processes together.
EVERY_SECONDS = 30.0
#: Seconds by which a look must be late for a web process to take it.
WEB_LATE_SECONDS = 90.0


class Alerts:
    """The watch of one process. `run` is for a thread of its own; `stop` may be called from any."""

    def __init__(
        self,
        settings: Settings,
        channels: Mapping[str, Channel] | None = None,
        *,
        late_by_seconds: float = 0,
    ) -> None:
        self._settings = settings
        self._channels = alert_channels.of(settings, Poster()) if channels is None else channels
        self._late_by_seconds = late_by_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look every EVERY_SECONDS, until `stop`."""
        self._stopping.clear()
        while not self._stopping.wait(EVERY_SECONDS):
            try:
                self.look()
            except Exception:
                logger.warning(
                    "Alerts could not be looked at; the next look tries again.",
                    action="alert_watch_failed",
                    exc_info=True,
                )

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    def look(self) -> bool:
        """Look, if it is this process's turn, and tell what is to be told; whether it was."""
        with database.session():
            if not alert.take_turn(EVERY_SECONDS * 0.9, self._late_by_seconds):
                return False
            self._note()
        self.tell()
        return True

    def _note(self) -> None:
        looked = alert_rules.look(self._settings, datetime.now(UTC))
        began, ended = alert.note(looked.firing, list(self._channels), may_end=looked.is_whole)
        if began or ended:
            logger.info("Incidents have begun or ended.", action="alerts", began=began, ended=ended)

    def tell(self) -> None:
        """Send what is due. Holds no connection while it sends.

        One message is claimed at a time, so that no claim ends while its message waits for others; a channel that does
        not take one is left alone until the next look, so that it delays no other channel.
        """
        failing: list[str] = []
        while not self._stopping.is_set():
            with database.session():
                message = alert.claim(failing)
            if message is None:
                return
            if not self._send(message):
                failing.append(message.channel)

    def _send(self, message: alert.Message) -> bool:
        """Whether it has arrived."""
        channel = self._channels.get(message.channel)
        try:
            if channel is None:
                raise NotSent("it is not configured any more")
            channel.send(message)
        except Exception as error:  # whatever it is, it must keep no other message from being told
            said = str(error) if isinstance(error, NotSent) else type(error).__name__
            logger.warning(
                "An alert could not be told; it is tried again.",
                action="alert_not_sent",
                channel=message.channel,
                rule=message.rule,
                error=said,
            )
            with database.session():
                alert.failed(message, said)
            return False
        with database.session():
            alert.sent(message.id)
        return True
