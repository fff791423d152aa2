"""The state dict in what torch.save wrote: what its pickle may ask for, and which part of it is the weights.

The two forms, zip and legacy, differ only in where the numbers lie; a tensor is a view of a storage in
either. After torch/_utils.py (``_rebuild_*``) and torch/serialization.py of PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from posezoo.checkpoints.mapped_file import (
    BFLOAT16,
    BOOL,
    MOST_TENSORS,
    Array,
    CheckpointFormatError,
    MappedFile,
    dtype_size,
    element_count,
    require_size,
    shorten,
)
from posezoo.checkpoints.safe_pickle import GlobalName, Vocabulary

# Under what training programs keep the weights, among an optimizer's state and the like.
_WRAPPERS = ("state_dict", "model_state_dict", "model")

# What nn.DataParallel, DistributedDataParallel and AveragedModel put before each key.
_PREFIX = "module."

_UNTYPED = "untyped"

_KINDS = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": BFLOAT16,
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": BOOL,
}

_STORAGE_KINDS = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": BOOL,
}

_STORAGES = {
    f"{module}.{name}": kind for module in ("torch", "torch.cuda") for name, kind in _STORAGE_KINDS.items()
} | dict.fromkeys(("torch.storage.UntypedStorage", "torch.UntypedStorage"), _UNTYPED)

_DTYPES = {f"torch.{name}": kind for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class StorageInfo:
    """Numbers that lie in a row somewhere in the file.

    Attributes:
        key: what the file calls it.
        kind: of number; or that it is not said here.
        count: how many numbers; bytes, where the kind is not said.
    """

    key: str
    kind: str
    count: int

    @property
    def size_bytes(self) -> int:
        """In bytes."""
        return self.count * (1 if self.kind == _UNTYPED else dtype_size(self.kind))


@dataclass(frozen=True, slots=True)
class TensorView:
    """A view of a storage; offset and strides in numbers."""

    storage: StorageInfo
    kind: str
    offset: object
    shape: object
    strides: object


@dataclass
class StorageTable:
    """The storages that a pickle refers to, by their keys."""

    by_key: dict[str, StorageInfo] = field(default_factory=dict)

    def resolve(self, reference: object) -> StorageInfo:
        """A reference in a pickle: ``('storage', class, key, device, count)``, in the legacy form with a
        sixth part, which PyTorch before 0.4 filled for views of storages.

        Raises:
            Unreadable: it refers to something else, or to what was said otherwise before.
        """
        if type(reference) is not tuple or not 5 <= len(reference) <= 6 or reference[0] != "storage":
            raise CheckpointFormatError("its pickle refers to something that is no storage")
        _, kind, key, _, count = reference[:5]
        if type(kind) is not GlobalName or kind.dotted not in _STORAGES or type(key) is not str:
            raise CheckpointFormatError("its pickle refers to a storage in a way that torch.save does not")
        if reference[5:] not in ((), (None,)):
            raise CheckpointFormatError("has views of storages, as PyTorch before 0.4 wrote them")
        storage = StorageInfo(
            key, _STORAGES[kind.dotted], require_size(count, f"the size of storage {shorten(key)}")
        )
        if self.by_key.setdefault(key, storage) != storage:
            raise CheckpointFormatError(f"storage {shorten(key)} is said to be of two kinds or sizes")
        return storage


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> TensorView:
    if type(storage) is not StorageInfo or storage.kind == _UNTYPED:
        raise TypeError
    return TensorView(storage, storage.kind, offset, shape, strides)


def _tensor_v3(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    _grad: object,
    _hooks: object,
    dtype: object,
    *_: object,
) -> TensorView:
    """Of kinds that have no storage class of their own, as uint16."""
    if type(storage) is not StorageInfo or type(dtype) is not GlobalName:
        raise TypeError
    return TensorView(storage, _DTYPES[dtype.dotted], offset, shape, strides)


def _with_attributes(function: object, _kind: object, arguments: object, _state: object) -> TensorView:
    if type(function) is not GlobalName or type(arguments) is not tuple:
        raise TypeError
    return _TENSORS[function.dotted](*arguments)


def _first(value: object = None, *_: object) -> object:
    """A parameter is its tensor; the size of a tensor its tuple; OrderedDict what it is made from."""
    return value


def _ordered(items: object = None) -> object:
    """Python 3 fills an empty one afterwards; Python 2 gave a list of pairs."""
    return {} if items is None else items


def _left_out(*_: object) -> None:
    """Not a tensor, so not looked at."""


_TENSORS: Mapping[str, Callable[..., TensorView]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
}

#: What a checkpoint may ask for. Devices, hooks, learning rates and the like may stand in it; they are
#: read over.
VOCABULARY: Vocabulary = {
    **_TENSORS,
    **dict.fromkeys((*_STORAGES, *_DTYPES, "torch.Tensor", "torch.device", "torch.layout"), _left_out),
    "torch._tensor._rebuild_from_type_v2": _with_attributes,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.Size": _first,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _ordered,
    "_codecs.encode": _left_out,  # how Python 3 writes bytes for Python 2
    **dict.fromkeys(
        (
            "__builtin__.set",
            "builtins.set",
            "numpy.dtype",
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
        ),
        _left_out,
    ),
}


def extract_state_dict(value: object) -> dict[str, TensorView]:
    """The tensors of a checkpoint by their keys, out of their wrapping and without ``module.``.

    Args:
        value: what its pickle says.

    Raises:
        Unreadable: there are none, or two of one name.
    """
    table = _table(value)
    for _ in range(4):  # {'model': {'state_dict': ...}}; one that holds itself has no end
        member = (_table(table[key]) for key in _WRAPPERS if key in table)
        table = next(filter(None, member), table)
    tensors = [(key, each) for key, each in table.items() if type(each) is TensorView]
    if not tensors:
        said = ", ".join(shorten(key) for key in list(table)[:8])
        raise CheckpointFormatError(
            f"holds no tensors by name{', but ' + said if said else ''}",
            hint=f"weights lie at the top, or under {', '.join(_WRAPPERS)}",
        )
    if len(tensors) > MOST_TENSORS:
        raise CheckpointFormatError(f"holds {len(tensors)} tensors")
    state: dict[str, TensorView] = {}
    for key, tensor in tensors:
        while key.startswith(_PREFIX):
            key = key.removeprefix(_PREFIX)
        if key in state:
            raise CheckpointFormatError(f"holds {shorten(key)} twice, with and without {_PREFIX}")
        state[key] = tensor
    return state


def _table(value: object) -> dict[str, object]:
    """A dict, or Python 2's list of pairs, as one; empty for anything else."""
    if type(value) is dict:
        return value
    pairs = value if type(value) is list else []
    return {
        pair[0]: pair[1]
        for pair in pairs
        if type(pair) in (list, tuple) and len(pair) == 2 and type(pair[0]) is str
    }


