"""make tells tests that failed from tests that did not run, and shows what a contributor types."""

import os
import shutil

import pytest

from fakes.checkout import ROOT, git
from fakes.command import refusal, run_process

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.mark.parametrize("target", ["test-all", "test-slow"])
@pytest.mark.parametrize(
    ("of_compileall", "of_pytest", "is_tried_again"),
    [(0, 1, True), (0, 137, False), (0, 2, False), (1, 0, False)],
    ids=["tests failed", "pytest was killed", "pytest broke off", "a file cannot be compiled"],
)
def test_make_tries_again_if_tests_failed_but_not_if_some_did_not_run(
    tmp_path, target, of_compileall, of_pytest, is_tried_again
):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\ncase "$*" in *--last-failed*) exit 0 ;;'
        f" *compileall*) exit {of_compileall} ;; *) exit {of_pytest} ;; esac\n"
    )
    python.chmod(0o755)
    (tmp_path / ".installed-test-all").touch()
    command = ["make", f"VENV={tmp_path}", "WORKERS=1", target]
    ended = run_process(
        command,
        cwd=ROOT,
    )
    assert (ended.returncode == 0) == is_tried_again, ended.stderr
    assert ("--last-failed" in ended.stdout) == is_tried_again


def test_make_alone_shows_at_most_twelve_targets():
    shown = run_process(["make"], cwd=ROOT, check=True).stdout.splitlines()
    assert 10 <= len(shown) <= 12
    assert {"quickstart", "test", "check"} < {line.split()[0] for line in shown}


def test_environments_are_entered_from_one_with_the_extra_check_alone(tmp_path):
    for extra in ("test-all", "check"):
        (tmp_path / f".installed-{extra}").touch()
    command = ["make", "--dry-run", f"VENV={tmp_path}", "environments", "ENTER=README.md"]
    printed = run_process(command, cwd=ROOT, check=True).stdout
    assert "build/check-env/bin/python .ci/environments.py README.md" in printed
    assert "build/check-env/.installed-check" in printed
    assert str(tmp_path) not in printed


#: In place of posezoo: it records a figure and fails for a model, as where three hosts do not answer.
POSEZOO = """#!/bin/sh
mkdir -p proof models
echo "Proven: 2 of 5" > proof/README.md
echo "$*" >> models/measured.yml
exit 1
"""


@pytest.fixture
def checkout(tmp_path):
    """A repository with our makefiles; its environment has a posezoo and a Python that only pretend."""
    folder = tmp_path / "checkout"
    for name in ("Makefile", ".ci/more.mk", ".gitignore", "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("models/index.md", "docs/index.md"):
        (folder / name).parent.mkdir()
        (folder / name).touch()
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name, text in {"posezoo": POSEZOO, "python": "#!/bin/sh\ndate > docs/drawn.md\n"}.items():
        (binaries / name).write_text(text)
        (binaries / name).chmod(0o755)
    (folder / ".venv" / ".installed-test-all").touch()
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    return folder


def make_prove(checkout, **environ):
    person = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com"}
    person |= {name.replace("AUTHOR", "COMMITTER"): text for name, text in person.items()}
    command = ["make", "prove", "PROVE=--accept_terms"]
    return run_process(command, cwd=checkout, env={**os.environ, **person, **environ})


def test_make_prove_ends_with_a_commit_on_a_branch_of_its_own(checkout):
    ended = make_prove(checkout)
    assert ended.returncode == 2, ended.stderr  # a model failed
    assert "Record what the publishers' files give" in ended.stdout
    assert git(checkout, "branch", "--show-current") == "proven\n"
    assert git(checkout, "status", "--porcelain") == ""
    assert "Proven: 2 of 5" in git(checkout, "log", "-1", "--format=%B")
    changed = git(checkout, "diff", "--name-only", "main").split()
    assert changed == ["docs/drawn.md", "models/measured.yml"]
    words = (checkout / "models" / "measured.yml").read_text("utf-8")
    assert "--all" in words and "--accept_terms" in words and "--log proof/log.jsonl" in words


def test_make_prove_continues_on_its_branch_with_what_an_interrupted_run_left(checkout):
    git(checkout, "switch", "--quiet", "--create", "proven")
    (checkout / "models" / "measured.yml").write_text("recorded before kill -9\n")
    make_prove(checkout)
    assert git(checkout, "rev-list", "--count", "main..proven") == "1\n"
    recorded = git(checkout, "show", "proven:models/measured.yml").splitlines()
    assert recorded[0] == "recorded before kill -9" and len(recorded) == 2


def test_make_prove_commits_no_change_of_the_user_and_asks_for_a_name_before_hours_of_work(
    checkout,
):
    (checkout / "docs" / "index.md").write_text("mine")
    assert "commit or remove first what git status lists" in refusal(make_prove(checkout), 2)
    git(checkout, "checkout", "--quiet", "docs")
    nameless = {"GIT_COMMITTER_NAME": "", "GIT_COMMITTER_EMAIL": ""}
    assert "ident" in refusal(make_prove(checkout, **nameless), 2)
    assert git(checkout, "branch", "--show-current") == "main\n"
    assert not (checkout / "proof").exists()
