"""The shop hears how an order ended, and acts: it pays back, or freezes the rates. See docs/moving.md."""

import json
import os
import time
from contextlib import closing

import psycopg2
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

#: Locks the order, so that of two that act on it at the same time one waits and sees what the other did.
LOOK = """SELECT lower("externalStatus") FROM product_orders WHERE id = %s FOR UPDATE"""
#: Put here what your "reject" does. An order that the gateway placed is `rejected` already, so the money decides.
PAY_BACK = """WITH ended AS (
    UPDATE product_orders AS o SET status = 'rejected' WHERE id = %s AND (status = 'pending' OR "placedByGateway")
    AND NOT EXISTS (SELECT FROM wallet_moves AS m WHERE m.order_id = o.id AND m.amount > 0) RETURNING id, price)
INSERT INTO wallet_moves (order_id, amount) SELECT id, price FROM ended"""
#: Put here what your "approve" does.
APPROVE = """UPDATE product_orders SET status = 'approved', "approvedAt" = COALESCE("approvedAt", now()), "fxLocked" = true,
    "fxUsdTryAtApproval" = %(rate)s, "fxCapturedAt" = now(), "sellTryAtApproval" = price * %(rate)s
WHERE id = %(id)s AND NOT "fxLocked" AND (status = 'pending' OR "placedByGateway")"""
#: Orders that have ended since, and on which the shop has not acted: without notifications, ask for these.
ENDED = """SELECT id::text FROM product_orders AS o WHERE "createdAt" > now() - make_interval(days => %s)
    AND lower("externalStatus") IN ('completed', 'failed') AND NOT "fxLocked"
    AND (status = 'pending' OR "placedByGateway")
    AND NOT EXISTS (SELECT FROM wallet_moves AS m WHERE m.order_id = o.id AND m.amount > 0)"""


def act(connection, order_id, rate):
    """Do for this order what is left to do; safe to repeat."""
    with connection, connection.cursor() as cursor:
        cursor.execute(LOOK, (order_id,))
        (ended,) = cursor.fetchone()
        if ended == "failed":
            cursor.execute(PAY_BACK, (order_id,))
        elif ended == "completed":
            cursor.execute(APPROVE, {"id": order_id, "rate": rate})


def act_on_all(connection, rate, days=30):
    """Do it for every order of the last days that has ended."""
    with connection, connection.cursor() as cursor:
        cursor.execute(ENDED, (days,))
        ended = [order_id for (order_id,) in cursor.fetchall()]
    for order_id in ended:
        act(connection, order_id, rate)


def application(environ, start_response):
    """WSGI, such as `gunicorn receiver:application`: takes the gateway's notifications."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in names}
    try:
        Webhook(os.environ["NOTIFY_SECRET"]).verify(body, headers)
    except WebhookVerificationError:
        start_response("401 Unauthorized", [])
        return [b""]
    with closing(psycopg2.connect(os.environ["SHOP_DATABASE_URL"])) as connection:
        act(connection, json.loads(body)["data"]["id"], os.environ["USD_TRY"])
    start_response("204 No Content", [])
    return [b""]


if __name__ == "__main__":  # until notifications are sent: every ten seconds
    shop = psycopg2.connect(os.environ["SHOP_DATABASE_URL"])
    while True:
        act_on_all(shop, os.environ["USD_TRY"])
        time.sleep(10)
