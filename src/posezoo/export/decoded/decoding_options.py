"""Change a model so that its IR contains its decoder (``--decode``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import Decoder, Decoding, Input, ModelSpec, Output
from posezoo.core.errors import Advice, ConversionError

if TYPE_CHECKING:
    from posezoo.poses.decoder_type import DecoderType


def with_decoding(
    spec: ModelSpec,
    named: Decoder | None,
    max_people: int | None = None,
    min_score: float | None = None,
    *,
    target_size: int | None = None,
) -> ModelSpec:
    """The model, changed so that its IR contains its decoder. Its input has the size to which
    ``posezoo run`` resizes images; one of any size has its usual size.

    Args:
        spec: the model.
        named: its decoder, or that of its composite.
        max_people: the number of people in the outputs; None for the most that the network finds.
        min_score: the minimum score of a person; None for the decoder's.
        target_size: in pixels, as in ``LoadOptions``; None for that of the model.

    Raises:
        ConversionError: the model has no decoder, it cannot be put into a graph, or it finds one
            person; or its size is fixed.
        InferenceError: the decoder or one of its options does not exist.
    """
    from posezoo.poses.decoders import DECODERS, resolve_options

    if named is None:
        raise _refused(spec, "has no decoder to put into its IR")
    decoder = DECODERS.find(named.name)
    if decoder is None or decoder.graph is None:
        names = sorted(name for name, other in DECODERS.items() if other.graph)
        hint = Advice(f"remove --decode; these decoders can: {', '.join(names)}", "--decode")
        raise _refused(spec, f"its decoder {named.name} cannot be put into an IR", hint)
    option = _find_score_option(spec, decoder, named.name, max_people)
    options = {**decoder.graph.options, **named.options}
    if min_score is not None and option:
        options[option] = min_score
    named = replace(named, options=options)
    if min_score is None:
        min_score = 0.0
        if option:
            min_score = float(getattr(resolve_options(named), option))
    if target_size and decoder.approach != "bottom-up":
        raise _refused(spec, "its input size is fixed", "leave out --height")
    inputs = tuple(map(_with_usual_size, spec.inputs))
    target = target_size or spec.target_size
    if target:
        inputs = tuple(_with_target_size(port, named, target) for port in inputs)
    # Their sizes follow from those of the inputs.
    outputs = tuple(
        replace(port, shape=()) if target or -1 in port.shape else port for port in spec.outputs
    )
    decoding = Decoding(named, max_people or 0, min_score)
    return replace(spec, decoding=decoding, inputs=inputs, outputs=outputs)


def _refused(
    spec: ModelSpec, problem: str, hint: str = Advice("remove --decode", "--decode")
) -> ConversionError:
    return ConversionError(f"{spec.full_name}: {problem}", hint=hint)


def _find_score_option(
    spec: ModelSpec, decoder: DecoderType, name: str, max_people: int | None
) -> str:
    """The decoder's option that is the minimum score of a person; empty if it has none."""
    network = find_decoder_network(spec, decoder)
    if network is None:
        raise _refused(spec, f"its outputs are not those of the decoder {name}")
    if network is not decoder.networks[-1]:  # finds the people whom the last network processes
        return decoder.person_score
    if max_people is not None and decoder.approach == "top-down":
        problem = f"finds one person, so --max_people {max_people} cannot be used"
        raise _refused(spec, problem, "remove --max_people")
    return decoder.graph.score_option if decoder.graph else ""


def _with_usual_size(port: Input) -> Input:
    if port.usual_size is None:
        return port
    usual = dict(zip("HW", port.usual_size, strict=True))
    sides = zip(port.layout, port.shape, strict=True)
    return replace(port, shape=tuple(usual.get(axis, side) for axis, side in sides), reshaped=True)


def _with_target_size(port: Input, decoder: Decoder, target: int) -> Input:
    """The input with the size that a pipeline gives it for pictures of its aspect."""
    from posezoo.poses.decoders import sizing_of_input

    sides = port.sides
    if min(sides.values(), default=-1) < 1:
        return port
    sizing = sizing_of_input(decoder, port)
    sides["W"], sides["H"] = sizing.input_size(target, (sides["W"], sides["H"]))
    return replace(port, shape=tuple(sides.values()), reshaped=True)


def find_decoder_network(spec: ModelSpec, decoder: DecoderType) -> tuple[Output, ...] | None:
    """The outputs of the decoder's network whose roles the model declares; without roles, the last
    one's.
    """
    roles = {port.role for port in spec.outputs}
    if not roles - {""} or any(rule.keys() <= roles for rule in decoder.rules):
        return decoder.networks[-1]  # a rule may have roles of its own: all maps in one output
    fitting = (each for each in decoder.networks if {output.role for output in each} <= roles)
    return next(fitting, None)
