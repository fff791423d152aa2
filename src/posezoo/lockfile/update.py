"""How a lock takes in a newer state of a model: what changes, what stays, and what it never goes back to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from posezoo.errors import LockError
from posezoo.lockfile.entries import COMPOSITE_YML, FIRST_USE, MADE, MODEL_YML, LockEntries, LockEntry

_DECLARATIONS = (MODEL_YML, COMPOSITE_YML)


@dataclass(frozen=True, slots=True)
class LockChange:
    """One line of a lock that comes, goes, or says something else."""

    model: str
    file: str
    change: str  # added, changed or removed
    was: str = ""  # SHA-384
    now: str = ""  # SHA-384

    def __str__(self) -> str:
        digests = " -> ".join(each[:12] + "…" for each in (self.was, self.now) if each)
        return f"{self.change:8} {self.model}: {self.file} (SHA-384 {digests})"


def explain_rollback(known: LockEntry, found: LockEntry) -> str:
    """Why a registry's file is older than the one in the lock; empty where nothing says so."""
    if found.revision < known.revision:
        return f"revision {found.revision}, the lock's is {known.revision}"
    if found.sha384 in known.before:
        return "it was replaced before the lock's came"
    return ""


def merge_entries(
    entries: LockEntries,
    found: Collection[LockEntry],
    unpinned: Collection[str] = (),
    *,
    allow_rollback: bool = False,
) -> LockEntries:
    """The entries with what was found of one model, and of the composite that it is a part of.

    Args:
        entries: what the lock says now.
        found: the model's files as they are here.
        unpinned: files of the model that nothing pins, and that nothing is known of here.
        allow_rollback: whether an older model.yml than the lock's is taken.

    What is the same keeps its line. What is not here keeps its line too while nothing says that it is
    another now: an IR of the same model.yml, a file of the first use.

    Raises:
        LockError: a model.yml is older than the lock's.
    """
    taken = {entry.key: _taken(entries.get(entry.key), entry, allow_rollback) for entry in found}
    of_model = {entry.model for entry in found if entry.file == MODEL_YML}
    same = {
        entry.model
        for entry in found
        if entry.file == MODEL_YML and entry.key in entries and entries[entry.key].has_same_content(entry)
    }
    stays = {
        key: entry
        for key, entry in entries.items()
        if entry.model not in of_model
        or (entry.origin == FIRST_USE and entry.file in unpinned)
        or (entry.model in same and (entry.origin == MADE or entry.file in unpinned))
    }
    return {**stays, **taken}


def list_changes(before: LockEntries, after: LockEntries) -> list[LockChange]:
    """What differs, in the order of the lock's lines."""
    found = []
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if was is not None and now is not None and was.has_same_content(now) and was.revision == now.revision:
            continue
        change = "added" if was is None else "removed" if now is None else "changed"
        digests = (was.sha384 if was else "", now.sha384 if now else "")
        found.append(LockChange(key[0], key[1], change, *digests))
    return found


def _taken(known: LockEntry | None, found: LockEntry, allow_rollback: bool) -> LockEntry:
    if known is None:
        return found
    if found.file not in _DECLARATIONS:
        return known if known.has_same_content(found) else found
    if known.has_same_content(found) and known.revision == found.revision:
        return known
    reason = explain_rollback(known, found)
    if reason and not allow_rollback:
        raise LockError(
            f"{found.model}: {found.file} is older than the lock's: {reason}",
            hint="bring the newer registry, or say --allow_rollback",
        )
    before = () if reason else (*(each for each in known.before if each != found.sha384), known.sha384)
    return replace(found, before=before)
