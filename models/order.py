"""Orders, and `settle()`: the one door through which every outcome reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.db import database, sealed
from models.db.prepared import Prepared
from models.outcome import Arrival, as_json, owner
from models.status import STAGES, Result

#: The columns that an order is shown with.
COLUMNS = """
    o.id::text AS id, o."orderNo", o."productId"::text AS "productId", o."packageId"::text AS "packageId", o.quantity,
    o."userIdentifier", o."extraField", o.status, o."externalStatus", o."providerId", o.provider_referans,
    o."externalOrderId", o."pinCode", o."lastMessage", o."createdAt", o."sentAt", o."lastSyncAt", o."completedAt",
    o."durationMs", o."notifyUrl", o."failureReason"
"""


#: Outcomes in one statement; its joins grow with the square.
MAX_BATCH = 100
#: What `costAmount`, numeric(10,2), cannot hold is left out: no nonsense of a provider's costs us its outcome.
MAX_COST = 10**8 - 1


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one outcome."""

    result: Result
    order_id: str | None
    came_from: str | None
    went_to: str | None
    #: A success that came after the order had failed by timeout.
    late: bool = False


def find(order_id: str) -> dict[str, Any] | None:
    """The order as a row of COLUMNS, or None. `order_id` must be a UUID."""
    return database.row(FIND, (order_id,))


def pin_of(order: dict[str, Any]) -> str | None:
    """The PIN of a row of COLUMNS in clear. Raises sealed.Unsealable."""
    if not order["pinCode"]:
        return None
    references = (order["provider_referans"], order["externalOrderId"])
    return sealed.unseal(order["pinCode"], *(owner(order["providerId"], each) for each in references if each))


def settle(arrivals: Sequence[Arrival], *, order_timeout_seconds: float) -> list[Settled]:
    """Apply outcomes to their orders, record each, and say what happened to it: one statement, one commit.

    The result is in the order of `arrivals`. Where several are for one order they take turns, and more than
    MAX_BATCH go in parts: each is the same statement again, with a commit of its own. Who fails in between may
    bring them all again: what was settled is then a duplicate.
    """
    settled: dict[int, Settled] = {}
    waiting = list(range(len(arrivals)))
    while waiting:
        chunk = waiting[:MAX_BATCH]
        answers = _settle_once([arrivals[index] for index in chunk], order_timeout_seconds)
        settled |= {chunk[position]: answer for position, answer in answers.items()}
        waiting = [index for index in waiting if index not in settled]
    return [settled[index] for index in range(len(arrivals))]


def _settle_once(arrivals: Sequence[Arrival], order_timeout_seconds: float) -> dict[int, Settled]:
    """By position: the answers of those whose turn it was."""
    columns = zip(*map(_parameters, range(len(arrivals)), arrivals), strict=True)
    parameters: dict[str, Any] = {f"a{number}": database.array(each) for number, each in enumerate(columns)}
    parameters["order_timeout"] = order_timeout_seconds
    return {
        row["position"]: Settled(
            Result(row["result"]), row["order_id"], row["came_from"], row["went_to"], row["late"]
        )
        for row in database.rows(SETTLE, parameters)
    }


def _parameters(position: int, arrival: Arrival) -> tuple[Any, ...]:
    outcome = arrival.outcome
    digests = sealed.digests(outcome.pin) if outcome.pin else None
    belongs_to = owner(arrival.provider_id, outcome.referans or outcome.external_order_id)
    return (
        position,
        arrival.provider_id,
        arrival.source.value,
        arrival.order_id,
        outcome.referans,
        outcome.external_order_id,
        outcome.status.value,
        sealed.seal(outcome.pin, belongs_to) if outcome.pin else None,
        digests[0] if digests else None,
        ",".join(digests) if digests else None,
        outcome.message,
        arrival.note or outcome.message,
        outcome.cost if outcome.cost is None or abs(outcome.cost) <= MAX_COST else None,
        outcome.currency,
        arrival.failure_reason.value,
        arrival.next_check_seconds,
        arrival.dedupe_key,
        sealed.seal(as_json(outcome), belongs_to),
        sealed.seal(arrival.raw, belongs_to) if arrival.raw is not None else None,
    )


