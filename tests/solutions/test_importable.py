"""Scripts can import what MediaPipe 0.10.21 offers; what posezoo has not is an error where it is used."""

import dataclasses
import enum
import importlib
import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

from fakes.command import run_process
from posezoo.solutions.importable import MODULES
from posezoo.solutions.stand_in import RELEASE, write_modules

#: Names that scripts find in modules of MediaPipe 0.10.21.
NAMES = {
    "mediapipe": (
        "CalculatorGraph GraphInputStreamAddMode Image ImageFormat ImageFrame Matrix Packet Timestamp"
        " ValidatedGraphConfig model_ckpt_util packet_creator packet_getter resource_util solutions tasks"
    ),
    "mediapipe.python": "Image Packet Timestamp mediapipe solution_base solutions",
    "mediapipe.python.solution_base": (
        "CALCULATOR_TO_OPTIONS NAME_TO_TYPE PacketDataType RGB_CHANNELS SolutionBase containers packet"
        " type_names_from_oneof"
    ),
    "mediapipe.python.solutions": (
        "download_utils drawing_styles drawing_utils face_detection face_mesh face_mesh_connections hands"
        " hands_connections holistic mediapipe objectron pose pose_connections selfie_segmentation"
    ),
    "mediapipe.python.solutions.drawing_styles": (
        "DrawingSpec HandLandmark PoseLandmark face_mesh_connections hands_connections"
        " get_default_face_mesh_iris_connections_style"
    ),
    "mediapipe.python.solutions.drawing_utils": (
        "DrawingSpec List Mapping Optional Tuple Union cv2 dataclasses detection_pb2 landmark_pb2 location_data_pb2"
        " math np"
    ),
    "mediapipe.python.solutions.face_detection": (
        "FaceDetection FaceKeyPoint SolutionBase detection_pb2 get_key_point location_data_pb2"
    ),
    "mediapipe.python.solutions.face_mesh": "FACEMESH_IRISES FaceMesh SolutionBase",
    "mediapipe.python.solutions.hands": "HAND_CONNECTIONS HandLandmark Hands SolutionBase",
    "mediapipe.python.solutions.holistic": (
        "FACEMESH_CONTOURS HAND_CONNECTIONS HandLandmark Holistic POSE_CONNECTIONS SolutionBase download_utils"
    ),
    "mediapipe.python.solutions.objectron": "BOX_CONNECTIONS BoxLandmark Objectron SolutionBase download_utils",
    "mediapipe.python.solutions.pose": "POSE_CONNECTIONS Pose PoseLandmark SolutionBase download_utils",
    "mediapipe.python.solutions.selfie_segmentation": "SelfieSegmentation SolutionBase",
    "mediapipe.framework.formats.image_format_pb2": "ImageFormat",
    "mediapipe.tasks": "BaseOptions audio components genai python text vision",
    "mediapipe.tasks.python": "BaseOptions audio components genai text vision",
    "mediapipe.tasks.python.components.containers": "Category Detection Landmark NormalizedLandmark NormalizedRect",
    "mediapipe.tasks.python.core.base_options": "BaseOptions",
    "mediapipe.tasks.python.vision": (
        "FaceDetector FaceLandmarker GestureRecognizer HandLandmarker HandLandmarkerResult ImageSegmenter"
        " PoseLandmarker PoseLandmarkerOptions PoseLandmarkerResult RunningMode"
    ),
    "mediapipe.tasks.python.vision.core.vision_task_running_mode": "VisionTaskRunningMode",
}

