"""IR that users made of their own exports are recognized by their outputs, and find people in their images."""

import json
import zipfile

import cv2
import numpy as np
import onnx
import pytest
import yaml

from fakes import graphs
from fakes.command import posezoo as run_posezoo
from fakes.command import read_json, refusal, succeeded
from fakes.irs import state_images
from fakes.when_used import import_when_used
from posezoo import Preparation, load
from posezoo.core.errors import InferenceError, PosezooError
from posezoo.core.ir.openvino_import import import_openvino

ov = import_openvino()
ops = pytest.importorskip("openvino.opset13")
tflite_writer = import_when_used("fakes.tflite_writer")

#: Width and height of the image, which is not square.
IMAGE = (320, 160)


def write_ir(folder, side, outputs):
    """An IR with these outputs for any image."""
    image = ops.parameter([1, 3, side, side], np.float32, name="images")
    nothing = ops.reduce_sum(ops.multiply(image, np.float32(0)), np.array([0, 1, 2, 3]))
    results = []
    for name, values in outputs.items():
        node = ops.add(nothing, ops.constant(values.astype(np.float32)))
        node.output(0).set_names({name})
        results.append(node)
    ov.save_model(
        state_images(ov.Model(results, [image], "own")), folder / "own.xml", compress_to_fp16=False
    )
    return folder / "own.xml"


def test_a_yolo_pose_runs_from_the_command_line(tmp_path):
    """Its image is in the middle of the input, with the same width; keypoints are on a line."""
    rows = np.zeros((300, 57))
    rows[0, :5] = 100, 200, 500, 400, 0.9
    keypoints = np.stack(
        [np.linspace(100, 500, 17), np.linspace(200, 400, 17), np.ones(17)], axis=1
    )
    rows[0, 6:] = keypoints.reshape(-1)
    xml = write_ir(tmp_path, 640, {"output0": rows[None]})
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((*IMAGE[::-1], 3), np.uint8))
    succeeded(run_posezoo("run", xml, "-i", tmp_path / "scene.png", "-o", tmp_path / "results"))
    poses = (tmp_path / "results" / "poses.json").read_text("utf-8")
    assert "coco-17" in poses and "left_ankle" in json.dumps(json.loads(poses))
    (pose,) = load(xml)(np.zeros((*IMAGE[::-1], 3), np.uint8))
    # 640 pixels are 320; above the image are 160 pixels of grey.
    expected = (keypoints[:, :2] - [0, 160]) / 2
    assert np.abs(pose.keypoints[:, :2] - expected).max() < 0.01
    assert pose.score == pytest.approx(0.9)


def test_rf_detr_stretches_its_image(tmp_path):
    queries = np.zeros((1, 100, 17, 8))
    queries[0, 0, :, 0] = np.linspace(0.1, 0.9, 17)
    queries[0, 0, :, 1] = np.linspace(0.2, 0.6, 17)
    queries[0, 0, :, 2] = 9
    queries[0, 0, :, [4, 6]] = 4
    labels = np.full((1, 100, 2), -9.0)
    labels[0, 0, 0] = 9
    outputs = {"dets": np.zeros((1, 100, 4)), "labels": labels, "keypoints": queries}
    xml = write_ir(tmp_path, 576, outputs)
    (pose,) = load(xml)(np.zeros((*IMAGE[::-1], 3), np.uint8))
    expected = queries[0, 0, :, :2] * IMAGE
    assert np.abs(pose.keypoints[:, :2] - expected).max() < 0.01


