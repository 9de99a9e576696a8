"""Requests that two servers in a row could understand differently, so that the second hides within the first.

Each is sent on a connection of its own. Its hidden request would place an order of HIDDEN_USER. It must never be
answered or acted upon: the whole is answered with one 4xx, and the connection closed, or as it is right.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.gateway.web import calls

#: The player of hidden orders, and of those that are right.
HIDDEN_USER, OPEN_USER = "smuggled", "in-the-open"


#: What is right for a head without end: no answer, and the connection closed once its time is over.
ENDLESS = (0,)


@dataclass(frozen=True)
class Case:
    """Bytes on one connection, and the statuses that are right if it is not refused."""

    name: str
    data: bytes
    #: Of all answers, in order; empty where only one 4xx is right.
    right: tuple[int, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """The cases, for a key that may place orders."""

    key: str
    cases: list[Case] = field(default_factory=list)

    def order(self, user: str) -> bytes:
        return json.dumps(calls.BODY | {"userIdentifier": user}).encode()

    def hidden(self) -> bytes:
        """A whole request that places an order."""
        body = self.order(HIDDEN_USER)
        head = f"POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def post(
        self, *lines: str | bytes, body: bytes = b"", path: str = "/orders", version: str = "1.1"
    ) -> bytes:
        """A request with these lines of its head."""
        head = [f"POST {path} HTTP/{version}", "Host: x", f"Authorization: Bearer {self.key}"]
        raw = [each if isinstance(each, bytes) else each.encode("latin-1") for each in (*head, *lines)]
        return b"\r\n".join(raw) + b"\r\n\r\n" + body

    def get(
        self, *lines: str | bytes, target: str = "/health/live", body: bytes = b"", version: str = "1.1"
    ) -> bytes:
        return self.post(*lines, body=body, path=target, version=version).replace(b"POST", b"GET", 1)


def chunked(*pieces: bytes, size: str = "{:x}", end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(f"{size.format(len(each))}\r\n".encode() + each + b"\r\n" for each in pieces) + end


def corpus(key: str) -> Iterator[Case]:
    """Every case."""
    made = Corpus(key)
    yield from _lengths(made)
    yield from _codings(made)
    yield from _chunks(made)
    yield from _heads(made)
    yield from _lines(made)
    yield from _bodies(made)
    yield from _in_a_row(made)


def _lengths(made: Corpus) -> Iterator[Case]:
    order, hidden = made.order(OPEN_USER), made.hidden()
    exact = len(order)
    for name, value in {
        "plus": f"+{exact}",
        "minus": f"-{exact}",
        "minus zero": "-0",
        "hex": hex(exact),
        "underscore": f"{exact}_0",
        "blank within": f"{exact} 0",
        "comma": f"{exact}, {exact}",
        "other after comma": f"{exact}, 0",
        "semicolon": f"{exact};0",
        "quoted": f'"{exact}"',
        "empty": "",
        "letters": "abc",
        "float": f"{exact}.0",
        "exponent": "1e2",
        "superscript": "\xb2",
        "fraction": "\xbd",
        "5000 digits": "9" * 5000,
        "vertical tab": f"\x0b{exact}",
        "form feed": f"{exact}\x0c",
        "NUL": f"{exact}\x00",
        "bare CR": f"{exact}\r0",
        "non-breaking space": f"\xa0{exact}",
    }.items():
        yield Case(f"length: {name}", made.post(f"Content-Length: {value}", body=order + hidden))
    yield Case("length: leading zeros", made.post(f"Content-Length: 000{exact}", body=order), (201,))
    yield Case("length: blanks around", made.post(f"Content-Length: \t {exact} \t", body=order), (201,))
    same, other, zero = (f"Content-Length: {size}" for size in (exact, exact + len(hidden), 0))
    yield Case("lengths: the same twice", made.post(same, same, body=order + hidden))
    yield Case("lengths: the larger first", made.post(other, same, body=order + hidden))
    yield Case("lengths: the larger last", made.post(same, other, body=order + hidden))
    yield Case("lengths: zero first", made.post(zero, other, body=hidden))
    yield Case("lengths: in other capitals", made.post(same, f"content-LENGTH: {exact}", body=order + hidden))
    yield Case("length: on a GET", made.get(f"Content-Length: {len(hidden)}", body=hidden), (200,))
    yield Case(
        "length: on a HEAD",
        made.get(f"Content-Length: {len(hidden)}", body=hidden).replace(b"GET", b"HEAD"),
        (200,),
    )


def _codings(made: Corpus) -> Iterator[Case]:
    order, hidden = made.order(OPEN_USER), made.hidden()
    both = chunked(order) + hidden
    length = f"Content-Length: {len(both)}"
    yield Case("CL.TE", made.post(length, "Transfer-Encoding: chunked", body=both))
    yield Case("TE.CL", made.post("Transfer-Encoding: chunked", "Content-Length: 4", body=chunked(hidden)))
    yield Case("TE.CL with zero", made.post("Content-Length: 0", "Transfer-Encoding: chunked", body=both))
    for name, value in {
        "xchunked": "xchunked",
        "identity": "identity",
        "identity, chunked": "identity, chunked",
        "chunked, identity": "chunked, identity",
        "chunked twice": "chunked, chunked",
        "gzip": "gzip",
        "gzip, chunked": "gzip, chunked",
        "chunked, gzip": "chunked, gzip",
        "trailing comma": "chunked,",
        "leading comma": ", chunked",
        "parameter": "chunked; q=1",
        "quoted": '"chunked"',
        "empty": "",
        "cow": "cow",
        "vertical tab": "\x0bchunked",
        "form feed": "chunked\x0c",
        "NUL": "chunked\x00",
        "bare CR": "\rchunked",
        "bare LF": "\nchunked",
        "non-breaking space": "\xa0chunked",
        "long s": "chunked\xdf",
        "trailers": "trailers, chunked",
        "two in one": "chunked\r\nTransfer-Encoding: identity",
        "two in one, other way": "identity\r\nTransfer-Encoding: chunked",
        "twice": "chunked\r\nTransfer-Encoding: chunked",
        "cow second": "chunked\r\nTransfer-Encoding: cow",
    }.items():
        yield Case(f"TE.TE: {name}", made.post(f"Transfer-Encoding: {value}", body=both))
        yield Case(
            f"TE.TE with a length: {name}",
            made.post(f"Transfer-Encoding: {value}", "Content-Length: 4", body=both),
        )
    for name, line in {
        "blank before the colon": "Transfer-Encoding : chunked",
        "tab before the colon": "Transfer-Encoding\t: chunked",
        "blank before the name": " Transfer-Encoding: chunked",
        "no colon": "Transfer-Encoding chunked",
        "vertical tab in the name": "Transfer-Encoding\x0b: chunked",
        "NUL in the name": "Transfer-Encoding\x00: chunked",
        "bare CR before": "X: y\rTransfer-Encoding: chunked",
        "bare LF before": "X: y\nTransfer-Encoding: chunked",
        "folded": "Transfer-Encoding:\r\n chunked",
        "folded away": "X: y\r\n Transfer-Encoding: chunked",
        "8-bit in the name": "Transfer-Encod\xefng: chunked",
    }.items():
        yield Case(f"TE: {name}", made.post(line, f"Content-Length: {len(order)}", body=order + hidden))
    yield Case("TE: in HTTP/1.0", made.post("Transfer-Encoding: chunked", body=both, version="1.0"))
    yield Case(
        "TE: in HTTP/1.0, kept alive",
        made.post("Transfer-Encoding: chunked", "Connection: keep-alive", body=both, version="1.0"),
    )
    yield Case("TE: capitals", made.post("tRANSFER-eNCODING: CHUNKED", body=chunked(order)), (201,))
    yield Case(
        "TE: an underscore is another header",
        made.post("Transfer_Encoding: chunked", f"Content-Length: {len(order)}", body=order),
        (201,),
    )


def _chunks(made: Corpus) -> Iterator[Case]:
    order, hidden = made.order(OPEN_USER), made.hidden()
    coded = "Transfer-Encoding: chunked"
    size = f"{len(order):x}"

    def case(name: str, body: bytes, *right: int) -> Iterator[Case]:
        yield Case(f"chunks: {name}", made.post(coded, body=body), right)
        # Where nothing reads the body, the answer is right and what follows is not read either.
        yield Case(f"chunks that nothing reads: {name}", made.get(coded, body=body), (200,))

    for name, line in {
        "hex prefix": f"0x{size}",
        "plus": f"+{size}",
        "minus": f"-{size}",
        "blank before": f" {size}",
        "blank behind": f"{size} ",
        "underscore": f"{size[0]}_{size[1:]}",
        "empty": "",
        "letters": "zz",
        "8-bit": "\xb2",
        "huge": "f" * 400,
        "64 bits": "1" + "0" * 16,
        "64 bits and the size": f"1{size.zfill(16)}",
        "32 bits and the size": f"1{size.zfill(8)}",
        "bare CR": f"{size}\r",
        "tab": f"{size}\t",
        "NUL": f"{size}\x00",
        "comma": f"{size},0",
        "bare CR in an extension": f"{size};a\rb",
        "bare LF in an extension": f"{size};a\nb",
        "extension without a name": f"{size};=b",
        "quote that stays open": f'{size};a="b',
    }.items():
        body = f"{line}\r\n".encode("latin-1") + order + b"\r\n0\r\n\r\n"
        yield from case(name, body + hidden)
    yield from case("LF for CRLF", size.encode() + b"\n" + order + b"\n0\n\n" + hidden)
    yield from case("CR for CRLF", size.encode() + b"\r" + order + b"\r0\r\r" + hidden)
    yield from case("longer than said", size.encode() + b"\r\n" + order + b"xx\r\n0\r\n\r\n" + hidden)
    yield from case(
        "shorter than said", f"{len(order) + 9:x}".encode() + b"\r\n" + order + b"\r\n0\r\n\r\n" + hidden
    )
    yield from case("no end of the data", size.encode() + b"\r\n" + order + b"0\r\n\r\n" + hidden)
    yield from case("bare LF behind the last", chunked(order, end=b"0\r\n\n") + hidden)
    yield from case("bare LF in a trailer", chunked(order, end=b"0\r\nX: y\n\r\n") + hidden)
    for name, line in {
        "a length": "Content-Length: 5",
        "a coding": "Transfer-Encoding: chunked",
        "a host": "Host: y",
        "a key": "Authorization: Bearer x",
        "no colon": "X y",
        "blank before the colon": "X : y",
        "folded": "X: y\r\n z",
        "NUL": "X: \x00",
        "a hundred": "X: y\r\n" * 99 + "X: y",
        "40 KB": f"X: {'y' * 40_000}",
    }.items():
        yield from case(
            f"trailer: {name}", chunked(order, end=f"0\r\n{line}\r\n\r\n".encode("latin-1")) + hidden
        )
    yield Case(
        "chunks: with an extension", made.post(coded, body=chunked(order, size='{:x};a="b c"')), (201,)
    )
    yield Case(
        "chunks: 9 KB of extension", made.post(coded, body=chunked(order, size="{:x};" + "a" * 9000)), (201,)
    )
    yield Case("chunks: leading zeros", made.post(coded, body=chunked(order, size="000000{:x}")), (201,))
    yield Case(
        "chunks: with a trailer", made.post(coded, body=chunked(order, end=b"0\r\nX-Sum: 1\r\n\r\n")), (201,)
    )
    yield Case(
        "chunks: 1 by 1",
        made.post(coded, body=chunked(*(order[at : at + 1] for at in range(len(order))))),
        (201,),
    )
    yield Case("chunks: 00", made.post(coded, body=chunked(order, end=b"00\r\n\r\n")), (201,))


def _heads(made: Corpus) -> Iterator[Case]:
    order, hidden = made.order(OPEN_USER), made.hidden()
    length = f"Content-Length: {len(order)}"
    for name, line in {
        "no colon": "X",
        "empty name": ": y",
        "blank in the name": "X Y: z",
        "blank before the colon": "X : y",
        "folded": "X: y\r\n z",
        "folded with a tab": "X: y\r\n\tz",
        "NUL": "X: \x00",
        "bare CR": "X: y\rz",
        "bare LF": "X: y\nz",
        "DEL": "X: \x7f",
        "bell": "X: \x07",
        "NUL in the name": "X\x00: y",
        "two hosts": "Host: y",
        "two types": "Content-Type: application/json\r\nContent-Type: text/plain",
        "brackets in the name": "X[0]: y",
        "a hundred": "\r\n".join(f"X{number}: y" for number in range(100)),
        "9 KB": f"X: {'y' * 9000}",
        "40 KB": "\r\n".join(f"X{number}: {'y' * 8000}" for number in range(5)),
        "8-bit in the name": "X\xe9: y",
        "expects something": "Expect: 200-ok",
        "expects nothing": "Expect: ",
    }.items():
        yield Case(f"head: {name}", made.post(line, length, body=order + hidden))
    yield Case(
        "head: bare LF at its end", made.post(length, body=order + hidden).replace(b"\r\n\r\n", b"\r\n\n", 1)
    )
    yield Case("head: LF for CRLF", made.post(length, body=order + hidden).replace(b"\r\n", b"\n"))
    yield Case(
        "head: CR for CRLF, so that it has no end",
        made.post(length, body=order + hidden).replace(b"\r\n", b"\r"),
        ENDLESS,
    )
    yield Case("head: 8-bit in a value", made.post("X: \xe9\xff", length, body=order), (201,))
    yield Case(
        "head: script name", made.post("SCRIPT_NAME: /x", "Script-Name: /x", length, body=order), (201,)
    )
    yield Case(
        "head: another address",
        made.post("X-Forwarded-For: ::1", "Remote-Addr: ::1", length, body=order),
        (201,),
    )
    yield Case("head: no host", made.post(length, body=order).replace(b"Host: x\r\n", b""), (201,))
    yield Case(
        "head: upgrade to HTTP/2",
        made.post(
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQAAP__",
            "Connection: Upgrade, HTTP2-Settings",
            length,
            body=order,
        ),
        (201,),
    )
    yield Case("head: waits with its body", made.post("Expect: 100-continue", length, body=order), (100, 201))


def _lines(made: Corpus) -> Iterator[Case]:
    hidden = made.hidden()
    host = f"\r\nHost: x\r\nAuthorization: Bearer {made.key}\r\n\r\n".encode()
    for name, line in {
        "HTTP/0.9": b"GET /health/live",
        "only a method": b"GET",
        "nothing": b"",
        "two blanks": b"GET  /health/live HTTP/1.1",
        "a tab": b"GET\t/health/live\tHTTP/1.1",
        "blank at the end": b"GET /health/live HTTP/1.1 ",
        "blank before": b" GET /health/live HTTP/1.1",
        "blank within": b"GET /health/ live HTTP/1.1",
        "NUL": b"GET /health/live\x00 HTTP/1.1",
        "bare CR": b"GET /health/live\r HTTP/1.1",
        "bare LF": b"GET /health/live\n HTTP/1.1",
        "8-bit": b"GET /health/\xe9 HTTP/1.1",
        "DEL": b"GET /health/\x7f HTTP/1.1",
        "HTTP/2.0": b"GET /health/live HTTP/2.0",
        "HTTP/1.10": b"GET /health/live HTTP/1.10",
        "http/1.1": b"GET /health/live http/1.1",
        "HTTP/01.1": b"GET /health/live HTTP/01.1",
        "HTTP/1,1": b"GET /health/live HTTP/1,1",
        "HTTP/0.9 said": b"GET /health/live HTTP/0.9",
        "ICY": b"GET /health/live ICY/1.1",
        "small letters": b"get /health/live HTTP/1.1",
        "method of symbols": b"G@T /health/live HTTP/1.1",
        "long method": b"A" * 30 + b" /health/live HTTP/1.1",
        "preface of HTTP/2": b"PRI * HTTP/2.0",
        "empty target": b"GET  HTTP/1.1",
        "asterisk": b"GET * HTTP/1.1",
        "authority": b"GET x:80 HTTP/1.1",
        "no slash": b"GET health/live HTTP/1.1",
        "5 KB": b"GET /" + b"a" * 5000 + b" HTTP/1.1",
        "bad address": b"GET http://[::1/health/live HTTP/1.1",
        "PROXY line": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2",
        "two requests in a line": b"GET /health/live HTTP/1.1 GET /orders HTTP/1.1",
        "a line of a callback with a bare CR": b"GET /callbacks/panel?a=b c\r HTTP/1.1",
        "a line of a callback with a bare LF": b"GET /callbacks/panel?a=b c\n HTTP/1.1",
        "a line of a callback with NUL": b"GET /callbacks/panel?a=b c\x00 HTTP/1.1",
        "a header in the target": b"GET /health/live HTTP/1.1\rTransfer-Encoding: chunked",
    }.items():
        yield Case(f"line: {name}", line + host + hidden)
    right = {
        "absolute": (b"GET http://y/health/live HTTP/1.1", 200),
        "absolute with another scheme": (b"GET ftp://y/health/live HTTP/1.1", 200),
        "absolute with a user": (b"GET http://a:b@y/health/live HTTP/1.1", 200),
        "absolute without a path": (b"GET http://y HTTP/1.1", 404),
        "two slashes": (b"GET //health/live HTTP/1.1", 200),
        "a fragment": (b"GET /health/live#x HTTP/1.1", 200),
        "encoded CR and LF": (b"GET /health/live%0d%0aX: HTTP/1.1", 404),
        "encoded slash": (b"GET /health%2flive HTTP/1.1", 200),
        "encoded NUL": (b"GET /health/live%00 HTTP/1.1", 404),
        "broken encoding": (b"GET /health/%zz%f HTTP/1.1", 404),
        "dots": (b"GET /x/../health/live HTTP/1.1", 404),
        "TRACE": (b"TRACE /health/live HTTP/1.1", 405),
        "all": (b"OPTIONS * HTTP/1.1", 404),
        "unknown method": (b"FROBNICATE /health/live HTTP/1.1", 400),
        "WEBSOCKET": (b"WEBSOCKET /health/live HTTP/1.1", 400),
        "an empty line before": (b"\r\nGET /health/live HTTP/1.1", 200),
    }
    for name, (line, status) in right.items():
        yield Case(f"line: {name}", line + host, (status,))
    yield Case("line: CONNECT, and what follows is no request", b"CONNECT x:80 HTTP/1.1" + host + hidden)
    yield Case("line: two empty lines before", b"\r\n\r\nGET /health/live HTTP/1.1" + host)
    yield Case("line: bare LF before", b"\nGET /health/live HTTP/1.1" + host)
    yield Case("line: only blanks", b" " * 20 + b"\r\n\r\n")
    yield Case("line: TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n")
    yield Case("line: NULs", bytes(3000) + b"\r\n\r\n")


def _bodies(made: Corpus) -> Iterator[Case]:
    """Bodies that are not read to their end: what is left of them is no request."""
    hidden = made.hidden()
    for size in (70_000, 250_000, 270_000, 300_000, 1_000_000):
        filling = b"x" * (size - len(hidden)) + hidden
        again = b"x" * 40 + hidden * (size // len(hidden))
        for name, body in {"at its end": filling, "all over": again}.items():
            length = f"Content-Length: {len(body)}"
            yield Case(f"body of {size}: {name}", made.post(length, body=body), (413,))
            yield Case(
                f"chunks of {size}: {name}",
                made.post("Transfer-Encoding: chunked", body=chunked(body)),
                (413,),
            )
            yield Case(f"body of {size} that nothing reads: {name}", made.get(length, body=body), (200,))
            yield Case(
                f"chunks of {size} that nothing reads: {name}",
                made.get("Transfer-Encoding: chunked", body=chunked(body)),
                (200,),
            )
            yield Case(
                f"body of {size} without a key: {name}",
                made.post(length, body=body).replace(made.key.encode(), b"x", 1),
                (401,),
            )
    for name, value in {"huge": "9" * 18, "4000 digits": "9" * 4000}.items():
        yield Case(f"length: {name}", made.post(f"Content-Length: {value}", body=hidden), (413,))
    yield Case("body that is not complete", made.post(f"Content-Length: {len(hidden) + 1}", body=hidden))


def _in_a_row(made: Corpus) -> Iterator[Case]:
    order = made.order(OPEN_USER)
    whole = made.post(f"Content-Length: {len(order)}", body=order)
    yield Case("in a row: three", made.get() + whole + made.get(), (200, 201, 200))
    yield Case("in a row: fifty", made.get() * 50, (200,) * 50)
    yield Case("in a row: the first is the last", made.get("Connection: close") + made.hidden(), (200,))
    yield Case("in a row: close in a list", made.get("Connection: foo, close") + made.hidden(), (200,))
    yield Case(
        "in a row: close in a second header",
        made.get("Connection: foo", "Connection: close") + made.hidden(),
        (200,),
    )
    yield Case("in a row: HTTP/1.0", made.get(version="1.0") + made.hidden(), (200,))
    yield Case(
        "in a row: HTTP/1.0, kept alive",
        made.get("Connection: keep-alive", version="1.0") + made.get(),
        (200, 200),
    )
    yield Case(
        "in a row: the second is broken",
        made.get() + b"GET /health/live\r\nX : y\r\n\r\n" + made.hidden(),
        (200, 400),
    )
