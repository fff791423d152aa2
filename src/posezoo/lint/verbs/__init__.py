"""The verbs that check metadata, and files and IR."""
