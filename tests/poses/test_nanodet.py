"""NanoDet's boxes, compared with those of the published code."""

from pathlib import Path

import numpy as np
import pytest

from posezoo.core.errors import InferenceError
from posezoo.poses.decoders import decode, find_decoder

pytest.importorskip("cv2")

SIZE = (416, 320)


def random_maps():
    """Outputs for an input of 416x320 pixels, with few high scores."""
    random, maps = np.random.RandomState(2026), {}
    for stride in (8, 16, 32):
        cells = SIZE[0] * SIZE[1] // stride**2
        maps[f"scores_{stride}"] = (random.rand(1, cells, 80) ** 30).astype(np.float32)
        maps[f"distances_{stride}"] = (3 * random.randn(1, cells, 44)).astype(np.float32)
    return maps


def test_the_boxes_are_those_of_the_published_code():
    """nanodet_boxes.tsv was written by ``GFLHead.get_bboxes_single`` of RangiLyu/nanodet (commit 1079584) in PyTorch
    2.13 for the class person, with OpenVINO's NMS in place of torchvision's; its score threshold was 0.4.
    """
    expected = np.loadtxt(Path(__file__).with_name("nanodet_boxes.tsv"))
    poses = decode("nanodet", random_maps(), SIZE)
    assert len(poses) == len(expected) > 40
    assert np.allclose([[*pose.box, pose.score] for pose in poses], expected, atol=1e-4)
    assert all(pose.skeleton == "box" and len(pose.keypoints) == 0 for pose in poses)


def test_the_options_say_which_boxes_are_kept():
    some = decode("nanodet", random_maps(), SIZE)
    assert len(decode("nanodet", random_maps(), SIZE, min_box_score=0.8)) < len(some)
    assert len(decode("nanodet", random_maps(), SIZE, max_overlap=0.1)) < len(some)
    assert len(decode("nanodet", random_maps(), SIZE, min_box_score=0.0)) == 100
    with pytest.raises(InferenceError, match="max_overlap: expected 0 to 1, got 3"):
        decode("nanodet", random_maps(), SIZE, max_overlap=3.0)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["scores", "distances"])
def test_values_that_are_not_finite_give_no_people(kind, poison):
    maps = random_maps()
    best = int(maps["scores_8"][0, :, 0].argmax())
    score = float(maps["scores_8"][0, best, 0])
    assert score in [pose.score for pose in decode("nanodet", maps, SIZE)]
    maps[f"{kind}_8"][0, best, 0] = poison
    scores = [pose.score for pose in decode("nanodet", maps, SIZE)]
    assert scores and score not in scores and np.isfinite(scores).all()


@pytest.mark.parametrize(("side", "logits"), [(320, 32), (416, 32), (416, 44)])
def test_outputs_are_recognized_by_the_sizes_of_the_published_networks(side, logits):
    shapes = {}
    for stride in (8, 16, 32):
        cells = (side // stride) ** 2
        shapes[f"scores_{stride}"] = (1, cells, 80)
        shapes[f"distances_{stride}"] = (1, cells, logits)
    decoder = find_decoder("nanodet")
    assert decoder.match_outputs(shapes) == {name: name for name in shapes}
    for other in ((100, 80), (1, 100, 80, 1), (1, 99, 80), (1, 100, 81)):
        assert decoder.match_outputs(shapes | {"scores_32": other}) == {}
