-- Statements of the version before 0022, as PostgreSQL got them: those that a connection prepares, those of one order's
-- life, and those beside it. {order}, {referans}, {event} and {key} stand for what differs from order to order.

--- prepare
PREPARE referans_6d954b67eada8252 AS -- Places orders: finds each one's provider, reserves its idempotency key, stores it, and begins its timeline.
--
-- Parameters: one array for each field of a placement, with one element for each; `wake` in seconds.
-- Returns the orders that are new. One without a route, or whose idempotency key was used before, is not returned.
-- Product and package are given twice: as text, for the routes, and in the type of the order's own columns, which are
-- UUIDs on the table of some storefronts.
-- Concurrency: keys are reserved in their own order, so that two statements with the same keys do not deadlock.
WITH incoming AS (
    SELECT given.*
    FROM unnest(
        $1::int[],
        $2::uuid[],
        $3::text[],
        $4::text[],
        COALESCE((SELECT array_agg("productId") FROM product_orders WHERE false), $5),
        COALESCE((SELECT array_agg("packageId") FROM product_orders WHERE false), $6),
        $7::int[],
        $8::text[],
        $9::text[],
        $10::text[],
        $11::text[],
        $12::text[],
        $13::text[],
        $14::bigint[],
        $15::text[],
        $16::text[]
    ) AS given (
        position,
        id,
        product,
        package,
        product_id,
        package_id,
        quantity,
        user_identifier,
        extra_field,
        notify_url,
        referans,
        note,
        by,
        key_id,
        key,
        fingerprint
    )
),
routed AS (
    SELECT
        i.*,
        route.provider_id,
        route.params,
        route.expects,
        route.field_map,
        row_number() OVER (PARTITION BY i.key_id, i.key ORDER BY i.position) AS turn
    FROM incoming AS i
    CROSS JOIN LATERAL (
        
SELECT provider_id, params, expects, field_map FROM routes
WHERE product_id IN (i.product, '*') AND package_id IN (i.package, '*') AND true
ORDER BY product_id = '*', package_id = '*', priority, position, id LIMIT 1

    ) AS route
),
reserved AS (
    INSERT INTO idempotency_keys (api_key_id, key, fingerprint)
    SELECT key_id, key, fingerprint
    FROM routed
    WHERE key IS NOT NULL AND turn = 1
    ORDER BY key_id, key
    ON CONFLICT (api_key_id, key) DO NOTHING
    RETURNING api_key_id, key
),
placed AS (
    INSERT INTO product_orders (
        id,
        "productId",
        "packageId",
        quantity,
        "userIdentifier",
        "extraField",
        "notifyUrl",
        "providerId",
        provider_referans,
        "routeParams",
        expects,
        "fieldMap",
        "placedByGateway",
        status,
        "externalStatus",
        "nextCheckAt"
    )
    SELECT
        r.id,
        r.product_id,
        r.package_id,
        r.quantity,
        r.user_identifier,
        r.extra_field,
        r.notify_url,
        r.provider_id,
        r.referans,
        r.params,
        r.expects,
        r.field_map,
        true,
        'pending',
        'not_sent',
        now() + make_interval(secs => $17)
    FROM routed AS r
    LEFT JOIN reserved ON reserved.api_key_id = r.key_id AND reserved.key = r.key
    WHERE r.key IS NULL OR (r.turn = 1 AND reserved.key IS NOT NULL)
    ORDER BY r.position
    RETURNING *
),
told AS (
    INSERT INTO order_events (order_id, source, "to", message, "by")
    SELECT o.id, 'api', 'not_sent', i.note, i.by
    FROM placed AS o
    JOIN incoming AS i ON i.id = o.id
    ORDER BY i.position
)
SELECT 
    o.id::text AS id,
    o."orderNo" AS order_no,
    o."productId"::text AS product_id,
    o."packageId"::text AS package_id,
    o.quantity,
    o."userIdentifier" AS user_identifier,
    o."extraField" AS extra_field,
    o.status,
    o."externalStatus" AS external_status,
    o."providerId" AS provider_id,
    o.provider_referans,
    o."externalOrderId" AS external_order_id,
    o."pinCode" AS pin_code,
    o.codes,
    o.receipt,
    o."lastMessage" AS last_message,
    o."createdAt" AS created_at,
    o."sentAt" AS sent_at,
    o."lastSyncAt" AS last_sync_at,
    o."completedAt" AS completed_at,
    o."reversedAt" AS reversed_at,
    o."durationMs" AS duration_ms,
    o."notifyUrl" AS notify_url,
    o."failureReason" AS failure_reason,
    o.attention

FROM placed AS o
;;
PREPARE referans_2a4c7eec82c36ac7 AS 
SELECT p.id, p.adapter, p.base_url, p.callback, p.credentials, p.max_concurrency, p.max_per_minute, p.callback_options, p.callback_allow, p.callback_format, p.low_balance, p.low_stock, p.currency,
    o."externalStatus" AS status, COALESCE(o."nextCheckAt" <= now(), false) AS is_due, 
    COALESCE(h.failures, 0) AS failures,
    COALESCE((h.down_since IS NOT NULL OR h.failures >= 5), false) AS down,
    h.down_since,
    CASE WHEN (h.down_since IS NOT NULL OR h.failures >= 5) THEN COALESCE(h.probe_at <= now(), true) END AS probe_due,
    h.last_error,
    h.last_error_at,
    h.paused_at,
    h.paused_by,
    h.pause_reason,
    COALESCE(NOT h.lacks_balance AND h.balance IS DISTINCT FROM 0, true) AS has_balance,
    COALESCE(h.account_refusals, 0) AS account_refusals

FROM product_orders AS o JOIN providers AS p ON p.id = o."providerId"
    LEFT JOIN provider_health AS h ON h.provider_id = p.id
WHERE o.id = $1
;;
PREPARE referans_e334004f4e1e9d63 AS 
WITH claimed AS (
    UPDATE product_orders AS o SET "externalStatus" = 'pending', "claimedAt" = now(), attempts = attempts + 1,
        "nextCheckAt" = now() + make_interval(secs => $1),
        "sendingUntil" = now() + make_interval(secs => $1), "mayBeKnown" = false,
        "unknownCount" = 0, "unknownAt" = NULL
    WHERE o.id = $2 AND o."externalStatus" = 'not_sent' AND o."nextCheckAt" IS NOT NULL AND ($3::text IS NULL OR o."providerId" = $3::text)
      AND NOT COALESCE(o.status, 'pending') IN ('approved', 'rejected') AND o.attention IS DISTINCT FROM 'conflict'
    RETURNING o.*
), told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message)
    SELECT id, 'dispatch', 'not_sent', 'pending', 'claimed; sending to ' || "providerId" FROM claimed
)
SELECT 
    o.id::text AS id, o."providerId" AS provider_id, o.provider_referans, o."externalOrderId" AS external_order_id,
    o."userIdentifier" AS user_identifier, o."extraField" AS extra_field, o.quantity, o."routeParams" AS route_params,
    o."fieldMap" AS field_map,
    o."externalStatus" AS external_status, o."productId"::text AS product_id, o."packageId"::text AS package_id,
    o."triedProviders" AS tried_providers, o."checkCount" AS check_count,
    COALESCE(o."mayBeKnown", true) AS may_be_known, now() AS claimed_at, o."pinCode" AS pin_code, o.codes
 FROM claimed AS o
