"""Wheel, sdist, editable install and a bare checkout all find the models and the licenses."""

import configparser
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from fakes.checkout import ROOT, copy_checkout, git
from fakes.command import (
    assert_success,
    printed,
    printed_alone,
    refusal,
    refusal_alone,
    run_process,
)
from posezoo.core.errors import REQUIRED

COMMIT = "0123456789abcdef" * 2 + "01234567"
FIND = (
    "from posezoo.core.registry import open_registry\n"
    "from posezoo.core.license_notice import read_copyright_line\n"
    "registry = open_registry()\n"
    "spec = registry.find('pose-detection-mediapipe')\n"
    "print(spec.path, read_copyright_line(spec), sep='\\n')"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of what git would hand out, with the wheel that was built of it."""
    source = tmp_path_factory.mktemp("source")
    copy_checkout(source)
    code = (
        "import sys; sys.path.append('.ci'); import build_backend; build_backend.build_wheel('.')"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    return source


def files_of(folder):
    return {
        str(path.relative_to(ROOT / folder))
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }


def find(*paths, cwd):
    """Where a Python that sees only these paths and our dependencies finds a model, and its holder."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    output = printed(
        run_process(
            [sys.executable, "-c", FIND],
            cwd=cwd,
            env=environ,
        )
    )
    return output.splitlines()


def test_the_wheel_holds_every_module_model_and_license_and_nothing_else(built, tmp_path):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        wheel.extractall(tmp_path)
    modules = {
        f"posezoo/{name}"
        for name in files_of("src/posezoo")
        if not name.startswith("media/samples/") and "__pycache__" not in name
    }
    models = {f"posezoo/models/{name}" for name in files_of("models") if not name.startswith(".")}
    licenses = {f"posezoo/licenses/{name}" for name in files_of("licenses")}
    photos = {f"posezoo/media/samples/{name}" for name in files_of("src/posezoo/media/samples")}
    assert names == modules | models | licenses | photos
    where, holder = find(tmp_path, cwd=tmp_path)
    assert where.startswith(str(tmp_path / "posezoo" / "models"))
    assert holder == "Copyright 2019-2025 The MediaPipe Authors."


