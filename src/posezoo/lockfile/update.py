"""How a newer state of a model is recorded in a lock: what changes, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from posezoo.errors import LockError
from posezoo.lockfile.entries import COMPOSITE_YML, FIRST_USE, MADE, MODEL_YML, LockEntries, LockEntry

_DECLARATIONS = (MODEL_YML, COMPOSITE_YML)


@dataclass(frozen=True, slots=True)
class LockChange:
    """One line of a lock that is added, removed or changed."""

    model: str
    file: str
    change: str  # added, changed or removed
    was: str = ""  # SHA-384
    now: str = ""  # SHA-384

    def __str__(self) -> str:
        digests = " -> ".join(digits[:12] + "…" for digits in (self.was, self.now) if digits)
        return f"{self.change:8} {self.model}: {self.file} (SHA-384 {digests})"


def explain_rollback(locked: LockEntry, present: LockEntry) -> str:
    """Why a registry's file is older than the one in the lock; empty if nothing shows that it is."""
    if present.revision < locked.revision:
        return f"revision {present.revision}, the lock's is {locked.revision}"
    if present.sha384 in locked.before:
        return "the version in the lock has replaced it"
    return ""


def merge_entries(
    entries: LockEntries,
    present: Collection[LockEntry],
    unpinned: Collection[str] = (),
    *,
    allow_rollback: bool = False,
) -> LockEntries:
    """The entries with the present state of one model, and of the composite that it is a part of.

    Args:
        entries: those of the lock now.
        present: those of the model's files as they are here.
        unpinned: files of the model without a pin that are not here.
        allow_rollback: whether a model.yml that is older than the lock's is accepted.

    An entry with the same content stays. The entry of a file that is not here stays too, while nothing shows
    that it is outdated: an IR of the same model.yml, a file of the first use.

    Raises:
        LockError: a model.yml is older than the lock's.
    """
    updated = {entry.key: _updated(entries.get(entry.key), entry, allow_rollback) for entry in present}
    of_model = {entry.model for entry in present if entry.file == MODEL_YML}
    unchanged = {
        entry.model
        for entry in present
        if entry.file == MODEL_YML and entry.key in entries and entries[entry.key].has_same_content(entry)
    }
    kept = {
        key: entry
        for key, entry in entries.items()
        if entry.model not in of_model
        or (entry.origin == FIRST_USE and entry.file in unpinned)
        or (entry.model in unchanged and (entry.origin == MADE or entry.file in unpinned))
    }
    return {**kept, **updated}


def list_changes(before: LockEntries, after: LockEntries) -> list[LockChange]:
    """What differs, in the order of the lock's lines."""
    changes = []
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if was is not None and now is not None and was.has_same_content(now) and was.revision == now.revision:
            continue
        change = "added" if was is None else "removed" if now is None else "changed"
        digests = (was.sha384 if was else "", now.sha384 if now else "")
        changes.append(LockChange(key[0], key[1], change, *digests))
    return changes


def _updated(locked: LockEntry | None, present: LockEntry, allow_rollback: bool) -> LockEntry:
    if locked is None:
        return present
    if present.file not in _DECLARATIONS:
        return locked if locked.has_same_content(present) else present
    if locked.has_same_content(present) and locked.revision == present.revision:
        return locked
    reason = explain_rollback(locked, present)
    if reason and not allow_rollback:
        raise LockError(
            f"{present.model}: {present.file} is older than the lock's: {reason}",
            hint="use the newer registry, or use --allow_rollback",
        )
    earlier = (digits for digits in locked.before if digits != present.sha384)
    return replace(present, before=() if reason else (*earlier, locked.sha384))
