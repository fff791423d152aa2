"""The types of download sources, one module per type."""
