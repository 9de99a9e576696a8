"""Run with `make test`."""
