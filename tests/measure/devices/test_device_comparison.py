"""A device that computes a network otherwise is noticed, and the operation is named; roundings are no difference."""

from dataclasses import replace
from functools import cache

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from fakes.faulty_networks import FORMS, SIDE, Builder, faults_of
from fakes.soak import soak, soak_repeated
from posezoo import networks
from posezoo.core.errors import InferenceError
from posezoo.measure.devices import device_comparison
from posezoo.measure.devices.device_comparison import (
    AGREES,
    DIFFERS,
    PROVES_NOTHING,
    DeviceComparison,
    TensorDifference,
)
from posezoo.proof.check_images import draw_test_image
from posezoo.proof.reference_outputs import EXACT
from posezoo.run.runtime.runtime_config import RuntimeConfig

#: In these images, roundings to f16 change none of the places that the network "decoded" chooses.
FEEDS = [
    {"image": draw_test_image(kind, (1, SIDE, SIDE, 3), "NHWC", seed).astype(np.uint8)}
    for seed, kind in enumerate(("noise", "photo"), 1)
]
FAULTS = [(form, fault) for form in FORMS for fault in faults_of(form)]
#: Large networks, of layers that smaller ones have, too.
LARGE = {
    "higher_hrnet",
    "single_human_pose",
    "alpha_pose_resnet101_v1b_coco",
    "mobile_pose_resnet50_v1b",
    "simple_pose_resnet50_v1d",
    *(f"simple_pose_resnet{depth}_{form}" for depth in (101, 152) for form in ("v1b", "v1d")),
}


def compare(form, fault=None, *, runtime=RuntimeConfig(), precision="f32"):  # noqa: B008
    """A right network on the CPU, and the same with a fault as that which the device runs."""
    tested = FORMS[form](Builder(fault))
    return DeviceComparison(right_network(form), tested, runtime, precision, FEEDS)


@cache
def right_network(form):
    return FORMS[form](Builder())


@pytest.fixture(autouse=True, scope="module")
def _right_networks_run_once():
    """What a network without a fault computes is the same beside every fault: to compile it takes longest."""
    run, move = device_comparison._run, device_comparison._move_constants

    @cache
    def run_right(network, tensors, device):
        return run(network, tensors, FEEDS, device, EXACT)

    def run_once(network, tensors, feeds, device, config):
        is_right = feeds is FEEDS and config is EXACT
        if is_right:
            return run_right(network, tuple(tensors), device)
        return run(network, tensors, feeds, device, config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_comparison, "_run", run_once)
        patch.setattr(device_comparison, "_move_constants", cache(move))
        yield


def find(comparison):
    outputs = comparison.compare_outputs()
    wrong = [name for name, output in outputs.items() if output.verdict == DIFFERS]
    assert wrong, outputs
    return comparison.find_first_difference(wrong[0])


@pytest.mark.parametrize("device", ["CPU", "AUTO", "HETERO:CPU", "BATCH:CPU(1)"])
def test_a_device_that_computes_right_agrees(device):
    outputs = compare("mobile", runtime=RuntimeConfig(device)).compare_outputs()
    assert {output.verdict for output in outputs.values()} == {AGREES}


@pytest.mark.parametrize("form", FORMS)
def test_the_roundings_of_bf16_are_no_difference(form):
    outputs = compare(form, runtime=RuntimeConfig("CPU", "bf16"), precision="bf16")
    for output in outputs.compare_outputs().values():
        assert output.difference < 2 * output.noise


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ("residual", ("b second", "one value")),
        ("mobile", ("a relu", "saturation")),
        ("pyramid", ("planes", "transposed sides")),
        ("attention", ("weights", "axis")),
        ("decoded", ("offsets", "order of channels")),
    ],
)
def test_the_operation_with_a_fault_is_named(form, fault):
    found = find(compare(form, fault))
    assert found.name == fault[0]
    assert found.tensor.expected != pytest.approx(found.tensor.actual)


