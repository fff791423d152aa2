"""kill -9 during quantize, at many moments: nothing runs on, and the next run leaves no files behind."""

import sys

import pytest

from fakes.kills import Runs, kill_at_moments
from fakes.soak import soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@pytest.mark.parametrize("moments", [3, soak(50)])
def test_a_run_that_is_killed_leaves_no_process_and_the_next_one_no_file(bench, tmp_path, moments):
    words = ["quantize", "seeker", "--dataset_dir", bench.photos, "--models_dir", "registry"]
    words += ["--model_dir", "models", "--output_dir", "out", "--cache_dir", "cache"]
    kill_at_moments(Runs(tmp_path, *words), moments)
