"""The reports of posezoo lint: text, JSON, SARIF, annotations; baselines, changes, explanations."""

import os
import shutil
from pathlib import Path

import pytest

from fakes.checkout import commit_all, git, require_git
from fakes.command import json_of, posezoo, refusal, succeeded
from fakes.omz_zoo import write_omz_zoo
from posezoo.cli.main import main
from posezoo.core.registry import open_registry

ROOT = Path(__file__).resolve().parents[2]

KEYS = {
    "rule",
    "severity",
    "model",
    "file",
    "line",
    "column",
    "field",
    "found",
    "expected",
    "message",
}


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A Git repository with a registry."""
    folder = tmp_path_factory.mktemp("committed")
    write_omz_zoo(folder / "models")
    commit_all(folder)
    return folder


@pytest.fixture
def zoo(committed, tmp_path):
    """A registry with one mistake that is not committed to its Git repository."""
    root = shutil.copytree(committed, tmp_path, dirs_exist_ok=True) / "models"
    plant(root)
    return root


def plant(root, name="pose-a"):
    card = root / "public" / name / "README.md"
    card.write_text(
        card.read_text().replace("Channel order is `BGR`", "Channel order is `RGB`"), "utf-8"
    )


def run(zoo, *words):
    return posezoo("lint", "--models_dir", zoo, *words, cwd=zoo.parent)


def found_by(zoo, *words):
    return json_of(run(zoo, *words, "--format", "json"))["findings"]


def models_of(zoo, *words):
    return {finding["model"] for finding in found_by(zoo, *words)}


def restore(zoo):
    git(zoo.parent, "checkout", "-q", "--", ".")


def test_text_has_place_severity_message_and_rule(zoo):
    ended = run(zoo)
    assert ended.returncode == 1
    first, *_ = ended.stdout.splitlines()
    assert first.startswith("models/public/pose-a/README.md:46:19: error: color: RGB on the card")
    assert first.endswith("[color]")
    assert "1 finding: 1 error" in ended.stdout.splitlines()[-1]


def test_json_has_the_keys_that_scripts_rely_on(zoo):
    findings = found_by(zoo)
    assert findings
    assert all(set(finding) == KEYS for finding in findings)
    reversal = next(finding for finding in findings if finding["rule"] == "color")
    assert (reversal["severity"], reversal["model"], reversal["line"]) == ("error", "pose-a", 46)
    assert (reversal["field"], reversal["expected"]) == ("input.color", "RGB")


def test_sarif_names_each_rule_and_each_place(zoo):
    log = json_of(run(zoo, "--format", "sarif"))
    assert log["version"] == "2.1.0"
    (once,) = log["runs"]
    rules = once["tool"]["driver"]["rules"]
    assert once["results"]
    for result in once["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        location = result["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"].startswith("models/public/pose-a/")
        assert location["region"]["startLine"] >= 1
        assert result["level"] in ("error", "warning", "note")


def test_annotations_escape_texts_that_would_end_them(zoo, capsys):
    card = zoo / "public" / "pose-b" / "README.md"
    card.write_text(
        card.read_text().replace("[123.675, 116.28, 103.53]", "[1%,\x07::error::2, 3]"), "utf-8"
    )
    main(["lint", "--models_dir", str(zoo), "--format", "github"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert all(
        line.startswith(("::error file=", "::warning file=", "::notice file=")) for line in lines
    )
    assert any(",title=color::pose-a: " in line for line in lines)
    assert "\x07" not in "".join(lines)


def store(zoo, known):
    """Write today's findings, of which one is an error, to a file."""
    ended = run(zoo, "--format", "json")
    assert ended.returncode == 1
    known.write_text(ended.stdout, "utf-8")


def test_known_findings_are_left_out_even_if_they_moved(zoo):
    known = zoo.parent / "known.json"
    store(zoo, known)
    succeeded(run(zoo, "--baseline", known))
    card = zoo / "public" / "pose-a" / "README.md"
    card.write_text("<!-- one more line -->\n" + card.read_text(), "utf-8")
    moved = zoo.rename(zoo.parent / "moved")
    succeeded(run(moved, "--baseline", known))
    plant(moved, "pose-b")
    assert models_of(moved, "--baseline", known) == {"pose-b"}


