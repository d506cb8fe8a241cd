"""Contenders that speak HTTP: each a real server process on a core of its own."""
