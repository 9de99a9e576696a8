"""The schema, step by step; run by `gateway migrate`. Each file holds its SQL as one constant.

Tables of the gateway's own are named `referans.…`, whatever DATABASE_SCHEMA says; `product_orders` is named without a
schema. Each step may be applied again (IF NOT EXISTS), has one column on each line of CREATE TABLE, and ends every
statement with its line: what it makes is read from its text (docs/decisions/0007). A step in a transaction needs
nothing that a step without one has made. Until a step of a later version drops the views in place of the tables that
0022 found elsewhere, no step changes the type of a column that tables had before 0022, or drops one.
"""
