"""Keeps a registry up to date: drafts of models, records, proofs, the JSON Schema."""
