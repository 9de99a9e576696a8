-- Settles outcomes: records each one (in the inbox and on the timeline) and moves its order if the lifecycle allows it.
--
-- Parameters: one array for each field of an arrival, with one element for each arrival; `order_timeout` in seconds.
-- Returns one row for each arrival whose turn it was: of several for one order, or with one dedupe key, only the first
-- is settled.
-- Concurrency: the order rows are locked, in the order of their ids, before anything is decided. Of two statements for
-- one order the second decides on what the first has committed. The unique key of the inbox settles a callback once.
-- `decide` in tests/models/lifecycle_table.py says in Python what `decided` says here; a test compares the two.
WITH stages (name, rank, kind) AS (
    VALUES {stages}
),
incoming AS (
    SELECT
        given.*,
        stage.rank,
        stage.kind
    FROM unnest(
        %(position)s::int[],
        %(provider_id)s::text[],
        %(source)s::text[],
        %(order_id)s::uuid[],
        %(only_if)s::text[],
        %(referans)s::text[],
        %(external_order_id)s::text[],
        %(status)s::text[],
        %(pin)s::text[],
        %(pin_digest)s::text[],
        %(pin_digests)s::text[],
        %(message)s::text[],
        %(note)s::text[],
        %(cost)s::numeric[],
        %(currency)s::text[],
        %(failure_reason)s::text[],
        %(next_check_seconds)s::float8[],
        %(dedupe_key)s::text[],
        %(outcome)s::text[],
        %(raw)s::text[]
    ) AS given (
        position,
        provider_id,
        source,
        known_id,
        only_if,
        referans,
        external_order_id,
        status,
        pin,
        pin_digest,
        pin_digests,
        message,
        note,
        cost,
        currency,
        failure_reason,
        next_check_seconds,
        dedupe_key,
        outcome,
        raw
    )
    JOIN stages AS stage ON stage.name = given.status
),
-- The order that each arrival is about: by its id, by our reference, or by the provider's own number.
matched AS (
    SELECT i.position, i.known_id AS id
    FROM incoming AS i
    WHERE i.known_id IS NOT NULL
    UNION ALL
    SELECT i.position, found.id
    FROM incoming AS i
    CROSS JOIN LATERAL (
        SELECT o.id
        FROM product_orders AS o
        WHERE o.provider_referans = i.referans AND o."providerId" = i.provider_id
        ORDER BY o."createdAt" DESC
        LIMIT 1
    ) AS found
    WHERE i.known_id IS NULL AND i.referans IS NOT NULL
    UNION ALL
    SELECT i.position, found.id
    FROM incoming AS i
    CROSS JOIN LATERAL (
        SELECT o.id
        FROM product_orders AS o
        WHERE o."externalOrderId" = i.external_order_id AND o."providerId" = i.provider_id
        ORDER BY o."createdAt" DESC
        LIMIT 1
    ) AS found
    WHERE i.known_id IS NULL AND i.referans IS NULL AND i.external_order_id IS NOT NULL
),
locked AS (
    SELECT
        o.id,
        o."providerId" AS provider_id,
        o."externalStatus" AS status,
        NULLIF(o."pinCode", '') AS pin,
        COALESCE(o."pinDigest", encode(sha256(convert_to(o."pinCode", 'UTF8')), 'hex')) AS pin_digest,
        o."providerMessage" AS message,
        o."failureReason" AS failure_reason,
        o."externalStatus" = 'not_sent' AS is_unsent,
        o."nextCheckAt" IS NOT NULL
            AND o."createdAt" + make_interval(secs => %(order_timeout)s) <= now() AS is_overdue
    FROM product_orders AS o
    WHERE o.id IN (SELECT matched.id FROM matched)
    ORDER BY o.id
    FOR UPDATE
),
-- Each arrival with its order as it is now. An order that went to another provider, or of which `only_if` does not
-- hold, is not matched.
paired AS (
    SELECT
        i.*,
        o.id AS order_id,
        o.status AS from_status,
        o.pin AS from_pin,
        o.pin_digest AS from_digest,
        o.message AS from_message,
        COALESCE(stage.rank, 4) AS from_rank,
        COALESCE(stage.kind, 'failed') AS from_kind,
        o.failure_reason AS from_reason,
        row_number() OVER (PARTITION BY o.id ORDER BY i.position) AS order_turn,
        row_number() OVER (PARTITION BY i.provider_id, i.dedupe_key ORDER BY i.position) AS key_turn
    FROM incoming AS i
    LEFT JOIN matched ON matched.position = i.position
    LEFT JOIN locked AS o
        ON o.id = matched.id
        AND (i.provider_id IS NULL OR o.provider_id = i.provider_id)
        AND (i.only_if IS NULL OR o.is_unsent AND (i.only_if = 'unsent' OR o.is_overdue))
    LEFT JOIN stages AS stage ON stage.name = o.status
),
decided AS (
    SELECT
        p.*,
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
    INSERT INTO callback_events AS kept (
        provider_id,
        dedupe_key,
        result,
        settled_at,
        order_id,
        referans,
        external_order_id,
        status,
        message,
        outcome,
        raw
    )
    SELECT
        provider_id,
        dedupe_key,
        result,
        CASE WHEN order_id IS NOT NULL THEN now() END,
        order_id,
        referans,
        external_order_id,
        status,
        left(message, 1000),
        outcome,
        raw
    FROM decided
    WHERE dedupe_key IS NOT NULL
    ORDER BY provider_id, dedupe_key
    ON CONFLICT (provider_id, dedupe_key) DO UPDATE SET
        result = excluded.result,
        order_id = excluded.order_id,
        settled_at = excluded.settled_at
    WHERE kept.result = 'unmatched' AND excluded.result <> 'unmatched'
    RETURNING provider_id, dedupe_key
),
-- What each arrival may do, each condition by its name. A callback that was settled before does nothing.
named AS (
    SELECT
        d.*,
        d.dedupe_key IS NOT NULL AND inbox.dedupe_key IS NULL AND d.result <> 'unmatched' AS seen_before,
        d.result = 'applied' AS applies,
        d.result = 'applied' AND d.kind <> 'open' AS ends,
        d.result = 'applied' AND d.kind = 'completed' AS completes,
        d.result = 'applied' AND d.kind = 'completed' AND d.pin IS NOT NULL AS fills_pin,
        d.result = 'applied' AND d.from_kind = 'failed' AS is_late,
        -- An order that ends without having been sent (`only_if`) was neither taken nor sent.
        d.result = 'applied' AND d.only_if IS NULL AND d.from_rank = 0 AS was_taken,
        d.result = 'applied' AND d.only_if IS NULL AND d.rank >= 2
            AND NOT (d.source = 'dispatch' AND d.kind = 'failed') AS was_sent,
        d.source IN ('dispatch', 'callback', 'poll') AS by_provider,
        d.from_kind = 'open' AND d.next_check_seconds IS NOT NULL
            AND (d.result = 'applied' OR d.source = 'callback') AS replans
    FROM decided AS d
    LEFT JOIN inbox ON inbox.provider_id = d.provider_id AND inbox.dedupe_key = d.dedupe_key
),
moved AS (
    UPDATE product_orders AS o SET
        "externalStatus" = CASE WHEN n.applies THEN n.status ELSE o."externalStatus" END,
        status = CASE WHEN n.completes THEN 'approved' WHEN n.ends THEN 'rejected' ELSE o.status END,
        "failureReason" = CASE
            WHEN NOT n.applies THEN o."failureReason"
            WHEN n.kind = 'failed' THEN n.failure_reason
        END,
        late = o.late OR n.is_late,
        "pinCode" = CASE WHEN n.fills_pin THEN n.pin ELSE o."pinCode" END,
        "pinDigest" = CASE WHEN n.fills_pin THEN n.pin_digest ELSE o."pinDigest" END,
        "externalOrderId" = COALESCE(o."externalOrderId", n.external_order_id),
        "costAmount" = COALESCE(n.cost, o."costAmount"),
        "costCurrency" = COALESCE(n.currency, o."costCurrency"),
        "lastMessage" = COALESCE(CASE WHEN n.applies THEN left(n.message, 250) END, o."lastMessage"),
        "providerMessage" = COALESCE(CASE WHEN n.applies THEN n.message END, o."providerMessage"),
        "claimedAt" = COALESCE(o."claimedAt", CASE WHEN n.was_taken THEN now() END),
        "sentAt" = COALESCE(o."sentAt", CASE
            WHEN n.was_sent AND n.source = 'dispatch' THEN now()
            WHEN n.was_sent THEN COALESCE(o."claimedAt", now())
        END),
        "sendingUntil" = CASE WHEN n.source = 'dispatch' THEN NULL ELSE o."sendingUntil" END,
        "mayBeKnown" = o."mayBeKnown" OR n.source IN ('callback', 'poll'),
        "unknownCount" = CASE WHEN n.by_provider THEN 0 ELSE o."unknownCount" END,
        "unknownAt" = CASE WHEN n.by_provider THEN NULL ELSE o."unknownAt" END,
        "lastSyncAt" = CASE WHEN n.by_provider THEN now() ELSE o."lastSyncAt" END,
        "lastCallbackAt" = CASE WHEN n.source = 'callback' THEN now() ELSE o."lastCallbackAt" END,
        "completedAt" = COALESCE(o."completedAt", CASE WHEN n.completes THEN now() END),
        "approvedAt" = COALESCE(o."approvedAt", CASE WHEN n.completes THEN now() END),
        "durationMs" = COALESCE(o."durationMs", CASE WHEN n.completes THEN LEAST(
            2147483647,
            1000 * EXTRACT(EPOCH FROM now() - COALESCE(o."sentAt", o."claimedAt", now()))
        )::int END),
        "nextCheckAt" = CASE
            WHEN n.ends THEN NULL
            WHEN n.replans THEN LEAST(
                now() + make_interval(secs => n.next_check_seconds),
                COALESCE(o."sentAt", o."claimedAt", now()) + make_interval(secs => %(order_timeout)s)
            )
            ELSE o."nextCheckAt"
        END
    FROM named AS n
    WHERE o.id = n.order_id AND NOT n.seen_before
    RETURNING o.id, o."externalStatus" AS status
),
told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message, result, detail)
    SELECT
        n.order_id,
        n.source,
        n.from_status,
        moved.status,
        CASE
            WHEN n.is_late THEN COALESCE(n.note, n.status) || ' (late: it had timed out)'
            WHEN n.applies THEN COALESCE(n.note, n.status)
            ELSE n.result || ': ' || n.status || COALESCE(', ' || n.note, '')
        END,
        n.result,
        CASE WHEN n.result = 'conflict' THEN n.outcome END
    FROM named AS n
    JOIN moved ON moved.id = n.order_id
    ORDER BY n.position
)
SELECT
    n.position,
    CASE WHEN n.seen_before THEN 'duplicate' ELSE n.result END AS result,
    n.order_id::text,
    n.from_status AS came_from,
    COALESCE(moved.status, n.from_status) AS went_to,
    n.is_late AND NOT n.seen_before AS late
FROM named AS n
LEFT JOIN moved ON moved.id = n.order_id
