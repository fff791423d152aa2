"""posezoo new FILE: one model.yml beside a network says at each verb what flags say."""

import numpy as np
import pytest
from onnx import helper

from fakes import graphs
from fakes.command import posezoo, read_json, refusal, succeeded

cv2 = pytest.importorskip("cv2")
pytest.importorskip("openvino")

SAID = ("--decoder", "coordinates", "--decoder_options", "values=shares", "--detector", "none")
SAID += ("--mean_values", "0", "--scale_values", "255", "--reverse_input_channels")
PLACES = np.float32([[0.25, 0.5], [0.75, 0.5], [0.5, 0.25]])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "none"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "one"], ["value"]),
        helper.make_node("Add", ["value", "places"], ["points"]),
    ]
    constants = {"none": np.float32(0), "one": np.array([1, 1]), "places": PLACES.reshape(1, 6)}
    ports = ("image", graphs.FLOAT, [1, 3, 64, 64]), ("points", graphs.FLOAT, [1, 6])
    content = graphs.written("own", nodes, ports[:1], ports[1:], constants)
    (tmp_path / "mine.onnx").write_bytes(content)
    (tmp_path / "three.yml").write_text("keypoints: [left, right, top]\n")
    cv2.imwrite("photo.png", np.zeros((100, 100, 3), np.uint8))
    return tmp_path


def test_the_yml_says_at_each_verb_what_the_flags_said(folder):
    drafted = succeeded(posezoo("new", "mine.onnx", *SAID, "--skeleton", "three.yml"))
    assert "then: posezoo convert mine.onnx --as mine.yml" in drafted.stdout
    said = ("--as", "mine.yml")
    succeeded(posezoo("convert", "mine.onnx", *said, "-o", "mine.xml"))
    for number, words in enumerate((("mine.onnx", *said), ("mine.xml",))):
        results = folder / f"{number}"
        succeeded(posezoo("run", *words, "--input", "photo.png", "--output", results))
        (pose,) = read_json(results / "poses.json")["images"][0]["poses"]
        points = [(point["name"], point["x"], point["y"]) for point in pose["keypoints"]]
        assert [name for name, *_ in points] == ["left", "right", "top"]
        found = [places for _, *places in points]
        assert np.allclose(found, PLACES * 100, atol=0.1)
    described = succeeded(posezoo("info", "mine.onnx", *said)).stdout
    assert "decoder: coordinates (--as mine.yml)" in described
    assert "color: RGB (--as mine.yml)" in described


def test_a_dry_run_names_the_file_and_writes_none(folder):
    drafted = succeeded(posezoo("new", "mine.onnx", *SAID, "--dry_run"))
    assert "would write mine.yml" in drafted.stdout
    assert not (folder / "mine.yml").exists()


def test_what_is_said_to_type_then_works_for_an_ir_too(folder):
    succeeded(posezoo("convert", "mine.onnx", "-o", "mine.xml"))
    # The last one was made from the second, and says all itself.
    for name, said in (("mine.xml", SAID), ("mine.onnx", SAID), ("mine.xml", ())):
        _, then = succeeded(posezoo("new", name, *said)).stdout.splitlines()
        succeeded(posezoo(*then.removeprefix("then: posezoo ").split()))


def test_a_mistake_in_the_yml_is_named_with_its_place(folder):
    succeeded(posezoo("new", "mine.onnx", *SAID))
    text = (folder / "mine.yml").read_text().replace("values: shares", "values: 3")
    (folder / "mine.yml").write_text(text.replace("framework: onnx", "framework: onyx"))
    said = refusal(posezoo("convert", "mine.onnx", "--as", "mine.yml"), code=2)
    assert "mine.yml:3:12: framework: " in said
    said = refusal(posezoo("convert", "mine.onnx", "--as", "your.yml"), code=2)
    assert "your.yml: no such file" in said


def test_a_new_model_needs_its_files_and_takes_no_preparation(folder):
    assert "--from is required" in refusal(posezoo("new", "mine"), code=2)
    words = ("new", "mine", "--from", "mine.onnx", "--license", "MIT", "--mean_values", "0")
    assert "--mean_values: only for an .xml or .onnx" in refusal(posezoo(*words), code=2)


def test_weights_without_their_network_get_no_model_yml_beside_them(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch")
    from posezoo.networks import build_network

    network = build_network("mobile_pose_mobilenetv3_small", keypoints=17)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    said = refusal(posezoo("new", tmp_path / "mine.pth", "--decoder_options", "max_people=one"))
    assert "mine.pth: has weights without their network" in said
    assert f"hint: posezoo convert {tmp_path / 'mine.pth'}" in said
