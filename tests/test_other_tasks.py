"""Models of Open Model Zoo for other tasks: detectors of objects, and classifiers."""

import json
import sys
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest
import yaml
from onnx import helper

import posezoo as posezoo_package
from fakes import graphs
from fakes.command import assert_success, posezoo, printed, refusal, run_process
from fakes.region_networks import attributes_network, publish_ir
from fakes.when_used import needs
from fakes.zoo import declared_file, omz_yml, write_composite, write_model
from posezoo.core.registry import open_registry
from posezoo.measure.coco import read_class_dataset
from posezoo.measure.coco.coco_dataset import ANOTHER
from posezoo.media.images import SAMPLE_PHOTOS

#: Names of Open Model Zoo, whose classes are known.
CLASSIFIER = "densenet-121-tf"
DETECTOR = "person-detection-retail-0013"
MEAN = (123.675, 116.28, 103.53)
SCALE = (58.395, 57.12, 57.375)
CLASSES = 1000
IMAGENET = Path(posezoo_package.__file__).parent / "run" / "imagenet_1000.txt"


def classifier_network():
    """ONNX: the mean colors of 7 x 7 parts of an image, and a matrix: one score for each class."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(3 * 7 * 7, CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node(
            "AveragePool", ["data"], ["parts"], kernel_shape=[32, 32], strides=[32, 32]
        ),
        helper.make_node("Flatten", ["parts"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["prob"]),
    ]
    data = ("data", graphs.FLOAT, (1, 3, 224, 224))
    prob = ("prob", graphs.FLOAT, (1, CLASSES))
    return graphs.written("classifier", nodes, [data], [prob], {"matrix": matrix})


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """The ONNX file, and the flags that select the registry and the folder of IR."""
    folder = tmp_path_factory.mktemp("classifier")
    network = folder / "net.onnx"
    network.write_bytes(classifier_network())
    content = omz_yml(
        task_type="classification",
        files=[declared_file(network)],
        input_info=[{"name": "data", "shape": [1, 3, 224, 224], "layout": "NCHW"}],
        model_optimizer_args=[
            "--reverse_input_channels",
            "--input=data",
            f"--mean_values=data{list(MEAN)}",
            f"--scale_values=data{list(SCALE)}",
            "--input_model=$dl_dir/net.onnx",
        ],
    )
    write_model(folder / "models", CLASSIFIER, content)
    flags = ("--models_dir", folder / "models", "--weights_dir", folder / "weights")
    return network, flags


def published_scores(network, pixels):
    """The scores by ONNX Runtime, of an image of 256 x 256, prepared as Open Model Zoo's accuracy-check.yml says."""
    onnxruntime = needs("onnxruntime")
    rgb = pixels[16:240, 16:240, ::-1]
    data = ((rgb - np.float32(MEAN)) / np.float32(SCALE)).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"data": data.astype(np.float32)})
    return scores[0]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twelve pictures of 256 x 256, whose middle is just what ImageNet's classifiers look at."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for number in range(12):
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = cv2.resize(small, (256, 256), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{number:02}.png"), picture)
    return folder


def test_a_classifier_names_the_classes_of_an_image(classifier, pictures, tmp_path):
    network, flags = classifier
    picture = pictures / "00.png"
    output = printed(posezoo("run", CLASSIFIER, *flags, "--input", picture, "--output", tmp_path))
    scores = published_scores(network, cv2.imread(str(picture)))
    shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    best = np.argsort(-shares)[:5]
    (image,) = json.loads((tmp_path / "poses.json").read_text())["images"]
    assert [each["class_id"] for each in image["poses"]] == best.tolist()
    found = [each["score"] for each in image["poses"]]
    assert np.allclose(found, shares[best], atol=1e-3)
    names = IMAGENET.read_text("utf-8").splitlines()
    label = names[best[0]].split(", ")[0]
    assert image["poses"][0]["label"] == label
    assert f"{label} {shares[best[0]]:.2f}" in output
    assert "people" not in output


@pytest.fixture
def video(pictures, tmp_path):
    """Three pictures as a video."""
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (256, 256))
    for picture in sorted(pictures.glob("*.png"))[:3]:
        writer.write(cv2.imread(str(picture)))
    writer.release()
    return path


