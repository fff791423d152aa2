"""What Intel's model-download service does, in an environment of uv on Python 3.12, with the stand-in wheel.

Its environment is made by ``uv lock`` and ``uv sync --extra omz``; for each model it runs ``omz_downloader`` and
``omz_converter``, and moves what they left in intel/NAME or public/NAME. The files of the models are generated.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from fakes import fence
from fakes.command import assert_quiet_success, assert_success, posezoo_process, run_process
from fakes.pages import ROOT
from fakes.server import Server
from fakes.soak import soak
from fakes.when_used import needs
from omz.replay_zoo import GeneratedZoo
from posezoo import networks
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import PosezooError
from posezoo.core.registry import Registry
from posezoo.networks.zoo.declarations import with_declared_network
from posezoo.omz.model_optimizer import stand_in_version
from posezoo.packages.package_indexes import read_index_settings
from posezoo.packages.wheel_registry import read_wheel_registry

#: The models of scenescape, ViPPET and the scripts of the retail projects that are published as IR.
INTEL = (
    "age-gender-recognition-retail-0013",
    "face-detection-retail-0004",
    "person-attributes-recognition-crossroad-0238",
    "person-detection-retail-0013",
    "person-reidentification-retail-0277",
    "person-vehicle-bike-detection-crossroad-0078",
    "person-vehicle-bike-detection-crossroad-1016",
    "vehicle-attributes-recognition-barrier-0042",
)
#: Those that become IR by PyTorch.
OF_PYTORCH = ("efficientnet-v2-b0", "mobilenet-v2-pytorch", "resnet-50-pytorch")
CONVERTED = "mobilenet-v1-0.25-128"
COMPOSITE = "action-recognition-0001"

PROJECT = """
[project]
name = "model-download"
version = "2026.2.0"
requires-python = "=={python}.*"

[project.optional-dependencies]
omz = [{packages}]
"""
PYTHON = "3.12"


@dataclass(frozen=True)
class Service:
    """The service's environments in a folder, and its variables."""

    folder: Path
    environ: dict[str, str]
    of_uv: dict[str, str]
    project: str = "opt"

    @property
    def bin(self):
        """The commands of the environment that its converters have."""
        return self.folder / self.project / ".venv-omz" / "bin"

    def install(self, python, version, *packages):
        """Make its two environments, by ``uv lock`` and ``uv sync``."""
        folder = self.folder / self.project
        folder.mkdir()
        named = ", ".join(map(json.dumps, packages))
        (folder / "pyproject.toml").write_text(PROJECT.format(python=version, packages=named))
        for command, environment in (
            (("lock",), ".venv"),
            (("sync", "--no-dev"), ".venv"),
            (("sync", "--extra", "omz", "--no-dev"), ".venv-omz"),
        ):
            places = {
                "UV_PYTHON": str(python),
                "UV_PROJECT_ENVIRONMENT": str(folder / environment),
            }
            ended = self.run(find_uv(), "--quiet", *command, **self.of_uv, **places)
            assert_success(ended)

    def run(self, *command, **environ):
        return run_process(
            [*map(str, command)],
            cwd=self.folder / self.project,
            env=self.environ | environ,
            timeout=300,
        )

    def get(self, name, *, work):
        """The service's commands for a model; the result of the first that fails, else of the last."""
        folder = self.bin
        environ = {"PATH": f"{folder}{os.pathsep}{self.environ['PATH']}"}
        if (self.folder / "ours" / "intel" / name).is_dir():  # a model of posezoo's own registry
            environ["POSEZOO_MODELS_DIR"] = str(self.folder / "ours")
        ended = self.run("omz_downloader", "--name", name, "--output_dir", work, **environ)
        if ended.returncode == 0:
            folders = ("--download_dir", work, "--output_dir", work)
            mo = next(each for each in (folder / "mo", folder / "mo.py") if each.exists())
            ended = self.run("omz_converter", "--name", name, *folders, "--mo", mo, **environ)
        return ended

    def move(self, name, *, work):
        """Move the model's files to its place; returns the paths of its IR there."""
        target = self.folder / "models" / "omz" / name
        made = next(
            work / kind / name for kind in ("intel", "public") if (work / kind / name).is_dir()
        )
        target.mkdir(parents=True)
        for entry in made.iterdir():
            shutil.move(entry, target)
        return {path.relative_to(target).as_posix() for path in target.rglob("*.xml")}

    def left_over(self):
        """What its commands left outside of their output folder."""
        opt = {"pyproject.toml", "uv.lock", ".venv", ".venv-omz"}
        others = [path for path in (self.folder / self.project).iterdir() if path.name not in opt]
        return [*others, *self.unknown_in_home(), *(self.folder / "tmp").iterdir()]

    def unknown_in_home(self):
        """The files in the home folder that docs/operators.md does not name."""
        home = self.folder / "home"
        return sorted(path for path in home.rglob("*") if not path.is_dir())


def find_uv():
    beside_python = Path(sys.executable).with_name("uv")
    return str(beside_python) if beside_python.exists() else shutil.which("uv")


def find_python(version=PYTHON):
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    release = importlib.util.module_from_spec(spec)
    sys.modules["release"] = release
    spec.loader.exec_module(release)
    return release.find_python(version)


