"""Models of Open Model Zoo with generated weights become IR by our networks, without their authors' code."""

import json

import pytest
import yaml

from fakes.command import assert_success, omz_tool, posezoo
from fakes.soak import soak
from fakes.zoo import declared_file, write_model
from networks.zoo.judges import torch, with_random_statistics
from posezoo import networks
from posezoo.core.registry import Registry
from posezoo.networks.zoo.declarations import with_declared_network
from posezoo.networks.zoo.published_networks import NETWORKS, PUBLISHED

CLASSIFIER = ("data", (1, 3, 224, 224), {"prob": (1, 1000)})

#: Of each kind of network the smallest: the input and the outputs that Model Optimizer's IR have.
MODELS = {
    "mobilenet-v2-pytorch": CLASSIFIER,
    "shufflenet-v2-x1.0": ("input", (1, 3, 224, 224), {"output": (1, 1000)}),
    "resnet-18-pytorch": CLASSIFIER,
    "efficientnet-b0-pytorch": CLASSIFIER,
    "regnetx-3.2gf": CLASSIFIER,
    "resnest-50-pytorch": CLASSIFIER,
    "dla-34": CLASSIFIER,
    "hbonet-0.25": CLASSIFIER,
    "rexnet-v1-x1.0": ("input.1", (1, 3, 224, 224), {"prob": (1, 1000)}),
    "retinaface-resnet50-pytorch": (
        "data",
        (1, 3, 640, 640),
        {
            "face_rpn_bbox_pred": (1, 16800, 4),
            "face_rpn_cls_prob": (1, 16800, 2),
            "face_rpn_landmark_pred": (1, 16800, 10),
        },
    ),
    "text-recognition-resnet-fc": ("input", (1, 1, 32, 100), {"output": (1, 26, 37)}),
    "googlenet-v3-pytorch": ("data", (1, 3, 299, 299), {"prob": (1, 1000)}),
}
SMALL = "shufflenet-v2-x1.0"
#: The largest network takes as long as ten others; these have the operations of others.
ALIKE = ("text-recognition-resnet-fc", "resnet-18-pytorch", "regnetx-3.2gf", "rexnet-v1-x1.0")


@pytest.fixture
def generate(shared, tmp_path):
    """Writes a model of Open Model Zoo into a registry, with generated weights."""

    def write(name):
        models = shared / "data" / "omz-2021.4" / "models"
        spec = with_declared_network(Registry([models]).find(name))
        network = with_random_statistics(networks.build_network(spec.network.name))
        path = tmp_path / "weights.pth"
        torch.save(network.state_dict(), path)
        yml = yaml.safe_load((models / "public" / name / "model.yml").read_text("utf-8"))
        yml["files"] = [declared_file(path, name=spec.checkpoint)]
        if code := PUBLISHED[spec.network.name].file:
            (tmp_path / "code").write_text("published")
            yml["files"].append(declared_file(tmp_path / "code", name=code))
        yml.pop("postprocessing", None)
        write_model(tmp_path / "models", name, yml)

    return write


def ports(xml):
    import openvino as ov

    network = ov.Core().read_model(xml)
    (image,) = network.inputs
    outputs = {port.get_any_name(): tuple(port.shape) for port in network.outputs}
    return image.get_any_name(), tuple(image.shape), outputs


@pytest.mark.parametrize("name", [soak(name) if name in ALIKE else name for name in MODELS])
def test_the_ir_has_the_ports_of_model_optimizer_and_passes_its_self_check(
    name, generate, tmp_path
):
    generate(name)
    where = ("--models_dir", tmp_path / "models", "-o", tmp_path / "out")
    ended = posezoo("get", name, *where)
    assert_success(ended)
    assert ", converted, checked\n" in ended.stderr
    xml = tmp_path / "out" / "public" / name / "FP32" / f"{name}.xml"
    assert ports(xml) == MODELS[name]
    record = json.loads(xml.with_name("provenance.json").read_text("utf-8"))
    assert record["key"]["arguments"]["network"]["name"] in NETWORKS


def test_open_model_zoo_s_own_commands_convert_it_too(generate, tmp_path):
    generate(SMALL)
    where = ("--name", SMALL, "--models_dir", tmp_path / "models", "--output_dir", tmp_path / "out")
    assert_success(omz_tool("downloader", *where))
    ended = omz_tool(
        "converter", *where, "--precisions", "FP32", "--download_dir", tmp_path / "out"
    )
    assert_success(ended)
    assert ports(tmp_path / "out" / "public" / SMALL / "FP32" / f"{SMALL}.xml") == MODELS[SMALL]
