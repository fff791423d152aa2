"""BlazePose as posezoo runs it, and MediaPipe's own Pose, on the same pictures.

The pictures are real photos, and the part of them around each annotated person: so the networks see people of any
size, and people who are cut off.
"""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes.command import read_json
from fakes.moving_camera import film
from fakes.people import likeness
from judges.agreement import Agreement, record
from judges.packages import mediapipe_python
from posezoo.poses.keypoints import create_poses, to_pixel_indices
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions
from run.runtime.test_blazepose_pipeline import ASTRONAUT, BLAZEPOSE, CAMERA

SCRIPT = Path(__file__).with_name("run_mediapipe.py")
COUNT = 60
FRAMES = 90
MEDIAPIPE = "mediapipe 0.10.21"


@pytest.fixture(scope="module")
def pictures(shared, tmp_path_factory):
    """The photos with people, and then the annotated people with as much around them as they are wide and high."""
    photos = shared / "data" / "photos"
    annotations = read_json(photos / "person_keypoints.json")
    folder = tmp_path_factory.mktemp("pictures")
    files = {image["id"]: photos / image["file_name"] for image in annotations["images"]}
    people = [each for each in annotations["annotations"] if each["num_keypoints"]]
    kept = sorted({files[person["image_id"]] for person in people})
    for number, person in enumerate(people):
        photo = cv2.imread(str(files[person["image_id"]]))
        x, y, width, height = person["bbox"]
        left, top = (int(max(0, at)) for at in (x - width / 2, y - height / 2))
        part = photo[top : int(y + 1.5 * height), left : int(x + 1.5 * width)]
        kept.append(folder / f"{number}.png")
        cv2.imwrite(str(kept[-1]), part)
    return kept[:COUNT]


@pytest.fixture(scope="module")
def found(pictures, blazepose_irs):
    """Our people in each picture."""
    estimator = load_estimator(BLAZEPOSE, blazepose_irs)
    return [estimator(cv2.imread(str(picture))) for picture in pictures]


def ask_mediapipe(pictures, tmp_path, *flags):
    """MediaPipe's landmarks in each picture: (33, 7) of one person, or none."""
    out = tmp_path / "landmarks.json"
    command = [mediapipe_python(), SCRIPT, *flags, *pictures, out]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return [[np.array(landmarks)] if landmarks else [] for landmarks in read_json(out)]


def one_of_each(people):
    """The only person in each picture; (0,) if there is none."""
    return [found[0] if found else np.zeros(0) for found in people]


@pytest.fixture
def judged(recorded, tmp_path):
    """MediaPipe's landmarks in each picture: (33, 7), or (0,) if there is no person."""

    def find(name, pictures, *flags, columns=7):
        def ask():
            found = ask_mediapipe(pictures, tmp_path, *flags)
            return [[person[:, :columns] for person in people] for people in found]

        return one_of_each(recorded.people(f"mediapipe/{name}", MEDIAPIPE, ask).people)

    return find


def compared(found, landmarks):
    """For each picture in which both find people: our nearest pose, MediaPipe's landmarks that are visible, and their
    distances in pixels.
    """
    for poses, theirs in zip(found, landmarks, strict=True):
        if len(theirs) and poses:
            is_visible = theirs[:, 2] > 0.5
            apart = [np.hypot(*(pose.keypoints[:, :2] - theirs[:, :2]).T) for pose in poses]
            nearest = min(range(len(poses)), key=lambda place: np.median(apart[place][is_visible]))
            yield poses[nearest], theirs, apart[nearest][is_visible]


