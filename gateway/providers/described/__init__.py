"""Protocols as data: reads a protocol file, and speaks the protocol that it describes."""
