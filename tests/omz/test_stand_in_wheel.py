"""The wheels of posezoo shims --wheel: what pip makes of them, and what old scripts find."""

import base64
import hashlib
import os
import re
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from fakes.command import (
    assert_quiet_success,
    assert_success,
    misuse_alone,
    posezoo,
    posezoo_process,
    printed,
    printed_alone,
    run_process,
)
from fakes.network import network
from fakes.server import Server
from fakes.waiting import HANG_S
from fakes.wheels import make_wheel, serve_index
from fakes.zoo import omz_yml, write_model
from posezoo.omz import model_optimizer
from posezoo.omz.model_optimizer import stand_in_version
from posezoo.omz.stand_in_wheel import pack_mediapipe

VERSION = version("posezoo")
STAND_IN_VERSION = stand_in_version("2024.6.0")
STAND_IN = f"openvino_dev-{STAND_IN_VERSION}-py3-none-any.whl"
POSEZOO = f"posezoo-{VERSION}-py3-none-any.whl"
NOT_HERE = "is not in posezoo's stand-in for openvino-dev: "


def run(*command, **environ):
    return run_process(
        [*map(str, command)],
        env={**os.environ, **environ},
        timeout=HANG_S * 10,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache with Open Model Zoo's metadata, as if it had been read before."""
    folder = tmp_path_factory.mktemp("cache")
    write_model(folder / "posezoo" / "registries" / "omz" / "models", "of-omz", omz_yml(files=[]))
    return folder


@pytest.fixture(scope="module")
def wheels(cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels") / "new"
    written = printed_alone(posezoo("shims", "--wheel", folder, XDG_CACHE_HOME=str(cache)))
    assert written.splitlines()[:2] == [str(folder / POSEZOO), str(folder / STAND_IN)]
    install = 'pip install "openvino-dev==2024.6.0"'
    lines = [line for line in written.splitlines() if line.endswith(install)]
    assert lines  # on Windows, one a shell
    assert all("PIP_FIND_LINKS=" in line and str(folder) in line for line in lines)
    assert "never publish" in written
    assert {path.name for path in folder.glob("[!.]*")} == {POSEZOO, STAND_IN}
    return folder


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """The stand-in in a folder of its own, beside what this Python has: PATH and PYTHONPATH."""
    prefix = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--prefix", prefix]
    pip.append("--no-compile")  # a test imports few of the modules
    ended = run(*pip, "openvino-dev[onnx]==2024.6.0", PIP_FIND_LINKS=str(wheels), HOME=str(prefix))
    assert_success(ended)
    places = sysconfig.get_paths(vars={"base": str(prefix), "platbase": str(prefix)})
    return {
        "PATH": f"{places['scripts']}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": places["purelib"],
        "XDG_CACHE_HOME": str(prefix / "cache"),
    }


def members_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {path: archive.read(path).decode("utf-8", "replace") for path in archive.namelist()}


def test_writing_them_again_gives_the_same_bytes(wheels, cache, tmp_path):
    again = posezoo_process("shims", "--wheel", tmp_path, XDG_CACHE_HOME=str(cache))
    assert_success(again)
    for name in (POSEZOO, STAND_IN):
        assert (tmp_path / name).read_bytes() == (wheels / name).read_bytes()


def test_the_stand_in_is_private_and_requires_this_posezoo(wheels):
    metadata = members_of(wheels / STAND_IN)[f"openvino_dev-{STAND_IN_VERSION}.dist-info/METADATA"]
    assert f"Name: openvino-dev\nVersion: {STAND_IN_VERSION}\n" in metadata
    assert "\nClassifier: Private :: Do Not Upload\n" in metadata
    assert f"\nRequires-Dist: posezoo[convert]=={VERSION}\n" in metadata
    extras = ["caffe", "kaldi", "mxnet", "onnx", "paddle", "pytorch", "tensorflow", "tensorflow2"]
    assert re.findall(r"Provides-Extra: (\w+)", metadata) == extras

    required = re.findall(r"Requires-Dist: posezoo\[(\w+)\]==\S+; extra == \"(\w+)\"", metadata)
    assert required == [("torch", "pytorch")]
    ours = members_of(wheels / POSEZOO)[f"posezoo-{VERSION}.dist-info/METADATA"]
    assert {"convert", "torch"} <= set(re.findall(r"Provides-Extra: (\w+)", ours))


@pytest.mark.parametrize("name", [POSEZOO, STAND_IN])
def test_record_lists_each_file_with_its_digest_and_size(wheels, name):
    with zipfile.ZipFile(wheels / name) as archive:
        *files, record = archive.namelist()
        for path, line in zip(files, archive.read(record).decode().splitlines()[:-1], strict=True):
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).decode()
            size = archive.getinfo(path).file_size
            assert line == f"{path},sha256={digest.rstrip('=')},{size}"


def test_the_stand_in_has_no_file_of_the_package_openvino(wheels):
    pytest.importorskip("openvino")
    from importlib.metadata import files

    theirs = {str(path) for path in files("openvino") or ()}
    assert "openvino/tools/__init__.py" in theirs
    assert not theirs & set(members_of(wheels / STAND_IN))
    commands = {Path(path).name for path in theirs if "/bin/" in path}
    assert {"benchmark_app", "ovc"} <= commands
    entry_points = members_of(wheels / STAND_IN)[
        f"openvino_dev-{STAND_IN_VERSION}.dist-info/entry_points.txt"
    ]
    assert not commands & set(re.findall(r"^(\w+) =", entry_points, re.MULTILINE))


@pytest.mark.parametrize(
    ("release", "begins"), [("0.10.21", "mediapipe-0.10.21+posezoo."), (None, "posezoo_mediapipe-")]
)
def test_that_for_mediapipe_has_its_release_and_requires_this_posezoo(tmp_path, release, begins):
    name, content = pack_mediapipe(release)
    assert name.startswith(begins) and name.endswith("-py3-none-any.whl")
    (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / name) as wheel:
        (metadata,) = (each for each in wheel.namelist() if each.endswith("/METADATA"))
        assert f"Requires-Dist: posezoo[convert]=={version('posezoo')}" in wheel.read(
            metadata
        ).decode("utf-8")
        assert "mediapipe/python/solutions/pose.py" in wheel.namelist()


def pip_download(folder, **environ):
    """What the real release of openvino-dev requires of pip."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    assert_success(run(*pip, "openvino-dev==2024.6.0", "-d", folder, **environ))


def test_pip_prefers_it_to_the_real_one_of_the_index(wheels, tmp_path, monkeypatch):
    name = "openvino_dev-2024.6.0-17404-py3-none-any.whl"
    real = make_wheel(tmp_path / "real", {"omz_tools/__init__.py": b""}, name)
    monkeypatch.delenv("PIP_NO_INDEX")
    with Server() as server:
        monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, real))
        pip_download(tmp_path / "without")
        pip_download(tmp_path / "with", PIP_FIND_LINKS=str(wheels))
    assert [path.name for path in (tmp_path / "without").iterdir()] == [real.name]
    assert [path.name for path in (tmp_path / "with").iterdir()] == [STAND_IN]


def test_blanks_in_the_folder_are_written_as_pip_reads_them(tmp_path):
    written = posezoo_process("shims", "--wheel", tmp_path / "my wheels")
    value = re.search(r"PIP_FIND_LINKS=(\S+) ", written.stdout)[1]
    pip_download(tmp_path, PIP_FIND_LINKS=value)
    assert (tmp_path / STAND_IN).is_file()


def test_a_script_finds_the_package_and_its_commands(installed):
    shown = run(sys.executable, "-m", "pip", "show", "openvino-dev", **installed)
    assert f"\nVersion: {STAND_IN_VERSION}\n" in shown.stdout
    for command in ("omz_downloader", "omz_converter", "omz_quantizer", "omz_info_dumper"):
        listed = run(command, "--print_all", **installed)
        assert (listed.returncode, listed.stdout, listed.stderr) == (0, "of-omz\n", "")
        own = run(command, "--print_all", "--registry", "posezoo", **installed)
        assert "pose-detection-mediapipe" in own.stdout.split()
    for command in ("omz_downloader", "omz_converter", "omz_quantizer", "mo"):
        assert_success(run(command, "--help", **installed))
        assert run(command, "--no_such_flag", **installed).returncode == 2


def test_a_script_calls_the_commands_as_functions(installed, tmp_path):
    code = """
from omz_tools import omz_converter, omz_downloader, omz_info_dumper
name = ["--name", "person-detection-retail-0013"]
omz_info_dumper.dump(name)
assert omz_converter.converter is omz_converter.convert
omz_converter.convert([*name, "--dry_run"])
omz_downloader.download(["--print_all"])
try:
    omz_downloader.download(["--name", "nothing", "--registry", "posezoo"])
except SystemExit as ended:
    print(ended.code)
"""
    output = printed(run(sys.executable, "-c", code, **installed))
    assert output.endswith(
        "Skipping person-detection-retail-0013 (no conversions defined)\n\nof-omz\n1\n"
    )
    module = ("-m", "omz_tools.omz_downloader", "--print_all")
    assert run(sys.executable, *module, **installed).stdout == "of-omz\n"


def test_model_optimizer_is_a_module_and_a_function(installed, tmp_path):
    pytest.importorskip("openvino")
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    code = """
import sys
from openvino.runtime import Core, serialize
from openvino.tools.mo import InputCutInfo, LayoutMap, convert_model
model = convert_model(sys.argv[1], compress_to_fp16=True)
serialize(model, sys.argv[2])
print([port.any_name for port in Core().read_model(sys.argv[2]).outputs])
"""
    ended = run(sys.executable, "-c", code, tmp_path / "net.onnx", tmp_path / "a.xml", **installed)
    assert (ended.returncode, ended.stdout) == (0, "['heatmaps', 'pafs']\n"), ended.stderr
    line = (
        "-m",
        "openvino.tools.mo",
        "--input_model",
        tmp_path / "net.onnx",
        "-o",
        tmp_path,
        "-n",
        "b",
    )
    ended = run(sys.executable, *line, **installed)
    assert_success(ended)
    assert (tmp_path / "b.xml").is_file()


def test_the_old_name_of_the_package_openvino_is_an_alias(installed):
    pytest.importorskip("openvino")
    code = """
import openvino
import openvino.runtime as ov
from openvino import runtime
from openvino.runtime import Core, Layout, Model, PartialShape, Tensor, Type, get_version, serialize
from openvino.runtime import opset13
from openvino.runtime.passes import Manager, MatcherPass, Matcher, WrapType
from openvino.runtime.utils.types import get_element_type
import openvino.runtime.opset8
assert ov is openvino is runtime
assert opset13 is openvino.opset13
assert Manager is openvino.passes.Manager
assert Core is openvino.Core
"""
    assert_quiet_success(run(sys.executable, "-c", code, **installed))


def test_an_openvino_that_still_has_the_old_name_keeps_it(wheels, tmp_path):
    """Up to 2025, openvino/runtime/ is a folder of the package openvino."""
    with zipfile.ZipFile(wheels / STAND_IN) as archive:
        archive.extract("openvino/runtime.py", tmp_path)
    (tmp_path / "openvino" / "__init__.py").write_text("")
    (tmp_path / "openvino" / "runtime").mkdir()
    (tmp_path / "openvino" / "runtime" / "__init__.py").write_text("Core = 'of 2025'\n")
    ended = run(
        sys.executable,
        "-c",
        "from openvino.runtime import Core; print(Core)",
        PYTHONPATH=str(tmp_path),
    )
    assert ended.stdout == "of 2025\n"


@pytest.mark.parametrize(
    "command", ["accuracy_check", "convert_annotation", "omz_data_downloader", "pot"]
)
def test_a_command_without_successor_says_in_one_line_what_to_use(installed, command):
    error = misuse_alone(run(command, "--help", **installed))
    assert error.startswith(f"{command} {NOT_HERE}")
    assert len(error.splitlines()) == 1


def test_importing_its_packages_says_in_one_line_what_to_use(installed):
    pytest.importorskip("openvino")
    imports = {
        "from openvino.model_zoo.omz_downloader import main": "omz_downloader",
        "import omz_tools.models": "omz_downloader",
        "from openvino.inference_engine import IECore": "openvino.Core",
        "import openvino.tools.pot as pot": "nncf",
        "import openvino.tools.accuracy_checker": "posezoo evaluate",
    }
    # OpenVINO's own telemetry would fork, and print what is in the buffer a second time.
    code = """
import sys
sys.modules["openvino_telemetry"] = None
for line in sys.argv[1:]:
    try:
        exec(line)
    except ImportError as error:
        print(error)
"""
    output = printed_alone(run(sys.executable, "-c", code, *imports, **installed))
    for line, told in zip(imports, output.splitlines(), strict=True):
        package = line.split()[1].removesuffix(".omz_downloader")
        assert told.startswith(f"{package} {NOT_HERE}")
        assert imports[line] in told


def test_the_package_openvino_still_works_beside_it(installed):
    pytest.importorskip("openvino")
    code = "import openvino, openvino.tools.ovc, openvino.tools.benchmark; openvino.Core"
    assert_success(run(sys.executable, "-c", code, **installed))


def test_pip_takes_the_stand_in_of_a_release_for_newer_than_that_of_its_development(monkeypatch):
    versions = []
    for ours in ("0.2.0", "0.3.0.dev0", "0.3.0", "0.3.1"):
        monkeypatch.setattr(model_optimizer, "release_version", lambda ours=ours: ours)
        versions.append(Version(stand_in_version("2024.6.0")))
    assert versions == sorted(versions) and len(set(versions)) == len(versions)
