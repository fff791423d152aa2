"""Export to Frigate: a person detector for its OpenVINO detector, the label map, and a part of
config.yml.

The rules are those of plugins/openvino.py and detection_runners.py in frigate/detectors, in
blakeblackshear/frigate. Frigate copies bytes 0..255 into a tensor of the IR's own type, and
normalizes them only if ``input_dtype`` says so. Mean and scale are inside the IR, so they are
applied once.
"""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ExportError
from posezoo.export.documents import render_documents
from posezoo.export.target_type import (
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    exported_name,
    render,
)
from posezoo.poses.decoders import finds_boxes, named_task
from posezoo.poses.ssd_detection import PERSON


def render_frigate(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The IR, labelmap.txt and config.yml.

    Raises:
        ExportError: the model is not such a detector.
    """
    _require_detector(model.spec)
    if not _reads_image(model) or not _writes_boxes(model):
        raise _refusal(model.spec)
    port = model.inputs[0]
    if model.spec.is_ir and any(image.mean or image.scale for image in model.spec.inputs):
        raise ExportError(
            f"{model.name}: Frigate would not apply its mean and scale, which are not in its IR"
        )
    label_map = _render_label_map(model)
    yield from render_documents(model, TARGET)
    yield from model.ir_files(model.name)
    yield ExportFile(f"{model.name}/labelmap.txt", label_map.encode())
    text = render(
        "frigate.yml",
        name=model.name,
        width=port.sides["W"],
        height=port.sides["H"],
        layout=port.layout.lower(),
        color=port.color.lower(),
    )
    yield ExportFile(f"{model.name}/config.yml", text)


def _render_label_map(model: ExportedModel) -> str:
    """The numbers and names of the classes: people, or those of the user's own network.

    Raises:
        ExportError: its classes have no names.
    """
    assert model.decoder
    if not named_task(model.decoder):
        return f"{PERSON} person\n"
    if not model.labels:
        raise ExportError(
            f"{model.name}: Frigate needs the names of its classes",
            hint="state them as labels in the model_info of the IR, separated by spaces",
        )
    return "".join(f"{number} {label}\n" for number, label in enumerate(model.labels))


def _reads_image(model: ExportedModel) -> bool:
    port = model.inputs[0]
    is_image = len(model.inputs) == 1 and port.layout in ("NCHW", "NHWC") and min(port.shape) > 0
    return is_image and port.sides["C"] == 3 and bool(port.color)


def _writes_boxes(model: ExportedModel) -> bool:
    shape = model.outputs[0].shape
    return len(model.outputs) == 1 and shape[:2] == (1, 1) and shape[3:] == (7,) and shape[2] > 0


def _require_detector(spec: ModelSpec) -> None:
    if spec.decoding or not finds_boxes(spec.decoder):
        raise _refusal(spec)


def _refusal(spec: ModelSpec) -> ExportError:
    name = exported_name(spec)
    return ExportError(
        f"{name}: Frigate needs a person detector: one image of a fixed size, and one"
        " output [1, 1, N, 7]",
        hint="export person-detection-retail-0013, without --decode and --resize",
    )


TARGET = ExportTarget(
    summary=(
        "Frigate: a person detector and its label map, to copy to Frigate's folder /config, and the"
        " lines for config.yml"
    ),
    render=render_frigate,
    require=_require_detector,
    next_step="cp -r {folder}/{name} FRIGATE_CONFIG_FOLDER",
    needs=(
        "Add the lines of {name}/config.yml to Frigate's config.yml; FRIGATE_CONFIG_FOLDER is the"
        " folder of that file."
    ),
)
