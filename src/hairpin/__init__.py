"""Hairpin runs one live moment for everyone at once."""

__version__ = "0.1.0"
