"""The database as the version before 0022 made it, with its tables beside the orders table, and what it ran there."""

from contextlib import closing

import psycopg2

from models.db.expected import statements, steps

#: The last migration of that version.
LAST = "0021_sealed_texts"
HISTORY = """
CREATE TABLE schema_migration (id serial PRIMARY KEY, name varchar(255) NOT NULL, applied timestamp NOT NULL)
"""


def migrate(url: str, last: str = LAST) -> None:
    """What its `gateway migrate` left: its migrations are ours, of before they named a schema."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(HISTORY)
        cursor.execute("CREATE UNIQUE INDEX schema_migration_name ON schema_migration (name)")
        for step in steps():
            if step.name <= last:
                for statement in statements(step.sql):
                    cursor.execute(statement.replace("referans.", ""))
                cursor.execute(
                    "INSERT INTO schema_migration (name, applied) VALUES (%s, now())", (step.name,)
                )
