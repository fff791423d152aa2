"""posezoo run and posezoo demo."""
