"""Open Model Zoo's commands, made of posezoo: many scripts rely on their flags and lines."""
