"""YOLO-pose's outputs, with the suppression of overlapping people on our side and in the network."""

import numpy as np
import pytest

from posezoo import decode
from posezoo.core.errors import InferenceError
from posezoo.poses.decoders import DECODERS
from posezoo.poses.yolox_boxes import generate_cells

pytest.importorskip("cv2")

SIZE = (640, 640)


def people(count, keypoints=17):
    """Corners of boxes that do not overlap, scores from the highest, and keypoints in the boxes."""
    rng = np.random.RandomState(26)
    corners = np.array([[100 * place, 50 * place] for place in range(count)], float)
    boxes = np.concatenate([corners, corners + rng.uniform(40, 90, (count, 2))], axis=1)
    spans = boxes[:, None, 2:] - boxes[:, None, :2]
    places = boxes[:, None, :2] + rng.rand(count, keypoints, 2) * spans
    points = np.concatenate([places, rng.uniform(0.1, 1, (count, keypoints, 1))], axis=2)
    return boxes, np.linspace(0.9, 0.5, count), points


def raw(boxes, scores, points, cells=8400):
    """As YOLO11 and YOLO26 are exported by default: columns, each person also in a worse one beside it."""
    columns = np.zeros((5 + 3 * points.shape[1], cells))
    rows = np.concatenate(
        [
            (boxes[:, :2] + boxes[:, 2:]) / 2,
            boxes[:, 2:] - boxes[:, :2],
            scores[:, None],
            points.reshape(len(points), -1),
        ],
        axis=1,
    )
    columns[:, 10 : 10 + 3 * len(rows) : 3] = rows.T
    columns[:, 11 : 11 + 3 * len(rows) : 3] = rows.T
    columns[0, 11 : 11 + 3 * len(rows) : 3] += 2
    columns[4, 11 : 11 + 3 * len(rows) : 3] -= 0.1
    return columns[None].astype(np.float32)


def suppressed(boxes, scores, points):
    """As YOLO26 is exported with nms=False: 300 rows, most with a low score."""
    rows = np.zeros((300, 6 + 3 * points.shape[1]))
    parts = [boxes, scores[:, None], np.zeros((len(boxes), 1)), points.reshape(len(points), -1)]
    rows[: len(boxes)] = np.concatenate(parts, axis=1)
    return rows[None].astype(np.float32)


def of_cells(boxes, scores, points, cells=25500):
    """As YOLOv7-pose is exported: the columns of ``raw`` as rows, with the score of an object before that of the
    class; a person also where the class is unlikely.
    """
    rows = raw(boxes, scores / 0.95, points, cells)[0].T
    rows = np.insert(rows, 5, 0.95, axis=1)
    rows[-len(boxes) :] = rows[10 : 10 + 3 * len(boxes) : 3]
    rows[-len(boxes) :, 5] = 0.02
    return rows[None]


@pytest.mark.parametrize("form", [raw, suppressed, of_cells])
@pytest.mark.parametrize("keypoints", [17, 26, 133, 5])
def test_each_person_is_found_once(form, keypoints):
    boxes, scores, points = people(5, keypoints)
    poses = decode("yolo_pose", {"predictions": form(boxes, scores, points)}, SIZE)
    assert len(poses) == 5
    assert np.allclose([pose.score for pose in poses], scores)
    assert np.abs([pose.keypoints for pose in poses] - points).max() < 1e-3


@pytest.mark.parametrize("keypoints_are_shares", [True, False])
@pytest.mark.parametrize(("form", "axis", "first"), [(raw, 1, 5), (suppressed, 2, 6)])
def test_shares_of_the_input_are_read_as_its_pixels(form, axis, first, keypoints_are_shares):
    """As Ultralytics' exports as TFLite state them; its older releases state only boxes so."""
    size = (640, 384)
    predictions = form(*people(5))
    expected = decode("yolo_pose", {"predictions": predictions}, size)
    rows = np.moveaxis(predictions.copy(), axis, -1)
    starts = range(first, rows.shape[-1], 3) if keypoints_are_shares else ()
    for start in (0, 2, *starts):
        rows[..., start : start + 2] /= size
    poses = decode("yolo_pose", {"predictions": np.moveaxis(rows, -1, axis)}, size)
    assert len(poses) == 5
    for pose, same in zip(poses, expected, strict=True):
        assert np.allclose(pose.box, same.box, atol=1e-3)
        assert np.allclose(pose.keypoints, same.keypoints, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "cells"),
    [((640, 640), 8400), ((640, 640), 25200), ((384, 256), 6120), ((128, 64), 168)],
)
def test_the_cells_of_an_input_are_rows_before_the_suppression(size, cells):
    boxes, scores, points = people(2)
    predictions = of_cells(boxes, scores, points, cells)
    poses = decode("yolo_pose", {"predictions": predictions}, size)
    assert np.allclose([pose.score for pose in poses], scores)
    assert np.allclose(poses[0].box, boxes[0].clip(0, [*size, *size]), atol=1e-3)


