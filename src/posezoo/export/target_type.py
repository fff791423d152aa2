"""What a target of ``posezoo export`` is: a function from the facts of a model to the files to
write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import Decoder, Model, ModelSpec
from posezoo.core.errors import ExportError
from posezoo.core.layout import ModelLayout
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.run.pipeline_spec import PipelineSpec

TEMPLATES = Path(__file__).parent / "templates"

#: For the README of a target whose program imports OpenVINO in Python.
NO_TELEMETRY = (
    "OpenVINO's Python package would report to its makers that it is used. The program turns this"
    ' off with `sys.modules["openvino_telemetry"] = None` before the import; do the same in a'
    " program of yours."
)

#: A place for a value in a template; render compares the text in the braces as it is.
MARK = re.compile(r"@\{(.*?)\}")


@frozen
class Port:
    """An input or output, as the IR has it."""

    name: str  # one of its tensor names
    shape: tuple[int, ...]  # -1 for any size
    element_type: str  # OpenVINO's name: f32, u8
    layout: str = ""  # as NCHW; empty if unknown
    color: str = ""  # of an image: BGR or RGB; empty if unknown
    has_batch: bool = False  # whether the IR itself has a layout with a batch for it

    @property
    def sides(self) -> dict[str, int]:
        """The sizes by the letters of the layout; empty if it is unknown."""
        return dict(zip(self.layout, self.shape, strict=False))


@frozen
class ExportedModel:
    """The facts of a model that targets use.

    Attributes:
        spec: as the IR was made, maybe with the decoder in its graph.
        pipeline: whose network finds the keypoints, with the precision of the IR.
        xml: the IR; its .bin is beside it.
        digests: the SHA-256 of the IR's files, by suffix: ``.xml`` and ``.bin``.
        layout: the folders of its published files and IR.
        detector: the network that finds the people, which is exported with it; or None.
    """

    spec: ModelSpec
    pipeline: PipelineSpec
    xml: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    digests: Mapping[str, str]
    layout: ModelLayout
    detector: ExportedModel | None = None

    @property
    def name(self) -> str:
        """Its name in the export."""
        return exported_name(self.pipeline.model)

    @property
    def networks(self) -> Sequence[ExportedModel]:
        """This one, and its detector if it has one."""
        return [self, self.detector] if self.detector else [self]

    @property
    def compute_type(self) -> str:
        """In which ``posezoo run`` computes it: ``bf16``, on a CPU that has it, or ``f32``."""
        from posezoo.run.runtime.runtime_config import declared_type  # it imports numpy

        return declared_type(self.spec, self.pipeline.precision)

    @property
    def image_size(self) -> str:
        """Width x height of the pictures that it takes; empty for other inputs, or any size."""
        sides = self.inputs[0].sides if self.inputs else {}
        width, height = sides.get("W", -1), sides.get("H", -1)
        return f"{width}x{height}" if min(width, height) > 0 else ""

    @property
    def model_info(self) -> dict[str, str]:
        """``model_info`` of its IR; for a published IR what it would be."""
        from posezoo.run.model_info import build_model_info  # it imports numpy

        info = build_model_info(self._output_shapes, self.spec, self.decoder)
        return {name: str(value) for name, value in info.items()}

    @property
    def decoder(self) -> Decoder | None:
        """That of its outputs, or in its graph; without one, that of its task; None: none is
        known.
        """
        from posezoo.run.runtime.decoder_matching import find_task_decoder  # it imports numpy

        declared = self.spec.decoding.decoder if self.spec.decoding else self.spec.decoder
        return declared or find_task_decoder(self.spec, self._output_shapes)

    @property
    def labels(self) -> list[str]:
        """The names of its classes by their numbers; empty if they are not known."""
        from posezoo.poses.decoders import find_decoder
        from posezoo.run.model_procs import find_labels

        labels = find_labels(self.spec, self._output_shapes.values())
        record = find_decoder(self.decoder.name) if self.decoder else None
        if not labels and record and (record.finds_boxes or record.finds_classes):
            labels = str(self.spec.model_info.get("labels", "")).split()
        return labels

    @property
    def _output_shapes(self) -> dict[str, tuple[int, ...]]:
        return {port.name: port.shape for port in self.outputs}

    def ir_files(self, folder: str, stem: str = "") -> list[ExportFile]:
        """Copies of the .bin and the .xml in a folder below the export's; ``stem`` replaces the
        name.
        """
        return [
            ExportFile(
                f"{folder}/{stem or self.name}{suffix}", self.xml.with_suffix(suffix), digest
            )
            for suffix, digest in sorted(self.digests.items())
        ]


@frozen
class ExportFile:
    """A file to write.

    Attributes:
        name: below the export's folder, with / between parts.
        content: its bytes, or the path of a file to copy.
        digest: the SHA-256 of a file to copy, if known.
    """

    name: str
    content: bytes | Path
    digest: str = ""


@frozen
class ExportFolder:
    """What a target knows about the folder, and what the user chose for it.

    Attributes:
        present: the SHA-256 of the files that exports wrote there, by their names.
        has_precisions: whether IR are in folders of their precision, as omz_converter's.
    """

    present: Mapping[str, str]
    has_precisions: bool = False

    def version(self, model: ExportedModel, stem: str = "") -> int:
        """The number of the version with this IR: the latest if it has the same bytes, otherwise
        the next.
        """
        numbers = re.findall(
            rf"^{re.escape(model.name)}/([1-9]\d*)/", "\n".join(self.present), re.MULTILINE
        )
        latest = max(map(int, numbers), default=0)
        same = all(
            self.present.get(file.name) == file.digest
            for file in model.ir_files(f"{model.name}/{latest}", stem)
        )
        return latest if same else latest + 1


@frozen
class ExportTarget:
    """A target.

    Attributes:
        summary: what it writes, as a phrase without a full stop.
        render: the files of one model, or an ExportError if the target cannot take it. Before a
            download, it is also called with declared inputs and outputs and no IR.
        next_step: a command that uses the export; ``{folder}`` and ``{name}`` are replaced.
        needs: what the user must have or do before that, as full sentences; ``{name}`` is replaced.
        sets_type: what sets the type of the computation; empty if nothing can.
        computes_as_run: whether it is the ``compute_type`` of the model; else it is f32.
        require: raises an ExportError for a model, by its model.yml, before a download.
        is_versioned: whether earlier numbered versions of a model are kept.
        takes_precisions: whether its IR can be in folders of their precision.
        inputs: how IR always take images; None if the user decides.
        network_format: of its networks.
        extras: the packages, beside those of posezoo run, that write its files, and the extras that
            install them.
        refuse_detector: why its files cannot run a detector before a model, as a clause; empty if
            they do.
        runs_people: whether its files find people in pictures with decoders in the IR.
    """

    summary: str
    render: Callable[[ExportedModel, ExportFolder], Iterable[ExportFile]]
    next_step: str
    needs: str = ""
    sets_type: str = ""
    computes_as_run: bool = False
    require: Callable[[ModelSpec], None] = lambda _spec: None
    is_versioned: bool = False
    takes_precisions: bool = False
    inputs: InputOptions | None = None
    network_format: str = "OpenVINO IR"
    extras: Mapping[str, str] = field(default_factory=dict)
    refuse_detector: Callable[[ModelSpec, ModelSpec], str] = lambda _spec, _detector: (
        "its files run one network"
    )
    runs_people: bool = False


def render_files(
    target: ExportTarget, models: Iterable[ExportedModel], folder: ExportFolder
) -> list[ExportFile]:
    """The files of all models together."""
    files: dict[str, ExportFile] = {}
    for model in models:  # a file for all models, such as config.json, also names those before it
        digests = {**folder.present, **{file.name: file.digest for file in files.values()}}
        with_earlier = replace(folder, present=digests)
        files |= {file.name: file for file in target.render(model, with_earlier)}
    return list(files.values())


def exported_name(model: Model) -> str:
    """The name of a model in an export, for servers and folders: that of a variant has no @."""
    return model.full_name.replace("@", "-")


def require_keypoints(spec: ModelSpec) -> None:
    """Check that an IR with its decoder returns keypoints.

    Raises:
        ExportError: it has no decoder, or it is a detector, which returns boxes.
    """
    from posezoo.poses.decoders import finds_boxes

    if spec.decoding is None or finds_boxes(spec.decoding.decoder):
        problem = f"{exported_name(spec)}: the sample needs an IR that returns keypoints"
        raise ExportError(problem)


def render(template: str, **values: object) -> bytes:
    """A template as UTF-8: the file NAME.in of templates/, with each ``@{name}`` replaced by that
    value; a ValueError if a mark has no value, or a value no mark.
    """
    path = TEMPLATES / f"{template}.in"
    text = path.read_text("utf-8")
    marks = {*MARK.findall(text)}
    unknown = sorted(marks - values.keys())
    unused = sorted(values.keys() - marks)
    if unknown or unused:
        raise ValueError(
            f"{path}: marks without a value: {unknown}; values without a mark: {unused}"
        )
    return MARK.sub(lambda match: str(values[match[1]]), text).encode()


def render_part(template: str, **values: object) -> str:
    """A template that is a part of another one, without line breaks at its end."""
    return render(template, **values).decode().rstrip()
