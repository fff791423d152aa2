"""The founding models as their publishers serve them: generated weights, in the published files' layout.

The model.yml beside them is the shipped one, letter for letter, but for what the other weights and the
other server change.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from fakes.checkpoints import params
from fakes.files import zipped
from fakes.server import Server
from fakes.weights import torch
from posezoo.core.declarations.model import ModelSpec, Precision, SourceFile, UnpackArchive
from posezoo.core.declarations.sources import HttpSource
from posezoo.core.ir import provenance
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import license_path
from posezoo.proof.check_images import draw_test_image
from posezoo.proof.reference_outputs import EXACT, preprocess

#: How far IR and PyTorch may be apart, as a share of an output's largest value.
BARS = {Precision.FP32: 3e-4, Precision.FP16: 2e-2}


def serve(
    spec: ModelSpec, checkpoint: bytes, server: Server, root: Path, *, keeps_hosts: bool = False
) -> None:
    """Publish a checkpoint as a model's, and put the model, re-pinned to it, into the registry ``root``.

    With ``keeps_hosts`` the sources keep their hosts: a proxy has to lead them to the server. May be
    called again for another variant of the same model.
    """
    (file,) = spec.files
    body = packed(spec, checkpoint)
    path = root / spec.family / spec.name / "model.yml"
    if not path.exists():
        path.parent.mkdir(parents=True)
        shutil.copy(spec.path, path)
        shutil.copytree(license_path(spec).parent, root.parent / "licenses", dirs_exist_ok=True)
    text = path.read_text("utf-8")
    for old, new in _changes(file, checkpoint, body, server):
        assert text.count(old) == 1, f"{spec.name}: {old}"
        is_source = new.startswith(server.url())
        text = text if is_source and keeps_hosts else text.replace(old, new)
    path.write_text(text, "utf-8")


def _changes(
    file: SourceFile, checkpoint: bytes, body: bytes, server: Server
) -> Iterator[tuple[str, str]]:
    """What the model.yml says of a file, and what it has to say of the served one."""
    if file.size is not None:
        yield f"size: {file.size}\n", f"size: {len(body)}\n"
    if file.checksum is not None:
        yield file.checksum.value, hashlib.new(file.checksum.algorithm, body).hexdigest()
    for expected in file.contains.values():
        yield f"value: {expected.value}}}", f"value: {_sha1(checkpoint)[: len(expected.value)]}}}"
    for source in file.sources:
        if isinstance(source, HttpSource):
            yield source.url, server.serve(urlsplit(source.url).path.lstrip("/"), body)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def packed(spec: ModelSpec, checkpoint: bytes) -> bytes:
    """The published file: the checkpoint, or the archive that the model's steps unpack it from."""
    if not spec.postprocessing:
        return checkpoint
    (step,) = spec.postprocessing
    assert isinstance(step, UnpackArchive)
    if step.format == "zip":
        return zipped({spec.checkpoint: checkpoint})
    return _tar_gz(spec.checkpoint, checkpoint)


def _tar_gz(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=0) as archive:
        for folder in reversed(Path(name).parents[:-1]):
            entry = tarfile.TarInfo(folder.as_posix())
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def checkpoint_of(name: str, network) -> bytes:
    """A network's weights, written as those of a model are published."""
    return _FORMS.get(name, as_params)(network)


def as_pth(network) -> bytes:
    """A plain state dict."""
    return _saved(network.state_dict(), zipped=True)


def as_legacy_pth(network) -> bytes:
    """A plain state dict in the form before PyTorch 1.6."""
    return _saved(network.state_dict(), zipped=False)


def as_training_leaves_it(network) -> bytes:
    """The state of a training on several devices, before PyTorch 1.6."""
    state = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
    optimizer = {"state": {}, "param_groups": [{"lr": 4e-5, "params": list(range(len(state)))}]}
    wrapped = {"state_dict": state, "optimizer": optimizer, "iter": 370000, "current_epoch": 280}
    return _saved(wrapped, zipped=False)


def as_params(network) -> bytes:
    """MXNet's file, under GluonCV's names."""
    return params({name: tensor.numpy() for name, tensor in gluon_names(network).items()})


def gluon_names(network) -> dict[str, object]:
    """The tensors of a network of GluonCV's by the names that they have there."""
    state = network.state_dict()
    norms = {key.removesuffix(".running_mean") for key in state if key.endswith(".running_mean")}
    names = {}
    for key, tensor in state.items():
        parent, _, word = key.rpartition(".")
        if word != "num_batches_tracked":
            names[f"{parent}.{_GLUON_WORDS.get(word, word)}" if parent in norms else key] = tensor
    return names


def _saved(content: object, *, zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


_GLUON_WORDS = {"weight": "gamma", "bias": "beta"}

#: GluonCV's are all .params.
_FORMS: dict[str, Callable[[object], bytes]] = {
    "higher-hrnet-w32-human-pose-estimation": as_legacy_pth,
    "single-human-pose-estimation-0001": as_pth,
    "lightweight-openpose-mobilenet-v1": as_training_leaves_it,
    "human-pose-estimation-3d-0001": as_pth,
}


def assert_ir_is_as_the_original(spec: ModelSpec, out: Path) -> None:
    """The IR of both precisions, below a folder, computes what PyTorch does."""
    for precision, bar in BARS.items():
        _computes_what_pytorch_does(spec, ModelLayout(out, out), precision, bar)


def _computes_what_pytorch_does(
    spec: ModelSpec, layout: ModelLayout, precision: Precision, bar: float
) -> None:
    """The IR has the declared form, and the record beside it says how near it is to the original."""
    record = provenance.read_ir_record(layout.converted_ir_path(spec, precision))
    assert record is not None
    assert all(check.reference.startswith("PyTorch ") for check in record.checks)
    assert 0 < max(check.difference for check in record.checks) <= bar, record.checks
    network = import_openvino().Core().read_model(layout.ir_path(spec, precision))
    ports = [(port.any_name, tuple(port.shape)) for port in (*network.inputs, *network.outputs)]
    assert ports == [(port.name, port.shape) for port in (*spec.inputs, *spec.outputs)]


def assert_peaks_are_the_same(network: Any, spec: ModelSpec, xml: Path) -> None:
    """The IR computes what PyTorch does everywhere, but for signs where two neighbours are a rounding apart."""
    (port,) = spec.inputs
    image = draw_test_image("photo", port.shape, port.layout, 3)
    found = import_openvino().Core().compile_model(xml, "CPU", EXACT)(image)
    with torch.no_grad():
        outputs = network(torch.from_numpy(preprocess(image, port)))
    for name, requested in zip(
        ("heatmaps", "embeddings"), map(torch.Tensor.numpy, outputs), strict=True
    ):
        difference = np.abs(np.abs(found[name]) - np.abs(requested)).max() / np.abs(requested).max()
        assert 0 < difference <= BARS[Precision.FP32]
        assert np.count_nonzero((found[name] < 0) != (requested < 0)) <= 1e-4 * requested.size
