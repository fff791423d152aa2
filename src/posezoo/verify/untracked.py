"""What lies in a model's folders and was neither declared nor made there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from posezoo.download.journal import NAME
from posezoo.files.file_record import RECORDS_DIR
from posezoo.files.postprocess_state import archive_record
from posezoo.files.staging import PREFIX
from posezoo.ir.provenance import SUFFIXES
from posezoo.layout import ModelLayout
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision, RegexReplace, UnpackArchive

#: What posezoo itself writes beside a model's files and IR, and a registry beside its model.yml. Ours, too,
#: are the folder ``.posezoo/``, folders that are worked in, and the parts of files that are on their way.
OURS = frozenset(
    {"provenance.json", "README.md", "card.json", "model.yml", "composite-model.yml", "measured.yml"}
)


def unusual_file_type(path: Path) -> str:
    """``symlinked`` or ``special`` for what is no regular file; empty for one, and where nothing is."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return "symlinked"
    return "" if stat.S_ISREG(mode) else "special"


def find_untracked(spec: ModelSpec, layout: ModelLayout) -> Iterator[tuple[Path, str]]:
    """What else is there of a model, with its state: ``extra``, ``symlinked`` or ``special``.

    A folder that nobody needs is told as one. No link is followed.
    """
    known = _known(spec, layout)
    needed = {above for path in known for above in path.parents}
    for folder in dict.fromkeys((layout.model_download_dir(spec), layout.model_dir(spec))):
        yield from find_untracked_below(folder, known, needed)


def find_untracked_of_composite(composite: CompositeSpec, layout: ModelLayout) -> Iterator[tuple[Path, str]]:
    """What lies beside the parts of a composite."""
    for folder in dict.fromkeys((layout.download_dir, layout.output_dir)):
        root = folder / composite.subdirectory
        for path in _entries(root):
            is_part = path.name in composite.stages or path.name.partition("@")[0] in composite.stages
            is_folder_of_part = is_part and path.is_dir() and not path.is_symlink()
            if not (_is_ours(path) or is_folder_of_part or path.name in _pictures(composite)):
                yield path, _state_of(path)


def _pictures(model: ModelSpec | CompositeSpec) -> set[str]:
    """What a card shows."""
    return {f"{model.skeleton}.svg"} if model.skeleton else set()


def _known(spec: ModelSpec, layout: ModelLayout) -> set[Path]:
    """Where everything lies that may be there of a model."""
    known = {layout.file_path(spec, file) for file in spec.files}
    known |= {layout.model_download_dir(spec) / file.name for file in spec.files}
    known |= {layout.onnx_path(spec), *(layout.model_dir(spec) / name for name in _pictures(spec))}
    for step in spec.postprocessing:
        if isinstance(step, UnpackArchive):
            known |= archive_record(step, spec, layout).outputs().keys()
        elif isinstance(step, RegexReplace):
            known |= {layout.model_download_dir(spec) / step.file, layout.published_path(spec, step.file)}
    for precision in Precision:
        xml = layout.converted_ir_path(spec, precision)
        known |= {xml.with_suffix(suffix) for suffix in SUFFIXES} | {layout.provenance_path(spec, precision)}
    return known


def find_untracked_below(folder: Path, known: set[Path], needed: set[Path]) -> Iterator[tuple[Path, str]]:
    """What lies below a folder, with its state.

    Args:
        folder: it need not be there.
        known: the files that may be there.
        needed: the folders above them.
    """
    for path in _entries(folder):
        if path in known:
            continue  # its own check tells what is wrong with it
        if path in needed and path.is_dir() and not path.is_symlink():
            yield from find_untracked_below(path, known, needed)
        elif not _is_ours(path) and not _is_part_of(path, known) and not _is_empty(path):
            yield path, _state_of(path)


def _is_empty(path: Path) -> bool:
    """Whether it is a folder in which nothing lies that is not ours: what a failed download leaves."""
    return path.is_dir() and not path.is_symlink() and not any(find_untracked_below(path, set(), set()))


def _state_of(path: Path) -> str:
    is_folder = path.is_dir() and not path.is_symlink()
    return "extra" if is_folder else unusual_file_type(path) or "extra"


def _is_ours(path: Path) -> bool:
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        return path.name == RECORDS_DIR or path.name.startswith(PREFIX)
    left_behind = {f".{NAME}.guard", f".{NAME}.part"}  # by whoever was killed while writing it
    return stat.S_ISREG(mode) and path.name in OURS | left_behind


def _is_part_of(path: Path, known: set[Path]) -> bool:
    """Whether it is what came so far of a file, for the next run to go on with."""
    return (
        not unusual_file_type(path)
        and path.name.startswith(".")
        and path.name.endswith(".part")
        and any(path.name.startswith(f".{each.name}.") and path.parent == each.parent for each in known)
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
