"""What providers answer and call back."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urlencode

from tests.acceptance.canaries import secret
from tests.acceptance.canaries.scene import (
    HMAC,
    KOD,
    MISPLACED,
    NOBODY,
    PASSWORD,
    SIFRE,
    SOON_SECONDS,
    TOKEN,
    USER,
    WHSEC,
    Scene,
)
from tests.acceptance.canaries.secret import SECRETS
from tests.acceptance.canaries.talk import basic, hmac_of
from tests.gateway.web.calls import signed
from tests.waiting import wait_until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: Accounts that answer with the password that they were asked with.
REFUSING = ("balance-6", "balance-8", "balance-traceback")
#: Slightly wrong, each with a token.
NEAR_MISSES = (
    f"/callbacks/tok/{MISPLACED}",
    f"/callbacks/tok?token={MISPLACED}",
    f"/callbacks//tok/{MISPLACED}",
    f"/webhooks/tok/{MISPLACED}",
    f"/callbacks/{MISPLACED}",
    f"/callbacks/tok/{MISPLACED}/x",
    f"/callbacks/tok%2F{MISPLACED}",
    f"/Callbacks/tok/{MISPLACED}",
    f"/callbacks/nobody/{MISPLACED}",
    f"/{MISPLACED}",
    f"/callback?t={MISPLACED}",
    f"/orders/{MISPLACED}",
)
#: Requests that cannot be read.
BROKEN = (
    f"POST  /callbacks/tok/{MISPLACED} HTTP/1.1",
    f"GET /callbacks/tok/{MISPLACED} HTTP/9.9",
    f"PO ST /callbacks/tok/{MISPLACED} HTTP/1.1",
    f"GET http://[{MISPLACED} HTTP/1.1",
    f"GET /callbacks/tok/{MISPLACED} HTTP/1.1\r\nContent-Length: x\r\nPin: {secret.card()}",
)


def orders_of_a_panel_that_repeats_everything(scene: Scene) -> None:
    """Each misbehaving account gets an order, which is sent and checked."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(scene.place, scene.panel.misbehaving("send", "check")))


def wait_for_the_panel(scene: Scene) -> None:
    """Until each account was asked for what it misbehaves with."""

    def left() -> list[str]:
        scene.system.sweep()
        names = scene.panel.misbehaving("send", "check")
        return [name for name in names if name.partition("-")[0] not in scene.panel.accounts[name].asked]

    wait_until(lambda: not left(), SOON_SECONDS, what=lambda: f"{left()} to be asked", pause_seconds=0.5)


def questions_for_the_balance(scene: Scene) -> None:
    """With our password, and with one that the panel refuses, and quotes."""
    for number, name in enumerate(scene.panel.misbehaving("balance")):
        scene.run("providers", "test", name, *(["--whole"] if number % 2 else []))
        scene.run("providers", "balance", name)
        assert "balance" in scene.panel.accounts[name].asked
    refused = json.dumps({"sifre": SECRETS["a password that was refused"]})
    for name in REFUSING:
        assert scene.run("providers", "rotate", name, stdin=refused).code == 0
        assert scene.run("providers", "test", name).code != 0


def _headers(kind: str, body: bytes) -> dict[str, str]:
    """As the provider signs."""
    if kind == "std":
        return signed(body, secret=WHSEC)
    return (
        {"X-Signature": hmac_of(HMAC, body)} if kind == "hmac" else {"Authorization": basic(USER, PASSWORD)}
    )


def _forged(kind: str, body: bytes) -> dict[str, str]:
    """As somebody signs who does not know the secret."""
    made = {
        "hmac": {"X-Signature": hmac_of("x", body)},
        "basic": {"Authorization": basic(USER, f"{PASSWORD}x")},
    }
    return made.get(kind) or signed(body)


def _call(scene: Scene, kind: str, content: Any, status: int, **headers: str) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    given = headers or _headers(kind, body)
    answer = scene.callers["nobody"]("POST", f"/callbacks/{kind}", body, **given)
    assert answer.status_code == status, (kind, content, answer.text)


