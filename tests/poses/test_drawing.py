"""Poses are drawn at their positions, with lines relative to the image size."""

from dataclasses import replace

import numpy as np
import pytest

from fakes.people import standing_person
from posezoo.core.errors import ImageError
from posezoo.poses.drawing import draw, write_text
from posezoo.poses.keypoints import SKELETONS, Pose, bounding_box
from posezoo.poses.limb_drawing import keypoint_color, person_color

cv2 = pytest.importorskip("cv2")

SIZE = (640, 480)


def plain_image(value=0):
    return np.full((480, 640, 3), value, np.uint8)


def person(size=SIZE, x=320, y=60, height=380, score=0.9):
    keypoints = np.full((33, 3), score, np.float32)
    keypoints[:, :2] = standing_person(x, y, height)
    return Pose(keypoints, "blazepose-33", score, bounding_box(keypoints, size))


def test_a_notebook_shows_what_is_drawn():
    drawn = draw(plain_image(128), [person()])
    shown = cv2.imdecode(np.frombuffer(drawn._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown, drawn)
    large = draw(np.zeros((3000, 4000, 3), np.uint8), [])
    small = cv2.imdecode(np.frombuffer(large._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (768, 1024, 3)
    assert drawn[0]._repr_png_() is drawn.mean(axis=2)._repr_png_() is None


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda image: image[:, ::-1], id="mirrored"),
        pytest.param(lambda image: image[..., ::-1], id="RGB for BGR"),
        pytest.param(lambda image: image[..., 0], id="one channel"),
        pytest.param(
            lambda image: np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape), id="bytes"
        ),
    ],
)
def test_an_image_that_cannot_be_drawn_into_is_refused_but_its_copy_is_not(view):
    image = view(plain_image())
    people = [person()]
    for each in (people, []):
        with pytest.raises(ImageError, match="cannot be drawn into") as caught:
            draw(image, each, in_place=True)
        assert "in_place" in caught.value.hint
    assert draw(image, people).any()


@pytest.mark.parametrize("image", [None, [np.zeros((9, 9, 3), np.uint8)], 7])
def test_what_is_no_image_is_refused_by_its_type(image):
    with pytest.raises(ImageError, match=f"not {type(image).__name__}"):
        draw(image, [])
    with pytest.raises(ImageError, match=f"not into {type(image).__name__}"):
        draw(image, [], in_place=True)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint16, np.int64, bool])
def test_values_that_are_no_bytes_are_refused_by_name_with_a_hint(kind):
    image = plain_image().astype(kind)
    with pytest.raises(ImageError, match=f"uint8 from 0 to 255, .* {image.dtype}") as caught:
        draw(image, [person()])
    assert caught.value.hint
    with pytest.raises(ImageError, match="contiguous bytes"):
        draw(image, [person()], in_place=True)


def test_a_path_and_an_image_of_pillow_are_drawn_like_their_pixels(tmp_path):
    image_of_pillow = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), image)
    expected = draw(image, [person()])
    for each in (path, str(path), path.read_bytes(), image_of_pillow.fromarray(image[..., ::-1])):
        np.testing.assert_array_equal(draw(each, [person()]), expected)
    with pytest.raises(ImageError, match=r"missing\.png"):
        draw(tmp_path / "missing.png", [person()])


def test_what_is_drawn_into_an_image_with_alpha_is_opaque_and_the_rest_keeps_its_alpha():
    image = np.full((480, 640, 4), 90, np.uint8)
    image[..., 3] = np.arange(640) % 200
    drawn = draw(image, [person()])
    expected = draw(image[..., :3], [person()])
    np.testing.assert_array_equal(drawn[..., :3], expected)
    is_drawn = (expected != image[..., :3]).any(axis=2)
    assert is_drawn.any() and (drawn[is_drawn, 3] == 255).all()
    np.testing.assert_array_equal(drawn[~is_drawn, 3], image[~is_drawn, 3])
    assert cv2.imdecode(np.frombuffer(drawn._repr_png_(), np.uint8), -1).shape == drawn.shape