def record_landmarks(name, found, landmarks):
    """Keep figures of the visible landmarks of one person in each picture: MediaPipe finds no more."""
    agreement = Agreement(MEDIAPIPE)
    both = compared(found, landmarks)
    for poses, theirs in zip(found, landmarks, strict=True):
        if not (poses and len(theirs)):
            ours = [pose.keypoints[:, :2] for pose in poses[:1]]
            agreement.add([theirs[:, :2]] if len(theirs) else [], ours)
            continue
        pose, _, _ = next(both)
        visible = np.where(theirs[:, 2:3] > 0.5, theirs[:, :2], np.nan)
        agreement.add([visible], [pose.keypoints[:, :2]])
    agreement.record(name)


def test_mediapipe_finds_the_same_people(pictures, found, judged):
    """Its Python package gives 9 instead of 7 cells to the refinement: it drops the options of a calculator whose
    message it has not imported (see the next test), and 9 is the default. So some landmarks are a few pixels apart.
    """
    landmarks = judged("photos", pictures)
    record_landmarks("blazepose_mediapipe", found, landmarks)
    same = [
        bool(poses) == bool(len(theirs)) for poses, theirs in zip(found, landmarks, strict=True)
    ]
    assert len(same) == COUNT and np.mean(same) >= 0.95
    distances = [apart for _, _, apart in compared(found, landmarks)]
    assert len(distances) > 20
    assert np.median(np.concatenate(distances)) <= 1
    assert np.mean([np.median(apart) <= 2 for apart in distances]) >= 0.95


def test_the_landmarks_are_those_of_mediapipes_graph(pictures, found, judged):
    """With all options of the published graph."""
    landmarks = judged("photos-whole-graph", pictures, "--whole_graph")
    record_landmarks("blazepose_mediapipe_graph", found, landmarks)
    distances, scores, depths, worlds = [], [], [], []
    for pose, theirs, apart in compared(found, landmarks):
        distances.append(apart)
        scores.append(np.abs(pose.keypoints[:, 2] - theirs[:, 2]))
        depths.append(np.abs(pose.z - theirs[:, 3]))
        worlds.append(np.abs(pose.world - theirs[:, 4:]))
    assert np.median(np.concatenate(distances)) <= 0.1
    assert np.mean([apart.max() <= 2 for apart in distances]) >= 0.95
    assert np.median(scores) <= 0.001 and np.median(depths) <= 1 and np.median(worlds) <= 0.002


@pytest.mark.judge
def test_the_masks_are_those_of_mediapipe(pictures, mirror, blazepose_irs, tmp_path):
    """Also of the two sample photos: intersection over union of the pixels above 0.5, and the mean difference."""
    samples = [by_digest(mirror, sha384) for sha384 in (ASTRONAUT, CAMERA)]
    pictures = [*samples, *pictures]
    landmarks = one_of_each(ask_mediapipe(pictures, tmp_path, "--whole_graph", "--masks"))
    options = LoadOptions(decoder_options={"segmentation": True})
    estimator = load_estimator(BLAZEPOSE, blazepose_irs, options)
    found = [estimator(cv2.imread(str(picture))) for picture in pictures]
    masks = [
        np.load(tmp_path / f"landmarks.json.{place}.npy")
        for place, (poses, theirs) in enumerate(zip(found, landmarks, strict=True))
        if poses and len(theirs)
    ]
    overlaps, differences = [], []
    for mask, (pose, _, _) in zip(masks, compared(found, landmarks), strict=True):
        assert pose.mask.shape == mask.shape and pose.mask.dtype == np.float32
        ours, theirs = pose.mask > 0.5, mask > 0.5
        overlaps.append((ours & theirs).sum() / (ours | theirs).sum())
        differences.append(np.abs(pose.mask - mask).mean())
    assert len(overlaps) > 20
    figures = {
        "pictures": len(overlaps),
        "median": round(float(np.median(overlaps)), 4),
        "p5": round(float(np.percentile(overlaps, 5)), 4),
        "lowest": round(float(min(overlaps)), 4),
        "difference": round(float(np.mean(differences)), 5),
    }
    record("blazepose_masks", figures)
    assert figures["median"] >= 0.995 and figures["p5"] >= 0.99, figures
    assert figures["difference"] <= 0.001, figures