;;
PREPARE referans_e3c3ba9810d86488 AS -- Settles outcomes: records each one (in the inbox and on the timeline) and moves its order if the lifecycle allows it.
--
-- Parameters: one array for each field of an arrival, with one element for each arrival; `order_timeout` in
-- seconds. `codes` is JSON: a list of objects, each with `digests` (under every key, and the plain one where `has_plain`
-- says so), `sealed` and `has_serial`; what the order keeps of each is `digest` (under the first key), `sealed` and `has_serial`, and as
-- `addition` the sealed code that brought a serial later.
-- Returns one row for each arrival whose turn it was: of several for one order, or with one dedupe key, only the first
-- is settled. `wants_plain` in place of a result: nothing was done, since a code of the order has a plain digest only
-- (it was stored in clear), and the arrival has none.
-- Concurrency: the order rows are locked, in the order of their ids, before anything is decided. Of two statements for
-- one order the second decides on what the first has committed. The unique key of the inbox settles a callback once.
-- `decide` in tests/models/lifecycle_table.py says in Python what `decided` says here; a test compares the two.
WITH stages (name, rank, kind) AS (
    VALUES ('not_sent', 0, 'open'), ('pending', 1, 'open'), ('sent', 2, 'open'), ('processing', 3, 'open'), ('completed', 4, 'completed'), ('done', 4, 'completed'), ('delivered', 4, 'completed'), ('approved', 4, 'completed'), ('success', 4, 'completed'), ('failed', 4, 'failed'), ('cancelled', 4, 'failed'), ('canceled', 4, 'failed'), ('rejected', 4, 'failed'), ('reject', 4, 'failed'), ('reversed', 5, 'reversed')
),
incoming AS (
    SELECT
        given.*,
        stage.rank,
        stage.kind
    FROM unnest(
        $1::int[],
        $2::text[],
        $3::text[],
        $4::uuid[],
        $5::text[],
        $6::boolean[],
        $7::text[],
        $8::text[],
        $9::text[],
        $10::text[],
        $11::text[],
        $12::jsonb[],
        $13::boolean[],
        $14::boolean[],
        $15::text[],
        $16::text[],
        $17::text[],
        $18::text[],
        $19::text[],
        $20::text[],
        $21::numeric[],
        $22::text[],
        $23::text[],
        $24::float8[],
        $25::float8[],
        $26::text[],
        $27::text[],
        $28::text[],
        $29::text[]
    ) AS given (
        position,
        provider_id,
        source,
        known_id,
        only_if,
        is_decision,
        seen,
        referans,
        external_order_id,
        status,
        pin,
        codes,
        has_plain,
        unreadable_code,
        receipt,
        message,
        note,
        whole,
        by,
        attention,
        cost,
        currency,
        failure_reason,
        next_check_seconds,
        code_ask_seconds,
        dedupe_key,
        outcome,
        raw,
        raw_of
    )
    JOIN stages AS stage ON stage.name = given.status
),
-- The order that each arrival is about: by its id, by our reference, or by the provider's own number. A provider that
-- had the order before still speaks of it: it refused it and the order went on, or a person had the order sent again,
-- under another reference (`is_given_up`).
matched AS (
    SELECT i.position, i.known_id AS id, false AS is_given_up
    FROM incoming AS i
    WHERE i.known_id IS NOT NULL
    UNION ALL
    SELECT i.position, found.id, found.is_given_up
    FROM incoming AS i
    CROSS JOIN LATERAL (
        (
            SELECT o.id, false AS is_given_up
            FROM product_orders AS o
            WHERE o.provider_referans = i.referans
                AND (o."providerId" = i.provider_id OR i.provider_id = ANY (o."triedProviders"))
            ORDER BY o."providerId" = i.provider_id DESC, o."createdAt" DESC
            LIMIT 1
        )
        UNION ALL
        SELECT f.order_id, true
        FROM former_references AS f
        WHERE f.referans = i.referans AND f.provider_id = i.provider_id
        LIMIT 1
    ) AS found
    WHERE i.known_id IS NULL AND i.referans IS NOT NULL
    UNION ALL
    SELECT i.position, found.id, found.is_given_up
    FROM incoming AS i
    CROSS JOIN LATERAL (
        (
            SELECT o.id, false AS is_given_up
            FROM product_orders AS o
            WHERE o."externalOrderId" = i.external_order_id AND o."providerId" = i.provider_id
            ORDER BY o."createdAt" DESC
            LIMIT 1
        )
        UNION ALL
        SELECT f.order_id, true
        FROM former_references AS f
        WHERE f.external_order_id = i.external_order_id AND f.provider_id = i.provider_id
        LIMIT 1
    ) AS found
    WHERE i.known_id IS NULL AND i.referans IS NULL AND i.external_order_id IS NOT NULL
),
locked AS (
    SELECT
        o.id,
        o."providerId" AS provider_id,
        o.provider_referans AS referans,
        o."triedProviders" AS tried_providers,
        o."externalStatus" AS external_status,
        o.status AS decided_by_hand,
        o.quantity,
        o.attention,
        concat_ws('|', o."externalStatus", o.status, o.attention, o."attentionAt", o."pinDigest",
    jsonb_array_length(o.codes), o."providerId", o.provider_referans) AS version,
        o."providerMessage" AS message,
        o."failureReason" AS failure_reason,
        o.receipt,
        o.expects,
        NULLIF(o."pinCode", '') IS NOT NULL AS has_code,
        -- One code that is nothing but its text stands in "pinCode" alone.
        CASE
            WHEN NULLIF(o."pinCode", '') IS NULL THEN '[]'
            ELSE COALESCE(o.codes, jsonb_build_array(jsonb_build_object(
                'digest', COALESCE(o."pinDigest", encode(sha256(convert_to(o."pinCode", 'UTF8')), 'hex')),
                'pin', o."pinCode"
            )))
        END AS codes,
        -- In clear means: stored before there were keys, or by the other system, so without a keyed digest.
        CASE
            WHEN NULLIF(o."pinCode", '') IS NULL THEN false
            WHEN o.codes IS NULL THEN o."pinDigest" IS NULL OR NOT starts_with(o."pinCode", 'sealed:')
            ELSE EXISTS (
                SELECT FROM jsonb_array_elements(o.codes) AS each (code)
                WHERE NOT starts_with(COALESCE(each.code ->> 'sealed', each.code ->> 'pin', ''), 'sealed:')
            )
        END AS has_plain_digest,
        o."externalStatus" = 'not_sent' AS is_unsent,
        o."nextCheckAt" IS NOT NULL
            AND COALESCE(o."resentAt", o."createdAt") + make_interval(secs => $30) <= now() AS is_overdue
    FROM product_orders AS o
    WHERE o.id IN (SELECT matched.id FROM matched)
    ORDER BY o.id
    FOR UPDATE
),
-- Each arrival with its order as it is now. An order of another provider, or of which `only_if` or `seen` does not hold,
-- is not matched. A word of the column that is not among the stages is not final.
paired AS (
    SELECT
        i.*,
        o.id AS order_id,
        o.external_status AS from_status,
        o.attention AS from_attention,
        o.message AS from_message,
        o.failure_reason AS from_reason,
        o.codes AS from_codes,
        o.has_code AS from_has_code,
        o.has_plain_digest AND i.codes IS NOT NULL AND NOT i.has_plain AS wants_plain,
        o.quantity,
        COALESCE(i.receipt, o.receipt) IS NOT NULL AS has_receipt,
        o.expects AS from_expects,
        CASE WHEN i.unreadable_code THEN 'code' ELSE COALESCE(o.expects, 'auto') END AS expects,
        COALESCE(stage.rank, 1) AS from_rank,
        COALESCE(stage.kind, 'open') AS from_kind,
        -- The older storefront's people decide orders of theirs that are still open here.
        CASE
            WHEN COALESCE(stage.kind, 'open') = 'open' AND o.decided_by_hand IN ('approved', 'rejected')
            THEN o.decided_by_hand
        END AS by_hand,
        matched.is_given_up OR i.provider_id <> o.provider_id OR COALESCE(i.referans <> o.referans, false) AS is_former,
        row_number() OVER (PARTITION BY o.id ORDER BY i.position) AS order_turn,
        row_number() OVER (PARTITION BY i.provider_id, i.dedupe_key ORDER BY i.position) AS key_turn
    FROM incoming AS i
    LEFT JOIN matched ON matched.position = i.position
    LEFT JOIN locked AS o
        ON o.id = matched.id
        AND (
            i.provider_id IS NULL
            OR matched.is_given_up
            OR i.provider_id = o.provider_id
            OR i.provider_id = ANY (o.tried_providers)
            -- The late answer to a send or a check under a former reference: rare, so that it is looked for last.
            OR i.known_id IS NOT NULL AND (
                SELECT true
                FROM former_references AS f
                WHERE f.referans = i.referans AND f.provider_id = i.provider_id AND f.order_id = o.id
                LIMIT 1
            )
        )
        AND (i.seen IS NULL OR i.seen = o.version)
        AND (i.only_if IS NULL OR o.is_unsent AND (i.only_if = 'unsent' OR o.is_overdue))
    LEFT JOIN stages AS stage ON stage.name = lower(o.external_status)
),
-- Those whose turn it is, and how their codes compare with the order's.
compared AS (
    SELECT p.*, same.*
    FROM paired AS p
    LEFT JOIN LATERAL (
        SELECT
            bool_and(known.place IS NOT NULL) AS brings_only_known,
            count(DISTINCT known.place) = jsonb_array_length(p.from_codes) AS brings_all_known,
            count(*) FILTER (WHERE known.place IS NULL) + jsonb_array_length(p.from_codes) <= p.quantity AS fits,
            bool_or(known.place IS NOT NULL AND (given.code ->> 'has_serial')::boolean
                AND NOT COALESCE((known.code ->> 'has_serial')::boolean, false)) AS brings_serials
        FROM jsonb_array_elements(p.codes) AS given (code)
        LEFT JOIN LATERAL (
            SELECT each.code, each.place
            FROM jsonb_array_elements(p.from_codes) WITH ORDINALITY AS each (code, place)
            WHERE given.code -> 'digests' ? (each.code ->> 'digest')
        ) AS known ON true
    ) AS same ON p.from_has_code AND p.codes IS NOT NULL
    WHERE (p.order_id IS NULL OR p.order_turn = 1) AND (p.dedupe_key IS NULL OR p.key_turn = 1)
),
decided AS (
    SELECT
        c.*,
        CASE
            WHEN order_id IS NULL THEN 'unmatched'
            WHEN wants_plain THEN 'wants_plain'
            WHEN is_decision THEN CASE
                WHEN rank = from_rank AND kind = from_kind AND from_attention IS NULL
                    AND from_reason IS DISTINCT FROM 'timeout'
                    AND (codes IS NULL OR brings_only_known AND NOT brings_serials)
                THEN 'duplicate'
                ELSE 'applied'
            END
            WHEN is_former AND kind = 'completed' THEN 'conflict'
            WHEN is_former THEN 'stale'
            WHEN by_hand = 'approved' AND kind = 'failed' AND failure_reason = 'timeout' THEN 'stale'
            WHEN by_hand = 'approved' AND kind IN ('failed', 'reversed') THEN 'conflict'
            WHEN by_hand = 'rejected' AND kind = 'completed' THEN 'conflict'
            WHEN from_kind = 'open' AND rank < from_rank THEN 'stale'
            WHEN from_kind = 'open' AND rank = from_rank
                AND (message IS NULL OR message IS NOT DISTINCT FROM from_message) THEN 'duplicate'
            WHEN from_kind = 'open' THEN 'applied'
            WHEN kind = 'open' THEN 'stale'
            WHEN from_kind <> 'completed' AND kind <> 'completed' THEN 'duplicate'
            WHEN from_kind = 'failed' AND from_reason = 'timeout' THEN 'applied'
            WHEN from_kind <> 'completed' THEN 'conflict'
            WHEN kind = 'reversed' THEN 'applied'
            WHEN kind = 'failed' AND failure_reason = 'timeout' THEN 'stale'
            WHEN kind = 'failed' THEN 'conflict'
            WHEN codes IS NULL THEN 'duplicate'
            WHEN NOT from_has_code THEN 'applied'
            WHEN brings_only_known AND NOT brings_serials THEN 'duplicate'
            WHEN brings_only_known OR brings_all_known AND fits THEN 'applied'
            ELSE 'conflict'
        END AS result
    FROM compared AS c
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
        raw,
        raw_of
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
        raw,
        raw_of
    FROM decided
    WHERE dedupe_key IS NOT NULL AND result <> 'wants_plain'
    ORDER BY provider_id, dedupe_key
    ON CONFLICT (provider_id, dedupe_key) DO UPDATE SET
        result = excluded.result,
        order_id = excluded.order_id,
        settled_at = excluded.settled_at
    WHERE kept.result = 'unmatched' AND excluded.result <> 'unmatched'
    RETURNING provider_id, dedupe_key
),
-- What each arrival does, each condition by its name. A callback that was settled before does nothing.
named AS (
    SELECT
        d.*,
        d.dedupe_key IS NOT NULL AND inbox.dedupe_key IS NULL
            AND d.result NOT IN ('unmatched', 'wants_plain') AS seen_before,
        d.result = 'applied' AS applies,
        d.result = 'applied' AND d.kind <> 'open' AS ends,
        -- Another hand has decided the order, and this is its provider's end, or its timeout: asking goes no further.
        d.result IN ('conflict', 'stale') AND d.by_hand IS NOT NULL AND d.kind <> 'open'
            AND d.is_former IS NOT TRUE AS ends_asking,
        d.result = 'applied' AND d.kind = 'completed' AS completes,
        d.result = 'applied' AND d.kind = 'reversed' AS reverses,
        d.result = 'applied' AND d.kind = 'completed' AND d.codes IS NOT NULL AS fills_codes,
        d.result = 'applied' AND d.from_kind = 'failed' AND NOT d.is_decision AS is_late,
        -- An order that ends without having been sent (`only_if`), or by a person, was neither taken nor sent thereby.
        d.result = 'applied' AND d.only_if IS NULL AND NOT d.is_decision AND d.from_rank = 0 AS was_taken,
        d.result = 'applied' AND d.only_if IS NULL AND NOT d.is_decision AND d.rank >= 2
            AND NOT (d.source = 'dispatch' AND d.kind = 'failed') AS was_sent,
        d.source IN ('dispatch', 'callback', 'poll') AND NOT d.is_former AS by_provider,
        d.source IN ('callback', 'poll') AND NOT d.is_former AS is_known,
        d.from_kind = 'open' AND d.next_check_seconds IS NOT NULL AND NOT d.is_former
            AND (d.result = 'applied' OR d.source = 'callback') AS replans,
        -- Completed without its code, or with one that cannot be read: the provider is asked for it, first at once; a
        -- check or the answer to the send that brought no code counts as the first time.
        d.kind = 'completed' AND NOT d.from_has_code AND (d.codes IS NULL OR d.unreadable_code)
            AND d.expects <> 'no-code'
            AND d.code_ask_seconds IS NOT NULL
            AND (d.result = 'applied'
                OR d.result = 'duplicate' AND d.unreadable_code AND d.from_expects IS DISTINCT FROM 'code')
            AND (d.source = 'callback' OR d.expects = 'code' OR NOT d.has_receipt AND NOT (
                SELECT (
    SELECT count(*) = 20 AND bool_and(NULLIF(recent."pinCode", '') IS NULL)
    FROM (
        SELECT former."pinCode"
        FROM product_orders AS former
        WHERE former."externalStatus" = 'completed'
            AND former."completedAt" IS NOT NULL
            AND former."codeAsks" IS NULL
            AND former."providerId" = o."providerId"
            AND former."productId" = o."productId"
            AND former."packageId" = o."packageId"
            AND former.id <> o.id
        ORDER BY former."completedAt" DESC
        LIMIT 20
    ) AS recent
)
                FROM product_orders AS o
                WHERE o.id = d.order_id
            )) AS awaits_code
    FROM decided AS d
    LEFT JOIN inbox ON inbox.provider_id = d.provider_id AND inbox.dedupe_key = d.dedupe_key
),
moved AS (
    UPDATE product_orders AS o SET
        "externalStatus" = CASE WHEN n.applies THEN n.status ELSE o."externalStatus" END,
        -- An earlier version that runs beside this one places orders without it.
        "placedByGateway" = o."placedByGateway" OR o."routeParams" IS NOT NULL,
        status = CASE WHEN n.completes THEN 'approved' WHEN n.ends THEN 'rejected' ELSE o.status END,
        "failureReason" = CASE
            WHEN NOT n.applies THEN o."failureReason"
            WHEN n.kind = 'failed' THEN n.failure_reason
        END,
        late = o.late OR n.is_late,
        attention = CASE
            WHEN n.is_decision THEN NULL
            WHEN n.result = 'conflict' OR o.attention = 'conflict' THEN 'conflict'
            WHEN n.reverses THEN 'reversed'
            WHEN n.fills_codes AND o.attention = 'no_code' THEN NULL
            WHEN n.ends AND o.attention = 'manual' THEN NULL
            WHEN n.applies AND NOT n.ends THEN COALESCE(o.attention, n.attention)
            ELSE o.attention
        END,
        "attentionAt" = CASE
            WHEN n.is_decision THEN NULL
            WHEN n.result = 'conflict' AND o.attention IS DISTINCT FROM 'conflict' THEN now()
            WHEN n.reverses AND o.attention IS DISTINCT FROM 'conflict' THEN now()
            WHEN o.attention = 'no_code' AND n.fills_codes THEN NULL
            WHEN o.attention = 'manual' AND n.ends THEN NULL
            WHEN n.applies AND NOT n.ends AND o.attention IS NULL AND n.attention IS NOT NULL THEN now()
            ELSE o."attentionAt"
        END,
        -- A person's codes come first, whatever is there.
        "pinCode" = CASE
            WHEN n.fills_codes AND (n.is_decision OR NOT n.from_has_code) THEN n.pin
            ELSE o."pinCode"
        END,
        "pinDigest" = CASE
            WHEN n.fills_codes AND (n.is_decision OR NOT n.from_has_code) THEN n.codes -> 0 -> 'digests' ->> 0
            ELSE o."pinDigest"
        END,
        codes = CASE
            WHEN NOT n.fills_codes THEN o.codes
            WHEN n.from_has_code THEN (
                SELECT jsonb_agg(all_codes.code ORDER BY all_codes.place)
                FROM (
                    SELECT
                        CASE
                            WHEN (given.code ->> 'has_serial')::boolean
                                AND NOT COALESCE((known.code ->> 'has_serial')::boolean, false)
                            THEN known.code || jsonb_build_object('has_serial', true, 'addition', given.code -> 'sealed')
                            ELSE known.code
                        END AS code,
                        CASE
                            WHEN NOT n.is_decision THEN known.place
                            ELSE COALESCE(given.place, jsonb_array_length(n.codes) + known.place)
                        END AS place
                    FROM jsonb_array_elements(n.from_codes) WITH ORDINALITY AS known (code, place)
                    LEFT JOIN jsonb_array_elements(n.codes) WITH ORDINALITY AS given (code, place)
                        ON given.code -> 'digests' ? (known.code ->> 'digest')
                    UNION ALL
                    SELECT
                        (given.code - 'digests')
                            || jsonb_build_object('digest', given.code -> 'digests' ->> 0)
                            || CASE WHEN given.code ? 'sealed' THEN '{}' ELSE jsonb_build_object('pin', n.pin) END,
                        CASE WHEN n.is_decision THEN 0 ELSE jsonb_array_length(n.from_codes) END + given.place
                    FROM jsonb_array_elements(n.codes) WITH ORDINALITY AS given (code, place)
                    WHERE NOT EXISTS (
                        SELECT FROM jsonb_array_elements(n.from_codes) AS known (code)
                        WHERE given.code -> 'digests' ? (known.code ->> 'digest')
                    )
                ) AS all_codes
            )
            -- One code that is nothing but its text stands in "pinCode" alone.
            WHEN jsonb_array_length(n.codes) = 1 AND NOT n.codes -> 0 ? 'sealed' THEN NULL
            ELSE (
                SELECT jsonb_agg(
                    (given.code - 'digests') || jsonb_build_object('digest', given.code -> 'digests' ->> 0)
                    ORDER BY given.place
                )
                FROM jsonb_array_elements(n.codes) WITH ORDINALITY AS given (code, place)
            )
        END,
        receipt = CASE WHEN n.applies THEN COALESCE(n.receipt, o.receipt) ELSE o.receipt END,
        expects = CASE WHEN n.awaits_code AND n.unreadable_code THEN 'code' ELSE o.expects END,
        "externalOrderId" = CASE
            WHEN n.is_former THEN o."externalOrderId"
            ELSE COALESCE(o."externalOrderId", n.external_order_id)
        END,
        "costAmount" = CASE WHEN n.is_former THEN o."costAmount" ELSE COALESCE(n.cost, o."costAmount") END,
        "costCurrency" = CASE WHEN n.is_former THEN o."costCurrency" ELSE COALESCE(n.currency, o."costCurrency") END,
        "lastMessage" = COALESCE(CASE WHEN n.applies THEN left(n.message, 250) END, o."lastMessage"),
        "providerMessage" = COALESCE(CASE WHEN n.applies THEN n.message END, o."providerMessage"),
        "claimedAt" = COALESCE(o."claimedAt", CASE WHEN n.was_taken THEN now() END),
        "sentAt" = COALESCE(o."sentAt", CASE
            WHEN n.was_sent AND n.source = 'dispatch' THEN now()
            WHEN n.was_sent THEN COALESCE(o."claimedAt", now())
        END),
        "sendingUntil" = CASE WHEN n.source = 'dispatch' AND n.by_provider THEN NULL ELSE o."sendingUntil" END,
        "mayBeKnown" = o."mayBeKnown" OR n.is_known,
        "unknownCount" = CASE WHEN n.by_provider THEN 0 ELSE o."unknownCount" END,
        "unknownAt" = CASE WHEN n.by_provider THEN NULL ELSE o."unknownAt" END,
        "lastSyncAt" = CASE WHEN n.by_provider THEN now() ELSE o."lastSyncAt" END,
        "lastCallbackAt" = CASE WHEN n.by_provider AND n.source = 'callback' THEN now() ELSE o."lastCallbackAt" END,
        "completedAt" = COALESCE(o."completedAt", CASE WHEN n.completes THEN now() END),
        "approvedAt" = COALESCE(o."approvedAt", CASE WHEN n.completes THEN now() END),
        "reversedAt" = CASE
            WHEN n.reverses THEN COALESCE(o."reversedAt", now())
            WHEN NOT n.applies THEN o."reversedAt"
        END,
        "durationMs" = COALESCE(o."durationMs", CASE WHEN n.completes THEN LEAST(
            2147483647,
            1000 * EXTRACT(EPOCH FROM now() - COALESCE(o."sentAt", o."claimedAt", now()))
        )::int END),
        "codeAsks" = CASE
            WHEN n.awaits_code AND n.source = 'callback' THEN 0
            WHEN n.awaits_code THEN COALESCE(o."codeAsks", 1)
            WHEN n.ends THEN NULL
            ELSE o."codeAsks"
        END,
        "nextCheckAt" = CASE
            WHEN n.awaits_code THEN now() + make_interval(secs => n.code_ask_seconds)
            WHEN n.ends OR n.ends_asking OR n.applies AND n.attention IS NOT NULL THEN NULL
            WHEN n.replans THEN LEAST(
                now() + make_interval(secs => n.next_check_seconds),
                COALESCE(o."sentAt", o."claimedAt", now()) + make_interval(secs => $30)
            )
            ELSE o."nextCheckAt"
        END
    FROM named AS n
    WHERE o.id = n.order_id AND NOT n.seen_before AND n.result <> 'wants_plain'
    RETURNING o.id, o."externalStatus" AS status
),
told AS (
    INSERT INTO order_events (order_id, source, "from", "to", message, result, detail, "by", whole)
    SELECT
        n.order_id,
        n.source,
        n.from_status,
        moved.status,
        left(CASE
            WHEN n.is_late THEN COALESCE(n.note, n.status) || ' (late: it had timed out)'
            WHEN n.is_decision OR n.applies THEN COALESCE(n.note, n.status)
            WHEN n.is_former THEN n.result || ': ' || n.status || ' at ' || n.provider_id
                || ', which had the order before' || COALESCE(': ' || n.note, '')
            ELSE n.result || ': ' || n.status || COALESCE(', ' || n.note, '')
        END, 1000),
        n.result,
        CASE WHEN n.result = 'conflict' THEN n.outcome END,
        n.by,
        n.whole
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
    n.is_late AND NOT n.seen_before AS late,
    CASE WHEN n.awaits_code AND NOT n.seen_before THEN n.code_ask_seconds END AS ask_in_seconds
FROM named AS n
LEFT JOIN moved ON moved.id = n.order_id
;;
PREPARE referans_1bd7d3af5fc0feee AS 
WITH claimed AS (
    UPDATE product_orders AS o SET "checkCount" = o."checkCount" + 1, "lastSyncAt" = now(), "checkRequestedAt" = NULL,
        "nextCheckAt" = CASE
            WHEN NOT lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') THEN NULL
            WHEN COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => $1) <= now()
            THEN now() + make_interval(secs => $2)
            ELSE LEAST(
                now() + make_interval(secs => ($3::float8[])[
                    LEAST(o."checkCount" + 1, array_length($3::float8[], 1))]),
                COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => $1)) END
    WHERE o.id = $4 AND o."nextCheckAt" <= now() AND o."externalStatus" <> 'not_sent'
      AND (lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') OR o."codeAsks" IS NULL) AND ($5::text IS NULL OR o."providerId" = $5::text) AND (
        o."checkRequestedAt" IS NOT NULL
        OR lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') AND (
            o."lastCallbackAt" IS NULL
            OR o."lastCallbackAt" + make_interval(secs => $6) <= now()
            OR COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => $1) <= now()))
    RETURNING o.*
)
SELECT 
    o.id::text AS id, o."providerId" AS provider_id, o.provider_referans, o."externalOrderId" AS external_order_id,
    o."userIdentifier" AS user_identifier, o."extraField" AS extra_field, o.quantity, o."routeParams" AS route_params,
    o."fieldMap" AS field_map,
    o."externalStatus" AS external_status, o."productId"::text AS product_id, o."packageId"::text AS package_id,
    o."triedProviders" AS tried_providers, o."checkCount" AS check_count,
    COALESCE(o."mayBeKnown", true) AS may_be_known, now() AS claimed_at, o."pinCode" AS pin_code, o.codes
