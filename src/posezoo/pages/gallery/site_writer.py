"""Write the files of a site into a folder, and remove pages of models that no longer exist.

``posezoo-gallery.json`` lists them with their digests; no other file is changed. It is written
first, so that an interrupted site is still recognized, and again at the end without the removed
pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from posezoo.core.errors import OutputError, os_reason
from posezoo.core.files.verified_files import write_atomically, writing
from posezoo.core.values import frozen
from posezoo.pages.file_manifest import digest, digest_of_file, read_manifest, write_manifest

MANIFEST = "posezoo-gallery.json"
NOTE = "written by posezoo gallery: its own files, by SHA-256"
HINT = "choose another folder, or use --force: it only replaces files that have the names of pages"


@frozen
class SiteChanges:
    """The changes of writing a site: paths below its folder, with / between their parts."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def plan_site(folder: Path, pages: Mapping[str, bytes], *, force: bool = False) -> SiteChanges:
    """The changes that ``write_site`` would make; an OutputError if the folder, which may be new,
    is no site.

    ``force`` accepts any folder, and replaces files that have the names of pages.
    """
    manifest = _read_manifest(folder)
    listed = manifest or {}
    present = {name: digest_of_file(folder / name) for name in (*pages, *listed)}
    expected = _compute_digests(pages)
    written = tuple(name for name, value in expected.items() if present[name] != value)
    if not force:
        _refuse_foreign_files(folder, manifest, written)
    # A page that the user changed later is not removed.
    obsolete = (name for name in listed if name not in pages)
    return SiteChanges(
        written,
        unchanged=tuple(name for name, value in expected.items() if present[name] == value),
        removed=tuple(name for name in obsolete if present[name] == listed[name]),
    )


def _refuse_foreign_files(
    folder: Path, manifest: Mapping[str, str] | None, names: Iterable[str]
) -> None:
    if manifest is not None:
        for name in names:
            if name not in manifest and (folder / name).exists():
                raise OutputError(f"{folder / name}: was not written by posezoo gallery", hint=HINT)
        return
    try:
        is_empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be read: {os_reason(error)}") from error
    if not is_empty:
        raise OutputError(f"{folder}: is not the folder of a gallery", hint=HINT)


def write_site(folder: Path, pages: Mapping[str, bytes], *, force: bool = False) -> SiteChanges:
    """Write the pages that differ, in their order; then remove pages of models that no longer
    exist.

    The last page links to the others. As for ``plan_site`` otherwise.
    """
    changes = plan_site(folder, pages, force=force)
    digests = _compute_digests(pages)
    manifest = _read_manifest(folder) or {}
    if changes.written or changes.removed or manifest != digests:
        write_manifest(folder / MANIFEST, NOTE, manifest | digests)
        for name in changes.written:
            write_atomically(folder / name, pages[name], lasting=False)
        for name in changes.removed:
            with writing(folder / name):
                (folder / name).unlink(missing_ok=True)
        write_manifest(folder / MANIFEST, NOTE, digests)
    return changes


def _compute_digests(pages: Mapping[str, bytes]) -> dict[str, str]:
    return {name: digest(content) for name, content in pages.items()}


def _read_manifest(folder: Path) -> dict[str, str] | None:
    manifest = read_manifest(folder / MANIFEST)
    if manifest is None:
        return None
    return {name: value for name, value in manifest.items() if name.endswith(".html")}
