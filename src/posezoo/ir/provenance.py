"""The record beside an IR: what it was made from, with what, when, and how it was proven.

The IR itself holds nothing that changes from run to run; everything that does is here.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from posezoo.spec.model import Decoder, Digest, Input, ModelSpec
from posezoo.versions import package_version, version

#: Counts up whenever our own conversion writes other bytes from the same input.
CONVERSION_FORMAT = 1

#: The two files of an IR.
SUFFIXES = (".xml", ".bin")

#: What a record says of an INT8 IR: how many photos taught it and how many it was measured on, how far points
#: moved there, and how many people were found.
SHIFT = (
    "calibration_photos",
    "measured_photos",
    "shift_p50_px",
    "shift_p90_px",
    "found_fp32",
    "found_int8",
    "agreement",
)

#: Tells whether a file has so many bytes, of this digest.
IsGood = Callable[[Path, int, Digest], bool]

# What it means that a part of the key is another one.
_CHANGES = {
    "conversion_format": "it was made by another posezoo",
    "openvino": "it was made by another OpenVINO",
    "sources": "it was made from another file",
    "arguments": "model.yml or the flags say otherwise now",
    "model_optimizer": "it was made by another Model Optimizer",
    "quantization": "it was made of other photos, settings, FP32 IR or NNCF",
}

_TOOLS = ("openvino", "numpy", "ai-edge-litert", "onnxruntime", "torch", "nncf")


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a published file holds."""

    size: int  # bytes
    digest: Digest


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """What the self-check found of one output; difference and tolerance as shares of its largest value."""

    output: str
    difference: float
    tolerance: float
    reference: str  # the runtime that computed the original


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a record says.

    Attributes:
        key: what the IR was made from, as ``key_of`` gives it.
        contents: what the two files hold, by suffix: ``.xml`` and ``.bin``.
        checks: what was proven; empty where the self-check was left out.
        complexity: what one inference takes, as ``gflops`` and ``mparams``; empty where sizes are open, or
            nobody counted.
        shift: of an INT8 IR, how far what it finds lies from what FP32 finds, as ``quantize`` measured it.
    """

    key: Mapping[str, object]
    contents: Mapping[str, FileContent]
    checks: tuple[OutputCheck, ...]
    complexity: Mapping[str, float] = field(default_factory=dict)
    shift: Mapping[str, float] = field(default_factory=dict)


def conversion_key(
    spec: ModelSpec,
    decoder: Decoder | None,
    quantization: Mapping[str, object] | None = None,
    model_optimizer: str = "",
) -> dict[str, Any]:
    """Everything that decides the bytes of an IR: equal keys, equal IR. In JSON's types."""
    arguments: dict[str, Any] = {
        "model": spec.name,
        "framework": spec.framework,
        "inputs": [_facts_of(port) for port in spec.inputs],
        "outputs": [{"name": port.name, "shape": port.shape, "layout": port.layout} for port in spec.outputs],
        "decoder": None if decoder is None else {"name": decoder.name, "options": dict(decoder.options)},
        "skeleton": spec.skeleton,
    }
    if spec.network is not None:
        arguments["network"] = {"name": spec.network.name, "arguments": dict(spec.network.arguments)}
    if spec.mo_args:
        arguments["mo_args"] = spec.mo_args
    if spec.model_info:
        arguments["model_info"] = spec.model_info
    key = {
        "conversion_format": CONVERSION_FORMAT,
        "openvino": package_version("openvino"),
        "sources": source_digests(spec),
        "arguments": arguments,
    }
    if quantization is not None:
        key["quantization"] = quantization
    if model_optimizer:
        key["model_optimizer"] = model_optimizer
    return dict(json.loads(json.dumps(key)))


def _facts_of(port: Input) -> dict[str, Any]:
    """What is declared of an input and shows in the IR."""
    # What might be left open, or was asked for, is in the shape.
    left_out = {"dynamic", "reshaped"} | {each for each in _NEWER if not getattr(port, each)}
    return {key: value for key, value in asdict(port).items() if key not in left_out}


# They are in the key where they are said, so that IR of before stay as good as they were.
_NEWER = ("to_layout", "element_type", "resize")


def source_digests(spec: ModelSpec) -> dict[str, str]:
    """The digests of a model's published files, or of what pins them, by name, as ``algorithm:hex``."""
    # What a lock knows besides must not make another IR.
    return {
        name: f"{digest.algorithm}:{digest.value}"
        for file in spec.files
        for name, digest in file.declared_digests.items()
    }


