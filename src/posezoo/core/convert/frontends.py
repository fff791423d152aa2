"""Verify the published file of a model, recognise it by its content, and read it with OpenVINO.

If OpenVINO does not know a zip archive, it tries PyTorch's loaders, which can run code. So a file
is passed to it only if it has the declared format, and all files that it refers to were verified.
"""

from __future__ import annotations

import io
import math
import os
import posixpath
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NewType

from posezoo.core.arrays import Array
from posezoo.core.convert.feature_steps import ONNX_REWRITING
from posezoo.core.convert.formats import FORMATS, ModelFormat
from posezoo.core.declarations.model import ModelSpec, SourceFile, UnpackArchive
from posezoo.core.declarations.model_files import PADDLE_3
from posezoo.core.declarations.routes import describe_obstacle, select_route
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.declarations.supported_mo_args import SAVED_MODEL_DIR, SAVED_MODEL_FILE
from posezoo.core.declarations.upstream_steps import UPSTREAM_STEPS
from posezoo.core.download.model_download import find_changed_file
from posezoo.core.errors import (
    ConversionError,
    MissingPackageError,
    OutputError,
    import_optional,
    sanitize,
)
from posezoo.core.files import verified_files
from posezoo.core.files.staging import temporary_dir
from posezoo.core.ir.openvino_import import (
    error_text,
    explain_invalid_names,
    import_openvino,
    name_ports,
    openvino_core,
)
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import format_command
from posezoo.core.regular_files import (
    LFS_HINT,
    explain_lfs_pointer,
    open_regular,
)
from posezoo.core.resolve.resolved import UPSTREAM_RESULTS
from posezoo.core.workers.processes import RAISE_MEMORY_HINT, own_limits

#: The path of a file that may be parsed: a published file that was verified, or a file that the
#: user names. Any other file may be crafted to attack the parser. ``verify_source_model`` and
#: ``users_file`` make it.
VerifiedSource = NewType("VerifiedSource", Path)

#: The bytes of a large original.
LARGE = 50_000_000

if TYPE_CHECKING:
    from openvino import Model

# A round takes a microsecond at least. OpenVINO states -1 rounds for a loop without a number.
_MAX_ROUNDS = 100_000_000

# How OpenVINO wants the name of a file to end, by the frontend that reads it.
_GRAPH_ENDINGS = {"onnx": ".onnx", "tf": ".pb"}

# Files that are often found instead of a model, by their first bytes.
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"<": "a web page or XML",
    b"%PDF": "a PDF",
    PADDLE_3: "a network of PaddlePaddle 3 in its new format (PIR)",
}


def select_format(spec: ModelSpec) -> ModelFormat:
    """The format of the file to convert; a ConversionError if posezoo itself cannot convert the
    model.
    """
    route, obstacle = select_route(spec)
    if obstacle:
        raise ConversionError(describe_obstacle(spec, route, obstacle), hint=obstacle.hint)
    model_format = FORMATS.find(spec.framework)
    if model_format is None:
        raise ConversionError(f"{spec.full_name}: files of {spec.framework} cannot be read")
    name = _source_name(spec)
    others = (other for ending, other in model_format.by_file_name.items() if name.endswith(ending))
    return next(others, model_format)


def source_model_path(spec: ModelSpec, layout: ModelLayout) -> Path:
    """The path of the file to convert; a ConversionError if there is none, or it is not
    published.
    """
    if not spec.files:
        raise ConversionError(
            f"{spec.full_name}: its model.yml names no file", hint="add the original to its files"
        )
    name = _source_name(spec)
    if layout.conversions and name.startswith(f"{UPSTREAM_RESULTS}/"):
        return layout.conversions / name.removeprefix(f"{UPSTREAM_RESULTS}/")
    if name.startswith("$") or explain_unsafe_file_name(name):  # $conv_dir/net.onnx
        raise ConversionError(
            f"{spec.full_name}: cannot be converted yet: {sanitize(name)} is not one of its"
            " published files",
            hint="code that comes with the model would make it: --allow_upstream_code",
        )
    return layout.custom_checkpoint(spec) or layout.download_path(spec, name)


def _source_name(spec: ModelSpec) -> str:
    name = spec.source_name
    if SAVED_MODEL_DIR in dict(spec.mo_args):
        return posixpath.join("" if name == "$dl_dir" else name, SAVED_MODEL_FILE)
    return name


