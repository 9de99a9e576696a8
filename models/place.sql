-- Places orders: finds each one's provider, reserves its idempotency key, stores it, and begins its timeline.
--
-- Parameters: one array for each field of a placement, with one element for each; `wake` in seconds; `needs_tenant`;
-- `terms` of the protocols (`placing.Terms`); `guard` in seconds, 0 for none.
-- Returns a row for each: the order if it is new, else why it is not. Without either, its idempotency key was used before.
-- The parts called "conditions" are for placements that have some: a reference, a limit of cost, a quantity, a guard.
-- Product and package are given twice: as text, for the routes, and in the type of the order's own columns, which are
-- UUIDs on the table of some storefronts.
-- Concurrency: keys are reserved in their own order, and so are references and guards, so that two statements with the
-- same ones do not deadlock. Of two orders of the same reference, or of the same player within the guard, that are placed
-- at the same instant, one fails with the whole statement; placed again, it sees the other.
WITH incoming AS (
    SELECT
        given.*,
        -- begin conditions
        given.said ->> 'reference' AS reference,
        (given.said ->> 'max_cost')::numeric AS max_cost,
        given.said ->> 'max_cost_currency' AS max_cost_currency,
        %(guard)s::float8 > 0 AND given.said -> 'allow_repeat' IS NULL
            AND NULLIF(given.user_identifier, '') IS NOT NULL AS is_guarded,
        -- end conditions
        given.said -> 'fields' AS fields
    FROM unnest(
        %(position)s::int[],
        %(id)s::uuid[],
        %(tenant)s::uuid[],
        %(product)s::text[],
        %(package)s::text[],
        COALESCE((SELECT array_agg("productId") FROM product_orders WHERE false), %(product_id)s),
        COALESCE((SELECT array_agg("packageId") FROM product_orders WHERE false), %(package_id)s),
        %(quantity)s::int[],
        %(user_identifier)s::text[],
        %(extra_field)s::text[],
        %(said)s::jsonb[],
        %(notify_url)s::text[],
        %(referans)s::text[],
        %(note)s::text[],
        %(by)s::text[],
        %(key_id)s::bigint[],
        %(key)s::text[],
        %(fingerprint)s::text[]
    ) AS given (
        position,
        id,
        tenant,
        product,
        package,
        product_id,
        package_id,
        quantity,
        user_identifier,
        extra_field,
        said,
        notify_url,
        referans,
        note,
        by,
        key_id,
        key,
        fingerprint
    )
),
judged AS (
    SELECT
        i.*,
        route.provider_id,
        route.params,
        route.expects,
        route.field_map,
        route.why,
        missing.names AS missing,
        -- begin conditions
        COALESCE(used.id, recent.id) AS first_id,
        -- end conditions
        CASE
            WHEN i.tenant IS NULL AND %(needs_tenant)s::boolean THEN 'no_tenant'
            -- begin conditions
            WHEN used.id IS NOT NULL THEN 'reference_used'
            WHEN route.provider_id IS NULL AND EXISTS (SELECT FROM referans.routes AS r WHERE {is_for}) THEN (
                SELECT CASE WHEN bool_or({takes}) THEN 'too_expensive' ELSE 'too_many' END
                FROM referans.routes AS r
                WHERE {is_for}
            )
            -- end conditions
            WHEN route.provider_id IS NULL THEN 'no_route'
            WHEN missing.names IS NOT NULL THEN 'missing_fields'
            -- begin conditions
            WHEN recent.id IS NOT NULL THEN 'sent_twice'
            -- end conditions
        END AS refusal
    FROM incoming AS i
    LEFT JOIN LATERAL (
        {route}
    ) AS route ON true
    LEFT JOIN LATERAL (
        SELECT CASE WHEN route.field_map <> '{{}}' THEN (
            SELECT array_agg(DISTINCT named[1])
            FROM jsonb_each_text(route.field_map) AS mapped (field, template)
            CROSS JOIN LATERAL regexp_matches(mapped.template, '{needed_name}', 'g') AS named
            WHERE %(terms)s::jsonb #> ARRAY[{adapter}, 'needs'] ? mapped.field
                AND btrim(COALESCE(
                    CASE named[1]
                        WHEN 'userIdentifier' THEN i.user_identifier
                        WHEN 'extraField' THEN i.extra_field
                        ELSE i.fields ->> named[1]
                    END,
                    ''
                )) = ''
        ) END AS names
    ) AS missing ON true
    -- begin conditions
    LEFT JOIN LATERAL (
        SELECT o.id
        FROM product_orders AS o
        WHERE o."orderUuid" = i.reference AND o."tenantId" IS NOT DISTINCT FROM i.tenant
        ORDER BY o."createdAt", o.id
        LIMIT 1
    ) AS used ON true
    LEFT JOIN LATERAL (
        SELECT o.id
        FROM product_orders AS o
        WHERE i.is_guarded
            AND o."userIdentifier" = i.user_identifier
            AND o."createdAt" > now() - make_interval(secs => %(guard)s)
            AND o."productId" = i.product_id
            AND o."packageId" = i.package_id
            AND o."tenantId" IS NOT DISTINCT FROM i.tenant
        ORDER BY o."createdAt", o.id
        LIMIT 1
    ) AS recent ON true
    -- end conditions
),
routed AS (
    SELECT *, row_number() OVER (PARTITION BY key_id, key ORDER BY position) AS turn
    FROM judged
    WHERE refusal IS NULL
),
reserved AS (
    INSERT INTO referans.idempotency_keys (api_key_id, key, fingerprint)
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
        "tenantId",
        "productId",
        "packageId",
        quantity,
        "userIdentifier",
        "extraField",
        "inputFields",
        "orderUuid",
        metadata,
        "priceAmount",
        "priceCurrency",
        "maxCostAmount",
        "maxCostCurrency",
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
        r.tenant,
        r.product_id,
        r.package_id,
        r.quantity,
        r.user_identifier,
        r.extra_field,
        r.fields,
        r.said ->> 'reference',
        r.said -> 'metadata',
        (r.said ->> 'price')::numeric,
        r.said ->> 'price_currency',
        (r.said ->> 'max_cost')::numeric,
        r.said ->> 'max_cost_currency',
        r.notify_url,
        r.provider_id,
        r.referans,
        r.params,
        r.expects,
        r.field_map,
        true,
        'pending',
        'not_sent',
        now() + make_interval(secs => %(wake)s)
    FROM routed AS r
    LEFT JOIN reserved ON reserved.api_key_id = r.key_id AND reserved.key = r.key
    WHERE r.key IS NULL OR (r.turn = 1 AND reserved.key IS NOT NULL)
    ORDER BY
        -- begin conditions
        r.reference NULLS FIRST,
        -- end conditions
        r.position
    RETURNING *
),
told AS (
    INSERT INTO referans.order_events (order_id, source, "to", message, "by")
    SELECT o.id, 'api', 'not_sent', j.note || COALESCE('; ' || j.provider_id || ': ' || j.why, ''), j.by
    FROM placed AS o
    JOIN judged AS j ON j.id = o.id
    ORDER BY j.position
)
-- begin conditions
-- The time is divided into parts as long as the guard, twice, the one begun half a part after the other: two orders
-- that are placed within less than half of it have one of them in common, two that it allows have none.
, guarded AS (
    INSERT INTO referans.repeat_guards (key, until)
    SELECT
        md5(ROW(
            i.tenant,
            i.product_id,
            i.package_id,
            i.user_identifier,
            %(guard)s::float8,
            half,
            floor(EXTRACT(EPOCH FROM now())::float8 / %(guard)s::float8 + half / 2.0)
        )::text)::uuid AS key,
        now() + make_interval(secs => %(guard)s)
    FROM placed AS o
    JOIN incoming AS i ON i.id = o.id
    CROSS JOIN (VALUES (0), (1)) AS parts (half)
    WHERE i.is_guarded
    ORDER BY key
)
-- end conditions
SELECT
    {columns},
    CASE WHEN j.refusal IS NOT NULL THEN jsonb_build_object(
        'position', j.position,
        'word', j.refusal,
        -- begin conditions
        'first_id', j.first_id,
        'most', CASE WHEN j.refusal = 'too_many' THEN (
            SELECT max({most}) FROM referans.routes AS r WHERE {is_for_refused}
        ) END,
        -- end conditions
        'missing', j.missing
    ) END AS refusal
FROM judged AS j
LEFT JOIN placed AS o ON o.id = j.id
