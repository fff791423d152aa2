"""Where each published file of a model came from: provenance.json in the model's folder.

Its key ``files`` contains for each file name: url and final_url (after redirects; null if there
were none), kind (source, mirror or cache), size in bytes, the digest, and fetched_at (ISO 8601,
UTC). No secret is written: no user name, no query of a final URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.download.candidates import Candidate
from posezoo.core.files.file_record import read_record, update_json, update_record
from posezoo.core.files.verified_files import has_verified_record

NAME = "provenance.json"


def redact_url(url: str) -> str:
    """Remove the parts of a URL that may be secret: user, query and fragment.

    >>> redact_url("https://ann:secret@example.org/a/net.pth?X-Amz-Signature=12ab#top")
    'https://example.org/a/net.pth'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def remember_origin(
    target: Path, candidate: Candidate, final_url: str, size: int, digest: Digest
) -> None:
    """Record where a file comes from; this happens before the rename, so a killed run loses no
    origin.

    ``final_url`` is the URL after redirects; empty if the candidate is not a URL.
    """
    final_url = redact_url(final_url) if final_url else ""
    origin = {
        "url": candidate.name,
        "final_url": final_url if final_url not in ("", candidate.name) else None,
        "kind": candidate.kind.value,
        "size": size,
        digest.algorithm: digest.value,
        "fetched_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    update_record(target, origin=origin)


def update_provenance_json(
    folder: Path, spec: ModelSpec, files_and_targets: Sequence[tuple[SourceFile, Path]]
) -> None:
    """Write the origins of files of a model, from their records; entries of other files are kept.

    An OSError if the file cannot be written, or another run keeps it locked.
    """
    names = spec.file_names
    path = folder / NAME
    if NAME in names:  # do not overwrite a published file of this name
        return
    origins = {}
    for file, target in files_and_targets:
        # The origin is recorded before the rename, so the file must exist and be verified.
        if not target.is_file():
            continue
        is_verified = file.checksum is None or has_verified_record(target, file.checksum)
        if is_verified and (origin := read_record(target).origin):
            origins[file.name] = dict(origin)

    def merge(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        if not origins:
            return stored
        files = stored.get("files")
        kept = {}
        if isinstance(files, dict):
            kept = {name: origin for name, origin in files.items() if name in names}
        return {"model": spec.full_name, "files": kept | origins}

    if origins or path.with_name(f".{path.name}.part").exists():  # a killed run may have left it
        update_json(path, merge)