def users_file(spec: ModelSpec, layout: ModelLayout) -> VerifiedSource:
    """The file to convert of a model that the user declares, and trusts; errors as for
    ``source_model_path``.
    """
    return VerifiedSource(source_model_path(spec, layout))


def verify_source_model(spec: ModelSpec, layout: ModelLayout) -> VerifiedSource:
    """Compare all files of the model with their digests, and return the path of the file to
    convert.

    Members of an archive are compared with it, and changed texts with what model.yml makes of the
    published ones: the self-check, which compares the IR with the same file, would not detect what
    somebody changed, together with the manifest.

    Raises:
        ConversionError: a file is missing, or its content differs from that declared in model.yml.
        ArchiveError: an archive cannot be read.
    """
    path = source_model_path(spec, layout)
    hint = format_command("download", spec, layout.download_dir)
    removed = removed_archives(spec, layout)
    for file in spec.files:
        if file not in removed:
            _verify_file(layout.file_path(spec, file), file, hint)
    if not path.is_file():  # an archive was not unpacked
        raise ConversionError(f"{path}: does not exist", hint=hint)
    if changed := find_changed_file(spec, layout):
        raise ConversionError(
            f"{changed[0]}: is not the file that model.yml makes of {changed[1]}",
            hint=f"remove it; {hint} makes it again",
        )
    for archive in spec.files:
        for member, digest in archive.contains.items():
            name = posixpath.join(posixpath.dirname(archive.name), member)
            unpacked = spec.path_beside_source(path, name)
            # The publisher states this digest, or only its first digits; these are enough to detect
            # damage.
            found = verified_files.compute_digest(unpacked, digest.algorithm)
            if not found.value.startswith(digest.value):
                raise ConversionError(
                    f"{unpacked}: differs from the file in {archive.name}",
                    hint=f"remove it; {hint} unpacks it again",
                )
    return VerifiedSource(path)


def is_large(spec: ModelSpec, path: Path) -> bool:
    """Whether the original is read, run and compared step by step, so that one copy of its weights
    is in memory at a time, and not at the same time, which is faster.
    """
    return max(path.stat().st_size, sum(file.size or 0 for file in spec.files)) > LARGE


def removed_archives(spec: ModelSpec, layout: ModelLayout) -> tuple[SourceFile, ...]:
    """The archives that were unpacked and removed, so that nothing shows what they contained."""
    if not source_model_path(spec, layout).is_file():
        return ()
    archives = {step.file for step in spec.postprocessing if isinstance(step, UnpackArchive)}
    return tuple(
        file
        for file in spec.files
        if file.name in archives
        and file.name != _source_name(spec)
        and not os.path.lexists(layout.file_path(spec, file))
    )


def _verify_file(path: Path, file: SourceFile, hint: str) -> None:
    if not path.is_file():
        raise ConversionError(f"{path}: does not exist", hint=hint)
    if not file.is_pinned:
        raise ConversionError(
            f"{path}: its expected content is unknown (no checksum)",
            hint=f"{hint} --trust_on_first_use, with the same --lock",
        )
    _refuse_lfs_pointers(path)
    size = path.stat().st_size
    if file.size not in (None, size):
        raise ConversionError(
            f"{path}: has {size} bytes, model.yml declares {file.size}", hint=hint
        )
    if not verified_files.is_verified_file(path, file):
        raise ConversionError(
            f"{path}: its digest differs from the one in {file.pin_record}", hint=hint
        )


def open_for_frontend(spec: ModelSpec, path: VerifiedSource) -> Path | bytes:
    """OpenVINO's input for a verified file: its path, or the content of a file that is made from
    it.

    Raises:
        ConversionError: the file does not have the declared format, or refers to files that the
            model does not have.
        PosezooError: a checkpoint cannot be exported; see ``formats.pytorch.export_to_onnx``.
    """
    model_format = select_format(spec)
    others = [spec.path_beside_source(path, name) for name in spec.file_names]
    _refuse_lfs_pointers(path, *others)
    if not model_format.recognises(path):
        raise ConversionError(
            f"{path}: not {model_format.kind}, but {_describe_kind(path)}",
            hint="check the framework, and that this is the right file and complete",
        )
    # Weights may only be in further files of the model, because these are verified, or beside the
    # file in its archive.
    source = _source_name(spec)
    names = spec.file_names
    for external in sorted(model_format.external_files(path)):
        is_outside = posixpath.isabs(external) or ".." in external
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), external))
        if name not in names and (is_outside or source in names):
            hint = "add it to the files in model.yml, if the model comes with it"
            raise ConversionError(
                f"{path}: keeps weights in {sanitize(external)}, which is not one of the model's"
                " files",
                hint="save it again with its weights in a file beside it" if is_outside else hint,
            )
        if not (path.parent / external).is_file():
            raise ConversionError(
                f"{path}: keeps weights in {sanitize(external)}, which is missing beside it",
                hint=f"copy {sanitize(external)} from where {sanitize(path.name)} comes from",
            )
    return model_format.openvino_input(spec, path)


