"""Enter each environment that this repository promises, and run there what is promised for it.

Environments are read (promises.py), never listed. Without a flag, this enters the small ones, those
without OpenVINO and PyTorch; --nightly enters the others. It prints a sentence with a file and a
line for each failure, what could not be tested here, and nothing else.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import chain
from pathlib import Path

import yaml
from promises import (
    INPUTS,
    ROOT,
    Environment,
    ReadingError,
    System,
    place_of_extra,
    read_calls,
    read_extras,
    read_hooks,
    read_make_rules,
    read_make_targets,
    read_python_lists,
    read_pythons,
    read_systems,
    read_workflows,
)

from posezoo.cli.verbs import SUMMARIES

UV = str(Path(sys.executable).with_name("uv"))
#: What makes an environment large: 0.7 GB and more.
LARGE = {"openvino", "torch"}
#: Each verb at least once, in this order in one folder: what needs an extra, and what does not.
VERBS = """
list
info blazepose-full
plan blazepose-full
download blazepose-full
get blazepose-full
convert blazepose-full
convert net.tflite
run --output poses
demo --input photos/astronaut.png --no_show
export --to onnx exported blazepose-full
quantize blazepose-full --images photos
evaluate blazepose-full --images photos --annotations people.json
benchmark blazepose-full
dataset info --images photos --annotations people.json
compare --keypoints blazepose-full blazepose-lite --input photos/astronaut.png
recommend
card blazepose-full
gallery blazepose-full --output gallery
gallery blazepose-full --output pictures --pictures photos
licenses
doctor
lock blazepose-full
cache list
completion bash
verify blazepose-full
verify --metadata blazepose-full
shims commands
mirror create mirror blazepose-full
new my-pose --models_dir drafts --from net.tflite --license MIT
sources check our-pose --models_dir zoo
prove our-pose --models_dir zoo --output proof
record --generated human-pose-estimation-3d-0001 --models_dir measured
remove --yes blazepose-full
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


