TEXTS: dict[str, str] = {}
COUNTED: dict[str, dict[str, str]] = {}
