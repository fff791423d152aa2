from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.network import HEIGHT, MEAN, OUTPUT_SHAPE, SCALE, WIDTH, downloaded, network, spec_of
from posezoo.convert.convert import convert
from posezoo.errors import ConversionError
from posezoo.openvino_runtime import openvino
from posezoo.spec.model import ColorOrder, Input, Output, Precision

FP16 = Precision.FP16
IMAGE = Input("image", (1, HEIGHT, WIDTH, 3), "NHWC", ColorOrder.RGB, MEAN, SCALE, True)


def refusal(tmp_path, **changes):
    """What a conversion says about a spec that does not go with the network."""
    spec = spec_of(network(), tmp_path, **changes)
    layout = downloaded(spec, network(), tmp_path)
    with pytest.raises(ConversionError) as failure:
        convert(spec, layout)
    assert "\n" not in failure.value.problem
    assert not list(layout.model(spec).rglob("*.xml"))
    return failure.value


def test_an_unknown_input_is_refused_with_the_known_ones(tmp_path):
    error = refusal(tmp_path, inputs=(replace(IMAGE, name="imgae"),))
    assert error.problem == "tiny-pose: the network has no input named imgae"
    assert error.hint == "its inputs: image"


def test_an_unknown_output_is_refused_with_the_known_ones(tmp_path):
    error = refusal(tmp_path, outputs=(Output("heatmap", OUTPUT_SHAPE),))
    assert error.problem == "tiny-pose: the network has no output named heatmap"
    assert error.hint == "its outputs: heatmaps, pafs"


def test_an_inner_tensor_is_no_output(tmp_path):
    assert (
        "no output named features"
        in refusal(tmp_path, outputs=(Output("features", (1, HEIGHT, WIDTH, 4)),)).problem
    )


@pytest.mark.parametrize(
    "shape", [(1, 3, HEIGHT, WIDTH), (1, HEIGHT, WIDTH, 1), (HEIGHT, WIDTH, 3), (-1, HEIGHT, WIDTH, 3)]
)
def test_another_input_shape_is_refused(tmp_path, shape):
    problem = refusal(tmp_path, inputs=(replace(IMAGE, shape=shape),)).problem
    assert problem == f"tiny-pose: input image is [1, 12, 20, 3], model.yml says {list(shape)}"


def test_another_output_shape_is_refused(tmp_path):
    problem = refusal(tmp_path, outputs=(Output("pafs", (1, 2)),)).problem
    assert problem == "tiny-pose: output pafs is [1, 12, 20, 2], model.yml says [1, 2]"


@pytest.mark.parametrize(
    "image",
    [
        replace(IMAGE, layout="NCHW"),  # 12 channels, three means
        replace(IMAGE, mean=(1.0, 2.0)),
        replace(IMAGE, layout=""),
        replace(IMAGE, layout="NHWCD"),
    ],
    ids=["NCHW", "two means", "no layout", "five axes"],
)
def test_preprocessing_that_does_not_go_with_the_input_is_refused(tmp_path, image):
    error = refusal(tmp_path, inputs=(image,))
    assert error.problem.startswith("tiny-pose: the declared inputs and outputs do not go with the network: ")
    assert error.hint == "check layout, mean and scale in model.yml"


def test_an_open_size_takes_the_declared_one_or_stays_open(tmp_path):
    content = network(open_sizes=True)
    for height in (8, -1):
        outputs = tuple(Output(name, (1, height, WIDTH, 2)) for name in ("heatmaps", "pafs"))
        image = replace(IMAGE, shape=(1, height, WIDTH, 3))
        spec = spec_of(content, tmp_path, inputs=(image,), outputs=outputs)
        layout = downloaded(spec, content, tmp_path)
        model = openvino().Core().read_model(convert(spec, layout, precisions=[FP16]).irs[FP16])
        expected = "?" if height < 0 else "8"
        assert str(model.input().partial_shape) == f"[1,{expected},{WIDTH},3]"
        assert str(model.output(0).partial_shape) == f"[1,{expected},{WIDTH},2]"


def test_a_model_that_declares_no_ports_keeps_the_network_as_it_is(tmp_path):
    spec = spec_of(network(), tmp_path, inputs=(), outputs=())
    layout = downloaded(spec, network(), tmp_path)
    model = openvino().Core().read_model(convert(spec, layout, precisions=[FP16]).irs[FP16])
    assert [port.any_name for port in model.outputs] == ["heatmaps", "pafs"]
    assert not [node for node in model.get_ops() if node.get_type_name() in ("Subtract", "Divide", "Gather")]
