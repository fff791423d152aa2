"""Where each file of a model is on disk.

The folders are those of Open Model Zoo, so that its users' scripts find the files:
``<root>/<public|intel>/<name>/<file>`` and ``<root>/<public|intel>/<name>/<precision>/<name>.xml``.
A part of a composite is one level deeper: ``<root>/public/<composite>/<part>/...``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.spec.model import CompositeSpec, ModelSpec, Precision, RegexReplace, SourceFile


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """The root folders, which are often the same.

    Attributes:
        download_dir: the root of the published files.
        output_dir: the root of the IR.
        checkpoint: the user's own weights, for the one model that has them; of no other model.
        conversions: the folder of files that a model's own code made ($conv_dir); None if no such code ran.
    """

    download_dir: Path
    output_dir: Path
    checkpoint: Path | None = None
    conversions: Path | None = None

    def model_download_dir(self, spec: ModelSpec) -> Path:
        """The folder of a model's published files."""
        return self.download_dir / spec.subdirectory

    def file_path(self, spec: ModelSpec, file: SourceFile) -> Path:
        """A published file, with the bytes that were published."""
        return self.published_path(spec, file.name)

    def published_path(self, spec: ModelSpec, name: str) -> Path:
        """A file as it was published: if model.yml changes its text, the original is kept as NAME.orig."""
        if (own := self.custom_checkpoint(spec)) is not None:
            return own
        rewritten = any(isinstance(step, RegexReplace) and step.file == name for step in spec.postprocessing)
        return self.model_download_dir(spec) / (f"{name}.orig" if rewritten else name)

    def custom_checkpoint(self, spec: ModelSpec) -> Path | None:
        """The user's own checkpoint, if it is this model's file; None for any other model.

        A model with own weights has a file without a source. Files of models that are used beside it, such as
        a detector, must never be written in its place.
        """
        is_own = bool(spec.files) and not any(file.sources for file in spec.files)
        return self.checkpoint if is_own else None

    @property
    def samples_dir(self) -> Path:
        """The folder of the sample photos."""
        return self.download_dir / "samples"

    def model_dir(self, spec: ModelSpec | CompositeSpec) -> Path:
        """The folder of a model's card, with its IR below."""
        return self.output_dir / spec.subdirectory

    def ir_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The .xml of an IR, with its .bin beside it: the published one, if the model is published as IR."""
        folder = self.model_download_dir(spec) if spec.is_ir else self.model_dir(spec)
        return folder / precision / f"{spec.name}.xml"

    def converted_ir_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The .xml of an IR that was made here, also if the model is published as IR in other precisions."""
        return self.model_dir(spec) / precision / f"{spec.name}.xml"

    def onnx_path(self, spec: ModelSpec) -> Path:
        """The intermediate ONNX file of a checkpoint, if it is kept."""
        return self.model_dir(spec) / f"{spec.name}.onnx"

    def provenance_path(self, spec: ModelSpec, precision: Precision) -> Path:
        """The record of how an IR was made here: from what, with what and when."""
        return self.converted_ir_path(spec, precision).with_name("provenance.json")