, EXTRACT(EPOCH FROM o."nextCheckAt" - now())::float8 AS next_check_seconds,
    lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed')
        AND COALESCE(o."sentAt", o."claimedAt") + make_interval(secs => $1) <= now() AS expired
FROM claimed AS o
;;
PREPARE referans_2f6dec2c1229a6cc AS SELECT 
    o.id::text AS id,
    o."orderNo" AS order_no,
    o."productId"::text AS product_id,
    o."packageId"::text AS package_id,
    o.quantity,
    o."userIdentifier" AS user_identifier,
    o."extraField" AS extra_field,
    o.status,
    o."externalStatus" AS external_status,
    o."providerId" AS provider_id,
    o.provider_referans,
    o."externalOrderId" AS external_order_id,
    o."pinCode" AS pin_code,
    o.codes,
    o.receipt,
    o."lastMessage" AS last_message,
    o."createdAt" AS created_at,
    o."sentAt" AS sent_at,
    o."lastSyncAt" AS last_sync_at,
    o."completedAt" AS completed_at,
    o."reversedAt" AS reversed_at,
    o."durationMs" AS duration_ms,
    o."notifyUrl" AS notify_url,
    o."failureReason" AS failure_reason,
    o.attention
 FROM product_orders AS o WHERE o.id = $1