def run(
    command: Sequence[str | Path], folder: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with what it printed in `stdout`."""
    return subprocess.run(
        command, cwd=folder, env={**settings(), **environ}, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, errors="replace",
    )  # fmt: skip


@cache
def settings() -> Mapping[str, str]:
    """The environment of all commands: pip's index and folders for uv, which does not read pip's
    configuration; a cache that no earlier run filled; each Python that pyenv has.
    """
    # What make that runs this program tells its own commands is not for those that this one runs.
    foreign = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
    environ = {name: value for name, value in os.environ.items() if name not in foreign}
    index = environ.get("PIP_INDEX_URL") or pip_config("global.index-url")
    if index:
        environ["UV_DEFAULT_INDEX"] = index
    if folders := environ.get("PIP_FIND_LINKS"):
        environ["UV_FIND_LINKS"] = folders
    pythons = sorted(Path(environ.get("PYENV_ROOT", "/none")).glob("versions/3.*/bin"))
    environ["PATH"] = os.pathsep.join([environ.get("PATH", os.defpath), *map(str, pythons)])
    return environ | {
        "UV_PYTHON_DOWNLOADS": "never",
        "MACOSX_DEPLOYMENT_TARGET": "14.0",
        "XDG_CACHE_HOME": str(place() / "cache"),
        "UV_CACHE_DIR": environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
    }


def pip_config(key: str) -> str:
    """A setting of pip, empty if it has none."""
    command = [sys.executable, "-m", "pip", "config", "get", key]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@cache
def place() -> Path:
    """The folder of this run."""
    folder = ROOT / "build" / "environments"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def not_tested(reason: str) -> None:
    """Say what this machine cannot test."""
    print(f"== not tested here: {reason}", flush=True)


def end_of(printed: str, lines: int = 6) -> str:
    """The last lines of what a command printed."""
    return "\n".join(f"  {line}" for line in printed.strip().splitlines()[-lines:])


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
    """What workflows run exists, and what make runs in an environment has one."""
    rules = list(read_make_rules())
    targets = {rule.target for rule in rules}
    for call in read_calls():
        target = call.script.removeprefix("make ")
        exists = target in targets or (ROOT / target).is_file()
        if wanted(call.place) and not exists:
            yield f"{call.place}: {call.script} does not exist"
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
    if unknown := environment.extras - read_extras().keys():
        yield f"{environment.place}: setup.cfg has no extra {', '.join(sorted(unknown))}"
        return
    # uv makes environments without pip, which other programs put there.
    if why := install(folder / "env", (*environment.install, "pip"), folder / "zoo"):
        yield f"{environment.place}: cannot be installed\n{why}"
        return
    if not environment.whole_zoo:
        keep_one_model(folder / "zoo")
    for command in environment.commands:
        path = f"{folder / 'env' / 'bin'}{os.pathsep}{settings()['PATH']}"
        environ = {"PATH": path, "VENV": str(folder / "env"), **command.environ}
        ended = run([*command.shell, "-c", command.script], folder / "zoo", **environ)
        written = f"{command.place}: in an environment with {shlex.join(environment.install)}"
        if ended.returncode == 1 and is_offline(ended.stdout):
            not_tested(
                f"{command.place}, which asks hosts that do not answer\n{end_of(ended.stdout)}"
            )
        elif ended.returncode:
            yield f"{written}: exit code {ended.returncode}\n{end_of(ended.stdout)}"
            return
        elif lacking := re.search(r"not judged: .*?([\w.]+) is not installed: .*", ended.stdout):
            yield f"{environment.place}: lacks {lacking[1]}: {written}\n{end_of(lacking[0])}"


def install(env: Path, words: Sequence[str], folder: Path, python: str = sys.executable) -> str:
    """Make an environment with what follows `pip install`; why it could not be made, or empty."""
    for command in (
        [UV, "venv", "-q", "--clear", "--python", python, str(env)],
        [UV, "pip", "install", "-q", "--python", str(env), *words],
    ):
        ended = run(command, folder)
        if ended.returncode:
            break
    else:
        return ""
    if "--extra-index-url" not in words:
        return end_of(ended.stdout)
    # pip goes on without an index that does not answer.
    flag = list(words).index("--extra-index-url")
    not_tested(f"what {words[flag + 1]} has: it does not answer")
    return install(env, [*words[:flag], *words[flag + 2 :]], folder, python)


def keep_one_model(zoo: Path) -> None:
    """Leave one model in a zoo: what is run for all models once a week would take too long."""
    for folder in (zoo / "models").glob("*/*/"):
        if folder.name != INPUTS["model"]:
            shutil.rmtree(folder)


# --- Which verb works with which extra


def make_files_of_verbs(folder: Path) -> None:
    """Photos, their annotations, a network, and a model outside an installed package."""
    (folder / "photos").mkdir(parents=True)
    recorded = "public/human-pose-estimation-3d-0001"
    shutil.copytree(ROOT / "models" / recorded, folder / "measured" / recorded)
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    for name in ("astronaut", "camera"):
        shutil.copy(ROOT / "src/posezoo/run/samples" / f"{name}.png", folder / "photos")
    coco = ROOT / "src/posezoo/core/declarations/skeletons/coco-17.yml"
    names = {"keypoints": yaml.safe_load(coco.read_text("utf-8"))["keypoints"]}
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [230, 110, 2] * 17}
    person |= {"num_keypoints": 17, "bbox": [60, 10, 380, 500], "area": 190000, "iscrowd": 0}
    photo = {"id": 1, "file_name": "astronaut.png", "width": 512, "height": 512}
    people = {"images": [photo], "annotations": [person]}
    people["categories"] = [{"id": 1, "name": "person", "skeleton": [], **names}]
    (folder / "people.json").write_text(json.dumps(people), "utf-8")
    download = [sys.executable, "-m", "posezoo", "download", INPUTS["model"]]
    run(download, folder, XDG_CACHE_HOME=str(folder / "cache"))
    network = next((folder / "cache").rglob("*.tflite"), None)
    if not network:
        raise ReadingError(f"models/public/{INPUTS['model']}:1: cannot be downloaded")
    shutil.copy(network, folder / "net.tflite")
    new = "new our-pose --models_dir zoo --from net.tflite --license MIT"
    run([sys.executable, "-m", "posezoo", *new.split()], folder)


def try_verbs(env: Path, folder: Path) -> list[tuple[int, str]]:
    """The exit code and the output of each command of VERBS."""
    command = [str(env / "bin" / "python"), "-c", RUN_VERBS]
    environ = {**settings(), "PATH": f"{env / 'bin'}{os.pathsep}{settings()['PATH']}"}
    environ["XDG_CACHE_HOME"] = str(folder / "cache")
    ended = subprocess.run(
        command, cwd=folder, env=environ, input=json.dumps(VERBS), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
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
    folder = Path(tempfile.mkdtemp(dir=place()))
    words = ["-c", "constraints.txt", f"posezoo[{extra}] @ {wheel().as_uri()}"]
    if why := install(folder / "env", words, ROOT):
        raise ReadingError(f"{place_of_extra(extra)}: [{extra}] cannot be installed\n{why}")
    shutil.copytree(place() / "verbs", folder / "work")
    return folder / "env", folder / "work"


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
    path = (str(env / "bin"), str(Path(UV).parent), settings()["PATH"])
    environ = {"PATH": os.pathsep.join(path), "XDG_CACHE_HOME": str(folder / "cache")}
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


def is_offline(printed: str) -> bool:
    """Whether a command asked a host of the internet that this machine cannot reach."""
    return bool(re.search("Failed to fetch|Name or service not known|no connection: ", printed))


def find_pythons() -> list[str]:
    """The versions of Python that setup.cfg names and this machine has, the lowest first."""
    named = read_pythons()
    found = [each for each in named if not run([UV, "python", "find", each]).returncode]
    if missing := [each for each in named if each not in found]:
        not_tested(f"Python {', '.join(missing)}, which this machine does not have")
    return found


def enter_versions(resolution: str, python: str, nightly: bool) -> Iterator[str]:
    """What README's `run` installs, in the lowest or the newest versions that setup.cfg allows."""
    folder = Path(tempfile.mkdtemp(dir=place()))
    (folder / "run.in").write_text("\n".join(read_extras()["run"]), "utf-8")
    where = f"{place_of_extra('run')}: {resolution} versions, Python {python}"
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
    bin_ = env / "bin"
    commands = ["posezoo run --output first", "posezoo run --output second"]
    if nightly:
        photo = ROOT / "src/posezoo/run/samples/astronaut.png"
        downloader = ROOT / "tools/downloader/downloader.py"
        commands += [
            f"python -c {shlex.quote(WRITE_VIDEO)} {photo}",
            "posezoo run --input v.avi --output video",
            f"posezoo download {INPUTS['model']} && posezoo convert {INPUTS['model']}",
            f"python {downloader} --name {INPUTS['model']} --output_dir omz",
        ]
    # A cache of its own: the second run finds what the first one left.
    environ = {
        "PATH": f"{bin_}{os.pathsep}{settings()['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    for command in commands:
        ended = run(["bash", "-c", command], folder, **environ)
        if ended.returncode:
            yield f"{where}: {command}: exit code {ended.returncode}\n{end_of(ended.stdout)}"
    if nightly:
        yield from run_quick_tests(where, env, folder)


def run_quick_tests(where: str, env: Path, folder: Path) -> Iterator[str]:
    """The quick tests of core and run, where no package of `run` has another version."""
    tools = configparser.ConfigParser(interpolation=None)
    tools.read(ROOT / "setup.cfg", "utf-8")
    lines = tools["options.extras_require"]["test"].splitlines()
    words = [line for line in lines if line and not line.startswith(("#", "%"))]
    into = [UV, "pip", "install", "-q", "--python", str(env)]
    zoo = folder / "zoo"
    shutil.copytree(place() / "zoo", zoo, symlinks=True)
    folder.chmod(0o755)  # some tests start programs as another user
    pytest = [str(env / "bin/python"), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    for command in (
        [*into, "-c", str(folder / "run.txt"), *words],
        [*into, "--no-deps", "--config-settings", "editable_mode=compat", "--editable", "."],
        [*pytest, "-m", "not slow and not judge", "tests/core", "tests/run"],
    ):
        ended = run(command, zoo)
        if ended.returncode:
            yield f"{where}: the quick tests of core and run\n{end_of(ended.stdout, 20)}"
            return


def find_records() -> list[str]:
    """The records of models whose files can be downloaded here."""
    with ThreadPoolExecutor(4) as pool:
        records = sorted((ROOT / "models").rglob("measured.yml"))
        ended = pool.map(
            lambda record: run([sys.executable, "-m", "posezoo", "download", record.parent.name]),
            records,
        )
    found = [
        str(record.relative_to(ROOT))
        for record, each in zip(records, ended, strict=True)
        if not each.returncode
    ]
    if len(found) < len(records):
        not_tested(
            f"{len(records) - len(found)} records of models whose files cannot be downloaded"
        )
    return found


# --- All


def is_large(environment: Environment) -> bool:
    """Whether it takes long to install or to run: OpenVINO, PyTorch, or a whole release."""
    extras = read_extras()
    requirements = [line for extra in environment.extras for line in extras.get(extra, [])]
    names = {re.split(r"[^\w-]", line)[0] for line in requirements}
    return bool(names & LARGE) or "release" in environment.extras


def first_part(wanted: Callable[[str], bool]) -> Iterator[Callable[[], Iterator[str]]]:
    """What is checked for each change."""
    yield partial(compare_pythons, wanted)
    yield partial(check_calls, wanted)
    make_checkout(place() / "zoo", records=["models/*measured.yml"])
    for environment in [*read_workflows(), *read_make_targets(), *read_hooks()]:
        if wanted(environment.place) and not is_large(environment):
            yield partial(enter, environment, place() / "zoo")
    for python in read_pythons():
        if wanted("setup.cfg"):
            yield partial(resolve_extras, python)
        for system in read_systems():
            if wanted(system.place):
                yield partial(resolve_system, system, python, False)
    if wanted("setup.cfg"):
        yield name_untried_verbs
        make_files_of_verbs(place() / "verbs")
        bare = try_verbs(*enter_with(""))
        yield partial(compare_verbs, "", bare, bare)
        for extra in read_extras():
            if extra and not is_large(Environment("", (f".[{extra}]",), ())):
                yield partial(check_verbs, extra, bare)
        yield partial(enter_versions, "lowest-direct", find_pythons()[0], False)


def nightly_part(wanted: Callable[[str], bool]) -> Iterator[Callable[[], Iterator[str]]]:
    """What takes too long for each change."""
    make_checkout(place() / "zoo", records=find_records())
    for environment in read_workflows():
        if wanted(environment.place) and is_large(environment):
            yield partial(enter, environment, place() / "zoo")
    for environment in read_make_targets():
        # .ci/nightly makes the targets with `test` in .venv.
        if wanted(environment.place) and is_large(environment) and "test" not in environment.extras:
            yield partial(enter, environment, place() / "zoo")
    for python in read_pythons():
        for system in read_systems():
            if wanted(system.place):
                yield partial(resolve_system, system, python, True)
    if wanted("setup.cfg"):
        yield from try_large_extras()
        pythons = find_pythons()
        yield partial(enter_versions, "lowest-direct", pythons[0], True)
        yield partial(enter_versions, "highest", pythons[-1], True)


def try_large_extras() -> Iterator[Callable[[], Iterator[str]]]:
    """The verbs with each large extra, and with those that their hints name."""
    make_files_of_verbs(place() / "verbs")
    env, folder = enter_with("")
    bare = try_verbs(env, folder)
    for line, (_, printed) in zip(VERBS, bare, strict=True):
        if read_hint(printed):
            yield partial(follow_hints, line, folder)
    # Some have the same packages.
    extras = {frozenset(needed): extra for extra, needed in read_extras().items()}
    for extra in extras.values():
        if is_large(Environment("", (f".[{extra}]",), ())):
            yield partial(check_verbs, extra, bare)


def main() -> int:
    """Print what fails, a sentence each; the exit code is 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nightly", action="store_true", help="the large environments")
    parser.add_argument("files", nargs="*", help="what these files promise, such as setup.cfg")
    args = parser.parse_args()
    part = nightly_part if args.nightly else first_part

    def wanted(where: str) -> bool:
        return not args.files or where.partition(":")[0] in args.files

    failed = False
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for problems in pool.map(lambda step: list(step()), part(wanted)):
                failed |= bool(problems)
                print(*problems, sep="\n", end="\n" if problems else "", flush=True)
    except ReadingError as error:
        failed = True
        print(error)
    shutil.rmtree(place(), ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
