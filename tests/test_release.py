"""`make release` as a maintainer runs it, from a clone; what dist/ has then, and what is refused."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.utils import canonicalize_name

from fakes.checkout import ONLINE, ROOT, copy_checkout, git
from fakes.command import assert_success, printed, refusal, run_process
from fakes.irs import write_ir
from fakes.pages import blocks
from fakes.pins import read_pins
from fakes.wheels import make_wheel
from posezoo.media.images import SAMPLE_PHOTOS

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with one commit: this checkout, with its uncommitted changes."""
    folder = tmp_path_factory.mktemp("repository")
    copy_checkout(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Release")
    return folder


@pytest.fixture(scope="module")
def released(repository, tmp_path_factory):
    """What `make release` made with this Python alone, the environment that it made for that, and what it printed."""
    folder = tmp_path_factory.mktemp("release")
    # make's own Python alone, so that a machine with many takes no longer.
    environ = {**ONLINE, "PYENV_ROOT": str(folder / "none")}
    # make environments ENTER=neighbours installs the programs of others, some GB.
    places = (f"VENV={folder / 'venv'}", f"PYTHON={sys.executable}")
    command = ["make", "release", "BESIDE=", *places]
    output = printed(run_process(command, cwd=repository, env=environ, timeout=600))
    return repository / "dist", folder / "venv" / "bin" / "python", output


@pytest.fixture
def clone(repository, tmp_path):
    git(tmp_path, "clone", "--quiet", repository, "another clone")
    return tmp_path / "another clone"


def release(clone, python, *flags, **environ):
    return run_process(
        [python, ".ci/release.py", "--untried", *flags],
        cwd=clone,
        env={**ONLINE, **environ},
        timeout=300,
    )


def refusal_to_release(clone, python):
    """Why there is no release; an older one is left alone."""
    (clone / "dist").mkdir(exist_ok=True)
    (clone / "dist" / "SHA256SUMS").write_text("of an older release")
    error = refusal(release(clone, python))
    assert error.startswith("error: ")
    assert "Traceback" not in error
    assert [path.name for path in (clone / "dist").iterdir()] == ["SHA256SUMS"]
    return error


def test_make_release_installs_and_runs_what_it_built(released):
    dist, _, shown = released
    version = re.search(r"^version = (.+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)[1]
    wheel, sdist = f"posezoo-{version}-py3-none-any.whl", f"posezoo-{version}.tar.gz"
    sbom = f"posezoo-{version}.cdx.json"
    names = ("posezoo_mediapipe", "posezoo_openvino_dev")
    packages = {wheel, sdist, sbom, *(f"{name}-{version}-py3-none-any.whl" for name in names)}
    assert {path.name for path in dist.iterdir()} == {*packages, "SHA256SUMS", "NOTES.md"}
    for file in (wheel, sdist):
        assert f"{file} installed; doctor and quickstart passed with" in shown
    for line in (dist / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
    assert packages == {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    title = "Unreleased" if ".dev" in version else f"{version} - "
    changes = (ROOT / "CHANGELOG.md").read_text().partition(f"\n## {title}")[2]
    expected = changes.partition("\n")[2].partition("\n## ")[0].strip()
    assert (dist / "NOTES.md").read_text().strip() == expected != ""


def test_the_sbom_has_what_the_extra_run_installs_with_versions_licenses_and_digests(released):
    dist, _, _ = released
    (path,) = dist.glob("*.cdx.json")
    sbom = json.loads(path.read_text())
    components = {component["name"].lower(): component for component in sbom["components"]}
    assert {
        "numpy",
        "openvino",
        "opencv-python-headless",
        "requests",
        "certifi",
    } <= components.keys()
    assert not {"torch", "pytest", "pip", "setuptools", "wheel"} & components.keys()
    pinned = read_pins()
    for name, component in components.items():
        assert component["version"] == pinned[canonicalize_name(name)], name
        assert re.fullmatch("[0-9a-f]{64}", component["hashes"][0]["content"])
        # The metadata of this one names no license, only the file with its text.
        assert component.get("licenses") or name == "faster-coco-eval", name
    product = sbom["metadata"]["component"]
    for reference in product["externalReferences"]:
        made = (dist / reference["url"]).read_bytes()
        assert reference["hashes"] == [
            {"alg": "SHA-256", "content": hashlib.sha256(made).hexdigest()}
        ]
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in sbom["dependencies"]}
    assert {"numpy", "openvino", "opencv-python-headless"} <= needs["posezoo"]
    assert "certifi" in needs["requests"]
    assert sbom["metadata"]["timestamp"].startswith("2026-11-21T12:00:00")


def test_another_clone_gives_the_same_bytes_whatever_its_folder_leftovers_time_zone_and_umask(
    released, clone
):
    dist, python, _ = released
    # Git ignores both.
    for left in (
        "src/posezoo/__pycache__/left.py",
        "build/lib/posezoo/left.py",
    ):
        (clone / left).parent.mkdir(parents=True)
        (clone / left).write_text("by an earlier build")
    ended = run_process(
        ["sh", "-c", 'umask 077 && exec "$0" .ci/release.py --untried --dist ../again', python],
        cwd=clone,
        env={**ONLINE, "TZ": "Pacific/Auckland", "LANG": "C", "PYTHONHASHSEED": "7"},
        timeout=300,
    )
    assert_success(ended)
    again = clone.parent / "again"
    assert {path.name: path.read_bytes() for path in dist.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_a_folder_with_other_files_is_not_replaced(released, clone):
    (clone / "photos").mkdir()
    (clone / "photos" / "me.jpg").write_text("precious")
    (clone / ".git" / "info" / "exclude").write_text("photos\n")
    error = refusal(release(clone, released[1], "--dist", "photos"))
    assert error.startswith("error: photos is not a release's folder")
    assert (clone / "photos" / "me.jpg").exists()


def test_files_that_differ_from_the_commit_are_refused(released, clone):
    (clone / "README.md").write_text("changed")
    (clone / "models" / "secret.yml").write_text("new")
    message = refusal_to_release(clone, released[1])
    assert " M README.md" in message
    assert "?? models/secret.yml" in message


@pytest.mark.parametrize(
    ("version", "heading"), [("9.8.7", "9.8.7 - YYYY-MM-DD"), ("9.8.7.dev0", "Unreleased")]
)
def test_a_version_that_the_changelog_does_not_name_is_refused(released, clone, version, heading):
    setup, changes = clone / "setup.cfg", clone / "CHANGELOG.md"
    setup.write_text(
        re.sub(r"^version = .*", f"version = {version}", setup.read_text(), flags=re.MULTILINE)
    )
    changes.write_text(changes.read_text().replace("## Unreleased", "## 1.2.3 - 2026-11-21"))
    git(clone, "commit", "--quiet", "--all", "--message", "Name another version")
    message = refusal_to_release(clone, released[1])
    lacking = f"CHANGELOG.md lacks the version of setup.cfg, {version}"
    assert message == f"error: {lacking}: add '## {heading}'\n"


def name_release(clone, version, repository):
    """Commit a version, and the address of the repository."""
    setup, changes = clone / "setup.cfg", clone / "CHANGELOG.md"
    text = re.sub("(?m)^version = .*", f"version = {version}", setup.read_text())
    setup.write_text(re.sub("(?m)^repository =.*", f"repository = {repository}", text))
    changes.write_text(changes.read_text().replace("## Unreleased", f"## {version} - 2026-12-01"))
    git(clone, "commit", "--quiet", "--all", "--message", "Release")


def test_at_its_end_it_names_the_commit_to_tag_and_at_most_eight_steps(released, clone):
    dist, python, shown = released
    if ".dev" in next(dist.glob("*.tar.gz")).name:
        assert "This is a version of development" in shown
        assert "links lead nowhere on an index: setup.cfg has no address" in shown
    name_release(clone, "9.8.7", "https://git.example.com/ann/posezoo")
    shown = printed(release(clone, python))
    commit = git(clone, "rev-parse", "HEAD").strip()
    assert f"git tag --annotate v9.8.7 --message 'posezoo 9.8.7' {commit}\n" in shown
    steps = re.findall(r"(?m)^(\d)\. ", shown.partition("What needs the internet")[2])
    assert steps == list("12345678")[: len(steps)] and steps
    wheel = clone / "dist" / "posezoo-9.8.7-py3-none-any.whl"
    metadata = zipfile.ZipFile(wheel).read("posezoo-9.8.7.dist-info/METADATA").decode()
    assert "Project-URL: Repository, https://git.example.com/ann/posezoo\n" in metadata
    assert f"https://git.example.com/ann/posezoo/blob/{commit}/docs/index.md" in metadata


def test_a_link_of_readme_that_an_index_cannot_follow_is_refused(released, clone):
    readme = clone / "README.md"
    readme.write_text(readme.read_text() + '\n<a href="docs/index.md">all pages</a>\n')
    name_release(clone, "9.8.7", "https://git.example.com/ann/posezoo")
    assert "an index cannot follow docs/index.md" in refusal_to_release(clone, released[1])


@pytest.mark.parametrize(
    ("file", "old", "new", "lacking"),
    [
        (
            "setup.cfg",
            "posezoo.formats = *.json, *.txt",
            "posezoo.formats = *.json",
            "wheel lacks files (-) .*- posezoo/formats/onnx_functions.txt",
        ),
        ("MANIFEST.in", "graft tests\n", "", "sdist lacks files (-) .*- tests/conftest.py"),
    ],
)
def test_a_wheel_or_an_sdist_that_lacks_some_of_our_files_is_refused(
    released, clone, file, old, new, lacking
):
    assert old in (clone / file).read_text()
    (clone / file).write_text((clone / file).read_text().replace(old, new))
    git(clone, "commit", "--quiet", "--all", "--message", "Forget some files")
    assert re.search(
        re.escape(lacking).replace(r"\.\*", ".*"), refusal_to_release(clone, released[1]), re.DOTALL
    )


FROZEN = """
import sys, posezoo
if __name__ == "__main__":
    xml, photo = sys.argv[1:]
    print("ran", len(posezoo.load(xml, detector="none", listener=None)(photo)))
"""


@pytest.fixture(scope="module")
def users_python(released, tmp_path_factory):
    """That of a user who installed the wheel, and the tools of the tests."""
    dist, *_ = released
    (wheel,) = dist.glob("posezoo-*.whl")
    venv = tmp_path_factory.mktemp("user") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    tools = ("pyinstaller", "nbconvert", "ipykernel", "mypy")
    install = [venv / "bin" / "python", "-m", "pip", "install", "-q", f"{wheel}[run]", *tools]
    subprocess.run(install, check=True, env=ONLINE)
    return venv / "bin" / "python"


def test_readmes_lines_pass_a_type_checker_and_run_in_a_notebook(users_python, mirror, tmp_path):
    (code,) = blocks(ROOT / "README.md", "python")
    (tmp_path / "readme.py").write_text(code)
    check = [users_python, "-m", "mypy", "--strict", "readme.py"]
    checked = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert_success(checked)
    shutil.copy(SAMPLE_PHOTOS[0], tmp_path / "photo.jpg")
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {
        "cells": [cell | {"source": code}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    (tmp_path / "readme.ipynb").write_text(json.dumps(notebook))
    run = [users_python, "-m", "nbconvert", "--to", "notebook", "--execute", "readme.ipynb"]
    user = {"HOME": str(tmp_path / "home"), "PATH": os.defpath, "POSEZOO_MIRROR": str(mirror)}
    ran = subprocess.run(run, cwd=tmp_path, env=user, capture_output=True, text=True)
    assert_success(ran)
    assert (tmp_path / "poses.jpg").is_file()


def test_a_frozen_program_runs_an_ir_and_starts_no_process_without_one(users_python, tmp_path):
    (tmp_path / "app.py").write_text(FROZEN)
    freeze = [users_python, "-m", "PyInstaller", "--log-level", "ERROR", "app.py"]
    subprocess.run(freeze, check=True, cwd=tmp_path)
    home = {"HOME": str(tmp_path / "home"), "PATH": os.defpath}

    def run(model):
        words = [tmp_path / "dist" / "app" / "app", model, SAMPLE_PHOTOS[0]]
        return run_process(
            words,
            env=home,
        )

    said = {"decoder": "movenet", "skeleton": "coco-17", "mean": "0 0 0", "scale": "1 1 1"}
    said |= {"reverse_input_channels": "true", "color": "BGR", "layout": "NCHW"}
    info = {("posezoo", name): text for name, text in said.items()}
    ran = run(write_ir(tmp_path / "one.xml", {"keypoints": (1, 1, 17, 3)}, info=info))
    assert ran.stdout.startswith("ran "), ran.stderr
    error = refusal(run("movenet-lightning"))
    assert "this program has none beside it" in error
    assert "hint: convert the model beforehand" in error


@pytest.fixture(scope="module")
def index(released, tmp_path_factory):
    """The address of a package index (PEP 503) on this machine that has the wheels of the release."""
    folder = tmp_path_factory.mktemp("index")
    for wheel in released[0].glob("*.whl"):
        name = canonicalize_name(wheel.name.partition("-")[0])
        (folder / "simple" / name).mkdir(parents=True)
        shutil.copy(wheel, folder / "simple" / name)
    serve = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        serve, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        port = re.search(r"port (\d+)", server.stdout.readline())[1]
        yield f"http://127.0.0.1:{port}/simple"
        server.terminate()


class Environment:
    """An environment that has nothing but what pip installs from the index, and with it from the configured one."""

    def __init__(self, folder, index):
        self.bin = folder / "venv" / "bin"
        self.home = folder / "home"
        self.home.mkdir()
        self.index = index
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)

    def install(self, *words):
        return self.run("pip", "install", "--quiet", "--extra-index-url", self.index, *words)

    def run(self, program, *words):
        return printed(self.end(program, *words))

    def end(self, program, *words):
        environ = {**ONLINE, "HOME": str(self.home), "PATH": f"{self.bin}{os.pathsep}{os.defpath}"}
        environ.pop("PYTHONPATH", None)
        return run_process(
            [self.bin / program, *words],
            cwd=self.home,
            env=environ,
            timeout=600,
        )

    def problems(self):
        """What doctor reports about the stand-ins, and how to fix each."""
        reported = json.loads(self.end("posezoo", "doctor", "--format", "json").stdout)["problems"]
        return {
            each["message"]: each["mend"] for each in reported if "mediapipe" in each["message"]
        }


@pytest.fixture(scope="module")
def environment(index, tmp_path_factory):
    made = Environment(tmp_path_factory.mktemp("environment"), index)
    made.install("posezoo-mediapipe", "posezoo-openvino-dev")
    return made


FIND_ONE_PERSON = """
import cv2
import mediapipe as mp
import posezoo.media.images
with mp.solutions.pose.Pose(static_image_mode=True) as pose:
    photo = cv2.imread(str(posezoo.media.images.SAMPLE_PHOTOS[0]))
    found = pose.process(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB))
print(mp.__version__, len(found.pose_landmarks.landmark))
"""


def test_both_stand_ins_come_from_an_index_into_an_empty_environment_and_run(environment):
    assert environment.run("pip", "check") == "No broken requirements found.\n"
    assert environment.run("python", "-W", "error", "-c", FIND_ONE_PERSON) == "0.10.21 33\n"
    for command in ("omz_downloader", "omz_converter", "omz_quantizer", "omz_info_dumper"):
        assert "pose-detection-mediapipe" in environment.run(
            command, "--print_all", "--registry", "posezoo"
        )
    assert "--input_model" in environment.run("mo", "--help")
    assert environment.problems() == {}
    # Who requires the original does not get it from a package of another name.
    taken = environment.end("pip", "install", "--no-index", "mediapipe==0.10.21")
    assert "No matching distribution found for mediapipe==0.10.21" in taken.stderr


def test_beside_the_original_both_are_named_and_either_can_be_removed(environment, tmp_path):
    members = {"mediapipe/__init__.py": b"__version__ = 'original'", "mediapipe/own.py": b""}
    # The real one of 0.10 imports a library of this name, which a folder of ours hides.
    bindings = "import mediapipe.python._framework_bindings"
    name = "mediapipe-0.10.21-py3-none-any.whl"
    original = make_wheel(tmp_path, members, name)
    install_ours = ("--force-reinstall", "--no-deps", "posezoo-mediapipe")
    show = ("python", "-c", "import mediapipe; print(mediapipe.__version__)")
    overwrite = "the packages posezoo-mediapipe and mediapipe overwrite each other's files"
    both = "posezoo-mediapipe and mediapipe are both installed: they overwrite each other's files"

    environment.install("--no-deps", original)
    assert environment.run(*show) == "original\n"
    assert overwrite in environment.end("python", "-c", bindings).stderr
    assert environment.problems().keys() == {both}
    environment.install(*install_ours)
    warned = environment.end(*show)
    assert warned.stdout == "0.10.21\n"
    assert overwrite in warned.stderr
    assert environment.problems().keys() == {both}

    environment.run("pip", "uninstall", "--quiet", "--yes", "mediapipe")
    ((problem, mend),) = environment.problems().items()
    assert problem.startswith("posezoo-mediapipe ")
    assert problem.endswith(
        " lacks mediapipe/__init__.py, which was uninstalled with another package"
    )
    words = mend.partition(" install ")[2].split()
    environment.install(*words)
    assert environment.problems() == {}
    assert environment.run("python", "-W", "error", *show[1:]) == "0.10.21\n"

    environment.install("--no-deps", original)
    environment.run("pip", "uninstall", "--quiet", "--yes", "posezoo-mediapipe")
    (problem,) = environment.problems()
    assert problem.startswith("mediapipe 0.10.21 lacks mediapipe/__init__.py")
    environment.install("--force-reinstall", "--no-deps", original)
    assert environment.run(*show) == "original\n"
    assert environment.problems() == {}
