"""What operators type, right and wrong, and what commands show them."""

import json
import re

import requests

from tests.acceptance.canaries import secret
from tests.acceptance.canaries.scene import (
    DEALER,
    HMAC,
    KEY,
    KOD,
    NEW_KEY,
    PASSWORD,
    SIFRE,
    TOKEN,
    USER,
    WHSEC,
    Scene,
)
from tests.acceptance.canaries.secret import SECRETS, Canary
from tests.acceptance.canaries.talk import PATIENCE_SECONDS, Finished

#: A base URL with a secret in it, which is refused.
WITH_USERINFO = f"https://{USER}:{PASSWORD}@panel.example"
#: For each kind of callback: its options, and the credentials that it needs beside those of the dealer.
KINDS = {
    "std": (["standard-webhooks", "--callback-format", "neutral"], {"callback_secret": WHSEC}),
    "tok": (["token", "--callback-format", "protocol"], {"callback_secret": TOKEN}),
    "hmac": (
        ["hmac", "--callback-header", "X-Signature", "--callback-format", "neutral"],
        {"callback_secret": HMAC},
    ),
    "basic": (
        ["basic", "--callback-format", "neutral"],
        {"callback_secret": PASSWORD, "callback_user": USER},
    ),
}
LISTS = (
    *("providers list", "routes list", "stock list", "keys list", "callbacks list", "orders list"),
    *("orders list --stuck", "providers balance", "doctor"),
)


def add_providers(scene: Scene) -> None:
    """Accounts of every kind of callback, with right and wrong input."""
    znet = ("--adapter", "znet", "--base-url", scene.panel.url("plain"), "--callback")
    for name, (options, more) in KINDS.items():
        added = scene.run("providers", "add", name, *znet, *options, stdin=json.dumps(DEALER | more))
        assert added.code == 0, added
        scene.run("routes", "add", name, "*", name, "--param", "oyun=1", "--param", "kupur=60")
    for adapter in ("stock", "manual"):
        assert scene.run("providers", "add", f"own-{adapter}", "--adapter", adapter).code == 0
        scene.run("routes", "add", f"own-{adapter}", "*", f"own-{adapter}")
    made = scene.run("providers", "add", "made", *znet, "token", "--json", stdin=json.dumps(DEALER))
    _keep_made(scene, made)

    wrong = ("providers", "add", "wrong", *znet)
    mistakes = (
        (*wrong, "token", f"kod={KOD} sifre={SIFRE}"),
        (*wrong, "token", json.dumps([KOD, SIFRE])),
        (*wrong, "token", json.dumps(DEALER | {"pasword": PASSWORD})),
        (*wrong, "token", json.dumps(DEALER | {"sifre": 5, "callback_secret": TOKEN})),
        (*wrong, "token", json.dumps({"sifre": SIFRE})),
        (*wrong, "token", json.dumps(DEALER | {"sifre": f"{SIFRE}\0"})),
        (*wrong, "token", json.dumps(DEALER | {"callback_secret": f"{SIFRE} {PASSWORD}"})),
        (*wrong, "standard-webhooks", json.dumps(DEALER | {"callback_secret": TOKEN})),
        (*wrong, "basic", json.dumps(DEALER | {"callback_secret": f"{PASSWORD}\x01", "callback_user": USER})),
        (*wrong, "basic", json.dumps(DEALER | {"callback_secret": PASSWORD, "callback_user": f"{USER}:x"})),
        ("providers", "add", "tok", *znet, "token", json.dumps(DEALER)),
        ("providers", "add", "wrong", "--adapter", "znet", "--base-url", WITH_USERINFO, json.dumps(DEALER)),
        ("providers", "rotate", "tok", SIFRE),
        ("providers", "rotate", "tok", json.dumps({"password": SIFRE})),
        ("providers", "rotate", "nobody", json.dumps({"sifre": SIFRE})),
        ("providers", "rotate", "std", json.dumps({"callback_secret": TOKEN})),
        ("providers", "set", "tok", "--base-url", WITH_USERINFO, ""),
    )
    for *arguments, given in mistakes:
        assert scene.run(*arguments, stdin=given).code != 0, arguments
    assert scene.run(*wrong, "token", CREDENTIAL_SIFRE=SIFRE, CREDENTIAL_KOT=KOD).code != 0


def _keep_made(scene: Scene, printed: Finished) -> None:
    """A callback token that was made, and is printed once."""
    scene.made.append(Canary("a made callback token", json.loads(printed.out)["callbackSecret"]))


def decide(scene: Scene) -> None:
    """Codes for an order that a person fulfils."""
    code, order = scene.code(), scene.sent("own-manual")["id"]
    complete = ("orders", "complete", order, "--reason", "bought elsewhere")
    for given in (f"{code},{code}", f'{{"code": "{code}"', f'{{"code": "{code}", "x": 1}}', f"{code}\n["):
        assert scene.run(*complete, stdin=given).code != 0, given
    assert (
        scene.run(*complete, stdin=json.dumps({"code": code, "serial": scene.code(secret.serial)})).code == 0
    )


