"""What is read from the database once for many requests."""

import pytest

from gateway.web import cache
from gateway.web.cache import Cache


@pytest.mark.usefixtures("pool")
def test_a_full_cache_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 2)
    asked: list[str] = []

    def find(name: str) -> str:
        asked.append(name)
        return name.upper()

    values = Cache(find, 3600)
    for name in "aabbcca":
        assert values.get(name) == name.upper()
    assert asked == ["a", "b", "c", "a"]
