"""One value of what the user names and says of it, made and checked by one function."""

import re
from dataclasses import replace

import pytest

import posezoo
from fakes.command import posezoo as run_posezoo
from fakes.irs import write_ir
from fakes.own_files import declare
from posezoo.core.errors import InferenceError, PosezooError, UsageError
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.run.subject import Kind, Statement, find_subject
from posezoo.run.subject_values import list_values

pytest.importorskip("openvino")
HEATMAPS = {"maps": (1, 17, 16, 24)}


@pytest.fixture(scope="module")
def context():
    return open_context(to_settings(read_settings({})))


@pytest.fixture(scope="module")
def xml(tmp_path_factory):
    return write_ir(tmp_path_factory.mktemp("irs") / "net.xml", HEATMAPS, image=(1, 3, 64, 96))


def test_a_statement_that_a_file_cannot_use_is_named(xml):
    with pytest.raises(PosezooError, match="tag: only for a model") as caught:
        posezoo.load(xml, tag="x", listener=None)
    assert caught.value.exit_code == 2


def test_a_file_of_any_size_gets_that_of_the_model_it_is_like(tmp_path, context):
    outputs = {"dets": (1, 100, 5), "labels": (1, 100)}
    image = (1, 3, -1, -1)
    file = write_ir(tmp_path / "net.xml", outputs, image=image, states_images=False)
    subject = find_subject(f"{file}", context, Statement(like="rtmdet-nano"))
    assert subject.kind is Kind.FILE
    assert subject.graph.inputs == {"image": (1, 3, 320, 320)}


def test_what_a_file_states_is_not_said_again(tmp_path, context):
    says = {("model_info", "mean_values"): "128", ("model_info", "scale_values"): "255"}
    file = write_ir(tmp_path / "net.xml", HEATMAPS, image=(1, 3, 64, 96), info=says)
    with pytest.raises(InferenceError, match=r"already states .* in its model_info") as caught:
        find_subject(f"{file}", context, Statement(mean_values=(1.0,)))
    assert caught.value.exit_code == 2
    sources = {
        each.name: (each.value, each.source)
        for each in list_values(find_subject(f"{file}", context))
    }
    assert sources["mean"] == ((128.0,), "model_info")
    assert sources["decoder"] == ("heatmap", "the network")


@pytest.mark.parametrize("name", ["mine.yml", "model.yml", "mymodel.yml"])
def test_a_description_may_say_again_what_a_file_states_and_nothing_else(name, tmp_path, context):
    says = {("model_info", "mean_values"): "128", ("model_info", "scale_values"): "255"}
    file = write_ir(tmp_path / "net.xml", HEATMAPS, info=says)
    silent = write_ir(tmp_path / "silent.xml", HEATMAPS, states_images=False)
    _, written = declare(silent, "--mean_values", "128", "--scale_values", "255")
    yml = written.rename(tmp_path / name)
    assert find_subject(f"{file}", context, Statement(like=f"{yml}")).model
    yml.write_text(yml.read_text("utf-8").replace("color: BGR", "color: RGB"), "utf-8")
    with pytest.raises(UsageError, match=r"already states .* in its model_info"):
        find_subject(f"{file}", context, Statement(like=f"{yml}"))


#: Each verb's own road to a file that is not there, with a flag that would fit one.
TYPED = (
    "run typo.onnx --as rtmpose-m --input me.jpg",
    "run typo.pth --skeleton coco-17 --input me.jpg",
    "run --checkpoint typo.pth --input me.jpg",
    "export typo.onnx --as rtmpose-m --to folder out",
    "evaluate typo.xml --as rtmpose-m",
    "info typo.onnx --as rtmpose-m",
    "convert typo.onnx --as rtmpose-m",
    "convert typo.tflite --mean_values 0",
    "convert typo.xml -o made.xml",
    "convert typo.pth -o made.xml",
    "new typo.onnx --mean_values 0",
    "get typo.onnx",
    "card typo.xml",
    "list typo.safetensors",
    "run typo.png",
)


