"""posezoo shims mediapipe: what pip makes of its wheels, and what scripts find."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename

from fakes.command import posezoo, refusal, run_process, succeeded
from posezoo.omz.model_optimizer import stand_in_version

VERSION = version("posezoo")
STAND_IN_VERSION = stand_in_version("0.10.21")
STAND_IN = f"mediapipe-{STAND_IN_VERSION}-py3-none-any.whl"
POSEZOO = f"posezoo-{VERSION}-py3-none-any.whl"
NOT_HERE = "is not in posezoo's stand-in for mediapipe: "


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    written = posezoo("shims", "mediapipe", cwd=folder)
    assert (written.returncode, written.stderr) == (0, "")
    first, second, use, warning, opencv = written.stdout.splitlines()
    assert (first, second) == (f"wheels/{POSEZOO}", f"wheels/{STAND_IN}")
    assert use == f'Use: PIP_FIND_LINKS={folder / "wheels"} pip install "mediapipe==0.10.21"'
    assert "never publish" in warning
    assert "opencv-contrib-python 4, whose files replace those of another OpenCV package" in opencv
    return folder / "wheels"


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """PYTHONPATH with the stand-in as pip installs it, and caches without models."""
    prefix = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    environ = {**os.environ, "PIP_FIND_LINKS": str(wheels), "HOME": str(prefix)}
    command = [*pip, "--prefix", prefix, "mediapipe==0.10.21"]
    succeeded(run_process(command, env=environ))
    places = sysconfig.get_paths(vars={"base": str(prefix), "platbase": str(prefix)})
    return {"PYTHONPATH": places["purelib"], "XDG_CACHE_HOME": str(prefix / "cache")}


def python(installed, code):
    return run_process([sys.executable, "-c", code], env={**os.environ, **installed})


def members_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {path: archive.read(path).decode() for path in archive.namelist()}


def test_the_stand_in_is_private_and_brings_no_old_numpy(wheels):
    metadata = members_of(wheels / STAND_IN)[f"mediapipe-{STAND_IN_VERSION}.dist-info/METADATA"]
    assert f"Name: mediapipe\nVersion: {STAND_IN_VERSION}\n" in metadata
    assert "\nClassifier: Private :: Do Not Upload\n" in metadata
    assert re.findall(r"Requires-Dist: (.*)", metadata) == [
        f"posezoo[convert]=={VERSION}",
        "opencv-contrib-python>=4.8,<5",
    ]


def test_the_upgrade_of_the_page_takes_the_stand_in_and_not_mediapipe_1(wheels, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "howto" / "installing.md").read_text("utf-8")
    (command,) = re.findall(r"`(pip install[^`]*mediapipe==[^`]*)`", page)
    words = shlex.split(command)[2:]
    assert words[:3] == ["--upgrade", "--find-links", "wheels"]
    shutil.copytree(wheels, tmp_path / "wheels")
    with zipfile.ZipFile(tmp_path / "wheels" / "mediapipe-1.0-py3-none-any.whl", "w") as newer:
        metadata = "Metadata-Version: 2.1\nName: mediapipe\nVersion: 1.0\n"
        newer.writestr("mediapipe-1.0.dist-info/METADATA", metadata)
        newer.writestr("mediapipe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-index", "--no-deps", "-d", "taken"]
    for requirement, taken in ((words[-1], STAND_IN), ("mediapipe", "mediapipe-1.0-")):
        download = [*pip, *words[1:3], requirement]
        subprocess.run(download, cwd=tmp_path, check=True, capture_output=True)
        (wheel,) = (tmp_path / "taken").iterdir()
        assert wheel.name.startswith(taken)
        wheel.unlink()


@pytest.mark.parametrize("release", ["0.8.11", "0.10.9"])
def test_it_satisfies_the_release_that_a_script_requires(tmp_path, release):
    succeeded(posezoo("shims", "mediapipe", "--wheel", tmp_path, "--wheel_version", release))
    (wheel,) = tmp_path.glob("mediapipe-*")
    _, built, _, _ = parse_wheel_filename(wheel.name)
    assert SpecifierSet(f"=={release}").contains(built)
    assert f"__version__ = '{release}'" in members_of(wheel)["mediapipe/__init__.py"]


@pytest.mark.parametrize(
    ("release", "problem"),
    [
        ("1.0", "mediapipe 1.0 has no solutions; 0.8 to 0.10.21 have them"),
        ("0.10.30", "mediapipe 0.10.30 has no solutions; 0.8 to 0.10.21 have them"),
        ("new", "expected a release such as 0.10.21, got 'new'"),
        ("", "expected a release such as 0.10.21, got ''"),
    ],
)
def test_a_release_without_solutions_is_refused(tmp_path, release, problem):
    assert refusal(
        posezoo("shims", "mediapipe", "--wheel", tmp_path / "new", "--wheel_version", release),
        code=2,
    ).startswith(f"posezoo shims: error: argument --wheel_version: {problem}\n")
    assert not (tmp_path / "new").exists()


def test_scripts_find_the_solutions_by_all_their_names(installed):
    code = """
