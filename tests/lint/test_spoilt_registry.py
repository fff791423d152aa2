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
SILENT = re.compile(r"\d+ models and composites in (.*), \d+ rules, 0 findings; not judged: .*\n")
RTMPOSE = "public/rtmpose-m/model.yml"
OPENPOSE = "intel/human-pose-estimation-0001/model.yml"
VITPOSE = "public/vitpose-plus-small/model.yml"
RESNET = "public/simple_pose_resnet18_v1b/model.yml"
THUNDER = "public/movenet-thunder/model.yml"
LIGHT = "public/lightweight-openpose-mobilenet-v1/model.yml"
YOLOX = "public/yolox-tiny-coco/model.yml"
YOLOX_S, YOLOX_NANO = (f"public/yolox-{size}-coco/model.yml" for size in ("s", "nano"))
YOLOX_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
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
    Mistake("negative mean", RTMPOSE, "[123.675, 116.28, 103.53]", "[-123.675, 116.28, 103.53]", rule="channel-values"),
    Mistake("no mean", RTMPOSE, "    mean: [123.675, 116.28, 103.53]\n", "", rule="channel-values"),
    Mistake("channels that are not reversed", RTMPOSE, RGB, "color: RGB", rule="reversed-channels"),
    Mistake("channels that are reversed", OPENPOSE, "color: BGR}", "color: BGR, reverse_input_channels: true}", rule="reversed-channels"),
    Mistake("page of GitHub", LIGHT, CHECKPOINT, "https://github.com/o/r/blob/v1/checkpoint_iter_370000.pth", rule="page-source"),
    Mistake("page of Hugging Face", YOLOX_S, f"{YOLOX_RELEASE}/yolox_s.onnx", "https://huggingface.co/o/r/blob/main/checkpoint_iter_370000.pth", rule="page-source"),
    Mistake("page of Google Drive", YOLOX_NANO, f"{YOLOX_RELEASE}/yolox_nano.onnx", "https://drive.google.com/file/d/1aBcD-eF_g/view?usp=sharing", rule="page-source"),
    Mistake("page", LIGHT, CHECKPOINT, "https://download.01.org/opencv/models.html", rule="page-source"),
    Mistake("login in an address", LIGHT, "https://download.01.org", "https://ann:s3cret@download.01.org", rule="safe-sources"),
    Mistake("address with another ending", LIGHT, CHECKPOINT, CHECKPOINT.replace(".pth", ".onnx"), rule="source-ending"),
    Mistake("member with another ending", THUNDER, "member: package/models/movenet-thunder.bin", "member: package/models/movenet-thunder.json", rule="source-ending"),
    Mistake("width of a smaller network", "public/hrnet-w48-384x288/model.yml", "width: 48", "width: 32", rule="counted-figures"),
    Mistake("tag with another SHA-1", RESNET, "  f63d42ac:", "  f63d42ad:", rule="hash-name"),
    Mistake("size of a package", THUNDER, "tarball_size: 144509169", "tarball_size: 14450916", rule="same-package"),
    Mistake("model that is recommended and not there", "names.yml", "instead: [rtmo-s, ", "instead: [rtmo-q, ", rule="known-names"),
    Mistake("misspelt key of names.yml", "names.yml", "left_out:", "left_ut:", rule="registry-files"),
    Mistake("paper", "papers.yml", "https://arxiv.org/abs/2303.07399", "https://arxiv.org/abs/2303.07398", RTMPOSE),
    Mistake("cut license text", "../licenses/Apache-2.0-OpenMMLab.txt", "END OF TERMS AND CONDITIONS", "", RTMPOSE),
    Mistake("license text without its holder", "../licenses/Apache-2.0-GluonCV.txt", "Copyright", "Owner", RESNET),
]  # fmt: skip
#: Such a mistake is alone, since it changes the pages of several models, or hides others.
ALONE = (
    "papers.yml",
    "../",
)


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
        place = find_place(groups, files)
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
    assert SILENT.findall(ended.stdout) == [str(models)], ended.stdout
    assert SILENT.fullmatch(ended.stdout)


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
    assert SILENT.findall(ended.stdout) == [str(part)], ended.stdout
    assert SILENT.fullmatch(ended.stdout)


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
