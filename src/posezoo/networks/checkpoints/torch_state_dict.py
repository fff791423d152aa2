"""The state dict of a PyTorch checkpoint: the names that its pickle may refer to, and the weights'
positions.

The formats zip and legacy differ only in the positions of the numbers; in both, a tensor is a view
of a storage. Source: torch/_utils.py (``_rebuild_*``) and torch/serialization.py of PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.values import frozen
from posezoo.networks.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MAX_TENSORS,
    CheckpointFormatError,
    MappedFile,
    dtype_size,
    element_count,
    require_size,
    shorten,
)
from posezoo.networks.checkpoints.safe_pickle import (
    GlobalName,
    IgnoredObject,
    PickleSequence,
    Vocabulary,
)

# Keys under which training programs save the weights, in addition to values such as an optimizer's
# state.
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")

# What the user can do with an object in which the weights are.
_SAVE_WEIGHTS = "save only the weights where the network is: torch.save(net.state_dict(), FILE)"

# The classes of Ultralytics' programs, of YOLOv5 and YOLOv7.
_YOLO = ("ultralytics.", "models.yolo.", "models.common.")

_UNTYPED = "untyped"

_DTYPES = {
    f"torch.{name}": np.dtype(name).str[1:]
    for name in (
        "float64", "float32", "float16", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8",
    )
} | {"torch.bfloat16": BFLOAT16, "torch.bool": BOOL}  # fmt: skip

_STORAGES = {
    f"{module}.{name}Storage": _DTYPES[f"torch.{dtype}"]
    for module in ("torch", "torch.cuda")
    for name, dtype in {
        "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16",
        "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
        "Bool": "bool",
    }.items()
} | dict.fromkeys(("torch.storage.UntypedStorage", "torch.UntypedStorage"), _UNTYPED)  # fmt: skip


@frozen
class StorageInfo:
    """A storage: consecutive numbers in the file."""

    key: str  # the name of the storage in the file
    kind: str  # the type of its numbers, or ``untyped``
    count: int  # how many numbers it has; how many bytes, if it is untyped

    @property
    def size_bytes(self) -> int:
        """The size of the storage in bytes."""
        return self.count * (1 if self.kind == _UNTYPED else dtype_size(self.kind))


@frozen
class TensorView:
    """A view of a storage; offset and strides are counted in numbers, not in bytes."""

    storage: StorageInfo
    kind: str
    offset: object
    shape: object
    strides: object


def _tensor(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> TensorView | IgnoredObject:
    if type(storage) is IgnoredObject:
        return storage
    if type(storage) is not StorageInfo or storage.kind == _UNTYPED:
        raise TypeError
    return TensorView(storage, storage.kind, offset, shape, strides=strides)


def _tensor_v3(
    storage: object, offset: object, shape: object, strides: object, *others: object
) -> TensorView | IgnoredObject:
    # PyTorch uses it for types without a storage class, such as uint16.
    _grad, _hooks, dtype, *_ = others
    if type(storage) is not StorageInfo or type(dtype) is not GlobalName:
        raise TypeError
    if dtype.dotted not in _DTYPES:
        return IgnoredObject(dtype.dotted)
    return TensorView(storage, _DTYPES[dtype.dotted], offset, shape, strides=strides)


def _with_attributes(
    function: object, _kind: object, arguments: object, _state: object
) -> TensorView | IgnoredObject:
    if type(function) is not GlobalName or type(arguments) is not tuple:
        raise TypeError
    if function.dotted not in _TENSORS:
        return IgnoredObject(function.dotted)
    return _TENSORS[function.dotted](*arguments)


def _first(value: object = None, *_: object) -> object:
    # A parameter is replaced by its tensor, a torch.Size by its tuple.
    return value


def _ordered(items: object = None) -> object:
    # A pickle from Python 3 fills an empty OrderedDict afterwards; one from Python 2 passes a list
    # of pairs.
    return {} if items is None else items


def _ignored(*_: object) -> None:
    """Replaces every value that is not needed for tensors with None."""


def _reconstructed(kind: object, *_: object) -> IgnoredObject:
    if type(kind) is not GlobalName:
        raise TypeError
    return IgnoredObject(kind.dotted)


_TENSORS: Mapping[str, Callable[..., TensorView | IgnoredObject]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
}

#: The names that tensors are made from, and those that make nothing. Other names are ignored too,
#: and are named if a file has no tensors.
VOCABULARY: Vocabulary = {
    **_TENSORS,
    **dict.fromkeys(
        (
            *_STORAGES,
            *_DTYPES,
            "torch.Tensor",
            "torch.device",
            "torch.layout",
            "__builtin__.set",
            "builtins.set",
            "numpy.dtype",
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
            "_codecs.encode",  # with it, Python 3 writes bytes in protocol 2
        ),
        _ignored,
    ),
    "torch._tensor._rebuild_from_type_v2": _with_attributes,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.Size": _first,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _ordered,
    "collections.defaultdict": lambda *_: {},
    "copy_reg._reconstructor": _reconstructed,
    "copyreg._reconstructor": _reconstructed,
}


class TorchPickles(PickleSequence):
    """The pickles of a checkpoint, and the storages that they refer to, by their keys."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content, VOCABULARY, self._resolve)
        self.storages: dict[str, StorageInfo] = {}

    def _resolve(self, reference: object) -> StorageInfo | IgnoredObject:
        """The storage of a reference in a pickle, ``('storage', class, key, device, count)``.

        The legacy format adds a sixth part, which PyTorch before 0.4 used for views of storages. It
        also has references to classes of modules, with their source, which is ignored.
        """
        parts = reference if type(reference) is tuple else ()
        if len(parts) == 4 and parts[0] == "module" and type(parts[1]) is GlobalName:
            return IgnoredObject(parts[1].dotted)
        if not 5 <= len(parts) <= 6 or parts[0] != "storage":
            raise CheckpointFormatError("its pickle refers to something that is not a storage")
        _, kind, key, _, count = parts[:5]
        if type(kind) is GlobalName and kind.dotted not in _STORAGES:
            return IgnoredObject(kind.dotted)
        if type(kind) is not GlobalName or type(key) is not str:
            raise CheckpointFormatError(
                "its pickle refers to a storage in a way that torch.save does not use"
            )
        if parts[5:] not in ((), (None,)):
            raise CheckpointFormatError("has views of storages, as PyTorch before 0.4 wrote them")
        size = require_size(count, f"the size of storage {shorten(key)}")
        storage = StorageInfo(key, _STORAGES[kind.dotted], size)
        if self.storages.setdefault(key, storage) != storage:
            raise CheckpointFormatError(
                f"storage {shorten(key)} is declared with two types or sizes"
            )
        return storage

    def load_state_dict(self) -> dict[str, TensorView]:
        """The tensors of the next pickle by key, without the dicts that enclose them.

        Raises:
            CheckpointFormatError: it has none, or one that cannot be read.
        """
        table = _find_state_dict(_table(self.load_next()))
        tensors = {key: value for key, value in table.items() if type(value) is TensorView}
        if not tensors:
            raise self._error_without_tensors(table)
        if len(tensors) > MAX_TENSORS:
            raise CheckpointFormatError(f"contains {len(tensors)} tensors, more than {MAX_TENSORS}")
        for key, value in table.items():
            if type(value) is IgnoredObject and value.dotted.startswith("torch."):
                raise CheckpointFormatError(
                    f"tensor {shorten(key)} is stored as {shorten(value.dotted)}, which cannot be"
                    " read",
                    hint="save dense tensors of floats: tensor.to_dense().float()",
                )
        return tensors

    def _error_without_tensors(self, table: Mapping[str, object]) -> CheckpointFormatError:
        names = [*self.unknown_names]
        keys = ", ".join(map(shorten, list(table)[:8]))
        if not names:
            return CheckpointFormatError(
                f"contains no named tensors{', but ' + keys if keys else ''}",
                hint=f"weights must be at the top level, or under {', '.join(_WRAPPERS)}",
            )
        hint = _SAVE_WEIGHTS
        if any(name.startswith(_YOLO) for name in names):
            hint = "it is a network of Ultralytics' YOLO: yolo export model={file} format=onnx"
        listed = ", ".join(map(shorten, names[:3]))
        problem = f"contains no named tensors, but refers to {listed}"
        return CheckpointFormatError(problem, hint=hint)


