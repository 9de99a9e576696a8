"""A fault of our own: one answer for the caller, which says nothing of it, and everything in the log."""

from typing import Any

import falcon
import pytest
from falcon.testing import TestClient
from structlog.testing import capture_logs

from models.db import database
from tests.gateway.web import calls

SECRET = "PIN-1234-in-a-message"


class Broken:
    """Fails in the middle of its work, with a connection of its own."""

    needs_database = True
    needs_key = False

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        database.rows("SELECT 1")
        resp.media = {"pin": SECRET}
        raise LookupError(SECRET)


@pytest.fixture
def broken(app: falcon.App[Any, Any]) -> TestClient:
    app.add_route("/broken", Broken())
    return TestClient(app)


def test_a_fault_is_a_problem_that_names_the_request(broken: TestClient) -> None:
    with capture_logs() as lines:
        answer = broken.simulate_get("/broken", headers={"X-Request-ID": "req-1817"})

    found = calls.problem(answer, 500)
    assert "req-1817" in found["detail"] and answer.headers["x-request-id"] == "req-1817"
    assert SECRET not in answer.text and "LookupError" not in answer.text
    (failed,) = [line for line in lines if line["action"] == "request_failed"]
    assert failed["log_level"] == "error" and isinstance(failed["exc_info"], LookupError)
    assert [line["status"] for line in lines if line["action"] == "request"] == [500]


def test_a_fault_gives_its_connection_back(broken: TestClient, pool: database.Pool) -> None:
    for _ in range(20):
        calls.problem(broken.simulate_get("/broken"), 500)
    assert pool.is_closed()


def test_what_falcon_refuses_itself_is_a_problem_too(broken: TestClient) -> None:
    assert "orders are under /orders" in calls.problem(broken.simulate_get("/nowhere"), 404)["detail"]
    assert "the header Allow" in calls.problem(broken.simulate_post("/broken"), 405)["detail"]


def test_a_method_of_falcons_own_is_a_problem_with_an_id_and_a_log_line(broken: TestClient) -> None:
    """Falcon refuses it before any middleware has run."""
    with capture_logs() as lines:
        answer = broken.simulate_request("WEBSOCKET", "/broken")
    calls.problem(answer, 400)
    assert answer.headers["x-request-id"]
    assert [line["status"] for line in lines if line["action"] == "request"] == [400]
