"""Read Open Model Zoo's accuracy-check.yml: how the original and converted models are evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from posezoo.lint.card_claims import Numbers
from posezoo.lint.registry_view import find_node
from posezoo.lint.text_comparison import parse_numbers
from posezoo.spec.yaml_nodes import YamlNode

#: Frameworks that run the converted model.
CONVERTED = ("dlsdk", "openvino", "g-api")
_CHANNEL_SWAPS = ("bgr_to_rgb", "rgb_to_bgr")
#: The colour order that each image reader returns.
_READERS = {"": "BGR", "opencv_imread": "BGR", "pillow_imread": "RGB"}


@dataclass(frozen=True, slots=True)
class PreprocessingStep:
    """A step of preprocessing; ``mean`` and ``std`` are None if absent or not a list of numbers."""

    type: str
    node: YamlNode
    mean: Numbers | None
    std: Numbers | None


@dataclass(frozen=True, slots=True)
class AccuracyCheckRun:
    """One evaluation of a model: one framework, one data set.

    Attributes:
        node: the model's entry.
        is_converted: whether the converted model is evaluated, not the original.
        reader: the image reader; empty for the default, ``?`` if unclear.
    """

    name: str
    node: YamlNode
    is_converted: bool
    launcher: YamlNode
    reader: str
    dataset: YamlNode
    steps: tuple[PreprocessingStep, ...]

    @property
    def side(self) -> str:
        """The evaluated model, as a card's sections name it."""
        return "converted" if self.is_converted else "original"

    @property
    def channel_swaps(self) -> tuple[PreprocessingStep, ...]:
        """The steps that reverse the channels."""
        return tuple(step for step in self.steps if step.type in _CHANNEL_SWAPS)

    @property
    def normalization(self) -> tuple[Numbers, Numbers] | None:
        """The mean and the divisor of all steps combined; empty if there is none.

        None if a step does not state them as numbers.
        """
        mean: Numbers = ()
        scale: Numbers = ()
        for step in self.steps:
            if step.type != "normalization":
                continue
            for key, values in (("mean", step.mean), ("std", step.std)):
                if find_node(step.node, key) is not None and not values:
                    return None
            if step.mean:  # ((x - m1) / s1 - m2) / s2 is (x - m1 - m2 * s1) / (s1 * s2)
                mean = _combine(lambda m, s, other: m + s * other, mean or (0.0,), scale or (1.0,), step.mean)
            if step.std:
                scale = _combine(lambda s, other, _: s * other, scale or (1.0,), step.std, (1.0,))
        return mean, scale

    @property
    def color(self) -> str:
        """The colour order of the network's input; empty if unclear."""
        order = _READERS.get(self.reader, "")
        if any("gray" in step.type or "yuv" in step.type for step in self.steps):
            return ""
        for step in self.channel_swaps:
            before, after = step.type.upper().split("_TO_")
            if order != before:
                return ""
            order = after
        return order


def _combine(function: Callable[[float, float, float], float], *lists: Numbers) -> Numbers:
    """Apply the function to three lists per channel; a single value is used for all channels."""
    length = max(map(len, lists))
    one, two, three = (values * length if len(values) == 1 else values for values in lists)
    return tuple(function(*values) for values in zip(one, two, three, strict=False))


def read_runs(tree: YamlNode | None) -> Iterator[AccuracyCheckRun]:
    """Every run of ``models``; ``evaluations``, which are Python modules, are left out."""
    for entry in list_below(tree, "models"):
        launchers = list_below(entry, "launchers")
        frameworks = {text_below(launcher, "framework") for launcher in launchers}
        are_converted = {framework in CONVERTED for framework in frameworks}
        if len(are_converted) != 1 or "" in frameworks:
            continue
        for dataset in list_below(entry, "datasets"):
            reader = find_node(dataset, "reader")
            yield AccuracyCheckRun(
                name=text_below(entry, "name"),
                node=entry,
                is_converted=are_converted == {True},
                launcher=launchers[0],
                reader=text_below(dataset, "reader") if reader is None or reader.is_text() else "?",
                dataset=dataset,
                steps=tuple(map(_read_step, list_below(dataset, "preprocessing"))),
            )


def _read_step(node: YamlNode) -> PreprocessingStep:
    mean, std = (_numbers(find_node(node, key)) for key in ("mean", "std"))
    return PreprocessingStep(text_below(node, "type"), node, mean, std)


def _numbers(node: YamlNode | None) -> Numbers | None:
    if node is not None and isinstance(node.value, list):
        texts = [item.value if isinstance(item.value, str) else "?" for item in node.value]
    elif node is not None and isinstance(node.value, str):
        texts = node.value.strip("()[] ").split(",")
    else:
        return None
    if not all(re.fullmatch(r"\s*-?[0-9.]+(e-?[0-9]+)?\s*", text) for text in texts):
        return None
    return tuple(value for text in texts for value, _ in parse_numbers(text)[:1])


def list_below(node: YamlNode | None, key: str) -> list[YamlNode]:
    """The list of a mapping's key; empty if there is none."""
    child = find_node(node, key)
    return child.value if child is not None and isinstance(child.value, list) else []


def text_below(node: YamlNode | None, key: str) -> str:
    """The text of a mapping's key; empty if there is none."""
    child = find_node(node, key)
    return child.value if child is not None and isinstance(child.value, str) else ""
