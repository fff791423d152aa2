"""Poses are drawn at their positions, with lines relative to the image size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fakes.people import standing_person
from posezoo.core.errors import ImageError
from posezoo.poses.drawing import draw, write_text
from posezoo.poses.keypoints import SKELETONS, Pose, bounding_box, keypoint_color

cv2 = pytest.importorskip("cv2")


def person(size: tuple[int, int], x: float, y: float, height: float, score: float = 0.9) -> Pose:
    keypoints = np.full((33, 3), score, np.float32)
    keypoints[:, :2] = standing_person(x, y, height)
    return Pose(keypoints, "blazepose-33", score, bounding_box(keypoints, size))


def test_the_image_itself_stays_as_it_was():
    image = np.full((480, 640, 3), 128, np.uint8)
    drawn = draw(image, [person((640, 480), 320, 60, 380)])
    assert (image == 128).all() and (drawn != image).any()


def test_a_label_stays_below_the_upper_edge_of_the_image():
    image = np.zeros((480, 640, 3), np.uint8)
    nothing = np.zeros((0, 3), np.float32)
    pose = Pose(nothing, "class", 0.9, (0, 0, 640, 480), class_id=7, label="Tall")
    written = draw(image, [pose]).any(axis=2)
    assert written.any() and not written[:2].any()


def test_drawing_in_place_gives_the_same_result():
    image = np.full((480, 640, 3), 128, np.uint8)
    people = [person((640, 480), 320, 60, 380), person((640, 480), 400, 80, 300)]
    copy = draw(image, people)
    drawn = draw(image, people, in_place=True)
    assert drawn is image and (drawn == copy).all()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda image: image[:, ::-1], id="mirrored"),
        pytest.param(lambda image: image[..., ::-1], id="RGB for BGR"),
        pytest.param(lambda image: np.dstack([image, image[..., :1]])[..., :3], id="without alpha"),
        pytest.param(lambda image: np.broadcast_to(image[..., :1], image.shape), id="grey"),
        pytest.param(lambda image: image[..., 0], id="one channel"),
        pytest.param(
            lambda image: np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape), id="bytes"
        ),
    ],
)
def test_an_image_that_cannot_be_drawn_into_is_refused_but_its_copy_is_not(view):
    image = view(np.zeros((480, 640, 3), np.uint8))
    people = [person((640, 480), 320, 60, 380)]
    for each in (people, []):
        with pytest.raises(ImageError, match="cannot be drawn into") as caught:
            draw(image, each, in_place=True)
        assert "in_place" in caught.value.hint
    assert (draw(image, people) != image).any()


@pytest.mark.parametrize("image", ["photo.jpg", None, [np.zeros((9, 9, 3), np.uint8)]])
def test_what_is_no_array_is_refused_by_its_type(image):
    with pytest.raises(ImageError, match=f"not into {type(image).__name__}") as caught:
        draw(image, [])
    assert "cv2.imread" in caught.value.hint


def test_a_part_of_an_image_can_be_drawn_into():
    whole = np.zeros((600, 800, 3), np.uint8)
    draw(whole[60:540, 80:720], [person((640, 480), 320, 60, 380)], in_place=True)
    assert whole[60:540, 80:720].any()
    whole[60:540, 80:720] = 0
    assert not whole.any()


def test_every_joint_has_its_colour_at_its_place():
    pose = person((640, 480), 320, 60, 380)
    drawn = draw(np.zeros((480, 640, 3), np.uint8), [pose])
    for name in ("left_shoulder", "right_wrist", "left_knee", "right_ankle"):
        index = SKELETONS["blazepose-33"].keypoints.index(name)
        x, y = pose.keypoints[index, :2].astype(int)
        assert tuple(drawn[y, x]) == keypoint_color(name)


def test_limbs_run_between_their_joints():
    pose = person((640, 480), 320, 60, 380)
    drawn = draw(np.zeros((480, 640, 3), np.uint8), [pose])
    middle = pose.keypoints[[25, 27], :2].mean(axis=0).astype(int)  # left knee, left ankle
    assert tuple(drawn[middle[1], middle[0]]) == keypoint_color("left_knee")


def test_nothing_is_drawn_far_from_the_person():
    drawn = draw(np.zeros((480, 640, 3), np.uint8), [person((640, 480), 320, 60, 380)])
    assert drawn.any() and not drawn[:, :230].any() and not drawn[:, 410:].any()


def test_keypoints_that_do_not_count_are_left_out():
    image = np.zeros((480, 640, 3), np.uint8)
    unsure = person((640, 480), 320, 60, 380, score=0.4)
    assert not draw(image, [unsure]).any()
    assert draw(image, [unsure], min_score=0.3).any()


def test_lines_grow_with_the_image():
    def share(scale: int) -> float:
        pose = person((512 * scale, 512 * scale), 256 * scale, 50 * scale, 400 * scale)
        return float(
            draw(np.zeros((512 * scale, 512 * scale, 3), np.uint8), [pose]).any(axis=2).mean()
        )

    assert share(1) > 0.02
    assert 0.5 < share(8) / share(1) < 1.1


def test_small_people_in_a_large_image_have_thin_lines():
    pose = person((4000, 3000), 2000, 1000, 120)
    drawn = draw(np.zeros((3000, 4000, 3), np.uint8), [pose]).any(axis=2)
    assert 0 < drawn.sum() < 0.25 * 120 * 120


@pytest.mark.parametrize("place", [1e9, -1e9, np.nan, np.inf])
def test_keypoints_beyond_all_bounds_are_no_trouble(place):
    pose = person((640, 480), 320, 60, 380)
    pose.keypoints[15] = [place, place, 0.9]
    assert draw(np.zeros((480, 640, 3), np.uint8), [pose]).any()


def test_an_image_without_people_is_unchanged():
    image = np.full((4, 5, 3), 9, np.uint8)
    assert np.array_equal(draw(image, []), image)


@pytest.mark.parametrize("name", ["halpe-26", "coco-wholebody-133", "crowdpose-14", "keypoints-21"])
def test_every_keypoint_of_a_larger_or_unknown_set_is_drawn(name):
    count = len(SKELETONS[name].keypoints)
    places = np.random.default_rng(0).permutation(25 * 18)[:count]
    keypoints = np.stack([places % 25, places // 25, np.ones(count)], axis=1).astype(np.float32)
    keypoints[:, :2] = 25 * keypoints[:, :2] + 20.5
    image = np.zeros((480, 660, 3), np.uint8)
    drawn = draw(image, [Pose(keypoints, name, 0.9, bounding_box(keypoints, (660, 480)))])
    x, y = keypoints[:, :2].astype(int).T
    assert drawn[y, x].any(axis=1).all()


def test_people_who_are_tracked_have_a_color_and_a_number_of_their_own():
    image = np.full((480, 640, 3), 128, np.uint8)
    plain = person((640, 480), 320, 60, 380)
    first, second = (replace(plain, track_id=number) for number in (1, 2))
    pictures = [draw(image, [each]) for each in (plain, first, second)]
    body = (slice(150, 400), slice(250, 400))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (pictures[one][body] != pictures[other][body]).any(axis=2).mean() > 0.02
    # The number stands above the head, also where the head touches the border of the image.
    head = (slice(0, 30), slice(280, 360))
    assert (pictures[0][head] == 128).all() and (pictures[1][head] != 128).any()
    assert (pictures[1][head] != pictures[2][head]).any()
    high = [
        replace(each, keypoints=each.keypoints - np.float32([0, 55, 0])) for each in (first, second)
    ]
    one, other = (draw(image, [each])[:40, 280:360] for each in high)
    assert (one != other).all(axis=2).any()


def test_a_number_is_above_the_head_of_a_person_who_lies():
    image = np.full((480, 640, 3), 128, np.uint8)
    upright = person((480, 480), 240, 60, 380)
    keypoints = upright.keypoints[:, [1, 0, 2]]
    lying = replace(upright, keypoints=keypoints, box=bounding_box(keypoints, (640, 480)))
    first, second = (draw(image, [replace(lying, track_id=number)]) for number in (1, 8))
    is_different = (first != second).any(axis=2)
    x, y = keypoints[0, :2].astype(int)
    assert is_different[y - 80 : y - 20, x - 20 : x + 20].any()
    assert not is_different[: y - 100].any()


@pytest.mark.parametrize(("number", "is_drawn"), [(2, False), (3, True)])
def test_a_pose_of_fewer_than_three_visible_keypoints_is_not_drawn(number, is_drawn):
    image = np.full((480, 640, 3), 128, np.uint8)
    pose = person((640, 480), 320, 60, 380)
    keypoints = pose.keypoints.copy()
    keypoints[number:, 2] = 0.1
    few = replace(pose, keypoints=keypoints, track_id=1)
    assert (draw(image, [few]) != 128).any() == is_drawn
    assert (draw(image, [few], min_score=0.1) != 128).any()


def test_the_box_of_a_tracked_person_has_its_color_and_number():
    image = np.full((480, 640, 3), 128, np.uint8)
    box = Pose(np.zeros((0, 3), np.float32), "box", 0.9, (200, 100, 300, 400))
    plain, tracked = draw(image, [box]), draw(image, [replace(box, track_id=7)])
    assert (plain[250, 195:206] != tracked[250, 195:206]).any()
    assert (tracked[60:96, 230:270] != 128).any()


@pytest.mark.parametrize("scale", [0.8, 3])
def test_letters_lie_on_an_edge_of_another_color(scale):
    """OpenCV 5 has other letters than OpenCV 4."""
    canvas = np.full((150, 1100, 3), (255, 0, 0), np.uint8)
    write_text(canvas, "Latency: 12.1 ms", (20, 110), scale, (255, 255, 255), (0, 0, 0))
    blue, _, red = canvas.astype(int).transpose(2, 0, 1)
    letters = (red > 200).astype(np.uint8)
    beside = cv2.dilate(letters, np.ones((3, 3))) > 0
    assert letters.sum() > 200 and (blue - red)[beside].max() < 100


@pytest.mark.parametrize("size", [(200, 100), (100, 50)])
def test_a_mask_tints_its_pixels_and_no_others(size):
    """A reduced picture has the mask of the image."""
    mask = np.zeros((100, 200), np.float32)
    mask[20:80, 40:120] = 1
    image = np.full((*size[::-1], 3), 128, np.uint8)
    pose = replace(person((200, 100), 80, 30, 40, score=0), mask=mask)
    is_changed = (draw(image, [pose]) != image).any(axis=2)
    inside = cv2.resize(mask, size) > 0
    beside = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))) > 0
    assert is_changed[inside].all() and not is_changed[~beside].any()


def test_people_with_masks_have_different_colors():
    masks = np.zeros((2, 100, 200), np.float32)
    masks[0, 20:80, 20:80] = masks[1, 20:80, 120:180] = 1
    nobody = person((200, 100), 80, 30, 40, score=0)
    drawn = draw(np.full((100, 200, 3), 128, np.uint8), [replace(nobody, mask=m) for m in masks])
    assert (drawn[50, 50] != drawn[50, 150]).any()
    empty = replace(nobody, mask=np.zeros((100, 200), np.float32))
    assert (draw(drawn, [empty]) == drawn).all()
