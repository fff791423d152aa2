"""Networks of YOLO 1 to 3 that end at RegionYolo layers, compared with what Model Optimizer makes of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.model_optimizer import ENVIRONMENT, needs_mo, run_model_optimizer
from fakes.network import downloaded, source_file, spec_of
from fakes.yolo import CONFIG, yolo_v2, yolo_v3
from posezoo.core.convert import frontends
from posezoo.core.declarations.model import Framework
from posezoo.core.declarations.supported_mo_args import TRANSFORMATIONS_CONFIG
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.formats.region_configs import REGION_CONFIGS

VOC = "yolo_v2_tiny_voc.json"


def read(folder, content, config=None, value="$dl_dir/yolo.json"):
    """The network of a graph with a configuration, the bytes of a file of the model or none."""
    spec = spec_of(content, folder, framework=Framework.TF)
    layout = downloaded(spec, content, folder)
    files = spec.files
    if config is not None:
        path = layout.model_download_dir(spec) / "yolo.json"
        path.write_bytes(config)
        files = (*files, source_file(path.name, config, folder))
    spec = replace(
        spec, files=files, mo_args=((TRANSFORMATIONS_CONFIG, value),), inputs=(), outputs=()
    )
    return frontends.read_network(spec, layout.model_download_dir(spec) / spec.files[0].name)


def names_of(network):
    return {name for port in network.outputs for name in port.names if ":" not in name}


def test_each_head_ends_at_a_region_with_the_name_of_its_last_operation(tmp_path):
    network = read(tmp_path, yolo_v3(), json.dumps([CONFIG]).encode())
    assert names_of(network) == {"head/BiasAdd/YoloRegion", "fine/BiasAdd/YoloRegion"}
    # Model Optimizer sorts them by their names.
    assert "fine/BiasAdd/YoloRegion" in network.outputs[0].names
    assert list(network.output("head/BiasAdd/YoloRegion").shape) == [1, 21, 4, 4]
    kinds = {node.get_type_name() for node in network.get_ordered_ops()}
    assert "Reshape" not in kinds  # what follows the heads is gone


def test_a_network_with_one_head_needs_no_file_of_its_own(tmp_path):
    network = read(tmp_path, yolo_v2(), value=f"$mo_ext_dir/front/tf/{VOC}")
    assert names_of(network) == {"head/BiasAdd/YoloRegion"}
    assert list(network.output(0).shape) == [1, 125 * 64]


@needs_mo
@pytest.mark.skipif(
    not any(ENVIRONMENT.glob("lib/*/site-packages/tensorflow")),
    reason="needs make build/mo-env MO_EXTRAS=caffe,tensorflow2",
)
@pytest.mark.parametrize("name", ["yolo_v2", "yolo_v3"])
def test_the_outputs_are_those_of_model_optimizer(name, tmp_path):
    content = {"yolo_v2": yolo_v2, "yolo_v3": yolo_v3}[name]()
    if name == "yolo_v3":
        config = tmp_path / "yolo.json"
        config.write_text(json.dumps([CONFIG]))
        network = read(tmp_path, content, config.read_bytes())
    else:
        (config,) = ENVIRONMENT.glob(f"lib/*/site-packages/openvino/tools/mo/front/tf/{VOC}")
        network = read(tmp_path, content, value=f"$mo_ext_dir/front/tf/{VOC}")
    graph = tmp_path / "graph.pb"
    graph.write_bytes(content)
    arguments = ["--input_shape=[1,32,32,3]", "--compress_to_fp16=False"]
    arguments += [f"--transformations_config={config}"]
    judge = import_openvino().Core().read_model(run_model_optimizer(graph, arguments))
    assert names_of(network) == names_of(judge)
    for our, their in zip(network.outputs, judge.outputs, strict=True):
        assert our.names & their.names
    image = np.random.default_rng(1).uniform(0, 1, (1, 32, 32, 3)).astype(np.float32)
    ours, theirs = compiled(network)(image), compiled(judge)(image)
    for output in names_of(network):
        assert ours[output].shape == theirs[output].shape
        np.testing.assert_allclose(ours[output], theirs[output], atol=1e-6)


@needs_mo
@pytest.mark.parametrize("name", REGION_CONFIGS)
def test_a_configuration_of_model_optimizer_has_the_same_values_here(name):
    (path,) = ENVIRONMENT.glob(f"lib/*/site-packages/openvino/tools/mo/front/tf/{name}")
    (config,) = json.loads(path.read_text())
    ours = json.loads(json.dumps(REGION_CONFIGS[name]))
    assert ours["id"] == config["id"]
    assert {
        key: value for key, value in ours["custom_attributes"].items() if value != []
    } == config["custom_attributes"]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (b"not JSON", "is not a configuration of Model Optimizer"),
        (b"[]", "is not a configuration of Model Optimizer"),
        (json.dumps([{**CONFIG, "id": "SSDToolboxDetectionOutput"}]).encode(), "is not supported"),
        (json.dumps([{**CONFIG, "custom_attributes": {}}]).encode(), "does not fit the network"),
    ],
)
def test_another_configuration_is_refused(config, problem, tmp_path):
    with pytest.raises(ConversionError, match=rf"yolo\.json: .*{problem}"):
        read(tmp_path, yolo_v3(), config)


def test_a_head_with_too_few_channels_for_its_boxes_is_refused(tmp_path):
    """OpenVINO reads beyond such maps, and the process ends."""
    with pytest.raises(ConversionError, match="head/BiasAdd has not the 425 channels of its boxes"):
        read(tmp_path, yolo_v2(), value="$mo_ext_dir/front/tf/yolo_v2.json")
