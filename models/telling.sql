-- What the storefront is told of each order: its end, a code that came later, or that a person is needed.
telling AS (
    SELECT
        n.order_id,
        CASE
            WHEN n.ends AND n.kind <> n.from_kind THEN 'order.' || n.kind
            WHEN n.fills_codes AND (n.from_has_code IS NOT TRUE OR NOT n.brings_only_known OR n.brings_serials)
            THEN 'order.pin_updated'
            WHEN moved.attention IS DISTINCT FROM n.from_attention AND moved.attention IS NOT NULL THEN 'order.attention'
        END AS tells
    FROM named AS n
    JOIN moved ON moved.id = n.order_id
),
told AS (
    {tell}
    RETURNING order_id
)
