"""What a person decides over the API: resolve and resend."""

from typing import Any

import pytest
import redis

from models import api_key
from models.api_key import Scope
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor
from tests.waiting import wait_until

COMPLETED, FAILED = ExternalStatus.COMPLETED, ExternalStatus.FAILED
SEEN = {"reason": "the panel says so"}
Kind = dict[str, Any]


@pytest.fixture
def operator(client_for: ClientFor) -> Client:
    """A client that may decide, and neither place, read nor see codes."""
    return client_for(Scope.OPS)


@pytest.fixture
def delivered(pool: object) -> Kind:
    found = factories.sent()
    factories.settle(factories.arrival(found, COMPLETED, pin="PIN-1"))
    return found


@pytest.fixture
def conflict(delivered: Kind) -> Kind:
    """Delivered twice, with two codes."""
    factories.settle(factories.arrival(delivered, COMPLETED, pin="PIN-2"))
    return delivered


def resolve(client: Client, found: Kind, prefix: str = "", **body: Any) -> Any:
    return client.simulate_post(f"{prefix}/orders/{found['id']}/resolve", json=SEEN | body)


def resend(client: Client, found: Kind, prefix: str = "", **body: Any) -> Any:
    return client.simulate_post(f"{prefix}/orders/{found['id']}/resend", json=SEEN | body)


def codes(client: Client, found: Kind) -> list[str]:
    shown = client.simulate_get(f"/orders/{found['id']}").json
    assert shown["pinCode"] == (shown["codes"][0]["code"] if shown["codes"] else None)
    return [each["code"] for each in shown["codes"]]


def last(client: Client, found: Kind) -> dict[str, Any]:
    events = client.simulate_get(f"/orders/{found['id']}/events").json["data"]
    return dict([event for event in events if "codes read" not in event["message"]][-1])


# --- resolve


@pytest.mark.parametrize("prefix", ["", "/api-dj"])
def test_an_accepted_code_comes_first_and_the_other_stays(
    operator: Client, trusted: Client, conflict: Kind, prefix: str
) -> None:
    answer = resolve(operator, conflict, prefix, accept=True)

    assert answer.status_code == 200
    assert (answer.json["externalStatus"], answer.json["attention"]) == ("completed", None)
    assert "PIN" not in answer.text and "pinCode" not in answer.json
    assert codes(trusted, conflict) == ["PIN-2", "PIN-1"]
    event = last(trusted, conflict)
    assert (event["source"], event["by"]) == ("operator", "storefront")
    assert "the panel says so" in event["message"]


def test_an_accepted_failure_of_what_was_delivered_reverses_it(operator: Client, delivered: Kind) -> None:
    factories.settle(factories.arrival(delivered, FAILED))
    answer = resolve(operator, delivered, accept=True).json
    assert (answer["status"], answer["externalStatus"], answer["attention"]) == ("rejected", "reversed", None)


def test_without_a_decision_the_order_stays_and_needs_nobody(
    operator: Client, trusted: Client, conflict: Kind
) -> None:
    for _ in range(2):
        answer = resolve(operator, conflict)
        assert (answer.status_code, answer.json["externalStatus"]) == (200, "completed")
        assert answer.json["attention"] is None
    assert codes(trusted, conflict) == ["PIN-1"]


@pytest.mark.parametrize("state", ["not_sent", "sent", "completed", "failed"])
@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("completed", "approved", None),
        ("failed", "rejected", "person"),
        ("reversed", "rejected", None),
    ],
)
def test_a_person_decides_whatever_the_state_is(
    operator: Client, client: Client, state: str, said: str, status: str, reason: str | None
) -> None:
    found = calls.place(client) if state == "not_sent" else factories.sent()
    if state in ("completed", "failed"):
        factories.settle(factories.arrival(found, ExternalStatus(state)))

    answer = resolve(operator, found, externalStatus=said)

    assert answer.status_code == 200
    assert (answer.json["externalStatus"], answer.json["status"]) == (said, status)
    if state != "failed":
        assert answer.json["failureReason"] == reason
    assert client.simulate_get(f"/orders/{found['id']}").json == answer.json


def test_codes_that_a_person_gives_come_first(trusted: Client, delivered: Kind) -> None:
    given = [{"code": "C-1", "pin": "44", "serial": "S-1", "expiresAt": "2030-01-31"}, {"code": "C-2"}]
    answer = resolve(trusted, delivered, externalStatus="completed", pinCode="C-2", codes=given)
    assert answer.json["codes"] == [given[1], given[0], {"code": "PIN-1"}]
    assert answer.json["pinCode"] == "C-2"


def test_no_codes_may_be_written_as_null_or_as_an_empty_list(trusted: Client, delivered: Kind) -> None:
    for none in (None, []):
        answer = resolve(trusted, delivered, externalStatus="completed", pinCode=None, codes=none)
        assert (answer.status_code, answer.json["codes"]) == (200, [{"code": "PIN-1"}])


def test_who_may_not_see_codes_does_not_get_them_by_deciding(operator: Client, delivered: Kind) -> None:
    answer = resolve(operator, delivered, externalStatus="completed", pinCode="C-1")
    assert answer.status_code == 200
    assert not any(secret in answer.text for secret in ("C-1", "PIN-1", "pinCode", "codes"))


