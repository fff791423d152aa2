"""Types of values in model.yml: the reader and the JSON Schema for editors are both made
from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from posezoo.core.declarations.safe_names import (
    MODEL,
    explain_invalid_model_name,
    explain_unsafe_file_name,
)
from posezoo.core.errors import sanitize
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.yaml_nodes import YamlMapping, YamlNode

ItemT = TypeVar("ItemT")
ItemT_co = TypeVar("ItemT_co", covariant=True)
WordT = TypeVar("WordT", bound=str)
Schema = dict[str, Any]

WORD_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@frozen
class FieldType(Generic[ItemT_co]):
    """A type of value."""

    #: Returns a node's value, or raises SpecError with its position.
    read: Callable[[YamlNode], ItemT_co]
    schema: Schema  # the values as JSON Schema, as far as it can describe them


@frozen
class Key:
    """A key of a mapping."""

    name: str
    type: FieldType[Any]
    note: str = ""  # the description that editors show
    required: bool = False
    attribute: str = ""  # the parameter that takes the value; if empty, it has the key's name


def required_key(name: str, type: FieldType[Any], note: str = "", attribute: str = "") -> Key:
    """A key that every mapping of its kind must have."""
    return Key(name, type, note, required=True, attribute=attribute)


def read_keys(fields: YamlMapping, keys: Iterable[Key]) -> dict[str, Any]:
    """The values of the keys that are given, by attribute; a SpecError if a required key is
    missing.
    """
    values = {}
    for key in keys:
        node = fields[key.name] if key.required else fields.get(key.name)
        if node:
            values[key.attribute or key.name] = key.type.read(node)
    return values


def _describe(key: Key) -> Schema:
    if not key.note:
        return dict(key.type.schema)
    return {**key.type.schema, "description": key.note}


def mapping_schema(keys: Iterable[Key], *, complete: bool = True) -> Schema:
    """A mapping of these keys and no others; with ``complete``, all required keys must be given."""
    keys = tuple(keys)
    properties = {key.name: _describe(key) for key in keys}
    required = {}
    if complete:
        required = {"required": [key.name for key in keys if key.required]}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def record(
    make: Callable[..., ItemT],
    *keys: Key,
    check: Callable[[YamlMapping, ItemT], None] | None = None,
    tag: str = "",
    schema: Schema | None = None,
) -> FieldType[ItemT]:
    """A mapping that is read into one value.

    Args:
        make: takes the values by attribute; its own defaults are used for keys that are not given.
        check: raises SpecError if values contradict each other.
        tag: the mapping's ``$type``; empty if it has none.
        schema: additional parts of the JSON Schema.
    """
    if tag:
        type_name = FieldType(one_of((tag,)).read, {"const": tag})
        keys = (required_key("$type", type_name), *keys)
    names = [key.name for key in keys]

    def read(node: YamlNode) -> ItemT:
        fields = node.as_mapping(names)
        values = read_keys(fields, keys)
        values.pop("$type", None)
        value = make(**values)
        if check:
            check(fields, value)
        return value

    return FieldType(read, mapping_schema(keys) | (schema or {}))


def tagged(types: Mapping[str, FieldType[ItemT]]) -> FieldType[ItemT]:
    """One of several records, by its ``$type``."""

    def read(node: YamlNode) -> ItemT:
        name = node.as_mapping()["$type"].choice(types)
        return types[name].read(node)

    schemas = [field_type.schema for field_type in types.values()]
    return FieldType(read, {"anyOf": schemas})


def list_of(
    item: FieldType[ItemT],
    *,
    minimum: int = 0,
    maximum: int = 10_000,
    empty: str = "",
    unique: Callable[[ItemT], str] | None = None,
) -> FieldType[tuple[ItemT, ...]]:
    """A list of ``minimum`` (0 or 1) to ``maximum`` items; ``empty`` is the error for an empty one.

    If ``unique`` returns the name of an item, all names must differ.
    """

    def read(node: YamlNode) -> tuple[ItemT, ...]:
        nodes = node.as_list(maximum=maximum)
        if len(nodes) < minimum:
            raise node.make_error(empty)
        values = tuple(map(item.read, nodes))
        if unique:
            names = set()
            for child, value in zip(nodes, values, strict=True):
                name = unique(value)
                if name in names:
                    raise child.make_error(f"{sanitize(name)} is given twice")
                names.add(name)
        return values

    schema = {"type": "array", "items": item.schema, "minItems": minimum, "maxItems": maximum}
    return FieldType(read, schema)


def mapping_of(item: FieldType[ItemT]) -> FieldType[dict[str, ItemT]]:
    """A mapping with any keys and values of one type."""

    def read(node: YamlNode) -> dict[str, ItemT]:
        return {key: item.read(value) for key, value in node.as_mapping().items()}

    return FieldType(read, {"type": "object", "additionalProperties": item.schema})


def one_of(words: Iterable[WordT]) -> FieldType[WordT]:
    """One of the given words, or a member of an enum of words."""
    by_text = {str(word): word for word in words}
    return FieldType(lambda node: by_text[node.choice(by_text)], {"enum": list(by_text)})


def integer(minimum: int, maximum: int) -> FieldType[int]:
    """A whole number within bounds."""
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return FieldType(lambda node: node.integer(minimum=minimum, maximum=maximum), schema)


def positive(maximum: float) -> FieldType[float]:
    """A number above 0."""

    def read(node: YamlNode) -> float:
        value = node.number()
        if not 0 < value <= maximum:
            raise node.make_error(f"expected more than 0 and at most {maximum:g}, got {value:g}")
        return value

    return FieldType(read, {"type": "number", "exclusiveMinimum": 0, "maximum": maximum})


def explained(
    explain: Callable[[str], str], problem: str, schema: Schema, *, hint: str = ""
) -> FieldType[str]:
    """A text that is invalid if ``explain`` returns a reason; ``problem`` is the error, with
    ``{text}`` and ``{reason}``.
    """

    def read(node: YamlNode) -> str:
        text = node.text()
        reason = explain(text)
        if reason:
            raise node.make_error(problem.format(text=sanitize(text), reason=reason), hint=hint)
        return text

    return FieldType(read, schema)


def matching(pattern: re.Pattern[str], label: str, *, numbers: bool = True) -> FieldType[str]:
    """A text that matches a pattern, for ``re`` and JSON Schema, as a whole; ``label`` is its name
    in errors.

    ``numbers``: the text may look like a number, which editors read as a number.
    """
    schema: Schema = {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}
    if numbers:
        schema = {"anyOf": [schema, {"type": "number", "minimum": 0}]}
    return explained(
        lambda text: "" if pattern.fullmatch(text) else label,
        "expected {reason}, got {text}",
        schema,
    )


def hex_digits(*lengths: int, label: str) -> FieldType[str]:
    """Hexadecimal digits, read as lower case; ``label`` is their name in errors."""

    def read(node: YamlNode) -> str:
        text = node.text().lower()
        if len(text) not in lengths or not re.fullmatch("[0-9a-f]+", text):
            raise node.make_error(f"expected {label}, got {sanitize(text)}")
        if text.isdecimal() and not node.is_quoted:
            raise node.make_error(
                f"expected {label}, got a number", hint="put the digits in quotes"
            )
        return text

    digits = "[0-9a-fA-F]"
    schemas = [{"type": "string", "pattern": f"^{digits}{{{length}}}$"} for length in lengths]
    return FieldType(read, {"anyOf": schemas} if len(schemas) > 1 else schemas[0])


def ref(name: str) -> Schema:
    """A reference to a definition of the schema; see docs/json_schema.py."""
    return {"$ref": f"#/$defs/{name}"}


NUMBER = FieldType(
    lambda node: node.number(), {"type": "number", "minimum": -1e300, "maximum": 1e300}
)
BOOLEAN = FieldType(lambda node: node.boolean(), {"type": "boolean"})
#: Booleans as Open Model Zoo writes them: YAML 1.1 also accepts yes and no.
OLDER_BOOLEAN = FieldType(
    lambda node: node.boolean(older=True), {"enum": [True, False, "yes", "no", "Yes", "No"]}
)
TEXT = FieldType(lambda node: node.text(), ref("text"))
#: A text as one line.
LINE = FieldType(lambda node: " ".join(node.text().split()), ref("text"))
SCALAR = FieldType(lambda node: node.scalar(), ref("scalar"))
_WORD = matching(WORD_PATTERN, "letters, digits, and . _ + - after the first")
WORD = FieldType(_WORD.read, ref("word"))
WORD_SCHEMA = _WORD.schema
#: A relative path with / between its parts that is safe on every system.
FILE_NAME = explained(
    explain_unsafe_file_name,
    "{text} {reason}",
    ref("file_name"),
    hint="use a relative path with / between its parts",
)
MODEL_NAME = explained(
    explain_invalid_model_name, "{text} is not a model name: {reason}", ref("model_name")
)
MODEL_NAME_SCHEMA = matching(MODEL, "").schema


def names_of(keys: Sequence[Key]) -> tuple[str, ...]:
    """The names of keys, in their order."""
    return tuple(key.name for key in keys)
