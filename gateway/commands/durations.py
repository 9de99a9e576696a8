"""Times and durations, as people give them on the command line."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import typer

#: `90s`, `15m`, `2h`, `3d`, `1w`; fractions are allowed.
DURATION = re.compile(r"(?P<count>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>s|m|min|h|d|w)")
UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
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
