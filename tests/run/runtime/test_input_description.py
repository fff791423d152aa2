"""What a file states of its input is used by posezoo run: images are fitted as by Model API and Ultralytics."""

import sys

import cv2
import numpy as np
import onnx
import pytest

from fakes import graphs
from fakes.coco import annotations, person, written
from fakes.command import json_of, read_json, refusal, succeeded
from fakes.command import posezoo as run_posezoo
from fakes.own_files import declare
from fakes.stated_inputs import (
    GETI_BOXES,
    GETI_KEYPOINTS,
    KEYPOINTS,
    ULTRALYTICS,
    bins,
    boxes,
    write_stated,
    write_whole_input,
)
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.run.runtime import graph

ops = pytest.importorskip("openvino.opset13")

#: Width and height of pictures: landscape, portrait and square.
SIZES = [(640, 427), (240, 320), (300, 300)]
KEYPOINT_INPUT = (192, 256)
RESIZE_TYPES = ("", "standard", "fit_to_window", "fit_to_window_letterbox")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Smooth pictures, whose mean hardly depends on how they are resized."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = {}
    for width, height in SIZES:
        shades = np.tile(np.linspace(0, 200, width), (height, 1))
        picture = np.stack([shades, np.full((height, width), 60), 220 - shades], axis=2)
        paths[width, height] = folder / f"{width}.png"
        cv2.imwrite(str(paths[width, height]), picture.astype(np.uint8))
    return paths


#: The network alone.
ALONE = ("--detector", "none")


def run(path, picture, folder, *flags):
    """The poses that posezoo run finds in a picture, and its standard error."""
    (poses,), said = run_on_all(path, [picture], folder, *flags)
    return poses, said


def run_on_all(path, pictures, folder, *flags):
    """The poses that posezoo run finds in each of the pictures, and its standard error."""
    command = ("run", path, "--input", *pictures, "--output", folder / "results", *ALONE, *flags)
    ended = succeeded(run_posezoo(*command))
    summary = read_json(folder / "results" / "poses.json")
    return [image["poses"] for image in summary["images"]], ended.stderr


def refused(path, picture, folder, *flags, code=1):
    """The standard error of posezoo run, which ends with exit code 1, or another."""
    command = ("run", path, "--input", picture, "--output", folder / "results", *ALONE, *flags)
    said = refusal(run_posezoo(*command), code)
    assert "Traceback" not in said
    assert sum(line.startswith("error: ") for line in said.splitlines()) == 1
    return said


def points(pose):
    return np.array([(keypoint["x"], keypoint["y"]) for keypoint in pose["keypoints"]])


def run_model_api(xml, picture):
    """What openvino-model-api finds."""
    return model_of_model_api(xml)(cv2.imread(str(picture)))


def model_of_model_api(xml):
    if sys.version_info < (3, 11):
        pytest.skip("openvino-model-api needs Python 3.11")
    models = pytest.importorskip("model_api.models", reason="needs openvino-model-api")
    from model_api.adapters import OpenvinoAdapter

    config = {"INFERENCE_PRECISION_HINT": "f32"}
    core = import_openvino().Core()
    adapter = OpenvinoAdapter(core, str(xml), device="CPU", plugin_config=config)
    return models.Model.create_model(adapter)


def stated(info, resize_type, **more):
    return {**info, **({"resize_type": resize_type} if resize_type else {}), **more}


def stated_keypoints(folder, resize_type="standard", **more):
    """An IR of Geti that finds keypoints."""
    info = stated(GETI_KEYPOINTS, resize_type, **more)
    return write_stated(folder / "k.xml", KEYPOINT_INPUT, bins(KEYPOINT_INPUT), info)


def stated_boxes(folder, resize_type="standard", **more):
    """An IR of Geti that finds boxes."""
    size = (416, 416)
    return write_stated(
        folder / "b.xml", size, boxes(size), stated(GETI_BOXES, resize_type, **more)
    )


@pytest.mark.parametrize("resize_type", RESIZE_TYPES)
def test_keypoints_of_geti_are_those_of_model_api(tmp_path, pictures, resize_type):
    """Its coordinates are indices of pixels, which are half a pixel less than ours."""
    xml = stated_keypoints(tmp_path, resize_type)
    found, said = run_on_all(xml, pictures.values(), tmp_path)
    model = model_of_model_api(xml)
    for (size, picture), (pose,) in zip(pictures.items(), found, strict=True):
        expected = model(cv2.imread(str(picture)))
        assert points(pose) == pytest.approx(expected.keypoints + 0.5, abs=0.01), size
        scores = [keypoint["score"] for keypoint in pose["keypoints"]]
        assert scores == pytest.approx(expected.scores, abs=1e-3), size
        assert [keypoint["name"] for keypoint in pose["keypoints"]] == KEYPOINTS.split()
    assert "warning" not in said


