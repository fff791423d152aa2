"""The hook that maintainers of other zoos copy works as it stands."""

import shlex
import sys
from pathlib import Path

import pytest
import yaml

from fakes.checkout import ONLINE, commit_all, copy_checkout, git
from fakes.command import posezoo_process, refusal, run_process, succeeded
from fakes.omz_zoo import write_omz_zoo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    """A zoo in a Git repository, and a change to it that is not right."""
    write_omz_zoo(tmp_path / "models")
    commit_all(tmp_path)
    card = tmp_path / "models" / "public" / "pose-a" / "README.md"
    card.write_text(card.read_text().replace("60.125", "61.125"), "utf-8")
    return tmp_path


def test_the_hook_stops_a_commit_that_contradicts_itself(checkout):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    words = shlex.split(hook["entry"])[1:] + hook["args"]
    stopped = posezoo_process(*words, cwd=checkout)
    assert stopped.returncode == 1
    assert "[index-figures]" in stopped.stdout
    git(checkout, "checkout", "-q", "--", ".")
    succeeded(posezoo_process(*words, cwd=checkout))


@pytest.mark.soak  # pre-commit installs posezoo anew
def test_pre_commit_runs_the_hook_as_published(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pre-commit")
    user = {**ONLINE, "HOME": str(folder), "PRE_COMMIT_HOME": str(folder / "home")}
    user |= {
        f"GIT_{who}_{what}": "t@t.invalid"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }

    def start(*command):
        words = [str(word) for word in command]
        return run_process(words, cwd=checkout, env=user, timeout=600)

    start(sys.executable, "-m", "venv", folder / "env")
    if start(folder / "env/bin/pip", "install", "pre-commit").returncode:
        pytest.skip("needs a package index")
    copy_checkout(folder / "posezoo")
    commit_all(folder / "posezoo")
    revision = start("git", "-C", folder / "posezoo", "rev-parse", "HEAD").stdout.strip()
    hooks = {"repo": str(folder / "posezoo"), "rev": revision, "hooks": [{"id": "zoo-metadata"}]}
    (checkout / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [hooks]}))
    pre_commit = folder / "env/bin/pre-commit"
    succeeded(start(pre_commit, "install"))

    start("git", "add", ".")
    assert "[index-figures]" in refusal(
        start("git", "commit", "-m", "a figure that only the card has")
    )
    git(checkout, "checkout", "-q", "HEAD", "--", "models")
    succeeded(start("git", "commit", "-m", "no model"))
    whole = start(pre_commit, "run", "--all-files", "--verbose")
    assert "nothing differs from HEAD: all models are checked\n" in whole.stdout
    assert "\n0 models" not in whole.stdout
