"""Enter each environment that this repository promises, and run there what is promised for it.

Environments are read (promises.py), never listed. Without a flag, this enters the small ones, those
without OpenVINO and PyTorch, and types what README and posezoo print in README's install; --nightly
enters the others, those of programs that people have already (neighbours.py), and types what all
pages print. With files, it does both for what they promise.
It prints a sentence with a file and a line for each failure, what could not be tested here, and
nothing else.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, product
from pathlib import Path

import yaml
from machine import (
    UV,
    end_of,
    install,
    is_offline,
    not_tested,
    path_with,
    place,
    run,
    settings,
)
from neighbours import NEIGHBOURS, check_neighbour
from printed import read_printed, type_command, type_page, type_pages
from promises import (
    INPUTS,
    MAKEFILES,
    README,
    ROOT,
    Environment,
    Page,
    ReadingError,
    System,
    place_of_extra,
    read_beginning,
    read_calls,
    read_extras,
    read_hooks,
    read_make_rules,
    read_make_targets,
    read_pages,
    read_python_lists,
    read_pythons,
    read_release,
    read_systems,
    read_workflows,
)

from posezoo.cli.verbs import SUMMARIES

#: What makes an environment large: 0.7 GB and more.
LARGE = {"openvino", "torch"}
#: Each verb at least once, in this order in one folder: what needs an extra, and what does not.
VERBS = """
list
info blazepose-full
get blazepose-full --dry_run
download blazepose-full
get blazepose-full
convert blazepose-full
convert net.tflite
run --output poses
demo --input photos/astronaut.png --no_show
export --to onnx exported blazepose-full
quantize pose-landmark-full-mediapipe --images photos
evaluate blazepose-full --images photos --annotations people.json
benchmark blazepose-full
dataset info --images photos --annotations people.json
recommend
card blazepose-full
card blazepose-full --html --output page.html
info --licenses
doctor
lock blazepose-full
cache list
completion bash
verify blazepose-full
lint blazepose-full
shims commands
mirror create mirror blazepose-full
new my-pose --models_dir drafts --from net.tflite --license MIT
prove our-pose --models_dir zoo --dry_run
prove our-pose --models_dir zoo --output proof
benchmark human-pose-estimation-3d-0001 --generated --models_dir measured --seconds 0.2
cache remove blazepose-full
download blazepose-full
""".strip().splitlines()
# One process that has imported what all verbs need: starting Python takes as long as they do.
RUN_VERBS = """
import json, os, shlex, sys, tempfile
import numpy, posezoo.cli.main, requests, yaml
from posezoo.__main__ import main
ended = []
for line in json.load(sys.stdin):
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(printed.fileno(), 1), os.dup2(printed.fileno(), 2)
            sys.argv = ["posezoo", *shlex.split(line)]
            try:
                code = main()
            except SystemExit as error:
                code = error.code
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code or 0)
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        ended.append((os.waitstatus_to_exitcode(status), printed.read().decode(errors="replace")))
json.dump(ended, sys.stdout)
"""
WRITE_VIDEO = """
import cv2, sys
video = cv2.VideoWriter("v.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5, (512, 512))
for _ in range(3):
    video.write(cv2.imread(sys.argv[1]))
video.release()
"""


# --- What resolves


def resolve(requirements: Iterable[str], *flags: str) -> str:
    """Why no wheels fit these requirements; empty if some do."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write("\n".join(requirements))
        file.flush()
        ended = run([UV, "pip", "compile", "-q", "--only-binary", ":all:", *flags, file.name])
    return ended.stdout if ended.returncode else ""


def resolve_extras(python: str) -> Iterator[str]:
    """Each extra finds its pinned wheels. If all together do, each does."""
    flags = ("--python-version", python, "-c", "constraints.txt")
    extras = read_extras()
    if not resolve(chain.from_iterable(extras.values()), *flags):
        return
    for extra, requirements in extras.items():
        if why := resolve(requirements, *flags):
            where = f"{place_of_extra(extra)}: [{extra}]"
            yield f"{where}: no wheels for Python {python}\n{end_of(why)}"


def resolve_system(system: System, python: str, nightly: bool) -> Iterator[str]:
    """What the page of installing says of a system is true."""
    flags = ("--python-version", python, "--python-platform", system.platform)
    extras = read_extras()
    if unknown := {*system.pinned, *system.unpinned} - extras.keys():
        yield f"{system.place}: setup.cfg has no extra {', '.join(sorted(unknown))}"
        return
    for named, pins in ((system.pinned, ("-c", "constraints.txt")), (system.unpinned, ())):
        if not named or (nightly and pins) or not (nightly or pins):
            continue
        requirements = chain.from_iterable(extras[extra] for extra in named)
        if why := resolve(requirements, *flags, *pins):
            with_pins = "with" if pins else "without"
            where = f"{system.platform}, Python {python}, {with_pins} constraints.txt"
            yield f"{system.place}: [{','.join(named)}]: no wheels for {where}\n{end_of(why)}"


def compare_pythons(wanted: Callable[[str], bool]) -> Iterator[str]:
    """A workflow that names more than one Python names each that setup.cfg names."""
    for where, found in read_python_lists():
        if wanted(where) and found != read_pythons():
            yield f"{where}: {', '.join(found)}, and setup.cfg names {', '.join(read_pythons())}"


def check_calls(wanted: Callable[[str], bool]) -> Iterator[str]:
    """What workflows run and install exists, and what make runs in an environment has one."""
    rules = list(read_make_rules())
    targets = {rule.target for rule in rules}
    for call in read_calls():
        target = call.script.removeprefix("make ")
        exists = {target, f"{target}/.installed"} & targets or (ROOT / target).is_file()
        if wanted(call.place) and not exists:
            yield f"{call.place}: {call.script} does not exist"
    for environment in chain(read_workflows(), read_make_targets()):
        unknown = environment.extras - read_extras().keys()
        if wanted(environment.place) and unknown:
            yield f"{environment.place}: setup.cfg has no extra {', '.join(sorted(unknown))}"
    for rule in rules:
        enters = re.search(r"\$\((BIN|PIP|PYTEST)\)", rule.recipe)
        if wanted(rule.place) and enters and ".installed-" not in rule.target + rule.needed:
            yield f"{rule.place}: {rule.target} needs an environment: $(VENV)/.installed-EXTRA"


# --- What is run as it is written


def make_checkout(folder: Path, *, records: Sequence[str]) -> None:
    """A repository with all that is here, committed or not, as a pull request that brings these
    records.
    """
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"]
    run([*git, "init", "-q", "-b", "main"], folder)
    run([*git, "add", "--force", "."], folder)
    run([*git, "rm", "-q", "--cached", *records], folder)
    run([*git, "commit", "-qm", "what the pull request is compared with"], folder)
    run([*git, "update-ref", "refs/remotes/origin/main", "HEAD"], folder)
    run([*git, "add", "--force", "."], folder)
    run([*git, "commit", "-qm", "the pull request"], folder)


def enter(environment: Environment, checkout: Path) -> Iterator[str]:
    """Install what is promised into a new environment, and run what is promised there."""
    folder = Path(tempfile.mkdtemp(dir=place()))
    shutil.copytree(checkout, folder / "zoo", symlinks=True)
    # uv makes environments without pip, which other programs put there.
    if why := install(folder / "env", (*environment.install, "pip"), folder / "zoo"):
        yield f"{environment.place}: cannot be installed\n{why}"
        return
    if not environment.whole_zoo:
        keep_one_model(folder / "zoo")
    for command in environment.commands:
        environ = {"PATH": path_with(folder / "env"), "VENV": str(folder / "env")}
        environ |= command.environ
        ended = run([*command.shell, "-c", command.script], folder / "zoo", **environ)
        written = f"{command.place}: in an environment with {shlex.join(environment.install)}"
        if ended.returncode == 1 and is_offline(ended.stdout):
            not_tested(
                f"{command.place}, which asks hosts that do not answer\n{end_of(ended.stdout)}"
            )
        elif ended.returncode:
            yield f"{written}: exit code {ended.returncode}\n{end_of(ended.stdout)}"
            return


def keep_one_model(zoo: Path) -> None:
    """Leave one model in a zoo: what is run for all models once a week would take too long."""
    for folder in (zoo / "models").glob("*/*/"):
        if folder.name != INPUTS["model"]:
            shutil.rmtree(folder)


# --- Which verb works with which extra


OUR_POSE = """\
description: The landmark network of BlazePose full, from a file.
task_type: human_pose_estimation
framework: tflite
license: {{spdx: Apache-2.0, text: Apache-2.0-MediaPipe.txt}}
files:
  - name: net.tflite
    size: {size}
    checksum: {checksum}
    source: {{$type: file, path: ../../../net.tflite}}
inputs:
  - name: input_1
    shape: [1, 256, 256, 3]
    layout: NHWC
    color: RGB
    reverse_input_channels: true
    scale: [255, 255, 255]
outputs: []
"""


@cache
def files_of_verbs() -> Path:
    """A folder with photos, their annotations, a network, and a model outside a package.

    No command needs an extra, since this Python has none.

    Raises:
        ReadingError: one of the files cannot be made.
    """
    folder = place() / "verbs"
    (folder / "photos").mkdir(parents=True)
    recorded = "public/human-pose-estimation-3d-0001"
    shutil.copytree(ROOT / "models" / recorded, folder / "measured" / recorded)
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    for name in ("astronaut", "camera"):
        shutil.copy(ROOT / "src/posezoo/media/samples" / f"{name}.png", folder / "photos")
    coco = ROOT / "src/posezoo/core/declarations/skeletons/coco-17.yml"
    names = {"keypoints": yaml.safe_load(coco.read_text("utf-8"))["keypoints"]}
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [230, 110, 2] * 17}
    person |= {"num_keypoints": 17, "bbox": [60, 10, 380, 500], "area": 190000, "iscrowd": 0}
    photo = {"id": 1, "file_name": "astronaut.png", "width": 512, "height": 512}
    people = {"images": [photo], "annotations": [person]}
    people["categories"] = [{"id": 1, "name": "person", "skeleton": [], **names}]
    (folder / "people.json").write_text(json.dumps(people), "utf-8")
    python = shlex.quote(sys.executable)
    prepare(folder, f"{python} -m posezoo download {INPUTS['model']} --output_dir files")
    network = next((folder / "files").rglob("pose_landmark*.tflite")).rename(folder / "net.tflite")
    content = network.read_bytes()
    zoo = folder / "zoo" / "public" / "our-pose"
    zoo.mkdir(parents=True)
    checksum = hashlib.sha384(content).hexdigest()
    text = OUR_POSE.format(size=len(content), checksum=checksum)
    (zoo / "model.yml").write_text(text, "utf-8")
    return folder