@pytest.mark.parametrize("resize_type", ["standard", "fit_to_window_letterbox"])
def test_boxes_of_geti_are_those_of_model_api(tmp_path, pictures, resize_type):
    xml = stated_boxes(tmp_path, resize_type)
    found, said = run_on_all(xml, pictures.values(), tmp_path)
    model = model_of_model_api(xml)
    for (size, picture), (pose,) in zip(pictures.items(), found, strict=True):
        # The dog is below the threshold.
        expected = model(cv2.imread(str(picture)))
        assert pose["box"] == pytest.approx(expected.bboxes[0], abs=0.6), size  # it rounds boxes
        assert pose["score"] == pytest.approx(float(expected.scores[0]), abs=1e-3), size
        assert pose["label"] == "cat"
    assert "warning" not in said


@pytest.mark.parametrize(
    ("layout", "element_type", "reverse"),
    [
        ("NCHW", np.float32, "True"),
        ("NCHW", np.float32, "NO"),
        ("NHWC", np.float32, "True"),
        ("NHWC", np.uint8, "NO"),
    ],
)
def test_layouts_types_and_colors_are_those_of_model_api(
    tmp_path, pictures, layout, element_type, reverse
):
    more = {"reverse_input_channels": reverse, "mean_values": "10 20 30", "scale_values": "1"}
    if element_type is np.uint8:
        more |= {"mean_values": "", "scale_values": ""}
    xml = write_stated(
        tmp_path / "k.xml",
        (320, 192),
        bins((320, 192)),
        stated(GETI_KEYPOINTS, "fit_to_window_letterbox", **more),
        layout=layout,
        element_type=element_type,
    )
    (pose,), _ = run(xml, pictures[240, 320], tmp_path)
    if more["scale_values"]:  # Model API takes one scale for each channel
        more["scale_values"] = "1 1 1"
    expected = run_model_api(xml, pictures[240, 320])
    assert points(pose) == pytest.approx(expected.keypoints + 0.5, abs=0.01)
    assert pose["keypoints"][0]["score"] == pytest.approx(float(expected.scores[0]), abs=1e-3)


def test_a_crop_is_the_middle_of_a_picture(tmp_path, pictures):
    """The square of 427 pixels in the middle of 640."""
    xml = stated_boxes(tmp_path, "crop")
    (pose,), _ = run(xml, pictures[640, 427], tmp_path)
    assert pose["box"] == pytest.approx([213.25, 106.75, 426.75, 320.25], abs=0.1)


@pytest.mark.parametrize("resize_type", RESIZE_TYPES[1:])
def test_a_model_that_model_api_saved_fits_images_itself(tmp_path, pictures, resize_type):
    """It takes images of any size: orig_width and orig_height say to which size it fits them."""
    xml = stated_keypoints(tmp_path, resize_type)
    models = pytest.importorskip("model_api.models", reason="needs openvino-model-api")
    models.Model.create_model(str(xml)).save(str(tmp_path / "saved.xml"))
    (before,), _ = run(xml, pictures[640, 427], tmp_path)
    (pose,), said = run(tmp_path / "saved.xml", pictures[640, 427], tmp_path)
    assert points(pose) == pytest.approx(points(before), abs=0.01) and "warning" not in said


def test_onnx_with_model_info_runs_as_an_ir(tmp_path, pictures):
    """As Model API reads it: each key is a property of the metadata."""
    outputs = bins(KEYPOINT_INPUT)
    info = helper_info(tmp_path / "k.onnx", outputs, stated(GETI_KEYPOINTS, "fit_to_window"))
    xml = write_stated(tmp_path / "k.xml", KEYPOINT_INPUT, outputs, info)
    (expected,), _ = run(xml, pictures[640, 427], tmp_path)
    (pose,), said = run(tmp_path / "k.onnx", pictures[640, 427], tmp_path)
    assert points(pose) == pytest.approx(points(expected), abs=0.01) and "warning" not in said
    assert [keypoint["name"] for keypoint in pose["keypoints"]] == KEYPOINTS.split()


