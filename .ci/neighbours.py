"""Install posezoo, by README's line, beside the programs that people have already.

Each neighbour is installed first, and does then what people want of it: its smoke test, which has
to pass once more after posezoo was installed. posezoo moves none of its packages, finds the poses
in two photos, and its doctor says what pip check says.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from machine import UV, end_of, install, not_tested, path_with, place, run
from promises import README, ROOT

#: pip names the requirements that cannot be met together before it says what one could try.
CONFLICT_LINES = 14
PHOTO = ROOT / "src/posezoo/media/samples/astronaut.png"
WINDOW = """
import cv2
cv2.namedWindow("smoke")
cv2.waitKey(1)
"""
MEDIAPIPE = """
import cv2, mediapipe, sys
image = cv2.cvtColor(cv2.imread(sys.argv[1]), cv2.COLOR_BGR2RGB)
with mediapipe.solutions.pose.Pose(static_image_mode=True) as pose:
    assert pose.process(image).pose_landmarks
"""
ULTRALYTICS = """
from ultralytics import YOLO
YOLO("yolo11n-pose.yaml")
"""
RTMLIB = """
import cv2, numpy, rtmlib, sys
rtmlib.draw_skeleton(cv2.imread(sys.argv[1]), numpy.full((1, 17, 2), 9.0), numpy.ones((1, 17)))
"""
TENSORFLOW = """
import tensorflow
model = tensorflow.keras.Sequential([tensorflow.keras.layers.Dense(2)])
assert model.predict(tensorflow.ones((1, 4)), verbose=0).shape == (1, 2)
"""
POSE2SIM = """
from Pose2Sim import Pose2Sim
"""


@dataclass(frozen=True)
class Neighbour:
    """A program that is there first.

    Attributes:
        requirement: what its users type after `pip install`.
        smoke_test: a program of Python that gets a photo.
    """

    requirement: str
    smoke_test: str
    python: str = "3.11"


NEIGHBOURS = (
    Neighbour("mediapipe==0.10.21", MEDIAPIPE + WINDOW),
    Neighbour("rtmlib==0.0.16", RTMLIB + WINDOW),
    Neighbour("tensorflow==2.17.1", TENSORFLOW),
    Neighbour("pose2sim==0.10.49", POSE2SIM + WINDOW),
    Neighbour("ultralytics==8.4.190", ULTRALYTICS + WINDOW),
)


def check_neighbour(neighbour: Neighbour, checkout: Path, wheel: Path | None) -> Iterator[str]:
    """What README promises of an environment that has this program: of the checkout, or a wheel."""
    env = Path(tempfile.mkdtemp(dir=place())) / "env"
    where = f"{README}:1: beside {neighbour.requirement}"
    if run([UV, "python", "find", neighbour.python]).returncode:
        not_tested(f"{where}: this machine does not have Python {neighbour.python}")
        return
    if why := install(env, [neighbour.requirement, "pip"], ROOT, neighbour.python):
        not_tested(f"{where}: it cannot be installed\n{why}")
        return
    if why := try_smoke_test(neighbour, env):
        not_tested(f"{where}: its own smoke test fails without posezoo\n{why}")
        return
    before = list_packages(env)
    command = read_install_line(has_opencv=imports_opencv(env))
    if wheel:
        command = command.replace("'.[", f"'{wheel}[")
    # pip builds in the checkout, so that each has its own.
    clone = env.with_name("clone")
    shutil.copytree(checkout, clone, symlinks=True)
    ended = run(["bash", "-c", command], clone, PATH=path_with(env))
    if ended.returncode:
        end = end_of(ended.stdout, CONFLICT_LINES)
        yield f"{where}: {command}: exit code {ended.returncode}\n{end}"
        return
    for moved in name_moved(before, list_packages(env)):
        yield f"{where}: {command}: moves {moved}; see the floors in setup.cfg"
    if why := try_smoke_test(neighbour, env):
        yield f"{where}: {command}: breaks its smoke test\n{why}"
    yield from try_posezoo(where, env)


def read_install_line(*, has_opencv: bool) -> str:
    """README's line for an environment that has an OpenCV, or has none."""
    text = (ROOT / README).read_text("utf-8")
    line: str
    (line,) = re.findall(r"`(pip list .* && pip install .*'\.\[run\]')`", text)
    return line.replace("[run]", "[own-opencv]") if has_opencv else line


def name_moved(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The packages that have another version, or are gone."""
    return [
        f"{name} {version} -> {after.get(name, 'removed')}"
        for name, version in sorted(before.items())
        if after.get(name) != version
    ]


def imports_opencv(env: Path) -> bool:
    """Whether `import cv2` works there."""
    return run([env / "bin/python", "-c", "import cv2"], env).returncode == 0


def try_smoke_test(neighbour: Neighbour, env: Path) -> str:
    """The end of what the smoke test printed if it failed; else empty."""
    python = str(env / "bin/python")
    command = ["xvfb-run", "-a", python, "-c", neighbour.smoke_test, str(PHOTO)]
    ended = run(command, env, YOLO_CONFIG_DIR=str(env))
    return f"exit code {ended.returncode}\n{end_of(ended.stdout)}" if ended.returncode else ""


def list_packages(env: Path) -> Mapping[str, str]:
    """The versions of the packages there."""
    ended = run([UV, "pip", "list", "-q", "--python", env, "--format", "json"])
    return {each["name"]: each["version"] for each in json.loads(ended.stdout)}


def try_posezoo(where: str, env: Path) -> Iterator[str]:
    """posezoo's first command finds poses without a warning, and doctor agrees with pip check."""
    environ = {"PATH": path_with(env), "XDG_CACHE_HOME": str(env.with_name("cache"))}
    command = "posezoo run --output first --format json"
    first = run(["bash", "-c", f"{command} 2> said"], env, **environ)
    said = (env / "said").read_text("utf-8")
    if first.returncode:
        yield f"{where}: {command}: exit code {first.returncode}\n{end_of(said)}"
    elif not all(image["poses"] for image in json.loads(first.stdout)["images"]):
        yield f"{where}: {command}: finds nobody\n{end_of(first.stdout)}"
    if "overwrite each other" in said:
        yield f"{where}: {command}: says that posezoo's OpenCV overwrites another\n{end_of(said)}"
    checked = run(["python", "-m", "pip", "check"], env, **environ)
    examined = run(["posezoo", "doctor", "--format", "json"], env, **environ)
    problems = [each["message"] for each in json.loads(examined.stdout)["problems"]]
    broken = [problem for problem in problems if " needs " in problem]
    if bool(checked.returncode) != bool(broken):
        yield (
            f"{where}: pip check ends with {checked.returncode}, and posezoo doctor names"
            f" {broken or 'nothing'}\n{end_of(checked.stdout)}"
        )
