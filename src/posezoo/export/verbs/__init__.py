"""posezoo export."""
