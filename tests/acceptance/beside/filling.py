"""Orders of years in the older storefront's database: every word, every decision, every place of a reference."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extras

#: The provider that is configured here, and one that is not, as the older storefront calls them.
PROVIDER, STRANGER = "3f1c9a52-7b0d-4a8e-9c55-0d6b7e1f2a34", "9d2e4b61-1c3f-4d7a-8e90-5b6c7d8e9fa0"
TENANTS = ("5b1d8c3e-2f4a-4e6b-9a7c-1d2e3f4a5b6c", "6c2e9d4f-3a5b-4f7c-8b8d-2e3f4a5b6c7d")
PRODUCT, PACKAGE = "7d3fae50-4b6c-4a8d-9c9e-3f4a5b6c7d8e", "8e40bf61-5c7d-4b9e-8daf-4a5b6c7d8e9f"
#: Seconds from sending until an order without an outcome is given up.
ORDER_TIMEOUT_SECONDS = 3600.0
#: Seconds that a run takes at most: what is younger than the timeout by more does not reach it.
RUN_SECONDS = 1500.0
#: What its code writes while it waits, and other systems' words for that.
OPEN_WORDS = (
    *("not_sent", "queued", "pending", "PENDING", "sent", "Sent", "processing", "unknown", "forwarded"),
    *("manual_required", "accept", "accepted", "wait"),
)
#: And for the end.
FINAL_WORDS = (
    *("completed", "done", "Delivered", "approved", "success"),
    *("failed", "cancelled", "canceled", "rejected", "reject", "REVERSED"),
)
#: How long ago they were sent, in seconds: two within the timeout, of which the second reaches it during the run.
AGES_SECONDS = (600, ORDER_TIMEOUT_SECONDS - 8, 4 * 3600, 30 * 3600, 40 * 86_400, 400 * 86_400)
#: What becomes of those that wait at our provider, as the simulator reads it from the player.
FATES = ("poll+after=0", "poll+after=0+fail", "poll+never", "unheard")
#: What becomes of those that a person has decided before their end: the provider calls back.
DECIDED_FATES = ("after=1", "after=1+fail")


@dataclass(frozen=True, slots=True)
class Filled:
    """An order of the filling that the panel is told of, under the reference that the shop gave it."""

    order_id: str
    referans: str
    player: str


def fill(admin_url: str, ages_seconds: Sequence[float] = AGES_SECONDS) -> list[Filled]:
    """Every combination, with all ages some 5,000 orders; those that the panel must know are returned."""
    with closing(psycopg2.connect(admin_url)) as connection, connection, connection.cursor() as cursor:
        psycopg2.extras.register_uuid(conn_or_curs=cursor)
        cursor.executemany(
            "INSERT INTO tenant (id, name, code) VALUES (%s, 'Shop', %s)", [(one, one) for one in TENANTS]
        )
        cursor.execute(
            FILL,
            {
                "words": [*OPEN_WORDS, *FINAL_WORDS],
                "providers": [None, PROVIDER, STRANGER],
                "ages": list(ages_seconds),
                "tenants": list(TENANTS),
                "final": [word.lower() for word in FINAL_WORDS],
                "ours": PROVIDER,
                "fates": list(FATES),
                "decided_fates": list(DECIDED_FATES),
                "product": PRODUCT,
                "package": PACKAGE,
            },
        )
        cursor.execute(PAY)
        cursor.execute(KNOWN, {"ours": PROVIDER})
        return list(_known(cursor.fetchall()))


def _known(rows: list[tuple[str, str, str]]) -> Iterator[Filled]:
    for order_id, referans, player in rows:
        if "unheard" not in player:
            yield Filled(order_id, referans, player)


#: The reference stands in the older column alone, in the newer one alone, in both, or nowhere; in both, the older one
#: has the provider's own number.
FILL = """
WITH made AS (
    SELECT
        row_number() OVER () AS n, status, word, provider, place, age, status = 'pending' AS is_undecided,
        lower(word) = ANY (%(final)s) AS is_final, provider = %(ours)s AND place > 0 AS is_at_ours,
        get_byte(decode(md5((row_number() OVER ())::text), 'hex'), 0) AS die
    FROM unnest(ARRAY['pending', 'approved', 'rejected']) AS status
    CROSS JOIN unnest(%(words)s::text[]) AS word
    CROSS JOIN unnest(%(providers)s::text[]) AS provider
    CROSS JOIN generate_series(0, 3) AS place
    CROSS JOIN unnest(%(ages)s::float8[]) AS age
), numbered AS (
    SELECT m.*, (710000000000 + n)::text AS referans, CASE
        WHEN is_at_ours AND NOT is_final AND word <> 'not_sent' THEN CASE
            WHEN is_undecided THEN (%(fates)s::text[])[1 + die %% array_length(%(fates)s::text[], 1)]
            WHEN age < 1000 THEN (%(decided_fates)s::text[])[1 + die %% array_length(%(decided_fates)s::text[], 1)]
        END
    END AS fate
    FROM made AS m
)
INSERT INTO product_orders (
    "tenantId", "userId", "productId", "packageId", "userIdentifier", status, "externalStatus", "providerId",
    provider_referans, "externalOrderId", "sentAt", "createdAt", "approvedAt", "completedAt", "pinCode", price,
    "costAmount", "costCurrency", "fxLocked", "fxUsdTryAtApproval", "lastMessage", attempts
)
SELECT
    (%(tenants)s::uuid[])[1 + n %% 2], gen_random_uuid(), %(product)s::uuid, %(package)s::uuid,
    'old' || n || COALESCE('+' || fate, ''), status, word, provider,
    CASE WHEN place IN (1, 3) THEN referans END,
    CASE WHEN place = 2 THEN referans WHEN place = 3 THEN 'P' || n END,
    CASE WHEN word NOT IN ('not_sent', 'queued') THEN now() - make_interval(secs => age) END,
    now() - make_interval(secs => age + 1),
    CASE WHEN status = 'approved' THEN now() - make_interval(secs => age) END,
    CASE WHEN is_final THEN now() - make_interval(secs => age) END,
    CASE WHEN is_final AND n %% 3 = 0 THEN 'OLD-PIN-' || n END,
    (5 + n %% 1000)::numeric / 100, (n %% 700)::numeric / 100, 'USD',
    status = 'approved', CASE WHEN status = 'approved' THEN 34.5 END, 'as it was', n %% 3
FROM numbered
"""
PAY = """
INSERT INTO wallet_moves (order_id, amount)
SELECT id, -price FROM product_orders UNION ALL SELECT id, price FROM product_orders WHERE status = 'rejected'
"""
KNOWN = """
SELECT id::text, COALESCE(provider_referans, "externalOrderId"), "userIdentifier" FROM product_orders
WHERE "providerId" = %(ours)s AND "userIdentifier" LIKE '%%+%%' ORDER BY "orderNo"
"""


def rows_of(admin_url: str) -> dict[str, dict[str, Any]]:
    """Every order by id, as it stands, with its age in seconds."""
    with (
        closing(psycopg2.connect(admin_url)) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute(
            """SELECT id::text AS key, *, EXTRACT(EPOCH FROM now() - COALESCE("sentAt", "createdAt"))::float8 AS age
            FROM product_orders"""
        )
        return {row["key"]: dict(row) for row in cursor.fetchall()}
