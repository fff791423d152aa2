"""Where each artifact of a model lies on disk.

The folders are Open Model Zoo's, so that a script finds what it always found:
``<root>/<public|intel>/<name>/<file>`` and ``<root>/<public|intel>/<name>/<precision>/<name>.xml``,
a part of a composite one level deeper: ``<root>/public/<composite>/<part>/...``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.spec.model import CompositeSpec, ModelSpec, Precision, RegexReplace, SourceFile


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """Two roots: published files go below ``download_dir``, IR below ``output_dir``; often the same.

    Attributes:
        download_dir: what published files lie below.
        output_dir: what IR lie below.
        conversions: where what a model's own code made lies ($conv_dir); None where none was run.
        checkpoint: where the one file of a model lies that has weights of the user's own; of no other model.
    """

    download_dir: Path
    output_dir: Path
    checkpoint: Path | None = None
    conversions: Path | None = None

    def model_download_dir(self, spec: ModelSpec) -> Path:
        """The folder of a model's published files."""
        return self.download_dir / spec.subdirectory

    def file_path(self, spec: ModelSpec, file: SourceFile) -> Path:
        """One published file, with the bytes that were published."""
        return self.published_path(spec, file.name)

    def published_path(self, spec: ModelSpec, name: str) -> Path:
        """A file of this name as it was published: a text that is changed afterwards keeps it as .orig."""
        if (own := self.custom_checkpoint(spec)) is not None:
            return own
        rewritten = any(isinstance(step, RegexReplace) and step.file == name for step in spec.postprocessing)
        return self.model_download_dir(spec) / (f"{name}.orig" if rewritten else name)

    def custom_checkpoint(self, spec: ModelSpec) -> Path | None:
        """The user's own checkpoint, where it is this model's file: one that comes from nowhere.

        Whatever else is asked for beside it, such as a detector, must never be written in its place.
        """
        is_own = bool(spec.files) and not any(file.sources for file in spec.files)
        return self.checkpoint if is_own else None

    @property
    def samples_dir(self) -> Path:
        """The folder of the sample photos."""
        return self.download_dir / "samples"

    def model_dir(self, spec: ModelSpec | CompositeSpec) -> Path:
        """The folder that a model's IR, and its card, lie below."""
        return self.output_dir / spec.subdirectory

    def ir_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The .xml of an IR, its .bin beside it; a model that is published as IR keeps its files' place."""
        folder = self.model_download_dir(spec) if spec.is_ir else self.model_dir(spec)
        return folder / precision / f"{spec.name}.xml"

    def converted_ir_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The .xml of an IR that was made here: where ``ir`` has it, unless the publisher made that one."""
        return self.model_dir(spec) / precision / f"{spec.name}.xml"

    def onnx_path(self, spec: ModelSpec) -> Path:
        """The ONNX that a checkpoint becomes on its way to IR, where it is kept."""
        return self.model_dir(spec) / f"{spec.name}.onnx"

    def provenance_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The record of what an IR was made from, with what, and when; only of one that was made here."""
        return self.converted_ir_path(spec, precision).with_name("provenance.json")
