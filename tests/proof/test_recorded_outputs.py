"""Outputs that a publisher's runtime computed find faults of our readers; here numpy is the publisher's runtime."""

import hashlib
import importlib.util
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from fakes.checkout import ROOT
from fakes.conversion import convert_model, resolved_of
from fakes.graph_models import constant, graph_model, node, placeholder, saved, text
from fakes.reader_faults import FAULTS, read_wrongly
from posezoo.core.convert.conversion import convert_with_openvino
from posezoo.core.convert.conversion_plan import ConversionOptions, plan_irs
from posezoo.core.declarations.model import Framework, Input, Precision, RecordedOutputs
from posezoo.core.errors import ConversionError, SelfCheckError
from posezoo.core.events import NodeProof, SelfCheckPassed
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir import provenance
from posezoo.core.pipeline.get import get
from posezoo.core.registry import open_registry
from posezoo.core.resolve.resolution import resolve_model
from posezoo.proof.difference import WITHOUT_NOISE
from posezoo.proof.recorded_outputs import (
    SEEDS,
    RecordedInput,
    Recording,
    draw_feed,
    draw_recorded_image,
    sample_values,
)

save_file = pytest.importorskip("safetensors.numpy", reason="needs safetensors").save_file

_SCRIPT = ROOT / "benchmarks" / "record_outputs.py"
_spec = importlib.util.spec_from_file_location("record_outputs", _SCRIPT)
record_outputs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(record_outputs)

FP32 = Precision.FP32
SHAPE = (1, 40, 48, 3)
RNG = np.random.default_rng(5)
WEIGHTS = {
    "kernel": RNG.normal(0, 1.5, (3, 3, 3, 8)).astype(np.float32),
    "bias": RNG.normal(0, 1, 8).astype(np.float32),
    "head": RNG.normal(0, 1, (3, 3, 8, 40)).astype(np.float32),
    "shift": RNG.normal(0, 1, 40).astype(np.float32),
}


def convolution(name, image, kernel, bias, *steps):
    return node(
        name, "_FusedConv2D", image, kernel, bias,
        strides={"list": {"i": ["1", "1", "1", "1"]}}, padding={"s": "U0FNRQ=="}, data_format={"s": "TkhXQw=="},
        explicit_paddings={"list": {}}, fused_ops=text(*steps), num_args={"i": "1"}, epsilon={"f": 1e-4},
    )  # fmt: skip


def network(sizes=SHAPE):
    """Two convolutions: a graph model and its only file of weights."""
    nodes = [
        placeholder(*sizes),
        *map(constant, WEIGHTS),
        convolution("features", "image", "kernel", "bias", "BiasAdd", "Relu6"),
        convolution("out", "features", "head", "shift", "BiasAdd"),
    ]
    return graph_model(nodes, WEIGHTS, {"heatmaps": "out:0"})


