"""The files of a model in the manifest of their folder, while they are downloaded.

The entry of a file has its size in bytes, its digest, and, unless the run that downloaded it was
killed, the url that sent it, which has no secret.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.errors import OutputError
from posezoo.core.events import Listener
from posezoo.core.files.manifest import (
    NAME,
    Json,
    describe,
    list_path,
    part_of,
    read_digests,
    read_manifest,
    settle,
    stage,
)
from posezoo.core.files.verified_files import has_digest, writing


class DownloadManifest:
    """The manifest of a folder while files are downloaded into it, by several threads.

    Args:
        folder: the model's.
        places: the files and their paths.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        places: Sequence[tuple[SourceFile, Path]],
        listener: Listener,
    ) -> None:
        self._folder = folder
        self._model = model
        self._places = places
        self._listener = listener
        self._lock = threading.Lock()
        self._is_staged = False
        self._manifest = read_manifest(folder)
        self._entries: dict[str, Json] = {}

    def stage(self) -> None:
        """List the declared digests of all files before the first one is downloaded.

        Raises:
            OutputError: the manifest cannot be written.
        """
        with self._lock:
            if self._is_staged:
                return
            digests = {
                self._name(target): file.checksum for file, target in self._places if file.checksum
            }
            with writing(self._folder / NAME):
                self._manifest = stage(self._folder, digests, self._listener, model=self._model)
            self._is_staged = True

    def digests(self, target: Path) -> list[Digest]:
        """The digests of the bytes that posezoo wrote at a path."""
        return self._manifest.digests(self._name(target))

    def add(self, target: Path, entry: Json) -> None:
        """Remember the entry of a file that came."""
        self._entries[self._name(target)] = entry

    def settle(self) -> None:
        """List the files that came, also with a run that was killed; if the manifest cannot be
        written, the next run lists them.
        """
        listed = self._manifest.files
        entries = dict(self._entries)
        for file, target in self._places:
            name = self._name(target)
            is_listed = name in entries or file.checksum in read_digests(listed.get(name, {}))
            if file.checksum is None or is_listed or name not in self._manifest.staged:
                continue
            if has_digest(target, [file.checksum]):
                entries[name] = describe(target.stat().st_size, file.checksum)
        if not (entries or self._manifest.staged or part_of(self._folder / NAME).exists()):
            return
        names = [self._name(target) for _, target in self._places]
        with suppress(OSError, OutputError):
            settle(self._folder, entries, ended=names)

    def _name(self, target: Path) -> str:
        return list_path(self._folder, target)
