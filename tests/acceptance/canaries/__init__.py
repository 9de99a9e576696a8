"""Secrets that are let run through every path there is, and the search for them in everything that is kept or shown.

A later feature adds its paths to test_canaries.py, its secrets to `secret.py`, and, where one of them must be shown, a
line to `secret.BELONGS`.
"""
