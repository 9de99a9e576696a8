"""The simulator calls back a real HTTP server, in every style, order and state of disrepair."""

import json
import re
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
import requests
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.dev.simulator import Simulator, State, pin_for
from tests.gateway.dev.receiving import SECRET, Receiver
from tests.waiting import wait_until


@pytest.fixture
def simulator(receiver: Receiver) -> Iterator[Simulator]:
    with Simulator(
        callback_url=receiver.url, callback_secret=SECRET, settle_after_seconds=0, echo=None
    ) as simulator:
        yield simulator


DEALER = {"kod": "sandbox", "sifre": "sandbox"}


def ask(simulator: Simulator, referans: str, player: str, session: requests.Session | None = None) -> str:
    params = DEALER | {"oyun": "1", "kupur": "60", "referans": referans, "oyuncu_bilgi": player}
    address = f"{simulator.url}/servis/pin_ekle.php"
    answer = (session or requests).get(address, params=params, timeout=5)
    return answer.content.decode()


def send(simulator: Simulator, referans: str, player: str, session: requests.Session | None = None) -> None:
    assert ask(simulator, referans, player, session).startswith("OK|")


def check(simulator: Simulator, referans: str) -> str:
    params = DEALER | {"tahsilat_api_islem_id": referans}
    answer = requests.get(f"{simulator.url}/servis/pin_kontrol.php", params=params, timeout=5)
    return answer.content.decode()


def quiet(simulator: Simulator, referans: str) -> bool:
    """True once the order is settled and no callback of anything is planned or waiting."""
    order = simulator.book.get(referans)
    health = requests.get(f"{simulator.url}/sim/health", timeout=5).json()
    settled = order is not None and order.state in (State.COMPLETED, State.FAILED)
    return settled and not health["plans_waiting"] and not health["callbacks_waiting"]


