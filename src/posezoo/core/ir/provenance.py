"""The record of an IR, provenance.json in its folder: sources, tools, self-check.

Only this file has facts that differ from run to run, such as the time, so the IR is reproducible.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import Decoder, Input, ModelSpec, Precision
from posezoo.core.declarations.upstream_steps import UPSTREAM_STEPS
from posezoo.core.events import (
    AccuracyCompared,
    AccuracySearched,
    Event,
    FloatLayersKept,
    Int8Comparison,
    NodeProof,
    OutputsCompared,
    SpeedCompared,
)
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.files.manifest import NAME, Json, Manifest, parse_manifest
from posezoo.core.ir.complexity import Complexity
from posezoo.core.ir.model_description import MODEL_DESCRIPTION
from posezoo.core.ir.people_metadata import describe_people
from posezoo.core.regular_files import read_small
from posezoo.core.values import frozen
from posezoo.core.versions import package_version, version

#: Incremented if a change of posezoo's conversion changes the bytes of the IR for the same input.
#: 2: each IR has a section model_info.
CONVERSION_FORMAT = 2
#: The same for the decoder in an IR (--decode).
#: 2: scores are within 0..1, and a value that is not finite makes nobody.
DECODING_FORMAT = 2

SUFFIXES = (".xml", ".bin")

#: How an IR compares with its original, as JSON, records and IR say it. One that differs is not
#: written.
EQUAL = "equal"
NOT_COMPARABLE = "cannot be compared"

#: The measurements of an INT8 IR: numbers of photos, displacement of keypoints, numbers of people
#: detected.
SHIFT = (
    *("calibration_photos", "measured_photos", "shift_p50_px", "shift_p90_px"),
    *("found_fp32", "found_int8", "agreement"),
)

#: What else is measured of an INT8 IR, by the attributes of ``Provenance``, which are also the keys
#: of the record.
INT8_EVENTS: dict[type[Event], str] = {
    AccuracyCompared: "accuracy",
    SpeedCompared: "speed",
    OutputsCompared: "outputs",
    FloatLayersKept: "in_float",
    AccuracySearched: "search",
}

# The parts of a record that are read as values of these classes: of the self-check, and of INT8.
_CHECKED: Mapping[str, type[Any]] = {"int8": Int8Comparison, "nodes": NodeProof}
_MEASURED: Mapping[str, type[Any]] = {name: kind for kind, name in INT8_EVENTS.items()}

_NOTHING_READ = "its record names nothing else that read the original"

# Why an IR is out of date, by the part of the key that differs.
_CHANGES = {
    "conversion_format": "it was made by another version of posezoo",
    "decoding_format": "its decoder was made by another version of posezoo",
    "openvino": "it was made by another version of OpenVINO",
    "sources": "it was made from another file",
    "arguments": "model.yml or the flags have changed",
    "people": "model.yml has changed how people are found",
    "model_optimizer": "it was made by another version of Model Optimizer",
    "quantization": "it was made from other photos, settings, FP32 IR or NNCF",
}

_TOOLS = ("openvino", "numpy", "ai-edge-litert", "onnxruntime", "torch", "nncf")


@frozen
class OutputRounding:
    """How far the rounding of the constants to FP16 moves an output: the largest change of a
    value.
    """

    relative: float  # to the output's largest value
    absolute: float
    unit: str = ""  # of ``absolute``, as model.yml declares it


@frozen
class OutputCheck:
    """The self-check of one output; difference and tolerance are relative to the output's largest
    value.
    """

    output: str
    difference: float
    tolerance: float
    reference: str  # the runtime that computed the original's output
    #: None: the IR is not in FP16, or its rounding was not measured.
    rounding: OutputRounding | None = None


@frozen
class Provenance:
    """The content of a provenance.json."""

    #: Everything that the bytes of the IR depend on, from ``conversion_key``.
    key: Mapping[str, object]
    manifest: Manifest  # what the same file lists: size and digest of the .xml and the .bin
    checks: tuple[OutputCheck, ...]  # the outputs that the self-check compared
    #: The ``gflops`` of one inference, and ``mparams``; empty if sizes are dynamic, or if they were
    #: not counted.
    complexity: Mapping[str, float] = field(default_factory=dict)
    #: For an INT8 IR, the displacement of its keypoints against FP32, measured by ``quantize``.
    shift: Mapping[str, float] = field(default_factory=dict)
    #: The outputs whose numbers prove nothing (``self_check.LARGEST_NOISE``).
    unprovable: tuple[str, ...] = ()
    #: Why no other reader than the conversion's own read the original; empty if one did.
    not_compared: str = ""
    #: What was left out of the self-check of a costly network, or the lock that stands for it.
    reduction: str = ""
    nodes: NodeProof | None = None  # None if inner tensors were not to be compared
    int8: Int8Comparison | None = None  # of INT8 that was made with declared ranges
    was_checked: bool = False  # whether the self-check was not skipped
    #: The runtime that the self-check compared the IR with, or, of INT8, the IR before rounding;
    #: empty if there was none.
    reference: str = ""
    checked_at: str = ""  # when the self-check passed: ISO 8601, UTC
    accuracy: AccuracyCompared | None = None  # of an INT8 IR, if it was measured
    speed: SpeedCompared | None = None
    outputs: OutputsCompared | None = None  # if no decoder reads the outputs of an INT8 IR
    in_float: FloatLayersKept | None = None
    search: AccuracySearched | None = None  # the end of the search for layers in floating point
    posezoo: str = ""  # the version that made the IR

    @property
    def proof(self) -> str:
        """``EQUAL`` or ``NOT_COMPARABLE``."""
        is_equal = self.was_checked and not (self.not_compared or self.unprovable)
        return EQUAL if is_equal else NOT_COMPARABLE

    @property
    def dependence(self) -> str:
        """That the IR cannot be compared with its original, and why; empty if it is equal."""
        if not self.not_compared:
            return ""
        return f"cannot be compared with its original, because {self.not_compared}"

    @property
    def sources(self) -> Mapping[str, object]:
        """The digests of the files that the IR was made from, as from ``source_digests``."""
        sources = self.key.get("sources")
        return sources if isinstance(sources, Mapping) else {}


def conversion_key(
    spec: ModelSpec,
    decoder: Decoder | None,
    quantization: Mapping[str, object] | None = None,
    model_optimizer: str = "",
) -> dict[str, Any]:
    """Everything that the bytes of an IR depend on, in JSON's types; equal keys mean equal IR."""
    outputs = [
        {"name": port.name, "shape": port.shape, "layout": port.layout} for port in spec.outputs
    ]
    arguments: dict[str, Any] = {
        "model": spec.name,
        "framework": spec.framework,
        "inputs": list(map(_input_arguments, spec.inputs)),
        "outputs": outputs,
        "decoder": None,
        "skeleton": spec.own_skeleton.to_json() if spec.own_skeleton else spec.skeleton,
    }
    if decoder:
        arguments["decoder"] = {"name": decoder.name, "options": dict(decoder.options)}
    if spec.network:
        chosen = dict(spec.network.arguments)
        arguments["network"] = {"name": spec.network.name, "arguments": chosen}
    if spec.mo_args:
        arguments["mo_args"] = spec.mo_args
        difference = UPSTREAM_STEPS.part.difference(spec)
        if difference and not model_optimizer:
            arguments["unlike_model_optimizer"] = difference
    if spec.model_info:
        arguments["model_info"] = spec.model_info
    if spec.decoding:
        arguments["decoding"] = asdict(spec.decoding)
        del arguments["decoding"]["decoder"]["skeleton"]
    shapes = [port.shape for port in spec.outputs]
    labels = "\n".join(MODEL_DESCRIPTION.part.find_labels(spec, shapes))
    if labels:
        arguments["labels"] = hashlib.sha256(labels.encode()).hexdigest()
    key = {
        "conversion_format": CONVERSION_FORMAT,
        "openvino": package_version("openvino"),
        "sources": source_digests(spec),
        "arguments": arguments,
        "people": describe_people(spec.people),
    }
    of_some = {
        "decoding_format": DECODING_FORMAT if spec.decoding else 0,
        "quantization": quantization,
        "model_optimizer": model_optimizer,
    }
    key |= {name: value for name, value in of_some.items() if value}
    return dict(json.loads(json.dumps(key)))


