"""Inputs that nobody would think of, for every parser and over the wire: `python -m tests.acceptance.fuzz --help`."""