@pytest.mark.parametrize("line", TYPED)
def test_a_file_that_is_missing_is_named_before_its_flags_are_judged(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run_posezoo(*line.split())
    assert re.search(r"^error: typo\.\w+: no such file$", ended.stderr, re.MULTILINE), ended.stderr
    assert ended.returncode == 1 and "hint:" not in ended.stderr


def test_a_file_that_is_converted_first_keeps_what_was_said_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(50))
    said = "--mean_values 0 --scale_values 255"
    hint = f"posezoo convert own.tflite {said} -o own.xml makes an IR, which can be run"
    ended = run_posezoo("run", "own.tflite", *said.split(), "--input", "me.jpg")
    assert f"hint: {hint}" in ended.stderr
    with pytest.raises(PosezooError) as caught:
        stated = posezoo.Preparation(mean_values=0, scale_values=255)
        posezoo.load("own.tflite", preparation=stated, listener=None)
    assert caught.value.hint == hint


def test_what_stands_in_the_wrong_place_is_named_with_the_command_for_it(
    xml, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    for verb in ("run", "evaluate", "get", "convert"):
        said = run_posezoo(verb, "photo.jpg").stderr
        assert "photo.jpg: is an image, and no model" in said, verb
        assert "posezoo run --input photo.jpg" in said, verb
    said = run_posezoo("convert", ".", "-o", "net.xml").stderr
    assert said.startswith("error: .: is a folder with images, and no model")
    (tmp_path / "net.onnx").write_bytes(b"ONNX")
    said = run_posezoo("run", xml, "--input", "net.onnx").stderr
    assert "net.onnx: is a network" in said and "posezoo run net.onnx --input PHOTO" in said


@pytest.mark.parametrize("option", ["padding=1.25", "max_people=2", "max_similarity=0.5"])
def test_an_option_for_boxes_is_refused_without_a_detector(option, xml):
    ended = run_posezoo("run", xml, "--detector", "none", "--decoder_options", option)
    name = option.partition("=")[0]
    assert f"decoder option {name}: for the boxes of a detector" in ended.stderr
    assert ended.returncode == 2


def test_own_files_and_weights_get_no_records_and_no_random_weights(xml, context):
    weights = xml.with_name("mine.pth")
    weights.touch()
    for file in (xml, weights):
        for flag in ("record", "generated"):
            with pytest.raises(UsageError, match=rf"^{flag}: only for a model"):
                find_subject(f"{file}", context, Statement(others=(flag,)))


def test_an_option_for_boxes_is_refused_where_the_file_says_that_nothing_finds_people(
    tmp_path, context
):
    says = {("posezoo", "pipeline", "photo"): "the whole image"}
    file = write_ir(tmp_path / "net.xml", HEATMAPS, info=says)
    said = Statement(decoder_options={"padding": 1.25})
    with pytest.raises(UsageError, match="none finds people for net: the whole image is one"):
        find_subject(f"{file}", context, said)
    # Boxes of the user, or a detector, use it.
    assert find_subject(f"{file}", context, replace(said, others=("boxes",))).model
    settings = replace(context.settings, detector="nanodet-g")
    assert find_subject(f"{file}", replace(context, settings=settings), said).model


def test_a_photo_as_text_is_not_repeated(xml):
    photo = "/9j/4AAQ" * 2000
    with pytest.raises(PosezooError) as caught:
        posezoo.load(xml, detector=None, listener=None)(photo)
    assert len(str(caught.value)) < 300
    assert "base64.b64decode" in caught.value.hint
    with pytest.raises(PosezooError) as caught:
        posezoo.load(photo, listener=None)
    assert len(str(caught.value)) < 300
    ended = run_posezoo("run", xml, "--input", "a b" * 100)
    assert "a b" * 70 not in ended.stderr and ended.returncode == 1
