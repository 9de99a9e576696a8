"""A client of the Referans order API. One file, which needs nothing but requests."""

import base64
import hmac
import json
import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NotRequired, TypedDict, cast
from urllib.parse import quote

import requests

#: Statuses after which a request that is safe to repeat is repeated.
AGAIN = (429, 502, 503, 504)
#: Times that such a request is sent, and the longest pause between two, in seconds.
TRIES, MAX_PAUSE_SECONDS = 4, 30.0
#: Seconds that one request waits for an order; routers in between often cut silent requests at 30.
WAIT_SECONDS = 25
#: Seconds that the clock of a notification's sender may differ from ours.
TOLERANCE_SECONDS = 300
FINAL = ("completed", "failed", "reversed")


class Money(TypedDict):
    """An amount in a currency."""

    amount: str
    currency: str | None


class Code(TypedDict):
    """One code that was delivered."""

    code: str
    pin: NotRequired[str]
    serial: NotRequired[str]
    expiresAt: NotRequired[str]


class Order(TypedDict):
    """An order; /docs explains every field."""

    id: str
    orderNo: int | None
    tenantId: str | None
    reference: str | None
    productId: str | None
    packageId: str | None
    quantity: int | None
    userIdentifier: str | None
    extraField: str | None
    metadata: dict[str, str]
    status: str
    externalStatus: str
    failureReason: str | None
    attention: str | None
    providerId: str | None
    providerReferans: str | None
    externalOrderId: str | None
    pinCode: NotRequired[str | None]
    codes: NotRequired[list[Code]]
    receipt: str | None
    cost: Money | None
    lastMessage: str | None
    createdAt: str
    sentAt: str | None
    lastSyncAt: str | None
    completedAt: str | None
    reversedAt: str | None
    durationMs: int | None


Event = TypedDict(
    "Event",
    {"at": str, "source": str, "from": str | None, "to": str | None, "message": str | None, "by": str | None},
)


class Field(TypedDict):
    """What an order of a package may or must bring."""

    name: str
    required: bool
    description: str


class Needs(TypedDict):
    """What an order of a package needs."""

    fields: list[Field]
    quantity: int
    cost: Money | None
    available: bool


class Notification(TypedDict):
    """What a storefront is told."""

    type: str
    timestamp: str
    data: Order


class ReferansError(Exception):
    """Any error of this module."""


class NotReached(ReferansError):
    """No answer came: it may be done, or not. Safe to repeat: reads, and `place` with the same `reference` or key."""


class BadSignature(ReferansError):
    """A notification that was not sent by the gateway, or too long ago."""


class ApiError(ReferansError):
    """An answer that is an error (RFC 9457)."""

    def __init__(self, answer: requests.Response) -> None:
        problem = _problem(answer)
        self.status = answer.status_code
        #: The kind of error, such as `no-route`: the last part of the address that explains it.
        self.type = str(problem.get("type", "")).rpartition("/")[2]
        self.title = str(problem.get("title", answer.reason))
        self.detail = str(problem.get("detail", ""))
        #: What is wrong with the input: `pointer` and `detail`.
        self.errors: list[dict[str, str]] = problem.get("errors", [])
        #: Of a 409 to a new order: the order that was first.
        self.order_id: str | None = problem.get("orderId")
        self.request_id = answer.headers.get("X-Request-ID")
        places = "".join(f"; {one['pointer']}: {one['detail']}" for one in self.errors)
        places += f"; orderId: {self.order_id}" if self.order_id else ""
        super().__init__(f"{self.status} {self.title}: {self.detail}{places} (request {self.request_id})")


class OrderRefused(ApiError):
    """A new order that was not placed: 409 or 422."""


class NotFound(ApiError):
    """404."""


