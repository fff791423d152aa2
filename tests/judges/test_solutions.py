"""The solutions of posezoo's stand-in for mediapipe, and those of MediaPipe itself, on the same photos and videos."""

import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fakes.command import posezoo_process, read_json, run_process, succeeded
from judges.agreement import Agreement
from judges.packages import mediapipe_python

SCRIPT = Path(__file__).with_name("run_solutions.py")

#: With videos: in three of them, the median of all distances is at most so many pixels.
VIDEO_PX = 0.5
#: Of photos: the median, and what 95 % of all distances do not exceed.
PHOTO_PX, PHOTO_PX_95 = 0.1, 1.0
#: How many hands or faces only one finds. Holistic looks for the face in a square around the eyes and ears of the body: if
#: these move by 0.02 px, the presence of a face of 20 px in 000000397133.jpg is between 0.18 and 0.95.
LONELY = {"holistic": 1}


def run(python, photos, out, **environ):
    succeeded(run_process([python, SCRIPT, *photos, out], env={**os.environ, **environ}))
    return read_json(out)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """The stand-in as pip installs it, without posezoo itself, which is imported from the checkout."""
    folder = tmp_path_factory.mktemp("stand-in")
    succeeded(posezoo_process("shims", "mediapipe", "--wheel", folder / "wheels"))
    (wheel,) = (folder / "wheels").glob("mediapipe-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


@pytest.fixture(scope="module")
def both(shared, mediapipe, stand_in, tmp_path_factory):
    """For each solution and image the key, what MediaPipe finds, and what we find."""
    pytest.importorskip("openvino", reason="needs openvino")
    folder = tmp_path_factory.mktemp("solutions")
    photos = sorted((shared / "data" / "photos").glob("*.jpg"))
    theirs = run(mediapipe_python(), photos, folder / "mediapipe.json")
    ours = run(sys.executable, photos, folder / "ours.json", PYTHONPATH=str(stand_in), **mediapipe)
    assert theirs.keys() == ours.keys()
    return [(key, theirs[key], ours[key]) for key in theirs]


def select(both, solution):
    return [(theirs, ours) for key, theirs, ours in both if key.partition("/")[0] == solution]


def groups_of(found):
    """(K, 2) of each person, hand or face in pixels, by the kind of group; no world landmarks."""
    groups = {}
    for name, points in found["groups"].items():
        if points and "world" not in name and name != "segmentation_mask":
            kind = groups.setdefault(name.partition("/")[0], {})
            kind[name] = np.array(points)[:, :2] * found["size"]
    return groups


@pytest.mark.parametrize(
    ("solution", "least"),
    [
        ("pose", 14),
        ("hands", 3),
        ("hands_lite", 3),
        ("face_mesh", 1),
        ("face_mesh_refined", 1),
        ("face_detection", 2),
        ("face_detection_full", 8),
        ("holistic", 25),
        ("pose_video", 80),
        ("hands_video", 100),
        ("face_mesh_video", 40),
        ("face_mesh_refined_video", 40),
        ("holistic_video", 150),
    ],
)
def test_the_same_landmarks_are_found_where_mediapipe_finds_them(both, solution, least):
    agreement = Agreement("mediapipe 0.10.21")
    for theirs, ours in select(both, solution):
        judged, found = groups_of(theirs), groups_of(ours)
        for kind in sorted({*judged, *found}):
            of_both = (list(each.get(kind, {}).values()) for each in (judged, found))
            agreement.add(*of_both)
    figures = agreement.figures()
    agreement.record(f"solutions_{solution}")
    distances = np.concatenate(agreement.distances)
    assert figures["both"] >= least, figures
    if solution.endswith("video"):
        # A landmark that moves by a hundredth of a pixel moves the next region, and so on.
        assert figures["both"] >= 0.95 * max(figures["judged"], figures["found"]), figures
        assert np.median(distances) <= VIDEO_PX, figures
    else:
        lonely = figures["judged"] + figures["found"] - 2 * figures["both"]
        assert lonely <= LONELY.get(solution, 0), figures
        assert np.median(distances) <= PHOTO_PX, figures
        assert np.percentile(distances, 95) <= PHOTO_PX_95, figures


def test_hands_and_faces_have_the_same_labels_and_scores(both):
    pairs = [
        pair
        for key, theirs, ours in both
        if "_video/" not in key
        for pair in zip(theirs["scores"], ours["scores"], strict=True)
    ]
    assert len(pairs) >= 18
    assert all(theirs[:2] == ours[:2] for theirs, ours in pairs)
    assert max(abs(theirs[2] - ours[2]) for theirs, ours in pairs) <= 0.01


def test_depths_visibilities_and_world_landmarks_are_those_of_mediapipe(both):
    for theirs, ours in select(both, "pose"):
        assert theirs["groups"].keys() == ours["groups"].keys()
        landmarks, world = (
            [np.array(each["groups"][name]) for each in (theirs, ours) if each["groups"][name]]
            for name in ("pose_landmarks", "pose_world_landmarks")
        )
        if landmarks:
            apart = np.abs(np.subtract(*landmarks))
            assert np.median(apart[:, 2]) <= 0.01 and apart[:, 3].max() <= 0.01
            assert np.median(np.abs(np.subtract(*world))) <= 0.005


@pytest.mark.parametrize(
    "solution", ["pose", "selfie_segmentation", "selfie_segmentation_landscape"]
)
def test_masks_are_those_of_mediapipe(both, solution):
    masks = [
        [each["groups"].get("segmentation_mask") for each in pair]
        for pair in select(both, solution)
    ]
    apart = [np.abs(np.subtract(*pair)).mean() for pair in masks if all(pair)]
    assert len(apart) >= 14
    assert np.median(apart) <= 1e-3 and max(apart) <= 0.01
