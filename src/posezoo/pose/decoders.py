"""Which ways there are from a network's outputs to poses, and what each one needs.

A new decoder is a line of ``DECODERS``, and one of ``estimator.PIPELINES`` that runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from posezoo.errors import InferenceError, nearest
from posezoo.pose.blazepose import BlazePoseOptions
from posezoo.spec.model import Decoder, Output

Option = str | int | float | bool


@dataclass(frozen=True, slots=True)
class DecoderNeeds:
    """What a decoder needs.

    Attributes:
        networks: for each network, in the order they run in, the outputs that are decoded; their
            ``role`` is the name that the decoder knows them by.
        options: a frozen dataclass whose fields are the options, with their defaults.
    """

    networks: tuple[tuple[Output, ...], ...]
    options: type[Any]


DECODERS: dict[str, DecoderNeeds] = {
    "blazepose": DecoderNeeds(
        networks=(
            (
                Output("Identity", (1, 2254, 12), role="boxes"),
                Output("Identity_1", (1, 2254, 1), role="scores"),
            ),
            (Output("Identity", (1, 195), role="landmarks"), Output("Identity_1", (1, 1), role="presence")),
        ),
        options=BlazePoseOptions,
    ),
}


def needs_of(decoder: Decoder) -> DecoderNeeds:
    """What the decoder that a model names needs.

    Raises:
        InferenceError: there is none of that name.
    """
    if decoder.name not in DECODERS:
        raise InferenceError(
            f"no decoder {decoder.name}: there is {', '.join(DECODERS)}", hint=nearest(decoder.name, DECODERS)
        )
    return DECODERS[decoder.name]


def options_of(decoder: Decoder, overrides: Mapping[str, Option] | None = None) -> Any:
    """The decoder's options: its defaults, what the model declares, and what the caller says, in that order.

    Raises:
        InferenceError: there is no such decoder or option, or a value cannot be meant.
    """
    kind = needs_of(decoder).options
    given = {**decoder.options, **(overrides or {})}
    known = {field.name: field.default for field in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise InferenceError(
                f"decoder {decoder.name} has no option {name}: it has {', '.join(known)}",
                hint=nearest(name, known),
            )
        expected = type(known[name])
        if not _is_a(value, expected):
            raise InferenceError(f"decoder option {name}: expected {_WORDS[expected]}, got {value!r}")
    return kind(**given)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def _is_a(value: Option, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:  # True is an int to Python, but nobody means 1
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
