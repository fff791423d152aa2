"""An IR or ONNX file in memory: its metadata, and changes to its inputs and outputs before it is
compiled.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property
from math import inf, isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from posezoo.core.declarations.model import ORIGINALS, Digest, Precision
from posezoo.core.declarations.model_files import ULTRALYTICS_FILE
from posezoo.core.errors import InferenceError, sanitize, suggest
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir.openvino_import import (
    add_mean_and_scale,
    error_text,
    explain_invalid_names,
    import_openvino,
    is_quantized,
    name_ports,
    openvino_core,
    static_sizes,
)
from posezoo.core.ir.people_metadata import PIPELINE
from posezoo.core.layout import precision_of
from posezoo.core.regular_files import LFS_HINT, explain_lfs_pointer, explain_no_file, open_regular
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Core, Model

Shape = tuple[int, ...]

_LAYOUTS = ("NCHW", "NHWC")

#: DETRPose's name for the input that is the size of the photo.
PHOTO_SIZE = "orig_target_sizes"

#: What Ultralytics' exporter writes to the metadata of ONNX, and beside an IR to metadata.yaml.
_AUTHOR = "Ultralytics"
_ULTRALYTICS_KEYS = (
    "author",
    "task",
    "kpt_shape",
    "kpt_names",
    "names",
    "imgsz",
    "stride",
    "license",
)
_MAX_METADATA = 64 << 10


@frozen
class Preprocessing:
    """The preprocessing of images that is added to the graph.

    Attributes:
        layout: of the network's own input, NCHW or NHWC; empty: the IR's, else the one that its
            shape fits.
        reverse_input_channels: whether red and blue are exchanged, as the first step.
        mean: is subtracted, one value for each channel of the network or one for all; empty: none.
        scale: divisor after the mean is subtracted; empty: none.

    Raises:
        InferenceError: a mean or scale is not finite, or a scale is 0.
    """

    layout: str = ""
    reverse_input_channels: bool = False
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(isfinite, (*self.mean, *self.scale))) or 0 in self.scale:
            raise InferenceError(
                f"images cannot be normalized by mean {self.mean} and scale {self.scale}",
                hint="a scale is a divisor: it cannot be 0, and 1 changes nothing",
            )


class Graph:
    """An IR from disk, which may be changed before it is compiled.

    Attributes:
        path: the path of the .xml, whose .bin is in the same folder, or of an ONNX file.
        files: this file and those with its weights.
        decoding: how a decoder in the graph was made, as JSON (``ir_writer``); empty if there is
            none.
        changes: the changes since it was read, as texts; different changes have different texts.
        takes_images: whether it was prepared for images.
        unnamed: the inputs and outputs that had no name, and got one by their place.

    Raises:
        InferenceError: the IR is missing or damaged.
        MissingPackageError: OpenVINO is not installed.
    """

    def __init__(self, xml: Path) -> None:
        self.path = xml
        # Otherwise OpenVINO tries all its readers and prints errors.
        self.files = network_files(xml)
        try:
            self.model = _read_model(openvino_core(extra="run"), xml)
        except RuntimeError as error:
            kind, verb = "an IR", "convert"
            if is_named_original(xml):
                kind, verb = _KINDS[xml.suffix.lower()], "export"
            raise InferenceError(
                f"{xml}: cannot be read as {kind}: {error_text(error)}",
                hint=f"{verb} the model again",
            ) from error
        if problem := explain_invalid_names(self.model):
            raise InferenceError(
                f"{xml}: {problem}", hint="rename it in the original, and convert it again"
            )
        self.unnamed = name_ports(self.model)
        self.changes: list[str] = []
        self.takes_images = False
        self.decoding = self.read_rt_info("posezoo", "decoding")
        try:
            self._resizes = self._disable_resize()
        except (ValueError, RuntimeError) as error:
            raise self.refuse("resize", "is not that of its inputs") from error
        self._freeze_photo_size()

    @cached_property
    def digests(self) -> dict[Path, Digest]:
        """The SHA-384 of each of ``files``, which are read once.

        Raises:
            OSError: one cannot be read.
        """
        return {file: compute_digest(file) for file in self.files}

    def _disable_resize(self) -> frozenset[str]:
        """Set the inputs of an IR that resizes images itself (convert --resize) to the network's
        size, and return their names.

        Our letterbox keeps the aspect of images, and a resize in the graph does not.
        """
        texts = self.read_rt_info("posezoo", "resize").split("; ")
        ports = zip(self.model.inputs, texts, strict=False)
        sides = {
            port_name(port): tuple(map(int, text.split())) for port, text in ports if text.strip()
        }
        shapes = {name: list(self.inputs[name]) for name in sides}
        for name, shape in shapes.items():
            layout = self.image_layout(name)
            shape[layout.index("H")], shape[layout.index("W")] = sides[name]
        if sides:
            self.model.reshape(shapes)
            self.changes.append(f"own size {sides}")
        return frozenset(sides)

    def _freeze_photo_size(self) -> None:
        """Let DETRPose return keypoints in pixels of its image input: the size of the photo, which
        is another input, becomes a constant, the size of that input.
        """
        sizes = next((port for port in self.model.inputs if PHOTO_SIZE in port.names), None)
        layouts = {name: self.image_layout(name) for name in self.inputs}
        image = next(filter(layouts.get, layouts), "")
        if sizes is None or not image:
            return
        size = self.image_size(image, layouts[image])
        ov = import_openvino(extra="run")
        constant = ov.op.Constant(sizes.get_element_type(), ov.Shape([1, 2]), [*size])
        for target in sizes.get_target_inputs():
            target.replace_source_output(constant.output(0))
        self.model.remove_parameter(sizes.get_node())
        self.changes.append(f"photo size {size}")

    def __reduce__(self) -> tuple[type[Graph], tuple[Path]]:
        return Graph, (self.path,)

    @property
    def precision(self) -> Precision | None:
        """What its folder is named after, else FP16-INT8 if it is quantized; None: unknown."""
        if named := precision_of(self.path):
            return named
        return Precision.FP16_INT8 if is_quantized(self.model) else None

    @property
    def stored_precision(self) -> Precision:
        """That of its weights, whatever its folder is named after."""
        constants = (node for node in self.model.get_ops() if node.get_type_name() == "Constant")
        has_halves = any(node.get_element_type().get_type_name() == "f16" for node in constants)
        if is_quantized(self.model):
            return Precision.FP16_INT8 if has_halves else Precision.FP32_INT8
        return Precision.FP16 if has_halves else Precision.FP32

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shape by input name; -1 stands for any size."""
        ports = self.model.inputs
        return {port_name(port): static_sizes(port.partial_shape) for port in ports}

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shape by output name; an output with several names is listed under each of them."""
        return {
            name: static_sizes(port.partial_shape)
            for port in self.model.outputs
            for name in sorted(port.names)
        }

    @property
    def distinct_outputs(self) -> dict[str, Shape]:
        """The shape by output name; each output is listed once."""
        ports = self.model.outputs
        return {min(port.names): static_sizes(port.partial_shape) for port in ports}

    @property
    def input_types(self) -> dict[str, Any]:
        """The numpy type of each input, by its name."""
        return {port_name(port): port.get_element_type().to_dtype() for port in self.model.inputs}

    @property
    def decoded_outputs(self) -> tuple[str, ...]:
        """The names of the outputs of an IR that contains its decoder; empty for any other IR."""
        return tuple(port.any_name for port in self.model.outputs if self.decoding)

    def read_proof(self) -> tuple[str, str]:
        """How the IR compares with its original, and why if it cannot be compared; empty if its
        metadata do not say it.
        """
        return self.read_rt_info("posezoo", "proof"), self.read_rt_info("posezoo", "not_compared")

    def read_compared(self) -> dict[str, str]:
        """How each output was compared with the original's, by its name; empty if the metadata do
        not say it.
        """
        with suppress(ValueError):
            stated = json.loads(self.read_rt_info("posezoo", "compared") or "{}")
            return {str(name): str(words) for name, words in dict(stated).items()}
        return {}

    def read_rt_info(self, *path: str) -> str:
        """The text at a path of the IR's metadata (rt_info); empty if there is none.

        Raises:
            InferenceError: it is not UTF-8.
        """
        keys = list(path)
        try:
            if self.model.has_rt_info(keys):
                return str(self.model.get_rt_info(keys).astype(str))
            return ""
        except UnicodeDecodeError as error:
            raise InferenceError(
                f"{self.path}: {'.'.join(path)} in its rt_info is not UTF-8"
            ) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """The JSON object at a key of our metadata; empty if there is none.

        Raises:
            InferenceError: it is no JSON object, or nested too deep.
        """
        text = self.read_rt_info("posezoo", name)
        try:
            return parse_json(text.encode()) if text else {}
        except ValueError as error:
            raise self.refuse(name, f"cannot be read: {error}") from error

    def read_decoding_score(self) -> float:
        """The score below which a decoder in the graph drops people.

        Raises:
            InferenceError: it is not stated.
        """
        try:
            return float(self.read_json("decoding")["min_score"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.refuse("decoding", "has no min_score") from error

    def refuse(self, name: str, problem: str) -> InferenceError:
        """The error of metadata that posezoo would not write."""
        where = f"{self.path}: {name} in its rt_info"
        return InferenceError(f"{where} {problem}", hint="convert the model again")

    def read_pipeline(self, name: str) -> str:
        """What it says of how people are found (``people_metadata``); empty if it says nothing."""
        return self.read_rt_info("posezoo", PIPELINE, name)

    def read_model_info(self, name: str) -> str:
        """The text of a key of Model API's ``model_info``; empty if there is none.

        ONNX has it as a property of its metadata, and so has an IR that was made from it.
        """
        for path in (
            ("model_info", name),
            ("framework", f"model_info {name}"),
            ("framework", name),
        ):
            text = self.read_rt_info(*path).strip()
            if text:
                return "" if text == "None" else text
        return ""

    @cached_property
    def ultralytics(self) -> Mapping[str, Any]:
        """What Ultralytics' exporter says of the model: ``kpt_shape``, the number of keypoints and
        that of their values, ``kpt_names``, ``names``, those of the classes by number, ``imgsz``
        and ``stride``; empty if the metadata do not name it as the author.
        """
        # An ONNX has its own metadata.
        is_onnx = self.path.suffix.lower() == ".onnx"
        beside = "" if is_onnx else _read_ultralytics_texts(self.path)
        texts = (f"{key}: {self.read_rt_info('framework', key)}" for key in _ULTRALYTICS_KEYS)
        for text in (beside, "\n".join(texts)):
            try:
                has_aliases = any(isinstance(each, yaml.AliasEvent) for each in yaml.parse(text))
                metadata = {} if has_aliases else yaml.safe_load(text)
            except (yaml.YAMLError, ValueError, RecursionError):
                continue
            if isinstance(metadata, dict) and metadata.get("author") == _AUTHOR:
                return metadata
        return {}

    def state_ultralytics(self) -> None:
        """Write what Ultralytics' exporter says of the model into the metadata of the IR."""
        for key in _ULTRALYTICS_KEYS:
            value = self.ultralytics.get(key)
            text = f"{value}"
            if isinstance(value, dict | list):
                text = yaml.safe_dump(value, default_flow_style=True, width=inf).strip()
            if value is not None:
                self.model.set_rt_info(text, ["framework", key])

    def image_layout(self, name: str) -> str:
        """The layout of an image input: NCHW or NHWC; empty if it is unknown."""
        declared = str(self.model.input(name).get_node().layout).strip("[]").replace(",", "")
        if declared in _LAYOUTS:
            return declared
        shape = self.inputs[name]
        fitting = (
            layout for layout in _LAYOUTS if len(shape) == 4 and shape[layout.index("C")] == 3
        )
        return next(fitting, "")

    def image_size(self, name: str, layout: str) -> tuple[int, int]:
        """Width and height of an image input; -1 stands for any size."""
        shape = self.inputs[name]
        return shape[layout.index("W")], shape[layout.index("H")]

    def keep_outputs(self, outputs: Collection[str]) -> None:
        """Keep only these outputs, in this order, with only the given names; parts that only others
        need are not computed.

        Raises:
            InferenceError: there is no such output.
        """
        ports = {name: port for port in self.model.outputs for name in port.names}
        for name in outputs:
            if name not in ports:
                raise InferenceError(
                    f"{self.path}: no output {name}: it has {', '.join(sorted(ports))}",
                    hint=suggest(name, ports),
                )
        ov = import_openvino(extra="run")
        # OpenVINO ends the process if a network has a result twice.
        results = {ports[name].node.get_name(): ports[name].node for name in outputs}
        for name in outputs:
            ports[name].set_names(ports[name].names & {*outputs})
        kept = ov.Model([*results.values()], self.model.get_parameters(), self.model.get_name())
        for section, info in self.model.rt_info.items():
            kept.set_rt_info(info, section)
        self.model = kept
        self.changes.append(f"keep only {list(outputs)}")

    def resize(self, name: str, layout: str, size: tuple[int, int]) -> None:
        """Make an input with this layout, NCHW or NHWC, take images of another size, width and
        height in pixels.

        Raises:
            InferenceError: the network supports only its own size.
        """
        if self.image_size(name, layout) == size:
            return
        if self.decoded_outputs:
            raise InferenceError(
                f"{self.path}: contains its decoder, which is for its own size",
                hint="leave out the size, or convert it without --decode",
            )
        if name in self._resizes:
            raise InferenceError(
                f"{self.path}: resizes images itself",
                hint="leave out the size, or convert it without --resize",
            )
        shape = list(self.inputs[name])
        shape[layout.index("W")], shape[layout.index("H")] = size
        problem = f"cannot be reshaped to {size[0]}x{size[1]}"
        hint = "this IR supports only its own size"
        self._reshape({name: shape}, f"resize {name} {shape}", problem, hint)

    def fix_dynamic_sizes(self, size: tuple[int, int] | None) -> bool:
        """Give image inputs of dynamic height or width a fixed ``size``, height and width in
        pixels, and return whether any was dynamic.

        Raises:
            InferenceError: a size is dynamic and none is given, or the network refuses this one.
        """
        dynamic = {name: shape for name, shape in self.inputs.items() if -1 in shape[1:]}
        for name, shape in dynamic.items():
            layout = self.image_layout(name)
            if size is None or not layout:
                raise InferenceError(
                    f"{self.path}: its input {name}, {format_shape(shape)}, has a dynamic size",
                    hint="give height and width: --size H,W" if layout else "",
                )
            self.resize(name, layout, (size[1], size[0]))
        return bool(dynamic)

    def set_batch(self, batch: int) -> None:
        """Make every inference take a batch of images, the first side of every input.

        Raises:
            InferenceError: the network refuses the batch, or its outputs would not grow with it.
        """
        if all(shape[:1] == (batch,) for shape in self.inputs.values()):
            return
        hint = "the batch is a constant in the graph: only its own batch is supported"
        declared_batch = max([1, *(shape[0] for shape in self.inputs.values() if shape)])
        before: dict[str, Shape] = {}
        for images in (declared_batch, batch):
            before = self.outputs
            shapes = {name: [images, *shape[1:]] for name, shape in self.inputs.items() if shape}
            self._reshape(shapes, f"batch {images}", f"refuses a batch of {images}", hint)
        for name, shape in self.outputs.items():
            # If the batch is a constant in the graph, reshaping may succeed and mix up the images.
            is_known = -1 not in (*shape, *before[name])
            if is_known and prod(shape) * declared_batch != prod(before[name]) * batch:
                raise InferenceError(
                    f"{self.path}: refuses a batch of {batch}: its output {name} would be"
                    f" {format_shape(shape)}, and is {format_shape(before[name])} for a batch of"
                    f" {declared_batch}",
                    hint=hint,
                )

    def _reshape(self, shapes: dict[str, list[int]], change: str, problem: str, hint: str) -> None:
        try:
            self.model.reshape(shapes)
        except RuntimeError as error:
            raise InferenceError(
                f"{self.path}: {problem}: {error_text(error)}", hint=hint
            ) from error
        self.changes.append(change)

    def embed_preprocessing(self, name: str, preprocessing: Preprocessing) -> None:
        """Make an input take raw images, uint8 (1, height, width, 3), which the graph preprocesses.

        Raises:
            InferenceError: the input takes no images, or the preprocessing does not fit it.
        """
        ov = import_openvino(extra="run")
        prepared = ov.preprocess.PrePostProcessor(self.model)
        self.changes.append(f"take images {name} {preprocessing}")
        self.takes_images = True
        image = prepared.input(name)
        image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
        image.model().set_layout(ov.Layout(preprocessing.layout or self.image_layout(name)))
        steps = image.preprocess()
        if preprocessing.reverse_input_channels:
            steps.reverse_channels()
        if preprocessing.mean or preprocessing.scale:
            steps.convert_element_type(ov.Type.f32)
        add_mean_and_scale(steps, preprocessing.mean, preprocessing.scale)
        try:
            self.model = prepared.build()
        except RuntimeError as error:
            raise InferenceError(
                f"{self.path}: input {name} does not fit the preprocessing: {error_text(error)}"
            ) from error


