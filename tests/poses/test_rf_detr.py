"""RF-DETR Keypoint's queries. The scores are compared with the definition, by matrices.

On generated outputs rfdetr 1.11.2's PostProcess gives the same scores (4e-8) and keypoints (1e-7 px).
"""

import numpy as np

from posezoo import decode
from posezoo.poses.decoders import DECODERS

SIZE = (576, 576)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype(float)))


def queries(keypoints=17):
    rng = np.random.RandomState(1)
    rows = rng.normal(0, 1, (1, 100, keypoints, 8))
    rows[..., :2] = rng.rand(1, 100, keypoints, 2)
    return {
        "dets": rng.uniform(0.1, 0.6, (1, 100, 4)).astype(np.float32),
        "labels": rng.normal(0, 2, (1, 100, 2)).astype(np.float32),
        "keypoints": rows.astype(np.float32),
    }


def expected_scores(maps):
    """z / (1 + z), z = p m^-0.2, with m the weighted mean of the traces of inverse(L L^T)."""
    rows = maps["keypoints"][0].astype(float)
    factors = np.zeros((*rows.shape[:2], 2, 2))
    factors[..., 0, 0] = np.exp(rows[..., 4])
    factors[..., 1, 0] = rows[..., 5]
    factors[..., 1, 1] = np.exp(rows[..., 6])
    covariances = np.linalg.inv(factors @ factors.swapaxes(2, 3))
    traces = covariances.trace(axis1=2, axis2=3)
    means = np.average(traces, axis=1, weights=sigmoid(rows[..., 2]))
    strength = sigmoid(maps["labels"][0, :, 0]) * means**-0.2
    return strength / (1 + strength)


def test_scores_and_keypoints_are_those_of_the_definition():
    maps = queries()
    scores = expected_scores(maps)
    order = np.argsort(-scores)
    poses = decode("rf_detr", maps, SIZE, min_score=0.0)
    assert np.allclose([pose.score for pose in poses], scores[order], atol=1e-6)
    rows = maps["keypoints"][0, order]
    found = np.array([pose.keypoints for pose in poses])
    assert np.abs(found[..., :2] - rows[..., :2] * SIZE).max() < 1e-3
    assert np.allclose(found[..., 2], sigmoid(rows[..., 2]), atol=1e-6)
    assert {pose.skeleton for pose in poses} == {"coco-17"}


def test_the_minimum_score_and_values_that_are_not_finite():
    maps = queries()
    scores = expected_scores(maps)
    limit = float(np.sort(scores)[-10]) - 1e-6
    assert len(decode("rf_detr", maps, SIZE, min_score=limit)) == 10
    maps["keypoints"][0, scores.argmax(), 3, 0] = np.nan
    assert len(decode("rf_detr", maps, SIZE, min_score=limit)) == 9


def test_its_outputs_are_recognized():
    shapes = {name: array.shape for name, array in queries().items()}
    fitting = [name for name, each in DECODERS.items() if each.match_outputs(shapes)]
    assert fitting[0] == "rf_detr"


def test_detrpose_keeps_the_people_of_its_publisher():
    """In the graph the publisher sorts 60 queries by their scores, and takes those above a limit with any label."""
    rng = np.random.RandomState(2)
    maps = {
        "scores": np.sort(rng.rand(1, 60).astype(np.float32))[:, ::-1],
        "labels": rng.randint(0, 2, (1, 60)),
        "keypoints": (rng.rand(1, 60, 17, 2) * SIZE).astype(np.float32),
    }
    kept = maps["scores"][0] > 0.5
    poses = decode("detrpose", maps, SIZE)
    assert [pose.score for pose in poses] == [float(score) for score in maps["scores"][0, kept]]
    found = np.array([pose.keypoints for pose in poses])
    assert (found[..., :2] == maps["keypoints"][0, kept]).all()
    # The publisher gives keypoints no scores.
    assert (found[..., 2] == maps["scores"][0, kept, None]).all()
    assert {pose.keypoint_scores for pose in poses} == {"of the pose"}
