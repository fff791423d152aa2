"""Export for Model API and DL Streamer, which read ``model_info`` of an IR.

For Model API (openvino-model-api), the IR's ``model_info`` names its wrapper, or else the sample
program does.

For DL Streamer, a model-proc file names its converter, and there is a pipeline for gst-launch;
tests/core/ir/test_dlstreamer_rules.py names the sources of its rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ExportError
from posezoo.core.ir.ir_writer import MODEL_INFO
from posezoo.core.ir.openvino_import import import_openvino, openvino_core
from posezoo.core.ir.provenance import SUFFIXES
from posezoo.export.decoded.graphs import GRAPHS
from posezoo.export.documents import render_documents
from posezoo.export.target_type import (
    NO_TELEMETRY,
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    exported_name,
    render,
    render_part,
)
from posezoo.poses.decoder_type import DecoderType
from posezoo.poses.decoders import DECODERS, resolve_options
from posezoo.run.model_procs import ModelProc, find_model_proc, read_labels

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

# The pipeline of a converter, from pictures on.
_FINDS_PEOPLE = "person-detection-retail-0013"
_DETECTOR_PROC = f"../{_FINDS_PEOPLE}/{_FINDS_PEOPLE}.json"
_F32 = "ie-config=INFERENCE_PRECISION_HINT=f32"
_SHOW = "queue ! gvawatermark ! videoconvert ! autovideosink sync=false"
_DETECT = f"gvadetect model=@ir.xml model-proc=@.json ! {_SHOW}"
_CLASSIFY = f"gvaclassify model=@ir.xml model-proc=@.json inference-region=full-frame ! {_SHOW}"
_PIPELINES = {
    "detection_output": _DETECT,
    "keypoints_hrnet": (
        f"gvadetect model=@detector.xml model-proc={_DETECTOR_PROC} ! queue ! "
        f"gvaclassify model=@ir.xml model-proc=@.json object-class=person ! {_SHOW}"
    ),
    "keypoints_openpose": _CLASSIFY,
    "raw_data_copy": (
        "gvainference model=@ir.xml ! queue ! gvametaconvert add-tensor-data=true ! "
        "gvametapublish file-path=/dev/stdout ! fakesink"
    ),
}

# The converters of detectors, besides those of YOLO.
_DETECTORS = ("detection_output", "boxes", "boxes_labels", "mask_rcnn")
_AUDIO = "audio_labels"
_TO_FOLDER_HINT = "--to folder writes the IR with a sample in Python"

# resize_type of model_info, as model-proc files name it.
_RESIZES = {
    "standard": "no-aspect-ratio",
    "fit_to_window": "aspect-ratio-pad",
    "fit_to_window_letterbox": "aspect-ratio",
}


def render_modelapi(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The IR and the sample.

    Raises:
        ExportError: Model API has no wrapper for the outputs.
    """
    info = model.model_info
    kind = info.get("model_type", "").lower()
    if kind not in _PRINTS:
        raise _refuse_outputs(model.spec)
    arguments = ""
    if model.spec.decoder is None:  # its IR does not name the wrapper
        arguments = f', model_type="{kind}"'
    if model.spec.is_ir:  # it has no model_info
        configuration = {
            name: read(info[name]) for name, read in _PARAMETERS.items() if name in info
        }
        arguments = f', model_type="{kind}", configuration={configuration}'
    yield from render_documents(model, MODEL_API)
    yield from model.ir_files(model.name)
    sample = render(
        "modelapi.py",
        name=model.name,
        compute_type=model.compute_type,
        picture=render_part("sample_picture.py"),
        arguments=arguments,
        prints=_PRINTS[kind],
    )
    yield ExportFile(f"{model.name}/sample.py", sample)


def _require_wrapper(spec: ModelSpec) -> None:
    is_decoded = spec.decoder or spec.model_info or spec.task in ("classification", "detection")
    if spec.decoding or not is_decoded:
        raise _refuse_outputs(spec)


def _refuse_outputs(spec: ModelSpec) -> ExportError:
    return ExportError(
        f"{exported_name(spec)}: Model API has wrappers only for SSD detectors, classifiers and"
        " SimCC, without --decode",
        hint="--to folder takes any model, also with its decoder in the IR (--decode)",
    )


