"""Export for DL Streamer: the IR, a model-proc file that names its converter, and a pipeline for
gst-launch.

The rules of its converters were read from its sources, which tests/ir/test_dlstreamer_rules.py
names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from posezoo.errors import ExportError
from posezoo.export.documents import render_documents
from posezoo.export.target_type import (
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    exported_name,
    render,
)
from posezoo.ir.model_info import MODEL_INFO
from posezoo.ir.openvino_import import import_openvino, openvino_core
from posezoo.ir.provenance import SUFFIXES
from posezoo.pose.decoder_type import DecoderType
from posezoo.pose.decoders import DECODERS, resolve_options
from posezoo.pose.keypoints import SKELETONS
from posezoo.spec.model import ModelSpec

# The pipeline of a converter, from pictures on.
_DETECTOR = "../person-detection-retail-0013/person-detection-retail-0013"
_F32 = "ie-config=INFERENCE_PRECISION_HINT=f32"
_SHOW = "queue ! gvawatermark ! videoconvert ! autovideosink sync=false"
_PIPELINES = {
    "detection_output": f"gvadetect model=@.xml model-proc=@.json ! {_SHOW}",
    "keypoints_hrnet": (
        f"gvadetect model={_DETECTOR}.xml model-proc={_DETECTOR}.json ! queue ! "
        f"gvaclassify model=@.xml model-proc=@.json object-class=person ! {_SHOW}"
    ),
    "keypoints_openpose": (
        f"gvaclassify model=@.xml model-proc=@.json inference-region=full-frame ! {_SHOW}"
    ),
    "raw_data_copy": (
        "gvainference model=@.xml ! queue ! gvametaconvert add-tensor-data=true ! "
        "gvametapublish file-path=/dev/stdout ! fakesink"
    ),
}

# resize_type of model_info, as model-proc files name it.
_RESIZES = {
    "standard": "no-aspect-ratio",
    "fit_to_window": "aspect-ratio-pad",
    "fit_to_window_letterbox": "aspect-ratio",
}


def render_dlstreamer(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The IR, the model-proc file, and the pipeline.

    Raises:
        ExportError: DL Streamer has no converter for the outputs.
    """
    info = model.model_info
    declared = model.spec.decoder
    decoder = DECODERS.find(declared.name) if declared is not None else None
    converter = _choose_converter(model, info, decoder)
    outputs = {port.role: port.name for port in model.spec.outputs if port.role}
    required = decoder.reader_names if decoder is not None else {}
    if required and converter != "raw_data_copy" and outputs != required and model.xml.is_file():
        yield from _rename_outputs(model, outputs, required, converter)
        outputs = dict(required)
    else:  # docs/export.md, too, which is drawn without IR
        yield from model.ir_files(model.name)
    if converter != "raw_data_copy":
        proc = _render_model_proc(
            model, info, {"converter": converter, "layer_names": [*outputs.values()]}
        )
        yield ExportFile(
            f"{model.name}/{model.name}.json", f"{json.dumps(proc, indent=2)}\n".encode()
        )
    pipeline = _PIPELINES[converter].replace("@", model.name).replace(" model=", f" {_F32} model=")
    yield from render_documents(model, TARGET)
    yield ExportFile(
        f"{model.name}/pipeline.sh", render("dlstreamer.sh", name=model.name, pipeline=pipeline)
    )


def _choose_converter(
    model: ExportedModel, info: Mapping[str, str], decoder: DecoderType | None
) -> str:
    spec = model.spec
    if spec.decoding:
        return "raw_data_copy"
    named = [info[key] for key in sorted(info) if "model_type" in key][-1:]
    if named and named[0] in _PIPELINES and named[0] != "raw_data_copy":
        return named[0]
    if decoder is not None and spec.decoder is not None:
        layouts = {port.role: port.layout for port in spec.outputs}
        if decoder.reader_names and layouts == dict.fromkeys(decoder.reader_names, "NCHW"):
            return decoder.model_info(resolve_options(spec.decoder))["model_type"]
    raise _explain_refusal(spec, decoder)


def _require_converter(spec: ModelSpec) -> None:
    """Raise an ExportError if the outputs have no converter, whatever they are."""
    if not (spec.decoding or spec.decoder or spec.model_info):
        raise _explain_refusal(spec, None)


def _explain_refusal(spec: ModelSpec, decoder: DecoderType | None) -> ExportError:
    name = exported_name(spec)
    if spec.composite or (decoder is not None and decoder.graph is not None):
        return ExportError(
            f"{name}: DL Streamer has a converter for its outputs only with --decode",
            hint=(
                "add --decode: the IR then finds the keypoints, and DL Streamer passes them on as"
                " tensors"
            ),
        )
    kind = spec.decoder.name if spec.decoder is not None else "a network without a decoder"
    return ExportError(f"{name}: DL Streamer has no converter for the outputs of {kind}")


def _rename_outputs(
    model: ExportedModel, names: Mapping[str, str], required: Mapping[str, str], converter: str
) -> Iterator[ExportFile]:
    """The IR with the names of outputs, by role, that the converter requires."""
    network = openvino_core().read_model(model.xml)
    for role, name in required.items():
        network.output(names[role]).get_tensor().set_names({name})
    network.set_rt_info(converter, [MODEL_INFO, "model_type"])
    with TemporaryDirectory() as folder:
        xml = Path(folder, f"{model.name}.xml")
        import_openvino().serialize(network, xml, xml.with_suffix(".bin"))
        for suffix in SUFFIXES:
            yield ExportFile(
                f"{model.name}/{model.name}{suffix}", xml.with_suffix(suffix).read_bytes()
            )


def _render_model_proc(
    model: ExportedModel, info: Mapping[str, str], output: dict[str, object]
) -> dict[str, object]:
    """A model-proc file: the same as ``model_info``, which DL Streamer does not read beside one."""
    params: dict[str, object] = {
        "resize": _RESIZES[info.get("resize_type", "standard")],
        "color_space": info.get("color_space", "BGR"),
    }
    if pad_value := info.get("pad_value"):
        params["padding"] = {"fill_value": [float(pad_value)] * 3}
    if skeleton := SKELETONS.get(info.get("skeleton", "")):
        output["point_names"] = list(skeleton.keypoints)
        output["point_connections"] = [
            skeleton.keypoints[index] for limb in skeleton.limbs for index in limb
        ]
    else:
        output["labels"] = info["labels"].split()
    image = {"format": "image", "layer_name": model.inputs[0].name, "params": params}
    return {"json_schema_version": "2.2.0", "input_preproc": [image], "output_postproc": [output]}


TARGET = ExportTarget(
    summary="for DL Streamer: the IR, a model-proc file, and a pipeline for gst-launch-1.0",
    render=render_dlstreamer,
    require=_require_converter,
    next_step="sh {folder}/{name}/pipeline.sh VIDEO",
    needs=(
        "The script needs DL Streamer. If it names person-detection-retail-0013, which finds the"
        " people, export that model to the same folder, too."
    ),
    sets_f32="ie-config in pipeline.sh",
    checked_by=(
        "DL Streamer was not run: tests compare the files with its rules, read from its sources."
        " keypoints_hrnet takes the highest cells without refinement; with --decode the IR refines"
        " them itself. The pipeline then prints JSON with tensors, in pixels of the network's"
        " input."
    ),
)