@pytest.fixture(scope="module")
def videos(photos, tmp_path_factory):
    """A camera that zooms and pans over each photo of one person who is nearly whole: files, frames and annotations."""
    films = []
    for photo, people in photos:
        if len(people) == 1 and people[0]["num_keypoints"] >= 12:
            folder = tmp_path_factory.mktemp("video")
            frames, truth = zip(*film(photo, people[0], FRAMES), strict=True)
            files = [folder / f"{place}.png" for place in range(FRAMES)]
            for file, frame in zip(files, frames, strict=True):
                cv2.imwrite(str(file), frame)
            films.append((files, frames, truth))
    assert len(films) >= 3
    return films


def nearness(videos, found):
    """How near the first pose of each frame is to the annotated person.

    The share of frames with an OKS of 0.5 or more; and of the labelled keypoints in them the median error, and the
    median of what the error changes from a frame to the next, which is the jitter: in pixels of 640 x 480.
    """
    likenesses, errors, changes = [], [], []
    for (_, _, truth), poses in zip(videos, found, strict=True):
        before = None
        for person, pose in zip(truth, poses, strict=True):
            alike = likeness(pose, person) if pose is not None else 0.0
            likenesses.append(alike)
            apart = None
            if alike >= 0.5:
                points = np.reshape(person["keypoints"], (17, 3))
                apart = to_pixel_indices(pose.coco_keypoints())[:, :2] - points[:, :2]
                apart[points[:, 2] == 0] = np.nan
                errors.append(np.hypot(*apart.T))
                if before is not None:
                    changes.append(np.hypot(*(apart - before).T))
            before = apart
    return {
        "found": round(float(np.mean(np.array(likenesses) >= 0.5)), 3),
        "error": round(float(np.nanmedian(np.concatenate(errors))), 2),
        "jitter": round(float(np.nanmedian(np.concatenate(changes))), 2),
    }


def to_poses(found):
    """The pose in each picture, in continuous coordinates, as ours are."""
    poses = []
    for landmarks in found:
        keypoints = landmarks[:, :3].astype(np.float32) if len(landmarks) else None
        pose = None
        if keypoints is not None:
            (pose,) = create_poses(keypoints[None], np.ones(1), "blazepose-33", (640, 480))
        poses.append(pose)
    return poses


def test_people_are_as_near_to_the_truth_as_mediapipes_alone_and_in_videos(
    videos, blazepose_irs, judged
):
    """Both find the person in each frame alone, and then as in a video: both follow the person from the frame before,
    and smooth.
    """
    estimator = load_estimator(BLAZEPOSE, blazepose_irs)

    def ours(frames, **options):
        return [poses[0] if poses else None for _, poses in estimator.stream(frames, **options)]

    def theirs(name, *flags):
        found = [
            judged(f"{name}-{place}", files, "--whole_graph", *flags, columns=3)
            for place, (files, _, _) in enumerate(videos)
        ]
        return [to_poses(each) for each in found]

    figures = {
        "mediapipe": theirs("frames"),
        "mediapipe_video": theirs("video", "--video"),
        "posezoo": [ours(frames) for _, frames, _ in videos],
        "posezoo_video": [ours(frames, is_video=True, smooth=True) for _, frames, _ in videos],
    }
    figures = {name: nearness(videos, found) for name, found in figures.items()}
    record("blazepose_videos", {"videos": len(videos), "frames": FRAMES, **figures})
    assert figures["posezoo"] == pytest.approx(figures["mediapipe"], rel=0.05), figures
    followed, ours_followed = figures["mediapipe_video"], figures["posezoo_video"]
    assert ours_followed["found"] >= followed["found"], figures
    assert ours_followed["error"] <= followed["error"] + 0.3, figures
    assert ours_followed["jitter"] <= followed["jitter"], figures
