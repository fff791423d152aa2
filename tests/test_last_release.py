"""The last release is a user: it lives a month, is upgraded in place, and both versions read each other's files.

Environments are made of the wheels of both, under two versions of OpenVINO, and have the variables of a user: nothing
of the tests, and a home of their own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from fakes.checkout import ONLINE, ROOT, git, require_git
from fakes.command import Ended
from fakes.network import network
from posezoo.run.images import SAMPLE_PHOTOS

pytestmark = [pytest.mark.slow, pytest.mark.release]

#: The last commit of 0.2.0, which has no tag.
UNTAGGED = "63352bcb"
#: What `posezoo get`, `run` and others need, and the pages of a zoo; one machine also makes INT8.
EXTRAS = "run,lint"
INT8_EXTRAS = "run,lint,quantize"
OTHER_OPENVINO = "2026.3.1"
UPGRADING = ROOT / "docs" / "howto" / "upgrading.md"
CFG = "[posezoo]\nmodels_dir = zoo\nweights_dir = models\n"
#: The steps of the tutorial's CI, and what else a team may check.
CI = (
    "verify --metadata --baseline known.json",
    "get --all --locked --precisions FP16",
    "verify --all --locked",
    "lock --check",
    "card --all --in_place --check",
)
#: The commands whose JSON scripts read.
IN_JSON = (
    "list",
    "info p1",
    "plan p1",
    "licenses p1",
    "verify --all",
    "verify --metadata",
    "get p1 --precisions FP16",
    "convert p1 --precisions FP16",
    "download p1",
    "lock --check",
    "doctor",
    "cache list",
    "sources check p2",
    "remove p1 --dry_run",
    "recommend --all",
    "export p1 --to folder exported --detector none",
    "mirror check mirror",
)
#: The keys of JSON that the last release had, by command or file. CHANGELOG.md names each.
GONE = {
    "plan p1": {"models[].device"},
    "verify --all": {"artifacts[].trust"},
    "doctor": {"proofs"},
}


@dataclass
class Machine:
    """An environment with one posezoo and one OpenVINO, and a user's variables."""

    folder: Path
    openvino: str
    home: Path

    def install(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", self.python]
        finds = ["--find-links", ONLINE["PIP_FIND_LINKS"]] if "PIP_FIND_LINKS" in ONLINE else []
        done = subprocess.run(
            [*command, *finds, *words], env=ONLINE, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        git_user = {
            f"GIT_{who}_{what}": "ann@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"HOME": f"{self.home}", "PATH": path, "LANG": "C.UTF-8", **git_user}

    def run(self, *command: str | Path, cwd: Path, code: int | None = 0) -> Ended:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        said = f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert code is None or done.returncode == code, said
        return done

    def posezoo(self, words: str, cwd: Path, code: int | None = 0) -> Ended:
        return self.run("posezoo", *shlex.split(words), cwd=cwd, code=code)


@dataclass
class Month:
    """What a month with the last release left: a zoo with its lock, cards, IR, mirror, exports and results."""

    place: Path
    wheels: dict[str, Path]  # "old", "new"
    machines: dict[tuple[str, str], Machine] = field(default_factory=dict)

    @property
    def zoo(self) -> Path:
        return self.place / "zoo of ann"

    @cached_property
    def versions(self) -> tuple[str, str]:
        return installed_version("openvino"), OTHER_OPENVINO

    def machine(self, posezoo: str, openvino: str) -> Machine:
        """One of the four machines; they share a home, as an upgrade in place does."""
        key = posezoo, openvino
        if key not in self.machines:
            machine = Machine(self.place / f"{posezoo}-{openvino}", openvino, self.place / "home")
            command = [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable]
            subprocess.run([*command, machine.folder], env=ONLINE, check=True)
            is_first = key == ("old", self.versions[0])
            extras = INT8_EXTRAS if is_first else EXTRAS
            machine.install(f"{self.wheels[posezoo]}[{extras}]", f"openvino=={openvino}")
            self.machines[key] = machine
        return self.machines[key]

    def copy(self, target: Path) -> Path:
        """The zoo at another place, as of a colleague with the same IR."""
        shutil.copytree(self.zoo, target, symlinks=True)
        return target


def find_release() -> str:
    """The last release before this commit; a test fails that cannot find it."""
    require_git()
    tags = git(
        ROOT,
        "tag",
        "--list",
        "v*",
        "--merged",
        "HEAD",
        "--no-contains",
        "HEAD",
        "--sort",
        "-v:refname",
    )
    release = (tags.split() or [UNTAGGED])[0]
    try:
        return git(ROOT, "rev-parse", "--verify", f"{release}^{{commit}}").strip()
    except subprocess.CalledProcessError:
        pytest.fail(
            f"the last release, {release}, is not in this clone: it needs the whole history"
        )


def build_wheel(commit: str, place: Path) -> Path:
    git(place.parent, "clone", "--quiet", "--no-checkout", ROOT, place)
    git(place, "checkout", "--quiet", "--detach", commit)
    if commit == "HEAD":  # with what is not committed yet
        changed = git(ROOT, "ls-files", "--modified", "--others", "--exclude-standard", "-z")
        for name in filter(None, changed.split("\0")):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, place / name)
    command = [
        sys.executable,
        "-m",
        "uv",
        "build",
        "--quiet",
        "--wheel",
        "--out-dir",
        place / "dist",
        place,
    ]
    done = subprocess.run(command, env=ONLINE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next((place / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> Month:
    """A month that Ann lived with the last release."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs git")
    place = tmp_path_factory.mktemp("month")
    release = find_release()
    wheels = {"old": build_wheel(release, place / "old"), "new": build_wheel("HEAD", place / "new")}
    month = Month(place, wheels)
    try:
        for name in month.versions:
            month.machine("old", name)
    except AssertionError as error:
        if "openvino" not in str(error):
            raise
        pytest.skip("no package index has another OpenVINO")
    live_a_month(month.machine("old", month.versions[0]), month.zoo)
    return month


def live_a_month(old: Machine, zoo: Path) -> None:
    zoo.mkdir()
    git(zoo, "init", "--quiet")
    (zoo / "posezoo.cfg").write_text(CFG)
    (zoo / ".gitignore").write_text("models/\nmirror/\nexported/\nresults/\n.posezoo\n")
    (zoo / "licenses").mkdir()
    for number, people in ((1, "nanodet-g"), (2, "the whole image")):
        name = f"p{number}"
        (zoo / f"{name}.onnx").write_bytes(network("onnx", seed=number))
        old.posezoo(f"new {name} --from {name}.onnx --license MIT", zoo)
        (zoo / "licenses" / f"MIT-{name}.txt").write_text("Copyright (c) 2026 Ann\n\nMIT License\n")
        fill_in(zoo / "zoo" / "public" / name / "model.yml", f"Finds pose {number}.", people)
    old.posezoo("get --all --precisions FP16,FP32", zoo)
    photos = zoo.with_name("photos")
    photos.mkdir()
    for photo in SAMPLE_PHOTOS:
        shutil.copy(photo, photos)
    old.run("posezoo", "quantize", "p2", "--dataset_dir", photos, cwd=zoo)
    old.posezoo("card --all --in_place", zoo)
    old.posezoo("verify --metadata --write_baseline known.json", zoo, code=None)
    old.posezoo("lock --all", zoo)
    old.posezoo("mirror create mirror --name p2", zoo)
    old.posezoo("export p1 --to folder exported --detector none", zoo)
    old.posezoo(f"run p2 --input {shlex.quote(str(SAMPLE_PHOTOS[0]))} --output results", zoo)
    commit(zoo, "A month with the last release")


def fill_in(path: Path, description: str, people: str) -> None:
    text = re.sub(r"TODO: what it does.*", description, path.read_text("utf-8"))
    text = text.replace("# color: RGB", "color: RGB").replace(
        "# role: heatmaps", "role: heatmaps", 1
    )
    # The address of a file on this machine is not that of another one.
    text = re.sub(r"path: /\S*/", "path: ../../../", text)
    path.write_text(
        f"{text}\ndecoder: {{name: heatmap}}\npeople: {{photo: {people}, video: {people}}}\n",
        encoding="utf-8",
    )


def commit(zoo: Path, message: str) -> None:
    git(zoo, "add", "--all")
    git(zoo, "commit", "--quiet", "--message", message)


def read_files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """The published files and IR: time and bytes of each."""
    return {
        f"{path.relative_to(folder)}": (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".xml", ".bin", ".onnx")
    }


def read_upgrade_steps() -> list[str]:
    """The commands of the page, one a line."""
    section = UPGRADING.read_text("utf-8").partition("## The zoo of a team")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    return block[1].splitlines()


def list_keys(value: object, place: str = "") -> Iterator[str]:
    """The keys of JSON by their places, such as models[].name."""
    if isinstance(value, list):
        for item in value:
            yield from list_keys(item, f"{place}[]")
    elif isinstance(value, dict):
        for key, item in value.items():
            below = f"{place}.{key}" if place else key
            yield below
            yield from list_keys(item, below)


def test_an_upgrade_changes_the_version_and_the_names_of_wheels_differ(month):
    names = {wheel.name.split("-")[1] for wheel in month.wheels.values()}
    assert len(names) == 2
    upgraded = Machine(month.place / "upgraded", "", month.place / "home")
    command = [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable]
    subprocess.run([*command, upgraded.folder], env=ONLINE, check=True)
    printed = []
    upgrade = ("--upgrade", "--no-deps", "--no-index", "--prerelease", "allow", "posezoo")
    for name in ("old", "new"):
        upgraded.install(*upgrade, "--find-links", month.wheels[name].parent)
        printed.append(upgraded.posezoo("--version", month.place).stdout)
    assert printed[0] != printed[1]


@pytest.mark.parametrize("which", [0, 1])
def test_the_new_version_fetches_and_makes_nothing_again(month, tmp_path, which):
    new = month.machine("new", month.versions[which])
    zoo = month.copy(tmp_path / "zoo")
    before = read_files(zoo / "models")
    assert len(before) == 12
    photo = shlex.quote(str(SAMPLE_PHOTOS[0]))
    steps = [
        "get --all --locked --precisions FP16,FP32",
        "verify --all --locked",
        "verify --all",
        f"run p1 --locked --detector none --input {photo} --output results/new",
        f"run p2 --locked --precision FP16-INT8 --input {photo} --output results/int8",
        "mirror check mirror",
        "info exported/p1/p1.xml",
    ]
    if not which:  # without the lock, another OpenVINO makes its own IR
        steps += [
            "get --all --precisions FP16,FP32",
            f"run p2 --input {photo} --output results",
            "export p1 --to folder exported --detector none",
        ]
    for words in steps:
        new.posezoo(words, zoo)
        changed = {
            name for name, was in before.items() if read_files(zoo / "models").get(name) != was
        }
        assert changed == set(), words


def test_each_line_of_the_page_runs_and_ci_is_green_afterwards(month, tmp_path):
    new = month.machine("new", month.versions[0])
    zoo = month.copy(tmp_path / "zoo")
    red = [words for words in CI if new.posezoo(words, zoo, code=None).returncode]
    assert red == [
        "verify --metadata --baseline known.json",
        "lock --check",
        "card --all --in_place --check",
    ]
    told = new.posezoo(red[0], zoo, code=1).stdout
    assert "posezoo card --all --in_place" in told
    before = read_files(zoo / "models")
    for line in read_upgrade_steps():
        new.run("bash", "-ec", line, cwd=zoo)
    for words in CI:
        new.posezoo(words, zoo)
    assert read_files(zoo / "models") == before
    assert git(zoo, "status", "--porcelain") == ""
    # Two branches that lock other models merge by themselves.
    for branch, number in (("one", 3), ("two", 4)):
        git(zoo, "checkout", "--quiet", "-b", branch, "HEAD" if number == 3 else "HEAD^")
        (zoo / f"p{number}.onnx").write_bytes(network("onnx", seed=number))
        new.posezoo(f"new p{number} --from p{number}.onnx --license MIT", zoo)
        new.posezoo(f"get p{number} --precisions FP16", zoo)
        new.posezoo(f"lock p{number}", zoo)
        commit(zoo, branch)
    git(zoo, "merge", "--quiet", "one", "--message", "Merge")
    assert {"p3", "p4"} <= {json.loads(line)["model"] for line in (zoo / "posezoo.lock").open()}


LOCKED = (
    "get p1 p2 --locked --precisions FP16,FP32",
    "verify p1 p2 --locked",
    "run p1 --locked --detector none --output out",
    "lock --check",
)


@pytest.mark.parametrize("ir", ["that the old one made", "made again"])
@pytest.mark.parametrize("which", [0, 1], ids=["the same OpenVINO", "another OpenVINO"])
@pytest.mark.parametrize("age", ["completed", "new"])
def test_a_lock_holds_whatever_its_age_and_the_openvino(month, tmp_path, age, which, ir):
    zoo = month.copy(tmp_path / "zoo")
    first = month.machine("new", month.versions[0])
    kept = zoo.with_name("kept")
    shutil.copytree(zoo / "models", kept)
    if age == "new":  # its lock lists no INT8
        shutil.rmtree(kept / "public" / "p2" / "FP16-INT8")
    if age == "new":
        (zoo / "posezoo.lock").unlink()
        shutil.rmtree(zoo / "models")
        first.posezoo("get --all --precisions FP16,FP32", zoo)
    first.posezoo("lock --all", zoo)
    if age == "new" or ir == "made again":
        shutil.rmtree(zoo / "models")
    if ir == "that the old one made":
        shutil.copytree(kept, zoo / "models", dirs_exist_ok=True)
    other = month.machine("new", month.versions[which])
    for words in LOCKED:
        other.posezoo(words, zoo)


def test_a_lock_of_the_last_release_says_how_it_is_completed(month, tmp_path):
    zoo = month.copy(tmp_path / "zoo")
    shutil.rmtree(zoo / "models")
    refused = month.machine("new", month.versions[1]).posezoo(LOCKED[0], zoo, code=1)
    assert "posezoo lock p1 adds it" in refused.stderr


@pytest.mark.parametrize("which", [0, 1])
def test_the_last_release_reads_what_the_new_version_wrote(month, tmp_path, which):
    zoo = month.copy(tmp_path / "zoo")
    new = month.machine("new", month.versions[0])
    old = month.machine("old", month.versions[which])
    shutil.rmtree(zoo / "models")
    new.posezoo("get --all --precisions FP16", zoo)
    new.posezoo("card --all --in_place", zoo)
    new.posezoo("mirror create mirror --name p2", zoo)
    photo = shlex.quote(str(SAMPLE_PHOTOS[0]))
    new.posezoo(f"run p2 --input {photo} --output results/new", zoo)
    before = read_files(zoo / "models")
    if not which:
        old.posezoo("get --all --precisions FP16", zoo)
        assert read_files(zoo / "models") == before
    old.posezoo("verify --all", zoo)
    old.posezoo("info --all", zoo)
    old.posezoo("mirror check mirror", zoo)
    places = "--mirror mirror --models_dir mirror/models --weights_dir elsewhere"
    old.posezoo(f"get p2 --precisions FP16 {places}", zoo)
    # The page says what it cannot do.
    replaced = old.posezoo(f"run p2 --input {photo} --output results/new", zoo, code=None)
    assert replaced.returncode == 0 or "--force" in replaced.stderr
    new.posezoo("lock --all", zoo)
    refused = old.posezoo("get p1 --locked", zoo, code=1)
    assert re.search(r"posezoo\.lock:\d+: is not an entry", refused.stderr)
    text = (zoo / "zoo" / "public" / "p1" / "model.yml").read_text()
    (zoo / "zoo" / "public" / "p1" / "model.yml").write_text(f"{text}compute_types: [bf16]\n")
    assert "compute_types: unknown key" in old.posezoo("info p1", zoo, code=1).stderr


def test_keys_of_json_that_went_are_in_the_changelog(month, tmp_path):
    keys: dict[str, list[set[str]]] = {}
    for name in ("old", "new"):
        zoo = month.copy(tmp_path / name)
        machine = month.machine(name, month.versions[0])
        for words in IN_JSON:
            ended = machine.posezoo(f"{words} --format json", zoo, code=None)
            keys.setdefault(words, []).append(set(list_keys(json.loads(ended.stdout))))
        machine.posezoo("card --all --in_place", zoo)
        photo = shlex.quote(str(SAMPLE_PHOTOS[0]))
        machine.posezoo(f"run p2 --input {photo} --output again", zoo)
        files = {
            "card.json": zoo / "zoo" / "public" / "p2" / "card.json",
            "poses.json": zoo / "again" / "poses.json",
        }
        for file, path in files.items():
            keys.setdefault(file, []).append(set(list_keys(json.loads(path.read_text()))))
    gone = {}
    for words, (old, new) in keys.items():
        # What is below a key went with it.
        lost = {
            key for key in old - new if key.rpartition(".")[0].removesuffix("[]") not in old - new
        }
        if lost:
            gone[words] = lost
    assert gone == GONE
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    old_version = month.wheels["old"].name.split("-")[1]
    new, heading, _ = changelog.partition(f"\n## {old_version} ")
    assert heading
    line = next(line for line in new.split("\n- ") if line.startswith("Keys of JSON that went"))
    for key in {key for lost in GONE.values() for key in lost}:
        assert f"`{re.split(r'[.]', key)[-1]}`" in line


def test_the_stand_in_for_openvino_dev_is_upgraded_with_posezoo(month, tmp_path):
    installed = Machine(tmp_path / "stand-in", "", month.place / "home")
    command = [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable]
    subprocess.run([*command, installed.folder], env=ONLINE, check=True)
    versions = []
    for name in ("old", "new"):
        wheels = tmp_path / name
        month.machine(name, month.versions[0]).run(
            "posezoo", "shims", "--wheel", wheels, cwd=tmp_path
        )
        installed.install(
            "--upgrade", "--prerelease", "allow", "--find-links", wheels, "openvino-dev==2024.6.0"
        )
        installed.run("omz_info_dumper", "--name", "movenet-thunder", cwd=tmp_path)
        code = "import importlib.metadata as m; print(m.version('openvino-dev'))"
        versions.append(installed.run("python", "-c", code, cwd=tmp_path).stdout.strip())
    assert versions[0] != versions[1]
    assert all(version.startswith("2024.6.0+posezoo.") for version in versions)