def render_dlstreamer(model: ExportedModel, folder: ExportFolder) -> Iterator[ExportFile]:
    """The IR, the model-proc file, and the pipeline.

    Raises:
        ExportError: DL Streamer has no converter for the outputs.
    """
    if model.detector:
        yield from render_dlstreamer(model.detector, folder)
    declared = model.spec.decoder
    model_proc = find_model_proc(model.spec.name)
    ir_folder = f"{model.pipeline.precision}/" if folder.has_precisions else ""
    if model_proc and declared is None:
        yield from _render_known(model, model_proc, ir_folder)
        return
    decoder = DECODERS.find(declared.name) if declared else None
    converter = _choose_converter(model, decoder)
    outputs = {port.role: port.name for port in model.spec.outputs if port.role}
    required = decoder.reader_names if decoder else {}
    if required and converter != "raw_data_copy" and outputs != required and model.xml.is_file():
        yield from _rename_outputs(model, ir_folder, outputs, required, converter=converter)
        outputs = dict(required)
    else:  # docs/export.md, too, which is drawn without IR
        yield from model.ir_files(f"{model.name}/{ir_folder}".rstrip("/"))
    if converter != "raw_data_copy":
        output: dict[str, object] = {"converter": converter, "layer_names": [*outputs.values()]}
        yield _render_model_proc(model, [_describe_image(model)], [_finish(model, output)])
    yield from render_documents(model, DL_STREAMER)
    yield _render_pipeline(model, ir_folder, _PIPELINES[converter])


def _render_known(
    model: ExportedModel, model_proc: ModelProc, ir_folder: str
) -> Iterator[ExportFile]:
    yield from model.ir_files(f"{model.name}/{ir_folder}".rstrip("/"))
    classes = max((size for port in model.outputs for size in port.shape), default=0)
    outputs = []
    for declared in model_proc.outputs:
        output = dict(declared)
        if "labels" in output:
            output["labels"] = _write_labels(output, classes)
        outputs.append(output)
    yield _render_model_proc(model, model_proc.inputs, outputs)
    # The element for sounds has no ie-config.
    takes_config = model_proc.converter != _AUDIO
    yield from render_documents(
        model, DL_STREAMER if takes_config else replace(DL_STREAMER, sets_type="")
    )
    is_detector = model_proc.converter in _DETECTORS or model_proc.converter.startswith("yolo_")
    if not takes_config:
        script = render("dlstreamer_audio.sh", name=model.name, ir=f"{ir_folder}{model.name}")
        yield ExportFile(f"{model.name}/pipeline.sh", script)
    else:
        yield _render_pipeline(model, ir_folder, _DETECT if is_detector else _CLASSIFY)


def _write_labels(output: Mapping[str, Any], classes: int) -> list[Any]:
    labels = read_labels(output["labels"], classes)
    if output.get("converter") != _AUDIO:
        return labels
    return [{"index": index, "label": label, "threshold": 0} for index, label in enumerate(labels)]


def _render_pipeline(model: ExportedModel, ir_folder: str, elements: str) -> ExportFile:
    # A detector that is not exported with the model is expected beside it in the same precision.
    precision = (model.detector or model).pipeline.precision
    detector_folder = f"{precision}/" if ir_folder else ""
    elements = (
        elements.replace("@ir", f"{ir_folder}{model.name}")
        .replace("@detector", f"../{_FINDS_PEOPLE}/{detector_folder}{_FINDS_PEOPLE}")
        .replace("@", model.name)
    )
    pipeline = elements.replace(" model=", f" {_F32} model=")
    script = render("dlstreamer.sh", name=model.name, pipeline=pipeline)
    return ExportFile(f"{model.name}/pipeline.sh", script)


def _choose_converter(model: ExportedModel, decoder: DecoderType | None) -> str:
    spec = model.spec
    if spec.decoding:
        return "raw_data_copy"
    info = model.model_info
    named = [info[key] for key in sorted(info) if "model_type" in key][-1:]
    if named and named[0] in _PIPELINES and named[0] != "raw_data_copy":
        return named[0]
    if decoder and spec.decoder:
        layouts = {port.role: port.layout for port in spec.outputs}
        if decoder.reader_names and layouts == dict.fromkeys(decoder.reader_names, "NCHW"):
            return decoder.model_info(resolve_options(spec.decoder))["model_type"]
    raise _explain_refusal(spec)


def _require_converter(spec: ModelSpec) -> None:
    if not (spec.decoding or spec.decoder or spec.model_info or find_model_proc(spec.name)):
        raise _explain_refusal(spec)


