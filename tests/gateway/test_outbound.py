"""Calls to others, over real sockets: bounded in time and size, and honest on whether anything was sent."""

import gzip
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import outbound, public_addresses
from gateway.names import Names
from gateway.outbound import Client, LocalFault, NoAnswer, OutboundError, Unreachable, calls_sent
from gateway.posting import Poster

#: Seconds that a call with a deadline of one may take here, where the machine is busy.
SOON_SECONDS = 15.0

Answer = Callable[["Peer"], None]


class Peer:
    """The other side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def request(self) -> bytes:
        """The next request, whole; empty where the client has gone."""
        while b"\r\n\r\n" not in self._received and self._more():
            pass
        head, _, rest = self._received.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(rest) < length and (more := self._more()):
            rest += more
        self._received = rest[length:]
        return head + b"\r\n\r\n" + rest[:length] if head else b""

    def say(self, data: bytes) -> None:
        self._connection.sendall(data)

    def drip(self, data: bytes, pause_seconds: float = 0.05) -> None:
        """One byte at a time, for ever, until the client has gone."""
        while True:
            self.say(data)
            time.sleep(pause_seconds)

    def wait_for_the_end(self) -> None:
        while self._more():
            pass

    def _more(self) -> bytes:
        more = self._connection.recv(65536)
        self._received += more
        return more


class Server:
    """Answers every connection with `answer`, and keeps what it was sent."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answer = answer
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/servis"

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                peer = Peer(connection)
                while request := peer.request():
                    self.requests.append(request)
                    self._answer(peer)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(answer: Answer, context: ssl.SSLContext | None = None) -> Server:
            server = Server(answer, context)
            stack.callback(server.close)
            return server

        yield start


def saying(body: bytes, status: str = "200 OK", headers: str = "") -> Answer:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
    return lambda peer: peer.say(head + body)


def then_closing(data: bytes) -> Answer:
    def answer(peer: Peer) -> None:
        peer.say(data)
        raise ConnectionAbortedError

    return answer


def head_then_drip(head: bytes) -> Answer:
    def answer(peer: Peer) -> None:
        peer.say(head)
        peer.drip(b"1")

    return answer


def silence(peer: Peer) -> None:
    peer.wait_for_the_end()


@contextmanager
def free_port() -> Iterator[int]:
    """A port without a listener, kept by us so that it stays free of one."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def full() -> Iterator[int]:
    """The port of a socket, on every address of this machine, to which no further connection can be made."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def impatient() -> Client:
    return Client(connect_timeout_seconds=0.5, read_timeout_seconds=0.5, deadline_seconds=1)


def test_a_whole_answer_has_status_headers_and_body(serve: Serve) -> None:
    server = serve(saying("OK|1|ş".encode(), "418 Teapot", "X-Say: tea\r\n"))
    answer = Client().get(server.url, params={"kod": "1 2", "sifre": "ş&"})
    assert (answer.status, answer.headers["x-say"], answer.body) == (418, "tea", "OK|1|ş".encode())
    assert server.requests[0].startswith(b"GET /servis?kod=1+2&sifre=%C5%9F%26 HTTP/1.1\r\n")
    assert b"User-Agent: referans\r\n" in server.requests[0]


def test_a_post_sends_its_body_and_headers_as_they_are(serve: Serve) -> None:
    server = serve(saying(b""))
    assert Client().post(server.url, b'{"a":1}', {"webhook-id": "m1"}).status == 200
    assert b"webhook-id: m1\r\n" in server.requests[0]
    assert server.requests[0].endswith(b'\r\n\r\n{"a":1}')


def test_a_compressed_answer_is_unpacked(serve: Serve) -> None:
    server = serve(saying(gzip.compress(b"OK"), headers="Content-Encoding: gzip\r\n"))
    assert Client().get(server.url).body == b"OK"


def test_connections_are_kept_for_the_next_call(serve: Serve) -> None:
    server, client = serve(saying(b"OK")), Client()
    assert [client.get(server.url).body for _ in range(3)] == [b"OK"] * 3
    assert (len(server.requests), server.connections) == (3, 1)


def test_threads_may_share_a_client(serve: Serve) -> None:
    server, client = serve(saying(b"OK")), Client()
    with ThreadPoolExecutor(4) as pool:
        assert [answer.body for answer in pool.map(client.get, [server.url] * 40)] == [b"OK"] * 40
    assert server.connections <= 4


def test_cookies_are_not_kept(serve: Serve) -> None:
    server, client = serve(saying(b"", headers="Set-Cookie: session=1\r\n")), Client()
    client.get(server.url)
    client.get(server.url)
    assert b"cookie" not in server.requests[1].lower()


