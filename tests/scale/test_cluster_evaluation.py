"""An evaluation on the workers of a real Dask cluster, which have other processors than this machine."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes import scaling_irs
from fakes.command import assert_success, posezoo
from fakes.dask import Cluster, with_mount
from fakes.when_used import require_installed

require_installed("distributed")
pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


@pytest.fixture
def other_cpuinfo(tmp_path):
    """What /proc/cpuinfo says of a processor without AVX2."""
    path = tmp_path / "cpuinfo"
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    changed = ("flags : sse4_2" if line.startswith("flags") else line for line in lines)
    path.write_text("\n".join(changed), "utf-8")
    probe = [*with_mount("--bind", str(path), "/proc/cpuinfo"), "true"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("cannot mount a file here")
    return path


def test_a_worker_with_another_processor_is_named_and_its_predictions_are_not_used_here(
    shared, tmp_path, other_cpuinfo
):
    tiny = scaling_irs.write_ir(tmp_path / "tiny.xml", {"heatmaps": 19, "pafs": 38})
    photos = shared / "data" / "photos"
    data = ("--annotations", photos / "person_keypoints.json", "--images", photos, "--limit", 2)
    command = ("evaluate", tiny, *data, "-o", tmp_path / "out", "--format", "json")
    cluster = Cluster(tmp_path)
    try:
        cluster.add_worker(cpuinfo=other_cpuinfo)
        cluster.wait_for_workers(1)
        on_cluster = posezoo(*command, "--cluster", cluster.address)
    finally:
        cluster.close()
    assert_success(on_cluster)
    warnings = [line for line in on_cluster.stderr.splitlines() if "a worker has the proc" in line]
    assert len(warnings) == 1
    assert "INT8 gives slightly different poses" in warnings[0]
    here = posezoo(*command)
    assert "a worker" not in here.stderr
    assert json.loads(here.stdout)["kept"] == 0
