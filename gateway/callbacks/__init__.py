"""Callbacks: who may send them, and what they say. Knows no HTTP server and no database."""