def test_one_pose_is_drawn_like_a_list_of_it():
    np.testing.assert_array_equal(draw(plain_image(), person()), draw(plain_image(), [person()]))


def test_joints_are_wider_than_limbs_and_have_a_light_edge():
    pose = person()
    drawn = draw(plain_image(), [pose])
    knee, ankle = pose.keypoints[[25, 27], :2]

    def width(place):
        return int(
            drawn[round(place[1]), round(place[0]) - 12 : round(place[0]) + 12].any(axis=1).sum()
        )

    assert width(knee) > 1.4 * width((knee + ankle) / 2)
    around = drawn[round(knee[1]) - 8 : round(knee[1]) + 8, round(knee[0]) - 8 : round(knee[0]) + 8]
    assert (around > 200).all(axis=2).any()


@pytest.mark.parametrize("ear", ["left_ear", "right_ear"])
@pytest.mark.parametrize("name", ["coco-17", "coco-wholebody-133", "halpe-26", "blazepose-33"])
def test_a_head_is_joined_to_the_body_and_its_lines_are_thin(name, ear):
    names = SKELETONS[name].keypoints
    keypoints = np.zeros((len(names), 3), np.float32)
    shoulder = ear.replace("ear", "shoulder")
    for each, place in (
        (ear, (200, 100)),
        (shoulder, (200, 300)),
        (shoulder.replace("shoulder", "elbow"), (200, 500)),
    ):
        keypoints[names.index(each)] = (*place, 0.9)
    drawn = draw(np.zeros((600, 600, 3), np.uint8), [Pose(keypoints, name, 0.9, (0, 0, 600, 600))])
    neck, arm = (drawn[row].any(axis=1).sum() for row in (200, 400))
    assert 0 < neck < arm


def test_of_several_people_each_has_a_color_and_the_sides_are_told():
    image = plain_image()
    two = [person(x=x) for x in (150, 450)]
    by_person, by_side = draw(image, two), draw(image, two, color="side")
    assert (draw(image, two[:1]) == draw(image, two[:1], color="side")).all()

    def shoulders(drawn):
        places = [pose.keypoints[at, :2].astype(int) for pose in two for at in (11, 12)]
        return [tuple(drawn[y, x]) for x, y in places]

    assert len(set(shoulders(by_person))) == 4
    assert len(set(shoulders(by_side))) == 2


def test_a_guess_is_fainter_than_what_is_sure():
    image = plain_image(128)
    x, y = person().keypoints[11, :2].astype(int)
    tones = [
        draw(image, [person(score=score)], min_score=0)[y, x].astype(int)
        for score in (0.1, 0.3, 0.9)
    ]
    changes = [abs(tone - 128).sum() for tone in tones]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_a_small_face_is_drawn_with_lines_and_is_not_filled():
    rows, columns = np.divmod(np.arange(468), 22)
    face = np.stack([columns, rows, np.ones(468)], axis=1).astype(np.float32)
    for spacing, is_filled in ((3, False), (20, True)):
        keypoints = face * (spacing, spacing, 1) + np.float32([20, 20, 0])
        pose = Pose(keypoints, "face-468", 0.9, bounding_box(keypoints, SIZE))
        no_limbs = replace(pose, own_skeleton=replace(SKELETONS["face-468"], limbs=()))
        assert draw(plain_image(), [pose]).any()
        assert draw(plain_image(), [no_limbs]).any() == is_filled


def test_the_fingers_of_a_hand_have_different_colors():
    names = SKELETONS["hand-21"].keypoints
    assert len({keypoint_color(name) for name in names if name.endswith("_tip")}) == 5
    assert keypoint_color("left_pinky") == keypoint_color("left_elbow")  # of BlazePose


