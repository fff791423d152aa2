"""The definition of a network without torch: its input, outputs and arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import Input, SelfCheckSettings
from posezoo.core.errors import NetworkError, import_optional, suggest
from posezoo.core.plugins import import_part
from posezoo.core.values import frozen
from posezoo.networks.gluon_names import torch_names

if TYPE_CHECKING:
    from torch import nn

    from posezoo.core.arrays import Array

ArgumentValue = bool | int | str
#: The shape of each tensor of a checkpoint, by its key.
Shapes = Mapping[str, tuple[int, ...]]
ReadArgument = Callable[[Shapes], ArgumentValue | None]
#: The numpy arrays of a checkpoint, by its key.
Tensors = Mapping[str, "Array"]


@frozen
class NetworkArgument:
    """An argument in which the checkpoints of one network can differ."""

    default: ArgumentValue  # the published checkpoint's value
    #: The values that the network is known to work with. Numbers have an upper bound because they
    #: may come from a checkpoint's keys, and memory grows with their square.
    allowed: range | tuple[ArgumentValue, ...]
    #: Reads the value from a checkpoint's shapes; returns None if the keys do not show it.
    read: ReadArgument = lambda shapes: None

    def __str__(self) -> str:
        if isinstance(self.allowed, range):
            return f"{self.allowed[0]} to {self.allowed[-1]}"
        return " or ".join(map(str, self.allowed))


@frozen
class NetworkDefinition:
    """One network."""

    name: str  # the name of the network
    module_class: str  # its torch module, as ``package.module:Class``
    #: Its name, default shape, colour order, mean and scale, as the published weights expect them.
    input: Input
    #: The names of what the module returns, in order; ``{refinement_stages}`` stands for that
    #: argument's value.
    outputs: tuple[str, ...]
    #: Those that a caller may choose, and that ``infer_arguments`` reads from a checkpoint.
    arguments: Mapping[str, NetworkArgument] = field(default_factory=dict)
    #: Further arguments of the class, which depend on the network's name.
    fixed: Mapping[str, ArgumentValue] = field(default_factory=dict)
    #: How an IR is compared with the network, if the default is not suitable.
    self_check: SelfCheckSettings = field(default_factory=SelfCheckSettings)
    #: The positions of these outputs in the published IR, if it has another order.
    ir_order: tuple[int, ...] = ()
    #: From the tensors of published checkpoints to those of the module.
    adapt_tensors: Callable[[Tensors], dict[str, Array]] = torch_names
    #: The pixels of the input for one cell of the outputs, in each direction; 0 if unknown.
    stride: int = 0

    def with_names(self, names: Sequence[str]) -> NetworkDefinition:
        """The network with these names of its input and outputs; unchanged if there are none."""
        if not names:
            return self
        return replace(self, input=replace(self.input, name=names[0]), outputs=tuple(names[1:]))

    def build(self, **arguments: ArgumentValue) -> nn.Module:
        """The network, in eval mode, with torch's initial weights.

        Inside ``with torch.device("meta")`` it takes no memory: compare its keys and shapes first,
        then ``load_state_dict(..., assign=True)``.

        Raises:
            NetworkError: an argument does not exist, or its value is not allowed.
            MissingPackageError: torch is not installed.
        """
        chosen = self.complete_arguments(**arguments)
        import_optional("torch", extra="torch")
        network: nn.Module = import_part(self.module_class, type)(**self.fixed, **chosen)
        return network.eval()

    def complete_arguments(self, **arguments: ArgumentValue) -> dict[str, ArgumentValue]:
        """These arguments, completed with the defaults of the others; it raises as ``build``
        does.
        """
        for name, value in arguments.items():
            if name not in self.arguments:
                names = ", ".join(self.arguments) or "none"
                raise NetworkError(
                    f"{self.name} has no argument {name}: it has {names}",
                    hint=suggest(name, self.arguments),
                )
            argument = self.arguments[name]
            # The type is compared exactly, because True is also an int in Python.
            if type(value) is not type(argument.default) or value not in argument.allowed:
                raise NetworkError(f"{self.name}: {name} is {value!r}, expected {argument}")
        return {name: argument.default for name, argument in self.arguments.items()} | arguments

    def infer_arguments(self, shapes: Shapes) -> dict[str, ArgumentValue]:
        """The arguments that a checkpoint's keys and shapes show, completed with the defaults of
        the others.

        The keys must be torch's (``gluon_names.torch_names``); the caller compares keys and shapes
        with those of the module that ``build`` returns.

        Raises:
            NetworkError: the checkpoint shows a value that is not allowed.
        """
        values = {name: argument.read(shapes) for name, argument in self.arguments.items()}
        return self.complete_arguments(
            **{name: value for name, value in values.items() if value is not None}
        )

    def module_outputs(self, **arguments: ArgumentValue) -> tuple[str, ...]:
        """The names of what the module returns, in order; it raises as ``build`` does."""
        chosen = self.complete_arguments(**arguments)
        return tuple(name.format(**chosen) for name in self.outputs)

    def output_names(self, **arguments: ArgumentValue) -> tuple[str, ...]:
        """The names of the IR's outputs, in order; it raises as ``build`` does."""
        names = self.module_outputs(**arguments)
        return tuple(names[index] for index in self.ir_order) or names
