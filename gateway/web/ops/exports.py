"""The orders that match, as a file: read by key in small batches, and slowly, so that nothing else waits for it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice

import falcon

from gateway import log
from gateway.said import Said
from gateway.web.ops import aside, filters, language, sheets, visitors
from gateway.web.ops.desk import Desk, Page
from gateway.web.ops.filters import Chosen
from gateway.web.ops.refused import Refused
from gateway.web.ops.sheets import Cell
from models import facts, listing, sign_in, stuck
from models.db import database
from models.db.database import Use
from models.facts import Price
from models.listing import Place
from models.order import Order
from models.person import Role
from models.status import Attention
from models.stuck import Limits, Waiting

logger = log.get(__name__)

#: Orders of a batch, and batches in a second at most: 2,000 orders.
BATCH, PER_SECOND = 200, 10
#: Batches that are read with one statement: to plan it takes as long as to read a batch.
READ_AHEAD = 5
#: Seconds for which orders are looked at for one batch.
BATCH_SECONDS = 0.5
#: Rows of a spreadsheet at most; CSV has no limit.
MOST_XLSX = 100_000
#: Exports of one process at the same time.
MOST_AT_ONCE = 2
#: Seconds after which one whose reader takes nothing gives its place to another.
IDLE_SECONDS = 60.0
#: Seconds between two looks whether the sign-in still holds.
SIGNED_IN_SECONDS = 5.0
#: The columns: the fields of the API, by which a spreadsheet in another language has its headings too.
COLUMNS = (
    *("id", "orderNo", "tenantId", "reference", "productId", "packageId", "quantity", "userIdentifier"),
    *("externalStatus", "failureReason", "attention", "providerId", "providerReferans", "externalOrderId"),
    *("costAmount", "costCurrency", "priceAmount", "priceCurrency", "lastMessage"),
    *("createdAt", "sentAt", "completedAt", "reversedAt", "durationMs"),
)
#: What stands in the last row of a spreadsheet that is full.
FULL = "There are more than {count}; the CSV file has all of them."


class CutOff(Exception):
    """The file ends here, unfinished: the sign-in is over, or nobody took it for too long."""


class Export(Page):
    """The file. `kind` is csv or xlsx; its filters are those of the list. No column has a code."""

    least = Role.VIEWER

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._places = Places()

    def on_get(self, req: falcon.Request, resp: falcon.Response, kind: str) -> None:
        if kind not in ("csv", "xlsx"):
            raise falcon.HTTPNotFound
        zone = self.desk.settings.timezone
        chosen = filters.of_request(req, zone)
        if chosen.wrong:
            raise Refused(400, Said("the filter {filter} cannot be read", filter=chosen.wrong[0]))
        orders = _slowly(_batches(chosen, self.desk.limits))
        reader = self.desk.reader(req)
        local = reader.local
        rows = ([_row(each, prices, local) for each in batch] for batch, prices in orders)
        logger.info(
            "A person exports orders.",
            action="export",
            kind=kind,
            by=req.context.visitor.name,
            filters=chosen.values,
        )
        name = f"orders-{local(language.now()):%Y-%m-%d-%H%M}.{kind}"
        resp.downloadable_as = name
        if kind == "csv":
            resp.content_type, written = sheets.CSV_TYPE, sheets.as_csv(COLUMNS, rows)
        else:
            written = sheets.as_xlsx(
                "orders" if reader.code == "en" else str(reader.text("Orders")),
                [reader.column(each) for each in COLUMNS],
                _up_to_most(rows, str(reader.text(FULL, count=language.number(MOST_XLSX)))),
                is_from_right=reader.direction == "rtl",
                aside=aside.run,
            )
            resp.content_type = sheets.XLSX_TYPE
        token = visitors.cookie(req, visitors.COOKIE) or ""
        resp.stream = self._places.take(_while_signed_in(written, lambda: _is_signed_in(token)))


class Held(Iterator[bytes]):
    """A place among the exports, until the file is written, its reader has gone, or takes nothing."""

    def __init__(self, places: "Places", written: Iterator[bytes]) -> None:
        self._places = places
        self._written = written
        self.taken_at = places.clock()
        self.is_cut_off = False

    def __next__(self) -> bytes:
        if self.is_cut_off:
            raise CutOff
        part = next(self._written)
        self.taken_at = self._places.clock()
        return part

    def close(self) -> None:
        """The server calls it in any case."""
        self._places.leave(self)


class Places:
    """So many exports at once. One whose reader takes nothing must not keep others away for ever."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._held: list[Held] = []
        self._lock = threading.Lock()

    def take(self, written: Iterator[bytes]) -> Held:
        """Raises a 503."""
        with self._lock:
            for each in self._held:
                each.is_cut_off = each.taken_at < self.clock() - IDLE_SECONDS
            self._held = [each for each in self._held if not each.is_cut_off]
            if len(self._held) >= MOST_AT_ONCE:
                raise Refused(503, Said("others are exporting just now; try again when they are done"))
            self._held.append(held := Held(self, written))
            return held

    def leave(self, held: Held) -> None:
        """Its place is free, if it still had one."""
        with self._lock:
            self._held = [each for each in self._held if each is not held]


