"""make tells tests that failed from tests that did not run."""

import shutil

import pytest

from fakes.checkout import ROOT
from fakes.command import run_process


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
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