def _find_state_dict(table: dict[str, object]) -> dict[str, object]:
    # For {'model': {'state_dict': ...}}; limited, because a dict may contain itself.
    for _ in range(4):
        members = (_table(table[key]) for key in _WRAPPERS if key in table)
        member = next(filter(None, members), None)
        if member is None and not _has_tensors(table):
            # A value may be there under many keys.
            distinct = {id(value): value for value in table.values()}.values()
            with_tensors = [each for each in map(_table, distinct) if _has_tensors(each)]
            member = with_tensors[0] if len(with_tensors) == 1 else None
        if member is None:
            break
        table = member
    return table


def _has_tensors(table: Mapping[str, object]) -> bool:
    return any(type(value) is TensorView for value in table.values())


def _table(value: object) -> dict[str, object]:
    """A dict from a dict or from Python 2's list of pairs; empty for any other value."""
    if type(value) is dict:
        return value
    pairs = value if type(value) is list else []
    items = {}
    for pair in pairs:
        if type(pair) in (list, tuple) and len(pair) == 2:
            key, item = pair
            if type(key) is str:
                items[key] = item
    return items


def map_tensors(
    state: Mapping[str, TensorView], offsets: Mapping[str, tuple[int, int]], file: MappedFile
) -> dict[str, Array]:
    """The tensors as views of the file; ``offsets`` has the position and size in bytes of each
    storage.
    """
    rows: dict[str, tuple[str, Array]] = {}
    arrays: dict[str, Array] = {}
    for name, tensor in state.items():
        what = f"tensor {shorten(name)}"
        key = tensor.storage.key
        if key not in rows:
            if key not in offsets:
                raise CheckpointFormatError(
                    f"{what}: its storage {shorten(key)} is not in the file"
                )
            start, size = offsets[key]
            declared = tensor.storage.size_bytes
            if size != declared:
                raise CheckpointFormatError(
                    f"{what}: its storage is declared with {declared} bytes, and has {size}"
                )
            count = size // dtype_size(tensor.kind)
            rows[key] = tensor.kind, file.read_array(start, count, tensor.kind, what)
        kind, row = rows[key]
        if kind != tensor.kind:
            raise CheckpointFormatError(
                f"{what} reads storage {shorten(key)} with another type than an earlier tensor"
            )
        arrays[name] = _view_tensor(tensor, row, what)
    return arrays


def _view_tensor(tensor: TensorView, row: Array, what: str) -> Array:
    shape = tensor.shape
    strides = tensor.strides
    if type(shape) is not tuple or type(strides) is not tuple or len(shape) != len(strides):
        raise CheckpointFormatError(f"{what} has no shape, or a different number of strides")
    offset = require_size(tensor.offset, f"the offset of {what}")
    steps = [require_size(stride, f"a stride of {what}") for stride in strides]
    count = element_count(shape, what)
    if not count:
        return np.zeros(shape, row.dtype)
    last = offset + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
    # An expanded tensor has more numbers than its storage, so that a file of 1 kB could need
    # terabytes of memory.
    if last >= row.size or count > row.size:
        raise CheckpointFormatError(
            f"{what} extends beyond its storage, which has {row.size} numbers"
        )
    byte_strides = [step * row.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(row[offset:], shape, byte_strides)
