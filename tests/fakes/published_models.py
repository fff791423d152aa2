"""Models of our registry as their publishers serve them, with generated weights."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from fakes.checkout import ROOT
from fakes.command import posezoo as run_posezoo
from fakes.files import zipped
from fakes.server import Server

#: ImageNet's, as the networks of 2026 take them.
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Place:
    """A publisher's server, a registry that names it, and a user's folder."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.server = server
        self.models = folder / "models"
        self.out = folder / "out"
        shutil.copytree(ROOT / "licenses", folder / "licenses")

    def publish(self, name: str, onnx: bytes, member: str = "") -> None:
        """A model with the keys of ours, whose archive or file is pinned to these bytes."""
        declared = yaml.safe_load((ROOT / f"models/public/{name}/model.yml").read_text("utf-8"))
        (file,) = declared["files"]
        is_packed = file["name"].endswith(".zip")
        content = openmmlab_archive(member or declared["checkpoint"], onnx) if is_packed else onnx
        file["source"] = self.server.serve(file["name"], content)
        if isinstance(file.get("checksum"), dict):
            file["size"] = len(content)
            file["checksum"]["value"] = hashlib.sha256(content).hexdigest()
            file.pop("max_size", None)
        for digest in file.get("contains", {}).values():
            digest["value"] = hashlib.sha256(onnx).hexdigest()
        declared.pop("people", None)
        target = self.models / "public" / name
        target.mkdir(parents=True)
        (target / "model.yml").write_text(yaml.safe_dump(declared), "utf-8")

    def run(self, verb: str, *args: object) -> str:
        options = ["--models_dir", self.models]
        if verb in ("run", "quantize", "evaluate"):
            options += ["--detector", "none"]
        ended = run_posezoo(verb, *options, *args)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def ir(self, name: str, precision: str = "FP32") -> Path:
        return self.out / "public" / name / precision / f"{name}.xml"


@contextmanager
def place_of(folder: Path) -> Iterator[Place]:
    """A place whose server runs."""
    with Server() as server:
        yield Place(folder, server)


def openmmlab_archive(member: str, onnx: bytes) -> bytes:
    """A zip with the members of OpenMMLab's, which has no license text."""
    folder = member.rpartition("/")[0]
    names = ("pipeline.json", "deploy.json", "detail.json")
    return zipped({member: onnx, **{f"{folder}/{name}".lstrip("/"): b"{}" for name in names}})