def test_there_must_be_something_to_accept(operator: Client, delivered: Kind) -> None:
    found = calls.problem(resolve(operator, delivered, accept=True), 409)
    assert "no outcome" in found["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": None}, "/reason"),
        ({"reason": ""}, "/reason"),
        ({"reason": " … "}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": 5}, "/reason"),
        ({"externalStatus": "sent"}, "/externalStatus"),
        ({"externalStatus": "Completed"}, "/externalStatus"),
        ({"accept": "yes"}, "/accept"),
        ({"accept": True, "externalStatus": "completed"}, "/accept"),
        ({"accept": True, "pinCode": "C-1"}, "/pinCode"),
        ({"externalStatus": "failed", "pinCode": "SECRET-1"}, "/pinCode"),
        ({"externalStatus": "reversed", "codes": [{"code": "SECRET-1"}]}, "/codes"),
        ({"pinCode": "SECRET-1"}, "/pinCode"),
        ({"externalStatus": "completed", "pinCode": ""}, "/pinCode"),
        ({"externalStatus": "completed", "pinCode": "null"}, "/pinCode"),
        ({"externalStatus": "completed", "codes": "SECRET-1"}, "/codes"),
        ({"externalStatus": "completed", "codes": [{"name": "SECRET-1"}]}, "/codes"),
        ({"externalStatus": "completed", "codes": [{"code": "SECRET-1"}, {}]}, "/codes"),
        ({"externalStatus": "completed", "codes": [{"code": "SECRET-1", "serialNo": "S"}]}, "/codes"),
        ({"externalStatus": "completed", "codes": ["SECRET-1"]}, "/codes"),
        ({"externalStatus": "completed", "codes": [{"code": "SECRET-1"}, {"code": "SECRET-1"}]}, "/codes"),
        ({"externalStatus": "completed", "pinCode": {"code": "SECRET-1"}}, "/pinCode"),
        ({"externalStatus": "completed", "pinCode": ["SECRET-1"]}, "/pinCode"),
        ({"may": "be"}, "/may"),
    ],
)
def test_a_decision_that_is_not_valid_changes_nothing(
    operator: Client, conflict: Kind, body: dict[str, Any], pointer: str
) -> None:
    answer = resolve(operator, conflict, **body)
    assert calls.pointers(answer) == [pointer]
    assert "SECRET" not in answer.text
    assert factories.column(conflict, "attention") == "conflict"


def test_a_reason_is_wanted(operator: Client, conflict: Kind) -> None:
    for call in ("resolve", "resend"):
        answer = operator.simulate_post(f"/orders/{conflict['id']}/{call}", json={})
        assert calls.pointers(answer) == ["/reason"]


# --- resend


@pytest.fixture
def second(pool: object) -> str:
    factories.add_provider("second")
    return "second"


@pytest.fixture
def refused(pool: object) -> Kind:
    found = factories.sent()
    factories.settle(factories.arrival(found, FAILED))
    return found


@pytest.mark.parametrize("prefix", ["", "/api-dj"])
def test_an_order_that_failed_is_sent_again(
    operator: Client, client: Client, redis_url: str, refused: Kind, second: str, prefix: str
) -> None:
    answer = resend(operator, refused, prefix, providerId=second)

    assert answer.status_code == 200
    shown = [answer.json[name] for name in ("status", "externalStatus", "providerId", "failureReason")]
    assert shown == ["pending", "not_sent", second, None]
    assert last(client, refused)["by"] == "storefront"
    with redis.Redis.from_url(redis_url) as queue:
        assert wait_until(lambda: queue.hvals("referans:dispatch.msgs"))


def test_what_a_provider_may_have_is_sent_again_only_where_that_is_allowed(
    operator: Client, order: Kind
) -> None:
    found = calls.problem(resend(operator, order), 409)
    assert "mayBuyTwice" in found["detail"]
    assert factories.column(order, "externalStatus") == "sent"
    again = resend(operator, order, mayBuyTwice=True).json
    assert again["externalStatus"] == "not_sent"
    assert again["providerReferans"] != order["provider_referans"]


def test_a_provider_without_a_route_is_a_fault_of_the_request(operator: Client, refused: Kind) -> None:
    assert calls.pointers(resend(operator, refused, providerId="nobody")) == ["/providerId"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"providerId": ""}, "/providerId"),
        ({"mayBuyTwice": 1}, "/mayBuyTwice"),
        ({"externalStatus": "failed"}, "/externalStatus"),
    ],
)
def test_a_resend_that_is_not_valid_changes_nothing(
    operator: Client, refused: Kind, body: dict[str, Any], pointer: str
) -> None:
    assert calls.pointers(resend(operator, refused, **body)) == [pointer]
    assert factories.column(refused, "externalStatus") == "failed"


# --- two at once


def test_of_two_who_decide_at_the_same_instant_one_is_told(
    operator: Client, client_for: ClientFor, refused: Kind
) -> None:
    other_key = api_key.create("somebody else", [Scope.OPS])
    other = Client(operator.app, headers={"Authorization": f"Bearer {other_key}"})
    assert resolve(operator, refused, externalStatus="completed").status_code == 200
    found = calls.problem(resolve(other, refused, externalStatus="failed"), 409)
    assert "by storefront" in found["detail"]
    assert factories.column(refused, "externalStatus") == "completed"
