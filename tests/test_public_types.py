"""What a type checker tells users about the values that posezoo gives them: the package has types (PEP 561)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
import posezoo

model = posezoo.load("blazepose-full", precision="FP16", device="CPU")
reveal_type(model)
poses = model("photo.jpg")
reveal_type(poses)
for pose in poses:
    reveal_type(pose.keypoints)
    reveal_type(pose.score)
    reveal_type(pose.layout.keypoints)
    reveal_type(pose.to_json())
    reveal_type(pose.to_coco(image_id=1))
reveal_type(posezoo.get("blazepose-full", precision="FP16"))
"""


@pytest.mark.slow
def test_a_type_checker_knows_the_values_of_a_users_script(tmp_path):
    pytest.importorskip("mypy", reason="needs mypy")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent"]
    ended = subprocess.run(
        [*command, f"--cache-dir={tmp_path / 'cache'}", "script.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    revealed = re.findall(r'Revealed type is "(.+)"', ended.stdout)
    assert ended.returncode == 0, ended.stdout
    # numpy writes this type in another form in each version.
    assert revealed.pop(2).startswith("numpy.ndarray[")
    assert revealed == [
        "posezoo.run.runtime.estimator.Estimator",
        "posezoo.poses.keypoints.Poses",
        "float",
        "tuple[str, ...]",
        "dict[str, Any]",
        "dict[str, Any]",
        "dict[str, pathlib.Path]",
    ]
