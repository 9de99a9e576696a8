"""Every page of the operators, asked of a real web server over tables as full as after a year."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import falcon

from gateway.web.ops import add_pages
from models.report import By
from models.status import Attention, ExternalStatus
from tests.benchmarks import filling
from tests.benchmarks.filling import GONE, KEYS, PLAYER, RARE
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage
from tests.benchmarks.web import REFERANS

#: Different orders, players and days that pages are asked for.
SAMPLED = 30
#: Milliseconds that a page may take.
BOUND_MS = 300
PAGES = "pages, p95 of the slowest, ms"
#: Files and forms that answer GET and are no page.
NO_PAGES = ("/ops/logout", "/ops/static/{name}")

#: Something that is asked for, and how its address is written for the request with this number.
Asked = Callable[[int], str]


def speed(stage: Stage, report: Report, orders: int, requests: int, table: Path | None) -> None:
    """Ask for each page in turn, round after round, so that no page finds what it has just read."""
    asked = dict(_pages(stage, orders))
    _compare_with_url_table(asked)
    found: dict[str, list[float]] = {name: [] for name in asked}
    sizes: dict[str, int] = {}
    with stage.web("web", REFERANS, WEB_CONCURRENCY="2", **KEYS) as port:
        browser = Browser(port, stage.key)
        for number in range(requests):
            print(f"  round {number + 1} of {requests}", flush=True)
            for name in random.Random(number).sample(list(asked), len(asked)):
                path = asked[name](number)
                seconds, status, size = browser.get(path)
                if status not in (200, 303):
                    raise RuntimeError(f"{path}: answered with {status}")
                found[name].append(1000 * seconds)
                sizes[name] = size
    figures = {
        name: {"p50": _share(all_ms, 0.5), "p95": _share(all_ms, 0.95), "most": max(all_ms)}
        for name, all_ms in found.items()
    }
    text = _table(figures, sizes)
    print(text)
    if table:
        table.write_text(text)
        table.with_suffix(".json").write_text(json.dumps({"orders": orders, "pages": figures}, indent=1))
    slowest = max(figures, key=lambda name: figures[name]["p95"])
    report.add(PAGES, f"{len(figures)} pages and filters, {orders:,} orders", figures[slowest]["p95"])
    report.want(PAGES, f"{len(figures)} pages and filters, {orders:,} orders", at_most=BOUND_MS)


class Browser:
    """A browser that is signed in with a key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/ops/login", urlencode({"key": key}), form)
        answer = self._connection.getresponse()
        answer.read()
        cookies = answer.headers.get_all("Set-Cookie") or []
        self.cookie = "; ".join(each.partition(";")[0] for each in cookies)

    def get(self, path: str) -> tuple[float, int, int]:
        """Seconds until the whole answer, its status and its bytes."""
        began = perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._connection.getresponse()
        size = len(answer.read())
        return perf_counter() - began, answer.status, size


