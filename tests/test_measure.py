"""make measure measures and records what measured.yml lacks, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from posezoo.core.registry import builtin_models_dir
from posezoo.figures.measured import read_measured

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

MEASURE = ROOT / "benchmarks" / "measure.py"
MODEL = "person-detection-retail-0013"


@pytest.fixture
def measure(mirror, tmp_path):
    """measure(...) -> exit code and output, for one detector in a zoo of its own; its records are removed."""
    of_model = Path("intel", MODEL)
    shutil.copytree(builtin_models_dir() / of_model, tmp_path / "models" / of_model)
    record(tmp_path).unlink()

    def run(*args, photos):
        command = [sys.executable, str(MEASURE), MODEL, "--models_dir", str(tmp_path / "models")]
        environ = {"POSEZOO_MIRROR": str(mirror), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        ended = subprocess.run(
            [*command, "--photos", str(photos), *args],
            cwd=tmp_path,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in ended.stdout
        return ended.returncode, ended.stdout

    return run


def record(tmp_path):
    return tmp_path / "models" / "intel" / MODEL / "measured.yml"


def test_what_is_missing_or_out_of_date_is_measured_and_recorded(measure, shared, tmp_path):
    photos = shared / "data" / "photos"
    code, output = measure("--kinds", "accuracy", "--dry_run", photos=photos)
    assert code == 0
    assert output.count("not here yet; then it is measured: posezoo get") == 3
    assert not record(tmp_path).exists()

    code, output = measure("--kinds", "accuracy", photos=photos)
    assert (code, output.count("not measured yet: posezoo evaluate")) == (0, 3), output
    found = read_measured(record(tmp_path))
    assert [(each.kind, each.precision.value) for each in found] == [
        ("accuracy", precision) for precision in ("FP32", "FP16", "FP16-INT8")
    ]
    for each in found:
        low, high = each.intervals["AP"]
        assert 0 < low < each.figures["AP"] < high < 1
        assert (each.settings["images"], each.settings["of"]) == (17, "boxes")
    assert len({each.irs for each in found}) == 3

    before = record(tmp_path).read_bytes()
    code, output = measure("--kinds", "accuracy", photos=photos)
    assert (code, "evaluate" in output) == (0, False)
    assert record(tmp_path).read_bytes() == before

    stale = before.decode().replace(found[0].irs, "0123456789abcdef")
    version = found[1].tools["openvino"]
    head, _, rest = stale.partition("FP16\n")
    record(tmp_path).write_text(f"{head}FP16\n{rest.replace(version, '2025.0', 1)}")
    code, output = measure("--kinds", "accuracy", "--dry_run", photos=photos)
    assert (code, output.count("evaluate")) == (0, 2), output
    assert f"measured on another IR: posezoo evaluate {MODEL} --precision FP32 " in output
    assert f"measured with OpenVINO 2025.0, now {version}: posezoo evaluate" in output


def test_no_speed_is_measured_while_other_programs_use_the_machine(measure, mirror, tmp_path):
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        code, output = measure("--kinds", "speed", photos=tmp_path)
    finally:
        for each in spinning:
            each.kill()
            each.wait()
    assert code == 1
    assert f"problem: benchmark {MODEL} " in output
    assert "other programs use" in output
    assert not record(tmp_path).exists()
