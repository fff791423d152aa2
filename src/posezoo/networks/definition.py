"""What is known of a network before torch is there: what it takes, what it gives, what may differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from posezoo.errors import NetworkError, import_optional, suggest
from posezoo.spec.model import Input, SelfCheckSettings

if TYPE_CHECKING:
    from torch import nn

ArgumentValue = bool | int | str
#: The shape of every tensor of a checkpoint, by its key.
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class NetworkArgument:
    """What may differ from checkpoint to checkpoint of one network.

    Attributes:
        default: the published checkpoint's.
        allowed: what the network is known to work with. Numbers have an upper bound because they may come
            from a checkpoint's keys, and memory grows with their square.
        found: reads it from a checkpoint; None where the keys do not tell.
    """

    default: ArgumentValue
    allowed: range | tuple[ArgumentValue, ...]
    found: Callable[[Shapes], ArgumentValue | None] = lambda shapes: None

    def accepts(self, value: object) -> bool:
        """Whether a value can be meant: True is an int to Python, but nobody means 1."""
        return type(value) is type(self.default) and value in self.allowed

    def __str__(self) -> str:
        if isinstance(self.allowed, range):
            return f"{self.allowed[0]} to {self.allowed[-1]}"
        return " or ".join(map(str, self.allowed))


@dataclass(frozen=True, slots=True)
class NetworkDefinition:
    """One network of the zoo.

    Attributes:
        name: what ``build`` knows it by.
        home: module of this room, and class.
        input: its name, default shape, colour order, mean and scale as the published weights expect them.
        outputs: names, in order; ``{refinement_stages}`` stands for that argument's value.
        arguments: what a caller may choose, and ``infer_arguments`` finds.
        fixed: what the name decides.
        self_check: how closely an IR must follow the network, where the default does not fit.
    """

    name: str
    home: tuple[str, str]
    input: Input
    outputs: tuple[str, ...]
    arguments: Mapping[str, NetworkArgument] = field(default_factory=dict)
    fixed: Mapping[str, ArgumentValue] = field(default_factory=dict)
    self_check: SelfCheckSettings = field(default_factory=SelfCheckSettings)

    def build(self, **arguments: ArgumentValue) -> nn.Module:
        """The network, in eval mode, with torch's initial weights.

        Inside ``with torch.device("meta")`` no memory is taken: its keys and shapes can be compared with a
        checkpoint's first, and ``load_state_dict(..., assign=True)`` then takes the checkpoint's tensors.

        Raises:
            NetworkError: there is no such argument, or its value is not one of those allowed.
            MissingPackageError: torch is not installed.
        """
        chosen = self.complete_arguments(**arguments)
        import_optional("torch", extra="torch")
        module, kind = self.home
        network: nn.Module = getattr(import_module(f"posezoo.networks.{module}"), kind)(
            **self.fixed, **chosen
        )
        return network.eval()

    def complete_arguments(self, **arguments: ArgumentValue) -> dict[str, ArgumentValue]:
        """The arguments of a call, completed by the defaults.

        Raises:
            NetworkError: there is no such argument, or its value is not one of those allowed.
        """
        for name, value in arguments.items():
            if name not in self.arguments:
                known = ", ".join(self.arguments) or "none"
                raise NetworkError(
                    f"{self.name} has no argument {name}: it has {known}", hint=suggest(name, self.arguments)
                )
            if not self.arguments[name].accepts(value):
                raise NetworkError(f"{self.name}: {name} is {value!r}, expected {self.arguments[name]}")
        return {name: argument.default for name, argument in self.arguments.items()} | arguments

    def infer_arguments(self, shapes: Shapes) -> dict[str, ArgumentValue]:
        """What a checkpoint's keys and shapes say of the arguments; the default where they say nothing.

        Keys are torch's (``gluon.torch_names``). Nothing is held against the network here: that a key is
        missing or of another shape shows when they are compared with those of what ``build`` makes.

        Raises:
            NetworkError: the checkpoint is of a form that the network is not known to work with.
        """
        found = {name: argument.found(shapes) for name, argument in self.arguments.items()}
        return self.complete_arguments(**{name: value for name, value in found.items() if value is not None})

    def output_names(self, **arguments: ArgumentValue) -> tuple[str, ...]:
        """The names of what ``forward`` returns, in order.

        Raises:
            NetworkError: there is no such argument, or its value is not one of those allowed.
        """
        chosen = self.complete_arguments(**arguments)
        return tuple(name.format(**chosen) for name in self.outputs)


def read_output_channels(key: str) -> Callable[[Shapes], int | None]:
    """Reads how many channels a convolution gives from its weight's shape."""
    return lambda shapes: next(iter(shapes.get(key, ())), None)


def read_stage_count(prefix: str) -> Callable[[Shapes], int | None]:
    """Counts the numbered parts that follow a prefix: 2 for ``stages.0.weight`` and ``stages.1.weight``."""

    def found(shapes: Shapes) -> int | None:
        numbers = {key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)}
        return len({number for number in numbers if number.isdecimal()}) if shapes else None

    return found


def read_presence(key: str) -> Callable[[Shapes], bool | None]:
    """Reads whether there is a tensor of that name."""
    return lambda shapes: key in shapes
