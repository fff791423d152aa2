"""What a type checker tells users about the values that posezoo gives them: the package has types (PEP 561)."""

from __future__ import annotations

import re
import sys

import pytest

from fakes.checkout import ROOT
from fakes.command import run_process
from fakes.pages import blocks
from fakes.when_used import needs

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
for frame, found in model.stream("walk.mp4"):
    reveal_type(frame.image)
    reveal_type(model.tracker()(frame.image))
for path, found in model.stream(["one.jpg"]):
    reveal_type(path)
"""


WRONG = """
import posezoo

posezoo.load(min_person_scor=0.3)
"""


@pytest.mark.slow
def test_a_type_checker_knows_the_values_of_a_users_script(tmp_path):
    needs("mypy")
    (readme,) = blocks(ROOT / "README.md", "python")
    for name, script in (("script", SCRIPT), ("readme", readme), ("wrong", WRONG)):
        (tmp_path / f"{name}.py").write_text(script)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
    ended = run_process(
        [*command, "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", "."],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "src"), "PATH": ""},
        timeout=300,
    )
    revealed = re.findall(r'Revealed type is "(.+)"', ended.stdout)
    (error,) = re.findall("(.*): error: (.*)", ended.stdout)
    assert error[0] == "wrong.py:4"
    assert 'did you mean "min_person_score"?' in error[1]
    # numpy writes this type in another form in each version.
    arrays = [revealed.pop(place) for place in (8, 2)]
    assert all(array.startswith("numpy.ndarray[") for array in arrays)
    assert revealed == [
        "posezoo.run.runtime.estimator.Estimator",
        "posezoo.poses.keypoints.Poses",
        "float",
        "tuple[str, ...]",
        "dict[str, Any]",
        "dict[str, Any]",
        "dict[str, pathlib.Path]",
        "posezoo.poses.keypoints.Poses",
        "str",
    ]
