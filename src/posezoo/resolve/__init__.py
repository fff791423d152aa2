"""Decide by declarations, settings and the lock how a model becomes IR, before its files are looked at."""
