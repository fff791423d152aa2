"""Messages of landmarks and detections that behave as those of protobuf, without that package.

https://protobuf.dev/programming-guides/encoding and https://protobuf.dev/reference/python describe
the format and the methods. The fields are in ``tables.json``.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.convert.protobuf_reader import (
    ProtobufError,
    encode_field,
    encode_varint,
    read_varint,
)
from posezoo.core.values import frozen
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size
from posezoo.solutions.tables import TABLES

# Wire types.
_VARINT, _BYTES, _GROUP, _END_OF_GROUP, _FLOAT = 0, 2, 3, 4, 5
_SIZES = {1: 8, _FLOAT: 4}  # bytes of other values, by wire type
# Protobuf refuses messages that are nested more deeply.
_DEEPEST = 100
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "'": r"\'", "\\": r"\\"}
# Also bytes that are no UTF-8, as "surrogateescape" reads them.
_TO_ESCAPE = re.compile(r"""[\x00-\x1f"'\\\x7f\udc80-\udcff]""")
#: ``LocationData.format``.
FORMATS = ("GLOBAL", "BOUNDING_BOX", "RELATIVE_BOUNDING_BOX", "MASK")


# Of each kind, protobuf's FieldDescriptor.type and cpp_type.
_MESSAGE_TYPES = (11, 10)
_TYPES = {"float": (2, 6), "int64": (3, 2), "int32": (5, 1), "string": (9, 9), "enum": (14, 8)}


_FORMAT_VALUES = [
    SimpleNamespace(name=name, number=number, has_options=False)
    for number, name in enumerate(FORMATS)
]
_FORMAT_TYPE = SimpleNamespace(
    name="Format",
    full_name="mediapipe.LocationData.Format",
    is_closed=True,
    values_by_name={value.name: value for value in _FORMAT_VALUES},
    values_by_number={value.number: value for value in _FORMAT_VALUES},
)


class DecodeError(Exception):
    """The bytes are not those of a message."""


def _to_float32(value: Any) -> float:
    number: float = array("f", [value])[0]
    return number


def _to_int(value: Any) -> int:
    if isinstance(value, float):
        raise TypeError(f"expected an integer, got {value!r}")
    return int(value)


def _to_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value


_CONVERTERS: dict[str, Callable[[Any], Any]] = {"float": _to_float32, "string": _to_text}
_DEFAULTS = {"float": 0.0, "string": ""}


