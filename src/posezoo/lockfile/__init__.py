"""posezoo.lock: what a user or a team agreed to, by SHA-384: each model.yml, published file and IR.

entries: its lines · lock: pins of first use, and what is refused · agreement: how a newer state is taken in ·
survey: what a model is here · signature: who vouches for the whole.
"""

from posezoo.lockfile.entries import FIRST_USE, NAME, LockEntry
from posezoo.lockfile.lockfile import AgreedIr, LockFile

__all__ = ["FIRST_USE", "NAME", "AgreedIr", "LockEntry", "LockFile"]