#: The parameters of what scripts call, and their defaults.
SIGNATURES = {
    "python.solution_base.SolutionBase": (
        "binary_graph_path=None, graph_config=None, calculator_params=None, graph_options=None, side_inputs=None,"
        " outputs=None, stream_type_hints=None"
    ),
    "python.solution_base.SolutionBase.process": "self, input_data",
    "python.solution_base.type_names_from_oneof": "oneof_type_name",
    "python.solutions.face_detection.FaceDetection": "min_detection_confidence=0.5, model_selection=0",
    "python.solutions.face_mesh.FaceMesh": (
        "static_image_mode=False, max_num_faces=1, refine_landmarks=False, min_detection_confidence=0.5,"
        " min_tracking_confidence=0.5"
    ),
    "python.solutions.hands.Hands": (
        "static_image_mode=False, max_num_hands=2, model_complexity=1, min_detection_confidence=0.5,"
        " min_tracking_confidence=0.5"
    ),
    "python.solutions.hands.Hands.process": "self, image",
    "python.solutions.holistic.Holistic": (
        "static_image_mode=False, model_complexity=1, smooth_landmarks=True, enable_segmentation=False,"
        " smooth_segmentation=True, refine_face_landmarks=False, min_detection_confidence=0.5,"
        " min_tracking_confidence=0.5"
    ),
    "python.solutions.objectron.Objectron": (
        "static_image_mode=False, max_num_objects=5, min_detection_confidence=0.5, min_tracking_confidence=0.99,"
        " model_name='Shoe', focal_length=(1.0, 1.0), principal_point=(0.0, 0.0), image_size=None"
    ),
    "python.solutions.pose.Pose": (
        "static_image_mode=False, model_complexity=1, smooth_landmarks=True, enable_segmentation=False,"
        " smooth_segmentation=True, min_detection_confidence=0.5, min_tracking_confidence=0.5"
    ),
    "python.solutions.selfie_segmentation.SelfieSegmentation": "model_selection=0",
    "tasks.python.core.base_options.BaseOptions": "model_asset_path=None, model_asset_buffer=None, delegate=None",
    "tasks.python.vision.hand_landmarker.HandLandmarkerResult": "handedness, hand_landmarks, hand_world_landmarks",
    "tasks.python.vision.pose_landmarker.PoseLandmarker.create_from_options": "options",
    "tasks.python.vision.pose_landmarker.PoseLandmarker.detect_for_video": (
        "self, image, timestamp_ms, image_processing_options=None"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the package mediapipe."""
    folder = tmp_path_factory.mktemp("stand_in")
    for name, text in write_modules(RELEASE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def mp(folder):
    """The package, as this process imports it."""
    assert "mediapipe" not in sys.modules
    sys.path.insert(0, str(folder))
    yield importlib.import_module("mediapipe")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if f"{name}.".startswith("mediapipe.")]:
        del sys.modules[name]


def find(path):
    """A class, a function or a method of the package."""
    parts = f"mediapipe.{path}".split(".")
    depth = next(
        depth for depth, part in enumerate(parts) if part[0].isupper() or part.startswith("type_")
    )
    target = importlib.import_module(".".join(parts[:depth]))
    for part in parts[depth:]:
        target = getattr(target, part)
    return target


def test_scripts_find_the_names_of_mediapipe(mp):
    missing = []
    for module, names in NAMES.items():
        imported = importlib.import_module(module)
        missing += [f"{module}.{name}" for name in names.split() if not hasattr(imported, name)]
    assert missing == []


@pytest.mark.parametrize("path", SIGNATURES)
def test_what_scripts_call_has_the_parameters_of_mediapipe(mp, path):
    target = find(path)
    parameters = list(inspect.signature(target).parameters.values())
    assert (
        ", ".join(str(each.replace(annotation=each.empty)) for each in parameters)
        == SIGNATURES[path]
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_what_the_table_says(mp, module):
    imported = importlib.import_module(module)
    for name, facts in MODULES[module].items():
        value = getattr(imported, name)
        if "enum" in facts and isinstance(facts, dict):
            assert {member.name: member.value for member in value} == facts["enum"]
        elif "fields" in facts:
            names = [field if isinstance(field, str) else field[0] for field in facts["fields"]]
            assert [field.name for field in dataclasses.fields(value)] == names
        elif "methods" in facts:
            assert all(callable(getattr(value, method)) for method in facts["methods"])
            with pytest.raises(
                NotImplementedError, match=rf"^{module}.{name} is not in posezoo's stand-in"
            ):
                value()


def test_a_script_of_tasks_runs_until_it_makes_a_landmarker(mp):
    vision = mp.tasks.vision
    image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.zeros((4, 6, 3), np.uint8))
    options = vision.PoseLandmarkerOptions(
        base_options=mp.tasks.BaseOptions("pose.task", delegate=mp.tasks.BaseOptions.Delegate.GPU),
        running_mode=vision.RunningMode.VIDEO,
        num_poses=2,
    )
    assert (image.width, options.num_poses, options.min_tracking_confidence) == (6, 2, 0.5)
    assert options.running_mode is vision.RunningMode["VIDEO"]
    with pytest.raises(NotImplementedError) as caught:
        vision.PoseLandmarker.create_from_options(options)
    assert str(caught.value) == (
        "mediapipe.tasks.python.vision.pose_landmarker.PoseLandmarker.create_from_options is not in posezoo's stand-in"
        ' for mediapipe: mediapipe.solutions.pose, or posezoo.load("blazepose-full"), finds poses'
    )


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (
            lambda mp: mp.tasks.vision.HandLandmarker.create_from_model_path("a.task"),
            "mediapipe.solutions.hands",
        ),
        (lambda mp: mp.tasks.text.TextClassifier.create_from_options(None), "install MediaPipe 1"),
        (lambda mp: mp.tasks.BaseOptions("a").to_pb2(), "install MediaPipe 1"),
        (
            lambda mp: mp.solutions.objectron.Objectron(max_num_objects=1),
            "posezoo finds no boxes in 3D",
        ),
        (
            lambda mp: mp.solutions.pose.download_utils.download_oss_model("a.tflite"),
            "each solution downloads",
        ),
        (lambda mp: mp.CalculatorGraph(graph_config=None), "posezoo runs no graphs"),
    ],
)
def test_what_posezoo_has_not_is_one_line_when_it_is_used(mp, call, instead):
    with pytest.raises(
        NotImplementedError, match=rf"(?m)^mediapipe\..* is not in .* mediapipe: {instead}.*$"
    ) as caught:
        call(mp)
    assert "\n" not in str(caught.value)


def test_an_attribute_of_a_missing_class_is_explained_also_for_a_derived_class(mp):
    class Derived(mp.tasks.vision.PoseLandmarker):
        pass

    for kind in (Derived, mp.tasks.vision.PoseLandmarker):
        with pytest.raises(
            AttributeError, match=r"^mediapipe\..*\.PoseLandmarker\.anything is not in "
        ):
            _ = kind.anything
        with pytest.raises(NotImplementedError, match=r"\.PoseLandmarker is not in "):
            kind()


def test_integers_make_an_intenum(mp):
    assert issubclass(mp.tasks.BaseOptions.Delegate, enum.IntEnum)
    assert not issubclass(mp.tasks.vision.RunningMode, enum.IntEnum)


def test_messages_are_found_in_the_packages_that_contain_them(folder):
    code = """
from mediapipe import framework
from mediapipe.framework import formats
assert framework.formats is formats
from mediapipe.python.solutions.drawing_utils import *
assert formats.landmark_pb2 is landmark_pb2
for name in dir(formats):
    getattr(formats, name)
"""
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)


def test_the_stand_in_keeps_the_contract(folder, shared):
    """The program asks MediaPipe's facts of each of its names."""
    tool = shared / "tools" / "mediapipe_contract.py"
    facts = shared / "facts" / "mediapipe_contract.json"
    if not (tool.is_file() and facts.is_file()):
        pytest.skip("needs ../shared")
    ended = run_process(
        [sys.executable, tool, facts], env={**os.environ, "PYTHONPATH": str(folder)}
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    count, of, total, *_ = ended.stdout.split()
    assert (of, count) == ("of", total)