def ranges_key(spec: ModelSpec, precision: Precision) -> dict[str, object] | None:
    """The key of an IR that is made with the model's ``int8_ranges``; None for any other IR."""
    if precision != Precision.FP16_INT8 or spec.int8_ranges is None or spec.is_ir:
        return None
    return {"ranges": spec.int8_ranges.checksum.value}


def _input_arguments(port: Input) -> dict[str, Any]:
    # dynamic and reshaped only change the shape, which is in the key; usual_size changes nothing,
    # and is_unstated follows from the others.
    # Others are omitted if they are not declared, so that keys from versions without them stay
    # valid.
    declared = asdict(port)
    for name in ("dynamic", "reshaped", "usual_size", "is_unstated"):
        del declared[name]
    for name in ("to_layout", "element_type", "resize", "bounds", "resize_type", "pad_value"):
        if not declared[name]:
            del declared[name]
    return declared


def source_digests(spec: ModelSpec) -> dict[str, str]:
    """The declared digests of a model's published files by name, as ``algorithm:hex``."""
    digests = {}
    for file in spec.files:
        # A digest that is only in the lock must not change the key.
        for name, digest in file.declared_digests.items():
            digests[name] = f"{digest.algorithm}:{digest.value}"
    return digests


def was_made_from(record: Provenance, spec: ModelSpec) -> bool:
    """Whether an IR with this record was made from the files that model.yml declares."""
    declared = source_digests(spec)
    if spec.is_ir:  # with a decoder, it was made from the files of one precision
        declared = {name: declared[name] for name in record.sources if name in declared}
    return record.sources == declared


