"""What a try to deliver a notification made of it, and when the next one is due. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from models.outbox import Became

#: Seconds from the end of each failed try to the next one; after the one behind the last wait it is dead.
DELAYS_SECONDS = (5, 30, 120, 600, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600)
#: Longest stretch of a wait, as a share of it.
JITTER = 0.1
#: Seconds after which a try comes, whatever the receiver asks for.
LONGEST_RETRY_AFTER_SECONDS = 24 * 3_600
#: The status of a receiver that is gone for good.
GONE = 410


def is_delivered(status: int) -> bool:
    """Any 2xx; a redirect is none, and is not followed."""
    return 200 <= status < 300


def after(
    tries: int,
    status: int | None,
    headers: Mapping[str, str],
    now: datetime,
    uniform: Callable[[float, float], float],
) -> tuple[Became, float | None]:
    """What the last one of `tries` tries made of a notification, and seconds until the next one, if there is one.

    `status` is that of its answer; None if there was none.
    """
    if status is not None and is_delivered(status):
        return Became.DELIVERED, None
    if status == GONE or tries > len(DELAYS_SECONDS):
        return Became.DEAD, None
    planned = DELAYS_SECONDS[tries - 1] * (1 + uniform(0, JITTER))
    return Became.AGAIN, max(planned, retry_after_seconds(headers.get("Retry-After"), now))


def retry_after_seconds(text: str | None, now: datetime) -> float:
    """The seconds that a `Retry-After` asks for, as a number or as a date (RFC 9110, 10.2.3), a day at most.

    0 for what cannot be read, such as a date with a zone that is too far away for a number of the machine.
    """
    if text is None:
        return 0.0
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text[:10]), LONGEST_RETRY_AFTER_SECONDS))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), float(LONGEST_RETRY_AFTER_SECONDS))
