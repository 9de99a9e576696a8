"""FastAPI with asyncpg, which prepares every statement: three of them in a transaction for each callback.

uvicorn --workers 2 tests.benchmarks.peers.fastapi_asyncpg:app
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from fastapi import FastAPI, HTTPException, Request

from gateway import signatures

#: As many as one process of the gateway may have.
POOL_SIZE = 4
state: dict[str, Any] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=POOL_SIZE) as pool:
        state["pool"] = pool
        state["secrets"] = {
            row["id"]: json.loads(row["credentials"])["callback_secret"]
            for row in await pool.fetch("SELECT id, credentials FROM referans.providers")
        }
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/callbacks/{provider_id}")
async def callback(provider_id: str, request: Request) -> dict[str, str]:
    body = await request.body()
    secret = state["secrets"].get(provider_id)
    if secret is None:
        raise HTTPException(404)
    event_id = signatures.verify_standard_webhook([secret], dict(request.headers), body, datetime.now(UTC))
    said = json.loads(body)
    async with state["pool"].acquire() as connection, connection.transaction():
        order = await connection.fetchrow(LOCK, provider_id, said["provider_referans"])
        result = "unmatched" if order is None else "applied"
        if order is not None and order["status"] in ("completed", "failed"):
            result = "duplicate"
        kept = await connection.fetchval(
            KEEP,
            provider_id,
            f"id:{event_id}",
            result,
            order and order["id"],
            said["provider_referans"],
            said["status"],
            said.get("message"),
            body.decode(),
        )
        if kept is None:
            return {"result": "duplicate"}
        if result == "applied":
            await connection.execute(
                MOVE, order["id"], said["status"], said.get("pin_code"), said.get("message"), order["status"]
            )
    return {"result": result}


LOCK = """
SELECT id, "externalStatus" AS status FROM product_orders
WHERE provider_referans = $2 AND "providerId" = $1 ORDER BY "createdAt" DESC LIMIT 1 FOR UPDATE
"""
KEEP = """
INSERT INTO referans.callback_events (provider_id, dedupe_key, result, settled_at, order_id, referans, status, message,
    raw)
VALUES ($1, $2, $3, now(), $4, $5, $6, $7, $8) ON CONFLICT (provider_id, dedupe_key) DO NOTHING RETURNING id
"""
MOVE = """
WITH moved AS (
    UPDATE product_orders SET "externalStatus" = $2, status = 'approved', "pinCode" = $3, "lastMessage" = $4,
        "completedAt" = now(), "lastCallbackAt" = now(), "nextCheckAt" = NULL,
        "durationMs" = 1000 * EXTRACT(EPOCH FROM now() - COALESCE("sentAt", now()))::int
    WHERE id = $1
)
INSERT INTO referans.order_events (order_id, source, "from", "to", message, result)
VALUES ($1, 'callback', $5, $2, $4, 'applied')
"""
