"""The programs of the targets cpp and onnx, which are run."""

import csv
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from core.convert.test_against_mo import compiled
from fakes.command import json_of, posezoo, read_json, refusal, run_process, succeeded
from fakes.exports import write_zoo
from fakes.stated_inputs import ULTRALYTICS, write_whole_input
from fakes.zoo import declared_file, model_yml, write_model

ROOT = Path(__file__).parents[2]
STRICT = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
#: A program into which the headers are copied may have set a locale with a decimal comma.
DECIMAL_COMMA = """
#include <locale>
struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
};
static const std::locale former = std::locale::global(std::locale(std::locale(), new Comma));
"""
#: The network alone, which takes one person at a time.
ALONE = ("--detector", "none")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A folder with a registry of one network, ``net``."""
    pytest.importorskip("openvino", reason="needs openvino")
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    return folder


def export(folder, target, *models, **settings):
    succeeded(posezoo("export", *models, "--to", target, folder, cwd=folder.parent, **settings))


@pytest.fixture(scope="module")
def project(zoo):
    """An exported C++ project, and its program in build/, whose locale has a decimal comma."""
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("needs cmake and g++")
    from openvino.utils import get_cmake_path

    folder = zoo / "project"
    export(folder, "cpp", "net", *ALONE, "--models_dir", str(zoo / "models"))
    comma = zoo / "comma.hpp"
    comma.write_text(DECIMAL_COMMA)
    flags = f"CMAKE_CXX_FLAGS={STRICT} -include {comma}"
    for command in (
        ["-S", folder, "-D", f"OpenVINO_DIR={get_cmake_path()}", "-D", flags],
        ["--build", folder / "build"],
    ):
        place = ["-B", folder / "build"] if command[0] == "-S" else []
        succeeded(run_process(["cmake", *command, *place]))
    return folder


def test_the_ten_lines_of_the_page_compile(project, tmp_path):
    from openvino.utils import get_cmake_path

    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    (code,) = re.findall(r"^```cpp\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    shutil.copytree(project, tmp_path / "own", ignore=shutil.ignore_patterns("build", "models"))
    (tmp_path / "own" / "main.cpp").write_text(code)
    flags = ["-D", f"OpenVINO_DIR={get_cmake_path()}", "-D", f"CMAKE_CXX_FLAGS={STRICT}"]
    succeeded(run_process(["cmake", "-S", tmp_path / "own", "-B", tmp_path / "build", *flags]))
    succeeded(run_process(["cmake", "--build", tmp_path / "build"]))


def run(project, *args):
    program = [project / "build" / "poses", *map(str, args)]
    return run_process(program)


def people(project, *args):
    ended = succeeded(run(project, *args))
    return json_of(ended)["images"]


def write_frames(folder, images):
    """The same pictures as PPM for the C++ program and as PNG."""
    names = [folder / f"{number}" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        for suffix in (".ppm", ".png"):
            assert cv2.imwrite(str(name.with_suffix(suffix)), image)
    return [name.with_suffix(".ppm") for name in names], [
        name.with_suffix(".png") for name in names
    ]


def distance(pose, other):
    """The pixels between the boxes of two poses."""
    return np.abs(np.subtract(pose["keypoint_box"], other["keypoint_box"])).max()


def require_same(
    images,
    *args,
    folder,
    apart=0.1,
    share=0.9,
    score_share=0,
    has_own_boxes=True,
    in_order=True,
    **settings,
):
    """The program's results are those of posezoo run, at most so many pixels apart, and 0.1 for this share of the
    keypoints; the number of people. Scores that are nearly equal may put people in another order.
    """
    moves = []
    succeeded(posezoo("run", *args, "-o", folder / "poses", cwd=folder, **settings))
    wanted = read_json(folder / "poses" / "poses.json")["images"]
    for image, other in zip(images, wanted, strict=True):
        assert (image["width"], image["height"]) == (other["width"], other["height"])
        assert len(image["poses"]) == len(other["poses"]), other["image"]
        for pose, same in zip(image["poses"], other["poses"], strict=True):
            if not in_order:
                same = min(other["poses"], key=partial(distance, pose))
            assert pose.keys() <= same.keys() and pose["skeleton"] == same["skeleton"]
            assert pose["score"] == pytest.approx(same["score"], abs=apart / 100)
            for box in ("box", "keypoint_box")[not has_own_boxes :]:
                assert pose[box] == pytest.approx(same[box], abs=apart)
            for score in ("detector_score", "pose_score"):
                wanted_score = same[score] and pytest.approx(same[score], abs=apart / 100)
                assert pose[score] == wanted_score, score
            for point, at in zip(pose["keypoints"], same["keypoints"], strict=True):
                assert point["name"] == at["name"]
                score = pytest.approx(at["score"], abs=apart / 100, rel=score_share)
                assert point["score"] == score
                moves.append(max(abs(point["x"] - at["x"]), abs(point["y"] - at["y"])))
    assert max(moves) <= apart and np.mean(np.array(moves) <= 0.1) >= share
    return sum(len(image["poses"]) for image in images)


def test_the_sample_in_python_draws_the_picture_of_posezoo_run(zoo, tmp_path):
    image = np.random.default_rng(7).integers(0, 256, (320, 240, 3), np.uint8)
    _, (picture,) = write_frames(tmp_path, [image])
    models = ("--models_dir", str(zoo / "models"))
    camera = ("--decode", "--input_type", "u8", "--input_layout", "NHWC")
    export(tmp_path / "python", "folder", "net", *camera, *ALONE, *models)
    sample = [sys.executable, tmp_path / "python" / "net" / "sample.py", picture, "drawn.png"]
    succeeded(run_process(sample, cwd=tmp_path))
    exact = ("--inference_precision", "f32", "-i", picture, "-o", tmp_path / "run")
    succeeded(posezoo("run", "net", *ALONE, *models, *exact))
    paths = (tmp_path / "drawn.png", next((tmp_path / "run").glob("*.png")))
    ours, wanted = ((cv2.imread(str(path)) != image).any(axis=2) for path in paths)
    assert wanted.sum() > 100
    assert (ours & wanted).sum() / (ours | wanted).sum() > 0.95


SIZES = [(200, 90), (90, 200), (31, 20), (999, 1333), (384, 512)]


@pytest.fixture(scope="module")
def plain_ir(zoo):
    """An IR that says nothing about crops: it gets the whole image, letterboxed."""
    camera = ("--decode", "--input_type", "u8", "--input_layout", "NHWC")
    succeeded(posezoo("get", "net", *camera, "--models_dir", zoo / "models", "-o", zoo / "plain"))
    return next((zoo / "plain").rglob("FP16/net.xml"))


@pytest.mark.parametrize("size", SIZES)
def test_an_image_of_another_size_is_fitted_with_the_bytes_of_opencv(
    project, plain_ir, tmp_path, size
):
    from posezoo.poses.letterbox import letterbox_image

    image = np.random.default_rng(1).integers(0, 256, (*size[::-1], 3), np.uint8)
    (found,) = people(project, plain_ir, *write_frames(tmp_path, [image])[0])
    transform, fitted = letterbox_image(image, (48, 64))
    points = compiled(plain_ir)([fitted[None]])["keypoints"][0]
    points[:, :2] = np.where(points[:, 2:] > 0, transform.to_image(points[:, :2]), 0)
    same = [[point["x"], point["y"], point["score"]] for point in found["poses"][0]["keypoints"]]
    np.testing.assert_allclose(same, points, atol=0.1)


def test_an_ir_that_resizes_itself_gets_the_whole_image(project, tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (90, 200, 3), np.uint8)
    own = tmp_path / "own"
    export(own, "cpp", "net", "--resize", *ALONE, "--models_dir", str(project.parent / "models"))
    xml = own / "models" / "net.xml"
    (found,) = people(project, xml, *write_frames(tmp_path, [image])[0])
    points = compiled(xml)([image[None]])["keypoints"][0]
    same = [[point["x"], point["y"], point["score"]] for point in found["poses"][0]["keypoints"]]
    np.testing.assert_allclose(same, points, atol=1e-3)


def write_own_network(folder):
    """A pose network of Ultralytics with four keypoints, and a picture as PPM and PNG of which it sees 96 x 72 pixels,
    rounded from 96 x 71.9.
    """
    metadata = {**ULTRALYTICS, "imgsz": "[96, 96]", "kpt_shape": "[4, 3]"}
    onnx = write_whole_input(folder / "own.onnx", metadata, keypoints=4)
    ((frame,), (picture,)) = write_frames(folder, [np.full((749, 1000, 3), 90, np.uint8)])
    return onnx, (frame, picture)


def test_an_own_network_of_four_keypoints_finds_what_posezoo_run_finds(project, tmp_path):
    onnx, (frame, picture) = write_own_network(tmp_path)
    export(tmp_path / "own", "cpp", str(onnx))
    images = people(project, tmp_path / "own" / "models" / "own.xml", frame)
    found = [[points_of(pose) for pose in image["poses"]] for image in images]
    assert require_same_people(found, found_by_run([picture], onnx)) == 1


def test_bad_input_is_one_clear_error(project, tmp_path):
    xml = project / "models" / "net.xml"
    ppm = write_frames(tmp_path, [np.zeros((64, 48, 3), np.uint8)])[0][0]
    files = {
        "cut.ppm": ppm.read_bytes()[:-1],
        "huge.ppm": b"P6 99999 99999 255\n",
        "empty.ppm": b"P6 0 5 255\n",
        "deep.ppm": b"P6 1 1 65535\n\0\0\0\0\0\0",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    plain = tmp_path / "plain"
    succeeded(posezoo("get", "net", "--models_dir", project.parent / "models", "-o", plain))
    for args, code, problem in (
        ((xml, tmp_path / "none.ppm"), 1, "none.ppm: cannot be opened"),
        ((tmp_path / "none.xml", ppm), 1, "none.xml: no such file"),
        (
            (next(plain.rglob("FP16/net.xml")), ppm),
            1,
            "does not take bytes and return keypoints. Make the IR",
        ),
        ((xml, tmp_path / "cut.ppm"), 1, "cut.ppm: ends before its last pixel"),
        *(((xml, tmp_path / name), 1, f"{name}: is no PPM file with") for name in [*files][1:]),
        ((xml, "--device", "NONE", ppm), 1, "NONE"),
        ((xml, "--benchmark", "no", ppm), 2, "--benchmark: expected seconds above 0, got no"),
        ((xml, ppm, "--detector"), 2, "--detector needs a value"),
        ((xml, ppm, "--fast"), 2, "unknown flag --fast"),
        ((xml,), 2, "name a model and a picture"),
    ):
        ended = run(project, *args)
        assert (ended.returncode, ended.stdout) == (code, ""), args
        assert ended.stderr.startswith("error: ") and problem in ended.stderr, ended.stderr


def test_real_models_find_the_same_people_in_photos(project, mirror, shared, tmp_path):
    settings = {"POSEZOO_MIRROR": str(mirror)}
    folder = tmp_path / "project"
    export(folder, "cpp", "movenet-singlepose-lightning-int8", "blazepose-full", *ALONE, **settings)
    int8 = ("--precision", "FP16-INT8")
    export(folder, "cpp", "human-pose-estimation-0001", *int8, **settings)
    assert (folder / "main.cpp").read_bytes() == (project / "main.cpp").read_bytes()
    frames, pictures = photos_of(shared, tmp_path)
    # At a threshold, OpenVINO and numpy decide otherwise whether a limb is a person's.
    for name, flags, apart in (
        ("movenet-singlepose-lightning-int8", ALONE, 0.1),
        ("human-pose-estimation-0001", int8, 400),
    ):
        found = people(project, folder / "models" / f"{name}.xml", *frames)
        args = (name, *flags, "-i", *pictures)
        same = require_same(found, *args, folder=tmp_path, apart=apart, **settings)
        assert same >= len(frames)
    found = people(project, folder / "models" / "blazepose-full.xml", *frames)
    detector = folder / "models" / "pose-detection-mediapipe.xml"
    refused = run(project, detector, frames[0])
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"error: {detector}: is a part of BlazePose" in refused.stderr
    args = ("blazepose-full", "-i", *pictures)
    # Its landmark network is delicate: regions differ by 1e-5 px, so a few bytes do, and some keypoints by 1 px.
    assert require_same(found, *args, folder=tmp_path, apart=3, **settings) > 10


def photos_of(shared, folder):
    """The photos as PPM and as PNG."""
    from posezoo.media.images import read_image

    photos = sorted((shared / "data" / "photos").glob("*.jpg"))
    return write_frames(folder, [read_image(photo) for photo in photos])


@pytest.mark.parametrize("convention", ["quarter", "udp", "gluoncv", "alphapose"])
def test_people_are_cut_out_as_each_convention_has_it(
    project, mirror, shared, tmp_path, convention
):
    settings = {"POSEZOO_MIRROR": str(mirror)}
    decoder = {"name": "heatmap", "convention": convention}
    # A program with a decimal comma also reads the 90.2.
    models = ("--models_dir", str(write_zoo(tmp_path, decoder=decoder, mean=[90.2, 110, 130])))
    chosen = ("--detector", "person-detection-retail-0013", "--precision", "FP32", *models)
    export(tmp_path / "own", "cpp", "net", *chosen, **settings)
    frames, pictures = photos_of(shared, tmp_path)
    found = people(project, tmp_path / "own" / "models" / "net.xml", *frames)
    args = ("net", *chosen, "-i", *pictures)
    # The network's weights are random: a level of one pixel changes a score by some hundredths, and
    # UDP's refinement moves.
    same = {"apart": 0.2, "score_share": 0.05}
    assert require_same(found, *args, folder=tmp_path, **same, **settings) > len(frames)


def write_generated(folder, name):
    """A registry of one network, ``net``, in a folder: a published one with generated weights."""
    pytest.importorskip("torch", reason="needs torch")
    from fakes.generated_models import generate
    from posezoo.core.registry import open_registry

    spec = open_registry().find(name)
    (content,) = generate(spec, folder, folder).values()
    (folder / "net.onnx").write_bytes(content)
    published = yaml.safe_load(spec.path.read_text("utf-8"))
    keys = ("inputs", "outputs", "decoder", "people", "skeleton")
    content = model_yml(
        framework="onnx",
        files=[declared_file(folder / "net.onnx")],
        **{key: published[key] for key in keys if key in published},
    )
    write_model(folder / "models", "net", content)
    return folder / "models"


@pytest.mark.parametrize("name", ["rtmpose-t", "rtmo-t"])
def test_other_decoders_find_the_people_of_posezoo_run(project, shared, tmp_path, name):
    models = ("--models_dir", str(write_generated(tmp_path, name)))
    export(tmp_path / "own", "cpp", "net", *ALONE, *models)
    frames, pictures = photos_of(shared, tmp_path)
    xml = tmp_path / "own" / "models" / "net.xml"
    found = people(project, xml, *frames)
    args = ("net", *ALONE, *models, "-i", *pictures)
    # The boxes that RTMO finds are no outputs of an IR with its decoder.
    has_own_boxes = name != "rtmo-t"
    same = {"folder": tmp_path, "has_own_boxes": has_own_boxes}
    assert require_same(found, *args, **same) >= len(frames)


def compute_in_f32(folder):
    """Let a program compute in f32, as the tests let posezoo do, on a processor with bf16, too."""
    for path in (folder / "models").glob("*.xml"):
        path.write_text(path.read_text().replace('<compute_type value="bf16" />', ""))


def test_the_detector_and_the_whole_photo_find_the_people_of_posezoo_run(
    project, npm_mirror, shared, tmp_path
):
    settings = {"POSEZOO_MIRROR": str(npm_mirror)}
    folder = tmp_path / "project"
    export(folder, "cpp", "movenet-thunder", **settings)
    compute_in_f32(folder)
    frames, pictures = photos_of(shared, tmp_path)
    xml = folder / "models" / "movenet-thunder.xml"
    found = people(project, xml, *frames)
    # OpenVINO rounds the boxes in another way than numpy, so some pixels of the crops differ.
    same = {"folder": tmp_path, "score_share": 0.02}
    args = ("movenet-thunder", "-i", *pictures)
    assert require_same(found, *args, **same, **settings) > 35
    int8 = ("--precision", "FP16-INT8")
    export(tmp_path / "int8", "cpp", "movenet-thunder", *int8, **settings)
    compute_in_f32(tmp_path / "int8")
    found = people(project, tmp_path / "int8" / "models" / xml.name, *frames)
    # In 8-bit arithmetic, these pixels move more keypoints.
    args = ("movenet-thunder", *int8, "-i", *pictures)
    loose = {"apart": 30, "share": 0.8, "in_order": False}
    assert require_same(found, *args, **same | loose, **settings) > 35
    alone = people(project, xml, "--detector", "none", *frames)
    args = ("movenet-thunder", *ALONE, "-i", *pictures)
    assert require_same(alone, *args, **same, **settings) == len(frames)
    (folder / "models" / "nanodet-g.xml").unlink()
    assert "nanodet-g.xml: no such file" in refusal(run(project, xml, frames[0]))


@pytest.mark.parametrize("target", ["cpp", "onnx"])
@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["hand-landmark-full"], "its decoder hand_landmarks cannot be put into an IR"),
        (["net", "--input_layout", "NCHW"], "always has --input_type u8 and --input_layout NHWC"),
    ],
)
def test_what_a_program_cannot_take_is_refused(zoo, tmp_path, target, args, problem):
    ended = posezoo("export", *args, "--to", target, tmp_path / "out", cwd=zoo)
    assert ended.returncode in (1, 2) and problem in ended.stderr
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def export_onnx(folder, *args, **settings):
    """The folder of the first model."""
    export(folder, "onnx", *args, **settings)
    return folder / Path(args[0]).stem


def printed_by_python(own, picture):
    """x and y of the keypoints of each person, (K, 2)."""
    sample = [sys.executable, own / "sample.py", picture, picture.with_suffix(".drawn.png")]
    ended = succeeded(run_process(sample))
    parts = ended.stdout.split("person, score ")[1:]
    return [np.array(re.findall(r": x (\S+), y (\S+), score", part), float) for part in parts]


def found_by_run(pictures, *args, **settings):
    """What posezoo run finds in each picture."""
    folder = pictures[0].parent / "poses"
    words = ("run", *args, "-i", *pictures, "-o", folder)
    succeeded(posezoo(*words, cwd=folder.parent, **settings))
    return read_json(folder / "poses.json")["images"]


def points_of(pose):
    """x and y of the keypoints of a person, (K, 2)."""
    return np.array([[point["x"], point["y"]] for point in pose["keypoints"]])


def require_same_people(found, wanted, share=0.995):
    """A program finds the people of posezoo run, and this share of the keypoints at most 0.1 px apart; how many people
    there are.
    """
    moves = []
    for people, image in zip(found, wanted, strict=True):
        assert len(people) == len(image["poses"]), image["image"]
        for points, pose in zip(people, image["poses"], strict=True):
            moves += np.abs(points - points_of(pose)).max(axis=1).tolist()
    assert np.mean(np.array(moves) <= 0.1) >= share
    return sum(len(image["poses"]) for image in wanted)


@pytest.mark.parametrize("convention", ["quarter", "udp", "gluoncv", "alphapose"])
def test_onnx_runtime_finds_the_person_of_posezoo_run_in_pictures_of_any_size(tmp_path, convention):
    models = (
        "--models_dir",
        str(write_zoo(tmp_path, decoder={"name": "heatmap", "convention": convention})),
    )
    chosen = (*ALONE, "--precision", "FP32", *models)
    own = export_onnx(tmp_path / "onnx", "net", *chosen)
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (*size[::-1], 3), np.uint8) for size in SIZES]
    _, pictures = write_frames(tmp_path, images)
    found = [printed_by_python(own, picture) for picture in pictures]
    assert require_same_people(found, found_by_run(pictures, "net", *chosen)) == len(SIZES)


def test_onnx_runtime_runs_what_openvino_read_of_paddle(mirror, shared, tmp_path):
    rows = csv.DictReader((mirror / "MANIFEST.tsv").open(), delimiter="\t")
    for row in rows:
        if row["model/file"].startswith("pp-tinypose-128x96/"):
            digest = row["sha384"]
            published = mirror / "1" / digest[:2] / digest[2:]
            shutil.copy(published, tmp_path / Path(row["model/file"]).name)
    stated = ("--as", "simple_pose_resnet18_v1b", *ALONE)
    own = export_onnx(tmp_path / "out", str(tmp_path / "model.xml"), *stated)
    pictures = photos_of(shared, tmp_path)[1][:4]
    found = [printed_by_python(own, picture) for picture in pictures]
    wanted = found_by_run(pictures, tmp_path / "model.xml", *stated)
    assert require_same_people(found, wanted) == 4


def test_a_composite_is_one_folder_whose_sample_and_ir_find_the_same(mirror, shared, tmp_path):
    """BlazePose's landmark network is delicate: most keypoints are at most 0.1 px apart."""
    _, pictures = photos_of(shared, tmp_path)
    wanted = found_by_run(pictures, "blazepose-full", POSEZOO_MIRROR=str(mirror))
    export(tmp_path / "out", "folder", "blazepose-full", "--decode", POSEZOO_MIRROR=str(mirror))
    (own,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    found = [printed_by_python(own, picture) for picture in pictures]
    assert require_same_people(found, wanted, share=0.8) > 10
    exported = found_by_run(pictures, own / "blazepose-full.xml")
    found = [[points_of(pose) for pose in image["poses"]] for image in exported]
    require_same_people(found, wanted, share=0.8)
