"""What a cache holds: listed, read against its digests, and cleared of what is of no use."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from posezoo.download.digest_store import remove_stale_staging
from posezoo.download.sample_images import SAMPLES
from posezoo.errors import OutputError
from posezoo.files.verified_files import is_verified, write_error
from posezoo.spec.model import Digest, ModelSpec, PythonPackageSource, SourceFile

# The hex digits of a digest, but for the two that name the folder.
_ALGORITHMS = {94: "sha384", 62: "sha256"}


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """An entry of a cache.

    Attributes:
        path: where it lies.
        digest: what its name promises.
        size: in bytes.
        changed: when its bytes were written, in seconds since 1970.
        names: whose file it is, ``model: file``; nothing where no model that is known names it.
    """

    path: Path
    digest: Digest
    size: int
    changed: float
    names: tuple[str, ...]

    def is_damaged(self) -> bool:
        """Whether its bytes are others than its name promises; all of them are read."""
        return not is_verified(self.path, None, self.digest, trust_record=False, remember=False)


def file_names_by_digest(specs: Iterable[ModelSpec]) -> Mapping[str, tuple[str, ...]]:
    """What models, with their variants, and the sample photos call files, by the hex digits of the digest."""
    found: dict[str, dict[str, None]] = {}
    for spec in specs:
        for each in (spec, *spec.variants):
            for digits, name in _digests(each.files):
                found.setdefault(digits, {})[f"{each.full_name}: {name}"] = None
    for digits, name in _digests(SAMPLES):
        found.setdefault(digits, {})[f"samples: {name}"] = None
    return {digits: tuple(names) for digits, names in found.items()}


def _digests(files: Iterable[SourceFile]) -> Iterator[tuple[str, str]]:
    for file in files:
        if file.checksum is not None:
            yield file.checksum.value, file.name
        for source in file.sources:
            if isinstance(source, PythonPackageSource):
                yield source.wheel.sha256.lower(), source.wheel.name


def list_entries(root: Path, names: Mapping[str, Collection[str]]) -> tuple[CacheEntry, ...]:
    """The entries of a cache, the largest first; what is no entry is left out.

    Raises:
        OutputError: the cache cannot be read; one that is not there is empty.
    """
    found = []
    try:
        for folder in _folders(root / "1"):
            for item in os.scandir(folder):
                digits = Path(folder).name + item.name
                algorithm = _ALGORITHMS.get(len(item.name))
                if algorithm and re.fullmatch("[0-9a-f]+", digits) and item.is_file(follow_symlinks=False):
                    status, known = item.stat(), tuple(names.get(digits, ()))
                    digest = Digest(algorithm, digits)
                    found.append(CacheEntry(Path(item.path), digest, status.st_size, status.st_mtime, known))
    except OSError as error:
        raise OutputError(f"{error.filename or root}: cannot be read: {error.strerror or error}") from error
    return tuple(sorted(found, key=lambda kept: (-kept.size, kept.path)))


def _folders(root: Path) -> list[str]:
    try:
        return [item.path for item in os.scandir(root) if re.fullmatch("[0-9a-f]{2}", item.name)]
    except FileNotFoundError:
        return []


def remove_entries(root: Path, chosen: Iterable[CacheEntry]) -> None:
    """Remove entries, the folders that this empties, and what killed runs left on its way in.

    Raises:
        OutputError: one cannot be removed.
    """
    remove_stale_staging(root)
    for kept in chosen:
        try:
            kept.path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(kept.path, error) from error
        if not any(kept.path.parent.iterdir()):
            kept.path.parent.rmdir()
