"""Means and scales with which networks are trained, and the usual mistakes in stating them."""

from __future__ import annotations

from posezoo.core.declarations.model import ColorOrder

Numbers = tuple[float, ...]

#: Usual training constants: means and divisors of ImageNet's channels in 0..255, RGB, and similar
#: values.
MEANS = ((123.675, 116.28, 103.53), (123.68, 116.78, 103.94), (123.68, 116.779, 103.939))
SCALES = ((58.395, 57.12, 57.375),)
CONSTANTS = (*MEANS, *SCALES, (127.5, 127.5, 127.5), (255.0, 255.0, 255.0), (128.0, 128.0, 128.0))


def is_usual(values: Numbers) -> bool:
    """Whether these are usual constants, in the order RGB or BGR, perhaps computed in two steps."""
    rounded = tuple(round(value, 3) for value in values)
    return rounded in CONSTANTS or rounded[::-1] in CONSTANTS


def is_factor(scale: Numbers) -> bool:
    """Whether a scale is so small that it was meant to multiply."""
    return bool(scale) and 0 < max(scale) < 0.1


def format_numbers(values: Numbers) -> str:
    """Numbers in the form that reports use."""
    return ", ".join(f"{value:.7g}" for value in values)


def explain_channel_values(mean: Numbers, scale: Numbers, color: ColorOrder | None) -> str:
    """What is wrong with a mean and a scale of values from 0 to 255; empty if nothing is.

    Args:
        color: the order of the network's channels; None if it is unknown.
    """
    largest_mean = max(mean, default=0)
    largest_scale = max(scale, default=1)
    if min((*mean, *scale), default=0) < 0:
        return "a negative one is of values below 0"
    if not mean and is_usual(scale) and len(set(scale)) > 1:
        return "there is no mean to this scale"
    if 0 < largest_mean <= 1:
        return f"a mean from 0 to 1 is of values that were divided by 255{_suggest(mean, scale)}"
    if largest_scale < 1 and not is_factor(scale):
        return f"a scale below 1 is of values that were divided by 255{_suggest(mean, scale)}"
    if largest_mean > 200 or _is_mean(scale):
        return "they have changed places"
    step = 1 if color is ColorOrder.BGR else -1
    if color and not {_round(mean[::step]), _round(scale[::step])}.isdisjoint(MEANS + SCALES):
        return f"their order is not that of {color}"
    return ""


def explain_preparation(mean: Numbers, scale: Numbers, color: ColorOrder | None) -> str:
    """A sentence on a mean and a scale, one for each channel or one for all, that are likely wrong;
    empty if they are not.
    """
    if is_factor(scale):
        meant = format_numbers(tuple(1 / value for value in scale if value))
        return f"a scale of {format_numbers(scale)} divides; did you mean {meant}?"
    problem = explain_channel_values(mean, scale, color)
    if not problem:
        return ""
    values = " / ".join(format_numbers(each) or "none" for each in (mean, scale))
    return f"mean and scale are {values}: {problem}"


def _suggest(mean: Numbers, scale: Numbers) -> str:
    texts = [
        format_numbers(tuple(255 * value for value in values))
        for values in (mean, scale)
        if 0 < max(values, default=0) <= 1
    ]
    return f"; did you mean {' / '.join(texts)}?"


def _round(values: Numbers) -> Numbers:
    return tuple(round(value, 3) for value in values)


def _is_mean(values: Numbers) -> bool:
    return _round(values) in MEANS or _round(values[::-1]) in MEANS
