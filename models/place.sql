-- Places orders: finds each one's provider, reserves its idempotency key, stores it, and begins its timeline.
--
-- Parameters: one array for each field of a placement, with one element for each; `wake` in seconds; `needs_tenant`.
-- Returns the orders that are new. One without a route, without the tenant that it needs, or whose idempotency key was
-- used before, is not returned.
-- Product and package are given twice: as text, for the routes, and in the type of the order's own columns, which are
-- UUIDs on the table of some storefronts.
-- Concurrency: keys are reserved in their own order, so that two statements with the same keys do not deadlock.
WITH incoming AS (
    SELECT given.*
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
        {route}
    ) AS route
    WHERE i.tenant IS NOT NULL OR NOT %(needs_tenant)s::boolean
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
    ORDER BY r.position
    RETURNING *
),
told AS (
    INSERT INTO referans.order_events (order_id, source, "to", message, "by")
    SELECT o.id, 'api', 'not_sent', i.note, i.by
    FROM placed AS o
    JOIN incoming AS i ON i.id = o.id
    ORDER BY i.position
)
SELECT {columns}
FROM placed AS o