def map_tensors(
    state: Mapping[str, TensorView], places: Mapping[str, tuple[int, int]], file: MappedFile
) -> dict[str, Array]:
    """The tensors as views of the file.

    Args:
        state: by their keys.
        places: by a storage's key, where it begins in the file and how many bytes it has.
        file: the file.

    Raises:
        Unreadable: a storage is not there or not of the said size, or a tensor reaches beyond its own.
    """
    rows: dict[str, tuple[str, Array]] = {}
    found: dict[str, Array] = {}
    for name, tensor in state.items():
        what = f"tensor {shorten(name)}"
        key = tensor.storage.key
        if key not in rows:
            rows[key] = tensor.kind, _row(tensor, places, file, what)
        kind, row = rows[key]
        if kind != tensor.kind:
            raise CheckpointFormatError(
                f"{what} reads storage {shorten(key)} as other numbers than a tensor before"
            )
        found[name] = _view(row, tensor, what)
    return found


def _row(tensor: TensorView, places: Mapping[str, tuple[int, int]], file: MappedFile, what: str) -> Array:
    storage = tensor.storage
    if storage.key not in places:
        raise CheckpointFormatError(f"{what}: its storage {shorten(storage.key)} is not in the file")
    start, size = places[storage.key]
    if size != storage.size_bytes:
        raise CheckpointFormatError(
            f"{what}: its storage is said to have {storage.size_bytes} bytes, and has {size}"
        )
    return file.read_array(start, size // dtype_size(tensor.kind), tensor.kind, what)


def _view(row: Array, tensor: TensorView, what: str) -> Array:
    shape, strides = tensor.shape, tensor.strides
    if type(shape) is not tuple or type(strides) is not tuple or len(shape) != len(strides):
        raise CheckpointFormatError(f"{what} has no shape, or not as many strides")
    offset = require_size(tensor.offset, f"the offset of {what}")
    steps = [require_size(stride, f"a stride of {what}") for stride in strides]
    count = element_count(shape, what)
    if count == 0:
        return np.zeros(shape, row.dtype)
    last = offset + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
    # An expanded tensor has more numbers than its storage: a file of a kilobyte could ask for terabytes.
    if last >= row.size or count > row.size:
        raise CheckpointFormatError(f"{what} reaches beyond its storage, which has {row.size} numbers")
    places = [step * row.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(row[offset:], shape, places)