def test_a_completed_order_calls_back_with_its_pin(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali")
    (call,) = receiver.wait_for(1)
    assert (call.method, call.path) == ("POST", "/callbacks/sandbox")
    assert call.verified == {
        "provider_referans": "7",
        "status": "completed",
        "pin_code": pin_for("7"),
        "message": "Yükleme başarılı, teşekkür ederiz",
    }


def test_a_cancelled_order_calls_back_with_its_reason(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+fail=Hesap_yok")
    (call,) = receiver.wait_for(1)
    assert call.verified == {"provider_referans": "7", "status": "failed", "message": "Hesap yok"}


@pytest.mark.parametrize(("word", "pin"), [("nopin", ""), ("dash", " - ")])
def test_a_callback_without_a_pin(simulator: Simulator, receiver: Receiver, word: str, pin: str) -> None:
    send(simulator, "7", f"ali+{word}")
    assert receiver.wait_for(1)[0].verified["pin_code"] == pin


def test_twice_is_the_same_event(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+twice")
    first, second = receiver.wait_for(2)
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)


def test_shuffle_says_processing_after_the_outcome(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+shuffle")
    first, second = receiver.wait_for(2)
    assert [call.verified["status"] for call in (first, second)] == ["completed", "processing"]
    assert first.webhook_id != second.webhook_id


def test_progress_says_processing_first(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+progress+after=0.3")
    assert [call.verified["status"] for call in receiver.wait_for(2)] == ["processing", "completed"]


def test_otherpin_contradicts_itself(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+otherpin")
    first, second = receiver.wait_for(2)
    assert first.verified["pin_code"] == pin_for("7") != second.verified["pin_code"]
    assert first.webhook_id != second.webhook_id


def test_contradict_says_the_opposite(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+contradict")
    first, second = receiver.wait_for(2)
    assert [call.verified["status"] for call in (first, second)] == ["completed", "failed"]
    assert first.webhook_id != second.webhook_id


def test_poll_never_calls_back(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+poll+twice+progress")
    send(simulator, "8", "veli")
    receiver.wait_for(1)
    wait_until(lambda: quiet(simulator, "7"))
    assert [call.verified["provider_referans"] for call in receiver.calls] == ["8"]


def test_late_comes_after_the_outcome(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+late=0.3")
    receiver.wait_for(1)
    order = simulator.book.get("7")
    assert order is not None
    assert order.decided_at is not None
    wait_until(lambda: order.callbacks)
    assert order.callbacks[0]["at"] - order.decided_at >= 0.29


def test_fetch_brings_no_pin_and_a_check_shows_it(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+fetch")
    assert receiver.wait_for(1)[0].verified["pin_code"] == ""
    wait_until(lambda: quiet(simulator, "7"))
    assert len(receiver.calls) == 1
    assert check(simulator, "7").startswith(f"OK|2|{pin_for('7')}|")


def test_fetch_shows_the_pin_only_later(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+fetch=1.5+blank=Yok")
    assert receiver.wait_for(1)[0].verified["pin_code"] == "Yok"
    assert check(simulator, "7").startswith("OK|2|Yok|")
    wait_until(lambda: check(simulator, "7").startswith(f"OK|2|{pin_for('7')}|"))


def test_follow_brings_the_pin_with_an_event_of_its_own(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+follow=0.1+blank=N/A")
    first, second = receiver.wait_for(2)
    assert [call.verified["pin_code"] for call in (first, second)] == ["N/A", pin_for("7")]
    assert first.webhook_id != second.webhook_id


def test_several_codes_come_in_the_callback_only(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+codes=3")
    said = receiver.wait_for(1)[0].verified
    assert "pin_code" not in said
    assert [list(code) for code in said["codes"]] == [["code"]] * 3
    assert said["codes"][0]["code"] == pin_for("7")
    assert len({code["code"] for code in said["codes"]}) == 3
    assert check(simulator, "7").startswith("OK|2||")


def test_serials_come_with_the_same_codes_later(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+codes=2+serials=0.1")
    first, second = (call.verified["codes"] for call in receiver.wait_for(2))
    assert [code["code"] for code in first] == [code["code"] for code in second]
    assert not any("serial" in code for code in first)
    assert len({code["serial"] for code in second}) == 2


def test_float_is_a_number_with_a_fraction_in_json_and_whole_in_a_check(
    simulator: Simulator, receiver: Receiver
) -> None:
    send(simulator, "7", "ali+float")
    body = receiver.wait_for(1)[0].body.decode()
    order = simulator.book.get("7")
    assert order is not None
    assert re.fullmatch(r"[1-9]\d{15}", order.pin)
    assert f'"pin_code": {order.pin}.0,' in body
    assert check(simulator, "7").startswith(f"OK|2|{order.pin}|")


def test_sameid_is_one_event_id_for_two_states(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+sameid+progress+after=0.1")
    calls = receiver.wait_for(2)
    assert [call.webhook_id for call in calls] == ["7", "7"]
    assert [call.verified["status"] for call in calls] == ["processing", "completed"]


def test_reverse_takes_back_what_was_delivered(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+reverse=0.1")
    first, second = (call.verified for call in receiver.wait_for(2))
    assert [first["status"], second["status"]] == ["completed", "reversed"]
    assert "pin_code" not in second
    assert check(simulator, "7").startswith("OK|3||")
    assert simulator.book.balance == Decimal(100000)


def test_reverse_in_a_znet_style_is_a_cancellation(simulator: Simulator, receiver: Receiver) -> None:
    simulator.call_back_to(receiver.url, "T1", "znet-post")
    send(simulator, "7", "ali+reverse=0.1")
    forms = [parse_qs(call.body.decode()) for call in receiver.wait_for(2)]
    assert [form["durum"] for form in forms] == [["2"], ["3"]]


def test_relent_delivers_what_was_refused(simulator: Simulator, receiver: Receiver) -> None:
    assert ask(simulator, "7", "ali+only=backup+relent=0.1") == "3|Stok yok"
    said = receiver.wait_for(1)[0].verified
    order = simulator.book.get("7")
    assert order is not None
    assert (said["status"], said["pin_code"]) == ("completed", pin_for("7", "relented"))
    assert (order.times_refused, order.times_booked, order.relented) == (1, 1, True)


def test_relent_leaves_alone_what_was_not_refused(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+only=sandbox+relent=0")
    receiver.wait_for(1)
    wait_until(lambda: quiet(simulator, "7"))
    order = simulator.book.get("7")
    assert order is not None
    assert (order.pin, order.relented, len(receiver.calls)) == (pin_for("7"), False, 1)


def test_badsign_does_not_verify(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+badsign")
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        _ = receiver.wait_for(1)[0].verified


def test_what_is_not_delivered_is_tried_again_as_the_same_event(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers = [503, 302]
    send(simulator, "7", "ali+otherpin")
    calls = receiver.wait_for(4)
    assert len({call.webhook_id for call in calls[:3]}) == 1
    assert calls[3].verified["pin_code"] != calls[0].verified["pin_code"]
    order = simulator.book.get("7")
    assert order is not None
    wait_until(lambda: order.callbacks_delivered == 2)
    assert [call["answer"] for call in order.callbacks] == [503, 302, 200, 200]


def test_gone_ends_the_tries(simulator: Simulator, receiver: Receiver) -> None:
    receiver.answers = [410]
    send(simulator, "7", "ali")
    receiver.wait_for(1)
    order = simulator.book.get("7")
    assert order is not None
    wait_until(lambda: order.callbacks)
    wait_until(lambda: quiet(simulator, "7"))
    assert (order.times_called_back, order.callbacks_delivered) == (1, 0)


def test_a_receiver_that_is_down_is_found_when_it_is_back(simulator: Simulator, receiver: Receiver) -> None:
    simulator.call_back_to("http://127.0.0.1:1/callbacks/sandbox", SECRET)
    send(simulator, "7", "ali")
    order = simulator.book.get("7")
    assert order is not None
    wait_until(lambda: order.callbacks)
    assert order.callbacks[0]["answer"] == "ConnectionError"
    simulator.call_back_to(receiver.url, SECRET)
    assert receiver.wait_for(1)[0].verified["provider_referans"] == "7"


def test_znet_get_puts_everything_in_the_query(simulator: Simulator, receiver: Receiver) -> None:
    simulator.call_back_to(receiver.url + "?token=T1", style="znet-get")
    send(simulator, "7", "ali")
    (call,) = receiver.wait_for(1)
    assert (call.method, call.path, call.body) == ("GET", "/callbacks/sandbox", b"")
    assert call.query == {
        "token": "T1",
        "referans": "7",
        "durum": "2",
        "pin": pin_for("7"),
        "aciklama": "Yükleme başarılı, teşekkür ederiz",
    }


def test_znet_post_sends_a_form_and_the_token_in_the_path(simulator: Simulator, receiver: Receiver) -> None:
    simulator.call_back_to(receiver.url, "T1", "znet-post")
    send(simulator, "7", "ali+fail=Hesap_yok")
    (call,) = receiver.wait_for(1)
    assert (call.method, call.path, call.query) == ("POST", "/callbacks/sandbox/T1", {})
    form = parse_qs(call.body.decode(), keep_blank_values=True)
    assert form == {"referans": ["7"], "durum": ["3"], "pin": [""], "aciklama": ["Hesap yok"]}


@pytest.mark.parametrize(
    ("end", "secret", "path", "token"),
    [
        ("", "T1", "/callbacks/sandbox/wrong-token", None),
        ("?key={token}", "T1", "/callbacks/sandbox", "wrong-token"),
        ("/T1", None, "/callbacks/sandbox/wrong-token", None),
    ],
)
def test_badsign_in_a_znet_style_is_a_wrong_token(
    simulator: Simulator, receiver: Receiver, end: str, secret: str | None, path: str, token: str | None
) -> None:
    simulator.call_back_to(receiver.url + end, secret, "znet-get")
    send(simulator, "7", "ali+badsign")
    (call,) = receiver.wait_for(1)
    assert (call.path, call.query.get("key")) == (path, token)


@pytest.mark.parametrize(
    ("url", "secret", "style"),
    [
        ("http://localhost/x", None, "standard-webhooks"),
        ("http://localhost/x", "T1", "standard-webhooks"),
        ("http://localhost/x", "whsec_", "standard-webhooks"),
        ("http://localhost/x", "T1", "znet"),
        ("localhost/x", "T1", "znet-get"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(url: str, secret: str | None, style: str) -> None:
    with pytest.raises(ValueError, match="callback_"):
        Simulator(callback_url=url, callback_secret=secret, callback_style=style)


def test_hundreds_of_orders_are_booked_once_and_told_once(simulator: Simulator, receiver: Receiver) -> None:
    with requests.Session() as session:
        for number in range(300):
            send(simulator, str(number), "ali+after=0.2", session)
    calls = receiver.wait_for(300)
    assert len({call.webhook_id for call in calls}) == 300
    assert set(simulator.book.bookings().values()) == {1}
    assert set(simulator.book.requests_seen().values()) == {1}


def test_stopping_does_not_wait_for_the_future(receiver: Receiver) -> None:
    before = set(threading.enumerate())
    with Simulator(callback_url=receiver.url, callback_secret=SECRET, echo=None) as simulator:
        send(simulator, "7", "ali+after=3600")
        its_own = set(threading.enumerate()) - before
        assert {"simulator-timers", "simulator-http", "simulator-sender-0"} <= {one.name for one in its_own}
        begun = time.monotonic()
    assert time.monotonic() - begun < 20
    assert not {one for one in its_own & set(threading.enumerate()) if one.name.startswith("simulator-")}


def test_a_callback_is_json_that_says_what_the_panel_says(simulator: Simulator, receiver: Receiver) -> None:
    send(simulator, "7", "ali+pipes")
    assert "|" in json.loads(receiver.wait_for(1)[0].body)["message"]
