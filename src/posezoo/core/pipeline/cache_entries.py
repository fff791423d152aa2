"""List the entries of a cache, and remove them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.declarations.sources import PackageSource, wheel_of
from posezoo.core.download.digest_store import remove_stale_staging
from posezoo.core.errors import OutputError, SettingsError, os_reason
from posezoo.core.files.file_lock import lock_file, remove_lock
from posezoo.core.files.verified_files import writing
from posezoo.core.lockfile import LockFile
from posezoo.core.settings import WHEEL_REGISTRIES, compiled_folder
from posezoo.core.values import frozen

# By the number of hex digits in the file name, which lacks the two digits of the folder name.
_ALGORITHMS = {126: "sha512", 94: "sha384", 62: "sha256", 38: "sha1"}


@frozen
class CacheEntry:
    """An entry of a cache."""

    path: Path
    digest: Digest  # the expected one, from its name
    size: int  # in bytes
    changed: float  # the time of its last change, in seconds since 1970
    #: The files with this digest, as ``model: file``; empty if no known model has one.
    names: tuple[str, ...]


def file_names_by_digest(
    specs: Iterable[ModelSpec], lock: LockFile
) -> Mapping[str, tuple[str, ...]]:
    """The names of all files of models, registries and the lock, by digest in hex digits."""
    files = []
    for spec in specs:
        for variant in (spec, *spec.variants):
            files += [(variant.full_name, file) for file in lock.with_pins(variant).files]
    files += own_files()
    names_by_digits: dict[str, dict[str, None]] = {}
    for model, file in files:
        for digits, name in _stored_names(file):
            names_by_digits.setdefault(digits, {})[f"{model}: {name}"] = None
    return {digits: tuple(names) for digits, names in names_by_digits.items()}


def own_files() -> list[tuple[str, SourceFile]]:
    """The files that posezoo itself declares, each with a name for what it belongs to."""
    return [(name, wheel_of(name).package_file) for name in WHEEL_REGISTRIES]


def _stored_names(file: SourceFile) -> Iterator[tuple[str, str]]:
    for source in file.sources:
        if isinstance(source, PackageSource):
            yield from _stored_names(source.package_file)
    if file.checksum:
        yield file.checksum.value, file.name


def list_entries(root: Path, names: Mapping[str, Collection[str]]) -> tuple[CacheEntry, ...]:
    """The entries of a cache, the largest first; other files are ignored, and a missing cache is
    empty.
    """
    entries = []
    try:
        for path, digest in _walk(root / "1"):
            status = path.stat()
            file_names = tuple(names.get(digest.value, ()))
            entries.append(
                CacheEntry(path, digest, status.st_size, status.st_mtime, names=file_names)
            )
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.exists(root / "1"):
            return ()
        problem = f"{error.filename or root}: cannot be read: {os_reason(error)}"
        raise OutputError(problem) from error
    return tuple(sorted(entries, key=lambda entry: (-entry.size, entry.path)))


def _walk(root: Path) -> Iterator[tuple[Path, Digest]]:
    for folder in root.iterdir():
        if not re.fullmatch("[0-9a-f]{2}", folder.name):
            continue
        for item in os.scandir(folder):
            algorithm = _ALGORITHMS.get(len(item.name), "")
            is_name = algorithm and re.fullmatch("[0-9a-f]+", item.name)
            if is_name and item.is_file(follow_symlinks=False):
                yield Path(item.path), Digest(algorithm, folder.name + item.name)


def remove_entries(root: Path, entries: Iterable[CacheEntry]) -> None:
    """Remove entries, folders that become empty, and files that killed or interrupted runs left."""
    remove_stale_staging(root)
    for entry in entries:
        with writing(entry.path):
            entry.path.unlink(missing_ok=True)
    for part in (root / "1").glob("??/.*.part"):  # of packages, which resume here
        with suppress(OSError):
            handle = lock_file(part, wait_s=0)
            part.with_name(f"{part.name}.json").unlink(missing_ok=True)
            remove_lock(part, handle)
    for folder in (root / "1").glob("??"):
        with suppress(OSError):
            folder.rmdir()  # only if it is empty


def list_compiled() -> dict[Path, int]:
    """The networks that were compiled for the CPU, and their sizes in bytes; none if the user has
    no home folder.
    """
    networks = {}
    with suppress(SettingsError, OSError):
        for path in sorted(compiled_folder().glob("*.compiled")):
            networks[path] = path.stat().st_size
    return networks


def remove_compiled(networks: Iterable[Path]) -> None:
    """Remove compiled networks; the next run compiles them again."""
    for path in networks:
        with writing(path):
            path.unlink(missing_ok=True)