def test_a_file_that_is_not_a_baseline_is_named(zoo):
    (zoo.parent / "no.json").write_text("[1]")
    for file, reason in (
        ("no.json", "is not a baseline"),
        ("gone.json", "cannot be read: No such file"),
    ):
        said = refusal(run(zoo, "--baseline", zoo.parent / file))
        assert reason in said
        assert "hint: posezoo lint --format json prints one" in said


def test_the_configuration_of_the_repository_starts_no_program(zoo, tmp_path):
    sign = tmp_path / "started"
    program = tmp_path / "program.sh"
    program.write_text(f'#!/bin/sh\ntouch "{sign}"\ncat\n')
    program.chmod(0o755)
    for setting in ("core.fsmonitor", "diff.external", "filter.own.clean", "filter.own.process"):
        git(zoo.parent, "config", setting, str(program))
    git(zoo.parent, "config", "filter.own.required", "true")
    (zoo.parent / ".git/info/attributes").write_text("* filter=own diff=own\n")
    for file in zoo.rglob("*.yml"):
        file.touch()  # Git reads it again
    sign.unlink(missing_ok=True)
    assert models_of(zoo, "--changed_since", "HEAD") == {"pose-a"}
    assert not sign.exists()


def test_a_change_that_touches_no_model_says_so(zoo):
    restore(zoo)
    (zoo.parent / "notes.txt").write_text("no model")
    git(zoo.parent, "add", ".")
    ended = run(zoo, "--changed_since", "HEAD")
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"0 models and composites in {zoo}, ")
    assert ended.stderr == "the change since HEAD touches none of the models: nothing is checked\n"
    plant(zoo, "pose-b")
    ended = run(zoo, "pose-a", "--changed_since", "HEAD", "--format", "json")
    assert (ended.returncode, json_of(ended)) == (0, {"findings": []})
    assert "touches none of the models" in ended.stderr


def test_the_models_of_the_installed_posezoo_are_in_no_repository_of_the_user(zoo):
    ended = posezoo("lint", "--changed_since", "HEAD", cwd=zoo.parent)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "hint: name the folder of your models: --models_dir DIR" in ended.stderr


@pytest.fixture
def own_zoo(tmp_path):
    """posezoo's own models in a Git repository."""
    for folder in ("models", "licenses"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    commit_all(tmp_path)
    return tmp_path / "models"


def test_what_models_name_outside_of_their_folders_touches_them(own_zoo):
    def checked(*words):
        ended = run(own_zoo, "--changed_since", "HEAD", *words)
        return ended.returncode, ended.stdout

    specs = open_registry((own_zoo,)).select().models
    text = specs[0].license.text
    (own_zoo.parent / "licenses" / text).unlink()
    count = sum(spec.license.text == text for spec in specs)
    code, out = checked()
    assert (code, f"{count} models and composites" in out) == (1, True)
    assert text in out
    restore(own_zoo)

    papers = own_zoo / "papers.yml"
    address = next(spec.origin.paper for spec in specs if spec.origin.paper)
    papers.write_text(papers.read_text().replace(f"{address}:\n", f"{address}0:\n"))
    code, out = checked()
    assert code == 1
    assert address in out
    restore(own_zoo)

    (own_zoo / "skeletons" / "coco-17.svg").rename(own_zoo / "skeletons" / "other.svg")
    code, out = checked()
    assert (code, "coco-17.svg" in out) == (1, True)


def test_a_changed_index_touches_its_models_and_a_new_folder_itself(zoo):
    restore(zoo)
    index = zoo / "public" / "index.md"
    index.write_text(index.read_text().replace("60.125", "16.125"), "utf-8")
    (finding,) = found_by(zoo, "--changed_since", "HEAD")
    assert finding["rule"] == "index-figures"
    restore(zoo)
    shutil.copytree(zoo / "public" / "pose-a", zoo / "public" / "pose-new")
    assert "1 model or composite" in run(zoo, "--changed_since", "HEAD").stdout


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("names.yml", "pose: rtmpose-s", "pose: rtmpose-ss"),
        ("access_points.json", '"start": ', '"start": 1'),
        ("accuracy-speed.svg", "</svg>", "<text>x</text></svg>"),
        ("rehearsed.tsv", "\nrtmo-s\t", "\nrtmo-ss\t"),
    ],
)
def test_a_changed_file_of_the_whole_registry_touches_all_models(own_zoo, file, old, new):
    path = own_zoo / file
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    ended = run(own_zoo, "--changed_since", "HEAD")
    assert (ended.returncode, file in ended.stdout) == (1, True)