def _explain_refusal(spec: ModelSpec) -> ExportError:
    name = exported_name(spec)
    if spec.composite or (spec.decoder and GRAPHS.find(spec.decoder.name)):
        return ExportError(
            f"{name}: DL Streamer has a converter for its outputs only with --decode",
            hint=(
                "add --decode: the IR then finds the keypoints, and DL Streamer passes them on as"
                " tensors"
            ),
        )
    if spec.decoder is None:
        return ExportError(
            f"{name}: posezoo does not know which converter of DL Streamer reads its outputs",
            hint=_TO_FOLDER_HINT,
        )
    kind = spec.decoder.name
    return ExportError(f"{name}: DL Streamer has no converter for the outputs of {kind}")


def _rename_outputs(
    model: ExportedModel,
    ir_folder: str,
    names: Mapping[str, str],
    required: Mapping[str, str],
    converter: str,
) -> Iterator[ExportFile]:
    network = openvino_core().read_model(model.xml)
    for role, name in required.items():
        network.output(names[role]).get_tensor().set_names({name})
    network.set_rt_info(converter, [MODEL_INFO, "model_type"])
    with TemporaryDirectory() as folder:
        xml = Path(folder, f"{model.name}.xml")
        import_openvino().serialize(network, xml, xml.with_suffix(".bin"))
        for suffix in SUFFIXES:
            name = f"{model.name}/{ir_folder}{model.name}{suffix}"
            yield ExportFile(name, xml.with_suffix(suffix).read_bytes())


def _describe_image(model: ExportedModel) -> dict[str, object]:
    """The input: the same as ``model_info``, which DL Streamer does not read beside a file.

    Raises:
        ExportError: images are fitted in another way.
    """
    info = model.model_info
    resize_type = info.get("resize_type", "standard")
    if resize_type not in _RESIZES:
        raise ExportError(
            f"{model.name}: its resize_type is {resize_type}, which its model-proc file cannot say",
            hint=_TO_FOLDER_HINT,
        )
    params: dict[str, object] = {
        "resize": _RESIZES[resize_type],
        "color_space": info.get("color_space", "BGR"),
    }
    pad_value = info.get("pad_value")
    if pad_value:
        params["padding"] = {"fill_value": [float(pad_value)] * 3}
    return {"format": "image", "layer_name": model.inputs[0].name, "params": params}


def _finish(model: ExportedModel, output: dict[str, object]) -> dict[str, object]:
    """The output with its keypoints, or the labels of its boxes.

    Raises:
        ExportError: they have no names.
    """
    info = model.model_info
    names = info.get("labels", "").split()
    if not names:
        raise ExportError(
            f"{model.name}: its keypoints have no names, which its model-proc file needs",
            hint=_TO_FOLDER_HINT,
        )
    if "skeleton" not in info:
        return {**output, "labels": names}
    limbs = [names[int(index)] for index in info["limbs"].replace("-", " ").split()]
    return {**output, "point_names": names, "point_connections": limbs}


def _render_model_proc(
    model: ExportedModel,
    inputs: Sequence[Mapping[str, object]],
    outputs: Sequence[Mapping[str, object]],
) -> ExportFile:
    proc = {"json_schema_version": "2.2.0", "input_preproc": inputs, "output_postproc": outputs}
    content = f"{json.dumps(proc, indent=2, ensure_ascii=False)}\n".encode()
    return ExportFile(f"{model.name}/{model.name}.json", content)


def _refuse_detector(spec: ModelSpec, detector: ModelSpec) -> str:
    if spec.decoding:
        return "with --decode its pipeline runs the network on whole frames"
    if detector.name != _FINDS_PEOPLE:
        return f"DL Streamer cannot read that detector: name --detector {_FINDS_PEOPLE}"
    return ""


MODEL_API = ExportTarget(
    summary="for Model API (openvino-model-api 0.4.7 and later): the IR, and a sample in Python",
    render=render_modelapi,
    require=_require_wrapper,
    next_step="python {folder}/{name}/sample.py IMAGE",
    needs=(
        f'The sample needs Python with `pip install "openvino-model-api>=0.4.7"`. {NO_TELEMETRY}'
    ),
    sets_type="the plugin_config of the adapter in sample.py",
    computes_as_run=True,
    refuse_detector=lambda _spec, _detector: (
        "Model API cuts out people in another way than this network was trained with"
    ),
)

DL_STREAMER = ExportTarget(
    summary="for DL Streamer: the IR, a model-proc file, and a pipeline for gst-launch-1.0",
    render=render_dlstreamer,
    takes_precisions=True,
    require=_require_converter,
    next_step="sh {folder}/{name}/pipeline.sh VIDEO",
    needs=(
        "The script needs DL Streamer, and for a network that takes one person at a time"
        f" {_FINDS_PEOPLE} in the same folder."
    ),
    sets_type="ie-config in pipeline.sh",
    refuse_detector=_refuse_detector,
)
