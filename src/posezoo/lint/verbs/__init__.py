"""The verb that checks metadata."""