@pytest.mark.parametrize("license_text", ["models/public/licenses/MIT.txt", "LICENSE"])
def test_a_deleted_file_to_which_a_card_links_touches_that_model(zoo, license_text):
    restore(zoo)
    top = zoo.parent
    (top / license_text).parent.mkdir(exist_ok=True)
    for text in (top / license_text, (top / license_text).with_name("another.txt")):
        text.write_text("Copyright (c) 2026 Ann")
    card = zoo / "public" / "pose-a" / "README.md"
    link = os.path.relpath(top / license_text, card.parent)
    card.write_text(f"{card.read_text('utf-8')}The [text]({link}) is here.\n", "utf-8")
    git(top, "add", ".")
    git(top, "commit", "-qm", "a license")
    git(top, "rm", "-q", license_text)
    (finding,) = found_by(zoo, "--changed_since", "HEAD")
    assert (finding["model"], finding["rule"]) == ("pose-a", "dead-link")
    assert "1 model or composite" in run(zoo, "--changed_since", "HEAD").stdout


def test_before_the_first_commit_all_models_are_new(tmp_path):
    require_git()
    write_omz_zoo(tmp_path / "models")
    git(tmp_path, "init", "-q")
    ended = run(tmp_path / "models", "--changed_since", "HEAD")
    assert ("3 models and composites" in ended.stdout, ended.stderr) == (True, "")
    assert "not judged: changes of 3 models (new)" in ended.stdout


def test_a_deleted_model_touches_all_since_any_may_name_it(zoo):
    restore(zoo)
    shutil.rmtree(zoo / "public" / "pose-a")
    ended = run(zoo, "--changed_since", "HEAD")
    assert "2 models and composites" in ended.stdout


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "HEAD:models"])
def test_an_unknown_revision_is_named(zoo, revision):
    said = refusal(run(zoo, f"--changed_since={revision}"))
    assert "--changed_since" in said
    assert "Traceback" not in said


def test_a_missing_repository_is_named(tmp_path):
    require_git()
    root = write_omz_zoo(tmp_path / "models")
    words = ("lint", "--models_dir", root, "--changed_since", "main")
    ended = posezoo(*words, GIT_CEILING_DIRECTORIES="/")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert "not a git repository" in ended.stderr


def test_one_model_is_checked_alone(zoo):
    succeeded(run(zoo, "pose-b"))
    assert models_of(zoo, "pose-*") == {"pose-a"}
    assert "no model is called 'pose-c'" in refusal(run(zoo, "pose-c"))


def test_a_rule_is_explained_and_an_unknown_one_is_guessed():
    ended = succeeded(posezoo("lint", "--explain", "color"))
    assert ended.stdout.startswith("color (error)\n  The colour orders of the original")
    assert "Example: " in ended.stdout
    assert "did you mean accuracy?" in posezoo("lint", "--explain", "acuracy").stderr
    assert posezoo("lint", "--explain", "all").stdout.count("Example: ") >= 50


def test_a_missing_folder_of_artifacts_is_named(zoo):
    ended = run(zoo, "--artifacts", zoo / "nowhere")
    assert (ended.returncode, "no such folder" in ended.stderr) == (1, True)
