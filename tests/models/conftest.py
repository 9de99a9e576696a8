"""Models on a real database."""

from collections.abc import Iterator

import pytest

from tests import factories

#: A key for tests only.
KEY = "bm90LWEta2V5LWZvci1hbnl0aGluZy1idXQtdGVzdHM="


@pytest.fixture
def db(database_url: str) -> Iterator[None]:
    """The models bound to a fresh database that has the provider `sandbox`, with sealing on."""
    with factories.bound(database_url, keys=[KEY]):
        factories.add_provider()
        yield