def test_detrpose_needs_no_size_of_the_photo(tmp_path):
    """Its export has the size of the photo as a second input, whose pixels its keypoints are in."""
    image = ops.parameter([1, 3, 640, 640], np.float32, name="images")
    sizes = ops.parameter([1, 2], np.int64, name="orig_target_sizes")
    sizes.output(0).set_names({"orig_target_sizes"})
    nothing = ops.reduce_sum(ops.multiply(image, np.float32(0)), np.array([0, 1, 2, 3]))
    shares = np.random.RandomState(1).rand(1, 60, 17, 2).astype(np.float32)
    scores = np.zeros((1, 60), np.float32)
    scores[0, 0] = 0.9
    outputs = {
        "scores": ops.add(nothing, ops.constant(scores)),
        "labels": ops.add(nothing, ops.constant(np.ones((1, 60), np.float32))),
        "keypoints": ops.multiply(ops.constant(shares), ops.convert(sizes, "f32")),
    }
    for name, node in outputs.items():
        node.output(0).set_names({name})
    network = state_images(ov.Model([*outputs.values()], [image, sizes], "own"))
    ov.save_model(network, tmp_path / "own.xml", compress_to_fp16=False)
    (pose,) = load(tmp_path / "own.xml")(np.zeros((*IMAGE[::-1], 3), np.uint8))
    assert np.abs(pose.keypoints[:, :2] - shares[0, 0] * IMAGE).max() < 0.01


def write_onnx(path, rows, **metadata):
    """An ONNX file with these predictions for any image, less the mean of its red channel as a score of 0 to 1."""
    nodes = [
        onnx.helper.make_node("Split", ["images", "channels"], ["red", "rest"], axis=1),
        onnx.helper.make_node("ReduceMean", ["red"], ["mean"], axes=[1, 2, 3], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "place"], ["taken"]),
        onnx.helper.make_node("Sub", ["rows", "taken"], ["output0"]),
    ]
    place = np.zeros(rows.shape, np.float32)
    place[0, 4, 0] = 1
    constants = {"channels": np.array([1, 2]), "rows": rows.astype(np.float32), "place": place}
    image = ("images", graphs.FLOAT, (1, 3, 640, 640))
    output = ("output0", graphs.FLOAT, rows.shape)
    path.write_bytes(graphs.written("own", nodes, [image], [output], constants, metadata=metadata))
    return path


def columns():
    """One person with a score of 0.9, as YOLO11-pose exports it."""
    rows = np.zeros((1, 56, 8400))
    rows[0, :5, 0] = 300, 300, 400, 200, 0.9
    rows[0, 5:, 0] = np.stack([np.linspace(100, 500, 17)] * 2 + [np.ones(17)], axis=1).reshape(-1)
    return rows


#: As Ultralytics 8.4 writes it to ONNX, and to metadata.yaml beside an IR.
METADATA = {
    "description": "Ultralytics YOLO11n-pose model trained on coco-pose.yaml",
    "author": "Ultralytics",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    "task": "pose",
}


def test_an_onnx_of_ultralytics_runs_with_its_colors_and_one_word_on_its_license(tmp_path):
    onnx_file = write_onnx(tmp_path / "own.onnx", columns(), **METADATA)
    red = np.zeros((640, 640, 3), np.uint8)
    red[..., 2] = 51  # BGR; 0.2 of 255
    cv2.imwrite(str(tmp_path / "scene.png"), red)
    scenes = [tmp_path / "scene.png"] * 2
    ended = succeeded(run_posezoo("run", onnx_file, "-i", *scenes, "-o", tmp_path / "results"))
    assert ended.stderr.count("AGPL-3.0") == 1 and "AGPL" not in ended.stdout
    assert f"ran {onnx_file} (decoder yolo_pose) on CPU in " in ended.stdout
    (pose,) = load(onnx_file, listener=None)(red)
    assert pose.score == pytest.approx(0.7, abs=1e-3)  # a processor without AVX512 has 0.6999


def own_keypoints(count, values, classes):
    """A person of the last class with a score of 0.9, in the form of an export with this kpt_shape."""
    rows = np.zeros((1, 4 + classes + count * values, 8400))
    rows[0, :4, 0] = 300, 300, 400, 200
    rows[0, 3 + classes, 0] = 0.9
    places = np.stack([np.linspace(100, 500, count), np.linspace(200, 400, count)], axis=1)
    points = np.concatenate([places, np.full((count, 2), [0.8, 2])], axis=1)[:, :values]
    rows[0, 4 + classes :, 0] = points.reshape(-1)
    return rows


