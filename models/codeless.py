"""Routes whose orders bring no code, as the orders themselves tell."""

#: Orders of a route that all ended without a code, after which its next ones are asked for it once only.
HISTORY = 20
#: In SQL, of the order `o`: the last HISTORY orders of its route that have ended all ended without a code. One that is
#: still asked for its code has not ended. Uses idx_orders_completed_of_route.
HAS_NO_CODES = f"""(
    SELECT count(*) = {HISTORY} AND bool_and(NULLIF(recent."pinCode", '') IS NULL AND recent."codesOnly" IS NOT TRUE)
    FROM (
        SELECT former."pinCode", former."codesOnly"
        FROM product_orders AS former
        WHERE former."externalStatus" = 'completed'
            AND former."completedAt" IS NOT NULL
            AND former."codeAsks" IS NULL
            AND former."providerId" = o."providerId"
            AND former."productId" = o."productId"
            AND former."packageId" = o."packageId"
            AND former.id <> o.id
        ORDER BY former."completedAt" DESC
        LIMIT {HISTORY}
    ) AS recent
)"""