def helper_info(path, outputs, info):
    """Write an ONNX file with these outputs, and this model_info, which is returned."""
    width, height = KEYPOINT_INPUT
    nodes = [
        onnx.helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    nodes += [onnx.helper.make_node("Add", [f"of_{name}", "nothing"], [name]) for name in outputs]
    constants = {f"of_{name}": values for name, values in outputs.items()}
    constants["zero"] = np.float32(0)
    image = ("image", graphs.FLOAT, (1, 3, height, width))
    made = [(name, graphs.FLOAT, values.shape) for name, values in outputs.items()]
    metadata = {f"model_info {key}": text for key, text in info.items()}
    path.write_bytes(graphs.written("k", nodes, [image], made, constants, metadata=metadata))
    return info


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": "head tail left right"}, "name 4 keypoints (head, tail, left, right), but its"),
        ({"labels": "head tail left right left"}, "name a keypoint twice"),
        ({"resize_type": "fit_to_windw"}, "resize_type in its model_info is 'fit_to_windw'"),
        ({"pad_value": "300"}, "pad_value in its model_info is '300'"),
        ({"mean_values": "1 2"}, "mean_values in its model_info is '1 2'"),
        ({"scale_values": "0 1 1"}, "scale_values in its model_info is '0 1 1'"),
        ({"reverse_input_channels": "maybe"}, "reverse_input_channels in its model_info"),
        ({"model_type": "ssd"}, "model_type ssd, whose outputs are boxes, but its outputs pred_x"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_contradicts_the_network_is_an_error_that_names_both(
    tmp_path, pictures, change, reason
):
    xml = stated_keypoints(tmp_path, **({"resize_type": ""} | change))
    assert reason in refused(xml, pictures[300, 300], tmp_path)


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"interpolation_mode": "CUBIC"}, "interpolation_mode CUBIC, which posezoo does not use"),
        ({"intensity_mode": "percentile"}, "intensity_mode percentile, which posezoo does not use"),
        ({"apply_softmax": "True"}, "apply_softmax True, which posezoo does not use"),
        (
            {"orig_width": "64", "orig_height": "48"},
            "its input is 192x256, which posezoo does not use",
        ),
    ],
)
def test_what_is_stated_and_not_used_is_a_warning(tmp_path, pictures, change, warning):
    xml = stated_keypoints(tmp_path, **change)
    said = run(xml, pictures[300, 300], tmp_path)[1]
    assert said.count("warning") == 1 and warning in said


def test_the_threshold_of_the_file_holds_unless_the_user_names_another(tmp_path, pictures):
    xml = stated_boxes(tmp_path)
    poses, _ = run(xml, pictures[300, 300], tmp_path, "--min_person_score", "0.1")
    assert [pose["label"] for pose in poses] == ["cat", "dog"]
    stated_boxes(tmp_path, labels="cat", confidence_threshold="0.1")
    poses, said = run(xml, pictures[300, 300], tmp_path)
    assert [pose["label"] for pose in poses] == ["cat", "class 1"]
    assert "found class 1, but only the classes 0 to 0 have names (cat)" in said


