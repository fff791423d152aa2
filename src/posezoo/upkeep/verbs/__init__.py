"""posezoo new, record, prove and sources."""
