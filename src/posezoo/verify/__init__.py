"""Check files and IR on disk against their declarations and records."""
