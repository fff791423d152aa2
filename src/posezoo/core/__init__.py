"""Core: what it is for, in one line."""