class Repeated(list[Any]):
    """The values of a repeated field."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self._field = field

    def add(self, **values: Any) -> ProtoMessage:
        """Append a message with these values, and return it."""
        added = self._field.message(**values)
        super().append(added)
        return added

    def append(self, value: Any) -> None:
        """Append a copy."""
        super().append(self._field.convert(value))

    def extend(self, values: Iterable[Any]) -> None:
        """Append copies."""
        super().extend([self._field.convert(value) for value in values])

    MergeFrom = extend


@frozen
class Field:
    """A field of a message: a descriptor of Python."""

    name: str
    number: int
    kind: str
    is_repeated: bool = False
    is_packed: bool = False

    @property
    def message(self) -> type[ProtoMessage]:
        """The class of its values."""
        return MESSAGES[self.kind]

    @property
    def is_message(self) -> bool:
        """Whether its values are messages."""
        return self.kind in MESSAGES

    def __getattr__(self, name: str) -> Any:
        """What the package protobuf reads of a field, such as its ``MessageToDict``."""
        kind, cpp_type = _TYPES.get(self.kind, _MESSAGE_TYPES)
        first, *words = self.name.split("_")
        facts = {
            "type": kind,
            "cpp_type": cpp_type,
            "label": 3 if self.is_repeated else 1,
            "full_name": self.name,
            "json_name": first + "".join(map(str.capitalize, words)),
            "message_type": MESSAGES.get(self.kind, ProtoMessage).DESCRIPTOR,
            "enum_type": _FORMAT_TYPE,
            "containing_oneof": None,
            "is_extension": False,
            "has_presence": not self.is_repeated,
        }
        if name not in facts:
            raise AttributeError(name)
        return facts[name]

    def convert(self, value: Any) -> Any:
        """A value as it is stored."""
        if not self.is_message:
            convert: Callable[[Any], Any] = _CONVERTERS.get(self.kind, _to_int)
            return convert(value)
        if isinstance(value, dict):
            return self.message(**value)
        if not isinstance(value, self.message):
            raise TypeError(f"Expected a message {self.kind}, but got {value!r}.")
        return self.message.FromString(value.SerializeToString())

    def __get__(self, message: ProtoMessage | None, _owner: type[ProtoMessage]) -> Any:
        if message is None:
            return self
        if self.name in message._values:
            return message._values[self.name]
        if self.is_repeated:
            return message._values.setdefault(self.name, Repeated(self))
        if self.is_message:
            return message._values.setdefault(self.name, self.message())
        return _DEFAULTS.get(self.kind, 0)

    def __set__(self, message: ProtoMessage, value: Any) -> None:
        if self.is_message or self.is_repeated:
            raise AttributeError(
                f'Assignment not allowed to message, map, or repeated field "{self.name}" in'
                " protocol message object."
            )
        message._values[self.name] = self.convert(value)


class ProtoMessage:
    """A message; the names of its methods are those of protobuf."""

    __slots__ = ("_rows", "_values")
    fields: ClassVar[dict[str, Field]] = {}
    DESCRIPTOR: ClassVar[Any] = None
    _rows: Array
    _values: dict[str, Any]

    def __init__(self, **values: Any) -> None:
        self._values = {}
        for name, value in values.items():
            field = self._find(name)
            if value is None:
                continue
            if field.is_repeated:
                getattr(self, name).extend(value)
            elif field.is_message:
                getattr(self, name).CopyFrom(value)
            else:
                setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        """Called for ``_values`` that are not set yet: those of ``create_landmarks``."""
        if name != "_values":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        field = self.fields["landmark"]
        kind = field.message
        names = tuple(kind.fields)[: self._rows.shape[1]]
        # Without a copy and a check of each value: a face has 478 landmarks.
        created = []
        for row in self._rows.tolist():
            landmark = kind.__new__(kind)
            landmark._values = dict(zip(names, row))  # noqa: B905 - strict takes half as long again
            created.append(landmark)
        landmarks = Repeated(field)
        list.extend(landmarks, created)
        # Another thread that reads them meanwhile makes its own.
        self._values = {"landmark": landmarks}
        return self._values

    def ListFields(self) -> list[tuple[Field, Any]]:
        """The fields that are set, with their values."""
        return [
            (field, self._values[name]) for name, field in self.fields.items() if self._has(name)
        ]

    def HasField(self, name: str) -> bool:
        """Whether a field is set."""
        if self._find(name).is_repeated:
            raise ValueError(f"Field {type(self).__name__}.{name} does not have presence.")
        return self._has(name)

    def ClearField(self, name: str) -> None:
        """Forget the value of a field."""
        self._values.pop(self._find(name).name, None)

    def Clear(self) -> None:
        """Forget all values."""
        self._values = {}

    def CopyFrom(self, other: ProtoMessage) -> None:
        """Take the values of another message of the same class."""
        if other is not self:
            self._require_same_class(other)
            self.ParseFromString(other.SerializeToString())

    def MergeFrom(self, other: ProtoMessage) -> None:
        """Add the values of another message of the same class."""
        self._require_same_class(other)
        self.MergeFromString(other.SerializeToString())

    def IsInitialized(self) -> bool:
        """Whether all required fields are set: none is required."""
        return True

    def SetInParent(self) -> None:
        """Nothing: a message without values is not written."""

    def ByteSize(self) -> int:
        """The number of bytes of ``SerializeToString``."""
        return len(self.SerializeToString())

    def SerializeToString(self, deterministic: bool = True) -> bytes:  # noqa: ARG002
        """The message in protobuf's wire format, which is always the same."""
        return b"".join(
            chunk for field, value in self.ListFields() for chunk in _encode(field, value)
        )

    SerializePartialToString = SerializeToString

    @classmethod
    def FromString(cls, content: bytes) -> Any:
        """The message in these bytes."""
        message = cls()
        message.MergeFromString(content)
        return message

    def ParseFromString(self, content: bytes) -> int:
        """Replace the values by those in these bytes."""
        self.Clear()
        return self.MergeFromString(content)

    def MergeFromString(self, content: bytes) -> int:
        """Add the values in these bytes.

        Raises:
            DecodeError: they are no message.
            TypeError: they are no bytes.
        """
        try:
            self._merge(bytes(memoryview(content)), _DEEPEST)
        except (ProtobufError, struct.error) as error:
            raise DecodeError("Error parsing message") from error
        return len(content)

    def _merge(self, content: bytes, depth: int) -> None:
        if not depth:
            raise DecodeError("Error parsing message: it is nested too deeply")
        by_number = {field.number: field for field in self.fields.values()}
        for number, wire_type, value in _split(content):
            field = by_number.get(number)
            if field is None:
                continue
            usual = _wire_type_of(field)
            if wire_type == usual and field.is_message:
                values = getattr(self, field.name)
                target = values.add() if field.is_repeated else values
                target._merge(value, depth - 1)
            elif wire_type == usual:
                self._merge_values(field, [_decode(field, value)])
            elif wire_type == _BYTES and field.is_repeated:
                self._merge_values(field, _unpack(field, value))
            # Protobuf ignores a value of another type.

    def _merge_values(self, field: Field, values: list[Any]) -> None:
        if field.kind == "enum":
            values = [value for value in values if 0 <= value < len(FORMATS)]
        if field.is_repeated:
            getattr(self, field.name).extend(values)
        elif values:
            self._values[field.name] = values[-1]

    def _has(self, name: str) -> bool:
        if name not in self._values:
            return False
        value = self._values[name]
        if isinstance(value, ProtoMessage):
            return bool(value.ListFields())
        return not isinstance(value, list) or bool(value)

    def _find(self, name: str) -> Field:
        if name not in self.fields:
            raise ValueError(f'Protocol message {type(self).__name__} has no "{name}" field.')
        return self.fields[name]

    def _require_same_class(self, other: Any) -> None:
        if type(other) is not type(self):
            raise TypeError(
                f"Parameter must be instance of same class: expected {type(self).__name__}, got"
                f" {type(other).__name__}."
            )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.ListFields() == other.ListFields()

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _parse, (type(self).__name__, self.SerializeToString())

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        for field, values in self.ListFields():
            for value in values if field.is_repeated else [values]:
                if isinstance(value, ProtoMessage):
                    yield f"{field.name} {{"
                    yield from (f"  {line}" for line in value._lines())
                    yield "}"
                else:
                    yield f"{field.name}: {_format(field, value)}"


