"""Remove the files and IR that posezoo wrote and that are unchanged; others are kept and named."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.model import (
    CompositeSpec,
    Family,
    Framework,
    License,
    Model,
    ModelSpec,
    RegexReplace,
    SourceFile,
)
from posezoo.core.declarations.safe_names import (
    explain_invalid_model_name,
    explain_unsafe_file_name,
)
from posezoo.core.download import provenance_json
from posezoo.core.download.provenance_json import NAME as PROVENANCE
from posezoo.core.errors import OutputError, os_reason
from posezoo.core.files.file_lock import is_part_of
from posezoo.core.files.file_record import (
    RECORDS_DIR,
    read_digests,
    read_json,
    record_path,
)
from posezoo.core.files.postprocess_state import text_record
from posezoo.core.files.verified_files import is_as_written
from posezoo.core.ir.provenance import read_provenance
from posezoo.core.layout import ModelLayout, find_link_out
from posezoo.core.pipeline.artifact_states import ArtifactState, check_artifacts
from posezoo.core.registry import TAG_MARK, open_registry
from posezoo.core.sidecars import SIDECARS
from posezoo.core.values import frozen


@frozen
class RemovalPlan:
    """What is removed of models, and what is kept."""

    removed: tuple[Path, ...]
    kept: tuple[ArtifactState, ...]
    size_bytes: int  # of what is removed


def find_gone(layout: ModelLayout, known: Container[str]) -> Iterator[ModelSpec]:
    """What was downloaded of models that no registry has, by the records beside the files."""
    root = layout.download_dir
    own = open_registry().entries
    for path in sorted((*root.glob(f"*/*/{PROVENANCE}"), *root.glob(f"*/*/*/{PROVENANCE}"))):
        folder = path.parent
        name, _, tag = folder.name.partition(TAG_MARK)
        origins = read_json(path)
        # Beside an IR, a file of this name has the name of the model, too.
        if name in known or name in own or origins.get("model") != folder.name:
            continue
        if explain_invalid_model_name(name):  # a folder called --yes
            continue
        files = []
        listed = origins.get("files")
        for file_name, origin in listed.items() if isinstance(listed, dict) else ():
            if explain_unsafe_file_name(file_name) or not isinstance(origin, dict):
                continue  # another program wrote it
            for digest in read_digests(origin):
                files.append(SourceFile(file_name, checksum=digest))
        yield ModelSpec(
            name,
            Family.PUBLIC,
            path,
            "",
            "",
            parent=folder.parent.relative_to(root).as_posix(),
            tag=tag,
            is_default=not tag,
            skeleton=_read_skeleton(folder),
            framework=Framework.ONNX,
            license=License(),
            files=tuple(files),
        )


def _read_skeleton(folder: Path) -> str:
    """The name of the skeleton that a card shows, without folders that somebody may have added."""
    with suppress(KeyError, TypeError):
        return Path(read_json(folder / "card.json")["skeleton"]["name"]).name
    return ""


def plan_removal(
    models: Iterable[ModelSpec], composites: Iterable[CompositeSpec], layout: ModelLayout
) -> RemovalPlan:
    """What can be removed of these models; every byte of their files is read."""
    removed: list[Path] = []
    kept: list[ArtifactState] = []
    for spec in models:
        files = []
        for artifact in check_artifacts(spec, layout):
            if artifact.state == "good" or _is_recorded(artifact.path):
                files.append(artifact.path)
            elif artifact.state != "missing":
                kept.append(artifact)
        removed += files
        removed += _list_intermediate_files(spec, layout)
        onnx = layout.onnx_path(spec)
        if onnx.is_file() and onnx not in files:
            # It may come from a training that cannot be repeated, and has no record.
            kept.append(ArtifactState(spec.full_name, onnx.name, onnx, "unknown"))
        removed += _list_documents(spec, layout, files)
    for composite in composites:
        removed += _list_documents(composite, layout, [])
    paths = tuple(path for path in dict.fromkeys(removed) if not find_link_out(path, layout.roots))
    for path in dict.fromkeys(removed):
        if path not in paths:
            kept.append(ArtifactState("", path.name, path, "symlinked"))
    return RemovalPlan(paths, tuple(kept), sum(path.stat().st_size for path in paths))


def _is_recorded(path: Path) -> bool:
    """Whether a file is as posezoo verified or made it, also for an earlier model.yml."""
    with suppress(OSError):
        return not path.is_symlink() and is_as_written(path)
    return False


def _list_intermediate_files(spec: ModelSpec, layout: ModelLayout) -> Iterator[Path]:
    for file in spec.files:
        path = layout.file_path(spec, file)
        yield from (part for part in path.parent.glob(".*.part") if is_part_of(part, path))
    replaced = [step for step in spec.postprocessing if isinstance(step, RegexReplace)]
    for name in {step.file for step in replaced}:
        steps = [step for step in replaced if step.file == name]
        record = text_record(name, steps, spec, layout)
        if record.is_up_to_date():
            yield record.subject


def _list_documents(model: Model, layout: ModelLayout, removed: Sequence[Path]) -> Iterator[Path]:
    downloads = layout.download_dir / model.subdirectory
    if provenance_json.lists_origins(downloads / PROVENANCE):
        yield downloads / PROVENANCE
    ir_folders = {path.parent for path in removed if path.suffix == ".xml"}
    for parent in ir_folders:
        if read_provenance(parent / PROVENANCE):
            yield parent / PROVENANCE
    for _, sidecar in SIDECARS.items():
        yield from sidecar.list_own(model, layout)


def remove_files(paths: Sequence[Path], roots: Collection[Path]) -> None:
    """Remove files with their records, and the folders below the roots that are empty then.

    Raises:
        OutputError: a file cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
            record_path(path).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {os_reason(error)}") from error
    for folder in {path.parent for path in paths}:
        empty = folder / RECORDS_DIR
        with suppress(OSError):  # until one is not empty
            while empty not in roots:
                if empty.exists():
                    empty.rmdir()
                empty = empty.parent
