"""A real Chromium before the real application. Where this machine has none, these tests are skipped."""

import shutil
from collections.abc import Callable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import falcon
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from models import person
from models.db import database
from models.person import Role
from tests.gateway.web.conftest import app, database_url, pool, settings
from tests.listening import listening

__all__ = ["app", "database_url", "pool", "settings"]

#: What Chromium is called, by whoever packages it.
NAMES = ("chromium", "chromium-browser", "google-chrome")
PASSWORD = "correct horse"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
PageFor = Callable[..., Page]
#: How long a page may take on a busy machine, in milliseconds.
PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium on this machine ({', '.join(NAMES)})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(app: "falcon.App[Any, Any]") -> Iterator[str]:
    """Where the application is served."""
    with listening(make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def page_for(chromium: Browser, address: str) -> Iterator[PageFor]:
    """Makes a page that an operator is signed in with. At its end no other host was asked, and no error was shown.

    `is_phone`, `language` and `theme` (light or dark) say on what it is looked at.
    """
    contexts: list[BrowserContext] = []
    trouble: list[str] = []
    with database.session():
        person.add("rana", Role.OPERATOR, PASSWORD)

    def make(*, is_phone: bool = False, language: str = "en", theme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=address,
            viewport=PHONE if is_phone else DESK,  # type: ignore[arg-type]
            color_scheme=theme,  # type: ignore[arg-type]
            has_touch=is_phone,
            is_mobile=is_phone,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: _foreign(request.url, address, trouble))
        page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(f"/ops/login?lang={language}")
        page.fill("input[name=name]", "rana")
        page.fill("input[name=password]", PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/ops")
        return page

    yield make
    for context in contexts:
        context.close()
    assert trouble == []


def _foreign(url: str, address: str, trouble: list[str]) -> None:
    if not url.startswith(address):
        trouble.append(f"asked another host: {url}")
