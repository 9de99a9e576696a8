"""The shop hears how an order ended, and acts: it pays back, or freezes the rates. See docs/moving.md."""

import json
import os
import time
from contextlib import closing

import psycopg2
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

#: Locks the order, so that of two that act on it at the same time one waits and sees what the other did.
LOOK = """SELECT lower("externalStatus"),
    EXISTS (SELECT FROM wallet_moves AS m WHERE m.order_id = o.id AND m.amount < 0)
FROM product_orders AS o WHERE id = %s FOR UPDATE"""
#: In its place: what your "reject" does. What the gateway placed is `rejected` already; there the wallet tells.
PAY_BACK = """WITH ended AS (UPDATE product_orders AS o SET status = 'rejected'
    WHERE id = %s AND (status = 'pending' OR "placedByGateway")
    AND NOT EXISTS (SELECT FROM wallet_moves AS m WHERE m.order_id = o.id AND m.amount > 0) RETURNING id, price)
INSERT INTO wallet_moves (order_id, amount) SELECT id, price FROM ended"""
#: In its place: what your "approve" does.
APPROVE = """UPDATE product_orders SET status = 'approved', "approvedAt" = COALESCE("approvedAt", now()),
    "fxLocked" = true, "fxUsdTryAtApproval" = %(rate)s, "fxCapturedAt" = now(), "sellTryAtApproval" = price * %(rate)s
WHERE id = %(id)s AND (status = 'pending' OR "placedByGateway") AND NOT "fxLocked"
"""
#: Orders of the last days that have ended, and on which the shop has not acted.
ENDED = """SELECT id::text FROM product_orders AS o WHERE "createdAt" > now() - make_interval(days => %s)
    AND lower("externalStatus") IN ('completed', 'failed') AND (status = 'pending' OR "placedByGateway")
    AND NOT "fxLocked" AND NOT EXISTS (SELECT FROM wallet_moves AS m WHERE m.order_id = o.id AND m.amount > 0)"""


def act(connection, order_id, rate):
    """Do what is left to do for this order; safe to repeat. False if your own code has not taken the money yet."""
    with connection, connection.cursor() as cursor:
        cursor.execute(LOOK, (order_id,))
        status, is_paid = cursor.fetchone()
        if is_paid and status == "failed":
            cursor.execute(PAY_BACK, (order_id,))
        if is_paid and status == "completed":
            cursor.execute(APPROVE, {"id": order_id, "rate": rate})
    return is_paid


def ended(connection, days=30):
    """The ids of the orders to act on, for as long as no notifications are sent."""
    with connection, connection.cursor() as cursor:
        cursor.execute(ENDED, (days,))
        return [order_id for (order_id,) in cursor.fetchall()]


def application(environ, start_response):
    """For `gunicorn receiver:application`: takes the notifications, which come again until the answer is 2xx."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    try:
        headers = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in names}
        Webhook(os.environ["NOTIFY_SECRET"]).verify(body, headers)
        with closing(psycopg2.connect(os.environ["SHOP_DATABASE_URL"])) as shop:
            is_done = act(shop, json.loads(body)["data"]["id"], os.environ["USD_TRY"])
        start_response("204 No Content" if is_done else "503 Service Unavailable", [])
    except WebhookVerificationError:
        start_response("401 Unauthorized", [])
    return [b""]


if __name__ == "__main__":
    with closing(psycopg2.connect(os.environ["SHOP_DATABASE_URL"])) as shop:
        while True:
            for each in ended(shop):
                act(shop, each, os.environ["USD_TRY"])
            time.sleep(10)
