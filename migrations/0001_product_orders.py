"""The orders table: made where it is missing, completed where another system made it.

Every column is added only where it is absent, with a constant default or none, so no row is rewritten.
On a table of our own, products and packages are text, so that any catalogue's keys fit.
"""

SQL = """
CREATE TABLE IF NOT EXISTS product_orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
CREATE SEQUENCE IF NOT EXISTS product_orders_order_no_seq AS integer;
ALTER TABLE product_orders
    ADD COLUMN IF NOT EXISTS "tenantId" uuid,
    ADD COLUMN IF NOT EXISTS "orderNo" integer DEFAULT nextval('product_orders_order_no_seq'),
    ADD COLUMN IF NOT EXISTS "orderUuid" varchar(64),
    ADD COLUMN IF NOT EXISTS origin varchar(20) DEFAULT 'panel',
    ADD COLUMN IF NOT EXISTS "productId" text,
    ADD COLUMN IF NOT EXISTS "packageId" text,
    ADD COLUMN IF NOT EXISTS "userId" uuid,
    ADD COLUMN IF NOT EXISTS quantity integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS "sellPriceCurrency" varchar(10) DEFAULT 'USD',
    ADD COLUMN IF NOT EXISTS "sellPriceAmount" numeric(10,2) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "costCurrency" varchar(10) DEFAULT 'USD',
    ADD COLUMN IF NOT EXISTS "costAmount" numeric(10,2) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "profitAmount" numeric(10,2) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS price numeric(10,2) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS status varchar DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS "userIdentifier" varchar,
    ADD COLUMN IF NOT EXISTS "extraField" varchar,
    ADD COLUMN IF NOT EXISTS "providerId" varchar,
    ADD COLUMN IF NOT EXISTS "externalOrderId" varchar,
    ADD COLUMN IF NOT EXISTS "externalStatus" varchar DEFAULT 'not_sent',
    ADD COLUMN IF NOT EXISTS attempts integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "lastMessage" varchar(250),
    ADD COLUMN IF NOT EXISTS "manualNote" text,
    ADD COLUMN IF NOT EXISTS notes jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS "notesCount" integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "pinCode" text,
    ADD COLUMN IF NOT EXISTS "sentAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "lastSyncAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "completedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "approvedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "durationMs" integer,
    ADD COLUMN IF NOT EXISTS "fxLocked" boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS "createdAt" timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS provider_referans varchar(255),
    ADD COLUMN IF NOT EXISTS "providerMessage" text,
    ADD COLUMN IF NOT EXISTS "pinDigest" text,
    ADD COLUMN IF NOT EXISTS "notifyUrl" text,
    ADD COLUMN IF NOT EXISTS "routeParams" jsonb,
    ADD COLUMN IF NOT EXISTS "triedProviders" text[] DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS "claimedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "unknownCount" integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "unknownAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "nextCheckAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "checkCount" integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "checkRequestedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "lastCallbackAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "failureReason" varchar(40),
    ADD COLUMN IF NOT EXISTS late boolean DEFAULT false;
"""


def up(migrator, db):
    db.execute_sql(SQL)
