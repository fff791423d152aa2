"""The paths of a model's files on disk.

The folder structure is Open Model Zoo's, which scripts know:
``<root>/<public|intel>/<name>/<file>`` and ``<root>/<public|intel>/<name>/<precision>/<name>.xml``,
and for a part of a composite ``<root>/public/<composite>/<part>/...``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from posezoo.core.declarations.model import Model, ModelSpec, Precision, RegexReplace, SourceFile
from posezoo.core.errors import OutputError, sanitize
from posezoo.core.values import frozen

#: The folder, in a model's own, of published IR that got a decoder.
DECODED = "decoded"


def path_below(folder: Path, name: PurePath | str) -> Path:
    """The path of a file below a folder, for a name that a model declares.

    model.yml cannot declare another one, wherever it comes from.

    Raises:
        OutputError: the path is not below the folder.
    """
    relative = PurePath(name)
    if relative.is_absolute() or ".." in relative.parts:
        shown = sanitize(str(name))
        raise OutputError(f"{shown}: is outside of {folder}, where the files of the model belong")
    return folder / relative


def find_link_out(path: Path, roots: Sequence[Path]) -> Path | None:
    """The link between one of the roots and a path below it that leads out of all roots; None if
    there is none. A root itself, and the path itself, may be links.
    """
    folders = [*path.parents]
    root = next(filter(folders.__contains__, roots), path.parent)
    for folder in reversed(folders[: folders.index(root)]):
        if folder.is_symlink():
            real = Path(os.path.realpath(folder))
            if not any(real.is_relative_to(os.path.realpath(each)) for each in roots):
                return folder
    return None


def require_inside(path: Path, roots: Sequence[Path]) -> None:
    """Check that no link leads a path out of all roots.

    Raises:
        OutputError: a link would.
    """
    if link := find_link_out(path, roots):
        raise OutputError(
            f"{path}: is not written, since {link} is a link that leads out of the folder, to"
            f" {os.path.realpath(link)}",
            hint="replace the link by a folder, or choose another folder for the models",
        )


@frozen
class ModelLayout:
    """The root folders of published files and IRs, which are often the same folder."""

    download_dir: Path  # the root of the published files
    output_dir: Path  # the root of the IRs
    checkpoint: Path | None = None  # the user's own weights, used only by the model made for them
    #: Files that the model's own code made ($conv_dir); None if none ran.
    conversions: Path | None = None

    @property
    def roots(self) -> tuple[Path, Path]:
        """The folders below which all files of models are written."""
        return self.download_dir, self.output_dir

    def model_download_dir(self, spec: ModelSpec) -> Path:
        """The folder of a model's published files."""
        return path_below(self.download_dir, spec.subdirectory)

    def file_path(self, spec: ModelSpec, file: SourceFile) -> Path:
        """The path of a published file with its original content."""
        return self.published_path(spec, file.name)

    def published_path(self, spec: ModelSpec, name: str) -> Path:
        """The path of a file's original; if model.yml changes its text, this is NAME.orig."""
        checkpoint = self.custom_checkpoint(spec)
        if checkpoint:
            return checkpoint
        rewritten = any(
            isinstance(step, RegexReplace) and step.file == name for step in spec.postprocessing
        )
        return self.download_path(spec, f"{name}.orig" if rewritten else name)

    def download_path(self, spec: ModelSpec, name: str) -> Path:
        """The path of a file in the folder of the published files.

        Raises:
            OutputError: it would be outside of this folder.
        """
        return path_below(self.model_download_dir(spec), name)

    def custom_checkpoint(self, spec: ModelSpec) -> Path | None:
        """The user's own checkpoint, if it is this model's file (one without a source); None for
        any other model.

        Files of other models, such as a detector, must never be written to its path.
        """
        is_own = self.checkpoint and spec.files and not any(file.sources for file in spec.files)
        return self.checkpoint if is_own else None

    def model_dir(self, spec: Model) -> Path:
        """The folder of a model's card; the IRs are in its subfolders."""
        return path_below(self.output_dir, spec.subdirectory)

    def ir_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The .xml of an IR, the published one if the model is published as IR; the .bin is next to
        it.
        """
        if spec.is_converted:
            return self.converted_ir_path(spec, precision)
        return self.download_path(spec, f"{precision}/{spec.name}.xml")

    def converted_ir_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The .xml of an IR that posezoo made; a published IR with a decoder gets a folder of its
        own.
        """
        folder = DECODED if spec.is_ir and spec.is_converted else ""
        return path_below(self.model_dir(spec) / folder, f"{precision}/{spec.name}.xml")

    def made_irs(self, spec: ModelSpec) -> Iterator[Path]:
        """The .xml of each IR that posezoo may have made of a model."""
        for precision in Precision:
            yield self.converted_ir_path(spec, precision)
            if spec.is_ir:
                yield path_below(self.model_dir(spec), f"{DECODED}/{precision}/{spec.name}.xml")

    def onnx_path(self, spec: ModelSpec) -> Path:
        """The path of the intermediate ONNX file of a checkpoint, if it is kept."""
        return path_below(self.model_dir(spec), f"{spec.name}.onnx")

    def provenance_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The path of the record of how posezoo made an IR: its inputs, the tools, and the time."""
        return self.converted_ir_path(spec, precision).with_name("provenance.json")


class FlatLayout(ModelLayout):
    """The folders of one model outside of any registry: its files and its IR lie directly in
    them.
    """

    def model_download_dir(self, spec: ModelSpec) -> Path:  # noqa: ARG002
        """The folder of the file to convert."""
        return self.download_dir

    def model_dir(self, spec: Model) -> Path:  # noqa: ARG002
        """The folder of the IR."""
        return self.output_dir

    def converted_ir_path(self, spec: ModelSpec, precision: Precision) -> Path:  # noqa: ARG002
        """The .xml of the IR; the folder has one IR of that name, in any precision."""
        return path_below(self.output_dir, f"{spec.name}.xml")


def precision_of(xml: Path) -> Precision | None:
    """The precision that the folder of an IR names, as in ``ir_path``; None if it has another
    name.
    """
    folder = xml.resolve().parent.name
    return Precision(folder) if folder in list(Precision) else None


def checkpoint_dir(model: Model) -> Path:
    """The relative folder for results of the user's own weights, named after their digest, for a
    model from ``spec_with_checkpoint``.
    """
    assert isinstance(model, ModelSpec)
    digest = model.files[0].checksum
    assert digest
    return Path("checkpoints", digest.value[:16])