def test_the_environment_is_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login user password hunter2\n")
    with free_port() as port:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        server = serve(saying(b"OK"))
        assert Client().get(server.url).body == b"OK"
    assert b"authorization" not in server.requests[0].lower()


@pytest.mark.parametrize("location", ["/elsewhere", "http://", "http://[", "ftp://x", "http://127.0.0.1:1/"])
def test_redirects_are_answers_and_not_followed(serve: Serve, location: str) -> None:
    server = serve(saying(b"moved", "302 Found", f"Location: {location}\r\n"))
    answer = Client().get(server.url)
    assert (answer.status, answer.body, len(server.requests)) == (302, b"moved", 1)


def resolving(names: dict[str, Callable[[], Any]]) -> Callable[..., Any]:
    """A `getaddrinfo` for which every name leads to one address; for each of `names`, that happens first."""

    def resolve(host: str, *_: Any, flags: int = 0, **__: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "")
        names.get(host, str)()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    return resolve


def post_to_any(url: str) -> object:
    return Poster().post(url, b"{}", {}, any_address=True)


def post_to_public(url: str) -> object:
    return Poster().post(url, b"{}", {})


class TestUnreachable:
    """Nothing was sent, so nothing can have been booked."""

    def test_refused(self) -> None:
        with (
            free_port() as port,
            pytest.raises(Unreachable, match=f"^http://127.0.0.1:{port}/x: no connection could be made$"),
        ):
            Client().get(f"http://127.0.0.1:{port}/x", params={"sifre": "hunter2"})

    def test_an_unknown_host(self) -> None:
        with pytest.raises(Unreachable, match="the name of the host is not known"):
            Client().get("http://no-such-host.invalid/")

    def test_no_connection_in_time(self) -> None:
        with full() as port, pytest.raises(Unreachable, match="no connection in time"):
            impatient().get(f"http://127.0.0.1:{port}/")

    def test_however_many_addresses_a_name_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """None of them answers; they share the time for connecting. Where one does, it is found."""
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in range(1, 21)]
        real = socket.getaddrinfo

        def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
            return found if host == "shop.example" else real(host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with full() as port, took_less_than(8):
            for call in (
                lambda: Client(connect_timeout_seconds=0.5).get(f"http://shop.example:{port}/"),
                lambda: Poster(try_seconds=0.5).post(
                    f"http://shop.example:{port}/", b"{}", {}, any_address=True
                ),
            ):
                with pytest.raises(Unreachable):
                    call()
        with socket.create_server(("127.0.0.20", 0)) as server:  # the others refuse
            port = server.getsockname()[1]
            with pytest.raises(NoAnswer):
                impatient().get(f"http://shop.example:{port}/")

    def test_a_name_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It has one thread however often it is asked for, and there is a bound for all names."""
        is_over = threading.Event()
        monkeypatch.setattr(
            socket, "getaddrinfo", resolving({"hangs.example": is_over.wait, "more.example": is_over.wait})
        )
        monkeypatch.setattr(outbound, "LOOKUP_SECONDS", 0.1)
        for module in (outbound, public_addresses):
            monkeypatch.setattr(module, "NAMES", Names(most=1))
        before = threading.active_count()
        with took_less_than(5):
            for call in (Client().get, post_to_any, post_to_public):
                for _ in range(3):
                    with pytest.raises(Unreachable, match="not looked up in time"):
                        call("http://hangs.example/")
                with pytest.raises(LocalFault, match="too many names"):
                    call("http://more.example/")
        assert threading.active_count() <= before + 2
        is_over.set()

    @pytest.mark.parametrize(
        ("number", "others_are_answered", "kind", "said"),
        [
            (socket.EAI_NONAME, True, Unreachable, "is not known"),
            (socket.EAI_NONAME, False, Unreachable, "is not known"),
            (socket.EAI_AGAIN, True, Unreachable, "could not be looked up"),
            (socket.EAI_AGAIN, False, LocalFault, "names cannot be looked up here at present"),
            (socket.EAI_FAIL, False, LocalFault, "names cannot be looked up here at present"),
            (socket.EAI_SYSTEM, True, LocalFault, "names cannot be looked up here: "),
            (socket.EAI_MEMORY, True, LocalFault, "names cannot be looked up here: "),
        ],
    )
    def test_a_name_without_an_answer_is_our_own_trouble_where_no_other_name_gets_one(
        self,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        others_are_answered: bool,
        kind: type[Exception],
        said: str,
    ) -> None:
        def fails() -> None:
            raise socket.gaierror(number, "")

        for module in (outbound, public_addresses):
            monkeypatch.setattr(module, "NAMES", Names())
        for call in (Client().get, post_to_any, post_to_public):
            monkeypatch.setattr(socket, "getaddrinfo", resolving({}))
            for names in (outbound.NAMES, public_addresses.NAMES):
                assert names.addresses("other.example", 5) == ["192.0.2.1"]
            is_heard = others_are_answered
            monkeypatch.setattr(
                socket,
                "getaddrinfo",
                resolving({"shop.example": fails} | ({} if is_heard else {"other.example": fails})),
            )
            with pytest.raises(kind, match=said):
                call("http://shop.example/")

    @pytest.mark.parametrize(
        "url", ["ftp://host/", "host/path", "http://", "http://[", "http://ho st/", "http://h:x/"]
    )
    def test_an_invalid_url(self, url: str) -> None:
        with pytest.raises(Unreachable):
            Client().get(url)

    def test_a_certificate_that_is_not_trusted(self, serve: Serve, tmp_path: Path) -> None:
        server = serve(saying(b"OK"), self_signed(tmp_path))
        with pytest.raises(Unreachable, match="no TLS connection"):
            Client().get(server.url)
        assert server.requests == []

    def test_a_server_that_speaks_no_tls(self, serve: Serve) -> None:
        server = serve(saying(b"OK"))
        with pytest.raises(Unreachable):
            impatient().get(server.url.replace("http:", "https:"))

    def test_nothing_is_sent_past_the_deadline(self, serve: Serve) -> None:
        server = serve(saying(b"OK"))
        with pytest.raises(Unreachable):
            Client(deadline_seconds=0).get(server.url)
        assert server.requests == []


class TestNoAnswer:
    """It was sent, and may have been booked."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"HTT",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n123",
        ],
    )
    def test_cut_off_or_garbled(self, serve: Serve, data: bytes) -> None:
        server = serve(then_closing(data))
        with pytest.raises(NoAnswer):
            Client().get(server.url)
        assert len(server.requests) == 1

    def test_a_kept_connection_that_is_cut_when_it_is_used_again(self, serve: Serve) -> None:
        def answer(peer: Peer) -> None:
            if len(server.requests) == 2:
                raise ConnectionAbortedError
            saying(b"OK")(peer)

        server, client = serve(answer), Client()
        assert client.get(server.url).body == b"OK"
        with pytest.raises(NoAnswer, match="cut"):
            client.get(server.url)
        assert len(server.requests) == 2, "a call is never made again by itself"
        assert client.get(server.url).body == b"OK"

    def test_silence(self, serve: Serve) -> None:
        server = serve(silence)
        with took_less_than(SOON_SECONDS), pytest.raises(NoAnswer, match="no answer in time"):
            impatient().get(server.url)

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Long: ",
            b"HTTP/1.1 20",
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1000000\r\n\r\n",
        ],
    )
    def test_an_answer_that_drips_in(self, serve: Serve, head: bytes) -> None:
        server = serve(head_then_drip(head))
        with took_less_than(SOON_SECONDS), pytest.raises(NoAnswer, match="no whole answer within 1 s"):
            impatient().get(server.url)

    def test_an_answer_of_100_continues(self, serve: Serve) -> None:
        server = serve(lambda peer: peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01))
        with took_less_than(SOON_SECONDS), pytest.raises(NoAnswer, match="no whole answer within 1 s"):
            impatient().get(server.url)

    def test_too_large(self, serve: Serve) -> None:
        server = serve(saying(b"1" * 1001))
        with pytest.raises(NoAnswer, match="larger than 1000 bytes"):
            Client(max_bytes=1000).get(server.url)
        assert len(Client(max_bytes=1001).get(server.url).body) == 1001

    def test_a_call_has_a_bound_of_its_own(self, serve: Serve) -> None:
        server = serve(saying(b"1" * 1001))
        with pytest.raises(NoAnswer, match="HTTP 200, and the answer is larger than 1000 bytes"):
            Client().get(server.url, max_bytes=1000)
        assert len(Client(max_bytes=1).get(server.url, max_bytes=1001).body) == 1001

    @pytest.mark.parametrize(
        ("head", "rest"),
        [
            (b"HTTP/1.1 200 OK\r\n", b"X-Long: " + b"x" * 30_000 + b"\r\n"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 60_000 + b"\r\na\r\n"),
        ],
        ids=["head", "continues", "chunks"],
    )
    def test_too_large_beside_its_body(self, serve: Serve, head: bytes, rest: bytes) -> None:
        sent: list[bytes] = []

        def answer(peer: Peer) -> None:
            peer.say(head)
            while True:
                peer.say(rest)
                sent.append(rest)

        with pytest.raises(NoAnswer, match="the answer has no end within its bound"):
            Client().get(serve(answer).url)
        assert len(b"".join(sent)) < 10_000_000

    def test_too_large_without_an_end(self, serve: Serve) -> None:
        server = serve(
            lambda peer: (peer.say(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), peer.drip(b"1" * 99999, 0))[
                0
            ]
        )
        with pytest.raises(NoAnswer, match="larger than"):
            Client().get(server.url)

    def test_too_large_once_unpacked(self, serve: Serve) -> None:
        server = serve(saying(gzip.compress(b"0" * 50_000_000), headers="Content-Encoding: gzip\r\n"))
        with pytest.raises(NoAnswer, match="larger than"):
            Client().get(server.url)


