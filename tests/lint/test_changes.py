"""A change of model.yml is judged: of the same file, another mean or decoder needs a reason."""

import json
import re
import shutil
from pathlib import Path

import pytest

from fakes.checkout import commit_all, git
from fakes.omz_zoo import write_omz_zoo
from posezoo.cli.main import main
from posezoo.lint.rules import load_rules

ROOT = Path(__file__).resolve().parents[2]
CHANGED, UNLIKE, KEPT = "unexplained-change", "unlike-siblings", "revision-kept"
#: The others look at what these tests do not change, and take most of the time.
COPIED, BEFORE = "copied-description", "records-before"
RULES = {CHANGED, UNLIKE, KEPT, COPIED, BEFORE, "unusual-constant", "declared-ends", "known-keys"}
IMAGENET = "mean: [123.675, 116.28, 103.53]\n    scale: [58.395, 57.12, 57.375]"
HALVES = "mean: [127.5, 127.5, 127.5]\n    scale: [127.5, 127.5, 127.5]"
BGR = "mean: [103.53, 116.28, 123.675]\n    scale: [57.375, 57.12, 58.395]"
#: With a mean and a scale, or with neither; RTMO-l and RF-DETR have no checksum.
MODELS = (
    "blazepose-full", "dwpose-l", "hrnet-w32", "hrnet-w48-384x288", "nanodet-g",
    "posenet-mobilenet-v1", "rf-detr-keypoint", "rtmdet-m", "rtmdet-nano", "rtmo-l", "rtmo-s", "rtmpose-l", "rtmpose-m",
    "rtmpose-s", "simple_pose_resnet18_v1b", "yolox-tiny-coco",
)  # fmt: skip
LINT = ("lint", "--models_dir", "models")
LANDMARKS = "blazepose-full/pose-landmark-full-mediapipe"


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A repository with some of our models, without their pages."""
    folder = tmp_path_factory.mktemp("committed")
    for name in MODELS:
        models = Path("models", "public", name)
        pages = shutil.ignore_patterns("README.md", "card.json", "measured.yml", "example.jpg")
        shutil.copytree(ROOT / models, folder / models, ignore=pages)
    shutil.copy(ROOT / "models" / "papers.yml", folder / "models")
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    commit_all(folder)
    return folder


@pytest.fixture
def zoo(committed, tmp_path):
    return shutil.copytree(committed, tmp_path, dirs_exist_ok=True) / "models"


@pytest.fixture
def check(capsys, monkeypatch):
    """Runs the command in the repository, and returns the exit code and the rules with findings by model."""
    rules = {name: rule for name, rule in load_rules().items() if name in RULES}
    assert len(rules) == len(RULES)
    monkeypatch.setattr("posezoo.lint.rules.load_rules", lambda: rules)

    def run(zoo, *words):
        monkeypatch.chdir(zoo.parent)
        capsys.readouterr()
        code = main([*LINT, *words, "--format", "json"])
        found = capsys.readouterr().out
        (zoo.parent / "found.json").write_text(found, "utf-8")
        findings = json.loads(found)["findings"]
        return code, {
            (each["model"], each["rule"]) for each in findings if each["severity"] == "error"
        }

    return run


def edit(zoo, name, *changes, file="model.yml"):
    """Replace texts of a model.yml; an empty old text stands for its beginning."""
    path = zoo / "public" / name / file
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1) if old else new + text
    path.write_text(text, "utf-8")
    return path


def since(check, zoo, *words):
    return check(zoo, "--changed_since", "main", *words)


def test_a_file_of_the_same_size_and_place_is_another_one_with_the_next_revision(zoo, check):
    """As `new --replace` writes it for a network that was trained again."""
    path = zoo / "public" / "yolox-tiny-coco" / "model.yml"
    digest = re.search("value: ([0-9a-f]{64})", path.read_text("utf-8"))[1]
    edit(zoo, "yolox-tiny-coco", (digest, digest[::-1]))
    code, found = since(check, zoo)
    assert code == 1
    assert ("yolox-tiny-coco", CHANGED) in found
    edit(zoo, "yolox-tiny-coco", ("", "revision: 7\n"))
    assert since(check, zoo) == (0, set())


@pytest.mark.parametrize(
    ("name", "old"),
    [
        *((name, IMAGENET) for name in ("rf-detr-keypoint", "rtmpose-s")),
        ("nanodet-g", BGR),
        ("rtmo-l", "color: BGR"),
    ],
)
def test_the_mean_of_another_family_is_one_error_that_names_it(
    zoo, check, capsys, monkeypatch, name, old
):
    edit(zoo, name, (old, HALVES if "mean" in old else f"{old}\n    {HALVES}"))
    monkeypatch.chdir(zoo.parent)
    assert main([*LINT, "--changed_since", "main"]) == 1
    line, summary = capsys.readouterr().out.splitlines()
    assert f"models/public/{name}/model.yml:" in line and CHANGED in line
    assert "inputs[0].mean is 127.5 (before: " in line
    assert "inputs[0].scale is 127.5 (before: " in line
    assert "published.known_difference" in line
    assert "1 finding: 1 error" in summary


ZIP_SIZE, ZIP_DIGEST = (
    "size: 20496303",
    "7673922e531014906ca4f0f239b7e233b740146a10b632deaa2a28d45470d802",
)
CHANGES = [
    ("rtmpose-s", "scale: [58.395, 57.12, 57.375]", "scale: [57.375, 57.12, 58.395]"),
    ("rtmpose-s", "116.28, 103.53]", "116.28, 103.54]"),
    ("rtmpose-s", "color: RGB", "color: BGR"),
    ("rtmpose-s", "    reverse_input_channels: true\n", ""),
    ("rtmpose-s", "layout: NCHW", "layout: NCWH"),
    ("rtmpose-s", "decoder: {name: simcc}", "decoder: {name: heatmap}"),
    ("posenet-mobilenet-v1", "min_score: 0.06", "min_score: 0.6"),
    ("rtmpose-s", ZIP_DIGEST, f"8{ZIP_DIGEST[1:]}"),
    ("rtmo-s", "checksum: {$type: sha256, value: ", "checksum: {$type: sha384, value: " + "0" * 32),
    ("rtmpose-s", f"checksum: {{$type: sha256, value: {ZIP_DIGEST}}}\n", "checksum: unknown\n"),
    ("rtmpose-s", ZIP_SIZE, "size: 20496304"),
    (LANDMARKS, "scale: [255, 255, 255]", "scale: [127.5, 127.5, 127.5]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new"), CHANGES)
def test_a_change_of_the_same_file_is_an_error_until_it_has_a_reason(zoo, check, name, old, new):
    path = edit(zoo, name, (old, new))
    model = path.parent.name
    code, found = since(check, zoo)
    assert code == 1
    assert (model, CHANGED) in found
    text = path.read_text("utf-8")
    reason = "known_difference: the training code of the publisher has these values"
    if "\npublished:\n" in text:
        text = text.replace("\npublished:\n", f"\npublished:\n  {reason}\n")
    else:  # it has none, or each of its variants has one
        text += f"published: {{{reason}}}\n"
    path.write_text(text, "utf-8")
    assert not {rule for _, rule in since(check, zoo)[1]} & {CHANGED, UNLIKE}


def test_a_reason_that_was_given_before_is_none_for_another_change(zoo, check):
    reason = (
        "published:\n",
        "published:\n  known_difference: the published figures are of other weights\n",
    )
    edit(zoo, "rtmpose-s", reason)
    git(zoo.parent, "commit", "-qam", "a reason")
    edit(zoo, "rtmpose-s", (IMAGENET, HALVES))
    assert since(check, zoo) == (1, {("rtmpose-s", CHANGED)})
    edit(
        zoo, "rtmpose-s", ("of other weights", "of other weights; the mean is that of the new code")
    )
    assert since(check, zoo) == (0, set())


@pytest.mark.parametrize(("revision", "is_found"), [("", True), ("revision: 2\n", False)])
def test_another_checksum_needs_another_revision(zoo, check, capsys, revision, is_found):
    changes = (("size: 7574558", "size: 7574559"), ("checksum: fc62", "checksum: ac62"))
    edit(zoo, "nanodet-g", ("", revision), *changes)
    assert since(check, zoo) == (0, set())
    main([*LINT, "--changed_since", "main"])
    assert (KEPT in capsys.readouterr().out) is is_found


MEASURED = """accuracy:
  - precision: FP16
    figures: {"AP": 0.4}
    irs: d07d07b12891e180
