"""A browser without a screen: keeps cookies, fills in forms, follows where it is sent."""

import html
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import falcon
from falcon.testing import Result, TestClient

TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@dataclass
class Browser:
    """One of its windows."""

    app: "falcon.App[Any, Any]"
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **params: Any) -> Result:
        return self._keep(
            TestClient(self.app).simulate_get(
                path, params=params or None, cookies=self.cookies, headers=self.headers
            )
        )

    def post(self, path: str, follow: bool = True, **fields: Any) -> Result:
        """Send a form, with the token of the page before."""
        answer = self._keep(
            TestClient(self.app).simulate_post(
                path,
                body=urlencode({"csrf": self.token, **fields}),
                cookies=self.cookies,
                headers={"Content-Type": "application/x-www-form-urlencoded", **self.headers},
            )
        )
        if follow and answer.status_code == 303:
            path, _, query = answer.headers["location"].partition("?")
            return self._keep(
                TestClient(self.app).simulate_get(
                    path, query_string=query, cookies=self.cookies, headers=self.headers
                )
            )
        return answer

    def sign_in(self, **fields: str) -> Result:
        answer = self.post("/ops/login", follow=False, **fields)
        if answer.status_code == 303:
            self.get("/ops/account")
        return answer

    def _keep(self, answer: Result) -> Result:
        for name, cookie in answer.cookies.items():
            self.cookies[name] = cookie.value
            if (cookie.max_age is not None and cookie.max_age <= 0) or not cookie.value:
                del self.cookies[name]
        is_page = (answer.headers.get("content-type") or "").startswith("text/html")
        if found := is_page and TOKEN.search(answer.text):
            self.token = found[1]
        return answer


def form_in(text: str) -> str:
    """How the form of a page for all that match is named."""
    [found] = re.findall(r'name="form" value="([^"]+)"', text)
    return str(found)


def seen(answer: Result) -> str:
    """The words of a page, without its elements."""
    assert answer.status_code == 200, answer.text
    return words(answer)


def words(answer: Result) -> str:
    """`seen`, whatever the status."""
    text = re.sub(r"<(script|style|head).*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