FLAGS_FOR_PEOPLE = ("--track", "--smooth")


@pytest.mark.parametrize(
    ("verb", "flag"),
    list(product(("run", "demo"), FLAGS_FOR_PEOPLE)),
)
def test_a_flag_for_people_is_refused_for_classes(classifier, video, tmp_path, verb, flag):
    _, flags = classifier
    model = (CLASSIFIER,)
    if verb == "demo":
        model = ("-m", CLASSIFIER, "--no_show", "--output", tmp_path / "out.avi")
    error = refusal(posezoo(verb, *model, *flags, "--input", video, flag))
    assert f"{CLASSIFIER} classifies whole images, and finds no people: {flag}" in error
    assert error.endswith(f" {flag} is for people and objects\n")


def share_among_the_first(truth, scores, count):
    """The share of the images whose true class is one of so many with the highest scores."""
    first = np.argsort(-scores, axis=1)[:, :count]
    return float(np.mean((first == np.array(truth)[:, None]).any(axis=1)))


def test_the_accuracy_of_a_classifier_is_the_share_of_right_classes(classifier, pictures, tmp_path):
    network, flags = classifier
    files = sorted(pictures.glob("*.png"))
    scores = np.array([published_scores(network, cv2.imread(str(path))) for path in files])
    ranks = np.argsort(-scores, axis=1)
    truth = [ranks[number, number % 8] for number in range(len(files))]
    lines = [f"{path.name} {category}" for path, category in zip(files, truth, strict=True)]
    (tmp_path / "val.txt").write_text("\n".join(lines))
    output = printed(posezoo(
        "evaluate", CLASSIFIER, *flags, "--images", pictures, "--annotations", tmp_path / "val.txt",
        "--output", tmp_path / "out", "--format", "json",
    ))  # fmt: skip
    figures = json.loads(output)
    for count in (1, 5):
        expected = share_among_the_first(truth, scores, count)
        assert figures[f"top{count}"] == pytest.approx(expected)


def test_a_folder_for_each_class_is_a_data_set(classifier, pictures, tmp_path):
    network, flags = classifier
    names = IMAGENET.read_text("utf-8").splitlines()
    for number, path in enumerate(sorted(pictures.glob("*.png"))[:4]):
        best = int(published_scores(network, cv2.imread(str(path))).argmax())
        name = names[best].split(", ")[0] if number else "something else"
        folder = tmp_path / "classes" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    output = printed(posezoo(
        "evaluate", CLASSIFIER, *flags, "--images", tmp_path / "classes",
        "--output", tmp_path / "out", "--format", "json",
    ))  # fmt: skip
    assert json.loads(output)["top1"] == 0.75


def test_a_classifier_is_quantized_and_its_accuracy_is_compared(classifier, pictures, tmp_path):
    needs("nncf")
    network, flags = classifier
    files = sorted(pictures.glob("*.png"))
    best = [int(published_scores(network, cv2.imread(str(path))).argmax()) for path in files]
    lines = [f"{path.name} {category}" for path, category in zip(files, best, strict=True)]
    (tmp_path / "val.txt").write_text("\n".join(lines))
    done = posezoo(
        "quantize", CLASSIFIER, *flags, "--dataset_dir", pictures,
        "--annotations", tmp_path / "val.txt", "--output", tmp_path / "int8",
    )  # fmt: skip
    assert_success(done)
    assert "FP16-INT8 has top1 " in done.stderr and ", FP32 1.000: a drop of " in done.stderr
    (xml,) = (tmp_path / "int8").rglob("*.xml")
    assert "i8" in xml.read_text() or "u8" in xml.read_text()


