"""What a pickle says, without doing what it says.

A pickle is a program: it names functions and has them called. Here a name stays a name, looked up in a
small vocabulary of ours, and never imported; a name that is not in it ends the reading. So nothing of a
file can run. ``torch.load(weights_only=True)`` promises the same and has broken it twice in the versions
of PyTorch that we allow: CVE-2025-32434 (before 2.6) and CVE-2026-24747 (before 2.10).

The parsing is the standard library's :mod:`pickletools`, which looks and does not execute.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from posezoo.checkpoints.mapped_file import CheckpointFormatError, shorten

#: By the dotted name that a pickle asks for, what a call of it comes to.
Vocabulary = Mapping[str, Callable[..., object]]

# HigherHRNet's checkpoint has 70 000 with and 200 000 with its optimizer's state.
_MOST_STEPS = 1 << 19

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_INTEGERS = frozenset(("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2"))
_FRACTIONS = frozenset(("FLOAT", "BINFLOAT"))
_BYTES = frozenset(("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"))
_TEXTS = frozenset(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"))
_LITERALS = _INTEGERS | _FRACTIONS | _BYTES | _TEXTS


class GlobalName:
    """A function or class that a pickle asks for: its dotted name, and nothing behind it."""

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


class PickleSequence:
    """Pickles that follow one another.

    Args:
        content: their bytes, and perhaps more behind them.
        vocabulary: what they may ask for.
        persistent: what becomes of a reference to something that lies outside the pickle.
    """

    def __init__(
        self, content: bytes, vocabulary: Vocabulary, persistent: Callable[[object], object]
    ) -> None:
        self._stream = io.BytesIO(content)
        self._vocabulary, self._persistent = vocabulary, persistent
        self._steps = 0

    @property
    def position(self) -> int:
        """Where the next one begins."""
        return self._stream.tell()

    def load_next(self) -> object:
        """The value that the next pickle describes.

        Raises:
            Unreadable: it is none, is cut short, or asks for something that is not in the vocabulary.
        """
        machine = _PickleMachine(self._vocabulary, self._persistent)
        try:
            for opcode, argument, _ in pickletools.genops(self._stream):
                self._steps += 1
                if self._steps > _MOST_STEPS:
                    raise CheckpointFormatError(f"its pickle takes more than {_MOST_STEPS} steps")
                machine.step(opcode.name, argument)
        except CheckpointFormatError:
            raise
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            # pickletools has ValueError for all that it cannot parse; the others are a stack or memo
            # without what a step takes from it, and a call with too few arguments.
            raise CheckpointFormatError(
                f"its pickle is damaged near byte {self.position}",
                hint="the file was cut short or changed; fetch it again",
            ) from error
        return machine.result()


class _PickleMachine:
    """The stack machine of pickle.py, for the steps that data needs."""

    def __init__(self, vocabulary: Vocabulary, persistent: Callable[[object], object]) -> None:
        self._vocabulary, self._persistent = vocabulary, persistent
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # what lies under each mark
        self._memo: dict[int, object] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _LITERALS:
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif act := _ACTS.get(opcode):
            act(self, argument)
        else:
            raise CheckpointFormatError(f"its pickle takes the step {opcode}, which weights do not need")

    def result(self) -> object:
        if len(self._stack) != 1 or self._below:
            raise CheckpointFormatError("its pickle ends with other than one value")
        return self._stack[0]

    def _nothing(self, _: object) -> None:
        """PROTO, FRAME and STOP are for whoever parses."""

    def _mark(self, _: object) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError(count)
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _empty_list(self, _: object) -> None:
        self._stack.append([])

    def _empty_dict(self, _: object) -> None:
        self._stack.append({})

    def _tuple(self, _: object) -> None:
        items = tuple(self._since_mark())
        self._stack.append(items)

    def _tuple1(self, _: object) -> None:
        self._stack.append(tuple(self._take(1)))

    def _tuple2(self, _: object) -> None:
        self._stack.append(tuple(self._take(2)))

    def _tuple3(self, _: object) -> None:
        self._stack.append(tuple(self._take(3)))

    def _list(self, _: object) -> None:
        items = self._since_mark()
        self._stack.append(items)

    def _dict(self, _: object) -> None:
        items = self._since_mark()
        self._stack.append({})
        self._run_build_list(items)

    def _append(self, _: object) -> None:
        self._extend(self._take(1))

    def _appends(self, _: object) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise TypeError
        self._stack[-1].extend(items)

    def _set_item(self, _: object) -> None:
        self._run_build_list(self._take(2))

    def _set_items(self, _: object) -> None:
        self._run_build_list(self._since_mark())

    def _run_build_list(self, items: list[Any]) -> None:
        table = self._stack[-1]
        if type(table) is not dict or len(items) % 2:
            raise TypeError
        # Tensors are known by text; an optimizer's other keys are left out. Hashing what a stranger made
        # may take for ever: a tuple of two, of two, of two ..., or integers that all hash alike.
        pairs = zip(items[::2], items[1::2], strict=True)
        table.update((key, value) for key, value in pairs if type(key) is str)

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, number: int) -> None:
        self._stack.append(self._memo[number])

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _: object) -> None:
        self._name(*self._take(2))

    def _name(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise TypeError
        dotted = f"{module}.{name}"
        if dotted not in self._vocabulary:
            raise CheckpointFormatError(
                f"asks for {shorten(dotted)}, which is nothing that weights are made of",
                hint="nothing of it was run; have its author save the weights alone, net.state_dict(), "
                "or as .safetensors",
            )
        self._stack.append(GlobalName(dotted))

    def _call(self, _: object) -> None:
        name, arguments = self._take(2)
        if type(name) is not GlobalName or type(arguments) is not tuple:
            raise TypeError
        self._stack.append(self._vocabulary[name.dotted](*arguments))

    def _build(self, _: object) -> None:
        """Attributes of an object (OrderedDict's _metadata, a dtype's byte order): not needed."""
        self._take(1)

    def _refer(self, _: object) -> None:
        (reference,) = self._take(1)
        self._stack.append(self._persistent(reference))


_ACTS: dict[str, Callable[[_PickleMachine, Any], None]] = {
    "PROTO": _PickleMachine._nothing,
    "FRAME": _PickleMachine._nothing,
    "STOP": _PickleMachine._nothing,
    "MARK": _PickleMachine._mark,
    "EMPTY_LIST": _PickleMachine._empty_list,
    "EMPTY_DICT": _PickleMachine._empty_dict,
    "TUPLE": _PickleMachine._tuple,
    "TUPLE1": _PickleMachine._tuple1,
    "TUPLE2": _PickleMachine._tuple2,
    "TUPLE3": _PickleMachine._tuple3,
    "LIST": _PickleMachine._list,
    "DICT": _PickleMachine._dict,
    "APPEND": _PickleMachine._append,
    "APPENDS": _PickleMachine._appends,
    "SETITEM": _PickleMachine._set_item,
    "SETITEMS": _PickleMachine._set_items,
    "PUT": _PickleMachine._put,
    "BINPUT": _PickleMachine._put,
    "LONG_BINPUT": _PickleMachine._put,
    "MEMOIZE": _PickleMachine._memoize,
    "GET": _PickleMachine._get,
    "BINGET": _PickleMachine._get,
    "LONG_BINGET": _PickleMachine._get,
    "GLOBAL": _PickleMachine._global,
    "STACK_GLOBAL": _PickleMachine._stack_global,
    "REDUCE": _PickleMachine._call,
    "NEWOBJ": _PickleMachine._call,
    "BUILD": _PickleMachine._build,
    "BINPERSID": _PickleMachine._refer,
}
