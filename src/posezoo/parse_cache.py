"""A cache of parsed model.yml files, so that a large registry can be listed without parsing it again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from posezoo.errors import OutputError
from posezoo.spec.model import ModelSpec

#: If a file changed less than this time ago, another change may leave the same time stamp.
RECENT_NS = 2_000_000_000

Fingerprint = tuple[int, ...]  # of a file: size, inode and modification times


class ParseCache:
    """The specs of one registry, each with the fingerprint of its file.

    Args:
        folder: the folder of the cache file; if it cannot be written, nothing is cached.
        roots: the registry's roots.
    """

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        paths = "\n".join(str(root.absolute()) for root in roots)
        digest = sha256(paths.encode(errors="surrogateescape")).hexdigest()
        self._file = folder / f"{digest[:32]}.json"
        self._fingerprints: dict[Path, Fingerprint] = {}  # taken before each file was read
        self._stored = self._load()

    def find(self, path: Path) -> ModelSpec | None:
        """The spec of a model.yml, if it did not change since it was cached."""
        self._fingerprints[path] = _fingerprint(path)
        fingerprint, spec = self._stored.get(str(path), ((), None))
        return spec if fingerprint == self._fingerprints[path] else None

    def update(self, specs: Mapping[Path, ModelSpec]) -> None:
        """Write these specs if any of them is not cached; ``find`` must have been called for each before."""
        if all(spec is self._stored.get(str(path), ((), None))[1] for path, spec in specs.items()):
            return
        from posezoo.files.verified_files import write_atomically
        from posezoo.spec import json_codec

        settled_before = time.time_ns() - RECENT_NS
        entries = {
            str(path): (fingerprint, spec)
            for path, spec in specs.items()
            if (fingerprint := self._fingerprints.get(path)) and max(fingerprint[2:]) < settled_before
        }
        with suppress(OutputError, TypeError):  # TypeError: a plug-in's source that has no JSON form
            content = json_codec.to_json_text((_reader_fingerprint(), entries)).encode()
            write_atomically(self._file, content, lasting=False)

    def _load(self) -> dict[str, tuple[Fingerprint, ModelSpec]]:
        from posezoo.spec import json_codec

        try:
            reader, entries = json_codec.from_json_text(self._file.read_bytes())
            is_valid = all(isinstance(spec, ModelSpec) for _, spec in entries.values())
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # there is no cache file, or another program wrote it
        return dict(entries) if is_valid and reader == _reader_fingerprint() else {}


def _fingerprint(path: Path) -> Fingerprint:
    """A value that changes if a model.yml, or a file beside it, changes."""
    try:
        file, folder = path.stat(), path.parent.stat()
    except OSError:
        return ()
    return file.st_size, file.st_ino, file.st_mtime_ns, file.st_ctime_ns, folder.st_mtime_ns


def _reader_fingerprint() -> tuple[tuple[str, int, int], ...]:
    """A value that changes if another version of posezoo reads the files."""
    fingerprints = []
    for path in sorted((Path(__file__).parent / "spec").glob("*.py")):
        status = path.stat()
        fingerprints.append((path.name, status.st_size, status.st_mtime_ns))
    return tuple(fingerprints)
