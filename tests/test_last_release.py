"""The last release is a user: what it left is upgraded in place, and no file of the user is lost.

What must be made again, an error says in one line. Environments are made of the wheels of both versions, and have the
variables of a user: nothing of the tests, and a home of their own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from fakes.checkout import ONLINE, ROOT, git, require_git
from fakes.command import Ended, printed, run_process
from fakes.network import network
from posezoo.media.images import SAMPLE_PHOTOS

pytestmark = pytest.mark.release

OTHER_OPENVINO = "2026.3.1"
PHOTO = shlex.quote(str(SAMPLE_PHOTOS[0]))
CFG = "[posezoo]\nmodels_dir = zoo\nweights_dir = models\n"
#: What reads the files that the last release wrote.
READING = (
    "get --all --locked --precisions FP16,FP32",
    "verify --all --locked",
    f"run p1 --locked --detector none --input {PHOTO} --output results/new",
    "mirror check mirror",
    "info exported/p1/p1.xml",
    "card --all --in_place --check",
    "lock --check",
)
#: What writes where the last release wrote.
WRITING = (
    "get --all --precisions FP16,FP32",
    f"run p2 --input {PHOTO} --output results",
    "export p1 --to folder exported --detector none",
    "mirror create mirror p2",
    "card --all --in_place",
    "lock --all",
)
LOCKED = (
    "get p1 p2 --locked --precisions FP16,FP32",
    "verify p1 p2 --locked",
    "run p1 --locked --detector none --output out",
    "lock --check",
)


@dataclass
class Machine:
    """An environment with one posezoo and one OpenVINO, and a user's variables."""

    folder: Path
    home: Path

    @classmethod
    def create(cls, folder: Path, home: Path) -> Machine:
        command = [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable]
        subprocess.run([*command, folder], env=ONLINE, check=True)
        return cls(folder, home)

    def install(self, *words: str | Path) -> None:
        python = self.folder / "bin" / "python"
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python]
        finds = ["--find-links", ONLINE["PIP_FIND_LINKS"]] if "PIP_FIND_LINKS" in ONLINE else []
        printed(run_process([*command, *finds, *words], env=ONLINE, check=False))

    @property
    def variables(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"HOME": f"{self.home}", "PATH": path, "LANG": "C.UTF-8"}

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

    def machine(self, posezoo: str, openvino: str = "") -> Machine:
        """A machine with the old or the new version; all share a home, as an upgrade in place does."""
        openvino = openvino or installed_version("openvino")
        if (posezoo, openvino) not in self.machines:
            folder = self.place / f"{posezoo}-{openvino}"
            machine = Machine.create(folder, self.place / "home")
            machine.install(f"{self.wheels[posezoo]}[run]", f"openvino=={openvino}")
            self.machines[posezoo, openvino] = machine
        return self.machines[posezoo, openvino]

    def copy(self, target: Path) -> Path:
        """The zoo at another place, as of a colleague with the same IR."""
        shutil.copytree(self.zoo, target, symlinks=True)
        return target


def find_release() -> str:
    """The last release before this commit; a test fails that cannot find it."""
    require_git()
    return printed(run_process(["bash", ROOT / ".ci" / "last_release.sh"], cwd=ROOT)).strip()


