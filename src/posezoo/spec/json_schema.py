"""The JSON Schema of model.yml and composite-model.yml, for editors, drawn from the reader's own tables.

What the reader refuses about the structure (missing and unknown keys, wrong types, words, sizes and
names), the schema refuses too; what only shows between values (a mean for each channel, twins, patterns
that explode), the reader alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from posezoo.spec import (
    field_types,
    inputs_outputs,
    mo_args,
    model_yml,
    published_metrics,
    quantization_settings,
    safe_names,
    safe_regex,
    source_files,
)
from posezoo.spec.model import ColorOrder, Framework
from posezoo.spec.yaml_nodes import UNPRINTABLE

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def model_schema() -> Schema:
    """The JSON Schema of model.yml."""
    properties = {
        "description": _ref("text", "One sentence or two; cards show them as they are."),
        "task_type": _one_of(model_yml.TASKS),
        "framework": _one_of(Framework),
        "license": _ref("license", "The terms of the weights: {spdx, text}, or an address."),
        "origin": _mapping({"repository": _ref("web_address"), "paper": _ref("web_address")}),
        "revision": _integer(1, model_yml.MAX_REVISION, "Counts up when the files change."),
        "files": _list(_ref("file"), at_least=1),
        "postprocessing": _list(_ref("step")),
        "network": _ref("network", "One of ours, and its arguments: the checkpoint holds its weights."),
        "checkpoint": _ref("file_name", "One of the files, or what an archive among them holds."),
        "inputs": _list(_ref("input")),
        "outputs": _list(_ref("output")),
        "decoder": _ref("decoder"),
        "skeleton": _ref("word"),
        "self_check": _ref("self_check"),
        "published": _ref("published", "What the publisher says of it."),
        "training": _ref("training"),
        "license_note": _ref("text", "Shown before a download."),
        "limits": _ref("text", "What it cannot do."),
        "deprecated": _ref("deprecated"),
        "variants": _ref("variants", "By tag, the default first: what differs from what is said once."),
        "input_info": _list(_ref("input_info"), note="Open Model Zoo's inputs."),
        "model_optimizer_args": _list(_ref("argument"), note="Open Model Zoo's preprocessing and outputs."),
        "conversion_to_onnx_args": _list(_ref("argument"), note="Run with --allow_upstream_code alone."),
        "model_info": {"type": "object", "additionalProperties": _ref("plain")},
        "quantizable": {"enum": [True, False, "yes", "no", "Yes", "No"]},
        "quantized": _one_of(model_yml.QUANTIZED),
        "quantization": _ref("quantization", "How it becomes INT8."),
    }
    found = _mapping(properties, ("description", "task_type", "framework", "license"))
    somewhere = {"anyOf": [{"required": ["files"]}, {"required": ["variants"]}]}
    exclusive = [{"not": {"required": list(pair)}} for pair in model_yml.EXCLUSIVE]
    return {
        "$schema": DIALECT,
        "title": "model.yml of posezoo",
        **found,
        "allOf": [*exclusive, somewhere, _CHECKPOINT],
        "$defs": _DEFS,
    }


def composite_schema() -> Schema:
    """The JSON Schema of composite-model.yml."""
    properties = {
        "description": _ref("text", "What the parts do together."),
        "task_type": _one_of(model_yml.TASKS),
        "framework": _one_of(Framework),
        "license": _ref("license"),
        "stages": _list(_ref("model_name"), at_least=1, note="In the order they run in."),
        "stages_order": _list(_ref("model_name"), at_least=1, note="Open Model Zoo's word for stages."),
        "decoder": _ref("decoder"),
        "skeleton": _ref("word"),
        "limits": _ref("text"),
        "deprecated": _ref("deprecated"),
    }
    both: Schema = {"not": {"required": ["stages", "stages_order"]}}
    found = {**_mapping(properties, ("task_type",)), **both}
    used = (
        "text",
        "license",
        "web_address",
        "file_name",
        "model_name",
        "decoder",
        "word",
        "scalar",
        "deprecated",
    )
    return {
        "$schema": DIALECT,
        "title": "composite-model.yml of posezoo",
        **found,
        "$defs": {name: _DEFS[name] for name in used},
    }


def _ref(name: str, note: str = "") -> Schema:
    return {"$ref": f"#/$defs/{name}"} | ({"description": note} if note else {})


def _mapping(properties: Schema, required: Iterable[str] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema, *, at_least: int = 0, at_most: int = 10_000, note: str = "") -> Schema:
    found = {"type": "array", "items": items, "minItems": at_least, "maxItems": at_most}
    return found | ({"description": note} if note else {})


def _one_of(words: Iterable[str]) -> Schema:
    return {"enum": [str(word) for word in words]}


def _integer(minimum: int, maximum: int, note: str = "") -> Schema:
    found = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return found | ({"description": note} if note else {})


def _figure(maximum: float) -> Schema:
    return {"type": "number", "exclusiveMinimum": 0, "maximum": maximum}


def _whole(pattern: re.Pattern[str], *, numbers: bool = False) -> Schema:
    """A text that the whole of a pattern matches; ``numbers``: or what YAML takes for a number."""
    text: Schema = {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}
    return {"anyOf": [text, {"type": "number", "minimum": 0}]} if numbers else text


def _hex(digits: int) -> Schema:
    return {"type": "string", "pattern": f"^[0-9a-fA-F]{{{digits}}}$"}


def _tagged(kind: str, **properties: Schema) -> Schema:
    return _mapping({"$type": {"const": kind}, **properties}, ("$type", *properties))


def _file_name() -> Schema:
    """``names.explain_unsafe_file_name`` as a pattern, but for Unicode's composed form."""
    reserved = "|".join(
        "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in name)
        for name in sorted(safe_names.RESERVED)
    )
    forbidden = "".join(f"\\{character}" for character in sorted(safe_names.FORBIDDEN))
    part = r"(?:^|.*/)"  # the beginning of any part
    return {
        "type": "string",
        "pattern": (
            rf"^(?!/)(?!{part}\.{{0,2}}(?:/|$))(?!{part}\s)(?!.*[.\s](?:/|$))(?!{part}(?:{reserved})(?:[./]|$))"
            rf"[^{forbidden}\n\t{UNPRINTABLE.pattern[1:-1]}]{{1,{safe_names.MAX_LENGTH}}}$"
        ),
    }


