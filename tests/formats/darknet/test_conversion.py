"""Conversions of a model that Open Model Zoo gives to keras-YOLOv3-model-set."""

import hashlib

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.conversion import convert_model
from fakes.darknet import yolo_v2_tiny, yolo_v4
from fakes.opencv import needs_opencv_4
from posezoo.core.declarations.model import Precision, Route
from posezoo.core.declarations.routes import select_route
from posezoo.core.errors import ConversionError
from posezoo.core.events import SelfCheckPassed
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry

MODEL = """\
description: Three heads.
task_type: detection
files:
{files}
model_optimizer_args:
  - --input_shape=[1,{size},3]
  - --input=image_input
  - --scale_values=image_input[255]
  - --reverse_input_channels
  - {result}
framework: tf
license: https://example.com/LICENSE
"""
FILE = (
    "  - {{name: {name}, size: {size}, sha256: {digest}, source: 'https://example.com/{name}'}}\n"
)
FOLDER = "keras-YOLOv3-model-set/tools/model_converter"
SCRIPT = f"{FOLDER}/convert.py"
SAVED_MODEL = "--saved_model_dir=$conv_dir/yolo.savedmodel"


@pytest.fixture
def net():
    return yolo_v4()


def declare(folder, net, *, without="", size="64,96", frozen_by=()):
    """The model, with its files as a download leaves them.

    Args:
        without: the ending of a file that is not declared.
        size: the height and width.
        frozen_by: the arguments of Model Optimizer, if upstream makes a frozen graph.
    """
    weights = net.save(folder)
    contents = {
        "net.weights": weights.read_bytes(),
        SCRIPT: b"raise SystemExit('it must not run')",
        "keras-YOLOv3-model-set/cfg/net.cfg": weights.with_suffix(".cfg").read_bytes(),
    }
    if frozen_by:
        contents[f"{FOLDER}/keras_to_tensorflow.py"] = b"raise SystemExit('it must not run')"
    model = folder / "zoo" / "public" / "yolo"
    lines = ""
    for name, content in contents.items():
        path = folder / "cache" / "public" / "yolo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        if not without or not name.endswith(without):
            lines += FILE.format(name=name, size=len(content), digest=digest)
    model.mkdir(parents=True)
    (model / "model.yml").write_text(
        MODEL.format(files=lines, size=size, result="\n  - ".join(frozen_by or [SAVED_MODEL]))
    )
    (model / "pre-convert.py").write_text("raise SystemExit('it must not run')")
    spec = Registry([folder / "zoo"]).find("yolo")
    return spec, ModelLayout(folder / "cache", folder / "cache")


@needs_opencv_4
def test_it_is_converted_without_the_script_and_compared_with_opencv(tmp_path, net):
    spec, layout = declare(tmp_path, net)
    events = []
    converted = convert_model(spec, layout, listener=events.append)
    checks = [event for event in events if isinstance(event, SelfCheckPassed)]
    assert [check.precision for check in checks] == [Precision.FP32, Precision.FP16]
    assert all("OpenCV" in check.reference for check in checks)
    image = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    results = compiled(converted.irs[Precision.FP32])(image)
    assert {port.get_any_name() for port in results} == {"conv2d_10", "conv2d_6", "conv2d_8"}


def test_a_network_that_opencv_does_not_read_is_compared_with_openvino(tmp_path, net):
    net.text = net.text.replace("anchors = 4,4, 8,8, 12,12\n", "")
    spec, layout = declare(tmp_path, net)
    events = []
    convert_model(spec, layout, precisions=(Precision.FP32,), listener=events.append)
    (check,) = [event for event in events if isinstance(event, SelfCheckPassed)]
    assert "OpenVINO" in check.reference


def test_boxes_of_other_classes_than_the_filters_are_refused_with_their_line(tmp_path, net):
    net.text = net.text.replace("classes = 2", "classes = 3")
    spec, layout = declare(tmp_path, net)
    with pytest.raises(ConversionError, match=r"net\.cfg:\d+: 3 classes do not fit 21 channels"):
        convert_model(spec, layout)


def test_a_mistake_leaves_no_file(tmp_path, net):
    net.text = net.text.replace("[upsample]", "[lstm]")
    spec, layout = declare(tmp_path, net)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ConversionError, match=r"net\.cfg:73: layers of the type \[lstm\]"):
        convert_model(spec, layout)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} <= before


@pytest.mark.parametrize("without", ["convert.py", ".cfg", ".weights"])
def test_without_the_script_or_its_files_only_upstreams_code_can_make_the_network(
    without, tmp_path, net
):
    spec, _ = declare(tmp_path, net, without=without)
    assert select_route(spec)[0] is Route.UPSTREAM_CODE


def test_what_upstream_freezes_has_the_names_of_a_frozen_graph(tmp_path, net):
    spec, layout = declare(tmp_path, net, frozen_by=["--input_model=$conv_dir/yolo.pb"])
    converted = convert_model(spec, layout, precisions=(Precision.FP32,))
    network = openvino_core().read_model(converted.irs[Precision.FP32])
    names = [port.get_any_name() for port in network.outputs]
    assert names == ["conv2d_10/BiasAdd:0", "conv2d_6/BiasAdd:0", "conv2d_8/BiasAdd:0"]


def test_yolo_v2_ends_at_the_region_that_its_configuration_asks_for(tmp_path):
    config = "--transformations_config=$mo_dir/extensions/front/tf/yolo_v2_tiny.json"
    arguments = ["--input_model=$conv_dir/yolo.pb", config]
    spec, layout = declare(tmp_path, yolo_v2_tiny(), size="64,64", frozen_by=arguments)
    converted = convert_model(spec, layout, precisions=(Precision.FP32,))
    network = openvino_core().read_model(converted.irs[Precision.FP32])
    assert "conv2d_2/BiasAdd/YoloRegion" in network.output(0).names
    assert list(network.output(0).shape) == [1, 425 * 32 * 32]