;;
PREPARE referans_ceabecb177181a5c AS 
SELECT digest, id, name, scopes, expires_at,
    EXTRACT(EPOCH FROM expires_at - now())::float8 AS expires_in_seconds,
    COALESCE(last_used_on = current_date, false) AS is_used_today
FROM api_keys WHERE revoked_at IS NULL
;;
PREPARE referans_f392248f1480a722 AS 
SELECT o.id::text AS id, o."externalStatus" AS external_status, o."providerId" AS provider_id,
    o."nextCheckAt" AS next_check_at
FROM product_orders AS o
WHERE o."nextCheckAt" <= now() AND o."nextCheckAt" IS NOT NULL AND (lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') OR o."codeAsks" IS NOT NULL OR o."checkRequestedAt" IS NOT NULL)
  AND ($1::timestamptz IS NULL OR (o."nextCheckAt", o.id) > ($1::timestamptz, $2::uuid))
ORDER BY o."nextCheckAt", o.id LIMIT $3
;;
PREPARE referans_b29ff157b54b6528 AS 
INSERT INTO provider_health AS h (provider_id, failures, last_error, last_error_at, down_since, probe_at)
VALUES ($1, 1, $2, now(), CASE WHEN $3::boolean THEN now() END,
    CASE WHEN $3::boolean THEN now() + make_interval(secs => $4) END)
ON CONFLICT (provider_id) DO UPDATE SET failures = h.failures + 1, last_error = excluded.last_error,
    last_error_at = now(),
    down_since = COALESCE(h.down_since,
        CASE WHEN $3::boolean OR h.failures + 1 >= 5 THEN now() END),
    probe_at = CASE
        WHEN NOT (h.down_since IS NOT NULL OR h.failures >= 5) AND ($3::boolean OR h.failures + 1 >= 5)
        THEN now() + make_interval(secs => $4)
        ELSE h.probe_at
    END
RETURNING COALESCE(h.down_since = now(), false) AS opened
;;
PREPARE referans_cd7980dd8219f6d9 AS 
UPDATE provider_health AS h SET failures = 0, down_since = NULL,
    probe_at = CASE WHEN (h.paused_at IS NOT NULL AND h.paused_by = 'gateway') THEN h.probe_at END,
    returned_at = CASE WHEN was.down AND h.paused_at IS NULL THEN now() ELSE h.returned_at END
FROM (
    SELECT h.provider_id, (h.down_since IS NOT NULL OR h.failures >= 5) AS down FROM provider_health AS h WHERE h.provider_id = $1 FOR UPDATE
) AS was
WHERE h.provider_id = was.provider_id AND (h.failures > 0 OR was.down) AND ($2::boolean OR NOT was.down)
RETURNING was.down AS was_down
;;
PREPARE referans_bb0b67883cfd8507 AS SELECT 
    COALESCE(h.failures, 0) AS failures,
    COALESCE((h.down_since IS NOT NULL OR h.failures >= 5), false) AS down,
    h.down_since,
    CASE WHEN (h.down_since IS NOT NULL OR h.failures >= 5) THEN COALESCE(h.probe_at <= now(), true) END AS probe_due,
    h.last_error,
    h.last_error_at,
    h.paused_at,
    h.paused_by,
    h.pause_reason,
    COALESCE(NOT h.lacks_balance AND h.balance IS DISTINCT FROM 0, true) AS has_balance,
    COALESCE(h.account_refusals, 0) AS account_refusals
 FROM provider_health AS h WHERE h.provider_id = $1
;;
PREPARE referans_2462d7bdec40820f AS 
SELECT h.provider_id FROM provider_health AS h JOIN providers AS p ON p.id = h.provider_id
WHERE ((h.down_since IS NOT NULL OR h.failures >= 5) OR (h.paused_at IS NOT NULL AND h.paused_by = 'gateway')) AND COALESCE(h.probe_at <= now(), true)
ORDER BY h.probe_at NULLS FIRST, h.provider_id
;;
PREPARE referans_14129c2abd0440df AS 
SELECT h.provider_id, h.returned_at <= now() - make_interval(secs => 10) AS is_over
FROM provider_health AS h WHERE h.returned_at IS NOT NULL AND NOT COALESCE((h.down_since IS NOT NULL OR h.failures >= 5) OR h.paused_at IS NOT NULL, false)
;;
PREPARE referans_b1832627e54dd80e AS 
WITH shown AS (
    INSERT INTO provider_health AS h (provider_id, balance, balance_currency, balance_at)
    VALUES ($1::text, $2::numeric, $3::text, now())
    ON CONFLICT (provider_id) DO UPDATE SET balance = excluded.balance,
        balance_currency = excluded.balance_currency, balance_at = excluded.balance_at
    WHERE h.balance IS NULL OR h.balance_at < $4::timestamptz OR excluded.balance < h.balance
        OR h.balance_currency IS DISTINCT FROM excluded.balance_currency
)
INSERT INTO balance_readings (provider_id, order_id, began_at, cost, remaining, currency, event_id)
VALUES ($1::text, $5::uuid, $4::timestamptz, $6::numeric, $2::numeric,
    $3::text, $7::bigint)
;;
PREPARE referans_83c7d9fb455e2757 AS 
SELECT p.id AS provider_id, COALESCE($1::timestamptz, now()) AS at, c.balance, c.currency, c.since,
    c.order_id::text AS order_id, c.answered_at,
    COALESCE(c.event_id, first.event_id, (
        SELECT min(e.id) - 1000 FROM order_events AS e WHERE e.order_id = first.order_id), 0) AS event_id,
    COALESCE(c.decimals, 0) AS decimals, c.under_way_since, COALESCE(c.open_ids, '{}') AS open_ids,
    CASE WHEN p.updated_at > p.created_at THEN p.updated_at + make_interval(secs => $2) ELSE p.created_at END
        AS valid_since
FROM providers AS p
LEFT JOIN balance_chains AS c ON c.provider_id = p.id
LEFT JOIN LATERAL (
    SELECT r.order_id, r.event_id FROM balance_readings AS r WHERE r.provider_id = p.id AND NOT r.is_placed
    ORDER BY r.began_at LIMIT 1
) AS first ON c.provider_id IS NULL
WHERE p.id = $3
;;
PREPARE referans_36d9a402869c069d AS 
WITH heard AS (
    SELECT e.order_id, max(e.at) AS at, bool_or(e.source NOT IN ('dispatch', 'callback', 'poll')) AS is_given_up,
        bool_or(e.result = 'conflict') AS is_conflict
    FROM order_events AS e JOIN product_orders AS o ON o.id = e.order_id
    WHERE e.id > $1 AND (
        e."from" = 'pending' AND e."to" <> 'pending' OR e."from" = 'failed' AND e."to" = 'completed'
        OR e.result = 'conflict' OR e."from" <> e."to" AND COALESCE(o."placedByGateway", o."routeParams" IS NOT NULL) IS NOT TRUE)
    GROUP BY e.order_id
), possible AS (
    SELECT o.id FROM product_orders AS o
    WHERE o."externalStatus" IN ('pending', 'sent', 'processing') AND o."providerId" = $2
        AND (o."externalStatus" = 'pending' OR COALESCE(o."placedByGateway", o."routeParams" IS NOT NULL) IS NOT TRUE)
    UNION
    SELECT order_id FROM heard
), sent AS (
    SELECT o.*, heard.at AS heard_at, heard.is_given_up, COALESCE(former.n, 0) AS former,
        o."externalStatus" = 'pending' AND o."providerId" = $2 AS is_pending,
        o."providerId" = $2 AND COALESCE(o."claimedAt", o."sentAt") IS NOT NULL
            AND NOT (o."externalStatus" = 'failed' AND o."sentAt" IS NULL)
            AND NOT (o."externalStatus" = 'pending' AND o."sendingUntil" IS NULL AND o."mayBeKnown" IS FALSE)
            AS is_here,
        COALESCE(heard.is_conflict AND $2 = ANY (o."triedProviders"), false) AS is_conflict,
        told.n AS told, told.unplaced
    FROM possible
    JOIN product_orders AS o ON o.id = possible.id
    LEFT JOIN heard ON heard.order_id = o.id
    LEFT JOIN LATERAL (
        SELECT count(*) AS n FROM former_references AS f WHERE f.order_id = o.id AND f.provider_id = $2
    ) AS former ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS n, count(*) FILTER (WHERE NOT r.is_placed) AS unplaced
        FROM balance_readings AS r WHERE r.order_id = o.id AND r.provider_id = $2
    ) AS told ON true
)
SELECT o.id::text AS order_id,
    CASE WHEN o.former > 0 OR o."claimedAt" IS NULL THEN o."createdAt" ELSE o."claimedAt" END AS since,
    CASE WHEN NOT o.is_pending AND NOT o.is_given_up THEN o.heard_at END AS until,
    CASE
        WHEN o.is_here AND o."sendingUntil" > $3::timestamptz
        THEN GREATEST(o."claimedAt", o."sendingUntil" - make_interval(secs => $4))
        WHEN o.heard_at > $3::timestamptz - interval '60 seconds' THEN o."claimedAt"
    END AS under_way_since,
    o.is_pending, o.heard_at, concat_ws('/', o."productId"::text, o."packageId"::text, o.quantity::text, o."routeParams"::text) AS package,
    (o.is_here::int + o.is_conflict::int + o.former - o.told)::int AS missing, o.unplaced::int
