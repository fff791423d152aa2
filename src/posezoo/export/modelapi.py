"""Export for Model API (openvino-model-api): an IR that names its wrapper, and a sample program.

The IR names it in its ``model_info``. One that was published as IR does not, so the sample does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    render_part,
)

#: The wrappers that read the outputs of our models, and how the sample prints what they find.
_PRINTS = {
    "ssd": (
        "for box, name, score in zip(found.bboxes.tolist(), found.label_names, found.scores):\n"
        '    print(f"{name} {score:.3f} {box}")  # left, top, right, bottom in pixels'
    ),
    "classification": (
        'for label in found.top_labels:\n    print(f"{label.name} {label.confidence:.3f}")'
    ),
    "keypoint_detection": (
        "# In frames of several people, TopDownKeypointDetectionPipeline cuts them out.\n"
        "for name, (x, y), score in zip(model.params.labels, found.keypoints, found.scores):\n"
        '    print(f"{name} {x:.1f} {y:.1f} {score:.3f}")'
    ),
}

# The parameters of Model API that model_info may have, and how to read them.
_PARAMETERS: dict[str, Callable[[str], object]] = {
    "confidence_threshold": float,
    "labels": str.split,
    "pad_value": int,
    "resize_type": str,
    "apply_softmax": "True".__eq__,
    "reverse_input_channels": "True".__eq__,
}


def render_modelapi(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The IR and the sample.

    Raises:
        ExportError: Model API has no wrapper for the outputs.
    """
    info = model.model_info
    kind = info.get("model_type", "").lower()
    if kind not in _PRINTS:
        raise _refusal(model.spec)
    arguments = ""
    if model.spec.decoder is None:  # its IR does not name the wrapper
        arguments = f', model_type="{kind}"'
    if model.spec.is_ir:  # it has no model_info
        configuration = {
            name: read(info[name]) for name, read in _PARAMETERS.items() if name in info
        }
        arguments = f', model_type="{kind}", configuration={configuration}'
    yield from render_documents(model, TARGET)
    yield from model.ir_files(model.name)
    sample = render(
        "modelapi.py",
        name=model.name,
        picture=render_part("sample_picture.py"),
        arguments=arguments,
        prints=_PRINTS[kind],
    )
    yield ExportFile(f"{model.name}/sample.py", sample)


def _require_wrapper(spec: ModelSpec) -> None:
    """Raise an ExportError if the outputs have no wrapper, whatever they are."""
    is_decoded = spec.decoder or spec.model_info or spec.task in ("classification", "detection")
    if spec.decoding or not is_decoded:
        raise _refusal(spec)


def _refusal(spec: ModelSpec) -> ExportError:
    return ExportError(
        f"{exported_name(spec)}: Model API has wrappers only for SSD detectors, classifiers and"
        " SimCC, without --decode",
        hint="--to folder takes any model, also with its decoder in the IR (--decode)",
    )


TARGET = ExportTarget(
    summary="for Model API (openvino-model-api 0.4.7 and later): the IR, and a sample in Python",
    render=render_modelapi,
    require=_require_wrapper,
    next_step="python {folder}/{name}/sample.py IMAGE",
    needs='The sample needs Python with `pip install "openvino-model-api>=0.4.7"`.',
    sets_f32="the plugin_config of the adapter in sample.py",
    refuse_detector=lambda _spec, _detector: (
        "Model API cuts out people in another way than this network was trained with"
    ),
)
