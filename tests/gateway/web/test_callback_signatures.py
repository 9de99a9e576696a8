"""Signatures: a callback without a valid one is not stored."""

import json

import pytest

from gateway.web.bodies import MAX_BYTES
from models import provider_counts
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, call_back, neutral
from tests.gateway.web.conftest import Client, Later
from tests.waiting import wait_until


def tampered(**changes: str | None) -> dict[str, str]:
    body = json.dumps(neutral(NOBODY)).encode()
    given: dict[str, str | None] = {**calls.signed(body), **changes}
    return {name: value for name, value in given.items() if value is not None}


OTHER_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtZm9yLXRlc3Rz"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": None},
        {"webhook-id": ""},
        {"webhook-id": "another"},
        {"webhook-timestamp": None},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "\xb2"},
        {"webhook-signature": None},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,\xff"},
        {"webhook-signature": "v2,AAAA v1a,BBBB " * 400},
        {"webhook-signature": "\xe9"},
    ],
    ids=range(18),
)
def test_what_is_not_signed_is_not_stored(anonymous: Client, headers: dict[str, str | None]) -> None:
    given = tampered(**headers) if headers else {}
    body = json.dumps(neutral(NOBODY)).encode()
    calls.problem(anonymous.simulate_post("/callbacks/sandbox", body=body, headers=given), 401)
    assert calls.inbox() == []


@pytest.mark.parametrize("age_seconds", [302, -302])
def test_a_signature_holds_for_five_minutes(anonymous: Client, age_seconds: float) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    for age, status in ((age_seconds, 401), (age_seconds * 0.9, 202)):
        headers = calls.signed(body, age_seconds=age)
        assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == status
    assert len(calls.inbox()) == 1


def test_anothers_secret_and_another_body_are_refused(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    for headers, sent in (
        (calls.signed(body, secret=OTHER_SECRET), body),
        (calls.signed(body), body + b" "),
        (calls.signed(body), b""),
    ):
        calls.problem(anonymous.simulate_post("/callbacks/sandbox", body=sent, headers=headers), 401)
    assert calls.inbox() == []


def test_any_signature_of_several_may_match(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    headers = calls.signed(body)
    headers["webhook-signature"] = f"v1a,x v1,AAAA {headers['webhook-signature']}"
    assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == 202


def test_both_secrets_count_while_one_is_rotated(anonymous: Client) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": f"{OTHER_SECRET}\n{calls.SECRET}"}
    factories.add_provider(credentials=credentials)
    body = json.dumps(neutral(NOBODY)).encode()
    for secret in (OTHER_SECRET, calls.SECRET):
        headers = calls.signed(body, secret=secret)
        assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == 202


def test_an_event_id_that_no_index_holds_is_refused(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    longest, too_long = "x" * 255, "".join(map(str, range(2000)))
    for webhook_id, status in ((longest, 202), (too_long, 401)):
        headers = calls.signed(body, webhook_id=webhook_id)
        assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == status


def test_a_provider_without_a_secret_is_never_believed(anonymous: Client) -> None:
    for scheme in ("standard-webhooks", "token"):
        factories.add_provider(scheme, callback=scheme, credentials={"kod": "1", "sifre": "1"})
        body = json.dumps(neutral(NOBODY)).encode()
        headers = calls.signed(body, secret="whsec_") | {"x-callback-token": ""}
        calls.problem(anonymous.simulate_post(f"/callbacks/{scheme}", body=body, headers=headers), 401)
    assert calls.inbox() == []


def test_a_token_opens_nothing_where_signatures_are_wanted(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    answer = anonymous.simulate_post(f"/callbacks/sandbox/{calls.SECRET}", body=body)
    calls.problem(answer, 401)


@pytest.mark.parametrize("provider", ["nobody", "%00", "\x00", "%ff", "x" * 3000, "SANDBOX", "sandbox "])
def test_an_unknown_provider_is_a_404(anonymous: Client, provider: str) -> None:
    for path in (f"/callbacks/{provider}", f"/callbacks/{provider}/a-token"):
        calls.problem(anonymous.simulate_post(path, body=b"{}"), 404)
    assert calls.inbox() == []


def test_a_provider_that_is_added_is_known_at_once(anonymous: Client) -> None:
    calls.problem(anonymous.simulate_post("/callbacks/new", body=b"{}"), 404)
    factories.add_provider("new")
    calls.problem(anonymous.simulate_post("/callbacks/new", body=b"{}"), 401)


def test_a_secret_that_was_changed_counts_for_two_seconds_at_most(anonymous: Client, later: Later) -> None:
    assert call_back(anonymous, neutral(NOBODY)).status_code == 202
    factories.add_provider(credentials=factories.CREDENTIALS | {"callback_secret": OTHER_SECRET})
    later(2)
    assert call_back(anonymous, neutral(NOBODY)).status_code == 401


def test_a_new_secret_is_taken_a_tenth_of_a_second_later(anonymous: Client, later: Later) -> None:
    """A provider that was just told its secret is not refused until the old one is forgotten."""
    assert call_back(anonymous, neutral(NOBODY)).status_code == 202
    factories.add_provider(credentials=factories.CREDENTIALS | {"callback_secret": OTHER_SECRET})
    later(0.1)
    body = json.dumps(neutral(NOBODY)).encode()
    headers = calls.signed(body, secret=OTHER_SECRET)
    answer = anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("length", [MAX_BYTES + 1, 20 * MAX_BYTES])
def test_a_body_that_is_too_large_is_refused(anonymous: Client, length: int) -> None:
    calls.problem(call_back(anonymous, b" " * length), 413)
    assert calls.inbox() == []


def test_what_is_refused_is_counted_with_its_reason(anonymous: Client, client: Client) -> None:
    """`gateway doctor` shows it: a provider that signs with another secret is seen nowhere else."""
    for secret in (OTHER_SECRET, OTHER_SECRET, calls.SECRET):
        body = json.dumps(neutral(NOBODY)).encode()
        anonymous.simulate_post("/callbacks/sandbox", body=body, headers=calls.signed(body, secret=secret))
    wait_until(provider_counts.last_hour, what="what was refused is counted")
    [counted] = provider_counts.last_hour()
    assert (counted.provider_id, counted.kind, counted.count) == ("sandbox", "callback_refused", 2)
    assert "signature" in counted.last_reason
