"""Write a network as .xml and .bin, with the same names, description and bytes in every run."""

from __future__ import annotations

import errno
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np

from posezoo.core.declarations.model import Decoder, Input, ModelSpec, Plain, Precision
from posezoo.core.declarations.safe_names import OWN
from posezoo.core.errors import DiskError, OutputError
from posezoo.core.files import verified_files
from posezoo.core.files.staging import WRITE_HINTS
from posezoo.core.ir.model_description import MODEL_DESCRIPTION
from posezoo.core.ir.openvino_import import error_text, import_openvino, static_sizes
from posezoo.core.ir.people_metadata import PIPELINE, UNSTATED, describe_people
from posezoo.core.ir.provenance import CONVERSION_FORMAT, source_digests

if TYPE_CHECKING:
    from openvino import Model, Node

#: posezoo's section of an IR's rt_info; read back with ``model.get_rt_info([SECTION, "mean"])``.
SECTION = "posezoo"

#: The largest number of FP16; OpenVINO replaces larger ones with it.
LARGEST_HALF = 65504.0

#: The section of an IR's rt_info that other programs read.
MODEL_INFO = "model_info"

# It matches names such as Constant_7188 and Transpose_12_compressed: OpenVINO numbers the
# operations that it creates, with one counter for all models of a process.
_NUMBERED = re.compile(r"[A-Za-z][A-Za-z0-9]*_\d+(?:_.*)?")


def prepare_for_writing(network: Model, spec: ModelSpec, decoder: Decoder | None) -> None:
    """Give a network, which is changed, canonical names and the description of its model (rt_info).

    Operations that OpenVINO numbered become ``<Type>_<k>``, where k counts in topological order; a
    name is the original's if a tensor of the operation also has it.
    """
    rename_numbered_operations(network)
    for name, value in build_rt_info(spec, decoder).items():
        network.set_rt_info(value, [SECTION, name])
    pipeline = describe_people(spec.people)
    if any(port.is_unstated for port in spec.inputs):
        pipeline["preparation"] = UNSTATED
    for name, value in pipeline.items():
        network.set_rt_info(value, [SECTION, PIPELINE, name])
    if network.has_rt_info([MODEL_INFO]):
        if spec.is_ir and not spec.decoding:
            return  # INT8 of a published IR, whose own description is still right
        del network.rt_info[MODEL_INFO]
    declared = set(spec.output_names)  # they decide between several names of an output
    shapes = {}
    for port in network.outputs:
        if port.partial_shape.rank.is_static:
            name = min(declared & port.names or port.names, default="")
            shapes[name] = static_sizes(port.partial_shape)
    if info := MODEL_DESCRIPTION.part.build_model_info(shapes, spec, decoder):
        network.set_rt_info(_format_plain(info), [MODEL_INFO])


def state_proof(xml: Path, proof: str, reason: str, compared: Mapping[str, str]) -> None:
    """Write into an IR on disk how it compares with its original, why if it cannot be compared, and
    how each output was: ``proof``, ``not_compared`` and, as JSON, ``compared`` of its section of
    the rt_info.
    """
    allowed = "".join(each if each.isprintable() else " " for each in reason)  # in XML
    facts = {"proof": proof, "not_compared": allowed}
    facts["compared"] = json.dumps(dict(compared)) if compared else ""
    lines = [
        f"\n\t\t\t<{name} value={quoteattr(value)} />" for name, value in facts.items() if value
    ]
    content = xml.read_bytes()
    network, section, description = content.rpartition(b"<%b>" % SECTION.encode())
    stated = network + section + "".join(lines).encode() + description
    verified_files.write_atomically(xml, stated, lasting=False)


def rename_numbered_operations(network: Model) -> None:
    """Give operations that OpenVINO numbered the same names in each run."""
    numbered = []
    kept_names = set()
    for operation in network.get_ordered_ops():
        if _is_numbered(operation):
            numbered.append(operation)
        else:
            kept_names.add(operation.get_friendly_name())
    counts: Counter[str] = Counter()
    for operation in numbered:
        kind = operation.get_type_name()
        while (name := f"{kind}_{counts[kind]}") in kept_names:
            counts[kind] += 1
        counts[kind] += 1
        operation.set_friendly_name(name)


def _is_numbered(operation: Node) -> bool:
    kind = operation.get_type_name()
    name = operation.get_friendly_name()
    if kind == "Parameter" or not _NUMBERED.fullmatch(name):
        return False
    return kind == "Result" or all(name not in port.names for port in operation.outputs())


def _format_plain(value: Plain) -> Any:
    """A value as Open Model Zoo writes it: the items of a list are separated by spaces."""
    if isinstance(value, Mapping):
        return {name: _format_plain(member) for name, member in value.items()}
    if isinstance(value, tuple):
        return " ".join(str(_format_plain(item)) for item in value)
    return _join_numbers((value,)) if isinstance(value, float) else str(value)


