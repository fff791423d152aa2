"""The verbs of ``posezoo``; each verb is one module."""