#: The versions of the format that OpenVINO reads; 10 came with OpenVINO 2020.1.
_IR_VERSIONS = (10, 11)
_STATED_VERSION = re.compile(rb"""<net\b[^>]*?\sversion\s*=\s*["'](\d{1,4})["']""")

_KINDS = {".onnx": "ONNX", ".pdmodel": "PaddlePaddle"}

#: By the names of models, the .xml of an IR or the graph that was read from it.
NamedIrs = Mapping[str, Path | Graph]


def read_graph(ir: Path | Graph) -> Graph:
    """The graph of a file, or one that was read from it."""
    return ir if isinstance(ir, Graph) else Graph(ir)


def _read_ultralytics_texts(network: Path) -> str:
    """The metadata beside a network, or as an archive at the end of a TFLite file."""
    folder = network if network.is_dir() else network.parent
    with suppress(OSError), open_regular(folder / ULTRALYTICS_FILE) as stream:
        return stream.read(_MAX_METADATA).decode("utf-8", "replace")
    if network.suffix.lower() != ".tflite":
        return ""
    # JSON is YAML, but for numbers as keys; earlier versions wrote Python's text of a dict.
    with suppress(OSError, ValueError, LookupError, zipfile.BadZipFile, zlib.error):
        with open_regular(network) as stream:
            archive = zipfile.ZipFile(stream)
            text = archive.open(archive.namelist()[0]).read(_MAX_METADATA)
        return re.sub(r'"(\d+)":', r"\1:", text.decode("utf-8", "replace"))
    return ""


