"""Signing in to the ops page, and what ends a sign-in."""

import re
from contextlib import ExitStack
from typing import Any

import falcon
import falcon.inspect
import pytest
from falcon.testing import TestClient

from gateway.web.ops import login
from gateway.web.ops.refused import Refused
from gateway.web.ops.visitors import safe_next
from models import api_key, person, sign_in
from models.api_key import Scope
from models.db import database
from models.person import Role
from tests.gateway.web import conftest as web
from tests.gateway.web.ops.browser import Browser, seen, words
from tests.gateway.web.ops.conftest import PASSWORD, BrowserFor
from tests.gateway.web.ops.english import left_in


def is_signed_in(browser: Browser) -> bool:
    answer = browser.get("/ops/account")
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


def pages(app: "falcon.App[Any, Any]") -> list[tuple[str, str]]:
    """Every method and URL of the ops page."""
    return [
        (each.method, re.sub(r"\{[^}]*\}", "1", route.path))
        for route in falcon.inspect.inspect_routes(app)
        for each in route.methods
        if route.path.startswith("/ops") and not each.internal
    ]


def test_every_page_but_signing_in_sends_a_stranger_to_it(
    app: "falcon.App[Any, Any]", stranger: Browser
) -> None:
    for method, path in pages(app):
        if path == "/ops/login" or path.startswith("/ops/static"):
            continue
        answer = stranger.get(path) if method == "GET" else stranger.post(path, follow=False)
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/ops/login"), (method, path)


def test_a_person_signs_in_and_out(operator: Browser) -> None:
    assert "operator" in seen(operator.get("/ops/account"))
    assert operator.post("/ops/logout", follow=False).headers["location"] == "/ops/login"
    assert not is_signed_in(operator)


def test_after_signing_in_the_page_that_was_wanted_is_shown(stranger: Browser, pool: object) -> None:
    with database.session():
        person.add("rana", Role.VIEWER, PASSWORD)
    sent_to = stranger.get("/ops/account?lang=ar").headers["location"]
    assert sent_to == "/ops/login?next=/ops/account%3Flang%3Dar"
    answer = stranger.sign_in(name="rana", password=PASSWORD, next="/ops/account?lang=ar")
    assert answer.headers["location"] == "/ops/account?lang=ar"


@pytest.mark.parametrize(
    "path",
    [None, "", "https://evil.example/ops", "//evil.example/ops", "/\\evil", "/opsy", "/ops/login", "/ops/\n"],
)
def test_nobody_is_sent_elsewhere_after_signing_in(path: str | None) -> None:
    assert safe_next(path) == "/ops"