class TestLocalFault:
    """This machine could not make the call; the other side is not blamed for it."""

    @pytest.fixture
    def server(self, serve: Serve) -> Server:
        return serve(saying(b"OK"))

    def test_it_is_no_error_of_the_other_side(self) -> None:
        assert not issubclass(LocalFault, OutboundError)

    def test_out_of_files(self, server: Server) -> None:
        sent = calls_sent()
        with (
            Path("/dev/null").open() as probe,
            soft_limit(resource.RLIMIT_NOFILE, probe.fileno()),
            pytest.raises(LocalFault, match="no connection could be made"),
        ):
            Client().get(server.url, params={"sifre": "hunter2"})
        assert (server.requests, calls_sent()) == ([], sent)

    @pytest.mark.parametrize("value", ["two\nlines", " indented"])
    def test_a_header_of_ours_that_is_not_valid(self, server: Server, value: str) -> None:
        with pytest.raises(LocalFault):
            Client().post(server.url, b"{}", {"x-signature": value})
        assert server.requests == []

    def test_certificates_that_are_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "gone.pem"))
        with pytest.raises(LocalFault):
            Client().get("https://127.0.0.1:1/")

    def test_a_bug_is_raised_as_it_is(self, server: Server) -> None:
        with pytest.raises(UnicodeEncodeError):
            Client().post(server.url, b"{}", {"x-signature": "ş"})
        assert server.requests == []