def ultralytics_rule(picture, size, stride=32):
    """Its LetterBox with auto=True: the scales of 8.4.190, the size of the input, and what is padded at the left and top."""
    width, height = picture
    window = [-(-side // stride) * stride for side in size]
    scale = min(window[0] / height, window[1] / width)
    inner = round(width * scale), round(height * scale)
    pads = (window[1] - inner[0]) % stride, (window[0] - inner[1]) % stride
    begin = [round(pad / 2 - 0.1) for pad in pads]
    return np.divide(inner, picture), np.add(inner, pads), np.array(begin)


@pytest.mark.parametrize("size", [(320, 320), (500, 500), (384, 640), None], ids=str)
def test_a_dynamic_export_takes_images_of_its_imgsz_or_640_pixels(tmp_path, pictures, size):
    """The latter as Ultralytics does where its user names no size."""
    metadata = {**ULTRALYTICS, "imgsz": str([*size])} if size else dict(ULTRALYTICS)
    if not size:
        del metadata["imgsz"]
    path = write_whole_input(tmp_path / "own.onnx", metadata)
    found, _ = run_on_all(path, pictures.values(), tmp_path)
    for picture, (pose,) in zip(pictures, found, strict=True):
        scale, sides, begin = ultralytics_rule(picture, size or (640, 640))
        assert points(pose)[0] == pytest.approx((sides - begin) / scale, abs=0.01), picture
        assert pose["box"] == pytest.approx([0, 0, *picture])  # the network's own
        assert pose["label"] == "person" and pose["score"] == pytest.approx(0.9)


@pytest.mark.parametrize("beside", ["onnx", "xml"])
def test_an_ir_takes_images_of_the_imgsz_in_its_metadata(tmp_path, pictures, beside):
    """In metadata.yaml beside it, or in what it keeps of the ONNX file."""
    metadata = {**ULTRALYTICS, "imgsz": "[320, 320]"}
    kept = metadata if beside == "onnx" else {}
    path = write_whole_input(tmp_path / "own.onnx", kept)
    ov = import_openvino()
    ov.save_model(ov.convert_model(path), tmp_path / "own.xml", compress_to_fp16=False)
    if beside == "xml":
        lines = "".join(f"{key}: {value}\n" for key, value in metadata.items())
        (tmp_path / "metadata.yaml").write_text(lines, "utf-8")
        # Without metadata, not even the number of columns is known.
    (pose,), _ = run(tmp_path / "own.xml", pictures[640, 427], tmp_path)
    scale, sides, begin = ultralytics_rule((640, 427), (320, 320))
    assert points(pose)[0] == pytest.approx((sides - begin) / scale, abs=0.01)


def test_a_static_export_takes_images_of_its_own_size_and_says_if_imgsz_is_another(
    tmp_path, pictures
):
    """640x384: the picture is 576 wide in it, with 32 pixels beside it on each side."""
    metadata = {**ULTRALYTICS, "imgsz": "[384, 640]"}
    path = write_whole_input(tmp_path / "own.onnx", metadata, (640, 384))
    (pose,), said = run(path, pictures[640, 427], tmp_path)
    assert points(pose)[0] == pytest.approx([(640 - 32) / (576 / 640), 427], abs=0.01)
    assert "imgsz" not in said
    write_whole_input(path, ULTRALYTICS, (640, 384))
    (same,), said = run(path, pictures[640, 427], tmp_path)
    assert points(same) == pytest.approx(points(pose))
    assert "imgsz of 640x640 pixels: its input is 640x384, which posezoo does not use" in said


def test_names_of_keypoints_of_ultralytics_are_used(tmp_path, pictures):
    names = [f"point{number}" for number in range(17)]
    path = write_whole_input(tmp_path / "own.onnx", {**ULTRALYTICS, "kpt_names": f"{{0: {names}}}"})
    (pose,), _ = run(path, pictures[300, 300], tmp_path)
    assert [keypoint["name"] for keypoint in pose["keypoints"]] == names
    write_whole_input(path, {**ULTRALYTICS, "kpt_names": "{0: ['nose']}"})
    assert "name 1 keypoints (nose), but its outputs have 17" in refused(
        path, pictures[300, 300], tmp_path
    )


@pytest.mark.parametrize("by", ["model.yml", "file"])
def test_classes_are_named_if_there_is_a_name_for_each(tmp_path, pictures, by):
    """YOLOX with three classes of one's own."""
    rows = np.zeros((1, 3549, 8), np.float32)
    rows[0, 0] = 10, 10, 2, 2, 0.9, 0, 0.9, 0
    for names in (["ant", "bee", "wasp"], ["ant", "bee"]):
        info = {"labels": " ".join(names)} if by == "file" else {}
        xml = write_stated(tmp_path / "x.xml", (416, 416), {"output": rows}, info)
        like = ("--as", "yolox-tiny-coco")
        if by == "model.yml":
            like = declare(xml, "--scale_values", "1", "--decoder", "yolox", labels=names)
        command = (xml, pictures[300, 300], tmp_path, *like)
        if len(names) == 3:
            ((pose,), _) = run(*command)
            assert pose["label"] == "bee"
        else:
            assert "2 classes are named (ant, bee), but its outputs output" in refused(
                *command, code=2
            )


@pytest.mark.parametrize("labels", ["ant bee otx_empty_lbl", "ant", "ant bee wasp"])
def test_a_classifier_of_geti_has_a_name_for_each_score(tmp_path, pictures, labels):
    info = {**GETI_BOXES, "model_type": "Classification", "labels": labels}
    info["confidence_threshold"] = "0"
    outputs = {"logits": np.array([[0.0, 4.0]], np.float32)}
    xml = write_stated(tmp_path / "c.xml", (64, 64), outputs, stated(info, "standard"))
    if labels.startswith("ant bee") and "wasp" not in labels:
        poses, said = run(xml, pictures[300, 300], tmp_path)
        assert [pose["label"] for pose in poses] == ["bee", "ant"] and "warning" not in said
    else:
        said = refused(xml, pictures[300, 300], tmp_path)
        assert "classes are named" in said and "its outputs logits 1x2 have 2" in said


def test_an_export_without_its_metadata_says_which_file_is_missing(tmp_path, pictures):
    """17 rows may be 4 keypoints of 3 numbers, or 6 of 2: nothing else tells."""
    outputs = {"output0": np.zeros((1, 17, 33600), np.float32)}
    xml = write_stated(tmp_path / "yolo4kp.xml", (1280, 1280), outputs, {})
    said = refused(xml, pictures[300, 300], tmp_path)
    assert "metadata.yaml is missing" in said and str(tmp_path / "metadata.yaml") in said
    rows = {"kpt_shape": "[4, 3]", "imgsz": "[1280, 1280]"}
    lines = "".join(f"{key}: {value}\n" for key, value in {**ULTRALYTICS, **rows}.items())
    (tmp_path / "metadata.yaml").write_text(lines, "utf-8")
    assert run(xml, pictures[300, 300], tmp_path)[0] == []


@pytest.mark.parametrize("flags", [("--scale_values", "1"), ("--as", "hrnet-w32")])
def test_heatmaps_with_their_channels_last_are_those_of_channels_first(tmp_path, pictures, flags):
    heatmaps = np.zeros((1, 17, 64, 48), np.float32)
    for number in range(17):
        heatmaps[0, number, 10 + 2 * number, 5 + 2 * number] = 0.5
    found = []
    for maps in (heatmaps, heatmaps.transpose(0, 2, 3, 1)):
        outputs = {"heatmaps": np.ascontiguousarray(maps)}
        xml = write_stated(tmp_path / "h.xml", KEYPOINT_INPUT, outputs, {})
        found += run(xml, pictures[640, 427], tmp_path, *flags)[0]
    first, last = found
    assert len(last["keypoints"]) == 17 and points(last) == pytest.approx(points(first))


@pytest.mark.parametrize("verb", ["run", "evaluate", "quantize", "benchmark", "demo", "export"])
def test_each_verb_takes_a_model_yml_and_the_verbs_of_a_first_try_its_values(verb):
    shown = run_posezoo("help", verb, "--all").stdout
    assert "--as " in shown
    for flag in ("--decoder", "--mean_values", "--scale_values"):
        is_of_omz = verb == "demo" and flag != "--decoder"
        assert (f"{flag} " in shown) == (verb == "run" or is_of_omz), flag


def write_annotations(folder, category, box):
    """A data set of one picture with one object."""
    cv2.imwrite(str(folder / f"{1:012}.jpg"), np.zeros((427, 640, 3), np.uint8))
    x0, y0, x1, y1 = box
    animal = person(1, 1, np.zeros((17, 3)), bbox=(x0, y0, x1 - x0, y1 - y0))
    content = annotations(1, [animal], (640, 427))
    content["categories"] = [{"id": 1, "name": category}]
    return ("--annotations", written(folder, content), "--images", folder)


def test_an_ir_is_evaluated_as_it_is_described_and_read_once(tmp_path, monkeypatch):
    pytest.importorskip("faster_coco_eval", reason="needs the extra evaluate")
    xml = stated_boxes(tmp_path, "fit_to_window")
    like = declare(xml, labels=("lynx", "wolf"))
    data = write_annotations(tmp_path, "lynx", (160, 160, 480, 427))
    reads = []
    read = graph._read_model
    monkeypatch.setattr(
        graph, "_read_model", lambda core, path: [reads.append(path), read(core, path)][1]
    )
    command = ("evaluate", xml, *data, "--format", "json", "--output", tmp_path / "out")
    report = json_of(succeeded(run_posezoo(*command, *like)))
    assert report["AP"] == 1 and reads == [xml]
    assert "found nothing of its categories: lynx" in refusal(run_posezoo(*command))


@pytest.mark.usefixtures("measured_in_this_process")
def test_a_pipeline_is_measured_as_it_is_described(tmp_path, pictures):
    xml = stated_boxes(tmp_path)
    flags = declare(xml, labels=("lynx", "wolf"))
    short = ("--seconds", "0.01", "--format", "json")
    image = ("--input", pictures[300, 300])
    ended = run_posezoo("benchmark", "--pipeline", xml, *flags, *image, *short)
    assert ended.returncode == 0 and json_of(ended)["measurements"], ended.stderr
    assert "requires --pipeline" in refusal(run_posezoo("benchmark", xml, *flags), code=2)
