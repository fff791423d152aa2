"""Detectors and classifiers that public projects name: run, evaluate, quantize, card and export.

Their outputs are those of Open Model Zoo's converted models, with random weights; a name is one of command_lines.tsv.
"""

import json
import shutil

import cv2
import numpy as np
import pytest

from fakes.command import posezoo, printed
from fakes.processor import HAS_VNNI
from fakes.region_networks import (
    NETWORKS,
    attributes_network,
    boxes_labels_network,
    publish_ir,
    read_anchors,
    ssd_network,
    yolo_network,
)
from fakes.soak import soak
from fakes.when_used import needs

#: By name: the side of the input, and the label of the objects.
SSD = {
    "face-detection-retail-0004": (304, 1),
    "vehicle-detection-0200": (256, 0),
    "ssd_mobilenet_v1_coco": (304, 17),
}
YOLO = ("yolo-v2-tf", "yolo-v3-tf", "yolo-v3-tiny-tf", "yolo-v4-tf")
CLASSES = {
    "resnet-50-tf": (224, {"prob": 1000}),
    "mobilenet-v2-pytorch": (224, {"prob": 1000}),
    "emotions-recognition-retail-0003": (64, {"prob_emotion": 5}),
    "age-gender-recognition-retail-0013": (62, {"age_conv3": 1, "prob": 2}),
}
BOXES = (*SSD, "face-detection-0205", *YOLO)


def build_network(name, shared):
    if name in CLASSES:
        return attributes_network(name, *CLASSES[name])
    if name in SSD:
        return ssd_network(name, *SSD[name])
    if name in NETWORKS:
        return yolo_network(name, *read_anchors(name, shared))
    return boxes_labels_network(name, 416)


@pytest.fixture
def pictures(tmp_path):
    """Eight pictures of random colors."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(2)
    for number in range(8):
        small = rng.integers(0, 256, (8, 8, 3), np.uint8)
        picture = cv2.resize(small, (304, 304), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{number:012}.png"), picture)
    return folder


def write_objects(images, path):
    """The found objects as COCO's annotations, so that the AP is 1."""
    labels = sorted({pose["label"] for image in images for pose in image["poses"]})
    annotations = []
    for number, image in enumerate(images):
        for pose in image["poses"]:
            x0, y0, x1, y1 = pose["box"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": labels.index(pose["label"]) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    content = {
        "images": [
            {"id": number, "file_name": f"{number:012}.png", "width": 304, "height": 304}
            for number in range(len(images))
        ],
        "categories": [{"id": place, "name": label} for place, label in enumerate(labels, 1)],
        "annotations": annotations,
    }
    path.write_text(json.dumps(content))
    return ["--annotations", path]


def write_classes(images, pictures, folder):
    """A folder for each class that was found, so that all are right."""
    for number, image in enumerate(images):
        place = folder / image["poses"][0]["label"]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures / f"{number:012}.png", place)
    return folder


#: Their networks differ from others of these in names and sizes.
ALIKE = (
    "vehicle-detection-0200",
    "ssd_mobilenet_v1_coco",
    "yolo-v3-tf",
    "yolo-v3-tiny-tf",
    "mobilenet-v2-pytorch",
    "emotions-recognition-retail-0003",
)


@pytest.mark.parametrize(
    "name", [soak(name) if name in ALIKE else name for name in (*BOXES, *CLASSES)]
)
def test_a_named_model_works_with_every_verb(name, shared, pictures, tmp_path):
    needs("nncf")
    is_detector = name in BOXES
    task = "detection" if is_detector else "classification"
    has_many_classes = name in ("resnet-50-tf", "mobilenet-v2-pytorch")
    if has_many_classes and not HAS_VNNI:  # its INT8 finds other classes
        pytest.skip("needs a CPU with VNNI")
    if name.startswith("age"):
        task = "object_attributes"
    flags = publish_ir(build_network(name, shared), tmp_path, task)

    def call(*words):
        taken = flags[:2] if words[0] == "card" else flags  # it needs no weights
        return printed(posezoo(*words, *taken))

    call("run", name, "--input", pictures, "--output", tmp_path / "run")
    images = json.loads((tmp_path / "run" / "poses.json").read_text())["images"]
    assert all(image["poses"] for image in images)
    if is_detector:
        dataset = [*write_objects(images, tmp_path / "objects.json"), "--images", pictures]
    else:
        dataset = ["--images", write_classes(images, pictures, tmp_path / "classes")]
    figures = json.loads(
        call("evaluate", name, *dataset, "--output", tmp_path / "eval", "--format", "json")
    )
    assert figures["AP50" if is_detector else "top1"] > 0.95
    dataset[dataset.index("--images")] = "--dataset_dir"
    call("quantize", name, *dataset, "--output", tmp_path / "int8")
    (xml,) = (tmp_path / "int8").rglob("*.xml")
    assert 'element_type="i8"' in xml.read_text() or 'element_type="u8"' in xml.read_text()
    word = "object-detection" if is_detector else "image-classification"
    assert f"pipeline_tag: {word}" in call("card", name)
    call("export", name, "--to", "ovms", tmp_path / "export")
    labels = (tmp_path / "export" / name / "labels.txt").read_text("utf-8").splitlines()
    assert {pose["label"] for image in images for pose in image["poses"]} <= {*labels}
