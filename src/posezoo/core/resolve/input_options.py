"""How the user changes the IR's inputs and outputs, also with Model Optimizer's arguments
(--add_mo_arg).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from posezoo.core.declarations.mo_args import OTHER_ORIGINALS, TYPED, MoArguments, read_arguments
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.declarations.supported_mo_args import CARRIED_OUT
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.errors import Advice, PosezooError, SpecError, suggest
from posezoo.core.values import frozen

# These do not change the IR.
_WITHOUT_EFFECT = ("--silent", "--log_level", "--progress", "--stream_output")

# Arguments of Model Optimizer that converter.py sets in another way, and that way.
_GIVEN_ELSEWHERE = {
    "--input_model": "model.yml declares the file to convert",
    "-m": "model.yml declares the file to convert",
    "--output_dir": "use --output_dir of converter.py itself",
    "-o": "use -o of converter.py itself",
}


@frozen
class InputOptions:
    """How the IR's inputs and outputs differ from model.yml's; each option changes the IR and its
    key.
    """

    #: Further arguments of Model Optimizer: the values of ``--add_mo_arg``.
    mo_arguments: tuple[str, ...] = ()
    #: Of image inputs, by OpenVINO's name (u8, f16, f32); empty: the model's own.
    element_type: str = ""
    layout: str = ""  # the layout of image inputs, NCHW or NHWC; empty for the model's own
    resize: bool = False  # whether the IR takes images of any height and width, and resizes them
    #: Whether sizes are dynamic: those that model.yml names, else height and width.
    dynamic: bool = False
    decode: bool = False  # whether the IR contains its decoder
    max_people: int | None = None  # with ``decode``: the number of people in its outputs
    min_score: float | None = None  # with ``decode``: the minimum score of a person
    #: With ``decode``: options of the decoder and their values, instead of those that it declares.
    decoder_options: tuple[tuple[str, str | float], ...] = ()
    #: With ``decode``: the size in pixels to which images are resized; None: as the model declares.
    target_size: int | None = None


def with_added_mo_args(
    spec: ModelSpec, arguments: Sequence[str], *, has_mo: bool = False
) -> ModelSpec:
    """The model with its inputs and outputs changed by --add_mo_arg; ``has_mo``: a Model Optimizer
    may know arguments that posezoo does not.

    Raises:
        PosezooError: an argument is unknown, does not fit the model, or is not supported.
    """
    requested = [text for text in arguments if text.partition("=")[0] not in _WITHOUT_EFFECT]
    if not requested:
        return spec
    accepted = {*TYPED, *filter(None, TYPED.values()), *CARRIED_OUT} - {
        *_GIVEN_ELSEWHERE,
        *OTHER_ORIGINALS,
    }
    for text in requested:
        flag = text.partition("=")[0]
        if not flag.startswith("-"):
            # The value of the previous argument, as in --add_mo_arg=--input --add_mo_arg=data.
            continue
        if flag in _GIVEN_ELSEWHERE:
            raise PosezooError(
                f"--add_mo_arg={text}: this argument cannot be added", hint=_GIVEN_ELSEWHERE[flag]
            )
        if flag not in accepted and not has_mo:
            supported = ", ".join(sorted(accepted))
            raise PosezooError(
                f"--add_mo_arg={text}: posezoo does not support this argument",
                hint=suggest(flag, accepted)
                or Advice(
                    f"it supports {supported}; with --mo PATH all others are possible", "--mo"
                ),
            )
    added = read_given_arguments(requested, spec.inputs, flag="--add_mo_arg=")
    outputs = added.outputs or spec.outputs
    if [port.shape for port in added.inputs] != [port.shape for port in spec.inputs]:
        outputs = tuple(replace(port, shape=()) for port in outputs)  # their new sizes are unknown
    return replace(spec, inputs=added.inputs, outputs=outputs, mo_args=(*spec.mo_args, *added.kept))


def read_given_arguments(
    arguments: Sequence[str], inputs: tuple[Input, ...] = (), flag: str = ""
) -> MoArguments:
    """The meaning of arguments from a command line, added to the inputs that are declared.

    A PosezooError, which puts ``flag`` before the argument, if one is not valid.
    """
    try:
        return read_arguments(parse_yaml(json.dumps(list(arguments)).encode(), "arguments"), inputs)
    except SpecError as error:  # the error to raise names the argument, not a place in a file
        number = error.field.strip("[]")
        if not number.isdecimal():
            raise
        where = f"{error.file}:{error.line}:{error.column}: {error.field}: "
        argument = arguments[int(number)]
        reason = error.problem.removeprefix(where).removeprefix(f"{argument.partition('=')[0]}: ")
        problem = f"{flag}{argument}: {reason}"
        raise PosezooError(problem, hint=error.hint) from error