FIND = Prepared(f"SELECT {COLUMNS} FROM product_orders AS o WHERE o.id = %s")
_STAGES = ", ".join(f"('{name}', {rank}, '{kind}')" for name, rank, kind in STAGES)

#: Record each outcome (inbox and timeline) and move its order if the lifecycle allows. `models.status.decide`
#: says in Python what `decided` says here. The order row is locked first, in the order of ids, so whoever comes
#: second decides on what the first has committed; the unique key of the inbox settles a callback once.
SETTLE = Prepared(f"""
WITH stages (name, rank, kind) AS (VALUES {_STAGES}),
incoming AS (
    SELECT i.*, stage.rank, stage.kind
    FROM unnest(
        %(a0)s::int[], %(a1)s::text[], %(a2)s::text[], %(a3)s::uuid[], %(a4)s::text[], %(a5)s::text[], %(a6)s::text[],
        %(a7)s::text[], %(a8)s::text[], %(a9)s::text[], %(a10)s::text[], %(a11)s::text[], %(a12)s::numeric[],
        %(a13)s::text[], %(a14)s::text[], %(a15)s::float8[], %(a16)s::text[], %(a17)s::text[], %(a18)s::text[]
    ) AS i (
        position, provider_id, source, asked_id, referans, external_order_id, status,
        pin, pin_digest, pin_digests, message, note, cost,
        currency, failure_reason, next_check_seconds, dedupe_key, outcome, raw
    )
    JOIN stages AS stage ON stage.name = i.status
),
matched AS (
    SELECT i.position, i.asked_id AS id FROM incoming AS i WHERE i.asked_id IS NOT NULL
    UNION ALL
    SELECT i.position, found.id FROM incoming AS i CROSS JOIN LATERAL (
        SELECT o.id FROM product_orders AS o
        WHERE o.provider_referans = i.referans AND o."providerId" = i.provider_id
        ORDER BY o."createdAt" DESC LIMIT 1
    ) AS found WHERE i.asked_id IS NULL AND i.referans IS NOT NULL
    UNION ALL
    SELECT i.position, found.id FROM incoming AS i CROSS JOIN LATERAL (
        SELECT o.id FROM product_orders AS o
        WHERE o."externalOrderId" = i.external_order_id AND o."providerId" = i.provider_id
        ORDER BY o."createdAt" DESC LIMIT 1
    ) AS found WHERE i.asked_id IS NULL AND i.referans IS NULL AND i.external_order_id IS NOT NULL
),
locked AS (
    SELECT o.id, o."providerId" AS provider_id, o."externalStatus" AS status, NULLIF(o."pinCode", '') AS pin,
           COALESCE(o."pinDigest", encode(sha256(convert_to(o."pinCode", 'UTF8')), 'hex')) AS pin_digest,
           o."providerMessage" AS message, o."failureReason" AS failure_reason
    FROM product_orders AS o
    WHERE o.id IN (SELECT matched.id FROM matched)
    ORDER BY o.id
    FOR UPDATE
),
paired AS (
    SELECT i.*, o.id AS order_id, o.status AS from_status, o.pin AS from_pin, o.pin_digest AS from_digest,
           o.message AS from_message, o.failure_reason AS from_reason,
           COALESCE(stage.rank, 4) AS from_rank, COALESCE(stage.kind, 'failed') AS from_kind,
           row_number() OVER (PARTITION BY o.id ORDER BY i.position) AS order_turn,
           row_number() OVER (PARTITION BY i.provider_id, i.dedupe_key ORDER BY i.position) AS key_turn
    FROM incoming AS i
    LEFT JOIN matched ON matched.position = i.position
    LEFT JOIN locked AS o ON o.id = matched.id AND o.provider_id = i.provider_id
    LEFT JOIN stages AS stage ON stage.name = o.status
),
decided AS (
    SELECT p.*,
        CASE
            WHEN order_id IS NULL THEN 'unmatched'
            WHEN from_kind = 'open' AND rank < from_rank THEN 'stale'
            WHEN from_kind = 'open' AND rank = from_rank
                 AND (message IS NULL OR message IS NOT DISTINCT FROM from_message) THEN 'duplicate'
            WHEN from_kind = 'open' THEN 'applied'
            WHEN kind = 'open' THEN 'stale'
            WHEN from_kind = 'completed' AND kind = 'failed' AND failure_reason = 'timeout' THEN 'stale'
            WHEN from_kind = 'completed' AND kind = 'failed' THEN 'conflict'
            WHEN from_kind = 'completed' AND pin IS NULL THEN 'duplicate'
            WHEN from_kind = 'completed' AND from_pin IS NULL THEN 'applied'
            WHEN from_kind = 'completed' AND from_digest = ANY (string_to_array(pin_digests, ',')) THEN 'duplicate'
            WHEN from_kind = 'completed' THEN 'conflict'
            WHEN kind = 'failed' THEN 'duplicate'
            WHEN from_reason = 'timeout' THEN 'applied'
            ELSE 'conflict'
        END AS result
    FROM paired AS p
    WHERE (order_id IS NULL OR order_turn = 1) AND (dedupe_key IS NULL OR key_turn = 1)
),
inbox AS (
    INSERT INTO callback_events AS kept
        (provider_id, dedupe_key, result, settled_at, order_id, referans, external_order_id, status, message, outcome,
         raw)
    SELECT provider_id, dedupe_key, result, CASE WHEN order_id IS NOT NULL THEN now() END, order_id,
           referans, external_order_id, status, left(message, 1000), outcome, raw
    FROM decided
    WHERE dedupe_key IS NOT NULL
    ORDER BY provider_id, dedupe_key
    ON CONFLICT (provider_id, dedupe_key) DO UPDATE
        SET result = excluded.result, order_id = excluded.order_id, settled_at = excluded.settled_at
        WHERE kept.result = 'unmatched' AND excluded.result <> 'unmatched'
    RETURNING provider_id, dedupe_key
),
recorded AS (
    SELECT d.*,
        d.dedupe_key IS NOT NULL AND inbox.dedupe_key IS NULL AND d.result <> 'unmatched' AS seen_before
    FROM decided AS d
    LEFT JOIN inbox ON inbox.provider_id = d.provider_id AND inbox.dedupe_key = d.dedupe_key
),
moved AS (
    UPDATE product_orders AS o SET
        "externalStatus" = CASE WHEN r.result = 'applied' THEN r.status ELSE o."externalStatus" END,
        status = CASE WHEN r.result <> 'applied' OR r.kind = 'open' THEN o.status
                      WHEN r.kind = 'completed' THEN 'approved' ELSE 'rejected' END,
        "pinCode" = CASE WHEN r.result = 'applied' AND r.kind = 'completed' AND r.pin IS NOT NULL
                         THEN r.pin ELSE o."pinCode" END,
        "pinDigest" = CASE WHEN r.result = 'applied' AND r.kind = 'completed' AND r.pin IS NOT NULL
                           THEN r.pin_digest ELSE o."pinDigest" END,
        "externalOrderId" = COALESCE(o."externalOrderId", r.external_order_id),
        "costAmount" = COALESCE(r.cost, o."costAmount"),
        "costCurrency" = COALESCE(r.currency, o."costCurrency"),
        "lastMessage" = CASE WHEN r.result = 'applied' THEN COALESCE(left(r.message, 250), o."lastMessage")
                             ELSE o."lastMessage" END,
        "providerMessage" = CASE WHEN r.result = 'applied' THEN COALESCE(r.message, o."providerMessage")
                                 ELSE o."providerMessage" END,
        "failureReason" = CASE WHEN r.result <> 'applied' THEN o."failureReason"
                               WHEN r.kind = 'failed' THEN r.failure_reason END,
        late = o.late OR (r.result = 'applied' AND r.from_kind = 'failed'),
        "sentAt" = COALESCE(o."sentAt", CASE
            WHEN r.result <> 'applied' OR r.rank < 2 OR (r.source = 'dispatch' AND r.kind = 'failed') THEN NULL
            WHEN r.source = 'dispatch' THEN now()
            ELSE COALESCE(o."claimedAt", now()) END),
        "claimedAt" = CASE WHEN r.result = 'applied' AND r.from_rank = 0
                           THEN COALESCE(o."claimedAt", now()) ELSE o."claimedAt" END,
        "sendingUntil" = CASE WHEN r.source = 'dispatch' THEN NULL ELSE o."sendingUntil" END,
        "mayBeKnown" = o."mayBeKnown" OR r.source IN ('callback', 'poll'),
        "unknownCount" = CASE WHEN r.source IN ('dispatch', 'callback', 'poll') THEN 0 ELSE o."unknownCount" END,
        "unknownAt" = CASE WHEN r.source IN ('dispatch', 'callback', 'poll') THEN NULL ELSE o."unknownAt" END,
        "lastSyncAt" = CASE WHEN r.source IN ('dispatch', 'callback', 'poll') THEN now() ELSE o."lastSyncAt" END,
        "lastCallbackAt" = CASE WHEN r.source = 'callback' THEN now() ELSE o."lastCallbackAt" END,
        "completedAt" = CASE WHEN r.result = 'applied' AND r.kind = 'completed'
                             THEN COALESCE(o."completedAt", now()) ELSE o."completedAt" END,
        "approvedAt" = CASE WHEN r.result = 'applied' AND r.kind = 'completed'
                            THEN COALESCE(o."approvedAt", now()) ELSE o."approvedAt" END,
        "durationMs" = CASE WHEN r.result = 'applied' AND r.kind = 'completed'
            THEN COALESCE(o."durationMs", LEAST(2147483647, 1000 * EXTRACT(
                EPOCH FROM now() - COALESCE(o."sentAt", o."claimedAt", now())))::int)
            ELSE o."durationMs" END,
        "nextCheckAt" = CASE
            WHEN r.result = 'applied' AND r.kind <> 'open' THEN NULL
            WHEN r.from_kind = 'open' AND r.next_check_seconds IS NOT NULL
                 AND (r.result = 'applied' OR r.source = 'callback')
            THEN LEAST(now() + make_interval(secs => r.next_check_seconds),
                       COALESCE(o."sentAt", o."claimedAt", now()) + make_interval(secs => %(order_timeout)s))
            ELSE o."nextCheckAt" END
    FROM recorded AS r
    WHERE o.id = r.order_id AND NOT r.seen_before
    RETURNING o.id, o."externalStatus" AS status
),
told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message, result, detail)
    SELECT r.order_id, r.source, r.from_status, moved.status,
        CASE r.result WHEN 'applied' THEN COALESCE(r.note, r.status)
                      ELSE r.result || ': ' || r.status || COALESCE(', ' || r.note, '') END
            || CASE WHEN r.result = 'applied' AND r.from_kind = 'failed' THEN ' (late: it had timed out)' ELSE '' END,
        r.result, CASE WHEN r.result = 'conflict' THEN r.outcome END
    FROM recorded AS r JOIN moved ON moved.id = r.order_id
    ORDER BY r.position
)
SELECT r.position, CASE WHEN r.seen_before THEN 'duplicate' ELSE r.result END AS result, r.order_id::text,
       r.from_status AS came_from, COALESCE(moved.status, r.from_status) AS went_to,
       NOT r.seen_before AND r.result = 'applied' AND r.from_kind = 'failed' AS late
FROM recorded AS r LEFT JOIN moved ON moved.id = r.order_id
""")
