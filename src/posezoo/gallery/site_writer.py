"""A site's files in their folder: each whole, those of models that are gone removed, no stranger's touched.

``posezoo-gallery.json`` names what we wrote, with digests. It is written first, so that a folder that was
begun is known as ours, and once more at the end, without the pages that are gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from posezoo.errors import OutputError
from posezoo.files.verified_files import write_atomically, write_error
from posezoo.spec.safe_names import explain_unsafe_file_name

MANIFEST = "posezoo-gallery.json"
NOTE = "written by posezoo gallery: the files that are its own, by SHA-256"

#: A manifest of 10,000 models has 1 MB.
MAX_MANIFEST = 16 << 20


@dataclass(frozen=True, slots=True)
class SiteChanges:
    """What writing a site does to its folder: paths below it, with / between their parts."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def plan_site(folder: Path, pages: Mapping[str, bytes], *, force: bool = False) -> SiteChanges:
    """What ``write_site`` would do; nothing is touched.

    Args:
        folder: of the site; it need not be there.
        pages: the content of each file by its path.
        force: take a folder that holds something else, and files there that have our pages' names.

    Raises:
        OutputError: something else lies there.
    """
    known = _known(folder)
    if not force:
        _refuse_strangers(folder, pages, known)
    digests = {name: _digest(content) for name, content in pages.items()}
    there = {name: _digest_there(folder / name) for name in (*pages, *(known or ()))}
    return SiteChanges(
        written=tuple(name for name in pages if there[name] != digests[name]),
        unchanged=tuple(name for name in pages if there[name] == digests[name]),
        # A page that somebody has changed since is no longer ours to remove.
        removed=tuple(
            name for name, digest in (known or {}).items() if name not in pages and there[name] == digest
        ),
    )


def write_site(folder: Path, pages: Mapping[str, bytes], *, force: bool = False) -> SiteChanges:
    """Write a site: what differs, in the order of the pages; then remove our pages of models that are gone.

    Args:
        folder: of the site; made where it is not there.
        pages: the content of each file by its path; the last one is what leads to the others.
        force: take a folder that holds something else, and files there that have our pages' names.

    Raises:
        OutputError: something else lies there, or it cannot be written.
    """
    changes = plan_site(folder, pages, force=force)
    digests = {name: _digest(content) for name, content in pages.items()}
    known = _known(folder) or {}
    if changes.written or changes.removed or known != digests:
        _write_manifest(folder, {**known, **digests})
        for name in changes.written:
            write_atomically(folder / name, pages[name], lasting=False)
        for name in changes.removed:
            _remove(folder / name)
        _write_manifest(folder, digests)
    return changes


def _refuse_strangers(folder: Path, pages: Mapping[str, bytes], known: Mapping[str, str] | None) -> None:
    hint = "choose another folder, or say --force: it writes its own files and leaves all others"
    try:
        if known is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: holds something else than a gallery", hint=hint)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for name, content in pages.items():
        path = folder / name
        is_strange = known is not None and name not in known and path.exists()
        if is_strange and _digest_there(path) != _digest(content):
            raise OutputError(f"{path}: was not written by posezoo gallery", hint=hint)


def _known(folder: Path) -> dict[str, str] | None:
    """What a manifest says that we wrote; None where there is none that can be read."""
    try:
        with open(folder / MANIFEST, "rb") as stream:
            found = json.loads(stream.read(MAX_MANIFEST))["files"]
        return {name: digest for name, digest in found.items() if isinstance(digest, str) and _is_page(name)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_page(name: str) -> bool:
    return not explain_unsafe_file_name(name) and name.endswith(".html")


def _write_manifest(folder: Path, digests: Mapping[str, str]) -> None:
    content = json.dumps({"note": NOTE, "files": dict(sorted(digests.items()))}, indent=1)
    write_atomically(folder / MANIFEST, f"{content}\n".encode(), lasting=False)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_there(path: Path) -> str:
    """The digest of a file as it lies there; empty where there is none that can be read."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return ""
