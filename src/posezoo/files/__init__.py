"""Files on disk: identified by their digest, written whole or not at all, locked while they change."""