"""


def test_records_of_the_file_before_are_found_where_they_are(zoo, check, capsys):
    path = zoo / "public" / "nanodet-g" / "measured.yml"
    path.write_text(f"complexity:\n  - {{precision: FP16, figures: {{gflops: 0.5}}}}\n{MEASURED}")
    git(zoo.parent, "add", ".")
    git(zoo.parent, "commit", "-qm", "measured")
    changes = (("size: 7574558", "size: 7574559"), ("checksum: fc62", "checksum: ac62"))
    edit(zoo, "nanodet-g", ("", "revision: 2\n"), *changes)
    assert since(check, zoo) == (0, set())
    main([*LINT, "--changed_since", "main"])
    said = capsys.readouterr().out
    assert "nanodet-g/measured.yml:4:5: warning: 1 record of the file that nanodet-g had" in said
    path.write_text(MEASURED.replace("d07d", "e07d"))
    main([*LINT, "--changed_since", "main"])
    assert BEFORE not in capsys.readouterr().out


@pytest.mark.parametrize("new", ["a-pose", "rtmpose-z"])
def test_of_two_models_with_one_description_the_new_one_is_wrong(zoo, check, new):
    shutil.copytree(zoo / "public" / "rtmpose-s", zoo / "public" / new)
    assert check(zoo)[1] == {("rtmpose-s", COPIED), (new, COPIED)}
    assert since(check, zoo)[1] == {(new, COPIED)}
    assert since(check, zoo, "rtmpose-s")[1] == set()


def test_a_baseline_does_not_accept_a_change(zoo, check):
    edit(zoo, "rtmpose-s", (IMAGENET, HALVES))
    for _ in range(2):
        assert since(check, zoo)[1] == {("rtmpose-s", CHANGED)}
        shutil.copy(zoo.parent / "found.json", zoo.parent / "known.json")
        assert since(check, zoo, "--baseline", "known.json") == (1, {("rtmpose-s", CHANGED)})


def test_a_renamed_model_and_a_copy_are_those_of_their_file(zoo, check):
    (zoo / "public" / "dwpose-l").rename(zoo / "public" / "dwpose-large")
    assert CHANGED not in {rule for _, rule in since(check, zoo)[1]}
    edit(zoo, "dwpose-large", (IMAGENET, HALVES))
    assert ("dwpose-large", CHANGED) in since(check, zoo)[1]
    shutil.copytree(zoo / "public" / "rtmdet-nano", zoo / "public" / "rtmdet-copy")
    edit(zoo, "rtmdet-copy", (BGR, HALVES))
    assert ("rtmdet-copy", CHANGED) in since(check, zoo)[1]


def test_changes_of_the_other_branch_are_not_those_of_this_one(zoo, check):
    git(zoo.parent, "checkout", "-qb", "ours")
    edit(zoo, "rtmdet-nano", ("rtmdet", "rtmdet"), ("", "# a comment\n"))
    git(zoo.parent, "commit", "-qam", "ours")
    git(zoo.parent, "checkout", "-q", "main")
    edit(zoo, "rtmpose-s", ("decoder: {name: simcc}", "decoder: {name: simcc, min_score: 0.1}"))
    git(zoo.parent, "commit", "-qam", "theirs")
    git(zoo.parent, "checkout", "-q", "ours")
    assert since(check, zoo) == (0, set())


def test_without_git_a_model_is_like_one_of_its_siblings(zoo, check):
    assert check(zoo) == (0, set())
    edit(zoo, "rtmpose-s", ("mean: [123.675,", "mean: [124.1,"))
    assert check(zoo) == (1, {("rtmpose-s", UNLIKE), ("rtmpose-s", "unusual-constant")})
    edit(zoo, "rtmpose-s", ("published:\n", "published:\n  known_difference: another training\n"))
    assert check(zoo) == (0, set())


def test_a_new_model_is_like_one_of_its_siblings(zoo, check):
    shutil.copytree(zoo / "public" / "rtmpose-s", zoo / "public" / "rtmpose-new")
    digits = [
        (ZIP_DIGEST, "a1" * 32),
        ("9aeb635b", "1aeb635b"),
        ("Finds the", "Finds, in new ways, the"),
    ]
    path = zoo / "public" / "rtmpose-new" / "model.yml"
    path.write_text(path.read_text("utf-8").replace("rtmpose-s_", "rtmpose-new_"), "utf-8")
    edit(zoo, "rtmpose-new", *digits, (IMAGENET, HALVES))
    assert ("rtmpose-new", UNLIKE) in since(check, zoo)[1]


@pytest.fixture
def foreign(tmp_path):
    """A repository with models in Open Model Zoo's form."""
    write_omz_zoo(tmp_path / "models")
    commit_all(tmp_path)
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--mean_values=data[123.675,116.28,103.53]", "--mean_values=data[127.5]"),
        ("  - --reverse_input_channels\n", ""),
        ("--input_shape=[1,3,224,288]", "--input_shape=[1,3,256,288]"),
        ("--output=heatmaps", "--output=maps"),
        ("model_optimizer_args:\n", "model_optimizer_args:\n  - --disable_nhwc_to_nchw\n"),
    ],
)
def test_a_change_in_open_model_zoos_form_needs_a_reason_too(foreign, check, old, new):
    edit(foreign, "pose-a", (old, new))
    assert ("pose-a", CHANGED) in since(check, foreign)[1]
    edit(foreign, "pose-a", ("", "published: {known_difference: as the publisher trained it}\n"))
    rules = {rule for _, rule in since(check, foreign)[1]}
    assert not rules & {CHANGED, UNLIKE, "declared-ends", "known-keys"}


def test_a_flag_that_repeats_input_info_is_a_matter_of_style(foreign, check):
    edit(foreign, "pose-a", ("", "input_info: [{name: data, shape: [1, 3, 224, 288]}]\n"))
    assert since(check, foreign) == (0, set())


def test_the_summary_says_what_was_not_judged(zoo, check, capsys):
    def summarize(*words):
        capsys.readouterr()
        main(["lint", "--models_dir", str(zoo), *words])
        return capsys.readouterr().out.splitlines()[-1]

    assert "; not judged: changes (no --changed_since), likeness of " in summarize()
    shutil.copytree(zoo / "public" / "rf-detr-keypoint", zoo / "public" / "other-detr")
    edit(
        zoo,
        "other-detr",
        ("rf-detr-keypoint-preview-xlarge", "other"),
        ("rf-detr-keypoint-preview-xlarge", "other"),
    )
    check(zoo)  # goes to the repository
    new = summarize("--changed_since", "main")
    assert "changes of 1 model (new), likeness of 1 model (no siblings), files and IR" in new
    assert "--artifacts" not in summarize("--artifacts", str(zoo))
