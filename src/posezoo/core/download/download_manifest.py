"""Where each published file of a model came from, as the manifest of its folder lists it.

The entry of a file has url and final_url (after redirects; null if there were none), kind (source,
mirror or cache), size in bytes, the digest, fetched_at (ISO 8601, UTC), and etag and last_modified,
as far as the server stated them. No secret is written: no user name, no query of a final URL.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.download.candidates import Candidate
from posezoo.core.download.partial import PartialFile, is_complete, state_path
from posezoo.core.errors import OutputError, os_reason
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.file_lock import discard
from posezoo.core.files.manifest import (
    NAME,
    Json,
    describe,
    list_path,
    part_of,
    read_digests,
    read_json,
    read_manifest,
    settle,
    stage,
)


def redact_url(url: str) -> str:
    """Remove the parts of a URL that may be secret: user, query and fragment.

    >>> redact_url("https://ann:secret@example.org/a/net.pth?X-Amz-Signature=12ab#top")
    'https://example.org/a/net.pth'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def describe_origin(candidate: Candidate, partial: PartialFile, size: int, digest: Digest) -> Json:
    """The entry of a file that a candidate sent."""
    final_url = redact_url(partial.source_url) if partial.source_url else ""
    return {
        "url": candidate.name,
        "final_url": final_url if final_url not in ("", candidate.name) else None,
        "kind": candidate.kind.value,
        **describe(size, digest),
        "fetched_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **{key: value for key, value in partial.source_version.items() if value},
    }


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
        self._origins: dict[Path, Json] = {}

    def stage(self) -> None:
        """List the declared digests of all files before the first one is downloaded."""
        with self._lock:
            if self._is_staged:
                return
            self._is_staged = True
            digests = {
                self._name(target): file.checksum for file, target in self._places if file.checksum
            }
            try:
                self._manifest = stage(self._folder, digests, self._listener, model=self._model)
            except (OSError, OutputError) as error:
                self._warn(error)

    def digests(self, target: Path) -> list[Digest]:
        """The digests of the bytes that posezoo wrote at a path."""
        return self._manifest.digests(self._name(target))

    def add(self, target: Path, origin: Json) -> None:
        """Remember the origin of a file that is complete."""
        self._origins[target] = origin

    def settle(self) -> None:
        """List the files that are here, also those of a run that was killed, with their origins."""
        entries = {}
        for file, target in self._places:
            name = self._name(target)
            origin = self._origins.get(target)
            if origin is None and not _is_listed(file, self._manifest.files.get(name, {})):
                origin = _read_origin(file, target)
            if origin:
                entries[name] = origin
        if not (entries or self._manifest.staged or part_of(self._folder / NAME).exists()):
            return
        names = [self._name(target) for _, target in self._places]
        try:
            settle(self._folder, entries, ended=names)
        except (OSError, OutputError) as error:
            self._warn(error)
        for name in entries:
            discard(state_path(self._folder / name))

    def _name(self, target: Path) -> str:
        return list_path(self._folder, target)

    def _warn(self, error: OSError | OutputError) -> None:
        """The files are verified anyway."""
        reason = os_reason(error) if isinstance(error, OSError) else error.problem
        problem = f"{self._folder / NAME}: cannot be written: {reason}"
        self._listener(WarningIssued(problem))


def _is_listed(file: SourceFile, entry: Json) -> bool:
    return file.checksum in read_digests(entry)


def _read_origin(file: SourceFile, target: Path) -> Json:
    """What a run that was killed left of where a file came from; the file is there."""
    origin = read_json(state_path(target))
    if not target.is_file() or not is_complete(origin):
        return {}
    return origin if _is_listed(file, origin) else {}


def read_origin(folder: Path, path: Path, file: SourceFile, url: str) -> Json:
    """The entry of a file in a manifest, if these bytes came from this URL; else empty."""
    origin = read_manifest(folder).files.get(list_path(folder, path), {})
    if origin.get("url") != url:
        return {}
    return origin if _is_listed(file, origin) else {}
