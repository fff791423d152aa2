"""The published file of a network: verified, recognised by how it is built, read by OpenVINO.

OpenVINO tries PyTorch's loaders on any zip that it does not know; so a file that is not what its
framework writes never gets there. Nor does one that would have it open files that nobody verified.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.convert import file_formats
from posezoo.errors import ConversionError
from posezoo.files import verified_files
from posezoo.files.postprocess_state import is_unpacked
from posezoo.ir.ir_writer import without_mmap
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.layout import ModelLayout
from posezoo.spec.model import Framework, ModelSpec, SourceFile
from posezoo.spec.routes import describe_obstacle, select_route
from posezoo.spec.safe_names import explain_unsafe_file_name
from posezoo.spec.yaml_nodes import sanitize

# What people are likely to have at hand instead, to name it in the refusal.
_KINDS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"<": "a web page or XML",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """How the files of a framework are recognised and read.

    Attributes:
        kind: what such a file is called.
        recognises: whether a file is built like one.
        refers_to: the further files that whoever reads it will open, relative to its folder.
        opened: what OpenVINO is given: the file itself, or ONNX made of it.
    """

    kind: str
    recognises: Callable[[Path], bool]
    refers_to: Callable[[Path], Collection[str]] = lambda path: ()
    opened: Callable[[ModelSpec, Path], Path | bytes] = lambda spec, path: path


def _folder(_spec: ModelSpec, path: Path) -> Path:
    return path.parent  # what a SavedModel's variables lie in, too


def _exported(spec: ModelSpec, path: Path) -> bytes:
    from posezoo.convert import pytorch

    return pytorch.export_to_onnx(spec, path)


#: The frameworks whose files can be converted.
READERS: dict[Framework, ModelFormat] = {
    Framework.PYTORCH: ModelFormat("a checkpoint", file_formats.is_checkpoint, opened=_exported),
    Framework.ONNX: ModelFormat("an ONNX model", file_formats.is_onnx, file_formats.external_data_files),
    Framework.TF: ModelFormat("a frozen TensorFlow graph", file_formats.is_frozen_graph),
    Framework.TFLITE: ModelFormat("a TFLite model", file_formats.is_tflite),
}

#: OpenVINO's frontends, by the name that it knows each of them by.
FRONTENDS = {
    Framework.PYTORCH: "onnx",  # what a checkpoint becomes on the way
    Framework.ONNX: "onnx",
    Framework.TF: "tf",
    Framework.TFLITE: "tflite",
}

#: What upstream's code made, once it has run: a path in the layout's ``conversions``.
MADE = "$made_dir"
_SAVED_MODEL = "saved_model.pb"
#: TensorFlow's other ways to keep a network, by how their files' names end.
TENSORFLOW = {
    _SAVED_MODEL: ModelFormat("a TensorFlow SavedModel", file_formats.is_saved_model, opened=_folder),
    ".meta": ModelFormat("a TensorFlow MetaGraph", file_formats.is_meta_graph),
}


def select_format(spec: ModelSpec) -> ModelFormat:
    """The reader for a model's file.

    Raises:
        ConversionError: its route is none of ours (``spec.routes``).
    """
    way = select_route(spec)
    if not way.is_available:
        raise ConversionError(f"{spec.full_name}: {describe_obstacle(spec, way)}", hint=way.hint)
    if spec.framework is Framework.TF:
        forms = (reader for ending, reader in TENSORFLOW.items() if _name_of(spec).endswith(ending))
        return next(forms, READERS[Framework.TF])
    return READERS[spec.framework]


def verify_source_model(spec: ModelSpec, layout: ModelLayout) -> Path:
    """The file to convert.

    Its bytes, and those of all the other files, are the promised ones: they are read, and no stamp is
    believed, since the self-check would hold a damaged original against itself.

    Raises:
        ConversionError: one is not there, or holds other bytes than model.yml promises.
    """
    path = source_model_path(spec, layout)
    for expected in spec.files:
        if not is_unpacked(expected, spec, layout, rehash=True):
            _verify(spec, layout, expected)
    if not path.is_file():  # where a published archive was not unpacked
        raise ConversionError(f"{path}: is not there", hint=f"posezoo download {spec.full_name}")
    _verify_unpacked(spec, path)
    return path


def is_source_verified(spec: ModelSpec, layout: ModelLayout) -> bool:
    """Whether the file to convert and all the others were found good once, and not touched since."""
    return (
        bool(spec.files)
        and spec.source_model in spec.files
        and all(
            file.checksum is not None
            and verified_files.has_verified_record(layout.file_path(spec, file), file.checksum)
            for file in spec.files
        )
    )


def source_model_path(spec: ModelSpec, layout: ModelLayout) -> Path:
    """Where the file to convert lies.

    Raises:
        ConversionError: the model names none, or none that is published.
    """
    if not spec.files:
        raise ConversionError(
            f"{spec.full_name}: its model.yml names no file", hint="add the original to its files"
        )
    name = _name_of(spec)
    if layout.conversions is not None and name.startswith(f"{MADE}/"):
        return layout.conversions / name.removeprefix(f"{MADE}/")
    if name.startswith("$") or explain_unsafe_file_name(name):  # $conv_dir/net.onnx
        raise ConversionError(
            f"{spec.full_name}: cannot be converted yet: {sanitize(name)} is none of its published files",
            hint="it would be made by code that comes with the model: --allow_upstream_code",
        )
    return layout.custom_checkpoint(spec) or layout.model_download_dir(spec) / name


def _name_of(spec: ModelSpec) -> str:
    original = spec.source_model if spec.files else ""
    name = original if isinstance(original, str) else original.name
    if any(flag == "--saved_model_dir" for flag, _ in spec.mo_args):
        return posixpath.join("" if name == "$dl_dir" else name, _SAVED_MODEL)
    return name


def _verify(spec: ModelSpec, layout: ModelLayout, expected: SourceFile) -> None:
    path = layout.file_path(spec, expected)
    hint = f"posezoo download {spec.full_name}"
    if not path.is_file():
        raise ConversionError(f"{path}: is not there", hint=hint)
    if not expected.is_pinned:
        raise ConversionError(
            f"{path}: nothing says what it must hold",
            hint=f"{hint} --trust_on_first_use, with the same --lock",
        )
    size = path.stat().st_size
    if expected.size not in (None, size):
        raise ConversionError(f"{path}: has {size} bytes, model.yml promises {expected.size}", hint=hint)
    if not verified_files.is_verified_file(path, expected, trust_record=False, remember=False):
        record = "posezoo.lock" if expected.first_use or expected.by_lock else "model.yml"
        raise ConversionError(f"{path}: holds other bytes than {record} promises", hint=hint)


def _verify_unpacked(spec: ModelSpec, path: Path) -> None:
    """Hold what was unpacked from an archive against what its publisher states of it."""
    for archive in spec.files:
        for member, expected in archive.contains.items():
            if posixpath.join(posixpath.dirname(archive.name), member) != _name_of(spec):
                continue
            # Of a tag only the first digits are known: enough to see damage.
            if not verified_files.compute_digest(path, expected.algorithm).value.startswith(expected.value):
                raise ConversionError(
                    f"{path}: is not what {archive.name} holds",
                    hint=f"remove it; posezoo download {spec.full_name} unpacks it again",
                )


def read_network(spec: ModelSpec, path: Path, *, keep_onnx: Path | None = None) -> Any:
    """The network of a verified file.

    Args:
        spec: the model.
        path: its file.
        keep_onnx: where to write the ONNX that is made on the way, where one is.

    Returns:
        An ``openvino.Model``.

    Raises:
        ConversionError: the file is not of the declared framework, refers to files that the model does
            not have, or OpenVINO cannot read it.
        CheckpointError: a checkpoint cannot be read, or does not fit its network.
        NetworkError: the network cannot be built as declared.
        OutputError: the ONNX cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old; or torch is not, for a checkpoint.
    """
    source = open_for_frontend(spec, path)
    if isinstance(source, bytes) and keep_onnx is not None:
        verified_files.write_atomically(keep_onnx, source)
    try:  # OpenVINO's frontends raise classes of their own, straight below Exception.
        return _read(FRONTENDS[spec.framework], source, [port.name for port in spec.outputs])
    except Exception as error:
        raise ConversionError(f"{path}: OpenVINO cannot read it: {error_text(error)}") from error


def _read(framework: str, source: Path | bytes, outputs: Sequence[str] = ()) -> Any:
    """What ``openvino.convert_model`` gives, byte for byte, in half its time and without its guesses."""
    ov = import_openvino()
    given = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        simplifications = _simplifications()
    except (ImportError, AttributeError):
        # They are OpenVINO's own affair; where it has moved them, it still finds them.
        return ov.convert_model(given)
    if framework == "onnx":
        # The same network; but a frontend that is called from here holds Python's lock all the while.
        network = without_mmap(ov).read_model(given)
    else:
        frontend = ov.frontend.FrontEndManager().load_by_framework(framework)
        loaded = frontend.load(given)
        if framework == "tflite":
            _cut_at_tensors(loaded, outputs)
        network = frontend.convert(loaded)
    for simplify in simplifications:
        simplify(network)
    return network


def _cut_at_tensors(loaded: Any, outputs: Sequence[str]) -> None:
    """Let a network end at inner tensors, whose names this frontend forgets where it turns them."""
    known = {name for place in loaded.get_outputs() for name in place.get_names()}
    places = [loaded.get_place_by_tensor_name(name) for name in outputs]
    if known.issuperset(outputs) or not all(places):
        return
    loaded.override_all_outputs(places)


def _simplifications() -> tuple[Callable[[Any], object], ...]:
    """What OpenVINO's own converter does to each network: 855 operations of a detector's 937 are left."""
    from openvino import _offline_transformations as theirs

    return (
        partial(theirs.apply_moc_transformations, cf=False, smart_reshape=True),
        theirs.compress_quantize_weights_transformation,
    )


def open_for_frontend(spec: ModelSpec, path: Path) -> Path | bytes:
    """What OpenVINO is given of a verified file: the file itself, or the ONNX that is made of a checkpoint.

    Raises:
        ConversionError: the file is not of the declared framework, or refers to files that the model does
            not have.
        PosezooError: no ONNX can be made of a checkpoint; see ``pytorch.export_to_onnx``.
    """
    reader = select_format(spec)
    if not reader.recognises(path):
        raise ConversionError(
            f"{path}: not {reader.kind}, but {_kind_of(path)}",
            hint="check the framework and the files in model.yml",
        )
    _refuse_strangers(spec, path, reader.refers_to(path))
    return reader.opened(spec, path)


def _refuse_strangers(spec: ModelSpec, path: Path, locations: Collection[str]) -> None:
    """Weights may lie in further files of the model, which are verified, and nowhere else."""
    folder = posixpath.dirname(_name_of(spec))
    ours = {file.name for file in spec.files}
    for location in sorted(locations):
        if posixpath.normpath(posixpath.join(folder, location)) not in ours:
            raise ConversionError(
                f"{path}: keeps weights in {sanitize(location)}, which is none of the model's files",
                hint="add it to the files in model.yml, if the model comes with it",
            )


def _kind_of(path: Path) -> str:
    with open(path, "rb") as stream:
        head = stream.read(16)
    if not head:
        return "empty"
    kinds = (kind for magic, kind in _KINDS.items() if head.startswith(magic))
    readers = (*READERS.values(), *TENSORFLOW.values())
    others = (reader.kind for reader in readers if reader.recognises(path))
    return next(kinds, next(others, "something else"))
