"""The published files of a new model: fetched, and described by what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from posezoo.download.model_download import download_model
from posezoo.download.options import DownloadOptions
from posezoo.errors import SettingsError
from posezoo.events import Listener, ignore_event
from posezoo.layout import ModelLayout
from posezoo.spec.model import (
    Digest,
    Family,
    FileSource,
    Framework,
    HttpSource,
    License,
    ModelSpec,
    Source,
    SourceFile,
)
from posezoo.spec.safe_names import explain_unsafe_file_name
from posezoo.spec.yaml_nodes import sanitize

#: More than any model of the zoo: the most that is read of a file of which nothing is known yet.
MAX_SIZE = 4 << 30
_FRAMEWORKS = {
    ".tflite": Framework.TFLITE,
    ".onnx": Framework.ONNX,
    ".pb": Framework.TF,
    ".xml": Framework.DLDT,
    ".pth": Framework.PYTORCH,
    ".pt": Framework.PYTORCH,
    ".safetensors": Framework.PYTORCH,
    ".params": Framework.PYTORCH,
}
_PRECISIONS = ("FP16-INT8", "FP32-INT8", "FP16", "FP32")


def guess_framework(addresses: Sequence[str]) -> Framework:
    """What published files were made with, by their names' ends.

    Raises:
        SettingsError: none of them is a network that posezoo reads.
    """
    for address in addresses:
        if framework := _FRAMEWORKS.get(PurePosixPath(_name(address)).suffix.lower()):
            return framework
    hint = f"name a file that ends in {', '.join(_FRAMEWORKS)}; or say --framework"
    raise SettingsError(
        f"--from: {sanitize(addresses[0])}: is no network that is known by its name", hint=hint
    )


def create_draft_spec(name: str, addresses: Sequence[str], framework: Framework, family: Family) -> ModelSpec:
    """A model of these files, of which nothing else is known yet.

    Raises:
        SettingsError: an address is none, or two files have one name.
    """
    files: dict[str, SourceFile] = {}
    for address in addresses:
        file = _file(address, framework)
        if file.name in files:
            raise SettingsError(
                f"--from: two files are called {file.name}", hint="each needs a name of its own"
            )
        files[file.name] = file
    return ModelSpec(
        name, family, Path(name), "", "human_pose_estimation", framework, License(), tuple(files.values())
    )


def _file(address: str, framework: Framework) -> SourceFile:
    name = _name(address)
    if framework is Framework.DLDT:
        precision = next((each for each in _PRECISIONS if f"/{each}/" in address), "FP32")
        name = f"{precision}/{name}"
    if reason := explain_unsafe_file_name(name):
        raise SettingsError(
            f"--from: {sanitize(address)}: its name {reason}", hint="give an address that ends in a name"
        )
    return SourceFile(name, None, None, (_source(address),), max_size=MAX_SIZE)


def _source(address: str) -> Source:
    if address.startswith(("http://", "https://")):
        return HttpSource(address)
    return FileSource(Path(address.removeprefix("file://")).absolute())


def _name(address: str) -> str:
    try:
        return PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        return ""


def download_draft_files(
    spec: ModelSpec, layout: ModelLayout, download_options: DownloadOptions, listener: Listener = ignore_event
) -> ModelSpec:
    """The model with size and SHA-384 of each file, which lie in the layout afterwards.

    Raises:
        FetchError: a file is to be had nowhere, or not safely.
    """
    pins: dict[str, tuple[int, Digest]] = {}

    def remember(_: ModelSpec, file: SourceFile, size: int, digest: Digest) -> None:
        pins[file.name] = size, digest

    for file in spec.files:  # what lies there from before is nobody's promise
        layout.file_path(spec, file).unlink(missing_ok=True)
    download_model(spec, layout, replace(download_options, first_use=remember, mirrors=()), listener=listener)
    files = (replace(file, size=pins[file.name][0], checksum=pins[file.name][1]) for file in spec.files)
    return replace(spec, files=tuple(files))
