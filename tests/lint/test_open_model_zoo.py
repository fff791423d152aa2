"""Open Model Zoo's release 2021.4 as it is: every finding was looked at, and is one."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from fakes.command import run_process
from fakes.lint import check_registry
from posezoo.core.registry import Registry
from posezoo.lint.output_formats import identify

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "omz-2021.4-findings.tsv"


@pytest.fixture(scope="module")
def models(shared):
    return shared / "data" / "omz-2021.4" / "models"


def rows(findings, root):
    """Findings as lines of the golden file."""
    lines = []
    for finding in findings:
        rule, model, _, *texts = identify(finding)
        file = Path(finding.file).relative_to(root).as_posix()
        lines.append((finding.severity, rule, model, file, *texts))
    return sorted("\t".join(map(str, line)) for line in lines)


def test_the_findings_are_those_that_were_looked_at(models):
    """Redrawn by REDRAW_GOLDEN=1; who redraws it looks at each new line, whether it is true."""
    found = rows(list(check_registry(Registry([models]))), models)
    if os.environ.get("REDRAW_GOLDEN"):
        GOLDEN.write_text("\n".join(found) + "\n", "utf-8")
    golden = GOLDEN.read_text("utf-8").splitlines()
    assert Counter(found) - Counter(golden) == Counter(), "new"
    assert Counter(golden) - Counter(found) == Counter(), "no longer found"


def run(models, *words):
    command = [sys.executable, "-m", "posezoo", "lint", "--models_dir", str(models)]
    ended = run_process([*command, "--format", "json", *words])
    assert ended.returncode == 1, ended.stderr
    return ended.stdout


def test_what_is_unusual_but_right_is_no_finding(models):
    """Files that many models share, empty files, other colour orders, millimetres: none of them cries wolf."""
    found = {each.model for each in check_registry(Registry([models])) if each.severity == "error"}
    for name in (
        "single-human-pose-estimation-0001",
        "colorization-v2",  # L and AB channels
        "densenet-169-tf",  # accuracy of two top-k's, a row of several models in the index
        "efficientnet-b0-pytorch",  # a picture without its batch in the prose
        "mtcnn-o",  # a part whose figures stand in the composite's card
        "face-detection-0205",  # weights that several heads share
    ):
        assert name not in found