_PORT: Schema = {"name": _ref("text"), "shape": _ref("shape"), "layout": _ref("layout")}
_NUMBER: Schema = {"type": "number", "minimum": -1e300, "maximum": 1e300}
_NUMBERS = _list(_NUMBER, at_least=1, at_most=4096)
_INPUT: Schema = {
    **_PORT,
    "color": _one_of(ColorOrder) | {"description": "What the network was trained on."},
    "mean": _NUMBERS,
    "scale": _NUMBERS,
    "reverse_input_channels": {"type": "boolean"},
    "dynamic": _list({"type": "string", "pattern": "^[A-Z]$"}, at_most=inputs_outputs.MAX_DIMENSIONS)
    | {"uniqueItems": True, "description": "Dimensions of the layout that --dynamic leaves open."},
}
_OUTPUT: Schema = {
    **_PORT,
    "role": _ref("word"),
    "note": _ref("text"),
    "original": _ref("text", "What the original has in its place, where that is not the same."),
}
_SIZE = _integer(0, source_files.MAX_SIZE, "Bytes: also the most that is ever read.")

_SOURCES: dict[str, Schema] = {
    "http": _tagged("http", url=_ref("address")),
    "google_drive": _tagged("google_drive", id=_whole(source_files.DRIVE_ID, numbers=True)),
    "huggingface": _tagged(
        "huggingface",
        repository=_whole(source_files.REPOSITORY, numbers=True),
        file=_ref("file_name"),
        revision=_whole(source_files.COMMIT, numbers=True),
    ),
    "file": _tagged("file", path=_ref("text")),
    "python_package": _tagged(
        "python_package",
        package=_whole(source_files.PACKAGE, numbers=True),
        version=_ref("word"),
        wheel=_mapping(
            {
                "name": _whole(source_files.WHEEL),
                "size": _integer(1, source_files.MAX_SIZE),
                "sha256": _hex(source_files.HEX_LENGTH["sha256"]),
            },
            ("name", "size", "sha256"),
        ),
        member=_ref("file_name"),
    ),
}

