"""The JSON Schema of model.yml and composite-model.yml for editors, made from the reader's tables
of keys.

Both refuse the same mistakes of structure; only the reader finds mistakes that depend on several
values or their meaning.
"""

from __future__ import annotations

import re

from posezoo.core.declarations import model_yml, safe_names, skeleton_yml, source_files, sources
from posezoo.core.declarations.field_types import (
    MODEL_NAME_SCHEMA,
    WORD_SCHEMA,
    Schema,
    mapping_schema,
    ref,
)
from posezoo.core.declarations.yaml_nodes import UNPRINTABLE
from posezoo.core.download.source_types import SOURCE_TYPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def model_schema() -> Schema:
    """The JSON Schema of model.yml."""
    schema = mapping_schema(model_yml.MODEL_KEYS)
    schema["properties"]["variants"] = model_yml.VARIANTS_SCHEMA
    exclusive = [{"not": {"required": list(pair)}} for pair in model_yml.EXCLUSIVE]
    # A network needs its checkpoint, which each variant may declare; a checkpoint needs its
    # network.
    checkpoint: Schema = {
        "if": {"required": ["checkpoint"], "properties": {"framework": {"const": "pytorch"}}},
        "then": {"required": ["network"]},
        "dependentSchemas": {"network": _require_somewhere("checkpoint")},
    }
    schema["required"].remove("framework")
    somewhere = [_require_somewhere(key) for key in ("files", "framework")]
    schema["allOf"] = [*exclusive, *somewhere, checkpoint]
    return _document("model.yml of posezoo", schema)


def _require_somewhere(key: str) -> Schema:
    return {"anyOf": [{"required": [key]}, {"required": ["variants"]}]}


def composite_schema() -> Schema:
    """The JSON Schema of composite-model.yml."""
    schema = mapping_schema(model_yml.COMPOSITE_KEYS)
    for name in ("stages", "stages_order"):
        schema["properties"][name] = schema["properties"][name] | {"minItems": 1}
    schema["not"] = {"required": ["stages", "stages_order"]}
    return _document("composite-model.yml of posezoo", schema)


def skeleton_schema() -> Schema:
    """The JSON Schema of a skeleton's file."""
    return _document("A skeleton of posezoo", skeleton_yml.SKELETON.schema)


def _document(title: str, schema: Schema) -> Schema:
    unprintable = _pattern(UNPRINTABLE.pattern)
    array = {"type": "array", "items": ref("plain")}
    mapping = {"type": "object", "additionalProperties": ref("plain")}
    file_address = _pattern(r"^[fF][iI][lL][eE]:\S*$")
    stores = "|".join(sources.STORES)
    store_address = _pattern(rf"^(?:{stores})://[^\s/?#:@]\S*/\S*[^\s/]\S*$")
    # A source is a URL, or of one of the built-in types: some bring their keys with them.
    types = filter(None, map(SOURCE_TYPES.find, SOURCE_TYPES.builtin))
    added = [each.field_type.schema for each in types if each.field_type]
    definitions: dict[str, Schema] = {
        # The reader reads a text that looks like a number or a boolean as text; an editor does not.
        "text": {
            "type": ["string", "number", "boolean"],
            "allOf": [{"pattern": r"\S"}, {"not": unprintable}],
        },
        "word": WORD_SCHEMA,
        "model_name": MODEL_NAME_SCHEMA,
        "scalar": {"allOf": [ref("text"), {"minimum": -1e300, "maximum": 1e300}]},
        "plain": {"anyOf": [ref("scalar"), array, mapping]},
        "file_name": _file_name(),
        "web_address": _pattern(r"^[hH][tT][tT][pP][sS]?://[^\s/?#:@]\S*$"),
        "address": {"anyOf": [ref("web_address"), file_address, store_address]},
        "source": {"anyOf": [*sources.SOURCE.schema["anyOf"], *added]},
        "file": source_files.FILE.schema,
        "skeleton": skeleton_yml.SKELETON.schema,
        "published": model_yml.PUBLISHED.schema,
        "training": model_yml.TRAINING.schema,
    }
    return {"$schema": DIALECT, "title": title, **schema, "$defs": definitions}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def _file_name() -> Schema:
    """``safe_names.explain_unsafe_file_name`` as a pattern, without the check of Unicode's composed
    form.
    """

    def any_case(text: str) -> str:
        return "".join(f"[{c.upper()}{c}]" if c.isalpha() else re.escape(c) for c in text)

    reserved = "|".join(map(any_case, sorted(safe_names.RESERVED)))
    posezoo_folder = any_case(safe_names.OWN)
    forbidden = "".join(f"\\{character}" for character in sorted(safe_names.FORBIDDEN))
    unprintable = UNPRINTABLE.pattern[1:-1]
    part = r"(?:^|.*/)"  # the beginning of any part
    return _pattern(
        rf"^(?!/)(?!{part}{posezoo_folder})(?!{part}\.{{0,2}}(?:/|$))(?!{part}\s)(?!.*[.\s](?:/|$))"
        rf"(?!{part}(?:{reserved})\s*(?:[./]|$))"
        rf"[^{forbidden}\n\t{unprintable}]{{1,{safe_names.MAX_LENGTH}}}$"
    )
