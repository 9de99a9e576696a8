"""Browsers of people with each role."""

from collections.abc import Callable
from typing import Any

import argon2
import falcon
import pytest

from models import person
from models.db import database
from models.person import Role
from tests.gateway.web.ops.browser import Browser

PASSWORD = "correct horse"
#: Takes a hundredth of the time; people of `test_sign_in` have hashes as they are stored.
QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
BrowserFor = Callable[[Role], Browser]


@pytest.fixture
def stranger(app: "falcon.App[Any, Any]") -> Browser:
    """A browser that is not signed in."""
    return Browser(app)


@pytest.fixture
def browser_for(app: "falcon.App[Any, Any]", monkeypatch: pytest.MonkeyPatch) -> BrowserFor:
    """Makes a browser that a new person of a role is signed in with; the person has the role's name."""

    def make(role: Role) -> Browser:
        with database.session(), monkeypatch.context() as patch:
            patch.setattr(person, "HASHER", QUICK)
            person.add(role.value, role, PASSWORD)
        browser = Browser(app)
        assert browser.sign_in(name=role.value, password=PASSWORD).status_code == 303
        return browser

    return make


@pytest.fixture
def operator(browser_for: BrowserFor) -> Browser:
    """A browser that an operator is signed in with."""
    return browser_for(Role.OPERATOR)


@pytest.fixture
def viewer(browser_for: BrowserFor) -> Browser:
    """A browser that a viewer is signed in with."""
    return browser_for(Role.VIEWER)