def prepare(folder: Path, command: str) -> None:
    """Run what the files of the verbs are made with.

    Raises:
        ReadingError: it failed, so that no verb is to blame.
    """
    ended = run(shlex.split(command), folder)
    if ended.returncode:
        raise ReadingError(
            f".ci/environments.py:1: {command}: exit code {ended.returncode}, "
            f"before any verb was tried\n{end_of(ended.stdout)}"
        )


def try_verbs(env: Path, folder: Path) -> list[tuple[int, str]]:
    """The exit code and the output of each command of VERBS.

    Raises:
        ReadingError: the program that runs them failed.
    """
    command = [str(env / "bin" / "python"), "-c", RUN_VERBS]
    environ = {**settings(), "PATH": path_with(env)}
    environ["XDG_CACHE_HOME"] = str(folder / "cache")
    ended = subprocess.run(
        command, cwd=folder, env=environ, input=json.dumps(VERBS), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        why = f"exit code {ended.returncode}\n{end_of(ended.stderr)}"
        raise ReadingError(f".ci/environments.py:1: the verbs could not be tried: {why}")
    return [tuple(each) for each in json.loads(ended.stdout)]


def read_hint(printed: str) -> str:
    """The command of the last hint that names extras; empty if there is none."""
    hints = re.findall(r"^\s+hint: (.*\[[\w,-]+\].*)$", printed, re.MULTILINE)
    return hints[-1] if hints else ""


def named_extras(printed: str) -> frozenset[str]:
    """The extras that the last hint names."""
    named = ",".join(re.findall(r"\[([\w,-]+)\]", read_hint(printed)))
    return frozenset(filter(None, named.split(",")))


def compare_verbs(
    extra: str, ended: Sequence[tuple[int, str]], bare: Sequence[tuple[int, str]]
) -> Iterator[str]:
    """Each verb works with an extra, or names those that it lacks; without extras, it names all."""
    for line, (code, printed), (_, printed_bare) in zip(VERBS, ended, bare, strict=True):
        if code == 0:
            continue
        said = f"{place_of_extra(extra)}: posezoo {line} with [{extra}]: "
        named = named_extras(printed) - {extra}
        if code != 1 or not named <= read_extras().keys() or not named:
            yield f"{said}exit code {code}, and no other extra is named\n{end_of(printed)}"
        elif missing := named - named_extras(printed_bare):
            yield f"{said}{', '.join(missing)} is named too late\n{end_of(printed_bare)}"


def name_untried_verbs() -> Iterator[str]:
    """VERBS has each verb."""
    tried = {line.split()[0] for line in VERBS}
    for verb in SUMMARIES:
        if verb not in tried:
            yield f".ci/environments.py:1: VERBS has no command of posezoo {verb}"


def enter_with(extra: str) -> tuple[Path, Path]:
    """The environment of the wheel with an extra, and a folder to work in."""
    env = install_wheel([extra], place_of_extra(extra))
    work = env.with_name("work")
    shutil.copytree(files_of_verbs(), work)
    return env, work


def install_wheel(extras: Iterable[str], where: str) -> Path:
    """A new environment of the wheel with extras, with pip, as users have it.

    Raises:
        ReadingError: it cannot be made; the text begins with where it is promised.
    """
    env = Path(tempfile.mkdtemp(dir=place())) / "env"
    named = ",".join(sorted(extras))
    words = ["-c", "constraints.txt", f"posezoo[{named}] @ {wheel().as_uri()}", "pip"]
    if why := install(env, words, ROOT):
        raise ReadingError(f"{where}: [{named}] cannot be installed\n{why}")
    return env


def check_verbs(extra: str, bare: Sequence[tuple[int, str]]) -> Iterator[str]:
    """Each verb with one extra of the wheel."""
    yield from compare_verbs(extra, try_verbs(*enter_with(extra)), bare)


@cache
def wheel() -> Path:
    """The wheel of what is here."""
    folder = place() / "wheel"
    built = run([UV, "build", "-q", "--wheel", "--out-dir", folder])
    if built.returncode:
        raise ReadingError(f"setup.cfg:1: no wheel can be built\n{end_of(built.stdout)}")
    return next(folder.glob("*.whl"))


# --- Each night


def follow_hints(line: str, bare: Path) -> Iterator[str]:
    """Two hints at most, followed to the letter, lead from the bare wheel to a verb that works."""
    env, folder = enter_with("")
    shutil.copytree(bare, folder, dirs_exist_ok=True, symlinks=True)
    path = f"{path_with(env)}{os.pathsep}{Path(UV).parent}"
    environ = {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    commands = [f"posezoo {line}"]
    for _ in range(3):
        ended = run(["bash", "-c", commands[0]], folder, **environ)
        if ended.returncode == 0:
            return
        hint = read_hint(ended.stdout)
        if not hint or len(commands) == 3:
            break
        commands.append(hint)
        followed = run(["bash", "-c", hint], folder, **environ)
        if is_offline(followed.stdout):
            not_tested(f"{hint}, which asks hosts that do not answer")
            return
        if followed.returncode:
            ended = followed
            break
    yield f".ci/environments.py:1: {', then '.join(commands)}: fails\n{end_of(ended.stdout)}"


def find_pythons() -> list[str]:
    """The versions of Python that setup.cfg names and this machine has, the lowest first."""
    named = read_pythons()
    found = [each for each in named if not run([UV, "python", "find", each]).returncode]
    if missing := [each for each in named if each not in found]:
        not_tested(f"Python {', '.join(missing)}, which this machine does not have")
    return found


def enter_versions(resolution: str, python: str, zoo: Path | None) -> Iterator[str]:
    """What README's `run` installs, in the lowest or the newest versions that setup.cfg allows;
    with a checkout, `all`, which tests need, and also what takes long.
    """
    folder = Path(tempfile.mkdtemp(dir=place()))
    extra = "all" if zoo else "run"
    (folder / "run.in").write_text("\n".join(read_extras()[extra]), "utf-8")
    where = f"{place_of_extra(extra)}: {resolution} versions, Python {python}"
    flags = ["--resolution", resolution, "--python-version", python, "-o", "run.txt"]
    compiled = [UV, "pip", "compile", "-q", "--only-binary", ":all:", *flags, "run.in"]
    ended = run(compiled, folder)
    if ended.returncode:
        yield f"{where}: cannot be resolved\n{end_of(ended.stdout)}"
        return
    env = folder / "env"
    if why := install(env, ["-r", str(folder / "run.txt")], ROOT, python):
        yield f"{where}: cannot be installed\n{why}"
        return
    run([UV, "pip", "install", "-q", "--no-deps", "--python", env, wheel()])
    commands = ["posezoo run --output first", "posezoo run --output second"]
    if zoo:
        photo = ROOT / "src/posezoo/media/samples/astronaut.png"
        downloader = ROOT / "tools/downloader/downloader.py"
        commands += [
            f"python -c {shlex.quote(WRITE_VIDEO)} {photo}",
            "posezoo run --input v.avi --output video",
            f"posezoo download {INPUTS['model']} && posezoo convert {INPUTS['model']}",
            f"python {downloader} --name {INPUTS['model']} --output_dir omz",
        ]
    # A cache of its own: the second run finds what the first one left.
    environ = {"PATH": path_with(env), "XDG_CACHE_HOME": str(folder / "cache")}
    for command in commands:
        ended = run(["bash", "-c", command], folder, **environ)
        if ended.returncode:
            yield f"{where}: {command}: exit code {ended.returncode}\n{end_of(ended.stdout)}"
    if zoo:
        yield from run_quick_tests(where, env, folder, zoo)


def run_quick_tests(where: str, env: Path, folder: Path, checkout: Path) -> Iterator[str]:
    """The quick tests of core and run, where no package of `all` has another version."""
    tools = configparser.ConfigParser(interpolation=None)
    tools.read(ROOT / "setup.cfg", "utf-8")
    lines = tools["options.extras_require"]["test"].splitlines()
    words = [line for line in lines if line and not line.startswith(("#", "%"))]
    into = [UV, "pip", "install", "-q", "--python", str(env)]
    zoo = folder / "zoo"
    shutil.copytree(checkout, zoo, symlinks=True)
    folder.chmod(0o755)  # some tests start programs as another user
    pytest = [str(env / "bin/python"), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    for command in (
        [*into, "-c", str(folder / "run.txt"), *words],
        [*into, "--no-deps", "--config-settings", "editable_mode=compat", "--editable", "."],
        [*pytest, "-m", "quick", "tests/core", "tests/run"],
    ):
        ended = run(command, zoo)
        if ended.returncode:
            yield f"{where}: the quick tests of core and run\n{end_of(ended.stdout, 20)}"
            return


def find_records() -> list[str]:
    """The records of models whose files can be downloaded here.

    Raises:
        ReadingError: a download ended neither well nor with an error.
    """
    with ThreadPoolExecutor(4) as pool:
        records = sorted((ROOT / "models").rglob("measured.yml"))
        ended = pool.map(
            lambda record: run([sys.executable, "-m", "posezoo", "download", record.parent.name]),
            records,
        )
    found = []
    for record, each in zip(records, ended, strict=True):
        name = str(record.relative_to(ROOT))
        if each.returncode == 0:
            found.append(name)
        elif each.returncode != 1:
            why = f"exit code {each.returncode}\n{end_of(each.stdout)}"
            raise ReadingError(f"{name}:1: posezoo download {record.parent.name}: {why}")
    if len(found) < len(records):
        not_tested(
            f"{len(records) - len(found)} records of models whose files cannot be downloaded"
        )
    return found


# --- All


@dataclass(frozen=True)
class Choice:
    """What is asked for: the small environments, the large ones, or both of some files."""

    files: frozenset[str]
    nightly: bool
    wheel: Path | None = None

    def wants(self, where: str, large: bool) -> bool:
        """Whether to enter what a file promises."""
        if self.files:
            return where.partition(":")[0] in self.files
        return large == self.nightly


def is_large(environment: Environment) -> bool:
    """Whether it takes long to install or to run: OpenVINO, PyTorch, or a whole release."""
    return are_large(environment.extras) or "release" in environment.extras


def are_large(named: Iterable[str]) -> bool:
    """Whether OpenVINO or PyTorch comes with one of these extras."""
    extras = read_extras()
    requirements = [line for extra in named for line in extras.get(extra, [])]
    return bool({re.split(r"[^\w-]", line)[0] for line in requirements} & LARGE)


@cache
def checkout(large: bool) -> Path:
    """A pull request with all records, or with those that can be converted here."""
    folder = place() / ("zoo-large" if large else "zoo")
    make_checkout(folder, records=find_records() if large else ["models/*measured.yml"])
    return folder


def steps(choice: Choice) -> Iterator[Callable[[], Iterator[str]]]:
    """What is checked, one after the other or at the same time."""
    wanted = partial(choice.wants, large=False)
    if any(wanted(where) for where, _ in read_python_lists()):
        yield partial(compare_pythons, wanted)
    places = [
        *(call.place for call in read_calls()),
        *(rule.place for rule in read_make_rules()),
        *(workflow.place for workflow in read_workflows()),
    ]
    if any(map(wanted, places)):
        yield partial(check_calls, wanted)
    promised = (read_workflows(), read_make_targets(), read_hooks(), read_release())
    for environment in chain.from_iterable(promised):
        # .ci/nightly makes the targets with `test` and `test-all` in .venv.
        if {"test", "test-all"} & {*environment.extras} and is_target(environment):
            continue
        if choice.wants(environment.place, is_large(environment)):
            yield partial(enter, environment, checkout(is_large(environment)))
    for python in read_pythons():
        if choice.wants("setup.cfg", large=False):
            yield partial(resolve_extras, python)
        for system, large in product(read_systems(), (False, True)):
            if choice.wants(system.place, large):
                yield partial(resolve_system, system, python, large)
    yield from try_extras(choice)
    yield from enter_floors(choice)
    yield from type_printed(choice)
    yield from type_all_pages(choice)


def enter_floors(choice: Choice) -> Iterator[Callable[[], Iterator[str]]]:
    """The lowest and the newest versions that setup.cfg allows, and those of other programs."""
    if choice.wants("setup.cfg", large=False):
        yield partial(enter_versions, "lowest-direct", find_pythons()[0], None)
    if choice.wants("setup.cfg", large=True):
        pythons = find_pythons()
        yield partial(enter_versions, "lowest-direct", pythons[0], checkout(False))
        yield partial(enter_versions, "highest", pythons[-1], checkout(False))
    if choice.wants("setup.cfg", large=True) or choice.wants("neighbours", large=True):
        yield from (
            partial(check_neighbour, each, checkout(False), choice.wheel) for each in NEIGHBOURS
        )


def is_target(environment: Environment) -> bool:
    """Whether make promises it."""
    return environment.place.partition(":")[0] in map(str, MAKEFILES)


def try_extras(choice: Choice) -> Iterator[Callable[[], Iterator[str]]]:
    """The verbs with each extra, and with those that their hints name."""
    wanted = [large for large in (False, True) if choice.wants("setup.cfg", large)]
    if not wanted:
        return
    yield name_untried_verbs
    env, folder = enter_with("")
    bare = try_verbs(env, folder)
    if False in wanted:
        yield partial(compare_verbs, "", bare, bare)
    if True in wanted:
        for line, (_, printed) in zip(VERBS, bare, strict=True):
            if read_hint(printed):
                yield partial(follow_hints, line, folder)
    # Some have the same packages.
    extras = {frozenset(needed): extra for extra, needed in read_extras().items() if extra}
    for extra in extras.values():
        if are_large([extra]) in wanted:
            yield partial(check_verbs, extra, bare)


def type_printed(choice: Choice) -> Iterator[Callable[[], Iterator[str]]]:
    """What README and posezoo itself print, in README's install."""
    readme = next(page for page in read_pages() if page.file == README)
    types_readme = choice.wants(README, large=False)
    if not types_readme and not any(choice.wants(str(path), large=False) for path in verbs()):
        return
    env = install_wheel({"run"}, README + ":1")
    if types_readme:
        yield partial(type_page, read_beginning(readme), env, checkout(False))
    found = {each.command: each for each in read_printed(env)}
    for printed in found.values():
        if choice.wants(printed.place, large=False):
            yield partial(type_command, printed, env, env.with_name("cache"))


def verbs() -> Iterator[Path]:
    """The modules of the verbs."""
    return (path.relative_to(ROOT) for path in ROOT.glob("src/posezoo/*/verbs/*.py"))


def type_all_pages(choice: Choice) -> Iterator[Callable[[], Iterator[str]]]:
    """The pages, and in one environment those that name the same extras."""
    pages: dict[frozenset[str], list[Page]] = {}
    for page in read_pages():
        if choice.wants(page.file, large=True):
            pages.setdefault(page.extras, []).append(page)
    for extras, of_extras in pages.items():
        env = install_wheel(extras, f"{of_extras[0].file}:1")
        yield partial(type_pages, of_extras, env, checkout(False))


def main() -> int:
    """Print what fails, a sentence each; the exit code is 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nightly", action="store_true", help="the large environments")
    parser.add_argument("files", nargs="*", help="all that these files promise, such as setup.cfg")
    parser.add_argument(
        "--wheel", type=Path, help="what is installed beside neighbours, in place of the clone"
    )
    args = parser.parse_args()
    choice = Choice(frozenset(args.files), args.nightly, args.wheel)
    failed = False
    entered = 0
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for problems in pool.map(lambda step: list(step()), steps(choice)):
                entered += 1
                failed |= bool(problems)
                print(*problems, sep="\n", end="\n" if problems else "", flush=True)
    except ReadingError as error:
        failed = True
        print(error)
    if not (entered or failed):
        failed = True
        print(f"{', '.join(args.files)}: promises no environment and no command")
    shutil.rmtree(place(), ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
