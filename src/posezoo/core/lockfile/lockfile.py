"""Use a posezoo.lock: it pins files without a checksum; a strict lock refuses everything it does
not list.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from posezoo.core.declarations.model import Digest, ModelSpec, Precision, SourceFile
from posezoo.core.errors import DigestError, LockError, shell_word
from posezoo.core.files.file_lock import exclusive
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import (
    compute_digest,
    has_digest,
    write_atomically,
    writing,
)
from posezoo.core.install_commands import pip_command
from posezoo.core.lockfile.entries import (
    COMPOSITE_YML,
    FIRST_USE,
    MADE,
    MODEL_YML,
    LockChange,
    LockEntries,
    LockEntry,
    ModelSnapshot,
    declaration_entries,
    explain_rollback,
    format_entries,
    group_by_model,
    list_changes,
    merge_snapshots,
    model_key,
    read_entries,
)
from posezoo.core.registry import Registry, format_command
from posezoo.core.regular_files import is_open_pipe, read_regular_bytes
from posezoo.core.values import frozen
from posezoo.core.versions import package_version, version


def _now() -> datetime:
    return datetime.now(timezone.utc)


class LockFile:
    """The entries of a posezoo.lock, which may be missing; it is read at the first use. A strict
    lock refuses every model, file and IR that it does not list, or lists with other content.

    Raises:
        PosezooError: at the first use: the lock cannot be read, or a line is not an entry.
    """

    def __init__(
        self, path: Path, *, strict: bool = False, now: Callable[[], datetime] = _now
    ) -> None:
        # Links are resolved, so that projects that share a lock by links still share it after a
        # write.
        is_link = path.is_symlink() and not is_open_pipe(path)
        self.path = path.resolve() if is_link else path
        self.is_strict = strict
        self._now = now
        self._entries: LockEntries | None = None
        self._by_model: dict[str, LockEntries] = {}
        self._grouped: LockEntries | None = None  # the entries that _by_model has
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., LockFile], tuple[Path]]:
        """Pickle only the path and the settings; another process reads the file itself."""
        return partial(LockFile, strict=self.is_strict, now=self._now), (self.path,)

    @property
    def entries(self) -> LockEntries:
        """The entries at the time of the first read or the last write."""
        if self._entries is None:
            self._entries = read_entries(self.path)
        return self._entries

    @property
    def timestamp(self) -> str:
        """The current time, in the format of entries."""
        return self._now().isoformat(timespec="seconds")

    def with_pins(self, spec: ModelSpec) -> ModelSpec:
        """The model, with size and SHA-384 from the lock for each file without a checksum.

        A LockError if the lock is strict, and does not list this model.yml or one of its files.
        """
        if self.is_strict:
            self._require(spec)
        if all(file.checksum is not None for file in spec.files):
            return spec
        return replace(spec, files=tuple(self._with_pin(file, spec) for file in spec.files))

    def _with_pin(self, file: SourceFile, spec: ModelSpec) -> SourceFile:
        entry = self.entries.get((model_key(spec), file.name, False))
        if file.checksum or entry is None:
            return file
        # The lock's entry of an archive is valid only for the model.yml that was locked with it.
        if file.is_pinned and not self.has_declaration(spec):
            return file
        return replace(
            file,
            size=entry.size,
            checksum=Digest("sha384", entry.sha384),
            first_use=not file.is_pinned,
            by_lock=file.is_pinned,
        )

    def agreed_ir(self, spec: ModelSpec, precision: Precision) -> AgreedIr | None:
        """The entries of an IR in a strict lock; None if the lock is not strict and allows every
        IR.
        """
        from posezoo.core.ir.provenance import SUFFIXES

        if not self.is_strict:
            return None
        files = {suffix: f"{precision}/{spec.name}{suffix}" for suffix in SUFFIXES}
        locked = {}
        for suffix, file in files.items():
            entry = self.entries.get((model_key(spec), file, True))
            if entry:
                locked[suffix] = entry
        return AgreedIr(self.path, spec.full_name, files, locked)

    def require_file(self, path: Path) -> None:
        """Raise a LockError if the lock lists no file with the bytes of this one; an .xml may name
        another version of OpenVINO.
        """
        from posezoo.core.ir.people_metadata import list_equal_digests

        accepted = {compute_digest(path).value}
        if path.suffix == ".xml":
            for stamp in {entry.openvino for entry in self.entries.values()}:
                accepted |= list_equal_digests(path, stamp)
        if accepted.isdisjoint(entry.sha384 for entry in self.entries.values()):
            raise LockError(
                f"{path}: is no file that {self.path} lists, and --locked allows nothing else",
                hint="name a model of the lock; only a lock that is not strict allows other files",
            )

    def require_registry(self, registry: Registry) -> None:
        """Raise a LockError if an older or different registry lacks a model of a strict lock."""
        if not self.is_strict:
            return
        gone = sorted(
            {entry.model.partition("@")[0] for entry in self.entries.values()}
            - registry.with_builtin().entries.keys()
        )
        if gone:
            others = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
            raise LockError(
                f"{self.path} has {gone[0]}{others}, but this registry does not: "
                "it is older, or a different one",
                hint="check --models_dir and --registry, or which posezoo this is",
            )

    def find_gone(self, registry: Registry) -> list[str]:
        """The models of the lock that a registry does not have."""
        locked = sorted({entry.model for entry in self.entries.values()})
        return [name for name in locked if not registry.matches_any(name)]

    def are_most(self, gone: Sequence[str]) -> bool:
        """Whether these are most of the models, as in a wrong registry."""
        return len(gone) * 2 > len({entry.model for entry in self.entries.values()})

    def find_withdrawn(self, registry: Registry) -> list[str]:
        """As ``find_gone``; a LockError if they are most of the models."""
        gone = self.find_gone(registry)
        if self.are_most(gone):
            locked = {entry.model for entry in self.entries.values()}
            raise LockError(
                f"{self.path}: this registry has only {len(locked) - len(gone)} of its"
                f" {len(locked)} models: {', '.join(map(str, registry.roots))}",
                hint="use the registry that the lock is of, or name the models that you mean",
            )
        return gone

    def record_first_use(
        self, spec: ModelSpec, file: SourceFile, size: int, digest: Digest
    ) -> None:
        """Record the size and digest of a file without a pin.

        Raises:
            DigestError: an entry with another digest exists already.
            OutputError: the lock cannot be written, or another run keeps it locked.
        """
        entry = LockEntry(
            model_key(spec),
            file.name,
            size,
            digest.value,
            origin=FIRST_USE,
            first_seen=self.timestamp,
        )

        def add(entries: LockEntries) -> LockEntries:
            locked = entries.setdefault(entry.key, entry)
            if locked.sha384 != entry.sha384:
                raise DigestError(
                    f"{file.name}: the digest of the download is {digest}, "
                    f"but {self.path} has {locked.sha384[:12]}…",
                    hint="two downloads gave different files: find out which is the right one",
                )
            return entries

        self.update(add)

    def record(
        self,
        snapshots: Sequence[ModelSnapshot],
        *,
        gone: Collection[str] = (),
        allow_rollback: bool = False,
        is_dry_run: bool = False,
    ) -> list[LockChange]:
        """Record the present state of models, and remove those that are gone; return the changes.

        Raises:
            LockError: a model.yml is older than the lock's, and that is not allowed.
            OutputError: as for ``update``.
        """
        changes: list[LockChange] = []

        def merge(entries: LockEntries) -> LockEntries:
            removed = set(gone)
            merged = {key: entry for key, entry in entries.items() if entry.model not in removed}
            merged = merge_snapshots(merged, snapshots, allow_rollback=allow_rollback)
            changes.extend(list_changes(entries, merged))
            return merged

        if is_dry_run:
            merge(self.entries)
        else:
            self.update(merge)
        return changes

    def update(self, work: Callable[[LockEntries], LockEntries]) -> None:
        """Replace the entries; other processes that write the lock wait.

        ``work`` receives the entries that are in the file now and returns the new ones; if it
        raises, the file is not changed.

        Raises:
            OutputError: the lock cannot be written, or another run keeps it locked.
        """
        with writing(self.path):
            create_parent(self.path)
            with self._lock, exclusive(self.path):
                entries = work(read_entries(self.path))
                content = format_entries(entries.values())
                if not self.path.is_file() or read_regular_bytes(self.path) != content:
                    write_atomically(self.path, content)
                self._entries = entries

    def has_declaration(self, spec: ModelSpec) -> bool:
        """Whether this model.yml makes the same files and IR as the locked one."""
        locked = self.entries.get((model_key(spec), MODEL_YML, False))
        return locked is not None and locked.decides_the_same(next(declaration_entries(spec, "")))

    def entries_of(self, spec: ModelSpec) -> LockEntries:
        """The entries of a model."""
        entries = self.entries
        if self._grouped is not entries:
            self._by_model = group_by_model(entries)
            self._grouped = entries
        return self._by_model.get(model_key(spec), {})

    def made_entries(self, spec: ModelSpec) -> list[LockEntry]:
        """The entries of a model's IR."""
        return [entry for entry in self.entries_of(spec).values() if entry.origin == MADE]

    def explain_other_texts(self, specs: Iterable[ModelSpec]) -> str:
        """Which declarations a strict lock accepts although their texts changed; empty if none
        did.
        """
        if not self.is_strict:
            return ""
        changed = [spec.full_name for spec in specs if self._has_other_text(spec)]
        if not changed:
            return ""
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return (
            f"{changed[0]}{others}: the text of model.yml is not the one in {self.path}, but the"
            f" same files and IR are accepted: posezoo lock records it"
        )

    def _has_other_text(self, spec: ModelSpec) -> bool:
        pairs = ((self.entries.get(entry.key), entry) for entry in declaration_entries(spec, ""))
        return any(
            locked and not locked.has_same_content(present) and locked.decides_the_same(present)
            for locked, present in pairs
        )

    def _require(self, spec: ModelSpec) -> None:
        command = format_command("lock", spec)
        if self.path != Path("posezoo.lock"):
            command += f" --lock {shell_word(self.path)}"
        hint = f"{command} records the files as they are now"
        again = format_command("get", spec)
        changed = f"if you agree with the change: {again}; then {command}"
        for present in declaration_entries(spec, self.timestamp):
            locked = self.entries.get(present.key)
            if locked is None:
                raise _unknown_file_error(self.path, spec.full_name, present.file, hint)
            if locked.has_same_content(present):
                continue
            path = spec.path if present.file == MODEL_YML else spec.path.parents[1] / COMPOSITE_YML
            reason = explain_rollback(locked, present)
            if reason:
                raise LockError(
                    f"{path}: is older than the one recorded in {self.path}: {reason}",
                    hint=(
                        "the registry was rolled back: use the newer one, or find out why it"
                        " changed"
                    ),
                )
            if locked.decides_the_same(present):
                continue
            raise LockError(
                f"{path}: makes other files or IR than the {present.file} recorded in {self.path}",
                hint=changed,
            )
        for file in spec.files:
            locked = self.entries.get((model_key(spec), file.name, False))
            if locked is None:
                raise _unknown_file_error(self.path, spec.full_name, file.name, hint)
            declared = file.checksum
            if declared and declared.algorithm == "sha384" and declared.value != locked.sha384:
                raise LockError(
                    f"{spec.full_name}: {file.name} is declared as {declared}, "
                    f"{self.path} has {locked.sha384[:12]}…",
                    hint=changed,
                )