@pytest.mark.parametrize("given", [("rana", "wrong password"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_are_told_the_same(
    stranger: Browser, pool: object, given: tuple[str, str]
) -> None:
    with database.session():
        person.add("rana", Role.ADMIN, PASSWORD)
    answer = stranger.sign_in(name=given[0], password=given[1])
    assert answer.status_code == 401
    assert "The name or the password is wrong." in words(answer)
    assert not is_signed_in(stranger)


def test_a_key_of_the_scope_ops_signs_in_until_it_is_revoked(stranger: Browser, pool: object) -> None:
    with database.session():
        key = api_key.create("desk", [Scope.OPS])
    assert stranger.sign_in(key=key).status_code == 303
    assert is_signed_in(stranger)
    with database.session():
        api_key.revoke(1)
    assert not is_signed_in(stranger)


@pytest.mark.parametrize("scopes", [[Scope.ORDERS_READ, Scope.PINS_READ], [Scope.ORDERS_WRITE]])
def test_a_key_without_the_scope_does_not(stranger: Browser, pool: object, scopes: list[Scope]) -> None:
    with database.session():
        key = api_key.create("shop", scopes)
    assert stranger.sign_in(key=key).status_code == 401


def test_a_removed_person_is_signed_out_at_once(operator: Browser) -> None:
    assert is_signed_in(operator)
    with database.session():
        assert person.remove("operator")
    assert not is_signed_in(operator)


@pytest.mark.parametrize(
    ("column", "seconds"), [("seen_at", sign_in.IDLE_SECONDS), ("created_at", sign_in.LONGEST_SECONDS)]
)
def test_a_sign_in_ends_by_itself(operator: Browser, column: str, seconds: int) -> None:
    for age, is_open in ((seconds - 60, True), (seconds + 1, False)):
        with database.session():
            database.rows(f"UPDATE referans.sign_ins SET {column} = now() - make_interval(secs => {age})")
        assert is_signed_in(operator) is is_open
    with database.session():
        assert sign_in.forget(10) == 1


def test_the_database_has_nothing_to_sign_in_with(operator: Browser) -> None:
    with database.session():
        stored = str(database.rows("SELECT * FROM referans.sign_ins, referans.people"))
    assert operator.cookies["referans_ops"] not in stored
    assert PASSWORD not in stored
    assert operator.token not in stored


# --- sign-ins of several


def test_each_ends_their_own_and_an_admin_those_of_others(browser_for: BrowserFor) -> None:
    viewer, admin = browser_for(Role.VIEWER), browser_for(Role.ADMIN)
    page = viewer.get("/ops/account").text
    assert "Sign-ins of others" not in page
    [mine] = re.findall(r'name="id" value="(\d+)"', page)
    both = re.findall(r'name="id" value="(\d+)"', admin.get("/ops/account").text)
    assert len(both) == 2
    theirs = next(each for each in both if each != mine)

    viewer.post("/ops/account", id=theirs)
    assert is_signed_in(admin)
    admin.post("/ops/account", id=mine)
    assert not is_signed_in(viewer)
    assert is_signed_in(admin)


# --- cookies, forms, headers


@pytest.mark.parametrize(
    ("headers", "is_secure"),
    [
        ({"Host": "localhost:8000"}, False),
        ({"Host": "127.0.0.1"}, False),
        ({"Host": "[::1]:8000"}, False),
        ({"Host": "gateway.example"}, True),
        ({"Host": "localhost.example"}, True),
        ({"Host": "localhost:8000", "X-Forwarded-Proto": "https"}, True),
    ],
)
def test_the_cookie_is_for_no_script_and_no_other_site(
    stranger: Browser, pool: object, headers: dict[str, str], is_secure: bool
) -> None:
    with database.session():
        person.add("rana", Role.VIEWER, PASSWORD)
    stranger.headers = headers
    answer = stranger.post("/ops/login", follow=False, name="rana", password=PASSWORD)
    cookie = answer.cookies["referans_ops"]
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/ops")
    assert bool(cookie.secure) is is_secure


@pytest.mark.parametrize("token", ["", "wrong", "ü", "0" * 64])
def test_a_form_without_the_token_of_its_sign_in_does_nothing(operator: Browser, token: str) -> None:
    operator.token = token
    assert operator.post("/ops/logout", follow=False).status_code == 403
    assert is_signed_in(operator)


def test_every_form_wants_its_token_and_more_than_a_viewer(
    app: "falcon.App[Any, Any]", viewer: Browser, operator: Browser
) -> None:
    forms = {path for method, path in pages(app) if method == "POST"}
    assert len(forms) > 10
    for path in forms - {"/ops/login"}:
        token, operator.token = operator.token, "0" * 64
        assert operator.post(path, follow=False, reason="so").status_code == 403, path
        operator.token = token
        if path not in ("/ops/logout", "/ops/account"):  # their own
            assert viewer.post(path, follow=False, reason="so").status_code == 403, path
        content = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = TestClient(app).simulate_post(path, body="", headers=content, cookies=operator.cookies)
        assert answer.status_code == 415, path


def test_a_form_with_the_token_of_another_sign_in_does_nothing(browser_for: BrowserFor) -> None:
    first, second = browser_for(Role.VIEWER), browser_for(Role.ADMIN)
    second.token = first.token
    assert second.post("/ops/logout", follow=False).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_form_of_another_site_is_refused_at_the_sign_in_too(
    stranger: Browser, pool: object, headers: dict[str, str]
) -> None:
    with database.session():
        person.add("rana", Role.VIEWER, PASSWORD)
    stranger.headers = headers
    assert stranger.sign_in(name="rana", password=PASSWORD).status_code == 403
    stranger.headers = {"Origin": "http://falconframework.org", "Sec-Fetch-Site": "same-origin"}
    assert stranger.sign_in(name="rana", password=PASSWORD).status_code == 303


def test_pages_take_nothing_from_other_hosts_and_no_frame(stranger: Browser, operator: Browser) -> None:
    for answer in (stranger.get("/ops/login"), operator.get("/ops/account"), operator.get("/ops/nothing")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", answer.text)
        assert not re.search(r'(?:src|href|action)="(?!/ops|#)', answer.text)


def test_files_are_kept_by_browsers_under_their_digest(stranger: Browser) -> None:
    url = re.findall(r'href="(/ops/static/ops.css\?v=\w+)"', stranger.get("/ops/login").text)[0]
    answer = stranger.get(url)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert stranger.get("/ops/static/../desk.py").status_code == 404


def test_the_language_is_remembered(stranger: Browser) -> None:
    assert 'lang="en" dir="ltr"' in stranger.get("/ops/login").text
    assert 'lang="ar" dir="rtl"' in stranger.get("/ops/login", lang="ar").text
    assert 'lang="ar" dir="rtl"' in stranger.get("/ops/login").text
    assert 'lang="en"' in stranger.get("/ops/login", lang="en").text
    assert 'lang="en"' in stranger.get("/ops/login", lang="xx").text


# --- limits


def test_a_flood_of_sign_ins_leaves_room_for_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "MOST_WAITING", login.MOST_OF_ADDRESS + 1)
    page: Any = login.Login(None)  # type: ignore[arg-type]  # no page is shown
    with ExitStack() as held:
        for _ in range(login.MOST_OF_ADDRESS):
            held.enter_context(page._turn("192.0.2.1"))
        with pytest.raises(Refused), page._turn("192.0.2.1"):
            pass
        held.enter_context(page._turn("192.0.2.2"))
        with pytest.raises(Refused), page._turn("192.0.2.3"):
            pass
    with page._turn("192.0.2.1"):
        pass
    assert not page._waiting


class TestBehindAProxy:
    @pytest.fixture
    def settings(self, settings: Any) -> Any:
        return settings.model_copy(update={"public_url": "https://gateway.example"})

    def test_the_cookie_is_secure_also_where_the_proxy_says_nothing(
        self, stranger: Browser, pool: object
    ) -> None:
        """nginx calls us at localhost, and sends no X-Forwarded-Proto unless it is told to."""
        with database.session():
            person.add("rana", Role.VIEWER, PASSWORD)
        stranger.headers = {"Host": "localhost:8000"}
        answer = stranger.post("/ops/login", follow=False, name="rana", password=PASSWORD)
        assert answer.cookies["referans_ops"].secure


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Any) -> Any:
        return web.load(
            {
                "DATABASE_URL": settings.database_url.get_secret_value(),
                "REDIS_URL": settings.redis_url.get_secret_value(),
                "ENCRYPTION_KEYS": web.KEY,
                "RATE_LIMIT": "30/hour",
            }
        )

    def test_who_fails_too_often_is_told_to_wait_but_the_right_password_counts(
        self, stranger: Browser, pool: object
    ) -> None:
        with database.session():
            person.add("rana", Role.VIEWER, PASSWORD)
        statuses = [stranger.sign_in(name="rana", password=f"wrong {each}").status_code for each in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        answer = stranger.sign_in(name="rana", password="wrong")
        assert int(answer.headers["retry-after"]) > 0
        assert "too many wrong" in words(answer)
        stranger.get("/ops/login", lang="ar")
        assert left_in(stranger.sign_in(name="rana", password="wrong")) == []
        assert stranger.sign_in(name="rana", password=PASSWORD).status_code == 303
