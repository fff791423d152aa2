"""The outputs of BlazePose's networks are decoded to people."""

import math
import warnings

import numpy as np
import pytest

from fakes.people import Face, detector_outputs, landmark_maps, standing_person
from fakes.views import to_input
from posezoo.poses import blazepose
from posezoo.poses.blazeface import Detections, find_new, suppress_non_maxima
from posezoo.poses.blazepose import BlazePoseOptions, body_region, decode_faces
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import letterbox_transform, rotated_square_transform


def found(*faces, min_score=0.5, max_overlap=0.3, weighted=False):
    return decode_faces(
        *detector_outputs(*faces), BlazePoseOptions(min_score, max_overlap, weighted)
    )


def guesses(*rows):
    """Detections from (x0, y0, x1, y1, score)."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    keypoints = np.repeat(table[:, None, :2], 4, axis=1)
    return Detections(table[:, :4], keypoints, table[:, 4])


def test_anchors_are_cell_centres_of_three_grids():
    centres = blazepose.ANCHORS
    assert centres.shape == (2254, 2) and centres.dtype == np.float32
    for index in range(2254):
        start, stride, repeat = next(
            grid for grid in ((1960, 32, 6), (1568, 16, 2), (0, 8, 2)) if index >= grid[0]
        )
        row, column = divmod((index - start) // repeat, 224 // stride)
        assert tuple(centres[index]) == ((column + 0.5) * stride, (row + 0.5) * stride)


def test_a_drawn_face_is_found_at_its_position():
    face = Face(61.5, 83.25, size=40, score=0.8, hip=(70, 190), top=(55, -20))
    (box,), (keypoints,), (score,) = (lambda d: (d.boxes, d.keypoints, d.scores))(found(face))
    assert np.allclose(box, face.box, atol=1e-4)
    assert np.allclose(keypoints, [face.hip, face.top, face.hip, face.top], atol=1e-4)
    assert score == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("min_score", "expected"), [(0.5, 1), (0.3, 2), (0.0, 3), (1.0, 0)])
def test_the_threshold_decides_which_faces_count(min_score, expected):
    faces = [Face(40, 40, score=0.9), Face(120, 50, score=0.4), Face(190, 200, score=0.1)]
    boxes, logits = detector_outputs(*faces)
    logits[logits == -60] = -np.inf  # a threshold of zero asks for everybody else, too
    boxes[~np.isfinite(logits[..., 0])] = np.nan
    got = decode_faces(boxes, logits, BlazePoseOptions(min_score))
    assert len(got) == expected


def test_a_chain_of_faces_keeps_its_ends():
    """The middle one goes with the surest; what only the middle one touches stays."""
    chain = guesses((0, 0, 10, 10, 0.9), (4, 0, 14, 10, 0.8), (8, 0, 18, 10, 0.7))
    options = BlazePoseOptions(max_overlap=0.3, weighted=False)
    assert np.allclose(suppress_non_maxima(chain, options).boxes[:, 0], [0, 8])


def test_a_higher_minimum_leaves_out_faces_and_moves_none():
    outputs = detector_outputs(
        Face(100, 100, score=0.9), Face(109, 100, score=0.6), Face(180, 30, score=0.7)
    )
    low = decode_faces(*outputs, BlazePoseOptions(min_detection_score=0.5))
    high = decode_faces(*outputs, BlazePoseOptions(min_detection_score=0.8, averages_from=0.5))
    assert (len(low), len(high)) == (2, 1)
    np.testing.assert_array_equal(high.boxes, low.boxes[:1])
    np.testing.assert_array_equal(high.keypoints, low.keypoints[:1])
    # As MediaPipe does it, the face of 0.6 has no part in the average.
    alone = decode_faces(*outputs, BlazePoseOptions(min_detection_score=0.8))
    assert alone.boxes[0, 0] < low.boxes[0, 0]


def test_weighted_suppression_averages_by_score():
    kept = suppress_non_maxima(
        guesses((0, 0, 10, 10, 0.9), (2, 0, 12, 10, 0.3)),
        BlazePoseOptions(max_overlap=0.3, weighted=True),
    )
    assert np.allclose(kept.boxes, [[0.5, 0, 10.5, 10]])
    assert np.allclose(kept.keypoints, [[[0.5, 0]] * 4])
    assert np.allclose(kept.scores, [0.9])


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_left_out(poison):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        boxes, logits = detector_outputs(Face(40, 40), Face(150, 150))
        boxes[0, 2 * (28 * 5 + 5), 3] = poison
        assert len(decode_faces(boxes, logits, BlazePoseOptions(0.5))) == 1
        logits[:] = poison
        surest = decode_faces(boxes, logits, BlazePoseOptions(0.999))
        assert (len(surest) > 0) == (poison == math.inf)
        boxes[:] = poison
        assert len(decode_faces(boxes, logits, BlazePoseOptions(0.5))) == 0


@pytest.mark.parametrize("degrees", range(-180, 180, 15))
def test_the_region_turns_with_the_body(degrees):
    angle = math.radians(degrees)
    hip = np.array([300.0, 200.0])
    top = hip + 80 * np.array([math.sin(angle), -math.cos(angle)])
    view = body_region(hip, top)
    assert view is not None
    assert np.allclose(to_input(view, hip), [128, 128], atol=1e-3)
    # 80 px of a square of 2 x 1.25 x 80 px, straight up: 0.4 of 256 above the middle.
    assert np.allclose(to_input(view, top), [128, 128 - 0.4 * 256], atol=1e-3)


def test_regions_are_in_image_pixels():
    # Two image pixels for one; 56 rows of black above.
    view = letterbox_transform((448, 224), (224, 224))
    faces = found(Face(100, 90, hip=(100, 126), top=(100, 76))).to_image(view)
    (square,) = blazepose.body_regions(faces)
    corners = square.to_image(np.array([[0, 0], [256, 256]]))
    assert np.allclose(corners, [[200 - 125, 140 - 125], [200 + 125, 140 + 125]], atol=0.01)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (7000, 20), (1, 1)])
def test_the_quarters_show_the_whole_image_larger(size):
    whole, *quarters = blazepose.detector_views(size, quarters=True)
    assert np.array_equal(whole.matrix, letterbox_transform(size, (224, 224)).matrix)
    assert [view.scales for view in quarters] == [pytest.approx(np.array(whole.scales) / 0.6)] * 4
    places = np.mgrid[0:1:9j, 0:1:9j].reshape(2, -1).T * size
    seen = [places @ view.matrix[:, :2].T + view.matrix[:, 2] for view in quarters]
    inside = [((points > -1e-6) & (points < 224 + 1e-6)).all(axis=1) for points in seen]
    assert np.any(inside, axis=0).all() and not any(
        places.all() for places in inside[: size[0] != size[1]]
    )
    assert len(blazepose.detector_views(size, quarters=False)) == 1


def test_a_face_of_the_whole_image_is_kept_over_that_of_a_quarter():
    whole = guesses((0, 0, 10, 10, 0.5))
    quarters = guesses((50, 0, 60, 10, 0.6)), guesses((1, 0, 11, 10, 0.9), (51, 0, 61, 10, 0.8))
    for weighted in (False, True):
        merged = blazepose.merge_views((whole, *quarters), BlazePoseOptions(weighted=weighted))
        assert merged.boxes[:, 0].tolist() == [0, 51] and merged.scores == pytest.approx([0.5, 0.8])


@pytest.mark.parametrize("seed", range(10))
def test_landmarks_come_back_to_image_pixels(seed):
    rng = np.random.default_rng(seed)
    person = standing_person(*rng.uniform(-50, 900, 2), rng.uniform(40, 3000))
    scores = rng.uniform(0.01, 0.99, 33)
    view = rotated_square_transform(
        tuple(person[23:25].mean(axis=0)), rng.uniform(50, 4000), rng.uniform(-4, 4), (256, 256)
    )
    maps = landmark_maps(to_input(view, person), scores)
    pose = blazepose.decode_pose(maps, view, (900, 900))
    assert pose is not None
    keypoints = pose.keypoints
    assert keypoints.shape == (33, 3) and keypoints.dtype == np.float32
    assert np.allclose(keypoints[:, :2], person, atol=0.02)
    assert np.allclose(keypoints[:, 2], scores, atol=1e-5)


def test_a_pose_has_presence_for_score_and_a_box_inside_the_image():
    view = rotated_square_transform((320, 240), 600, 0, (256, 256))
    person = standing_person(320, -100, 700)
    maps = landmark_maps(to_input(view, person), np.full(33, 0.9), 0.75)
    pose = blazepose.decode_pose(maps, view, (640, 480))
    assert pose is not None and pose.score == 0.75 and pose.skeleton == "blazepose-33"
    assert pose.box == pytest.approx((320 - 112, 0, 320 + 112, 480), abs=0.1)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_pose_of_no_numbers_is_no_pose(poison):
    view = rotated_square_transform((320, 240), 600, 0, (256, 256))
    maps = landmark_maps(standing_person(128, 20, 200), np.full(33, 0.9), poison)
    assert blazepose.decode_pose(maps, view, (640, 480)) is None
    maps = landmark_maps(standing_person(128, 20, 200), np.full(33, 0.9))
    maps["landmarks"][0, 20 * 5] = poison
    assert blazepose.decode_pose(maps, view, (640, 480)) is None


def hill(x, y, likely):
    """(64, 64, 1): the logits of a heatmap with one hill, at this place in pixels of the input."""
    rows, columns = np.mgrid[:64, :64]
    squared = (columns - x / 4) ** 2 + (rows - y / 4) ** 2
    values = (likely * np.exp(-squared / 2)).clip(1e-6, 1 - 1e-6)
    return np.log(values / (1 - values))[..., None].astype(np.float32)


def refined(point, heatmap):
    return blazepose.refine_landmarks(np.array([point], np.float32), heatmap, (256, 256))[0]


def test_a_landmark_moves_to_the_hill_of_its_heatmap():
    assert np.allclose(refined((130, 61), hill(127, 64.5, 0.9)), (127, 64.5), atol=0.2)


def test_depth_has_the_scale_of_the_image_and_the_world_turns_with_the_region():
    view = rotated_square_transform((320, 240), 512, math.pi / 2, (256, 256))
    maps = landmark_maps(standing_person(128, 20, 200), np.full(33, 0.9))
    assert blazepose.decode_pose(maps, view, (640, 480)).world is None
    maps["landmarks"].reshape(39, 5)[:, 2] = np.arange(39)
    maps["world_landmarks"] = np.tile(np.float32([0.1, -0.5, 0.2]), 39)[None]
    pose = blazepose.decode_pose(maps, view, (640, 480))
    assert np.allclose(pose.z, 2 * np.arange(33))
    # The person lies: what is up in the region is right in the image.
    assert np.allclose(pose.world, [[0.5, 0.1, 0.2]] * 33)
    nose = pose.to_json()["keypoints"][0]
    assert list(nose) == ["name", "x", "y", "score", "z", "x_m", "y_m", "z_m"]
    assert (nose["z"], nose["x_m"]) == (0, pytest.approx(0.5))


def test_the_mask_is_a_probability_in_the_image_and_0_outside_the_region():
    """The region is 200 px wide; turned by a quarter, its upper half is right of the middle."""
    view = rotated_square_transform((320, 240), 200, math.pi / 2, (256, 256))
    maps = landmark_maps(standing_person(128, 20, 200), np.full(33, 0.9))
    assert blazepose.decode_pose(maps, view, (640, 480)).mask is None
    logits = np.full((1, 256, 256, 1), -2, np.float32)
    logits[:, :128] = 3
    maps["segmentation"] = logits
    pose = blazepose.decode_pose(maps, view, (640, 480))
    mask = pose.mask
    assert mask.shape == (480, 640) and mask.dtype == np.float32
    assert np.allclose(mask[145:335, 325:415], 1 / (1 + math.exp(-3)))
    assert np.allclose(mask[145:335, 225:315], 1 / (1 + math.exp(2)))
    assert not mask[:139].any() and not mask[342:].any()
    assert not mask[:, :219].any() and not mask[:, 422:].any()
    assert pose.to_json()["mask"]["size"] == [480, 640]


def test_one_person_found_twice_is_one():
    def at(x, score):
        keypoints = np.full((33, 3), 0.9, np.float32)
        keypoints[:, :2] = standing_person(x, 50, 300)
        return Pose(keypoints, "blazepose-33", score, (0, 0, 1, 1))

    people = [at(200, 0.8), at(206, 0.9), at(330, 0.7)]
    assert blazepose.find_distinct_poses(people, max_similarity=0.3) == [0, 2]
    assert blazepose.find_distinct_poses(people, max_similarity=1.0) == [0, 1, 2]
    assert blazepose.find_distinct_poses([], max_similarity=0.3) == []


def test_a_detected_person_is_new_if_no_followed_region_is_near():
    """Squares of 250 px: moved by 70 px they overlap by 0.56, by 100 px by 0.43."""

    def region(x, y, top=(0, -100)):
        return blazepose.body_region(np.array([x, y]), np.add((x, y), top))

    followed = [region(300, 300), region(900, 300)]
    known = [region(370, 300), region(900, 300, (100, 0))]
    new = [region(400, 300), region(600, 300), region(300, 300, (0, -50))]
    assert find_new(followed, [*known, *new], blazepose.region_bounds) == new
    assert find_new([], known, blazepose.region_bounds) == known
    assert find_new(followed, [], blazepose.region_bounds) == []
