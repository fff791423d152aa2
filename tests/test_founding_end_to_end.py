"""Every founding model as its users get it: downloader.py, then converter.py, from a server to proven IR.

The weights are generated and the registry is a copy that is pinned to them; all else is what is shipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from fakes.founding import checkpoint_of, serve
from fakes.server import Server
from fakes.weights import conditioned
from posezoo import provenance
from posezoo.layout import Layout
from posezoo.openvino_runtime import openvino
from posezoo.registry import open_registry
from posezoo.spec.model import ModelSpec, Precision

ROOT = Path(__file__).resolve().parents[1]
REGISTRY = open_registry()

# Seconds each; whatever is larger is slow.
SMALL = ("mobile_pose_mobilenetv3_small",)
FOUNDING = [spec.name for spec in REGISTRY.select(None).models if spec.network is not None]

#: Of the largest difference from PyTorch, as a share of an output's largest value.
FP32, FP16 = 3e-4, 2e-2


class Place:
    """A publisher's server, a registry that names it, and a user's folder."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.models, self.out, self.lock = folder / "models", folder / "out", folder / "posezoo.lock"
        self.server = server

    def publish(self, *specs: ModelSpec, checkpoint: bytes) -> None:
        for spec in specs:
            serve(spec, checkpoint, self.server, self.models)

    def downloader(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self._run("downloader", *args, "-o", str(self.out))

    def converter(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self._run("converter", *args, "-d", str(self.out))

    def _run(self, tool: str, *args: str) -> subprocess.CompletedProcess[str]:
        script = ROOT / "tools" / "downloader" / f"{tool}.py"
        places = ("--models_dir", str(self.models), "--lock", str(self.lock))
        command = [sys.executable, str(script), *args, *places]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Server() as server:
        yield Place(tmp_path, server)
    shutil.rmtree(tmp_path)  # a gigabyte, of the largest


def model(name: str) -> ModelSpec:
    spec = REGISTRY.find(name)
    assert isinstance(spec, ModelSpec)
    return spec


def leaves(tree: Any, path: str = "") -> dict[str, Any]:
    """The single values of a tree by their paths: ``files.0.size``."""
    if isinstance(tree, dict | list):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {place: value for key, each in pairs for place, value in leaves(each, f"{path}.{key}").items()}
    return {path.lstrip("."): tree}


def hold_to_the_shipped(spec: ModelSpec, models: Path) -> None:
    """The copy differs in sizes, digests and host only."""
    copy = models / spec.family / spec.name / "model.yml"
    shipped, copied = (leaves(yaml.safe_load(path.read_text("utf-8"))) for path in (spec.path, copy))
    assert shipped.keys() == copied.keys()
    changed = {path for path in shipped if shipped[path] != copied[path]}
    assert changed
    for path in changed:
        if ".source" in path:
            assert urlsplit(copied[path]).path == urlsplit(shipped[path]).path
        else:
            assert path.rpartition(".")[2] in ("size", "checksum") or ".contains." in path, path


def hold_to_pytorch(spec: ModelSpec, out: Path) -> None:
    """Both IR are there, in the declared form, and as near to PyTorch as they must be."""
    layout = Layout(out, out)
    core = openvino().Core()
    for precision, bar in ((Precision.FP32, FP32), (Precision.FP16, FP16)):
        record = provenance.read(layout.provenance(spec, precision))
        assert record is not None
        worst = max(check.difference for check in record.checks)
        print(f"{spec.full_name} {precision}: {worst:.1e}")
        assert 0 < worst <= bar, precision
        network = core.read_model(layout.ir(spec, precision))
        ports = [(port.any_name, tuple(port.shape)) for port in (*network.inputs, *network.outputs)]
        assert ports == [(port.name, port.shape) for port in (*spec.inputs, *spec.outputs)]


def get(place: Place, *specs: ModelSpec) -> None:
    """Download and convert, by the two commands."""
    names = ",".join(spec.full_name for spec in specs)
    trust = () if all(spec.files[0].is_pinned for spec in specs) else ("--trust_on_first_use",)
    for ended in (place.downloader("--name", names, *trust), place.converter("--name", names)):
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "name", [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in FOUNDING]
)
def test_a_founding_model_becomes_ir(place: Place, name: str) -> None:
    spec = model(name)
    specs = (spec, *spec.variants)
    checkpoint = checkpoint_of(name, conditioned(spec.network.name))
    place.publish(*specs, checkpoint=checkpoint)
    hold_to_the_shipped(spec, place.models)
    get(place, *specs)
    for each in specs:
        hold_to_pytorch(each, place.out)