def build_wheel(commit: str, place: Path) -> Path:
    git(place.parent, "clone", "--quiet", "--no-checkout", ROOT, place)
    git(place, "checkout", "--quiet", "--detach", commit)
    if commit == "HEAD":  # with what is not committed yet
        changed = git(ROOT, "ls-files", "--modified", "--others", "--exclude-standard", "-z")
        for name in filter(None, changed.split("\0")):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, place / name)
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel"]
    printed(run_process([*command, "--out-dir", place / "dist", place], env=ONLINE, timeout=600))
    return next((place / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> Month:
    """A month that Ann lived with the last release."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs git")
    place = tmp_path_factory.mktemp("month")
    wheels = {
        "old": build_wheel(find_release(), place / "old"),
        "new": build_wheel("HEAD", place / "new"),
    }
    month = Month(place, wheels)
    live_a_month(month.machine("old"), month.zoo)
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
    for words in WRITING:
        old.posezoo(words, zoo)
    # What she put beside the files that posezoo wrote.
    for name in ("results/notes.txt", "exported/app.py"):
        (zoo / name).write_text(f"{name} of Ann")
    git(zoo, "add", "--all")
    git(zoo, "commit", "--quiet", "--message", "A month with the last release")


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


def read_own_files(zoo: Path) -> dict[str, bytes]:
    """The files that Ann wrote or fetched; what posezoo drew and made of them can be made again."""
    written = ("*.yml", "*.cfg", "*.onnx", "*.txt", "*.py", ".gitignore")
    return {
        f"{path.relative_to(zoo)}": path.read_bytes()
        for pattern in written
        for path in zoo.rglob(pattern)
        if path.name != "sample.py"  # of an export
    }


def test_an_upgrade_changes_the_version_and_the_names_of_wheels_differ(month):
    names = {wheel.name.split("-")[1] for wheel in month.wheels.values()}
    assert len(names) == 2
    upgraded = Machine.create(month.place / "upgraded", month.place / "home")
    versions = []
    upgrade = ("--upgrade", "--no-deps", "--no-index", "--prerelease", "allow", "posezoo")
    for name in ("old", "new"):
        upgraded.install(*upgrade, "--find-links", month.wheels[name].parent)
        versions.append(upgraded.posezoo("--version", month.place).stdout)
    assert versions[0] != versions[1]


def test_no_file_of_the_user_is_lost(month, tmp_path):
    zoo = month.copy(tmp_path / "zoo")
    before = read_own_files(zoo)
    assert {"zoo/public/p1/model.yml", "results/notes.txt", "exported/app.py"} <= before.keys()
    for words in (*READING, *WRITING):
        month.machine("new").posezoo(words, zoo, code=None)
        kept = read_own_files(zoo)
        lost = {name for name, content in before.items() if kept.get(name) != content}
        assert lost == set(), words


def test_what_must_be_made_again_is_said_in_one_line(month, tmp_path):
    zoo = month.copy(tmp_path / "zoo")
    for words in READING:
        ended = month.machine("new").posezoo(words, zoo, code=None)
        if ended.returncode:
            said = f"{ended.stdout}{ended.stderr}"
            # A hint; or the last line of posezoo lock --check, which is an answer.
            told = re.findall(
                r"^(?:  hint: .*posezoo |\S+ differs in .*; posezoo lock )", said, re.M
            )
            assert (ended.returncode, len(told)) == (1, 1), f"{words}: {said}"


def test_what_the_last_release_made_can_be_made_again(month, tmp_path):
    zoo = month.copy(tmp_path / "zoo")
    for words in (*WRITING, *READING):
        month.machine("new").posezoo(words, zoo)


def test_a_lock_holds_with_another_openvino(month, tmp_path):
    zoo = month.copy(tmp_path / "zoo")
    for words in WRITING:
        month.machine("new").posezoo(words, zoo)
    try:
        other = month.machine("new", OTHER_OPENVINO)
    except AssertionError as error:
        if "openvino" not in str(error):
            raise
        pytest.skip("no package index has another OpenVINO")
    for made in ("by the first", "again"):
        if made == "again":
            shutil.rmtree(zoo / "models")
        for words in LOCKED:
            other.posezoo(words, zoo)


def test_the_stand_in_for_openvino_dev_is_upgraded_with_posezoo(month, tmp_path):
    installed = Machine.create(tmp_path / "stand-in", month.place / "home")
    versions = []
    for name in ("old", "new"):
        wheels = tmp_path / name
        month.machine(name).run("posezoo", "shims", "--wheel", wheels, cwd=tmp_path)
        installed.install(
            "--upgrade", "--prerelease", "allow", "--find-links", wheels, "openvino-dev==2024.6.0"
        )
        installed.run("omz_info_dumper", "--name", "movenet-thunder", cwd=tmp_path)
        code = "import importlib.metadata as m; print(m.version('openvino-dev'))"
        versions.append(installed.run("python", "-c", code, cwd=tmp_path).stdout.strip())
    assert versions[0] != versions[1]
    assert all(version.startswith("2024.6.0+posezoo.") for version in versions)
