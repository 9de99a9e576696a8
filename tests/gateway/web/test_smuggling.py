"""Raw bytes that are no good request: nothing that hides in them is answered or acted upon, and nothing breaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fuzz import smuggled, wire
from tests.acceptance.fuzz.smuggled import Case
from tests.gateway.web.served import TOKEN, Web, served
from tests.waiting import wait_until

#: Changed requests; `make soak` sends many more.
INPUTS = 500


@pytest.fixture(scope="module")
def web(open_directory: Path) -> Iterator[Web]:
    with served(open_directory / "smuggling") as web:
        yield web


def test_a_smuggled_request_is_refused_or_answered_as_it_is_right(web: Web) -> None:
    assert list(wire.smuggling(web.port, web.key)) == []
    users = web.session.get(
        f"{web.url}/orders?limit=1&userIdentifier={smuggled.HIDDEN_USER}", timeout=10
    ).json()
    assert users["data"] == []
    assert web.session.get(
        f"{web.url}/orders?limit=1&userIdentifier={smuggled.OPEN_USER}", timeout=10
    ).json()["data"], "none of those that are right was placed: the test shows nothing"


@pytest.mark.parametrize("size", [250_000, 300_000, 2_000_000])
@pytest.mark.parametrize("target", ["/orders", "/health/live"])
@pytest.mark.parametrize("key", ["", "wrong"])
def test_what_is_left_of_a_body_is_no_request(web: Web, size: int, target: str, key: str) -> None:
    """gunicorn reads what is left before the next request; as much as a process reads at most, and not a byte on."""
    made = smuggled.Corpus(key or web.key)
    for method in ("POST", "GET"):
        body = made.get(target="/nowhere") * (size // 60)
        data = made.post(f"Content-Length: {len(body)}", path=target, body=body).replace(
            b"POST", method.encode(), 1
        )
        found = wire.talk(web.port, data)
        assert len(found.statuses) == 1 and found.is_closed, (method, found)


def test_a_malformed_body_that_nothing_reads_is_not_answered_twice(web: Web) -> None:
    made = smuggled.Corpus(web.key)
    data = made.get("Transfer-Encoding: chunked", body=b"zz\r\n")
    assert wire.talk(web.port, data) == wire.Exchange((200,), True, pytest.approx(0, abs=10))


def test_changed_requests_break_nothing(web: Web) -> None:
    report = wire.fuzz(web.port, web.pid, web.key, TOKEN, "test", INPUTS)
    print(report.row(), report.statuses)
    assert list(report.faults()) == []
    assert {200, 201, 400, 401} <= report.statuses.keys(), "too few kinds of answers: the test shows little"


def test_what_was_received_by_then_left_no_traceback(web: Web) -> None:
    """Last, on all that the other tests of this file have sent."""
    found = wire.talk(
        web.port, smuggled.Corpus(web.key).get("X-Request-ID: the-last-one", "Connection: close")
    )
    assert found.statuses == (200,)
    wait_until(lambda: "the-last-one" in web.log())
    assert "Traceback" not in web.log()


def test_a_case_that_is_smuggled_is_noticed(web: Web) -> None:
    made = smuggled.Corpus(web.key)
    last = made.get("Connection: close", target="/nowhere")
    cases = [Case("two", made.get() + last), Case("another", last, (200,)), Case("one", last)]
    faults = [fault.partition(":")[0] for fault in wire.smuggling(web.port, web.key, cases)]
    assert faults == ["two", "another"]
