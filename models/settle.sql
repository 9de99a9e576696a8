-- Settles outcomes: records each one (in the inbox and on the timeline) and moves its order if the lifecycle allows it.
--
-- Orders that another system placed are its own (not `is_ours`): of the columns that it has, only "externalStatus",
-- "externalOrderId", "pinCode", "lastMessage", "providerMessage", "sentAt", "lastSyncAt", "completedAt" and "durationMs"
-- are written. It moves its customers' money when it changes `status` itself.
--
-- Parameters: one array for each field of an arrival, with one element for each arrival; `order_timeout` in seconds;
-- `own_in_clear` and `theirs_in_clear`: whether "pinCode" stands in clear, on our orders and on others (`clear` is then
-- the code, else NULL); `pin_limit`: its longest text, or NULL. `codes` is JSON: a list of objects, each with `digests`
-- (under every key, and the plain one where `has_plain` says so), `sealed` and `has_serial`; what the order keeps of each
-- is `digest` (under the first key), `sealed` and `has_serial`, and as `addition` the sealed code that brought a serial
-- later.
-- Returns one row for each arrival whose turn it was: of several for one order, or with one dedupe key, only the first
-- is settled. `wants_plain` in place of a result: nothing was done, since a code of the order was or is to be stored in
-- clear, and the arrival has neither its plain digest nor, if `theirs_in_clear`, the code itself.
-- Concurrency: the order rows are locked, in the order of their ids, before anything is decided. Of two statements for
-- one order the second decides on what the first has committed. The unique key of the inbox settles a callback once.
-- `decide` in tests/models/lifecycle_table.py says in Python what `decided` says here; a test compares the two.
WITH incoming AS (
    SELECT
        given.*,
        {rank} AS rank,
        {kind} AS said_kind
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
        %(clear)s::text[],
        %(codes)s::jsonb[],
        %(has_plain)s::boolean[],
        %(unreadable_code)s::boolean[],
        %(is_partial)s::boolean[],
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
        %(may_ask_for_code)s::boolean[],
        %(ends_send)s::boolean[],
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
        said,
        pin,
        clear,
        codes,
        has_plain,
        unreadable_code,
        is_partial,
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
        may_ask_for_code,
        ends_send,
        dedupe_key,
        outcome,
        raw,
        raw_of
    )
),
-- The order that each arrival is about: by its id, by our reference, or by the provider's own number. Other systems may
-- have several with one reference, even with one of ours: then it is ours, else an open one, else the newest. A provider
-- that had the order before still speaks of it: it refused it and the order went on, or a person had the order sent
-- again, under another reference (`is_given_up`).
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
            ORDER BY o."providerId" = i.provider_id DESC, {first_of_several}
            LIMIT 1
        )
        UNION ALL
        SELECT f.order_id, true
        FROM referans.former_references AS f
        WHERE f.referans = i.referans AND f.provider_id = i.provider_id
        UNION ALL
        -- Another system sent it under a reference that it keeps there.
        (
            SELECT o.id, false
            FROM product_orders AS o
            WHERE o."externalOrderId" = i.referans AND o.provider_referans IS NULL
                AND o."providerId" = i.provider_id
            ORDER BY {first_of_several}
            LIMIT 1
        )
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
            ORDER BY {first_of_several}
            LIMIT 1
        )
        UNION ALL
        SELECT f.order_id, true
        FROM referans.former_references AS f
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
        {from_rank} AS rank,
        {from_kind} AS kind,
        lower(o.status::text COLLATE "C") AS decided_by_hand,
        {is_ours} AS is_ours,
        o.quantity,
        o.attention,
        {version} AS version,
        o."providerMessage" AS message,
        o."failureReason" AS failure_reason,
        o.receipt,
        o.expects,
        {has_code} AS has_code,
        -- One sealed code that is nothing but its text stands in "pinCode" alone. What stands there in clear may have
        -- been changed by other hands, and is compared as it is.
        CASE
            WHEN NOT {has_code} THEN '[]'
            ELSE COALESCE(o.codes, jsonb_build_array(jsonb_build_object(
                'digest', COALESCE(
                    CASE WHEN starts_with(o."pinCode", 'sealed:') THEN o."pinDigest" END,
                    encode(sha256(convert_to(o."pinCode", 'UTF8')), 'hex')
                ),
                'pin', o."pinCode"
            )))
        END AS codes,
        -- In clear means: stored before there were keys, or by the other system, so without a keyed digest.
        CASE
            WHEN NOT {has_code} THEN false
            WHEN o.codes IS NULL THEN o."pinDigest" IS NULL OR NOT starts_with(o."pinCode", 'sealed:')
            ELSE EXISTS (
                SELECT FROM jsonb_array_elements(o.codes) AS each (code)
                WHERE NOT starts_with(COALESCE(each.code ->> 'sealed', each.code ->> 'pin', ''), 'sealed:')
            )
        END AS has_plain_digest,
        {is_ours} AND o."externalStatus" = 'not_sent' AS is_unsent,
        o."nextCheckAt" IS NOT NULL
            AND {waits_since} + make_interval(secs => %(order_timeout)s) <= now() AS is_overdue
    FROM product_orders AS o
    WHERE o.id = ANY (ARRAY(SELECT matched.id FROM matched))
    ORDER BY o.id
    FOR UPDATE
),
-- Each arrival with its order as it is now. An order of another provider, or of which `only_if` or `seen` does not hold,
-- is not matched. A word of the column that is not known is not final. A part of a single piece is nothing.
paired AS (
    SELECT
        i.*,
        CASE WHEN i.is_partial AND COALESCE(o.quantity, 1) = 1 AND o.id IS NOT NULL THEN 'failed' ELSE i.said END AS status,
        CASE
            WHEN i.is_partial AND COALESCE(o.quantity, 1) = 1 AND o.id IS NOT NULL THEN 'failed'
            ELSE i.said_kind
        END AS kind,
        o.id AS order_id,
        o.external_status AS from_status,
        o.attention AS from_attention,
        o.message AS from_message,
        o.failure_reason AS from_reason,
        o.codes AS from_codes,
        o.has_code AS from_has_code,
        i.codes IS NOT NULL AND NOT i.has_plain
            AND (o.has_plain_digest OR %(theirs_in_clear)s::boolean AND NOT o.is_ours) AS wants_plain,
        o.is_ours,
        -- What "pinCode" is to hold.
        CASE
            WHEN i.clear IS NULL OR o.is_ours AND NOT %(own_in_clear)s::boolean THEN i.pin
            ELSE i.clear
        END AS shown_pin,
        o.quantity,
        COALESCE(i.receipt, o.receipt) IS NOT NULL AS has_receipt,
        o.expects AS from_expects,
        CASE WHEN i.unreadable_code THEN 'code' ELSE COALESCE(o.expects, 'auto') END AS expects,
        o.rank AS from_rank,
        o.kind AS from_kind,
        -- The older storefront's people decide orders of theirs that are still open here.
        CASE
            WHEN o.kind = 'open' AND o.decided_by_hand IN ('approved', 'rejected')
            THEN o.decided_by_hand
        END AS by_hand,
        CASE WHEN NOT o.is_ours THEN o.decided_by_hand END AS their_status,
        matched.is_given_up OR i.provider_id <> o.provider_id OR COALESCE(i.referans <> o.referans, false) AS is_former,
        row_number() OVER (PARTITION BY o.id ORDER BY i.position) AS order_turn
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
                FROM referans.former_references AS f
                WHERE f.referans = i.referans AND f.provider_id = i.provider_id AND f.order_id = o.id
                LIMIT 1
            )
        )
        AND (i.seen IS NULL OR i.seen = o.version)
        AND CASE i.only_if
            WHEN 'untaken' THEN o.external_status NOT IN ('sent', 'processing')
            WHEN 'unsent' THEN o.is_unsent
            WHEN 'unsent_and_overdue' THEN o.is_unsent AND o.is_overdue
            ELSE true
        END
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
    WHERE p.order_id IS NULL OR p.order_turn = 1
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
            WHEN from_kind = 'open' AND NOT is_ours AND kind = 'failed' AND failure_reason = 'timeout' THEN 'stale'
            WHEN by_hand = 'approved' AND kind IN ('failed', 'reversed') THEN 'conflict'
            WHEN by_hand = 'rejected' AND kind = 'completed' THEN 'conflict'
            WHEN from_kind = 'open' AND from_has_code AND kind = 'completed'
                AND NOT COALESCE(brings_only_known OR brings_all_known AND fits, true) THEN 'conflict'
            WHEN from_kind = 'open' AND rank < from_rank THEN 'stale'
            WHEN from_kind = 'open' AND rank = from_rank
                AND (message IS NULL OR message IS NOT DISTINCT FROM from_message) THEN 'duplicate'
            WHEN from_kind = 'open' THEN 'applied'
            WHEN kind = 'open' THEN 'stale'
            WHEN from_kind <> 'completed' AND kind <> 'completed' THEN 'duplicate'
            WHEN from_kind = 'failed' AND from_reason = 'timeout' THEN 'applied'
            WHEN from_kind = 'failed' AND their_status = 'approved' AND COALESCE(brings_only_known, true) THEN 'applied'
            WHEN from_kind <> 'completed' THEN 'conflict'
            WHEN kind = 'reversed' THEN 'applied'
            WHEN kind = 'failed' AND failure_reason = 'timeout' THEN 'stale'
            WHEN kind = 'failed' THEN 'conflict'
            WHEN codes IS NULL THEN 'duplicate'
            WHEN their_status = 'rejected' AND NOT COALESCE(brings_only_known, false) THEN 'conflict'
            WHEN NOT from_has_code THEN 'applied'
            WHEN brings_only_known AND NOT brings_serials THEN 'duplicate'
            WHEN brings_only_known OR brings_all_known AND fits THEN 'applied'
            ELSE 'conflict'
        END AS result,
        kind = 'completed' AND NOT from_has_code AND (codes IS NULL OR unreadable_code) AS misses_code
    FROM compared AS c
),
inbox AS (
    INSERT INTO referans.callback_events AS kept (
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
        -- An order that stays open at its provider's end, or at its timeout, because another hand has decided it, or has
        -- written a code into it, or because it is another system's: asking goes no further.
        d.result IN ('conflict', 'stale') AND d.from_kind = 'open' AND d.kind <> 'open'
            AND d.is_former IS NOT TRUE AS ends_asking,
        d.result = 'stale' AND d.from_kind = 'open' AND d.by_hand IS NULL AND NOT d.is_ours
            AND d.failure_reason = 'timeout' AND d.kind = 'failed' AND d.is_former IS NOT TRUE AS times_out,
        d.result = 'conflict' AND NOT d.is_ours AS stays_as_it_is,
        d.result = 'applied' AND d.kind = 'completed' AS completes,
        d.result = 'applied' AND d.kind = 'reversed' AS reverses,
        d.result = 'applied' AND d.kind = 'completed' AND d.codes IS NOT NULL AS fills_codes,
        d.result = 'applied' AND d.from_kind = 'failed' AND d.from_reason = 'timeout' AND NOT d.is_decision AS is_late,
        -- An order that ends without having been sent (`only_if`), or by a person, was neither taken nor sent thereby.
        d.result = 'applied' AND d.only_if IS NULL AND NOT d.is_decision AND d.from_rank = 0 AS was_taken,
        d.result = 'applied' AND d.only_if IS NULL AND NOT d.is_decision AND d.rank >= 2
            AND NOT (d.source = 'dispatch' AND d.kind = 'failed') AS was_sent,
        d.source IN ('dispatch', 'callback', 'poll') AND NOT d.is_former AS by_provider,
        d.source IN ('callback', 'poll') AND NOT d.is_former AS is_known,
        d.from_kind = 'open' AND d.next_check_seconds IS NOT NULL AND NOT d.is_former
            AND d.from_attention IS DISTINCT FROM 'timed_out' AND (d.result = 'applied' OR d.source = 'callback') AS replans,
        -- Completed without its code, or with one that cannot be read: the provider is asked for it, first at once; a
        -- check or the answer to the send that brought no code counts as the first time.
        d.misses_code AND d.expects <> 'no-code'
            AND d.code_ask_seconds IS NOT NULL
            AND d.may_ask_for_code
            AND (d.result = 'applied'
                OR d.result = 'duplicate' AND d.unreadable_code AND d.from_expects IS DISTINCT FROM 'code')
            AND (d.source = 'callback' OR d.expects = 'code' OR NOT d.has_receipt AND NOT (
                SELECT {has_no_codes}
                FROM product_orders AS o
                WHERE o.id = d.order_id
            )) AS awaits_code,
        -- The same where asking may buy: nobody is asked.
        d.result = 'applied' AND d.misses_code AND d.expects = 'code' AND NOT d.may_ask_for_code
            AND NOT d.is_decision AS lacks_code,
        d.result = 'applied' AND d.kind = 'completed' AND d.is_partial AND NOT d.is_decision AS is_part
    FROM decided AS d
    LEFT JOIN inbox ON inbox.provider_id = d.provider_id AND inbox.dedupe_key = d.dedupe_key
),
moved AS (
    UPDATE product_orders AS o SET
        "externalStatus" = CASE WHEN n.applies THEN n.status ELSE o."externalStatus" END,
        -- An earlier version that runs beside this one places orders without it.
        "placedByGateway" = o."placedByGateway" OR o."routeParams" IS NOT NULL,
        status = CASE
            WHEN NOT n.is_ours THEN o.status
            WHEN n.completes THEN 'approved'
            WHEN n.ends THEN 'rejected'
            ELSE o.status
        END,
        "failureReason" = CASE
            WHEN NOT n.applies THEN o."failureReason"
            WHEN n.kind = 'failed' THEN n.failure_reason
        END,
        late = o.late OR n.is_late,
        attention = CASE
            WHEN n.is_decision THEN NULL
            WHEN n.result = 'conflict' OR o.attention = 'conflict' THEN 'conflict'
            WHEN n.reverses THEN 'reversed'
            WHEN n.lacks_code THEN 'no_code'
            WHEN n.is_part THEN 'partial'
            WHEN n.fills_codes AND o.attention = 'no_code' THEN NULL
            WHEN n.ends AND o.attention IN ('manual', 'timed_out', 'cannot_ask') THEN NULL
            WHEN n.applies AND n.by_provider AND o.attention = 'cannot_ask' THEN NULL
            WHEN n.times_out THEN COALESCE({grave}, 'timed_out')
            WHEN n.applies AND NOT n.ends THEN COALESCE({grave}, n.attention, o.attention)
            ELSE o.attention
        END,
        "attentionAt" = CASE
            WHEN n.is_decision THEN NULL
            WHEN n.result = 'conflict' AND o.attention IS DISTINCT FROM 'conflict' THEN now()
            WHEN o.attention = 'conflict' THEN o."attentionAt"
            WHEN n.reverses OR n.lacks_code OR n.is_part THEN now()
            WHEN o.attention = 'no_code' AND n.fills_codes THEN NULL
            WHEN o.attention IN ('manual', 'timed_out', 'cannot_ask') AND n.ends THEN NULL
            WHEN o.attention = 'cannot_ask' AND n.applies AND n.by_provider THEN NULL
            WHEN n.times_out AND {grave} IS NULL THEN now()
            WHEN n.applies AND NOT n.ends AND {grave} IS NULL AND n.attention IS NOT NULL THEN now()
            ELSE o."attentionAt"
        END,
        -- A person's codes come first, whatever is there.
        "pinCode" = CASE
            WHEN NOT n.fills_codes OR NOT n.is_decision AND n.from_has_code THEN o."pinCode"
            WHEN length(n.shown_pin) > %(pin_limit)s::int THEN NULL
            ELSE n.shown_pin
        END,
        "codesOnly" = CASE
            WHEN NOT n.fills_codes OR NOT n.is_decision AND n.from_has_code THEN o."codesOnly"
            WHEN length(n.shown_pin) > %(pin_limit)s::int THEN true
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
            -- One code that is nothing but its text stands in "pinCode" alone, if it is sealed there.
            WHEN jsonb_array_length(n.codes) = 1 AND NOT n.codes -> 0 ? 'sealed' AND n.shown_pin = n.pin
                AND COALESCE(length(n.pin) <= %(pin_limit)s::int, true)
            THEN NULL
            ELSE (
                SELECT jsonb_agg(
                    (given.code - 'digests')
                        || jsonb_build_object('digest', given.code -> 'digests' ->> 0)
                        || CASE WHEN given.code ? 'sealed' THEN '{{}}' ELSE jsonb_build_object('pin', n.pin) END
                    ORDER BY given.place
                )
                FROM jsonb_array_elements(n.codes) WITH ORDINALITY AS given (code, place)
            )
        END,
        receipt = CASE WHEN n.applies THEN COALESCE(n.receipt, o.receipt) ELSE o.receipt END,
        expects = CASE WHEN n.awaits_code AND n.unreadable_code THEN 'code' ELSE o.expects END,
        "externalOrderId" = CASE
            WHEN n.is_former OR n.stays_as_it_is THEN o."externalOrderId"
            WHEN n.source = 'dispatch' THEN COALESCE(n.external_order_id, o."externalOrderId")
            ELSE COALESCE(o."externalOrderId", n.external_order_id)
        END,
        "gatewayCostAmount" = CASE
            WHEN n.is_former THEN o."gatewayCostAmount"
            ELSE COALESCE(n.cost, o."gatewayCostAmount")
        END,
        "gatewayCostCurrency" = CASE
            WHEN n.is_former THEN o."gatewayCostCurrency"
            ELSE COALESCE(n.currency, o."gatewayCostCurrency")
        END,
        "costAmount" = CASE
            WHEN n.is_former OR NOT n.is_ours THEN o."costAmount"
            ELSE COALESCE(CASE WHEN abs(n.cost) <= {max_cost} THEN n.cost END, o."costAmount")
        END,
        "costCurrency" = CASE
            WHEN n.is_former OR NOT n.is_ours THEN o."costCurrency"
            ELSE COALESCE(n.currency, o."costCurrency")
        END,
        "lastMessage" = COALESCE(CASE WHEN n.applies THEN left(n.message, {last_message}) END, o."lastMessage"),
        "providerMessage" = COALESCE(CASE WHEN n.applies THEN n.message END, o."providerMessage"),
        "claimedAt" = COALESCE(o."claimedAt", CASE WHEN n.was_taken THEN now() END),
        "sentAt" = COALESCE(o."sentAt", CASE
            WHEN n.was_sent AND n.source = 'dispatch' THEN now()
            -- Another system may not have said when it sent its order, which does not become younger by that.
            WHEN n.was_sent AND NOT n.is_ours THEN o."createdAt"
            WHEN n.was_sent THEN COALESCE(o."claimedAt", now())
        END),
        "sendingUntil" = CASE
            WHEN n.by_provider AND (n.source = 'dispatch' OR n.ends_send) THEN NULL
            ELSE o."sendingUntil"
        END,
        "mayBeKnown" = o."mayBeKnown" OR n.is_known,
        "unknownCount" = CASE WHEN n.by_provider THEN 0 ELSE o."unknownCount" END,
        "unknownAt" = CASE WHEN n.by_provider THEN NULL ELSE o."unknownAt" END,
        "lastSyncAt" = CASE WHEN n.by_provider AND NOT n.stays_as_it_is THEN now() ELSE o."lastSyncAt" END,
        "lastCallbackAt" = CASE WHEN n.by_provider AND n.source = 'callback' THEN now() ELSE o."lastCallbackAt" END,
        "completedAt" = COALESCE(o."completedAt", CASE WHEN n.completes THEN now() END),
        "approvedAt" = COALESCE(o."approvedAt", CASE WHEN n.completes AND n.is_ours THEN now() END),
        "reversedAt" = CASE
            WHEN n.reverses THEN COALESCE(o."reversedAt", now())
            WHEN NOT n.applies THEN o."reversedAt"
        END,
        -- Another system's clock may run ahead.
        "durationMs" = COALESCE(o."durationMs", CASE WHEN n.completes THEN GREATEST(0, LEAST(
            2147483647,
            1000 * EXTRACT(EPOCH FROM now() - COALESCE(o."sentAt", o."claimedAt", now()))
        ))::int END),
        "codeAsks" = CASE
            WHEN n.awaits_code AND n.source = 'callback' THEN 0
            WHEN n.awaits_code THEN COALESCE(o."codeAsks", 1)
            WHEN n.ends THEN NULL
            ELSE o."codeAsks"
        END,
        -- Following another system's order ends with it; if that system takes the end back, it is followed again.
        "adoptedAt" = CASE WHEN n.ends THEN NULL ELSE o."adoptedAt" END,
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
    RETURNING {returned}
),
recorded AS (
    INSERT INTO referans.order_events (order_id, source, "from", "to", message, result, detail, "by", whole)
    SELECT
        n.order_id,
        n.source,
        n.from_status,
        moved."externalStatus",
        left(CASE
            WHEN n.is_late THEN COALESCE(n.note, n.status) || ' (late: it had timed out)'
            WHEN n.is_decision OR n.applies THEN COALESCE(n.note, n.status)
            WHEN n.times_out THEN COALESCE(n.note, 'timeout') || '; another system placed it, so it stays as it is'
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
){telling}
SELECT
    n.position,
    CASE WHEN n.seen_before THEN 'duplicate' ELSE n.result END AS result,
    n.order_id::text,
    n.from_status AS came_from,
    COALESCE(moved."externalStatus", n.from_status) AS went_to,
    n.is_late AND NOT n.seen_before AS late,
    CASE WHEN n.awaits_code AND NOT n.seen_before THEN n.code_ask_seconds END AS ask_in_seconds,
    {is_told} AS told
FROM named AS n
LEFT JOIN moved ON moved.id = n.order_id
{join_told}