def _parse(name: str, content: bytes) -> Any:
    return MESSAGES[name].FromString(content)


def _escape(match: re.Match[str]) -> str:
    """A character as protobuf's text format writes it."""
    character = match[0]
    return _ESCAPES.get(character) or f"\\{ord(character) & 255:03o}"


def _format(field: Field, value: Any) -> str:
    if field.kind == "enum":
        return FORMATS[value]
    if field.kind == "string":
        return f'"{_TO_ESCAPE.sub(_escape, value)}"'
    if field.kind != "float":
        return str(value)
    short = f"{value:.6g}"
    return short if _to_float32(float(short)) == value else f"{value:.9g}"


def _encode(field: Field, value: Any) -> Iterator[bytes]:
    values = value if field.is_repeated else [value]
    if field.is_packed and field.kind == "float":
        values = [struct.pack(f"<{len(value)}f", *value)]
    elif field.is_packed:
        values = [b"".join(map(encode_varint, value))]
    for each in values:
        yield encode_field(field.number, _to_wire(each))


def _to_wire(value: Any) -> Any:
    """A value as ``encode_field`` takes it."""
    if isinstance(value, ProtoMessage):
        return value.SerializeToString()
    return value.encode(errors="surrogateescape") if isinstance(value, str) else value


def _wire_type_of(field: Field) -> int:
    if field.is_message or field.kind == "string":
        return _BYTES
    return _FLOAT if field.kind == "float" else _VARINT


