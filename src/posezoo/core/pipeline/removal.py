"""Remove what the manifests of models list, if it has the listed bytes, and files with the declared
digests; others are kept and named.
"""

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
)
from posezoo.core.declarations.safe_names import explain_invalid_model_name
from posezoo.core.errors import OutputError, os_reason
from posezoo.core.files.file_lock import is_part_of
from posezoo.core.files.manifest import NAME, is_manifest, read_json, read_manifest
from posezoo.core.files.result_files import RECORDS_DIR, record_path
from posezoo.core.layout import ModelLayout, find_link_out
from posezoo.core.pipeline.artifact_states import ArtifactState, check_artifacts
from posezoo.core.registry import TAG_MARK, open_registry
from posezoo.core.values import frozen


@frozen
class RemovalPlan:
    """What is removed of models, and what is kept."""

    removed: tuple[Path, ...]
    kept: tuple[ArtifactState, ...]
    size_bytes: int  # of what is removed


def find_gone(layout: ModelLayout, known: Container[str]) -> Iterator[ModelSpec]:
    """The models with a manifest that no registry has."""
    root = layout.download_dir
    own = open_registry().entries
    for path in sorted((*root.glob(f"*/*/{NAME}"), *root.glob(f"*/*/*/{NAME}"))):
        folder = path.parent
        name, _, tag = folder.name.partition(TAG_MARK)
        # Beside an IR, a file of this name has the name of the model, too.
        if name in known or name in own or read_json(path).get("model") != folder.name:
            continue
        if explain_invalid_model_name(name):  # a folder called --yes
            continue
        yield ModelSpec(
            name,
            Family.PUBLIC,
            path,
            "",
            "",
            parent=folder.parent.relative_to(root).as_posix(),
            tag=tag,
            is_default=not tag,
            framework=Framework.ONNX,
            license=License(),
            files=(),
        )


def plan_removal(
    models: Iterable[ModelSpec], composites: Iterable[CompositeSpec], layout: ModelLayout
) -> RemovalPlan:
    """What can be removed of these models; every byte of their files is read."""
    removed: list[Path] = []
    kept: list[ArtifactState] = []
    for spec in models:
        artifacts = [*check_artifacts(spec, layout)]
        own = [artifact.path for artifact in artifacts if artifact.state == "good"]
        ir_folders = [xml.parent for xml in layout.made_irs(spec)]
        for folder in (*_folders(spec, layout), *ir_folders):
            own += _list_own(folder)
            kept += _list_changed(folder, spec)
        kept += [each for each in artifacts if each.state not in ("good", "missing")]
        onnx = layout.onnx_path(spec)
        if onnx.is_file():
            kept.append(ArtifactState(spec.full_name, onnx.name, onnx, "unknown"))
        removed += (*own, *_list_parts(spec, layout))
    for composite in composites:
        for folder in _folders(composite, layout):
            removed += _list_own(folder)
            kept += _list_changed(folder, composite)
    paths = []
    for path in dict.fromkeys(removed):
        if find_link_out(path, layout.roots):
            kept.append(ArtifactState("", path.name, path, "symlinked"))
        else:
            paths.append(path)
    others = {each.path: each for each in reversed(kept) if each.path not in paths}
    size = sum(path.stat().st_size for path in paths)
    return RemovalPlan(tuple(paths), tuple(reversed(others.values())), size)


def _folders(model: Model, layout: ModelLayout) -> Iterable[Path]:
    subdirectory = model.subdirectory
    return dict.fromkeys((layout.download_dir / subdirectory, layout.output_dir / subdirectory))


def _list_own(folder: Path) -> Iterator[Path]:
    """The files with the bytes that the manifest of a folder lists, and the manifest."""
    manifest = read_manifest(folder)
    for name in manifest.files:
        if not (folder / name).is_symlink() and manifest.has_bytes(folder, name):
            yield folder / name
    if is_manifest(folder / NAME):
        yield folder / NAME


def _list_changed(folder: Path, model: Model) -> Iterator[ArtifactState]:
    """The files with other bytes than the manifest of a folder lists."""
    manifest = read_manifest(folder)
    for name in manifest.files:
        path = folder / name
        if path.is_file() and not path.is_symlink() and not manifest.has_bytes(folder, name):
            yield ArtifactState(model.full_name, name, path, "changed")


def _list_parts(spec: ModelSpec, layout: ModelLayout) -> Iterator[Path]:
    """The partial downloads, and their states."""
    for file in spec.files:
        path = layout.file_path(spec, file)
        for part in (*path.parent.glob(".*.part"), *path.parent.glob(".*.part.json")):
            if is_part_of(part.with_name(part.name.removesuffix(".json")), path):
                yield part


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
