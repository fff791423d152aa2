"""The target onnx: its files, and what it refuses. Its program is run in test_programs.py."""

from dataclasses import replace

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest

from fakes.command import read_json
from fakes.exports import documents_of, files_below
from posezoo.core.declarations.model import Decoder, People, Precision
from posezoo.core.errors import ExportError
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.export import people_targets
from posezoo.export.decoded import with_decoding
from posezoo.export.export_writer import write_export
from posezoo.export.target_type import ExportFolder
from posezoo.export.targets import TARGETS
from posezoo.formats import onnx_writer
from posezoo.run.pipeline_spec import PipelineSpec

IMAGE = {"name": "image", "shape": [1, 64, 96, 3], "layout": "NHWC", "color": "RGB"}
KEYPOINTS = {"name": "keypoints", "shape": [1, 17, 3]}
HEATMAPS = {"name": "heatmaps", "shape": [1, 17, 16, 24], "role": "heatmaps"}
DETECTIONS = {"name": "detections", "shape": [1, 1, 200, 7], "role": "detections"}
PROGRAM = {"sample.py", "top_down.py", "fit.py", "network.py", "limb_drawing.py"}


@pytest.fixture
def chain(make_model):
    """A network for one person with its decoder, and the detector of its people."""
    decoder = {"name": "heatmap", "convention": "udp"}
    declared = make_model("net", HEATMAPS, decoder=decoder, skeleton="coco-17", image=IMAGE)
    model = make_model("net", KEYPOINTS, skeleton="coco-17", image=IMAGE)
    finder = make_model("finder", DETECTIONS, decoder={"name": "detection"}, image=IMAGE)
    finder = replace(finder, spec=with_decoding(finder.spec, Decoder("detection")))
    spec = with_decoding(declared.spec, declared.spec.decoder)
    people = People("finder", "finder", whole_image=0.3)
    pipeline = PipelineSpec(spec, Precision.FP16, people, finder.spec)
    return replace(model, spec=spec, pipeline=pipeline, detector=finder)


def export(folder, model):
    target = TARGETS.find("onnx")
    return write_export(folder, lambda present: [*target.render(model, ExportFolder(present))])


def test_both_networks_are_written_with_their_facts_and_the_program(chain, out):
    export(out, chain)
    files = files_below(out)
    own = {f"net/{name}" for name in PROGRAM}
    networks = {f"net/{name}" for name in ("net.onnx", "net.json", "finder.onnx", "finder.json")}
    documents = documents_of("net") | {f"net/finder-{name}" for name in ("README.md", "NOTICE")}
    licenses = {name for name in files if name.endswith("LICENSE")}
    assert files.keys() == own | networks | documents | licenses
    assert files["net/README.md"].startswith(b"# net as ONNX, FP16\n")


def test_the_facts_say_what_the_metadata_of_an_ir_say(chain, out):
    export(out, chain)
    facts, finder = (read_json(out / "net" / f"{name}.json") for name in ("net", "finder"))
    assert (facts["width"], facts["height"], facts["layout"], facts["color"]) == (
        96,
        64,
        "NHWC",
        "RGB",
    )
    assert facts["keypoints"][0] == "nose" and facts["limbs"]
    assert facts["pipeline"]["detector"] == "finder.onnx"
    assert (facts["pipeline"]["crop"], facts["pipeline"]["whole_image"]) == ("align", "0.3")
    assert finder["resize_type"] == "standard"
    assert (finder["keypoints"], finder["pipeline"]) == ([], {})


def test_an_operation_that_cannot_be_written_is_named_with_its_model(chain, out, monkeypatch):
    monkeypatch.setattr(onnx_writer, "OPERATIONS", {})
    with pytest.raises(ExportError, match=r"^net: layer '.*' \(.*\): cannot be written as ONNX"):
        export(out, chain)
    assert not files_below(out)


def test_a_file_that_onnx_runtime_does_not_read_is_not_written(chain, out, monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    monkeypatch.setattr(people_targets, "write_onnx", lambda *_: b"no network")
    with pytest.raises(ExportError, match=r"^net: ONNX Runtime does not read the file: "):
        export(out, chain)
    assert not files_below(out)


def test_pictures_of_any_size_are_refused(chain):
    image = replace(chain.spec.inputs[0], resize=True)
    with pytest.raises(ExportError, match="takes pictures of one size") as error:
        TARGETS.find("onnx").require(replace(chain.spec, inputs=(image,)))
    assert "--resize changes nothing" in error.value.problem


def test_a_quantized_network_is_refused_because_it_would_find_other_keypoints(chain, tmp_path, out):
    network = openvino_core().read_model(chain.xml)
    result = network.get_results()[0]
    values = result.input_value(0)
    levels = (np.float32(0), np.float32(1))
    result.input(0).replace_source_output(
        ops.fake_quantize(values, *levels, *levels, 256).output(0)
    )
    quantized = tmp_path / "quantized.xml"
    ov.save_model(network, quantized)
    with pytest.raises(ExportError, match=r"^net: is quantized, and ONNX"):
        export(out, replace(chain, xml=quantized))
    assert not files_below(out)
