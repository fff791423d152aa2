"""The version says which commit of a checkout runs."""

import shutil
import sys

import pytest

from fakes.checkout import ROOT
from fakes.command import run_process
from posezoo.core.versions import _checked_out_commit, version

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder, *words):
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@posezoo.invalid")
    command = ["git", "-C", folder, *identity, *words]
    return run_process(
        command,
        check=True,
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch", "work/one")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "First")
    return tmp_path


@needs_git
def test_the_commit_of_a_checkout_is_the_one_that_git_names(checkout, tmp_path_factory):
    commit = git(checkout, "rev-parse", "HEAD")
    assert _checked_out_commit(checkout / ".git") == commit
    git(checkout, "pack-refs", "--all")
    assert _checked_out_commit(checkout / ".git") == commit
    second = tmp_path_factory.mktemp("second") / "tree"
    git(checkout, "worktree", "add", "--quiet", "--detach", str(second))
    assert _checked_out_commit(second / ".git") == commit
    git(second, "checkout", "--quiet", "-b", "two")
    git(second, "commit", "--quiet", "--allow-empty", "--message", "Second")
    assert _checked_out_commit(second / ".git") == git(second, "rev-parse", "HEAD") != commit


@needs_git
def test_a_checkout_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert _checked_out_commit(tmp_path / ".git") == ""


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert _checked_out_commit(tmp_path / ".git") == ""


def test_the_command_states_release_and_commit():
    command = [sys.executable, "-m", "posezoo", "--version"]
    printed = run_process(
        command,
        check=True,
    ).stdout
    assert printed.strip() == f"posezoo {version()}"
    commit = _checked_out_commit(ROOT / ".git")
    assert version().partition("+")[2] == (f"g{commit[:8]}" if commit else "")
