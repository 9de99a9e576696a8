"""Referans: a gateway that places orders with providers and reports their outcomes."""

__version__ = "0.1.0"
