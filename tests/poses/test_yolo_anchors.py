"""The boxes of YOLO 1 to 4; tests/judges/test_open_model_zoo_boxes.py compares them with Open Model Zoo's program."""

import numpy as np
import pytest

from fakes.region_networks import NETWORKS, read_anchors
from posezoo.core.errors import InferenceError
from posezoo.poses.decoders import decode
from posezoo.run.model_procs import find_anchors


@pytest.mark.parametrize("name", NETWORKS)
def test_the_anchors_are_those_of_open_model_zoo(name, shared):
    anchors = np.array(find_anchors(name)["anchors"].split(","), float).reshape(-1, 2)
    pairs, masks = read_anchors(name, shared)
    assert np.allclose(anchors, pairs[np.concatenate(masks)])
    assert find_anchors(name)["has_logits"] == ("v4" in name)


def test_a_box_is_where_its_cell_and_its_anchor_say():
    maps = np.full((1, 2, 6, 13, 13), -9.0, np.float32)
    maps[0, 1, :, 3, 7] = [0, 0, np.log(2), 0, 9, 9]
    options = {"anchors": "1,1,4,3", "has_logits": True}
    outputs = {"maps_32": maps.reshape(1, 12, 13, 13)}
    (person,) = decode("yolo_anchors", outputs, (416, 416), **options)
    center = np.array([7.5, 3.5]) * 32
    half = np.array([8, 3]) * 16
    assert person.box == pytest.approx([*(center - half), *(center + half)], abs=0.01)
    outputs = {"maps_32": maps.reshape(1, 12, 13, 13).transpose(0, 2, 3, 1)}
    (same,) = decode("yolo_anchors", outputs, (416, 416), **options)
    assert same.box == person.box


@pytest.mark.parametrize("anchors", ["", "1,2,3", "a,b", "1,2,3,4,5,6,7,8"])
def test_anchors_that_do_not_fit_the_maps_are_an_error(anchors):
    outputs = {"maps_32": np.zeros((1, 12, 13, 13), np.float32)}
    with pytest.raises(InferenceError, match="anchors"):
        decode("yolo_anchors", outputs, (416, 416), anchors=anchors)


def test_values_that_are_not_finite_are_no_boxes():
    maps = np.full((1, 12, 13, 13), np.nan, np.float32)
    assert decode("yolo_anchors", {"maps_32": maps}, (416, 416), anchors="1,1,4,3") == []
    maps[:] = np.inf
    assert decode("yolo_anchors", {"maps_32": maps}, (416, 416), anchors="1,1,4,3") == []
