"""Download the published files of a new model, and read their sizes, digests, inputs and
outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from posezoo.core.convert.file_kinds import explain_model_file
from posezoo.core.convert.formats import FORMATS
from posezoo.core.convert.frontends import VerifiedSource, read_network
from posezoo.core.convert.reader_process import limits_for, run_in_reader_process
from posezoo.core.declarations import model
from posezoo.core.declarations.model_files import CHECKPOINTS
from posezoo.core.declarations.safe_names import case_folded, explain_unsafe_file_name
from posezoo.core.declarations.sources import (
    FileSource,
    HttpSource,
    NpmPackageSource,
    parse_file_url,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.model_download import download_model
from posezoo.core.errors import ConversionError, PosezooError, SettingsError, sanitize
from posezoo.core.events import Listener
from posezoo.core.files.manifest import list_path, read_manifest
from posezoo.core.files.verified_files import set_aside, writing
from posezoo.core.ir.openvino_import import explain_invalid_names, static_sizes
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.resolve.stage_context import Context
from posezoo.formats import list_endings
from posezoo.networks.custom_weights import spec_of_checkpoint
from posezoo.packages.npm_package import NpmClient

#: The download limit, in bytes, for a file of unknown size; no model of the zoo is larger.
MAX_SIZE = 4 << 30
#: Possible numbers of channels of an image; this is the first or the last size after the batch.
_CHANNELS = (1, 3, 4)
#: npm:PACKAGE@VERSION/MEMBER
_NPM_ADDRESS = re.compile(r"npm:(@?[^@]+)@(\d[^/]*)/(.+)")
_PRECISIONS = ("FP16-INT8", "FP32-INT8", "FP16", "FP32")


def guess_framework(addresses: Sequence[str]) -> model.Framework:
    """The framework of published files by the ends of their names; a SettingsError if none is
    known.
    """
    endings = list_endings()
    for ending, framework in endings.items():
        if any(_file_name(address).lower().endswith(ending) for address in addresses):
            return model.Framework(framework)
    problem, hint = explain_model_file(addresses[0])
    if problem:
        raise SettingsError(problem, hint=hint)
    raise SettingsError(
        f"--from: {sanitize(addresses[0])}: its suffix is not that of a known model format",
        hint=f"give a file that ends in {', '.join(endings)}, or add --framework",
    )


def create_draft_spec(
    name: str,
    addresses: Sequence[str],
    framework: model.Framework,
    family: model.Family,
    task: str,
    license: model.License,
) -> model.ModelSpec:
    """The specification of a model with these files before the download.

    A SettingsError if an address has no safe file name, or two files have the same name.
    """
    files: dict[str, model.SourceFile] = {}
    stored = "FP32"
    for path in map(_local_path, addresses):
        is_xml = path.suffix == ".xml" and path.is_file()
        if is_xml and b'element_type="f16"' in read_regular_bytes(path):
            stored = "FP16"
    for address in addresses:
        file_name = _file_name(address)
        if framework is model.Framework.DLDT:
            precisions = [word for word in _PRECISIONS if word in Path(address).parts]
            precision = precisions[0] if precisions else stored
            # An IR is found by the model's name.
            file_name = f"{precision}/{name}{PurePosixPath(file_name).suffix}"
        reason = explain_unsafe_file_name(file_name)
        if reason:
            problem = f"--from: {sanitize(address)}: its name {reason}"
            raise SettingsError(problem, hint="give an address that ends in a file name")
        if case_folded(file_name) in map(case_folded, files):
            problem = f"--from: two files are called {file_name}, at least if case is ignored"
            raise SettingsError(problem, hint="each file needs its own name")
        sources = (_source_of(address),)
        files[file_name] = model.SourceFile(file_name, sources=sources, max_size=MAX_SIZE)
    return model.ModelSpec(
        name,
        family,
        Path(name),
        description="",
        task=task,
        framework=framework,
        license=license,
        files=tuple(files.values()),
    )


def _source_of(address: str) -> model.Source:
    of_npm = _NPM_ADDRESS.fullmatch(address)
    if of_npm is None and address.startswith("npm:"):
        hint = "expected npm:PACKAGE@VERSION/package/FILE"
        raise SettingsError(
            f"--from: {sanitize(address)}: is not a file of an npm package", hint=hint
        )
    if of_npm:
        package, version, member = of_npm.groups()
        return NpmPackageSource(package, version, member)
    if address.startswith(("http://", "https://")):
        return HttpSource(address)
    return FileSource(_local_path(address).absolute())


def _file_name(address: str) -> str:
    if not address.startswith(("http://", "https://", "npm:")):
        return _local_path(address).name
    try:
        return PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        return ""


def _local_path(address: str) -> Path:
    return parse_file_url(address) if address.lower().startswith("file:") else Path(address)


def refuse_sources_in_place(spec: model.ModelSpec, layout: ModelLayout) -> None:
    """Raise a SettingsError if a file would be downloaded to where it is, and removed first."""
    for file in spec.files:
        (source,) = file.sources
        place = layout.file_path(spec, file)
        if not isinstance(source, FileSource) or not place.exists() or not source.path.exists():
            continue
        if place.samefile(source.path):
            raise SettingsError(
                f"--from: {source.path}: is where the download of {spec.name} would be written",
                hint="move this file to another folder, or name another --weights_dir",
            )


def describe_files(
    spec: model.ModelSpec, context: Context, listener: Listener
) -> tuple[model.ModelSpec, str]:
    """Download the files, and add their sizes, SHA-384, inputs and outputs (a checkpoint's are
    those of the only network that reads it) to the model; also the reason if these could not be
    read.

    Raises:
        DownloadError: a file could not be downloaded, or was refused for safety.
        ConversionError: OpenVINO crashes when it reads the model.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    layout = context.layout
    settings = context.settings
    pinned = {}

    def pin(_: model.ModelSpec, file: model.SourceFile, size: int, digest: model.Digest) -> None:
        pinned[file.name] = replace(file, size=size, checksum=digest)

    folder = layout.model_download_dir(spec)
    manifest = read_manifest(folder)
    for file in spec.files:  # an existing file of this name may have other content
        path = layout.file_path(spec, file)
        with writing(path):
            set_aside(path, listener, manifest.digests(list_path(folder, path)))
            path.unlink(missing_ok=True)
    options = replace(context.download_options, first_use=pin, mirrors=())
    with DownloadContext(spec, options) as download:
        spec = replace(spec, files=tuple(_pin_tarball(file, download) for file in spec.files))
    download_model(spec, layout, options, listener=listener)
    files = [pinned[file.name] for file in spec.files]
    if spec.framework is model.Framework.PYTORCH:
        return _describe_checkpoint(replace(spec, files=tuple(files)), layout)
    # A model's first file is the one to convert.
    model_format = FORMATS.find(spec.framework)
    endings = model_format.endings if model_format else ()
    files.sort(key=lambda file: not file.name.lower().endswith(endings))
    spec = replace(spec, files=tuple(files))
    paths = [layout.file_path(spec, file) for file in spec.files]
    limits = limits_for(paths, settings.conversion_timeout, settings.conversion_memory)
    inputs, outputs, reason = run_in_reader_process(
        _read_ports, spec, paths[0], source=paths[0], limits=limits
    )
    return replace(spec, inputs=inputs, outputs=outputs), reason


