"""posezoo convert."""
