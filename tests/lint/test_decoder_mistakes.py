"""Mistakes in outputs, skeletons, classes and published values, and correct changes of the same places."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from fakes.lint import check_registry
from posezoo.core.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
WHOLE_BODY = "COCO-WholeBody 1.0 val, protocol: 133 keypoints"
CLASSES = "COCO's 80 classes"
X, Y = "simcc_x, shape: [1, 17, 384]", "simcc_y, shape: [1, 17, 512]"
HEATMAPS = "[1, 17, 64, 48]"
MEAN, SCALE = "mean: [123.675, 116.28, 103.53]", "scale: [58.395, 57.12, 57.375]"


class Change(NamedTuple):
    """What is changed in one model."""

    title: str
    model: str
    texts: dict[str, str]


#: What the decoders and the contents of archives state.
OF_DECODERS = [
    Change("RTMPose, height and width swapped", "rtmpose-l", {"[1, 3, 256, 192]": "[1, 3, 192, 256]"}),
    Change("84 columns for 80 classes", "yolox-s-coco", {"[1, 8400, 85]": "[1, 8400, 84]"}),
    Change("26 points on 17", "rtmo-s", {"skeleton: coco-17": "skeleton: halpe-26"}),
    Change("133 points with an AP on COCO", "dwpose-l", {WHOLE_BODY: "COCO val2017, protocol: flip"}),
    Change("checkpoint that is not in the archive", "rtmpose-t", {"\ncheckpoint: 20230831/": "\ncheckpoint: 20230813/"}),
    Change("cells of NanoDet", "nanodet-g", {"[1, 3, 416, 416]": "[1, 3, 320, 320]"}),
    Change("fewer distances of stride 8", "nanodet-g", {"[1, 2704, 44]": "[1, 2704, 32]"}),
    Change("bins of another input", "rtmw-l", {"[1, 133, 384]": "[1, 133, 576]"}),
    Change("keypoints of y", "rtmpose-s", {Y: "simcc_y, shape: [1, 26, 512]"}),
    Change("numbers of a keypoint", "rf-detr-keypoint", {"[1, 100, 17, 8]": "[1, 100, 17, 3]"}),
    Change("boxes without a score", "rtmo-t", {"[1, -1, 5]": "[1, -1, 4]"}),
    Change("finer heatmaps", "vitpose-base", {HEATMAPS: "[1, 17, 128, 96]"}),
    Change("input of a larger network", "hrnet-w32", {"[1, 3, 256, 192]": "[1, 3, 384, 288]"}),
    Change("anchors of another input", "pose_landmarker_lite/pose_landmarker-detector", {"[1, 224, 224, 3]": "[1, 256, 256, 3]"}),
    Change("bins of a pixel", "rtmpose-x-384x288", {"{name: simcc}": "{name: simcc, split: 3.0}"}),
]  # fmt: skip

#: Without it, a model has the mean of one of its siblings.
REASON = {"published:\n": "published:\n  known_difference: it was trained with other code\n"}

#: Changes that are right.
CORRECT = [
    Change("larger crop", "rtmpose-l", {"[1, 3, 256, 192]": "[1, 3, 384, 288]", X: "simcc_x, shape: [1, 17, 576]", Y: "simcc_y, shape: [1, 17, 768]"}),
    Change("one bin a pixel", "rtmpose-m", {"{name: simcc}": "{name: simcc, split: 1.0}", X: "simcc_x, shape: [1, 17, 192]", Y: "simcc_y, shape: [1, 17, 256]"}),
    Change("any batch", "rtmpose-t", {"[1, 3, 256, 192]": "[-1, 3, 256, 192]", X: "simcc_x, shape: [-1, 17, 384]", Y: "simcc_y, shape: [-1, 17, 512]"}),
    Change("AP of the body", "dwpose-l", {WHOLE_BODY: 'COCO val2017, protocol: "17 keypoints of the body"'}),
    Change("another split of whole bodies", "rtmw-l", {"COCO-WholeBody 1.0 val": "COCO-WholeBody 1.0 test"}),
    Change("AP on Halpe", "rtmpose-l-halpe26", {"\npublished:\n  accuracy:\n": '\npublished:\n  accuracy:\n    - {metric: AP, value: 0.6, dataset: Halpe full-body, protocol: "26 keypoints"}\n'}),
    Change("YOLOX of a wide input", "yolox-s-coco", {"[1, 3, 640, 640]": "[1, 3, 384, 640]", "[1, 8400, 85]": "[1, 5040, 85]"}),
    Change("YOLOX of people", "yolox-tiny-coco", {CLASSES: "the one class person", "boxes of 80 classes": "boxes of people", "[1, 3549, 85]": "[1, 3549, 6]"}),
    Change("NanoDet of a smaller input", "nanodet-g", {"[1, 3, 416, 416]": "[1, 3, 320, 320]", "2704": "1600", "676": "400", "[1, 169": "[1, 100"}),
    Change("NanoDet of eight distances", "nanodet-g", {"44]": "32]"}),
    Change("RTMO of fixed rows", "rtmo-t", {"[1, -1, 5]": "[1, 50, 5]", "[1, -1, 17, 3]": "[1, 50, 17, 3]"}),
    Change("RTMO of rows in one output", "rtmo-s", {"[1, -1, 5]": "[1, 50, 5]"}),
    Change("300 queries", "rf-detr-keypoint", {"[1, 100, ": "[1, 300, "}),
    Change("boxes of fixed rows", "rtmdet-nano", {"[1, -1, 5]": "[1, 100, 5]", "[1, -1]": "[1, 100]"}),
    Change("heatmaps with channels last", "vitpose-plus-small", {"[1, 17, 64, 48], layout: NCHW": "[1, 64, 48, 17], layout: NHWC"}),
    Change("heatmaps of any size", "hrnet-w32", {HEATMAPS: "[1, 17, -1, -1]"}),
    Change("sides that are rounded up", "lightweight-openpose-mobilenet-v1", {"[1, 3, 256, 456]": "[1, 3, 250, 450]"}),
    Change("square associative embedding", "higher-hrnet-w32-human-pose-estimation", {"[1, 3, 512, 512]": "[1, 3, 640, 640]", "256, 256]": "320, 320]"}),
    Change("two tags of a cell", "human-pose-estimation-0005", {"[1, 17, 144, 144, 1]": "[1, 17, 144, 144, 2]"}),
    Change("PoseNet of a fixed size", "posenet-mobilenet-v1", {"[1, -1, -1, 3]": "[1, 385, 513, 3]", "[1, -1, -1, ": "[1, 25, 33, "}),
    Change("larger MultiPose", "movenet-multipose", {"usual_size: [256, 352]": "usual_size: [320, 512]"}),
    Change("an order of keys", "person-detection-retail-0013", {"task_type: detection\nframework: dldt": "framework: dldt\ntask_type: detection"}),
    Change("heatmaps of a variant", "simple_pose_resnet152_v1d", {"384, 288]": "512, 384]", "96, 72]": "128, 96]"}),
    Change("detector without people", "movenet-lightning", {"nanodet-g": "the whole image"}),
    Change("tracking", "movenet-thunder", {"video: nanodet-g": "video: tracking"}),
    Change("another detector", "rtmpose-t-halpe26", {"rtmdet-nano": "yolox-tiny-coco"}),
    Change("other words", "rtmpose-m-384x288", {"Finds the pose of one person": "Estimates the pose of one person"}),
    Change("AP without flip", "hrnet-w32", {", flip: true": ""}),
    Change("AP50 without AP75", "rtmo-m", {", AP75: 0.79": ""}),
    Change("no published values of variants", "simple_pose_resnet18_v1b", {"AP50: 0.848, AP75: 0.603, ": ""}),
    Change("a second mirror", "yolox-s-coco", {"    source: https://github.com": "    source:\n      - https://mirror.invalid/yolox_s.onnx\n      - https://github.com"}),
    Change("limits", "rtmo-t", {"at most 50 people": "at most 100 people"}),
    Change("score of the decoder", "rtmo-l", {"{name: rtmo}": "{name: rtmo, min_score: 0.2}"}),
    Change("mirrored heatmaps", "vitpose-base", {"shift_flipped: false": "shift_flipped: true"}),
    Change("colour of the IR", "rtmdet-m", {"color: BGR\n": "color: RGB\n    reverse_input_channels: true\n", "mean: [103.53, 116.28, 123.675]": MEAN, "scale: [57.375, 57.12, 58.395]": SCALE, **REASON}),
    Change("no preprocessing", "rtmw-l", {f"    {MEAN}\n    {SCALE}\n": "", **REASON}),
    Change("an output that nothing reads", "rtmpose-m-halpe26", {"note: the same of y}": "note: the same of y}\n  - {name: features, shape: [1, 64, 8, 6], layout: NCHW}"}),
    Change("outputs in another order", "rtmdet-nano", {"  - {name: dets": "  - {name: labels_0", "  - {name: labels,": "  - {name: dets,", "labels_0": "labels", "role: dets": "role: labels_0", "role: labels,": "role: dets,", "role: labels_0": "role: labels", "shape: [1, -1, 5]": "shape: [1, -2]", "shape: [1, -1]": "shape: [1, -1, 5]", "[1, -2]": "[1, -1]"}),
]  # fmt: skip

#: Other forms of what Open Model Zoo's cards and arguments state: a file, a pattern, and its replacement.
OTHER_FORMS = [
    ("model.yml", r"_values=([a-z]*\[[0-9.]+)([],])", r"_values=\g<1>0\2",
     "Sphereface", "fastseg-large", "googlenet-v2", "mobilenet-v2"),
    ("model.yml", r"^( *- --input_shape=.*?),(?=[0-9])", r"\1, ",
     "fastseg-small", "nfnet-f0", "ssd300", "yolo-v4-tf"),
    ("README.md", r"`([0-9]+), ([0-9]+), ([0-9]+), ([0-9]+)`", r"`\1x\2x\3x\4`",
     "se-resnet-101", "se-resnext-101", "se-resnet-50", "se-resnet-152"),
    ("README.md", r"`B, C, H, W`", "`B,C,H,W`",
     "resnet-18-pytorch", "shufflenet-v2-x1.0", "pspnet-pytorch", "se-resnext-50"),
    ("README.md", r"^(\| (?:GFLOPs|MParams) *\| *[0-9]+\.[0-9]+)", r"\g<1>0",
     "ctpn", "f3net", "faceboxes-pytorch", "vehicle-reid-0001"),
]  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Our models without the pages that are drawn."""
    folder = tmp_path_factory.mktemp("registry")
    drawn = shutil.ignore_patterns("README.md", "index.md", "card.json", "*.jpg", "*.svg")
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    shutil.copytree(ROOT / "models", folder / "models", ignore=drawn)
    return folder