class Client:
    """Calls the API at `url` with a key. For one thread at a time, like a requests.Session."""

    def __init__(self, url: str, key: str, *, timeout_seconds: float = 10, user_agent: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the URL of the gateway must begin with http:// or https://")
        if not (key.strip().isascii() and key.strip().isprintable() and key.strip()):
            raise ValueError("the API key must be visible ASCII characters; was it copied whole?")
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key.strip()}"
        self._session.headers["User-Agent"] = user_agent or "referans-client/0.1"

    def place(
        self, product_id: str, package_id: str, *, idempotency_key: str | None = None, **fields: Any
    ) -> Order:
        """Place an order, once. `fields` have the API's names: `userIdentifier`, `quantity`, `reference`, `maxCost` …

        Raises OrderRefused where it was not placed, and where that is not known NotReached: then place it again with
        the same fields, and with the same `idempotency_key` if it has no `reference`.
        """
        body = {"productId": product_id, "packageId": package_id, **fields}
        # With a reference, the same order gets the same key after a restart too.
        content = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
        key = idempotency_key or str(content if fields.get("reference") else uuid.uuid4())
        return cast(Order, self._json("POST", "/orders", json=body, headers={"Idempotency-Key": key}))

    def get(self, order_id: str) -> Order:
        """The order; with its codes if the key may read them. Raises NotFound."""
        return cast(Order, self._json("GET", _path(order_id)))

    def find(self, reference: str) -> Order | None:
        """The order with this number of the storefront's own, without its codes."""
        return next(self.list(reference=reference), None)

    def wait(self, order_id: str, seconds: float = 60, *, changed_from: str | None = None) -> Order:
        """The order once it has ended or is not `changed_from` any more, or as it is after so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, min(WAIT_SECONDS, deadline - time.monotonic()))
            params = {"wait": f"{left:.3f}"} | ({"from": changed_from} if changed_from else {})
            order = cast(Order, self._json("GET", _path(order_id), params=params, wait_seconds=left))
            has_changed = changed_from and order["externalStatus"] != changed_from
            if has_changed or order["externalStatus"] in FINAL or time.monotonic() >= deadline:
                return order

    def list(self, **filters: Any) -> Iterator[Order]:
        """Every order that fits, newest first: `externalStatus`, `userIdentifier`, `reference`, `createdAfter` …"""
        return cast(Iterator[Order], self._pages("/orders", filters))

    def events(self, order_id: str) -> Iterator[Event]:
        """What happened to it, oldest first."""
        return cast(Iterator[Event], self._pages(f"{_path(order_id)}/events", {}))

    def check(self, order_id: str) -> Order:
        """Have its provider asked now; the order as it was before. Raises a 409 where that cannot be."""
        return cast(Order, self._json("POST", f"{_path(order_id)}/check", is_safe=False))

    def cancel(self, order_id: str) -> Order:
        """Cancel it while it is `not_sent`. Raises a 409 after."""
        return cast(Order, self._json("POST", f"{_path(order_id)}/cancel", is_safe=False))

    def needs(self, product_id: str, package_id: str) -> Needs:
        """What an order of this package needs. Raises NotFound where nobody sells it."""
        return cast(Needs, self._json("GET", f"/routes/{quote(product_id, '')}/{quote(package_id, '')}"))

    def _pages(self, path: str, filters: Mapping[str, Any]) -> Iterator[Any]:
        params = {name: value for name, value in filters.items() if value is not None}
        while True:
            page = self._json("GET", path, params=params)
            yield from page["data"]
            if page["nextCursor"] is None:
                return
            params["cursor"] = page["nextCursor"]

    def _json(
        self, method: str, path: str, *, is_safe: bool = True, wait_seconds: float = 0, **options: Any
    ) -> Any:
        tries = TRIES if is_safe else 1
        for number in range(1, tries + 1):
            try:
                answer = self._session.request(
                    method, self._url + path, timeout=self._timeout_seconds + wait_seconds, **options
                )
            except requests.RequestException as error:
                if isinstance(error, ValueError):  # a URL or a header that cannot be sent
                    raise
                if number == tries:
                    why = type(error).__name__
                    raise NotReached(f"{method} {self._url}{path} got no answer: {why}") from error
                time.sleep(_pause(number, None))
                continue
            if answer.ok:
                return answer.json()
            if answer.status_code not in AGAIN or number == tries:
                raise _error(method, path, answer)
            time.sleep(_pause(number, answer.headers.get("Retry-After")))
        raise AssertionError("unreachable")


def verify(body: bytes, headers: Mapping[str, str], secret: str) -> Notification:
    """The notification in a request, whose signature is right. `secret` is NOTIFY_SECRET, or any one of those in it.

    Take `body` as it came: JSON that was parsed and written again has another signature. Raises BadSignature.
    """
    given = {name.lower(): value for name, value in headers.items()}
    secrets = [one.strip().removeprefix("whsec_") for one in secret.split(",")]
    try:
        event, sent_at, signed = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        keys = [base64.b64decode(one, validate=True) for one in secrets]
    except KeyError as error:
        raise BadSignature(f"the header {error.args[0]} is missing") from None
    except ValueError:
        raise BadSignature("the secret cannot be read: it takes whsec_ followed by base64") from None
    if not all(keys):
        raise BadSignature("the secret is empty: anybody could have signed this")
    if not re.fullmatch("[0-9]{1,15}", sent_at) or abs(time.time() - int(sent_at)) > TOLERANCE_SECONDS:
        raise BadSignature("webhook-timestamp is not a time within the last five minutes")
    signatures = [one.partition(",")[2] for one in signed.split() if one.startswith("v1,")]
    digests = [hmac.digest(key, f"{event}.{sent_at}.".encode() + body, "sha256") for key in keys]
    right = [base64.b64encode(each) for each in digests]
    if not any(hmac.compare_digest(a, one.encode("utf-8", "replace")) for a in right for one in signatures):
        raise BadSignature("the signature is not valid; is this the secret of this gateway?")
    return cast(Notification, json.loads(body))


def _path(order_id: str) -> str:
    if not order_id:
        raise ValueError("the id of the order is empty")
    return f"/orders/{quote(order_id, safe='')}"


def _pause(number: int, retry_after: str | None) -> float:
    """Seconds before the next try."""
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return min(MAX_PAUSE_SECONDS, float(retry_after))
    share = random.uniform(0.5, 1)  # noqa: S311 - so that not all come back at once
    return float(share * min(MAX_PAUSE_SECONDS, 0.25 * 2**number))


def _error(method: str, path: str, answer: requests.Response) -> ApiError:
    if (method, path) == ("POST", "/orders") and answer.status_code in (409, 422):
        return OrderRefused(answer)
    return NotFound(answer) if answer.status_code == 404 else ApiError(answer)


def _problem(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
