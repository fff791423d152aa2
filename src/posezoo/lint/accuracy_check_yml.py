"""Read Open Model Zoo's accuracy-check.yml: how the original and converted models are evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.core.values import frozen
from posezoo.lint.card_claims import Numbers

#: Frameworks that run the converted model.
CONVERTED = frozenset(("dlsdk", "openvino", "g-api"))
_NUMBER = re.compile(r"\s*-?[0-9]{1,12}(?:\.[0-9]{0,20})?(?:e-?[0-9]{1,2})?\s*")
_CHANNEL_SWAPS = ("bgr_to_rgb", "rgb_to_bgr")
#: The colour order that each image reader returns.
_READERS = {"": "BGR", "opencv_imread": "BGR", "pillow_imread": "RGB"}


@frozen
class AccuracyCheckRun:
    """One evaluation of a model: one framework, one data set."""

    node: YamlNode  # the model's entry
    is_converted: bool  # whether the converted model is evaluated, not the original
    launcher: YamlNode
    reader: str  # the image reader; empty for the default, ``?`` if unclear
    dataset: YamlNode
    steps: tuple[tuple[str, YamlNode], ...]  # the type and the node of each step of preprocessing

    @property
    def side(self) -> str:
        """The evaluated model, as a card's sections name it."""
        return "converted" if self.is_converted else "original"

    @property
    def channel_swaps(self) -> list[tuple[str, YamlNode]]:
        """The steps that reverse the channels."""
        return [step for step in self.steps if step[0] in _CHANNEL_SWAPS]

    @property
    def normalization(self) -> tuple[Numbers, Numbers] | None:
        """The mean and the divisor of all steps combined; empty if there is none, None if a step
        does not state numbers.
        """
        mean: Numbers = ()
        scale: Numbers = ()
        for kind, node in self.steps:
            if kind != "normalization":
                continue
            own_mean = _read_numbers(find_node(node, "mean"))
            own_scale = _read_numbers(find_node(node, "std"))
            if own_mean is None or own_scale is None:
                return None
            if own_mean:  # ((x - m1) / s1 - m2) / s2 is (x - m1 - m2 * s1) / (s1 * s2)
                channels = by_channel(mean or (0.0,), scale or (1.0,), own_mean)
                mean = tuple(m + s * other for m, s, other in channels)
            if own_scale:
                scale = tuple(s * other for s, other in by_channel(scale or (1.0,), own_scale))
        return mean, scale

    @property
    def color(self) -> str:
        """The colour order of the network's input; empty if unclear."""
        order = _READERS.get(self.reader, "")
        if any("gray" in kind or "yuv" in kind for kind, _ in self.steps):
            return ""
        for kind, _ in self.channel_swaps:
            before, after = kind.upper().split("_TO_")
            if order != before:
                return ""
            order = after
        return order


def by_channel(*lists: Numbers) -> Iterator[tuple[float, ...]]:
    """The values of the lists for each channel; a single value is used for all channels."""
    length = max(map(len, lists))
    repeated = [values * length if len(values) == 1 else values for values in lists]
    return zip(*repeated, strict=False)


def read_runs(tree: YamlNode | None) -> Iterator[AccuracyCheckRun]:
    """Every run of ``models``; ``evaluations``, which are Python modules, are left out."""
    for entry in list_below(tree, "models"):
        launchers = list_below(entry, "launchers")
        frameworks = {text_below(launcher, "framework") for launcher in launchers}
        is_converted = frameworks <= CONVERTED
        # None, or some of both kinds.
        if is_converted == frameworks.isdisjoint(CONVERTED) or "" in frameworks:
            continue
        for dataset in list_below(entry, "datasets"):
            node = find_node(dataset, "reader")
            is_unclear = node is not None and not node.is_text()
            reader = "?" if is_unclear else text_below(dataset, "reader")
            steps = [
                (text_below(step, "type"), step) for step in list_below(dataset, "preprocessing")
            ]
            yield AccuracyCheckRun(
                node=entry,
                is_converted=is_converted,
                launcher=launchers[0],
                reader=reader,
                dataset=dataset,
                steps=tuple(steps),
            )


def _read_numbers(node: YamlNode | None) -> Numbers | None:
    """The numbers of a list or a text; empty if there is no node, None if it states no numbers."""
    if node is None:
        return ()
    texts = []
    if isinstance(node.value, list):
        texts = [str(item.value) for item in node.value]
    elif isinstance(node.value, str):
        texts = node.value.strip("()[] ").split(",")
    if texts and all(map(_NUMBER.fullmatch, texts)):
        return tuple(map(float, texts))
    return None


def find_node(node: YamlNode | None, *keys: str | int) -> YamlNode | None:
    """The value below these keys of mappings and indices of lists, or None."""
    for key in keys:
        value: Any = node.value if node else None
        if isinstance(value, list):
            value = dict(enumerate(value))
        node = value.get(key) if isinstance(value, dict) else None
    return node


def list_below(node: YamlNode | None, key: str) -> list[YamlNode]:
    """The list of a mapping's key; empty if there is none."""
    value = getattr(find_node(node, key), "value", None)
    return value if isinstance(value, list) else []


def list_files(tree: YamlNode | None, tag: str) -> list[YamlNode]:
    """The files of a variant in model.yml: its own, or those of all variants."""
    return list_below(find_node(tree, "variants", tag), "files") or list_below(tree, "files")


def text_below(node: YamlNode | None, key: str) -> str:
    """The text of a mapping's key; empty if there is none."""
    value = getattr(find_node(node, key), "value", None)
    return value if isinstance(value, str) else ""


def list_leaves(node: YamlNode | None) -> Iterator[YamlNode]:
    """The nodes of a tree that are neither mappings nor lists."""
    value = node.value if node else None
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        for child in children:
            yield from list_leaves(child)
    elif node:
        yield node
