"""A camera's frame goes into the IR as it is: bytes, BGR, NHWC, of any size; held against the original."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fakes.conversion import convert_model, plan_conversion, with_camera_input
from fakes.network import HEIGHT, WIDTH, downloaded, image_of, network, spec_of
from posezoo.core.declarations.model import ColorOrder, Framework, Input, Precision
from posezoo.core.errors import ConversionError, InferenceError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.run.runtime.graph import Graph

FP32 = Precision.FP32


def made(tmp_path, kind, **how):
    """The IR of the tiny network, as read."""
    content = network(kind)
    spec = with_camera_input(spec_of(content, tmp_path), **how)
    layout = downloaded(spec, content, tmp_path)
    return import_openvino().Core().read_model(convert_model(spec, layout).irs[FP32]), spec, layout


def infer(ir, image):
    compiled = (
        import_openvino().Core().compile_model(ir, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    return compiled([image])[0]


def frame(height, width):
    return np.random.default_rng(5).integers(0, 256, (1, height, width, 3), np.uint8)


@pytest.mark.parametrize("kind", ["onnx", "tflite", "pb"])
def test_a_frame_gives_the_same_outputs_as_the_prepared_image(tmp_path, kind):
    ir, _, _ = made(tmp_path / "frames", kind, element_type="u8", layout="NHWC")
    plain, _, _ = made(tmp_path / "plain", kind)
    image = frame(HEIGHT, WIDTH)
    prepared = image.astype(np.float32)
    expected = infer(plain, prepared.transpose(0, 3, 1, 2) if kind == "onnx" else prepared)
    assert str(ir.input(0).element_type.to_dtype()) == "uint8"
    assert str(ir.input(0).partial_shape) == f"[1,{HEIGHT},{WIDTH},3]"
    assert np.abs(infer(ir, image) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_frame_of_any_size_is_resized_as_by_opencv(tmp_path):
    ir, spec, layout = made(
        tmp_path / "frames", "onnx", element_type="u8", layout="NHWC", resize=True
    )
    plain, _, _ = made(tmp_path / "plain", "onnx")
    image = frame(31, 17)
    small = cv2.resize(image[0].astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    expected = infer(plain, np.ascontiguousarray(small.transpose(2, 0, 1))[None])
    assert str(ir.input(0).partial_shape) == "[1,?,?,3]"
    assert np.abs(infer(ir, image) - expected).max() <= 1e-5 * np.abs(expected).max()
    assert "ONNX Runtime" in layout.provenance_path(spec, FP32).read_text()


def test_the_ir_describes_its_input(tmp_path):
    ir, _, _ = made(tmp_path, "onnx", element_type="u8", layout="NHWC", resize=True)
    said = {
        name: ir.get_rt_info(["posezoo", name]).value
        for name in ("input_type", "layout", "resize", "color")
    }
    assert said == {
        "input_type": "u8",
        "layout": "NHWC",
        "resize": f"{HEIGHT} {WIDTH}",
        "color": "BGR",
    }


def test_an_rgb_network_without_reversal_takes_bgr_frames(tmp_path):
    content = network("onnx")
    rgb = replace(image_of(Framework.ONNX), reverse_input_channels=False)
    (port,) = with_camera_input(spec_of(content, tmp_path, inputs=(rgb,)), element_type="u8").inputs
    assert port.ir_color is ColorOrder.BGR


def test_an_ir_with_camera_input_has_another_key(tmp_path):
    _, spec, layout = made(tmp_path, "onnx", element_type="u8", layout="NHWC")
    assert all(step.is_up_to_date for step in plan_conversion(spec, layout).irs)
    plain = spec_of(network("onnx"), tmp_path)
    assert {step.reason for step in plan_conversion(plain, layout).irs} == {
        "model.yml or the flags have changed"
    }


def test_the_network_still_reports_its_own_size_and_layout(tmp_path):
    _, spec, layout = made(tmp_path, "onnx", element_type="u8", layout="NHWC", resize=True)
    graph = Graph(layout.ir_path(spec, FP32))
    assert graph.inputs == {"image": (1, HEIGHT, WIDTH, 3)}
    assert graph.image_layout("image") == "NHWC"
    with pytest.raises(InferenceError, match="resizes images itself"):
        graph.resize("image", "NHWC", (64, 64))


@pytest.mark.parametrize(
    ("port", "problem"),
    [
        (Input("x", (1, 4), "NC"), "none of its inputs is declared as an image"),
        (Input("x", (1, 1, 4, 4), "NCHW"), "none of its inputs is declared as an image"),
        (Input("x", (1, 3, -1, 4), "NCHW"), "no fixed size to resize to"),
        (Input("x", (), ""), "no fixed size to resize to"),
    ],
)
def test_an_input_that_is_not_an_image_of_a_single_size_is_refused(tmp_path, port, problem):
    with pytest.raises(ConversionError, match=problem):
        with_camera_input(spec_of(network("onnx"), tmp_path, inputs=(port,)), resize=True)


def test_a_model_published_as_ir_cannot_get_camera_input(tmp_path):
    spec = spec_of(network("onnx"), tmp_path, framework=Framework.DLDT)
    with pytest.raises(ConversionError, match="is published as IR"):
        with_camera_input(spec, element_type="u8")
