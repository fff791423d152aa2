"""MediaPipe's .task files, zips of a detector and a landmark network, from a publisher's server to
poses. They are made of the two networks in ../shared, since no published .task file is there.
"""

import hashlib
import shutil

import numpy as np
import pytest
import yaml

from conftest import by_digest
from fakes.checkout import ROOT
from fakes.command import assert_success
from fakes.command import posezoo as run_posezoo
from fakes.files import zipped
from fakes.server import Server
from posezoo.core.registry import open_registry
from posezoo.media.images import read_image
from posezoo.run.runtime.loading import load_estimator

pytest.importorskip("cv2")


#: The networks of the published blazepose-full, by the name of the member that has them.
MEMBERS = {
    "pose_detector.tflite": "pose-detection-mediapipe",
    "pose_landmarks_detector.tflite": "pose-landmark-full-mediapipe",
}
#: A NASA portrait, by its SHA-384.
ASTRONAUT = "f1e156f84f0035b7605d3a41ebf40277770e4971e301822c37a0441e9707a14832af88b24dff68d4f5801eb3bf1f9ce3"


@pytest.fixture(scope="module")
def task_file(mirror):
    registry = open_registry()
    members = {}
    for member, name in MEMBERS.items():
        (file,) = registry.find(name).files
        members[member] = by_digest(mirror, file.checksum.value).read_bytes()
    return zipped(members)


@pytest.fixture(scope="module")
def published(task_file, tmp_path_factory):
    """A folder of models pinned to this file, and a function that runs posezoo there."""
    folder = tmp_path_factory.mktemp("tasks")
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    for path in (ROOT / "models/public").glob("pose_landmarker_*"):
        without_pages = shutil.ignore_patterns("*.md", "*.json")
        shutil.copytree(path, folder / "models/public" / path.name, ignore=without_pages)
    with Server() as server:
        for path in folder.glob("models/public/*/*/model.yml"):
            pin(path, task_file, server)
        yield (
            folder,
            lambda verb, *args: run_posezoo(
                verb, *args, "--models_dir", folder / "models", cwd=folder
            ),
        )


def pin(path, content, server):
    declared = yaml.safe_load(path.read_text("utf-8"))
    (file,) = declared["files"]
    file["source"] = server.serve(file["name"], content)
    file["size"] = len(content)
    file["checksum"]["value"] = hashlib.sha256(content).hexdigest()
    path.write_text(yaml.safe_dump(declared), "utf-8")


def test_a_task_file_becomes_two_proven_networks_that_find_the_same_pose(
    published, blazepose_irs, mirror, tmp_path
):
    folder, posezoo = published
    got = posezoo("get", "pose_landmarker_full", "-o", "out", "--precisions", "FP32,FP16", "-v")
    said = got.stdout + got.stderr
    assert got.returncode == 0, said
    # Two networks in two precisions.
    assert said.count("self-check passed") == 4 and "LiteRT" in said
    photo = read_image(by_digest(mirror, ASTRONAUT))
    irs = {path.stem: path for path in folder.glob("out/public/*/*/FP32/*.xml")}
    composite = open_registry().find("pose_landmarker_full")
    (pose,) = load_estimator(composite, irs)(photo)
    (same,) = load_estimator(open_registry().find("blazepose-full"), blazepose_irs)(photo)
    assert np.abs(pose.keypoints - same.keypoints).max() <= 0.1


def test_a_task_file_is_run_by_its_name(published, mirror):
    _, posezoo = published
    photo = by_digest(mirror, ASTRONAUT)
    ran = posezoo("run", "pose_landmarker_lite", "-i", photo, "-o", "found", "--weights_dir", "out")
    assert_success(ran)


def test_a_task_file_that_was_replaced_is_refused(published, task_file):
    folder, posezoo = published
    path = folder / "models/public/pose_landmarker_heavy/pose_landmarker_heavy-landmarks/model.yml"
    declared = yaml.safe_load(path.read_text("utf-8"))
    declared["files"][0]["checksum"]["value"] = hashlib.sha256(b"another").hexdigest()
    path.write_text(yaml.safe_dump(declared), "utf-8")
    refused = posezoo("download", "pose_landmarker_heavy-landmarks", "-o", "refused")
    assert refused.returncode == 1 and "SHA-256" in refused.stderr
    assert not [*folder.glob("refused/**/*.tflite")]
