"""Models on videos with annotated people: a folder of frames, or a file."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fakes.coco import NAMES, PERSON, annotations, person, written
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import DatasetError, EvaluationError, ImageError
from posezoo.core.events import ignore_event
from posezoo.measure import coco
from posezoo.measure.evaluation.video_evaluation import evaluate_videos, open_videos
from posezoo.poses.keypoints import Pose, from_pixel_indices
from posezoo.run.runtime.runtime_config import VideoOptions

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

SIZE = 64, 48
FRAMES = 6


def at(x):
    """A person of 20 x 30 pixels at this place."""
    points = np.full((17, 3), 2.0)
    points[:, :2] = np.random.default_rng(0).uniform((x, 5), (x + 20, 35), (17, 2))
    return points


def walking(frames=FRAMES, **keys):
    """Two people, one of whom walks; frames are shades of grey by their number."""
    people = []
    for frame in range(frames):
        for number, place in enumerate((at(frame), at(40))):
            people.append(
                person(len(people) + 1, frame + 1, place, bbox=(0, 5, 20, 30), track_id=number)
            )
    content = annotations(frames, people, SIZE)
    for number, image in enumerate(content["images"]):
        image.update({"frame_id": number, "file_name": f"{number:06}.png", **keys})
    return content


def grey(number):
    return np.full((SIZE[1], SIZE[0], 3), 40 * number + 20, np.uint8)


def read(tmp_path, content, *, of_file=False, frames=FRAMES):
    folder = tmp_path / "frames"
    folder.mkdir(exist_ok=True)
    for number in range(frames):
        cv2.imwrite(str(folder / f"{number:06}.png"), grey(number))
    if of_file:
        folder = tmp_path / "walk.avi"
        video = cv2.VideoWriter(str(folder), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE)
        for number in range(frames):
            video.write(grey(number))
        video.release()
    return coco.read(written(tmp_path, content), folder)


class Seer:
    """Finds the people who are annotated in a frame, which it knows by its shade."""

    def __init__(self, dataset, skeleton="coco-17", numbers=lambda frame, track: track + 1):
        self.model = SimpleNamespace(own_skeleton=None, skeleton=skeleton, full_name="seer")
        self._dataset = dataset
        self._numbers = numbers
        self.seen = []

    def stream(self, frames, image, *, time_s, **options):
        assert options["is_video"] and options["track"]
        return nullcontext((frame, self._find(image(frame), time_s(frame))) for frame in frames)

    def _find(self, pixels, time_s):
        number = round((float(pixels.mean()) - 20) / 40)
        self.seen.append((number, round(time_s, 3)))
        poses = []
        for person_ in self._dataset.images[number].people:
            points = from_pixel_indices(person_.keypoints).astype(np.float32)
            points[:, 2] = 1
            track = self._numbers(number, person_.track)
            poses.append(Pose(points, "coco-17", 0.9, person_.corner_box[:4], track_id=track))
        return poses


def evaluate(dataset, seer=None, **kwargs):
    videos = open_videos(dataset, ignore_event)
    estimator = seer or Seer(dataset, **kwargs)
    options = VideoOptions(track=True)
    return evaluate_videos(estimator, dataset, videos, options, listener=ignore_event)


@pytest.mark.parametrize("of_file", [False, True])
def test_people_who_are_followed_through_frames_or_a_file_have_a_hota_of_1(tmp_path, of_file):
    dataset = read(tmp_path, walking(), of_file=of_file)
    seer = Seer(dataset)
    result = evaluate(dataset, seer)
    assert [number for number, _ in seer.seen] == list(range(FRAMES))
    # A file states its rate, 10; frames of a folder are 30 a second.
    assert seer.seen[3][1] == pytest.approx(0.3 if of_file else 0.1)
    counts = result.total.counts
    assert (counts.people, counts.found, counts.ghosts, counts.switches) == (12, 12, 0, 0)
    assert result.total.hota == pytest.approx({"HOTA": 1, "DetA": 1, "AssA": 1})
    assert len(result.results) == 12
    assert {each["track_id"] for each in result.results} == {1, 2}
    assert set(result.results[0]) >= {"image_id", "keypoints", "score"}


def test_numbers_that_change_are_switches(tmp_path):
    dataset = read(tmp_path, walking())
    result = evaluate(dataset, numbers=lambda frame, track: track + (10 if frame > 2 else 1))
    assert result.total.counts.switches == 2
    assert result.total.hota["AssA"] == pytest.approx(0.5)


def test_a_pose_without_a_number_is_a_track_of_its_own(tmp_path):
    dataset = read(tmp_path, walking())
    result = evaluate(dataset, numbers=lambda frame, track: track + 1 if frame > 1 else None)
    counts = result.total.counts
    # Two people, with another number in the second and in the third frame.
    assert (counts.found, counts.ghosts, counts.switches) == (12, 0, 4)
    # Of the four frames of its number 4 of 6, and of each of the first two 1 of 6.
    assert result.total.hota["AssA"] == pytest.approx((4 * 4 / 6 + 2 * 1 / 6) / 6)
    assert [each["track_id"] for each in result.results[:6]] == [None] * 4 + [1, 2]


def test_frames_are_in_the_order_of_their_numbers_and_videos_are_apart(tmp_path):
    content = walking()
    for number, image in enumerate(content["images"]):
        image["vid_id"] = "second" if number >= 3 else "first"
    content["images"].reverse()
    dataset = read(tmp_path, content)
    by_number = sorted(dataset.images, key=lambda image: image.frame)
    result = evaluate(dataset, Seer(SimpleNamespace(images=by_number)))
    assert [video.name for video in result.videos] == ["second", "first"]
    assert [video.counts.people for video in result.videos] == [6, 6]
    assert result.total.hota["HOTA"] == pytest.approx(1)
    videos = open_videos(dataset, ignore_event)
    assert [[image.frame for image in video.images] for video in videos] == [[3, 4, 5], [0, 1, 2]]


def test_frames_that_are_not_annotated_are_processed_and_do_not_count(tmp_path):
    content = walking()
    content["images"][2]["is_labeled"] = False
    seen = {each["id"] for each in content["images"]} - {3}
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] in seen]
    result = evaluate(read(tmp_path, content))
    assert (result.frames, result.total.frames, result.total.counts.people) == (6, 5, 10)

    # Of a file, those that are not listed; it is read up to the last one that is.
    content["images"] = [each for each in content["images"] if each["id"] in (1, 5)]
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] in (1, 5)]
    dataset = read(tmp_path, content, of_file=True)
    result = evaluate(dataset, Seer(read(tmp_path, walking())))
    assert (result.frames, result.total.frames, result.total.counts.found) == (5, 2, 4)


def test_without_tracks_only_people_and_ghosts_are_counted(tmp_path):
    content = walking()
    for each in content["annotations"]:
        del each["track_id"]
    dataset = read(tmp_path, content)
    result = evaluate(dataset, Seer(read(tmp_path, walking())))
    assert not result.has_tracks and not result.total.hota
    assert (result.total.counts.found, result.total.counts.ghosts) == (12, 0)


def test_some_people_without_a_track_are_refused(tmp_path):
    content = walking()
    del content["annotations"][5]["track_id"]
    with pytest.raises(DatasetError, match="1 of 12 people have no track_id, such as annotation 6"):
        evaluate(read(tmp_path, content))


def test_poses_of_crowds_and_of_people_without_keypoints_are_no_ghosts(tmp_path):
    content = walking()
    for each in content["annotations"]:
        if each["track_id"] == 1:
            each["iscrowd"] = 1
    dataset = read(tmp_path, content)
    counts = evaluate(dataset).total.counts
    assert (counts.people, counts.found, counts.ghosts) == (6, 6, 0)


def test_keypoints_of_posetrack_that_the_model_lacks_are_left_out(tmp_path):
    content = walking()
    names = list(NAMES)
    names[1:3] = ["head_bottom", "head_top"]  # PoseTrack has these for the eyes
    content["categories"] = [{**PERSON, "keypoints": names}]
    dataset = read(tmp_path, content)
    result = evaluate(dataset, Seer(read(tmp_path, walking())))
    assert result.left_out == ("head_bottom", "head_top")
    assert result.total.counts.found == 12
    assert result.total.hota["HOTA"] == pytest.approx(1)


def test_a_model_that_finds_none_of_the_keypoints_is_refused(tmp_path):
    dataset = read(tmp_path, walking())
    seer = Seer(dataset)
    seer.model.own_skeleton = Skeleton("hand", ("palm", "thumb"))
    with pytest.raises(EvaluationError, match="skeleton hand does not match the annotations"):
        evaluate(dataset, seer)


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        ({"frame_id": 60}, DatasetError, "frame 60 is annotated, and .*walk.avi has 6 frames"),
        ({"frame_id": 0}, DatasetError, "frame 0 is listed twice"),
        ({"frame_id": None, "file_name": "last.png"}, DatasetError, "last.png has no frame_id"),
        ({"video_id": 7}, DatasetError, "annotates 2 videos, and .*walk.avi is one"),
        ({"width": 65}, ImageError, "walk.avi: is 64x48, the annotations say 65x48"),
    ],
)
def test_annotations_that_do_not_fit_a_video_are_refused(tmp_path, change, error, problem):
    content = walking()
    content["images"][-1].update(change)
    dataset = read(tmp_path, content, of_file=True)
    with pytest.raises(error, match=problem):
        evaluate(dataset)


def test_the_frames_of_a_file_may_be_numbered_by_their_names_alone(tmp_path):
    content = walking()
    for image in content["images"]:
        del image["frame_id"]
    assert evaluate(read(tmp_path, content, of_file=True)).total.counts.found == 12


def test_missing_frames_are_named(tmp_path):
    content = walking(FRAMES + 1)
    with pytest.raises(EvaluationError, match=r"1 of 7 images are missing: 000006\.png"):
        evaluate(read(tmp_path, content))


@pytest.mark.parametrize(
    "keys", [{"track_id": 3}, {"instance_id": 3}, {"attributes": {"track_id": 3, "keyframe": True}}]
)
def test_tracks_are_read_as_posetrack_mmtracking_and_cvat_write_them(tmp_path, keys):
    content = walking()
    for each in content["annotations"]:
        del each["track_id"]
        each.update(keys)
    dataset = read(tmp_path, json.loads(json.dumps(content)))
    assert {each.track for image in dataset.images for each in image.people} == {3}