def test_the_subgraph_shows_the_difference_by_itself():
    fault = ("b second", "one value")
    found = find(compare("residual", fault))
    assert found.is_shown
    assert found.kind == "Convolution"
    assert [node.get_type_name() for node in found.subgraph.get_ops()].count("Convolution") == 1
    compiled = ov.Core().compile_model(found.subgraph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (values,) = compiled(found.inputs).to_tuple()
    assert values[found.tensor.index] == pytest.approx(found.tensor.expected, rel=1e-4)


def test_a_value_that_is_no_number_is_a_difference():
    exact = FORMS["residual"](Builder())
    tested = exact.clone()
    (head,) = [node for node in tested.get_ops() if node.get_friendly_name() == "head"]
    weights = np.full(tuple(head.input(1).get_shape()), np.nan, np.float32)
    head.input(1).replace_source_output(ops.constant(weights).output(0))
    found = find(DeviceComparison(exact, tested, RuntimeConfig(), "f16", FEEDS))
    assert found.name == "head"


def test_an_output_that_roundings_change_proves_nothing_unless_it_leaves_its_limit():
    output = TensorDifference(0.3, limit=0.5, noise=0.1, case=0)
    assert output.verdict == PROVES_NOTHING
    assert replace(output, difference=0.6).verdict == DIFFERS
    assert replace(output, noise=0.01).verdict == AGREES


def test_a_device_that_refuses_the_network_is_an_error():
    with pytest.raises(InferenceError, match="cannot run the network"):
        compare("mobile", runtime=RuntimeConfig("HETERO:GPU")).compare_outputs()


def kind_of_fault(form, fault, precision=""):
    """Each kind of fault is tried in f32 in each network, and in the others in one of them."""
    return (precision, fault[1], form if precision == "f32" else "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "fault", "precision"),
    soak_repeated(
        [pytest.param(*each, precision) for each in FAULTS for precision in ("f32", "f16")],
        kind_of_fault,
    ),
)
def test_every_fault_is_found_at_its_operation(form, fault, precision):
    found = find(compare(form, fault, precision=precision))
    assert found.name == fault[0]
    assert found.is_shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "fault"),
    soak_repeated([pytest.param(*each) for each in FAULTS if each[0] != "decoded"], kind_of_fault),
)
def test_every_fault_is_found_among_the_roundings_of_bf16(form, fault):
    found = find(compare(form, fault, runtime=RuntimeConfig("CPU", "bf16"), precision="bf16"))
    assert found.name == fault[0]


def round_to_f16(network):
    """A network that rounds the result of each operation to the 11 bits of f16 (Veltkamp's splitting)."""
    rounded = network.clone()
    for node in rounded.get_ordered_ops():
        if node.get_type_name() in ("Parameter", "Constant", "Result"):
            continue
        for port in node.outputs():
            if not port.get_element_type().is_real() or not port.get_partial_shape().is_static:
                continue
            readers = list(port.get_target_inputs())
            large = ops.multiply(port, ops.constant(np.float32(2**13 + 1)))
            upper = ops.subtract(large, ops.subtract(large, port))
            for reader in readers:
                reader.replace_source_output(upper.output(0))
    return rounded


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *soak_repeated(
            [pytest.param(name) for name in networks.NETWORKS if name not in LARGE],
            lambda name: name.partition("_")[0],  # such as simple, of simple_pose_resnet18_v1b
        ),
        *map(soak, sorted(LARGE)),
    ],
)
def test_our_networks_raise_no_false_alarm_in_bf16_and_f16(name):
    from fakes.weights import conditioned, torch

    port = networks.find_network(name).input
    example = torch.zeros(port.shape)
    # Traced here, since OpenVINO lets the network run twice more to check it.
    traced = torch.jit.trace(conditioned(name), example, check_trace=False)
    network = ov.convert_model(traced, example_input=example)
    network.reshape(list(port.shape))
    image = draw_test_image("noise", port.shape, port.layout, 3)
    from posezoo.proof.reference_outputs import preprocess

    feeds = [{network.inputs[0].any_name: preprocess(image, port).astype(np.float32)}]
    half = DeviceComparison(network, round_to_f16(network), RuntimeConfig(), "f16", feeds)
    brain = DeviceComparison(network, network, RuntimeConfig("CPU", "bf16"), "bf16", feeds)
    comparisons = [half]
    if "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        comparisons.append(brain)
    for comparison in comparisons:
        for output in comparison.compare_outputs().values():
            assert output.difference > 0
            assert output.verdict != DIFFERS
            assert output.difference < 2.5 * output.noise
