"""npm's @tensorflow-models/pose-detection and ours, with the same weights, on the same photos: MoveNet, PoseNet, BlazePose.

Photos of MoveNet and PoseNet are cut to squares: of another photo, the publisher's MoveNet first sees the square in its middle, and PoseNet
has its outermost pixels repeated beside it, where we show all of it and black.

Photos of the input's size are what decoders are judged by. Others are resized, and there we differ on purpose. The
publisher's MoveNet takes the ends of the photo for the centers of its outermost pixels, MultiPose and PoseNet begin at
the corner of the photo instead of half a pixel before the center of the first pixel; MoveNet also truncates the result
to whole numbers. We count as networks are trained, from the centers of pixels. Resized in the publisher's way, the
photo gives the publisher's result.
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.command import json_of, read_json
from fakes.conversion import convert_model
from fakes.graph_models import saved
from judges.agreement import Agreement
from judges.annotated import average_precision
from judges.photos import continuous, cut_square, pixel_indices
from posezoo import decode
from posezoo.core.declarations.model import Precision
from posezoo.core.ir.openvino_import import import_openvino, openvino_core
from posezoo.core.pipeline.get import get_irs
from posezoo.poses.keypoints import to_pixel_indices
from posezoo.proof.reference_outputs import EXACT
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions
from run.runtime.test_blazepose_pipeline import BLAZEPOSE, DETECTOR

ov = import_openvino()
ops = ov.opset13

NODE_MODULES = Path(__file__).resolve().parents[2] / "build" / "tfjs-judge" / "node_modules"
POSE_DETECTION = "pose-detection 2.1.3"
PACKAGE = NODE_MODULES / "@tensorflow-models" / "pose-detection"

SINGLE = {"lightning": ("SinglePose.Lightning", 192), "thunder": ("SinglePose.Thunder", 256)}
MULTIPOSE = {"modelType": "MultiPose.Lightning", "enableTracking": False, "minPoseScore": 0.2}
POSENET = {
    "architecture": "MobileNetV1",
    "outputStride": 16,
    "multiplier": 0.75,
    "inputResolution": {"width": 385, "height": 385},
}


@pytest.fixture(scope="module")
def squares(pictures):
    return [cut_square(picture) for picture in pictures]


def reduced(squares, side):
    return [cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in squares]


@pytest.fixture
def judged(recorded, tfjs_models):
    """What the publisher finds in each picture: keypoints (17, 3) of each person."""

    def find(name, kind, models, pictures, **options):
        def ask():
            return ask_publisher(tfjs_models, kind, models, pictures, **options)

        return recorded.people(f"pose-detection/{name}", POSE_DETECTION, ask).people

    return find


def ask_publisher(tfjs_models, kind, models, pictures, **options):
    """Start the publisher's program on pictures."""
    if not PACKAGE.is_dir() or shutil.which("node") is None:
        pytest.skip("needs make judges and node")
    content = [
        {
            "height": picture.shape[0],
            "width": picture.shape[1],
            "rgb": base64.b64encode(picture[..., ::-1].tobytes()).decode(),
        }
        for picture in pictures
    ]
    files = [str(tfjs_models / f"{model}.json") for model in models.split()]
    ended = subprocess.run(
        ["node", str(Path(__file__).with_name("pose_detection.js"))],
        input=json.dumps({"kind": kind, "files": files, "pictures": content, **options}),
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [[np.array(pose["keypoints"]) for pose in poses] for poses in json_of(ended)]


@pytest.fixture
def irs(zoo, tfjs_models):
    """A model of the zoo, and its IR, made from these files."""

    def convert(name):
        spec = zoo.registry.find(name)
        for file in spec.files:
            target = zoo.layout.file_path(spec, file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tfjs_models / file.name, target)
        return spec, get_irs(spec, Precision.FP32, zoo)

    return convert


@pytest.fixture
def ours(irs):
    """A model of the zoo, loaded."""

    def load(name, **options):
        return load_estimator(*irs(name), LoadOptions(**options))

    return load


def compare(
    judged,
    find,
    pictures,
    seen=None,
    *,
    points=continuous,
):
    """What the publisher found in pictures, and we in them or in what is ``seen`` of them.

    MoveNet's publisher multiplies shares of the input with the sides of the picture, so its coordinates are
    continuous, as ours; PoseNet's are indices of pixels, which it mirrors to width - 1 - x.
    """
    agreement = Agreement(POSE_DETECTION)
    for picture, people, shown in zip(pictures, judged, seen or pictures, strict=True):
        scale = len(picture) / len(shown)
        found = [scale * points(pose) for pose in find(shown)]
        agreement.add([person[:, :2] for person in people], found)
    return agreement


def compare_on_photos(
    truth,
    judged,
    estimator,
    squares,
    *,
    points=continuous,
):
    """What the publisher and we find on photos of any size, with the AP of both."""
    agreement = compare(judged, estimator, squares, points=points)
    indices = [[to_pixel_indices(pose.keypoints) for pose in estimator(each)] for each in squares]
    if points is continuous:
        judged = [[to_pixel_indices(person) for person in people] for people in judged]
    agreement.ap = average_precision(truth, judged), average_precision(truth, indices)
    return agreement


def resized(picture, places):
    """A square picture at these places of its rows and columns, in float32; black outside, as ``cropAndResize``."""
    places = places.astype(np.float32)
    last = len(picture) - 1
    low = np.floor(places).astype(int).clip(0, last)
    high = np.ceil(places).astype(int).clip(0, last)
    share = places - low.astype(np.float32)
    rows = picture.astype(np.float32)
    upper, lower = (
        rows[one][:, low] + (rows[one][:, high] - rows[one][:, low]) * share[None, :, None]
        for one in (low, high)
    )
    values = upper + (lower - upper) * share[:, None, None]
    values[places > last] = 0
    values[:, places > last] = 0
    return values


def from_corner(length, side):
    """The places of a resize that begins at the first pixel."""
    return np.arange(side, dtype=np.float32) * np.float32(length / side)


def from_end_to_end(length, side):
    """The places of a resize whose ends are the first and the last pixel, in float32: the last may be outside."""
    return np.arange(side, dtype=np.float32) * np.float32((length - 1) / (side - 1))


@pytest.mark.parametrize("name", SINGLE)
def test_movenet_finds_the_keypoints_of_its_publisher(judged, ours, squares, square_truth, name):
    kind, side = SINGLE[name]
    # The publisher leaves out a person of a low score, and we do not.
    options = {"config": {"modelType": kind, "minPoseScore": 0.001}}
    small = reduced(squares, side)
    model = f"movenet-{name}"
    estimator = ours(model)
    compare(judged(f"{model}-small", "movenet", model, small, **options), estimator, small).check(
        model
    )
    people = judged(model, "movenet", model, squares, **options)
    compare_on_photos(square_truth, people, estimator, squares).record(f"{model}_photos")
    as_published = [
        resized(each, from_end_to_end(len(each), side)).astype(np.uint8) for each in squares
    ]
    compare(people, estimator, squares, as_published).check(f"{model}_resized")


def test_multipose_finds_the_people_of_its_publisher(judged, ours, squares, square_truth):
    options = {"config": MULTIPOSE}
    small = reduced(squares, 256)
    model = "movenet-multipose"
    estimator = ours(model, target_size=256)
    compare(judged(f"{model}-small", "movenet", model, small, **options), estimator, small).check(
        model
    )
    people = judged(model, "movenet", model, squares, **options)
    compare_on_photos(square_truth, people, estimator, squares).record(f"{model}_photos")
    as_published = [resized(each, from_corner(len(each), 256)).astype(np.uint8) for each in squares]
    compare(people, estimator, squares, as_published).check(f"{model}_resized")


def test_posenet_finds_the_people_of_its_publisher(judged, irs, ours, squares, square_truth):
    options = {
        "config": POSENET,
        "estimation": {"maxPoses": 20, "scoreThreshold": 0.5, "nmsRadius": 20},
    }
    small = reduced(squares, 385)
    keeps_all = {"min_score": 0, "max_people": 20}
    model = "posenet-mobilenet-v1"
    estimator = ours(model, target_size=385, decoder_options=keeps_all)
    people = judged("posenet-small", "posenet", "posenet", small, **options)
    compare(people, estimator, small, points=pixel_indices).check("posenet")
    people = judged("posenet", "posenet", "posenet", squares, **options)
    compare_on_photos(square_truth, people, estimator, squares, points=pixel_indices).record(
        "posenet_photos"
    )
    # The publisher's network gets floats, and a picture of ours has whole numbers.
    spec, files = irs(model)
    network = openvino_core().compile_model(files[model], "CPU", EXACT)

    def find(floats):
        outputs = network(floats[None])
        maps = {port.role: outputs[port.name] for port in spec.outputs}
        return decode("posenet", maps, (385, 385), **keeps_all)

    as_published = [resized(each, from_corner(len(each), 385)) for each in squares]
    compare(people, find, squares, as_published).check("posenet_resized")


@pytest.fixture
def blazepose_of_npm(tfjs_models, blazepose_irs, tmp_path):
    """BlazePose's IR, with the detector of the npm package, whose weights are others than those of MediaPipe's wheel."""
    model = read_json(tfjs_models / "blazepose-detector.json")
    shards = {"blazepose-detector.bin": (tfjs_models / "blazepose-detector.bin").read_bytes()}
    irs = convert_model(*saved(model, shards, tmp_path)).irs
    network = openvino_core().read_model(irs[Precision.FP32])
    found = network.output(0).node.input_value(0)
    scores, boxes = ops.variadic_split(found, 2, np.array([1, 12])).outputs()
    boxes.set_names({"Identity"})
    scores.set_names({"Identity_1"})
    steps = ov.preprocess.PrePostProcessor(ov.Model([boxes, scores], network.get_parameters()))
    image, nhwc = steps.input(), ov.Layout("NHWC")
    image.tensor().set_color_format(ov.preprocess.ColorFormat.BGR).set_layout(nhwc)
    image.tensor().set_shape([1, 224, 224, 3])
    normalized = image.preprocess().convert_color(ov.preprocess.ColorFormat.RGB)
    normalized.mean([127.5] * 3).scale([127.5] * 3)
    image.model().set_layout(nhwc)
    xml = tmp_path / "detector.xml"
    ov.save_model(steps.build(), xml, compress_to_fp16=False)
    return {**blazepose_irs, DETECTOR: xml}


def test_blazepose_finds_one_person_as_its_publisher(judged, blazepose_of_npm, pictures):
    """TensorFlow.js does not average faces, and does not round pixels, to which the detector is sensitive.

    What MediaPipe finds, posezoo finds to a hundredth of a pixel (``test_mediapipe``).
    """
    one = LoadOptions(decoder_options={"max_people": 1, "weighted": False})
    estimator = load_estimator(BLAZEPOSE, blazepose_of_npm, one)
    options = {"config": {"runtime": "tfjs", "modelType": "full", "enableSmoothing": False}}
    models = "blazepose-detector blazepose-full"
    people = judged("blazepose", "blazepose", models, pictures, **options)
    agreement = compare(people, estimator, pictures)
    agreement.record("blazepose_tensorflow_js")
    assert agreement.alike >= 0.85 * agreement.pictures
    assert agreement.figures()["median"] <= 3