@pytest.mark.parametrize(
    ("kpt_shape", "names"),
    [
        ([21, 3], {0: "hand"}),
        ([17, 2], {0: "person"}),
        ([17, 4], {0: "person"}),
        ([17, 3], {0: "adult", 1: "child"}),
        ([5, 2], {0: "cat", 1: "dog", 2: "it's"}),
    ],
)
def test_an_export_of_ones_own_keypoints_runs_as_its_metadata_say(tmp_path, kpt_shape, names):
    """The metadata as Ultralytics writes it: Python's text of a list and of a dict."""
    count, values = kpt_shape
    rows = own_keypoints(count, values, len(names))
    stated = {"kpt_shape": str(kpt_shape), "names": str(names)}
    onnx_file = write_onnx(tmp_path / "own.onnx", rows, **METADATA, **stated)
    xml = write_ir(tmp_path, 640, {"output0": rows})
    lines = "".join(f"{key}: {value}\n" for key, value in (METADATA | stated).items())
    (tmp_path / "metadata.yaml").write_text(lines, "utf-8")
    expected = np.stack([np.linspace(100, 500, count), np.linspace(200, 400, count)], axis=1)
    for path in (onnx_file, xml):
        (pose,) = load(path, listener=None)(np.zeros((640, 640, 3), np.uint8))
        assert np.abs(pose.keypoints[:, :2] - expected).max() < 0.01
        assert np.allclose(pose.keypoints[:, 2], 0.9 if values == 2 else 0.8)
        assert pose.score == pytest.approx(0.9)
        assert pose.skeleton == ("coco-17" if count == 17 else f"keypoints-{count}")
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((640, 640, 3), np.uint8))
    succeeded(
        run_posezoo("run", onnx_file, "-i", tmp_path / "scene.png", "-o", tmp_path / "results")
    )


def test_metadata_beside_an_ir_names_its_license_too(tmp_path):
    xml = write_ir(tmp_path, 640, {"output0": columns()})
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((8, 8, 3), np.uint8))
    command = ("run", xml, "-i", tmp_path / "scene.png", "-o", tmp_path / "results")
    assert "AGPL" not in run_posezoo(*command).stderr
    lines = "".join(f"{key}: {value}\n" for key, value in METADATA.items())
    (tmp_path / "metadata.yaml").write_text(lines, "utf-8")
    assert run_posezoo(*command).stderr.count("AGPL-3.0") == 1


def write_export(folder, **metadata):
    """A folder as ``yolo export format=openvino`` makes it."""
    folder.mkdir()
    write_ir(folder, 640, {"output0": own_keypoints(5, 2, 3)})
    stated = METADATA | {"imgsz": [640, 640], "stride": 32, "kpt_shape": [5, 2]} | metadata
    stated["names"] = {0: "cat", 1: "dog", 2: 'it\'s: a # \\ "fish"'}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(stated), "utf-8")
    return folder


def test_a_folder_as_ultralytics_makes_it_is_a_name(tmp_path):
    terms = "AGPL-3.0 License (https://ultralytics.com/license)"
    folder = write_export(tmp_path / "own_openvino_model", license=terms)
    image = np.zeros((640, 640, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "scene.png"), image)
    photo = ("-i", tmp_path / "scene.png")
    succeeded(run_posezoo("run", f"{folder}/", *photo, "-o", tmp_path / "results"))
    for verb in ("info", "benchmark --seconds 0.01"):
        succeeded(run_posezoo(*verb.split(), folder))
    (pose,) = load(folder, listener=None)(image)
    moved = tmp_path / "moved" / "own.xml"
    ended = succeeded(run_posezoo("convert", folder, "-o", moved))
    assert f"wrote {moved}" in ended.stdout
    assert f'<license value="{terms}" />' in moved.read_text("utf-8")
    (same,) = load(moved, listener=None)(image)
    assert same == pose and same.label == 'it\'s: a # \\ "fish"'
    assert "AGPL-3.0" in run_posezoo("run", moved, *photo, "-o", tmp_path / "of moved").stderr