@pytest.mark.parametrize(
    "option",
    [{"thickness": 9}, {"radius": 12}, {"boxes": True}, {"labels": False}, {"masks": False}],
)
def test_each_option_changes_the_drawing(option):
    image = plain_image(128)
    pose = replace(person(), track_id=3, mask=np.ones((480, 640), np.float32))
    assert (draw(image, [pose]) != draw(image, [pose], **option)).any()


def test_lines_grow_with_the_image():
    def share(scale):
        pose = person((512 * scale, 512 * scale), 256 * scale, 50 * scale, 400 * scale)
        return float(
            draw(np.zeros((512 * scale, 512 * scale, 3), np.uint8), [pose]).any(axis=2).mean()
        )

    assert share(1) > 0.02
    assert 0.5 < share(8) / share(1) < 1.1


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
    image = plain_image(128)
    plain = person()
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


def test_a_number_stands_over_its_own_person_if_an_ear_is_guessed_outside_of_the_image():
    image = plain_image(128)
    pose = person(x=120)
    pose.keypoints[8, :2] = 900, 300
    first, second = (draw(image, [replace(pose, track_id=number)]) for number in (1, 8))
    columns = np.flatnonzero((first != second).any(axis=2)[:60].any(axis=0))
    assert columns.min() > 60 and columns.max() < 180


def test_a_number_is_above_the_head_of_a_person_who_lies():
    image = plain_image(128)
    upright = person((480, 480), 240, 60, 380)
    keypoints = upright.keypoints[:, [1, 0, 2]]
    lying = replace(upright, keypoints=keypoints, box=bounding_box(keypoints, SIZE))
    first, second = (draw(image, [replace(lying, track_id=number)]) for number in (1, 8))
    is_different = (first != second).any(axis=2)
    x, y = keypoints[0, :2].astype(int)
    assert is_different[y - 80 : y - 20, x - 20 : x + 20].any()
    assert not is_different[: y - 100].any()


@pytest.mark.parametrize(("number", "is_drawn"), [(2, False), (3, True)])
def test_a_pose_of_fewer_than_three_visible_keypoints_is_not_drawn(number, is_drawn):
    image = plain_image(128)
    pose = person()
    keypoints = pose.keypoints.copy()
    keypoints[number:, 2] = 0.1
    few = replace(pose, keypoints=keypoints, track_id=1)
    assert (draw(image, [few]) != 128).any() == is_drawn
    assert (draw(image, [few], min_score=0.1) != 128).any()


def test_the_box_of_a_tracked_person_has_its_color_and_number():
    image = plain_image(128)
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


def luminance(color):
    """Of blue, green and red, 0..255, as WCAG 2.2 computes it."""
    shares = np.array(color) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.0722, 0.7152, 0.2126]


@pytest.mark.parametrize("number", range(1, 51))
def test_a_number_can_be_read_on_its_plate(number):
    drawn = draw(plain_image(90), [replace(person(), track_id=number)])
    rows, columns = np.nonzero((drawn == person_color(number)).all(axis=2))
    plate = drawn[rows.min() : rows.min() + 20, columns.min() : columns.max() + 1].reshape(-1, 3)
    own = luminance(person_color(number)) + 0.05
    letters = [luminance(color) + 0.05 for color in np.unique(plate, axis=0)]
    assert max(max(own, each) / min(own, each) for each in letters) >= 4.5


def test_the_label_of_each_hand_stands_at_its_hand():
    names = SKELETONS["hand-21"].keypoints
    hands = []
    for column in range(4):
        keypoints = np.full((len(names), 3), 0.9, np.float32)
        keypoints[:, 0] = 40 + 150 * column + np.arange(21) % 5 * 12
        keypoints[:, 1] = 200 + np.arange(21) // 5 * 20
        box = bounding_box(keypoints, SIZE)
        hands.append(Pose(keypoints, "hand-21", 0.9, box, label="left", label_score=0.9))
    alone = np.stack([draw(plain_image(), [each], color="person") for each in hands])
    written = draw(plain_image(), hands, color="person")
    np.testing.assert_array_equal(written[:190].any(axis=2), alone[:, :190].any(axis=(0, 3)))
