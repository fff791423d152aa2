"""Model cards: drawn from what was declared and what was measured, never typed."""
