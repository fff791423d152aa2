"""Open Model Zoo's own wrappers of detectors and ours, on the same IR."""

import cv2
import numpy as np
import openvino
import pytest

from fakes.command import posezoo, read_json, succeeded
from fakes.region_networks import (
    NETWORKS,
    centernet_network,
    publish_ir,
    read_anchors,
    yolo_network,
)
from judges.packages import OPEN_MODEL_ZOO, open_model_zoo

CENTERNET = "ctdet_coco_dlav0_512"


def paint_photo(side):
    """Areas of random colors with noise, of the size of a network's input: nothing is resized."""
    rng = np.random.default_rng(3)
    small = rng.integers(40, 210, (9, 9, 3), np.uint8)
    photo = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return photo + rng.integers(0, 9, photo.shape, np.uint8)


def run(network, photo, folder):
    """The objects that posezoo finds: many, but fewer than it finds at most."""
    name = network.get_friendly_name()
    flags = publish_ir(network, folder)
    cv2.imwrite(str(folder / "photo.png"), photo)
    succeeded(posezoo(
        "run", name, *flags, "--precision", "FP32", "--input", folder / "photo.png", "--output", folder,
    ))  # fmt: skip
    (image,) = read_json(folder / "poses.json")["images"]
    assert 10 < len(image["poses"]) < 100
    return image["poses"]


def published(folder, name):
    return folder / "published" / "FP32" / f"{name}.xml"


def ask_wrapper(kind, xml, photo, **configuration):
    """The class, the score and the box of each object, (6,)."""
    with open_model_zoo() as (models, adapters):
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        adapter = adapters.OpenvinoAdapter(openvino.Core(), str(xml), plugin_config=exact)
        settings = {"resize_type": "standard", **configuration}
        found, _ = models.Model.create_model(kind, adapter, settings, preload=True)(photo)
    rows = [(each.id, each.score, each.xmin, each.ymin, each.xmax, each.ymax) for each in found]
    return [[np.array(row, float) for row in rows]]


def assert_same(judged, ours):
    """The same objects in any order of equal scores; theirs are in whole pixels."""
    assert len(judged) == len(ours)
    for kind, score, *box in judged:
        assert any(
            int(kind) == other["class_id"]
            and abs(score - other["score"]) < 1e-3
            and np.allclose(box, other["box"], atol=1.01)
            for other in ours
        ), (kind, score, box, ours)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_objects_of_yolo_are_those_of_open_model_zoo(recorded, name, shared, tmp_path):
    pairs, masks = read_anchors(name, shared)
    network = yolo_network(name, pairs, masks)
    photo = paint_photo(NETWORKS[name][0])
    ours = run(network, photo, tmp_path)
    xml, kind = published(tmp_path, name), "YOLOV4" if "v4" in name else "YOLO"
    answer = recorded.people(
        f"open-model-zoo/{name}", OPEN_MODEL_ZOO, lambda: ask_wrapper(kind, xml, photo)
    )
    assert_same(answer.people[0], ours)


def test_the_objects_of_centernet_are_those_of_open_model_zoo(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(np, "float", float, raising=False)  # before NumPy 1.24
    photo = paint_photo(512)
    ours = run(centernet_network(), photo, tmp_path)
    xml = published(tmp_path, CENTERNET)
    answer = recorded.people(
        f"open-model-zoo/{CENTERNET}",
        OPEN_MODEL_ZOO,
        lambda: ask_wrapper("centernet", xml, photo, confidence_threshold=0.3),
    )
    assert_same(answer.people[0], ours)
