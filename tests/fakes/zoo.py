"""tiny_zoo(): a registry of small models, made on the spot, with its files served from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import yaml


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes what stands twice twice, since our reader refuses aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def declared_file(path: Path, *, name: str | None = None) -> dict[str, object]:
    """A file of this machine as model.yml declares it, with a file source."""
    return published_file(
        name or path.name, path.read_bytes(), {"$type": "file", "path": str(path)}
    )


def published_file(name: str, content: bytes, source: object) -> dict[str, object]:
    """A file with this content as model.yml declares it."""
    checksum = hashlib.sha384(content).hexdigest()
    return {"name": name, "size": len(content), "checksum": checksum, "source": source}


def file_yml(name: str = "net.tflite", **changes: object) -> dict[str, object]:
    """A file that cannot be downloaded, as model.yml declares it."""
    source = f"https://models.invalid/{name}"
    return {"name": name, "size": 3, "checksum": "0" * 96, "source": source, **changes}


def model_yml(**changes: object) -> dict[str, object]:
    """A model.yml that nothing is wrong with, but for the changes; a change to None drops the key."""
    content = {
        "description": "A small model.",
        "task_type": "human_pose_estimation",
        "framework": "tflite",
        "license": {"spdx": "Apache-2.0", "text": "Apache-2.0-Tests.txt"},
        "files": [file_yml()],
        "inputs": [{"name": "input", "shape": [1, 4, 6, 3], "layout": "NHWC", "color": "RGB"}],
        "outputs": [{"name": "output", "shape": [1, 5]}],
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


#: The input of fakes.network's ONNX network.
IMAGE = {"name": "image", "shape": [1, 3, 12, 20], "layout": "NCHW"}


def onnx_yml(file: Mapping[str, object], **changes: object) -> dict[str, object]:
    """The model.yml of fakes.network's ONNX network, which is this file."""
    said = {"framework": "onnx", "files": [file], "inputs": [IMAGE], "outputs": None, **changes}
    return model_yml(**said)


def omz_yml(**changes: object) -> dict[str, object]:
    """A model.yml in Open Model Zoo's newest form; a change to None drops the key."""
    content = {
        "description": "A small model.",
        "task_type": "human_pose_estimation",
        "files": [
            {
                "name": "net.onnx",
                "size": 3,
                "checksum": "0" * 96,
                "original_source": {
                    "$type": "google_drive",
                    "id": "1V9Iz0ZYy9m8VeaspfKECDW0NKlGsYmO1",
                },
                "source": "https://models.invalid/net.onnx",
            }
        ],
        "input_info": [{"name": "image", "shape": [1, 3, 4, 6], "layout": "NCHW"}],
        "model_optimizer_args": ["--input_model=$dl_dir/net.onnx", "--output=heatmaps"],
        "framework": "onnx",
        "license": "https://models.invalid/LICENSE",
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


def as_yaml(content: object) -> str:
    """YAML without aliases, its keys in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False)


def write_model(
    root: Path, name: str, content: dict[str, object] | str | bytes, *, family: str = "public"
) -> Path:
    """A model of a registry: ``name`` may be ``composite/part``."""
    path = root / family / name / "model.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else as_yaml(content), "utf-8")
    licenses = root.parent / "licenses"
    licenses.mkdir(exist_ok=True)
    (licenses / "Apache-2.0-Tests.txt").write_text(
        "Copyright 2026 The tests\n\nThe terms.\n", "utf-8"
    )
    return path


def write_composite(root: Path, name: str, stages: list[str], **changes: object) -> Path:
    """A composite-model.yml; its parts are written by ``write_model(root, f"{name}/{part}", ...)``."""
    path = root / "public" / name / "composite-model.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "description": "Two small models in a row.",
        "task_type": "human_pose_estimation",
        "stages": stages,
        **changes,
    }
    path.write_text(as_yaml(content), "utf-8")
    return path


def write_small_zoo(folder: Path) -> Path:
    """Two models, and a composite of two parts, each of one file in the folder origin."""
    root, origin = folder / "models", folder / "origin"
    origin.mkdir()
    for name in ("a", "b", "whole/first", "whole/second"):
        file = origin / f"{name.rpartition('/')[2]}.tflite"
        file.write_bytes(file.stem.encode() * 1000)
        write_model(root, name, model_yml(files=[declared_file(file)]))
    write_composite(root, "whole", ["first", "second"])
    return folder