def load_stock(scene: Scene) -> None:
    """Codes of our own, which an order gets."""
    code, load = scene.code(), ("stock", "load", "own-stock")
    for given in (f"{code};{code}", f'{{"code": "{code}", "expires_at": "{code}"}}', f'["{code}"]'):
        assert scene.run(*load, stdin=f"{code}\n{given}").code != 0, given
    whole = {"code": scene.code(), "pin": scene.code(secret.digits), "serial": scene.code(secret.serial)}
    for _ in range(2):
        assert scene.run(*load, stdin=f"{code}\n{json.dumps(whole)}\n").code == 0
    scene.wait_for(scene.place("own-stock", quantity=2)["id"], "completed")


def send_callbacks(scene: Scene) -> None:
    """Test callbacks of each kind, each with a code, and with another one."""
    for kind in KINDS:
        referans = scene.sent(kind)["providerReferans"]
        send = ("callbacks", "send", kind, referans, "--pin-from-stdin", "--status", "completed")
        for _ in range(2):
            sent = scene.run(*send, stdin=scene.code())
            assert sent.code == 0, sent
        assert scene.run(*send, "--url", "http://127.0.0.1:1", stdin=scene.code()).code != 0


def look_at_everything(scene: Scene) -> None:
    """Lists, every order and every callback; everything is settled again."""
    for words in LISTS:
        scene.run(*words.split())
        scene.run(*words.split(), "--json")
    scene.run("sweep")
    ids = [
        str(one["id"]) for one in json.loads(scene.run("callbacks", "list", "--limit", "1000", "--json").out)
    ]
    for number, one in enumerate(ids):
        assert scene.run("callbacks", "show", one, *(["--json"] if number % 2 else [])).code == 0
    scene.run("callbacks", "replay", "--since", "1d", "--dry-run")
    scene.run("callbacks", "replay", "--since", "1d", "--json")
    scene.run("callbacks", "replay", *ids)
    with_codes = 0
    for number, order in enumerate(scene.system.orders()):
        assert scene.run("orders", "show", order, *(["--json"] if number % 2 else [])).code == 0
        with_codes += (
            secret.CARD in scene.run("orders", "pin", order, *(["--json"] if number % 3 else [])).out
        )
    assert with_codes > 20, "codes are there to be read, by whoever may"


def look_at_pages(scene: Scene) -> None:
    """Every page that a viewer may open, but for those of callbacks that an order's page shows as well."""
    assert (
        scene.run("operators", "add", "rana", "--role", "viewer", stdin=SECRETS["a person's password"]).code
        == 0
    )
    mails = f"smtp://rana:{SECRETS['a password of the server of mails']}@127.0.0.1:1"
    assert scene.run("alerts", "test", ALERT_SMTP_URL=mails, ALERT_EMAIL="rana@shop.example").code == 1
    scene.run("alerts", "list")
    with requests.Session() as browser:

        def look(path: str) -> str:
            answer = browser.get(f"{scene.system.url}{path}", timeout=PATIENCE_SECONDS)
            assert answer.status_code == 200, answer.text
            scene.said.add(f"ops page {path}", answer.text)
            return answer.text

        fields = {"name": "rana", "password": SECRETS["a person's password"]}
        browser.post(f"{scene.system.url}/ops/login", data=fields, timeout=PATIENCE_SECONDS)
        for path in (
            "",
            "/stuck",
            "/orders",
            "/reports",
            "/reconcile",
            "/bulk",
            "/account",
            "/export/orders.csv",
        ):
            look(f"/ops{path}")
        for number, order in enumerate(scene.system.orders()):
            assert "What happened" in look(f"/ops/orders/{order}")
            if number % 4 == 0:
                look(f"/ops/orders/{order}/proof")
        for path in ("callbacks?result=invalid", "callbacks?result=unmatched", "notifications", "providers"):
            one = path.partition("?")[0]
            for link in sorted(set(re.findall(rf'href="(/ops/{one}/[^"?]+)"', look(f"/ops/{path}")))):
                look(link)


def rotate_credentials(scene: Scene) -> None:
    _keep_made(scene, scene.run("providers", "rotate", "made", "--new-callback-secret", "--json"))
    assert scene.run("providers", "rotate", "made", "--drop-old").code == 0
    fresh = json.dumps({"sifre": SECRETS["a new dealer password"]})
    assert scene.run("providers", "rotate", "made", stdin=fresh).code == 0
    assert scene.run("providers", "test", "made").code == 0


def rotate_encryption(scene: Scene) -> None:
    """With the new key first, and then with keys that open nothing of it."""
    sealed = scene.run("keys", "rotate-encryption", ENCRYPTION_KEYS=f"{NEW_KEY},{KEY}")
    assert sealed.code == 0, sealed
    assert scene.run("keys", "rotate-encryption", "--json", ENCRYPTION_KEYS=KEY).code != 0
