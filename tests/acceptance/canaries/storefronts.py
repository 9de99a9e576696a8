"""What storefronts and people send to the API, and what it shows them."""

from tests.acceptance.canaries import secret
from tests.acceptance.canaries.scene import PASSWORD, SIFRE, USER, Scene
from tests.acceptance.canaries.secret import SECRETS

ORDER = {"productId": "plain", "packageId": "60", "userIdentifier": "5123456789"}


def make_mistakes(scene: Scene) -> None:
    """Secrets where they are not wanted: in bodies, queries, headers and addresses."""
    plain, guess, code = scene.callers["plain"], scene.callers["guess"], scene.code()
    for body, status in (
        (ORDER | {"pinCode": code, "sifre": SIFRE}, 422),
        (ORDER | {"quantity": code}, 422),
        (ORDER | {"productId": [code]}, 422),
        (ORDER | {"productId": code * 100}, 422),
        (ORDER | {"notifyUrl": f"https://{USER}:{PASSWORD}@shop.example"}, 422),
        (f'{{"pinCode": "{code}", {SIFRE}'.encode(), 400),
        (f"\xff{code}".encode("latin-1"), 400),
        ([code], 400),
    ):
        answer = plain("POST", "/orders", body)
        assert answer.status_code == status, (body, answer.text)
    made = plain("POST", "/orders", ORDER, Idempotency_Key="canary").json()
    assert plain("POST", "/orders", ORDER, Idempotency_Key="canary").json() == made
    assert plain("POST", "/orders", ORDER | {"extraField": "x"}, Idempotency_Key="canary").status_code == 422
    path, misplaced = f"/orders/{made['id']}", SECRETS["a callback token in a wrong place"]
    refused = (
        (403, plain("POST", f"{path}/resolve", {"reason": "x", "pinCode": code})),
        (401, guess("GET", path)),
        (401, guess("POST", "/orders", ORDER | {"pinCode": code})),
        (401, plain("GET", path, Authorization=f"Basic {SIFRE.encode().hex()}")),
        (400, plain("GET", f"/orders?cursor={code}")),
        (400, plain("GET", f"/orders?token={misplaced}&pin={code}")),
        (404, plain("GET", f"/orders/{code}")),
        (405, plain("DELETE", path)),
    )
    for status, answer in refused:
        assert answer.status_code == status, (answer.request.url, answer.text)


def decide(scene: Scene) -> None:
    """A person decides about an order with a conflict, with right and wrong input."""
    ops = scene.callers["ops"]
    order = ops("GET", "/orders?providerId=tok").json()["data"][0]["id"]
    resolve, code = f"/orders/{order}/resolve", scene.code()
    completed = {"reason": "bought elsewhere", "externalStatus": "completed"}
    for body in (
        {"reason": "x", "externalStatus": "failed", "pinCode": code},
        {"reason": "x", "externalStatus": code},
        completed | {"pinCode": [code]},
        completed | {"codes": [{"code": code, "sifre": SIFRE}]},
    ):
        assert ops("POST", resolve, body).status_code == 422
    assert ops("POST", resolve, {"reason": "bought by phone", "accept": True}).status_code == 200
    more = {"code": scene.code(), "serial": scene.code(secret.serial), "pin": scene.code(secret.digits)}
    assert ops("POST", resolve, completed | {"pinCode": code, "codes": [more]}).status_code == 200
    ops("POST", f"/orders/{order}/resend", {"reason": "again"})
    ops("POST", f"/orders/{order}/check")


def look_at_everything(scene: Scene) -> None:
    """Every order and timeline, for each kind of key; metrics and health."""
    orders = list(scene.system.orders())
    for who in ("plain", "ops", "pins"):
        caller = scene.callers[who]
        assert caller("GET", "/orders?limit=100").status_code == 200
        for order in orders:
            assert caller("GET", f"/orders/{order}").status_code == 200
            assert caller("GET", f"/orders/{order}/events").status_code == 200
    for path in ("/metrics", "/health/ready", "/health/live"):
        assert scene.callers["ops"]("GET", path).status_code == 200
        scene.callers["nobody"]("GET", path)
