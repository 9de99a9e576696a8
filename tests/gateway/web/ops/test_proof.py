"""The proof of an order: what a provider may see of it, and can check."""

import hashlib
import json
from typing import Any

from falcon.testing import TestClient

from models.db import database
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.ops.browser import Browser, seen

CODE = "PIN-1234-ABCD"


def order() -> dict[str, Any]:
    with database.session():
        return factories.sent("5123456789")


def test_it_says_what_was_sent_when_and_what_came_back_with_its_hash(
    operator: Browser, stranger: Browser, pool: object
) -> None:
    found = order()
    body = calls.neutral(found["provider_referans"], pin_code=CODE, message="Tamamlandi")
    calls.call_back(TestClient(stranger.app), body)
    answer = operator.get(f"/ops/orders/{found['id']}/proof")
    text = seen(answer)
    sent = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    for said in (
        found["provider_referans"],
        "5123456789",
        sent,
        "Applied: completed",
        "sent → completed",
        " UTC",
    ):
        assert said in text, said
    assert CODE not in answer.text and factories.CREDENTIALS["sifre"] not in answer.text
    assert f'href="/ops/orders/{found["id"]}/proof"' in operator.get(f"/ops/orders/{found['id']}").text


def test_who_may_not_read_codes_sees_no_hash_that_tells_one(
    viewer: Browser, stranger: Browser, pool: object
) -> None:
    """All of the body but the code is known to a viewer: a short code could be tried until the hash is right."""
    found = order()
    body = calls.neutral(found["provider_referans"], pin_code="493021")
    calls.call_back(TestClient(stranger.app), body)
    text = seen(viewer.get(f"/ops/orders/{found['id']}/proof"))
    assert "Applied: completed" in text
    assert hashlib.sha256(json.dumps(body).encode()).hexdigest() not in text


def test_what_people_and_the_storefront_did_is_not_in_it(operator: Browser, pool: object) -> None:
    found = order()
    operator.get(f"/ops/orders/{found['id']}")
    operator.post(f"/ops/orders/{found['id']}/do/note", reason="they are liars")
    assert "liars" in seen(operator.get(f"/ops/orders/{found['id']}"))
    assert "liars" not in seen(operator.get(f"/ops/orders/{found['id']}/proof"))


def test_its_own_hash_changes_with_what_it_says(viewer: Browser, pool: object) -> None:
    found = order()

    def digest() -> str:
        return seen(viewer.get(f"/ops/orders/{found['id']}/proof")).partition("stands here: ")[2][:64]

    before = digest()
    assert len(before) == 64 and before == digest()
    with database.session():
        database.rows("UPDATE referans.order_events SET message = 'something else'")
    assert digest() != before


def test_of_an_order_that_was_never_sent_it_says_so(viewer: Browser, pool: object) -> None:
    with database.session():
        found = factories.place()
        database.rows("DELETE FROM referans.order_events")
    assert "Nothing was sent to a provider." in seen(viewer.get(f"/ops/orders/{found['id']}/proof"))
    assert viewer.get("/ops/orders/7/proof").status_code == 404


def test_of_a_long_story_it_has_the_sending_and_the_end(viewer: Browser, pool: object) -> None:
    with database.session():
        found = factories.sent()
        database.rows(
            "INSERT INTO referans.order_events (order_id, source, message)"
            " SELECT %s, 'poll', 'check ' || n FROM generate_series(1, 600) AS n",
            (found["id"],),
        )
    text = seen(viewer.get(f"/ops/orders/{found['id']}/proof"))
    assert "claimed; sending to sandbox" in text and "check 600" in text and "check 150 " not in text
    assert "claimed; sending to sandbox" in seen(viewer.get(f"/ops/orders/{found['id']}"))
