"""The verbs of ``posezoo``: one module a verb."""
