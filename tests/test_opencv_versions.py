"""OpenCV 5 is in an environment of its own (``make build/demo-env-opencv5``), and finds the poses of OpenCV 4."""

import json
import os
import subprocess
import sys

import pytest

from conftest import ROOT
from fakes.command import run_process
from fakes.running import SRC
from fakes.warps import digest_of_samples

OPENCV_5 = ROOT / "build" / "demo-env-opencv5" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not OPENCV_5.is_file(), reason="needs OpenCV 5: make build/demo-env-opencv5"
)


def poses_of(python, folder, photos):
    """The version of this Python's OpenCV, and the poses that BlazePose finds in the photos."""
    code = "import cv2; print(cv2.__version__)"
    version = run_process([python, "-c", code], check=True)
    command = [python, "-m", "posezoo", "run", "blazepose-full", "-i", *photos, "-o", folder]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SRC)}, check=True, timeout=300)
    images = json.loads((folder / "poses.json").read_text("utf-8"))["images"]
    return version.stdout, [image["poses"] for image in images]


def test_opencv_4_and_5_find_the_same_poses(tmp_path, shared, blazepose, monkeypatch):
    """The detector sees a pixel that differs by one: the regions of its people move by up to 23 px."""
    monkeypatch.setenv("POSEZOO_WEIGHTS_DIR", str(blazepose.output_dir))
    photos = sorted((shared / "data" / "photos").glob("*.jpg"))
    version_4, expected = poses_of(sys.executable, tmp_path / "4", photos)
    version_5, found = poses_of(OPENCV_5, tmp_path / "5", photos)
    assert version_4.startswith("4.") and version_5.startswith("5.")
    assert sum(map(len, expected)) > 10 and found == expected


def test_opencv_4_and_5_warp_to_the_same_bits():
    code = "from fakes.warps import digest_of_samples; print(digest_of_samples(300))"
    paths = os.pathsep.join((str(SRC), str(ROOT / "tests")))
    warped = run_process(
        [OPENCV_5, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
    )
    assert warped.stdout.strip() == digest_of_samples(300)