def _split(content: bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and value of each field in a message, without groups."""
    at = 0
    groups: list[int] = []  # the numbers of those that have begun
    while at < len(content):
        key, at = read_varint(content, at, len(content))
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 2**29:
            raise DecodeError(f"Error parsing message: a field has the number {number}")
        value: Any = None
        if wire_type == _VARINT:
            value, at = read_varint(content, at, len(content))
        elif wire_type == _GROUP:
            groups.append(number)
        elif wire_type == _END_OF_GROUP:
            if not groups or groups.pop() != number:
                raise DecodeError("Error parsing message: a group ends that has not begun")
            continue
        else:
            size, at = _read_size(wire_type, content, at)
            value = content[at : at + size]
            at += size
        if not groups:
            yield number, wire_type, value
    if groups:
        raise DecodeError("Error parsing message: a group has no end")


def _read_size(wire_type: int, content: bytes, at: int) -> tuple[int, int]:
    """The bytes of a value, and where it begins; a ProtobufError if they are not there."""
    size = _SIZES.get(wire_type)
    if size is None and wire_type == _BYTES:
        size, at = read_varint(content, at, len(content))
    if size is None or at + size > len(content):
        raise ProtobufError
    return size, at


def _decode(field: Field, value: Any) -> Any:
    if field.kind == "float":
        return struct.unpack("<f", value)[0]
    if field.kind == "string":
        return value.decode(errors="surrogateescape")  # protobuf keeps such bytes, too
    bits = 64 if field.kind == "int64" else 32
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _unpack(field: Field, content: bytes) -> list[Any]:
    if field.kind == "float":
        return [number for (number,) in struct.iter_unpack("<f", content)]
    values = []
    at = 0
    while at < len(content):
        number, at = read_varint(content, at, len(content))
        values.append(_decode(field, number))
    return values


def _create_class(name: str, fields: dict[str, list[Any]]) -> type[ProtoMessage]:
    described = {
        key: Field(key, number, kind, "repeated" in flags, "packed" in flags)
        for key, (number, kind, *flags) in fields.items()
    }
    descriptor = SimpleNamespace(
        name=name.rpartition(".")[2],
        full_name=f"mediapipe.{name}",
        file=SimpleNamespace(name=""),
        fields=list(described.values()),
        fields_by_name=described,
        has_options=False,
        is_extendable=False,
        oneofs=[],
    )
    members = {
        "__slots__": (),
        "__doc__": f"MediaPipe's {name}.",
        "fields": described,
        "DESCRIPTOR": descriptor,
    }
    return type(name, (ProtoMessage,), members | described)


#: Of all modules, by name.
MESSAGES: dict[str, type[ProtoMessage]] = {
    name: _create_class(name, fields)
    for module in TABLES["messages"].values()
    for name, fields in module.items()
}


def messages_of(module: str) -> dict[str, type[ProtoMessage]]:
    """The messages of a module such as ``landmark_pb2``, by name; nested ones are attributes."""
    return {name: MESSAGES[name] for name in TABLES["messages"][module] if "." not in name}


for _name, _message in MESSAGES.items():
    _outer, _, _inner = _name.rpartition(".")
    if _outer:
        setattr(MESSAGES[_outer], _inner, _message)
for _number, _name in enumerate(FORMATS):
    setattr(MESSAGES["LocationData"], _name, _number)
for _name, _number in TABLES["image_formats"].items():
    setattr(MESSAGES["ImageFormat"], _name, _number)


def create_landmarks(name: str, rows: Array) -> Any:
    """A list of landmarks, such as ``NormalizedLandmarkList``.

    As in protobuf, they become objects when they are read first: many scripts do not read the world
    landmarks, for example.

    Args:
        rows: (N, 3 or 4): x, y, z, and the visibility.
    """
    landmarks = MESSAGES[name].__new__(MESSAGES[name])
    landmarks._rows = rows.astype(np.float32)
    return landmarks


def normalize(pose: Pose, size: Size) -> Any:
    """The landmarks of a hand or face as messages, relative to the image's sides."""
    assert pose.z is not None
    columns = [pose.keypoints[:, :2] / size, pose.z[:, None] / size[0]]
    return create_landmarks("NormalizedLandmarkList", np.concatenate(columns, axis=1))
