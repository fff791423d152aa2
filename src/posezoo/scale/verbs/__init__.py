"""posezoo mirror."""