def write_weights(name, zoo, server):
    """Serve and declare a checkpoint that fits the network of a model, in place of generated text."""
    torch = needs("torch")
    spec = with_declared_network(Registry([zoo]).find(name))
    stream = io.BytesIO()
    torch.save(networks.build_network(spec.network.name).state_dict(), stream)
    body = stream.getvalue()
    path = zoo / "public" / name / "model.yml"
    content = yaml.safe_load(path.read_text("utf-8"))
    (file,) = (file for file in content["files"] if file["name"] == spec.checkpoint)
    file |= {"size": len(body), "checksum": hashlib.sha384(body).hexdigest()}
    file["source"] = server.serve(f"weights/{file['name']}", body)
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    uv, python = find_uv(), find_python()
    if uv is None or python is None:
        pytest.skip("needs uv and Python 3.12")
    try:
        with fence.online():
            settings = read_index_settings()
            registry = read_wheel_registry("omz", DownloadOptions(None))
    except PosezooError as error:
        pytest.skip(f"Open Model Zoo's metadata cannot be read: {error.problem}")
    folder = tmp_path_factory.mktemp("service")
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    with Server() as server:
        generated = GeneratedZoo(server)
        zoo = folder / "cache" / "posezoo" / "registries" / "omz" / "models"
        generated.write(registry, zoo, (*INTEL, *OF_PYTORCH, CONVERTED, COMPOSITE))
        for name in OF_PYTORCH:
            write_weights(name, zoo, server)
        generated.write(ROOT / "models", folder / "ours", INTEL, names=INTEL)
        wheels = folder / "wheels"
        assert_quiet_success(
            posezoo_process("shims", "--wheel", wheels, XDG_CACHE_HOME=str(folder / "cache"))
        )
        shutil.rmtree(folder / "cache")
        *extra, default = settings.indexes
        of_uv = {
            **fence.ONLINE,
            "UV_DEFAULT_INDEX": default,
            "UV_INDEX": " ".join(extra),
            "UV_FIND_LINKS": ",".join([str(wheels), *settings.find_links]),
            "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip does
            "TMPDIR": str(folder),
            # The stand-in of another run has the same name and version.
            "XDG_CACHE_HOME": str(folder / "uv-cache"),
            "XDG_DATA_HOME": str(folder / "uv-data"),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        if settings.ca_file:
            of_uv["SSL_CERT_FILE"] = settings.ca_file
        of_tools = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
        }
        service = Service(folder, of_tools, of_uv)
        service.install(python, PYTHON, "openvino-dev==2024.6.0")
        yield service


@pytest.fixture(scope="session")
def service_with_torch(service):
    """The service with PyTorch, as it is published; on the Python that these tests have it for.

    For another Python the indexes may have only a build of several GB.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with_torch = replace(service, project="opt-with-torch")
    torch = f"torch=={metadata.version('torch')}"
    with_torch.install(find_python(version), version, "openvino-dev==2024.6.0", torch)
    return with_torch


def test_uv_takes_the_stand_in_and_makes_no_pip(service):
    stand_in = stand_in_version("2024.6.0")
    assert f'version = "{stand_in}"' in (service.folder / "opt" / "uv.lock").read_text()
    (packages,) = (service.folder / "opt" / ".venv-omz").glob("lib/python3.12/site-packages")
    assert not (packages / "pip").exists()
    commands = service.bin
    assert_success(service.run(commands / "omz_downloader", "--help"))
    listed = service.run(commands / "omz_downloader", "--print_all")
    assert len(listed.stdout.split()) == 248
    assert service.left_over() == []


@pytest.mark.parametrize("name", (INTEL[0], *map(soak, INTEL[1:]), CONVERTED))
def test_a_model_comes_to_its_place(service, tmp_path, name):
    ended = service.get(name, work=tmp_path)
    warnings = ended.stderr.splitlines()
    assert_success(ended)
    assert all("cannot be compared with its original" in line for line in warnings), ended.stderr
    assert len(warnings) == (name == CONVERTED)
    irs = service.move(name, work=tmp_path)
    assert {f"FP16/{name}.xml", f"FP32/{name}.xml"} <= irs
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert service.left_over() == []


def test_the_parts_of_a_composite_come_in_its_folder(service, tmp_path):
    assert_quiet_success(service.get(COMPOSITE, work=tmp_path))
    parts = {f"{COMPOSITE}-{part}" for part in ("decoder", "encoder")}
    assert service.move(COMPOSITE, work=tmp_path) >= {f"{part}/FP16/{part}.xml" for part in parts}


def test_a_part_alone_lies_in_the_folder_of_its_composite(service, tmp_path):
    part = f"{COMPOSITE}-decoder"
    assert_success(service.get(part, work=tmp_path))
    assert [path.name for path in (tmp_path / "intel" / COMPOSITE).iterdir()] == [part]
    assert (tmp_path / "intel" / COMPOSITE / part / "FP32" / f"{part}.xml").is_file()


# Its environment takes PyTorch from the index.
@pytest.mark.parametrize("name", [soak(name) for name in OF_PYTORCH])
def test_a_model_of_pytorch_comes_to_its_place(service_with_torch, tmp_path, name):
    assert_quiet_success(service_with_torch.get(name, work=tmp_path))
    irs = service_with_torch.move(name, work=tmp_path)
    assert {f"FP16/{name}.xml", f"FP32/{name}.xml"} <= irs
    assert service_with_torch.left_over() == []


def find_torch():
    """What the extra ``torch`` requires of it."""
    named = map(Requirement, metadata.requires("posezoo"))
    return next(f"{each.name}{each.specifier}" for each in named if each.name == "torch")


def test_without_pytorch_a_model_that_needs_it_is_refused_by_name(service, tmp_path):
    name = OF_PYTORCH[0]
    ended = service.get(name, work=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.endswith(f"FAILED:\n{name}\n")
    assert ended.stderr == (
        "########## Error: torch is not installed\n"
        f'  hint: UV_PYTHON={service.bin / "python"} uv pip install --torch-backend cpu "{find_torch()}"\n'
    )
    assert service.left_over() == []
