"""Faults of conversions that the self-check must find, and right networks that it must accept."""