def copy_part(registry, folder, *patterns):
    """A registry of these models; it refers to no others."""
    shutil.copytree(registry / "licenses", folder / "licenses")
    copy = folder / "models"
    shutil.copytree(registry / "models" / "skeletons", copy / "skeletons")
    for pattern in patterns:
        for path in (registry / "models" / "public").glob(pattern):
            shutil.copytree(path, copy / "public" / path.name)
    return copy


def find_declaration(models, model):
    (path,) = models.glob(f"*/{model}/*model.yml")
    return path


def change(models, changes):
    for _, model, texts in changes:
        path = find_declaration(models, model)
        text = path.read_text("utf-8")
        for old, new in texts.items():
            assert old in text, f"nothing to change in {model}: {old}"
            text = text.replace(old, new)
        path.write_text(text, "utf-8")


def in_rounds(changes):
    """The changes in groups with at most one for each model."""
    left = list(changes)
    while left:
        group = {each.model: each for each in reversed(left)}
        left = [each for each in left if each is not group[each.model]]
        yield list(group.values())


def list_found(registry, folder, changes):
    """The titles of the mistakes with an error in their model."""
    found = set()
    for number, group in enumerate(in_rounds(changes)):
        copied = shutil.copytree(registry, folder / str(number)) / "models"
        change(copied, group)
        errors = [each for each in check_registry(Registry([copied])) if each.severity == "error"]
        files = {each.file for each in errors}
        found |= {
            each.title for each in group if str(find_declaration(copied, each.model)) in files
        }
    return found