def without_grid(rows):
    """Rows of YOLOX-pose in pixels as ``decode_in_inference = False`` leaves them (YOLOXHeadKPTS)."""
    cells, strides = generate_cells(SIZE)
    rows = rows.copy()
    rows[0, :, :2] = rows[0, :, :2] / strides - cells
    rows[0, :, 2:4] = np.log(rows[0, :, 2:4].clip(1, None) / strides)
    for axis in (0, 1):
        rows[0, :, 6 + axis :: 3] = (
            rows[0, :, 6 + axis :: 3] / strides - cells[:, [axis]] + 0.5
        ) / 2
    shares = rows[0, :, 8::3].clip(1e-6, 1 - 1e-6)
    rows[0, :, 8::3] = np.log(shares / (1 - shares))
    return rows


def test_yolox_pose_without_its_grid_finds_the_same_people():
    rows = of_cells(*people(4), cells=8400)
    expected = decode("yolo_pose", {"predictions": rows}, SIZE)
    poses = decode("yolo_pose", {"predictions": without_grid(rows)}, SIZE)
    assert len(poses) == 4
    assert np.allclose([pose.box for pose in poses], [pose.box for pose in expected], atol=0.01)
    points = [pose.keypoints for pose in expected]
    assert np.abs([pose.keypoints for pose in poses] - np.array(points)).max() < 0.01


def test_options_limit_score_overlap_and_number():
    boxes, scores, points = people(5)
    maps = {"predictions": raw(boxes, scores, points)}
    assert len(decode("yolo_pose", maps, SIZE, max_overlap=1.0)) == 10
    assert len(decode("yolo_pose", maps, SIZE, min_score=0.65)) == 3
    assert len(decode("yolo_pose", maps, SIZE, max_people=2)) == 2


@pytest.mark.parametrize(("second", "classes"), [(0.8, [0, 1]), (0.0, [0])])
def test_people_of_different_classes_may_overlap(second, classes):
    boxes, scores, points = people(1)
    columns = raw(boxes, scores, points)
    scores_of_second = np.zeros((1, 1, columns.shape[2]), np.float32)
    scores_of_second[..., 11] = second  # the worse one beside the person
    columns[0, 4, 11] = 0.7
    maps = {"predictions": np.concatenate([columns[:, :5], scores_of_second, columns[:, 5:]], 1)}
    poses = decode("yolo_pose", maps, SIZE, classes=2)
    assert [pose.class_id for pose in poses] == classes


def test_values_that_are_not_finite_are_no_people():
    boxes, scores, points = people(3)
    points[1, 4] = np.nan
    scores[2] = np.inf
    assert len(decode("yolo_pose", {"predictions": suppressed(boxes, scores, points)}, SIZE)) == 1


@pytest.mark.parametrize("shape", [(1, 84, 8400), (1, 300, 8), (1, 5, 8400), (1, 300, 6)])
def test_other_outputs_are_refused(shape):
    with pytest.raises(InferenceError, match="yolo_pose: expected 5"):
        decode("yolo_pose", {"predictions": np.zeros(shape, np.float32)}, SIZE)


@pytest.mark.parametrize(
    ("shape", "decoder"),
    [
        ((1, 56, 8400), "yolo_pose"),
        ((1, 300, 57), "yolo_pose"),
        ((1, 83, 5040), "yolo_pose"),
        ((1, 25500, 57), "yolo_pose"),
        ((1, 8400, 85), "yolox"),
        ((1, 84, 8400), ""),
        ((1, 20, 21504), ""),  # rotated boxes
        ((1, 116, 8400), ""),  # masks
    ],
)
def test_an_export_is_recognized_by_its_shape(shape, decoder):
    fitting = (
        name for name, each in DECODERS.items() if each.recognize_outputs({"output0": shape})
    )
    assert next(fitting, "") == decoder


@pytest.mark.parametrize("rows", [20, 50, 56])
def test_few_rows_are_not_read_as_columns(rows):
    boxes, scores, points = people(5)
    predictions = suppressed(boxes, scores, points)[:, :rows]
    poses = decode("yolo_pose", {"predictions": predictions}, SIZE)
    assert len(poses) == 5
    assert np.allclose(poses[0].keypoints, points[0], atol=1e-3)
