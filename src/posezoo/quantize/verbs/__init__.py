"""posezoo quantize."""
