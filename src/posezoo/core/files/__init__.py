"""Files on disk: verify them by digest, write them atomically, and lock them during a change."""
