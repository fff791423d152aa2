"""What is decided about a model before its files are looked at, and the values that carry the decisions."""
