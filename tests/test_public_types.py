"""What a type checker tells users about the values that posezoo gives them: the package has types (PEP 561)."""

from __future__ import annotations

import re
import sys

from fakes.checkout import ROOT
from fakes.command import run_process
from fakes.pages import blocks
from fakes.when_used import needs

SCRIPT = """
import posezoo

model = posezoo.load(
    "blazepose-full",
    precision="FP16",
    device="CPU",
    preparation=posezoo.Preparation(scale_values=255, skeleton="coco-17"),
    options=posezoo.Options(min_person_score=0.3, decoder_options={"max_people": 2}),
    weights_dir="models",
    inference_precision="f32",
)
reveal_type(model)
poses = model("photo.jpg")
reveal_type(poses)
for pose in poses:
    reveal_type(pose.keypoints)
    reveal_type(pose.score)
    reveal_type(pose.layout.keypoints)
    reveal_type(pose.to_json())
    reveal_type(pose.to_coco(image_id=1))
    reveal_type(pose["nose"].x)
    reveal_type(list(pose))
    posezoo.draw(None, pose)
reveal_type(posezoo.get("blazepose-full", precision="FP16"))
for frame, found in model.stream("walk.mp4"):
    reveal_type(frame.image)
    reveal_type(model.tracker()(frame.image))
for path, found in model.stream(["one.jpg"]):
    reveal_type(path)
"""


#: Each line with what is shown for it.
WRONG = """
import posezoo
from posezoo import errors
from posezoo.api import DecoderTyp  # maybe "DecoderType"?

posezoo.lod("blazepose-full")  # maybe "load"?
errors.ImageErorr  # has no attribute "ImageErorr"
posezoo.coco.red  # maybe "read"?
posezoo.import_module  # has no attribute "import_module"
posezoo.load(option=None)  # did you mean "options"?
posezoo.Options(min_person_scor=0.3)  # did you mean "min_person_score"?
posezoo.Preparation(scale_values="255")  # has incompatible type "str"
posezoo.load(min_person_score=0.3)  # Unexpected keyword argument "min_person_score"
"""


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
    found = re.findall(r"(.*):(\d+): error: (.*)", ended.stdout)
    expected = [(line, text) for line, text in enumerate(WRONG.splitlines(), 1) if "  # " in text]
    assert [(file, int(line)) for file, line, _ in found] == [
        ("wrong.py", line) for line, _ in expected
    ]
    for (_, _, message), (_, text) in zip(found, expected, strict=True):
        assert text.partition("  # ")[2] in message
    # numpy writes this type in another form in each version.
    arrays = [revealed.pop(place) for place in (10, 2)]
    assert all(array.startswith("numpy.ndarray[") for array in arrays)
    assert revealed == [
        "posezoo.run.runtime.estimator.Estimator",
        "posezoo.poses.keypoints.Poses",
        "float",
        "tuple[str, ...]",
        "dict[str, Any]",
        "dict[str, Any]",
        "float",
        "list[str]",
        "dict[str, pathlib.Path]",
        "posezoo.poses.keypoints.Poses",
        "str",
    ]
