"""posezoo shims, which writes the stand-ins for Open Model Zoo's tools."""
