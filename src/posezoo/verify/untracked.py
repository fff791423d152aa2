"""Find files in a model's folders that are neither declared nor made by posezoo."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from posezoo.download.provenance_json import NAME
from posezoo.files.file_record import RECORDS_DIR
from posezoo.files.postprocess_state import archive_record
from posezoo.files.staging import PREFIX
from posezoo.ir.provenance import SUFFIXES
from posezoo.layout import ModelLayout
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision, RegexReplace, UnpackArchive

#: Files that posezoo writes beside a model's files and IR, or that a registry has beside its model.yml.
#: A killed process may leave the last two.
OWN_FILES = frozenset(
    {
        "provenance.json", "README.md", "card.json", "model.yml", "composite-model.yml", "measured.yml",
        f".{NAME}.guard", f".{NAME}.part",
    }
)  # fmt: skip


def unusual_file_type(path: Path) -> str:
    """``symlinked`` or ``special``; empty for a regular file, and if the path does not exist."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return "symlinked"
    return "" if stat.S_ISREG(mode) else "special"


def find_untracked(spec: ModelSpec, layout: ModelLayout) -> Iterator[tuple[Path, str]]:
    """The other files in the folders of a model, with their states: ``extra``, ``symlinked`` or ``special``.

    A folder without any known file is reported as one item. Links are not followed.
    """
    downloads, images = layout.model_download_dir(spec), _card_images(spec)
    known = {layout.file_path(spec, file) for file in spec.files}
    known |= {downloads / file.name for file in spec.files}
    known |= {layout.onnx_path(spec), *(layout.model_dir(spec) / name for name in images)}
    for step in spec.postprocessing:
        if isinstance(step, UnpackArchive):
            known |= archive_record(step, spec, layout).outputs().keys()
        elif isinstance(step, RegexReplace):
            known |= {downloads / step.file, layout.published_path(spec, step.file)}
    for precision in Precision:
        xml = layout.converted_ir_path(spec, precision)
        known |= {xml.with_suffix(suffix) for suffix in SUFFIXES} | {layout.provenance_path(spec, precision)}
    needed = {parent for path in known for parent in path.parents}
    for folder in dict.fromkeys((downloads, layout.model_dir(spec))):
        yield from find_untracked_below(folder, known, needed)


def find_untracked_of_composite(composite: CompositeSpec, layout: ModelLayout) -> Iterator[tuple[Path, str]]:
    """The files in the folder of a composite that are not its parts, with their states."""
    for folder in dict.fromkeys((layout.download_dir, layout.output_dir)):
        for path in _entries(folder / composite.subdirectory):
            names = {path.name, path.name.partition("@")[0]}
            is_part = _is_folder(path) and not names.isdisjoint(composite.stages)
            if not (is_part or _is_own(path) or path.name in _card_images(composite)):
                yield path, _state_of(path)


def _card_images(model: ModelSpec | CompositeSpec) -> set[str]:
    return {f"{model.skeleton}.svg"} if model.skeleton else set()


def find_untracked_below(folder: Path, known: set[Path], needed: set[Path]) -> Iterator[tuple[Path, str]]:
    """The unknown files below a folder, with their states.

    Args:
        folder: the folder; it may be missing.
        known: files that may exist; another check reports their problems.
        needed: the parent folders of the known files.
    """
    for path in _entries(folder):
        is_part = path.name.startswith(".") and path.name.endswith(".part") and not unusual_file_type(path)
        is_known_part = is_part and any(
            path.name.startswith(f".{file.name}.") and path.parent == file.parent for file in known
        )
        if path in known or _is_own(path) or is_known_part:
            continue
        if path in needed and _is_folder(path):
            yield from find_untracked_below(path, known, needed)
        # A failed download may leave an empty folder.
        elif not _is_folder(path) or any(find_untracked_below(path, set(), set())):
            yield path, _state_of(path)


def _is_own(path: Path) -> bool:
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        return path.name == RECORDS_DIR or path.name.startswith(PREFIX)
    return stat.S_ISREG(mode) and path.name in OWN_FILES


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _state_of(path: Path) -> str:
    return "extra" if _is_folder(path) else unusual_file_type(path) or "extra"


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