def callbacks_in_the_neutral_format(scene: Scene) -> None:
    """Signed in three ways: right and wrong, once and again, in conflict, in lists, unmatched, unreadable."""
    for kind in ("std", "hmac", "basic"):
        call = partial(_call, scene, kind)
        code, number, telling = scene.code(), scene.code(secret.digits), scene.telling
        about = {"provider_referans": scene.sent(kind)["providerReferans"]}
        done = about | {"status": "completed", "pin_code": code, "message": telling(code)}
        body = json.dumps(done).encode()
        call(body, 401, **_forged(kind, body))
        call(body, 401, **{"Authorization": f"Bearer {PASSWORD}", "webhook-id": code, "X-Signature": code})
        call(about | {"status": "processing", "message": telling(code)}, 200)
        call(done, 200)
        call(done, 200)
        call(done | {"pin_code": scene.code(), "message": telling(number)}, 200)
        call(about | {"status": "failed", "message": telling(code)}, 200)
        call(about | {"status": "reversed", "message": telling(code)}, 200)

        delivered = {"code": number, "pin": scene.code(), "serial": scene.code(secret.serial)}
        known = {"provider_referans": scene.sent(kind)["providerReferans"], "status": "completed"}
        bad = known | {"provider_referans": "x", "pin_code": code, "message": telling(code)}
        call({"orders": [known | {"codes": [delivered], "receipt": f"Ahmet {number} {SIFRE}"}, bad]}, 200)
        call(known | {"provider_referans": NOBODY, "pin_code": scene.code(), "message": telling(code)}, 202)
        for unreadable in (
            f"sold {code} for {KOD} {SIFRE}".encode(),
            b"\xff\xfe" + code.encode(),
            {"pin_code": code, "message": telling(code)},
            about | {"status": f"sold {code}", "pin_code": code},
            [code, SIFRE],
            {"orders": [code] * 201},
        ):
            call(unreadable, 400)
        call(done | {"message": code * 5000}, 413)
        call({"type": "ping", "pin": code}, 200)


def callbacks_with_a_token(scene: Scene) -> None:
    """In the protocol's own words, with the token at each of its places."""
    code = scene.code()
    started = {
        "referans": scene.sent("tok")["providerReferans"],
        "durum": "1",
        "aciklama": scene.telling(code),
    }
    done = started | {"durum": "2", "pin": code}
    path = f"/callbacks/tok/{TOKEN}"
    for address, fields, status, headers in (
        (path, started, 200, {}),
        ("/callbacks/tok", started | {"aciklama": "x"}, 200, {"X-Callback-Token": TOKEN}),
        (f"/callbacks/tok?token={TOKEN}", done, 200, {}),
        ("/callbacks/tok", done | {"pin": scene.code()}, 200, {"Authorization": f"Bearer {TOKEN}"}),
        (path, started | {"durum": "3"}, 200, {}),
        (path, done | {"referans": NOBODY}, 200, {}),
        (path, done | {"durum": f"x{code}"}, 400, {}),
        (path, {"pin": code, "aciklama": scene.telling(code)}, 400, {}),
    ):
        answer = scene.callers["nobody"]("POST", address, urlencode(fields).encode(), **FORM, **headers)
        assert answer.status_code == status, (address, fields, answer.text)
    query = urlencode(done | {"pin": scene.code()})
    assert scene.callers["nobody"]("GET", f"{path}?{query}").status_code == 200
    assert scene.callers["nobody"]("HEAD", path).status_code == 200


def callbacks_at_wrong_addresses(scene: Scene) -> None:
    fields = urlencode({"referans": NOBODY, "durum": "2", "pin": scene.code()}).encode()
    for path in NEAR_MISSES:
        for method in ("POST", "GET", "DELETE"):
            assert scene.callers["nobody"](method, path, fields, **FORM).status_code >= 400, path
    for line in BROKEN:
        with closing(socket.create_connection(("127.0.0.1", scene.system.port), 5)) as connection:
            connection.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
