"""posezoo evaluate, benchmark and dataset."""