def build_rt_info(spec: ModelSpec, decoder: Decoder | None) -> dict[str, str]:
    """The description that is stored in an IR, so that it can be used without its model.yml; the
    same in each run and on each machine.

    Numbers are separated by spaces, the values of several inputs, in order, by ``; ``.
    """
    facts = {
        "model": spec.name,
        "conversion_format": str(CONVERSION_FORMAT),
        "sources": json.dumps(source_digests(spec), sort_keys=True),
        **_describe_inputs(spec.inputs),
        "skeleton": spec.skeleton,
        "own_skeleton": spec.own_skeleton.to_json() if spec.own_skeleton else "",
    }
    if decoder:
        facts["decoder"] = decoder.name
        facts["decoder_options"] = json.dumps(dict(decoder.options), sort_keys=True)
    if spec.decoding:
        # The decoder is in the graph; the options of the decoder are then those with which it was
        # put there.
        limits = {"max_people": spec.decoding.max_people, "min_score": spec.decoding.min_score}
        facts["decoding"] = json.dumps(limits, sort_keys=True)
    return {name: value for name, value in facts.items() if value}


def _describe_inputs(inputs: Sequence[Input]) -> dict[str, str]:
    return {
        "mean": _join(_join_numbers(port.mean) for port in inputs),
        "scale": _join(_join_numbers(port.scale) for port in inputs),
        "reverse_input_channels": _join(
            str(port.reverse_input_channels).lower() for port in inputs
        ),
        "color": _join(str(port.ir_color or "") for port in inputs),
        "layout": _join(port.ir_layout for port in inputs),
        "input_type": _join(port.element_type for port in inputs),
        "resize": _join(map(_resized_to, inputs)),
        "resize_type": _join(port.resize_type for port in inputs),
        "pad_value": _join(str(port.pad_value or "") for port in inputs),
    }


def _resized_to(port: Input) -> str:
    if not port.resize:
        return ""
    return " ".join(str(port.shape[port.layout.index(side)]) for side in "HW")


def _join(values: Iterable[str]) -> str:
    texts = list(values)
    return "; ".join(texts) if any(texts) else ""


def _join_numbers(values: tuple[float, ...]) -> str:
    return " ".join(
        f"{value:g}" if float(f"{value:g}") == value else repr(value) for value in values
    )


def _keep_infinities(network: Model) -> Model:
    """The network with its infinite constants in FP16 already: OpenVINO would write 65504 for
    infinity, so a mask of -inf would let something through.
    """
    ov = import_openvino()
    infinite = [
        node.get_friendly_name()
        for node in network.get_ops()
        if node.get_type_name() == "Constant"
        and node.get_element_type() in (ov.Type.f32, ov.Type.f64)
        and np.isinf(node.data).any()
    ]
    if not infinite:
        return network
    kept = network.clone()
    for node in kept.get_ops():
        if node.get_friendly_name() not in infinite:
            continue
        finite = np.clip(node.data, -LARGEST_HALF, LARGEST_HALF)
        half = np.where(np.isinf(node.data), node.data, finite).astype(np.float16)
        constant = ov.op.Constant(half)
        # As OpenVINO names those that it rounds; otherwise it would get a number.
        constant.set_friendly_name(f"{node.get_friendly_name()}_compressed")
        kind = node.get_element_type()
        rounded = ov.opset13.convert(constant, kind.get_type_name(), name=node.get_friendly_name())
        rounded.output(0).set_names(node.output(0).names)
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(rounded.output(0))
    return kept


def _is_complete(xml: Path) -> bool:
    """Whether an IR was written to its end; before 2026, OpenVINO ignores that a disk is full."""
    content = xml.read_bytes()
    places = re.findall(rb'offset="(\d+)" size="(\d+)"', content)
    weights_end = max((int(offset) + int(size) for offset, size in places), default=0)
    ends_well = content.rstrip().endswith(b"</net>")
    return ends_well and xml.with_suffix(".bin").stat().st_size >= weights_end


def write_ir(network: Model, xml: Path, precision: Precision) -> Path:
    """Write an IR: the .xml, whose folder is created, and the .bin beside it; FP16 weights have 16
    bits.

    Raises:
        OutputError: the IR cannot be written completely.
    """
    try:
        xml.parent.mkdir(parents=True, exist_ok=True)
        is_half = precision == Precision.FP16
        written = _keep_infinities(network) if is_half else network
        import_openvino().save_model(written, xml, compress_to_fp16=is_half)
        if not _is_complete(xml):
            raise RuntimeError("basic_ios: the IR ends early")  # as OpenVINO from 2026 on
    except (OSError, RuntimeError) as error:
        kind = OutputError
        reason = error_text(error)
        if "basic_ios" in reason:  # C++ does not keep the reason of the system
            kind = DiskError
            reason = "the disk is full, or a quota or a limit of file sizes is reached"
        folder = next(
            (part.parent for part in xml.parents if part.name.startswith(OWN)), xml.parent
        )
        raise kind(
            f"{folder}: the {precision} IR cannot be written completely: {reason}",
            hint=WRITE_HINTS[errno.ENOSPC] if kind is DiskError else "check the free space there",
        ) from error
    return xml
