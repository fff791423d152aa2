"""Keypoints are grouped to people by their tags."""

import warnings

import numpy as np
import pytest

from fakes import crowds
from posezoo import decode
from posezoo.poses.augmentation_merge import AugmentedOutputs, merge_embeddings
from posezoo.poses.keypoints import SKELETONS

pytest.importorskip("cv2")

SIZE = crowds.EMBEDDINGS_SIZE
WRIST = 9


TWO = ((150, 250, 300), (360, 250, 300))


def found(heatmaps, tags, **options):
    return decode(
        "associative_embedding", {"heatmaps": heatmaps, "embeddings": tags}, SIZE, **options
    )


def errors(poses, people):
    """(people, 17) distances in pixels from the nearest person."""
    points = np.array([pose.keypoints[:, :2] for pose in poses])
    apart = np.linalg.norm(people.joints[:, None] - points, axis=3)
    return apart[np.arange(len(people)), apart.mean(axis=2).argmin(axis=1)]


@pytest.mark.parametrize("nms_in_graph", [False, True])
def test_two_people_are_found_at_their_drawn_positions(nms_in_graph):
    people = crowds.standing(SIZE, *TWO)
    poses = found(*crowds.embedding_maps(people, 1, nms_in_graph=nms_in_graph))
    assert len(poses) == 2 and errors(poses, people).mean() < 0.2
    assert all(pose.skeleton == "coco-17" and 0.8 < pose.score <= 1 for pose in poses)


def test_a_second_tag_separates_people_of_equal_first_tags():
    people = crowds.standing(SIZE, *TWO)
    heatmaps, tags = crowds.embedding_maps(people, 1)
    alike = tags * 0.05
    mixed = found(heatmaps, np.stack([alike, alike], axis=-1))
    apart = found(heatmaps, np.stack([alike, tags], axis=-1))
    assert errors(apart, people).max() < 2 and len(apart) == 2
    assert len(mixed) == 2  # by the distance from the middle of each, since nothing else is left


@pytest.mark.parametrize("others", [0, 3])
def test_a_weak_wrist_is_found_by_its_persons_tag(others):
    """Below the threshold, and with people of lower scores around: whose tag is looked for is not mixed up."""
    places = [*TWO, (100, 60, 60), (260, 60, 60), (420, 60, 60)][: 2 + others]
    people = crowds.standing(SIZE, *places)
    heatmaps, tags = crowds.embedding_maps(people, 1, noise=0.005)
    x, y = (people.joints[0, WRIST] / 2).astype(int)
    heatmaps[0, WRIST, y - 10 : y + 11, x - 10 : x + 11] *= 0.08
    heatmaps[0, :, :60] *= 0.3  # the small ones
    poses = found(heatmaps, tags, min_score=0.35)
    assert len(poses) == 2
    assert errors(poses, people)[0, WRIST] < 3
    poses = found(heatmaps, tags, min_score=0.35, refine=False)
    assert [pose.keypoints[WRIST, 2] == 0 for pose in poses].count(True) == 1


def test_noise_is_no_wrist():
    people = crowds.standing(SIZE, *TWO)
    people.there[0, WRIST] = False
    poses = found(*crowds.embedding_maps(people, 1))
    missing = [pose for pose in poses if pose.keypoints[WRIST, 2] == 0]
    assert len(missing) == 1 and missing[0].keypoints[WRIST].tolist() == [0, 0, 0]


def one_sided(turns):
    """The neighbours of a maximum are high on one of its sides, and half as high as it in the mean."""
    return np.rot90([[0.99, 0.99, 0.99], [0.21, 1, 0.21], [0.21, 0.21, 0.21]], turns)


LAST = SIZE[0] // 2 - 1  # of the cells, which are 2 px wide


@pytest.mark.parametrize(
    ("row", "column", "cells", "is_found"),
    [
        (60, 60, np.full((3, 3), 0.5), True),
        (60, 60, np.full((3, 3), 0.49), False),
        *((60, 60, one_sided(turns), True) for turns in range(4)),
        *((row, column, np.full((3, 3), 0.5), True) for row in (0, LAST) for column in (0, LAST)),
    ],
)
def test_a_weak_wrist_needs_eight_neighbours_of_half_its_height(row, column, cells, is_found):
    heatmaps, tags = crowds.embedding_maps(crowds.standing(SIZE, TWO[0]), 1, noise=0)
    tag = tags[0, 0].flat[heatmaps[0, 0].argmax()]
    tags[0, WRIST] = tag + 10
    tags[0, WRIST, row, column] = tag
    around = np.zeros((LAST + 3, LAST + 3))
    around[row : row + 3, column : column + 3] = cells / 16
    around[row + 1, column + 1] = 1 / 16  # below the threshold
    heatmaps[0, WRIST] = around[1:-1, 1:-1]
    (pose,) = found(heatmaps, tags)
    assert (pose.keypoints[WRIST, 2] > 0) == is_found


def test_people_of_low_scores_and_beyond_the_limit_are_left_out():
    people = crowds.standing(SIZE, *TWO)
    heatmaps, tags = crowds.embedding_maps(people, 1)
    heatmaps[..., :128] *= 0.5
    assert len(found(heatmaps, tags)) == 2
    assert len(found(heatmaps, tags, min_score=0.6)) == 1
    assert len(found(heatmaps, tags, max_people=1)) == 1
    assert len(found(heatmaps, tags, min_keypoint_score=0.6)) == 1


def one_pass(heatmaps, tags, **kwargs):
    return AugmentedOutputs({"heatmaps": heatmaps[None], "embeddings": tags[None]}, **kwargs)


def test_passes_of_a_mirrored_image_and_other_scales_are_merged():
    people = crowds.standing(SIZE, *TWO)
    heatmaps, tags = (maps[0] for maps in crowds.embedding_maps(people, 1))
    order = np.arange(17)
    for left, right in SKELETONS["coco-17"].flip_pairs:
        order[left], order[right] = right, left
    mirrored = heatmaps[order][:, :, ::-1], tags[order][:, :, ::-1] + 7
    low = heatmaps.reshape(17, 128, 2, 128, 2).mean(axis=(2, 4))
    passes = [
        one_pass(heatmaps, tags),
        one_pass(*mirrored, mirrored=True),
        one_pass(low, tags[:, ::2, ::2], scale=0.5),
    ]
    merged = merge_embeddings(passes)
    assert merged["heatmaps"].shape == (1, 17, 256, 256) and merged["embeddings"].shape == (
        1,
        17,
        256,
        256,
        2,
    )
    assert np.allclose(merged["embeddings"][..., 0] + 7, merged["embeddings"][..., 1])
    assert np.allclose(merge_embeddings(passes[1:2])["heatmaps"][0], np.abs(heatmaps))
    poses = found(merged["heatmaps"], merged["embeddings"])
    assert len(poses) == 2 and errors(poses, people).mean() < 0.5


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_give_no_people(poison):
    people = crowds.standing(SIZE, *TWO)
    heatmaps, tags = crowds.embedding_maps(people, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tags[..., :100] = poison
        poses = found(heatmaps, tags)
        assert all(np.isfinite(pose.keypoints).all() for pose in poses)
        assert (
            min(
                np.linalg.norm(pose.keypoints[:, :2] - people.joints[1], axis=1).max()
                for pose in poses
            )
            < 2
        )
        heatmaps[:] = poison
        assert found(heatmaps, tags) == []
