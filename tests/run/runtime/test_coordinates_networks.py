"""Networks of coordinates, as PyTorch, Keras and TFLite write them: the same person in each verb."""

import warnings

import numpy as np
import pytest
from onnx import helper

import posezoo
from fakes import graphs
from fakes.command import posezoo as run_posezoo
from fakes.command import read_json, refusal, succeeded
from fakes.when_used import import_when_used
from posezoo.core.errors import PosezooError

cv2 = pytest.importorskip("cv2")
pytest.importorskip("openvino")
tflite_writer = import_when_used("fakes.tflite_writer")

#: Of the keypoints of a square photo of one grey value, as shares of it, plus a tenth of the value.
PLACES = np.random.default_rng(1).uniform(0.1, 0.8, (4, 2)).astype(np.float32)
GREY = 51
FOUND = PLACES + 0.1 * GREY / 255
SAID = ("--decoder", "coordinates", "--decoder_options", "values=shares", "--detector", "none")
SAID += ("--mean_values", "0", "--scale_values", "255", "--skeleton", "four.yml")


def write_pytorch(path):
    """N x 2 K of an NCHW image."""
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):
        def forward(self, image):
            places = torch.from_numpy(PLACES.reshape(1, 8))
            return places + 0.1 * image.mean((1, 2, 3))[:, None]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and says so
        torch.onnx.export(Network(), (torch.zeros(1, 3, 64, 64),), path, dynamo=False)


def write_keras(path):
    """N x K x 2 of an NHWC image of any batch, as tf2onnx writes a model of Keras."""
    nodes = [
        helper.make_node("ReduceMean", ["input_1"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Squeeze", ["mean", "last"], ["value"]),
        helper.make_node("Mul", ["value", "tenth"], ["shift"]),
        helper.make_node("Add", ["shift", "places"], ["reshape"]),
    ]
    constants = {"last": np.array([3]), "tenth": np.float32(0.1), "places": PLACES[None]}
    image = ("input_1", graphs.FLOAT, ["N", 64, 64, 3])
    output = ("reshape", graphs.FLOAT, ["N", 4, 2])
    path.write_bytes(graphs.written("keras", nodes, [image], [output], constants))


def write_tflite(path):
    """N x 2 K of an NHWC image."""
    writer = tflite_writer.TfliteWriter()
    image = writer.tensor("image", [1, 64, 64, 3])
    axes = writer.tensor("axes", [3], np.array([1, 2, 3], np.int32), dtype="int32")
    tenth = writer.tensor("tenth", [1], np.float32([0.1]))
    places = writer.tensor("places", [1, 8], PLACES.reshape(1, 8))
    mean, shift = writer.tensor("mean", [1]), writer.tensor("shift", [1])
    output = writer.tensor("Identity", [1, 8])
    options = tflite_writer.options_of
    writer.operator("MEAN", options("ReducerOptions", keepDims=False), [image, axes], [mean])
    writer.operator("MUL", options("MulOptions"), [mean, tenth], [shift])
    writer.operator("ADD", options("AddOptions"), [places, shift], [output])
    path.write_bytes(writer.finish([image], [output]))


WRITERS = {"net.onnx": write_pytorch, "keras.onnx": write_keras, "net.tflite": write_tflite}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "four.yml").write_text("keypoints: [a, b, c, d]\n")
    cv2.imwrite("photo.png", np.full((128, 128, 3), GREY, np.uint8))
    return tmp_path


def found_points(folder):
    (pose,) = read_json(folder / "poses.json")["images"][0]["poses"]
    return np.array([[point["x"], point["y"]] for point in pose["keypoints"]])


@pytest.mark.parametrize("name", WRITERS)
def test_an_ir_that_says_coordinates_finds_them_with_no_flag(folder, name):
    WRITERS[name](folder / name)
    succeeded(run_posezoo("convert", name, *SAID, "-o", "net.xml"))
    succeeded(run_posezoo("run", "net.xml", "--input", "photo.png", "--output", "found"))
    assert found_points(folder / "found") == pytest.approx(FOUND * 128, abs=0.2)
    (pose,) = posezoo.load("net.xml", listener=None)("photo.png")
    assert pose.keypoints[:, :2] == pytest.approx(FOUND * 128, abs=0.2)
    assert [point["name"] for point in pose.to_json()["keypoints"]] == ["a", "b", "c", "d"]
    succeeded(run_posezoo("export", "net.xml", "--decode", "--to", "folder", "decoded"))
    (decoded,) = (folder / "decoded").rglob("*.xml")
    (same,) = posezoo.load(decoded, listener=None)("photo.png")
    assert same.keypoints == pytest.approx(pose.keypoints, abs=0.2)


def test_an_onnx_is_run_as_it_is_and_says_what_it_lacks(folder):
    write_pytorch(folder / "net.onnx")
    command = ("run", "net.onnx", "--input", "photo.png", "--output", "found")
    succeeded(run_posezoo(*command, *SAID))
    assert found_points(folder / "found") == pytest.approx(FOUND * 128, abs=0.2)
    prepared = ("--mean_values", "0", "--scale_values", "255")
    said = refusal(run_posezoo(*command, *prepared))
    assert "no decoder is known for its outputs" in said
    assert "--decoder coordinates writes net.yml for --as net.yml, if they are x and y" in said
    assert "yolo_anchors" not in said


def test_a_network_of_other_outputs_is_no_network_of_coordinates(folder):
    preparation = posezoo.Preparation(decoder="coordinates", mean_values=0, scale_values=255)
    with pytest.raises(PosezooError, match="coordinates needs x and y of each keypoint"):
        posezoo.load(write_heatmaps(folder / "maps.xml"), preparation=preparation, listener=None)


def write_heatmaps(path):
    from fakes.irs import write_ir

    return write_ir(path, {"maps": (1, 17, 16, 24)}, image=(1, 3, 64, 96), states_images=False)


def test_a_tflite_of_which_nothing_says_the_preparation_is_described_by_its_ir(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_tflite(tmp_path / "net.tflite")
    said = succeeded(run_posezoo("convert", "net.tflite", "-o", "net.xml")).stderr
    advised = "new net.xml --mean_values 0 --scale_values 1"
    assert f"posezoo {advised} writes net.yml for --as net.yml" in said
    succeeded(run_posezoo(*advised.split(), "--decoder", "coordinates"))
    said = refusal(run_posezoo("convert", "net.tflite", "-o", "other.xml", "--decoder", "simcc"), 2)
    assert "hint: posezoo convert net.tflite --decoder coordinates " in said