def _describe_checkpoint(spec: model.ModelSpec, layout: ModelLayout) -> tuple[model.ModelSpec, str]:
    checkpoints = [file for file in spec.files if file.name.lower().endswith(CHECKPOINTS)]
    if len(checkpoints) != 1:
        return spec, f"{len(checkpoints)} of its files are checkpoints"
    path = layout.file_path(spec, checkpoints[0])
    try:
        drafted = spec_of_checkpoint(open_registry(), path)
    except PosezooError as error:
        return spec, error.problem.removeprefix(f"{path}: ")
    described = replace(
        spec,
        network=drafted.network,
        checkpoint=checkpoints[0].name,
        inputs=drafted.inputs,
        outputs=drafted.outputs,
        decoder=drafted.decoder,
        skeleton=drafted.skeleton,
        assumption=drafted.assumption,
    )
    return described, ""


def _pin_tarball(file: model.SourceFile, context: DownloadContext) -> model.SourceFile:
    (source,) = file.sources
    if not isinstance(source, NpmPackageSource):
        return file
    digest = NpmClient(source, file, context).find_tarball().digest
    return replace(file, sources=(replace(source, integrity=digest),))


def _read_ports(
    spec: model.ModelSpec, path: Path
) -> tuple[tuple[model.Input, ...], tuple[model.Output, ...], str]:
    try:
        network = read_network(spec, VerifiedSource(path))
    except ConversionError as error:
        return (), (), error.problem
    problem = explain_invalid_names(network)
    if problem:
        return (), (), problem
    inputs = []
    for name, shape in _describe(network.inputs, "input"):
        inputs.append(model.Input(name, shape, _image_layout(shape)))
    outputs = [model.Output(*described) for described in _describe(network.outputs, "output")]
    return tuple(inputs), tuple(outputs), ""


def _image_layout(shape: Sequence[int]) -> str:
    if len(shape) != 4:
        return ""
    _, second, _, last = shape
    if (second in _CHANNELS) == (last in _CHANNELS):
        return ""
    return "NCHW" if second in _CHANNELS else "NHWC"


def _describe(ports: list[Any], kind: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for index, port in enumerate(ports):
        # TensorFlow calls the first output of an operation x "x:0"; converters call it "x".
        names = {name.removesuffix(":0") for name in port.get_names()} or {f"{kind}_{index}"}
        shape = port.get_partial_shape()
        sizes = static_sizes(shape) if shape.rank.is_static else ()
        shortest = min(names, key=lambda name: (len(name), name))
        yield shortest, sizes