@pytest.fixture(scope="module")
def detector(mirror, tmp_path_factory):
    """The flags that select a detector whose model.yml names no decoder, as in Open Model Zoo."""
    folder = tmp_path_factory.mktemp("detector")
    content = yaml.safe_load(open_registry().find(DETECTOR).path.read_text("utf-8"))
    for key in ("decoder", "published", "quantization", "limits"):
        content.pop(key, None)
    content["license"] = {"spdx": "Apache-2.0", "text": "Apache-2.0-Tests.txt"}
    for output in content["outputs"]:
        output.pop("role")
    write_model(folder / "models", DETECTOR, content, family="intel")
    return (
        "--models_dir", folder / "models", "--weights_dir", folder / "weights", "--mirror", mirror,
    )  # fmt: skip


def test_the_objects_of_a_detector_are_those_of_model_api(detector, shared, tmp_path):
    pytest.importorskip("model_api", reason="needs openvino-model-api")
    photo = shared / "data" / "photos" / "000000000790.jpg"
    output = printed(
        posezoo("run", DETECTOR, *detector, "--input", photo, "--output", tmp_path / "run")
    )
    assert "4 people" in output
    (image,) = json.loads((tmp_path / "run" / "poses.json").read_text())["images"]
    done = posezoo("export", DETECTOR, *detector, "--to", "modelapi", tmp_path / "export")
    assert_success(done)
    sample = tmp_path / "export" / DETECTOR / "sample.py"
    judged = run_process([sys.executable, str(sample), str(photo)], check=True)
    rows = [line.split(" ", 2) for line in judged.stdout.splitlines()]
    assert [name for name, _, _ in rows] == [each["label"] for each in image["poses"]]
    for (_, score, box), ours in zip(rows, image["poses"], strict=True):
        assert float(score) == pytest.approx(ours["score"], abs=0.02)
        assert np.allclose(json.loads(box), ours["box"], atol=3)


