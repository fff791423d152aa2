"""A zoo with the names, file trees and arguments of Open Model Zoo's models, whose files are small and served here."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from onnx import helper

from fakes import graphs
from fakes.caffe import caffe_model
from fakes.network import _attribute, _field, _node, _shape
from fakes.server import Server

#: A regex_replace of the zoo finds this in a generated text.
TEXT = "generated text"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find_declarations(root: Path) -> dict[str, Path]:
    """The model.yml and composite-model.yml below the root of a zoo, by the name of the model."""
    paths = (
        path
        for path in root.rglob("*model.yml")
        if path.name in ("model.yml", "composite-model.yml")
    )
    return {path.parent.name: path for path in sorted(paths)}


class GeneratedZoo:
    """Copies the metadata of a zoo; generates, declares and serves the files of some of its models.

    Two declarations of a model, such as Open Model Zoo's and posezoo's, get the same bytes for the same file.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._archives: dict[tuple[str, str], bytes] = {}

    def write(
        self,
        source: Path,
        target: Path,
        with_files: Iterable[str],
        names: Iterable[str] | None = None,
    ) -> None:
        """Write the zoo of ``source`` to ``target``.

        Args:
            with_files: the models whose files are generated.
            names: the models to copy; None for all.
        """
        paths = find_declarations(source)
        composites = {path.parent for path in paths.values() if path.name.startswith("composite")}
        chosen, served = set(paths) if names is None else set(names), set(with_files)
        for name, path in paths.items():
            family = {name, path.parents[1].name if path.parents[1] in composites else name}
            if not family & chosen:
                continue
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.name == "model.yml" and family & served:
                content = yaml.load(path.read_text("utf-8"), _LOADER)
                self._generate(name, content)
                copy.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
            else:
                shutil.copyfile(path, copy)

    def _generate(self, name: str, content: dict[str, Any]) -> None:
        steps = content.get("postprocessing", [])
        patched = {step["file"] for step in steps if step["$type"] == "regex_replace"}
        archives = {
            step["file"]: step["format"] for step in steps if step["$type"] == "unpack_archive"
        }
        declared = {file["name"] for file in content["files"]}
        arguments = "\n".join(content.get("model_optimizer_args", []))
        inside = sorted(set(re.findall(r"\$dl_dir/(\S+)", arguments)) - declared) or ["weights.pth"]
        for file in content["files"]:
            key = (name, file["name"])
            if file["name"] in archives:
                if key not in self._archives:  # gzip writes the time into it
                    members = sorted({*inside, *(patched - declared)})
                    bodies = {member: _body(name, member, content) for member in members}
                    self._archives[key] = _archive(archives[file["name"]], bodies)
                body = self._archives[key]
            else:
                body = _body(name, file["name"], content)
            file["size"], file["checksum"] = len(body), hashlib.sha384(body).hexdigest()
            file["source"] = self._server.serve(f"{name}/{file['name']}", body)
            for key in ("original_source", "sha256"):
                file.pop(key, None)
        for step in steps:
            if step["$type"] == "regex_replace":
                step.pop("count", None)
                step.update(pattern=TEXT, replacement=f"{TEXT} that was changed")


def _body(name: str, file: str, content: Mapping[str, Any]) -> bytes:
    """The content of a file: a small network if one can be written, otherwise text that is in no other file."""
    framework, arguments = content["framework"], content.get("model_optimizer_args", [])
    said = dict(argument.partition("=")[::2] for argument in arguments)
    inputs = {
        each["name"]: each["shape"] for each in content.get("input_info", []) if each.get("shape")
    }
    outputs = said.get("--output", "output").split(",")
    if framework == "onnx" and file.endswith(".onnx") and inputs:
        return _onnx(name, inputs, outputs)
    if framework == "tf" and file.endswith((".pb", ".meta")) and inputs:
        graph = _frozen_graph(inputs, outputs)
        return graph if file.endswith(".pb") else _field(1, _field(4, b"serve")) + _field(2, graph)
    if framework == "caffe" and file.endswith((".prototxt", ".caffemodel")):
        shape = next(iter(inputs.values()))
        text, weights = caffe_model(
            np.full((2, shape[1], 1, 1), 0.25, np.float32), shape, outputs[0]
        )
        return f"# {TEXT}\n{text}".encode() if file.endswith(".prototxt") else weights
    return f"{TEXT}: {file} of {name}\n".encode()


def _onnx(name: str, inputs: Mapping[str, list[int]], outputs: list[str]) -> bytes:
    """Each output is the first input, halved and squashed."""
    first, shape = next(iter(inputs.items()))
    nodes = [helper.make_node("Mul", [first, "half"], ["halved"], "halved")]
    nodes += [helper.make_node("Tanh", ["halved"], [output], output) for output in outputs]
    ports = [
        [(port, graphs.FLOAT, each) for port, each in said.items()]
        for said in (inputs, dict.fromkeys(outputs, shape))
    ]
    return graphs.written(name, nodes, *ports, {"half": np.float32(0.5)})


def _frozen_graph(inputs: Mapping[str, list[int]], outputs: list[str]) -> bytes:
    """Each output is the first input, squashed. The input 1:mul is what enters the operation mul at its port 1."""
    float32 = _attribute("T", _field(6, 1))
    dtype = _attribute("dtype", _field(6, 1))
    nodes, values = [], []
    for name, sizes in inputs.items():
        port, _, operation = name.rpartition(":")
        shape = _attribute("shape", _shape(tuple(sizes)))
        nodes.append(_node(f"{operation}_image" if port else name, "Placeholder", [], dtype, shape))
        values.append(operation)
        if port:
            half = _field(1, 1) + _shape((), number=2) + _field(4, np.float32(0.5).tobytes())
            nodes.append(_node("half", "Const", [], dtype, _attribute("value", _field(8, half))))
            ports = [f"{operation}_image", "half"]
            kind = "Sub" if operation.startswith("sub") else "Mul"
            nodes.append(_node(operation, kind, ports if port == "0" else ports[::-1], float32))
    nodes += [_node(output, "Tanh", [values[0]], float32) for output in outputs]
    return b"".join(_field(1, node) for node in nodes)


def _archive(kind: str, members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as zipped:
            for name, body in members.items():
                zipped.writestr(zipfile.ZipInfo(name), body)  # with a fixed time
        return stream.getvalue()
    with tarfile.open(
        fileobj=stream, mode={"gztar": "w:gz", "bztar": "w:bz2", "tar": "w"}[kind]
    ) as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return stream.getvalue()
