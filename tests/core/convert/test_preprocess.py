from dataclasses import replace

import pytest

from fakes.conversion import convert_model
from fakes.network import (
    HEIGHT,
    KINDS,
    MEAN,
    OUTPUT_SHAPE,
    SCALE,
    WIDTH,
    downloaded,
    network,
    spec_of,
)
from posezoo.convert import file_ports
from posezoo.core.convert import preprocess
from posezoo.core.declarations.model import ColorOrder, Input, Output, Precision
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino

FP32 = Precision.FP32
IMAGE = Input("image", (1, HEIGHT, WIDTH, 3), "NHWC", ColorOrder.RGB, MEAN, SCALE, True)


def refusal(tmp_path, **changes):
    """What a conversion says about a spec that does not match the network."""
    spec = spec_of(network(), tmp_path, **changes)
    layout = downloaded(spec, network(), tmp_path)
    with pytest.raises(ConversionError) as failure:
        convert_model(spec, layout)
    assert "\n" not in failure.value.problem
    assert not list(layout.model_dir(spec).rglob("*.xml"))
    return failure.value


def converted(tmp_path, content, **changes):
    """What the IR of a network contains if model.yml declares this."""
    spec = spec_of(content, tmp_path, **changes)
    irs = convert_model(spec, downloaded(spec, content, tmp_path), precisions=[FP32]).irs
    return import_openvino().Core().read_model(irs[FP32])


def test_an_unknown_input_is_refused_with_the_known_ones(tmp_path):
    error = refusal(tmp_path, inputs=(replace(IMAGE, name="imgae"),))
    assert error.problem == "tiny-pose: the network has no input named imgae"
    assert error.hint == "its inputs: image"


def test_an_unknown_output_is_refused_with_the_known_ones(tmp_path):
    error = refusal(tmp_path, outputs=(Output("heatmap", OUTPUT_SHAPE),))
    assert error.problem == "tiny-pose: the network has no output named heatmap"
    assert error.hint == "its outputs: heatmaps, pafs"


def test_a_declared_inner_tensor_becomes_an_output(tmp_path):
    """Beside a true output, in another order; ONNX Runtime does not show it, so OpenVINO proves it."""
    content = network("onnx")
    outputs = (Output("pafs", ()), Output("features", (1, 4, HEIGHT, WIDTH), "NCHW"))
    model = converted(tmp_path, content, outputs=outputs)
    assert [port.any_name for port in model.outputs] == ["pafs", "features"]
    assert str(model.output("features").node.layout) == "[N,C,H,W]"
    (record,) = tmp_path.rglob("provenance.json")
    assert "reading the original" in record.read_text()


def test_an_inner_tensor_in_another_shape_is_refused(tmp_path):
    spec = spec_of(network("onnx"), tmp_path, outputs=(Output("features", (1, 5, HEIGHT, WIDTH)),))
    with pytest.raises(
        ConversionError, match=r"output features is \[1, 4, 12, 20\], model\.yml declares"
    ):
        convert_model(spec, downloaded(spec, network("onnx"), tmp_path))


def test_tensorflows_tensors_can_be_named_by_their_operation(tmp_path):
    content = network("pb")
    for suffix in ("", ":0"):
        image = replace(IMAGE, name=f"image{suffix}")
        outputs = tuple(Output(f"{name}{suffix}", OUTPUT_SHAPE) for name in ("pafs", "heatmaps"))
        model = converted(tmp_path, content, inputs=(image,), outputs=outputs)
        assert f"image{suffix}" in model.input().names
        assert [f"pafs{suffix}" in port.names for port in model.outputs] == [True, False]


@pytest.mark.parametrize(
    "shape",
    [(1, 3, HEIGHT, WIDTH), (1, HEIGHT, WIDTH, 1), (HEIGHT, WIDTH, 3), (-1, HEIGHT, WIDTH, 3)],
)
def test_another_input_shape_is_refused(tmp_path, shape):
    problem = refusal(tmp_path, inputs=(replace(IMAGE, shape=shape),)).problem
    assert problem == f"tiny-pose: input image is [1, 12, 20, 3], model.yml declares {list(shape)}"


@pytest.mark.parametrize("height", [6, -1])
def test_a_network_gets_another_shape_if_model_yml_says_that_it_is_reshaped(tmp_path, height):
    image = replace(IMAGE, shape=(1, height, WIDTH, 3), reshaped=True)
    outputs = (Output("pafs", (1, height, WIDTH, 2)), Output("heatmaps", (1, height, WIDTH, 2)))
    model = converted(tmp_path, network(), inputs=(image,), outputs=outputs)
    assert str(model.input().partial_shape) == f"[1,{'?' if height < 0 else height},{WIDTH},3]"


def test_another_output_shape_is_refused(tmp_path):
    problem = refusal(tmp_path, outputs=(Output("pafs", (1, 2)),)).problem
    assert problem == "tiny-pose: output pafs is [1, 12, 20, 2], model.yml declares [1, 2]"


@pytest.mark.parametrize(
    "image",
    [
        # 12 channels, three means
        replace(IMAGE, layout="NCHW", reverse_input_channels=False),
        replace(IMAGE, mean=(1.0, 2.0)),
        replace(IMAGE, layout="NHWCD"),
    ],
    ids=["NCHW", "two means", "five axes"],
)
def test_preprocessing_that_does_not_match_the_input_is_refused(tmp_path, image):
    error = refusal(tmp_path, inputs=(image,))
    assert error.problem.startswith(
        "tiny-pose: the declared inputs and outputs do not match the network: "
    )
    assert error.hint == "check the declared shape, layout, mean and scale"


def test_channels_that_are_not_three_are_not_reversed(tmp_path):
    error = refusal(tmp_path, inputs=(replace(IMAGE, layout="NCHW"),))
    assert error.problem == "tiny-pose: no input has three channels to reverse"
    assert error.hint == "its layout may be another: a C where it has three"


@pytest.mark.parametrize("kind", KINDS)
def test_an_open_size_takes_the_declared_one_or_stays_open(tmp_path, kind):
    content = network(kind, open_sizes=True)

    def laid_out(height, channels):
        nchw = (1, channels, height, WIDTH)
        return nchw if kind == "onnx" else (1, height, WIDTH, channels)

    def text(height, channels):
        return (
            f"[{','.join('?' if size < 0 else str(size) for size in laid_out(height, channels))}]"
        )

    for height in (8, -1):
        outputs = tuple(Output(name, laid_out(height, 2)) for name in ("heatmaps", "pafs"))
        layout = "NCHW" if kind == "onnx" else "NHWC"
        image = replace(IMAGE, shape=laid_out(height, 3), layout=layout)
        model = converted(tmp_path, content, inputs=(image,), outputs=outputs)
        assert str(model.input().partial_shape) == text(height, 3)
        # OpenVINO knows that there will be one row at least.
        assert str(model.output(0).partial_shape).replace("1..", "?") == text(height, 2)


def test_a_network_that_begins_inside_may_have_inputs_of_unknown_rank(tmp_path):
    ov = import_openvino()
    image = ov.opset13.parameter(ov.PartialShape.dynamic(), name="image")
    image.output(0).set_names({"image"})
    cut = ov.Model([ov.opset13.relu(image)], [image], "cut")
    open_layout = Input("image", (), "N...")
    spec = replace(spec_of(network(), tmp_path), inputs=(open_layout,))
    assert preprocess.fill_in_inputs(spec, cut).inputs[0].layout == "N..."
    with pytest.raises(ConversionError, match="its number of sizes is unknown"):
        file_ports.with_batch(spec, cut, 2)
