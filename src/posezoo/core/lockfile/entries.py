"""Read and write the lines of a posezoo.lock, and update them to the present state of models.

Lines are sorted entries in JSON, so that version control can merge branches::

    {"model": "net@ccd24037", "file": "net.zip", "size": 5, "sha384": "...", "origin": "first_use",
    ...}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import CompositeSpec, ModelSpec, SourceFile
from posezoo.core.declarations.safe_names import case_folded, explain_unsafe_file_name
from posezoo.core.errors import LockError, PosezooError, os_reason, sanitize
from posezoo.core.files.verified_files import compute_digest, is_verified_file
from posezoo.core.registry import RegistryEntry
from posezoo.core.regular_files import (
    MERGE_MARKS,
    MERGE_PROBLEM,
    read_regular_bytes,
    read_regular_text,
)
from posezoo.core.values import frozen

NAME = "posezoo.lock"
MODEL_YML = "model.yml"
COMPOSITE_YML = "composite-model.yml"

#: The origin of an entry: a file of a registry, a published file, a published file that was trusted
#: at its first download, an IR that was converted here.
REGISTRY = "registry"
PUBLISHED = "published"
FIRST_USE = "first_use"
MADE = "made"

_SHA384 = re.compile("[0-9a-f]{96}")
_PROOF = ("proof", "proven_with", "proven_at")
_OPTIONAL = ("revision", "before", "decisive", "openvino", "posezoo", *_PROOF)

#: Model, file, and whether it was converted here, because a published IR may have the same name.
LockKey = tuple[str, str, bool]


@frozen
class LockEntry:
    """The content of one file."""

    model: str  # name@tag if there are tags, also for the default tag, which may change later
    file: str  # the name in model.yml; FP16/net.xml for an IR
    size: int  # bytes
    sha384: str
    origin: str  # REGISTRY, PUBLISHED, FIRST_USE or MADE
    first_seen: str  # ISO 8601, UTC
    revision: int = 0  # of a model.yml: its own revision number
    before: tuple[str, ...] = ()  # of a model.yml: the SHA-384 of its earlier versions
    decisive: str = ""  # of a model.yml: the SHA-384 of what decides the bytes of files and IR
    openvino: str = ""  # of an .xml: the version of OpenVINO that made it, as it names it
    posezoo: str = ""  # of an .xml: the version of posezoo that made it
    proof: str = ""  # of an .xml: how the IR compares with its original, as provenance.json has it
    proven_with: str = ""  # of an .xml that is equal: the runtime that ran the original
    proven_at: str = ""  # of an .xml that is equal: ISO 8601, UTC

    @property
    def key(self) -> LockKey:
        """The key: a lock has one entry per key."""
        return self.model, self.file, self.origin == MADE

    def has_same_content(self, other: LockEntry) -> bool:
        """Whether the other entry is for the same file with the same bytes."""
        return (self.key, self.size, self.sha384) == (other.key, other.size, other.sha384)

    def decides_the_same(self, other: LockEntry) -> bool:
        """Whether both declarations make the same files and IR, whatever else their texts say."""
        is_equal = self.decisive != "" and self.decisive == other.decisive
        return is_equal or self.has_same_content(other)

    def is_unchanged(self, other: LockEntry) -> bool:
        """Whether the other entry has the same content and the same revision."""
        return self.has_same_content(other) and self.revision == other.revision

    def completed_by(self, other: LockEntry) -> LockEntry:
        """This entry, with the proof of the other one, which has the same content, if the IR was
        proven since.
        """
        if self.proven_at or not other.proof:
            return self
        return replace(self, **{name: getattr(other, name) for name in _PROOF})


LockEntries = dict[LockKey, LockEntry]


def model_key(spec: ModelSpec) -> str:
    """The name of a model in a lock."""
    return f"{spec.name}@{spec.tag}" if spec.tag else spec.name


def declaration_entries(spec: ModelSpec, now: str) -> Iterator[LockEntry]:
    """The present entries of a model.yml and its composite-model.yml; LockError if one cannot be
    read.
    """
    declarations = [(model_key(spec), spec.path, spec.revision)]
    if spec.composite:
        declarations.append((spec.composite, spec.path.parents[1] / COMPOSITE_YML, 0))
    for model, path, revision in declarations:
        try:
            content = read_regular_bytes(path)
        except OSError as error:
            raise LockError(f"{path}: cannot be read: {os_reason(error)}") from error
        yield LockEntry(
            model,
            path.name,
            len(content),
            hashlib.sha384(content).hexdigest(),
            origin=REGISTRY,
            first_seen=now,
            revision=revision,
            decisive=_decisive_digest(spec, path),
        )


def _decisive_digest(spec: ModelSpec, path: Path) -> str:
    """The SHA-384 of what a declaration decides about the bytes of files and IR.

    The declaration is read again: ``spec`` may have pins of a lock, and inputs that a user chose.
    """
    declared = RegistryEntry(
        path.parent.name, spec.family, path, spec.composite, spec.parent
    ).read()
    if isinstance(declared, CompositeSpec):
        decides: dict[str, Any] = {"stages": declared.stages, "decoder": declared.decoder}
    else:
        (declared,) = (
            variant for variant in (declared, *declared.variants) if variant.tag == spec.tag
        )
        from posezoo.core.ir.provenance import conversion_key  # a download needs none of it

        decides = {
            "files": [(file.name, file.size, str(file.checksum)) for file in declared.files],
            "postprocessing": declared.postprocessing,
            "input_model": declared.input_model,
            "checkpoint": declared.checkpoint,
            "quantization": declared.quantization,
            "arguments": conversion_key(declared, declared.decoder)["arguments"],
        }
        if declared.int8_ranges:
            decides["int8_ranges"] = str(declared.int8_ranges.checksum)
    return hashlib.sha384(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


@frozen
class ModelSnapshot:
    """The present state of one model."""

    entries: tuple[LockEntry, ...]  # one for each file whose SHA-384 is known
    unpinned: tuple[str, ...] = ()  # published files that are missing, and have no declared SHA-384
    warnings: tuple[str, ...] = ()  # one line for each existing file that differs from its record


def published_entry(spec: ModelSpec, file: SourceFile, path: Path, now: str) -> LockEntry | None:
    """The entry of a published file, from its declaration or else its bytes; None if it is not
    verified.
    """
    origin = FIRST_USE if file.first_use else PUBLISHED
    digest = file.checksum
    size = file.size
    if digest is None or digest.algorithm != "sha384" or size is None:
        if not is_verified_file(path, file):
            return None
        digest = compute_digest(path)
        size = path.stat().st_size
    return LockEntry(model_key(spec), file.name, size, digest.value, origin=origin, first_seen=now)


def format_entries(entries: Iterable[LockEntry]) -> bytes:
    """The bytes of a lock with these entries."""
    lines = []
    for entry in sorted(entries, key=lambda entry: entry.key):
        fields = asdict(entry).items()
        given = {name: value for name, value in fields if value or name not in _OPTIONAL}
        lines.append(json.dumps(given) + "\n")
    return "".join(lines).encode()


def read_entries(path: Path) -> LockEntries:
    """The entries of a posezoo.lock; empty if it is missing. A PosezooError if a line is not an
    entry.
    """
    try:
        text = read_regular_text(path)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        hint = "the setting lock names this file"
        raise PosezooError(f"{path}: cannot be read: {reason}", hint=hint) from error
    entries: LockEntries = {}
    by_folded_key: dict[tuple[str, bool], LockEntry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        entry = _entry(line)
        problem, hint = _explain_line(line, entry)
        if entry:
            folded_key = case_folded(f"{entry.model}: {entry.file}"), entry.origin == MADE
            first = by_folded_key.setdefault(folded_key, entry)
            # Two branches may have added the same file, or only one has completed its line.
            entries[entry.key] = entries.setdefault(entry.key, entry).completed_by(entry)
            if not first.has_same_content(entry):
                problem = f"contradicts another entry of {entry.model}: {entry.file}"
                hint = (
                    "after a merge, decide on one model.yml, remove the lines of the model, and"
                    f" record it again: posezoo lock {entry.model}"
                )
        if problem:
            raise PosezooError(f"{path}:{number}: {problem}", hint=hint)
    return entries


def _explain_line(line: str, entry: LockEntry | None) -> tuple[str, str]:
    if line.startswith(MERGE_MARKS):
        return MERGE_PROBLEM, (
            "remove the marks, and keep the lines of both sides, as Git does if .gitattributes has:"
            " posezoo.lock merge=union; then posezoo lock --check"
        )
    problem = _explain_unsafe_entry(entry) if entry else "is not an entry"
    return problem, (
        "restore the line from version control, remove it, or use the posezoo that wrote it, if"
        " that is newer"
    )


def _explain_unsafe_entry(entry: LockEntry) -> str:
    for name in (entry.model, entry.file):
        if reason := explain_unsafe_file_name(name):
            return f"{sanitize(name)} {reason}"
    return ""


def _entry(line: str) -> LockEntry | None:
    try:
        fields: Any = json.loads(line)
        entry = LockEntry(**{**fields, "before": tuple(fields.get("before", ()))})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    digests = [entry.sha384, *entry.before, *filter(None, [entry.decisive])]
    words = (entry.model, entry.file, entry.origin, entry.first_seen)
    versions = (entry.openvino, entry.posezoo)
    proof = (entry.proof, entry.proven_with, entry.proven_at)
    texts = (*words, *versions, *proof, *digests)
    numbers = (entry.size, entry.revision)
    if not all(isinstance(text, str) for text in texts):
        return None
    if not all(type(number) is int for number in numbers):  # True is an int, too
        return None
    is_valid = "".join(texts).isprintable() and min(numbers) >= 0
    return entry if is_valid and all(map(_SHA384.fullmatch, digests)) else None


@frozen
class LockChange:
    """One line of a lock that is added, removed or changed."""

    model: str
    file: str
    change: str  # added, completed (with the proof of its IR), changed or removed
    was: str = ""  # SHA-384
    now: str = ""  # SHA-384
    is_text_alone: bool = (
        False  # whether a model.yml changed, and still makes the same files and IR
    )

    def __str__(self) -> str:
        known = dict.fromkeys(digits for digits in (self.was, self.now) if digits)
        digests = " -> ".join(digits[:12] + "…" for digits in known)
        is_other_text = self.is_text_alone and self.change == "changed"
        note = ", with the same files and conversion" if is_other_text else ""
        return f"{self.change:9} {self.model}: {self.file} (SHA-384 {digests}{note})"


def explain_rollback(locked: LockEntry, present: LockEntry) -> str:
    """Why a registry's file is older than the one in the lock; empty if there is no sign of
    that.
    """
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
    """Update the entries to the present state of one model, and of the composite that contains it.

    An entry stays, and is completed, if its content is the same, or if its file is missing and it
    may still be valid: an IR of the same model.yml, or a file that was trusted on first use
    (``unpinned``: without a pin). A LockError if a model.yml is older than the lock's, unless that
    is allowed.
    """
    updated = update_entries(entries, present, allow_rollback=allow_rollback)
    declarations = {entry.model: entry for entry in present if entry.file == MODEL_YML}
    kept: LockEntries = {}
    for key, entry in entries.items():
        declaration = declarations.get(entry.model)
        locked = entries.get(declaration.key) if declaration else None
        if declaration is None or _may_be_valid(entry, declaration, locked, unpinned):
            kept[key] = entry
    return kept | updated


def merge_snapshots(
    entries: LockEntries, snapshots: Iterable[ModelSnapshot], *, allow_rollback: bool = False
) -> LockEntries:
    """Update the entries to the present state of models, each with ``merge_entries``."""
    by_model = group_by_model(entries)
    for snapshot in snapshots:
        # The model, and the composite that contains it.
        names = {entry.model for entry in snapshot.entries}
        locked: LockEntries = {}
        for name in names:
            locked |= by_model.pop(name, {})
        merged = merge_entries(
            locked, snapshot.entries, snapshot.unpinned, allow_rollback=allow_rollback
        )
        by_model |= group_by_model(merged)
    return {key: entry for of_model in by_model.values() for key, entry in of_model.items()}


def group_by_model(entries: LockEntries) -> dict[str, LockEntries]:
    """The entries of each model."""
    by_model: dict[str, LockEntries] = {}
    for key, entry in entries.items():
        by_model.setdefault(entry.model, {})[key] = entry
    return by_model


def update_entries(
    entries: LockEntries, present: Iterable[LockEntry], *, allow_rollback: bool = False
) -> LockEntries:
    """The new entries of existing files; raises a LockError as ``merge_entries``."""
    return {
        entry.key: _merge_entry(entries.get(entry.key), entry, allow_rollback=allow_rollback)
        for entry in present
    }


def _merge_entry(
    locked: LockEntry | None, present: LockEntry, *, allow_rollback: bool
) -> LockEntry:
    if locked is None:
        return present
    if locked.is_unchanged(present):
        return locked.completed_by(present)
    if present.file not in (MODEL_YML, COMPOSITE_YML):
        return present
    reason = explain_rollback(locked, present)
    if reason:
        if allow_rollback:
            return replace(present, before=())
        raise LockError(
            f"{present.model}: {present.file} is older than the lock's: {reason}",
            hint="use the newer registry, or use --allow_rollback",
        )
    earlier = [digits for digits in locked.before if digits != present.sha384]
    return replace(present, before=(*earlier, locked.sha384))


def _may_be_valid(
    entry: LockEntry, declaration: LockEntry, locked: LockEntry | None, unpinned: Collection[str]
) -> bool:
    """Whether a missing file's entry may still be valid; ``locked`` is the lock's model.yml."""
    if entry.file in unpinned and entry.origin == FIRST_USE:
        return True  # only the lock has its digest
    if locked is None or not locked.decides_the_same(declaration):
        return False  # it is of another model.yml
    return entry.file in unpinned or entry.origin == MADE


def list_changes(before: LockEntries, after: LockEntries) -> list[LockChange]:
    """The differences, in the order of the lock's lines."""
    changes = []
    for key in sorted({*before, *after}):
        was = before.get(key)
        now = after.get(key)
        change = "changed"
        if was is None:
            change = "added"
        elif now is None:
            change = "removed"
        elif was == now:
            continue
        elif was.is_unchanged(now):
            change = "completed"
        changes.append(
            LockChange(
                *key[:2],
                change,
                was=was.sha384 if was else "",
                now=now.sha384 if now else "",
                is_text_alone=was is not None and now is not None and was.decides_the_same(now),
            )
        )
    return changes
