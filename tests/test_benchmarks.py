"""What benchmarks count: not what is no number, what nobody compared, or what found nothing."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from fakes.checkout import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A benchmark by its name, imported as it is when it runs."""
    for package in ("cv2", "onnxruntime"):
        pytest.importorskip(package)
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return import_module


def test_an_output_with_nan_is_not_exact(load):
    benchmark = load("bench_to_onnx")
    one = np.ones(3, np.float32)
    worst = benchmark.compare([one, one * np.nan, one], [one, one, one])
    count = benchmark.Count(differences={"equal": 0.0, "nan": worst})
    assert np.isnan(worst) and np.isnan(count.largest)
    assert list(count.wrong) == ["nan"]
    assert benchmark.compare([one], [one * 2]) == 0.5


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("differs by 1e-06 from OpenCV", "equal"),
        ("written, not compared with OpenCV", "not compared"),
        ("error: the outputs differ", "different"),
    ],
)
def test_what_was_not_compared_with_opencv_does_not_count_as_equal(load, monkeypatch, said, kind):
    benchmark = load("translate_published")
    monkeypatch.setattr(
        benchmark, "write_darknet", lambda published, folder: (published, published)
    )
    monkeypatch.setattr(benchmark, "is_read_by_opencv", lambda layers, weights: True)
    monkeypatch.setattr(benchmark, "translate", lambda layers, weights: said)
    assert benchmark.check(Path("net.cfg")) == kind


def test_a_case_that_finds_fewer_than_it_shows_is_not_measured(load):
    require_found = load("work_done").require_found
    require_found("four people", 4, 4)
    with pytest.raises(SystemExit, match=r"^four people: found 3 of at least 4"):
        require_found("four people", 3, 4)


def test_the_share_of_equal_keypoints_counts_only_those_that_were_found(load):
    compare = load("run_exports").compare
    here, elsewhere = np.zeros((1, 2)), np.full((1, 2), 9.0)
    assert compare([[here]], [[elsewhere]])["same_share"] == 0.0
    with pytest.raises(RuntimeError, match="nothing to compare"):
        compare([[]], [[here]])