def _refuse_lfs_pointers(*paths: Path) -> None:
    for path in paths:
        if problem := explain_lfs_pointer(path):
            raise ConversionError(f"{path}: {problem}", hint=LFS_HINT)


def _describe_kind(path: Path) -> str:
    with open_regular(path) as stream:
        head = stream.read(64)
    if not head:
        return "empty"
    head = head.lstrip() or head  # pages often begin with empty lines
    for magic, kind in _OTHER_KINDS.items():
        if head.startswith(magic):
            return kind
    for _, model_format in FORMATS.items():
        for candidate in (model_format, *model_format.by_file_name.values()):
            if candidate.recognises(path):
                return candidate.kind
    return "something else"


def read_network(spec: ModelSpec, path: VerifiedSource) -> Model:
    """The network (``openvino.Model``) of a verified file, as OpenVINO's own converter reads it.

    Raises:
        ConversionError: see ``open_for_frontend``; or OpenVINO cannot read the file.
        PosezooError: a checkpoint cannot be exported; see ``formats.pytorch.export_to_onnx``.
    """
    model_format = select_format(spec)
    source = open_for_frontend(spec, path)
    steps = UPSTREAM_STEPS.part
    declared = model_format.output_names(path)
    names = [*spec.output_names, *declared.values()]
    try:
        source = steps.read_parts(spec, path) or source
        with temporary_dir() as folder:
            # Of bytes, OpenVINO makes two more copies than of a file; TensorFlow's must be one.
            if isinstance(source, bytes) and (ending := _GRAPH_ENDINGS.get(model_format.frontend)):
                graph = (folder / "graph").with_suffix(ending)
                graph.write_bytes(source)
                source = graph
            if model_format.read_network:
                network = _simplify(model_format.read_network(spec, path))
            else:
                network = _read(model_format, source, spec, names)
    except (ConversionError, MissingPackageError, OutputError, MemoryError):
        raise
    except ImportError as error:
        reason = "" if isinstance(error, ModuleNotFoundError) else str(error)
        package = (error.name or "openvino").partition(".")[0]
        raise MissingPackageError(package, extra="run", reason=reason) from error
    except Exception as error:
        # OpenVINO's frontends raise classes that derive from Exception directly.
        raise ConversionError(f"{path}: OpenVINO cannot read it: {error_text(error)}") from error
    if problem := explain_invalid_names(network):
        raise ConversionError(f"{path}: {problem}", hint="rename it where the file is made")
    if model_format.frontend == "ir":
        name_ports(network)
    _refuse_large_tensors(network, path)
    _refuse_endless_loops(network, path)
    _keep_node_names(network, model_format, spec, path)
    if declared:
        network = _name_ports(network, declared, spec, path)
    return steps.change_network(network, spec, path)


def _refuse_large_tensors(network: Model, path: Path) -> None:
    limits = own_limits()
    if limits is None:
        return
    for node in network.get_ops():
        for port in node.outputs():
            shape = port.get_partial_shape()
            size = (
                math.prod(shape.to_shape()) * port.get_element_type().size if shape.is_static else 0
            )
            if size > limits.memory_bytes:
                raise ConversionError(
                    f"{path}: the output {list(shape.to_shape())} of"
                    f" {sanitize(node.get_friendly_name())} needs {size / 1e9:.1f} GB, the limit of"
                    f" memory is {limits.memory_bytes / 1e9:.1f} GB",
                    hint=RAISE_MEMORY_HINT,
                )


def _refuse_endless_loops(network: Model, path: Path) -> None:
    if (rounds := _count_rounds(network)) > _MAX_ROUNDS:
        raise ConversionError(
            f"{path}: its loops run {rounds:,} times; the limit is {_MAX_ROUNDS:,}",
            hint="the number of rounds of a Loop is too large, or its condition is always true",
        )