def convolve(image, kernel, bias):
    padded = np.pad(image.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = image.shape[1:3]
    return bias + sum(
        padded[:, y : y + height, x : x + width] @ kernel[y, x] for y in range(3) for x in range(3)
    )


def compute(feed):
    """What the publisher's runtime computes."""
    features = np.clip(
        convolve(next(iter(feed.values())), WEIGHTS["kernel"], WEIGHTS["bias"]), 0, 6
    )
    return convolve(features, WEIGHTS["head"], WEIGHTS["shift"]).astype(np.float32)


def recorded(spec, folder, dtype=np.float32, **changes):
    """The spec with the outputs that numpy computes, beside its model.yml."""
    name = spec.inputs[0].name if spec.inputs else "image:0"
    inputs = {name: RecordedInput(SHAPE, -1.0, 1.0)}
    values = {}
    for kind in SEEDS:
        outputs = compute(draw_feed(kind, inputs, {name: dtype}))
        values[kind] = {"heatmaps": np.ascontiguousarray(sample_values(outputs))}
    recording = Recording(inputs, {"heatmaps": outputs.shape}, {}, values)
    return with_recording(spec, folder, recording, **changes)


def with_recording(spec, folder, recording, **changes):
    """The spec with this recording beside its model.yml."""
    path = folder / "recorded.safetensors"
    save_file({**record_outputs.recording_tensors(recording), **changes}, path)
    declared = RecordedOutputs("NumPy 2", path.name, compute_digest(path))
    return replace(spec, path=folder / "model.yml", recorded_outputs=declared)


def with_fault(fault, folder, sizes=SHAPE):
    model, shards = network(sizes)
    ((name, content),) = shards.items()
    model, content = read_wrongly(model, content, fault)
    return saved(model, {name: content}, folder)


def passed(spec, layout):
    events = []
    convert_model(spec, layout, precisions=[FP32], listener=events.append)
    (event,) = (event for event in events if isinstance(event, SelfCheckPassed))
    return event


def test_the_images_are_the_same_in_every_version_of_numpy():
    found = {}
    for kind in SEEDS:
        image = draw_recorded_image(kind, (1, 3, 40, 33))
        assert [image.shape, image.min() >= 0, image.max() <= 255] == [(1, 3, 40, 33), True, True]
        found[kind] = hashlib.sha256(image.astype(np.uint8).tobytes()).hexdigest()[:16]
    assert found == {"noise": "eab38d333a0652cc", "blocks": "f7ef07cf6ca75b65"}


def test_the_line_and_the_record_name_the_publishers_runtime(tmp_path):
    spec, layout = saved(*network(), tmp_path)
    spec = recorded(spec, tmp_path)
    event = passed(spec, layout)
    assert event.reference == "outputs of NumPy 2, recorded in the registry"
    assert 0 < event.difference < event.tolerance < 1e-3
    record = json.loads(layout.provenance_path(spec, FP32).read_text())["self_check"]
    assert record["recorded"]["heatmaps"]["difference"] > 0
    assert record["not_compared"] == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_reader_is_found_only_with_recorded_outputs(tmp_path, fault):
    spec, layout = with_fault(fault, tmp_path)
    assert "running our translation of the original" in passed(spec, layout).reference
    with pytest.raises(
        SelfCheckError, match="comes from a wrong reading of the original: heatmaps"
    ) as refused:
        convert_model(recorded(spec, tmp_path), layout, precisions=[FP32], force=True)
    assert "from what NumPy 2 computed" in refused.value.problem


def with_weak_branch(tmp_path, factor=1.0):
    """A network with a branch that adds less to its output than roundings do, times a factor."""
    model, _ = network()
    nodes = model["modelTopology"]["node"]
    weak = {"weak": (WEIGHTS["head"] * 1e-8 * factor).astype(np.float32)}
    nodes[-1]["name"] = "main"
    nodes += [
        constant("weak"),
        convolution("side", "features", "weak", "shift", "BiasAdd"),
        node("out", "AddV2", "main", "side", T={"type": "DT_FLOAT"}),
    ]
    weak["shift"] = np.zeros(40, np.float32)
    return saved(*graph_model(nodes, WEIGHTS | weak, {"heatmaps": "out:0"}), tmp_path)


def record_weak_branch(spec, folder):
    """Its output and the inner tensor ``side``, as numpy computes them."""
    inputs = {"image:0": RecordedInput(SHAPE, -1.0, 1.0)}
    recording = Recording(inputs, {"heatmaps": (1, 40, 48, 40)}, {"side:0": (1, 40, 48, 40)}, {})
    values = {}
    for kind in SEEDS:
        feed = draw_feed(kind, inputs, {"image:0": np.float32})["image:0"]
        features = np.clip(convolve(feed, WEIGHTS["kernel"], WEIGHTS["bias"]), 0, 6)
        outputs = convolve(features, WEIGHTS["head"], 0)
        both = {"heatmaps": outputs, "side:0": convolve(features, WEIGHTS["head"] * 1e-8, 0)}
        sampled = recording.sample({name: each.astype(np.float32) for name, each in both.items()})
        values[kind] = {name: np.ascontiguousarray(each) for name, each in sampled.items()}
    return with_recording(spec, folder, replace(recording, values=values))


def convert_by_nodes(spec, layout):
    events = []
    options = ConversionOptions(by_nodes=True, force=True)
    resolved = resolved_of(spec, layout, [FP32])
    convert_with_openvino(resolved, options, listener=events.append)
    (event,) = (event for event in events if isinstance(event, SelfCheckPassed))
    return event


def test_a_wrongly_read_weak_branch_is_found_by_its_recorded_tensor(tmp_path):
    spec, layout = with_weak_branch(tmp_path)
    spec = record_weak_branch(spec, tmp_path)
    event = convert_by_nodes(spec, layout)
    assert event.nodes == NodeProof(recorded=1)
    assert str(event.nodes) == "inner tensors: 1 of the original are as recorded in the registry"
    record = json.loads(layout.provenance_path(spec, FP32).read_text())["self_check"]
    assert set(record["recorded"]) == {"heatmaps"}

    spec, layout = with_weak_branch(tmp_path, factor=1.5)
    spec = record_weak_branch(spec, tmp_path)
    assert "recorded in the registry" in passed(spec, layout).reference
    with pytest.raises(SelfCheckError, match="wrong reading of the original: side:0 differs"):
        convert_by_nodes(spec, layout)


@pytest.mark.parametrize("fault", ["", next(iter(FAULTS))])
def test_an_ir_of_another_size_is_proven_too(tmp_path, fault):
    """The network is also run at the size of the recorded outputs."""
    spec, layout = (
        with_fault(fault, tmp_path, (1, -1, -1, 3))
        if fault
        else saved(*network((1, -1, -1, 3)), tmp_path)
    )
    for sizes in ((1, -1, -1, 3), (1, 64, 32, 3)):
        other = recorded(replace(spec, inputs=(Input("image", sizes, "NHWC"),)), tmp_path)
        if not fault:
            assert "NumPy 2" in passed(other, layout).reference
            continue
        with pytest.raises(SelfCheckError, match="wrong reading"):
            convert_model(other, layout, precisions=[FP32], force=True)


def test_an_integer_input_has_the_same_narrow_limit(tmp_path):
    """The network takes floats for the check, so that its noise can be measured."""
    model, shards = network()
    model["modelTopology"]["node"][0]["attr"]["dtype"] = {"type": "DT_INT32"}
    model["modelTopology"]["node"].append(
        node("cast", "Cast", "image", SrcT={"type": "DT_INT32"}, DstT={"type": "DT_FLOAT"})
    )
    for each in model["modelTopology"]["node"]:
        if each["name"] == "features":
            each["input"] = ["cast", *each["input"][1:]]
    spec, layout = saved(model, shards, tmp_path)
    convert_model(recorded(spec, tmp_path, np.int32), layout, precisions=[FP32])
    record = json.loads(layout.provenance_path(spec, FP32).read_text())["self_check"]
    assert record["recorded"]["heatmaps"]["tolerance"] < WITHOUT_NOISE / 5


def test_a_changed_or_missing_file_is_refused(tmp_path):
    spec, layout = saved(*network(), tmp_path)
    spec = recorded(spec, tmp_path)
    path = tmp_path / "recorded.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=r"its digest differs from the one in model\.yml"):
        convert_model(spec, layout, precisions=[FP32])
    path.unlink()
    with pytest.raises(
        ConversionError, match=r"recorded\.safetensors: cannot be read: No such file"
    ):
        convert_model(spec, layout, precisions=[FP32])
    assert not list(layout.model_dir(spec).rglob("*.xml"))


@pytest.mark.parametrize(
    "changes",
    [
        {"photo/heatmaps": np.zeros(3, np.float32)},
        {"noise/other": np.zeros(3, np.float32)},
        {"output/heatmaps": np.array(3)},
        {"output/heatmaps": np.array([np.inf], np.float32)},
        {"range/image:0": np.array(3, np.float32)},
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, changes):
    spec, layout = saved(*network(), tmp_path)
    with pytest.raises(ConversionError, match="is not a file with recorded outputs"):
        convert_model(recorded(spec, tmp_path, **changes), layout, precisions=[FP32])


def test_strict_refuses_what_only_our_own_reader_has_read(tmp_path):
    spec, layout = saved(*network(), tmp_path)
    resolved = resolved_of(spec, layout, [FP32])
    strict = ConversionOptions(is_strict=True)
    with pytest.raises(SelfCheckError, match="only the reader that made the IR reads a"):
        convert_with_openvino(resolved, strict)
    convert_model(spec, layout, precisions=[FP32])
    (planned,) = plan_irs(resolved, strict)
    assert planned.reason == "it cannot be compared with its original"
    resolved = resolved_of(recorded(spec, tmp_path), layout, [FP32])
    convert_with_openvino(resolved, strict)
    assert not provenance.read_ir_record(layout.converted_ir_path(spec, FP32)).not_compared
    assert plan_irs(resolved, strict)[0].is_up_to_date


# --- the models of the registry


def models():
    registry = open_registry()
    return [part for name in registry.names() for part in registry.parts(registry.find(name))]


def test_every_graph_of_the_registry_has_recorded_outputs():
    """Checkpoints have no graph, also those that their user must export, the runtime of IR is OpenVINO, and ONNX and
    .task files could not be downloaded.
    """
    others = (Framework.DLDT, Framework.ONNX, Framework.PYTORCH)
    graphs = [spec for spec in models() if spec.network is None and spec.framework not in others]
    graphs = [spec for spec in graphs if not spec.files[0].name.endswith(".task")]
    without = {spec.name for spec in graphs if spec.recorded_outputs is None}
    # Runtimes differ too much on its maps of 8 bits.
    assert without == {"movenet-singlepose-lightning-int8"}
    runtimes = {
        spec.recorded_outputs.runtime for spec in graphs if spec.files[0].name.endswith(".json")
    }
    assert runtimes == {"TensorFlow.js 4.22.0"}
    files = {
        each.path.parent / each.recorded_outputs.file for each in graphs if each.recorded_outputs
    }
    assert sum(path.stat().st_size for path in files) < 1_000_000


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("pose-detection-mediapipe", "LiteRT"), ("tf-pose-mobilenet-v2-small", "TensorFlow")],
)
def test_real_models_are_proven_where_no_other_runtime_is_installed(
    zoo, tmp_path, monkeypatch, in_this_process, name, runtime
):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    zoo = replace(zoo, layout=replace(zoo.layout, output_dir=tmp_path))
    events = []
    get(resolve_model(zoo.registry.find(name), (FP32,), zoo), zoo, listener=events.append)
    (event,) = (event for event in events if isinstance(event, SelfCheckPassed))
    assert event.reference.startswith(f"outputs of {runtime} ")
