"""The ONNX file of each kind of network, read by OpenVINO, computes what the module computes."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

from networks.published import KINDS, awake, noise, outputs_of, torch
from posezoo import networks
from posezoo.ir.openvino_import import import_openvino
from posezoo.networks import NETWORKS

nn = torch.nn

SMALL = ("lightweight_openpose", "simple_pose_resnet18_v1b", "mobile_pose_mobilenetv3_small")
LARGE = tuple(name for name in KINDS if name not in (*SMALL, "vitpose"))
#: max |a - b| / max |a|. Each convolution adds its rounding: a hundred of them, on untrained weights,
#: come to 4e-4 between float32 and float64 in torch alone, and so do the 3D head's with what stands before it.
TOLERANCE = {"alpha_pose_resnet101_v1b_coco": 1e-3, "human_pose_3d": 1e-3}


def exported(network, name, *, dynamic):
    """The network as OpenVINO reads it from ONNX, for one thread and in float32."""
    known, file = NETWORKS[name], io.BytesIO()
    outputs = known.module_outputs()
    any_size = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and says so
        torch.onnx.export(
            network,
            (torch.zeros(known.input.shape),),
            file,
            dynamo=False,
            opset_version=13,
            input_names=[known.input.name],
            output_names=list(outputs),
            dynamic_axes=dict.fromkeys((known.input.name, *outputs), any_size) if dynamic else None,
        )
    core = import_openvino().Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return core.compile_model(core.read_model(file.getvalue()), "CPU", settings)


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


def other_shapes(name):
    """Another batch at an odd size, and a size far from the traced one."""
    # Multiples of 32, or any size.
    odd = (2, 3, 96, 160) if name in ("higher_hrnet", "hrnet") else (2, 3, 101, 75)
    return odd, (1, 3, 160, 224)


@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_the_export_computes_the_same_at_its_size_and_at_any(name):
    network = awake(name)
    assert_same(network, exported(network, name, dynamic=False), name, NETWORKS[name].input.shape)
    compiled = exported(network, name, dynamic=True)
    for shape in other_shapes(name):
        # The statistics are those of another size: rounding grows in channels that hardly vary there.
        assert_same(network, compiled, name, shape, leeway=4)


@pytest.mark.slow
def test_the_export_of_vitpose_computes_the_same():
    network = networks.build_network("vitpose", width=384)
    compiled = exported(network, "vitpose", dynamic=False)
    assert_same(network, compiled, "vitpose", (1, 3, 256, 192))


def test_the_comparison_detects_another_network():
    name = "mobile_pose_mobilenetv3_small"
    network = awake(name)
    compiled = exported(network, name, dynamic=False)
    network.upsampling[1].bn.eps = 1e-3
    with pytest.raises(AssertionError, match=name):
        assert_same(network, compiled, name, NETWORKS[name].input.shape)
