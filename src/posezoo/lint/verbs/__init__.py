"""The verb that checks metadata, and files and IR."""