def write_tflite(path):
    """A TFLite file with one person, less the mean of the image as a share, for any image."""
    writer = tflite_writer.TfliteWriter()
    image = writer.tensor("images", [1, 64, 64, 3])
    axes = writer.tensor("axes", [3], np.array([1, 2, 3], np.int32), dtype="int32")
    mean, output = writer.tensor("mean", [1]), writer.tensor("output", [1, 17, 84])
    rows = np.zeros((1, 17, 84), np.float32)
    rows[0, :, 0] = [0.5, 0.5, 0.4, 0.4, 0, 0, 0.9, *[0.3, 0.4] * 5]
    people = writer.tensor("people", rows.shape, rows)
    writer.operator(
        "MEAN", tflite_writer.options_of("ReducerOptions", keepDims=False), [image, axes], [mean]
    )
    writer.operator("ADD", tflite_writer.options_of("AddOptions"), [people, mean], [output])
    path.write_bytes(writer.finish([image], [output]))
    return path


@pytest.mark.parametrize("where", ["beside it", "at its end", "at its end, of older versions"])
def test_what_ultralytics_says_of_a_tflite_is_written_into_its_ir(tmp_path, where):
    path = write_tflite(tmp_path / "own.tflite")
    names = {0: "cat", 1: "dog", 2: "fish"}
    stated = METADATA | {"imgsz": [64, 64], "stride": 32, "kpt_shape": [5, 2], "names": names}
    if where == "beside it":
        (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(stated), "utf-8")
    else:
        is_json = where == "at its end"
        with zipfile.ZipFile(path, "a") as archive:
            name = "metadata.json" if is_json else "temp_meta.txt"
            archive.writestr(name, json.dumps(stated) if is_json else str(stated))
    xml = tmp_path / "ir" / "own.xml"
    ended = succeeded(run_posezoo("convert", path, "-o", xml, "--precisions", "FP32"))
    assert "does not say how images are prepared" not in ended.stderr
    (pose,) = load(xml, listener=None)(np.zeros((64, 64, 3), np.uint8))
    assert pose.label == "fish" and pose.score == pytest.approx(0.9, abs=1e-3)
    assert np.allclose(pose.keypoints[:, :2], np.multiply([0.3, 0.4], 64), atol=0.1)


def test_a_folder_of_another_task_is_refused_by_each_verb(tmp_path):
    folder = write_export(tmp_path / "own_openvino_model", task="detect", kpt_shape=None)
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((8, 8, 3), np.uint8))
    results, xml = tmp_path / "results", tmp_path / "results.xml"
    for command, output in (
        (("run", folder, "-i", tmp_path / "scene.png"), results),
        (("convert", folder), xml),
    ):
        ended = run_posezoo(*command, "-o", output)
        assert "finds no poses: Ultralytics' metadata say that its task is 'detect'" in refusal(
            ended
        )
        assert not output.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "own.onnx: no such file"),
        (b"no network", "is not a complete ONNX file"),
        (b'"\x1b[31mred"', "is not a complete ONNX file"),
        ({}, "does not say how images are prepared for it"),
    ],
)
def test_an_onnx_that_cannot_be_run_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "own.onnx"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        write_onnx(path, columns(), **content)
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((8, 8, 3), np.uint8))
    said = refusal(
        run_posezoo("run", path, "-i", tmp_path / "scene.png", "-o", tmp_path / "results")
    )
    assert reason in said
    assert "Traceback" not in said and "\x1b" not in said


