"""Simulated providers of every described protocol: what they book, refuse, forget and call back."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.dev.simulator import Simulator, State
from gateway.dev.simulator.control import Invalid
from gateway.dev.simulator.described import sheet
from gateway.dev.simulator.described.accounts import account
from gateway.dev.simulator.described.sheet import Sample
from gateway.dev.simulator.described.store import Store
from tests.gateway.dev.receiving import SECRET, Call, Receiver
from tests.waiting import wait_until

NAMES = sheet.names()


Providing = Callable[..., Simulator]


@contextmanager
def own_provider(protocol: str, words: str = "", **options: Any) -> Iterator[Simulator]:
    with Simulator(
        protocol=protocol, default_behaviour=words, settle_after_seconds=60, echo=None, **options
    ) as simulator:
        yield simulator


def ask(simulator: Simulator, sample: Sample, **headers: str) -> requests.Response:
    said = sample.request
    return requests.request(
        said["method"],
        simulator.url + said["path"],
        params=said.get("query"),
        headers={**(said.get("headers") or {}), **headers},
        data=said.get("body"),
        timeout=5,
    )


def one(protocol: str, op: str) -> Sample:
    return next(each for each in sheet.samples(protocol) if each.op == op)


def send(simulator: Simulator, protocol: str) -> requests.Response:
    return ask(simulator, one(protocol, "send"))


def kinds(simulator: Simulator, group: str) -> set[str]:
    assert isinstance(simulator.face, Store)
    return simulator.face.kinds(group)


def control(simulator: Simulator, call: str, **body: Any) -> Any:
    answer = requests.post(f"{simulator.url}/sim/{call}", json=body, timeout=5)
    assert answer.ok, answer.text
    return answer.json()


@pytest.mark.parametrize("protocol", NAMES)
def test_a_repeated_send_is_taken_as_the_page_says(provider: Providing, protocol: str) -> None:
    simulator = provider(protocol, "after=60")
    before = simulator.book.balance
    send(simulator, protocol)
    again = send(simulator, protocol)

    repeated = sheet.load(protocol).repeated
    bought = 2 if repeated in ("buys", "never") else 1
    assert sum(simulator.book.purchases().values()) == bought
    assert sum(simulator.book.bookings().values()) == bought
    assert len(simulator.book.orders()) == (2 if repeated == "never" else 1)
    paid = sum(order.price * order.times_booked for order in simulator.book.orders())
    assert simulator.book.balance == before - paid
    assert again.text and again.status_code != 501


@pytest.mark.parametrize("protocol", NAMES)
def test_without_balance_nothing_is_booked(provider: Providing, protocol: str) -> None:
    simulator = provider(protocol)
    simulator.book.set_balance(Decimal("0.01"))
    answer = send(simulator, protocol)
    assert answer.status_code != 501, answer.text
    assert not +simulator.book.purchases()


@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize("word", ["refuse", "refuse-account", "refuse-product", "refuse-customer", "notnow"])
def test_what_is_refused_is_not_booked(provider: Providing, protocol: str, word: str) -> None:
    kind = {"refuse": "refused", "notnow": "not_now"}.get(word, word.replace("refuse-", "refused_"))
    simulator = provider(protocol, word)
    answer = send(simulator, protocol)
    assert not +simulator.book.purchases()
    assert (answer.status_code == 501) is (kind not in kinds(simulator, "send"))


@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize(
    ("word", "booked"), [("cut", 0), ("html", 0), ("500", 0), ("cutafter", 1), ("lostanswer", 1)]
)
def test_a_send_without_an_answer(provider: Providing, protocol: str, word: str, booked: int) -> None:
    simulator = provider(protocol, word)
    if word.startswith("cut"):
        with pytest.raises(requests.ConnectionError):
            send(simulator, protocol)
    else:
        assert "<html" in send(simulator, protocol).text
    assert sum(simulator.book.purchases().values()) == booked


@pytest.mark.parametrize("protocol", NAMES)
def test_words_of_a_player_that_cannot_carry_them(provider: Providing, protocol: str) -> None:
    simulator = provider(protocol, "after=60")
    send(simulator, protocol)
    player = simulator.book.orders()[0].player
    control(simulator, "reset")
    control(simulator, "words", player=player, words="refuse")
    send(simulator, protocol)
    assert simulator.book.orders()[0].times_refused == 1


@pytest.mark.parametrize("protocol", NAMES)
def test_other_credentials_are_denied(protocol: str) -> None:
    known = dict.fromkeys(account(protocol), "other")
    with own_provider(protocol, credentials=known) as simulator:
        answer = send(simulator, protocol)
        assert answer.text and answer.status_code != 501
        assert simulator.book.orders() == []
    with own_provider(protocol) as simulator:
        control(simulator, "faults", mode="denied")
        denied = send(simulator, protocol)
        assert (denied.status_code, denied.text) == (answer.status_code, answer.text)
        assert simulator.book.orders() == []


def test_a_token_that_ran_out_is_fetched_anew() -> None:
    with own_provider("reloadly_airtime") as simulator:
        control(simulator, "faults", mode="token")
        assert send(simulator, "reloadly_airtime").json()["errorCode"] == "TOKEN_EXPIRED"
        known = account("reloadly_airtime")
        asked = {"grant_type": "client_credentials", "client_id": known["client_id"]}
        address = f"{simulator.url}/oauth/token"
        wrong = requests.post(address, json=asked | {"client_secret": "other"}, timeout=5)
        assert wrong.status_code == 401
        got = requests.post(address, json=asked | {"client_secret": known["client_secret"]}, timeout=5).json()
        sample = one("reloadly_airtime", "send")
        assert ask(simulator, sample).status_code == 401
        assert ask(simulator, sample, Authorization=f"Bearer {got['access_token']}").ok


def test_a_question_buys_what_is_not_known(provider: Providing) -> None:
    simulator = provider("digiflazz", "after=60")
    question = next(each for each in sheet.samples("digiflazz") if each.op == "check")
    ask(simulator, question)
    assert [order.times_booked for order in simulator.book.orders()] == [1]
    ask(simulator, question)
    [order] = simulator.book.orders()
    assert (order.times_booked, order.times_checked) == (1, 1)


def test_several_are_asked_for_at_once(provider: Providing) -> None:
    simulator = provider("smm_v2", "after=0")
    own = str(send(simulator, "smm_v2").json()["order"])
    form = {"key": "k-invented", "action": "status", "orders": f"{own},9"}
    answer = requests.post(f"{simulator.url}/api/v2", data=form, timeout=5).json()
    assert answer[own]["status"] == "Completed"
    assert answer["9"] == {"error": "Incorrect order ID"}


def test_a_fault_of_one_is_a_fault_of_the_whole_answer(provider: Providing) -> None:
    simulator = provider("smm_v2", "after=0+check-500")
    own = str(send(simulator, "smm_v2").json()["order"])
    form = {"key": "k-invented", "action": "status", "orders": f"{own},9"}
    assert requests.post(f"{simulator.url}/api/v2", data=form, timeout=5).status_code == 500


def test_part_of_an_order_is_delivered_and_the_rest_given_back(provider: Providing) -> None:
    simulator = provider("turkpin", "partial")
    before = simulator.book.balance
    text = send(simulator, "turkpin").text
    assert text.count("<code>") == 1
    [order] = simulator.book.orders()
    assert (order.state, order.quantity, order.price) == (State.PARTIAL, 2, Decimal("9.90"))
    assert simulator.book.balance == before - order.price


def test_a_word_that_a_protocol_cannot_say_is_said_so() -> None:
    with own_provider("zdk", "after=0+partial") as simulator:
        answer = send(simulator, "zdk")
        assert (answer.status_code, "'partial'" in answer.text) == (501, True)
    with own_provider("zdk") as simulator, pytest.raises(Invalid):
        simulator.control.set_fault("password")


def md5(*parts: str) -> str:
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _watan(call: Call, known: Mapping[str, str]) -> bool:
    named = (call.headers["X-Webhook-Timestamp"], call.headers["X-Webhook-Nonce"])
    signed = "\n".join(["POST", call.path, *named, hashlib.sha256(call.body).hexdigest()])
    wanted = hmac.new(known["callback_secret"].encode(), signed.encode(), hashlib.sha256).hexdigest()
    return call.headers["X-Webhook-Signature"] == wanted


def _is_standard(call: Call, known: Mapping[str, str]) -> bool:
    try:
        return bool(Webhook(known["callback_secret"]).verify(call.body, call.headers))
    except WebhookVerificationError:
        return False


def _reloadly(call: Call, known: Mapping[str, str]) -> bool:
    signed = call.body + b":" + call.headers["X-Reloadly-Request-Timestamp"].encode()
    wanted = hmac.new(known["callback_secret"].encode(), signed, hashlib.sha256).hexdigest()
    return call.headers["X-Reloadly-Signature"] == wanted


#: What shows that a callback comes from the provider, made here of the credentials.
SIGNED: dict[str, Callable[[Call, Mapping[str, str]], bool]] = {
    "digiflazz": lambda call, known: (
        call.headers["X-Hub-Signature"]
        == "sha1=" + hmac.new(known["callback_secret"].encode(), call.body, hashlib.sha1).hexdigest()
    ),
    "reloadly_airtime": _reloadly,
    "reloadly_giftcards": _reloadly,
    "iak": lambda call, known: (
        json.loads(call.body)["data"]["sign"]
        == md5(known["username"], known["api_key"], json.loads(call.body)["data"]["ref_id"])
    ),
    "apigames": lambda call, known: (
        call.headers["X-Apigames-Authorization"]
        == md5(known["merchant"], ":", known["secret"], ":", json.loads(call.body)["ref_id"])
    ),
    "vipreseller": lambda call, known: (
        call.headers["X-Client-Signature"] == md5(known["api_id"], known["api_key"])
    ),
    "kinguin": lambda call, known: call.headers["X-Event-Secret"] == known["callback_secret"],
    "h2h_otomax": lambda call, known: call.path.endswith(f"/{known['callback_secret']}"),
    "vtpass": lambda call, known: call.path.endswith(f"/{known['callback_secret']}"),
    "h2h_irs": lambda call, known: call.path.endswith(f"/{known['callback_secret']}"),
    "h2h_serpul": lambda call, known: call.path.endswith(f"/{known['callback_secret']}"),
    "h2h_tiger": lambda call, known: call.path.endswith(f"/{known['callback_secret']}"),
    "client_api_watan": _watan,
    "referans": _is_standard,
    # The address is the order's own.
    "dtone": lambda call, known: call.path.endswith("/tok"),
}


@pytest.mark.parametrize("protocol", NAMES)
def test_every_protocol_with_callbacks_is_signed_as_its_page_says(protocol: str) -> None:
    assert (sheet.load(protocol).callback is not None) is (protocol in SIGNED)


@pytest.mark.parametrize("protocol", SIGNED)
@pytest.mark.parametrize("is_forged", [False, True])
def test_a_callback_is_signed_with_the_credentials(
    receiver: Receiver, protocol: str, is_forged: bool
) -> None:
    known = account(protocol) | {"callback_secret": SECRET}
    words = "after=0.01+badsign" if is_forged else "after=0.01"
    with own_provider(protocol, words, callback_url=receiver.url, callback_secret=SECRET) as simulator:
        if place := own_address(protocol):
            send_to(simulator, protocol, place, f"{receiver.url}/tok")
        else:
            send(simulator, protocol)
        [call, *_] = receiver.wait_for(1)
        assert call.method == ("GET" if protocol.startswith("h2h_") else "POST")
        assert SIGNED[protocol](call, known) is not is_forged


def own_address(protocol: str) -> str:
    """The field in which an order says where to call back about it."""
    return sheet.load(protocol).calls[0].callback_url.removeprefix("json.")


def send_to(simulator: Simulator, protocol: str, place: str, address: str) -> None:
    sample = one(protocol, "send")
    body = json.dumps(json.loads(sample.request["body"]) | {place: address})
    ask(simulator, sample.model_copy(update={"request": sample.request | {"body": body}}))


def test_a_callback_is_repeated_until_it_is_answered_as_the_page_says(receiver: Receiver) -> None:
    with own_provider("vtpass", "after=0", callback_url=receiver.url, callback_secret="tok") as simulator:
        receiver.says = b"OK"
        send(simulator, "vtpass")
        receiver.wait_for(2)
        [order] = simulator.book.orders()
        assert order.callbacks_delivered == 0
        receiver.says = b'{ "response": "success" }'
        wait_until(lambda: order.callbacks_delivered)


def test_a_state_for_which_the_protocol_has_no_callback_is_not_told(receiver: Receiver) -> None:
    receiver.says = b'{"response":"success"}'
    with own_provider(
        "vtpass", "after=0+progress+shuffle", callback_url=receiver.url, callback_secret="t"
    ) as simulator:
        send(simulator, "vtpass")
        wait_until(simulator.is_quiet)
        assert [json.loads(call.body)["type"] for call in receiver.calls] == ["transaction-update"]


def test_codes_come_encrypted_and_as_many_as_were_ordered(provider: Providing) -> None:
    cryptography = pytest.importorskip("cryptography.hazmat.primitives.ciphers")
    simulator = provider("likecard", "codes=2")
    serials = send(simulator, "likecard").json()["serials"]
    [order] = simulator.book.orders()
    known = account("likecard")
    key = hashlib.sha256(known["secret_key"].encode()).hexdigest()[:32].encode()
    iv = hashlib.sha256(known["secret_iv"].encode()).hexdigest()[:16].encode()
    found = []
    for each in serials:
        data = base64.b64decode(base64.b64decode(each["serialCode"]))
        cipher = cryptography.Cipher(cryptography.algorithms.AES(key), cryptography.modes.CBC(iv))
        plain = cipher.decryptor().update(data)
        found.append(plain[: -plain[-1]].decode())
    assert found == [code.code for code in order.codes] and len(found) == 2


def test_the_second_step_brings_the_codes(provider: Providing) -> None:
    simulator = provider("kinguin", "after=0")
    own = send(simulator, "kinguin").json()["orderId"]
    headers = {"X-Api-Key": "k-invented"}
    address = f"{simulator.url}/esa/api/v2/order/{own}/keys"
    keys = requests.get(address, headers=headers, timeout=5).json()
    assert [key["serial"] for key in keys] == [code.code for code in simulator.book.orders()[0].codes]
    assert len(keys) == 2


@pytest.mark.parametrize("protocol", NAMES)
def test_sends_at_the_same_time_are_counted_one_by_one(protocol: str) -> None:
    with own_provider(protocol, "after=60") as simulator, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(simulator, protocol), range(16)))
        bought = 16 if sheet.load(protocol).repeated in ("buys", "never") else 1
        assert sum(simulator.book.purchases().values()) == bought
        assert all(answer.text and answer.status_code != 501 for answer in answers)
