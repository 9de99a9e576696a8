"""Inputs that were changed at random, for every parser and over the wire: `python -m tests.acceptance.fuzz --help`."""