def read_provenance(path: Path) -> Provenance | None:
    """The record in a file; None where there is none that can be understood."""
    try:
        record = json.loads(path.read_bytes())
        contents = {
            Path(name).suffix: FileContent(int(entry["size"]), Digest("sha384", str(entry["sha384"])))
            for name, entry in record["files"].items()
        }
        complete = set(contents) == set(SUFFIXES)
        if not complete:
            return None
        found = record.get("complexity")
        costs = {name: float(found[name]) for name in ("gflops", "mparams")} if found else {}
        found = record.get("shift")
        shift = {name: float(found[name]) for name in SHIFT} if found else {}
        return Provenance(dict(record["key"]), contents, _checks(record["self_check"]), costs, shift)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def camera_input_flags(record: Provenance, spec: ModelSpec) -> str:
    """The flags by which an IR came to take pictures otherwise than model.yml says; each after a blank."""
    arguments = record.key.get("arguments")
    inputs = arguments.get("inputs") if isinstance(arguments, Mapping) else None
    said: dict[str, None] = {}
    for declared, made in zip(spec.inputs, inputs if isinstance(inputs, list) else (), strict=False):
        if not isinstance(made, Mapping):
            continue
        if (element_type := made.get("element_type", "")) != declared.element_type:
            said[f"--input_type {element_type}"] = None
        if (layout := made.get("to_layout", "")) != declared.to_layout:
            said[f"--input_layout {layout or declared.layout}"] = None
        if made.get("resize") and not declared.resize:
            said["--resize"] = None
    return "".join(f" {flag}" for flag in said)


def explain_stale_record(
    xml: Path, key_now: Callable[[], Mapping[str, object]], is_good: IsGood, *, is_checked: bool = False
) -> str:
    """Why an IR has to be made; empty where it is there, whole, and has a record that says so.

    Args:
        xml: where it lies, its record beside it.
        key_now: what it would be made from now; asked only where something is there.
        is_good: decides whether a file holds what the record says.
        is_checked: whether it must have been proven, too.
    """
    if not xml.is_file():
        return "there is none yet"
    record = read_provenance(xml.with_name("provenance.json"))
    if record is None:
        return "there is no record of how it was made"
    for name, value in key_now().items():
        if record.key.get(name) != value:
            return _CHANGES[name]
    for suffix, content in record.contents.items():
        if not is_good(xml.with_suffix(suffix), content.size, content.digest):
            return f"its {suffix} is not the file that was published"
    if is_checked and not record.checks:
        return "it was not self-checked"
    return ""


def _checks(metrics: Any) -> tuple[OutputCheck, ...]:
    if metrics is None:
        return ()
    return tuple(
        OutputCheck(name, float(found["difference"]), float(found["tolerance"]), str(metrics["reference"]))
        for name, found in metrics["outputs"].items()
    )


def format_provenance(
    spec: ModelSpec,
    decoder: Decoder | None,
    files: Mapping[str, FileContent],
    self_check: object | None,
    complexity: object | None = None,
    quantization: Mapping[str, object] | None = None,
    shift: Mapping[str, object] | None = None,
    model_optimizer: str = "",
) -> bytes:
    """A record as JSON.

    Args:
        spec: the model.
        decoder: what is written into the IR as its decoder.
        files: what the .xml and the .bin hold, by name.
        self_check: the self-check's figures, in JSON's types; None where there was no check.
        complexity: ``gflops`` and ``mparams``; None where sizes are open.
        quantization: what else decides the bytes of an INT8 IR; None for any other.
        shift: how far what an INT8 IR finds lies from what FP32 finds.
        model_optimizer: the version of the Model Optimizer that made it; empty where we did.
    """
    record = {
        "model": spec.name,
        "posezoo": version(),
        "converted_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "key": conversion_key(spec, decoder, quantization, model_optimizer),
        "origins": {file.name: [str(source) for source in file.sources] for file in spec.files},
        "tools": {"python": platform.python_version(), **{tool: package_version(tool) for tool in _TOOLS}},
        "files": {
            name: {"size": content.size, content.digest.algorithm: content.digest.value}
            for name, content in files.items()
        },
        "self_check": self_check,
        "complexity": complexity,
        **({} if shift is None else {"shift": shift}),
    }
    return json.dumps(record, indent=2).encode() + b"\n"
