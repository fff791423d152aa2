"""What a publisher says of a model: how well it does, how large it is, and how it was trained."""

from __future__ import annotations

from posezoo.spec.field_types import read_line, read_list
from posezoo.spec.model import PublishedAccuracy, PublishedMetrics, Training
from posezoo.spec.source_files import read_web_url
from posezoo.spec.yaml_nodes import YamlNode

#: By metric, the largest value that can be meant: a share, or millimetres.
METRICS = {"AP": 1.0, "MPJPE": 10_000.0}
ACCURACY_KEYS = ("metric", "value", "dataset", "protocol", "flip", "AP50", "AP75", "converted")
PUBLISHED_KEYS = ("accuracy", "gflops", "mparams", "known_difference")
TRAINING_KEYS = ("command", "log")
MAX_FIGURE = 1e9


def read_published_metrics(node: YamlNode | None) -> PublishedMetrics:
    """What is published of a model; nothing where the key is not there."""
    if node is None:
        return PublishedMetrics()
    fields = node.as_mapping(PUBLISHED_KEYS)
    difference = fields.get("known_difference")
    return PublishedMetrics(
        accuracy=read_list(fields.get("accuracy"), _accuracy),
        gflops=_figure(fields.get("gflops"), MAX_FIGURE),
        mparams=_figure(fields.get("mparams"), MAX_FIGURE),
        known_difference=read_line(difference) if difference is not None else "",
    )


def read_training(node: YamlNode | None) -> Training:
    """Where a model's training is shown."""
    if node is None:
        return Training()
    fields = node.as_mapping(TRAINING_KEYS)
    return Training(command=read_web_url(fields.get("command")), log=read_web_url(fields.get("log")))


def _accuracy(node: YamlNode) -> PublishedAccuracy:
    fields = node.as_mapping(ACCURACY_KEYS)
    metric = fields["metric"].choice(METRICS)
    dataset, protocol, flip = fields.get("dataset"), fields.get("protocol"), fields.get("flip")
    return PublishedAccuracy(
        metric=metric,
        value=_within(fields["value"], METRICS[metric]),
        dataset=read_line(dataset) if dataset is not None else "",
        protocol=read_line(protocol) if protocol is not None else "",
        flip=flip.boolean() if flip is not None else False,
        ap50=_figure(fields.get("AP50"), METRICS["AP"]),
        ap75=_figure(fields.get("AP75"), METRICS["AP"]),
        converted=_figure(fields.get("converted"), METRICS[metric]),
    )


def _figure(node: YamlNode | None, maximum: float) -> float | None:
    return _within(node, maximum) if node is not None else None


def _within(node: YamlNode, maximum: float) -> float:
    value = node.number()
    if not 0 < value <= maximum:
        raise node.make_error(f"expected more than 0 and at most {maximum:g}, got {value:g}")
    return value
