"""Callbacks as PHP scripts send them: what stands on the wire, byte for byte, before any HTTP library has read it."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from urllib.parse import parse_qs, unquote_to_bytes

import pytest
import requests

from gateway.dev.simulator import Simulator, pin_for
from tests.waiting import wait_until

TOKEN = "T1"
SAID = "Yükleme başarılı, teşekkür ederiz"
FIELDS = {"referans": ["7"], "durum": ["2"], "pin": [pin_for("7")], "aciklama": [SAID]}
FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Wire:
    """One request, as its bytes came."""

    head: bytes
    body: bytes

    @property
    def method(self) -> bytes:
        return self.head.partition(b" ")[0]

    @property
    def target(self) -> bytes:
        """What stands between the first blank and the last ` HTTP/1.`."""
        line = self.head.partition(b"\r\n")[0]
        return line.partition(b" ")[2].rpartition(b" HTTP/1.")[0]

    @property
    def headers(self) -> dict[str, bytes]:
        lines = [line.partition(b": ") for line in self.head.split(b"\r\n")[1:]]
        return {name.decode().lower(): value for name, _, value in lines}


class Listener:
    """Takes connections, one request on each, and answers 200."""

    def __init__(self) -> None:
        self.got: list[Wire] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/callbacks/sandbox"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.got.append(_read(connection))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _read(connection: socket.socket) -> Wire:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(Wire(head, b"").headers.get("content-length", b"0"))
    while len(body) < length:
        body += connection.recv(65536)
    return Wire(head, body)


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def called_back(listener: Listener, words: str, style: str = "znet-post", count: int = 1) -> list[Wire]:
    """What comes in the end for an order of these words."""
    with Simulator(
        callback_url=listener.url,
        callback_secret=TOKEN,
        callback_style=style,
        settle_after_seconds=0,
        echo=None,
    ) as simulator:
        params = {"kod": "sandbox", "sifre": "sandbox", "oyun": "1", "kupur": "60", "referans": "7"}
        address = f"{simulator.url}/servis/pin_ekle.php"
        requests.get(address, params=params | {"oyuncu_bilgi": f"ali+{words}"}, timeout=5)
        order = simulator.book.get("7")
        assert order is not None
        wait_until(lambda: order.times_called_back >= count, 10)
        assert [call["answer"] for call in order.callbacks] == [200] * count
    return listener.got


def test_json_under_the_content_type_of_a_form(listener: Listener) -> None:
    [wire] = called_back(listener, "php=json")
    assert (wire.method, wire.target) == (b"POST", b"/callbacks/sandbox/T1")
    assert wire.headers["content-type"] == FORM
    assert json.loads(wire.body) == {name: value for name, [value] in FIELDS.items()}
    assert b"\\u00fc" in wire.body


def test_a_multipart_form(listener: Listener) -> None:
    [wire] = called_back(listener, "php=multipart")
    document = message_from_bytes(b"Content-Type: " + wire.headers["content-type"] + b"\r\n\r\n" + wire.body)
    parts = [part for part in document.walk() if not part.is_multipart()]
    found = {str(part.get_param("name", header="content-disposition")): part.get_payload() for part in parts}
    assert list(found) == list(FIELDS)
    assert found["pin"] == pin_for("7")
    assert SAID.encode() in wire.body


def test_the_fields_of_a_post_in_its_query(listener: Listener) -> None:
    [wire] = called_back(listener, "php=query")
    assert (wire.method, wire.body, wire.headers["content-length"]) == (b"POST", b"", b"0")
    path, _, query = wire.target.partition(b"?")
    assert (path, parse_qs(query.decode())) == (b"/callbacks/sandbox/T1", FIELDS)


def test_a_form_without_a_content_type(listener: Listener) -> None:
    [wire] = called_back(listener, "php=untyped")
    assert "content-type" not in wire.headers
    assert parse_qs(wire.body.decode()) == FIELDS


@pytest.mark.parametrize("style", ["znet-post", "znet-get"])
def test_percent_encoded_windows_1254(listener: Listener, style: str) -> None:
    [wire] = called_back(listener, "php=latin5", style)
    said = wire.body if style == "znet-post" else wire.target.partition(b"?")[2]
    assert said.isascii()
    assert b"Y%FCkleme+ba%FEar%FDl%FD" in said
    assert unquote_to_bytes(said.replace(b"+", b" ")).endswith(SAID.encode("windows-1254"))


def test_raw_windows_1254_in_the_body(listener: Listener) -> None:
    [wire] = called_back(listener, "php=latin5-raw")
    assert wire.headers["content-type"] == FORM
    assert wire.body.endswith(b"&aciklama=" + SAID.replace(" ", "+").encode("windows-1254"))


def test_raw_windows_1254_in_the_url(listener: Listener) -> None:
    [wire] = called_back(listener, "php=latin5-raw", "znet-get")
    assert wire.method == b"GET"
    assert wire.target.endswith(b"&aciklama=" + SAID.replace(" ", "+").encode("windows-1254"))


def test_raw_spaces_in_the_url(listener: Listener) -> None:
    [wire] = called_back(listener, "php=spaces+fail=Hesap_yok", "znet-get")
    assert (wire.method, wire.target) == (
        b"GET",
        b"/callbacks/sandbox/T1?referans=7&durum=3&pin=&aciklama=Hesap yok",
    )


@pytest.mark.parametrize("style", ["znet-post", "znet-get"])
def test_amp_between_the_fields(listener: Listener, style: str) -> None:
    [wire] = called_back(listener, "php=amp+fail=x", style)
    said = wire.body if style == "znet-post" else wire.target.partition(b"?")[2]
    assert said == b"referans=7&amp;durum=3&amp;pin=&amp;aciklama=x"


def test_a_head_comes_first(listener: Listener) -> None:
    first, second = called_back(listener, "php=head", count=2)
    assert (first.method, first.target, first.body) == (b"HEAD", b"/callbacks/sandbox/T1", b"")
    assert (second.method, parse_qs(second.body.decode())) == (b"POST", FIELDS)


def test_several_codes_are_a_list_in_phps_spelling(listener: Listener) -> None:
    [wire] = called_back(listener, "codes=2")
    assert parse_qs(wire.body.decode())["pin[]"] == [pin_for("7"), pin_for("7", "code 2")]


def test_several_codes_are_a_list_in_json_too(listener: Listener) -> None:
    [wire] = called_back(listener, "codes=2+php=json")
    assert json.loads(wire.body)["pin"] == [pin_for("7"), pin_for("7", "code 2")]


def test_a_wrong_token_is_wrong_in_every_way(listener: Listener) -> None:
    [wire] = called_back(listener, "badsign+php=spaces", "znet-get")
    assert wire.target.startswith(b"/callbacks/sandbox/wrong-token?")
