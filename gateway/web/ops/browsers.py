"""What a browser is called, for people; it says so itself, so that this proves nothing."""

#: What stands in a User-Agent, and what that is called; the first that is found counts.
BROWSERS = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox")),
    *(("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari")),
)
SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)


def name(agent: str | None) -> str:
    """The browser and the system, such as `Chrome · Android`; else what was said."""
    tables = (BROWSERS, SYSTEMS)
    found = [next((word for mark, word in each if mark in (agent or "")), None) for each in tables]
    return " · ".join(word for word in found if word) or agent or "–"
