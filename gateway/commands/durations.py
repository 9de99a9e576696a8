"""Times and durations, as people give them on the command line."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import typer

#: `90s`, `15m`, `2h`, `3d`, `1w`; fractions are allowed.
DURATION = re.compile(r"(?P<count>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>s|m|min|h|d|w)")
UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: How long something lasts: a whole number of seconds, minutes, hours or days.
LASTING = re.compile(r"(?P<count>[1-9][0-9]{0,8})(?P<unit>[smhd])")
#: Days in a duration, at most: ten years.
MOST_DAYS = 3650
SINCE_HELP = "Only those of the last 15m, 2h or 3d, or after a time such as 2026-07-01T03:00 (in TIMEZONE)."
UNTIL_HELP = "Only those that are older, or before a time such as 2026-07-01T03:00 (in TIMEZONE)."


def since(text: str | None, timezone: str, option: str = "--since") -> datetime | timedelta | None:
    """A time (in `timezone` unless it names its own) or how long ago; `option` is where it was given.

    Raises typer.BadParameter.
    """
    if text is None:
        return None
    if found := DURATION.fullmatch(text.strip()):
        return timedelta(**{UNITS[found["unit"]]: float(found["count"])})
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"takes 15m, 2h, 3d or a time such as 2026-07-01T03:00, not {text!r}", param_hint=option
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=ZoneInfo(timezone))


def lasting(text: str | None, option: str) -> timedelta | None:
    """How long something lasts, such as 90d; `option` is where it was given. Raises typer.BadParameter."""
    if text is None:
        return None
    found = LASTING.fullmatch(text.strip())
    seconds = timedelta(**{UNITS[found["unit"]]: 1}).total_seconds() * int(found["count"]) if found else 0
    if not 0 < seconds <= MOST_DAYS * 86400:
        raise typer.BadParameter(
            f"takes a whole number of seconds, minutes, hours or days such as 45s, 30m, 12h or 90d, up to {MOST_DAYS}d",
            param_hint=option,
        )
    return timedelta(seconds=seconds)