def write_simcc(path):
    """An ONNX file with the outputs of RTMPose, whose scores are the first channel of the pixel in the middle."""
    nodes = [
        onnx.helper.make_node("Slice", ["input", "start", "stop", "axes"], ["pixel"]),
        onnx.helper.make_node("Reshape", ["pixel", "one"], ["value"]),
        onnx.helper.make_node("Mul", ["value", "across"], ["simcc_x"]),
        onnx.helper.make_node("Mul", ["value", "down"], ["simcc_y"]),
    ]
    across, down = np.zeros((1, 12, 384), np.float32), np.zeros((1, 12, 512), np.float32)
    across[..., 192] = down[..., 256] = 1
    constants = {
        "start": np.array([0, 128, 96]),
        "stop": np.array([1, 129, 97]),
        "axes": np.array([1, 2, 3]),
        "one": np.array([1, 1, 1]),
        "across": across,
        "down": down,
    }
    image = ("input", graphs.FLOAT, (1, 3, 256, 192))
    outputs = [("simcc_x", graphs.FLOAT, across.shape), ("simcc_y", graphs.FLOAT, down.shape)]
    path.write_bytes(graphs.written("own", nodes, [image], outputs, constants))
    return path


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_an_export_that_says_nothing_runs_as_the_model_that_it_is_like(tmp_path, suffix):
    """RTMPose of one's own, with 12 keypoints: it takes RGB, less the mean, divided by the scale."""
    own = write_simcc(tmp_path / "own.onnx")
    if suffix == ".xml":
        ov.save_model(ov.convert_model(own), tmp_path / "own.xml", compress_to_fp16=False)
        own = tmp_path / "own.xml"
    cv2.imwrite(str(tmp_path / "scene.png"), np.full((256, 192, 3), (10, 90, 150), np.uint8))  # BGR
    command = ("run", own, "--input", tmp_path / "scene.png", "--output", tmp_path / "results")
    command = (*command, "--detector", "none")
    ended = run_posezoo(*command)
    asked = "does not say how images are prepared for it"
    assert asked in ended.stderr and f"posezoo new {own}" in ended.stderr
    assert ended.returncode == 1
    ended = run_posezoo(*command, "--as", "rtmpose-m")
    assert ended.returncode == 0 and asked not in ended.stderr, ended.stderr
    summary = read_json(tmp_path / "results" / "poses.json")
    (pose,) = summary["images"][0]["poses"]
    scores = [keypoint["score"] for keypoint in pose["keypoints"]]
    assert scores == pytest.approx([(150 - 123.675) / 58.395] * 12, rel=1e-3)
    estimator = load(own, detector=None, preparation=Preparation(like="rtmpose-m"), listener=None)
    (same,) = estimator(cv2.imread(str(tmp_path / "scene.png")))
    assert same.keypoints[:, 2] == pytest.approx(scores)
    with pytest.raises(PosezooError, match=r"like: only for an \.xml"):
        load("movenet-thunder", preparation=Preparation(like="rtmpose-m"), listener=None)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--as", "rtmo-s"), "rtmo needs boxes"),
        (("--as", "rtmpos"), "no model is called 'rtmpos'"),
        (("--as", "nanodet-g"), "nanodet needs"),
    ],
)
def test_a_model_that_an_export_is_not_like_is_refused(tmp_path, words, reason):
    own = write_simcc(tmp_path / "own.onnx")
    ended = run_posezoo("run", own, *words, "--output", tmp_path / "results")
    assert ended.returncode == 2 and reason in ended.stderr, ended.stderr


def test_new_weights_beside_an_onnx_are_used(tmp_path):
    onnx_file = write_onnx(tmp_path / "own.onnx", columns(), **METADATA)
    weights = tmp_path / "own.data"
    model = onnx.load(onnx_file)
    onnx.save(model, onnx_file, save_as_external_data=True, location="own.data")
    image = np.full((640, 640, 3), 51, np.uint8)
    (pose,) = load(onnx_file, listener=None)(image)
    weights.write_bytes(bytes(weights.stat().st_size))
    assert pose.score > 0.5 and load(onnx_file, listener=None)(image) == []
    weights.unlink()
    with pytest.raises(
        InferenceError, match=r"own\.onnx: its weights 'own\.data' are not beside it"
    ):
        load(onnx_file, listener=None)


def test_a_draft_of_its_model_yml_names_the_decoder(tmp_path):
    onnx_file = write_onnx(tmp_path / "own.onnx", columns(), **METADATA)
    folders = ("--models_dir", tmp_path / "models", "-o", tmp_path / "out")
    words = ("--from", onnx_file, "--license", "AGPL-3.0-only", "--cache_dir", tmp_path / "cache")
    succeeded(run_posezoo("new", "own-pose", *words, *folders))
    draft = (tmp_path / "models" / "public" / "own-pose" / "model.yml").read_text("utf-8")
    assert "\ndecoder: {name: yolo_pose}" in draft
