"""The tenant that a key, a provider and a route belong to; none is NULL.

A package may have a route to the same provider for each tenant. Processes of the version before, which read the views
beside the orders table, do not know tenants: they see no key and no route of one. The views are locked first, as by
whoever reads them, so that neither waits for the other for ever.
"""

SQL = """
DO $$
DECLARE
    place text;
BEGIN
    FOR place IN
        SELECT DISTINCT view.oid::regclass::text
        FROM pg_class AS view
        JOIN pg_rewrite AS rule ON rule.ev_class = view.oid
        JOIN pg_depend AS use ON use.objid = rule.oid AND use.classid = 'pg_rewrite'::regclass
        JOIN pg_class AS origin ON origin.oid = use.refobjid AND origin.relname = view.relname
        WHERE view.relkind = 'v' AND origin.oid IN (
            'referans.api_keys'::regclass, 'referans.providers'::regclass, 'referans.routes'::regclass
        )
        ORDER BY 1
    LOOP
        EXECUTE 'LOCK TABLE ' || place || ' IN ACCESS EXCLUSIVE MODE';
    END LOOP;
END
$$;
ALTER TABLE referans.api_keys ADD COLUMN IF NOT EXISTS tenant_id uuid;
ALTER TABLE referans.providers ADD COLUMN IF NOT EXISTS tenant_id uuid;
ALTER TABLE referans.routes ADD COLUMN IF NOT EXISTS tenant_id uuid;
CREATE UNIQUE INDEX IF NOT EXISTS idx_routes_unique ON referans.routes
    (product_id, package_id, provider_id, COALESCE(tenant_id::text, ''));
ALTER TABLE referans.routes DROP CONSTRAINT IF EXISTS routes_product_id_package_id_provider_id_key;
DO $$
DECLARE
    place record;
BEGIN
    FOR place IN
        SELECT DISTINCT view.oid::regclass::text AS view, origin.oid::regclass::text AS origin, (
            SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = view.oid AND attnum > 0
        ) AS columns
        FROM pg_class AS view
        JOIN pg_rewrite AS rule ON rule.ev_class = view.oid
        JOIN pg_depend AS use ON use.objid = rule.oid AND use.classid = 'pg_rewrite'::regclass
        JOIN pg_class AS origin ON origin.oid = use.refobjid AND origin.relname = view.relname
        WHERE view.relkind = 'v' AND origin.oid IN ('referans.api_keys'::regclass, 'referans.routes'::regclass)
    LOOP
        EXECUTE 'CREATE OR REPLACE VIEW ' || place.view || ' AS SELECT ' || place.columns
            || ' FROM ' || place.origin || ' WHERE tenant_id IS NULL';
    END LOOP;
END
$$;
"""


def up(migrator, db):
    db.execute_sql(SQL)
