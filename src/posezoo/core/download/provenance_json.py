"""Where each published file of a model came from: provenance.json in the model's folder.

Its key ``files`` contains for each file name: url and final_url (after redirects; null if there
were none), kind (source, mirror or cache), size in bytes, the digest, and fetched_at (ISO 8601,
UTC). No secret is written: no user name, no query of a final URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.download.candidates import Candidate
from posezoo.core.files.file_record import Json, read_record, update_json

NAME = "provenance.json"


def redact_url(url: str) -> str:
    """Remove the parts of a URL that may be secret: user, query and fragment.

    >>> redact_url("https://ann:secret@example.org/a/net.pth?X-Amz-Signature=12ab#top")
    'https://example.org/a/net.pth'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def describe_origin(candidate: Candidate, final_url: str, size: int, digest: Digest) -> Json:
    """The entry of a file that comes from a candidate.

    ``final_url`` is the URL after redirects; empty if the candidate is not a URL.
    """
    final_url = redact_url(final_url) if final_url else ""
    return {
        "url": candidate.name,
        "final_url": final_url if final_url not in ("", candidate.name) else None,
        "kind": candidate.kind.value,
        "size": size,
        digest.algorithm: digest.value,
        "fetched_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


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
        try:
            status = target.stat()
        except OSError:
            continue
        record = read_record(target)
        is_verified = not file.checksum or record.describes(status, file.checksum)
        if is_verified and record.origin:
            origins[file.name] = dict(record.origin)

    def merge(stored: Json) -> Json:
        if not origins:
            return stored
        files = stored.get("files")
        kept = {}
        if isinstance(files, dict):
            kept = {name: origin for name, origin in files.items() if name in names}
        return {"model": spec.full_name, "files": kept | origins}

    if origins or path.with_name(f".{path.name}.part").exists():  # a killed run may have left it
        update_json(path, merge)
