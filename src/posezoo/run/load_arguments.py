"""The arguments of ``posezoo.load`` that belong together: a file's preparation, and how it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import Advice, PosezooError, UsageError, shell_word, spell_flag
from posezoo.core.other_words import find_own_flag
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.poses.decoders import Option


def given_arguments(group: Any) -> dict[str, Any]:
    """The arguments of a group that are not the defaults, by name."""
    values = {each.name: (getattr(group, each.name), each.default) for each in fields(group)}
    return {name: value for name, (value, default) in values.items() if value != default}


def _show_given(group: Any) -> str:
    """The call that makes this value."""
    given = [f"{name}={_show(value)}" for name, value in given_arguments(group).items()]
    return f"posezoo.{type(group).__name__}({', '.join(given)})"


def _show(value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    plain = (str, int, float, tuple, list, Mapping, Options, Preparation)
    return repr(value) if value is None or isinstance(value, plain) else "..."


@frozen
class Preparation:
    """What the .xml or .onnx does not say itself, for ``posezoo.load``: how images are prepared for
    it, and what its outputs are. A model of the zoo declares it.

    Attributes:
        like: a model of the zoo whose original is prepared for and decoded in the same way; empty
            for a file that says it.
        decoder: of the outputs, such as ``heatmap``; None: as the file states or its outputs show.
        mean_values, scale_values: what is subtracted from images of 0..255, and then divides them:
            a number, or one for each channel; None: as the file states. 1 as scale says that the
            network takes images as they are.
        reverse_input_channels: whether the network takes RGB; None: as the file states.
        skeleton: of the network's keypoints: a skeleton, the path of its YAML file, or the name of
            one of posezoo's; None: as the file or model declares. Also for checkpoints.

    Raises:
        PosezooError: a mean or scale is not a number.
    """

    like: str = ""
    decoder: str | None = None
    mean_values: float | Sequence[float] | None = None
    scale_values: float | Sequence[float] | None = None
    reverse_input_channels: bool | None = None
    skeleton: Skeleton | str | os.PathLike[str] | None = None

    __repr__ = _show_given

    def __post_init__(self) -> None:
        for name in ("mean_values", "scale_values"):
            object.__setattr__(self, name, _as_numbers(name, getattr(self, name)))


def _as_numbers(name: str, values: Any) -> tuple[float, ...] | None:
    if values is None:
        return None
    try:
        numbers = tuple(map(float, [values] if isinstance(values, (int, float)) else values))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) not in (1, 3):
        raise UsageError(
            f"{name}: expected a number, or one for each of 3 channels, got {values!r}",
            hint=f"{name}=[123.675, 116.28, 103.53]",
        )
    return numbers


@frozen
class Options:
    """How a model runs, for ``posezoo.load``.

    Attributes:
        requests: the number of images that ``stream`` processes at the same time; 0 for the
            device's optimum; None for that wherever images do not depend on each other, and one
            for calls.
        streams: the number of parallel inferences, 4 or ``CPU:4,GPU:2``; empty for the device's
            choice.
        threads: the number of CPU threads; 0 for one per core.
        min_person_score: the minimum score of a person, 0..1; of the person detector if one runs.
            None: the decoder's default.
        whole_image: if the detector finds no person, the whole image is taken as one person, who is
            kept with this score or more, 0..1, and 5/6 of it in a second look at the part with
            the keypoints; None: as the model declares; 1: never.
        height: the size in pixels to which images are resized: the height for OpenPose-like
            networks, the shorter side for those with associative embeddings; None: as the model
            declares.
        aspect: width and height of the expected images; the input is resized to fit them once, if
            possible.
        decoder_options: options of the model's decoder, such as ``{"segmentation": True}`` for
            ``Pose.mask`` of BlazePose; None: those that the model declares.
    """

    requests: int | None = None
    streams: str | int = ""
    threads: int = 0
    min_person_score: float | None = None
    whole_image: float | None = None
    height: int | None = None
    aspect: tuple[int, int] | None = None
    decoder_options: Mapping[str, Option] | None = None

    __repr__ = _show_given


_GROUPS: dict[str, type[Options] | type[Preparation]] = {
    "options": Options,
    "preparation": Preparation,
}


def require_group(name: str, value: object) -> None:
    """Raise a PosezooError if an argument of ``load`` is not the group of this name, or None."""
    group = _GROUPS[name]
    if value is not None and not isinstance(value, group):
        raise PosezooError(
            f"{name}: expected posezoo.{group.__name__}, got {type(value).__name__}",
            hint=f"help(posezoo.{group.__name__}) shows its arguments",
        )


#: The group of each argument.
GROUPED = {each.name: name for name, group in _GROUPS.items() for each in fields(group)}


def spell_for_convert(preparation: Preparation) -> str:
    """What is said of a file as flags of ``posezoo convert``, with a space before each."""
    flags = []
    for name, value in given_arguments(preparation).items():
        if value is False or isinstance(value, Skeleton):  # which has no file
            continue
        values = value if isinstance(value, tuple) else (value,)
        texts = [] if value is True else [f"{each}".removesuffix(".0") for each in values]
        flags.append(spell_flag(name, " ".join(map(shell_word, texts))))
    return "".join(f" {flag}" for flag in flags)


def spell_argument(name: str, value: str = "...") -> str:
    """An argument of ``load`` with its value, in its group if it has one; only its name if the
    value is empty.
    """
    if not value:
        return name
    shown = f"{name}={value}"
    if name not in GROUPED:
        return shown
    group = GROUPED[name]
    return f"{group}=posezoo.{_GROUPS[group].__name__}({shown})"


def spell_in_python(hint: str) -> str:
    """A hint whose parameters are spelled as arguments of ``load``."""
    if not isinstance(hint, Advice):
        return hint
    return hint.spell(lambda name, value: spell_argument(name, value and f'"{value}"'))


def explain_argument(name: str, value: object) -> str:
    """What to give to ``load`` instead of an argument that other programs have; empty if there is
    nothing.
    """
    own, _, option = (find_own_flag(name) or "").removeprefix("--").partition(" ")
    if option:
        return spell_argument(own, repr({option.rstrip("="): value}))
    return spell_argument(own, repr(value)) if own in GROUPED else ""