_STEPS: dict[str, Schema] = {
    "regex_replace": _mapping(
        {
            "$type": {"const": "regex_replace"},
            "file": _ref("file_name"),
            "pattern": {"allOf": [_ref("text"), {"maxLength": safe_regex.MAX_LENGTH}]},
            "replacement": {"type": ["string", "number", "boolean"]},
            "count": _integer(0, 1_000_000),
        },
        ("$type", "file", "pattern", "replacement"),
    ),
    "unpack_archive": _tagged(
        "unpack_archive", file=_ref("file_name"), format=_one_of(source_files.ARCHIVES)
    ),
}

#: A network needs its checkpoint, which each variant may say itself; a checkpoint needs its network.
_CHECKPOINT: Schema = {
    "dependentRequired": {"checkpoint": ["network"]},
    "dependentSchemas": {"network": {"anyOf": [{"required": ["checkpoint"]}, {"required": ["variants"]}]}},
}

_DEFS: dict[str, Schema] = {
    # A text that looks like a number or a boolean is a text to the reader, and not to an editor.
    "text": {
        "type": ["string", "number", "boolean"],
        "allOf": [{"pattern": r"\S"}, {"not": {"type": "string", "pattern": UNPRINTABLE.pattern}}],
    },
    "word": _whole(field_types.WORD, numbers=True),
    "model_name": _whole(safe_names.MODEL, numbers=True),
    "scalar": {"allOf": [_ref("text"), {"minimum": -1e300, "maximum": 1e300}]},
    "plain": {
        "anyOf": [
            {"$ref": "#/$defs/scalar"},
            {"type": "array", "items": {"$ref": "#/$defs/plain"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/plain"}},
        ]
    },
    "file_name": _file_name(),
    "web_address": {"type": "string", "pattern": r"^[hH][tT][tT][pP][sS]?://[^\s/?#:@]\S*$"},
    "address": {
        "anyOf": [
            _ref("web_address"),
            {"type": "string", "pattern": r"^[fF][iI][lL][eE]:\S*$"},
            {
                "type": "string",
                "pattern": rf"^(?:{'|'.join(source_files.STORES)})://[^\s/?#:@]\S*/\S*[^\s/]\S*$",
            },
        ]
    },
    "checksum": {
        "anyOf": [
            _hex(source_files.HEX_LENGTH["sha384"]),
            *(_tagged(name, value=_hex(digits)) for name, digits in source_files.HEX_LENGTH.items()),
            {"const": source_files.UNKNOWN},
        ]
    },
    "source": {"anyOf": [_ref("address"), *(_SOURCES[kind] for kind in source_files.SOURCES)]},
    "sources": {"anyOf": [_ref("source"), _list(_ref("source"), at_least=1)]},
    "file": _mapping(
        {
            "name": _ref("file_name", "Relative, with / between folders."),
            "size": {"anyOf": [_SIZE, {"const": source_files.UNKNOWN}]},
            "max_size": _integer(1, source_files.MAX_SIZE, "Bytes: the cap where the size is unknown."),
            "checksum": _ref("checksum", "SHA-384 in hex, {$type, value}, or unknown."),
            "sha256": _hex(source_files.HEX_LENGTH["sha256"]),
            "contains": {
                "type": "object",
                "propertyNames": _ref("file_name"),
                "minProperties": 1,
                "additionalProperties": _tagged(
                    "sha1", value={"anyOf": list(map(_hex, source_files.SHA1_LENGTHS))}
                ),
                "description": "SHA-1 of members of a zip: a weak pin; of 8 digits, none.",
            },
            "source": _ref("sources", "One or a list, tried in order."),
            "original_source": _ref("sources", "Tried last."),
        },
        ("name", "size", "source"),
    )
    | {
        "anyOf": [{"required": [key]} for key in ("checksum", "sha256", "contains")],
        "not": {"required": ["checksum", "sha256"]},
        "if": {"properties": {"size": {"const": source_files.UNKNOWN}}},
        "then": {"required": ["max_size"]},
        "else": {"not": {"required": ["max_size"]}},
    },
    "step": {"anyOf": [_STEPS[kind] for kind in source_files.STEPS]},
    "shape": _list(
        {
            "type": "integer",
            "maximum": inputs_outputs.MAX_DIMENSION,
            "anyOf": [{"const": -1}, {"minimum": 1}],
        },
        at_least=1,
        at_most=inputs_outputs.MAX_DIMENSIONS,
        note="-1 where any size will do.",
    ),
    "layout": {
        "type": "string",
        "pattern": rf"^(?!.*([A-Z]).*\1)(?:{inputs_outputs.LAYOUT.pattern})$",
        "maxLength": inputs_outputs.MAX_DIMENSIONS,
        "description": "Such as NCHW; ? for a dimension without a letter.",
    },
    "input": _mapping(_INPUT, ("name", "shape")),
    "output": _mapping(_OUTPUT, ("name", "shape")),
    "input_info": _mapping(_PORT, ("name",)),
    "argument": {
        "type": "string",
        "pattern": rf"^\s*(?:{mo_args.FLAG})(?:=[^\u0000]*)?\s*$",
        "maxLength": mo_args.MAX_LENGTH,
    },
    "published": _mapping(
        {
            "accuracy": _list(_ref("accuracy")),
            "gflops": _figure(published_metrics.MAX_FIGURE),
            "mparams": _figure(published_metrics.MAX_FIGURE),
            "known_difference": _ref("text", "Why a figure is not what the published weights have."),
        }
    ),
    "accuracy": _mapping(
        {
            "metric": _one_of(published_metrics.METRICS),
            "value": _figure(max(published_metrics.METRICS.values())),
            "dataset": _ref("text"),
            "protocol": _ref("text"),
            "flip": {"type": "boolean"},
            "AP50": _figure(published_metrics.METRICS["AP"]),
            "AP75": _figure(published_metrics.METRICS["AP"]),
            "converted": _figure(max(published_metrics.METRICS.values())),
        },
        ("metric", "value"),
    ),
    "deprecated": _mapping(
        {
            "since": _ref("word", "A date or a version."),
            "use": _ref("model_name", "What to take in its place."),
        },
        ("since",),
    ),
    "training": _mapping({"command": _ref("web_address"), "log": _ref("web_address")}),
    # Of a variant's input or output only what differs must be said.
    "variants": {
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{model_yml.TAG.pattern})$"},
        "minProperties": 1,
        "additionalProperties": _mapping(
            {
                "files": _list(_ref("file"), at_least=1),
                "checkpoint": _ref("file_name"),
                "published": _ref("published"),
                "training": _ref("training"),
                "inputs": _list({"type": "object", "properties": _INPUT, "additionalProperties": False}),
                "outputs": _list({"type": "object", "properties": _OUTPUT, "additionalProperties": False}),
            }
        ),
    },
    "network": {
        "type": "object",
        "properties": {"name": _ref("word")},
        "required": ["name"],
        "additionalProperties": {"allOf": [_ref("text"), {"type": ["string", "integer", "boolean"]}]},
    },
    "decoder": {
        "type": "object",
        "properties": {"name": _ref("word")},
        "required": ["name"],
        "additionalProperties": _ref("scalar"),
    },
    "license": {
        "anyOf": [
            _ref("web_address"),
            _mapping({"spdx": _ref("word"), "text": _ref("file_name")}, ("spdx", "text")),
        ]
    },
    "quantization": _mapping(
        {
            "preset": _one_of(quantization_settings.PRESETS),
            "subset_size": _integer(
                1, quantization_settings.MAX_SAMPLES, "The most samples to calibrate on."
            ),
            "model_type": _one_of(quantization_settings.MODEL_TYPES),
            "max_shift_px": _figure(quantization_settings.MAX_SHIFT_PX),
            "min_agreement": _figure(1),
            "in_float": _list(_ref("in_float"), note="What stays in floating point, and why."),
        }
    ),
    "in_float": _mapping(
        {
            "layers": _list(_ref("text"), note="Globs of names in the FP32 IR."),
            "types": _list(_whole(quantization_settings.OPERATION), note="OpenVINO's operations."),
            "reason": _ref("text"),
        },
        ("reason",),
    )
    | {"anyOf": [{"required": [key], "properties": {key: {"minItems": 1}}} for key in ("layers", "types")]},
    "self_check": _mapping(
        {
            "measure": _one_of(model_yml.MEASURES),
            "inputs": _one_of(model_yml.CHECK_INPUTS),
            "tolerance": {
                "type": "object",
                "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            },
            "reason": _ref("text"),
        },
        ("reason",),
    ),
}
