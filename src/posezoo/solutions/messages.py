"""Messages of landmarks and detections, as ``mediapipe.framework.formats``, from protobuf;
``tables.json`` has their fields.
"""

from __future__ import annotations

import copyreg
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import import_optional
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size
from posezoo.solutions.tables import TABLES

import_optional("google.protobuf", extra="run")
_descriptors = import_optional("google.protobuf.descriptor_pb2", extra="run")
_pools = import_optional("google.protobuf.descriptor_pool", extra="run")
# What the modules call that protobuf's compiler generates.
_builder = import_optional("google.protobuf.internal.builder", extra="run")

# Not protobuf's own pool, which may have the same messages from MediaPipe itself.
_POOL = _pools.DescriptorPool()
# Wire types: the end of the key of a field.
_BYTES, _FLOAT = 2, 5


def _describe(module: str) -> Any:
    file = _descriptors.FileDescriptorProto(name=_path_of(module), package="mediapipe")
    messages: dict[str, Any] = {}
    for name, fields in TABLES["messages"][module].items():
        outer, _, inner = name.rpartition(".")
        siblings = messages[outer].nested_type if outer else file.message_type
        messages[name] = siblings.add(name=inner)
        for key, (number, kind, *flags) in fields.items():
            field = messages[name].field.add(name=key, number=number)
            field.label = field.LABEL_REPEATED if "repeated" in flags else field.LABEL_OPTIONAL
            if "packed" in flags:
                field.options.packed = True
            if kind.islower():
                field.type = field.Type.Value(f"TYPE_{kind.upper()}")
            else:
                field.type_name = f".mediapipe.{kind}"
        if name in TABLES["formats"]:
            values = messages[name].enum_type.add(name="Format").value
            for key, number in TABLES["formats"][name].items():
                values.add(name=key, number=number)
    return file


def _path_of(module: str) -> str:
    return f"mediapipe/framework/formats/{module.removesuffix('_pb2')}.proto"


def _build() -> dict[str, dict[str, Any]]:
    modules: dict[str, dict[str, Any]] = {}
    for module in TABLES["messages"]:
        file = _describe(module)
        file.dependency.extend(map(_path_of, modules))
        descriptor = _POOL.AddSerializedFile(file.SerializeToString())
        messages: dict[str, Any] = {}
        name = f"mediapipe.framework.formats.{module}"
        _builder.BuildTopDescriptorsAndMessages(descriptor, name, messages)
        modules[module] = messages
    return modules


_MODULES = _build()

#: Of all modules, by name: those in other messages, too.
MESSAGES: dict[str, Any] = {
    name: attrgetter(name)(SimpleNamespace(**messages))
    for module, messages in _MODULES.items()
    for name in TABLES["messages"][module]
}


def messages_of(module: str) -> dict[str, Any]:
    """The messages of a module such as ``landmark_pb2``, by name; nested ones are attributes."""
    return _MODULES[module]


def _reduce(message: Any) -> tuple[Any, ...]:
    name = message.DESCRIPTOR.full_name.removeprefix("mediapipe.")
    return _parse, (name, message.SerializeToString())


def _parse(name: str, content: bytes) -> Any:
    return MESSAGES[name].FromString(content)


# Pickle finds neither the modules, where the stand-in is not installed, nor nested messages.
for _message in MESSAGES.values():
    copyreg.pickle(_message, _reduce)


def create_landmarks(name: str, rows: Array) -> Any:
    """A list of landmarks, such as ``NormalizedLandmarkList``, from rows (N, 3 or 4): x, y, z, and
    the visibility.
    """
    # As bytes: to set the values of a face's landmarks takes ten times as long.
    count, columns = rows.shape
    field = np.dtype([("key", "u1"), ("value", "<f4")])
    content = np.empty(count, [("key", "u1"), ("size", "u1"), ("fields", field, columns)])
    content["key"] = 1 << 3 | _BYTES
    content["size"] = columns * field.itemsize
    content["fields"]["key"] = np.arange(1, columns + 1) << 3 | _FLOAT
    content["fields"]["value"] = rows
    return MESSAGES[name].FromString(content.tobytes())


def normalize(pose: Pose, size: Size) -> Any:
    """The landmarks of a hand or face as messages, relative to the image's sides."""
    assert pose.z is not None
    columns = [pose.keypoints[:, :2] / size, pose.z[:, None] / size[0]]
    return create_landmarks("NormalizedLandmarkList", np.concatenate(columns, axis=1))
