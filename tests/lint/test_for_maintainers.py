"""What maintainers of other zoos copy works as it stands: the hook, the workflow, make zoo."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from fakes.command import posezoo
from fakes.omz_zoo import write_omz_zoo

ROOT = Path(__file__).resolve().parents[2]


def git(folder, *words):
    names = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *names, "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A zoo in a Git repository, and a change to it that is not right."""
    write_omz_zoo(tmp_path / "models")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "in order"]):
        git(tmp_path, *words)
    card = tmp_path / "models" / "public" / "pose-a" / "README.md"
    card.write_text(card.read_text().replace("60.125", "61.125"), "utf-8")
    return tmp_path


def run(checkout, line):
    command, *words = shlex.split(line)
    assert command == "posezoo"
    return posezoo(*words, cwd=checkout, POSEZOO_MODELS_DIR=str(checkout / "models"))


def test_the_hook_stops_a_commit_that_contradicts_itself(checkout):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    files = re.compile(hook["files"])
    assert all(
        files.search(name) for name in ("models/public/x/model.yml", "index.md", "a/accuracy-check.yml")
    )
    stopped = run(checkout, hook["entry"])
    assert stopped.returncode == 1
    assert "[index-figures]" in stopped.stdout
    git(checkout, "checkout", "-q", "--", ".")
    assert run(checkout, hook["entry"]).returncode == 0


def test_the_workflow_checks_what_a_pull_request_touches_and_all_on_a_push(checkout):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "metadata.yml").read_text())
    steps = [
        step["run"] for step in workflow["jobs"]["metadata"]["steps"] if "posezoo" in step.get("run", "")
    ]
    touched, whole = steps
    git(checkout, "branch", "origin/main")
    annotated = run(checkout, touched.replace("$GITHUB_BASE_REF", "main"))
    assert annotated.returncode == 1
    assert annotated.stdout.startswith("::error file=models/public/pose-a/README.md,line=")
    line, _, file = whole.partition(" > ")
    assert file == workflow["jobs"]["metadata"]["steps"][-1]["with"]["sarif_file"]
    assert run(checkout, line).returncode == 1


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_zoo_runs_the_same_check():
    requested = subprocess.run(["make", "-n", "zoo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "posezoo verify --metadata" in requested.stdout
