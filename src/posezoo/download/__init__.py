"""A model's files: fetched from where they are published, verified, and never put in place before that."""
