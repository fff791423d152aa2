"""posezoo push and posezoo pull."""