def test_the_ap_of_objects_is_that_of_pycocotools(detector, shared, tmp_path):
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    from pycocotools.cocoeval import COCOeval

    annotations = shared / "data" / "photos" / "person_keypoints.json"
    content = json.loads(annotations.read_text())
    content["categories"] = [{"id": 7, "name": "Person"}, {"id": 9, "name": "dog"}]
    for number, each in enumerate(content["annotations"]):
        each["category_id"] = 9 if number % 10 == 0 else 7
    objects = tmp_path / "instances.json"
    objects.write_text(json.dumps(content))
    output = printed(posezoo(
        "evaluate", DETECTOR, *detector, "--annotations", objects, "--images", annotations.parent,
        "--output", tmp_path / "out", "--format", "json",
    ))  # fmt: skip
    figures = json.loads(output)
    truth = coco.COCO(str(objects))
    judge = COCOeval(truth, truth.loadRes(str(tmp_path / "out" / "results.json")), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    for name, value in zip(("AP", "AP50", "AP75"), judge.stats[:3], strict=True):
        assert figures[name] == pytest.approx(value, abs=1e-9)
    assert figures["AP50"] > 0.1


@pytest.fixture(scope="module")
def published(mirror, tmp_path_factory):
    """The IR of a person detector, as posezoo gets it."""
    folder = tmp_path_factory.mktemp("published")
    output = printed(
        posezoo(
            "get", DETECTOR, "--precisions", "FP32", "--weights_dir", folder, "--mirror", mirror
        )
    )
    return Path(output.strip())


def evaluated(subject, images, annotations, output, *flags):
    done = printed(posezoo(
        "evaluate", subject, "--annotations", annotations, "--output", output, *flags,
        "--images", images, "--format", "json",
    ))  # fmt: skip
    return json.loads(done)


def test_an_ir_that_names_its_classes_finds_them(published, shared, tmp_path):
    network = openvino.Core().read_model(published)
    for section in list(network.rt_info):
        del network.rt_info[section]
    network.set_rt_info("background dog", ["model_info", "labels"])
    network.set_rt_info("1", ["model_info", "scale_values"])
    xml = tmp_path / "dogs.xml"
    openvino.save_model(network, xml)
    photo = shared / "data" / "photos" / "000000000790.jpg"
    done = posezoo("run", xml, "--input", photo, "--output", tmp_path / "run")
    assert done.returncode == 0 and "4 dogs" in done.stdout, done.stderr
    content = json.loads((photo.parent / "person_keypoints.json").read_text())
    content["categories"][0]["name"] = "dog"
    annotations = tmp_path / "dogs.json"
    annotations.write_text(json.dumps(content))
    assert evaluated(xml, photo.parent, annotations, tmp_path / "out")["AP"] > 0.1


def test_a_class_of_another_name_is_not_taken_for_one_of_the_same_place(
    classifier, pictures, tmp_path
):
    network, _ = classifier
    path = pictures / "00.png"
    best = int(published_scores(network, cv2.imread(str(path))).argmax())
    known = IMAGENET.read_text("utf-8").splitlines()[(best + 1) % CLASSES].split(", ")[0]
    for name in (*(f"a dragon {number:03}" for number in range(best + 1)), known):
        folder = tmp_path / "classes" / name
        folder.mkdir(parents=True)
        (folder / path.name).write_bytes(path.read_bytes())
    read = read_class_dataset(tmp_path / "classes")
    assert read.find_category("no such class", best) == ANOTHER
    assert read.find_category(known, best + 1) == read.categories[known.lower()]


@pytest.mark.parametrize(
    ("name", "side", "outputs", "labels"),
    [
        (
            "age-gender-recognition-retail-0013",
            62,
            {"age_conv3": 1, "prob": 2},
            {"prob": ["Female", "Male"], "age_conv3": ["age/100"]},
        ),
        *(
            (
                f"vehicle-attributes-recognition-barrier-{number}",
                72,
                {"color": 7, "type": 4},
                {
                    "color": ["white", "gray", "yellow", "red", "green", "blue", "black"],
                    "type": ["car", "van", "truck", "bus"],
                },
            )
            for number in ("0039", "0042")
        ),
    ],
)
def test_a_classifier_with_several_outputs_names_the_best_class_of_each(
    name, side, outputs, labels, tmp_path
):
    network = attributes_network(name, side, outputs)
    flags = publish_ir(network, tmp_path, "object_attributes")
    picture = np.random.default_rng(5).integers(0, 256, (side, side, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "face.png"), picture)
    done = printed(posezoo(
        "run", name, *flags, "--precision", "FP32", "--input", tmp_path / "face.png",
        "--output", tmp_path / "run",
    ))  # fmt: skip
    compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    computed = compiled([np.float32(picture.transpose(2, 0, 1)[None])])
    expected = []
    for output, names in labels.items():
        shares = computed[output].ravel()
        expected.append((names[shares.argmax()], pytest.approx(float(shares.max()), abs=1e-3)))
    (image,) = json.loads((tmp_path / "run" / "poses.json").read_text())["images"]
    assert [(each["label"], each["score"]) for each in image["poses"]] == expected
    assert ", ".join(f"{each['label']} {each['score']:.2f}" for each in image["poses"]) in done


ROADS = "roads is for semantic segmentation, which posezoo does not run"
ACTS = "acts has several networks for action recognition, and no decoder for their outputs"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("run", "roads", "--input"), ROADS),
        (("quantize", "roads", "--images"), ROADS),
        (("run", "acts", "--input"), ACTS),
        (
            ("run", "acts-encoder", "--input"),
            "acts-encoder is a part of acts, and is not run alone",
        ),
        (("quantize", "acts-encoder", "--images"), ACTS),
    ],
)
def test_a_model_for_another_task_is_refused_before_anything_is_transferred(
    command, problem, tmp_path
):
    models = tmp_path / "models"
    write_model(models, "roads", omz_yml(task_type="semantic_segmentation"))
    write_model(models, "acts/acts-encoder", omz_yml(task_type="detection"))
    write_composite(models, "acts", ["acts-encoder"], task_type="action_recognition")
    error = refusal(posezoo(*command, SAMPLE_PHOTOS[0].parent, "--models_dir", models))
    assert problem in error
    assert "models.invalid" not in error
