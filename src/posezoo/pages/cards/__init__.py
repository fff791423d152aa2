"""Model cards, generated from declared and measured values."""