def test_posezoo_packs_the_same_wheel_of_itself_in_a_checkout_and_installed(built, tmp_path):
    wheel = next(built.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = {
            name
            for name in archive.namelist()
            if not name.endswith(("/WHEEL", "/RECORD", "/top_level.txt"))
        }
        archive.extractall(tmp_path / "installed")
    # What running Python and downloading models to the folder of the registry leave behind.
    for name in (
        "pages/__pycache__/license_notice.pyc",
        "models/public/net/net.onnx",
        "models/public/.posezoo/net.json",
    ):
        (tmp_path / "installed" / "posezoo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "installed" / "posezoo" / name).write_bytes(b"")
    for place, source in (("checkout", ROOT / "src"), ("installed", tmp_path / "installed")):
        command = [sys.executable, "-m", "posezoo", "shims", "--wheel", tmp_path / place / "wheels"]
        environ = {**os.environ, "PYTHONPATH": str(source)}
        subprocess.run(
            command, cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=60
        )
        with (
            zipfile.ZipFile(tmp_path / place / "wheels" / wheel.name) as packed,
            zipfile.ZipFile(wheel) as archive,
        ):
            # A checkout has a commit, which the copy that was built has not.
            assert names == {
                name
                for name in packed.namelist()
                if not name.endswith(("/WHEEL", "/RECORD", "/commit.txt"))
            }
            for name in names:
                if "METADATA" not in name or place == "installed":  # the checkout's may be older
                    assert packed.read(name) == archive.read(name), name
        with zipfile.ZipFile(tmp_path / place / "wheels" / wheel.name) as packed:
            packed.extractall(tmp_path / place / "new")
        where, _ = find(tmp_path / place / "new", cwd=tmp_path)
        assert where.startswith(str(tmp_path / place / "new" / "posezoo" / "models"))


def test_posezoo_that_is_not_installed_is_not_packed(tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "posezoo" not in path.name and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{packages}"}
    command = [sys.executable, "-S", "-m", "posezoo", "shims", "--wheel", tmp_path / "wheels"]
    error = refusal(
        run_process(
            command,
            env=environ,
        )
    )
    problem, hint = error.splitlines()
    assert problem == (
        "error: posezoo is not installed in this Python, so its wheel would lack the requirements"
    )
    assert hint.startswith("  hint: ") and hint.endswith(f"pip install -e {ROOT}")
    assert not (tmp_path / "wheels").exists()


def setup_cfg():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_the_packages_that_an_error_names_are_those_that_pip_installs():
    required = setup_cfg()["options"]["install_requires"]
    names = re.findall(r"^([a-z0-9-]+)>=", required, re.MULTILINE)
    assert sorted(REQUIRED.values()) == sorted(names)


TOOLS = ("converter", "downloader", "info_dumper", "quantizer")
DEMO = Path("demos", "human_pose_estimation_demo", "python")
#: The commands that scripts type by their paths.
PROGRAMS = (
    *(Path("tools", "downloader", f"{name}.py") for name in TOOLS),
    DEMO / "human_pose_estimation.py",
    DEMO / "human_pose_estimation_demo.py",
)
DOWNLOADER = PROGRAMS[1]


@pytest.fixture(scope="module")
def public_clone():
    """A clone without an environment, in a folder that all users may enter."""
    with tempfile.TemporaryDirectory(prefix="public ") as folder:
        Path(folder).chmod(0o755)
        source, clone = Path(folder, "source"), Path(folder, "clone")
        source.mkdir()
        copy_checkout(source)
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
            git(source, *words)
        git(source.parent, "clone", "-q", source, clone)
        yield clone


@pytest.fixture
def environment(public_clone):
    """The place of the clone's environment, which is empty again after the test."""
    place = public_clone / ".venv"
    yield place
    if place.is_symlink():
        place.unlink()
    shutil.rmtree(place, ignore_errors=True)


def run_without_packages(program, *words):
    """A command with a Python that sees no installed package, as the system's may be."""
    return run_process([sys.executable, "-I", "-S", program, *words], timeout=60)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_another_user_types_the_path_of_a_tool(public_clone, program):
    ended = subprocess.run(
        [f"./{program.name}", "--help"],
        cwd=(public_clone / program).parent,
        env={"PATH": f"{sys.base_prefix}/bin{os.pathsep}{os.environ['PATH']}", "HOME": "/nowhere"},
        user=12345 if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: ")


def test_an_archive_of_git_has_the_tools_as_programs(public_clone, tmp_path):
    git(public_clone, "archive", "--output", tmp_path / "archive.tar", "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        modes = {archive.getmember(f"{program}").mode & 0o111 for program in PROGRAMS}
    assert modes == {0o111}


def test_without_packages_a_tool_goes_on_in_the_environment_beside_the_clone(
    public_clone, environment
):
    environment.symlink_to(sys.prefix)
    ended = run_without_packages(public_clone / DOWNLOADER, "--print_all")
    assert "movenet-thunder" in printed_alone(ended).splitlines()


def test_an_environment_that_lacks_packages_is_entered_once(public_clone, environment):
    venv.create(environment)
    error = refusal_alone(run_without_packages(public_clone / DOWNLOADER, "--name", "rtmo-s"))
    assert f"{environment / 'bin' / 'python'}" in error
    assert "are not installed, which posezoo needs" in error


@pytest.mark.parametrize("name", TOOLS)
def test_a_command_of_a_checkout_names_the_packages_that_are_missing(public_clone, name):
    program = public_clone / "tools" / "downloader" / f"{name}.py"
    error = refusal_alone(run_without_packages(program, "--name", "blazepose-full"))
    problem, hint = error.splitlines()
    assert problem.endswith("urllib3, pyyaml are not installed, which posezoo needs")
    assert hint.endswith(" pip install " + " ".join(REQUIRED.values()))


def test_no_test_states_the_version_which_is_only_in_setup_cfg():
    version = setup_cfg()["metadata"]["version"]
    stated = re.compile(rf"posezoo[.-]{re.escape(version)}")
    tests = (ROOT / "tests").rglob("*.py")
    assert [test.name for test in tests if stated.search(test.read_text("utf-8"))] == []


@pytest.fixture
def clone(tmp_path):
    """A clone with one module, which git cannot read, as if another user owned it."""
    for name in (".ci/build_backend.py", "src/posezoo/core/versions.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "setup.cfg").write_text(
        "[metadata]\nname = posezoo\nversion = 1\n"
        "[options]\npackages = posezoo\npackage_dir =\n  = src\n"
        "[options.package_data]\nposezoo = commit.txt\n"
    )
    (tmp_path / "src" / "posezoo" / "module.py").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    return tmp_path


def build_wheel(clone, **environ):
    """The files of the wheel that pip would install of a clone."""
    code = "import build_backend; build_backend.build_wheel('dist')"
    ended = run_process(
        [sys.executable, "-c", code],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone / ".ci"), **environ},
    )
    assert_success(ended)
    with zipfile.ZipFile(next(clone.glob("dist/*.whl"))) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


@pytest.mark.parametrize("path", ["/nowhere", os.environ["PATH"]], ids=["no git", "git refuses"])
def test_a_clone_is_packed_with_its_commit_where_git_does_not_answer(clone, path):
    packed = build_wheel(clone, PATH=path)
    assert packed["posezoo/commit.txt"].decode().strip() == COMMIT
    assert not (clone / "src" / "posezoo" / "commit.txt").exists()


def needed_for_a_build():
    folders = ("models", "licenses")
    needed = {f"{folder}/{name}" for folder in folders for name in files_of(folder)}
    return needed | {"setup.cfg", "setup.py", "pyproject.toml", "LICENSE", "README.md"}


def test_the_sdist_of_a_commit_has_the_same_bytes_each_time(tmp_path):
    first = tmp_path / "first"
    copy_checkout(first)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        git(first, *words)
    git(tmp_path, "clone", "-q", first, tmp_path / "second")
    for folder, umask in (("first", 0o022), ("second", 0o077)):
        os.utime(tmp_path / folder / "README.md", (0, 0))
        build = [sys.executable, "-m", "build", "--no-isolation", "--sdist", tmp_path / folder]
        subprocess.run(
            [*build, "-o", tmp_path], umask=umask, check=True, capture_output=True, timeout=120
        )
        (sdist,) = tmp_path.glob("*.tar.gz")
        sdist.rename(tmp_path / f"{folder}.tgz")
    assert (tmp_path / "first.tgz").read_bytes() == (tmp_path / "second.tgz").read_bytes()

    with tarfile.open(tmp_path / "first.tgz") as archive:
        modes = {member.name.partition("/")[2]: member.mode for member in archive}
        assert needed_for_a_build() <= modes.keys()
        assert {modes[f"{program}"] for program in PROGRAMS} == {0o755}
        assert {member.mtime for member in archive} == {
            int(git(first, "log", "-1", "--format=%ct"))
        }


def test_a_bare_checkout_finds_its_own(tmp_path):
    where, holder = find(ROOT / "src", cwd=tmp_path)
    assert where == str(ROOT / "models/public/blazepose-full/pose-detection-mediapipe/model.yml")
    assert holder.startswith("Copyright ")


def test_no_extra_brings_two_opencvs():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    for name, requested in config["options.extras_require"].items():
        brought = [line for line in requested.splitlines() if line.startswith("opencv")]
        assert len(brought) <= 1, name
        assert all("<6" in line for line in brought)
    assert "opencv-python-headless" in config["options.extras_require"]["all"]


def run_setup(folder, repository, monkeypatch):
    """What setup.py gives to setuptools, in a release of the commit abc123."""
    for name in ("setup.py", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    setup = folder / "setup.cfg"
    text = re.sub("(?m)^repository =.*", f"repository = {repository}", setup.read_text("utf-8"))
    setup.write_text(text, "utf-8")
    commit = folder / "src" / "posezoo" / "commit.txt"
    commit.parent.mkdir(parents=True, exist_ok=True)
    commit.write_text("abc123\n")
    given = {}
    # The real one refuses a process in which another package imported distutils before.
    asked = ModuleType("setuptools")
    asked.setup = lambda **words: given.update(words)
    asked.find_packages = lambda *_: []
    monkeypatch.setitem(sys.modules, "setuptools", asked)
    runpy.run_path(str(folder / "setup.py"))
    return given


def test_on_an_index_each_link_of_readme_leads_to_a_file_of_the_commit(tmp_path, monkeypatch):
    address = "https://git.example.com/ann/posezoo"
    given = run_setup(tmp_path, f"{address}/", monkeypatch)
    links = re.findall(r"\]\(([^)]+)\)", given["long_description"])
    assert len(links) > 10
    for link in links:
        assert link.startswith(("https://", "#")), link
        if link.startswith(address):
            kind, commit, name = link.removeprefix(f"{address}/").split("/", 2)
            assert (ROOT / name.partition("#")[0]).exists(), link
            assert commit == "abc123"
            assert (kind == "raw") == name.endswith(".jpg")
    assert given["project_urls"]["Repository"] == address
