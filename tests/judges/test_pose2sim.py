"""Pose2Sim from the package index reads the files of ``run --format openpose``, and finds the people where we do."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes import seeker
from fakes.command import posezoo, read_json, run_process, succeeded
from judges.packages import python_of

SCRIPT = Path(__file__).with_name("run_pose2sim.py")

FRAMES = 20
#: Two equal cameras side by side, in pixels and meters.
FOCAL, MIDDLE, BASE = 100.0, 32.0, 0.4
#: Of the same point in both pictures, in pixels.
SHIFT = 8
CAMERA = """
[cam{number}]
name = "cam{number}"
size = [64.0, 64.0]
matrix = [[{focal}, 0.0, {middle}], [0.0, {focal}, {middle}], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0]
rotation = [0.0, 0.0, 0.0]
translation = [{x}, 0.0, 0.0]
fisheye = false
"""
NAMES = {
    "nose": "Nose",
    "right_wrist": "RWrist",
    "left_wrist": "LWrist",
    "left_shoulder": "LShoulder",
    "right_shoulder": "RShoulder",
    "right_ankle": "RAnkle",
    "left_ankle": "LAnkle",
    "left_knee": "LKnee",
}


def write_clip(path, left):
    """A spot that moves down."""
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (64, 64))
    for number in range(FRAMES):
        image = np.full((64, 64, 3), 30, np.uint8)
        writer.write(cv2.circle(image, (left, 20 + number), 5, (250, 250, 250), -1))
    writer.release()


def read_trc(path):
    """x, y, z of each marker in each frame, in meters; y is up in the file, and z up for Pose2Sim's cameras."""
    lines = path.read_text("utf-8").splitlines()
    names = lines[3].split("\t")[2::3]
    rows = np.array(
        [[float(text) for text in line.split("\t")[2:] if text] for line in lines[5:] if line]
    )
    return {
        name: rows[:, 3 * index : 3 * index + 3][:, [2, 0, 1]]
        for index, name in enumerate(filter(None, names))
    }


@pytest.mark.judge
def test_pose2sim_triangulates_our_keypoints_to_the_pixels_where_we_found_them(tmp_path):
    python = python_of("pose2sim-env")
    project = tmp_path / "project"
    for number in (1, 2):
        write_clip(tmp_path / f"cam{number}.avi", 36 - SHIFT * (number - 1))
    clips = [tmp_path / "cam1.avi", tmp_path / "cam2.avi"]
    ir = seeker.write_ir(tmp_path / "ir")
    words = ("--detector", "none", "--format", "openpose", "-o", project / "pose")
    succeeded(posezoo("run", ir, "-i", *clips, *words))
    (project / "calibration").mkdir()
    (project / "Config.toml").touch()
    cameras = [CAMERA.format(number=1, focal=FOCAL, middle=MIDDLE, x=0.0)]
    cameras.append(CAMERA.format(number=2, focal=FOCAL, middle=MIDDLE, x=-BASE))
    (project / "calibration" / "Calib.toml").write_text("".join(cameras), "utf-8")

    succeeded(run_process([python, SCRIPT, project], cwd=tmp_path))

    (trc,) = (project / "pose-3d").glob("*.trc")
    markers = read_trc(trc)
    for number, x in ((1, 0.0), (2, -BASE)):
        path = project / "pose" / f"cam{number}_poses.json"
        frames = read_json(path)["frames"]
        assert len(frames) == FRAMES
        for index, frame in enumerate(frames):
            points = {point["name"]: point for point in frame["poses"][0]["keypoints"]}
            for name, marker in NAMES.items():
                at = markers[marker][index] + [x, 0, 0]
                seen = at[:2] / at[2] * FOCAL + MIDDLE
                found = [points[name]["x"] - 0.5, points[name]["y"] - 0.5]
                assert np.abs(seen - found).max() < 0.01, (number, index, name)
