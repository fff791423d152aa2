"""An IR of the user's own that finds boxes of other classes than the model that it is like."""

import json
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from fakes.command import json_of, posezoo, read_json, refusal, succeeded
from fakes.own_files import declare

LIKE = ("--as", "yolox-nano-coco")
CLASSES = ("cat", "dog", "bird")
SIDE, CELL = 64, 32
STRIDES = (8, 16, CELL)


def write_yolox(xml):
    """YOLOX's outputs for three classes: each square of the coarsest grid is an object of the class of its color."""
    image = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="images")
    grids = []
    for stride in STRIDES:
        window = [stride, stride]
        colors = ops.avg_pool(image, window, [0, 0], [0, 0], window, True)
        picks = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) / 255
        shares = ops.convolution(colors, picks, [1, 1], [0, 0], [0, 0], [1, 1])
        cells = SIDE // stride
        place = np.zeros((1, 4, cells, cells), np.float32)
        place[:, :2] = 0.5  # the middle of the cell, whose size the box has
        is_object = ops.reduce_max(shares, np.array([1]), True)
        if stride != CELL:
            is_object = ops.multiply(is_object, np.float32(0))
        rows = ops.concat([ops.constant(place), is_object, shares], 1)
        flat = ops.reshape(rows, np.array([1, 5 + len(CLASSES), cells * cells]), False)
        grids.append(ops.transpose(flat, np.array([0, 2, 1])))
    output = ops.concat(grids, 1)
    output.output(0).set_names({"output"})
    xml.parent.mkdir(parents=True)
    ov.save_model(ov.Model([output], [image], "squares"), xml, compress_to_fp16=False)
    return xml


@pytest.fixture
def squares(tmp_path):
    """A folder of pictures with one square each, and their annotations."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    images, annotations = [], []
    for number in range(12):
        kind = number // 3 % 3
        left, top = (CELL * (number // bit % 2) for bit in (1, 2))
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        picture[top : top + CELL, left : left + CELL, kind] = 200 + number
        cv2.imwrite(str(folder / f"{number:02}.png"), picture)
        images.append(
            {"id": number, "file_name": f"{number:02}.png", "width": SIDE, "height": SIDE}
        )
        annotations.append(
            {
                "id": number + 1,
                "image_id": number,
                "category_id": kind + 1,
                "bbox": [left, top, CELL, CELL],
                "area": CELL * CELL,
                "iscrowd": 0,
            }
        )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


def test_objects_of_other_classes_are_not_taken_for_people(squares, tmp_path):
    xml = write_yolox(tmp_path / "net" / "squares.xml")
    succeeded(
        posezoo("run", xml, *LIKE, "--input", squares / "00.png", "--output", tmp_path / "out")
    )
    (image,) = read_json(tmp_path / "out" / "poses.json")["images"]
    assert [each["label"] for each in image["poses"]] == ["class 0"]


def test_outputs_of_any_model_need_the_decoder_that_they_are_for(squares, tmp_path):
    xml = write_yolox(tmp_path / "net" / "squares.xml")
    stated = declare(xml, "--scale_values", "1")
    said = refusal(posezoo("quantize", xml, "--images", squares, "--metric", "map", *stated))
    assert "no decoder is known for its outputs" in said


def test_a_metric_of_another_task_is_refused(squares, tmp_path):
    xml = write_yolox(tmp_path / "net" / "squares.xml")
    assert "--metric ap is not for the decoder yolox" in refusal(
        posezoo("quantize", xml, "--images", squares, "--metric", "ap", *LIKE)
    )


def test_int8_knows_its_classes_and_has_the_same_accuracy_when_it_is_evaluated(squares, tmp_path):
    pytest.importorskip("nncf", reason="needs nncf")
    xml = write_yolox(tmp_path / "net" / "FP32" / "squares.xml")
    stated = declare(xml, "--scale_values", "1", "--decoder", "yolox", labels=CLASSES)
    done = succeeded(posezoo("quantize", xml, "--images", squares, "--metric", "map", *stated))
    int8 = Path(done.stdout.strip())
    record = read_json(int8.with_name("provenance.json"))
    assert record["accuracy"]["metric"] == "mAP" and record["accuracy"]["int8"] == 1
    done = succeeded(posezoo(
        "evaluate", int8, *stated, "--images", squares, "--annotations", squares / "instances.json",
        "--output", tmp_path / "out", "--format", "json",
    ))  # fmt: skip
    assert json_of(done)["AP"] == 1
