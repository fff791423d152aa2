"""The ONNX file of each kind of network, read by OpenVINO, computes what the module computes."""

from dataclasses import replace

import numpy as np
import pytest

from fakes.soak import soak
from networks.published import KINDS, awake, noise, outputs_of, torch
from posezoo import networks
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.networks import NETWORKS
from posezoo.networks import pytorch_format as pytorch
from posezoo.networks.custom_weights import spec_with_checkpoint

SMALL = ("lightweight_openpose", "simple_pose_resnet18_v1b", "mobile_pose_mobilenetv3_small")
LARGE = tuple(name for name in KINDS if name not in (*SMALL, "vitpose"))
#: Of the blocks of others: higher_hrnet, alpha_pose_resnet101_v1b_coco, simple_pose_resnet18_v1b, and the small one.
OF_KNOWN_BLOCKS = {
    "hrnet",
    "simple_pose_resnet50_v1b",
    "mobile_pose_resnet18_v1b",
    "mobile_pose_mobilenetv3_large",
}
#: max |a - b| / max |a|. Each convolution adds its rounding: a hundred of them, on untrained weights,
#: come to 4e-4 between float32 and float64 in torch alone, and so do the 3D head's with what stands before it.
TOLERANCE = {"alpha_pose_resnet101_v1b_coco": 1e-3, "human_pose_3d": 1e-3}


def exported(network, name, folder, *, dynamic):
    """The network as OpenVINO reads it from the ONNX file of its checkpoint, for one thread and in float32."""
    torch.save(network.state_dict(), folder / "net.pth")
    spec = spec_with_checkpoint(name, folder / "net.pth")
    if dynamic:
        (port,) = spec.inputs
        spec = replace(spec, inputs=(replace(port, shape=(-1, port.shape[1], -1, -1)),))
    onnx = pytorch.export_to_onnx(spec, folder / "net.pth")
    core = import_openvino().Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return core.compile_model(core.read_model(onnx), "CPU", settings)


def assert_same(network, compiled, name, shape, *, leeway=1):
    image = noise(shape)
    found = compiled(image.numpy())
    for output, tensor in zip(
        NETWORKS[name].module_outputs(), outputs_of(network, image), strict=True
    ):
        ours, requested = found[output], tensor.numpy()
        assert ours.shape == requested.shape
        if (name, output) == ("higher_hrnet", "heatmaps"):
            # Where two neighbours are a rounding apart, either may be the peak, and the other is negated.
            assert np.count_nonzero((ours < 0) != (requested < 0)) <= 1e-4 * ours.size
            ours, requested = np.abs(ours), np.abs(requested)
        assert requested.std() > 1e-2 * np.abs(requested).max(), "dead: anything would be the same"
        difference = np.abs(ours - requested).max() / np.abs(requested).max()
        assert difference <= leeway * TOLERANCE.get(name, 3e-4), (name, output, shape, difference)


def odd_shape(name):
    """Another batch at an odd size: a multiple of 32, or any size."""
    return (2, 3, 96, 160) if name in ("higher_hrnet", "hrnet") else (2, 3, 101, 75)


@pytest.mark.parametrize(
    "name", [*SMALL, *(soak(name) if name in OF_KNOWN_BLOCKS else name for name in LARGE)]
)
def test_the_export_for_any_size_computes_the_same_at_its_size_and_at_others(name, tmp_path):
    network = awake(name)
    compiled = exported(network, name, tmp_path, dynamic=True)
    assert_same(network, compiled, name, NETWORKS[name].input.shape)
    # The statistics are those of another size: rounding grows in channels that hardly vary there.
    assert_same(network, compiled, name, odd_shape(name), leeway=4)
    if name in SMALL:
        assert_same(network, compiled, name, (1, 3, 160, 224), leeway=4)


def test_the_export_of_vitpose_computes_the_same(tmp_path):
    network = networks.build_network("vitpose", width=384)
    compiled = exported(network, "vitpose", tmp_path, dynamic=False)
    assert_same(network, compiled, "vitpose", (1, 3, 256, 192))