def is_named_original(path: Path) -> bool:
    """Whether a file is an original that OpenVINO reads instead of an IR, by its name."""
    return path.suffix.lower() in ORIGINALS


def _read_model(core: Core, path: Path) -> Model:
    content = None
    if path.suffix.lower() == ".onnx":
        from posezoo.core.convert.feature_steps import ONNX_REWRITING

        content = ONNX_REWRITING.part.before_reading(path, is_compared=False)
    return core.read_model(path if content is None else io.BytesIO(content))


def network_files(path: Path) -> tuple[Path, ...]:
    """The files of a network: the .xml and .bin of an IR, or an original and its weights.

    Raises:
        InferenceError: one is missing, or the first is not such a network.
    """
    _refuse_lfs_pointer(path)
    files = _require_original(path) if is_named_original(path) else _require_ir(path)
    for file in files[1:]:
        _refuse_lfs_pointer(file)
    return files


def _refuse_lfs_pointer(file: Path) -> None:
    if problem := explain_lfs_pointer(file):
        raise InferenceError(f"{file}: {problem}", hint=LFS_HINT)


def _require_ir(xml: Path) -> tuple[Path, ...]:
    weights = xml.with_suffix(".bin")
    _require_file_of_ir(xml)
    with open_regular(xml) as stream:
        beginning = stream.read(1024)
    if b"<net" not in beginning:
        raise InferenceError(f"{xml}: is not an IR", hint="posezoo convert creates one")
    # OpenVINO would try all its other readers for a version that it cannot read.
    stated = _STATED_VERSION.search(beginning)
    version = int(stated[1]) if stated else _IR_VERSIONS[-1]
    problem = f"{xml}: is an IR of version {version}; OpenVINO reads versions 10 and 11"
    if version < _IR_VERSIONS[0]:
        raise InferenceError(
            f"{problem}, this one is from OpenVINO before 2020",
            hint="an IR cannot be updated: convert the original model again",
        )
    if version not in _IR_VERSIONS:
        raise InferenceError(problem, hint="update OpenVINO, or convert the original model again")
    _require_file_of_ir(weights)
    return xml, weights