def _pages(stage: Stage, orders: int) -> Iterator[tuple[str, Asked]]:
    chance = random.Random(7)
    numbers = [chance.randrange(orders // 20, orders - orders // 20) for _ in range(SAMPLED)]
    [*rows] = stage.sql(SAMPLES, (numbers,))
    samples: list[dict[str, Any]] = [dict(zip(NAMES, row, strict=True)) for row in rows]

    def of(pattern: str) -> Asked:
        return lambda number: pattern.format(**samples[number % len(samples)])

    yield from ((path, of(path)) for path in ("/ops", "/ops/login", "/ops/account", "/ops/stuck"))
    yield from _lists_of_orders(of)
    for name, pattern in SEARCHES.items():
        yield f"search: {name}", of(f"/ops/orders?q={pattern}")
    for written in ("prov", "provider:", "product:prod", "tenant:"):
        yield f"/ops/complete?q={written}", of(f"/ops/complete?q={written}")
    for path in ("/ops/orders/{id}", "/ops/orders/{id}/proof", "/ops/callbacks/{callback}"):
        yield path, of(path)
    yield from _lists_of_messages(of)
    yield "/ops/notifications/{number}", lambda number: f"/ops/notifications/{1 + number * (orders // 500)}"
    yield "/ops/providers", of("/ops/providers")
    for provider_id in ("provider-8", "provider-31", RARE, GONE):
        yield f"/ops/providers/{provider_id}", of(f"/ops/providers/{provider_id}")
    yield from _bulk_actions(stage, of)
    yield from _statements(stage, of)
    yield from _reports(stage)
    yield "/ops/export/orders.csv?player=", of("/ops/export/orders.csv?player={player}")
    yield "/ops/export/orders.xlsx?player=", of("/ops/export/orders.xlsx?player={player}")


def _lists_of_orders(of: Callable[[str], Asked]) -> Iterator[tuple[str, Asked]]:
    filters = [
        "",
        *(f"stage={each.value}" for each in ExternalStatus),
        *(f"provider={each}" for each in ("provider-8", "provider-31", RARE, GONE)),
        *(f"product={each}" for each in ("product-0", "product-50", "product-99", "nothing")),
        *(f"tenant={TENANTS.format(each)}" for each in (1, 5, 9)),
        *("player={player}", f"player={PLAYER}", "reference={reference}"),
        *("since=1h", "since=30d", "until=300d", "since={at}&until={at_later}"),
        "stage=failed&provider=provider-31",
        f"stage=failed&provider={GONE}",
        f"stage=reversed&provider={RARE}",
        "stage=reversed&since=30d",
        "stage=failed&product=product-99",
        f"provider={GONE}&product=product-99",
        f"provider=provider-31&tenant={TENANTS.format(5)}",
        f"provider={RARE}&tenant={TENANTS.format(5)}",
        f"product=product-99&tenant={TENANTS.format(1)}&stage=failed",
        "player={player}&stage=failed",
        *(f"needs={each.value}" for each in Attention),
        "needs=no_code&provider=provider-8",
        f"needs=no_code&tenant={TENANTS.format(1)}",
    ]
    for each in filters:
        yield f"/ops/orders?{_shown(each)}", of(f"/ops/orders?{each}")
    for each in (
        "",
        "stage=failed",
        "provider=provider-8",
        f"provider={GONE}",
        "product=product-50",
        f"tenant={TENANTS.format(1)}",
        "stage=completed&since=300d",
    ):
        yield f"/ops/orders?{_shown(each)}, a page far behind", of(f"/ops/orders?{each}&after={{cursor}}")


def _lists_of_messages(of: Callable[[str], Asked]) -> Iterator[tuple[str, Asked]]:
    results = ("applied", "duplicate", "stale", "conflict", "unmatched", "invalid")
    callbacks = [
        "",
        *(f"result={each}" for each in results),
        *(f"provider={each}" for each in ("provider-8", "provider-31", RARE, GONE)),
        *("since=1h", "since=30d", "since={at}"),
        *(f"provider={RARE}&result={each}" for each in results),
        *(f"provider={GONE}&result={each}" for each in ("applied", "conflict", "unmatched", "invalid")),
        f"provider={GONE}&since=1h",
        "result=unmatched&since=1h",
        "result=stale&since={at}",
    ]
    for each in callbacks:
        yield f"/ops/callbacks?{_shown(each)}", of(f"/ops/callbacks?{each}")
    for each in ("", "result=duplicate", "provider=provider-8", f"provider={GONE}"):
        yield (
            f"/ops/callbacks?{each}, a page far behind",
            of(f"/ops/callbacks?{each}&after={{callback_cursor}}"),
        )
    states = ("waiting", "delivered", "dead")
    notifications = ["", *(f"state={each}" for each in states), "since=1h", "since=30d"]
    notifications += [f"state={each}&since={since}" for each in states for since in ("1h", "30d")]
    for each in notifications:
        yield f"/ops/notifications?{each}", of(f"/ops/notifications?{each}")
    yield "/ops/notifications, a page far behind", of("/ops/notifications?before=1000")


def _bulk_actions(stage: Stage, of: Callable[[str], Asked]) -> Iterator[tuple[str, Asked]]:
    [(last,)] = stage.sql("SELECT max(id) FROM referans.bulk_actions")
    yield "/ops/bulk", of("/ops/bulk")
    yield "/ops/bulk/{number}", of(f"/ops/bulk/{last}")
    about = [
        *("needs=no_answer", "needs=no_code&provider=provider-8", "stage=sent", "stage=failed&since=1d"),
        *("stage=failed", "stage=completed", "provider=provider-8", f"provider={GONE}", "product=product-50"),
        *(f"tenant={TENANTS.format(1)}", "player={player}", "since=1h", "since=30d"),
    ]
    for each in about:
        yield f"/ops/bulk/new?{_shown(each)}", of(f"/ops/bulk/new?{each}")


def _statements(stage: Stage, of: Callable[[str], Asked]) -> Iterator[tuple[str, Asked]]:
    [(last,)] = stage.sql("SELECT max(id) FROM referans.statements")
    yield "/ops/reconcile", of("/ops/reconcile")
    yield "/ops/reconcile/{number}", of(f"/ops/reconcile/{last}")
    yield "/ops/reconcile/{number}?finding=cost", of(f"/ops/reconcile/{last}?finding=cost")
    behind = f"/ops/reconcile/{last}?finding=cost&after=50000"
    yield "/ops/reconcile/{number}?finding=cost, a page far behind", of(behind)


def _reports(stage: Stage) -> Iterator[tuple[str, Asked]]:
    [(today,)] = stage.sql("SELECT (now() AT TIME ZONE %s)::date", (filling.ZONE,))
    narrowed = ("", "provider=provider-8", "product=product-50", f"tenant={TENANTS.format(1)}")

    def over(days: int, query: str, path: str = "/ops/reports") -> Asked:
        """That many days, up to one of the last thirty."""

        def asked(number: int) -> str:
            last = today - timedelta(days=number % 30)
            return f"{path}?from={last - timedelta(days=days - 1)}&to={last}&{query}"

        return asked

    yield "/ops/reports", lambda number: "/ops/reports"
    for days in (1, 30, 365):
        for by in By:
            for each in narrowed:
                query = f"by={by.value}&{each}"
                yield f"/ops/reports, {days} days, {query}", over(days, query)
    both = f"by=package&provider=provider-8&tenant={TENANTS.format(1)}"
    yield f"/ops/reports, 365 days, {both}", over(365, both)
    for by in (By.PROVIDER, By.PACKAGE):
        yield f"/ops/reports.xlsx, 365 days, by={by}", over(365, f"by={by}", "/ops/reports.xlsx")


class _UrlTable(falcon.App[Any, Any]):
    """The pages that there are, by path."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, Any] = {}

    def add_route(self, uri_template: str, resource: Any, **options: Any) -> None:
        self.pages[uri_template] = resource


def _compare_with_url_table(asked: Mapping[str, Asked]) -> None:
    """Raises RuntimeError if a page is not asked for."""
    app = _UrlTable()
    add_pages(app, cast(Any, SimpleNamespace()))
    paths = [each(0).partition("?")[0] for each in asked.values()]
    for route, page in app.pages.items():
        pattern = re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(route))
        if (
            hasattr(page, "on_get")
            and route not in NO_PAGES
            and not any(re.fullmatch(pattern, each) for each in paths)
        ):
            raise RuntimeError(f"the page {route} is not measured")


def _shown(query: str) -> str:
    """Without the values that differ from request to request."""
    return re.sub(r"\{[a-z_]+\}", "…", query)


def _share(all_ms: Sequence[float], share: float) -> float:
    return sorted(all_ms)[min(len(all_ms) - 1, int(share * len(all_ms)))]


def _table(figures: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int]) -> str:
    """In Markdown, the slowest first."""
    lines = ["| page | p50, ms | p95, ms | slowest, ms | KiB |", "|---|---|---|---|---|"]
    for name in sorted(figures, key=lambda each: -figures[each]["p95"]):
        one = figures[name]
        mark = " **over**" if one["p95"] > BOUND_MS else ""
        lines.append(
            f"| {name} | {one['p50']:.0f} | {one['p95']:.0f}{mark} | {one['most']:.0f} | {sizes[name] / 1024:.0f} |"
        )
    return "\n".join(lines) + "\n"


TENANTS = "00000000-0000-4000-8000-00000000000{}"
#: What a person may have in hand.
SEARCHES = {
    "id": "{id}",
    "number": "{number}",
    "reference": "{reference}",
    "referans": "{referans}",
    "former referans": "{former}",
    "provider's number": "{external}",
    "former provider's number": "former-{two_hundred}",
    "player": "{player}",
    "the player of the sentence": PLAYER,
    "a number that nothing has": "999999999{number}",
    "a word that nothing has": "nothing-{number}",
}
NAMES = (
    *(
        "id",
        "number",
        "reference",
        "referans",
        "external",
        "player",
        "former",
        "two_hundred",
        "at",
        "at_later",
    ),
    *("cursor", "callback", "callback_cursor"),
)
SAMPLES = """
SELECT o.id::text, o."orderNo", o."orderUuid", o.provider_referans, o."externalOrderId", o."userIdentifier",
    (1000000000000000 + o."orderNo" / 200 * 200)::text, o."orderNo" / 200 * 200,
    to_char(o."createdAt", 'YYYY-MM-DD"T"HH24:MI'), to_char(o."createdAt" + interval '1 day', 'YYYY-MM-DD"T"HH24:MI'),
    translate(encode(convert_to(json_build_array(o."createdAt"::text, o.id)::text, 'UTF8'), 'base64'), E'+/\\n', '-_'),
    c.id,
    translate(encode(convert_to(json_build_array(c.received_at::text, c.id)::text, 'UTF8'), 'base64'), E'+/\\n', '-_')
FROM product_orders AS o JOIN LATERAL (
    SELECT * FROM referans.callback_events AS c WHERE c.order_id = o.id ORDER BY c.id LIMIT 1
) AS c ON true
WHERE o."orderNo" = ANY (%s)
"""
