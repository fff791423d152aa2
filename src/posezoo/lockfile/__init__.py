"""posezoo.lock: the SHA-384 of each model.yml, published file and IR that a user or a team agreed to.

entries: its lines · lockfile: pins of first use, and what is refused · update: how a newer state is
recorded · snapshot: the present state of a model · signature: a signature of the whole file.
"""

from posezoo.lockfile.entries import FIRST_USE, NAME, LockEntry
from posezoo.lockfile.lockfile import AgreedIr, LockFile

__all__ = ["FIRST_USE", "NAME", "AgreedIr", "LockEntry", "LockFile"]