def _count_rounds(network: Model) -> int:
    rounds = 0
    for node in network.get_ops():
        if node.get_type_name() != "Loop":
            continue
        body = node.get_function()
        _, place = node.get_special_body_ports()
        goes_on = body.output(place).get_node().input_value(0).get_node()
        most = node.input_value(0).get_node()
        if {goes_on.get_type_name(), most.get_type_name()} == {"Constant"} and goes_on.data.item():
            count = most.data.item()
            rounds += (sys.maxsize if count < 0 else count) * (1 + _count_rounds(body))
    return rounds


def _keep_node_names(
    network: Model, model_format: ModelFormat, spec: ModelSpec, path: Path
) -> None:
    """Add the names of nodes that the model declares as outputs, if OpenVINO does not know them."""
    from posezoo.core.convert.graph_cutting import find_output

    unknown = [port.name for port in spec.outputs if find_output(network, port.name) is None]
    tensors = model_format.node_outputs(path) if unknown else {}
    for name in tensors.keys() & set(unknown):
        if (port := find_output(network, tensors[name])) is not None:
            port.add_names({name})


def _name_ports(network: Model, declared: Mapping[str, str], spec: ModelSpec, path: Path) -> Model:
    from posezoo.core.convert.graph_cutting import cut_outputs, find_output

    for title, name in declared.items():
        port = find_output(network, name)
        if port is None:
            raise ConversionError(f"{path}: its output {sanitize(name)} is not in its graph")
        if find_output(network, title) is None:
            port.add_names({title})
    if spec.outputs:
        return network
    return cut_outputs(network, list(dict.fromkeys(declared.values())), spec.name)


def read_weights(spec: ModelSpec, path: VerifiedSource) -> Iterator[Array]:
    """The weights of a verified file; some may be missing. A ConversionError if the file is
    malformed.
    """
    try:
        yield from select_format(spec).read_weights(spec, path)
    except (struct.error, ValueError, IndexError) as error:
        # The runtimes that read it check less, or read less.
        raise ConversionError(
            f"{path}: its weights cannot be read: {error}",
            hint="it may be damaged: compare it with the file that its authors publish",
        ) from error


def _read(
    model_format: ModelFormat, source: Path | bytes, spec: ModelSpec, outputs: Sequence[str]
) -> Model:
    """Byte for byte the network of ``openvino.convert_model``, in half its time and without its
    guesses.
    """
    ov = import_openvino()
    # Its publisher has simplified it; INT8 weights must keep their type.
    if model_format.frontend == "ir":
        return openvino_core().read_model(source)
    readable = io.BytesIO(source) if isinstance(source, bytes) else source
    if not _simplifications():
        return ov.convert_model(readable)
    if model_format.frontend == "onnx":
        assert isinstance(source, Path)
        network = _read_onnx(source)
    else:
        frontend = ov.frontend.FrontEndManager().load_by_framework(model_format.frontend)
        input_model = frontend.load(readable)
        if model_format.cut_before_conversion:
            model_format.cut_before_conversion(input_model, spec, outputs)
        network = frontend.convert(input_model)
    return _simplify(network)


def _read_onnx(source: Path) -> Model:
    # A frontend that Python calls would not release Python's lock (GIL).
    core = openvino_core()
    rewriting = ONNX_REWRITING.part
    content = rewriting.before_reading(source, is_compared=True)
    try:
        return core.read_model(source if content is None else io.BytesIO(content))
    except RuntimeError as error:
        readable = rewriting.after_failure(content or source, error_text(error))
        if readable is None:
            raise
        return core.read_model(io.BytesIO(readable))


def _simplify(network: Model) -> Model:
    for simplify in _simplifications():
        simplify(network)
    return network


def _simplifications() -> tuple[Callable[[Model], object], ...]:
    """The simplifications that OpenVINO's own converter applies: a detector's 937 operations become
    855.

    They are private to OpenVINO, and another version may move them: then there are none.
    """
    try:
        transformations = import_optional("openvino._offline_transformations", extra="run")
        return (
            partial(transformations.apply_moc_transformations, cf=False, smart_reshape=True),
            transformations.compress_quantize_weights_transformation,
        )
    except (MissingPackageError, AttributeError):
        return ()