FROM sent AS o
WHERE o.is_here::int + o.is_conflict::int + o.former > o.told
;;
PREPARE referans_89f34aa568a3aa01 AS 
SELECT id, order_id::text AS order_id, began_at, answered_at, cost, remaining, currency, event_id
FROM balance_readings WHERE provider_id = $1 AND NOT is_placed AND answered_at <= $2::timestamptz
ORDER BY id LIMIT $3
;;
PREPARE referans_c960d2c043d93f4f AS 
WITH free AS (
    SELECT c.id FROM stock_codes AS c
    WHERE c.stock = $1::text AND c.referans IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
    ORDER BY c.id LIMIT $2::int FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT array_agg(id ORDER BY id) AS ids FROM free HAVING count(*) = $2::int
), taken AS (
    UPDATE stock_codes AS c SET provider_id = $3::text, referans = $4::text,
        place = array_position(chosen.ids, c.id), taken_at = now()
    FROM chosen WHERE c.id = ANY (chosen.ids)
    RETURNING c.*
)
SELECT stock, digest, code, cost, currency FROM taken ORDER BY place

--- life
EXECUTE referans_6d954b67eada8252('{"0"}'::int[], '{"{order}"}'::uuid[], '{"game"}'::text[], '{"60"}'::text[], '{"game"}', '{"60"}', '{"1"}'::int[], '{"player"}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{"{referans}"}'::text[], '{"placed with key tests"}'::text[], '{"tests"}'::text[], '{"1"}'::bigint[], '{"{key}"}'::text[], '{"e63dedd731038489258f4c63c9d005b738744a1a95b6d2b7a23bf505cf7ea79b"}'::text[], 60)
;;
EXECUTE referans_2a4c7eec82c36ac7('{order}')
;;
EXECUTE referans_e334004f4e1e9d63(60, '{order}', NULL::text)
;;
EXECUTE referans_e3c3ba9810d86488('{"0"}'::int[], '{"sandbox"}'::text[], '{"dispatch"}'::text[], '{NULL}'::uuid[], '{NULL}'::text[], '{"False"}'::boolean[], '{NULL}'::text[], '{"{referans}"}'::text[], '{NULL}'::text[], '{"sent"}'::text[], '{NULL}'::text[], '{NULL}'::jsonb[], '{"True"}'::boolean[], '{"False"}'::boolean[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::numeric[], '{NULL}'::text[], '{"provider"}'::text[], '{"60"}'::float8[], '{NULL}'::float8[], '{NULL}'::text[], '{"{\"status\": \"sent\", \"referans\": \"{referans}\"}"}'::text[], '{NULL}'::text[], '{NULL}'::text[], 86400.0)
;;
WITH planned AS (
    UPDATE product_orders AS o SET "nextCheckAt" = now(), "checkRequestedAt" = now(), "checkAskedAt" = now()
    WHERE o.id = '{order}' AND (o."externalStatus" <> 'not_sent' AND o."providerId" IS NOT NULL AND o.provider_referans IS NOT NULL
    AND COALESCE(o."sentAt", o."claimedAt") IS NOT NULL AND o.attention IS DISTINCT FROM 'manual')
      AND (o."checkAskedAt" IS NULL OR o."checkAskedAt" <= now() - make_interval(secs => 5.0))
    RETURNING o.id
)
SELECT CASE WHEN EXISTS (SELECT FROM planned) THEN 'planned' ELSE 'same' END AS requested
FROM product_orders AS o WHERE o.id = '{order}' AND (o."externalStatus" <> 'not_sent' AND o."providerId" IS NOT NULL AND o.provider_referans IS NOT NULL
    AND COALESCE(o."sentAt", o."claimedAt") IS NOT NULL AND o.attention IS DISTINCT FROM 'manual')
;;
EXECUTE referans_1bd7d3af5fc0feee(86400, 60, ARRAY[30.0,60.0]::float8[], '{order}', NULL::text, 600)
;;
EXECUTE referans_e3c3ba9810d86488('{"0"}'::int[], '{"sandbox"}'::text[], '{"poll"}'::text[], '{NULL}'::uuid[], '{NULL}'::text[], '{"False"}'::boolean[], '{NULL}'::text[], '{"{referans}"}'::text[], '{NULL}'::text[], '{"processing"}'::text[], '{NULL}'::text[], '{NULL}'::jsonb[], '{"True"}'::boolean[], '{"False"}'::boolean[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::numeric[], '{NULL}'::text[], '{"provider"}'::text[], '{"60"}'::float8[], '{NULL}'::float8[], '{NULL}'::text[], '{"{\"status\": \"processing\", \"referans\": \"{referans}\"}"}'::text[], '{NULL}'::text[], '{NULL}'::text[], 86400.0)
;;
EXECUTE referans_e3c3ba9810d86488('{"0"}'::int[], '{"sandbox"}'::text[], '{"callback"}'::text[], '{NULL}'::uuid[], '{NULL}'::text[], '{"False"}'::boolean[], '{NULL}'::text[], '{"{referans}"}'::text[], '{NULL}'::text[], '{"completed"}'::text[], '{"PINPIN"}'::text[], '{"[{\"digests\": [\"c16671a8def7cb4bce96fa73b27315a8ef1923bb692367423da58a0a08dd4809\"], \"has_serial\": false}]"}'::jsonb[], '{"True"}'::boolean[], '{"False"}'::boolean[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::numeric[], '{NULL}'::text[], '{"provider"}'::text[], '{NULL}'::float8[], '{NULL}'::float8[], '{"{event}"}'::text[], '{"{\"status\": \"completed\", \"referans\": \"{referans}\", \"codes\": [{\"code\": \"PINPIN\"}]}"}'::text[], '{"{}"}'::text[], '{NULL}'::text[], 86400.0)
;;
EXECUTE referans_e3c3ba9810d86488('{"0"}'::int[], '{"sandbox"}'::text[], '{"callback"}'::text[], '{NULL}'::uuid[], '{NULL}'::text[], '{"False"}'::boolean[], '{NULL}'::text[], '{"{referans}"}'::text[], '{NULL}'::text[], '{"failed"}'::text[], '{NULL}'::text[], '{NULL}'::jsonb[], '{"True"}'::boolean[], '{"False"}'::boolean[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::numeric[], '{NULL}'::text[], '{"provider"}'::text[], '{NULL}'::float8[], '{NULL}'::float8[], '{"{event}2"}'::text[], '{"{\"status\": \"failed\", \"referans\": \"{referans}\"}"}'::text[], '{"{}"}'::text[], '{NULL}'::text[], 86400.0)
;;
EXECUTE referans_2f6dec2c1229a6cc('{order}')
;;
SELECT e.id, e.at, e.source, e."from" AS came_from, e."to" AS went_to, e.message, e."by", e.whole FROM order_events AS e WHERE e.order_id = '{order}' AND e.id > 0
ORDER BY e.id LIMIT NULL
;;
EXECUTE referans_ceabecb177181a5c
;;
SELECT 
    o.id::text AS id,
    o."orderNo" AS order_no,
    o."productId"::text AS product_id,
    o."packageId"::text AS package_id,
    o.quantity,
    o."userIdentifier" AS user_identifier,
    o."extraField" AS extra_field,
    o.status,
    o."externalStatus" AS external_status,
    o."providerId" AS provider_id,
    o.provider_referans,
    o."externalOrderId" AS external_order_id,
    o."pinCode" AS pin_code,
    o.codes,
    o.receipt,
    o."lastMessage" AS last_message,
    o."createdAt" AS created_at,
    o."sentAt" AS sent_at,
    o."lastSyncAt" AS last_sync_at,
    o."completedAt" AS completed_at,
    o."reversedAt" AS reversed_at,
    o."durationMs" AS duration_ms,
    o."notifyUrl" AS notify_url,
    o."failureReason" AS failure_reason,
    o.attention
, concat_ws('|', o."externalStatus", o.status, o.attention, o."attentionAt", o."pinDigest",
    jsonb_array_length(o.codes), o."providerId", o.provider_referans) AS version, o."triedProviders" AS tried_providers,
    COALESCE(o."placedByGateway", o."routeParams" IS NOT NULL) AS is_ours,
    COALESCE(o."claimedAt", o."sentAt") IS NOT NULL AS was_claimed,
    o."mayBeKnown" IS FALSE AND o."sendingUntil" IS NULL AS never_reached,
    (SELECT f.provider_id FROM former_references AS f WHERE f.order_id = o.id AND f.may_have_it
        ORDER BY f.given_up_at DESC LIMIT 1) AS former_holder,
    (SELECT e."by" FROM order_events AS e WHERE e.order_id = o.id AND e.source = 'operator' AND e.result = 'applied'
        AND e.at > now() - make_interval(secs => 1) ORDER BY e.id DESC LIMIT 1) AS just_decided_by
FROM product_orders AS o WHERE o.id = '{order}'
;;
SELECT referans, provider_id, external_order_id, pin_code, codes, given_up_at FROM former_references
WHERE order_id = '{order}' ORDER BY given_up_at, provider_id
;;
SELECT at, detail FROM order_events WHERE order_id = '{order}' AND result = 'conflict' AND detail IS NOT NULL ORDER BY id
;;
INSERT INTO order_events (order_id, source, "from", "to", message, "by", whole)
SELECT o.id, 'operator', o."externalStatus", o."externalStatus", 'looked', NULL, NULL
FROM product_orders AS o WHERE o.id = '{order}'

--- beside
EXECUTE referans_e3c3ba9810d86488('{"0"}'::int[], '{"sandbox"}'::text[], '{"callback"}'::text[], '{NULL}'::uuid[], '{NULL}'::text[], '{"False"}'::boolean[], '{NULL}'::text[], '{"999999999999999"}'::text[], '{NULL}'::text[], '{"sent"}'::text[], '{NULL}'::text[], '{NULL}'::jsonb[], '{"True"}'::boolean[], '{"False"}'::boolean[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::text[], '{NULL}'::numeric[], '{NULL}'::text[], '{"provider"}'::text[], '{NULL}'::float8[], '{NULL}'::float8[], '{"{event}3"}'::text[], '{"{\"status\": \"sent\", \"referans\": \"999999999999999\"}"}'::text[], '{"{}"}'::text[], '{NULL}'::text[], 86400.0)
;;
SELECT 
    c.id, c.provider_id, c.received_at, c.settled_at, c.result, c.order_id::text AS order_id, c.referans,
    c.external_order_id, c.status, c.message
, c.dedupe_key, c.outcome, c.raw, c.raw_of FROM callback_events AS c
WHERE c.result = 'unmatched' AND c.id > 0 AND (
    EXISTS (SELECT FROM product_orders AS o
            WHERE o.provider_referans = c.referans
              AND (o."providerId" = c.provider_id OR c.provider_id = ANY (o."triedProviders")))
    OR EXISTS (SELECT FROM product_orders AS o
               WHERE c.referans IS NULL AND o."externalOrderId" = c.external_order_id
                 AND o."providerId" = c.provider_id))
ORDER BY c.id LIMIT 100
;;
INSERT INTO sweeps (started_by) VALUES ('scheduler') RETURNING id
;;
UPDATE product_orders SET "nextCheckAt" = NULL WHERE id IN (
    SELECT o.id FROM product_orders AS o WHERE o."nextCheckAt" <= now()
        AND (NOT (lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') OR o."codeAsks" IS NOT NULL OR o."checkRequestedAt" IS NOT NULL) OR o."externalStatus" = 'not_sent' AND COALESCE(o.status, 'pending') IN ('approved', 'rejected'))
    ORDER BY o."nextCheckAt" LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING id
;;
EXECUTE referans_f392248f1480a722(NULL::timestamptz, NULL::uuid, 100)
;;
UPDATE product_orders SET "nextCheckAt" = now() WHERE id IN (
    SELECT o.id FROM product_orders AS o JOIN providers AS p ON p.id = o."providerId"
    WHERE o."nextCheckAt" IS NULL AND o."externalStatus" IN ('queued', 'sent', 'processing') AND o.status = 'pending'
      AND o.attention IS NULL
      AND o.provider_referans IS NOT NULL AND o."sentAt" > now() - make_interval(secs => 86400)
    ORDER BY o."sentAt" LIMIT 100 FOR UPDATE OF o SKIP LOCKED)
  AND "nextCheckAt" IS NULL
RETURNING id
;;
DELETE FROM callback_events WHERE id IN (
    SELECT id FROM callback_events
    WHERE received_at < now() - make_interval(secs => 2592000) ORDER BY received_at LIMIT 100)
RETURNING id
;;
DELETE FROM idempotency_keys WHERE (api_key_id, key) IN (
    SELECT api_key_id, key FROM idempotency_keys
    WHERE created_at < now() - make_interval(secs => 604800) ORDER BY created_at LIMIT 100)
RETURNING key
;;
DELETE FROM balance_readings WHERE id IN (
    SELECT oldest.id FROM (SELECT id, answered_at FROM balance_readings ORDER BY id LIMIT 100) AS oldest
    WHERE oldest.answered_at < now() - make_interval(secs => 2592000))
RETURNING id
;;
UPDATE sweeps SET finished_at = now(), counts = '{"a": 1}', error = NULL WHERE id = 1
;;
SELECT started_at, finished_at, started_by, counts, error,
       EXTRACT(EPOCH FROM now() - started_at)::float8 AS age_seconds
FROM sweeps ORDER BY started_at DESC LIMIT 1
;;
INSERT INTO heartbeats (process, beat_at) VALUES ('scheduler', now())
ON CONFLICT (process) DO UPDATE SET beat_at = excluded.beat_at
;;
EXECUTE referans_b29ff157b54b6528('sandbox', 'error', false::boolean, 30)
;;
EXECUTE referans_cd7980dd8219f6d9('sandbox', true::boolean)
;;
EXECUTE referans_bb0b67883cfd8507('sandbox')
;;
EXECUTE referans_2462d7bdec40820f
;;
EXECUTE referans_14129c2abd0440df
;;
INSERT INTO provider_health AS h (provider_id, paused_at, paused_by, pause_reason)
VALUES ('sandbox', now(), 'me', 'why')
ON CONFLICT (provider_id) DO UPDATE SET paused_at = now(), paused_by = excluded.paused_by,
    pause_reason = excluded.pause_reason, lacks_balance = false, paused_balance = NULL
;;
UPDATE provider_health AS h SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, lacks_balance = false,
    paused_balance = NULL, account_refusals = 0,
    returned_at = CASE WHEN (h.down_since IS NOT NULL OR h.failures >= 5) THEN h.returned_at ELSE now() END
WHERE h.provider_id = 'sandbox' AND h.paused_at IS NOT NULL
    AND ('me'::text <> 'gateway' OR h.paused_by = 'gateway')
RETURNING h.provider_id
;;
SELECT provider_id, kind, sum(count)::int AS count, max(last_at) AS last_at,
    (array_agg(last_reason ORDER BY last_at DESC))[1] AS last_reason
FROM provider_counts WHERE began_at > now() - interval '1 hour' GROUP BY provider_id, kind
;;
EXECUTE referans_b1832627e54dd80e('sandbox'::text, 100::numeric, 'TRY'::text, '2026-11-26T03:54:36.058518+00:00'::timestamptz::timestamptz, '{order}'::uuid, 1::numeric, NULL::bigint)
;;
SELECT DISTINCT provider_id FROM balance_readings WHERE NOT is_placed ORDER BY provider_id
;;
EXECUTE referans_83c7d9fb455e2757(NULL::timestamptz, 60, 'sandbox')
;;
EXECUTE referans_36d9a402869c069d( -999, 'sandbox', '2026-11-26T03:54:36.060253+00:00'::timestamptz::timestamptz, 0)
;;
EXECUTE referans_89f34aa568a3aa01('sandbox', '2026-11-26T03:54:36.060253+00:00'::timestamptz::timestamptz, 2000)
;;
UPDATE balance_readings SET is_placed = true WHERE id = ANY (ARRAY[1]) AND NOT is_placed
;;
DELETE FROM balance_gaps WHERE provider_id = 'sandbox' AND NOT is_final AND NOT later_reading_id = ANY ('{}')
;;
INSERT INTO balance_chains AS c (provider_id, balance, currency, since, order_id, answered_at, event_id, decimals,
    under_way_since, open_ids)
VALUES ('sandbox', 100.00, 'TRY', '2026-11-26T03:54:36.058518+00:00'::timestamptz, '{order}', '2026-11-26T03:54:36.058879+00:00'::timestamptz, COALESCE(NULL::bigint, (
        SELECT max(e.id) FROM order_events AS e WHERE e.order_id = '{order}'::uuid AND e.at <= '2026-11-26T03:54:36.058518+00:00'::timestamptz
    ),  -999), 0, '2026-11-26T03:54:36.060253+00:00'::timestamptz, '{}')
ON CONFLICT (provider_id) DO UPDATE SET balance = excluded.balance, currency = excluded.currency,
    since = excluded.since, order_id = excluded.order_id, answered_at = excluded.answered_at,
    event_id = excluded.event_id, decimals = excluded.decimals, under_way_since = excluded.under_way_since,
    open_ids = excluded.open_ids
;;
SELECT p.id AS provider_id, h.balance, COALESCE(h.balance_currency, p.currency) AS currency, h.balance_at AS at,
    EXTRACT(EPOCH FROM now() - h.balance_at)::float8 AS age_seconds, p.low_balance,
    COALESCE(h.balance < p.low_balance, false) AS is_low,
    COALESCE(gap.n, 0)::int AS gaps, gap.id AS gap_id, gap.amount AS gap_amount, gap.currency AS gap_currency,
    gap.balance AS gap_balance, gap.earlier_order_id::text AS gap_earlier_order_id, gap.earlier_at AS gap_earlier_at,
    gap.later_order_id::text AS gap_later_order_id, gap.later_at AS gap_later_at
FROM providers AS p
LEFT JOIN provider_health AS h ON h.provider_id = p.id
LEFT JOIN LATERAL (
    SELECT g.*, count(*) OVER () AS n FROM balance_gaps AS g
    WHERE g.provider_id = p.id AND g.acknowledged_at IS NULL ORDER BY g.later_at DESC, g.id DESC LIMIT 1
) AS gap ON true
WHERE NULL::text IS NULL OR p.id = NULL::text
ORDER BY p.id
;;
SELECT pg_advisory_xact_lock(7261013)
;;
SELECT FROM stock_codes WHERE NOT starts_with(code, 'sealed:') LIMIT 1
;;
INSERT INTO stock_codes (stock, digest, code, expires_at, cost, currency)
SELECT 'own', given.digest, given.code, given.expires_at, NULL::numeric, NULL::text
FROM unnest(
    '{"0"}'::int[], '{"{\"3023c03cba6b8f77df7fa2de94b7b92f1cff4f491829ccf8b7d8331bb83c5ce4\"}"}'::text[], '{"3023c03cba6b8f77df7fa2de94b7b92f1cff4f491829ccf8b7d8331bb83c5ce4"}'::text[], '{"{\"code\": \"STOCKCODE\"}"}'::text[], '{NULL}'::timestamptz[]
) AS given (position, digests, digest, code, expires_at)
WHERE NOT EXISTS (SELECT FROM stock_codes AS known WHERE known.digest = ANY (given.digests::text[]))
ORDER BY given.position
ON CONFLICT (digest) DO NOTHING
RETURNING id
;;
EXECUTE referans_c960d2c043d93f4f('own'::text, 1::int, 'own'::text, '{referans}'::text)
;;
WITH 
free AS (
    SELECT stock AS name,
        count(*) FILTER (WHERE expires_at IS NULL OR expires_at > now()) AS available,
        count(*) FILTER (WHERE expires_at <= now()) AS expired
    FROM stock_codes WHERE referans IS NULL GROUP BY stock
), seller AS (
    SELECT COALESCE(NULLIF(r.params ->> 'stock', ''), p.id) AS name,
        array_agg(DISTINCT p.id ORDER BY p.id) AS provider_ids, max(p.low_stock) AS low_stock
    FROM providers AS p LEFT JOIN routes AS r ON r.provider_id = p.id
    WHERE p.adapter = 'stock' GROUP BY 1
), level AS (
    SELECT name, COALESCE(seller.provider_ids, '{}') AS provider_ids, COALESCE(free.available, 0)::int AS available,
        COALESCE(free.expired, 0)::int AS expired, seller.low_stock
    FROM free FULL JOIN seller USING (name)
)
 SELECT * FROM level ORDER BY name
;;
INSERT INTO provider_counts AS c (provider_id, kind, slot, began_at, count, last_at, last_reason)
SELECT given.provider_id, given.kind, span.number % 13, to_timestamp(span.number * 300), given.count,
    now(), given.reason
FROM unnest('{"sandbox"}'::text[], '{"callback_refused"}'::text[], '{"1"}'::int[], '{"why"}'::text[])
        AS given (provider_id, kind, count, reason),
    floor(EXTRACT(EPOCH FROM now()) / 300) AS whole,
    LATERAL (SELECT whole::bigint AS number) AS span
ORDER BY given.provider_id, given.kind
ON CONFLICT (provider_id, kind, slot) DO UPDATE SET
    count = CASE WHEN c.began_at = excluded.began_at THEN c.count ELSE 0 END + excluded.count,
    began_at = excluded.began_at, last_at = excluded.last_at, last_reason = excluded.last_reason
;;
WITH placed AS (
    INSERT INTO product_orders (id) SELECT id FROM product_orders WHERE false
), moved AS (
    UPDATE product_orders SET "nextCheckAt" = now() WHERE false
), told AS (
    INSERT INTO order_events (order_id, source) SELECT order_id, source FROM order_events WHERE false
), kept AS (
    INSERT INTO callback_events (provider_id, dedupe_key, result)
    SELECT provider_id, dedupe_key, result FROM callback_events WHERE false
), reserved AS (
    INSERT INTO idempotency_keys (api_key_id, key, fingerprint)
    SELECT api_key_id, key, fingerprint FROM idempotency_keys WHERE false
), answered AS (
    UPDATE provider_health SET failures = 0 WHERE false
)
SELECT 1 AS one
;;
SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = COALESCE(NULL, current_schema()) ORDER BY tablename
;;
SELECT "t1"."id", "t1"."name", "t1"."applied" FROM "schema_migration" AS "t1"
;;
SELECT "externalStatus" AS status, count(*)::int AS n FROM product_orders AS o
WHERE o."nextCheckAt" IS NOT NULL AND lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') GROUP BY 1
;;
SELECT due.checks_due, due.oldest_due_seconds,
    (SELECT count(*)::float8 FROM callback_events WHERE result = 'unmatched') AS callbacks_unmatched,
    (SELECT EXTRACT(EPOCH FROM now() - max(started_at))::float8 FROM sweeps) AS last_sweep_age_seconds,
    (SELECT EXTRACT(EPOCH FROM now() - beat_at)::float8 FROM heartbeats WHERE process = 'scheduler')
        AS scheduler_age_seconds
FROM (
    SELECT count(*)::float8 AS checks_due,
        EXTRACT(EPOCH FROM now() - min("nextCheckAt"))::float8 AS oldest_due_seconds
    FROM product_orders AS o WHERE o."nextCheckAt" <= now() AND o."nextCheckAt" IS NOT NULL AND (lower(COALESCE(o."externalStatus", '')) NOT IN ('completed', 'done', 'delivered', 'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed') OR o."codeAsks" IS NOT NULL OR o."checkRequestedAt" IS NOT NULL)) AS due
;;
SELECT p.id, NOT COALESCE((h.down_since IS NOT NULL OR h.failures >= 5), false) AS is_up, h.paused_at IS NOT NULL AS is_paused,
    COALESCE(NOT h.lacks_balance AND h.balance IS DISTINCT FROM 0, true) AS has_balance,
    h.balance, COALESCE(h.balance_currency, p.currency) AS currency,
    COALESCE(h.balance < p.low_balance, false) AS is_low,
    p.callback <> 'none' AND p.callback_format IS NULL AS guesses_callbacks
FROM providers AS p LEFT JOIN provider_health AS h ON h.provider_id = p.id ORDER BY p.id
;;
SELECT o."providerId" AS provider_id, count(*)::int AS count, min(o.provider_referans) AS example
FROM product_orders AS o
WHERE o."nextCheckAt" IS NOT NULL AND o."externalStatus" IN ('sent', 'processing') AND o."unknownCount" >= 2
  AND o."providerId" IS NOT NULL AND o.provider_referans IS NOT NULL
GROUP BY 1 ORDER BY 1
