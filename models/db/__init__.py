"""The plumbing under the models: connections, prepared statements, migrations, sealed fields."""
