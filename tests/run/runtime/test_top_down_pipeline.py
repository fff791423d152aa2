"""People are found, cut out, looked at one by one, and put back to where they are in the image.

Networks that were made here see coloured dots, so that it is known where every keypoint has to be; MoveNet and
person-detection-retail-0013 see real photos.
"""

import numpy as np
import pytest

from fakes.dots import COLORS, boxes_network, brightness_network, dots_network, dotted
from fakes.loaded_irs import load_ir
from posezoo.poses.heatmap import CONVENTIONS
from posezoo.poses.ssd_detection import Box
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig

pytest.importorskip("cv2")

IMAGE = (640, 480)


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dots")
    dots_network(folder)
    dots_network(folder, aligned=True)
    return folder


@pytest.fixture
def dots(networks, compiled_networks):
    runtime = RuntimeConfig(cache_dir=compiled_networks)

    def load(convention="dark", **options):
        xml = networks / ("aligned.xml" if convention == "udp" else "dots.xml")
        decoder_options = {**options, "convention": convention}
        return load_ir(xml, "heatmap", LoadOptions(runtime, decoder_options=decoder_options))

    return load


def draw_person(seed, x=320, y=240):
    """17 places, a few pixels off a grid, and the box around them: 240 x 160 px about (x, y)."""
    rng = np.random.default_rng(seed)
    grid = np.array([(column, row) for row in range(4) for column in range(5)][:17], float)
    middle = np.array([x, y]) + rng.uniform(-5, 5, 2)
    places = (grid - (2, 1.5)) * (50, 42) + rng.uniform(-8, 8, (17, 2)) + middle
    box = [middle - (120, 80), middle + np.array([120, 80])]
    return places, tuple(np.ravel(box).tolist())


def apart(pose, places):
    """How far off its worst keypoint is, in image pixels."""
    return np.abs(pose.keypoints[:, :2] - places).max()


def errors(dots, seeds, **where):
    """(len(seeds), 17, 2): how far off every keypoint is, in image pixels."""
    found = []
    for seed in seeds:
        places, box = draw_person(seed, **where)
        (pose,) = dots(dotted(IMAGE, places, 8), boxes=[box])
        assert (pose.keypoints[:, 2] > 0).all()
        found.append(pose.keypoints[:, :2] - places)
    return np.array(found)