def read_ir_record(xml: Path) -> Provenance | None:
    """The record beside an IR; None if it is missing or not valid."""
    try:
        return parse_provenance(read_small(xml.with_name(NAME)))
    except OSError:
        return None


def was_calibrated(record: Provenance | None) -> bool:
    """Whether an IR with this record was quantized with photos of the user's."""
    quantization = record.key.get("quantization") if record else None
    return isinstance(quantization, Mapping) and "photos" in quantization


def parse_provenance(content: bytes) -> Provenance | None:
    """The record with this JSON; None if it is not a valid record."""
    try:
        record = parse_json(content, finite=False)  # INT8 may compute nan
        check = record["self_check"] or {}
        reference = str(check.get("reference", ""))
        facts: dict[str, Any] = {
            name: kind(**section[name])
            for section, kinds in ((check, _CHECKED), (record, _MEASURED))
            for name, kind in kinds.items()
            if section.get(name)
        }
        for fact in facts.values():
            str(fact)  # a value of another type is an error
        return Provenance(
            dict(record["key"]),
            parse_manifest(record),
            tuple(
                _read_check(name, output, reference)
                for name, output in check.get("outputs", {}).items()
            ),
            _read_figures(record, "complexity", ("gflops", "mparams")),
            shift=_read_figures(record, "shift", SHIFT),
            unprovable=tuple(map(str, check.get("unprovable", ()))),
            not_compared=str(check.get("not_compared", _NOTHING_READ)),
            reduction=str(check.get("reduction", "")),
            was_checked="reference" in check,
            reference=reference,
            checked_at=str(check.get("checked_at") or record.get("converted_at", "")),
            posezoo=str(record.get("posezoo", "")),
            **facts,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _read_check(name: str, output: Mapping[str, Any], reference: str) -> OutputCheck:
    difference = float(output["difference"])
    tolerance = float(output["tolerance"])
    stated = output.get("rounding")
    rounding = OutputRounding(**stated) if stated else None
    return OutputCheck(name, difference, tolerance, reference, rounding)


def _read_figures(record: Mapping[str, Any], key: str, names: Iterable[str]) -> dict[str, float]:
    if not record.get(key):
        return {}
    return {name: float(record[key][name]) for name in names}


def explain_stale_record(
    xml: Path,
    record: Provenance | None,
    key_now: Callable[[], Mapping[str, object]],
    *,
    is_checked: bool = False,
    is_proven: bool = False,
    by_nodes: bool = False,
) -> str:
    """Why an IR must be made; empty if it exists, is complete, and this record has the same key.

    ``key_now`` computes the key that a conversion would have now; it is called only if there is a
    record. The IR may also have to have passed a self-check, one that proved all outputs, or one of
    inner tensors.
    """
    if not xml.is_file():
        return "it does not exist yet"
    if record is None:
        return "there is no record of how it was made"
    recorded = dict(record.key)
    for name, value in key_now().items():
        if recorded.get(name) != value:
            return _CHANGES[name]
    if changed := explain_changed_files(xml, record):
        return changed
    is_whole = record.search is None or not record.search.is_interrupted
    requirements = (
        (True, is_whole, "the search for its layers in floating point was interrupted"),
        (is_checked, record.was_checked, "it was not self-checked"),
        (
            is_proven,
            not (record.not_compared or record.unprovable),
            "it cannot be compared with its original",
        ),
        (by_nodes, record.nodes is not None, "its self-check compared outputs only"),
    )
    for is_required, is_met, reason in requirements:
        if is_required and not is_met:
            return reason
    return ""


def explain_changed_files(xml: Path, record: Provenance) -> str:
    """Why the files of an IR, which are read, are not those of its record; empty if they are."""
    for path in map(xml.with_suffix, SUFFIXES):
        if not record.manifest.has_bytes(xml.parent, path.name):
            problem = "is not as posezoo wrote it" if path.exists() else "is missing"
            return f"its {path.suffix} {problem}"
    return ""


@frozen
class Int8Record:
    """What only the record of an INT8 IR has.

    Attributes:
        quantization: a part of the key.
        shift: the displacement of its keypoints against FP32.
        events: what else was measured of it, by the names of ``INT8_EVENTS``.
    """

    quantization: Mapping[str, object] | None = None
    shift: Mapping[str, object] | None = None
    events: Mapping[str, Event] = field(default_factory=dict)


def format_provenance(
    spec: ModelSpec,
    decoder: Decoder | None,
    files: Mapping[str, Json],
    *,
    self_check: Mapping[str, object] | None = None,
    complexity: Complexity | None = None,
    int8: Int8Record | None = None,
    model_optimizer: str = "",
) -> bytes:
    """A record as JSON.

    Args:
        files: the entries of the .xml and the .bin in the manifest, by their names.
        self_check: its result, in JSON's types.
        complexity: the cost of one inference; None if sizes are dynamic.
        model_optimizer: the version of the Model Optimizer that made the IR; empty if posezoo made
            it.
    """
    now = datetime.now(timezone.utc)
    tools = {tool: package_version(tool) for tool in _TOOLS}
    int8 = int8 or Int8Record()
    record = {
        "model": spec.name,
        "posezoo": version(),
        "converted_at": now.isoformat(timespec="seconds"),
        "key": conversion_key(spec, decoder, int8.quantization, model_optimizer),
        "tools": {"python": platform.python_version(), **tools},
        "files": files,
        "self_check": self_check,
        "complexity": None if complexity is None else asdict(complexity),
    }
    if int8.shift is not None:
        record["shift"] = int8.shift
    record |= {name: asdict(event) for name, event in int8.events.items()}
    return json.dumps(record, indent=2).encode() + b"\n"
