"""make tells tests that failed from tests that did not run, and shows what a contributor types."""

import shutil

import pytest

from fakes.checkout import ROOT
from fakes.command import run_process

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
    (tmp_path / ".installed-test").touch()
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
    for extra in ("test", "check"):
        (tmp_path / f".installed-{extra}").touch()
    command = ["make", "--dry-run", f"VENV={tmp_path}", "environments", "ENTER=README.md"]
    printed = run_process(command, cwd=ROOT, check=True).stdout
    assert "build/check-env/bin/python .ci/environments.py README.md" in printed
    assert "build/check-env/.installed-check" in printed
    assert str(tmp_path) not in printed
