"""What every page has in hand: the settings, and how a page is written for whom."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import falcon
import jinja2
import redis

from gateway.settings import Settings
from gateway.web.auth import Keys
from gateway.web.limits import Limits as WebLimits
from gateway.web.ops import browsers, filters, language, shapes, visitors
from gateway.web.ops.language import LANGUAGES, Reader
from gateway.web.ops.statics import Statics
from gateway.web.ops.visitors import Visitor
from models import stuck
from models.bulk import Begun
from models.db import database
from models.db.database import Use
from models.stuck import Limits

#: The cookie that remembers the language, and for how many seconds.
LANGUAGE_COOKIE, LANGUAGE_SECONDS = "referans_lang", 365 * 86_400
#: Seconds for which the number of stuck orders at the edge of every page is remembered.
BADGE_SECONDS = 10.0
#: Characters of the name of a form at most.
MOST_FORM = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the navigation, which every page has."""

    icon: str
    path: str
    text: str
    #: Always at hand on a phone, too.
    is_main: bool = True


#: The navigation.
ENTRIES = (
    Entry("now", visitors.ROOT, "Now"),
    Entry("orders", f"{visitors.ROOT}/orders", "Orders"),
    Entry("stuck", f"{visitors.ROOT}/stuck", "Stuck"),
    Entry("providers", f"{visitors.ROOT}/providers", "Providers"),
    Entry("callbacks", f"{visitors.ROOT}/callbacks", "Callbacks", is_main=False),
    Entry("notifications", f"{visitors.ROOT}/notifications", "Notifications", is_main=False),
    Entry("reports", f"{visitors.ROOT}/reports", "Reports", is_main=False),
    Entry("reconcile", f"{visitors.ROOT}/reconcile", "Reconciliation", is_main=False),
    Entry("bulk", f"{visitors.ROOT}/bulk", "Bulk actions", is_main=False),
)


#: The files that pages load, which are the same for every application of a process.
statics = cache(Statics)


@cache
def templates() -> jinja2.Environment:
    """What pages are written with: each template is compiled once for each process, which takes longer than a page."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "asset": statics().url,
        "number": language.number,
        "money": language.money,
        "cents": language.cents,
        "percent": language.percent,
        "shapes": shapes,
        "pages": ENTRIES,
        "root": visitors.ROOT,
        "form_token_name": visitors.FORM_TOKEN,
        "browser_name": browsers.name,
        "new_form": lambda: secrets.token_urlsafe(16),
    }
    made.filters["bdi"] = language.as_name
    made.filters["truncate_year"] = lambda day: day[5:]
    return made


@dataclass(frozen=True)
class Desk:
    """Made once for each process, and handed to every page."""

    settings: Settings
    keys: Keys
    web_limits: WebLimits
    redis: redis.Redis
    _badge: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """What counts as stuck."""
        return Limits.of(self.settings)

    def reader(self, req: falcon.Request) -> Reader:
        """In which language: as the address says, else as it did before, else as the browser asks for."""
        asked = (req.get_header("Accept-Language") or "").lower()
        candidates = (req.get_param("lang"), visitors.cookie(req, LANGUAGE_COOKIE), asked[:2])
        code = next((each for each in candidates if each in LANGUAGES), "en")
        return Reader(code, self.settings.timezone, language.now())

    def show(
        self, req: falcon.Request, resp: falcon.Response, template: str, *, status: int = 200, **values: Any
    ) -> None:
        """Answer with a page. Needs no session; what it reads has been read."""
        reader = self.reader(req)
        if req.get_param("lang") == reader.code:
            visitors.keep_cookie(
                req, resp, LANGUAGE_COOKIE, reader.code, LANGUAGE_SECONDS, self.settings.public_url
            )
        visitor: Visitor | None = req.context.get("visitor")
        resp.status = status
        resp.content_type = "text/html; charset=utf-8"
        resp.text = (
            templates()
            .get_template(template)
            .render(
                t=reader.text,
                n=reader.counted,
                r=reader,
                visitor=visitor,
                path=req.path,
                stuck_total=self._stuck_total() if visitor else 0,
                in_other_language=with_query(req, lang=reader.other),
                **{"query": "", **values},
            )
        )

    def _stuck_total(self) -> int:
        """How many orders need a person, as of a moment ago."""
        known = self._badge.get("stuck")
        if known is None or time.monotonic() - known[1] > BADGE_SECONDS:
            with database.session(Use.LIST):
                known = sum(stuck.counts(self.limits).values()), time.monotonic()
            self._badge["stuck"] = known
        return known[0]

    def forget_counts(self) -> None:
        """A person has changed something: the next page counts anew."""
        self._badge.clear()


def with_query(req: falcon.Request, **changes: str | None) -> str:
    """The address of this page with other values in its query; None takes one out."""
    values = filters.given(req) | changes
    kept = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{req.path}?{urlencode(kept)}" if kept else req.path


class Page:
    """What is the same of every page. `least` is the role that sees it, `changes` the one that presses its buttons."""

    needs_key = False

    def __init__(self, desk: Desk) -> None:
        self.desk = desk


@contextmanager
def begun_once() -> Iterator[None]:
    """A form that has begun an action on many before leads to that one."""
    try:
        yield
    except Begun as same:
        raise go(f"{visitors.ROOT}/bulk/{same.bulk_id}") from None


def form_of(req: falcon.Request) -> str | None:
    """Which form was sent, as `parts.once` names it: it begins one action, however often it is sent."""
    return req.context.form.get("form", "")[:MOST_FORM] or None


def go(to: str) -> falcon.HTTPSeeOther:
    """The answer to a form that was carried out: the page that shows it."""
    return falcon.HTTPSeeOther(to)
