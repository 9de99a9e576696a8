"""schemathesis against the web as it runs: `python -m tests.acceptance.described`."""
