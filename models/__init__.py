"""The tables and the statements that change them. PostgreSQL holds the truth; nothing here knows HTTP or queues."""
