"""Rules over what is declared and what lies on disk."""
