"""Read pickles without running their code: :mod:`pickletools` parses the opcodes, tensors are made
from a few known names, and everything else is ignored.

``torch.load(weights_only=True)`` promises the same, but had two vulnerabilities in the versions of
PyTorch that we allow: CVE-2025-32434 (before 2.6) and CVE-2026-24747 (before 2.10).
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from posezoo.networks.checkpoints.mapped_file import CheckpointFormatError, shorten

#: The replacements of functions and classes, by their dotted names. A pickle is a program that
#: calls what it names; its names are only looked up here, and never imported.
Vocabulary = Mapping[str, Callable[..., object]]

# HigherHRNet's checkpoint has 70 000 steps, or 200 000 with its optimizer's state.
_MAX_STEPS = 1 << 19

# The places of the memo are smaller, since pickle counts them. Larger ones can all have the same
# hash, and the memo would then take extremely long.
_MAX_MEMO = 1 << 32

# The opcodes that push their argument: integers, fractions, bytes and texts.
_LITERALS = frozenset(
    (
        "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    )
)  # fmt: skip

# The opcodes that push a new value without an argument.
_VALUES: Mapping[str, Callable[[], object]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_SET": lambda: IgnoredObject("builtins.set"),
}


# Only a parser needs them.
_IGNORED = frozenset(("PROTO", "FRAME", "STOP"))


# Modules, and functions of builtins, that run commands or programs: no weights need them.
_COMMAND_MODULES = frozenset(
    (
        "code", "commands", "ctypes", "importlib", "nt", "os", "pip", "popen2", "posix", "pty",
        "runpy", "shutil", "socket", "subprocess", "sys", "webbrowser",
    )
)  # fmt: skip
_COMMAND_FUNCTIONS = frozenset(("__import__", "breakpoint", "compile", "eval", "exec", "open"))


class GlobalName:
    """The dotted name of a function or class that a pickle refers to; it is not imported."""

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


class IgnoredObject(GlobalName):
    """Stands for an object that tensors do not need; what a pickle puts into it is dropped. The
    name is that of its class, or of the function that would return it.
    """


class PickleSequence:
    """A sequence of pickles, and the stack machine of pickle.py, with only the opcodes that data
    needs.

    A call of a name that is not in the vocabulary (``unknown_names``, in order) gives an
    ``IgnoredObject``; ``persistent`` resolves a reference to something outside the pickle.
    """

    def __init__(
        self, content: bytes, vocabulary: Vocabulary, persistent: Callable[[object], object]
    ) -> None:
        self._stream = io.BytesIO(content)
        self._vocabulary = vocabulary
        self._persistent = persistent
        self.unknown_names: dict[str, None] = {}
        self._steps = 0
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, object] = {}

    @property
    def position(self) -> int:
        """The position of the next pickle, in bytes."""
        return self._stream.tell()

    def load_next(self) -> object:
        """The value of the next pickle; a CheckpointFormatError if it is none, or uses an unknown
        name.
        """
        self._stack = []
        self._below = []
        self._memo = {}
        try:
            for opcode, argument, _ in pickletools.genops(self._stream):
                self._steps += 1
                if self._steps > _MAX_STEPS:
                    raise CheckpointFormatError(f"its pickle takes more than {_MAX_STEPS} steps")
                self._step(opcode.name, argument)
        except CheckpointFormatError:
            raise
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            # pickletools raises ValueError; the others mean that the stack, the memo or a call
            # lacks a value.
            raise CheckpointFormatError(
                f"its pickle is damaged near byte {self.position}",
                hint="the file was truncated or changed; download it again",
            ) from error
        if len(self._stack) != 1 or self._below:
            raise CheckpointFormatError("its pickle does not end with a single value")
        return self._stack[0]

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode in _LITERALS:
            self._stack.append(argument)
        elif opcode in _VALUES:
            self._stack.append(_VALUES[opcode]())
        elif opcode in self._ACTIONS:
            self._ACTIONS[opcode](self, argument)
        elif opcode in self._COMBINATIONS:
            count, combine = self._COMBINATIONS[opcode]
            if count is None:
                items = self._stack
                self._stack = self._below.pop()
            elif len(self._stack) < count:
                raise IndexError(count)
            else:
                items = self._stack[-count:]
                del self._stack[-count:]
            combine(self, items)
        elif opcode not in _IGNORED:
            raise CheckpointFormatError(
                f"its pickle has the opcode {opcode}, which weights do not need"
            )

    def _put(self, place: int) -> None:
        if not 0 <= place < _MAX_MEMO:
            raise ValueError
        self._memo[place] = self._stack[-1]

    def _memoize(self, _: None) -> None:
        self._put(len(self._memo))

    def _get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _mark(self, _: None) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _push_global_by_name(self, names: str) -> None:
        self._push_global(names.split(" ", 1))

    def _push_dict(self, items: list[Any]) -> None:
        self._stack.append({})
        self._set_items(items)

    def _push_list(self, items: list[Any]) -> None:
        self._stack.append(items)

    def _push_tuple(self, items: list[Any]) -> None:
        self._stack.append(tuple(items))

    def _call(self, name_and_arguments: list[Any]) -> None:
        name, arguments, *_ = name_and_arguments
        if type(name) not in (GlobalName, IgnoredObject):
            raise TypeError
        if type(arguments) not in (tuple, IgnoredObject):
            raise TypeError
        function = self._vocabulary.get(name.dotted)
        if function is None or type(name) is IgnoredObject or type(arguments) is IgnoredObject:
            self._stack.append(IgnoredObject(name.dotted))
        else:
            self._stack.append(function(*arguments))

    def _resolve_reference(self, reference: list[Any]) -> None:
        self._stack.append(self._persistent(*reference))

    def _drop(self, _: list[Any]) -> None:
        pass

    def _push_ignored_set(self, _: list[Any]) -> None:
        self._stack.append(IgnoredObject("builtins.frozenset"))

    def _extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is IgnoredObject:
            return
        if type(self._stack[-1]) is not list:
            raise TypeError
        self._stack[-1].extend(items)

    def _set_items(self, items: list[Any]) -> None:
        table = self._stack[-1]
        if type(table) is IgnoredObject:
            return
        if type(table) is not dict or len(items) % 2:
            raise TypeError
        # The keys of tensors are strings; all other keys are ignored, because hashing untrusted
        # values may take extremely long: deeply nested tuples, or integers that all have the same
        # hash.
        pairs = zip(items[::2], items[1::2], strict=True)
        table.update((key, value) for key, value in pairs if type(key) is str)

    def _push_global(self, module_and_name: list[Any]) -> None:
        module, name = module_and_name
        if type(module) is not str or type(name) is not str:
            raise TypeError
        dotted = f"{module}.{name}"
        if dotted not in self._vocabulary:
            is_builtin = module in ("builtins", "__builtin__")
            runs_function = is_builtin and name in _COMMAND_FUNCTIONS
            if runs_function or module.partition(".")[0] in _COMMAND_MODULES:
                raise CheckpointFormatError(
                    f"its pickle refers to {shorten(dotted)}, which runs commands: it may be made"
                    " to do harm",
                    hint="nothing of it was run; do not load it, and get it again from its author",
                )
            self.unknown_names[dotted] = None
        self._stack.append(GlobalName(dotted))

    # What an opcode does with its argument.
    _ACTIONS: ClassVar[Mapping[str, Callable[[Any, Any], object]]] = {
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
        "MEMOIZE": _memoize,
        "MARK": _mark,
        "GLOBAL": _push_global_by_name,
    }

    # How many values an opcode takes from the stack (None: all above the mark), and what it does
    # with them.
    _COMBINATIONS: ClassVar[Mapping[str, tuple[int | None, Callable[[Any, list[Any]], object]]]] = {
        "TUPLE": (None, _push_tuple),
        "TUPLE1": (1, _push_tuple),
        "TUPLE2": (2, _push_tuple),
        "TUPLE3": (3, _push_tuple),
        "LIST": (None, _push_list),
        "DICT": (None, _push_dict),
        "APPEND": (1, _extend),
        "APPENDS": (None, _extend),
        "SETITEM": (2, _set_items),
        "SETITEMS": (None, _set_items),
        "REDUCE": (2, _call),
        "NEWOBJ": (2, _call),
        "NEWOBJ_EX": (3, _call),
        "BINPERSID": (1, _resolve_reference),
        "STACK_GLOBAL": (2, _push_global),
        "BUILD": (1, _drop),  # OrderedDict's _metadata, a dtype's byte order
        "POP": (1, _drop),
        "POP_MARK": (None, _drop),
        "ADDITEMS": (None, _drop),
        "FROZENSET": (None, _push_ignored_set),
    }