@frozen
class AgreedIr:
    """The entries of one IR in a strict lock."""

    lock: Path
    model: str  # the model's full name
    files: Mapping[str, str]  # the names of its two files in the lock, by suffix
    entries: Mapping[str, LockEntry]  # of each file that the lock lists, by suffix

    def require_known(self) -> None:
        """Raise a LockError if the lock does not list both files of the IR."""
        for suffix, file in self.files.items():
            if suffix not in self.entries:
                made = f"posezoo get {self.model}, then posezoo lock {self.model}"
                hint = f"where the lock is made, with the same flags: {made}"
                raise _unknown_file_error(self.lock, self.model, file, hint)

    def lists(self, xml: Path) -> bool:
        """Whether an IR has the bytes that the lock lists, whatever made it; they are read."""
        return self.entries.keys() == self.files.keys() and all(
            has_digest(xml.with_suffix(suffix), [Digest("sha384", entry.sha384)])
            for suffix, entry in self.entries.items()
        )

    @property
    def proof(self) -> LockEntry | None:
        """The entry that says that the IR is equal to its original; None if there is none."""
        from posezoo.core.ir.provenance import EQUAL

        entry = self.entries.get(".xml")
        return entry if entry and entry.proof == EQUAL else None

    def require(self, xml: Path) -> None:
        """Raise a LockError if the lock does not list the IR, or lists other bytes of its files. An
        .xml may name another version of OpenVINO, or none.
        """
        from posezoo.core.ir.people_metadata import read_stamp

        self.require_known()
        other = self.find_other(xml)
        if other is None:
            return
        made_by = self.entries[xml.suffix]
        digest = compute_digest(xml.with_suffix(Path(other.file).suffix))
        raise LockError(
            f"{self.model}: {other.file} is {digest}"
            f"{_describe_versions(read_stamp(xml), version())}, {self.lock} has"
            f" {other.sha384[:12]}…"
            f"{_describe_versions(made_by.openvino, made_by.posezoo)}",
            hint=self._explain_other(made_by),
        )

    def _explain_other(self, made_by: LockEntry) -> str:
        """What makes the locked IR, from the entry of its .xml."""
        copy = "copy the IR from where the lock was made"
        locked = made_by.openvino.partition("-")[0]
        if locked not in ("", package_version("openvino")):
            install = f"{pip_command()} install openvino=={locked}"
            return f"another OpenVINO makes another IR: {install}; or {copy}"
        return f"other settings make another IR: use those of the locked IR, or {copy}"

    def find_other(self, xml: Path) -> LockEntry | None:
        """The first entry that lists other bytes than the IR has, as ``require`` compares them;
        None if there is none.
        """
        from posezoo.core.ir.people_metadata import list_equal_digests

        for suffix, entry in self.entries.items():
            if suffix == xml.suffix:
                accepted = list_equal_digests(xml, entry.openvino)
            else:
                accepted = {compute_digest(xml.with_suffix(suffix)).value}
            if entry.sha384 not in accepted:
                return entry
        return None


def _describe_versions(openvino: str, posezoo: str) -> str:
    named = [f"OpenVINO {openvino.partition('-')[0]}"] if openvino else []
    named += [f"posezoo {posezoo}"] if posezoo else []
    return f" (by {', '.join(named)})" if named else ""


def _unknown_file_error(lock: Path, model: str, file: str, hint: str) -> LockError:
    problem = f"{model}: {file} is not in {lock}, and --locked allows nothing else"
    return LockError(problem, hint=hint)
