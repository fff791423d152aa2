"""What a publisher says of a model: how well it does, how large it is, and how it was trained."""

from __future__ import annotations

from posezoo.spec.model import Accuracy, Published, Training
from posezoo.spec.published import web_address
from posezoo.spec.reader import Node
from posezoo.spec.values import line, listed

#: By metric, the largest value that can be meant: a share, or millimetres.
METRICS = {"AP": 1.0, "MPJPE": 10_000.0}
ACCURACY_KEYS = ("metric", "value", "dataset", "protocol", "flip", "AP50", "AP75", "converted")
PUBLISHED_KEYS = ("accuracy", "gflops", "mparams", "known_difference")
TRAINING_KEYS = ("command", "log")
MAX_FIGURE = 1e9


def read_published(node: Node | None) -> Published:
    """What is published of a model; nothing where the key is not there."""
    if node is None:
        return Published()
    fields = node.fields(PUBLISHED_KEYS)
    difference = fields.get("known_difference")
    return Published(
        accuracy=listed(fields.get("accuracy"), _accuracy),
        gflops=_figure(fields.get("gflops"), MAX_FIGURE),
        mparams=_figure(fields.get("mparams"), MAX_FIGURE),
        known_difference=line(difference) if difference is not None else "",
    )


def read_training(node: Node | None) -> Training:
    """Where a model's training is shown."""
    if node is None:
        return Training()
    fields = node.fields(TRAINING_KEYS)
    return Training(command=web_address(fields.get("command")), log=web_address(fields.get("log")))


def _accuracy(node: Node) -> Accuracy:
    fields = node.fields(ACCURACY_KEYS)
    metric = fields["metric"].word(METRICS)
    dataset, protocol, flip = fields.get("dataset"), fields.get("protocol"), fields.get("flip")
    return Accuracy(
        metric=metric,
        value=_within(fields["value"], METRICS[metric]),
        dataset=line(dataset) if dataset is not None else "",
        protocol=line(protocol) if protocol is not None else "",
        flip=flip.boolean() if flip is not None else False,
        ap50=_figure(fields.get("AP50"), METRICS["AP"]),
        ap75=_figure(fields.get("AP75"), METRICS["AP"]),
        converted=_figure(fields.get("converted"), METRICS[metric]),
    )


def _figure(node: Node | None, maximum: float) -> float | None:
    return _within(node, maximum) if node is not None else None


def _within(node: Node, maximum: float) -> float:
    value = node.number()
    if not 0 < value <= maximum:
        raise node.error(f"expected more than 0 and at most {maximum:g}, got {value:g}")
    return value
