"""Where each published file of a model came from: provenance.json in the model's folder.

Its key ``files`` contains for each file name: url and final_url (after redirects; null if there
were none), kind (source, mirror or cache), size in bytes, the digest, fetched_at (ISO 8601, UTC),
and etag and last_modified, as far as the server stated them. No secret is written: no user name, no
query of a final URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.download.candidates import Candidate
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.partial import PartialFile
from posezoo.core.files.file_record import Json, read_json, read_record, update_json
from posezoo.core.files.verified_files import set_aside
from posezoo.core.layout import find_link_out

NAME = "provenance.json"


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
        "size": size,
        digest.algorithm: digest.value,
        "fetched_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **{key: value for key, value in partial.source_version.items() if value},
    }


def read_origin(path: Path, file: SourceFile, url: str) -> Json:
    """The entry of a file in a provenance.json, if these bytes came from this URL; else empty."""
    listed = _read_files(read_json(path))
    origin = listed.get(file.name)
    if not isinstance(origin, dict) or origin.get("url") != url:
        return {}
    return origin if _is_listed(file, listed) else {}


def update_provenance_json(
    path: Path,
    spec: ModelSpec,
    files_and_targets: Sequence[tuple[SourceFile, Path]],
    context: DownloadContext,
) -> None:
    """Write the origins of files of a model into its provenance.json; entries of other files are
    kept.

    The origins of files that the context did not download are in their records. A file of the user
    of this name is kept under another one, and nothing is written through a link that leads out of
    the context's roots.

    Raises:
        OSError: the file cannot be written, or another run keeps it locked.
    """
    names = spec.file_names
    # Do not overwrite a published file of this name.
    if NAME in names or find_link_out(path, context.roots):
        return
    listed = _read_files(read_json(path))
    origins = {}
    for file, target in files_and_targets:
        origin = context.origins.get(target)
        if origin is None and not _is_listed(file, listed):
            origin = _read_origin(file, target)
        if origin:
            origins[file.name] = dict(origin)

    def merge(stored: Json) -> Json:
        if not origins:
            return stored
        kept = {name: origin for name, origin in _read_files(stored).items() if name in names}
        return {"model": spec.full_name, "files": kept | origins}

    if origins and not lists_origins(path):
        set_aside(path, context.emit)
    if origins or path.with_name(f".{path.name}.part").exists():  # a killed run may have left it
        update_json(path, merge)


def lists_origins(path: Path) -> bool:
    """Whether a provenance.json has what ``update_provenance_json`` writes."""
    return {"model", "files"} <= read_json(path).keys()


def _is_listed(file: SourceFile, listed: Mapping[str, Any]) -> bool:
    entry = listed.get(file.name)
    digest = file.checksum
    if not isinstance(entry, dict) or digest is None:
        return False
    return bool(entry.get(digest.algorithm) == digest.value)


def _read_origin(file: SourceFile, target: Path) -> Json:
    """The origin in the record of a file, if the file exists, and the record is about its bytes:
    it is written before the file gets its name.
    """
    record = read_record(target)
    is_known = target.is_file() and record.is_of(file.digests)
    return record.origin if is_known else {}


def _read_files(stored: Json) -> dict[str, Any]:
    files = stored.get("files")
    return files if isinstance(files, dict) else {}
