"""Mistakes put into a copy of our own registry, one at a time: each is an error at the file that is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from posezoo.cards.registry_pages import render_pages
from posezoo.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
HRNET = "public/higher-hrnet-w32-human-pose-estimation"
OPENPOSE = "intel/human-pose-estimation-0001"
RESNET = "public/simple_pose_resnet50_v1b"
SMALL = "public/simple_pose_resnet18_v1b"
LIGHT = "public/lightweight-openpose-mobilenet-v1"
SINGLE = "public/single-human-pose-estimation-0001"
TFPOSE = "public/tf-pose-mobilenet-v2-small"
CHECKSUM = "64e24ceca496aba4fb818edbea7c3a1405bc42c3166eac1b4be4f6cc89623c80cb9a1fd4c32d245d423653aa588e1a0b"
BIN_CHECKSUM = "64ef06d261ae522409172a396d927f7345525dbde011e3e2bff487f73e7b1d8cf622091feba9c23c7d4625c0aab0a3e5"

#: The rule that finds a mistake, the mistake, the file that is wrong, and its changes: texts and new texts.
#: A rule other than those on drawn pages finds it even if all pages are drawn again.
MISTAKES = [
    ("drawn-card", "AP of another size", f"{HRNET}/model.yml", {"value: 0.6464": "value: 0.32"}),
    ("drawn-card", "AP a little higher", f"{HRNET}/model.yml", {"value: 0.6464": "value: 0.6469"}),
    ("drawn-card", "AP of GluonCV", f"{RESNET}/model.yml", {"value: 0.710": "value: 0.719"}),
    ("drawn-card", "AP on the card", f"{HRNET}/README.md", {"64.64%": "64.46%"}),
    ("drawn-index", "AP in the index", "index.md", {"| 64.64% |": "| 64.46% |"}),
    ("drawn-index", "AP of GluonCV in the index", "index.md", {"| 71.0/91.2/78.6 |": "| 71.5/91.2/78.6 |"}),
    ("drawn-card", "AP50", f"{RESNET}/model.yml", {"AP50: 0.912": "AP50: 0.921"}),
    ("drawn-card", "converted AP", f"{HRNET}/model.yml", {"converted: 0.6464": "converted: 0.6264"}),
    ("accuracy-order", "AP swapped with AP with flip", f"{RESNET}/model.yml", {"value: 0.710": "value: 0.722", "value: 0.722": "value: 0.710"}),
    ("drawn-card", "AP swapped with AP with flip on the card", f"{RESNET}/README.md", {"| 71% | not": "| 72.2% | not", "| 72.2% | not": "| 71% | not"}),
    ("drawn-card", "size on the card", f"{OPENPOSE}/README.md", {"| 8,197,354 |": "| 8,197,345 |"}),
    ("drawn-card", "size in model.yml", f"{OPENPOSE}/model.yml", {"size: 8197354": "size: 8197345"}),
    ("drawn-card", "digest on the card", f"{OPENPOSE}/README.md", {"64e24cec": "64e24cee"}),
    ("drawn-card", "digest in model.yml", f"{OPENPOSE}/model.yml", {"64e24cec": "64e24cee"}),
    ("drawn-card", "digest in card.json", f"{OPENPOSE}/card.json", {"64e24cec": "64e24cee"}),
    ("ir-pairs", "sizes of xml and bin swapped", f"{OPENPOSE}/model.yml", {"size: 152120": "size: 16394708", "size: 16394708": "size: 152120"}),
    ("drawn-card", "digests of xml and bin swapped", f"{OPENPOSE}/model.yml", {CHECKSUM: BIN_CHECKSUM, BIN_CHECKSUM: CHECKSUM}),
    ("source-name", "names of xml and bin swapped", f"{OPENPOSE}/model.yml", {
        "name: FP32/human-pose-estimation-0001.xml": "name: FP32/human-pose-estimation-0001.bin",
        "name: FP32/human-pose-estimation-0001.bin": "name: FP32/human-pose-estimation-0001.xml"}),
    ("source-name", "sources of xml and bin swapped", f"{OPENPOSE}/model.yml", {
        "0001/FP32/human-pose-estimation-0001.xml": "0001/FP32/human-pose-estimation-0001.bin",
        "0001/FP32/human-pose-estimation-0001.bin": "0001/FP32/human-pose-estimation-0001.xml"}),
    ("same-source", "one checksum on two files", f"{OPENPOSE}/model.yml", {BIN_CHECKSUM: CHECKSUM}),
    ("skeleton-maps", "keypoints of another skeleton", f"{RESNET}/model.yml", {"skeleton: coco-17": "skeleton: openpose-18"}),
    ("skeleton-maps", "skeleton with fewer keypoints", f"{OPENPOSE}/model.yml", {"skeleton: openpose-18": "skeleton: coco-17"}),
    ("network-size", "width of the network", f"{HRNET}/model.yml", {"width: 32": "width: 48"}),
    ("network-size", "stages of the network", f"{SINGLE}/model.yml", {"{name: single_human_pose}": "{name: single_human_pose, refinement_stages: 2}"}),
    *(("framework-files", f"framework {new}", f"{model}/model.yml", {f"framework: {old}\n": f"framework: {new}\n"})
      for model, old, new in ((TFPOSE, "tf", "tflite"), (SMALL, "pytorch", "tf"), (LIGHT, "pytorch", "caffe"))),
    *(("hash-name", f"{name} with another SHA-1", f"{SMALL}/model.yml", {old: old.replace("f63d42ac", new)})
      for name, old, new in (
          ("digest", "value: f63d42ac", "f63d42ad"), ("name", "v1b-f63d42ac.params", "f63d42ad"),
          ("tag", "  f63d42ac:", "f63d42ad"), ("address", "v1b-f63d42ac.zip", "f63d42ad"),
          ("address of a variant", "v1b-f63d42ac.zip", "ccd24037"))),
    ("same-source", "one source twice in a model", f"{OPENPOSE}/model.yml", {"2021.4/models_bin/3/human-pose-estimation-0001/FP16-INT8": "2023.0/models_bin/1/human-pose-estimation-0001/FP16"}),
    ("source-of-another", "one source in two models", f"{SINGLE}/model.yml", {
        "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1/single-human-pose-estimation-0001/single-human-pose-estimation-0001.tar.gz":
        "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1/human-pose-estimation-3d-0001/human-pose-estimation-3d.tar.gz"}),
    ("drawn-index", "row of the index missing", "index.md", {"| [simple\\_pose\\_resnet18\\_v1b](public/simple_pose_resnet18_v1b/README.md) | ": None}),
    ("drawn-index", "row of the index to no model", "index.md", {"(public/simple_pose_resnet18_v1b/README.md) |": "(public/simple_pose_resnet81_v1b/README.md) |"}),
    ("drawn-index", "row of the index to another model", "index.md", {"(public/simple_pose_resnet18_v1b/README.md) |": "(public/simple_pose_resnet50_v1b/README.md) |"}),
    ("drawn-index", "row of no model in the index", "index.md", {"| --- |\n": "| --- |\n| [gone](public/gone/README.md) | Detection | Caffe | 1 MB |  |  |  |  |  |  |\n"}),
    ("drawn-card", "order of the mean", f"{RESNET}/README.md", {"123.675, 116.28, 103.53": "103.53, 116.28, 123.675"}),
    ("drawn-card", "order of the mean in the arguments", f"{RESNET}/README.md", {"data[123.675,116.28,103.53]": "data[103.53,116.28,123.675]"}),
    ("drawn-card", "order of keypoints", f"{RESNET}/README.md", {"1 left_eye, 2 right_eye": "1 right_eye, 2 left_eye"}),
    ("drawn-card", "measured GFLOPs", f"{HRNET}/measured.yml", {"gflops: 92.8713": "gflops: 29.8713"}),
]  # fmt: skip


@pytest.fixture
def models(tmp_path):
    for name in ("models", "licenses"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path / "models"


def verify(capsys, models: Path) -> tuple[int, list[dict[str, object]]]:
    code = main(["verify", "--metadata", "--models_dir", str(models), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)["findings"]


def expect_error(capsys, models: Path, file: str, rule: str) -> None:
    code, findings = verify(capsys, models)
    assert code == 1
    places = {(str(each["file"]), each["rule"]) for each in findings if each["severity"] == "error"}
    assert (str(models / file), rule) in places


def test_our_registry_has_no_finding(capsys, models):
    assert verify(capsys, models) == (0, [])


def inject(path: Path, changes: dict[str, str | None]) -> None:
    text = path.read_text("utf-8")
    assert all(old in text for old in changes)
    for number, old in enumerate(changes):  # two steps, so that texts can be swapped
        text = text.replace(old, f"\0{number}\0")
    for number, new in enumerate(changes.values()):
        text = text.replace(f"\0{number}\0", "\0" if new is None else new)
    kept = [line for line in text.splitlines() if "\0" not in line]
    path.write_text("\n".join(kept) + "\n", "utf-8")


@pytest.mark.parametrize(
    ("rule", "name", "file", "changes"), MISTAKES, ids=[each[1] for each in MISTAKES]
)
def test_a_mistake_is_an_error_at_the_wrong_file(capsys, models, rule, name, file, changes):
    if rule == "network-size":
        pytest.importorskip("torch", reason="needs torch")
    inject(models / file, changes)
    if rule not in ("drawn-card", "drawn-index"):
        draw_again(models)
    expect_error(capsys, models, file, rule)


def draw_again(models: Path) -> None:
    """Draw all pages, so that none differs from model.yml."""
    for page, text in render_pages(models).items():
        (models / page).write_text(text, "utf-8")


def test_two_swapped_stages_are_one_finding_though_many_drawn_lines_differ(capsys, models):
    file = models / "public" / "blazepose-full" / "composite-model.yml"
    stages = ("pose-detection-mediapipe", "pose-landmark-full-mediapipe")
    inject(file, {", ".join(stages): ", ".join(reversed(stages))})
    code, findings = verify(capsys, models)
    assert (code, [(each["rule"], each["file"]) for each in findings]) == (
        1,
        [("decoder-outputs", str(file))],
    )


@pytest.mark.parametrize("half", ["xml", "bin"])
def test_a_missing_half_of_an_ir_is_found(capsys, models, half):
    path = models / OPENPOSE / "model.yml"
    head, *entries = path.read_text("utf-8").split("  - name: FP16/")
    assert len(entries) == 2
    kept = (
        entries[1]
        if half == "xml"
        else entries[0].rstrip() + "\n" + entries[1][entries[1].index("  - name: FP16-INT8/") :]
    )
    path.write_text(f"{head}  - name: FP16/{kept}", "utf-8")
    draw_again(models)
    expect_error(capsys, models, f"{OPENPOSE}/model.yml", "ir-pairs")
