-- Settles outcomes: records each one (in the inbox and on the timeline) and moves its order if the lifecycle allows it.
--
-- Parameters: one array for each field of an arrival, with one element for each arrival; `order_timeout` in
-- seconds. `codes` is JSON: a list of objects, each with `digests` (under every key, and the plain one where `has_plain`
-- says so), `sealed` and `has_serial`; what the order keeps of each is `digest` (under the first key), `sealed` and
-- `has_serial`, and as `addition` the sealed code that brought a serial later.
-- Returns one row for each arrival whose turn it was: of several for one order, or with one dedupe key, only the first
-- is settled. `wants_plain` in place of a result: nothing was done, since a code of the order has a plain digest only
-- (it was stored in clear), and the arrival has none.
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
        %(is_decision)s::boolean[],
        %(seen)s::text[],
        %(referans)s::text[],
        %(external_order_id)s::text[],
        %(status)s::text[],
        %(pin)s::text[],
        %(codes)s::jsonb[],
        %(has_plain)s::boolean[],
        %(unreadable_code)s::boolean[],
        %(receipt)s::text[],
        %(message)s::text[],
        %(note)s::text[],
        %(whole)s::text[],
        %(by)s::text[],
        %(attention)s::text[],
        %(cost)s::numeric[],
        %(currency)s::text[],
        %(failure_reason)s::text[],
        %(next_check_seconds)s::float8[],
        %(code_ask_seconds)s::float8[],
        %(dedupe_key)s::text[],
        %(outcome)s::text[],
        %(raw)s::text[],
        %(raw_of)s::text[]
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
        {version} AS version,
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
            AND COALESCE(o."resentAt", o."createdAt") + make_interval(secs => %(order_timeout)s) <= now() AS is_overdue
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
        COALESCE(stage.rank, {unknown_rank}) AS from_rank,
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
        left(message, {timeline}),
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
                SELECT {has_no_codes}
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
                            || CASE WHEN given.code ? 'sealed' THEN '{{}}' ELSE jsonb_build_object('pin', n.pin) END,
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
        "lastMessage" = COALESCE(CASE WHEN n.applies THEN left(n.message, {last_message}) END, o."lastMessage"),
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
                COALESCE(o."sentAt", o."claimedAt", now()) + make_interval(secs => %(order_timeout)s)
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
        END, {timeline}),
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
