"""posezoo.lock: the SHA-384 of each model.yml, published file and IR that a user or a team
accepted.
"""

from posezoo.core.lockfile.entries import NAME
from posezoo.core.lockfile.lockfile import AgreedIr, LockFile

__all__ = ["NAME", "AgreedIr", "LockFile"]
