"""How the user changes the IR's inputs and outputs, also with Model Optimizer's arguments
(--add_mo_arg).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from posezoo.core.declarations.known_arguments import MODEL_OPTIMIZER
from posezoo.core.declarations.mo_args import OTHER_ORIGINALS, TYPED, MoArguments, read_arguments
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.declarations.supported_mo_args import CARRIED_OUT
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.errors import Advice, PosezooError, SpecError
from posezoo.core.values import frozen

# These do not change the IR.
_WITHOUT_EFFECT = ("--silent", "--log_level", "--progress", "--stream_output")
# What --add_mo_arg can change without a Model Optimizer.
_SUPPORTED = sorted({*TYPED, *CARRIED_OUT} - {"--input_model", *OTHER_ORIGINALS})

# Arguments of Model Optimizer that converter.py sets in another way, and that way.
_GIVEN_ELSEWHERE = {
    "--input_model": "model.yml declares the file to convert",
    "--output_dir": "use --output_dir of converter.py itself",
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
    carries out what posezoo does not.

    Raises:
        PosezooError: an argument is unknown, does not fit the model, or is not supported.
    """
    requested = [text for text in arguments if _find_flag(text) not in _WITHOUT_EFFECT]
    if not requested:
        return spec
    added = read_given_arguments(requested, spec.inputs, flag="--add_mo_arg=")
    for text in requested:
        _check_added(text, has_mo=has_mo)
    outputs = added.outputs or spec.outputs
    if [port.shape for port in added.inputs] != [port.shape for port in spec.inputs]:
        outputs = tuple(replace(port, shape=()) for port in outputs)  # their new sizes are unknown
    return replace(spec, inputs=added.inputs, outputs=outputs, mo_args=(*spec.mo_args, *added.kept))


def _find_flag(text: str) -> str:
    """The flag of an argument; empty for a value, as in --add_mo_arg=--input --add_mo_arg=data."""
    return MODEL_OPTIMIZER.find(text.partition("=")[0].strip())


def _check_added(text: str, *, has_mo: bool) -> None:
    flag = _find_flag(text)
    if flag in _GIVEN_ELSEWHERE:
        raise PosezooError(
            f"--add_mo_arg={text}: this argument cannot be added", hint=_GIVEN_ELSEWHERE[flag]
        )
    if flag and flag not in _SUPPORTED and not has_mo:
        raise PosezooError(
            f"--add_mo_arg={text}: posezoo does not support this argument",
            hint=Advice(
                f"it supports {', '.join(_SUPPORTED)}; with --mo PATH all others are possible",
                "--mo",
            ),
        )


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