@contextmanager
def soft_limit(kind: int, value: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def test_the_calls_of_a_thread_that_were_sent_are_counted(serve: Serve) -> None:
    server, client = serve(saying(b"OK")), Client()
    before = calls_sent()
    for _ in range(2):
        client.get(server.url)
    with free_port() as port, suppress(Unreachable):
        client.get(f"http://127.0.0.1:{port}/")
    assert calls_sent() == before + 2


def test_messages_never_carry_credentials(serve: Serve) -> None:
    server = serve(then_closing(b""))
    for url in (server.url, f"{server.url}?sifre=hunter2", server.url.replace("//", "//user:hunter2@")):
        with pytest.raises(OutboundError) as failed:
            Client().get(url, params={"kod": "hunter2"})
        assert "hunter2" not in str(failed.value)
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__


def test_a_failed_call_does_not_spoil_the_next(serve: Serve) -> None:
    slow, quick, client = serve(silence), serve(saying(b"OK")), impatient()
    with pytest.raises(NoAnswer):
        client.get(slow.url)
    assert client.get(quick.url).body == b"OK"
    with free_port() as port, pytest.raises(Unreachable):
        client.get(f"http://127.0.0.1:{port}/")


def test_an_accepted_certificate_is_bounded_in_time_too(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = self_signed(tmp_path)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "certificate.pem"))
    quick, slow = serve(saying(b"OK"), context), serve(head_then_drip(b"HTTP/1.1 200 OK\r\n\r\n"), context)
    client = impatient()
    assert [client.get(quick.url).body for _ in range(2)] == [b"OK"] * 2
    assert quick.connections == 1
    with took_less_than(SOON_SECONDS), pytest.raises(NoAnswer, match="no whole answer within 1 s"):
        client.get(slow.url)


@contextmanager
def took_less_than(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def self_signed(directory: Path, *names: str) -> ssl.SSLContext:
    """A server's TLS, with a certificate for 127.0.0.1, or for these names, that it issued to itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    own = [x509.DNSName(each) for each in names] or [x509.IPAddress(ip_address("127.0.0.1"))]
    subjects: list[x509.GeneralName] = list(own)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    return context
