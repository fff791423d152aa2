"""The last release, as git knows it, from which .ci/upgrade.sh and test_last_release.py upgrade."""

import pytest

from fakes.checkout import ROOT, git
from fakes.command import printed, refusal, run_process

LAST_RELEASE = ROOT / ".ci" / "last_release.sh"


@pytest.fixture
def clone(tmp_path):
    git(tmp_path, "init", "-q")
    return tmp_path


def commit(folder, version, file="setup.cfg"):
    """A commit with another file, and the version; returns its id."""
    (folder / "setup.cfg").write_text(f"[metadata]\nname = posezoo\nversion = {version}\n")
    (folder / file).touch()
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", f"{version} {file}")
    return git(folder, "rev-parse", "HEAD").strip()


def find(folder):
    return run_process(["bash", LAST_RELEASE], cwd=folder, check=False)


def test_the_last_release_is_the_newest_earlier_commit_without_dev_in_its_version(clone):
    commit(clone, "0.2.0")
    commit(clone, "0.3.0.dev0")
    commit(clone, "0.3.0")
    mended = commit(clone, "0.3.0", "after.txt")
    commit(clone, "0.4.0.dev0")
    commit(clone, "0.4.0.dev0", "more.txt")
    assert printed(find(clone)).strip() == mended


def test_a_release_is_not_the_one_before_itself(clone):
    earlier = commit(clone, "0.2.0")
    commit(clone, "0.3.0.dev0")
    commit(clone, "0.3.0")
    commit(clone, "0.3.0.dev1")
    commit(clone, "0.3.0", "again.txt")
    assert printed(find(clone)).strip() == earlier


def test_without_the_history_it_says_what_brings_it(clone, tmp_path_factory):
    commit(clone, "0.2.0")
    commit(clone, "0.3.0.dev0")
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "-q", "--depth", "1", f"file://{clone}", "clone")
    assert "git fetch --unshallow" in refusal(find(shallow / "clone"))


def test_an_upgrade_from_the_commit_itself_is_refused():
    ended = run_process(["bash", ROOT / ".ci" / "upgrade.sh", "HEAD"], check=False)
    assert ended.returncode == 2 and "name an earlier one" in ended.stderr