def _while_signed_in(written: Iterator[bytes], is_signed_in: Callable[[], bool]) -> Iterator[bytes]:
    """Raises CutOff in the middle once the sign-in is over."""
    looked_at = time.monotonic()
    for part in written:
        if time.monotonic() - looked_at > SIGNED_IN_SECONDS:
            if not is_signed_in():
                raise CutOff
            looked_at = time.monotonic()
        yield part


def _is_signed_in(token: str) -> bool:
    with database.session(Use.REQUEST):
        return sign_in.find(token) is not None


def _slowly(
    batches: Iterator[Sequence[Order]],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Sequence[Order], dict[str, Price]]]:
    """Each batch with what its customers paid, and a pause, so that there are no more than PER_SECOND."""
    while True:
        until = clock() + 1 / PER_SECOND
        batch = next(batches, None)
        if batch is None:
            return
        with database.session(Use.LIST):
            prices = facts.prices([each.id for each in batch])
        yield batch, prices
        if (left := until - clock()) > 0:
            sleep(left)


def _batches(chosen: Chosen, limits: Limits) -> Iterator[Sequence[Order]]:
    """All that match: newest first, or of one kind of attention the longest waiting first."""
    if chosen.kind:
        yield from _of_kind(chosen, limits)
        return
    after: Place | None = None
    while True:
        page = listing.page(
            chosen.wanted, chosen.view, limits, READ_AHEAD * BATCH, after, within_seconds=BATCH_SECONDS
        )
        for begin in range(0, len(page.orders) or 1, BATCH):
            yield page.orders[begin : begin + BATCH]
        if page.end is None:
            return
        after = page.end


def _of_kind(chosen: Chosen, limits: Limits) -> Iterator[Sequence[Order]]:
    kind, after = Attention(chosen.kind or ""), None
    while True:
        with database.session(Use.LIST):
            found = stuck.orders(limits, BATCH, kind, after=after, narrowed=chosen.about.narrowed)
        yield found
        if len(found) < BATCH:
            return
        after = Waiting(found[-1].since, found[-1].id)


def _up_to_most(batches: Iterator[Sequence[Sequence[Cell]]], full: str) -> Iterator[Sequence[Sequence[Cell]]]:
    """As many rows as a spreadsheet may have; if there are more, the last one says so, with `full`."""
    left = MOST_XLSX
    for batch in batches:
        yield list(islice(batch, left))
        left -= len(batch)
        if left < 0:
            yield [(full,)]
            return


def _row(order: Order, prices: dict[str, Price], local: Callable[[datetime], datetime]) -> Sequence[Cell]:
    price = prices.get(order.id)
    times = (order.created_at, order.sent_at, order.completed_at, order.reversed_at)
    return (
        *(order.id, order.order_no, order.tenant_id, order.reference, order.product_id, order.package_id),
        *(
            order.quantity,
            order.user_identifier,
            order.external_status,
            order.failure_reason,
            order.attention,
        ),
        *(order.provider_id, order.provider_referans, order.external_order_id),
        *(order.cost_amount, order.cost_currency),
        *((price.amount, price.currency) if price else (None, None)),
        order.last_message,
        *(at and local(at) for at in times),
        order.duration_ms,
    )