import mediapipe as mp
import pickle
import sys
assert not {"numpy", "cv2", "openvino", "posezoo"} & set(sys.modules)
from mediapipe.python.solutions import drawing_styles, hands as mp_hands
from mediapipe.python.solutions.drawing_utils import _normalized_to_pixel_coordinates as to_pixel
from mediapipe.python.solutions.drawing_utils import _BGR_CHANNELS, _VISIBILITY_THRESHOLD
from mediapipe.python.solutions.drawing_styles import _POSE_LANDMARKS_LEFT, _THICKNESS_DOT
from mediapipe.framework.formats import landmark_pb2, detection_pb2, classification_pb2
import mediapipe.python.solutions.face_mesh_connections as connections
assert mp_hands is mp.solutions.hands and mp.__version__ == "0.10.21"
assert mp.solutions.holistic.POSE_CONNECTIONS == mp.solutions.pose.POSE_CONNECTIONS
assert mp.solutions.face_mesh.FACEMESH_IRISES == connections.FACEMESH_IRISES
assert to_pixel(0.5, 0.5, 100, 80) == (50, 40)
nose = mp.solutions.pose.PoseLandmark.NOSE
assert pickle.loads(pickle.dumps(nose)) is nose
assert landmark_pb2.NormalizedLandmark(x=0.5).x == 0.5
assert len(set(dir(mp.solutions))) == len(dir(mp.solutions))
for name in dir(mp.solutions):
    getattr(mp.solutions, name)
assert "openvino" not in sys.modules
"""
    ended = python(installed, code)
    assert (ended.returncode, ended.stderr) == (0, "")


def errors_of(installed, *statements):
    """The error of each statement, as Python shows it."""
    code = f"""
import sys, traceback
import mediapipe
for statement in {statements!r}:
    try:
        exec(statement)
    except Exception:
        print(traceback.format_exc().splitlines()[-1])
    else:
        sys.exit(f"no error: {{statement}}")
"""
    ended = python(installed, code)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_what_is_not_even_importable_is_named_in_one_line(installed):
    names = {
        "mediapipe.calculators": "calculators",
        "mediapipe.modules": "modules",
        "from mediapipe.util import audio_decoder_pb2": "util",
        "import mediapipe.model_maker": "model_maker",
    }
    for name, error in zip(names.values(), errors_of(installed, *names), strict=True):
        assert re.match(rf"(Attribute|Import)Error: mediapipe\.{re.escape(name)} {NOT_HERE}", error)


def test_an_unknown_name_is_an_attribute_error_as_of_any_module(installed):
    assert errors_of(installed, "mediapipe.solutions.nothing") == [
        "AttributeError: module mediapipe.python.solutions has no attribute 'nothing'"
    ]


def test_a_wrong_option_is_named(installed):
    errors = {
        "hands.Hands(model_complexity=3)": "model_complexity must be 0 or 1, not 3",
        "pose.Pose(model_complexity=4)": "model_complexity must be 0 or 1 or 2, not 4",
        "selfie_segmentation.SelfieSegmentation(2)": "model_selection must be 0 or 1, not 2",
        "face_mesh.FaceMesh(max_num_faces=0)": "max_num_faces must be a number from 1, not 0",
    }
    calls = (f"mediapipe.solutions.{call}" for call in errors)
    assert errors_of(installed, *calls) == [f"ValueError: {text}" for text in errors.values()]


def test_an_option_of_a_wrong_type_is_named_before_a_download(installed):
    errors = {
        "hands.Hands(False, 2, 0.5)": "model_complexity must be a whole number, not 0.5",
        "face_detection.FaceDetection('0.5')": "min_detection_confidence must be a number, not '0.5'",
        "face_mesh.FaceMesh(refine_landmarks=1)": "refine_landmarks must be True or False, not 1",
        "holistic.Holistic(refine_face_landmarks=1)": "refine_face_landmarks must be True or False, not 1",
        "pose.Pose(smooth_landmarks=None)": "smooth_landmarks must be True or False, not None",
        "pose.Pose(enable_segmentation='yes')": "enable_segmentation must be True or False, not 'yes'",
    }
    calls = (f"mediapipe.solutions.{call}" for call in errors)
    assert errors_of(installed, *calls) == [f"TypeError: {text}" for text in errors.values()]


def test_a_machine_without_network_is_told_what_to_fetch(installed):
    pytest.importorskip("openvino", reason="needs openvino")
    assert (
        "DownloadError: palm-detection-full cannot be downloaded now; on a machine with"
        " a network, run: posezoo get palm-detection-full --precisions FP32."
    ) in refusal(
        python(installed, "import mediapipe as mp\nmp.solutions.hands.Hands()")
    ).splitlines()[-1]
