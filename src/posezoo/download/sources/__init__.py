"""Types of download sources: one module a type."""
