"""Mistakes put into a copy of our own registry, one in a model at a time: each is an error at the file that is wrong."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from fakes.lint import check_registry
from posezoo.cli.main import main
from posezoo.core.registry import Registry
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rules import check_models
from posezoo.pages.cards.registry_pages import render_pages

ROOT = Path(__file__).resolve().parents[2]
HRNET = "public/higher-hrnet-w32-human-pose-estimation"
RESNET = "public/simple_pose_resnet50_v1b"
OPENPOSE = "intel/human-pose-estimation-0001"
EFFICIENT = "intel/human-pose-estimation-0005"
TFPOSE = "public/tf-pose-mobilenet-v2-small"
NANODET = "public/nanodet-g"
POSENET = "public/posenet-mobilenet-v1"
MULTIPOSE = "public/movenet-multipose"
LIGHTNING = "public/movenet-lightning"
THUNDER = "public/movenet-thunder"
SINGLE = "public/single-human-pose-estimation-0001"
LIFTING = "public/human-pose-estimation-3d-0001"
LIGHT = "public/lightweight-openpose-mobilenet-v1"
ALPHA = "public/alpha_pose_resnet101_v1b_coco"
INT8 = "public/movenet-singlepose-lightning-int8"
PERSON = "intel/person-detection-retail-0013"
RESNET101 = "public/simple_pose_resnet101_v1b"
FULL, LITE, HEAVY = (f"public/blazepose-{size}" for size in ("full", "lite", "heavy"))
LANDMARK = f"{FULL}/pose-landmark-full-mediapipe"
DETECTION = f"{FULL}/pose-detection-mediapipe"
STAGES = "pose-detection-mediapipe, pose-landmark-{}-mediapipe"
ORDER = "pose-landmark-{}-mediapipe, pose-detection-mediapipe"
RGB_MEAN, BGR_MEAN = "[123.675, 116.28, 103.53]", "[103.53, 116.28, 123.675]"
RGB_SCALE, BGR_SCALE = "[58.395, 57.12, 57.375]", "[57.375, 57.12, 58.395]"
GOOGLE = "https://storage.openvinotoolkit.org/repositories/open_model_zoo"
SMALL = "public/simple_pose_resnet18_v1b"
CHECKSUM = "64e24ceca496aba4fb818edbea7c3a1405bc42c3166eac1b4be4f6cc89623c80cb9a1fd4c32d245d423653aa588e1a0b"
BIN_CHECKSUM = "64ef06d261ae522409172a396d927f7345525dbde011e3e2bff487f73e7b1d8cf622091feba9c23c7d4625c0aab0a3e5"

#: Models that no mistake concerns: without them, a registry is checked in half the time.
OTHERS = (
    "dwpose-*",
    "hrnet-*",
    "pose_landmarker_*",
    "pp-tinypose-*",
    "rf-detr-*",
    "rtm*",
    "vitpose-*",
    "yolox-*",
    "names.yml",
)

#: Models that refer to no others: with their pages, they are checked in a tenth of the time.
PART = (OPENPOSE, FULL, NANODET, LIGHTNING, THUNDER, MULTIPOSE, POSENET)

#: Models that mistakes in others name.
NAMED = (
    OPENPOSE,
    "intel/human-pose-estimation-0006",
    "intel/human-pose-estimation-0007",
    LIFTING,
    LIGHT,
    LIGHTNING,
    NANODET,
    POSENET,
    "public/mobile_pose_mobilenetv2_1.0",
    RESNET101,
    FULL,
)

#: The rule that finds a mistake, the mistake, the file that is wrong, and its changes: texts and new texts.
#: Of model.yml and card.json, nothing tells which one was changed by mistake: the finding names model.yml.
MISTAKES = [
    ("drawn-card", "AP a little higher", f"{HRNET}/model.yml", {"value: 0.6464": "value: 0.6469"}),
    ("drawn-card", "AP on the card", f"{HRNET}/README.md", {"| 0.646, 0.646 converted": "| 0.664, 0.646 converted"}),
    ("drawn-index", "AP in the index", "index.md", {"| 0.646 published": "| 0.664 published"}),
    ("drawn-card", "converted AP", f"{HRNET}/model.yml", {"converted: 0.6464": "converted: 0.6424"}),
    ("drawn-card", "AP swapped with AP with flip on the card", f"{RESNET}/README.md", {"| 0.710 (pub": "| 0.722 (pub", "| 0.722 (pub": "| 0.710 (pub"}),
    ("drawn-card", "size in card.json", f"{OPENPOSE}/card.json", {'"size": 8197354': '"size": 8197345'}),
    ("drawn-card", "shape in model.yml", f"{LIGHTNING}/model.yml", {"shape: [1, 192, 192, 3]": "shape: [1, 193, 193, 3]"}),
    ("drawn-card", "shape in card.json", f"{LIGHTNING}/card.json", {"192": "129"}),
    ("drawn-card", "digest in model.yml", f"{OPENPOSE}/model.yml", {"64e24cec": "64e24cee"}),
    ("drawn-index", "row of the index missing", "index.md", {"| [simple\\_pose\\_resnet18\\_v1b](public/simple_pose_resnet18_v1b/README.md) | ": None}),
    ("drawn-index", "row of the index to another model", "index.md", {"(public/simple_pose_resnet18_v1b/README.md) |": "(public/simple_pose_resnet50_v1b/README.md) |"}),
    ("drawn-index", "row of no model in the index", "index.md", {"| --- |\n": "| --- |\n| [gone](public/gone/README.md) | Detection | Caffe | 1 MB |  |  |  |  |  |  |\n"}),
    ("drawn-card", "order of the mean", f"{RESNET}/README.md", {"123.675, 116.28, 103.53": "103.53, 116.28, 123.675"}),
    ("drawn-card", "order of keypoints", f"{RESNET}/card.json", {'"left_eye"': '"right_eye"', '"right_eye"': '"left_eye"'}),
    ("drawn-card", "measured GFLOPs", f"{HRNET}/measured.yml", {"gflops: 92.8713": "gflops: 29.8713"}),
]  # fmt: skip


#: Mistakes that a card repeats if it is drawn again: the rule, the model, and the changes. No page is needed to find
#: them.
REPEATED = [
    ("known-network", RESNET, {"{name: simple_pose_resnet50_v1b}": "{name: simple_pose_resnet18_v1b}"}),
    ("accuracy-order", RESNET, {"AP50: 0.912": "AP50: 0.612"}),
    ("converted-accuracy", HRNET, {"converted: 0.6464": "converted: 0.06464"}),
    ("measured-types", INT8, {"self_check:\n": "compute_types: [bf16]\nself_check:\n"}),
    ("known-decoder", RESNET, {"convention: gluoncv_validation": "convetnion: gluoncv_validation"}),
    ("missing-decoder", RESNET, {"decoder: {name: heatmap, convention: gluoncv_validation}\n": ""}),
    ("decoder-outputs", LIGHTNING, {"skeleton: coco-17": "skeleton: openpose-18"}),
    ("moving-source", TFPOSE, {"https://raw.githubusercontent.com/ildoonet/tf-pose-estimation/9aaf34708e9863eeab9685a7ec52a45f3b576e2d/models/graph/mobilenet_v2_small": "https://github.com/ildoonet/tf-pose-estimation/releases/latest/download"}),
    ("framework-files", LIGHTNING, {"framework: tf": "framework: tflite"}),
    ("source-of-another", EFFICIENT, {f"{GOOGLE}/2023.0/models_bin/1/human-pose-estimation-0005/FP32/human-pose-estimation-0005.bin": f"{GOOGLE}/2022.0/models_bin/1/human-pose-estimation-0006/FP32/human-pose-estimation-0006.bin"}),
    ("decoder-outputs", OPENPOSE, {"[1, 3, 256, 456]": "[1, 3, 456, 256]"}),
    ("channel-values", NANODET, {BGR_MEAN: BGR_SCALE, BGR_SCALE: BGR_MEAN}),
    ("channel-values", NANODET, {BGR_MEAN: RGB_MEAN, BGR_SCALE: RGB_SCALE}),
    ("weights-size", OPENPOSE, {"size: 16394708": "size: 16394"}),
    ("decoder-outputs", FULL, {STAGES.format("full"): ORDER.format("full")}),
    ("decoder-task", NANODET, {"task_type: detection": "task_type: human_pose_estimation"}),
    ("pattern", MULTIPOSE, {"Convolution_[0-4]": "Convolution_[0-4"}),
    ("source-of-another", SINGLE, {"models/human_pose_estimation/single-human-pose-estimation-0001.tar.gz": "models/human_pose_estimation/checkpoint_iter_370000.pth"}),
    ("source-of-another", f"{LITE}/pose-landmark-lite-mediapipe", {"mediapipe-assets/pose_landmark_lite.tflite": "mediapipe-assets/pose_landmark_full.tflite"}),
    ("source-of-another", RESNET, {"pose/simple_pose_resnet50_v1b_coco.log": "pose/simple_pose_resnet101_v1b_coco.log"}),
    ("known-model", LIGHTNING, {"nanodet-g": "movenet-thunder"}),
    ("usual-size", POSENET, {"usual_size: [385, 513]": "usual_size: [385, 512]"}),
    ("license-kind", THUNDER, {"text: Apache-2.0-MoveNet.txt": "text: Apache-2.0-GluonCV.txt"}),
    ("decoder-outputs", DETECTION, {"recorded_outputs:\n": "skeleton: coco-17\nrecorded_outputs:\n"}),
    ("decoder-outputs", OPENPOSE, {"role: pafs": "role: heatmaps", "role: heatmaps": "role: pafs"}),
    ("evaluated-keypoints", RESNET, {"AP75: 0.786, dataset: COCO val2017": "AP75: 0.786, dataset: COCO-WholeBody 1.0 val"}),
    ("converted-accuracy", HRNET, {"value: 0.6464": "value: 0.32"}),
    ("accuracy-order", RESNET, {"value: 0.710": "value: 0.722", "value: 0.722": "value: 0.710"}),
    ("weights-size", OPENPOSE, {"size: 152120": "size: 16394708", "size: 16394708": "size: 152120"}),
    ("source-name", OPENPOSE, {
        "name: FP32/human-pose-estimation-0001.xml": "name: FP32/human-pose-estimation-0001.bin",
        "name: FP32/human-pose-estimation-0001.bin": "name: FP32/human-pose-estimation-0001.xml"}),
    ("source-name", OPENPOSE, {
        "0001/FP32/human-pose-estimation-0001.xml": "0001/FP32/human-pose-estimation-0001.bin",
        "0001/FP32/human-pose-estimation-0001.bin": "0001/FP32/human-pose-estimation-0001.xml"}),
    ("same-source", OPENPOSE, {BIN_CHECKSUM: CHECKSUM}),
    ("decoder-outputs", RESNET, {"skeleton: coco-17": "skeleton: openpose-18"}),
    *(("framework-files", model, {f"framework: {old}\n": f"framework: {new}\n"})
      for model, old, new in ((TFPOSE, "tf", "tflite"), (SMALL, "pytorch", "tf"), (LIGHT, "pytorch", "caffe"))),
    *(("hash-name", SMALL, {old: old.replace("f63d42ac", new)})
      for old, new in (
          ("value: f63d42ac", "f63d42ad"), ("v1b-f63d42ac.params", "f63d42ad"),
          ("v1b-f63d42ac.zip", "f63d42ad"), ("v1b-f63d42ac.zip", "ccd24037"))),
    ("source-name", OPENPOSE, {"2021.4/models_bin/3/human-pose-estimation-0001/FP16-INT8": "2023.0/models_bin/1/human-pose-estimation-0001/FP16"}),
]  # fmt: skip

#: These were not looked at while the rules were written.
KEPT_BACK = [
    ("roles of NanoDet swapped", NANODET, {"80], role: scores_8": "80], role: distances_8", "44], role: distances_8": "44], role: scores_8"}),
    ("training log of another model", "public/mobile_pose_mobilenet1.0", {"mobile_pose_mobilenet1.log": "mobile_pose_mobilenetv2_1.log"}),
    ("checksum of other recorded outputs", LANDMARK, {"checksum: 56dbc05c": "checksum: 65dbc05c"}),
    ("output of a larger variant", "public/simple_pose_resnet152_v1d", {"    outputs: [{shape: [1, 17, 96, 72]}]\n": ""}),
    ("scores of a detector", DETECTION, {"[1, 2254, 1]": "[1, 2245, 1]"}),
    ("package of another version", DETECTION, {"version: 0.10.21": "version: 0.10.20"}),
    ("archive of another kind", RESNET101, {"format: zip": "format: gztar"}),
    ("max_size without a zero", "public/simple_pose_resnet152_v1b", {"max_size: 303000000": "max_size: 30300000"}),
    ("colours of all variants", SMALL, {"color: RGB\n    reverse_input_channels: true": "color: BGR"}),
    ("value of an option", RESNET, {"convention: gluoncv_validation": "convention: gluon"}),
    ("share above 1", POSENET, {"min_score: 0.06": "min_score: 6.0"}),
    ("no decoder", MULTIPOSE, {"decoder: {name: movenet_multipose}\n": ""}),
    ("decoder of another network", LIGHT, {"decoder: {name: openpose}": "decoder: {name: heatmap}"}),
    ("latest release", LIGHT, {"https://download.01.org/opencv/openvino_training_extensions/models/human_pose_estimation/": "https://github.com/Daniil-Osokin/lightweight-human-pose-estimation.pytorch/releases/latest/download/"}),
    ("input turned", RESNET, {"[1, 3, 256, 192]": "[1, 3, 192, 256]"}),
    ("input of another size", EFFICIENT, {"[1, 3, 288, 288]": "[1, 3, 352, 352]"}),
    ("mean and scale of AlphaPose", ALPHA, {"mean: [103.53, 116.535, 122.4]": "mean: [255, 255, 255]", "scale: [255, 255, 255]": "scale: [103.53, 116.535, 122.4]"}),
    ("order of the scale only", NANODET, {BGR_SCALE: RGB_SCALE}),
    ("a digit of the mean", NANODET, {"116.28": "116.82"}),
    ("stage of another composite", HEAVY, {"pose-landmark-heavy-mediapipe": "pose-landmark-full-mediapipe"}),
    ("role without s", SINGLE, {"role: heatmaps": "role: heatmap"}),
    ("layout", EFFICIENT, {"shape: [1, 3, 288, 288], layout: NCHW": "shape: [1, 3, 288, 288], layout: NHWC"}),
    ("parameters ten times", EFFICIENT, {"mparams: 8.1506": "mparams: 81.506"}),
    ("AP in percent", EFFICIENT, {"value: 0.456": "value: 45.6"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry of those of our models that the mistakes concern, with its pages."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    shutil.copytree(ROOT / "models", folder / "models", ignore=shutil.ignore_patterns(*OTHERS))
    draw_again(folder / "models")
    return folder


@pytest.fixture
def models(registry, tmp_path):
    return shutil.copytree(registry, tmp_path, dirs_exist_ok=True) / "models"


@pytest.fixture(scope="module")
def small_registry(tmp_path_factory):
    """A few of our models, with their pages."""
    folder = tmp_path_factory.mktemp("part")
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    for name in ("skeletons", *PART):
        shutil.copytree(ROOT / "models" / name, folder / "models" / name)
    draw_again(folder / "models")
    return folder


@pytest.fixture
def few_models(small_registry, tmp_path):
    return shutil.copytree(small_registry, tmp_path, dirs_exist_ok=True) / "models"


@pytest.fixture
def no_torch(monkeypatch):
    """Rules leave out what they ask PyTorch, which is two thirds of the time of a check."""
    monkeypatch.setitem(sys.modules, "torch", None)


DRAWN = ("README.md", "index.md", "card.json", "*.jpg", "*.svg")


@pytest.fixture
def bare_models(tmp_path):
    """The registry without the pages that are drawn."""
    shutil.copytree(ROOT / "licenses", tmp_path / "licenses")
    left_out = shutil.ignore_patterns(*DRAWN, *OTHERS)
    return shutil.copytree(ROOT / "models", tmp_path / "models", ignore=left_out)


@pytest.fixture
def bare_part(tmp_path):
    """Makes a registry of some models, and of those that mistakes name, without the pages.

    It is checked in a fifth of the time.
    """

    def make(*models):
        shutil.copytree(ROOT / "licenses", tmp_path / "licenses")
        folders = {"/".join(Path(model).parts[:2]) for model in (*models, *NAMED)}
        for folder in ("skeletons", *sorted(folders)):
            whole, part = (root / "models" / folder for root in (ROOT, tmp_path))
            shutil.copytree(whole, part, ignore=shutil.ignore_patterns(*DRAWN))
        return tmp_path / "models"

    return make


def lint(capsys, models):
    code = main(["lint", "--models_dir", str(models), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_the_registry_without_a_mistake_has_no_finding(capsys, few_models):
    assert lint(capsys, few_models) == (0, [])


def test_a_composite_is_checked_alone_though_another_folder_has_one_of_its_parts(bare_part):
    registry = Registry([bare_part(LITE, FULL)])
    name = Path(LITE).name
    zoo = RegistryView(registry, only=[name, "pose-landmark-lite-mediapipe"])
    assert [*check_models(zoo.select([name]))] == []


def inject(path, changes):
    text = path.read_text("utf-8")
    assert all(old in text for old in changes)
    for number, old in enumerate(changes):  # two steps, so that texts can be swapped
        text = text.replace(old, f"\0{number}\0")
    for number, new in enumerate(changes.values()):
        text = text.replace(f"\0{number}\0", "\0" if new is None else new)
    kept = [line for line in text.splitlines() if "\0" not in line]
    path.write_text("\n".join(kept) + "\n", "utf-8")


def in_rounds(mistakes):
    """Groups with at most one mistake for each folder of a model."""
    rounds = []
    for mistake in mistakes:
        folder = Path(mistake[2]).parent
        free = (each for each in rounds if folder not in [Path(other[2]).parent for other in each])
        group = next(free, None)
        if group is None:
            rounds.append(group := [])
        group.append(mistake)
    return rounds


#: What is wrong on the index may come from a model, so that such a mistake is alone.
WITH_PAGES = [
    *in_rounds([each for each in MISTAKES if each[2] != "index.md"]),
    *([each] for each in MISTAKES if each[2] == "index.md"),
]


@pytest.mark.parametrize(
    "mistakes", WITH_PAGES, ids=lambda group: ", ".join(each[1] for each in group)
)
def test_mistakes_are_errors_at_the_wrong_files(capsys, models, mistakes):
    for _, _, file, changes in mistakes:
        inject(models / file, changes)
    code, findings = lint(capsys, models)
    assert code == 1
    places = {(each["file"], each["rule"]) for each in findings if each["severity"] == "error"}
    for rule, name, file, _ in mistakes:
        assert (str(models / file.replace("card.json", "model.yml")), rule) in places, name


def draw_again(models):
    """Draw all pages, so that none differs from model.yml."""
    for page, text in render_pages(models).items():
        (models / page).write_text(text, "utf-8")


def test_a_value_that_the_drawn_card_contradicts_is_named_with_both_values(few_models):
    file = few_models / OPENPOSE / "model.yml"
    inject(file, {"size: 16394708": "size: 16394709"})
    findings = [each for each in check_registry(Registry([few_models])) if each.file == str(file)]
    assert ("16394709", "16394708") in {(each.found, each.expected) for each in findings}
    assert {each.found for each in findings} <= {"16394709", "model.yml"}


def test_a_model_yml_that_cannot_be_read_hides_no_finding_of_other_models(capsys, few_models):
    (few_models / POSENET / "model.yml").write_text("files: [\n")
    inject(few_models / OPENPOSE / "README.md", {"0.428": "0.482"})
    inject(few_models / MULTIPOSE / "model.yml", {"up to six": "up to five"})
    code, findings = lint(capsys, few_models)
    places = {(each["rule"], each["file"]) for each in findings}
    assert (code, places) == (
        1,
        {
            ("readable", str(few_models / POSENET / "model.yml")),
            ("drawn-card", str(few_models / OPENPOSE / "README.md")),
            ("drawn-card", str(few_models / MULTIPOSE / "model.yml")),
        },
    )


def test_two_swapped_stages_are_one_finding_though_many_drawn_lines_differ(capsys, few_models):
    file = few_models / "public" / "blazepose-full" / "composite-model.yml"
    stages = ("pose-detection-mediapipe", "pose-landmark-full-mediapipe")
    inject(file, {", ".join(stages): ", ".join(reversed(stages))})
    code, findings = lint(capsys, few_models)
    assert (code, [(each["rule"], each["file"]) for each in findings]) == (
        1,
        [("decoder-outputs", str(file))],
    )


@pytest.mark.parametrize("half", ["xml", "bin"])
def test_a_missing_half_of_an_ir_is_found(models, half):
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
    found = {(each.rule, each.file) for each in check_registry(Registry([models]))}
    assert ("ir-pairs", str(path)) in found


def inject_into_model(models, model, changes):
    (path,) = (models / model).glob("*model.yml")
    inject(path, changes)
    return path


def in_rounds_of_models(mistakes):
    """Groups of mistakes in different models, which are checked together."""
    files = [(name, model, f"{model}/model.yml", changes) for name, model, changes in mistakes]
    return [
        [(name, model, changes) for name, model, _, changes in group] for group in in_rounds(files)
    ]


REPEATED_ROUNDS = in_rounds_of_models(REPEATED)


@pytest.mark.parametrize("mistakes", REPEATED_ROUNDS, ids=lambda group: f"{len(group)} at once")
def test_a_mistake_that_the_card_repeats_is_one_finding(bare_part, mistakes, request):
    if mistakes is REPEATED_ROUNDS[0]:  # those of networks are in it
        models = request.getfixturevalue("bare_models")
    else:
        request.getfixturevalue("no_torch")
        models = bare_part(*(model for _, model, _ in mistakes))
    expected = [
        (rule, str(inject_into_model(models, model, changes))) for rule, model, changes in mistakes
    ]
    found = [(each.rule, each.file) for each in check_registry(Registry([models]))]
    assert sorted(found) == sorted(expected)


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    "mistakes", in_rounds_of_models(KEPT_BACK), ids=lambda group: f"{len(group)} at once"
)
def test_a_mistake_that_was_kept_back_is_found_in_its_model(bare_part, mistakes):
    models = bare_part(*(model for _, model, _ in mistakes))
    paths = [str(inject_into_model(models, model, changes)) for _, model, changes in mistakes]
    errors = [each for each in check_registry(Registry([models])) if each.severity == "error"]
    # unlike-siblings reports both of two models that differ: it cannot know which is wrong.
    found = [each.file for each in errors if each.rule != "unlike-siblings"]
    assert sorted(found) == sorted(paths)


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    ("model", "other", "is_named"),
    [
        (EFFICIENT, "intel/human-pose-estimation-0006", False),
        (THUNDER, LIGHTNING, True),
        (RESNET101, RESNET, False),
    ],
)
def test_the_description_of_another_model_is_found(bare_part, model, other, is_named):
    """At both, if its sentences do not say whose it is."""
    models = bare_part(model, other)
    theirs = models / other / "model.yml"
    path = models / model / "model.yml"
    description = theirs.read_text("utf-8").partition("task_type:")[0]
    path.write_text(
        f"{description}task_type:{path.read_text('utf-8').partition('task_type:')[2]}", "utf-8"
    )
    found = [(each.rule, each.file) for each in check_registry(Registry([models]))]
    files = [path] if is_named else [path, theirs]
    assert sorted(found) == sorted(("copied-description", str(each)) for each in files)


def test_a_mistake_that_all_drawn_pages_repeat_is_one_finding(few_models):
    path = inject_into_model(
        few_models, LANDMARK, {"[255, 255, 255]": "[0.00392, 0.00392, 0.00392]"}
    )
    draw_again(few_models)
    found = [(each.rule, each.file) for each in check_registry(Registry([few_models]))]
    assert found == [("unusual-constant", str(path))]


def test_a_picture_that_many_cards_show_is_missing_once(few_models):
    (few_models / "skeletons" / "coco-17.svg").unlink()
    (finding,) = check_registry(Registry([few_models]))
    assert finding.rule == "drawn-card"
    assert finding.file == str(few_models / "skeletons" / "coco-17.svg")


@pytest.mark.usefixtures("no_torch")
def test_a_skeleton_that_does_not_fit_names_the_shape_that_would(bare_part):
    models = bare_part(OPENPOSE)
    inject_into_model(models, OPENPOSE, {"skeleton: openpose-18": "skeleton: coco-17"})
    (finding,) = check_registry(Registry([models]))
    assert finding.message == (
        "human-pose-estimation-0001: Mconv7_stage2_L1 has the shape 1, 38, 32, 57;"
        " expected of 17 keypoints and an input of 456x256: 1, 36, 32, 57"
    )