def test_all_mistakes_are_errors_in_their_model(registry, tmp_path):
    found = list_found(registry, tmp_path, OF_DECODERS)
    assert [each.title for each in OF_DECODERS if each.title not in found] == []


def test_a_size_that_is_not_declared_is_not_named(registry, tmp_path):
    models = copy_part(registry, tmp_path, "posenet-mobilenet-v1")
    change(models, [Change("", "posenet-mobilenet-v1", {"[1, -1, -1, 34]": "[1, -1, -1, 17]"})])
    (finding,) = check_registry(Registry([models]))
    assert finding.message.endswith("; expected of 17 keypoints: 1, 34, ?, ?")


def test_correct_changes_are_no_findings(registry, tmp_path):
    for number, group in enumerate(in_rounds(CORRECT)):
        copied = shutil.copytree(registry, tmp_path / str(number)) / "models"
        change(copied, group)
        assert check_registry(Registry([copied])) == []


def test_another_form_of_a_fact_of_open_model_zoo_is_no_finding(shared, tmp_path):
    zoo = shutil.copytree(shared / "data" / "omz-2021.4", tmp_path, dirs_exist_ok=True)
    for file, pattern, replacement, *models in OTHER_FORMS:
        for model in models:
            path = zoo / "models" / "public" / model / file
            text = path.read_text("utf-8")
            changed, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            assert count, f"nothing to change in {path}"
            path.write_text(changed, "utf-8")
    changed_models = {model for _, _, _, *models in OTHER_FORMS for model in models}
    found = check_registry(Registry([zoo / "models"]), changed_models)
    assert [(each.rule, each.model, each.message) for each in found] == []