# For each: how far off a keypoint may be, and all of them on average, in input pixels; a cell is 4 of them.
# Where nothing is added to the cell it is half a cell, with a quarter added a quarter.
_CELL, _QUARTER, _BETWEEN = (2.1, 0.3), (1.1, 0.15), (0.25, 0.05)
BOUNDS = {
    "argmax": _CELL,
    "quarter": _QUARTER,
    "dark": _BETWEEN,
    "udp": _BETWEEN,
    "gluoncv": _CELL,
    "gluoncv_validation": _QUARTER,
    "alphapose": _QUARTER,
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_keypoints_are_mapped_back_to_the_image(dots, convention):
    """Crops of 1.56 image pixels an input pixel at most: the box's 240 x 1.25 over 192."""
    off = errors(dots(convention), range(6)) / 1.5625
    max_count, mean = BOUNDS[convention]
    assert np.abs(off).max() < max_count
    assert np.abs(off.mean(axis=(0, 1))).max() < mean


def test_people_are_processed_one_by_one_highest_score_first(dots):
    (left, left_box), (right, right_box) = draw_person(0, x=150), draw_person(1, x=480)
    image = np.maximum(dotted(IMAGE, left, 8), dotted(IMAGE, right, 8))
    boxes = [(*left_box, 0.5), (*right_box, 0.8)]
    first, second = dots()(image, boxes=boxes)
    assert apart(first, right) < 0.5
    assert apart(second, left) < 0.5
    (alone,) = dots()(image, boxes=[right_box])
    assert first.score == pytest.approx(0.8 * alone.score)
    assert len(dots(max_people=1)(image, boxes=boxes)) == 1
    assert dots()(image, boxes=[]) == []


def test_one_person_in_two_boxes_is_one(dots):
    places, box = draw_person(0)
    image = dotted(IMAGE, places, 8)
    shifted = tuple(np.array(box) + 6)
    both = [(*box, 0.6), (*shifted, 0.7)]
    (pose,) = dots()(image, boxes=both)
    assert pose.score == pytest.approx(0.7, rel=0.2)
    assert len(dots(max_similarity=1.0)(image, boxes=both)) == 2


def test_a_detector_finds_the_boxes(dots, networks):
    places, (x0, y0, x1, y1) = draw_person(3)
    box = (x0 / 640, y0 / 480, x1 / 640, y1 / 480)
    detector = load_ir(boxes_network(networks, (*box, 0.9), (0, 0, 0.1, 0.1, 0.8), (*box, 0.4)))
    assert detector.decoder == "detection"
    topdown = dots().with_detector(detector)
    image = dotted(IMAGE, places, 8)
    (pose,) = topdown(image)  # in the second box is nobody, the third is unsure
    assert apart(pose, places) < 0.5 and pose.score <= 0.9
    assert topdown.input_size == (192, 256) and topdown.device == "CPU"
    (by_hand,) = topdown(image, boxes=[(x0, y0, x1, y1)])
    assert np.allclose(by_hand.keypoints, pose.keypoints, atol=0.01)


def test_the_limit_of_a_pair_is_for_the_boxes_of_its_detector(dots, networks):
    places, (x0, y0, x1, y1) = draw_person(3)
    box = (x0 / 640, y0 / 480, x1 / 640, y1 / 480)
    detector = load_ir(boxes_network(networks, (*box, 0.9)))
    image = dotted(IMAGE, places, 8)
    (pose,) = dots().with_detector(detector)(image)
    strict = dots().with_detector(detector, min_pose_score=pose.score + 0.01)
    assert strict(image) == []
    assert len(dots().with_detector(detector, min_pose_score=pose.score)(image)) == 1
    assert len(strict(image, boxes=[(x0, y0, x1, y1, 0.5)])) == 1


def walk_to_the_right(frames):
    """(frames) x the 17 places of one person, who goes 6 px to the right in each."""
    places, _ = draw_person(3, x=200)
    return [places + np.array([6 * number, 0]) for number in range(frames)]


def test_if_nobody_is_detected_the_whole_image_is_one_person_with_enough_score(dots, networks):
    nobody = load_ir(boxes_network(networks))
    places, _ = draw_person(3)
    image = dotted(IMAGE, places, 14)
    alone = dots()
    (first,) = alone(image)
    assert alone.with_detector(nobody)(image) == []
    (pose,) = alone.with_detector(nobody, whole_image=first.score)(image)
    assert pose.people_from == pose.to_json()["people_from"] == "the whole image"
    assert pose.detector_score is None and pose.score == pose.pose_score
    assert "people_from" not in first.to_json()
    too_much = np.nextafter(first.score, 1)
    assert alone.with_detector(nobody, whole_image=too_much)(image) == []


def test_a_second_look_at_the_whole_image_is_more_exact(dots, networks):
    nobody = load_ir(boxes_network(networks))
    places, _ = draw_person(4)
    image = dotted(IMAGE, places, 14)
    alone = dots()
    (first,) = alone(image)
    (second,) = alone.with_detector(nobody, whole_image=0.1)(image)
    off = [apart(pose, places) for pose in (first, second)]
    assert off[1] < off[0] / 2
    assert off[1] < 0.6


@pytest.mark.parametrize(("brightness", "count"), [(250, 1), (210, 1), (180, 0)])
def test_what_is_no_person_at_a_second_look_is_left_out(tmp_path, brightness, count):
    """The score is the brightness of the crop: at the second look, of the middle of the image."""
    image = np.full((320, 320, 3), 250, np.uint8)
    image[80:-80, 80:-80] = brightness
    alone = load_ir(brightness_network(tmp_path), "movenet")
    (first,) = alone(image)
    model = alone.with_detector(load_ir(boxes_network(tmp_path)), whole_image=first.score)
    assert len(model(image)) == count


def test_between_detections_the_boxes_follow_the_keypoints(dots, networks):
    """The detector sees the person at the place of the first frame in all of them."""
    walk = walk_to_the_right(12)
    topdown = dots().with_detector(detector_of(networks, walk[:1]))
    frames = [dotted(IMAGE, places, 8) for places in walk]
    scores = []
    with topdown.stream(frames, detect_every=20) as stream:
        for (_, (pose,)), places in zip(stream, walk, strict=True):
            assert apart(pose, places) < 0.6
            scores.append(pose.score)
    # The score is that of the detection, times that of the keypoints, in each frame.
    assert np.ptp(scores) < 0.05
    with topdown.stream(frames, detect_every=1) as stream:
        *_, (_, poses) = stream
    assert not poses or apart(poses[0], walk[-1]) > 20


def test_the_detector_runs_on_each_nth_frame_and_where_the_size_changes(
    dots, networks, monkeypatch
):
    (places,) = walk_to_the_right(1)
    detector = detector_of(networks, [places])
    detected = count_detections(detector, monkeypatch)
    topdown = dots().with_detector(detector)
    frame = dotted(IMAGE, places, 8)
    frames = [frame] * 7 + [frame[:470]] * 3
    with topdown.stream(frames, detect_every=3) as stream:
        assert [len(poses) for _, poses in stream] == [1] * 10
    # Frames 0, 3 and 6, and frame 7, whose size is another.
    assert sum(detected) == 4


def detector_of(networks, people):
    """A detector that sees people at these places in all frames."""
    boxes = [np.concatenate([each.min(axis=0) - 20, each.max(axis=0) + 20]) for each in people]
    shares = [(*(box / [*IMAGE, *IMAGE]).tolist(), 0.9) for box in boxes]
    return load_ir(boxes_network(networks, *shares))


def count_detections(detector, monkeypatch):
    """Gets a value for each inference: whether it is the detector's."""
    detected = []
    network = detector._pipeline.networks[0]
    infer = type(network).infer
    monkeypatch.setattr(
        type(network),
        "infer",
        lambda self, inputs: (detected.append(self is network), infer(self, inputs))[1],
    )
    return detected


def test_if_all_are_lost_the_detector_runs_on_the_next_frame(dots, networks, monkeypatch):
    (here,) = walk_to_the_right(1)
    detector = detector_of(networks, [here])
    detected = count_detections(detector, monkeypatch)
    topdown = dots().with_detector(detector)
    away = dotted(IMAGE, here + np.array([18, 0]), 8)
    frames = [dotted(IMAGE, here + np.array([6 * step, 0]), 8) for step in range(3)]
    frames += [away, np.zeros_like(away), frames[0], frames[0]]
    with topdown.stream(frames, detect_every=50) as stream:
        poses = [found for _, found in stream]
    # In the first frame, and in the one after the black one, in which somebody is again.
    assert sum(detected) == 2
    assert apart(poses[5][0], here) < 0.6


def test_one_of_two_who_is_lost_comes_back_with_the_next_detection(dots, networks):
    places = [draw_person(seed, x=x)[0] for seed, x in ((3, 160), (5, 480))]
    first, second = (dotted(IMAGE, each, 8) for each in places)
    both = np.maximum(first, second)
    topdown = dots().with_detector(detector_of(networks, places))
    with topdown.stream([both, first, both, both, both], detect_every=4) as stream:
        counts = [sum(pose.score > 0.5 for pose in poses) for _, poses in stream]
    assert counts == [2, 1, 1, 1, 2]


def test_where_nobody_is_the_detector_runs_on_each_frame(dots, networks, monkeypatch):
    (here,) = walk_to_the_right(1)
    detector = detector_of(networks, [here])
    detected = count_detections(detector, monkeypatch)
    frame = dotted(IMAGE, here, 8)
    frames = [np.zeros_like(frame)] * 4 + [frame] * 4
    with dots().with_detector(detector).stream(frames, detect_every=50) as stream:
        seen = [bool(poses and poses[0].score > 0.5) for _, poses in stream]
    assert seen == [False] * 4 + [True] * 4
    assert sum(detected) == 5


def test_a_stream_numbers_and_smooths_people_by_the_time_of_its_items(dots):
    rng, (places,) = np.random.default_rng(0), walk_to_the_right(1)
    items = [(number / 5, places + rng.normal(0, 2, places.shape)) for number in range(20)]

    def keypoints(**how):
        stream = dots().stream(items, lambda item: dotted(IMAGE, item[1], 14), **how)
        with stream:
            found = [poses for _, poses in stream]
        assert [pose.track_id for (pose,) in found] == [1 if how else None] * 20
        return np.array([pose.keypoints[:, :2] for (pose,) in found])

    plain, tracked = keypoints(), keypoints(track=True)
    np.testing.assert_array_equal(plain, tracked)
    slow = keypoints(smooth=True, time_s=lambda item: item[0])
    fast = keypoints(smooth=True)
    assert np.diff(fast, axis=0).std() < np.diff(slow, axis=0).std() < np.diff(plain, axis=0).std()


def test_a_mirrored_look_is_averaged_in(networks):
    """Left and right joints share a colour, so that a mirror changes nothing but the place."""
    colors = COLORS[[0, *(1 + pair for pair in range(8) for _ in range(2))]]
    folder = networks / "twins"
    folder.mkdir()
    xmls = [dots_network(folder, aligned=aligned, colors=colors) for aligned in (True, False)]
    places, box = draw_person(5)
    places[2::2] = places[1::2]
    image = dotted(IMAGE, places, 8, colors)
    exact = load_ir(
        xmls[0],
        "heatmap",
        LoadOptions(flip=True, decoder_options={"convention": "udp", "shift_flipped": False}),
    )
    (pose,) = exact(image, boxes=[box])
    assert apart(pose, places) < 0.5
    # Cells at every fourth pixel are mirrored to a place between: half an input pixel, says UDP's paper.
    once, twice = (
        load_ir(xmls[1], "heatmap", LoadOptions(flip=flip, decoder_options={"convention": "dark"}))(
            image, boxes=[box]
        )[0]
        for flip in (False, True)
    )
    moved = (twice.keypoints - once.keypoints)[:, :2] / 1.5625
    assert np.allclose(moved, (0.5, 0), atol=0.1)


def test_alphapose_is_shown_the_mean_around_the_box(networks):
    picture = _shown(networks, "alphapose", (300, 100, 350, 300))
    assert picture[128, 0].tolist() == [10, 20, 30] and picture[128, 96].tolist() == [200, 200, 200]
    assert _shown(networks, "dark", (-50, 100, 50, 300))[128, 0].tolist() == [0, 0, 0]


def _shown(networks, convention, box):
    """The first picture that the network is asked about, of a light image."""
    options = LoadOptions(
        mean=(10, 20, 30), scale=(1, 1, 1), decoder_options={"convention": convention}
    )
    estimator = load_ir(networks / "dots.xml", "heatmap", options)
    image = np.full((480, 640, 3), 200, np.uint8)
    (steps,) = next(estimator._pipeline.steps_for_boxes(image, [Box(*box)])).steps  # type: ignore[attr-defined]
    (picture,) = next(steps).inputs.values()
    return picture[0]


def test_a_box_outside_the_image_contains_nobody(dots):
    image = np.tile(COLORS[5].astype(np.uint8), (480, 640, 1))
    assert dots(convention="gluoncv")(image, boxes=[(0, 0, 640, 480)])
    assert dots(convention="gluoncv")(image, boxes=[(700, 10, 800, 200), (10, -90, 90, 0)]) == []
