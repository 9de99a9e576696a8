"""Posting to addresses that others choose, over real sockets."""

import threading
import time
from pathlib import Path

import pytest

from gateway.outbound import NoAnswer, Unreachable
from gateway.posting import KEPT_BYTES, NotAllowed, Poster
from tests.gateway.test_outbound import Peer, Serve, Server, full, self_signed, serve, then_closing
from tests.ports import free_port

__all__ = ["serve"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ok(peer: Peer) -> None:
    peer.say(OK)


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])


def pinned(*addresses: str) -> Poster:
    """One for which every name leads to these addresses, all of them checked."""
    return Poster(try_seconds=2, resolve=lambda host, seconds: list(addresses))


def test_the_connection_goes_to_the_checked_address_and_the_name_stays(serve: Serve) -> None:
    server = serve(ok)
    answer = pinned("127.0.0.1").post(
        f"http://shop.example:{port_of(server)}/hook?x=1&y=%20", b"{}", {"A": "b"}
    )
    assert (answer.status, answer.body) == (200, b"ok")
    [request] = server.requests
    assert request.startswith(b"POST /hook?x=1&y=%20 HTTP/1.1\r\n")
    assert f"Host: shop.example:{port_of(server)}\r\n".encode() in request
    assert request.endswith(b"\r\n\r\n{}")


def test_tls_asks_for_the_name_and_not_for_the_address(serve: Serve, tmp_path: Path) -> None:
    server = serve(ok, self_signed(tmp_path, "shop.example"))
    authorities = str(tmp_path / "certificate.pem")
    poster = Poster(resolve=lambda host, seconds: ["127.0.0.1"], authorities=authorities)
    assert poster.post(f"https://shop.example:{port_of(server)}/", b"{}", {}).status == 200
    with pytest.raises(Unreachable, match="TLS"):
        poster.post(f"https://other.example:{port_of(server)}/", b"{}", {})


def test_credentials_of_the_operators_url_are_sent_as_curl_does(serve: Serve) -> None:
    server = serve(ok)
    url = server.url.replace("://", "://shop:w%20rd@")
    assert Poster().post(url, b"{}", {}, any_address=True).status == 200
    [request] = server.requests
    assert b"Authorization: Basic c2hvcDp3IHJk\r\n" in request
    assert b"Host: 127.0.0.1:" in request


def test_a_name_is_resolved_at_every_call(serve: Serve) -> None:
    server = serve(ok)
    asked: list[str] = []

    def resolve(host: str, seconds: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    poster = Poster(resolve=resolve)
    for _ in range(3):
        poster.post(f"http://shop.example:{port_of(server)}/", b"{}", {})
    assert (asked, server.connections) == (["shop.example"] * 3, 1)


def test_the_next_address_is_tried_if_one_cannot_be_reached(serve: Serve) -> None:
    server = serve(ok)
    poster = pinned("127.0.0.2", "127.0.0.1")
    assert poster.post(f"http://shop.example:{port_of(server)}/", b"{}", {}).status == 200


def test_what_leads_into_our_network_is_not_called(serve: Serve) -> None:
    server = serve(ok)
    for host in ("127.0.0.1", "localhost", "0x7f.1"):
        with pytest.raises(NotAllowed):
            Poster().post(f"http://{host}:{port_of(server)}/", b"{}", {})
    assert server.connections == 0
    assert Poster().post(server.url, b"{}", {}, any_address=True).status == 200


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    other = serve(ok)
    server = serve(
        lambda peer: peer.say(
            f"HTTP/1.1 302 Found\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
        )
    )
    assert Poster().post(server.url, b"{}", {}, any_address=True).status == 302
    assert other.connections == 0


def test_of_a_long_answer_the_beginning_is_kept(serve: Serve) -> None:
    server = serve(
        lambda peer: peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000)
    )
    answer = Poster().post(server.url, b"{}", {}, any_address=True)
    assert (answer.status, answer.body) == (200, b"x" * KEPT_BYTES)


@pytest.mark.parametrize("end", [b"", b"half"])
def test_an_answer_that_is_cut_off_behind_its_head_has_come(serve: Serve, end: bytes) -> None:
    server = serve(then_closing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + end))
    assert Poster().post(server.url, b"{}", {}, any_address=True).status == 200


def test_a_call_ends_whatever_drips_in(serve: Serve) -> None:
    def head(peer: Peer) -> None:
        peer.drip(b"H")

    def body(peer: Peer) -> None:
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
        peer.drip(b"x")

    poster = Poster(try_seconds=0.5)
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        poster.post(serve(head).url, b"{}", {}, any_address=True)
    assert poster.post(serve(body).url, b"{}", {}, any_address=True).status == 200
    assert time.monotonic() - began < 15


def test_all_addresses_of_a_name_have_the_time_of_one_call() -> None:
    """None of them answers: a socket that listens with a full queue drops whatever comes."""
    with full() as port:
        addresses = [f"127.0.0.{last}" for last in range(1, 41)]
        poster = Poster(try_seconds=0.6, resolve=lambda host, seconds: addresses)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="in time"):
            poster.post(f"http://shop.example:{port}/", b"{}", {})
        assert time.monotonic() - began < 12


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="no connection"):
        Poster().post(f"http://127.0.0.1:{free_port()}/secret-path", b"{}", {}, any_address=True)


def test_a_connection_that_the_other_side_has_just_closed_is_replaced(serve: Serve) -> None:
    """It was kept for the next call, and closes while that is sent."""
    served: list[int] = []

    def once(peer: Peer) -> None:
        served.append(1)
        if len(served) == 2:
            raise ConnectionAbortedError
        peer.say(OK)

    server, poster = serve(once), Poster()
    for _ in range(2):
        assert poster.post(server.url, b"{}", {}, any_address=True).status == 200
    assert (len(served), server.connections) == (3, 2)


def test_one_that_closes_every_connection_has_not_answered(serve: Serve) -> None:
    server = serve(then_closing(b""))
    with pytest.raises(NoAnswer, match="cut"):
        Poster().post(server.url, b"{}", {}, any_address=True)
    assert len(server.requests) == 1


def test_threads_share_connections(serve: Serve) -> None:
    server, poster = serve(ok), Poster()
    for _ in range(3):
        thread = threading.Thread(
            target=poster.post, args=(server.url, b"{}", {}), kwargs={"any_address": True}
        )
        thread.start()
        thread.join()
    assert (len(server.requests), server.connections) == (3, 1)
