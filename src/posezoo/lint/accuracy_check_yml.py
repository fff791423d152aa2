"""accuracy-check.yml of Open Model Zoo: how each form of a model is run, and what is done to its pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from posezoo.lint.card_claims import Numbers
from posezoo.lint.text_comparison import parse_numbers
from posezoo.spec.yaml_nodes import YamlNode

#: Frameworks whose entries run the converted model.
CONVERTED = ("dlsdk", "openvino", "g-api")
_TURNS = ("bgr_to_rgb", "rgb_to_bgr")
#: Readers of pictures, and the order of colours that each hands on.
_READERS = {"": "BGR", "opencv_imread": "BGR", "pillow_imread": "RGB"}


@dataclass(frozen=True, slots=True)
class PreprocessingStep:
    """A step of preprocessing."""

    type: str
    node: YamlNode
    mean: Numbers | None  # None where there is none, or one that is no list of numbers
    std: Numbers | None


@dataclass(frozen=True, slots=True)
class AccuracyCheckRun:
    """A model as one framework runs it on one data set."""

    name: str
    node: YamlNode
    is_converted: bool
    launcher: YamlNode
    reader: str
    dataset: YamlNode
    steps: tuple[PreprocessingStep, ...]

    @property
    def channel_swaps(self) -> tuple[PreprocessingStep, ...]:
        """The steps that turn the channels around."""
        return tuple(step for step in self.steps if step.type in _TURNS)

    @property
    def normalization(self) -> tuple[Numbers, Numbers] | None:
        """The mean that is subtracted and the divisor that follows, all steps together; empty where none is.

        None where a step names them in another way.
        """
        mean: Numbers = ()
        scale: Numbers = ()
        for step in self.steps:
            if step.type != "normalization":
                continue
            if any(
                _get(step.node, key) is not None and not said
                for key, said in (("mean", step.mean), ("std", step.std))
            ):
                return None
            if step.mean:  # ((x - m1) / s1 - m2) / s2 is (x - m1 - m2 * s1) / (s1 * s2)
                mean = _each(lambda m, s, more: m + s * more, mean or (0.0,), scale or (1.0,), step.mean)
            if step.std:
                scale = _each(lambda s, more, _: s * more, scale or (1.0,), step.std, (1.0,))
        return mean, scale

    @property
    def color(self) -> str:
        """The colour order that the network is given; empty where that is not clear."""
        order = _READERS.get(self.reader, "")
        if any("gray" in step.type or "yuv" in step.type for step in self.steps):
            return ""
        for step in self.channel_swaps:
            before, after = step.type.upper().split("_TO_")
            if order != before:
                return ""
            order = after
        return order


def _each(combine: Callable[[float, float, float], float], *lists: Numbers) -> Numbers:
    """What three lists make, one value for each channel; a single value stands for all."""
    length = max(map(len, lists))
    one, two, three = (values * length if len(values) == 1 else values for values in lists)
    return tuple(combine(*values) for values in zip(one, two, three, strict=False))


def read_runs(tree: YamlNode | None) -> Iterator[AccuracyCheckRun]:
    """Every run that accuracy-check.yml describes; modules of their own (``evaluations``) are left alone."""
    for entry in _list(tree, "models"):
        launchers = _list(entry, "launchers")
        frameworks = {_text(launcher, "framework") for launcher in launchers}
        kinds = {framework in CONVERTED for framework in frameworks}
        if not launchers or len(kinds) != 1 or "" in frameworks:
            continue
        for dataset in _list(entry, "datasets"):
            reader = _get(dataset, "reader")
            yield AccuracyCheckRun(
                name=_text(entry, "name"),
                node=entry,
                is_converted=kinds == {True},
                launcher=launchers[0],
                reader=_text(dataset, "reader") if reader is None or reader.is_text() else "?",
                dataset=dataset,
                steps=tuple(_step(each) for each in _list(dataset, "preprocessing")),
            )


def _step(node: YamlNode) -> PreprocessingStep:
    return PreprocessingStep(
        _text(node, "type"), node, _values(_get(node, "mean")), _values(_get(node, "std"))
    )


def _values(node: YamlNode | None) -> Numbers | None:
    if node is None:
        return None
    if isinstance(node.value, list):
        texts = [each.value if isinstance(each.value, str) else "?" for each in node.value]
    elif isinstance(node.value, str):
        texts = node.value.strip("()[] ").split(",")
    else:
        return None
    if not all(
        isinstance(text, str) and re.fullmatch(r"\s*-?[0-9.]+(e-?[0-9]+)?\s*", text) for text in texts
    ):
        return None
    return tuple(value for text in texts for value, _ in parse_numbers(str(text))[:1])


def _get(node: YamlNode | None, key: str) -> YamlNode | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _list(node: YamlNode | None, key: str) -> list[YamlNode]:
    found = _get(node, key)
    return found.value if found is not None and isinstance(found.value, list) else []


def _text(node: YamlNode | None, key: str) -> str:
    found = _get(node, key)
    return found.value if found is not None and isinstance(found.value, str) else ""