def _require_file_of_ir(file: Path) -> None:
    if problem := explain_no_file(file):
        hint = "" if file.exists() else "posezoo convert creates it"
        raise InferenceError(f"{file}: {problem}", hint=hint)


def _require_original(path: Path) -> tuple[Path, ...]:
    from posezoo.core.convert.formats import FORMATS

    model_format = FORMATS.find(ORIGINALS[path.suffix.lower()])
    assert model_format
    if problem := explain_no_file(path):
        raise InferenceError(f"{path}: {problem}")
    if not model_format.recognises(path):
        raise InferenceError(
            f"{path}: is not a complete {_KINDS[path.suffix.lower()]} file",
            hint="export the model again",
        )
    weights = [path.parent / name for name in sorted(model_format.external_files(path))]
    for file in weights:
        if not file.is_file():
            problem = f"{path}: its weights {sanitize(file.name)} are not beside it"
            raise InferenceError(problem, hint="copy them, or export the model again")
    return path, *weights


def port_name(port: Any) -> str:
    """The name of a port, without those of tensors that OpenVINO merged with it."""
    name: str = port.node.get_friendly_name()
    return name if name in port.names else str(port.any_name)


def format_shape(shape: Shape) -> str:
    """A shape as text, such as 1x3x256x456, with ? for any size."""
    return "x".join("?" if side == -1 else str(side) for side in shape) or "scalar"
