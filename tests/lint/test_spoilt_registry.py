"""posezoo lint, as CI and the pre-commit hook run it: on a copy of our registry in which nothing was
changed, it has nothing to say; each mistake in a file of it ends with exit code 1, and is named where it is.

No page is drawn again after a mistake.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from fakes.command import json_of, posezoo
from posezoo.pages.cards.registry_pages import render_pages

ROOT = Path(__file__).resolve().parents[2]
SILENT = re.compile(r"\d+ models and composites, \d+ rules, 0 findings; not judged: .*\n")
RTMPOSE = "public/rtmpose-m/model.yml"
OPENPOSE = "intel/human-pose-estimation-0001/model.yml"
VITPOSE = "public/vitpose-plus-small/model.yml"
RESNET = "public/simple_pose_resnet18_v1b/model.yml"
THUNDER = "public/movenet-thunder/model.yml"
LIGHT = "public/lightweight-openpose-mobilenet-v1/model.yml"
HRNET = "public/hrnet-w32/model.yml"
YOLOX = "public/yolox-tiny-coco/model.yml"
YOLOX_S, YOLOX_NANO = (f"public/yolox-{size}-coco/model.yml" for size in ("s", "nano"))
OPENPOSES = [f"intel/human-pose-estimation-000{number}/model.yml" for number in (5, 6, 7)]
YOLOX_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
ZIP = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/models/mobile_pose_mobilenet1.0-b399bac7.zip"
#: Its models refer to no others.
PART = (
    "intel/human-pose-estimation-0001",
    "public/movenet-multipose",
    "public/posenet-mobilenet-v1",
    "public/rtmdet-m",
    "public/rtmdet-nano",
    "public/rtmpose-m",
    "public/vitpose-base",
    "public/vitpose-plus-base",
    "public/vitpose-plus-small",
    "public/yolox-tiny-coco",
)
RTMO = "public/rtmo-s/model.yml"
DWPOSE = "public/dwpose-l/model.yml"
BLAZEPOSE = "public/blazepose-full/composite-model.yml"
CHECKPOINT = "https://download.01.org/opencv/openvino_training_extensions/models/human_pose_estimation/checkpoint_iter_370000.pth"
RGB = "color: RGB\n    reverse_input_channels: true"


class Mistake(NamedTuple):
    name: str
    file: str  # below models/
    old: str
    new: str
    found: str = ""  # the file that the finding names; empty for the same one
    rule: str = ""  # that finds it; empty for any


#: None changes what another of the same model needs, so that several are checked in one run.
MISTAKES = [
    Mistake("a byte more", OPENPOSE, "size: 8197354", "size: 8197355"),
    Mistake("kB", VITPOSE, "size: 132619932", "size: 132620"),
    Mistake("negative size", OPENPOSE, "size: 8197354", "size: -8197354"),
    Mistake("size with a unit", OPENPOSES[0], "size: 849150", "size: 8 MB"),
    Mistake("short checksum", OPENPOSES[1], "ac3fd1607f5", "ac3fd1607f"),
    Mistake("character of a checksum", OPENPOSE, "dabb7be42c5", "dabb7be42c6"),
    Mistake("no hex digit", OPENPOSES[2], "52b32d13c47", "g2b32d13c47"),
    Mistake("checksum of another kind", RTMPOSE, "checksum: {$type: sha256", "checksum: {$type: sha1"),
    Mistake("checksum of a member", RTMPOSE, "value: 5c0a4bf6", "value: 5c0a4bf7"),
    Mistake("mean in the other order", RTMPOSE, "[123.675, 116.28, 103.53]", "[103.53, 116.28, 123.675]"),
    Mistake("scale in the other order", RTMO.replace("rtmo-s", "rtmpose-s"), "[58.395, 57.12, 57.375]", "[57.375, 57.12, 58.395]"),
    Mistake("mean of two numbers", RTMPOSE, "[123.675, 116.28, 103.53]", "[123.675, 116.28]"),
    Mistake("negative mean", RTMPOSE, "[123.675, 116.28, 103.53]", "[-123.675, 116.28, 103.53]", rule="channel-values"),
    Mistake("no mean", RTMPOSE, "    mean: [123.675, 116.28, 103.53]\n", "", rule="channel-values"),
    Mistake("mean of 0 to 1", RTMPOSE, "[123.675, 116.28, 103.53]", "[0.485, 0.456, 0.406]"),
    Mistake("scale of zero", RTMPOSE, "[58.395, 57.12, 57.375]", "[58.395, 0, 57.375]"),
    Mistake("negative scale", RTMPOSE, "[58.395, 57.12, 57.375]", "[58.395, -57.12, 57.375]", rule="channel-values"),
    Mistake("channels that are not reversed", RTMPOSE, RGB, "color: RGB", rule="reversed-channels"),
    Mistake("channels that are reversed", OPENPOSE, "color: BGR}", "color: BGR, reverse_input_channels: true}", rule="reversed-channels"),
    Mistake("color that is none", RTMPOSE, "color: RGB", "color: RGBA"),
    Mistake("input of another name", RESNET, "- name: data", "- name: image"),
    Mistake("turned input", RTMPOSE, "[1, 3, 256, 192]", "[1, 3, 192, 256]"),
    Mistake("input of another size", HRNET, "[1, 3, 256, 192]", "[1, 3, 265, 192]"),
    Mistake("layout", RTMPOSE, "layout: NCHW", "layout: NHWC"),
    Mistake("output of another name", RESNET, "name: heatmaps\n", "name: heatmap\n"),
    Mistake("output of another size", RTMPOSE, "[1, 17, 384]", "[1, 17, 348]"),
    Mistake("role", RTMPOSE, "role: simcc_y", "role: simcc_x"),
    Mistake("other decoder", RTMPOSE, "decoder: {name: simcc}", "decoder: {name: heatmap}"),
    Mistake("misspelt decoder", DWPOSE, "decoder: {name: simcc", "decoder: {name: simc"),
    Mistake("other task", RTMPOSE, "task_type: human_pose_estimation", "task_type: detection"),
    Mistake("task of a detector", YOLOX, "task_type: detection", "task_type: human_pose_estimation"),
    Mistake("address of another model", OPENPOSE, "human-pose-estimation-0001/FP16/human-pose-estimation-0001.bin", "human-pose-estimation-0005/FP16/human-pose-estimation-0005.bin"),
    Mistake("address of another precision", OPENPOSE, "human-pose-estimation-0001/FP16/human-pose-estimation-0001.bin", "human-pose-estimation-0001/FP32/human-pose-estimation-0001.bin"),
    Mistake("http", OPENPOSES[0], "source: https://storage", "source: http://storage"),
    Mistake("page of GitHub", LIGHT, CHECKPOINT, "https://github.com/o/r/blob/v1/checkpoint_iter_370000.pth", rule="page-source"),
    Mistake("folder on GitHub", YOLOX, f"{YOLOX_RELEASE}/yolox_tiny.onnx", "https://github.com/o/r/tree/v1/weights", rule="page-source"),
    Mistake("page of Hugging Face", YOLOX_S, f"{YOLOX_RELEASE}/yolox_s.onnx", "https://huggingface.co/o/r/blob/main/checkpoint_iter_370000.pth", rule="page-source"),
    Mistake("page of Google Drive", YOLOX_NANO, f"{YOLOX_RELEASE}/yolox_nano.onnx", "https://drive.google.com/file/d/1aBcD-eF_g/view?usp=sharing", rule="page-source"),
    Mistake("page of Dropbox", "public/mobile_pose_mobilenet1.0/model.yml", ZIP, "https://www.dropbox.com/s/abc/checkpoint_iter_370000.pth?dl=0", rule="page-source"),
    Mistake("page", LIGHT, CHECKPOINT, "https://download.01.org/opencv/models.html", rule="page-source"),
    Mistake("login in an address", LIGHT, "https://download.01.org", "https://ann:s3cret@download.01.org", rule="safe-sources"),
    Mistake("address with another ending", LIGHT, CHECKPOINT, CHECKPOINT.replace(".pth", ".onnx"), rule="source-ending"),
    Mistake("name with another ending", LIGHT, "name: checkpoint_iter_370000.pth", "name: checkpoint_iter_370000.onnx"),
    Mistake("member with another ending", THUNDER, "member: package/models/movenet-thunder.bin", "member: package/models/movenet-thunder.json", rule="source-ending"),
    Mistake("checkpoint that is no file", LIGHT, "\ncheckpoint: checkpoint_iter_370000.pth", "\ncheckpoint: checkpoint_iter_37000.pth"),
    Mistake("checkpoint that is in no archive", RTMPOSE, "\ncheckpoint: 20230831/", "\ncheckpoint: 20230830/"),
    Mistake("archive that is not there", RTMPOSE, "format: zip, file: rtmpose-m.zip", "format: zip, file: rtmpose-s.zip"),
    Mistake("archive of another kind", RTMPOSE, "format: zip,", "format: gztar,"),
    Mistake("text of another license", RTMPOSE, "Apache-2.0-OpenMMLab.txt", "MIT-HRNet.txt"),
    Mistake("other license", RTMPOSE, "spdx: Apache-2.0", "spdx: MIT"),
    Mistake("misspelt license", RTMPOSE, "spdx: Apache-2.0", "spdx: Apache2.0"),
    Mistake("license text that is not there", RTMPOSE, "Apache-2.0-OpenMMLab.txt", "Apache-2.0-OpenMMlab.txt"),
    Mistake("license text of another project", RTMPOSE, "Apache-2.0-OpenMMLab.txt", "Apache-2.0-Intel.txt"),
    Mistake("one name twice", OPENPOSE, "- name: FP16/human-pose-estimation-0001.bin", "- name: FP16/human-pose-estimation-0001.xml"),
    Mistake("misspelt key", RTMPOSE, "license_note:", "licence_note:"),
    Mistake("misspelt key of an input", RTMPOSE, "reshaped: true", "reshape: true"),
    Mistake("key of nothing", RTMPOSE, "skeleton: coco-17\n", "skeleton: coco-17\ncolour: RGB\n"),
    Mistake("value of another type", RTMPOSE, "reshaped: true", "reshaped: 3"),
    Mistake("framework of other files", RTMPOSE, "framework: onnx\n", "framework: tf\n"),
    Mistake("description of the draft", RTMPOSE, "Finds the pose of one person", "TODO: what does it find"),
    Mistake("GFLOPs", RTMPOSE, "gflops: 3.86 ", "gflops: 3860 "),
    Mistake("parameters", OPENPOSE, "mparams: 4.099", "mparams: 4099000"),
    Mistake("AP in percent", RTMPOSE, "value: 0.749", "value: 74.9"),
    Mistake("digits of AP", RTMPOSE, "value: 0.749", "value: 0.479"),
    Mistake("AP50 below AP", RESNET, "AP50: 0.892", "AP50: 0.592"),
    Mistake("data set of other keypoints", RTMPOSE, "dataset: COCO val2017", "dataset: COCO-WholeBody V1.0"),
    Mistake("misspelt detector", RTMPOSE, "photo: rtmdet-nano", "photo: rtmdet-nanno"),
    Mistake("detector that finds keypoints", RTMPOSE, "photo: rtmdet-nano", "photo: rtmpose-s"),
    Mistake("width of the network", VITPOSE, "width: 384", "width: 768"),
    Mistake("width of a smaller network", "public/hrnet-w48-384x288/model.yml", "width: 48", "width: 32"),
    Mistake("other network", RESNET, "{name: simple_pose_resnet18_v1b}", "{name: simple_pose_resnet50_v1b}"),
    Mistake("misspelt option of a network", VITPOSE, "width: 384", "widht: 384"),
    Mistake("other skeleton", RTMPOSE, "skeleton: coco-17", "skeleton: halpe-26"),
    Mistake("size of a package", THUNDER, "tarball_size: 144509169", "tarball_size: 14450916", rule="same-package"),
    Mistake("measured speed", "public/rtmpose-m/measured.yml", "throughput_fps: 90.057", "throughput_fps: 9.0057"),
    Mistake("measured AP in percent", "public/blazepose-full/measured.yml", '"AP": 0.16821', '"AP": 16.821'),
    Mistake("key of a measurement", "public/rtmpose-s/measured.yml", "machine:", "machin:"),
    Mistake("number on a card", "public/rtmpose-m/README.md", "3.86", "3.68"),
    Mistake("command on a card", "public/rtmpose-m/README.md", "posezoo run rtmpose-m", "posezoo run rtmpose-s"),
    Mistake("number in card.json", "public/rtmpose-m/card.json", "0.749", "0.794", RTMPOSE),
    Mistake("stage", BLAZEPOSE, "[pose-detection-mediapipe", "[pose-detecton-mediapipe"),
    Mistake("alias of nothing", "names.yml", "pose: rtmpose-s", "pose: rtmpose-ss", rule="known-names"),
    Mistake("model that is recommended and not there", "names.yml", "instead: [rtmo-s, ", "instead: [rtmo-q, ", rule="known-names"),
    Mistake("misspelt key of names.yml", "names.yml", "left_out:", "left_ut:", rule="registry-files"),
    Mistake("start of a member", "access_points.json", '"start": ', '"start": 1', rule="registry-files"),
    Mistake("paper", "papers.yml", "https://arxiv.org/abs/2303.07399", "https://arxiv.org/abs/2303.07398", RTMPOSE),
    Mistake("chart", "accuracy-speed.svg", "</svg>", "<text>x</text></svg>"),
    Mistake("figure of a skeleton", "skeletons/coco-17.svg", "</svg>", "<text>x</text></svg>"),
    Mistake("number in the index", "index.md", "0.710/0.912/0.786", "0.715/0.912/0.786"),
    Mistake("link of the index", "index.md", "public/rtmpose-m/README.md", "public/rtmpose-mm/README.md"),
    Mistake("cut license text", "../licenses/Apache-2.0-OpenMMLab.txt", "END OF TERMS AND CONDITIONS", "", RTMPOSE),
    Mistake("license text without its holder", "../licenses/Apache-2.0-GluonCV.txt", "Copyright", "Owner", RESNET),
]  # fmt: skip
#: Such a mistake is alone, since it changes the pages of several models, or hides others.
ALONE = (
    "index.md",
    "papers.yml",
    "access_points.json",
    "skeletons/",
    "../",
    "accuracy",
)


#: Only the drawn pages show these. If a model.yml cannot be read, they are not compared.
ON_PAGES = (
    "a byte more", "character of a checksum", "checksum of a member", "checkpoint that is in no archive",
    "digits of AP", "measured speed", "number on a card", "command on a card", "number in card.json",
)  # fmt: skip


def rounds():
    """Groups with at most one mistake in a folder; most of RTMPose m may also be put into its other sizes."""
    siblings = (ROOT / "models").glob("public/rtm*/model.yml")
    texts = {path.relative_to(ROOT / "models").as_posix(): path.read_text() for path in siblings}
    texts = {file: text for file, text in texts.items() if "skeleton: coco-17\n" in text}
    groups = []
    for mistake in MISTAKES:
        files = [mistake.file]
        if mistake.file == RTMPOSE:
            files += [file for file, text in texts.items() if mistake.old in text]
        alike = [
            group for group in groups if (group[0].name in ON_PAGES) == (mistake.name in ON_PAGES)
        ]
        if mistake.name in ON_PAGES:
            files = [mistake.file]
        place = find_place(alike, files)
        if place is None:
            groups.append([mistake])
        else:
            group, file = place
            group.append(mistake._replace(file=file))
    return groups


def find_place(groups, files):
    """A group in which one of these files is in a folder without a mistake."""
    for group in groups:
        if files[0].startswith(ALONE) or any(each.file.startswith(ALONE) for each in group):
            continue
        used = {Path(each.file).parent for each in group}
        for file in files:
            if Path(file).parent not in used:
                return group, file
    return None


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    for name in ("models", "licenses"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture
def models(untouched, tmp_path):
    return Path(shutil.copytree(untouched, tmp_path / "copy")) / "models"


@pytest.fixture(scope="module")
def untouched_part(tmp_path_factory):
    """A few of our models and their pages, which are checked in a tenth of the time."""
    folder = tmp_path_factory.mktemp("part")
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    for name in ("skeletons", *PART):
        shutil.copytree(ROOT / "models" / name, folder / "models" / name)
    for page, text in render_pages(folder / "models").items():
        (folder / "models" / page).write_text(text, "utf-8")
    return folder


@pytest.fixture
def part(untouched_part, tmp_path):
    return Path(shutil.copytree(untouched_part, tmp_path / "copy")) / "models"


def errors_of(models, *words):
    ended = posezoo("lint", "--models_dir", models, "--format", "json", *words)
    found = json_of(ended)["findings"]
    errors = [each for each in found if each["severity"] == "error"]
    assert ended.returncode == int(bool(errors))
    return errors


def spoil(models, mistake):
    path = models / mistake.file
    text = path.read_text("utf-8")
    assert mistake.old in text, mistake.name
    path.write_text(text.replace(mistake.old, mistake.new, 1), "utf-8")


@pytest.mark.parametrize(
    "group", rounds(), ids=lambda group: ", ".join(each.name for each in group)
)
def test_each_mistake_is_an_error_in_its_file(models, group):
    for mistake in group:
        spoil(models, mistake)
    errors = errors_of(models)
    for mistake in group:
        file = (models / (mistake.found or mistake.file)).resolve()
        rules = {each["rule"] for each in errors if Path(each["file"]).resolve() == file}
        assert rules >= {mistake.rule} - {""} and rules, mistake.name
    assert all(each["line"] and each["message"] for each in errors)


def damage(path):
    path.write_bytes(b"hello")


def cut(path):
    path.write_text(path.read_text(encoding="utf-8") + "\n  - [", encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {
            "public/rtmpose-m/README.md": Path.unlink,
            "public/rtmpose-s/card.json": Path.unlink,
        },
        {"index.md": Path.unlink},
        {"accuracy-speed.svg": Path.unlink},
        {
            "public/movenet-thunder/example.jpg": Path.touch,
            "public/movenet-lightning/example.jpg": damage,
        },
        {"names.yml": cut},
    ],
    ids=["cards", "index", "chart", "pictures", "names.yml"],
)
def test_files_that_are_gone_or_damaged_are_named(models, changes):
    for file, write in changes.items():
        if write is Path.touch:
            (models / file).unlink()
        write(models / file)
    assert {each["file"] for each in errors_of(models)} >= {str(models / file) for file in changes}


def test_the_picture_of_another_model_is_found(part):
    pictures = sorted(part.rglob("example.jpg"))
    shutil.copy(pictures[0], pictures[1])
    assert {each["rule"] for each in errors_of(part)} == {"example-picture"}


def test_an_untouched_copy_is_silent_whatever_its_folder_is_called(untouched, tmp_path):
    copy = shutil.copytree(untouched, tmp_path / "a copy")
    models = (copy / "models").rename(copy / "zoo")
    ended = posezoo("lint", "--models_dir", "..", cwd=models / "public")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert SILENT.fullmatch(ended.stdout), ended.stdout


def test_settings_change_no_card(part, tmp_path):
    (tmp_path / "posezoo.cfg").write_text(f"[posezoo]\nmodels_dir = {part}\n")
    settings = {
        "POSEZOO_WEIGHTS_DIR": "/elsewhere",
        "POSEZOO_DEVICE": "NPU",
        "POSEZOO_MIRROR": str(tmp_path),
    }
    ended = posezoo("lint", cwd=tmp_path, **settings)
    note = f"note: this command uses the models of the folder {part}, as ./posezoo.cfg says\n"
    assert (ended.returncode, ended.stderr) == (0, note)
    assert SILENT.fullmatch(ended.stdout), ended.stdout


def test_the_width_of_another_model_is_found_without_pytorch(part, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    spoil(part, Mistake("width", VITPOSE, "width: 384", "width: 768"))
    found = {(each["rule"], each["file"]) for each in errors_of(part)}
    assert found == {("same-network", str(part / VITPOSE))}


def test_a_network_with_more_parameters_than_its_file_has_room_for_is_found(part):
    pytest.importorskip("torch", reason="needs torch")
    folder = (part / VITPOSE).parent
    shutil.copytree(
        folder,
        part / "public" / "new-pose",
        ignore=shutil.ignore_patterns("[!m]*", "measured.yml"),
    )
    model = part / "public" / "new-pose" / "model.yml"
    shutil.rmtree(folder)
    model.write_text(model.read_text().replace("width: 384", "width: 1024"))
    errors = [each for each in errors_of(part, "new-pose") if each["rule"] == "weights-size"]
    assert [each["file"] for each in errors] == [str(model)]


def test_a_wrong_checksum_is_an_error_though_every_card_differs(part):
    for card in part.rglob("README.md"):
        card.write_text(card.read_text("utf-8") + "\nof an earlier version\n", "utf-8")
    spoil(part, Mistake("checksum", OPENPOSE, "dabb7be42c5", "dabb7be42c6"))
    files = {each["file"] for each in errors_of(part)}
    assert str(part / OPENPOSE) in files
    assert len(files) == len(PART)


#: Skeletons, and what is wrong with each.
SKELETONS = [
    ("keypoints: [nose, left_eye, right_eye, left_ear, right_ear]\nsigmas: [0.1, 0.2, 0.3, 0.2, 0.2]\n",
     "the sigma is 0.2 of left_eye, and 0.3 of right_eye"),
    ("keypoints: [nose, left_eye, right_eye, left_ear, right_ear]\nflips: [[left_eye, right_ear]]\n",
     "left_eye is paired with right_ear, and not with right_eye"),
    ("keypoints: [nose, left_eye, right_eye, left_ear]\n", "left_ear has no partner right_ear"),
    ("keypoints: [a, b, c]\nflips: [[a, b], [a, c]]\n", "a is in 2 pairs"),
    ("keypoints: [a, b, c]\nflips: [[a, a]]\n", "expected two different keypoints"),
    ("keypoints: [nose, left_eye, right_eye]\nsigmas: [0.1, 0.2, 0.2]\nflips: [[left_eye, right_eye]]\n", ""),
    ("keypoints: [left_thumb, left_finger]\n", ""),
]  # fmt: skip


def test_a_skeleton_that_contradicts_itself_is_found(part):
    for number, (skeleton, _) in enumerate(SKELETONS):
        (part / "skeletons" / f"own{number}.yml").write_text(skeleton)
    errors = errors_of(part)
    for number, (skeleton, problem) in enumerate(SKELETONS):
        path = str(part / "skeletons" / f"own{number}.yml")
        messages = [each["message"] for each in errors if each["file"] == path]
        assert len(messages) == bool(problem), skeleton
        assert all(problem in message for message in messages), skeleton


def test_the_skeletons_of_the_package_contradict_themselves_nowhere(part):
    package = ROOT / "src" / "posezoo" / "core" / "declarations" / "skeletons"
    paths = list(package.rglob("*.yml"))
    assert len(paths) > 10
    for path in paths:
        shutil.copy(path, part / "skeletons" / path.name)
    assert "skeleton-sides" not in {each["rule"] for each in errors_of(part)}
